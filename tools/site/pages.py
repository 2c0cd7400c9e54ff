"""The pages: a chapter's, made of its published notebook, and the index."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import nbformat

from tools import discover, markdown
from tools.site import live
from tools.site.cells import Part, parts, with_ids, with_room
from tools.source import ChapterInfo, chapter_info
from vglib.claim import Claim, Fact
from vglib.docket import registry
from vglib.figures import template
from vglib.words import count

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COURSE = "Vanishing and exploding gradients, live"
# What the index shows: a lab, and a claim whose trial takes no time.
LAB = "start_here.gradient_flow_lab"
CLAIM = "a-typical-factor-is-a-quarter"
_IMPORT = re.compile(r'^import \{[^}]*\} from "[^"]*figure\.js";$', re.MULTILINE)


@dataclass(frozen=True)
class Chapter:
    """A chapter that becomes a page; `labs` are its labs' functions, each once, in order."""

    notebook: str
    info: ChapterInfo
    parts: tuple[Part, ...]

    @property
    def page(self) -> str:
        """The name of its page."""
        return f"{self.notebook}.html"

    @property
    def name(self) -> str:
        """Its number and title."""
        return f"{self.info.number:02} · {self.info.title}"

    @property
    def labs(self) -> tuple[str, ...]:
        """The names of its labs, as "chapter.lab", in order, each once."""
        folder = self.notebook.partition("_")[2]
        return tuple(dict.fromkeys(f"{folder}.{part.lab}" for part in self.parts if part.lab))


def read(notebook: Path) -> Chapter:
    """Read a published notebook, of either edition; raises ValueError with the notebook's name."""
    folder = notebook.stem.partition("_")[2]
    modules = (discover.part(folder, "labs"), discover.part(folder, "check"))
    cells = nbformat.read(notebook, as_version=4).cells
    solutions = notebook.parent.name == "solutions"
    try:
        found = tuple(parts(cells, *modules, solutions=solutions))
    except ValueError as error:
        raise ValueError(f"{notebook.name} cannot become a page: {error}") from None
    info = chapter_info(ROOT / "chapters" / f"{notebook.stem}.py")
    return Chapter(notebook.stem, info, found)


def chapter_page(chapter: Chapter, others: Sequence[Chapter], frames: Mapping[str, bytes]) -> str:
    """Return the page of a chapter, which stands among others, with the frames of its labs."""
    whole = "\n".join(part.html for part in chapter.parts if part.html)
    body, headings = with_ids(with_room(whole))
    head, _, rest = body.partition("</h1>")
    links = "".join(
        f'<li><a href="#{place}">{text}</a></li>' for level, place, text in headings if level == 2
    )
    return _page(
        title=f"{chapter.name} · {COURSE}",
        description=chapter.info.question,
        kind="chapter",
        contents=f'<nav class="contents" aria-label="This chapter"><details open>'
        f"<summary>This chapter</summary><ul>{links}</ul></details></nav>",
        body=f"{head}</h1>\n{live.line(chapter.notebook)}{rest}",
        footer=_beside(chapter, others),
        frames={name.partition(".")[2]: frames[name] for name in chapter.labs},
    )


def index_page(chapters: Sequence[Chapter], frames: Mapping[str, bytes]) -> str:
    """Return the first page: a lab that moves, what the course is, its chapters, a claim."""
    shown = LAB.partition(".")[2]
    still = next((p.html for chapter in chapters for p in chapter.parts if p.lab == shown), "")
    claims = [claim for some in registry.claims().values() for claim in some]
    example = next(claim for claim in claims if claim.id == CLAIM)
    ruling = example.trial()._repr_markdown_()
    link = live.on_binder(chapters[0].notebook)
    rows = (
        f'<tr><td>{c.info.number:02}</td><td><a href="{c.page}">{escape(c.info.title)}</a></td>'
        f"<td>{escape(c.info.question)}</td><td>{c.info.minutes}</td></tr>"
        for c in chapters
    )
    body = _filled(
        "index.html",
        course=COURSE,
        count=count(len(chapters), "chapter"),
        lab=still,
        labs=len(discover.labs()),
        claims=len(claims),
        rulings=_rulings(claims),
        clinic=next((c.page for c in chapters if c.notebook.endswith("clinic")), "#"),
        court=next((c.page for c in chapters if c.notebook.endswith("court")), "#"),
        start=live.start(),
        live=f"<p>Or open it {link}, where nothing is installed.</p>" if link else "",
        chapters="\n".join(rows),
        says=escape(example.says),
        where=escape(example.where),
        ruling=with_room(markdown.html(ruling.replace("<details>", "<details open>", 1))),
    )
    return _page(
        title=COURSE,
        description="A course for Jupyter on why deep networks fail to learn, with labs that move.",
        kind="index",
        contents="",
        body=body,
        footer="",
        frames={shown: frames[LAB]} if still else {},
    )


def _rulings(claims: Sequence[Fact]) -> str:
    """Say how many claims are declared to come out how."""
    words = Counter(c.ruling.word if isinstance(c, Claim) else "fact" for c in claims)
    said = {"holds": "hold", "holds only if": "hold on a condition", "refuted": "are refuted"}
    found = [f"{words[word]} {text}" for word, text in said.items()]
    return f"{', '.join(found)}, and {words['fact']} are facts to start from"


def _beside(chapter: Chapter, others: Sequence[Chapter]) -> str:
    place = [other.notebook for other in others].index(chapter.notebook)
    before, after = others[:place][-1:], others[place + 1 :][:1]
    links = [
        *(f'<a rel="prev" href="{other.page}">← {escape(other.name)}</a>' for other in before),
        '<a href="index.html">All chapters</a>',
        *(f'<a rel="next" href="{other.page}">{escape(other.name)} →</a>' for other in after),
    ]
    return f'<nav aria-label="Chapters">{"".join(links)}</nav>'


def _page(frames: Mapping[str, bytes], **texts: str) -> str:
    themes = {"light": template(), "dark": template(dark=True)}
    data = (
        f'<script type="text/plain" class="frames" data-lab="{name}">'
        f"{base64.b64encode(made).decode()}</script>"
        for name, made in frames.items()
    )
    texts |= {name: escape(texts[name], quote=True) for name in ("title", "description")}
    return _filled(
        "page.html",
        **texts,
        course=COURSE,
        data="\n".join(data),
        themes=json.dumps(themes),
        script=script(),
    )


def script() -> str:
    """Return the page's module; it imports nothing, so it holds the figure's and the court's."""
    figure = (ROOT / "vglib" / "lab" / "figure.js").read_text(encoding="utf-8")
    own, found = _IMPORT.subn("", (HERE / "site.js").read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError("site.js does not import figure.js in one line of its own; mend that.")
    # In a block of its own, as the notebook's script is one.
    court = (ROOT / "vglib" / "court" / "court.js").read_text(encoding="utf-8")
    return f"{figure}{own}\n{{\n{court}}}\n"


def _filled(name: str, **texts: object) -> str:
    return Template((HERE / name).read_text(encoding="utf-8")).substitute(texts)
