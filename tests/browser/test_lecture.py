"""A lecture: slides in JupyterLab, a lab that moves on a slide, nothing cut off.

But for the one that test_chapters.py tries, each chapter is tried here as a notebook too: one
visit costs half of two.
"""

import pytest

from tests.browser import test_chapters
from tests.browser.conftest import one_page, open_page
from tests.browser.driver import ROOT, LabPage, Server, project, wait_for
from tools import launch

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ON_SCREEN = ".jp-Cell.jp-deck-mod-onscreen"
HEIGHT = 720
# JupyterLab's own list of cells says this once when the slides take its place; nothing is missing.
KNOWN = "page error: Cannot read properties of null (reading 'observe')"
# Top and bottom of what a slide shows, once they have stood still for some frames.
SETTLED = """
async ([selector, frames]) => {
  const edges = () => {
    const boxes = [...document.querySelectorAll(selector)].map((c) => c.getBoundingClientRect());
    return [Math.min(...boxes.map((b) => b.top)), Math.max(...boxes.map((b) => b.bottom))];
  };
  let last = edges();
  for (let still = 0; still < frames; still++) {
    await new Promise(requestAnimationFrame);
    const now = edges();
    if (String(now) != String(last)) still = -1;
    last = now;
  }
  return last;
}
"""
# The next slide: down where the deck goes down from here, else forward; which cell it shows.
NEXT = """
async () => {
  const notebook = jupyterapp.shell.currentWidget.content;
  const before = notebook.activeCellIndex;
  for (const way of ['deck:down', 'deck:forward']) {
    await jupyterapp.commands.execute(way);
    for (let frame = 0; frame < 2 && notebook.activeCellIndex == before; frame++)
      await new Promise(requestAnimationFrame);
    if (notebook.activeCellIndex != before) break;
  }
  return notebook.activeCellIndex;
}
"""

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def lecture(tmp_path_factory, browser):
    server = Server(project(tmp_path_factory.mktemp("lecture"), *CHAPTERS), "lecture")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def kept_deck():
    """The lecturer's page, waiting for the next chapter."""
    return []


@pytest.fixture
def deck(request, kept_deck, browser, lecture, source):
    """A chapter in the lecturer's JupyterLab, as a notebook."""

    def open_first(name: str) -> LabPage:
        launch.prepare_lecture(lecture.folder)
        lecture.end_kernels()
        deck = LabPage(open_page(browser, height=HEIGHT), lecture, name)
        # What is opened by its address is a deck already.
        deck.page.locator(ON_SCREEN).first.wait_for()
        stop_deck(deck)
        return deck

    with one_page(request, kept_deck, open_first) as open_notebook:
        yield open_notebook(source.name)


def start_deck(deck):
    deck.js("nb.activeCellIndex = 0")  # a cell that is on no slide would leave the deck empty
    deck.command("deck:start")
    deck.page.locator(ON_SCREEN).first.wait_for()


def stop_deck(deck):
    deck.command("deck:stop")
    deck.page.locator(ON_SCREEN).first.wait_for(state="detached")


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda p: p.stem)
def test_slides_fit_and_labs_move(deck, source):
    labs = deck.labs()
    tried_elsewhere = source.name == test_chapters.NOTEBOOK
    whole = source.stem[:2] in ("01", "02")
    if not tried_elsewhere:
        assert deck.pictures(lab.cell for lab in labs) >= len(labs)
    start_deck(deck)
    if whole:
        deck.run_all()
    else:
        # Quicker, and all that a slide needs: the set-up beforehand, then each lab on its slide.
        # nbval runs every chapter whole.
        deck.execute(deck.setup())
    go_through(deck, labs, source.stem, whole)
    stop_deck(deck)
    if not tried_elsewhere:
        for lab in labs:
            lab.show().move_every_control()
            deck.screenshot(f"{source.stem}-{lab.cell}")
    assert "Error displaying widget" not in deck.text()
    assert [fault for fault in deck.faults if fault != KNOWN] == []
    home = deck.server.folder / "home"
    assert not list(home.rglob("*.jupyterlab-settings"))


def go_through(deck, labs, name, whole):
    """Show every slide: each fits, each lab stands on one, and the first moves there."""
    page, of_cell = deck.page, {lab.cell: lab for lab in labs}
    deck.js("nb.activeCellIndex = 0")
    too_high, seen, active = [], [], 0
    while active not in seen:
        seen.append(active)
        wait_for(lambda: page.locator(ON_SCREEN).count() > 0, 20, "a slide")
        lab = of_cell.get(active)
        if lab:
            if not whole:
                deck.run(active)
            lab.within(page.locator(ON_SCREEN))
            if lab is labs[0]:
                moves_on_its_slide(deck, lab)
        top, bottom = page.evaluate(SETTLED, [ON_SCREEN, 12 if lab else 4])
        if bottom - top > HEIGHT:
            too_high.append((active, round(bottom - top), deck.sources()[active][:60]))
        deck.screenshot(f"slide-{name}-{active:02}")
        active = page.evaluate(NEXT)
    assert len(seen) > 5
    assert set(of_cell) <= set(seen)
    assert too_high == []


def moves_on_its_slide(deck, lab):
    """Move a control by keyboard on the slide; Escape on it must not close the deck."""
    lab.wait_until_it_agrees()
    name = next(iter(lab.twin.controls))
    before, active = lab.shown(name), deck.js("nb.activeCellIndex")
    lab.move_by_keyboard(name)
    wait_for(lambda: lab.shown(name) != before, 20, "the control to move")
    lab.wait_until_it_agrees()
    deck.page.keyboard.press("Escape")
    assert deck.js("nb.activeCellIndex") == active
    assert deck.page.locator(ON_SCREEN).count() > 0
