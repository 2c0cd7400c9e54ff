from math import log

import numpy as np
import pytest

from vglib.batch_norm.factors import layer_factor
from vglib.batch_norm.fresh_nets import (
    comparing,
    exploding,
    explosion,
    factor_per_layer,
    first_to_last,
    norms,
    scaled_gradient,
)


def test_the_scale_of_the_weights_drops_out():
    one, five = explosion(weight_scale=1.0), explosion(weight_scale=5.0)
    assert five.normed.log_ratio == pytest.approx(one.normed.log_ratio, abs=0.02)
    assert five.normed.log_weight_grad[3] == pytest.approx(
        one.normed.log_weight_grad[3] - log(5), abs=0.02
    )
    change, ratio = scaled_gradient(10.0)
    assert change < 1e-3
    assert ratio == pytest.approx(0.1, rel=1e-3)


def test_fifty_layers():
    ratio = np.median([first_to_last("batch", 50, 150, 128, seed) for seed in range(3)])
    assert ratio == pytest.approx(1.19e4, rel=0.35)
    assert first_to_last("none", 50, 150, 128, 0) < 10


def test_the_explosion_comes_first_and_its_company_after_it():
    seen = list(exploding(depth=10, activation="tanh"))
    assert seen[0].plain is None
    assert "without" not in seen[0].verdict
    assert np.isnan(seen[0].factors).all()
    whole = explosion(depth=10, activation="tanh")
    assert seen[-1].verdict == whole.verdict
    assert np.isfinite(whole.factors).all()
    np.testing.assert_array_equal(seen[-1].factors, whole.factors)


def test_the_norms_over_the_units():
    relu, sigmoid = norms("relu"), norms("sigmoid")
    for kind, low, high in (("layer", 0.9, 1.1), ("rms", 0.9, 1.1), ("batch", 1.4, 1.6)):
        assert low < factor_per_layer(relu.log_delta[kind]) < high
    for kind in ("layer", "rms", "group"):
        assert factor_per_layer(sigmoid.log_delta[kind]) == pytest.approx(
            layer_factor("sigmoid"), rel=0.15
        )
    assert factor_per_layer(sigmoid.log_delta["batch"]) > 1


def test_the_norms_come_one_after_the_other():
    seen = list(comparing(depth=5))
    assert [len(one.log_delta) for one in seen] == [1, 2, 3, 4, 5, 6]
    assert "batch norm 1" not in seen[0].verdict
    assert seen[-1].verdict == norms(depth=5).verdict
