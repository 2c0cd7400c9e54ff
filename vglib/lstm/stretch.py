"""How a gradient stretches on its way back through a cell of 64 units with 64 inputs."""

from math import log

import numpy as np

from vglib.lstm.cells import Array, Cell, Run, arriving, back_step, make_cell
from vglib.scaled import Scaled, log_norm

UNITS = INPUTS = 64


def word(ln: float) -> str:
    """Name a change by exp(ln) over all the steps, as chapter 00 does."""
    return "vanishes" if ln < -log(100) else "explodes" if ln > log(100) else "holds"


def sequence(length: int, inputs: float, seed: int) -> Array:
    """Draw x: (T, 1, INPUTS), N(0, inputs^2); a longer sequence begins like a shorter one."""
    return inputs * np.random.default_rng([seed, 4]).standard_normal((length, 1, INPUTS))


def draw_cell(kind: str, bias: float, weight_scale: float, seed: int) -> Cell:
    """Draw a cell of 64 units as torch does; `bias` is that of the gate that keeps."""
    generator = np.random.default_rng([seed, 3])
    return make_cell(
        kind, INPUTS, UNITS, keep_bias=bias, weight_scale=weight_scale, generator=generator
    )


def log_stretch(seen: Run, probes: Array, start: str) -> tuple[Array, Array]:
    """Follow random directions u back through time, with no underflow and no overflow.

    The loss is u . c_T (`start` "c") or u . h_T ("h"), for the rows u: (k, hidden) of `probes` and
    a batch of one sequence. Returns ln of the root mean square over the rows of |dL/dh_t| and of
    |dL/dc_t|, each (T + 1,), relative to |u|; -inf where it is exactly 0.
    """
    log_h, log_c = np.empty((2, seen.length + 1))
    # One factor for both gradients, as each step mixes them.
    back = Scaled(np.zeros((2, *probes.shape)), -log_norm(probes))
    back.unit["hc".index(start)] = probes
    for t in reversed(range(seen.length + 1)):
        back = back.tame()
        dh, dc = back.unit
        if t:
            dc = arriving(seen.cell, seen.steps[t - 1], dh, dc)
        log_h[t], log_c[t] = log_norm(dh) + back.log, log_norm(dc) + back.log
        if t:
            before = back_step(seen.cell, seen.steps[t - 1], dh, dc)[2:]
            back = Scaled(np.stack(before), back.log)
    return log_h, log_c
