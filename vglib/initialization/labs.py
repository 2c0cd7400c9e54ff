"""Labs of chapter 05."""

from collections.abc import Sequence
from itertools import repeat
from math import log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vglib import figures
from vglib.figures import ASIDE, Curve, Drawing, Heat, Panel, theory
from vglib.initialization import isometry, learning
from vglib.initialization.convolution import PADDINGS, STARTS, ConvFlow, going_back
from vglib.initialization.fluctuation import Fluctuation, fluctuations
from vglib.initialization.learning import FINE_W, GRID_DEPTHS, GRID_W
from vglib.initialization.mean_field import CMap, QMap, c_map_steps, q_map_steps
from vglib.initialization.overflow import LIMITS, MOST_LAYERS, Overflow, overflowing
from vglib.initialization.phases import PhasePoint, phase_point, phases
from vglib.initialization.schemes import CRITICAL, SCHEMES
from vglib.initialization.variance import BesideNormal, DepthFlow, Neuron, going_deep, one_neuron
from vglib.lab import Control, Lab, controls

BLUE, ORANGE, GREEN, PINK, SKY, GREY = figures.PALETTE
THREE = ("tanh", "relu", "sigmoid")
STEP_BY_STEP = "the map, step by step"
HE = {"activation": "relu", "sigma_w": sqrt(2), "sigma_b": 0.0}
TOO_LARGE = HE | {"sigma_w": sqrt(3)}


def _sigma_b(value: float, high: float = 2.0) -> Control:
    tooltip = "Standard deviation of the biases."
    return controls.slider("σ_b", value, 0.0, high, tooltip=tooltip, step=0.01)


def _activation(value: str = "tanh", options: Sequence[str] = THREE) -> Control:
    return controls.choice("activation", value, options, "phi")


def _plane(w: float, b: float, options: Sequence[str] = THREE) -> dict[str, Any]:
    """Make the controls of an activation and of a point in the plane of sigma_w and sigma_b."""
    tooltip = "Standard deviation of the weights, times the square root of fan_in."
    sigma_w = controls.slider("σ_w", w, 0.5, 20.0, tooltip=tooltip, log=True)
    return {"activation": _activation(options=options), "sigma_w": sigma_w, "sigma_b": _sigma_b(b)}


def draw_depth(flow: DepthFlow) -> Drawing:
    """Draw the mean square of z and the gradient over the layers, each with the theory."""
    layers = np.arange(1, flow.depth + 1)

    def panel(title: str, measured: NDArray, predicted: NDArray, color: str) -> Panel:
        seen = Curve(f"measured {title}", layers, measured, color)
        return Panel(title, [seen, theory("mean-field theory", layers, predicted)], scale="ln")

    signal = panel("mean of z²", flow.log_signal, flow.theory_log_signal, SKY)
    gradient = panel(figures.DELTA, flow.log_delta, flow.theory_log_delta, BLUE)
    return figures.panels([signal, gradient])


def depth_lab() -> Lab:
    """Show what each initialisation does to the signal and the gradient of fifty layers."""
    return Lab(
        going_deep,
        draw_depth,
        init=controls.choice("init", "torch default", list(SCHEMES), "How the weights are drawn."),
        activation=_activation("relu", [*THREE, "identity", "selu"]),
        depth=controls.depth(50, 200),
        weight_scale=controls.weight_scale(),
        biases=controls.toggle("biases", True, "The scheme's own biases; only torch's has any."),
        presets={
            "torch's default with ReLU": {},
            "the same without biases": {"biases": False},
            "Glorot with ReLU": {"init": "Glorot normal"},
            "He with ReLU": {"init": "He normal"},
            "Glorot with tanh": {"init": "Glorot uniform", "activation": "tanh"},
            "He with tanh": {"init": "He normal", "activation": "tanh"},
            "N(0, 1) with tanh": {"init": "N(0, 1)", "activation": "tanh"},
        },
    )


def draw_neuron(neuron: Neuron) -> Drawing:
    """Draw the histogram of z with the normal density of the predicted variance."""
    names = ("4000 draws of the weights", "normal, variance n Var w E h²")
    return _beside_normal(neuron.histogram, names, "pre-activation z", 330)


def _beside_normal(one: BesideNormal, names: tuple[str, str], x_title: str, height: int) -> Drawing:
    counted = figures.histogram(names[0], one.edges, one.heights)
    panel = Panel("density", [counted, theory(names[1], one.grid, one.density)], x_title)
    return figures.panels([panel], height=height)


def neuron_lab() -> Lab:
    """Show that only the variance of the weights matters, not their distribution."""
    stops, kinds = [1, 2, 3, 4, 5, 7, 10, 20, 50, 100, 200, 500], ["coin", "uniform", "normal"]
    n_var = "Fan_in times the variance of a weight."
    return Lab(
        one_neuron,
        draw_neuron,
        fan_in=controls.ladder("fan_in", 100, stops, "Number of inputs."),
        n_var=controls.slider("n Var w", 1.0, 0.1, 4.0, tooltip=n_var, step=0.1),
        distribution=controls.choice("weights", "uniform", kinds, "Distribution of one weight."),
        presets={
            "one input shows its distribution": {"fan_in": 1},
            "three are enough to hide it": {"fan_in": 3},
            "a hundred coins": {"distribution": "coin"},
        },
    )


def draw_speed(speed: learning.Speed) -> Drawing:
    """Draw the test accuracy over the epochs, a curve for each start."""
    curves = [*map(Curve, speed.inits, repeat(speed.epochs), speed.accuracy, figures.PALETTE)]
    whole = (0, speed.total)
    panel = Panel("test accuracy", curves, figures.EPOCH, x_range=whole, y_range=(0.0, 1.0))
    return figures.panels([panel], height=360)


def speed_lab() -> Lab:
    """Train the same net from four starts."""
    return Lab(
        learning.racing,
        draw_speed,
        activation=_activation(),
        depth=controls.depth(5, 5),
        lr=controls.slider("lr", 0.1, 0.01, 0.5, tooltip="Learning rate of SGD.", log=True),
        presets={
            "tanh": {},
            "ReLU": {"activation": "relu"},
            "sigmoid": {"activation": "sigmoid"},
            "one layer forgives": {"depth": 1},
        },
    )


def _cobweb(letter: str, mapped: Curve, seen: QMap | CMap, top: float, *more: Curve) -> Panel:
    """Draw a map with its diagonal and its staircase: to the map, across to the diagonal, ..."""
    along = np.repeat(seen.steps, 2)[:-1]
    up = np.concatenate([[0.0], np.repeat(seen.steps[1:], 2)])
    ends = (0.0, top)
    diagonal = Curve("diagonal", ends, ends, GREY, ASIDE, "lines")
    lines = [mapped, diagonal, *more, theory(STEP_BY_STEP, along, up)]
    titles = f"{letter} of the next layer", f"{letter} of a layer"
    return Panel(titles[0], lines, titles[1], x_range=ends, y_range=ends)


def _over_layers(title: str, seen: QMap | CMap, low: float, high: float) -> Panel:
    layers = np.arange(1, len(seen.steps) + 1)
    real = Curve("real network", layers, seen.measured, GREEN)
    return Panel(title, [real, theory(STEP_BY_STEP, layers, seen.steps)], y_range=(low, high))


def draw_q_map(seen: QMap) -> Drawing:
    """Draw the q map with its staircase, and q over the layers beside a real net's."""
    top = float(seen.grid[-1])
    high = min(1.1 * max(float(seen.steps.max()), float(seen.measured.max())), 50 * top)
    mapped = Curve("q map", seen.grid, seen.image, mode="lines")
    real = _over_layers("q, the variance of z", seen, 0.0, high)
    return figures.panels([_cobweb("q", mapped, seen, top), real])


def q_map_lab() -> Lab:
    """Iterate the variance map by hand, beside a real network."""
    tooltip = "Where the staircase starts."
    return Lab(
        q_map_steps,
        draw_q_map,
        **_plane(1.5, 0.3, [*THREE, "selu"]),
        q_start=controls.slider("q of layer 1", 3.0, 0.01, 5.0, tooltip=tooltip, step=0.01),
        presets={
            "tanh settles": {},
            "from below, the same place": {"q_start": 0.05},
            "tanh dies out": {"sigma_w": 0.8, "sigma_b": 0.0},
            "ReLU with He keeps what it got": HE,
            "ReLU runs away": {"activation": "relu", "sigma_w": 1.6, "sigma_b": 0.0},
            "SELU heads for 1": {"activation": "selu", "sigma_w": 1.0, "sigma_b": 0.0},
        },
    )


def draw_c_map(seen: CMap) -> Drawing:
    """Draw the c map with its staircase, and c over the layers beside a real net's."""
    mapped = Curve("c map", seen.grid, seen.image, mode="lines")
    line = 1 + seen.slope * (seen.grid - 1)
    tangent = Curve("slope at c = 1", seen.grid, line, PINK, mode="lines")
    low = min(0.0, float(np.floor(10 * seen.measured.min()) / 10))
    real = _over_layers("c, the correlation of two inputs", seen, low, 1.02)
    return figures.panels([_cobweb("c", mapped, seen, 1.0, tangent), real])


def c_map_lab() -> Lab:
    """Follow two inputs through the layers: do they become alike, or do they part?"""
    tooltip = "How alike the two inputs start."
    return Lab(
        c_map_steps,
        draw_c_map,
        **_plane(2.0, 0.3),
        c_start=controls.slider("c of layer 1", 0.9, 0.0, 0.999, tooltip=tooltip, step=0.001),
        presets={
            "ordered": {"sigma_w": 1.0},
            "critical": {"sigma_w": 1.3956},
            "chaotic": {},
            "chaos tells 0.999 from 1": {"sigma_w": 3.0, "c_start": 0.999},
            "ReLU, 3/n: alike": TOO_LARGE | {"c_start": 0.5},
        },
    )


def draw_phase(point: PhasePoint) -> Drawing:
    """Draw the plane with the edge and the present point, and ln ||delta||^2 over the layers."""
    plane, layers = phases(point.activation), np.arange(1, point.depth + 1)
    values, places = np.clip(plane.log_chi, -2, 2), (plane.sigma_ws, plane.sigma_bs)
    hover = "σ_w %{x:.3g}, σ_b %{y:.2f}: ln χ %{z:.2f}"
    color = Heat(values, -2, 2, *places, figures.DIVERGING, bar=(-2, 0, 2), hover=hover)
    edge = theory("edge of chaos, χ = 1", plane.line_w, plane.line_b, "#1f1f1f")
    ring = {"color": "#1f1f1f", "width": 3}
    here = figures.mark("you are here", point.sigma_w, point.sigma_b, "#ffffff", 17, line=ring)
    seen = Curve("measured", layers, point.log_delta_square)
    axes: dict[str, Any] = {"x_log": True, "x_range": (0.5, 20.0), "y_range": (0.0, 2.0)}
    ticks = (0.5, 1, 2, 5, 10, 20)
    diagram = Panel("σ_b (colour: ln χ)", [color, edge, here], "σ_w", x_ticks=ticks, **axes)
    slopes = Panel("ln ‖∂L/∂z‖²", [seen, theory("slope ln χ", layers, point.theory)])
    return figures.panels([diagram, slopes])


def phase_lab() -> Lab:
    """Slide over the phase diagram; a real network's slope lands on ln chi."""
    return Lab(
        phase_point,
        draw_phase,
        **_plane(1.0, 0.22),
        depth=controls.depth(30, 60),
        presets={
            "tanh, ordered": {},
            "tanh, critical": {"sigma_w": 1.324},
            "tanh, chaotic": {"sigma_w": 2.0},
            "tanh at torch's gain 5/3": {"sigma_w": 5 / 3, "sigma_b": 0.0},
            "ReLU with He": HE,
            "ReLU with Glorot": {"activation": "relu", "sigma_b": 0.0},
            "ReLU, 3/n": TOO_LARGE,
            "sigmoid with Glorot": {"activation": "sigmoid", "sigma_b": 0.0},
            "sigmoid, critical": {"activation": "sigmoid", "sigma_w": 10.149, "sigma_b": 0.0},
        },
    )


def draw_trainability(grid: learning.Trainability) -> Drawing:
    """Draw accuracy over depth and sigma_w with theory's line, and the two depth scales."""
    # Fields of one size: the depth counts in octaves, sigma_w by its ln.
    columns, fine, rows = np.log(GRID_W), np.log(FINE_W), np.log2(GRID_DEPTHS) - np.log2(3)
    half, top = 0.5 * float(columns[1] - columns[0]), float(rows[-1]) + 0.5
    sides = (float(columns[0]) - half, float(columns[-1]) + half)
    ticks = {log(w): f"{w:g}" for w in (0.7, 1.0, 1.4, 2.0, 3.0)}
    style = {"customdata": np.tile(GRID_W, (len(rows), 1)), "textfont": {"size": 12}}
    words = {"digits": ".0%", "hover": "σ_w %{customdata:.3g}: accuracy %{z:.2f}"}
    learned = Heat(grid.accuracy, 0.0, 1.0, columns, rows, bar=(0, 0.5, 1), style=style, **words)
    line = np.log2(6 * grid.xi_c / GRID_DEPTHS[0])
    reach = theory("6 ξ of the correlation", fine, np.where(line > top + 2, np.nan, line), PINK)
    scales = [
        theory("ξ of the gradient", fine, np.minimum(grid.xi_grad, 1e3), BLUE),
        theory("ξ of the correlation", fine, np.minimum(grid.xi_c, 1e3)),
    ]
    across: dict[str, Any] = {"x_title": "σ_w", "x_range": sides, "x_ticks": ticks}
    up = {"y_range": (-0.5, top), "y_ticks": dict(zip(rows, map(str, GRID_DEPTHS), strict=True))}
    field = across | up | {"x_axis": {"showgrid": False}}
    accuracy = Panel("depth (colour: test accuracy)", [learned, reach], **field)
    depths = Panel("depth scale ξ in layers", scales, scale="log", **across)
    return figures.panels([accuracy, depths])


def trainability_lab() -> Lab:
    """Train a small grid of tanh nets over depth and sigma_w, row after row."""
    return Lab(
        learning.filling_grid,
        draw_trainability,
        sigma_b=_sigma_b(0.22, 0.6),
        steps=controls.ladder("steps", 50, [5, 10, 20, 30, 40, 50, 60], "Steps of SGD."),
        presets={"fifty steps": {}, "ten steps": {"steps": 10}, "larger biases": {"sigma_b": 0.5}},
    )


def draw_spectrum(seen: isometry.Spectrum) -> Drawing:
    """Draw the histograms of the singular values, and median and mean square over the layers."""
    edges, medians = np.linspace(-16.5, 2.5, 39), seen.medians
    layers, whole = np.arange(1, medians.shape[1] + 1), np.arange(1, seen.depth + 1)
    starts = (("Gaussian", BLUE, SKY), ("orthogonal", GREEN, PINK))
    bars, sizes, roots = [], [], []
    for row, (name, color, lighter) in enumerate(starts):
        now, root = seen.singular[row, -1], np.sqrt(seen.mean_squares[row])
        shares = np.histogram(np.log10(now), edges)[0] / len(now)
        bars.append(figures.histogram(f"{name} weights", edges, shares, color))
        sizes.append(Curve(f"{name} weights", layers, medians[row], color, mode="lines"))
        roots.append(Curve(f"root mean square, {name}", layers, root, lighter, mode="lines"))
    # ReLU shuts half of the units, and the law is that of linear ones.
    law = isometry.gaussian_product_log_quantile(0.5, whole)
    law = np.full_like(law, np.nan) if seen.activation == "relu" else law
    half = theory("theory, 2^(−L/2)", whole, law, scale="ln")
    title, x_title = "share of the singular values", "log₁₀ of the singular value s of ∂z_L/∂z_0"
    spectrum = Panel(title, bars, x_title, x_range=(-16.5, 2.5), y_range=(0.0, 1.0))
    y_range = (min(-2.0, float(np.floor(np.log10(medians.min())))), 1.0)
    typical = Panel("median of s", [*sizes, *roots, half], scale="log", y_range=y_range)
    return figures.panels([spectrum, typical])


def spectrum_lab() -> Lab:
    """Compare all the directions of two nets whose mean square is the same."""
    return Lab(
        isometry.spectra,
        draw_spectrum,
        activation=_activation(options=list(CRITICAL)),
        depth=controls.depth(50, 100),
        presets={
            "one layer": {"depth": 1, "activation": "identity"},
            "linear, 10": {"depth": 10, "activation": "identity"},
            "linear, 50": {"activation": "identity"},
            "tanh, 50": {},
            "ReLU, 10": {"depth": 10, "activation": "relu"},
        },
    )


def draw_linear(race: isometry.LinearLearning) -> Drawing:
    """Draw the loss over the steps from both starts."""
    steps = np.arange(race.losses.shape[1])
    starts = zip(("Gaussian start", "orthogonal start"), race.losses, (BLUE, GREEN), strict=True)
    curves = [Curve(name, steps, losses, color, mode="lines") for name, losses, color in starts]
    target = Curve("target", steps[[0, -1]], [isometry.TARGET] * 2, GREY, ASIDE, "lines")
    panel = Panel("quadratic loss", [*curves, target], figures.STEP, y_range=(0.03, 0.2))
    return figures.panels([panel], height=340)


def linear_lab() -> Lab:
    """Race an orthogonal against a Gaussian start in deep linear nets."""
    return Lab(
        isometry.racing_linear,
        draw_linear,
        depth=controls.depth(10, 20),
        presets={"3 layers": {"depth": 3}, "10 layers": {}, "20 layers": {"depth": 20}},
    )


def draw_convolution(flow: ConvFlow) -> Drawing:
    """Draw the gradient's length over the layers, and the cosine between two gradients."""
    layers = np.arange(1, flow.depth + 1)

    def panel(title: str, measured: NDArray, predicted: NDArray, **axis: Any) -> Panel:
        curves = [*map(Curve, STARTS, repeat(layers), measured, (BLUE, PINK, GREEN))]
        names = ("theory, all taps alike", "theory, delta-orthogonal")
        lines = [*map(theory, names, repeat(layers), predicted, (ORANGE, GREY))]
        return Panel(title, [*curves, *lines], **axis)

    title = f"{figures.DELTA}, last layer 1"
    length = panel(title, flow.log_delta, flow.theory_log_delta, scale="ln")
    title = "cosine between the gradients of two errors"
    angle = panel(title, flow.cosines, flow.theory_cosines, y_range=(0.0, 1.0))
    return figures.panels([length, angle])


def convolution_lab() -> Lab:
    """Send errors back through a hundred convolutions from three starts."""
    beyond = "What a kernel finds outside the image: zeros, or the image once more."
    return Lab(
        going_back,
        draw_convolution,
        activation=_activation(options=list(CRITICAL)),
        padding=controls.choice("padding", "circular", PADDINGS, beyond),
        depth=controls.depth(100, 100),
        weight_scale=controls.weight_scale(),
        presets={
            "circular padding": {},
            "zeros outside the image": {"padding": "zeros"},
            "a little too small": {"weight_scale": 0.95},
            "linear": {"activation": "identity"},
            "ReLU": {"activation": "relu"},
        },
    )


def draw_fluctuation(many: Fluctuation) -> Drawing:
    """Draw the histogram of ln ||h||^2 over the nets with theory's density."""
    x_title = "ln of ‖h‖² of the last layer over that of the input"
    return _beside_normal(many.histogram, ("2000 networks", "theory"), x_title, 340)


def fluctuation_lab() -> Lab:
    """Show how far nets of one critical scale differ by chance alone."""
    return Lab(
        fluctuations,
        draw_fluctuation,
        activation=_activation("relu", ["relu", "identity"]),
        depth=controls.depth(20, 100),
        width=controls.width(50, 200),
        presets={
            "ReLU": {},
            "linear": {"activation": "identity"},
            "depth as large as width": {"depth": 50},
        },
    )


def draw_overflow(seen: Overflow) -> Drawing:
    """Draw the largest |z| over the layers, and where each number format gives up."""
    longest = max(seen.log_largest.values(), key=len)
    layers = np.arange(1, len(longest) + 1)
    curves = [Curve("largest |z|", layers, longest, GREY, mode="lines")]
    for (name, limit), color in zip(LIMITS.items(), figures.PALETTE, strict=False):
        sizes = seen.log_largest[name]
        text = f"last layer in {name}" if seen.inf_layer[name] else f"{name} lasts"
        x, y = ([len(sizes)], sizes[-1:]) if len(sizes) else ([1], [np.nan])
        # float32 and bfloat16 end in one place: a ring shows round the point.
        style = {"marker": {"size": 18}} if name == "bfloat16" else {}
        curves.append(Curve(text, x, y, color, mode="markers", style=style))
        curves.append(figures.level("largest number of each format", limit, (1, MOST_LAYERS)))
    curves.append(theory("theory", layers, seen.theory))
    axes: dict[str, Any] = {"x_log": True, "x_range": (1, MOST_LAYERS), "y_range": (0, 330)}
    ticks = (1, 10, 100, 1000)
    return figures.panels([Panel("largest |z|", curves, scale="ln", x_ticks=ticks, **axes)])


def overflow_lab() -> Lab:
    """Let one exploding net overflow in four number formats."""
    tooltip = "He's weights are multiplied by this."
    return Lab(
        overflowing,
        draw_overflow,
        weight_scale=controls.slider("He times", 4.0, 1.5, 20.0, tooltip=tooltip, log=True),
        presets={"half again too large": {"weight_scale": 1.5}, "N(0,1)-like": {"weight_scale": 8}},
    )
