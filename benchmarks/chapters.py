"""How long each chapter takes from first cell to last, in a fresh kernel as `make lab` has it."""

import os
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from benchmarks.report import Part, Row, progress, within
from tools.launch import ONE_THREAD

ROOT = Path(__file__).resolve().parents[1]
LIMIT, LONGER = 30.0, 60.0
LONGER_CHAPTERS = ("04", "08", "10")
TOTAL = 360.0


def measure() -> Part:
    """Run the learner's notebooks one after the other; the kernel's start counts."""
    part = Part()
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    total, failed = 0.0, False
    for path in notebooks:
        progress(f"chapter {path.stem}")
        limit = LONGER if path.name[:2] in LONGER_CHAPTERS else LIMIT
        what = f"chapter {path.stem}, top to bottom"
        start = time.perf_counter()
        try:
            _execute(path, timeout=2 * limit)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            failed = True
            part.rows.append(Row(what, f"does not run: {type(error).__name__}", "", False))
            continue
        seconds = time.perf_counter() - start
        total += seconds
        part.rows.append(within(what, seconds, limit, "s"))
    if not notebooks:
        part.rows.append(Row("chapters", "there is no notebook: run `make build`"))
    elif not failed:
        what = f"the {len(notebooks)} chapter(s) together"
        part.rows.append(within(what, total, TOTAL, "s"))
    return part


def _execute(path: Path, timeout: float) -> None:
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        environment = ONE_THREAD | os.environ
        environment.pop("VGLIB_STORE_PNG", None)
        environment["IPYTHONDIR"] = str(Path(folder) / "ipython")
        client = NotebookClient(
            notebook,
            timeout=int(timeout),
            kernel_name="python3",
            store_widget_state=False,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        client.execute(env=environment)
