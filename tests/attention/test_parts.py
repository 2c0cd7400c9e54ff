import numpy as np
import pytest
import torch
from torch import nn

from vglib.attention.parts import EPS, Attention, LayerNorm, Unit, softmax, softmax_back
from vglib.attention.transformer import draw_attention, draw_mlp

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def by_autograd(forward, arrays, g):
    """The output of a function of tensors, and the gradients by each of them."""
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    out = forward(*leaves)
    found = torch.autograd.grad(out, leaves, torch.tensor(g))
    return out.detach().numpy(), [gradient.numpy() for gradient in found]


def test_softmax_and_its_way_back():
    scores, g = 3 * numbers(2, 4, 5), numbers(2, 4, 5, seed=1)
    out, (expected,) = by_autograd(lambda s: s.softmax(-1), [scores], g)
    np.testing.assert_allclose(softmax(scores), out, **CLOSE)
    np.testing.assert_allclose(softmax_back(softmax(scores), g), expected, **CLOSE)
    np.testing.assert_array_equal(softmax(np.array([[1e308, -1e308]])), [[1, 0]])


def test_layer_norm_is_torchs():
    x, g, gain, shift = numbers(2, 3, 6), numbers(2, 3, 6, seed=1), numbers(6), numbers(6, seed=2)
    norm = LayerNorm(gain, shift)

    def by_torch(x, gain, shift):
        module = nn.LayerNorm(6, eps=EPS, dtype=torch.float64)
        return torch.func.functional_call(module, {"weight": gain, "bias": shift}, (x,))

    expected, (dx, dgain, dshift) = by_autograd(by_torch, [x, gain, shift], g)
    out, kept = norm.forward(x)
    np.testing.assert_allclose(out, expected, **CLOSE)
    below, by = norm.back(kept, g)
    for got, want in zip((below, by["gain"], by["shift"]), (dx, dgain, dshift), strict=True):
        np.testing.assert_allclose(got, want, **CLOSE)


def test_rms_norm_is_torchs():
    x, g = numbers(2, 3, 6), numbers(2, 3, 6, seed=1)
    expected, (dx,) = by_autograd(lambda x: nn.functional.rms_norm(x, (6,), eps=EPS), [x], g)
    unit = Unit.of(x, centred=False)
    np.testing.assert_allclose(unit.x, expected, **CLOSE)
    np.testing.assert_allclose(unit.back(g), dx, **CLOSE)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_torchs(heads):
    attention = draw_attention(np.random.default_rng(0), 8, heads=heads, qk=1.7)
    x, g = numbers(3, 5, 8), numbers(3, 5, 8, seed=1)
    module = nn.MultiheadAttention(8, heads, bias=False, batch_first=True, dtype=torch.float64)

    def by_torch(x, w_q, w_k, w_v, w_o):
        weights = {"in_proj_weight": torch.cat([w_q, w_k, w_v]), "out_proj.weight": w_o}
        return torch.func.functional_call(module, weights, (x, x, x))[0]

    names = ("w_q", "w_k", "w_v", "w_o")
    arrays = [x, *(getattr(attention, name) for name in names)]
    expected, (dx, *rest) = by_autograd(by_torch, arrays, g)
    out, kept = attention.forward(x)
    np.testing.assert_allclose(out, expected, **CLOSE)
    below, by = attention.back(kept, g)
    np.testing.assert_allclose(below, dx, **CLOSE)
    for name, want in zip(names, rest, strict=True):
        np.testing.assert_allclose(by[name], want, **CLOSE)


@pytest.mark.parametrize("heads", [1, 2])
def test_qk_norm_against_autograd(heads):
    attention = draw_attention(np.random.default_rng(0), 6, heads=heads, qk=5.0, qk_norm=True)
    x, g = numbers(2, 5, 6), numbers(2, 5, 6, seed=1)

    def by_torch(x, w_q, w_k):
        parts = [(x @ w.T).unflatten(-1, (heads, -1)).transpose(1, 2) for w in (w_q, w_k)]
        q, k = (nn.functional.rms_norm(part, part.shape[-1:], eps=EPS) for part in parts)
        v = (x @ torch.tensor(attention.w_v).T).unflatten(-1, (heads, -1)).transpose(1, 2)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return mixed.transpose(1, 2).flatten(2) @ torch.tensor(attention.w_o).T

    expected, (dx, by_q, by_k) = by_autograd(by_torch, [x, attention.w_q, attention.w_k], g)
    out, kept = attention.forward(x)
    np.testing.assert_allclose(out, expected, **CLOSE)
    below, by = attention.back(kept, g)
    for got, want in zip((below, by["w_q"], by["w_k"]), (dx, by_q, by_k), strict=True):
        np.testing.assert_allclose(got, want, **CLOSE)
    assert np.abs(kept.scores).max() <= np.sqrt(6 / heads)


def test_the_mlp_against_autograd():
    mlp = draw_mlp(np.random.default_rng(0), 4, 7)
    x, g = numbers(2, 5, 4), numbers(2, 5, 4, seed=1)
    expected, grads = by_autograd(lambda x, a, b: (x @ a.T).relu() @ b.T, [x, mlp.w_1, mlp.w_2], g)
    out, kept = mlp.forward(x)
    np.testing.assert_allclose(out, expected, **CLOSE)
    below, by = mlp.back(kept, g)
    for got, want in zip((below, by["w_1"], by["w_2"]), grads, strict=True):
        np.testing.assert_allclose(got, want, **CLOSE)


def test_equal_tokens_give_queries_and_keys_no_gradient():
    """The rows of dL/ds add up to 0, so what all keys share drops out; values alike as well."""
    attention = draw_attention(np.random.default_rng(0), 8)
    x = np.broadcast_to(numbers(1, 1, 8), (1, 5, 8))
    _, by = attention.back(attention.forward(x)[1], numbers(1, 5, 8, seed=1))
    assert np.abs(by["w_q"]).max() < 1e-15
    assert np.abs(by["w_k"]).max() < 1e-15
    assert np.abs(by["w_v"]).max() > 0.1


@pytest.mark.parametrize("heads", [0, 3, -1])
def test_heads_must_share_the_width_out(heads):
    with pytest.raises(ValueError, match=r"heads is .*; it must be a divisor of the width 8"):
        Attention(*numbers(4, 8, 8), heads=heads)
