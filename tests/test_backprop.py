"""The gradients written out, against autograd's."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from vglib import backprop
from vglib.data import Dataset
from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.networks import MLP, mlp
from vglib.training import fit

LOSSES = [(F.cross_entropy, "identity"), (quadratic, "sigmoid"), (quadratic, "tanh")]


def batch(dtype=torch.float64, n=12, n_in=5, n_out=3):
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(n, n_in, generator=draw, dtype=dtype)
    return x, torch.randint(n_out, (n,), generator=draw)


def net(dtype=torch.float64, **options):
    return mlp([7, 4, 6], n_in=5, n_out=3, bias_scale=0.3, dtype=dtype, **options)


def by_autograd(network, loss, x, y):
    value = loss(network(x), y)
    wanted = [p for p in network.parameters() if p.requires_grad]
    return value.item(), torch.autograd.grad(value, wanted)


@pytest.mark.parametrize(("loss", "output"), LOSSES)
@pytest.mark.parametrize("activation", ["identity", "sigmoid", "tanh", "relu", "leaky_relu"])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)], ids=["f64", "f32"]
)
@pytest.mark.parametrize("weight_scale", [0.1, 1.0, 3.0])
def test_the_gradients_are_autograds(loss, output, activation, dtype, tolerance, weight_scale):
    network = net(dtype, activation=activation, output=output, weight_scale=weight_scale)
    x, y = batch(dtype)
    assert backprop.written_out(network, x, y, loss)
    value, expected = by_autograd(network, loss, x, y)
    assert backprop.gradients(network, loss)(x, y) == pytest.approx(value, rel=tolerance)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert parameter.grad.dtype == dtype
        torch.testing.assert_close(
            parameter.grad, gradient, rtol=tolerance, atol=tolerance * float(gradient.abs().max())
        )


def test_a_frozen_parameter_gets_no_gradient_and_the_others_keep_theirs():
    network, (x, y) = net(activation="tanh"), batch()
    network.biases[1].requires_grad_(False)
    network.weights[0].requires_grad_(False)
    _, expected = by_autograd(network, F.cross_entropy, x, y)
    backprop.gradients(network, F.cross_entropy)(x, y)
    assert network.biases[1].grad is None
    assert network.weights[0].grad is None
    found = [p.grad for p in network.parameters() if p.requires_grad]
    torch.testing.assert_close(found, list(expected))


def test_neither_inputs_nor_weights_are_written_on():
    network, (x, y) = net(activation="relu", init="he"), batch()
    kept = [t.clone() for t in (x, *network.parameters())]
    backprop.gradients(network, quadratic)(x, y)
    for tensor, before in zip((x, *network.parameters()), kept, strict=True):
        assert torch.equal(tensor, before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_what_overflows_gives_a_loss_that_is_not_finite(activation):
    network, (x, y) = net(activation=activation), batch()
    with torch.no_grad():
        for weight in network.weights:
            weight.mul_(1e200)
    ours = backprop.gradients(network, F.cross_entropy)(x, y)
    theirs = F.cross_entropy(network(x), y).item()
    assert torch.tensor(ours).isfinite() == torch.tensor(theirs).isfinite()
    if activation == "relu":
        assert not torch.tensor(ours).isfinite()


class Mine(MLP):
    pass


class Unhashable:
    __hash__ = None

    def __call__(self, output, y):
        return F.cross_entropy(output, y)


def test_where_autograd_is_needed():
    network, (x, y) = net(activation="tanh"), batch()
    suits = partial(backprop.written_out, loss=F.cross_entropy)
    assert suits(network, x, y)
    assert not suits(net(activation="gelu"), x, y)
    assert not suits(network, x.float(), y)
    assert not suits(network, x, y - 1)
    assert not suits(network, x, y + 1)
    assert not suits(network, x, y.double())
    assert not suits(network, x[:, None], y)
    assert not suits(torch.nn.Linear(5, 3), x, y)
    own = Mine(network.weights, network.biases, network.activation, network.output)
    assert not suits(own, x, y)
    assert not backprop.written_out(network, x, y, nielsen_cross_entropy)
    half = net(torch.bfloat16, activation="tanh")
    assert not suits(half, x.bfloat16(), y)
    square = [torch.eye(5), torch.eye(5)]
    shared = torch.nn.Parameter(torch.eye(5))
    for weights, apart in ((square, True), ([shared, shared], False)):
        zeros = [torch.zeros(5), torch.zeros(5)]
        tied = MLP(weights, zeros, network.activation, network.output)
        assert suits(tied, x.float(), y) == apart
    assert not backprop.written_out(network, x, y, Unhashable())
    network.register_forward_hook(lambda *_: None)
    assert not suits(network, x, y)
    clamped = net(activation="tanh")
    clamped.biases[1].register_hook(lambda g: g.clamp(-0.1, 0.1))
    assert not suits(clamped, x, y)


def test_a_training_takes_any_loss_and_number_type():
    x, y = batch(n=60)
    data = Dataset(x[:50], y[:50], x[50:], y[50:], "toy")
    options = {"lr": 0.05, "epochs": 1, "progress": False}
    assert fit(net(activation="tanh"), data, loss=Unhashable(), **options).stopped is None
    half = net(torch.bfloat16, activation="tanh")
    assert fit(half, data, loss=F.cross_entropy, **options).stopped is None


@pytest.mark.parametrize("optimizer", ["sgd", torch.optim.Adam])
def test_a_training_is_the_same_as_by_autograd(optimizer):
    x, y = batch(n=60)
    data = Dataset(x[:50], y[:50], x[50:], y[50:], "toy")
    ways = []
    for hooked in (False, True):
        network = net(activation="tanh")
        if hooked:
            network.register_forward_hook(lambda *_: None)
        kept = []
        history = fit(
            network,
            data,
            loss=F.cross_entropy,
            lr=0.05,
            epochs=4,
            optimizer=optimizer,
            progress=False,
            before_step=lambda n, kept=kept: kept.append(n.weights[0].grad),
        )
        ways.append((history.losses, kept, list(network.parameters())))
    for one, other in zip(*ways, strict=True):
        torch.testing.assert_close(
            [torch.as_tensor(t) for t in one], [torch.as_tensor(t) for t in other]
        )
