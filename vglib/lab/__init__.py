"""Labs: an experiment with controls, a figure that follows them and a verdict in words."""

import html
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from inspect import signature
from typing import Any, Self

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from vglib import figures
from vglib.checks import one_of
from vglib.figures import Drawing
from vglib.jupyter import kernel
from vglib.lab import controls, live
from vglib.lab.controls import Control, seed
from vglib.results import last
from vglib.still import captioned, png
from vglib.weather import fair_weather

__all__ = ["Control", "Lab", "Still", "controls"]

_CUSTOM = "—"
# Seconds between two looks at a training under way: a look costs page and kernel some 20 ms.
_LOOK = 0.06


class _OnPage:
    """What a notebook shows: a figure, in a box with whatever belongs to it."""

    _view: live.Figure
    _box: widgets.VBox

    @property
    def figure(self) -> go.Figure:
        """The present figure, ghosts and all, as plotly's own."""
        return self._view.drawing.figure()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        verdict, drawing = self._view.words["verdict"], self._view.drawing
        if os.environ.get("VGLIB_STORE_PNG"):
            return {"text/plain": repr(self), "image/png": png(drawing, verdict)}, {}
        still = {"text/plain": repr(self), "text/html": captioned(drawing, verdict, *self._said())}
        if not live.heard(self._box):
            return still, {}
        self._view.resend()
        shown = self._box._repr_mimebundle_(**kwargs) or {}
        return {**shown, **still}, {"vglib": kernel.this()}

    def _said(self) -> tuple[str, str]:
        return "", "Run this cell to bring it to life."


class Lab(_OnPage):
    """An experiment with controls: a figure that follows them and a verdict in words.

    `experiment(**values)` is pure and seeded; what it returns has a `verdict`, one sentence. It may
    be a generator of ever fuller results: the lab draws them as they come, and keeps the last.
    `draw(result)` is pure and returns a drawing with the same traces each time; traces whose `meta`
    is "measured" can be held as a ghost, those with "theory" switched off. `presets` maps a name to
    the values that it sets; all others are those of the start, but for the seed, which is kept.
    An experiment with a `seed` has the control for it, last, without being given one.
    With `score`, a Register button adds the present result to `registered`, and `score(registered)`
    is shown in words. The first computation and every `set` raise what the experiment raises; an
    exception in a later callback shows as one line above the figure. A lab that times something is
    not `repeatable`: another process finds other numbers.
    """

    def __init__(
        self,
        experiment: Callable[..., Any],
        draw: Callable[[Any], Drawing],
        *,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        score: Callable[[Sequence[Any]], str] | None = None,
        repeatable: bool = True,
        **controls: Control,
    ) -> None:
        if "seed" in signature(experiment).parameters:
            controls.setdefault("seed", seed())
        self._experiment, self._draw = experiment, draw
        self.controls, self._score = dict(controls), score
        self.registered: list[Any] = []
        self.repeatable = repeatable
        self.presets = dict(presets or {})
        for name, preset in self.presets.items():
            for key, value in preset.items():
                one_of(f"control for preset {name!r}", key, controls)
                controls[key].clean(value)
        self.start: dict[str, Any] = {k: c.clean(c.value) for k, c in controls.items()}
        self.values = dict(self.start)
        self._ghosts: list[dict[str, Any]] = []
        self._theory, self._resets, self._quiet = True, 1, False
        with fair_weather(), live.on_page():
            found = experiment(**self.values)
            self.result = last(found) if isinstance(found, Generator) else found
            self._drawn = draw(self.result)
            self._view = live.Figure(self._shown(self._drawn), self.verdict)
            self._build_widgets()

    @property
    def verdict(self) -> str:
        """What the present figure shows, in one sentence."""
        return str(self.result.verdict)

    @property
    def error(self) -> str:
        """The line above the figure that says what went wrong in the last callback; else empty."""
        return str(self._view.words["error"])

    def set(self, **values: Any) -> Self:
        """Set controls by name, compute, redraw and return the lab.

        Raises ValueError for a name or value that the lab does not take, and whatever the
        experiment raises; controls and figure then stay as they were.
        """
        for name in values:
            one_of("control", name, self.controls)
        new = self.values | {k: self.controls[k].clean(v) for k, v in values.items()}
        self._show(new)
        return self

    def preset(self, name: str) -> Self:
        """Set the values of a preset; raises ValueError for a name that the lab does not have."""
        one_of("preset", name, self.presets)
        kept = {"seed": self.values["seed"]} if "seed" in self.values else {}
        self.set(**{**self.start, **kept, **self.presets[name]})
        with self._silence():
            self._preset_box.value = name
        return self

    def hold(self) -> Self:
        """Keep the measured curves of the present figure as a ghost to compare with."""
        name = f"held: {self._label()}"
        kinds = ("scatter", figures.MEASURED)
        held = [t for t in self._drawn.data if (t["type"], t.get("meta")) == kinds]
        self._ghosts = [_ghost(trace, name, number == 0) for number, trace in enumerate(held)]
        self._redraw()
        return self

    def reseed(self) -> Self:
        """Draw new weights: take the next seed."""
        return self.set(seed=self.values["seed"] + 1)

    def register(self) -> Self:
        """Put the present result on the score."""
        if self._score is None:
            raise ValueError("This lab keeps no score, so there is nothing to register for.")
        self.registered.append(self.result)
        self._score_line.value = html.escape(self._score(self.registered))
        return self

    def reset(self) -> Self:
        """Go back to the start: first values, no ghost, theory shown, nothing zoomed."""
        self._show(self.start, afresh=True)
        with self._silence():
            self._preset_box.value = _CUSTOM
            self._theory_box.value = True
        return self

    def _said(self) -> tuple[str, str]:
        shows = f"The picture shows {self._label(name_all=True)}."
        return shows, "Run this cell to bring the lab to life."

    def __repr__(self) -> str:
        return f"Lab({self._label(name_all=True)}): {self.verdict}"

    def _label(self, name_all: bool = False) -> str:
        always = self.values if name_all else ("depth", "weight_scale")
        shown = {k: v for k, v in self.values.items() if k in always or v != self.start[k]}
        return ", ".join(f"{k}={controls.short(v)}" for k, v in shown.items())

    def _build_widgets(self) -> None:
        self._inputs = {name: control.make() for name, control in self.controls.items()}
        for widget in self._inputs.values():
            widget.observe(self._on_control, "value")
        self._preset_box = widgets.Dropdown(
            options=[_CUSTOM, *self.presets],
            **controls.look("preset", "Named settings to step through."),
        )
        self._preset_box.observe(self._on_preset, "value")
        self._theory_box = widgets.Checkbox(
            True, indent=False, **controls.look("theory", "Draw the theory over the measurement.")
        )
        self._theory_box.observe(self._on_theory, "value")
        self.widgets = self._inputs | {"preset": self._preset_box, "theory": self._theory_box}
        has_theory = any(t.get("meta") == figures.THEORY for t in self._drawn.data)
        hold = "Keep the present curve as a ghost to compare with."
        buttons = (
            (True, "Hold", hold, self.hold),
            ("seed" in self.controls, "Reseed", "Draw new random weights.", self.reseed),
            (True, "Reset", "Go back to the start.", self.reset),
            (self._score, "Register", "Put this try on the score.", self.register),
        )
        tools = [
            *([self._preset_box] if self.presets else []),
            *(self._button(name, tip, act) for wanted, name, tip, act in buttons if wanted),
            *([self._theory_box] if has_theory else []),
        ]
        self._score_line = widgets.HTML()
        self._score_line.add_class("vglib-score")
        score = [self._score_line] if self._score else []
        self._box = _box([*self._inputs.values()], tools, [*score, self._view])
        live.replace_earlier(self._box, self._preset_box, self._theory_box, self._score_line)

    def _button(self, label: str, tooltip: str, action: Callable[[], Self]) -> widgets.Button:
        def press(_: widgets.Button) -> None:
            with self._reported():
                action()

        button = widgets.Button(description=label, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(press)
        return button

    def _on_control(self, change: Mapping[str, Any]) -> None:
        if self._quiet:
            return
        with self._reported():
            self._show({k: self.controls[k].clean(w.value) for k, w in self._inputs.items()})
            with self._silence():
                self._preset_box.value = _CUSTOM

    def _on_preset(self, change: Mapping[str, Any]) -> None:
        if not self._quiet and change["new"] != _CUSTOM:
            with self._reported():
                self.preset(change["new"])

    def _on_theory(self, change: Mapping[str, Any]) -> None:
        self._theory = change["new"]
        if not self._quiet:
            self._redraw()

    def _show(self, values: Mapping[str, Any], *, afresh: bool = False) -> None:
        before = self._view.drawing
        try:
            with fair_weather():
                result = self._experiment(**values)
                if isinstance(result, Generator):
                    result = self._watched(result)
                drawn = self._redrawn(result)
        except BaseException:
            if self._view.drawing is not before:
                self._view.show(before, self.verdict)
            raise
        self.result, self.values, self._drawn = result, dict(values), drawn
        if afresh:
            self._ghosts, self._theory, self._resets = [], True, self._resets + 1
        with self._silence():
            for name, widget in self._inputs.items():
                controls.put(widget, values[name])
        self._redraw()

    def _watched(self, results: Generator[Any]) -> Any:
        looked = -_LOOK
        # Closed here, in the lab's weather: a training that is broken off puts threads back.
        with closing(results):
            for result in results:
                if time.monotonic() - looked >= _LOOK:
                    shown = self._shown(self._redrawn(result))
                    self._view.show(shown, str(result.verdict), busy=True)
                    looked = time.monotonic()
        return result

    def _redrawn(self, result: Any) -> Drawing:
        drawn = self._draw(result)
        if len(drawn.data) != len(self._drawn.data):
            raise RuntimeError(
                f"draw returned {len(drawn.data)} traces after {len(self._drawn.data)}; it must "
                "return the same traces each time."
            )
        return drawn

    def _redraw(self) -> None:
        self._view.show(self._shown(self._drawn), self.verdict)

    def _shown(self, drawn: Drawing) -> Drawing:
        data = list(drawn.data)
        if not self._theory:
            hidden = {"visible": False}
            data = [t | hidden if t.get("meta") == figures.THEORY else t for t in data]
        layout = _with_room(drawn.layout, self._ghosts) | {"uirevision": self._resets}
        return Drawing(data + self._ghosts, layout)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn an exception of a callback, which JupyterLab would hide, into one visible line."""
        try:
            yield
        except Exception as error:
            self._view.complain(f"⚠ {error} The figure still shows {self._label(name_all=True)}.")


class Still(_OnPage):
    """A drawing without controls, shown on the page as a lab's figure is, under one sentence."""

    def __init__(self, drawing: Drawing, words: str) -> None:
        with fair_weather(), live.on_page():
            self._view = live.Figure(drawing, words)
            self._box = _box([self._view])
        live.replace_earlier(self._box)

    def __repr__(self) -> str:
        return f"Still: {self._view.words['verdict']}"


def _box(*rows: Sequence[widgets.Widget]) -> widgets.VBox:
    made = []
    for index, row in enumerate(rows[:-1]):
        box = widgets.Box([*row, *([live.Page()] if index == len(rows) - 2 else [])])
        box.add_class("vglib-row")
        made.append(box)
    box = widgets.VBox([*made, *rows[-1], *([] if made else [live.Page()])])
    box.add_class("vglib-lab")
    return box


def _ghost(trace: Mapping[str, Any], name: str, named: bool) -> dict[str, Any]:
    kept = {k: trace[k] for k in ("type", "x", "y", "xaxis", "yaxis")}
    return kept | {
        "mode": "lines",
        "line": {"color": figures.GREY, "width": 2, "dash": "dot"},
        "name": name,
        "legendgroup": "held",
        "showlegend": named,
        "meta": figures.GHOST,
        "hoverinfo": "skip",
    }


def _with_room(layout: dict[str, Any], ghosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    layout = dict(layout)
    for ghost in ghosts:
        key = ghost["yaxis"].replace("y", "yaxis")
        axis, y = layout.get(key, {}), ghost["y"][np.isfinite(ghost["y"])]
        if "range" in axis and len(y):
            low, high = axis["range"]
            low, high = min(low, float(np.floor(y.min()))), max(high, float(np.ceil(y.max())))
            ticks = {"dtick": figures.whole_step(low, high)} if "dtick" in axis else {}
            layout[key] = {**axis, "range": [low, high], **ticks}
    return layout
