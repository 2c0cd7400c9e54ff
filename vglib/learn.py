"""Gradient descent for nets written out in NumPy: one loop, and the rules that make its steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vglib.scaled import norm

Array = NDArray[np.floating]
# (g, lr) -> what is subtracted from the parameter; a rule makes one for each parameter.
Update = Callable[[Array, float], Array]
Rule = Callable[[], Update]


def plain() -> Update:
    """Make the step of plain descent, lr g."""
    return lambda g, lr: lr * g


def heavy_ball(momentum: float = 0.9) -> Update:
    """Make the step of momentum: v <- momentum v + g, step lr v. Source: Polyak 1964."""
    v: Any = 0.0

    def step(g: Array, lr: float) -> Array:
        nonlocal v
        v = momentum * v + g
        return lr * v

    return step


def rmsprop(decay: float = 0.99, eps: float = 1e-8) -> Update:
    """Make the step of RMSprop: s <- decay s + (1 - decay) g^2, step lr g / (sqrt(s) + eps)."""
    s: Any = 0.0
    # 1 - 0.9 is 0.09999999999999998 where 0.1 is meant.
    fresh = round(1 - decay, 12)

    def step(g: Array, lr: float) -> Array:
        nonlocal s
        s = decay * s + fresh * g * g
        return lr * g / (np.sqrt(s) + eps)

    return step


def adam(beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Update:
    """Make the step of Adam: m and s averages of g and g^2, step lr m^ / (sqrt(s^) + eps).

    m^ = m / (1 - beta1^t), s^ = s / (1 - beta2^t). Source: Kingma & Ba 2015, algorithm 1.
    """
    m: Any = 0.0
    s: Any = 0.0
    t, first, second = 0, round(1 - beta1, 12), round(1 - beta2, 12)

    def step(g: Array, lr: float) -> Array:
        nonlocal m, s, t
        t += 1
        m = beta1 * m + first * g
        s = beta2 * s + second * g * g
        return lr * (m / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + eps)

    return step


RULES: Mapping[str, Rule] = MappingProxyType(
    {"SGD": plain, "momentum": heavy_ball, "RMSprop": rmsprop, "Adam": adam}
)


class Step(NamedTuple):
    """One step: how many were taken, loss and norm of the whole gradient before it.

    `lr`: its size; `clipped`: whether the gradient was shortened; `why`: what ended the descent
    before its end, "" where nothing did. The last step, if it has a reason, was not taken.
    """

    taken: int
    loss: float
    norm: float
    lr: float
    clipped: bool = False
    why: str = ""


def steps(
    parameters: Sequence[Array],
    gradient: Callable[..., tuple[float, Sequence[Array]]],
    batches: Iterable[tuple[Any, ...]],
    *,
    lr: float | Callable[[int], float],
    rule: Rule = plain,
    clip: float = inf,
    decay: float = 0.0,
    stop: Callable[[float, Sequence[Array]], str] | None = None,
) -> Iterator[Step]:
    """Train parameters in place, batch after batch, and yield each step once it is taken.

        p <- p - rule(g min(1, clip / ||g||) + decay p),   ||g|| over all parameters together

    `gradient(*batch)` returns the loss and dL/dp in the order of `parameters`; `lr` is a number or
    a function of the number of steps taken before. Ends with the batches, at a loss that is not
    finite (`why` is "not finite"), or where `stop(loss, gradients)` gives a reason.
    """
    updates = [rule() for _ in parameters]

    def take(taken: int, batch: tuple[Any, ...]) -> Step:
        loss, gradients = gradient(*batch)
        size = whole_norm(gradients)
        rate = lr(taken) if callable(lr) else lr
        why = "not finite" if not isfinite(loss) else stop(loss, gradients) if stop else ""
        if why:
            return Step(taken, loss, size, rate, why=why)
        clipped = clip < inf and not size <= clip
        for parameter, g, update in zip(parameters, gradients, updates, strict=True):
            if clipped:
                g = (clip / size) * g
            if decay:
                g = g + decay * parameter
            parameter -= update(g, rate)
        return Step(taken + 1, loss, size, rate, clipped)

    for taken, batch in enumerate(batches):
        # Not round the loop: whoever takes the steps has error modes of their own.
        with np.errstate(all="ignore"):
            step = take(taken, batch)
        yield step
        if step.why:
            return


def whole_norm(gradients: Sequence[Array]) -> float:
    """Return the norm of all gradients together."""
    return norm(gradients[0]) if len(gradients) == 1 else norm(np.array([*map(norm, gradients)]))


def epochs(
    n: int, batch: int, count: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of the batches of `count` epochs, each in an order of its own."""
    for _ in range(count):
        order = generator.permutation(n)
        for first in range(0, n, batch):
            yield order[first : first + batch]
