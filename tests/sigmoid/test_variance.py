import numpy as np
import pytest

from vglib.sigmoid.variance import forward


@pytest.mark.parametrize(
    ("init", "values"),
    [("N(0, 1)", (497, 244, 255)), ("U(±1/√n)", (0.331, 0.097, 0.086))],
)
def test_the_variance_does_not_grow(init, values):
    found = [forward(3, 1.0, init, 500, seed) for seed in range(5)]
    np.testing.assert_allclose(
        np.median([f.pre_variance for f in found], axis=0), values, rtol=0.15
    )
    assert all(f.act_variance.max() <= 0.25 for f in found)
    np.testing.assert_allclose(
        np.median([f.pre_variance for f in found], axis=0), found[0].theory_q, rtol=0.1
    )


def test_saturated_and_vanishing_are_two_things():
    large, small = forward(10, init="N(0, 1)"), forward(10, init="U(±1/√n)")
    assert large.trace.saturated[:10].min() > 0.7
    assert large.trace.log_delta[0] > large.trace.log_delta[9] + 1
    assert small.trace.saturated[:10].max() == 0
    assert small.trace.log_delta[0] < small.trace.log_delta[9] - 10
    for flow in (large, small):
        np.testing.assert_allclose(flow.theory_log_delta, flow.trace.log_delta[:10], atol=1.0)


def test_narrowing_is_said():
    assert "Width 500 would take long" in forward(200).verdict
