"""A formula as MathML, which browsers draw without any script."""

import re
from html import escape

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


def formula(latex: str, display: bool = False) -> str:
    """Return one formula as MathML; raises ValueError where it cannot be read."""
    # A tool of who exports, which a learner's machine does without.
    from latex2mathml.converter import convert

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
