from dataclasses import replace
from math import isnan

import numpy as np
import pytest
import torch

from tests.residuals.test_stack import a_batch
from vglib.residuals.blocks import build
from vglib.residuals.net import Net, training
from vglib.residuals.stack import Stack, draw_weights
from vglib.results import last


@pytest.mark.parametrize("heads", [False, True])
def test_the_gradients_of_training(heads):
    net = Net.start(Stack(draw_weights(3, 5, 1.0, 0), "tanh"), 0, n_in=4, n_out=3, heads=heads)
    x, y = a_batch(width=4), np.array([0, 1, 2, 0, 1, 2, 0])
    leaves = [torch.tensor(p, requires_grad=True) for p in net.parameters]
    weights, readout, stem, *others = leaves
    h = torch.tensor(x) @ stem.T
    losses, last = [], len(weights) - 1
    for index, w in enumerate(weights):
        h = h + torch.tanh(h @ w.T)
        if heads or index == last:
            out = h @ (readout if index == last else others[index]).T
            losses.append(torch.nn.functional.cross_entropy(out, torch.tensor(y)))
    loss, gradients = net.gradients(x, y)
    assert loss == pytest.approx(losses[-1].item())
    for got, expected in zip(gradients, torch.autograd.grad(sum(losses), leaves), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_step_is_torchs():
    net = Net.start(Stack(draw_weights(2, 5, 1.0, 0), "tanh"), 0, n_in=4, n_out=3)
    x, y = a_batch(width=4, rows=6), np.array([0, 1, 2, 0, 1, 2])
    parameters = [torch.tensor(p, requires_grad=True) for p in net.parameters]
    sgd = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    shadow = replace(net, stack=replace(net.stack, weights=net.stack.weights.copy()))
    for _ in range(3):
        _, gradients = shadow.gradients(x, y)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        sgd.step()
        shadow = Net(
            replace(shadow.stack, weights=parameters[0].detach().numpy().copy()),
            parameters[2].detach().numpy().copy(),
            parameters[1].detach().numpy().copy(),
            [],
        )
    done = last(training(net, (x, y, x, y), lr=0.1, steps=3, batch=6, clip=0.5))
    np.testing.assert_allclose(net.stack.weights, shadow.stack.weights, atol=1e-6)
    assert done.clipped == 3
    assert done.broke_at is None


def test_an_overflow_is_told_and_stops_the_training():
    net = Net.start(Stack(draw_weights(20, 5, 1e20, 0), "relu"), 0, n_in=4, n_out=3)
    x, y = a_batch(width=4, rows=6), np.array([0, 1, 2, 0, 1, 2])
    done = last(training(net, (x, y, x, y), lr=0.1, steps=5, batch=6))
    assert done.broke_at == 0
    assert len(done.losses) == 1
    assert isnan(done.test_accuracy)


def test_a_net_has_weights_of_its_own():
    stack = build("residual", 3, 5, 1.0, 1.3, "tanh", 0)
    net, before = Net.start(stack, 0, n_in=4, n_out=3), stack.weights.copy()
    x, y = a_batch(width=4, rows=6), np.array([0, 1, 2, 0, 1, 2])
    np.testing.assert_allclose(net.stack.weights, draw_weights(3, 5, 1.3, 0), rtol=1e-15)
    last(training(net, (x, y, x, y), lr=0.1, steps=2, batch=6))
    np.testing.assert_array_equal(stack.weights, before)
    again = Net.start(stack, 0, n_in=4, n_out=3)
    assert all((p != q).any() for p, q in zip(net.parameters, again.parameters, strict=True))


def test_a_training_shows_each_step():
    net = Net.start(Stack(draw_weights(2, 5, 1.0, 0), "tanh"), 0, n_in=4, n_out=3)
    x, y = a_batch(width=4, rows=6), np.array([0, 1, 2, 0, 1, 2])
    *shown, end = training(net, (x, y, x, y), lr=0.1, steps=4, batch=6)
    assert [len(one.losses) for one in shown] == [1, 2, 3, 4]
    assert [one.ended for one in (*shown, end)] == [False] * 4 + [True]
    assert all(isnan(one.test_accuracy) for one in shown)
    np.testing.assert_array_equal(end.losses, shown[-1].losses)
    assert end.train_loss < end.losses[0]
