"""Drawings of chapter 10, for its labs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vglib import figures
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, STEP, Curve, Drawing, Panel
from vglib.other_remedies.bowl import BOWL_STEPS, Bowl
from vglib.other_remedies.descent import Course
from vglib.other_remedies.first_step import Updates
from vglib.other_remedies.rbm import KS, Learning
from vglib.other_remedies.reach import Reach
from vglib.other_remedies.scaling import SCALED_STEPS, Rescaled
from vglib.other_remedies.schedules import Scheduled
from vglib.other_remedies.stages import Pretraining
from vglib.other_remedies.tournament import LOOKS, Table
from vglib.other_remedies.trial import Trial

RIGHT = "test images right (%)"
BARE: dict[str, Any] = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}

# Pretraining


def draw_pretraining(result: Pretraining) -> Drawing:
    """Draw gradient and spread of each layer, the accuracy of fine-tuning, and pictures."""
    depth = result.start.depth
    layers = np.arange(1, depth + 1)
    drawn: dict[str, Any] = {"role": figures.ASIDE, "style": {"line": {"dash": "dot"}}}
    before = [
        Curve("gradient as drawn", layers, result.plain_log_delta, GREY, **drawn),
        Curve("spread as drawn", layers, result.plain_spread, PINK, scale="log", **drawn),
        Curve("gradient", layers, result.log_delta, BLUE),
        Curve("spread of h", layers, result.spread, ORANGE, scale="log"),
    ]
    right = Curve("test accuracy", result.epochs, 100 * result.accuracy, BLUE)
    tuning = [right, figures.level("guessing", 10, (0, result.epochs[-1]))]
    names, ends = ["image", *map(str, layers)], (0, max(1, result.epochs[-1]))
    return figures.panels(
        [
            Panel("before: ‖∂L/∂z‖ and spread of h", before, scale="ln"),
            Panel(RIGHT, tuning, "epoch on the labels", x_range=ends, y_range=(0, 100)),
            _pictures("rebuilt from layer", result.pictures, "six training images", names),
        ],
        shares=(31, 24, 31),
    )


def _pictures(title: str, pictures: np.ndarray, x_title: str, names: Sequence[str] = ()) -> Panel:
    """Lay pictures (rows, columns, side, side) out on a sheet, with the names of its rows."""
    rows, columns, side, _ = pictures.shape
    framed = np.full((rows, columns, side + 1, side + 1), np.nan)
    framed[..., :side, :side] = pictures
    sheet = framed.swapaxes(1, 2).reshape(rows * (side + 1), columns * (side + 1))[:-1, :-1]
    middles = np.arange(rows) * (side + 1) + (side - 1) / 2
    ink = figures.Heat(sheet, 0.0, 1.0, colors=figures.INK, hover="ink %{z:.2f}")
    return Panel(
        title,
        [ink],
        x_title,
        x_range=(0, sheet.shape[1] - 1),
        y_range=(len(sheet) - 0.5, -0.5),
        y_ticks=dict(zip(middles, names, strict=False)),
        x_axis=BARE,
        y_axis={"showgrid": False, "zeroline": False} if names else BARE,
    )


def draw_learning(result: Learning) -> Drawing:
    """Draw the likelihood over the steps, the error of CD-k over k, and the likeliest pictures."""

    def missed(name: str, errors: np.ndarray, color: str, role: str = figures.MEASURED) -> Curve:
        # What is left below is rounding.
        return Curve(name, KS, np.where(errors > 1e-12, errors, np.nan), color, role)

    likelihood = [
        Curve("by CD-k", result.steps, result.by_contrast, BLUE, mode="lines"),
        Curve("by the true gradient", result.steps, result.by_exact, GREEN),
        figures.level("no model has more", result.ceiling, (0, result.steps[-1])),
    ]
    errors = [
        missed("at the start", result.start_errors, ORANGE),
        missed("at the end" if result.done else "so far", result.end_errors, BLUE),
        missed("|λ₂|ᵏ", result.theory, PINK, figures.THEORY),
    ]
    k_steps = "k, steps of sampling"
    low = -13 if np.nanmin(result.by_contrast) < -8 else -8
    share = f"the data's 14 have {result.mass:.0%}"
    pictures = 0.15 + 0.85 * result.likeliest.reshape(4, 4, 3, 3)
    return figures.panels(
        [
            Panel("log likelihood of an image (nats)", likelihood, STEP, y_range=(low, -2)),
            Panel("what CD-k misses of the gradient", errors, k_steps, "log", y_range=(-6, 1)),
            _pictures("its 16 likeliest images", pictures, share),
        ],
        shares=(31, 27, 23),
    )


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
    return figures.panels(
        [
            Panel("gradient ‖∂L/∂W‖ and step ‖ΔW‖", step, x_title, "ln"),
            Panel("part that knows whose label is whose", part, x_title, "ln"),
        ]
    )


def draw_reach(result: Reach) -> Drawing:
    """Draw loss and spread of the last hidden layer over the steps of both trainings."""
    pairs = [
        ("SGD", result.runs["SGD"], ORANGE),
        ("the other rule", result.runs[result.optimiser], BLUE),
    ]
    count, ends = result.steps // 10, (0, result.steps)

    def of_ten(values: np.ndarray) -> np.ndarray:
        return values[: 10 * count].reshape(count, 10).mean(1)

    losses = [
        Curve(name, 10 * np.arange(count) + 5, of_ten(run.losses), color, mode="lines")
        for name, run, color in pairs
    ]
    losses.append(figures.level("guessing", np.log(10), ends))
    spreads = [Curve(name, run.looks, run.probes, color) for name, run, color in pairs]
    of_loss = "loss (cross-entropy), mean of ten steps"
    of_spread = "spread of the last hidden layer over the data"
    return figures.panels(
        [
            Panel(of_loss, losses, STEP, x_range=ends, y_range=(0, 3)),
            Panel(of_spread, spreads, STEP, "ln", x_range=ends),
        ]
    )


def draw_schedule(result: Scheduled) -> Drawing:
    """Draw loss, step size with the stability limit, and gradient norm of both runs."""
    runs = (("constant", result.constant, ORANGE), ("scheduled", result.scheduled, BLUE))
    total = len(result.scheduled.losses)

    def over_steps(take: Callable[[Course], np.ndarray]) -> list[Curve]:
        steps = np.arange(total)
        return [Curve(name, steps, take(run), color, mode="lines") for name, run, color in runs]

    losses = over_steps(lambda run: run.losses)
    sizes = over_steps(lambda run: np.maximum(run.lrs, 1e-4))
    norms = over_steps(lambda run: run.norms)
    limits = np.clip(result.scheduled.probes, 1e-12, 1e3)
    limit = Curve("limit 2/λ", result.scheduled.looks, limits, PINK, figures.ASIDE)
    shape: dict[str, Any] = {"x_title": STEP, "scale": "log", "x_range": (0, total)}
    return figures.panels(
        [
            Panel("loss (cross-entropy)", losses, y_range=(-3, 4), clip=True, **shape),
            Panel("step size", [*sizes, limit], y_range=(-4, 1), **shape),
            Panel("norm of the gradient", norms, y_range=(-3, 5), clip=True, **shape),
        ]
    )


def draw_bowl(result: Bowl) -> Drawing:
    """Draw the bowl of the linear fit with the descent in it, and the loss over the steps."""
    goal = result.goal
    half = 1.25 * max(1e-9, float(np.abs(goal).max()))
    low, high = goal - half, goal + half
    steps, ends = np.arange(BOWL_STEPS + 1), (0, BOWL_STEPS)

    def inside(name: str, points: np.ndarray, color: str, **options: Any) -> Curve:
        within = np.all((points >= low) & (points <= high), axis=1)
        x, y = np.where(within, points.T, np.nan)
        return Curve(name, x, y, color, **options)

    thin, small = {"line": {"width": 1}}, {"marker": {"size": 4}}
    bowl = [
        inside("equal loss", result.rings, GREY, role=figures.ASIDE, mode="lines", style=thin),
        inside("descent", result.path, BLUE, mode="lines+markers", style=small),
        figures.mark("goal", goal[0], goal[1], GREEN, 12),
    ]
    losses = [
        # Far below the panel a loss is 0 as good as exactly.
        Curve("descent", steps, np.maximum(result.losses, 1e-8), BLUE, mode="lines"),
        figures.theory("theory", steps, np.maximum(result.theory, 1e-8)),
    ]
    w_range, b_range = zip(low, high, strict=True)
    return figures.panels(
        [
            Panel("bias b", bowl, "weight w", x_range=w_range, y_range=b_range),
            Panel("loss", losses, STEP, "log", x_range=ends, y_range=(-8, 4), clip=True),
        ],
        height=430,
    )


def draw_scaled(result: Rescaled) -> Drawing:
    """Draw gradient and saturation of each layer, and the loss, beside those on standard data."""
    layers, steps = np.arange(1, result.depth + 2), np.arange(SCALED_STEPS + 1)

    def both(x: np.ndarray, values: np.ndarray, mode: str | None = None) -> list[Curve]:
        names = (("standard data", GREY), ("your data", BLUE))
        rows = zip(names, values[::-1], strict=True)
        return [Curve(name, x, row, color, mode=mode) for (name, color), row in rows]

    losses = both(steps, np.clip(result.losses, 1e-3, 1e8), "lines")
    saturated = both(layers[:-1], 100 * result.saturated)
    relative, ends = "loss / loss of the mean label", (0, SCALED_STEPS)
    mean_label = figures.level("the mean label", 1, ends, ORANGE)
    return figures.panels(
        [
            Panel(figures.DELTA, both(layers, result.log_delta), "layer, readout last", "ln"),
            Panel("saturated (ReLU: off), %", saturated, "layer", y_range=(-3, 103)),
            Panel(relative, [*losses, mean_label], STEP, "log", x_range=ends, y_range=(-2, 4)),
        ]
    )


# The tournament


def draw_table(table: Table) -> Drawing:
    """Draw accuracy, gradient ratio and share of NaN, measures by nets, each with its number."""
    ratio, share, full = np.round(table.ratio, 1) + 0.0, figures.SEQUENTIAL, (0, 100)
    blocks = [
        (RIGHT, 100 * table.accuracy, full, share, ".0f"),
        ("log₁₀ ‖∂L/∂z‖, last / first", ratio, (-8, 8), figures.DIVERGING, "+.1f"),
        ("runs that end in NaN (%)", 100 * table.broken, full, share, ".0f"),
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
    bare = {"showgrid": False, "zeroline": False}
    panel = Panel(
        "",
        heats,
        "white: does not apply",
        x_range=(-0.5, x[-1] + 0.5),
        y_range=(rows - 0.5, -0.5),
        x_ticks=nets,
        x_axis={"tickangle": 0, **bare},
        # The names of the measures need room.
        y_axis={"automargin": True, **bare},
        notes=titles,
    )
    return figures.panels([panel], height=150 + 25 * rows)


def draw_trial(result: Trial) -> Drawing:
    """Draw each layer's gradient before, half way and after, and the accuracy over the steps."""
    run, none = result.run, np.full_like(result.run.log_delta[0], np.nan)
    half = (len(run.steps) if run.done else LOOKS + 1) // 2
    looks = {
        "before training": (run.log_delta[0], GREY),
        "half way": (run.log_delta[half] if half < len(run.steps) else none, PINK),
        "at the end" if run.done else "so far": (run.log_delta[-1], BLUE),
    }
    layers = np.arange(1, len(none))
    gradients = [Curve(name, layers, row[:-1], color) for name, (row, color) in looks.items()]
    ends = (0, result.planned)
    right = Curve("accuracy", run.steps, 100 * run.accuracy, GREEN)
    accuracy = [right, figures.level("guessing", 10, ends)]
    return figures.panels(
        [
            Panel(figures.DELTA, gradients, "layer, or time step (1 is nearest the input)", "ln"),
            Panel(RIGHT, accuracy, STEP, x_range=ends, y_range=(0, 100)),
        ]
    )
