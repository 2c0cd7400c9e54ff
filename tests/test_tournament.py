"""The tournament's tool: rows kept as they finish, a table that is whole or absent."""

import json

import pytest

from tools import tournament
from vglib.other_remedies.tournament import Row


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setattr(tournament, "ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    starts = [("deep ReLU", (), 0), ("deep ReLU", ("L2",), 0), ("recurrent", (), 0)]
    monkeypatch.setattr(tournament, "starters", lambda pairs, seeds: starts)
    return tmp_path / "benchmarks"


@pytest.fixture
def made(monkeypatch):
    """Replace the training by a stub that notes its runs, and can be interrupted."""
    runs = []

    def stub(function, missing, jobs):
        for net, measures, seed, _ in missing:
            if len(runs) == stub.stop_after:
                raise KeyboardInterrupt
            runs.append((net, measures))
            yield Row(net, measures, seed, 0.5, 1.0, 0.5, 0)

    stub.stop_after = None
    monkeypatch.setattr(tournament, "spread", stub)
    return runs, stub


def test_a_whole_run_leaves_the_table_alone(place, made):
    assert tournament.main([]) == 0
    text = (place / "TOURNAMENT.md").read_text(encoding="utf-8")
    assert "python -m tools.tournament" in text
    assert "| L2 | the loss | 50% (50 to 50), 10^+1.0, NaN 0% | does not apply |" in text
    assert [path.name for path in place.iterdir()] == ["TOURNAMENT.md"]


def test_a_stopped_run_keeps_its_rows_and_goes_on(place, made, capsys):
    runs, stub = made
    stub.stop_after = 2
    assert tournament.main([]) == 130
    assert "goes on from there" in capsys.readouterr().out
    assert not (place / "TOURNAMENT.md").exists()
    part = place / "TOURNAMENT.part.jsonl"
    assert len(part.read_text(encoding="utf-8").splitlines()) == 2
    # As a kill leaves it: the last line cut short.
    part.write_text(part.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    stub.stop_after = None
    runs.clear()
    assert tournament.main([]) == 0
    assert runs == [("deep ReLU", ("L2",)), ("recurrent", ())]


def test_rows_of_another_length_are_not_taken(place, made):
    runs, stub = made
    stub.stop_after = 1
    tournament.main(["--steps", "50"])
    stub.stop_after = None
    runs.clear()
    assert tournament.main([]) == 0
    assert len(runs) == 3


def test_a_damaged_file_is_one_sentence(place, made, capsys):
    good = json.dumps(Row("recurrent", (), 0, 0.5, 1.0, 0.5, 0).record() | {"steps": 600})
    (place / "TOURNAMENT.part.jsonl").write_text(f"nonsense\n{good}\n", encoding="utf-8")
    assert tournament.main([]) == 2
    assert "damaged in line 1" in capsys.readouterr().err


def test_a_real_run_is_stored(monkeypatch, tmp_path):
    monkeypatch.setattr(tournament, "starters", lambda pairs, seeds: [("recurrent", (), 0)])
    rows = tournament.run(tmp_path / "x.part.jsonl", seeds=1, steps=10, jobs=1)
    assert rows[0].broken == 1
    assert tournament.read(tmp_path / "x.part.jsonl", 10)
