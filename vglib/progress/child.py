"""The process in which a notebook's cells run: `python -m vglib.progress.child`, for `judging`.

It reads one line of JSON, {"chapter": "chain_rule", "cells": [[2, "import math"], ...]}, runs the
cells in its working directory, and writes a line of JSON for all that happens:
{"exercises": [...]}, {"cell": 2}, {"exercise": "factor", "status": "right", "message": "..."},
{"cell": 2, "line": "..."}, and {"done": true} at the end.
"""

import importlib
import io
import json
import linecache
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vglib.exercise import Exercise, Result
from vglib.progress.refusals import Refused, refuse

# A cell that eats more memory than any chapter needs gets a MemoryError, where the system can.
MEMORY = 6 * 2**30
MOST_REFUSALS = 20


def main() -> None:
    """Run one notebook's cells and end the process."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(sys.stdin,), daemon=True).start()
    tell = _private_channel()
    sys.stdin = io.StringIO()  # nobody answers an input()
    check = importlib.import_module(f"vglib.{order['chapter']}.check")
    exercises = {name: e for name, e in vars(check).items() if isinstance(e, Exercise)}
    tell({"exercises": list(exercises)})
    vars(check)["__getattr__"] = _no_exercise
    _note_results(exercises, tell)
    _limit_memory()
    _run(order["cells"], check, tell)
    tell({"done": True})


def _end_with_parent(pipe: io.TextIOBase) -> None:
    pipe.read()
    signal.raise_signal(signal.SIGTERM)


def _private_channel() -> Callable[[dict[str, Any]], None]:
    """Take the standard output for what is told; what cells print goes nowhere."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    lock = threading.Lock()

    def tell(what: dict[str, Any]) -> None:
        with lock:
            channel.write(json.dumps(what) + "\n")
            channel.flush()

    return tell


def _note_results(exercises: dict[str, Exercise], tell: Callable[[dict[str, Any]], None]) -> None:
    names = {id(exercise): name for name, exercise in exercises.items()}
    judge = Exercise.__call__

    def judged(self: Exercise, answer: Any = None) -> Result:
        result = judge(self, answer)
        if name := names.get(id(self)):
            tell({"exercise": name, "status": result.status, "message": result.message})
        return result

    setattr(Exercise, "__call__", judged)  # noqa: B010, as mypy allows no method to be assigned


def _no_exercise(name: str) -> Callable[..., None]:
    """Stand for what an older edition asks: whatever else its cell asks is to be judged."""
    if name.startswith("_"):
        raise AttributeError(name)
    return lambda *_: None


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    soft = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, most))


def _run(
    cells: list[tuple[int, str]], check: types.ModuleType, tell: Callable[[dict[str, Any]], None]
) -> None:
    main_module = types.ModuleType("__main__")
    names = vars(main_module)
    names |= {"check": check, "display": lambda *_, **__: None}
    sys.modules["__main__"] = main_module
    current, told = 0, set[tuple[int, str]]()

    def refused(what: str) -> None:
        if (current, what) not in told and len(told) < MOST_REFUSALS:
            told.add((current, what))
            tell({"cell": current, "line": f"tried to {what}: refused."})

    refuse(Path.cwd(), refused)
    for number, source in cells:
        current = number
        tell({"cell": number})
        file = f"<cell {number}>"
        # So that messages can quote the line of an error.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            exec(compile(source, file, "exec", dont_inherit=True), names)
        except Refused:  # told already
            continue
        except BaseException as error:  # sys.exit too: the other cells go on
            tell({"cell": number, "line": f"raised {_said(error)}."})


def _said(error: BaseException) -> str:
    try:
        text = next(iter(str(error).splitlines()), "")[:120].rstrip(".")
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


if __name__ == "__main__":
    main()
