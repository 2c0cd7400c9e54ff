"""Labs of chapter 07."""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, log
from typing import Any

import numpy as np

from vglib import figures
from vglib.figures import BLUE, GREEN, GREY, ORANGE, SKY, Curve, Drawing, Panel, level, mark, theory
from vglib.lab import Control, Lab, controls
from vglib.residuals.blocks import KINDS
from vglib.residuals.descent import CURES, Cured, Degradation, curing, racing
from vglib.residuals.flow import Flow, flow
from vglib.residuals.growth import Growth, growth
from vglib.residuals.luck import Luck, luck
from vglib.residuals.net import STEPS
from vglib.residuals.paths import Paths, paths
from vglib.residuals.rates import RATES, SCALES, SHALLOW, Rates, sweeping
from vglib.residuals.shattering import LAGS, NETS_1D, POINTS, Shattered, shattered
from vglib.residuals.shortcuts import Shortcuts, shortcuts
from vglib.residuals.stack import Array

BLOCK = "block (1 is nearest the input)"
LENGTH = "length: how many branches the path takes"

_ALPHA = controls.slider(
    "α", 1.0, 0.0, 1.0, tooltip="The scale of each branch (of each gate, or head).", step=0.01
)
_ROOT = controls.toggle("α = 1/√depth", False, "Take 1/√depth in place of the slider's α.")
_WIDTHS = (1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 150, 200)
_TOWARDS = "How much of the random branch is replaced by minus its input."
_CENTRED = "Autocorrelate the gradient minus its mean."
_PHIS = ["relu", "tanh", "sigmoid", "identity"]
_DEEP = {"depth": 1000, "root": True}


def _step_size(low: float) -> Control:
    return controls.slider("step size", 0.01, low, 0.1, tooltip="The learning rate.", log=True)


def _with_theory(name: str, x: Any, seen: Array, said: Array, color: str = BLUE) -> list[Curve]:
    return [Curve(name, x, seen, color), theory("theory", x, said)]


def draw_flow(flow: Flow) -> Drawing:
    """Draw the gradients over the blocks, and the size of the signal, with theory over both."""
    blocks = np.arange(flow.depth + 1)
    by_h, said = _with_theory("‖∂L/∂h‖", blocks, flow.log_grad, flow.theory_log_grad)
    by_w = Curve("‖∂L/∂W‖", blocks[1:], flow.log_weight_grad, GREEN)
    signal = _with_theory("signal", blocks, flow.log_signal, flow.theory_log_signal, SKY)
    left = Panel("gradient of a block", [by_h, by_w, said], BLOCK, "ln")
    return figures.panels([left, Panel("root mean square of the signal h", signal, BLOCK, "ln")])


def flow_lab() -> Lab:
    """Send signal and gradient through up to a thousand blocks of eight kinds."""
    return Lab(
        flow,
        draw_flow,
        depth=controls.depth(20),
        kind=controls.choice("block", "pre-activation", KINDS, "What a block computes."),
        alpha=_ALPHA,
        root=_ROOT,
        weight_scale=controls.weight_scale(),
        activation=controls.choice("φ", "relu", _PHIS, "The activation φ."),
        presets={
            "20 plain sigmoid layers": {"kind": "plain", "activation": "sigmoid"},
            "the same with skips": {"kind": "residual", "activation": "sigmoid"},
            "100 ReLU blocks": {"depth": 100},
            "1000 blocks, α = 1/√L": _DEEP,
            "1000 blocks, the branch ends in ReLU": {"kind": "residual", **_DEEP},
            "highway, gates at 0.12": {"depth": 100, "kind": "highway", "alpha": 0.12},
            "ReZero, 1000 blocks": {"depth": 1000, "kind": "ReZero"},
        },
    )


def draw_growth(growth: Growth) -> Drawing:
    """Draw each growth over the axis on which its law is a straight line."""
    blocks, panels = growth.blocks, []
    for name, law, x_title, x in (
        ("ReLU", "exponential: (1 + α²)^L", "blocks L", blocks),
        ("tanh", "exp(c α √L)", "√L", np.sqrt(blocks)),
        ("BN and ReLU", "a power of L", "blocks L, logarithmic", blocks),
    ):
        measured, predicted = growth.measured[name], growth.predicted[name]
        curves = _with_theory("‖∂L/∂h₀‖² / ‖∂L/∂h_L‖²", x, measured, predicted)
        curves.append(theory("its leading law", x, growth.law[name], GREY))
        panels.append(Panel(f"{name}: {law}", curves, x_title, "ln"))
    # The last law is a straight line where the axis counts factors.
    wide, ticks = (1, max(2, growth.depth)), (1, 3, 10, 30, 100, 300)
    panels[-1] = replace(panels[-1], x_log=True, x_range=wide, x_ticks=ticks)
    return figures.panels(panels)


def growth_lab() -> Lab:
    """Show three laws of growth, each on the axis that makes it a straight line."""
    return Lab(
        growth,
        draw_growth,
        depth=controls.depth(400, 400),
        alpha=_ALPHA,
        weight_scale=controls.weight_scale(),
        presets={
            "25 blocks": {"depth": 25},
            "400 blocks": {},
            "400 blocks, α = 0.05": {"alpha": 0.05},
        },
    )


def draw_paths(paths: Paths) -> Drawing:
    """Draw the shares of the paths by length, counted and weighed, and the sums' sizes."""
    lengths = np.arange(paths.depth + 1)
    # A slider to depth 200 leaves most lengths without a share, or a size, that could be seen.
    seen = np.max([paths.counted, paths.weighed, paths.predicted], axis=0) > 1e-4
    reach = lengths[seen][0] - 0.5, lengths[seen][-1] + 0.5
    lowest = log(1e-20) + max(float(np.nanmax(paths.log_sum)), log(1e-20))
    lines = np.stack([paths.log_sum, paths.log_one, paths.log_sum_theory])
    sums, one, said = np.where(lines > lowest, lines, np.nan)
    shares = [
        Curve("of the squared gradient", lengths, 100 * paths.weighed),
        Curve("of the number of paths", lengths, 100 * paths.counted, GREEN),
        theory("theory", lengths, 100 * paths.predicted),
    ]
    sizes = [
        Curve("all paths of that length", lengths, sums, SKY),
        theory("a single one", lengths, one, figures.PINK),
        theory("theory", lengths, said),
    ]
    left = Panel("share of each length, %", shares, LENGTH, x_range=reach)
    right = Panel("size of the gradient, over that sent in", sizes, LENGTH, "ln")
    return figures.panels([left, right])


def paths_lab() -> Lab:
    """Sort the gradient by how many branches its paths take."""
    return Lab(
        paths,
        draw_paths,
        depth=controls.depth(54, 200),
        alpha=_ALPHA,
        root=_ROOT,
        batch_norm=controls.toggle("batch norm", False, "Batch norm in each branch."),
        weight_scale=controls.weight_scale(),
        presets={
            "10 blocks, 1024 paths": {"depth": 10},
            "54 blocks, α = 1": {},
            "54 blocks, α = 0.3": {"alpha": 0.3},
            "54 blocks with batch norm": {"batch_norm": True},
            "200 blocks, α = 1/√L": {"depth": 200, "root": True},
        },
    )


def draw_luck(luck: Luck) -> Drawing:
    """Draw the distribution of what a block leaves, and what it does to each direction."""
    share = 100 * np.arange(1, len(luck.factors) + 1) / len(luck.factors)
    # The lowest and the highest factor end the steps, so that a narrow distribution is seen.
    x = np.concatenate([[0.0, luck.factors[0]], luck.factors, [luck.grid[-1]]])
    y = np.concatenate([[0.0, 0.0], share, [100.0]])
    below = [Curve("measured", x, y, mode="lines"), theory("theory", luck.grid, 100 * luck.share)]
    units = np.linspace(0, 100, luck.width) if luck.width > 1 else [50.0]
    edges = [level("edges, wide block", edge, (0, 100)) for edge in luck.bound]
    kept = [Curve("singular values", units, luck.singular, SKY), *edges]
    top = ceil(2 * max(luck.bound[1], luck.singular[0], 1)) / 2
    factor, directions = "‖(I + J)ᵀδ‖ / ‖δ‖ of one block", "directions, from the most stretched, %"
    left = Panel("draws below that factor, %", below, factor, y_range=(0, 100))
    right = Panel("singular values of I + J, one draw", kept, directions, y_range=(0, top))
    return figures.panels([left, right])


def luck_lab() -> Lab:
    """Ask how often a random block cancels the gradient, and build one that does."""
    return Lab(
        luck,
        draw_luck,
        width=controls.ladder("width", 10, _WIDTHS, "Units of the block."),
        alpha=_ALPHA,
        towards=controls.slider("towards −1", 0.0, 0.0, 1.0, tooltip=_TOWARDS, step=0.02),
        weight_scale=controls.weight_scale(),
        presets={
            "one unit": {"width": 1},
            "a hundred units": {"width": 100},
            "built to be −1": {"width": 100, "towards": 1.0},
            "a hundred units, α = 0.1": {"width": 100, "alpha": 0.1},
        },
    )


def draw_shortcuts(shortcuts: Shortcuts) -> Drawing:
    """Draw the weight gradients of three nets, and what layer 1 hears from a head at layer k."""
    layers = np.arange(1, shortcuts.depth + 1)
    colors = {"plain": GREY, "deep supervision": GREEN, "residual": BLUE}
    colors |= {"layers without skips": ORANGE, "layers with skips": SKY}
    gradients, heard = (
        [Curve(name, layers, line, colors[name]) for name, line in lines.items()]
        for lines in (shortcuts.log_weight_grad, shortcuts.heard)
    )
    title = "‖∂L/∂W‖ of layer 1, from one head alone"
    right = Panel(title, heard, "layer that the head reads", "ln")
    return figures.panels([Panel(figures.WEIGHT_GRADIENT, gradients, scale="ln"), right])


def shortcuts_lab() -> Lab:
    """Compare the two things that are called a short connection."""
    return Lab(
        shortcuts,
        draw_shortcuts,
        depth=controls.depth(20, 50),
        activation=controls.choice("φ", "sigmoid", ["sigmoid", "tanh", "relu"], "The activation."),
        alpha=_ALPHA,
        weight_scale=controls.weight_scale(),
        presets={
            "20 sigmoid layers": {},
            "50 sigmoid layers": {"depth": 50},
            "heads almost off": {"alpha": 0.01},
            "20 tanh layers": {"activation": "tanh"},
        },
    )


def _losses(title: str, losses: Mapping[str, Array], *more: Curve) -> Panel:
    curves = [
        Curve(name, np.arange(len(y)), y, ORANGE if name == "plain" else BLUE, mode="lines+markers")
        for name, y in losses.items()
    ]
    guessing = level("guessing", log(10), (0, STEPS))
    return Panel(title, [*curves, *more, guessing], figures.STEP, "log", x_range=(0, STEPS))


def draw_cured(cured: Cured) -> Drawing:
    """Draw the loss over the steps, and the gradient over the blocks before the first step."""
    start, losses, broke_at = cured.start, cured.training.losses, cured.training.broke_at
    broke = [] if broke_at is None else [broke_at]
    top = [np.max(losses, where=np.isfinite(losses), initial=0.0)] * len(broke)
    broken = mark("NaN", broke, top, figures.PINK, 14, symbol="x")
    blocks, said = np.arange(cured.depth + 1), start.theory_log_grad
    gradient = _with_theory("before step 1", blocks, start.log_grad, said, GREEN)
    right = Panel("‖∂L/∂h‖ before the first step", gradient, BLOCK, "ln")
    return figures.panels([_losses("training loss", {"loss": losses}, broken), right])


def cure_lab() -> Lab:
    """Train the He residual net that breaks, and try three cures and the step size."""
    cures = {cure: {"cure": cure} for cure in CURES[1:]}
    return Lab(
        curing,
        draw_cured,
        cure=controls.choice("cure", "none", CURES, "What is done about it."),
        depth=controls.depth(20, 50),
        lr=_step_size(1e-6),
        weight_scale=controls.weight_scale(),
        presets={
            "none": {},
            **cures,
            "no cure, tiny steps": {"lr": 1e-6},
            "clip at 1, ten times the step": {"cure": "clip at 1", "lr": 0.1},
        },
    )


def draw_degradation(degradation: Degradation) -> Drawing:
    """Draw the training loss of the plain and of the residual net over the steps."""
    losses = {name: one.losses for name, one in degradation.trained.items()}
    return figures.panels([_losses("loss on the training batch", losses)], height=380)


def degradation_lab() -> Lab:
    """Train a plain and a residual net of one depth, side by side."""
    return Lab(
        racing,
        draw_degradation,
        depth=controls.depth(20, 50),
        lr=_step_size(0.001),
        weight_scale=controls.weight_scale(),
        presets={
            "2 layers": {"depth": 2},
            "8 layers": {"depth": 8},
            "20 layers": {},
            "50 layers": {"depth": 50},
        },
    )


def draw_shattered(shattered: Shattered) -> Drawing:
    """Draw the gradient over the input, and its autocorrelation over the lag."""
    lags, edge = np.arange(LAGS + 1), np.full(LAGS + 1, 2 / np.sqrt(POINTS))
    gradient = [Curve("gradient", shattered.x, shattered.gradient, mode="lines")]
    correlation = [
        Curve("autocorrelation", lags, shattered.correlation, GREEN),
        *(theory("white noise", lags, line, GREY) for line in (edge, -edge)),
    ]
    title, window = "∂f/∂x, in standard deviations (cut at ±6)", (-6, 6)
    left = Panel(title, gradient, "input x", y_range=window, clip=True)
    title, lag = "autocorrelation of ∂f/∂x", "lag (grid points)"
    return figures.panels([left, Panel(title, correlation, lag, y_range=(-0.6, 1.0))])


def shattering_lab() -> Lab:
    """Look at the gradient as a function of the input: smooth, rough, or noise."""
    return Lab(
        shattered,
        draw_shattered,
        depth=controls.depth(50, 100),
        kind=controls.choice("net", "feed-forward with BN", NETS_1D, "The net."),
        alpha=_ALPHA,
        centred=controls.toggle("subtract the mean", True, _CENTRED),
        presets={
            "one layer": {"depth": 1},
            "feed-forward, 50 layers": {},
            "residual, 50 layers": {"kind": "residual with BN"},
            "residual, α = 0.1": {"kind": "residual with BN", "alpha": 0.1},
            "without batch norm": {"kind": "feed-forward"},
        },
    )


def draw_rates(result: Rates) -> Drawing:
    """Draw the loss over the step size, of four blocks and of many, for either scale."""
    content, ends = [], (RATES[0], RATES[-1])
    look: dict[str, Any] = {"scale": "log", "x_log": True, "x_range": ends, "y_range": (-1, 3)}
    look |= {"clip": True, "x_ticks": (1e-4, 1e-3, 0.01, 0.1)}
    for scale in SCALES:
        few = Curve(f"{SHALLOW} blocks", RATES, result.shallow[scale], GREY)
        many = Curve("as many as chosen", RATES, result.deep[scale], BLUE)
        guess = level("guessing", log(10), ends, ORANGE)
        content.append(Panel(f"loss, {scale}", [few, many, guess], "step size", **look))
    return figures.panels(content, height=400)


def rates_lab() -> Lab:
    """Sweep the step size of a residual net of few blocks and of many, for either scale."""
    return Lab(
        sweeping,
        draw_rates,
        depth=controls.depth(16, 24),
        weight_scale=controls.weight_scale(),
        presets={
            "four blocks": {"depth": 4},
            "eight blocks": {"depth": 8},
            "sixteen blocks": {},
            "sixteen, half the weights": {"weight_scale": 0.5},
        },
    )
