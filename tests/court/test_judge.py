import pytest

from vglib.court import judge
from vglib.court.page import source_of
from vglib.docket.cases import KINDS, cases


def test_each_four_cases_are_of_four_kinds():
    drawn = judge.drawn()
    assert len(drawn) == len({case.claim.id for case in drawn}) >= 32
    for first in range(0, len(drawn) - 3, 4):
        assert {case.kind for case in drawn[first : first + 4]} == set(KINDS)


def test_the_ruling_is_hidden_until_it_is_asked_for():
    # A vote is repeated, so it must not be the case's own kind.
    vote = next(vote for vote in judge.VOTES[1:] if vote != judge.judge(3).kind)
    hidden, shown = judge.judge(3, vote), judge.judge(3, vote, show=True)
    assert hidden.medians.size == 0
    assert hidden.predicted != hidden.predicted
    assert "Ruling" not in hidden.verdict
    assert hidden.kind not in hidden.verdict
    assert f"(you say: {vote})" in hidden.verdict
    assert shown.medians.size == 3
    assert (shown.lows <= shown.medians).all()
    assert (shown.medians <= shown.highs).all()
    assert f"Ruling: {shown.outcome}" in shown.verdict


@pytest.mark.parametrize("number", range(1, 9))
def test_right_is_the_declared_ruling(number):
    ruling = judge.drawn()[number - 1].ruling
    assert judge.judge(number, ruling).right
    others = [vote for vote in judge.VOTES if vote != ruling]
    assert not any(judge.judge(number, vote).right for vote in others)


def test_the_score_counts_first_votes_and_names_what_misleads():
    right = [judge.judge(n, judge.judge(n).ruling) for n in (1, 2, 3)]
    assert judge.score([]).startswith("Nothing counts yet")
    assert judge.score([judge.judge(1)]).startswith("Nothing counts yet")
    assert judge.score(right).endswith("nothing has misled you.")
    wrong = next(v for v in judge.VOTES[1:] if v != judge.judge(4).ruling)
    said = judge.score([*right, judge.judge(4, wrong), judge.judge(4, judge.judge(4).ruling)])
    assert said.startswith("4 cases, 3 right (")
    assert said.endswith(f"what misleads you most is “{judge.judge(4).kind}”.")
    # A vote after the ruling was shown is none.
    assert judge.score([judge.judge(1, show=True), right[0]]).startswith("Nothing counts yet")


@pytest.mark.parametrize(
    ("values", "said"),
    [({"case": 0}, "it must be from 1 to"), ({"vote": "maybe"}, "no vote called 'maybe'")],
)
def test_what_cannot_be_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        judge.judge(**values)


def test_a_case_of_which_nothing_is_stored_is_not_drawn(monkeypatch):
    bare = tuple(
        type(case)(case.claim, case.chapter, case.number, None, case.place)
        if case.claim.id == judge.drawn()[0].claim.id
        else case
        for case in cases()
    )
    gone = judge.drawn()[0].claim.id
    monkeypatch.setattr(judge, "cases", lambda: bare)
    assert gone not in {case.claim.id for case in judge.drawn.__wrapped__()}


def test_what_the_chapter_says_of_all_claims_is_so():
    """Three in ten hold, four in ten on a condition, three in ten are refuted: as declared."""
    rulings = [case.ruling for case in cases() if case.ruling != "fact"]
    shares = {word: rulings.count(word) / len(rulings) for word in set(rulings)}
    assert shares == pytest.approx({"holds": 0.3, "holds only if": 0.4, "refuted": 0.3}, abs=0.06)


def test_the_others_of_a_source_leave_the_case_out():
    one = judge.judge(1)
    same = [case for case in cases() if source_of(case) == source_of(judge.drawn()[0])]
    assert one.others.sum() == len([case for case in same if case.ruling != "fact"]) - 1
    assert (one.others >= 0).all()
