"""One claim from the command line, with an exit status that a script can read."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vglib.claim import Claim, Fact, Tolerance, refuted
from vglib.docket import command, registry

ROOT = Path(__file__).resolve().parents[2]
CLAIM = Claim(
    id="small-steps-always-win",
    source="a test",
    place="section 1",
    says="The smaller, the better.",
    setup="none",
    prediction=0.9,
    measure=lambda seed, lr: 0.9 if lr == 1.0 else 0.1,
    over={"lr": (0.01, 0.1, 1.0)},
    tolerance=Tolerance.absolute(0.1),
    rival=0.1,
    rival_says="the smallest step's",
    ruling=refuted("{percent}", above=0.5),
    correction="It depends.",
)
FACT = Fact(
    id="one-is-one",
    source="a test",
    says="1 is 1.",
    setup="none",
    prediction=1.0,
    measure=lambda seed: 1.0,
    tolerance=Tolerance.absolute(0),
    exact=True,
    slow=True,
)


@pytest.fixture
def toys(monkeypatch):
    missing = replace(CLAIM, id="misses", measure=lambda seed, lr: 0.3)
    found = {"concept": (CLAIM, FACT), "lstm": (missing,)}
    monkeypatch.setattr(registry, "claims", lambda: found)


def test_a_trial_says_what_was_claimed_and_what_came_out(toys, capsys):
    assert command.main([CLAIM.id]) == 0
    said = capsys.readouterr().out
    assert said.startswith("a test, section 1:\n  The smaller, the better.\nsetup: none\n")
    assert "grid: lr = 0.01, 0.1, 1.0; the largest median counts" in said
    assert "small-steps-always-win: refuted: 90%" in said
    assert said.rstrip().endswith("correction: It depends.")


def test_the_exit_status_says_whether_it_agrees(toys, capsys):
    assert command.main(["misses"]) == 1
    assert "DISAGREES" in capsys.readouterr().out
    assert command.main([FACT.id]) == 0
    told = capsys.readouterr()
    assert "fact: it is so" in told.out
    assert told.err == "It trains networks: this takes a while.\n"


def test_a_wrong_name_has_the_nearest_names_suggested(toys, capsys):
    assert command.main(["small-step-always-wins"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "No claim is called 'small-step-always-wins'; did you mean small-steps-always-win?\n"
    )
    assert command.main(["zzz"]) == 2
    assert "--list names them." in capsys.readouterr().err


def test_names_that_share_a_word_are_near():
    ids = ["glorot-is-a-compromise", "batch-norm-makes-prediction-slower", "half-the-bits"]
    assert command.nearest("glorot", ids) == ["glorot-is-a-compromise"]
    assert command.nearest("prediction_slower", ids) == ["batch-norm-makes-prediction-slower"]
    assert command.nearest("xx", ids) == []


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ([], ["small-steps-always-win", "one-is-one", "misses"]),
        (["--chapter", "concept"], ["small-steps-always-win", "one-is-one"]),
        (["--chapter", "08"], ["misses"]),
        (["--chapter", "8", "--ruling", "refuted"], ["misses"]),
        (["--ruling", "fact"], ["one-is-one"]),
        (["--ruling", "holds"], []),
    ],
)
def test_the_list_and_its_filters(toys, capsys, asked, ids):
    assert command.main(["--list", *asked]) == 0
    *lines, counted = capsys.readouterr().out.splitlines()
    assert [line[18:].split()[0] for line in lines if line.startswith(" ")] == ids
    assert counted == f"{len(ids)} claim{'' if len(ids) == 1 else 's'}."


def test_an_unknown_chapter_is_one_sentence(toys, capsys):
    assert command.main(["--list", "--chapter", "99"]) == 2
    said = capsys.readouterr().err
    noun = "There is no chapter with claims called '99'"
    assert said == f"{noun}; choose from 01 concept, 08 lstm.\n"


@pytest.mark.parametrize("asked", [[], ["a", "--list"], ["a", "--chapter", "1"]])
def test_a_name_or_a_list(toys, asked, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(asked)
    assert stopped.value.code == 2
    assert "the name of one claim, or --list" in capsys.readouterr().err


def test_stopping_it_is_no_traceback(monkeypatch, capsys):
    def stopped(seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "claims", lambda: {"c": (replace(FACT, measure=stopped),)})
    assert command.main([FACT.id]) == 130
    assert capsys.readouterr().err.endswith("Stopped.\n")


def test_it_is_reached_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "vglib.claim", "slope-only-reaches-a-quarter-at-zero"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "fact: it is so" in done.stdout
    assert done.stderr == ""
