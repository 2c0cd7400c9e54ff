"""A lab in a file is a picture, and lives while the very kernel runs that made it."""

import asyncio
import copy
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import (
    AsyncLargeFileManager,
    LargeFileManager,
)

from vglib.jupyter import server
from vglib.jupyter.server import VIEW, before_saving, give_back, put_aside, runs

ROOT = Path(__file__).resolve().parents[2]
MARK = {"kernel": "k", "processes": [7, 1]}


def a_lab(**more):
    data = {"text/plain": "Lab(): flat.", "text/html": "<img>", VIEW: {"model_id": "m"}}
    return nbformat.v4.new_output(
        "execute_result", {**data, **more}, execution_count=1, metadata={"vglib": dict(MARK)}
    )


def a_notebook(*outputs):
    cells = [
        nbformat.v4.new_markdown_cell("text"),
        nbformat.v4.new_code_cell(outputs=list(outputs)),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_labs_view_is_put_aside_and_given_back():
    notebook = a_notebook(a_lab())
    before = copy.deepcopy(notebook)
    put_aside(notebook)
    (output,) = notebook.cells[1].outputs
    assert set(output.data) == {"text/plain", "text/html"}
    nbformat.validate(notebook)
    give_back(notebook, lambda mark: mark["kernel"] == "k")
    assert notebook == before


def test_where_the_kernel_is_gone_the_picture_stays():
    notebook = a_notebook(a_lab())
    put_aside(notebook)
    aside = copy.deepcopy(notebook)
    give_back(notebook, lambda mark: False)
    put_aside(notebook)
    assert notebook == aside


def test_a_copy_of_before_there_was_a_mark_becomes_a_picture():
    words = f"<p>flat. <em>{server.WORDS}</em></p>"
    old = nbformat.v4.new_output("display_data", {VIEW: {"model_id": "m"}, "text/html": words})
    notebook = a_notebook(old)
    put_aside(notebook)
    assert notebook.cells[1].outputs[0].data == {"text/html": words}


FOREIGN = [
    nbformat.v4.new_output("display_data", {VIEW: {"model_id": "x"}, "text/plain": "IntSlider()"}),
    nbformat.v4.new_output("stream", text="words"),
    nbformat.v4.new_output("error", ename="E", evalue="", traceback=[]),
    nbformat.v4.new_output("display_data", {"text/html": "<b>"}, metadata={"vglib": "mine"}),
]


def test_what_is_no_lab_of_ours_is_left_alone():
    notebook = a_notebook(*FOREIGN)
    before = copy.deepcopy(notebook)
    put_aside(notebook)
    give_back(notebook, lambda mark: True)
    assert notebook == before


@pytest.mark.parametrize("model", [{"type": "notebook"}, {"type": "file", "content": "{}"}])
def test_a_save_without_a_notebook_goes_through(model):
    before = copy.deepcopy(model)
    before_saving(model=model, path="x", contents_manager=None)
    assert model == before


class Kernels:
    """A server's kernels, each with the process that it started."""

    def __init__(self, **processes):
        self.processes = processes

    def get_kernel(self, name):
        pid = self.processes[name]
        return SimpleNamespace(provisioner=SimpleNamespace(pid=pid))


def test_only_the_process_that_made_a_lab_has_it():
    assert runs(Kernels(k=7), MARK)
    assert runs(Kernels(k=1), MARK)  # a launcher, which the kernel runs under
    assert runs(Kernels(k=None), MARK)  # not on this machine
    assert not runs(Kernels(k=8), MARK)  # restarted


@pytest.mark.parametrize("manager", [LargeFileManager, AsyncLargeFileManager])
def test_usual_contents_managers_save_through_the_hook(tmp_path, manager):
    contents = manager(root_dir=str(tmp_path))
    contents.register_pre_save_hook(before_saving)
    model = {"type": "notebook", "format": "json", "content": a_notebook(a_lab(), *FOREIGN)}

    async def save():
        saved = contents.save(model, "x.ipynb")
        return await saved if asyncio.iscoroutine(saved) else saved

    # In a thread of its own: where a browser's test ran before, this one has a loop that runs.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(asyncio.run, save()).result()
    stored = json.loads((tmp_path / "x.ipynb").read_text())["cells"][1]["outputs"]
    assert VIEW not in stored[0]["data"]
    assert VIEW in stored[1]["data"]
    assert stored[0]["metadata"]["vglib"]["view"] == {"model_id": "m"}


def test_jupyter_finds_the_extension():
    config = json.loads((ROOT / "jupyter/jupyter_server_config.d/vglib.json").read_text())
    assert config["ServerApp"]["jpserver_extensions"] == {server.__name__: True}
    assert server._jupyter_server_extension_points() == [{"module": server.__name__}]


def test_a_server_needs_nothing_of_the_package_but_this():
    """On a hub the server's environment may have neither PyTorch nor plotly."""
    code = "import sys, vglib.jupyter.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert "vglib.jupyter.server" in loaded, done.stderr
    assert loaded & {"numpy", "torch", "plotly", "ipywidgets", "vglib.lab"} == set()
