from math import log

import numpy as np

from vglib.residuals.shortcuts import head_accuracies, shortcuts


def test_two_meanings_of_a_short_connection():
    """20 sigmoid layers: a factor 10^12 to the plain net either way, from different heads."""
    s = shortcuts()
    assert s.first["plain"] < log(1e-11)
    assert s.first["deep supervision"] > log(0.05)
    assert s.first["residual"] > log(0.05)
    assert s.own_share < log(1e-10)
    with_skips = s.heard["layers with skips"]
    assert with_skips[-1] - with_skips[0] > -2
    np.testing.assert_allclose(s.heard["layers without skips"][-1], s.first["plain"], rtol=1e-9)


def test_heads_of_shallow_layers_learn_and_the_output_does_not():
    accuracies = head_accuracies(steps=100)
    assert accuracies[0] > 0.8
    assert accuracies[-1] < 0.3
