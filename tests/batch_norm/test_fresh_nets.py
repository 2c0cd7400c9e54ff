from math import asin, log, pi, sqrt

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.activations import ACTIVATIONS
from vglib.batch_norm.fresh_nets import (
    batch_factor,
    comparing,
    exploding,
    factor_per_layer,
    factors,
    first_to_last,
    layer_factor,
    scaled_gradient,
    thrown_factor,
    wide_factor,
)
from vglib.batch_norm.layers import generator
from vglib.batch_norm.normed_net import standardise
from vglib.results import last


def test_the_factor_of_a_wide_net():
    assert wide_factor("relu") == pytest.approx(pi / (pi - 1), rel=1e-12)
    assert wide_factor("identity") == pytest.approx(1, rel=1e-12)
    assert wide_factor("relu", gamma=3.0) == pytest.approx(pi / (pi - 1), rel=1e-12)
    assert layer_factor("relu") == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_poincares_inequality(name):
    for gamma in (0.3, 1.0, 3.0):
        assert wide_factor(name, gamma) >= 1 - 1e-12


def test_the_factor_of_a_finite_batch():
    assert batch_factor("identity", 4) == 2
    assert batch_factor("identity", 16) == pytest.approx(14 / 13)
    assert batch_factor("relu", 10**7) == pytest.approx(pi / (pi - 1), rel=1e-6)
    assert np.isnan(batch_factor("relu", 3))
    assert batch_factor("tanh", 200) == pytest.approx(wide_factor("tanh"), rel=0.02)


@pytest.mark.parametrize("batch", [4, 8, 32])
def test_the_closed_form_against_dice(batch):
    assert batch_factor("relu", batch) == pytest.approx(thrown_factor("relu", batch), rel=0.015)


def test_two_samples_of_a_batch():
    """The chance that two are positive, and the mean product of their ReLUs."""
    batch, rho = 8, -1 / 7
    z = torch.randn(200_000, batch, dtype=torch.float64, generator=generator(1))
    z -= z.mean(1, keepdim=True)
    z /= sqrt(1 - 1 / batch)
    a, b = z[:, 0], z[:, 1]
    both = float(((a > 0) & (b > 0)).double().mean())
    assert both == pytest.approx(1 / 4 + asin(rho) / (2 * pi), abs=0.005)


@pytest.mark.parametrize(
    ("activation", "batch", "value", "rel"),
    [("relu", 8, 1.788, 0.05), ("relu", 64, 1.493, 0.02), ("identity", 16, 1.077, 0.03)],
)
def test_real_nets_follow(activation, batch, value, rel):
    found = np.median([factors(activation, batch, 150, 25, seed) for seed in range(5)])
    assert batch_factor(activation, batch) == pytest.approx(value, abs=1e-3)
    assert found == pytest.approx(value, rel=rel)


def test_the_scale_of_the_weights_drops_out():
    one, five = (last(exploding(128, weight_scale=scale)) for scale in (1.0, 5.0))
    assert five.normed.log_ratio == pytest.approx(one.normed.log_ratio, abs=0.02)
    assert five.normed.log_weight_grad[3] == pytest.approx(
        one.normed.log_weight_grad[3] - log(5), abs=0.02
    )
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((64, 50)))
    same, scaled = (F.batch_norm(c * z, None, None, training=True) for c in (1.0, 10.0))
    torch.testing.assert_close(same, scaled, atol=1e-3, rtol=0)
    for c, theirs in ((1.0, same), (10.0, scaled)):
        np.testing.assert_allclose(standardise(c * z.numpy(), "batch")[0], theirs, atol=1e-9)
    assert scaled_gradient(10.0) == pytest.approx(0.1, rel=1e-3)


def test_fifty_layers():
    ratio = np.median([first_to_last("batch", 50, 150, 128, seed) for seed in range(3)])
    assert ratio == pytest.approx(1.19e4, rel=0.35)
    assert first_to_last("none", 50, 150, 128, 0) < 10


def test_the_explosion_comes_first_and_its_company_after_it():
    seen = list(exploding(128, depth=10, activation="tanh"))
    assert seen[0].plain is None
    assert "without" not in seen[0].verdict
    assert np.isnan(seen[0].factors).all()
    whole = last(exploding(128, depth=10, activation="tanh"))
    assert seen[-1].verdict == whole.verdict
    assert np.isfinite(whole.factors).all()
    np.testing.assert_array_equal(seen[-1].factors, whole.factors)


def test_the_norms_over_the_units():
    relu, sigmoid = last(comparing("relu")), last(comparing("sigmoid"))
    for kind, low, high in (("layer", 0.9, 1.1), ("rms", 0.9, 1.1), ("batch", 1.4, 1.6)):
        assert low < factor_per_layer(relu.log_delta[kind]) < high
    for kind in ("layer", "rms", "group"):
        assert factor_per_layer(sigmoid.log_delta[kind]) == pytest.approx(
            layer_factor("sigmoid"), rel=0.15
        )
    assert factor_per_layer(sigmoid.log_delta["batch"]) > 1


def test_the_norms_come_one_after_the_other():
    seen = list(comparing("relu", depth=5))
    assert [len(one.log_delta) for one in seen] == [1, 2, 3, 4, 5, 6]
    assert "batch norm 1" not in seen[0].verdict
    assert seen[-1].verdict == last(comparing("relu", depth=5)).verdict
