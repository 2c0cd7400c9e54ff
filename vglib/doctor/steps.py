"""The owner's own training step, watched: what it moves, and which gradient it moves along."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from vglib.doctor.as_found import same_dice
from vglib.doctor.look import eagerly
from vglib.doctor.patient import Patient
from vglib.doctor.rules import Finding, finding

# Calls of the owner's step: enough for an accumulation over several batches.
CALLS = 16


@dataclass(eq=False)
class Watched:
    """What happened while the owner's step was called again and again.

    `stepped`: in which calls the optimiser stepped; `gradients`: the gradients that it stepped
    with, `norms` their norms; `came`: what backward had brought since the step before; `closure`:
    the optimiser was given a function, and runs backward itself; `evaluating`: modules that were
    in evaluation mode in a forward pass with gradients; `resting`: a schedule has the rate at 0
    before the first step.
    """

    stepped: list[int] = field(default_factory=list)
    gradients: list[list[Tensor | None]] = field(default_factory=list)
    came: list[list[Tensor | None]] = field(default_factory=list)
    closure: bool = False
    left: list[bool] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    evaluating: set[str] = field(default_factory=set)
    moved: bool = False
    resting: bool = False


def watch_steps(patient: Patient, calls: int = CALLS) -> Watched:
    """Call a copy's own step with all rates at 0, so that only the gradients can differ."""
    optimizer = patient.optimizer
    assert optimizer is not None
    assert patient.step is not None
    seen, now = Watched(), [0]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]

    came: list[Tensor | None] = [None] * len(parameters)

    def before_step(_: Any, given: Any, named: Any) -> None:
        seen.closure = seen.closure or len(given) > 1 or bool(named)  # the first is itself
        seen.came.append(list(came))
        came[:] = [None] * len(parameters)
        grads = [None if p.grad is None else p.grad.detach().clone() for p in parameters]
        seen.stepped.append(now[0])
        seen.gradients.append(grads)
        seen.norms.append(_norm(grads))

    def comes(place: int) -> Any:
        def hook(gradient: Tensor) -> None:
            old = came[place]
            came[place] = gradient.detach().clone() if old is None else old + gradient

        return hook

    handles: list[Any] = [optimizer.register_step_pre_hook(before_step)]
    handles += [p.register_hook(comes(i)) for i, p in enumerate(parameters) if p.requires_grad]
    modules = dict(patient.model.named_modules())
    for name, module in modules.items():
        if isinstance(module, BatchNorm | Dropout):
            owner = modules[name.rpartition(".")[0]] if name else module
            handles.append(module.register_forward_pre_hook(_mode(name, owner, seen)))
    seen.resting = not optimizer.state and all(
        group["lr"] == 0 and group.get("initial_lr", 0) > 0 for group in optimizer.param_groups
    )
    saved = [group["lr"] for group in optimizer.param_groups]
    try:
        _set_rates(optimizer, [0.0] * len(saved))
        with eagerly(), torch.inference_mode(False), torch.enable_grad():
            for now[0] in range(calls):
                with same_dice():
                    patient.step(patient.model, optimizer, patient.batch)
                seen.left.append(any(p.grad is not None and bool(p.grad.any()) for p in parameters))
                if len(seen.stepped) >= 3:
                    break
            _set_rates(optimizer, saved)
            start = [p.detach().clone() for p in parameters]
            for _ in range(now[0] + 1):
                with same_dice():
                    patient.step(patient.model, optimizer, patient.batch)
            seen.moved = any(
                not torch.equal(p.detach(), s) for p, s in zip(parameters, start, strict=True)
            )
    finally:
        for handle in handles:
            handle.remove()
    return seen


Dropout = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


def _mode(name: str, owner: nn.Module, seen: Watched) -> Any:
    """Note a module in evaluation mode whose owner is, too: a norm alone is frozen on purpose."""

    def hook(module: nn.Module, arguments: Any) -> None:
        acts = not isinstance(module, Dropout) or module.p > 0
        if module.training:
            # An attack, say, may run in evaluation mode before the pass that counts.
            seen.evaluating.discard(name)
        elif torch.is_grad_enabled() and not owner.training and acts:
            seen.evaluating.add(name)

    return hook


def _set_rates(optimizer: Any, values: list[float]) -> None:
    for group, value in zip(optimizer.param_groups, values, strict=True):
        group["lr"] = torch.full_like(group["lr"], value) if torch.is_tensor(group["lr"]) else value


def _norm(grads: list[Tensor | None]) -> float:
    return sum(float(g.double().norm()) ** 2 for g in grads if g is not None) ** 0.5


def step_findings(seen: Watched, left_frozen: frozenset[str] = frozenset()) -> list[Finding]:
    """Judge what the owner's step did; `left_frozen` are modules that are to stay as they are."""
    found = []
    evaluating = sorted(seen.evaluating - left_frozen)
    if evaluating:
        some = ", ".join(evaluating[:3])
        said = f"{some} and others" if len(evaluating) > 3 else some
        text = f"the step runs forward with {said} in evaluation mode."
        found.append(finding("evaluation-mode", text, evaluating[0], number=len(evaluating)))
    if not seen.stepped:
        text = f"in {CALLS} calls of your step the optimiser never stepped."
        return [finding("step-without-effect", text, number=0, bound=1), *found]
    if seen.closure:
        return found
    first = seen.gradients[0]
    if all(g is None or not bool(g.any()) for g in first) and _late(seen):
        text = "at the optimiser's first step no gradient is there; it comes after."
        return [finding("step-before-backward", text), *found]
    if not seen.moved:
        text = "after a whole step every parameter is where it was."
        if seen.resting:
            text = "the rate is 0 before the first step, as at the start of a warm-up."
        one = finding("step-without-effect", text, number=0, bound=1)
        # Where the gradient is there and exactly 0, the loss has nothing to ask for.
        content = any(g is not None for g in first) and not seen.norms[0]
        return [replace(one, certainty="note") if content or seen.resting else one, *found]
    for grads, came in list(zip(seen.gradients, seen.came, strict=True))[1:]:
        times = _times(came, grads)
        if times is not None and times > 1.5:
            said = f"at the second step the gradient is {times:.3g} times what backward brought"
            found.append(finding("gradients-add-up", f"{said}.", number=times, bound=1))
            break
    return found


def _late(seen: Watched) -> bool:
    """Whether gradients come, too late: at a later step, or after the step that was to use them."""
    later = any(g is not None and bool(g.any()) for some in seen.gradients[1:] for g in some)
    return later or any(seen.left)


def _times(one: list[Tensor | None], other: list[Tensor | None]) -> float | None:
    """Return how many times the first gradient the second is, where they are parallel."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    product = sum(float((a.double() * b.double()).sum()) for a, b in pairs)
    square = sum(float((a.double() ** 2).sum()) for a, b in pairs)
    length = sum(float((b.double() ** 2).sum()) for a, b in pairs)
    if square == 0 or length == 0 or product / (square * length) ** 0.5 < 0.99:
        return None
    return product / square
