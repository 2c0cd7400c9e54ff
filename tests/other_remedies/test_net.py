import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.networks import mlp
from vglib.other_remedies.descent import images
from vglib.other_remedies.net import BEND, build, largest_curvature
from vglib.probe import trace

X, Y = (part[:20] for part in images())


def torch_loss(net, x, y):
    """Return a function of theta that computes the net's loss in torch."""
    phi = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[net.activation]

    def loss(theta):
        h, start = torch.tensor(x), 0
        parts = []
        for shape in net.shapes:
            size = math.prod(shape)
            parts.append(theta[start : start + size].reshape(shape))
            start += size
        for i in range(0, len(parts), 2):
            z = h @ parts[i].T + parts[i + 1]
            h = phi(z)
        if net.loss == "squared error":
            return F.mse_loss(z, torch.tensor(y))
        return F.cross_entropy(z, torch.tensor(y))

    return loss


CASES = [(activation, loss) for activation in BEND for loss in ("cross-entropy", "squared error")]


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_gradient_and_curvature_are_autograds(activation, loss):
    net = build(2, 5, activation, "torch", 1.3, 3, loss)
    y = Y if loss == "cross-entropy" else np.random.default_rng(0).standard_normal((20, 10))
    theta = torch.tensor(net.theta, requires_grad=True)
    function = torch_loss(net, X, y)
    value = function(theta)
    (expected,) = torch.autograd.grad(value, theta)
    found, gradient = net.gradient(X, y)
    assert found == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-15)
    hessian = torch.autograd.functional.hessian(function, theta.detach()).numpy()
    v = np.random.default_rng(1).standard_normal(len(net.theta))
    np.testing.assert_allclose(net.curvature_along(X, y)(v), hessian @ v, rtol=1e-8, atol=1e-12)
    top = np.linalg.eigvalsh(hessian)[-1]
    assert largest_curvature(net, X, y, 30) == pytest.approx(top, rel=1e-3)


def test_deltas_are_the_probes():
    net = build(4, 20, "tanh", "torch", 1.0, 2)
    seen = trace(
        mlp(4, 20, activation="tanh", init="torch", seed=2),
        torch.tensor(X),
        torch.tensor(Y),
        F.cross_entropy,
    )
    found = [np.log(np.linalg.norm(d)) for d in net.deltas(X, Y)]
    np.testing.assert_allclose(found, seen.log_delta, rtol=1e-9)


def test_the_first_layers_gradient_is_proportional_to_its_input():
    net = build(2, 10, "relu", "he", 1.0, 0, "squared error")
    y = np.eye(10)[Y]
    deltas = net.deltas(X, y)
    _, gradient = net.gradient(X, y)
    np.testing.assert_allclose(net.split(gradient)[0][0], deltas[0].T @ X, rtol=1e-10, atol=1e-15)
