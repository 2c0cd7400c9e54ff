import itertools

import numpy as np
import pytest

from vglib.lstm.stream import STREAM_STEPS, learning_the_lag, truncation


def test_a_window_must_be_longer_than_the_lag():
    losses = [truncation(window, 4).loss for window in (4, 5, 8)]
    assert losses[0] > 0.8
    assert losses[1] < 0.3
    assert losses[2] < 0.1
    assert [truncation(w, 4).share for w in (4, 5, 8)] == pytest.approx([0, 0.2, 0.5])


def test_what_the_state_holds_unasked_is_read_past_the_window():
    losses = [truncation(5, 5, "tanh RNN", input_weights=scale).loss for scale in (1, 8)]
    assert losses[0] > 0.8
    assert losses[1] < 0.1
    wide = truncation(2, 2, units=24, input_weights=8, steps=900)
    assert wide.verdict.startswith(("learns", "is learning"))
    assert "after 900 steps" in wide.verdict


def test_the_stream_is_seen_as_it_is_read():
    seen = list(learning_the_lag(7, 2, seed=3))
    assert seen[0].seen[-1] < STREAM_STEPS / 8
    for one, other in itertools.pairwise(seen):
        np.testing.assert_array_equal(one.losses, other.losses[: len(one.losses)])
        assert f"after {one.seen[-1]:.0f} steps of the stream" in one.verdict
    assert f"after {STREAM_STEPS} steps of the stream" in seen[-1].verdict
    np.testing.assert_array_equal(truncation(7, 2, seed=3).losses, seen[-1].losses)
