"""The tournament: what a measure changes, what a run shows, and how rows become a table."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vglib.other_remedies import article, drawings, labs
from vglib.other_remedies import tournament as tm
from vglib.other_remedies.sick_nets import SICK_NETS, Plan, build
from vglib.other_remedies.trial import trying
from vglib.training import fit
from vglib.weather import one_thread


@pytest.mark.parametrize("net", SICK_NETS)
def test_every_entry_applies_or_says_why_not(net):
    for measures in tm.entries(pairs=True):
        reason = tm.why_not(net, measures)
        if reason:
            with pytest.raises(ValueError, match="does not apply"):
                tm.plan_for(net, measures)
        else:
            changed = tm.plan_for(net, measures) != SICK_NETS[net]
            assert changed == bool(measures), measures


def test_the_nine_measures_are_all_there():
    assert {m.number for m in tm.MEASURES.values()} == set(range(1, 10))


@pytest.mark.parametrize(
    ("net", "measures", "says"),
    [
        ("deep tanh", (), "no net called"),
        ("deep ReLU", ("hope",), "no measure called"),
        ("deep ReLU", ("L2", "L2"), "chosen twice"),
        ("deep sigmoid", ("tanh", "ReLU"), "both set the same thing"),
        ("deep ReLU", ("LSTM",), "no time steps"),
    ],
)
def test_what_cannot_be_is_one_sentence(net, measures, says):
    with pytest.raises(ValueError, match=says) as error:
        tm.plan_for(net, measures)
    assert str(error.value).count(". ") == 0


def test_a_factor_of_the_step_multiplies_it():
    assert tm.plan_for("deep ReLU", ("lr × 10",)).lr == pytest.approx(0.5)


def test_a_row_is_tuned_by_three_factors_unless_it_sets_the_step():
    runs = tm.starters(pairs=True, seeds=2, factors=tm.FACTORS)
    of = {}
    for net, measures, seed, factor in runs:
        of.setdefault((net, measures, seed), []).append(factor)
    assert len(runs) == sum(map(len, of.values())) == len(set(runs))
    for (_, measures, _), factors in of.items():
        alone = any("lr" in name for name in measures)
        assert factors == ([1.0] if alone else list(tm.FACTORS)), measures
    assert {factor for *_, factor in tm.starters(pairs=True, seeds=1)} == {1.0}
    row = tm.compete("deep ReLU", (), seed=0, steps=10, factor=0.1)
    other = tm.compete("deep ReLU", ("lr ÷ 10",), seed=0, steps=10)
    assert (row.factor, other.factor) == (0.1, 1.0)
    assert row.ratio_end == other.ratio_end


@pytest.mark.parametrize("shape", ["dense", "small stack", "deep stack", "recurrent", "lstm"])
@pytest.mark.parametrize("norm", [False, True])
def test_every_design_is_a_net(shape, norm):
    plan = Plan("relu", "good", 1.0, 6, 12, 0.1, shape=shape, batch_norm=norm, residual=True)
    net = build(plan, 0)
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    assert net(x).shape == (5, 10)
    assert torch.equal(build(plan, 0)(x), net(x)) or norm
    assert not torch.equal(build(plan, 1).out.weight, net.out.weight)


def test_the_lstm_is_torchs():
    plan = replace(SICK_NETS["recurrent"], shape="lstm", depth=8, width=7)
    net = build(plan, 3).double()
    w, b = net.cell.weight.detach(), net.cell.bias.detach()
    # torch has the gates in the order i, f, g, o; here the candidate is last.
    order = [0, 1, 3, 2]
    rows = torch.cat([torch.arange(7 * k, 7 * k + 7) for k in order])
    theirs = torch.nn.LSTM(8, 7, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(w[rows, :8])
        theirs.weight_hh_l0.copy_(w[rows, 8:])
        theirs.bias_ih_l0.copy_(b[rows])
        theirs.bias_hh_l0.zero_()
    x = torch.randn(4, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = net.out(theirs(x.view(4, 8, 8))[0][:, -1])
    assert torch.allclose(net(x), expected, rtol=1e-10, atol=1e-12)


def test_dense_is_the_formula():
    net = build(replace(SICK_NETS["deep sigmoid"], depth=3, residual=True), 0)
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(1))
    h = torch.sigmoid(net.hidden[0](x))
    for layer in list(net.hidden)[1:]:
        h = h + torch.sigmoid(layer(h))
    assert torch.allclose(net(x), net.out(h))


def test_a_run_shows_every_layer_and_is_repeatable():
    plan = tm.plan_for("deep sigmoid", ("dropout",), depth=4)
    one, other = (tm.train(plan, seed=1, steps=30) for _ in range(2))
    assert one.log_delta.shape == (11, 5)
    assert list(one.steps) == list(range(0, 31, 3))
    np.testing.assert_array_equal(one.log_delta, other.log_delta)
    assert one.broke_at is None


def test_what_explodes_is_named_and_clipping_keeps_it_alive():
    broken = tm.compete("recurrent", (), seed=0, steps=30)
    clipped = tm.compete("recurrent", ("gradient clipping",), seed=0, steps=30)
    assert (broken.broken, clipped.broken) == (1, 0)
    assert broken.ratio_start == clipped.ratio_start < -1


def test_an_interrupted_run_is_no_row(monkeypatch):
    def press_ctrl_c(network):
        raise KeyboardInterrupt

    fitting = tm.fitting
    monkeypatch.setattr(
        tm, "fitting", lambda *a, **o: fitting(*a, **o | {"before_step": press_ctrl_c})
    )
    with pytest.raises(KeyboardInterrupt):
        tm.compete("deep sigmoid", (), seed=0, steps=100)


def test_early_stopping_ends_what_does_not_learn():
    run = tm.train(tm.plan_for("deep ReLU", ("early stopping",), depth=12), seed=0, steps=100)
    assert run.steps[-1] < 100
    assert "no longer fell" in run.ended


def test_only_what_acts_on_the_gradient_changes_it():
    # Where nothing random is added, the gradient before training is the same to the last bit.
    start = tm.compete("deep sigmoid", (), 0, 10).ratio_start
    for name, measure in tm.MEASURES.items():
        if tm.why_not("deep sigmoid", (name,)):
            continue
        same = tm.compete("deep sigmoid", (name,), 0, 10).ratio_start == start
        assert same == (measure.acts_on in ("the step", "when to stop", "the loss")), name


def test_a_table_has_medians_and_holes():
    row = tm.Row("deep ReLU", ("L2",), 0, 0.1, 7.0, 7.0, 0)
    rows = [row, replace(row, seed=1, accuracy=0.3, broken=1), replace(row, seed=2, accuracy=0.2)]
    rows.append(tm.Row("recurrent", (), 0, 0.5, float("nan"), 0.0, 0))
    found = tm.table(rows)
    assert found.entries == ("L2", "nothing")
    assert found.accuracy[0, 0] == pytest.approx(0.2)
    assert found.broken[0, 0] == pytest.approx(1 / 3)
    assert np.isnan(found.accuracy[0, 1])
    assert np.isnan(found.ratio[1, 1])
    drawn = drawings.draw_table(found)
    assert len(drawn.data) == 3
    assert np.isnan(drawn.data[0]["z"][0, 1])
    shown = labs.measures_table(found)
    assert len(shown.figure.data) == 3
    assert "Of 2 cells 1 have" in found.verdict
    assert "in 1 a loss becomes infinite or NaN" in found.verdict
    assert found.verdict in repr(shown)
    with pytest.raises(ValueError, match="no row yet"):
        tm.table([])


def test_the_lab_shows_the_cure_and_the_sickness():
    lab = labs.tournament_lab()
    assert "does not learn" in lab.verdict
    lab.set(first="batch norm")
    assert lab.verdict.startswith("learns")
    lab.preset("recurrent, nothing")
    assert "no number at step" in lab.verdict
    with pytest.raises(ValueError, match="does not apply"):
        lab.set(first="small conv stack")


def test_the_labs_step_size_multiplies_the_plans():
    lab = labs.tournament_lab()
    assert "step size 0.2:" in lab.verdict
    assert lab.set(first="lr ÷ 10", lr_factor=0.1).result.plan.lr == pytest.approx(0.002)
    assert "step size 0.002:" in lab.verdict
    # Clipped, the recurrent net bears ten times the step and needs it.
    lab.preset("recurrent, clipping")
    before = lab.result.run.final_accuracy
    assert lab.set(lr_factor=10.0).result.plan.lr == pytest.approx(0.3)
    assert lab.result.run.final_accuracy > before + 0.2
    assert lab.preset("recurrent, clipping").values["lr_factor"] == 1.0
    with pytest.raises(ValueError, match=r"number from 0\.1 to 10"):
        lab.set(lr_factor=20.0)


def test_the_measures_in_a_step_are_torchs():
    # Clipping by norm first, then weight decay, as torch's SGD has it.
    plan = tm.plan_for("recurrent", ("tanh", "gradient clipping"), lr=0.3)
    plan = replace(plan, decay=0.01)
    found = tm.train(plan, seed=2, steps=30)
    data, net = tm._data()[0], build(plan, 2)
    seen = fit(
        net,
        data,
        loss=F.cross_entropy,
        lr=plan.lr,
        batch=tm.BATCH,
        steps=30,
        optimizer=lambda p, lr: torch.optim.SGD(p, lr, weight_decay=0.01),
        record_at=3,
        probe_size=tm.PROBE,
        seed=2,
        before_step=lambda n: torch.nn.utils.clip_grad_norm_(n.parameters(), 1.0),
    )
    np.testing.assert_allclose(found.log_delta, seen.log_delta, rtol=1e-4)


def test_fewer_looks_change_nothing_but_their_number():
    plan = tm.plan_for("deep sigmoid", ("batch norm", "dropout"), depth=3)
    often, once = tm.train(plan, 4, 40), tm.train(plan, 4, 40, looks=1)
    np.testing.assert_array_equal(once.log_delta, often.log_delta[[0, -1]])
    assert once.final_accuracy == often.final_accuracy


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([3.0, 2.0, 1.0], 2, (None, 3)),
        ([3.0, 1.0, 2.0, 2.0, 0.5], 2, (4, 2)),
        ([1.0, 2.0, 2.0], 2, (3, 1)),
        ([1.0, 1.0, 1.0], 3, (None, 1)),
        ([float("nan"), 2.0, float("nan")], 2, (None, 2)),
        ([], 3, (None, None)),
    ],
)
def test_patience_ends_at_the_look_it_says(losses, patience, expected):
    assert tm._stop(losses, patience) == expected


@pytest.mark.parametrize("steps", [0, 5, 25])
def test_steps_come_in_whole_looks(steps):
    with pytest.raises(ValueError, match="give a multiple of 10"):
        tm.train(tm.plan_for("recurrent", ()), 0, steps)


def test_early_stopping_reads_the_same_training():
    stopped = tm.train(tm.plan_for("deep ReLU", ("early stopping",), depth=3), 0, 100)
    plain = tm.train(tm.plan_for("deep ReLU", (), depth=3), 0, 100)
    looks = len(stopped.steps)
    np.testing.assert_array_equal(stopped.log_delta, plain.log_delta[:looks])
    assert stopped.unstopped == plain.final_accuracy == plain.unstopped
    assert article.early_stopping_gain("deep sigmoid", 0) == pytest.approx(0, abs=0.05)


def test_the_threads_of_torch_are_given_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    article.first_over_last(10, 0)
    with pytest.raises(ValueError, match="net called"), one_thread():
        tm.why_not("deep tanh", ())
    assert torch.get_num_threads() == before


def test_a_run_is_watched():
    plan = tm.plan_for("deep sigmoid", ("dropout",), depth=3)
    found = list(tm.training(plan, 1, 40))
    assert [len(run.steps) for run in found] == list(range(1, 12))
    assert [run.done for run in found] == [False] * 10 + [True]
    np.testing.assert_array_equal(found[-1].accuracy, tm.train(plan, 1, 40).accuracy)
    np.testing.assert_array_equal(found[4].log_delta, found[-1].log_delta[:5])


def test_dropout_draws_its_own_numbers_whatever_happens_between_two_looks():
    plan = tm.plan_for("deep sigmoid", ("dropout",), depth=3)
    alone = tm.train(plan, 1, 40)
    threads, found = torch.get_num_threads(), []
    for run in tm.training(plan, 1, 40):
        # Whoever looks may draw and reckon as they like.
        torch.rand(3)
        assert torch.get_num_threads() == threads
        found.append(run)
    np.testing.assert_array_equal(found[-1].log_delta, alone.log_delta)


def test_early_stopping_cuts_only_at_the_end():
    plan = tm.plan_for("deep ReLU", ("early stopping",), depth=12)
    found = list(tm.training(plan, 0, 100))
    assert len(found[-2].steps) == 10
    assert len(found[-1].steps) < 10


def test_the_lab_shows_the_training():
    found = list(trying(depth=3, seed=12))
    assert found[0].verdict.startswith("so far: deep sigmoid, nothing, depth 3")
    assert "after 0 of 150 steps" in found[0].verdict
    half, end = (drawings.draw_trial(one).data for one in (found[3], found[-1]))
    assert [trace["name"] for trace in half[:3]] == ["before training", "half way", "so far"]
    assert np.isnan(half[1]["y"]).all()
    assert end[2]["name"] == "at the end"
    assert len(half) == len(end)
