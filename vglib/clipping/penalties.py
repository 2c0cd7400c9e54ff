"""Penalties and limits on two weights: L2, L1 and max-norm, by descent and in closed form."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from scipy.optimize import brentq

from vglib.clipping.rules import by_norm
from vglib.probe import Array
from vglib.results import result

# The curvatures a of the loss sum a_i (w_i - goal_i)^2 / 2; how many times GOAL its goal may be.
CURVATURES, GOAL, SIZES = np.array([1.0, 4.0]), np.array([2.0, 0.3]), np.linspace(0, 5, 51)


def l2_weights(goal: Array, strength: float) -> Array:
    """Minimise the loss + strength ||w||^2 / 2: w = a goal / (a + strength)."""
    return CURVATURES * goal / (CURVATURES + strength)


def l1_weights(goal: Array, strength: float) -> Array:
    """Minimise the loss + strength sum |w_i|: each goal moves to 0 by strength / a_i."""
    return np.sign(goal) * np.maximum(np.abs(goal) - strength / CURVATURES, 0)


def max_norm_weights(goal: Array, radius: float) -> Array:
    """Minimise the loss over ||w|| <= radius.

    Inside, w = goal; else w = a goal / (a + mu) with the mu >= 0 that makes ||w|| = radius.
    """
    if np.linalg.norm(goal) <= radius:
        return goal.copy()
    most = float(CURVATURES.max() * np.linalg.norm(goal) / radius)
    mu = brentq(lambda m: np.linalg.norm(l2_weights(goal, m)) - radius, 0.0, most)
    return l2_weights(goal, float(mu))


PENALTIES: Mapping[str, Callable[[Array, float], Array]] = MappingProxyType(
    {"L2": l2_weights, "L1": l1_weights, "max-norm": max_norm_weights}
)


@result
class Penalty:
    """Descent on two weights with a penalty or a limit: the path and where theory ends it.

    `path`: (n, 2); `solution`: (2,) closed form; `size_norms[kind]`: its norm at each of `SIZES`.
    """

    kind: str
    radius: float
    size: float
    goal: Array
    path: Array
    solution: Array
    size_norms: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: where the weights end, and whether their norm keeps under the radius."""
        end, norm = self.path[-1], float(np.linalg.norm(self.path[-1]))
        zeros, beyond = int((np.abs(end) < 1e-9).sum()), np.linalg.norm(self.goal) > self.radius
        made = f" and makes {zeros} of 2 exactly 0" if zeros else ""
        word = {
            "L2": "shrinks each weight by a factor",
            "L1": f"takes the same force off each weight{made}",
            "max-norm": "stops at the radius" if beyond else "has nothing to do",
        }[self.kind]
        side = "above" if norm > self.radius * (1 + 1e-6) else "within"
        return (
            f"{self.kind} {word}: w = ({end[0]:.3f}, {end[1]:.3f}), norm {norm:.3g}, {side} the "
            f"radius {self.radius:.2g}; without it ({self.goal[0]:.2f}, {self.goal[1]:.2f})."
        )


def penalty(
    kind: str = "L2", strength: float = 1.0, radius: float = 1.0, size: float = 1.0
) -> Penalty:
    """Descend on sum a_i (w_i - goal_i)^2 / 2 with L2, L1 or max-norm from w = (0, 2).

    L1 steps with its proximal map (shrink towards 0, stop there), max-norm projects after each
    step; the goal is `size` times (2, 0.3).
    """
    goal, lr = size * GOAL, 0.05 / (1 + (strength if kind == "L2" else 0))
    w = np.array([0.0, 2.0])
    path = [w]
    for _ in range(400):
        w = w - lr * (CURVATURES * (w - goal) + (strength * w if kind == "L2" else 0))
        if kind == "L1":
            w = np.sign(w) * np.maximum(np.abs(w) - lr * strength, 0)
        elif kind == "max-norm":
            # The projection puts a point outside back on the ball: clipping by norm, of weights.
            w = by_norm(w, radius)
        path.append(w)
    amounts = {"L2": strength, "L1": strength, "max-norm": radius}
    norms = {
        name: np.array([np.linalg.norm(solve(s * GOAL, amounts[name])) for s in SIZES])
        for name, solve in PENALTIES.items()
    }
    solution = PENALTIES[kind](goal, amounts[kind])
    return Penalty(kind, radius, size, goal, np.array(path), solution, norms)
