import math

import numpy as np
import pytest

from vglib.chain_rule.chain import SIGMOID
from vglib.chain_rule.window import explosion_window, nielsen_window, widest_nielsen_window


def test_the_window_is_the_formulas():
    for w in (4.5, 6.894, 12.0):
        assert explosion_window(w, 0.0).measured == pytest.approx(
            float(nielsen_window(w)), abs=1e-3
        )
    assert explosion_window(3.9, 0.0).measured == 0


def test_nielsen_window_is_where_the_factor_reaches_one():
    a = np.linspace(-3, 3, 2_000_001)
    for w in (4.2, 6.9, -12.0):
        inside = np.abs(w * SIGMOID.dphi(w * a + 0.3)) >= 1
        assert nielsen_window(w) == pytest.approx(inside.mean() * 6, abs=1e-5)
    assert nielsen_window([0.0, 3.99, -4.0]).tolist() == [0, 0, 0]


def test_widest_nielsen_window():
    w, width = widest_nielsen_window()
    assert w == pytest.approx(6.894, abs=5e-4)
    assert width == pytest.approx(0.4477, abs=5e-5)
    grid = np.linspace(-60, 60, 100_001)
    assert nielsen_window(grid).max() <= width + 1e-12


def test_a_weight_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"^w contains inf or nan, but must be finite\.$"):
        nielsen_window(math.nan)
