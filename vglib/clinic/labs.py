"""Labs of chapter 11."""

from typing import Any

import numpy as np

from vglib import figures
from vglib.clinic import monitor, ratios, rounds, thresholds, ward
from vglib.clinic.patients import DEPTH, PATIENTS
from vglib.figures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    Curve,
    Drawing,
    Panel,
    Scale,
    level,
    mark,
)
from vglib.lab import Lab, controls
from vglib.probe import Array

GRADIENT = "∂L/∂z"


def _flow(x: Array, signal: Array, delta: Array, x_title: str) -> Panel:
    """Make the panel of signal and gradient by layer."""
    curves = [
        Curve("signal z", x, signal, mode="lines+markers"),
        Curve(GRADIENT, x, delta, ORANGE, mode="lines+markers", style=_points("diamond")),
    ]
    return Panel("root mean square", curves, x_title, scale="log", x_axis=_whole(x))


def _shares(x: Array, dead: Array, saturated: Array, x_title: str) -> Panel:
    curves = [
        Curve("dead units", x, dead, SKY, mode="lines+markers", style=_points("x")),
        Curve("saturated", x, saturated, GREEN, mode="lines+markers", style=_points("square")),
        level("bound: one half", 0.5, (1, max(len(x), 2))),
    ]
    ends = (-0.03, 1.03)
    return Panel("share of the layer", curves, x_title, y_range=ends, x_axis=_whole(x))


def _whole(x: Array) -> dict[str, int]:
    """Put the ticks at whole numbers."""
    return {"dtick": figures.whole_step(1, max(len(x), 2)), "tick0": 0}


def _points(symbol: str) -> dict[str, dict[str, str]]:
    return {"marker": {"symbol": symbol}}


def draw_visit(one: ward.Visit) -> Drawing:
    """Draw signal and gradient, chi, and the shares of dead and saturated units, by layer."""
    x, x_title = np.arange(1.0, len(one.signal) + 1), "layer, or time step"
    chi = Curve("χ", x, one.chi, PINK, mode="lines+markers")
    ends = (1, max(len(x), 2))
    critical = level("χ = 1", 1.0, ends, ORANGE, style={"line": {"dash": "dot"}})
    middle = Panel("χ = σ² E φ'²", [chi, critical], x_title, scale="log", x_axis=_whole(x))
    flow = _flow(x, one.signal, one.delta, x_title)
    return figures.panels([flow, middle, _shares(x, one.dead, one.saturated, x_title)], height=400)


def ward_lab() -> Lab:
    """Choose a patient, its depth and its weights' scale, and see what the doctor makes of it."""
    tower = {"patient": "sigmoid tower"}
    return Lab(
        ward.visiting,
        draw_visit,
        patient=controls.choice("patient", "sigmoid tower", list(ward.WARD), "Whose net it is."),
        depth=controls.depth(ward.DEPTH, 30),
        weight_scale=controls.weight_scale(),
        diagnosis=controls.toggle("diagnosis", True, "Say what is found; off: guess first."),
        seed=controls.seed(),
        presets={
            "guess first": {**tower, "diagnosis": False},
            "sigmoid tower": tower,
            "two sigmoids": {**tower, "depth": 2},
            "sigmoids, weights x 5": {**tower, "weight_scale": 5.0},
            "ReLU at torch's default": {"patient": "ReLU at torch's default"},
            "torch's default x 2": {
                "patient": "ReLU at torch's default",
                "weight_scale": 2.0,
            },
            "weights too large": {"patient": "weights too large"},
            "saturated tanh": {"patient": "saturated tanh"},
            "recurrent, 30 steps": {"patient": "recurrent", "depth": 30},
            "healthy": {"patient": "healthy"},
        },
    )


def draw_counted(one: thresholds.Counted) -> Drawing:
    """Draw each net's smallest gradient against the threshold, and everybody's errors."""

    def nets(name: str, first: int, sizes: Array, color: str, symbol: str) -> Curve:
        x = np.arange(first, first + len(sizes))
        style = {
            **{"marker": {"symbol": symbol, "size": 10}, "text": list(one.names[first - 1 :][:12])},
            "hovertemplate": "%{text}: 10^%{y:.2f}",
        }
        return Curve(name, x, sizes, color, mode="markers", style=style)

    points = [
        nets("healthy", 1, one.healthy, BLUE, "circle"),
        nets("sick", 13, one.sick, PINK, "diamond"),
        level("the threshold", one.threshold, (0.5, 24.5)),
    ]
    nets_title = "net (1 to 12 healthy, 13 to 24 sick)"
    look: dict[str, Any] = {"y_range": (-20.0, 3.0), "x_range": (0.5, 24.5)}
    left = Panel("smallest mean |∂L/∂W|", points, nets_title, scale="log", clip=True, **look)
    errors = {"threshold": (one.alarms, one.misses), **one.rules}
    x = np.arange(1, len(errors) + 1)
    alarms, misses = np.array(list(errors.values()), float).T
    big = {"size": 14}
    wrong = [
        Curve(
            *("alarms on the healthy", x - 0.1, alarms, ORANGE),
            mode="markers",
            style={"marker": {**big, "symbol": "triangle-up"}},
        ),
        Curve(
            *("sick ones missed", x + 0.1, misses, GREEN),
            mode="markers",
            style={"marker": {**big, "symbol": "square"}},
        ),
    ]
    short = ("threshold", "Auto<br>Trainer", "UMLAUT", "Deep<br>Diagnosis")
    ticks = dict(zip(map(float, x), short, strict=True))
    right = Panel(
        "errors, of 12",
        wrong,
        "who judges",
        x_range=(0.5, len(errors) + 0.5),
        y_range=(-0.5, 12.5),
        x_ticks=ticks,
        x_axis={"tickangle": 0},
    )
    return figures.panels([left, right], shares=(0.56, 0.44))


def thresholds_lab() -> Lab:
    """Move a threshold on the smallest gradient over healthy and sick nets, and count errors."""
    return Lab(
        thresholds.counting,
        draw_counted,
        threshold=controls.slider(
            *("threshold", 1e-7, 1e-18, 1.0),
            tooltip="A net with a layer whose mean |gradient| is below counts as sick.",
            log=True,
            step=0.25,
        ),
        depth=controls.depth(DEPTH, 20),
        presets={
            "1e-7": {},
            "1e-4": {"threshold": 1e-4},
            "1e-2": {"threshold": 1e-2},
            "1e-12": {"threshold": 1e-12},
            "healthy nets of 20 layers": {"depth": 20},
        },
    )


def draw_monitored(one: monitor.Monitored) -> Drawing:
    """Draw loss, gradient, update ratio and dead units over the steps, and where it breaks."""
    x = np.arange(monitor.STEPS)
    ends = (0, monitor.STEPS)

    def panel(title: str, curves: list[Curve], floor: float, top: float, scale: Scale) -> Panel:
        moment = Curve(
            *("it breaks", [one.at, one.at], [floor, top], GREY, figures.ASIDE, "lines"),
            style={"line": {"dash": "dashdot"}},
        )
        shown = [*curves, moment] if one.broken != "nothing" else [*curves, _nowhere(moment)]
        return Panel(title, shown, figures.STEP, scale=scale, x_range=ends)

    def extremes(*rows: Array) -> tuple[float, float]:
        values = np.concatenate([np.ravel(row) for row in rows])
        values = values[np.isfinite(values) & (values > 0)]
        return (float(values.min()), float(values.max())) if len(values) else (0.1, 1.0)

    def by_layer(rows: Array) -> list[Curve]:
        middle = np.median(rows, axis=1)
        return [
            Curve("layer 1", x, rows[:, 0], ORANGE, mode="lines"),
            Curve("median", x, middle, BLUE, mode="lines", style={"line": {"dash": "longdash"}}),
            Curve("readout", x, rows[:, -1], PINK, mode="lines", style={"line": {"width": 1.5}}),
        ]

    loss = [Curve("loss", x, one.loss, GREEN, mode="lines")]
    dead = [Curve("dead units", x, one.dead, SKY, mode="lines")]
    both = [*by_layer(one.gradient)], [*by_layer(one.ratio)]
    content = [
        panel("loss", loss, *extremes(one.loss), "log"),
        panel("rms of ∂L/∂W", both[0], *extremes(one.gradient), "log"),
        panel("‖Δw‖ / ‖w‖", both[1], *extremes(one.ratio), "log"),
        panel("share of dead units", dead, 0.0, 1.0, "linear"),
    ]
    return figures.panels(content, columns=2, height=460)


def _nowhere(curve: Curve) -> Curve:
    return Curve(curve.name, [0], [np.nan], curve.color, curve.role, "lines", style=curve.style)


def monitor_lab() -> Lab:
    """Watch a training, break it at a step, and see which number shows it first."""
    tip = "What happens to the training at that step."
    return Lab(
        monitor.monitoring,
        draw_monitored,
        what=controls.choice("what breaks", "rate x 100", list(monitor.BREAKS), tip),
        at=controls.ladder("at step", 30, range(monitor.STEPS), "The step at which it breaks."),
        depth=controls.depth(4, 12),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "nothing": {"what": "nothing"},
            "rate x 100": {},
            "nan in one batch": {"what": "nan in one batch"},
            "layer 1 frozen": {"what": "layer 1 frozen"},
            "labels shuffled": {"what": "labels shuffled"},
            "12 layers, weights x 3": {"what": "nothing", "depth": 12, "weight_scale": 3.0},
        },
    )


def draw_ratios(one: ratios.Ratios) -> Drawing:
    """Draw the reader's ratios by layer, and the loss at the end over the ratio of all nets."""
    layers = np.arange(1, one.by_layer.shape[1] + 1)
    thin = {"marker": {"symbol": "square"}}
    mine = [
        Curve("first step", layers, one.by_layer[0], GREY, mode="lines+markers", style=thin),
        Curve("median of the steps", layers, one.by_layer[1], PINK, mode="lines+markers"),
        level("1e-3", ratios.LAW, (1, max(len(layers), 2))),
    ]
    left = Panel("‖Δw‖ / ‖w‖", mine, scale="log", y_range=(-8.0, 2.0), clip=True)
    most = 2.0
    looks = zip(ratios.METHODS, (BLUE, GREEN, ORANGE), ("circle", "x", "diamond"), strict=True)
    curves = []
    for row, (name, color, symbol) in enumerate(looks):
        good = np.isfinite(one.ratios[row]) & (one.ratios[row] > 0)
        kept = np.where(good, np.clip(one.ratios[row], 1e-7, 10.0), np.nan)
        ends = np.where(good, np.minimum(np.nan_to_num(one.losses[row], nan=most), most), np.nan)
        style = {"marker": {"symbol": symbol}}
        curves.append(Curve(name, kept, ends, color, mode="lines+markers", style=style))
    law = Curve(
        *("1e-3", [ratios.LAW] * 2, [0.0, most], GREY, figures.THEORY, "lines"),
    )
    works = Curve(
        *("works below", [1e-7, 10.0], [ratios.WORKS * ratios.GUESS] * 2, SKY, figures.THEORY),
        style={"line": {"dash": "dot"}},
    )
    ratio = one.ratio if np.isfinite(one.ratio) and one.ratio > 0 else 10.0
    end = float(one.loss[one.taken])
    end = min(end, most) if np.isfinite(end) else most
    here = mark("yours", min(max(ratio, 1e-7), 10.0), end, size=14, symbol="star")
    right = Panel(
        f"loss after {ratios.STEPS} steps",
        [*curves, law, works, here],
        "median ‖Δw‖ / ‖w‖",
        x_log=True,
        x_ticks={10.0**k: f"10<sup>{k}</sup>" for k in (-6, -4, -2, 0)},
        x_range=(1e-7, 10.0),
        y_range=(0.0, most),
    )
    return figures.panels([left, right])


def ratio_lab() -> Lab:
    """Train at many rates with three optimisers: at which update ratios does it work?"""
    return Lab(
        ratios.comparing,
        draw_ratios,
        method=controls.choice("optimiser", "SGD", ratios.METHODS, "That of your own net."),
        lr=controls.slider(
            "learning rate", 0.1, 1e-6, 10.0, tooltip="That of your own net.", log=True, step=0.1
        ),
        depth=controls.depth(4, 12),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "SGD": {},
            "momentum": {"method": "momentum"},
            "Adam": {"method": "Adam", "lr": 0.01},
            "Adam at 1e-3": {"method": "Adam", "lr": 1e-3},
            "weights x 0.2": {"weight_scale": 0.2},
            "weights x 3": {"weight_scale": 3.0, "lr": 0.001},
            "12 layers": {"depth": 12},
        },
    )


def draw_round(one: rounds.Round) -> Drawing:
    """Draw what a first look shows by layer, and the loss of 20 steps."""
    x = np.arange(1.0, len(one.signal) + 1)
    loss = Curve("loss", np.arange(len(one.losses)), one.losses, PINK, mode="lines+markers")
    course = Panel("loss on its batch", [loss], figures.STEP, scale="log", x_range=(0, 20))
    flow = _flow(x, one.signal, one.delta, figures.LAYER)
    return figures.panels([flow, _shares(x, one.dead, one.saturated, figures.LAYER), course])


def rounds_lab() -> Lab:
    """Hear a patient's history, diagnose it, register, and compare with the doctor and others."""
    first, *others = PATIENTS
    tip = "Yours, before you show the doctor's."
    return Lab(
        rounds.rounding,
        draw_round,
        score=rounds.score,
        patient=controls.choice("patient", first, list(PATIENTS), "Who comes in."),
        diagnosis=controls.choice("your diagnosis", rounds.NOT_YET, rounds.NAMES, tip),
        doctor=controls.toggle("show the doctor's", False, "And what the published rules say."),
        presets={first: {}, **{name: {"patient": name} for name in others}},
    )
