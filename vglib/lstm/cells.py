"""Recurrent cells and their backward pass, written from their equations in NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from vglib.backprop import PHI, Phi

Array = NDArray[np.floating]

# The gates in torch's order, one block of rows of W each.
BLOCKS: Mapping[str, str] = {"tanh": "h", "relu": "h", "linear": "h", "lstm": "ifgo", "gru": "rzn"}
PLAIN: Mapping[str, Phi] = {"tanh": PHI["tanh"], "relu": PHI["relu"], "linear": PHI["identity"]}
NAMES = ("w_in", "w_h", "b_in", "b_h")


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

    def block(self, gate: str) -> slice:
        """Return the rows of a gate."""
        start = BLOCKS[self.kind].index(gate) * self.hidden
        return slice(start, start + self.hidden)

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
    fixed: Mapping[str, float] | None = None,
    generator: np.random.Generator,
) -> Cell:
    """Draw a cell as torch does, W ~ U(+-1/sqrt(hidden)) times the weight scale, biases 0.

    `keep_bias` is the bias of the gate that keeps: f of an LSTM, z of a GRU.
    """
    rows, bound = len(BLOCKS[kind]) * hidden, weight_scale / hidden**0.5
    w_in, w_h = (generator.uniform(-bound, bound, (rows, n)) for n in (n_in, hidden))
    cell = Cell(kind, w_in, w_h, np.zeros(rows), np.zeros(rows), fixed or {})
    if keep := {"lstm": "f", "gru": "z"}.get(kind):
        cell.b_in[cell.block(keep)] = keep_bias
    return cell


class Step(NamedTuple):
    """What the backward pass needs of one step; every array is (batch, hidden).

    `h`, `c` before the step; `gates` by name; `squashed` is tanh(c) after an LSTM's step, or the
    inner sum W_hn h + b_hn of a GRU's.
    """

    h: Array
    c: Array
    gates: dict[str, Array]
    squashed: Array


@dataclass(frozen=True, eq=False)
class Run:
    """A forward pass: `h`, `c` of shape (T + 1, batch, hidden), the start included, and `steps`."""

    cell: Cell
    x: Array
    h: Array
    c: Array
    steps: list[Step]

    @property
    def length(self) -> int:
        """The number of time steps."""
        return len(self.steps)


def run(cell: Cell, x: Array, h: Array | None = None, c: Array | None = None) -> Run:
    """Send a batch of sequences x: (T, batch, n_in) through a cell; h, c are 0 unless given."""
    length, batch, _ = x.shape
    n = cell.hidden
    hs, cs = np.zeros((2, length + 1, batch, n))
    if h is not None:
        hs[0] = h
    if c is not None:
        cs[0] = c
    inputs = x @ cell.w_in.T + cell.b_in
    w_h = np.ascontiguousarray(cell.w_h.T)
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
        for name, value in cell.fixed.items():
            gates[name] = np.full_like(i, value)
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
        parts = {
            "i": dc * (g * i * (1 - i)),
            "f": dc * (step.c * f * (1 - f)),
            "g": dc * (i * (1 - g**2)),
            "o": dh * (step.squashed * o * (1 - o)),
        }
        for name in cell.fixed:
            parts[name] = np.zeros_like(dc)
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


@dataclass(frozen=True, eq=False)
class Gradient:
    """Backpropagation through time: by the parameters, and by the state after each step.

    `dh`, `dc`: (T + 1, batch, hidden), dL/dh_t and dL/dc_t with all that they influence.
    """

    parameters: dict[str, Array]
    dh: Array
    dc: Array


def backward(seen: Run, dh_out: Array) -> Gradient:
    """Backpropagate through all the steps; dh_out: (T, batch, hidden) is what each h_t receives."""
    cell, length = seen.cell, seen.length
    rows = len(cell.b_in)
    d_in, d_h = np.empty((2, length, *seen.h.shape[1:2], rows))
    dh, dc = np.zeros((2, *seen.h.shape))
    for t in reversed(range(length)):
        step = seen.steps[t]
        dh[t + 1] += dh_out[t]
        dc[t + 1] = arriving(cell, step, dh[t + 1], dc[t + 1])
        d_in[t], d_h[t], dh[t], dc[t] = back_step(cell, step, dh[t + 1], dc[t + 1])
    flat_in, flat_h = d_in.reshape(-1, rows), d_h.reshape(-1, rows)
    grads = (
        flat_in.T @ seen.x.reshape(len(flat_in), -1),
        flat_h.T @ seen.h[:-1].reshape(len(flat_h), -1),
        flat_in.sum(0),
        flat_h.sum(0),
    )
    return Gradient(dict(zip(NAMES, grads, strict=True)), dh, dc)
