"""Labs of chapter 03."""

from typing import Any

import numpy as np

from vglib import figures
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Drawing, Panel, mark, theory
from vglib.lab import Control, Lab, controls
from vglib.probe import Array
from vglib.sigmoid import cost, hidden, signs, twins, unit, variance, walk

COLORS = {"sigmoid": BLUE, "relu": ORANGE, "tanh": GREEN, "matrix product": GREY}
# A little beyond 0 and 100, so that points on the ends are seen whole.
PERCENT = (-3.0, 103.0)
PRE_ACTIVATION = "pre-activation z"


def _step_size(value: float, low: float, high: float) -> Control:
    return controls.slider("step size", value, low, high, tooltip="The learning rate.", log=True)


def _test_accuracy(curves: list[Curve], steps: int) -> Panel:
    return Panel("test accuracy, %", curves, figures.STEP, x_range=(0, steps), y_range=(0, 100))


def draw_curves(seen: unit.Curves) -> Drawing:
    """Draw the function with its tangent at z, and the slope with the levels 50%, 10% and 1%."""
    z, slope, steepest = seen.z, seen.slope, seen.max_slope
    reach = 1.5 / max(slope, 0.1) ** 0.5
    near = np.array([z - reach, z + reach])
    function = [
        Curve("function", seen.grid, seen.values, mode="lines"),
        Curve("tangent", near, seen.value + slope * (near - z), ORANGE, figures.ASIDE, "lines"),
        mark("here", z, seen.value, ORANGE, 10),
    ]
    slopes = [Curve("slope", seen.grid, seen.slopes, SKY, mode="lines")]
    for share, color in {0.5: GREEN, 0.1: PINK, 0.01: GREY}.items():
        name, at = f"{share:.0%} of the maximum", unit.where_slope_is(share, seen.name)
        slopes.append(mark(name, [-at, at], [share * steepest] * 2, color, 10))
    slopes.append(mark("here", z, slope, ORANGE, 10))
    window, values = (-8.0, 8.0), (-0.05 if seen.name == "sigmoid" else -1.1, 1.1)
    upper = Panel(f"{seen.name}(z)", function, PRE_ACTIVATION, x_range=window, y_range=values)
    lower = Panel("slope", slopes, PRE_ACTIVATION, x_range=window, y_range=(0, 1.1 * steepest))
    return figures.panels([upper, lower], height=380)


def curves_lab() -> Lab:
    """Drag z along the sigmoid or tanh and read the slope."""
    return Lab(
        unit.curves,
        draw_curves,
        activation=controls.choice("function", "sigmoid", ["sigmoid", "tanh"], "Which curve."),
        z=controls.slider("z", 2.0, -8, 8, tooltip="The pre-activation.", step=0.02),
        presets={
            "steepest": {"z": 0.0},
            "the famous 2": {},
            "10% of the slope": {"z": 3.64},
            "1% of the slope": {"z": 5.98},
            "tanh at 2": {"activation": "tanh"},
        },
    )


def draw_one_sign(seen: signs.OneSign) -> Drawing:
    """Draw the share of one-sign units over the batch size, and each unit's share of signs."""
    over_batches, by_unit = [], []
    for name, positive in seen.positive.items():
        over_batches.append(Curve(name, seen.batches, 100 * seen.shares[name], COLORS[name]))
        units = np.linspace(0, 100, len(positive))
        by_unit.append(Curve(name, units, 100 * positive, COLORS[name], mode="lines"))
    chosen = 100 * np.array([*seen.chosen.values()])
    over_batches.append(mark("this batch size", [seen.batch] * len(chosen), chosen, size=7))
    title, sizes = "units with one sign, % of those with any", "batch size (samples)"
    ends: dict[str, Any] = {"x_range": (0.8, 1800), "y_range": PERCENT}
    # plotly writes the 2 and the 5 between powers of ten small.
    left = Panel(title, over_batches, sizes, x_log=True, x_axis={"dtick": 1}, **ends)
    title, ranks = "positive gradients of a unit, % of its weights", "units, sorted, % of the layer"
    right = Panel(title, by_unit, ranks, x_range=(0, 100), y_range=PERCENT)
    return figures.panels([left, right], height=400)


def one_sign_lab() -> Lab:
    """Slide the batch size and count the units whose weight gradients share one sign."""
    sizes, lengths = [*range(1, 11), 15, *signs.BATCHES[4:]], [0, 50, 100, 200, 400, 600]
    return Lab(
        signs.counting,
        draw_one_sign,
        batch=controls.ladder("batch size", 1, sizes, "Samples that a gradient is averaged over."),
        layer=controls.ladder("layer", 3, [2, 3, 4], "Whose weights: hidden 2 or 3, or readout 4."),
        steps=controls.ladder("training steps", 0, lengths, "Steps of SGD before the count."),
        presets={
            "one sample": {},
            "ten samples": {"batch": 10},
            "all data": {"batch": 1437},
            "all data, layer 2": {"batch": 1437, "layer": 2},
            "all data, after training": {"batch": 1437, "steps": 600},
        },
    )


def _rings(seen: walk.Walk) -> Array:
    """Return lines of equal loss around the goal, (points, 2), in one curve with gaps."""
    angle = np.append(np.linspace(0, 2 * np.pi, 61), np.nan)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    curvatures = np.array(walk.curvatures(*walk.moments(seen.inputs), 2))
    ring = circle / curvatures**0.5 @ walk.DIAGONALS
    losses = (0.003, 0.02, 0.08, 0.2, 0.5)
    return np.concatenate([seen.goal + (2 * loss) ** 0.5 * ring for loss in losses])


def draw_walk(seen: walk.Walk) -> Drawing:
    """Draw the path of the two weights over lines of equal loss, and the loss over the steps."""
    path, rings = np.clip(seen.path, -100, 100), _rings(seen)
    steps, (w1, w2) = np.arange(len(path)), path.T
    ring, thin = {"line": {"width": 1}}, {"marker": {"size": 5}, "line": {"width": 1.5}}
    plane = [
        Curve("equal loss", rings[:, 0], rings[:, 1], GREY, figures.ASIDE, "lines", style=ring),
        Curve("path", w1, w2, mode="lines+markers", style=thin),
        mark("start", w1[0], w2[0], PINK, 12),
        mark("goal", seen.goal[0], seen.goal[1], GREEN, 12),
    ]
    losses = [
        Curve("path", steps, seen.losses, mode="lines", style=thin),
        theory("descent on all data, theory", steps, seen.predicted),
    ]
    # Nearly equal units on both axes, so that angles look as they are.
    weights = Panel("weight w₂", plane, "weight w₁", x_range=(-3.6, 3.9), y_range=(-2.2, 2.8))
    window = (0, walk.WALK)
    excess = Panel("excess loss", losses, figures.STEP, "log", x_range=window, y_range=(-5, 1))
    return figures.panels([weights, excess], height=430)


def zigzag_lab() -> Lab:
    """Watch two weights walk to their goal, fed by sigmoid outputs or by centred ones."""
    goals, near_limit = [*walk.GOALS], {"batch": 500, "lr": 3.4}
    return Lab(
        walk.walk,
        draw_walk,
        inputs=controls.choice("inputs", "sigmoid", [*walk.INPUTS], "What feeds the two weights."),
        batch=controls.ladder("batch size", 1, [1, 2, 5, 10, 50, 500], "Samples in a step."),
        lr=_step_size(0.5, 0.05, 20),
        goal=controls.choice("goal", goals[0], goals, "Where the weights go."),
        presets={
            "sigmoid, sample by sample": {},
            "sigmoid - 1/2, sample by sample": {"inputs": "sigmoid - 1/2"},
            "sigmoid, all data": {"batch": 500},
            "sigmoid, all data, step near the limit": near_limit,
            "sigmoid - 1/2, all data, that step": {"inputs": "sigmoid - 1/2", **near_limit},
            "tanh, sample by sample": {"inputs": "tanh"},
            "tanh, all data": {"inputs": "tanh", "batch": 500},
            "a lucky goal": {"batch": 500, "goal": "both up"},
        },
    )


def draw_centring(seen: twins.Centring) -> Drawing:
    """Draw training loss and test accuracy over the steps for both nets."""
    nets = (("sigmoid", seen.plain, BLUE), ("sigmoid - 1/2", seen.centred, ORANGE))
    losses = [Curve(name, net.steps, net.losses, color) for name, net, color in nets]
    right = [Curve(name, net.steps, 100 * net.test_accuracy, color) for name, net, color in nets]
    # A loss far above the axis would be a line out of the picture and back.
    axes: dict[str, Any] = {"x_range": (0, twins.STEPS), "y_range": (0, 3), "clip": True}
    loss = Panel("training loss (cross-entropy)", losses, figures.STEP, **axes)
    return figures.panels([loss, _test_accuracy(right, twins.STEPS)], height=380)


def centring_lab() -> Lab:
    """Train a sigmoid net and its twin with sigmoid - 1/2, alike in weights and function."""
    return Lab(
        twins.training_twins,
        draw_centring,
        depth=controls.depth(4, 6),
        lr=_step_size(3.0, 0.1, 10),
        presets={
            "one hidden layer": {"depth": 1},
            "three layers": {"depth": 3},
            "four layers": {},
            "two layers, small step": {"depth": 2, "lr": 0.3},
            "six layers: not enough": {"depth": 6},
        },
    )


def draw_forward(seen: variance.Forward) -> Drawing:
    """Draw the variances with theory, the share of saturated units, and the gradient."""
    depth, trace = seen.depth, seen.trace
    layers = np.arange(1, depth + 1)
    variances = [
        Curve("Var z", layers, seen.pre_variance, SKY),
        Curve("Var h", layers, seen.act_variance, GREEN),
        theory("theory", layers, seen.theory_q),
    ]
    saturated = [Curve("saturated", layers, 100 * trace.saturated[:depth], PINK)]
    gradients = [
        Curve("gradient", layers, trace.log_delta[:depth]),
        theory("theory", layers, seen.theory_log_delta),
    ]
    forward = Panel("variance, all units and samples", variances, scale="log")
    flat = Panel("saturated units, %", saturated, y_range=PERCENT)
    return figures.panels([forward, flat, Panel(figures.DELTA, gradients, scale="ln")])


def forward_lab() -> Lab:
    """Send data forward through sigmoid layers: variance, saturation, and the gradient back."""
    return Lab(
        variance.forward,
        draw_forward,
        depth=controls.depth(10),
        weight_scale=controls.weight_scale(),
        init=controls.choice("init", "N(0, 1)", [*variance.INITS], "How weights are drawn."),
        width=controls.width(500),
        presets={
            "N(0, 1), 10 layers": {},
            "U(±1/√n), 10 layers": {"init": "U(±1/√n)"},
            "N(0, 1/n), 10 layers": {"init": "N(0, 1/n)"},
            "N(0, 1), narrow": {"width": 30},
        },
    )


def draw_output(seen: unit.OutputNeuron) -> Drawing:
    """Draw both gradients over z, and the output while the neuron learns."""
    gradients, learning = [], []
    for (name, output), color in zip(seen.outputs.items(), (BLUE, ORANGE), strict=True):
        gradients.append(Curve(name, seen.grid, seen.gradients[name], color, mode="lines"))
        learning.append(Curve(name, np.arange(len(output)), output, color, mode="lines"))
    gradients.append(mark("start", [seen.z] * 2, [*seen.here.values()], size=7))
    title, x_title = "gradient |∂L/∂z|, target 0", "pre-activation z of the output"
    slopes = Panel(title, gradients, x_title, "log", x_range=(-8, 8), y_range=(-7, 0.3))
    outputs = Panel("output a, target 0", learning, figures.STEP, y_range=(0, 1.02))
    return figures.panels([slopes, outputs], height=380)


def output_lab() -> Lab:
    """Let an output that is badly wrong unlearn its mistake under two losses."""
    return Lab(
        unit.output_neuron,
        draw_output,
        z=controls.slider("start z", 6.0, -8, 8, tooltip="Where the output starts.", step=0.1),
        lr=_step_size(0.5, 0.01, 5),
        presets={
            "wrong and saturated": {},
            "Nielsen 2015": {"z": 4.0, "lr": 0.15},
            "undecided": {"z": 0.0},
            "nearly right": {"z": -4.0},
        },
    )


def draw_cost(seen: cost.Cost) -> Drawing:
    """Draw the times of a layer's parts and the activations' shares over the width."""
    widths = np.array(cost.WIDTHS, dtype=float)[: len(seen.sweep)]
    times, shares = [], []
    for part, color in COLORS.items():
        taken = [1e6 * np.median(layer.seconds[part]) for layer in seen.sweep]
        times.append(Curve(part, widths, taken, color))
        if part in signs.NETS:
            percents = [100 * layer.share(part) for layer in seen.sweep]
            shares.append(Curve(part, widths, percents, color))
    here = mark("this width", seen.chosen.width, 100 * seen.chosen.share("sigmoid"), size=7)
    axis: dict[str, Any] = {"x_log": True, "x_range": (28, 1200), "x_ticks": cost.WIDTHS}
    axis["x_title"] = "width (units)"
    time = Panel("time, µs", times, scale="log", **axis)
    share = Panel("share of the forward time, %", [*shares, here], y_range=(0, 100), **axis)
    return figures.panels([time, share], height=400)


def cost_lab() -> Lab:
    """Time matrix product and activations on this machine; Reseed times them again."""
    return Lab(
        cost.timing,
        draw_cost,
        repeatable=False,
        width=controls.ladder("width", 100, [32, 64, 100, 128, 256, 512, 1024], "Units a layer."),
        batch=controls.ladder("batch size", 128, [16, 32, 64, 128, 256], "Samples in a batch."),
        presets={
            "small layer": {"width": 32, "batch": 64},
            "this course's layers": {"batch": 64},
            "large layer": {"width": 1024},
        },
    )


def draw_hidden(seen: hidden.Hidden) -> Drawing:
    """Draw the test accuracy over the steps and the gradient at the start and the end."""
    accuracy = Curve("accuracy", seen.steps, 100 * seen.test_accuracy, GREEN)
    layers = np.arange(1, seen.depth + 1)
    gradients = [
        Curve("at the start", layers, seen.log_delta_start),
        Curve("at the end", layers, seen.log_delta_end, ORANGE),
    ]
    right = Panel(figures.DELTA, gradients, scale="ln")
    return figures.panels([_test_accuracy([accuracy], hidden.STEPS), right], height=380)


def hidden_lab() -> Lab:
    """Train a deep net of sigmoids: plain, with batch norm, with skip connections."""
    return Lab(
        hidden.training,
        draw_hidden,
        kind=controls.choice("net", "plain", hidden.KINDS, "What stands around the sigmoids."),
        depth=controls.depth(20, 30),
        lr=_step_size(0.2, 0.02, 2),
        presets={
            "plain, 20 layers": {},
            "plain, 2 layers": {"depth": 2},
            "batch norm, 20 layers": {"kind": "batch norm"},
            "residual, 20 layers": {"kind": "residual"},
        },
    )
