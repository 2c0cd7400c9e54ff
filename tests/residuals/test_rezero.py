from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch

from tests.residuals.test_stack import a_batch
from vglib.residuals.blocks import build
from vglib.residuals.net import Net, training
from vglib.residuals.rezero import RATES, STARTS, Learnt, best_loss, loss_after
from vglib.results import last

LABELS = np.array([0, 1, 2, 0, 1, 2, 0])


def a_net(kind, activation="relu"):
    stack = build(kind, 4, 5, 1.0, 1.0, activation, 0)
    return Learnt.of(Net.start(stack, 0, n_in=4, n_out=3))


@pytest.mark.parametrize(
    ("kind", "activation"),
    [("pre-activation", "tanh"), ("pre-activation", "relu"), ("residual", "relu")],
)
@pytest.mark.parametrize("factors", [(0, 0, 0, 0), (0.3, -0.7, 0, 1.2)])
def test_the_gradients_are_autograds(kind, activation, factors):
    net = replace(a_net(kind, activation), factors=np.array(factors, dtype=float))
    x = a_batch(width=4)
    leaves = [torch.tensor(p, requires_grad=True) for p in net.parameters]
    weights, readout, stem, a = leaves
    phi, h = getattr(torch, activation), torch.tensor(x) @ stem.T
    for w, factor in zip(weights, a, strict=True):
        h = h + factor * (phi(h @ w.T) if kind == "residual" else phi(h) @ w.T)
    expected = torch.nn.functional.cross_entropy(h @ readout.T, torch.tensor(LABELS))
    loss, gradients = net.gradients(x, LABELS)
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for got, wanted in zip(gradients, torch.autograd.grad(expected, leaves), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_at_zero_the_weights_wait_for_the_factors():
    net = a_net("pre-activation")
    _, (weights, _, _, factors) = net.gradients(a_batch(width=4), LABELS)
    assert not weights.any()
    assert factors.all()
    x, before = a_batch(width=4), net.stack.weights.copy()
    last(training(net, (x, LABELS, x, LABELS), 0.1, 1, batch=7))
    assert np.array_equal(net.stack.weights, before)
    last(training(net, (x, LABELS, x, LABELS), 0.1, 1, batch=7))
    assert not np.array_equal(net.stack.weights, before)


def test_small_branches_train_and_full_ones_break():
    learnt, fixed, full = (loss_after(start, 0.01, 20, 80) for start in STARTS)
    assert full == inf
    assert max(learnt, fixed) < 0.5
    assert best_loss(STARTS[0], 4, 10) == min(loss_after(STARTS[0], lr, 4, 10) for lr in RATES)
    with pytest.raises(ValueError, match="no start called 'half'"):
        loss_after("half", 0.01)
