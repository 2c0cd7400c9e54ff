from math import asin, exp, log, pi, sqrt

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vglib.activations import ACTIVATIONS
from vglib.batch_norm import experiments as ex
from vglib.batch_norm import normed_net as nets


@pytest.mark.parametrize("kind", ["batch", "layer", "rms", "group"])
def test_the_norms_are_torchs(kind):
    z = 2 + 3 * torch.randn(7, 20, dtype=torch.float64)
    norm = ex._norm(kind, 20).train()
    torch.testing.assert_close(nets.standardise(z, kind)[0], norm(z), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["none", "batch", "layer", "rms", "group"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_recursion_against_autograd(kind, activation):
    x, y = ex.images(16, 3)
    net = nets.build(9, 20, kind, activation, gamma=0.7, beta=0.2, weight_scale=1.3, seed=3)
    weights = [w.clone().requires_grad_() for w in net.weights]
    loss = F.cross_entropy(
        nets.NormedNet(tuple(weights), kind, net.activation, net.gamma, net.beta)(x), y
    )
    seen = nets.flow(net, x, y)
    assert seen.loss == pytest.approx(loss.item(), rel=1e-12)
    for (unit, ln), gradient in zip(
        seen.gradients, torch.autograd.grad(loss, weights), strict=True
    ):
        assert float((exp(ln) * unit - gradient).norm()) < 1e-10 * float(gradient.norm())


def test_weight_norm_s_backward_takes_the_statistics_as_constants():
    z = torch.randn(12, 5, dtype=torch.float64)
    u, inverse = nets.standardise(z, "weight")
    grad = torch.randn(12, 5, dtype=torch.float64)
    leaf = z.clone().requires_grad_()
    fixed = (leaf - z.mean(0)) * inverse
    (expected,) = torch.autograd.grad(fixed, leaf, grad)
    torch.testing.assert_close(fixed.detach(), u)
    torch.testing.assert_close(nets.standardise_backward(grad, u, inverse, "weight"), expected)


def test_the_recursion_reaches_where_float64_does_not():
    x, y = ex.images(8, 0)
    log_delta = nets.flow(nets.build(700, 10, "none", "sigmoid"), x, y).log_delta
    assert np.isfinite(log_delta).all()
    assert log_delta[0] < log(1e-308)


def test_a_deeper_net_keeps_its_layers():
    shallow, deep = nets.build(20, 15, seed=5), nets.build(21, 15, seed=5)
    for one, other in zip(shallow.weights[:-1], deep.weights, strict=False):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(shallow.weights[-1], deep.weights[-1])
    with pytest.raises(ValueError, match="no norm called"):
        nets.build(2, kind="magic")


def test_the_exact_zero_stays_one():
    """A single sample has no deviation: nothing passes batch norm."""
    x, y = ex.images(1, 0)
    seen = nets.flow(nets.build(5, 20), x, y)
    assert np.isneginf(seen.log_delta).all()
    stays = nets.stepped(nets.build(5, 20), seen.gradients, 1.0)
    torch.testing.assert_close(stays.weights[0], nets.build(5, 20).weights[0])


def test_the_factor_of_a_wide_net():
    assert ex.wide_factor("relu") == pytest.approx(pi / (pi - 1), rel=1e-12)
    assert ex.wide_factor("identity") == pytest.approx(1, rel=1e-12)
    assert ex.wide_factor("relu", gamma=3.0) == pytest.approx(pi / (pi - 1), rel=1e-12)
    assert ex.layer_factor("relu") == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_poincares_inequality(name):
    for gamma in (0.3, 1.0, 3.0):
        assert ex.wide_factor(name, gamma) >= 1 - 1e-12


def test_the_factor_of_a_finite_batch():
    assert ex.batch_factor("identity", 4) == 2
    assert ex.batch_factor("identity", 16) == pytest.approx(14 / 13)
    assert ex.batch_factor("relu", 10**7) == pytest.approx(pi / (pi - 1), rel=1e-6)
    assert np.isnan(ex.batch_factor("relu", 3))
    assert ex.batch_factor("tanh", 200) == pytest.approx(ex.wide_factor("tanh"), rel=0.02)


@pytest.mark.parametrize("batch", [4, 8, 32])
def test_the_closed_form_against_dice(batch):
    assert ex.batch_factor("relu", batch) == pytest.approx(
        ex._thrown_factor("relu", batch), rel=0.015
    )


def test_two_samples_of_a_batch():
    """The chance that two are positive, and the mean product of their ReLUs."""
    batch, rho = 8, -1 / 7
    z = torch.randn(200_000, batch, dtype=torch.float64, generator=ex._generator(1))
    z -= z.mean(1, keepdim=True)
    z /= sqrt(1 - 1 / batch)
    a, b = z[:, 0], z[:, 1]
    both = float(((a > 0) & (b > 0)).double().mean())
    assert both == pytest.approx(1 / 4 + asin(rho) / (2 * pi), abs=0.005)


@pytest.mark.parametrize(
    ("activation", "batch", "value", "rel"),
    [("relu", 8, 1.788, 0.05), ("relu", 64, 1.493, 0.02), ("identity", 16, 1.077, 0.03)],
)
def test_real_nets_follow(activation, batch, value, rel):
    found = np.median([ex.factors(activation, batch, 150, 25, seed) for seed in range(5)])
    assert ex.batch_factor(activation, batch) == pytest.approx(value, abs=1e-3)
    assert found == pytest.approx(value, rel=rel)


def test_the_scale_of_the_weights_drops_out():
    one, five = ex.explosion(weight_scale=1.0), ex.explosion(weight_scale=5.0)
    assert five.ratio == pytest.approx(one.ratio, abs=0.02)
    assert five.normed.log_weight_grad[3] == pytest.approx(
        one.normed.log_weight_grad[3] - log(5), abs=0.02
    )
    change, ratio = ex.scaled_gradient(10.0)
    assert change < 1e-3
    assert ratio == pytest.approx(0.1, rel=1e-3)


def test_fifty_layers():
    ratio = np.median([ex.first_to_last("batch", 50, 150, 128, seed) for seed in range(3)])
    assert ratio == pytest.approx(1.19e4, rel=0.35)
    assert ex.first_to_last("none", 50, 150, 128, 0) < 10


def test_the_first_step_is_at_a_right_angle_and_flattens():
    before, after = [], []
    for seed in range(5):
        run = ex.first_steps(1.0, seed=seed)
        np.testing.assert_allclose(run.growth, run.first_growth, rtol=1e-3)
        before.append(run.spreads[0])
        after.append(run.spreads[-1])
    assert np.median(before) == pytest.approx(1400, rel=0.25)
    assert np.median(after) < 40
    small = ex.first_steps(0.01)
    assert small.spreads[-1] > 100


def test_the_norms_over_the_units():
    relu, sigmoid = ex.norms("relu"), ex.norms("sigmoid")
    for kind, low, high in (("layer", 0.9, 1.1), ("rms", 0.9, 1.1), ("batch", 1.4, 1.6)):
        assert low < ex.factor_per_layer(relu.log_delta[kind]) < high
    for kind in ("layer", "rms", "group"):
        assert ex.factor_per_layer(sigmoid.log_delta[kind]) == pytest.approx(
            ex.layer_factor("sigmoid"), rel=0.15
        )
    assert ex.factor_per_layer(sigmoid.log_delta["batch"]) > 1


def test_running_statistics_are_torchs():
    layer = nn.BatchNorm1d(1, momentum=0.2, dtype=torch.float64)
    seen = ex.running(0.2, 16, seed=4)
    draws = np.random.default_rng(4).standard_normal((ex.RUNNING_STEPS, 16))
    for row in draws:
        layer(torch.from_numpy(ex.TRUE_MEAN + ex.TRUE_STD * row)[:, None])
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert seen.mean[-1] == pytest.approx(layer.running_mean.item(), rel=1e-10)
    assert seen.var[-1] == pytest.approx(layer.running_var.item(), rel=1e-10)
    assert seen.settled == 21
    assert 0.8**21 < 0.01 < 0.8**20


def test_the_scatter_of_the_running_mean():
    ends = [ex.running(0.3, 8, seed=seed).mean[-1] for seed in range(400)]
    assert np.std(ends) == pytest.approx(ex.running(0.3, 8).scatter, rel=0.12)


def test_the_articles_model_and_its_folding():
    model = ex.article_model("article", 784)
    assert sum(p.numel() for p in model.parameters()) == 268_978
    assert ex.folding_error(1) < 1e-5
    # Behind a ReLU there is no linear layer to fold into, and nothing is lost.
    after = ex.article_model("after").eval()
    assert len(ex.fold_all(after)) == len(after)
    assert len(ex.fold_all(ex.article_model("before"))) == len(after) - 2


def test_folding_moves_statistics_and_scale():
    linear, norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert tensor is not None
            tensor.uniform_(0.5, 2)
    x = torch.randn(6, 3)
    torch.testing.assert_close(ex.fold(linear, norm)(x), norm.eval()(linear(x)))


def test_which_norm_rescues_sigmoids():
    assert ex.rescue("none").accuracy < 0.2
    assert ex.rescue("batch").accuracy > 0.6
    assert ex.rescue("layer").accuracy < 0.2


def test_weight_norm_starts_standardised():
    net = ex.DeepNet("weight", "relu", 3, 30, 0)
    x = ex._digits().x_train[:256]
    z = net.layers[0](x)
    torch.testing.assert_close(z.mean(0), torch.zeros(30, dtype=z.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(30, dtype=z.dtype))


def test_a_shift_is_taken_out_by_the_batch_and_not_by_running_statistics():
    seen = ex.breaking(16)
    assert np.ptp(seen.shifted_own) == 0
    assert seen.shifted_running[-1] < seen.shifted_running[0] - 0.2
    assert seen.shifted_running[0] == seen.running[-1]


def test_small_batches():
    assert ex.breaking(2).running[-1] < 0.55 < ex.small_batch_accuracy("layer", 2, 0)
    assert ex.breaking(2).running[-1] == ex.small_batch_accuracy("batch", 2, 0)


@pytest.mark.parametrize("kind", ex.CIRCLE_KINDS)
def test_only_an_activation_bends(kind):
    seen = ex.two_circles(kind)
    bends = "ReLU" in kind
    assert (seen.bend > 1) == bends
    assert (seen.accuracy > 0.9) == bends


def test_shapes_survive():
    for shape, fourth in (("a bell", 3.0), ("two heaps", 1.23), ("a tail to the right", 9.0)):
        one = ex.one_unit(shape, 1.0, 0.0, 2000)
        assert one.out.mean() == pytest.approx(0, abs=1e-9)
        assert one.out.std() == pytest.approx(1, abs=1e-4)
        assert one.fourth == pytest.approx(
            fourth, rel=0.3 if shape == "a tail to the right" else 0.1
        )


def test_places():
    seen = ex.places(1.0, 40)
    assert seen.accuracy["none"][-1] < seen.accuracy["before"][-1]
    assert len(seen.steps) == len(seen.accuracy["none"]) == 5
