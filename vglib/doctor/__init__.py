"""The doctor: looks into any `nn.Module` and says what is wrong, by which number, and the cure."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from vglib.checks import require
from vglib.doctor.by_layer import in_time
from vglib.doctor.diagnosis import examined
from vglib.doctor.examination import Examination
from vglib.doctor.gradients import GradientCheck, check_gradients, plot_gradient_flow
from vglib.doctor.patient import accepted
from vglib.doctor.report import Broken, Layer, Report, Seen
from vglib.doctor.rules import RULES, Finding
from vglib.doctor.watching import Watch, watch

__all__ = [
    "RULES",
    "Broken",
    "Finding",
    "GradientCheck",
    "Layer",
    "Report",
    "Seen",
    "Watch",
    "assert_healthy",
    "check_gradients",
    "examine",
    "plot_gradient_flow",
    "watch",
]


def examine(
    model: nn.Module,
    loss_fn: Callable[..., Any] | None,
    batch: Any,
    *,
    forward: Callable[[nn.Module, Any], Any] | None = None,
    optimizer: Optimizer | None = None,
    step: Callable[[nn.Module, Optimizer, Any], Any] | None = None,
    budget: float = 10.0,
) -> Report:
    """Examine a network on one batch and return what is wrong with it.

    Three passes: one forward and backward of the model itself; 20 steps of a copy on at most 64
    rows with the owner's optimiser; and, where that raises a suspicion, an experiment that must
    improve. The model, its optimiser, torch's, NumPy's and Python's random states are left as they
    were, and so are schedules, averages and networks that `step`, `forward` or `loss_fn` close
    over; what they write elsewhere (a counter, a file) they write.

    - `batch`: (x, y), or any nest of tensors with `forward(model, batch)`; the loss is then
      loss_fn(output, batch), else loss_fn(output, y). A mapping is given as model(**batch), and
      where `loss_fn` is None the output's own `loss` is taken.
    - `optimizer`: the owner's, with its rates; a copy of it steps.
    - `step(model, optimizer, batch)`: one step of the owner's training, on what it is given. The
      only way to see a forgotten zero_grad, a clipping that always acts, the order of the calls.
    - `budget`: seconds; what did not fit is in `not_checked`.

    Raises ValueError, in one sentence, for what cannot be seen (TorchScript, the meta device,
    quantised and lazy layers) and for arguments of a wrong kind. An error of the model's own code
    comes out as it is.
    """
    seconds = isinstance(budget, int | float) and budget > 0
    require("budget", budget, seconds, "a number of seconds above 0")
    patient = accepted(model, loss_fn, batch, forward, optimizer, step)
    return _report(examined(patient, budget))


def assert_healthy(model: nn.Module, loss_fn: Any, batch: Any, **options: Any) -> Report:
    """Examine a network in a test: raise `Broken` where anything beyond a note is found."""
    report = examine(model, loss_fn, batch, **options)
    report.raise_if_broken(likely=True)
    return report


def _report(exam: Examination) -> Report:
    nan = float("nan")
    seen, course = exam.seen, exam.course
    close = course.first if course is not None and course.first is not None else None
    known = [call.known for call in close.calls] if close is not None else []
    ratios = course.ratios if course is not None else {}
    sizes = {name: p.dim() for name, p in exam.patient.model.named_parameters()}
    layers = []
    for call in seen.calls:
        matrices = [name for name in call.parameters if sizes.get(name, 0) >= 2] or [""]
        one = matrices[0]
        details = known[call.index] if call.index < len(known) else {}
        layers.append(
            Layer(
                name=call.place or one,
                operation=call.operation,
                signal=call.signal,
                delta=nan if call.delta is None else call.delta,
                gradient=seen.gradients.get(one, nan),
                weight=seen.weights.get(one, nan),
                ratio=ratios.get(one, nan),
                chi=details.get("chi", nan),
                dead=details.get("dead", nan),
                saturated=details.get("saturated", nan),
            )
        )
    times = []
    for call in close.calls if close is not None else []:
        profile = in_time(close, call)  # type: ignore[arg-type]
        if profile is not None:
            times.append((call.place, tuple(map(float, profile))))
    return Report(
        findings=tuple(exam.findings),
        seen=_seen(exam),
        not_checked=tuple(dict.fromkeys(exam.not_checked)),
        layers=tuple(layers),
        losses=tuple(zip(course.at, course.losses, strict=False)) if course is not None else (),
        in_time=tuple(times),
        loss=seen.loss,
        best_constant=exam.constant,
        seconds=exam.clock.spent,
    )


def _seen(exam: Examination) -> Seen:
    matrices = [n for n, p in exam.patient.model.named_parameters() if p.dim() >= 2]
    used = exam.seen.used | set(exam.seen.gradients)
    reason = "the forward pass does not use it"
    if not exam.seen.ended or not exam.seen.calls:
        reason = "the forward pass could not go on to it"
    missing = tuple((name, reason) for name in matrices if name not in used)
    return Seen(len(matrices) - len(missing), len(matrices), missing)
