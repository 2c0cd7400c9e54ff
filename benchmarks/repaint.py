"""From a key press on a slider to the repaint, in JupyterLab in Chromium.

The clock is the page's own. It starts at the keydown; the observer sees the change of the document
that the press must bring about (the label's text, the paths of the plot, the picture), and the
clock stops in the first message after the animation frame of the last such change: then that frame
has been drawn. All contenders are measured by these same lines, in turns of a few presses each.
"""

from __future__ import annotations

import cProfile
import importlib
import importlib.util
import inspect
import pkgutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooLate

import vglib
from benchmarks.jupyter import open_notebook
from benchmarks.report import Part, Row, at_least, progress, within
from benchmarks.timing import own_time, time_of
from tools.browser import find_browser, skip_reason
from vglib.training import one_thread

PRESSES, ROUNDS = 40, 4
OVER_ECHO, OVER_ECHO_DEEP, OVER_MATPLOTLIB = 2.0, 3.0, 3.0
QUIET = 120  # ms without a change after which the picture counts as complete
PAUSE = 150  # ms between a repaint and the next press
LAB_PRESSES = 3
KERNEL_MOVES = 10
GIVE_UP = 20_000  # ms
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
  window.answer = new Promise((resolve) => {
    let start = null, waiting = false, timer = null;
    const finish = (value) => { observer.disconnect(); resolve(value); };
    const limit = setTimeout(finish, giveUp, null);
    const drawn = new MessageChannel();
    drawn.port1.onmessage = () => {
      waiting = false;
      clearTimeout(limit);
      clearTimeout(timer);
      timer = setTimeout(finish, quiet, performance.now() - start);
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
from vglib.start_here.experiments import gradient_flow

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
# Chapter, lab and experiment of the labs whose kernel is looked into.
GRADIENT_FLOW = ("start_here", "gradient_flow_lab", "gradient_flow")
RESIDUAL_FLOW = ("residuals", "flow_lab", "flow")
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
                times[contender.name] += measured
    return times


def _press(page: Page, cell: int, contender: Contender, count: int, key: str) -> list[float]:
    """Return the milliseconds from each of `count` presses to the repaint; raises TimeoutError."""
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
        measured.append(float(answer))
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
        within("residual lab at depth 1000 over the echo", residual / echo, OVER_ECHO_DEEP),
        at_least("interact + matplotlib over the default lab", matplotlib / lab, OVER_MATPLOTLIB),
    ]
    return Part(rows, [(__doc__ or "").strip()])


def _kernel_share(where: tuple[str, str, str], depth: int) -> str:
    """Say how long one move keeps the kernel busy, and which functions take that time.

    Measured in this process, without a page: what is missing to the repaint is the way there and
    back, plotly and the browser. On one thread, as in the course's JupyterLab.
    """
    chapter, name, experiment = where
    with one_thread():
        labs = importlib.import_module(f"vglib.{chapter}.labs")
        compute = getattr(importlib.import_module(f"vglib.{chapter}.experiments"), experiment)
        lab = getattr(labs, name)().set(depth=depth)
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


def _every_lab(browser: Path) -> Part:
    """Press a key on the first slider of each lab, and report each chapter's slowest."""
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
        times = {name: ms for name, ms in answers.items() if ms is not None}
        if times:
            slowest = max(times, key=lambda name: times[name])
            what = f"slowest of the {len(times)} labs of {chapter}: `{slowest}`"
            part.rows.append(Row(what, f"{times[slowest]:.0f} ms"))
        shown = ", ".join(f"`{n}` {_answer(ms)}" for n, ms in answers.items())
        part.notes.append(f"Labs of {chapter}, from a key press to the repaint: {shown}.")
        progress(part.notes[-1])
    return part


def _labs_of(chapter: str, names: Sequence[str], browser: Path) -> dict[str, float | None]:
    """Return each lab's median in milliseconds; None where no slider answers."""
    progress(f"repaint: {len(names)} labs of {chapter}")
    setup = f"from vglib.{chapter} import labs\nlabs."
    cases = [Contender(name, f"{setup}{name}()", PLOT) for name in names]
    answers: dict[str, float | None] = {}
    with open_notebook([c.source for c in cases], browser, RUN_SECONDS) as page:
        page.set_default_timeout(GIVE_UP)
        for cell, case in enumerate(cases):
            answers[case.name] = None
            for key in ("ArrowRight", "ArrowLeft"):  # a slider may start at its last stop
                try:
                    # The first press compiles and caches.
                    times = _press(page, cell, case, 1 + LAB_PRESSES, key)
                except (TimeoutError, TooLate):
                    continue
                answers[case.name] = median(times[1:])
                break
    return answers


def _answer(milliseconds: float | None) -> str:
    return "no slider that answers" if milliseconds is None else f"{milliseconds:.0f} ms"


def _labs_by_chapter() -> dict[str, list[str]]:
    """Find the functions that return a Lab, as the tests do."""
    found: dict[str, list[str]] = {}
    for chapter in pkgutil.iter_modules(vglib.__path__):
        name = f"vglib.{chapter.name}.labs"
        if not chapter.ispkg or importlib.util.find_spec(name) is None:
            continue
        for attribute, function in vars(importlib.import_module(name)).items():
            if inspect.isfunction(function) and function.__annotations__.get("return") == "Lab":
                found.setdefault(chapter.name, []).append(attribute)
    return found


def _spread(values: list[float]) -> str:
    if len(values) < 2:
        return "no answer"
    low, _, high = quantiles(values, n=4)
    return f"{median(values):.0f} ms (half of {len(values)} within {low:.0f} to {high:.0f})"
