"""A notebook that a program runs through has pictures, and nothing of a widget."""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]

LAB = """
from vglib import figures
from vglib.figures import Curve, Panel
from vglib.lab import Lab, controls

class Result:
    verdict = "flat."

def draw(result):
    return figures.panels([Panel("y", [Curve("one", [0, 1], [1, 1])])])

Lab(lambda depth: Result(), draw, depth=controls.depth(1))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LAB)])
    folder = str(tmp_path_factory.mktemp("executed"))
    client = nbclient.NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    return client.execute(env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_program_that_runs_a_notebook_gets_a_picture_and_no_widget(executed):
    (output,) = executed.cells[0].outputs
    assert set(output.data) == {"text/plain", "text/html"}
    assert '<img alt="flat."' in output.data["text/html"]
    assert output.metadata == {}
    # Their state, plotly with it, would be five megabytes.
    assert "widgets" not in executed.metadata
