import numpy as np

from vglib.attention import labs
from vglib.attention.collapse import KINDS, ROOT
from vglib.attention.placing import DEEP, POST, PRE
from vglib.attention.saturation import NORMED, PLAIN


def test_deeper_nets_have_tokens_more_alike():
    lab = labs.collapse_lab()
    for name in ("skip", "post-LN", "pre-LN"):
        seen = [lab.set(depth=depth).result.cosine[name][-1] for depth in (1, 6, 24)]
        assert seen == sorted(seen), name
    assert lab.preset("60 layers").result.cosine[ROOT][-1] < 0.2


def test_the_gradients_that_vanish_are_drawn_as_such():
    lab = labs.collapse_lab()
    last = {name: lab.result.log_by_q[name][-1] for name in KINDS}
    assert last["attention alone"] == -np.inf
    assert "exactly 0" in [trace["name"] for trace in lab._view.drawing.data]
    assert last["post-LN"] < last["pre-LN"]


def test_a_first_step_and_the_depth():
    lab = labs.placing_lab()
    few, many = (lab.preset(name).result for name in ("3 blocks", "48 blocks"))
    assert many.moved(DEEP, 1e-4) < 1.3 * few.moved(DEEP, 1e-4)
    assert many.moved(PRE, 1e-4) > 2 * few.moved(PRE, 1e-4)
    assert many.moved(POST, 1e-4) > 10 * few.moved(POST, 1e-4)


def test_larger_scores_less_entropy():
    lab = labs.saturation_lab()
    seen = [lab.set(qk_scale=s).result.here for s in (0.125, 1.0, 4.0, 128.0)]
    entropies = [here[PLAIN].entropy for here in seen]
    assert entropies == sorted(entropies, reverse=True)
    assert np.ptp([here[NORMED].entropy for here in seen]) < 0.01
