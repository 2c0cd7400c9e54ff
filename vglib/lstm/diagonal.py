"""What replaced the LSTM: a diagonal linear recurrence, its gradient in time, its state's size."""

from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, logit

from vglib.checks import require, whole
from vglib.lstm.cells import UNITS, Array, draw_cell, sequence
from vglib.lstm.prediction import kept_by_gates, log_products
from vglib.results import result
from vglib.words import count, number, power_of_ten


@result
class Diagonal:
    """h_t = lambda h_(t-1) + gamma b_t, |lambda| = 1 - lost, beside a minGRU that keeps as much.

    `log_linear`, `log_gated`: (T + 1,) ln of the rms over units of |dh_T/dh_t|, t = 0..T, with
    `theory_linear`, `theory_gated`; `state`, `state_gated`: (T + 1,) rms of h_t, with
    `theory_state`, see `state_size`.
    """

    lost: float
    normalised: bool
    log_linear: Array
    log_gated: Array
    theory_linear: Array
    theory_gated: Array
    state: Array
    state_gated: Array
    theory_state: Array

    @property
    def verdict(self) -> str:
        """One sentence: what is left of the gradient, and how large the state has become."""
        steps = count(len(self.state) - 1, "step")
        left = power_of_ten(self.log_linear[0])
        gated = power_of_ten(self.log_gated[0])
        gamma = "with γ" if self.normalised else "without γ"
        size = f"the state is {number(float(self.state[-1]))} times its input"
        said = f"{gamma} {size} (theory {number(float(self.theory_state[-1]))})"
        kept = f"|λ| = {1 - self.lost:.4g} leaves {left} of the gradient after {steps}"
        gate = f"a minGRU whose gate keeps as much at rest {gated}"
        return f"{kept}, {gate}; {said}, the minGRU's {number(float(self.state_gated[-1]))}."


def state_size(r: float, steps: ArrayLike, gamma: float = 1.0) -> Array:
    """Return the rms of h_t, from h_0 = 0, for inputs N(0, 1): gamma sqrt((1 - r^2t)/(1 - r^2)).

    At r = 1 it is a random walk, gamma sqrt t. Source: Orvieto et al. 2023, section 3.4.
    """
    t = np.asarray(steps, dtype=float)
    return gamma * np.sqrt(t if r == 1 else (1 - r ** (2 * t)) / (1 - r**2))


def diagonal(
    lost: float = 0.01, depth: int = 1000, normalised: bool = False, seed: int = 0
) -> Diagonal:
    """Run 64 complex units of one |lambda| and random angles, and a minGRU, for `depth` steps.

    gamma is sqrt(1 - |lambda|^2) where `normalised`, as an LRU starts, else 1. The minGRU,
    h_t = (1 - z_t) h_(t-1) + z_t W x_t with z_t = sigmoid(V x_t + b), has torch's weights and the
    bias at which 1 - z = |lambda| when V x = 0. Inputs are 64 N(0, 1) at each step. Raises
    ValueError unless 0 < lost < 1. Sources: Orvieto et al. 2023 (arXiv
    2303.06349), section 3; Feng et al. 2024 (arXiv 2410.01201).
    """
    require("lost", lost, 0 < lost < 1, "between 0 and 1")
    require("depth", depth, whole(depth, 1), "a whole number, 1 or more")
    r, generator, x = 1 - lost, np.random.default_rng([seed, 11]), sequence(depth, 1.0, seed)[:, 0]
    eigenvalues = r * np.exp(2j * np.pi * generator.random(UNITS))
    gamma = sqrt(1 - r**2) if normalised else 1.0
    into = gamma * x @ generator.standard_normal((x.shape[1], UNITS)) / sqrt(x.shape[1])
    # The first two blocks of a GRU's rows, drawn as torch draws them, serve as V and W.
    v, w = draw_cell("gru", 0.0, 1.0, seed).w_in[: 2 * UNITS].reshape(2, UNITS, -1)
    gate, content = x @ v.T + logit(lost), x @ w.T
    states = _run(np.broadcast_to(eigenvalues, into.shape), into)
    gated = _run(expit(-gate), expit(gate) * content)
    back = np.arange(depth, -1, -1)
    return Diagonal(
        lost,
        normalised,
        log_products(np.log(np.broadcast_to(np.abs(eigenvalues), into.shape))),
        log_products(log_expit(-gate)),
        back * log(r),
        back * kept_by_gates(-float(logit(lost))),
        states,
        gated,
        state_size(r, back[::-1], gamma),
    )


def _run(keep: Array, into: Array) -> Array:
    """Return the rms over units of h_t = keep_t h_(t-1) + into_t, t = 0..T, from h_0 = 0."""
    h, sizes = np.zeros_like(keep[0] + into[0]), np.zeros(len(into) + 1)
    for t, (factor, addend) in enumerate(zip(keep, into, strict=True), start=1):
        h = factor * h + addend
        sizes[t] = np.linalg.norm(h) / sqrt(h.size)
    return sizes
