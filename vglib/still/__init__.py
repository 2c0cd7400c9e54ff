"""The still of a figure, for a page that cannot move it: an SVG drawn here, or a browser's PNG."""

from base64 import b64encode
from html import escape

from vglib.figures import Drawing
from vglib.still.png import png
from vglib.still.svg import svg

__all__ = ["captioned", "image", "png", "svg"]

# Read on white and on black.
INK = "#767676"


def image(drawing: Drawing, words: str) -> str:
    """Return a drawing as an HTML image; `words` are for who cannot see it.

    An image, as JupyterLab takes an SVG of the page's own out of what it does not trust; so it has
    none of the page's ink.
    """
    drawn = svg(drawing, words).replace("currentColor", INK).encode()
    source = f"data:image/svg+xml;base64,{b64encode(drawn).decode()}"
    return f'<img alt="{escape(words)}" style="width:100%;max-width:900px" src="{source}">'


def captioned(drawing: Drawing, words: str, shows: str, note: str) -> str:
    """Return a drawing as an HTML image between its words and what it `shows`, and a note.

    Where it cannot be drawn there are the words and the note alone.
    """
    try:
        picture = image(drawing, words)
    except Exception:  # of what somebody draws with plotly's own traces, and the lab is to live
        picture = shows = ""
    said = " ".join(part for part in (shows, note) if part)
    return f"<p>{escape(words)}</p>{picture}<p><em>{escape(said)}</em></p>"
