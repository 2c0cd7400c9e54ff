"""Labs of chapter 06."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from scipy.stats import norm

from vglib import figures
from vglib import lab as controls
from vglib.batch_norm import experiments as ex
from vglib.batch_norm.experiments import (
    Breaking,
    Circles,
    Explosion,
    Norms,
    OneUnit,
    Places,
    Rescue,
    Running,
    Steps,
)
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Panel
from vglib.lab import Control, Lab

COLORS = {
    "none": GREY,
    "batch": BLUE,
    "layer": GREEN,
    "rms": ORANGE,
    "group": SKY,
    # Where batch norm and weight norm run together, two blues would be one line.
    "weight": PINK,
}
LABELS = {v: k for k, v in ex.NAMES.items()}
TOP = 3.5
BATCH_TIP = "Samples that batch norm takes its mean and variance from."


def _theory(name: str, x: ArrayLike, y: ArrayLike, color: str = ORANGE) -> Curve:
    return Curve(name, x, y, color, figures.THEORY)


def _batch(value: int, stops: Sequence[int]) -> Control:
    return controls.ladder("batch size", value, stops, BATCH_TIP)


def _activation(value: str, names: Sequence[str] = ("relu", "tanh", "sigmoid")) -> Control:
    return controls.choice("activation", value, list(names), "phi, behind the norm.")


def _lr(value: float, low: float, high: float) -> Control:
    return controls.slider("learning rate", value, low, high, tooltip="Step size.", log=True)


# ---- what it does


def _histogram(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, _ = np.histogram(values, edges)
    density = counts / len(values) / (edges[1] - edges[0])
    return np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(density, 2), [0.0]])


def draw_unit(one: OneUnit) -> go.Figure:
    """Draw the histogram of a unit over the batch before and after batch norm."""
    both = []
    for title, values, x_title, high in (
        ("density before", one.z, "pre-activation z", 0.6),
        ("density after", one.out, "γ u + β", 1.2),
    ):
        edges, grid = np.linspace(-8, 14, 89), np.linspace(-8, 14, 201)
        bars = _histogram(values, edges)
        bell = norm.pdf(grid, values.mean(), max(float(values.std()), 1e-3))
        both.append(
            Panel(
                title,
                [
                    Curve("one unit over the batch", *bars, BLUE, mode="lines"),
                    _theory("normal with this mean and spread", grid, bell),
                ],
                x_title,
                x_range=(-8, 14),
                y_range=(0, high),
            )
        )
    return figures.panels(both, height=380)


def unit_lab() -> Lab:
    """Send one unit's batch through batch norm and see what changes and what does not."""
    return Lab(
        ex.one_unit,
        draw_unit,
        shape=controls.choice("shape of z", "two heaps", list(ex.SHAPES), "How z is spread."),
        gamma=controls.slider("γ", 1.0, 0.2, 4.0, tooltip="Learned scale.", step=0.1),
        beta=controls.slider("β", 0.0, -4.0, 4.0, tooltip="Learned shift.", step=0.2),
        batch=_batch(2000, [4, 8, 16, 32, 64, 128, 500, 2000]),
        seed=controls.seed(),
        presets={
            "two heaps": {"shape": "two heaps", "gamma": 1.0, "beta": 0.0, "batch": 2000},
            "a tail": {"shape": "a tail to the right", "gamma": 1.0, "beta": 0.0, "batch": 2000},
            "one outlier": {"shape": "one outlier", "gamma": 1.0, "beta": 0.0, "batch": 64},
            "γ and β undo it": {"shape": "two heaps", "gamma": 2.0, "beta": 3.0, "batch": 2000},
            "a batch of 8": {"shape": "a bell", "gamma": 1.0, "beta": 0.0, "batch": 8},
        },
    )


def draw_running(one: Running) -> go.Figure:
    """Draw batch mean and variance, their running averages, and what is expected of these."""
    steps = np.arange(1, len(one.mean) + 1)
    rows = (
        ("mean", one.batch_mean, one.mean, one.expected_mean, (-4.0, 6.0)),
        ("variance", one.batch_var, one.var, one.expected_var, (0.0, 30.0)),
    )
    return figures.panels(
        [
            Panel(
                title,
                [
                    Curve("of the batch", steps, of_batch, GREY, mode="markers"),
                    Curve("running", steps, kept, BLUE, mode="lines"),
                    _theory("expected", steps, expected),
                ],
                figures.STEP,
                x_range=(0, ex.RUNNING_STEPS),
                y_range=y_range,
            )
            for title, of_batch, kept, expected, y_range in rows
        ],
        height=380,
    )


def running_lab() -> Lab:
    """Watch running mean and variance settle."""
    return Lab(
        ex.running,
        draw_running,
        momentum=controls.slider(
            "momentum", 0.1, 0.01, 1.0, tooltip="Weight of the newest batch, as in torch.", log=True
        ),
        batch=_batch(32, [2, 4, 8, 16, 32, 64, 128, 256]),
        jump=controls.toggle("the layer before learns", False, "z changes half way."),
        seed=controls.seed(),
        presets={
            "torch's 0.1": {"momentum": 0.1, "batch": 32, "jump": False},
            "slow: 0.01": {"momentum": 0.01, "batch": 32, "jump": False},
            "no memory: 1": {"momentum": 1.0, "batch": 32, "jump": False},
            "tiny batch": {"momentum": 0.1, "batch": 2, "jump": False},
            "the layer before learns": {"momentum": 0.1, "batch": 32, "jump": True},
        },
    )


# ---- it explodes


def draw_explosion(one: Explosion) -> go.Figure:
    """Draw ||dL/dW|| over the layers with theory's slope, and the factor over the batch size."""
    layers = np.arange(1, one.depth + 1)
    # A batch of 2 or 3 may lie far above the axis: its point stays on the edge, its number is said.
    seen = min(one.measured, TOP)
    drawn = figures.panels(
        [
            Panel(
                figures.WEIGHT_GRADIENT,
                [
                    Curve("with batch norm", layers, figures.log10(one.normed.log_weight_grad)),
                    Curve("without", layers, figures.log10(one.plain.log_weight_grad), GREY),
                    _theory("theory", layers, figures.log10(one.theory)),
                ],
                powers=True,
            ),
            Panel(
                "factor of ‖δ‖² per layer",
                [
                    Curve("this net", [one.batch], [seen], BLUE, mode="markers"),
                    _theory("theory", ex.BATCHES, one.factors),
                ],
                "batch size",
                x_log=True,
                x_range=(2, 300),
                y_range=(1.0, TOP),
            ),
        ]
    )
    ticks = [2, 4, 8, 16, 32, 64, 128, 256]
    drawn.update_layout(xaxis2={"tickvals": ticks, "ticktext": [str(b) for b in ticks]})
    large = {"marker": {"size": 13}, "cliponaxis": False}
    return drawn.update_traces(large, selector={"name": "this net"})


def explosion_lab() -> Lab:
    """Trace a fresh deep net with batch norm, under the slope that theory gives."""
    return Lab(
        ex.explosion,
        draw_explosion,
        batch=_batch(128, [2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]),
        depth=controls.depth(50, 200),
        weight_scale=controls.weight_scale(),
        activation=_activation("relu", ("relu", "tanh", "sigmoid", "elu", "gelu")),
        seed=controls.seed(),
        presets={
            name: {"batch": batch, "depth": depth, "weight_scale": scale, "activation": activation}
            for name, batch, depth, scale, activation in (
                ("50 layers", 128, 50, 1.0, "relu"),
                ("batch of 32", 32, 50, 1.0, "relu"),
                ("batch of 8", 8, 50, 1.0, "relu"),
                ("weights 5 times too large", 128, 50, 5.0, "relu"),
                ("tanh", 128, 50, 1.0, "tanh"),
                ("sigmoid, 20 layers", 128, 20, 1.0, "sigmoid"),
                ("batch of 2", 2, 50, 1.0, "relu"),
            )
        },
    )


def draw_steps(one: Steps) -> go.Figure:
    """Draw ||dL/dW|| over the layers before and after, and the growth of the weights."""
    layers = np.arange(1, len(one.growth) + 1)
    return figures.panels(
        [
            Panel(
                figures.WEIGHT_GRADIENT,
                [
                    Curve("before", layers, figures.log10(one.before.log_weight_grad), GREY),
                    Curve("after", layers, figures.log10(one.after.log_weight_grad)),
                ],
                powers=True,
            ),
            Panel(
                "‖W‖ after over before",
                [
                    Curve("growth of ‖W‖", layers, np.log10(one.growth), GREEN),
                    _theory("first step at a right angle", layers, np.log10(one.first_growth)),
                ],
                powers=True,
            ),
        ]
    )


def steps_lab() -> Lab:
    """Take the first steps of an exploding net, and see its gradient flatten."""
    return Lab(
        ex.first_steps,
        draw_steps,
        lr=_lr(1.0, 0.001, 10.0),
        steps=controls.ladder("steps", 1, [1, 2, 3, 4, 5], "Steps of descent on one batch."),
        depth=controls.depth(40, 100),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "lr 0.01": {"lr": 0.01, "steps": 1, "depth": 40},
            "lr 0.1": {"lr": 0.1, "steps": 1, "depth": 40},
            "lr 1": {"lr": 1.0, "steps": 1, "depth": 40},
            "five steps": {"lr": 1.0, "steps": 5, "depth": 40},
            "lr 10: too far": {"lr": 10.0, "steps": 1, "depth": 40},
        },
    )


def draw_norms(one: Norms) -> go.Figure:
    """Draw ||delta|| over the layers for each norm, with theory's two lines."""
    curves = []
    for kind, values in one.log_delta.items():
        layers = np.arange(1, len(values) + 1)
        curves.append(
            Curve(ex.NAMES[kind], layers, figures.log10(values), COLORS[kind], mode="lines")
        )
    for name, factor, kind in (
        ("theory, over the batch", one.over_batch, "batch"),
        ("theory, over the units", one.over_units, "layer"),
    ):
        end = one.log_delta[kind][-1]
        line = end + 0.5 * np.log(factor) * np.arange(len(layers) - 1, -1, -1.0)
        curves.append(_theory(name, layers, figures.log10(line), COLORS[kind]))
    return figures.panels([Panel(figures.DELTA, curves, powers=True)], height=430)


def norms_lab() -> Lab:
    """Compare nets that share their weights and differ in the norm: five norms, and none."""
    return Lab(
        ex.norms,
        draw_norms,
        activation=_activation("relu"),
        depth=controls.depth(30, 60),
        weight_scale=controls.weight_scale(),
        batch=_batch(64, [4, 8, 16, 32, 64, 128]),
        seed=controls.seed(),
        presets={
            "ReLU": {"activation": "relu", "depth": 30, "weight_scale": 1.0, "batch": 64},
            "sigmoid": {"activation": "sigmoid", "depth": 30, "weight_scale": 1.0, "batch": 64},
            "tanh": {"activation": "tanh", "depth": 30, "weight_scale": 1.0, "batch": 64},
            "ReLU, small batch": {
                "activation": "relu",
                "depth": 30,
                "weight_scale": 1.0,
                "batch": 8,
            },
            "weights too small": {
                "activation": "relu",
                "depth": 30,
                "weight_scale": 0.5,
                "batch": 64,
            },
        },
    )


# ---- training


def _rescue(
    kind: str = "no norm",
    activation: str = "sigmoid",
    depth: int = 20,
    lr: float = 0.2,
    seed: int = 0,
) -> Rescue:
    return ex.rescue(LABELS[kind], activation, depth, lr, seed)


def draw_rescue(one: Rescue) -> go.Figure:
    """Draw the test accuracy over the steps and the gradient at the start."""
    layers = np.arange(1, one.depth + 1)
    history = one.history
    return figures.panels(
        [
            Panel(
                "test accuracy, %",
                [Curve("accuracy", history.steps, 100 * history.test_accuracy, GREEN)],
                figures.STEP,
                x_range=(0, 60),
                y_range=(0, 100),
            ),
            Panel(
                f"{figures.DELTA} at the start",
                [Curve("gradient", layers, figures.log10(one.log_delta))],
                powers=True,
            ),
        ],
        height=380,
    )


def rescue_lab() -> Lab:
    """Train a deep net with one of five norms or none, 60 steps (half a second a move)."""
    return Lab(
        _rescue,
        draw_rescue,
        kind=controls.choice("norm", "no norm", list(LABELS), "What stands before phi."),
        activation=_activation("sigmoid"),
        depth=controls.depth(20, 20),
        lr=_lr(0.2, 0.02, 1.0),
        seed=controls.seed(),
        presets={
            "sigmoid, no norm": {"kind": "no norm", "activation": "sigmoid", "lr": 0.2},
            "sigmoid, batch norm": {"kind": "batch norm", "activation": "sigmoid", "lr": 0.2},
            "sigmoid, layer norm": {"kind": "layer norm", "activation": "sigmoid", "lr": 0.2},
            "sigmoid, weight norm": {"kind": "weight norm", "activation": "sigmoid", "lr": 0.2},
            "ReLU, batch norm, small steps": {
                "kind": "batch norm",
                "activation": "relu",
                "lr": 0.05,
            },
            "ReLU, batch norm, large steps": {
                "kind": "batch norm",
                "activation": "relu",
                "lr": 0.5,
            },
        },
    )


def draw_places(one: Places) -> go.Figure:
    """Draw the test accuracy over the steps for each place of batch norm."""
    colors = (GREY, BLUE, GREEN, ORANGE)
    curves = [
        Curve(ex.PLACE_NAMES[place], one.steps, 100 * values, color)
        for (place, values), color in zip(one.accuracy.items(), colors, strict=True)
    ]
    panel = Panel("test accuracy, %", curves, figures.STEP, y_range=(0, 100))
    return figures.panels([panel], height=380)


def places_lab() -> Lab:
    """Train the article's model with batch norm at three places and without (a quarter second)."""
    return Lab(
        ex.places,
        draw_places,
        lr=_lr(0.1, 0.003, 3.0),
        steps=controls.ladder("steps", 40, [12, 20, 40, 60], "Steps of SGD, batches of 64."),
        seed=controls.seed(),
        presets={
            "lr 0.1": {"lr": 0.1, "steps": 40},
            "lr 0.01": {"lr": 0.01, "steps": 40},
            "lr 1": {"lr": 1.0, "steps": 40},
            "lr 3": {"lr": 3.0, "steps": 40},
        },
    )


# ---- when it breaks


def _breaking(
    batch: int = 16,
    norm: str = "batch norm",
    lr: float = 0.1,
    seed: int = 0,
) -> Breaking:
    return ex.breaking(batch, lr, LABELS[norm], seed)


def draw_breaking(one: Breaking) -> go.Figure:
    """Draw the accuracy in both modes over the steps, and over a shift of the test images."""
    both = (
        ("by running statistics", one.running, one.shifted_running, BLUE),
        ("by the test batch's own", one.own, one.shifted_own, ORANGE),
    )
    return figures.panels(
        [
            Panel(
                "test accuracy, %",
                [Curve(name, one.steps, 100 * values, color) for name, values, _, color in both],
                figures.STEP,
                y_range=(0, 100),
            ),
            Panel(
                "test accuracy at the end, %",
                [Curve(name, ex.SHIFTS, 100 * values, color) for name, _, values, color in both],
                "added to every pixel (in its standard deviations)",
                y_range=(0, 100),
            ),
        ],
        height=390,
    )


def breaking_lab() -> Lab:
    """Train on small batches, and test with running statistics and with the batch's own."""
    return Lab(
        _breaking,
        draw_breaking,
        batch=_batch(16, [2, 3, 4, 6, 8, 16, 32, 64, 128]),
        norm=controls.choice(
            "norm",
            "batch norm",
            ["batch norm", "layer norm", "group norm (5)", "no norm"],
            "What stands before the ReLUs.",
        ),
        lr=_lr(0.1, 0.01, 1.0),
        seed=controls.seed(),
        presets={
            "batch of 16": {"batch": 16, "norm": "batch norm"},
            "batch of 4": {"batch": 4, "norm": "batch norm"},
            "batch of 2": {"batch": 2, "norm": "batch norm"},
            "batch of 2, layer norm": {"batch": 2, "norm": "layer norm"},
            "batch of 128": {"batch": 128, "norm": "batch norm"},
        },
    )


def draw_circles(one: Circles) -> go.Figure:
    """Draw the points over the trained net's output in the plane."""
    points = [
        Curve(name, one.x[one.y == label, 0], one.x[one.y == label, 1], color, mode="markers")
        for name, label, color in (("outer", 0, BLUE), ("inner", 1, ORANGE))
    ]
    drawn = figures.panels(
        [
            Panel(
                "second input (colour: the net's share for the inner circle)",
                points,
                "first input",
                x_range=(-1.4, 1.4),
                y_range=(-1.4, 1.4),
            )
        ],
        height=460,
    )
    colours: Mapping[str, Any] = {
        "type": "heatmap",
        "x": one.grid,
        "y": one.grid,
        "z": one.output,
        "zmin": 0,
        "zmax": 1,
        "opacity": 0.6,
        "colorscale": [list(stop) for stop in figures.DIVERGING],
        "hovertemplate": "%{z:.2f}",
        "colorbar": {"thickness": 12, "x": 0.7, "tickvals": [0, 0.5, 1]},
    }
    border: Mapping[str, Any] = {
        "type": "contour",
        "x": one.grid,
        "y": one.grid,
        "z": one.output,
        "contours": {"coloring": "none", "start": 0.5, "end": 0.5, "size": 1},
        "line": {"color": PINK, "width": 3},
        "name": "border, share 0.5",
        "showlegend": True,
        "hoverinfo": "skip",
    }
    data = [colours, border, *(trace.to_plotly_json() for trace in drawn.data)]
    merged = figures.figure(data, drawn.layout.to_plotly_json())
    return merged.update_layout(
        yaxis={"scaleanchor": "x", "constrain": "domain"}, xaxis={"constrain": "domain"}
    )


def circles_lab() -> Lab:
    """Train on two circles with batch norm in place of an activation, and with ReLU."""
    return Lab(
        ex.two_circles,
        draw_circles,
        kind=controls.choice("between layers", "batch norm", list(ex.CIRCLE_KINDS), "In between."),
        depth=controls.depth(2, 4),
        seed=controls.seed(),
        presets={
            "nothing": {"kind": "linear", "depth": 2},
            "batch norm alone": {"kind": "batch norm", "depth": 2},
            "batch norm alone, 4 layers": {"kind": "batch norm", "depth": 4},
            "ReLU": {"kind": "ReLU", "depth": 2},
            "both": {"kind": "batch norm and ReLU", "depth": 2},
        },
    )
