"""A notebook's markdown as HTML, its formulas as MathML: nothing is fetched to show them."""

import re
from functools import lru_cache
from html import escape

from latex2mathml.converter import convert
from markdown_it import MarkdownIt

# Code, in which a dollar is a dollar, or a formula: displayed, or in a line.
_CODE_OR_FORMULA = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?<!\\)\$\$(?P<display>.+?)\$\$"
    r"|(?<![\\$])\$(?![\s$])(?P<inline>(?:[^$\n]|\\\$|\n(?!\s*\n))+?)(?<![\s\\])\$(?!\d)",
    re.MULTILINE | re.DOTALL,
)
# MathML that browsers have left out, or draw with some fonts only, and what they draw alike.
_MENDED = (
    # A bar that stands for a norm, no fence that grows and no sign between two terms.
    (
        r'<mo(?: stretchy="false")?>(&#x02016;|&#x0007C;)</mo>',
        r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>',
    ),
    (
        r'<mover>((?:(?!<mover).)*)<mo accent="true">&#x02015;</mo></mover>',
        r'<mrow style="border-top: 1px solid; padding-top: 0.1em">\1</mrow>',
    ),
    (
        r'<menclose notation="box">(.*?)</menclose>',
        r'<mrow style="border: 1px solid; padding: 0.25em 0.4em">\1</mrow>',
    ),
    (r'<mtd columnalign="left">', '<mtd style="text-align: left">'),
    (r' mathvariant="bold(?:-italic)?"', ' style="font-weight: bold"'),
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


def formula(latex: str, display: bool = False) -> str:
    """Return one formula as MathML; raises ValueError where it cannot be read."""
    try:
        made = convert(latex.strip(), display="block" if display else "inline")
    except Exception as error:  # latex2mathml raises a dozen kinds
        raise ValueError(f"The formula ${latex.strip()}$ cannot be read: {error!r}.") from None
    # It hands on unread what it does not know.
    if unknown := re.search(r"\\[a-zA-Z]+", made):
        raise ValueError(f"The formula ${latex.strip()}$ has {unknown[0]}, which is not known.")
    for old, new in _MENDED:
        made = re.sub(old, new, made)
    return made.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1)


@lru_cache(maxsize=1)
def _renderer() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
