from math import log, sqrt

import numpy as np
import pytest
import torch
from torch import nn

from tests import refused
from vglib import theory
from vglib.activations import ACTIVATIONS
from vglib.initialization import convolution
from vglib.initialization.convolution import (
    CHANNELS,
    PADDINGS,
    SIDE,
    STARTS,
    border_log_ratios,
    convolve,
    convolve_back,
    delta_orthogonal,
    going_back,
    kept_by_the_border,
    through_convolutions,
)
from vglib.initialization.schemes import CRITICAL


def draw(start, seed=0):
    return STARTS[start](torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_and_its_gradient_are_torchs(padding, kernel):
    layer = nn.Conv2d(3, 4, kernel, padding="same", padding_mode=padding, bias=False).double()
    h = torch.randn(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    delta = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    z = layer(h)
    weight = layer.weight.detach()
    torch.testing.assert_close(
        convolve(h.detach(), weight, padding), z.detach(), rtol=1e-12, atol=0
    )
    (expected,) = torch.autograd.grad(z, h, delta)
    torch.testing.assert_close(
        convolve_back(delta, weight, padding), expected, rtol=1e-11, atol=1e-13
    )


def test_the_starts_are_what_they_are_called():
    rows = draw("row-orthogonal").flatten(1)
    eye = torch.eye(CHANNELS, dtype=torch.float64)
    torch.testing.assert_close(rows @ rows.T, eye)
    middle = draw("delta-orthogonal")
    tap = middle[:, :, 1, 1]
    torch.testing.assert_close(tap.T @ tap, eye)
    assert float((middle**2).sum()) == pytest.approx(CHANNELS)
    # All keep the mean square: the weights of an output have a squared sum of 1 on the average.
    gaussian = torch.stack([draw("Gaussian", seed) for seed in range(20)])
    assert float((gaussian**2).sum()) / 20 == pytest.approx(CHANNELS, rel=0.02)


@pytest.mark.parametrize("padding", PADDINGS)
def test_delta_orthogonal_convolutions_keep_lengths_and_angles(padding):
    flow = through_convolutions("identity", padding, 30, 1.0, 3)
    assert flow.log_delta[2] == pytest.approx(0, abs=1e-12)
    assert flow.alignment[2] == pytest.approx(1, abs=1e-10)
    assert min(flow.alignment[:2]) > 8


def test_the_border_takes_its_part_of_what_has_all_taps_alike():
    flow = through_convolutions("identity", "zeros", 60, 1.0, 1)
    assert flow.factors[:2] == pytest.approx([kept_by_the_border(SIDE)] * 2, abs=0.02)
    assert flow.factors[2] == pytest.approx(1)
    around = through_convolutions("identity", "circular", 60, 1.0, 1)
    assert around.factors == pytest.approx([1, 1, 1], abs=0.04)


@pytest.mark.parametrize("side", [1, 2, 6])
def test_what_the_border_keeps_is_an_eigenvalue(side):
    pixels = [(i, j) for i in range(side) for j in range(side)]
    near = np.array([[max(abs(i - k), abs(j - m)) <= 1 for k, m in pixels] for i, j in pixels]) / 9
    assert kept_by_the_border(side) == pytest.approx(np.linalg.eigvalsh(near)[-1], rel=1e-12)


def test_the_borders_theory_ends_in_its_factor_and_follows_real_nets():
    linear = border_log_ratios(ACTIVATIONS["identity"], 1.0, 1.0, 0.0, 80)
    assert 2 * (linear[0] - linear[1]) == pytest.approx(log(kept_by_the_border(SIDE)), rel=1e-9)
    assert linear[-1] == 0
    seen = [through_convolutions("tanh", "zeros", 60, 1.0, seed) for seed in range(5)]
    mean = np.mean([one.log_delta[:2, 0] for one in seen])
    assert mean == pytest.approx(seen[0].theory_log_delta[0, 0], abs=0.25)
    assert seen[0].theory_log_delta[0, 0] < -2


@pytest.mark.parametrize("name", list(CRITICAL))
def test_where_the_border_is_far_theory_is_that_of_dense_layers(name, monkeypatch):
    phi, (w, b) = ACTIVATIONS[name], CRITICAL[name]
    expected = theory.gradient_log_ratios(0.5, phi.phi, phi.dphi, 0.7 * w, b, 5)
    monkeypatch.setattr(convolution, "SIDE", 60)
    assert border_log_ratios(phi, 0.5, 0.7 * w, b, 5) == pytest.approx(expected, abs=0.05)
    assert expected[0] < -1


def test_a_gradient_that_autograd_finds():
    """Two layers by hand: dL/dz_1 of a linear functional of z_2."""
    phi, (w, b) = ACTIVATIONS["tanh"], CRITICAL["tanh"]
    q = theory.q_fixed_point(phi.phi, w, b)
    steps = list(convolution._back(phi, STARTS["Gaussian"], "zeros", 2, (w, b), q, 5, 2))
    (kernel,) = [w * STARTS["Gaussian"](convolution.stream(5, 1))]
    z = sqrt(q) * convolution.normal_inputs(1, CHANNELS, SIDE, SIDE, seed=5)
    z = z.repeat(2, 1, 1, 1).requires_grad_()
    out = nn.functional.conv2d(torch.tanh(z), kernel, padding=1)
    (expected,) = torch.autograd.grad(out, z, steps[0])
    torch.testing.assert_close(steps[1], expected, rtol=1e-10, atol=1e-13)


def test_one_start_after_another_and_the_last_is_kept():
    seen = list(going_back("tanh", "circular", 10, 1.0, 77))
    assert [int(np.isfinite(one.log_delta[:, 0]).sum()) for one in seen] == [1, 2, 3]
    assert len(list(going_back("tanh", "circular", 10, 1.0, 77))) == 1
    assert "9 convolutions" in seen[0].verdict
    assert "no convolution" in through_convolutions("tanh", "circular", 1, 1.0, 0).verdict


BAD = [
    (delta_orthogonal, (torch.eye(2), 2)),
    (delta_orthogonal, (torch.eye(2), 0)),
    (kept_by_the_border, (0,)),
]


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_wrong_arguments_are_one_plain_sentence(function, arguments):
    refused.in_one_plain_sentence("must be", function, *arguments)


def test_an_unknown_padding_is_one_plain_sentence():
    h = torch.zeros(1, 1, 3, 3)
    refused.in_one_plain_sentence("choose from", convolve, h, h, "mirror")
