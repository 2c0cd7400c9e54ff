import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.networks import mlp
from vglib.other_remedies import experiments as ex
from vglib.probe import trace

X, Y = ex._digits()[0][:20], ex._digits()[1][:20]


def torch_loss(net, x, y):
    """Return a function of theta that computes the net's loss in torch."""
    phi = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[net.activation]

    def loss(theta):
        h, start = torch.tensor(x), 0
        parts = []
        for shape in net.shapes:
            size = math.prod(shape)
            parts.append(theta[start : start + size].reshape(shape))
            start += size
        for i in range(0, len(parts), 2):
            z = h @ parts[i].T + parts[i + 1]
            h = phi(z)
        if net.loss == "squared error":
            return F.mse_loss(z, torch.tensor(y))
        return F.cross_entropy(z, torch.tensor(y))

    return loss


CASES = [
    (activation, loss)
    for activation in ex.ACTIVATIONS
    for loss in ("cross-entropy", "squared error")
]


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_gradient_and_curvature_are_autograds(activation, loss):
    net = ex.build(2, 5, activation, "torch", 1.3, 3, loss)
    y = Y if loss == "cross-entropy" else np.random.default_rng(0).standard_normal((20, 10))
    theta = torch.tensor(net.theta, requires_grad=True)
    function = torch_loss(net, X, y)
    value = function(theta)
    (expected,) = torch.autograd.grad(value, theta)
    found, gradient = net.gradient(X, y)
    assert found == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-15)
    hessian = torch.autograd.functional.hessian(function, theta.detach()).numpy()
    v = np.random.default_rng(1).standard_normal(len(net.theta))
    np.testing.assert_allclose(net.curvature_along(X, y)(v), hessian @ v, rtol=1e-8, atol=1e-12)
    top = np.linalg.eigvalsh(hessian)[-1]
    assert ex.largest_curvature(net, X, y, 30) == pytest.approx(top, rel=1e-3)


def test_deltas_are_the_probes():
    net = ex.build(4, 20, "tanh", "torch", 1.0, 2)
    seen = trace(
        mlp(4, 20, activation="tanh", init="torch", seed=2),
        torch.tensor(X),
        torch.tensor(Y),
        F.cross_entropy,
    )
    found = [np.log(np.linalg.norm(d)) for d in net.deltas(X, Y)]
    np.testing.assert_allclose(found, seen.log_delta, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("SGD", lambda p: torch.optim.SGD(p, 0.01)),
        ("momentum", lambda p: torch.optim.SGD(p, 0.01, momentum=0.9)),
        ("RMSprop", lambda p: torch.optim.RMSprop(p, 0.01)),
        ("Adam", lambda p: torch.optim.Adam(p, 0.01)),
    ],
)
def test_the_rules_are_torchs(name, make):
    generator = np.random.default_rng(0)
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimiser, rule, theta = make([w]), ex.update_rule(name, 6), np.zeros(6)
    for _ in range(5):
        g = generator.standard_normal(6) * 10.0 ** np.arange(-12, 0, 2)
        w.grad = torch.tensor(g)
        optimiser.step()
        theta -= rule(g, 0.01)
    np.testing.assert_allclose(theta, w.detach(), rtol=1e-9)


def test_adams_first_step_is_lr_until_the_gradient_meets_eps():
    g = np.array([1e3, -1e-3, 1e-8, 1e-12, 0.0])
    found = ex.adam_first_step(g, 0.1)
    np.testing.assert_allclose(found, ex.update_rule("Adam", 5)(g, 0.1), rtol=1e-12)
    np.testing.assert_allclose(found[:3], [0.1, -0.1, 0.05], rtol=2e-5)
    assert found[3] == pytest.approx(0.1 * 1e-12 / 1e-8, rel=1e-3)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no optimiser"):
        ex.update_rule("Adagrad", 3)
    with pytest.raises(ValueError, match="no schedule"):
        ex.share_of_peak("triangle", 0, 1, 10)


def test_every_layer_moves_alike_with_adam_and_not_with_sgd():
    adam, sgd = ex.updates("Adam", depth=6), ex.updates("SGD", depth=6)
    assert abs(adam.log_update[1] - adam.log_update[-2]) < 0.01
    np.testing.assert_allclose(sgd.log_update, sgd.log_gradient + math.log(0.01), rtol=1e-9)
    assert sgd.log_update[-2] - sgd.log_update[0] > math.log(100)
    rms = ex.updates("RMSprop", depth=4).log_update - ex.updates("Adam", depth=4).log_update
    assert rms[-1] == pytest.approx(math.log(10), abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_the_part_that_knows_the_labels_follows_the_spread(seed):
    found = ex.updates(depth=10, seed=seed)
    np.testing.assert_allclose(found.log_part[3:], found.log_spread[3:] + math.log(2) / 2, atol=1.2)
    assert found.log_part[9] < math.log(1e-4)
    he = ex.updates(depth=20, weight_scale=6**0.5, activation="relu", seed=seed)
    assert he.log_part[9] > math.log(0.3)


def test_a_collapsed_layer_takes_the_same_step_with_shuffled_labels():
    # Where h is one vector for all inputs, dW = (sum of delta) h^T, and the sum knows no order.
    net = ex.build(1, 8, "tanh", "torch", 1.0, 0)
    same = np.tile(X[:1], (20, 1))
    one = net.gradient(same, Y)[1]
    other = net.gradient(same, np.random.default_rng(0).permutation(Y))[1]
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)
    assert ex.same_direction(10, 20) > 0.99


def test_what_float64_cannot_square_is_no_error():
    found = ex.updates("SGD", depth=100, weight_scale=0.05)
    assert np.isfinite(found.log_gradient).all()
    assert found.log_gradient[0] < math.log(1e-160)
    np.testing.assert_allclose(found.log_update, found.log_gradient + math.log(0.01), rtol=1e-6)


@pytest.mark.parametrize("schedule", ex.SCHEDULES)
def test_a_schedule_stays_within_its_peak(schedule):
    shares = [ex.share_of_peak(schedule, t, 20, 100) for t in range(100)]
    assert min(shares) > 0
    assert max(shares) == 1.0
    if "warm-up" in schedule:
        np.testing.assert_allclose(shares[:20], np.arange(1, 21) / 20)


def test_step_decay_and_cosine_against_torch():
    parameter = [torch.nn.Parameter(torch.zeros(1))]
    for mine, make in (
        (
            lambda t: ex.step_decay(t, 40),
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1),
        ),
        (
            lambda t: ex.cosine_decay(t, 40),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40),
        ),
    ):
        optimiser = torch.optim.SGD(parameter, 1.0)
        scheduler = make(optimiser)
        for t in range(40):
            assert mine(t) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
            optimiser.step()
            scheduler.step()


def test_warm_up_saves_what_a_constant_step_loses():
    found = ex.scheduled(seed=2)
    assert found.constant.accuracy < 0.25
    assert found.scheduled.accuracy > 0.7
    assert found.limits[0] < found.lr / 20
    assert ex.scheduled_run("constant", "SGD", 0.025, 0, 6, 1.5, 2).accuracy > 0.4


def test_an_overflow_is_told():
    found = ex.scheduled(lr=1.0, depth=20, weight_scale=20.0, schedule="constant")
    assert found.constant.broke
    assert "overflow" in found.verdict
    assert found.constant.final == math.inf


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (3.0, 1.0), (-5.0, 0.5), (0.0, 10.0)])
def test_the_bowl_descends_as_its_theory(mean, std):
    x = mean + std * np.random.default_rng(0).standard_normal(100_000)
    sample = 2 * np.array([[np.mean(x * x), x.mean()], [x.mean(), 1]])
    np.testing.assert_allclose(ex.bowl_hessian(mean, std), sample, rtol=0.03, atol=0.1)
    limit = ex.bowl(mean, std).limit
    found = ex.bowl(mean, std, lr=0.9 * limit)
    assert found.losses[0] == pytest.approx(1.25)
    np.testing.assert_allclose(found.losses, found.theory, rtol=1e-6, atol=1e-18)
    assert found.losses[-1] < found.losses[0]
    assert "diverges" in ex.bowl(mean, std, lr=1.05 * limit).verdict


def test_standardising_makes_the_bowl_round():
    assert ex.bowl(10.0, 3.0, standardise=True).condition == pytest.approx(1)
    assert ex.bowl(10.0, 1.0).condition == pytest.approx(102**2 - 2, rel=1e-4)


def test_the_input_curvature_of_a_linear_unit():
    for mean, std, n in ((2.0, 0.5, 6), (0.0, 3.0, 4), (1.0, 1.0, 1)):
        second = std**2 * np.eye(n) + mean**2
        hessian = 2 * np.block(
            [[second, np.full((n, 1), mean)], [np.full((1, n), mean), np.ones((1, 1))]]
        )
        expected = np.linalg.eigvalsh(hessian)[-1]
        assert ex.input_curvature(mean, std, n) == pytest.approx(expected, rel=1e-9)


def test_the_scale_of_the_data():
    pixels = ex.scaled(input_scale=75.0, offset=1.0)
    assert pixels.saturated[0, 0] > 0.95
    assert pixels.saturated[1, 0] < 0.3
    assert pixels.limits[0] < pixels.limits[1] / 50
    labels = ex.scaled(label_scale=1000.0, activation="relu")
    assert labels.log_delta[0, 0] - labels.log_delta[1, 0] > math.log(20)
    assert "overflows" in labels.verdict
    same = ex.scaled()
    np.testing.assert_array_equal(same.losses[0], same.losses[1])


def test_the_first_layers_gradient_is_proportional_to_its_input():
    net = ex.build(2, 10, "relu", "he", 1.0, 0, "squared error")
    y = np.eye(10)[Y]
    deltas = net.deltas(X, y)
    _, gradient = net.gradient(X, y)
    np.testing.assert_allclose(net.split(gradient)[0][0], deltas[0].T @ X, rtol=1e-10, atol=1e-15)


def test_capsules_are_trained_by_backprop():
    assert ex.capsule_gradient_error(3) < 1e-6
    before, after = ex.capsule_training(60)
    assert before < 0.4
    assert after > 0.7


def test_routing_agrees_and_squash_stays_below_one():
    v = torch.tensor([[3.0, 4.0], [0.03, 0.04]], dtype=torch.float64)
    lengths = ex.squash(v).norm(dim=-1)
    np.testing.assert_allclose(lengths, [25 / 26, 0.0025 / 1.0025], rtol=1e-12)
    predictions = torch.ones(1, 5, 2, 3, dtype=torch.float64)
    predictions[:, :, 1] = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    first, last = ex.route(predictions, 1), ex.route(predictions, 3)
    assert last[0, 0].norm() > first[0, 0].norm()
