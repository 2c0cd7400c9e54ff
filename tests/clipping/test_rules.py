import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.clipping.rules import (
    RULES,
    angle,
    by_norm,
    by_value,
    by_weights,
    cosine,
    first_gradient,
    scopes,
    sign_cosine,
)
from vglib.data import digits
from vglib.networks import mlp


@pytest.mark.parametrize("c", [0.1, 1.0, 200.0])
def test_the_rules_against_torch(c):
    g = np.array([0.9, 100.0, -3.0])
    parts = [torch.nn.Parameter(torch.zeros(3, dtype=torch.float64)) for _ in range(2)]
    for part in parts:
        part.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_(parts[:1], c)
    torch.nn.utils.clip_grad_value_(parts[1:], c)
    np.testing.assert_allclose(by_norm(g, c), parts[0].grad, rtol=1e-6)
    np.testing.assert_allclose(by_value(g, c), parts[1].grad, rtol=1e-12)


def test_direction_and_length_in_the_plane():
    found = angle(0.9, 100.0, 1.0)
    assert cosine(found.g, found.value) == pytest.approx(0.749, abs=5e-4)
    assert cosine(found.g, found.norm) == pytest.approx(1, abs=1e-12)
    assert np.linalg.norm(found.norm) == pytest.approx(1)
    assert found.verdict.startswith("turned")
    assert angle(30.0, 30.0, 1.0).verdict.startswith("shortened")
    assert angle(0.3, 0.4, 1.0).verdict.startswith("untouched")
    assert math.isnan(cosine(np.zeros(2), np.ones(2)))
    assert cosine(np.array([1e-200, 0]), np.array([1e200, 0])) == 1


def test_the_cosine_with_the_signs():
    assert sign_cosine(100_000) == pytest.approx(math.sqrt(2 / math.pi), abs=0.005)


def slowly(w, g, c):
    """Clip adaptively, one unit after the other, as the paper writes it."""
    clipped = g.copy()
    for i in range(len(w)):
        allowed = c * max(math.sqrt(sum(w[i] ** 2)), 1e-3)
        length = math.sqrt(sum(g[i] ** 2))
        if length > allowed:
            clipped[i] = g[i] / length * allowed
    return clipped


@pytest.mark.parametrize("c", [0.001, 0.01, 1.0])
def test_adaptive_clipping_against_a_plain_loop(c):
    w, g = np.random.default_rng(0).standard_normal((2, 6, 5)) * [[[1.0]], [[0.1]]]
    w[0], g[1] = 0, 0
    g[2] *= 1e4
    found = by_weights(w, g, c)
    np.testing.assert_allclose(found, slowly(w, g, c), rtol=1e-12)
    assert np.linalg.norm(found[0]) == pytest.approx(min(1e-3 * c, np.linalg.norm(g[0])))
    assert np.isfinite(by_weights(1e-200 * w, 1e200 * g, c)).all()
    np.testing.assert_allclose(
        np.linalg.norm(by_weights(w, 1e200 * g, c)[2]), c * np.linalg.norm(w[2]), rtol=1e-10
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_scope_against_plain_arithmetic(rule):
    weights, matrices = first_gradient(6, 2.0, "tanh", 0)
    parts = [matrix.ravel() for matrix in matrices]
    found = scopes(rule, 0.2, 6, 2.0, "tanh")
    whole = np.concatenate(parts)
    clipped = {
        "whole norm": lambda: by_norm(whole, 0.2),
        "each layer": lambda: np.concatenate([by_norm(p, 0.2) for p in parts]),
        "two groups": lambda: np.concatenate(
            [by_norm(np.concatenate(parts[:-1]), 0.2), by_norm(parts[-1], 0.2)]
        ),
        "each entry": lambda: by_value(whole, 0.2),
        "each unit, by its weights": lambda: np.concatenate(
            [slowly(w, g, 0.2).ravel() for w, g in zip(weights, matrices, strict=True)]
        ),
    }[rule]()
    assert math.exp(found.log_length[1]) == pytest.approx(np.linalg.norm(clipped), rel=1e-10)
    assert found.cosine == pytest.approx(cosine(whole, clipped), rel=1e-9)


def test_what_each_scope_keeps():
    whole, layer = scopes("whole norm", weight_scale=2.0), scopes("each layer", 1e-3)
    assert whole.cosine == pytest.approx(1)
    assert whole.log_ratio[0] == pytest.approx(whole.log_ratio[1])
    assert layer.log_ratio[1] == pytest.approx(0)
    assert layer.cosine < 0.999
    small = scopes("whole norm", 1.0, 20, 1.0, "sigmoid")
    assert small.verdict.startswith("untouched")
    assert small.log_ratio[1] < math.log(1e-10)


def test_far_from_one_nothing_overflows():
    for scale in (0.05, 20.0):
        for activation in ("relu", "sigmoid"):
            for rule in RULES:
                found = scopes(rule, 1.0, 100, scale, activation)
                assert np.isfinite(found.log_length).all()
                assert -1 <= found.cosine <= 1 + 1e-9


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_first_gradient_is_autograds(activation):
    init = "he" if activation == "relu" else "glorot"
    net = mlp(6, 50, activation=activation, init=init, weight_scale=1.5, seed=1)
    loss = F.cross_entropy(net(digits().x_train[:100]), digits().y_train[:100])
    by_w = torch.autograd.grad(loss, list(net.weights), retain_graph=True)
    by_b = torch.autograd.grad(loss, list(net.biases))
    weights, found = first_gradient(6, 1.5, activation, 1)
    for matrix, w, b in zip(weights, net.weights, net.biases, strict=True):
        np.testing.assert_array_equal(matrix, torch.cat([w, b[:, None]], 1).detach())
    for part, w, b in zip(found, by_w, by_b, strict=True):
        expected = torch.cat([w, b[:, None]], 1).numpy()
        np.testing.assert_allclose(part, expected, rtol=1e-8, atol=1e-14)
