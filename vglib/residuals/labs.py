"""Labs of chapter 07."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, THEORY, Curve, Panel
from vglib.lab import Control, Lab
from vglib.residuals import experiments as ex
from vglib.residuals.experiments import (
    Cured,
    Degradation,
    Flow,
    Growth,
    Luck,
    Paths,
    Shattered,
    Shortcuts,
)

GRAD_H, GRAD_W = "‖∂L/∂h‖", "‖∂L/∂W‖"
BLOCK = "block (1 is nearest the input)"


def _alpha(value: float = 1.0) -> Control:
    return controls.slider(
        "α", value, 0.0, 1.0, tooltip="The scale of each branch (of each gate, or head).", step=0.01
    )


def _root(value: bool = False) -> Control:
    return controls.toggle("α = 1/√depth", value, "Take 1/√depth in place of the slider's α.")


def draw_flow(f: Flow) -> go.Figure:
    """Draw the gradients over the blocks, and the size of the signal, with theory over both."""
    blocks = np.arange(f.depth + 1)
    return figures.panels(
        [
            Panel(
                "gradient of a block",
                [
                    Curve(GRAD_H, blocks, figures.log10(f.log_grad)),
                    Curve(GRAD_W, blocks[1:], figures.log10(f.log_weight_grad), GREEN),
                    Curve("theory", blocks, figures.log10(f.theory_log_grad), ORANGE, THEORY),
                ],
                BLOCK,
                powers=True,
            ),
            Panel(
                "root mean square of the signal h",
                [
                    Curve("signal", blocks, figures.log10(f.log_signal), SKY),
                    Curve("theory", blocks, figures.log10(f.theory_log_signal), ORANGE, THEORY),
                ],
                BLOCK,
                powers=True,
            ),
        ]
    )


def flow_lab() -> Lab:
    """Send signal and gradient through up to a thousand blocks of eight kinds."""
    he = {"weight_scale": 1.0, "activation": "relu", "root": False, "alpha": 1.0}
    return Lab(
        ex.flow,
        draw_flow,
        depth=controls.depth(20),
        kind=controls.choice("block", "pre-activation", list(ex.KINDS), "What a block computes."),
        alpha=_alpha(),
        root=_root(),
        weight_scale=controls.weight_scale(),
        activation=controls.choice(
            "φ", "relu", ["relu", "tanh", "sigmoid", "identity"], "The activation φ."
        ),
        seed=controls.seed(),
        presets={
            "20 plain sigmoid layers": {
                **he,
                "depth": 20,
                "kind": "plain",
                "activation": "sigmoid",
            },
            "the same with skips": {
                **he,
                "depth": 20,
                "kind": "residual",
                "activation": "sigmoid",
            },
            "100 ReLU blocks": {**he, "depth": 100, "kind": "pre-activation"},
            "1000 blocks, α = 1/√L": {
                **he,
                "depth": 1000,
                "kind": "pre-activation",
                "root": True,
            },
            "1000 blocks, the branch ends in ReLU": {
                **he,
                "depth": 1000,
                "kind": "residual",
                "root": True,
            },
            "highway, gates at 0.12": {**he, "depth": 100, "kind": "highway", "alpha": 0.12},
            "ReZero, 1000 blocks": {**he, "depth": 1000, "kind": "ReZero"},
        },
    )


def draw_growth(g: Growth) -> go.Figure:
    """Draw each growth over the axis on which its law is a straight line."""
    axes = {
        "ReLU": ("blocks L", g.blocks, False, "exponential: (1 + α²)^L"),
        "tanh": ("√L", np.sqrt(g.blocks), False, "exp(c α √L)"),
        "BN and ReLU": ("blocks L, logarithmic", g.blocks, True, "a power of L"),
    }
    panels = []
    for name, (x_title, x, x_log, law) in axes.items():
        panels.append(
            Panel(
                f"{name}: {law}",
                [
                    Curve("‖∂L/∂h₀‖² / ‖∂L/∂h_L‖²", x, figures.log10(g.measured[name])),
                    Curve("theory", x, figures.log10(g.predicted[name]), ORANGE, THEORY),
                    Curve("its leading law", x, figures.log10(g.law[name]), GREY, THEORY),
                ],
                x_title,
                powers=True,
                x_log=x_log,
                x_range=(1, max(2, g.depth)) if x_log else None,
            )
        )
    return figures.panels(panels)


def growth_lab() -> Lab:
    """Show three laws of growth, each on the axis that makes it a straight line."""
    return Lab(
        ex.growth,
        draw_growth,
        depth=controls.depth(200, 400),
        alpha=_alpha(),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "25 blocks": {"depth": 25, "alpha": 1.0, "weight_scale": 1.0},
            "400 blocks": {"depth": 400, "alpha": 1.0, "weight_scale": 1.0},
            "400 blocks, α = 0.05": {"depth": 400, "alpha": 0.05, "weight_scale": 1.0},
        },
    )


def draw_paths(p: Paths) -> go.Figure:
    """Draw the shares of the paths by length, counted and weighed, and the sums' sizes."""
    ks = np.arange(p.depth + 1)
    # A slider to depth 200 leaves most lengths without a share that could be seen.
    used = np.flatnonzero(np.maximum(p.counted, np.maximum(p.weighed, p.binomial)) > 1e-4)
    reach = (float(used[0]) - 0.5, float(used[-1]) + 0.5)
    low = max(float(np.nanmax(figures.log10(p.log_sum))) - 20, -40.0)
    sums = np.where(figures.log10(p.log_sum) > low, figures.log10(p.log_sum), np.nan)
    one = np.where(figures.log10(p.log_one) > low, figures.log10(p.log_one), np.nan)
    said = np.where(figures.log10(p.log_sum_theory) > low, figures.log10(p.log_sum_theory), np.nan)
    return figures.panels(
        [
            Panel(
                "share of each length, %",
                [
                    Curve("of the squared gradient", ks, 100 * p.weighed),
                    Curve("of the number of paths", ks, 100 * p.counted, GREEN),
                    Curve("theory", ks, 100 * p.binomial, ORANGE, THEORY),
                ],
                "length: how many branches the path takes",
                x_range=reach,
            ),
            Panel(
                "size of the gradient, over that sent in",
                [
                    Curve("all paths of that length", ks, sums, SKY),
                    Curve("a single one", ks, one, PINK, THEORY),
                    Curve("theory", ks, said, ORANGE, THEORY),
                ],
                "length: how many branches the path takes",
                powers=True,
            ),
        ]
    )


def paths_lab() -> Lab:
    """Sort the gradient by how many branches its paths take."""
    same = {"weight_scale": 1.0, "root": False}
    return Lab(
        ex.paths,
        draw_paths,
        depth=controls.depth(54, 200),
        alpha=_alpha(),
        root=_root(),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "10 blocks, 1024 paths": {**same, "depth": 10, "alpha": 1.0},
            "54 blocks, α = 1": {**same, "depth": 54, "alpha": 1.0},
            "54 blocks, α = 0.3": {**same, "depth": 54, "alpha": 0.3},
            "200 blocks, α = 1/√L": {"weight_scale": 1.0, "root": True, "depth": 200},
        },
    )


def draw_luck(r: Luck) -> go.Figure:
    """Draw the distribution of what a block leaves, and what it does to each direction."""
    share = 100 * np.arange(1, len(r.factors) + 1) / len(r.factors)
    # The lowest and the highest factor end the steps, so that a narrow distribution is seen.
    x = np.concatenate([[0.0, r.factors[0]], r.factors, [r.grid[-1]]])
    y = np.concatenate([[0.0, 0.0], share, [100.0]])
    units = np.linspace(0, 100, r.width) if r.width > 1 else np.array([50.0])
    ends, (low, high) = np.array([0.0, 100.0]), r.bound
    return figures.panels(
        [
            Panel(
                "draws below that factor, %",
                [
                    Curve("measured", x, y, mode="lines"),
                    Curve("theory", r.grid, 100 * r.share, ORANGE, THEORY),
                ],
                "‖(I + J)ᵀδ‖ / ‖δ‖ of one block",
                y_range=(0, 100),
            ),
            Panel(
                "singular values of I + J, one draw",
                [
                    Curve("singular values", units, r.singular, SKY),
                    Curve("edges, wide block", ends, np.full(2, low), GREY, THEORY),
                    Curve("edges, wide block", ends, np.full(2, high), GREY, THEORY),
                ],
                "directions, from the most stretched, %",
                y_range=(0, float(np.ceil(max(high, r.singular[0], 1) * 2) / 2)),
            ),
        ]
    )


def luck_lab() -> Lab:
    """Ask how often a random block cancels the gradient, and build one that does."""
    return Lab(
        ex.luck,
        draw_luck,
        width=controls.ladder(
            "width", 10, [1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 150, 200], "Units of the block."
        ),
        alpha=_alpha(),
        towards=controls.slider(
            "towards −1",
            0.0,
            0.0,
            1.0,
            tooltip="How much of the random branch is replaced by minus its input.",
            step=0.02,
        ),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "one unit": {"width": 1, "alpha": 1.0, "towards": 0.0, "weight_scale": 1.0},
            "a hundred units": {"width": 100, "alpha": 1.0, "towards": 0.0, "weight_scale": 1.0},
            "built to be −1": {"width": 100, "alpha": 1.0, "towards": 1.0, "weight_scale": 1.0},
            "a hundred units, α = 0.1": {
                "width": 100,
                "alpha": 0.1,
                "towards": 0.0,
                "weight_scale": 1.0,
            },
        },
    )


def draw_shortcuts(s: Shortcuts) -> go.Figure:
    """Draw the weight gradients of three nets, and what layer 1 hears from a head at layer k."""
    layers = np.arange(1, s.depth + 1)
    colors = {"plain": GREY, "deep supervision": GREEN, "residual": BLUE}
    return figures.panels(
        [
            Panel(
                figures.WEIGHT_GRADIENT,
                [
                    Curve(name, layers, figures.log10(line), colors[name])
                    for name, line in s.log_weight_grad.items()
                ],
                powers=True,
            ),
            Panel(
                "‖∂L/∂W‖ of layer 1, from one head alone",
                [
                    Curve(name, layers, figures.log10(line), color)
                    for (name, line), color in zip(s.heard.items(), (ORANGE, SKY), strict=True)
                ],
                "layer that the head reads",
                powers=True,
            ),
        ]
    )


def shortcuts_lab() -> Lab:
    """Compare the two things that are called a short connection."""
    same = {"alpha": 1.0, "weight_scale": 1.0}
    return Lab(
        ex.shortcuts,
        draw_shortcuts,
        depth=controls.depth(20, 50),
        activation=controls.choice("φ", "sigmoid", ["sigmoid", "tanh", "relu"], "The activation."),
        alpha=_alpha(),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "20 sigmoid layers": {**same, "depth": 20, "activation": "sigmoid"},
            "50 sigmoid layers": {**same, "depth": 50, "activation": "sigmoid"},
            "heads almost off": {
                "depth": 20,
                "activation": "sigmoid",
                "alpha": 0.01,
                "weight_scale": 1.0,
            },
            "20 tanh layers": {**same, "depth": 20, "activation": "tanh"},
        },
    )


def draw_cured(c: Cured) -> go.Figure:
    """Draw the loss over the steps, and the gradient over the blocks before the first step."""
    t, blocks = c.training, np.arange(c.depth + 1)
    with np.errstate(all="ignore"):
        losses = np.log10(t.losses)
    steps = np.arange(len(losses))
    broke = [] if t.broke_at is None else [t.broke_at]
    top = float(np.nanmax(np.where(np.isfinite(losses), losses, np.nan)))
    drawn = figures.panels(
        [
            Panel(
                "training loss",
                [
                    Curve("loss", steps, losses, mode="lines+markers"),
                    Curve("NaN", broke, [top] * len(broke), PINK, "another", "markers"),
                    Curve(
                        "guessing",
                        np.array([0, 60]),
                        np.full(2, np.log10(np.log(10))),
                        GREY,
                        THEORY,
                    ),
                ],
                figures.STEP,
                powers=True,
                x_range=(0, 60),
            ),
            Panel(
                "‖∂L/∂h‖ before the first step",
                [
                    Curve("before step 1", blocks, figures.log10(c.start.log_grad), GREEN),
                    Curve("theory", blocks, figures.log10(c.start.theory_log_grad), ORANGE, THEORY),
                ],
                BLOCK,
                powers=True,
            ),
        ]
    )
    mark = {"size": 14, "symbol": "x", "color": ORANGE}
    drawn.update_traces(marker=mark, selector={"name": "NaN"})
    return drawn


def cure_lab() -> Lab:
    """Train the He residual net that breaks, and try three cures and the step size."""
    start = {"depth": 20, "lr": 0.01, "weight_scale": 1.0}
    drawn = {f"{c}": {**start, "cure": c} for c in ex.CURES}
    return Lab(
        ex.cured,
        draw_cured,
        cure=controls.choice("cure", "none", list(ex.CURES), "What is done about it."),
        depth=controls.depth(20, 50),
        lr=controls.slider("step size", 0.01, 1e-6, 0.1, tooltip="The learning rate.", log=True),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            **drawn,
            "no cure, tiny steps": {**start, "cure": "none", "lr": 1e-6},
        },
    )


def draw_degradation(d: Degradation) -> go.Figure:
    """Draw the training loss of the plain and of the residual net over the steps."""
    curves = []
    with np.errstate(all="ignore"):
        for name, color in zip(ex.RACERS, (ORANGE, BLUE), strict=True):
            losses = np.log10(d.trained[name].losses)
            steps = np.arange(len(losses))
            curves.append(Curve(name, steps, losses, color, mode="lines+markers"))
    guess = Curve("guessing", np.array([0, 60]), np.full(2, np.log10(np.log(10))), GREY, THEORY)
    return figures.panels(
        [
            Panel(
                "loss on the training batch",
                [*curves, guess],
                figures.STEP,
                powers=True,
                x_range=(0, 60),
            )
        ],
        height=380,
    )


def degradation_lab() -> Lab:
    """Train a plain and a residual net of one depth, side by side."""
    start = {"lr": 0.01, "weight_scale": 1.0}
    return Lab(
        ex.degradation,
        draw_degradation,
        depth=controls.depth(20, 50),
        lr=controls.slider("step size", 0.01, 0.001, 0.1, tooltip="The learning rate.", log=True),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={f"{depth} layers": {**start, "depth": depth} for depth in (2, 8, 20, 50)},
    )


def draw_shattered(s: Shattered) -> go.Figure:
    """Draw the gradient over the input, and its autocorrelation over the lag."""
    lags = np.arange(ex.LAGS + 1)
    edge = np.full(len(lags), 2 / np.sqrt(ex.POINTS))
    return figures.panels(
        [
            Panel(
                "∂f/∂x, in standard deviations (cut at ±6)",
                [Curve("gradient", s.x, np.clip(s.gradient, -6, 6), mode="lines")],
                "input x",
                y_range=(-6, 6),
            ),
            Panel(
                "autocorrelation of ∂f/∂x",
                [
                    Curve("autocorrelation", lags, s.correlation, GREEN),
                    Curve("white noise", lags, edge, GREY, THEORY),
                    Curve("white noise", lags, -edge, GREY, THEORY),
                ],
                "lag (grid points)",
                y_range=(-0.6, 1.0),
            ),
        ]
    )


def shattering_lab() -> Lab:
    """Look at the gradient as a function of the input: smooth, rough, or noise."""
    same = {"depth": 50, "alpha": 1.0, "centred": True}
    return Lab(
        ex.shattered,
        draw_shattered,
        depth=controls.depth(50, 100),
        kind=controls.choice("net", "feed-forward with BN", list(ex.NETS_1D), "The net."),
        alpha=_alpha(),
        centred=controls.toggle(
            "subtract the mean", True, "Autocorrelate the gradient minus its mean."
        ),
        seed=controls.seed(),
        presets={
            "one layer": {**same, "kind": "feed-forward with BN", "depth": 1},
            "feed-forward, 50 layers": {**same, "kind": "feed-forward with BN"},
            "residual, 50 layers": {**same, "kind": "residual with BN"},
            "residual, α = 0.1": {**same, "kind": "residual with BN", "alpha": 0.1},
            "without batch norm": {**same, "kind": "feed-forward"},
        },
    )
