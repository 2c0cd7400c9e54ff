"""The cliff: one unit that feeds itself, and two descents over its loss, clipped and unclipped."""

from math import exp, hypot, inf, log

import numpy as np

from vglib import learn
from vglib.probe import Array
from vglib.results import result

# Pascanu, Mikolov & Bengio 2013, section 2.3: where their unit starts and what they ask of it.
START, TARGET = 0.5, 0.7
# How many steps a descent takes, and the part of the plane (w, b) that the map shows.
WALK, REGION = 60, ((3.5, 6.5), (-3.2, -0.6))


def unit(w: float, b: float, steps: int) -> tuple[float, float, float]:
    """Return the loss of a one-unit recurrent net and its gradient: L, dL/dw, dL/db.

    h_t = s(w h_(t-1) + b) from h_0 = 1/2, L = (h_T - 0.7)^2. The derivatives go forward with it:
    dh_t/dw = s'(z_t) (h_(t-1) + w dh_(t-1)/dw). Source: Pascanu et al. 2013, section 2.3.
    """
    h, dw, db = START, 0.0, 0.0
    for _ in range(steps):
        z = min(max(w * h + b, -700.0), 700.0)
        s = 1 / (1 + exp(-z))
        slope = s * (1 - s)
        h, dw, db = s, slope * (h + w * dw), slope * (1 + w * db)
    error = h - TARGET
    return error * error, 2 * error * dw, 2 * error * db


def unit_surface(w: Array, b: Array, steps: int) -> Array:
    """Return the loss on a grid; w, b: arrays of one shape."""
    h = np.full(np.broadcast(w, b).shape, START)
    for _ in range(steps):
        h = 1 / (1 + np.exp(-np.clip(w * h + b, -700, 700)))
    return (h - TARGET) ** 2


def wall_gradient(w: float, steps: int) -> float:
    """Return ln |grad L| on the wall b = -w/2 for w > 0, in closed form.

    There h stays at 1/2 and each step multiplies by w/4, so that dh_T/db = (1/4) (k^T - 1)/(k - 1)
    with k = w/4, dh_T/dw is half of it, and |grad L| = 2 (0.7 - 0.5) sqrt(5)/2 dh_T/db.
    """
    k = w / 4
    total = log(steps) if k == 1 else log(abs(np.expm1(steps * log(k))) / abs(k - 1))
    return total + log(0.25 * 2 * (TARGET - START) * hypot(1, 0.5))


def wall_curvature(w: float, steps: int) -> float:
    """Return ln of the second derivative of L at b = -w/2, along the gradient.

    By central differences of the gradient, over a tenth of a thousandth of the wall's width.
    """

    def gradient(at: Array) -> Array:
        return np.array(unit(float(at[0]), float(at[1]), steps)[1:])

    middle = np.array([w, -w / 2])
    along = gradient(middle)
    along /= np.linalg.norm(along)
    step = 1e-4 * min(1.0, (4 / w) ** steps) * along
    change = gradient(middle + step) - gradient(middle - step)
    return log(float(change @ along) / (2 * float(np.linalg.norm(step))))


@result
class Walk:
    """One descent: `points` (WALK + 1, 2) are the (w, b) it comes by, the start first.

    `losses`, `norms` (WALK + 1,): loss and |grad L| there, before clipping.
    """

    points: Array
    losses: Array
    norms: Array

    @property
    def best(self) -> float:
        """The lowest loss over the last ten points."""
        return float(self.losses[-10:].min())


@result
class Cliff:
    """Two descents on the loss of the one-unit net from one start, without and with clipping."""

    steps: int
    threshold: float
    lr: float
    plain: Walk
    clipped: Walk

    @property
    def verdict(self) -> str:
        """One sentence: how far the cliff throws the plain descent, and where both end."""
        plain, clipped = self.plain, self.clipped
        ends = (
            f"after {WALK} steps the loss is {plain.losses[-1]:.3g} without clipping and "
            f"{clipped.losses[-1]:.3g} with it (best of the last ten {plain.best:.3g} and "
            f"{clipped.best:.3g})."
        )
        moves = np.linalg.norm(np.diff(plain.points, axis=0), axis=1)
        step, length = int(moves.argmax()) + 1, moves.max()
        norm = plain.norms[step - 1]
        if norm < 1.2:
            return (
                "no cliff is met without clipping, where the gradient stays below "
                f"{plain.norms.max():.2g}; {ends}"
            )
        if (clipped.norms <= self.threshold).all():
            return f"clipping had nothing to do, the gradient stayed below c; {ends}"
        return (
            f"at step {step} the gradient is {norm:.3g} and throws the plain descent {length:.1f} "
            f"away; clipped steps are {self.threshold * self.lr:.2g} at most; {ends}"
        )


def cliff(
    b: float = -1.8, w: float = 5.0, threshold: float = 0.3, lr: float = 0.5, steps: int = 30
) -> Cliff:
    """Descend twice from (w, b) on the loss of h_t = s(w h_(t-1) + b), h_0 = 1/2, 0.7 wanted.

    With clipping by norm at `threshold`, and without; WALK steps of size `lr`.
    """

    def walk(clip: float) -> Walk:
        at, points = np.array([w, b]), []

        def gradient() -> tuple[float, list[Array]]:
            points.append(at.copy())
            loss, *g = unit(float(at[0]), float(at[1]), steps)
            return loss, [np.array(g)]

        taken = learn.steps([at], gradient, [()] * (WALK + 1), lr=lr, clip=clip)
        losses, norms = np.array([(step.loss, step.norm) for step in taken]).T
        return Walk(np.array(points), losses, norms)

    return Cliff(steps, threshold, lr, walk(inf), walk(threshold))
