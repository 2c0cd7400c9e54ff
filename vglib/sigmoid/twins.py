"""A sigmoid net and its twin with sigmoid - 1/2, alike in all but the mean, in training."""

from collections.abc import Iterator
from math import inf

import numpy as np
import torch

from vglib.activations import get_activation
from vglib.backprop import Flat, softmax_gradient
from vglib.data import digits
from vglib.networks import MLP, mlp
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.sigmoid.net import WIDTH, SigmoidNet, descend
from vglib.sigmoid.walk import CENTRED
from vglib.words import percent

STEPS = 300
# Training images that loss and accuracy are taken of.
PROBE = 300


def twins(depth: int, seed: int, width: int = WIDTH) -> tuple[MLP, MLP]:
    """Build a sigmoid net and its twin with sigmoid - 1/2: the same weights, the same function.

    z = W h + b = W (h - 1/2) + (b + W 1/2): what the shift takes away, the twin's biases give back.
    """
    plain = mlp(depth, width, init="1/fan_in", seed=seed)
    weights = [w.detach().clone() for w in plain.weights]
    first, *later = [b.detach().clone() for b in plain.biases]
    lifted = [b + 0.5 * w.sum(1) for b, w in zip(later, weights[1:], strict=True)]
    return plain, MLP(weights, [first, *lifted], CENTRED, get_activation("identity"))


@result
class Learning:
    """A net in training: loss and accuracy on 300 training images, test accuracy; (n_records,)."""

    steps: Array
    losses: Array
    train_accuracy: Array
    test_accuracy: Array

    @property
    def needed(self) -> float:
        """Steps to 80% of the training images; inf where never."""
        reached = np.flatnonzero(self.train_accuracy >= 0.8)
        return float(self.steps[reached[0]]) if len(reached) else inf


def _learning(kind: str, depth: int, lr: float, seed: int) -> Iterator[Learning]:
    net, data = SigmoidNet(kind, depth, seed), digits()
    images = Flat.rows(torch.cat([data.x_train[:PROBE], data.x_test]).numpy())
    labels = torch.cat([data.y_train[:PROBE], data.y_test]).numpy()
    records = []
    length = {"batch": 32, "steps": STEPS, "every": 10, "seed": seed}
    for taken in descend(net.parameters, net.gradient, lr=lr, **length):
        logits = net.logits(images)
        right = logits.argmax(1) == labels
        loss, _ = softmax_gradient(logits[:PROBE], labels[:PROBE])
        records.append((taken, loss, right[:PROBE].mean(), right[PROBE:].mean()))
        yield Learning(*map(np.array, zip(*records, strict=True)))


def steps_to_80(kind: str, depth: int, lr: float, seed: int) -> float:
    """Return `Learning.needed` of one of the two; the training ends as soon as it is known."""
    seen = _learning(kind, depth, lr, seed)
    return next((learned.needed for learned in seen if learned.needed < inf), inf)


@result
class Centring:
    """A sigmoid net and its centred twin in training."""

    plain: Learning
    centred: Learning

    @property
    def verdict(self) -> str:
        """One sentence: where the two have arrived, and how fast."""
        plain, centred = (float(net.test_accuracy[-1]) for net in (self.plain, self.centred))
        taken, slow, fast = int(self.plain.steps[-1]), self.plain.needed, self.centred.needed
        word, missing = "in training", "not yet"
        if taken == STEPS:
            late, missing = slow > 1.5 * fast, "never"
            word = "the mean costs time" if late else "no gain"
            word = "the mean decides" if centred - plain > 0.3 else word
        reached = " and ".join(missing if s == inf else f"{s:.0f}" for s in (slow, fast))
        return (
            f"{word}: after {taken} steps the sigmoid reaches {percent(plain)} of the "
            f"test images, its centred twin {percent(centred)}; steps to 80%: {reached}."
        )


@kept(64)
def training_twins(depth: int = 4, lr: float = 3.0, seed: int = 0) -> Iterator[Centring]:
    """Train a sigmoid net and its centred twin on digits, alike in all else.

    Width 50, weights N(0, 1/n), cross-entropy, SGD, batch 32, 300 steps. Yields what the two have
    learned so far, every ten steps.
    """
    runs = (_learning(kind, depth, lr, seed) for kind in ("plain", "centred"))
    for plain, twin in zip(*runs, strict=True):
        yield Centring(plain, twin)


centring = at_its_end(training_twins)
