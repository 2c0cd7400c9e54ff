"""A chapter's page on paper."""

import pytest

from tools import handout
from tools.browser import find_browser

PAGE = """<!doctype html><title>Page</title><style>@media print { .off { display: none } }</style>
<h1>On paper</h1><p class="off">On the screen</p>"""


@pytest.fixture
def course(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "02_chain_rule.ipynb").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(("asked", "said"), [([], "Say which"), (["02"], "make site")])
def test_what_cannot_be_printed_is_one_sentence(course, capsys, asked, said):
    assert handout.main(asked, course) == 2
    complaint = capsys.readouterr().err
    assert said in complaint or find_browser() is None
    assert complaint.count("\n") == 1


@pytest.mark.xdist_group("browser")
def test_a_page_is_printed(course, capsys):
    if find_browser() is None:
        pytest.skip("no browser")
    (course / "site").mkdir()
    (course / "site" / "02_chain_rule.html").write_text(PAGE)
    assert handout.main(["02"], course) == 0
    printed = course / "site" / "02_chain_rule.pdf"
    assert printed.read_bytes().startswith(b"%PDF")
    assert [p.name for p in (course / "site").iterdir() if p.name.startswith(".")] == []
