"""The page of all claims where a script runs: its search, its filters, by keys alone."""

import pytest

from vglib.court import page as court
from vglib.docket.cases import case, cases

pytestmark = pytest.mark.xdist_group("browser")
SHOWN = (
    "() => [...document.querySelectorAll('.court-case')].filter((c) => c.checkVisibility()).length"
)


@pytest.fixture
def opened(page):
    faults = []
    page.on("pageerror", lambda fault: faults.append(fault))
    page.set_content(court.everything()._repr_html_())
    yield page
    assert faults == []


def test_the_search_and_the_filters_leave_what_fits(opened):
    status = opened.get_by_role("status")
    assert status.inner_text() == f"{len(cases())} of {len(cases())} claims"
    assert opened.evaluate(SHOWN) == 0, "every chapter is closed at first"
    opened.get_by_label("Search").press_sequentially("wgan clips")
    assert status.inner_text() == "1 of " + f"{len(cases())} claims"
    assert opened.evaluate(SHOWN) == 1
    opened.get_by_label("Search").fill("")
    opened.get_by_label("chapter").select_option("09")
    opened.get_by_label("ruling").select_option("refuted")
    wanted = court.everything(chapter=9, ruling="refuted").cases
    assert opened.evaluate(SHOWN) == len(wanted) > 1
    summary = opened.locator(".court-case:not([hidden]) > summary").first
    summary.focus()
    opened.keyboard.press("Enter")
    assert opened.get_by_text(wanted[0].claim.setup[:40]).first.is_visible()


def test_a_letter_in_the_search_is_no_command_of_the_notebook(opened):
    opened.evaluate(
        "() => { window.heard = 0; document.addEventListener('keydown', () => window.heard++); }"
    )
    opened.get_by_label("Search").press("a")
    assert opened.evaluate("() => window.heard") == 0


def test_a_few_cases_stand_open_and_need_no_search(page):
    few = court.Page([case("adam-needs-only-patience"), case("adam-cures-vanishing-gradients")])
    page.set_content(few._repr_html_())
    assert page.evaluate(SHOWN) == 2
    assert page.get_by_label("Search").count() == 0
