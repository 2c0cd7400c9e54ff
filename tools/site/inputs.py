"""What a page offers of a lab's controls: the same names and values, of a long slider fewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ipywidgets as widgets

from vglib.lab import Lab
from vglib.lab.controls import short

Kind = Literal["slider", "list", "box", "seed"]

# So many draws of the weights are there to reseed through.
SEEDS = 6


@dataclass(frozen=True)
class Input:
    """One control on a page: `values` are what it can be set to, `texts` what it then reads.

    `of` is the number of values that it has live.
    """

    name: str
    kind: Kind
    label: str
    tip: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]
    of: int


def inputs(lab: Lab, most: int, thinner: Mapping[str, int] | None = None) -> list[Input]:
    """Return the inputs of a lab, with at most `most` stops of a slider, or as `thinner` says.

    What the start or a preset sets is always among them.
    """
    return [_input(lab, name, (thinner or {}).get(name, most)) for name in lab.controls]


def _input(lab: Lab, name: str, most: int) -> Input:
    widget = lab.controls[name].make()
    set_to = [lab.start[name], *(p[name] for p in lab.presets.values() if name in p)]
    needed = [lab.controls[name].clean(value) for value in set_to]
    kind: Kind
    match widget:
        case widgets.SelectionSlider():
            stops = thinned([value for _, value in widget.options], most - len(set(needed)))
            kind, values = "slider", sorted({*stops, *needed})
        case widgets.Dropdown():
            kind, values = "list", list(widget.options)
        case widgets.Checkbox():
            kind, values = "box", [False, True]
        case widgets.IntText():
            kind, values = "seed", sorted({*range(needed[0], needed[0] + SEEDS), *needed})
        case _:
            raise TypeError(f"No page knows what to do with the {type(widget).__name__} of {name}.")
    texts = tuple(short(value) for value in values)
    of = len(widget.options) if kind == "slider" else len(values)
    return Input(name, kind, widget.description, widget.tooltip, tuple(values), texts, of)


def thinned(stops: Sequence[Any], most: int) -> list[Any]:
    """Return at most `most` of the stops, the ends among them, evenly spread."""
    most = max(most, 2)
    if len(stops) <= most:
        return list(stops)
    last = len(stops) - 1
    return [stops[round(i * last / (most - 1))] for i in range(most)]
