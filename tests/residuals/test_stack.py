from dataclasses import replace
from math import exp, inf, isnan, log

import numpy as np
import pytest
import torch

from vglib.residuals.sgd import Net, train
from vglib.residuals.stack import (
    EPS,
    FORMS,
    Normalised,
    Scaled,
    Stack,
    draw_weights,
    nan_safe_log,
    run,
    run_back,
    softmax_gradient,
)

PHI = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "identity": lambda z: z,
}


def by_torch(stack: Stack, h: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    phi = PHI[stack.activation]

    def norm(z):
        return torch.nn.functional.batch_norm(z, None, None, training=True, eps=EPS)

    def around(z):
        return norm(z) if stack.norm else z

    for w in weights:
        if stack.form == "layer":
            h = stack.a * h + stack.b * phi(around(h @ w.T))
        else:
            total = h + stack.b * phi(around(h)) @ w.T
            h = total if stack.form == "pre-activation" else phi(total)
    return h


def a_batch(seed=0, rows=7, width=5):
    return np.random.default_rng(seed).standard_normal((rows, width))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize("form", FORMS)
def test_forward_and_backward_against_autograd(form, activation, norm):
    a, b = (0.7, 0.6) if form == "layer" else (1.0, 0.6)
    stack = Stack(draw_weights(4, 5, 1.3, 0), activation, form, a, b, norm)
    h, g = a_batch(), a_batch(1)
    weights = torch.tensor(stack.weights, requires_grad=True)
    start = torch.tensor(h, requires_grad=True)
    out = by_torch(stack, start, weights)
    dh, dw = torch.autograd.grad(out, [start, weights], torch.tensor(g))

    signals, kept, rules = run(stack, h)
    np.testing.assert_allclose(signals[-1].unit * exp(signals[-1].log), out.detach(), rtol=1e-9)
    seen = list(run_back(rules, kept, signals, Scaled(g)))
    assert [layer for layer, *_ in seen] == [4, 3, 2, 1]
    _, below, _ = seen[-1]
    np.testing.assert_allclose(below.unit * exp(below.log), dh, rtol=1e-8, atol=1e-10)
    norms = [log_dw for *_, log_dw in seen[::-1]]
    np.testing.assert_allclose(np.exp(norms), np.linalg.norm(dw, axis=(1, 2)), rtol=1e-8)


@pytest.mark.parametrize(("activation", "scale"), [("relu", 20.0), ("relu", 0.01), ("tanh", 0.01)])
def test_a_thousand_layers_neither_overflow_nor_underflow(activation, scale):
    stack = Stack(draw_weights(1000, 8, scale, 0), activation, a=0.0)
    signals, kept, rules = run(stack, a_batch(width=8))
    *_, (_, below, _) = run_back(rules, kept, signals, Scaled(a_batch(1, width=8)))
    assert np.isfinite([s.log_norm for s in signals]).all()
    assert np.isfinite(below.log_norm)
    assert abs(below.log_norm) > 1000


def test_rescaling_changes_nothing():
    """Signals of 1e-90 at the start are rescaled on their way; those of 1 are not."""
    stack = Stack(draw_weights(30, 6, 0.3, 0), "identity", a=0.0)
    h, g = a_batch(width=6), a_batch(1, width=6)
    _, kept, rules = run(stack, h)
    small_signals, small_kept, small_rules = run(stack, 1e-90 * h)
    assert small_signals[-1].log != 0
    one = list(run_back(rules, kept, [Scaled(h)] * 31, Scaled(g)))
    other = list(run_back(small_rules, small_kept, [Scaled(h)] * 31, Scaled(g)))
    assert one[-1][1].log_norm == pytest.approx(other[-1][1].log_norm, abs=1e-9)


def test_the_first_layers_do_not_depend_on_the_depth():
    np.testing.assert_array_equal(draw_weights(5, 4, 1.0, 3), draw_weights(9, 4, 1.0, 3)[:5])
    assert not np.array_equal(draw_weights(5, 4, 1.0, 3), draw_weights(5, 4, 1.0, 4))


def test_scaled_numbers():
    one = Scaled(np.array([3.0, 4.0]), 1000.0)
    assert one.log_norm == pytest.approx(1000 + log(5))
    assert one.tame() is one
    tamed = Scaled(np.array([3e120, 4e120])).tame()
    assert tamed.log_norm == pytest.approx(log(5e120))
    assert np.linalg.norm(tamed.unit) == pytest.approx(1)
    assert one.plus(Scaled(np.array([1.0, 1.0]), -1000.0)).log_norm == one.log_norm
    both = Scaled(np.array([1.0, 0.0])).plus(Scaled(np.array([1.0, 0.0]), log(2)))
    assert both.log_norm == pytest.approx(log(3))
    assert Scaled(np.zeros(2)).log_norm == -inf
    assert isnan(nan_safe_log(float("nan")))


def test_the_softmax_gradient():
    logits, y = a_batch(width=4), np.array([0, 1, 2, 3, 0, 1, 2])
    leaf = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(leaf, torch.tensor(y))
    (expected,) = torch.autograd.grad(loss, leaf)
    got, value = softmax_gradient(Scaled(logits), y)
    np.testing.assert_allclose(got, expected, atol=1e-15)
    assert value == pytest.approx(loss.item())
    huge, _ = softmax_gradient(Scaled(logits, 5000.0), y)
    np.testing.assert_allclose(np.abs(huge).sum(1) * len(y), 2 * (logits.argmax(1) != y))


def test_batch_norm_is_torchs():
    x = a_batch()
    expected = torch.nn.BatchNorm1d(5, eps=EPS, dtype=torch.float64)(torch.tensor(x))
    np.testing.assert_allclose(Normalised.of(x).x, expected.detach(), rtol=1e-12)


@pytest.mark.parametrize("heads", [False, True])
def test_the_gradients_of_training(heads):
    net = Net.start(Stack(draw_weights(3, 5, 1.0, 0), "tanh"), 0, n_in=4, n_out=3, heads=heads)
    x, y = a_batch(width=4), np.array([0, 1, 2, 0, 1, 2, 0])
    leaves = [torch.tensor(p, requires_grad=True) for p in net.parameters]
    weights, readout, stem, *others = leaves
    h = torch.tensor(x) @ stem.T
    losses, last = [], len(weights) - 1
    for index, w in enumerate(weights):
        h = h + torch.tanh(h @ w.T)
        if heads or index == last:
            out = h @ (readout if index == last else others[index]).T
            losses.append(torch.nn.functional.cross_entropy(out, torch.tensor(y)))
    loss, gradients = net.gradients(x, y)
    assert loss == pytest.approx(losses[-1].item())
    for got, expected in zip(gradients, torch.autograd.grad(sum(losses), leaves), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_step_is_torchs():
    net = Net.start(Stack(draw_weights(2, 5, 1.0, 0), "tanh"), 0, n_in=4, n_out=3)
    x, y = a_batch(width=4, rows=6), np.array([0, 1, 2, 0, 1, 2])
    parameters = [torch.tensor(p, requires_grad=True) for p in net.parameters]
    sgd = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    shadow = replace(net, stack=replace(net.stack, weights=net.stack.weights.copy()))
    for _ in range(3):
        _, gradients = shadow.gradients(x, y)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        sgd.step()
        shadow = Net(
            replace(shadow.stack, weights=parameters[0].detach().numpy().copy()),
            parameters[2].detach().numpy().copy(),
            parameters[1].detach().numpy().copy(),
            [],
        )
    done = train(net, (x, y, x, y), lr=0.1, steps=3, batch=6, clip=0.5)
    np.testing.assert_allclose(net.stack.weights, shadow.stack.weights, atol=1e-6)
    assert done.clipped == 3
    assert done.broke_at is None


def test_an_overflow_is_told_and_stops_the_training():
    net = Net.start(Stack(draw_weights(20, 5, 1e20, 0), "relu"), 0, n_in=4, n_out=3)
    x, y = a_batch(width=4, rows=6), np.array([0, 1, 2, 0, 1, 2])
    done = train(net, (x, y, x, y), lr=0.1, steps=5, batch=6)
    assert done.broke_at == 0
    assert len(done.losses) == 1
    assert isnan(done.test_accuracy)


def test_the_signal_of_weights_zero_dies():
    stack = Stack(np.zeros((3, 5, 5)), "relu", a=0.0)
    signals, kept, rules = run(stack, a_batch())
    *_, (_, below, log_dw) = run_back(rules, kept, signals, Scaled(a_batch(1)))
    assert below.log_norm == -inf
    assert log_dw == -inf
