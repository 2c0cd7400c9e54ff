"""Labs of chapter 09."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib import lab as controls
from vglib.clipping import experiments as ex
from vglib.clipping.critic import METHODS, Critic, train_critic
from vglib.clipping.experiments import (
    REGION,
    Angle,
    Cliff,
    Norms,
    Overflow,
    Penalty,
    Rescue,
    Scopes,
)
from vglib.clipping.recurrent import BROKEN, unit_surface
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, STEP, THEORY, Curve, Panel
from vglib.lab import Lab
from vglib.probe import Array

GRAPH = "another"
_TIMES = [*range(2, 21), *range(25, 101, 5)]
COUNT = "step (1 is the start)"
NORM = "norm of the whole gradient"


def _log10(values: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.asarray(values, dtype=float))


# The cliff


def _on_the_map(path: Array) -> Array:
    """Cut a path at the border of the map: the first point outside becomes the border's."""
    low, high = np.array([side[0] for side in REGION]), np.array([side[1] for side in REGION])
    shown = np.full_like(path, np.nan)
    inside = np.all((path >= low) & (path <= high), axis=1)
    for i, point in enumerate(path):
        if inside[i]:
            shown[i] = point
        elif i and inside[i - 1]:
            start, move = path[i - 1], point - path[i - 1]
            border = np.where(move > 0, high, low)
            moving = move != 0
            shown[i] = start + ((border - start)[moving] / move[moving]).min() * move
    return shown


def draw_cliff(result: Cliff) -> go.Figure:
    """Draw the surface with both paths, and the gradient's norm at each step."""
    steps = np.arange(len(result.plain_norms))
    panel = Panel(
        "gradient norm ‖∂L/∂(w, b)‖, unclipped",
        [
            Curve("without clipping", steps, _log10(result.plain_norms), ORANGE, mode="lines"),
            Curve("clipped by norm", steps, _log10(result.clipped_norms), BLUE, mode="lines"),
            Curve("threshold", [0, ex.WALK], [np.log10(result.threshold)] * 2, GREY, THEORY),
        ],
        STEP,
        powers=True,
        x_range=(0, ex.WALK),
        y_range=(-4, 3),
    )
    drawn = figures.panels([panel], height=480)
    drawn.update_layout(xaxis_domain=[0.68, 1], margin_b=80, margin_l=0)
    w, b = np.linspace(*REGION[0], 61), np.linspace(*REGION[1], 81)
    grid_w, grid_b = np.meshgrid(w, b)
    height = unit_surface(grid_w, grid_b, result.steps)
    drawn.add_trace(
        {
            "type": "surface",
            "x": w,
            "y": b,
            "z": height,
            "colorscale": figures.SEQUENTIAL,
            "cmin": 0.0,
            "cmax": 0.5,
            "showscale": False,
            "opacity": 0.9,
            "hovertemplate": "w %{x:.2f}, b %{y:.2f}: loss %{z:.3g}<extra></extra>",
        }
    )
    for name, path, color, lift in (
        ("without clipping", result.plain, ORANGE, 0.012),
        ("clipped by norm", result.clipped, BLUE, 0.008),
    ):
        shown = _on_the_map(path)
        z = unit_surface(shown[:, 0], shown[:, 1], result.steps) + lift
        drawn.add_trace(
            {
                "type": "scatter3d",
                "x": shown[:, 0],
                "y": shown[:, 1],
                "z": z,
                "mode": "lines+markers",
                "line": {"color": color, "width": 6},
                "marker": {"color": color, "size": 3},
                "name": name,
                "showlegend": False,
            }
        )
    wall = np.linspace(4.05, min(REGION[0][1], -2 * REGION[1][0]), 30)
    drawn.add_trace(
        {
            "type": "scatter3d",
            "x": wall,
            "y": -wall / 2,
            # Drawn along the upper edge, where the wall does not hide it.
            "z": unit_surface(wall, -wall / 2 - 0.03, result.steps) + 0.02,
            "mode": "lines",
            "line": {"color": PINK, "width": 6},
            "name": "wall by theory, b = −w/2",
            "meta": THEORY,
            "showlegend": True,
        }
    )
    weight = {"nticks": 5, "tickfont": {"size": 12}}
    drawn.update_layout(
        scene={
            "domain": {"x": [0, 0.63], "y": [0, 1]},
            "xaxis": {"title": {"text": "weight w"}, "range": list(REGION[0]), **weight},
            "yaxis": {"title": {"text": "bias b"}, "range": list(REGION[1]), **weight},
            "zaxis": {"title": {"text": "loss"}, "range": [0, 0.55], "nticks": 4, **weight},
            "camera": {"eye": {"x": 0.95, "y": 1.85, "z": 0.8}, "center": {"x": 0.05, "z": -0.28}},
            "aspectratio": {"x": 1.3, "y": 1.3, "z": 0.75},
        }
    )
    return drawn


def cliff_lab() -> Lab:
    """Walk down to the cliff of a one-unit recurrent net, twice: with clipping and without."""
    start = {"b": -1.8, "w": 5.0, "threshold": 0.3, "lr": 0.5, "steps": 30}
    return Lab(
        ex.cliff,
        draw_cliff,
        b=controls.slider("start b", -1.8, *REGION[1], tooltip="Where the bias starts.", step=0.05),
        w=controls.slider(
            "start w", 5.0, *REGION[0], tooltip="Where the weight starts.", step=0.05
        ),
        threshold=controls.slider(
            "threshold c", 0.3, 0.01, 100, tooltip="The longest gradient let through.", log=True
        ),
        lr=controls.slider("step size", 0.5, 0.05, 2, tooltip="The learning rate.", log=True),
        steps=controls.ladder("time steps T", 30, _TIMES, "How often h is fed back."),
        presets={
            "off the cliff": start,
            "threshold too large": {**start, "threshold": 30.0},
            "threshold too small": {**start, "threshold": 0.03},
            "a hundred time steps": {**start, "b": -2.0, "steps": 100},
            "ten time steps": {**start, "steps": 10},
            "w below 4: no cliff": {**start, "b": -1.0, "w": 3.7},
        },
    )


# Direction and length


def draw_angle(result: Angle) -> go.Figure:
    """Draw g and both clipped versions in units of c, and the angle over the threshold."""
    c = result.threshold
    turn = np.linspace(0, 2 * np.pi, 121)
    # The arrow of g ends at the frame, however long g is.
    g = result.g / c
    ray = g * min(1.0, 1.9 / float(np.abs(g).max()))
    plane = Panel(
        "second entry, in units of c",
        [
            Curve("gradient g", [0, ray[0]], [0, ray[1]], GREY, GRAPH, "lines+markers"),
            Curve(
                "by value",
                [0, result.value[0] / c],
                [0, result.value[1] / c],
                ORANGE,
                GRAPH,
                "lines+markers",
            ),
            Curve(
                "by norm",
                [0, result.norm[0] / c],
                [0, result.norm[1] / c],
                BLUE,
                GRAPH,
                "lines+markers",
            ),
            Curve("limit by value", [1, 1, -1, -1, 1], [-1, 1, 1, -1, -1], ORANGE, THEORY, "lines"),
            Curve("limit by norm", np.cos(turn), np.sin(turn), BLUE, THEORY, "lines"),
        ],
        "first entry, in units of c",
        x_range=(-2.6, 2.6),
        y_range=(-2, 2),
    )
    angles = Panel(
        "turned by, degrees",
        [
            Curve("by value", result.thresholds, result.value_angles, ORANGE, mode="lines"),
            Curve("by norm", result.thresholds, result.norm_angles, BLUE, mode="lines"),
            Curve(
                "this threshold",
                [c],
                [np.interp(np.log(c), np.log(result.thresholds), result.value_angles)],
                PINK,
                GRAPH,
                "markers",
            ),
        ],
        "threshold c",
        x_log=True,
        x_range=(1e-3, 1e3),
        y_range=(-2, 90),
    )
    drawn = figures.panels([plane, angles], height=440)
    drawn.update_traces(marker={"size": 11}, selector={"name": "this threshold"})
    return drawn


def angle_lab() -> Lab:
    """Clip a gradient in the plane by value and by norm: direction and length."""

    def entry(name: str, value: float) -> controls.Control:
        return controls.slider(name, value, 0.01, 1000, tooltip="An entry of g.", log=True)

    return Lab(
        ex.angle,
        draw_angle,
        threshold=controls.slider("threshold c", 1.0, 0.001, 1000, tooltip="The limit.", log=True),
        g1=entry("g₁", 0.9),
        g2=entry("g₂", 100.0),
        presets={
            "the textbook (0.9, 100)": {"g1": 0.9, "g2": 100.0, "threshold": 1.0},
            "on the diagonal": {"g1": 30.0, "g2": 30.0, "threshold": 1.0},
            "only one is above c": {"g1": 1.0, "g2": 3.0, "threshold": 1.0},
            "both far above c": {"g1": 3.0, "g2": 100.0, "threshold": 0.01},
            "both below c": {"g1": 0.3, "g2": 0.5, "threshold": 1.0},
        },
    )


# What is clipped together


def draw_scopes(result: Scopes) -> go.Figure:
    """Draw each layer's gradient norm and its direction, before and after clipping."""
    layers = np.arange(1, len(result.log_before) + 1)
    limit = np.log10(result.threshold)
    return figures.panels(
        [
            Panel(
                "‖∂L/∂(W, b)‖ of the layer",
                [
                    Curve("before", layers, figures.log10(result.log_before), GREY),
                    Curve("after", layers, figures.log10(result.log_after), BLUE),
                    Curve("threshold", [1, len(layers)], [limit, limit], ORANGE, THEORY),
                ],
                f"{figures.LAYER}, readout last",
                powers=True,
            ),
            Panel(
                "cosine of before and after, layer by layer",
                [Curve("after", layers, result.cosines, BLUE)],
                f"{figures.LAYER}, readout last",
                y_range=(-0.03, 1.05),
            ),
        ],
        height=400,
    )


def scopes_lab() -> Lab:
    """Clip a network's gradient whole, layer by layer, by groups, or entry by entry."""
    explodes = {"activation": "tanh", "weight_scale": 2.0, "depth": 20}
    return Lab(
        ex.scopes,
        draw_scopes,
        rule=controls.choice("clip", "whole norm", list(ex.RULES), "What shares one norm."),
        threshold=controls.slider("threshold c", 1.0, 1e-3, 100, tooltip="The limit.", log=True),
        depth=controls.depth(20, 100),
        weight_scale=controls.weight_scale(2.0),
        activation=controls.choice(
            "activation", "tanh", ["tanh", "relu", "sigmoid"], "Of the hidden layers."
        ),
        seed=controls.seed(),
        presets={
            "whole norm": {"rule": "whole norm", "threshold": 1.0, **explodes},
            "each layer": {"rule": "each layer", "threshold": 1.0, **explodes},
            "two groups: hidden, readout": {"rule": "two groups", "threshold": 1.0, **explodes},
            "each entry": {"rule": "each entry", "threshold": 0.1, **explodes},
            "sigmoid, vanishing": {
                "rule": "whole norm",
                "threshold": 1.0,
                "activation": "sigmoid",
                "weight_scale": 1.0,
                "depth": 20,
            },
            "sigmoid, each layer, tiny c": {
                "rule": "each layer",
                "threshold": 0.001,
                "activation": "sigmoid",
                "weight_scale": 1.0,
                "depth": 20,
            },
        },
    )


# Norms over a run


def draw_norms(result: Norms) -> go.Figure:
    """Draw the norms as a histogram and over the steps, with threshold and median."""
    steps = np.arange(len(result.run.norms))
    c = np.log10(result.threshold)
    middle = (result.edges[1:] + result.edges[:-1]) / 2
    share = 100 * result.counts / max(1.0, result.counts.sum())
    top = 5 * np.ceil(max(share.max(), 5) / 5)
    median = np.log10(result.median)
    histogram = Panel(
        "steps, %",
        [
            Curve("norms", middle, share, BLUE, mode="lines"),
            Curve("threshold", [c, c], [0, top], ORANGE, THEORY),
            Curve("median", [median] * 2, [0, top], PINK, GRAPH, "lines"),
        ],
        "log₁₀ of the norm, before clipping",
        x_range=(-2, 6),
        y_range=(0, top),
    )
    course = Panel(
        "norm before clipping",
        [
            Curve("norms", steps, _log10(result.run.norms), BLUE, mode="lines"),
            Curve("threshold", [0, max(1, len(steps) - 1)], [c, c], ORANGE, THEORY),
        ],
        STEP,
        powers=True,
        y_range=(-2, 6),
    )
    loss = Panel(
        "loss (mean squared error)",
        [
            Curve("loss", steps, np.minimum(result.run.losses, 2.0), GREEN, mode="lines"),
            Curve("always answering 1", [0, max(1, len(steps) - 1)], [1 / 6] * 2, GREY, THEORY),
        ],
        STEP,
        y_range=(0, 2),
    )
    drawn = figures.panels([histogram, course, loss])
    drawn.update_traces(line={"shape": "hvh"}, selector={"xaxis": "x", "name": "norms"})
    return drawn


def norms_lab() -> Lab:
    """Look at the gradient's norms over a run before you choose a threshold."""
    return Lab(
        ex.norms,
        draw_norms,
        threshold=controls.slider(
            "threshold c", 1.0, 0.01, 1e4, tooltip="The longest gradient let through.", log=True
        ),
        steps=controls.ladder("time steps T", 50, _TIMES, "Length of the sequences."),
        lr=controls.slider("step size", 0.01, 0.001, 0.1, tooltip="The learning rate.", log=True),
        seed=controls.seed(),
        presets={
            "clip nearly all": {"threshold": 0.1, "steps": 50, "lr": 0.01},
            "clip at 1": {"threshold": 1.0, "steps": 50, "lr": 0.01},
            "clip the tail only": {"threshold": 10.0, "steps": 50, "lr": 0.01},
            "too late": {"threshold": 1000.0, "steps": 50, "lr": 0.01},
            "short sequences": {"threshold": 1.0, "steps": 5, "lr": 0.01},
        },
    )


def draw_rescue(result: Rescue) -> go.Figure:
    """Draw loss, gradient norm and ||W|| of the three trainings."""
    colors = {"plain": ORANGE, "decay": PINK, "clipped": BLUE}
    longest = max(len(run.losses) for run in result.runs.values())

    def curves(values: str, top: float) -> list[Curve]:
        return [
            Curve(
                name,
                1 + np.arange(len(run.losses)),
                np.clip(_log10(getattr(run, values)), -9, top),
                colors[name],
                mode="lines+markers" if len(run.losses) < 30 else "lines",
            )
            for name, run in result.runs.items()
        ]

    chance = Curve("always answering 1", [1, longest], [np.log10(1 / 6)] * 2, GREY, THEORY)
    x_range = (0.9, float(longest))
    drawn = figures.panels(
        [
            Panel(
                "loss (mean squared error)",
                [*curves("losses", np.log10(BROKEN)), chance],
                COUNT,
                powers=True,
                x_log=True,
                x_range=x_range,
                y_range=(-2, 3),
            ),
            Panel(
                NORM,
                curves("norms", 8),
                COUNT,
                powers=True,
                x_log=True,
                x_range=x_range,
                y_range=(-2, 8),
            ),
            Panel(
                "‖W‖ over its start, cut at 2",
                _relative(result, colors),
                COUNT,
                x_log=True,
                x_range=x_range,
                y_range=(0, 2),
            ),
        ]
    )
    # Two runs often lie on each other; the wider line shows that there are two.
    drawn.update_traces(line={"width": 7}, selector={"name": "plain"})
    return drawn


def _relative(result: Rescue, colors: dict[str, str]) -> list[Curve]:
    return [
        Curve(
            name,
            1 + np.arange(len(run.weight_norms)),
            np.minimum(run.weight_norms / run.weight_norms[0], 2.0),
            colors[name],
            mode="lines+markers" if len(run.losses) < 30 else "lines",
        )
        for name, run in result.runs.items()
    ]


def rescue_lab() -> Lab:
    """Train one recurrent net three times: plain, with weight decay, clipped."""
    return Lab(
        ex.rescue,
        draw_rescue,
        decay=controls.slider(
            "decay λ", 0.01, 0.001, 30, tooltip="Weight decay of the second run.", log=True
        ),
        threshold=controls.slider(
            "threshold c", 1.0, 0.01, 1e4, tooltip="Of the third run.", log=True
        ),
        steps=controls.ladder("time steps T", 50, _TIMES, "Length of the sequences."),
        lr=controls.slider("step size", 0.01, 0.001, 0.1, tooltip="The learning rate.", log=True),
        seed=controls.seed(),
        presets={
            "a common decay": {"decay": 0.01, "threshold": 1.0, "steps": 50, "lr": 0.01},
            "decay that holds": {"decay": 30.0, "threshold": 1.0, "steps": 50, "lr": 0.01},
            "a hundred time steps": {"decay": 0.01, "threshold": 1.0, "steps": 100, "lr": 0.01},
            "ten steps: nothing to save": {
                "decay": 0.01,
                "threshold": 1.0,
                "steps": 10,
                "lr": 0.01,
            },
            "ten steps, large step size": {"decay": 0.01, "threshold": 1.0, "steps": 10, "lr": 0.1},
        },
    )


# Penalties


def draw_penalty(result: Penalty) -> go.Figure:
    """Draw the descent over lines of equal loss, and the solution's norm over the goal's size."""
    turn = np.linspace(0, 2 * np.pi, 81)
    xs, ys = [], []
    for loss in (0.05, 0.3, 1.0, 2.5, 5.0, 9.0):
        radii = np.sqrt(2 * loss / ex.CURVATURES)
        xs += [*(result.goal[0] + radii[0] * np.cos(turn)), np.nan]
        ys += [*(result.goal[1] + radii[1] * np.sin(turn)), np.nan]
    plane = Panel(
        "weight w₂",
        [
            Curve("equal loss", xs, ys, GREY, GRAPH, "lines"),
            Curve(
                "radius",
                result.radius * np.cos(turn),
                result.radius * np.sin(turn),
                PINK,
                GRAPH,
                "lines",
            ),
            Curve("descent", result.path[:, 0], result.path[:, 1], BLUE, mode="lines"),
            Curve("goal", result.goal[:1], result.goal[1:], GREEN, GRAPH, "markers"),
            Curve(
                "solution, theory",
                result.solution[:1],
                result.solution[1:],
                ORANGE,
                THEORY,
                "markers",
            ),
        ],
        "weight w₁",
        x_range=(-2, 4.5),
        y_range=(-2, 2.6),
    )
    colors = {"L2": BLUE, "L1": GREEN, "max-norm": PINK}
    here = np.linalg.norm(result.goal) / np.linalg.norm(ex.GOAL)
    sizes = Panel(
        "norm of the solution",
        [
            *(
                Curve(name, result.sizes, result.size_norms[name], colors[name], THEORY)
                for name in ex.PENALTIES
            ),
            Curve(
                "end of the descent",
                [here],
                [np.linalg.norm(result.path[-1])],
                ORANGE,
                GRAPH,
                "markers",
            ),
        ],
        "size of the goal",
        x_range=(0, 5),
        y_range=(0, 10),
    )
    drawn = figures.panels([plane, sizes], height=430)
    drawn.update_traces(line={"width": 1}, selector={"name": "equal loss"})
    drawn.update_traces(
        marker={"size": 13, "symbol": "circle-open", "line": {"width": 3}},
        selector={"name": "solution, theory"},
    )
    drawn.update_traces(marker={"size": 11}, selector={"name": "goal"})
    drawn.update_traces(marker={"size": 11}, selector={"name": "end of the descent"})
    return drawn


def penalty_lab() -> Lab:
    """Pull two weights with L2, L1 or max-norm and see which of them keeps a norm in bounds."""
    return Lab(
        ex.penalty,
        draw_penalty,
        kind=controls.choice("penalty", "L2", list(ex.PENALTIES), "What is added or forbidden."),
        strength=controls.slider(
            "strength α", 1.0, 0.01, 20, tooltip="Of the L2 or L1 penalty.", log=True
        ),
        radius=controls.slider("radius r", 1.0, 0.1, 3, tooltip="Of max-norm.", step=0.1),
        size=controls.slider(
            "size of the goal", 1.0, 0, 5, tooltip="Where the loss alone pulls.", step=0.1
        ),
        presets={
            "L2": {"kind": "L2", "strength": 1.0, "size": 1.0},
            "L2, goal twice as far": {"kind": "L2", "strength": 1.0, "size": 2.0},
            "L1 makes a zero": {"kind": "L1", "strength": 1.5, "size": 1.0},
            "max-norm": {"kind": "max-norm", "radius": 1.0, "size": 1.0},
            "max-norm, goal twice as far": {"kind": "max-norm", "radius": 1.0, "size": 2.0},
        },
    )


# The critic


def draw_critic(result: Critic) -> go.Figure:
    """Draw the critic over the line, and its slope against the 1 that is wanted."""
    span = float(np.ptp(result.f)) or 1.0
    shape = (result.f - result.f.min()) / span
    ends = [result.grid[0], result.grid[-1]]
    slope = np.maximum(_log10(np.abs(result.slope)), -12)
    y_range = (float(np.floor(min(slope.min(), -1))), float(np.ceil(max(slope.max(), 1))))
    return figures.panels(
        [
            Panel(
                "critic f(x), scaled to 0 … 1",
                [
                    Curve("critic", result.grid, shape, BLUE, mode="lines"),
                    Curve(
                        "fake",
                        result.fake,
                        np.full(len(result.fake), -0.06),
                        PINK,
                        GRAPH,
                        "markers",
                    ),
                    Curve(
                        "real",
                        result.real,
                        np.full(len(result.real), -0.06),
                        GREEN,
                        GRAPH,
                        "markers",
                    ),
                ],
                "x",
                x_range=(-2.5, 3.5),
                y_range=(-0.12, 1.05),
            ),
            Panel(
                "slope |f′(x)|",
                [
                    Curve(
                        "critic",
                        result.grid,
                        slope,
                        BLUE,
                        mode="lines",
                    ),
                    Curve("wanted: 1", ends, [0, 0], GREY, GRAPH, "lines"),
                    Curve(
                        "theory",
                        ends,
                        [result.log_predicted / np.log(10)] * 2,
                        ORANGE,
                        THEORY,
                    ),
                ],
                "x",
                powers=True,
                x_range=(-2.5, 3.5),
                y_range=y_range,
            ),
        ],
        height=400,
    )


def critic_lab() -> Lab:
    """Hold a WGAN's critic by its weights, by its slope, or by the gradient of its weights."""
    return Lab(
        train_critic,
        draw_critic,
        method=controls.choice("held by", METHODS[0], list(METHODS), "What is limited."),
        limit=controls.slider(
            "weight limit c", 0.1, 0.01, 1, tooltip="Of weight clipping.", log=True
        ),
        depth=controls.depth(3, 5),
        penalty=controls.slider(
            "penalty λ", 10.0, 0.1, 100, tooltip="Of the gradient penalty.", log=True
        ),
        seed=controls.seed(),
        presets={
            "weights within ±0.01": {"method": METHODS[0], "limit": 0.01, "depth": 3},
            "weights within ±0.1": {"method": METHODS[0], "limit": 0.1, "depth": 3},
            "weights within ±0.3": {"method": METHODS[0], "limit": 0.3, "depth": 3},
            "gradient penalty": {"method": METHODS[1], "depth": 3, "penalty": 10.0},
            "gradient clipping": {"method": METHODS[2], "depth": 3},
        },
    )


# Overflow


def draw_overflow(result: Overflow) -> go.Figure:
    """Draw the largest |z| of each layer, step by step, and the gradient's norm."""
    layers = np.arange(1, result.depth + 2)
    limit = result.limit

    def row(index: int) -> Array:
        rows = result.plain.largest
        if index >= len(rows):
            return np.full(len(layers), np.nan)
        # What has left the number type is drawn on its limit.
        return np.nan_to_num(_log10(rows[index]), nan=limit, posinf=limit, neginf=-40)

    last = len(result.plain.largest) - 1
    shown = [max(0, last - back) for back in (3, 2, 1, 0)]
    curves = [
        Curve(name, layers, row(index), color)
        for name, index, color in zip(
            ("3 steps before", "2 before", "1 before", "unclipped"),
            shown,
            (GREY, SKY, PINK, ORANGE),
            strict=True,
        )
    ]
    end = np.nan_to_num(_log10(result.clipped.largest[-1]), nan=limit, posinf=limit, neginf=-40)
    sizes = [
        Curve(
            name,
            np.arange(len(fall.norms)),
            np.nan_to_num(_log10(fall.norms), nan=limit, posinf=limit, neginf=-20),
            color,
        )
        for name, fall, color in (
            ("unclipped", result.plain, ORANGE),
            ("clipped", result.clipped, BLUE),
        )
    ]
    top = 10 * np.ceil((limit + 2) / 10)
    return figures.panels(
        [
            Panel(
                "largest |z| of the layer",
                [
                    *curves,
                    Curve("clipped", layers, end, BLUE),
                    Curve(
                        "largest number",
                        [1, result.depth + 1],
                        [limit, limit],
                        GREY,
                        THEORY,
                    ),
                ],
                f"{figures.LAYER}, readout last",
                powers=True,
                y_range=(-10, top),
            ),
            Panel(
                f"{NORM}, before clipping",
                sizes,
                STEP,
                powers=True,
                x_range=(0, ex.OVERFLOW_STEPS),
                y_range=(-10, top),
            ),
        ],
        height=420,
    )


def overflow_lab() -> Lab:
    """Watch the numbers leave the number type, layer by layer, without and with clipping."""
    return Lab(
        ex.overflow,
        draw_overflow,
        lr=controls.slider("step size", 1.0, 0.01, 10, tooltip="The learning rate.", log=True),
        threshold=controls.slider(
            "threshold c", 1.0, 0.01, 1e4, tooltip="The longest gradient let through.", log=True
        ),
        depth=controls.depth(10, 30),
        weight_scale=controls.weight_scale(),
        number_type=controls.choice(
            "numbers", "float32", list(ex.NUMBER_TYPES), "What the net computes in."
        ),
        seed=controls.seed(),
        presets={
            "three steps to NaN": {"lr": 1.0, "threshold": 1.0, "depth": 10, "weight_scale": 1.0},
            "He, twenty layers": {"lr": 0.3, "threshold": 1.0, "depth": 20, "weight_scale": 1.0},
            "the same in float64": {
                "lr": 0.3,
                "threshold": 1.0,
                "depth": 20,
                "weight_scale": 1.0,
                "number_type": "float64",
            },
            "too large before any step": {
                "lr": 0.3,
                "threshold": 1.0,
                "depth": 30,
                "weight_scale": 20.0,
                "number_type": "float32",
            },
            "small step: no overflow": {
                "lr": 0.01,
                "threshold": 1.0,
                "depth": 10,
                "weight_scale": 1.0,
                "number_type": "float32",
            },
        },
    )
