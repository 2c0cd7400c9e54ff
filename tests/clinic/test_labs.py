import time

import numpy as np
import pytest

from vglib.clinic import check, labs, monitor, patients, ratios, rounds, thresholds, ward
from vglib.clinic.patients import HEALTHY, PATIENTS, SICK
from vglib.doctor import examine


def first_finding(patient):
    report = examine(
        *(patient.model, patient.loss_fn, patient.batch), optimizer=patient.optimizer, budget=600.0
    )
    found = [one.name for one in report.findings if one.certainty != "note"]
    return found[0] if found else "healthy"


@pytest.mark.parametrize("name", PATIENTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_doctor_is_right_on_the_six(name, seed):
    story = PATIENTS[name]
    assert first_finding(story.make(seed)) == story.finding
    assert story.history.count("“") == story.history.count("”") == 1


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_found_on_the_healthy(name):
    assert first_finding(HEALTHY[name](patients.DEPTH, 0)) == "healthy"


@pytest.mark.parametrize("name", SICK)
def test_something_is_found_on_the_sick(name):
    assert first_finding(SICK[name](0)) != "healthy"


def test_the_bank_is_a_dozen_of_each_and_its_own_each_time():
    one, other = patients.bank(), patients.bank()
    assert sum(sick for *_, sick in one) == sum(not sick for *_, sick in one) == 12
    assert not {id(p.model) for _, p, _ in one} & {id(p.model) for _, p, _ in other}
    for (_, a, _), (_, b, _) in zip(one, other, strict=True):
        for left, right in zip(a.model.parameters(), b.model.parameters(), strict=True):
            assert bool((left == right).all())


def test_a_detector_is_judged():
    assert patients.judged(lambda gradients, losses: True) == (12, 0)
    assert patients.judged(lambda gradients, losses: False) == (0, 12)
    alarms, misses = patients.judged(lambda gradients, losses: min(gradients) < 1e-7)
    assert alarms >= 2
    assert misses >= 8
    # Who asks whether it learns does better than who asks how large a gradient is.
    stuck = patients.judged(lambda gradients, losses: not losses[-1] < 0.97 * losses[0])
    assert sum(stuck) < alarms + misses


def test_a_slow_machine_is_not_the_detectors_fault(monkeypatch):
    seen = patients.records()

    def slowly(seed: int = 0):
        if len(called) == 0:
            time.sleep(5.2)  # longer than an answer may take
        called.append(seed)
        return seen

    called: list[int] = []
    monkeypatch.setattr(patients, "records", slowly)
    assert check.detector(lambda gradients, losses: ...).status == "not attempted"


def test_what_a_detector_does_to_its_lists_changes_nothing():
    def spoils(gradients, losses):
        gradients.clear()
        losses.clear()
        return False

    before = patients.records()
    patients.judged(spoils)
    assert patients.records() == before
    assert all(one.losses for one in before)


# The ward


@pytest.mark.parametrize(
    ("preset", "finding"),
    [
        ("sigmoid tower", "vanishing"),
        ("two sigmoids", "healthy"),
        ("ReLU at torch's default", "vanishing"),
        ("weights too large", "exploding"),
        ("saturated tanh", "saturated"),
        ("recurrent, 30 steps", "memory-in-time"),
        ("healthy", "healthy"),
    ],
)
def test_the_ward_says_what_the_doctor_says(preset, finding):
    lab = labs.ward_lab().preset(preset)
    assert lab.result.finding == finding
    one = ward.WARD[lab.values["patient"]](lab.values["depth"], lab.values["weight_scale"], 0)
    # Examples that become alike are another name for the same chi below 1.
    same = {"vanishing": {"vanishing", "rank-collapse"}}
    assert first_finding(one) in same.get(finding, {finding})


def test_chi_of_a_sigmoid_tower_is_below_a_sixteenth_and_its_gradient_falls():
    seen = labs.ward_lab().result
    assert np.nanmax(seen.chi) < 1 / 16 + 0.02
    assert (np.diff(np.log(seen.delta)) > 0).all()
    assert "chi" in seen.verdict
    assert "cure: draw the weights" in seen.verdict


def test_a_deeper_tower_gets_less():
    lab = labs.ward_lab()
    ends = [lab.set(depth=d).result.delta for d in (5, 10, 20)]
    assert [e[0] for e in ends] == sorted((e[0] for e in ends), reverse=True)


def test_larger_weights_turn_the_healthy_one_into_an_explosion():
    lab = labs.ward_lab().preset("healthy")
    assert lab.set(weight_scale=0.3).result.finding == "vanishing"
    assert lab.set(weight_scale=3.0).result.finding == "exploding"


def test_who_guesses_first_is_told_no_name():
    verdict = labs.ward_lab().preset("guess first").verdict
    assert verdict.startswith("your diagnosis first")
    assert not any(name in verdict for name in ward.CURES)


# The thresholds


def test_a_higher_threshold_alarms_more_and_misses_less():
    lab = labs.thresholds_lab()
    seen = [lab.set(threshold=t).result for t in (1e-15, 1e-7, 1e-3, 1.0)]
    assert [one.alarms for one in seen] == sorted(one.alarms for one in seen)
    assert [one.misses for one in seen] == sorted((one.misses for one in seen), reverse=True)


def test_no_threshold_tells_them_apart():
    for depth in (2, 8, 20):
        one = thresholds.counting(1e-7, depth)
        assert one.best[1] >= 4
        assert one.alarms >= 1
        assert one.misses >= 6


def test_the_best_threshold_is_the_best():
    one = thresholds.counting()
    best, wrong = one.best
    at_best = thresholds.counting(best)
    assert at_best.alarms + at_best.misses == wrong
    tried = [thresholds.counting(t) for t in np.geomspace(1e-18, 1, 73)]
    assert min(t.alarms + t.misses for t in tried) >= wrong


# The monitor


def test_nothing_breaks_and_nothing_is_said():
    for seed in range(4):
        assert monitor.monitor("nothing", seed=seed).signs == {}


@pytest.mark.parametrize("at", [8, 30, 55])
def test_a_large_rate_shows_in_the_ratio_before_the_loss(at):
    signs = monitor.monitor("rate x 100", at).signs
    assert signs["update : weight"][0] == at
    assert signs["the loss"][0] > at


def test_a_lost_number_shows_at_once_and_everywhere():
    seen = labs.monitor_lab().preset("nan in one batch").result
    assert {step for step, _ in seen.signs.values()} == {30}
    assert seen.lost is not None
    assert seen.lost[0] == 30
    assert np.isnan(seen.loss[30:]).all()


def test_a_frozen_layer_is_exactly_still_and_the_loss_does_not_say():
    seen = labs.monitor_lab().preset("layer 1 frozen").result
    assert (seen.ratio[30:, 0] == 0).all()
    assert (seen.ratio[30:, 1:] > 0).all()
    assert "the loss shows nothing" in seen.verdict


def test_shuffled_labels_show_in_the_loss():
    signs = labs.monitor_lab().preset("labels shuffled").result.signs
    assert signs["the loss"][0] == 30


def test_a_training_that_was_sick_before_is_said_so():
    verdict = labs.monitor_lab().set(weight_scale=20.0).verdict
    assert "before anything broke" in verdict


# The update ratio


def test_the_first_step_of_sgd_is_proportional_to_the_rate():
    first = [ratios.compare("SGD", lr).by_layer[0] for lr in (0.01, 0.1)]
    np.testing.assert_allclose(first[1], 10 * first[0], rtol=1e-9)


def test_adams_first_step_is_the_rate_over_the_weights_size():
    seen = ratios.compare("Adam", 1e-3)
    # Each weight moves by lr; by He their root mean square is sqrt(2 / fan_in) in layer 1.
    assert seen.by_layer[0, 0] == pytest.approx(1e-3 / np.sqrt(2 / 8), rel=0.15)


def test_the_three_methods_agree_with_torchs():
    import torch
    from torch.nn import functional as F

    makers = {
        "SGD": lambda p: torch.optim.SGD(p, lr=0.03),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.9),
        "Adam": lambda p: torch.optim.Adam(p, lr=0.03),
    }
    for method, make in makers.items():
        model = patients.tower(2)
        for layer in model[::2]:
            layer.bias.requires_grad_(False)
        optimizer = make([layer.weight for layer in model[::2]])
        x, y = patients.examples(ratios.ROWS)
        losses = []
        for _ in range(10):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        seen = ratios.compare(method, 0.03, depth=2)
        np.testing.assert_allclose(seen.loss[:10], losses, rtol=1e-6)


def test_no_ratio_is_a_law():
    """Where weights are smaller, larger ratios work: what is right depends on the scale."""
    small, usual = (ratios.compare(weight_scale=s) for s in (0.2, 1.0))
    assert small.ratios[small.works].min() > 5 * usual.ratios[usual.works].min()
    near = (usual.ratios > 5e-4) & (usual.ratios < 2e-3)
    assert (near & ~usual.works).any()


# The rounds


def test_the_doctor_is_right_on_all_and_the_published_rules_are_not():
    totals = rounds.totals()
    assert totals["the doctor"] == len(PATIENTS)
    assert all(totals[rule] <= 3 for rule in totals if rule != "the doctor")
    table = rounds.table().splitlines()
    assert len(table) == len(PATIENTS) + 3
    assert len({row.count("|") for row in table}) == 1


def test_the_doctors_opinion_is_hidden_until_it_is_asked():
    lab = labs.rounds_lab()
    for name, story in PATIENTS.items():
        verdict = lab.set(patient=name, diagnosis="saturated", doctor=False).verdict
        assert story.history in verdict
        assert story.finding not in verdict
        assert "right" not in verdict.replace(story.history, "")
        assert f"the doctor: {story.finding}" in lab.set(doctor=True).verdict


def test_the_score_counts_the_first_diagnosis_of_each_patient():
    lab = labs.rounds_lab().register()
    assert "Nothing counts" in rounds.score(lab.registered)
    lab.set(diagnosis="softmax-twice").register().set(diagnosis="vanishing").register()
    lab.set(patient="the tower").register()
    said = rounds.score(lab.registered)
    assert said.startswith("2 patients: you have 2 right; the doctor 2")
    lab.set(patient="the sleeper", diagnosis="dead-units", doctor=True).register()
    lab.set(doctor=False).register()
    assert rounds.score(lab.registered) == said
