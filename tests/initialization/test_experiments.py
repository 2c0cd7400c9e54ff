from math import inf, log, sqrt

import numpy as np
import pytest
import torch

from vglib import theory
from vglib.initialization.experiments import (
    CRITICAL,
    PHI,
    SCHEMES,
    after_training,
    alternating_factors,
    c_map_steps,
    fluctuation,
    layer_factors,
    learning_speed,
    linear_learning,
    log_norms_of_real_nets,
    log_singular_values,
    one_neuron,
    overflow,
    overflow_layer,
    phase_point,
    phases,
    q_map_steps,
    singular_values,
    spectrum,
    through_depth,
    train_grid,
    trainability,
    variance_after,
)


@pytest.mark.parametrize("distribution", ["coin", "uniform", "normal"])
@pytest.mark.parametrize("fan_in", [1, 100])
def test_variance_of_a_neuron(distribution, fan_in):
    neuron = one_neuron(fan_in, 1.7, distribution)
    assert neuron.variance == pytest.approx(neuron.predicted, rel=0.1)
    assert neuron.variance != pytest.approx(neuron.predicted / 3, rel=0.1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_schemes_have_the_variance_that_they_say(scheme):
    weight = SCHEMES[scheme].draw(300, 500, torch.Generator().manual_seed(0))
    assert float(weight.var()) == pytest.approx(SCHEMES[scheme].variance(300, 500), rel=0.02)
    uniform = SCHEMES[scheme].distribution == "uniform"
    bound = sqrt(3 * SCHEMES[scheme].variance(300, 500))
    assert (float(weight.abs().max()) <= bound) == uniform


def test_factors_per_layer_through_depth():
    cases = {
        ("identity", "torch default"): 1 / 3,
        ("identity", "Glorot normal"): 1,
        ("relu", "He normal"): 1,
        ("relu", "He uniform"): 1,
        ("relu", "Glorot uniform"): 1 / 2,
        ("relu", "torch default"): 1 / 6,
    }
    for (forward, back), expected in zip(layer_factors(list(cases)), cases.values(), strict=True):
        assert forward == pytest.approx(expected, rel=0.08)
        assert back == pytest.approx(expected, rel=0.08)


def test_torch_biases_hide_the_loss_of_the_signal():
    with_biases, without = through_depth(), through_depth(biases=False)
    assert with_biases.forward_factor > 0.8
    assert without.forward_factor == pytest.approx(1 / 6, rel=0.1)
    assert with_biases.backward_factor == pytest.approx(1 / 6, rel=0.1)
    # What is left of the signal is the same for every image.
    assert with_biases.trace.spread[40] < 1e-10 * with_biases.trace.act_std[40]


@pytest.mark.parametrize("init", SCHEMES)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_theory_runs_through_the_measured_depth(activation, init):
    flow = through_depth(20, 1.0, activation, init, width=400)
    # Finite width lets ln z^2 of a ReLU net wander by sqrt(5 L / n) = 0.5.
    slack = 1.5
    assert flow.log_signal == pytest.approx(flow.theory_log_signal, abs=slack)
    assert flow.log_delta == pytest.approx(flow.theory_log_delta, abs=slack)


def test_glorot_between_unequal_widths():
    forward, back = alternating_factors(100, 400)
    assert forward == pytest.approx(0.64, rel=0.06)
    assert back == pytest.approx(0.64, rel=0.06)
    assert alternating_factors(200, 200)[0] == pytest.approx(1, rel=0.06)


def test_glorot_learns_faster_than_torch_default_with_tanh():
    speed = learning_speed("tanh", epochs=4, inits=("torch default", "Glorot uniform"))
    slow, fast = speed.epochs_to_target
    assert fast <= 4
    assert slow == inf
    assert "not within 4" in speed.verdict


def test_a_large_step_spoils_a_good_start():
    assert abs(after_training(1.0).change) > 2 * abs(after_training(0.01).change)


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
    tanh = PHI["tanh"]
    for sigma_w in (1.0, 2.0, 3.0):
        chi = theory.chi_at_fixed_point(tanh.phi, tanh.dphi, sigma_w, 0.3)
        assert c_map_steps("tanh", sigma_w, 0.3).slope == pytest.approx(chi, rel=1e-9)


def test_a_real_networks_slope_is_ln_chi():
    for square, predicted in ((1.0, -0.2757), (1.761, 0.0), (4.0, 0.2945)):
        points = [phase_point("tanh", sqrt(square), sqrt(0.05), seed=seed) for seed in range(3)]
        assert log(points[0].chi) == pytest.approx(predicted, abs=3e-4)
        assert np.mean([p.slope for p in points]) == pytest.approx(predicted, abs=0.03)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_the_plane_agrees_with_the_fixed_point_one_by_one(activation):
    plane, phi = phases(activation), PHI[activation]
    for row in (5, 20, 40):
        for column in (0, 17, 30, 55):
            w, b = float(plane.sigma_ws[column]), float(plane.sigma_bs[row])
            chi = theory.chi_at_fixed_point(phi.phi, phi.dphi, w, b)
            assert plane.log_chi[row, column] == pytest.approx(log(chi), abs=0.01)


def test_the_edge_is_the_critical_line():
    for activation in ("tanh", "sigmoid", "relu"):
        plane, phi = phases(activation), PHI[activation]
        for b in (0.3, 1.0, 1.8):
            w = float(np.interp(b, plane.line_b, plane.line_w))
            expected = theory.critical_sigma_w(phi.phi, phi.dphi, b)
            assert w == pytest.approx(expected, rel=1e-3)


def test_deep_nets_learn_near_the_edge():
    grid = trainability(steps=40)
    assert grid.accuracy.shape == (4, 9)
    assert abs(log(grid.best[-1] / grid.critical)) < 0.3
    deep = grid.accuracy[-1]
    assert deep.max() > 0.15 + max(deep[0], deep[-1])
    # A shallow net forgives.
    assert np.ptp(grid.accuracy[0]) < np.ptp(deep)
    assert np.nanargmax(grid.xi_c) == np.abs(grid.fine_w - grid.critical).argmin()


def test_nets_trained_side_by_side_do_not_touch_each_other():
    both = train_grid(3, np.array([1.0, 2.0]), 0.2, steps=10, width=16)
    alone = train_grid(3, np.array([2.0]), 0.2, steps=10, width=16)
    assert both[1] == pytest.approx(alone[0], abs=0.01)


def test_orthogonal_linear_nets_are_isometric_and_gaussian_ones_are_not():
    assert singular_values("identity", "orthogonal", 100, 50) == pytest.approx(1, abs=1e-10)
    for depth in (2, 10):
        square = singular_values("identity", "1/fan_in", depth, 200) ** 2
        assert square.var() / square.mean() ** 2 == pytest.approx(depth, rel=0.25)
        top = np.median([singular_values("identity", "1/fan_in", depth, 200, s)[0] for s in (0, 1)])
        assert top == pytest.approx(theory.gaussian_product_edge(depth), rel=0.15)


@pytest.mark.parametrize(("init", "expected"), [("orthogonal", 10), ("1/fan_in", 20)])
def test_relu_spreads_the_spectrum(init, expected):
    spreads = []
    for seed in range(3):
        square = singular_values("relu", init, 10, 200, seed) ** 2
        spreads.append(square.var() / square.mean() ** 2)
    assert np.median(spreads) == pytest.approx(expected, rel=0.25)


def test_tanh_medians_at_the_published_critical_point():
    assert CRITICAL["tanh"] == (sqrt(1.05), sqrt(2.01e-5))
    one = spectrum("tanh", 50)
    gaussian, orthogonal = one.medians[:, -1]
    assert np.log10(gaussian) == pytest.approx(-7.5, abs=0.6)
    assert 0.8 < orthogonal < 1.2
    assert one.mean_squares[0, -1] > 0.1


def test_the_jacobian_is_that_of_autograd():
    phi, (w, _) = PHI["relu"], CRITICAL["relu"]
    expected = singular_values("relu", "1/fan_in", 3, 20)
    generator = torch.Generator().manual_seed(0)
    weights = []
    for _ in range(3):
        weights.append(w * torch.randn(20, 20, generator=generator, dtype=torch.float64))
        weights[-1] /= sqrt(20)
        torch.randn(20, generator=generator, dtype=torch.float64)
    start = torch.Generator().manual_seed(31_337)
    z0 = torch.randn(20, generator=start, dtype=torch.float64)

    def net(z):
        for weight in weights:
            z = weight @ phi.function(z)
        return z

    autograd = torch.linalg.svdvals(torch.autograd.functional.jacobian(net, z0)).numpy()
    assert expected[:8] == pytest.approx(autograd[:8], rel=1e-9)


def test_lyapunov_quantiles():
    logs = log_singular_values(100, 100)
    shares = np.array([0.1, 0.25, 0.5, 0.75])
    expected = np.exp(theory.gaussian_product_log_quantile(shares, 100) / 100)
    assert np.exp(np.quantile(logs, shares) / 100) == pytest.approx(expected, abs=0.03)
    generator, product = torch.Generator().manual_seed(0), torch.eye(40, dtype=torch.float64)
    for _ in range(3):
        weight = torch.randn(40, 40, generator=generator, dtype=torch.float64)
        product = weight @ product / sqrt(40)
    # The sum is ln |det|, whichever way the values are found.
    expected = float(torch.linalg.svdvals(product).log().sum())
    assert log_singular_values(3, 40).sum() == pytest.approx(expected, rel=1e-9)


def test_an_orthogonal_start_does_not_mind_the_depth():
    shallow, deep = linear_learning(5), linear_learning(20)
    assert deep.steps_to_target[1] < 2 * shallow.steps_to_target[1]
    assert deep.steps_to_target[0] > 2 * deep.steps_to_target[1]
    # The 64 rows of the QR decomposition have the loss of all images.
    from torch.nn.functional import one_hot

    from vglib.initialization.experiments import _digits
    from vglib.networks import mlp

    data = _digits()
    network = mlp(5, 64, activation="identity", init="orthogonal", seed=0)
    with torch.no_grad():
        full = float(((network(data.x_train) - one_hot(data.y_train, 10)) ** 2).mean())
    assert shallow.losses[1, 0] == pytest.approx(full, rel=1e-10)


@pytest.mark.parametrize(("activation", "constant"), [("relu", 5), ("identity", 2)])
def test_finite_width(activation, constant):
    depth, width = 10, 100
    predicted = constant * depth / width
    with_matrices = [
        np.var(log_norms_of_real_nets(activation, depth, width, seed, 200)) for seed in range(3)
    ]
    assert np.median(with_matrices) == pytest.approx(predicted, rel=0.25)
    one = fluctuation(activation, depth, width)
    assert one.predicted == pytest.approx(predicted, rel=1e-10)
    assert one.variance == pytest.approx(predicted, rel=0.2)
    assert np.median(one.log_norms) < 0


@pytest.mark.parametrize("scale", [2.0, 4.0, 20.0])
def test_overflow_comes_where_theory_says(scale):
    seen = overflow(scale)
    for name, predicted in seen.predicted.items():
        assert seen.inf_layer[name] == pytest.approx(predicted, abs=2 + 0.02 * predicted)
        assert 0 <= seen.nan_layer[name] - seen.inf_layer[name] <= 4
    assert abs(seen.inf_layer["bfloat16"] - seen.inf_layer["float32"]) <= 3
    assert seen.inf_layer["float16"] < seen.inf_layer["float32"] / 3


def test_one_format_alone_sees_the_same_net():
    every, one = overflow(4.0, seed=3), overflow(4.0, seed=3, formats=["bfloat16"])
    assert list(one.inf_layer) == ["bfloat16"]
    np.testing.assert_array_equal(one.log10_largest["bfloat16"], every.log10_largest["bfloat16"])
    assert one.nan_layer["bfloat16"] == every.nan_layer["bfloat16"]
    assert "bfloat16 at layer" in one.verdict
    assert "float64" not in one.verdict


def test_the_predicted_layer_grows_with_the_format():
    assert overflow_layer(65504.0, 4.0, 128) == 7
    assert overflow_layer(1e308, 4.0, 128) > overflow_layer(3e38, 4.0, 128) > 7


def test_selu_keeps_one_with_gain_one_alone():
    assert variance_after("selu", 1.0, 50) == pytest.approx(1, abs=0.15)
    assert variance_after("selu", 0.75, 50) < 0.1
