"""Chapter 00 in a real JupyterLab: opened, run, each control moved by keyboard and pointer."""

import ipywidgets as widgets
import pytest

from tests.browser.conftest import learner_page
from tests.browser.driver import wait_for

# The learner's JupyterLab; the lecturer's, in test_lecture.py, tries the other chapters.
NOTEBOOK = "00_start_here.ipynb"

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def chapter(request, kept, browser, running_server):
    """The chapter for all these tests: as it is stored, then as the tests leave it."""
    with learner_page(request, kept, browser, running_server) as open_notebook:
        yield open_notebook(NOTEBOOK)


@pytest.fixture(scope="module")
def labs(chapter):
    return chapter.labs()


def test_the_chapter_opens_runs_and_its_labs_move(chapter, labs):
    assert labs
    assert chapter.pictures(chapter.showing()) >= len(labs)
    chapter.show(0)
    chapter.screenshot("00-stored")
    chapter.run_all()
    for lab in labs:
        lab.show().move_every_control()
        chapter.screenshot(f"00-{lab.cell}")
    assert "Error displaying widget" not in chapter.text()
    assert chapter.faults == []


@pytest.fixture
def lab(chapter, labs):
    lab = labs[0]
    chapter.execute(chapter.setup())
    chapter.run(lab.cell)
    lab.show().check_with_twin()
    yield lab
    assert chapter.faults == []


def test_hold_reseed_reset_and_theory(lab):
    first = lab.plotted()
    lab.press("Hold")
    ghosts = wait_for(lambda: [t for t in lab.plotted() if t["meta"] == "ghost" and t["visible"]])
    assert ghosts[0]["y"] == first[0]["y"]
    lab.press("Reseed")
    wait_for(lambda: lab.shown("seed") == 1)
    lab.wait_until_it_agrees()
    assert lab.plotted()[0]["y"] != first[0]["y"]
    lab.focus("theory")
    lab.page.page.keyboard.press("Space")
    wait_for(lambda: [t["visible"] for t in lab.plotted() if t["meta"] == "theory"] == [False])
    lab.press("Reset")
    wait_for(lambda: lab.shown("seed") == 0)
    lab.wait_until_it_agrees()
    assert lab.plotted()[0]["y"] == first[0]["y"]
    assert [t["visible"] for t in lab.plotted() if t["meta"] == "theory"] != [False]
    assert not [t for t in lab.plotted() if t["meta"] == "ghost" and t["visible"]]


def test_presets_step_by_keyboard(lab):
    assert isinstance(lab.twin.widgets["preset"], widgets.Dropdown)
    for name, values in list(lab.twin.presets.items())[:2]:
        lab.focus("preset")
        lab.page.page.keyboard.press("ArrowDown")
        wait_for(lambda v=values: all(lab.shown(k) == x for k, x in v.items()), 20, name)
        lab.wait_until_it_agrees()
        assert lab.shown("preset") == name


def test_an_impossible_value_shows_its_line_and_recovers(lab):
    before = lab.plotted()
    lab.type("seed", -5)
    wait_for(lambda: "whole number from 0" in lab.error(), 20, "the error line")
    assert lab.plotted() == before
    lab.page.screenshot("error-line")
    lab.type("seed", 3)
    wait_for(lambda: lab.error() == "", 20, "the error line to clear")
    lab.wait_until_it_agrees()
    assert lab.shown("seed") == 3


def test_the_theme_follows_jupyterlab(lab):
    paper = "document.querySelector('.vglib-lab .js-plotly-plot')._fullLayout.paper_bgcolor"
    light = lab.page.js(paper)
    lab.page.command("apputils:change-theme", "{theme: 'JupyterLab Dark'}")
    wait_for(lambda: lab.page.js(paper) != light, 20, "a dark figure")
    lab.page.screenshot("dark")
    lab.page.command("apputils:change-theme", "{theme: 'JupyterLab Light'}")
    wait_for(lambda: lab.page.js(paper) == light, 20, "a light figure")
