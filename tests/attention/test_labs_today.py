import numpy as np
import pytest

from vglib.attention import labs_today as labs
from vglib.attention.mup import best_rate


def test_the_dial_calms_the_product():
    lab = labs.mixing_lab()
    gains = [lab.set(dial=dial).result.log_gain for dial in (0.0, 0.1, 0.2, 1.0)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 5
    assert gains[-1] == pytest.approx(0, abs=1e-6)


def test_a_deeper_product_begins_as_a_shallower_one():
    lab = labs.mixing_lab()
    short = lab.result.log_rows
    np.testing.assert_allclose(lab.set(depth=100).result.log_rows[:60], short)


def test_the_best_rate_walks_in_one_convention_only():
    lab = labs.mup_lab()
    walks = {}
    for kind in ("standard", "muP"):
        result = lab.set(kind=kind, width=256).result
        narrow, wide = (best_rate(result.rates, line) for line in (result.base, result.losses))
        walks[kind] = np.log2(wide / narrow)
    assert walks["standard"] <= -2
    assert abs(walks["muP"]) <= 1


def test_moving_the_check_rate_leaves_the_sweep():
    lab = labs.mup_lab()
    before = lab.result.losses
    checked = lab.result.changes
    after = lab.set(rate=0.01).result
    np.testing.assert_array_equal(after.losses, before)
    assert (after.changes > checked).all()


def test_smaller_steps_are_lost_more_often():
    lab = labs.update_lab()
    lost = [lab.set(step=step).result.lost_here for step in (1e-2, 1e-3, 1e-4, 1e-5)]
    assert lost == sorted(lost)


def test_a_larger_scale_moves_the_loss_from_zeros_to_infinities():
    lab = labs.scaling_lab()
    results = [lab.set(log2_scale=k).result for k in (0.0, 16.0, 20.0, 32.0)]
    zeros = [float(one.zero.mean()) for one in results]
    broken = [float(one.broken.mean()) for one in results]
    assert zeros == sorted(zeros, reverse=True)
    assert broken == sorted(broken)


def test_larger_steps_get_through_a_coarser_format():
    lab = labs.low_training_lab()
    small, large = (lab.set(lr=lr).result.losses["nearest"][-1] for lr in (1e-3, 1e-2))
    assert large < 1 < 2 < small
