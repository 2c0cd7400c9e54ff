import numpy as np

from vglib.chain_rule import labs


def test_the_width_verdict_names_what_is_seen():
    lab = labs.width_lab()
    assert lab.set(width=20).verdict.startswith("vanishes")
    assert lab.set(width=300).verdict.startswith("explodes")
    assert lab.set(depth=1).verdict.startswith("too shallow")


def test_the_labs_open_on_what_the_text_speaks_of():
    """A window that is not the widest, and a sum whose variance grows along a line."""
    window = labs.window_lab().result
    assert 0 < window.measured < 0.44
    rule = labs.sum_lab().result.rule
    assert len(rule) == 100
    line = np.arange(1, 101) * rule[-1] / 100
    assert np.abs(rule - line).max() < 0.1 * rule[-1]
