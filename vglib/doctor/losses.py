"""What a loss is fed: labels, targets and outputs that it cannot take, or takes for others."""

import inspect
from functools import lru_cache, partial
from math import exp, log
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vglib.doctor.operators import Observer
from vglib.doctor.rules import Finding, finding

REGRESSIONS = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
# The smallest and the largest value that an activation can give.
RANGES = {
    "relu": (0.0, float("inf")),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softmax": (0.0, 1.0),
    "softplus": (0.0, float("inf")),
    "relu6": (0.0, 6.0),
    "softsign": (-1.0, 1.0),
}


class Unfit(Exception):
    """The loss or a norm cannot go on with what it was given; `finding` says why."""

    def __init__(self, found: Finding) -> None:
        super().__init__(found.seen)
        self.finding = found


class LossWatch:
    """Looks at each loss function's arguments before torch does."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.kind = ""
        self.reduction = "mean"
        self.classes = 0
        self.options: dict[str, Any] = {}
        self.ignored = -100
        self.prediction: Tensor | None = None
        self.target: Tensor | None = None

    def __call__(self, observer: Observer, func: Any, name: str, args: Any, kwargs: Any) -> None:
        """Check a call that is on its way; raise `Unfit` where it cannot go on."""
        if name in _CHECKS and getattr(func, "__module__", "") == F.__name__:
            given = _bound(func, args, kwargs)
            _CHECKS[name](self, observer, given)
        elif name in ("sub", "__sub__", "rsub", "__rsub__") and observer.phase == "loss":
            _plain_difference(self, observer, args)

    def say(self, name: str, seen: str, **more: Any) -> None:
        """Note a finding once."""
        if name not in {found.name for found in self.found}:
            self.found.append(finding(name, seen, **more))

    def explains(self, loss: float) -> bool:
        """Whether the whole loss is what this one function gives, without weights or more terms."""
        functions: dict[str, Any] = {
            "cross_entropy": F.cross_entropy,
            "nll": F.nll_loss,
            "bce": F.binary_cross_entropy,
            "bce_with_logits": F.binary_cross_entropy_with_logits,
            "squares": F.mse_loss,
        }
        if self.kind not in functions or self.prediction is None or self.target is None:
            return False
        if any(self.options.get(name) is not None for name in ("weight", "pos_weight")):
            return False
        options = {"ignore_index": self.ignored} if self.kind in ("cross_entropy", "nll") else {}
        value = functions[self.kind](
            self.prediction, self.target, reduction=self.reduction, **options
        )
        return abs(float(value) - loss) <= 0.01 * abs(loss)

    def keep(self, kind: str, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Note the loss that is on its way and return its two tensors."""
        prediction, target = given["input"], given["target"]
        if self.prediction is None:
            self.kind, self.reduction = kind, given.get("reduction", "mean")
            self.options = {k: v for k, v in given.items() if k in ("weight", "pos_weight")}
            self.ignored = given.get("ignore_index", -100)
            self.prediction, self.target = prediction.detach(), target.detach()
        return prediction, target


@lru_cache(maxsize=64)
def _signature(func: Any) -> inspect.Signature:
    return inspect.signature(func)


def _bound(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    bound = _signature(func).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _last_layer(observer: Observer, tensor: Tensor) -> str:
    call = observer.origin(tensor).call
    return observer.calls[call].place if call >= 0 else ""


def _labels(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    """Check what cross_entropy and nll_loss share: integer labels 0 ... K - 1."""
    logits, target = given["input"], given["target"]
    if target.is_floating_point() or logits.dim() == 0:
        return
    classes = logits.shape[1] if logits.dim() > 1 else logits.shape[0]
    watch.classes = classes
    labels = target[target != given.get("ignore_index", -100)]
    if not labels.numel():
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        said = f"the labels go from {low} to {high}, and the net has {classes} outputs"
        layer = _last_layer(observer, logits)
        raise Unfit(
            finding("label-out-of-range", f"{said}.", layer, number=wrong, bound=classes - 1)
        )


def _cross_entropy(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    logits, _target = watch.keep("cross_entropy", given)
    _labels(watch, observer, given)
    kind, layer = observer.origin(logits).kind, _last_layer(observer, logits)
    classes = watch.classes or (logits.shape[1] if logits.dim() > 1 else 0)
    if classes == 1:
        said = "cross-entropy is given one output, of which its softmax makes 1"
        watch.say("softmax-one-unit", f"{said}.", layer=layer, number=1, bound=2)
    elif _is_distribution(logits) and classes:
        least = log(1 + (classes - 1) * exp(-1))
        said = "cross-entropy is given probabilities: each row is above 0 and sums to 1"
        seen = f"{said}; so the loss cannot fall below {least:.3g}."
        watch.say("softmax-twice", seen, layer=layer, number=1, bound=1)
    elif kind == "sigmoid":
        said = "cross-entropy is given the outputs of a sigmoid"
        watch.say("softmax-twice", f"{said}.", layer=layer, number=1, bound=1)
    elif kind == "relu" and watch.classes:
        said = "the outputs pass a ReLU before cross-entropy"
        watch.say("output-range", f"{said}, so none can be below 0.", layer=layer, kind="ReLU")


def _nll(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    rows, _ = given["input"], given["target"]
    if watch.kind == "cross_entropy":
        return
    watch.keep("nll", given)
    _labels(watch, observer, given)
    if rows.dim() < 2:
        return
    total = torch.logsumexp(rows.detach().float(), 1)
    if rows.shape[1] == 1:
        said = "nll_loss is given one output, whose log-softmax is 0"
        layer = _last_layer(observer, rows)
        watch.say("softmax-one-unit", f"{said}.", layer=layer, number=1, bound=2)
    # A weighted log-probability is none any more, but no logarithm of a probability is above 0.
    elif observer.origin(rows).kind in ("mul", "__mul__", "rmul", "__rmul__", "div", "neg"):
        return  # weighted by an advantage, say
    elif bool(torch.isfinite(total).all()) and float(rows.detach().max()) > 0.01:
        away = float(total.exp().mean())
        said = f"the exponentials of a row sum to {away:.3g}, not to 1"
        layer = _last_layer(observer, rows)
        watch.say("nll-on-logits", f"{said}.", layer=layer, number=away, bound=1)


def _bce(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    given_to, target = watch.keep("bce", given)
    layer = _last_layer(observer, given_to)
    _broadcast(watch, given_to, target, layer)
    _in_unit_interval(target, layer)
    low, high = float(given_to.detach().min()), float(given_to.detach().max())
    if low < 0 or high > 1:
        said = f"binary cross-entropy is given outputs from {low:.3g} to {high:.3g}"
        raise Unfit(finding("bce-on-logits", f"{said}.", layer, number=max(-low, high), bound=1))
    _one_unit(watch, observer, given_to, layer)


def _bce_with_logits(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    logits, target = watch.keep("bce_with_logits", given)
    layer = _last_layer(observer, logits)
    _broadcast(watch, logits, target, layer)
    _in_unit_interval(target, layer)
    _one_unit(watch, observer, logits, layer)
    kind = observer.origin(logits).kind
    if kind in ("sigmoid", "softmax"):
        said = f"BCE-with-logits is given the outputs of a {kind}"
        watch.say("sigmoid-twice", f"{said}.", layer=layer)
    elif kind == "relu" and bool((target < 0.5).any()):
        said = "the outputs pass a ReLU before BCE-with-logits, so none can say less than 0.5"
        watch.say("output-range", f"{said}.", layer=layer, kind="ReLU")


def _in_unit_interval(target: Tensor, layer: str) -> None:
    low, high = float(target.min()), float(target.max())
    if low < 0 or high > 1:
        said = f"binary cross-entropy is given targets from {low:.3g} to {high:.3g}"
        found = finding("target-out-of-range", f"{said}.", layer, number=max(-low, high), bound=1)
        raise Unfit(found)


def _one_unit(watch: LossWatch, observer: Observer, output: Tensor, layer: str) -> None:
    if observer.origin(output).kind == "softmax" and output.dim() and output.shape[-1] == 1:
        said = "a softmax runs over one unit"
        watch.say("softmax-one-unit", f"{said}.", layer=layer, number=1, bound=2)


def _regression(
    watch: LossWatch, observer: Observer, given: dict[str, Any], watch_name: str
) -> None:
    kind = "squares" if watch_name == "mse_loss" else "regression"
    prediction, target = watch.keep(kind, given)
    layer = _last_layer(observer, prediction)
    _broadcast(watch, prediction, target, layer)
    _range(watch, observer, prediction, target, layer)
    _one_unit(watch, observer, prediction, layer)


def _range(
    watch: LossWatch, observer: Observer, prediction: Tensor, target: Tensor, layer: str
) -> None:
    kind = observer.origin(prediction).kind.rstrip("_")
    if kind not in RANGES or target.is_complex():
        return
    low, high = RANGES[kind]
    values = target.detach().double()
    # What lies a little outside is met closely enough.
    slack = 0.05 * (1.0 if high == float("inf") else high - low)
    outside = float(((values < low - slack) | (values > high + slack)).double().mean())
    # A few outliers are met as well as can be.
    if outside > 0.02:
        least, most = float(values.min()), float(values.max())
        said = (
            f"the targets go from {least:.3g} to {most:.3g}, and a {kind} gives {low:g} to {high:g}"
        )
        watch.say(
            "output-range",
            f"{said}: {100 * outside:.3g}% of them are out of reach.",
            layer=layer,
            number=outside,
            bound=0,
            kind=kind,
        )


def _broadcast(watch: LossWatch, one: Tensor, other: Tensor, layer: str) -> None:
    if one.shape == other.shape:
        return
    try:
        together = torch.broadcast_shapes(one.shape, other.shape)
    except RuntimeError:
        return
    size = torch.Size(together).numel()
    apart = min(one.dim(), other.dim()) >= 1 and one.dim() != other.dim()
    if size > max(one.numel(), other.numel()) or (apart and size > one.numel()):
        shapes = f"{tuple(one.shape)} and {tuple(other.shape)}"
        said = f"output and target have shapes {shapes}, which makes {tuple(together)}"
        watch.say("loss-broadcast", f"{said}.", layer=layer, number=size, bound=other.numel())


def _plain_difference(watch: LossWatch, observer: Observer, args: Any) -> None:
    """Look at output - target in a loss that is written by hand."""
    if len(args) < 2 or not all(isinstance(a, Tensor) for a in args[:2]):
        return
    one, other = args[:2]
    calls = [observer.origin(tensor).call for tensor in (one, other)]
    if (calls[0] >= 0) == (calls[1] >= 0):
        return
    prediction, target = (one, other) if calls[0] >= 0 else (other, one)
    if watch.prediction is None:
        watch.kind, watch.prediction, watch.target = "by hand", prediction.detach(), target.detach()
    layer = _last_layer(observer, prediction)
    # Whoever gives both the same number of dimensions means it, as in a loss over all pairs.
    if prediction.dim() != target.dim():
        _broadcast(watch, prediction, target, layer)
    if prediction.shape == target.shape:
        _range(watch, observer, prediction, target, layer)


def _batch_norm(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    signal = given["input"]
    training = given.get("training", given.get("use_input_stats", False))
    if not training or signal.dim() < 2:
        return
    values = signal.numel() // max(signal.shape[1], 1)
    if values == 1:
        _one_value(observer, "batch norm", signal)


def _instance_norm(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    signal = given["input"]
    if given.get("use_input_stats") and signal.dim() > 2 and signal[0, 0].numel() == 1:
        _one_value(observer, "instance norm", signal)


def _layer_norm(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    if torch.Size(given["normalized_shape"]).numel() == 1:
        _one_value(observer, "layer norm", given["input"])


def _group_norm(watch: LossWatch, observer: Observer, given: dict[str, Any]) -> None:
    signal = given["input"]
    if signal.dim() >= 2 and signal[0].numel() == given["num_groups"]:
        _one_value(observer, "group norm", signal)


def _one_value(observer: Observer, kind: str, signal: Tensor) -> None:
    said = f"a {kind} has one value for each mean, with an input of shape {tuple(signal.shape)}"
    raise Unfit(finding("norm-one-value", f"{said}.", observer.place(), number=1, bound=2))


_CHECKS: dict[str, Any] = {
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    **{name: partial(_regression, watch_name=name) for name in REGRESSIONS},
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
}


def _is_distribution(rows: Tensor) -> bool:
    if rows.dim() < 2:
        return False
    rows = rows.detach().float()
    sums = rows.sum(1)
    return bool((rows >= 0).all()) and float((sums - 1).abs().max()) < 1e-3


def best_constant(watch: LossWatch, loss: float) -> float | None:
    """Return the loss of the best constant answer to the batch; None where that is not known.

    `loss` is the whole one: where it has further terms or weights, nothing is known.

    Cross-entropy: the entropy of the labels' shares; binary: that of each output; mean squares:
    the targets' variance.
    """
    target = watch.target
    if target is None or target.numel() == 0 or watch.reduction not in ("mean", "sum"):
        return None
    if not watch.explains(loss):
        return None
    value = None
    if watch.kind in ("cross_entropy", "nll") and not target.is_floating_point():
        labels = target[(target >= 0) & (target != watch.ignored)].flatten()
        shares = torch.bincount(labels).double() / max(labels.numel(), 1)
        value = float(-(shares[shares > 0] * shares[shares > 0].log()).sum())
    elif watch.kind in ("bce", "bce_with_logits"):
        p = target.double().mean(0).clamp(1e-12, 1 - 1e-12)
        value = float(-(p * p.log() + (1 - p) * (1 - p).log()).mean())
    elif watch.kind == "squares" and not target.is_complex() and target.dim():
        value = float(target.double().var(0, unbiased=False).mean())
    if value is not None and watch.reduction == "sum":
        value *= target.numel()
    return value
