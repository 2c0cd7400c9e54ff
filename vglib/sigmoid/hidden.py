"""Sigmoids in the hidden layers of a deep net: which of three kinds of net learn."""

from collections.abc import Iterator

import numpy as np

from vglib.backprop import Flat
from vglib.data import digits
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.scaled import log_norm
from vglib.sigmoid.net import SigmoidNet, descend
from vglib.words import count, percent, power_of_ten

KINDS = ("plain", "batch norm", "residual")
STEPS = 150
# Training images that the norms of the gradient are taken of.
PROBE = 200


@result
class Hidden:
    """A deep sigmoid net in training on digits, as far as it has come.

    `steps`, `test_accuracy`: (n_records,), the first of the net at its start; `log_delta_start` and
    `log_delta_end`: ln ||dL/dz_l|| of the hidden layers, (depth,), the latter nan before the end.
    """

    kind: str
    depth: int
    steps: Array
    test_accuracy: Array
    log_delta_start: Array
    log_delta_end: Array

    @property
    def accuracy(self) -> float:
        """The test accuracy by now."""
        return float(self.test_accuracy[-1])

    @property
    def verdict(self) -> str:
        """One sentence: does it learn, and what reached layer 1 at the start."""
        taken, word = int(self.steps[-1]), "in training"
        if taken == STEPS:
            word = "learns" if self.accuracy > 0.6 else "does not learn"
        share = power_of_ten(float(self.log_delta_start[0] - self.log_delta_start[-1]))
        return (
            f"{word}: {count(self.depth, 'sigmoid layer')}, {self.kind}, {percent(self.accuracy)} "
            f"of the test images after {taken} steps; at the start layer 1 got {share} times the "
            "last layer's gradient."
        )


@kept(64)
def training(
    kind: str = "plain", depth: int = 20, lr: float = 0.2, seed: int = 0, *, records: int = 10
) -> Iterator[Hidden]:
    """Train a deep sigmoid net on digits: cross-entropy, SGD, batch 64, 150 steps, width 50.

    Yields what there is so far, at the start and at each of the records.
    """
    net, data = SigmoidNet(kind, depth, seed), digits()
    probe = Flat.rows(data.x_train[:PROBE].numpy()), data.y_train[:PROBE].numpy()
    test, labels = Flat.rows(data.x_test.numpy()), data.y_test.numpy()

    def log_deltas() -> Array:
        return np.array([log_norm(delta) for delta in net.backward(*probe)[1]])

    start, end, accuracies = log_deltas(), np.full(depth, np.nan), {}
    length = {"batch": 64, "steps": STEPS, "every": STEPS // records, "seed": seed}
    for taken in descend(net.parameters, net.gradient, lr=lr, **length):
        accuracies[taken] = (net.logits(test).argmax(1) == labels).mean()
        if taken == STEPS:
            end = log_deltas()
        seen = np.array([*accuracies]), np.array([*accuracies.values()])
        yield Hidden(kind, depth, *seen, start, end)


hidden_sigmoids = at_its_end(training)
