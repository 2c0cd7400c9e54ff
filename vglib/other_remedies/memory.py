"""Adam's memory: the step that it takes when a gradient jumps after a long quiet spell."""

import numpy as np
from numpy.typing import ArrayLike

from vglib.checks import require, whole
from vglib.learn import adam
from vglib.other_remedies.net import Array
from vglib.results import result
from vglib.words import count

# Steps before the jump, and how many are shown before and after it.
QUIET, BEFORE, AFTER = 8000, 20, 200


def jump_step(
    k: ArrayLike, beta1: float, beta2: float, jump: float = np.inf, loud: int = AFTER
) -> Array:
    """Return Adam's step over lr, k = 1, 2, ... steps after the gradient went from 1 to `jump`.

    (1 + (J - 1) a_1) / sqrt(1 + (J^2 - 1) a_2), a_i = (1 - beta_i^min(k, n)) beta_i^max(0, k - n)
    for a jump that lasts n = `loud` steps; for J = inf it is a_1 / sqrt(a_2). Without eps, after a
    quiet spell that is long beside 1/(1 - beta2).
    """
    on, off = np.clip(k, 0, loud), np.maximum(0, np.subtract(k, loud))
    a1, a2 = ((1 - beta**on) * beta**off for beta in (beta1, beta2))
    if jump == np.inf:
        return a1 / np.sqrt(a2)
    return (1 + (jump - 1) * a1) / np.sqrt(1 + (jump**2 - 1) * a2)


@result
class Jump:
    """Adam's step, over lr, at the steps `at` around a jump; `theory` the closed form.

    `largest`: over `forgets`, 1 - beta2, the largest step after a jump from 0.
    """

    beta2: float
    at: Array
    steps: Array
    theory: Array
    forgets: Array
    largest: Array

    @property
    def verdict(self) -> str:
        """One sentence: the first step after the jump, the largest, and the smallest."""
        after = self.steps[self.at > 0]
        top = int(after.argmax())
        least = f", {after.min():.2g} at the least" if after.min() < 0.5 else ""
        return (
            f"with β₂ = {self.beta2:.4g} Adam's step is {after[0]:.3g} times lr at once and "
            f"{after[top]:.3g} times after {count(top + 1, 'step')}{least}."
        )


def jump(
    jump: float = 1000.0, forgets: float = 0.001, beta1: float = 0.9, loud: int = AFTER
) -> Jump:
    """Let Adam meet a gradient of 1 for QUIET steps, then of `jump` for `loud`, then of 1 again.

    beta2 = 1 - `forgets`. Raises ValueError where an argument is out of range.
    """
    require("jump", jump, jump > 0, "above 0")
    require("forgets", forgets, 0 < forgets < 1, "between 0 and 1")
    require("beta1", beta1, 0 <= beta1 < 1, "0 or more and below 1")
    require("loud", loud, whole(loud, 1), "a whole number, 1 or more")
    step, one = adam(beta1, 1 - forgets), np.ones(1)
    at = np.arange(1.0 - BEFORE, AFTER + 1)
    taken = np.empty(QUIET + AFTER)
    for i in range(QUIET + AFTER):
        taken[i] = step(jump * one if 0 <= i - QUIET < loud else one, 1.0)[0]
    theory = jump_step(at, beta1, 1 - forgets, jump, loud)
    grid, k = np.geomspace(1e-4, 0.3, 61), np.arange(1, AFTER + 1)
    largest = np.array([jump_step(k, beta1, 1 - of).max() for of in grid])
    return Jump(1 - forgets, at, taken[-len(at) :], theory, grid, largest)
