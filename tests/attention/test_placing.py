from math import exp, log, sqrt

import numpy as np
import pytest

from vglib.attention.parts import Attention, FeedForward
from vglib.attention.placing import (
    DEEP,
    PLACINGS,
    POST,
    PRE,
    RATES,
    SCALED,
    build,
    first_step,
    last_by_w2,
    mean_squares,
    placing,
    placings,
    shares,
)


def median(of):
    return np.median([of(seed) for seed in range(5)])


def test_a_net_is_built_as_it_is_named():
    for name in PLACINGS:
        net = build(name, 3, 8, np.random.default_rng(0))
        kinds = [type(layer.branch) for layer in net]
        assert kinds == [Attention, FeedForward] * 3
        assert {layer.place for layer in net} == {"pre" if "pre" in name else "post"}
        assert {layer.a for layer in net} == {6**0.25 if name == DEEP else 1.0}
    gains = [layer.norm.gain[0] for layer in build(SCALED, 3, 8, np.random.default_rng(0))]
    np.testing.assert_allclose(gains, 1 / np.sqrt([1, 1, 2, 2, 3, 3]))
    plain, deep = (build(name, 2, 8, np.random.default_rng(0))[0].branch for name in (POST, DEEP))
    np.testing.assert_allclose(deep.w_v, plain.w_v / 2)
    np.testing.assert_array_equal(deep.w_q, plain.w_q)


def test_a_small_step_moves_the_output_in_proportion():
    seen = placing(6)
    for name in PLACINGS:
        assert seen.log_moved[name][1] - seen.log_moved[name][0] == pytest.approx(log(10), abs=0.1)
        assert seen.moved(name, RATES[0]) == exp(seen.log_moved[name][0])


def test_the_stream_of_pre_ln_grows_like_the_depth():
    assert 55 < median(lambda seed: mean_squares(PRE, 48, seed)[-1]) < 95
    assert 5 < median(lambda seed: mean_squares(SCALED, 48, seed)[-1]) < 9
    for name in (POST, DEEP):
        np.testing.assert_allclose(mean_squares(name, 12)[1:], 1, atol=1e-3)


def test_deepnorm_bounds_the_first_step_and_post_ln_does_not():
    grown = {
        name: median(lambda seed, n=name: first_step(n, 48, 1e-3, seed))
        / median(lambda seed, n=name: first_step(n, 3, 1e-3, seed))
        for name in (POST, PRE, DEEP)
    }
    assert grown[DEEP] == pytest.approx(1, abs=0.2)
    assert grown[PRE] > 3
    assert grown[POST] > 10


def test_a_lab_shows_what_the_claims_measure():
    seen = placing(6, seed=3)
    for name in PLACINGS:
        assert seen.moved(name, 1e-3) == pytest.approx(first_step(name, 6, 1e-3, 3))
        np.testing.assert_allclose(np.exp(seen.log_square[name]), mean_squares(name, 6, 3))
    assert exp(placing(2).log_by_w2[PRE][-1]) == pytest.approx(last_by_w2(PRE, 2, width=32))


def test_the_last_gradient_falls_with_depth_in_pre_ln_alone():
    ratios = {
        name: np.median([last_by_w2(name, 48, s) / last_by_w2(name, 6, s) for s in range(5)])
        for name in (PRE, POST)
    }
    assert ratios[PRE] == pytest.approx(8**-0.5, rel=0.5)
    assert 0.7 < ratios[POST] < 2.5


def test_the_shares_of_deep_blocks_fall():
    pre, scaled, deep = (
        np.median([shares(name, 48, seed) for seed in range(5)], axis=0)
        for name in (PRE, SCALED, DEEP)
    )
    assert pre[47] == pytest.approx(1 / sqrt(48), rel=0.4)
    assert scaled[47] < 0.6 * pre[47]
    np.testing.assert_allclose(deep[1:], (8 * 48) ** -0.5 * (2 * 48) ** -0.25, rtol=0.25)


def test_the_nets_come_one_after_the_other():
    *first, end = placings(4)
    for number, one in enumerate(first, 1):
        assert f"{number} of 4 nets" in one.verdict
        for place, name in enumerate(PLACINGS):
            assert np.isnan(one.log_moved[name]).any() == (place >= number)
    assert end.verdict.startswith("4 blocks: a first step of 0.001 moves the output of post-LN by")
