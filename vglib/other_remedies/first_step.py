"""What an optimiser makes of the gradient in its first step, and what it knows of the labels."""

from functools import lru_cache
from math import log, nan
from types import MappingProxyType

import numpy as np

from vglib.other_remedies.descent import BATCH, EPS, images, rule
from vglib.other_remedies.net import Array, Net, build
from vglib.results import result
from vglib.scaled import log_norm
from vglib.words import percent, power_of_ten

SHUFFLES = 5
INIT = MappingProxyType({"sigmoid": "1/fan_in", "tanh": "torch", "relu": "torch"})


def adam_first_step(g: Array, lr: float, eps: float = EPS) -> Array:
    """Return what Adam's first step subtracts: lr g / (|g| + eps)."""
    return lr * g / (np.abs(g) + eps)


@result
class Shuffled:
    """An untrained net, its gradient on one batch, and what dealing the labels out anew changes.

    With g' the gradient when the labels are dealt out to the images anew, means over SHUFFLES
    deals: `log_part`: (depth + 1,) ln ||g - g'|| / ||g||, the part that depends on which image has
    which label; `same`: (depth + 1,) share of weights that would move the same way. `log_spread`:
    (depth + 1,) ln of the spread over the data of what the layer reads, over its root mean square.
    """

    net: Net
    gradient: Array
    log_part: Array
    same: Array
    log_spread: Array


@result
class Updates:
    """One optimiser's first step, layer by layer, the readout last.

    `log_gradient`, `log_update`, `log_theory`: (depth + 1,) ln of ||dL/dW||, ||Delta W|| and of
    what the rule's formula without eps says.
    """

    optimiser: str
    depth: int
    log_gradient: Array
    log_update: Array
    log_theory: Array
    shuffled: Shuffled

    @property
    def verdict(self) -> str:
        """One sentence: gradient and step of the first and last hidden layer, and what is lost."""
        g = power_of_ten(float(self.log_gradient[0] - self.log_gradient[-2]))
        u = power_of_ten(float(self.log_update[0] - self.log_update[-2]))
        if not np.isfinite(self.log_update).any():
            return "the gradient is exactly 0 in every layer, and so is the step."
        short, tail = int(np.sum(self.log_update < self.log_theory - log(2))), ""
        if short:
            tail = f"; in {short} of {self.depth + 1} layers the gradient is so small that eps "
            tail += "holds the step back"
        part = power_of_ten(float(self.shuffled.log_part[-2]))
        return (
            f"{self.optimiser}: layer 1 over layer {self.depth} is {g} in the gradient and {u} in "
            f"the step{tail}; of layer {self.depth}'s gradient the part {part} depends on which "
            f"image has which label, and {percent(self.shuffled.same[-2])} of its weights would "
            "move the same way with the labels shuffled."
        )


@lru_cache(maxsize=16)
def shuffled(
    depth: int = 20, weight_scale: float = 1.0, activation: str = "sigmoid", seed: int = 0
) -> Shuffled:
    """Compare the gradient of a net that has not been trained with that for shuffled labels.

    64-50-...-50-10, digits, BATCH images, cross-entropy; sigmoid N(0, 1/n) without biases, tanh
    and ReLU torch's own scale with its biases; the weights times `weight_scale`.
    """
    net = build(depth, 50, activation, INIT[activation], weight_scale, seed)
    generator = np.random.default_rng(seed)
    x, y = images()
    rows = generator.permutation(len(x))[:BATCH]
    x, y = x[rows], y[rows]
    _, gradient = net.gradient(x, y)
    weights, _ = net.split(gradient)
    part, same = np.full((2, SHUFFLES, len(weights)), nan)
    for deal in range(SHUFFLES):
        _, other = net.gradient(x, y[generator.permutation(BATCH)])
        for i, (one, two) in enumerate(zip(weights, net.split(other)[0], strict=True)):
            # A weight behind a dead unit does not move at all, so it has no direction to keep.
            moving = (one != 0) | (two != 0)
            if moving.any():
                part[deal, i] = log_norm(one - two) - log_norm(one)
                same[deal, i] = np.mean(np.sign(one[moving]) == np.sign(two[moving]))
    spread = [log_norm(h - h.mean(0)) - log_norm(h) for h in net.forward(x)[:-1]]
    return Shuffled(net, gradient, part.mean(0), same.mean(0), np.array(spread))


def updates(
    optimiser: str = "Adam",
    lr: float = 0.01,
    depth: int = 20,
    weight_scale: float = 1.0,
    activation: str = "sigmoid",
    seed: int = 0,
) -> Updates:
    """Measure the first step of an optimiser on the net of `shuffled`."""
    start = shuffled(depth, weight_scale, activation, seed)
    by_weights, _ = start.net.split(start.gradient)
    steps, _ = start.net.split(rule(optimiser)()(start.gradient, lr))
    log_gradient, log_update = (np.array([*map(log_norm, of)]) for of in (by_weights, steps))
    log_theory = log(lr) + log_gradient
    if optimiser in ("Adam", "RMSprop"):
        first = lr if optimiser == "Adam" else 10 * lr
        with np.errstate(divide="ignore"):
            log_theory = log(first) + np.log([np.count_nonzero(g) for g in by_weights]) / 2
    return Updates(optimiser, depth, log_gradient, log_update, log_theory, start)
