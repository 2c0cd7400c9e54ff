from itertools import pairwise
from math import log, sqrt

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch.nn.functional import cross_entropy

from vglib.activations import get_activation
from vglib.networks import mlp
from vglib.relu_family import experiments as ex


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.25, 11 / 48])
@pytest.mark.parametrize("spread", [0.05, 1.0, 20.0])
def test_a_kinked_line_has_hes_gain_and_chi_1_at_any_spread(slope, spread):
    name = {0.0: "relu", 0.01: "leaky_relu", 0.25: "prelu", 11 / 48: "rrelu"}[slope]
    face = ex.face(name, spread)
    assert face.he_sigma_w == pytest.approx(sqrt(2 / (1 + slope**2)), rel=1e-10)
    assert face.chi == pytest.approx(1.0, abs=1e-10)
    assert face.mean == pytest.approx((1 - slope) * spread / sqrt(2 * np.pi), rel=1e-10)


@pytest.mark.parametrize("name", ex.FAMILY)
@pytest.mark.parametrize("spread", [0.5, 1.0, 3.0])
def test_moments_and_chi_against_an_adaptive_integral(name, spread):
    phi = get_activation(name)

    def mean(f):
        kinks = [k / spread for k in (-3, 0, 3)]
        edges = [-12.0, *(k for k in kinks if abs(k) < 12), 12.0]
        return sum(
            quad(lambda u: float(f(spread * u)) * norm.pdf(u), a, b, epsabs=1e-13)[0]
            for a, b in pairwise(edges)
        )

    first, second = mean(phi.phi), mean(lambda z: phi.phi(z) ** 2)
    slope = mean(lambda z: phi.dphi(z) ** 2)
    face = ex.face(name, spread)
    assert face.mean == pytest.approx(first, abs=1e-4)
    assert face.variance == pytest.approx(second - first**2, rel=1e-4)
    assert face.chi == pytest.approx(spread**2 * slope / second, rel=1e-3)


def test_selu_keeps_the_signal_and_not_the_gradient():
    face = ex.face("selu")
    assert (face.mean, face.variance) == (pytest.approx(0, abs=1e-9), pytest.approx(1, abs=1e-9))
    assert face.chi == pytest.approx(1.0716, abs=1e-4)


@pytest.mark.parametrize(("scale", "chi"), [(3**-0.5, 1 / 6), (1, 0.5), (2**0.5, 1), (3**0.5, 1.5)])
def test_a_relu_layer_multiplies_the_square_by_half_the_weight_variance(scale, chi):
    factors = [
        np.exp(ex.gauges(20, scale, "1/fan_in", False, width=200, seed=seed).log_factor)
        for seed in range(5)
    ]
    assert np.median(factors) == pytest.approx(chi, rel=0.04)
    assert ex.gauges(20, scale, "1/fan_in").chi == pytest.approx(chi, rel=1e-10)


def inner_by_autograd(net, x, y):
    grads = torch.autograd.grad(cross_entropy(net(x), y), list(net.weights))
    return [float((w * g).sum().detach()) for w, g in zip(net.weights, grads, strict=True)]


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "gelu"])
def test_inner_products_are_autograds(activation, biases):
    g = ex.gauges(6, 1.0, "torch", biases, activation, width=30, seed=2)
    net = mlp(
        6, 30, activation=activation, init="torch", bias_scale=None if biases else 0.0, seed=2
    )
    data = ex._digits()
    expected = inner_by_autograd(net, data.x_train[: ex.BATCH], data.y_train[: ex.BATCH])
    measured = g.sign * np.exp(g.log_inner)
    np.testing.assert_allclose(measured, expected[:6], rtol=1e-9)


def test_the_identity_holds_without_biases_for_homogeneous_functions_alone():
    for name in ("relu", "leaky_relu", "prelu"):
        assert ex.gauges(20, activation=name).inner_unequal < 1e-10
    assert ex.gauges(20, activation="tanh").inner_unequal > 0.01
    assert ex.gauges(20, biases=True).inner_unequal > 100


def test_the_even_gauge_hides_seven_decades():
    for seed in range(5):
        g = ex.gauges(20, seed=seed)
        assert abs(g.log_weight_ratio) < log(3)
        assert g.log_delta_ratio < -log(1e7)
        assert g.log_delta_ratio == pytest.approx(-19 / 2 * log(6), abs=1.3)


def test_the_inner_product_survives_where_float64_does_not():
    g = ex.gauges(200, weight_scale=0.1, width=50)
    assert np.isfinite(g.log_inner).all()
    assert g.inner_unequal < 1e-6


def test_bias_free_training_needs_he():
    torch_scale = [ex.train_deep("torch", False, 4, seed=s).test_accuracy[-1] for s in range(3)]
    he = [ex.train_deep("he", False, 4, seed=s).test_accuracy[-1] for s in range(3)]
    assert max(torch_scale) < 0.2
    assert np.median(he) > 0.3


def test_the_penalty_of_random_leaks():
    rng = np.random.default_rng(0)
    w, z = rng.normal(size=(2, 40))
    expected = ex.noise_penalty(w, z, 0.1, 0.7)
    assert ex.measured_penalty(w, z, 0.1, 0.7) == pytest.approx(expected, rel=0.03)
    assert ex.noise_penalty(w, np.abs(z), 0.1, 0.7) == 0
    assert ex.noise_penalty(w, z, 0.3, 0.3) == 0


def test_torchs_rrelu_has_the_catalogues_mean_slope():
    z = torch.full((200_000,), -1.0, dtype=torch.float64)
    layer = torch.nn.RReLU()
    torch.manual_seed(0)
    assert -layer(z).mean() == pytest.approx(11 / 48, abs=1e-3)
    assert layer(z).var() == pytest.approx((5 / 24) ** 2 / 12, rel=0.02)
    assert layer.eval()(z[:1]) == get_activation("rrelu").function(z[:1])


def test_off_units_by_hand():
    net = mlp([2, 3], n_in=1, n_out=1, activation="relu", seed=0)
    x = torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
    with torch.no_grad():
        net.weights[0].copy_(torch.tensor([[1.0], [0.0]]))
        net.weights[1].copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]]))
        net.biases[1].copy_(torch.tensor([-1.0, 0.5, 0.0]))
    first, second = ex.off_units(net, x)
    assert first.tolist() == [False, True]
    assert second.tolist() == [False, False, True]


def test_learning_rate_and_the_dead():
    calm = [ex.dead_share(0.1, seed=s)[0] for s in range(3)]
    wild = [ex.dead_share(1.0, seed=s)[0] for s in range(5)]
    assert max(calm) <= 0.05
    assert np.median(wild) > 0.3
    adam, accuracy = ex.dead_share(0.1, "Adam")
    assert adam > 0.85
    leaky_accuracy = ex.dead_share(0.1, "Adam", "leaky_relu")[1]
    assert leaky_accuracy > accuracy + 0.4


def test_layer_1_survives_where_layer_2_dies():
    d = ex.dying(1.0)
    assert d.layers[0] == 0
    assert d.layers[1] > 0.3
    assert d.worst_layer == 2
    assert d.steps[0] == 0
    assert d.steps[-1] == 600


def test_a_layer_that_is_off_for_all_data_never_comes_back_with_relu():
    for seed in range(2):
        k = ex.knock("relu", seed=seed)
        assert (k.off == 1).all()
        assert k.test_accuracy[-1] < 0.2


@pytest.mark.parametrize("activation", ["leaky_relu", "elu", "prelu"])
def test_others_come_back(activation):
    k = ex.knock(activation)
    assert k.off[0] == 1
    assert k.off[-1] < 0.8
    assert k.test_accuracy[-1] > 0.85


def test_dead_at_depth_10_is_the_initialisations_doing():
    torch_scale = np.median([ex.off_at_start("torch", 10, s) for s in range(8)])
    he = np.median([ex.off_at_start("he", 10, s) for s in range(8)])
    assert torch_scale == pytest.approx(0.5, abs=0.08)
    assert he < 0.2
    assert ex.zero_share("he") == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("width", "bound"), [(2, 0.925), (3, 0.699), (5, 0.249)])
def test_born_dead_against_the_formula(width, bound):
    assert ex.born_dead_formula(width, 9) == pytest.approx(bound, abs=5e-4)
    dice = ex.born_dead(width, 9, nets=10_000)
    assert dice.one_input[-1] == pytest.approx(bound, abs=0.02)
    assert dice.all_inputs[-1] < bound - 0.02
    assert (np.diff(dice.all_inputs) >= 0).all()


def test_the_weight_scale_does_not_matter_to_the_dead():
    small, large = (ex.born_dead(3, 50, weight_scale=s) for s in (0.05, 20.0))
    np.testing.assert_array_equal(small.all_inputs, large.all_inputs)


def test_relu_leads_the_race_and_stands_at_95_per_cent_early():
    run = ex.race([100, 100], epochs=3, seeds=(0, 1))
    assert run.final("relu")[0] > run.final("sigmoid")[0] + 0.05
    assert (run.epochs_to(0.95, "relu") <= 3).all()
    assert np.isinf(run.epochs_to(0.95, "sigmoid")).all()


def test_the_race_runs_on_other_data():
    data = ex._digits()
    small = type(data)(
        data.x_train[:50, :20], data.y_train[:50], data.x_test[:, :20], data.y_test, "small"
    )
    run = ex.race([5], epochs=1, seeds=(0,), data=small)
    assert run.curves["relu"].shape == (1, 2)


def test_parameters_are_counted_right():
    assert [ex.parameters([100] * n) for n in (1, 2, 3, 4)] == [79_510, 89_610, 99_710, 109_810]
    assert ex.parameters([2048, 1024, 512, 256]) == pytest.approx(4.36e6, rel=0.01)
    net = mlp(3, 100, n_in=784)
    assert sum(p.numel() for p in net.parameters()) == ex.parameters([100] * 3)


def test_ranking_against_dice():
    r = ex.ranking(360, 0.5, 97.5)
    rng = np.random.default_rng(0)
    worse, better = rng.binomial(360, 0.9725, 200_000), rng.binomial(360, 0.9775, 200_000)
    wrong = (worse > better).mean() + (worse == better).mean() / 2
    assert r.wrong == pytest.approx(wrong, abs=0.01)
    assert r.error == pytest.approx(0.0082, abs=2e-4)


def test_times_are_positive():
    assert 0 < ex.milliseconds("relu", 8, 64, 2) < 1000
    assert 0 < ex.milliseconds("matmul", 8, 64, 2) < 1000
