"""The character model: an LSTM that reads this course's own prose and foresees the next letter."""

from collections.abc import Iterator
from functools import lru_cache
from math import inf, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vglib import learn
from vglib.backprop import softmax_gradient
from vglib.lstm.cells import Array, make_cell
from vglib.lstm.learner import Learner, windows
from vglib.lstm.prose import ALPHABET, text
from vglib.results import at_its_end, frozen, kept, result
from vglib.words import number, percent

CHARACTER_UNITS, CHARACTER_BATCH, CHARACTER_STEPS = 32, 16, 2000


@lru_cache(maxsize=1)
def coded() -> NDArray[np.int64]:
    """Return the prose as numbers of letters, (characters,)."""
    return frozen(np.array([ALPHABET.index(letter) for letter in text()]))


@lru_cache(maxsize=1)
def entropies() -> tuple[float, float]:
    """Return the bits a character that need the letters' frequencies, and those of pairs."""
    codes, n = coded(), len(ALPHABET)
    counts = np.bincount(n * codes[:-1] + codes[1:], minlength=n * n)
    pairs = counts.reshape(n, n) / counts.sum()
    h1, h2 = (-(p[p > 0] * np.log2(p[p > 0])).sum() for p in (pairs.sum(1), pairs))
    return float(h1), float(h2 - h1)


@result
class Characters:
    """Learning to foresee the next letter of the course's prose.

    `read: (updates,)` characters read by each of 16 readers, `bits: (updates,)` bits a character,
    `norms: (updates,)` norm of the gradient before clipping, so far; `clip` the threshold, inf for
    none; `learner` the model as it is by now.
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
        clipped = f"clipped at {self.clip:g} in {percent(self.clipped)} of the updates,"
        how = "no clipping, and" if self.clip == inf else clipped
        word = "worse" if self.final > single else "better"
        than = "letters" if self.final > pair else "pairs"
        bits = f"{self.final:.2f} bits a character (letters alone {single:.2f}, pairs {pair:.2f})"
        longest = f"the longest gradient was {number(self.norms.max())}"
        return f"{word} than counting {than}: {bits}; window {self.window}, {how} {longest}."

    def write(self, start: str = "the ", length: int = 100, seed: int = 0) -> str:
        """Let the model write on: each letter drawn from what it foresees."""
        generator, out = np.random.default_rng(seed), start
        state, unread = None, start
        for _ in range(length):
            x = np.eye(len(ALPHABET))[[ALPHABET.index(letter) for letter in unread]]
            seen = self.learner.forward(x[:, None, :], state)
            state = (seen.h[-1], seen.c[-1])
            share = softmax(self.learner.read(seen.h[-1])[0])
            unread = ALPHABET[int(generator.choice(len(share), p=share))]
            out += unread
        return out


@kept(32)
def learning_letters(
    window: int = 10,
    clip: float = 0.25,
    lr: float = 10.0,
    seed: int = 0,
    steps: int = CHARACTER_STEPS,
    units: int = CHARACTER_UNITS,
) -> Iterator[Characters]:
    """Train an LSTM (b = 1) on 16 places of the prose at once, by truncated backpropagation.

    SGD on the cross-entropy of the next letter; the state is carried from window to window.
    Yields what is there so far.
    """
    generator, n = np.random.default_rng([seed, 8]), len(ALPHABET)
    cell = make_cell("lstm", n, units, keep_bias=1.0, generator=generator)
    learner = Learner(cell, n, generator=generator)
    codes, eye = coded(), np.eye(n)
    starts = np.arange(CHARACTER_BATCH) * (len(codes) // CHARACTER_BATCH)
    letters = codes[(starts + np.arange(steps + 1)[:, None]) % len(codes)]
    batches = ((eye[x], y) for x, y in windows(window, letters[:-1], letters[1:]))
    for nats, norms in learner.training(
        _loss, batches, steps // window, lr=lr, rule=learn.plain, clip=clip, carry=True
    ):
        read = window * np.arange(1.0, len(nats) + 1)
        yield Characters(window, clip, read, nats / log(2), norms, learner.still())


def _loss(outputs: Array, y: NDArray[np.int64]) -> tuple[float, Array]:
    value, gradient = softmax_gradient(outputs.reshape(y.size, -1), y.ravel())
    return value, gradient.reshape(outputs.shape)


characters = at_its_end(learning_letters)
