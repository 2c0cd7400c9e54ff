import numpy as np
import pytest

from vglib.results import last
from vglib.start_here.flow import gradient_flow, wander
from vglib.start_here.game import score, try_scale


@pytest.mark.parametrize(
    ("activation", "init", "scale"),
    [("sigmoid", "glorot", 1.0), ("tanh", "1/fan_in", 1.5), ("relu", "he", 1.0)],
)
def test_theory_predicts_the_slope(activation, init, scale):
    ratios, predicted = [], 0.0
    for seed in range(5):
        flow = gradient_flow(30, scale, activation, init, width=300, seed=seed)
        ratios.append(flow.log_ratio)
        predicted = flow.predicted_log_ratio
    assert np.median(ratios) == pytest.approx(predicted, abs=0.05 * 29)


def test_a_rival_theory_is_rejected():
    """Glorot's sigma_w = 1 with ReLU halves the square each layer; "no change" is wrong."""
    flow = gradient_flow(30, 1.0, "relu", "glorot", width=300)
    assert flow.log_ratio == pytest.approx(-0.5 * np.log(2) * 29, abs=1.5)
    assert abs(flow.log_ratio) > 5


def test_a_larger_scale_never_lowers_a_relu_nets_gain():
    gains = [gradient_flow(20, s, "relu", "he").log_ratio for s in (0.05, 0.3, 1.0, 3.0, 20.0)]
    assert gains == sorted(gains)


def test_twice_the_scale_doubles_a_relu_nets_gain_in_every_layer():
    """Up to the output's error, whose shares over the images change with the scale."""
    one, two = (gradient_flow(20, s, "relu", "he").log_ratio for s in (1.0, 2.0))
    assert two - one == pytest.approx(19 * np.log(2), abs=0.3)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"depth": 50}, "vanishes"),
        ({"activation": "tanh", "weight_scale": 3.0, "depth": 50}, "explodes"),
        ({"activation": "relu", "init": "he", "depth": 50}, "holds"),
        ({"activation": "relu", "init": "he", "weight_scale": 20.0, "depth": 1000}, "overflows"),
        ({"activation": "relu", "init": "he", "width": 10, "depth": 1000}, "dies"),
        ({"activation": "relu", "weight_scale": 0.05, "depth": 1000}, "fades"),
        ({"depth": 1}, "one hidden layer"),
    ],
)
def test_the_verdict_says_what_is_seen(values, word):
    assert gradient_flow(**values).verdict.startswith(word)


def test_depth_1000_is_finite():
    flow = gradient_flow(1000, width=64)
    assert np.isfinite(flow.trace.log_delta).all()
    assert "10^-" in flow.verdict


def test_narrowing_is_said():
    flow = gradient_flow(1000, width=500)
    assert "Width 500 would take long" in flow.verdict
    assert flow.trace.weight_norm[1] < gradient_flow(2, width=500).trace.weight_norm[1]


def test_the_game_knows_a_hit_from_a_miss():
    hit, miss = try_scale("relu", np.sqrt(2.0)), try_scale("relu", 1.0)
    assert hit.hit
    assert not miss.hit
    assert hit.factor == pytest.approx(1.0, abs=1e-6)
    assert miss.factor == pytest.approx(np.sqrt(2.0), rel=1e-6)
    said = score([miss, hit, try_scale("sigmoid", 10.149)])
    assert "relu: best scale 1.41" in said
    assert "10.15" in said


def test_narrow_nets_wander_and_wide_ones_less():
    narrow, wide = (last(wander(width=width, depth=60)) for width in (30, 150))
    assert np.std(narrow.log_ratios[:, 0]) > np.std(wide.log_ratios[:, 0])
    assert np.median(narrow.log_ratios[:, 0]) < narrow.theory[0]
