"""Labs of chapter 09."""

from collections.abc import Callable
from math import ceil, floor, log
from typing import Any

import numpy as np

from vglib import figures
from vglib.backprop import Array
from vglib.clipping import cliff, critic, deep, penalties, recurrent, rules, smoothness
from vglib.figures import ASIDE, BLUE, GREEN, GREY, ORANGE, PINK, Curve, Drawing, Panel, level, mark
from vglib.lab import Control, Lab, controls

NORM = "norm of the whole gradient"
LOSS = "loss (mean squared error)"
LAYERS = f"{figures.LAYER}, readout last"
CHANCE = "always answering 1"


def _slider(label: str, value: float, low: float, high: float, tooltip: str) -> Control:
    return controls.slider(label, value, low, high, tooltip=tooltip, log=True)


def _threshold(value: float = 1.0, low: float = 0.01, high: float = 1e4, of: str = "") -> Control:
    return _slider("threshold c", value, low, high, of or "The longest gradient let through.")


def _step_size(value: float = 0.01, low: float = 0.001, high: float = 0.1) -> Control:
    return _slider("step size", value, low, high, "The learning rate.")


def _times(value: int, tooltip: str) -> Control:
    return controls.ladder("time steps T", value, [*range(2, 21), *range(25, 101, 5)], tooltip)


def on_the_map(path: Array) -> Array:
    """Cut a path at the border of the map: the first point outside becomes the border's."""
    low, high = np.array(cliff.REGION).T
    inside = np.all((path >= low) & (path <= high), axis=1)
    shown = np.where(inside[:, None], path, np.nan)
    for i in np.flatnonzero(inside[:-1] & ~inside[1:]):
        move = path[i + 1] - path[i]
        room, moving = np.where(move > 0, high, low) - path[i], move != 0
        shown[i + 1] = path[i] + (room[moving] / move[moving]).min() * move
    return shown


def draw_cliff(result: cliff.Cliff) -> Drawing:
    """Draw the surface with both paths, and the gradient's norm at each step."""

    def line(name: str, w: Array, b: Array, z: Array, color: str, **more: object) -> dict:
        trace = {"type": "scatter3d", "x": w, "y": b, "z": z, "name": name, "mode": "lines"}
        return {**trace, "line": {"color": color, "width": 6}, "showlegend": False, **more}

    (w_ends, b_ends), ends = cliff.REGION, (0, cliff.WALK)
    w, b = np.linspace(*w_ends, 61), np.linspace(*b_ends, 81)
    height = cliff.unit_surface(*np.meshgrid(w, b), result.steps)
    surface = {
        **{"type": "surface", "x": w, "y": b, "z": height, "showscale": False, "opacity": 0.9},
        **{"colorscale": figures.SEQUENTIAL, "cmin": 0.0, "cmax": 0.5},
        "hovertemplate": "w %{x:.2f}, b %{y:.2f}: loss %{z:.3g}<extra></extra>",
    }
    plain = ("without clipping", result.plain, ORANGE, 0.012)
    parts, sizes = [surface], []
    for name, walk, color, lift in (plain, ("clipped by norm", result.clipped, BLUE, 0.008)):
        x, y = on_the_map(walk.points).T
        z = cliff.unit_surface(x, y, result.steps) + lift
        points = {"mode": "lines+markers", "marker": {"color": color, "size": 3}}
        parts.append(line(name, x, y, z, color, **points))
        sizes.append(Curve(name, np.arange(len(walk.norms)), walk.norms, color, mode="lines"))
    sizes.append(level("threshold", result.threshold, ends))
    x = np.linspace(4.05, min(w_ends[1], -2 * b_ends[0]), 30)
    # Drawn along the upper edge, where the wall does not hide it.
    z = cliff.unit_surface(x, -x / 2 - 0.03, result.steps) + 0.02
    known = {"meta": figures.THEORY, "showlegend": True, "legendrank": 1001}
    parts.append(line("wall by theory, b = −w/2", x, -x / 2, z, PINK, **known))
    names = (("weight w", *w_ends), ("bias b", *b_ends), ("loss", 0, 0.55))
    x_axis, y_axis, z_axis = (figures.space_axis(*axis, nticks=5) for axis in names)
    camera = {"eye": {"x": 0.95, "y": 1.85, "z": 0.8}, "center": {"x": 0.05, "z": -0.28}}
    space = figures.Space(parts, (x_axis, y_axis, z_axis), camera, (1.3, 1.3, 0.75))
    title = "gradient norm ‖∂L/∂(w, b)‖, unclipped"
    panel = Panel(title, sizes, figures.STEP, scale="log", x_range=ends, y_range=(-4, 3))
    return figures.panels([space, panel], height=455, shares=(0.6, 0.4))


def cliff_lab() -> Lab:
    """Walk down to the cliff of a one-unit recurrent net, twice: with clipping and without."""
    w_ends, b_ends = cliff.REGION
    return Lab(
        cliff.cliff,
        draw_cliff,
        b=controls.slider("start b", -1.8, *b_ends, tooltip="Where the bias starts.", step=0.05),
        w=controls.slider("start w", 5, *w_ends, tooltip="Where the weight starts.", step=0.05),
        threshold=_threshold(0.3, 0.01, 100),
        lr=_step_size(0.5, 0.05, 2),
        steps=_times(30, "How often h is fed back."),
        presets={
            "off the cliff": {},
            "threshold too large": {"threshold": 30.0},
            "threshold too small": {"threshold": 0.03},
            "a hundred time steps": {"b": -2.0, "steps": 100},
            "ten time steps": {"steps": 10},
            "w below 4: no cliff": {"b": -1.0, "w": 3.7},
        },
    )


def draw_angle(result: rules.Angle) -> Drawing:
    """Draw g and both clipped versions in units of c, and the angle over the threshold."""

    def arrow(name: str, end: Array, color: str) -> Curve:
        return Curve(name, [0, end[0]], [0, end[1]], color, ASIDE, "lines+markers")

    c, turn, thresholds = result.threshold, np.linspace(0, 2 * np.pi, 121), rules.THRESHOLDS
    g = result.g / c
    plane = [
        # The arrow of g ends at the frame, however long g is.
        arrow("gradient g", g * min(1.0, 1.9 / float(np.abs(g).max())), GREY),
        arrow("by value", result.value / c, ORANGE),
        arrow("by norm", result.norm / c, BLUE),
        figures.theory("limit by value", [1, 1, -1, -1, 1], [-1, 1, 1, -1, -1]),
        figures.theory("limit by norm", np.cos(turn), np.sin(turn), BLUE),
    ]
    angles = [
        Curve("by value", thresholds, result.value_angles, ORANGE, mode="lines"),
        Curve("by norm", thresholds, result.norm_angles, mode="lines"),
        mark("this threshold", c, np.interp(log(c), np.log(thresholds), result.value_angles)),
    ]
    of = "entry, in units of c"
    left = Panel(f"second {of}", plane, f"first {of}", x_range=(-2.6, 2.6), y_range=(-2, 2))
    right = Panel("turned by, degrees", angles, "threshold c", x_log=True, y_range=(-2, 90))
    return figures.panels([left, right], height=440)


def angle_lab() -> Lab:
    """Clip a gradient in the plane by value and by norm: direction and length."""
    return Lab(
        rules.angle,
        draw_angle,
        threshold=_threshold(1.0, 0.001, 1000, "The limit."),
        g1=_slider("g₁", 0.9, 0.01, 1000, "An entry of g."),
        g2=_slider("g₂", 100.0, 0.01, 1000, "An entry of g."),
        presets={
            "the textbook (0.9, 100)": {},
            "on the diagonal": {"g1": 30.0, "g2": 30.0},
            "only one is above c": {"g1": 1.0, "g2": 3.0},
            "both far above c": {"g1": 3.0, "threshold": 0.01},
            "both below c": {"g1": 0.3, "g2": 0.5},
        },
    )


def draw_scopes(result: rules.Scopes) -> Drawing:
    """Draw each layer's gradient norm and its direction, before and after clipping."""
    layers = np.arange(1, len(result.log_before) + 1)
    sizes = [
        Curve("before", layers, result.log_before, GREY),
        Curve("after", layers, result.log_after),
        Curve("threshold", layers, result.log_limit, ORANGE, figures.THEORY),
    ]
    left = Panel("‖∂L/∂(W, b)‖ of the layer", sizes, LAYERS, scale="ln")
    title = "cosine of before and after, layer by layer"
    right = Panel(title, [Curve("after", layers, result.cosines)], LAYERS, y_range=(-0.03, 1.05))
    return figures.panels([left, right], height=400)


def scopes_lab() -> Lab:
    """Clip a network's gradient whole, by layers, groups or units, or entry by entry."""
    vanishes = {"activation": "sigmoid", "weight_scale": 1.0}
    phis = ("tanh", "relu", "sigmoid")
    return Lab(
        rules.scopes,
        draw_scopes,
        rule=controls.choice("clip", "whole norm", rules.RULES, "What shares one norm."),
        threshold=_threshold(1.0, 1e-3, 100, "The limit."),
        depth=controls.depth(20, 100),
        weight_scale=controls.weight_scale(2.0),
        activation=controls.choice("activation", "tanh", phis, "Of the hidden layers."),
        presets={
            "whole norm": {},
            "each layer": {"rule": "each layer"},
            "two groups: hidden, readout": {"rule": "two groups"},
            "each entry": {"rule": "each entry", "threshold": 0.1},
            "each unit, c = 0.01": {"rule": rules.RULES[4], "threshold": 0.01},
            "sigmoid, vanishing": vanishes,
            "sigmoid, each layer, tiny c": {"rule": "each layer", "threshold": 0.001, **vanishes},
        },
    )


def draw_norms(result: recurrent.Norms) -> Drawing:
    """Draw the norms as a histogram and over the steps, with threshold and median."""
    c, run, edges = result.threshold, result.run, recurrent.EDGES
    steps, ends = np.arange(len(run.norms)), (0, max(1, run.span - 1))
    share = 100 * result.counts / max(1.0, result.counts.sum())
    top = 5 * ceil(max(share.max(), 5) / 5)
    shares = [
        figures.histogram("norms", edges, share),
        figures.theory("threshold", [c, c], [0, top]),
        Curve("median", [result.median] * 2, [0, top], PINK, ASIDE, "lines"),
    ]
    course = [Curve("norms", steps, run.norms, mode="lines"), level("threshold", c, ends, ORANGE)]
    losses = [Curve("loss", steps, run.losses, GREEN, mode="lines"), level(CHANCE, 1 / 6, ends)]
    before, span = "norm before clipping", (edges[0], edges[-1])
    left = Panel("steps, %", shares, before, x_log=True, x_range=span, y_range=(0, top))
    middle = Panel(before, course, figures.STEP, scale="log", y_range=(-2, 6))
    right = Panel(LOSS, losses, figures.STEP, y_range=(0, 2), clip=True)
    return figures.panels([left, middle, right])


def norms_lab() -> Lab:
    """Look at the gradient's norms over a run before you choose a threshold."""
    return Lab(
        recurrent.norms,
        draw_norms,
        threshold=_threshold(),
        steps=_times(50, "Length of the sequences."),
        lr=_step_size(),
        presets={
            "clip nearly all": {"threshold": 0.1},
            "clip at 1": {},
            "clip the tail only": {"threshold": 10.0},
            "too late": {"threshold": 1000.0},
            "short sequences": {"steps": 5},
        },
    )


def draw_rescue(result: recurrent.Rescue) -> Drawing:
    """Draw loss, gradient norm and ||W|| of the three trainings."""
    ends = (1, max(run.span for run in result.runs.values()))

    def curves(values: Callable[[recurrent.Run], Array], top: float) -> list[Curve]:
        drawn = []
        for (name, run), color in zip(result.runs.items(), (ORANGE, PINK, BLUE), strict=True):
            # Two runs often lie on each other; the wider line shows that there are two.
            style = {"line": {"width": 7}} if name == "plain" else {}
            mode = "lines+markers" if run.span < 30 else "lines"
            x, y = 1 + np.arange(len(run.losses)), np.minimum(values(run), top)
            drawn.append(Curve(name, x, y, color, mode=mode, style=style))
        return drawn

    losses = [*curves(lambda run: run.losses, recurrent.BROKEN), level(CHANCE, 1 / 6, ends)]
    sizes = curves(lambda run: run.norms, 1e8)
    weights = curves(lambda run: run.weight_norms / run.weight_norms[0], 2.0)
    count = "step (1 is the start)"
    look: dict[str, Any] = {"x_title": count, "x_log": True, "x_range": (0.9, ends[1])}
    look["x_axis"] = {"dtick": 1}  # plotly writes the 2 and the 5 between powers of ten small
    left = Panel(LOSS, losses, scale="log", y_range=(-2, 3), **look)
    middle = Panel(NORM, sizes, scale="log", y_range=(-2, 8), **look)
    right = Panel("‖W‖ over its start, cut at 2", weights, y_range=(0, 2), **look)
    return figures.panels([left, middle, right])


def rescue_lab() -> Lab:
    """Train one recurrent net three times: plain, with weight decay, clipped."""
    return Lab(
        recurrent.rescue,
        draw_rescue,
        decay=_slider("decay λ", 0.01, 0.001, 30, "Weight decay of the second run."),
        threshold=_threshold(of="Of the third run."),
        steps=_times(50, "Length of the sequences."),
        lr=_step_size(),
        presets={
            "a common decay": {},
            "decay that holds": {"decay": 10.0},
            "a hundred time steps": {"steps": 100},
            "ten steps: nothing to save": {"steps": 10},
            "ten steps, large step size": {"steps": 10, "lr": 0.1},
        },
    )


def draw_penalty(result: penalties.Penalty) -> Drawing:
    """Draw the descent over lines of equal loss, and the solution's norm over the goal's size."""
    goal, turn = result.goal, np.append(np.linspace(0, 2 * np.pi, 81), np.nan)
    circle = np.array([np.cos(turn), np.sin(turn)])
    losses = (0.05, 0.3, 1.0, 2.5, 5.0, 9.0)
    radii = [np.sqrt(2 * loss / penalties.CURVATURES) for loss in losses]
    # All in one curve, with a gap after each line.
    equal = np.hstack([goal[:, None] + r[:, None] * circle for r in radii])
    limit, path = result.radius * circle[:, :-1], result.path
    ring = {"marker": {"size": 13, "symbol": "circle-open", "line": {"width": 3}}}
    x, y = result.solution[:, None]
    plane = [
        Curve("equal loss", equal[0], equal[1], GREY, ASIDE, "lines", style={"line": {"width": 1}}),
        Curve("radius", limit[0], limit[1], PINK, ASIDE, "lines"),
        Curve("descent", path[:, 0], path[:, 1], mode="lines"),
        mark("goal", goal[0], goal[1], GREEN),
        figures.theory("solution, theory", x, y, mode="markers", style=ring),
    ]
    sizes = [
        figures.theory(kind, penalties.SIZES, norms, color)
        for (kind, norms), color in zip(result.size_norms.items(), (BLUE, GREEN, PINK), strict=True)
    ]
    sizes.append(mark("end of the descent", result.size, np.linalg.norm(path[-1]), ORANGE))
    left = Panel("weight w₂", plane, "weight w₁", x_range=(-2, 4.5), y_range=(-2, 2.6))
    far = Panel("norm of the solution", sizes, "size of the goal", x_range=(0, 5), y_range=(0, 10))
    return figures.panels([left, far], height=430)


def penalty_lab() -> Lab:
    """Pull two weights with L2, L1 or max-norm and see which of them keeps a norm in bounds."""
    pull, kinds = "Where the loss alone pulls.", list(penalties.PENALTIES)
    return Lab(
        penalties.penalty,
        draw_penalty,
        kind=controls.choice("penalty", "L2", kinds, "What is added or forbidden."),
        strength=_slider("strength α", 1.0, 0.01, 20, "Of the L2 or L1 penalty."),
        radius=controls.slider("radius r", 1.0, 0.1, 3, tooltip="Of max-norm.", step=0.1),
        size=controls.slider("size of the goal", 1.0, 0, 5, tooltip=pull, step=0.1),
        presets={
            "L2": {},
            "L2, goal twice as far": {"size": 2.0},
            "L1 makes a zero": {"kind": "L1", "strength": 1.5},
            "max-norm": {"kind": "max-norm"},
            "max-norm, goal twice as far": {"kind": "max-norm", "size": 2.0},
        },
    )


def draw_critic(result: critic.Critic) -> Drawing:
    """Draw the critic over the line, and its slope against the 1 that is wanted."""
    grid, span, size = result.grid, (-2.5, 3.5), np.abs(result.slope)
    shape = (result.f - result.f.min()) / (float(np.ptp(result.f)) or 1.0)
    values = [Curve("critic", grid, shape, mode="lines")]
    for name, x, color in (("fake", result.fake, PINK), ("real", result.real, GREEN)):
        values.append(Curve(name, x, np.full(len(x), -0.06), color, ASIDE, "markers"))
    slopes = [
        Curve("critic", grid, size, mode="lines"),
        Curve("wanted: 1", span, [1, 1], GREY, ASIDE, "lines"),
        figures.theory("theory", span, [result.log_predicted] * 2, scale="ln"),
    ]
    left = Panel("critic f(x), scaled to 0 … 1", values, "x", x_range=span, y_range=(-0.12, 1.05))
    steep = np.log10(np.maximum(size, 1e-12))
    # A decade of room on both sides of the slope that is wanted.
    room = (floor(min(steep.min(), -1)), ceil(max(steep.max(), 1)))
    right = Panel("slope |f′(x)|", slopes, "x", scale="log", x_range=span, y_range=room)
    return figures.panels([left, right], height=400)


def critic_lab() -> Lab:
    """Hold a WGAN's critic by its weights, by its slope, or by the gradient of its weights."""
    methods = critic.METHODS
    return Lab(
        critic.train_critic,
        draw_critic,
        method=controls.choice("held by", methods[0], methods, "What is limited."),
        limit=_slider("weight limit c", 0.1, 0.01, 1, "Of weight clipping."),
        depth=controls.depth(3, 5),
        penalty=_slider("penalty λ", 10.0, 0.1, 100, "Of the gradient penalty."),
        presets={
            "weights within ±0.01": {"limit": 0.01},
            "weights within ±0.1": {},
            "weights within ±0.3": {"limit": 0.3},
            "gradient penalty": {"method": "gradient penalty"},
            "gradient clipping": {"method": "gradient clipping"},
        },
    )


def draw_overflow(result: deep.Overflow) -> Drawing:
    """Draw the largest |z| of each layer, step by step, and the gradient's norm."""
    layers, plain, clipped = np.arange(1, result.depth + 2), result.plain, result.clipped

    def held(values: Array) -> Array:
        # What has left the number type is drawn on its limit.
        return np.nan_to_num(values, nan=result.limit, posinf=result.limit)

    names = ("3 steps before", "2 before", "1 before", "unclipped")
    # Where the training was shorter, its first step again.
    last = plain.largest[np.maximum(len(plain.largest) + np.arange(-4, 0), 0)]
    colors = (GREY, figures.SKY, PINK, ORANGE)
    z = [Curve(n, layers, held(y), c) for n, y, c in zip(names, last, colors, strict=True)]
    z.append(Curve("clipped", layers, held(clipped.largest[-1])))
    z.append(level("largest number", result.limit, (1, result.depth + 1)))
    sizes = [
        Curve(name, np.arange(len(fall.norms)), held(fall.norms), color)
        for name, fall, color in (("unclipped", plain, ORANGE), ("clipped", clipped, BLUE))
    ]
    top = 10 * ceil((np.log10(result.limit) + 2) / 10)
    look: dict[str, Any] = {"scale": "log", "y_range": (-10, top)}
    left = Panel("largest |z| of the layer", z, LAYERS, **look)
    title, steps = f"{NORM}, before clipping", (0, deep.OVERFLOW_STEPS)
    return figures.panels([left, Panel(title, sizes, figures.STEP, x_range=steps, **look)])


def overflow_lab() -> Lab:
    """Watch the numbers leave the number type, layer by layer, without and with clipping."""
    types = ("float32", "float64")
    return Lab(
        deep.overflow,
        draw_overflow,
        lr=_step_size(1.0, 0.01, 10),
        threshold=_threshold(),
        depth=controls.depth(10, 30),
        weight_scale=controls.weight_scale(),
        number_type=controls.choice("numbers", "float32", types, "What the net computes in."),
        presets={
            "three steps to NaN": {},
            "He, twenty layers": {"lr": 0.3, "depth": 20},
            "the same in float64": {"lr": 0.3, "depth": 20, "number_type": "float64"},
            "too large before any step": {"lr": 0.3, "depth": 30, "weight_scale": 20.0},
            "small step: no overflow": {"lr": 0.01},
        },
    )


def draw_smooth(result: smoothness.Smooth) -> Drawing:
    """Draw two descents on x^4/4, and curvature over gradient norm on three landscapes."""
    paths = [
        Curve(name, np.arange(len(path)), path, color, mode="lines")
        for name, path, color in (
            ("at a fixed step", result.fixed, ORANGE),
            ("clipped by norm", result.clipped, BLUE),
        )
    ]
    slopes, walls = np.geomspace(1e-3, 1e4, 30), smoothness.wall_smoothness(5.0, range(2, 41, 2))
    here = np.exp(walls)
    curvature = [
        figures.theory("x⁴/4", slopes, smoothness.quartic_smoothness(slopes), PINK),
        Curve("one unit, on its wall", here[0], here[1], GREY, ASIDE, "markers"),
        Curve("recurrent net", result.norms, result.smoothness, GREEN, mode="markers"),
    ]
    ends, steps = (1.0, float(smoothness.QUARTIC_STEPS)), [1, 10, 100, 1000]
    left = Panel("|x|", paths, "step", "log", True, ends, (-1, 2), clip=True, x_ticks=steps)
    look: dict[str, Any] = {"x_range": (1e-3, 1e4), "y_range": (-2, 7), "clip": True}
    ticks = {0.001: "0.001", 0.1: "0.1", 10: "10", 1000: "1000"}
    title, x_title = "curvature, or local smoothness", "norm of the gradient"
    right = Panel(title, curvature, x_title, "log", True, x_ticks=ticks, **look)
    return figures.panels([left, right], height=400)


def smoothness_lab() -> Lab:
    """Descend where the curvature changes with the gradient, at a fixed step and clipped."""
    return Lab(
        smoothness.smooth,
        draw_smooth,
        start=_slider("start x", 10.0, 1.0, 30.0, "Where both descents begin."),
        lr=_slider("step size", 0.5, 1e-4, 2.0, "The learning rate, of both."),
        threshold=_threshold(1.0, 0.01, 100.0),
        time_steps=_times(20, "Of the recurrent net, clipped at 1."),
        presets={
            "step 0.5": {},
            "the largest fixed step": {"lr": 0.013},
            "from 3, step 0.1": {"start": 3.0, "lr": 0.1},
            "fifty time steps": {"time_steps": 50},
        },
    )
