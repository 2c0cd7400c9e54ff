"""Deep nets in training: one that breaks, its cures, a thousand layers, one that lags."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest
from math import inf, isfinite, log, sqrt

from vglib.checks import one_of
from vglib.residuals.blocks import build, digit_arrays
from vglib.residuals.flow import Flow, measure
from vglib.residuals.net import WIDTH, Net, Training, lab_steps, training
from vglib.residuals.rezero import Learnt
from vglib.results import at_its_end, last, result
from vglib.words import count, percent

CURES = ("none", "clip at 1", "batch norm", "α = 1/√L", "α learnt, from 0")
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
        t, steps = self.training, len(self.training.losses)
        where = f"{count(self.depth, 'block')}, cure: {self.cure}"
        first = f"first loss {t.losses[0]:.3g}, first gradient of length {t.gradient_norms[0]:.2g}"
        clipped = f", {t.clipped} of them clipped" if t.clipped else ""
        if t.broke_at is not None:
            word, end = "NaN", f"the loss was no number at step {t.broke_at}"
        elif not t.ended:
            word, loss = "in training", f"{t.losses[-1]:.3g}"
            end = f"after {count(steps, 'step')}{clipped} the loss was {loss}"
        elif not isfinite(t.train_loss):
            word, end = "NaN", "the last step broke it"
        else:
            word = "trains" if self.accuracy > 0.8 else "alive, but slow" if t.clipped else "slow"
            end = f"after {steps} steps{clipped} the test accuracy is {percent(self.accuracy)}"
        return f"{word}: {where}; {first}; {end}.{self.note}"


def curing(
    cure: str = "none",
    depth: int = 20,
    lr: float = 0.01,
    weight_scale: float = 1.0,
    seed: int = 0,
    steps: int | None = None,
) -> Iterator[Cured]:
    """Train with a cure on digits: cross-entropy, SGD with momentum 0.9, batch 32, 60 steps."""
    one_of("cure", cure, CURES)
    taken, note = lab_steps(depth, steps)
    alpha = 1 / sqrt(depth) if cure == CURES[3] else 1.0
    kind = "ReZero" if cure == CURES[4] else "residual"
    stack = build(kind, depth, WIDTH, alpha, weight_scale, "relu", seed)
    stack = replace(stack, norm=cure == "batch norm")
    start = measure(stack, kind, alpha, seed)
    clip = 1.0 if cure == "clip at 1" else inf
    net = Net.start(stack, seed)
    net = Learnt.of(net) if kind == "ReZero" else net
    for seen in training(net, digit_arrays(), lr=lr, steps=taken, clip=clip, seed=seed):
        yield Cured(cure, depth, start, seen, note)


cured = lru_cache(maxsize=64)(at_its_end(curing))


def train_deep(
    depth: int,
    kind: str = "pre-activation",
    *,
    steps: int = 60,
    seed: int = 0,
    width: int = 32,
    lr: float = 0.01,
) -> Training:
    """Train a ReLU net of a kind on digits: alpha = 1/sqrt(depth), He's weights.

    Cross-entropy, SGD with momentum 0.9, batch 32.
    """
    net = Net.start(build(kind, depth, width, 1 / sqrt(depth), 1.0, "relu", seed), seed)
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
        plain, skip = (self.trained[name].train_loss for name in RACERS)
        broke = " and ".join(n for n in RACERS if not isfinite(self.trained[n].train_loss))
        if not all(one.ended for one in self.trained.values()):
            losses = ", ".join(f"{name} {_latest(one)}" for name, one in self.trained.items())
            says = f"in training: {layers}, loss so far: {losses} {guessing}"
        elif broke:
            says = f"overflows: at this step size the {broke} net's loss is no number"
        else:
            lead = "plain leads" if skip > 1.5 * plain else "equal"
            word = "plain lags" if plain > 1.5 * skip else lead
            steps = len(self.trained["plain"].losses)
            losses = f"plain {plain:.3g}, residual {skip:.3g}"
            where = f"{layers}, loss on all training images after {steps} steps"
            says = f"{word}: {where}: {losses} {guessing}"
        return f"{says}.{self.note}"


def _latest(one: Training) -> str:
    loss, at = one.losses[-1], len(one.losses) - 1
    return f"{loss:.3g} at step {at}" if isfinite(loss) else f"no number at step {at}"


def racing(
    depth: int, lr: float = 0.01, weight_scale: float = 1.0, seed: int = 0, steps: int | None = None
) -> Iterator[Degradation]:
    """Train h' = relu(W h) and h' = h + W relu(h) / sqrt(depth), width 50, He's weights."""
    taken, note = lab_steps(depth, steps)
    racers, alpha = [], 1 / sqrt(depth)
    for kind in _KINDS.values():
        net = Net.start(build(kind, depth, WIDTH, alpha, weight_scale, "relu", seed), seed)
        racers.append(training(net, digit_arrays(), lr=lr, steps=taken, seed=seed))
    trained: dict[str, Training] = {}
    # One of them may break, and end, before the other.
    for seen in zip_longest(*racers):
        trained |= {name: one for name, one in zip(RACERS, seen, strict=True) if one is not None}
        yield Degradation(depth, trained, note)


degradation = lru_cache(maxsize=64)(at_its_end(racing))
