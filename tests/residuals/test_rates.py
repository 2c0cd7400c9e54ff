import numpy as np
import pytest

from vglib.residuals.rates import RATES, SCALES, final_loss, sweeping


@pytest.mark.parametrize("seed", range(2))
def test_the_root_keeps_the_best_step_size_and_scale_one_does_not(seed):
    def best(depth, scale):
        return min(RATES, key=lambda lr: final_loss(depth, scale, lr, 25, seed=seed))

    one, root = SCALES
    assert best(16, one) <= best(4, one) / 10
    assert 0.3 < best(16, root) / best(4, root) < 3.5


def test_what_breaks_counts_as_the_worst():
    assert final_loss(16, SCALES[0], 0.1, 12) == np.inf
    assert final_loss(4, SCALES[1], 0.01, 12) < 4


def test_a_sweep_is_seen_rate_by_rate():
    seen = list(sweeping(5))
    assert len(seen) == len(RATES)
    for count, rates in enumerate(seen, 1):
        known = ~np.isnan(rates.deep[SCALES[1]])
        assert known.sum() == count
    assert "the best step size is" in seen[-1].verdict
    with pytest.raises(ValueError, match="depth is 0"):
        list(sweeping(0))
