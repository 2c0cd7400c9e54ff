"""Labs in a Jupyter that the course did not start: JupyterLab and Notebook 7 below a hub's address.

In each a lab moves by a key, and its notebook is saved; opened again with the kernel alive it still
moves, and with the kernel ended it is a picture with its words, and nothing says "error".
"""

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import ConsoleMessage, Page

from tests.browser.conftest import open_page
from tests.browser.driver import ROOT, Server, wait_for

pytestmark = pytest.mark.xdist_group("browser")

CELLS = ["from vglib.start_here import labs", "labs.gradient_flow_lab()"]
VIEW = "application/vnd.jupyter.widget-view+json"
PLACES = {"JupyterLab": "lab/tree/{}?reset", "Notebook": "notebooks/{}"}
LAB = ".vglib-lab .js-plotly-plot .main-svg"
VERDICT = ".vglib-lab .vglib-verdict"
PICTURE = ".jp-RenderedHTML img[alt]"


class ByHand(Server):
    """A server as `jupyter lab` starts it where pip has installed the course, below an address."""

    base = "/user/j%C3%B6/"

    def compose(self, action: str) -> tuple[list[str], dict[str, str]]:
        installed = self.folder / "etc" / "jupyter_server_config.d"
        installed.mkdir(parents=True)
        ours = ROOT / "jupyter" / "jupyter_server_config.d" / "vglib.json"
        (installed / ours.name).write_bytes(ours.read_bytes())
        paths = [str(installed.parent), os.environ.get("JUPYTER_CONFIG_PATH", "")]
        env = {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths))}
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--ServerApp.port={self.port}", f"--ServerApp.base_url={self.base}"]
        return [*command, f"--ServerApp.root_dir={self.folder}"], env


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory, browser) -> Iterator[ByHand]:
    server = ByHand(tmp_path_factory.mktemp("by_hand"))
    yield server
    server.stop()


class Elsewhere:
    """A notebook with one lab on a page, driven by keys; `faults` collects console errors."""

    def __init__(self, page: Page, server: ByHand, place: str) -> None:
        self.page, self.server = page, server
        self.file = server.folder / f"in_{place}.ipynb"
        cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.file)
        self.address = server.at(PLACES[place].format(self.file.name))
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"{message.text} {message.location['url']}")

    def open(self) -> None:
        self.page.goto(self.address)
        self.page.locator(".jp-Notebook .jp-CodeCell").nth(1).wait_for()

    def run(self) -> None:
        def ready() -> bool:
            found = [s for s in self.server.sessions() if s["path"] == self.file.name]
            return any(s["kernel"]["execution_state"] == "idle" for s in found)

        wait_for(ready, 30, "a kernel")
        self.page.locator(".jp-CodeCell .cm-content").first.click()
        for _ in CELLS:
            self.page.keyboard.press("Shift+Enter")

    def move(self) -> None:
        """Take the depth one step on with a key, and wait until the lab has followed."""
        self.page.locator(LAB).first.wait_for()
        before = self.page.locator(VERDICT).inner_text()
        self.page.locator(".vglib-lab .noUi-handle").first.focus()
        self.page.keyboard.press("ArrowRight")
        verdict = self.page.locator(VERDICT)
        wait_for(lambda: verdict.inner_text() != before, 20, "the lab to follow the key")

    def save(self) -> dict:
        """Save with the keys; return what the file holds of the lab."""
        self.page.keyboard.press("Escape")
        self.page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
        self.page.keyboard.press("Control+s")

        def stored() -> dict:
            try:
                cells = nbformat.read(self.file, as_version=4).cells
            except nbformat.reader.NotJSONError:  # half written
                return {}
            return cells[1].outputs[0] if cells[1].outputs else {}

        return wait_for(stored, 20, "the file")

    def screenshot(self, name: str) -> None:
        if folder := os.environ.get("VGLIB_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"elsewhere-{name}.png")


@pytest.mark.parametrize("place", PLACES)
def test_a_lab_lives_with_its_kernel_and_is_a_picture_after_it(browser, by_hand, place):
    if place == "Notebook" and importlib.util.find_spec("notebook") is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("Notebook is not installed: pip install notebook")
    page = open_page(browser)
    try:
        notebook = Elsewhere(page, by_hand, place)
        notebook.open()
        notebook.run()
        # What a page complains of before there is a lab is its own affair.
        usual = set(notebook.faults)
        notebook.move()
        notebook.screenshot(f"{place}-live")
        output = notebook.save()
        assert set(output["data"]) == {"text/plain", "text/html"}
        assert output["metadata"]["vglib"]["view"]["model_id"]
        if place == "Notebook":  # for JupyterLab, test_notebooks.py looks
            notebook.open()
            notebook.move()
        by_hand.end_kernels()
        notebook.faults.clear()  # the page says that the kernel has gone
        notebook.open()
        picture = page.locator(PICTURE)
        picture.wait_for()
        assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
        verdict = re.sub(r"^Lab\(.*?\): ", "", output["data"]["text/plain"])
        assert picture.get_attribute("alt") == verdict
        shown = page.locator(".jp-Notebook").inner_text()
        assert verdict in shown
        assert "The picture shows depth=20, " in shown
        assert "Run this cell to bring the lab to life." in shown
        assert "Error displaying widget" not in shown
        notebook.screenshot(f"{place}-ended")
        assert set(notebook.faults) <= usual
    finally:
        page.context.close()
