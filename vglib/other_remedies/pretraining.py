"""Greedy layer-wise pretraining of a sigmoid net and what comes after it, in plain numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from math import exp

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from tqdm import tqdm

from vglib.data import Dataset, digits
from vglib.losses import quadratic
from vglib.networks import MLP, mlp
from vglib.other_remedies.rbm import RBM, ascend, contrastive_divergence
from vglib.probe import Trace, power_of_ten, trace

Array = NDArray[np.float64]

WIDTH = 100
METHODS = ("autoencoder", "RBM")
PROBED = 1000


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
    return Layer(
        network.weights[index].detach().numpy(),
        network.biases[index].detach().numpy(),
        mean if linear else np.log(bounded / (1 - bounded)),
        linear,
    )


def copy_gradients(layer: Layer, x: Array) -> tuple[Array, Array, Array]:
    """Return the gradients by W, b and c of the copying loss (1/n) sum (y - x)^2.

    delta_y = 2 (y - x) y (1 - y) / n  (without y (1 - y) where linear),
    delta_h = (W delta_y) h (1 - h),   dL/dW = delta_h x^T + h delta_y^T: W is used twice.
    """
    h = layer.encode(x)
    y = layer.decode(h)
    delta_y = (2 / len(x)) * (y - x)
    if not layer.linear:
        delta_y *= y * (1 - y)
    delta_h = (delta_y @ layer.weight.T) * (h * (1 - h))
    return delta_h.T @ x + h.T @ delta_y, delta_h.sum(0), delta_y.sum(0)


def learn_to_copy(
    layer: Layer,
    x: Array,
    *,
    epochs: int = 10,
    batch: int = 20,
    seed: int = 0,
    on_epoch: Callable[[float], object] | None = None,
) -> Array:
    """Train one layer, in place, to reproduce its input; return its error before and after epochs.

    SGD with step 1, or 3/n_out where the layer is linear backwards. `on_epoch(error)` is called
    after each epoch. Raises ValueError where the error is no longer finite.
    """
    lr = 3 / len(layer.bias) if layer.linear else 1.0

    def step(rows: Array, _: np.random.Generator) -> None:
        for parameter, g in zip(
            (layer.weight, layer.bias, layer.offset), copy_gradients(layer, rows), strict=True
        ):
            parameter -= lr * g

    return _learn(layer, x, step, epochs, batch, seed, on_epoch)


def learn_by_contrast(
    layer: Layer,
    x: Array,
    *,
    epochs: int = 10,
    batch: int = 20,
    seed: int = 0,
    on_epoch: Callable[[float], object] | None = None,
) -> Array:
    """Train one layer, in place, as an RBM by CD-1 with step 0.3; return its errors as a copier.

    Inputs from 0 to 1 count as probabilities. Raises ValueError for other inputs, or where the
    error is no longer finite.
    """
    if x.min() < 0 or x.max() > 1:
        raise ValueError("An RBM's inputs are probabilities; give it pixels from 0 to 1.")
    rbm = RBM(layer.weight, layer.offset, layer.bias)

    def step(rows: Array, generator: np.random.Generator) -> None:
        gradient = contrastive_divergence(rbm, rows, 1, generator, sample_visible=False)
        ascend(rbm, gradient, 0.3)

    return _learn(layer, x, step, epochs, batch, seed, on_epoch)


def _learn(
    layer: Layer,
    x: Array,
    step: Callable[[Array, np.random.Generator], None],
    epochs: int,
    batch: int,
    seed: int,
    on_epoch: Callable[[float], object] | None,
) -> Array:
    generator = np.random.default_rng(seed)
    with np.errstate(over="ignore", invalid="ignore"):
        errors = [layer.error(x)]
        for _ in range(epochs):
            order = generator.permutation(len(x))
            for first in range(0, len(x), batch):
                step(x[order[first : first + batch]], generator)
            errors.append(layer.error(x))
            if not np.isfinite(errors[-1]):
                raise ValueError("The pretraining diverges from weights this large; take smaller.")
            if on_epoch is not None:
                on_epoch(errors[-1])
    return np.array(errors)


def pretrain(
    network: MLP,
    x: Array,
    *,
    layers: int | None = None,
    epochs: int = 10,
    method: str = "autoencoder",
    seed: int = 0,
    progress: bool = False,
) -> list[Layer]:
    """Pretrain the hidden layers of a sigmoid net, in place, from the input on; return them.

    Layer l learns to reproduce h_(l-1), or to model it as an RBM, and then passes h_l on; labels
    play no part. `layers`: how many, all where None. Raises ValueError for another method.
    Source: Bengio, Lamblin, Popovici and Larochelle 2007; Hinton, Osindero and Teh 2006.
    """
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; choose from {', '.join(METHODS)}.")
    learn = learn_to_copy if method == "autoencoder" else learn_by_contrast
    count = network.depth if layers is None else layers
    h, stack = x, []
    with tqdm(total=count * epochs, disable=not progress, leave=False, unit="epoch") as bar:
        for index in range(count):
            layer = layer_of(network, index, h, linear=method == "autoencoder" and index == 0)

            def show(error: float, number: int = index + 1) -> None:
                bar.set_description(f"layer {number} of {count}, error {100 * error:.0f}%")
                bar.update()

            learn(layer, h, epochs=epochs, seed=seed + index, on_epoch=show)
            h = layer.encode(h)
            stack.append(layer)
    return stack


def reconstruct(stack: Sequence[Layer], x: Array, layer: int) -> Array:
    """Send x up to hidden layer `layer` (from 1) and down again; `x`: (n, n_in), like the result.

    Layer 0 is x itself.
    """
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
    lr: float = 0.5,
    batch: int = 10,
    seed: int = 0,
    first_epoch: int = 1,
    readout_only: bool = False,
    progress: bool = False,
) -> Array:
    """Train a net of sigmoids, in place, on the labels; return the test accuracy after each epoch.

    Quadratic loss averaged over the outputs, plain SGD: delta_L = 2 (a - t) a (1 - a) / (n n_out),
    delta_l = (delta_(l+1) W_(l+1)) h_l (1 - h_l). The order of the images depends on `seed` and the
    number of the epoch alone, so a training may be cut in two at `first_epoch`.
    """
    weights = [w.detach().numpy() for w in network.weights]
    biases = [b.detach().numpy() for b in network.biases]
    x, targets = data.x_train.numpy(), np.eye(data.n_classes)[data.y_train.numpy()]
    found = []
    numbers = range(first_epoch, first_epoch + epochs)
    for number in tqdm(
        numbers, disable=not progress, leave=False, unit="epoch", desc="fine-tuning"
    ):
        order = np.random.default_rng((seed, number)).permutation(len(x))
        for first in range(0, len(x), batch):
            rows = order[first : first + batch]
            _step(weights, biases, x[rows], targets[rows], lr, readout_only)
        found.append(accuracy(network, data))
    return np.array(found)


def _step(
    weights: list[Array],
    biases: list[Array],
    x: Array,
    targets: Array,
    lr: float,
    readout_only: bool,
) -> None:
    acts = [x]
    for weight, bias in zip(weights, biases, strict=True):
        acts.append(expit(acts[-1] @ weight.T + bias))
    a = acts.pop()
    delta = (2 / a.size) * (a - targets) * a * (1 - a)
    for layer in reversed(range(len(weights))):
        h, here = acts[layer], delta
        last = readout_only or not layer
        if not last:
            delta = (delta @ weights[layer]) * (h * (1 - h))
        weights[layer] -= lr * (here.T @ h)
        biases[layer] -= lr * here.sum(0)
        if last:
            break


def accuracy(network: MLP, data: Dataset) -> float:
    """Return the share of the test images that the network gets right."""
    return float((_output(network, data.x_test.numpy()).argmax(1) == data.y_test.numpy()).mean())


def training_loss(network: MLP, data: Dataset) -> float:
    """Return the quadratic loss over all training images."""
    targets = np.eye(data.n_classes)[data.y_train.numpy()]
    return float(((_output(network, data.x_train.numpy()) - targets) ** 2).mean())


def _output(network: MLP, x: Array) -> Array:
    for weight, bias in zip(network.weights, network.biases, strict=True):
        x = expit(x @ weight.detach().numpy().T + bias.detach().numpy())
    return x


def measure(network: MLP, data: Dataset) -> Trace:
    """Trace the first thousand training images through the network, quadratic loss."""
    return trace(network, data.x_train[:PROBED], data.y_train[:PROBED], quadratic)


def last_over_first(seen: Trace) -> float:
    """Return ||delta|| of the last hidden layer over that of the first."""
    return exp(seen.log_delta[-2] - seen.log_delta[0])


# What is left when the directions are taken away


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


# The net of the claims

KINDS = ("plain", "pretrained", "shuffled", "4x Glorot", "4x Glorot, centred", "RBM")


def started(kind: str, seed: int, width: int = WIDTH, epochs: int = 10) -> tuple[MLP, Dataset]:
    """Return a net of four layers before it sees a label, and its data.

    "plain": N(0, 1/n), biases 0; "pretrained": all layers as autoencoders, `epochs` each;
    "shuffled": that, then shuffled and centred; "4x Glorot", also centred; "RBM": by CD-1.
    Raises ValueError for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no start called {kind!r}; choose from {', '.join(KINDS)}.")
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
    pretrain(network, lab_data(method).x_train.numpy(), method=method, epochs=epochs, seed=seed)
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


# The lab

LAB_WIDTH = 60
INITS = ("N(0, 1/n)", "Glorot")
AFTERWARDS = ("keep", "shuffle the entries", "shuffle and centre")
SHOWN = 6
CHUNK = 5
WORK = 160


@dataclass(frozen=True)
class Start:
    """What decides the net before fine-tuning; the first `layers` layers of `depth` pretrained."""

    method: str
    init: str
    weight_scale: float
    depth: int
    layers: int
    pretraining: int
    afterwards: str
    seed: int


@dataclass(frozen=True, eq=False)
class Pretraining:
    """A net before, between and after: drawn, pretrained, fine-tuned.

    `log_delta`, `spread`: (depth,) ln ||dL/dz|| and the spread of h over the data before
    fine-tuning; `plain_log_delta`, `plain_spread` the same as drawn; `epochs`, `accuracy`:
    (n_epochs + 1,) on the test images; `pictures`: (depth + 1, 6, 8, 8) one image of six digits
    and what each layer reconstructs of it, from 0 to 1; `sigma_w`: (depth,) root of the fan-in
    times the standard deviation of the weights; `asked`: the epochs that the reader wanted.
    """

    start: Start
    log_delta: Array
    plain_log_delta: Array
    spread: Array
    plain_spread: Array
    accuracy: Array
    pictures: Array
    sigma_w: Array
    asked: int

    @property
    def epochs(self) -> NDArray[np.int64]:
        """The numbers of the epochs of fine-tuning, from 0; (n_epochs + 1,)."""
        return np.arange(len(self.accuracy))

    @property
    def verdict(self) -> str:
        """One sentence: what came before fine-tuning, and what fine-tuning made of it."""
        start, n = self.start, len(self.accuracy) - 1
        done = (
            f"{start.layers} of {start.depth} layers pretrained"
            if start.layers
            else "no layer pretrained"
        )
        words = {AFTERWARDS[1]: ", then shuffled,", AFTERWARDS[2]: ", then shuffled and centred,"}
        after = words.get(start.afterwards, "")
        was = f" (as drawn {self._ratio(self.plain_log_delta)})" if start.layers else ""
        between = (
            f"the gradient of layer {start.depth} is {self._ratio(self.log_delta)} times that of "
            f"layer 1{was}, and there "
            if start.depth > 1
            else ""
        )
        cut = f" (not {self.asked}, so that a move takes a second)" if n < self.asked else ""
        return (
            f"With {done}{after} {between}h varies by {self.spread[-1]:.2g} from image to image; "
            f"after {n} epochs on the labels{cut} {100 * self.accuracy[-1]:.0f}% of the test "
            "images are right."
        )

    @staticmethod
    def _ratio(log_delta: Array) -> str:
        ln = float(log_delta[-1] - log_delta[0])
        return f"{float(f'{exp(ln):.2g}'):,g}" if abs(ln) < 12 else power_of_ten(ln)


def pretraining(
    method: str = "autoencoder",
    init: str = "N(0, 1/n)",
    weight_scale: float = 1.0,
    depth: int = 4,
    layers: int = 4,
    pretraining_epochs: int = 6,
    afterwards: str = "keep",
    epochs: int = 20,
    seed: int = 0,
) -> Pretraining:
    """Pretrain, perhaps shuffle, and fine-tune a net of 60 sigmoids a layer on digits.

    At most `depth` layers are pretrained; with nothing to pretrain for, none is. Fine-tuning ends
    where depth times epochs would pass 160. Raises ValueError where pretraining diverges.
    """
    done = min(layers, depth) if pretraining_epochs else 0
    start = Start(
        method,
        init,
        weight_scale,
        depth,
        done,
        pretraining_epochs,
        afterwards if done else "",
        seed,
    )
    data = lab_data(method)
    network, stack = _started(start)
    plain = measure(drawn_net(start), data)
    seen = measure(network, data)
    _, found = _tuned(start, min(epochs, WORK // depth))
    return Pretraining(
        start=start,
        log_delta=seen.log_delta[:depth],
        plain_log_delta=plain.log_delta[:depth],
        spread=seen.spread[:depth],
        plain_spread=plain.spread[:depth],
        accuracy=np.array(found),
        pictures=_pictures(stack, method),
        sigma_w=np.array(
            [float(w.detach().std()) * w.shape[1] ** 0.5 for w in list(network.weights)[:depth]]
        ),
        asked=epochs,
    )


@lru_cache(maxsize=2)
def lab_data(method: str = "autoencoder") -> Dataset:
    """Return the digits: standardised for an autoencoder, from 0 to 1 for an RBM."""
    return digits(standardised=method == "autoencoder")


def drawn_net(start: Start, width: int = LAB_WIDTH) -> MLP:
    """Draw the net of a start, before any pretraining; its biases are 0."""
    return mlp(
        start.depth,
        width,
        output="sigmoid",
        init={"N(0, 1/n)": "1/fan_in", "Glorot": "glorot"}[start.init],
        weight_scale=start.weight_scale,
        seed=start.seed,
    )


# The nets and layers that are cached are shared: nobody may train them in place.


@lru_cache(maxsize=64)
def _layer(
    method: str, init: str, weight_scale: float, epochs: int, seed: int, index: int
) -> tuple[Layer, Array]:
    """Return pretrained layer `index`, the same at any depth, and its output for the training."""
    kind = (method, init, weight_scale, epochs, seed)
    x = lab_data(method).x_train.numpy() if index == 0 else _layer(*kind, index - 1)[1]
    start = Start(method, init, weight_scale, index + 1, 0, 0, "", seed)
    layer = layer_of(drawn_net(start), index, x, linear=method == "autoencoder" and index == 0)
    learn = learn_to_copy if method == "autoencoder" else learn_by_contrast
    learn(layer, x, epochs=epochs, seed=seed + index)
    return layer, layer.encode(x)


@lru_cache(maxsize=64)
def _started(start: Start) -> tuple[MLP, list[Layer]]:
    """Return the net before fine-tuning, and its layers with what runs them backwards."""
    network = drawn_net(start)
    kind = (start.method, start.init, start.weight_scale, start.pretraining, start.seed)
    x = h = lab_data(start.method).x_train.numpy()
    offsets = []
    for index in range(start.depth):
        linear = start.method == "autoencoder" and index == 0
        own = layer_of(network, index, h, linear=linear)
        if index < start.layers:
            learned, h = _layer(*kind, index)
            own.weight[...], own.bias[...] = learned.weight, learned.bias
            offsets.append(learned.offset)
        else:
            offsets.append(own.offset)
            h = own.encode(h)
    if start.afterwards.startswith("shuffle"):
        shuffle(network, start.layers, start.seed)
    if start.afterwards.endswith("centre"):
        centre(network, x, start.layers)
    stack = [
        Layer(w.detach().numpy(), b.detach().numpy(), c, start.method == "autoencoder" and not i)
        for i, (w, b, c) in enumerate(zip(network.weights, network.biases, offsets, strict=False))
    ]
    return network, stack


@lru_cache(maxsize=64)
def _tuned(start: Start, epochs: int) -> tuple[MLP, tuple[float, ...]]:
    """Return the net after so many epochs, which go on from where fewer had ended."""
    data = lab_data(start.method)
    if not epochs:
        network = _started(start)[0]
        return network, (accuracy(network, data),)
    before = (epochs - 1) // CHUNK * CHUNK
    parent, found = _tuned(start, before)
    network = deepcopy(parent)
    more = descend(network, data, epochs=epochs - before, seed=start.seed, first_epoch=before + 1)
    return network, (*found, *more)


def _pictures(stack: Sequence[Layer], method: str) -> Array:
    """Return one training image of each digit and what each layer makes of it, in pixels."""
    data, pixels = lab_data(method), lab_data("RBM").x_train.numpy()
    labels = data.y_train.numpy()
    rows = [int(np.flatnonzero(labels == digit)[0]) for digit in range(SHOWN)]
    x = data.x_train.numpy()[rows]
    made = np.stack([reconstruct(stack, x, layer) for layer in range(len(stack) + 1)])
    if method == "autoencoder":
        made = made * pixels.std(0) + pixels.mean(0)
    return np.clip(made, 0.0, 1.0).reshape(len(stack) + 1, SHOWN, 8, 8)
