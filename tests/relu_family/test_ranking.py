import numpy as np
import pytest

from vglib.networks import mlp
from vglib.relu_family.ranking import parameters, ranking, table_spread


def test_parameters_are_counted_right():
    assert [parameters([100] * n) for n in (1, 2, 3, 4)] == [79_510, 89_610, 99_710, 109_810]
    assert parameters([2048, 1024, 512, 256]) == pytest.approx(4.36e6, rel=0.01)
    net = mlp(3, 100, n_in=784)
    assert sum(p.numel() for p in net.parameters()) == parameters([100] * 3)


def test_ranking_against_dice():
    r = ranking(360, 0.5, 97.5)
    rng = np.random.default_rng(0)
    worse, better = rng.binomial(360, 0.9725, 200_000), rng.binomial(360, 0.9775, 200_000)
    wrong = (worse > better).mean() + (worse == better).mean() / 2
    assert r.wrong == pytest.approx(wrong, abs=0.01)
    assert r.error == pytest.approx(0.0082, abs=2e-4)


def test_the_published_rows_lie_within_two_standard_errors():
    assert table_spread() == pytest.approx((0.9798 - 0.9781) / 0.001434, rel=0.01)
    assert 1 < table_spread() < 2
