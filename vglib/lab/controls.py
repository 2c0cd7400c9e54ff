"""The controls of a lab: each makes its widget, and says which values it takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, log10
from numbers import Real
from typing import Any

import ipywidgets as widgets
import numpy as np

from vglib.checks import require


@dataclass(frozen=True)
class Control:
    """One control: how its widget is made, and which values it takes.

    `make()` returns a fresh widget; `clean(value)` returns the value the experiment gets, or raises
    ValueError with the values allowed; `corners` are the extreme values, which tests drive.
    """

    value: Any
    make: Callable[[], widgets.Widget]
    clean: Callable[[Any], Any]
    corners: tuple[Any, ...]


def depth(value: int = 20, maximum: int = 1000) -> Control:
    """Make the depth slider: 1 to `maximum` hidden layers, in steps that grow with the depth."""
    stops = [*range(1, 51), *range(52, 101, 2), *range(105, 201, 5), *range(210, 501, 10)]
    stops += range(520, 1001, 20)
    tooltip = "Number of hidden layers. At depth 21 the first 20 layers are those of depth 20."
    return ladder("depth", value, [s for s in stops if s <= maximum], tooltip)


def weight_scale(value: float = 1.0) -> Control:
    """Make the weight-scale slider: 0.05 to 20 in steps of 1 to 5 per cent, all round numbers."""
    # Hundredths: the steps from each number up to the next.
    runs = [(5, 10, 0.2), (10, 20, 0.5), (20, 50, 1), (50, 100, 2), (100, 200, 2)]
    runs += [(200, 500, 10), (500, 1000, 20), (1000, 2001, 25)]
    stops = [round(float(s) / 100, 4) for run in runs for s in np.arange(*run)]
    tooltip = "Every weight of the chosen initialisation is multiplied by this number."
    return _slider("weight scale", value, stops, tooltip)


def width(value: int = 100, maximum: int = 500) -> Control:
    """Make the width slider: 10 to `maximum` units in each hidden layer."""
    stops = [*range(10, 101, 5), *range(110, 201, 10), *range(225, 501, 25)]
    return ladder("width", value, [s for s in stops if s <= maximum], "Units in each hidden layer.")


def seed(value: int = 0) -> Control:
    """Make the box for the seed; a lab with a control called `seed` also has a Reseed button."""

    def clean(new: Any) -> int:
        known = _whole(new) and 0 <= new < 1_000_000
        require("seed", new, known, "a whole number from 0 to 999999")
        return int(new)

    tooltip = "The random draw of the weights. Reseed takes the next number."
    make = partial(widgets.IntText, value, **look("seed", tooltip, "140px"))
    return Control(value, make, clean, (0, 1))


def ladder(label: str, value: int, stops: Sequence[int], tooltip: str) -> Control:
    """Make a slider over whole numbers that shows some of them and takes any between the ends."""
    return _slider(label, value, stops, tooltip, whole=True)


def slider(
    label: str,
    value: float,
    low: float,
    high: float,
    *,
    tooltip: str,
    log: bool = False,
    step: float | None = None,
) -> Control:
    """Make a slider over the numbers from `low` to `high`, in 100 steps or in steps of `step`.

    With `log` the steps are equal factors, and `step` is in decades. Raises ValueError for a
    logarithmic slider that starts at 0 or below.
    """
    require(f"{label}'s low end", low, low > 0 or not log, "above 0 with log")
    length = log10(high / low) if log else high - low
    count = 101 if step is None else round(length / step) + 1
    grid = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    stops = [low, *(float(f"{s:.3g}") for s in grid[1:-1]), high]
    return _slider(label, value, stops, tooltip)


def _slider(
    label: str, value: float, stops: Sequence[float], tooltip: str, whole: bool = False
) -> Control:
    low, high = stops[0], stops[-1]
    slack = 0 if whole else 1e-9 * max(abs(low), abs(high))
    fits, kind, noun = (_whole, int, "whole number") if whole else (_number, float, "number")

    def clean(new: Any) -> float:
        known = fits(new) and low - slack <= new <= high + slack
        require(label, new, known, f"a {noun} from {low:g} to {high:g}")
        return kind(min(max(new, low), high))

    # ipywidgets' number sliders move a value to their own grid as soon as they are shown, so that
    # a lab set to 10.15 would show another number; a slider over a list of stops does not.
    options = _options([*stops, value])
    shape = {"layout": {"flex": "1 1 290px", "max_width": "420px"}}
    appearance = look(label, tooltip) | shape
    make = partial(widgets.SelectionSlider, options=options, value=value, **appearance)
    return Control(value, make, clean, (low, high))


def choice(label: str, value: str, options: Sequence[str], tooltip: str) -> Control:
    """Make a drop-down list of names."""

    def clean(new: Any) -> str:
        require(label, new, new in options, f"one of {', '.join(options)}")
        return str(new)

    make = partial(widgets.Dropdown, options=list(options), value=value, **look(label, tooltip))
    return Control(value, make, clean, tuple(options))


def toggle(label: str, value: bool, tooltip: str) -> Control:
    """Make a check box."""

    def clean(new: Any) -> bool:
        require(label, new, isinstance(new, bool | np.bool_), "True or False")
        return bool(new)

    make = partial(widgets.Checkbox, value, indent=False, **look(label, tooltip))
    return Control(value, make, clean, (False, True))


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _whole(value: Any) -> bool:
    return _number(value) and value == int(value)


def _options(values: Iterable[float]) -> list[tuple[str, float]]:
    return [(short(v), v) for v in sorted(set(values))]


def put(widget: widgets.Widget, value: Any) -> None:
    """Let a control's widget show a value, on a slider also one between its stops."""
    if isinstance(widget, widgets.SelectionSlider):
        stops = [v for _, v in widget.options]
        if value not in stops:
            widget.options = _options([*stops, value])
    if widget.value != value:
        widget.value = value


def look(label: str, tooltip: str, width: str = "auto") -> dict[str, Any]:
    """Return what the course's widgets share: name, tooltip and room."""
    shape = {"style": {"description_width": "auto"}, "layout": {"width": width}}
    return {"description": label, "tooltip": tooltip, **shape}


def short(value: Any) -> str:
    """Write a control's value as its readout does."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
