"""The tournament's tool: rows kept as they finish, a page that only the full run may store."""

import json
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import tournament
from tools.tournament import Settings
from vglib.other_remedies import sick_nets
from vglib.other_remedies.tournament import Row

NAN = float("nan")


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setattr(tournament, "ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    starts = [("deep ReLU", (), 0, 1.0), ("deep ReLU", ("L2",), 0, 1.0), ("recurrent", (), 0, 1.0)]
    monkeypatch.setattr(tournament, "starters", lambda pairs, seeds, factors: starts)
    return tmp_path / "benchmarks"


@pytest.fixture
def made(monkeypatch):
    """Replace the training by a stub that notes its runs, and can be interrupted."""
    runs = []

    def stub(function, missing, jobs):
        for net, measures, seed, steps, factor in missing:
            if len(runs) == stub.stop_after:
                raise KeyboardInterrupt
            runs.append((net, measures, steps))
            yield Row(net, measures, seed, 0.5, 1.0, 0.5, 0, factor)

    stub.stop_after = None
    monkeypatch.setattr(tournament, "spread", stub)
    return runs, stub


@pytest.fixture
def stopped(made):
    """Stop a run after so many rows, and forget them; the next one goes to its end."""
    runs, stub = made

    def stop(after, *argv):
        stub.stop_after = after
        assert tournament.main([*argv]) == 130
        stub.stop_after = None
        runs.clear()

    return stop


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_full_run_leaves_its_page_alone(place, made, capsys):
    assert tournament.main(["--jobs", "1"]) == 0
    text = (place / "TOURNAMENT.md").read_text(encoding="utf-8")
    assert "python -m tools.tournament --jobs 1" in text
    assert "torch 2." in text
    assert "600 steps, seeds 0 to 4," in text
    tuned = "50% (50 to 50) at its own lr"
    cells = ("50% (50 to 50), 10^+1.0 → 10^+0.5", "does not apply", tuned, "does not apply")
    assert f"| L2 | the loss | {' | '.join(cells)} |" in text
    assert (
        "| measures | act on | deep ReLU | recurrent | deep ReLU, tuned | recurrent, tuned |"
        in (text)
    )
    assert names(place) == ["TOURNAMENT.md"]
    assert "3 runs are in TOURNAMENT.md." in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--quick"], ["--steps", "50"], ["--seeds", "1"]])
def test_any_other_run_prints_its_page_and_stores_nothing(place, made, capsys, argv):
    (place / "TOURNAMENT.md").write_text("the full run's", encoding="utf-8")
    assert tournament.main(argv) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{tournament.HEAD}\n")
    assert f"`python -m tools.tournament {' '.join(argv)}`" in out
    assert names(place) == ["TOURNAMENT.md"]
    assert (place / "TOURNAMENT.md").read_text(encoding="utf-8") == "the full run's"


@pytest.mark.parametrize("argv", [["--quick"], []])
def test_a_page_goes_where_it_is_sent(place, made, capsys, tmp_path, argv):
    assert tournament.main([*argv, "--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8").startswith(tournament.HEAD)
    assert names(place) == []
    assert "runs are in page.md" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--steps", "0"], "a multiple of 10 steps"),
        (["--steps", "55"], "a multiple of 10 steps"),
        (["--seeds", "0"], "at least 1 seed"),
        (["--quick", "--out", "benchmarks/TOURNAMENT.md"], "name another file"),
        (["--out", "nowhere/page.md"], "no folder nowhere"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    place, made, capsys, monkeypatch, argv, says
):
    monkeypatch.chdir(place.parent)
    with pytest.raises(SystemExit):
        tournament.main(argv)
    assert says in capsys.readouterr().err
    assert made[0] == []


def test_help_says_what_is_stored(capsys):
    with pytest.raises(SystemExit):
        tournament.main(["--help"])
    out = capsys.readouterr().out
    assert "Only the full run" in out
    assert "--out FILE" in out


def test_a_stopped_run_keeps_its_rows_and_goes_on(place, made, capsys):
    runs, stub = made
    stub.stop_after = 2
    assert tournament.main([]) == 130
    assert "goes on from there" in capsys.readouterr().err
    assert not (place / "TOURNAMENT.md").exists()
    part = place / "TOURNAMENT.part.jsonl"
    assert len(part.read_text(encoding="utf-8").splitlines()) == 2
    # As a kill leaves it: the last line cut short.
    part.write_text(part.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    stub.stop_after = None
    runs.clear()
    assert tournament.main([]) == 0
    assert runs == [("deep ReLU", ("L2",), 600), ("recurrent", (), 600)]


def test_the_minutes_of_every_part_are_counted(place, made, stopped, monkeypatch):
    # Each look at the clock comes a minute after the last: a session's start, then its rows.
    minutes = count()
    clock = SimpleNamespace(monotonic=lambda: 60.0 * next(minutes), time=lambda: next(minutes))
    monkeypatch.setattr(tournament, "time", clock)
    stopped(2)
    assert tournament.main([]) == 0
    assert ", 3 minutes in 2 parts, " in (place / "TOURNAMENT.md").read_text(encoding="utf-8")


def test_a_run_in_one_part_says_no_more_than_its_length(place, made):
    assert tournament.main([]) == 0
    assert ", 0 seconds, Python" in (place / "TOURNAMENT.md").read_text(encoding="utf-8")


def test_other_code_makes_its_own_rows(place, made, stopped, monkeypatch, capsys):
    stopped(2)
    monkeypatch.setattr(tournament, "fingerprint", lambda: "other code")
    capsys.readouterr()
    assert tournament.main([]) == 0
    assert "The code or torch has changed" in capsys.readouterr().err
    assert len(made[0]) == 3
    assert "in 2 parts" not in (place / "TOURNAMENT.md").read_text(encoding="utf-8")


def test_the_fingerprint_is_of_the_sources_and_of_torch(monkeypatch, tmp_path):
    first = tournament.fingerprint()
    assert first == tournament.fingerprint()
    copy = tmp_path / "sick_nets.py"
    copy.write_bytes(Path(sick_nets.__file__).read_bytes() + b"\n# changed\n")
    with monkeypatch.context() as patch:
        patch.setattr(sick_nets, "__file__", str(copy))
        assert tournament.fingerprint() != first
    with monkeypatch.context() as patch:
        patch.setattr(tournament, "version", lambda name: "9.9")
        assert tournament.fingerprint() != first


def test_the_fingerprint_leaves_out_no_module_that_makes_a_row():
    code = (
        "import sys, vglib.other_remedies.tournament\n"
        "print(*(n for n, m in sys.modules.items() if n.startswith('vglib.') "
        "and not hasattr(m, '__path__')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {module.__name__ for module in tournament.SOURCES}


@pytest.mark.parametrize("argv", [["--steps", "50"], ["--quick"], ["--seeds", "1"]])
def test_rows_of_another_run_are_not_taken(place, made, stopped, argv):
    stopped(1, *argv)
    assert tournament.main([]) == 0
    assert len(made[0]) == 3
    # And the other one still goes on.
    made[0].clear()
    assert tournament.main(argv) == 0
    assert len(made[0]) == 2
    assert names(place) == ["TOURNAMENT.md"]


def test_a_damaged_file_is_one_sentence(place, made, stopped, capsys):
    stopped(1)
    part = place / "TOURNAMENT.part.jsonl"
    good = part.read_text(encoding="utf-8")
    for bad in ("nonsense\n", "[1]\n", json.dumps({"code": tournament.fingerprint()}) + "\n"):
        part.write_text(bad + good, encoding="utf-8")
        assert tournament.main([]) == 2
        assert "damaged in line 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "cell"),
    [
        ([], "does not apply"),
        ([(0.1, 5.7, 2.1, 0)], "10% (10 to 10), 10^+5.7 → 10^+2.1"),
        ([(0.1, -2.8, NAN, 1)], "10% (10 to 10), 10^-2.8 → NaN, NaN in 100%"),
        (
            [(0.1, 0.4, NAN, 1), (0.7, 0.4, 1.0, 0), (0.8, 0.4, 2.0, 0), (0.1, 0.4, NAN, 1)],
            "40% (10 to 80), 10^+0.4 → 10^+1.5, NaN in 50%",
        ),
        ([(0.1, -0.04, NAN, 0)], "10% (10 to 10), 10^+0.0 → no gradient"),
    ],
)
def test_a_cell_shows_the_start_and_the_end(rows, cell):
    made = [Row("recurrent", (), seed, *values) for seed, values in enumerate(rows)]
    assert tournament._cell(made) == cell


@pytest.mark.parametrize(
    ("measures", "rows", "cell"),
    [
        (("L2",), [], "does not apply"),
        (("lr × 10",), [(0.9, 0, 1.0)], "does not apply"),
        (
            ("L2",),
            [(0.1, 0, 0.1), (0.1, 1, 1.0), (0.1, 0, 10.0)],
            "10% (10 to 10) at its own lr, NaN in 100%",
        ),
        (
            ("residual",),
            [(0.8, 0, 0.1), (0.9, 0, 0.1), (0.95, 0, 1.0), (0.1, 1, 1.0), (0.1, 1, 10.0)],
            "85% (80 to 90) at lr ÷ 10",
        ),
    ],
)
def test_a_tuned_cell_is_the_best_median_of_its_step_sizes(measures, rows, cell):
    made = [
        Row("deep ReLU", measures, seed, accuracy, 0.0, 0.0, broken, factor)
        for seed, (accuracy, broken, factor) in enumerate(rows)
    ]
    assert tournament._tuned(made) == cell


def test_a_real_run_is_stored(monkeypatch, tmp_path):
    starts = [("recurrent", (), 0, 10.0)]
    monkeypatch.setattr(tournament, "starters", lambda pairs, seeds, factors: starts)
    part = tmp_path / "x.part.jsonl"
    rows, seconds = tournament.run(part, Settings(seeds=1, steps=10), jobs=1)
    assert rows[0].broken == 1
    assert rows[0].factor == 10
    assert len(seconds) == 1
    kept = tournament.read(part, tournament.fingerprint())
    # nan is not equal to itself.
    assert [str(row) for row in kept.rows.values()] == [str(row) for row in rows]
