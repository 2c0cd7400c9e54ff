"""Units that are off for all of the data: how many die in a training, and who comes back."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import MLP, mlp
from vglib.probe import Array, trace
from vglib.results import last, result
from vglib.training import MakeOptimizer, fitting

# Fused, a step takes a third of the time.
_adam = partial(torch.optim.Adam, fused=True)
OPTIMIZERS: dict[str, Literal["sgd"] | MakeOptimizer] = {"SGD": "sgd", "Adam": _adam}


@torch.no_grad()
def off_units(network: MLP, x: Tensor) -> list[NDArray[np.bool_]]:
    """Mark in each hidden layer the units whose pre-activation is <= 0 for every row of x."""
    h, off = x, []
    for weight, bias in list(zip(network.weights, network.biases, strict=True))[:-1]:
        z = torch.addmm(bias, h, weight.T)
        off.append((z.amax(0) <= 0).numpy())
        h = network.activation.function(z)
    return off


# The net of the trainings: hidden layers of 100 by He.
_he = partial(mlp, width=100, init="he")


def off_at_start(init: str, layer: int = 10, seed: int = 0) -> float:
    """Return the share of a hidden layer's ReLUs that a fresh net has off for all training images.

    Width 100; biases are the initialisation's own.
    """
    network = mlp(layer, 100, activation="relu", init=init, seed=seed)
    return float(off_units(network, digits().x_train)[-1].mean())


def zero_share(init: str = "he", depth: int = 2, seed: int = 0) -> float:
    """Return the share of (unit, image) pairs of a fresh ReLU net that are in the negative half."""
    network, data = mlp(depth, 100, activation="relu", init=init, seed=seed), digits()
    return float(trace(network, data.x_train, data.y_train, cross_entropy).zero[:-1].mean())


@result
class Watched:
    """Units that are off in the course of a training, as far as it has come.

    `off_10`, `off_all` (n_records, depth) are the shares of each hidden layer's units that are <= 0
    for each of 10 images, and for each of all `n_images` training images; `steps`, `test_accuracy`
    are (n_records,). `total` is the number of steps that the training takes; `overflows` says what
    became of a loss that left the finite numbers, and is empty while it has not.
    """

    activation: str
    n_images: int
    total: int
    overflows: str
    steps: Array
    test_accuracy: Array
    off_10: Array
    off_all: Array


class Dying(Watched):
    """Watched for units that die."""

    @property
    def worst_layer(self) -> int:
        """The layer with most units off for all images by now; of equals the last."""
        return self.off_all.shape[1] - int(self.off_all[-1, ::-1].argmax())

    @property
    def verdict(self) -> str:
        """The two shares in the worst layer, and the accuracy, after the steps taken."""
        if self.overflows:
            return self.overflows
        few, every = (off[-1, self.worst_layer - 1] for off in (self.off_10, self.off_all))
        end = f"test accuracy {self.test_accuracy[-1]:.0%} after {self.steps[-1]:.0f} steps."
        batch = f"in layer {self.worst_layer}, {few:.0%} of the units are off for 10 images,"
        if every == 0:
            return f"{batch} none for all {self.n_images}: none is dead; {end}"
        fate = "these are dead" if self.activation == "relu" else "yet their slope is not 0"
        return f"{batch} {every:.0%} for all {self.n_images} training images: {fate}; {end}"


class Knock(Watched):
    """Watched for units that come back, after the last hidden layer was knocked out."""

    @property
    def verdict(self) -> str:
        """How many of its units came back, and what the net has learned."""
        if self.overflows:
            return self.overflows
        back = round(100 * (self.off_all[0, -1] - self.off_all[-1, -1]))
        word = f"{back} of 100 units are back" if back else "no unit is back"
        return (
            f"{self.activation}: with its last hidden layer off for every image, after "
            f"{self.steps[-1]:.0f} steps {word}; test accuracy {self.test_accuracy[-1]:.0%}."
        )


W = TypeVar("W", bound=Watched)


def _watched(
    kind: type[W], network: MLP, records: int, lr: float, optimizer: str, seed: int
) -> Iterator[W]:
    """Train as `dying` says; yield what was seen so far, at records evenly spaced and the end."""
    data, depth = digits(), network.depth
    steps = 600 if depth <= 3 else 2400 // (depth + 1)
    seen: dict[int, tuple[Any, ...]] = {}
    images = (data.x_train[:10], data.x_train)
    rule: dict[str, Any] = {"lr": lr, "optimizer": OPTIMIZERS[optimizer], "batch": 32, "seed": seed}
    rule["record_at"] = [round(s) for s in np.linspace(0, steps, records)]
    for training in fitting(network, data, loss=cross_entropy, steps=steps, probe_size=10, **rule):
        off = [[float(layer.mean()) for layer in off_units(network, x)] for x in images]
        seen[training.step] = (training.records[-1].test_accuracy, *off)
        accuracies, *shares = map(np.array, zip(*seen.values(), strict=True))
        taken, total, broke = np.array([*seen], dtype=float), steps, ""
        if training.stopped:
            total = training.step
            broke = f"overflows: after step {total - 1} the loss is no longer a finite number."
        name, n_images = network.activation.name, len(data.x_train)
        yield kind(name, n_images, total, broke, taken, accuracies, *shares)


def dying(
    lr: float = 0.1,
    optimizer: str = "SGD",
    activation: str = "relu",
    depth: int = 2,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Iterator[Dying]:
    """Train on digits (cross-entropy, batch 32, He, width 100) and count the units that are off.

    600 steps; beyond three hidden layers fewer, to stay quick. Yields what was counted so far.
    """
    network = _he(depth, activation=activation, weight_scale=weight_scale, seed=seed)
    return _watched(Dying, network, 25, lr, optimizer, seed)


def dead_share(
    lr: float, optimizer: str = "SGD", activation: str = "relu", seed: int = 0
) -> tuple[float, float]:
    """Return the share of layer 2 off for all training images, and the accuracy, at the end.

    The net is that of `dying` with two hidden layers, after 600 steps.
    """
    network = _he(2, activation=activation, seed=seed)
    end = last(_watched(Dying, network, 1, lr, optimizer, seed))
    return float(end.off_all[-1, 1]), float(end.test_accuracy[-1])


def dead_of_net(lr: float, seed: int = 0) -> float:
    """Return the share of that net's hidden units, both layers, that is dead, as `dead_share`."""
    network = _he(2, activation="relu", seed=seed)
    return float(last(_watched(Dying, network, 1, lr, "SGD", seed)).off_all[-1].mean())


def knock(
    activation: str = "relu",
    margin: float = 1.0,
    depth: int = 2,
    weight_scale: float = 1.0,
    lr: float = 0.3,
    seed: int = 0,
) -> Iterator[Knock]:
    """Shift the last hidden layer's biases until every unit is off for every image, and train.

    A unit's largest pre-activation over the training images becomes -margin. The training is that
    of `dying`, by SGD. Yields what was seen so far.
    """
    network = _he(depth, activation=activation, weight_scale=weight_scale, seed=seed)
    with torch.no_grad():
        h = digits().x_train
        for weight in network.weights[:-2]:
            h = network.activation.function(h @ weight.T)
        network.biases[-2].copy_(-margin - (h @ network.weights[-2].T).amax(0))
    return _watched(Knock, network, 15, lr, "SGD", seed)


def woken(activation: str, lr: float, seed: int = 0) -> float:
    """Return the share of the last hidden layer that is back after `knock` and its training."""
    end = last(knock(activation, lr=lr, seed=seed))
    return float(end.off_all[0, -1] - end.off_all[-1, -1])
