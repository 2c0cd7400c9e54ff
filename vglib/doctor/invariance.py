"""What must not change: an example's answer with another's input, the past with the future."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vglib.doctor.as_found import same_dice
from vglib.doctor.look import eagerly
from vglib.doctor.operators import Observer
from vglib.doctor.patient import Patient, mapped, tensors
from vglib.doctor.rules import Finding, finding

# A relative difference that is no rounding.
CHANGED = 1e-4
# What takes one dimension for another; through all else examples may well meet on purpose.
_RESHAPES = ("view", "reshape", "flatten")
_SLIPS = (*_RESHAPES, "lstm", "gru", "rnn_tanh", "rnn_relu")
_SLIPS_OF_ATTENTION = ("scaled_dot_product_attention", "bmm", "baddbmm")


def examples_mix(patient: Patient) -> Finding | None:
    """Change one example and see whether another's output changes, in evaluation mode."""
    shapes = _shapes(patient)
    if shapes is None:
        return None
    rows, batch_dims = shapes
    mixing = []
    for dim in batch_dims:
        which = _mixed(patient, dim, rows[dim])
        if which is None:
            return None
        mixing.append(which)
    if not mixing:
        return None
    operation = mixing[0]
    said = "in evaluation mode the output of one example changes when another example does"
    seen = f"{said}; {operation} is the first operation to mix them."
    place = operation.partition(" at ")[2]
    name = operation.partition(" at ")[0]
    if name not in (*_SLIPS, *_SLIPS_OF_ATTENTION):
        return None
    return finding("examples-mix", seen, place, operation=name)


def _shapes(patient: Patient) -> tuple[dict[int, int], list[int]] | None:
    """Return the sizes that inputs, target and output share in their first dimensions."""
    if patient.forward is not None or isinstance(patient.batch, Mapping):
        return None
    target = patient.batch[-1]
    inputs = patient.inputs
    if not isinstance(target, Tensor) or not inputs or target.dim() == 0:
        return None
    output = next(tensors(_quietly(patient, patient.batch)[0]), None)
    if output is None or output.dim() == 0:
        return None
    rows: dict[int, int] = {}
    for dim in range(2):
        parts = [*inputs, target, output]
        if any(t.dim() <= dim for t in parts):
            break
        sizes = {t.shape[dim] for t in parts}
        if len(sizes) == 1 and (size := sizes.pop()) > 1:
            rows[dim] = size
        if dim == 0 and target.dim() == 1:
            break
    # A row of a table, or a sequence alone, may be a member of a set or a moment in time.
    if 0 not in rows or not any(t.dim() > 3 or (t.dim() == 3 and t.shape[1] > 1) for t in inputs):
        return None
    return rows, sorted(rows)


def _mixed(patient: Patient, dim: int, rows: int) -> str | None:
    """Return the first operation that mixes examples along a dimension; None where none does."""
    batch = mapped(list(patient.batch[:-1]), lambda t: _swapped(t, dim, 0, rows // 2))
    other = (*batch, patient.batch[-1])
    one, two = _quietly(patient, patient.batch), _quietly(patient, other)
    outputs = [next(tensors(o[0]), None) for o in (one, two)]
    if any(o is None or o.dim() <= dim for o in outputs):
        return None
    if not _differ(*(o.narrow(dim, 1, rows - 1) for o in outputs)):  # type: ignore[union-attr]
        return None
    for (name, place, a), (_, _, b) in zip(one[1], two[1], strict=False):
        if a.dim() > dim and a.shape == b.shape and a.shape[dim] == rows:
            if _differ(a.narrow(dim, 1, rows - 1), b.narrow(dim, 1, rows - 1)):
                return f"{name} at {place}" if place else name
        elif a.shape != b.shape:
            break
        elif dim == 0 and a.dim() and a.shape[0] != rows and name in _RESHAPES:
            return f"{name} at {place}" if place else name
    return "forward"


def _swapped(tensor: Tensor, dim: int, one: int, other: int) -> Tensor:
    if tensor.dim() <= dim or tensor.shape[dim] <= max(one, other):
        return tensor
    made = tensor.detach().clone()
    made.select(dim, one).copy_(tensor.detach().select(dim, other))
    return made


def _differ(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or not one.numel():
        return False
    if not (one.is_floating_point() or one.is_complex()):
        return bool((one != other).any())
    scale = float(one.abs().double().mean()) + 1e-12
    away = float((one - other).abs().double().max())
    return away > CHANGED * scale


class _Recorder(Observer):
    """An observer that keeps what each operation gave: for a few rows alone."""

    def __init__(self, patient: Patient) -> None:
        super().__init__(patient.model, patient.inputs, measure=False)
        self.kept: list[tuple[str, str, Tensor]] = []

    def note(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        super().note(name, args, kwargs, result)
        for tensor in tensors(result):
            if self.origin(tensor).inputs:
                self.kept.append((name, self.place(), tensor.detach()))


def _quietly(patient: Patient, batch: Any) -> tuple[Any, list[tuple[str, str, Tensor]]]:
    """Run forward in evaluation mode, and return the output and what each operation gave."""
    changed = replace(patient, batch=batch)
    recorder = _Recorder(changed)
    quiet = (evaluating(patient.model), torch.no_grad(), eagerly(), same_dice())
    with ExitStack() as stack:
        for context in (*quiet, recorder.placed(follow=True)):
            stack.enter_context(context)
        output = changed.output()
    return output, recorder.kept


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode and each module back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def causal_leak(patient: Patient) -> Finding | None:
    """Where each target is the next input, change a later input and look at earlier outputs."""
    found = _next_tokens(patient)
    name, config = type(patient.model).__name__, getattr(patient.model, "config", None)
    causal = "CausalLM" in name or "LMHead" in name or getattr(config, "is_decoder", False)
    # With labels equal to inputs only a model that shifts them itself is asked for the next.
    if found is None or (isinstance(patient.batch, Mapping) and not causal):
        return None
    inputs, time = found
    length = inputs.shape[time]
    cut = length // 2

    def later(tensor: Tensor) -> Tensor:
        if tensor.shape != inputs.shape or not torch.equal(tensor, inputs):
            return tensor
        made = tensor.detach().clone()
        part = made.narrow(time, cut, length - cut)
        part.copy_(part.roll(1, dims=0 if time else 1) if made.dim() > 1 else part.flip(0))
        if torch.equal(made, tensor):
            part.copy_(part.flip(time))
        return made

    output = next(tensors(_quietly(patient, patient.batch)[0]), None)
    changed = next(tensors(_quietly(patient, mapped(patient.batch, later))[0]), None)
    if output is None or changed is None or output.dim() <= time or output.shape[time] < cut:
        return None
    if output.shape[time] != length or not _differ(
        output.narrow(time, 0, cut), changed.narrow(time, 0, cut)
    ):
        return None
    said = (
        f"the targets are the next inputs, and outputs before place {cut} change with those after"
    )
    return finding("causal-leak", f"{said}.", number=cut, bound=cut)


def _next_tokens(patient: Patient) -> tuple[Tensor, int] | None:
    """Return a sequence whose target is itself one place on, and the dimension of time."""
    batch = patient.batch
    if isinstance(batch, Mapping):
        inputs, target = batch.get("input_ids"), batch.get("labels")
        if isinstance(inputs, Tensor) and isinstance(target, Tensor) and inputs.dim() == 2:
            same = inputs.shape == target.shape and torch.equal(inputs, target)
            return (inputs, 1) if same and inputs.shape[1] >= 4 else None
        return None
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        return None
    inputs, target = batch[0], batch[-1]
    if not isinstance(inputs, Tensor) or not isinstance(target, Tensor):
        return None
    for time in (1, 0):
        if inputs.shape != target.shape or inputs.dim() <= time or inputs.shape[time] < 4:
            continue
        n = inputs.shape[time]
        if inputs.dim() < 2 or min(inputs.shape[:2]) < 2:
            continue
        shifted = torch.equal(inputs.narrow(time, 1, n - 1), target.narrow(time, 0, n - 1))
        if shifted and not torch.equal(inputs, target):
            return inputs, time
    return None


def symmetric(first: nn.Module, last: nn.Module, calls: list[Any]) -> Finding | None:
    """Name a hidden layer whose units were equal at the start and still are after training.

    `first`, `last`: the model before and after; a layer of one unit, or the last one, is none.
    """
    before, after = dict(first.named_parameters()), dict(last.named_parameters())
    hidden = {name for call in calls[:-1] for name in call.parameters}
    for name, parameter in before.items():
        if name not in hidden or parameter.dim() < 2 or len(parameter) < 2:
            continue
        if not parameter.is_floating_point() or not parameter.requires_grad:
            continue
        trained = after[name].detach()
        if torch.equal(trained, parameter) and bool(parameter.any()):
            continue  # nobody trains it
        if _equal_rows(parameter.detach()) and _equal_rows(trained):
            n = len(parameter)
            said = f"all {n} rows of {name} are equal, and after a short training still are"
            place = name.rpartition(".")[0] or name
            return finding("symmetry", f"{said}.", place, parameter=name, number=n, bound=1)
    return None


def _equal_rows(weight: Tensor) -> bool:
    rows = weight.flatten(1).double()
    scale = float(rows.abs().max())
    return float((rows - rows[0]).abs().max()) <= 1e-6 * scale


def ignores_input(patient: Patient) -> bool:
    """Whether the output is the same, bit by bit, when every input is another."""
    if patient.forward is not None or isinstance(patient.batch, Mapping):
        return False
    batch = mapped(list(patient.batch[:-1]), _other)
    if all(torch.equal(a, b) for a, b in zip(patient.inputs, tensors(batch), strict=True)):
        return False
    one = _quietly(patient, patient.batch)[0]
    two = _quietly(patient, (*batch, patient.batch[-1]))[0]
    pairs = list(zip(tensors(one), tensors(two), strict=False))
    return bool(pairs) and all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def _other(tensor: Tensor) -> Tensor:
    """Return other inputs of the same kind: the rows in another order, floats doubled."""
    made = tensor.detach().flip(0) if tensor.dim() else tensor.detach()
    return 2 * made + made.std() if made.is_floating_point() and made.numel() > 1 else made
