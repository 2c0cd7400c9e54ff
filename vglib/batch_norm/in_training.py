"""Norms in training: which of them rescue deep nets, and what small batches do to batch norm."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.batch_norm.layers import deep_net, descend, generator, training
from vglib.batch_norm.normed_net import NAMES
from vglib.data import digits
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.training import History
from vglib.words import count, power_of_ten

# Added to the pixels of test images, and the index of the one that the verdict names.
SHIFTS, SHIFT_NAMED = np.linspace(0.0, 2.0, 9), 4
BREAK_RECORDS = (0, 5, 10, 20, 40, 80)


@result
class Rescue:
    """A deep net in training with one kind of norm; `history` has its start as first record.

    `steps` is the length of the training.
    """

    kind: str
    activation: str
    depth: int
    steps: int
    history: History

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end."""
        return float(self.history.test_accuracy[-1])

    @property
    def log_delta(self) -> Array:
        """ln ||dL/dz_l|| of the hidden layers at the start, z_l = W_l h_(l-1); (depth,)."""
        return self.history.log_delta[0, : self.depth]

    @property
    def verdict(self) -> str:
        """One sentence: does it learn, and what layer 1 got at the start."""
        taken = int(self.history.steps[-1])
        word = "learns" if self.accuracy > 0.6 else "begins" if self.accuracy > 0.3 else "stuck"
        if taken < self.steps and not self.history.stopped:
            word = "so far"
        share = power_of_ten(float(self.log_delta[0] - self.log_delta[-1]))
        return (
            f"{word}: {count(self.depth, 'layer')} of {self.activation}, {NAMES[self.kind]}, "
            f"{self.accuracy:.0%} of the test images after {taken} steps; at the start layer 1 got "
            f"{share} times the last layer's gradient."
        )


@kept(64)
def rescuing(
    kind: str = "none",
    activation: str = "sigmoid",
    depth: int = 20,
    lr: float = 0.2,
    seed: int = 0,
    *,
    steps: int = 60,
    width: int = 40,
    records: int = 4,
) -> Iterator[Rescue]:
    """Train a deep net on digits, as `training` does. Yields what there is so far."""
    net, every = deep_net(kind, activation, depth, width, seed), steps // records
    for now in training(net, digits(), lr=lr, steps=steps, record_at=every, seed=seed):
        yield Rescue(kind, activation, depth, steps, now.history())


rescue = at_its_end(rescuing)


@result
class Breaking:
    """Test accuracy by running averages and by the batch's own, over the steps and over a shift.

    `steps`, `running`, `own`: (n_records,) so far; `shifted_running`, `shifted_own`: (9,), the test
    images with a number added to every standardised pixel, nan before the end.
    """

    batch: int
    steps: Array
    running: Array
    own: Array
    shifted_running: Array
    shifted_own: Array

    @property
    def verdict(self) -> str:
        """One sentence: the two modes at the end, and under the largest shift."""
        now = (
            f"trained on batches of {self.batch}: {self.running[-1]:.0%} with running averages "
            f"and {self.own[-1]:.0%} with those of test batches of {self.batch}"
        )
        if self.steps[-1] < BREAK_RECORDS[-1]:
            return f"{now}, so far, after {int(self.steps[-1])} steps."
        return (
            f"{now}; after {int(self.steps[1])} steps the two were {self.running[1]:.0%} and "
            f"{self.own[1]:.0%}; with {SHIFTS[SHIFT_NAMED]:g} added to every pixel they are "
            f"{self.shifted_running[SHIFT_NAMED]:.0%} and {self.shifted_own[SHIFT_NAMED]:.0%}."
        )


@torch.no_grad()
def accuracy(net: nn.Sequential, x: Tensor, y: Tensor, batch: int | None = None) -> Array:
    """Return the test accuracy in evaluation, or with the statistics of test batches of a size.

    `x: (versions, n, n_in)`, `y: (n,)`; one accuracy a version, over as many whole batches as fit.
    """
    n = len(y) if batch is None else len(y) // batch * batch
    h = x[:, :n].reshape(-1, x.shape[-1])
    for part in net.eval():
        if batch and isinstance(part, nn.BatchNorm1d):
            # All batches at once, by the norm that takes each image's own mean and spread.
            z = h.reshape(-1, batch, h.shape[1]).transpose(1, 2)
            u = F.instance_norm(z, weight=part.weight, bias=part.bias, eps=part.eps)
            h = u.transpose(1, 2).reshape(h.shape)
        else:
            h = part(h)
    right = h.argmax(1).reshape(len(x), n) == y[:n]
    return right.double().mean(1).numpy()


@kept(64)
def breaking(batch: int, lr: float = 0.1, kind: str = "batch", seed: int = 0) -> Iterator[Breaking]:
    """Train 64-50-50-10 ReLUs with a norm on digits, 80 steps of SGD, and test it in both modes."""
    data, net = digits(), deep_net(kind, "relu", 2, 50, seed)
    random, n = generator(seed), len(data.x_train)
    # Small batches make many passes: a part of the test set will do.
    part = batch * 60
    both: list[tuple[float, float]] = []
    for step in range(BREAK_RECORDS[-1] + 1):
        if step:
            rows = torch.randint(n, (batch,), generator=random)
            descend(net.train(), data.x_train[rows], data.y_train[rows], lr)
        if step in BREAK_RECORDS:
            end = step == BREAK_RECORDS[-1]
            x = data.x_test + torch.from_numpy(SHIFTS if end else SHIFTS[:1])[:, None, None]
            whole = accuracy(net, x, data.y_test)
            parts = accuracy(net, x[:, :part], data.y_test[:part], batch)
            both.append((whole[0], parts[0]))
            shifted = (whole, parts) if end else np.full((2, len(SHIFTS)), np.nan)
            taken = np.array(BREAK_RECORDS[: len(both)], float)
            yield Breaking(batch, taken, *np.array(both).T, *shifted)


broken = at_its_end(breaking)
