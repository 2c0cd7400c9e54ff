"""Labs of chapter 00."""

import numpy as np

from vglib import figures
from vglib.activations import ACTIVATIONS
from vglib.figures import GREEN, PINK, Curve, Drawing, Panel, theory
from vglib.lab import Lab, controls
from vglib.networks import INITIALIZATIONS
from vglib.start_here.flow import SEEDS, GradientFlow, Wander, gradient_flow, wander
from vglib.start_here.game import Try, score, try_scale


def draw_flow(flow: GradientFlow) -> Drawing:
    """Draw gradient by pre-activation (with theory), gradient by weight, and activation spread."""
    layers, seen = np.arange(1, flow.depth + 1), flow.trace
    delta = Curve("measured", layers, seen.log_delta[:-1])
    predicted = theory("mean-field theory", layers, flow.theory_log_delta)
    by_weight = Curve("gradient by weight", layers, seen.log_weight_grad[:-1], GREEN)
    activation = Curve("activation", layers, seen.spread[:-1], PINK)
    left = Panel(figures.DELTA, [delta, predicted], scale="ln")
    middle = Panel(figures.WEIGHT_GRADIENT, [by_weight], scale="ln")
    return figures.panels([left, middle, Panel(figures.SPREAD, [activation], scale="log")])


def gradient_flow_lab() -> Lab:
    """Show what depth and weight scale do to the gradient of a real network."""
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
        presets={
            "sigmoid, 4 layers": {"depth": 4},
            "sigmoid, 50 layers": {"depth": 50},
            "ReLU with He": {"depth": 50, "activation": "relu", "init": "he"},
            "torch's default": {"depth": 50, "activation": "relu", "init": "torch"},
            "explodes": {"depth": 50, "activation": "tanh", "weight_scale": 3.0},
        },
    )


def draw_try(one: Try) -> Drawing:
    """Draw the gradient of a try over the layers."""
    layers = np.arange(1, one.flow.depth + 1)
    curve = Curve("measured", layers, one.flow.trace.log_delta[:-1])
    return figures.panels([Panel(figures.DELTA, [curve], scale="ln")], height=340)


def scale_game() -> Lab:
    """Play: find the scale at which a hundred layers neither vanish nor explode."""
    return Lab(
        try_scale,
        draw_try,
        score=score,
        activation=controls.choice("activation", "tanh", ["relu", "tanh", "sigmoid"], "phi"),
        weight_scale=controls.weight_scale(0.5),
        depth=controls.depth(100),
        presets={
            "ReLU": {"activation": "relu", "weight_scale": 1.0},
            "tanh": {"activation": "tanh"},
            "sigmoid": {"activation": "sigmoid", "weight_scale": 1.0},
        },
    )


def draw_wander(bundle: Wander) -> Drawing:
    """Draw the bundle of curves, each over the last layer's gradient, with the theory."""
    layers = np.arange(1, len(bundle.theory) + 1)
    rows = np.full((SEEDS, len(layers)), np.nan)
    rows[: len(bundle.log_ratios)] = bundle.log_ratios
    curves = [Curve("ten seeds", layers, ratios, mode="lines") for ratios in rows]
    predicted = theory("mean-field theory", layers, bundle.theory)
    title = f"{figures.DELTA}, over the last layer's"
    return figures.panels([Panel(title, [*curves, predicted], scale="ln")], height=340)


def wander_lab() -> Lab:
    """Show how far finite width lets equal networks wander from the theory."""
    return Lab(
        wander,
        draw_wander,
        activation=controls.choice("activation", "sigmoid", ["relu", "tanh", "sigmoid"], "phi"),
        weight_scale=controls.weight_scale(10.15),
        width=controls.width(64, 200),
        depth=controls.depth(100, 200),
        presets={
            "sigmoid, 64 wide": {},
            "sigmoid, 140 wide": {"width": 140},
            "tanh, 64 wide": {"activation": "tanh", "weight_scale": 1.0},
        },
    )
