from math import exp, log, pi, sqrt

import numpy as np
import pytest

from vglib import theory
from vglib.activations import get_activation
from vglib.residuals import experiments as ex


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "identity"])
@pytest.mark.parametrize("ln_q", [-40.0, -3.0, 0.123, 4.0, 40.0])
def test_the_tabulated_moments(activation, ln_q):
    of, phi, q = ex.moments(activation), get_activation(activation), exp(ln_q)
    mean = theory.gaussian_mean(phi.phi, q) / sqrt(q)
    second = theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q) / q
    slope = theory.chi(q, phi.dphi, 1.0)
    assert of.mean(ln_q) == pytest.approx(float(mean), rel=1e-6, abs=1e-9)
    assert of.second(ln_q) == pytest.approx(float(second), rel=2e-3)
    assert of.slope(ln_q) == pytest.approx(float(slope), rel=2e-3)


def test_relu_pre_activation_doubles():
    ln_q, ln_chi = ex.block_theory("pre-activation", 10, 1.0, sqrt(2), "relu", 0.0)
    np.testing.assert_allclose(ln_chi, log(2))
    np.testing.assert_allclose(np.diff(ln_q), log(2))


def test_plain_theory_is_the_library_s():
    tanh = get_activation("tanh")
    _, ln_chi = ex.block_theory("plain", 20, 1.0, 1.3, "tanh", log(0.8))
    q = theory.q_trajectory(1.3**2 * 0.8, tanh.phi, 1.3, 0.0, 20)
    np.testing.assert_allclose(np.exp(ln_chi), theory.chi(q, tanh.dphi, 1.3), rtol=2e-3)


def test_the_three_laws_in_theory():
    squares = {}
    for name, (kind, activation) in ex.GROWTHS.items():
        sigma_w = ex.SIGMA_W[activation]
        squares[name] = np.cumsum(ex.block_theory(kind, 1000, 1.0, sigma_w, activation, 0.0)[1])
    assert squares["ReLU"][-1] == pytest.approx(1000 * log(2))
    assert squares["tanh"][-1] / sqrt(1000) == pytest.approx(8 / (3 * sqrt(2 * pi)), rel=0.02)
    power = (squares["BN and ReLU"][-1] - squares["BN and ReLU"][99]) / log(10)
    assert power == pytest.approx(pi / (pi - 1), rel=0.01)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("kind", [k for k in ex.KINDS if k != "ReLU after the sum"])
def test_measurement_meets_theory(kind, activation):
    seen = [ex.flow(40, kind, 0.4, False, 1.0, activation, seed) for seed in range(3)]
    ratio = np.median([f.ratio - f.theory_ratio for f in seen])
    signal = np.median([f.log_signal[-1] - f.theory_log_signal[-1] for f in seen])
    # At finite width the logarithm of a product lies below that of its mean: 5L/4n for ReLU.
    slack = 1.2 if kind in ("plain", "deep supervision") else 0.6
    assert abs(ratio) < slack
    assert abs(signal) < slack


def test_a_branch_that_ends_in_relu_grows_with_its_mean():
    for seed in range(3):
        f = ex.flow(300, "residual", root=True, seed=seed)
        assert f.ratio == pytest.approx(f.theory_ratio, abs=0.3)
        assert f.ratio > 5
    assert ex.flow(300, root=True).ratio < 1.5


@pytest.mark.parametrize("kind", ex.KINDS)
def test_a_thousand_blocks_are_finite(kind):
    for weight_scale, alpha in ((0.05, 1.0), (20.0, 1.0), (1.0, 0.5)):
        f = ex.flow(1000, kind, alpha, False, weight_scale, "relu")
        assert np.isfinite(f.log_signal).all()
        assert "nan" not in f.verdict


def test_a_net_so_narrow_that_it_dies_is_told():
    f = ex.flow(1000, "plain", width=10)
    assert f.verdict.startswith("dies")
    assert "exactly 0" in f.verdict


def test_the_verdict_says_when_the_width_is_narrowed():
    assert "this is width" in ex.flow(1000).verdict
    assert "this is width" not in ex.flow(100).verdict


def test_rezero_passes_the_gradient_and_gives_none_to_the_weights():
    f = ex.flow(50, "ReZero")
    assert f.ratio == pytest.approx(0, abs=1e-12)
    assert np.isneginf(f.log_weight_grad).all()
    assert "exactly 0" in f.verdict


def test_deep_supervision_without_heads_is_plain():
    heads, plain = (ex.flow(20, kind, 0.0) for kind in ("deep supervision", "plain"))
    np.testing.assert_array_equal(heads.log_grad, plain.log_grad)


@pytest.mark.parametrize("depth", [1, 2, 7, 200])
def test_the_paths_add_up_to_the_gradient(depth):
    p = ex.paths(depth, 0.5)
    assert p.gap < 1e-10
    assert p.weighed.sum() == pytest.approx(1)
    assert p.counted.sum() == pytest.approx(1)
    assert p.binomial.sum() == pytest.approx(1)


def test_the_mean_length_of_paths():
    for alpha in (1.0, 0.5, 0.1):
        lengths = [ex.paths(50, alpha, seed=s).mean_length for s in range(4)]
        assert np.mean(lengths) == pytest.approx(50 * alpha**2 / (1 + alpha**2), rel=0.12)
    assert ex.paths(200, root=True).mean_length == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("width", "scale"), [(1, 1.0), (3, 0.5), (20, 1.0), (50, 2.0)])
def test_the_factor_of_a_block_has_its_distribution(width, scale):
    seen = ex.luck(width, 1.0, 0.0, scale)
    expected = ex.factor_below(seen.factors, width, scale)
    empirical = (np.arange(len(expected)) + 0.5) / len(expected)
    assert np.abs(expected - empirical).max() < 2 / sqrt(len(expected))


def test_all_minus_one_leaves_nothing():
    r = ex.luck(30, 1.0, 1.0)
    assert (r.factors == 0).all()
    assert "exactly 0" in r.verdict
    assert ex.luck(30, 0.0).factors == pytest.approx(np.ones(1111))


def test_two_meanings_of_a_short_connection():
    """20 sigmoid layers: a factor 10^12 to the plain net either way, from different heads."""
    s = ex.shortcuts()
    assert s.first["plain"] < log(1e-11)
    assert s.first["deep supervision"] > log(0.05)
    assert s.first["residual"] > log(0.05)
    assert s.own_share < log(1e-10)
    with_skips = s.heard["layers with skips"]
    assert with_skips[-1] - with_skips[0] > -2
    np.testing.assert_allclose(s.heard["layers without skips"][-1], s.first["plain"], rtol=1e-9)


def test_the_decisive_training():
    assert ex.cured("none").training.broke_at is not None
    assert ex.cured("none").verdict.startswith("NaN")
    lame = ex.cured("clip at 1")
    assert lame.training.clipped == len(lame.training.losses)
    assert lame.accuracy < 0.5
    for cure in ("batch norm", "α = 1/√L"):
        assert ex.cured(cure).accuracy > 0.8, cure


def test_a_deep_narrow_net_trains_at_once():
    assert ex.train_deep(200, steps=40).test_accuracy > 0.75
    assert ex.train_deep(1000, "residual", steps=4).broke_at is not None


def test_degradation():
    d = ex.degradation(20)
    assert d.trained["plain"].train_loss > 3 * d.trained["residual"].train_loss
    assert d.verdict.startswith("plain lags")


def test_heads_of_shallow_layers_learn_and_the_output_does_not():
    accuracies = ex.head_accuracies(steps=100)
    assert accuracies[0] > 0.8
    assert accuracies[-1] < 0.3


def test_autocorrelation():
    noise = np.random.default_rng(0).standard_normal(5000)
    assert ex.autocorrelation(noise)[0] == pytest.approx(1)
    assert np.abs(ex.autocorrelation(noise)[1:]).max() < 0.06
    assert ex.autocorrelation(noise + 10, centred=False)[1] > 0.95
    assert abs(ex.autocorrelation(noise + 10)[1]) < 0.06


def test_shattering_is_ordered():
    lag1 = {
        name: np.median([ex.shattered(*name, seed=s).correlation[1] for s in range(3)])
        for name in (
            ("feed-forward with BN", 50),
            ("residual with BN", 50),
            ("residual with BN", 50, 0.1),
        )
    }
    values = list(lag1.values())
    assert abs(values[0]) < 0.15
    assert values[0] < values[1] < values[2]


def test_the_one_dimensional_gradient_is_a_derivative():
    """Without batch norm the curve is a sum of slopes: compare with finite differences."""
    s = ex.shattered("residual", 3, 0.5)
    assert s.gradient.std() == pytest.approx(1)
    rough = np.abs(np.diff(s.gradient)).mean()
    assert rough < 0.3


def test_the_correlation_halves_only_where_it_is_centred():
    centred = np.mean([ex.gradient_correlation(4, True, s) for s in range(3)])
    assert centred == pytest.approx(2**-4, rel=0.25)
    assert np.mean([ex.gradient_correlation(4, False, s) for s in range(3)]) > 0.1


def test_a_relu_behind_the_sum_closes_the_skips():
    shares = [ex.open_skips(depth) for depth in (1, 5, 20)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.05
