"""The three passes, and from what was seen and tried to findings, cause by cause."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from vglib.doctor import invariance, steps
from vglib.doctor.as_found import as_found, same_dice
from vglib.doctor.course import Clock, prepared, train
from vglib.doctor.examination import Examination
from vglib.doctor.experiments import Trials
from vglib.doctor.look import look
from vglib.doctor.losses import best_constant
from vglib.doctor.origin import origin
from vglib.doctor.patient import Patient, companions, detached, some_rows, tensors
from vglib.doctor.rules import RANK, Finding, finding
from vglib.doctor.suspicions import by_theory
from vglib.doctor.wiring import (
    labels,
    membership,
    no_gradient,
    notes,
    partly_evaluating,
    strangers,
    untied,
)
from vglib.words import count


def examined(patient: Patient, budget: float) -> Examination:
    """Examine a patient within some seconds, and leave it as it was."""
    exam = Examination(patient, Clock(budget))
    with as_found(patient.model, patient.loss_fn, patient.optimizer, *companions(patient)):
        _static(exam)
        _pass_a(exam)
    if exam.seen.calls and exam.seen.ended:
        with as_found(patient.model, patient.loss_fn, patient.optimizer, *companions(patient)):
            _pass_b(exam)
    exam.findings = folded(exam.findings)
    _say_what_was_not_checked(exam)
    return exam


# Before anything runs


def _static(exam: Examination) -> None:
    patient, found = exam.patient, exam.findings
    for name, parameter in patient.model.named_parameters():
        if parameter.is_floating_point() and not bool(torch.isfinite(parameter.detach()).all()):
            bad = int((~torch.isfinite(parameter.detach())).sum())
            said = f"{name} holds {bad} numbers that are not finite"
            found.append(finding("parameter-not-finite", f"{said}.", name, number=bad))
            break
    for tensor in tensors(patient.batch):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.detach()).all()):
            bad = int((~torch.isfinite(tensor.detach())).sum())
            said = f"the batch holds {bad} numbers that are not finite, of {tensor.numel()}"
            found.append(finding("input-not-finite", f"{said}.", number=bad))
            break
    found += untied(patient.model)
    if exam.patient.optimizer is None:
        exam.not_checked.append("rates, decay, what is in the optimiser: pass optimizer=.")
    if exam.patient.step is None:
        exam.not_checked.append("zero_grad, the order of step and backward: pass step=.")


# Pass A


def _pass_a(exam: Examination) -> None:
    patient = exam.patient
    with same_dice():
        seen = exam.seen = look(replace(patient, batch=detached(patient.batch)))
    found = exam.findings
    found += seen.found
    trained = {n: p for n, p in patient.model.named_parameters() if p.requires_grad}
    if not seen.ended:
        return
    if not trained and not seen.strangers:
        total = sum(1 for _ in patient.model.parameters())
        said = f"none of {total} parameters asks for a gradient"
        found.append(finding("nothing-to-train", f"{said}.", number=0, bound=1))
        return
    found += strangers(exam)
    if seen.loss_shape and torch.Size(seen.loss_shape).numel() > 1:
        said = f"the loss has shape {seen.loss_shape}; here its mean was taken"
        one = finding("loss-not-scalar", f"{said}.")
        # An owner's step may well weigh and average it.
        found.append(one if patient.step is None else replace(one, certainty="note"))
    if not seen.has_graph:
        how = f" ({', '.join(seen.left_torch)} was called on the way)" if seen.left_torch else ""
        said = f"the loss does not depend on any parameter{how}"
        found.append(finding("loss-detached", f"{said}.", number=0, bound=1))
        return
    lost = [f for f in found if f.name in ("input-not-finite", "parameter-not-finite")]
    if lost and not seen.finite:
        return
    # What is masked or replaced on its way does no harm.
    exam.findings = found = [f if f not in lost else replace(f, certainty="note") for f in found]
    if not seen.finite and (event := _origin(exam)) is not None:
        found.append(event)
        return
    found += membership(exam, trained)
    found += no_gradient(exam, trained)
    if not exam.broken:
        found += labels(exam, seen)
    found += notes(exam)
    if patient.step is None:
        found += partly_evaluating(patient.model)


def _origin(exam: Examination) -> Finding | None:
    try:
        return origin(replace(exam.patient, batch=detached(exam.patient.batch)))
    except RuntimeError as error:
        exam.not_checked.append(f"where the number was lost ({str(error).splitlines()[0]}).")
        return None


# Pass B, and C where there is a suspicion


def _pass_b(exam: Examination) -> None:
    patient, clock = exam.patient, exam.clock
    exam.constant = best_constant(exam.seen.loss_watch, exam.seen.loss)
    copied = _copied(exam)
    try:
        _watched_step(exam)
        if not exam.broken:
            _invariances(exam)
    except Exception as error:
        exam.not_checked.append(f"the step and the batch's order ({_first_line(error)}).")
    if copied is None or exam.broken or not exam.seen.has_graph or not exam.seen.gradients:
        return
    before = prepared(patient, exam.rows).model
    try:
        exam.course = train(copied, clock, looks=True, share=0.4)
    except Exception as error:
        exam.not_checked.append(f"a short training ({_first_line(error)}).")
        return
    if (same := invariance.symmetric(before, copied.model, exam.seen.calls)) is not None:
        exam.findings.append(same)
        return
    exam.trials = Trials(patient, exam.course, clock, exam.constant, exam.rows)
    exam.findings += by_theory(exam)
    if left := len(dict.fromkeys(exam.trials.left_out)):
        exam.not_checked.append(f"{count(left, 'experiment')}: the time was up.")


def _copied(exam: Examination) -> Patient | None:
    """Return a copy to train, on a few rows where the model takes them, else on all."""
    for rows in (exam.rows, None):
        exam.rows = rows
        try:
            copied = prepared(exam.patient, rows)
        except Exception as error:
            said = f"the model cannot be copied ({_first_line(error)})"
            exam.not_checked.append(f"a short training: {said}.")
            return None
        try:
            with as_found(copied.model), same_dice():
                small = look(copied, backward=False)
        except Exception as error:
            why = _first_line(error)
            continue
        exam.constant = best_constant(small.loss_watch, small.loss)
        return copied
    exam.not_checked.append(f"a short training: the copy does not run ({why}).")
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def _watched_step(exam: Examination) -> None:
    patient = exam.patient
    if patient.step is None or patient.optimizer is None:
        return
    own = [p.detach().clone() for p in patient.model.parameters()]
    watched = exam.watched = steps.watch_steps(patient.copied(64))
    after = [p.detach() for p in patient.model.parameters()]
    if any(not torch.equal(a, b) for a, b in zip(own, after, strict=True)):
        said = "your step moves the model that it was made with, not the one it is given"
        exam.findings.append(finding("step-of-another", f"{said}."))
        return
    frozen = _frozen_modules(patient.model)
    exam.findings += steps.step_findings(watched, frozen)


def _frozen_modules(model: nn.Module) -> frozenset[str]:
    """Return the modules that nothing of is trained: they may well be in evaluation mode."""
    names = set()
    for name, module in model.named_modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            names |= {inner for inner, _ in module.named_modules(prefix=name)}
    return frozenset(names)


def _invariances(exam: Examination) -> None:
    batch = exam.patient.batch
    try:
        _changed_rows(exam, some_rows(batch, 16))
    except (RuntimeError, IndexError):
        # A graph, say, cannot lose some of its nodes.
        _changed_rows(exam, batch)


def _changed_rows(exam: Examination, batch: Any) -> None:
    patient = replace(exam.patient, batch=detached(batch))
    for check in (invariance.causal_leak, invariance.examples_mix):
        with as_found(patient.model):
            found = check(patient)
        if found is not None:
            exam.findings.append(found)
            return


# A cause on the left has the symptoms on the right.
_SYMPTOMS = {
    "input-not-finite": {"not-finite-here", "parameter-not-finite"},
    "parameter-not-finite": {"not-finite-here"},
    "loss-detached": {"no-gradient", "step-without-effect"},
    "nothing-to-train": {"loss-detached", "step-without-effect", "no-gradient"},
    "not-in-model": {"never-called", "optimizer-stale", "not-in-optimizer"},
    "step-before-backward": {"step-without-effect"},
    "softmax-one-unit": {"no-gradient", "output-range", "labels-all-equal"},
    "optimizer-stale": {"not-in-optimizer"},
}


def folded(findings: list[Finding]) -> list[Finding]:
    """Put causes first and take out what is only a symptom of one of them."""
    names = {found.name for found in findings}
    gone = set().union(*(_SYMPTOMS.get(name, set()) for name in names))
    order = {"broken": 0, "likely": 1, "note": 2}
    kept = {(f.name, f.layer): f for f in findings if f.name not in gone or f.certainty == "note"}
    return sorted(kept.values(), key=lambda f: (order[f.certainty], RANK[f.name]))


def _say_what_was_not_checked(exam: Examination) -> None:
    if not exam.seen.ended:
        exam.not_checked.append("all that comes after: mend this first, and examine again.")
    elif exam.course is None and exam.broken:
        exam.not_checked.append("a short training and theory: mend what is broken first.")
