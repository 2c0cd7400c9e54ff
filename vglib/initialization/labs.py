"""Labs of chapter 05."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from vglib import figures, theory
from vglib import lab as controls
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Panel
from vglib.initialization.experiments import (
    CRITICAL,
    FORMATS,
    GRID_DEPTHS,
    SCHEMES,
    CMap,
    DepthFlow,
    Fluctuation,
    LinearLearning,
    Neuron,
    Overflow,
    PhasePoint,
    QMap,
    Spectrum,
    Speed,
    Trainability,
    c_map_steps,
    fluctuation,
    learning_speed,
    linear_learning,
    one_neuron,
    overflow,
    phase_point,
    phases,
    q_map_steps,
    spectrum,
    through_depth,
    trainability,
)
from vglib.lab import Control, Lab

COLORS = (BLUE, ORANGE, GREEN, PINK)
_SIGMA_W = "Standard deviation of the weights, times the square root of fan_in."
_SIGMA_B = "Standard deviation of the biases."
_THREE = ["tanh", "relu", "sigmoid"]


def _sigma_w(value: float) -> Control:
    return controls.slider("σ_w", value, 0.5, 20.0, tooltip=_SIGMA_W, log=True)


def _sigma_b(value: float, high: float = 2.0) -> Control:
    return controls.slider("σ_b", value, 0.0, high, tooltip=_SIGMA_B, step=0.01)


def _theory(name: str, x: ArrayLike, y: ArrayLike, color: str = ORANGE) -> Curve:
    return Curve(name, x, y, color, figures.THEORY)


def _with(figure: go.Figure, below: Sequence[Mapping[str, Any]] = (), **layout: Any) -> go.Figure:
    """Put more traces below those of a figure, and change its layout."""
    data = [*below, *(trace.to_plotly_json() for trace in figure.data)]
    merged = figures.figure(data, figure.layout.to_plotly_json())
    return merged.update_layout(**layout)


def _bars(edges: NDArray, heights: NDArray) -> tuple[NDArray, NDArray]:
    """Return the outline of a histogram."""
    return np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])


# ---- variances


def draw_depth(flow: DepthFlow) -> go.Figure:
    """Draw the mean square of z and the gradient over the layers, each with the theory."""
    layers = np.arange(1, flow.depth + 1)
    curves = (
        ("mean of z²", flow.log_signal, flow.theory_log_signal, BLUE),
        (figures.DELTA, flow.log_delta, flow.theory_log_delta, GREEN),
    )
    return figures.panels(
        [
            Panel(
                title,
                [
                    Curve(f"measured {title}", layers, figures.log10(measured), color),
                    _theory("mean-field theory", layers, figures.log10(predicted)),
                ],
                powers=True,
            )
            for title, measured, predicted, color in curves
        ]
    )


def depth_lab() -> Lab:
    """Show what each initialisation does to the signal and the gradient of fifty layers."""
    return Lab(
        through_depth,
        draw_depth,
        init=controls.choice("init", "torch default", list(SCHEMES), "How the weights are drawn."),
        activation=controls.choice("activation", "relu", [*_THREE, "identity", "selu"], "phi"),
        depth=controls.depth(50, 200),
        weight_scale=controls.weight_scale(),
        biases=controls.toggle("biases", True, "The scheme's own biases; only torch's has any."),
        seed=controls.seed(),
        presets={
            "torch's default with ReLU": {"init": "torch default", "activation": "relu"},
            "the same without biases": {
                "init": "torch default",
                "activation": "relu",
                "biases": False,
            },
            "Glorot with ReLU": {"init": "Glorot normal", "activation": "relu"},
            "He with ReLU": {"init": "He normal", "activation": "relu"},
            "Glorot with tanh": {"init": "Glorot uniform", "activation": "tanh"},
            "He with tanh": {"init": "He normal", "activation": "tanh"},
            "N(0, 1) with tanh": {"init": "N(0, 1)", "activation": "tanh"},
        },
    )


def draw_neuron(neuron: Neuron) -> go.Figure:
    """Draw the histogram of z with the normal density of the predicted variance."""
    spread = float(np.sqrt(neuron.predicted))
    edges = np.linspace(-4 * spread, 4 * spread, 41)
    heights, _ = np.histogram(neuron.z, edges, density=True)
    grid = np.linspace(edges[0], edges[-1], 161)
    curves = [
        Curve("4000 draws of the weights", *_bars(edges, heights), BLUE, mode="lines"),
        _theory("normal, variance n Var w E h²", grid, norm.pdf(grid, scale=spread)),
    ]
    return figures.panels([Panel("density", curves, x_title="pre-activation z")], height=330)


def neuron_lab() -> Lab:
    """Show that only the variance of the weights matters, not their distribution."""
    return Lab(
        one_neuron,
        draw_neuron,
        fan_in=controls.ladder(
            "fan_in", 100, [1, 2, 3, 4, 5, 7, 10, 20, 50, 100, 200, 500], "Number of inputs."
        ),
        n_var=controls.slider(
            "n Var w", 1.0, 0.1, 4.0, tooltip="Fan_in times the variance of a weight.", step=0.1
        ),
        distribution=controls.choice(
            "weights", "uniform", ["coin", "uniform", "normal"], "Distribution of one weight."
        ),
        seed=controls.seed(),
        presets={
            "one input shows its distribution": {"fan_in": 1, "distribution": "uniform"},
            "three are enough to hide it": {"fan_in": 3, "distribution": "uniform"},
            "a hundred coins": {"fan_in": 100, "distribution": "coin"},
        },
    )


def draw_speed(speed: Speed) -> go.Figure:
    """Draw the test accuracy over the epochs, a curve for each start."""
    curves = [
        Curve(name, speed.epochs, values, color)
        for name, values, color in zip(speed.inits, speed.accuracy, COLORS, strict=True)
    ]
    panel = Panel("test accuracy", curves, x_title=figures.EPOCH, y_range=(0.0, 1.0))
    return figures.panels([panel], height=360)


def speed_lab() -> Lab:
    """Train the same net from four starts (a second a move)."""
    return Lab(
        learning_speed,
        draw_speed,
        activation=controls.choice("activation", "tanh", _THREE, "phi"),
        depth=controls.depth(5, 5),
        lr=controls.slider("lr", 0.1, 0.01, 0.5, tooltip="Learning rate of SGD.", log=True),
        seed=controls.seed(),
        presets={
            "tanh": {"activation": "tanh"},
            "ReLU": {"activation": "relu"},
            "sigmoid": {"activation": "sigmoid"},
            "one layer forgives": {"activation": "tanh", "depth": 1},
        },
    )


# ---- mean field


def _staircase(steps: NDArray) -> tuple[NDArray, NDArray]:
    """Return the path of a cobweb: up to the map, across to the diagonal, and so on."""
    x = np.repeat(steps[:-1], 2)
    y = np.concatenate([[0.0], np.repeat(steps[1:], 2)[:-1]])
    return np.append(x, steps[-1]), np.append(y, steps[-1])


def draw_q_map(one: QMap) -> go.Figure:
    """Draw the q map with its staircase, and q over the layers beside a real net's."""
    top = float(one.grid[-1])
    layers = np.arange(1, len(one.steps) + 1)
    web = [
        Curve("q map", one.grid, one.image, BLUE, mode="lines"),
        Curve("diagonal", [0.0, top], [0.0, top], GREY, mode="lines"),
        _theory("the map, step by step", *_staircase(one.steps)),
    ]
    below = min(1.1 * max(float(one.steps.max()), float(one.measured.max())), 50 * top)
    real = [
        Curve("real network", layers, one.measured, GREEN),
        _theory("the map, step by step", layers, one.steps),
    ]
    return figures.panels(
        [
            Panel(
                "q of the next layer",
                web,
                x_title="q of a layer",
                x_range=(0, top),
                y_range=(0, top),
            ),
            Panel("q, the variance of z", real, y_range=(0, below)),
        ]
    )


def q_map_lab() -> Lab:
    """Iterate the variance map by hand, beside a real network."""
    return Lab(
        q_map_steps,
        draw_q_map,
        activation=controls.choice("activation", "tanh", [*_THREE, "selu"], "phi"),
        sigma_w=_sigma_w(1.5),
        sigma_b=_sigma_b(0.3),
        q_start=controls.slider(
            "q of layer 1", 3.0, 0.01, 5.0, tooltip="Where the staircase starts.", step=0.01
        ),
        seed=controls.seed(),
        presets={
            "tanh settles": {"activation": "tanh", "sigma_w": 1.5, "q_start": 3.0},
            "from below, the same place": {"activation": "tanh", "sigma_w": 1.5, "q_start": 0.05},
            "tanh dies out": {"activation": "tanh", "sigma_w": 0.8, "sigma_b": 0.0},
            "ReLU with He keeps what it got": {
                "activation": "relu",
                "sigma_w": 2**0.5,
                "sigma_b": 0.0,
            },
            "ReLU runs away": {"activation": "relu", "sigma_w": 1.6, "sigma_b": 0.0},
            "SELU heads for 1": {"activation": "selu", "sigma_w": 1.0, "sigma_b": 0.0},
        },
    )


def draw_c_map(one: CMap) -> go.Figure:
    """Draw the c map with its staircase, and c over the layers beside a real net's."""
    layers = np.arange(1, len(one.steps) + 1)
    tangent = 1 + one.slope * (one.grid - 1)
    web = [
        Curve("c map", one.grid, one.image, BLUE, mode="lines"),
        Curve("diagonal", [0.0, 1.0], [0.0, 1.0], GREY, mode="lines"),
        Curve("slope at c = 1", one.grid, tangent, PINK, mode="lines"),
        _theory("the map, step by step", *_staircase(one.steps)),
    ]
    real = [
        Curve("real network", layers, one.measured, GREEN),
        _theory("the map, step by step", layers, one.steps),
    ]
    low = min(0.0, float(np.floor(10 * one.measured.min()) / 10))
    unit = (0.0, 1.0)
    return figures.panels(
        [
            Panel("c of the next layer", web, x_title="c of a layer", x_range=unit, y_range=unit),
            Panel("c, the correlation of two inputs", real, y_range=(low, 1.02)),
        ]
    )


def c_map_lab() -> Lab:
    """Follow two inputs through the layers: do they become alike, or do they part?"""
    return Lab(
        c_map_steps,
        draw_c_map,
        activation=controls.choice("activation", "tanh", _THREE, "phi"),
        sigma_w=_sigma_w(2.0),
        sigma_b=_sigma_b(0.3),
        c_start=controls.slider(
            "c of layer 1", 0.9, 0.0, 0.999, tooltip="How alike the two inputs start.", step=0.001
        ),
        seed=controls.seed(),
        presets={
            "ordered": {"sigma_w": 1.0},
            "critical": {"sigma_w": 1.3956},
            "chaotic": {"sigma_w": 2.0},
            "chaos tells 0.999 from 1": {"sigma_w": 3.0, "c_start": 0.999},
        },
    )


def draw_phase(point: PhasePoint) -> go.Figure:
    """Draw the plane with the edge and the present point, and ln ||delta||^2 over the layers."""
    plane = phases(point.activation)
    layers = np.arange(1, point.depth + 1)
    edge = _theory("edge of chaos, χ = 1", plane.line_w, plane.line_b, "#1f1f1f")
    here = Curve("you are here", [point.sigma_w], [point.sigma_b], "#ffffff", mode="markers")
    lines = [
        Curve("measured", layers, point.log_delta_square, BLUE),
        _theory("slope ln χ", layers, point.theory),
    ]
    figure = figures.panels(
        [
            Panel(
                "σ_b (colour: ln χ)",
                [edge, here],
                x_title="σ_w",
                x_log=True,
                x_range=(0.5, 20.0),
                y_range=(0.0, 2.0),
            ),
            Panel("ln ‖∂L/∂z‖²", lines),
        ]
    )
    figure.update_traces(
        marker={"size": 17, "line": {"color": "#1f1f1f", "width": 3}},
        selector={"name": "you are here"},
    )
    colours = {
        "type": "heatmap",
        "x": plane.sigma_ws,
        "y": plane.sigma_bs,
        "z": np.clip(plane.log_chi, -2, 2),
        "zmin": -2,
        "zmax": 2,
        "colorscale": [list(stop) for stop in figures.DIVERGING],
        "colorbar": {"x": 0.465, "xanchor": "left", "thickness": 10, "tickvals": [-2, 0, 2]},
        "hovertemplate": "σ_w %{x:.3g}, σ_b %{y:.2f}: ln χ %{z:.2f}",
    }
    ticks = [0.5, 1, 2, 5, 10, 20]
    return _with(
        figure,
        [colours],
        xaxis={"domain": [0, 0.455], "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]},
        xaxis2={"domain": [0.57, 1]},
    )


def phase_lab() -> Lab:
    """Slide over the phase diagram; a real network's slope lands on ln chi."""
    return Lab(
        phase_point,
        draw_phase,
        activation=controls.choice("activation", "tanh", _THREE, "phi"),
        sigma_w=_sigma_w(1.0),
        sigma_b=_sigma_b(0.22),
        depth=controls.depth(30, 60),
        seed=controls.seed(),
        presets={
            "tanh, ordered": {"activation": "tanh", "sigma_w": 1.0, "sigma_b": 0.22},
            "tanh, critical": {"activation": "tanh", "sigma_w": 1.324, "sigma_b": 0.22},
            "tanh, chaotic": {"activation": "tanh", "sigma_w": 2.0, "sigma_b": 0.22},
            "tanh at torch's gain 5/3": {"activation": "tanh", "sigma_w": 5 / 3, "sigma_b": 0.0},
            "ReLU with He": {"activation": "relu", "sigma_w": 2**0.5, "sigma_b": 0.0},
            "ReLU with Glorot": {"activation": "relu", "sigma_w": 1.0, "sigma_b": 0.0},
            "sigmoid with Glorot": {"activation": "sigmoid", "sigma_w": 1.0, "sigma_b": 0.0},
            "sigmoid, critical": {"activation": "sigmoid", "sigma_w": 10.149, "sigma_b": 0.0},
        },
    )


def draw_trainability(grid: Trainability) -> go.Figure:
    """Draw accuracy over depth and sigma_w with theory's line, and the two depth scales."""
    octaves = np.log2(np.array(GRID_DEPTHS) / GRID_DEPTHS[0])
    ends = (-0.5, float(octaves[-1]) + 0.5)
    line = np.log2(6 * grid.xi_c / GRID_DEPTHS[0])
    line = np.where(line > ends[1] + 2, np.nan, line)
    columns, fine = np.log(grid.sigma_ws), np.log(grid.fine_w)
    half = 0.5 * float(columns[1] - columns[0])
    sides = (float(columns[0]) - half, float(columns[-1]) + half)
    ticks = np.array([0.7, 1.0, 1.4, 2.0, 3.0])
    axis = {"tickvals": np.log(ticks), "ticktext": [f"{t:g}" for t in ticks]}
    scales = [
        _theory("ξ of the gradient", fine, np.log10(np.minimum(grid.xi_grad, 1e3)), BLUE),
        _theory("ξ of the correlation", fine, np.log10(np.minimum(grid.xi_c, 1e3))),
    ]
    figure = figures.panels(
        [
            Panel(
                "depth (colour: test accuracy)",
                [_theory("6 ξ of the correlation", fine, line, PINK)],
                x_title="σ_w",
                x_range=sides,
                y_range=ends,
            ),
            Panel("depth scale ξ in layers", scales, x_title="σ_w", x_range=sides, powers=True),
        ]
    )
    colours = {
        "type": "heatmap",
        "x": columns,
        "y": octaves,
        "z": grid.accuracy,
        "zmin": 0.0,
        "zmax": 1.0,
        "colorscale": figures.SEQUENTIAL,
        "colorbar": {"x": 0.465, "xanchor": "left", "thickness": 10, "tickvals": [0, 0.5, 1]},
        "customdata": np.broadcast_to(grid.sigma_ws, grid.accuracy.shape),
        "hovertemplate": "σ_w %{customdata:.3g}: accuracy %{z:.2f}",
        "texttemplate": "%{z:.0%}",
        "textfont": {"size": 12},
    }
    return _with(
        figure,
        [colours],
        xaxis={"domain": [0, 0.455], "showgrid": False, **axis},
        xaxis2={"domain": [0.57, 1], **axis},
        yaxis={"tickvals": octaves, "ticktext": [str(d) for d in GRID_DEPTHS]},
    )


def trainability_lab() -> Lab:
    """Train a small grid of tanh nets over depth and sigma_w (two seconds a move)."""
    return Lab(
        trainability,
        draw_trainability,
        sigma_b=_sigma_b(0.22, 0.6),
        steps=controls.ladder("steps", 50, [5, 10, 20, 30, 40, 50, 60], "Steps of SGD."),
        seed=controls.seed(),
        presets={
            "fifty steps": {"steps": 50},
            "ten steps": {"steps": 10},
            "larger biases": {"steps": 50, "sigma_b": 0.5},
        },
    )


# ---- isometry


def draw_spectrum(one: Spectrum) -> go.Figure:
    """Draw the histograms of the singular values, and median and mean square over the layers."""
    edges = np.linspace(-16.5, 2.5, 39)
    layers = np.arange(1, one.depth + 1)
    pairs = (("Gaussian", one.gaussian, BLUE), ("orthogonal", one.orthogonal, GREEN))
    bars, medians, squares = [], [], []
    for row, (name, values, color) in enumerate(pairs):
        counts, _ = np.histogram(np.log10(values), edges)
        outline = _bars(edges, counts / len(values))
        bars.append(Curve(f"{name} weights", *outline, color, mode="lines"))
        size = np.log10(one.medians[row])
        medians.append(Curve(f"{name} weights", layers, size, color, mode="lines"))
        root = 0.5 * np.log10(one.mean_squares[row])
        label = f"root mean square, {name}"
        squares.append(Curve(label, layers, root, (SKY, PINK)[row], mode="lines"))
    if one.activation == "relu":
        half = np.full(one.depth, np.nan)
    else:
        half = figures.log10([theory.gaussian_product_log_quantile(0.5, int(n)) for n in layers])
    low = min(-2.0, float(np.floor(min(m.y.min() for m in medians))))  # type: ignore[union-attr]
    return figures.panels(
        [
            Panel(
                "share of the singular values",
                bars,
                x_title="log₁₀ of the singular value s of ∂z_L/∂z_0",
                x_range=(-16.5, 2.5),
                y_range=(0.0, 1.0),
            ),
            Panel(
                "median of s",
                [*medians, *squares, _theory("theory, 2^(−L/2)", layers, half)],
                powers=True,
                y_range=(low, 1.0),
            ),
        ]
    )


def spectrum_lab() -> Lab:
    """Compare all the directions of two nets whose mean square is the same."""
    return Lab(
        spectrum,
        draw_spectrum,
        activation=controls.choice("activation", "tanh", list(CRITICAL), "phi"),
        depth=controls.depth(50, 100),
        seed=controls.seed(),
        presets={
            "one layer": {"depth": 1, "activation": "identity"},
            "linear, 10": {"depth": 10, "activation": "identity"},
            "linear, 50": {"depth": 50, "activation": "identity"},
            "tanh, 50": {"depth": 50, "activation": "tanh"},
            "ReLU, 10": {"depth": 10, "activation": "relu"},
        },
    )


def draw_linear(one: LinearLearning) -> go.Figure:
    """Draw the loss over the steps from both starts."""
    steps = np.arange(one.losses.shape[1])
    curves = [
        Curve(name, steps, values, color, mode="lines")
        for name, values, color in zip(
            ("Gaussian start", "orthogonal start"), one.losses, (BLUE, GREEN), strict=True
        )
    ]
    goal = Curve("target", [0, steps[-1]], [one.target, one.target], GREY, mode="lines")
    panel = Panel("quadratic loss", [*curves, goal], x_title=figures.STEP, y_range=(0.03, 0.2))
    return figures.panels([panel], height=340)


def linear_lab() -> Lab:
    """Race an orthogonal against a Gaussian start in deep linear nets (a second or two a move)."""
    return Lab(
        linear_learning,
        draw_linear,
        depth=controls.depth(10, 20),
        seed=controls.seed(),
        presets={"3 layers": {"depth": 3}, "10 layers": {"depth": 10}, "20 layers": {"depth": 20}},
    )


# ---- finite width and finite numbers


def draw_fluctuation(one: Fluctuation) -> go.Figure:
    """Draw the histogram of ln ||h||^2 over the nets with theory's density."""
    curves = [
        Curve("2000 networks", *_bars(one.edges, one.counts), BLUE, mode="lines"),
        _theory("theory", one.grid, one.density),
    ]
    title = "ln of ‖h‖² of the last layer over that of the input"
    return figures.panels([Panel("density", curves, x_title=title)], height=340)


def fluctuation_lab() -> Lab:
    """Show how far nets of one critical scale differ by chance alone."""
    return Lab(
        fluctuation,
        draw_fluctuation,
        activation=controls.choice("activation", "relu", ["relu", "identity"], "phi"),
        depth=controls.depth(20, 100),
        width=controls.width(50, 200),
        seed=controls.seed(),
        presets={
            "ReLU": {"activation": "relu", "depth": 20, "width": 50},
            "linear": {"activation": "identity", "depth": 20, "width": 50},
            "depth as large as width": {"activation": "relu", "depth": 50, "width": 50},
        },
    )


def draw_overflow(one: Overflow) -> go.Figure:
    """Draw the largest |z| over the layers, and where each number format gives up."""
    longest = max(one.log10_largest.values(), key=len)
    layers = np.arange(1, len(longest) + 1)
    curves = [Curve("largest |z|", layers, longest, GREY, mode="lines")]
    for (name, kind), color in zip(FORMATS.items(), COLORS, strict=True):
        seen = one.log10_largest[name]
        text = f"last layer in {name}" if one.inf_layer[name] else f"{name} lasts"
        x, y = ([len(seen)], seen[-1:]) if len(seen) else ([1], [np.nan])
        curves.append(Curve(text, x, y, color, mode="markers"))
        limit = float(np.log10(_largest(kind)))
        name = "largest number of each format"
        curves.append(_theory(name, [1, 2000], [limit, limit], GREY))
    curves.append(_theory("theory", layers, one.theory[: len(layers)]))
    figure = figures.panels(
        [
            Panel(
                "largest |z|", curves, powers=True, x_log=True, x_range=(1, 2000), y_range=(0, 330)
            )
        ],
        height=420,
    )
    # float32 and bfloat16 end in one place: a ring shows round the point.
    figure.data[3].marker.size = 18
    return figure.update_xaxes(tickvals=[1, 10, 100, 1000])


def _largest(kind: Any) -> float:
    import torch

    return float(torch.finfo(kind).max)


def overflow_lab() -> Lab:
    """Let one exploding net overflow in four number formats."""
    return Lab(
        overflow,
        draw_overflow,
        weight_scale=controls.slider(
            "He times", 4.0, 1.5, 20.0, tooltip="He's weights are multiplied by this.", log=True
        ),
        seed=controls.seed(),
        presets={
            "half again too large": {"weight_scale": 1.5},
            "N(0,1)-like": {"weight_scale": 8.0},
        },
    )
