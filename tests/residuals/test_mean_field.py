from math import exp, log, sqrt

import numpy as np
import pytest

from vglib import theory
from vglib.activations import get_activation
from vglib.residuals.mean_field import block_theory, moments


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "identity"])
@pytest.mark.parametrize("ln_q", [-40.0, -3.0, 0.123, 4.0, 40.0])
def test_the_tabulated_moments(activation, ln_q):
    of, phi, q = moments(activation), get_activation(activation), exp(ln_q)
    mean = theory.gaussian_mean(phi.phi, q) / sqrt(q)
    second = theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q) / q
    slope = theory.chi(q, phi.dphi, 1.0)
    assert of.mean(ln_q) == pytest.approx(float(mean), rel=1e-6, abs=1e-9)
    assert of.second(ln_q) == pytest.approx(float(second), rel=2e-3)
    assert of.slope(ln_q) == pytest.approx(float(slope), rel=2e-3)


def test_relu_pre_activation_doubles():
    ln_q, ln_chi = block_theory("pre-activation", 10, 1.0, sqrt(2), "relu", 0.0, 0.0)
    np.testing.assert_allclose(ln_chi, log(2))
    np.testing.assert_allclose(np.diff(ln_q), log(2))


def test_plain_theory_is_the_library_s():
    tanh = get_activation("tanh")
    _, ln_chi = block_theory("plain", 20, 1.0, 1.3, "tanh", log(0.8), 0.0)
    q = theory.q_trajectory(1.3**2 * 0.8, tanh.phi, 1.3, 0.0, 20)
    np.testing.assert_allclose(np.exp(ln_chi), theory.chi(q, tanh.dphi, 1.3), rtol=2e-3)
