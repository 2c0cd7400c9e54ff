import numpy as np
import pytest
import torch

from vglib.backprop import Flat
from vglib.concept import epochs
from vglib.concept.epochs import LOSSES, descend, train
from vglib.concept.speed import sigmoid_net
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import trace
from vglib.results import last
from vglib.training import fit


@pytest.mark.parametrize("loss", LOSSES)
def test_the_hand_written_descent_is_fit(loss):
    data = digits()

    def net():
        return mlp(3, 7, output="sigmoid", init="1/fan_in", bias_scale=1.0, seed=3)

    mine, theirs = net(), net()
    assert [*descend(Flat(mine, LOSSES[loss]), data, lr=0.7, epochs=2, seed=5)] == [1, 2]
    fit(theirs, data, loss=LOSSES[loss], lr=0.7, epochs=2, seed=5, probe_size=300)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-12)
    probe = data.x_train[:300], data.y_train[:300]
    one, other = (trace(net, *probe, LOSSES[loss]) for net in (mine, theirs))
    assert one.loss == pytest.approx(other.loss, rel=1e-8)
    for x, y in (probe, (data.x_test, data.y_test)):
        right = [(net(x).argmax(1) == y).sum() for net in (mine, theirs)]
        assert right[0] == right[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"epochs": 0}, "a whole number from 1 on"),
        ({"batch": 0}, "a whole number from 1 on"),
    ],
)
def test_a_descent_that_cannot_be_is_refused(change, says):
    net = Flat(sigmoid_net(1, 3), LOSSES["quadratic"])
    with pytest.raises(ValueError, match=says):
        last(descend(net, digits(), **{"lr": 0.5, "epochs": 1, **change}))


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="no loss called 'hinge'"):
        train(1, 3, "hinge")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_trainings_records_are_those_of_fit(loss):
    mine = epochs.train(3, 7, loss, 0.7, 1.0, epochs=2, seed=3)
    network, start = sigmoid_net(3, 7, seed=3), sigmoid_net(3, 7, seed=3)
    other = fit(network, digits(), loss=LOSSES[loss], lr=0.7, epochs=2, seed=3, probe_size=300)
    np.testing.assert_array_equal(mine.recorded, other.steps / other.steps[1])
    np.testing.assert_array_equal(mine.test_accuracy, other.test_accuracy)
    pairs = list(zip(network.weights, start.weights, strict=True))[:3]
    moved = [float((now - then).detach().norm() / then.detach().norm()) for now, then in pairs]
    np.testing.assert_allclose(mine.moved[-1], moved, rtol=1e-8)
    np.testing.assert_allclose(
        mine.log_speed, [t.log_bias_grad[:3] for t in other.traces], rtol=1e-6
    )
    np.testing.assert_allclose(mine.log_delta, other.log_delta[:, :3], rtol=1e-6)
    spreads = [seen.spread[:3] for seen in other.traces]
    np.testing.assert_allclose(mine.spread, spreads, rtol=1e-9)


def test_records_can_be_rarer_and_the_last_is_always_there():
    done = epochs.train(2, 5, epochs=5, record_every=2)
    np.testing.assert_array_equal(done.recorded, [0, 2, 4, 5])


def test_a_training_is_watched_from_its_start():
    first, *rest, end = epochs.training(2, 5, epochs=3, lr=5.0)
    assert (first.recorded[-1], len(rest)) == (0, 2)
    assert first.verdict.startswith("under way: ")
    assert "times by now; layer 1 has moved by 0% of its length." in first.verdict
    assert "at the end" in end.verdict
    whole = epochs.train(2, 5, epochs=3, lr=5.0)
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(end, name), value)
        if np.ndim(value):
            np.testing.assert_array_equal(getattr(first, name), value[:1])


def test_one_path_is_watched_from_its_start():
    first, *_, end = epochs.walking_one_path(epochs=2)
    assert " of 1 epoch in" in first.verdict
    assert end.verdict == epochs.one_path(epochs=2).verdict


def test_the_decisive_training():
    done = epochs.train(4, 100, epochs=20)
    assert done.word == "stuck"
    assert (np.diff(done.log_speed) > 0).all()
    assert (done.moved[-1] < 0.1).all()
    assert done.spread[0, 3] == pytest.approx(0.0013, rel=0.2)


def test_two_layers_learn_where_four_do_not():
    assert epochs.train(2, 100, epochs=30).accuracy > epochs.train(4, 100, epochs=30).accuracy + 0.5


@pytest.mark.parametrize("seed", range(2))
def test_what_makes_the_same_net_learn(seed):
    assert epochs.train(seed=seed).accuracy < 0.2
    assert epochs.train(seed=seed, loss="cross-entropy", lr=0.01).accuracy < 0.3
    for change in ({"loss": "cross-entropy"}, {"lr": 20.0}):
        done = epochs.train(seed=seed, **change)
        assert done.accuracy > 0.7
        assert done.first_ratio > 80
    larger = epochs.train(seed=seed, weight_scale=4.0, epochs=60)
    assert larger.accuracy > 0.7
    assert larger.first_ratio < 20


@pytest.mark.parametrize("seed", range(4))
def test_on_one_path_delta_keeps_its_order(seed):
    done = epochs.one_path(epochs=15, seed=seed)
    assert done.ordered_delta == 16
    assert done.accuracy < 0.35


def test_the_order_of_a_bias_gradient_may_break():
    assert epochs.one_path(epochs=20, seed=1).ordered_speed < 21


def test_six_layers_learn_where_each_weight_has_its_own_step():
    """With one step for all they do not in 40 epochs; the start and the loss are the same."""
    plain, adam = (
        epochs.train(6, lr=lr, optimiser=rule, epochs=40, record_every=40)
        for rule, lr in (("SGD", 20.0), ("Adam", 0.01))
    )
    assert plain.first_ratio == adam.first_ratio > 1000
    assert plain.accuracy < 0.2
    assert adam.accuracy > 0.8


def test_where_no_gradient_is_left_the_verdict_says_so():
    done = epochs.train(4, optimiser="Adam", lr=50.0, epochs=3)
    assert np.isneginf(done.log_speed[-1, 0])
    assert "at the start, and at the end no gradient is left in layer 1; " in done.verdict


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(ValueError, match="no optimiser called 'LBFGS'"):
        train(1, 3, optimiser="LBFGS")


def test_the_gradient_falls_at_first_and_not_from_iteration_to_iteration():
    speed = epochs.train(record_every=2).log_speed[:, 0]
    assert speed[1] - speed[0] < np.log(0.1)
    assert abs(speed[-1] - speed[1]) < np.log(2)
    assert epochs.later_factor(0) == pytest.approx(np.exp(speed[-1] - speed[1]))


def test_over_the_iterations_the_gradient_falls_even_where_it_explodes_over_the_layers():
    done = epochs.train(4, 100, weight_scale=40.0, record_every=20)
    assert done.log_delta[0, 0] > done.log_delta[0, 3] + 1
    assert done.log_delta[-1, 0] < done.log_delta[0, 0] - 1


def test_a_rate_far_too_large_takes_the_gradient_and_a_tiny_one_does_not():
    assert epochs.factor_of_training(0, 500.0) < 1e-3
    assert epochs.factor_of_training(0, 0.005) == pytest.approx(1, abs=0.3)


def test_the_score_lists_ratio_and_accuracy():
    said = epochs.score([epochs.train(2, 10, epochs=1), epochs.train(2, 10, epochs=1, lr=5.0)])
    assert said.startswith("2 registered. quadratic, SGD, lr 0.5, scale 1, 2 layers: ratio")
    assert said.count("accuracy") == 2


def test_a_training_that_was_watched_to_its_end_is_there_at_once():
    values = {"depth": 2, "epochs": 2, "seed": 7}
    *_, first = epochs.training(**values)
    (again,) = epochs.training(**values)
    assert again is first
