"""What theory suspects layer by layer: attention, dead and flat units, chi, time, likeness."""

from math import exp, isfinite, log

import numpy as np

from vglib.doctor import experiments
from vglib.doctor.examination import Examination
from vglib.doctor.experiments import Trials
from vglib.doctor.look import Look
from vglib.doctor.operators import RECURRENT, Call
from vglib.doctor.rules import Finding, finding
from vglib.words import number, percent


def cured(base: float, cure: float) -> bool:
    """Whether a cure works, and what the net gains as it is is less than half of that."""
    # Far worse than a constant as it is, and better than one when cured, is a cure as well.
    return (cure >= experiments.WORKS and base <= 0.5 * cure) or (base < -1 and cure > 0)


def cured_at_any_rate(trials: Trials, base: float, cure: float, factors: tuple[float, ...]) -> bool:
    """Whether a cure works, and no other rate does as well by itself."""
    return cured(base, cure) and cured(max(base, trials.best(factors=factors)), cure)


def compared(exam: Examination, cure: float, what: str) -> str:
    """Say how far the loss fell as it is and with a cure, of what the best constant leaves."""
    assert exam.course is not None
    fall = exam.course.fall
    before = f"{percent(fall)} of the loss is gone" if fall >= 0 else "the loss has risen"
    before = before if isfinite(fall) else "the loss is not finite"
    return f"after 20 steps {before}; {what} {percent(cure)} is"


def attention(exam: Examination, base: float) -> Finding | None:
    """Suspect attention that looks at one key alone."""
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
    if not cured_at_any_rate(trials, base, cure, experiments.RATES):
        return None
    entropy, place = min(narrow)
    said = f"the attention's entropy is {percent(entropy)} of that of an even look"
    seen = f"{said}; {compared(exam, cure, 'with logits divided by their spread')}"
    return finding("attention-collapsed", f"{seen}.", place, number=entropy, bound=0.15)


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


def dead(exam: Examination, base: float) -> Finding | None:
    """Suspect units that are 0 for every row, before and after."""
    course, worst = exam.course, _share(exam, "dead")
    assert course is not None
    assert course.first is not None
    # Where the signal has shrunk to its biases, half of the units are 0 for every row: a symptom.
    if worst is not None and worst[0] < 0.95 and slope(course.first.calls)[0] < log(1e-4):
        return None
    return _unresponsive(exam, base, "dead", "dead-units", "of its units are 0 for every row")


def saturated(exam: Examination, base: float) -> Finding | None:
    """Suspect units on the flat part of their curve, before and after."""
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
    if not cured_at_any_rate(trials, base, cure, experiments.MANY_RATES):
        return None
    said = f"before and after 20 steps {percent(share)} {words}"
    seen = f"{said}; {compared(exam, cure, 'at the best of three rates; with other weights')}"
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


def chi(exam: Examination, base: float) -> Finding | None:
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
        if cured(base, cure):
            break
    sick = base
    if vanishing and cured(base, cure):
        sick = max(base, trials.best(factors=experiments.MANY_RATES, patience=3))
    hopeless = vanishing and max(before, after) < log(1e-8) and not cured(base, cure)
    if hopeless:
        hopeless = max(base, trials.best(factors=experiments.MANY_RATES)) < 0.02
    if not (hopeless or cured(sick, cure)):
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
    tried = "no rate of four teaches it" if hopeless else compared(exam, cure, what)
    seen = f"{said}, chi is {middle:.2g} in the middle; {tried}"
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


def memory(exam: Examination, base: float) -> Finding | None:
    """A recurrent net whose gradient does not reach back, and that no rate makes learn."""
    trials, course = exam.trials, exam.course
    assert trials is not None
    assert course is not None
    assert course.first is not None
    if not isfinite(course.end) or max(course.losses) > 1.05 * course.start:
        return None  # what rises has another cause
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
        # Where the first steps get exactly nothing, the last that get something tell how fast.
        some = np.flatnonzero(profile > 0)
        fall = log(profile[some[0]] / near.max()) if len(some) > 1 else log(1e-300)
        back = min(fall, -1e-12) / max(some[-1] - some[0], 1)
        xi = -1 / back
        if xi > steps_ / 10 * 2:
            continue
        said = f"the gradient at the first of {steps_} steps is {ratio:.2g} of that at the last"
        seen = f"{said}: xi is {xi:.2g} steps; no rate of three learns in 20 steps"
        gated = call.operation in ("lstm", "gru")
        advice = "# windows of xi steps, or attention, which looks at every step at once"
        if not gated:
            advice = f"# nn.LSTM in place of {call.place}: a gate that adds instead of multiplying"
        bound = steps_ / 10
        return finding(
            "memory-in-time", f"{seen}.", call.place, number=xi, bound=bound, advice=advice
        )
    return None


def in_time(seen: Look, call: Call) -> np.ndarray | None:
    """Return the size of the gradient at each time step; None where a call is not recurrent."""
    if "in_time" in call.known:
        return call.known["in_time"]
    same = [c for c in seen.calls if c.place == call.place and c.parameters == call.parameters]
    if len(same) >= 20 and same[0] is call and call.operation not in RECURRENT:
        return np.array([c.delta or 0.0 for c in same])
    return None


def start(exam: Examination, base: float) -> Finding | None:
    """Weights at the wrong scale: a loss at the start far above the best constant's."""
    trials, course, seen = exam.trials, exam.course, exam.seen
    assert trials is not None
    assert course is not None
    assert course.first is not None
    guess = exam.constant
    if guess is None or guess <= 0 or not course.start > 3 * guess or course.fall > 0.5:
        return None
    cure = trials.gain(trials.run("drawn", experiments.initialised(course.first)))
    if not cured(base, cure):
        return None
    wide = [c for c in course.first.calls if c.known.get("sigma_w2", 1.0) > 9]
    name = "initialization" if wide else "loss-at-start"
    call = wide[0] if wide else seen.calls[-1]
    said = f"the loss starts at {number(course.start)}, the best constant has {number(guess)}"
    seen_text = f"{said}; {compared(exam, cure, 'with other weights')}"
    return finding(
        name,
        f"{seen_text}.",
        call.place,
        number=course.start / guess,
        bound=3,
        init=_init(call.activation),
    )


def alike(exam: Examination, base: float) -> Finding | None:
    """Suspect examples that have become one vector, before and after."""
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
    if not cured_at_any_rate(trials, base, cure, experiments.MANY_RATES):
        return None
    first = next(c for value, c in values if value >= 0.999)
    said = f"two examples have a correlation of {values[-1][0]:.6g} after {len(values)} layers"
    seen = f"{said}; {compared(exam, cure, 'with other weights')}"
    return finding(
        "rank-collapse",
        f"{seen}.",
        first.place,
        number=values[-1][0],
        bound=0.999,
        init=_init(first.activation),
    )
