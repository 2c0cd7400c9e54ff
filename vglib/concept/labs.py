"""Labs and figures of chapter 01."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.concept.experiments import (
    NIELSEN,
    WINDOW,
    Descent,
    LearningSpeed,
    OnePath,
    Training,
    descent,
    learning_speed,
    one_path,
    score,
    surface_loss,
    train,
)
from vglib.concept.sgd import LOSSES
from vglib.figures import BLUE, EPOCH, GREEN, GREY, ORANGE, PINK, SKY, THEORY, Curve, Panel
from vglib.lab import Lab
from vglib.probe import Array

SPEED = f"learning speed {figures.BIAS_GRADIENT}"
MOVED = "distance moved ‖W − W₀‖ / ‖W₀‖"
LAYER_COLORS = (ORANGE, PINK, GREEN, BLUE, SKY, GREY)
# Higher ground is drawn as a table, so that the valley keeps its shape.
CEILING = 4.1


def draw_descent(walk: Descent) -> go.Figure:
    """Draw the loss surface with the path on it, and the loss at each step."""
    steps = np.arange(len(walk.losses))
    with np.errstate(divide="ignore"):
        height = np.log10(np.minimum(walk.losses, 1e6))
    panel = Panel(
        "loss at each step",
        [Curve("loss", steps, height, ORANGE, mode="lines+markers")],
        x_title=figures.STEP,
        powers=True,
        x_range=(0, 60),
        y_range=(-8, 6),
    )
    drawn = figures.panels([panel], height=470)
    drawn.update_layout(xaxis_domain=[0.7, 1], showlegend=False, margin_b=50)
    grid = np.linspace(-WINDOW, WINDOW, 61)
    ground = np.minimum(surface_loss(*np.meshgrid(grid, grid)), CEILING)
    drawn.add_trace(
        {
            "type": "surface",
            "x": grid,
            "y": grid,
            "z": ground,
            "surfacecolor": np.log10(ground + 0.02),
            "colorscale": figures.SEQUENTIAL,
            "showscale": False,
            "contours": {
                "z": {"show": True, "start": 0, "end": 3.75, "size": 0.25, "color": "#ffffff"}
            },
            "hovertemplate": "w₁ %{x:.2f}, w₂ %{y:.2f}: loss %{z:.3g}<extra></extra>",
        }
    )
    inside = (np.abs(walk.path) <= WINDOW).all(1)
    on_ground = np.minimum(walk.losses, CEILING) + 0.06
    seen = np.where(inside, 1.0, np.nan)
    drawn.add_trace(
        {
            "type": "scatter3d",
            "x": seen * walk.path[:, 0],
            "y": seen * walk.path[:, 1],
            "z": seen * on_ground,
            "mode": "lines+markers",
            "line": {"color": ORANGE, "width": 7},
            "marker": {"color": ORANGE, "size": 4},
            "name": "path of the weights",
        }
    )
    drawn.add_trace(
        {
            "type": "scatter3d",
            "x": [1, -1],
            "y": [1.5, -1.5],
            "z": [0.08, 0.08],
            "mode": "markers",
            "marker": {"color": "#ffffff", "size": 4, "symbol": "diamond"},
            "name": "the two minima",
        }
    )
    drawn.update_layout(scene=_scene())
    return drawn


def _scene() -> dict[str, object]:
    weight = {"range": [-WINDOW, WINDOW], "nticks": 5, "tickfont": {"size": 12}}
    loss = {"range": [0, 1.02 * CEILING], "dtick": 1, "tickfont": {"size": 12}}
    return {
        "domain": {"x": [0, 0.64], "y": [0, 1]},
        "xaxis": {"title": {"text": "weight w₁"}, **weight},
        "yaxis": {"title": {"text": "weight w₂"}, **weight},
        "zaxis": {"title": {"text": "loss"}, **loss},
        "camera": {"eye": {"x": 1.5, "y": 0.25, "z": 1.15}, "center": {"z": -0.15}},
        "aspectratio": {"x": 1, "y": 1, "z": 0.6},
    }


def descent_lab() -> Lab:
    """Walk down the loss of a net with two weights, with a step of any size."""

    def weight(name: str, tooltip: str) -> controls.Control:
        return controls.slider(name, 2.5, -WINDOW, WINDOW, tooltip=tooltip, step=0.1)

    return Lab(
        descent,
        draw_descent,
        step=controls.slider(
            "step size", 0.9, 0.01, 10.0, tooltip="How far a step follows the slope.", log=True
        ),
        w1=weight("start w1", "Where the first weight starts."),
        w2=weight("start w2", "Where the second weight starts."),
        presets={
            "converges": {"step": 0.9, "w1": 2.5, "w2": 2.5},
            "creeps": {"step": 0.1, "w1": 2.5, "w2": 2.5},
            "zig-zags": {"step": 1.25, "w1": 2.5, "w2": 2.5},
            "diverges": {"step": 1.5, "w1": 2.5, "w2": 2.5},
            "flat, but not low": {"step": 0.3, "w1": 3.5, "w2": -1.0},
        },
    )


def _speed_curves(run: LearningSpeed) -> list[Curve]:
    layers = np.arange(1, run.depth + 1)
    return [
        Curve("measured", layers, figures.log10(run.log_speed), BLUE),
        Curve("theory", layers, figures.log10(run.theory_log_speed), ORANGE, THEORY),
    ]


def draw_speed(run: LearningSpeed) -> go.Figure:
    """Draw each hidden layer's learning speed, with theory through the last layer's point.

    Nielsen's own numbers stand beside them where he printed some for this depth.
    """
    quoted = np.array(NIELSEN.get(run.depth, ()))
    layers = np.arange(1, len(quoted) + 1)
    published = Curve("Nielsen's run (MNIST, 2015)", layers, np.log10(quoted), PINK, "quoted")
    drawn = figures.panels([Panel(SPEED, [*_speed_curves(run), published], powers=True)])
    drawn.update_traces(showlegend=len(quoted) > 0, selector={"meta": "quoted"})
    return _whole_layers(drawn, run.depth)


def _whole_layers(drawn: go.Figure, depth: int) -> go.Figure:
    """Put ticks at whole layers only."""
    return drawn.update_xaxes(dtick=1 if depth <= 10 else 5, tick0=0)


def learning_speed_lab() -> Lab:
    """Compare the learning speed of the hidden layers at the random start."""
    return Lab(
        learning_speed,
        draw_speed,
        depth=controls.depth(2, maximum=50),
        weight_scale=controls.weight_scale(),
        width=controls.width(30, maximum=100),
        seed=controls.seed(),
        presets={
            "Nielsen, 2 hidden layers": {"depth": 2, "weight_scale": 1.0, "width": 30},
            "Nielsen, 3 hidden layers": {"depth": 3, "weight_scale": 1.0, "width": 30},
            "Nielsen, 4 hidden layers": {"depth": 4, "weight_scale": 1.0, "width": 30},
            "30 hidden layers": {"depth": 30, "weight_scale": 1.0, "width": 30},
            "4 times the weights": {"depth": 4, "weight_scale": 4.0, "width": 30},
        },
    )


@dataclass(frozen=True, eq=False)
class TwoWays:
    """A learning speed whose verdict is about both directions."""

    run: LearningSpeed

    @property
    def verdict(self) -> str:
        """One sentence on what is left of the images and of the gradient."""
        return self.run.two_way_verdict


def two_ways(depth: int, weight_scale: float, width: int, seed: int) -> TwoWays:
    """Trace the chapter's net on standardised digits, the pixels of the trainings."""
    return TwoWays(learning_speed(depth, weight_scale, width, seed, standardised=True))


def draw_two_ways(both: TwoWays) -> go.Figure:
    """Draw the gradient that travels back beside the differences that travel forward."""
    run = both.run
    layers = np.arange(1, run.depth + 1)
    forward = Panel(
        f"forward: {figures.SPREAD}",
        [
            Curve("measured", layers, _log10(run.spread), BLUE),
            Curve("theory", layers, figures.log10(run.theory_log_spread), ORANGE, THEORY),
        ],
        powers=True,
    )
    backward = Panel(f"backward: {SPEED}", _speed_curves(run), powers=True)
    return _whole_layers(figures.panels([forward, backward]), run.depth)


def two_way_lab() -> Lab:
    """Show forward collapse beside the gradient's: one factor a layer for both."""
    return Lab(
        two_ways,
        draw_two_ways,
        depth=controls.depth(4, maximum=50),
        weight_scale=controls.weight_scale(),
        width=controls.width(100, maximum=100),
        seed=controls.seed(),
        presets={
            "4 hidden layers": {"depth": 4, "weight_scale": 1.0},
            "20 hidden layers": {"depth": 20, "weight_scale": 1.0},
            "20 layers, 10 times the weights": {"depth": 20, "weight_scale": 10.0},
        },
    )


def _layer_curves(x: Array, rows: Array, layers: int = 4) -> list[Curve]:
    """Return a curve for each of `layers` layers, those that the net lacks without points."""
    missing = np.full((len(rows), layers - rows.shape[1]), np.nan)
    columns = np.hstack([rows, missing]).T
    return [
        Curve(f"layer {number + 1}", x, columns[number], LAYER_COLORS[number])
        for number in range(layers)
    ]


def draw_training(run: Training) -> go.Figure:
    """Draw speed and distance moved of each hidden layer, and the test accuracy, over epochs."""
    epochs = run.history.epochs
    accuracy = Curve("accuracy", epochs, 100 * run.history.test_accuracy, figures.GREY)
    drawn = figures.panels(
        [
            Panel(SPEED, _layer_curves(epochs, figures.log10(run.log_speed), 6), EPOCH, True),
            # At epoch 0 nothing has moved, and a logarithmic axis has no place for 0.
            Panel(
                MOVED,
                _layer_curves(epochs[1:], _log10(run.moved[1:]), 6),
                EPOCH,
                powers=True,
                x_range=(0, float(epochs[-1])),
            ),
            Panel("test accuracy (%)", [accuracy], EPOCH, y_range=(0, 100)),
        ]
    )
    # The legend names the layers that the net has, and the third panel needs none.
    absent = {"accuracy", *(f"layer {number}" for number in range(run.depth + 1, 7))}
    return drawn.for_each_trace(
        lambda t: t.update(showlegend=t.showlegend and t.name not in absent)
    )


def training_lab() -> Lab:
    """Train the same small net under another loss, step size, weight scale or depth."""
    same = {"depth": 4, "loss": "quadratic", "lr": 0.5, "weight_scale": 1.0, "epochs": 20}
    return Lab(
        train,
        draw_training,
        score=score,
        depth=controls.depth(4, maximum=6),
        loss=controls.choice("loss", "quadratic", list(LOSSES), "What the outputs are judged by."),
        lr=controls.slider(
            "step size", 0.5, 0.01, 50.0, tooltip="The learning rate of plain SGD.", log=True
        ),
        weight_scale=controls.weight_scale(),
        epochs=controls.ladder(
            "epochs", 20, range(5, 41, 5), "Passes through the data; 20 take about half a second."
        ),
        seed=controls.seed(),
        presets={
            "as it was": same,
            "cross-entropy": {**same, "loss": "cross-entropy"},
            "40 times the step": {**same, "lr": 20.0},
            "4 times the weights": {**same, "weight_scale": 4.0, "epochs": 40},
            "cross-entropy, tiny steps": {**same, "loss": "cross-entropy", "lr": 0.01},
            "6 layers, 40 times the step": {**same, "depth": 6, "lr": 20.0},
            "6 layers, and 4 times the weights": {
                **same,
                "depth": 6,
                "lr": 20.0,
                "weight_scale": 4.0,
            },
        },
    )


def draw_one_path(run: OnePath) -> go.Figure:
    """Draw four bias gradients over the epochs, and beside them the four deltas."""
    epochs = run.history.epochs
    return figures.panels(
        [
            Panel(
                figures.BIAS_GRADIENT,
                _layer_curves(epochs, figures.log10(run.log_speed)),
                EPOCH,
                powers=True,
            ),
            Panel(
                figures.DELTA,
                _layer_curves(epochs, figures.log10(run.log_delta)),
                EPOCH,
                powers=True,
            ),
        ]
    )


def one_path_lab() -> Lab:
    """Train a net with one neuron in each of four hidden layers."""
    return Lab(
        one_path,
        draw_one_path,
        weight_scale=controls.weight_scale(),
        lr=controls.slider(
            "step size", 0.5, 0.05, 20.0, tooltip="The learning rate of plain SGD.", log=True
        ),
        epochs=controls.ladder(
            "epochs", 60, range(10, 61, 10), "Passes through the data; 60 take about a second."
        ),
        seed=controls.seed(),
        presets={
            "as in the tutorial": {"weight_scale": 1.0, "lr": 0.5, "epochs": 60, "seed": 0},
            "another draw": {"weight_scale": 1.0, "lr": 0.5, "epochs": 60, "seed": 1},
            "20 times the step": {"weight_scale": 1.0, "lr": 10.0, "epochs": 60, "seed": 0},
        },
    )


def draw_two_and_four(two: Training, four: Training) -> go.Figure:
    """Draw speed and distance moved of two trainings, one above the other, on the same axes."""
    content = []
    for run in (two, four):
        epochs = run.history.epochs
        content += [
            Panel(
                f"{run.depth} hidden layers: {figures.BIAS_GRADIENT}",
                _layer_curves(epochs, figures.log10(run.log_speed)),
                EPOCH,
                powers=True,
                y_range=(-6, -1),
            ),
            Panel(
                f"{run.depth} hidden layers: ‖W − W₀‖ / ‖W₀‖",
                _layer_curves(epochs[1:], _log10(run.moved[1:])),
                EPOCH,
                powers=True,
                x_range=(0, float(epochs[-1])),
                y_range=(-4, 1),
            ),
        ]
    return figures.panels(content, columns=2, height=600)


def _log10(values: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)
