"""The doctor on the whole bank: right name first, and silent where nothing is wrong.

One seed each; `make test-long` tries three.
"""

import pytest

from tests.doctor.case import Case
from tests.doctor.score import Score, banks, score

SEEDS = (0, 1, 2)
PARTS = banks()
SICK = {f"{part}-{c.name}": c for part, cases in PARTS.items() for c in cases if not c.healthy}
ALL = {f"{part}-{c.name}": c for part, cases in PARTS.items() for c in cases}

# In how many of three seeds the right name comes first, where it is not always. What is not found
# with each of twenty seeds (DOCTOR.md) hangs on how a machine rounds: there one may miss.
LESS: dict[str, int] = {
    # A softmax over a set is meant more often than one over a batch is a slip.
    "blind-softmax_over_batch": 0,
    "blind-products_not_divided": 2,
    "blind-segments_at_full_speed": 2,
    "blind-millivolts": 2,
    "blind-tanh_from_std_3": 2,
    "faults-lr_100": 2,
    "faults-half_precision": 2,
    "field-raw_features": 2,
    "field-rate_tiny": 2,
}
MARK = 0.9

each_fault = pytest.mark.parametrize("name", SICK)
each_one = pytest.mark.parametrize("name", ALL)


def results(case: Case, sick: bool, seeds: tuple[int, ...] = SEEDS[:1]) -> list[Score]:
    found = [score(case, seed, sick) for seed in seeds]
    assert {one.error for one in found} == {""}
    return found


def test_the_mark_is_met():
    """Nine of ten over all, if each fault is named as often as it says below."""
    assert set(LESS) <= set(SICK)
    assert sum(LESS.get(name, 3) for name in SICK) >= MARK * 3 * len(SICK)


def right_in(found: list[Score]) -> int:
    right = [one for one in found if one.right]
    assert all(one.layer in (True, None) for one in right)
    return len(right)


@each_fault
def test_a_fault_has_its_name_first(name):
    found = results(SICK[name], True)
    assert right_in(found) == 1 or name in LESS, [one.findings for one in found]


@pytest.mark.slow
@each_fault
def test_a_fault_has_its_name_first_with_three_seeds(name):
    found = results(SICK[name], True, SEEDS)
    assert right_in(found) >= LESS.get(name, 3), [one.findings for one in found]


@each_one
def test_a_healthy_one_gives_no_alarm(name):
    assert [one.findings for one in results(ALL[name], False) if one.alarm] == []


@pytest.mark.slow
@each_one
def test_a_healthy_one_gives_no_alarm_with_three_seeds(name):
    assert [one.findings for one in results(ALL[name], False, SEEDS) if one.alarm] == []


def test_scores_are_what_they_say():
    fault = SICK["faults-dead_bias_-50"]
    right = ("dead-units", "likely", "2")
    other, note = ("vanishing", "likely", "0"), ("no-nonlinearity", "note", "2")
    for findings, expected in {
        (right,): (True, True, True, True),
        (note, right): (True, True, True, True),
        (other, right): (True, False, True, True),
        (note,): (False, False, False, False),
        (other,): (True, False, False, True),
        ((*right[:2], "2.bias"),): (True, True, True, True),
        ((*right[:2], "22"),): (True, True, False, True),
        ((*right[:2], ""),): (True, True, False, True),
        (): (False, False, False, False),
    }.items():
        one = Score(fault, 0, True, findings)
        assert (one.detected, one.right, one.layer, one.alarm) == expected
    unused = Score(SICK["faults-unused_layer"], 0, True, (("never-called", "note", "fc2"),))
    assert (unused.detected, unused.right, unused.layer, unused.alarm) == (True, True, True, False)
