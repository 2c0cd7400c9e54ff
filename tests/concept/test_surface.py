import numpy as np
import pytest
import torch

from vglib.concept.surface import (
    descent,
    largest_step,
    surface_data,
    surface_gradient,
    surface_loss,
)


def test_the_surfaces_gradient_is_autograds():
    x, target = map(torch.tensor, surface_data())
    for point in ((2.5, 2.5), (-1.0, 0.3), (0.0, 0.0)):
        w = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        loss = ((w[1] * torch.tanh(w[0] * x) - target) ** 2).mean()
        (expected,) = torch.autograd.grad(loss, w)
        np.testing.assert_allclose(surface_gradient(*point), expected, rtol=1e-12, atol=1e-15)
        assert surface_loss(*point) == pytest.approx(loss.item(), rel=1e-12)


def test_the_largest_step_is_two_over_the_steepest_curvature():
    x, target = map(torch.tensor, surface_data())

    def loss(w):
        return ((w[1] * torch.tanh(w[0] * x) - target) ** 2).mean()

    w = torch.tensor([1.0, 1.5], dtype=torch.float64)
    curvature = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, w)).max()
    assert largest_step() == pytest.approx(2 / curvature.item(), rel=1e-12)
    assert surface_loss(1.0, 1.5) == pytest.approx(0.0, abs=1e-30)


def test_near_a_minimum_the_largest_step_is_the_border():
    inside = descent(0.98 * largest_step(), 1.001, 1.5005)
    outside = descent(1.1 * largest_step(), 1.001, 1.5005)
    assert inside.losses[-1] < inside.losses[0]
    assert outside.losses[-1] > 100 * outside.losses[0]


@pytest.mark.parametrize(
    ("step", "start", "word"),
    [
        (0.9, (2.5, 2.5), "converges"),
        (0.1, (2.5, 2.5), "creeps"),
        (1.25, (2.5, 2.5), "zig-zags"),
        (1.5, (2.5, 2.5), "diverges"),
        (0.3, (3.5, -1.0), "creeps: after 60 steps the gradient is only"),
    ],
)
def test_a_descents_verdict(step, start, word):
    assert descent(step, *start).verdict.startswith(word)
