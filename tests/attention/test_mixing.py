from math import exp, log

import numpy as np
import pytest
import torch

from vglib.attention.mixing import STREAMS, matrices, mixing, sinkhorn


def product(drawn):
    """The product of all matrices, the last on the left, without any scaling."""
    found = np.eye(STREAMS)
    for matrix in drawn:
        found = matrix @ found
    return found


def test_the_gains_are_the_largest_sums_of_the_product():
    seen, drawn = mixing(40, 0.3, seed=2), matrices(40, 0.3, seed=2)
    for layers in (1, 7, 40):
        size = np.abs(product(drawn[:layers]))
        assert seen.log_rows[layers - 1] == pytest.approx(log(size.sum(1).max()), rel=1e-10)
        assert seen.log_columns[layers - 1] == pytest.approx(log(size.sum(0).max()), rel=1e-10)


def test_the_gradient_goes_back_through_the_transposed_product():
    drawn = matrices(30, seed=1)
    generator = torch.Generator().manual_seed(0)
    first, last = torch.randn(2, STREAMS, 5, generator=generator, dtype=torch.float64)
    streams = first.requires_grad_()
    for matrix in torch.from_numpy(drawn):
        streams = matrix @ streams
    (found,) = torch.autograd.grad(streams, first, last)
    np.testing.assert_allclose(found.numpy(), product(drawn).T @ last.numpy(), rtol=1e-10)


def test_sixty_free_matrices_reach_thousands():
    gains = [exp(mixing(seed=seed).log_gain) for seed in range(20)]
    assert np.median(gains) == pytest.approx(2420, rel=0.01)
    assert min(gains) == pytest.approx(107, rel=0.01)
    assert max(gains) == pytest.approx(7.36e4, rel=0.01)


def test_the_mean_square_of_free_matrices_is_exact():
    """E ||M v||^2 = (1 + 4 spread^2) ||v||^2, over many draws of one matrix."""
    drawn = matrices(1000, seed=0) - np.eye(STREAMS)
    v = np.random.default_rng(0).standard_normal(STREAMS)
    mean = np.mean([((v + d @ v) ** 2).sum() for d in drawn]) / (v @ v)
    assert mean == pytest.approx(exp(2 * mixing(1).log_theory[0]), rel=0.05)
    assert mixing(9).log_theory[-1] == pytest.approx(9 * log(1.36) / 2)
    assert np.isnan(mixing(9, 0.5).log_theory).all()


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_doubly_stochastic_products_have_sums_of_one(spread):
    seen = mixing(200, 1.0, spread)
    np.testing.assert_allclose(seen.log_rows, seen.log_theory, atol=1e-5)
    np.testing.assert_allclose(seen.log_columns, 0, atol=1e-5)


def test_what_sinkhorn_leaves_has_the_sums_of_a_doubly_stochastic_matrix():
    positive = np.exp(np.random.default_rng(0).standard_normal((50, 6, 6)))
    found = sinkhorn(positive, 200)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.sum(-2), 1, rtol=1e-10)
    once = sinkhorn(positive, 1)
    np.testing.assert_allclose(once.sum(-1), 1, rtol=1e-12)
    assert abs(once.sum(-2) - 1).max() > 0.01


@pytest.mark.parametrize("diagonal", [1.0, 8.0])
def test_differences_shrink_by_the_second_eigenvalue(diagonal):
    seen = mixing(1000, 1.0, 0.0, diagonal)
    one = log((exp(diagonal) - 1) / (exp(diagonal) + 3))
    np.testing.assert_allclose(seen.log_differences, one * np.arange(1, 1001), rtol=1e-9)


def test_differences_that_never_grow_need_the_dial():
    assert mixing(60).log_differences[-1] > 0 > mixing(60, 1.0).log_differences[-1]


def test_the_deepest_product_leaves_no_number_type():
    seen = mixing(1000, 0.0, 30.0)
    assert np.isfinite([*seen.log_rows, *seen.log_differences]).all()
    assert seen.log_gain > 710
    assert "10^" in seen.verdict


def test_the_verdict_counts():
    assert mixing(1).verdict.startswith("over 1 layer, dial at 0.00: the signal grows up to ")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"depth": 0}, "from 1 to 1000"),
        ({"dial": 1.5}, "from 0, free, to 1"),
        ({"spread": -1.0}, "0 or a positive"),
        ({"diagonal": 30.0}, "from 0 to 20"),
        ({"rounds": 0}, "from 1 on"),
    ],
)
def test_what_cannot_be_is_refused(values, says):
    with pytest.raises(ValueError, match=says):
        mixing(**values)
