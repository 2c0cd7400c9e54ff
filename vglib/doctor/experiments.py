"""Pass C: an experiment for each suspicion. A copy gets the cure and is trained as before."""

import types
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from vglib.doctor.as_found import same_dice
from vglib.doctor.course import ROWS, STEPS, Clock, Course, prepared, train
from vglib.doctor.look import Look
from vglib.doctor.patient import Patient, mapped, tensors
from vglib.doctor.steps import Dropout

Change = Callable[[Patient], Patient]
RATES = (1.0, 0.1, 10.0)
# What only needs another rate is not sick in its weights.
MANY_RATES = (*RATES, 100.0)
# A change works where it takes away this share of the loss.
WORKS = 0.15


def gain(course: Course, constant: float | None, start: float | None = None) -> float:
    """Return the share of the loss that a training took away, of what a constant leaves of it.

    1 - end / min(start, constant); below 0 where it ends higher, -inf where it ends in nan. For a
    loss that can be negative it is (start - end) / abs(start).
    """
    first = course.start if start is None else start
    if not isfinite(course.end):
        return float("-inf")
    if not isfinite(first):
        first = constant if constant is not None else abs(course.end)
    if first <= 0 or course.end < 0:
        return (first - course.end) / max(abs(first), 1e-12)
    base = first if constant is None or constant <= 0 else min(first, constant)
    return 1 - course.end / max(base, 1e-300)


class Trials:
    """Trainings of copies under changes, each made once."""

    def __init__(
        self,
        patient: Patient,
        base: Course,
        clock: Clock,
        constant: float | None,
        rows: int | None = ROWS,
    ) -> None:
        self.patient, self.base, self.clock, self.constant = patient, base, clock, constant
        self.rows = rows
        self.left_out: list[str] = []
        self.made: dict[tuple[str, float, int], Course] = {("", 1.0, STEPS): base}

    def run(
        self, name: str = "", change: Change | None = None, factor: float = 1.0, steps: int = STEPS
    ) -> Course | None:
        """Train a copy under a change; None where the time is up or the change cannot be made."""
        key = (name, factor, steps)
        if key in self.made:
            return self.made[key]
        if self.clock.left <= 0.05 * self.clock.budget:
            self.left_out.append(name or f"rate x {factor:g}")
            return None
        try:
            with same_dice(3):
                copied = prepared(self.patient, self.rows, factor)
                changed = copied if change is None else change(copied)
            course = train(changed, self.clock, steps, share=0.5)
        except Exception:  # a cure that does not fit this model is no cure for it
            return None
        if not course.whole:
            self.left_out.append(name or f"rate x {factor:g}")
            return None
        self.made[key] = course
        return course

    def gain(self, course: Course | None, constant: float | None = None) -> float:
        """Return a training's gain; -inf where it was not made."""
        if course is None:
            return float("-inf")
        return gain(course, self.constant if constant is None else constant, self.base.start)

    def best(
        self,
        name: str = "",
        change: Change | None = None,
        constant: float | None = None,
        factors: tuple[float, ...] = RATES,
        patience: int = 1,
    ) -> float:
        """Return the best gain of several rates under a change; the first good one is enough.

        Where none is good, it is tried once more with `patience` times the steps.
        """
        best = float("-inf")
        for factor in factors:
            best = max(best, self.gain(self.run(name, change, factor), constant))
            if best > 0.5:
                break
        if patience > 1 and best < WORKS:
            best = max(best, self.gain(self.run(name, change, 1.0, patience * STEPS), constant))
        return best


# The cures


def scaled_inputs(patient: Patient) -> Patient:
    """Standardise the inputs, feature by feature, over examples (and places)."""
    return replace(patient, batch=_with_inputs(patient, standardised))


def scaled_targets(patient: Patient) -> Patient:
    """Standardise the targets."""
    batch = patient.batch
    if isinstance(batch, Mapping) or patient.forward is not None:
        raise ValueError("Which of the batch is the target cannot be told.")
    return replace(patient, batch=(*batch[:-1], mapped(batch[-1], standardised)))


def scaled_both(patient: Patient) -> Patient:
    """Standardise inputs and targets."""
    return scaled_targets(scaled_inputs(patient))


def standardised(tensor: Tensor) -> Tensor:
    """Return (x - mean) / std by feature: the last dimension of rows, the channel of pictures."""
    if not tensor.is_floating_point() or tensor.numel() < 2:
        return tensor
    dims = [d for d in range(tensor.dim()) if d != (1 if tensor.dim() == 4 else tensor.dim() - 1)]
    x = tensor.detach().double()
    if tensor.dim() < 2 or not dims:
        out = (x - x.mean()) / (x.std() + 1e-12)
    else:
        # A feature that hardly moves is not blown up.
        spread = x.std(dim=dims, keepdim=True)
        floor = 1e-3 * spread.max() + 1e-12
        out = (x - x.mean(dim=dims, keepdim=True)) / spread.clamp_min(float(floor))
    return out.to(tensor.dtype).requires_grad_(tensor.requires_grad)


def _with_inputs(patient: Patient, change: Callable[[Tensor], Tensor]) -> Any:
    batch = patient.batch
    if isinstance(batch, Mapping) or patient.forward is not None:
        raise ValueError("Which of the batch is the input cannot be told.")
    return (*mapped(list(batch[:-1]), change), batch[-1])


def mean_loss(patient: Patient) -> Patient:
    """Divide a summed loss by the number of targets."""
    if patient.step is not None:
        raise ValueError("The loss is taken inside of step.")
    owner = patient.loss_fn
    count = max((t.numel() for t in tensors(_target(patient))), default=1)
    assert owner is not None
    return replace(patient, loss_fn=lambda *given: owner(*given) / count)


def _target(patient: Patient) -> Any:
    if isinstance(patient.batch, Mapping) or patient.forward is not None:
        return patient.batch
    return patient.batch[-1]


def with_setting(**settings: float) -> Change:
    """Change hyperparameters of the optimiser."""

    def change(patient: Patient) -> Patient:
        assert patient.optimizer is not None
        for group in patient.optimizer.param_groups:
            group.update({k: v for k, v in settings.items() if k in group})
        return patient

    return change


def less_dropout(patient: Patient) -> Patient:
    """Let every dropout take a fifth."""
    for module in patient.model.modules():
        if isinstance(module, Dropout):
            module.p = min(module.p, 0.2)
    return patient


def in_float32(patient: Patient) -> Patient:
    """Train in float32 what is in float16."""
    model = patient.model.float()
    batch = mapped(patient.batch, lambda t: t.float() if t.dtype == torch.float16 else t)
    return replace(patient, model=model, batch=batch)


def initialised(seen: Look, *, only: frozenset[str] | None = None) -> Change:
    """Draw the weights anew where signal and gradient keep their size, biases 0.

    sigma_w^2 = 1 / E phi'^2 for the nonlinearity behind the layer (2 after ReLU, 1 elsewhere),
    variance sigma_w^2 / fan_in; a recurrent matrix orthogonal; norms, embeddings and matrices that
    start at 0 as they are. `only` are the parameters to draw, all if None.
    """

    def change(patient: Patient) -> Patient:
        parameters = dict(patient.model.named_parameters())
        generator = torch.Generator().manual_seed(0)
        for call in seen.calls:
            if call.operation in ("embedding", "embedding_bag"):
                continue
            for name in call.parameters:
                parameter = parameters.get(name)
                if parameter is None or (only is not None and name not in only):
                    continue
                _draw(parameter.data, _gain(call.activation), generator)
        for name, parameter in parameters.items():
            bias = parameter.dim() == 1 and name.rpartition(".")[2].startswith("bias")
            if bias and parameter.requires_grad:
                parameter.data.zero_()
        return patient

    return change


def _gain(activation: str) -> float:
    if activation in ("relu", "leaky_relu", "elu", "gelu", "silu", "relu6", "mish", "celu"):
        return sqrt(2.0)
    return 1.0


@torch.no_grad()
def _draw(weight: Tensor, scale: float, generator: torch.Generator) -> None:
    if weight.dim() < 2 or not weight.is_floating_point() or not bool(weight.any()):
        return
    rows, columns = weight.shape[0], weight[0].numel()
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    # Packed gates: a block for each, square where it is recurrent.
    if weight.dim() == 2 and columns > 1 and rows % columns == 0 and rows > columns:
        blocks = drawn.view(-1, columns, columns)
        drawn = torch.linalg.qr(blocks)[0].reshape(rows, columns)
        scale = 1.0
    else:
        drawn /= sqrt(columns)
    weight.copy_(scale * drawn)


class _Swapped(TorchFunctionMode):
    """Takes one nonlinearity for another while a network runs."""

    def __init__(self, names: tuple[str, ...], other: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.names, self.other = names, other

    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let a call through, or call the other in its place."""
        name = getattr(func, "__name__", "").rstrip("_")
        if name in self.names and not (
            isinstance(func, types.FunctionType) and func.__module__ != F.__name__
        ):
            return self.other(args[0])
        return func(*args, **(kwargs or {}))


class _Cooled(TorchFunctionMode):
    """Divides an attention's logits by their spread, where that is above 1."""

    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let a call through; a softmax over keys, or an attention, with cooler logits."""
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name == "scaled_dot_product_attention" and len(args) >= 2:
            scale = kwargs.get("scale") or args[0].shape[-1] ** -0.5
            with torch.no_grad():
                hot = float((args[0] @ args[1].transpose(-2, -1) * scale).std())
            args = (args[0] / max(hot, 1.0), *args[1:])
        elif name == "softmax" and isinstance(args[0], Tensor) and args[0].dim() >= 3:
            finite = args[0].detach()[torch.isfinite(args[0].detach())]
            hot = float(finite.std()) if finite.numel() > 1 else 1.0
            args = (args[0] / max(hot, 1.0), *args[1:])
        return func(*args, **kwargs)


def cooler_attention(patient: Patient) -> Patient:
    """Divide the logits of every attention by their spread."""
    return _run_inside(patient, _Cooled)


def _run_inside(patient: Patient, mode: Callable[[], TorchFunctionMode]) -> Patient:
    """Let the network run forward in a mode that changes some of its operations."""
    if patient.step is not None:
        raise ValueError("The forward pass is run inside of step.")

    def forward(model: nn.Module, batch: Any) -> Any:
        with mode():
            return replace(patient, model=model, batch=batch).output()

    def loss(output: Any, batch: Any) -> Any:
        return replace(patient, batch=batch).raw_loss(output)

    return replace(patient, forward=forward, loss_fn=loss)


def relu_inside(seen: Look) -> Change:
    """Take ReLU for every sigmoid or tanh between two layers, with weights that fit it."""
    last = len(seen.calls) - 1
    inner = {c.activation for c in seen.calls if c.index != last}
    names = tuple(sorted(inner & {"sigmoid", "tanh", "softsign", "hardsigmoid"}))

    def change(patient: Patient) -> Patient:
        if not names or seen.calls[last].activation in names:
            raise ValueError("There is no inner nonlinearity to swap.")
        drawn = initialised(_as_relu(seen, names))(patient)
        return _run_inside(drawn, lambda: _Swapped(names, F.relu))

    return change


def _as_relu(seen: Look, names: tuple[str, ...]) -> Look:
    calls = [replace(c, activation="relu") if c.activation in names else c for c in seen.calls]
    return replace(seen, calls=calls)
