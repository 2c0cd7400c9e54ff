"""Races of activations, epoch by epoch; and what a test set and a published table can rank."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import inf, nan
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import norm, studentized_range
from torch.nn.functional import cross_entropy

from vglib.data import Dataset, digits
from vglib.networks import mlp
from vglib.probe import Array
from vglib.results import at_its_end, result
from vglib.training import Training, fitting


@result
class Race:
    """Test accuracy of nets over epochs: for each activation (seeds, epochs so far + 1).

    `epochs` is the length of the whole race. A net whose loss left the finite numbers stays where
    it was.
    """

    curves: Mapping[str, Array]
    epochs: int
    note: str

    def final(self, activation: str) -> tuple[float, float]:
        """Return mean and standard deviation over the seeds of the last epoch's accuracy."""
        end = self.curves[activation][:, -1]
        return float(end.mean()), float(end.std(ddof=1)) if len(end) > 1 else nan

    def epochs_to(self, level: float, activation: str) -> Array:
        """Return for each seed the first epoch whose accuracy reaches `level`, inf where none."""
        reached = self.curves[activation] >= level
        return np.where(reached.any(1), reached.argmax(1).astype(float), inf)

    @property
    def verdict(self) -> str:
        """Each activation's accuracy at the end, or so far, and the epochs to 95%."""
        parts = []
        for name, accuracies in self.curves.items():
            over = accuracies.shape[1] > self.epochs
            first = float(np.median(self.epochs_to(0.95, name)))
            verb, never = ("ends", "never") if over else ("stands", "not yet")
            when = f"95% first at epoch {first:.0f}" if first < inf else f"{never} at 95%"
            parts.append(f"{name} {verb} at {100 * self.final(name)[0]:.1f}% ({when})")
        return f"{'; '.join(parts)}.{self.note}"


def racing(
    widths: Sequence[int],
    activations: Sequence[str] = ("relu", "sigmoid"),
    epochs: int = 15,
    seeds: Sequence[int] = (0, 1, 2),
    lr: float = 0.1,
    scales: Mapping[str, float] = MappingProxyType({}),
    data: Dataset | None = None,
    dtype: torch.dtype = torch.float64,
    note: str = "",
) -> Iterator[Race]:
    """Train one architecture with several activations and seeds: cross-entropy, SGD, batch 10.

    ReLU starts from He, the others from Glorot, times an activation's own of the `scales`; biases
    start at 0. All nets run side by side, and the race so far is yielded at the start and after
    each epoch.
    """
    data = digits() if data is None else data

    def run(name: str, seed: int) -> Iterator[Training]:
        init = "he" if name == "relu" else "glorot"
        scale = scales.get(name, 1.0)
        drawn: dict[str, Any] = {"weight_scale": scale, "seed": seed, "dtype": dtype}
        network = mlp(widths, n_in=data.n_in, activation=name, init=init, **drawn)
        course: dict[str, Any] = {"batch": 10, "epochs": epochs, "probe_size": 10, "seed": seed}
        return fitting(network, data, loss=cross_entropy, lr=lr, **course)

    runs = {name: [run(name, seed) for seed in seeds] for name in activations}
    curves: dict[str, list[list[float]]] = {name: [[] for _ in seeds] for name in activations}
    for _ in range(epochs + 1):
        for name in activations:
            for accuracies, training in zip(curves[name], runs[name], strict=True):
                now = next(training, None)
                accuracies.append(now.records[-1].test_accuracy if now else accuracies[-1])
        yield Race({name: np.array(rows) for name, rows in curves.items()}, epochs, note)


race = at_its_end(racing)


def race_of_depth(
    depth: int = 2, sigmoid_scale: float = 1.0, lr: float = 0.1, epochs: int = 6, seed: int = 0
) -> Iterator[Race]:
    """Race ReLU from He and a sigmoid from Glorot times a scale, `depth` hidden layers of 100.

    Deeper nets run fewer epochs.
    """
    affordable = max(1, min(epochs, 24 // (depth + 2)))
    note = "" if affordable == epochs else f" ({affordable} epochs, to stay quick.)"
    course: dict[str, Any] = {"epochs": affordable, "seeds": (seed,), "note": note}
    return racing([100] * depth, lr=lr, scales={"sigmoid": sigmoid_scale}, **course)


def lead(scale: float, lr: float, seed: int) -> float:
    """Return ReLU's lead in test accuracy at SGD 0.1 over a sigmoid at its own scale and rate.

    Three layers of 100, three epochs.
    """
    both = _third_epoch("relu", 1.0, 0.1, seed), _third_epoch("sigmoid", scale, lr, seed)
    return both[0] - both[1]


@lru_cache(maxsize=64)
def _third_epoch(name: str, scale: float, lr: float, seed: int) -> float:
    course: dict[str, Any] = {"epochs": 3, "seeds": (seed,), "lr": lr, "scales": {name: scale}}
    return race([100] * 3, (name,), **course).final(name)[0]


def relu_alone(widths: Sequence[int], epochs: int, lr: float, seed: int) -> float:
    """Return the accuracy that a ReLU net in float32 ends with."""
    return race(widths, ("relu",), epochs, (seed,), lr, dtype=torch.float32).final("relu")[0]


def gain_of_depth(seed: int, lr: float) -> float:
    """Return the points by which four layers (60 epochs) surpass one (30 epochs, SGD 0.1)."""
    one, four = relu_alone([100], 30, 0.1, seed), relu_alone([100] * 4, 60, lr, seed)
    return 100 * (four - one)


def standard_error(accuracy: ArrayLike, n: ArrayLike) -> Array:
    """Return the standard deviation of the share of right answers among n: sqrt(p (1 - p) / n)."""
    p = np.asarray(accuracy, dtype=float)
    return np.sqrt(p * (1 - p) / np.asarray(n))


def table_spread() -> float:
    """Rows 2 to 5 of the published table: largest less smallest, in standard errors of one row."""
    rows = np.array([97.92, 97.90, 97.81, 97.98]) / 100
    return float((rows.max() - rows.min()) / standard_error(rows.mean(), 10_000))


def chance_of_table() -> float:
    """Return how often four equally good nets spread as far as rows 2 to 5 of that table, or more.

    P(max - min >= s) of four normals, s in standard deviations of one
    """
    return float(studentized_range.sf(table_spread(), 4, inf))


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
