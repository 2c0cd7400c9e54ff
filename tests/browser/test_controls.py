"""Every control of every lab, by keyboard and by pointer: many moves of one kind, so slow.

What each lab shows and that it moves is tried on its slide, in test_lecture.py.
"""

import pytest

from tests.browser.driver import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda p: p.stem)
def test_every_control_moves_its_lab(learner, source):
    chapter = learner(source.name)
    chapter.execute(chapter.setup())
    labs = chapter.labs()
    assert labs
    for lab in labs:
        chapter.run(lab.cell)
        lab.show().move_every_control()
        chapter.screenshot(f"{source.stem}-{lab.cell}")
    assert "Error displaying widget" not in chapter.text()
    assert chapter.faults == []
