from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from vglib.activations import get_activation
from vglib.relu_family.portrait import (
    FAMILY,
    face,
    measured_penalty,
    milliseconds,
    noise_penalty,
    portrait,
)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.25, 11 / 48])
@pytest.mark.parametrize("spread", [0.05, 1.0, 20.0])
def test_a_kinked_line_has_hes_gain_and_chi_1_at_any_spread(slope, spread):
    name = {0.0: "relu", 0.01: "leaky_relu", 0.25: "prelu", 11 / 48: "rrelu"}[slope]
    found = face(name, spread)
    assert found.he_sigma_w == pytest.approx(sqrt(2 / (1 + slope**2)), rel=1e-10)
    assert found.chi == pytest.approx(1.0, abs=1e-10)
    assert found.mean == pytest.approx((1 - slope) * spread / sqrt(2 * np.pi), rel=1e-10)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_moments_and_chi_against_an_adaptive_integral(name, spread):
    phi = get_activation(name)

    def mean(f):
        kinks = [k / spread for k in (-3, 0, 3)]
        edges = [-12.0, *(k for k in kinks if abs(k) < 12), 12.0]
        return sum(
            quad(lambda u: float(f(spread * u)) * norm.pdf(u), a, b, epsabs=1e-13)[0]
            for a, b in pairwise(edges)
        )

    first, second = mean(phi.phi), mean(lambda z: phi.phi(z) ** 2)
    slope = mean(lambda z: phi.dphi(z) ** 2)
    found = face(name, spread)
    assert found.mean == pytest.approx(first, abs=1e-4)
    assert found.variance == pytest.approx(second - first**2, rel=1e-4)
    assert found.chi == pytest.approx(spread**2 * slope / second, rel=1e-3)


def test_selu_keeps_the_signal_and_not_the_gradient():
    found = face("selu")
    assert (found.mean, found.variance) == (pytest.approx(0, abs=1e-9), pytest.approx(1, abs=1e-9))
    assert found.chi == pytest.approx(1.0716, abs=1e-4)


def test_times_are_positive():
    assert 0 < milliseconds("relu", 8, 64, 2) < 1000
    assert 0 < milliseconds("matmul", 8, 64, 2) < 1000


def test_what_is_kept_for_the_next_portrait_cannot_be_spoiled():
    one, two = portrait("relu", 1.0), portrait("relu", 2.0)
    assert one.chis is two.chis
    with pytest.raises(ValueError, match="read-only"):
        one.chis[0] = 0.0


def test_the_penalty_of_random_leaks():
    rng = np.random.default_rng(0)
    w, z = rng.normal(size=(2, 40))
    expected = noise_penalty(w, z, 0.1, 0.7)
    assert measured_penalty(w, z, 0.1, 0.7) == pytest.approx(expected, rel=0.03)
    assert noise_penalty(w, np.abs(z), 0.1, 0.7) == 0
    assert noise_penalty(w, z, 0.3, 0.3) == 0


def test_torchs_rrelu_has_the_catalogues_mean_slope():
    z = torch.full((200_000,), -1.0, dtype=torch.float64)
    layer = torch.nn.RReLU()
    torch.manual_seed(0)
    assert -layer(z).mean() == pytest.approx(11 / 48, abs=1e-3)
    assert layer(z).var() == pytest.approx((5 / 24) ** 2 / 12, rel=0.02)
    assert layer.eval()(z[:1]) == get_activation("rrelu").function(z[:1])
