import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.clipping import experiments as ex
from vglib.clipping.critic import UNITS, log_slope_bound, train_critic
from vglib.clipping.recurrent import (
    adding,
    irnn,
    irnn_gradient,
    train_irnn,
    unit,
    unit_surface,
    wall_gradient,
)


@pytest.mark.parametrize(("w", "b", "steps"), [(5.0, -2.4, 10), (3.0, 0.2, 25), (6.0, -3.0, 30)])
def test_the_units_gradient_is_autograds(w, b, steps):
    point = torch.tensor([w, b], dtype=torch.float64, requires_grad=True)
    h = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(steps):
        h = torch.sigmoid(point[0] * h + point[1])
    loss = (h - 0.7) ** 2
    (expected,) = torch.autograd.grad(loss, point)
    found = unit(w, b, steps)
    assert found[0] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(found[1:], expected, rtol=1e-10)
    np.testing.assert_allclose(unit_surface(np.array([w]), np.array([b]), steps), found[0])


@pytest.mark.parametrize("w", [3.0, 3.9, 4.0, 4.1, 5.0, 6.0])
@pytest.mark.parametrize("steps", [1, 10, 30])
def test_the_wall_in_closed_form(w, steps):
    assert ex.measured_wall(w, steps) == pytest.approx(wall_gradient(w, steps), rel=1e-8)


def test_the_wall_is_on_one_line_and_only_above_four():
    def steepest(w):
        grid = np.linspace(-w / 2 - 0.3, -w / 2 + 0.3, 601)
        return float(grid[np.argmax([abs(unit(w, b, 30)[2]) for b in grid])]) + w / 2

    assert steepest(5.0) == pytest.approx(0, abs=0.01)
    assert wall_gradient(3.5, 100) < 1 < wall_gradient(4.5, 100)


def test_the_irnns_gradient_is_autograds():
    x, y = adding(np.random.default_rng(0), 4, 7)
    p = irnn(5, 1)
    p[0] = p[0] + 0.1 * np.random.default_rng(2).standard_normal((5, 5))
    p[1] = np.random.default_rng(3).standard_normal((5, 2))
    loss, gradient = irnn_gradient(p, x, y)
    w, u, b, v, c = (torch.tensor(part, requires_grad=True) for part in p)
    h = torch.zeros(4, 5, dtype=torch.float64)
    for t in range(7):
        h = torch.relu(torch.tensor(x[t]) @ u.T + b + h @ w.T)
    value = F.mse_loss(h @ v + c, torch.tensor(y))
    assert loss == pytest.approx(value.item(), rel=1e-12)
    for found, expected in zip(gradient, torch.autograd.grad(value, [w, u, b, v, c]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


def test_the_adding_task():
    x, y = adding(np.random.default_rng(0), 2000, 10)
    assert (x[:5, :, 1].sum(0) == 1).all()
    assert (x[5:, :, 1].sum(0) == 1).all()
    np.testing.assert_allclose((x[:, :, 0] * x[:, :, 1]).sum(0), y)
    assert ((y - 1) ** 2).mean() == pytest.approx(1 / 6, abs=0.01)


@pytest.mark.parametrize("c", [0.1, 1.0, 200.0])
def test_the_rules_against_torch(c):
    g = np.array([0.9, 100.0, -3.0])
    parts = [torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)) for _ in range(2)]
    for part in parts:
        part.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_(parts[:1], c)
    torch.nn.utils.clip_grad_value_(parts[1:], c)
    np.testing.assert_allclose(ex.by_norm(g, c), parts[0].grad, rtol=1e-6)
    np.testing.assert_allclose(ex.by_value(g, c), parts[1].grad, rtol=1e-12)


def test_direction_and_length_in_the_plane():
    found = ex.angle(0.9, 100.0, 1.0)
    assert ex.cosine(found.g, found.value) == pytest.approx(0.749, abs=5e-4)
    assert ex.cosine(found.g, found.norm) == pytest.approx(1, abs=1e-12)
    assert np.linalg.norm(found.norm) == pytest.approx(1)
    assert found.verdict.startswith("turned")
    assert ex.angle(30.0, 30.0, 1.0).verdict.startswith("shortened")
    assert ex.angle(0.3, 0.4, 1.0).verdict.startswith("untouched")
    assert math.isnan(ex.cosine(np.zeros(2), np.ones(2)))
    assert ex.cosine(np.array([1e-200, 0]), np.array([1e200, 0])) == 1


def test_the_cosine_with_the_signs():
    assert ex.sign_cosine(100_000) == pytest.approx(math.sqrt(2 / math.pi), abs=0.005)


@pytest.mark.parametrize("rule", ex.RULES)
def test_a_scope_against_plain_arithmetic(rule):
    parts = ex._gradient(6, 2.0, "tanh", 0)
    found = ex.scopes(rule, 0.2, 6, 2.0, "tanh")
    whole = np.concatenate(parts)
    clipped = {
        "whole norm": lambda: ex.by_norm(whole, 0.2),
        "each layer": lambda: np.concatenate([ex.by_norm(p, 0.2) for p in parts]),
        "two groups": lambda: np.concatenate(
            [ex.by_norm(np.concatenate(parts[:-1]), 0.2), ex.by_norm(parts[-1], 0.2)]
        ),
        "each entry": lambda: ex.by_value(whole, 0.2),
    }[rule]()
    assert math.exp(found.log_length[1]) == pytest.approx(np.linalg.norm(clipped), rel=1e-10)
    assert found.cosine == pytest.approx(ex.cosine(whole, clipped), rel=1e-9)


def test_what_each_scope_keeps():
    whole, layer = ex.scopes("whole norm", weight_scale=2.0), ex.scopes("each layer", 1e-3)
    assert whole.cosine == pytest.approx(1)
    assert whole.log_ratio[0] == pytest.approx(whole.log_ratio[1])
    assert layer.log_ratio[1] == pytest.approx(0)
    assert layer.cosine < 0.999
    small = ex.scopes("whole norm", 1.0, 20, 1.0, "sigmoid")
    assert small.verdict.startswith("untouched")
    assert small.log_ratio[1] < math.log(1e-10)


def test_far_from_one_nothing_overflows():
    for scale in (0.05, 20.0):
        for activation in ("relu", "sigmoid"):
            for rule in ex.RULES:
                found = ex.scopes(rule, 1.0, 100, scale, activation)
                assert np.isfinite(found.log_length).all()
                assert -1 <= found.cosine <= 1 + 1e-9


def test_a_run_is_lost_or_saved():
    plain, clipped = ex.rescue().runs["plain"], ex.rescue().runs["clipped"]
    assert plain.lost is not None
    assert plain.lost < 20
    assert clipped.lost is None
    assert clipped.final < 0.3
    assert ex.rescue(steps=10).runs["plain"].lost is None
    assert ex.lost_at(0) == plain.lost
    assert ex.lost_at(0, clip=1.0, updates=50) == math.inf


def test_the_norms_before_clipping_exceed_the_threshold():
    found = ex.norms(1.0)
    assert found.run.norms.max() > 10
    assert found.counts.sum() == len(found.run.norms)
    assert found.share == pytest.approx(np.mean(found.run.norms > 1))
    assert train_irnn(0.1, updates=30).norms[0] == train_irnn(10.0, updates=30).norms[0]


@pytest.mark.parametrize("kind", ex.PENALTIES)
@pytest.mark.parametrize(("strength", "radius", "size"), [(1.0, 1.0, 1.0), (3.0, 0.4, 4.0)])
def test_descent_ends_at_the_closed_form(kind, strength, radius, size):
    found = ex.penalty(kind, strength, radius, size)
    np.testing.assert_allclose(found.path[-1], found.solution, atol=1e-6)


def test_l1_makes_zeros_and_max_norm_keeps_its_radius():
    assert ex.penalty("L1", 1.5).path[-1][1] == 0
    assert "1 of 2 exactly 0" in ex.penalty("L1", 1.5).verdict
    for size in (1.0, 5.0):
        assert np.linalg.norm(ex.penalty("max-norm", size=size).path[-1]) <= 1 + 1e-9
    norms = ex.penalty().size_norms
    assert norms["L2"][-1] > 4.9 * norms["L2"][10]
    np.testing.assert_allclose(ex.max_norm_weights(np.array([0.3, 0.1]), 1.0), [0.3, 0.1])


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_weight_clipping_stays_below_its_bound(depth):
    found = train_critic("weight clipping", 0.1, depth)
    assert found.steepest <= math.exp(log_slope_bound(0.1, depth)) * (1 + 1e-9)
    assert found.steepest > 0.4 * math.exp(log_slope_bound(0.1, depth))
    assert found.largest_weight <= 0.1
    assert found.at_limit > 0.8
    assert UNITS == 16


def test_what_holds_the_slope_and_what_does_not():
    penalty, free = train_critic("gradient penalty"), train_critic("nothing")
    assert 0.8 < penalty.steepest < 1.7
    assert free.steepest > 100
    assert train_critic("gradient clipping").steepest > 100
    assert math.isnan(free.log_predicted)


def test_overflow_is_named():
    found = ex.overflow()
    assert 2 <= found.plain.layer <= 9
    assert 2 <= found.plain.broken <= 5
    assert found.clipped.broken is None
    assert f"layer {found.plain.layer} is the first to overflow float32" in found.verdict
    twice = ex.overflow(number_type="float64")
    assert twice.plain.broken > found.plain.broken
    start = ex.overflow(depth=30, weight_scale=20.0)
    assert start.clipped.broken == 0
    assert "before the first step" in start.verdict


def test_the_overflow_nets_first_gradient_is_autograds():
    fall = ex._fall(math.inf, 0.1, 4, 1.0, np.dtype("float64"), 0)
    net = ex.mlp(4, 30, activation="relu", init="he", seed=0)
    rows = np.random.default_rng(0).integers(0, len(ex._digits().x_train), 64)
    y = F.one_hot(ex._digits().y_train[rows], 10).double()
    loss = F.mse_loss(net(ex._digits().x_train[rows]), y)
    gradient = torch.autograd.grad(loss, list(net.parameters()))
    assert fall.losses[0] == pytest.approx(loss.item(), rel=1e-12)
    whole = torch.cat([g.flatten() for g in gradient]).norm().item()
    assert fall.norms[0] == pytest.approx(whole, rel=1e-10)


def test_the_cliff_throws_and_clipping_holds():
    found = ex.cliff()
    assert found.jump[1] > 3
    assert found.best[1] < 0.01 < found.best[0]
    moves = np.linalg.norm(np.diff(found.clipped, axis=0), axis=1)
    assert moves.max() <= 0.3 * 0.5 * (1 + 1e-9)
    assert ex.cliff(threshold=1000.0).verdict.startswith("clipping had nothing to do")
    assert ex.cliff(w=3.7, b=-1.0).verdict.startswith("no cliff")
