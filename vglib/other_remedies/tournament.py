"""The tournament: every measure, alone and in pairs, against three nets that do not train."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import inf, isfinite, nan
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.checks import one_of
from vglib.data import Dataset, digits
from vglib.other_remedies.sick_nets import SICK_NETS, Plan, build
from vglib.results import at_its_end, result
from vglib.training import Training, fitting
from vglib.weather import one_thread

Array = NDArray[np.float64]

BATCH, LOOKS, VALIDATION, PROBE = 32, 10, 200, 128
QUICK_STEPS, FULL_STEPS = 200, 600
NOTHING = "nothing"
# What the step size of a sick net is multiplied with where a row is tuned.
FACTORS = (0.1, 1.0, 10.0)


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
_ALL = (
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
MEASURES: Mapping[str, Measure] = MappingProxyType({m.name: m for m in _ALL})
PAIRS = (
    *(("initialisation", other) for other in ("batch norm", "residual", "ReLU", "tanh")),
    *(("initialisation", other) for other in ("gradient clipping", "LSTM", "deep conv stack")),
    *(("batch norm", other) for other in ("residual", "lr × 10", "L2")),
    *(("gradient clipping", other) for other in ("lr × 10", "lr ÷ 10", "LSTM")),
    *(("residual", "gradient clipping"), ("L2", "dropout"), ("early stopping", "lr × 10")),
)


@result
class Run:
    """One training: ||delta|| of every layer at each look, and what came of it.

    `steps`: (n_looks,); `log_delta`: ln ||dL/dZ_l|| of the probe batch, (n_looks, n_layers), the
    readout last; `accuracy`: on the test images, (n_looks,). `broke_at`: the step at which the loss
    was no longer finite, None if never; `ended`: why the training ended early, or empty;
    `unstopped`: the accuracy of the same training without early stopping; `done`: whether it has
    come to its end.
    """

    steps: NDArray[np.int64]
    log_delta: Array
    accuracy: Array
    final_accuracy: float
    broke_at: int | None
    ended: str
    unstopped: float
    done: bool

    @property
    def log_ratios(self) -> Array:
        """ln of the last hidden layer's ||delta|| over the first's, at each look."""
        return self.log_delta[:, -2] - self.log_delta[:, 0]


@dataclass(frozen=True)
class Row:
    """What one run adds to the table; `ratio_*` is log10 of the last hidden layer over the first.

    `broken` is 1 where the loss became infinite or NaN, 0 elsewhere; `factor` is what the net's own
    step size was multiplied with.
    """

    net: str
    measures: tuple[str, ...]
    seed: int
    accuracy: float
    ratio_start: float
    ratio_end: float
    broken: int
    factor: float = 1.0

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

    Raises ValueError for a net or a measure that does not exist, one named twice, or two that set
    the same thing.
    """
    one_of("net", net, SICK_NETS)
    for name in measures:
        one_of("measure", name, MEASURES)
    if len(set(measures)) < len(measures):
        raise ValueError(f"{measures[0]} is chosen twice; choose two different measures.")
    changed = [key for name in measures for key in MEASURES[name].changes]
    if twice := next((key for key in changed if changed.count(key) > 1), ""):
        both = f"{' and '.join(measures)} both set the same thing ({twice})"
        raise ValueError(f"{both}; choose another pair.")
    return next((MEASURES[m].not_for[net] for m in measures if net in MEASURES[m].not_for), "")


def entries(pairs: bool) -> tuple[tuple[str, ...], ...]:
    """Return what competes: nothing, every measure alone, and with `pairs` the pairs too."""
    return ((), *((name,) for name in MEASURES), *(PAIRS if pairs else ()))


def sets_the_step(measures: Sequence[str]) -> bool:
    """Tell whether one of the measures is a step size, so that there is none to be tuned."""
    return any("lr" in MEASURES[name].changes for name in measures)


def starters(
    pairs: bool, seeds: int, factors: Sequence[float] = (1.0,)
) -> list[tuple[str, tuple[str, ...], int, float]]:
    """Return the runs of a table: net, measures, seed and factor of the step size.

    Wherever the measures mean something, and with one factor where they set the step themselves.
    """
    return [
        (net, measures, seed, factor)
        for seed in range(seeds)
        for net in SICK_NETS
        for measures in entries(pairs)
        if not why_not(net, measures)
        for factor in ((1.0,) if sets_the_step(measures) else factors)
    ]


def plan_for(net: str, measures: Sequence[str], **overrides: Any) -> Plan:
    """Return the plan of a sick net with some values set by hand, then changed by the measures.

    Raises ValueError, as `why_not` does, and where a measure means nothing for this net.
    """
    if reason := why_not(net, measures):
        raise ValueError(f"{label(measures)} does not apply to the {net} net: {reason}.")
    plan = replace(SICK_NETS[net], **overrides)
    changes = {key: value for name in measures for key, value in MEASURES[name].changes.items()}
    return replace(plan, **changes | {"lr": plan.lr * changes.get("lr", 1.0)})


def training(plan: Plan, seed: int, steps: int = QUICK_STEPS, looks: int = LOOKS) -> Iterator[Run]:
    """Train a plan's net on digits: SGD, batch 32, cross-entropy, weight decay as L2.

    w <- w - lr (g min(1, clip/||g||) + decay w). `looks` at every layer, evenly over the steps, and
    one before them; what there is by then is yielded. With patience the accuracy is in the end that
    of the look with the lowest validation loss, on 200 images that are not trained on, and what
    comes after the patience is over does not count.
    Raises ValueError where `steps` is no multiple of `looks`.
    """
    if steps < looks or steps % looks:
        raise ValueError(f"{steps} steps do not make {looks} parts; give a multiple of {looks}.")
    data, x_held_out, y_held_out = _data()
    net = build(plan, seed)
    validation: dict[int, float] = {}

    def before_step(network: nn.Module) -> None:
        if isfinite(plan.clip):
            nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        add_l2(network, plan.decay)

    options: dict[str, Any] = {"loss": F.cross_entropy, "batch": BATCH, "probe_size": PROBE}
    options |= {"record_at": steps // looks, "before_step": before_step}
    taken = fitting(net, data, lr=plan.lr, steps=steps, seed=seed, **options)
    for now in _apart(taken, seed):
        # `fitting` ends quietly at Ctrl-C; half a run must not count as one that broke.
        if "interrupted" in (now.stopped or ""):
            raise KeyboardInterrupt
        if plan.patience and now.step and not now.stopped:
            validation[now.step] = _loss(net, x_held_out, y_held_out)
        # A look counts where the training went on from it.
        losses = [v for step, v in validation.items() if step < now.step or not now.stopped]
        done = now.step == steps or now.stopped is not None
        yield _run(now, losses, plan.patience, done)


train = at_its_end(training)


def _run(now: Training, losses: Sequence[float], patience: int, done: bool) -> Run:
    seen = now.history()
    end, chosen = _stop(losses, patience) if patience and done else (None, None)
    shown = slice(None if end is None else end + 1)
    accuracy = seen.test_accuracy[shown]
    final = float(accuracy[-1 if chosen is None else chosen])
    broke_at = now.step if now.stopped and end is None else None
    ended = now.stopped or "" if end is None else "The validation loss no longer fell."
    looks = seen.steps[shown], seen.log_delta[shown], accuracy
    return Run(*looks, final, broke_at, ended, float(seen.test_accuracy[-1]), done)


def _apart(trainings: Iterator[Training], seed: int) -> Iterator[Training]:
    """Go on with a training on one thread, with torch's random state (of dropout) its own."""
    state = torch.Generator().manual_seed(seed).get_state()
    while True:
        with torch.random.fork_rng(devices=[]), one_thread():
            torch.set_rng_state(state)
            now = next(trainings, None)
            state = torch.get_rng_state()
        if now is None:
            return
        yield now


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
    net: str,
    measures: Sequence[str],
    seed: int,
    steps: int = QUICK_STEPS,
    factor: float = 1.0,
    **overrides: Any,
) -> Row:
    """Train one net with these measures, its step size times `factor`; return its row."""
    plan = plan_for(net, measures, **overrides)
    plan = replace(plan, lr=factor * plan.lr)
    # Looks take a third of the time, and only early stopping needs more than two.
    run = train(plan, seed, steps, LOOKS if plan.patience else 1)
    start, end = (float(ln / np.log(10)) for ln in run.log_ratios[[0, -1]])
    broken = int(run.broke_at is not None)
    return Row(net, tuple(measures), seed, run.final_accuracy, start, end, broken, factor)


def quick_rows(seed: int = 0, steps: int = QUICK_STEPS) -> Iterator[Row]:
    """Yield the rows of the quick table one by one: each measure alone, one seed."""
    for net, measures, *_ in starters(pairs=False, seeds=1):
        yield compete(net, measures, seed, steps)


@result
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

    @property
    def verdict(self) -> str:
        """One sentence: in how many cells a net learns, and in how many a run breaks."""
        return (
            f"Of {np.isfinite(self.accuracy).sum()} cells {(self.accuracy > 0.2).sum()} have more "
            f"than one in five of the test images right, and in {(self.broken > 0).sum()} a loss "
            "becomes infinite or NaN."
        )


def table(rows: Iterable[Row]) -> Table:
    """Collect rows, of any number of seeds, into a table; ValueError without any."""
    found = list(rows)
    if not found:
        raise ValueError("There is no row yet; run the tournament first.")
    names = tuple(dict.fromkeys(row.entry for row in found))
    nets = tuple(net for net in SICK_NETS if any(row.net == net for row in found))
    accuracy, ratio, broken = np.full((3, len(names), len(nets)), nan)
    for i, j in np.ndindex(accuracy.shape):
        if cell := [row for row in found if (row.entry, row.net) == (names[i], nets[j])]:
            accuracy[i, j] = np.median([row.accuracy for row in cell])
            # Median of what is a number: a gradient that overflowed has no ratio.
            starts = [row.ratio_start for row in cell if isfinite(row.ratio_start)]
            ratio[i, j] = np.median(starts) if starts else nan
            broken[i, j] = np.mean([row.broken for row in cell])
    return Table(names, nets, accuracy, ratio, broken)


def _data() -> tuple[Dataset, Tensor, Tensor]:
    """Return the digits without the images held out, and these."""
    whole = digits(torch.float32)
    x, y = whole.x_train, whole.y_train
    train_part = replace(whole, x_train=x[:-VALIDATION], y_train=y[:-VALIDATION])
    return train_part, x[-VALIDATION:], y[-VALIDATION:]


@torch.no_grad()
def add_l2(network: nn.Module, decay: float) -> None:
    """Add decay times the parameter to each gradient."""
    for parameter in network.parameters() if decay else ():
        if parameter.grad is not None:
            parameter.grad.add_(parameter, alpha=decay)


@one_thread()
@torch.no_grad()
def _loss(net: nn.Module, x: Tensor, y: Tensor) -> float:
    value = float(F.cross_entropy(net.eval()(x), y))
    net.train()
    return value
