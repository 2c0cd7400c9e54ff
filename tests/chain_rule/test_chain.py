import math

import numpy as np
import pytest
import torch

from tests import refused
from vglib.chain_rule.chain import (
    SIGMOID,
    log_slope,
    one_neuron_chain,
    random_chains,
    typical_factor,
    underflow_depth,
)

BAD = [
    (underflow_depth, (0.6, np.float32)),
    (underflow_depth, (0.0, np.float32)),
    (underflow_depth, (math.nan, np.float32)),
    (underflow_depth, (0.25, np.int64)),
]


def test_the_chains_product_is_autograds_derivative():
    chain = one_neuron_chain(0.8, -1.5, 2.0, 3.0, x=0.7)
    x = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    a = x
    for w in (0.8, -1.5, 2.0, 3.0):
        a = torch.sigmoid(w * a)
    a.backward()
    assert chain.product == pytest.approx(float(x.grad), rel=1e-12)


def test_random_chains_keep_their_first_layers_at_another_depth():
    deep, shallow = random_chains(20, seed=3), random_chains(5, seed=3)
    np.testing.assert_array_equal(deep.log_factors[:5], shallow.log_factors)


def test_a_chains_bound_is_broken_now_and_then():
    """0.25^4 is beaten by 2.3% of the chains of 4, and the geometric mean is near 0.1."""
    chains = random_chains(4, chains=400_000)
    above = chains.log_factors.sum(axis=0) > 4 * math.log(0.25)
    assert above.mean() == pytest.approx(0.023, abs=0.003)
    assert np.exp(chains.log_typical) == pytest.approx(0.0997, abs=0.003)


def test_the_typical_factor_is_that_of_the_draws():
    drawn = np.exp(random_chains(1, chains=400_000).log_typical)
    assert typical_factor() == pytest.approx(drawn, rel=0.01)
    assert typical_factor() == pytest.approx(0.1005, abs=5e-5)


def test_the_typical_factor_has_a_best_scale():
    typical = [random_chains(50, s).log_typical for s in (0.25, 1, 4, 16, 100)]
    assert int(np.argmax(typical)) == 2
    assert np.exp(max(typical)) == pytest.approx(0.191, abs=0.02)
    assert max(typical) < np.log(0.25)


def test_log_slope_does_not_underflow():
    assert log_slope(np.array([800.0]))[0] == pytest.approx(-800.0)
    z = np.linspace(-30, 30, 61)
    np.testing.assert_allclose(np.exp(log_slope(z)), SIGMOID.dphi(z), rtol=1e-12)


def test_underflow_depth():
    depths = [underflow_depth(0.25, kind) for kind in (np.float16, np.float32, np.float64)]
    assert depths == [13, 75, 538]
    # The smallest float above 0 is 2^-24, 2^-149, 2^-1074; half of it rounds to 0.
    halves = [underflow_depth(0.5, kind) for kind in (np.float16, np.float32, np.float64)]
    assert halves == [25, 150, 1075]
    product, n = 1.0, 0
    while product:
        product, n = product * 0.1, n + 1
    assert underflow_depth(0.1, float) == n


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_wrong_arguments_are_one_plain_sentence(function, arguments):
    refused.in_one_plain_sentence(r"must be|must lie", function, *arguments)
