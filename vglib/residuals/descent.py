"""Deep nets in training: one that breaks, its cures, a thousand layers, one that lags."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest
from math import inf, isfinite, log, sqrt
from typing import Any

from vglib.residuals.blocks import build, digit_arrays
from vglib.residuals.flow import Flow, measure
from vglib.residuals.net import WIDTH, Net, Training, lab_steps, training
from vglib.residuals.stack import Stack
from vglib.results import last, result
from vglib.words import count, percent

CURES = ("none", "clip at 1", "batch norm", "α = 1/√L")
# The nets' names, and the kinds of their blocks.
_KINDS = {"plain": "plain", "residual": "pre-activation"}
RACERS = tuple(_KINDS)


@result
class Cured:
    """A He residual net h' = h + alpha relu(W h) in training, and its gradient before it."""

    cure: str
    depth: int
    start: Flow
    training: Training
    note: str = ""

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end; 0 where the numbers broke."""
        return self.training.test_accuracy if self.training.broke_at is None else 0.0

    @property
    def verdict(self) -> str:
        """One sentence: does it train, and how long was the gradient at the start."""
        t, taken = self.training, len(self.training.losses)
        norm = f"{t.gradient_norms[0]:.2g}"
        first = f"first loss {t.losses[0]:.3g}, first gradient of length {norm}"
        where = f"{count(self.depth, 'block')}, cure: {self.cure}"
        if t.broke_at is not None:
            return f"NaN: {where}; {first}; the loss was no number at step {t.broke_at}.{self.note}"
        clipped = f", {t.clipped} of them clipped" if t.clipped else ""
        if not t.ended:
            return (
                f"in training: {where}; {first}; after {count(taken, 'step')}{clipped} the loss "
                f"was {t.losses[-1]:.3g}.{self.note}"
            )
        if not isfinite(t.train_loss):
            return f"NaN: {where}; {first}; the last step broke it.{self.note}"
        word = "trains" if self.accuracy > 0.8 else "alive, but lame" if t.clipped else "lame"
        return (
            f"{word}: {where}; {first}; after {taken} steps{clipped} the test accuracy is "
            f"{percent(self.accuracy)}.{self.note}"
        )


def curing(
    cure: str = "none",
    depth: int = 20,
    lr: float = 0.01,
    weight_scale: float = 1.0,
    seed: int = 0,
    steps: int | None = None,
) -> Iterator[Cured]:
    """Train with a cure on digits: cross-entropy, SGD with momentum 0.9, batch 32, 60 steps."""
    taken, note = lab_steps(depth, steps)
    stack = cured_net(cure, depth, weight_scale, seed)
    start = measure(stack, "residual", stack.b, weight_scale, seed)
    clip = 1.0 if cure == "clip at 1" else inf
    for seen in training(
        Net.start(stack, seed), digit_arrays(), lr=lr, steps=taken, clip=clip, seed=seed
    ):
        yield Cured(cure, depth, start, seen, note)


@lru_cache(maxsize=64)
def cured(*arguments: Any, **options: Any) -> Cured:
    """Return the end of `curing`, which has the same arguments."""
    return last(curing(*arguments, **options))


def cured_net(cure: str, depth: int, weight_scale: float, seed: int) -> Stack:
    """Build the net h' = h + alpha relu(N(W h)) of width 50 with one of the cures."""
    alpha = 1 / sqrt(depth) if cure == CURES[3] else 1.0
    stack = build("residual", depth, WIDTH, alpha, weight_scale, "relu", seed)
    return replace(stack, norm=cure == "batch norm")


def train_deep(
    depth: int,
    kind: str = "pre-activation",
    alpha: float | None = None,
    *,
    width: int = 32,
    lr: float = 0.01,
    steps: int = 60,
    seed: int = 0,
) -> Training:
    """Train a ReLU net of a kind on digits; alpha is 1/sqrt(depth) unless given.

    He's weights, cross-entropy, SGD with momentum 0.9, batch 32.
    """
    share = 1 / sqrt(depth) if alpha is None else alpha
    net = Net.start(build(kind, depth, width, share, 1.0, "relu", seed), seed)
    return last(training(net, digit_arrays(), lr=lr, steps=steps, seed=seed))


@result
class Degradation:
    """A plain and a residual net of one depth in training on digits."""

    depth: int
    trained: Mapping[str, Training]
    note: str = ""

    @property
    def verdict(self) -> str:
        """One sentence: the training losses of the two."""
        layers, guessing = count(self.depth, "layer"), f"(guessing is {log(10):.3g})"
        if not all(one.ended for one in self.trained.values()):
            losses = ", ".join(f"{name} {_latest(one)}" for name, one in self.trained.items())
            return f"in training: {layers}, loss so far: {losses} {guessing}.{self.note}"
        plain, skip = (self.trained[name].train_loss for name in RACERS)
        if not (isfinite(plain) and isfinite(skip)):
            broke = " and ".join(n for n in RACERS if not isfinite(self.trained[n].train_loss))
            return f"overflows: at this step size the {broke} net's loss is no number.{self.note}"
        word = (
            "plain lags" if plain > 1.5 * skip else "plain leads" if skip > 1.5 * plain else "equal"
        )
        return (
            f"{word}: {layers}, training loss after {len(self.trained['plain'].losses)} steps: "
            f"plain {plain:.3g}, residual {skip:.3g} {guessing}.{self.note}"
        )


def _latest(one: Training) -> str:
    loss, at = one.losses[-1], len(one.losses) - 1
    return f"{loss:.3g} at step {at}" if isfinite(loss) else f"no number at step {at}"


def racing(
    depth: int = 20,
    lr: float = 0.01,
    weight_scale: float = 1.0,
    seed: int = 0,
    steps: int | None = None,
) -> Iterator[Degradation]:
    """Train h' = relu(W h) and h' = h + W relu(h) / sqrt(depth), width 50, He's weights."""
    taken, note = lab_steps(depth, steps)
    racers = []
    for kind in _KINDS.values():
        stack = build(kind, depth, WIDTH, 1 / sqrt(depth), weight_scale, "relu", seed)
        net = Net.start(stack, seed)
        racers.append(training(net, digit_arrays(), lr=lr, steps=taken, seed=seed))
    trained: dict[str, Training] = {}
    # One of them may break, and end, before the other.
    for seen in zip_longest(*racers):
        trained |= {name: one for name, one in zip(RACERS, seen, strict=True) if one is not None}
        yield Degradation(depth, trained, note)


@lru_cache(maxsize=64)
def degradation(*arguments: Any, **options: Any) -> Degradation:
    """Return the end of `racing`, which has the same arguments."""
    return last(racing(*arguments, **options))
