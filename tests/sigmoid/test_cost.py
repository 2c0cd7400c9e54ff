import numpy as np

from vglib.sigmoid.cost import WIDTHS, Cost, LayerTime, cost, time_layer, timing


def test_the_cost_is_measured_and_its_words_follow():
    found = cost(64, 16, 1)
    assert cost(64, 16, 1) is found
    assert found.verdict.split(":")[0] in ("small", "noticeable", "large")
    assert (found.ratios > 0).all()
    wide, narrow = time_layer(1024, 64), time_layer(32, 64)
    assert wide.share("sigmoid") < narrow.share("sigmoid")
    for word, share in (("small", 0.01), ("noticeable", 0.1), ("large", 0.6)):
        seconds = {"sigmoid": np.array([share]), "matrix product": np.array([1 - share])}
        seconds |= {"relu": np.array([0.01]), "tanh": np.array([0.01])}
        planted = Cost((), LayerTime(100, 128, seconds), np.array([1.0]))
        assert planted.verdict.startswith(word)


def test_the_widths_show_as_they_are_measured():
    first, *later = timing(32, 256, 5)
    assert first.sweep == ()
    assert first.verdict.endswith("; a training step is still to be timed.")
    assert [len(one.sweep) for one in later] == list(range(1, len(WIDTHS) + 1))
    assert [one.width for one in later[-1].sweep] == list(WIDTHS)
    assert "times as long as with ReLU" in later[0].verdict
    # The other widths need not be timed again; another seed measures all of them anew.
    _, other = timing(64, 256, 5)
    assert other.sweep == later[-1].sweep
    assert cost(64, 256, 6).sweep[0] is not other.sweep[0]
