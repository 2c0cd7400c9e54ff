import math
from math import inf

import numpy as np
import pytest
import torch
from scipy.special import erf

from tests import refused
from vglib import theory
from vglib.activations import ACTIVATIONS
from vglib.initialization.mean_field import (
    c_fixed_point,
    c_map,
    c_map_steps,
    correlation_depth_scale,
    depth_scale,
    pair_mean,
    q_map_steps,
    variance_after,
    wide_layers,
)
from vglib.theory import chi, chi_at_fixed_point, gaussian_mean, q_fixed_point

TANH, RELU, LINEAR, SIGMOID = (
    (ACTIVATIONS[name].phi, ACTIVATIONS[name].dphi)
    for name in ("tanh", "relu", "identity", "sigmoid")
)
relu, identity, d_relu, expit = RELU[0], LINEAR[0], RELU[1], SIGMOID[0]
gelu, selu = ACTIVATIONS["gelu"].phi, ACTIVATIONS["selu"].phi


def test_the_q_map_and_a_real_network():
    one = q_map_steps("tanh", 1.5, 0.3, 3.0)
    assert one.steps[-1] == pytest.approx(one.fixed_point, rel=1e-4)
    assert one.measured == pytest.approx(one.steps, rel=0.15)
    other = q_map_steps("tanh", 1.5, 0.3, 0.05)
    assert other.fixed_point == pytest.approx(one.fixed_point, rel=1e-10)
    assert q_map_steps("relu", 1.6, 0.0, 1.0).fixed_point == inf
    assert q_map_steps("tanh", 0.8, 0.0, 1.0).fixed_point == 0


def test_the_c_map_and_a_real_network():
    one = c_map_steps("tanh", 1.0, 0.3, 0.5)
    assert one.measured[0] == pytest.approx(0.5, abs=1e-12)
    assert one.measured == pytest.approx(one.steps, abs=0.08)
    assert one.steps[-1] > 0.99
    tanh = ACTIVATIONS["tanh"]
    for sigma_w in (1.0, 2.0, 3.0):
        chi = theory.chi_at_fixed_point(tanh.phi, tanh.dphi, sigma_w, 0.3)
        assert c_map_steps("tanh", sigma_w, 0.3).slope == pytest.approx(chi, rel=1e-9)


def test_selu_keeps_one_with_gain_one_alone():
    assert variance_after("selu", 1.0, 50) == pytest.approx(1, abs=0.15)
    assert variance_after("selu", 0.75, 50) < 0.1


def test_wide_layers_are_those_that_their_formula_draws():
    z = torch.ones(2, 20, dtype=torch.float64)
    *_, fast = wide_layers(z, ACTIVATIONS["tanh"], 1.5, 0.3, 3, seed=4)
    generator = torch.Generator().manual_seed(4)
    for _ in range(2):
        w = torch.randn(20, 20, generator=generator, dtype=torch.float64) * 1.5 / math.sqrt(20)
        b = torch.randn(20, generator=generator, dtype=torch.float64) * 0.3
        z = torch.tanh(z) @ w.T + b
    assert fast.numpy() == pytest.approx(z.numpy(), rel=1e-12)


@pytest.mark.parametrize("q", [1e-6, 1.0, 300.0, 1e6])
def test_pair_mean_closed_forms(q):
    c = np.array([-1.0, -0.3, 0.0, 0.5, 0.99, 1 - 1e-9, 1.0])
    angle = np.arccos(c)
    # Cho & Saul 2009 for ReLU, Williams 1997 for erf.
    relus = q / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * c)
    assert pair_mean(relu, c, q) == pytest.approx(relus, rel=1e-9, abs=1e-9 * q)
    erfs = 2 / np.pi * np.arcsin(2 * q * c / (1 + 2 * q))
    assert pair_mean(erf, c, q) == pytest.approx(erfs, rel=1e-9, abs=1e-12)
    assert pair_mean(d_relu, c, q) == pytest.approx((np.pi - angle) / (2 * np.pi), abs=1e-9)
    assert pair_mean(identity, c, q) == pytest.approx(q * c, rel=1e-9, abs=1e-12 * q)


def test_pair_mean_of_equal_and_of_independent_inputs_is_the_gaussian_mean():
    for f in (expit, np.tanh, gelu, selu):
        both = gaussian_mean(lambda z, f=f: f(z) ** 2, 2.0)
        assert pair_mean(f, 1.0, 2.0) == pytest.approx(both, rel=1e-9)
        alone = gaussian_mean(f, 2.0) ** 2
        assert pair_mean(f, 0.0, 2.0) == pytest.approx(alone, rel=1e-9, abs=1e-12)
    assert np.shape(pair_mean(np.tanh, [[0.1, 0.2]], 1.0)) == (1, 2)


def test_pair_mean_monte_carlo():
    u, v = np.random.default_rng(4).standard_normal((2, 400_000))
    sample = np.tanh(2 * u) * np.tanh(2 * (0.6 * u + 0.8 * v))
    error = sample.std() / np.sqrt(u.size)
    assert abs(pair_mean(np.tanh, 0.6, 4.0) - sample.mean()) < 4 * error
    assert abs(pair_mean(np.tanh, 0.7, 4.0) - sample.mean()) > 4 * error


@pytest.mark.parametrize(
    ("pair", "sigma_w", "sigma_b"), [(TANH, 1.0, 0.2), (TANH, 3.0, 0.2), (SIGMOID, 15.0, 0.0)]
)
def test_the_slope_of_the_c_map_at_one_is_chi(pair, sigma_w, sigma_b):
    q = q_fixed_point(pair[0], sigma_w, sigma_b)
    step = 1e-6
    slope = (1 - c_map(1 - step, q, pair[0], sigma_w, sigma_b)) / step
    assert slope == pytest.approx(chi(q, pair[1], sigma_w), rel=1e-3)
    assert c_map(1.0, q, pair[0], sigma_w, sigma_b) == pytest.approx(1, rel=1e-9)


def test_c_fixed_point_by_iteration():
    sigma_w, sigma_b = 2.0, math.sqrt(0.05)
    q, c = q_fixed_point(np.tanh, sigma_w, sigma_b), 0.9
    for _ in range(200):
        c = float(c_map(c, q, np.tanh, sigma_w, sigma_b))
    assert c_fixed_point(*TANH, sigma_w, sigma_b) == pytest.approx(c, abs=1e-9)
    assert c_fixed_point(*TANH, sigma_w, 0.0) == 0
    assert c_fixed_point(*TANH, 1.0, sigma_b) == 1
    assert c_fixed_point(*RELU, 1.0, 0.3) == 1
    assert c_fixed_point(*RELU, 2.0, 0.3) == 1
    assert c_fixed_point(*LINEAR, 0.5, 0.0) == 1


def test_depth_scale():
    assert depth_scale(math.exp(-0.25)) == pytest.approx(4)
    assert depth_scale(math.exp(0.25)) == pytest.approx(4)
    assert depth_scale([0.0, 1.0, np.inf]).tolist() == [0, np.inf, 0]
    scales = [
        depth_scale(chi_at_fixed_point(*TANH, math.sqrt(v), math.sqrt(0.05))) for v in (1, 1.5)
    ]
    assert scales[0] == pytest.approx(3.63, abs=0.005)
    assert scales[1] == pytest.approx(15.8, abs=0.05)


def test_correlation_depth_scale():
    sigma_b = math.sqrt(0.05)
    for square in (1.0, 1.5, 1.7):
        gradient = depth_scale(chi_at_fixed_point(*TANH, math.sqrt(square), sigma_b))
        scale = correlation_depth_scale(*TANH, math.sqrt(square), sigma_b)
        assert scale == pytest.approx(float(gradient), rel=1e-9)
    # Beyond the edge the distance to c* falls by a factor e in xi_c layers.
    q, c_star = q_fixed_point(np.tanh, 2.0, sigma_b), c_fixed_point(*TANH, 2.0, sigma_b)
    near = c_star + 1e-4
    rate = (float(c_map(near, q, np.tanh, 2.0, sigma_b)) - c_star) / 1e-4
    assert correlation_depth_scale(*TANH, 2.0, sigma_b) == pytest.approx(-1 / math.log(rate), 0.01)


BAD = [
    (c_map, (1.1, 1.0, np.tanh, 1.0, 0.0)),
    (c_map, (0.5, 0.0, np.tanh, 1.0, 0.0)),
    (c_map, (0.5, 1.0, np.tanh, 0.0, 0.0)),
    (pair_mean, (np.tanh, math.nan, 1.0)),
    (pair_mean, (np.tanh, 0.5, math.inf)),
    (c_fixed_point, (*TANH, 0.0, 0.1)),
    (correlation_depth_scale, (*TANH, 1.0, -0.1)),
    (depth_scale, (-0.1,)),
    (depth_scale, (math.nan,)),
]


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_wrong_arguments_are_one_plain_sentence(function, arguments):
    refused.in_one_plain_sentence(r"must be|must lie|is 0 or positive", function, *arguments)
