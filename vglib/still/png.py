"""The still of a lab, for a page without a kernel: the figure as PNG, its verdict above it."""

import textwrap
from io import BytesIO

from vglib.figures import Drawing


def png(drawing: Drawing, words: str) -> bytes:
    """Return the picture of a drawing, 1000 wide, with `words` written above it."""
    # Tools of an author, which a learner's machine does without.
    import kaleido
    from PIL import Image

    still = drawing.figure()
    lines = textwrap.wrap(words, 110)
    room = 22 * len(lines) + 10
    still.update_layout(
        title={
            "text": "<br>".join(lines),
            "font": {"size": 16},
            "x": 0.01,
            "yref": "container",
            "y": 0.99,
            "yanchor": "top",
            # plotly would put the first of several lines half off the picture.
            "pad": {"t": 12 if len(lines) > 1 else 0},
        },
        margin={"t": still.layout.margin.t + room},
        height=still.layout.height + room,
    )
    # One browser for all pictures of a kernel, and none that fetches MathJax from elsewhere.
    kaleido.start_sync_server(silence_warnings=True, mathjax=False)
    options = {"format": "png", "width": 1000, "height": still.layout.height, "scale": 1.5}
    picture = Image.open(BytesIO(kaleido.calc_fig_sync(still.to_dict(), opts=options)))
    small = BytesIO()
    # Lines on paper need few colours, and the notebook shrinks to a third.
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()
