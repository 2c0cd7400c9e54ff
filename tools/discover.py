"""What chapters there are, as the folders say: their labs, and what they lack."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from vglib.lab import Lab

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("labs.py", "claims.py", "check.py")


def chapters(root: Path = ROOT) -> list[str]:
    """Return the folders of vglib that hold a chapter's labs, claims or checks."""
    return sorted({path.parent.name for part in PARTS for path in root.glob(f"vglib/*/{part}")})


def part(chapter: str, name: str, root: Path = ROOT) -> ModuleType | None:
    """Import a chapter's labs, claims or check; None where it has none."""
    if not (root / "vglib" / chapter / f"{name}.py").exists():
        return None
    return importlib.import_module(f"vglib.{chapter}.{name}")


def labs_in(module: ModuleType) -> dict[str, Callable[[], Lab]]:
    """Return the functions of a module that return a Lab, by the type that they say they return."""
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.isfunction(function) and get_type_hints(function).get("return") is Lab
    }


def labs() -> dict[str, Callable[[], Lab]]:
    """Return every lab of every chapter, by "chapter.lab"."""
    return {
        f"{chapter}.{name}": function
        for chapter in chapters()
        if (module := part(chapter, "labs")) is not None
        for name, function in labs_in(module).items()
    }


def faults(root: Path = ROOT) -> list[str]:
    """Say in a sentence each what would keep a part of a chapter from being found or tried."""
    found = []
    for chapter in chapters(root):
        folder, tests = root / "vglib" / chapter, root / "tests" / chapter
        if not (folder / "__init__.py").exists():
            found.append(f"vglib/{chapter} has no __init__.py, so no wheel brings it; add one.")
        if not (tests / "__init__.py").exists():
            found.append(f"tests/{chapter} has no __init__.py; add the folder and the file.")
        if (folder / "check.py").exists() and not (tests / "answers.py").exists():
            found.append(f"{chapter} has a check.py but no tests/{chapter}/answers.py; write it.")
    return found
