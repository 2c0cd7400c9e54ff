"""How long the package takes to import, in fresh processes."""

import subprocess
import sys
from statistics import median

from benchmarks.report import Part, Row, progress, within

REPEATS = 5
STATEMENTS = (
    "import torch",
    "import vglib",
    "import vglib.networks, vglib.probe",
    "from vglib.start_here import labs",
)
LIMIT = 1.2


def measure() -> Part:
    """Time the statements in turn, each in a process of its own."""
    times: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for repeat in range(REPEATS + 1):
        progress(f"import, round {repeat} of {REPEATS}")
        for statement in STATEMENTS:
            seconds = _seconds(statement)
            if repeat:  # the first one reads the files from disk
                times[statement].append(seconds)
    medians = {statement: median(values) for statement, values in times.items()}
    torch = medians["import torch"]
    part = Part()
    for statement, seconds in medians.items():
        what = f"`{statement}`"
        shown = f"{seconds:.2f} s"
        if statement == "import torch":
            part.rows.append(Row(what, shown))
        elif statement == "import vglib":
            detail = f" ({shown})"
            row = within(f"{what} over `import torch`", seconds / torch, LIMIT, detail=detail)
            part.rows.append(row)
        else:
            part.rows.append(Row(what, f"{shown} ({seconds / torch:.2f}x `import torch`)"))
    return part


def _seconds(statement: str) -> float:
    program = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout)
