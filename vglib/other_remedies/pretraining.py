"""Greedy layer-wise pretraining of a sigmoid net, and the fine-tuning after it, in plain numpy."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from tqdm.auto import tqdm

from vglib import learn
from vglib.backprop import Flat
from vglib.checks import one_of
from vglib.data import Dataset, digits
from vglib.losses import quadratic
from vglib.networks import MLP, mlp
from vglib.other_remedies.rbm import RBM, Gradient, contrastive_divergence, downhill
from vglib.probe import Trace, trace
from vglib.results import last

Array = NDArray[np.float64]

METHODS = ("autoencoder", "RBM")
BATCH = 20
KINDS = ("plain", "pretrained", "shuffled", "4x Glorot", "4x Glorot, centred", "RBM")


def lab_data(method: str = "autoencoder") -> Dataset:
    """Return the digits: standardised for an autoencoder, from 0 to 1 for an RBM."""
    return digits(standardised=method == "autoencoder")


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of sigmoids that can also be run backwards, with its own weights turned round.

    h = s(W x + b),   y = s(W^T h + c), or y = W^T h + c where `linear`;
    `weight` W: (n_out, n_in), `bias` b: (n_out,), `offset` c: (n_in,).
    """

    weight: Array
    bias: Array
    offset: Array
    linear: bool = False

    def encode(self, x: Array) -> Array:
        """Return h; `x`: (n, n_in), result (n, n_out)."""
        return expit(x @ self.weight.T + self.bias)

    def decode(self, h: Array) -> Array:
        """Return y; `h`: (n, n_out), result (n, n_in)."""
        z = h @ self.weight + self.offset
        return z if self.linear else expit(z)

    def error(self, x: Array) -> float:
        """Return sum (y - x)^2 / sum (x - mean x)^2: 0 for a copy, 1 for the mean picture."""
        missed = self.decode(self.encode(x)) - x
        return float((missed**2).sum() / ((x - x.mean(0)) ** 2).sum())


def layer_of(network: MLP, index: int, x: Array, *, linear: bool = False) -> Layer:
    """Return layer `index` (from 0) of a network as a `Layer` that shares its arrays.

    The offset c is such that h = 0 decodes to the mean of `x`, (n, n_in), the layer's input.
    """
    mean = x.mean(0)
    bounded = np.clip(mean, 0.01, 0.99)
    offset = mean if linear else np.log(bounded / (1 - bounded))
    weight, bias = (p[index].detach().numpy() for p in (network.weights, network.biases))
    return Layer(weight, bias, offset, linear)


def copy_gradients(layer: Layer, x: Array) -> tuple[float, Gradient]:
    """Return the copying loss (1/n) sum (y - x)^2 and its gradients by W, b and c.

    delta_y = 2 (y - x) y (1 - y) / n  (without y (1 - y) where linear),
    delta_h = (W delta_y) h (1 - h),   dL/dW = delta_h x^T + h delta_y^T: W is used twice.
    """
    h = layer.encode(x)
    y = layer.decode(h)
    missed = y - x
    delta_y = (2 / len(x)) * missed
    if not layer.linear:
        delta_y *= y * (1 - y)
    delta_h = (delta_y @ layer.weight.T) * (h * (1 - h))
    loss = float(np.vdot(missed, missed)) / len(x)
    return loss, (delta_h.T @ x + h.T @ delta_y, delta_h.sum(0), delta_y.sum(0))


def learning(
    layer: Layer, x: Array, method: str = "autoencoder", *, epochs: int = 10, seed: int = 0
) -> Iterator[Layer]:
    """Train one layer, in place, on its inputs x alone, and yield it after each epoch.

    An "autoencoder" learns to reproduce x, by SGD with step 1, or 3/n_out where it is linear
    backwards. An "RBM" models it by CD-1 with step 0.3; inputs from 0 to 1 count as probabilities.
    Raises ValueError for another method, for an RBM's inputs elsewhere, and where it diverges.
    """
    one_of("method", method, METHODS)
    if method == "RBM" and (x.min() < 0 or x.max() > 1):
        raise ValueError("An RBM's inputs are probabilities; give it pixels from 0 to 1.")
    generator = np.random.default_rng(seed)
    rbm = RBM(layer.weight, layer.offset, layer.bias)

    def gradient(rows: Array) -> tuple[float, Gradient]:
        if method == "autoencoder":
            return copy_gradients(layer, rows)
        return downhill(contrastive_divergence(rbm, rows, 1, generator, sample_visible=False))

    lr = 0.3 if method == "RBM" else 3 / len(layer.bias) if layer.linear else 1.0
    copied = layer.weight, layer.bias, layer.offset
    parameters = rbm.parameters if method == "RBM" else copied
    batches = ((x[rows],) for rows in learn.epochs(len(x), BATCH, epochs, generator))
    for step in learn.steps(parameters, gradient, batches, lr=lr):
        if step.why or not np.isfinite(layer.weight).all():
            raise ValueError("The pretraining diverges from weights this large; take smaller.")
        if step.taken % ceil(len(x) / BATCH) == 0:
            yield layer


def learn_to_copy(layer: Layer, x: Array, **options: Any) -> Array:
    """Train one layer in place to copy its input; return its error, at first and by epoch.

    Raises ValueError as `learning` does, whose `options` these are.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array([layer.error(x), *(one.error(x) for one in learning(layer, x, **options))])


def learn_by_contrast(layer: Layer, x: Array, **options: Any) -> Array:
    """Train one layer in place as an RBM; return its errors as `learn_to_copy` does."""
    return learn_to_copy(layer, x, method="RBM", **options)


def pretrain(
    network: MLP, x: Array, method: str = "autoencoder", *, epochs: int = 10, seed: int = 0
) -> list[Layer]:
    """Pretrain the hidden layers of a sigmoid net, in place, from the input on; return them.

    Layer l learns to reproduce h_(l-1), or to model it as an RBM, and then passes h_l on; labels
    play no part. Raises ValueError for another method.
    Source: Bengio, Lamblin, Popovici and Larochelle 2007; Hinton, Osindero and Teh 2006.
    """
    h, stack = x, []
    for index in range(network.depth):
        layer = layer_of(network, index, h, linear=method == "autoencoder" and index == 0)
        last(learning(layer, h, method, epochs=epochs, seed=seed + index))
        h = layer.encode(h)
        stack.append(layer)
    return stack


def reconstruct(stack: Sequence[Layer], x: Array, layer: int) -> Array:
    """Send x, (n, n_in), up to hidden layer `layer`, 0 for x itself, and down again; (n, n_in)."""
    h = x
    for one in stack[:layer]:
        h = one.encode(h)
    for one in reversed(stack[:layer]):
        h = one.decode(h)
    return h


def descend(
    network: MLP,
    data: Dataset,
    *,
    epochs: int,
    seed: int = 0,
    first_epoch: int = 1,
    readout_only: bool = False,
    progress: bool = False,
) -> Array:
    """Train a net of sigmoids, in place, on the labels; return the test accuracy after each epoch.

    Quadratic loss averaged over the outputs, plain SGD with step 0.5, batches of 10. Their order
    depends on `seed` and the number of the epoch alone, so a training may be cut in two at
    `first_epoch`.
    """
    flat = Flat(network, quadratic)
    parameters, gradients = [flat.theta], [flat.gradient]
    if readout_only:
        parameters, gradients = (flat.matrices(v)[-1:] for v in (flat.theta, flat.gradient))
    x, y = flat.rows(data.x_train.numpy()), data.y_train.numpy()

    def gradient(rows: Array) -> tuple[float, list[Array]]:
        return flat(x[rows], y[rows]), gradients

    found = []
    numbers = range(first_epoch, first_epoch + epochs)
    for number in tqdm(numbers, "fine-tuning", leave=False, unit="epoch", disable=not progress):
        order = learn.epochs(len(x), 10, 1, np.random.default_rng((seed, number)))
        last(learn.steps(parameters, gradient, ((rows,) for rows in order), lr=0.5))
        found.append(accuracy(network, data))
    flat.release()
    return np.array(found)


@torch.no_grad()
def accuracy(network: MLP, data: Dataset) -> float:
    """Return the share of the test images that the network gets right."""
    return float((network(data.x_test).argmax(1) == data.y_test).double().mean())


@torch.no_grad()
def training_loss(network: MLP, data: Dataset) -> float:
    """Return the quadratic loss over all training images."""
    return float(quadratic(network(data.x_train), data.y_train))


def measure(network: MLP, data: Dataset) -> Trace:
    """Trace the first thousand training images through the network, quadratic loss."""
    return trace(network, data.x_train[:1000], data.y_train[:1000], quadratic)


def last_over_first(seen: Trace) -> float:
    """Return ||delta|| of the last hidden layer over that of the first."""
    return exp(seen.log_delta[-2] - seen.log_delta[0])


# What is left when the directions are taken away, and the starts that the claims compare


def shuffle(network: MLP, layers: int, seed: int = 0) -> None:
    """Put the entries of each of the first `layers` weight matrices in random order, in place.

    Mean and variance of the entries stay, and so does every bias; what a unit looks at is lost.
    """
    generator = np.random.default_rng(seed)
    for weight in list(network.weights)[:layers]:
        entries = weight.detach().numpy()
        entries[...] = generator.permutation(entries.ravel()).reshape(entries.shape)


def centre(network: MLP, x: Array, layers: int) -> None:
    """Set the biases of the first `layers` layers, in place, so that every unit's mean z is 0.

    b_l = -W_l mean h_(l-1), the mean taken over the rows of `x`.
    """
    h = x
    for weight, bias in list(zip(network.weights, network.biases, strict=True))[:layers]:
        w, b = weight.detach().numpy(), bias.detach().numpy()
        b[...] = -(w @ h.mean(0))
        h = expit(h @ w.T + b)


def started(kind: str, seed: int, width: int = 100, epochs: int = 10) -> tuple[MLP, Dataset]:
    """Return a net of four layers before it sees a label, and its data.

    "plain": N(0, 1/n), biases 0; "pretrained": all layers as autoencoders, `epochs` each;
    "shuffled": that, then shuffled and centred; "4x Glorot", also centred; "RBM": by CD-1.
    Raises ValueError for another kind.
    """
    one_of("start", kind, KINDS)
    method = "RBM" if kind == "RBM" else "autoencoder"
    data = lab_data(method)
    if kind in ("pretrained", "shuffled", "RBM"):
        network = deepcopy(_pretrained(method, seed, width, epochs))
    else:
        network = _four(seed, width, glorot=kind.startswith("4x"))
    if kind == "shuffled":
        shuffle(network, 4, seed)
    if kind in ("shuffled", "4x Glorot, centred"):
        centre(network, data.x_train.numpy(), 4)
    return network, data


def _four(seed: int, width: int, *, glorot: bool) -> MLP:
    init, scale = ("glorot", 4.0) if glorot else ("1/fan_in", 1.0)
    return mlp(4, width, output="sigmoid", init=init, weight_scale=scale, seed=seed)


# Several claims begin with the same nets.
@lru_cache(maxsize=16)
def _pretrained(method: str, seed: int, width: int, epochs: int) -> MLP:
    """Return a pretrained net that is shared, so the caller copies it."""
    network = _four(seed, width, glorot=False)
    pretrain(network, lab_data(method).x_train.numpy(), method, epochs=epochs, seed=seed)
    return network


def finished(kind: str, seed: int, epochs: int = 60) -> tuple[float, float]:
    """Return test accuracy and training loss of such a net after fine-tuning."""
    network, data = started(kind, seed)
    accuracies = descend(network, data, epochs=epochs, seed=seed)
    return float(accuracies[-1]), training_loss(network, data)


def readout_accuracy(kind: str, seed: int, epochs: int = 5) -> float:
    """Return the test accuracy where only the readout is trained on the labels."""
    network, data = started(kind, seed, epochs=6)
    return float(descend(network, data, epochs=epochs, seed=seed, readout_only=True)[-1])
