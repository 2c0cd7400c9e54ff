"""How many sigmoid layers Adam carries, and how soon: a deep net trained with SGD and with Adam."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import inf, log
from types import MappingProxyType
from typing import Any

import numpy as np

from vglib.data import digits
from vglib.other_remedies.descent import EPS, Course, descending, images
from vglib.other_remedies.net import Array, Net, build
from vglib.other_remedies.watched import side_by_side
from vglib.results import kept, last, result
from vglib.words import power_of_ten

RATES = MappingProxyType({"SGD": 0.5, "momentum": 0.1, "RMSprop": 0.001, "Adam": 0.01})


@result
class Reach:
    """One net trained with SGD and with another rule; probed is ln of the last layer's spread."""

    optimiser: str
    depth: int
    steps: int
    runs: Mapping[str, Course]

    @property
    def verdict(self) -> str:
        """One sentence: the accuracies, and the spread of the last hidden layer."""
        done = all(run.done for run in self.runs.values())
        parts = [self._words(name, run, done) for name, run in self.runs.items()]
        when = f"after {self.steps} steps" if done else "so far"
        return f"{when}, {' and '.join(parts)}; guessing has 10%."

    def _words(self, name: str, run: Course, done: bool) -> str:
        first, latest = (power_of_ten(ln) for ln in run.probed[[0, -1]])
        taken, when = ("", "at the end") if done else (f" after {run.taken} steps", "by then")
        return (
            f"{name} {run.accuracy:.0%}{taken} (spread of layer {self.depth} {first} at the "
            f"start, {latest} {when})"
        )


def reach_steps(depth: int) -> int:
    """Return the length of a run: two trainings of a deep net stay below a second."""
    return max(100, min(400, 3000 // depth))


def _log_last_spread(net: Net) -> float:
    spread = float(net.forward(images()[0][:200])[-2].std(0).mean())
    return log(spread) if spread > 0 else -inf


@kept(32)
def run(
    optimiser: str,
    depth: int,
    weight_scale: float = 1.0,
    eps: float = EPS,
    lr: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    balanced: bool = False,
) -> Iterator[Course]:
    """Train 64-30-...-30-10 sigmoids, N(0, 1/n) times the weight scale, zero biases, on digits."""
    net = build(depth, 30, "sigmoid", "1/fan_in", weight_scale, seed)
    lr, steps = lr or RATES[optimiser], steps or reach_steps(depth)
    options: dict[str, Any] = {
        "eps": eps,
        "seed": seed,
        "probe": _log_last_spread,
        "balanced": balanced,
    }
    yield from descending(net, optimiser, lr, steps, **options)


def patience(
    lr: float = 0.003, steps: int = 12_000, seed: int = 0, balanced: bool = False
) -> list[float]:
    """Return the test accuracy of ten layers under Adam after each tenth of the steps."""
    parts = run("Adam", 10, lr=lr, steps=steps, seed=seed, balanced=balanced)
    return [part.accuracy for part in parts]


@result
class Widened:
    """The last of ten hidden layers after a number of Adam's steps, over the training images.

    `spread`: ||h - mean h|| / ||h||; `first`: the share of (h - mean h)^2 along its main direction;
    `part`: ||g - g'|| / ||g|| of its weights, g' with the labels dealt out to all images anew;
    `named`: how many of the ten digits the net answers with on the test images.
    """

    spread: float
    first: float
    part: float
    named: int


@lru_cache(maxsize=16)
def widened(steps: int, lr: float = 0.01, seed: int = 0) -> Widened:
    """Train ten sigmoid layers of 30 with Adam as `run` does, and look at the last one."""
    net, (x, y) = build(10, 30, seed=seed), images()
    if steps:
        last(descending(net, "Adam", lr, steps, seed=seed))
    h = net.forward(x)[-2]
    away, anew = h - h.mean(0), np.random.default_rng(seed).permutation(y)
    sizes = np.linalg.svd(away, compute_uv=False) ** 2

    def by_weights(labels: np.ndarray) -> Array:
        return net.split(net.gradient(x, labels)[1])[0][-2]

    g = by_weights(y)
    named = net.forward(digits().x_test.numpy())[-1].argmax(1)
    return Widened(
        spread=float(np.linalg.norm(away) / np.linalg.norm(h)),
        first=float(sizes[0] / sizes.sum()),
        part=float(np.linalg.norm(g - by_weights(anew)) / np.linalg.norm(g)),
        named=len(np.unique(named)),
    )


def reaching(
    optimiser: str = "Adam",
    depth: int = 10,
    weight_scale: float = 1.0,
    log_eps: float = -8.0,
    seed: int = 0,
) -> Iterator[Reach]:
    """Train a sigmoid net with SGD and with another rule, eps = 10^log_eps, from one start."""
    plain = run("SGD", depth, weight_scale, EPS, seed=seed)
    guarded = run(optimiser, depth, weight_scale, 10.0**log_eps, seed=seed)
    for sgd, other in side_by_side(plain, guarded):
        yield Reach(optimiser, depth, reach_steps(depth), {"SGD": sgd, optimiser: other})
