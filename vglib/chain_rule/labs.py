"""Labs of chapter 02."""

from typing import Any

import numpy as np
from scipy.stats import norm

from vglib import figures
from vglib.chain_rule import chain, differences, local_map, throws, width, window
from vglib.figures import GREEN, GREY, PINK, SKY, Curve, Drawing, Panel, level, mark, theory
from vglib.lab import Lab, controls
from vglib.probe import Array
from vglib.words import power_of_ten

# Below this power of ten a bar of the chain is cut off; its label still tells the value.
FLOOR = -8
ONE_TO_FOUR = "₁₂₃₄"


def draw_chain(seen: chain.Chain) -> Drawing:
    """Draw each factor as a bar beside their product, and the neurons' places on s'."""
    return figures.panels([_sizes(seen), _places(seen)], legend=False)


def _sizes(seen: chain.Chain) -> Panel:
    values, places, ends = [*seen.factors, seen.product], [1.0, 2.0, 3.0, 4.0, 5.0], (0.4, 5.6)
    sizes = np.maximum(np.abs(values), 10.0**FLOOR)
    bars = {
        **{"type": "bar", "x": places, "y": np.log10(sizes) - FLOOR, "base": FLOOR, "width": 0.6},
        "marker": {"color": [*[figures.BLUE] * 4, PINK], "opacity": 0.75},
        "hovertemplate": "10^%{y:.2f}",
    }

    def line(name: str, y: float, color: str, place: str) -> Curve:
        style = {"text": ["", name], "textposition": f"{place} left", "cliponaxis": False}
        return level(name, y, ends, color, mode="lines+text", style=style)

    top = Curve("size", places, sizes, mode="markers")
    names = ["1", "2", "3", "4", "product"]
    # Under the axis no line runs through a number.
    labels = [f"{name}<br><b>{value:.3g}</b>" for name, value in zip(names, values, strict=True)]
    title, x_title = "|w s′(z)|: each factor, and their product", "neuron (1 is nearest the input)"
    lines = [line("1", 1.0, figures.ORANGE, "top"), line("1/4", 0.25, GREEN, "bottom")]
    content: list[Any] = [bars, top, *lines]
    axes: dict[str, Any] = {"x_range": ends, "x_ticks": dict(zip(places, labels, strict=True))}
    # Where the panel is narrow, plotly would turn them on end.
    axes["x_axis"] = {"tickangle": 0}
    return Panel(title, content, x_title, "log", y_range=(FLOOR, 1.5), **axes)


def _places(seen: chain.Chain) -> Panel:
    z, places = np.linspace(-10, 10, 201), np.clip(seen.pre_activations, -10, 10)
    # A label stands where the curve of s' is not, and inside the panel.
    sides = np.where(places >= 0, "middle right", "middle left")
    beside = np.where(np.abs(places) > 5, "top center", sides).tolist()
    look = {"textfont": {"size": 16}, "marker": {"size": 11}}
    style = {"text": _joint_labels(places), "textposition": beside, **look}
    neurons = Curve("neurons", places, seen.slopes, mode="markers+text", style=style)
    slope = theory("s′", z, chain.SIGMOID.dphi(z), GREY)
    title, ends = "s′(z), and where the four neurons sit", (-10, 10)
    return Panel(title, [slope, neurons], "pre-activation z", x_range=ends, y_range=(0, 0.3))


def _joint_labels(places: Array) -> list[str]:
    """Number the neurons; those that sit together get one label, so that none hides another."""
    order = np.argsort(places)
    groups = np.split(order, np.flatnonzero(np.diff(places[order]) > 0.7) + 1)
    labels = [""] * len(places)
    for group in groups:
        names = " ".join(str(i + 1) for i in sorted(group))
        labels[group[len(group) // 2]] = f" {names} "
    return labels


def chain_lab() -> Lab:
    """Show the four factors of a chain of four neurons, and what their product comes to."""
    weights: dict[str, Any] = {}
    for n, sign in enumerate(ONE_TO_FOUR, start=1):
        into = f"Weight into neuron {n}."
        weights[f"w{n}"] = controls.slider(f"w{sign}", 1.0, -12.0, 12.0, tooltip=into, step=0.1)
    large = dict.fromkeys(weights, 8.0)
    half = "Biases of −w/2 instead of 0: an input of 0.5 then gives z = 0."
    return Lab(
        chain.one_neuron_chain,
        draw_chain,
        **weights,
        x=controls.slider("input", 1.0, -2.0, 2.0, tooltip="What enters neuron 1.", step=0.05),
        centred=controls.toggle("biases −w/2", False, half),
        presets={
            "all 1": {},
            "one large weight": {"w2": 8.0},
            "all large": large,
            "large and centred": {**large, "x": 0.5, "centred": True},
            "the same, input 0.8": {**large, "x": 0.8, "centred": True},
        },
    )


def _powers(*exponents: int) -> dict[float, str]:
    return {10.0**k: f"10<sup>{k}</sup>" for k in exponents}


def draw_random_chains(chains: chain.RandomChains) -> Drawing:
    """Draw how one factor is distributed, and how the products run with depth."""
    edges = np.linspace(-6.0, 1.5, 91)
    decades = np.clip(chains.log_factors.ravel() / np.log(10), edges[0], edges[-1])
    density, _ = np.histogram(decades, edges, density=True)
    ends = 0.0, max(1.0, float(np.ceil(2 * density.max()) / 2))
    layers, products = np.arange(1, chains.depth + 1), np.cumsum(chains.log_factors, axis=0)
    low, middle, high = np.quantile(products, (0.1, 0.5, 0.9), axis=1)
    quarter, most = "1/4 a factor", "10% and 90% of chains"
    factor = [
        Curve("all factors", 10 ** ((edges[:-1] + edges[1:]) / 2), density, SKY),
        theory(quarter, [0.25, 0.25], ends, GREEN),
        theory("1", [1, 1], ends),
    ]
    product = [
        Curve("largest chain", layers, products.max(axis=1), PINK, mode="lines"),
        Curve(most, layers, high, GREY, mode="lines"),
        Curve("median chain", layers, middle),
        Curve(most, layers, low, GREY, mode="lines"),
        theory(quarter, layers, layers * np.log(0.25), GREEN),
    ]
    sizes: dict[str, Any] = {"x_range": (10**-6.15, 10**1.65), "x_ticks": _powers(*range(-6, 2))}
    title, x_title = "density of one factor |w s′(z)|", "size of the factor"
    left = Panel(title, factor, x_title, x_log=True, y_range=ends, **sizes)
    whole = {"tick0": 0, "dtick": figures.whole_step(0, chains.depth)}
    title = "|product| of the factors so far"
    return figures.panels([left, Panel(title, product, "number of factors", "ln", x_axis=whole)])


def random_chains_lab() -> Lab:
    """Show what random weights make of a factor and of the product over a chain."""
    return Lab(
        chain.random_chains,
        draw_random_chains,
        depth=controls.depth(4, maximum=200),
        weight_scale=controls.weight_scale(),
        presets={
            "N(0,1), 4 neurons": {},
            "N(0,1), 50 neurons": {"depth": 50},
            "the best scale": {"depth": 50, "weight_scale": 3.4},
            "far too large": {"depth": 50, "weight_scale": 16.0},
        },
    )


def draw_window(seen: window.Window) -> Drawing:
    """Draw the factor over the input with its bar of 1, and the width of the window over |w|."""
    weights = np.concatenate([[0.0, 4.0], np.geomspace(4.0, 20.0, 200)])
    factor = [
        Curve("factor", seen.inputs, seen.factors),
        level("1", 1.0, (-0.5, 1.5)),
        Curve("from 0 to 1", [0, 1], [0, 0], PINK, figures.ASIDE, "lines"),
    ]
    measured = Curve("measured", [abs(seen.weight)], [seen.measured], mode="markers")
    widths = [measured, theory("formula", weights, window.nielsen_window(weights))]
    title, x_title = "factor |w s′(w a + b)|", "input a (a sigmoid gives 0 to 1)"
    left = Panel(title, factor, x_title, y_range=(-0.1, 5))
    right = Panel("width of the window in a", widths, "|w|", x_range=(0, 20), y_range=(-0.01, 0.5))
    return figures.panels([left, right])


def window_lab() -> Lab:
    """Show for which inputs one factor reaches 1."""
    return Lab(
        window.explosion_window,
        draw_window,
        weight=controls.slider("weight", 5.0, -20.0, 20.0, tooltip="The weight w.", step=0.1),
        bias=controls.slider("bias", -2.5, -20.0, 20.0, tooltip="The bias b.", step=0.1),
        presets={
            "a window": {},
            "|w| below 4": {"weight": 3.0, "bias": -1.5},
            "the widest window": {"weight": 6.9, "bias": -3.45},
            "large, but badly placed": {"weight": 10.0, "bias": 3.0},
            "very large": {"weight": 20.0, "bias": -10.0},
        },
    )


def draw_dice(dice: throws.Dice) -> Drawing:
    """Draw what is averaged under the bell curve, and the running average with its error."""
    z, counts, band = dice.grid, dice.counts, 2 * dice.std / np.sqrt(dice.counts)
    parts = [
        Curve("f(z)", z, np.minimum(dice.values, 1.0), SKY),
        Curve("bell curve", z, dice.density, GREY),
        Curve("their product", z, dice.values * dice.density, PINK),
    ]
    average = [
        Curve("average", counts, dice.averages, mode="lines"),
        theory("integral E", counts, np.full(len(band), dice.expected)),
        theory("E ± 2 errors", counts, dice.expected + band, GREEN),
        theory("E ± 2 errors", counts, dice.expected - band, GREEN),
    ]
    ends = 1, max(2.0, float(counts[-1]))
    ticks = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20_000)
    left = Panel(f"{dice.quantity} times the bell curve: the area is E", parts, "z")
    title = f"average of {dice.quantity} so far"
    right = Panel(title, average, "throws", x_log=True, x_range=ends, x_ticks=ticks)
    return figures.panels([left, right])


def dice_lab() -> Lab:
    """Show that an expectation is what an average of many throws settles at."""
    counts = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]
    quantities = list(throws.QUANTITIES)
    return Lab(
        throws.throw_dice,
        draw_dice,
        quantity=controls.choice("average of", "s'(z)", quantities, "What is averaged."),
        throws=controls.ladder("throws", 1000, counts, "How often z is thrown."),
        weight_scale=controls.weight_scale(),
        presets={
            "ten throws": {"throws": 10},
            "many throws": {"throws": 20_000},
            "wide z: saturated": {"quantity": "s'(z)²", "throws": 20_000, "weight_scale": 10.0},
        },
    )


def draw_sums(sums: throws.Sums) -> Drawing:
    """Draw the sums' histogram with its bell curve, and the variance over the number of terms."""
    std, edges = max(float(np.sqrt(sums.predicted)), 1e-12), np.linspace(-4, 4, 42)
    density, _ = np.histogram(np.clip(sums.sums / std, -4, 4), edges, density=True)
    centres, terms = (edges[:-1] + edges[1:]) / 2, np.arange(1, sums.width + 1)
    shape = [
        Curve("thrown", centres, density),
        theory("bell curve", centres, norm.pdf(centres), PINK),
    ]
    mode = "lines+markers" if sums.width <= 10 else "lines"
    variance = [
        Curve("thrown", terms, sums.variances, mode=mode),
        theory("n σ² mean a²", terms, sums.rule),
    ]
    title = "density of the sum, in units of √(n σ² mean a²)"
    y_range = 0.0, max(0.6, float(np.ceil(10 * density.max()) / 10))
    left = Panel(title, shape, "sum / its standard deviation", y_range=y_range)
    right = Panel("variance of the sum", variance, "number of terms n")
    return figures.panels([left, right])


def sum_lab() -> Lab:
    """Show that the variance of a sum of independent throws grows with their number."""
    counts = [1, 2, 3, 4, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 400, 500]
    return Lab(
        throws.weighted_sums,
        draw_sums,
        width=controls.ladder("terms", 100, counts, "How many weighted inputs are added."),
        weight_scale=controls.weight_scale(),
        throw=controls.choice("weights", "coin", throws.THROWN, "How one weight is thrown."),
        presets={
            "one coin": {"width": 1},
            "five coins": {"width": 5},
            "a hundred coins": {},
            "a hundred, scaled by 1/10": {"throw": "normal", "weight_scale": 0.1},
        },
    )


def draw_local_map(seen: local_map.LocalMap) -> Drawing:
    """Draw the circle of steps at the input and what becomes of it at the output."""
    reach = max(float(np.abs([seen.image, seen.linear]).max()), 1e-300)
    # In units of a power of ten the axis can show what a deep product leaves.
    power = int(np.floor(np.log10(reach)))
    unit = 10.0**power
    shown = "" if power == 0 else f", × {power_of_ten(power * np.log(10))}"
    image, linear = seen.image.T / unit, seen.linear.T / unit

    def plane(title: str, x_title: str, limit: float, seen: Array, *more: Curve) -> Panel:
        marked = Curve("marked steps", seen[0, ::15], seen[1, ::15], PINK, mode="markers")
        curves, ends = [Curve("true map", *seen), *more, marked], (-limit, limit)
        return Panel(title, curves, x_title, x_range=ends, y_range=ends, square=True)

    title, limit = "output step / input step" + shown, float(np.ceil(reach / unit)) * 1.05
    left = plane("step at the input: a circle", "first input", 1.15, seen.circle.T)
    right = plane(title, "first output", limit, image, theory("Jacobian J u", *linear))
    return figures.panels([left, right])


def jacobian_lab() -> Lab:
    """Show that a Jacobian is the linear map that a network looks like from very near."""
    tooltip, activations = "Radius of the circle of inputs.", ("sigmoid", "tanh", "identity")
    return Lab(
        local_map.local_map,
        draw_local_map,
        depth=controls.depth(1, maximum=50),
        weight_scale=controls.weight_scale(2.0),
        radius=controls.slider("radius", 1.0, 0.001, 5.0, tooltip=tooltip, log=True),
        activation=controls.choice("activation", "sigmoid", activations, "The activation phi."),
        presets={
            "one layer, large circle": {"radius": 3.0},
            "one layer, small circle": {"radius": 0.1},
            "five layers": {"depth": 5, "radius": 0.1},
            "linear: J is the whole truth": {"depth": 5, "radius": 3.0, "activation": "identity"},
        },
    )


def draw_width(flow: width.WidthFlow) -> Drawing:
    """Draw the gradient of the layers, and the ratio per layer over the width with chi."""
    layers = np.arange(1, flow.depth + 1)
    gradient = [
        Curve("measured", layers, flow.trace.log_delta[: flow.depth]),
        theory("mean-field theory", layers, flow.theory_log_delta),
    ]
    ratios = [
        Curve("measured", width.WIDTHS, flow.ratios, mode="markers"),
        mark("this width", flow.width, flow.ratio),
        theory("chi", width.CURVE_WIDTHS, flow.curve, GREEN),
        level("1: neither", 1.0, width.CURVE_WIDTHS),
    ]
    title, x_title = "ratio of ‖∂L/∂z‖² per layer, going back", "width (units in each layer)"
    ends, ticks = (9.0, 560.0), (10, 20, 50, 100, 200, 500)
    left = Panel(f"{figures.DELTA} at width {flow.width}", gradient, scale="ln")
    right = Panel(title, ratios, x_title, "log", x_log=True, x_range=ends, x_ticks=ticks)
    return figures.panels([left, right])


def width_lab() -> Lab:
    """Show that N(0, 1) weights vanish in a narrow net and explode in a wide one."""
    return Lab(
        width.width_flow,
        draw_width,
        width=controls.width(30),
        depth=controls.depth(12, maximum=30),
        weight_scale=controls.weight_scale(),
        presets={
            "Nielsen's width 30": {},
            "critical: width 105": {"width": 105},
            "width 300 explodes": {"width": 300},
            "width 300, scaled by 1/√300": {"width": 300, "weight_scale": 0.0577},
        },
    )


def draw_differences(errors: differences.DifferenceErrors) -> Drawing:
    """Draw the errors of both differences over the step, with rounding and truncation."""
    steps, one, two = errors.steps, errors.one_sided, errors.two_sided
    expected = np.maximum(errors.truncation, errors.rounding).min()
    lowest, highest = two.min(initial=expected, where=two > 0), max(10.0, one.max(), two.max())
    low, high = np.floor(np.log10(min(0.1, lowest))), np.ceil(np.log10(highest))
    curves = [
        Curve("one-sided", steps, one, GREEN),
        Curve("two-sided", steps, two),
        mark("chosen step", errors.step, errors.error),
        theory("truncation, one-sided", steps, errors.truncation),
        theory("rounding", steps, errors.rounding, GREY),
    ]
    title = "|finite difference − backpropagation| / |backpropagation|"
    sizes: dict[str, Any] = {"x_range": (1e-16, 1.0), "x_ticks": _powers(*range(-16, 1, 2))}
    sizes |= {"x_log": True, "y_range": (max(float(low), -13.0), float(high) + 1)}
    return figures.panels([Panel(title, curves, "step h", "log", **sizes)])


def difference_lab() -> Lab:
    """Show how near a finite difference comes to backpropagation, at every step size."""
    moved, kinds = "How far the weight is moved.", ("float64", "float32")
    return Lab(
        differences.difference_errors,
        draw_differences,
        step=controls.slider("step h", 1e-2, 1e-15, 1.0, tooltip=moved, log=True, step=0.25),
        depth=controls.depth(4, maximum=50),
        weight_scale=controls.weight_scale(),
        precision=controls.choice("precision", "float64", kinds, "In which the loss is computed."),
        presets={
            "too large a step": {"step": 0.1},
            "the best step": {"step": 1e-5},
            "too small a step": {"step": 1e-13},
            "single precision": {"precision": "float32"},
            "a vanished gradient": {"step": 1e-5, "depth": 30},
        },
    )
