"""A training of a `Net` on digits by one of four rules, watched from step to step."""

from collections.abc import Callable, Iterator
from functools import partial
from math import nan

import numpy as np

from vglib import learn
from vglib.backprop import Labels
from vglib.checks import one_of
from vglib.data import digits
from vglib.other_remedies.net import Array, Net
from vglib.results import result

EPS = 1e-8
OPTIMISERS = tuple(learn.RULES)
BATCH = 64
# Images of each digit in a balanced batch.
OF_EACH = 6
CHANCE = 0.1
# How often a training is probed, and how often what there is by then is handed out.
LOOKS, PARTS = 8, 10


def images() -> tuple[Array, Labels]:
    """Return the training images, (n, 64), standardised, and their labels."""
    data = digits()
    return data.x_train.numpy(), data.y_train.numpy()


def rule(name: str, eps: float = EPS) -> learn.Rule:
    """Return a rule of `learn.RULES`, RMSprop's and Adam's with an eps of its own.

    Raises ValueError for another name.
    """
    one_of("optimiser", name, OPTIMISERS)
    guarded = {"RMSprop": partial(learn.rmsprop, eps=eps), "Adam": partial(learn.adam, eps=eps)}
    return guarded.get(name, learn.RULES[name])


@result
class Course:
    """What a training has shown: loss, gradient norm and step size at each step, accuracy by now.

    `losses`, `norms`, `lrs`: (steps,), nan from the step on that was not taken, or not yet.
    `probes`: (LOOKS,) what `probe(net)` gave once `looks` steps were taken, nan where they are not.
    `broke`: whether the loss left the number type, which ended the training.
    """

    losses: Array
    norms: Array
    lrs: Array
    accuracy: float
    broke: bool
    looks: Array
    probes: Array

    @property
    def taken(self) -> int:
        """The number of steps taken."""
        return int(np.isfinite(self.losses).sum())

    @property
    def probed(self) -> Array:
        """The probes that have been taken."""
        return self.probes[self.looks <= self.taken]

    @property
    def done(self) -> bool:
        """Whether the training has come to its end."""
        return self.broke or self.taken == len(self.losses)


def descending(
    net: Net,
    optimiser: str,
    lr: float,
    steps: int,
    *,
    schedule: Callable[[int], float] = lambda step: 1.0,
    eps: float = EPS,
    seed: int = 0,
    probe: Callable[[Net], float] = lambda net: nan,
    balanced: bool = False,
) -> Iterator[Course]:
    """Train a net in place on digits, with step size lr schedule(step), step = 0, 1, ...

    In batches of BATCH, or `balanced` ones with OF_EACH images of each digit. What there is by then
    is yielded after each tenth of it.
    """
    (x, y), data, generator = images(), digits(), np.random.default_rng(seed)
    looks = np.linspace(0, steps - 1, LOOKS).astype(int)
    losses, norms, lrs = seen = np.full((3, steps), nan)
    probes = np.full(LOOKS, nan)
    probes[0] = probe(net)
    broke = False

    def so_far() -> Course:
        with np.errstate(all="ignore"):
            output = net.forward(data.x_test.numpy())[-1]
        lost = broke or not bool(np.isfinite(output).all())
        accuracy = CHANCE if lost else float((output.argmax(1) == data.y_test.numpy()).mean())
        return Course(losses, norms, lrs, accuracy, lost, looks.astype(float), probes.copy())

    of_digit = [np.flatnonzero(y == digit) for digit in range(10)]

    def batch() -> tuple[Array, Labels]:
        if balanced:
            rows = np.concatenate([generator.choice(of, OF_EACH) for of in of_digit])
        else:
            rows = generator.integers(0, len(x), BATCH)
        return x[rows], y[rows]

    batches, make = (batch() for _ in range(steps)), rule(optimiser, eps)
    for step in net.descend(batches, lr=lambda taken: lr * schedule(taken), rule=make):
        if broke := bool(step.why):
            break
        seen[:, step.taken - 1] = step.loss, step.norm, step.lr
        if step.taken in looks:
            probes[looks == step.taken] = probe(net)
        if step.taken % (steps // PARTS) == 0 and step.taken < steps:
            yield so_far()
    yield so_far()
