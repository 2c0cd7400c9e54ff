"""Trainings whose weights live in a number format: rounded, rounded by chance, or with a master."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from vglib.attention.precision import FORMATS, held, stochastic
from vglib.checks import one_of, require
from vglib.data import digits
from vglib.learn import adam
from vglib.networks import mlp
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.training import batches
from vglib.weather import one_thread
from vglib.words import number, percent

HOMES = ("float32", "nearest", "stochastic", "master copy")
STEPS, _LOOK, _ROWS = 80, 10, 64


@result
class LowTraining:
    """The training of one net with its weights kept in four ways, `taken` steps in.

    `losses[home]: (STEPS / 10 + 1,)` on the training digits, every ten steps, nan where nothing is
    yet; `accuracy[home]`: of the test digits, by now.
    """

    form: str
    lr: float
    taken: int
    steps: Array
    losses: Mapping[str, Array]
    accuracy: Mapping[str, float]

    @property
    def verdict(self) -> str:
        """One sentence: what each way comes to."""
        at = self.taken // _LOOK
        ends = ", ".join(
            f"{home} {number(float(self.losses[home][at]))} ({percent(self.accuracy[home])})"
            for home in self.losses
        )
        so_far = "" if self.taken == STEPS else "so far, "
        where = f"{so_far}{self.form}, Adam at a rate of {self.lr:.2g}"
        return f"{where}: loss (test accuracy) after {self.taken} steps: {ends}."


class _Net:
    """A net that computes with rounded weights; what the optimiser moves is kept apart."""

    def __init__(self, form: str, home: str, lr: float, seed: int) -> None:
        self.form, self.home = form, home
        self.net = mlp(2, 32, activation="relu", init="he", seed=seed, dtype=torch.float32)
        self.weights = list(self.net.parameters())
        # All weights lie in one vector each, so that a step is one operation, not six.
        self.stored = parameters_to_vector(self.weights).detach().clone()
        self.used = self.stored.clone()
        vector_to_parameters(self.used, self.weights)
        self.lr, self.rule = lr, adam()
        self.generator = torch.Generator().manual_seed(seed)
        self._round()

    def step(self, x: Tensor, y: Tensor) -> None:
        loss = F.cross_entropy(self.net(x), y)
        gradient = parameters_to_vector(torch.autograd.grad(loss, self.weights))
        self.stored -= torch.from_numpy(self.rule(gradient.numpy(), self.lr))
        self._round()

    @torch.no_grad()
    def _round(self) -> None:
        if self.home == "stochastic":
            self.stored.copy_(stochastic(self.stored, self.form, self.generator))
        elif self.home == "nearest":
            self.stored.copy_(held(self.stored, self.form))
        master = self.home == "master copy"
        self.used.copy_(held(self.stored, self.form) if master else self.stored)


@kept(32)
def low_training(
    form: str = "E4M3", lr: float = 1e-3, seed: int = 0, *, homes: Sequence[str] = HOMES
) -> Iterator[LowTraining]:
    """Train a net of two hidden layers of 32 ReLUs on digits, its weights kept in four ways.

    He's weights, zero biases, cross-entropy, Adam in float32, batches of 64. `float32` rounds
    nothing; `nearest` and `stochastic` round what is stored after each step; `master copy` stores
    float32 and computes with the rounded copy; `homes` says which of them are wanted. Yields what
    there is every ten steps.
    Raises ValueError for a format that is none, or a rate that is not positive and finite.
    """
    one_of("format", form, FORMATS)
    require("lr", lr, 0 < lr < np.inf, "a positive finite number")
    data = digits(torch.float32)
    nets = {home: _Net(form, home, lr, seed) for home in homes}
    losses = {home: np.full(STEPS // _LOOK + 1, np.nan) for home in homes}

    @torch.no_grad()
    def look(taken: int) -> LowTraining:
        accuracy = {}
        for home, one in nets.items():
            loss = F.cross_entropy(one.net(data.x_train), data.y_train)
            losses[home][taken // _LOOK] = float(loss)
            named = one.net(data.x_test).argmax(1)
            accuracy[home] = float((named == data.y_test).double().mean())
        seen = {home: line.copy() for home, line in losses.items()}
        return LowTraining(form, lr, taken, np.arange(0.0, STEPS + 1, _LOOK), seen, accuracy)

    with one_thread():
        first = look(0)
    yield first
    for taken, rows in enumerate(batches(len(data.x_train), _ROWS, STEPS, seed), start=1):
        with one_thread():
            for one in nets.values():
                one.step(data.x_train[rows], data.y_train[rows])
            now = look(taken) if taken % _LOOK == 0 else None
        if now:
            yield now


trained = at_its_end(low_training)
