"""Labs of chapter 04."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vglib import figures
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, Curve, Drawing, Panel, mark, theory
from vglib.lab import Lab, controls
from vglib.lab.controls import Control
from vglib.networks import INITIALIZATIONS
from vglib.probe import Array
from vglib.relu_family.born_dead import BornDead, counting
from vglib.relu_family.dead_units import OPTIMIZERS, Dying, Knock, Watched, dying, knock
from vglib.relu_family.gauges import Gauges, Slope, gauges, slope
from vglib.relu_family.portrait import FAMILY, Portrait, portrait
from vglib.relu_family.race import Race, race_of_depth
from vglib.relu_family.random_leaks import Noise, noise
from vglib.relu_family.ranking import Ranking, ranking

# A little beyond 0 and 100, so that points on the ends are seen whole.
PERCENT = (-3.0, 103.0)
RESPONDING = ("relu", "leaky_relu", "prelu", "elu", "gelu")
PRE_ACTIVATION = "pre-activation z"


def _activation(options: tuple[str, ...] = FAMILY) -> Control:
    return controls.choice("activation", "relu", options, "The function after each weighted sum.")


def draw_portrait(seen: Portrait) -> Drawing:
    """Draw function and slope over the density of z, and chi at the own He scale."""
    z = seen.z
    density = Curve("density of z (height 1)", z, np.exp(-((z / seen.spread) ** 2) / 2), GREY)
    function, slopes = Curve("φ(z)", z, seen.phi), Curve("φ′(z)", z, seen.dphi, GREEN)
    chi = Curve("χ: factor on ‖∂L/∂z‖² a layer", seen.spreads, seen.chis, ORANGE)
    return figures.panels(
        [
            Panel("output φ(z)", [function, density], PRE_ACTIVATION, y_range=(-2, 5)),
            Panel("slope φ′(z)", [slopes, density], PRE_ACTIVATION, y_range=(-0.6, 2)),
            Panel(
                "χ at its own He scale",
                [chi, mark("here", seen.spread, seen.face.chi)],
                "spread of z (standard deviation)",
                x_log=True,
                x_range=(10**-1.35, 10**1.35),
                x_ticks=(0.1, 1, 10),
                y_range=(0, 2),
            ),
        ]
    )


def portrait_lab() -> Lab:
    """Look at every member of the family: function, slope, moments and its own He scale."""
    return Lab(
        portrait,
        draw_portrait,
        activation=_activation(),
        spread=controls.slider(
            "spread of z", 1.0, 0.05, 20.0, tooltip="Standard deviation of z ~ N(0, ·).", log=True
        ),
        presets={
            "ReLU": {},
            "sigmoid, the rival": {"activation": "sigmoid"},
            "tanh, large z": {"activation": "tanh", "spread": 5.0},
            "GELU": {"activation": "gelu"},
            "hard-swish and its kinks": {"activation": "hardswish", "spread": 2.0},
            "SELU": {"activation": "selu"},
        },
    )


def draw_noise(seen: Noise) -> Drawing:
    """Draw random leaks, and the penalty they add."""
    z, widths = seen.z, seen.widths
    mean = np.where(z > 0, z, seen.mean_slope * z)
    training = Curve("training: a slope a draw", z, seen.phi, mode="markers")
    evaluation = theory("evaluation: the mean slope", z, mean)
    measured = Curve("measured, 4000 draws", widths, seen.measured, GREEN, mode="markers")
    formula = theory("formula", widths, seen.predicted)
    return figures.panels(
        [
            Panel("output φ(z)", [training, evaluation], PRE_ACTIVATION, y_range=(-3, 1)),
            Panel("rise of the squared error", [measured, formula], "width of the range of slopes"),
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
            "no range": {"width": 0.0},
            "Xu 2015: 1/8 to 1/3": {},
            "wide": {"middle": 0.5, "width": 1.0},
        },
    )


def draw_slope(seen: Slope) -> Drawing:
    """Draw the gradient over the layers with its theory, and the factor of each layer."""
    layers = np.arange(1, seen.depth + 1)
    factors, predicted = seen.factors
    largest = factors[np.isfinite(factors)].max(initial=seen.chi)
    top = max(2.0, float(np.ceil(1.05 * largest)))

    def compared(x: ArrayLike, measured: Array, said: Array) -> list[Curve]:
        return [Curve("measured", x, measured), theory("mean-field theory", x, said)]

    gradient = compared(layers, seen.log_delta, seen.theory_log_delta)
    each = compared(layers[:-1], factors, predicted)
    return figures.panels(
        [
            Panel(figures.DELTA, gradient, scale="ln"),
            Panel("factor on ‖∂L/∂z‖² in each layer", each, y_range=(0.0, top)),
        ]
    )


def slope_lab() -> Lab:
    """Show that a slope of 1 does not make a factor of 1: the weight scale decides."""
    return Lab(
        slope,
        draw_slope,
        depth=controls.depth(),
        weight_scale=controls.weight_scale(),
        activation=_activation(),
        width=controls.width(),
        seed=controls.seed(),
        presets={
            "Glorot: variance 1/n": {},
            "He: 2/n": {"weight_scale": 2**0.5},
            "3/n": {"weight_scale": 3**0.5},
            "torch's default: 1/(3n)": {"weight_scale": 3**-0.5},
            "sigmoid with He": {"weight_scale": 2**0.5, "activation": "sigmoid"},
        },
    )


def _equal_ranges(*logs: Array) -> list[tuple[float, float]]:
    """Return ranges of equal length, in whole decimal exponents, around each of these ln."""
    found = [ln[np.isfinite(ln)] / np.log(10) for ln in logs]
    ends = [(e.min(), e.max()) if len(e) else (0.0, 0.0) for e in found]
    decades = max(4.0, *(np.ceil(high) - np.floor(low) for low, high in ends))
    lows = [min(np.round((low + high - decades) / 2), np.floor(low)) for low, high in ends]
    return [(float(low), float(low + decades + 1)) for low in lows]


def draw_gauges(seen: Gauges) -> Drawing:
    """Draw the two gauges and the inner product that explains them, on axes of equal length."""
    layers = np.arange(1, seen.depth + 1)
    delta, weight, inner = seen.log_delta, seen.log_weight_grad, seen.log_inner
    said = seen.theory_log_delta
    ranges = _equal_ranges(np.concatenate([delta, said]), weight, inner)
    titles = (figures.DELTA, figures.WEIGHT_GRADIENT, "|⟨W, ∂L/∂W⟩|")
    curves = (
        [Curve("∂L/∂z", layers, delta), theory("mean-field theory", layers, said)],
        [Curve("∂L/∂W", layers, weight, GREEN)],
        [Curve("inner product", layers, inner, PINK)],
    )
    return figures.panels(
        [
            Panel(title, content, scale="ln", y_range=y_range)
            for title, content, y_range in zip(titles, curves, ranges, strict=True)
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
        activation=_activation(),
        seed=controls.seed(),
        presets={
            "torch's scale, no biases": {},
            "He, no biases": {"init": "he"},
            "torch's default, with biases": {"biases": True},
            "tanh: the identity fails": {"activation": "tanh"},
        },
    )


def _over_time(title: str, seen: Watched, curves: Sequence[Curve]) -> Panel:
    return Panel(title, curves, figures.STEP, x_range=(0, seen.total), y_range=PERCENT)


def draw_dying(seen: Dying) -> Drawing:
    """Draw the two shares in the worst layer, the layers as they are now, and the accuracy."""
    few, every = (100 * off[:, seen.worst_layer - 1] for off in (seen.off_10, seen.off_all))
    now = 100 * seen.off_all[-1]
    name = "off for all training images"
    batch = Curve("off for 10 images", seen.steps, few)
    dead = Curve(name, seen.steps, every, ORANGE)
    by_layer = Curve(name, np.arange(1, len(now) + 1), now, ORANGE)
    accuracy = Curve("test accuracy", seen.steps, 100 * seen.test_accuracy, GREEN)
    title, ticks = "off for all images, at the end (%)", {"dtick": 1}
    return figures.panels(
        [
            _over_time("units off, worst layer (%)", seen, [batch, dead]),
            Panel(title, [by_layer], y_range=PERCENT, x_axis=ticks),
            _over_time("test accuracy (%)", seen, [accuracy]),
        ]
    )


def dying_lab() -> Lab:
    """Turn the learning rate up until the units die. Each move trains a net."""
    return Lab(
        dying,
        draw_dying,
        lr=controls.slider("learning rate", 1.0, 0.001, 3.0, tooltip="Size of a step.", log=True),
        optimizer=controls.choice("optimiser", "SGD", list(OPTIMIZERS), "The rule of a step."),
        activation=_activation(RESPONDING),
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "SGD 0.1": {"lr": 0.1},
            "SGD 1": {},
            "Adam 0.03: half dead, still good": {"optimizer": "Adam", "lr": 0.03},
            "Adam 0.1": {"optimizer": "Adam", "lr": 0.1},
            "Adam 0.1, leaky": {"optimizer": "Adam", "lr": 0.1, "activation": "leaky_relu"},
        },
    )


def draw_knock(seen: Knock) -> Drawing:
    """Draw the share of the layer that is off, and the accuracy."""
    off = Curve("off for all training images", seen.steps, 100 * seen.off_all[:, -1], ORANGE)
    accuracy = Curve("test accuracy", seen.steps, 100 * seen.test_accuracy, GREEN)
    return figures.panels(
        [
            _over_time("last hidden layer: off for all images (%)", seen, [off]),
            _over_time("test accuracy (%)", seen, [accuracy]),
        ]
    )


def knock_lab() -> Lab:
    """Knock a layer out and see who comes back. Each move trains a net."""
    return Lab(
        knock,
        draw_knock,
        activation=_activation(RESPONDING),
        margin=controls.slider(
            "margin", 1.0, 0.1, 10.0, tooltip="How far below 0 the nearest image lies.", log=True
        ),
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("learning rate", 0.3, 0.01, 1.0, tooltip="Size of a step.", log=True),
        seed=controls.seed(),
        presets={
            "ReLU": {},
            "leaky ReLU": {"activation": "leaky_relu"},
            "ELU, near": {"activation": "elu"},
            "ELU, far": {"activation": "elu", "margin": 10.0},
            "GELU, far": {"activation": "gelu", "margin": 10.0},
        },
    )


def draw_born_dead(seen: BornDead) -> Drawing:
    """Draw the share of dead nets over the depth, and the formula."""
    layers = np.arange(1, len(seen.formula) + 1)
    counted = layers[: len(seen.one_input)]
    curves = [
        Curve("silent for one given input", counted, 100 * seen.one_input),
        Curve("silent for every input", counted, 100 * seen.all_inputs, GREEN),
        theory("formula, one input", layers, 100 * seen.formula),
    ]
    title = "nets with a silent layer up to here (%)"
    return figures.panels([Panel(title, curves, y_range=PERCENT)], height=380)


def born_dead_lab() -> Lab:
    """Count the nets that are dead before they learn anything."""
    return Lab(
        counting,
        draw_born_dead,
        width=controls.ladder("width", 3, [*range(1, 13)], "Units in each hidden layer."),
        depth=controls.depth(9, maximum=200),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "width 2": {"width": 2},
            "width 3": {},
            "width 5": {"width": 5},
            "width 10, depth 100": {"width": 10, "depth": 100},
        },
    )


def draw_race(seen: Race) -> Drawing:
    """Draw the accuracy of each activation over the epochs, and the 95% line."""
    epochs = np.arange(seen.epochs + 1)
    curves = [
        Curve(name, epochs[: accuracies.shape[1]], 100 * accuracies.mean(0), color)
        for (name, accuracies), color in zip(seen.curves.items(), (BLUE, ORANGE), strict=True)
    ]
    line = Curve("95%", epochs, np.full(len(epochs), 95.0), GREY, figures.ASIDE, "lines")
    title, ticks = "test accuracy (%)", {"dtick": 1}
    return figures.panels(
        [Panel(title, [*curves, line], figures.EPOCH, y_range=PERCENT, x_axis=ticks)], height=380
    )


def race_lab() -> Lab:
    """Race ReLU against the sigmoid. Each move trains two nets."""
    return Lab(
        race_of_depth,
        draw_race,
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("learning rate", 0.1, 0.01, 1.0, tooltip="Size of a step.", log=True),
        seed=controls.seed(),
        presets={"one layer": {"depth": 1}, "two layers": {}, "four layers": {"depth": 4}},
    )


def draw_ranking(seen: Ranking) -> Drawing:
    """Draw how two nets of known quality score."""
    scores = 100 * seen.scores
    curves = [
        Curve("the worse net", scores, seen.worse / 100, ORANGE),
        Curve("the better net", scores, seen.better / 100),
    ]
    title, x_title = "density of the score (per point)", "accuracy on the test images (%)"
    return figures.panels([Panel(title, curves, x_title)], height=380)


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
            "digits, half a point": {},
            "MNIST, one row of the table": {"images": 10000, "gap": 0.1, "level": 97.9},
            "MNIST, ReLU against sigmoid": {"images": 10000, "gap": 1.7, "level": 97.0},
        },
    )
