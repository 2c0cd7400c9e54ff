"""Labs of chapter 00."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.activations import ACTIVATIONS
from vglib.figures import BLUE, GREEN, ORANGE, PINK, Curve, Panel
from vglib.lab import Lab
from vglib.networks import INITIALIZATIONS
from vglib.start_here.experiments import (
    GradientFlow,
    Try,
    Wander,
    gradient_flow,
    score,
    try_scale,
    wander,
)


def draw_flow(flow: GradientFlow) -> go.Figure:
    """Draw gradient by pre-activation (with theory), gradient by weight, and activation spread."""
    layers = np.arange(1, flow.depth + 1)
    hidden = slice(0, flow.depth)
    t = flow.trace
    return figures.panels(
        [
            Panel(
                figures.DELTA,
                [
                    Curve("measured", layers, figures.log10(t.log_delta[hidden])),
                    Curve(
                        "mean-field theory",
                        layers,
                        figures.log10(flow.theory_log_delta),
                        ORANGE,
                        figures.THEORY,
                    ),
                ],
                powers=True,
            ),
            Panel(
                figures.WEIGHT_GRADIENT,
                [
                    Curve(
                        "gradient by weight",
                        layers,
                        figures.log10(t.log_weight_grad[hidden]),
                        GREEN,
                    )
                ],
                powers=True,
            ),
            Panel(
                figures.SPREAD,
                [Curve("activation", layers, _log10_of(t.spread[hidden]), PINK)],
                powers=True,
            ),
        ]
    )


def gradient_flow_lab() -> Lab:
    """Show what depth and weight scale do to the gradient of a real network."""
    start = {"activation": "sigmoid", "init": "glorot", "depth": 50, "weight_scale": 1.0}
    return Lab(
        gradient_flow,
        draw_flow,
        depth=controls.depth(),
        weight_scale=controls.weight_scale(),
        activation=controls.choice("activation", "sigmoid", list(ACTIVATIONS), "phi"),
        init=controls.choice("init", "glorot", list(INITIALIZATIONS), "How the weights are drawn."),
        width=controls.width(),
        bias_scale=controls.slider(
            "bias scale", 0.0, 0.0, 2.0, tooltip="Standard deviation of the biases.", step=0.05
        ),
        seed=controls.seed(),
        presets={
            "sigmoid, 4 layers": start | {"depth": 4},
            "sigmoid, 50 layers": start,
            "ReLU with He": start | {"activation": "relu", "init": "he"},
            "torch's default": start | {"activation": "relu", "init": "torch"},
            "explodes": start | {"activation": "tanh", "weight_scale": 3.0},
        },
    )


def draw_try(one: Try) -> go.Figure:
    """Draw the gradient of a try over the layers."""
    layers = np.arange(1, one.flow.depth + 1)
    curve = Curve("measured", layers, figures.log10(one.flow.trace.log_delta[:-1]), BLUE)
    return figures.panels([Panel(figures.DELTA, [curve], powers=True)], height=340)


def scale_game() -> Lab:
    """Play: find the scale at which a hundred layers neither vanish nor explode."""
    return Lab(
        try_scale,
        draw_try,
        score=score,
        activation=controls.choice("activation", "tanh", ["relu", "tanh", "sigmoid"], "phi"),
        weight_scale=controls.weight_scale(0.5),
        depth=controls.depth(100),
        seed=controls.seed(),
        presets={
            "ReLU": {"activation": "relu", "weight_scale": 1.0, "depth": 100},
            "tanh": {"activation": "tanh", "weight_scale": 0.5, "depth": 100},
            "sigmoid": {"activation": "sigmoid", "weight_scale": 1.0, "depth": 100},
        },
    )


def draw_wander(bundle: Wander) -> go.Figure:
    """Draw the bundle of curves, each over the last layer's gradient, with the theory."""
    layers = np.arange(1, len(bundle.theory) + 1)
    curves = [
        Curve("ten seeds", layers, figures.log10(ratios), BLUE, mode="lines")
        for ratios in bundle.log_ratios
    ]
    theory = Curve(
        "mean-field theory", layers, figures.log10(bundle.theory), ORANGE, figures.THEORY
    )
    panel = Panel(f"{figures.DELTA}, over the last layer's", [*curves, theory], powers=True)
    return figures.panels([panel], height=340)


def wander_lab() -> Lab:
    """Show how far finite width lets equal networks wander from the theory."""
    critical = {"activation": "sigmoid", "weight_scale": 10.15, "width": 64, "depth": 100}
    return Lab(
        wander,
        draw_wander,
        activation=controls.choice("activation", "sigmoid", ["relu", "tanh", "sigmoid"], "phi"),
        weight_scale=controls.weight_scale(10.15),
        width=controls.width(64, 200),
        depth=controls.depth(100, 200),
        presets={
            "sigmoid, 64 wide": critical,
            "sigmoid, 140 wide": critical | {"width": 140},
            "tanh, 64 wide": critical | {"activation": "tanh", "weight_scale": 1.0},
        },
    )


def _log10_of(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)
