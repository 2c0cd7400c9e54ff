import math

import numpy as np
import pytest

from vglib.lstm.paths import lstm_path
from vglib.lstm.prediction import lstm_factors, two_paths


def test_the_theory_is_exact_for_small_weights_and_for_silence():
    for bias in (0.0, 2.0, 5.0):
        small = lstm_path(bias, weight_scale=0.1)
        assert small.log_c[0] == pytest.approx(small.log_theory[0], abs=0.3)
    _, kappa = lstm_factors(3.0, 1.0, 5, inputs=0.0)
    # All gates at 1/2, no slope below 1, sigma_w = 1/sqrt 3; the first step starts from 0.
    np.testing.assert_allclose(kappa, [0, *[0.25 / math.sqrt(3)] * 4])


def test_two_paths_is_the_binomial_sum():
    f, kappa, steps = 0.7, 0.2, 15
    log_rms = two_paths(np.full(steps, f), np.full(steps, kappa))
    total = sum((math.comb(steps, k) * f ** (steps - k) * kappa**k) ** 2 for k in range(steps + 1))
    assert log_rms[0] == pytest.approx(0.5 * math.log(total), rel=1e-10)
    assert log_rms[-1] == 0
    np.testing.assert_allclose(two_paths(np.full(9, 0.5), np.zeros(9))[0], 9 * math.log(0.5))
    dead = two_paths(np.zeros(3), np.zeros(3))
    assert dead[0] == -np.inf
    assert dead[-1] == 0
