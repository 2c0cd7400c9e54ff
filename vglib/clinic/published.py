"""What three published tools say of a training: their rules, written anew over one record.

The tools watch Keras models. Their rules are kept with their thresholds; what only Keras has (a
loss by name, a softmax that must stand in the model, a validation set) is left out, and each
docstring says so. One step on the batch stands for an epoch.
"""

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from vglib.clinic.watched import Watched, watch_training

__all__ = [
    "RULES",
    "SAME",
    "Watched",
    "autotrainer",
    "deepdiagnosis",
    "score",
    "umlaut",
    "watch_training",
]

_NO_NAMES: frozenset[str] = frozenset()


def autotrainer(watched: Watched) -> tuple[str, ...]:
    """Return AutoTrainer's problems, those of the highest priority first.

    Judged every 5 steps from 0.3 of the training on, the first time that something is found:
    non-finite losses, gradients or weights, or a loss >= 1e3 with such: "explode". Only where the
    accuracy is below Theta = 0.7, or rises by less than delta = 0.01 in every step: a share of
    zero entries in all gradients >= gamma = 0.7: "relu"; else ||g_first|| / ||g_last|| > beta_3 =
    70: "explode"; else that ratio < beta_1 = 1e-3 and ||g_first|| < beta_2 = 1e-4: "vanish"; else
    where both hold "not_converge". Accuracy that swings by >= zeta = 0.03 in eta = 0.2 of the
    steps: "unstable". A negative loss: "loss_issue"; a hidden mean |output| >= omega_1 = 10 once
    half of the training is over: "abnormal_data". Norms are of the kernels' gradients. On one batch
    the accuracy is noisier than over an epoch, which "unstable" feels.

    Left out: its test of Keras' loss names and of an output that is no distribution, since in
    PyTorch the loss takes logits. Where no accuracy is defined, a loss that did not fall stands
    for it. Source: Zhang et al., ICSE 2021, section 4.2; shiningrain/AUTOTRAINER of 2023,
    utils/monitor.py and the default parameters in utils/utils.py.
    """
    steps = len(watched.losses)
    for now in range(5, steps + 1, 5):
        if now >= 0.3 * steps - 5 and (found := _autotrainer_at(watched, now, now >= steps / 2)):
            return found
    return ()


def _autotrainer_at(watched: Watched, now: int, half: bool) -> tuple[str, ...]:
    """Its verdict after so many steps."""
    losses, accuracies = watched.losses[:now], watched.accuracies[:now]
    found: list[str] = []
    norms = watched.gradient_norms[now - 1]
    broken = not (np.isfinite(norms).all() and np.isfinite(watched.weight_means[now - 1]).all())
    if not np.isfinite(losses).all() or losses.max() >= 1e3:
        return ("explode",) if broken or not np.isfinite(losses).all() else ()
    sizes = [values[min(now, len(values)) - 1] for values in watched.output_sizes.values()]
    if half and any(size >= 10 for size in sizes[:-1]):
        found.append("abnormal_data")
    if losses.min() < 0:
        found.append("loss_issue")
    if np.isnan(accuracies).any():
        poor = stuck = bool(losses[-1] >= losses[0])
    else:
        poor = bool(accuracies.max() < 0.7)
        stuck = bool(np.diff(accuracies).max(initial=0.0) < 0.01)
    if poor or stuck:
        ratio = norms[0] / norms[-1] if len(norms) and norms[-1] > 0 else math.nan
        if watched.zero_gradients[now - 1] >= 0.7:
            found.append("relu")
        elif ratio > 70:
            found.append("explode")
        elif ratio < 1e-3 and norms[0] < 1e-4:
            found.append("vanish")
        elif poor and stuck and "abnormal_data" not in found:
            found.append("not_converge")
    elif _swings(accuracies, 0.03) >= 0.2 * now:
        found.append("unstable")
    return tuple(found)


def _swings(values: np.ndarray, least: float) -> int:
    """Count the pairs of a local maximum and a local minimum that lie so far apart."""
    inner, left, right = values[1:-1], values[:-2], values[2:]
    highs = inner[(inner >= left) & (inner >= right)]
    lows = inner[(inner <= left) & (inner <= right)]
    return sum(high - low >= least for high, low in zip(highs, lows, strict=False))


def umlaut(watched: Watched) -> tuple[str, ...]:
    """Return UMLAUT's messages, in the order in which it tests.

    Before the training: layers without an activation between them; an activation at the end that
    is not softmax; dropout > 0.5. At each step: pictures that are not square; inputs below -1 or
    above 1; inputs that are no floats; NaN in the inputs where the loss is NaN; a rate > 0.01 or <
    1e-7. Left out: "Missing Softmax layer before loss", which the losses of PyTorch that take
    logits would set off everywhere, overfitting and suspicious validation accuracy. Source:
    Schoop, Huang and Hartmann, CHI 2021; BerkeleyHCI/umlaut, umlaut/heuristics.py.
    """
    found = []
    if watched.unbent:
        found.append("Missing activation functions")
    ends = [name for name in watched.endings if name not in ("Softmax", "LogSoftmax")]
    if ends and ends[-1] in _BENT_ENDS:
        found.append("Last model layer has nonlinear activation")
    if any(rate > 0.5 for rate in watched.dropout_rates.values()):
        found.append("High dropout rate")
    if len(set(watched.image_shape)) > 1:
        found.append("Image data may have incorrect shape")
    low, high = watched.input_range
    if low < -1 or high > 1:
        found.append("Input data exceeds typical limits")
    if not watched.input_is_float:
        found.append("Input is not a Float type")
    if np.isnan(watched.losses).any() and math.isnan(low):
        found.append("NaN (Not a number) in input")
    if any(rate > 0.01 for rate in watched.learning_rates):
        found.append("Learning Rate is high")
    elif any(rate < 1e-7 for rate in watched.learning_rates):
        found.append("Learning Rate is low")
    return tuple(found)


_BENT_ENDS = ("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "GELU", "Sigmoid", "Tanh", "SiLU")


def deepdiagnosis(watched: Watched) -> tuple[str, ...]:
    """Return DeepDiagnosis' first symptom and the change that its decision tree proposes.

    In the order in which it looks, at each step: an output layer whose range cannot hold the
    targets, or spans ten times theirs (first step; a softmax is excused); a mean output that is 0
    or not finite; in the last step a ReLU with a share of outputs <= 0 of .7; every 5 steps a
    sigmoid or tanh with abs z >= 5 in more than half, and a mean output that was the same 5 times;
    a loss that is not finite or was the same 5 times; an accuracy of 0, or the same 20 times; from
    the last layer down a mean gradient that is 0 or not finite, mean |g| < 1e-7, a mean weight
    that is 0 or not finite; every 5 steps mean gradients or weights that did not change.

    The change: a variance of weights outside [1e-5, 10]: "Poor Weight"; inputs outside [-1, 1]:
    "Normalize the data"; lr ||g|| / ||W|| outside [1e-5, 1e-1]: "Learning Rate"; else what the
    symptom itself suggests. Source: Wardat, Cruz, Le and Rajan, ICSE 2022, sections 3.2 and 3.3;
    DeepDiagnosis/ICSE2022, callback/callbacks.py.
    """
    for now in range(len(watched.losses)):
        for symptom in _symptoms(watched, now):
            return symptom, _change(watched, symptom, now)
    return ()


def _symptoms(watched: Watched, now: int) -> Iterator[str]:
    """What it sees after this step, in its order."""
    fifth, twentieth = (now + 1) % 5 == 0, (now + 1) % 20 == 0
    end = now == len(watched.losses) - 1
    if now == 0 and _out_of_range(watched):
        yield "Out of Range"
    for values in watched.outputs.values():
        if now < len(values) and (values[now] == 0 or not math.isfinite(values[now])):
            yield "Numerical Error in forward"
    if end and any(len(share) and share[-1] >= 0.7 for share in watched.inactive.values()):
        yield "Dead Node"
    if fifth and any(share[now] > 0.5 for share in watched.saturated.values() if now < len(share)):
        yield "Saturated Activation"
    hidden = list(watched.outputs.values())[:-1]
    if fifth and any(_same(values[: now + 1], 5) for values in hidden if now < len(values)):
        yield "Unchanged output"
    if not math.isfinite(watched.losses[now]):
        yield "Invalid loss"
    if fifth and _same(watched.losses[: now + 1], 5):
        yield "Loss not decreasing"
    accuracies = watched.accuracies[: now + 1]
    if accuracies[now] == 0:
        yield "Invalid accuracy"
    if twentieth and _same(accuracies, 20):
        yield "Accuracy not increasing"
    yield from _symptoms_in_weights(watched, now, fifth)


def _symptoms_in_weights(watched: Watched, now: int, fifth: bool) -> Iterator[str]:
    """What it sees in gradients and weights, from the last layer down."""
    for layer in reversed(range(len(watched.layers))):
        average, size = watched.gradient_averages[now, layer], watched.gradient_means[now, layer]
        if average == 0 or not math.isfinite(average):
            yield "Numerical Error in gradient"
        if size < 1e-7:
            yield "Vanishing Gradient"
        weight = watched.weight_means[now, layer]
        if weight == 0 or not math.isfinite(weight):
            yield "Numerical Error in weights"
    for layer in reversed(range(len(watched.layers)) if fifth else range(0)):
        if _same(watched.gradient_averages[: now + 1, layer], 5):
            yield "Unchanged gradient"
        if _same(watched.weight_means[: now + 1, layer], 5):
            yield "Unchanged weights"


def _same(values: np.ndarray, count: int) -> bool:
    """Say whether the last values are all equal, which it tests by mean == max."""
    latest = values[-count:]
    return len(latest) == count and bool((latest == latest[0]).all())


def _out_of_range(watched: Watched) -> bool:
    """Say whether the last layer's range leaves the targets out, or is ten times as wide."""
    low, high = watched.target_range
    last = watched.endings[-1] if watched.endings else ""
    # Classes as whole numbers are one column each in Keras: no value has to reach them.
    if not watched.target_is_float or last in ("Softmax", "LogSoftmax"):
        return False
    ends = {"Sigmoid": (0, 1), "Tanh": (-1, 1), "ReLU": (0, math.inf), "ELU": (-1, math.inf)}
    least, most = ends.get(last, (-math.inf, math.inf))
    linear = last in ("Linear", "Identity")
    spread = watched.output_range[1] - watched.output_range[0]
    return low < least or high > most or (linear and spread > 10 * (high - low))


def _change(watched: Watched, symptom: str, now: int) -> str:
    """Walk down its decision tree from a symptom to what should be changed."""
    steps, variances = watched.relative_steps[now], watched.weight_variances
    # Comparisons with nan are false, as in its code.
    poor = bool(((variances < 1e-5) | (variances > 10)).any())
    wide = watched.input_range[0] < -1 or watched.input_range[1] > 1
    rate = bool(((steps > 1e-1) | (steps < 1e-5)).any())
    weight_first = [("Poor Weight", poor), ("Normalize the data", wide), ("Learning Rate", rate)]
    data_first = [weight_first[1], weight_first[0], weight_first[2]]
    rate_only = [("Learning Rate", rate)]
    trees: dict[str, tuple[list[tuple[str, bool]], str]] = {
        "Out of Range": ([], "Change the activation at the end"),
        "Numerical Error in forward": (weight_first, "Change the activation"),
        "Numerical Error in weights": (weight_first, "Change the activation"),
        "Numerical Error in gradient": ([], "Change the activation or the loss"),
        "Dead Node": (data_first, "Add dropout or an activation"),
        "Saturated Activation": (data_first, "Add dropout or an activation"),
        "Vanishing Gradient": (rate_only, "Change the number of layers or the sigmoid"),
        "Invalid loss": (rate_only, "Change the optimizer"),
        "Invalid accuracy": (rate_only, "Change the optimizer"),
        "Loss not decreasing": (weight_first, "Change the optimizer"),
        "Accuracy not increasing": (weight_first, "Change the optimizer"),
    }
    tests, otherwise = trees.get(symptom, ([weight_first[0], *rate_only], "Change the optimizer"))
    return next((change for change, holds in tests if holds), otherwise)


RULES: Mapping[str, Callable[[Watched], tuple[str, ...]]] = {
    "AutoTrainer": autotrainer,
    "UMLAUT": umlaut,
    "DeepDiagnosis": deepdiagnosis,
}

_ENDS = frozenset({"output-range", "softmax-one-unit", "softmax-twice", "sigmoid-twice"})
_NUMBERS = frozenset({"not-finite-here", "parameter-not-finite", "input-not-finite"})
_STILL = frozenset({"step-without-effect", "rate-too-low", "no-gradient", "nothing-to-train"})
_RATES = frozenset({"rate-too-high", "rate-too-low", "step-without-effect"})

# Their words in the doctor's names, kindly: every name that a reader could take them for.
SAME: Mapping[str, frozenset[str]] = {
    "vanish": frozenset({"vanishing", "memory-in-time", "saturated", "initialization"}),
    "explode": _NUMBERS | {"exploding", "rate-too-high", "initialization"},
    "relu": frozenset({"dead-units"}),
    "unstable": frozenset({"rate-too-high"}),
    "not_converge": frozenset({"rate-too-low", "rate-too-high", "step-without-effect"}),
    "abnormal_data": frozenset({"inputs-unscaled", "exploding", "initialization"}),
    "loss_issue": frozenset({"nll-on-logits", "target-out-of-range"}),
    "Missing activation functions": frozenset({"no-nonlinearity"}),
    "Last model layer has nonlinear activation": _ENDS,
    "High dropout rate": _NO_NAMES,
    "Image data may have incorrect shape": _NO_NAMES,
    "Input data exceeds typical limits": frozenset({"inputs-unscaled"}),
    "Input is not a Float type": _NO_NAMES,
    "NaN (Not a number) in input": frozenset({"input-not-finite"}),
    "Learning Rate is high": frozenset({"rate-too-high"}),
    "Learning Rate is low": frozenset({"rate-too-low", "step-without-effect"}),
    "Out of Range": _ENDS | {"target-out-of-range", "targets-unscaled"},
    "Numerical Error in forward": _NUMBERS | {"symmetry"},
    "Numerical Error in gradient": _NUMBERS | {"symmetry", "no-gradient", "vanishing"},
    "Numerical Error in weights": _NUMBERS | {"symmetry"},
    "Dead Node": frozenset({"dead-units"}),
    "Saturated Activation": frozenset({"saturated"}),
    "Unchanged output": _STILL | {"output-ignores-input"},
    "Unchanged gradient": _STILL | {"softmax-one-unit"},
    "Unchanged weights": _STILL,
    "Invalid loss": _NUMBERS,
    "Invalid accuracy": frozenset({"output-range", "constant-answer"}),
    "Loss not decreasing": _STILL | {"softmax-one-unit"},
    "Accuracy not increasing": frozenset({"constant-answer", "rate-too-low", "rate-too-high"}),
    "Vanishing Gradient": frozenset({"vanishing", "saturated", "memory-in-time"}),
    "Poor Weight": frozenset({"initialization", "symmetry"}),
    "Normalize the data": frozenset({"inputs-unscaled"}),
    "Learning Rate": _RATES,
    "Change the activation at the end": _ENDS,
    "Change the activation": frozenset({"saturated", "dead-units"}),
    "Change the activation or the loss": frozenset({"not-finite-here"}) | _ENDS,
    "Add dropout or an activation": frozenset({"no-nonlinearity"}),
    "Change the number of layers or the sigmoid": frozenset({"vanishing", "saturated"}),
    "Change the optimizer": _NO_NAMES,
}


def score(found: tuple[str, ...], accepted: frozenset[str]) -> tuple[bool, bool]:
    """Return whether anything was found, and whether any of its words means an accepted name."""
    meant = frozenset().union(*(SAME[name] for name in found))
    return bool(found), bool(meant & accepted)
