"""What an exponential costs: times of a layer's parts and of training steps, on this machine."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import sqrt
from timeit import timeit

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.words import percent

WIDTHS = (32, 64, 128, 256, 512, 1024)


@result
class LayerTime:
    """Seconds of a layer's parts, (rounds,) each, in float32 on this machine."""

    width: int
    batch: int
    seconds: Mapping[str, Array]

    def shares(self, activation: str) -> Array:
        """Return, round by round, the activation's share of matrix product plus activation."""
        own = self.seconds[activation]
        return own / (own + self.seconds["matrix product"])

    def share(self, activation: str) -> float:
        """Return the median of `shares`."""
        return float(np.median(self.shares(activation)))


def _rounds(multiply_adds: float, seconds: float) -> int:
    """Return how many rounds fit, if a core does about 2e10 multiply-adds a second."""
    return max(5, min(31, int(seconds * 2e10 / multiply_adds)))


def time_layer(width: int, batch: int) -> LayerTime:
    """Time x W^T + b and the activations, (batch, width) each, in rounds that alternate."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, width, generator=generator)
    weight = torch.randn(width, width, generator=generator) / sqrt(width)
    bias = torch.zeros(width)
    z = F.linear(x, weight, bias)
    parts: dict[str, Callable[[], Tensor]] = {"matrix product": lambda: F.linear(x, weight, bias)}
    parts |= {f.__name__: partial(f, z) for f in (torch.sigmoid, torch.tanh, torch.relu)}
    # Very short calls are repeated, so that the clock's own cost does not count.
    calls = max(1, int(2e5 / (batch * width)))
    rounds = _rounds(calls * batch * width * (width + 300), 0.06)
    taken = [[timeit(part, number=calls) / calls for part in parts.values()] for _ in range(rounds)]
    return LayerTime(width, batch, dict(zip(parts, np.array(taken).T, strict=True)))


def step_ratios(width: int, batch: int) -> Array:
    """Return, round by round, the time of a sigmoid net's training step over a ReLU net's.

    Forward and backward through 2 layers in float32: whatever else a step costs is in both.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, width, generator=generator)
    draws = torch.randn(2, width, width, generator=generator) / sqrt(width)
    weights = [draw.requires_grad_() for draw in draws]

    def step(function: Callable[[Tensor], Tensor]) -> None:
        h = x
        for weight in weights:
            h = function(F.linear(h, weight))
        torch.autograd.grad(h.sum(), weights)

    step(torch.sigmoid)
    steps, rounds = (torch.sigmoid, torch.relu), _rounds(12 * batch * width * (width + 300), 0.3)
    taken = [[timeit(partial(step, f), number=1) for f in steps] for _ in range(rounds)]
    slow, fast = np.array(taken).T
    return slow / fast


@result
class Cost:
    """The times of a layer over the widths, and at the chosen width the whole step's ratio.

    `sweep` holds the widths timed so far, in order; `ratios` is empty until it is measured.
    """

    sweep: tuple[LayerTime, ...]
    chosen: LayerTime
    ratios: Array

    @property
    def verdict(self) -> str:
        """One sentence that follows the measurement: share of a layer, ratio of a step."""
        share, relu = self.chosen.share("sigmoid"), self.chosen.share("relu")
        low, high = np.quantile(self.chosen.shares("sigmoid"), [0.25, 0.75])
        word = "small" if share < 0.05 else "noticeable" if share < 0.25 else "large"
        step = "is still to be timed."
        if len(self.ratios):
            fast, middle, slow = np.quantile(self.ratios, [0.25, 0.5, 0.75])
            step = f"takes {middle:.2f} times as long as with ReLU ({fast:.2f} to {slow:.2f})."
        return (
            f"{word}: at width {self.chosen.width}, batch {self.chosen.batch}, the sigmoid takes "
            f"{percent(share)} of its layer's forward time (middle half of the rounds: "
            f"{percent(low)} to {percent(high)}), ReLU {percent(relu)}; a training step {step}"
        )


@kept(64)
def timing(width: int = 100, batch: int = 128, seed: int = 0) -> Iterator[Cost]:
    """Time the layers here and now; `seed` numbers the measurement, so that another one differs.

    Yields the chosen width, then the whole step, then one width of the sweep after another. The
    sweep of a batch and a seed is taken once for all chosen widths.
    """
    chosen = time_layer(width, batch)
    yield Cost((), chosen, np.array([]))
    ratios = step_ratios(width, batch)
    for sweep in _sweep(batch, seed):
        yield Cost(sweep, chosen, ratios)


cost = at_its_end(timing)


@kept(64)
def _sweep(batch: int, seed: int) -> Iterator[tuple[LayerTime, ...]]:
    done: tuple[LayerTime, ...] = ()
    for width in WIDTHS:
        done += (time_layer(width, batch),)
        yield done
