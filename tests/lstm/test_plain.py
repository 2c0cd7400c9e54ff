import math

import numpy as np
import pytest

from vglib.lstm.plain import jordan_norm, recurrence, recurrent_matrix, weight_gradient


@pytest.mark.parametrize("kind", ["Gaussian", "orthogonal", "Jordan block"])
@pytest.mark.parametrize("rho", [0.3, 1.0, 4.0])
def test_the_weight_scale_is_the_spectral_radius(kind, rho):
    w = recurrent_matrix(kind, rho, 1)
    assert np.abs(np.linalg.eigvals(w)).max() == pytest.approx(rho, rel=1e-6)


def test_linear_nets_follow_their_eigenvalues():
    """||W^100|| is within a small factor of rho^100, above for the worst direction."""
    for rho in (0.9, 1.1):
        results = [recurrence(rho, seed=seed) for seed in range(5)]
        worst = np.median([r.log_worst[0] for r in results])
        assert math.log(1) < worst - 100 * math.log(rho) < math.log(8)
        assert np.median([r.rate for r in results]) == pytest.approx(rho, rel=0.03)
    orthogonal = recurrence(1.0, 500, "orthogonal")
    np.testing.assert_allclose(orthogonal.log_typical, 0, atol=1e-9)


def test_the_product_is_a_power():
    result = recurrence(0.9, 30, "Gaussian", "linear", seed=2)
    w = recurrent_matrix("Gaussian", 0.9, 2)
    power = np.linalg.matrix_power(w, 30)
    expected = np.linalg.norm(power) / math.sqrt(len(w))
    assert math.exp(result.log_typical[0]) == pytest.approx(expected, rel=1e-10)
    assert math.exp(result.log_worst[0]) == pytest.approx(np.linalg.norm(power, 2), rel=1e-10)


def test_the_jordan_block_peaks_far_above_one_before_it_decays():
    block = recurrent_matrix("Jordan block", 0.9, 0)
    norms = [np.linalg.norm(np.linalg.matrix_power(block, t), 2) for t in range(0, 500)]
    peak = int(np.argmax(norms))
    assert (peak, norms[peak]) == (89, pytest.approx(2.8e5, rel=0.02))
    assert norms[-1] < 1e-3
    for t in (0, 1, 5, 50):
        expected = np.linalg.norm(np.linalg.matrix_power(block, t))
        assert jordan_norm(t) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [1.1, 1.4])
def test_a_tanh_net_above_one_still_vanishes(rho):
    rates = [recurrence(rho, 100, "Gaussian", "tanh", 0.5, seed).rate for seed in range(5)]
    assert 0.75 < np.median(rates) < 0.95


@pytest.mark.parametrize(("activation", "noise"), [("tanh", 0.5), ("tanh", 2.0), ("relu", 0.5)])
def test_mean_field_theory_gives_the_factor_a_step(activation, noise):
    results = [recurrence(1.2, 100, "Gaussian", activation, noise, s) for s in range(5)]
    predicted = np.median([math.exp(r.log_theory[0] / 100) for r in results])
    assert np.median([r.rate for r in results]) == pytest.approx(predicted, rel=0.05)


def test_overflow_in_time_is_carried():
    result = recurrence(20.0, 500, "Gaussian", "relu", 2.0)
    assert np.isfinite(result.log_typical).all()
    assert result.log_typical[0] > 1000
    assert result.verdict.startswith("explodes")


def test_the_weight_gradient_is_the_sum_of_its_terms_and_lives_on_the_recent_ones():
    parts = weight_gradient(50)
    assert parts.first < 1e-15 * parts.last
    assert np.linalg.norm(parts.norms[-10:]) > 0.999 * np.linalg.norm(parts.norms)
    assert len(parts.norms) == 50
