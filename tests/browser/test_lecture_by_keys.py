"""A lecture with nothing but a keyboard: no key is lost, and a kernel may die in class."""

import os
import signal

import pytest

from tests.browser.conftest import TALK, lecturers_page
from tests.browser.driver import SELECT, wait_for

# The cells of the talk that are steps, and among them the first lab and the one that fails.
STEPS = [0, 2, 5, 6, 7, 8]
FIRST_LAB, NEXT, LEFT_OUT, FAILING = 2, 5, 7, 8

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def talk(request, kept_deck, browser, lecture):
    """A short talk that has run, on a page of its own: that of twelve chapters is slow by now."""
    if kept_deck:
        kept_deck.pop().page.context.close()
    with lecturers_page(request, kept_deck, browser, lecture) as open_notebook:
        yield open_notebook(TALK)


@pytest.fixture
def lab(talk):
    """The first lab, on its slide."""
    assert talk.press("Escape", "Home", "PageDown")[-1] == FIRST_LAB
    return shown(talk)


def shown(talk):
    return talk.labs()[0].within(talk.page.locator(talk.slide))


@pytest.mark.parametrize(
    ("on", "back"),
    [
        ("PageDown", "PageUp"),
        ("ArrowRight", "ArrowLeft"),
        ("ArrowDown", "ArrowUp"),
        ("Space", "Shift+Space"),
    ],
)
def test_each_key_goes_through_every_slide_and_back(talk, on, back):
    assert talk.steps() == STEPS
    assert talk.press("Home") == [STEPS[0]]
    assert talk.press(*[on] * len(STEPS)) == [*STEPS[1:], STEPS[-1]]
    assert talk.press(*[back] * len(STEPS)) == [*STEPS[-2::-1], STEPS[0]]
    assert talk.press("End") == [STEPS[-1]]


def test_who_leaves_a_control_at_once_is_not_brought_back(talk, lab):
    """The keys' way into a lab takes some moments, in which a hurried lecturer may turn round."""
    talk.press("Enter", "Escape")
    talk.page.wait_for_timeout(400)
    assert talk.js("nb.activeCell.node == document.activeElement")
    assert talk.press("Enter", "PageDown") == [FIRST_LAB, NEXT]
    talk.page.wait_for_timeout(400)
    assert talk.js("nb.activeCell.node == document.activeElement")


def test_a_control_keeps_its_own_keys_and_a_clicker_goes_on(talk, lab):
    before = lab.shown("depth")
    assert talk.press("Enter") == [FIRST_LAB]
    wait_for(lambda: talk.js("document.activeElement.matches(\"[role='slider']\")"), 5, "the keys")
    assert talk.press("ArrowRight") == [FIRST_LAB]
    assert lab.shown("depth") > before
    before = lab.shown("depth")
    assert talk.press("PageDown", "PageUp") == [NEXT, FIRST_LAB]
    assert lab.shown("depth") == before
    lab.focus("preset")
    assert talk.press("PageDown", "PageUp") == [NEXT, FIRST_LAB]
    assert lab.shown("preset") == "—"
    lab.focus("depth")
    assert talk.press("Escape", "ArrowRight", "ArrowLeft") == [FIRST_LAB, NEXT, FIRST_LAB]
    assert lab.shown("depth") == before
    lab.wait_until_it_agrees()


def test_presets_step_by_one_key(talk, lab):
    names = list(lab.twin.presets)
    for key, name in [("n", names[0]), ("n", names[1]), ("p", names[0]), ("p", names[0])]:
        talk.press(key)
        assert lab.shown("preset") == name
        lab.wait_until_it_agrees()
    lab.move_by_keyboard("depth")
    wait_for(lambda: lab.shown("preset") == "—", 20, "a setting of its own")
    talk.press("n")
    assert lab.shown("preset") == names[1]
    lab.wait_until_it_agrees()


def test_no_key_is_lost_wherever_the_focus_is(talk, lab):
    page = talk.page

    def there_and_back():
        assert talk.press("ArrowRight", "ArrowLeft") == [NEXT, FIRST_LAB]

    page.evaluate("document.activeElement.blur()")
    there_and_back()
    page.mouse.click(5, 715)
    there_and_back()
    plot = lab.box.query_selector(".js-plotly-plot").bounding_box()
    page.mouse.click(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    there_and_back()
    lab.press("Hold")
    there_and_back()
    lab.click("preset")
    select = lab.box.evaluate_handle(SELECT, lab.label("preset")).as_element()
    select.select_option(index=2)
    there_and_back()


def test_run_all_cells_stays_on_the_slide_and_what_it_leaves_out_keeps_its_picture(talk, lab):
    """JupyterLab's own command makes the last cell active and stops at the first that fails."""
    talk.command("notebook:run-all-cells")
    assert talk.press("Escape", "ArrowRight", "ArrowLeft") == [FIRST_LAB, NEXT, FIRST_LAB]
    assert talk.press("End", "PageUp")[-1] == LEFT_OUT
    wait_for(lambda: "has not run" in talk.says(), 60, "the line")
    assert talk.page.locator(talk.slide).locator("img").count() == 1
    talk.press("r")
    wait_for(lambda: "runs" in talk.says(), 5, "the chapter to run")
    talk.wait_until_ready()
    assert talk.page.locator(talk.slide).locator(".vglib-lab").count() == 1


def test_a_slip_of_the_finger_changes_and_ends_nothing(talk, lab):
    cells = talk.sources()
    assert talk.press(*"xddmyab", "Shift+M", "Escape", "Escape") == [FIRST_LAB] * 10
    assert talk.sources() == cells
    assert talk.presents()
    assert talk.page.locator("body.vglib-black").count() == 0


def test_a_lab_that_fails_keeps_its_picture_and_says_so(talk):
    assert talk.press("End") == [FAILING]
    assert "no_such_lab" in wait_for(talk.says, 5, "the line")
    assert talk.page.locator(talk.slide).locator("img").count() == 1
    talk.screenshot("lecture-failed")


def test_notes_have_a_window_of_their_own(talk, lab):
    with talk.page.expect_popup() as opened:
        talk.press("s")
    notes = opened.value
    assert "Ask before the second preset" in notes.locator("#notes").inner_text()
    assert "Second" in notes.locator("#next").inner_text()
    assert "2 of 6" in notes.locator("header").inner_text()
    notes.keyboard.press("PageDown")
    wait_for(lambda: "More." in notes.locator("#next").inner_text(), 5, "the next slide")
    assert talk.js("nb.activeCellIndex") == NEXT
    notes.close()


def test_a_reload_comes_back_to_the_slide_and_its_labs(talk, lab):
    talk.reload()
    wait_for(lambda: talk.presents() and talk.press("Escape") == [FIRST_LAB], 30, "the slide")
    talk.wait_until_ready()
    assert talk.press("ArrowRight", "PageUp") == [NEXT, FIRST_LAB]
    lab = shown(talk)
    lab.move_by_keyboard("depth")
    lab.wait_until_it_agrees()


def test_a_kernel_dies_and_one_key_brings_everything_back(talk, lab):
    before = lab.shown("depth")
    os.kill(int(talk.execute("import os; print(os.getpid())")), signal.SIGKILL)
    wait_for(lambda: "The kernel has ended" in talk.says(), 30, "the line")
    wait_for(lambda: talk.page.locator(".jp-Dialog").count() == 0, 10, "no dialog in the way")
    talk.screenshot("lecture-kernel-dead")
    assert talk.press("Enter", "ArrowRight", "ArrowLeft")[1:] == [NEXT, FIRST_LAB]
    assert lab.shown("depth") == before
    talk.press("r")
    talk.wait_until_ready()
    lab = shown(talk)
    lab.move_by_keyboard("depth")
    lab.wait_until_it_agrees()
