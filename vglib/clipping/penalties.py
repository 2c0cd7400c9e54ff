"""Penalties and limits on two weights: L2, L1 and max-norm, by descent and in closed form."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.optimize import brentq

from vglib.clipping.rules import by_norm
from vglib.probe import Array
from vglib.results import result

PENALTIES = ("L2", "L1", "max-norm")
CURVATURES = np.array([1.0, 4.0])
GOAL = np.array([2.0, 0.3])


def l2_weights(goal: Array, strength: float, curvature: Array = CURVATURES) -> Array:
    """Minimise sum a_i (w_i - goal_i)^2 / 2 + strength ||w||^2 / 2: w = a goal / (a + strength)."""
    return curvature * goal / (curvature + strength)


def l1_weights(goal: Array, strength: float, curvature: Array = CURVATURES) -> Array:
    """Minimise the same with strength sum |w_i|: each goal moves to 0 by strength / a_i."""
    return np.sign(goal) * np.maximum(np.abs(goal) - strength / curvature, 0)


def max_norm_weights(goal: Array, radius: float, curvature: Array = CURVATURES) -> Array:
    """Minimise the same loss over ||w|| <= radius.

    Inside, w = goal; else w = a goal / (a + mu) with the mu >= 0 that makes ||w|| = radius.
    """
    if np.linalg.norm(goal) <= radius:
        return goal.copy()
    most = float(curvature.max() * np.linalg.norm(goal) / radius)
    mu = brentq(lambda m: np.linalg.norm(l2_weights(goal, m, curvature)) - radius, 0.0, most)
    return l2_weights(goal, float(mu), curvature)


@result
class Penalty:
    """Descent on two weights with a penalty or a limit: the path and where theory ends it.

    `path`: (n, 2); `solution`: (2,) closed form; `sizes` (n,) with `size_norms[kind]` (n,): the
    norm of the solution when the goal is that many times as long.
    """

    kind: str
    strength: float
    radius: float
    goal: Array
    path: Array
    solution: Array
    sizes: Array
    size_norms: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: where the weights end, and whether their norm keeps under the radius."""
        end = self.path[-1]
        zeros = int((np.abs(end) < 1e-9).sum())
        norm = float(np.linalg.norm(end))
        word = {
            "L2": "shrinks each weight by a factor",
            "L1": "takes the same force off each weight"
            + (f" and makes {zeros} of 2 exactly 0" if zeros else ""),
            "max-norm": "stops at the radius"
            if np.linalg.norm(self.goal) > self.radius
            else "has nothing to do",
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
    path = [np.array([0.0, 2.0])]
    for _ in range(400):
        w = path[-1]
        w = w - lr * (CURVATURES * (w - goal) + (strength * w if kind == "L2" else 0))
        if kind == "L1":
            w = np.sign(w) * np.maximum(np.abs(w) - lr * strength, 0)
        elif kind == "max-norm":
            # The projection puts a point outside back on the ball: clipping by norm, of weights.
            w = by_norm(w, radius)
        path.append(w)
    solve: dict[str, Callable[[Array], Array]] = {
        "L2": lambda goal: l2_weights(goal, strength),
        "L1": lambda goal: l1_weights(goal, strength),
        "max-norm": lambda goal: max_norm_weights(goal, radius),
    }
    sizes = np.linspace(0, 5, 51)
    norms = {k: np.array([np.linalg.norm(f(s * GOAL)) for s in sizes]) for k, f in solve.items()}
    return Penalty(kind, strength, radius, goal, np.array(path), solve[kind](goal), sizes, norms)
