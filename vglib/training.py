"""Train a network, and keep what every layer's signal and gradient looked like on the way."""

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import chain, count, islice
from math import ceil, isfinite, nan
from typing import Literal, NamedTuple, ParamSpec, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vglib import backprop
from vglib.checks import require, whole
from vglib.data import Dataset
from vglib.networks import MLP
from vglib.probe import Loss, Trace, trace
from vglib.results import last, result

Array = NDArray[np.float64]
P = ParamSpec("P")
RecordAt = Literal["epochs"] | int | Sequence[int]
MakeOptimizer = Callable[[list[nn.Parameter], float], torch.optim.Optimizer]
Optimizer = Literal["sgd"] | MakeOptimizer
BeforeStep = Callable[[nn.Module], object] | None


@result
class History:
    """What a training showed: one record before it, one at each step asked for, one at its end.

    `steps`, `losses`, `train_accuracy`, `test_accuracy` are (n_records,); `losses` and
    `train_accuracy` are those of the probe batch, and an accuracy is nan where there are no labels
    to compare with. `traces` holds a `Trace` of the probe batch for each record. `stopped` says in
    a sentence why the training ended early; None if it did not.
    """

    steps: NDArray[np.int64]
    losses: Array
    train_accuracy: Array
    test_accuracy: Array
    traces: tuple[Trace, ...]
    stopped: str | None = None

    @property
    def log_delta(self) -> Array:
        """ln ||dL/dZ_l|| at each record; shape (n_records, n_layers)."""
        return np.stack([t.log_delta for t in self.traces])


def fitting(
    network: nn.Module,
    data: Dataset,
    *,
    loss: Loss,
    lr: float,
    batch: int = 10,
    epochs: int | None = None,
    steps: int | None = None,
    optimizer: Optimizer = "sgd",
    record_at: RecordAt = "epochs",
    probe_size: int = 1000,
    seed: int = 0,
    before_step: BeforeStep = None,
) -> Iterator["Training"]:
    """Train a network in place, on batches in random order, and record its layers on the way.

    The inputs may have any shape; the targets are labels, or floating-point numbers in the shape
    that the loss wants. A test set may be empty.
    The length is `epochs` or `steps`, exactly one of them. An epoch goes through all the training
    data; its last batch may be smaller. "sgd" is W <- W - lr dL/dW; anything else is called as
    `optimizer(parameters, lr)`, so `torch.optim.Adam` will do. A record is made at step 0, at the
    end, and after every epoch, every `record_at` steps, or at the steps listed; it measures the
    first `probe_size` rows of the training data with `trace`, in the network's own mode, and the
    accuracies in evaluation mode, and leaves buffers and torch's random state as they were.
    `before_step(network)` is called when the gradients are there and the step is not yet taken:
    the place for clipping. `seed` sets the order of the batches. Inputs are cast to the network's
    number type.

    `fit` takes the same arguments and returns the `History`; `fitting` yields the `Training` at its
    start, at each record and at its end, the same each time, further on.

    The training stops at the first loss that is not finite, and at Ctrl-C; `History.stopped` says
    so. Raises ValueError where an argument is out of range or the network has no layer to measure.
    """
    require("lr", lr, isfinite(lr) and lr > 0, "a positive finite number")
    for name, number in (("batch", batch), ("probe_size", probe_size)):
        require(name, number, whole(number, 1), "a whole number from 1 on")
    require("seed", seed, whole(seed, 0), "a whole number from 0 on")
    x, y = _cast(data.x_train, network), _cast(data.y_train, network)
    if not len(x) or len(x) != len(y):
        said = f"There are {len(x)} training inputs and {len(y)} targets"
        raise ValueError(f"{said}; give as many of both.")
    per_epoch = ceil(len(x) / batch)
    if (epochs is None) == (steps is None):
        said = "The length of the training is not clear"
        raise ValueError(f"{said}; give epochs or steps, one of them.")
    for name, length in (("epochs", epochs), ("steps", steps)):
        require(name, length, length is None or whole(length, 1), "a whole number from 1 on")
    total = steps or (epochs or 0) * per_epoch
    wanted = _wanted(record_at, per_epoch, total)
    if not any(p.requires_grad for p in network.parameters()):
        raise ValueError("The network has no parameter to train; unfreeze one.")
    training = Training(network, data, loss, probe_size)
    training.record()
    yield training

    step, end = _stepper(training, x, y, lr, optimizer, before_step)
    try:
        for rows in batches(len(x), batch, total, seed):
            value = step(rows)
            if not isfinite(value):
                training.broke(x[rows], y[rows], value)
                break
            training.step += 1
            if training.step in wanted:
                training.record()
                if training.step < total:
                    yield training
        training.record()
    except KeyboardInterrupt:
        training.stopped = f"The training was interrupted after step {training.step}."
    finally:
        end()
    yield training


def _to_the_end(watched: Callable[P, Iterator["Training"]]) -> Callable[P, History]:
    @wraps(watched)
    def train(*arguments: P.args, **options: P.kwargs) -> History:
        return last(watched(*arguments, **options)).history()

    return train


fit = _to_the_end(fitting)


class _Record(NamedTuple):
    step: int
    train_accuracy: float
    test_accuracy: float
    trace: Trace


class Training:
    """A training under way: `step` steps are taken; `history()` is what it has shown so far."""

    def __init__(self, network: nn.Module, data: Dataset, loss: Loss, probe_size: int) -> None:
        self.network, self.loss = network, loss
        self.step = 0
        self.stopped: str | None = None
        self.probe = _cast(data.x_train[:probe_size], network), data.y_train[:probe_size]
        self.test = _cast(data.x_test, network), data.y_test
        self.records: list[_Record] = []

    def record(self) -> None:
        """Measure the network as it is now, unless that is done."""
        if self.records and self.records[-1].step == self.step:
            return
        with _undisturbed(self.network):
            seen = trace(self.network, self.probe[0], _cast(self.probe[1], self.network), self.loss)
        # Not within the same: a trace moves batch norm's running averages.
        with _undisturbed(self.network):
            self.network.eval()
            train, test = (_accuracy(self.network, *pair) for pair in (self.probe, self.test))
        self.records.append(_Record(self.step, train, test, seen))

    def broke(self, x: Tensor, y: Tensor, value: float) -> None:
        """Note that the loss of this batch is not finite, and where that came from."""
        with _undisturbed(self.network):
            seen = trace(self.network, x, y, self.loss)
        sizes = zip(seen.names, seen.weight_norm, strict=True)
        broken = [name for name, size in sizes if not isfinite(size)]
        where = "the signal and the weights of every layer are still finite"
        if seen.overflow_layer is not None:
            name = seen.names[seen.overflow_layer - 1]
            where = f"layer {name} is the first whose pre-activation is not finite"
        elif broken:
            where = f"layer {broken[0]} is the first whose weights are not finite"
        self.stopped = f"The loss was {value} after step {self.step}: {where}."

    def history(self) -> History:
        """Return what the records show so far."""
        made, train, test, traces = zip(*self.records, strict=True)
        losses = np.array([seen.loss for seen in traces])
        accuracies = np.array(train), np.array(test)
        return History(np.array(made), losses, *accuracies, traces, self.stopped)


@contextmanager
def _undisturbed(network: nn.Module) -> Iterator[None]:
    """Put modes, buffers (batch norm's running averages) and torch's random state back."""
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for buffer, value in buffers:
                buffer.copy_(value)


@torch.no_grad()
def _accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    if not len(x) or y.is_floating_point():
        return nan
    output = network(x)
    classes = output.dim() == 2 and output.shape[1] > 1
    return float((output.argmax(1) == y).double().mean()) if classes else nan


def _cast(tensor: Tensor, network: nn.Module) -> Tensor:
    kinds = (p.dtype for p in network.parameters() if p.is_floating_point())
    return tensor.to(next(kinds, tensor.dtype)) if tensor.is_floating_point() else tensor


def batches(n: int, batch: int, total: int, seed: int) -> Iterator[Tensor]:
    """Yield the row numbers of `total` batches, a new permutation of all rows for each epoch."""
    generator = torch.Generator().manual_seed(int(seed))
    orders = (torch.randperm(n, generator=generator) for _ in count())
    return islice(chain.from_iterable(order.split(batch) for order in orders), total)


def _stepper(
    now: Training, x: Tensor, y: Tensor, lr: float, optimizer: Optimizer, before_step: BeforeStep
) -> tuple[Callable[[Tensor], float], Callable[[], None]]:
    """Return a function that takes a step on a batch's rows and gives its loss, and one to end."""
    if not callable(optimizer):
        known = "'sgd' or a function of (parameters, lr)"
        require("optimizer", optimizer, optimizer == "sgd", known)
    network, loss = now.network, now.loss
    parameters = [p for p in network.parameters() if p.requires_grad]
    # Whoever looks at gradients before a step may keep them, and `Flat` writes on its own anew.
    if before_step is None and backprop.written_out(network, x, y, loss):
        flat = backprop.Flat(cast(MLP, network), loss, apart=callable(optimizer))
        inputs, labels = flat.rows(x.numpy()), y.numpy()
        end = flat.release

        def gradients(rows: Tensor) -> float:
            return flat(inputs[rows.numpy()], labels[rows.numpy()])

        def descend() -> None:
            flat.theta -= lr * flat.gradient

    else:
        end = network.zero_grad

        def gradients(rows: Tensor) -> float:
            # `network.zero_grad` looks for the parameters anew at each step.
            for parameter in parameters:
                parameter.grad = None
            value = loss(network(x[rows]), y[rows])
            if isfinite(number := value.item()):
                value.backward()
            return number

        @torch.no_grad()
        def descend() -> None:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=-lr)

    update = optimizer(parameters, lr).step if callable(optimizer) else descend

    def step(rows: Tensor) -> float:
        value = gradients(rows)
        # No step is taken where the loss broke.
        if isfinite(value):
            if before_step is not None:
                before_step(network)
            update()
        return value

    return step, end


def _wanted(record_at: RecordAt, per_epoch: int, total: int) -> Container[int]:
    every = per_epoch if isinstance(record_at, str) and record_at == "epochs" else record_at
    if isinstance(every, int) and every >= 1:
        return range(every, total + 1, every)
    steps = frozenset([-1])
    if isinstance(record_at, Sequence | np.ndarray) and not isinstance(record_at, str):
        steps = frozenset(record_at)
    known = all(whole(step, 0) and step <= total for step in steps)
    allowed = f"'epochs', a number of steps, or a list of steps from 0 to {total}"
    require("record_at", record_at, known, allowed)
    return steps
