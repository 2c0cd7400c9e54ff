"""A notebook exported to HTML asks the network for nothing, and each picture has its words."""

import re
from html import unescape

import nbformat
import pytest

from vglib.jupyter.export import PageExporter
from vglib.jupyter.mathml import formula

TEXT = "## Heading\n\nIn a line $a_1 < b$, and\n\n$$\n\\frac{x}{2}\n$$\n\nnot `$code$`, nor $3."


@pytest.fixture(scope="module")
def page():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    script = {"application/javascript": "fetch('http://elsewhere')"}
    shown = [
        {"text/plain": 'Lab(): "flat" & <b>.', "image/png": "aGk="},
        {"text/plain": "Lab()", "text/html": "<p>The verdict.</p>", **view},
        {"text/plain": "no script", **script},
    ]
    outputs = [nbformat.v4.new_output("display_data", data) for data in shown]
    cells = [nbformat.v4.new_markdown_cell(TEXT), nbformat.v4.new_code_cell("1", outputs=outputs)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    html, _ = PageExporter().from_notebook_node(notebook)
    return html


def test_nothing_is_fetched(page):
    assert "<script src" not in page
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//[^"' >]+""", page) == []
    assert re.findall(r"""url\(["']?(?:https?:)?//""", page) == []
    assert "import(" not in page


def test_each_picture_has_its_words(page):
    (image,) = re.findall(r"<img[^>]+>", page)
    assert unescape(re.search("alt=(['\"])(.*?)\\1", image)[2]) == 'Lab(): "flat" & <b>.'


def test_a_widget_gives_way_to_what_stands_beside_it(page):
    assert "<p>The verdict.</p>" in page
    assert "no script" in page
    assert "widget-view" not in page
    assert "elsewhere" not in page


def test_formulas_are_drawn_without_scripts(page):
    pytest.importorskip("latex2mathml")
    assert page.count("<math ") == 2
    assert 'alttext="a_1 &lt; b"' in page
    assert "<mfrac>" in page
    assert "<code>$code$</code>" in page
    assert "nor $3." in page


def test_a_formula_that_is_none_is_said():
    pytest.importorskip("latex2mathml")
    with pytest.raises(ValueError, match=r"has \\nonsense, which is not known"):
        formula(r"\nonsense")
