from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.batch_norm import normed_net as nets
from vglib.batch_norm.layers import images, norm_layer


@pytest.mark.parametrize("kind", ["batch", "layer", "rms", "group"])
def test_the_norms_are_torchs(kind):
    z = 2 + 3 * torch.randn(7, 20, dtype=torch.float64)
    u, _ = nets.standardise(z.numpy(), kind)
    torch.testing.assert_close(
        torch.from_numpy(u), norm_layer(kind, 20).train()(z), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("kind", ["none", "batch", "layer", "rms", "group"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_recursion_against_autograd(kind, activation):
    x, y = images(16, 3)
    net = nets.build(9, 20, kind, activation, gamma=0.7, beta=0.2, weight_scale=1.3, seed=3)
    weights = [w.clone().requires_grad_() for w in net.weights]
    loss = F.cross_entropy(
        nets.NormedNet(tuple(weights), kind, net.activation, net.gamma, net.beta)(x), y
    )
    seen = nets.flow(net, x, y)
    assert seen.loss == pytest.approx(loss.item(), rel=1e-12)
    gradients = torch.autograd.grad(loss, weights)
    for found, gradient in zip(seen.gradients, gradients, strict=True):
        assert float((exp(found.log) * found.unit - gradient).norm()) < 1e-10 * gradient.norm()
    by_weight = [log(gradient.norm()) for gradient in gradients[:-1]]
    np.testing.assert_allclose(seen.log_weight_grad, by_weight, atol=1e-9)


def test_weight_norm_s_backward_takes_the_statistics_as_constants():
    z = torch.randn(12, 5, dtype=torch.float64)
    u, inverse = nets.standardise(z.numpy(), "weight")
    grad = torch.randn(12, 5, dtype=torch.float64)
    leaf = z.clone().requires_grad_()
    fixed = (leaf - z.mean(0)) * torch.from_numpy(inverse)
    (expected,) = torch.autograd.grad(fixed, leaf, grad)
    torch.testing.assert_close(fixed.detach(), torch.from_numpy(u))
    back = nets.standardise_backward(grad.numpy(), u, inverse, "weight")
    torch.testing.assert_close(torch.from_numpy(back), expected)


def test_the_recursion_reaches_where_float64_does_not():
    x, y = images(8, 0)
    log_delta = nets.flow(nets.build(700, 10, "none", "sigmoid"), x, y).log_delta
    assert np.isfinite(log_delta).all()
    assert log_delta[0] < log(1e-308)


def test_a_deeper_net_keeps_its_layers():
    shallow, deep = nets.build(20, 15, seed=5), nets.build(21, 15, seed=5)
    for one, other in zip(shallow.weights[:-1], deep.weights, strict=False):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(shallow.weights[-1], deep.weights[-1])
    with pytest.raises(ValueError, match="no norm called"):
        nets.build(2, kind="magic")


def test_the_exact_zero_stays_one():
    """A single sample has no deviation: nothing passes batch norm."""
    x, y = images(1, 0)
    seen = nets.flow(nets.build(5, 20), x, y)
    assert np.isneginf(seen.log_delta).all()
    assert np.isneginf(seen.log_weight_grad).all()
    stays = nets.stepped(nets.build(5, 20), seen.gradients, 1.0)
    torch.testing.assert_close(stays.weights[0], nets.build(5, 20).weights[0])
