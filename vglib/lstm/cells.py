"""Recurrent cells, their backward pass, and how a gradient stretches on its way back, in NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from vglib.backprop import PHI, Phi
from vglib.scaled import Scaled, log_norm
from vglib.words import power_of_ten

Array = NDArray[np.floating]

# The gates in torch's order, one block of rows of W each.
BLOCKS: Mapping[str, str] = {"tanh": "h", "relu": "h", "linear": "h", "lstm": "ifgo", "gru": "rzn"}
PLAIN: Mapping[str, Phi] = {"tanh": PHI["tanh"], "relu": PHI["relu"], "linear": PHI["identity"]}
NAMES = ("w_in", "w_h", "b_in", "b_h")
# The size of the cells whose gradient is followed back, untrained.
UNITS = INPUTS = 64


@dataclass(frozen=True, eq=False)
class Cell:
    """A recurrent cell of `hidden` units; G blocks of rows, one for each gate of `BLOCKS[kind]`.

    `w_in: (G hidden, n_in)`, `w_h: (G hidden, hidden)`, `b_in`, `b_h: (G hidden,)`, as in torch; a
    training changes them in place.

    - "tanh", "relu", "linear": h_t = phi(W_in x_t + b_in + W_h h_(t-1) + b_h)
    - "lstm": c_t = f c_(t-1) + i g, h_t = o tanh(c_t); i, f, o sigmoids, g a tanh
    - "gru": h_t = z h_(t-1) + (1 - z) n, n = tanh(W_in x_t + b_in + r (W_h h_(t-1) + b_h))

    `fixed` holds gates of an LSTM at a number, {"f": 1.0}; no gradient flows through those.
    Sources: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (f); Cho et al. 2014.
    """

    kind: str
    w_in: Array
    w_h: Array
    b_in: Array
    b_h: Array
    fixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def hidden(self) -> int:
        """The number of units."""
        return self.w_h.shape[1]

    def parameters(self) -> dict[str, Array]:
        """Return the arrays that training changes, by name."""
        return {name: getattr(self, name) for name in NAMES}


def make_cell(
    kind: str,
    n_in: int,
    hidden: int,
    *,
    keep_bias: float = 0.0,
    weight_scale: float = 1.0,
    generator: np.random.Generator,
) -> Cell:
    """Draw a cell as torch does, W ~ U(+-1/sqrt(hidden)) times the weight scale, biases 0.

    `keep_bias` is the bias of the gate that keeps: f of an LSTM, z of a GRU.
    """
    rows, bound = len(BLOCKS[kind]) * hidden, weight_scale / hidden**0.5
    w_in, w_h = (generator.uniform(-bound, bound, (rows, n)) for n in (n_in, hidden))
    b_in, b_h = np.zeros((2, rows))
    if keep := {"lstm": "f", "gru": "z"}.get(kind):
        b_in.reshape(-1, hidden)[BLOCKS[kind].index(keep)] = keep_bias
    return Cell(kind, w_in, w_h, b_in, b_h)


class Step(NamedTuple):
    """What the backward pass needs of one step; every array is (batch, hidden).

    `h`, `c` before the step; `gates` by name; `squashed` is tanh(c) after an LSTM's step, or the
    inner sum W_hn h + b_hn of a GRU's.
    """

    h: Array
    c: Array
    gates: dict[str, Array]
    squashed: Array


class Run(NamedTuple):
    """A forward pass: `h`, `c` of shape (T + 1, batch, hidden), the start included, and `steps`."""

    cell: Cell
    x: Array
    h: Array
    c: Array
    steps: list[Step]


def run(cell: Cell, x: Array, h: Array | float = 0.0, c: Array | float = 0.0) -> Run:
    """Send a batch of sequences x: (T, batch, n_in) through a cell, from the state h, c."""
    length, batch, _ = x.shape
    hs, cs = np.zeros((2, length + 1, batch, cell.hidden))
    hs[0], cs[0] = h, c
    inputs, w_h = x @ cell.w_in.T + cell.b_in, np.ascontiguousarray(cell.w_h.T)
    steps = [_step(cell, inputs[t], hs[t], cs[t], w_h, hs[t + 1], cs[t + 1]) for t in range(length)]
    return Run(cell, x, hs, cs, steps)


def _step(
    cell: Cell, inputs: Array, h: Array, c: Array, w_h: Array, h_next: Array, c_next: Array
) -> Step:
    n, recurrent = cell.hidden, h @ w_h + cell.b_h
    if cell.kind == "lstm":
        z = inputs + recurrent
        i, f = expit(z[:, :n]), expit(z[:, n : 2 * n])
        g, o = np.tanh(z[:, 2 * n : 3 * n]), expit(z[:, 3 * n :])
        gates = {"i": i, "f": f, "g": g, "o": o}
        gates |= {name: np.full_like(i, value) for name, value in cell.fixed.items()}
        c_next[:] = gates["f"] * c + gates["i"] * g
        squashed = np.tanh(c_next)
        h_next[:] = gates["o"] * squashed
        return Step(h, c, gates, squashed)
    if cell.kind == "gru":
        gate = expit(inputs[:, : 2 * n] + recurrent[:, : 2 * n])
        r, z, inner = gate[:, :n], gate[:, n:], recurrent[:, 2 * n :]
        new = np.tanh(inputs[:, 2 * n :] + r * inner)
        h_next[:] = z * h + (1 - z) * new
        return Step(h, c, {"r": r, "z": z, "n": new}, inner)
    h_next[:] = PLAIN[cell.kind].value(inputs + recurrent)
    return Step(h, c, {"h": h_next}, h_next)


def arriving(cell: Cell, step: Step, dh: Array, dc: Array) -> Array:
    """Return the whole gradient by c_t: what arrives from c_(t+1), and what comes through h_t."""
    return dc + dh * (step.gates["o"] * (1 - step.squashed**2)) if cell.kind == "lstm" else dc


def back_step(cell: Cell, step: Step, dh: Array, dc: Array) -> tuple[Array, Array, Array, Array]:
    """Carry the gradient by the state after a step to the one before it.

    dh, dc: (..., hidden), the whole gradient by h_t and by c_t, see `arriving`. Returns the
    gradients by the two sums W_in x + b_in and W_h h + b_h, (..., G hidden) each, then dh, dc.
    """
    # Slopes are multiplied first: they belong to one step, dh and dc may have a row for each probe.
    gates = step.gates
    if cell.kind == "lstm":
        i, f, g, o = (gates[name] for name in "ifgo")
        parts = {"i": dc * (g * i * (1 - i)), "f": dc * (step.c * f * (1 - f))}
        parts |= {"g": dc * (i * (1 - g**2)), "o": dh * (step.squashed * o * (1 - o))}
        parts |= dict.fromkeys(cell.fixed, np.zeros_like(dc))
        dz = np.concatenate([parts[name] for name in "ifgo"], axis=-1)
        return dz, dz, dz @ cell.w_h, dc * f
    if cell.kind == "gru":
        r, z, new = (gates[name] for name in "rzn")
        dn = dh * ((1 - z) * (1 - new**2))
        dr, dz = dn * (step.squashed * r * (1 - r)), dh * ((step.h - new) * z * (1 - z))
        inner = np.concatenate([dr, dz, dn * r], axis=-1)
        return np.concatenate([dr, dz, dn], axis=-1), inner, inner @ cell.w_h + dh * z, dc
    dz = dh * PLAIN[cell.kind].slope(gates["h"])
    return dz, dz, dz @ cell.w_h, dc


class Gradient(NamedTuple):
    """Backpropagation through time: by the parameters, and by the state after each step.

    `dh`, `dc`: (T + 1, batch, hidden), dL/dh_t and dL/dc_t with all that they influence.
    """

    parameters: dict[str, Array]
    dh: Array
    dc: Array


def backward(seen: Run, dh_out: Array) -> Gradient:
    """Backpropagate through all the steps; dh_out: (T, batch, hidden) is what each h_t receives."""
    cell, length, rows = seen.cell, len(seen.steps), len(seen.cell.b_in)
    d_in, d_h = np.empty((2, length, *seen.h.shape[1:2], rows))
    dh, dc = np.zeros((2, *seen.h.shape))
    for t in reversed(range(length)):
        step = seen.steps[t]
        dh[t + 1] += dh_out[t]
        dc[t + 1] = arriving(cell, step, dh[t + 1], dc[t + 1])
        d_in[t], d_h[t], dh[t], dc[t] = back_step(cell, step, dh[t + 1], dc[t + 1])
    flat_in, flat_h = d_in.reshape(-1, rows), d_h.reshape(-1, rows)
    x, h = seen.x.reshape(len(flat_in), -1), seen.h[:-1].reshape(len(flat_h), -1)
    grads = flat_in.T @ x, flat_h.T @ h, flat_in.sum(0), flat_h.sum(0)
    return Gradient(dict(zip(NAMES, grads, strict=True)), dh, dc)


def word(ln: float) -> str:
    """Name a change by exp(ln) over all the steps, as chapter 00 does."""
    return "vanishes" if ln < -log(100) else "explodes" if ln > log(100) else "holds"


def misses(ln: float, said: float) -> str:
    """Say that a theory of ln is off, and by how much; "" within a factor of 100 or 5% of ln."""
    off = abs(said - ln)
    if off <= max(log(100), abs(ln) / 20):
        return ""
    return f"here theory no longer holds, it is off by a factor of {power_of_ten(off)}"


def sequence(length: int, inputs: float, seed: int) -> Array:
    """Draw x: (T, 1, INPUTS), N(0, inputs^2); a longer sequence begins like a shorter one."""
    return inputs * np.random.default_rng([seed, 4]).standard_normal((length, 1, INPUTS))


def draw_cell(kind: str, bias: float, weight_scale: float, seed: int) -> Cell:
    """Draw a cell of 64 units as torch does; `bias` is that of the gate that keeps."""
    options = {"keep_bias": bias, "weight_scale": weight_scale}
    return make_cell(kind, INPUTS, UNITS, generator=np.random.default_rng([seed, 3]), **options)


def log_stretch(seen: Run, start: str) -> dict[str, Array]:
    """Follow all directions u back through time, with no underflow and no overflow.

    The loss is u . c_T (`start` "c") or u . h_T ("h"), for a batch of one sequence. Returns for "h"
    and "c" ln of the root mean square over u of |dL/dh_t| / |u| and of |dL/dc_t| / |u|, each
    (T + 1,); -inf where it is exactly 0.
    """
    length, probes = len(seen.steps), np.eye(seen.cell.hidden)
    log_h, log_c = np.empty((2, length + 1))
    # One factor for both gradients, as each step mixes them.
    back = Scaled(np.zeros((2, *probes.shape)), -log_norm(probes))
    back.unit["hc".index(start)] = probes
    for t in reversed(range(length + 1)):
        back, _ = back.measured()
        dh, dc = back.unit
        if t:
            dc = arriving(seen.cell, seen.steps[t - 1], dh, dc)
        log_h[t], log_c[t] = log_norm(dh) + back.log, log_norm(dc) + back.log
        if t:
            before = back_step(seen.cell, seen.steps[t - 1], dh, dc)[2:]
            back = Scaled(np.stack(before), back.log)
    return {"h": log_h, "c": log_c}
