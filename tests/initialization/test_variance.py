from math import sqrt

import pytest
import torch

from vglib.initialization.schemes import SCHEMES
from vglib.initialization.variance import (
    DEEP,
    alternating_factors,
    going_deep,
    layer_factors,
    one_neuron,
    through_depth,
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


def test_a_deep_net_is_traced_on_a_few_images_first():
    few, whole = going_deep(DEEP + 1, init="He normal", width=20)
    assert few.log_signal == pytest.approx(whole.log_signal, abs=1)
    assert few.log_delta != pytest.approx(whole.log_delta, rel=1e-6)
    assert whole.verdict == through_depth(DEEP + 1, init="He normal", width=20).verdict
    assert len(list(going_deep(DEEP, width=20))) == 1
