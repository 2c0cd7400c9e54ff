import numpy as np
import pytest
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import mlp
from vglib.relu_family.race import (
    chance_of_table,
    lead,
    race,
    racing,
    ranking,
    table_spread,
)
from vglib.training import fit


def test_relu_leads_the_race_and_stands_at_95_per_cent_early():
    run = race([100, 100], epochs=3, seeds=(0, 1))
    assert run.final("relu")[0] > run.final("sigmoid")[0] + 0.05
    assert (run.epochs_to(0.95, "relu") <= 3).all()
    assert np.isinf(run.epochs_to(0.95, "sigmoid")).all()


def test_a_sigmoid_from_larger_weights_with_larger_steps_is_nearly_as_fast():
    leads = np.array([[lead(scale, lr, s) for s in range(3)] for scale, lr in ((1, 0.1), (3, 0.3))])
    assert leads[0].min() > 0.4
    assert leads[1].max() < 0.06
    alone = race([100] * 3, ("sigmoid",), 3, (1,), 0.3, {"sigmoid": 3.0}).final("sigmoid")[0]
    relu = race([100] * 3, ("relu",), 3, (1,)).final("relu")[0]
    assert leads[1, 1] == relu - alone


def test_the_race_runs_on_other_data():
    data = digits()
    small = type(data)(
        data.x_train[:50, :20], data.y_train[:50], data.x_test[:, :20], data.y_test, "small"
    )
    run = race([5], epochs=1, seeds=(0,), data=small)
    assert run.curves["relu"].shape == (1, 2)


def test_a_race_is_watched_from_its_start():
    results = list(racing([20], epochs=3, seeds=(0, 1)))
    assert [r.curves["relu"].shape for r in results] == [(2, n) for n in (1, 2, 3, 4)]
    for earlier in results:
        for name, accuracies in earlier.curves.items():
            end = results[-1].curves[name]
            np.testing.assert_array_equal(accuracies, end[:, : accuracies.shape[1]])
    assert "relu stands at" in results[0].verdict
    assert "not yet at 95%" in results[0].verdict
    assert "sigmoid ends at" in results[-1].verdict


def test_nets_that_race_side_by_side_train_as_alone():
    together = race([30], epochs=2, seeds=(0, 3))
    for name, init in (("relu", "he"), ("sigmoid", "glorot")):
        for row, seed in enumerate((0, 3)):
            net = mlp([30], activation=name, init=init, seed=seed)
            alone = fit(
                net,
                digits(),
                loss=cross_entropy,
                lr=0.1,
                batch=10,
                epochs=2,
                seed=seed,
            )
            np.testing.assert_array_equal(together.curves[name][row], alone.test_accuracy)


def test_a_net_that_overflows_stays_where_it_was():
    run = race([100] * 3, ("relu",), epochs=2, seeds=(0,), lr=1.0, scales={"relu": 20.0})
    assert run.curves["relu"].shape == (1, 3)
    assert run.curves["relu"][0, 1] == run.curves["relu"][0, 2]


def test_parameters_are_counted_right():
    def numbers(widths):
        return sum(p.numel() for p in mlp(widths, n_in=784).parameters())

    assert [numbers([100] * n) for n in (1, 2, 3, 4)] == [79_510, 89_610, 99_710, 109_810]
    assert numbers([2048, 1024, 512, 256]) == pytest.approx(4.36e6, rel=0.01)


def test_ranking_against_dice():
    r = ranking(360, 0.5, 97.5)
    rng = np.random.default_rng(0)
    worse, better = rng.binomial(360, 0.9725, 200_000), rng.binomial(360, 0.9775, 200_000)
    wrong = (worse > better).mean() + (worse == better).mean() / 2
    assert r.wrong == pytest.approx(wrong, abs=0.01)
    assert r.error == pytest.approx(0.0082, abs=2e-4)


def test_the_published_rows_lie_within_two_standard_errors():
    assert table_spread() == pytest.approx((0.9798 - 0.9781) / 0.001434, rel=0.01)
    assert 1 < table_spread() < 2


def test_four_equal_nets_spread_so_far_by_dice():
    share = 0.979025
    rows = np.random.default_rng(0).binomial(10_000, share, (100_000, 4)) / 10_000
    spreads = np.ptp(rows, axis=1) / (share * (1 - share) / 10_000) ** 0.5
    assert spreads.mean() == pytest.approx(2.06, abs=0.02)
    assert (spreads > 3.63).mean() == pytest.approx(0.05, abs=0.005)
    assert chance_of_table() == pytest.approx((spreads >= table_spread() - 1e-9).mean(), abs=0.02)
