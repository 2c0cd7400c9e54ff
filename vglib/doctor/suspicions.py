"""What theory suspects in a short training; each suspicion counts where its experiment improves."""

from itertools import product
from math import exp, isfinite, log
from typing import Any

import numpy as np

from vglib.doctor import experiments, invariance
from vglib.doctor.course import hyper, rates
from vglib.doctor.examination import Examination
from vglib.doctor.look import Look
from vglib.doctor.operators import RECURRENT, Call
from vglib.doctor.rules import Finding, finding
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
    for suspicion in _SUSPICIONS:
        if base >= LEARNT and suspicion not in _STRONG:
            continue
        one = suspicion(exam, base)
        if one is not None:
            found.append(one)
            break
    return found


def _cured(base: float, cure: float) -> bool:
    """Whether a cure works, and what the net gains as it is is less than half of that."""
    # Far worse than a constant as it is, and better than one when cured, is a cure as well.
    return (cure >= experiments.WORKS and base <= 0.5 * cure) or (base < -1 and cure > 0)


def _said(exam: Examination, cure: float, what: str) -> str:
    """Say how far the loss fell as it is and with a cure, of what the best constant leaves."""
    assert exam.course is not None
    fall = exam.course.fall
    before = f"{percent(fall)} of the loss is gone" if fall >= 0 else "the loss has risen"
    before = before if isfinite(fall) else "the loss is not finite"
    return f"after 20 steps {before}; {what} {percent(cure)} is"


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
    for name, factor in product(cures, (1.0, 10.0)):
        run = trials.run(name, cures[name], factor)
        cure = float("-inf") if run is None else experiments.gain(run, 1.0)
        if _cured(base, cure) and (
            factor == 1 or _cured(trials.gain(trials.run(factor=factor)), cure)
        ):
            break
    else:
        return None
    said = _said(exam, cure, what[name])
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
        if size > 5 or size < 0.02:
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
    for factor in (1.0, 10.0):
        cure = trials.gain(trials.run("inputs", experiments.scaled_inputs, factor))
        if _cured(base, cure) and (
            factor == 1 or _cured(trials.gain(trials.run(factor=factor)), cure)
        ):
            break
    else:
        return None
    said = _said(exam, cure, "with standardised inputs")
    return finding("inputs-unscaled", f"{why}: {said}.", number=worst, bound=5)


def _sum(exam: Examination, base: float) -> Finding | None:
    watch, trials, course = exam.seen.loss_watch, exam.trials, exam.course
    assert trials is not None
    assert course is not None
    watch = course.first.loss_watch if course.first is not None else watch
    if watch.reduction != "sum" or watch.target is None or watch.target.numel() < 2:
        return None
    run = trials.run("mean", experiments.mean_loss)
    if run is None:
        return None
    count = watch.target.numel()
    constant = None if exam.constant is None else exam.constant / count
    cure = experiments.gain(run, constant)
    if not _cured(base, cure):
        return None
    said = _said(exam, cure, "with the mean")
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
    if not _cured(base, cure):
        return None
    said = _said(exam, cure, "with eps = 1e-8")
    return finding(
        "adam-eps",
        f"eps is {eps:g}, and half of the gradients are below {np.median(sizes):.2g}: {said}.",
        number=eps,
        bound=float(np.median(sizes)),
        **_optimizer(exam),
    )


def _optimizer(exam: Examination) -> dict[str, Any]:
    optimizer = exam.patient.optimizer
    if optimizer is None:
        return {"optimizer": "Adam", "lr": 1e-3}
    return {"optimizer": type(optimizer).__name__, "lr": max(rates(optimizer))}


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
    if not shares or (middle := float(np.median(shares))) < 1:
        return None
    cure = trials.gain(trials.run("decay", experiments.with_setting(weight_decay=0.0)))
    if not _cured(base, cure):
        return None
    said = _said(exam, cure, "without decay")
    return finding(
        "decay-too-strong",
        f"the decay pulls {number(middle)} times as hard as the gradient: {said}.",
        number=middle,
        bound=1,
        **_optimizer(exam),
    )


def _share(exam: Examination, what: str) -> tuple[float, Call] | None:
    """Return the layer with the largest share, before and after, of what is dead or flat."""
    course = exam.course
    assert course is not None
    assert course.first is not None
    assert course.last is not None
    worst: tuple[float, Call] | None = None
    for one, two in zip(course.first.calls, course.last.calls, strict=False):
        before, after = one.known.get(what, 0.0), two.known.get(what, 0.0)
        share = min(before, after)
        if share > 0.5 and (worst is None or share > worst[0]):
            worst = (share, one)
    return worst


def _attention(exam: Examination, base: float) -> Finding | None:
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    assert course.last is not None
    later = dict(course.last.entropies)
    narrow = [(e, p) for p, e in course.first.entropies if max(e, later.get(p, 1.0)) < 0.15]
    if not narrow:
        return None
    cure = trials.best("cooler", experiments.cooler_attention)
    if not _cured(base, cure) or not _cured(max(base, trials.best()), cure):
        return None
    entropy, place = min(narrow)
    said = f"the attention's entropy is {percent(entropy)} of that of an even look"
    seen = f"{said}; {_said(exam, cure, 'with logits divided by their spread')}"
    return finding("attention-collapsed", f"{seen}.", place, number=entropy, bound=0.15)


def _dead(exam: Examination, base: float) -> Finding | None:
    course, worst = exam.course, _share(exam, "dead")
    assert course is not None
    assert course.first is not None
    # Where the signal has shrunk to its biases, half of the units are 0 for every row: a symptom.
    if worst is not None and worst[0] < 0.95 and slope(course.first.calls)[0] < log(1e-4):
        return None
    return _unresponsive(exam, base, "dead", "dead-units", "of its units are 0 for every row")


def _saturated(exam: Examination, base: float) -> Finding | None:
    return _unresponsive(
        exam, base, "saturated", "saturated", "of its values lie where the slope is under a tenth"
    )


def _unresponsive(
    exam: Examination, base: float, what: str, name: str, words: str
) -> Finding | None:
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    worst = _share(exam, what)
    if worst is None:
        return None
    share, call = worst
    cure = trials.best("drawn", experiments.initialised(course.first))
    if not _cured(base, cure) or not _cured(
        max(base, trials.best(factors=experiments.MANY_RATES)), cure
    ):
        return None
    said = f"before and after 20 steps {percent(share)} {words}"
    seen = f"{said}; {_said(exam, cure, 'at the best of three rates; with other weights')}"
    return finding(name, f"{seen}.", call.place, number=share, bound=0.5, weight=_weight(call))


def _weight(call: Call) -> str:
    return next((p for p in call.parameters if p.endswith("weight")), call.parameters[0])


def slope(calls: list[Call]) -> tuple[float, int]:
    """Return ln of the ratio of the first to the last gradient by layer, and how many layers."""
    sizes = [c.delta for c in calls if c.delta is not None and isfinite(c.delta)]
    if len(sizes) < 3:
        return 0.0, len(sizes)
    if sizes[0] == 0:
        return float("-inf"), len(sizes)
    ends = max(sizes[-2], sizes[-1]) if len(sizes) > 1 else sizes[-1]
    return log(sizes[0]) - log(ends) if ends > 0 else 0.0, len(sizes)


def _chi(exam: Examination, base: float) -> Finding | None:
    """Vanishing or exploding: at the start, after 20 steps, and better with other weights."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    assert course.last is not None
    before, layers = slope(course.first.calls)
    after, _ = slope(course.last.calls)
    signals = [c.signal for c in course.first.calls if isfinite(c.signal) and c.signal > 0]
    growth = log(signals[-1] / signals[0]) if len(signals) >= 3 else 0.0
    # Over a few layers a hundredth is what any net of sigmoids has.
    limit = log(1e-2 if layers >= 6 else 1e-4)
    # Behind a readout that starts at 0 every gradient is 0, for one step.
    vanishing = before < limit and after < (log(1e-1) if isfinite(before) else limit)
    exploding = before > log(1e2) or (growth > log(1e2) and before > 0)
    if layers < 3 or not (vanishing or exploding):
        return None
    cures = {"drawn": experiments.initialised(course.first)}
    cures["relu"] = experiments.relu_inside(course.first)
    factors = experiments.RATES if vanishing else (1.0,)
    cure = float("-inf")
    for how, change in cures.items():
        cure = max(cure, trials.best(how, change, factors=factors, patience=3))
        if _cured(base, cure):
            break
    sick = base
    if vanishing and _cured(base, cure):
        sick = max(base, trials.best(factors=experiments.MANY_RATES, patience=3))
    if not _cured(sick, cure):
        return None
    per_layer = exp(2 * before / max(layers - 1, 1)) if isfinite(before) else 0.0
    chis = [c.known["chi"] for c in course.first.calls if "chi" in c.known]
    middle = float(np.median(chis)) if chis else per_layer
    hidden = [c for c in course.first.calls if c.delta is not None]
    call = hidden[0] if hidden else course.first.calls[0]
    name = "vanishing" if vanishing else "exploding"
    ratio = f"{exp(before):.2g}" if abs(before) < 600 else f"10^{before / log(10):.0f}"
    said = f"the first layer's gradient is {ratio} of the last one's over {layers} layers"
    what = "with ReLU and He's weights" if how == "relu" else "with other weights"
    seen = f"{said}, chi is {middle:.2g} in the middle; {_said(exam, cure, what)}"
    init = _init("relu" if how == "relu" else call.activation)
    if how == "relu":
        init = f"# take nn.ReLU() for {call.activation}, and He's weights:\n{init}"
    return finding(name, f"{seen}.", call.place, number=middle, bound=1, init=init)


def _init(activation: str) -> str:
    how = "kaiming_normal_" if activation in ("relu", "gelu", "silu") else "xavier_normal_"
    return (
        "for m in model.modules():\n"
        f"    if isinstance(m, (nn.Linear, nn.Conv2d)): nn.init.{how}(m.weight)"
    )


def _time(exam: Examination, base: float) -> Finding | None:
    """A recurrent net whose gradient does not reach back, and that no rate makes learn."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    for call in course.first.calls:
        profile = in_time(course.first, call)
        if profile is None or len(profile) < 20:
            continue
        steps_, far, near = len(profile), profile[: len(profile) // 10 + 1], profile[-3:]
        if not near.max() > 0:
            continue
        ratio = float(far.max() / near.max())
        if ratio > 1e-3:
            continue
        if max(base, trials.best(factors=experiments.RATES)) >= experiments.WORKS:
            return None
        back = log(max(ratio, 1e-300)) / steps_
        xi = -1 / back
        if xi > steps_ / 10 * 2:
            continue
        said = f"the gradient at the first of {steps_} steps is {ratio:.2g} of that at the last"
        seen = f"{said}: xi is {xi:.2g} steps; no rate of three learns in 20 steps"
        return finding("memory-in-time", f"{seen}.", call.place, number=xi, bound=steps_ / 10)
    return None


def in_time(seen: Look, call: Call) -> np.ndarray | None:
    """Return the size of the gradient at each time step; None where a call is not recurrent."""
    if "in_time" in call.known:
        return call.known["in_time"]
    same = [c for c in seen.calls if c.place == call.place and c.parameters == call.parameters]
    if len(same) >= 20 and same[0] is call and call.operation not in RECURRENT:
        return np.array([c.delta or 0.0 for c in same])
    return None


def _start(exam: Examination, base: float) -> Finding | None:
    """Weights at the wrong scale: a loss at the start far above the best constant's."""
    trials, course, seen = exam.trials, exam.course, exam.seen
    assert trials is not None
    assert course is not None
    assert course.first is not None
    guess = exam.constant
    if guess is None or guess <= 0 or not course.start > 3 * guess:
        return None
    cure = trials.gain(trials.run("drawn", experiments.initialised(course.first)))
    if not _cured(base, cure):
        return None
    wide = [c for c in course.first.calls if c.known.get("sigma_w2", 1.0) > 9]
    name = "initialization" if wide else "loss-at-start"
    call = wide[0] if wide else seen.calls[-1]
    said = f"the loss starts at {number(course.start)}, the best constant has {number(guess)}"
    seen_text = f"{said}; {_said(exam, cure, 'with other weights')}"
    return finding(
        name,
        f"{seen_text}.",
        call.place,
        number=course.start / guess,
        bound=3,
        init=_init(call.activation),
    )


def _alike(exam: Examination, base: float) -> Finding | None:
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    assert course.last is not None
    values = [(c.known["alike"], c) for c in course.first.calls if "alike" in c.known]
    later = [c.known["alike"] for c in course.last.calls if "alike" in c.known]
    if len(values) < 3 or values[-1][0] < 0.999 or not later or later[-1] < 0.999:
        return None
    cure = trials.best("drawn", experiments.initialised(course.first))
    if not _cured(base, cure) or not _cured(
        max(base, trials.best(factors=experiments.MANY_RATES)), cure
    ):
        return None
    first = next(c for value, c in values if value >= 0.999)
    said = f"two examples have a correlation of {values[-1][0]:.6g} after {len(values)} layers"
    seen = f"{said}; {_said(exam, cure, 'with other weights')}"
    return finding(
        "rank-collapse",
        f"{seen}.",
        first.place,
        number=values[-1][0],
        bound=0.999,
        init=_init(first.activation),
    )


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
        if _cured(base, cure):
            best = {**_optimizer(exam)}
            best["lr"] *= factor
            end = number(course.end) if isfinite(course.end) else "nan"
            said = f"the loss goes from {number(course.start)} to {end} at this rate"
            seen = f"{said}; {_said(exam, cure, f'with {factor:g} times the rate')}"
            lr = max(rates(optimizer))
            return finding("rate-too-high", f"{seen}.", number=lr, bound=lr * factor, **best)
    return None


def _rate_low(exam: Examination, base: float) -> Finding | None:
    trials, course, optimizer = exam.trials, exam.course, exam.patient.optimizer
    assert trials is not None
    assert course is not None
    if optimizer is None or not 0 <= course.fall < 0.01:
        return None
    ratios = [r for r in course.ratios.values() if r > 0]
    if ratios and max(ratios) > 1e-4:
        return None
    gains = {f: trials.gain(trials.run(factor=f)) for f in tuple(10.0**k for k in range(1, 9))}
    best, cure = max(gains.items(), key=lambda pair: pair[1])
    if not _cured(base, cure) or gains[10.0] < base:
        return None
    ratio = max(ratios, default=0.0)
    said = f"a step moves no weight by more than {ratio:.2g} of itself"
    seen = f"{said}; {_said(exam, cure, f'with {best:g} times the rate')}"
    lr = max(rates(optimizer))
    advice = {**_optimizer(exam), "lr": lr * best}
    return finding("rate-too-low", f"{seen}.", number=ratio, bound=1e-3, **advice)


def _constant(exam: Examination, base: float) -> Finding | None:
    """No rate teaches it anything, and at the end all examples get one answer."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.patient is not None
    if max(base, trials.best(factors=(1.0, 0.1, 0.01, 10.0))) >= 0.02 or exam.constant is None:
        return None
    if invariance.ignores_input(course.patient, exam.seen):
        said = "the output is the same, bit by bit, for other inputs, before and after 20 steps"
        return finding("output-ignores-input", f"{said}.", certainty="likely")
    return None


_SUSPICIONS = (
    *(_targets, _inputs, _sum, _eps, _decay, _attention, _dead, _saturated, _time, _chi),
    *(_start, _alike, _rate_high, _rate_low, _constant),
)
# These count even where the loss falls, since a readout alone can learn one batch by heart.
_STRONG = (_targets, _inputs, _attention, _saturated, _dead, _chi, _start)
