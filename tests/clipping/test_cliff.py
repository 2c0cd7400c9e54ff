import numpy as np
import pytest
import torch

from vglib.clipping.cliff import (
    cliff,
    unit,
    unit_surface,
    wall_curvature,
    wall_gradient,
)


@pytest.mark.parametrize(("w", "b", "steps"), [(5.0, -2.4, 10), (3.0, 0.2, 25), (6.0, -3.0, 30)])
def test_the_units_gradient_is_autograds(w, b, steps):
    point = torch.tensor([w, b], dtype=torch.float64, requires_grad=True)
    h = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(steps):
        h = torch.sigmoid(point[0] * h + point[1])
    loss = (h - 0.7) ** 2
    (expected,) = torch.autograd.grad(loss, point)
    found = unit(w, b, steps)
    assert found[0] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(found[1:], expected, rtol=1e-10)
    np.testing.assert_allclose(unit_surface(np.array([w]), np.array([b]), steps), found[0])


@pytest.mark.parametrize("w", [3.0, 3.9, 4.0, 4.1, 5.0, 6.0])
@pytest.mark.parametrize("steps", [1, 10, 30])
def test_the_wall_in_closed_form(w, steps):
    measured = np.log(np.linalg.norm(unit(w, -w / 2, steps)[1:]))
    assert measured == pytest.approx(wall_gradient(w, steps), rel=1e-8)


@pytest.mark.parametrize(("w", "steps"), [(5.0, 10), (5.0, 30), (4.5, 40)])
def test_the_walls_curvature_is_autograds(w, steps):
    def loss(point):
        h = torch.tensor(0.5, dtype=torch.float64)
        for _ in range(steps):
            h = torch.sigmoid(point[0] * h + point[1])
        return (h - 0.7) ** 2

    point = torch.tensor([w, -w / 2], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(point), point)
    along = gradient / gradient.norm()
    expected = along @ torch.autograd.functional.hessian(loss, point) @ along
    assert wall_curvature(w, steps) == pytest.approx(expected.log().item(), rel=1e-6)


def test_the_wall_is_on_one_line_and_only_above_four():
    def steepest(w):
        grid = np.linspace(-w / 2 - 0.3, -w / 2 + 0.3, 601)
        return float(grid[np.argmax([abs(unit(w, b, 30)[2]) for b in grid])]) + w / 2

    assert steepest(5.0) == pytest.approx(0, abs=0.01)
    assert wall_gradient(3.5, 100) < 1 < wall_gradient(4.5, 100)


def test_the_cliff_throws_and_clipping_holds():
    found = cliff()
    assert np.linalg.norm(np.diff(found.plain.points, axis=0), axis=1).max() > 3
    assert found.clipped.best < 0.01 < found.plain.best
    moves = np.linalg.norm(np.diff(found.clipped.points, axis=0), axis=1)
    assert moves.max() <= 0.3 * 0.5 * (1 + 1e-9)
    assert cliff(threshold=1000.0).verdict.startswith("clipping had nothing to do")
    assert cliff(w=3.7, b=-1.0).verdict.startswith("no cliff")
