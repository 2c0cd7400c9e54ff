import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vglib import learn
from vglib.clinic import detection
from vglib.data import digits
from vglib.networks import mlp


def small(seed=0, depth=2):
    return mlp(depth, 20, activation="relu", init="he", seed=seed)


def by_torch(net, steps, lr, seed, make=torch.optim.SGD):
    data = digits()
    optimizer, losses = make(net.parameters(), lr=lr), []
    order = learn.epochs(len(data.x_train), 64, 1, np.random.default_rng(seed))
    for rows in list(order)[:steps]:
        loss = cross_entropy(net(data.x_train[rows]), data.y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("rule", "make"), [(learn.plain, torch.optim.SGD), (learn.adam, torch.optim.Adam)]
)
def test_a_descent_is_torchs(rule, make):
    x, y, *_ = detection.images()
    flat = detection.flat_net(small())
    ours = [s.loss for s in detection.descend(flat, x, y, 8, 0.01, 5, rule=rule)]
    np.testing.assert_allclose(ours, by_torch(small(), 8, 0.01, 5, make), rtol=1e-9)


def test_another_unit_of_the_loss_is_the_same_training_to_the_last_bit():
    x, y, *_ = detection.images()
    ends = []
    for unit in (1.0, detection.UNIT):
        flat = detection.flat_net(small())
        steps = list(detection.descend(flat, x, y, 30, 0.1 / unit, 0, unit=unit))
        ends.append(flat.theta.copy())
        assert steps[0].loss / unit == pytest.approx(2.3, abs=1)
    np.testing.assert_array_equal(*ends)
    assert np.isnan(detection.below(0, unit=1.0))


def test_the_ratio_is_autograds():
    data, net = digits(), mlp(6, 50, init="1/fan_in", seed=2)
    zs, h = [], data.x_train[:64]
    for weight, bias in zip(net.weights, net.biases, strict=True):
        zs.append(h @ weight.T + bias)
        h = torch.sigmoid(zs[-1])
    deltas = torch.autograd.grad(cross_entropy(zs[-1], data.y_train[:64]), zs[:-1])
    expected = float(deltas[0].norm() / deltas[-1].norm())
    assert detection.above(2) == pytest.approx(expected, rel=1e-9)
    assert np.isnan(detection.above(2, depth=12))


def test_zeros_and_dead_units_are_told_apart():
    share, dead, accuracy = detection.zeros(1)
    assert share > 0.7
    assert dead < 0.05
    assert accuracy > 0.9
    # Far below 0 no unit ever answers.
    assert detection.zeros(1, bias=-50.0)[:2] == (1.0, 1.0)
    assert np.isnan(detection.dead_among_zeros(0)) == (detection.zeros(0)[0] <= 0.7)


def test_clipping_keeps_the_ratio():
    ratios = [detection.clipped_ratio(0, c) for c in (1e-9, 1e-3, 1e9)]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    assert detection.clipped_ratio(0, 1.0, depth=2) > 0.05


def test_growth_is_nothing_at_a_small_rate():
    assert detection.log_growth(0, 1e-6) < 0.5
    assert detection.log_growth(0, 10.0) > 50


def test_nan_comes_from_the_constant_pixels():
    assert detection.first_nan(0, 1e-9) == 0


def test_update_ratios_are_those_of_the_real_steps():
    ratios, accuracy = detection.update_ratios(0, 0.01, learn.plain, steps=3)
    assert ratios.shape == (3, 3)
    assert 0 <= accuracy <= 1
    net = mlp(2, 50, activation="relu", init="he", seed=0)
    before = [w.detach().clone() for w in net.weights]
    by_torch(net, 1, 0.01, 0)
    pairs = zip(net.weights, before, strict=True)
    expected = [float((w - b).detach().norm() / b.norm()) for w, b in pairs]
    np.testing.assert_allclose(ratios[0], expected, rtol=1e-9)
    assert np.isnan(detection.near_a_thousandth(0, 1e-6))


@pytest.mark.parametrize("bug", detection.BUGS)
def test_a_net_with_a_bug_learns_its_batch(bug):
    on_batch, on_test = detection.one_batch(bug, 3)
    assert on_batch == 1
    assert on_test < 0.85
    if bug == "labels shuffled":
        assert on_test < 0.3


def test_modules_in_a_list_stay_as_they_were():
    x, y, *_ = detection.images()
    flat = detection.flat_net(small())
    start = [m.copy() for m in flat.matrices(flat.theta)]
    given = flat.matrices(flat.theta)[-1:], flat.matrices(flat.gradient)[-1:]
    list(detection.descend(flat, x, y, 5, 0.1, 0, parameters=given[0], by=given[1]))
    changed = [bool((a != b).any()) for a, b in zip(flat.matrices(flat.theta), start, strict=True)]
    assert changed == [False, False, True]


def test_a_net_without_numbers_guesses():
    x, y, *_ = detection.images()
    flat = detection.flat_net(small())
    flat.theta[:] = np.nan
    assert detection.right(flat, x, y) == 0.1
