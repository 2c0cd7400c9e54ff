"""The figures of a report, of a training that was watched, and of a gradient's flow."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vglib import figures
from vglib.doctor.report import Layer, Report
from vglib.figures import Curve, Drawing, Panel

LAYER = "layer, in the order of the forward pass"


def draw(report: Report) -> Drawing:
    """Draw a report by layer (signal, gradient, chi, shares, the step's ratio) and by time."""
    layers = report.layers
    x = np.arange(1, len(layers) + 1)
    names = _named(layers)
    ticks = {"dtick": figures.whole_step(1, max(len(layers), 2)), "tick0": 1}
    flow = Panel(
        "root mean square",
        [
            Curve("signal", x, _of(layers, "signal"), figures.BLUE, style=_hover(names)),
            Curve("∂L/∂signal", x, _of(layers, "delta"), figures.ORANGE, style=_hover(names)),
            Curve("∂L/∂W", x, _of(layers, "gradient"), figures.GREEN, style=_hover(names)),
        ],
        x_title=LAYER,
        x_axis=ticks,
        scale="log",
    )
    health = Panel(
        "χ, and shares",
        [
            Curve("χ", x, _of(layers, "chi"), figures.PINK, style=_hover(names)),
            figures.level("χ = 1", 1.0, (1, max(len(layers), 2))),
            Curve("dead units", x, _of(layers, "dead"), figures.SKY, mode="lines+markers",
                  style=_hover(names, "x")),
            Curve("saturated", x, _of(layers, "saturated"), figures.BLUE, mode="lines+markers",
                  style=_hover(names, "square")),
        ],
        x_title=LAYER,
        x_axis=ticks,
        y_range=(-0.05, max(1.5, 1.05 * float(np.nanmax([1.0, *_of(layers, "chi")])))),
    )  # fmt: skip
    ratio = Panel(
        "‖Δw‖ / ‖w‖ of the first step",
        [
            Curve("update : weight", x, _of(layers, "ratio"), figures.GREEN,
                  style=_hover(names, "diamond")),
            figures.level("10⁻³", 1e-3, (1, max(len(layers), 2))),
        ],
        x_title=LAYER,
        x_axis=ticks,
        scale="log",
    )  # fmt: skip
    steps, losses = zip(*report.losses, strict=True) if report.losses else ((), ())
    short = Curve("loss of a copy", steps, losses, figures.GREY)
    loss = Panel("loss", [short], x_title="step of a short training", x_range=(0, 20))
    known = any(np.isfinite(_of(layers, name)).any() for name in ("chi", "dead", "saturated"))
    panels = [flow, *([health] if known else []), ratio, loss]
    if report.in_time:
        panels.append(in_time(report.in_time))
    return figures.panels(panels, columns=2, height=420 * ((len(panels) + 1) // 2))


def in_time(profiles: Sequence[tuple[str, Sequence[float]]]) -> Panel:
    """Draw the size of the loss's gradient by what goes in at each time step."""
    colors = figures.PALETTE
    curves = [
        Curve(name or "recurrent", np.arange(1, len(values) + 1), values, colors[i % len(colors)])
        for i, (name, values) in enumerate(profiles)
    ]
    return Panel("‖∂L/∂xₜ‖", curves, x_title="time step", scale="log")


def flow(names: Sequence[str], sizes: Sequence[float], weights: Sequence[float]) -> Drawing:
    """Draw each parameter's gradient beside the parameter itself, in the order of the model."""
    x = np.arange(1, len(names) + 1)
    panel = Panel(
        "root mean square",
        [
            Curve("gradient", x, sizes, figures.ORANGE, style=_hover(names)),
            Curve("parameter", x, weights, figures.GREY, style=_hover(names, "x")),
        ],
        x_title="parameter with two or more dimensions, in the order of the model",
        scale="log",
    )
    return figures.panels([panel])


def course(rows: Sequence[dict[str, Any]]) -> Drawing:
    """Draw a training that was watched: loss, gradients, update:weight, dead units, by step."""
    steps = [row["step"] for row in rows]

    def curves(what: str, style: dict[str, Any]) -> list[Curve]:
        keys = dict.fromkeys(key for row in rows for key in row if key.startswith(f"{what} "))
        made = []
        for key, color in zip(_spread(list(keys)), figures.PALETTE, strict=False):
            y = [row.get(key, np.nan) for row in rows]
            name = key.removeprefix(f"{what} ")
            made.append(Curve(name, steps, y, color, mode="lines+markers", style=style))
        return made

    loss = [row.get("loss", np.nan) for row in rows]
    panels = [
        Panel("loss", [Curve("loss", steps, loss, figures.GREY)], x_title=figures.STEP),
        Panel("gradient, root mean square", curves("grad", {}), x_title=figures.STEP, scale="log"),
        Panel("‖Δw‖ / ‖w‖ of a step", curves("ratio", {}), x_title=figures.STEP, scale="log"),
        Panel(
            "dead units, share",
            curves("dead", {"marker": {"symbol": "x"}}),
            x_title=figures.STEP,
            y_range=(-0.02, 1.02),
        ),
    ]
    return figures.panels(panels, columns=2, height=820)


def _spread(names: Sequence[str]) -> list[str]:
    """Return at most four names from first to last, so that each can have a colour."""
    if len(names) <= 4:
        return list(names)
    return [names[i] for i in np.linspace(0, len(names) - 1, 4).round().astype(int)]


def _of(layers: Sequence[Layer], field: str) -> list[float]:
    return [getattr(layer, field) for layer in layers]


def _named(layers: Sequence[Layer]) -> list[str]:
    return [f"{layer.name} ({layer.operation})" for layer in layers]


def _hover(names: Sequence[str], symbol: str = "circle") -> dict[str, Any]:
    return {
        "text": list(names),
        "hovertemplate": "%{text}: %{y:.3g}",
        "marker": {"symbol": symbol},
    }
