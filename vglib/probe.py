"""Forward and backward through a network: what every layer's signal and gradient look like."""

from collections.abc import Callable
from math import inf, isnan, nan
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vglib.networks import MLP
from vglib.results import result
from vglib.scaled import Scaled, log_norm, norm

Loss = Callable[[Tensor, Tensor], Tensor]
Array = NDArray[np.float64]

# Outside these bounds the squares of the entries can leave float64, so they are rescaled first.
_SMALL, _LARGE = 1e-140, 1e140


@result
class Trace:
    """What one forward and one backward pass showed, layer by layer; every array is (n_layers,).

    Layers are those with weights, in order; for an MLP these are the hidden layers 1..depth and the
    readout. Z_l (batch, width) is the pre-activation, H_l = phi(Z_l) the activation, L the loss
    averaged over the batch.

    - `pre_mean`, `pre_std`, `act_std`: over all entries of Z_l and of H_l
    - `spread`: standard deviation of a unit's activation over the data, averaged over the units
    - `saturated`: share of entries with |phi'(z)| below a tenth of its maximum; nan where phi is
      not known
    - `zero`: share of entries of H_l that are exactly 0
    - `log_delta`: ln ||dL/dZ_l||, `log_weight_grad`: ln ||dL/dW_l||, `log_bias_grad`:
      ln ||dL/db_l||, all Frobenius norms; -inf for a gradient that is exactly 0, nan for one that
      does not exist
    - `weight_norm`: ||W_l||
    """

    names: tuple[str, ...]
    loss: float
    pre_mean: Array
    pre_std: Array
    act_std: Array
    spread: Array
    saturated: Array
    zero: Array
    log_delta: Array
    log_weight_grad: Array
    log_bias_grad: Array
    weight_norm: Array

    @property
    def overflow_layer(self) -> int | None:
        """The first layer, counted from 1, whose forward signal is not finite; None if all are."""
        return next((int(i) + 1 for i in np.flatnonzero(~np.isfinite(self.pre_std))), None)

    @property
    def zero_gradient_layers(self) -> tuple[int, ...]:
        """The layers, counted from 1, whose delta is exactly 0."""
        return tuple(int(i) + 1 for i in np.flatnonzero(np.isneginf(self.log_delta)))


def trace(network: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> Trace:
    """Run forward and backward once and measure every layer.

    For an `MLP` itself the backward pass is the recursion

        delta_l = phi'(Z_l) * (delta_(l+1) W_(l+1)),   dL/dW_l = delta_l^T H_(l-1)

    with delta carried as (unit array, ln of its norm), so that ln ||delta_l|| is finite at depth
    1000. Any other module is measured with hooks and autograd: its layers are the modules that own
    a weight of two or more dimensions, one entry for each call; what reaches the next layer counts
    as the activation. The module's mode, hooks and `.grad` fields are left as they were.

    `loss(output, y)` must return a scalar. Raises ValueError if it does not, or if the network has
    no layer.
    """
    if type(network) is MLP:
        return _trace_mlp(network, x, y, loss)
    return _trace_any(network, x, y, loss)


@np.errstate(over="ignore", invalid="ignore")
@torch.no_grad()
def _trace_mlp(network: MLP, x: Tensor, y: Tensor, loss: Loss) -> Trace:
    weights, biases = list(network.weights), list(network.biases)
    activations = [network.layer_activation(i) for i in range(len(weights))]
    pres: list[Tensor] = []
    acts: list[Tensor] = [x]
    for weight, bias, phi in zip(weights, biases, activations, strict=True):
        pres.append((acts[-1] @ weight.T).add_(bias))
        acts.append(phi.function(pres[-1]))
    with torch.enable_grad():
        leaf = acts[-1].detach().requires_grad_()
        value = _scalar(loss(leaf, y))
        (unit,) = torch.autograd.grad(value, leaf)

    saturated, log_delta, log_dw, log_db = np.full((4, len(weights)), nan)
    delta = Scaled(unit)
    for i in reversed(range(len(weights))):
        slope = activations[i].derivative(pres[i])
        saturated[i] = _share(activations[i].saturated(_array(slope)))
        delta, log_delta[i] = Scaled(delta.unit.mul_(slope), delta.log).measured()
        # Where the forward pass has overflowed there is no gradient to carry further down.
        if isnan(log_delta[i]):
            break
        log_dw[i] = delta.log + log_norm(delta.unit.T @ acts[i])
        log_db[i] = delta.log + log_norm(delta.unit.sum(0))
        if i:
            delta = Scaled(delta.unit @ weights[i], delta.log)
    return Trace(
        names=(*(str(i) for i in range(1, network.depth + 1)), "out"),
        loss=float(value.detach()),
        **_forward_statistics(pres, acts[1:]),
        saturated=saturated,
        log_delta=log_delta,
        log_weight_grad=log_dw,
        log_bias_grad=log_db,
        weight_norm=np.array([norm(w) for w in weights]),
    )


class _Call(NamedTuple):
    name: str
    weight: Tensor
    bias: Tensor | None
    inputs: Tensor
    output: Tensor


def _trace_any(network: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> Trace:
    calls: list[_Call] = []

    def hook_for(name: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            # With frozen parameters below it, the output would have no gradient to ask for.
            if not output.requires_grad:
                output = output.detach().requires_grad_()
            calls.append(_Call(name, module.weight, module.bias, inputs[0], output))  # type: ignore[arg-type]
            # An activation that works in place would overwrite the pre-activation.
            return output.clone()

        return hook

    handles = [module.register_forward_hook(hook_for(name)) for name, module in _layers(network)]
    try:
        with torch.enable_grad():
            output = network(x)
            if not calls:
                raise ValueError("The network has no layer with a weight matrix to measure.")
            value = _scalar(loss(output, y))
            used = [p for call in calls for p in (call.weight, call.bias) if p is not None]
            owned = {id(p): p for p in used if p.requires_grad}
            wanted = [*(c.output for c in calls), *owned.values()]
            gradients = torch.autograd.grad(value, wanted, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()

    by_parameter = dict(zip(owned, gradients[len(calls) :], strict=True))
    received = [*(c.inputs for c in calls[1:]), output]
    return Trace(
        names=_unique([c.name for c in calls]),
        loss=float(value.detach()),
        **_forward_statistics([c.output for c in calls], received),
        saturated=np.full(len(calls), nan),
        log_delta=np.array([log_norm(g) for g in gradients[: len(calls)]]),
        log_weight_grad=np.array([log_norm(by_parameter.get(id(c.weight))) for c in calls]),
        log_bias_grad=np.array([log_norm(by_parameter.get(id(c.bias))) for c in calls]),
        weight_norm=np.array([norm(c.weight) for c in calls]),
    )


def _layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    return [
        (name or type(module).__name__, module)
        for name, module in network.named_modules()
        if isinstance(weight := getattr(module, "weight", None), Tensor)
        and weight.dim() >= 2
        and hasattr(module, "bias")
    ]


def _unique(names: list[str]) -> tuple[str, ...]:
    calls = ((name, names[: i + 1].count(name)) for i, name in enumerate(names))
    return tuple(name if call == 1 else f"{name} (call {call})" for name, call in calls)


def _scalar(value: Tensor) -> Tensor:
    if shape := tuple(value.shape):
        said = f"The loss has shape {shape}"
        raise ValueError(f"{said}; it must be a scalar: average over the batch.")
    return value


def _forward_statistics(pres: list[Tensor], acts: list[Tensor]) -> dict[str, Array]:
    after = [_array(h) for h in acts]
    with np.errstate(over="ignore", invalid="ignore"):
        pre_mean, pre_std, _ = np.array([_moments(_array(z)) for z in pres]).T
        _, act_std, spread = np.array([_moments(h) for h in after]).T
    found = {"pre_mean": pre_mean, "pre_std": pre_std, "act_std": act_std, "spread": spread}
    return found | {"zero": np.array([_share(h == 0) for h in after])}


def _moments(values: Any) -> tuple[float, ...]:
    """Return mean and standard deviation over all entries, and the mean over units of the std."""
    values = values.reshape(len(values), -1)
    moments = _raw_moments(values)
    if not _SMALL < moments[1] < _LARGE:
        largest = float(abs(values).max())
        if 0 < largest < inf:
            return tuple(largest * moment for moment in _raw_moments(values / largest))
    return moments


def _raw_moments(values: Any) -> tuple[float, ...]:
    # Products with a row of ones: sums along the first axis take numpy three times as long.
    count, units = values.shape
    ones = np.ones(count) if isinstance(values, np.ndarray) else values.new_ones(count)
    unit_means = ones @ values / count
    away = values - unit_means
    # What rounding has left in the means is taken out, or it would be the floor of a small spread.
    left = ones @ away / count
    unit_vars = (ones @ (away * away) / count - left * left).clip(0.0)
    mean = unit_means.sum() / units
    between = unit_means - mean
    variance = (unit_vars.sum() + between @ between) / units
    return float(mean), float(variance**0.5), float((unit_vars**0.5).sum() / units)


def _array(tensor: Tensor) -> Any:
    # Off the processor the numbers stay where they live, and are reduced there.
    values = tensor.detach().double()
    return values.numpy() if values.device.type == "cpu" else values


def _share(mask: Any) -> float:
    return float(mask.sum()) / len(mask.reshape(-1))
