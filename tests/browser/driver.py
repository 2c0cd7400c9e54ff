"""Drive a real JupyterLab in headless Chromium: open a chapter, run it, move the labs' controls."""

import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import ipywidgets as widgets
import numpy as np
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page

from tools import launch
from vglib.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
# Pixels by which a drawn line may miss: plotly leaves out points that nobody would see.
APART = 2.5
VISIBLE = ".jp-NotebookPanel:not(.lm-mod-hidden)"
# Each time a kernel starts or stops working JupyterLab loads another icon and says so in two more
# places, which draws the whole page anew; editors' cursors blink, and a slider glides to where it
# was clicked: much work on a page at which nobody looks.
CALM = """
addEventListener('DOMContentLoaded', () => {
  document.querySelectorAll('link.favicon').forEach((icon) => icon.remove());
  const style = document.createElement('style');
  style.textContent = '* { animation: none !important; transition: none !important }' +
    '.jp-Notebook-ExecutionIndicator, #jp-main-statusbar { display: none !important }';
  document.head.append(style);
});
"""
EXECUTE = """
async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code, store_history: false });
  let printed = '';
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type == 'stream' && content.name == 'stdout') printed += content.text;
  };
  const reply = await future.done;
  return [reply.content.status, printed];
}
"""
# A lab as its kernel has it. What is executed does not wait for the page's moves, which have a
# thread of their own in the kernel, so this waits for one that is not done.
IN_KERNEL = """
import json, numpy, time
lab = Out[COUNT]
time.sleep(0.005)
end = time.monotonic() + 20
while time.monotonic() < end and not lab.error and any(
    lab.controls[name].clean(lab.widgets[name].value) != value for name, value in lab.values.items()
):
    time.sleep(0.005)
told = json.dumps([lab.values, lab.verdict, lab.error])
traces = json.dumps([
    {k: numpy.asarray(v).tolist() for k in "xyz" if (v := t.get(k)) is not None}
    for t in lab._view.drawing.data
])
# JavaScript's JSON has neither of the two.
print(told, traces.replace("NaN", "null").replace("Infinity", "1e999"), sep="\\n")
"""
# A lab's controls by their labels; before a check box stands a space of no width.
CONTROLS = """
const controls = Object.fromEntries(
  [...box.querySelectorAll('.widget-inline-hbox, .widget-checkbox')].map((control) => {
    const named = control.matches('.widget-checkbox') ? control
      : control.querySelector('.widget-label');
    return [named.textContent.replace('\\u200b', '').trim(), control];
  }));
"""
# How far what is drawn lies from what it should be, in pixels: each corner of a trace's lines and
# each of its points from the line through its numbers, and each number from the line drawn. The
# places are reckoned here from the range and the size of the axes, not by the code under test.
DRAWN = """
const drawnApart = (figure) => {
  const full = figure.plot._fullLayout;
  const place = (axis, up) => (value) => {
    const [low, high] = axis.range.map(Number);
    const number = axis.type == 'log' ? Math.log10(value) : Number(value);
    const share = (number - low) / (high - low);
    return axis._length * (up ? 1 - share : share);
  };
  const toSegment = (x, y, [ax, ay, bx, by]) => {
    const [dx, dy] = [bx - ax, by - ay];
    const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
    const share = along > 0 ? Math.min(1, along) : 0;
    return Math.hypot(x - ax - share * dx, y - ay - share * dy);
  };
  // How far a point lies from lines; less than a pixel is as good as nothing. A point's neighbour
  // lies on the same segment or the next one, so the search begins where the last one ended.
  const toLines = (runs) => {
    const segments = runs.flatMap((run) => run.length == 1
      ? [[...run[0], ...run[0]]]
      : run.slice(1).map((end, i) => [...run[i], ...end]));
    let at = 0;
    return ([x, y]) => {
      let least = Infinity;
      for (let tried = 0; tried < segments.length && least > 1; tried++) {
        const away = toSegment(x, y, segments[at]);
        if (away < least) least = away;
        if (least > 1) at = (at + 1) % segments.length;
      }
      return least;
    };
  };
  let apart = 0;
  for (const trace of figure.data) {
    const straight = (trace.line?.shape ?? 'linear') == 'linear';
    if (trace.type != 'scatter' || trace.visible === false || !straight) continue;
    const [across, up] = [trace.xaxis, trace.yaxis].map((n) => full[n.replace(/^(.)/, '$1axis')]);
    if (across.type == 'category') continue;
    const [toX, toY] = [place(across, false), place(up, true)];
    const runs = [[]];
    Array.from(trace.y, (y, i) => [toX(trace.x[i]), toY(y)]).forEach((point) => {
      if (point.every((number) => Number.isFinite(number) && Math.abs(number) < 5e4)) {
        // A line from a point to itself cannot be seen, and plotly draws none.
        if (String(runs.at(-1).at(-1)) != String(point)) runs.at(-1).push(point);
      } else if (runs.at(-1).length) runs.push([]);
    });
    if (!runs.at(-1).length) runs.pop();
    const shows = ([x, y]) => x >= 0 && x <= across._length && y >= 0 && y <= up._length;
    const group = figure.plot.querySelector(`.scatterlayer .trace${trace.uid}`);
    const numbers = (text) => [...text.matchAll(/-?[\\d.]+(?:e-?\\d+)?/g)].map(Number);
    const pairs = (list) => list.flatMap((n, i) => i % 2 ? [] : [[n, list[i + 1]]]);
    const lines = [...(group?.querySelectorAll('.js-line') ?? [])]
      .flatMap((line) => (line.getAttribute('d') ?? '').split('M').slice(1))
      .map((part) => pairs(numbers(part))).filter((run) => run.length > 1);
    const points = [...(group?.querySelectorAll('.points > path') ?? [])]
      .map((point) => numbers(point.getAttribute('transform')));
    if (!runs.length) {
      apart = Math.max(apart, lines.length + points.length ? Infinity : 0);
      continue;
    }
    const toRuns = toLines(runs);
    // What a line does outside its panel, where plotly cuts it, nobody sees.
    for (const corner of [...lines.flat(), ...points].filter(shows)) {
      apart = Math.max(apart, toRuns(corner));
    }
    const [toDots, toDrawn] = [toLines(points.map((point) => [point])), toLines(lines)];
    for (const [run, point] of runs.flatMap((r) => r.filter(shows).map((p) => [r, p]))) {
      if (trace.mode.includes('markers')) apart = Math.max(apart, toDots(point));
      if (trace.mode.includes('lines') && run.length > 1) apart = Math.max(apart, toDrawn(point));
    }
  }
  return apart;
};
"""
# What a lab shows: its controls, its words, the numbers of its figure, what plotly knows of them
# (arrays may be typed, or hold null for nan), and how far off the drawing is.
SHOWN = f"""
(box, wanted) => {{ {CONTROLS} {DRAWN}
  const shown = (control) => {{
    const select = control.querySelector('select');
    const readout = control.querySelector('.widget-readout');
    const input = control.querySelector('input');
    if (input?.type == 'checkbox') return input.checked;
    if (select) return select.options[select.selectedIndex].text;
    return readout ? readout.innerText : input?.value;
  }};
  const text = (part) => box.querySelector(part).innerText.trim();
  const figure = box.querySelector('.vglib-figure').figure;
  const list = (a) => a == null ? null : Array.from(a, (v) => v && v.length ? Array.from(v) : v);
  const numbers = (traces) => traces.map((t) => ({{
    x: list(t.x), y: list(t.y), z: list(t.z), visible: t.visible, meta: t.meta, name: t.name,
  }}));
  const parts = {{
    controls: () => Object.fromEntries(Object.entries(controls).map(([k, v]) => [k, shown(v)])),
    verdict: () => text('.vglib-verdict'),
    error: () => text('.vglib-error'),
    plotted: () => numbers(figure.data),
    settled: () => figure.moved.size ? null : numbers(figure.plot.data),
    apart: () => figure.drawn ? drawnApart(figure) : Infinity,
  }};
  return Object.fromEntries(wanted.map((part) => [part, parts[part]()]));
}}
"""
# Whether two lists of traces hold the same numbers; nan comes as null.
SAME = """
const same = (mine, theirs) => {
  if (Array.isArray(mine)) {
    const length = theirs?.length ?? 0;
    return mine.length == length && mine.every((one, i) => same(one, theirs[i]));
  }
  if (typeof mine == 'string') return mine == theirs;
  if (mine == null) return theirs == null || Number.isNaN(theirs);
  return mine == theirs || Math.abs(mine - theirs) <= 1e-9 + 1e-6 * Math.abs(mine);
};
const sameTraces = (mine, theirs) => mine.length == theirs.length && mine.every((trace, i) =>
  Object.entries(trace).every(([key, numbers]) => same(numbers, theirs[i][key])));
"""
# Every question to the page passes through four programs, so a move asks few and is told little:
# what the kernel has, the page's controls, and whether the page shows what the kernel has.
COMPARED = f"""
async (box, [cell, code]) => {{ {SAME}
  const count = window.jupyterapp.shell.currentWidget.content.widgets[cell].model.executionCount;
  const [status, printed] = await ({EXECUTE})(code.replace('COUNT', count));
  if (status != 'ok') return [status];
  await new Promise(requestAnimationFrame);
  const [told, traces] = printed.trim().split('\\n').map((line) => JSON.parse(line));
  const [values, verdict, error] = told;
  const words = (text) => text.split(/\\s+/).filter(Boolean).join(' ');
  const show = {SHOWN};
  const shown = show(box, ['controls', 'verdict']);
  const follows = !error && words(shown.verdict) == words(verdict)
    && sameTraces(traces, box.querySelector('.vglib-figure').figure.data)
    && show(box, ['apart']).apart < {APART};
  return [status, values, shown.controls, follows];
}}
"""
SELECT = f"(box, label) => {{ {CONTROLS} return controls[label].querySelector('select') }}"
FOCUS = f"""
(box, label) => {{ {CONTROLS}
  const part = controls[label]?.querySelector('.noUi-handle, select, input');
  part?.focus();
  return part != null && part == document.activeElement;
}}
"""
# Where the pointer finds a control; null, and brought into view, if something lies over it there.
PLACE = f"""
(box, [label, share]) => {{ {CONTROLS}
  const part = controls[label]?.querySelector('.noUi-base, select, input');
  if (!part) return null;
  const room = part.getBoundingClientRect();
  const point = {{ x: room.x + share * room.width, y: room.y + room.height / 2 }};
  const top = document.elementFromPoint(point.x, point.y);
  if (controls[label].contains(top)) return point;
  part.scrollIntoView({{ block: 'center' }});
  return null;
}}
"""
# The stop at which a slider stands, and its last one, both counted from 0.
STOPS = f"""
(box, label) => {{ {CONTROLS}
  const handle = controls[label].querySelector('.noUi-handle');
  return [Number(handle.ariaValueNow), Number(handle.ariaValueMax)];
}}
"""
# How far from x a slider's value stands, and how far apart its stops are, in pixels.
AWAY = f"""
(box, [label, x]) => {{ {CONTROLS}
  const handle = controls[label].querySelector('.noUi-handle');
  const track = controls[label].querySelector('.noUi-base').getBoundingClientRect();
  const apart = track.width / handle.ariaValueMax;
  return [Math.abs(track.x + handle.ariaValueNow * apart - x), apart];
}}
"""

# What axe-core finds wrong within the labs, each with the first place where it does. Style sheets
# and films, which it would fetch beforehand, are not what a lab is made of.
AXE = """
async (boxes) => {
  const options = { resultTypes: ['violations'], preload: false };
  return (await window.axe.run({ include: boxes }, options)).violations
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`);
}
"""


def wait_for(condition: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
    """Poll until the condition is true, and return its value; fail with what was waited for."""
    start = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - start
        assert waited < seconds, f"waited {seconds} s in vain for {what}"
        # Asking costs time too, which what is waited for could use.
        time.sleep(min(0.05 + 0.05 * waited, 0.5))


class Server:
    """A JupyterLab server over a folder of copies, started the way `make lab` starts it."""

    base = "/"

    def __init__(self, folder: Path, action: str = "lab") -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command, env = self.compose(action)
        command += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
        command += ["--LabApp.expose_app_in_browser=True"]
        home = folder / "home"
        home.mkdir(exist_ok=True)
        # A home of its own: neither the settings nor the running servers of whoever runs the tests.
        env |= {"HOME": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}
        self.log = (folder / f"{action}-{self.port}.log").open("w")
        self.process = subprocess.Popen(
            command, env=env, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        wait_for(self._answers, 60, "JupyterLab's server")

    def compose(self, action: str) -> tuple[list[str], dict[str, str]]:
        """Return the command that starts the server, and its environment."""
        if action == "lecture":
            launch.prepare_lecture(self.folder)
        return launch.compose(action, self.folder, "x.ipynb", self.port, False, os.environ)

    def at(self, path: str) -> str:
        """Return the address of what the server has there."""
        return f"http://127.0.0.1:{self.port}{self.base}{path}"

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.at("api"), timeout=2):
                return True
        except OSError:
            assert self.process.poll() is None, "JupyterLab ended while it started"
            return False

    def url(self, notebook: str) -> str:
        # Without `reset` the tabs of the test before would open too.
        return self.at(f"lab/tree/{notebook}?reset")

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions that the server has, each with its notebook and its kernel."""
        with urllib.request.urlopen(self.at("api/sessions"), timeout=10) as answer:
            return json.load(answer)

    def end_kernels(self) -> None:
        """End all sessions, so that the next test starts from what is stored."""
        for session in self.sessions():
            address = self.at(f"api/sessions/{session['id']}")
            request = urllib.request.Request(address, method="DELETE")
            urllib.request.urlopen(request, timeout=30).close()

    def stop(self) -> None:
        """End the server and every kernel it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        self.log.close()


def project(folder: Path, *notebooks: Path) -> Path:
    """Lay out a learner's project with copies of these notebooks."""
    shutil.copytree(ROOT / "jupyter", folder / "jupyter")
    for notebook in notebooks:
        launch.copy_new(notebook, folder / "my_notebooks" / notebook.name)
    return folder


# anywidget allows a widget 2 s to load, which a page drawing 3-D without a graphics card can
# miss; the widget loads all the same, and the tests see each lab work.
SLOW_START = "[anywidget] Failed to initialize model."


class LabPage:
    """One page with one notebook; `faults` collects console errors and requests that leave."""

    def __init__(self, page: Page, server: Server, notebook: str) -> None:
        self.page, self.server, self.notebook = page, server, notebook
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("console", lambda m: m.type == "error" and self.faults.append(f"console: {m.text}"))
        page.on("request", lambda request: self._check_request(request.url))
        page.add_init_script(CALM)
        self.open()

    def _note(self, fault: str) -> None:
        if SLOW_START not in fault:
            self.faults.append(fault)

    def _check_request(self, url: str) -> None:
        if not re.match(r"(http|ws)://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:", url):
            self.faults.append(f"request to {url}")

    def open(self) -> None:
        self.page.goto(self.server.url(self.notebook))
        self._wait_until_open()

    def turn_to(self, notebook: str) -> None:
        """Close the present notebook, unsaved, and open another on the same page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
        self.server.end_kernels()
        self.notebook, self.faults = notebook, []
        self.command("docmanager:open", json.dumps({"path": notebook}))
        self._wait_until_open()

    def _wait_until_open(self) -> None:
        self.wait_js("window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 0")
        self.wait_js(
            "jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status == 'idle'"
        )

    def reload(self) -> None:
        self.page.reload()
        self.wait_js("window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 0")

    def js(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {{ const nb = {self._nb}; return ({expression}) }}")

    _nb = "window.jupyterapp?.shell?.currentWidget?.content"

    def wait_js(self, expression: str, seconds: float = 90) -> None:
        wait_for(lambda: self.js(expression), seconds, expression)

    def command(self, name: str, arguments: str = "{}") -> None:
        execute = f"window.jupyterapp.commands.execute('{name}', {arguments})"
        self.page.evaluate(f"async () => {{ await {execute} }}")

    def run_all(self, seconds: float = 120) -> None:
        """Run every cell and wait until the last has run and nothing is left to do."""
        self.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.wait_js(
            "nb.widgets.filter(c => c.model.type == 'code' && c.model.sharedModel.source.trim())"
            ".every(c => c.model.executionCount != null && c.prompt != '*' "
            "&& c.outputArea?.promptOverlay !== 0 && c.model.executionState != 'running')",
            seconds,
        )
        self.wait_js(
            "jupyterapp.shell.currentWidget.sessionContext.session.kernel.status == 'idle'", seconds
        )

    def run(self, cell: int) -> None:
        """Run one cell."""
        self.page.evaluate(
            f"() => {{ const nb = {self._nb}; nb.activeCellIndex = {cell}; nb.deselectAll(); "
            "return window.jupyterapp.commands.execute('notebook:run-cell') }"
        )

    def execute(self, code: str) -> str:
        """Execute code in the notebook's kernel, beside its cells; return what it prints."""
        status, printed = self.page.evaluate(EXECUTE, code)
        assert status == "ok", code
        return printed

    def setup(self) -> str:
        """Return the code that a lab's cell needs before it: the cells that import `labs`."""
        wanted = re.compile(r"^from vglib.* labs", re.MULTILINE)
        return "\n".join(source for source in self.sources() if wanted.search(source))

    def sources(self) -> list[str]:
        return self.js("nb.widgets.map(c => c.model.sharedModel.source)")

    def show(self, cell: int) -> Locator:
        """Make a cell active, bring it into view and return its element."""
        self.page.evaluate(
            f"() => {{ const nb = {self._nb}; nb.activeCellIndex = {cell}; nb.deselectAll(); "
            f"nb.mode = 'command'; return nb.scrollToItem({cell}, 'start') }}"
        )
        element = self.page.locator(f"{VISIBLE} .jp-Cell[data-windowed-list-index='{cell}']")
        element.wait_for(state="attached")
        element.scroll_into_view_if_needed()
        return element

    def pictures(self, cells: Iterable[int]) -> int:
        """Count the pictures in these cells as they are stored; no cell may hold an error."""
        assert "Error displaying widget" not in self.text()
        assert self._cells_with("o => o.output_type == 'error' || o.name == 'stderr'") == set()
        return sum(self.show(cell).locator(".jp-OutputArea img").count() for cell in cells)

    def showing(self) -> set[int]:
        """Return the cells that have an output."""
        return self._cells_with("o => true")

    def _cells_with(self, output: str) -> set[int]:
        outputs = "c.model.outputs?.toJSON() ?? []"
        return set(self.js(f"nb.widgets.flatMap((c, i) => ({outputs}).some({output}) ? [i] : [])"))

    def text(self) -> str:
        return self.js("nb.node.innerText")

    def labs(self) -> "list[PageLab]":
        """Find the cells that end in a lab, with the same lab in this process beside each."""
        sources = self.sources()
        code = "\n".join(sources)
        chapters = {
            alias or name: importlib.import_module(f"vglib.{chapter}.{name}")
            for chapter, names in re.findall(r"from vglib\.(\w+) import ([\w, ]+)", code)
            if (ROOT / "vglib" / chapter).is_dir()
            for name, alias in re.findall(r"(\w+)(?: as (\w+))?", names)
            if name == "labs"
        }
        found = []
        for cell, source in enumerate(sources):
            lines = source.strip().splitlines()
            made = r'(\w+)\.(\w+)\(\)(?:\.preset\("(.*)"\))?'
            call = re.fullmatch(made, lines[-1].strip()) if lines else None
            if call and call[1] in chapters:
                twin = getattr(chapters[call[1]], call[2])()
                if call[3]:
                    twin.preset(call[3])
                found.append(PageLab(self, cell, twin))
        return found

    def barriers(self, labs: "Iterable[PageLab]") -> list[str]:
        """What axe-core finds in these labs that keeps out whoever uses a screen reader.

        All at once: each time it goes through the whole page first.
        """
        if self.page.evaluate("() => window.axe === undefined"):
            self.page.evaluate(AXE_SCRIPT)
        return self.page.evaluate(AXE, [lab.box for lab in labs])

    def screenshot(self, name: str) -> None:
        if folder := os.environ.get("VGLIB_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")


class LecturePage(LabPage):
    """The page of a lecture."""

    slide = ".jp-Cell.jp-deck-mod-visible"

    def start(self) -> None:
        self.js("nb.activeCellIndex = 0")  # a cell that is on no slide would leave the deck empty
        self.command("deck:start")
        self.page.locator(self.slide).first.wait_for()

    def stop(self) -> None:
        self.command("deck:stop")
        self.page.locator(self.slide).first.wait_for(state="detached")

    def steps(self) -> list[int]:
        """Return the cells with which something new comes onto the screen."""
        kinds = self.js("nb.widgets.map(c => c.model.getMetadata('slideshow')?.slide_type)")
        return [i for i, kind in enumerate(kinds) if kind in ("slide", "subslide", "fragment")]

    def press(self, *keys: str) -> list[int]:
        """Press keys one after the other; return the active cell after each."""
        places = []
        for key in keys:
            self.page.keyboard.press(key)
            places.append(self.js("nb.activeCellIndex"))
        return places

    def says(self) -> str:
        """Return the line at the foot of the slide."""
        return "".join(self.page.locator(".vglib-bar:not([hidden])").all_inner_texts())

    def presents(self) -> bool:
        return self.page.locator("body[data-jp-deck-mode='presenting']").count() == 1

    def wait_until_ready(self) -> None:
        """Wait until a chapter has run, its labs live and it is saved."""
        living = self.page.locator(".vglib-lab:not(.jupyter-widgets-disconnected)")
        wait_for(lambda: living.count() and not self.says(), 90, "the labs to live")
        self.wait_js("!nb.model.dirty", 20)


class PageLab:
    """A lab on the page, and its twin: the same lab in this process."""

    def __init__(self, page: LabPage, cell: int, twin: Lab) -> None:
        self.page, self.cell, self.twin = page, cell, twin

    def show(self) -> Self:
        return self.within(self.page.show(self.cell))

    def within(self, element: Locator) -> Self:
        """Take the lab that stands in this element, once it is drawn."""
        box = element.locator(".vglib-lab").first
        box.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=30_000)
        # A locator would search the whole page anew each time it is asked.
        self.box = box.element_handle()
        return self

    def press(self, label: str) -> None:
        button = self.box.query_selector(f"button:text-is('{label}')")
        assert button, f"{self.twin!r} has no button {label!r} on the page"
        button.click()

    def label(self, name: str) -> str:
        return str(self.twin.widgets[name].description)

    def focus(self, name: str) -> None:
        """Give the keys to a control."""
        # JupyterLab makes the lab's cell active and gives it the keys first.
        takes = f"{name} of {self.twin!r} to take keys"
        wait_for(lambda: self.box.evaluate(FOCUS, self.label(name)), 5, takes)

    def click(self, name: str, share: float = 0.5) -> dict[str, float]:
        """Click on a control, at a share of its width; return the place."""
        point = wait_for(
            lambda: self.box.evaluate(PLACE, [self.label(name), share]), 20, f"{name} to be in view"
        )
        self.page.page.mouse.click(point["x"], point["y"])
        return point

    def shown(self, name: str) -> Any:
        """Read a control's value off the page."""
        return self._read(name, self._shown("controls"))

    def values(self) -> dict[str, Any]:
        return self._values(self._shown("controls"))

    def verdict(self) -> str:
        return self._shown("verdict")

    def error(self) -> str:
        return self._shown("error")

    def plotted(self) -> list[dict[str, Any]]:
        return self._shown("plotted")

    def _shown(self, what: str) -> Any:
        return self.box.evaluate(SHOWN, [what])[what]

    def _values(self, shown: dict[str, Any]) -> dict[str, Any]:
        return {name: self._read(name, shown) for name in self.twin.controls}

    def _read(self, name: str, shown: dict[str, Any]) -> Any:
        widget = self.twin.widgets[name]
        value = shown[self.label(name)]
        if isinstance(widget, widgets.SelectionSlider):
            found = [stop for label, stop in widget.options if label == value]
            return found[0] if found else float(value)
        if isinstance(widget, widgets.Dropdown):
            return value.replace("\xa0", " ")
        return value if isinstance(widget, widgets.Checkbox) else int(value)

    def agrees(self) -> bool:
        """Whether the page shows what the kernel has, for the values of the page's controls."""
        status, *told = self.box.evaluate(COMPARED, [self.cell, IN_KERNEL])
        assert status == "ok", f"the kernel has no lab of cell {self.cell}"
        values, shown, follows = told
        return follows and values == self._values(shown)

    def wait_until_it_agrees(self) -> None:
        wait_for(self.agrees, 40, f"{self.twin!r} on the page to be what the kernel has")

    def check_with_twin(self) -> None:
        """The experiment, run here with the page's values, gives what the page shows, at rest."""
        self.wait_until_it_agrees()
        wait_for(lambda: self._shown("settled") is not None, 20, f"{self.twin!r} to settle")
        shown = self.box.evaluate(SHOWN, ["controls", "verdict", "plotted", "settled", "apart"])
        assert shown["apart"] < APART, self.twin
        assert same(shown["plotted"], shown["settled"]), self.twin
        values = self._values(shown["controls"])
        if values != self.twin.values:
            self.twin.set(**values)
        if not self.twin.repeatable:
            return
        assert words(shown["verdict"]) == words(self.twin.verdict), values
        live = [
            {k: t.get(k) for k in "xyz"}
            for t in self.twin._view.drawing.data
            if t.get("meta") != "ghost"
        ]
        assert same(live, [p for p in shown["plotted"] if p["meta"] != "ghost"]), values

    def move_every_control(self) -> None:
        """Move each control by keyboard and by pointer; the figure must follow each time.

        At the start and at the end the same lab in this process must show the same.
        """
        self.check_with_twin()
        active = self.page.js("nb.activeCellIndex")
        for name in self.twin.controls:
            before = self.shown(name)
            self.move_by_keyboard(name)
            wait_for(lambda n=name, v=before: self.shown(n) != v, 20, f"{name} to move")
            self.wait_until_it_agrees()
            # Before the click that follows, which would make the lab's cell active again.
            assert self.page.js("nb.activeCellIndex") == active
            self.move_by_pointer(name)
            self.wait_until_it_agrees()
        self.check_with_twin()

    def move_by_keyboard(self, name: str) -> None:
        """Move a control one step with keys alone; the notebook must not take them."""
        widget, before = self.twin.widgets[name], self.shown(name)
        self.focus(name)
        if isinstance(widget, widgets.SelectionSlider):
            last = before == widget.options[-1][1]
            self.page.page.keyboard.press("ArrowLeft" if last else "ArrowRight")
        elif isinstance(widget, widgets.Dropdown):
            last = before == widget.options[-1]
            self.page.page.keyboard.press("ArrowUp" if last else "ArrowDown")
        elif isinstance(widget, widgets.Checkbox):
            self.page.page.keyboard.press("Space")
        else:
            self.type(name, before + 1)

    def move_by_pointer(self, name: str) -> None:
        """Move a control with the pointer: click on the track, pick an option, click the box."""
        widget, before = self.twin.widgets[name], self.shown(name)
        if isinstance(widget, widgets.SelectionSlider):
            # Where most labs have little to compute, unless the slider's handle is near.
            now, last = self.box.evaluate(STOPS, self.label(name))
            near = abs(0.15 - now / last) < 0.1 or abs(0.15 * last - now) < 0.6
            x = self.click(name, 0.6 if near else 0.15)["x"]
            away, apart = self.box.evaluate(AWAY, [self.label(name), x])
            assert away <= 10 + apart, f"{name} did not go where the pointer clicked"
            assert self.shown(name) != before, f"{name} did not move"
        elif isinstance(widget, widgets.Dropdown):
            self.click(name)
            # The list that opens is the system's, outside the page.
            select = self.box.evaluate_handle(SELECT, self.label(name)).as_element()
            select.select_option(label=str(widget.options[0]))
        elif isinstance(widget, widgets.Checkbox):
            self.click(name)
            assert self.shown(name) != before, f"{name} did not take the click"
        else:
            self.click(name)
            self.type(name, before + 1)

    def type(self, name: str, value: int) -> None:
        self.focus(name)
        self.page.page.keyboard.press("Control+a")
        self.page.page.keyboard.type(str(value))
        self.page.page.keyboard.press("Enter")


def words(text: str) -> list[str]:
    return text.split()


def same(traces: Sequence[Mapping[str, Any]], plotted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two lists of traces hold the same numbers."""
    return len(traces) == len(plotted) and all(map(_same_numbers, traces, plotted))


def _same_numbers(trace: Mapping[str, Any], plotted: Mapping[str, Any]) -> bool:
    for key in "xyz":
        mine, theirs = trace.get(key), plotted.get(key)
        if mine is None:
            continue
        try:
            expected = np.asarray(mine, dtype=float)
        except (TypeError, ValueError):
            continue  # names, not numbers
        if theirs is None or np.shape(theirs) != np.shape(expected):
            return len(np.ravel(expected)) == 0 and not theirs
        numbers = np.array(theirs, dtype=float)
        if not np.allclose(numbers, expected, rtol=1e-6, atol=1e-9, equal_nan=True):
            return False
    return True
