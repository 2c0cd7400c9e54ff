"""The trial of claims: rulings at each base seed, a page with its command, a failure that fails."""

from dataclasses import replace

import pytest

from tools import try_claims
from vglib.claim import Claim, Tolerance, holds, refuted


def claim(prediction: float) -> Claim:
    return Claim(
        id="a-toy",
        source="a test",
        says="seeds count from 0",
        setup="none",
        prediction=prediction,
        measure=float,
        tolerance=Tolerance.absolute(0.1),
        rival=prediction + 9,
        rival_says="a number far off",
        ruling=holds(below=prediction + 5),
        correction="they do",
        slow=True,
    )


@pytest.fixture
def toy(monkeypatch, tmp_path):
    def install(prediction):
        slow = claim(prediction)
        quick = replace(slow, id="a-quick-toy", slow=False)
        monkeypatch.setattr(try_claims.registry, "claims", lambda: {"toys": (slow, quick)})
        monkeypatch.setattr(try_claims, "ROOT", tmp_path)
        (tmp_path / "benchmarks").mkdir()
        return tmp_path / "benchmarks" / "SLOW_CLAIMS.md"

    return install


def rows(page):
    """Read the table of a page: one dict a row, by the head of the table."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    head, _, *body = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return [dict(zip(head, cells, strict=True)) for cells in body]


def test_a_claim_that_agrees_is_stored_with_its_command(toy):
    page = toy(2.0)
    assert try_claims.main(["--jobs", "1"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "Made by `python -m tools.try_claims --jobs 1` on " in text
    (row,) = rows(page)
    assert (row["claim"], row["chapter"]) == ("a-toy", "toys")
    assert row["from seed 0"] == "2, median of 5 seeds (0 to 4): agrees, rival rejected"


def test_a_claim_that_misses_fails_the_command_and_is_stored_too(toy, capsys):
    page = toy(3.0)
    assert try_claims.main(["--jobs", "1"]) == 1
    assert "DISAGREES" in page.read_text(encoding="utf-8")
    seen = capsys.readouterr()
    assert "FAILED from seed 0: a-toy" in seen.err
    assert "0 claims agree, 1 do not." in seen.out


def test_fast_claims_are_judged_at_each_base_seed_on_a_page_of_their_own(toy, capsys):
    slow = toy(3.0)
    assert try_claims.main(["--fast", "--base-seeds", "1", "3", "100", "--jobs", "1"]) == 1
    assert not slow.exists()
    page = slow.with_name("FAST_CLAIMS.md")
    assert page.read_text(encoding="utf-8").startswith("# Fast claims on trial\n")
    (row,) = rows(page)
    assert row["claim"] == "a-quick-toy"
    assert row["from seed 1"] == "3, median of 5 seeds (1 to 5): agrees, rival rejected"
    assert row["from seed 3"].startswith("5, median of 5 seeds (3 to 7): DISAGREES")
    assert row["from seed 100"].startswith("102, median of 5 seeds (100 to 104): DISAGREES")
    seen = capsys.readouterr()
    assert "from seed 1:" not in seen.err
    assert "FAILED from seed 3: a-quick-toy" in seen.err
    assert "FAILED from seed 100: a-quick-toy" in seen.err


def test_a_rival_that_is_not_rejected_at_one_base_seed_fails_the_command(toy, capsys):
    page = toy(3.0).with_name("FAST_CLAIMS.md")
    # The median from seed 10 on is the rival, 12.
    assert try_claims.main(["--fast", "--base-seeds", "1", "10", "--jobs", "1"]) == 1
    assert rows(page)[0]["from seed 10"].endswith("DISAGREES, rival NOT REJECTED")


def test_base_seeds_that_overlap_share_their_runs(toy, monkeypatch):
    toy(3.0)
    asked = []

    def count(function, runs, jobs):
        asked.extend(runs)
        return (function(*run) for run in runs)

    monkeypatch.setattr(try_claims, "spread", count)
    assert try_claims.main(["--fast", "--base-seeds", "1", "1", "3"]) == 1
    assert [seed for _, seed, _ in asked] == [1, 2, 3, 4, 5, 6, 7]


def test_named_claims_are_printed_and_stored_nowhere(toy, capsys):
    page = toy(2.0)
    assert try_claims.main(["a-quick-toy", "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# Claims on trial\n")
    assert "| a-quick-toy | toys |" in printed
    assert list(page.parent.iterdir()) == []


def test_an_exact_claim_is_measured_once_a_base_seed(toy, monkeypatch):
    page = toy(0.0).with_name("FAST_CLAIMS.md")
    exact = replace(claim(0.0), slow=False, exact=True)
    monkeypatch.setattr(try_claims.registry, "claims", lambda: {"toys": (exact,)})
    assert try_claims.main(["--fast", "--jobs", "1"]) == 0
    assert rows(page)[0]["from seed 0"] == "0: agrees, rival rejected"


def test_a_claim_that_the_page_lacks_joins_it_at_the_pages_base_seeds(toy, monkeypatch, capsys):
    page = toy(2.0)
    assert try_claims.main(["--base-seeds", "0", "-2", "--jobs", "1"]) == 1
    (old,) = rows(page)
    first, last = (replace(claim(2.0), id=name) for name in ("a-first", "the-last"))
    known = {"toys": (first, claim(2.0), last)}
    monkeypatch.setattr(try_claims.registry, "claims", lambda: known)
    monkeypatch.setattr(try_claims, "spread", lambda f, runs, jobs: [f(*run) for run in runs])
    assert try_claims.main(["--missing"]) == 1
    found = rows(page)
    assert [row["claim"] for row in found] == ["a-first", "a-toy", "the-last"]
    assert found[1] == old
    assert all(row["from seed -2"].startswith("0, median of 5") for row in found)
    text = page.read_text(encoding="utf-8")
    assert "Made by `python -m tools.try_claims --base-seeds 0 -2 --jobs 1` on " in text
    assert "Added by `python -m tools.try_claims --missing` on " in text
    assert ": a-first, the-last.\n" in text
    assert try_claims.main(["--missing"]) == 0
    assert "The page has each slow claim." in capsys.readouterr().out
    for more in (["a-first"], ["--base-seeds", "7"]):
        with pytest.raises(SystemExit):
            try_claims.main(["--missing", *more])
    assert "takes neither IDs nor base seeds" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == text


def test_an_unknown_claim_is_one_sentence(toy, capsys):
    toy(2.0)
    assert try_claims.main(["no-such"]) == 2
    assert "There is no claim 'no-such'" in capsys.readouterr().err


def test_a_grid_is_measured_at_each_of_its_points(toy, monkeypatch, capsys):
    page = toy(2.0)
    grid = {"lr": (0.1, 1.0, 10.0)}
    gridded = replace(claim(102.0), measure=lambda seed, lr: seed + 10 * lr, over=grid)
    monkeypatch.setattr(try_claims.registry, "claims", lambda: {"toys": (gridded,)})
    assert try_claims.main(["--jobs", "1"]) == 0
    (row,) = rows(page)
    assert row["from seed 0"] == (
        "102, median of 5 seeds (100 to 104), the best of 3 at lr 0.1; 12 at lr 1; 102 at lr 10: "
        "agrees, rival rejected"
    )


def test_a_ruling_that_is_not_the_declared_one_fails(toy, monkeypatch, capsys):
    toy(2.0)
    turned = replace(claim(2.0), ruling=refuted("no", above=3))
    monkeypatch.setattr(try_claims.registry, "claims", lambda: {"toys": (turned,)})
    assert try_claims.main(["--jobs", "1"]) == 1
    assert "FAILED from seed 0: a-toy: holds" in capsys.readouterr().err
