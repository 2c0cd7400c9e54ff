"""muP: how starts and rates must change with the width, so that one best rate serves all widths."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf, log, log2, sqrt
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vglib.checks import one_of, require, whole
from vglib.data import digits
from vglib.learn import adam
from vglib.networks import get_initialization, stream
from vglib.probe import Array
from vglib.results import at_its_end, frozen, kept, result
from vglib.weather import one_thread
from vglib.words import count, number

KINDS = ("standard", "muP")
LAYERS = ("layer 1", "layer 2", "readout")
BASE = 16
RATES: Array = np.exp2(np.arange(-11.0, -2.0))
WIDTHS = (16, 32, 64, 128, 256)
STEPS, CHECKED = 20, 3
_FEATURES, _CLASSES, _ROWS = 64, 10, 32
_HELD_OUT = 256


@result
class Sweep:
    """A net's loss after training at nine rates, at the base width and at another; its check.

    `rates`, `base`, `losses`: (9,), the rates and the losses at the base width of 16 and at
    `width`, `taken` steps in; `widths`: (n,); `changes`: (3, n), for each layer, the readout last,
    the ln of the root mean square by which three steps at `rate` change its pre-activations.
    """

    kind: str
    width: int
    rate: float
    taken: int
    rates: Array
    base: Array
    losses: Array
    widths: Array
    changes: Array

    @property
    def exponents(self) -> Array:
        """The powers of the width by which the changes grow, (3,): slopes of ln over ln."""
        return exponents(self.widths, self.changes)

    @property
    def verdict(self) -> str:
        """One sentence: the best rate at both widths, and the powers of the width."""
        second, readout = (f"n^{power:.2f}" for power in self.exponents[1:])
        grow = f"at a rate of {self.rate:.2g} layer 2 moves like {second}, the readout {readout}"
        if self.taken < STEPS:
            return f"so far, {self.kind}: {grow}; {self.taken} of {STEPS} steps are taken."
        best = [
            f"2^{round(log2(best_rate(self.rates, line)))}" for line in (self.base, self.losses)
        ]
        end = number(float(np.nanmin(self.losses)))
        return (
            f"{self.kind}, {count(STEPS, 'step')}: the best of nine rates is {best[0]} at width "
            f"{BASE} and {best[1]} at width {self.width}, where the loss comes to {end}; {grow}."
        )


def exponents(widths: Sequence[float] | Array, changes: Array) -> Array:
    """Return the powers of the width by which changes grow, (layers,), of their ln (layers, n)."""
    return np.asarray(np.polyfit(np.log(widths), changes.T, 1)[0])


def rules(kind: str, width: int, base: int = BASE) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return by what a width multiplies the start and the rate of layer 1, layer 2 and readout.

    standard: by 1. muP, for Adam: the rates of layer 2 and readout by base/width, the readout's
    start by sqrt(base/width), so that its variance goes like 1/width^2.
    Source: Yang et al. 2022 (arXiv 2203.03466), table 3. Raises ValueError for another kind.
    """
    one_of("parametrisation", kind, KINDS)
    narrower = base / width if kind == "muP" else 1.0
    return (1.0, 1.0, sqrt(narrower)), (1.0, narrower, narrower)


class Nets:
    """Equal nets side by side, one for each rate: two hidden layers of ReLUs, without biases.

    Weights by He, the readout's with variance 1/n, times `rules`; Adam on cross-entropy.
    """

    def __init__(
        self, kind: str, width: int, rates: Sequence[float] | Array, seed: int, base: int = BASE
    ) -> None:
        starts, speeds = rules(kind, width, base)
        fans = ((_FEATURES, width), (width, width), (width, _CLASSES))
        schemes = ("he", "he", "1/fan_in")
        column = np.asarray(rates, dtype=np.float32)[:, None, None]
        self.weights: list[Tensor] = []
        for layer, (scheme, fan, start) in enumerate(zip(schemes, fans, starts, strict=True)):
            drawn = start * get_initialization(scheme).draw(*fan, stream(seed, layer))
            self.weights.append(drawn.float().T.repeat(len(column), 1, 1).requires_grad_())
        self._rates = [column * np.float32(speed) for speed in speeds]
        self._steps = [adam() for _ in self.weights]

    def pre_activations(self, x: Tensor) -> list[Tensor]:
        """Return z of each layer, (nets, batch, units), the logits last."""
        h, found = x.expand(len(self.weights[0]), *x.shape), []
        for weight in self.weights:
            found.append(h @ weight)
            h = F.relu(found[-1])
        return found

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Return each net's cross-entropy, (nets,)."""
        logits = self.pre_activations(x)[-1].transpose(1, 2)
        return F.cross_entropy(logits, y.expand(len(logits), -1), reduction="none").mean(1)

    def step(self, x: Tensor, y: Tensor) -> None:
        """Take a step of Adam on a batch."""
        gradients = torch.autograd.grad(self.losses(x, y).sum(), self.weights)
        with torch.no_grad():
            for weight, g, rate, step in zip(
                self.weights, gradients, self._rates, self._steps, strict=True
            ):
                # A step of the core takes one rate; here it is a column with one for each net.
                weight -= torch.from_numpy(rate * step(g.numpy(), 1.0))


def training(
    kind: str,
    width: int,
    rates: Sequence[float] | Array,
    seed: int = 0,
    *,
    base: int = BASE,
    steps: int = STEPS,
    rows: int = _ROWS,
    looks: int = 4,
) -> Iterator[tuple[int, Array]]:
    """Train a net at each rate, and yield steps taken and losses on 256 other digits, (rates,).

    Batches of `rows` digits, the same ones at every width and rate.
    """
    data, nets = digits(torch.float32), Nets(kind, width, rates, seed, base)
    x, y = data.x_train[:-_HELD_OUT], data.y_train[:-_HELD_OUT]
    chosen = torch.randint(len(x), (steps, rows), generator=stream(seed, len(nets.weights)))
    every = max(1, steps // looks)
    for taken, batch in enumerate(chosen, start=1):
        with one_thread(), np.errstate(all="ignore"):
            nets.step(x[batch], y[batch])
            if taken % every == 0 or taken == steps:
                with torch.no_grad():
                    seen = nets.losses(data.x_train[-_HELD_OUT:], data.y_train[-_HELD_OUT:])
                yield taken, seen.double().numpy()


def best_rate(rates: Array, losses: Array) -> float:
    """Return the rate with the lowest loss; a loss that is no number is the worst."""
    return float(rates[np.where(np.isnan(losses), inf, losses).argmin()])


def shift(kind: str, narrow: int, wide: int, seed: int = 0, **options: int) -> float:
    """Return log2 of the best rate at the wide net over that at the narrow one, of nine rates."""
    found = []
    for width in (narrow, wide):
        *_, (_, losses) = training(kind, width, RATES, seed, base=narrow, **options)
        found.append(best_rate(RATES, losses))
    return log2(found[1] / found[0])


@lru_cache(maxsize=64)
def changes(
    kind: str, rate: float, seed: int = 0, widths: tuple[int, ...] = WIDTHS, steps: int = CHECKED
) -> Array:
    """Return the ln of the root mean square change of each layer's pre-activations, (3, widths).

    The coordinate check: the change after a few steps on one batch, over the width.
    Source: Yang et al. 2022 (arXiv 2203.03466), appendix D.1 and figure 5.
    """
    data, lines = digits(torch.float32), []
    x, y = data.x_train[:_ROWS], data.y_train[:_ROWS]
    for width in widths:
        nets = Nets(kind, width, [rate], seed)
        with one_thread(), np.errstate(all="ignore"):
            before = [z.detach() for z in nets.pre_activations(x)]
            for _ in range(steps):
                nets.step(x, y)
            after = nets.pre_activations(x)
        pairs = zip(before, after, strict=True)
        lines.append([log(float((b - a).detach().square().mean().sqrt())) for a, b in pairs])
    return cast(Array, frozen(np.array(lines).T))


@lru_cache(maxsize=32)
def _at_base(seed: int) -> Array:
    *_, (_, losses) = training("standard", BASE, RATES, seed)
    return losses


@kept(64)
def _losses(kind: str, width: int, seed: int) -> Iterator[tuple[int, Array]]:
    yield from training(kind, width, RATES, seed)


def sweeping(
    kind: str = "standard", width: int = 128, rate: float = 2.0**-9, seed: int = 0
) -> Iterator[Sweep]:
    """Train nets of two hidden layers, 16 wide and `width` wide, 20 steps at nine rates.

    Yields what there is so far. Raises ValueError for a kind that is none, a width outside
    16..256, or a rate that is not positive and finite.
    """
    one_of("parametrisation", kind, KINDS)
    known = whole(width, BASE) and width <= WIDTHS[-1]
    require("width", width, known, f"a whole number from {BASE} to {WIDTHS[-1]}")
    require("rate", rate, 0 < rate < inf, "a positive finite number")
    checked, base = changes(kind, rate, seed), _at_base(seed)
    widths = np.array(WIDTHS, dtype=float)
    for taken, losses in _losses(kind, width, seed):
        yield Sweep(kind, width, rate, taken, RATES, base, losses, widths, checked)


sweep = at_its_end(sweeping)
