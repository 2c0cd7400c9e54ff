"""Where each claim is taught: the notebook and the heading under which it is tried."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from vglib.claim import Fact
from vglib.course.copies import published

_TRIED = re.compile(r"claims\.(?:BY_ID\[\"(?P<id>[a-z0-9-]+)\"\]|(?P<name>[A-Z][A-Z0-9_]*))")
_HEADING = re.compile(r"^#{1,3} (.+)$", re.MULTILINE)


class Place(NamedTuple):
    """A cell: the notebook's name, the heading above it, and the number of the cell, from 1."""

    notebook: str
    heading: str
    cell: int


def mentions(cells: list[dict]) -> Iterator[tuple[str, str, int]]:
    """Give each claim that a notebook's code cells name: its name or id, the heading, the cell."""
    heading = ""
    for number, cell in enumerate(cells, 1):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = next(reversed(_HEADING.findall(source)), heading)
        else:
            for found in _TRIED.finditer(source):
                yield found["id"] or found["name"], heading, number


def places(notebooks: Path, package: str = "vglib") -> dict[str, Place]:
    """Return where each claim is first named in a folder of notebooks, by the claim's id."""
    found: dict[str, Place] = {}
    for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        try:
            module = importlib.import_module(f"{package}.{path.stem[3:]}.claims")
        except ModuleNotFoundError:
            continue
        ids = {name: value.id for name, value in vars(module).items() if isinstance(value, Fact)}
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for name, heading, number in mentions(cells):
            claim_id = ids.get(name, name)
            found.setdefault(claim_id, Place(path.stem, heading, number))
    return found


@lru_cache(maxsize=1)
def taught() -> Mapping[str, Place]:
    """Return where each claim is first tried in the published chapters, by the claim's id."""
    return MappingProxyType(places(published()))
