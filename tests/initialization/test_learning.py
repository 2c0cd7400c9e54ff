from math import inf, log

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.initialization.learning import (
    FINE_W,
    GRID_W,
    SideBySide,
    change_of_flow,
    filling_grid,
    learning_speed,
    racing,
    train_grid,
)
from vglib.networks import mlp
from vglib.results import last
from vglib.training import fit


def test_glorot_learns_faster_than_torch_default_with_tanh():
    speed = learning_speed("tanh", epochs=4, inits=("torch default", "Glorot uniform"))
    slow, fast = speed.epochs_to_target
    assert fast <= 4
    assert slow == inf
    assert "not within 4" in speed.verdict


def test_each_net_of_a_race_learns_as_it_does_alone():
    # Not N(0, 1): such a net amplifies rounding, and two orders of summing end apart.
    inits = ("Glorot normal", "He normal")
    race = learning_speed("tanh", epochs=2, lr=0.3, seed=1, inits=inits)
    for curve, init in zip(race.accuracy, ("glorot", "he"), strict=True):
        network = mlp(5, 50, activation="tanh", init=init, seed=1)
        history = fit(
            network,
            digits(),
            loss=cross_entropy,
            lr=0.3,
            batch=64,
            epochs=2,
            seed=1,
        )
        np.testing.assert_array_equal(curve, history.test_accuracy)


def test_a_race_is_watched_epoch_by_epoch():
    races = list(racing("tanh", 2, epochs=3))
    assert [len(race.epochs) for race in races] == [1, 2, 3, 4]
    assert "not within 0" in races[0].verdict
    final = learning_speed("tanh", 2, epochs=3)
    for race in races:
        np.testing.assert_array_equal(race.accuracy, final.accuracy[:, : len(race.epochs)])


def test_a_net_that_breaks_stands_still_and_the_others_go_on():
    race = learning_speed("relu", lr=0.3, epochs=3, inits=("N(0, 1)", "He normal"))
    assert np.isfinite(race.accuracy[0]).tolist() == [True, True, False, False]
    alone = learning_speed("relu", lr=0.3, epochs=3, inits=("He normal",))
    assert race.accuracy[1] == pytest.approx(alone.accuracy[0], abs=0.01)


def test_the_gradient_of_nets_side_by_side_is_that_of_autograd():
    generator = np.random.default_rng(0)
    matrices = [generator.standard_normal((3, *shape)) for shape in ((5, 5), (5, 6), (2, 5))]
    x, y = generator.standard_normal((7, 4)), generator.integers(0, 2, 7)
    loss, gradients = SideBySide(matrices, "tanh").gradient(x, y)
    losses = []
    for net in range(3):
        one, other, readout = (torch.tensor(m[net], requires_grad=True) for m in matrices)
        h = torch.tanh(torch.tensor(x) @ one[:, :-1].T + one[:, -1])
        h = torch.tanh(h @ other[:, :-1].T + other[:, -1])
        losses.append(cross_entropy(h @ readout.T, torch.tensor(y)))
        losses[-1].backward()
        for mine, matrix in zip(gradients, (one, other, readout), strict=True):
            assert mine[net] == pytest.approx(matrix.grad.numpy(), rel=1e-10, abs=1e-13)
    assert loss == pytest.approx(float(torch.stack(losses).mean().detach()), rel=1e-12)


def test_a_large_step_spoils_a_good_start():
    assert abs(change_of_flow(1.0)) > 2 * abs(change_of_flow(0.01))


def test_deep_nets_learn_near_the_edge():
    grid = last(filling_grid(steps=40))
    assert grid.accuracy.shape == (4, 9)
    assert abs(log(GRID_W[grid.accuracy[-1].argmax()] / grid.critical)) < 0.3
    deep = grid.accuracy[-1]
    assert deep.max() > 0.15 + max(deep[0], deep[-1])
    # A shallow net forgives.
    assert np.ptp(grid.accuracy[0]) < np.ptp(deep)
    assert np.nanargmax(grid.xi_c) == np.abs(FINE_W - grid.critical).argmin()


def test_nets_trained_side_by_side_do_not_touch_each_other():
    both = train_grid(3, np.array([1.0, 2.0]), 0.2, steps=10, width=16)
    alone = train_grid(3, np.array([2.0]), 0.2, steps=10, width=16)
    assert both[1] == pytest.approx(alone[0], abs=0.01)


def test_the_edge_learns_at_its_own_rate():
    slow, fast = (
        train_grid(3, np.array([1.5]), 0.2, steps=30, width=16, lr=lr)[0] for lr in (1e-5, 0.03)
    )
    assert slow < 0.3 < fast


def test_the_grid_fills_row_by_row():
    grids = list(filling_grid(sigma_b=0.31, steps=5))
    rows = [int(np.isfinite(grid.accuracy[:, 0]).sum()) for grid in grids]
    assert rows == sorted(rows)
    assert rows[0] == 1
    assert rows[-1] == 4
    assert grids[0].verdict.startswith("at depth 3, after 5 steps")
    # The depth scales are kept: another move has them at once.
    again = list(filling_grid(sigma_b=0.31, steps=5))
    assert len(again) == 4
    assert np.isfinite(again[0].xi_grad).all()
    assert again[-1].verdict == last(grids).verdict
