"""A training followed while it goes: norms, the real step's ratio, dead units, a lost number."""

import csv
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vglib.doctor.operators import as_number, rms
from vglib.doctor.patient import tensors, unwrapped

_DIES = (nn.ReLU, nn.ReLU6)
# A convolution's units are its channels, the second dimension; a linear layer's are the last.
_HAS_UNITS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Watch:
    """A context that follows a training and stops nothing; made by `watch`.

    `rows`: one mapping for each step that was looked at: "step", "loss" where it was told, and for
    each matrix "grad NAME" (root mean square of its gradient), "weight NAME", "ratio NAME"
    (||dp|| / ||p|| of the optimiser's real step), for each ReLU module "dead NAME" (share of its
    units that were 0 for the whole batch). `lost`: the first (step, name) whose gradient was not
    finite, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | None,
        every: int,
        file: str | Path | None,
        writer: Any,
    ) -> None:
        self.model, self.optimizer, self.every, self.writer = model, optimizer, every, writer
        self.file = None if file is None else Path(file)
        self.rows: list[dict[str, float]] = []
        self.lost: tuple[int, str] | None = None
        self.seconds = 0.0
        self.step = 0
        self._loss = float("nan")
        self._before: dict[str, Tensor] = {}
        self._dead: dict[str, Any] = {}
        self._sizes: dict[str, Any] = {}
        self._channels = False
        self._handles: list[Any] = []
        self._names = {n: p for n, p in model.named_parameters() if p.dim() >= 2}

    def __enter__(self) -> "Watch":
        for name, module in self.model.named_modules():
            if isinstance(module, _HAS_UNITS):
                self._handles.append(module.register_forward_hook(self._remember_units))
            if isinstance(module, _DIES):
                self._handles.append(module.register_forward_hook(self._alive(name)))
        if self.optimizer is not None:
            self._handles.append(self.optimizer.register_step_pre_hook(self._before_step))
            self._handles.append(self.optimizer.register_step_post_hook(self._after_step))
        return self

    def __exit__(self, *_: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._before.clear()
        if self.file is not None:
            self.save(self.file)

    def loss(self, value: Any) -> None:
        """Tell the loss of a step, a number or a tensor, before the optimiser steps or after."""
        told = float(value.detach()) if isinstance(value, Tensor) else float(value)
        last = self.rows[-1] if self.rows else None
        if last is not None and last["step"] == self.step - 1 and last["loss"] != last["loss"]:
            last["loss"] = told  # told after the step that it belongs to
        else:
            self._loss = told

    def look(self) -> None:
        """Look now, where there is no optimiser to hang on to: after backward(), once a step."""
        self._before_step()
        self._after_step()

    @property
    def _due(self) -> bool:
        return self.step % self.every == 0

    def _remember_units(self, module: nn.Module, arguments: Any, output: Any) -> None:
        self._channels = not isinstance(module, nn.Linear)

    def _alive(self, name: str) -> Any:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            if not self._due or not module.training:
                return
            start = time.perf_counter()
            out = next(tensors(output), None)
            if out is not None and out.dim() >= 2:
                unit = 1 if self._channels else out.dim() - 1
                others = [d for d in range(out.dim()) if d != unit]
                dead = out.detach().amax(dim=others) <= 0
                self._dead[name] = dead.float().mean()
            self.seconds += time.perf_counter() - start

        return hook

    @torch.no_grad()
    def _before_step(self, *_: Any) -> None:
        if not self._due:
            return
        start = time.perf_counter()
        self._sizes = {n: rms(p.grad) for n, p in self._names.items() if p.grad is not None}
        self._before = {n: p.detach().clone() for n, p in self._names.items()}
        self.seconds += time.perf_counter() - start

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        if self._due:
            start = time.perf_counter()
            self._note()
            self.seconds += time.perf_counter() - start
        self.step += 1
        self._loss = float("nan")

    def _note(self) -> None:
        row: dict[str, float] = {"step": self.step, "loss": as_number(self._loss)}
        for name, parameter in self._names.items():
            size = as_number(self._sizes.get(name))
            weight = as_number(rms(self._before[name]))
            row[f"grad {name}"], row[f"weight {name}"] = size, weight
            moved = as_number(rms(parameter.detach() - self._before[name]))
            row[f"ratio {name}"] = moved / weight if weight > 0 else float("nan")
            lost = name in self._sizes and not torch.isfinite(torch.tensor(size))
            if lost and self.lost is None:
                self.lost = (self.step, name)
        row |= {f"dead {name}": as_number(share) for name, share in self._dead.items()}
        self.rows.append(row)
        self._before = {}
        if self.writer is not None:
            for key, value in row.items():
                if key != "step":
                    self.writer.add_scalar(key.replace(" ", "/", 1), value, self.step)

    def save(self, file: str | Path) -> None:
        """Write the rows as CSV, whole or not at all."""
        path = Path(file)
        keys = list(dict.fromkeys(key for row in self.rows for key in row))
        half = path.with_name(f".{path.name}.part")
        with half.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, keys)
            table.writeheader()
            table.writerows(self.rows)
        half.replace(path)

    def figure(self) -> Any:
        """Return the figure of what was seen; ValueError where nothing was."""
        from vglib.doctor.pictures import course

        if not self.rows:
            raise ValueError("No step was seen; train inside `with watch(model, optimizer):`.")
        return course(self.rows).figure()

    def __repr__(self) -> str:
        lost = f"; at step {self.lost[0]} {self.lost[1]} lost its numbers" if self.lost else ""
        return f"{self.step} steps, {len(self.rows)} looked at{lost}."


def watch(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    every: int = 10,
    file: str | Path | None = None,
    tensorboard: Any = None,
) -> Watch:
    """Follow a training: `with watch(model, optimizer) as seen:` around the loop.

    Every so many steps of the optimiser it notes gradients, weights, the real step's ratio and dead
    units, in `seen.rows`; `seen.loss(loss)` adds the loss. `file` is a CSV that is written at the
    end; `tensorboard` a SummaryWriter, or a folder for one (then tensorboard must be installed).
    Without an optimizer call `seen.look()` after each backward().
    Raises ValueError for every < 1, and ImportError where a folder is given without tensorboard.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"every is {every}; it must be a whole number of steps, 1 or more.")
    if isinstance(tensorboard, str | Path):
        from torch.utils.tensorboard import SummaryWriter

        tensorboard = SummaryWriter(str(tensorboard))
    return Watch(unwrapped(model), optimizer, every, file, tensorboard)
