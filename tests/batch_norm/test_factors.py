from math import asin, pi, sqrt

import numpy as np
import pytest
import torch

from vglib.activations import ACTIVATIONS
from vglib.batch_norm.batches import generator
from vglib.batch_norm.factors import batch_factor, layer_factor, thrown_factor, wide_factor
from vglib.batch_norm.fresh_nets import factors


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
