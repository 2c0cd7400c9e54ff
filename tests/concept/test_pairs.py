import numpy as np
import pytest

from vglib import theory
from vglib.concept.pairs import SIGMOID, two_way_theory
from vglib.concept.speed import chi_nielsen


def test_the_two_way_theory_is_chi_where_differences_are_small():
    phi = SIGMOID
    q = theory.q_fixed_point(phi.phi, 1.0, 1.0)
    log_spread, log_factors = two_way_theory(q, 1e-6, 1.0, 6)
    step = 0.5 * np.log(chi_nielsen())
    np.testing.assert_allclose(np.diff(log_spread), step, rtol=1e-5)
    np.testing.assert_allclose(log_factors, step, rtol=1e-5)


def test_the_two_way_theory_against_dice():
    rng, q, v, sigma_w = np.random.default_rng(0), 9.0, 4.0, 3.0
    m = rng.normal(scale=np.sqrt(q - v / 2), size=1_000_000)
    d = rng.normal(scale=np.sqrt(v / 2), size=1_000_000)
    a, b = SIGMOID.phi(m + d), SIGMOID.phi(m - d)
    log_spread, log_factors = two_way_theory(q, v, sigma_w, 1)
    assert np.exp(2 * log_spread[0]) == pytest.approx(np.mean((a - b) ** 2) / 2, rel=0.01)
    slopes = np.mean(a * (1 - a) * b * (1 - b))
    assert np.exp(2 * log_factors[0]) == pytest.approx(sigma_w**2 * slopes, rel=0.01)


def test_the_two_way_theory_cannot_be_spoiled():
    for array in two_way_theory(1.3, 0.1, 1.0, 3):
        assert not array.flags.writeable
