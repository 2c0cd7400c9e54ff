"""README's first picture; `VGLIB_SCREENSHOTS=pictures` and `pytest -m slow` make it anew."""

import pytest

from tests.browser.driver import wait_for

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]


def test_a_start_that_holds_beside_one_that_does_not(learner):
    chapter = learner("00_start_here.ipynb")
    chapter.page.set_viewport_size({"width": 1400, "height": 760})
    chapter.execute(chapter.setup())
    lab = chapter.labs()[0]
    chapter.run(lab.cell)
    lab.show().wait_until_it_agrees()
    lab.press("Hold")
    for control, key, value in (("depth", "ArrowRight", 45), ("activation", "ArrowDown", "tanh")):
        lab.focus(control)
        while lab.shown(control) != value:
            before = lab.shown(control)
            chapter.page.keyboard.press(key)
            wait_for(lambda c=control, b=before: lab.shown(c) != b, 20, f"{control} to move")
    lab.check_with_twin()
    assert lab.verdict().startswith("holds")
    chapter.show(lab.cell)
    chapter.screenshot("gradient_flow")
