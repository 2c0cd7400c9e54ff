"""The gradient through gated cells at the start: its two paths, and what the gates let through."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import sqrt

import numpy as np

from vglib import theory
from vglib.activations import get_activation
from vglib.lstm.cells import INPUTS, Array, Run, draw_cell, log_stretch, misses, run, sequence, word
from vglib.lstm.prediction import gru_factors, log_products, lstm_factors, two_paths
from vglib.results import frozen, result
from vglib.scaled import norm
from vglib.words import count, power_of_ten

CAROUSEL, NO_MEMORY = "f = 1 (1997)", "gates, no memory (f = 0)"
WIRINGS: Mapping[str, Mapping[str, float]] = {
    "LSTM": {},
    CAROUSEL: {"f": 1.0},
    NO_MEMORY: {"f": 0.0},
    "memory, no gates": {"f": 1.0, "i": 1.0, "o": 1.0},
}
CELLS = ("tanh RNN", "LSTM", "GRU")


@result
class Path:
    """Gradients through an LSTM over time; every array is (T + 1,) for t = 0..T unless said.

    `log_c`, `log_h`: ln of the rms stretch of dc_T/dc_t and of dh_T/dh_t; `log_direct`: the product
    of the forget gates alone, rms over units; `log_control`: dc_T/dc_t of the same net with f = 1;
    `log_gates`: sigmoid(b)^(T - t); `log_theory`: both paths, see `two_paths`. `gates[name]`:
    (T,) mean over the units.
    """

    wiring: str
    log_c: Array
    log_h: Array
    log_direct: Array
    log_control: Array
    log_gates: Array
    log_theory: Array
    gates: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the gradient over T steps beside what the gates alone would leave."""
        logs = (self.log_c, self.log_gates, self.log_theory, self.log_control)
        end, gates, both, open_ = (power_of_ten(log[0]) for log in logs)
        steps = count(len(self.log_c) - 1, "step")
        said = f"{word(self.log_c[0])}: ∂c_T/∂c_0 over {steps} is {end}"
        off = misses(self.log_c[0], self.log_theory[0])
        off = off and f"; {off}"
        if self.wiring == "LSTM":
            alone = f"the gates alone leave s(b)^T = {gates}, both paths in theory {both}"
            return f"{said}; {alone}; with f = 1 it is {open_}{off}."
        if self.wiring == NO_MEMORY:
            return f"{said}: the gates i and o are there, and nothing is carried past them{off}."
        direct = "the direct path is exactly 1, and the h-path adds to it"
        return f"{said}: {direct}; theory says {both}{off}."


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
    seen = _wired(wiring, forget_bias, depth, weight_scale, inputs, seed)
    # Where f is held at 1 the forget bias changes nothing: while that moves, one run will do.
    control = _carousel(depth, weight_scale, inputs, seed)
    log_c = control if wiring == CAROUSEL else log_stretch(seen, "c")["c"][1:]
    log_h, log_direct = log_stretch(seen, "h")["h"][1:], direct_path(seen)[1:]
    log_gates = -np.arange(depth, -1, -1) * np.log1p(np.exp(-forget_bias))
    factors = lstm_factors(forget_bias, weight_scale, depth + 1, inputs, **WIRINGS[wiring])
    both = two_paths(*factors[:, 1:])
    gates = {name: np.array([s.gates[name].mean() for s in seen.steps[1:]]) for name in "fio"}
    return Path(wiring, log_c, log_h, log_direct, control, log_gates, both, gates)


def _wired(wiring: str, bias: float, depth: int, scale: float, inputs: float, seed: int) -> Run:
    cell = replace(draw_cell("lstm", bias, scale, seed), fixed=WIRINGS[wiring])
    return run(cell, sequence(depth + 1, inputs, seed))


@lru_cache(maxsize=16)
def _carousel(depth: int, weight_scale: float, inputs: float, seed: int) -> Array:
    seen = _wired(CAROUSEL, 0.0, depth, weight_scale, inputs, seed)
    return frozen(log_stretch(seen, "c")["c"][1:])


def direct_path(seen: Run) -> Array:
    """Return ln of the rms over units of prod_(s > t) f_s, t = 0..T: the gates and nothing else."""
    with np.errstate(divide="ignore"):
        return log_products(np.log([step.gates["f"][0] for step in seen.steps]))


def carry_over(after: int, carried: bool = True, seed: int = 0) -> float:
    """Return what is left, `after` further sequences, of the change that another sequence makes.

    Two runs of an LSTM (b = 2, sequences of 10 steps) differ in their first sequence; the norm of
    the difference of h after it is 1. `carried`: the state goes on into the next sequence, else
    each one starts from the state 0.
    """
    cell, generator = draw_cell("lstm", 2.0, 1.0, seed), np.random.default_rng([seed, 9])
    one, other, *later = generator.standard_normal((after + 2, 10, 1, INPUTS))
    ends = [run(cell, first) for first in (one, other)]
    at_first = norm(ends[0].h[-1] - ends[1].h[-1])
    for x in later:
        states = [(seen.h[-1], seen.c[-1]) if carried else () for seen in ends]
        ends = [run(cell, x, *state) for state in states]
    return norm(ends[0].h[-1] - ends[1].h[-1]) / at_first


@result
class ThreeCells:
    """ln of the rms stretch from step t to T of three cells and their theories; (T + 1,) each.

    For the LSTM it is dc_T/dc_t, for the others dh_T/dh_t.
    """

    bias: float
    measured: Mapping[str, Array]
    predicted: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: what arrives in each cell, measured and predicted."""
        steps = count(len(self.measured["GRU"]) - 1, "step")
        parts = ", ".join(
            f"{name} {power_of_ten(self.measured[name][0])} "
            f"(theory {power_of_ten(self.predicted[name][0])})"
            for name in CELLS
        )
        missed = [n for n in CELLS if misses(self.measured[n][0], self.predicted[n][0])]
        off = f"; here theory no longer holds for {' and '.join(missed)}" if missed else ""
        return f"over {steps}, with the keeping gate's bias at {self.bias:g}: {parts}{off}."


def three_cells(
    bias: float = 1.0, depth: int = 100, weight_scale: float = 1.0, seed: int = 0
) -> ThreeCells:
    """Compare a tanh net, an LSTM and a GRU of 64 units on one sequence, as torch draws them."""
    x, measured = sequence(depth + 1, 1.0, seed), {}
    for name, kind in zip(CELLS, ("tanh", "lstm", "gru"), strict=True):
        seen = run(draw_cell(kind, bias, weight_scale, seed), x)
        state = "c" if kind == "lstm" else "h"
        measured[name] = log_stretch(seen, state)[state][1:]
    tanh, sigma = get_activation("tanh"), weight_scale / sqrt(3)
    q = theory.q_trajectory(sigma**2, tanh.phi, sigma, sigma, min(depth, 20))
    step = 0.5 * float(np.log(theory.chi(q[-1], tanh.dphi, sigma)))
    predicted = {
        "tanh RNN": step * np.arange(depth, -1, -1),
        "LSTM": two_paths(*lstm_factors(bias, weight_scale, depth + 1)[:, 1:]),
        "GRU": two_paths(*gru_factors(bias, weight_scale, depth + 1)[:, 1:]),
    }
    return ThreeCells(bias, measured, predicted)
