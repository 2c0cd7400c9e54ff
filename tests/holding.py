"""What a claim's trial has to show, here and in the chapter that tries it.

A chapter's cell `claims.SOME.trial()` runs under nbval; there it becomes `hold(claims.SOME)`, and
the claim need not be tried once more outside.
"""

import importlib
import re
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from vglib.claim import Claim, Fact, Ruling, ruled

ROOT = Path(__file__).resolve().parents[1]
TRIAL = re.compile(r"^(claims\.[\w\[\]\"-]+)\.trial\(\)$", re.MULTILINE)
MODULE = re.compile(r"^from vglib\.(\w+) import .*\bclaims\b", re.MULTILINE)


def with_rival(claim: Claim) -> Claim:
    """The claim with its rival in the prediction's place: its trial must not agree."""
    other = claim.tolerance.opposite()
    return replace(claim, prediction=claim.rival, tolerance=other, rival=claim.predicted)


def hold(claim: Fact) -> Ruling:
    """Try a claim; it must agree, reject its rival and rule as declared."""
    ruling = claim.trial()
    assert ruling.agrees, repr(ruling)
    assert ruling.rival_rejected, repr(ruling)
    assert claim.exact or len(ruling.values) >= 5
    if isinstance(claim, Claim):
        other = with_rival(claim)
        assert not other.tolerance.accepts(ruling.median, other.predicted)
        assert ruled(ruling.verdict) == claim.ruling.word
    return ruling


def held(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook whose trials must hold."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code" and TRIAL.search(cell.source):
            cell.source = "from tests.holding import hold\n" + TRIAL.sub(r"hold(\1)", cell.source)
    return copy


def tried_in(path: Path) -> set[str]:
    """Return the ids of the claims that a notebook tries."""
    cells = nbformat.read(path, 4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    found = set()
    for name in TRIAL.findall(code):
        claims = importlib.import_module(f"vglib.{MODULE.search(code)[1]}.claims")
        quoted = re.search(r'"(.+)"', name)
        found.add(quoted[1] if quoted else getattr(claims, name.removeprefix("claims.")).id)
    return found


def tried_in_chapters() -> set[str]:
    return set().union(*map(tried_in, sorted((ROOT / "notebooks").glob("*.ipynb"))))
