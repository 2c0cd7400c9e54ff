"""What the stored tables say, read back as they were written."""

import pytest

from tests.docket.test_command import CLAIM
from tools import try_claims
from vglib.docket import measured, registry


@pytest.fixture
def folder(tmp_path):
    """A package's folder, with a table beside the checkout as `tools.try_claims` writes it."""
    rulings = {
        base: CLAIM.judge([0.1] * 5, [0.2] * 5, [0.85 + base / 1000, 0.9, 0.9, 0.9, 0.93])
        for base in (0, 100)
    }
    outcome = try_claims.Outcome("concept", rulings, 1.234)
    page = try_claims.report([outcome], "Fast claims", "python -m tools.try_claims --fast")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "FAST_CLAIMS.md").write_text(page, encoding="utf-8")
    (tmp_path / "vglib" / "docket").mkdir(parents=True)
    return tmp_path / "vglib" / "docket"


def test_a_table_is_read_as_it_was_written(folder):
    (known,) = measured.stored(folder).values()
    assert list(known.measured) == [0, 100]
    assert known.measured[0].startswith("0.9, median of 5 seeds (0.85 to 0.93), the best of 0.1 at")
    assert known.spreads == {0: (0.9, 0.85, 0.93), 100: (0.9, 0.9, 0.95)}
    assert (known.verdict, known.seconds) == ("refuted: 90%", 1.2)
    assert len(known.day) == len("2026-11-27")


def test_a_row_that_joined_the_page_has_its_own_day(folder):
    (page,) = measured.tables(folder)
    text = page.read_text(encoding="utf-8")
    (name,) = measured.stored(folder)
    more = f"Added by `python -m more` on 2031-02-03: another, {name}.\n\n"
    page.write_text(text.replace("| claim", f"{more}| claim", 1), encoding="utf-8")
    measured.stored.cache_clear()
    assert measured.stored(folder)[name].day == "2031-02-03"


def test_a_package_has_its_own_tables(folder):
    inside = folder / "measured"
    inside.mkdir()
    assert measured.tables(folder) == []
    (inside / "SLOW_CLAIMS.md").write_text("nothing in it", encoding="utf-8")
    assert [path.name for path in measured.tables(folder)] == ["SLOW_CLAIMS.md"]
    assert measured.stored(inside.parent) == {}


def test_an_outcome_without_a_spread_is_its_own():
    known = measured.Stored({0: "inf: agrees", 100: "-1.2e-05: agrees", 200: "?"}, "holds", 0.1, "")
    assert known.spreads[100] == (-1.2e-05,) * 3
    assert known.spreads[0][0] == float("inf")
    assert 200 not in known.spreads


def test_the_courses_own_tables_have_each_claim():
    """`python -m tools.try_claims --missing` adds what is missing, with `--fast` or without.

    A row of a claim that is gone leaves the page when all are tried again.
    """
    claims = {claim.id for some in registry.claims().values() for claim in some}
    assert set(measured.stored()) == claims
    assert all(known.spreads for known in measured.stored().values())
