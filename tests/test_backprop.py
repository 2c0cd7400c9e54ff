"""The gradients written out, against autograd's."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib import backprop
from vglib.activations import get_activation
from vglib.data import Dataset
from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.networks import MLP, mlp
from vglib.training import fit

LOSSES = [
    (F.cross_entropy, "identity"),
    (F.cross_entropy, "tanh"),
    (quadratic, "sigmoid"),
    (quadratic, "tanh"),
    (nielsen_cross_entropy, "sigmoid"),
]


def batch(dtype=torch.float64, n=12, n_in=5, n_out=3):
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(n, n_in, generator=draw, dtype=dtype)
    return x, torch.randint(n_out, (n,), generator=draw)


def net(dtype=torch.float64, **options):
    return mlp([7, 4, 6], n_in=5, n_out=3, bias_scale=0.3, dtype=dtype, **options)


def of_logits(z, y):
    """Nielsen's cross-entropy before its sigmoids, where autograd loses nothing."""
    target = F.one_hot(y, z.shape[1]).to(z)
    return F.binary_cross_entropy_with_logits(z, target, reduction="sum") / len(y)


def by_autograd(network, loss, x, y):
    value = exact = loss(network(x), y)
    if loss is nielsen_cross_entropy:
        logits = MLP([], [], network.activation, get_activation("identity"))
        logits.weights, logits.biases = network.weights, network.biases
        exact = of_logits(logits(x), y)
    wanted = [p for p in network.parameters() if p.requires_grad]
    return value.item(), torch.autograd.grad(exact, wanted)


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
    flat = backprop.Flat(network, loss)
    assert flat(flat.rows(x.numpy()), y.numpy()) == pytest.approx(value, rel=tolerance)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert parameter.grad.dtype == dtype
        torch.testing.assert_close(
            parameter.grad, gradient, rtol=tolerance, atol=tolerance * float(gradient.abs().max())
        )


def test_a_smaller_batch_after_a_larger_one():
    """The signals' memory is kept from batch to batch: nothing of the last one may be left."""
    network, (x, y) = net(activation="tanh"), batch()
    flat = backprop.Flat(network, F.cross_entropy)
    for rows in (slice(0, 9), slice(9, 12), slice(0, 12)):
        value, expected = by_autograd(network, F.cross_entropy, x[rows], y[rows])
        assert flat(flat.rows(x[rows].numpy()), y[rows].numpy()) == pytest.approx(value, rel=1e-12)
        torch.testing.assert_close([p.grad for p in network.parameters()], list(expected))


def test_parameters_that_stay_apart_get_gradients_of_their_own():
    network, (x, y) = net(activation="tanh"), batch()
    flat = backprop.Flat(network, F.cross_entropy, apart=True)
    for _ in range(2):
        _, expected = by_autograd(network, F.cross_entropy, x, y)
        flat(flat.rows(x.numpy()), y.numpy())
        for parameter, gradient in zip(network.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)
            assert parameter.grad.is_contiguous()
            assert parameter.is_contiguous()
        with torch.no_grad():
            network.weights[1].mul_(1.5)
    flat.release()
    assert all(p.grad is None for p in network.parameters())


def test_a_step_on_the_vector_is_a_step_of_the_network():
    network, twin, (x, y) = net(activation="tanh"), net(activation="tanh"), batch()
    flat = backprop.Flat(network, F.cross_entropy)
    flat(flat.rows(x.numpy()), y.numpy())
    flat.theta -= 0.1 * flat.gradient
    _, gradients = by_autograd(twin, F.cross_entropy, x, y)
    for parameter, before, g in zip(
        network.parameters(), twin.parameters(), gradients, strict=True
    ):
        torch.testing.assert_close(parameter.detach(), (before - 0.1 * g).detach())
    flat.release()
    kept = [p.detach().clone() for p in network.parameters()]
    flat.theta[:] = 0
    for parameter, value in zip(network.parameters(), kept, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.is_contiguous()
        assert parameter.grad is None


@pytest.mark.parametrize("scale", [0.0, 3.0, -40.0, 5000.0])
def test_the_softmax_of_scaled_logits(scale):
    z, y = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), None
    y = torch.tensor([0, 1, 2, 3, 0, 1])
    value, delta = backprop.softmax_gradient(z.numpy(), y.numpy(), scale)
    leaf = (z * torch.tensor(min(scale, 700.0)).double().exp()).requires_grad_()
    loss = F.cross_entropy(leaf, y)
    assert value == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(torch.from_numpy(delta), torch.autograd.grad(loss, leaf)[0])


@pytest.mark.parametrize("name", sorted(backprop.PHI))
def test_the_activations_are_the_catalogues(name):
    z = np.linspace(-4, 4, 41)
    phi, known = backprop.PHI[name], get_activation(name)
    np.testing.assert_allclose(phi.value(z), known.phi(z), rtol=1e-15)
    np.testing.assert_allclose(phi.slope(phi.value(z)) * np.ones(41), known.dphi(z), rtol=1e-12)
    room, slope = np.empty((2, 41))
    assert phi.value(z, out=room) is room
    np.testing.assert_array_equal(room, phi.value(z))
    assert phi.slope(room, out=slope) is slope
    np.testing.assert_array_equal(slope, phi.slope(room) * np.ones(41))
    np.testing.assert_array_equal(z, np.linspace(-4, 4, 41))


def test_neither_inputs_nor_weights_are_written_on():
    network, (x, y) = net(activation="relu", init="he"), batch()
    kept = [t.clone() for t in (x, *network.parameters())]
    flat = backprop.Flat(network, quadratic)
    flat(flat.rows(x.numpy()), y.numpy())
    for tensor, before in zip((x, *network.parameters()), kept, strict=True):
        assert torch.equal(tensor, before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_what_overflows_gives_a_loss_that_is_not_finite(activation):
    network, (x, y) = net(activation=activation), batch()
    with torch.no_grad():
        for weight in network.weights:
            weight.mul_(1e200)
    flat = backprop.Flat(network, F.cross_entropy)
    ours = flat(flat.rows(x.numpy()), y.numpy())
    theirs = F.cross_entropy(network(x), y).item()
    assert torch.tensor(ours).isfinite() == torch.tensor(theirs).isfinite()
    if activation == "relu":
        assert not torch.tensor(ours).isfinite()


@pytest.mark.filterwarnings("error")
def test_logits_far_beyond_the_number_type_have_an_infinite_loss_and_whole_steps():
    z, y = 1e6 * np.array([[2.0, -1.0, 0.5], [1.0, 1.0, 3.0]]), np.array([0, 1])
    loss, gradient = backprop.softmax_gradient(z, y, log_scale=1e5)
    assert loss == np.inf
    assert gradient.tolist() == [[0, 0, 0], [0, -0.5, 0.5]]


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
    frozen = net(activation="tanh")
    frozen.biases[1].requires_grad_(False)
    assert not suits(frozen, x, y)
    clamped = net(activation="tanh")
    clamped.biases[1].register_hook(lambda g: g.clamp(-0.1, 0.1))
    assert not suits(clamped, x, y)


def test_a_training_takes_any_loss_and_number_type():
    x, y = batch(n=60)
    data = Dataset(x[:50], y[:50], x[50:], y[50:], "toy")
    options = {"lr": 0.05, "epochs": 1}
    assert fit(net(activation="tanh"), data, loss=Unhashable(), **options).stopped is None
    half = net(torch.bfloat16, activation="tanh")
    assert fit(half, data, loss=F.cross_entropy, **options).stopped is None


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    "optimizer", ["sgd", torch.optim.Adam, partial(torch.optim.Adam, fused=True)], ids=str
)
def test_a_training_is_the_same_as_by_autograd(optimizer, watched):
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
            before_step=(lambda n, k=kept: k.append(n.weights[0].grad)) if watched else None,
        )
        ways.append((history.losses, kept, list(network.parameters())))
    for one, other in zip(*ways, strict=True):
        torch.testing.assert_close(
            [torch.as_tensor(t) for t in one], [torch.as_tensor(t) for t in other]
        )
