import math

import numpy as np
import pytest

from vglib.activations import get_activation
from vglib.sigmoid.walk import CENTRED, SAMPLES, curvatures, moments, walk


def test_the_moments_and_the_judgements_number():
    mean, variance = moments("relu")
    assert mean == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-10)
    assert variance == pytest.approx(0.5 - 1 / (2 * math.pi), rel=1e-10)
    steep, flat = curvatures(*moments("sigmoid"), 100)
    assert steep / flat == pytest.approx(577, abs=0.5)
    assert moments("sigmoid - 1/2")[1] == pytest.approx(moments("sigmoid")[1], rel=1e-12)


def test_the_walk_follows_theory_on_all_data():
    found = walk("sigmoid", SAMPLES, 0.5, seed=3)
    np.testing.assert_allclose(found.losses, found.predicted, rtol=0.35)
    assert found.turns == 0


def test_where_it_zig_zags_and_where_not():
    single = [walk("sigmoid", 1, 0.5, seed=seed) for seed in range(5)]
    assert all(w.together == 1 for w in single)
    assert np.median([w.turns for w in single]) > 0.4
    whole = walk("sigmoid", SAMPLES, 0.5)
    assert whole.turns == 0
    assert whole.together < 0.2
    assert walk("sigmoid", SAMPLES, 3.4).turns > 0.2


def test_turns_cost_little_and_the_limit_costs_much():
    """At one step size both get equally far; beyond the sigmoid's limit only the centred walks."""
    left = {
        name: np.median([walk(name, 1, 0.5, seed=seed).left for seed in range(9)])
        for name in ("sigmoid", "sigmoid - 1/2")
    }
    assert left["sigmoid"] == pytest.approx(left["sigmoid - 1/2"], abs=0.12)
    assert walk("sigmoid", SAMPLES, 5.0).verdict.startswith("overshoots")
    assert walk("sigmoid - 1/2", SAMPLES, 5.0).left < 0.01


def test_the_centred_sigmoid_has_the_sigmoids_slope():
    z = np.linspace(-5, 5, 11)
    np.testing.assert_array_equal(CENTRED.dphi(z), get_activation("sigmoid").dphi(z))
    np.testing.assert_allclose(CENTRED.phi(z), np.tanh(z / 2) / 2, atol=1e-15)
