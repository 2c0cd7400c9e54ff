import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.losses import quadratic
from vglib.networks import mlp
from vglib.other_remedies.pretraining import (
    Layer,
    accuracy,
    centre,
    copy_gradients,
    descend,
    lab_data,
    last_over_first,
    layer_of,
    learn_by_contrast,
    learn_to_copy,
    learning,
    measure,
    pretrain,
    reconstruct,
    shuffle,
    started,
    training_loss,
)


def net(width=30, depth=3, **more):
    return mlp(depth, width, output="sigmoid", **{"init": "1/fan_in", **more})


@pytest.fixture(scope="module")
def data():
    return lab_data()


@pytest.mark.parametrize("linear", [True, False])
def test_the_gradients_of_copying_are_autograds(linear):
    generator = np.random.default_rng(0)
    layer = Layer(
        generator.normal(size=(5, 7)), generator.normal(size=5), generator.normal(size=7), linear
    )
    x = generator.random((6, 7))
    W, b, c = (
        torch.tensor(p, requires_grad=True) for p in (layer.weight, layer.bias, layer.offset)
    )
    z = torch.sigmoid(torch.tensor(x) @ W.T + b) @ W + c
    y = z if linear else torch.sigmoid(z)
    np.testing.assert_allclose(layer.decode(layer.encode(x)), y.detach().numpy(), rtol=1e-12)
    loss = ((y - torch.tensor(x)) ** 2).sum() / len(x)
    value, gradients = copy_gradients(layer, x)
    assert value == pytest.approx(loss.item(), rel=1e-12)
    for found, wanted in zip(gradients, torch.autograd.grad(loss, (W, b, c)), strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-12)


def test_a_layer_shares_the_networks_arrays(data):
    network, x = net(), data.x_train.numpy()
    layer = layer_of(network, 0, x, linear=True)
    before = network.weights[0].detach().clone()
    errors = learn_to_copy(layer, x[:200], epochs=2)
    assert len(errors) == 3
    assert errors[-1] < errors[0]
    assert not torch.equal(before, network.weights[0])


def test_the_mean_picture_has_error_one(data):
    x = data.x_train.numpy()
    layer = Layer(np.zeros((5, 64)), np.zeros(5), x.mean(0), True)
    assert layer.error(x) == pytest.approx(1)


def test_pretraining_leaves_the_readout_alone(data):
    network, x = net(), data.x_train.numpy()[:300]
    before = [w.detach().clone() for w in network.weights]
    stack = pretrain(network, x, epochs=1)
    same = [torch.equal(a, b) for a, b in zip(before, network.weights, strict=True)]
    assert same == [False, False, False, True]
    assert len(stack) == 3
    np.testing.assert_array_equal(reconstruct(stack, x, 0), x)
    one = stack[0].decode(stack[0].encode(x))
    np.testing.assert_allclose(reconstruct(stack, x, 1), one)
    with pytest.raises(ValueError, match="no method called 'magic'"):
        pretrain(network, x, method="magic")


def test_an_rbm_wants_probabilities(data):
    network = net()
    x = data.x_train.numpy()
    with pytest.raises(ValueError, match="pixels from 0 to 1"):
        learn_by_contrast(layer_of(network, 0, x), x)
    pixels = lab_data("RBM").x_train.numpy()
    errors = learn_by_contrast(layer_of(network, 0, pixels), pixels, epochs=3)
    assert errors[-1] < 0.6 * errors[0]


@pytest.mark.parametrize("method", ["autoencoder", "RBM"])
def test_a_layer_is_watched_from_epoch_to_epoch(method):
    x = lab_data(method).x_train.numpy()[:100]
    watched, whole = (layer_of(net(), 0, x) for _ in range(2))
    errors = [layer.error(x) for layer in learning(watched, x, method, epochs=4, seed=2)]
    learn = learn_to_copy if method == "autoencoder" else learn_by_contrast
    np.testing.assert_array_equal(learn(whole, x, epochs=4, seed=2)[1:], errors)
    np.testing.assert_array_equal(whole.weight, watched.weight)


def test_weights_that_overflow_are_told_in_a_sentence(data):
    network = net(weight_scale=1e200)
    with pytest.raises(ValueError, match=r"diverges.*\.$"):
        pretrain(network, data.x_train.numpy()[:100], epochs=1)


def test_a_step_is_that_of_autograd(data):
    network, other = net(), net()
    few = type(data)(data.x_train[:10], data.y_train[:10], data.x_test, data.y_test, "few")
    descend(network, few, epochs=1)
    loss = quadratic(other(few.x_train), few.y_train)
    gradients = torch.autograd.grad(loss, list(other.parameters()))
    for p, q, g in zip(network.parameters(), other.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.detach(), (q - 0.5 * g).detach(), rtol=1e-10, atol=1e-14)
    expected = F.mse_loss(network(data.x_train), F.one_hot(data.y_train, 10).double()).item()
    assert training_loss(network, data) == pytest.approx(expected)
    expected = (network(data.x_test).argmax(1) == data.y_test).double().mean().item()
    assert accuracy(network, data) == pytest.approx(expected)


def test_the_readout_alone(data):
    network = net()
    before = [w.detach().clone() for w in network.weights]
    descend(network, data, epochs=1, readout_only=True)
    same = [torch.equal(a, b) for a, b in zip(before, network.weights, strict=True)]
    assert same == [True, True, True, False]


def test_a_training_cut_in_two_is_the_same_training(data):
    whole, cut = net(), net()
    one = descend(whole, data, epochs=3, seed=4)
    two = [
        *descend(cut, data, epochs=1, seed=4),
        *descend(cut, data, epochs=2, seed=4, first_epoch=2),
    ]
    np.testing.assert_array_equal(one, two)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), cut.parameters(), strict=True))


def test_shuffling_keeps_the_entries(data):
    network, other = net(), net()
    shuffle(network, 2)
    for index, (a, b) in enumerate(zip(network.weights, other.weights, strict=True)):
        assert torch.equal(a.flatten().sort().values, b.flatten().sort().values)
        assert torch.equal(a, b) == (index >= 2)


def test_centring_makes_every_units_mean_zero(data):
    network = net(weight_scale=4.0)
    centre(network, data.x_train.numpy(), 3)
    h = data.x_train
    for weight, bias in list(zip(network.weights, network.biases, strict=True))[:3]:
        z = h @ weight.T + bias
        assert float(z.detach().mean(0).abs().max()) < 1e-10
        h = torch.sigmoid(z)


def test_what_pretraining_does_to_a_start(data):
    network = net(100, 4)
    before = measure(network, data)
    pretrain(network, data.x_train.numpy(), epochs=6)
    after = measure(network, data)
    assert last_over_first(before) > 50
    assert last_over_first(after) < 3
    assert before.spread[3] < 0.004
    assert after.spread[3] > 0.2


def test_the_starts_of_the_claims():
    with pytest.raises(ValueError, match="no start called 'best'"):
        started("best", 0)
    one, _ = started("pretrained", 0, width=10, epochs=1)
    with torch.no_grad():
        one.weights[0].zero_()
    other, _ = started("pretrained", 0, width=10, epochs=1)
    assert float(other.weights[0].detach().abs().sum()) > 0
