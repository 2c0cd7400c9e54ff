"""Pass A: one forward and one backward pass, and what can be seen in them without any threshold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from vglib.doctor.losses import LossWatch, Unfit
from vglib.doctor.operators import Call, Observer, as_number, rms
from vglib.doctor.patient import Patient
from vglib.doctor.rules import Finding


@dataclass(eq=False)
class Look:
    """What one forward and one backward pass showed.

    `gradients`: root mean square of the loss's gradient by each parameter that got one;
    `weights`: that of each parameter; `used`: the names of parameters that went into an operation;
    `entropies`: that of each attention over ln T, where a closer look took it.
    """

    calls: list[Call] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    gradients: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    loss: float = float("nan")
    loss_shape: tuple[int, ...] = ()
    has_graph: bool = True
    output: Any = None
    cuts: dict[int, str] = field(default_factory=dict)
    cut_reaches_loss: bool = False
    left_torch: tuple[str, ...] = ()
    strangers: tuple[tuple[str, Tensor], ...] = ()
    found: list[Finding] = field(default_factory=list)
    loss_watch: LossWatch = field(default_factory=LossWatch)
    ended: bool = True
    entropies: list[tuple[str, float]] = field(default_factory=list)

    @property
    def finite(self) -> bool:
        """Whether loss and gradients are finite."""
        values = [self.loss, *self.gradients.values()]
        return bool(torch.isfinite(torch.tensor(values, dtype=torch.float64)).all())


def look(patient: Patient, *, backward: bool = True, observer: Observer | None = None) -> Look:
    """Run forward and backward once, and return what was seen; the gradients are not kept.

    A fault that keeps torch from going on is in `found`, and then `ended` is False.
    """
    model = patient.model
    watch = LossWatch()
    observer = observer or Observer(model, patient.inputs)
    observer.watchers.append(watch)
    seen = Look(loss_watch=watch)
    try:
        with torch.inference_mode(False), torch.enable_grad(), eagerly(), observer.placed():
            with observer:
                output = patient.output()
                observer.phase = "loss"
                raw = patient.raw_loss(output)
            seen.output = output
            if isinstance(raw, Tensor):
                seen.loss_shape = tuple(raw.shape)
                seen.cut_reaches_loss = observer.origin(raw).cut
            value = _one_number(raw)
            seen.has_graph = value.requires_grad
            seen.loss = float(value.detach())
            if backward and seen.has_graph:
                with _measured(model, seen.gradients):
                    value.backward()
    except Unfit as unfit:
        seen.found.append(unfit.finding)
        seen.ended = False
    seen.found += watch.found
    seen.calls = [_settled(call) for call in observer.calls]
    seen.used = observer.used
    seen.cuts = observer.cuts
    seen.left_torch = tuple(dict.fromkeys(name for name, _ in observer.left_torch))
    seen.strangers = tuple(observer.strangers.values())
    seen.gradients = {name: as_number(value) for name, value in seen.gradients.items()}
    seen.weights = {name: as_number(rms(p)) for name, p in model.named_parameters()}
    return seen


def _one_number(raw: Any) -> Tensor:
    if isinstance(raw, Tensor):
        return raw.mean() if raw.dim() else raw
    if isinstance(raw, float | int):
        return torch.tensor(float(raw))
    said = f"loss_fn gave {type(raw).__name__}"
    raise ValueError(f"{said}; it must return a tensor that backward() can start from.")


def _settled(call: Call) -> Call:
    call.signal = as_number(call.signal)
    call.delta = None if call.delta is None else as_number(call.delta)
    return call


@contextmanager
def eagerly() -> Iterator[None]:
    """Let modules that were compiled inside run as they are written."""
    stance = getattr(torch.compiler, "set_stance", None)
    if stance is None:
        yield
        return
    with stance("force_eager"):
        yield


@contextmanager
def _measured(model: nn.Module, into: dict[str, Any]) -> Iterator[None]:
    """Measure each parameter's gradient when it is there, and let go of it at once."""

    def measure(name: str) -> Any:
        def hook(parameter: Tensor) -> None:
            if parameter.grad is None:
                return
            size = rms(parameter.grad)
            if name in into:
                size = (into[name] ** 2 + size**2) ** 0.5
            into[name] = size
            parameter.grad = None

        return hook

    handles = [
        parameter.register_post_accumulate_grad_hook(measure(name))
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.is_leaf
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
