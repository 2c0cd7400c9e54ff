import numpy as np
import pytest
import torch

from vglib import theory
from vglib.activations import get_activation
from vglib.chain_rule import experiments as e
from vglib.chain_rule import labs

SIGMOID = get_activation("sigmoid")


def test_the_chains_product_is_autograds_derivative():
    chain = e.one_neuron_chain(0.8, -1.5, 2.0, 3.0, x=0.7)
    x = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    a = x
    for w in (0.8, -1.5, 2.0, 3.0):
        a = torch.sigmoid(w * a)
    a.backward()
    assert chain.product == pytest.approx(float(x.grad), rel=1e-12)


def test_random_chains_keep_their_first_layers_at_another_depth():
    deep, shallow = e.random_chains(20, seed=3), e.random_chains(5, seed=3)
    np.testing.assert_array_equal(deep.log_factors[:5], shallow.log_factors)


def test_a_chains_bound_is_broken_now_and_then():
    """0.25^4 is beaten by 2.3% of the chains of 4, and the geometric mean is near 0.1."""
    chains = e.random_chains(4, chains=400_000)
    assert chains.share_above_bound == pytest.approx(0.023, abs=0.003)
    assert np.exp(chains.log_typical) == pytest.approx(0.0997, abs=0.003)


def test_the_typical_factor_has_a_best_scale():
    typical = [e.random_chains(50, s).log_typical for s in (0.25, 1, 4, 16, 100)]
    assert int(np.argmax(typical)) == 2
    assert np.exp(max(typical)) == pytest.approx(0.191, abs=0.02)
    assert max(typical) < np.log(0.25)


def test_log_slope_does_not_underflow():
    assert e.log_slope(np.array([800.0]))[0] == pytest.approx(-800.0)
    z = np.linspace(-30, 30, 61)
    np.testing.assert_allclose(np.exp(e.log_slope(z)), SIGMOID.dphi(z), rtol=1e-12)


def test_the_window_is_the_formulas():
    for w in (4.5, 6.894, 12.0):
        assert e.explosion_window(w, 0.0).measured == pytest.approx(
            float(theory.nielsen_window(w)), abs=1e-3
        )
    assert e.explosion_window(3.9, 0.0).measured == 0


@pytest.mark.parametrize("throw", e.THROWN)
def test_a_sum_has_the_variance_that_the_rule_says(throw):
    sums = e.weighted_sums(100, 0.5, throw)
    assert sums.variances[-1] == pytest.approx(sums.predicted, rel=0.1)


def test_the_local_map_is_its_jacobian_for_a_small_circle():
    small, large = e.local_map(3, radius=1e-3), e.local_map(3, radius=3.0)
    assert small.error < 1e-2 < large.error
    assert e.local_map(5, radius=3.0, activation="identity").error < 1e-9


@pytest.mark.parametrize(("width", "tolerance"), [(30, 0.08), (100, 0.05), (300, 0.05)])
def test_the_width_ratio_is_chi(width, tolerance):
    measured = np.median([e.unscaled_ratio(width, seed=s, nets=3) for s in range(5)])
    chi = theory.unscaled_chi(width, SIGMOID.phi, SIGMOID.dphi)
    assert measured == pytest.approx(chi, rel=tolerance)


def test_wider_explodes_and_scaling_mends_it():
    ratios = [e.unscaled_ratio(n, nets=3) for n in (20, 60, 150, 400)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 1 < ratios[-1]
    assert e.unscaled_ratio(400, weight_scale=1 / 20, nets=3) < 0.2


def test_the_width_verdict_names_what_is_seen():
    lab = labs.width_lab()
    assert lab.set(width=20).verdict.startswith("vanishes")
    assert lab.set(width=300).verdict.startswith("explodes")
    assert lab.set(depth=1).verdict.startswith("too shallow")


def test_differences_have_their_best_step_in_between():
    errors = e.difference_errors()
    step, error = errors.best
    assert error < 1e-7
    assert errors.steps[0] < step < errors.steps[-1]
    assert errors.two_sided[0] > 100 * error
    assert errors.two_sided[-1] > 100 * error


def test_single_precision_is_worse():
    assert e.difference_errors(precision="float32").best[1] > 100 * e.difference_errors().best[1]


def test_a_gradient_costs_three_passes_or_one_for_each_weight():
    assert e.forward_passes(1000) == (3, 1001)
    count, backprop, differences = e.timed_gradients()
    assert count == 64 * 30 + 30 + 2 * (30 * 30 + 30) + 30 * 10 + 10
    assert differences > backprop
