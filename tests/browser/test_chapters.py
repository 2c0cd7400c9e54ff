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
    assert chapter.barriers(labs) == []
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
    ghosts = wait_for(lambda: [t for t in lab.plotted() if t["meta"] == "ghost"])
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
    assert not [t for t in lab.plotted() if t["meta"] == "ghost"]


HELD_MS = 3000
# The place of a trace's point on the screen, and the two ends of a panel's axis.
POINT = """
(box, [trace, point]) => {
  const figure = box.querySelector('.vglib-figure').figure;
  const points = figure.plot.querySelectorAll(`.trace${figure.data[trace].uid} .points > path`);
  const room = points[point].getBoundingClientRect();
  return { x: room.x + room.width / 2, y: room.y + room.height / 2 };
}
"""
RANGE = "box => box.querySelector('.js-plotly-plot').layout.xaxis.range.map(Number)"


def test_a_held_key_ends_at_rest_and_hover_and_zoom_work_afterwards(lab):
    page = lab.page.page
    lab.focus("weight_scale")
    for _ in range(HELD_MS // 33):
        page.keyboard.down("ArrowRight")
        page.wait_for_timeout(33)
    page.keyboard.up("ArrowRight")
    assert lab.shown("weight_scale") > 1.5
    lab.check_with_twin()

    point = lab.box.evaluate(POINT, [0, 4])
    page.mouse.move(point["x"], point["y"])
    y = lab.plotted()[0]["y"][4]
    label = wait_for(
        lambda: [t.text_content() for t in lab.box.query_selector_all(".hoverlayer .hovertext")]
    )
    assert f"5: 10^{y:.2f}".replace("-", "−") in " ".join(label).replace("-", "−")

    whole = lab.box.evaluate(RANGE)
    end = lab.box.evaluate(POINT, [0, 12])
    page.mouse.move(point["x"], point["y"])
    page.mouse.down()
    page.mouse.move(end["x"], end["y"], steps=5)
    page.mouse.up()
    zoomed = wait_for(lambda: (r := lab.box.evaluate(RANGE)) != whole and r, 5, "a zoomed axis")
    assert whole[0] < zoomed[0] < zoomed[1] < whole[1]
    # The reader's zoom is theirs until they take it back, however the lab moves.
    lab.move_by_keyboard("weight_scale")
    lab.check_with_twin()
    assert lab.box.evaluate(RANGE) == zoomed

    def zoom_back() -> bool:
        page.mouse.dblclick(point["x"] + 40, point["y"])
        page.wait_for_timeout(1000)
        return lab.box.evaluate(RANGE) == whole

    # On a busy machine the two clicks may come too far apart; whoever clicks does it once more.
    wait_for(zoom_back, 20, "the whole axis")


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
    def paper():
        return lab.box.evaluate(
            "box => box.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor"
        )

    light = paper()
    lab.page.command("apputils:change-theme", "{theme: 'JupyterLab Dark'}")
    wait_for(lambda: paper() != light, 20, "a dark figure")
    lab.page.screenshot("dark")
    lab.page.command("apputils:change-theme", "{theme: 'JupyterLab Light'}")
    wait_for(lambda: paper() == light, 20, "a light figure")
