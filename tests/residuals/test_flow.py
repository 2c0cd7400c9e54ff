import numpy as np
import pytest

from vglib.residuals.blocks import KINDS
from vglib.residuals.flow import flow


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "ReLU after the sum"])
def test_measurement_meets_theory(kind, activation):
    seen = [flow(40, kind, 0.4, False, 1.0, activation, seed) for seed in range(3)]
    ratio = np.median([f.ratio - f.theory_ratio for f in seen])
    signal = np.median([f.log_signal[-1] - f.theory_log_signal[-1] for f in seen])
    # At finite width the logarithm of a product lies below that of its mean: 5L/4n for ReLU.
    slack = 1.2 if kind in ("plain", "deep supervision") else 0.6
    assert abs(ratio) < slack
    assert abs(signal) < slack


def test_a_branch_that_ends_in_relu_grows_with_its_mean():
    for seed in range(3):
        f = flow(300, "residual", root=True, seed=seed)
        assert f.ratio == pytest.approx(f.theory_ratio, abs=0.3)
        assert f.ratio > 5
    assert flow(300, root=True).ratio < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_blocks_are_finite(kind):
    for weight_scale, alpha in ((0.05, 1.0), (20.0, 1.0), (1.0, 0.5)):
        f = flow(1000, kind, alpha, False, weight_scale, "relu")
        assert np.isfinite(f.log_signal).all()
        assert "nan" not in f.verdict


def test_a_net_so_narrow_that_it_dies_is_told():
    f = flow(1000, "plain", width=10)
    assert f.verdict.startswith("dies")
    assert "exactly 0" in f.verdict


def test_the_verdict_says_when_the_width_is_narrowed():
    assert "this is width" in flow(1000).verdict
    assert "this is width" not in flow(100).verdict


def test_rezero_passes_the_gradient_and_gives_none_to_the_weights():
    f = flow(50, "ReZero")
    assert f.ratio == pytest.approx(0, abs=1e-12)
    assert np.isneginf(f.log_weight_grad).all()
    assert "exactly 0" in f.verdict


def test_deep_supervision_without_heads_is_plain():
    heads, plain = (flow(20, kind, 0.0) for kind in ("deep supervision", "plain"))
    np.testing.assert_array_equal(heads.log_grad, plain.log_grad)
