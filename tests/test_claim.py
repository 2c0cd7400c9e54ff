import importlib
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import discover
from vglib.claim import Claim, Ruling, Tolerance, above, below, table

TOY = Claim(
    id="small-weights-always-shrink",
    source="a textbook | <b>",
    says="N(0,1) weights satisfy |w| < 1",
    setup="100,000 draws from N(0,1)",
    prediction=0.6827,
    measure=lambda seed: float(
        (np.abs(np.random.default_rng(seed).normal(size=100_000)) < 1).mean()
    ),
    tolerance=Tolerance.absolute(0.01),
    rival=1.0,
    rival_says="always",
    verdict=lambda p: f"refuted: |w| < 1 in {100 * p:.0f}% of draws" if p < 0.99 else "holds",
    correction="|w| < 1 with probability 0.6827.",
)
BOUND = replace(
    TOY,
    id="the-ratio-exceeds-100",
    prediction=100.0,
    measure=lambda seed: 500.0 + seed,
    tolerance=Tolerance.at_least(),
    rival=1.0,
    verdict=lambda r: "holds only if the net is deep" if r > 100 else "refuted: it is small",
)


def test_a_trial_agrees_and_rejects_the_rival():
    ruling = TOY.trial()
    assert ruling.agrees
    assert ruling.rival_rejected
    assert len(ruling.values) == 5
    assert ruling.median == np.median(ruling.values)
    assert ruling.ends == (min(ruling.values), max(ruling.values))
    assert ruling.verdict == "refuted: |w| < 1 in 68% of draws"


@pytest.mark.parametrize("claim", [TOY, BOUND], ids=lambda c: c.id)
def test_the_rival_in_the_predictions_place_does_not_agree(claim):
    assert claim.trial().agrees
    assert not claim.with_rival().trial().agrees
    assert claim.with_rival().with_rival().trial().agrees


def test_a_bound_reversed_is_the_rivals_side():
    assert BOUND.trial().rival_rejected
    below = BOUND.judge([0.5])
    assert not below.agrees
    assert not below.rival_rejected
    assert below.verdict == "refuted: it is small"
    between = BOUND.judge([50.0])
    assert not between.agrees
    assert between.rival_rejected


def test_a_wrong_prediction_does_not_agree():
    assert not replace(TOY, prediction=0.75).trial().agrees


def test_nan_agrees_with_nothing_and_infinity_with_a_bound():
    ruling = TOY.judge([0.68, math.nan, 0.68])
    assert not ruling.agrees
    assert BOUND.judge([math.inf] * 4 + [200.0]).agrees
    assert BOUND.judge([math.inf] * 5).ends == (math.inf, math.inf)


def test_seeds_may_be_counted_or_named():
    seen = []
    claim = replace(TOY, measure=lambda seed: seen.append(seed) or 0.68)
    claim.trial()
    claim.trial(2)
    claim.trial((7, 9))
    assert seen == [0, 1, 2, 3, 4, 0, 1, 7, 9]
    assert len(replace(claim, exact=True).trial().values) == 1
    with pytest.raises(ValueError, match="nothing measured"):
        claim.trial(())


def test_a_prediction_may_be_computed():
    calls = []
    claim = replace(TOY, prediction=lambda: calls.append(1) or 0.6827)
    assert calls == []
    assert claim.trial().agrees
    assert not claim.with_rival().trial().agrees
    near = replace(TOY, prediction=lambda: 0.995)
    with pytest.raises(ValueError, match="does not exclude its rival 1"):
        near.trial()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "Not Kebab"}, "kebab-case"),
        ({"id": ""}, "kebab-case"),
        ({"source": " "}, "empty source"),
        ({"setup": ""}, "empty setup"),
        ({"correction": ""}, "empty correction"),
        ({"seeds": 4}, "has 4 seeds"),
        ({"exact": True, "seeds": 0}, "has 0 seeds"),
        ({"rival": 0.69}, "does not exclude its rival"),
        ({"rival": math.nan}, "is not a number"),
        ({"prediction": math.nan}, "is not a number"),
        ({"tolerance": Tolerance.at_least()}, "predicts at least 0.6827, which does not exclude"),
        (
            {"prediction": 1.0, "rival": 1.8, "tolerance": Tolerance.relative(0.5)},
            "does not exclude its rival",
        ),
    ],
)
def test_a_malformed_claim_is_refused(change, says):
    with pytest.raises(ValueError, match=says) as error:
        replace(TOY, **change)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    "verdict", ["holds", "holds.", "holds: yes", "holds only if x", "refuted: x"]
)
def test_a_verdict_that_begins_well(verdict):
    assert replace(TOY, verdict=lambda m: verdict).judge([0.68]).verdict == verdict


@pytest.mark.parametrize(
    "verdict", ["", "it holds", "holdsx", "holds only when x", "refuted", "Holds"]
)
def test_a_verdict_that_begins_badly(verdict):
    with pytest.raises(ValueError, match="begin it with"):
        replace(TOY, verdict=lambda m: verdict).judge([0.68])


@pytest.mark.parametrize(
    ("tolerance", "inside", "outside", "text"),
    [
        (Tolerance.absolute(1), (9, 10, 11), (8.9, 11.1, math.nan, math.inf), "10 ± 1"),
        (Tolerance.absolute(0), (10,), (10.001,), "exactly 10"),
        (Tolerance.relative(0.05), (9.5, 10.5), (9.4, 10.6, -10), "10 ± 5%"),
        (Tolerance.factor(2), (5, 20), (4.9, 20.1, 0, -10, math.inf), "10 within a factor of 2"),
        (Tolerance.at_least(), (10, 99, math.inf), (9.9, math.nan), "at least 10"),
        (Tolerance.at_most(), (10, -99), (10.1, math.nan), "at most 10"),
    ],
)
def test_tolerances(tolerance, inside, outside, text):
    assert [tolerance.accepts(x, 10) for x in inside] == [True] * len(inside)
    assert [tolerance.accepts(x, 10) for x in outside] == [False] * len(outside)
    assert tolerance.describe(10) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tolerance.absolute(-1),
        lambda: Tolerance.factor(0.5),
        lambda: Tolerance.relative(math.nan),
    ],
)
def test_a_tolerance_that_is_none(make):
    with pytest.raises(ValueError, match="is none; give"):
        make()


numbers = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(
    prediction=numbers,
    rival=numbers,
    tolerance=st.one_of(
        st.builds(Tolerance.absolute, st.floats(0, 1e3)),
        st.builds(Tolerance.relative, st.floats(0, 1)),
        st.builds(Tolerance.factor, st.floats(1, 10)),
        st.just(Tolerance.at_least()),
        st.just(Tolerance.at_most()),
    ),
)
def test_a_claim_that_is_accepted_tells_prediction_and_rival_apart(prediction, rival, tolerance):
    try:
        claim = replace(TOY, prediction=prediction, rival=rival, tolerance=tolerance)
    except ValueError:
        return
    right = claim.judge([prediction])
    assert right.agrees
    assert right.rival_rejected
    wrong = claim.judge([rival])
    assert not wrong.agrees
    assert not wrong.rival_rejected
    assert not claim.with_rival().judge([prediction]).agrees


def test_the_text_of_a_ruling():
    assert repr(TOY.judge([0.68, 0.69, 0.67])) == (
        "small-weights-always-shrink: refuted: |w| < 1 in 68% of draws\n"
        "  predicted  0.6827 ± 0.01\n"
        "  measured   0.68, median of 3 seeds (0.67 to 0.69): agrees\n"
        "  rival      1 (always): rejected"
    )
    assert repr(TOY.judge([1.0])) == (
        "small-weights-always-shrink: holds\n"
        "  predicted  0.6827 ± 0.01\n"
        "  measured   1: DISAGREES\n"
        "  rival      1 (always): NOT REJECTED"
    )
    assert repr(TOY) == "Claim(small-weights-always-shrink: N(0,1) weights satisfy |w| < 1)"


def columns(line: str) -> int:
    return line.replace(r"\|", "").count("|") - 1


def test_the_markdown_of_a_ruling_is_an_escaped_table():
    lines = TOY.judge([0.68])._repr_markdown_().splitlines()
    assert all(columns(line) == 2 for line in lines)
    assert len(lines) == 10
    assert r"| source | a textbook \| &lt;b&gt; |" in lines


def test_tables_of_claims_and_of_rulings():
    claims = table([TOY.row(), BOUND.row()]).splitlines()
    assert claims[0] == "| claim | source | says | correction |"
    assert len(claims) == 4
    rulings = table([TOY.judge([0.68]).row(), BOUND.trial().row()]).splitlines()
    assert all(columns(line) == 8 for line in rulings)
    assert table([]) == ""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package of two chapters with claims, and give its name and folder."""
    root = tmp_path / "toy_course"
    make = (
        "from dataclasses import replace\nfrom toy_claims import TOY\n"
        "CHAPTER = {n}\nCLAIMS = ({claims})\n"
    )
    text = "replace(TOY, id='{0}-b'), replace(TOY, id='{0}-a'),"
    for folder, n in (("alpha", 2), ("omega", 1), ("empty", None)):
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").touch()
        if n is not None:
            claims = make.format(n=n, claims=text.format(folder))
            (root / folder / "claims.py").write_text(claims)
    (root / "__init__.py").touch()
    (root / "plain.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "toy_claims", sys.modules[__name__])
    importlib.invalidate_caches()
    yield root
    for name in [m for m in sys.modules if m.partition(".")[0] == "toy_course"]:
        del sys.modules[name]


def test_the_registry_is_ordered_by_chapter_and_then_as_written(package: Path):
    found = discover.claims("toy_course")
    assert list(found) == ["omega", "alpha"]
    ids = [claim.id for claims in found.values() for claim in claims]
    assert ids == ["omega-b", "omega-a", "alpha-b", "alpha-a"]


def test_the_registry_refuses_two_claims_of_one_id(package: Path):
    path = package / "alpha" / "claims.py"
    path.write_text(path.read_text().replace("alpha-a", "omega-a"))
    with pytest.raises(ValueError, match="Two claims have the id omega-a"):
        discover.claims("toy_course")


def test_the_registry_refuses_a_module_without_its_number(package: Path):
    path = package / "alpha" / "claims.py"
    path.write_text(path.read_text().replace("CHAPTER =", "NUMBER ="))
    with pytest.raises(ValueError, match=r"alpha\.claims has no CHAPTER"):
        discover.claims("toy_course")


ALL = [claim for claims in discover.claims().values() for claim in claims]


def hold(claim: Claim) -> Ruling:
    ruling = claim.trial()
    assert ruling.agrees, repr(ruling)
    assert ruling.rival_rejected, repr(ruling)
    assert claim.exact or len(ruling.values) >= 5
    assert not claim.with_rival().judge(ruling.values).agrees
    assert ruling.verdict.startswith(("holds", "refuted: "))
    return ruling


@pytest.mark.parametrize("claim", [c for c in ALL if not c.slow], ids=lambda c: c.id)
def test_a_fast_claim_of_the_course(claim):
    hold(claim)


@pytest.mark.slow
@pytest.mark.parametrize("claim", [c for c in ALL if c.slow], ids=lambda c: c.id)
def test_a_slow_claim_of_the_course(claim):
    hold(claim)


def test_verdicts_by_a_limit():
    high = above(0.5, "refuted: {x:.2g}, or {percent}, {points:+.0f} points", "holds only if {x}")
    assert high(0.75) == "refuted: 0.75, or 75%, +75 points"
    assert high(0.5) == "holds only if 0.5"
    assert above(1, "refuted: {x}")(math.nan) == "holds"
    low = below(0.5, "refuted: {x:.2g}")
    assert low(0.25) == "refuted: 0.25"
    assert low(0.5) == low(math.nan) == "holds"
