"""A lecture: slides in JupyterLab, labs that move on their slides, nothing cut off.

All of a lab's controls are tried in test_chapters.py for chapter 00, in test_controls.py for each.
"""

import os

import pytest

from tests.browser.conftest import lecturers_page
from tests.browser.driver import ROOT, wait_for

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ON_SCREEN = ".jp-Cell.jp-deck-mod-onscreen"
# The first is that of the tests; with VGLIB_SCREENSHOTS each slide is looked at on all of them.
SCREENS = [(1280, 720), (1024, 768), (1920, 1080)]
# JupyterLab's own list of cells says this once when the slides take its place; nothing is missing.
KNOWN = "page error: Cannot read properties of null (reading 'observe')"
# Waits until what a slide shows has stood still for some frames.
SETTLED = """
async ([selector, frames]) => {
  const edges = () => {
    const boxes = [...document.querySelectorAll(selector)].map((c) => c.getBoundingClientRect());
    return String(boxes.flatMap(({ top, bottom }) => [top, bottom]));
  };
  let last = edges();
  for (let still = 0; still < frames; still++) {
    await new Promise(requestAnimationFrame);
    const now = edges();
    if (now != last) still = -1;
    last = now;
  }
}
"""
# How many pixels of a slide are below the screen, where one has no time to scroll, or of a formula
# beside it.
CUT = """
() => {
  const room = document.querySelector('.jp-deck-mod-onscreen').closest('.jp-WindowedPanel-outer');
  const texts = [...document.querySelectorAll('.jp-deck-mod-onscreen .jp-RenderedMarkdown')];
  const beside = texts.map((text) => text.scrollWidth - text.clientWidth - 1);
  return Math.max(0, room.scrollHeight - room.clientHeight - 1, ...beside);
}
"""
# How many pixels at the foot of the screen the panels round the slides do not show.
LOST = """
() => {
  const ends = [];
  for (let e = document.querySelector('.jp-deck-mod-onscreen'); e; e = e.parentElement) {
    if (getComputedStyle(e).contain == 'strict') ends.push(e.getBoundingClientRect().bottom);
  }
  return innerHeight - Math.min(innerHeight, ...ends);
}
"""
# How high the least of a lab's ticks is written, as a share of the screen's height.
TICKS = """
(box) => {
  const figure = box.querySelector('.vglib-figure');
  const sizes = [...box.querySelectorAll('.xtick text, .ytick text')]
    .map((text) => parseFloat(getComputedStyle(text).fontSize));
  const enlarged = figure.getBoundingClientRect().width / figure.clientWidth;
  return Math.min(...sizes) * enlarged / innerHeight;
}
"""
# All of these lead on from a slide; the first is the one of a clicker.
ON = ["PageDown", "ArrowRight", "ArrowDown", "Space"]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def deck(request, kept_deck, browser, lecture, source):
    """A chapter in the lecturer's JupyterLab, as a notebook."""
    with lecturers_page(request, kept_deck, browser, lecture) as open_notebook:
        deck = open_notebook(source.name)
        if deck.presents():
            deck.stop()
        yield deck


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda p: p.stem)
def test_slides_fit_and_labs_move(deck, source):
    labs = deck.labs()
    whole = source.stem[:2] == "02"
    assert deck.pictures(lab.cell for lab in labs) >= len(labs)
    deck.start()
    if whole:
        deck.run_all()
    else:
        # Quicker, and all that a slide needs: the set-up beforehand, then each lab on its slide.
        # nbval runs every chapter whole.
        deck.execute(deck.setup())
    go_through(deck, labs, source.stem, whole)
    deck.stop()
    assert deck.barriers(labs) == []
    assert "Error displaying widget" not in deck.text()
    assert [fault for fault in deck.faults if fault != KNOWN] == []
    home = deck.server.folder / "home"
    assert not list(home.rglob("*.jupyterlab-settings"))


def go_through(deck, labs, name, whole):
    """Go by key through every slide: each fits, each lab stands on one and moves there by key."""
    page, steps, faults = deck.page, deck.steps(), []
    # A lab may stand on a slide below its question.
    of_step = {max(step for step in steps if step <= lab.cell): lab for lab in labs}
    page.keyboard.press("Home")
    # A window takes another size in class: a projector, the whole screen.
    for width, height in SCREENS[::-1]:
        page.set_viewport_size({"width": width, "height": height})
    page.evaluate(SETTLED, [ON_SCREEN, 4])
    assert page.evaluate(LOST) == 0
    for number, cell in enumerate(steps):
        if number:
            page.keyboard.press(ON[number % len(ON)])
        assert deck.js("nb.activeCellIndex") == cell
        wait_for(lambda: page.locator(ON_SCREEN).count() > 0, 20, "a slide")
        lab = of_step.get(cell)
        if lab:
            if not whole:
                deck.run(lab.cell)
            lab.within(page.locator(ON_SCREEN))
            if lab is labs[0]:
                takes_the_keys_and_gives_them_back(deck, lab)
            moves_on_its_slide(deck, lab)
        for width, height in SCREENS if os.environ.get("VGLIB_SCREENSHOTS") else SCREENS[:1]:
            page.set_viewport_size({"width": width, "height": height})
            frames = 12 if lab or width != SCREENS[0][0] else 4
            page.evaluate(SETTLED, [ON_SCREEN, frames])
            where = (cell, f"{width}x{height}", deck.sources()[cell][:60])
            # A slide that does not fit is shrunk step by step, which takes some moments.
            for _ in range(20):
                if page.evaluate(CUT) == 0:
                    break
                page.wait_for_timeout(100)
            if cut := page.evaluate(CUT):
                faults.append((*where, f"{cut} pixels cut off"))
            if lab and (share := lab.box.evaluate(TICKS)) < 0.022:
                faults.append((*where, f"ticks of {share:.2%} of the height"))
            deck.screenshot(f"slide-{name}-{cell:03}-{width}")
        page.set_viewport_size(dict(zip(("width", "height"), SCREENS[0], strict=True)))
    assert len(steps) > 5
    assert len(of_step) == len(labs)
    assert not faults, "\n".join(map(str, faults))


def takes_the_keys_and_gives_them_back(deck, lab):
    """Enter leads from a slide into its lab, Escape back to the slide and no further."""
    deck.page.keyboard.press("Enter")
    inside = "document.activeElement.closest('.vglib-lab') != null"
    wait_for(lambda: deck.js(inside), 5, "the keys to be the lab's")
    deck.page.keyboard.press("Escape")
    assert not deck.js(inside)


def moves_on_its_slide(deck, lab):
    """Move a control by keyboard on the slide, and give the keys back to the slide."""
    lab.check_with_twin()
    name = next(iter(lab.twin.controls))
    before, active = lab.shown(name), deck.js("nb.activeCellIndex")
    lab.move_by_keyboard(name)
    wait_for(lambda: lab.shown(name) != before, 20, "the control to move")
    lab.check_with_twin()
    for _ in range(2):
        deck.page.keyboard.press("Escape")
        assert deck.js("nb.activeCell.node == document.activeElement")
    # The step is that of the question, or that of the lab below it.
    assert deck.js("nb.activeCellIndex") in (active, lab.cell)
    assert deck.page.locator(ON_SCREEN).count() > 0
