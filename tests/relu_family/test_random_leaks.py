import numpy as np
import pytest
import torch

from vglib.activations import get_activation
from vglib.relu_family.random_leaks import measured_penalty, noise_penalty


def test_the_penalty_of_random_leaks():
    rng = np.random.default_rng(0)
    w, z = rng.normal(size=(2, 40))
    expected = noise_penalty(w, z, 0.1, 0.7)
    assert measured_penalty(w, z, 0.1, 0.7) == pytest.approx(expected, rel=0.03)
    assert noise_penalty(w, np.abs(z), 0.1, 0.7) == 0
    assert noise_penalty(w, z, 0.3, 0.3) == 0


def test_torchs_rrelu_has_the_catalogues_mean_slope():
    z = torch.full((200_000,), -1.0, dtype=torch.float64)
    layer = torch.nn.RReLU()
    torch.manual_seed(0)
    assert -layer(z).mean() == pytest.approx(11 / 48, abs=1e-3)
    assert layer(z).var() == pytest.approx((5 / 24) ** 2 / 12, rel=0.02)
    assert layer.eval()(z[:1]) == get_activation("rrelu").function(z[:1])
