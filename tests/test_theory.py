import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erf, expit

from tests import refused
from vglib import theory
from vglib.theory import (
    chi,
    chi_at_fixed_point,
    critical_sigma_w,
    gaussian_mean,
    gradient_log_ratios,
    q_fixed_point,
    q_map,
    q_trajectory,
)

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def d_sigmoid(z):
    return expit(z) * expit(-z)


def d_tanh(z):
    # 1 - tanh^2 would lose every digit in the tails.
    return 4 * d_sigmoid(2 * z)


def relu(z):
    return np.maximum(z, 0)


def d_relu(z):
    return (z > 0).astype(float)


def gelu(z):
    return 0.5 * z * (1 + erf(z / np.sqrt(2)))


def d_gelu(z):
    return 0.5 * (1 + erf(z / np.sqrt(2))) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def selu(z):
    return SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * np.expm1(np.minimum(z, 0)))


def d_selu(z):
    return SELU_SCALE * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0)))


def identity(z):
    return z


SIGMOID = (expit, d_sigmoid)
TANH = (np.tanh, d_tanh)
RELU = (relu, d_relu)
LINEAR = (identity, np.ones_like)

INTEGRANDS = {
    "sigmoid^2": lambda z: expit(z) ** 2,
    "sigmoid'^2": lambda z: d_sigmoid(z) ** 2,
    "tanh^2": lambda z: np.tanh(z) ** 2,
    "tanh'^2": lambda z: d_tanh(z) ** 2,
    "|sigmoid'|": d_sigmoid,
    "relu": relu,
    "relu'": d_relu,
    "selu^2": lambda z: selu(z) ** 2,
    "gelu^2": lambda z: gelu(z) ** 2,
    "gelu'^2": lambda z: d_gelu(z) ** 2,
}


def mean_by_quad(f, q):
    """E f(sqrt(q) u) by adaptive quadrature, told where the features of size 1 lie."""
    scale = math.sqrt(q)
    marks = np.array([0.3, 1, 3, 10, 30]) / scale
    marks = np.concatenate([[0, 12], marks[marks < 12], [1, 3, 6]])
    edges = np.unique(np.concatenate([-marks, marks]))
    total = 0.0
    for low, high in itertools.pairwise(edges):
        total += quad(
            lambda u: float(f(np.asarray(scale * u))) * math.exp(-u * u / 2),
            low,
            high,
            epsabs=0,
            epsrel=1e-11,
        )[0]
    return total / math.sqrt(2 * math.pi)


# ---- the Gaussian mean


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("name", INTEGRANDS)
@pytest.mark.parametrize("q", [1e-6, 1e-2, 1.0, 37.0, 1e4, 1e6])
def test_gaussian_mean_agrees_with_adaptive_quadrature(name, q):
    f = INTEGRANDS[name]
    assert gaussian_mean(f, q) == pytest.approx(mean_by_quad(f, q), rel=1e-10)


@pytest.mark.parametrize("q", [1e-6, 1e-3, 1.0, 50.0, 1e6, 1e12])
def test_gaussian_mean_closed_forms(q):
    assert gaussian_mean(np.ones_like, q) == pytest.approx(1, rel=1e-14)
    assert gaussian_mean(d_relu, q) == pytest.approx(0.5, rel=1e-14)
    assert gaussian_mean(lambda z: relu(z) ** 2, q) == pytest.approx(q / 2, rel=1e-13)
    assert gaussian_mean(np.abs, q) == pytest.approx(math.sqrt(2 * q / math.pi), rel=1e-13)
    assert gaussian_mean(lambda z: z**4, q) == pytest.approx(3 * q**2, rel=1e-13)
    assert gaussian_mean(lambda z: np.exp(-(z**2)), q) == pytest.approx(
        1 / math.sqrt(1 + 2 * q), rel=1e-12
    )


def test_narrow_bump_has_the_right_area():
    # For large q the mean of sigmoid'^2 tends to its area, 1/6, times the density at 0.
    q = 1e10
    expected = 1 / 6 / math.sqrt(2 * math.pi * q)
    assert gaussian_mean(INTEGRANDS["sigmoid'^2"], q) == pytest.approx(expected, rel=1e-9)


def test_gaussian_mean_monte_carlo():
    u = np.random.default_rng(0).standard_normal(400_000)
    for q in (0.3, 9.0):
        sample = d_tanh(np.sqrt(q) * u) ** 2
        error = sample.std() / np.sqrt(u.size)
        assert abs(gaussian_mean(INTEGRANDS["tanh'^2"], q) - sample.mean()) < 4 * error


def test_gaussian_mean_shapes_and_ends():
    q = np.array([[0.0, 1e-6, 1.0], [25.0, 1e6, np.inf]])
    means = gaussian_mean(d_sigmoid, q)
    assert means.shape == q.shape
    assert means[0, 0] == pytest.approx(0.25, rel=1e-14)
    assert means[1, 2] == pytest.approx(0, abs=1e-12)
    for value, mean in zip(q.ravel(), means.ravel(), strict=True):
        assert gaussian_mean(d_sigmoid, value) == pytest.approx(mean, rel=1e-12, abs=1e-12)
    assert np.shape(gaussian_mean(d_sigmoid, 2.0)) == ()


def test_more_nodes_change_nothing_and_few_do():
    f = INTEGRANDS["tanh'^2"]
    assert gaussian_mean(f, 7.0, nodes=40) == pytest.approx(gaussian_mean(f, 7.0), rel=1e-13)
    assert gaussian_mean(f, 7.0, nodes=2) != pytest.approx(gaussian_mean(f, 7.0), rel=1e-6)


def test_results_do_not_alias_a_cache():
    before = gaussian_mean(np.tanh, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        gaussian_mean(lambda z: np.multiply(z, 0, out=theory._gaussian_rule(16, 4)[0]), 1.0)
    assert gaussian_mean(np.tanh, 1.0) == before


# ---- the variance map


def test_q_map_closed_forms():
    assert q_map(3.0, relu, 1.5, 0.4) == pytest.approx(1.5**2 * 3 / 2 + 0.4**2, rel=1e-13)
    assert q_map(3.0, identity, 1.5, 0.4) == pytest.approx(1.5**2 * 3 + 0.4**2, rel=1e-13)
    # E erf(sqrt(q) u)^2 = (2/pi) asin(2q / (1 + 2q)), Williams 1997.
    q = np.array([0.0, 0.1, 2.0, 300.0])
    expected = 4 * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)) + 0.01
    assert q_map(q, erf, 2.0, 0.1) == pytest.approx(expected, rel=1e-12)


def test_q_map_monte_carlo():
    u = np.random.default_rng(1).standard_normal(400_000)
    sample = 1.3**2 * expit(np.sqrt(4.0) * u) ** 2 + 0.5**2
    error = sample.std() / np.sqrt(u.size)
    assert abs(q_map(4.0, expit, 1.3, 0.5) - sample.mean()) < 4 * error


@settings(max_examples=60, deadline=None)
@given(
    q=st.floats(1e-6, 1e6),
    sigma_w=st.floats(1e-3, 100),
    factor=st.floats(1.001, 10),
    sigma_b=st.floats(0, 10),
    phi=st.sampled_from([expit, np.tanh, relu, selu, gelu]),
)
def test_q_map_increases_with_sigma_w_sigma_b_and_q(q, sigma_w, factor, sigma_b, phi):
    here = q_map(q, phi, sigma_w, sigma_b)
    tiny = 1e-12 * here
    assert q_map(q, phi, sigma_w * factor, 0.0) > q_map(q, phi, sigma_w, 0.0)
    assert q_map(q, phi, sigma_w * factor, sigma_b) >= here - tiny
    assert q_map(q, phi, sigma_w, sigma_b + factor) > here
    assert q_map(q * factor, phi, sigma_w, sigma_b) >= here - tiny


def test_trajectory_is_the_iterated_map():
    q = q_trajectory(2.5, np.tanh, 1.4, 0.3, 60)
    assert q.shape == (60,)
    assert q[0] == 2.5
    assert q[1:] == pytest.approx(q_map(q[:-1], np.tanh, 1.4, 0.3), rel=1e-12)
    assert q[-1] == pytest.approx(q_fixed_point(np.tanh, 1.4, 0.3), rel=1e-9)


def test_trajectory_of_relu_is_geometric_and_overflows_to_inf():
    q = q_trajectory(1.0, relu, 2.0, 0.0, 20)
    assert q == pytest.approx(2.0 ** np.arange(20), rel=1e-11)
    q = q_trajectory(1.0, relu, 20.0, 0.0, 1000)
    assert np.isinf(q[-1])
    assert not np.isnan(q).any()


def test_tanh_variance_at_critical_scale_decays_as_one_over_two_depths():
    # Not 1/4, as it is often drawn: q' = q - 2 q^2 to leading order.
    q = q_trajectory(1.0, np.tanh, 1.0, 0.0, 4000)
    assert 2 * 4000 * q[-1] == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("sigma_w", [0.3, 1.0, 1.2, 3.0, 10.0, 200.0])
@pytest.mark.parametrize("sigma_b", [1e-3, 0.5, 4.0])
@pytest.mark.parametrize("phi", [np.tanh, expit])
def test_fixed_point_is_fixed_and_does_not_depend_on_start(phi, sigma_w, sigma_b):
    q = q_fixed_point(phi, sigma_w, sigma_b)
    assert q_map(q, phi, sigma_w, sigma_b) == pytest.approx(q, rel=1e-12)
    for start in (1e-4, 1e4):
        assert q_fixed_point(phi, sigma_w, sigma_b, start) == pytest.approx(q, rel=1e-8)


def test_fixed_point_of_relu():
    assert q_fixed_point(relu, 1.0, 1.0) == pytest.approx(2, rel=1e-12)
    assert q_fixed_point(relu, 1.0, 0.0) == 0
    assert q_fixed_point(relu, math.sqrt(2), 0.0, start=0.7) == 0.7
    assert q_fixed_point(relu, math.sqrt(2), 0.1) == math.inf
    assert q_fixed_point(relu, 1.5, 0.0) == math.inf


def test_fixed_point_of_tanh_near_and_below_critical():
    assert q_fixed_point(np.tanh, 0.9, 0.0) == 0
    assert q_fixed_point(np.tanh, 1.0, 0.0) == 0
    # sigma_w^2 (q - 2 q^2) = q gives q = (sigma_w^2 - 1) / 2 to leading order.
    assert q_fixed_point(np.tanh, math.sqrt(1.0001), 0.0) == pytest.approx(5e-5, rel=0.01)


def test_selu_fixed_point_and_chi():
    # SELU is built to have the fixed point (0, 1); its gradients still grow.
    assert q_fixed_point(selu, 1.0, 0.0) == pytest.approx(1, abs=1e-6)
    assert q_fixed_point(selu, 1.0, 0.0, start=20.0) == pytest.approx(1, abs=1e-6)
    assert chi_at_fixed_point(selu, d_selu, 1.0, 0.0) == pytest.approx(1.0716, abs=1e-4)


# ---- chi and the critical line


def test_chi_closed_forms():
    q = np.array([0.0, 1e-3, 1.0, 1e5])
    assert chi([0.0, 1.0, 1e5, np.inf], d_relu, 1.0) == pytest.approx(0.5, rel=1e-13)
    assert chi(q, np.ones_like, 1.7) == pytest.approx(1.7**2, rel=1e-13)
    assert chi(0.0, d_sigmoid, 1.0) == pytest.approx(1 / 16, rel=1e-13)
    d_erf_squared = 4 / np.pi / np.sqrt(1 + 4 * q)
    assert chi(q, lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2)), 1.0) == pytest.approx(
        d_erf_squared, rel=1e-12
    )


def test_mean_derivative_of_tanh():
    means = gaussian_mean(d_tanh, [0.1, 1.0, 4.0])
    assert means == pytest.approx([0.916, 0.606, 0.365], abs=5e-4)


def test_he_is_critical_for_relu_and_glorot_halves():
    assert chi_at_fixed_point(*RELU, math.sqrt(2), 0.0) == pytest.approx(1, rel=1e-12)
    assert chi_at_fixed_point(*RELU, 1.0, 0.0) == pytest.approx(0.5, rel=1e-12)
    assert chi_at_fixed_point(*RELU, 2.0, 0.0) == pytest.approx(2, rel=1e-12)


def test_tanh_slopes_of_schoenholz():
    slope = [
        math.log(chi_at_fixed_point(*TANH, math.sqrt(v), math.sqrt(0.05))) for v in (1, 1.76, 4)
    ]
    assert slope == pytest.approx([-0.2757, 0, 0.2945], abs=3e-4)


def test_pennington_critical_point():
    value = chi_at_fixed_point(*TANH, math.sqrt(1.05), math.sqrt(2.01e-5))
    assert value == pytest.approx(1.0000002, abs=1e-7)


def test_torch_tanh_gain_is_not_gradient_critical():
    assert chi_at_fixed_point(*TANH, 5 / 3, 0.0) == pytest.approx(1.21, abs=0.005)


def test_critical_line_of_tanh():
    sigma_bs = [0.05, 0.1, 0.2, 0.3, 0.5]
    line = [critical_sigma_w(*TANH, sigma_b) for sigma_b in sigma_bs]
    assert line == pytest.approx([1.1225, 1.1934, 1.3041, 1.3956, 1.5497], abs=5e-5)
    for sigma_w, sigma_b in zip(line, sigma_bs, strict=True):
        assert chi_at_fixed_point(*TANH, sigma_w, sigma_b) == pytest.approx(1, abs=1e-10)


def test_critical_sigma_w_of_tanh_at_schoenholz_bias():
    assert critical_sigma_w(*TANH, math.sqrt(0.05)) ** 2 == pytest.approx(1.7610, abs=1e-4)


def test_critical_sigma_w_of_sigmoid():
    assert critical_sigma_w(*SIGMOID, 0.0) == pytest.approx(10.149, abs=5e-4)
    assert critical_sigma_w(*SIGMOID, 1.0) == pytest.approx(10.265, abs=5e-4)


@pytest.mark.parametrize("sigma_b", [0.0, 1.0])
def test_critical_sigma_w_closed_forms(sigma_b):
    assert critical_sigma_w(*RELU, sigma_b) == pytest.approx(math.sqrt(2), rel=1e-10)
    assert critical_sigma_w(*LINEAR, sigma_b) == pytest.approx(1, rel=1e-10)
    assert critical_sigma_w(*TANH, 0.0) == pytest.approx(1, rel=1e-9)


def test_no_critical_point_is_one_plain_sentence():
    with pytest.raises(ValueError, match=r"No critical sigma_w was found.*\.$"):
        critical_sigma_w(lambda z: 0 * z + 1, np.zeros_like, 0.5)


def test_a_jump_of_chi_across_one_is_no_critical_point():
    # GELU without biases: q* leaps from 0 to infinity, and chi from below 1 to above it.
    below = chi_at_fixed_point(gelu, d_gelu, 1.42, 0.0)
    above = chi_at_fixed_point(gelu, d_gelu, 2.0, 0.0)
    assert below < 1 < above
    with pytest.raises(ValueError, match="No critical sigma_w"):
        critical_sigma_w(gelu, d_gelu, 0.0)


# ---- gradients through the layers


def test_gradient_log_ratios_by_hand():
    args = (0.7, np.tanh, 1.6, 0.2)
    ratios = gradient_log_ratios(0.7, *TANH, 1.6, 0.2, 5)
    q = q_trajectory(*args, 5)
    expected = [sum(0.5 * math.log(chi(v, d_tanh, 1.6)) for v in q[layer:4]) for layer in range(5)]
    assert ratios == pytest.approx(expected, abs=1e-12)
    assert gradient_log_ratios(0.7, *TANH, 1.6, 0.2, 1).tolist() == [0]


def test_gradient_log_ratios_use_each_layers_own_variance():
    # From a saturated first layer the gradient is smaller than the fixed point's chi says.
    far = gradient_log_ratios(400.0, *TANH, 1.5, 0.2, 10)[0]
    fixed = q_fixed_point(np.tanh, 1.5, 0.2)
    assert far < gradient_log_ratios(fixed, *TANH, 1.5, 0.2, 10)[0] - 0.5


@pytest.mark.parametrize(
    ("pair", "sigma_w", "sigma_b"),
    [
        (SIGMOID, 1.0, 1.0),
        (SIGMOID, 100.0, 0.0),
        (TANH, 0.05, 0.0),
        (RELU, 20.0, 0.0),
        (RELU, 0.05, 0.0),
    ],
)
def test_gradient_log_ratios_are_finite_at_depth_1000(pair, sigma_w, sigma_b):
    ratios = gradient_log_ratios(1.0, *pair, sigma_w, sigma_b, 1000)
    assert ratios.shape == (1000,)
    assert np.isfinite(ratios).all()
    assert abs(ratios[0]) > 750  # beyond what float64 holds without logs
    steps = np.diff(ratios)[500:]
    assert steps == pytest.approx(
        -0.5 * math.log(chi_at_fixed_point(*pair, sigma_w, sigma_b)), rel=1e-6
    )


def test_gradient_log_ratios_are_minus_inf_below_a_dead_layer():
    assert gradient_log_ratios(1.0, np.tanh, np.zeros_like, 1.0, 0.1, 4).tolist() == [
        -np.inf,
        -np.inf,
        -np.inf,
        0,
    ]


def simulated_log_ratios(phi, dphi, sigma_w, sigma_b, width, depth, q_first, seed):
    """ln(||delta_l|| / ||delta_depth||) of one random network, by explicit backpropagation."""
    rng = np.random.default_rng(seed)
    z = [np.sqrt(q_first) * rng.standard_normal(width)]
    weights = []
    for _ in range(depth - 1):
        weights.append(sigma_w / np.sqrt(width) * rng.standard_normal((width, width)))
        z.append(weights[-1] @ phi(z[-1]) + sigma_b * rng.standard_normal(width))
    delta = rng.standard_normal(width) * dphi(z[-1])
    logs = [math.log(np.linalg.norm(delta))]
    for w, before in zip(reversed(weights), reversed(z[:-1]), strict=True):
        delta = (w.T @ delta) * dphi(before)
        logs.append(math.log(np.linalg.norm(delta)))
    return np.array(logs[::-1]) - logs[0]


@pytest.mark.parametrize(
    ("pair", "sigma_w", "sigma_b", "q_first"),
    [
        (TANH, 1.0, math.sqrt(0.05), 3.0),
        (TANH, 2.0, math.sqrt(0.05), 0.1),
        (SIGMOID, 1.0, 1.0, 1.0),
        (SIGMOID, math.sqrt(300), 1.0, 5.0),
        (RELU, math.sqrt(2), 0.0, 1.0),
    ],
)
def test_gradient_log_ratios_against_random_networks(pair, sigma_w, sigma_b, q_first):
    depth, nets = 12, 12
    measured = np.mean(
        [
            simulated_log_ratios(*pair, sigma_w, sigma_b, 300, depth, q_first, seed)
            for seed in range(nets)
        ],
        axis=0,
    )
    predicted = gradient_log_ratios(q_first, *pair, sigma_w, sigma_b, depth)
    # The scatter of 12 nets of width 300; a weight scale off by a tenth must not pass.
    assert measured == pytest.approx(predicted, abs=0.25)
    rival = gradient_log_ratios(q_first, *pair, 1.1 * sigma_w, sigma_b, depth)
    assert measured != pytest.approx(rival, abs=0.25)


def test_nielsens_published_speeds():
    value = chi_at_fixed_point(*SIGMOID, 1.0, 1.0)
    assert value == pytest.approx(0.04196, abs=5e-6)
    q = q_fixed_point(expit, 1.0, 1.0)
    firsts = [gradient_log_ratios(q, *SIGMOID, 1.0, 1.0, k)[0] for k in (2, 3, 4)]
    ratios = np.exp(-np.array(firsts))
    assert ratios == pytest.approx([value ** (-(k - 1) / 2) for k in (2, 3, 4)], rel=1e-9)
    assert ratios == pytest.approx([4.88, 23.8, 116.3], rel=2e-3)
    # His figures for one network each, from chapter 5: within a factor 1.7 of the prediction.
    nielsen = np.array([0.3092 / 0.0657, 0.2831 / 0.0118, 0.2851 / 0.0030])
    assert np.abs(np.log(nielsen / ratios)).max() < math.log(1.7)


# ---- wrong arguments

BAD = [
    (gaussian_mean, (np.tanh, -1.0)),
    (gaussian_mean, (np.tanh, [1.0, np.nan])),
    (gaussian_mean, (np.tanh, 1.0, 0)),
    (q_map, (-1e-9, np.tanh, 1.0, 0.0)),
    (q_map, (1.0, np.tanh, 0.0, 0.0)),
    (q_map, (1.0, np.tanh, 1.0, -0.1)),
    (q_map, (1.0, np.tanh, math.nan, 0.0)),
    (q_map, (1.0, np.tanh, 1.0, math.inf)),
    (q_trajectory, (1.0, np.tanh, 1.0, 0.0, 0)),
    (q_trajectory, ([1.0, 2.0], np.tanh, 1.0, 0.0, 5)),
    (q_trajectory, (math.nan, np.tanh, 1.0, 0.0, 5)),
    (q_fixed_point, (np.tanh, -1.0, 0.0)),
    (q_fixed_point, (np.tanh, 1.0, 0.0, 0.0)),
    (q_fixed_point, (np.tanh, 1.0, 0.0, math.nan)),
    (chi, (1.0, d_tanh, 0.0)),
    (chi, (-1.0, d_tanh, 1.0)),
    (chi_at_fixed_point, (*TANH, 1.0, math.nan)),
    (critical_sigma_w, (*TANH, -1.0)),
    (gradient_log_ratios, (1.0, *TANH, 1.0, 0.0, 0)),
    (gradient_log_ratios, (-1.0, *TANH, 1.0, 0.0, 5)),
]


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_wrong_arguments_are_one_plain_sentence(function, arguments):
    refused.in_one_plain_sentence(r"must be|must lie|is 0 or positive", function, *arguments)


@settings(max_examples=40, deadline=None)
@given(q=st.floats(max_value=0, exclude_max=True) | st.just(math.nan))
def test_no_negative_variance_is_accepted(q):
    with pytest.raises(ValueError, match="variance"):
        chi(q, d_tanh, 1.0)


def test_import_brings_in_neither_torch_nor_plotly():
    code = "import sys, vglib.theory; print({'torch', 'plotly', 'ipywidgets'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
