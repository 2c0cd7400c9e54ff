"""`trace` against autograd, a reference in explicit loops, and its own path for any module."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import exp, inf, log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from vglib import probe
from vglib.activations import ACTIVATIONS, Activation
from vglib.networks import MLP, mlp
from vglib.probe import Loss, Trace, trace

pytestmark = pytest.mark.filterwarnings("error")
F64 = torch.float64


def quadratic(output: Tensor, y: Tensor) -> Tensor:
    return ((output - F.one_hot(y, output.shape[1])) ** 2).mean()


def summed_log_loss(output: Tensor, y: Tensor) -> Tensor:
    target = F.one_hot(y, output.shape[1]).to(output.dtype)
    return F.binary_cross_entropy(output, target, reduction="sum") / len(y)


def quadratic_slope(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return 2 * (output - target) / output.size


def cross_entropy_slope(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    shares = np.exp(output) / np.exp(output).sum(1, keepdims=True)
    return (shares - target) / len(output)


def summed_log_loss_slope(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return ((1 - target) / (1 - output) - target / output) / len(output)


SLOPES: dict[Loss, Callable] = {
    quadratic: quadratic_slope,
    F.cross_entropy: cross_entropy_slope,
    summed_log_loss: summed_log_loss_slope,
}


@dataclass(frozen=True)
class Case:
    depth: int | list[int]
    arguments: dict = field(default_factory=dict)
    loss: Loss = F.cross_entropy
    batch: int = 5

    def __str__(self) -> str:
        words = [str(self.depth), *(str(v) for v in self.arguments.values()), self.loss.__name__]
        return "-".join(words)

    def build(self) -> tuple[MLP, Tensor, Tensor]:
        network = mlp(self.depth, 4, n_in=3, n_out=3, seed=1, **self.arguments)
        return network, *samples(self.batch, 3, 3)


def samples(batch: int, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(batch, n_in, dtype=F64, generator=generator)
    return x, torch.randint(0, n_out, (batch,), generator=generator)


CASES = [
    *(Case(depth, {"activation": a}) for a in ACTIVATIONS for depth in (1, 2, 5, 8)),
    *(Case(3, {"activation": a, "bias_scale": 0.5}, quadratic) for a in ACTIVATIONS),
    *(
        Case(3, {"init": i, "activation": "tanh", "weight_scale": 1.5})
        for i in ("normal", "1/fan_in", "lecun", "he", "orthogonal", "torch")
    ),
    Case([6, 2, 5], {"activation": "tanh", "bias_scale": 0.3}),
    Case([1, 7], {"activation": "relu", "bias_scale": 1.0}, quadratic),
    Case(4, {"output": "sigmoid", "bias_scale": 1.0}, quadratic),
    Case(4, {"output": "sigmoid", "bias_scale": 1.0}, summed_log_loss),
    Case(2, {"output": "tanh", "weight_scale": 0.05}, quadratic),
    Case(2, {"output": "relu", "activation": "tanh", "weight_scale": 3.0}, quadratic),
    Case(2, {"bias_scale": 1.0}, batch=1),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=str)


def autograd_logs(network: MLP, x: Tensor, y: Tensor, loss: Loss) -> np.ndarray:
    """ln of the norms of delta, dW and db of each layer; shape (3, n_layers)."""
    h, pres = x, []
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        pres.append(h @ weight.T + bias)
        h = network.layer_activation(i).function(pres[-1])
    groups = (pres, list(network.weights), list(network.biases))
    gradients = torch.autograd.grad(loss(h, y), [t for group in groups for t in group])
    norms = np.array([float(g.norm()) for g in gradients]).reshape(3, -1)
    with np.errstate(divide="ignore"):
        return np.log(norms)


def looped_logs(network: MLP, x: Tensor, y: Tensor, loss: Loss) -> np.ndarray:
    """Compute the same sample by sample and weight by weight, in the chain rule's plainest form."""
    weights = [w.detach().numpy() for w in network.weights]
    biases = [b.detach().numpy() for b in network.biases]
    phis = [network.layer_activation(i) for i in range(len(weights))]
    pres, acts = [[] for _ in weights], [[] for _ in weights]
    for sample in x.numpy():
        h = list(sample)
        for layer, (w, b, phi) in enumerate(zip(weights, biases, phis, strict=True)):
            z = [sum(w[j, k] * h[k] for k in range(len(h))) + b[j] for j in range(len(b))]
            h = [float(phi.phi(v)) for v in z]
            pres[layer].append(z)
            acts[layer].append(h)
    target = np.eye(weights[-1].shape[0])[y.numpy()]
    received = SLOPES[loss](np.array(acts[-1]), target)
    logs = np.zeros((3, len(weights)))
    for layer in reversed(range(len(weights))):
        w, below = weights[layer], acts[layer - 1] if layer else x.tolist()
        delta = np.zeros((len(x), w.shape[0]))
        dw, db, passed = np.zeros_like(w), np.zeros(w.shape[0]), np.zeros((len(x), w.shape[1]))
        for s in range(len(x)):
            for j in range(w.shape[0]):
                delta[s, j] = received[s, j] * float(phis[layer].dphi(pres[layer][s][j]))
                db[j] += delta[s, j]
                for k in range(w.shape[1]):
                    dw[j, k] += delta[s, j] * below[s][k]
                    passed[s, k] += delta[s, j] * w[j, k]
        received = passed
        with np.errstate(divide="ignore"):
            logs[:, layer] = [0.5 * np.log((a**2).sum()) for a in (delta, dw, db)]
    return logs


def logs(measured: Trace) -> np.ndarray:
    return np.stack([measured.log_delta, measured.log_weight_grad, measured.log_bias_grad])


class Applied(nn.Module):
    """Any activation of the catalogue as a module."""

    def __init__(self, phi: Activation) -> None:
        super().__init__()
        self.phi = phi

    def forward(self, z: Tensor) -> Tensor:
        return self.phi.function(z)


def sequential(network: MLP) -> nn.Sequential:
    """Return the same net out of torch's own layers, where torch has the activation."""
    modules: list[nn.Module] = []
    own = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "identity": nn.Identity}
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
        layer.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
        phi = network.layer_activation(i)
        modules += [layer, own[phi.name]() if phi.name in own else Applied(phi)]
    return nn.Sequential(*modules)


def assert_same(a: Trace, b: Trace, rtol: float = 1e-10, but: tuple[str, ...] = ("names",)) -> None:
    for name in (f.name for f in fields(Trace) if f.name not in but):
        np.testing.assert_allclose(
            getattr(a, name), getattr(b, name), rtol=rtol, atol=rtol, err_msg=name
        )


@EVERY
def test_the_recursion_is_autograd(case: Case) -> None:
    arguments = (*case.build(), case.loss)
    np.testing.assert_allclose(logs(trace(*arguments)), autograd_logs(*arguments), atol=1e-10)


@EVERY
def test_the_recursion_is_the_chain_rule_in_loops(case: Case) -> None:
    arguments = (*case.build(), case.loss)
    np.testing.assert_allclose(logs(trace(*arguments)), looped_logs(*arguments), atol=1e-10)


@EVERY
def test_the_path_for_any_module_agrees(case: Case) -> None:
    network, x, y = case.build()
    ours, generic = trace(network, x, y, case.loss), trace(sequential(network), x, y, case.loss)
    assert_same(ours, generic, but=("names", "saturated"))
    assert np.isnan(generic.saturated).all()
    assert ours.names == (*(str(i + 1) for i in range(network.depth)), "out")
    assert generic.names == tuple(str(2 * i) for i in range(network.depth + 1))


@EVERY
def test_the_statistics_are_torchs(case: Case) -> None:
    network, x, y = case.build()
    measured, h = trace(network, x, y, case.loss), x
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        phi = network.layer_activation(i)
        z = (h @ weight.T + bias).detach()
        h, slope = phi.function(z), phi.derivative(z).abs()
        expected = {
            "pre_mean": z.mean(),
            "pre_std": z.std(correction=0),
            "act_std": h.std(correction=0),
            "spread": h.std(0, correction=0).mean(),
            "saturated": (slope < phi.max_slope / 10).double().mean(),
            "zero": (h == 0).double().mean(),
            "weight_norm": weight.detach().norm(),
        }
        for name, value in expected.items():
            got = getattr(measured, name)[i]
            assert got == pytest.approx(float(value), rel=1e-11, abs=1e-14), name
    assert measured.loss == pytest.approx(case.loss(network(x), y).item(), rel=1e-13)


def chain(weights: list[float], biases: list[float]) -> MLP:
    values = [[torch.tensor([w], dtype=F64) for w in part] for part in (weights, biases)]
    phi = ACTIVATIONS["sigmoid"]
    return MLP([w[:, None] for w in values[0]], values[1], phi, phi)


def test_a_chain() -> None:
    network = chain([0.7, -1.3, 2.0, 0.4], [0.1, -0.2, 0.3, 0.0])
    x, y = torch.tensor([[0.8]], dtype=F64), torch.tensor([0])
    arguments = (network, x, y, quadratic)
    np.testing.assert_allclose(logs(trace(*arguments)), autograd_logs(*arguments), atol=1e-12)
    np.testing.assert_allclose(logs(trace(*arguments)), looped_logs(*arguments), atol=1e-12)


@given(
    depth=st.integers(1, 6),
    width=st.integers(1, 9),
    batch=st.integers(1, 6),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    scale=st.floats(0.05, 20),
    bias_scale=st.sampled_from([None, 0.0, 1.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_any_mlp(
    depth: int, width: int, batch: int, activation: str, scale: float, bias_scale: float, seed: int
) -> None:
    network = mlp(
        depth,
        width,
        n_in=3,
        n_out=3,
        activation=activation,
        weight_scale=scale,
        bias_scale=bias_scale,
        seed=seed,
    )
    x, y = samples(batch, 3, 3)
    ours, expected = logs(trace(network, x, y, quadratic)), autograd_logs(network, x, y, quadratic)
    # Far out the slopes of autograd, s (1 - s) and 1 - tanh^2, have lost their digits.
    exact = activation in ("identity", "relu") or scale < 2
    reached = np.isfinite(expected) if exact else expected > -20
    np.testing.assert_allclose(ours[reached], expected[reached], atol=1e-9 if exact else 1e-3)
    if activation in ("identity", "relu"):
        np.testing.assert_array_equal(np.isneginf(ours), np.isneginf(expected))


@EVERY
def test_the_order_of_the_batch_does_not_matter(case: Case) -> None:
    network, x, y = case.build()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    for net in (network, sequential(network)):
        a, b = trace(net, x, y, case.loss), trace(net, x[order], y[order], case.loss)
        assert_same(
            a, b, rtol=1e-12, but=("names", *(("saturated",) if net is not network else ()))
        )


def test_a_float32_net_is_measured_like_the_float64_one() -> None:
    x, y = samples(6, 3, 3)
    for depth in (2, 60):
        single, double = (
            trace(mlp(depth, 5, n_in=3, n_out=3, dtype=d), x.to(d), y, F.cross_entropy)
            for d in (torch.float32, F64)
        )
        np.testing.assert_allclose(single.log_delta, double.log_delta, atol=1e-3)
        np.testing.assert_allclose(single.log_weight_grad, double.log_weight_grad, atol=1e-3)
        np.testing.assert_allclose(single.pre_std, double.pre_std, rtol=1e-3)


# --- gradients out of float64's range --------------------------------------------------------


def segmented_log_delta(network: MLP, x: Tensor, y: Tensor, loss: Loss) -> np.ndarray:
    """ln ||delta|| by autograd alone, layer by layer, the unit gradient handed on."""
    pres, h = [], x
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        pres.append((h @ weight.T + bias).detach())
        h = network.layer_activation(i).function(pres[-1])
    out, total, unit = [], 0.0, None
    for i in reversed(range(len(pres))):
        z = pres[i].clone().requires_grad_()
        h = network.layer_activation(i).function(z)
        if unit is None:
            (gradient,) = torch.autograd.grad(loss(h, y), z)
        else:
            above = h @ network.weights[i + 1].T + network.biases[i + 1]
            (gradient,) = torch.autograd.grad(above, z, unit)
        norm = float(gradient.norm())
        total += log(norm)
        unit = gradient / norm
        out.append(total)
    return np.array(out[::-1])


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_depth_1000_is_finite_and_right(activation: str) -> None:
    network = mlp(1000, 12, n_in=5, n_out=4, activation=activation, weight_scale=0.6)
    x, y = samples(4, 5, 4)
    measured = trace(network, x, y, F.cross_entropy)
    expected = segmented_log_delta(network, x, y, F.cross_entropy)
    assert np.isfinite(logs(measured)).all()
    np.testing.assert_allclose(measured.log_delta, expected, atol=1e-8)
    assert measured.log_delta[0] < -400
    assert measured.zero_gradient_layers == ()
    assert measured.overflow_layer is None


def test_plain_autograd_agrees_down_to_the_edge_of_float64() -> None:
    network = mlp(100, 12, n_in=5, n_out=4)
    x, y = samples(4, 5, 4)
    measured = trace(network, x, y, F.cross_entropy)
    assert measured.log_delta[0] < -130
    expected = autograd_logs(network, x, y, F.cross_entropy)
    np.testing.assert_allclose(logs(measured), expected, atol=1e-9)


def test_slopes_near_the_smallest_float_are_measured() -> None:
    network = chain([600.0, 600.0], [0.0, 0.0])
    measured = trace(network, torch.ones(1, 1, dtype=F64), torch.tensor([0]), lambda o, y: o.sum())
    # s'(600) = e^-600 in both neurons.
    assert measured.log_delta == pytest.approx([2 * -600 + log(600), -600], rel=1e-12)


def dead_at(layer: int) -> MLP:
    network = mlp(6, 8, n_in=3, n_out=3, activation="relu", init="he", bias_scale=0.5)
    with torch.no_grad():
        network.biases[layer - 1].fill_(-1e3)
    return network


@pytest.mark.parametrize("build", [lambda n: n, sequential], ids=["mlp", "any module"])
def test_dead_relus_have_a_gradient_of_exactly_zero(build: Callable) -> None:
    measured = trace(build(dead_at(3)), *samples(5, 3, 3), F.cross_entropy)
    assert measured.zero_gradient_layers == (1, 2, 3)
    assert np.isneginf(logs(measured)[:, :3]).all()
    assert np.isfinite(measured.log_delta[3:]).all()
    # Nothing comes out of layer 3, so layer 4's weights get no gradient while its biases do.
    assert np.isneginf(measured.log_weight_grad[3])
    assert np.isfinite(measured.log_bias_grad[3])
    assert measured.zero[2] == 1
    assert np.exp(measured.log_delta[0]) == 0


def test_an_overflow_is_named_by_layer_and_nothing_raises() -> None:
    network = mlp(400, 30, n_in=3, activation="relu", init="he", weight_scale=20)
    x, y = samples(4, 3, 10)
    h, first = x, None
    for i, weight in enumerate(network.weights):
        z = (h @ weight.T).detach()
        if first is None and not z.isfinite().all():
            first = i + 1
        h = torch.relu(z)
    assert first is not None
    for net in (network, sequential(network)):
        measured = trace(net, x, y, F.cross_entropy)
        assert measured.overflow_layer == first
        assert not np.isfinite(measured.pre_std[first - 1 :]).any()
        assert np.isnan(measured.log_delta).all()
        assert np.isnan(measured.loss)
        assert np.isfinite(measured.pre_std[: first - 1]).all()
        assert (np.diff(np.log(measured.act_std[: first - 1])) > 0).all()


@pytest.mark.parametrize("exponent", [-300, -170, 170, 300])
def test_signals_whose_squares_leave_float64_are_measured(exponent: int) -> None:
    scale, (x, y) = 10.0**exponent, samples(6, 3, 3)
    loss: Loss = lambda o, y: o[:, 0].mean()  # noqa: E731
    plain, scaled = (mlp(2, 5, n_in=3, activation="identity") for _ in range(2))
    a, b = trace(plain, x, y, loss), trace(scaled, x * scale, y, loss)
    for name in ("pre_mean", "pre_std", "act_std", "spread"):
        np.testing.assert_allclose(getattr(b, name) / scale, getattr(a, name), rtol=1e-10)
    np.testing.assert_allclose(b.log_weight_grad, a.log_weight_grad + log(scale), rtol=1e-10)
    assert b.overflow_layer is None


# --- any module ------------------------------------------------------------------------------


def small(**arguments: object) -> tuple[nn.Sequential, Tensor, Tensor]:
    return sequential(mlp(2, 4, n_in=3, n_out=3, **arguments)), *samples(5, 3, 3)  # type: ignore[arg-type]


def hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in network.modules())


def test_the_module_is_left_as_it_was() -> None:
    network, x, y = small()
    network[1].eval()
    modes = [m.training for m in network.modules()]
    network[0].weight.grad = torch.full_like(network[0].weight, 7)
    trace(network, x, y, F.cross_entropy)
    assert [m.training for m in network.modules()] == modes
    assert (network[0].weight.grad == 7).all()
    assert network[2].weight.grad is None
    assert hooks(network) == 0
    network.requires_grad_(False)
    trace(network, x, y, F.cross_entropy)
    assert not any(p.requires_grad for p in network.parameters())
    assert not x.requires_grad


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("on purpose")


def test_hooks_are_removed_after_an_error() -> None:
    def failing_loss(output: Tensor, y: Tensor) -> Tensor:
        raise RuntimeError("on purpose")

    network, x, y = small()
    with pytest.raises(RuntimeError, match="on purpose"):
        trace(network, x, y, failing_loss)
    assert hooks(network) == 0
    broken = nn.Sequential(*network, Failing())
    with pytest.raises(RuntimeError, match="on purpose"):
        trace(broken, x, y, F.cross_entropy)
    assert hooks(broken) == 0


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_frozen_layers_have_a_delta_and_no_weight_gradient(activation: str) -> None:
    network, x, y = small(activation=activation, bias_scale=0.3)
    free = trace(network, x, y, F.cross_entropy)
    for frozen in ([0], [2], [0, 2], [0, 2, 4]):
        network.requires_grad_(True)
        for i in frozen:
            network[i].requires_grad_(False)
        measured = trace(network, x, y, F.cross_entropy)
        np.testing.assert_allclose(measured.log_delta, free.log_delta, rtol=1e-12)
        gone = [i in frozen for i in (0, 2, 4)]
        for got, was in (
            (measured.log_weight_grad, free.log_weight_grad),
            (measured.log_bias_grad, free.log_bias_grad),
        ):
            assert np.isnan(got).tolist() == gone
            np.testing.assert_allclose(got[~np.array(gone)], was[~np.array(gone)], rtol=1e-12)


def test_a_layer_without_bias_has_no_bias_gradient() -> None:
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 3)).double()
    measured = trace(network, *samples(5, 3, 3), F.cross_entropy)
    assert np.isnan(measured.log_bias_grad).tolist() == [True, False]


def test_a_module_called_twice_has_two_entries() -> None:
    torch.manual_seed(0)
    shared = nn.Linear(3, 3).double()
    network = nn.Sequential(shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(3, 3).double())
    x, y = samples(5, 3, 3)
    measured = trace(network, x, y, F.cross_entropy)
    assert measured.names == ("0", "0 (call 2)", "4")
    z1 = shared(x)
    z2 = shared(torch.tanh(z1))
    value = F.cross_entropy(network[4](torch.tanh(z2)), y)
    d1, d2, dw = torch.autograd.grad(value, [z1, z2, shared.weight])
    assert measured.log_delta[:2] == pytest.approx([log(d1.norm()), log(d2.norm())], rel=1e-6)
    # One weight, one gradient: that of both calls together.
    assert measured.log_weight_grad[:2] == pytest.approx([log(dw.norm())] * 2, rel=1e-6)


def test_an_activation_in_place_does_not_overwrite_the_pre_activation() -> None:
    network, x, y = small(activation="relu", bias_scale=0.3)
    expected = trace(network, x, y, F.cross_entropy)
    for i in (1, 3):
        network[i] = nn.ReLU(inplace=True)
    assert_same(trace(network, x, y, F.cross_entropy), expected, but=("names", "saturated"))
    network.requires_grad_(False)
    frozen = trace(network, x, y, F.cross_entropy)
    np.testing.assert_allclose(frozen.log_delta, expected.log_delta, rtol=1e-12)


def test_a_convolutional_net() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)
    ).double()
    x, y = torch.randn(5, 1, 8, 8, dtype=F64), torch.randint(0, 4, (5,))
    measured = trace(network, x, y, F.cross_entropy)
    z = network[0](x)
    value = F.cross_entropy(network[1:](z), y)
    dz, dw, db = torch.autograd.grad(value, [z, network[0].weight, network[0].bias])
    expected = [log(g.norm()) for g in (dz, dw, db)]
    assert logs(measured)[:, 0] == pytest.approx(expected, rel=1e-6)
    assert measured.pre_std[0] == pytest.approx(z.std(correction=0).item(), rel=1e-12)
    assert measured.spread[0] == pytest.approx(
        network[1:4](z).std(0, correction=0).mean().item(), rel=1e-12
    )


def test_batch_norm_is_not_a_layer() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).double()
    measured = trace(network, *samples(6, 3, 3), F.cross_entropy)
    assert measured.names == ("0", "3")
    assert np.isfinite(logs(measured)).all()


def test_integer_inputs_through_an_embedding() -> None:
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3)).double()
    x, y = torch.randint(0, 9, (5, 3)), torch.randint(0, 3, (5,))
    measured = trace(network, x, y, F.cross_entropy)
    assert measured.names == ("2",)
    assert np.isfinite(logs(measured)).all()


class TimeFolded(nn.Module):
    """Applies one layer to all steps at once, then another to their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.readout = nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.step(x.flatten(0, 1)))
        return self.readout(h.reshape(len(x), -1, 4).sum(1))


def test_layers_that_see_batches_of_other_sizes() -> None:
    torch.manual_seed(0)
    network = TimeFolded().double()
    x, y = torch.randn(5, 7, 2, dtype=F64), torch.randint(0, 3, (5,))
    measured = trace(network, x, y, F.cross_entropy)
    z1, z2 = network.step(x.flatten(0, 1)), network(x)
    expected = [float(z.detach().std(correction=0)) for z in (z1, z2)]
    assert measured.pre_std == pytest.approx(expected, rel=1e-12)
    expected = [float(z.detach().mean()) for z in (z1, z2)]
    assert measured.pre_mean == pytest.approx(expected, rel=1e-12)


def test_the_whole_network_may_be_one_layer() -> None:
    measured = trace(nn.Linear(3, 3).double(), *samples(5, 3, 3), F.cross_entropy)
    assert measured.names == ("Linear",)


@pytest.mark.parametrize("network", [nn.ReLU(), nn.Sequential(nn.BatchNorm1d(3)).double()])
def test_a_network_without_layers_is_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="no layer"):
        trace(network, *samples(5, 3, 3), F.cross_entropy)


@pytest.mark.parametrize("build", [lambda n: n, sequential], ids=["mlp", "any module"])
def test_a_loss_that_is_no_scalar_is_refused(build: Callable) -> None:
    network, x, y = CASES[0].build()
    with pytest.raises(ValueError, match=r"shape \(5,\).*scalar"):
        trace(build(network), x, y, lambda o, y: F.cross_entropy(o, y, reduction="none"))


# --- what a Trace is -------------------------------------------------------------------------


def test_a_trace_is_read_only_and_has_one_entry_a_layer() -> None:
    measured = trace(*CASES[1].build(), F.cross_entropy)
    arrays = [v for v in vars(measured).values() if isinstance(v, np.ndarray)]
    assert len(arrays) == 10
    for array in arrays:
        assert array.shape == (len(measured.names),)
        assert array.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_what_follows_from_a_trace() -> None:
    network, x, y = CASES[1].build()
    measured = trace(network, x, y, F.cross_entropy)
    before = [w.detach().clone() for w in network.weights]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3)
    F.cross_entropy(network(x), y).backward()
    optimizer.step()
    after = [w.detach() for w in network.weights]
    steps = [float((w - b).norm() / b.norm()) for w, b in zip(after, before, strict=True)]
    ratios = 0.3 * np.exp(measured.log_weight_grad - np.log(measured.weight_norm))
    np.testing.assert_allclose(ratios, steps, rtol=1e-9)


def test_a_bias_free_relu_net_has_the_same_weight_gradient_product_in_every_layer() -> None:
    """<W_l, dL/dW_l> = <delta_l, Z_l> is the same for all l, by Euler's theorem."""
    network, (x, y) = mlp(8, 20, n_in=6, n_out=4, activation="relu", init="he"), samples(9, 6, 4)
    gradients = torch.autograd.grad(F.cross_entropy(network(x), y), list(network.weights))
    products = [(w * g).sum().item() for w, g in zip(network.weights, gradients, strict=True)]
    np.testing.assert_allclose(products, products[0], rtol=1e-10)
    measured = trace(network, x, y, F.cross_entropy)
    # Cauchy and Schwarz: the product is a lower bound of ||W|| ||dW||.
    bound = measured.weight_norm * np.exp(measured.log_weight_grad)
    assert (bound >= abs(products[0])).all()
    assert exp(measured.log_delta.max()) < inf


def test_moments_off_the_processor_are_the_same():
    """Tensors are reduced where they live: here on the processor, by the code for the others."""
    values = torch.randn(50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for scale in (1.0, 1e-160, 1e155):
        with np.errstate(over="ignore"):
            near, far = (probe._moments(v) for v in ((scale * values).numpy(), scale * values))
        assert far == pytest.approx(near, rel=1e-13)
