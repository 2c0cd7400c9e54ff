"""The nets written out, against autograd, torch's batch norm and the library's training."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from vglib.backprop import Flat
from vglib.data import digits
from vglib.networks import mlp
from vglib.sigmoid.net import KINDS, WIDTH, SigmoidNet, descend
from vglib.sigmoid.twins import twins
from vglib.training import fit


class Reference(nn.Module):
    """The same nets as torch's modules."""

    def __init__(self, kind, depth, seed):
        super().__init__()
        net = twins(depth, seed, WIDTH)[kind == "centred"]
        self.kind = kind
        self.layers = nn.ModuleList()
        for weight, bias in zip(net.weights, net.biases, strict=True):
            linear = nn.Linear(*reversed(weight.shape), dtype=torch.float64)
            linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
            self.layers.append(linear)
        norm = nn.BatchNorm1d if kind == "batch norm" else nn.Identity
        self.norms = nn.ModuleList(norm(WIDTH, dtype=torch.float64) for _ in range(depth))

    def forward(self, x):
        self.pres = []
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=False)):
            z = layer(x)
            self.pres.append(z)
            out = torch.sigmoid(norm(z)) - (0.5 if self.kind == "centred" else 0)
            x = x + out if self.kind == "residual" and index else out
        return self.layers[-1](x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 4])
def test_gradients_against_autograd(kind, depth):
    ours, theirs, data = SigmoidNet(kind, depth, 3), Reference(kind, depth, 3), digits()
    x, y = data.x_train[:40], data.y_train[:40]
    loss, deltas = ours.backward(Flat.rows(x.numpy()), y.numpy())
    value = cross_entropy(theirs(x), y)
    assert loss == pytest.approx(value.item(), rel=1e-12)
    wanted = torch.autograd.grad(value, [*theirs.pres, *theirs.parameters()])
    for delta, by_z in zip(deltas, wanted[:depth], strict=True):
        np.testing.assert_allclose(delta.T, by_z, rtol=1e-9, atol=1e-16)
    by_parameter = dict(zip(theirs.parameters(), wanted[depth:], strict=True))
    matrices = [
        torch.column_stack([by_parameter[layer.weight], by_parameter[layer.bias]])
        for layer in theirs.layers
    ]
    _, (gradient, *by_norm) = ours.gradient(Flat.rows(x.numpy()), y.numpy())
    flat = torch.cat([matrix.ravel() for matrix in matrices])
    np.testing.assert_allclose(gradient, flat, rtol=1e-9, atol=1e-15)
    for i, norm in enumerate(theirs.norms if kind == "batch norm" else ()):
        both = torch.stack([by_parameter[norm.weight], by_parameter[norm.bias]])
        np.testing.assert_allclose(by_norm[0][i, :, :, 0], both, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_as_with_fit(kind):
    """After 40 steps the nets in use say the same, batch norm by its running averages."""
    ours, theirs, data = SigmoidNet(kind, 3, 1), Reference(kind, 3, 1), digits()
    options = {"lr": 0.5, "batch": 64, "steps": 40, "seed": 2}
    taken = list(descend(ours.parameters, ours.gradient, every=15, **options))
    assert taken == [0, 15, 30, 40]
    fit(theirs, data, loss=cross_entropy, record_at=[40], **options)
    theirs.eval()
    with torch.no_grad():
        wanted = theirs(data.x_test)
    logits = ours.logits(Flat.rows(data.x_test.numpy()))
    np.testing.assert_allclose(logits, wanted, rtol=1e-6, atol=1e-8)


def test_the_plain_net_is_the_library_s():
    ours, theirs = SigmoidNet("plain", 3, 4), mlp(3, 50, init="1/fan_in", seed=4)
    x = digits().x_test[:5]
    torch.testing.assert_close(torch.from_numpy(ours.logits(Flat.rows(x.numpy()))), theirs(x))
    with pytest.raises(ValueError, match="no net called"):
        SigmoidNet("magic", 3, 0)
