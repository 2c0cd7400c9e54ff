"""Two recurrent nets with their gradients by hand: one unit on a cliff, and the adding task's IRNN.

Both are plain numpy: a step of training takes a millisecond, so that a lab can train while a slider
moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, hypot, inf, log

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Pascanu, Mikolov & Bengio 2013, section 2.3: where their unit starts and what they ask of it.
START, TARGET = 0.5, 0.7
IRNN_UNITS, IRNN_BATCH = 20, 16
BROKEN = 1000.0


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
    """Return ln |grad L| on the wall b = -w/2, in closed form.

    There h stays at 1/2 and each step multiplies by w/4, so that dh_T/db = (1/4) (k^T - 1)/(k - 1)
    with k = w/4, dh_T/dw is half of it, and |grad L| = 2 (0.7 - 0.5) sqrt(5)/2 dh_T/db.
    """
    k = w / 4
    terms = steps * log(k) if k > 0 else -inf
    total = log(steps) if k == 1 else log(abs(np.expm1(terms)) / abs(k - 1))
    return total + log(0.25 * 2 * (TARGET - START) * hypot(1, 0.5))


def adding(rng: np.random.Generator, batch: int, steps: int) -> tuple[Array, Array]:
    """Draw the adding task: x (steps, batch, 2), numbers and two marks; y (batch,), their sum.

    The numbers are U(0, 1); one mark is in each half. Source: Hochreiter & Schmidhuber 1997.
    """
    x = np.zeros((steps, batch, 2))
    x[:, :, 0] = rng.random((steps, batch))
    rows, half = np.arange(batch), max(1, steps // 2)
    first, second = rng.integers(0, half, batch), rng.integers(half, steps, batch)
    x[first, rows, 1] = x[second, rows, 1] = 1
    return x, x[first, rows, 0] + x[second, rows, 0]


def irnn(units: int, seed: int) -> list[Array]:
    """Return W, U, b, v, c of h_t = relu(W h_(t-1) + U x_t + b), output v h_T + c.

    W is the identity, U is U(+-0.001), the readout v U(+-1/sqrt(units)), biases 0, after Le, Jaitly
    & Hinton 2015.
    """
    rng = np.random.default_rng(seed)
    v = rng.uniform(-1, 1, units) / units**0.5
    u = rng.uniform(-1e-3, 1e-3, (units, 2))
    return [np.eye(units), u, np.zeros(units), v, np.zeros(1)]


def irnn_gradient(p: list[Array], x: Array, y: Array) -> tuple[float, list[Array]]:
    """Return the mean squared error over the batch and its gradient by each of the five arrays."""
    w, u, b, v, c = p
    steps, batch, _ = x.shape
    drive = x @ u.T + b
    h = np.zeros((steps + 1, batch, len(w)))
    for t in range(steps):
        h[t + 1] = np.maximum(drive[t] + h[t] @ w.T, 0)
    error = h[steps] @ v + c[0] - y
    delta = np.empty((steps, batch, len(w)))
    back = (2 / batch) * error[:, None] * v
    for t in range(steps - 1, -1, -1):
        delta[t] = back * (h[t + 1] > 0)
        back = delta[t] @ w
    flat = delta.reshape(-1, len(w))
    return float((error**2).mean()), [
        flat.T @ h[:steps].reshape(-1, len(w)),
        flat.T @ x.reshape(-1, 2),
        flat.sum(0),
        (2 / batch) * error @ h[steps],
        np.array([(2 / batch) * error.sum()]),
    ]


@dataclass(frozen=True, eq=False)
class Run:
    """A training of the IRNN: loss, norm of the whole gradient before clipping, ||W|| at each step.

    `lost` is the step at which the loss passed 1000 or every unit was off for good; None if never.
    `how` says which of the two.
    """

    losses: Array
    norms: Array
    weight_norms: Array
    lost: int | None
    how: str

    @property
    def final(self) -> float:
        """The mean loss over the last fifth of the steps."""
        return float(self.losses[-max(1, len(self.losses) // 5) :].mean())


@lru_cache(maxsize=64)
def train_irnn(
    clip: float = inf,
    decay: float = 0.0,
    steps: int = 50,
    lr: float = 0.01,
    updates: int = 200,
    seed: int = 0,
    units: int = IRNN_UNITS,
    batch: int = IRNN_BATCH,
) -> Run:
    """Train the IRNN on the adding task with p <- p - lr (g min(1, clip/||g||) + decay p).

    A new batch for each step; one norm over all the parameters. It stops where the net is lost.
    """
    rng = np.random.default_rng([seed, 1])
    p = irnn(units, seed)
    losses, norms, weights = [], [], []
    lost, how = None, ""
    with np.errstate(all="ignore"):
        for step in range(updates):
            loss, g = irnn_gradient(p, *adding(rng, batch, steps))
            losses.append(loss)
            weights.append(float(np.linalg.norm(p[0])))
            norm = float(np.sqrt(sum(float((part * part).sum()) for part in g)))
            norms.append(norm)
            if not loss < BROKEN or not np.isfinite(norm):
                lost, how = step, "explodes"
                break
            if not g[0].any() and not g[1].any():
                lost, how = step, "dies"
                break
            factor = min(1.0, clip / norm)
            p = [part - lr * (factor * by + decay * part) for part, by in zip(p, g, strict=True)]
    return Run(np.array(losses), np.array(norms), np.array(weights), lost, how)
