"""Labs of chapter 04."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, Curve, Panel
from vglib.lab import Control, Lab
from vglib.networks import INITIALIZATIONS
from vglib.relu_family.experiments import (
    FAMILY,
    OPTIMIZERS,
    BornDead,
    Dying,
    Gauges,
    Knock,
    Noise,
    Portrait,
    Race,
    Ranking,
    Slope,
    born_dead,
    dying,
    gauges,
    knock,
    noise,
    portrait,
    race_of_depth,
    ranking,
    slope,
)

# A line to read by: neither measured, so not held as a ghost, nor theory.
MARK = "mark"
# A little beyond 0 and 100, so that points on the ends are seen whole.
PERCENT = (-3.0, 103.0)
RESPONDING = ("relu", "leaky_relu", "prelu", "elu", "gelu")


def _activation(value: str, options: tuple[str, ...] = FAMILY) -> Control:
    return controls.choice("activation", value, options, "The function after each weighted sum.")


def draw_portrait(p: Portrait) -> go.Figure:
    """Draw function and slope over the density of z, and chi at the own He scale."""
    density = np.exp(-((p.z / p.spread) ** 2) / 2)
    where = np.array([p.spread])
    figure = figures.panels(
        [
            Panel(
                "output φ(z)",
                [
                    Curve("φ(z)", p.z, p.phi, BLUE),
                    Curve("density of z (height 1)", p.z, density, GREY),
                ],
                "pre-activation z",
                y_range=(-2, 5),
            ),
            Panel(
                "slope φ′(z)",
                [
                    Curve("φ′(z)", p.z, p.dphi, GREEN),
                    Curve("density of z (height 1)", p.z, density, GREY),
                ],
                "pre-activation z",
                y_range=(-0.6, 2),
            ),
            Panel(
                "χ at its own He scale",
                [
                    Curve("χ: factor on ‖∂L/∂z‖² a layer", p.spreads, p.chis, ORANGE),
                    Curve("here", where, np.array([p.face.chi]), PINK, mode="markers"),
                ],
                "spread of z (standard deviation)",
                x_log=True,
                y_range=(0, 2),
            ),
        ],
    )
    return figure.update_layout(
        xaxis3={"range": [-1.35, 1.35], "tickvals": [0.1, 1, 10], "ticktext": ["0.1", "1", "10"]}
    )


def portrait_lab() -> Lab:
    """Look at every member of the family: function, slope, moments and its own He scale."""
    return Lab(
        portrait,
        draw_portrait,
        activation=_activation("relu"),
        spread=controls.slider(
            "spread of z", 1.0, 0.05, 20.0, tooltip="Standard deviation of z ~ N(0, ·).", log=True
        ),
        presets={
            "ReLU": {"activation": "relu", "spread": 1.0},
            "sigmoid, the rival": {"activation": "sigmoid", "spread": 1.0},
            "tanh, large z": {"activation": "tanh", "spread": 5.0},
            "GELU": {"activation": "gelu", "spread": 1.0},
            "hard-swish and its kinks": {"activation": "hardswish", "spread": 2.0},
            "SELU": {"activation": "selu", "spread": 1.0},
        },
    )


def draw_noise(n: Noise) -> go.Figure:
    """Draw random leaks, and the penalty they add."""
    mean = np.where(n.z > 0, n.z, (n.lower + n.upper) / 2 * n.z)
    return figures.panels(
        [
            Panel(
                "output φ(z)",
                [
                    Curve("training: a slope a draw", n.z, n.phi, BLUE, mode="markers"),
                    Curve("evaluation: the mean slope", n.z, mean, ORANGE, figures.THEORY),
                ],
                "pre-activation z",
                y_range=(-3, 1),
            ),
            Panel(
                "rise of the squared error",
                [
                    Curve("measured, 4000 draws", n.widths, n.measured, GREEN, mode="markers"),
                    Curve("formula", n.widths, n.predicted, ORANGE, figures.THEORY),
                ],
                "width of the range of slopes",
            ),
        ]
    )


def noise_lab() -> Lab:
    """Show RReLU's two modes, and what its noise costs a readout."""
    return Lab(
        noise,
        draw_noise,
        middle=controls.slider(
            "mean slope", 11 / 48, 0.0, 0.5, tooltip="The slope used in evaluation.", step=0.01
        ),
        width=controls.slider(
            "range", 5 / 24, 0.0, 1.0, tooltip="Largest slope minus smallest.", step=0.01
        ),
        seed=controls.seed(),
        presets={
            "no range": {"middle": 11 / 48, "width": 0.0},
            "Xu 2015: 1/8 to 1/3": {"middle": 11 / 48, "width": 5 / 24},
            "wide": {"middle": 0.5, "width": 1.0},
        },
    )


def draw_slope(s: Slope) -> go.Figure:
    """Draw the gradient over the layers with its theory, and the factor of each layer."""
    g = s.gauges
    layers = np.arange(1, g.depth + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        factors = np.exp(g.log_factors)
        predicted = np.exp(-2 * np.diff(g.theory_log_delta))
    largest = factors[np.isfinite(factors)].max(initial=g.chi)
    return figures.panels(
        [
            Panel(
                figures.DELTA,
                [
                    Curve("measured", layers, figures.log10(g.log_delta)),
                    Curve(
                        "mean-field theory",
                        layers,
                        figures.log10(g.theory_log_delta),
                        ORANGE,
                        figures.THEORY,
                    ),
                ],
                powers=True,
            ),
            Panel(
                "factor on ‖∂L/∂z‖² in each layer",
                [
                    Curve("measured", layers[:-1], factors, BLUE),
                    Curve(
                        "mean-field theory",
                        layers[:-1],
                        predicted,
                        ORANGE,
                        figures.THEORY,
                    ),
                ],
                y_range=(0.0, max(2.0, float(np.ceil(1.05 * largest)))),
            ),
        ]
    )


def slope_lab() -> Lab:
    """Show that a slope of 1 does not make a factor of 1: the weight scale decides."""
    return Lab(
        slope,
        draw_slope,
        depth=controls.depth(),
        weight_scale=controls.weight_scale(),
        activation=_activation("relu"),
        width=controls.width(),
        seed=controls.seed(),
        presets={
            "Glorot: variance 1/n": {"weight_scale": 1.0, "activation": "relu"},
            "He: 2/n": {"weight_scale": 2**0.5, "activation": "relu"},
            "3/n": {"weight_scale": 3**0.5, "activation": "relu"},
            "torch's default: 1/(3n)": {"weight_scale": 3**-0.5, "activation": "relu"},
            "sigmoid with He": {"weight_scale": 2**0.5, "activation": "sigmoid"},
        },
    )


def _decades(exponents: np.ndarray) -> float:
    finite = exponents[np.isfinite(exponents)]
    return max(4.0, np.ceil(finite.max()) - np.floor(finite.min())) if len(finite) else 4.0


def _around(exponents: np.ndarray, decades: float) -> tuple[float, float]:
    """Return whole exponents around the data, `decades` apart."""
    finite = exponents[np.isfinite(exponents)]
    middle = (finite.min() + finite.max()) / 2 if len(finite) else 0.0
    low = float(min(np.round(middle - decades / 2), np.floor(finite.min(initial=np.inf))))
    low = low if len(finite) else -decades / 2
    return low, low + decades + 1.0


def draw_gauges(g: Gauges) -> go.Figure:
    """Draw the two gauges and the inner product that explains them, on axes of equal length."""
    layers = np.arange(1, g.depth + 1)
    delta, weight, inner = (
        figures.log10(ln) for ln in (g.log_delta, g.trace.log_weight_grad[: g.depth], g.log_inner)
    )
    theory = figures.log10(g.theory_log_delta)
    decades = max(_decades(np.concatenate([delta, theory])), _decades(weight), _decades(inner))
    return figures.panels(
        [
            Panel(
                figures.DELTA,
                [
                    Curve("∂L/∂z", layers, delta),
                    Curve("mean-field theory", layers, theory, ORANGE, figures.THEORY),
                ],
                powers=True,
                y_range=_around(np.concatenate([delta, theory]), decades),
            ),
            Panel(
                figures.WEIGHT_GRADIENT,
                [Curve("∂L/∂W", layers, weight, GREEN)],
                powers=True,
                y_range=_around(weight, decades),
            ),
            Panel(
                "|⟨W, ∂L/∂W⟩|",
                [Curve("inner product", layers, inner, PINK)],
                powers=True,
                y_range=_around(inner, decades),
            ),
        ]
    )


def gauges_lab() -> Lab:
    """Compare two gauges of the same backward pass: one falls, the other looks healthy."""
    return Lab(
        gauges,
        draw_gauges,
        depth=controls.depth(maximum=200),
        weight_scale=controls.weight_scale(),
        init=controls.choice("init", "torch", list(INITIALIZATIONS), "How the weights are drawn."),
        biases=controls.toggle("biases", False, "Random biases of torch's size, or all 0."),
        activation=_activation("relu"),
        seed=controls.seed(),
        presets={
            name: {"init": init, "biases": biases, "weight_scale": 1.0, "activation": activation}
            for name, init, biases, activation in (
                ("torch's scale, no biases", "torch", False, "relu"),
                ("He, no biases", "he", False, "relu"),
                ("torch's default, with biases", "torch", True, "relu"),
                ("tanh: the identity fails", "torch", False, "tanh"),
            )
        },
    )


def draw_dying(d: Dying) -> go.Figure:
    """Draw the two shares in the worst layer, the layers at the end, and the accuracy."""
    layers = np.arange(1, len(d.layers) + 1)
    figure = figures.panels(
        [
            Panel(
                "units off, worst layer (%)",
                [
                    Curve("off for 10 images", d.steps, 100 * d.off_batch, BLUE),
                    Curve("off for all training images", d.steps, 100 * d.off_data, ORANGE),
                ],
                figures.STEP,
                y_range=PERCENT,
            ),
            Panel(
                "off for all images, at the end (%)",
                [Curve("off for all training images", layers, 100 * d.layers, ORANGE)],
                y_range=PERCENT,
            ),
            Panel(
                "test accuracy (%)",
                [Curve("test accuracy", d.steps, 100 * d.test_accuracy, GREEN)],
                figures.STEP,
                y_range=PERCENT,
            ),
        ]
    )
    return figure.update_layout(xaxis2_dtick=1)


def dying_lab() -> Lab:
    """Turn the learning rate up until the units die. Each move trains for about half a second."""
    return Lab(
        dying,
        draw_dying,
        lr=controls.slider("learning rate", 1.0, 0.001, 3.0, tooltip="Size of a step.", log=True),
        optimizer=controls.choice("optimiser", "SGD", list(OPTIMIZERS), "The rule of a step."),
        activation=_activation("relu", RESPONDING),
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "SGD 0.1": {"optimizer": "SGD", "lr": 0.1, "activation": "relu"},
            "SGD 1": {"optimizer": "SGD", "lr": 1.0, "activation": "relu"},
            "Adam 0.03: half dead, still good": {
                "optimizer": "Adam",
                "lr": 0.03,
                "activation": "relu",
            },
            "Adam 0.1": {"optimizer": "Adam", "lr": 0.1, "activation": "relu"},
            "Adam 0.1, leaky": {"optimizer": "Adam", "lr": 0.1, "activation": "leaky_relu"},
        },
    )


def draw_knock(k: Knock) -> go.Figure:
    """Draw the share of the layer that is off, and the accuracy."""
    return figures.panels(
        [
            Panel(
                "last hidden layer: off for all images (%)",
                [Curve("off for all training images", k.steps, 100 * k.off, ORANGE)],
                figures.STEP,
                y_range=PERCENT,
            ),
            Panel(
                "test accuracy (%)",
                [Curve("test accuracy", k.steps, 100 * k.test_accuracy, GREEN)],
                figures.STEP,
                y_range=PERCENT,
            ),
        ]
    )


def knock_lab() -> Lab:
    """Knock a layer out and see who comes back. Each move trains for about half a second."""
    return Lab(
        knock,
        draw_knock,
        activation=_activation("relu", RESPONDING),
        margin=controls.slider(
            "margin", 1.0, 0.1, 10.0, tooltip="How far below 0 the nearest image lies.", log=True
        ),
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("learning rate", 0.3, 0.01, 1.0, tooltip="Size of a step.", log=True),
        seed=controls.seed(),
        presets={
            "ReLU": {"activation": "relu", "margin": 1.0},
            "leaky ReLU": {"activation": "leaky_relu", "margin": 1.0},
            "ELU, near": {"activation": "elu", "margin": 1.0},
            "ELU, far": {"activation": "elu", "margin": 10.0},
            "GELU, far": {"activation": "gelu", "margin": 10.0},
        },
    )


def draw_born_dead(b: BornDead) -> go.Figure:
    """Draw the share of dead nets over the depth, and the formula."""
    layers = np.arange(1, len(b.formula) + 1)
    return figures.panels(
        [
            Panel(
                "nets with a silent layer up to here (%)",
                [
                    Curve("silent for one given input", layers, 100 * b.one_input, BLUE),
                    Curve("silent for every input", layers, 100 * b.all_inputs, GREEN),
                    Curve("formula, one input", layers, 100 * b.formula, ORANGE, figures.THEORY),
                ],
                y_range=PERCENT,
            )
        ],
        height=380,
    )


def born_dead_lab() -> Lab:
    """Count the nets that are dead before they learn anything."""
    return Lab(
        born_dead,
        draw_born_dead,
        width=controls.ladder("width", 3, [*range(1, 13)], "Units in each hidden layer."),
        depth=controls.depth(9, maximum=200),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "width 2": {"width": 2, "depth": 9},
            "width 3": {"width": 3, "depth": 9},
            "width 5": {"width": 5, "depth": 9},
            "width 10, depth 100": {"width": 10, "depth": 100},
        },
    )


def draw_race(r: Race) -> go.Figure:
    """Draw the accuracy of each activation over the epochs, and the 95% line."""
    epochs = np.arange(next(iter(r.curves.values())).shape[1])
    curves = [
        Curve(name, epochs, 100 * accuracies.mean(0), color)
        for (name, accuracies), color in zip(r.curves.items(), (BLUE, ORANGE), strict=True)
    ]
    line = Curve("95%", epochs, np.full(len(epochs), 95.0), GREY, MARK, "lines")
    panel = Panel("test accuracy (%)", [*curves, line], figures.EPOCH, y_range=PERCENT)
    return figures.panels([panel], height=380).update_layout(xaxis_dtick=1)


def race_lab() -> Lab:
    """Race ReLU against the sigmoid. Each move trains two nets, for about a second."""
    return Lab(
        race_of_depth,
        draw_race,
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("learning rate", 0.1, 0.01, 1.0, tooltip="Size of a step.", log=True),
        seed=controls.seed(),
        presets={
            "one layer": {"depth": 1},
            "two layers": {"depth": 2},
            "four layers": {"depth": 4},
        },
    )


def draw_ranking(r: Ranking) -> go.Figure:
    """Draw how two nets of known quality score."""
    return figures.panels(
        [
            Panel(
                "density of the score (per point)",
                [
                    Curve("the worse net", 100 * r.scores, r.worse / 100, ORANGE),
                    Curve("the better net", 100 * r.scores, r.better / 100, BLUE),
                ],
                "accuracy on the test images (%)",
            )
        ],
        height=380,
    )


def ranking_lab() -> Lab:
    """See what a test set of a given size can tell apart."""
    return Lab(
        ranking,
        draw_ranking,
        images=controls.ladder(
            "test images", 360, [100, 200, 360, 1000, 2000, 5000, 10000, 20000, 50000, 100000], "n"
        ),
        gap=controls.slider(
            "true gap (points)", 0.5, 0.05, 3.0, tooltip="Percentage points.", log=True
        ),
        level=controls.slider(
            "level (%)", 97.5, 90.0, 98.0, tooltip="The mean of both accuracies.", step=0.1
        ),
        presets={
            "digits, half a point": {"images": 360, "gap": 0.5, "level": 97.5},
            "MNIST, one row of the table": {"images": 10000, "gap": 0.1, "level": 97.9},
            "MNIST, ReLU against sigmoid": {"images": 10000, "gap": 1.7, "level": 97.0},
        },
    )
