"""A claim as a case: its kind, its grid, and the cell that teaches it."""

import json
from dataclasses import replace

import pytest

from tests.docket.test_command import CLAIM, FACT
from vglib.claim import holds, holds_only_if
from vglib.docket import cases, registry, taught
from vglib.docket.measured import Stored


def a_case(claim, **known):
    return cases.Case(claim, "concept", 1, known.get("measured"), None)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "refuted"),
        ({"ruling": holds(above=0.5)}, "holds"),
        ({"ruling": holds_only_if("x", above=0.5)}, "true of one setting"),
        ({"source": "a common reading of a paper"}, "misquoted"),
        ({"source": "popular summaries of 1997"}, "misquoted"),
    ],
)
def test_the_kind_comes_from_ruling_and_source(changes, kind):
    assert a_case(replace(CLAIM, **changes)).kind == kind


def test_a_fact_holds_and_has_no_rival():
    fact = a_case(FACT)
    assert (fact.kind, fact.ruling, fact.rival, fact.correction, fact.grid) == (
        *("holds", "fact"),
        *("", "", ""),
    )
    assert fact.predicted == "exactly 1"


def test_what_is_quick():
    slow, quick = (Stored({}, "holds", seconds, "") for seconds in (3.0, 0.2))
    assert not a_case(CLAIM).quick
    assert not a_case(CLAIM, measured=slow).quick
    assert a_case(CLAIM, measured=quick).quick
    assert not a_case(replace(CLAIM, slow=True), measured=quick).quick


def test_every_claim_is_a_case_and_each_kind_is_met():
    every = cases.cases()
    ids = [claim.id for some in registry.claims().values() for claim in some]
    assert [case.claim.id for case in every] == ids
    kinds = [case.kind for case in every]
    assert min(kinds.count(kind) for kind in cases.KINDS) >= 10
    with pytest.raises(KeyError, match="No claim is called 'x'"):
        cases.case("x")


def cell(kind, source):
    return {"cell_type": kind, "source": source.splitlines(True)}


def test_a_claim_is_taught_where_it_is_first_tried(tmp_path):
    text = [
        cell("markdown", "# 01 · Concept\n\nwords"),
        cell("code", "from vglib.concept import claims"),
        cell("markdown", "## First\n\n### Then\nwords"),
        cell("code", "claims.EXACT.trial()"),
        cell("markdown", "no heading"),
        cell("code", 'claims.BY_ID["some-id"].trial()\nclaims.EXACT.trial()'),
    ]
    notebook = tmp_path / "01_concept.ipynb"
    notebook.write_text(json.dumps({"cells": text}), encoding="utf-8")
    (tmp_path / "99_gone.ipynb").write_text("no notebook", encoding="utf-8")
    found = taught.places(tmp_path)
    assert found == {
        "backpropagation-reports-the-slope": ("01_concept", "Then", 4),
        "some-id": ("01_concept", "Then", 6),
    }


def test_most_claims_of_the_course_are_taught_in_their_chapter():
    known = taught.taught()
    placed = [case for case in cases.cases() if case.claim.id in known]
    assert len(placed) > 120
    own = [case for case in placed if known[case.claim.id].notebook.endswith(case.chapter)]
    assert own == placed
