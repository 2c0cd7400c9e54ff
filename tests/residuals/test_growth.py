from math import log, pi, sqrt

import numpy as np
import pytest

from vglib.residuals.growth import GROWTHS, growth
from vglib.residuals.mean_field import block_theory
from vglib.residuals.stack import SIGMA_W


def test_the_three_laws_in_theory():
    squares = {}
    for name, (kind, activation) in GROWTHS.items():
        sigma_w = SIGMA_W[activation]
        squares[name] = np.cumsum(block_theory(kind, 1000, 1.0, sigma_w, activation, 0.0, 0.0)[1])
    assert squares["ReLU"][-1] == pytest.approx(1000 * log(2))
    assert squares["tanh"][-1] / sqrt(1000) == pytest.approx(8 / (3 * sqrt(2 * pi)), rel=0.02)
    power = (squares["BN and ReLU"][-1] - squares["BN and ReLU"][99]) / log(10)
    assert power == pytest.approx(pi / (pi - 1), rel=0.01)


def test_the_law_is_the_leading_term():
    seen = growth(200)
    np.testing.assert_allclose(seen.law["ReLU"], seen.predicted["ReLU"])
    for name in GROWTHS:
        assert seen.law[name][-1] == pytest.approx(seen.predicted[name][-1], rel=0.2)
