"""Forward and backward through a network: what every layer's signal and gradient look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isnan, log, nan

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vglib.networks import MLP

Loss = Callable[[Tensor, Tensor], Tensor]
Array = NDArray[np.float64]

# Outside these bounds the squares of the entries can leave float64, so they are rescaled first.
_SMALL, _LARGE = 1e-140, 1e140


@dataclass(frozen=True, eq=False)
class Trace:
    """What one forward and one backward pass showed, layer by layer; every array is (n_layers,).

    Layers are those with weights, in order; for an MLP these are the hidden layers 1..depth and the
    readout. Z_l (batch, width) is the pre-activation, H_l = phi(Z_l) the activation, L the loss
    averaged over the batch.

    - `pre_mean`, `pre_std`, `act_mean`, `act_std`: over all entries of Z_l and H_l
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
    act_mean: Array
    act_std: Array
    spread: Array
    saturated: Array
    zero: Array
    log_delta: Array
    log_weight_grad: Array
    log_bias_grad: Array
    weight_norm: Array

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def delta_norm(self) -> Array:
        """||dL/dZ_l||, where float64 can hold it: exp(log_delta)."""
        return np.exp(self.log_delta)

    @property
    def weight_grad_norm(self) -> Array:
        """||dL/dW_l||, where float64 can hold it."""
        return np.exp(self.log_weight_grad)

    @property
    def bias_grad_norm(self) -> Array:
        """||dL/db_l||, where float64 can hold it."""
        return np.exp(self.log_bias_grad)

    def update_ratio(self, lr: float) -> Array:
        """Return lr ||dL/dW_l|| / ||W_l||, the relative size of one step of SGD."""
        return lr * np.exp(self.log_weight_grad - np.log(self.weight_norm))

    @property
    def nonfinite_layers(self) -> tuple[int, ...]:
        """The layers, counted from 1, whose forward signal has left the number type."""
        return tuple(int(i) + 1 for i in np.flatnonzero(~np.isfinite(self.pre_std)))

    @property
    def overflow_layer(self) -> int | None:
        """The first layer, counted from 1, whose forward signal is not finite; None if all are."""
        return next(iter(self.nonfinite_layers), None)

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
    return (
        _trace_mlp(network, x, y, loss) if type(network) is MLP else _trace_any(network, x, y, loss)
    )


def power_of_ten(ln: float) -> str:
    """Write exp(ln) also where float64 cannot hold it: "3.1e-09", "10^-633", "0"."""
    if np.isneginf(ln):
        return "0"
    if not np.isfinite(ln):
        return "not a finite number"
    exponent = ln / log(10)
    return f"{np.exp(ln):.2g}" if abs(exponent) < 300 else f"10^{exponent:.0f}"


def layer_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weight of every layer that `trace` measures, by the layer's name in `Trace.names`.

    A layer that is called more than once has one weight.
    """
    if isinstance(network, MLP):
        return dict(zip(_mlp_names(network), network.weights, strict=True))
    return {name: module.weight for name, module in _layers(network)}  # type: ignore[misc]


@torch.no_grad()
def _trace_mlp(network: MLP, x: Tensor, y: Tensor, loss: Loss) -> Trace:
    weights, biases = list(network.weights), list(network.biases)
    activations = [network.layer_activation(i) for i in range(len(weights))]
    pres: list[Tensor] = []
    acts: list[Tensor] = [x]
    for weight, bias, phi in zip(weights, biases, activations, strict=True):
        pres.append(torch.addmm(bias, acts[-1], weight.T))
        acts.append(phi.function(pres[-1]))
    value, unit = _loss_and_gradient(loss, acts[-1], y)

    saturated, log_delta, log_dw, log_db = np.full((4, len(weights)), nan)
    unit, log_norm = _normalise(unit, 0.0)
    for i in reversed(range(len(weights))):
        # Where the forward pass has overflowed there is no gradient to carry further down.
        if isnan(log_norm):
            break
        slope = activations[i].derivative(pres[i])
        saturated[i] = _share(activations[i].saturated(_array(slope)))
        unit, log_norm = _normalise(unit.mul_(slope), log_norm)
        log_delta[i] = log_norm
        log_dw[i] = log_norm + _log_norm(unit.T @ acts[i])
        log_db[i] = log_norm + _log_norm(unit.sum(0))
        if i:
            unit = unit @ weights[i]
    return Trace(
        names=_mlp_names(network),
        loss=value,
        **_forward_statistics(pres, acts[1:]),
        saturated=saturated,
        log_delta=log_delta,
        log_weight_grad=log_dw,
        log_bias_grad=log_db,
        weight_norm=_norms(weights),
    )


@dataclass(frozen=True)
class _Call:
    """One call of a layer during the forward pass."""

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
            owned = {
                id(p): p
                for c in calls
                for p in (c.weight, c.bias)
                if p is not None and p.requires_grad
            }
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
        log_delta=np.array([_log_norm(g) for g in gradients[: len(calls)]]),
        log_weight_grad=np.array([_log_norm(by_parameter.get(id(c.weight))) for c in calls]),
        log_bias_grad=np.array([_log_norm(by_parameter.get(id(c.bias))) for c in calls]),
        weight_norm=_norms([c.weight for c in calls]),
    )


def _mlp_names(network: MLP) -> tuple[str, ...]:
    return (*(str(i) for i in range(1, network.depth + 1)), "out")


def _layers(network: nn.Module) -> list[tuple[str, nn.Module]]:
    return [
        (name or type(module).__name__, module)
        for name, module in network.named_modules()
        if isinstance(weight := getattr(module, "weight", None), Tensor)
        and weight.dim() >= 2
        and hasattr(module, "bias")
    ]


def _unique(names: list[str]) -> tuple[str, ...]:
    seen = Counter[str]()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name} (call {seen[name]})")
    return tuple(out)


def _scalar(value: Tensor) -> Tensor:
    if value.dim():
        raise ValueError(
            f"The loss has shape {tuple(value.shape)}; it must be a scalar: average over the batch."
        )
    return value


def _loss_and_gradient(loss: Loss, output: Tensor, y: Tensor) -> tuple[float, Tensor]:
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        value = _scalar(loss(leaf, y))
        (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), gradient


def _forward_statistics(pres: list[Tensor], acts: list[Tensor]) -> dict[str, Array]:
    pre_mean, pre_std, _ = _moments(pres)
    act_mean, act_std, spread = _moments(acts)
    return {
        "pre_mean": pre_mean,
        "pre_std": pre_std,
        "act_mean": act_mean,
        "act_std": act_std,
        "spread": spread,
        "zero": np.array([_share(_array(h) == 0) for h in acts]),
    }


def _moments(tensors: list[Tensor]) -> tuple[Array, Array, Array]:
    """Return mean and standard deviation over all entries, and the mean over units of the std.

    A pass over each (batch, units) tensor leaves per-unit sums; the rest is done for all layers at
    once, since one call of torch.std costs as much as a layer's matrix product.
    """
    flat = [t.detach().reshape(len(t), -1).to("cpu", torch.float64) for t in tensors]
    moments = _raw_moments(flat)
    std = moments[1]
    for i in np.flatnonzero(~((std > _SMALL) & (std < _LARGE))):
        largest = float(flat[i].abs().max())
        if 0 < largest < inf:
            moments[:, i] = largest * _raw_moments([flat[i] / largest])[:, 0]
    return moments[0], moments[1], moments[2]


def _raw_moments(flat: list[Tensor]) -> Array:
    unit_means, unit_vars = [], []
    for t in flat:
        mean = t.sum(0).div_(len(t))
        unit_means.append(mean)
        unit_vars.append((t - mean).square_().sum(0).div_(len(t)))
    units = np.array([len(m) for m in unit_means])
    starts = np.concatenate([[0], np.cumsum(units)[:-1]])
    all_means, all_vars = torch.cat(unit_means).numpy(), torch.cat(unit_vars).numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.add.reduceat(all_means, starts) / units
        between = np.add.reduceat((all_means - np.repeat(mean, units)) ** 2, starts) / units
        within = np.add.reduceat(all_vars, starts) / units
        spread = np.add.reduceat(np.sqrt(all_vars), starts) / units
        return np.stack([mean, np.sqrt(within + between), spread])


def _array(tensor: Tensor) -> Array:
    return tensor.detach().to("cpu", torch.float64).numpy()


def _share(mask: NDArray[np.bool_]) -> float:
    return np.count_nonzero(mask) / mask.size


def _norms(tensors: list[Tensor]) -> Array:
    return np.array([float(torch.linalg.vector_norm(t.detach())) for t in tensors])


def _normalise(tensor: Tensor, log_norm: float) -> tuple[Tensor, float]:
    """Split c * tensor, c = exp(log_norm), into a unit array and the ln of the norm."""
    norm = float(torch.linalg.vector_norm(tensor, dtype=torch.float64))
    if not _SMALL < norm < _LARGE:
        largest = float(tensor.abs().max())
        if largest == 0:
            return tensor, -inf
        if not largest < inf:
            return torch.full_like(tensor, nan), nan
        tensor = tensor / largest
        log_norm += log(largest)
        norm = float(torch.linalg.vector_norm(tensor, dtype=torch.float64))
    return tensor / norm, log_norm + log(norm)


def _log_norm(tensor: Tensor | None) -> float:
    if tensor is None:
        return nan
    norm = float(torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64))
    return log(norm) if _SMALL < norm < _LARGE else _normalise(tensor.detach(), 0.0)[1]
