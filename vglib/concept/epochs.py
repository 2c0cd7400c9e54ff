"""Learning speed of each hidden layer over the epochs of a training."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from types import MappingProxyType

import numpy as np
import torch

from vglib.backprop import Flat
from vglib.checks import one_of, require, whole
from vglib.concept.speed import sigmoid_net
from vglib.data import Dataset, digits
from vglib.learn import RULES, Rule, plain
from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.probe import Array, Loss
from vglib.results import at_its_end, kept, result
from vglib.scaled import log_norm, norm
from vglib.words import count, factor, percent

LOSSES: Mapping[str, Loss] = MappingProxyType(
    {"quadratic": quadratic, "cross-entropy": nielsen_cross_entropy}
)


@result
class Training:
    """A training on standardised digits, batches of 10, as far as it has come.

    `recorded` are the epochs of the records, (records,), `total` the epochs asked for, and
    `test_accuracy` is (records,). For the hidden layers, each (records, depth): `log_speed` is
    ln ||dL/db_l||, `log_delta` ln ||dL/dz_l||, `moved` ||W_l - W_l at the start|| / ||W_l at the
    start||, and `spread` that of h_l over the data.
    """

    depth: int
    width: int
    loss: str
    optimiser: str
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
    def accuracy(self) -> float:
        """Share of test digits named rightly by now."""
        return float(self.test_accuracy[-1])

    @property
    def log_ratios(self) -> Array:
        """ln of the last hidden layer's speed over the first one's at each record, (records,)."""
        # Where no gradient is left in any layer there is no ratio.
        with np.errstate(invalid="ignore"):
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
        ended = self.recorded[-1] == self.total
        return "stuck" if self.accuracy < 0.2 and ended else "under way"

    @property
    def verdict(self) -> str:
        """One sentence: accuracy, the ratio of speeds before and after, and how far layer 1 got."""
        first, done = factor(self.log_ratios[0]), self.recorded[-1]
        when = "at the end" if done == self.total else "by now"
        now = f"{factor(self.log_ratios[-1])} times {when}"
        if np.isneginf(self.log_speed[-1, 0]):
            now = f"and {when} no gradient is left in layer 1"
        return (
            f"{self.word}: {self.accuracy:.0%} of the test digits after {done} epochs; "
            f"layer {self.depth} learned {first} times as fast as layer 1 at the start, {now}; "
            f"layer 1 has moved by {percent(self.moved[-1, 0])} of its length."
        )


@result
class OnePath(Training):
    """A training of a net with one neuron in each hidden layer."""

    @property
    def ordered_speed(self) -> int:
        """In how many records every layer's bias gradient exceeds the one of the layer before."""
        return int((np.diff(self.log_speed) > 0).all(1).sum())

    @property
    def ordered_delta(self) -> int:
        """In how many records every layer's delta exceeds the delta of the layer before."""
        return int((np.diff(self.log_delta) > 0).all(1).sum())

    @property
    def verdict(self) -> str:
        """One sentence: the ratio at the start, and how often the order 1 < 2 < 3 < 4 is seen."""
        seen = count(len(self.recorded), "epoch")
        return (
            f"at the start layer 4 learns {factor(self.log_ratios[0])} times as fast as layer 1; "
            f"the order 1 < 2 < 3 < 4 holds at {self.ordered_speed} of {seen} "
            f"in ‖∂L/∂b‖ and at {self.ordered_delta} in ‖∂L/∂z‖; test accuracy {self.accuracy:.0%}."
        )


@kept(32)
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
    optimiser: str = "SGD",
) -> Iterator[Training]:
    """Train the chapter's net on standardised digits, and yield what was seen so far.

    `optimiser` is one of `vglib.learn.RULES`. The records are of the start, of every `record_every`
    epochs and of the end; speeds and spread are those of the first `probe_size` training images.
    """
    one_of("optimiser", optimiser, RULES)
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
        return Training(depth, width, loss, optimiser, lr, weight_scale, epochs, *columns)

    yield record(0)
    rule = RULES[optimiser]
    for epoch in descend(net, data, lr=lr, epochs=epochs, seed=seed, rule=rule):
        if epoch % record_every == 0 or epoch == epochs:
            yield record(epoch)


train = at_its_end(training)


def descend(
    net: Flat,
    data: Dataset,
    *,
    lr: float,
    epochs: int,
    batch: int = 10,
    seed: int = 0,
    rule: Rule = plain,
) -> Iterator[int]:
    """Train with the steps of a rule, and yield the number of each epoch at its end.

    Without another rule it is plain SGD. The batches are those of `vglib.training.fit` with the
    same seed, and so are the weights up to rounding; what `fit` asks and records at each step would
    take longer than a step of so small a net. Raises ValueError for lr that is not positive and
    finite, or epochs or batch below 1.
    """
    require("lr", lr, isfinite(lr) and lr > 0, "a positive finite number")
    for name, number in (("epochs", epochs), ("batch", batch)):
        require(name, number, whole(number, 1), "a whole number from 1 on")
    x, y = net.rows(data.x_train.numpy()), data.y_train.numpy()
    generator, update = torch.Generator().manual_seed(seed), rule()
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(x), generator=generator).numpy()
        images, labels = x[order], y[order]
        for first in range(0, len(x), batch):
            net(images[first : first + batch], labels[first : first + batch])
            net.theta -= update(net.gradient, lr)
        yield epoch


def _net(depth: int, width: int, loss: str, weight_scale: float = 1.0, seed: int = 0) -> Flat:
    one_of("loss", loss, LOSSES)
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
    lines = "; ".join(
        f"{t.loss}, {t.optimiser}, lr {t.lr:.3g}, scale {t.weight_scale:.3g}, {t.depth} layers: "
        f"ratio at the start {factor(t.log_ratios[0])}, accuracy {t.accuracy:.0%}"
        for t in trainings
    )
    return f"{len(trainings)} registered. {lines}."


def later_factor(seed: int) -> float:
    """Return the factor of ||dL/db_1|| over the epochs 2 to 20, iterations 288 to 2880.

    Four hidden layers of 30, quadratic loss, lr 0.5, batch 10.
    """
    speed = train(seed=seed, record_every=2).log_speed[:, 0]
    return float(np.exp(speed[-1] - speed[1]))


def factor_of_training(seed: int, lr: float) -> float:
    """Return ||dL/dz_1|| after five epochs over that at the start; two hidden layers of 30."""
    log_delta = train(2, lr=lr, epochs=5, record_every=5, seed=seed).log_delta[:, 0]
    return float(np.exp(log_delta[-1] - log_delta[0]))
