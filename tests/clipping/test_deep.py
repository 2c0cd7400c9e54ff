import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.clipping.deep import fall, overflow, rates_that_train
from vglib.data import digits
from vglib.networks import mlp


def test_overflow_is_named():
    found = overflow()
    assert 2 <= found.plain.layer <= 9
    assert 2 <= found.plain.broken <= 5
    assert found.clipped.broken is None
    assert f"layer {found.plain.layer} is the first to overflow float32" in found.verdict
    twice = overflow(number_type="float64")
    assert twice.plain.broken > found.plain.broken
    start = overflow(depth=30, weight_scale=20.0)
    assert start.clipped.broken == 0
    assert "before the first step" in start.verdict


def test_the_overflow_nets_first_gradient_is_autograds():
    found = fall(math.inf, 0.1, 4, 1.0, "float64", 0)
    net = mlp(4, 30, activation="relu", init="he", seed=0)
    rows = np.random.default_rng(0).integers(0, len(digits().x_train), 64)
    y = F.one_hot(digits().y_train[rows], 10).double()
    loss = F.mse_loss(net(digits().x_train[rows]), y)
    gradient = torch.autograd.grad(loss, list(net.parameters()))
    assert found.losses[0] == pytest.approx(loss.item(), rel=1e-12)
    whole = torch.cat([g.flatten() for g in gradient]).norm().item()
    assert found.norms[0] == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 1e-3)])
def test_a_fall_is_descent_in_its_number_type(dtype, rtol):
    net = mlp(5, 30, activation="relu", init="he", seed=1).to(getattr(torch, dtype))
    data, rng = digits(getattr(torch, dtype)), np.random.default_rng(1)
    losses, sizes, largest = [], [], []
    for _ in range(31):
        rows = rng.integers(0, len(data.x_train), 64)
        h, seen = data.x_train[rows], []
        for w, b in zip(net.weights, net.biases, strict=True):
            z = h @ w.T + b
            seen.append(z.abs().max().item())
            h = z.relu()
        loss = F.mse_loss(z, F.one_hot(data.y_train[rows], 10).to(z.dtype))
        net.zero_grad()
        loss.backward()
        losses.append(loss.item())
        largest.append(seen)
        sizes.append(torch.cat([p.grad.flatten() for p in net.parameters()]).norm().item())
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.1 * min(1.0, 0.5 / sizes[-1]) * p.grad
    found = fall(0.5, 0.1, 5, 1.0, dtype, 1)
    assert found.broken is None
    np.testing.assert_allclose(found.losses, losses, rtol=rtol)
    np.testing.assert_allclose(found.norms, sizes, rtol=10 * rtol)
    np.testing.assert_allclose(found.largest, largest, rtol=rtol)


def test_adaptive_clipping_trains_where_none_breaks_and_not_at_every_rate():
    assert rates_that_train(0.01, True, steps=150) == 0.25
    assert rates_that_train(1e9, False, steps=30) == 0
