from math import exp, inf, isnan, log

import numpy as np
import pytest
import torch

from vglib.backprop import softmax_gradient
from vglib.residuals.stack import (
    EPS,
    Normalised,
    Stack,
    draw_weights,
    normal_numbers,
    run,
    run_back,
)
from vglib.scaled import Scaled, log_norm

FORMS = ("layer", "pre-activation", "after the sum")
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

    passed = run(stack, h)
    last = passed.last
    np.testing.assert_allclose(last.unit * exp(last.log), out.detach(), rtol=1e-9)
    assert passed.log_norms[-1] == pytest.approx(log(float(out.detach().norm())))
    seen = list(run_back(passed, Scaled(g)))
    assert [layer for layer, *_ in seen] == [4, 3, 2, 1]
    _, below, ln, _ = seen[-1]
    np.testing.assert_allclose(below.unit * exp(below.log), dh, rtol=1e-8, atol=1e-10)
    assert ln == pytest.approx(log(float(dh.norm())))
    norms = [log_dw for *_, log_dw in seen[::-1]]
    np.testing.assert_allclose(np.exp(norms), np.linalg.norm(dw, axis=(1, 2)), rtol=1e-8)


@pytest.mark.parametrize(("activation", "scale"), [("relu", 20.0), ("relu", 0.01), ("tanh", 0.01)])
def test_a_thousand_layers_neither_overflow_nor_underflow(activation, scale):
    stack = Stack(draw_weights(1000, 8, scale, 0), activation, a=0.0)
    passed = run(stack, a_batch(width=8))
    *_, (_, below, ln, _) = run_back(passed, Scaled(a_batch(1, width=8)))
    assert np.isfinite(passed.log_norms).all()
    assert np.isfinite(below.log_norm)
    assert ln == pytest.approx(below.log_norm)
    assert abs(below.log_norm) > 1000


def test_rescaling_changes_nothing():
    """Signals of 1e-90 at the start are rescaled on their way; those of 1 are not."""
    stack = Stack(draw_weights(30, 6, 0.3, 0), "identity", a=0.0)
    h, g = a_batch(width=6), a_batch(1, width=6)
    passed, small = run(stack, h), run(stack, 1e-90 * h)
    assert small.last.log != 0
    np.testing.assert_allclose(np.array(small.log_norms) + 90 * log(10), passed.log_norms)
    one, other = (list(run_back(p, Scaled(g))) for p in (passed, small))
    assert one[-1][1].log_norm == pytest.approx(other[-1][1].log_norm, abs=1e-9)
    assert one[-1][3] == pytest.approx(other[-1][3] + 90 * log(10))


def test_the_first_layers_do_not_depend_on_the_depth():
    np.testing.assert_array_equal(draw_weights(5, 4, 1.0, 3), draw_weights(9, 4, 1.0, 3)[:5])
    assert not np.array_equal(draw_weights(5, 4, 1.0, 3), draw_weights(5, 4, 1.0, 4))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize("form", FORMS)
def test_a_gain_before_shared_weights_is_as_good_as_scaled_weights(form, activation, norm):
    weights, turned = normal_numbers(5, 4, 3)
    assert not weights.flags.writeable
    assert not turned.flags.writeable
    rule = (activation, form, 1.0, 0.6, norm)
    shared = Stack(weights, *rule, gain=1.7 / 2, turned=turned)
    plain = Stack(draw_weights(5, 4, 1.7, 3), *rule)
    one, other = (run(stack, a_batch(width=4)) for stack in (shared, plain))
    np.testing.assert_allclose(one.log_norms, other.log_norms, rtol=1e-12, atol=1e-12)
    backs = [list(run_back(p, Scaled(a_batch(1, width=4)))) for p in (one, other)]
    for (_, g, ln, log_dw), (_, _, expected_ln, expected_dw) in zip(*backs, strict=True):
        assert ln == pytest.approx(g.log_norm)
        assert (ln, log_dw) == pytest.approx((expected_ln, expected_dw), abs=1e-10)


def test_what_reaches_a_layer_otherwise_is_added():
    stack = Stack(draw_weights(4, 5, 1.3, 0), "tanh")
    passed, g = run(stack, a_batch()), [a_batch(seed) for seed in (1, 2, 3, 4)]
    whole = list(run_back(passed, Scaled(g[3]), heard=lambda layer: Scaled(g[layer - 1])))
    alone = [list(run_back(passed, Scaled(g[k - 1]), k))[-1][1] for k in (1, 2, 3, 4)]
    expected = sum(one.unit * exp(one.log) for one in alone)
    np.testing.assert_allclose(whole[-1][1].unit * exp(whole[-1][1].log), expected, rtol=1e-10)


def test_scaled_numbers():
    one = Scaled(np.array([3.0, 4.0]), 1000.0)
    assert one.log_norm == pytest.approx(1000 + log(5))
    assert one.measured()[0] is one
    tamed = Scaled(np.array([3e120, 4e120])).measured()[0]
    assert tamed.log_norm == pytest.approx(log(5e120))
    assert np.linalg.norm(tamed.unit) == pytest.approx(1)
    assert one.plus(Scaled(np.array([1.0, 1.0]), -1000.0)).log_norm == one.log_norm
    both = Scaled(np.array([1.0, 0.0])).plus(Scaled(np.array([1.0, 0.0]), log(2)))
    assert both.log_norm == pytest.approx(log(3))
    assert Scaled(np.zeros(2)).log_norm == -inf
    assert isnan(log_norm(np.array([float("nan")])))


def test_the_softmax_gradient():
    logits, y = a_batch(width=4), np.array([0, 1, 2, 3, 0, 1, 2])
    leaf = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(leaf, torch.tensor(y))
    (expected,) = torch.autograd.grad(loss, leaf)
    value, got = softmax_gradient(logits, y)
    np.testing.assert_allclose(got, expected, atol=1e-15)
    assert value == pytest.approx(loss.item())
    _, huge = softmax_gradient(logits, y, 5000.0)
    np.testing.assert_allclose(np.abs(huge).sum(1) * len(y), 2 * (logits.argmax(1) != y))


def test_batch_norm_is_torchs():
    x = a_batch()
    expected = torch.nn.BatchNorm1d(5, eps=EPS, dtype=torch.float64)(torch.tensor(x))
    np.testing.assert_allclose(Normalised.of(x).x, expected.detach(), rtol=1e-12)


def test_the_signal_of_weights_zero_dies():
    stack = Stack(np.zeros((3, 5, 5)), "relu", a=0.0)
    *_, (_, below, ln, log_dw) = run_back(run(stack, a_batch()), Scaled(a_batch(1)))
    assert below.log_norm == ln == -inf
    assert log_dw == -inf
