"""A ruling from one step size, and from a grid: two small nets compared at many rates and seeds."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib.activations import get_activation
from vglib.checks import require
from vglib.data import digits
from vglib.probe import Array
from vglib.results import at_its_end, frozen, result
from vglib.weather import one_thread
from vglib.words import count

RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SEEDS, STEPS, BATCH = 9, 100, 20
SIZES = (64, 20, 20, 10)
NETS = ("sigmoid", "relu")
AHEAD = 0.1


@result
class Turning:
    """Test accuracy of two nets by rate and seed, and what a court would say of it.

    `accuracy: (2, rates, seeds)`, sigmoid first; nan where nothing is yet. `rate` is the one
    chosen and `seeds` how many count; with `grid` each net has its best rate.
    """

    accuracy: Array
    rate: float
    seeds: int
    grid: bool

    @property
    def medians(self) -> Array:
        """The median over the seeds that count, (2, rates)."""
        return np.median(self.accuracy[..., : self.seeds], axis=-1)

    @property
    def leads(self) -> Array:
        """By how much ReLU leads at each rate, (rates,)."""
        return self.medians[1] - self.medians[0]

    @property
    def best_lead(self) -> float:
        """By how much ReLU leads, each net at its best rate."""
        best = self.medians.max(axis=1)
        return float(best[1] - best[0])

    @property
    def lead(self) -> float:
        """The lead that is ruled on."""
        return self.best_lead if self.grid else float(self.leads[RATES.index(self.rate)])

    @property
    def ruling(self) -> str:
        """What follows from the lead alone for “ReLU learns and the sigmoid does not”."""
        if self.lead > AHEAD:
            return "holds"
        why = "it is the other way round" if self.lead < -AHEAD else "both do, or neither"
        return f"is refuted ({why})"

    @property
    def verdict(self) -> str:
        """One sentence: where it was tried, the lead, and the ruling that would follow."""
        if np.isnan(self.accuracy).any():
            return "The nets are being trained."
        where = f"each at its best of {len(RATES)} rates" if self.grid else f"at rate {self.rate:g}"
        way = "ahead" if self.lead >= 0 else "behind"
        told = f"ReLU is {100 * abs(self.lead):.0f} points {way}"
        seeds = count(self.seeds, "seed")
        return f"{where}, {seeds}: {told}, so “ReLU learns and the sigmoid does not” {self.ruling}."


def turning(rate: str = "0.1", seeds: int = 1, grid: bool = False) -> Iterator[Turning]:
    """Compare a ReLU net from He and a sigmoid net from Glorot at one rate, or on a grid of rates.

    Digits, 64-20-20-10, biases start at 0, cross-entropy, SGD, batch 20, 100 steps. Yields the
    sigmoids first. Raises ValueError for a rate that is not in `RATES`, or more seeds than SEEDS.
    """
    names = {f"{known:g}": known for known in RATES}
    require("rate", rate, rate in names, f"one of {', '.join(names)}")
    require("seeds", seeds, seeds in range(1, SEEDS + 1), f"from 1 to {SEEDS}")
    table = np.full((2, len(RATES), SEEDS), np.nan)
    for at, name in enumerate(NETS):
        table[at] = accuracies(name)
        yield Turning(table.copy(), names[rate], seeds, grid)


turned = at_its_end(turning)


@lru_cache(maxsize=8)
def accuracies(activation: str, first_seed: int = 0, seeds: int = SEEDS) -> Array:
    """Train a net at each rate from each seed, all at once; return test accuracies (rates, seeds).

    ReLU starts from He's weights, another activation from Glorot's. Accuracies are those after the
    last step; a net that has overflowed guesses.
    """
    data, phi = digits(torch.float32), get_activation(activation)
    weights, orders = [], []
    for seed in range(first_seed, first_seed + seeds):
        generator = torch.Generator().manual_seed(seed)
        weights.append([_draw(activation, n, m, generator) for n, m in pairwise(SIZES)])
        orders.append(torch.randint(len(data.x_train), (STEPS, BATCH), generator=generator))
    # One net a pair of rate and seed, the seeds of a rate side by side.
    layers = [torch.stack([w[i] for w in weights]).repeat(len(RATES), 1, 1) for i in range(3)]
    biases = [torch.zeros(len(w), 1, w.shape[-1]) for w in layers]
    rows = torch.stack(orders).repeat(len(RATES), 1, 1)
    rates = torch.tensor(RATES, dtype=torch.float32).repeat_interleave(seeds)[:, None, None]
    parameters = [*layers, *biases]
    for p in parameters:
        p.requires_grad_()

    def outputs(x: Tensor) -> Tensor:
        h = x
        for i, (weight, bias) in enumerate(zip(layers, biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            h = phi.function(h) if i < 2 else h
        return h

    with one_thread():
        for step in range(STEPS):
            batch = rows[:, step]
            out = outputs(data.x_train[batch])
            # A sum over nets, so that each has the gradient of its own mean.
            loss = cross_entropy(out.flatten(0, 1), data.y_train[batch].flatten(), reduction="sum")
            grads = torch.autograd.grad(loss / BATCH, parameters)
            with torch.no_grad():
                for p, g in zip(parameters, grads, strict=True):
                    p -= rates * g
        with torch.no_grad():
            shown = outputs(data.x_test.expand(len(rows), -1, -1))
            right = (shown.argmax(-1) == data.y_test).double().mean(-1)
    return frozen(right.numpy().reshape(len(RATES), seeds))


def _draw(activation: str, n: int, m: int, generator: torch.Generator) -> Tensor:
    variance = 2 / n if activation == "relu" else 2 / (n + m)
    return sqrt(variance) * torch.randn(n, m, generator=generator)


def fair_lead(seed: int) -> float:
    """Return ReLU's lead over the sigmoid from one seed, each at its best rate."""
    best = [accuracies(name, seed, 1).max() for name in NETS]
    return float(best[1] - best[0])


def spread_of_seeds(seed: int) -> float:
    """Return how far apart nine seeds of the ReLU net end at rate 1."""
    at_one = accuracies("relu", SEEDS * seed)[RATES.index(1.0)]
    return float(at_one.max() - at_one.min())
