"""Races: what one architecture reaches with several activations and seeds, epoch by epoch."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf, nan

import numpy as np
import torch
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
    weight_scale: float = 1.0,
    data: Dataset | None = None,
    init: str | None = None,
    dtype: torch.dtype = torch.float64,
    note: str = "",
) -> Iterator[Race]:
    """Train one architecture with several activations and seeds: cross-entropy, SGD, batch 10.

    ReLU starts from He, the others from Glorot, unless `init` is given; biases start at 0. All nets
    run side by side, and the race so far is yielded at the start and after each epoch.
    """
    data = digits() if data is None else data

    def run(name: str, seed: int) -> Iterator[Training]:
        network = mlp(
            list(widths),
            n_in=data.n_in,
            activation=name,
            init=init or ("he" if name == "relu" else "glorot"),
            weight_scale=weight_scale,
            seed=seed,
            dtype=dtype,
        )
        return fitting(
            network,
            data,
            loss=cross_entropy,
            lr=lr,
            batch=10,
            epochs=epochs,
            probe_size=10,
            seed=seed,
        )

    runs = {name: [run(name, seed) for seed in seeds] for name in activations}
    curves: dict[str, list[list[float]]] = {name: [[] for _ in seeds] for name in activations}
    for _ in range(epochs + 1):
        for name in activations:
            for accuracies, training in zip(curves[name], runs[name], strict=True):
                now = next(training, None)
                accuracies.append(now.records[-1].test_accuracy if now else accuracies[-1])
        so_far = {name: np.array(accuracies) for name, accuracies in curves.items()}
        yield Race(so_far, epochs, note)


race = at_its_end(racing)


def race_of_depth(
    depth: int = 2, weight_scale: float = 1.0, lr: float = 0.1, epochs: int = 6, seed: int = 0
) -> Iterator[Race]:
    """Race ReLU and sigmoid with `depth` hidden layers of 100; deeper nets run fewer epochs."""
    affordable = max(1, min(epochs, 24 // (depth + 2)))
    note = "" if affordable == epochs else f" ({affordable} epochs, to stay quick.)"
    return racing(
        [100] * depth, epochs=affordable, seeds=(seed,), lr=lr, weight_scale=weight_scale, note=note
    )


def lead(seed: int) -> float:
    """Return ReLU's lead over the sigmoid in test accuracy: three layers of 100, three epochs."""
    run = race([100] * 3, epochs=3, seeds=(seed,))
    return run.final("relu")[0] - run.final("sigmoid")[0]


def relu_alone(widths: Sequence[int], epochs: int, lr: float, seed: int) -> float:
    """Return the accuracy that a ReLU net in float32 ends with."""
    return race(widths, ("relu",), epochs, (seed,), lr, dtype=torch.float32).final("relu")[0]


def gain_of_depth(seed: int) -> float:
    """Return the points by which four layers (60 epochs) surpass one (30 epochs), with ReLU."""
    one, four = relu_alone([100], 30, 0.1, seed), relu_alone([100] * 4, 60, 0.1, seed)
    return 100 * (four - one)
