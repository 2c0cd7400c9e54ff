"""Two small tools beside the examination: a gradient's flow drawn, and a gradient checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vglib.doctor.as_found import as_found, same_dice
from vglib.doctor.look import eagerly
from vglib.doctor.operators import as_number, rms
from vglib.doctor.patient import Patient, accepted, detached, mapped, some_rows, unwrapped


def plot_gradient_flow(model: nn.Module) -> Any:
    """Return a figure of each matrix's gradient, for the line after `loss.backward()`.

    Root mean square of the gradient and of the parameter, in the order of the model; a parameter
    without a gradient is left out of the gradient's curve, one that is exactly 0 is a cross.
    Raises ValueError where no parameter has a gradient.
    """
    from vglib.doctor.pictures import flow

    parameters = [(n, p) for n, p in unwrapped(model).named_parameters() if p.dim() >= 2]
    if all(p.grad is None for _, p in parameters):
        raise ValueError("No parameter has a gradient; call this after loss.backward().")
    sizes = [as_number(rms(p.grad)) if p.grad is not None else float("nan") for _, p in parameters]
    weights = [as_number(rms(p)) for _, p in parameters]
    return flow([name for name, _ in parameters], sizes, weights).figure()


@dataclass(frozen=True)
class Check:
    """What a check of one parameter's gradient gave.

    `autograd`: the gradient's product with a random direction d of length 1; `difference`:
    (L(w + h d) - L(w - h d)) / 2h; `error`: their distance over the larger of the two.
    """

    name: str
    autograd: float
    difference: float
    error: float
    agrees: bool


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """The checks of all parameters that get a gradient; `agrees` where every one does.

    A difference says whether the gradient is that of the loss as it is written. It cannot say
    whether that loss is what was meant, and a gradient that has vanished is exact.
    """

    checks: tuple[Check, ...]
    skipped: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether no parameter disagrees."""
        return all(check.agrees for check in self.checks)

    def __repr__(self) -> str:
        wrong = [check for check in self.checks if not check.agrees]
        worst = max((check.error for check in self.checks), default=0.0)
        far = f"the largest error is {worst:.1e}" if worst else "all to within rounding"
        lines = [
            f"{len(self.checks) - len(wrong)} of {len(self.checks)} gradients agree with a"
            f" difference in float64; {far}."
        ]
        lines += [
            f"{c.name}: autograd says {c.autograd:.6g}, the difference {c.difference:.6g}"
            for c in wrong
        ]
        lines += [f"not checked: {text}" for text in self.skipped]
        lines.append(
            "What this cannot find: a gradient that has vanished is exact, and a wrong loss has a"
            " right gradient."
        )
        return "\n".join(lines)


def check_gradients(
    model: nn.Module,
    loss_fn: Callable[..., Any] | None,
    batch: Any,
    *,
    forward: Callable[[nn.Module, Any], Any] | None = None,
    rows: int = 8,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> GradientCheck:
    """Compare autograd with directional differences in float64, parameter by parameter.

    For each parameter w and a random direction d, ||d|| = 1:

        (L(w + h d) - L(w - h d)) / 2h  against  <dL/dw, d>,  h = 1e-6 max(1, ||w||)

    on a copy in float64, on at most `rows` rows, with the same dice for dropout. A difference
    across a kink disagrees by a little: two steps h are tried and the better one counts.
    Raises ValueError as `examine` does, and for a model that cannot be copied.
    Source: Goodfellow, Bengio & Courville 2016, section 11.5.
    """
    patient = accepted(model, loss_fn, batch, forward, None, None)
    with as_found(patient.model, loss_fn):
        try:
            copied = patient.copied(rows)
        except Exception as error:
            raise ValueError(f"The model cannot be copied: {error}.") from error
    copied.model.double()
    if isinstance(copied.loss_fn, nn.Module):
        copied.loss_fn.double()
    doubled = mapped(some_rows(detached(copied.batch), rows), _double)
    patient = Patient(copied.model, copied.loss_fn, doubled, copied.forward)
    gradients, value = _gradients(patient)
    generator = torch.Generator().manual_seed(seed)
    checks, skipped = [], []
    for name, parameter in patient.model.named_parameters():
        if name not in gradients:
            if parameter.requires_grad:
                skipped.append(f"{name}, which gets no gradient.")
            continue
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if (padding := _padding_row(patient.model, name)) is not None:
            direction[padding] = 0.0  # an embedding gives this row no gradient on purpose
        direction = (direction / direction.norm()).to(parameter.device)
        exact = float((gradients[name] * direction).sum())
        checks.append(_checked(patient, name, parameter, direction, exact, value, tolerance))
    return GradientCheck(tuple(checks), tuple(skipped))


def _padding_row(model: nn.Module, name: str) -> int | None:
    owner = model.get_submodule(name.rpartition(".")[0])
    return owner.padding_idx if isinstance(owner, nn.Embedding | nn.EmbeddingBag) else None


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _loss(patient: Patient) -> Tensor:
    buffers = {n: b.detach().clone() for n, b in patient.model.named_buffers()}
    with same_dice(), eagerly():
        loss = patient.loss(patient.output())
    with torch.no_grad():
        for name, buffer in patient.model.named_buffers():
            buffer.data.copy_(buffers[name])
    return loss


def _gradients(patient: Patient) -> tuple[Mapping[str, Tensor], float]:
    named = {n: p for n, p in patient.model.named_parameters() if p.requires_grad}
    with torch.inference_mode(False), torch.enable_grad():
        loss = _loss(patient)
        if not loss.requires_grad:
            raise ValueError("The loss depends on no parameter, so there is no gradient to check.")
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    pairs = zip(named, found, strict=True)
    return {name: g.detach() for name, g in pairs if g is not None}, float(loss.detach())


def _checked(
    patient: Patient,
    name: str,
    parameter: Tensor,
    direction: Tensor,
    exact: float,
    value: float,
    tolerance: float,
) -> Check:
    best = None
    start = parameter.detach().clone()
    for size in (1e-6, 1e-4):
        h = size * max(1.0, float(start.norm()))
        ends = []
        for sign in (1, -1):
            parameter.data.copy_(start + sign * h * direction)
            with torch.inference_mode(False), torch.enable_grad():
                ends.append(float(_loss(patient).detach()))
        parameter.data.copy_(start)
        difference = (ends[0] - ends[1]) / (2 * h)
        # What rounding alone makes of the difference is no disagreement.
        rounding = 4e-15 * abs(value) / h
        away, larger = abs(difference - exact), max(abs(difference), abs(exact))
        error = away / larger if away > rounding else 0.0
        check = Check(name, exact, difference, error, error <= tolerance)
        better = best is None or (check.agrees, -check.error) > (best.agrees, -best.error)
        best = check if better else best
    assert best is not None
    return best
