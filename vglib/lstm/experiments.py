"""Measurements of chapter 08: gradients through time, and what recurrent nets learn with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from vglib import theory
from vglib.activations import get_activation
from vglib.lstm.cells import (
    Array,
    Cell,
    Run,
    back_step,
    backward,
    log_stretch,
    make_cell,
    run,
)
from vglib.lstm.learner import Learner
from vglib.lstm.prose import ALPHABET, text
from vglib.probe import power_of_ten

UNITS, PLAIN_UNITS = 64, 100
MATRICES = ("Gaussian", "orthogonal", "Jordan block")
BLOCK, SUPERDIAGONAL = 10, 0.5
# More singular value decompositions than these would cost more than the products themselves.
WORST_AT = 40


def word(ln: float) -> str:
    """Name a change by exp(ln) over all the steps, as chapter 00 does."""
    return "vanishes" if ln < -log(100) else "explodes" if ln > log(100) else "holds"


# A plain recurrent net


def recurrent_matrix(kind: str, weight_scale: float, seed: int) -> Array:
    """Draw W_h with spectral radius rho = `weight_scale`: the largest modulus of an eigenvalue.

    A Gaussian or an orthogonal matrix of 100 units, or a Jordan block of 10: rho on the diagonal
    and 1/2 above it.
    """
    if kind == "Jordan block":
        return weight_scale * np.eye(BLOCK) + SUPERDIAGONAL * np.eye(BLOCK, k=1)
    w = np.random.default_rng([seed, 1]).standard_normal((PLAIN_UNITS, PLAIN_UNITS))
    if kind == "orthogonal":
        q, r = np.linalg.qr(w)
        w = q * np.sign(np.diagonal(r))
    return weight_scale * w / np.abs(np.linalg.eigvals(w)).max()


@dataclass(frozen=True, eq=False)
class Recurrence:
    """The Jacobian dh_T/dh_t of a plain recurrent net, for t = 0..T.

    `log_typical: (T + 1,)` ln of its root-mean-square stretch ||J||_F / sqrt(n);
    `log_worst` ln of its largest singular value at the steps `worst_at`; `log_theory` the
    prediction: rho^(T - t) for the linear net, a product of sqrt(chi) for the others.
    `eigenvalues: (n,)` complex, of W_h.
    """

    activation: str
    matrix: str
    log_typical: Array
    worst_at: Array
    log_worst: Array
    log_theory: Array
    eigenvalues: NDArray[np.complex128]

    @property
    def length(self) -> int:
        """T, the number of steps."""
        return len(self.log_typical) - 1

    @property
    def rho(self) -> float:
        """The spectral radius of W_h: the largest modulus of an eigenvalue."""
        return float(np.abs(self.eigenvalues).max())

    @property
    def rate(self) -> float:
        """The factor a step, exp(ln(stretch over all steps) / T)."""
        return float(np.exp(self.log_typical[0] / self.length))

    @property
    def verdict(self) -> str:
        """One sentence: what is left after T steps, and what the theory says."""
        end, peak = self.log_typical[0], float(self.log_worst.max())
        by = "ρ^T" if self.activation == "linear" else "mean-field theory"
        steps = f"{self.length} step" + "s" * (self.length > 1)
        if end == -inf:
            return f"dies: all units are off at some step; over {steps} the gradient is exactly 0."
        bulge = ""
        if peak > log(100) + max(end, 0):
            back = self.length - int(self.worst_at[int(self.log_worst.argmax())])
            bulge = f"; on the way the worst direction peaks at {power_of_ten(peak)}, {back} back"
        return (
            f"{word(end)}: ρ = {self.rho:.2f}, over {steps} the gradient is multiplied by "
            f"{power_of_ten(end)}, {self.rate:.3f} a step; {by} says "
            f"{power_of_ten(self.log_theory[0])}{bulge}."
        )


def recurrence(
    weight_scale: float = 0.9,
    depth: int = 100,
    matrix: str = "Gaussian",
    activation: str = "linear",
    noise: float = 0.5,
    seed: int = 0,
) -> Recurrence:
    """Run h_t = phi(W h_(t-1) + noise xi_t) for `depth` steps, and multiply its Jacobians.

    dh_T/dh_t = D_T W D_(T-1) W ... D_(t+1) W, carried as a matrix and the ln of its size.
    """
    w = recurrent_matrix(matrix, weight_scale, seed)
    n, generator = len(w), np.random.default_rng([seed, 2])
    h, log_size, slopes = generator.standard_normal(n), 0.0, np.empty((depth, n))
    phi = get_activation("identity" if activation == "linear" else activation)
    for t in range(depth):
        z = w @ h + noise * np.exp(-log_size) * generator.standard_normal(n)
        h = np.tanh(z) if activation == "tanh" else np.maximum(z, 0) if activation == "relu" else z
        slopes[t] = 1 - h**2 if activation == "tanh" else (h > 0) if activation == "relu" else 1
        largest = float(np.abs(h).max())
        # ReLU and the linear net are homogeneous, so a common factor changes no slope.
        if largest > 1e100:
            h, log_size = h / largest, log_size + log(largest)
    typical = np.full(depth + 1, -inf)
    typical[depth] = 0.0
    chosen = np.unique(np.linspace(0, depth, WORST_AT).round().astype(int))
    worst = dict.fromkeys(chosen.tolist(), -inf)
    worst[depth] = 0.0
    jacobian, total = np.eye(n), 0.0
    for t in reversed(range(depth)):
        jacobian = (jacobian * slopes[t]) @ w
        size = float(np.linalg.norm(jacobian))
        if size == 0:
            break
        jacobian, total = jacobian / size, total + log(size)
        typical[t] = total - 0.5 * log(n)
        if t in worst:
            worst[t] = total + log(float(np.linalg.norm(jacobian, 2)))
    eigenvalues = np.linalg.eigvals(w).astype(np.complex128)
    back = depth - np.arange(depth + 1)
    if activation == "linear":
        predicted = back * log(float(np.abs(eigenvalues).max()))
    else:
        # The size of the entries is what mean-field theory asks for, not the eigenvalues.
        sigma = float(np.linalg.norm(w)) / sqrt(n)
        q = _variances(phi.phi, sigma, noise, depth)
        log_chi = np.log(theory.chi(q, phi.dphi, sigma))
        predicted = 0.5 * np.append(np.cumsum(log_chi[::-1])[::-1], 0.0)
    return Recurrence(
        activation,
        matrix,
        typical,
        chosen,
        np.array([worst[t] for t in chosen.tolist()]),
        np.asarray(predicted, float),
        eigenvalues,
    )


def _variances(phi: theory.Function, sigma: float, noise: float, depth: int) -> Array:
    """Return Var z_t for t = 1..depth: q <- sigma^2 E phi(sqrt(q) u)^2 + noise^2."""
    few = theory.q_trajectory(sigma**2 + noise**2, phi, sigma, noise, min(depth, 40))[:depth]
    few = np.clip(few, 1e-300, 1e300)
    return np.append(few, np.full(max(depth - len(few), 0), few[-1]))[:depth]


def jordan_norm(t: int, eigenvalue: float = 0.9) -> float:
    """Return ||J^t||_F of the Jordan block: entry k above the diagonal is C(t, k) l^(t-k) / 2^k."""
    total, entry = 0.0, eigenvalue**t
    for k in range(min(BLOCK - 1, t) + 1):
        total += (BLOCK - k) * entry**2
        entry *= (t - k) / (k + 1) * SUPERDIAGONAL / eigenvalue
    return sqrt(total)


# Gated cells

INPUTS = 64
WIRINGS: Mapping[str, Mapping[str, float]] = {
    "LSTM": {},
    "f = 1 (1997)": {"f": 1.0},
    "gates, no memory (f = 0)": {"f": 0.0},
    "memory, no gates": {"f": 1.0, "i": 1.0, "o": 1.0},
}
# Nodes of the averages over a Gaussian and over the circle of eigenvalues.
_U = np.linspace(-8, 8, 161)
_P = np.exp(-(_U**2) / 2) / np.exp(-(_U**2) / 2).sum()
_COS = np.cos((np.arange(400) + 0.5) * np.pi / 400)


def lstm_factors(
    forget_bias: float,
    weight_scale: float,
    length: int,
    inputs: float = 1.0,
    fixed: Mapping[str, float] | None = None,
) -> tuple[Array, Array]:
    """Predict the mean forget gate and the strength kappa of the h-path at each step; (T,) each.

    The Jacobian of a step is about f 1 + kappa M, where M has entries N(0, 1/n):
    kappa_t = sigma_w E(i) E(1 - g^2) E(o) E(1 - tanh^2 c), all means over Gaussian sums of the
    variance that the forward pass has by then; sigma_w^2 = scale^2 / 3 for torch's U(+-1/sqrt n).
    """
    fixed = fixed or {}
    var_w = weight_scale**2 / 3
    var_in = var_w * inputs**2 * INPUTS / UNITS
    var_c, mean_sq_h, read = 0.0, 0.0, 0.0
    f, kappa = np.empty((2, length))
    for t in range(length):
        root = sqrt(var_in + var_w * mean_sq_h)
        forget = fixed.get("f", expit(root * _U + forget_bias))
        i, o = (fixed.get(name, expit(root * _U)) for name in "io")
        g = np.tanh(root * _U)
        f[t] = (_P * forget).sum()
        kappa[t] = sqrt(var_w) * read * (_P * i).sum() * (_P * (1 - g**2)).sum()
        var_c = (_P * forget**2).sum() * var_c + (_P * i**2).sum() * (_P * g**2).sum()
        squashed = np.tanh(sqrt(var_c) * _U)
        read = (_P * o).sum() * (_P * (1 - squashed**2)).sum()
        mean_sq_h = (_P * o**2).sum() * (_P * squashed**2).sum()
    return f, kappa


def gru_factors(update_bias: float, weight_scale: float, length: int) -> tuple[Array, Array]:
    """Predict mean z and kappa of a GRU as `lstm_factors` does: J is about z 1 + kappa M.

    kappa = sigma_w E(1 - z) E(1 - n^2) E(r).
    """
    var_w = weight_scale**2 / 3
    var_in, mean_sq_h = var_w * INPUTS / UNITS, 0.0
    keep, kappa = np.empty((2, length))
    for t in range(length):
        root = sqrt(var_in + var_w * mean_sq_h)
        z, r = expit(root * _U + update_bias), expit(root * _U)
        inner = sqrt(var_in + (_P * r**2).sum() * var_w * mean_sq_h)
        new = np.tanh(inner * _U)
        keep[t] = (_P * z).sum()
        kappa[t] = sqrt(var_w) * (1 - keep[t]) * (_P * (1 - new**2)).sum() * (_P * r).sum()
        mean_sq_h = (_P * z**2).sum() * mean_sq_h + (_P * (1 - z) ** 2).sum() * (_P * new**2).sum()
    return keep, kappa


def two_paths(keep: Array, kappa: Array) -> Array:
    """Return ln of the rms stretch of prod_(s > t) (keep_s 1 + kappa_s M) for t = 0..T.

    M is Gaussian and the same at each step, so ||J||^2 / n is the average over the circle of
    prod |keep + kappa e^(i theta)|^2 = prod (keep^2 + kappa^2 + 2 keep kappa cos theta).
    """
    with np.errstate(divide="ignore"):
        steps = np.log((keep**2 + kappa**2)[:, None] + 2 * (keep * kappa)[:, None] * _COS)
    sums = np.vstack([np.cumsum(steps[::-1], axis=0)[::-1], np.zeros_like(_COS)])
    top = sums.max(axis=1, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return 0.5 * (top[:, 0] + np.log(np.exp(sums - safe).mean(axis=1)))


@dataclass(frozen=True, eq=False)
class Path:
    """Gradients through an LSTM over time; every array is (T + 1,) for t = 0..T unless said.

    `log_c`, `log_h`: ln of the rms stretch of dc_T/dc_t and of dh_T/dh_t; `log_direct`: the product
    of the forget gates alone, rms over units; `log_control`: dc_T/dc_t of the same net with f = 1;
    `log_gates`: sigmoid(b)^(T - t); `log_theory`: both paths, see `two_paths`. `gates[name]`:
    (T,) mean over the units.
    """

    wiring: str
    forget_bias: float
    log_c: Array
    log_h: Array
    log_direct: Array
    log_control: Array
    log_gates: Array
    log_theory: Array
    gates: dict[str, Array]

    @property
    def length(self) -> int:
        """T, the number of steps."""
        return len(self.log_c) - 1

    @property
    def verdict(self) -> str:
        """One sentence: the gradient over T steps beside what the gates alone would leave."""
        end = self.log_c[0]
        said = f"∂c_T/∂c_0 over {self.length} steps is {power_of_ten(end)}"
        if self.wiring == "LSTM":
            return (
                f"{word(end)}: {said}; the gates alone leave s(b)^T = "
                f"{power_of_ten(self.log_gates[0])}, both paths in theory "
                f"{power_of_ten(self.log_theory[0])}; with f = 1 it is "
                f"{power_of_ten(self.log_control[0])}."
            )
        if self.wiring == "gates, no memory (f = 0)":
            return f"{word(end)}: {said}: the gates are there, and nothing is carried past them."
        direct = "the direct path is exactly 1, and the h-path adds to it"
        return f"{word(end)}: {said}: {direct}; theory says {power_of_ten(self.log_theory[0])}."


def _sequence(length: int, inputs: float, seed: int) -> Array:
    """Draw x: (T, 1, INPUTS), N(0, inputs^2); a longer sequence begins like a shorter one."""
    return inputs * np.random.default_rng([seed, 4]).standard_normal((length, 1, INPUTS))


def _gated(kind: str, bias: float, weight_scale: float, seed: int) -> Cell:
    generator = np.random.default_rng([seed, 3])
    return make_cell(
        kind, INPUTS, UNITS, keep_bias=bias, weight_scale=weight_scale, generator=generator
    )


def lstm_path(
    forget_bias: float = 0.0,
    depth: int = 100,
    weight_scale: float = 1.0,
    wiring: str = "LSTM",
    inputs: float = 1.0,
    seed: int = 0,
) -> Path:
    """Backpropagate u . c_T and u . h_T through `depth` steps of an LSTM, for all directions u.

    64 units, weights U(+-1/sqrt n) as in torch, 64 inputs N(0, inputs^2), biases 0 but for the
    forget gate's. A step from the state 0 comes first: t = 0 is the state after it.
    """
    fixed = WIRINGS[wiring]
    cell = replace(_gated("lstm", forget_bias, weight_scale, seed), fixed=fixed)
    x, probes = _sequence(depth + 1, inputs, seed), np.eye(UNITS)
    seen = run(cell, x)
    log_c = log_stretch(seen, probes, "c")[1][1:]
    log_h = log_stretch(seen, probes, "h")[0][1:]
    control = log_c
    if fixed != WIRINGS["f = 1 (1997)"]:
        carousel = run(replace(cell, fixed=WIRINGS["f = 1 (1997)"]), x)
        control = log_stretch(carousel, probes, "c")[1][1:]
    back = depth - np.arange(depth + 1)
    keep, kappa = lstm_factors(forget_bias, weight_scale, depth + 1, inputs, fixed)
    return Path(
        wiring,
        forget_bias,
        log_c,
        log_h,
        direct_path(seen)[1:],
        control,
        -back * np.log1p(np.exp(-forget_bias)),
        two_paths(keep[1:], kappa[1:]),
        {name: np.array([s.gates[name].mean() for s in seen.steps[1:]]) for name in "fio"},
    )


def direct_path(seen: Run) -> Array:
    """Return ln of the rms over units of prod_(s > t) f_s, t = 0..T: the gates and nothing else."""
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([s.gates["f"][0] for s in seen.steps]))
    sums = np.vstack([np.cumsum(logs[::-1], axis=0)[::-1], np.zeros(seen.cell.hidden)])
    top = sums.max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return top[:, 0] + 0.5 * np.log((np.exp(sums - top) ** 2).mean(axis=1))


def carry_over(seed: int) -> tuple[float, float]:
    """Return how much an LSTM's last h changes with an earlier sequence, and with an earlier step.

    First number: the sequence before is exchanged; each sequence starts with the state 0. Second:
    the first input of the same sequence is exchanged. Largest absolute changes; T = 10, b = 2.
    """
    cell, generator = _gated("lstm", 2.0, 1.0, seed), np.random.default_rng([seed, 9])
    before, other, x = generator.standard_normal((3, 10, 1, INPUTS))
    ends = []
    for earlier in (before, other):
        run(cell, earlier)
        ends.append(run(cell, x).h[-1])
    changed = x.copy()
    changed[0] = generator.standard_normal((1, INPUTS))
    step = np.abs(run(cell, changed).h[-1] - ends[0]).max()
    return float(np.abs(ends[0] - ends[1]).max()), float(step)


@dataclass(frozen=True, eq=False)
class Shares:
    """What each step adds to dL/dW_h = sum_t delta_t h_(t-1)^T, for a loss u . h_T.

    `norms: (T,)` of the terms t = 1..T; `total` the norm of their sum; `first`, `last` ||delta_1||
    and ||delta_T||.
    """

    norms: Array
    total: float
    first: float
    last: float


def weight_gradient(length: int = 50, seed: int = 0) -> Shares:
    """Split a tanh net's weight gradient by time step; torch's weights, inputs N(0, 1)."""
    cell = _gated("tanh", 0.0, 1.0, seed)
    seen = run(cell, _sequence(length, 1.0, seed))
    dh = np.random.default_rng([seed, 10]).standard_normal((1, UNITS)) / sqrt(UNITS)
    terms, deltas = [], []
    for step in reversed(seen.steps):
        _, dz, dh, _ = back_step(cell, step, dh, np.zeros_like(dh))
        terms.append(dz.T @ step.h)
        deltas.append(float(np.linalg.norm(dz)))
    norms = np.array([np.linalg.norm(term) for term in terms[::-1]])
    return Shares(norms, float(np.linalg.norm(np.sum(terms, axis=0))), deltas[-1], deltas[0])


CELLS = ("tanh RNN", "LSTM", "GRU")


@dataclass(frozen=True, eq=False)
class ThreeCells:
    """ln of the rms stretch from step t to T of three cells and their theories; (T + 1,) each.

    For the LSTM it is dc_T/dc_t, for the others dh_T/dh_t.
    """

    bias: float
    measured: dict[str, Array]
    predicted: dict[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: what arrives in each cell, measured and predicted."""
        length = len(self.measured["GRU"]) - 1
        parts = ", ".join(
            f"{name} {power_of_ten(self.measured[name][0])} "
            f"(theory {power_of_ten(self.predicted[name][0])})"
            for name in CELLS
        )
        return f"over {length} steps, with the keeping gate's bias at {self.bias:g}: {parts}."


def three_cells(
    bias: float = 1.0, depth: int = 100, weight_scale: float = 1.0, seed: int = 0
) -> ThreeCells:
    """Compare a tanh net, an LSTM and a GRU of 64 units on one sequence, as torch draws them."""
    x, measured = _sequence(depth + 1, 1.0, seed), {}
    for name, kind in zip(CELLS, ("tanh", "lstm", "gru"), strict=True):
        cell = _gated(kind, bias, weight_scale, seed)
        start = "c" if kind == "lstm" else "h"
        log_h, log_c = log_stretch(run(cell, x), np.eye(UNITS), start)
        measured[name] = (log_c if kind == "lstm" else log_h)[1:]
    tanh, sigma = get_activation("tanh"), weight_scale / sqrt(3)
    q = theory.q_trajectory(sigma**2, tanh.phi, sigma, sigma, min(depth, 20))
    chi = theory.chi(float(q[-1]), tanh.dphi, sigma)
    back = depth - np.arange(depth + 1)
    predicted = {
        "tanh RNN": 0.5 * back * np.log(chi),
        "LSTM": two_paths(*(part[1:] for part in lstm_factors(bias, weight_scale, depth + 1))),
        "GRU": two_paths(*(part[1:] for part in gru_factors(bias, weight_scale, depth + 1))),
    }
    return ThreeCells(bias, measured, predicted)


# What they learn

# The cell, the bias of the gate that keeps, and Adam's step.
NETS: Mapping[str, tuple[str, float, float]] = {
    "tanh RNN": ("tanh", 0.0, 0.02),
    "IRNN": ("relu", 0.0, 0.004),
    "LSTM, b = 0": ("lstm", 0.0, 0.02),
    "LSTM, b = 1": ("lstm", 1.0, 0.02),
    "GRU": ("gru", 0.0, 0.02),
}
ADDING_UNITS, ADDING_BATCH, LEARNED = 16, 20, 0.05
# Two independent numbers from U(0, 1) are guessed by their mean.
GUESS = 1 / 6
LAG_BUDGET, LAG_UPDATES = 3000, 300
WINDOW = 20


def adding_batch(length: int, batch: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Draw the adding task: x: (T, batch, 2) numbers and marks, y: (batch,) the marked ones' sum.

    One mark lies in the first half, one in the second. Source: Hochreiter & Schmidhuber 1997, 5.4.
    """
    numbers, marks = generator.random((length, batch)), np.zeros((length, batch))
    rows = np.arange(batch)
    half = max(length // 2, 1)
    marks[generator.integers(0, half, batch), rows] = 1
    marks[generator.integers(half, length, batch), rows] = 1
    return np.stack([numbers, marks], -1), (numbers * marks).sum(0)


@dataclass(frozen=True, eq=False)
class Adding:
    """Learning to add two numbers far apart: mean squared error at each update.

    `losses: (updates,)`; `before`, `after`: (T + 1,) root-mean-square gradient of the error by the
    state after step t (c_t of an LSTM, else h_t), at the start and at the end.
    """

    net: str
    length: int
    losses: Array
    before: Array
    after: Array

    @property
    def smooth(self) -> Array:
        """The mean of the last 20 errors, from the 20th update on."""
        n = min(WINDOW, len(self.losses))
        return np.convolve(self.losses, np.ones(n) / n, "valid")

    @property
    def learned_at(self) -> float:
        """The update from which the smoothed error is below 0.05; inf if it never is."""
        below = np.flatnonzero(self.smooth < LEARNED)
        return float(below[0] + WINDOW) if len(below) else inf

    @property
    def verdict(self) -> str:
        """One sentence: whether it learned, and what reaches the first steps."""
        n = len(self.losses)
        share = power_of_ten(_ln_ratio(self.before[1], self.before[-1]))
        end = self.smooth[-1]
        outcome = (
            f"learns to add over {self.length} steps: error below {LEARNED} at update "
            f"{self.learned_at:.0f}"
            if self.learned_at < inf
            else f"has not learned within {n} updates, where this lab stops: the error is {end:.3f}"
            f", and answering 1 each time gives {GUESS:.3f}"
        )
        return (
            f"{self.net} {outcome}; at its start the first step received {share} of the last "
            "step's gradient."
        )


def _ln_ratio(one: float, other: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(one) - np.log(other))


@lru_cache(maxsize=64)
def adding(net: str = "GRU", length: int = 20, seed: int = 0, updates: int | None = None) -> Adding:
    """Train a net of 16 units on the adding task: Adam, batch 20, gradient clipped at norm 1.

    Without `updates` there are at most 300, and fewer for long sequences, to take half a second.
    """
    if updates is None:
        updates = min(LAG_UPDATES, LAG_BUDGET // length)
    kind, bias, lr = NETS[net]
    generator = np.random.default_rng([seed, 5])
    cell = make_cell(kind, 2, ADDING_UNITS, keep_bias=bias, generator=generator)
    if net == "IRNN":
        cell.w_h[:] = np.eye(ADDING_UNITS)
        cell.w_in[:] = 0.1 * generator.standard_normal(cell.w_in.shape)
    learner = Learner(cell, 1, generator=generator)
    probe = adding_batch(length, ADDING_BATCH, np.random.default_rng([seed, 6]))
    before = _by_state(learner, *probe)
    losses = np.full(updates, np.nan)
    for k in range(updates):
        x, y = adding_batch(length, ADDING_BATCH, generator)
        seen = learner.forward(x)
        d_out, losses[k] = _adding_error(learner, seen, y)
        learner.update(learner.gradient(seen, d_out), lr, clip=1.0)
    return Adding(net, length, losses, before, _by_state(learner, *probe))


def _adding_error(learner: Learner, seen: Run, y: Array) -> tuple[Array, float]:
    error = learner.read(seen.h[-1])[:, 0] - y
    d_out = np.zeros((seen.length, len(y), 1))
    d_out[-1, :, 0] = 2 * error / len(y)
    return d_out, float((error**2).mean())


def _by_state(learner: Learner, x: Array, y: Array) -> Array:
    seen = learner.forward(x)
    found = backward(seen, _adding_error(learner, seen, y)[0] @ learner.w_out)
    state = found.dc if learner.cell.kind == "lstm" else found.dh
    return np.sqrt((state**2).sum((1, 2)))


# The cell and the bias of the gate that keeps.
STREAM_CELLS: Mapping[str, tuple[str, float]] = {
    "LSTM": ("lstm", 1.0),
    "GRU": ("gru", 1.0),
    "tanh RNN": ("tanh", 0.0),
}
STREAM_UNITS, STREAM_BATCH, STREAM_STEPS = 16, 16, 2400


@dataclass(frozen=True, eq=False)
class Truncation:
    """Learning y_t = x_(t - lag) from a stream, backpropagating within windows.

    `seen: (updates,)` steps of the stream read, `losses: (updates,)` mean squared errors.
    """

    window: int
    lag: int
    cell: str
    seen: Array
    losses: Array

    @property
    def loss(self) -> float:
        """The error over the last tenth of the updates."""
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())

    @property
    def share(self) -> float:
        """The share of a window's outputs whose input `lag` steps before lies inside it."""
        return max(0.0, 1 - self.lag / self.window)

    @property
    def verdict(self) -> str:
        """One sentence: the error that is left, and whether the window could reach."""
        state = (
            "learns it"
            if self.loss < 0.1
            else "is learning"
            if self.loss < 0.8
            else "learns nothing"
        )
        reach = (
            f"{100 * self.share:.0f}% of the outputs in a window of {self.window} have their "
            "input inside it"
            if self.share
            else f"a window of {self.window} never holds an output together with its input"
        )
        return (
            f"{state}: after {STREAM_STEPS} steps of the stream the error of the {self.cell} is "
            f"{self.loss:.3f} (1 is guessing); the answer lies {self.lag} steps back, and {reach}."
        )


@lru_cache(maxsize=64)
def truncation(window: int = 5, lag: int = 5, cell: str = "LSTM", seed: int = 0) -> Truncation:
    """Train on a stream of coin flips to say what came `lag` steps ago; the state is carried on.

    Backpropagation stops at the window's start. 16 units, 16 streams, Adam 0.02, clip 1; the
    number of steps read is the same for every window.
    """
    kind, bias = STREAM_CELLS[cell]
    generator = np.random.default_rng([seed, 7])
    made = make_cell(kind, 1, STREAM_UNITS, keep_bias=bias, generator=generator)
    learner = Learner(made, 1, generator=generator)
    flips = np.where(generator.random((STREAM_STEPS + lag, STREAM_BATCH)) < 0.5, -1.0, 1.0)
    state, losses = None, []
    cuts = learner.windows(flips[lag:], window)
    for cut in cuts:
        run_ = learner.forward(flips[lag:][cut, :, None], state)
        state = (run_.h[-1], run_.c[-1])
        error = learner.read(run_.h[1:])[..., 0] - flips[:-lag][cut]
        losses.append(float((error**2).mean()))
        learner.update(learner.gradient(run_, 2 * error[..., None] / error.size), 0.02, clip=1.0)
    read = window * np.arange(1.0, len(cuts) + 1)
    return Truncation(window, lag, cell, read, np.array(losses))


CHARACTER_UNITS, CHARACTER_BATCH, CHARACTER_STEPS = 32, 16, 2000


@lru_cache(maxsize=1)
def coded() -> NDArray[np.int64]:
    """Return the prose as numbers of letters, (characters,)."""
    return np.array([ALPHABET.index(letter) for letter in text()])


@lru_cache(maxsize=1)
def entropies() -> tuple[float, float]:
    """Return the bits a character that need the letters' frequencies, and those of pairs."""
    codes = coded()
    pairs = np.zeros((len(ALPHABET), len(ALPHABET)))
    np.add.at(pairs, (codes[:-1], codes[1:]), 1)
    pairs /= pairs.sum()
    single = pairs.sum(1)
    h1 = -(single[single > 0] * np.log2(single[single > 0])).sum()
    h2 = -(pairs[pairs > 0] * np.log2(pairs[pairs > 0])).sum()
    return float(h1), float(h2 - h1)


@dataclass(frozen=True, eq=False)
class Characters:
    """Learning to foresee the next letter of the course's prose.

    `read: (updates,)` characters read by each of 16 readers, `bits: (updates,)` bits a character,
    `norms: (updates,)` norm of the gradient before clipping; `clip` the threshold, inf for none.
    """

    window: int
    clip: float
    read: Array
    bits: Array
    norms: Array
    learner: Learner

    @property
    def final(self) -> float:
        """Bits a character over the last tenth of the updates."""
        return float(self.bits[-max(1, len(self.bits) // 10) :].mean())

    @property
    def clipped(self) -> float:
        """The share of updates whose gradient was longer than the threshold."""
        return float((self.norms > self.clip).mean())

    @property
    def verdict(self) -> str:
        """One sentence: bits a character beside counting, and what clipping did."""
        single, pair = entropies()
        how = (
            f"no clipping, and the longest gradient was {self.norms.max():.3g}"
            if self.clip == inf
            else f"clipped at {self.clip:g} in {100 * self.clipped:.0f}% of the updates, the "
            f"longest gradient was {self.norms.max():.3g}"
        )
        state = (
            "worse than counting letters"
            if self.final > single
            else "better than counting letters"
            if self.final > pair
            else "better than counting pairs"
        )
        return (
            f"{state}: {self.final:.2f} bits a character (letters alone {single:.2f}, pairs "
            f"{pair:.2f}); window {self.window}, {how}."
        )

    def write(self, start: str = "the ", length: int = 100, seed: int = 0) -> str:
        """Let the model write on: each letter drawn from what it foresees."""
        generator, out = np.random.default_rng(seed), start
        state, unread = None, start
        for _ in range(length):
            x = np.eye(len(ALPHABET))[[ALPHABET.index(letter) for letter in unread]]
            seen = self.learner.forward(x[:, None, :], state)
            state = (seen.h[-1], seen.c[-1])
            share = np.exp(log_softmax(self.learner.read(seen.h[-1])[0]))
            unread = ALPHABET[int(generator.choice(len(share), p=share / share.sum()))]
            out += unread
        return out


@lru_cache(maxsize=32)
def characters(
    window: int = 10,
    clip: float = 0.25,
    lr: float = 10.0,
    seed: int = 0,
    steps: int = CHARACTER_STEPS,
    units: int = CHARACTER_UNITS,
    rule: str = "SGD",
) -> Characters:
    """Train an LSTM (b = 1) on 16 places of the prose at once, by truncated backpropagation.

    The loss is the cross-entropy of the next letter; the state is carried from window to window.
    """
    generator = np.random.default_rng([seed, 8])
    n = len(ALPHABET)
    learner = Learner(
        make_cell("lstm", n, units, keep_bias=1.0, generator=generator),
        n,
        rule,
        generator=generator,
    )
    codes, eye = coded(), np.eye(n)
    starts = np.arange(CHARACTER_BATCH) * (len(codes) // CHARACTER_BATCH)
    places = (starts + np.arange(steps + 1)[:, None]) % len(codes)
    letters = codes[places]
    state, bits, norms = None, [], []
    for first in range(0, steps - window + 1, window):
        x, y = letters[first : first + window], letters[first + 1 : first + window + 1]
        seen = learner.forward(eye[x], state)
        state = (seen.h[-1], seen.c[-1])
        log_share = log_softmax(learner.read(seen.h[1:]), axis=-1)
        bits.append(-float(np.take_along_axis(log_share, y[..., None], -1).mean()) / log(2))
        norms.append(
            learner.update(learner.gradient(seen, (np.exp(log_share) - eye[y]) / y.size), lr, clip)
        )
    read = window * np.arange(1.0, len(bits) + 1)
    return Characters(window, clip, read, np.array(bits), np.array(norms), learner)
