"""Drawings of chapter 10, for its labs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vglib import figures
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, STEP, Curve, Drawing, Panel
from vglib.other_remedies.bowl import BOWL_STEPS, Bowl
from vglib.other_remedies.edge import EDGE_STEPS, Edge
from vglib.other_remedies.first_step import Updates
from vglib.other_remedies.memory import AFTER, BEFORE, Jump
from vglib.other_remedies.muon import Evened, on_singular_values
from vglib.other_remedies.rbm import KS, Learning
from vglib.other_remedies.reach import Reach
from vglib.other_remedies.scaling import SCALED_STEPS, Rescaled
from vglib.other_remedies.schedules import Scheduled
from vglib.other_remedies.stages import Pretraining
from vglib.other_remedies.tournament import LOOKS, Table
from vglib.other_remedies.trial import Trial

RIGHT = "test images right (%)"
BARE: dict[str, Any] = {"showgrid": False, "zeroline": False}
EMPTY: dict[str, Any] = {**BARE, "showticklabels": False, "ticks": ""}
# Of a figure under three rows of controls, which has to fit on a slide with them and its question.
LOW = 400
TENTHS = (1e-4, 0.001, 0.01, 0.1)


def _curves(
    looks: Mapping[str, str], x: np.ndarray, rows: Iterable[np.ndarray], mode: str | None = None
) -> list[Curve]:
    pairs = zip(looks.items(), rows, strict=True)
    return [Curve(name, x, row, color, mode=mode) for (name, color), row in pairs]


def _accuracy(curve: Curve, end: float, x_title: str) -> Panel:
    content, ends = [curve, figures.level("guessing", 10, (0, end))], (0, max(1, end))
    return Panel(RIGHT, content, x_title, x_range=ends, y_range=(0, 100))


# Pretraining


def draw_pretraining(result: Pretraining) -> Drawing:
    """Draw gradient and spread of each layer, the accuracy of fine-tuning, and pictures."""
    layers = np.arange(1, result.start.depth + 1)
    drawn: dict[str, Any] = {"role": figures.ASIDE, "style": {"line": {"dash": "dot"}}}
    curves = [
        Curve("gradient as drawn", layers, result.plain_log_delta, GREY, **drawn),
        Curve("spread as drawn", layers, result.plain_spread, PINK, scale="log", **drawn),
        Curve("gradient", layers, result.log_delta, BLUE),
        Curve("spread of h", layers, result.spread, SKY, scale="log"),
    ]
    before = Panel("before: ‖∂L/∂z‖ and spread of h", curves, scale="ln")
    right = Curve("test accuracy", result.epochs, 100 * result.accuracy, GREEN)
    tuning = _accuracy(right, result.epochs[-1], "epoch on the labels")
    names = ["image", *map(str, layers)]
    rebuilt = _pictures("rebuilt from layer", result.pictures, "six training images", names)
    return figures.panels([before, tuning, rebuilt], height=LOW, shares=(31, 24, 31))


def _pictures(title: str, pictures: np.ndarray, x_title: str, names: Sequence[str] = ()) -> Panel:
    """Lay pictures (rows, columns, side, side) out on a sheet, with the names of its rows."""
    rows, columns, side, _ = pictures.shape
    framed = np.full((rows, columns, side + 1, side + 1), np.nan)
    framed[..., :side, :side] = pictures
    sheet = framed.swapaxes(1, 2).reshape(rows * (side + 1), columns * (side + 1))[:-1, :-1]
    ink = figures.Heat(sheet, 0.0, 1.0, colors=figures.INK, hover="ink %{z:.2f}")
    middles = np.arange(rows) * (side + 1) + (side - 1) / 2
    axes: dict[str, Any] = {"x_axis": EMPTY, "y_axis": BARE if names else EMPTY}
    axes |= {"x_range": (0, sheet.shape[1] - 1), "y_range": (len(sheet) - 0.5, -0.5)}
    return Panel(title, [ink], x_title, y_ticks=dict(zip(middles, names, strict=False)), **axes)


def draw_learning(result: Learning) -> Drawing:
    """Draw the likelihood over the steps, the error of CD-k over k, and the likeliest pictures."""
    likelihood = [
        Curve("by CD-k", result.steps, result.by_contrast, BLUE, mode="lines"),
        Curve("by the true gradient", result.steps, result.by_exact, GREEN),
        figures.level("no model has more", result.ceiling, (0, result.steps[-1])),
    ]
    looks = {"at the start": ORANGE, "at the end" if result.done else "so far": BLUE}
    ks, errors = np.array(KS), np.array([result.start_errors, result.end_errors, result.theory])
    # What is left below is rounding.
    *found, theory = np.where(errors > 1e-12, errors, np.nan)
    missed = [*_curves(looks, ks, found), figures.theory("|λ₂|ᵏ", ks, theory, PINK)]
    k_steps = "k, steps of sampling"
    low = -13 if np.nanmin(result.by_contrast) < -8 else -8
    likeliest = 0.15 + 0.85 * result.likeliest.reshape(4, 4, 3, 3)
    share = f"the data's 14 have {result.mass:.0%}"
    panels = [
        Panel("log likelihood of an image (nats)", likelihood, STEP, y_range=(low, -2)),
        Panel("what CD-k misses of the gradient", missed, k_steps, "log", y_range=(-6, 1)),
        _pictures("its 16 likeliest images", likeliest, share),
    ]
    return figures.panels(panels, shares=(31, 27, 23))


# The step: optimisers, schedules, scaling


def draw_step(result: Updates) -> Drawing:
    """Draw gradient and step of each layer, and what part of the gradient knows the labels."""
    layers, shuffled = np.arange(1, result.depth + 2), result.shuffled
    x_title, spread = f"{figures.LAYER}, readout last", shuffled.log_spread + np.log(2) / 2
    step = [
        Curve("gradient", layers, result.log_gradient, GREY),
        Curve("step", layers, result.log_update, BLUE),
        figures.theory("the rule without ε", layers, result.log_theory),
    ]
    part = [
        Curve("measured by shuffling", layers, shuffled.log_part, GREEN),
        figures.theory("√2 × relative spread of the input", layers, spread, PINK),
    ]
    sizes = Panel("gradient ‖∂L/∂W‖ and step ‖ΔW‖", step, x_title, "ln")
    known = Panel("part that knows whose label is whose", part, x_title, "ln")
    return figures.panels([sizes, known])


def draw_reach(result: Reach) -> Drawing:
    """Draw loss and spread of the last hidden layer over the steps of both trainings."""
    looks = {"SGD": ORANGE, "the other rule": BLUE}
    runs = result.runs["SGD"], result.runs[result.optimiser]
    count, ends = result.steps // 10, (0, result.steps)
    of_ten = [run.losses[: 10 * count].reshape(count, 10).mean(1) for run in runs]
    losses = _curves(looks, 10 * np.arange(count) + 5, of_ten, "lines")
    losses.append(figures.level("guessing", np.log(10), ends))
    loss = "loss (cross-entropy), mean of ten steps"
    spreads = _curves(looks, runs[0].looks, [run.probes for run in runs])
    spread = "spread of the last hidden layer over the data"
    panels = [
        Panel(loss, losses, STEP, x_range=ends, y_range=(0, 3)),
        Panel(spread, spreads, STEP, "ln", x_range=ends),
    ]
    return figures.panels(panels)


def draw_schedule(result: Scheduled) -> Drawing:
    """Draw loss, step size with the stability limit, and gradient norm of both runs."""
    runs, total = (result.constant, result.scheduled), len(result.scheduled.losses)
    limits = np.clip(result.scheduled.probes, 1e-12, 1e3)
    limit = Curve("limit 2/λ", result.scheduled.looks, limits, PINK, figures.ASIDE)

    def over_steps(title: str, rows: list[np.ndarray], *more: Curve, **options: Any) -> Panel:
        curves = _curves({"constant": ORANGE, "scheduled": BLUE}, np.arange(total), rows, "lines")
        return Panel(title, [*curves, *more], STEP, "log", x_range=(0, total), **options)

    losses, norms = [run.losses for run in runs], [run.norms for run in runs]
    sizes = [np.maximum(run.lrs, 1e-4) for run in runs]
    panels = [
        over_steps("loss (cross-entropy)", losses, y_range=(-3, 4), clip=True),
        over_steps("step size", sizes, limit, y_range=(-4, 1)),
        over_steps("norm of the gradient", norms, y_range=(-3, 5), clip=True),
    ]
    return figures.panels(panels)


def draw_edge(result: Edge) -> Drawing:
    """Draw the loss, and the curvature beside the 2/lr that a bowl would allow."""
    ends, first = (0, EDGE_STEPS), result.sharpness[0]
    loss = Curve("loss", np.arange(EDGE_STEPS), result.losses, mode="lines")
    curvature = Curve("curvature λ", result.looks, result.sharpness, GREEN)
    limit = figures.level("2/lr", result.limit, ends, PINK)
    top = float(max(2.2 * first, 1.3 * min(result.limit, 4 * first)))
    look: dict[str, Any] = {"x_range": ends, "clip": True}
    left = Panel("loss", [loss], STEP, "log", y_range=(-4, 3), **look)
    right = Panel("largest curvature", [curvature, limit], STEP, y_range=(0, top), **look)
    return figures.panels([left, right], height=LOW)


def draw_jump(result: Jump) -> Drawing:
    """Draw Adam's step around a jump of its gradient, and the largest such step over beta2."""
    taken = [
        Curve("Adam's step", result.at, result.steps, mode="lines"),
        figures.theory("theory", result.at, result.theory),
        figures.level("lr", 1.0, (-BEFORE, AFTER)),
    ]
    largest = [
        figures.theory("after a jump from 0", result.forgets, result.largest, PINK),
        figures.mark("here", 1 - result.beta2, result.steps[result.at > 0].max()),
    ]
    after, ends = "steps after the jump", (float(result.forgets[0]), float(result.forgets[-1]))
    left = Panel("step / lr", taken, after, "log", y_range=(-3, 2), clip=True)
    right = Panel("largest step / lr", largest, "1 - β₂", "log", True, ends, (-1, 2), True, TENTHS)
    return figures.panels([left, right], height=LOW)


def draw_evened(result: Evened) -> Drawing:
    """Draw a gradient's singular values before and after, and the curve that moves them."""
    number, x = np.arange(1, len(result.before) + 1), np.geomspace(1e-6, 1, 200)
    before = Curve("gradient", number, result.before, GREY)
    after = Curve("Muon's update", number, result.after, BLUE)
    curve = figures.theory("theory", x, on_singular_values(x, result.steps))
    pairs = Curve("Muon's update", result.before, result.after, BLUE, mode="markers")
    ticks = {1e-6: "10⁻⁶", 1e-4: "10⁻⁴", 0.01: "0.01", 1: "1"}
    look: dict[str, Any] = {"scale": "log", "y_range": (-6, 1), "clip": True}
    left = Panel("singular values", [before, after], "number, the largest first", **look)
    title = "after, over what was before"
    right = Panel(
        title, [curve, pairs], "before", x_log=True, x_range=(1e-6, 1), x_ticks=ticks, **look
    )
    return figures.panels([left, right], height=LOW)


def draw_bowl(result: Bowl) -> Drawing:
    """Draw the bowl of the linear fit with the descent in it, and the loss over the steps."""
    goal = result.goal
    half = 1.25 * max(1e-9, float(np.abs(goal).max()))
    low, high = goal - half, goal + half

    def inside(name: str, points: np.ndarray, color: str, **options: Any) -> Curve:
        within = np.all((points >= low) & (points <= high), axis=1)
        x, y = np.where(within, points.T, np.nan)
        return Curve(name, x, y, color, **options)

    thin, small = {"line": {"width": 1}}, {"marker": {"size": 4}}
    curves = [
        inside("equal loss", result.rings, GREY, role=figures.ASIDE, mode="lines", style=thin),
        inside("descent", result.path, BLUE, mode="lines+markers", style=small),
        figures.mark("goal", goal[0], goal[1], GREEN, 12),
    ]
    w_range, b_range = zip(low, high, strict=True)
    bowl = Panel("bias b", curves, "weight w", x_range=w_range, y_range=b_range)
    # Far below the panel a loss is 0 as good as exactly.
    found, theory = np.maximum([result.losses, result.theory], 1e-8)
    steps, ends = np.arange(BOWL_STEPS + 1), (0, BOWL_STEPS)
    losses = [Curve("descent", steps, found, mode="lines"), figures.theory("theory", steps, theory)]
    loss = Panel("loss", losses, STEP, "log", x_range=ends, y_range=(-8, 4), clip=True)
    return figures.panels([bowl, loss], height=430)


def draw_scaled(result: Rescaled) -> Drawing:
    """Draw gradient and saturation of each layer, and the loss, beside those on standard data."""
    looks, ends = {"standard data": GREY, "your data": BLUE}, (0, SCALED_STEPS)
    layers, steps = np.arange(1, result.depth + 2), np.arange(SCALED_STEPS + 1)
    deltas = _curves(looks, layers, result.log_delta[::-1])
    saturated = _curves(looks, layers[:-1], 100 * result.saturated[::-1])
    losses = _curves(looks, steps, np.clip(result.losses[::-1], 1e-3, 1e8), "lines")
    losses.append(figures.level("the mean label", 1, ends, ORANGE))
    relative = "loss / loss of the mean label"
    panels = [
        Panel(figures.DELTA, deltas, "layer, readout last", "ln"),
        Panel("saturated (ReLU: off), %", saturated, "layer", y_range=(-3, 103)),
        Panel(relative, losses, STEP, "log", x_range=ends, y_range=(-2, 4)),
    ]
    return figures.panels(panels, height=LOW)


# The tournament


# Not the colours of the accuracy beside it, where the same yellow means that all is well.
_LOST = ((0.0, figures.DIVERGING[1][1]), (1.0, ORANGE))


def draw_table(table: Table) -> Drawing:
    """Draw accuracy, gradient ratio and share of NaN, measures by nets, each with its number."""
    ratio, share, full = np.round(table.ratio, 1) + 0.0, figures.SEQUENTIAL, (0, 100)
    blocks = [
        (RIGHT, 100 * table.accuracy, full, share, ".0f"),
        ("log₁₀ ‖∂L/∂z‖, last / first", ratio, (-8, 8), figures.DIVERGING, "+.1f"),
        ("runs that end in NaN (%)", 100 * table.broken, full, _LOST, ".0f"),
    ]
    rows, columns = table.accuracy.shape
    above = {"y": 1, "yref": "y domain", "yanchor": "bottom", "yshift": 8, "font": {"size": 17}}
    heats, titles = [], []
    nets: dict[float, str] = {}
    for block, (title, values, ends, colors, digits) in enumerate(blocks):
        x = block * (columns + 0.3) + np.arange(columns)
        nets |= dict(zip(x, (net.replace(" ", "<br>") for net in table.nets), strict=True))
        titles.append({"text": title, "x": x[0] - 0.5, "xanchor": "left", **above})
        hover, text = f"%{{y}}, %{{text}}: %{{z:{digits}}}", {"text": [table.nets] * rows}
        heats.append(figures.Heat(values, *ends, x, table.entries, colors, (), digits, hover, text))
    axes: dict[str, Any] = {"x_range": (-0.5, x[-1] + 0.5), "y_range": (rows - 0.5, -0.5)}
    # The names of the measures need room.
    axes |= {"x_axis": {"tickangle": 0, **BARE}, "y_axis": {"automargin": True, **BARE}}
    panel = Panel("", heats, "white: does not apply", x_ticks=nets, notes=titles, **axes)
    return figures.panels([panel], height=150 + 25 * rows)


def draw_trial(result: Trial) -> Drawing:
    """Draw each layer's gradient before, half way and after, and the accuracy over the steps."""
    run = result.run
    first, final = run.log_delta[[0, -1], :-1]
    half = (len(run.steps) if run.done else LOOKS + 1) // 2
    between = run.log_delta[half, :-1] if half < len(run.steps) else np.full_like(first, np.nan)
    end = "at the end" if run.done else "so far"
    looks = {"before training": GREY, "half way": PINK, end: BLUE}
    gradients = _curves(looks, np.arange(1, len(first) + 1), [first, between, final])
    x_title = "layer, or time step (1 is nearest the input)"
    right = Curve("accuracy", run.steps, 100 * run.accuracy, GREEN)
    accuracy = _accuracy(right, result.planned, STEP)
    panels = [Panel(figures.DELTA, gradients, x_title, "ln"), accuracy]
    return figures.panels(panels, height=LOW)
