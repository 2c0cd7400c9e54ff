import numpy as np
import pytest

from vglib.batch_norm.first_steps import first_steps, stepping


def test_the_first_step_is_at_a_right_angle_and_flattens():
    before, after = [], []
    for seed in range(5):
        run = first_steps(1.0, seed=seed)
        np.testing.assert_allclose(run.growth, run.first_growth, rtol=1e-3)
        before.append(run.unevenness[0])
        after.append(run.unevenness[-1])
    assert np.median(before) == pytest.approx(1400, rel=0.25)
    assert np.median(after) < 40
    small = first_steps(0.01)
    assert small.unevenness[-1] > 100


def test_the_steps_come_one_after_the_other():
    seen, end = list(stepping(steps=3, depth=10)), first_steps(steps=3, depth=10)
    assert [len(one.losses) for one in seen] == [2, 3, 4]
    np.testing.assert_array_equal(seen[-1].losses, end.losses)
    np.testing.assert_array_equal(seen[0].losses, end.losses[:2])
    np.testing.assert_array_equal(seen[0].losses, first_steps(depth=10).losses)
