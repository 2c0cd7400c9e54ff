import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.clipping.critic import METHODS, SAMPLES, UNITS, Net, log_slope_bound, train_critic


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_weight_clipping_stays_below_its_bound(depth):
    found = train_critic("weight clipping", 0.1, depth)
    assert found.steepest <= math.exp(log_slope_bound(0.1, depth)) * (1 + 1e-9)
    assert found.steepest > 0.4 * math.exp(log_slope_bound(0.1, depth))
    assert np.abs(found.theta).max() <= 0.1
    assert (np.abs(found.theta) > 0.0999).mean() > 0.8
    assert UNITS == 16


def test_what_holds_the_slope_and_what_does_not():
    penalty, free = train_critic("gradient penalty"), train_critic("nothing")
    assert 0.8 < penalty.steepest < 1.7
    assert free.steepest > 100
    assert train_critic("gradient clipping").steepest > 100
    assert math.isnan(free.log_predicted)


def value(net, parts, x):
    h = x
    for w, b in zip(parts[:-2:2], parts[1:-2:2], strict=True):
        h = F.leaky_relu(F.linear(h, w, b), 0.2)
    return F.linear(h, parts[-2], parts[-1]).squeeze(1)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("count", [0, 7])
def test_the_critics_gradient_is_autograds(depth, count):
    net, rng = Net(depth, torch.Generator().manual_seed(1)), np.random.default_rng(2)
    net.theta += 0.1 * rng.standard_normal(len(net.theta))
    real, fake, between = rng.standard_normal(5), rng.standard_normal(9), rng.standard_normal(count)
    parts = [torch.tensor(part, requires_grad=True) for layer in net.layers for part in layer]
    x = [torch.tensor(p[:, None], requires_grad=True) for p in (real, fake, between)]
    loss = value(net, parts, x[1]).mean() - value(net, parts, x[0]).mean()
    if count:
        (slope,) = torch.autograd.grad(value(net, parts, x[2]).sum(), x[2], create_graph=True)
        loss = loss + 3.0 * ((slope.abs() - 1) ** 2).mean()
        np.testing.assert_allclose(net(between)[1], slope.detach()[:, 0], rtol=1e-10)
    expected = torch.autograd.grad(loss, parts, materialize_grads=True)
    found_loss, found = net.gradient(real, fake, between, 3.0)
    assert found_loss == pytest.approx(loss.item(), rel=1e-10)
    whole = torch.cat([g.flatten() for g in expected]).numpy()
    np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_the_critics_training_is_adams(method):
    """Against autograd and Adam written out with torch, for ten steps."""
    generator = torch.Generator().manual_seed(3)
    noise = 0.5 * torch.randn(2, SAMPLES, 1, generator=generator, dtype=torch.float64)
    real, fake = 2 + noise[0], -1 + noise[1]
    net = Net(2, generator)
    parts = [torch.tensor(part, requires_grad=True) for layer in net.layers for part in layer]
    first, second = ([torch.zeros_like(p) for p in parts] for _ in range(2))
    for step in range(1, 11):
        loss = value(net, parts, fake).mean() - value(net, parts, real).mean()
        if method == "gradient penalty":
            t = torch.rand(SAMPLES, 1, generator=generator, dtype=torch.float64)
            between = (t * real + (1 - t) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(
                value(net, parts, between).sum(), between, create_graph=True
            )
            loss = loss + 10.0 * ((slope.abs() - 1) ** 2).mean()
        gradient = torch.autograd.grad(loss, parts)
        if method == "gradient clipping":
            norm = torch.cat([g.flatten() for g in gradient]).norm()
            gradient = tuple(g * (1 / norm).clamp(max=1) for g in gradient)
        with torch.no_grad():
            for p, g, m, v in zip(parts, gradient, first, second, strict=True):
                m.lerp_(g, 0.5)
                v.lerp_(g * g, 0.1)
                p -= 0.01 * m / (1 - 0.5**step) / ((v / (1 - 0.9**step)).sqrt() + 1e-8)
                if method == "weight clipping":
                    p.clamp_(-0.3, 0.3)
    found = train_critic(method, 0.3, 2, 10.0, 3, 10)
    grid = torch.tensor(found.grid)[:, None]
    np.testing.assert_allclose(found.f, value(net, parts, grid).detach(), rtol=1e-7, atol=1e-10)
    assert found.gap == pytest.approx(
        float((value(net, parts, real).mean() - value(net, parts, fake).mean()).detach()), rel=1e-7
    )
