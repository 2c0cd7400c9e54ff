"""Measurements of chapter 09: what clipping, penalties and limits do, each on its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, log, nan, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp
from torch.nn import functional as F

from vglib.clipping.recurrent import Run, train_irnn, unit
from vglib.data import Dataset, digits
from vglib.networks import mlp
from vglib.probe import power_of_ten
from vglib.training import fit

Array = NDArray[np.float64]


@lru_cache(maxsize=1)
def _digits() -> Dataset:
    return digits()


# The rules


def by_norm(g: Array, c: float) -> Array:
    """Clip by norm: g min(1, c/||g||)."""
    norm = float(np.linalg.norm(g))
    return g * min(1.0, c / norm) if norm else g.copy()


def by_value(g: Array, c: float) -> Array:
    """Clip by value: each entry is put into [-c, c]."""
    return np.clip(g, -c, c)


def cosine(one: Array, other: Array) -> float:
    """Return the cosine of the angle between two vectors, at any size; nan where one is 0."""
    largest = [float(np.abs(v).max(initial=0.0)) for v in (one, other)]
    if not all(largest):
        return nan
    a, b = one / largest[0], other / largest[1]
    return float(a @ b / sqrt(float(a @ a) * float(b @ b)))


# The cliff

WALK = 60
REGION = ((3.5, 6.5), (-3.2, -0.6))


@dataclass(frozen=True, eq=False)
class Cliff:
    """Two descents on the loss of the one-unit net, without and with clipping, from one start.

    `plain`, `clipped`: (WALK + 1, 2) the points (w, b); `plain_losses`, `clipped_losses`,
    `plain_norms`, `clipped_norms`: (WALK + 1,) loss and |grad L| there, before clipping.
    """

    steps: int
    threshold: float
    lr: float
    plain: Array
    clipped: Array
    plain_losses: Array
    clipped_losses: Array
    plain_norms: Array
    clipped_norms: Array

    @property
    def jump(self) -> tuple[int, float]:
        """The step of the longest move without clipping, counted from 1, and its length."""
        moves = np.linalg.norm(np.diff(self.plain, axis=0), axis=1)
        return int(moves.argmax()) + 1, float(moves.max())

    @property
    def best(self) -> tuple[float, float]:
        """The lowest loss over the last ten points, without and with clipping."""
        return float(self.plain_losses[-10:].min()), float(self.clipped_losses[-10:].min())

    @property
    def verdict(self) -> str:
        """One sentence: how far the cliff throws the plain descent, and where both end."""
        step, length = self.jump
        ends = (
            f"after {WALK} steps the loss is {self.plain_losses[-1]:.3g} without clipping and "
            f"{self.clipped_losses[-1]:.3g} with it (best of the last ten {self.best[0]:.3g} and "
            f"{self.best[1]:.3g})."
        )
        norm = self.plain_norms[step - 1]
        if norm < 1.2:
            return f"no cliff is met: the gradient stays below {max(self.plain_norms):.2g}; {ends}"
        if (self.clipped_norms <= self.threshold).all():
            return f"clipping had nothing to do, the gradient stayed below c; {ends}"
        return (
            f"at step {step} the gradient is {norm:.3g} and throws the plain descent {length:.1f} "
            f"away; clipped steps are {self.threshold * self.lr:.2g} at most; {ends}"
        )


def cliff(
    b: float = -1.8,
    w: float = 5.0,
    threshold: float = 0.3,
    lr: float = 0.5,
    steps: int = 30,
) -> Cliff:
    """Descend twice from (w, b) on the loss of h_t = s(w h_(t-1) + b), h_0 = 1/2, 0.7 wanted.

    With clipping by norm at `threshold`, and without; WALK steps of size `lr`.
    """
    paths = []
    for c in (inf, threshold):
        at, points, losses, norms = np.array([w, b]), [], [], []
        for _ in range(WALK + 1):
            loss, *g = unit(float(at[0]), float(at[1]), steps)
            points.append(at)
            losses.append(loss)
            norms.append(float(np.hypot(g[0], g[1])))
            at = at - lr * by_norm(np.array(g), c)
        paths.append((np.array(points), np.array(losses), np.array(norms)))
    (plain, plain_losses, plain_norms), (clipped, clipped_losses, clipped_norms) = paths
    return Cliff(
        steps,
        threshold,
        lr,
        plain,
        clipped,
        plain_losses,
        clipped_losses,
        plain_norms,
        clipped_norms,
    )


def measured_wall(w: float, steps: int) -> float:
    """Return ln |grad L| at b = -w/2, where the theory is `wall_gradient`."""
    return log(float(np.linalg.norm(unit(w, -w / 2, steps)[1:])))


# Direction and length in the plane


@dataclass(frozen=True, eq=False)
class Angle:
    """A gradient in the plane and what clipping makes of it, in units of the threshold.

    `thresholds` (n,) with the angles in degrees, `by_value` and `by_norm` (n,), by which each rule
    turns g at that threshold.
    """

    g: Array
    threshold: float
    value: Array
    norm: Array
    thresholds: Array
    value_angles: Array
    norm_angles: Array

    @property
    def verdict(self) -> str:
        """One sentence: cosine and length of both rules."""
        if np.linalg.norm(self.g) <= self.threshold:
            return (
                f"untouched: ‖g‖ = {np.linalg.norm(self.g):.3g} is within the threshold "
                f"{self.threshold:.3g}, and both rules leave g as it is."
            )
        cos = cosine(self.g, self.value)
        word = "turned" if cos < 0.999 else "shortened"
        return (
            f"{word}: ‖g‖ = {np.linalg.norm(self.g):.3g}; by value cosine {cos:.3f} and length "
            f"{np.linalg.norm(self.value):.3g}, by norm cosine {cosine(self.g, self.norm):.3f} and "
            f"length {np.linalg.norm(self.norm):.3g}."
        )


def angle(g1: float = 0.9, g2: float = 100.0, threshold: float = 1.0) -> Angle:
    """Clip g = (g1, g2) by value and by norm."""
    g = np.array([g1, g2])
    thresholds = np.geomspace(1e-3, 1e3, 121)
    angles = [
        [np.degrees(np.arccos(min(1.0, cosine(g, rule(g, c))))) for c in thresholds]
        for rule in (by_value, by_norm)
    ]
    return Angle(
        g,
        threshold,
        by_value(g, threshold),
        by_norm(g, threshold),
        thresholds,
        *(np.array(a) for a in angles),
    )


# What is clipped together: value, whole, layer, group

RULES = ("whole norm", "each layer", "two groups", "each entry")


@dataclass(frozen=True, eq=False)
class Scopes:
    """A network's gradient before and after one clipping rule, layer by layer.

    `log_before`, `log_after`: (depth + 1,) ln of each layer's norm, weights and bias together, the
    readout last; `cosines`: (depth + 1,) between each layer's gradient before and after.
    """

    rule: str
    threshold: float
    log_before: Array
    log_after: Array
    cosines: Array

    @property
    def log_length(self) -> tuple[float, float]:
        """ln of the whole gradient's norm, before and after."""
        return (
            float(logsumexp(2 * self.log_before)) / 2,
            float(logsumexp(2 * self.log_after)) / 2,
        )

    @property
    def cosine(self) -> float:
        """Between the whole gradient before and after."""
        before, after = self.log_length
        terms = np.exp(self.log_before + self.log_after - before - after)
        return float(np.nansum(terms * self.cosines))

    @property
    def log_ratio(self) -> tuple[float, float]:
        """ln of layer 1's norm over that of the last hidden layer, before and after."""
        return (
            float(self.log_before[0] - self.log_before[-2]),
            float(self.log_after[0] - self.log_after[-2]),
        )

    @property
    def verdict(self) -> str:
        """One sentence: the whole gradient's length and direction, and the ratio of layers."""
        before, after = (power_of_ten(x) for x in self.log_length)
        first, second = (power_of_ten(x) for x in self.log_ratio)
        if np.allclose(self.log_before, self.log_after, atol=1e-12):
            return (
                f"untouched: the gradient's norm is {before}, no part of it is above the threshold "
                f"{self.threshold:.3g}, and layer 1 over the last hidden layer stays {first}."
            )
        turned = "keeps its direction" if self.cosine > 0.9999 else "is turned"
        return (
            f"{self.rule}: the gradient {turned} (cosine {self.cosine:.3f}), its norm goes from "
            f"{before} to {after}, and layer 1 over the last hidden layer from {first} to {second}."
        )


@lru_cache(maxsize=8)
def _gradient(depth: int, weight_scale: float, activation: str, seed: int) -> tuple[Array, ...]:
    """Return each layer's gradient as one vector, weights and bias together."""
    init = "he" if activation == "relu" else "glorot"
    network = mlp(depth, 50, activation=activation, init=init, weight_scale=weight_scale, seed=seed)
    x, y = _digits().x_train[:100], _digits().y_train[:100]
    loss = F.cross_entropy(network(x), y)
    parts = torch.autograd.grad(loss, [*network.weights, *network.biases])
    pairs = zip(parts[: depth + 1], parts[depth + 1 :], strict=True)
    return tuple(torch.cat([w.flatten(), b]).numpy() for w, b in pairs)


def _log_norm(v: Array) -> float:
    largest = float(np.abs(v).max())
    return log(largest) + log(float(np.linalg.norm(v / largest))) if largest else -inf


def scopes(
    rule: str = "whole norm",
    threshold: float = 1.0,
    depth: int = 20,
    weight_scale: float = 1.5,
    activation: str = "tanh",
    seed: int = 0,
) -> Scopes:
    """Clip the gradient of a net on digits, at its start, by one of four rules.

    64-50-...-50-10, Glorot (ReLU: He) times the weight scale, cross-entropy, 100 images. "two
    groups" are the hidden layers and the readout, each with its own norm.
    """
    parts = _gradient(depth, weight_scale, activation, seed)
    before = np.array([_log_norm(p) for p in parts])
    cosines, limit = np.ones(len(parts)), log(threshold)
    if rule == "each entry":
        clipped = [by_value(p, threshold) for p in parts]
        after = np.array([_log_norm(p) for p in clipped])
        cosines = np.array([cosine(p, q) for p, q in zip(parts, clipped, strict=True)])
    elif rule == "each layer":
        after = np.minimum(before, limit)
    elif rule == "two groups":
        body = min(0.0, limit - float(logsumexp(2 * before[:-1])) / 2)
        after = np.append(before[:-1] + body, min(before[-1], limit))
    else:
        after = before + min(0.0, limit - float(logsumexp(2 * before)) / 2)
    return Scopes(rule, threshold, before, after, cosines)


def sign_cosine(n: int, seed: int = 0) -> float:
    """Return the cosine between n numbers N(0, 1) and their signs: value clipping, c -> 0."""
    g = np.random.default_rng(seed).standard_normal(n)
    return cosine(g, np.sign(g))


# Norms over a run, and how to choose a threshold


@dataclass(frozen=True, eq=False)
class Norms:
    """The gradient's norm before clipping over a run of the IRNN, clipped at `threshold`."""

    threshold: float
    steps: int
    run: Run
    edges: Array
    counts: Array

    @property
    def median(self) -> float:
        """The median norm over the run, before clipping."""
        return float(np.median(self.run.norms))

    @property
    def share(self) -> float:
        """The share of steps that were clipped."""
        return float((self.run.norms > self.threshold).mean())

    @property
    def verdict(self) -> str:
        """One sentence: median and largest norm, the share clipped, and how it ended."""
        end = (
            f"{_lost(self.run)} at step {self.run.lost}"
            if self.run.lost is not None
            else f"survives, with a loss of {self.run.final:.3f} in the end"
        )
        return (
            f"{end}: the norm has the median {self.median:.2g} and reaches "
            f"{self.run.norms.max():.2g}; the threshold {self.threshold:.2g} is "
            f"{self.threshold / self.median:.2g} medians and clips {100 * self.share:.0f}% of the "
            "steps."
        )


def _lost(run: Run) -> str:
    return "dies (every unit off)" if run.how == "dies" else "explodes"


def _updates(steps: int) -> int:
    # A step costs in proportion to the time steps; three runs stay below half a second.
    return max(80, min(400, 8000 // steps))


def norms(threshold: float = 1.0, steps: int = 50, lr: float = 0.01, seed: int = 0) -> Norms:
    """Train the IRNN clipped at `threshold` and count how large its gradients were."""
    run = train_irnn(threshold, 0.0, steps, lr, _updates(steps), seed)
    edges = np.linspace(-2, 6, 49)
    with np.errstate(divide="ignore"):
        logs = np.clip(np.log10(run.norms[np.isfinite(run.norms)]), -1.99, 5.99)
    return Norms(threshold, steps, run, edges, np.histogram(logs, edges)[0].astype(float))


# Three ways to train one recurrent net


@dataclass(frozen=True, eq=False)
class Rescue:
    """The IRNN trained three times from one start: plain, with weight decay, clipped."""

    threshold: float
    decay: float
    steps: int
    lr: float
    runs: dict[str, Run]

    @property
    def verdict(self) -> str:
        """One sentence: which of the three are lost, when, and how."""
        parts = [
            f"{name} {_lost(run)} at step {run.lost}"
            if run.lost is not None
            else f"{name} survives (loss {run.final:.3f})"
            for name, run in self.runs.items()
        ]
        shrink = 100 * (1 - (1 - self.lr * self.decay) ** 10)
        return f"{'; '.join(parts)}; in ten steps the decay takes {shrink:.2g}% off a weight."


def rescue(
    threshold: float = 1.0, decay: float = 0.01, steps: int = 50, lr: float = 0.01, seed: int = 0
) -> Rescue:
    """Train the IRNN on the adding task: plain, with weight decay, with clipping by norm."""
    updates = _updates(steps)
    return Rescue(
        threshold,
        decay,
        steps,
        lr,
        {
            "plain": train_irnn(inf, 0.0, steps, lr, updates, seed),
            "decay": train_irnn(inf, decay, steps, lr, updates, seed),
            "clipped": train_irnn(threshold, 0.0, steps, lr, updates, seed),
        },
    )


def weights_at_the_peak(seed: int) -> tuple[float, float]:
    """Return ||g|| and ||W|| over their start, where the gradient is largest before the loss."""
    run = train_irnn(seed=seed)
    peak = int(run.norms.argmax())
    return run.norms[peak] / run.norms[0], run.weight_norms[peak] / run.weight_norms[0]


def lost_at(seed: int, **settings: float) -> float:
    """Return the step at which a run of the IRNN is lost; infinite if it survives 200 steps."""
    run = train_irnn(seed=seed, **settings)  # type: ignore[arg-type]
    return inf if run.lost is None else float(run.lost)


def thresholds_that_work(seed: int) -> float:
    """Return the share of thresholds from half to ten times the mean norm that survive and improve.

    The mean is that of a run clipped at 1; each run must end below the loss it began with.
    """
    mean = float(train_irnn(1.0, updates=80, seed=seed).norms.mean())
    good = 0
    for multiple in (0.5, 1.0, 2.0, 5.0, 10.0):
        run = train_irnn(multiple * mean, updates=80, seed=seed)
        good += run.lost is None and run.final < run.losses[:5].mean() / 2
    return good / 5


@lru_cache(maxsize=8)
def deep_sigmoid_accuracy(clip: float, seed: int) -> float:
    """Train 20 sigmoid layers of 30 on digits with clipping by norm; return the test accuracy."""
    data = _digits()
    network = mlp(20, 30, init="1/fan_in", seed=seed)

    def limit(net: torch.nn.Module) -> None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), clip)

    history = fit(
        network,
        data,
        loss=F.cross_entropy,
        lr=0.2,
        batch=64,
        steps=150,
        record_at=[150],
        probe_size=10,
        seed=seed,
        progress=False,
        before_step=limit,
    )
    return float(history.test_accuracy[-1])


# Penalties

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


@dataclass(frozen=True, eq=False)
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
    size_norms: dict[str, Array]

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
    w, path = np.array([0.0, 2.0]), []
    for _ in range(400):
        path.append(w)
        g = CURVATURES * (w - goal) + (strength * w if kind == "L2" else 0)
        w = w - lr * g
        if kind == "L1":
            w = np.sign(w) * np.maximum(np.abs(w) - lr * strength, 0)
        elif kind == "max-norm":
            # The projection puts a point outside back on the ball: clipping by norm, of weights.
            w = by_norm(w, radius)
    sizes = np.linspace(0, 5, 51)
    norms_of = {
        "L2": [np.linalg.norm(l2_weights(s * GOAL, strength)) for s in sizes],
        "L1": [np.linalg.norm(l1_weights(s * GOAL, strength)) for s in sizes],
        "max-norm": [np.linalg.norm(max_norm_weights(s * GOAL, radius)) for s in sizes],
    }
    solution = {
        "L2": lambda: l2_weights(goal, strength),
        "L1": lambda: l1_weights(goal, strength),
        "max-norm": lambda: max_norm_weights(goal, radius),
    }[kind]()
    return Penalty(
        kind,
        strength,
        radius,
        goal,
        np.array([*path, w]),
        solution,
        sizes,
        {k: np.array(v, dtype=float) for k, v in norms_of.items()},
    )


# Overflow as it happens

OVERFLOW_STEPS = 30
NUMBER_TYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class Fall:
    """A short training of a deep ReLU net in a given number type, step by step.

    `losses` (n,), `norms` (n,) of the whole gradient, `largest` (n, layers) the largest |z| of each
    layer; it ends with the first step whose loss is not finite. `layer`: the first layer with a z
    that is not finite, counted from 1; None if all are. `log_norms`: log10 of `norms`.
    """

    losses: Array
    norms: Array
    largest: Array

    @property
    def broken(self) -> int | None:
        """The step whose loss is not finite; None if none."""
        return None if isfinite(self.losses[-1]) else len(self.losses) - 1

    @property
    def layer(self) -> int | None:
        """The first layer whose z overflows in the last step, counted from 1; None if none."""
        bad = np.flatnonzero(~np.isfinite(self.largest[-1]))
        return int(bad[0]) + 1 if len(bad) else None


@dataclass(frozen=True, eq=False)
class Overflow:
    """The same training without and with clipping by norm."""

    number_type: str
    threshold: float
    depth: int
    plain: Fall
    clipped: Fall

    @property
    def limit(self) -> float:
        """log10 of the largest number of the type."""
        return float(np.log10(float(np.finfo(np.dtype(self.number_type)).max)))

    @property
    def verdict(self) -> str:
        """One sentence: the step and the layer of the overflow, and what clipping makes of it."""
        return f"unclipped {self._say(self.plain)}; clipped {self._say(self.clipped)}."

    def _say(self, fall: Fall) -> str:
        if fall.broken is None:
            return f"it stays finite, loss {fall.losses[0]:.3g} to {fall.losses[-1]:.3g}"
        if fall.layer is None:
            # The square of a number beyond the root of the limit leaves the type first.
            return f"the loss overflows at step {fall.broken}, with every layer still finite"
        name = "the readout" if fall.layer == self.depth + 1 else f"layer {fall.layer}"
        when = "before the first step" if fall.broken == 0 else f"after {fall.broken} steps"
        return f"{name} is the first to overflow {self.number_type}, {when}"


def _fall(
    clip: float, lr: float, depth: int, weight_scale: float, dtype: np.dtype, seed: int
) -> Fall:
    network = mlp(depth, 30, activation="relu", init="he", weight_scale=weight_scale, seed=seed)
    weights = [w.detach().numpy().astype(dtype) for w in network.weights]
    biases = [b.detach().numpy().astype(dtype) for b in network.biases]
    x, y = _overflow_data()
    rng = np.random.default_rng(seed)
    losses, sizes, largest = [], [], []
    with np.errstate(all="ignore"):
        for _ in range(OVERFLOW_STEPS + 1):
            rows = rng.integers(0, len(x), 64)
            h, zs, hs = x[rows].astype(dtype), [], []
            for index, (w, b) in enumerate(zip(weights, biases, strict=True)):
                hs.append(h)
                zs.append(h @ w.T + b)
                h = np.maximum(zs[-1], 0) if index < depth else zs[-1]
            error = h - y[rows].astype(dtype)
            losses.append(float((error * error).mean(dtype=dtype)))
            largest.append([float(np.abs(z).max()) for z in zs])
            delta, grads = (2 / error.size) * error, []
            for index in range(depth, -1, -1):
                grads.append((delta.T @ hs[index], delta.sum(0)))
                if index:
                    delta = (delta @ weights[index]) * (zs[index - 1] > 0)
            grads.reverse()
            squares = [(p.astype(np.float64) ** 2).sum() for pair in grads for p in pair]
            norm = float(np.sqrt(np.sum(squares)))
            sizes.append(norm)
            if not isfinite(losses[-1]):
                break
            factor = np.asarray(lr * min(1.0, clip / norm if norm else 1.0), dtype=dtype)
            for index, (by_w, by_b) in enumerate(grads):
                weights[index] = weights[index] - factor * by_w
                biases[index] = biases[index] - factor * by_b
    return Fall(np.array(losses), np.array(sizes), np.array(largest))


@lru_cache(maxsize=1)
def _overflow_data() -> tuple[Array, Array]:
    data = _digits()
    return data.x_train.numpy(), np.eye(10)[data.y_train.numpy()]


@lru_cache(maxsize=32)
def overflow(
    lr: float = 1.0,
    threshold: float = 1.0,
    depth: int = 10,
    weight_scale: float = 1.0,
    number_type: str = "float32",
    seed: int = 0,
) -> Overflow:
    """Train a deep ReLU net for 30 steps without and with clipping, until a number overflows.

    64-30-...-30-10 on digits, He times the weight scale, mean squared error, SGD, batch 64.
    """
    dtype = np.dtype(number_type)
    plain, clipped = (_fall(c, lr, depth, weight_scale, dtype, seed) for c in (inf, threshold))
    return Overflow(number_type, threshold, depth, plain, clipped)
