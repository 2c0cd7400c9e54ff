"""The monitor: a training that the doctor watches, and that breaks at a step of one's choice."""

from collections.abc import Iterator, Mapping
from math import isfinite
from types import MappingProxyType

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vglib.clinic.patients import examples, generator, tower
from vglib.doctor.watching import Watch, watch
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.weather import one_thread
from vglib.words import number

STEPS, ROWS, UNITS, LR, MOMENTUM = 60, 32, 32, 0.03, 0.9
# A sign is a value so many times above the most, or below the least, of so many steps before; the
# loss is an average over the batch and scatters less.
FACTOR, OF_LOSS, WINDOW, LEAST, MORE_DEAD = 4.0, 2.5, 10, 5, 0.2
BREAKS: Mapping[str, str] = MappingProxyType(
    {
        "nothing": "nothing breaks",
        "rate x 100": "the rate is 100 times as large",
        "nan in one batch": "one number of one batch is lost",
        "layer 1 frozen": "layer 1 no longer moves",
        "labels shuffled": "the labels are shuffled",
    }
)


@result
class Monitored:
    """What a training showed, step by step so far, nan beyond: (60,) or (60, layers).

    `gradient`, `ratio`: root mean square of dL/dW and ||dw|| / ||w|| of the real step, by matrix,
    the readout last; `dead`: share of units that are 0 for the whole batch, over all layers.
    `lost`: the first step and parameter whose gradient was not finite, as `watch` says it.
    """

    broken: str
    at: int
    taken: int
    loss: Array
    gradient: Array
    ratio: Array
    dead: Array
    lost: tuple[int, str] | None

    @property
    def signs(self) -> dict[str, tuple[int, str]]:
        """The first step at which each quantity leaves what it was, and how."""
        rows = {
            "the loss": self.loss[:, None],
            "the gradient": self.gradient,
            "update : weight": self.ratio,
        }
        found = {
            name: _first_sign(values[: self.taken], OF_LOSS if name == "the loss" else FACTOR)
            for name, values in rows.items()
        }
        found["dead units"] = _first_rise(self.dead[: self.taken])
        return {name: sign for name, sign in found.items() if sign is not None}

    @property
    def verdict(self) -> str:
        """One sentence: the first sign, when, and when the loss showed it."""
        told = BREAKS[self.broken]
        happens = f"{told} at step {self.at}" if self.broken != "nothing" else told
        signs = self.signs
        so_far = f", so far, after {self.taken} steps" if self.taken < STEPS else ""
        if not signs:
            last = self.loss[self.taken - 1]
            end = f"loss {number(last)} at the end" if not so_far else f"loss {number(last)}"
            return f"{happens}: no sign in {self.taken} steps, {end}{so_far}."
        first = min(step for step, _ in signs.values())
        early = "; that is before anything broke" if first < self.at else ""
        early = ", a false alarm or a sickness of its own" if told == happens else early
        shown = [f"{name} {how}" for name, (step, how) in signs.items() if step == first]
        said = f"{happens}: the first sign at step {first} ({', '.join(shown)}){early}"
        if "the loss" in signs:
            step = signs["the loss"][0]
            late = "the loss shows it at once" if step == first else f"the loss at step {step}"
            return f"{said}; {late}{so_far}."
        return f"{said}; the loss shows nothing in {self.taken} steps{so_far}."


@np.errstate(over="ignore")
def _first_sign(values: Array, factor: float) -> tuple[int, str] | None:
    """Return the first step at which a column leaves the range of the steps before, by a factor."""
    for step in range(len(values)):
        now, before = values[step], values[max(step - WINDOW, 0) : step]
        if not np.isfinite(now).all():
            return step, "is not finite"
        if len(before) < LEAST:
            continue
        up, down = now > factor * before.max(0), now < before.min(0) / factor
        if up.any():
            layer = int(np.argmax(up))
            times = now[layer] / max(float(np.median(before[:, layer])), 1e-300)
            return step, f"is {number(float(times))} times what it was{_where(values, layer)}"
        if down.any():
            layer = int(np.argmax(down))
            size = "exactly 0" if now[layer] == 0 else f"down to {number(float(now[layer]))}"
            return step, f"is {size}{_where(values, layer)}"
    return None


def _where(values: Array, layer: int) -> str:
    return f" in layer {layer + 1}" if values.shape[1] > 1 else ""


def _first_rise(dead: Array) -> tuple[int, str] | None:
    for step in range(LEAST, len(dead)):
        before = float(dead[max(step - WINDOW, 0) : step].max())
        if dead[step] > before + MORE_DEAD:
            return step, f"are {dead[step]:.0%} after {before:.0%}"
    return None


@kept(64)
def monitoring(
    what: str = "rate x 100",
    at: int = 30,
    depth: int = 4,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Iterator[Monitored]:
    """Train a ReLU net 60 steps of SGD under the doctor's watch, and break it at a step.

    The label is low, middle or high: the sum of three inputs. Batches of 32 of 256 examples, a
    rate of 0.03 and a momentum of 0.9, weights by He times `weight_scale`. Yields what there is so
    far.
    """
    model = tower(depth, "relu", "he", weight_scale, seed, width=UNITS)
    x, _ = examples(256, seed)
    total = x[:, :3].sum(1)
    y = (total > -0.75).long() + (total > 0.75).long()
    random = generator(seed + 3000)
    order = torch.randint(len(x), (STEPS, ROWS), generator=random)
    mixed = y[torch.randperm(len(y), generator=random)]
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    seen = watch(model, optimizer, every=1)
    for step in range(STEPS):
        with one_thread(), seen:
            if step == at:
                _break(what, model, optimizer)
            batch, labels = (
                x[order[step]],
                (mixed if what == "labels shuffled" and step >= at else y),
            )
            if what == "nan in one batch" and step == at:
                batch = batch.clone()
                batch[0, 0] = float("nan")
            optimizer.zero_grad()
            loss = F.cross_entropy(model(batch), labels[order[step]])
            seen.loss(loss)
            loss.backward()
            optimizer.step()
        if step in (2, STEPS - 1) or step % 10 == 9:
            yield _so_far(seen, what, at, depth)


monitor = at_its_end(monitoring)


def _break(what: str, model: nn.Sequential, optimizer: torch.optim.Optimizer) -> None:
    if what == "rate x 100":
        optimizer.param_groups[0]["lr"] *= 100
    elif what == "layer 1 frozen":
        for parameter in model[0].parameters():
            parameter.requires_grad_(False)
            parameter.grad = None


def _so_far(seen: Watch, what: str, at: int, depth: int) -> Monitored:
    matrices = [name for name, p in seen.model.named_parameters() if p.dim() >= 2]
    rows = seen.rows
    nan = float("nan")
    loss, dead = np.full((2, STEPS), nan)
    gradient, ratio = np.full((2, STEPS, depth + 1), nan)
    for step, row in enumerate(rows):
        loss[step] = row["loss"]
        shares = [value for key, value in row.items() if key.startswith("dead ")]
        dead[step] = float(np.mean(shares))
        for layer, name in enumerate(matrices):
            size = row[f"grad {name}"]
            # `watch` has nan where there is no gradient, and where a number was lost.
            gone = not isfinite(size) and row[f"ratio {name}"] == 0
            gradient[step, layer] = 0.0 if gone else size
            ratio[step, layer] = row[f"ratio {name}"]
    return Monitored(what, at, len(rows), loss, gradient, ratio, dead, seen.lost)
