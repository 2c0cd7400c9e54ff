"""Labs of chapter 03."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, THEORY, Curve, Panel
from vglib.lab import Lab
from vglib.sigmoid import experiments as ex
from vglib.sigmoid.experiments import (
    Centring,
    Cost,
    Curves,
    Forward,
    Hidden,
    OneSign,
    OutputNeuron,
    Walk,
)

GRAPH = "another"
UP_DOWN = "one up, one down"
COLORS = {"sigmoid": BLUE, "relu": ORANGE, "tanh": GREEN, "matrix product": GREY}


def draw_curves(c: Curves) -> go.Figure:
    """Draw the function with its tangent at z, and the slope with the levels 50%, 10% and 1%."""
    reach = 1.5 / max(c.slope, 0.1) ** 0.5
    near = np.array([c.z - reach, c.z + reach])
    levels = [
        Curve(
            f"{share:.0%} of the maximum",
            [-w, w],
            [share * c.max_slope] * 2,
            color,
            GRAPH,
            "markers",
        )
        for share, color in zip(ex.MARKS, (GREEN, PINK, GREY), strict=True)
        for w in [ex.where_slope_is(share, c.name)]
    ]
    low = -0.05 if c.name == "sigmoid" else -1.1
    drawn = figures.panels(
        [
            Panel(
                f"{c.name}(z)",
                [
                    Curve("function", c.grid, c.values, mode="lines"),
                    Curve(
                        "tangent", near, c.value + c.slope * (near - c.z), ORANGE, GRAPH, "lines"
                    ),
                    Curve("here", [c.z], [c.value], ORANGE, GRAPH, "markers"),
                ],
                "pre-activation z",
                x_range=(-8, 8),
                y_range=(low, 1.1),
            ),
            Panel(
                "slope",
                [
                    Curve("slope", c.grid, c.slopes, SKY, mode="lines"),
                    *levels,
                    Curve("here", [c.z], [c.slope], ORANGE, GRAPH, "markers"),
                ],
                "pre-activation z",
                x_range=(-8, 8),
                y_range=(0, 1.1 * c.max_slope),
            ),
        ],
        height=380,
    )
    drawn.update_traces(marker={"size": 10}, selector={"mode": "markers"})
    return drawn


def curves_lab() -> Lab:
    """Drag z along the sigmoid or tanh and read the slope."""
    return Lab(
        ex.curves,
        draw_curves,
        activation=controls.choice("function", "sigmoid", ["sigmoid", "tanh"], "Which curve."),
        z=controls.slider("z", 2.0, -8, 8, tooltip="The pre-activation.", step=0.02),
        presets={
            "steepest": {"activation": "sigmoid", "z": 0.0},
            "the famous 2": {"activation": "sigmoid", "z": 2.0},
            "10% of the slope": {"activation": "sigmoid", "z": 3.64},
            "1% of the slope": {"activation": "sigmoid", "z": 5.98},
            "tanh at 2": {"activation": "tanh", "z": 2.0},
        },
    )


def draw_one_sign(result: OneSign) -> go.Figure:
    """Draw the share of one-sign units over the batch size, and each unit's share of signs."""
    units = np.linspace(0, 100, len(result.positive["sigmoid"]))
    left = [
        Curve(name, result.batches, 100 * result.shares[name], COLORS[name])
        for name in ex.SIGN_NETS
    ]
    here = Curve(
        "this batch size",
        [result.batch] * len(ex.SIGN_NETS),
        [100 * result.chosen[name] for name in ex.SIGN_NETS],
        PINK,
        GRAPH,
        "markers",
    )
    right = [
        Curve(name, units, 100 * result.positive[name], COLORS[name], mode="lines")
        for name in ex.SIGN_NETS
    ]
    return figures.panels(
        [
            Panel(
                "units with one sign, % of the layer",
                [*left, here],
                "batch size (samples)",
                x_log=True,
                x_range=(0.8, 1800),
                y_range=(-3, 103),
            ),
            Panel(
                "positive gradients of a unit, % of its weights",
                right,
                "units, sorted, % of the layer",
                x_range=(0, 100),
                y_range=(-3, 103),
            ),
        ],
        height=400,
    )


def one_sign_lab() -> Lab:
    """Slide the batch size and count the units whose weight gradients share one sign."""
    stops = [*range(1, 11), 15, *ex.BATCHES[4:]]
    return Lab(
        ex.one_sign,
        draw_one_sign,
        batch=controls.ladder("batch size", 1, stops, "Samples that a gradient is averaged over."),
        layer=controls.ladder("layer", 3, [2, 3, 4], "Whose weights: hidden 2 or 3, or readout 4."),
        steps=controls.ladder(
            "training steps", 0, [0, 50, 100, 200, 400, 600], "Steps of SGD before the count."
        ),
        seed=controls.seed(),
        presets={
            "one sample": {"batch": 1, "layer": 3, "steps": 0},
            "ten samples": {"batch": 10, "layer": 3, "steps": 0},
            "all data": {"batch": 1437, "layer": 3, "steps": 0},
            "all data, layer 2": {"batch": 1437, "layer": 2, "steps": 0},
            "all data, after training": {"batch": 1437, "layer": 3, "steps": 600},
        },
    )


def _ellipses(result: Walk) -> tuple[np.ndarray, np.ndarray]:
    """Return lines of equal loss around the goal, in one curve with gaps."""
    steep, flat = ex.curvatures(*ex.moments(result.inputs), 2)
    angle = np.linspace(0, 2 * np.pi, 61)
    along = np.stack([np.cos(angle) / steep**0.5, np.sin(angle) / flat**0.5])
    turned = np.array([[1, 1], [1, -1]]) / 2**0.5 @ along
    xs, ys = [], []
    for loss in (0.003, 0.02, 0.08, 0.2, 0.5):
        xs += [*(result.goal[0] + (2 * loss) ** 0.5 * turned[0]), np.nan]
        ys += [*(result.goal[1] + (2 * loss) ** 0.5 * turned[1]), np.nan]
    return np.array(xs), np.array(ys)


def draw_walk(result: Walk) -> go.Figure:
    """Draw the path of the two weights over lines of equal loss, and the loss over the steps."""
    path = np.clip(result.path, -100, 100)
    x, y = _ellipses(result)
    steps = np.arange(len(path))
    plane = Panel(
        "weight w₂",
        [
            Curve("equal loss", x, y, GREY, GRAPH, "lines"),
            Curve("path", path[:, 0], path[:, 1], mode="lines+markers"),
            Curve("start", path[:1, 0], path[:1, 1], PINK, GRAPH, "markers"),
            Curve("goal", result.goal[:1], result.goal[1:], GREEN, GRAPH, "markers"),
        ],
        "weight w₁",
        # Nearly equal units on both axes, so that angles look as they are.
        x_range=(-3.6, 3.9),
        y_range=(-2.2, 2.8),
    )
    loss = Panel(
        "excess loss",
        [
            Curve("path", steps, _log10(result.losses), mode="lines"),
            Curve("descent on all data, theory", steps, _log10(result.predicted), ORANGE, THEORY),
        ],
        figures.STEP,
        powers=True,
        x_range=(0, ex.WALK),
        y_range=(-5, 1),
    )
    drawn = figures.panels([plane, loss], height=430)
    drawn.update_traces(marker={"size": 5}, line={"width": 1.5}, selector={"name": "path"})
    drawn.update_traces(line={"width": 1}, selector={"name": "equal loss"})
    drawn.update_traces(marker={"size": 12}, selector={"name": "goal"})
    drawn.update_traces(marker={"size": 12}, selector={"name": "start"})
    return drawn


def zigzag_lab() -> Lab:
    """Watch two weights walk to their goal, fed by sigmoid outputs or by centred ones."""
    return Lab(
        ex.walk,
        draw_walk,
        inputs=controls.choice("inputs", "sigmoid", list(ex.INPUTS), "What feeds the two weights."),
        batch=controls.ladder("batch size", 1, [1, 2, 5, 10, 50, 500], "Samples in a step."),
        lr=controls.slider("step size", 0.5, 0.05, 20, tooltip="The learning rate.", log=True),
        goal=controls.choice("goal", UP_DOWN, list(ex.GOALS), "Where the weights go."),
        seed=controls.seed(),
        presets={
            name: {"inputs": inputs, "batch": batch, "lr": lr, "goal": goal}
            for name, (inputs, batch, lr, goal) in {
                "sigmoid, sample by sample": ("sigmoid", 1, 0.5, UP_DOWN),
                "sigmoid - 1/2, sample by sample": ("sigmoid - 1/2", 1, 0.5, UP_DOWN),
                "sigmoid, all data": ("sigmoid", 500, 0.5, UP_DOWN),
                "sigmoid, all data, step near the limit": ("sigmoid", 500, 3.4, UP_DOWN),
                "sigmoid - 1/2, all data, that step": ("sigmoid - 1/2", 500, 3.4, UP_DOWN),
                "tanh, sample by sample": ("tanh", 1, 0.5, UP_DOWN),
                "tanh, all data": ("tanh", 500, 0.5, UP_DOWN),
                "a lucky goal": ("sigmoid", 500, 0.5, "both up"),
            }.items()
        },
    )


def draw_centring(result: Centring) -> go.Figure:
    """Draw training loss and test accuracy over the steps for both nets."""
    nets = (("sigmoid", result.plain, BLUE), ("sigmoid - 1/2", result.centred, ORANGE))
    return figures.panels(
        [
            Panel(
                "training loss (cross-entropy)",
                [Curve(name, h.steps, _clean(h.losses), color) for name, h, color in nets],
                figures.STEP,
                x_range=(0, ex.CENTRING_STEPS),
                y_range=(0, 3),
            ),
            Panel(
                "test accuracy, %",
                [Curve(name, h.steps, 100 * h.test_accuracy, color) for name, h, color in nets],
                figures.STEP,
                x_range=(0, ex.CENTRING_STEPS),
                y_range=(0, 100),
            ),
        ],
        height=380,
    )


def centring_lab() -> Lab:
    """Train a sigmoid net and its twin with sigmoid - 1/2, alike in weights and function."""
    return Lab(
        ex.centring,
        draw_centring,
        depth=controls.depth(4, 6),
        lr=controls.slider("step size", 3.0, 0.1, 10, tooltip="The learning rate.", log=True),
        seed=controls.seed(),
        presets={
            "one hidden layer": {"depth": 1, "lr": 3.0},
            "three layers": {"depth": 3, "lr": 3.0},
            "four layers": {"depth": 4, "lr": 3.0},
            "two layers, small step": {"depth": 2, "lr": 0.3},
            "six layers: not enough": {"depth": 6, "lr": 3.0},
        },
    )


def draw_forward(result: Forward) -> go.Figure:
    """Draw the variances with theory, the share of saturated units, and the gradient."""
    layers = np.arange(1, result.depth + 1)
    hidden = slice(0, result.depth)
    return figures.panels(
        [
            Panel(
                "variance, all units and samples",
                [
                    Curve("Var z", layers, _log10(result.pre_variance)),
                    Curve("Var h", layers, _log10(result.act_variance), GREEN),
                    Curve("theory", layers, _log10(result.theory_q), ORANGE, THEORY),
                ],
                powers=True,
            ),
            Panel(
                "saturated units, %",
                [Curve("saturated", layers, 100 * result.trace.saturated[hidden], PINK)],
                y_range=(-3, 103),
            ),
            Panel(
                figures.DELTA,
                [
                    Curve("gradient", layers, figures.log10(result.trace.log_delta[hidden]), SKY),
                    Curve(
                        "theory",
                        layers,
                        figures.log10(result.theory_log_delta),
                        ORANGE,
                        THEORY,
                    ),
                ],
                powers=True,
            ),
        ],
    )


def forward_lab() -> Lab:
    """Send data forward through sigmoid layers: variance, saturation, and the gradient back."""
    return Lab(
        ex.forward,
        draw_forward,
        depth=controls.depth(10),
        weight_scale=controls.weight_scale(),
        init=controls.choice("init", "N(0, 1)", list(ex.FORWARD_INITS), "How weights are drawn."),
        width=controls.width(500),
        seed=controls.seed(),
        presets={
            name: {"init": init, "depth": 10, "weight_scale": 1.0, "width": width}
            for name, init, width in (
                ("N(0, 1), 10 layers", "N(0, 1)", 500),
                ("U(±1/√n), 10 layers", "U(±1/√n)", 500),
                ("N(0, 1/n), 10 layers", "N(0, 1/n)", 500),
                ("N(0, 1), narrow", "N(0, 1)", 30),
            )
        },
    )


def draw_output(result: OutputNeuron) -> go.Figure:
    """Draw both gradients over z, and the output while the neuron learns."""
    colors = {"squared error": BLUE, "cross-entropy": ORANGE}
    steps = np.arange(len(result.outputs["squared error"]))
    gradients = [
        Curve(name, result.grid, _log10(result.gradients[name]), color, mode="lines")
        for name, color in colors.items()
    ]
    here = Curve(
        "start", [result.z] * 2, _log10(list(result.here.values())), PINK, GRAPH, "markers"
    )
    learning = [
        Curve(name, steps, result.outputs[name], color, mode="lines")
        for name, color in colors.items()
    ]
    return figures.panels(
        [
            Panel(
                "gradient |∂L/∂z|, target 0",
                [*gradients, here],
                "pre-activation z of the output",
                powers=True,
                x_range=(-8, 8),
                y_range=(-7, 0.3),
            ),
            Panel("output a, target 0", learning, figures.STEP, y_range=(0, 1.02)),
        ],
        height=380,
    )


def output_lab() -> Lab:
    """Let an output that is badly wrong unlearn its mistake under two losses."""
    return Lab(
        ex.output_neuron,
        draw_output,
        z=controls.slider("start z", 6.0, -8, 8, tooltip="Where the output starts.", step=0.1),
        lr=controls.slider("step size", 0.5, 0.01, 5, tooltip="The learning rate.", log=True),
        presets={
            "wrong and saturated": {"z": 6.0, "lr": 0.5},
            "Nielsen 2015": {"z": 4.0, "lr": 0.15},
            "undecided": {"z": 0.0, "lr": 0.5},
            "nearly right": {"z": -4.0, "lr": 0.5},
        },
    )


def draw_cost(result: Cost) -> go.Figure:
    """Draw the times of a layer's parts and the activations' shares over the width."""
    widths = np.array([one.width for one in result.sweep], float)
    times = [
        Curve(part, widths, _log10([1e6 * one.median(part) for one in result.sweep]), color)
        for part, color in COLORS.items()
    ]
    shares = [
        Curve(name, widths, [100 * one.share(name) for one in result.sweep], COLORS[name])
        for name in ("sigmoid", "relu", "tanh")
    ]
    here = Curve(
        "this width",
        [result.chosen.width],
        [100 * result.chosen.share("sigmoid")],
        PINK,
        GRAPH,
        "markers",
    )
    drawn = figures.panels(
        [
            Panel("time, µs", times, "width (units)", powers=True, x_log=True, x_range=(28, 1200)),
            Panel(
                "share of the forward time, %",
                [*shares, here],
                "width (units)",
                x_log=True,
                x_range=(28, 1200),
                y_range=(0, 100),
            ),
        ],
        height=400,
    )
    ticks = {"tickvals": list(ex.WIDTHS), "ticktext": [str(width) for width in ex.WIDTHS]}
    return drawn.update_layout(xaxis=ticks, xaxis2=ticks)


def cost_lab() -> Lab:
    """Time matrix product and activations on this machine; Reseed times them again."""
    return Lab(
        ex.cost,
        draw_cost,
        repeatable=False,
        width=controls.ladder("width", 100, [32, 64, 100, 128, 256, 512, 1024], "Units a layer."),
        batch=controls.ladder("batch size", 128, [16, 32, 64, 128, 256], "Samples in a batch."),
        seed=controls.seed(),
        presets={
            "small layer": {"width": 32, "batch": 64},
            "this course's layers": {"width": 100, "batch": 64},
            "large layer": {"width": 1024, "batch": 128},
        },
    )


def draw_hidden(result: Hidden) -> go.Figure:
    """Draw the test accuracy over the steps and the gradient at the start and the end."""
    history, layers = result.history, np.arange(1, result.depth + 1)
    return figures.panels(
        [
            Panel(
                "test accuracy, %",
                [Curve("accuracy", history.steps, 100 * history.test_accuracy, GREEN)],
                figures.STEP,
                x_range=(0, ex.HIDDEN_STEPS),
                y_range=(0, 100),
            ),
            Panel(
                figures.DELTA,
                [
                    Curve("at the start", layers, figures.log10(result.log_delta_start)),
                    Curve(
                        "at the end",
                        layers,
                        figures.log10(history.traces[-1].log_delta[: result.depth]),
                        ORANGE,
                    ),
                ],
                powers=True,
            ),
        ],
        height=380,
    )


def hidden_lab() -> Lab:
    """Train a deep net of sigmoids: plain, with batch norm, with skip connections."""
    return Lab(
        ex.hidden_sigmoids,
        draw_hidden,
        kind=controls.choice("net", "plain", list(ex.KINDS), "What stands around the sigmoids."),
        depth=controls.depth(20, 30),
        lr=controls.slider("step size", 0.2, 0.02, 2, tooltip="The learning rate.", log=True),
        seed=controls.seed(),
        presets={
            "plain, 20 layers": {"kind": "plain", "depth": 20, "lr": 0.2},
            "plain, 2 layers": {"kind": "plain", "depth": 2, "lr": 0.2},
            "batch norm, 20 layers": {"kind": "batch norm", "depth": 20, "lr": 0.2},
            "residual, 20 layers": {"kind": "residual", "depth": 20, "lr": 0.2},
        },
    )


def _log10(values: np.ndarray | Sequence[float]) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.asarray(values, dtype=float))


def _clean(losses: np.ndarray) -> np.ndarray:
    # A loss far above the axis would be a line out of the picture and back.
    return np.minimum(losses, 3.0)
