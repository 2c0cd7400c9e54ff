"""Labs of chapter 02."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from scipy.stats import norm

from vglib import figures, theory
from vglib import lab as controls
from vglib.chain_rule.experiments import (
    QUANTITIES,
    SIGMOID,
    THROWN,
    Chain,
    Dice,
    DifferenceErrors,
    LocalMap,
    RandomChains,
    Sums,
    WidthFlow,
    Window,
    difference_errors,
    explosion_window,
    local_map,
    one_neuron_chain,
    random_chains,
    throw_dice,
    weighted_sums,
    width_flow,
)
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, THEORY, Curve, Panel
from vglib.lab import Lab
from vglib.probe import power_of_ten

# Below this exponent a bar of the chain is cut off; its label still tells the value.
FLOOR = -8.0


def draw_chain(chain: Chain) -> go.Figure:
    """Draw each factor as a bar beside their product, and the neurons' places on s'."""
    sizes = np.abs([*chain.factors, chain.product])
    powers = np.clip(_log10(sizes), FLOOR, None)
    places = np.arange(1, len(sizes) + 1)
    quarter, z = np.log10(0.25), np.linspace(-10, 10, 201)
    ends = np.array([0.4, len(sizes) + 0.6])
    figure = figures.panels(
        [
            Panel(
                "|w s′(z)|: each factor, and their product",
                [
                    Curve("size", places, powers, BLUE, mode="markers"),
                    Curve("1", ends, np.zeros(2), ORANGE, THEORY),
                    Curve("1/4", ends, np.full(2, quarter), GREEN, THEORY),
                ],
                x_title="neuron (1 is nearest the input)",
                powers=True,
                x_range=(0.4, len(sizes) + 0.6),
                y_range=(FLOOR, 1.5),
            ),
            Panel(
                "s′(z), and where the four neurons sit",
                [
                    Curve("s′", z, SIGMOID.dphi(z), GREY, THEORY),
                    Curve(
                        "neurons",
                        np.clip(chain.pre_activations, -10, 10),
                        chain.slopes,
                        BLUE,
                        mode="markers+text",
                    ),
                ],
                x_title="pre-activation z",
                x_range=(-10, 10),
                y_range=(0, 0.3),
            ),
        ],
        layout={"showlegend": False},
    )
    figure.add_bar(
        x=places,
        y=powers - FLOOR,
        base=FLOOR,
        width=0.6,
        marker={"color": [BLUE] * len(chain.factors) + [PINK], "opacity": 0.75},
        hovertemplate="10^%{y:.2f}",
        xaxis="x",
        yaxis="y",
    )
    names = [*(f"w{_sub(i)} s′(z{_sub(i)})" for i in range(1, len(sizes))), "product"]
    # Under the axis no line runs through a number.
    values = [f"{value:.3g}" for value in [*chain.factors, chain.product]]
    labels = [f"{name}<br><b>{value}</b>" for name, value in zip(names, values, strict=True)]
    figure.layout.xaxis.update(tickvals=places, ticktext=labels)
    neurons = next(t for t in figure.data if t.name == "neurons")
    neurons.update(
        text=_joint_labels(neurons.x),
        textposition=[_beside_the_curve(z) for z in neurons.x],
        textfont={"size": 16},
        marker={"size": 11},
    )
    for position, text in ((0.0, "1"), (quarter, "1/4")):
        figure.add_annotation(
            x=len(sizes) + 0.6, y=position, text=text, showarrow=False, xanchor="left", xshift=3
        )
    return figure


def _joint_labels(places: np.ndarray) -> list[str]:
    """Number the neurons; those that sit together get one label, so that none hides another."""
    order = np.argsort(places)
    groups = np.split(order, np.flatnonzero(np.diff(places[order]) > 0.7) + 1)
    labels = [""] * len(places)
    for group in groups:
        names = " ".join(str(i + 1) for i in sorted(group))
        labels[group[len(group) // 2]] = f" {names} "
    return labels


def _beside_the_curve(z: float) -> str:
    """Place a label where the curve of s' is not, and inside the panel."""
    if abs(z) > 5:
        return "top center"
    return "middle right" if z >= 0 else "middle left"


def chain_lab() -> Lab:
    """Show the four factors of a chain of four neurons, and what their product comes to."""

    def weight(index: int) -> controls.Control:
        return controls.slider(
            f"w{_sub(index)}", 1.0, -12.0, 12.0, tooltip=f"Weight into neuron {index}.", step=0.1
        )

    return Lab(
        one_neuron_chain,
        draw_chain,
        w1=weight(1),
        w2=weight(2),
        w3=weight(3),
        w4=weight(4),
        x=controls.slider("input", 1.0, -2.0, 2.0, tooltip="What enters neuron 1.", step=0.05),
        centred=controls.toggle(
            "biases −w/2", False, "Biases of −w/2 instead of 0: an input of 0.5 then gives z = 0."
        ),
        presets={
            "all 1": _weights(1.0, 1.0, 1.0, 1.0) | {"x": 1.0, "centred": False},
            "one large weight": _weights(1.0, 8.0, 1.0, 1.0) | {"x": 1.0, "centred": False},
            "all large": _weights(8.0, 8.0, 8.0, 8.0) | {"x": 1.0, "centred": False},
            "large and centred": _weights(8.0, 8.0, 8.0, 8.0) | {"x": 0.5, "centred": True},
            "the same, input 0.8": _weights(8.0, 8.0, 8.0, 8.0) | {"x": 0.8, "centred": True},
        },
    )


def draw_random_chains(chains: RandomChains) -> go.Figure:
    """Draw how one factor is distributed, and how the products run with depth."""
    logs = figures.log10(chains.log_factors.ravel())
    edges = np.linspace(-6.0, 1.5, 91)
    density, _ = np.histogram(np.clip(logs, edges[0], edges[-1]), edges, density=True)
    centres = (edges[:-1] + edges[1:]) / 2
    top = max(1.0, float(np.ceil(2 * density.max()) / 2))
    layers = np.arange(1, chains.depth + 1)
    products = figures.log10(chains.log_products)
    low, middle, high = np.quantile(products, (0.1, 0.5, 0.9), axis=1)
    figure = figures.panels(
        [
            Panel(
                "density of one factor |w s′(z)|",
                [
                    Curve("all factors", centres, density, BLUE, mode="lines"),
                    Curve("1/4", np.full(2, np.log10(0.25)), np.array([0, top]), GREEN, THEORY),
                    Curve("1", np.zeros(2), np.array([0, top]), ORANGE, THEORY),
                ],
                x_title="size of the factor",
                x_range=(edges[0], edges[-1]),
                y_range=(0, top),
            ),
            Panel(
                "|product| of the factors so far",
                [
                    Curve("largest chain", layers, products.max(axis=1), PINK, mode="lines"),
                    Curve("90% of chains", layers, high, GREY, mode="lines"),
                    Curve("median chain", layers, middle, BLUE),
                    Curve("10% of chains", layers, low, GREY, mode="lines"),
                    Curve("0.25 to the depth", layers, layers * np.log10(0.25), GREEN, THEORY),
                ],
                x_title="number of factors",
                powers=True,
            ),
        ],
    )
    figure.layout.xaxis.update(tickprefix="10<sup>", ticksuffix="</sup>", dtick=1)
    figure.layout.xaxis2.update(tick0=0, dtick=figures.whole_step(0, chains.depth))
    return figure


def random_chains_lab() -> Lab:
    """Show what random weights make of a factor and of the product over a chain."""
    return Lab(
        random_chains,
        draw_random_chains,
        depth=controls.depth(4, maximum=200),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "N(0,1), 4 neurons": {"depth": 4, "weight_scale": 1.0},
            "N(0,1), 50 neurons": {"depth": 50, "weight_scale": 1.0},
            "the best scale": {"depth": 50, "weight_scale": 3.4},
            "far too large": {"depth": 50, "weight_scale": 16.0},
        },
    )


def draw_window(window: Window) -> go.Figure:
    """Draw the factor over the input with its bar of 1, and the width of the window over |w|."""
    ones = np.ones(2)
    weights = np.concatenate([[0.0, 4.0], np.geomspace(4.0, 20.0, 200)])
    return figures.panels(
        [
            Panel(
                "factor |w s′(w a + b)|",
                [
                    Curve("factor", window.inputs, window.factors, BLUE),
                    Curve("1", np.array([-0.5, 1.5]), ones, ORANGE, THEORY),
                    Curve("from 0 to 1", np.array([0.0, 1.0]), np.zeros(2), PINK, mode="lines"),
                ],
                x_title="input a (a sigmoid gives 0 to 1)",
                y_range=(-0.1, 5),
            ),
            Panel(
                "width of the window in a",
                [
                    Curve(
                        "measured", [abs(window.weight)], [window.measured], BLUE, mode="markers"
                    ),
                    Curve("formula", weights, theory.nielsen_window(weights), ORANGE, THEORY),
                ],
                x_title="|w|",
                x_range=(0, 20),
                y_range=(-0.01, 0.5),
            ),
        ]
    )


def window_lab() -> Lab:
    """Show for which inputs one factor reaches 1."""
    return Lab(
        explosion_window,
        draw_window,
        weight=controls.slider("weight", 3.0, -20.0, 20.0, tooltip="The weight w.", step=0.1),
        bias=controls.slider("bias", 0.0, -20.0, 20.0, tooltip="The bias b.", step=0.1),
        presets={
            "|w| below 4": {"weight": 3.0, "bias": -1.5},
            "the widest window": {"weight": 6.9, "bias": -3.45},
            "large, but badly placed": {"weight": 10.0, "bias": 3.0},
            "very large": {"weight": 20.0, "bias": -10.0},
        },
    )


def draw_dice(dice: Dice) -> go.Figure:
    """Draw what is averaged under the bell curve, and the running average with its error."""
    band = 2 * dice.std / np.sqrt(dice.counts)
    product = dice.values * dice.density
    figure = figures.panels(
        [
            Panel(
                f"{dice.quantity} times the bell curve: the area is E",
                [
                    Curve("f(z)", dice.grid, np.minimum(dice.values, 1.0), BLUE, mode="lines"),
                    Curve("bell curve", dice.grid, dice.density, GREY, mode="lines"),
                    Curve("their product", dice.grid, product, PINK, mode="lines"),
                ],
                x_title="z",
            ),
            Panel(
                f"average of {dice.quantity} so far",
                [
                    Curve("average", dice.counts, dice.averages, BLUE, mode="lines"),
                    Curve(
                        "integral E", dice.counts, np.full(len(band), dice.expected), ORANGE, THEORY
                    ),
                    Curve("E ± 2 errors", dice.counts, dice.expected + band, GREEN, THEORY),
                    Curve("E ± 2 errors", dice.counts, dice.expected - band, GREEN, THEORY),
                ],
                x_title="throws",
                x_log=True,
                x_range=(1, max(2.0, float(dice.counts[-1]))),
            ),
        ]
    )
    figure.layout.xaxis2.update(tickvals=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20_000])
    return figure


def dice_lab() -> Lab:
    """Show that an expectation is what an average of many throws settles at."""
    return Lab(
        throw_dice,
        draw_dice,
        quantity=controls.choice("average of", "s'(z)", list(QUANTITIES), "What is averaged."),
        throws=controls.ladder(
            "throws",
            1000,
            [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000],
            "How often z is thrown.",
        ),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "ten throws": {"quantity": "s'(z)", "throws": 10, "weight_scale": 1.0},
            "many throws": {"quantity": "s'(z)", "throws": 20_000, "weight_scale": 1.0},
            "wide z: saturated": {"quantity": "s'(z)²", "throws": 20_000, "weight_scale": 10.0},
        },
    )


def draw_sums(sums: Sums) -> go.Figure:
    """Draw the sums' histogram with its bell curve, and the variance over the number of terms."""
    std = max(float(np.sqrt(sums.predicted)), 1e-12)
    edges = np.linspace(-4, 4, 42)
    density, _ = np.histogram(np.clip(sums.sums / std, -4, 4), edges, density=True)
    centres = (edges[:-1] + edges[1:]) / 2
    terms = np.arange(1, sums.width + 1)
    return figures.panels(
        [
            Panel(
                "density of the sum, in units of √(n σ² mean a²)",
                [
                    Curve("thrown", centres, density, BLUE, mode="lines"),
                    Curve("bell curve", centres, norm.pdf(centres), ORANGE, THEORY),
                ],
                x_title="sum / its standard deviation",
                y_range=(0, max(0.6, float(np.ceil(10 * density.max()) / 10))),
            ),
            Panel(
                "variance of the sum",
                [
                    Curve(
                        "measured",
                        terms,
                        sums.variances,
                        BLUE,
                        mode="lines+markers" if sums.width <= 10 else "lines",
                    ),
                    Curve("n σ² mean a²", terms, sums.rule, ORANGE, THEORY),
                ],
                x_title="number of terms n",
            ),
        ]
    )


def sum_lab() -> Lab:
    """Show that the variance of a sum of independent throws grows with their number."""
    return Lab(
        weighted_sums,
        draw_sums,
        width=controls.ladder(
            "terms",
            5,
            [1, 2, 3, 4, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 400, 500],
            "How many weighted inputs are added.",
        ),
        weight_scale=controls.weight_scale(),
        throw=controls.choice("weights", "coin", list(THROWN), "How one weight is thrown."),
        seed=controls.seed(),
        presets={
            "one coin": {"width": 1, "throw": "coin", "weight_scale": 1.0},
            "five coins": {"width": 5, "throw": "coin", "weight_scale": 1.0},
            "a hundred coins": {"width": 100, "throw": "coin", "weight_scale": 1.0},
            "a hundred, scaled by 1/10": {"width": 100, "throw": "normal", "weight_scale": 0.1},
        },
    )


def draw_local_map(local: LocalMap) -> go.Figure:
    """Draw the circle of steps at the input and what becomes of it at the output."""
    reach = float(max(np.abs(local.image).max(), np.abs(local.linear).max(), 1e-300))
    # In units of a power of ten the axis can show what a deep product leaves.
    power = int(np.floor(np.log10(reach)))
    unit = 10.0**power
    limit = float(np.ceil(reach / unit)) * 1.05
    shown = "" if power == 0 else f", × {power_of_ten(power * np.log(10))}"
    marks = slice(None, None, 15)
    figure = figures.panels(
        [
            Panel(
                "step at the input: a circle",
                [
                    Curve("true map", local.circle[:, 0], local.circle[:, 1], BLUE, mode="lines"),
                    Curve(
                        "marked steps",
                        local.circle[marks][:, 0],
                        local.circle[marks][:, 1],
                        PINK,
                        mode="markers",
                    ),
                ],
                x_title="first input",
                x_range=(-1.15, 1.15),
                y_range=(-1.15, 1.15),
            ),
            Panel(
                "output step / input step" + shown,
                [
                    Curve(
                        "true map",
                        (local.image / unit)[:, 0],
                        (local.image / unit)[:, 1],
                        BLUE,
                        mode="lines",
                    ),
                    Curve(
                        "Jacobian J u",
                        (local.linear / unit)[:, 0],
                        (local.linear / unit)[:, 1],
                        ORANGE,
                        THEORY,
                    ),
                    Curve(
                        "marked steps",
                        (local.image[marks] / unit)[:, 0],
                        (local.image[marks] / unit)[:, 1],
                        PINK,
                        mode="markers",
                    ),
                ],
                x_title="first output",
                x_range=(-limit, limit),
                y_range=(-limit, limit),
            ),
        ]
    )
    figure.layout.yaxis.update(scaleanchor="x", constrain="domain")
    figure.layout.yaxis2.update(scaleanchor="x2", constrain="domain")
    figure.layout.xaxis.update(constrain="domain")
    figure.layout.xaxis2.update(constrain="domain")
    return figure


def jacobian_lab() -> Lab:
    """Show that a Jacobian is the linear map that a network looks like from very near."""
    return Lab(
        local_map,
        draw_local_map,
        depth=controls.depth(1, maximum=50),
        weight_scale=controls.weight_scale(2.0),
        radius=controls.slider(
            "radius", 1.0, 0.001, 5.0, tooltip="Radius of the circle of inputs.", log=True
        ),
        activation=controls.choice(
            "activation", "sigmoid", ["sigmoid", "tanh", "identity"], "The activation phi."
        ),
        seed=controls.seed(),
        presets={
            "one layer, large circle": {"depth": 1, "radius": 3.0, "activation": "sigmoid"},
            "one layer, small circle": {"depth": 1, "radius": 0.1, "activation": "sigmoid"},
            "five layers": {"depth": 5, "radius": 0.1, "activation": "sigmoid"},
            "linear: J is the whole truth": {"depth": 5, "radius": 3.0, "activation": "identity"},
        },
    )


def draw_width(flow: WidthFlow) -> go.Figure:
    """Draw the gradient of the layers, and the ratio per layer over the width with chi."""
    layers = np.arange(1, flow.depth + 1)
    ends = flow.curve_widths[[0, -1]]
    with np.errstate(divide="ignore"):
        curve = np.log10(flow.curve)
    figure = figures.panels(
        [
            Panel(
                f"{figures.DELTA} at width {flow.width}",
                [
                    Curve("measured", layers, figures.log10(flow.trace.log_delta[: flow.depth])),
                    Curve("mean-field theory", layers, figures.log10(flow.theory_log_delta),
                          ORANGE, THEORY),
                ],
                powers=True,
            ),
            Panel(
                "ratio of ‖∂L/∂z‖² per layer, going back",
                [
                    Curve("measured", flow.widths, _log10(flow.ratios), mode="markers"),
                    Curve("this width", [flow.width], [_log10(flow.ratio)], PINK, mode="markers"),
                    Curve("chi", flow.curve_widths, curve, ORANGE, THEORY),
                    Curve("1: neither", ends, np.zeros(2), GREY, THEORY),
                ],
                x_title="width (units in each layer)",
                x_log=True,
                x_range=(9.0, 560.0),
                powers=True,
            ),
        ]
    )  # fmt: skip
    figure.layout.xaxis2.update(tickvals=[10, 20, 50, 100, 200, 500])
    return figure


def width_lab() -> Lab:
    """Show that N(0, 1) weights vanish in a narrow net and explode in a wide one."""
    return Lab(
        width_flow,
        draw_width,
        width=controls.width(30),
        depth=controls.depth(12, maximum=30),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "Nielsen's width 30": {"width": 30, "depth": 12, "weight_scale": 1.0},
            "critical: width 105": {"width": 105, "depth": 12, "weight_scale": 1.0},
            "width 300 explodes": {"width": 300, "depth": 12, "weight_scale": 1.0},
            "width 300, scaled by 1/√300": {"width": 300, "depth": 12, "weight_scale": 0.0577},
        },
    )


def draw_differences(errors: DifferenceErrors) -> go.Figure:
    """Draw the errors of both differences over the step, with rounding and truncation."""
    steps = errors.steps
    best_possible = np.maximum(errors.truncation, errors.rounding)
    with np.errstate(divide="ignore"):
        truncation, rounding = np.log10(errors.truncation), np.log10(errors.rounding)
    low = float(np.floor(min(_log10(errors.two_sided).min(initial=0, where=errors.two_sided > 0),
                             np.log10(best_possible.min()))))  # fmt: skip
    high = float(np.ceil(max(1.0, _log10(errors.two_sided).max(), _log10(errors.one_sided).max())))
    figure = figures.panels(
        [
            Panel(
                "|finite difference − backpropagation| / |backpropagation|",
                [
                    Curve("one-sided", steps, _log10(errors.one_sided), GREEN, mode="lines"),
                    Curve("two-sided", steps, _log10(errors.two_sided), BLUE, mode="lines"),
                    Curve("chosen step", [errors.step], [_log10(errors.error)], PINK,
                          mode="markers"),
                    Curve("truncation, one-sided", steps, truncation, ORANGE, THEORY),
                    Curve("rounding", steps, rounding, GREY, THEORY),
                ],
                x_title="step h",
                x_log=True,
                powers=True,
                x_range=(1e-16, 1.0),
                y_range=(max(low, -13.0), high + 1),
            )
        ]
    )  # fmt: skip
    figure.layout.xaxis.update(dtick=2, exponentformat="power")
    return figure


def difference_lab() -> Lab:
    """Show how near a finite difference comes to backpropagation, at every step size."""
    return Lab(
        difference_errors,
        draw_differences,
        step=controls.slider(
            "step h", 1e-2, 1e-15, 1.0, tooltip="How far the weight is moved.", log=True, step=0.25
        ),
        depth=controls.depth(4, maximum=50),
        weight_scale=controls.weight_scale(),
        precision=controls.choice(
            "precision", "float64", ["float64", "float32"], "In which the loss is computed."
        ),
        seed=controls.seed(),
        presets={
            "too large a step": {"step": 0.1, "depth": 4, "precision": "float64"},
            "the best step": {"step": 1e-5, "depth": 4, "precision": "float64"},
            "too small a step": {"step": 1e-13, "depth": 4, "precision": "float64"},
            "single precision": {"step": 1e-2, "depth": 4, "precision": "float32"},
            "a vanished gradient": {"step": 1e-5, "depth": 30, "precision": "float64"},
        },
    )


def _log10(values: np.ndarray | float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)


def _weights(*values: float) -> dict[str, float]:
    return {f"w{i}": value for i, value in enumerate(values, start=1)}


def _sub(index: int) -> str:
    return "₀₁₂₃₄₅₆₇₈₉"[index]
