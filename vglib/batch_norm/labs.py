"""Labs of chapter 06."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from vglib import figures
from vglib.batch_norm import article, circles, first_steps, fresh_nets, in_training, one_unit
from vglib.batch_norm.normed_net import NAMES
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Drawing, Heat, Panel, theory
from vglib.lab import Control, Lab, controls
from vglib.probe import Array

# Where batch norm and weight norm run together, two blues would be one line.
COLORS = dict(zip(NAMES, (GREY, BLUE, GREEN, ORANGE, SKY, PINK), strict=True))
KINDS = {name: kind for kind, name in NAMES.items()}
TOP = 3.5


def _batch(value: int, stops: Sequence[int]) -> Control:
    tip = "Samples that batch norm takes its mean and variance from."
    return controls.ladder("batch size", value, stops, tip)


def _activation(value: str, names: Sequence[str] = ("relu", "tanh", "sigmoid")) -> Control:
    return controls.choice("activation", value, names, "phi, behind the norm.")


def _lr(value: float, low: float, high: float) -> Control:
    return controls.slider("learning rate", value, low, high, tooltip="Step size.", log=True)


def draw_unit(one: one_unit.OneUnit) -> Drawing:
    """Draw the histogram of a unit over the batch before and after batch norm."""
    edges, grid = np.linspace(-8, 14, 89), np.linspace(-8, 14, 201)

    def panel(title: str, values: Array, x_title: str, high: float) -> Panel:
        density = np.histogram(values, edges)[0] / len(values) / (edges[1] - edges[0])
        bell = norm.pdf(grid, values.mean(), max(float(values.std()), 1e-3))
        bars = figures.histogram("one unit over the batch", edges, density)
        expected = theory("normal with this mean and spread", grid, bell)
        return Panel(title, [bars, expected], x_title, x_range=(-8, 14), y_range=(0, high))

    before = panel("density before", one.z, "pre-activation z", 0.6)
    return figures.panels([before, panel("density after", one.out, "γ u + β", 1.2)], height=380)


def unit_lab() -> Lab:
    """Send one unit's batch through batch norm and see what changes and what does not."""
    return Lab(
        one_unit.one_unit,
        draw_unit,
        shape=controls.choice("shape of z", "two heaps", one_unit.SHAPES, "How z is spread."),
        gamma=controls.slider("γ", 1.0, 0.2, 4.0, tooltip="Learned scale.", step=0.1),
        beta=controls.slider("β", 0.0, -4.0, 4.0, tooltip="Learned shift.", step=0.2),
        batch=_batch(2000, [4, 8, 16, 32, 64, 128, 500, 2000]),
        presets={
            "two heaps": {},
            "a tail": {"shape": "a tail to the right"},
            "one outlier": {"shape": "one outlier", "batch": 64},
            "γ and β undo it": {"gamma": 2.0, "beta": 3.0},
            "a batch of 8": {"shape": "a bell", "batch": 8},
        },
    )


def draw_running(one: one_unit.Running) -> Drawing:
    """Draw batch mean and variance, their running averages, and what is expected of these."""
    steps = np.arange(1, one_unit.RUNNING_STEPS + 1)

    def panel(row: int, title: str, ends: tuple) -> Panel:
        of_batch = Curve("of the batch", steps, one.of_batch[row], GREY, mode="markers")
        kept = Curve("running", steps, one.averages[row], mode="lines")
        curves = [of_batch, kept, theory("expected", steps, one.expected[row])]
        return Panel(title, curves, figures.STEP, x_range=(0, len(steps)), y_range=ends)

    both = [panel(0, "mean", (-4.0, 6.0)), panel(1, "variance", (0.0, 30.0))]
    return figures.panels(both, height=380)


def running_lab() -> Lab:
    """Watch running mean and variance settle."""
    tip = "Weight of the newest batch, as in torch."
    return Lab(
        one_unit.running,
        draw_running,
        momentum=controls.slider("momentum", 0.1, 0.01, 1.0, tooltip=tip, log=True),
        batch=_batch(32, [2, 4, 8, 16, 32, 64, 128, 256]),
        jump=controls.toggle("the layer before learns", False, "z changes half way."),
        presets={
            "torch's 0.1": {},
            "slow: 0.01": {"momentum": 0.01},
            "no memory: 1": {"momentum": 1.0},
            "tiny batch": {"batch": 2},
            "the layer before learns": {"jump": True},
        },
    )


def _ends(subject: Sequence[Array], beside: Array) -> tuple[float, float] | None:
    """Return an axis' ends in powers of ten: round its subject, and as far beside it as is near.

    At small weights a net without a norm loses eighty powers of ten, beside which four look flat.
    """
    own, other = (values[np.isfinite(values)] for values in (np.concatenate(subject), beside))
    if not len(own):
        return None
    low, high = np.floor(own.min() / np.log(10)), np.ceil(own.max() / np.log(10))
    near = max(6.0, high - low)
    if len(other):
        low = min(low, max(low - near, np.floor(other.min() / np.log(10))))
        high = max(high, min(high + near, np.ceil(other.max() / np.log(10))))
    return float(low), float(high) if high > low else float(low) + 1


def draw_explosion(one: fresh_nets.Explosion) -> Drawing:
    """Draw ||dL/dW|| over the layers with theory's slope, and the factor over the batch size."""
    layers = np.arange(1, one.depth + 1)
    plain = one.plain.log_weight_grad if one.plain else np.full(one.depth, np.nan)
    normed = Curve("with batch norm", layers, one.normed.log_weight_grad)
    without = Curve("without", layers, plain, GREY)
    gradients = [normed, without, theory("theory", layers, one.theory)]
    # A batch of 2 or 3 may lie far above the axis: its point stays on the edge, its number is said.
    seen, large = min(one.measured, TOP), {"marker": {"size": 13}, "cliponaxis": False}
    here = Curve("this net", [one.batch], [seen], mode="markers", style=large)
    factors = [here, theory("theory", fresh_nets.BATCHES, one.factors)]
    # At 2 exactly plotly would leave the point of a batch of 2 out.
    sizes: dict[str, Any] = {"x_log": True, "x_range": (1.9, 300), "x_ticks": 2 ** np.arange(1, 9)}
    ends = _ends([one.normed.log_weight_grad, one.theory], plain)
    left = Panel(figures.WEIGHT_GRADIENT, gradients, scale="ln", y_range=ends)
    right = Panel("factor of ‖δ‖² per layer", factors, "batch size", y_range=(1.0, TOP), **sizes)
    return figures.panels([left, right])


def explosion_lab() -> Lab:
    """Trace a fresh deep net with batch norm, under the slope that theory gives."""
    return Lab(
        fresh_nets.exploding,
        draw_explosion,
        batch=_batch(128, [2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]),
        depth=controls.depth(50, 200),
        weight_scale=controls.weight_scale(),
        activation=_activation("relu", ("relu", "tanh", "sigmoid", "elu", "gelu")),
        presets={
            "50 layers": {},
            "batch of 32": {"batch": 32},
            "batch of 8": {"batch": 8},
            "weights 5 times too large": {"weight_scale": 5.0},
            "tanh": {"activation": "tanh"},
            "sigmoid, 20 layers": {"activation": "sigmoid", "depth": 20},
            "batch of 2": {"batch": 2},
        },
    )


def draw_steps(one: first_steps.Steps) -> Drawing:
    """Draw ||dL/dW|| over the layers before and after, and the growth of the weights."""
    layers = np.arange(1, len(one.growth) + 1)
    before = Curve("before", layers, one.before.log_weight_grad, GREY)
    after = Curve("after", layers, one.after.log_weight_grad)
    growth = Curve("growth of ‖W‖", layers, one.growth, GREEN)
    expected = theory("first step at a right angle", layers, one.first_growth)
    left = Panel(figures.WEIGHT_GRADIENT, [before, after], scale="ln")
    return figures.panels([left, Panel("‖W‖ after over before", [growth, expected], scale="log")])


def steps_lab() -> Lab:
    """Take the first steps of an exploding net, and see its gradient flatten."""
    return Lab(
        first_steps.stepping,
        draw_steps,
        lr=_lr(1.0, 0.001, 10.0),
        steps=controls.ladder("steps", 1, [1, 2, 3, 4, 5], "Steps of descent on one batch."),
        depth=controls.depth(40, 100),
        weight_scale=controls.weight_scale(),
        presets={
            "lr 0.01": {"lr": 0.01},
            "lr 0.1": {"lr": 0.1},
            "lr 1": {},
            "five steps": {"steps": 5},
            "lr 10: too far": {"lr": 10.0},
        },
    )


def draw_norms(one: fresh_nets.Norms) -> Drawing:
    """Draw ||delta|| over the layers for each norm, with theory's two lines."""
    layers, unknown = np.arange(1, one.depth + 1), np.full(one.depth, np.nan)
    measured = {kind: one.log_delta.get(kind, unknown) for kind in NAMES}
    curves = [
        Curve(NAMES[kind], layers, values, COLORS[kind], mode="lines")
        for kind, values in measured.items()
    ]
    for over, kind in (("batch", "batch"), ("units", "layer")):
        line = measured[kind][-1] + 0.5 * np.log(one.theory[over]) * (one.depth - layers)
        curves.append(theory(f"theory, over the {over}", layers, line, COLORS[kind]))
    ends = _ends([values for kind, values in measured.items() if kind != "none"], measured["none"])
    return figures.panels([Panel(figures.DELTA, curves, scale="ln", y_range=ends)], height=390)


def norms_lab() -> Lab:
    """Compare nets that share their weights and differ in the norm: five norms, and none."""
    return Lab(
        fresh_nets.comparing,
        draw_norms,
        activation=_activation("relu"),
        depth=controls.depth(30, 60),
        weight_scale=controls.weight_scale(),
        batch=_batch(64, [4, 8, 16, 32, 64, 128]),
        presets={
            "ReLU": {},
            "sigmoid": {"activation": "sigmoid"},
            "tanh": {"activation": "tanh"},
            "ReLU, small batch": {"batch": 8},
            "weights too small": {"weight_scale": 0.5},
        },
    )


def _accuracies(curves: Sequence[Curve], end: int) -> Panel:
    title = "test accuracy, %"
    return Panel(title, curves, figures.STEP, x_range=(0, end), y_range=(0, 100))


def draw_rescue(one: in_training.Rescue) -> Drawing:
    """Draw the test accuracy over the steps and the gradient at the start."""
    layers, seen = np.arange(1, one.depth + 1), one.history
    accuracy = Curve("accuracy", seen.steps, 100 * seen.test_accuracy, GREEN)
    gradient = Curve("gradient", layers, one.log_delta)
    right = Panel(f"{figures.DELTA} at the start", [gradient], scale="ln")
    return figures.panels([_accuracies([accuracy], one.steps), right], height=380)


def rescue_lab() -> Lab:
    """Train a deep net with one of five norms or none, 60 steps."""
    relu = {"kind": "batch norm", "activation": "relu"}
    return Lab(
        lambda kind, **others: in_training.rescuing(KINDS[kind], **others),
        draw_rescue,
        kind=controls.choice("norm", "no norm", list(KINDS), "What stands before phi."),
        activation=_activation("sigmoid"),
        depth=controls.depth(20, 20),
        lr=_lr(0.2, 0.02, 1.0),
        seed=controls.seed(),
        presets={
            "sigmoid, no norm": {},
            "sigmoid, batch norm": {"kind": "batch norm"},
            "sigmoid, layer norm": {"kind": "layer norm"},
            "sigmoid, weight norm": {"kind": "weight norm"},
            "ReLU, batch norm, small steps": {**relu, "lr": 0.05},
            "ReLU, batch norm, large steps": {**relu, "lr": 0.5},
        },
    )


def draw_places(one: article.Places) -> Drawing:
    """Draw the test accuracy over the steps for each place of batch norm."""
    colors = (GREY, BLUE, GREEN, ORANGE)
    curves = [
        Curve(article.PLACE_NAMES[place], one.steps, 100 * values, color)
        for (place, values), color in zip(one.accuracy.items(), colors, strict=True)
    ]
    return figures.panels([_accuracies(curves, one.total)], height=380)


def places_lab() -> Lab:
    """Train the article's model with batch norm at three places and without."""
    return Lab(
        article.placing,
        draw_places,
        lr=_lr(0.1, 0.003, 3.0),
        steps=controls.ladder("steps", 40, [12, 20, 40, 60], "Steps of SGD, batches of 64."),
        presets={"lr 0.1": {}, "lr 0.01": {"lr": 0.01}, "lr 1": {"lr": 1.0}, "lr 3": {"lr": 3.0}},
    )


def draw_breaking(one: in_training.Breaking) -> Drawing:
    """Draw the accuracy in both modes over the steps, and over a shift of the test images."""

    def both(x: Array, running: Array, own: Array) -> list[Curve]:
        by_own = Curve("by the test batch's own", x, 100 * own, ORANGE)
        return [Curve("by running averages", x, 100 * running), by_own]

    left = _accuracies(both(one.steps, one.running, one.own), in_training.BREAK_RECORDS[-1])
    shifted = both(in_training.SHIFTS, one.shifted_running, one.shifted_own)
    shift = "added to every pixel (in its standard deviations)"
    right = Panel("test accuracy at the end, %", shifted, shift, y_range=(0, 100))
    return figures.panels([left, right], height=390)


def breaking_lab() -> Lab:
    """Train on small batches, and test with running averages and with the batch's own."""
    norms = ["batch norm", "layer norm", "group norm (5)", "no norm"]
    return Lab(
        lambda norm, **others: in_training.breaking(kind=KINDS[norm], **others),
        draw_breaking,
        batch=_batch(16, [2, 3, 4, 6, 8, 16, 32, 64, 128]),
        norm=controls.choice("norm", "batch norm", norms, "What stands before the ReLUs."),
        lr=_lr(0.1, 0.01, 1.0),
        seed=controls.seed(),
        presets={
            "batch of 16": {},
            "batch of 4": {"batch": 4},
            "batch of 2": {"batch": 2},
            "batch of 2, layer norm": {"batch": 2, "norm": "layer norm"},
            "batch of 128": {"batch": 128},
        },
    )


def draw_circles(one: circles.Circles) -> Drawing:
    """Draw the points over the trained net's output in the plane."""
    grid, ends = one.grid, (one.grid[0], one.grid[-1])
    clear = {"opacity": 0.6}
    share = Heat(one.output, 0, 1, grid, grid, figures.DIVERGING, (0, 0.5, 1), style=clear)
    border = {
        **{"type": "contour", "x": grid, "y": grid, "z": one.output, "hoverinfo": "skip"},
        "contours": {"coloring": "none", "start": 0.5, "end": 0.5, "size": 1},
        **{"line": {"color": PINK, "width": 3}, "name": "border, share 0.5", "showlegend": True},
    }
    points = [
        Curve(name, one.x[one.y == label, 0], one.x[one.y == label, 1], color, mode="markers")
        for name, label, color in (("outer", 0, BLUE), ("inner", 1, ORANGE))
    ]
    second = "second input (colour: the net's share for the inner circle)"
    look: dict[str, Any] = {"x_range": ends, "y_range": ends, "square": True}
    plane = Panel(second, [share, border, *points], "first input", **look)
    return figures.panels([plane], height=460)


def circles_lab() -> Lab:
    """Train on two circles with batch norm in place of an activation, and with ReLU."""
    return Lab(
        circles.separating,
        draw_circles,
        kind=controls.choice("between layers", "batch norm", circles.CIRCLE_KINDS, "In between."),
        depth=controls.depth(2, 4),
        presets={
            "nothing": {"kind": "linear"},
            "batch norm alone": {},
            "batch norm alone, 4 layers": {"depth": 4},
            "ReLU": {"kind": "ReLU"},
            "both": {"kind": "batch norm and ReLU"},
        },
    )
