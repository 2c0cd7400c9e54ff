"""What a test set can rank: the standard error of an accuracy, and a published table."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from vglib.probe import Array
from vglib.results import result


def standard_error(accuracy: ArrayLike, n: ArrayLike) -> Array:
    """Return the standard deviation of the share of right answers among n: sqrt(p (1 - p) / n)."""
    p = np.asarray(accuracy, dtype=float)
    return np.sqrt(p * (1 - p) / np.asarray(n))


def table_spread() -> float:
    """Rows 2 to 5 of the published table: largest less smallest, in standard errors of one row."""
    rows = np.array([97.92, 97.90, 97.81, 97.98]) / 100
    return float((rows.max() - rows.min()) / standard_error(rows.mean(), 10_000))


def parameters(widths: Sequence[int], n_in: int = 784, n_out: int = 10) -> int:
    """Count weights and biases of a fully connected net."""
    return sum((a + 1) * b for a, b in pairwise([n_in, *widths, n_out]))


@result
class Ranking:
    """How two nets of known true accuracy score on n test images.

    `scores: (m,)` with each net's density `worse`, `better` there: (m,). `wrong`: the chance that
    the worse one scores higher, half of the ties counted.
    """

    scores: Array
    worse: Array
    better: Array
    error: float
    wrong: float
    images: int
    gap: float

    @property
    def verdict(self) -> str:
        """Standard error of one score, and how often the worse net wins."""
        return (
            f"with {self.images} test images one score has a standard error of "
            f"{100 * self.error:.2g} points; a net that is truly {100 * self.gap:.2g} points "
            f"better loses {100 * self.wrong:.2g}% of such comparisons."
        )


def ranking(images: int = 360, gap: float = 0.5, level: float = 97.5) -> Ranking:
    """Compare two nets on independent test sets: true accuracies level -+ gap / 2, in per cent.

    P(wrong) = Phi(-gap / sqrt(SE_1^2 + SE_2^2)), the normal approximation
    """
    p = np.array([level - gap / 2, level + gap / 2]) / 100
    errors = standard_error(p, images)
    scores = np.linspace(p[0] - 4 * errors[0], min(p[1] + 4 * errors[1], 1.0), 161)
    worse, better = (norm.pdf(scores, m, s) for m, s in zip(p, errors, strict=True))
    wrong = float(norm.cdf(-(p[1] - p[0]) / np.hypot(*errors)))
    return Ranking(scores, worse, better, float(errors.mean()), wrong, images, gap / 100)
