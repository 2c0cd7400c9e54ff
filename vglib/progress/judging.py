"""Judge notebooks: each in processes of its own, which are ended when they take too long."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vglib.progress.cells import Cell
from vglib.progress.notebook import Notebook, NotOurs, find, read, student

CELL_SECONDS = 30.0
# A notebook may take as long as this many cells that are stopped.
CELLS_A_NOTEBOOK = 4
# PyTorch alone may take long to load from a cold disk.
START_SECONDS = 120.0
Messages = queue.SimpleQueue[dict[str, Any]]


@dataclass
class Judged:
    """What a file holds: `results` has status and message of each exercise of its chapter.

    `file` is its path within the folder; `chapter` is "" where it is none of the course's; `lines`
    say what is to be known of it.
    """

    file: str
    student: str
    chapter: str = ""
    title: str = ""
    results: dict[str, tuple[str, str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(status == "right" for status, _ in self.results.values())


def progress(
    folder: Path,
    seconds: float = CELL_SECONDS,
    jobs: int | None = None,
    on_judged: Callable[[], object] = lambda: None,
) -> list[Judged]:
    """Judge all notebooks of a folder, several at a time; a cell is stopped after so many seconds.

    Raises NotOurs where the folder has no notebook.
    """
    stop = threading.Event()

    def judge(path: Path) -> Judged:
        judged = _judge(path, folder, seconds, stop)
        on_judged()
        return judged

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        try:
            return list(pool.map(judge, find(folder)))
        finally:
            stop.set()  # after a Ctrl-C the processes that still run are ended
            pool.shutdown(wait=False, cancel_futures=True)


def _judge(path: Path, folder: Path, seconds: float, stop: threading.Event) -> Judged:
    file = path.relative_to(folder).as_posix()
    try:
        notebook = read(path)
    except NotOurs as error:
        return Judged(file, student(file, folder, None), lines=[str(error)])
    trial = _Trial(notebook, seconds, stop)
    trial.run()
    return Judged(
        file,
        student(file, folder, notebook),
        notebook.chapter,
        notebook.title,
        trial.results(),
        list(dict.fromkeys(trial.lines())),
    )


class _Trial:
    """One notebook's runs: a cell that does not end, or ends its process, is left out next time."""

    def __init__(self, notebook: Notebook, seconds: float, stop: threading.Event) -> None:
        self.notebook, self.seconds, self.stop = notebook, seconds, stop
        self.exercises: list[str] = []
        self.found: dict[str, tuple[str, str]] = {}
        self.said: list[str] = []

    def run(self) -> None:
        deadline = time.monotonic() + START_SECONDS + CELLS_A_NOTEBOOK * self.seconds
        cells = list(self.notebook.cells)
        while fault := self._run(cells, deadline):
            number, what = fault
            self._say(number, what)
            if not number or time.monotonic() > deadline or self.stop.is_set():
                return
            cells = [c for c in cells if c.number != number]

    def results(self) -> dict[str, tuple[str, str]]:
        """Give each exercise of the chapter its status and message."""
        gone = ("not attempted", "no cell checks it.")
        failed = ("wrong", "its check came to no result; see the line on its cell.")
        asked = self.notebook.asked
        return {
            name: self.found.get(name) or (failed if name in asked else gone)
            for name in self.exercises
        }

    def lines(self) -> Iterator[str]:
        """Say what is to be known beside the results, a line each."""
        for check in self.notebook.moved:
            yield f"cell {check.number} stands above the answer that it checks, and was run last."
        yield from self.said
        if self.exercises:
            asked = self.notebook.asked
            if gone := [name for name in self.exercises if name not in asked]:
                yield f"no cell checks {', '.join(gone)}."
            if old := [name for name in asked if name not in self.exercises]:
                yield f"asks for {', '.join(old)}, which this edition of the course lacks."

    def _say(self, number: int, what: str) -> None:
        lines = {c.number: c.first_line for c in self.notebook.cells}
        place = f"cell {number}, `{lines[number]}`," if number else "the process"
        self.said.append(f"{place} {what}")

    def _run(self, cells: Sequence[Cell], deadline: float) -> tuple[int, str] | None:
        """Run cells in a fresh process; return the number of the one that had to be ended."""
        order = {"chapter": self.notebook.chapter, "cells": [(c.number, c.source) for c in cells]}
        number = 0
        with _process(order) as messages:
            while True:
                patience = self.seconds if number else START_SECONDS
                left = max(0.0, min(patience, deadline - time.monotonic()))
                message = self._next(messages, left)
                if message is None:
                    return number, f"was stopped after {left:.0f} seconds."
                if not message:
                    return number, "ended the process."
                if "done" in message:
                    return None
                number = message.get("cell", number)
                if "line" in message:
                    self._say(number, message["line"])
                if "exercise" in message:
                    self.found[message["exercise"]] = (message["status"], message["message"])
                self.exercises = message.get("exercises", self.exercises)

    def _next(self, messages: Messages, seconds: float) -> dict[str, Any] | None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stop.is_set():
            with suppress(queue.Empty):
                return messages.get(timeout=0.2)
        return None


@contextmanager
def _process(order: Mapping[str, Any]) -> Iterator[Messages]:
    """Give what a fresh process tells, an empty message at its end; it is killed afterwards."""
    messages: Messages = queue.SimpleQueue()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vglib.progress.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=_environment(folder),
            encoding="utf-8",
            start_new_session=True,  # a Ctrl-C is for this process; the other ends with it
        )
        assert process.stdin
        assert process.stdout

        def listen(lines: Iterator[str]) -> None:
            for line in lines:
                with suppress(ValueError):
                    messages.put(json.loads(line))
            messages.put({})

        listener = threading.Thread(target=listen, args=(process.stdout,), daemon=True)
        listener.start()
        try:
            with suppress(OSError):  # it has ended already, as the messages will say
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            yield messages
        finally:
            process.kill()
            process.wait()
            listener.join(timeout=5)
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()


def _environment(folder: str) -> dict[str, str]:
    """Let a process compute on one thread, and take its folder for home and for all that passes."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    homes = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "XDG_CACHE_HOME")
    return {
        **os.environ,
        **dict.fromkeys(threads, "1"),
        **dict.fromkeys(homes, folder),
        "MPLBACKEND": "agg",
        "PLOTLY_RENDERER": "json",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        # Where this process found the package, whatever a new home folder would change.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path),
    }
