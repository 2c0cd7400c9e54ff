from copy import deepcopy

import numpy as np
import pytest
import torch

from vglib.batch_norm.in_training import (
    BREAK_RECORDS,
    accuracy,
    breaking,
    broken,
    rescue,
    rescuing,
)
from vglib.batch_norm.layers import deep_net, descend
from vglib.data import digits


def test_which_norm_rescues_sigmoids():
    assert rescue("none").accuracy < 0.2
    assert rescue("batch").accuracy > 0.6
    assert rescue("layer").accuracy < 0.2


def test_a_training_is_seen_from_its_start():
    seen = list(rescuing("batch", depth=3, seed=7, steps=40))
    assert [one.history.steps[-1] for one in seen] == [0, 10, 20, 30, 40]
    assert all(one.verdict.startswith("so far") for one in seen[:-1])
    end = rescue("batch", depth=3, seed=7, steps=40)
    assert end is seen[-1]
    assert (end.history.test_accuracy[:3] == seen[2].history.test_accuracy).all()
    assert (end.log_delta == seen[0].log_delta).all()


def test_weight_norm_starts_standardised():
    net = deep_net("weight", "relu", 3, 30, 0)
    x = digits().x_train[:256]
    z = net[0](x)
    torch.testing.assert_close(z.mean(0), torch.zeros(30, dtype=z.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(30, dtype=z.dtype))


def test_a_net_leaves_the_readers_random_state_alone():
    before = torch.get_rng_state()
    deep_net("weight", "relu", 2, 10, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_shift_is_taken_out_by_the_batch_and_not_by_running_statistics():
    seen = broken(16)
    assert np.ptp(seen.shifted_own) == 0
    assert seen.shifted_running[-1] < seen.shifted_running[0] - 0.2
    assert seen.shifted_running[0] == seen.running[-1]


def test_small_batches():
    assert broken(2).running[-1] < 0.55 < broken(2, kind="layer").running[-1]


@pytest.mark.parametrize("kind", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("batch", [2, 7])
def test_the_accuracy_by_the_batch_s_own_statistics_is_torchs(kind, batch):
    data, net = digits(), deep_net(kind, "relu", 2, 50, 1)
    for start in range(0, 200, 20):
        descend(
            net.train(), data.x_train[start : start + 20], data.y_train[start : start + 20], 0.1
        )
    x, y = data.x_test[:60], data.y_test[:60]
    kept, right = deepcopy(net).train(), []
    with torch.no_grad():
        for r in range(0, 60 - batch + 1, batch):
            right.append(kept(x[r : r + batch]).argmax(1) == y[r : r + batch])
        whole = float((deepcopy(net).eval()(x).argmax(1) == y).double().mean())
    own = float(torch.cat(right).double().mean())
    assert 0.2 < own < 1
    assert accuracy(net, x[None], y, batch)[0] == pytest.approx(own)
    assert accuracy(net, x[None], y)[0] == pytest.approx(whole)


def test_small_batches_are_seen_from_the_start():
    seen = list(breaking(8, seed=9))
    assert [one.steps[-1] for one in seen] == list(BREAK_RECORDS)
    assert all("so far" in one.verdict for one in seen[:-1])
    assert np.isnan(seen[-2].shifted_own).all()
    assert broken(8, seed=9) is seen[-1]
    np.testing.assert_array_equal(seen[-1].running[:3], seen[2].running)
