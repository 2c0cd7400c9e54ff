"""The bank's healthy nets and field cases themselves, and the published rules."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.doctor.case import Case, Patient
from tests.doctor.field import FIELD
from tests.doctor.healthy import HEALTHY
from tests.doctor.training import fall, loss_of, train
from vglib.clinic import published
from vglib.clinic.watched import Watched, accuracy_of, tensors, watch_training

BOTH = [pytest.param(case, id=case.name) for case in (*HEALTHY, *FIELD)]
NAMED = [pytest.param(case, id=case.name) for case in FIELD if not case.healthy]

# The doctor's names that these cases accept, as its writers agreed on them.
NAMES = {
    *("softmax-one-unit", "softmax-twice", "labels-all-equal", "constant-answer", "output-range"),
    *("target-out-of-range", "not-finite-here", "dead-units", "saturated", "output-ignores-input"),
    *("inputs-unscaled", "targets-unscaled", "rate-too-high", "rate-too-low", "initialization"),
    "no-nonlinearity",
}


def content(patient: Patient) -> list[bytes]:
    """All numbers that a patient was made of."""
    kept = [*patient.model.state_dict().values(), *tensors(patient.batch)]
    return [value.numpy().tobytes() for value in kept]


def test_the_healthy_are_those_that_the_clinic_names() -> None:
    names = [case.name for case in HEALTHY]
    assert len(names) == len(set(names)) == 26
    assert all(case.healthy for case in HEALTHY)


def test_every_question_is_one_case() -> None:
    sources = [case.source for case in FIELD]
    assert len(sources) == len(set(sources)) == 31
    assert {case.source for case in FIELD if case.healthy} == {"48594888", "37213388", "41372874"}
    assert frozenset().union(*(case.accepted for case in FIELD)) <= NAMES


@pytest.mark.parametrize("case", BOTH)
def test_a_seed_makes_the_same_patient_and_moves_nothing_outside(case: Case) -> None:
    before = torch.random.get_rng_state()
    for sick in (False,) if case.healthy else (False, True):
        first, again, other = (content(case.make(seed, sick)) for seed in (0, 0, 1))
        assert first == again
        assert first != other
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("case", BOTH)
def test_a_healthy_net_and_a_repaired_twin_learn(case: Case) -> None:
    losses = train(case.make(0, False), 30)
    assert np.isfinite(losses).all()
    assert fall(losses) > 0.3


@pytest.mark.parametrize("case", NAMED)
def test_a_sick_one_does_worse_than_its_twin(case: Case) -> None:
    """Either it does not fall, or to nothing good; that labels are all 0 is learnt at once."""
    sick, twin = (train(case.make(0, sick), 30) for sick in (True, False))
    if "labels-all-equal" in case.accepted:
        assert len(case.make(0, True).batch[1].unique()) == 1
    elif "target-out-of-range" in case.accepted:
        assert sick[-1] < 0
    else:
        assert not sick[-1] < 2 * twin[-1] or fall(sick) == 0


def test_what_each_healthy_net_is_there_for_is_there() -> None:
    made = {case.name: case.make(0, False) for case in HEALTHY}
    for name in ("moe_idle", "vit_zero_head", "resnet_zero_gamma", "lora_b0", "frozen_backbone"):
        loss_of(made[name]).backward()
    experts = made["moe_idle"].model[1].experts
    assert all(weight.grad is None for weight in experts[-1].parameters())
    assert any(weight.grad is not None for weight in experts[0].parameters())
    # Behind a zero nothing moves at first: below the head, inside the blocks, at LoRA's A.
    assert not made["vit_zero_head"].model.patches.weight.grad.any()
    assert not made["resnet_zero_gamma"].model.blocks[0].conv1.weight.grad.any()
    adapted = made["lora_b0"].model.layers[0].query
    assert not adapted.lora_a.grad.any()
    assert adapted.lora_b.grad.any()
    assert not made["frozen_backbone"].model.backbone[1].training
    assert made["gpt2_tied"].model.lm_head.weight is made["gpt2_tied"].model.wte.weight
    assert made["sensors_bn_first"].batch[0].abs().max() > 1000
    words, _ = made["emb_big_vocab"].batch
    assert len(words.unique()) < 0.02 * made["emb_big_vocab"].model.embedding.num_embeddings


def record(**changed: Any) -> Watched:
    """A training of two layers in which all goes well, but for what is changed."""
    steps = 20
    both = np.ones((steps, 2))
    walk = np.linspace(0.5, 1.0, steps)
    plain: dict[str, Any] = {
        "losses": np.linspace(2.0, 0.1, steps),
        "accuracies": np.linspace(0.1, 0.9, steps),
        "layers": ("0.weight", "2.weight"),
        "gradient_norms": both,
        "gradient_means": 0.01 * both,
        "gradient_averages": 0.01 * walk[:, None] * both,
        "weight_means": 0.1 * walk[:, None] * both,
        "relative_steps": 1e-3 * both,
        "zero_gradients": np.full(steps, 0.1),
        "outputs": {"0": walk, "1": walk, "2": walk},
        "output_sizes": {"0": walk, "1": walk, "2": walk},
        "inactive": {"1": np.full(steps, 0.5)},
        "saturated": {},
        "input_range": (-1.0, 1.0),
        "input_is_float": True,
        "image_shape": (8, 8),
        "target_range": (-2.0, 2.0),
        "target_is_float": True,
        "output_range": (-1.0, 1.0),
        "weight_variances": np.array([0.1, 0.1]),
        "learning_rates": (0.01,),
        "dropout_rates": {"3": 0.5},
        "unbent": (),
        "endings": ("ReLU", "Linear"),
    }
    assert set(plain) == {field.name for field in fields(Watched)}
    return Watched(**{**plain, **changed})


STILL = np.full(20, 0.3)
STUCK = {"accuracies": STILL, "losses": np.full(20, 2.0)}
FAR = np.tile([200.0, 1.0], (20, 1))
NEAR = np.tile([1e-5, 1.0], (20, 1))
SWING = np.tile([0.7, 0.9], 10)
EARLY = np.where(np.arange(20) < 10, np.nan, 1.0)

FIRES = [
    ("AutoTrainer", "vanish", {**STUCK, "gradient_norms": NEAR}),
    ("AutoTrainer", "explode", {**STUCK, "gradient_norms": FAR}),
    ("AutoTrainer", "explode", {"losses": EARLY}),
    ("AutoTrainer", "relu", {**STUCK, "zero_gradients": np.full(20, 0.7)}),
    ("AutoTrainer", "not_converge", STUCK),
    ("AutoTrainer", "unstable", {"accuracies": SWING}),
    ("AutoTrainer", "loss_issue", {"losses": np.linspace(2.0, -1.0, 20)}),
    ("AutoTrainer", "abnormal_data", {"output_sizes": {"0": np.full(20, 10.0), "2": STILL}}),
    ("UMLAUT", "Missing activation functions", {"unbent": ("0",)}),
    ("UMLAUT", "Last model layer has nonlinear activation", {"endings": ("ReLU", "Softmax")}),
    ("UMLAUT", "High dropout rate", {"dropout_rates": {"3": 0.51}}),
    ("UMLAUT", "Image data may have incorrect shape", {"image_shape": (3, 8)}),
    ("UMLAUT", "Input data exceeds typical limits", {"input_range": (0.0, 1.1)}),
    ("UMLAUT", "Input is not a Float type", {"input_is_float": False}),
    (
        *("UMLAUT", "NaN (Not a number) in input"),
        {"losses": EARLY, "input_range": (math.nan, math.nan)},
    ),
    ("UMLAUT", "Learning Rate is high", {"learning_rates": (0.011,)}),
    ("UMLAUT", "Learning Rate is low", {"learning_rates": (0.9e-7,)}),
    ("DeepDiagnosis", "Out of Range", {"endings": ("Linear", "Sigmoid")}),
    ("DeepDiagnosis", "Out of Range", {"output_range": (-50.0, 1.0)}),
    ("DeepDiagnosis", "Numerical Error in forward", {"outputs": {"0": EARLY, "1": STILL}}),
    ("DeepDiagnosis", "Dead Node", {"inactive": {"1": np.full(20, 0.7)}}),
    ("DeepDiagnosis", "Saturated Activation", {"saturated": {"1": np.full(20, 0.51)}}),
    ("DeepDiagnosis", "Unchanged output", {"outputs": {"0": STILL, "1": STILL}}),
    ("DeepDiagnosis", "Invalid loss", {"losses": EARLY}),
    ("DeepDiagnosis", "Loss not decreasing", {"losses": STILL}),
    ("DeepDiagnosis", "Invalid accuracy", {"accuracies": np.zeros(20)}),
    ("DeepDiagnosis", "Accuracy not increasing", {"accuracies": STILL}),
    ("DeepDiagnosis", "Numerical Error in gradient", {"gradient_averages": 0 * NEAR}),
    ("DeepDiagnosis", "Vanishing Gradient", {"gradient_means": 0.9e-2 * NEAR}),
    ("DeepDiagnosis", "Numerical Error in weights", {"weight_means": 0 * NEAR}),
    ("DeepDiagnosis", "Unchanged gradient", {"gradient_averages": NEAR}),
    ("DeepDiagnosis", "Unchanged weights", {"weight_means": NEAR}),
]


@pytest.mark.parametrize(("tool", "word", "changed"), FIRES)
def test_a_published_rule_fires_where_its_number_is_passed(
    tool: str, word: str, changed: dict[str, Any]
) -> None:
    assert word in published.RULES[tool](record(**changed))


@pytest.mark.parametrize("tool", published.RULES)
def test_the_published_rules_are_silent_where_all_goes_well(tool: str) -> None:
    assert published.RULES[tool](record()) == ()


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        ({"weight_variances": np.array([0.1, 11.0])}, "Poor Weight"),
        ({"input_range": (0.0, 255.0)}, "Normalize the data"),
        ({"relative_steps": np.tile([1e-3, 0.2], (20, 1))}, "Learning Rate"),
        ({}, "Change the optimizer"),
    ],
)
def test_what_should_change_is_asked_in_the_published_order(
    changed: dict[str, Any], change: str
) -> None:
    assert published.deepdiagnosis(record(losses=STILL, **changed))[1] == change


def test_every_word_of_theirs_has_a_meaning_and_a_score() -> None:
    said = {word for _, word, _ in FIRES}
    assert said <= set(published.SAME)
    assert published.score(("vanish",), frozenset({"vanishing"})) == (True, True)
    assert published.score(("vanish",), frozenset({"rate-too-low"})) == (True, False)
    assert published.score((), frozenset({"vanishing"})) == (False, False)


def test_watching_leaves_the_patient_alone_and_sees_what_it_does() -> None:
    case = next(case for case in HEALTHY if case.name == "cnn_bn")
    patient = case.make(0, False)
    before, state = content(patient), torch.random.get_rng_state()
    watched = watch_training(**patient.arguments(), steps=3)
    assert content(patient) == before
    assert torch.equal(state, torch.random.get_rng_state())
    assert not patient.optimizer.state
    assert not any(module._forward_hooks for module in patient.model.modules())
    assert watched.losses[0] > watched.losses[-1]
    assert watched.layers[0] == "0.weight"


def test_what_was_watched_is_what_autograd_and_a_plain_step_say() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())
    x, y = torch.randn(8, 3), torch.randint(2, (8, 1)).float()
    loss_fn = nn.BCELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    watched = watch_training(model, loss_fn, (x, y), optimizer, steps=4)
    for now in range(4):
        inner = model[1](model[0](x)).detach()
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        weights = [model[0].weight, model[2].weight]
        norms = [float(weight.grad.norm()) for weight in weights]
        assert watched.losses[now] == pytest.approx(loss.item())
        assert watched.gradient_norms[now] == pytest.approx(norms)
        sizes = [weight.norm().item() for weight in weights]
        assert watched.relative_steps[now] == pytest.approx(0.5 * np.divide(norms, sizes))
        assert watched.inactive["1"][now] == pytest.approx(float((inner <= 0).float().mean()))
        right = ((model(x) > 0.5) == (y > 0.5)).float().mean()
        assert watched.accuracies[now] == pytest.approx(float(right))
        optimizer.step()
    assert watched.endings == ("Linear", "Sigmoid")
    assert watched.target_range == (0.0, 1.0)


def test_a_forgotten_zero_grad_is_not_cured_by_watching() -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(1, 1), torch.ones(4, 1)
    loss_fn = nn.MSELoss()

    def forgets(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> None:
        loss_fn(model(batch[0]), batch[1]).backward()
        optimizer.step()

    def losses(step: Any) -> np.ndarray:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return watch_training(model, loss_fn, (x, 0 * x), optimizer, step=step, steps=6).losses

    # Gradients that add up swing past the target; plain steps come down to it.
    assert (np.diff(losses(None)) < 0).all()
    assert (np.diff(losses(forgets)) > 0).any()


def test_accuracy_takes_classes_along_either_axis_and_one_probability() -> None:
    y = torch.tensor([0, 1, 2])
    logits = torch.eye(3)
    assert accuracy_of(logits, y) == 1
    words = y.repeat(2, 2)
    last = nn.functional.one_hot(words, 5).float()
    assert accuracy_of(last, words) == accuracy_of(last.transpose(1, 2), words) == 1
    assert accuracy_of(torch.tensor([[0.4], [0.6]]), torch.tensor([[0.0], [1.0]])) == 1
    assert accuracy_of(torch.tensor([[-0.4], [0.6]]), torch.tensor([[0.0], [1.0]])) == 1
    assert math.isnan(accuracy_of(torch.randn(4, 1), torch.randn(4, 1)))
    assert math.isnan(accuracy_of({"logits": logits}, y))
