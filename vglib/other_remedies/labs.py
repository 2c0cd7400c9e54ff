"""Labs of chapter 10."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, STEP, THEORY, Curve, Panel
from vglib.lab import Lab
from vglib.other_remedies import experiments as ex
from vglib.other_remedies.experiments import Bowl, Course, Reach, Scaled, Scheduled, Updates
from vglib.other_remedies.pretraining import AFTERWARDS, INITS, METHODS, Pretraining, pretraining
from vglib.other_remedies.rbm import KS, Learning, learn
from vglib.other_remedies.sick_nets import SICK_NETS
from vglib.other_remedies.tournament import MEASURES, NOTHING, Table, Trial, trial

# Pretraining

INK = ((0.0, "#ffffff"), (1.0, "#1f1f1f"))


def draw_pretraining(result: Pretraining) -> go.Figure:
    """Draw gradient and spread of each layer, the accuracy of fine-tuning, and pictures."""
    depth = result.start.depth
    layers = np.arange(1, depth + 1)
    before = [
        Curve("gradient as drawn", layers, figures.log10(result.plain_log_delta), GREY, "another"),
        Curve("spread as drawn", layers, np.log10(result.plain_spread), PINK, "another"),
        Curve("gradient", layers, figures.log10(result.log_delta), BLUE),
        Curve("spread of h", layers, np.log10(result.spread), ORANGE),
    ]
    learning = [
        Curve("test accuracy", result.epochs, 100 * result.accuracy, BLUE),
        Curve("guessing", [0, result.epochs[-1]], [10, 10], GREY, THEORY),
    ]
    picture, ticks = _montage(result.pictures)
    drawn = figures.panels(
        [
            Panel("before: ‖∂L/∂z‖ and spread of h", before, figures.LAYER, powers=True),
            Panel(
                "test images right (%)",
                learning,
                "epoch on the labels",
                x_range=(0, max(1, result.epochs[-1])),
                y_range=(0, 100),
            ),
            Panel(
                "rebuilt from layer",
                [],
                "six training images",
                x_range=(0, picture.shape[1] - 1),
                y_range=(picture.shape[0] - 0.5, -0.5),
            ),
        ]
    )
    drawn.add_trace(_ink(picture, "3"))
    drawn.update_traces(line={"dash": "dot"}, selector={"meta": "another"})
    drawn.update_layout(
        xaxis_domain=[0, 0.31],
        xaxis2_domain=[0.38, 0.62],
        xaxis3={"domain": [0.69, 1], "showticklabels": False, "showgrid": False, "ticks": ""},
        yaxis3={
            "tickvals": ticks,
            "ticktext": ["image", *map(str, layers)],
            "showgrid": False,
            "zeroline": False,
        },
    )
    return drawn


def _montage(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay pictures (rows, columns, side, side) out with gaps; return them and the rows' middles."""
    rows, columns, side, _ = pictures.shape
    sheet = np.full((rows * (side + 1) - 1, columns * (side + 1) - 1), np.nan)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (side + 1), column * (side + 1)
            sheet[top : top + side, left : left + side] = pictures[row, column]
    return sheet, np.arange(rows) * (side + 1) + (side - 1) / 2


def _ink(picture: np.ndarray, axis: str) -> dict[str, Any]:
    return {
        "type": "heatmap",
        # A table travels as JSON, which knows no nan.
        "z": np.where(np.isnan(picture), np.array(None), picture),
        "xaxis": "x" + axis,
        "yaxis": "y" + axis,
        "zmin": 0.0,
        "zmax": 1.0,
        "colorscale": [list(stop) for stop in INK],
        "showscale": False,
        "hovertemplate": "ink %{z:.2f}<extra></extra>",
    }


def pretraining_lab() -> Lab:
    """Pretrain layer by layer, look, and fine-tune: 60 sigmoids a layer on digits."""
    plain = {
        "method": "autoencoder",
        "init": "N(0, 1/n)",
        "weight_scale": 1.0,
        "depth": 4,
        "layers": 4,
        "pretraining_epochs": 6,
        "afterwards": "keep",
        "epochs": 20,
    }
    return Lab(
        pretraining,
        draw_pretraining,
        layers=controls.ladder(
            "layers pretrained", 0, range(9), "So many, from the input on; at most all."
        ),
        epochs=controls.ladder("epochs on the labels", 20, range(41), "Of fine-tuning."),
        afterwards=controls.choice(
            "then",
            "keep",
            list(AFTERWARDS),
            "What is done to the pretrained weights before fine-tuning.",
        ),
        depth=controls.depth(4, 8),
        init=controls.choice("drawn from", "N(0, 1/n)", list(INITS), "The weights at the start."),
        weight_scale=controls.weight_scale(),
        method=controls.choice("method", "autoencoder", list(METHODS), "How a layer is trained."),
        pretraining_epochs=controls.ladder(
            "epochs of pretraining", 6, range(11), "For each layer, without labels."
        ),
        seed=controls.seed(),
        presets={
            "no pretraining": {**plain, "layers": 0},
            "one layer": {**plain, "layers": 1},
            "two layers": {**plain, "layers": 2},
            "three layers": {**plain, "layers": 3},
            "all four layers": plain,
            "4x Glorot, no pretraining": {
                **plain,
                "layers": 0,
                "init": "Glorot",
                "weight_scale": 4.0,
            },
            "pretrained, then shuffled": {**plain, "afterwards": AFTERWARDS[1], "epochs": 40},
            "pretrained, shuffled, centred": {**plain, "afterwards": AFTERWARDS[2], "epochs": 40},
            "a stack of RBMs": {**plain, "method": "RBM"},
            "eight layers": {**plain, "depth": 8, "layers": 8},
        },
    )


def draw_learning(result: Learning) -> go.Figure:
    """Draw the likelihood over the steps, the error of CD-k over k, and the likeliest pictures."""
    ends = [0, int(result.steps[-1])]
    with np.errstate(divide="ignore"):
        errors = [
            np.where(e > 1e-12, np.log10(e), np.nan)
            for e in (result.start_errors, result.end_errors, result.theory)
        ]
    picture, _ = _montage(result.likeliest.reshape(4, 4, 3, 3))
    drawn = figures.panels(
        [
            Panel(
                "log likelihood of an image (nats)",
                [
                    Curve("by CD-k", result.steps, result.by_contrast, BLUE, mode="lines"),
                    Curve("by the true gradient", result.steps, result.by_exact, GREEN),
                    Curve("no model has more", ends, [result.ceiling] * 2, GREY, THEORY),
                ],
                STEP,
                y_range=(-13, -2) if result.by_contrast.min() < -8 else (-8, -2),
            ),
            Panel(
                "what CD-k misses of the gradient",
                [
                    Curve("at the start", KS, errors[0], ORANGE),
                    Curve("at the end", KS, errors[1], BLUE),
                    Curve("|λ₂|ᵏ", KS, errors[2], PINK, THEORY),
                ],
                "k, steps of sampling",
                powers=True,
                y_range=(-6, 1),
            ),
            Panel(
                "its 16 likeliest images",
                [],
                f"the data's 14 have {100 * result.mass:.0f}%",
                x_range=(0, picture.shape[1] - 1),
                y_range=(picture.shape[0] - 0.5, -0.5),
            ),
        ]
    )
    drawn.add_trace(_ink(0.15 + 0.85 * picture, "3"))
    drawn.update_layout(
        xaxis_domain=[0, 0.31],
        xaxis2_domain=[0.39, 0.66],
        xaxis3={"domain": [0.75, 0.98], "showticklabels": False, "showgrid": False, "ticks": ""},
        yaxis3={"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""},
    )
    return drawn


def rbm_lab() -> Lab:
    """Let a small RBM learn bars and stripes, with everything counted out and nothing drawn."""
    return Lab(
        learn,
        draw_learning,
        k=controls.ladder("k", 1, KS, "Steps of sampling before the negative phase."),
        hidden=controls.ladder("hidden units", 6, range(1, 7), "There are 9 visible ones."),
        weight_scale=controls.slider(
            "weight scale", 0.1, 0.05, 20.0, tooltip="Weights start as N(0, scale²).", log=True
        ),
        seed=controls.seed(),
        presets={
            "CD-1": {"k": 1, "hidden": 6, "weight_scale": 0.1},
            "CD-10": {"k": 10, "hidden": 6, "weight_scale": 0.1},
            "one hidden unit": {"k": 1, "hidden": 1, "weight_scale": 0.1},
            "large weights: sampling stands still": {"k": 1, "hidden": 6, "weight_scale": 10.0},
        },
    )


# The step: optimisers, schedules, scaling

LAYERS = f"{figures.LAYER}, readout last"


def draw_step(result: Updates) -> go.Figure:
    """Draw gradient and step of each layer, and what part of the gradient knows the labels."""
    layers = np.arange(1, result.depth + 2)
    return figures.panels(
        [
            Panel(
                "gradient ‖∂L/∂W‖ and step ‖ΔW‖",
                [
                    Curve("gradient", layers, figures.log10(result.log_gradient), GREY),
                    Curve("step", layers, figures.log10(result.log_update), BLUE),
                    Curve(
                        "the rule without ε",
                        layers,
                        figures.log10(result.log_theory),
                        ORANGE,
                        THEORY,
                    ),
                ],
                LAYERS,
                powers=True,
            ),
            Panel(
                "part that knows whose label is whose",
                [
                    Curve("measured by shuffling", layers, figures.log10(result.log_part), GREEN),
                    Curve(
                        "√2 × relative spread of the input",
                        layers,
                        figures.log10(result.log_spread + np.log(2) / 2),
                        PINK,
                        THEORY,
                    ),
                ],
                LAYERS,
                powers=True,
            ),
        ]
    )


def step_lab() -> Lab:
    """Compare the first step of four optimisers with the gradient it came from, layer by layer."""
    sick = {"activation": "sigmoid", "weight_scale": 1.0, "lr": 0.01}
    return Lab(
        ex.updates,
        draw_step,
        optimiser=controls.choice("optimiser", "SGD", list(ex.OPTIMISERS), "Who makes the step."),
        depth=controls.depth(10, 100),
        weight_scale=controls.weight_scale(),
        activation=controls.choice(
            "activation", "sigmoid", list(ex.ACTIVATIONS), "Of the hidden layers."
        ),
        lr=controls.slider("step size", 0.01, 1e-4, 1, tooltip="The learning rate.", log=True),
        seed=controls.seed(),
        presets={
            "SGD, ten sigmoid layers": {"optimiser": "SGD", "depth": 10, **sick},
            "Adam, ten layers": {"optimiser": "Adam", "depth": 10, **sick},
            "RMSprop, ten layers": {"optimiser": "RMSprop", "depth": 10, **sick},
            "Adam, twenty layers: below ε": {"optimiser": "Adam", "depth": 20, **sick},
            "ReLU at torch's scale": {
                "optimiser": "Adam",
                "depth": 20,
                "activation": "relu",
                "weight_scale": 1.0,
            },
            "ReLU at He's scale": {
                "optimiser": "Adam",
                "depth": 20,
                "activation": "relu",
                "weight_scale": 2.45,
            },
        },
    )


def draw_reach(result: Reach) -> go.Figure:
    """Draw loss and spread of the last hidden layer over the steps of both trainings."""
    pairs = [
        ("SGD", result.runs["SGD"], ORANGE),
        ("the other rule", result.runs[result.optimiser], BLUE),
    ]
    return figures.panels(
        [
            Panel(
                "loss (cross-entropy), mean of ten steps",
                [
                    *(
                        Curve(name, *_smooth(run.losses), color, mode="lines")
                        for name, run, color in pairs
                    ),
                    Curve("guessing", [0, result.steps], [np.log(10)] * 2, GREY, THEORY),
                ],
                STEP,
                x_range=(0, result.steps),
                y_range=(0, 3),
            ),
            Panel(
                "spread of the last hidden layer over the data",
                [
                    Curve(name, run.probe_steps, figures.log10(run.probes), color)
                    for name, run, color in pairs
                ],
                STEP,
                powers=True,
                x_range=(0, result.steps),
            ),
        ]
    )


def _smooth(values: np.ndarray, window: int = 10) -> tuple[np.ndarray, np.ndarray]:
    count = max(1, len(values) // window)
    if len(values) < window:
        return np.arange(len(values)), values
    means = values[: count * window].reshape(count, window).mean(1)
    return window * np.arange(count) + window / 2, means


def reach_lab() -> Lab:
    """Train a deep sigmoid net with SGD and with Adam: how many layers does Adam carry?"""
    start = {"optimiser": "Adam", "weight_scale": 1.0, "log_eps": -8.0}
    return Lab(
        ex.reach,
        draw_reach,
        depth=controls.depth(10, 20),
        weight_scale=controls.weight_scale(),
        optimiser=controls.choice(
            "optimiser", "Adam", list(ex.OPTIMISERS[1:]), "What is compared with SGD."
        ),
        log_eps=controls.slider(
            "log₁₀ ε", -8.0, -30.0, -2.0, tooltip="Adam's and RMSprop's guard against 0.", step=1.0
        ),
        seed=controls.seed(),
        presets={
            "four layers: Adam carries": {"depth": 4, **start},
            "six layers": {"depth": 6, **start},
            "ten layers: lost": {"depth": 10, **start},
            "fifteen layers, ε = 10⁻³⁰": {"depth": 15, **start, "log_eps": -30.0},
            "ten layers, four times the scale": {"depth": 10, **start, "weight_scale": 4.0},
        },
    )


def draw_schedule(result: Scheduled) -> go.Figure:
    """Draw loss, step size with the stability limit, and gradient norm of both runs."""
    runs = (("constant", result.constant, ORANGE), ("scheduled", result.scheduled, BLUE))
    total = len(result.scheduled.losses)
    total = max(total, len(result.constant.losses))

    def over_steps(take: str, top: float, bottom: float) -> list[Curve]:
        return [
            Curve(name, *_log_curve(run, take, bottom, top), color, mode="lines")
            for name, run, color in runs
        ]

    with np.errstate(divide="ignore", invalid="ignore"):
        limits = np.clip(np.log10(result.limits), -12, 3)
    return figures.panels(
        [
            Panel(
                "loss (cross-entropy)",
                over_steps("losses", 4, -3),
                STEP,
                powers=True,
                x_range=(0, total),
                y_range=(-3, 4),
            ),
            Panel(
                "step size",
                [
                    *over_steps("lrs", 1, -4),
                    Curve("limit 2/λ", result.limit_steps, limits, PINK, "another"),
                ],
                STEP,
                powers=True,
                x_range=(0, total),
                y_range=(-4, 1),
            ),
            Panel(
                "norm of the gradient",
                over_steps("log_norms", 5, -3),
                STEP,
                powers=True,
                x_range=(0, total),
                y_range=(-3, 5),
            ),
        ]
    )


def _log_curve(run: Course, take: str, bottom: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    values = getattr(run, take)
    if take == "log_norms":
        logs = figures.log10(values)
    else:
        with np.errstate(divide="ignore"):
            logs = np.log10(values)
    return np.arange(len(values)), np.clip(logs, bottom, top)


def schedule_lab() -> Lab:
    """Train a net that a constant step size breaks, by a schedule with the same peak."""
    hot = {"depth": 6, "weight_scale": 1.5, "lr": 0.25, "optimiser": "SGD"}
    return Lab(
        ex.scheduled,
        draw_schedule,
        schedule=controls.choice(
            "schedule", "warm-up", list(ex.SCHEDULES), "How the step size goes over the training."
        ),
        lr=controls.slider("peak", 0.25, 1e-3, 1, tooltip="The largest step size.", log=True),
        warm=controls.ladder(
            "warm-up steps", 30, [*range(0, 20, 2), *range(20, 201, 10)], "Steps up to the peak."
        ),
        depth=controls.depth(6, 20),
        weight_scale=controls.weight_scale(1.5),
        optimiser=controls.choice("optimiser", "SGD", list(ex.OPTIMISERS), "Who makes the step."),
        seed=controls.seed(),
        presets={
            "warm-up saves it": {"schedule": "warm-up", "warm": 30, **hot},
            "two steps of it": {"schedule": "warm-up", "warm": 2, **hot},
            "cosine alone does not": {"schedule": "cosine", "warm": 30, **hot},
            "warm-up, then cosine": {"schedule": "warm-up, then cosine", "warm": 30, **hot},
            "He's scale needs none": {
                "schedule": "warm-up",
                "warm": 30,
                **hot,
                "weight_scale": 1.0,
            },
            "a small constant step": {"schedule": "constant", **hot, "lr": 0.025},
            "Adam": {
                "schedule": "warm-up",
                "warm": 30,
                **hot,
                "lr": 0.01,
                "optimiser": "Adam",
            },
        },
    )


def draw_bowl(result: Bowl) -> go.Figure:
    """Draw the bowl of the linear fit with the descent in it, and the loss over the steps."""
    goal, path = result.goal, result.path
    half = 1.25 * max(1e-9, float(np.abs(goal).max()))
    low, high = goal - half, goal + half
    values, vectors = np.linalg.eigh(result.hessian)
    turn = np.linspace(0, 2 * np.pi, 121)
    first = 0.5 * goal @ result.hessian @ goal
    xs, ys = [], []
    for share in (1.0, 0.3, 0.1, 0.03, 0.01):
        radii = np.sqrt(2 * share * first / values)
        ring = goal + (vectors @ (radii[:, None] * [np.cos(turn), np.sin(turn)])).T
        inside = np.all((ring >= low) & (ring <= high), axis=1)
        xs += [*np.where(inside, ring[:, 0], np.nan), np.nan]
        ys += [*np.where(inside, ring[:, 1], np.nan), np.nan]
    with np.errstate(invalid="ignore"):
        shown = np.all((path >= low) & (path <= high), axis=1)
    at = np.where(shown[:, None], path, np.nan)
    steps = np.arange(ex.BOWL_STEPS + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.clip(np.log10([result.losses, result.theory]), -8, 4)
    drawn = figures.panels(
        [
            Panel(
                "bias b",
                [
                    Curve("equal loss", xs, ys, GREY, "another", "lines"),
                    Curve("descent", at[:, 0], at[:, 1], BLUE, mode="lines+markers"),
                    Curve("goal", goal[:1], goal[1:], GREEN, "another", "markers"),
                ],
                "weight w",
                x_range=(low[0], high[0]),
                y_range=(low[1], high[1]),
            ),
            Panel(
                "loss",
                [
                    Curve("descent", steps, logs[0], BLUE, mode="lines"),
                    Curve("theory", steps, logs[1], ORANGE, THEORY),
                ],
                STEP,
                powers=True,
                x_range=(0, ex.BOWL_STEPS),
                y_range=(-8, 4),
            ),
        ],
        height=430,
    )
    drawn.update_traces(line={"width": 1}, selector={"name": "equal loss"})
    drawn.update_traces(marker={"size": 4}, selector={"name": "descent"})
    drawn.update_traces(marker={"size": 12}, selector={"name": "goal"})
    return drawn


def bowl_lab() -> Lab:
    """Fit a line by descent: what the mean and the scale of the input do to the bowl."""
    raw = {"standardise": False}
    return Lab(
        ex.bowl,
        draw_bowl,
        mean=controls.slider("mean of x", 0.0, -10, 10, tooltip="Of the input.", step=0.5),
        std=controls.slider(
            "std of x", 1.0, 0.1, 100, tooltip="The input's standard deviation.", log=True
        ),
        lr=controls.slider("step size", 0.09, 1e-5, 2, tooltip="The learning rate.", log=True),
        standardise=controls.toggle("standardise", False, "Give (x - mean)/std to the fit."),
        presets={
            "mean 0, std 1": {"mean": 0.0, "std": 1.0, "lr": 0.09, **raw},
            "mean 3": {"mean": 3.0, "std": 1.0, "lr": 0.09, **raw},
            "a little too large a step": {"mean": 3.0, "std": 1.0, "lr": 0.093, **raw},
            "mean 10": {"mean": 10.0, "std": 1.0, "lr": 0.0097, **raw},
            "std 10": {"mean": 0.0, "std": 10.0, "lr": 0.0097, **raw},
            "mean 10, standardised": {"mean": 10.0, "std": 1.0, "lr": 0.4, "standardise": True},
        },
    )


def draw_scaled(result: Scaled) -> go.Figure:
    """Draw gradient and saturation of each layer, and the loss, beside those on standard data."""
    layers, steps = np.arange(1, result.depth + 2), np.arange(ex.SCALED_STEPS + 1)
    names = (("standard data", GREY), ("your data", BLUE))
    with np.errstate(divide="ignore"):
        losses = np.clip(np.log10(result.losses), -3, 8)
    rows = [1, 0]
    return figures.panels(
        [
            Panel(
                figures.DELTA,
                [
                    Curve(name, layers, figures.log10(result.log_delta[row]), color)
                    for (name, color), row in zip(names, rows, strict=True)
                ],
                "layer, readout last",
                powers=True,
            ),
            Panel(
                "saturated (ReLU: off), %",
                [
                    Curve(name, layers[:-1], 100 * result.saturated[row], color)
                    for (name, color), row in zip(names, rows, strict=True)
                ],
                "layer",
                y_range=(-3, 103),
            ),
            Panel(
                "loss / loss of the mean label",
                [
                    *(
                        Curve(name, steps, losses[row], color, mode="lines")
                        for (name, color), row in zip(names, rows, strict=True)
                    ),
                    Curve("the mean label", [0, ex.SCALED_STEPS], [0, 0], ORANGE, THEORY),
                ],
                STEP,
                powers=True,
                x_range=(0, ex.SCALED_STEPS),
                y_range=(-2, 4),
            ),
        ]
    )


def scaling_lab() -> Lab:
    """Change the scale and the mean of the inputs, or the scale of the labels."""
    plain = {
        "input_scale": 1.0,
        "offset": 0.0,
        "label_scale": 1.0,
        "activation": "tanh",
        "depth": 3,
        "weight_scale": 1.0,
        "lr": 0.5,
    }
    return Lab(
        ex.scaled,
        draw_scaled,
        input_scale=controls.slider(
            "input scale", 1.0, 0.001, 1000, tooltip="Multiplies the inputs.", log=True
        ),
        offset=controls.slider(
            "input mean", 0.0, 0.0, 10.0, tooltip="Added to standardised inputs.", step=0.25
        ),
        label_scale=controls.slider(
            "label scale", 1.0, 0.001, 1000, tooltip="Multiplies the labels.", log=True
        ),
        activation=controls.choice(
            "activation", "tanh", list(ex.ACTIVATIONS), "Of the hidden layers."
        ),
        depth=controls.depth(3, 30),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("step size", 0.5, 1e-6, 3, tooltip="The learning rate.", log=True),
        seed=controls.seed(),
        presets={
            "standardised": plain,
            "pixels of 0 … 255": {**plain, "input_scale": 75.0, "offset": 1.0},
            "the same, ReLU": {
                **plain,
                "input_scale": 75.0,
                "offset": 1.0,
                "activation": "relu",
            },
            "mean 5": {**plain, "offset": 5.0},
            "inputs a hundred times smaller": {**plain, "input_scale": 0.01},
            "labels of size 1000": {**plain, "label_scale": 1000.0},
            "the same, ReLU, step 0.0001": {
                **plain,
                "label_scale": 1000.0,
                "activation": "relu",
                "lr": 1e-4,
            },
        },
    )


# The tournament


def draw_table(table: Table) -> go.Figure:
    """Draw accuracy, gradient ratio and share of NaN, measures by nets, each with its number."""
    ratio = np.round(table.ratio, 1) + 0.0
    grids = [
        ("test images right (%)", 100 * table.accuracy, 0.0, 100.0, figures.SEQUENTIAL, ".0f"),
        ("log₁₀ ‖∂L/∂z‖, last / first", ratio, -8.0, 8.0, figures.DIVERGING, "+.1f"),
        ("runs that end in NaN (%)", 100 * table.broken, 0.0, 100.0, figures.SEQUENTIAL, ".0f"),
    ]
    drawn = figures.panels(
        [Panel(title, [], "white: does not apply", y_range=(0, 1)) for title, *_ in grids],
        height=165 + 27 * len(table.entries),
    )
    for number, (_, values, low, high, colours, digits) in enumerate(grids, start=1):
        suffix = "" if number == 1 else str(number)
        drawn.add_trace(
            {
                "type": "heatmap",
                "x": [net.replace(" ", "<br>") for net in table.nets],
                "y": list(table.entries),
                # A table travels as JSON, which knows no nan.
                "z": np.where(np.isnan(values), np.array(None), values),
                "zmin": low,
                "zmax": high,
                "colorscale": [list(s) for s in colours] if number == 2 else colours,
                "showscale": False,
                "xaxis": "x" + suffix,
                "yaxis": "y" + suffix,
                "texttemplate": f"%{{z:{digits}}}",
                "hovertemplate": f"%{{y}}, %{{x}}: %{{z:{digits}}}<extra></extra>",
            }
        )
        drawn.layout["yaxis" + suffix].update(
            autorange="reversed", range=None, showticklabels=number == 1, showgrid=False
        )
        drawn.layout["xaxis" + suffix].update(range=None, showgrid=False, tickangle=0)
    room = 8 * max(len(name) for name in table.entries) + 20
    # A plain figure, unlike a lab's, does not take the room that the page has.
    return drawn.update_layout(margin={"l": room}, width=1000)


def draw_trial(result: Trial) -> go.Figure:
    """Draw each layer's gradient before, half way and after, and the accuracy over the steps."""
    run = result.run
    layers = np.arange(1, run.log_delta.shape[1])
    looks = {"before training": 0, "half way": len(run.steps) // 2, "at the end": -1}
    gradients = [
        Curve(name, layers, figures.log10(run.log_delta[look, :-1]), color)
        for (name, look), color in zip(looks.items(), (GREY, PINK, BLUE), strict=True)
    ]
    return figures.panels(
        [
            Panel(
                "‖∂L/∂z‖", gradients, "layer, or time step (1 is nearest the input)", powers=True
            ),
            Panel(
                "test images right (%)",
                [
                    Curve("accuracy", run.steps, 100 * run.accuracy, GREEN),
                    Curve("guessing", [0, result.planned], [10, 10], GREY, THEORY),
                ],
                STEP,
                x_range=(0, result.planned),
                y_range=(0, 100),
            ),
        ]
    )


def tournament_lab() -> Lab:
    """Choose a sick net and up to two measures, and see every layer's gradient as it trains."""
    names = [NOTHING, *MEASURES]
    return Lab(
        trial,
        draw_trial,
        net=controls.choice("sick net", "deep sigmoid", list(SICK_NETS), "Which net is to learn."),
        first=controls.choice("measure", NOTHING, names, "What is tried."),
        second=controls.choice("and", NOTHING, names, "What is tried along with it."),
        depth=controls.depth(10, 20),
        weight_scale=controls.weight_scale(),
        lr_factor=controls.slider(
            "step size ×",
            1.0,
            0.1,
            10.0,
            tooltip="Multiplies the learning rate of the net; lr × 10 and lr ÷ 10 come on top.",
            log=True,
        ),
        seed=controls.seed(),
        presets={
            "deep sigmoid, nothing": _cell("deep sigmoid", 10),
            "deep sigmoid, L2 and dropout": _cell("deep sigmoid", 10, "L2", "dropout"),
            "deep sigmoid, batch norm": _cell("deep sigmoid", 10, "batch norm"),
            "deep ReLU, nothing": _cell("deep ReLU", 20),
            "deep ReLU, initialisation": _cell("deep ReLU", 20, "initialisation"),
            "recurrent, nothing": _cell("recurrent", 16),
            "recurrent, lr ÷ 10": _cell("recurrent", 16, "lr ÷ 10"),
            "recurrent, clipping": _cell("recurrent", 16, "gradient clipping"),
            "recurrent, initialisation": _cell("recurrent", 16, "initialisation"),
        },
    )


def _cell(net: str, depth: int, first: str = NOTHING, second: str = NOTHING) -> dict[str, Any]:
    return {
        "net": net,
        "first": first,
        "second": second,
        "depth": depth,
        "weight_scale": 1.0,
        "lr_factor": 1.0,
    }
