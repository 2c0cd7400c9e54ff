from math import sqrt

import numpy as np
import pytest

from vglib.residuals.luck import factor_below, luck


@pytest.mark.parametrize(("width", "scale"), [(1, 1.0), (3, 0.5), (20, 1.0), (50, 2.0)])
def test_the_factor_of_a_block_has_its_distribution(width, scale):
    seen = luck(width, 1.0, 0.0, scale)
    expected = factor_below(seen.factors, width, scale)
    empirical = (np.arange(len(expected)) + 0.5) / len(expected)
    assert np.abs(expected - empirical).max() < 2 / sqrt(len(expected))


def test_all_minus_one_leaves_nothing():
    r = luck(30, 1.0, 1.0)
    assert (r.factors == 0).all()
    assert "exactly 0" in r.verdict
    assert luck(30, 0.0).factors == pytest.approx(np.ones(1111))
