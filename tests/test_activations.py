"""The catalogue of activations against autograd, closed forms and torch."""

import numpy as np
import pytest
import torch
from packaging.version import Version
from scipy.special import expit
from scipy.stats import norm

from vglib import theory
from vglib.activations import ACTIVATIONS, Activation, get_activation

EVERY = pytest.mark.parametrize("phi", ACTIVATIONS.values(), ids=lambda a: a.name)
EXTREMES = [1e-300, 1e-20, 1.0, 20.0, 37.0, 50.0, 100.0, 300.0, 350.0, 700.0]


def sigmoid_slope(z: np.ndarray) -> np.ndarray:
    """e^-|z| / (1 + e^-|z|)^2: no difference of nearly equal numbers anywhere."""
    small = np.exp(-np.abs(z))
    return small / (1 + small) ** 2


def kinked_slope(slope: float):
    return lambda z: np.where(z > 0, 1.0, slope)


def mish_slope(z: np.ndarray) -> np.ndarray:
    """tanh(ln(1 + e^z)) = (w^2 + 2w) / (w^2 + 2w + 2), w = e^z; divided by w^2 where z > 0."""
    small = np.exp(-np.abs(z))
    positive = np.where(z > 0, 1.0, 0.0)
    numerator = np.where(z > 0, 1 + 2 * small, small * (small + 2))
    denominator = numerator + 2 * np.where(z > 0, small**2, 1.0)
    tanh, dtanh_dz = numerator / denominator, 4 * small * (1 + small) / denominator**2
    dtanh_dz = np.where(positive, 4 * small**2 * (1 + small) / denominator**2, dtanh_dz)
    return tanh + z * dtanh_dz


SELU_LAMBDA, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
CLOSED_SLOPES = {
    "identity": np.ones_like,
    "sigmoid": sigmoid_slope,
    "tanh": lambda z: 4 * sigmoid_slope(2 * z),
    "relu": kinked_slope(0.0),
    "leaky_relu": kinked_slope(0.01),
    "prelu": kinked_slope(0.25),
    "rrelu": kinked_slope((1 / 8 + 1 / 3) / 2),
    "elu": lambda z: np.exp(np.minimum(z, 0)),
    "softplus": expit,
    "selu": lambda z: SELU_LAMBDA * np.where(z > 0, 1, SELU_ALPHA * np.exp(np.minimum(z, 0))),
    "gelu": lambda z: norm.cdf(z) + z * norm.pdf(z),
    "silu": lambda z: expit(z) + z * sigmoid_slope(z),
    "mish": mish_slope,
    "hardswish": lambda z: np.select([z <= -3, z >= 3], [0.0, 1.0], (2 * z + 3) / 6),
}
# Before 2.8 torch counted these two to the parabola between them.
KINKS = {"hardswish": [-3.0, 3.0]} if Version(torch.__version__) >= Version("2.8") else {}


def grid() -> torch.Tensor:
    return torch.cat([torch.linspace(-15, 15, 1201, dtype=torch.float64), torch.zeros(1)])


@EVERY
def test_derivative_is_autograds_on_a_grid_with_the_kinks(phi: Activation) -> None:
    z = grid().requires_grad_()
    (expected,) = torch.autograd.grad(phi.function(z).sum(), z)
    assert 0.0 in z
    torch.testing.assert_close(phi.derivative(z.detach()), expected, rtol=1e-9, atol=1e-14)


def test_every_derivative_has_a_closed_form_here() -> None:
    assert set(CLOSED_SLOPES) == set(ACTIVATIONS)


@EVERY
def test_a_kink_has_torchs_slope(phi: Activation) -> None:
    z = torch.tensor([0.0, *KINKS.get(phi.name, [])], dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(phi.function(z).sum(), z)
    torch.testing.assert_close(phi.derivative(z.detach()), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", CLOSED_SLOPES)
def test_derivative_keeps_its_relative_accuracy_far_out(name: str) -> None:
    z = np.array([sign * size for size in EXTREMES for sign in (-1, 1)])
    expected = CLOSED_SLOPES[name](z)
    np.testing.assert_allclose(get_activation(name).dphi(z), expected, rtol=1e-12, atol=1e-307)
    if name == "sigmoid":
        assert (get_activation(name).dphi(z) > 0).all()


@EVERY
def test_function_and_derivative_are_finite_far_out(phi: Activation) -> None:
    z = np.array([sign * size for size in EXTREMES for sign in (-1, 1)])
    assert np.isfinite(phi.phi(z)).all()
    assert np.isfinite(phi.dphi(z)).all()


@EVERY
def test_max_slope_is_the_supremum(phi: Activation) -> None:
    steepest = float(phi.derivative(grid()).abs().max())
    assert phi.max_slope * (1 - 1e-3) <= steepest <= phi.max_slope * (1 + 1e-12)


@EVERY
def test_gain_is_what_torch_recommends(phi: Activation) -> None:
    name = "linear" if phi.name == "identity" else phi.name
    if name not in ("linear", "sigmoid", "tanh", "relu", "selu"):
        pytest.skip("torch recommends no gain, or only one that depends on a slope")
    assert phi.gain == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)


@EVERY
def test_gain_keeps_a_variance_of_1_where_torch_has_no_advice(phi: Activation) -> None:
    if phi.name in ("identity", "sigmoid", "tanh", "selu"):
        pytest.skip("torch's advice is another")
    mean_square = theory.gaussian_mean(lambda z: phi.phi(z) ** 2, 1.0, nodes=400)
    assert phi.gain**2 * mean_square == pytest.approx(1.0, rel=1e-6)
    if phi.name == "leaky_relu":
        assert phi.gain == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.01))


@EVERY
def test_records_are_complete(phi: Activation) -> None:
    assert ACTIVATIONS[phi.name] is phi
    assert get_activation(phi.name) is phi
    assert get_activation(phi) is phi
    assert phi.latex
    assert phi.latex_derivative
    assert "$" not in phi.latex + phi.latex_derivative


@EVERY
def test_numpy_wrappers_compute_in_float64_and_never_alias(phi: Activation) -> None:
    z = np.linspace(-2, 2, 12).reshape(3, 4)
    z.setflags(write=False)
    tensor = torch.tensor(z)
    for wrapper, function in ((phi.phi, phi.function), (phi.dphi, phi.derivative)):
        out = wrapper(z)
        assert out.dtype == np.float64
        assert not np.shares_memory(out, z)
        np.testing.assert_array_equal(out, function(tensor).numpy())
        np.testing.assert_allclose(wrapper(z[::-1]), out[::-1], rtol=1e-15)
        np.testing.assert_array_equal(wrapper([1, 2]), wrapper(np.array([1.0, 2.0])))
        assert wrapper(0.5).shape == ()


@EVERY
def test_float32_stays_float32(phi: Activation) -> None:
    z = torch.linspace(-3, 3, 7)
    assert phi.function(z).dtype == phi.derivative(z).dtype == torch.float32


def test_saturated_means_below_a_tenth_of_the_steepest() -> None:
    sigmoid = get_activation("sigmoid")
    # s' = 1/40 at |z| = ln(19 + 6 sqrt 10) = 3.637...
    edge = np.log(19 + 6 * np.sqrt(10))
    slopes = sigmoid.dphi(np.array([-edge - 1e-6, -edge + 1e-6, 0, edge - 1e-6, edge + 1e-6]))
    assert sigmoid.saturated(slopes).tolist() == [True, False, False, False, True]


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="swoosh") as error:
        get_activation("swoosh")
    assert all(name in str(error.value) for name in ACTIVATIONS)


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ACTIVATIONS["mine"] = get_activation("relu")  # type: ignore[index]
