"""A notebook's markdown as HTML, its formulas as MathML: nothing is fetched to show them."""

import re
from functools import lru_cache

from markdown_it import MarkdownIt

from vglib.jupyter.mathml import formula

# Code, in which a dollar is a dollar, or a formula: displayed, or in a line.
_CODE_OR_FORMULA = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?<!\\)\$\$(?P<display>.+?)\$\$"
    r"|(?<![\\$])\$(?![\s$])(?P<inline>(?:[^$\n]|\\\$|\n(?!\s*\n))+?)(?<![\s\\])\$(?!\d)",
    re.MULTILINE | re.DOTALL,
)
# Letters of Unicode's private area, which no text of the course has.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACE = re.compile(f"(\\(?){_OPEN}(\\d+){_CLOSE}([.,;:!?)]*)")


def html(text: str) -> str:
    """Return markdown as HTML, as JupyterLab shows it: tables, HTML of its own, formulas.

    Formulas become MathML, which browsers draw without any script. The text is trusted: HTML in it
    is left as it is. Raises ValueError for a formula that cannot be read.
    """
    formulas: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        formulas.append(formula(found["display"] or found["inline"], bool(found["display"])))
        return f"{_OPEN}{len(formulas) - 1}{_CLOSE}"

    def put_back(place: re.Match[str]) -> str:
        before, number, after = place.groups()
        whole = before + formulas[int(number)] + after
        # No line begins with a full stop.
        return f'<span style="white-space: nowrap">{whole}</span>' if before or after else whole

    # Put aside before markdown looks: to it `_`, `|` or a line that begins with `+` mean something.
    kept = _CODE_OR_FORMULA.sub(put_aside, text)
    return _PLACE.sub(put_back, _renderer().render(kept))


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
