"""The tournament: every measure, alone and in pairs, against three nets that do not train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from math import inf, isfinite, nan
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.data import Dataset, digits
from vglib.losses import quadratic
from vglib.networks import mlp, stream
from vglib.other_remedies.sick_nets import SICK_NETS, Plan, build
from vglib.probe import power_of_ten, trace
from vglib.training import fit, one_thread

Array = NDArray[np.float64]

BATCH, LOOKS, VALIDATION, PROBE = 32, 10, 200, 128
QUICK_STEPS, FULL_STEPS = 200, 600
NOTHING = "nothing"


@dataclass(frozen=True)
class Measure:
    """One thing to try: what it changes in a plan, and the nets for which it means nothing.

    `number` is its place among the nine measures of an article of 2023, `acts_on` what it changes
    in a word or two. In `changes` "lr" is a factor. `not_for` maps a sick net to the reason.
    """

    name: str
    number: int
    acts_on: str
    changes: Mapping[str, Any]
    not_for: Mapping[str, str] = field(default_factory=dict)


_NO_PICTURE = {"recurrent": "it reads the pixels one after the other, so there is no picture"}
_HAS_RELU = dict.fromkeys(("deep ReLU", "recurrent"), "it has ReLU already")
_NO_TIME = dict.fromkeys(("deep sigmoid", "deep ReLU"), "it has no time steps")
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        m.name: m
        for m in (
            Measure("gradient clipping", 1, "the step", {"clip": 1.0}),
            Measure("early stopping", 2, "when to stop", {"patience": 3}),
            Measure("tanh", 3, "the gradient", {"activation": "tanh"}),
            Measure("ReLU", 3, "the gradient", {"activation": "relu"}, _HAS_RELU),
            Measure("batch norm", 4, "the gradient", {"batch_norm": True}),
            Measure("lr × 10", 5, "the step", {"lr": 10.0}),
            Measure("lr ÷ 10", 5, "the step", {"lr": 0.1}),
            Measure("initialisation", 6, "the gradient", {"init": "good", "weight_scale": 1.0}),
            Measure("L2", 7, "the loss", {"decay": 1e-3}),
            Measure("dropout", 8, "noise", {"dropout": 0.2}),
            Measure("residual", 9, "the gradient", {"residual": True}),
            Measure("small conv stack", 9, "the gradient", {"shape": "small stack"}, _NO_PICTURE),
            Measure("deep conv stack", 9, "the gradient", {"shape": "deep stack"}, _NO_PICTURE),
            Measure("LSTM", 9, "the gradient", {"shape": "lstm"}, _NO_TIME),
        )
    }
)
PAIRS = (
    ("initialisation", "batch norm"),
    ("initialisation", "residual"),
    ("initialisation", "ReLU"),
    ("initialisation", "tanh"),
    ("initialisation", "gradient clipping"),
    ("initialisation", "LSTM"),
    ("initialisation", "deep conv stack"),
    ("batch norm", "residual"),
    ("batch norm", "lr × 10"),
    ("batch norm", "L2"),
    ("gradient clipping", "lr × 10"),
    ("gradient clipping", "lr ÷ 10"),
    ("gradient clipping", "LSTM"),
    ("residual", "gradient clipping"),
    ("L2", "dropout"),
    ("early stopping", "lr × 10"),
)


@dataclass(frozen=True, eq=False)
class Run:
    """One training: ||delta|| of every layer at each look, and what came of it.

    `steps`: (n_looks,); `log_delta`: ln ||dL/dZ_l|| of the probe batch, (n_looks, n_layers), the
    readout last; `accuracy`: on the test images, (n_looks,). `broke_at`: the step at which the loss
    was no longer finite, None if never; `ended`: why the training ended early, or empty;
    `unstopped`: the accuracy of the same training without early stopping.
    """

    steps: NDArray[np.int64]
    log_delta: Array
    accuracy: Array
    final_accuracy: float
    broke_at: int | None
    ended: str
    unstopped: float

    @property
    def log_ratios(self) -> Array:
        """ln of the last hidden layer's ||delta|| over the first's, at each look."""
        return self.log_delta[:, -2] - self.log_delta[:, 0]


@dataclass(frozen=True)
class Row:
    """What one run adds to the table; `ratio_*` is log10 of the last hidden layer over the first.

    `broken` is 1 where the loss became infinite or NaN, 0 elsewhere; its mean over the seeds is the
    share of NaN.
    """

    net: str
    measures: tuple[str, ...]
    seed: int
    accuracy: float
    ratio_start: float
    ratio_end: float
    broken: int

    @property
    def entry(self) -> str:
        """The measures in a few words."""
        return label(self.measures)

    def record(self) -> dict[str, Any]:
        """Give the row as plain values, fit for JSON."""
        return asdict(self) | {"measures": list(self.measures)}


def label(measures: Sequence[str]) -> str:
    """Name a choice of measures: "L2 + dropout", or "nothing"."""
    return " + ".join(measures) if measures else NOTHING


def why_not(net: str, measures: Sequence[str]) -> str:
    """Return why these measures mean nothing for this net, or "" where they do.

    Raises ValueError for a net or a measure that does not exist, or one named twice.
    """
    if net not in SICK_NETS:
        raise ValueError(f"There is no net called {net!r}; choose from {', '.join(SICK_NETS)}.")
    for name in measures:
        if name not in MEASURES:
            raise ValueError(
                f"There is no measure called {name!r}; choose from {', '.join(MEASURES)}."
            )
    if len(set(measures)) < len(measures):
        raise ValueError(f"{measures[0]} is chosen twice; choose two different measures.")
    changed = [key for name in measures for key in MEASURES[name].changes]
    if twice := next((key for key in changed if changed.count(key) > 1), ""):
        raise ValueError(
            f"{' and '.join(measures)} both set the same thing ({twice}); choose another pair."
        )
    return next((MEASURES[m].not_for[net] for m in measures if net in MEASURES[m].not_for), "")


def entries(pairs: bool) -> tuple[tuple[str, ...], ...]:
    """Return what competes: nothing, every measure alone, and with `pairs` the pairs too."""
    return ((), *((name,) for name in MEASURES), *(PAIRS if pairs else ()))


def starters(pairs: bool, seeds: int) -> list[tuple[str, tuple[str, ...], int]]:
    """Return the runs of a table: net, measures and seed, wherever the measures mean something."""
    return [
        (net, measures, seed)
        for seed in range(seeds)
        for net in SICK_NETS
        for measures in entries(pairs)
        if not why_not(net, measures)
    ]


def plan_for(net: str, measures: Sequence[str], **overrides: Any) -> Plan:
    """Return the plan of a sick net with some values set by hand, then changed by the measures.

    Raises ValueError, as `why_not` does, and where a measure means nothing for this net.
    """
    if reason := why_not(net, measures):
        raise ValueError(f"{label(measures)} does not apply to the {net} net: {reason}.")
    plan = replace(SICK_NETS[net], **overrides)
    for name in measures:
        changes = dict(MEASURES[name].changes)
        if "lr" in changes:
            changes["lr"] *= plan.lr
        plan = replace(plan, **changes)
    return plan


def train(plan: Plan, seed: int, steps: int = QUICK_STEPS, looks: int = LOOKS) -> Run:
    """Train a plan's net on digits: SGD, batch 32, cross-entropy, weight decay as L2.

    w <- w - lr (g min(1, clip/||g||) + decay w). `looks` at every layer, evenly over the steps, and
    one before them. With patience the accuracy is that of the look with the lowest validation loss,
    on 200 images that are not trained on, and what comes after the patience is over does not count.
    Raises ValueError where `steps` is no multiple of `looks`.
    """
    if steps < looks or steps % looks:
        raise ValueError(f"{steps} steps do not make {looks} parts; give a multiple of {looks}.")
    data, x_held_out, y_held_out = _data()
    net = build(plan, seed)
    every, step, validation = steps // looks, 0, []

    def before_step(network: nn.Module) -> None:
        nonlocal step
        if plan.patience and step and step % every == 0:
            validation.append(_loss(network, x_held_out, y_held_out))
        if isfinite(plan.clip):
            nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        _add_l2(network, plan.decay)
        step += 1

    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)  # of dropout
        seen = fit(
            net,
            data,
            loss=F.cross_entropy,
            lr=plan.lr,
            batch=BATCH,
            steps=every * looks,
            record_at=every,
            probe_size=PROBE,
            seed=seed,
            progress=False,
            before_step=before_step,
        )
        if plan.patience and not seen.stopped:
            validation.append(_loss(net, x_held_out, y_held_out))
    ended = seen.stopped or ""
    # `fit` ends quietly at Ctrl-C; half a run must not count as one that broke.
    if "interrupted" in ended:
        raise KeyboardInterrupt
    last, chosen = _stop(validation, plan.patience) if plan.patience else (None, None)
    if last is not None:
        ended = "The validation loss no longer fell."
    shown = slice(None if last is None else last + 1)
    accuracy = seen.test_accuracy[shown]
    return Run(
        steps=seen.steps[shown],
        log_delta=seen.log_delta[shown],
        accuracy=accuracy,
        final_accuracy=float(accuracy[-1 if chosen is None else chosen]),
        broke_at=int(seen.steps[-1]) if seen.stopped and last is None else None,
        ended=ended,
        unstopped=float(seen.test_accuracy[-1]),
    )


def _stop(losses: Sequence[float], patience: int) -> tuple[int | None, int | None]:
    """Return the look, from 1, that ends the training, and the one with the lowest loss.

    The first is None where patience lasts to the end, the second where there is no loss.
    """
    lowest, best, waited = inf, None, 0
    for look, loss in enumerate(losses, start=1):
        waited += 1
        if loss < lowest:
            lowest, best, waited = loss, look, 0
        if waited == patience:
            return look, best
    return None, best


def compete(
    net: str, measures: Sequence[str], seed: int, steps: int = QUICK_STEPS, **overrides: Any
) -> Row:
    """Train one net with these measures and return its row of the table."""
    plan = plan_for(net, measures, **overrides)
    # Looks take a third of the time, and only early stopping needs more than two.
    run = train(plan, seed, steps, LOOKS if plan.patience else 1)
    ratios = run.log_ratios / np.log(10)
    return Row(
        net=net,
        measures=tuple(measures),
        seed=seed,
        accuracy=run.final_accuracy,
        ratio_start=float(ratios[0]),
        ratio_end=float(ratios[-1]),
        broken=int(run.broke_at is not None),
    )


def quick_rows(seed: int = 0, steps: int = QUICK_STEPS) -> Iterator[Row]:
    """Yield the rows of the quick table one by one: each measure alone, one seed."""
    for net, measures, _ in starters(pairs=False, seeds=1):
        yield compete(net, measures, seed, steps)


@dataclass(frozen=True, eq=False)
class Table:
    """Medians over the seeds: `entries` by `nets`; nan where the measures do not apply.

    `accuracy`: share of the test images; `ratio`: log10 of ||delta|| of the last hidden layer over
    the first, at the start; `broken`: share of the runs whose loss became infinite or NaN.
    """

    entries: tuple[str, ...]
    nets: tuple[str, ...]
    accuracy: Array
    ratio: Array
    broken: Array


def table(rows: Iterable[Row]) -> Table:
    """Collect rows, of any number of seeds, into a table; ValueError without any."""
    found = list(rows)
    if not found:
        raise ValueError("There is no row yet; run the tournament first.")
    names = tuple(dict.fromkeys(row.entry for row in found))
    nets = tuple(net for net in SICK_NETS if any(row.net == net for row in found))
    accuracy, ratio, broken = np.full((3, len(names), len(nets)), nan)
    for i, name in enumerate(names):
        for j, net in enumerate(nets):
            cell = [row for row in found if row.entry == name and row.net == net]
            if cell:
                accuracy[i, j] = np.median([row.accuracy for row in cell])
                # Median of what is a number: a gradient that overflowed has no ratio.
                starts = [r.ratio_start for r in cell if isfinite(r.ratio_start)]
                ratio[i, j] = np.median(starts) if starts else nan
                broken[i, j] = np.mean([row.broken for row in cell])
    return Table(names, nets, accuracy, ratio, broken)


def early_stopping_gain(net: str, seed: int) -> float:
    """Return the test accuracy with early stopping less that of the same training to its end."""
    run = train(plan_for(net, ("early stopping",)), seed)
    return run.final_accuracy - run.unstopped


@one_thread()
def l2_spread(decay: float, seed: int, steps: int = 3000) -> float:
    """Return ||delta|| of layer 4 over layer 1 of Nielsen's net after training with this L2."""
    data = _digits(torch.float32)
    options = {"init": "1/fan_in", "bias_scale": 1.0, "output": "sigmoid", "seed": seed}
    net = mlp(4, 100, dtype=torch.float32, **options)  # type: ignore[arg-type]
    seen = fit(
        net,
        data,
        loss=quadratic,
        lr=0.5,
        steps=steps,
        record_at=[],
        probe_size=300,
        seed=seed,
        progress=False,
        before_step=lambda network: _add_l2(network, decay),
    )
    last = seen.log_delta[-1]
    return float(np.exp(last[3] - last[0]))


@one_thread()
def batch_norm_explosion(weight_scale: float, seed: int) -> float:
    """Return ||delta|| of layer 1 over layer 20: ReLU with batch norm, He's weights times a scale.

    In float64, since batch norm's epsilon would show beside tiny pre-activations.
    """
    plan = Plan("relu", "he", weight_scale, 20, 100, 0.1, batch_norm=True)
    data = _digits(torch.float64)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    deltas = trace(build(plan, seed).double(), x, y, F.cross_entropy).log_delta
    return float(np.exp(deltas[0] - deltas[-2]))


@one_thread()
def first_over_last(width: int, seed: int) -> float:
    """Return ||delta|| of layer 1 over layer 10 of a tanh net with weights N(0, 1/n)."""
    net = mlp(10, width, activation="tanh", init="1/fan_in", bias_scale=0.0, seed=seed)
    data = _digits(torch.float64)
    deltas = trace(net, data.x_train[:64], data.y_train[:64], F.cross_entropy).log_delta
    return float(np.exp(deltas[0] - deltas[-2]))


@one_thread()
def overfit(seed: int) -> tuple[float, float, float]:
    """Train on 60 digits; return the training loss over its start, and both accuracies."""
    whole = _digits(torch.float32)
    rows = torch.randperm(len(whole.x_train), generator=stream(seed, 0))[:60]
    few = replace(whole, x_train=whole.x_train[rows], y_train=whole.y_train[rows])
    net = build(Plan("relu", "he", 1.0, 2, 100, 0.1), seed)
    seen = fit(
        net,
        few,
        loss=F.cross_entropy,
        lr=0.1,
        batch=20,
        steps=300,
        record_at=[],
        seed=seed,
        progress=False,
    )
    share = float(seen.losses[-1] / seen.losses[0])
    return share, float(seen.train_accuracy[-1]), float(seen.test_accuracy[-1])


# Seconds of a step for each layer, roughly; a lab takes as many steps as fit into a second.
_COST = MappingProxyType(
    {"dense": 2e-4, "recurrent": 2e-4, "lstm": 4e-4, "small stack": 8e-4, "deep stack": 8e-4}
)
_LAB_SECONDS, _LAB_STEPS = 0.7, 150


@dataclass(frozen=True, eq=False)
class Trial:
    """One cell of the table, looked at closely: the training of a sick net with its measures."""

    net: str
    measures: tuple[str, ...]
    plan: Plan
    run: Run
    planned: int

    @property
    def verdict(self) -> str:
        """What became of it, in words."""
        plan = self.plan
        who = f"{self.net}, {label(self.measures)}, depth {plan.depth}, step size {plan.lr:.2g}"
        ratio = self.run.log_ratios[0]
        start = (
            f"layer 1 starts with {power_of_ten(-ratio)} times the last hidden layer's gradient"
            if np.isfinite(ratio)
            else "the gradient overflows or dies before the first step"
        )
        if self.run.broke_at is not None:
            return f"breaks: {who}: {start}; the loss is no number at step {self.run.broke_at}."
        steps = int(self.run.steps[-1])
        end = f"{100 * self.run.final_accuracy:.0f}% of the test images after {steps} steps"
        # 10 is guessing, and 360 images scatter by two points around it.
        word = "does not learn" if self.run.final_accuracy < 0.2 else "learns"
        early = f" ({self.run.ended[:-1].lower()})" if self.run.ended else ""
        return f"{word}: {who}: {start}; {end}{early}."


def trial(
    net: str = "deep sigmoid",
    first: str = NOTHING,
    second: str = NOTHING,
    depth: int = 10,
    weight_scale: float = 1.0,
    lr_factor: float = 1.0,
    seed: int = 0,
) -> Trial:
    """Train a sick net of this depth with up to two measures, in about a second.

    `weight_scale` multiplies the weights that the net, or the measure, starts from, and `lr_factor`
    the step size. Raises ValueError where a measure means nothing for the net, or two set the same
    thing.
    """
    measures = tuple(name for name in (first, second) if name != NOTHING)
    plan = plan_for(net, measures, depth=depth)
    scaled = plan.weight_scale * weight_scale
    plan = replace(plan, weight_scale=scaled, lr=plan.lr * lr_factor)
    layers = 2 if plan.shape == "small stack" else depth
    fits = int(_LAB_SECONDS / (_COST[plan.shape] * layers))
    steps = LOOKS * (min(_LAB_STEPS, max(fits, 30)) // LOOKS)
    return Trial(net, measures, plan, train(plan, seed, steps), steps)


@lru_cache(maxsize=2)
def _digits(dtype: torch.dtype) -> Dataset:
    return digits(dtype)


@lru_cache(maxsize=1)
def _data() -> tuple[Dataset, Tensor, Tensor]:
    whole = _digits(torch.float32)
    x, y = whole.x_train, whole.y_train
    train_part = replace(whole, x_train=x[:-VALIDATION], y_train=y[:-VALIDATION])
    return train_part, x[-VALIDATION:], y[-VALIDATION:]


@torch.no_grad()
def _add_l2(network: nn.Module, decay: float) -> None:
    for parameter in network.parameters() if decay else ():
        if parameter.grad is not None:
            parameter.grad.add_(parameter, alpha=decay)


@torch.no_grad()
def _loss(net: nn.Module, x: Tensor, y: Tensor) -> float:
    training = net.training
    value = float(F.cross_entropy(net.eval()(x), y))
    net.train(training)
    return value
