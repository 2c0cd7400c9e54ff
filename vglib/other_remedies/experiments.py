"""Measurements of chapter 10 on the step: optimisers, schedules, and the scale of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cos, inf, isfinite, log, nan, pi, prod

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import power_of_ten
from vglib.training import one_thread

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Layers = list[Array]

EPS = 1e-8
OPTIMISERS = ("SGD", "momentum", "RMSprop", "Adam")
ACTIVATIONS = ("sigmoid", "tanh", "relu")
CHANCE = 0.1


@lru_cache(maxsize=1)
def _digits() -> tuple[Array, Labels, Array, Labels]:
    data = digits()
    return (
        data.x_train.numpy(),
        data.y_train.numpy(),
        data.x_test.numpy(),
        data.y_test.numpy(),
    )


# A network whose parameters are one vector


def _sigmoid(z: Array) -> tuple[Array, Array]:
    h = expit(z)
    return h, h * (1 - h)


def _tanh(z: Array) -> tuple[Array, Array]:
    h = np.tanh(z)
    return h, 1 - h * h


def _relu(z: Array) -> tuple[Array, Array]:
    return np.maximum(z, 0), (z > 0).astype(float)


_PHI: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "relu": _relu,
}
# The second derivative, from phi and phi'.
_BEND: dict[str, Callable[[Array, Array], Array]] = {
    "sigmoid": lambda h, slope: slope * (1 - 2 * h),
    "tanh": lambda h, slope: -2 * h * slope,
    "relu": lambda h, slope: np.zeros_like(h),
}
_STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "relu": 1.0}


@dataclass(frozen=True, eq=False)
class Net:
    """A multilayer perceptron whose weights and biases are views of one vector `theta`.

    h_l = phi(W_l h_(l-1) + b_l), the readout without phi. `weights[l]`: (fan_out, fan_in).
    `loss` is "cross-entropy", averaged over the batch, or "squared error", averaged over batch and
    outputs; targets are (batch,) labels or (batch, n_out) numbers.
    """

    theta: Array
    shapes: tuple[tuple[int, ...], ...]
    activation: str
    loss: str = "cross-entropy"

    def split(self, vector: Array) -> tuple[Layers, Layers]:
        """Cut a vector like `theta` into weight matrices and bias vectors; views, no copies."""
        parts, start = [], 0
        for shape in self.shapes:
            size = prod(shape)
            parts.append(vector[start : start + size].reshape(shape))
            start += size
        return parts[::2], parts[1::2]

    def forward(self, x: Array) -> tuple[Layers, Layers]:
        """Return h_0..h_L, where h_L is the output, and phi' at each hidden layer."""
        weights, biases = self.split(self.theta)
        hs, slopes = [x], []
        for weight, bias in zip(weights, biases, strict=True):
            z = hs[-1] @ weight.T + bias
            if len(hs) == len(weights):
                hs.append(z)
                break
            h, slope = _PHI[self.activation](z)
            hs.append(h)
            slopes.append(slope)
        return hs, slopes

    def output_delta(self, z: Array, y: Array | Labels) -> tuple[float, Array, Array]:
        """Return the loss, dL/dz at the output, and the softmax (zeros for the squared error)."""
        if self.loss == "squared error":
            error = z - y
            return float(np.mean(error**2)), 2 * error / error.size, np.zeros_like(z)
        shifted = z - z.max(1, keepdims=True)
        p = np.exp(shifted)
        total = p.sum(1, keepdims=True)
        p /= total
        rows = np.arange(len(y))
        loss = float((np.log(total[:, 0]) - shifted[rows, y]).mean())
        delta = p.copy()
        delta[rows, y] -= 1
        return loss, delta / len(y), p

    def gradient(self, x: Array, y: Array | Labels) -> tuple[float, Array]:
        """Return the loss and dL/dtheta: delta_(l-1) = phi' * (delta_l W_l), dW_l = delta_l^T h."""
        hs, slopes = self.forward(x)
        loss, delta, _ = self.output_delta(hs[-1], y)
        gradient = np.empty_like(self.theta)
        by_weights, by_biases = self.split(gradient)
        weights, _ = self.split(self.theta)
        for i in reversed(range(len(weights))):
            np.matmul(delta.T, hs[i], out=by_weights[i])
            delta.sum(0, out=by_biases[i])
            if i:
                delta = (delta @ weights[i]) * slopes[i - 1]
        return loss, gradient

    def deltas(self, x: Array, y: Array | Labels) -> Layers:
        """Return dL/dz_1 .. dL/dz_L, each (batch, width)."""
        hs, slopes = self.forward(x)
        _, delta, _ = self.output_delta(hs[-1], y)
        weights, _ = self.split(self.theta)
        found = [delta]
        for i in reversed(range(1, len(weights))):
            found.append((found[-1] @ weights[i]) * slopes[i - 1])
        return found[::-1]

    def curvature_along(self, x: Array, y: Array | Labels) -> Callable[[Array], Array]:
        """Return v -> H v, H the Hessian of the loss, exactly; by Pearlmutter's R operator.

        With R f = d f(theta + t v)/dt at t = 0: R z_l = V_l h_(l-1) + W_l R h_(l-1) + R b_l, and
        the same derivative of every line of the backward recursion. Source: Pearlmutter 1994.
        """
        hs, slopes = self.forward(x)
        bends = list(map(_BEND[self.activation], hs[1:-1], slopes))
        _, delta, p = self.output_delta(hs[-1], y)
        weights, _ = self.split(self.theta)
        deltas, arriving = [delta], []
        for i in reversed(range(1, len(weights))):
            arriving.append(deltas[-1] @ weights[i])
            deltas.append(arriving[-1] * slopes[i - 1])
        deltas, arriving = deltas[::-1], arriving[::-1]

        def along(v: Array) -> Array:
            moves, shifts = self.split(v)
            r_hs, r_zs = [np.zeros_like(x)], []
            for i, (move, shift) in enumerate(zip(moves, shifts, strict=True)):
                r_zs.append(hs[i] @ move.T + r_hs[i] @ weights[i].T + shift)
                r_hs.append(r_zs[i] * slopes[i] if i < len(slopes) else r_zs[i])
            if self.loss == "squared error":
                r_delta = 2 * r_zs[-1] / r_zs[-1].size
            else:
                r_p = p * r_zs[-1]
                r_delta = (r_p - p * r_p.sum(1, keepdims=True)) / len(x)
            out = np.empty_like(v)
            by_weights, by_biases = self.split(out)
            for i in reversed(range(len(weights))):
                np.matmul(r_delta.T, hs[i], out=by_weights[i])
                by_weights[i] += deltas[i].T @ r_hs[i]
                r_delta.sum(0, out=by_biases[i])
                if i:
                    r_delta = (r_delta @ weights[i] + deltas[i] @ moves[i]) * slopes[i - 1]
                    r_delta += arriving[i - 1] * bends[i - 1] * r_zs[i - 1]
            return out

        return along

    def accuracy(self, x: Array, y: Labels) -> float:
        """Return the share of images whose largest output is the right one."""
        return float((self.forward(x)[0][-1].argmax(1) == y).mean())


def build(
    depth: int,
    width: int = 50,
    activation: str = "sigmoid",
    init: str = "1/fan_in",
    weight_scale: float = 1.0,
    seed: int = 0,
    loss: str = "cross-entropy",
) -> Net:
    """Build the net 64-width-...-width-10 of `vglib.networks.mlp` as one vector."""
    made = mlp(depth, width, activation=activation, init=init, weight_scale=weight_scale, seed=seed)
    parts = [
        p.detach().numpy() for pair in zip(made.weights, made.biases, strict=True) for p in pair
    ]
    theta = np.concatenate([p.ravel() for p in parts])
    return Net(theta, tuple(p.shape for p in parts), activation, loss)


def largest_curvature(net: Net, x: Array, y: Array | Labels, steps: int = 15) -> float:
    """Return the largest eigenvalue of the Hessian of the loss, by Lanczos steps from one start.

    A lower bound, close after a dozen steps when one eigenvalue stands out; nan where the forward
    or backward pass overflows.
    """
    with np.errstate(all="ignore"):
        along = net.curvature_along(x, y)
        v = np.random.default_rng(0).standard_normal(len(net.theta))
        basis = [v / np.linalg.norm(v)]
        diagonal, beside = [], []
        for _ in range(min(steps, len(net.theta))):
            w = along(basis[-1])
            diagonal.append(float(w @ basis[-1]))
            if not isfinite(diagonal[-1]):
                return nan
            for b in basis:
                w -= (w @ b) * b
            length = float(np.linalg.norm(w))
            if not length > 1e-12 * max(map(abs, diagonal)):
                break
            beside.append(length)
            basis.append(w / length)
        beside = beside[: len(diagonal) - 1]
        matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        return float(np.linalg.eigvalsh(matrix)[-1])


def _log_norm(v: Array) -> float:
    largest = float(np.abs(v).max(initial=0.0))
    if not isfinite(largest):
        return nan
    # Not by np.linalg.norm, which starts threads for as few as ten thousand numbers.
    return log(largest) + log(float(np.square(v / largest).sum())) / 2 if largest else -inf


# Update rules


def update_rule(name: str, size: int, eps: float = EPS) -> Callable[[Array, float], Array]:
    """Return a function (g, lr) -> what is subtracted from theta, with torch's defaults.

    SGD lr g; momentum v <- 0.9 v + g, lr v; RMSprop s <- 0.99 s + 0.01 g^2, lr g / (sqrt s + eps);
    Adam m <- 0.9 m + 0.1 g, s <- 0.999 s + 0.001 g^2, lr m^ / (sqrt s^ + eps), m^ = m / (1 - 0.9^t)
    and s^ = s / (1 - 0.999^t). Raises ValueError for another name.
    """
    if name not in OPTIMISERS:
        raise ValueError(f"There is no optimiser {name!r}; choose from {', '.join(OPTIMISERS)}.")
    m, s, t = np.zeros(size), np.zeros(size), 0

    def sgd(g: Array, lr: float) -> Array:
        return lr * g

    def momentum(g: Array, lr: float) -> Array:
        nonlocal m
        m = 0.9 * m + g
        return lr * m

    def rmsprop(g: Array, lr: float) -> Array:
        nonlocal s
        s = 0.99 * s + 0.01 * g * g
        return lr * g / (np.sqrt(s) + eps)

    def adam(g: Array, lr: float) -> Array:
        nonlocal m, s, t
        t += 1
        m = 0.9 * m + 0.1 * g
        s = 0.999 * s + 0.001 * g * g
        return lr * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + eps)

    return {"SGD": sgd, "momentum": momentum, "RMSprop": rmsprop, "Adam": adam}[name]


def adam_first_step(g: Array, lr: float, eps: float = EPS) -> Array:
    """Return what Adam's first step subtracts: lr g / (|g| + eps)."""
    return lr * g / (np.abs(g) + eps)


# Update size against gradient size

BATCH = 64
SHUFFLES = 5


@dataclass(frozen=True, eq=False)
class Updates:
    """One optimiser's first step, layer by layer, the readout last.

    `log_gradient`, `log_update`, `log_theory`: (depth + 1,) ln of ||dL/dW||, ||Delta W|| and of
    what the rule's formula without eps says. With g' the gradient when the labels are dealt out to
    the images anew, means over SHUFFLES deals: `log_part`: (depth + 1,) ln ||g - g'|| / ||g||, the
    part that depends on which image has which label; `same`: (depth + 1,) share of weights that
    would move the same way. `log_spread`: (depth + 1,) ln of the spread over the data of what the
    layer reads, over its root mean square.
    """

    optimiser: str
    lr: float
    depth: int
    log_gradient: Array
    log_update: Array
    log_theory: Array
    log_part: Array
    same: Array
    log_spread: Array

    @property
    def verdict(self) -> str:
        """One sentence: gradient and step of the first and last hidden layer, and what is lost."""
        g = power_of_ten(float(self.log_gradient[0] - self.log_gradient[-2]))
        u = power_of_ten(float(self.log_update[0] - self.log_update[-2]))
        if not np.isfinite(self.log_update).any():
            return "the gradient is exactly 0 in every layer, and so is the step."
        short = int(np.sum(self.log_update < self.log_theory - log(2)))
        tail = (
            f"; in {short} of {self.depth + 1} layers the gradient is so small that eps holds the "
            "step back"
            if short
            else ""
        )
        part = power_of_ten(float(self.log_part[-2]))
        return (
            f"{self.optimiser}: layer 1 over layer {self.depth} is {g} in the gradient and {u} in "
            f"the step{tail}; of layer {self.depth}'s gradient the part {part} depends on which "
            f"image has which label, and {100 * self.same[-2]:.3g}% of its weights would move the "
            "same way with the labels shuffled."
        )


_INIT = {"sigmoid": "1/fan_in", "tanh": "torch", "relu": "torch"}


@lru_cache(maxsize=16)
def _first_gradients(
    depth: int, weight_scale: float, activation: str, seed: int
) -> tuple[Net, Array, Array, Array, Array]:
    """Return net, gradient, and `log_part`, `same` and `log_spread` of `Updates`."""
    net = build(depth, 50, activation, _INIT[activation], weight_scale, seed)
    generator = np.random.default_rng(seed)
    rows = generator.permutation(len(_digits()[0]))[:BATCH]
    x, y = _digits()[0][rows], _digits()[1][rows]
    _, gradient = net.gradient(x, y)
    weights, _ = net.split(gradient)
    part, same = np.full((2, SHUFFLES, len(weights)), nan)
    for deal in range(SHUFFLES):
        _, other = net.gradient(x, y[generator.permutation(BATCH)])
        for i, (one, two) in enumerate(zip(weights, net.split(other)[0], strict=True)):
            # A weight behind a dead unit does not move at all, so it has no direction to keep.
            moving = (one != 0) | (two != 0)
            if moving.any():
                part[deal, i] = _log_norm(one - two) - _log_norm(one)
                same[deal, i] = np.mean(np.sign(one[moving]) == np.sign(two[moving]))
    spread = [_log_norm(h - h.mean(0)) - _log_norm(h) for h in net.forward(x)[0][:-1]]
    return net, gradient, part.mean(0), same.mean(0), np.array(spread)


def updates(
    optimiser: str = "Adam",
    lr: float = 0.01,
    depth: int = 20,
    weight_scale: float = 1.0,
    activation: str = "sigmoid",
    seed: int = 0,
) -> Updates:
    """Measure the first step of an optimiser on a net that has not been trained.

    64-50-...-50-10, digits, BATCH images, cross-entropy; sigmoid N(0, 1/n) without biases, tanh
    and ReLU torch's own scale with its biases; the weights times `weight_scale`.
    """
    net, gradient, *shuffled = _first_gradients(depth, weight_scale, activation, seed)
    step = update_rule(optimiser, len(gradient))(gradient, lr)
    log_gradient = np.array([_log_norm(g) for g in net.split(gradient)[0]])
    moving = [np.count_nonzero(g) for g in net.split(gradient)[0]]
    if optimiser in ("Adam", "RMSprop"):
        first = lr if optimiser == "Adam" else 10 * lr
        with np.errstate(divide="ignore"):
            log_theory = log(first) + np.log(moving) / 2
    else:
        log_theory = log(lr) + log_gradient
    return Updates(
        optimiser,
        lr,
        depth,
        log_gradient,
        np.array([_log_norm(u) for u in net.split(step)[0]]),
        log_theory,
        *shuffled,
    )


def same_direction(
    layer: int,
    depth: int = 20,
    weight_scale: float = 1.0,
    activation: str = "sigmoid",
    seed: int = 0,
) -> float:
    """Return the share of layer's weights that move the same way with shuffled labels."""
    return float(_first_gradients(depth, weight_scale, activation, seed)[3][layer - 1])


# A training


@dataclass(frozen=True, eq=False)
class Course:
    """What a training showed: loss, gradient norm and step size at each step, accuracy at the end.

    `losses`, `log_norms`, `lrs`: (steps,), shorter where the loss left the number type.
    `probes`: the results of `probe(net)` at `probe_steps`.
    """

    losses: Array
    log_norms: Array
    lrs: Array
    accuracy: float
    broke: bool
    probe_steps: tuple[int, ...]
    probes: tuple[float, ...]

    @property
    def final(self) -> float:
        """Mean loss of the last tenth; inf where it left the number type."""
        return inf if self.broke else float(self.losses[-max(1, len(self.losses) // 10) :].mean())


def train(
    net: Net,
    optimiser: str,
    lr: float,
    steps: int,
    *,
    schedule: Callable[[int], float] = lambda step: 1.0,
    batch: int = BATCH,
    eps: float = EPS,
    seed: int = 0,
    probe: Callable[[Net], float] | None = None,
    probe_steps: tuple[int, ...] = (),
) -> Course:
    """Train a net in place on digits, with step size lr schedule(step), step = 0, 1, ..."""
    x, y, x_test, y_test = _digits()
    rule, generator = update_rule(optimiser, len(net.theta), eps), np.random.default_rng(seed)
    losses, norms, lrs, probes, broke = [], [], [], [], False
    with np.errstate(all="ignore"):
        for step in range(steps):
            if probe is not None and step in probe_steps:
                probes.append(probe(net))
            rows = generator.integers(0, len(x), batch)
            loss, gradient = net.gradient(x[rows], y[rows])
            if not isfinite(loss):
                broke = True
                break
            losses.append(loss)
            norms.append(_log_norm(gradient))
            lrs.append(lr * schedule(step))
            net.theta[:] -= rule(gradient, lrs[-1])
        output = net.forward(x_test)[0][-1]
        broke = broke or not bool(np.isfinite(output).all())
        accuracy = CHANCE if broke else float((output.argmax(1) == y_test).mean())
    return Course(
        np.array(losses),
        np.array(norms),
        np.array(lrs),
        accuracy,
        broke,
        probe_steps[: len(probes)],
        tuple(probes),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


# How deep does Adam reach?

RATES = {"SGD": 0.5, "momentum": 0.1, "RMSprop": 0.001, "Adam": 0.01}
PROBED = 8


@dataclass(frozen=True, eq=False)
class Reach:
    """One net trained with SGD and with another rule; `spreads` of the last hidden layer."""

    optimiser: str
    depth: int
    steps: int
    runs: dict[str, Course]

    @property
    def verdict(self) -> str:
        """One sentence: the accuracies, and the spread of the last hidden layer."""
        parts = [
            f"{name} {_percent(run.accuracy)} (spread of layer {self.depth} "
            f"{power_of_ten(run.probes[0])} at the start, {power_of_ten(run.probes[-1])} at the "
            "end)"
            for name, run in self.runs.items()
        ]
        return f"after {self.steps} steps, {' and '.join(parts)}; guessing has 10%."


def _reach_steps(depth: int) -> int:
    # Two trainings of a deep net stay below a second.
    return max(100, min(400, 3000 // depth))


def _log_last_spread(net: Net) -> float:
    h = net.forward(_digits()[0][:200])[0][-2]
    spread = float(h.std(0).mean())
    return log(spread) if spread > 0 else -inf


@lru_cache(maxsize=32)
def reach_run(
    optimiser: str,
    depth: int,
    weight_scale: float = 1.0,
    eps: float = EPS,
    lr: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Course:
    """Train 64-30-...-30-10 sigmoids, N(0, 1/n) times the weight scale, zero biases, on digits."""
    count = steps or _reach_steps(depth)
    net = build(depth, 30, "sigmoid", "1/fan_in", weight_scale, seed)
    return train(
        net,
        optimiser,
        lr or RATES[optimiser],
        count,
        eps=eps,
        seed=seed,
        probe=_log_last_spread,
        probe_steps=tuple(int(s) for s in np.linspace(0, count - 1, PROBED)),
    )


def reach(
    optimiser: str = "Adam",
    depth: int = 10,
    weight_scale: float = 1.0,
    log_eps: float = -8.0,
    seed: int = 0,
) -> Reach:
    """Train a sigmoid net with SGD and with another rule, eps = 10^log_eps, from one start."""
    runs = {
        "SGD": reach_run("SGD", depth, weight_scale, EPS, None, None, seed),
        optimiser: reach_run(optimiser, depth, weight_scale, 10.0**log_eps, None, None, seed),
    }
    return Reach(optimiser, depth, _reach_steps(depth), runs)


# Schedules

SCHEDULES = ("constant", "warm-up", "step decay", "cosine", "warm-up, then cosine")


def warm_up(step: int, warm: int) -> float:
    """Return the share of the peak at a step, counted from 0: min(1, (step + 1) / warm)."""
    return min(1.0, (step + 1) / warm) if warm else 1.0


def cosine_decay(step: int, total: int) -> float:
    """Return (1 + cos(pi step / total)) / 2. Source: Loshchilov & Hutter 2017, eq. 5."""
    return (1 + cos(pi * step / total)) / 2


def step_decay(step: int, total: int) -> float:
    """Return 1, after half of the training 1/10, after three quarters of it 1/100."""
    return 0.1 ** ((2 * step >= total) + (4 * step >= 3 * total))


def share_of_peak(schedule: str, step: int, warm: int, total: int) -> float:
    """Return what a schedule multiplies the peak step size with, at a step counted from 0.

    Raises ValueError for another name.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"There is no schedule {schedule!r}; choose from {', '.join(SCHEDULES)}.")
    if schedule == "step decay":
        return step_decay(step, total)
    if schedule == "cosine":
        return cosine_decay(step, total)
    share = warm_up(step, warm) if schedule.startswith("warm-up") else 1.0
    if schedule.endswith("cosine") and step >= warm:
        return cosine_decay(step - warm, max(1, total - warm))
    return share


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A net trained twice from one start: at a constant step size, and by a schedule.

    `limit_steps`, `limits`: where along the second run the stability limit 2/lambda_max was
    measured, lambda_max the largest curvature of the loss; nan where it overflowed.
    """

    schedule: str
    optimiser: str
    lr: float
    warm: int
    constant: Course
    scheduled: Course
    limit_steps: Array
    limits: Array

    @property
    def verdict(self) -> str:
        """One sentence: how both runs end, and the limit at the start and later."""
        limits = [
            "beyond all numbers" if not isfinite(x) else f"{x:.2g}"
            for x in (self.limits[0], self.limits[-1])
        ]
        rule = (
            f"plain descent is stable up to a step size of {limits[0]} at the start and "
            f"{limits[1]} at the end of the scheduled run"
        )
        return (
            f"constant {_how(self.constant)}, {self.schedule} {_how(self.scheduled)}; {rule}, and "
            f"the peak is {self.lr:.2g}."
        )


def _how(course: Course) -> str:
    if course.broke:
        return f"ends in overflow at step {len(course.losses)}"
    word = "is lost at" if course.accuracy < 0.25 else "reaches"
    return f"{word} {_percent(course.accuracy)}"


def schedule_steps(depth: int) -> int:
    """Return the length of a run of the schedule lab: two of them stay below a second."""
    return max(150, min(300, 3000 // depth))


@lru_cache(maxsize=32)
def scheduled_run(
    schedule: str,
    optimiser: str,
    lr: float,
    warm: int,
    depth: int,
    weight_scale: float,
    seed: int,
    limits: bool = False,
) -> Course:
    """Train a ReLU net 64-30-...-30-10, He times the weight scale, by a schedule."""
    total = schedule_steps(depth)
    return train(
        build(depth, 30, "relu", "he", weight_scale, seed),
        optimiser,
        lr,
        total,
        schedule=lambda step: share_of_peak(schedule, step, warm, total),
        seed=seed,
        probe=_limit if limits else None,
        probe_steps=tuple(int(s) for s in np.linspace(0, total - 1, PROBED)) if limits else (),
    )


def _limit(net: Net) -> float:
    x, y = _digits()[0][:100], _digits()[1][:100]
    curvature = largest_curvature(net, x, y, 10)
    return 2 / curvature if curvature > 0 else inf if curvature <= 0 else nan


def scheduled(
    schedule: str = "warm-up",
    lr: float = 0.25,
    warm: int = 30,
    depth: int = 6,
    weight_scale: float = 1.5,
    optimiser: str = "SGD",
    seed: int = 0,
) -> Scheduled:
    """Train a ReLU net at a constant step size and by a schedule with the same peak."""
    constant = scheduled_run("constant", optimiser, lr, 0, depth, weight_scale, seed)
    run = scheduled_run(schedule, optimiser, lr, warm, depth, weight_scale, seed, True)
    return Scheduled(
        schedule,
        optimiser,
        lr,
        warm,
        constant,
        run,
        np.array(run.probe_steps),
        np.array(run.probes),
    )


# One weight and one bias: the bowl of a linear fit

BOWL_STEPS = 200


def bowl_hessian(mean: float, std: float) -> Array:
    """Return the Hessian of E(w x + b - y)^2 by (w, b): 2 [[std^2 + mean^2, mean], [mean, 1]]."""
    return 2 * np.array([[std**2 + mean**2, mean], [mean, 1.0]])


@dataclass(frozen=True, eq=False)
class Bowl:
    """Descent on E(w x + b - y)^2 from w = b = 0, on x as it is or standardised.

    `path`: (BOWL_STEPS + 1, 2) the points (w, b), in units of the distance to the goal along each
    axis; `losses`, `theory`: (BOWL_STEPS + 1,); `curvatures`: (2,), the smaller first.
    """

    mean: float
    std: float
    lr: float
    hessian: Array
    goal: Array
    path: Array
    losses: Array
    theory: Array
    curvatures: Array

    @property
    def limit(self) -> float:
        """The largest stable step size, 2/lambda_max."""
        return float(2 / self.curvatures[1])

    @property
    def condition(self) -> float:
        """lambda_max / lambda_min."""
        return float(self.curvatures[1] / self.curvatures[0])

    @property
    def verdict(self) -> str:
        """One sentence: condition number, limit, and how the descent ends."""
        end = self.losses[-1]
        word = (
            "diverges"
            if not end < self.losses[0]
            else f"has {end / self.losses[0]:.2g} of its loss left after {BOWL_STEPS} steps"
        )
        return (
            f"the bowl is {self.condition:.3g} times as steep one way as the other; stable up to "
            f"a step size of {self.limit:.3g}, descent at {self.lr:.3g} {word}."
        )


def bowl(mean: float = 3.0, std: float = 1.0, lr: float = 0.09, standardise: bool = False) -> Bowl:
    """Fit y = (x - mean)/std + 1/2 by w x + b, descending from w = b = 0.

    The loss is E(w x + b - y)^2 over inputs with this mean and standard deviation; `standardise`
    gives (x - mean)/std to the fit in place of x.
    """
    m, s = (0.0, 1.0) if standardise else (mean, std)
    hessian = bowl_hessian(m, s)
    goal = np.array([1 / s, 0.5 - m / s])
    values, vectors = np.linalg.eigh(hessian)
    start = vectors.T @ -goal
    steps = np.arange(BOWL_STEPS + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        shrink = (1 - lr * values[None, :]) ** steps[:, None]
        theory = 0.5 * (values * (start * shrink) ** 2).sum(1)
        at, path = np.zeros(2), []
        for _ in steps:
            path.append(at)
            at = at - lr * hessian @ (at - goal)
        points = np.array(path)
        away = points - goal
        losses = 0.5 * np.einsum("ti,ij,tj->t", away, hessian, away)
    return Bowl(mean, std, lr, hessian, goal, points, losses, theory, values)


def input_curvature(mean: float, std: float, inputs: int) -> float:
    """Return lambda_max of a linear unit's Hessian 2 E[x x^T], x independent inputs and a 1.

    Along the mean it is [[std^2 + n mean^2, sqrt(n) mean], [sqrt(n) mean, 1]], across it std^2;
    about 2 (std^2 + n mean^2 + 1) where the mean is large.
    """
    a, b = std**2 + inputs * mean**2, inputs * mean**2
    half = (a + 1) / 2
    root = half + float(np.sqrt((a - 1) ** 2 / 4 + b))
    return 2 * max(root, std**2 if inputs > 1 else 0.0)


# The scale of inputs and labels in a deep net

SCALED_STEPS = 100
SCALED_IMAGES = 100


@dataclass(frozen=True, eq=False)
class Scaled:
    """A net before its first step on scaled data, and a short descent; the same on standard data.

    `log_delta`: (2, depth + 1) ln ||dL/dz|| on these data and on standard ones; `saturated`:
    (2, depth) share of a layer's units at which phi' is below a tenth of its maximum; `limits`:
    (2,) 2/lambda_max; `losses`: (2, SCALED_STEPS + 1), in units of the loss of always answering
    the mean label, inf from an overflow on.
    """

    depth: int
    lr: float
    log_delta: Array
    saturated: Array
    limits: Array
    losses: Array

    @property
    def verdict(self) -> str:
        """One sentence: saturation, gradient, stability limit, and the descent."""
        size = power_of_ten(float(self.log_delta[0, 0] - self.log_delta[1, 0]))
        end = self.losses[0, -1]
        how = (
            "overflows"
            if not isfinite(end)
            else f"is {end:.2g} times that of always answering the mean label"
        )
        first, second = (f"{x:.2g}" if isfinite(x) else "0 (overflow)" for x in self.limits)
        return (
            f"layer 1 is {_percent(self.saturated[0, 0])} saturated (standard data "
            f"{_percent(self.saturated[1, 0])}), its gradient {size} times as long; stable up to "
            f"a step size of {first} (standard {second}), and {SCALED_STEPS} steps of "
            f"{self.lr:.2g} on, the loss {how} (standard {self.losses[1, -1]:.2g})."
        )


@lru_cache(maxsize=32)
def _on_scaled(
    input_scale: float,
    offset: float,
    label_scale: float,
    activation: str,
    depth: int,
    weight_scale: float,
    seed: int,
) -> tuple[Array, Array, float]:
    net = _scaled_net(activation, depth, weight_scale, seed)
    x, y = scaled_data(input_scale, offset, label_scale)
    with np.errstate(all="ignore"):
        slopes = net.forward(x)[1]
        floor = 0.1 * _STEEPEST[activation]
        saturated = np.array([float(np.mean(np.abs(s) < floor)) for s in slopes])
        log_delta = np.array([_log_norm(d) for d in net.deltas(x, y)])
        curvature = largest_curvature(net, x, y)
    return log_delta, saturated, 2 / curvature if curvature > 0 else nan


def _scaled_net(activation: str, depth: int, weight_scale: float, seed: int) -> Net:
    init = "he" if activation == "relu" else "glorot"
    return build(depth, 30, activation, init, weight_scale, seed, "squared error")


def best_scaled_loss(
    input_scale: float,
    offset: float,
    label_scale: float,
    activation: str = "tanh",
    depth: int = 3,
    seed: int = 0,
) -> float:
    """Return the lowest loss after SCALED_STEPS over step sizes 10^-6 .. 1, as in `Scaled`."""
    rates = [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0]
    args = (input_scale, offset, label_scale, activation, depth, 1.0)
    return min(float(_descent(*args, lr, seed)[-1]) for lr in rates)


def scaled_data(input_scale: float, offset: float, label_scale: float) -> tuple[Array, Array]:
    """Return SCALED_IMAGES digits as input_scale (standardised + offset), and one-hot labels."""
    x, y = _digits()[0][:SCALED_IMAGES], _digits()[1][:SCALED_IMAGES]
    return input_scale * (x + offset), label_scale * np.eye(10)[y]


@lru_cache(maxsize=256)
def _descent(
    input_scale: float,
    offset: float,
    label_scale: float,
    activation: str,
    depth: int,
    weight_scale: float,
    lr: float,
    seed: int,
) -> Array:
    net = _scaled_net(activation, depth, weight_scale, seed)
    x, y = scaled_data(input_scale, offset, label_scale)
    losses = []
    with np.errstate(all="ignore"):
        for _ in range(SCALED_STEPS + 1):
            loss, gradient = net.gradient(x, y)
            losses.append(loss)
            if not isfinite(loss):
                break
            net.theta[:] -= lr * gradient
        found = np.full(SCALED_STEPS + 1, inf)
        found[: len(losses)] = losses
        found[~np.isfinite(found)] = inf
        return found / y.var(0).mean()


def scaled(
    input_scale: float = 1.0,
    offset: float = 0.0,
    label_scale: float = 1.0,
    activation: str = "tanh",
    depth: int = 3,
    weight_scale: float = 1.0,
    lr: float = 0.5,
    seed: int = 0,
) -> Scaled:
    """Look at a net on digits with other input and label scales, before and in a short descent.

    64-30-...-30-10, squared error, Glorot (ReLU: He) times the weight scale, zero biases, inputs
    input_scale (standardised + offset), labels label_scale times one-hot, full batch.
    """
    shared = (activation, depth, weight_scale)
    ours = _on_scaled(input_scale, offset, label_scale, *shared, seed)
    standard = _on_scaled(1.0, 0.0, 1.0, *shared, seed)
    return Scaled(
        depth,
        lr,
        np.array([ours[0], standard[0]]),
        np.array([ours[1], standard[1]]),
        np.array([ours[2], standard[2]]),
        np.array(
            [
                _descent(input_scale, offset, label_scale, *shared, lr, seed),
                _descent(1.0, 0.0, 1.0, *shared, lr, seed),
            ]
        ),
    )


# Capsules


def squash(s: torch.Tensor) -> torch.Tensor:
    """Shorten a capsule's vector to a length below 1: |s|^2/(1 + |s|^2) s/|s|, last axis.

    Source: Sabour, Frosst & Hinton 2017, eq. 1.
    """
    square = (s * s).sum(-1, keepdim=True)
    return s * square.sqrt() / (1 + square)


def route(predictions: torch.Tensor, rounds: int = 3) -> torch.Tensor:
    """Let capsules agree: v_j from predictions u_(j|i), (batch, n_in, n_out, size).

    b = 0; in each round c_ij = softmax_j b_ij, v_j = squash(sum_i c_ij u_(j|i)), b_ij += u . v_j.
    Returns (batch, n_out, size). Source: Sabour, Frosst & Hinton 2017, procedure 1.
    """
    b = torch.zeros_like(predictions[..., 0])
    for _ in range(rounds):
        c = torch.softmax(b, -1).unsqueeze(-1)
        v = squash((c * predictions).sum(1))
        b = b + (predictions * v.unsqueeze(1)).sum(-1)
    return v


def capsule_loss(matrices: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the margin loss of one capsule layer: x (batch, n_in, size_in), labels y (batch,).

    u_(j|i) = W_ij x_i; mean over the batch of sum_j T max(0, 0.9 - |v_j|)^2
    + 0.5 (1 - T) max(0, |v_j| - 0.1)^2, T = [j = y]. Source: Sabour, Frosst & Hinton 2017, eq. 4.
    """
    predictions = torch.einsum("ijkl,bil->bijk", matrices, x)
    lengths = route(predictions).norm(dim=-1)
    target = torch.nn.functional.one_hot(y, lengths.shape[1]).to(lengths)
    present = target * torch.relu(0.9 - lengths) ** 2
    absent = 0.5 * (1 - target) * torch.relu(lengths - 0.1) ** 2
    return (present + absent).sum(1).mean()


@one_thread()
def capsule_gradient_error(seed: int = 0) -> float:
    """Return |backprop - central differences| / |central differences| through three rounds.

    6 capsules of 4 numbers to 3 capsules of 5, 8 examples.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    matrices, x = normal(6, 3, 5, 4), normal(8, 6, 4)
    y = torch.randint(3, (8,), generator=generator)
    matrices.requires_grad_()
    (by_backprop,) = torch.autograd.grad(capsule_loss(matrices, x, y), matrices)
    step, flat = 1e-5, matrices.detach().flatten()
    moves = step * torch.eye(len(flat), dtype=torch.float64)
    losses = torch.func.vmap(lambda moved: capsule_loss(moved.reshape(matrices.shape), x, y))
    by_differences = (losses(flat + moves) - losses(flat - moves)) / (2 * step)
    return float((by_backprop.flatten() - by_differences).norm() / by_differences.norm())


@one_thread()
def capsule_training(steps: int = 100, lr: float = 1.0, seed: int = 0) -> tuple[float, float]:
    """Train one capsule layer by backprop on ten clouds of points; accuracy before and after.

    6 capsules of 4 numbers to 10 of 8; an example is its class's centre plus noise of half its
    size; plain gradient descent on 200 examples.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    centres, y = normal(10, 6, 4), torch.arange(200) % 10
    x = centres[y] + 0.5 * normal(200, 6, 4)
    matrices = (0.5 * normal(6, 10, 8, 4)).requires_grad_()

    def accuracy() -> float:
        with torch.no_grad():
            lengths = route(torch.einsum("ijkl,bil->bijk", matrices, x)).norm(dim=-1)
        return float((lengths.argmax(1) == y).double().mean())

    before = accuracy()
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(capsule_loss(matrices, x, y), matrices)
        with torch.no_grad():
            matrices -= lr * gradient
    return before, accuracy()
