"""The adding task: which net learns to connect two numbers that lie far apart in time."""

from collections.abc import Iterator, Mapping
from math import inf

import numpy as np

from vglib.checks import one_of
from vglib.lstm.cells import Array, backward, make_cell
from vglib.lstm.learner import Learner
from vglib.results import at_its_end, kept, result
from vglib.scaled import log_norm
from vglib.words import power_of_ten

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
    rows, half = np.arange(batch), max(length // 2, 1)
    marks[generator.integers(0, half, batch), rows] = 1
    marks[generator.integers(half, length, batch), rows] = 1
    return np.stack([numbers, marks], -1), (numbers * marks).sum(0)


@result
class Adding:
    """Learning to add two numbers far apart: mean squared error at each of `updates` updates.

    `losses`: (updates so far,); `log_before`, `log_after`: (T + 1,) ln of the norm, over a batch,
    of the error's gradient by the state after step t (c_t of an LSTM, else h_t), at the start and
    by now.
    """

    net: str
    length: int
    updates: int
    losses: Array
    log_before: Array
    log_after: Array

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
        below = f"error below {LEARNED} at update {self.learned_at:.0f}"
        outcome = f"learns to add over {self.length} steps: {below}"
        if self.learned_at == inf:
            stop = ", where this lab stops" if n == self.updates else " so far"
            guess = f"answering 1 each time gives {GUESS:.3f}"
            left = f"the last {min(n, WINDOW)} errors average {self.smooth[-1]:.3f}, and {guess}"
            outcome = f"has not learned within {n} updates{stop}: {left}"
        share = power_of_ten(float(self.log_before[1]) - float(self.log_before[-1]))
        start = f"at its start the first step received {share} of the last step's gradient"
        return f"{self.net} {outcome}; {start}."


@kept(64)
def learning_to_add(
    net: str, length: int, seed: int, updates: int | None = None, lr: float | None = None
) -> Iterator[Adding]:
    """Train a net of 16 units on the adding task: Adam, batch 20, gradient clipped at norm 1.

    Without `updates` there are at most 300, and fewer for long sequences, to take half a second;
    without `lr` the step is that of `NETS`. Yields what is there so far.
    """
    one_of("net", net, NETS)
    if updates is None:
        updates = min(LAG_UPDATES, LAG_BUDGET // length)
    kind, bias, usual = NETS[net]
    generator = np.random.default_rng([seed, 5])
    cell = make_cell(kind, 2, ADDING_UNITS, keep_bias=bias, generator=generator)
    if net == "IRNN":
        cell.w_h[:] = np.eye(ADDING_UNITS)
        cell.w_in[:] = 0.1 * generator.standard_normal(cell.w_in.shape)
    learner = Learner(cell, 1, generator=generator)
    probe = adding_batch(length, ADDING_BATCH, np.random.default_rng([seed, 6]))
    before = _by_state(learner, *probe)
    batches = (adding_batch(length, ADDING_BATCH, generator) for _ in range(updates))
    for losses, _ in learner.training(_error, batches, updates, lr=lr or usual, clip=1.0):
        if len(losses) >= WINDOW or len(losses) == updates:
            yield Adding(net, length, updates, losses, before, _by_state(learner, *probe))


adding = at_its_end(learning_to_add)


def _error(outputs: Array, y: Array) -> tuple[float, Array]:
    error, by_output = outputs[-1, :, 0] - y, np.zeros_like(outputs)
    by_output[-1, :, 0] = 2 * error / len(y)
    return float((error**2).mean()), by_output


def _by_state(learner: Learner, x: Array, y: Array) -> Array:
    seen = learner.forward(x)
    found = backward(seen, _error(learner.read(seen.h[1:]), y)[1] @ learner.w_out)
    state = found.dc if learner.cell.kind == "lstm" else found.dh
    return np.array([log_norm(by_state) for by_state in state])
