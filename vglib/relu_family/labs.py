"""Labs of chapter 04."""

from typing import Any

import numpy as np

from vglib import figures
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, Curve, Drawing, Panel, mark, theory
from vglib.lab import Control, Lab, controls
from vglib.networks import INITIALIZATIONS
from vglib.probe import Array
from vglib.relu_family import born_dead, dead_units, gauges, portrait, race

# A little beyond 0 and 100, so that points on the ends are seen whole.
PERCENT = (-3.0, 103.0)
RESPONDING = ("relu", "leaky_relu", "prelu", "elu", "gelu")
PRE_ACTIVATION = "pre-activation z"


def _activation(options: tuple[str, ...] = portrait.FAMILY) -> Control:
    return controls.choice("activation", "relu", options, "The function after each weighted sum.")


def draw_portrait(seen: portrait.Portrait) -> Drawing:
    """Draw function and slope over the density of z, and chi at the own He scale."""
    z = seen.z
    density = Curve("density of z (height 1)", z, np.exp(-((z / seen.spread) ** 2) / 2), GREY)
    values, slopes = Curve("φ(z)", z, seen.phi), Curve("φ′(z)", z, seen.dphi, GREEN)
    chi = Curve("χ: factor on ‖∂L/∂z‖² a layer", seen.spreads, seen.chis, ORANGE)
    here, ends = mark("here", seen.spread, seen.face.chi), (10**-1.35, 10**1.35)
    axis: dict[str, Any] = {"x_log": True, "x_range": ends, "x_ticks": (0.1, 1, 10)}
    spread = "spread of z (standard deviation)"
    left = Panel("output φ(z)", [values, density], PRE_ACTIVATION, y_range=(-2, 5))
    middle = Panel("slope φ′(z)", [slopes, density], PRE_ACTIVATION, y_range=(-0.6, 2))
    right = Panel("χ at its own He scale", [chi, here], spread, y_range=(0, 2), **axis)
    return figures.panels([left, middle, right])


def portrait_lab() -> Lab:
    """Look at every member of the family: function, slope, moments and its own He scale."""
    tooltip = "Standard deviation of z ~ N(0, ·)."
    return Lab(
        portrait.portrait,
        draw_portrait,
        activation=_activation(),
        spread=controls.slider("spread of z", 1.0, 0.05, 20.0, tooltip=tooltip, log=True),
        presets={
            "ReLU": {},
            "sigmoid, the rival": {"activation": "sigmoid"},
            "tanh, large z": {"activation": "tanh", "spread": 5.0},
            "GELU": {"activation": "gelu"},
            "hard-swish and its kinks": {"activation": "hardswish", "spread": 2.0},
            "SELU": {"activation": "selu"},
        },
    )


def draw_noise(seen: portrait.Noise) -> Drawing:
    """Draw random leaks, and the penalty they add."""
    z, widths = seen.z, seen.widths
    training = Curve("training: a slope a draw", z, seen.phi, mode="markers")
    evaluation = theory("evaluation: the mean slope", z, np.where(z > 0, z, seen.mean_slope * z))
    measured = Curve("measured, 4000 draws", widths, seen.measured, GREEN, mode="markers")
    formula = theory("formula", widths, seen.predicted, GREEN)
    left = Panel("output φ(z)", [training, evaluation], PRE_ACTIVATION, y_range=(-3, 1))
    x_title = "width of the range of slopes"
    return figures.panels([left, Panel("rise of the squared error", [measured, formula], x_title)])


def noise_lab() -> Lab:
    """Show RReLU's two modes, and what its noise costs a readout."""
    middle, width = "The slope used in evaluation.", "Largest slope minus smallest."
    return Lab(
        portrait.noise,
        draw_noise,
        middle=controls.slider("mean slope", 11 / 48, 0.0, 0.5, tooltip=middle, step=0.01),
        width=controls.slider("range", 5 / 24, 0.0, 1.0, tooltip=width, step=0.01),
        presets={
            "no range": {"width": 0.0},
            "Xu 2015: 1/8 to 1/3": {},
            "wide": {"middle": 0.5, "width": 1.0},
        },
    )


def draw_slope(seen: gauges.Slope) -> Drawing:
    """Draw the gradient over the layers with its theory, and the factor of each layer."""
    layers = np.arange(1, seen.depth + 1)
    factors, predicted = seen.factors
    top = float(np.ceil(1.05 * factors[np.isfinite(factors)].max(initial=seen.chi)))
    name, delta, said = "mean-field theory", seen.log_delta, seen.theory_log_delta
    gradient = [Curve("measured", layers, delta), theory(name, layers, said)]
    each = [Curve("measured", layers[:-1], factors), theory(name, layers[:-1], predicted)]
    factor = Panel("factor on ‖∂L/∂z‖² in each layer", each, y_range=(0.0, max(2.0, top)))
    return figures.panels([Panel(figures.DELTA, gradient, scale="ln"), factor])


def slope_lab() -> Lab:
    """Show that a slope of 1 does not make a factor of 1: the weight scale decides."""
    return Lab(
        gauges.slope,
        draw_slope,
        depth=controls.depth(),
        weight_scale=controls.weight_scale(),
        activation=_activation(),
        width=controls.width(),
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


def draw_gauges(seen: gauges.Gauges) -> Drawing:
    """Draw the two gauges and the inner product that explains them, on axes of equal length."""
    layers = np.arange(1, seen.depth + 1)
    delta, weight, inner = seen.log_delta, seen.log_weight_grad, seen.log_inner
    said = seen.theory_log_delta
    ranges = _equal_ranges(np.concatenate([delta, said]), weight, inner)
    curves = {
        figures.DELTA: [Curve("∂L/∂z", layers, delta), theory("mean-field theory", layers, said)],
        figures.WEIGHT_GRADIENT: [Curve("∂L/∂W", layers, weight, GREEN)],
        "|⟨W, ∂L/∂W⟩|": [Curve("inner product", layers, inner, PINK)],
    }
    each = zip(curves.items(), ranges, strict=True)
    return figures.panels([Panel(*named, scale="ln", y_range=ends) for named, ends in each])


def gauges_lab() -> Lab:
    """Compare two gauges of the same backward pass: one falls, the other looks healthy."""
    return Lab(
        gauges.gauges,
        draw_gauges,
        depth=controls.depth(maximum=200),
        weight_scale=controls.weight_scale(),
        init=controls.choice("init", "torch", [*INITIALIZATIONS], "How the weights are drawn."),
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


def _over_time(title: str, seen: dead_units.Watched, *curves: Curve) -> Panel:
    return Panel(title, curves, figures.STEP, x_range=(0, seen.total), y_range=PERCENT)


def _accuracy(seen: dead_units.Watched) -> Panel:
    curve = Curve("test accuracy", seen.steps, 100 * seen.test_accuracy, GREEN)
    return _over_time("test accuracy (%)", seen, curve)


def draw_dying(seen: dead_units.Dying) -> Drawing:
    """Draw the two shares in the worst layer, the layers as they are now, and the accuracy."""
    few, every = (100 * off[:, seen.worst_layer - 1] for off in (seen.off_10, seen.off_all))
    now, name = 100 * seen.off_all[-1], "off for all training images"
    batch, dead = (
        Curve("off for 10 images", seen.steps, few),
        Curve(name, seen.steps, every, ORANGE),
    )
    left = _over_time("units off, worst layer (%)", seen, batch, dead)
    bars = {
        **{"type": "bar", "x": np.arange(1, len(now) + 1), "y": now, "width": 0.6},
        **{"name": name, "legendgroup": name, "showlegend": False, "marker": {"color": ORANGE}},
        "hovertemplate": "%{y:.0f}%",
    }
    title, ends = "off for all images, at the end (%)", (0.4, len(now) + 0.6)
    middle = Panel(title, [bars], x_range=ends, y_range=PERCENT, x_axis={"dtick": 1})
    return figures.panels([left, middle, _accuracy(seen)])


def dying_lab() -> Lab:
    """Turn the learning rate up until the units die. Each move trains a net."""
    return Lab(
        dead_units.dying,
        draw_dying,
        lr=controls.slider("learning rate", 1.0, 0.001, 3.0, tooltip="Size of a step.", log=True),
        optimizer=controls.choice(
            "optimiser", "SGD", [*dead_units.OPTIMIZERS], "The rule of a step."
        ),
        activation=_activation(RESPONDING),
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        presets={
            "SGD 0.1": {"lr": 0.1},
            "SGD 1": {},
            "Adam 0.03: half dead, still good": {"optimizer": "Adam", "lr": 0.03},
            "Adam 0.1": {"optimizer": "Adam", "lr": 0.1},
            "Adam 0.1, leaky": {"optimizer": "Adam", "lr": 0.1, "activation": "leaky_relu"},
        },
    )


def draw_knock(seen: dead_units.Knock) -> Drawing:
    """Draw the share of the layer that is off, and the accuracy."""
    off = Curve("off for all training images", seen.steps, 100 * seen.off_all[:, -1], ORANGE)
    left = _over_time("last hidden layer: off for all images (%)", seen, off)
    return figures.panels([left, _accuracy(seen)])


def knock_lab() -> Lab:
    """Knock a layer out and see who comes back. Each move trains a net."""
    tooltip = "How far below 0 the nearest image lies."
    return Lab(
        dead_units.knock,
        draw_knock,
        activation=_activation(RESPONDING),
        margin=controls.slider("margin", 1.0, 0.1, 10.0, tooltip=tooltip, log=True),
        depth=controls.depth(2, maximum=10),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("learning rate", 0.3, 0.01, 1.0, tooltip="Size of a step.", log=True),
        presets={
            "ReLU": {},
            "leaky ReLU": {"activation": "leaky_relu"},
            "ELU, near": {"activation": "elu"},
            "ELU, far": {"activation": "elu", "margin": 10.0},
            "GELU, far": {"activation": "gelu", "margin": 10.0},
        },
    )


def draw_born_dead(seen: born_dead.BornDead) -> Drawing:
    """Draw the share of dead nets over the depth, and the formula."""
    layers = np.arange(1, len(seen.formula) + 1)
    counted = layers[: len(seen.one_input)]
    one = Curve("silent for one given input", counted, 100 * seen.one_input)
    every = Curve("silent for every input", counted, 100 * seen.all_inputs, GREEN)
    formula = theory("formula, one input", layers, 100 * seen.formula)
    title = "nets with a silent layer up to here (%)"
    return figures.panels([Panel(title, [one, every, formula], y_range=PERCENT)], height=380)


def born_dead_lab() -> Lab:
    """Count the nets that are dead before they learn anything."""
    return Lab(
        born_dead.counting,
        draw_born_dead,
        width=controls.ladder("width", 3, range(1, 13), "Units in each hidden layer."),
        depth=controls.depth(9, maximum=200),
        weight_scale=controls.weight_scale(),
        presets={
            "width 2": {"width": 2},
            "width 3": {},
            "width 5": {"width": 5},
            "width 10, depth 100": {"width": 10, "depth": 100},
        },
    )


def draw_race(seen: race.Race) -> Drawing:
    """Draw the accuracy of each activation over the epochs, and the 95% line."""
    epochs = np.arange(seen.epochs + 1)
    curves = []
    for (name, accuracies), color in zip(seen.curves.items(), (BLUE, ORANGE), strict=True):
        curves.append(Curve(name, epochs[: accuracies.shape[1]], 100 * accuracies.mean(0), color))
    curves.append(Curve("95%", epochs, np.full(len(epochs), 95.0), GREY, figures.ASIDE, "lines"))
    ticks = {"dtick": 1}
    panel = Panel("test accuracy (%)", curves, figures.EPOCH, y_range=PERCENT, x_axis=ticks)
    return figures.panels([panel], height=380)


def race_lab() -> Lab:
    """Race ReLU against the sigmoid. Each move trains two nets."""
    tooltip = "Glorot's weights of the sigmoid's net are multiplied by this."
    return Lab(
        race.race_of_depth,
        draw_race,
        depth=controls.depth(2, maximum=10),
        sigmoid_scale=controls.slider("sigmoid scale", 1.0, 0.3, 10.0, tooltip=tooltip, log=True),
        lr=controls.slider("learning rate", 0.1, 0.01, 1.0, tooltip="Size of a step.", log=True),
        presets={
            "one layer": {"depth": 1},
            "two layers": {},
            "four layers": {"depth": 4},
            "four layers, larger weights": {"depth": 4, "sigmoid_scale": 3.0},
        },
    )


def draw_ranking(seen: race.Ranking) -> Drawing:
    """Draw how two nets of known quality score."""
    worse = Curve("the worse net", 100 * seen.scores, seen.worse / 100, ORANGE)
    better = Curve("the better net", 100 * seen.scores, seen.better / 100)
    title, x_title = "density of the score (per point)", "accuracy on the test images (%)"
    return figures.panels([Panel(title, [worse, better], x_title)], height=380)


def ranking_lab() -> Lab:
    """See what a test set of a given size can tell apart."""
    sizes = [100, 200, 360, 1000, 2000, 5000, 10000, 20000, 50000, 100000]
    gap, level = "Percentage points.", "The mean of both accuracies."
    return Lab(
        race.ranking,
        draw_ranking,
        images=controls.ladder("test images", 360, sizes, "n"),
        gap=controls.slider("true gap (points)", 0.5, 0.05, 3.0, tooltip=gap, log=True),
        level=controls.slider("level (%)", 97.5, 90.0, 98.0, tooltip=level, step=0.1),
        presets={
            "digits, half a point": {},
            "MNIST, one row of the table": {"images": 10000, "gap": 0.1, "level": 97.9},
            "MNIST, ReLU against sigmoid": {"images": 10000, "gap": 1.7, "level": 97.0},
        },
    )
