"""Labs of chapter 12."""

from math import ceil, log
from typing import Any

import numpy as np

from vglib import figures
from vglib.attention.collapse import KINDS, Collapse, collapse
from vglib.attention.labs_today import (
    low_training_lab,
    mixing_lab,
    mup_lab,
    scaling_lab,
    update_lab,
)
from vglib.attention.placing import PLACINGS, RATES, Placing, placings
from vglib.attention.saturation import (
    ARRANGEMENTS,
    SCALES,
    Saturation,
    gaussian_entropy,
    saturation,
)
from vglib.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    SKY,
    Curve,
    Drawing,
    Panel,
    level,
    mark,
    theory,
)
from vglib.lab import Lab, controls

__all__ = [
    "collapse_lab",
    "low_training_lab",
    "mixing_lab",
    "mup_lab",
    "placing_lab",
    "saturation_lab",
    "scaling_lab",
    "update_lab",
]

BLOCK = "block (1 is nearest the input)"
BY_Q = "‖∂L/∂W<sub>q</sub>‖ of a layer"
PULL = "‖∂L/∂W<sub>q</sub>‖ ‖W<sub>q</sub>‖"
QK_SCALE = "scale of W_q and W_k"


def draw_collapse(seen: Collapse) -> Drawing:
    """Draw how alike the tokens become over the layers, and the gradient by W_q of each layer."""
    layers = np.arange(seen.depth + 1)
    colors = dict(zip(KINDS, (ORANGE, PINK, GREEN, BLUE, SKY), strict=True))
    cosines = [Curve(name, layers, seen.cosine[name], colors[name]) for name in KINDS]
    by_q = [Curve(name, layers[1:], seen.log_by_q[name], colors[name]) for name in KINDS]
    left = Panel("mean cosine between two tokens", cosines, figures.LAYER, y_range=(-0.1, 1.05))
    # What a saturated softmax leaves may be 10^-300, where the other curves would be one line.
    highest = max(np.nanmax(line, initial=0.0) for line in seen.log_by_q.values()) / log(10)
    reach = (-20, 5 * ceil(highest / 5) + 5)
    return figures.panels([left, Panel(BY_Q, by_q, scale="ln", y_range=reach, clip=True)])


def collapse_lab() -> Lab:
    """Let tokens become alike in five nets, and watch the gradient of the queries."""
    return Lab(
        collapse,
        draw_collapse,
        depth=controls.depth(24, 60),
        weight_scale=controls.weight_scale(),
        mlp=controls.toggle("MLPs", False, "An MLP after each attention, joined in the same way."),
        presets={
            "3 layers": {"depth": 3},
            "24 layers": {},
            "60 layers": {"depth": 60},
            "24 layers with MLPs": {"mlp": True},
            "half the weights": {"weight_scale": 0.5},
            "twice the weights": {"weight_scale": 2.0},
        },
    )


def draw_placing(seen: Placing) -> Drawing:
    """Draw the stream's growth, the MLPs' gradients, and how far a first step moves the output."""
    blocks = np.arange(seen.depth + 1)
    colors = dict(zip(PLACINGS, (GREEN, BLUE, ORANGE, SKY), strict=True))
    square, by_w2, moved = [], [], []
    for name in PLACINGS:
        square.append(Curve(name, blocks, seen.log_square[name], colors[name]))
        by_w2.append(Curve(name, blocks[1:], seen.log_by_w2[name], colors[name]))
        moved.append(Curve(name, RATES, seen.log_moved[name], colors[name]))
    ticks = {rate: f"{rate:g}" for rate in RATES}
    return figures.panels(
        [
            Panel("mean square of the stream", square, BLOCK, "ln"),
            Panel("‖∂L/∂W₂‖ of a block's MLP", by_w2, BLOCK, "ln"),
            Panel(
                "output's change in a step",
                moved,
                "step size",
                "ln",
                x_log=True,
                x_range=(RATES[0] / 1.5, RATES[-1] * 1.5),
                x_ticks=ticks,
            ),
        ]
    )


def placing_lab() -> Lab:
    """Put the norm elsewhere: the stream, the gradient, and the first step of four transformers."""
    return Lab(
        placings,
        draw_placing,
        depth=controls.depth(12, 48),
        weight_scale=controls.weight_scale(),
        presets={
            "3 blocks": {"depth": 3},
            "12 blocks": {},
            "48 blocks": {"depth": 48},
            "48 blocks, half the weights": {"depth": 48, "weight_scale": 0.5},
        },
    )


def draw_saturation(seen: Saturation) -> Drawing:
    """Draw entropy and gradient over the scale, and the gradient of each row at the one chosen."""
    colors = dict(zip(ARRANGEMENTS, (BLUE, GREEN), strict=True))
    entropy, pull, rows = [], [], []
    for name in ARRANGEMENTS:
        here = seen.here[name]
        share = 100 * (np.arange(len(here.log_rows)) + 0.5) / len(here.log_rows)
        entropy.append(Curve(name, SCALES, seen.entropy[name], colors[name]))
        pull.append(Curve(name, SCALES, seen.log_pull[name], colors[name]))
        rows.append(Curve(name, share, here.log_rows, colors[name], mode="lines"))
    here, grid = seen.here[ARRANGEMENTS[0]], np.geomspace(SCALES[0], SCALES[-1], 61)
    entropy += [
        theory("theory", grid, gaussian_entropy(grid, seen.tokens)),
        level("all alike, ln T", log(seen.tokens), SCALES),
        mark("chosen", seen.scale, here.entropy),
    ]
    pull.append(mark("chosen", seen.scale, here.log_pull))
    axis: dict[str, Any] = {"x_log": True, "x_range": (0.1, 150), "x_ticks": (0.125, 1, 4, 16, 128)}
    reach = (-20, 10)
    return figures.panels(
        [
            Panel("mean entropy of a row", entropy, QK_SCALE, y_range=(-0.2, 4), **axis),
            Panel(PULL, pull, QK_SCALE, "ln", y_range=reach, clip=True, **axis),
            Panel("‖∂L/∂s‖ of a row", rows, "rows, sorted, %", "ln", y_range=reach, clip=True),
        ]
    )


def saturation_lab() -> Lab:
    """Let the scores grow until the softmax saturates, and see which rows keep a gradient."""
    return Lab(
        saturation,
        draw_saturation,
        depth=controls.depth(1, 10),
        qk_scale=controls.slider(
            QK_SCALE, 1.0, 0.125, 128.0, log=True, tooltip="Times N(0, 1/width), both matrices."
        ),
        presets={
            "scale 1": {},
            "scale 4": {"qk_scale": 4.0},
            "scale 16": {"qk_scale": 16.0},
            "scale 64": {"qk_scale": 64.0},
            "ten layers, scale 4": {"depth": 10, "qk_scale": 4.0},
        },
    )
