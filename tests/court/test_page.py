import re
from html.parser import HTMLParser

import pytest

from vglib.claim import Claim
from vglib.court import page
from vglib.docket.cases import case, cases


class Tags(HTMLParser):
    """Which tags are open, and what attributes the cases have."""

    def __init__(self):
        super().__init__()
        self.open, self.cases = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if dict(attrs).get("class") == "court-case":
            self.cases.append(dict(attrs))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_has_every_claim_once_and_its_tags_close():
    everything = page.everything()
    tags = Tags()
    tags.feed(everything._repr_markdown_())
    assert tags.open == []
    assert len(tags.cases) == len(cases()) == len(everything.cases)
    assert repr(everything) == f"{len(cases())} claims on one page"


def test_without_a_script_it_is_markdown_that_no_empty_line_ends():
    text = page.everything()._repr_markdown_()
    assert "<script" not in text
    assert "\n\n" not in text
    html = page.everything()._repr_html_()
    assert html.startswith(text)
    assert html.count("<script>") == 1


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({"chapter": 9}, lambda one: one.number == 9),
        ({"ruling": "refuted"}, lambda one: one.ruling == "refuted"),
        ({"source": "Zhihu article"}, lambda one: "Zhihu" in one.claim.source),
        (
            {"chapter": 9, "ruling": "refuted"},
            lambda one: one.number == 9 and one.ruling == "refuted",
        ),
    ],
)
def test_filters(filters, passes):
    shown = page.everything(**filters).cases
    assert shown
    assert all(passes(one) for one in shown)
    assert len(shown) < len(cases())


def test_a_case_opens_to_all_that_is_known_of_it():
    one = case("adam-needs-only-patience")
    told = dict(page.told(one))
    assert told["grid"] == "lr = 0.0003, 0.003, 0.03; the largest median counts"
    assert told["rival"].startswith("0.2: two digits of ten")
    measured = [words for name, words in told.items() if name.startswith("measured from seed")]
    assert len(measured) == len(one.measured.measured)
    assert "python -m vglib.claim adam-needs-only-patience" in told["try it"]
    assert all(told[name] for name in ("source", "setup", "predicted", "correction", "ruling"))


def test_nothing_is_said_of_what_nobody_measured():
    one = case("adam-needs-only-patience")
    told = dict(page.told(type(one)(one.claim, one.chapter, one.number, None, None)))
    assert told["measured"] == "nothing is stored of it yet: try it"
    assert told["belongs to"] == "chapter 10, whose text does not try it"
    assert "ruling" not in told


def test_the_line_to_copy_runs():
    (line,) = (words for name, words in page.told(cases()[0]) if name == "in a notebook")
    names = {}
    head, _, call = line.rpartition("; ")
    exec(head, names)
    assert isinstance(eval(call.removesuffix(".trial()"), names), Claim)


def test_every_claim_has_one_of_a_few_sources():
    found = {page.source_of(one) for one in cases()}
    assert found == {
        *("lecture note", "Zhihu article", "article of 2023", "Medium article"),
        *("tutorial of 2017", "folklore", "papers and manuals"),
    }


def test_the_script_asks_for_what_the_page_has():
    script = page.SCRIPT.read_text(encoding="utf-8")
    text = page.everything()._repr_markdown_()
    for name in re.findall(r"\"\.(vglib-court|court-\w+)", script):
        assert f'class="{name}"' in text, name
