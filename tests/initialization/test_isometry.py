import math
from math import sqrt

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from tests import refused
from vglib.activations import ACTIVATIONS
from vglib.data import digits
from vglib.initialization.isometry import (
    gaussian_product_edge,
    gaussian_product_log_quantile,
    jacobian_spread,
    linear_learning,
    log_singular_values,
    racing_linear,
    singular_values,
    spectra,
)
from vglib.initialization.schemes import CRITICAL
from vglib.networks import mlp
from vglib.results import last

d_tanh, d_relu = ACTIVATIONS["tanh"].dphi, ACTIVATIONS["relu"].dphi


def test_jacobian_spread():
    assert [jacobian_spread(7, np.ones_like, 1.0, orthogonal=o) for o in (False, True)] == [
        pytest.approx(7),
        pytest.approx(0, abs=1e-12),
    ]
    assert jacobian_spread(7, d_relu, 1.0) == pytest.approx(14)
    assert jacobian_spread(7, d_relu, 3.0, orthogonal=True) == pytest.approx(7)
    assert jacobian_spread(7, d_tanh, 0.0, orthogonal=True) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("depth", [1, 3])
def test_spectrum_of_a_gaussian_product_by_simulation(depth):
    rng, n = np.random.default_rng(5), 400
    product = np.eye(n)
    for _ in range(depth):
        product = rng.standard_normal((n, n)) / math.sqrt(n) @ product
    s = np.linalg.svd(product, compute_uv=False)
    assert s[0] == pytest.approx(gaussian_product_edge(depth), rel=0.05)
    assert np.var(s**2) / np.mean(s**2) ** 2 == pytest.approx(
        jacobian_spread(depth, np.ones_like, 1.0), rel=0.15
    )


def test_gaussian_product_closed_forms():
    edges = [gaussian_product_edge(depth) for depth in (1, 2, 5, 10)]
    assert edges == pytest.approx([2, 2.598, 3.864, 5.341], abs=5e-4)
    assert gaussian_product_edge(10_000) == pytest.approx(math.sqrt(math.e * 10_000), rel=1e-3)
    assert gaussian_product_log_quantile([0.5, 1.0], 50) == pytest.approx(
        [-25 * math.log(2), 0], abs=1e-12
    )


def test_orthogonal_linear_nets_are_isometric_and_gaussian_ones_are_not():
    assert singular_values("identity", "orthogonal", 100, 50) == pytest.approx(1, abs=1e-10)
    for depth in (2, 10):
        square = singular_values("identity", "1/fan_in", depth, 200) ** 2
        assert square.var() / square.mean() ** 2 == pytest.approx(depth, rel=0.25)
        top = np.median([singular_values("identity", "1/fan_in", depth, 200, s)[0] for s in (0, 1)])
        assert top == pytest.approx(gaussian_product_edge(depth), rel=0.15)


@pytest.mark.parametrize(("init", "expected"), [("orthogonal", 10), ("1/fan_in", 20)])
def test_relu_spreads_the_spectrum(init, expected):
    spreads = []
    for seed in range(3):
        square = singular_values("relu", init, 10, 200, seed) ** 2
        spreads.append(square.var() / square.mean() ** 2)
    assert np.median(spreads) == pytest.approx(expected, rel=0.25)


def test_tanh_medians_at_the_published_critical_point():
    assert CRITICAL["tanh"] == (sqrt(1.05), sqrt(2.01e-5))
    one = last(spectra("tanh", 50))
    gaussian, orthogonal = one.medians[:, -1]
    assert np.log10(gaussian) == pytest.approx(-7.5, abs=0.6)
    assert 0.8 < orthogonal < 1.2
    assert one.mean_squares[0, -1] > 0.1


def test_the_jacobian_is_that_of_autograd():
    phi, (w, _) = ACTIVATIONS["relu"], CRITICAL["relu"]
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
    expected = np.exp(gaussian_product_log_quantile(shares, 100) / 100)
    assert np.exp(np.quantile(logs, shares) / 100) == pytest.approx(expected, abs=0.03)
    generator, product = torch.Generator().manual_seed(0), torch.eye(40, dtype=torch.float64)
    for _ in range(3):
        weight = torch.randn(40, 40, generator=generator, dtype=torch.float64)
        product = weight @ product / sqrt(40)
    # The sum is ln |det|, whichever way the values are found.
    expected = float(torch.linalg.svdvals(product).log().sum())
    assert log_singular_values(3, 40).sum() == pytest.approx(expected, rel=1e-9)


def test_a_spectrum_is_watched_and_its_layers_are_kept():
    seen = list(spectra("tanh", 12, seed=7, width=30))
    assert [one.singular.shape[1] for one in seen] == list(range(1, 13))
    assert seen[0].verdict.startswith("1 layer: ")
    alone = singular_values("tanh", "1/fan_in", 12, 30, seed=7)
    np.testing.assert_array_equal(seen[-1].singular[0, -1], alone)
    assert len(list(spectra("tanh", 9, seed=7, width=30))) == 1
    assert [one.singular.shape[1] for one in spectra("tanh", 14, seed=7, width=30)] == [12, 13, 14]
    assert last(spectra("tanh", 12, seed=7, width=30)).verdict == seen[-1].verdict


def test_an_orthogonal_start_does_not_mind_the_depth():
    shallow, deep = linear_learning(5), linear_learning(20)
    assert deep.steps_to_target[1] < 2 * shallow.steps_to_target[1]
    assert deep.steps_to_target[0] > 2 * deep.steps_to_target[1]
    # The 64 rows of the QR decomposition have the loss of all images.
    data = digits()
    network = mlp(5, 64, activation="identity", init="orthogonal", seed=0)
    with torch.no_grad():
        full = float(((network(data.x_train) - one_hot(data.y_train, 10)) ** 2).mean())
    assert shallow.losses[1, 0] == pytest.approx(full, rel=1e-10)


def test_linear_nets_descend_as_by_autograd():
    race = linear_learning(4, steps=6)
    data, rate = digits(), race.rates[0] / 4
    targets = one_hot(data.y_train, 10)
    network = mlp(4, 64, activation="identity", init="1/fan_in", seed=0)
    for expected in race.losses[0]:
        loss = ((network(data.x_train) - targets) ** 2).mean()
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-9)
        gradients = torch.autograd.grad(loss, list(network.weights))
        with torch.no_grad():
            for weight, gradient in zip(network.weights, gradients, strict=True):
                weight.sub_(rate * gradient)


def test_a_linear_race_is_watched_step_by_step():
    races = list(racing_linear(5))
    assert [race.taken for race in races] == list(range(len(races)))
    assert "more than 0 steps" in races[0].verdict
    assert races[-1].verdict == linear_learning(5).verdict
    np.testing.assert_array_equal(races[-1].losses, linear_learning(5).losses)
    assert races[3].losses.shape == races[-1].losses.shape
    assert np.isnan(races[3].losses[:, 4:]).all()


BAD = [
    (jacobian_spread, (0, d_tanh, 1.0)),
    (jacobian_spread, (3, d_tanh, -1.0)),
    (gaussian_product_edge, (0,)),
    (gaussian_product_log_quantile, (0.0, 5)),
    (gaussian_product_log_quantile, (0.5, 0)),
]


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_wrong_arguments_are_one_plain_sentence(function, arguments):
    refused.in_one_plain_sentence(r"must be|must lie|is 0 or positive", function, *arguments)
