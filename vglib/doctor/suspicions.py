"""What a short training makes one suspect; it counts where its experiment improves."""

from math import isfinite

import numpy as np
from torch import Tensor

from vglib.doctor import by_layer, experiments, invariance
from vglib.doctor.by_layer import compared, cured
from vglib.doctor.course import hyper, rates
from vglib.doctor.examination import Examination
from vglib.doctor.experiments import Change, Trials
from vglib.doctor.patient import tensors
from vglib.doctor.rules import Finding, finding
from vglib.doctor.steps import Dropout
from vglib.doctor.wiring import remade
from vglib.words import number, percent

# A training has learnt where this share of the loss is gone, of what the best constant leaves.
LEARNT = 0.1


def by_theory(exam: Examination) -> list[Finding]:
    """Judge the short training by theory; a suspicion counts where its experiment improves."""
    course, trials = exam.course, exam.trials
    assert course is not None
    assert trials is not None
    assert course.first is not None
    base = trials.gain(course)
    found: list[Finding] = []
    if not course.whole and base < LEARNT:
        exam.not_checked.append("how a training goes: fewer steps than 20 fitted into the budget.")
        return found
    if exam.patient.step is not None and not course.norms:
        exam.not_checked.append("how a training goes: 20 calls of your step made no step of it.")
        return found
    known = exam.constant if exam.constant is not None and exam.constant > 0 else None
    if known is not None and max(course.start, course.end) < 0.5 * known:
        # Whatever it lacks to the optimum, it has learnt most of what there is.
        return found
    for suspicion in _SUSPICIONS:
        if base >= LEARNT and suspicion not in _STRONG:
            continue
        one = suspicion(exam, base)
        if one is not None:
            found.append(one)
            break
    return found


def _at_either_rate(
    trials: Trials, base: float, name: str, change: Change, constant: float | None = None
) -> float | None:
    """Return what a cure gains at the owner's rate, or at ten times it, where it is one there.

    `constant` is the best constant's loss once the change is made, where that is another.
    """
    for factor in (1.0, 10.0):
        run = trials.run(name, change, factor)
        if constant is None or run is None:
            cure = trials.gain(run)
        else:
            cure = experiments.gain(run, constant)
        if not cured(base, cure):
            continue
        if factor == 1 or cured(trials.gain(trials.run(factor=factor)), cure):
            return cure
    return None


def _targets(exam: Examination, base: float) -> Finding | None:
    watch, trials = exam.seen.loss_watch, exam.trials
    target = watch.target
    assert trials is not None
    if target is None or not target.is_floating_point() or target.numel() < 4:
        return None
    if watch.kind not in ("squares", "regression", "by hand"):
        return None
    size, spread = float(target.double().pow(2).mean().sqrt()), float(target.double().std())
    if size < 10 and not (0 < spread < 1e-3):
        return None
    cures = {"targets": experiments.scaled_targets, "both": experiments.scaled_both}
    what = {"targets": "with standardised targets", "both": "with standardised inputs and targets"}
    for name, change in cures.items():
        cure = _at_either_rate(trials, base, name, change, constant=1.0)
        if cure is not None:
            break
    else:
        return None
    said = compared(exam, cure, what[name])
    return finding(
        "targets-unscaled",
        f"the targets have a root mean square of {number(size)}: {said}.",
        number=size,
        bound=10,
    )


def _inputs(exam: Examination, base: float) -> Finding | None:
    trials, patient = exam.trials, exam.patient
    assert trials is not None
    floats = [t for t in patient.inputs if t.is_floating_point() and t.numel() > 1]
    if not floats or patient.forward is not None:
        return None
    worst, why = 0.0, ""
    for tensor in floats:
        x = tensor.detach().double()
        size = float(x.pow(2).mean().sqrt())
        spread = x.flatten(0, -2).std(0) if x.dim() > 1 and x.shape[0] > 1 else x.std().reshape(1)
        spread = spread[spread > 0]
        uneven = float(spread.max() / spread.min()) if len(spread) > 1 else 1.0
        offset = abs(float(x.mean())) / (float(x.std()) + 1e-12)
        if size > 5 or size < 1e-3:
            worst, why = (
                max(size, 1 / size),
                f"the inputs have a root mean square of {number(size)}",
            )
        elif offset > 5:
            worst, why = offset, f"the inputs' mean is {number(offset)} times their spread"
        elif uneven > 100 and x.dim() == 2:
            worst, why = uneven, f"one input's spread is {number(uneven)} times another's"
    # Where the loss falls, only inputs of quite another order are worth an experiment.
    if not why or (base >= LEARNT and (worst < 50 or not why.startswith("the inputs have"))):
        return None
    cure = _at_either_rate(trials, base, "inputs", experiments.scaled_inputs)
    if cure is None:
        return None
    said = compared(exam, cure, "with standardised inputs")
    return finding("inputs-unscaled", f"{why}: {said}.", number=worst, bound=5)


def _sum(exam: Examination, base: float) -> Finding | None:
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    watch = course.first.loss_watch
    if watch.reduction != "sum" or watch.target is None or watch.target.numel() < 2:
        return None
    run = trials.run("mean", experiments.mean_loss)
    if run is None:
        return None
    count = watch.target.numel()
    constant = None if exam.constant is None else exam.constant / count
    cure = experiments.gain(run, constant)
    if not cured(base, cure):
        return None
    said = compared(exam, cure, "with the mean")
    loss = {"squares": "nn.MSELoss", "cross_entropy": "nn.CrossEntropyLoss"}.get(watch.kind, "Loss")
    return finding(
        "reduction-sum",
        f"the loss is a sum over {count}: {said}.",
        number=count,
        bound=1,
        loss=loss,
    )


def _eps(exam: Examination, base: float) -> Finding | None:
    trials, optimizer = exam.trials, exam.patient.optimizer
    assert trials is not None
    assert exam.course is not None
    if optimizer is None or (eps := hyper(optimizer, "eps")) <= 0:
        return None
    sizes = [g for g in exam.seen.gradients.values() if g > 0]
    if not sizes or eps < float(np.median(sizes)) or eps <= 1e-6:
        return None
    cure = trials.gain(trials.run("eps", experiments.with_setting(eps=1e-8)))
    if not cured(base, cure):
        return None
    said = compared(exam, cure, "with eps = 1e-8")
    return finding(
        "adam-eps",
        f"eps is {eps:g}, and half of the gradients are below {np.median(sizes):.2g}: {said}.",
        number=eps,
        bound=float(np.median(sizes)),
        made=_made(exam, eps=1e-8),
    )


def _made(exam: Examination, **changes: float) -> str:
    optimizer = exam.patient.optimizer
    if optimizer is None:
        return "optimizer = torch.optim.Adam(model.parameters(), lr=0.001)"
    return remade(optimizer, **changes)


def _maximizing(exam: Examination, base: float) -> Finding | None:
    trials, course, optimizer = exam.trials, exam.course, exam.patient.optimizer
    assert trials is not None
    assert course is not None
    if optimizer is None or not any(g.get("maximize") for g in optimizer.param_groups):
        return None
    cure = trials.gain(trials.run("minimizing", experiments.with_setting(maximize=False)))
    if course.fall > 0 or not cured(base, cure):
        return None
    seen = f"the optimiser has maximize=True: {compared(exam, cure, 'without')}"
    return finding("maximizing", f"{seen}.", made=_made(exam, maximize=False))


def _decay(exam: Examination, base: float) -> Finding | None:
    trials, optimizer = exam.trials, exam.patient.optimizer
    assert trials is not None
    if optimizer is None or (decay := hyper(optimizer, "weight_decay")) <= 0:
        return None
    seen = exam.seen
    shares = [
        decay * seen.weights[name] / seen.gradients[name]
        for name in seen.gradients
        if seen.weights.get(name, 0) > 0 and seen.gradients[name] > 0
    ]
    if not shares or (middle := float(np.median(shares))) < 3:
        return None
    cure = trials.gain(trials.run("decay", experiments.with_setting(weight_decay=0.0)))
    if not cured(base, cure):
        return None
    said = compared(exam, cure, "without decay")
    return finding(
        "decay-too-strong",
        f"the decay pulls {number(middle)} times as hard as the gradient: {said}.",
        number=middle,
        bound=3,
        made=_made(exam, weight_decay=1e-4),
    )


def _dropout(exam: Examination, base: float) -> Finding | None:
    trials = exam.trials
    assert trials is not None
    strong = [
        (module.p, name)
        for name, module in exam.patient.model.named_modules()
        if isinstance(module, Dropout) and module.p > 0.7 and module.training
    ]
    if not strong:
        return None
    cure = trials.gain(trials.run("dropout", experiments.less_dropout))
    if not cured(base, cure):
        return None
    p, name = max(strong)
    seen = f"dropout keeps {percent(1 - p)} of the units: {compared(exam, cure, 'with p = 0.2')}"
    return finding("dropout-too-strong", f"{seen}.", name, number=p, bound=0.7)


def _half(exam: Examination, base: float) -> Finding | None:
    """Gradients below float16's least number, in a net whose weights are float16."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    shares = [course.lost[name] for name in sorted(course.lost)]
    if not shares or (middle := float(np.median(shares))) < 0.5:
        return None
    cure = trials.gain(trials.run("float32", experiments.in_float32))
    if not cured(base, cure):
        return None
    said = f"half of the matrices lose {percent(middle)} of their gradients to 0 in float16"
    seen = f"{said}; {compared(exam, cure, 'in float32')}"
    return finding("float16-underflow", f"{seen}.", number=middle, bound=0.5)


def _clipped(exam: Examination, base: float) -> Finding | None:
    """A gradient of the same length at every step, and a longer step that does better."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    norms = np.array(course.norms)
    if exam.patient.step is None or len(norms) < 10 or not np.isfinite(norms).all():
        return None
    middle = float(np.median(norms))
    if middle == 0 or float(np.ptp(norms)) > 1e-3 * middle:
        return None
    cure = max(trials.gain(trials.run(factor=factor)) for factor in (10.0, 100.0, 1e3, 1e4))
    if not cured(base, cure):
        return None
    said = f"at each of {len(norms)} steps the gradient's length is {number(middle)}"
    seen = f"{said}; {compared(exam, cure, 'with longer steps')}"
    return finding("clipping-always-on", f"{seen}.", number=middle, norm=10 * middle)


def _rate_high(exam: Examination, base: float) -> Finding | None:
    trials, course, optimizer = exam.trials, exam.course, exam.patient.optimizer
    assert trials is not None
    assert course is not None
    if optimizer is None or len(course.losses) < 2:
        return None
    rises = not isfinite(course.end) or max(course.losses[1:]) > course.start
    if not rises:
        return None
    for factor in (0.1, 0.01, 0.001, 1e-4, 1e-5):
        cure = trials.gain(trials.run(factor=factor))
        if cured(base, cure):
            end = number(course.end) if isfinite(course.end) else "nan"
            said = f"the loss goes from {number(course.start)} to {end} at this rate"
            seen = f"{said}; {compared(exam, cure, f'with {factor:g} times the rate')}"
            lr = max(rates(optimizer))
            return finding(
                "rate-too-high",
                f"{seen}.",
                number=lr,
                bound=lr * factor,
                made=_made(exam, lr=lr * factor),
            )
    return None


def _rate_low(exam: Examination, base: float) -> Finding | None:
    trials, course, optimizer = exam.trials, exam.course, exam.patient.optimizer
    assert trials is not None
    assert course is not None
    if optimizer is None or not 0 <= course.fall < 0.01:
        return None
    # A schedule that warms up has not come to its rate yet.
    if any(group["lr"] < group.get("initial_lr", 0) for group in optimizer.param_groups):
        return None
    ratios = [r for r in course.ratios.values() if r > 0]
    if exam.patient.step is not None and not ratios:
        return None  # what moves it is not the optimiser that was given
    if ratios and max(ratios) > 1e-4:
        return None
    gains = {f: trials.gain(trials.run(factor=f)) for f in tuple(10.0**k for k in range(1, 9))}
    best, cure = max(gains.items(), key=lambda pair: pair[1])
    if not cured(base, cure) or gains[10.0] < base:
        return None
    ratio = max(ratios, default=0.0)
    said = f"a step moves no weight by more than {ratio:.2g} of itself"
    seen = f"{said}; {compared(exam, cure, f'with {best:g} times the rate')}"
    lr = max(rates(optimizer))
    made = _made(exam, lr=lr * best)
    return finding("rate-too-low", f"{seen}.", number=ratio, bound=1e-3, made=made)


def _constant(exam: Examination, base: float) -> Finding | None:
    """No rate teaches it anything, and at the end all examples get one answer."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.patient is not None
    if max(base, trials.best(factors=(1.0, 0.1, 0.01, 10.0))) >= 0.02 or exam.constant is None:
        return None
    if invariance.ignores_input(course.patient):
        said = "the output is the same, bit by bit, for other inputs, before and after 20 steps"
        return finding("output-ignores-input", f"{said}.", certainty="likely")
    outputs = [next(tensors(look.output), None) for look in (course.first, course.last) if look]
    if outputs and all(out is not None and _one_for_all(out) for out in outputs):
        said = "before and after 20 steps all examples get one answer, to six digits"
        return finding("constant-answer", f"{said}, and no rate of four does better.")
    return None


def _one_for_all(output: Tensor) -> bool:
    if output.dim() == 0 or len(output) < 2 or not output.is_floating_point():
        return False
    rows = output.detach().double().flatten(1) if output.dim() > 1 else output.detach().double()
    return float(rows.std(0).max()) <= 1e-6 * float(rows.abs().max())


_SUSPICIONS = (
    *(
        _targets,
        _inputs,
        _sum,
        _half,
        _eps,
        _decay,
        _dropout,
        by_layer.attention,
        by_layer.dead,
        by_layer.saturated,
    ),
    *(
        by_layer.memory,
        by_layer.chi,
        by_layer.start,
        by_layer.alike,
        _clipped,
        _rate_high,
        _rate_low,
        _constant,
    ),
)
# These count even where the loss falls, since a readout alone can learn one batch by heart.
_STRONG = (
    _targets,
    _inputs,
    by_layer.attention,
    by_layer.saturated,
    by_layer.dead,
    by_layer.chi,
    by_layer.start,
)
