import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import get_activation
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import trace
from vglib.sigmoid import experiments as ex


@pytest.mark.parametrize(("share", "z"), [(0.5, 1.76), (0.1, 3.64), (0.01, 5.99)])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_where_the_slope_has_fallen(name, share, z):
    point = ex.where_slope_is(share, name)
    assert point == pytest.approx(z if name == "sigmoid" else z / 2, abs=0.006)
    assert ex.curves(name, point).share == pytest.approx(share, rel=1e-12)
    assert ex.curves(name, -point).share == pytest.approx(share, rel=1e-12)


def test_at_two_the_sigmoid_is_bending_and_tanh_is_saturated():
    assert ex.curves("sigmoid", 2.0).share == pytest.approx(0.42, abs=0.001)
    assert ex.curves("sigmoid", 2.0).verdict.startswith("bending")
    assert ex.curves("tanh", 2.0).verdict.startswith("saturated")
    assert ex.curves("sigmoid", 0.0).slope == 0.25


def test_the_mean_slope_of_tanh():
    slopes = theory.gaussian_mean(get_activation("tanh").dphi, [0.1, 1.0, 4.0])
    np.testing.assert_allclose(slopes, [0.916, 0.606, 0.365], atol=6e-4)


def test_one_sign_share_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randint(-1, 3, (60, 3), generator=generator).double()
    count = live = 0
    for row in gradient.tolist():
        if any(row):
            live += 1
            count += not (min(row) < 0 < max(row))
    assert ex.one_sign_share(gradient) == pytest.approx(count / live)
    assert math.isnan(ex.one_sign_share(torch.zeros(2, 2)))


@pytest.mark.parametrize(("layer", "name"), [(2, "sigmoid"), (3, "tanh"), (4, "relu")])
def test_the_parts_multiply_to_the_gradient_of_autograd(layer, name):
    delta, h = ex._sign_parts(name, layer, 0, 1)
    data = digits()
    net = mlp(ex.SIGN_DEPTH, ex.SIGN_WIDTH, activation=name, init="1/fan_in", seed=1)
    rows = torch.arange(17)
    loss = cross_entropy(net(data.x_train[rows]), data.y_train[rows])
    (gradient,) = torch.autograd.grad(loss, net.weights[layer - 1])
    torch.testing.assert_close(delta[rows].T @ h[rows] / 17, gradient, rtol=1e-10, atol=1e-16)


def test_one_sample_has_one_sign_and_a_batch_has_not():
    one = ex.one_sign(1)
    assert one.chosen == {"sigmoid": 1.0, "relu": 1.0, "tanh": 0.0}
    ten = [ex.one_sign(10, seed=seed).chosen for seed in range(5)]
    assert np.median([c["sigmoid"] for c in ten]) == pytest.approx(0.82, abs=0.08)
    assert np.median([c["relu"] for c in ten]) == pytest.approx(0.25, abs=0.12)
    assert all(c["tanh"] == 0 for c in ten)
    full = [ex.one_sign(1437, seed=seed).chosen for seed in range(5)]
    assert np.median([c["sigmoid"] for c in full]) == pytest.approx(0.8, abs=0.1)
    assert np.median([c["relu"] for c in full]) < 0.1


def test_the_share_is_no_constant():
    """Deeper layers have it more, and training takes it apart."""
    by_layer = [ex.one_sign(1437, layer).chosen["sigmoid"] for layer in (2, 3, 4)]
    assert by_layer == sorted(by_layer)
    assert by_layer[0] < 0.7 < 0.95 < by_layer[2]
    assert ex.one_sign(1437, 3, 600).chosen["sigmoid"] < by_layer[1] - 0.3


def test_the_moments_and_the_judgements_number():
    mean, variance = ex.moments("relu")
    assert mean == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-10)
    assert variance == pytest.approx(0.5 - 1 / (2 * math.pi), rel=1e-10)
    steep, flat = ex.curvatures(*ex.moments("sigmoid"), 100)
    assert steep / flat == pytest.approx(577, abs=0.5)
    assert ex.moments("sigmoid - 1/2")[1] == pytest.approx(ex.moments("sigmoid")[1], rel=1e-12)


def test_the_walk_follows_theory_on_all_data():
    found = ex.walk("sigmoid", ex.SAMPLES, 0.5, seed=3)
    np.testing.assert_allclose(found.losses, found.predicted, rtol=0.35)
    assert found.turns == 0


def test_where_it_zig_zags_and_where_not():
    single = [ex.walk("sigmoid", 1, 0.5, seed=seed) for seed in range(5)]
    assert all(w.together == 1 for w in single)
    assert np.median([w.turns for w in single]) > 0.4
    whole = ex.walk("sigmoid", ex.SAMPLES, 0.5)
    assert whole.turns == 0
    assert whole.together < 0.2
    assert ex.walk("sigmoid", ex.SAMPLES, 3.4).turns > 0.2


def test_turns_cost_little_and_the_limit_costs_much():
    """At one step size both get equally far; beyond the sigmoid's limit only the centred walks."""
    left = {
        name: np.median([ex.walk(name, 1, 0.5, seed=seed).left for seed in range(9)])
        for name in ("sigmoid", "sigmoid - 1/2")
    }
    assert left["sigmoid"] == pytest.approx(left["sigmoid - 1/2"], abs=0.12)
    assert ex.walk("sigmoid", ex.SAMPLES, 5.0).verdict.startswith("overshoots")
    assert ex.walk("sigmoid - 1/2", ex.SAMPLES, 5.0).left < 0.01


def test_twins_differ_in_nothing_but_the_mean():
    data = digits()
    x, y = data.x_train[:100], data.y_train[:100]
    for depth in (1, 4):
        plain, twin = ex.twins(depth, 2)
        torch.testing.assert_close(plain(x), twin(x), rtol=1e-10, atol=1e-12)
        one, other = (trace(n, x, y, cross_entropy) for n in (plain, twin))
        np.testing.assert_allclose(one.log_delta, other.log_delta, atol=1e-9)
        assert other.act_mean[0] == pytest.approx(one.act_mean[0] - 0.5, abs=1e-9)


def test_the_mean_decides_at_depth_four_and_not_at_a_small_step():
    found = [ex.centring(4, 3.0, seed) for seed in (0, 1)]
    assert all(c.centred.test_accuracy[-1] > c.plain.test_accuracy[-1] + 0.3 for c in found)
    small = ex.centring(2, 0.3)
    assert small.centred.test_accuracy[-1] == pytest.approx(small.plain.test_accuracy[-1], abs=0.05)
    assert small.verdict.startswith("no gain")


@pytest.mark.parametrize(
    ("init", "values"),
    [("N(0, 1)", (497, 244, 255)), ("U(±1/√n)", (0.331, 0.097, 0.086))],
)
def test_the_variance_does_not_grow(init, values):
    found = [ex.forward(3, 1.0, init, 500, seed) for seed in range(5)]
    np.testing.assert_allclose(
        np.median([f.pre_variance for f in found], axis=0), values, rtol=0.15
    )
    assert all(f.act_variance.max() <= 0.25 for f in found)
    np.testing.assert_allclose(
        np.median([f.pre_variance for f in found], axis=0), found[0].theory_q, rtol=0.1
    )


def test_saturated_and_vanishing_are_two_things():
    large, small = ex.forward(10, init="N(0, 1)"), ex.forward(10, init="U(±1/√n)")
    assert large.trace.saturated[:10].min() > 0.7
    assert large.trace.log_delta[0] > large.trace.log_delta[9] + 1
    assert small.trace.saturated[:10].max() == 0
    assert small.trace.log_delta[0] < small.trace.log_delta[9] - 10
    for flow in (large, small):
        np.testing.assert_allclose(flow.theory_log_delta, flow.trace.log_delta[:10], atol=1.0)


def test_narrowing_is_said():
    assert "Width 500 would take long" in ex.forward(200).verdict


@pytest.mark.parametrize("z", [-5.0, 0.3, 5.99])
def test_output_deltas_against_autograd(z):
    for target in (0.0, 1.0):
        leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
        a = torch.sigmoid(leaf)
        squared = (a - target) ** 2 / 2
        entropy = -target * torch.log(a) - (1 - target) * torch.log(1 - a)
        for loss, formula in ((squared, ex.quadratic_delta), (entropy, ex.cross_entropy_delta)):
            (gradient,) = torch.autograd.grad(loss, leaf, retain_graph=True)
            assert formula(z, target) == pytest.approx(gradient.item(), rel=1e-10)


def test_nielsens_neuron():
    """His figures end at 0.20 with w = b = 2, lr 0.15, 300 epochs and the quadratic cost."""
    assert ex.output_neuron(4.0, 0.15).outputs["squared error"][-1] == pytest.approx(0.2, abs=0.01)


def test_the_cost_is_measured_and_its_words_follow():
    cost = ex.cost(64, 16, 1)
    assert ex.cost(64, 16, 1) is cost
    assert cost.verdict.split(":")[0] in ("small", "noticeable", "large")
    assert (cost.ratios > 0).all()
    wide, narrow = ex.time_layer(1024, 64), ex.time_layer(32, 64)
    assert wide.share("sigmoid") < narrow.share("sigmoid")
    for word, share in (("small", 0.01), ("noticeable", 0.1), ("large", 0.6)):
        seconds = {"sigmoid": np.array([share]), "matrix product": np.array([1 - share])}
        seconds |= {"relu": np.array([0.01]), "tanh": np.array([0.01])}
        planted = ex.Cost((), ex.LayerTime(100, 128, seconds), np.array([1.0]))
        assert planted.verdict.startswith(word)


def test_deep_sigmoid_nets():
    plain = ex.hidden_sigmoids("plain")
    assert plain.accuracy < 0.2
    assert plain.verdict.startswith("does not learn")
    assert plain.log_delta_start[0] - plain.log_delta_start[-1] < -20
    residual = ex.hidden_sigmoids("residual")
    assert residual.accuracy > 0.8
    assert abs(residual.log_delta_start[0] - residual.log_delta_start[-1]) < 3


def test_the_plain_net_is_the_library_s():
    ours, theirs = ex.HiddenSigmoids("plain", 3, 50, 4), mlp(3, 50, init="1/fan_in", seed=4)
    x = digits().x_test[:5]
    torch.testing.assert_close(ours(x), theirs(x))
    with pytest.raises(ValueError, match="no net called"):
        ex.HiddenSigmoids("magic", 3, 50, 0)


def test_the_centred_sigmoid_has_the_sigmoids_slope():
    z = np.linspace(-5, 5, 11)
    np.testing.assert_array_equal(ex.CENTRED.dphi(z), get_activation("sigmoid").dphi(z))
    np.testing.assert_allclose(ex.CENTRED.phi(z), np.tanh(z / 2) / 2, atol=1e-15)


def test_the_counterexample_of_the_flaw_in_the_sign_argument():
    """Two samples with inputs (1, 3) and (3, 1) and deltas +1 and -1."""
    gradient = (1 * np.array([1, 3]) - 1 * np.array([3, 1])) / 2
    assert gradient.tolist() == [-1, 1]
