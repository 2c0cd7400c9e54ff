"""All claims on one page: each opens to its place, setup, grid, numbers, correction and cell."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from vglib.docket.cases import Case, cases
from vglib.words import count

SCRIPT = Path(__file__).with_name("court.js")
# How a source says that it is no one's in particular.
_NAMELESS = ("common", "often", "many", "a natural", "a back-of", "a tempting", "every textbook")


def source_of(case: Case) -> str:
    """Return the source as a filter names it: one of the five documents, "folklore" or "papers"."""
    source = case.claim.source
    for document in ("lecture note", "Zhihu article", "article of 2023", "Medium article"):
        if document in source:
            return document
    if "tutorial of 2017" in source:
        return "tutorial of 2017"
    return "folklore" if any(word in source for word in _NAMELESS) else "papers and manuals"


class Page:
    """Cases as one page: in a notebook with a search and filters, elsewhere as a list that opens.

    Where no script runs, as on GitHub, each chapter's cases still open.
    """

    def __init__(self, shown: Sequence[Case]) -> None:
        self.cases = tuple(shown)

    def __repr__(self) -> str:
        return f"{count(len(self.cases), 'claim')} on one page"

    def _repr_markdown_(self) -> str:
        return _listed(self.cases)

    def _repr_html_(self) -> str:
        return f"{_listed(self.cases)}\n<script>{SCRIPT.read_text(encoding='utf-8')}</script>"


def everything(
    *, chapter: int | None = None, source: str | None = None, ruling: str | None = None
) -> Page:
    """Return the page of all claims, or of those that pass the filters."""
    wanted = (
        case
        for case in cases()
        if chapter in (None, case.number)
        and source in (None, source_of(case))
        and ruling in (None, case.ruling)
    )
    return Page(list(wanted))


@lru_cache(maxsize=8)
def _listed(shown: tuple[Case, ...]) -> str:
    lines = ['<div class="vglib-court">']
    for number in sorted({case.number for case in shown}):
        here = [case for case in shown if case.number == number]
        name = here[0].chapter.replace("_", " ")
        head = f"{number:02} · {name}: {count(len(here), 'claim')}"
        lines += [f'<details class="court-chapter"><summary>{head}</summary>']
        lines += [_entry(case) for case in here]
        lines += ["</details>"]
    # No empty line: a page of Markdown would end the HTML there.
    return "\n".join([*lines, "</div>"])


def _entry(case: Case) -> str:
    data = {"chapter": f"{case.number:02}", "source": source_of(case), "ruling": case.ruling}
    marks = " ".join(f'data-{key}="{escape(value)}"' for key, value in data.items())
    rows = "".join(
        f"<tr><td>{name}</td><td>{escape(' '.join(words.split()))}</td></tr>"
        for name, words in told(case)
        if words
    )
    summary = f"<b>{escape(case.ruling)}</b> · {escape(' '.join(case.claim.says.split()))}"
    return (
        f'<details class="court-case" {marks}><summary>{summary}</summary>'
        f"<table>{rows}</table></details>"
    )


def told(case: Case) -> Iterable[tuple[str, str]]:
    """Give what is known of a case, as (what it is, words); what there is not is empty."""
    claim, known = case.claim, case.measured
    yield "name", claim.id
    yield "source", claim.where
    yield "setup", claim.setup
    yield "grid", f"{case.grid}; the {claim.best} median counts" if case.grid else ""
    yield "predicted", case.predicted
    yield "rival", case.rival
    if known:
        for base, words in known.measured.items():
            yield f"measured from seed {base} (stored {known.day})", words
        yield "ruling", known.verdict
    else:
        yield "measured", "nothing is stored of it yet: try it"
    yield "correction", case.correction
    if case.place:
        cell = f"{case.place.heading} (cell {case.place.cell})"
        yield "taught in", f"{case.place.notebook}, {cell}"
    else:
        yield "belongs to", f"chapter {case.number:02}, whose text does not try it"
    yield "try it", f"python -m vglib.claim {claim.id}"
    line = f'case("{claim.id}").claim.trial()'
    yield "in a notebook", f"from vglib.docket.cases import case; {line}"
