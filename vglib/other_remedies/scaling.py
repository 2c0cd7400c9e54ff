"""The scale of inputs and labels in a deep net: before the first step, and in a short descent."""

from collections.abc import Iterator
from functools import lru_cache
from math import inf, isfinite, nan

import numpy as np

from vglib.activations import get_activation
from vglib.other_remedies.descent import images
from vglib.other_remedies.net import Array, Net, build, largest_curvature
from vglib.other_remedies.watched import side_by_side
from vglib.results import kept, last, result
from vglib.scaled import log_norm
from vglib.words import percent, power_of_ten

SCALED_STEPS = 100
SCALED_IMAGES = 100
# Input scale, offset, label scale.
Scales = tuple[float, float, float]
STANDARD: Scales = (1.0, 0.0, 1.0)


@result
class Rescaled:
    """A net before its first step on scaled data, and a short descent; the same on standard data.

    `log_delta`: (2, depth + 1) ln ||dL/dz|| on these data and on standard ones; `saturated`:
    (2, depth) share of a layer's units at which phi' is below a tenth of its maximum; `limits`:
    (2,) 2/lambda_max; `losses`: (2, SCALED_STEPS + 1), in units of the loss of always answering
    the mean label, inf from an overflow on, nan where the descent is not yet.
    """

    depth: int
    lr: float
    log_delta: Array
    saturated: Array
    limits: Array
    losses: Array

    @property
    def verdict(self) -> str:
        """One sentence: saturation, gradient, stability limit, and the descent."""
        size = power_of_ten(float(self.log_delta[0, 0] - self.log_delta[1, 0]))
        steps = int((~np.isnan(self.losses)).all(0).sum()) - 1
        end, standard_end = self.losses[:, steps]
        times = f"is {end:.2g} times that of always answering the mean label"
        first, second = (f"{x:.2g}" if isfinite(x) else "0 (overflow)" for x in self.limits)
        return (
            f"layer 1 is {percent(self.saturated[0, 0])} saturated (standard data "
            f"{percent(self.saturated[1, 0])}), its gradient {size} times as long; stable up to "
            f"a step size of {first} (standard {second}), and {steps} steps of {self.lr:.2g} on, "
            f"the loss {times if isfinite(end) else 'overflows'} (standard {standard_end:.2g})."
        )


def _start(
    data: Scales, activation: str, depth: int, weight_scale: float, seed: int
) -> tuple[Net, Array, Array]:
    """Return a net, SCALED_IMAGES digits as input_scale (standardised + offset), and labels."""
    input_scale, offset, label_scale = data
    init = "he" if activation == "relu" else "glorot"
    net = build(depth, 30, activation, init, weight_scale, seed, "squared error")
    x, y = (part[:SCALED_IMAGES] for part in images())
    return net, input_scale * (x + offset), label_scale * np.eye(10)[y]


@lru_cache(maxsize=32)
def _before(
    data: Scales, activation: str, depth: int, weight_scale: float, seed: int
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    net, x, y = _start(data, activation, depth, weight_scale, seed)
    is_saturated = get_activation(activation).saturated
    with np.errstate(all="ignore"):
        slopes = net.slopes(net.forward(x))
        saturated = tuple(float(np.mean(is_saturated(slope))) for slope in slopes)
        log_delta = tuple(log_norm(delta) for delta in net.deltas(x, y))
        curvature = largest_curvature(net, x, y)
    return log_delta, saturated, 2 / curvature if curvature > 0 else nan


@kept(256)
def descent(
    data: Scales, activation: str, depth: int, weight_scale: float, lr: float, seed: int
) -> Iterator[Array]:
    """Descend on all images at once; yield `losses` of `Rescaled`, first before the first step."""
    net, x, y = _start(data, activation, depth, weight_scale, seed)
    unit, losses = y.var(0).mean(), np.full(SCALED_STEPS + 1, nan)
    for place, step in enumerate(net.descend([(x, y)] * len(losses), lr=lr)):
        losses[place] = step.loss / unit
        if step.why:
            losses[place:] = inf
        if step.why or place % 10 == 0:
            yield losses.copy()


def best_scaled_loss(input_scale: float, offset: float, label_scale: float, seed: int) -> float:
    """Return the lowest loss after SCALED_STEPS over step sizes 10^-6 .. 1, three tanh layers."""
    rates = [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0]
    data = (input_scale, offset, label_scale)
    return min(float(last(descent(data, "tanh", 3, 1.0, lr, seed))[-1]) for lr in rates)


def rescaling(
    input_scale: float = 1.0,
    offset: float = 0.0,
    label_scale: float = 1.0,
    activation: str = "tanh",
    depth: int = 3,
    weight_scale: float = 1.0,
    lr: float = 0.5,
    seed: int = 0,
) -> Iterator[Rescaled]:
    """Look at a net on digits with other input and label scales, before and in a short descent.

    64-30-...-30-10, squared error, Glorot (ReLU: He) times the weight scale, zero biases, inputs
    input_scale (standardised + offset), labels label_scale times one-hot, full batch.
    """
    both, net = ((input_scale, offset, label_scale), STANDARD), (activation, depth, weight_scale)
    starts = [_before(data, *net, seed) for data in both]
    log_delta, saturated, limits = (np.array(part) for part in zip(*starts, strict=True))
    for losses in side_by_side(*(descent(data, *net, lr, seed) for data in both)):
        yield Rescaled(depth, lr, log_delta, saturated, limits, np.array(losses))
