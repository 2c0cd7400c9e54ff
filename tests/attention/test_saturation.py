from math import cosh, log, sqrt

import numpy as np
import pytest

from vglib.attention.parts import softmax_back
from vglib.attention.saturation import (
    NORMED,
    PLAIN,
    SCALES,
    gaussian_entropy,
    grown,
    look,
    mean_entropy,
    saturation,
    unscaled,
)


def test_the_entropy_of_rows():
    assert mean_entropy(np.full((3, 8), 1 / 8)) == pytest.approx(log(8))
    assert mean_entropy(np.eye(4)) == 0
    assert mean_entropy(np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])) == pytest.approx(log(2) / 2)


def test_the_entropy_of_gaussian_scores():
    generator = np.random.default_rng(0)
    for scale in (0.5, 1.0):
        scores = scale**2 * generator.standard_normal((50, 5000))
        weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        expected = gaussian_entropy(np.array([scale]), 5000)[0]
        assert mean_entropy(weights) == pytest.approx(expected, abs=0.02)
    assert gaussian_entropy(np.array([9.0]), 5000)[0] == 0


@pytest.mark.parametrize("gap", [0.0, 2.0, 40.0])
def test_a_row_with_two_candidates(gap):
    a = 1 / (1 + np.exp(-gap))
    g = softmax_back(np.array([a, 1 - a]), np.array([1.5, -0.5]))
    expected = sqrt(2) * 2 / (4 * cosh(gap / 2) ** 2)
    assert np.linalg.norm(g) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_the_numbers_to_expect():
    """Sixty-four tokens of width 64: scores and entropies at scale 1 and 16, without and with."""
    sizes = {"width": 64, "tokens": 64, "batch": 1}
    for scale, normed, largest, entropy in (
        (1.0, False, (3, 7), (3.5, 3.9)),
        (16.0, False, (800, 2000), (0.0, 0.1)),
        (16.0, True, (2.8, 4.6), (3.5, 3.9)),
    ):
        seen = [look(1, scale, normed, seed, **sizes) for seed in range(5)]
        assert largest[0] < np.median([one.largest for one in seen]) < largest[1]
        assert entropy[0] <= np.median([one.entropy for one in seen]) < entropy[1]


def test_a_saturated_softmax_gives_more_through_fewer_rows():
    seen = saturation(qk_scale=16.0)
    rows = seen.here[PLAIN].log_rows
    assert (np.diff(rows) >= 0).all()
    assert rows[len(rows) // 2] < log(1e-15)
    assert seen.alive < 0.1
    assert saturation().alive == 1
    assert np.median([grown(16.0, seed) for seed in range(5)]) > 15
    assert np.median([grown(1024.0, seed) for seed in range(5)]) < 1e-9


def test_without_the_root_the_middle_row_loses_what_the_whole_keeps():
    whole, middle = unscaled(256)
    assert 0.7 < whole < 1.6
    assert middle < 0.2


def test_qk_norm_takes_the_scale_out():
    seen = saturation()
    np.testing.assert_allclose(seen.log_pull[NORMED], seen.log_pull[NORMED][0], atol=1e-2)
    np.testing.assert_allclose(seen.entropy[NORMED], seen.entropy[NORMED][0], atol=1e-3)
    assert len(seen.entropy[PLAIN]) == len(SCALES)
