from math import log, sqrt

import numpy as np
import pytest
import torch

from vglib.attention.mup import (
    BASE,
    KINDS,
    RATES,
    STEPS,
    Nets,
    best_rate,
    changes,
    exponents,
    rules,
    sweep,
    sweeping,
    training,
)
from vglib.data import digits


def test_at_the_base_width_both_conventions_are_one():
    assert rules("muP", BASE) == rules("standard", BASE) == ((1.0,) * 3, (1.0,) * 3)
    losses = [list(training(kind, BASE, RATES, 1))[-1][1] for kind in KINDS]
    np.testing.assert_array_equal(*losses)


def test_four_times_the_width_divides_two_rates_by_four():
    starts, rates = rules("muP", 4 * BASE)
    assert rates == (1.0, 0.25, 0.25)
    assert starts == (1.0, 1.0, 0.5)


def test_the_start_has_the_variances_it_says():
    for kind, readout in (("standard", 1 / 256), ("muP", 16 / 256**2)):
        weights = Nets(kind, 256, [0.1], 0).weights
        for weight, variance in zip(weights, (2 / 64, 2 / 256, readout), strict=True):
            assert float(weight.detach().var()) == pytest.approx(variance, rel=0.06)


def test_nets_side_by_side_train_as_torch_would_one():
    data, kind, width, rate = digits(torch.float32), "muP", 32, 0.01
    nets = Nets(kind, width, [0.5, rate], 4)
    weights = [w[1].detach().clone().requires_grad_() for w in nets.weights]
    _, speeds = rules(kind, width)
    groups = [{"params": [w], "lr": rate * s} for w, s in zip(weights, speeds, strict=True)]
    optimiser = torch.optim.Adam(groups)
    for first in range(0, 160, 32):
        x, y = data.x_train[first : first + 32], data.y_train[first : first + 32]
        h = torch.relu(torch.relu(x @ weights[0]) @ weights[1]) @ weights[2]
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(h, y).backward()
        optimiser.step()
        nets.step(x, y)
    for ours, theirs in zip(nets.weights, weights, strict=True):
        torch.testing.assert_close(ours[1], theirs, rtol=1e-4, atol=1e-5)


def test_a_power_law_has_its_exponent():
    widths = np.array([16.0, 64.0, 256.0])
    laws = np.log(np.stack([widths**0, 3 * widths, widths**0.5]))
    np.testing.assert_allclose(exponents(widths, laws), [0, 1, 0.5], atol=1e-12)


def test_the_coordinate_check_tells_the_conventions_apart():
    widths = (64, 128, 256, 512)
    for kind, low, high in (("standard", 0.8, 1.5), ("muP", -0.3, 0.2)):
        found = [exponents(widths, changes(kind, 2.0**-9, s, widths, 1)) for s in range(3)]
        layer_1, layer_2, readout = np.median(found, axis=0)
        assert abs(layer_1) < 0.1
        assert low < readout < high
        assert (layer_2 > 0.5) == (kind == "standard")


def test_changes_are_those_of_one_net_written_out():
    data, width, rate = digits(torch.float32), 16, 2.0**-9
    nets = Nets("standard", width, [rate], 0)
    x, y = data.x_train[:32], data.y_train[:32]
    before = nets.pre_activations(x)[2].detach().clone()
    nets.step(x, y)
    moved = (nets.pre_activations(x)[2].detach() - before).square().mean().sqrt()
    found = changes("standard", rate, 0, (width,), 1)
    assert found[2, 0] == pytest.approx(log(float(moved)), rel=1e-5)
    assert not found.flags.writeable


def test_the_worst_loss_is_no_number():
    assert best_rate(RATES[:3], np.array([np.nan, 2.0, 1.0])) == RATES[2]
    assert best_rate(RATES[:2], np.array([np.inf, 9.0])) == RATES[1]


def test_the_sweep_is_watched():
    found = list(sweeping("muP", 24, 0.01, 3))
    assert [one.taken for one in found] == [5, 10, 15, STEPS]
    assert found[0].verdict.startswith("so far, muP: ")
    assert found[-1].verdict.startswith("muP, 20 steps: the best of nine rates is 2^-")
    # Another rate is another check; the trainings are known by now.
    (again,) = sweeping("muP", 24, 0.02, 3)
    np.testing.assert_array_equal(again.losses, found[-1].losses)
    assert (again.changes > found[-1].changes).all()
    assert np.diff([one.losses.min() for one in found]).max() < 0


def test_untrained_nets_of_both_kinds_differ_in_the_readout_alone():
    ours, theirs = (Nets(kind, 64, [0.1], 0).weights for kind in KINDS)
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])
    torch.testing.assert_close(theirs[2], ours[2] * sqrt(BASE / 64))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "nuP"}, "no parametrisation called 'nuP'"),
        ({"width": 8}, "from 16 to 256"),
        ({"rate": 0.0}, "rate is 0.0"),
    ],
)
def test_what_cannot_be_is_refused(values, says):
    with pytest.raises(ValueError, match=says):
        sweep(**values)
