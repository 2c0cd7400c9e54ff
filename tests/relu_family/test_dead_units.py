import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import mlp
from vglib.relu_family.dead_units import (
    dead_of_net,
    dead_share,
    dying,
    knock,
    off_at_start,
    off_units,
    woken,
    zero_share,
)
from vglib.results import last
from vglib.training import fit


def test_off_units_by_hand():
    net = mlp([2, 3], n_in=1, n_out=1, activation="relu", seed=0)
    x = torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
    with torch.no_grad():
        net.weights[0].copy_(torch.tensor([[1.0], [0.0]]))
        net.weights[1].copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 5.0]]))
        net.biases[1].copy_(torch.tensor([-1.0, 0.5, 0.0]))
    first, second = off_units(net, x)
    assert first.tolist() == [False, True]
    assert second.tolist() == [False, False, True]


def test_learning_rate_and_the_dead():
    calm = [dead_share(0.1, seed=s)[0] for s in range(3)]
    wild = [dead_share(1.0, seed=s)[0] for s in range(5)]
    assert max(calm) <= 0.05
    assert np.median(wild) > 0.3
    adam, accuracy = dead_share(0.1, "Adam")
    assert adam > 0.85
    leaky_accuracy = dead_share(0.1, "Adam", "leaky_relu")[1]
    assert leaky_accuracy > accuracy + 0.4


def test_layer_1_survives_where_layer_2_dies():
    d = last(dying(1.0))
    assert d.off_all[-1, 0] == 0
    assert d.off_all[-1, 1] > 0.3
    assert d.worst_layer == 2
    assert d.steps[0] == 0
    assert d.steps[-1] == 600


def test_a_layer_that_is_off_for_all_data_never_comes_back_with_relu():
    for seed in range(2):
        k = last(knock("relu", seed=seed))
        assert (k.off_all[:, -1] == 1).all()
        assert k.test_accuracy[-1] < 0.2


@pytest.mark.parametrize("activation", ["leaky_relu", "elu", "prelu"])
def test_others_come_back(activation):
    k = last(knock(activation))
    assert k.off_all[0, -1] == 1
    assert k.off_all[-1, -1] < 0.8
    assert k.test_accuracy[-1] > 0.85


def test_dead_at_depth_10_is_the_initialisations_doing():
    torch_scale = np.median([off_at_start("torch", 10, s) for s in range(8)])
    he = np.median([off_at_start("he", 10, s) for s in range(8)])
    assert torch_scale == pytest.approx(0.5, abs=0.08)
    assert he < 0.2
    assert zero_share("he") == pytest.approx(0.5, abs=0.05)


def test_not_a_number_is_not_off():
    net = mlp(1, 2, n_in=1, n_out=1, activation="relu", seed=0)
    with torch.no_grad():
        net.weights[0].copy_(torch.tensor([[-1.0], [torch.nan]]))
    assert off_units(net, torch.ones(3, 1, dtype=torch.float64))[0].tolist() == [True, False]


@pytest.mark.parametrize("watch", [dying, knock])
def test_a_training_is_watched_from_its_start(watch):
    results = list(watch(lr=0.2))
    assert [len(r.steps) for r in results] == list(range(1, len(results) + 1))
    assert results[0].steps.tolist() == [0]
    assert {r.total for r in results} == {600}
    end = results[-1]
    for earlier in results:
        np.testing.assert_array_equal(earlier.off_all, end.off_all[: len(earlier.steps)])
        assert f"{earlier.steps[-1]:.0f} steps" in earlier.verdict


def test_both_ways_of_counting_agree():
    end = last(dying(1.0, seed=4))
    assert dead_share(1.0, seed=4) == (end.off_all[-1, 1], end.test_accuracy[-1])
    assert dead_of_net(1.0, seed=4) == end.off_all[-1].mean()


def test_half_of_a_leaky_layer_wakes_and_nobody_of_a_relu_layer():
    assert woken("leaky_relu", 0.3) > 0.3
    assert woken("relu", 0.3) == 0


@pytest.mark.parametrize(("optimizer", "rule"), [("SGD", "sgd"), ("Adam", torch.optim.Adam)])
def test_the_training_is_autograds(optimizer, rule):
    """The gradients are written out on views of one vector; torch's own way ends in the same net.

    Torch's fused Adam on these views does not: it counts entries where there are strides.
    """
    net = mlp(2, 100, activation="relu", init="he", seed=1)
    by_autograd = fit(
        net,
        digits(),
        loss=cross_entropy,
        lr=0.003,
        optimizer=rule,
        batch=32,
        steps=600,
        record_at=600,
        seed=1,
        before_step=lambda network: None,
    )
    end = last(dying(0.003, optimizer, seed=1))
    assert end.test_accuracy[-1] == by_autograd.test_accuracy[-1]
    assert end.off_all[-1].tolist() == [off.mean() for off in off_units(net, digits().x_train)]


def test_where_the_loss_overflows_the_training_ends():
    end = last(dying(3.0))
    assert end.overflows
    assert end.steps[-1] == end.total < 600
    assert end.verdict.startswith(f"overflows: after step {end.total - 1} ")
