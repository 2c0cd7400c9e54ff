"""Labs and figures of chapter 01."""

from functools import lru_cache
from typing import Any

import numpy as np

from vglib import figures
from vglib.concept.epochs import LOSSES, OnePath, Training, score, training, walking_one_path
from vglib.concept.speed import NIELSEN, LearningSpeed, TwoWays, learning_speed, two_ways
from vglib.concept.surface import STEPS, WINDOW, Descent, descent, surface_loss
from vglib.figures import GREY, ORANGE, PINK, Curve, Drawing, Panel, Space, space_axis, theory
from vglib.lab import Control, Lab, Still, controls
from vglib.probe import Array
from vglib.words import percent

SPEED = f"learning speed {figures.BIAS_GRADIENT}"
DISTANCE = "‖W − W₀‖ / ‖W₀‖"
PASSES = "Passes through the data."
LAYER_COLORS = (ORANGE, PINK, figures.GREEN, figures.BLUE, figures.SKY, GREY)
# Higher ground is drawn as a table, so that the valley keeps its shape.
CEILING = 4.1


@lru_cache(maxsize=1)
def _landscape() -> tuple[dict[str, Any], dict[str, Any]]:
    grid = np.linspace(-WINDOW, WINDOW, 61)
    ground = np.minimum(surface_loss(*np.meshgrid(grid, grid)), CEILING)
    lines = {"show": True, "start": 0, "end": 3.75, "size": 0.25, "color": "#ffffff"}
    surface = {
        **{"type": "surface", "x": grid, "y": grid, "z": ground, "contours": {"z": lines}},
        **{"surfacecolor": np.log10(ground + 0.02), "colorscale": figures.SEQUENTIAL},
        "showscale": False,
        "hovertemplate": "w₁ %{x:.2f}, w₂ %{y:.2f}: loss %{z:.3g}<extra></extra>",
    }
    minima = {"type": "scatter3d", "x": [1, -1], "y": [1.5, -1.5], "z": [0.2, 0.2]}
    diamonds = {"color": "#ffffff", "size": 6, "symbol": "diamond"}
    return surface, minima | {"mode": "markers", "marker": diamonds, "name": "the two minima"}


def draw_descent(walk: Descent) -> Drawing:
    """Draw the loss surface with the path on it, and the loss at each step."""
    surface, minima = _landscape()
    inside = (np.abs(walk.path) <= WINDOW).all(1)
    height = np.minimum(walk.losses, CEILING) + 0.06
    x, y, z = np.where(inside, [*walk.path.T, height], np.nan)
    path = {
        **{"type": "scatter3d", "x": x, "y": y, "z": z, "name": "path of the weights"},
        **{"mode": "lines+markers+text", "line": {"color": ORANGE, "width": 6}},
        "marker": {"color": ORANGE, "size": [8] + [2.5] * (len(x) - 1)},
        **{"text": ["start"] + [""] * (len(x) - 1), "textposition": "bottom right"},
    }
    first, second = (space_axis(f"weight w{i}", -WINDOW, WINDOW, nticks=5) for i in "₁₂")
    camera = {"eye": {"x": 1.5, "y": 0.25, "z": 1.15}, "center": {"z": -0.15}}
    axes = first, second, space_axis("loss", 0, 1.02 * CEILING, dtick=1)
    landscape = Space([surface, path, minima], axes, camera, aspect=(1, 1, 0.6))
    losses = np.minimum(walk.losses, 1e6)
    curve = Curve("loss", np.arange(len(losses)), losses, ORANGE, mode="lines+markers")
    ends, title = (0, STEPS), "loss at each step"
    beside = Panel(title, [curve], figures.STEP, "log", x_range=ends, y_range=(-8, 6))
    return figures.panels([landscape, beside], height=504, shares=(0.66, 0.34), legend=False)


def descent_lab() -> Lab:
    """Walk down the loss of a net with two weights, with a step of any size."""

    def weight(name: str, which: str) -> Control:
        return controls.slider(
            name, 2.5, -WINDOW, WINDOW, tooltip=f"Where the {which} weight starts.", step=0.1
        )

    tooltip = "How far a step follows the slope."
    return Lab(
        descent,
        draw_descent,
        step=controls.slider("step size", 0.9, 0.01, 10.0, tooltip=tooltip, log=True),
        w1=weight("start w1", "first"),
        w2=weight("start w2", "second"),
        presets={
            "converges": {},
            "creeps": {"step": 0.1},
            "zig-zags": {"step": 1.25},
            "diverges": {"step": 1.5},
            "flat, but not low": {"step": 0.3, "w1": 3.5, "w2": -1.0},
        },
    )


def _by_layer(title: str, measured: Array, predicted: Array, *quoted: Curve) -> Panel:
    layers = np.arange(1, len(measured) + 1)
    curves = [Curve("measured", layers, measured), theory("theory", layers, predicted), *quoted]
    ticks = {"dtick": 1 if len(measured) <= 10 else 5, "tick0": 0}
    return Panel(title, curves, scale="ln", x_axis=ticks)


def draw_speed(run: LearningSpeed) -> Drawing:
    """Draw each hidden layer's learning speed, with theory through the last layer's point.

    Nielsen's own numbers stand beside them where he printed some for this depth.
    """
    speeds = NIELSEN.get(run.depth, ())
    layers, name = np.arange(1, len(speeds) + 1), "Nielsen's run (MNIST, 2015)"
    quoted = Curve(name, layers, speeds, PINK, figures.ASIDE, scale="log")
    return figures.panels([_by_layer(SPEED, run.log_speed, run.theory_log_speed, quoted)])


def learning_speed_lab() -> Lab:
    """Compare the learning speed of the hidden layers at the random start."""
    return Lab(
        learning_speed,
        draw_speed,
        depth=controls.depth(2, maximum=50),
        weight_scale=controls.weight_scale(),
        width=controls.width(30, maximum=100),
        presets={
            "Nielsen, 2 hidden layers": {},
            "Nielsen, 3 hidden layers": {"depth": 3},
            "Nielsen, 4 hidden layers": {"depth": 4},
            "30 hidden layers": {"depth": 30},
            "4 times the weights": {"depth": 4, "weight_scale": 4.0},
        },
    )


def draw_two_ways(run: TwoWays) -> Drawing:
    """Draw the gradient that travels back beside the differences that travel forward."""
    with np.errstate(divide="ignore"):
        forward = _by_layer(f"forward: {figures.SPREAD}", np.log(run.spread), run.theory_log_spread)
    backward = _by_layer(f"backward: {SPEED}", run.log_speed, run.theory_log_speed)
    return figures.panels([forward, backward])


def two_way_lab() -> Lab:
    """Show forward collapse beside the gradient's: one factor a layer for both."""
    return Lab(
        two_ways,
        draw_two_ways,
        depth=controls.depth(4, maximum=50),
        weight_scale=controls.weight_scale(),
        width=controls.width(100, maximum=100),
        presets={
            "4 hidden layers": {},
            "20 hidden layers": {"depth": 20},
            "20 layers, 10 times the weights": {"depth": 20, "weight_scale": 10.0},
        },
    )


def _over_epochs(
    title: str, run: Training, values: Array, *, layers: int = 4, first: int = 0, **panel: Any
) -> Panel:
    """Make a panel with a curve for each of `layers` layers, those that the net lacks empty.

    `values` (records, depth) may lack epochs that are to come. `first`: 1 where there is nothing to
    see at epoch 0.
    """
    whole = np.full((run.total + 1, layers), np.nan)
    whole[: len(values), : run.depth] = values
    x, columns = np.arange(first, run.total + 1.0), whole[first:].T
    curves = [Curve(f"layer {i + 1}", x, columns[i], LAYER_COLORS[i]) for i in range(layers)]
    return Panel(title, curves, figures.EPOCH, x_range=(0, run.total), **panel)


def draw_training(run: Training) -> Drawing:
    """Draw speed and distance moved of each hidden layer, and the test accuracy, over epochs."""
    share = Curve("accuracy", run.recorded, 100 * run.test_accuracy, GREY, legend=False)
    ends, title = (0, run.total), f"distance moved {DISTANCE}"
    speed = _over_epochs(SPEED, run, run.log_speed, layers=6, scale="ln")
    moved = _over_epochs(title, run, run.moved, layers=6, first=1, scale="log")
    right = Panel("test accuracy (%)", [share], figures.EPOCH, x_range=ends, y_range=(0, 100))
    return figures.panels([speed, moved, right])


def _step_size(low: float, high: float) -> Control:
    tooltip = "The learning rate."
    return controls.slider("step size", 0.5, low, high, tooltip=tooltip, log=True)


def training_lab() -> Lab:
    """Train the same small net under another loss, optimiser, step, weight scale or depth."""
    return Lab(
        training,
        draw_training,
        score=score,
        depth=controls.depth(4, maximum=6),
        loss=controls.choice("loss", "quadratic", list(LOSSES), "What the outputs are judged by."),
        optimiser=controls.choice("optimiser", "SGD", ["SGD", "Adam"], "What makes the steps."),
        lr=_step_size(0.01, 50),
        weight_scale=controls.weight_scale(),
        epochs=controls.ladder("epochs", 20, range(5, 41, 5), PASSES),
        presets={
            "as it was": {},
            "cross-entropy": {"loss": "cross-entropy"},
            "40 times the step": {"lr": 20.0},
            "4 times the weights": {"weight_scale": 4.0, "epochs": 40},
            "cross-entropy, tiny steps": {"loss": "cross-entropy", "lr": 0.01},
            "6 layers, 40 times the step": {"depth": 6, "lr": 20.0},
            "6 layers, and 4 times the weights": {"depth": 6, "lr": 20.0, "weight_scale": 4.0},
            "6 layers, Adam": {"depth": 6, "optimiser": "Adam", "lr": 0.01, "epochs": 40},
        },
    )


def draw_one_path(run: OnePath) -> Drawing:
    """Draw four bias gradients over the epochs, and beside them the four deltas."""
    by_bias = _over_epochs(figures.BIAS_GRADIENT, run, run.log_speed, scale="ln")
    return figures.panels([by_bias, _over_epochs(figures.DELTA, run, run.log_delta, scale="ln")])


def one_path_lab() -> Lab:
    """Train a net with one neuron in each of four hidden layers."""
    return Lab(
        walking_one_path,
        draw_one_path,
        weight_scale=controls.weight_scale(),
        lr=_step_size(0.05, 20),
        epochs=controls.ladder("epochs", 60, range(10, 61, 10), PASSES),
        presets={
            "as in the tutorial": {"seed": 0},
            "another draw": {"seed": 1},
            "20 times the step": {"lr": 10.0, "seed": 0},
        },
    )


def two_and_four(two: Training, four: Training) -> Still:
    """Show speed and distance moved of two trainings, one above the other, on the same axes."""
    content = []
    for run in (two, four):
        title = f"{run.depth} hidden layers:"
        speed, moved = f"{title} {figures.BIAS_GRADIENT}", f"{title} {DISTANCE}"
        content += [
            _over_epochs(speed, run, run.log_speed, scale="ln", y_range=(-6, -1)),
            _over_epochs(moved, run, run.moved, first=1, scale="log", y_range=(-4, 1)),
        ]
    parts = [
        f"{run.depth} hidden layers name {run.accuracy:.0%} of the test digits, and layer 1 has "
        f"moved by {percent(run.moved[-1, 0])} of its length"
        for run in (two, four)
    ]
    return Still(figures.panels(content, columns=2, height=560), f"{parts[0]}; {parts[1]}.")
