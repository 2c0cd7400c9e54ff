"""A lecture: slides in JupyterLab, a lab that moves on a slide, nothing cut off."""

import pytest

from tests.browser.driver import ROOT, LabPage, Server, project, wait_for

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ON_SCREEN = ".jp-Cell.jp-deck-mod-onscreen"
HEIGHT = 720
# JupyterLab's own list of cells says this once when the slides take its place; nothing is missing.
KNOWN = "page error: Cannot read properties of null (reading 'observe')"

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def lecture(tmp_path_factory, browser):
    server = Server(project(tmp_path_factory.mktemp("lecture"), *NOTEBOOKS), "lecture")
    yield server
    server.stop()


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda p: p.stem)
def test_slides_fit_and_a_lab_moves_on_its_slide(page, lecture, source):
    page.set_viewport_size({"width": 1280, "height": HEIGHT})
    deck = LabPage(page, lecture, source.name)
    page.locator(ON_SCREEN).first.wait_for()
    labs = {lab.cell: lab for lab in deck.labs()}
    if source.stem.startswith("02"):
        deck.run_all()
    else:
        # Quicker, and all that a slide needs: the set-up beforehand, then each lab on its slide.
        deck.execute(deck.setup())
    deck.js("nb.activeCellIndex = 0")
    too_high, moved, seen = [], 0, set()
    for _ in range(120):
        wait_for(lambda: page.locator(ON_SCREEN).count() > 0, 20, "a slide")
        active = deck.js("nb.activeCellIndex")
        if active in seen:
            break
        seen.add(active)
        if active in labs:
            deck.run(active)
        if active in labs and not moved:
            moved += moves_on_its_slide(deck, labs[active])
        if active in labs:
            page.locator(f"{ON_SCREEN} .js-plotly-plot .main-svg").first.wait_for()
        page.wait_for_timeout(250)
        boxes = page.locator(ON_SCREEN).evaluate_all(
            "cells => cells.map(c => c.getBoundingClientRect()).map(b => [b.top, b.bottom])"
        )
        top, bottom = min(b[0] for b in boxes), max(b[1] for b in boxes)
        if bottom - top > HEIGHT:
            too_high.append((active, round(bottom - top), deck.sources()[active][:60]))
        deck.screenshot(f"slide-{source.stem}-{active:02}")
        deck.command("deck:down")
        page.wait_for_timeout(150)
        if deck.js("nb.activeCellIndex") == active:
            deck.command("deck:forward")
            page.wait_for_timeout(150)
    assert len(seen) > 5
    assert set(labs) <= seen
    assert moved == 1
    assert too_high == []
    assert [fault for fault in deck.faults if fault != KNOWN] == []
    home = lecture.folder / "home"
    assert not list(home.rglob("*.jupyterlab-settings"))
    lecture.end_kernels()


def moves_on_its_slide(deck, lab):
    """Move a control by keyboard on the slide; Escape on it must not close the deck."""
    lab.box = deck.page.locator(f"{ON_SCREEN} .vglib-lab").first
    lab.box.wait_for()
    lab.wait_until_it_agrees()
    name = next(iter(lab.twin.controls))
    before, active = lab.shown(name), deck.js("nb.activeCellIndex")
    lab.move_by_keyboard(name)
    wait_for(lambda: lab.shown(name) != before, 20, "the control to move")
    lab.wait_until_it_agrees()
    deck.page.keyboard.press("Escape")
    assert deck.js("nb.activeCellIndex") == active
    assert deck.page.locator(ON_SCREEN).count() > 0
    return 1
