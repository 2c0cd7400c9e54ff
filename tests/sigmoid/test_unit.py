import numpy as np
import pytest
import torch

from vglib import theory
from vglib.activations import get_activation
from vglib.sigmoid.unit import (
    cross_entropy_delta,
    curves,
    output_neuron,
    quadratic_delta,
    steps_to_unlearn,
    time_to_unlearn,
    where_slope_is,
)


@pytest.mark.parametrize(("share", "z"), [(0.5, 1.76), (0.1, 3.64), (0.01, 5.99)])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_where_the_slope_has_fallen(name, share, z):
    point = where_slope_is(share, name)
    assert point == pytest.approx(z if name == "sigmoid" else z / 2, abs=0.006)
    assert curves(name, point).share == pytest.approx(share, rel=1e-12)
    assert curves(name, -point).share == pytest.approx(share, rel=1e-12)


def test_at_two_the_sigmoid_is_bending_and_tanh_is_saturated():
    assert curves("sigmoid", 2.0).share == pytest.approx(0.42, abs=0.001)
    assert curves("sigmoid", 2.0).verdict.startswith("bending")
    assert curves("tanh", 2.0).verdict.startswith("saturated")
    assert curves("sigmoid", 0.0).slope == 0.25


def test_the_mean_slope_of_tanh():
    slopes = theory.gaussian_mean(get_activation("tanh").dphi, [0.1, 1.0, 4.0])
    np.testing.assert_allclose(slopes, [0.916, 0.606, 0.365], atol=6e-4)


@pytest.mark.parametrize("z", [-5.0, 0.3, 5.99])
def test_output_deltas_against_autograd(z):
    for target in (0.0, 1.0):
        leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
        a = torch.sigmoid(leaf)
        squared = (a - target) ** 2 / 2
        entropy = -target * torch.log(a) - (1 - target) * torch.log(1 - a)
        for loss, formula in ((squared, quadratic_delta), (entropy, cross_entropy_delta)):
            (gradient,) = torch.autograd.grad(loss, leaf, retain_graph=True)
            assert formula(z, target) == pytest.approx(gradient.item(), rel=1e-10)


def test_nielsens_neuron():
    """His figures end at 0.20 with w = b = 2, lr 0.15, 300 epochs and the quadratic cost."""
    assert output_neuron(4.0, 0.15).outputs["squared error"][-1] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("z", [0.0, 2.0, 6.0])
def test_the_steps_of_unlearning_are_the_integral(z):
    lr = 0.01
    assert 2 * lr * steps_to_unlearn(z, lr) == pytest.approx(time_to_unlearn(z), rel=0.01)


def test_beyond_two_a_wrong_output_learns_and_beyond_six_hardly():
    steps = [steps_to_unlearn(z) / steps_to_unlearn(0.0) for z in (2.0, 6.0)]
    assert steps == pytest.approx([1.7, 21], rel=0.05)
