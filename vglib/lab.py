"""The only widget glue: controls, a figure updated in place, a verdict in words, an error line."""

from __future__ import annotations

import html
import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from math import isfinite
from numbers import Real
from typing import Any

import anywidget
import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
import traitlets

from vglib import figures

_CUSTOM = "—"
_AXIS_CHANGE = re.compile(r"[xy]axis\d*\.(range|dtick)")


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
        if not _whole(new) or not 0 <= new < 1_000_000:
            raise ValueError(f"seed is {new}; it must be a whole number from 0 to 999999.")
        return int(new)

    tooltip = "The random draw of the weights. Reseed takes the next number."
    make = partial(widgets.IntText, value, **_look("seed", tooltip, "140px"))
    return Control(value, make, clean, (0, 1))


def ladder(label: str, value: int, stops: Sequence[int], tooltip: str) -> Control:
    """Make a slider over whole numbers that shows some of them and takes any between the ends."""

    def clean(new: Any) -> int:
        if not _whole(new) or not stops[0] <= new <= stops[-1]:
            raise ValueError(
                f"{label} is {new}; it must be a whole number from {stops[0]} to {stops[-1]}."
            )
        return int(new)

    return Control(value, _stepped(label, value, stops, tooltip), clean, (stops[0], stops[-1]))


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

    With `log` the steps are equal factors, and `step` is not used. Raises ValueError for a
    logarithmic slider that starts at 0 or below.
    """
    if log and low <= 0:
        raise ValueError(f"{label} has a logarithmic slider that starts at {low}; start above 0.")
    count = 101 if step is None else round((high - low) / step) + 1
    grid = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    stops = [low, *(float(f"{s:.3g}") for s in grid[1:-1]), high]
    return _slider(label, value, stops, tooltip)


def _slider(label: str, value: float, stops: Sequence[float], tooltip: str) -> Control:
    low, high = stops[0], stops[-1]
    slack = 1e-9 * max(abs(low), abs(high))

    def clean(new: Any) -> float:
        if not _number(new) or not low - slack <= new <= high + slack:
            raise ValueError(f"{label} is {new}; it must be a number from {low:g} to {high:g}.")
        return float(min(max(new, low), high))

    return Control(value, _stepped(label, value, stops, tooltip), clean, (low, high))


def _stepped(
    label: str, value: float, stops: Sequence[float], tooltip: str
) -> Callable[[], widgets.Widget]:
    # ipywidgets' number sliders move a value to their own grid as soon as they are shown, so that
    # a lab set to 10.15 would show another number; a slider over a list of stops does not.
    options = _options([*stops, value])
    look = _look(label, tooltip)
    look["layout"] = {"flex": "1 1 290px", "max_width": "420px"}
    return lambda: widgets.SelectionSlider(options=options, value=value, **look)


def choice(label: str, value: str, options: Sequence[str], tooltip: str) -> Control:
    """Make a drop-down list of names."""

    def clean(new: Any) -> str:
        if new not in options:
            raise ValueError(f"{label} is {new!r}; choose from {', '.join(options)}.")
        return str(new)

    make = partial(widgets.Dropdown, options=list(options), value=value, **_look(label, tooltip))
    return Control(value, make, clean, tuple(options))


def toggle(label: str, value: bool, tooltip: str) -> Control:
    """Make a check box."""

    def clean(new: Any) -> bool:
        if not isinstance(new, (bool, np.bool_)):
            raise ValueError(f"{label} is {new!r}; it must be True or False.")
        return bool(new)

    make = partial(widgets.Checkbox, value, indent=False, **_look(label, tooltip))
    return Control(value, make, clean, (False, True))


class Lab:
    """An experiment with controls: a figure that follows them and a verdict in words.

    `experiment(**values)` is pure and seeded; what it returns has a `verdict`, one sentence.
    `draw(result)` is pure and returns a figure with the same traces each time; traces whose `meta`
    is "measured" can be held as a ghost, those with "theory" switched off. `presets` maps a name to
    the values it sets. With `score`, a Register button adds the present result to `registered`, and
    `score(registered)` is shown in words. The first computation and every `set` raise what the
    experiment raises; an exception in a later callback shows as one line above the figure. A lab
    that times something is not `repeatable`: another process finds other numbers.
    """

    def __init__(
        self,
        experiment: Callable[..., Any],
        draw: Callable[[Any], go.Figure],
        *,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        score: Callable[[Sequence[Any]], str] | None = None,
        repeatable: bool = True,
        **controls: Control,
    ) -> None:
        self._experiment, self._draw = experiment, draw
        self.controls, self._score = dict(controls), score
        self.registered: list[Any] = []
        self.repeatable = repeatable
        self.presets = dict(presets or {})
        for name, preset in self.presets.items():
            for key, value in preset.items():
                self._check_name(key, f"preset {name!r}")
                controls[key].clean(value)
        self.values: dict[str, Any] = {k: c.clean(c.value) for k, c in controls.items()}
        self.result = experiment(**self.values)
        drawn = draw(self.result)
        self._live = len(drawn.data)
        self._drawn = _properties(drawn)
        self._held: str | None = None
        self._quiet = False
        self.figure = _figure_widget(drawn)
        self._build_widgets()

    @property
    def verdict(self) -> str:
        """What the present figure shows, in one sentence."""
        return str(self.result.verdict)

    @property
    def error(self) -> str:
        """The line above the figure that says what went wrong in the last callback; else empty."""
        return str(self._error_line.value)

    def set(self, **values: Any) -> Lab:
        """Set controls by name, compute, redraw and return the lab.

        Raises ValueError for a name or value that the lab does not take, and whatever the
        experiment raises; controls and figure then stay as they were.
        """
        for name in values:
            self._check_name(name, "set")
        new = self.values | {k: self.controls[k].clean(v) for k, v in values.items()}
        self._show(new)
        return self

    def preset(self, name: str) -> Lab:
        """Set the values of a preset; raises ValueError for a name that the lab does not have."""
        if name not in self.presets:
            raise ValueError(f"There is no preset {name!r}; choose from {', '.join(self.presets)}.")
        self.set(**self.presets[name])
        with self._silence():
            self._preset_box.value = name
        return self

    def hold(self) -> Lab:
        """Keep the measured curves of the present figure as a ghost to compare with."""
        self._held = self._label()
        live = self.figure.data[: self._live]
        with self.figure.batch_update():
            for ghost in self.figure.data[self._live :]:
                source = live[ghost.customdata[0]]
                ghost.x, ghost.y, ghost.visible = source.x, source.y, True
                ghost.name = f"held: {self._held}"
        return self

    def reseed(self) -> Lab:
        """Draw new weights: take the next seed."""
        return self.set(seed=self.values["seed"] + 1)

    def register(self) -> Lab:
        """Put the present result on the score."""
        if self._score is None:
            raise ValueError("This lab keeps no score, so there is nothing to register for.")
        self.registered.append(self.result)
        self._score_line.value = f"<b>{html.escape(self._score(self.registered))}</b>"
        return self

    def reset(self) -> Lab:
        """Go back to the start: first values, no ghost, theory shown."""
        self.set(**{k: c.value for k, c in self.controls.items()})
        self._held = None
        with self.figure.batch_update():
            for ghost in self.figure.data[self._live :]:
                ghost.visible = False
        with self._silence():
            self._preset_box.value = _CUSTOM
            self._theory_box.value = True
        self._show_theory(True)
        return self

    def __repr__(self) -> str:
        return f"Lab({self._label(name_all=True)}): {self.verdict}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        if os.environ.get("VGLIB_STORE_PNG"):
            return {"text/plain": repr(self), "image/png": self._png()}
        self.figure.send_changed()
        bundle = self._box._repr_mimebundle_(**kwargs) or {}
        # A saved copy whose kernel is gone falls back to this line instead of to an error.
        line = (
            f"<p>{html.escape(self.verdict)} <em>Run this cell to bring the lab to life.</em></p>"
        )
        return {**bundle, "text/plain": repr(self), "text/html": line}

    def _check_name(self, name: str, where: str) -> None:
        if name not in self.controls:
            raise ValueError(
                f"{where}: the lab has no control {name!r}; it has {', '.join(self.controls)}."
            )

    def _label(self, name_all: bool = False) -> str:
        shown = {
            k: v
            for k, v in self.values.items()
            if name_all or v != self.controls[k].value or k in ("depth", "weight_scale")
        }
        return ", ".join(f"{k}={_short(v)}" for k, v in shown.items())

    def _build_widgets(self) -> None:
        self.widgets = {name: control.make() for name, control in self.controls.items()}
        self._inputs = dict(self.widgets)
        for widget in self._inputs.values():
            widget.observe(self._on_control, "value")
        self._preset_box = widgets.Dropdown(
            options=[_CUSTOM, *self.presets],
            **_look("preset", "Named settings to step through."),
        )
        self._preset_box.observe(self._on_preset, "value")
        self._theory_box = widgets.Checkbox(
            True, indent=False, **_look("theory", "Draw the theory over the measurement.")
        )
        self._theory_box.observe(lambda change: self._show_theory(change["new"]), "value")
        self.widgets |= {"preset": self._preset_box, "theory": self._theory_box}
        self._score_line = widgets.HTML()
        buttons = [
            self._button("Hold", "Keep the present curve as a ghost to compare with.", self.hold),
            self._button("Reset", "Go back to the start.", self.reset),
        ]
        if "seed" in self.controls:
            buttons.insert(1, self._button("Reseed", "Draw new random weights.", self.reseed))
        if self._score:
            buttons.append(self._button("Register", "Put this try on the score.", self.register))
        has_theory = any(t.meta == figures.THEORY for t in self.figure.data)
        self._verdict_line, self._error_line = widgets.HTML(), widgets.HTML()
        self._verdict_line.add_class("vglib-verdict")
        self._error_line.add_class("vglib-error")
        page = _Page()
        page.observe(lambda change: self._show_theme(change["new"]), "dark")
        rows = [
            _row(self._inputs.values()),
            _row(
                [
                    *([self._preset_box] if self.presets else []),
                    *buttons,
                    *([self._theory_box] if has_theory else []),
                    page,
                ]
            ),
        ]
        lines = [self._verdict_line, self._error_line, *([self._score_line] if self._score else [])]
        self._box = widgets.VBox([*rows, *lines, self.figure])
        self._box.add_class("vglib-lab")
        self._say()

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

    def _button(self, label: str, tooltip: str, action: Callable[[], Lab]) -> widgets.Button:
        def press(_: widgets.Button) -> None:
            with self._reported():
                action()

        button = widgets.Button(description=label, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(press)
        return button

    def _show(self, values: dict[str, Any]) -> None:
        result = self._experiment(**values)
        drawn = _properties(self._draw(result))
        if len(drawn["data"]) != self._live:
            raise RuntimeError(
                f"draw returned {len(drawn['data'])} traces after {self._live}; it must return the "
                "same traces each time."
            )
        self._make_room_for_ghosts(drawn["layout"])
        before = [*self._drawn["data"], self._drawn["layout"]]
        after = [*drawn["data"], drawn["layout"]]
        changes = [_changes(old, new) for old, new in zip(before, after, strict=True)]
        targets = [*self.figure.data[: self._live], self.figure.layout]
        moved = _is_move(drawn["data"], changes) and _all_move(self.figure.data, changes)
        with self.figure.batch_move() if moved else self.figure.batch_update():
            for target, change in zip(targets, changes, strict=True):
                for path, value in change.items():
                    target[path] = value
        self._drawn, self.result, self.values = drawn, result, dict(values)
        with self._silence():
            for name, widget in self._inputs.items():
                _put(widget, values[name])
        self._say()

    def _make_room_for_ghosts(self, layout: dict[str, Any]) -> None:
        for ghost in self.figure.data[self._live :]:
            axis = layout.get((ghost.yaxis or "y").replace("y", "yaxis"), {})
            y = np.asarray(ghost.y if ghost.visible and ghost.y is not None else [], dtype=float)
            y = y[np.isfinite(y)]
            if "range" in axis and len(y):
                low, high = axis["range"]
                low, high = min(low, np.floor(y.min())), max(high, np.ceil(y.max()))
                axis["range"] = [low, high]
                if "dtick" in axis:
                    axis["dtick"] = figures.whole_step(low, high)

    def _say(self) -> None:
        text = html.escape(self.verdict)
        self._verdict_line.value = f'<div role="status" aria-live="polite">{text}</div>'
        self._error_line.value = ""

    def _show_theory(self, shown: bool) -> None:
        with self.figure.batch_update():
            for trace in self.figure.data:
                if trace.meta == figures.THEORY:
                    trace.visible = shown

    def _show_theme(self, dark: bool) -> None:
        self.figure.layout.template = {"layout": dict(figures.theme(dark))}

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
            text = html.escape(f"{error} The figure still shows {self._label(name_all=True)}.")
            self._error_line.value = f'<div role="alert">⚠ {text}</div>'

    def _png(self) -> bytes:
        # Tools of an author, which a learner's machine does without.
        import kaleido
        from PIL import Image

        still = go.Figure(self.figure.to_dict())
        lines = textwrap.wrap(self.verdict, 110)
        room = 22 * len(lines) + 10
        still.update_layout(
            title={
                "text": "<br>".join(lines),
                "font": {"size": 16},
                "x": 0.01,
                "yref": "container",
                "y": 0.99,
                "yanchor": "top",
                # plotly would put the first of several lines half off the picture.
                "pad": {"t": 12 if len(lines) > 1 else 0},
            },
            margin={"t": (still.layout.margin.t or 44) + room},
            height=(still.layout.height or 420) + room,
        )
        # One browser for all pictures of a kernel, and none that fetches MathJax from elsewhere.
        kaleido.start_sync_server(silence_warnings=True, mathjax=False)
        options = {"format": "png", "width": 1000, "height": still.layout.height, "scale": 1.5}
        picture = Image.open(BytesIO(kaleido.calc_fig_sync(still.to_dict(), opts=options)))
        small = BytesIO()
        # Lines on paper need few colours, and the notebook shrinks to a third.
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
            small, "png", optimize=True
        )
        return small.getvalue()


class _Plotly(anywidget.AnyWidget):
    """plotly's JavaScript, five megabytes, for all figures of a page."""

    source = traitlets.Unicode().tag(sync=True)
    _esm = "export default {}"


@lru_cache(maxsize=1)
def _plotly() -> _Plotly:
    return _Plotly(source=str(go.FigureWidget._esm))


class _Figure(go.FigureWidget):
    """A FigureWidget that moves lines quickly, and that a reloaded page gets as it is now.

    Each FigureWidget would bring plotly along, and the page would read it again for every lab.
    """

    _shared = traitlets.Unicode().tag(sync=True)
    _esm = """
    const plotly = async (model) => {
      const shared = await model.widget_manager.get_model(model.get("_shared"));
      const blob = () => new Blob([shared.get("source")], { type: "text/javascript" });
      return (shared.evaluated ??= import(URL.createObjectURL(blob())));
    };
    export default () => {
      let figure;
      return {
        async initialize(context) {
          figure = (await plotly(context.model)).default();
          return figure.initialize(context);
        },
        render: (context) => figure.render(context),
      };
    };
    """

    @traitlets.default("_shared")
    def _share(self) -> str:
        return str(_plotly().model_id)

    @contextmanager
    def batch_move(self) -> Iterator[None]:
        """Send what changes inside as one message, for places of points and ranges of axes alone.

        plotly then redraws those lines and axes, in a third of the time `batch_update` takes for
        the whole figure; of any other property it would draw nothing.
        """
        self._in_batch_mode = True
        try:
            yield
        finally:
            self._in_batch_mode = False
            self._perform_batch_animate(
                {"transition": {"duration": 0}, "frame": {"duration": 0, "redraw": False}}
            )

    def send_changed(self) -> None:
        """Send the whole of a figure that has changed, since plotly garbles it in a new view."""
        if self._last_trace_edit_id or self._last_layout_edit_id:
            self.send_state()

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        if key is None and "_widget_data" in self._trait_values:
            self._trait_values["_widget_data"] = deepcopy(self._data)
            self._trait_values["_widget_layout"] = deepcopy(self._layout_obj._props)
        return super().get_state(key, drop_defaults)


class _Page(anywidget.AnyWidget):
    """What the page tells the lab and the lab the page: the theme, the keyboard, the look."""

    dark = traitlets.Bool(False).tag(sync=True)
    _esm = """
    function render({ model, el }) {
      const readTheme = () => {
        const light = document.body.dataset.jpThemeLight;
        model.set("dark", light === "false");
        model.save_changes();
      };
      readTheme();
      const watcher = new MutationObserver(readTheme);
      const attributeFilter = ["data-jp-theme-light"];
      watcher.observe(document.body, { attributes: true, attributeFilter });
      // JupyterLab's shortcuts take arrow keys and Escape away unless the focused element says no.
      const claimKeys = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");
      // A surface would keep the wheel, and whoever scrolls the page gets stuck on it.
      const keepWheel = (event) => event.stopPropagation();
      // A figure is drawn before it knows its room, and looks again only when the window resizes.
      const fit = () => {
        const plot = lab.querySelector(".js-plotly-plot .main-svg");
        if (!plot) timer = setTimeout(fit, 50);
        else if (Math.abs(plot.clientWidth - lab.clientWidth) > 20 && lab.clientWidth)
          window.dispatchEvent(new Event("resize"));
      };
      const sizes = new ResizeObserver(() => {
        clearTimeout(timer);
        timer = setTimeout(fit, 50);
      });
      let lab = null;
      const attach = () => {
        lab = el.closest(".vglib-lab");
        if (!lab) return (timer = setTimeout(attach, 50));
        lab.addEventListener("focusin", claimKeys);
        lab.addEventListener("wheel", keepWheel, { capture: true, passive: true });
        sizes.observe(lab);
      };
      let timer = setTimeout(attach, 0);
      return () => {
        clearTimeout(timer);
        watcher.disconnect();
        sizes.disconnect();
        lab?.removeEventListener("focusin", claimKeys);
        lab?.removeEventListener("wheel", keepWheel, { capture: true });
      };
    }
    export default { render };
    """
    _css = """
    .vglib-lab { overflow: hidden; }
    .vglib-lab .vglib-row { flex-flow: row wrap; gap: 2px 14px; overflow: hidden; }
    .vglib-lab .widget-label, .vglib-lab .widget-label-basic, .vglib-lab .widget-readout,
    .vglib-lab select,
    .vglib-lab input[type="number"], .vglib-lab button {
      font-size: calc(8px + 0.5 * var(--jp-content-font-size1, 14px)); }
    .vglib-lab .vglib-verdict { font-weight: 600; line-height: 1.35;
      font-size: calc(8px + 0.6 * var(--jp-content-font-size1, 14px));
      margin: 4px 8px; height: auto; }
    .vglib-lab .vglib-verdict .widget-html-content { line-height: 1.35; white-space: normal; }
    .vglib-lab .vglib-error .widget-html-content { line-height: 1.35; white-space: normal;
      font-size: 16px; font-weight: 600; color: #d55e00; }
    .vglib-lab :focus-visible { outline: 2px solid #2f7fc1; outline-offset: 1px; }
    """


def _figure_widget(drawn: go.Figure) -> _Figure:
    """Make the live figure: the drawn traces, then an invisible ghost for each measured line."""
    live = _properties(drawn)
    ghosts = [
        {
            **{k: trace[k] for k in ("type", "xaxis", "yaxis") if k in trace},
            "mode": "lines",
            "line": {"color": figures.GREY, "width": 2, "dash": "dot"},
            "name": "held",
            "legendgroup": "held",
            "meta": figures.GHOST,
            "customdata": [index],
            "visible": False,
            "hoverinfo": "skip",
        }
        for index, trace in enumerate(live["data"])
        if trace.get("meta") == figures.MEASURED and trace["type"] == "scatter"
    ]
    for number, ghost in enumerate(ghosts):
        ghost["showlegend"] = number == 0
    figure = _Figure([*live["data"], *ghosts], live["layout"])
    figure._config = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["sendChartToCloud", "sendDataToCloud", "lasso2d", "select2d"],
    }
    return figure


def _properties(drawn: go.Figure) -> dict[str, Any]:
    """Return traces and layout as plain dicts; `to_plotly_json` of a figure would encode arrays."""
    return {
        "data": [trace.to_plotly_json() for trace in drawn.data],
        "layout": drawn.layout.to_plotly_json(),
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs, by path, so that one small message leaves the kernel."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return {
        path: after.get(path)
        for path in [*before, *(p for p in after if p not in before)]
        if not _same(before.get(path), after.get(path))
    }


def _is_move(traces: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether points of plain lines have moved, and perhaps the axes with them."""
    *of_traces, of_layout = changes
    return all(
        trace["type"] == "scatter" and "text" not in trace and change.keys() <= {"x", "y"}
        for trace, change in zip(traces, of_traces, strict=True)
        if change
    ) and all(_AXIS_CHANGE.fullmatch(path) for path in of_layout)


def _all_move(traces: Sequence[Any], changes: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether each panel has a visible trace of each of its kinds among those that change.

    plotly takes what a move does not name off the panels and layers of which it names nothing.
    """

    def layer(trace: Any) -> tuple[str, str, str]:
        return trace["xaxis"] or "x", trace["yaxis"] or "y", trace.type

    shown = {layer(t) for t in traces if "xaxis" in t and t.visible is not False}
    *of_traces, _ = changes
    moving = zip(traces, of_traces, strict=False)
    return shown <= {layer(t) for t, change in moving if change and t.visible is not False}


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if key == "template":
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        numeric = one.dtype.kind == "f" and other.dtype.kind == "f"
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=numeric)
    return type(one) is type(other) and one == other


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def _whole(value: Any) -> bool:
    return _number(value) and value == int(value)


def _options(values: Iterable[float]) -> list[tuple[str, float]]:
    return [(_short(v), v) for v in sorted(set(values))]


def _put(widget: widgets.Widget, value: Any) -> None:
    if isinstance(widget, widgets.SelectionSlider):
        stops = [v for _, v in widget.options]
        if value not in stops:
            widget.options = _options([*stops, value])
    if widget.value != value:
        widget.value = value


def _look(label: str, tooltip: str, width: str = "auto") -> dict[str, Any]:
    return {
        "description": label,
        "tooltip": tooltip,
        "style": {"description_width": "auto"},
        "layout": {"width": width},
    }


def _row(children: Any) -> widgets.Box:
    row = widgets.Box(list(children))
    row.add_class("vglib-row")
    return row


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
