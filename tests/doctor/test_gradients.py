"""A gradient checked by differences: right ones agree, a wrong one is named."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.left_behind import changes, state
from tests.doctor.training import drawn
from vglib.doctor import check_gradients, plot_gradient_flow

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(8) % 3


@pytest.fixture(autouse=True)
def _seeded():
    with drawn(0):
        yield


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.lstm(x.reshape(len(x), 3, 2))[0][:, -1])


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(2, 1, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        x = x.reshape(len(x), 3, 2)
        return self.head(self.attention(x, x, x)[0].flatten(1))


NETS = {
    "tanh": lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)),
    "relu": lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)),
    "batch norm": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)
    ),
    "layer norm": lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 3)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.5), nn.GELU(), nn.Linear(9, 3)),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 3, 3), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(6, 3)
    ),
    "lstm": Recurrent,
    "attention": Attentive,
}


@pytest.mark.parametrize("name", NETS)
def test_right_gradients_agree(name):
    model = NETS[name]()
    checked = check_gradients(model, F.cross_entropy, (X, Y))
    assert checked.agrees, checked
    # A bias in front of batch norm and of a softmax over keys has gradient 0, exactly.
    assert {check.name for check in checked.checks} == {n for n, _ in model.named_parameters()}
    assert sum(abs(check.autograd) > 1e-6 for check in checked.checks) >= 2
    assert max(check.error for check in checked.checks) < 1e-5
    assert checked.skipped == ()


class WrongBackward(torch.autograd.Function):
    """Gives what a linear layer gives, and a gradient by the weight that lacks a factor."""

    @staticmethod
    def forward(ctx, x, weight, factor):
        ctx.save_for_backward(x, weight)
        ctx.factor = factor
        return x @ weight.T

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, ctx.factor * gradient.T @ x, None


class Own(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.weight, self.factor = nn.Parameter(torch.randn(5, 6)), factor

    def forward(self, x):
        return WrongBackward.apply(x, self.weight, self.factor)


@pytest.mark.parametrize("factor", [1.0, 2.0, 1.001, -1.0, 0.0])
def test_a_wrong_backward_is_named(factor):
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), Own(factor), nn.Tanh(), nn.Linear(5, 3))
    checked = check_gradients(model, F.cross_entropy, (X, Y))
    wrong = [check for check in checked.checks if not check.agrees]
    assert [check.name for check in wrong] == ([] if factor == 1 else ["2.weight"])
    assert checked.agrees is (factor == 1)
    if wrong:
        expected = factor * wrong[0].difference
        assert wrong[0].autograd == pytest.approx(expected, rel=1e-6)
        assert "2.weight: autograd says" in repr(checked)
        assert "4 of 5 gradients agree" in repr(checked)


def test_numbers_are_those_of_the_loss():
    model = nn.Linear(6, 1, bias=False)
    (check,) = check_gradients(model, F.mse_loss, (X, X[:, :1])).checks
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(1, 6, generator=generator, dtype=torch.float64)
    x, y, w = X.double(), X[:, :1].double(), model.weight.detach().double()
    gradient = 2 * ((x @ w.T - y) * x).mean(0)
    assert check.autograd == pytest.approx(float(gradient @ (direction / direction.norm()).T))
    assert check.difference == pytest.approx(check.autograd, rel=1e-6)


def test_what_gets_no_gradient_is_skipped_and_said():
    model = nn.ModuleDict({"used": nn.Linear(6, 3), "idle": nn.Linear(6, 3)})
    model["frozen"] = nn.Linear(6, 3).requires_grad_(False)

    def forward(net, batch):
        return net["used"](batch[0]) + net["frozen"](batch[0])

    loss = lambda output, batch: F.cross_entropy(output, batch[1])  # noqa: E731
    checked = check_gradients(model, loss, (X, Y), forward=forward)
    assert [check.name for check in checked.checks] == ["used.weight", "used.bias"]
    assert [text.partition(",")[0] for text in checked.skipped] == ["idle.weight", "idle.bias"]
    assert "not checked: idle.weight" in repr(checked)


def test_a_gradient_that_has_vanished_passes_and_the_report_says_that_it_would():
    layers = [part for _ in range(12) for part in (nn.Linear(6, 6), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(6, 3))
    checked = check_gradients(model, F.cross_entropy, (X, Y))
    assert abs(checked.checks[0].autograd) < 1e-8
    assert checked.agrees
    assert "a gradient that has vanished is exact" in repr(checked)


def test_a_loss_with_no_way_to_a_parameter_is_one_sentence():
    with pytest.raises(ValueError, match=r"^The loss depends on no parameter.*\.$"):
        check_gradients(nn.Linear(6, 3), lambda out, y: out.detach().sum(), (X, Y))


def test_the_same_seed_checks_the_same_directions():
    model = NETS["dropout"]()
    first, again, other = (
        check_gradients(model, F.cross_entropy, (X, Y), seed=seed).checks for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["batch norm", "dropout"])
def test_nothing_is_left_behind(name):
    model = NETS[name]()
    patient = Patient(model, nn.CrossEntropyLoss(), (X, Y))
    before = state(patient)
    check_gradients(model, patient.loss_fn, patient.batch)
    assert changes(before, state(patient)) == []


# --- a gradient's flow ---


def test_the_flow_shows_each_matrix():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3), nn.Linear(3, 3))
    F.cross_entropy(model[:3](X), Y).backward()
    model[2].weight.grad.zero_()
    traces = {trace.name: trace for trace in plot_gradient_flow(model).data}
    gradient, parameter = traces["gradient"], traces["parameter"]
    assert list(gradient.text) == ["0.weight", "2.weight", "3.weight"]
    size = model[0].weight.grad.double().square().mean().sqrt().item()
    # The axis is one of powers of ten.
    assert gradient.y[0] == pytest.approx(math.log10(size))
    assert math.isnan(gradient.y[2])
    assert list(traces["exactly 0"].x) == [2]
    assert all(map(math.isfinite, parameter.y))


def test_the_flow_needs_a_gradient():
    with pytest.raises(ValueError, match=r"^No parameter has a gradient;.*backward\(\)\.$"):
        plot_gradient_flow(nn.Linear(2, 2))
