"""A formula as MathML, which browsers draw without any script."""

import re
from html import escape


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
    return made.replace("<math ", f'<math alttext="{escape(latex.strip())}" ', 1)
