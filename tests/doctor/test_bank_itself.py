"""The bank before the doctor: patients are seeded, twins learn, faults are where they should be."""

import io
import math
from dataclasses import fields

import pytest
import torch

from tests.doctor.case import NAMES, Case
from tests.doctor.faults import FAULTS
from tests.doctor.training import fall, train

SILENT = pytest.mark.filterwarnings("ignore:Using a target size")
every = pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)

# What each fault does to its own training, where a loss can show it.
RAISES = {
    "all_frozen": "does not require grad",
    "loss_vector": "scalar outputs",
    "labels_from_one": "out of bounds",
    "bn_batch_one": "more than 1 value per channel",
}
NOT_FINITE = (
    *("nan_input", "nan_weight", "log_zero", "sqrt_zero_backward", "div_zero_std"),
    *("exp_overflow_fp16", "relu_he_x20"),
)
STANDS_STILL = (
    *("item_in_loss", "softmax_one_unit", "step_missing", "step_before_backward", "lr_1e-9"),
    *("mse_broadcast", "zero_init_all", "sigmoid_deep", "relu_default_50", "dead_bias_-50"),
    *("rnn_T200", "adam_eps_1", "adam_lr_1"),
)
RISES = ("lr_100", "inputs_0_255")


def named(name: str) -> Case:
    return next(case for case in FAULTS if case.name == name)


def as_bytes(case: Case, seed: int, sick: bool) -> bytes:
    patient = case.make(seed, sick)
    held = io.BytesIO()
    state = patient.optimizer.state_dict()
    torch.save((patient.model.state_dict(), patient.batch, state), held)
    return held.getvalue()


def test_the_bank_holds_each_fault_once():
    assert len(FAULTS) == 49
    assert len({case.name for case in FAULTS}) == 49


@every
def test_names_are_known_and_layers_are_there(case):
    assert case.accepted
    assert case.accepted <= NAMES
    model = case.make(0, True).model
    there = {name for name, _ in [*model.named_modules(), *model.named_parameters()]}
    assert case.layers <= there


@every
@pytest.mark.parametrize("sick", [False, True])
def test_a_seed_says_all_and_moves_nothing(case, sick):
    before = torch.random.get_rng_state()
    first, second = as_bytes(case, 0, sick), as_bytes(case, 0, sick)
    other = as_bytes(case, 1, sick)
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == second
    assert first != other


@every
def test_what_an_examination_takes_is_whole(case):
    for sick in (False, True):
        patient = case.make(0, sick)
        assert set(patient.arguments()) == {field.name for field in fields(patient)}
        assert isinstance(patient.optimizer, torch.optim.Optimizer)


@every
def test_the_twin_learns(case):
    losses = train(case.make(0, False), 30)
    assert all(map(math.isfinite, losses))
    assert losses[1] < losses[0]
    assert fall(losses) > 0.2


@pytest.mark.parametrize("name", RAISES)
def test_torch_itself_refuses(name):
    with pytest.raises((RuntimeError, ValueError, IndexError), match=RAISES[name]):
        train(named(name).make(0, True), 2)


@pytest.mark.parametrize("name", NOT_FINITE)
def test_numbers_are_lost(name):
    assert not math.isfinite(train(named(name).make(0, True), 6)[-1])


@SILENT
@pytest.mark.parametrize("name", STANDS_STILL)
def test_the_sick_one_stands_still(name):
    losses = train(named(name).make(0, True), 30)
    assert abs(fall(losses)) < 0.08


@pytest.mark.parametrize("name", RISES)
def test_the_first_step_makes_it_worse(name):
    losses = train(named(name).make(0, True), 2)
    assert losses[1] > 2 * losses[0]


@pytest.mark.parametrize("name", ["detached_middle", "no_grad_block", "unused_layer"])
@pytest.mark.parametrize("sick", [False, True])
def test_the_layer_named_gets_no_gradient(name, sick):
    case = named(name)
    patient = case.make(0, sick)
    train(patient, 1)
    without = {key for key, p in patient.model.named_parameters() if p.grad is None}
    own = {key for key, _ in patient.model.named_parameters()} & case.layers
    assert without == (own if sick else set())


@pytest.mark.parametrize("name", ["optimizer_misses_head", "optimizer_stale_after_replace"])
@pytest.mark.parametrize("sick", [False, True])
def test_the_layer_named_is_not_stepped(name, sick):
    case = named(name)
    patient = case.make(0, sick)
    held = {id(p) for group in patient.optimizer.param_groups for p in group["params"]}
    missed = {key for key, p in patient.model.named_parameters() if id(p) not in held}
    assert bool(missed) == sick
    assert missed <= case.layers


@pytest.mark.parametrize("sick", [False, True])
def test_gradients_pile_up(sick):
    patient = named("zero_grad_missing").make(0, sick)
    for group in patient.optimizer.param_groups:
        group["lr"] = 0.0
    sizes = []
    for _ in range(2):
        train(patient, 1)
        sizes.append(patient.model[0].weight.grad.norm().item())
    assert sizes[1] == pytest.approx((2 if sick else 1) * sizes[0])


@pytest.mark.parametrize("name", ["sigmoid_bce_logits", "softmax_twice", "relu_output"])
def test_the_output_sets_a_floor(name):
    sick, well = (train(named(name).make(1, ill), 60)[-1] for ill in (True, False))
    assert sick > 3 * well


@pytest.mark.parametrize("name", ["nll_on_logits", "one_output_three_classes"])
def test_the_loss_falls_below_what_it_can_be(name):
    assert train(named(name).make(0, True), 40)[-1] < -1


@pytest.mark.parametrize("name", ["batch_mixing_view", "transposed_batch_time"])
@pytest.mark.parametrize("sick", [False, True])
def test_one_example_changes_another(name, sick):
    patient = named(name).make(0, sick)
    x = patient.batch[0]
    other = x.clone()
    other[:32] += 1
    change = (patient.model(x) - patient.model(other))[32:].abs().max().item()
    assert (change > 1e-3) == sick


@pytest.mark.parametrize("sick", [False, True])
def test_the_next_word_is_seen(sick):
    patient = named("causal_leak").make(0, sick)
    x, model = patient.batch[0], patient.model.eval()
    other = x.clone()
    other[:, 8:] = (other[:, 8:] + 1) % 20
    change = (model(x) - model(other))[:, :8].abs().max().item()
    assert (change > 1e-3) == sick


@pytest.mark.parametrize("sick", [False, True])
def test_units_stay_alike(sick):
    patient = named("constant_init").make(0, sick)
    train(patient, 10)
    rows = patient.model[2].weight
    assert torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-6) == sick


@pytest.mark.parametrize("sick", [False, True])
def test_saturated_units(sick):
    patient = named("tanh_scale_8").make(0, sick)
    h = patient.model[:-1](patient.batch[0])
    assert ((1 - h.square() < 0.1).float().mean() > 0.5) == sick
