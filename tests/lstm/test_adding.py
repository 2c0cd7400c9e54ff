import itertools
import math

import numpy as np
import pytest

from vglib.lstm.adding import GUESS, WINDOW, adding, adding_batch, learning_to_add


def test_the_adding_task():
    x, y = adding_batch(20, 500, np.random.default_rng(0))
    numbers, marks = x[..., 0], x[..., 1]
    assert (marks[:10].sum(0) == 1).all()
    assert (marks[10:].sum(0) == 1).all()
    np.testing.assert_allclose((numbers * marks).sum(0), y)
    assert ((y - 1) ** 2).mean() == pytest.approx(GUESS, rel=0.15)


def test_a_gru_learns_what_a_tanh_net_does_not():
    gru, tanh = (adding(net, 15, 1, 200) for net in ("GRU", "tanh RNN"))
    assert gru.learned_at < 180
    assert tanh.learned_at == math.inf
    assert tanh.log_before[1] < math.log(0.05) + tanh.log_before[-1]


def test_a_training_is_seen_from_its_first_smoothed_error_on():
    seen = list(learning_to_add("LSTM, b = 1", 10, 3, 100))
    assert WINDOW <= len(seen[0].losses) < 40
    for one, other in itertools.pairwise(seen):
        np.testing.assert_array_equal(one.losses, other.losses[: len(one.losses)])
        np.testing.assert_array_equal(one.log_before, other.log_before)
        assert f"within {len(one.losses)} updates so far" in one.verdict
    assert "within 100 updates, where this lab stops" in seen[-1].verdict
    assert adding("LSTM, b = 1", 10, 3, 100) is seen[-1]
