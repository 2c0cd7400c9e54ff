"""What the doctor says: in print, on a page, as plain values, and by raising."""

import base64
import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.doctor.training import drawn
from vglib.doctor import Broken, Layer, Report, Seen, assert_healthy, examine
from vglib.doctor.pictures import draw
from vglib.doctor.rules import finding
from vglib.still import svg

NAN = float("nan")
BROKEN = finding("no-gradient", "h <b> got no gradient.", "body.2", number=2)
LIKELY = finding("dead-units", "90% of its units are 0.", "0", 0.9, 0.5, weight="0.weight")
NOTE = finding("never-called", "the forward pass uses none of idle.weight.", "idle")


def layer(name="0", **numbers) -> Layer:
    parts = dict.fromkeys(("signal", "delta", "gradient", "weight", "ratio", "chi"), 0.5)
    return Layer(name, "linear", **{**parts, "dead": 0.25, "saturated": NAN, **numbers})


def report(*findings, **parts) -> Report:
    usual = {
        "seen": Seen(3, 3),
        "not_checked": (),
        "layers": (layer("0"), layer("2", delta=0.0, gradient=NAN), layer("4", signal=2.0)),
        "losses": ((0, 2.0), (20, 0.5)),
        "in_time": (),
        "loss": 2.0,
        "best_constant": 2.3,
        "seconds": 0.1,
    }
    return Report(findings=findings, **{**usual, **parts})


# --- in print ---


def test_print_says_what_was_found_why_and_what_to_do():
    said = repr(report(BROKEN, LIKELY, NOTE, not_checked=("zero_grad: pass step=.",)))
    assert said.startswith(
        "2 findings. In 20 steps on a copy the loss went from 2 to 0.5.\n\n"
        "no-gradient at body.2 (broken): h <b> got no gradient.\n"
    )
    assert f"  {BROKEN.why}\n  (chapter 02; torch's documentation)\n  What to try:\n" in said
    for line in LIKELY.cure.splitlines():
        assert f"\n    {line}\n" in said
    assert "note: never-called at idle (note): the forward pass uses none of" in said
    assert said.endswith("\nSeen: 3 of 3 matrices.\nNot checked: zero_grad: pass step=.")


def test_print_of_a_healthy_net_says_how_much_was_seen():
    assert repr(report(losses=())) == "Nothing was found.\n\nSeen: 3 of 3 matrices."
    assert repr(report(NOTE)).startswith("Nothing was found. In 20 steps")


def test_print_shows_three_and_counts_the_rest():
    some = [finding("no-gradient", f"number {i} is cut off.", f"layer{i}") for i in range(5)]
    said = repr(report(*some))
    assert said.startswith("5 findings.")
    assert said.count("What to try:") == 3
    assert "and 2 more in .findings" in said
    assert "layer3" not in said
    assert "1 finding." in repr(report(BROKEN))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen(1, 1), "1 of 1 matrix."),
        (Seen(9, 9), "9 of 9 matrices."),
        (Seen(0, 0), "0 of 0 matrices."),
        (
            Seen(1, 4, (("a", "it idles"), ("b", "it is cut"), ("c", "it idles"))),
            "1 of 4 matrices; not seen: a, c, because it idles; b, because it is cut.",
        ),
    ],
)
def test_what_was_seen_is_one_sentence(seen, said):
    assert str(seen) == said


# --- by raising ---


def test_only_what_is_broken_raises_unless_likely_is_asked_for():
    for healthy in (report(), report(NOTE)):
        assert healthy.healthy
        healthy.raise_if_broken(likely=True)
    assert not report(LIKELY).healthy
    report(LIKELY, NOTE).raise_if_broken()
    with pytest.raises(Broken, match=r"^dead-units at 0 \(likely\): 90% of its units are 0\.$"):
        report(LIKELY, NOTE).raise_if_broken(likely=True)
    with pytest.raises(Broken, match=r"^no-gradient at body\.2 \(broken\): h <b> got no.*\.$"):
        report(BROKEN, LIKELY).raise_if_broken()
    assert issubclass(Broken, AssertionError)


def batch(count=32):
    with drawn(0):
        return torch.randn(count, 4), torch.arange(count) % 3


def test_assert_healthy_is_an_examination_that_raises():
    with drawn(0):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    given = assert_healthy(model, F.cross_entropy, (x, y), optimizer=optimizer, budget=20)
    assert isinstance(given, Report)
    with pytest.raises(Broken, match=r"^label-out-of-range"):
        assert_healthy(model, F.cross_entropy, (x, y + 1))
    model[2].weight.requires_grad_(False)
    with pytest.raises(Broken, match="not-finite"):
        assert_healthy(model, F.cross_entropy, (x * NAN, y))


# --- as plain values ---


def test_plain_values_come_back_from_json():
    made = report(
        *(BROKEN, NOTE),
        seen=Seen(1, 2, (("idle.weight", "it idles"),)),
        losses=((0, 2.0), (1, float("inf"))),
        in_time=(("rnn", (0.5, NAN)),),
        loss=NAN,
        best_constant=None,
    )
    values = made.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["healthy"] is False
    assert [found["name"] for found in values["findings"]] == ["no-gradient", "never-called"]
    assert values["findings"][0] == vars(BROKEN)
    assert values["seen"] == {"matrices": 1, "of": 2, "missing": [["idle.weight", "it idles"]]}
    assert values["losses"] == [[0, 2.0], [1, None]]
    assert values["in_time"] == {"rnn": [0.5, None]}
    assert (values["loss"], values["best_constant"]) == (None, None)
    assert values["layers"][1]["gradient"] is None
    assert values["layers"][1]["delta"] == 0.0


def test_all_keys_of_the_plain_values_are_told():
    told = set(re.findall(r'"(\w+)"', Report.to_dict.__doc__))
    values = report(BROKEN, in_time=(("rnn", (0.5,)),)).to_dict()
    keys = {*values, *values["findings"][0], *values["seen"], *values["layers"][0]}
    assert keys == told


def test_an_examinations_plain_values_fit_json():
    with drawn(0):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y = batch()
    for inputs in (x, x * NAN):
        values = examine(model, F.cross_entropy, (inputs, y)).to_dict()
        assert json.loads(json.dumps(values, allow_nan=False)) == values


# --- on a page ---


class Tags(HTMLParser):
    """Collects what a page is made of, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("br", "img"):
            self.open.append(tag)
        self.seen.append((tag, dict(attributes), tuple(self.open)))

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes), tuple(self.open)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.words[tag] = self.words.get(tag, "") + data


def test_the_page_is_whole_and_asks_nobody():
    page = report(BROKEN, LIKELY, NOTE, not_checked=("zero_grad: pass step=.",))._repr_html_()
    tags = Tags(page)
    assert tags.open == []
    assert not {tag for tag, _, _ in tags.seen} & {"script", "link", "iframe", "style"}
    assert re.findall(r"https?://[^\"' ]+", page) == []
    assert not re.search(r"\bon\w+=", page)
    assert "h &lt;b&gt; got no gradient" in page.replace("H &lt;", "h &lt;")
    assert "2 findings." in tags.words["b"]
    assert "zero_grad: pass step=." in tags.words["li"]
    for found in (BROKEN, LIKELY, NOTE):
        assert found.cure in tags.words["pre"]
        assert found.why in tags.words["p"]


def test_the_page_shows_three_and_folds_the_rest():
    some = [finding("no-gradient", f"number {i} is cut off.", f"layer{i}") for i in range(5)]
    tags = Tags(report(*some, NOTE)._repr_html_())
    cures = [outside for tag, _, outside in tags.seen if tag == "pre"]
    assert ["details" in outside for outside in cures] == [False] * 3 + [True] * 3
    assert tags.words["summary"] == "3 more"
    assert Tags(report(BROKEN, NOTE)._repr_html_()).words["summary"] == "1 note"
    assert "summary" not in Tags(report(BROKEN)._repr_html_()).words


def test_without_layers_there_is_no_figure():
    assert "<img" not in report(BROKEN, layers=())._repr_html_()
    page = report(BROKEN)._repr_html_()
    drawn = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", page)[1]).decode()
    assert drawn.startswith("<svg")
    assert "currentColor" not in drawn


# --- the figure ---


def traces(made: Report) -> dict:
    return {trace.name: trace for trace in made.figure().data}


def test_the_figure_shows_the_numbers_of_the_layers():
    shown = traces(report())
    # Powers of ten are drawn as their exponents; what is exactly 0 is a cross on the floor.
    assert np.allclose(shown["signal"].y, np.log10([0.5, 0.5, 2.0]))
    assert np.allclose(
        shown["∂L/∂signal"].y, [math.log10(0.5), NAN, math.log10(0.5)], equal_nan=True
    )
    assert np.allclose(shown["∂L/∂W"].y, [math.log10(0.5), NAN, math.log10(0.5)], equal_nan=True)
    assert list(shown["χ"].y) == [0.5] * 3
    assert list(shown["dead units"].y) == [0.25] * 3
    assert list(shown["signal"].text) == ["0 (linear)", "2 (linear)", "4 (linear)"]
    assert next(list(t.x) for t in report().figure().data if t.name == "exactly 0") == [2]


def test_time_is_shown_where_there_is_some():
    assert "rnn" not in traces(report())
    assert list(traces(report(in_time=(("rnn", (0.1, 1.0)),)))["rnn"].y) == [-1, 0]


# --- as SVG ---

SPACE = "{http://www.w3.org/2000/svg}"


def test_each_report_becomes_an_svg():
    for made in (report(), report(in_time=(("rnn", tuple(10.0**-k for k in range(90))),))):
        root = ElementTree.fromstring(svg(draw(made), "A sentence."))
        words = ["".join(e.itertext()) for e in root.iter(f"{SPACE}text")]
        shown = {trace["name"] for trace in draw(made).data if trace["showlegend"]}
        assert shown <= set(words)
        assert {"root mean square", "χ, and shares"} <= set(words)
    flat = report(layers=(layer(signal=NAN, delta=NAN, gradient=NAN, ratio=NAN, chi=NAN),))
    ElementTree.fromstring(svg(draw(flat), "A sentence."))
