from math import log

import numpy as np
import pytest
from scipy.stats import binom

from vglib.residuals.paths import by_length, open_skips, paths


@pytest.mark.parametrize("depth", [1, 2, 7, 200])
def test_the_paths_add_up_to_the_gradient(depth):
    for batch_norm in (False, True):
        p = paths(depth, 0.5, batch_norm=batch_norm)
        assert p.gap < 1e-10
        assert p.weighed.sum() == pytest.approx(1)
        assert p.counted.sum() == pytest.approx(1)
        assert p.predicted.sum() == pytest.approx(1)
        assert (p.predicted * np.arange(depth + 1)).sum() == pytest.approx(p.theory_length)


def test_paths_of_equal_branches_are_a_binomial_distribution():
    of, (p, depth) = paths(50, 0.5), (0.2, 50)
    np.testing.assert_allclose(of.predicted, binom.pmf(np.arange(51), depth, p), atol=1e-12)
    # A path of k branches has the square alpha^(2 k).
    np.testing.assert_allclose(of.log_one, np.arange(51) * log(0.5), atol=1e-9)
    np.testing.assert_allclose(by_length(np.log([2.0, 3.0])), np.log([1, 5, 6]))
    assert paths(5, 0.0).predicted.tolist() == [1, 0, 0, 0, 0, 0]


def test_the_mean_length_of_paths():
    for alpha in (1.0, 0.5, 0.1):
        lengths = [paths(50, alpha, seed=s).mean_length for s in range(4)]
        assert np.mean(lengths) == pytest.approx(50 * alpha**2 / (1 + alpha**2), rel=0.12)
    assert paths(200, root=True).mean_length == pytest.approx(1, abs=0.3)


def test_batch_norm_makes_the_paths_short():
    seen = [paths(54, seed=s, batch_norm=True) for s in range(4)]
    for one in seen:
        assert one.theory_length < one.mean_length < 1.5 * one.theory_length < 7


def test_a_relu_behind_the_sum_closes_the_skips():
    shares = [open_skips(depth) for depth in (1, 5, 20)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.05
