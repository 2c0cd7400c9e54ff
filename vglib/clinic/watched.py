"""A short training on one batch, watched as the published tools watch one: a record of numbers."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from vglib.doctor.patient import tensors
from vglib.results import result

_MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# What only moves numbers about shows what came before it once more.
_SHAPES = (nn.Identity, nn.Flatten, nn.Unflatten)
_STRAIGHT = (*_SHAPES, nn.Dropout)


@result
class Watched:
    """What was seen in `steps` steps on one batch, all of it before the step was taken.

    `losses`, `accuracies`: (steps,), the latter nan where none is defined. `layers`: names of the
    weight matrices that got a gradient, in the order of the model's definition; for these
    `gradient_norms` ||g||, `gradient_means` mean |g|, `gradient_averages` mean g, `weight_means`
    and `relative_steps` lr ||g|| / ||W||: (steps, layers). `zero_gradients`: the share of entries
    of all gradients that are 0, (steps,). `outputs`: mean output of each leaf module, in the order
    of the calls, and `output_sizes` mean |output|: name -> (steps,). `inactive`: share of outputs
    <= 0 of each ReLU, `saturated`: share of abs(z) >= 5 in front of each sigmoid or tanh.
    `input_range`, `target_range`: lowest and highest value, nan where there is none.
    `image_shape`: height and width of a batch of pictures. `weight_variances`: that of each matrix
    at the end. `unbent`: matrices in an `nn.Sequential` that run into the next one without an
    activation; elsewhere an activation may be a function, which no hook sees. `endings`: the
    classes of the last two modules that were called.
    """

    losses: np.ndarray
    accuracies: np.ndarray
    layers: tuple[str, ...]
    gradient_norms: np.ndarray
    gradient_means: np.ndarray
    gradient_averages: np.ndarray
    weight_means: np.ndarray
    relative_steps: np.ndarray
    zero_gradients: np.ndarray
    outputs: Mapping[str, np.ndarray]
    output_sizes: Mapping[str, np.ndarray]
    inactive: Mapping[str, np.ndarray]
    saturated: Mapping[str, np.ndarray]
    input_range: tuple[float, float]
    input_is_float: bool
    image_shape: tuple[int, ...]
    target_range: tuple[float, float]
    target_is_float: bool
    output_range: tuple[float, float]
    weight_variances: np.ndarray
    learning_rates: tuple[float, ...]
    dropout_rates: Mapping[str, float]
    unbent: tuple[str, ...]
    endings: tuple[str, ...]


def accuracy_of(output: Any, target: Any) -> float:
    """Return the share of right answers: classes of logits, or one probability; else nan."""
    if not isinstance(output, torch.Tensor) or not isinstance(target, torch.Tensor):
        return math.nan
    if not target.is_floating_point() and output.dim() == target.dim() + 1 > 1:
        # Classes lie along axis 1, as cross_entropy wants them, or along the last.
        for axis in (1, output.dim() - 1):
            if (classes := output.argmax(axis)).shape == target.shape:
                return float((classes == target).double().mean())
    if output.shape == target.shape and bool(((target == 0) | (target == 1)).all()):
        half = 0.5 if bool(((output >= 0) & (output <= 1)).all()) else 0.0
        return float(((output > half) == (target > 0.5)).double().mean())
    return math.nan


class _Hooks:
    """Numbers of every leaf module's call, gathered while the model runs."""

    def __init__(self, model: nn.Module) -> None:
        self.outputs: dict[str, list[float]] = {}
        self.sizes: dict[str, list[float]] = {}
        self.inactive: dict[str, list[float]] = {}
        self.saturated: dict[str, list[float]] = {}
        self.order: list[tuple[str, nn.Module]] = []
        self.handles = [
            module.register_forward_hook(self._seen(name))
            for name, module in model.named_modules()
            if not any(True for _ in module.children()) and not isinstance(module, _SHAPES)
        ]

    def _seen(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            self.order.append((name, module))
            values = next(tensors(output), None)
            if values is None or not values.numel() or not values.is_floating_point():
                return
            values = values.detach()
            self.outputs.setdefault(name, []).append(float(values.double().mean()))
            self.sizes.setdefault(name, []).append(float(values.double().abs().mean()))
            if isinstance(module, nn.ReLU):
                self.inactive.setdefault(name, []).append(float((values <= 0).double().mean()))
            if isinstance(module, nn.Sigmoid | nn.Tanh):
                z = inputs[0].detach()
                share = float((z.abs() >= 5).double().mean())
                self.saturated.setdefault(name, []).append(share)

        return hook

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def _links(chain: nn.Sequential, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Give the modules of a chain in order, those of a chain inside it too."""
    for name, module in chain.named_children():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(module, nn.Sequential):
            yield from _links(module, path)
        else:
            yield path, module


def _unbent(model: nn.Module) -> tuple[str, ...]:
    """Names of the matrices in chains that run into the next one with nothing bent between."""
    found = []
    for prefix, chain in model.named_modules():
        open_name = ""
        for name, module in _links(chain, prefix) if isinstance(chain, nn.Sequential) else ():
            if isinstance(module, _MATRICES):
                found += [open_name] if open_name else []
                open_name = name
            elif not isinstance(module, _STRAIGHT):
                open_name = ""
    return tuple(dict.fromkeys(found))


def watch_training(
    model: nn.Module,
    loss_fn: Callable[..., Any],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    forward: Callable[..., Any] | None = None,
    step: Callable[..., Any] | None = None,
    steps: int = 20,
) -> Watched:
    """Train a deep copy of the model on one batch and write down what the published rules ask for.

    The arguments are those of the doctor: `forward(model, batch)` where the batch is no pair, then
    `loss_fn(output, batch)`; `step(model, optimizer, batch)` where the step is the user's own. One
    step on the batch stands for an epoch. Model, optimiser and random state stay as they are.
    Raises what the model, the loss or the step raise.
    """
    model, optimizer = copy.deepcopy((model, optimizer))
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.is_cuda})
    rows = []
    hooks = _Hooks(model)
    try:
        with torch.random.fork_rng(devices=devices):
            for _ in range(steps):
                hooks.order.clear()
                before = [weight.grad for weight in model.parameters()]
                rows.append(_look(model, loss_fn, batch, optimizer, forward))
                order = list(hooks.order)
                if step is None:
                    optimizer.step()
                else:
                    # It must find the gradients that it left, or a forgotten zero_grad is cured.
                    for weight, gradient in zip(model.parameters(), before, strict=True):
                        weight.grad = gradient
                    step(model, optimizer, batch)
                # A step of the user's own calls the model again; that call is not watched.
                for kept in (hooks.outputs, hooks.sizes, hooks.inactive, hooks.saturated):
                    for name in kept:
                        del kept[name][len(rows) :]
    finally:
        hooks.remove()
    return _record(model, optimizer, batch, rows, hooks, order)


def _look(
    model: nn.Module,
    loss_fn: Callable[..., Any],
    batch: Any,
    optimizer: torch.optim.Optimizer,
    forward: Callable[..., Any] | None,
) -> dict[str, Any]:
    """Do one forward and backward pass; its gradients are left in place of what was there."""
    model.zero_grad()
    if forward is None:
        x, target = batch
        output = model(x)
        loss = loss_fn(output, target)
    else:
        output, target = forward(model, batch), None
        loss = loss_fn(output, batch)
    if loss.requires_grad:
        loss.backward()
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    row: dict[str, Any] = {"loss": float(loss.detach())}
    row["accuracy"] = accuracy_of(output, target)
    first = next(tensors(output), torch.tensor(math.nan)).detach().double()
    row["output"] = (float(first.min()), float(first.max()))
    zeros = entries = 0
    for name, weight in model.named_parameters():
        if weight.grad is None:
            continue
        gradient = weight.grad.detach().to_dense().double()
        zeros, entries = zeros + int((gradient == 0).sum()), entries + gradient.numel()
        if weight.dim() < 2:
            continue
        values, norm = weight.detach().double(), float(gradient.norm())
        size = float(values.norm()) or math.nan
        moved = rates.get(id(weight), 0.0) * norm / size
        average = (float(gradient.mean()), float(values.mean()))
        row[name] = (norm, float(gradient.abs().mean()), *average, moved)
    row["zeros"] = zeros / entries if entries else math.nan
    return row


def _record(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    rows: list[dict[str, Any]],
    hooks: _Hooks,
    order: list[tuple[str, nn.Module]],
) -> Watched:
    """Turn the rows of all steps into arrays."""
    matrices = [name for name, weight in model.named_parameters() if weight.dim() > 1]
    layers = tuple(name for name in matrices if any(name in row for row in rows))
    missing = (math.nan,) * 5
    table = np.array([[row.get(name, missing) for name in layers] for row in rows]).reshape(
        len(rows), len(layers), 5
    )
    parts = list(tensors(batch))
    target = parts[-1] if isinstance(batch, list | tuple) and len(parts) == 2 else None
    weights = dict(model.named_parameters())

    def arrays(kept: dict[str, list[float]]) -> dict[str, np.ndarray]:
        # A module that is called several times a step keeps the calls that came first.
        return {name: np.array(values) for name, values in kept.items()}

    return Watched(
        losses=np.array([row["loss"] for row in rows]),
        accuracies=np.array([row["accuracy"] for row in rows]),
        layers=layers,
        gradient_norms=table[..., 0],
        gradient_means=table[..., 1],
        gradient_averages=table[..., 2],
        weight_means=table[..., 3],
        relative_steps=table[..., 4],
        zero_gradients=np.array([row["zeros"] for row in rows]),
        outputs=arrays(hooks.outputs),
        output_sizes=arrays(hooks.sizes),
        inactive=arrays(hooks.inactive),
        saturated=arrays(hooks.saturated),
        input_range=_range(parts[0]) if parts else (math.nan, math.nan),
        input_is_float=bool(parts) and parts[0].is_floating_point(),
        image_shape=tuple(parts[0].shape[2:]) if parts and parts[0].dim() == 4 else (),
        target_range=(math.nan, math.nan) if target is None else _range(target),
        target_is_float=target is not None and target.is_floating_point(),
        output_range=rows[0]["output"],
        weight_variances=np.array([_variance(weights[name]) for name in layers]),
        learning_rates=tuple(float(group["lr"]) for group in optimizer.param_groups),
        dropout_rates={
            name: float(module.p)
            for name, module in model.named_modules()
            if isinstance(module, nn.Dropout)
        },
        unbent=_unbent(model),
        endings=tuple(type(module).__name__ for _, module in order[-2:]),
    )


def _range(values: torch.Tensor) -> tuple[float, float]:
    """Lowest and highest value."""
    return float(values.min()), float(values.max())


def _variance(weight: torch.Tensor) -> float:
    """Variance of a matrix's entries; nan for a single one."""
    return float(weight.detach().double().var()) if weight.numel() > 1 else math.nan
