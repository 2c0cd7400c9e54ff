import numpy as np
import pytest
import torch

from vglib.other_remedies import labs
from vglib.other_remedies.rbm import (
    RBM,
    STEPS,
    bars_and_stripes,
    climb,
    contrast_errors,
    contrastive_divergence,
    exact_gradient,
    expected_contrast,
    learning,
    log_likelihood,
    probabilities,
    second_eigenvalue,
    shares,
    states,
)
from vglib.results import last


@pytest.fixture
def small():
    """An RBM of 4 visible and 3 hidden units, with biases."""
    generator = np.random.default_rng(5)
    return RBM(
        generator.normal(size=(3, 4)), generator.normal(size=4), 0.7 * generator.normal(size=3)
    )


@pytest.fixture
def data():
    return np.random.default_rng(6).integers(0, 2, (7, 4)).astype(float)


def energy(rbm: RBM, v: np.ndarray, h: np.ndarray) -> float:
    return float(-rbm.visible_bias @ v - rbm.hidden_bias @ h - h @ rbm.weight @ v)


def joint(rbm: RBM) -> np.ndarray:
    """P(v, h) over all 16 x 8 pairs, straight from the energy."""
    weights = np.exp([[-energy(rbm, v, h) for h in states(3)] for v in states(4)])
    return weights / weights.sum()


def test_states_are_all_there_once():
    found = states(3)
    assert found.shape == (8, 3)
    assert len(np.unique(found, axis=0)) == 8
    np.testing.assert_allclose(shares(found), 1 / 8)
    with pytest.raises(ValueError, match="at most 16"):
        states(17)


def test_free_energy_and_partition_by_enumeration(small):
    v, h = states(4), states(3)
    for one in v:
        summed = -np.log(sum(np.exp(-energy(small, one, other)) for other in h))
        np.testing.assert_allclose(small.free_energy(one[None])[0], summed, rtol=1e-12)
    total = sum(np.exp(-energy(small, a, b)) for a in v for b in h)
    log_partition = -log_likelihood(small, v) - small.free_energy(v).mean()
    np.testing.assert_allclose(log_partition, np.log(total), rtol=1e-12)


def test_conditionals_by_enumeration(small):
    p, v, h = joint(small), states(4), states(3)
    np.testing.assert_allclose(probabilities(small), p.sum(1), rtol=1e-12)
    np.testing.assert_allclose(small.hidden(v), (p @ h) / p.sum(1)[:, None], rtol=1e-12)
    np.testing.assert_allclose(small.visible(h), (p.T @ v) / p.sum(0)[:, None], rtol=1e-12)


def test_the_exact_gradient_is_autograds(small, data):
    W, a, b = (
        torch.tensor(p, requires_grad=True)
        for p in (small.weight, small.visible_bias, small.hidden_bias)
    )
    v, h = (torch.tensor(s.copy()) for s in (states(4), states(3)))
    rows = torch.tensor(data)

    def minus_energy(visible: torch.Tensor) -> torch.Tensor:
        return (visible @ a)[:, None] + (h @ b)[None, :] + visible @ W.T @ h.T

    likelihood = torch.logsumexp(minus_energy(rows), 1).mean() - torch.logsumexp(
        minus_energy(v).flatten(), 0
    )
    np.testing.assert_allclose(log_likelihood(small, data), likelihood.item(), rtol=1e-12)
    expected = torch.autograd.grad(likelihood, (W, a, b))
    for found, wanted in zip(exact_gradient(small, data), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-10)


def test_the_exact_gradient_is_the_difference_quotient(small, data):
    gradient = exact_gradient(small, data)
    parameters = (small.weight, small.visible_bias, small.hidden_bias)
    for g, parameter in zip(gradient, parameters, strict=True):
        for place in np.ndindex(parameter.shape):
            values, kept = [], parameter[place]
            for sign in (1, -1):
                parameter[place] = kept + sign * 1e-5
                values.append(log_likelihood(small, data))
            parameter[place] = kept
            assert abs((values[0] - values[1]) / 2e-5 - g[place]) < 1e-9


def test_the_mean_of_cd_is_what_its_draws_average_to(small, data):
    generator = np.random.default_rng(0)
    many = np.repeat(data, 20_000, axis=0)
    for k in (1, 3):
        drawn = contrastive_divergence(small, many, k, generator)
        for found, wanted in zip(drawn, expected_contrast(small, data, k), strict=True):
            np.testing.assert_allclose(found, wanted, atol=0.008)


def test_cd_is_biased_and_less_so_with_every_step(small, data):
    errors = contrast_errors(small, data, (1, 2, 5, 8, 10))
    assert errors[0] > 0.05
    assert (np.diff(errors) < 0).all()
    rate = (errors[-1] / errors[-2]) ** (1 / 2)
    assert rate == pytest.approx(second_eigenvalue(small), rel=0.01)


def test_the_second_eigenvalue_is_that_of_the_full_matrix(small):
    p = joint(small)
    step = (p / p.sum(1, keepdims=True)) @ (p / p.sum(0)).T
    values = np.sort(np.abs(np.linalg.eigvals(step)))
    assert values[-1] == pytest.approx(1)
    assert second_eigenvalue(small) == pytest.approx(values[-2], rel=1e-9)


def test_a_step_along_the_gradient_raises_the_likelihood(small, data):
    before = log_likelihood(small, data)
    for parameter, g in zip(small.parameters, exact_gradient(small, data), strict=True):
        parameter += 0.01 * g
    assert log_likelihood(small, data) > before


def test_k_must_be_positive(small, data):
    with pytest.raises(ValueError, match="at least 1"):
        contrastive_divergence(small, data, 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="choose one of"):
        last(learning(4))


def test_grey_pixels_are_kept_as_probabilities(small, data):
    generator = np.random.default_rng(0)
    many = np.repeat(data, 4000, axis=0)
    found = contrastive_divergence(small, many, 1, generator, sample_visible=False)
    wanted = expected_contrast(small, data, 1)
    # The mean of v' is the same whether v' is drawn or not.
    np.testing.assert_allclose(found[1], wanted[1], atol=0.01)


def test_bars_and_stripes():
    pictures = bars_and_stripes()
    assert pictures.shape == (14, 9)
    for picture in pictures.reshape(-1, 3, 3):
        rows = (picture == picture[:, :1]).all()
        columns = (picture == picture[:1]).all()
        assert rows or columns


def test_learning_bars_and_stripes():
    result = last(learning(1, 6))
    assert result.by_exact[-1] > result.by_exact[0] + 2
    assert result.by_contrast[-1] < result.by_exact[-1] < result.ceiling
    assert result.end_errors[0] > 20 * result.start_errors[0]
    assert result.likeliest.shape == (16, 9)
    assert 14 / 512 < result.mass < 1
    assert result.verdict.endswith(".")


def test_more_steps_of_sampling_follow_the_likelihood_more_closely():
    lab = labs.rbm_lab()
    gaps = [
        found.by_exact[-1] - found.by_contrast[-1]
        for found in (lab.set(k=k).result for k in (1, 3, 10))
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.01
    assert lab.preset("large weights: sampling stands still").result.eigenvalue > 0.95


def test_the_learning_is_watched():
    found = list(learning(2, 3, seed=11))
    first, final = found[0], found[-1]
    assert f"after {first.steps[first.known]} steps" in first.verdict
    assert "is at" in first.verdict
    assert first.known == STEPS // 8 // 10
    assert np.isnan(first.by_contrast[first.known + 1 :]).all()
    assert "at the end" in final.verdict
    assert final.done
    np.testing.assert_array_equal(final.by_contrast, last(climb(2, 3, 0.1, 11))[1])
    np.testing.assert_array_equal(final.by_exact, last(climb(0, 3, 0.1, 11))[1])
    # Known to its end, it comes in one piece.
    assert len(list(learning(2, 3, seed=11))) == 1
