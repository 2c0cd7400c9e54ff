"""Learning speed of each hidden layer over the epochs of a training."""

from collections.abc import Iterator, Sequence

import numpy as np

from vglib.backprop import Flat
from vglib.concept.descent import LOSSES, descend
from vglib.concept.speed import sigmoid_net
from vglib.data import digits
from vglib.probe import Array
from vglib.results import at_its_end, last, result
from vglib.scaled import log_norm, norm
from vglib.words import count, factor, percent


@result
class Training:
    """A training on standardised digits, batches of 10, plain SGD, as far as it has come.

    `recorded` are the epochs of the records, (records,), `total` the epochs asked for, and
    `test_accuracy` is (records,). For the hidden layers, each (records, depth): `log_speed` is
    ln ||dL/db_l||, `log_delta` ln ||dL/dz_l||, `moved` ||W_l - W_l at the start|| / ||W_l at the
    start||, and `spread` that of h_l over the data.
    """

    depth: int
    width: int
    loss: str
    lr: float
    weight_scale: float
    total: int
    recorded: Array
    test_accuracy: Array
    log_speed: Array
    log_delta: Array
    moved: Array
    spread: Array

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return int(self.recorded[-1])

    @property
    def accuracy(self) -> float:
        """Share of test digits named rightly by now."""
        return float(self.test_accuracy[-1])

    @property
    def log_ratios(self) -> Array:
        """ln of the last hidden layer's speed over the first one's at each record, (records,)."""
        return self.log_speed[:, -1] - self.log_speed[:, 0]

    @property
    def first_ratio(self) -> float:
        """The last hidden layer's speed over the first one's, before training."""
        return float(np.exp(self.log_ratios[0]))

    @property
    def last_ratio(self) -> float:
        """The last hidden layer's speed over the first one's, by now."""
        return float(np.exp(self.log_ratios[-1]))

    @property
    def word(self) -> str:
        """What became of the training: learns, is under way, or stuck."""
        if self.accuracy >= 0.8:
            return "learns"
        return "stuck" if self.accuracy < 0.2 and self.epochs == self.total else "under way"

    @property
    def verdict(self) -> str:
        """One sentence: accuracy, the ratio of speeds before and after, and how far layer 1 got."""
        first, now = factor(self.log_ratios[0]), factor(self.log_ratios[-1])
        when = "at the end" if self.epochs == self.total else "by now"
        return (
            f"{self.word}: {self.accuracy:.0%} of the test digits after {self.epochs} epochs; "
            f"layer {self.depth} learned {first} times as fast as layer 1 at the start, {now} "
            f"times {when}; layer 1 has moved by {percent(self.moved[-1, 0])} of its length."
        )


@result
class OnePath(Training):
    """A training of a net with one neuron in each hidden layer."""

    @property
    def ordered_speed(self) -> int:
        """In how many records every layer's bias gradient exceeds the one of the layer before."""
        return _ordered(self.log_speed)

    @property
    def ordered_delta(self) -> int:
        """In how many records every layer's delta exceeds the delta of the layer before."""
        return _ordered(self.log_delta)

    @property
    def verdict(self) -> str:
        """One sentence: the ratio at the start, and how often the order 1 < 2 < 3 < 4 is seen."""
        seen = count(len(self.recorded), "epoch")
        return (
            f"at the start layer 4 learns {factor(self.log_ratios[0])} times as fast as layer 1; "
            f"the order 1 < 2 < 3 < 4 holds at {self.ordered_speed} of {seen} "
            f"in ‖∂L/∂b‖ and at {self.ordered_delta} in ‖∂L/∂z‖; test accuracy {self.accuracy:.0%}."
        )


def _ordered(rising: Array) -> int:
    return int((np.diff(rising) > 0).all(1).sum())


def training(
    depth: int = 4,
    width: int = 30,
    loss: str = "quadratic",
    lr: float = 0.5,
    weight_scale: float = 1.0,
    epochs: int = 20,
    seed: int = 0,
    probe_size: int = 300,
    record_every: int = 1,
) -> Iterator[Training]:
    """Train the chapter's net on standardised digits, and yield what was seen so far.

    That is at the start, every `record_every` epochs and at the end; speeds and spread are those of
    the first `probe_size` training images.
    """
    data, net = digits(), _net(depth, width, loss, weight_scale, seed)
    matrices = net.matrices(net.theta)[:-1]
    start = [matrix[:, :-1].copy() for matrix in matrices]
    probe = net.rows(data.x_train[:probe_size].numpy()), data.y_train[:probe_size].numpy()
    test, labels = net.rows(data.x_test.numpy()), data.y_test.numpy()
    records = []

    def record(epoch: int) -> Training:
        accuracy = (net.forward(test).units[-1].argmax(0) == labels).mean()
        net(*probe)
        deltas, units = net.seen.deltas[:-1], net.seen.units[:-1]
        pairs = zip(matrices, start, strict=True)
        moved = [norm(matrix[:, :-1] - first) / norm(first) for matrix, first in pairs]
        speed, delta = [log_norm(d.sum(1)) for d in deltas], [log_norm(d) for d in deltas]
        spread = [h.std(1).mean() for h in units]
        records.append((epoch, accuracy, speed, delta, moved, spread))
        columns = map(np.array, zip(*records, strict=True))
        return Training(depth, width, loss, lr, weight_scale, epochs, *columns)

    yield record(0)
    for epoch in descend(net, data, lr=lr, epochs=epochs, seed=seed):
        if epoch % record_every == 0 or epoch == epochs:
            yield record(epoch)


train = at_its_end(training)


def _net(depth: int, width: int, loss: str, weight_scale: float = 1.0, seed: int = 0) -> Flat:
    if loss not in LOSSES:
        raise ValueError(f"There is no loss called {loss!r}; choose from {', '.join(LOSSES)}.")
    return Flat(sigmoid_net(depth, width, weight_scale, seed), LOSSES[loss])


def walking_one_path(
    weight_scale: float = 1.0, lr: float = 0.5, epochs: int = 60, seed: int = 0
) -> Iterator[OnePath]:
    """Train four hidden layers of one sigmoid neuron each, quadratic loss."""
    runs = training(4, 1, "quadratic", lr, weight_scale, epochs, seed, probe_size=1000)
    return (OnePath(**vars(run)) for run in runs)


one_path = at_its_end(walking_one_path)


def score(trainings: Sequence[Training]) -> str:
    """List what was registered: the setting, the ratio at the start, and what became of it."""
    lines = [
        f"{t.loss}, lr {t.lr:.3g}, scale {t.weight_scale:.3g}, {t.depth} layers: ratio at the "
        f"start {factor(t.log_ratios[0])}, accuracy {t.accuracy:.0%}"
        for t in trainings
    ]
    return f"{len(lines)} registered. " + "; ".join(lines) + "."


def best_accuracy(depth: int, weight_scale: float, seed: int) -> float:
    """Return the best test accuracy over five step sizes from 0.5 to 100, 40 epochs each."""
    rates = (0.5, 5.0, 20.0, 50.0, 100.0)
    return max(
        train(depth, 30, "quadratic", r, weight_scale, 40, seed, record_every=40).accuracy
        for r in rates
    )


def gradient_from_step(lr: float, seed: int) -> Array:
    """Return (W - W after one full-batch step) / lr of layer 1, flattened: the gradient there."""
    data, net = digits(), _net(4, 30, "quadratic", seed=seed)
    before = net.matrices(net.theta.copy())[0]
    last(descend(net, data, lr=lr, epochs=1, batch=len(data.x_train), seed=seed))
    return (before - net.matrices(net.theta)[0])[:, :-1].ravel() / lr


def factor_per_iteration(weight_scale: float, seed: int) -> float:
    """Return the geometric mean factor of ||dL/db_1|| from one iteration to the next, 2880 of them.

    Four hidden layers of 30, quadratic loss, lr 0.5, batch 10, 20 epochs of 144 iterations.
    """
    speed = train(weight_scale=weight_scale, seed=seed, record_every=20).log_speed[:, 0]
    return float(np.exp((speed[-1] - speed[0]) / 2880))
