"""Pass B: a short training of a copy, with the owner's optimiser, and what changed in it."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from vglib.doctor.as_found import same_dice
from vglib.doctor.closer import CloserObserver
from vglib.doctor.look import Look, eagerly, look
from vglib.doctor.operators import as_number, rms
from vglib.doctor.patient import Patient, rows_of

STEPS = 20
ROWS = 64


class Clock:
    """The seconds that an examination may take."""

    def __init__(self, budget: float) -> None:
        self.start, self.budget = time.perf_counter(), budget

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.budget - (time.perf_counter() - self.start)

    @property
    def spent(self) -> float:
        """Seconds that have gone."""
        return time.perf_counter() - self.start


@dataclass(eq=False)
class Course:
    """How a short training went.

    `at`: the steps after which `losses` were measured, on the same rows and with the same dice;
    `first`, `last`: a closer look before and after; `ratios`: for each parameter the length of the
    first real step over its own, ||dp|| / ||p||; `norms`: the gradient's length at each step;
    `lost`: of each float16 matrix the share of its gradient that is 0 at the first. `whole`: no
    clock cut it short.
    """

    at: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    norms: list[float] = field(default_factory=list)
    lost: dict[str, float] = field(default_factory=dict)
    first: Look | None = None
    last: Look | None = None
    patient: Patient | None = None
    whole: bool = True

    @property
    def start(self) -> float:
        """The loss before the first step."""
        return self.losses[0] if self.losses else float("nan")

    @property
    def end(self) -> float:
        """The loss at the end: of the last two measured the mean, nan where one is not finite."""
        return sum(self.losses[-2:]) / 2 if len(self.losses) > 1 else float("nan")

    @property
    def fall(self) -> float:
        """The share of the starting loss that is gone at the end; below 0 where it rose, or nan."""
        return (self.start - self.end) / max(abs(self.start), 1e-300)


def prepared(patient: Patient, rows: int | None = ROWS, factor: float = 1.0) -> Patient:
    """Return a copy to be trained on a few rows (all for None), its rates times `factor`.

    Without an optimizer Adam at 1e-3 stands in.
    """
    copied = patient.copied(rows)
    optimizer = copied.optimizer
    if optimizer is None:
        trained = [p for p in copied.model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=1e-3) if trained else None
        copied = replace(copied, optimizer=optimizer)
    if optimizer is not None and factor != 1:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor
    return copied


def closer(patient: Patient) -> Look:
    """Take a closer look at a copy as it stands: pass A with a `CloserObserver`."""
    observer = CloserObserver(patient.model, patient.inputs, rows=rows_of(patient.batch))
    with same_dice():
        seen = look(patient, observer=observer)
    seen.entropies = observer.entropies
    return seen


def train(
    patient: Patient,
    clock: Clock,
    steps: int = STEPS,
    *,
    looks: bool = False,
    share: float = 1.0,
) -> Course:
    """Train a copy and measure its loss along the way, until the clock's `share` is gone."""
    course = Course(patient=patient)
    if looks:
        course.first = closer(patient)
    checks = {0, 1, 2, 5, steps // 2, steps - 1, steps}
    least = clock.left * (1 - share)
    before = _copies(patient) if looks else {}
    handle = _following(patient, course) if looks else None
    with eagerly(), torch.inference_mode(False), torch.enable_grad(), same_dice():
        for step in range(steps + 1):
            if step in checks:
                course.at.append(step)
                course.losses.append(_value(patient))
                if not torch.isfinite(torch.tensor(course.losses[-1])) and step > 1:
                    course.losses.append(float("nan"))
                    break
            if step == steps:
                break
            if clock.left <= least and step > 2:
                course.whole = False
                course.at.append(step)
                course.losses.append(_value(patient))
                break
            patient.train_step()
            if step == 0 and looks:
                course.ratios = _ratios(patient, before)
    if handle is not None:
        handle.remove()
    if looks:
        course.last = closer(patient)
    return course


def _following(patient: Patient, course: Course) -> Any:
    """Note the gradients with which the optimiser steps."""
    named = dict(patient.model.named_parameters())

    @torch.no_grad()
    def note(*_: Any) -> None:
        grads = [p.grad for p in named.values() if p.grad is not None]
        course.norms.append(sum(as_number(rms(g)) ** 2 * g.numel() for g in grads) ** 0.5)
        if len(course.norms) == 1:
            for name, parameter in named.items():
                grad = parameter.grad
                if grad is not None and grad.dtype == torch.float16 and grad.dim() >= 2:
                    course.lost[name] = float((grad == 0).float().mean())

    return patient.optimizer.register_step_pre_hook(note) if patient.optimizer else None


def _value(patient: Patient) -> float:
    with same_dice(1):
        buffers = {name: b.detach().clone() for name, b in patient.model.named_buffers()}
        value = patient.value() if not _needs_graph(patient) else _value_with_graph(patient)
        with torch.no_grad():
            for name, buffer in patient.model.named_buffers():
                if name in buffers and buffer.shape == buffers[name].shape:
                    buffer.copy_(buffers[name])
    return value


def _needs_graph(patient: Patient) -> bool:
    """Whether the loss takes gradients itself, as a gradient penalty does."""
    return patient.forward is not None


def _value_with_graph(patient: Patient) -> float:
    return float(patient.loss(patient.output()).detach())


def _named(patient: Patient) -> list[tuple[str, Tensor]]:
    return [(n, p.detach()) for n, p in patient.model.named_parameters()]


def _copies(patient: Patient) -> dict[str, Tensor]:
    return {name: parameter.clone() for name, parameter in _named(patient)}


@torch.no_grad()
def _ratios(patient: Patient, before: dict[str, Tensor]) -> dict[str, float]:
    found = {}
    for name, parameter in _named(patient):
        size = float(before[name].double().norm()) if parameter.is_floating_point() else 0.0
        if parameter.is_floating_point() and not torch.equal(parameter, before[name]):
            moved = float((parameter - before[name]).double().norm())
            # A matrix that starts at 0, as LoRA's, moves by more than all of itself.
            if size > 0 or parameter.dim() >= 2:
                found[name] = moved / size if size > 0 else float("inf")
        elif size > 0:
            found[name] = 0.0
    return found


def rates(optimizer: Optimizer) -> list[float]:
    """Return the learning rates of an optimiser's groups."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def hyper(optimizer: Any, name: str, default: float = 0.0) -> float:
    """Return the largest of a hyperparameter over an optimiser's groups."""
    values = [group.get(name) for group in optimizer.param_groups]
    return max((float(v) for v in values if isinstance(v, int | float)), default=default)
