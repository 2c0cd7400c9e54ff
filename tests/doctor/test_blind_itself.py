"""The blind patients before the doctor: they are seeded, learn when well, and are ill when sick."""

import io
import math
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.doctor import blind_training
from tests.doctor.blind import BLIND, FAULTS, HEALTHY
from tests.doctor.case import NAMES, Case, Patient
from tests.doctor.training import drawn, fall, loss_of, one_step, train

BOTH = (False, True)
sick_and_well = pytest.mark.parametrize("sick", BOTH)
every = pytest.mark.parametrize("case", BLIND, ids=lambda case: case.name)

NOT_FINITE = (
    *("log_of_sigmoid", "mask_times_infinity", "empty_documents", "chain_without_maximum"),
    *("normal_of_one", "sum_over_512"),
)
STANDS_STILL = (
    *("schedule_at_its_end", "convolution_never_opens", "first_moment_of_150"),
    *("tower_too_quiet", "adamw_asleep", "decay_of_ten", "three_units_of_measure"),
)
WORSE = (
    *("head_added_later", "column_less_row", "taste_in_two_sigmoids", "millivolts"),
    *("tanh_from_std_3", "products_not_divided", "adam_at_three", "segments_at_full_speed"),
    *("one_column_in_millions", "convolution_all_alike", "context_detached"),
)


def made(name: str, sick: bool, seed: int = 0) -> Patient:
    return next(case for case in BLIND if case.name == name).make(seed, sick)


def as_bytes(patient: Patient) -> bytes:
    held = io.BytesIO()
    state = patient.optimizer.state_dict()
    torch.save((patient.model.state_dict(), patient.batch, state), held)
    return held.getvalue()


def test_the_bank_holds_each_once():
    assert (len(FAULTS), len(HEALTHY)) == (30, 14)
    assert len({case.name for case in BLIND}) == len(BLIND)
    assert all(case.accepted and case.accepted <= NAMES for case in FAULTS)
    assert all(case.healthy for case in HEALTHY)


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_layers_are_there(case: Case):
    model = case.make(0, True).model
    assert case.layers <= {name for name, _ in [*model.named_modules(), *model.named_parameters()]}


@every
def test_a_seed_says_all_and_moves_nothing(case: Case):
    for sick in BOTH[: 1 if case.healthy else 2]:
        before = torch.random.get_rng_state()
        first, second, other = (case.make(seed, sick) for seed in (0, 0, 1))
        assert torch.equal(before, torch.random.get_rng_state())
        assert as_bytes(first) == as_bytes(second) != as_bytes(other)
        assert set(first.arguments()) == {field.name for field in fields(first)}
        assert isinstance(first.optimizer, torch.optim.Optimizer)


@every
def test_the_well_learn(case: Case):
    losses = train(case.make(0, False), 40)
    assert all(map(math.isfinite, losses))
    assert fall(losses) > 0.3


@pytest.mark.parametrize("name", NOT_FINITE)
def test_numbers_are_lost(name: str):
    assert not math.isfinite(train(made(name, True), 25)[-1])


@pytest.mark.parametrize("name", STANDS_STILL)
def test_the_sick_one_stands_still(name: str):
    assert abs(fall(train(made(name, True), 40))) < 0.08


@pytest.mark.parametrize("name", WORSE)
def test_the_sick_one_ends_far_above(name: str):
    sick, well = (train(made(name, ill), 60)[-5:] for ill in (True, False))
    assert not sum(sick) < 1.9 * sum(well)


@pytest.mark.parametrize(("name", "tops"), [("context_detached", 2), ("gate_by_data", 1)])
@sick_and_well
def test_no_gradient_comes_there(name: str, tops: int, sick: bool):
    patient = made(name, sick)
    loss_of(patient).backward()
    without = {key.split(".")[0] for key, p in patient.model.named_parameters() if p.grad is None}
    assert len(without) == (tops if sick else 0)


@sick_and_well
def test_the_head_is_not_stepped(sick: bool):
    patient = made("head_added_later", sick)
    held = {id(p) for group in patient.optimizer.param_groups for p in group["params"]}
    assert all((id(p) in held) != sick for p in patient.model.head.parameters())


@sick_and_well
def test_the_encoder_is_in_evaluation(sick: bool):
    patient = made("encoder_in_evaluation", sick)
    train(patient, 3)
    assert int(patient.model.encoder[1].num_batches_tracked) == (0 if sick else 3)


def moved(patient: Patient, changed: Any, kept: Any, by: Tensor) -> float:
    """Return how much the outputs at `kept` change when the inputs at `changed` do."""
    x, model = patient.batch[0], patient.model.eval()
    other = x.clone()
    other[changed] = by
    return (model(x) - model(other))[kept].abs().max().item()


@pytest.mark.parametrize("name", ["softmax_over_batch", "rows_of_channels"])
@sick_and_well
def test_one_example_changes_another(name: str, sick: bool):
    change = moved(made(name, sick), slice(24), slice(24, None), torch.tensor(0.5))
    assert (change > 1e-3) == sick


@sick_and_well
def test_the_next_word_is_seen(sick: bool):
    patient = made("padding_on_both_sides", sick)
    places = slice(None)
    change = moved(patient, (places, slice(9, None)), (places, slice(9)), torch.tensor(0))
    assert (change > 1e-3) == sick


@sick_and_well
def test_gradients_pile_up(sick: bool):
    patient = made("accumulation_without_end", sick)
    for group in patient.optimizer.param_groups:
        group["lr"] = 0.0
    left = []
    with drawn(0):
        for _ in range(3):
            one_step(patient)
            grad = patient.model[0].weight.grad
            left.append(0.0 if grad is None else grad.norm().item())
    assert (left[2] > 2 * left[0] > 0) == sick


@sick_and_well
def test_channels_stay_alike(sick: bool):
    patient = made("convolution_all_alike", sick)
    train(patient, 10)
    rows = patient.model.conv1.weight
    assert torch.allclose(rows, rows[:1].expand_as(rows), atol=1e-6) == sick


@sick_and_well
def test_each_place_looks_at_one_other(sick: bool):
    patient = made("products_not_divided", sick)
    model, tokens = patient.model, patient.batch[0]
    assert isinstance(model, blind_training.OneBlock)
    h = model.norm(model.words(tokens) + model.places)
    attention = model.attention
    share = (attention.q(h) @ attention.k(h).transpose(1, 2) * attention.scale).softmax(-1)
    assert (share.amax(-1).mean() > 0.9) == sick


@sick_and_well
def test_saturated_units(sick: bool):
    patient = made("tanh_from_std_3", sick)
    h = patient.model[:-1](patient.batch[0])
    assert ((1 - h.square() < 0.1).float().mean() > 0.5) == sick


@sick_and_well
def test_what_the_tower_lets_through(sick: bool):
    patient = made("tower_too_quiet", sick)
    loss_of(patient).backward()
    tower = patient.model
    assert (tower.weights[0].grad.norm() < 1e-5 * tower.leave.bias.grad.norm()) == sick


@sick_and_well
def test_gates_stand_still(sick: bool):
    patient = made("millivolts", sick)
    lstm, x = patient.model.rnn, patient.batch[0]
    gates = (x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0).sigmoid()
    assert ((gates * (1 - gates) < 0.025).float().mean() > 0.5) == sick
