"""A closer look at a few rows: units dead or flat, examples that have become alike, time."""

from math import log
from typing import Any

import torch
from torch import Tensor

from vglib.activations import ACTIVATIONS
from vglib.doctor.operators import RECURRENT, Call, Observer, Origin, rms

# Where |phi'| falls below a tenth of its maximum, as a share of the slope's formula in phi itself.
_FLAT = {
    "sigmoid": lambda out: out * (1 - out) < 0.025,
    "hardsigmoid": lambda out: (out <= 0) | (out >= 1),
    "tanh": lambda out: 1 - out * out < 0.1,
    "hardtanh": lambda out: out.abs() >= 1,
    "softsign": lambda out: (1 - out.abs()) ** 2 < 0.1,
}
_DIES = ("relu", "relu6", "hardtanh", "clamp_min", "threshold")


class CloserObserver(Observer):
    """An observer that measures each nonlinearity and how alike the examples have become.

    It adds to `Call.known`: `dead`, the share of units that are 0 for all rows; `saturated`, the
    share of entries with |phi'| below a tenth of its maximum; `slope2`, E phi'(z)^2; `chi`,
    fan_in var(W) E phi'(z)^2; `alike`, the mean correlation between rows; `in_time`, for a
    recurrent net the gradient by its input at each step; `entropy`, that of an attention's weights
    over ln T.
    """

    def __init__(self, *arguments: Any, rows: int = 0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.rows = rows
        self.parameters = dict(self._model.named_parameters())
        self.entropies: list[tuple[str, float]] = []
        self.watchers.append(_attention)

    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let a call through; a recurrent one with an input whose gradient can be asked for."""
        name = getattr(func, "__name__", "")
        if name in RECURRENT and len(args) >= 3 and isinstance(args[0], Tensor):
            args = (self._asked_in_time(args), *args[1:])
        return super().__torch_function__(func, types_, args, kwargs)

    def _asked_in_time(self, args: Any) -> Tensor:
        signal = args[0]
        if signal.dim() != 3 or not isinstance(args[-1], bool) or not torch.is_grad_enabled():
            return signal
        origin = self.origin(signal)
        asked = signal.view_as(signal) if signal.requires_grad else signal.detach().requires_grad_()
        self._keep(asked, Origin(call=origin.call, kind=origin.kind, inputs=origin.inputs))
        time = 1 if args[-1] else 0
        index = len(self.calls)

        def hook(gradient: Tensor) -> None:
            others = [d for d in range(3) if d != time]
            sizes = torch.linalg.vector_norm(gradient.double(), dim=others)
            if index < len(self.calls):
                self.calls[index].known["in_time"] = sizes.detach().cpu().numpy()

        asked.register_hook(hook)
        return asked

    def note(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """Note an operation; of an attention written out, how wide it looks."""
        super().note(name, args, kwargs, result)
        if name != "softmax" or self.phase != "forward" or not isinstance(result, Tensor):
            return
        if result.dim() >= 3 and result.shape[-1] > 1 and self.origin(result).call >= 0:
            self.entropies.append((self.place(), _entropy(result.detach().double())))

    @torch.no_grad()
    def look(self, call: Call, signals: list[tuple[Tensor, Origin]], made: list[Tensor]) -> None:
        """Measure a call as an observer does, and how alike its rows are."""
        out = made[0]
        call.signal = rms(out)
        with torch.enable_grad():
            self.await_gradient(call, out)
        if out.dim() >= 2 and len(out) == self.rows > 1 and out.is_floating_point():
            flat = torch.nan_to_num(out.detach().flatten(1).double())
            unit = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-300)
            gram = unit @ unit.T
            n = len(gram)
            call.known["alike"] = float((gram.sum() - gram.trace()) / (n * (n - 1)))
        matrices = [
            self.parameters[p]
            for p in call.parameters
            if p in self.parameters and self.parameters[p].dim() >= 2
        ]
        if len(matrices) == 1 and matrices[0].is_floating_point():
            weight = matrices[0].detach().double()
            fan_in = weight[0].numel()
            call.known["sigma_w2"] = float((weight * weight).mean()) * fan_in

    @torch.no_grad()
    def look_at_activation(self, call: Call, before: Tensor, after: Tensor) -> None:
        """Measure a nonlinearity: what is dead, what is flat, its mean squared slope."""
        name = call.activation
        if not after.is_floating_point() or not after.numel():
            return
        unit = 1 if call.operation.startswith("conv") and after.dim() > 2 else after.dim() - 1
        if name in _DIES and after.dim() >= 2:
            others = [d for d in range(after.dim()) if d != unit]
            dead = (after <= 0).all(dim=others[0]) if len(others) == 1 else _all(after <= 0, others)
            call.known["dead"] = float(dead.double().mean())
        if name in _FLAT:
            call.known["saturated"] = float(_FLAT[name](after.detach()).double().mean())
        known = ACTIVATIONS.get(name)
        if known is not None:
            # An activation that works in place has overwritten what it was given.
            slope = _slope(name, before, after)
            call.known["slope2"] = float((slope * slope).mean())
            if "sigma_w2" in call.known:
                call.known["chi"] = call.known["slope2"] * call.known["sigma_w2"]


def _slope(name: str, before: Tensor, after: Tensor) -> Tensor:
    if name == "relu":
        return (after > 0).double()
    if name == "sigmoid":
        return (after * (1 - after)).double()
    if name == "tanh":
        return (1 - after * after).double()
    return ACTIVATIONS[name].derivative(before.detach().double())


def _all(mask: Tensor, dims: list[int]) -> Tensor:
    for dim in sorted(dims, reverse=True):
        mask = mask.all(dim=dim)
    return mask


def _attention(observer: Any, func: Any, name: str, args: Any, kwargs: Any) -> None:
    """Measure how wide an attention looks: its entropy over ln T, and its logits' spread."""
    if name != "scaled_dot_product_attention" or len(args) < 2:
        return
    query, key = args[0].detach().double(), args[1].detach().double()
    if query.shape[-2] < 2 or key.shape[-2] < 2 or query.shape[-1] != key.shape[-1]:
        return
    scale = kwargs.get("scale") or query.shape[-1] ** -0.5
    logits = query @ key.transpose(-2, -1) * scale
    if kwargs.get("is_causal"):
        hidden = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
        logits = logits.masked_fill(hidden, float("-inf"))
        logits = logits[..., logits.shape[-2] // 2 :, :]
    observer.entropies.append((observer.place(), _entropy(logits.softmax(-1))))


def _entropy(weights: Tensor) -> float:
    """Return the mean entropy of attention's weights over ln T; 0 where each picks one key."""
    each = -(weights * weights.clamp_min(1e-300).log()).sum(-1)
    return float(each.mean()) / log(weights.shape[-1])
