"""The character model: an LSTM that reads this course's own prose and foresees the next letter."""

from collections.abc import Iterator
from functools import lru_cache
from math import inf, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from vglib import learn
from vglib.backprop import softmax_gradient
from vglib.lstm.cells import Array, make_cell
from vglib.lstm.learner import Learner, windows
from vglib.lstm.prose import ALPHABET, text
from vglib.results import at_its_end, frozen, kept, result
from vglib.words import number, percent

CHARACTER_UNITS, CHARACTER_BATCH, CHARACTER_STEPS = 32, 16, 2000
# The last tenth is held out, and judged in pieces, each after letters that are only read.
PIECES, READ_IN = 12, 20


@lru_cache(maxsize=1)
def coded() -> NDArray[np.int64]:
    """Return the prose as numbers of letters, (characters,)."""
    return frozen(np.array([ALPHABET.index(letter) for letter in text()]))


def in_two() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first nine tenths, to learn from, and the last tenth, to be judged by."""
    codes = coded()
    return codes[: -(len(codes) // 10)], codes[-(len(codes) // 10) :]


@lru_cache(maxsize=1)
def entropies() -> tuple[float, float]:
    """Return the bits a character that counting leaves on the last tenth: letters, and pairs.

    Counted in the other nine tenths, each letter and each pair once more than it is there.
    """
    (seen, unseen), n = in_two(), len(ALPHABET)
    letters = np.bincount(seen, minlength=n) + 1.0
    pairs = np.bincount(n * seen[:-1] + seen[1:], minlength=n * n).reshape(n, n) + 1.0
    h1 = -np.log2(letters / letters.sum())[unseen].mean()
    before = np.concatenate([seen[-1:], unseen[:-1]])
    h2 = -np.log2(pairs / pairs.sum(1, keepdims=True))[before, unseen].mean()
    return float(h1), float(h2)


@result
class Characters:
    """Learning to foresee the next letter of the course's prose.

    `read: (updates,)` characters read by each of 16 readers, `bits: (updates,)` bits a character,
    `norms: (updates,)` norm of the gradient before clipping, so far; `unseen` bits a character on
    the tenth that it does not learn from, when it had read `looked`; `clip` the threshold, inf for
    none; `learner` the model as it is by now.
    """

    window: int
    clip: float
    read: Array
    bits: Array
    norms: Array
    looked: Array
    unseen: Array
    learner: Learner

    @property
    def final(self) -> float:
        """Bits a character over the last tenth of the updates, on the text that it learns from."""
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
        left = float(self.unseen[-1])
        word = "worse" if left > single else "better"
        than = "letters" if left > pair else "pairs"
        marks = f"(letters alone {single:.2f}, pairs {pair:.2f})"
        bits = f"{left:.2f} bits a character on text held out {marks}, {self.final:.2f} on its own"
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

    SGD on the cross-entropy of the next letter; the state is carried from window to window. The
    last tenth of the prose is held out. Yields what is there so far.
    """
    generator, n = np.random.default_rng([seed, 8]), len(ALPHABET)
    cell = make_cell("lstm", n, units, keep_bias=1.0, generator=generator)
    learner = Learner(cell, n, generator=generator)
    (codes, _), eye = in_two(), np.eye(n)
    starts = np.arange(CHARACTER_BATCH) * (len(codes) // CHARACTER_BATCH)
    letters = codes[(starts + np.arange(steps + 1)[:, None]) % len(codes)]
    batches = ((eye[x], y) for x, y in windows(window, letters[:-1], letters[1:]))
    looked, unseen = [], []
    for nats, norms in learner.training(
        _loss, batches, steps // window, lr=lr, rule=learn.plain, clip=clip, carry=True
    ):
        read = window * np.arange(1.0, len(nats) + 1)
        looked.append(read[-1])
        unseen.append(bits_unseen(learner))
        looks = np.array(looked), np.array(unseen)
        yield Characters(window, clip, read, nats / log(2), norms, *looks, learner.still())


def bits_unseen(learner: Learner, pieces: int = PIECES) -> float:
    """Return the bits a character that a model needs for the last of the held-out pieces."""
    codes, judged = coded(), len(in_two()[1]) // PIECES
    ends = len(codes) - judged * np.arange(pieces)
    letters = codes[ends + np.arange(-judged - READ_IN - 1, 0)[:, None]]
    with np.errstate(all="ignore"):
        seen = learner.forward(np.eye(len(ALPHABET))[letters[:-1]])
        foreseen = log_softmax(learner.read(seen.h[READ_IN + 1 :]), axis=-1)
    right = np.take_along_axis(foreseen, letters[READ_IN + 1 :, :, None], axis=-1)
    return float(-right.mean() / log(2))


def _loss(outputs: Array, y: NDArray[np.int64]) -> tuple[float, Array]:
    value, gradient = softmax_gradient(outputs.reshape(y.size, -1), y.ravel())
    return value, gradient.reshape(outputs.shape)


characters = at_its_end(learning_letters)
