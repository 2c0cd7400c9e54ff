import math

import numpy as np
import pytest

from vglib.activations import get_activation
from vglib.chain_rule.width import (
    WIDTHS,
    critical_width,
    ratio_of_large_weights,
    unscaled_chi,
    unscaled_ratio,
    width_flow,
)

SIGMOID = (get_activation("sigmoid").phi, get_activation("sigmoid").dphi)


def test_unscaled_weights_explode_beyond_a_width():
    values = [unscaled_chi(n, *SIGMOID) for n in (10, 30, 100, 300, 1000)]
    assert values == pytest.approx([0.276, 0.528, 0.974, 1.672, 3.022], abs=6e-4)
    width = critical_width(*SIGMOID)
    assert width == pytest.approx(105.4, abs=0.1)
    assert unscaled_chi(width, *SIGMOID) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("width", "tolerance"), [(30, 0.08), (100, 0.05), (300, 0.05)])
def test_the_width_ratio_is_chi(width, tolerance):
    measured = np.median([unscaled_ratio(width, seed=s, nets=3) for s in range(5)])
    chi = unscaled_chi(width, *SIGMOID)
    assert measured == pytest.approx(chi, rel=tolerance)


def test_wider_explodes_and_scaling_mends_it():
    ratios = [unscaled_ratio(n, nets=3) for n in (20, 60, 150, 400)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 1 < ratios[-1]
    assert unscaled_ratio(400, weight_scale=1 / 20, nets=3) < 0.2


def test_large_weights_explode_wide_layers_and_cut_a_chain():
    chain, narrow, wide = (ratio_of_large_weights(0, width) for width in (1, 10, 100))
    assert chain < 1e-3 < narrow < 1 < wide


@pytest.mark.parametrize("width", [0, -1, math.nan, math.inf])
def test_a_width_that_cannot_be_is_refused(width):
    with pytest.raises(ValueError, match=r"^width is .*, but must be positive and finite\.$"):
        unscaled_chi(width, *SIGMOID)


def test_the_net_itself_comes_first_and_the_other_widths_one_by_one():
    flows = list(width_flow(30, 6, seed=7))
    assert len(flows) == len(WIDTHS) + 1
    for measured, flow in enumerate(flows):
        assert flow.verdict == flows[0].verdict
        assert np.isfinite(flow.ratios).tolist() == [i < measured for i in range(len(WIDTHS))]
    expected = [unscaled_ratio(width, 6, seed=7) for width in WIDTHS]
    np.testing.assert_allclose(flows[-1].ratios, expected, rtol=1e-12)
    assert flows[-1].ratio == pytest.approx(expected[WIDTHS.index(30)], rel=1e-12)


def test_another_width_of_the_same_draw_is_among_widths_known_already():
    known = list(width_flow(30, 6, seed=8))
    (at_once,) = width_flow(50, 6, seed=8)
    np.testing.assert_array_equal(at_once.ratios, known[-1].ratios)


@pytest.mark.parametrize(("scale", "ends"), [(1.0, False), (20.0, True)])
def test_the_verdict_says_where_theory_ends(scale, ends):
    *_, flow = width_flow(width=30, weight_scale=scale)
    assert flow.verdict.endswith("here theory no longer holds.") == ends
