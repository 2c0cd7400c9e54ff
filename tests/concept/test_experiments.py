import numpy as np
import pytest
import torch

from vglib import theory
from vglib.concept import experiments as e
from vglib.concept.sgd import LOSSES, descend
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import trace
from vglib.training import fit


def test_the_surfaces_gradient_is_autograds():
    x, target = map(torch.tensor, e.surface_data())
    for point in ((2.5, 2.5), (-1.0, 0.3), (0.0, 0.0)):
        w = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        loss = ((w[1] * torch.tanh(w[0] * x) - target) ** 2).mean()
        (expected,) = torch.autograd.grad(loss, w)
        np.testing.assert_allclose(e.surface_gradient(*point), expected, rtol=1e-12, atol=1e-15)
        assert e.surface_loss(*point) == pytest.approx(loss.item(), rel=1e-12)


def test_the_largest_step_is_two_over_the_steepest_curvature():
    x, target = map(torch.tensor, e.surface_data())

    def loss(w):
        return ((w[1] * torch.tanh(w[0] * x) - target) ** 2).mean()

    w = torch.tensor([1.0, 1.5], dtype=torch.float64)
    curvature = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, w)).max()
    assert e.largest_step() == pytest.approx(2 / curvature.item(), rel=1e-12)
    assert e.surface_loss(1.0, 1.5) == pytest.approx(0.0, abs=1e-30)


def test_near_a_minimum_the_largest_step_is_the_border():
    inside = e.descent(0.98 * e.largest_step(), 1.001, 1.5005)
    outside = e.descent(1.1 * e.largest_step(), 1.001, 1.5005)
    assert inside.losses[-1] < inside.losses[0]
    assert outside.losses[-1] > 100 * outside.losses[0]


@pytest.mark.parametrize(
    ("step", "start", "word"),
    [
        (0.9, (2.5, 2.5), "converges"),
        (0.1, (2.5, 2.5), "creeps"),
        (1.25, (2.5, 2.5), "zig-zags"),
        (1.5, (2.5, 2.5), "diverges"),
        (0.3, (3.5, -1.0), "creeps: after 60 steps the gradient is only"),
    ],
)
def test_a_descents_verdict(step, start, word):
    assert e.descent(step, *start).verdict.startswith(word)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_hand_written_descent_is_fit(loss):
    data = digits()

    def net():
        return mlp(3, 7, output="sigmoid", init="1/fan_in", bias_scale=1.0, seed=3)

    mine, theirs = net(), net()
    one = descend(mine, data, loss=loss, lr=0.7, epochs=2, seed=5)
    other = fit(
        theirs,
        data,
        loss=LOSSES[loss][0],
        lr=0.7,
        epochs=2,
        seed=5,
        probe_size=300,
        progress=False,
    )
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    for name in ("steps", "epochs", "losses", "train_accuracy", "test_accuracy", "moved"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-8)
    np.testing.assert_allclose(one.log_bias_grad, other.log_bias_grad, rtol=1e-6)


def test_records_can_be_rarer_and_the_last_is_always_there():
    network = e.sigmoid_net(2, 5)
    history = descend(network, digits(), loss="quadratic", lr=0.5, epochs=5, record_every=2)
    np.testing.assert_array_equal(history.epochs, [0, 2, 4, 5])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"loss": "hinge"}, "no loss called 'hinge'"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"epochs": 0}, "whole numbers from 1 on"),
        ({"batch": 0}, "whole numbers from 1 on"),
    ],
)
def test_a_descent_that_cannot_be_is_refused(change, says):
    arguments = {"loss": "quadratic", "lr": 0.5, "epochs": 1, **change}
    with pytest.raises(ValueError, match=says):
        descend(e.sigmoid_net(1, 3), digits(), **arguments)


def test_only_sigmoids_are_trained():
    with pytest.raises(ValueError, match="sigmoids"):
        descend(mlp(1, 3), digits(), loss="quadratic", lr=0.5, epochs=1)


def test_chi_of_nielsens_net():
    assert e.chi_nielsen() == pytest.approx(0.041960, abs=1e-6)
    ratios = [e.factor_nielsen() ** -(k - 1) for k in (2, 3, 4)]
    np.testing.assert_allclose(ratios, [4.88, 23.83, 116.3], rtol=1e-3)


def test_measured_ratios_meet_theory_and_not_its_rival():
    for k in (2, 3, 4):
        measured = e.median_ratio(k, nets=30)
        assert measured == pytest.approx(e.factor_nielsen() ** -(k - 1), rel=0.2)
        if k > 2:
            assert measured > 1.3 * 4 ** (k - 1)


def test_nielsens_own_numbers_lie_near():
    for k, quoted in e.NIELSEN.items():
        assert len(quoted) == k
        assert quoted[-1] / quoted[0] == pytest.approx(e.factor_nielsen() ** -(k - 1), rel=0.25)


def test_the_two_way_theory_is_chi_where_differences_are_small():
    phi = e.SIGMOID
    q = theory.q_fixed_point(phi.phi, 1.0, 1.0)
    log_spread, log_factors = e.two_way_theory(q, 1e-6, 1.0, 6)
    step = 0.5 * np.log(e.chi_nielsen())
    np.testing.assert_allclose(np.diff(log_spread), step, rtol=1e-5)
    np.testing.assert_allclose(log_factors, step, rtol=1e-5)


def test_the_two_way_theory_against_dice():
    rng, q, v, sigma_w = np.random.default_rng(0), 9.0, 4.0, 3.0
    m = rng.normal(scale=np.sqrt(q - v / 2), size=1_000_000)
    d = rng.normal(scale=np.sqrt(v / 2), size=1_000_000)
    a, b = e.SIGMOID.phi(m + d), e.SIGMOID.phi(m - d)
    log_spread, log_factors = e.two_way_theory(q, v, sigma_w, 1)
    assert np.exp(2 * log_spread[0]) == pytest.approx(np.mean((a - b) ** 2) / 2, rel=0.01)
    slopes = np.mean(a * (1 - a) * b * (1 - b))
    assert np.exp(2 * log_factors[0]) == pytest.approx(sigma_w**2 * slopes, rel=0.01)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_theory_meets_measurement_in_both_directions(scale):
    runs = [e.learning_speed(6, scale, 100, seed, standardised=True) for seed in range(5)]
    ratio = np.median([r.ratio for r in runs])
    assert np.log(ratio) == pytest.approx(np.log(runs[0].predicted_ratio), abs=0.4)
    forward = np.median([np.log(r.spread) for r in runs], axis=0)
    # The trace averages standard deviations over units, theory variances: a tenth or two lower.
    np.testing.assert_allclose(forward, runs[0].theory_log_spread, atol=0.5)


def test_theory_stays_finite_in_the_deepest_lab():
    run = e.learning_speed(50, 0.05, 20)
    assert np.isfinite(run.theory_log_spread).all()
    assert np.isfinite(run.log_speed).all()


def test_the_decisive_training():
    done = e.train(4, 100, epochs=20)
    assert done.word == "stuck"
    assert all(e._rises(row) for row in done.log_speed)
    assert (done.moved[-1] < 0.1).all()
    assert done.spread[0, 3] == pytest.approx(0.0013, rel=0.2)


def test_two_layers_learn_where_four_do_not():
    assert e.train(2, 100, epochs=30).accuracy > e.train(4, 100, epochs=30).accuracy + 0.5


@pytest.mark.parametrize("seed", range(2))
def test_what_makes_the_same_net_learn(seed):
    assert e.train(seed=seed).accuracy < 0.2
    assert e.train(seed=seed, loss="cross-entropy", lr=0.01).accuracy < 0.3
    for change in ({"loss": "cross-entropy"}, {"lr": 20.0}):
        done = e.train(seed=seed, **change)
        assert done.accuracy > 0.7
        assert done.first_ratio > 80
    larger = e.train(seed=seed, weight_scale=4.0, epochs=60)
    assert larger.accuracy > 0.7
    assert larger.first_ratio < 20


@pytest.mark.parametrize("seed", range(4))
def test_on_one_path_delta_keeps_its_order(seed):
    done = e.one_path(epochs=15, seed=seed)
    assert done.ordered_delta == 16
    assert done.accuracy < 0.35


def test_the_order_of_a_bias_gradient_may_break():
    assert e.one_path(epochs=20, seed=1).ordered_speed < 21


def test_without_backpropagation_the_gradient_is_the_same():
    assert e.finite_difference_ratio(0) == pytest.approx(1.0, abs=1e-7)


def test_a_step_gives_the_gradient_back():
    data = digits()
    net = e.sigmoid_net(4, 30)
    exact = trace(net, data.x_train, data.y_train, LOSSES["quadratic"][0]).weight_grad_norm[0]
    for lr in (0.5, 20.0):
        assert np.linalg.norm(e.gradient_from_step(lr, 0)) == pytest.approx(exact, rel=1e-9)


def test_the_score_lists_ratio_and_accuracy():
    said = e.score([e.train(2, 10, epochs=1), e.train(2, 10, epochs=1, lr=5.0)])
    assert said.startswith("2 registered. quadratic, lr 0.5, scale 1, 2 layers: ratio")
    assert said.count("accuracy") == 2
