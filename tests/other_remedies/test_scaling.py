import math

import numpy as np

from vglib.other_remedies.scaling import SCALED_STEPS, rescaling
from vglib.results import last


def test_the_scale_of_the_data():
    pixels = last(rescaling(input_scale=75.0, offset=1.0))
    assert pixels.saturated[0, 0] > 0.95
    assert pixels.saturated[1, 0] < 0.3
    assert pixels.limits[0] < pixels.limits[1] / 50
    labels = last(rescaling(label_scale=1000.0, activation="relu"))
    assert labels.log_delta[0, 0] - labels.log_delta[1, 0] > math.log(20)
    assert "overflows" in labels.verdict
    same = last(rescaling())
    np.testing.assert_array_equal(same.losses[0], same.losses[1])


def test_the_descents_are_watched():
    found = list(rescaling(offset=2.0, seed=5))
    assert "and 0 steps of 0.5 on" in found[0].verdict
    assert np.isnan(found[0].losses[:, 1:]).all()
    assert f"and {SCALED_STEPS} steps of 0.5 on" in found[-1].verdict
    assert np.isfinite(found[-1].losses).all()
    np.testing.assert_array_equal(found[3].losses[:, :31], found[-1].losses[:, :31])
