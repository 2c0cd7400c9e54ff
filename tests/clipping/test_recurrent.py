import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.clipping.recurrent import (
    EDGES,
    adding,
    irnn,
    irnn_gradient,
    longest_step,
    lost_at,
    norms,
    rescue,
    train_irnn,
    training,
)
from vglib.results import last


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


def test_a_run_is_lost_or_saved():
    plain, clipped = last(rescue()).runs["plain"], last(rescue()).runs["clipped"]
    assert plain.lost is not None
    assert plain.lost < 20
    assert clipped.lost is None
    assert clipped.final < 0.3
    assert last(rescue(steps=10)).runs["plain"].lost is None
    assert lost_at(0) == plain.lost
    assert lost_at(0, clip=1.0, updates=50) == math.inf


def test_the_norms_before_clipping_exceed_the_threshold():
    found = last(norms(1.0))
    assert found.run.norms.max() > 10
    assert found.counts.sum() == len(found.run.norms)
    assert found.share == pytest.approx(np.mean(found.run.norms > 1))
    assert train_irnn(0.1, updates=30).norms[0] == train_irnn(10.0, updates=30).norms[0]


def test_where_the_gradient_peaks_the_weights_are_those_of_the_start():
    # Chapter 09's text: at 310 to 12,000, to a thousandth.
    for seed in range(7):
        run = train_irnn(seed=seed)
        peak = run.norms.argmax()
        assert 300 < run.norms[peak] < 13_000
        assert run.weight_norms[peak] / run.weight_norms[0] == pytest.approx(1, abs=1e-3)
        assert longest_step(seed, 0.01) == pytest.approx(
            0.01 * run.norms[peak] / run.weight_norms[peak]
        )


def test_clipping_by_value_puts_each_entry_in_bounds():
    rng, p = np.random.default_rng([3, 1]), irnn(20, 3)
    losses = []
    for _ in range(12):
        loss, g = irnn_gradient(p, *adding(rng, 16, 8))
        losses.append(loss)
        p = [part - 0.05 * np.clip(by, -0.2, 0.2) for part, by in zip(p, g, strict=True)]
    run = train_irnn(0.2, 0.0, 8, 0.05, 12, 3, by_value=True)
    np.testing.assert_allclose(run.losses, losses, rtol=1e-9)
    assert run.norms.max() > 0.2
    assert lost_at(0, clip=1.0, by_value=True, updates=50) == math.inf


def by_the_formula(clip, decay, steps, lr, updates, seed):
    rng, p = np.random.default_rng([seed, 1]), irnn(20, seed)
    losses, sizes, weights = [], [], []
    for _ in range(updates):
        loss, g = irnn_gradient(p, *adding(rng, 16, steps))
        size = math.sqrt(sum(float((part**2).sum()) for part in g))
        losses.append(loss)
        sizes.append(size)
        weights.append(np.linalg.norm(p[0]))
        factor = min(1.0, clip / size)
        # No decay of the two biases.
        pulls = [decay, decay, 0, decay, 0]
        p = [
            part - lr * (factor * by + pull * part)
            for part, by, pull in zip(p, g, pulls, strict=True)
        ]
    return losses, sizes, weights


@pytest.mark.parametrize(("clip", "decay", "lr"), [(0.5, 0.0, 0.1), (math.inf, 0.3, 0.01)])
def test_a_training_is_its_formula(clip, decay, lr):
    run = train_irnn(clip, decay, 5, lr, 25, 1)
    assert run.lost is None
    assert (run.norms > clip).any() or clip == math.inf
    for found, expected in zip(
        (run.losses, run.norms, run.weight_norms),
        by_the_formula(clip, decay, 5, lr, 25, 1),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_training_is_watched_and_its_end_kept():
    settings = (1.0, 0.0, 7, 0.02, 120, 11)
    runs = list(training(*settings))
    assert len(runs[0].losses) == 1
    assert len(runs) > 10
    assert [run.ended for run in runs] == [False] * (len(runs) - 1) + [True]
    for run in runs:
        np.testing.assert_array_equal(run.losses, runs[-1].losses[: len(run.losses)])
        np.testing.assert_array_equal(run.weight_norms, runs[-1].weight_norms[: len(run.norms)])
        assert run.span == 120
    assert runs[0].fate == "is alive at step 1"
    assert runs[-1].fate == "survives"
    # The end comes at once when it is asked for again, also to the plain function.
    assert list(training(*settings)) == [runs[-1]]
    assert train_irnn(*settings) is runs[-1]


def test_the_end_of_a_lost_run_is_its_last_step():
    runs = list(training(seed=12))
    assert runs[-1].lost == len(runs[-1].losses) - 1
    assert runs[-1].ended
    assert runs[-1].span == len(runs[-1].losses)
    assert f"at step {runs[-1].lost}" in runs[-1].fate


def test_the_first_norms_come_early_and_are_those_so_far():
    found = list(norms(2.0, 40, 0.01, 13))
    assert len(found[0].run.losses) == 1
    assert "so far" in found[0].verdict
    assert "in the end" in found[-1].verdict
    for one in found:
        assert one.counts.sum() == len(one.run.norms)
    assert len(found[0].counts) == len(EDGES) - 1
    assert found[-1].run is train_irnn(2.0, 0.0, 40, 0.01, found[-1].run.updates, 13)


def test_the_three_are_trained_side_by_side():
    found = list(rescue(1.0, 0.01, 50, 0.01, 14))
    assert [len(run.losses) for run in found[0].runs.values()] == [1, 1, 1]
    assert found[0].verdict.count("is alive at step 1 ") == 3
    assert all(run.ended for run in found[-1].runs.values())
    for name, clip, decay in (
        ("plain", math.inf, 0.0),
        ("decay", math.inf, 0.01),
        ("clipped", 1.0, 0.0),
    ):
        run = found[-1].runs[name]
        assert run is train_irnn(clip, decay, 50, 0.01, run.updates, 14)
