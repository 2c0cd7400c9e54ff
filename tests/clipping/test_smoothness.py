import numpy as np
import pytest
import torch

from vglib.clipping import smoothness
from vglib.clipping.recurrent import BATCH, UNITS, adding, irnn


def test_the_quartics_curvature_is_that_of_autograd():
    x = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(x**4 / 4, x, create_graph=True)
    (curvature,) = torch.autograd.grad(g, x)
    assert smoothness.quartic_smoothness(g.item()) == pytest.approx(curvature.item(), rel=1e-12)


def test_the_steps_are_those_of_the_continuous_descent():
    # dx/dt = -x^3 takes (1/x^2 - 1/start^2)/2 of time; the first step goes to 9.7 - 0.01 9.7^3.
    slow = (100 - 1 / (9.7 - 0.01 * 9.7**3) ** 2) / 0.02
    assert smoothness.steps_to_the_middle(9.7, 0.01) == pytest.approx(slow, rel=0.01)
    assert smoothness.steps_to_the_middle(9.7, 0.5, 1.0) == pytest.approx(18 + 100, rel=0.1)
    assert smoothness.steps_to_the_middle(9.7, 0.1) == np.inf
    assert smoothness.steps_to_the_middle(9.7, 1e-4) == np.inf


def test_the_nets_smoothness_is_a_difference_of_gradients():
    """By autograd: the first step of the training that `net_smoothness` follows."""
    x, y = map(torch.tensor, adding(np.random.default_rng([3, 7]), BATCH, 10))
    parts = [torch.tensor(part, requires_grad=True) for part in irnn(UNITS, 3)]

    def gradient(w, u, b, v, c):
        h = torch.zeros(BATCH, UNITS, dtype=torch.float64)
        for x_t in x:
            h = torch.relu(h @ w.T + x_t @ u.T + b)
        return torch.autograd.grad(((h @ v + c - y) ** 2).mean(), (w, u, b, v, c))

    def norm(of):
        return float(sum((part**2).sum() for part in of) ** 0.5)

    before = gradient(*parts)
    step = 0.01 * min(1, 1 / norm(before))
    after = gradient(*(p - step * g for p, g in zip(parts, before, strict=True)))
    change = norm(a - b for a, b in zip(after, before, strict=True)) / (step * norm(before))
    norms, found = smoothness.net_smoothness(10, 3)
    assert norms[0] == pytest.approx(norm(before), rel=1e-9)
    assert found[0] == pytest.approx(change, rel=1e-6)


def test_powers():
    slopes = np.geomspace(0.1, 100, 20)
    assert smoothness.power(slopes, 7 * slopes**1.5) == pytest.approx(1.5)
    gradients, curvatures = smoothness.wall_smoothness(5.0, range(20, 41, 4))
    assert np.polyfit(gradients, curvatures, 1)[0] == pytest.approx(2, abs=0.05)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="start is 0"):
        smoothness.smooth(start=0)
