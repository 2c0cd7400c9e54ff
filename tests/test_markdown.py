"""A notebook's markdown as HTML: formulas whatever stands beside them, code as it is."""

import re

import nbformat
import pytest

from tests.conftest import ROOT
from tools import markdown


def test_a_formula_becomes_mathml_with_its_source_as_a_name():
    found = markdown.html(r"With $a_1 \le b^2$ it holds.")
    assert found.startswith("<p>With <math ")
    assert 'display="inline"' in found
    assert r'alttext="a_1 \le b^2"' in found
    assert "<msub><mi>a</mi><mn>1</mn></msub>" in found
    assert "$" not in found


@pytest.mark.parametrize(
    "text",
    [
        # To markdown these are a list, a heading, a table's bars, a link and emphasis.
        "$$a\n+ b$$",
        "$$a\n=\nb$$",
        "| x |\n|---|\n| $|a|$ |",
        "$[a](b)$",
        "$a_i$ and $b_i$",
        "$a\nb$",
    ],
)
def test_markdown_leaves_a_formula_alone(text):
    found = markdown.html(text)
    assert found.count("<math ") == text.count("$") // (4 if "$$" in text else 2)
    assert not re.search("<li>|<h[12]>|<em>|<a ", found)
    if text.startswith("|"):
        assert found.count("<td>") == 1


@pytest.mark.parametrize(
    "text", ["`$a$`", "``` \n$a$ and $b$\n```", r"\$a and \$b", "it costs $5 or $6", "``a ` $b$``"]
)
def test_a_dollar_that_opens_no_formula_stays(text):
    found = markdown.html(text)
    assert "<math" not in found
    assert found.count("$") == text.count("$")


def test_tables_and_html_of_its_own():
    found = markdown.html("<details><summary>a</summary>\n\n| b |\n|:--|\n| c |\n\n</details>")
    assert "<details><summary>a</summary>" in found
    assert "<td" in found


@pytest.mark.parametrize("text", [r"$\frac$", r"$a \nosuchthing b$", r"$\left( a$"])
def test_a_formula_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match=re.escape(text)):
        markdown.html(text)


def test_every_formula_of_the_course_can_be_read():
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert paths
    for path in paths:
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "markdown":
                text = re.sub("<code>.*?</code>", "", markdown.html(cell.source), flags=re.DOTALL)
                assert "$" not in text, path


def test_what_browsers_draw_with_some_fonts_only_is_drawn_by_style():
    assert 'style="border-top' in markdown.formula(r"\overline{\phi(z)^2}")
    assert 'style="border: ' in markdown.formula(r"\boxed{x}")
    norm = markdown.formula(r"\lVert w\rVert |a|")
    assert norm.count('stretchy="false" lspace="0" rspace="0"') == 4


def test_no_line_begins_with_the_full_stop_after_a_formula():
    found = markdown.html("It is ($a$), so $b$.")
    for formula in (f"({markdown.formula('a')}),", f"{markdown.formula('b')}."):
        assert f'<span style="white-space: nowrap">{formula}</span>' in found
