"""Where a number was lost: the first operation with finite inputs and an output that is not."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vglib.doctor.operators import Observer
from vglib.doctor.patient import Patient, tensors
from vglib.doctor.rules import Finding, finding

# What puts infinity somewhere on purpose, as a mask does.
_FILLS = (
    "masked_fill",
    "masked_fill_",
    "full",
    "full_like",
    "fill_",
    "where",
    "triu",
    "__setitem__",
)
REPAIRS = {
    "log": "x = torch.log(x + eps)",
    "sqrt": "x = x.add(eps).sqrt()  # its slope at 0 is infinite",
    "rsqrt": "x = x.add(eps).rsqrt()",
    "norm": "n = (x * x).sum(-1).add(eps).sqrt()  # the norm's slope at 0 is 0 / 0",
    "linalg_vector_norm": "n = (x * x).sum(-1).add(eps).sqrt()",
    "div": "y = a / (b + eps)",
    "std": "s = x.var(0, unbiased=False).add(eps).sqrt()",
    "exp": "y = torch.exp(x - x.max())",
    "pow": "y = (x + eps) ** p",
    "softmax": "# a row whose keys are all masked has no softmax: let each see itself at least",
}
_ALIASES = {"truediv": "div", "true_divide": "div", "divide": "div", "vector_norm": "norm"}


@dataclass(frozen=True)
class _Event:
    operation: str
    place: str
    line: str


class _FiniteWatch:
    """Remembers the first operation after which a nan, and after which an infinity, is there."""

    def __init__(self) -> None:
        self.nan: _Event | None = None
        self.inf: _Event | None = None
        self.nodes: dict[Any, _Event] = {}


class _OriginObserver(Observer):
    """An observer that also asks of each operation whether it lost a number."""

    def __init__(self, patient: Patient) -> None:
        super().__init__(patient.model, patient.inputs, measure=False)
        self.seen = _FiniteWatch()

    def note(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        super().note(name, args, kwargs, result)
        made = [t for t in tensors(result) if t.is_floating_point() or t.is_complex()]
        if not made:
            return
        given = list(tensors((args, tuple(kwargs.values()))))
        event = _Event(plain(name), self.place(), _line())
        for tensor in made:
            if tensor.grad_fn is not None:
                self.seen.nodes.setdefault(tensor.grad_fn, event)
        if self.seen.nan is None and _any(torch.isnan, made) and not _any(torch.isnan, given):
            self.seen.nan = event
        lost = _any(torch.isinf, made) and not _any(torch.isinf, given)
        if self.seen.inf is None and lost and name not in _FILLS and not _any(torch.isnan, given):
            self.seen.inf = event


def plain(name: str) -> str:
    """Return an operation's name without what says how it was called."""
    bare = name.strip("_").removeprefix("linalg_")
    return _ALIASES.get(bare, bare)


def origin(patient: Patient) -> Finding | None:
    """Run forward and backward again and name the operation where the first number was lost."""
    observer = _OriginObserver(patient)
    with torch.inference_mode(False), torch.enable_grad(), observer.placed():
        with observer:
            output = patient.output()
            observer.phase = "loss"
            loss = patient.loss(output)
        seen = observer.seen
        # An infinity that led to a nan came first; one that did not is the answer itself.
        event = seen.inf or seen.nan
        if event is not None and not bool(torch.isfinite(loss)):
            return _finding(event, "forward")
        event = _backward_origin(loss, seen.nodes)
    return None if event is None else _finding(event, "backward")


def _backward_origin(loss: Tensor, nodes: dict[Any, _Event]) -> _Event | None:
    """Go backward and find the first operation that makes of finite gradients others."""
    found: list[_Event] = []
    handles = []
    todo, known = [loss.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in known:
            continue
        known.add(node)
        todo += [following for following, _ in node.next_functions]

        def hook(made: Any, given: Any, node: Any = node) -> None:
            gave = [t for t in given if t is not None]
            got = [t for t in made if t is not None]
            if not found and _lost(got) and not _lost(gave):
                name = plain(type(node).__name__.removesuffix("0").removesuffix("Backward").lower())
                known_event = nodes.get(node)
                found.append(known_event or _Event(name, "", ""))

        handles.append(node.register_hook(hook))
    try:
        loss.backward()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _lost(values: list[Tensor]) -> bool:
    return _any(lambda t: ~torch.isfinite(t), values)


@torch.no_grad()
def _any(test: Any, values: list[Tensor]) -> bool:
    floats = [t for t in values if t.is_floating_point() or t.is_complex()]
    return any(bool(test(t.detach()).any()) for t in floats if t.numel())


def _finding(event: _Event, way: str) -> Finding:
    where = f", in {event.line}" if event.line else ""
    said = f"{event.operation} has finite inputs and makes of them what is not finite"
    if way == "backward":
        said = f"going backward, {event.operation} makes of a finite gradient one that is not"
    repair = REPAIRS.get(event.operation, f"# keep the numbers small before {event.operation}")
    place = event.place or event.operation
    return finding("not-finite-here", f"{said}{where}.", place, repair=repair)


def _line() -> str:
    """Return the line of the user's own code that is running."""
    for frame in reversed(traceback.extract_stack(limit=40)):
        path = Path(frame.filename)
        inside = {"torch", "vglib"} & set(path.parts)
        if not inside or "tests" in path.parts:
            if path.parent.name == "doctor" and "vglib" in path.parts:
                continue
            return f"{path.name}:{frame.lineno}: {frame.line}" if frame.line else ""
    return ""
