"""The trial of slow claims: rulings over seeds, a page with its command, a failure that fails."""

import pytest

from tools import try_claims
from vglib.claim import Claim, Tolerance


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
        verdict=lambda m: "holds",
        correction="they do",
        slow=True,
    )


@pytest.fixture
def toy(monkeypatch, tmp_path):
    def install(prediction):
        monkeypatch.setattr(try_claims, "registry", lambda: (claim(prediction),))
        monkeypatch.setattr(try_claims, "ROOT", tmp_path)
        (tmp_path / "benchmarks").mkdir()
        return tmp_path / "benchmarks" / "SLOW_CLAIMS.md"

    return install


def test_a_claim_that_agrees_is_stored_with_its_command(toy):
    page = toy(2.0)
    assert try_claims.main(["--jobs", "1"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "make test-long" in text
    assert "median of 5 seeds (0 to 4)" in text


def test_a_claim_that_misses_fails_the_command_and_is_stored_too(toy, capsys):
    page = toy(3.0)
    assert try_claims.main(["--jobs", "1"]) == 1
    assert "DISAGREES" in page.read_text(encoding="utf-8")
    assert "FAILED a-toy" in capsys.readouterr().err


def test_an_unknown_claim_is_one_sentence(toy, capsys):
    toy(2.0)
    assert try_claims.main(["no-such"]) == 2
    assert "There is no claim 'no-such'" in capsys.readouterr().err
