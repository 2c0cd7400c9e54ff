from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from vglib.attention.parts import EPS, LayerNorm
from vglib.attention.transformer import (
    PLACES,
    Sublayer,
    backward,
    draw_attention,
    draw_mlp,
    forward,
)

WIDTH, HEADS, HIDDEN = 8, 2, 12


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def a_norm(seed):
    return LayerNorm(1 + 0.3 * numbers(WIDTH, seed=seed), np.zeros(WIDTH))


def a_stack(place, blocks=2, a=1.0, b=1.0):
    generator = np.random.default_rng(3)
    layers = []
    for index in range(blocks):
        attention = draw_attention(generator, WIDTH, heads=HEADS)
        mlp = draw_mlp(generator, WIDTH, HIDDEN)
        for number, branch in enumerate((attention, mlp)):
            layers.append(Sublayer(branch, a_norm(10 * index + number), place, a, b))
    return layers


@pytest.mark.parametrize("place", ["pre", "post"])
def test_blocks_are_torchs_encoder_layers(place):
    """Outputs and all gradients, those of the norms' gains too."""
    layers, x, g = a_stack(place), numbers(3, 5, WIDTH), numbers(3, 5, WIDTH, seed=1)
    modules = []
    for of_attention, of_mlp in zip(layers[::2], layers[1::2], strict=True):
        module = nn.TransformerEncoderLayer(
            *(WIDTH, HEADS, HIDDEN, 0.0),
            layer_norm_eps=EPS,
            batch_first=True,
            norm_first=place == "pre",
            bias=False,
            dtype=torch.float64,
        )
        attention, mlp = of_attention.branch, of_mlp.branch
        values = {
            "self_attn.in_proj_weight": np.vstack([attention.w_q, attention.w_k, attention.w_v]),
            "self_attn.out_proj.weight": attention.w_o,
            "linear1.weight": mlp.w_1,
            "linear2.weight": mlp.w_2,
            "norm1.weight": of_attention.norm.gain,
            "norm2.weight": of_mlp.norm.gain,
        }
        module.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
        modules.append(module)
    leaf = torch.tensor(x, requires_grad=True)
    out = nn.Sequential(*modules)(leaf)
    out.backward(torch.tensor(g))

    passed = forward(layers, x)
    deltas, gradients = backward(layers, passed, g)
    np.testing.assert_allclose(passed.streams[-1], out.detach(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(deltas[0], leaf.grad, rtol=0, atol=1e-10)
    for module, of_attention, of_mlp in zip(modules, gradients[::2], gradients[1::2], strict=True):
        got = {
            "self_attn.in_proj_weight": np.vstack([of_attention[f"w_{n}"] for n in "qkv"]),
            "self_attn.out_proj.weight": of_attention["w_o"],
            "linear1.weight": of_mlp["w_1"],
            "linear2.weight": of_mlp["w_2"],
            "norm1.weight": of_attention["gain"],
            "norm2.weight": of_mlp["gain"],
        }
        for name, parameter in module.named_parameters():
            np.testing.assert_allclose(got[name], parameter.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize("place", PLACES)
def test_the_shares_of_skip_and_branch_by_differences(place):
    layers, x, g = a_stack(place, a=0.7, b=0.4), numbers(1, 4, WIDTH), numbers(1, 4, WIDTH, seed=1)
    deltas, _ = backward(layers, forward(layers, x), g)
    along, step = numbers(1, 4, WIDTH, seed=2), 1e-6
    there, back = (forward(layers, x + s * along).streams[-1] for s in (step, -step))
    expected = ((there - back) * g).sum() / (2 * step)
    assert (deltas[0] * along).sum() == pytest.approx(expected, rel=1e-7)
    assert len(deltas) == len(layers) + 1


def test_the_draws_have_their_variances():
    generator = np.random.default_rng(0)
    attention = draw_attention(generator, 100, qk=2.0, v=0.5, o=3.0)
    sizes = [attention.w_q.std(), attention.w_k.std(), attention.w_v.std(), attention.w_o.std()]
    np.testing.assert_allclose(np.array(sizes) * 10, [2, 2, 0.5, 3], rtol=0.05)
    mlp = draw_mlp(generator, 100, 400, 0.5)
    assert mlp.w_1.std() == pytest.approx(0.5 * sqrt(2 / 100), rel=0.05)
    assert mlp.w_2.std() == pytest.approx(0.5 / 20, rel=0.05)


def test_an_unknown_place_is_told():
    with pytest.raises(ValueError, match="no place of a norm called 'after'; choose from none, pr"):
        Sublayer(draw_mlp(np.random.default_rng(0), 2, 2), LayerNorm.start(2), "after")
