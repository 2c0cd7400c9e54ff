"""Labs of chapter 12 on what scales: mixing matrices, widths and rates, number formats."""

from collections.abc import Mapping
from math import log

import numpy as np

from vglib import figures
from vglib.attention.low_training import HOMES, LowTraining, low_training
from vglib.attention.low_training import STEPS as TRAINED
from vglib.attention.mixing import Mixing, mixing
from vglib.attention.mup import BASE, KINDS, LAYERS, WIDTHS, Sweep, best_rate, sweeping
from vglib.attention.precision import (
    FORMATS,
    SIZES,
    Underflow,
    Updates,
    limits,
    underflow,
    updates,
)
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Drawing, Panel, level, mark
from vglib.figures import theory as predicted
from vglib.lab import Control, Lab, controls

_DIAL = "From free matrices, 0, to doubly stochastic ones, 1."
_DIAGONAL = "How much a stream of the doubly stochastic matrix keeps of itself: exp of this."
_SPREAD = "The standard deviation of what is drawn for each entry."
_ROUNDS = "How often Sinkhorn divides columns and rows by their sums."
_FORMAT = "The format in which numbers are kept."
_COLORS: Mapping[str, str] = {
    **{"float32": GREY, "nearest": BLUE, "stochastic": GREEN, "master copy": ORANGE},
}
_NARROWEST = (16, 24, 32, 48, 64, 96, 128, 192, 256)


def _format(form: str) -> Control:
    return controls.choice("format", form, list(FORMATS), _FORMAT)


def draw_mixing(mixing: Mixing) -> Drawing:
    """Draw the gains of the product over the layers, and what is left of differences."""
    layers = np.arange(1, len(mixing.log_rows) + 1)
    gains = [
        Curve("signal: largest row sum", layers, mixing.log_rows),
        Curve("gradient: largest column sum", layers, mixing.log_columns, GREEN),
        predicted("theory", layers, mixing.log_theory, GREY),
    ]
    left = [Curve("differences between streams", layers, mixing.log_differences, PINK)]
    layer = "mixing matrices multiplied"
    first = Panel("largest gain of the product", gains, layer, "ln")
    return figures.panels([first, Panel("largest difference that is left", left, layer, "ln")])


def mixing_lab() -> Lab:
    """Multiply up to a thousand mixing matrices, and calm them with a dial."""
    return Lab(
        mixing,
        draw_mixing,
        depth=controls.depth(60),
        dial=controls.slider("dial", 0.0, 0.0, 1.0, tooltip=_DIAL, step=0.02),
        spread=controls.slider("spread", 0.3, 0.0, 10.0, tooltip=_SPREAD, step=0.1),
        diagonal=controls.slider("diagonal", 1.0, 0.0, 10.0, tooltip=_DIAGONAL, step=0.25),
        rounds=controls.ladder("rounds", 20, range(1, 21), _ROUNDS),
        presets={
            "60 free matrices": {},
            "dial at 0.2": {"dial": 0.2},
            "doubly stochastic": {"dial": 1.0},
            "doubly stochastic, near the identity": {"dial": 1.0, "diagonal": 8.0},
            "one round, spread 3": {"dial": 1.0, "spread": 3.0, "rounds": 1},
            "twenty rounds, spread 10": {"dial": 1.0, "spread": 10.0},
            "a thousand": {"depth": 1000},
        },
    )


def draw_sweep(sweep: Sweep) -> Drawing:
    """Draw the loss over the rate at two widths, and how far each layer moves over the width."""
    losses = [
        Curve(f"width {BASE}", sweep.rates, sweep.base, GREY),
        Curve("your width", sweep.rates, sweep.losses),
    ]
    for line, color in ((sweep.base, GREY), (sweep.losses, BLUE)):
        best = best_rate(sweep.rates, line)
        low = float(line[sweep.rates == best][0])
        losses.append(mark("best", best, low, color, 15, symbol="star"))
    ticks = {float(rate): f"2<sup>{round(np.log2(rate))}</sup>" for rate in sweep.rates[::2]}
    left = Panel("loss after training, by rate", losses, "rate", "log", x_log=True, x_ticks=ticks)
    moved = [
        Curve(name, sweep.widths, line, color)
        for name, line, color in zip(LAYERS, sweep.changes, (SKY, GREEN, ORANGE), strict=True)
    ]
    law = sweep.changes[2, 0] + (sweep.kind == "standard") * np.log(sweep.widths / BASE)
    moved.append(predicted("theory of the readout", sweep.widths, law, GREY))
    title, wide = "change of a pre-activation in three steps", [*map(float, WIDTHS)]
    right = Panel(title, moved, "width n", "ln", x_log=True, x_ticks=wide)
    return figures.panels([left, right])


def mup_lab() -> Lab:
    """Sweep the rate at two widths, and check how far each layer moves, in both conventions."""
    rate = controls.slider(
        "rate", 2.0**-9, 2.0**-11, 2.0**-3, tooltip="The rate of the right panel.", log=True
    )
    return Lab(
        sweeping,
        draw_sweep,
        kind=controls.choice("convention", "standard", KINDS, "How start and rate scale."),
        width=controls.ladder("width", 128, _NARROWEST, "Units in each of two hidden layers."),
        rate=rate,
        presets={
            "standard, 64 wide": {"width": 64},
            "standard, 256 wide": {"width": 256},
            "muP, 64 wide": {"kind": "muP", "width": 64},
            "muP, 256 wide": {"kind": "muP", "width": 256},
        },
    )


def draw_updates(updates: Updates) -> Drawing:
    """Draw how far weights get by small steps, and which share of steps is lost at which size."""
    steps = np.arange(len(updates.moved["nearest"]))
    # What is right lies under what is right as well: a broader line shows on both sides.
    broad = {"stochastic": {"line": {"width": 7}}}
    gone = [
        Curve(way, steps, updates.moved[way], _COLORS[way], mode="lines", style=broad.get(way, {}))
        for way in ("stochastic", "nearest", "master copy")
    ]
    gone.append(predicted("asked for", steps, steps, GREY))
    top = 1.25 * float(steps[-1])
    left = Panel("way gone, in steps", gone, "steps taken", y_range=(0.0, top), clip=True)
    lost = [
        Curve("lost", updates.sizes, 100 * updates.lost),
        predicted("theory", updates.sizes, 100 * updates.predicted),
        mark("your step", updates.step, 100 * updates.lost_here, PINK, 13),
    ]
    right = Panel(
        "steps that change nothing, %",
        lost,
        "size of a step",
        x_log=True,
        x_range=SIZES,
        y_range=(0.0, 100.0),
        x_axis={"exponentformat": "power", "dtick": 1},
    )
    return figures.panels([left, right])


def update_lab() -> Lab:
    """Add small steps to weights of few digits, and lose them, or not."""
    step = controls.slider(
        "step", 1e-4, 1e-6, 0.1, tooltip="The size of each update.", log=True, step=0.1
    )
    scale = controls.slider(
        "weights", 0.1, 0.001, 10.0, tooltip="Their standard deviation.", log=True, step=0.1
    )
    return Lab(
        updates,
        draw_updates,
        form=_format("bfloat16"),
        step=step,
        weight_scale=scale,
        presets={
            "bfloat16, steps of 0.001": {"step": 1e-3},
            "bfloat16, steps of 0.0001": {},
            "bfloat16, steps of 0.00001": {"step": 1e-5},
            "float16, steps of 0.0001": {"form": "float16"},
            "E4M3, steps of 0.001": {"form": "E4M3", "step": 1e-3},
        },
    )


def draw_underflow(underflow: Underflow) -> Drawing:
    """Draw the scaled gradient over the layers in the format's window, and what is lost there."""
    layers = np.arange(1, len(underflow.zero) + 1)
    bounds = limits(underflow.form)
    ends = (float(layers[0]), float(layers[-1]))
    size = [
        Curve("scaled gradient", layers, underflow.log_size),
        level("largest number", log(bounds.largest), ends, ORANGE),
        level("smallest number", log(bounds.smallest), ends, GREY),
    ]
    lost = [
        Curve("0", layers, 100 * underflow.zero, GREY),
        Curve("infinite", layers, 100 * underflow.broken, ORANGE),
    ]
    layer = "layer (1 is nearest the input, the readout last)"
    left = Panel("root mean square of S ∂L/∂z", size, layer, "ln")
    return figures.panels([left, Panel("entries lost, %", lost, layer, y_range=(0.0, 100.0))])


def scaling_lab() -> Lab:
    """Fit the gradients of all layers into a format's window, by scaling the loss."""
    scale = controls.slider(
        "log2 of S", 0.0, 0.0, 48.0, tooltip="The loss is multiplied by S.", step=1.0
    )
    phi = controls.choice("φ", "sigmoid", ["sigmoid", "tanh", "relu"], "The activation.")
    return Lab(
        underflow,
        draw_underflow,
        depth=controls.depth(16, 100),
        form=_format("float16"),
        log2_scale=scale,
        weight_scale=controls.weight_scale(),
        activation=phi,
        presets={
            "16 sigmoid layers": {},
            "S = 2^16": {"log2_scale": 16.0},
            "S = 2^20": {"log2_scale": 20.0},
            "30 layers, S = 2^20": {"depth": 30, "log2_scale": 20.0},
            "30 layers, bfloat16": {"depth": 30, "form": "bfloat16"},
            "30 ReLU layers, E4M3, S = 2^12": {
                **{"depth": 30, "form": "E4M3", "log2_scale": 12.0},
                **{"activation": "relu", "weight_scale": 1.4},
            },
        },
    )


def draw_low_training(trained: LowTraining) -> Drawing:
    """Draw the training loss over the steps, for each way to keep the weights."""
    # Where ways agree, a larger point shows round the next one.
    curves = [
        Curve(
            home,
            *(trained.steps, trained.losses[home], _COLORS[home]),
            mode="lines+markers",
            style={"marker": {"size": size}},
        )
        for home, size in zip(HOMES, (15, 12, 9, 6), strict=True)
    ]
    guessing = level("guessing", log(10), (0.0, float(TRAINED)))
    title, ends = "loss on the training digits", (0.0, float(TRAINED))
    panel = Panel(title, [*curves, guessing], figures.STEP, "log", x_range=ends)
    return figures.panels([panel], height=380)


def low_training_lab() -> Lab:
    """Train one net with its weights kept in a format, four ways side by side."""
    lr = controls.slider(
        "step size", 1e-3, 1e-5, 0.1, tooltip="Adam's learning rate.", log=True, step=0.25
    )
    return Lab(
        low_training,
        draw_low_training,
        form=_format("E4M3"),
        lr=lr,
        presets={
            "E4M3, 0.001": {},
            "E4M3, 0.01": {"lr": 1e-2},
            "E5M2, 0.01": {"form": "E5M2", "lr": 1e-2},
            "bfloat16, 0.001": {"form": "bfloat16"},
            "bfloat16, 0.01": {"form": "bfloat16", "lr": 1e-2},
        },
    )
