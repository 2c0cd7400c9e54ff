import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import mlp
from vglib.sigmoid.signs import (
    DEPTH,
    NETS,
    WIDTH,
    _training,
    counting,
    one_sign,
    one_sign_share,
    parts,
)
from vglib.training import fit


def test_one_sign_share_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randint(-1, 3, (60, 3), generator=generator).double()
    count = live = 0
    for row in gradient.tolist():
        if any(row):
            live += 1
            count += not (min(row) < 0 < max(row))
    assert one_sign_share(gradient) == pytest.approx(count / live)
    assert math.isnan(one_sign_share(torch.zeros(2, 2)))


def test_the_shares_of_many_gradients_are_those_of_each():
    generator = torch.Generator().manual_seed(1)
    gradients = torch.randint(-1, 3, (4, 30, 3), generator=generator).double()
    torch.testing.assert_close(
        one_sign_share(gradients), torch.stack([one_sign_share(g) for g in gradients])
    )


@pytest.mark.parametrize(("layer", "name"), [(2, "sigmoid"), (3, "tanh"), (4, "relu")])
def test_the_parts_multiply_to_the_gradient_of_autograd(layer, name):
    net = mlp(DEPTH, WIDTH, activation=name, init="1/fan_in", seed=1)
    delta, h = parts(net, layer)
    data = digits()
    loss = cross_entropy(net(data.x_train[:17]), data.y_train[:17])
    (gradient,) = torch.autograd.grad(loss, net.weights[layer - 1])
    np.testing.assert_allclose(delta[:17].T @ h[:17] / 17, gradient, rtol=1e-10, atol=1e-16)


def test_one_sample_has_one_sign_and_a_batch_has_not():
    one = one_sign(1)
    assert one.chosen == {"sigmoid": 1.0, "relu": 1.0, "tanh": 0.0}
    ten = [one_sign(10, seed=seed).chosen for seed in range(5)]
    assert np.median([c["sigmoid"] for c in ten]) == pytest.approx(0.82, abs=0.08)
    assert np.median([c["relu"] for c in ten]) == pytest.approx(0.25, abs=0.12)
    assert all(c["tanh"] == 0 for c in ten)
    full = [one_sign(1437, seed=seed).chosen for seed in range(5)]
    assert np.median([c["sigmoid"] for c in full]) == pytest.approx(0.8, abs=0.1)
    assert np.median([c["relu"] for c in full]) < 0.1


def test_the_share_is_no_constant():
    """Deeper layers have it more, and training takes it apart."""
    by_layer = [one_sign(1437, layer).chosen["sigmoid"] for layer in (2, 3, 4)]
    assert by_layer == sorted(by_layer)
    assert by_layer[0] < 0.7 < 0.95 < by_layer[2]
    assert one_sign(1437, 3, 600).chosen["sigmoid"] < by_layer[1] - 0.3


def test_the_nets_train_as_with_fit_and_go_on_where_they_were():
    *_, (_, early) = _training(30, 3)
    *_, (_, middle) = _training(50, 3)
    (start, same), (taken, nets) = _training(70, 3)
    assert (start, taken) == (50, 70)
    assert same is middle
    for steps, trained in ((30, early), (50, middle), (70, nets)):
        for net, name in zip(trained, NETS, strict=True):
            alone = mlp(DEPTH, WIDTH, activation=name, init="1/fan_in", seed=3)
            options = {"batch": 10, "steps": steps, "record_at": [steps], "seed": 3}
            fit(alone, digits(), loss=cross_entropy, lr=0.1, **options)
            for ours, theirs in zip(net.parameters(), alone.parameters(), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_count_is_watched_from_the_start_of_its_training():
    first, *_, last = results = list(counting(10, 3, 250, seed=7))
    assert [r.steps for r in results] == [0, 200, 250]
    assert first.shares["sigmoid"].tolist() == one_sign(10, 3, 0, 7).shares["sigmoid"].tolist()
    assert "after 200 steps" in results[1].verdict
    # What has been trained before is only counted.
    (again,) = counting(10, 3, 250, seed=7)
    assert again.verdict == last.verdict
    np.testing.assert_array_equal(again.positive["relu"], last.positive["relu"])


def test_the_counterexample_of_the_flaw_in_the_sign_argument():
    """Two samples with inputs (1, 3) and (3, 1) and deltas +1 and -1."""
    gradient = (1 * np.array([1, 3]) - 1 * np.array([3, 1])) / 2
    assert gradient.tolist() == [-1, 1]
