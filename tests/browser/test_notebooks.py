"""What happens to a notebook over time: a reload, a saved copy, a slow lab under a held key."""

import json
import subprocess

import nbformat
import pytest

from tests.browser.driver import ROOT, LabPage, Server, wait_for
from tools import launch

pytestmark = pytest.mark.xdist_group("browser")

ONE_LAB = ["from vglib.start_here import labs", "labs.gradient_flow_lab()"]
SLOW_LAB = """
import time
from dataclasses import dataclass
from vglib import figures
from vglib.figures import Curve, Panel
from vglib.lab import Lab, controls

@dataclass
class Slow:
    depth: int
    verdict: str

calls = []
def slow(depth):
    time.sleep(0.3)
    calls.append(depth)
    return Slow(depth, f"depth {depth}, computed {len(calls)} times.")
def draw(result):
    return figures.panels([Panel("depth", [Curve("depth", [1, 2], [0, result.depth])])])
Lab(slow, draw, depth=controls.depth(1))
"""


@pytest.fixture
def small(learner, running_server):
    """Serve one small notebook, made of these cells, and open it."""

    def serve(name, cells):
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, running_server.folder / "my_notebooks" / f"{name}.ipynb")
        return learner(f"{name}.ipynb")

    return serve


def test_a_reloaded_page_shows_the_figure_of_its_controls(small):
    notebook = small("reload", ONE_LAB)
    notebook.run_all()
    lab = notebook.labs()[0].show()
    lab.wait_until_it_agrees()
    start = lab.shown("depth")
    lab.click("depth", 0.5)
    wait_for(lambda: lab.shown("depth") != start, 20, "another depth")
    lab.wait_until_it_agrees()
    depth = lab.shown("depth")
    notebook.command("docmanager:save")
    notebook.reload()
    lab.show()
    assert lab.shown("depth") == depth
    lab.wait_until_it_agrees()
    lab.move_by_keyboard("depth")
    lab.wait_until_it_agrees()


def test_the_wheel_over_a_surface_scrolls_the_page(small):
    cells = ["from vglib.clipping import labs", "labs.cliff_lab()", "# last", "# " + "\n# " * 60]
    notebook = small("wheel", cells)
    page = notebook.page
    notebook.run_all()
    notebook.labs()[0].show()
    room = page.locator(".js-plotly-plot canvas").first.bounding_box()
    page.mouse.move(room["x"] + room["width"] / 3, room["y"] + room["height"] / 2)
    page.mouse.wheel(0, 200)
    top = "nb.node.querySelector('.jp-WindowedPanel-outer').scrollTop"
    before = notebook.js(top)
    page.mouse.wheel(0, 200)
    wait_for(lambda: notebook.js(top) > before, 10, "the page to scroll")


def test_a_held_key_on_a_slow_lab_ends_at_the_last_value(small):
    notebook = small("slow", [SLOW_LAB])
    page = notebook.page
    notebook.run_all()
    notebook.show(0)
    handle = page.locator(".vglib-lab .noUi-handle").first
    handle.wait_for()
    handle.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)
    last = page.locator(".vglib-lab .widget-readout").first.inner_text()
    assert last == "31"
    verdict = page.locator(".vglib-lab .vglib-verdict")
    wait_for(lambda: f"depth {last}," in verdict.inner_text(), 5, "the last value")
    computed = int(verdict.inner_text().split("computed ")[1].split()[0])
    assert computed <= 15
    settled = "e => e.figure.moved.size ? null : Array.from(e.figure.plot.data[0].y)"
    plotted = wait_for(
        lambda: page.locator(".vglib-figure").evaluate(settled), 5, "a figure at rest"
    )
    assert plotted == [0, 31]


def test_a_lab_says_that_its_kernel_has_ended(small):
    notebook = small("ended", ONE_LAB)
    notebook.run_all()
    lab = notebook.labs()[0].show()
    gone = ".vglib-lab > .vglib-gone"
    assert notebook.page.locator(gone).count() == 0
    kernel = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    notebook.page.evaluate(f"() => {kernel}.restart()")
    said = wait_for(lambda: notebook.page.locator(gone).all_inner_texts(), 20, "the lab to say so")
    assert "run all cells again" in said[0]
    depth = lab.shown("depth")
    lab.box.query_selector(".noUi-base").click(force=True)
    assert lab.shown("depth") == depth
    notebook.screenshot("kernel-ended")
    notebook.run_all()
    assert notebook.page.locator(gone).count() == 0
    lab.show().move_by_keyboard("depth")
    lab.wait_until_it_agrees()


def test_running_a_cell_again_frees_what_the_run_before_had_made(small):
    notebook = small("again", ONE_LAB)
    notebook.run_all()
    count = "from ipywidgets.widgets.widget import _instances\nprint(len(_instances))"
    before = int(notebook.execute(count))
    for _ in range(4):
        notebook.run(1)
    assert int(notebook.execute(count)) == before
    lab = notebook.labs()[0].show()
    lab.move_by_keyboard("depth")
    lab.wait_until_it_agrees()
    assert notebook.faults == []


# The width and height of a window, and how far its page is zoomed.
NARROW = {"1024x768": (1024, 768, 1.0), "200%": (1280, 900, 2.0)}
# What lies over what: the boxes of panels and of the words on them, in the figure's own pixels.
OVERLAPS = """
(box) => {
  const plot = box.querySelector('.js-plotly-plot');
  const inner = (selector) => [...plot.querySelectorAll(selector)]
    .map((e) => [e.textContent.slice(0, 30), e.getBoundingClientRect()])
    .filter(([, r]) => r.width && r.height);
  const whole = plot.getBoundingClientRect();
  const titles = ['.annotation', '[class^="x"][class$="title"]', '.legend'].flatMap(inner);
  const faults = titles.filter(([, r]) => r.left < whole.left - 1 || r.right > whole.right + 1 ||
    r.top < whole.top - 1 || r.bottom > whole.bottom + 1).map(([text]) => `cut off: ${text}`);
  titles.forEach(([text, a], i) => titles.slice(i + 1).forEach(([other, b]) => {
    const over = Math.min(Math.min(a.right, b.right) - Math.max(a.left, b.left),
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));
    if (over > 2) faults.push(`${text} lies on ${other}`);
  }));
  return faults;
}
"""


ROWS = """
(box) => new Set([...box.querySelectorAll('[class^="x"][class$="title"]')]
  .map((title) => title.getAttribute('y'))).size
"""


@pytest.mark.parametrize("window", NARROW)
def test_panels_stack_where_the_page_is_narrow(browser, running_server, small, window):
    width, height, zoom = NARROW[window]
    small("narrow", ONE_LAB)  # writes the file
    viewport = {"width": int(width / zoom), "height": int(height / zoom)}
    context = browser.new_context(viewport=viewport, device_scale_factor=zoom)
    try:
        running_server.end_kernels()
        notebook = LabPage(context.new_page(), running_server, "narrow.ipynb")
        notebook.run_all()
        lab = notebook.labs()[0].show()
        lab.check_with_twin()
        notebook.screenshot(f"narrow-{window}")
        assert lab.box.evaluate(OVERLAPS) == []
        assert lab.box.evaluate(ROWS) > 1
        lab.move_by_keyboard("depth")
        lab.wait_until_it_agrees()
    finally:
        context.close()


def test_a_learners_answer_survives_a_build_and_a_restart(learner, running_server, page):
    """Answer, run, save, publish anew, reopen: the answer is there, and no error is shown."""
    source = ROOT / "notebooks" / "00_start_here.ipynb"
    copy = running_server.folder / "my_notebooks" / "answered.ipynb"
    assert launch.copy_new(source, copy)
    notebook = learner(copy.name)
    cell = next(i for i, s in enumerate(notebook.sources()) if s.startswith("def share"))
    notebook.show(cell)
    notebook.page.evaluate("() => void jupyterapp.commands.execute('notebook:enter-edit-mode')")
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.type("share = lambda r, depth: r ** (depth - 1)")
    notebook.run_all()
    notebook.command("docmanager:save")
    wait_for(lambda: "lambda r, depth" in copy.read_text(encoding="utf-8"), 20, "the file")
    stored = json.loads(copy.read_text(encoding="utf-8"))
    labs = [o["data"] for c in stored["cells"] for o in c.get("outputs", []) if is_lab(o)]
    assert labs
    assert all("<img alt=" in str(data["text/html"]) for data in labs)
    assert not any("application/vnd.jupyter.widget-view+json" in data for data in labs)
    assert any("✓" in str(c.get("outputs")) for c in stored["cells"])
    assert not launch.copy_new(source, copy)
    server = Server(running_server.folder)
    try:
        notebook = LabPage(page, server, copy.name)
        assert "share = lambda r, depth: r ** (depth - 1)" in notebook.sources()
        for index in notebook.showing():
            element = notebook.show(index)
            wait_for(
                lambda shown=element: "Error displaying widget" not in shown.inner_text(),
                10,
                f"cell {index} to fall back to its text",
            )
        lab = notebook.show(notebook.labs()[0].cell)
        assert "Run this cell to bring the lab to life" in lab.inner_text()
        assert lab.locator("img[alt]").count() == 1
        notebook.screenshot("saved-copy")
    finally:
        server.stop()
    status = subprocess.run(
        ["git", "status", "--porcelain", "notebooks"], cwd=ROOT, capture_output=True, text=True
    )
    assert "00_start_here" not in status.stdout


def is_lab(output):
    return "vglib" in output.get("metadata", {})
