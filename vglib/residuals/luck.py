"""How often a random block cancels the gradient that comes through its skip."""

from math import sqrt

import numpy as np
from scipy.stats import ncx2

from vglib.residuals.stack import Array
from vglib.results import result
from vglib.words import count, percent


@result
class Luck:
    """What one block leaves of a gradient: ||(I + J)^T delta|| / ||delta||, over random draws.

    J = (1 - towards) alpha W - towards I, W ~ N(0, 1/width) times the weight scale.
    `factors: (draws,)` sorted; `grid`, `share`: theory's P(factor < grid); `singular: (width,)`
    singular values of one I + J, falling; `bound`: (1 - towards)(1 -+ 2 alpha scale), at least 0.
    """

    width: int
    towards: float
    factors: Array
    grid: Array
    share: Array
    singular: Array
    bound: tuple[float, float]
    below_half: float

    @property
    def measured_below_half(self) -> float:
        """The share of draws in which more than half of the gradient's length is lost."""
        return float((self.factors < 0.5).mean())

    @property
    def verdict(self) -> str:
        """One sentence: how often more than half is lost, and what the worst direction keeps."""
        if self.towards == 1:
            return (
                "all −1: the branch is minus its input, J = −I, and of the gradient exactly 0 is "
                "left."
            )
        return (
            f"{count(self.width, 'unit')}: a block leaves {np.median(self.factors):.3g} of the "
            f"gradient's length as a median, less than half of it in "
            f"{percent(self.measured_below_half)} of the draws (theory "
            f"{percent(self.below_half)}); in one draw the worst direction keeps "
            f"{self.singular[-1]:.2g}."
        )


def luck(
    width: int, alpha: float = 1.0, towards: float = 0.0, weight_scale: float = 1.0, seed: int = 0
) -> Luck:
    """Draw blocks with a linear branch and see what they leave of a random gradient."""
    generator = np.random.default_rng(seed)
    scale, rest = alpha * weight_scale, 1 - towards
    draws = max(100, min(2000, 1_000_000 // width**2))
    w = generator.standard_normal((draws, width, width)) / sqrt(width)
    delta = generator.standard_normal((draws, width))
    # With J = (1 - t) alpha W - t I the sum I + J is (1 - t)(I + alpha W).
    back = rest * (delta + scale * np.einsum("bij,bi->bj", w, delta))
    factors = np.sort(np.linalg.norm(back, axis=1) / np.linalg.norm(delta, axis=1))
    grid = np.linspace(0, 1.1 * max(float(factors[-1]), 1.0), 200)
    share, below_half = (factor_below(x, width, scale, rest) for x in (grid, 0.5))
    singular = np.linalg.svd(rest * (np.eye(width) + scale * w[0]), compute_uv=False)
    bound = rest * max(1 - 2 * scale, 0.0), rest * (1 + 2 * scale)
    return Luck(width, towards, factors, grid, share, singular, bound, float(below_half))


def factor_below(x: Array | float, width: int, scale: float, rest: float = 1.0) -> Array:
    """Return P(rest ||delta + scale g|| / ||delta|| < x), g ~ N(0, I/width): noncentral chi^2."""
    if rest == 0 or scale == 0:
        return np.where(x > rest, 1.0, 0.0)
    ratio = width / scale**2
    return np.asarray(ncx2.cdf((x / rest) ** 2 * ratio, width, ratio))
