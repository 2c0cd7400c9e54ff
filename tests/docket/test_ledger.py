"""Every row of the ledger and every erratum has a claim that stands for it."""

import pytest

from tests.docket.ledger import ELSEWHERE, ERRATA, LEDGER
from vglib.claim import Claim
from vglib.docket import registry

ROWS = {
    **{f"erratum {row}: {said}": ids for row, (said, ids) in ERRATA.items()},
    **{f"elsewhere: {said}": ids for said, ids in ELSEWHERE.items()},
    **{f"ledger {row}: {said}": ids for row, (said, ids) in LEDGER.items()},
}


@pytest.fixture(scope="module")
def known():
    return {claim.id: claim for some in registry.claims().values() for claim in some}


def test_no_row_is_left_out():
    assert list(ERRATA) == list(range(1, 57))
    assert list(LEDGER) == list(range(1, 50))


def test_each_row_has_a_claim(known):
    missing = {row: set(ids) - set(known) for row, ids in ROWS.items()}
    assert {row: ids for row, ids in missing.items() if ids or not ROWS[row]} == {}


def test_an_erratum_is_quoted_from_one_of_the_documents(known):
    """A row that stands for a document's sentence has a claim that names the place in it."""
    placed = {row: [known[i] for i in ids if known[i].place] for row, (_, ids) in ERRATA.items()}
    # tf.nn.l2_loss is the documentation's.
    assert {row for row, claims in placed.items() if not claims} == {17}


def test_most_rows_are_claims_and_not_facts(known):
    facts = {i for ids in ROWS.values() for i in ids if not isinstance(known[i], Claim)}
    assert facts == {
        "slope-only-reaches-a-quarter-at-zero",
        "l2-loss-is-half-the-squared-norm",
        "float16-ends-at-2-to-the-minus-24",
    }
