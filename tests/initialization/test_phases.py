from math import log, sqrt

import numpy as np
import pytest

from vglib import theory
from vglib.activations import ACTIVATIONS
from vglib.initialization.phases import phase_point, phases


def test_a_real_networks_slope_is_ln_chi():
    for square, predicted in ((1.0, -0.2757), (1.761, 0.0), (4.0, 0.2945)):
        points = [phase_point("tanh", sqrt(square), sqrt(0.05), seed=seed) for seed in range(3)]
        assert log(points[0].chi) == pytest.approx(predicted, abs=3e-4)
        assert np.mean([p.slope for p in points]) == pytest.approx(predicted, abs=0.03)


def test_a_phase_has_its_name_from_chi_and_from_a_q_that_is_finite():
    for activation, sigma_w, phase in (
        ("tanh", 2.0, "chaotic"),
        ("relu", 2.0, "runaway"),
        ("relu", 1.0, "ordered"),
        ("relu", sqrt(2), "critical"),
    ):
        assert phase_point(activation, sigma_w, 0.22, 5, width=50).phase == phase


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_the_plane_agrees_with_the_fixed_point_one_by_one(activation):
    plane, phi = phases(activation), ACTIVATIONS[activation]
    for row in (5, 20, 40):
        for column in (0, 17, 30, 55):
            w, b = float(plane.sigma_ws[column]), float(plane.sigma_bs[row])
            chi = theory.chi_at_fixed_point(phi.phi, phi.dphi, w, b)
            assert plane.log_chi[row, column] == pytest.approx(log(chi), abs=0.01)


def test_the_edge_is_the_critical_line():
    for activation in ("tanh", "sigmoid", "relu"):
        plane, phi = phases(activation), ACTIVATIONS[activation]
        for b in (0.3, 1.0, 1.8):
            w = float(np.interp(b, plane.line_b, plane.line_w))
            expected = theory.critical_sigma_w(phi.phi, phi.dphi, b)
            assert w == pytest.approx(expected, rel=1e-3)
