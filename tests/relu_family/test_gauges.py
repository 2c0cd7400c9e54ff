from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import mlp
from vglib.relu_family.gauges import BATCH, gauges, slope, train_deep


@pytest.mark.parametrize(("scale", "chi"), [(3**-0.5, 1 / 6), (1, 0.5), (2**0.5, 1), (3**0.5, 1.5)])
def test_a_relu_layer_multiplies_the_square_by_half_the_weight_variance(scale, chi):
    factors = [
        np.exp(gauges(20, scale, "1/fan_in", width=200, seed=seed).log_factor) for seed in range(5)
    ]
    assert np.median(factors) == pytest.approx(chi, rel=0.04)
    assert gauges(20, scale, "1/fan_in").chi == pytest.approx(chi, rel=1e-10)


def inner_by_autograd(net, x, y):
    grads = torch.autograd.grad(cross_entropy(net(x), y), list(net.weights))
    return [float((w * g).sum().detach()) for w, g in zip(net.weights, grads, strict=True)]


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "gelu"])
def test_inner_products_are_autograds(activation, biases):
    g = gauges(6, biases=biases, activation=activation, width=30, seed=2)
    net = mlp(
        6, 30, activation=activation, init="torch", bias_scale=None if biases else 0.0, seed=2
    )
    data = digits()
    expected = inner_by_autograd(net, data.x_train[:BATCH], data.y_train[:BATCH])
    measured = g.sign * np.exp(g.log_inner)
    np.testing.assert_allclose(measured, expected[:6], rtol=1e-9)


def test_the_identity_holds_without_biases_for_homogeneous_functions_alone():
    for name in ("relu", "leaky_relu", "prelu"):
        assert gauges(20, activation=name).inner_unequal < 1e-10
    assert gauges(20, activation="tanh").inner_unequal > 0.01
    assert gauges(20, biases=True).inner_unequal > 100


def test_the_even_gauge_hides_seven_decades():
    for seed in range(5):
        g = gauges(20, seed=seed)
        assert abs(g.log_weight_ratio) < log(3)
        assert g.log_delta_ratio < -log(1e7)
        assert g.log_delta_ratio == pytest.approx(-19 / 2 * log(6), abs=1.3)


def test_the_inner_product_survives_where_float64_does_not():
    g = gauges(200, weight_scale=0.1, width=50)
    assert np.isfinite(g.log_inner).all()
    assert g.inner_unequal < 1e-6


def test_bias_free_training_needs_he():
    torch_scale = [train_deep("torch", False, 4, seed=s).test_accuracy[-1] for s in range(3)]
    he = [train_deep("he", False, 4, seed=s).test_accuracy[-1] for s in range(3)]
    assert max(torch_scale) < 0.2
    assert np.median(he) > 0.3


def test_a_layers_mean_factor_is_the_mean_of_all_factors():
    seen = gauges(20, init="1/fan_in", seed=3)
    factors, predicted = seen.factors
    assert exp(np.log(factors).mean()) == pytest.approx(exp(seen.log_factor), rel=1e-12)
    np.testing.assert_allclose(predicted, seen.chi, rtol=1e-12)
    assert np.isnan(slope(1).log_factor)
    assert seen.factor_from(1) == pytest.approx(exp(seen.log_factor), rel=1e-12)
    assert seen.factor_from(18) == pytest.approx(exp(np.log(factors[-2:]).mean()), rel=1e-12)


def test_the_slope_is_that_of_the_gauges():
    one, both = (
        slope(12, 1.4, "gelu", seed=2),
        gauges(12, 1.4, "1/fan_in", activation="gelu", seed=2),
    )
    np.testing.assert_array_equal(one.log_delta, both.log_delta)
    np.testing.assert_array_equal(one.theory_log_delta, both.theory_log_delta)
    assert one.chi == both.chi
