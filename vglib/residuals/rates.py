"""Which step size for which depth: branches of scale 1 and of scale 1/sqrt L, rates swept."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from math import inf, isfinite, log10, nan, sqrt

import numpy as np

from vglib.checks import require, whole
from vglib.residuals.blocks import build, digit_arrays
from vglib.residuals.net import Net, training
from vglib.residuals.stack import Array
from vglib.results import last, result
from vglib.words import count, number

# Of the lab, which is to be quick, and of the measurement.
RATES = (1e-4, 1e-3, 0.01, 0.1, 10**-0.5)
FINE = tuple(10 ** (-k / 2) for k in range(10, 1, -1))
SHALLOW, RATE_STEPS, _WIDTH = 4, 12, 32
SCALES = ("α = 1", "α = 1/√L")


@lru_cache(maxsize=512)
def final_loss(
    depth: int, scale: str, lr: float, steps: int, weight_scale: float = 1.0, seed: int = 0
) -> float:
    """Return the loss of h + alpha W relu(h) on digits, mean of the last 5 steps; inf if it broke.

    Width 32, He's weights, cross-entropy, SGD with momentum 0.9, batch 32; alpha by `SCALES`.
    """
    alpha = 1 / sqrt(depth) if scale == SCALES[1] else 1.0
    stack = build("pre-activation", depth, _WIDTH, alpha, weight_scale, "relu", seed)
    # Without the last of what it gives, which judges the net on all images.
    seen = last(
        islice(training(Net.start(stack, seed), digit_arrays(), lr, steps, seed=seed), steps)
    )
    loss = float(seen.losses[-5:].mean())
    return loss if seen.broke_at is None and isfinite(loss) else inf


def log_best_rate(depth: int, scale: str, seed: int, steps: int = 60) -> float:
    """Return log10 of the rate with the lowest loss, of nine from 10^-5 to 0.1, a sqrt 10 apart."""
    return log10(min(FINE, key=lambda lr: final_loss(depth, scale, lr, steps, seed=seed)))


@result
class Rates:
    """Losses at each of `RATES`, of `SHALLOW` blocks and of `depth`, by scale; nan: not yet.

    `shallow[scale]`, `deep[scale]`: (rates,), inf where the training broke.
    """

    depth: int
    steps: int
    shallow: Mapping[str, Array]
    deep: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the best rate of either depth, for either scale."""
        parts = [
            f"with {scale} the best step size is {_best(self.shallow[scale])} for "
            f"{count(SHALLOW, 'block')} and {_best(self.deep[scale])} for {self.depth}"
            for scale in SCALES
        ]
        return f"after {count(self.steps, 'step')}, {'; '.join(parts)}."


def _best(losses: Array) -> str:
    good = np.where(np.isfinite(losses), losses, inf)
    return number(RATES[int(good.argmin())]) if good.min() < inf else "none so far"


def sweeping(depth: int = 16, weight_scale: float = 1.0, seed: int = 0) -> Iterator[Rates]:
    """Train with both scales at each of `RATES`; fewer than 12 steps where the net is deep."""
    require("depth", depth, whole(depth, 1), "a whole number, 1 or more")
    steps = max(6, min(RATE_STEPS, 120 // depth))
    shallow, deep = (np.full((len(SCALES), len(RATES)), nan) for _ in range(2))
    for place, lr in enumerate(RATES):
        for row, scale in enumerate(SCALES):
            shallow[row, place] = final_loss(SHALLOW, scale, lr, steps, weight_scale, seed)
            deep[row, place] = final_loss(depth, scale, lr, steps, weight_scale, seed)
        pairs = [dict(zip(SCALES, rows.copy(), strict=True)) for rows in (shallow, deep)]
        yield Rates(depth, steps, *pairs)
