import numpy as np
import pytest

from vglib.residuals.paths import open_skips, paths


@pytest.mark.parametrize("depth", [1, 2, 7, 200])
def test_the_paths_add_up_to_the_gradient(depth):
    p = paths(depth, 0.5)
    assert p.gap < 1e-10
    assert p.weighed.sum() == pytest.approx(1)
    assert p.counted.sum() == pytest.approx(1)
    assert p.binomial.sum() == pytest.approx(1)


def test_the_mean_length_of_paths():
    for alpha in (1.0, 0.5, 0.1):
        lengths = [paths(50, alpha, seed=s).mean_length for s in range(4)]
        assert np.mean(lengths) == pytest.approx(50 * alpha**2 / (1 + alpha**2), rel=0.12)
    assert paths(200, root=True).mean_length == pytest.approx(1, abs=0.3)


def test_a_relu_behind_the_sum_closes_the_skips():
    shares = [open_skips(depth) for depth in (1, 5, 20)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.05
