"""A real JupyterLab with one notebook open in headless Chromium."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

from tools.launch import ROOT, compose

NOTEBOOK = "bench.ipynb"
START_SECONDS = 90


@contextmanager
def open_notebook(cells: Sequence[str], browser: Path, run_seconds: float) -> Iterator[Page]:
    """Start JupyterLab on a notebook of these code cells, run them all and give the page.

    Raises RuntimeError where the server does not start or a cell fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "my_notebooks").mkdir()
        shutil.copytree(ROOT / "jupyter", folder / "jupyter")
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, folder / "my_notebooks" / NOTEBOOK)
        with _server(folder) as url, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=str(browser), args=["--no-sandbox"]
            )
            try:
                page = chromium.new_page(viewport={"width": 1400, "height": 1000})
                page.goto(url, timeout=1000 * START_SECONDS)
                _run_all(page, len(cells), run_seconds)
                yield page
            finally:
                chromium.close()


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Start the server as the course does, with settings of its own, and give its address."""
    port, token = _free_port(), secrets.token_hex(16)
    environment = {
        **os.environ,
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
    }
    command, environment = compose("lab", folder, NOTEBOOK, port, False, environment)
    command += [f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"]
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", process, log_path)
            yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK}?token={token}"
        finally:
            process.terminate()  # the server ends its kernels
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise RuntimeError(f"JupyterLab did not start:\n{tail}")


def _run_all(page: Page, count: int, seconds: float) -> None:
    page.wait_for_function(
        "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel",
        timeout=1000 * START_SECONDS,
    )
    page.evaluate(
        "async () => {"
        " const panel = window.jupyterapp.shell.currentWidget;"
        " await panel.sessionContext.ready; await panel.context.ready;"
        " await window.jupyterapp.commands.execute('application:toggle-left-area').catch(() => 0);"
        " window.ran = false;"
        " window.jupyterapp.commands.execute('notebook:run-all-cells')"
        "   .finally(() => { window.ran = true; }); }"
    )
    page.wait_for_function("() => window.ran", timeout=1000 * seconds)
    cells = page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells"
        ".map(cell => [cell.execution_count, cell.outputs.filter("
        "output => output.output_type === 'error').map(output => output.evalue)])"
    )
    errors = [message for _, messages in cells for message in messages]
    if errors or len([n for n, _ in cells if n]) < count:
        raise RuntimeError(f"A cell of the benchmark's notebook failed: {errors or cells}")
