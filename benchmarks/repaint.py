"""From a key press on a slider to the repaint, in JupyterLab in Chromium.

The clock is the page's own. It starts at the keydown; the observer sees the change of the document
that the press must bring about (the label's text, the paths of the plot, the picture), and the
clock is read in the first message after the animation frame of such a change: then that frame has
been drawn. The first reading is the first repaint, the last one the last: a lab that trains draws
what it has so far, and says when it is done. A fifth of a second after the last move a figure is
drawn once more, the same to the eye, for its hover and zoom; that is not counted. All contenders
are measured by these same lines, in turns of a few presses each.
"""

import cProfile
import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooLate

from benchmarks.jupyter import open_notebook
from benchmarks.report import Part, Row, at_least, progress, within
from benchmarks.timing import own_time, time_of
from tools import discover
from tools.browser import find_browser, skip_reason
from vglib.weather import one_thread

PRESSES, ROUNDS = 40, 4
OVER_ECHO, OVER_ECHO_DEEP, OVER_ECHO_RESIDUAL, OVER_MATPLOTLIB = 1.6, 2.5, 3.0, 4.0
FIRST, LAST = 150.0, 400.0  # ms to the first and to the last repaint of any lab
QUIET = 120  # ms without a change after which the picture counts as complete
PAUSE = 150  # ms between a repaint and the next press
LAB_PRESSES = 3
KERNEL_MOVES = 10
GIVE_UP = 8_000  # ms
LABS_SECONDS = 600.0
RUN_SECONDS = 180.0

STOPWATCH = """
([cell, watched, quiet, giveUp]) => {
  const output = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell]
    .querySelector('.jp-Cell-outputArea');
  const within = (node) =>
    Boolean((node instanceof Element ? node : node.parentElement)?.closest(watched));
  const brings = (node) =>
    within(node) || (node instanceof Element && node.querySelector(watched) !== null);
  const busy = () => output.querySelector('.vglib-verdict')?.getAttribute('aria-busy') === 'true';
  window.answer = new Promise((resolve) => {
    let start = null, waiting = false, timer = null, first = null;
    const finish = (value) => { observer.disconnect(); resolve(value); };
    const rest = (value) => {
      if (busy()) timer = setTimeout(rest, quiet, value);
      else finish(value);
    };
    const limit = setTimeout(finish, giveUp, null);
    const drawn = new MessageChannel();
    drawn.port1.onmessage = () => {
      waiting = false;
      clearTimeout(limit);
      clearTimeout(timer);
      const now = performance.now() - start;
      first ??= now;
      timer = setTimeout(rest, quiet, [first, now]);
    };
    const observer = new MutationObserver((changes) => {
      const relevant = changes.some((change) => change.type === 'childList'
        ? [...change.addedNodes].some(brings) : within(change.target));
      if (start === null || waiting || !relevant) return;
      waiting = true;
      requestAnimationFrame(() => drawn.port2.postMessage(null));
    });
    const everything = { subtree: true, childList: true, characterData: true, attributes: true };
    observer.observe(output, everything);
    const press = () => { start = performance.now(); };
    document.addEventListener('keydown', press, { capture: true, once: true });
  });
}
"""

ECHO_SOURCE = """
import ipywidgets as widgets
slider, label = widgets.IntSlider(0, 0, 1000), widgets.Label("0")
label.add_class("echo")
slider.observe(lambda change: setattr(label, "value", str(change["new"])), "value")
widgets.VBox([slider, label])
"""
LAB_SOURCE = """
from vglib.start_here import labs
labs.gradient_flow_lab().set(depth={depth})
"""
MATPLOTLIB_SOURCE = """
%matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
from ipywidgets import FloatLogSlider, interact
from vglib.start_here.flow import gradient_flow

def show(weight_scale):
    flow = gradient_flow(depth=20, weight_scale=weight_scale)
    layers = np.arange(1, flow.depth + 1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4))
    axes[0].plot(layers, flow.trace.log_delta[:-1] / np.log(10), "o-")
    axes[0].plot(layers, flow.theory_log_delta / np.log(10), "--")
    axes[1].plot(layers, flow.trace.log_weight_grad[:-1] / np.log(10), "o-")
    axes[2].plot(layers, np.log10(flow.trace.spread[:-1]), "o-")
    for axis, title in zip(axes, ["delta", "weight gradient", "spread"]):
        axis.set(title=title, xlabel="layer")
    plt.show()
    print(flow.verdict)

slider = FloatLogSlider(1.0, min=np.log10(0.05), max=np.log10(20), step=0.01)
interact(show, weight_scale=slider);
"""

# What must change before a press counts as answered.
LABEL, PLOT, PICTURE = ".echo", ".js-plotly-plot .main-svg, .js-plotly-plot canvas", "img"


@dataclass(frozen=True)
class Contender:
    """One cell of the notebook: what is pressed in it and what must change."""

    name: str
    source: str
    watched: str
    presses: int = PRESSES
    slider: str = ".noUi-handle >> nth=0"


ECHO = Contender("bare slider-to-label echo", ECHO_SOURCE, LABEL)
SCALE = ".widget-inline-hbox:has(.widget-label:text-is('weight scale')) .noUi-handle"
LABS = {
    depth: Contender(
        f"gradient-flow lab, depth {depth}",
        LAB_SOURCE.format(depth=depth),
        PLOT,
        presses=PRESSES if depth < 1000 else 2 * ROUNDS,
        slider=SCALE,
    )
    for depth in (20, 50, 100, 1000)
}
RESIDUAL = Contender(
    "residual lab, depth 1000",
    "from vglib.residuals import labs\nlabs.flow_lab().set(depth=1000)",
    PLOT,
    presses=2 * ROUNDS,
    slider=SCALE,
)
# Chapter, lab, topic and experiment of the labs whose kernel is looked into.
GRADIENT_FLOW = ("start_here", "gradient_flow_lab", "flow", "gradient_flow")
RESIDUAL_FLOW = ("residuals", "flow_lab", "flow", "flow")
MATPLOTLIB = Contender("interact + matplotlib, depth 20", MATPLOTLIB_SOURCE, PICTURE)


def measure(every_lab: bool = False) -> Part:
    """Press keys in turn on the echo, the lab at each depth, and interact with matplotlib."""
    browser = find_browser()
    if browser is None:
        return Part([Row("key press to repaint", "not measured: no browser")], [skip_reason()])
    contenders = [ECHO, *LABS.values(), RESIDUAL, MATPLOTLIB]
    progress("repaint: starting JupyterLab")
    with open_notebook([c.source for c in contenders], browser, RUN_SECONDS) as page:
        times = _rounds(page, contenders)
    part = _compare(times)
    part.notes.append(f"{_kernel_share(GRADIENT_FLOW, 20)} {_kernel_share(GRADIENT_FLOW, 100)}")
    part.notes.append(_kernel_share(RESIDUAL_FLOW, 1000))
    if every_lab:
        more = _every_lab(browser)
        part = Part(part.rows + more.rows, part.notes + more.notes)
    return part


def _rounds(page: Page, contenders: Sequence[Contender]) -> dict[str, list[float]]:
    """Measure in rounds, so that a busy moment meets all contenders."""
    times: dict[str, list[float]] = {c.name: [] for c in contenders}
    for number in range(ROUNDS + 1):
        for cell, contender in enumerate(contenders):
            progress(f"repaint, round {number} of {ROUNDS}: {contender.name}")
            count = 1 if number == 0 else contender.presses // ROUNDS
            key = "ArrowRight" if number < 3 else "ArrowLeft"
            try:
                measured = _press(page, cell, contender, count, key)
            except TimeoutError as error:  # the others are still worth having
                progress(str(error))
                continue
            if number:  # the first presses compile and cache
                times[contender.name] += [last for _, last in measured]
    return times


def _press(
    page: Page, cell: int, contender: Contender, count: int, key: str
) -> list[tuple[float, float]]:
    """Return the ms from each press to the first and last repaint; raises TimeoutError."""
    handle = page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(contender.slider)
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.wait_for_timeout(2 * PAUSE)
    measured = []
    for _ in range(count):
        page.evaluate(STOPWATCH, [cell, contender.watched, QUIET, GIVE_UP])
        page.keyboard.press(key)
        answer = page.evaluate("() => window.answer")
        if answer is None:
            raise TimeoutError(f"{contender.name}: a key press changed nothing.")
        measured.append((float(answer[0]), float(answer[1])))
        page.wait_for_timeout(PAUSE)
    return measured


def _compare(times: dict[str, list[float]]) -> Part:
    rows = [Row(f"key press to repaint: {name}", _spread(values)) for name, values in times.items()]
    middle = {name: median(values) for name, values in times.items() if values}
    echo, matplotlib = middle.get(ECHO.name, nan), middle.get(MATPLOTLIB.name, nan)
    lab, deep = middle.get(LABS[20].name, nan), middle.get(LABS[100].name, nan)
    residual = middle.get(RESIDUAL.name, nan)
    # Where one of two was not measured, their ratio is nan and its budget missed.
    rows += [
        within("default lab over the echo", lab / echo, OVER_ECHO),
        within("lab at depth 100 over the echo", deep / echo, OVER_ECHO_DEEP),
        within("residual lab at depth 1000 over the echo", residual / echo, OVER_ECHO_RESIDUAL),
        at_least("interact + matplotlib over the default lab", matplotlib / lab, OVER_MATPLOTLIB),
    ]
    return Part(rows, [(__doc__ or "").strip()])


def _kernel_share(where: tuple[str, str, str, str], depth: int) -> str:
    """Say how long one move keeps the kernel busy, and which functions take that time.

    Measured in this process, without a page: what is missing to the repaint is the way there and
    back, plotly and the browser. On one thread, as in the course's JupyterLab.
    """
    chapter, name, topic, experiment = where
    with one_thread():
        compute = getattr(importlib.import_module(f"vglib.{chapter}.{topic}"), experiment)
        lab = discover.labs()[f"{chapter}.{name}"]().set(depth=depth)
        scales = [0.9, 1.1] * (KERNEL_MOVES // 2)
        whole, alone = [], []
        for scale in scales:
            whole.append(1000 * time_of(lambda s=scale: lab.set(weight_scale=s)))
            values = lab.values
            alone.append(1000 * time_of(lambda v=values: compute(**v)))
        python = cProfile.Profile()
        for scale in scales:
            python.runcall(lab.set, weight_scale=scale)
    return (
        f"A move of `{name}` at depth {depth} keeps the kernel busy for {median(whole):.0f} ms, "
        f"{median(alone):.0f} of them in `{experiment}`; by function, its own time "
        f"{own_time(python, 6)}."
    )


def _kernel_alone(chapter: str, name: str) -> str:
    """Say how long a move of a lab's first slider keeps the kernel busy, and with what."""
    with one_thread():
        lab = discover.labs()[f"{chapter}.{name}"]()
        kinds = ((n, w) for n, w in lab.widgets.items() if type(w).__name__ == "SelectionSlider")
        control, widget = next(kinds)
        stops = [value for _, value in widget.options]
        # Each stop once: what a lab has computed it may know.
        ahead = [*stops[widget.index + 1 :], *reversed(stops[: widget.index])][:KERNEL_MOVES]
        python = cProfile.Profile()
        whole = []
        for number, stop in enumerate(ahead):
            move = partial(lab.set, **{control: stop})
            whole.append(1000 * time_of(move if number % 2 else partial(python.runcall, move)))
    return (
        f"A move of `{name}`, control {control}, keeps the kernel busy for {median(whole):.0f} ms; "
        f"by function, its own time {own_time(python, 6)}. The rest is the way there and back, "
        "plotly, and the browser's painting, which has no graphics card here."
    )


def _every_lab(browser: Path) -> Part:
    """Press a key on the first slider of each lab that answers; judge each chapter's slowest."""
    part = Part()
    end = time.monotonic() + LABS_SECONDS
    for chapter, names in _labs_by_chapter().items():
        if time.monotonic() > end:
            part.rows.append(Row(f"labs of {chapter}", "not measured: out of time"))
            continue
        try:
            answers = _labs_of(chapter, names, browser)
        except (RuntimeError, TooLate) as error:
            part.rows.append(Row(f"labs of {chapter}", "not measured: they do not all run"))
            progress(str(error))
            continue
        times = {name: found for name, found in answers.items() if found is not None}
        for which, word, limit in ((0, "first", FIRST), (1, "last", LAST)):
            if times:
                slowest = max(times, key=lambda name: times[name][which])
                what = f"{word} repaint, slowest of {len(times)} labs of {chapter}: `{slowest}`"
                part.rows.append(within(what, times[slowest][which], limit, "ms"))
        slow = [name for name, (first, last) in times.items() if first > FIRST or last > LAST]
        part.notes += [_kernel_alone(chapter, name) for name in slow]
        shown = ", ".join(f"`{n}` {_answer(found)}" for n, found in answers.items())
        part.notes.append(f"Labs of {chapter}, key press to first and last repaint: {shown}.")
        progress(part.notes[-1])
    return part


def _labs_of(
    chapter: str, names: Sequence[str], browser: Path
) -> dict[str, tuple[float, float] | None]:
    """Return each lab's medians in milliseconds; None where no slider answers."""
    progress(f"repaint: {len(names)} labs of {chapter}")
    setup = f"from vglib.{chapter} import labs\nlabs."
    answers: dict[str, tuple[float, float] | None] = {}
    cells = [f"{setup}{name}()" for name in names]
    with open_notebook(cells, browser, RUN_SECONDS) as page:
        page.set_default_timeout(GIVE_UP)
        for cell, name in enumerate(names):
            # A slider may have too few stops, start at its last one, or move nothing at first.
            tries = [(slider, key) for slider in range(3) for key in ("ArrowRight", "ArrowLeft")]
            answers[name] = None
            for slider, key in tries:
                case = Contender(name, cells[cell], PLOT, slider=f".noUi-handle >> nth={slider}")
                try:
                    # The first press compiles and caches.
                    times = _press(page, cell, case, 1 + LAB_PRESSES, key)[1:]
                except (TimeoutError, TooLate):
                    continue
                first, last = (median(values) for values in zip(*times, strict=True))
                answers[name] = (first, last)
                break
    return answers


def _answer(found: tuple[float, float] | None) -> str:
    return "no slider that answers" if found is None else f"{found[0]:.0f} and {found[1]:.0f} ms"


def _labs_by_chapter() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for place in discover.labs():
        chapter, name = place.split(".")
        found.setdefault(chapter, []).append(name)
    return found


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return "no answer"
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.0f} ms (half of {len(values)} within {low:.0f} to {high:.0f})"
