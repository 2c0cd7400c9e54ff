"""The stages of a pretrained net, watched: drawn, pretrained layer by layer, fine-tuned."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, nan

import numpy as np
from numpy.typing import NDArray

from vglib.networks import MLP, mlp
from vglib.other_remedies import pretraining as greedy
from vglib.other_remedies.pretraining import Array, Layer, lab_data
from vglib.probe import Trace
from vglib.results import kept, last, result
from vglib.words import power_of_ten

WIDTH = 60
INITS = ("N(0, 1/n)", "Glorot")
AFTERWARDS = ("keep", "shuffle the entries", "shuffle and centre")


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


@result
class Pretraining:
    """A net before, between and after: drawn, pretrained, fine-tuned.

    `log_delta`, `spread`: (depth,) ln ||dL/dz|| and the spread of h over the data before
    fine-tuning; `plain_log_delta`, `plain_spread` the same as drawn; `accuracy`: (n_epochs + 1,) on
    the test images, nan for epochs that are not yet; `pictures`: (depth + 1, 6, 8, 8) one image of
    six digits and what each layer reconstructs of it, from 0 to 1; `asked`: the epochs that the
    reader wanted.
    """

    start: Start
    log_delta: Array
    plain_log_delta: Array
    spread: Array
    plain_spread: Array
    pictures: Array
    accuracy: Array
    asked: int

    @property
    def epochs(self) -> NDArray[np.int64]:
        """The numbers of the epochs of fine-tuning, from 0; (n_epochs + 1,)."""
        return np.arange(len(self.accuracy))

    @property
    def verdict(self) -> str:
        """One sentence: what came before fine-tuning, and what fine-tuning made of it."""
        start, known = self.start, self.accuracy[~np.isnan(self.accuracy)]
        done, was, between = "no layer pretrained", "", ""
        if start.layers:
            done = f"{start.layers} of {start.depth} layers pretrained"
            was = f" (as drawn {_ratio(self.plain_log_delta)})"
        words = {AFTERWARDS[1]: ", then shuffled,", AFTERWARDS[2]: ", then shuffled and centred,"}
        after = words.get(start.afterwards, "")
        if start.depth > 1:
            ratio = f"{_ratio(self.log_delta)} times that of layer 1{was}"
            between = f"the gradient of layer {start.depth} is {ratio}, and there "
        cut = len(self.accuracy) - 1 < self.asked
        why = f" (not {self.asked}, so that a move is quick)" if cut else ""
        return (
            f"With {done}{after} {between}h varies by {self.spread[-1]:.2g} from image to image; "
            f"after {len(known) - 1} epochs on the labels{why} {known[-1]:.0%} of the test "
            "images are right."
        )


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
) -> Iterator[Pretraining]:
    """Pretrain, perhaps shuffle, and fine-tune a net of 60 sigmoids a layer on digits.

    At most `depth` layers are pretrained; with nothing to pretrain for, none is. Fine-tuning ends
    where depth times epochs would pass 160. Raises ValueError where pretraining diverges.
    """
    done = min(layers, depth) if pretraining_epochs else 0
    # Where nothing is pretrained, nothing else about it decides.
    each, after = (pretraining_epochs, afterwards) if done else (0, "")
    start = Start(method, init, weight_scale, depth, done, each, after, seed)
    planned = min(epochs, 160 // depth)
    plain = greedy.measure(drawn_net(start), lab_data(method))
    for stack, _ in _stack(method, init, weight_scale, each, seed, done):
        if len(stack) < done:
            so_far = replace(start, layers=len(stack), afterwards="")
            yield _stage(so_far, plain, planned, epochs)
    stage, tuning = _stage(start, plain, planned, epochs), _tuning(start)
    while True:
        yield replace(stage, accuracy=_padded(tuning.accuracies, planned))
        if len(tuning.accuracies) > planned:
            return
        tuning.go_on()


def drawn_net(start: Start) -> MLP:
    """Draw the net of a start, before any pretraining; its biases are 0."""
    init = {"N(0, 1/n)": "1/fan_in", "Glorot": "glorot"}[start.init]
    scale, seed = start.weight_scale, start.seed
    return mlp(start.depth, WIDTH, output="sigmoid", init=init, weight_scale=scale, seed=seed)


def _stage(start: Start, plain: Trace, planned: int, asked: int) -> Pretraining:
    (network, stack), data = _begun(start), lab_data(start.method)
    seen, pictures = greedy.measure(network, data), _pictures(stack, start.method)
    known = _padded([greedy.accuracy(network, data)], planned)
    layers = seen.log_delta[:-1], plain.log_delta[:-1], seen.spread[:-1], plain.spread[:-1]
    return Pretraining(start, *layers, pictures, known, asked)


def _padded(known: Sequence[float], epochs: int) -> Array:
    found = np.full(epochs + 1, nan)
    found[: len(known)] = known[: epochs + 1]
    return found


# The nets and layers that are kept are shared: nobody may train them in place.


@kept(64)
def _stack(
    method: str, init: str, weight_scale: float, epochs: int, seed: int, count: int
) -> Iterator[tuple[tuple[Layer, ...], Array]]:
    """Pretrain the first layers, the same at any depth; yield them whenever there is one more.

    With them comes what they make of the training images.
    """
    stack: tuple[Layer, ...] = ()
    h = lab_data(method).x_train.numpy()
    if count:
        for stack, h in _stack(method, init, weight_scale, epochs, seed, count - 1):
            yield stack, h
        drawn = drawn_net(Start(method, init, weight_scale, count, 0, 0, "", seed))
        layer = greedy.layer_of(drawn, count - 1, h, linear=method == "autoencoder" and count == 1)
        last(greedy.learning(layer, h, method, epochs=epochs, seed=seed + count - 1))
        stack, h = (*stack, layer), layer.encode(h)
    yield stack, h


@lru_cache(maxsize=64)
def _begun(start: Start) -> tuple[MLP, list[Layer]]:
    """Return the net before fine-tuning, and its layers with what runs them backwards."""
    network = drawn_net(start)
    kind = (start.method, start.init, start.weight_scale, start.pretraining, start.seed)
    learned, h = last(_stack(*kind, start.layers))
    stack = []
    for index in range(start.depth):
        linear = start.method == "autoencoder" and index == 0
        own = greedy.layer_of(network, index, h, linear=linear)
        if index < start.layers:
            own = replace(own, offset=learned[index].offset)
            own.weight[...], own.bias[...] = learned[index].weight, learned[index].bias
        else:
            h = own.encode(h)
        stack.append(own)
    if start.afterwards.startswith("shuffle"):
        greedy.shuffle(network, start.layers, start.seed)
    if start.afterwards.endswith("centre"):
        greedy.centre(network, lab_data(start.method).x_train.numpy(), start.layers)
    return network, stack


class _Tuning:
    """The fine-tuning of a start, as far as anybody has asked: `accuracies` from epoch 0 on."""

    def __init__(self, start: Start) -> None:
        self.network, self.data, self.seed = _begun(start)[0], lab_data(start.method), start.seed
        self.accuracies = [greedy.accuracy(self.network, self.data)]

    def go_on(self) -> None:
        """Train for one more epoch; one that is interrupted leaves no trace."""
        network, number = deepcopy(self.network), len(self.accuracies)
        (found,) = greedy.descend(network, self.data, epochs=1, seed=self.seed, first_epoch=number)
        self.network, self.accuracies = network, [*self.accuracies, float(found)]


_tuning = lru_cache(maxsize=64)(_Tuning)


def _pictures(stack: Sequence[Layer], method: str) -> Array:
    """Return one training image of each digit and what each layer makes of it, in pixels."""
    data, pixels = lab_data(method), lab_data("RBM").x_train.numpy()
    rows = [int((data.y_train == digit).nonzero()[0]) for digit in range(6)]
    x = data.x_train.numpy()[rows]
    made = np.stack([greedy.reconstruct(stack, x, layer) for layer in range(len(stack) + 1)])
    if method == "autoencoder":
        made = made * pixels.std(0) + pixels.mean(0)
    return np.clip(made, 0.0, 1.0).reshape(len(made), -1, 8, 8)
