"""The archive for a machine without network holds what it needs, and says where it cannot start."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import bundle, offline


@pytest.fixture
def course(tmp_path):
    """A clone in small, with a wheel built and a file that git does not know."""
    root = tmp_path / "Kurs für alle"
    for name in ("tools/start/start.sh", "tools/start/start.cmd"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((bundle.ROOT / name).read_bytes())
    (root / "dist").mkdir()
    (root / "dist" / "vglib-1.0.0-py3-none-any.whl").write_text("the course")
    (root / "requirements.lock").write_text("torch==0.0.1\n")
    subprocess.run(["git", "-C", root, "init", "--quiet"], check=True)
    subprocess.run(["git", "-C", root, "add", "tools", "requirements.lock"], check=True)
    (root / "answers.txt").write_text("of a learner")
    return root


def fetched(wheel: Path, folder: Path, lock: Path) -> None:
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    (folder / offline.MADE_FOR).write_text("Linux x86_64 3.11.2\n")


def test_the_archive_holds_files_wheels_and_a_start(course, monkeypatch, capsys):
    monkeypatch.setattr(bundle, "fetch", fetched)
    assert bundle.main(course) == 0
    (archive,) = (course / "dist").glob("*.zip")
    names = set(zipfile.ZipFile(archive).namelist())
    inside = {name.removeprefix("vanishing-gradients/") for name in names}
    assert {"start.sh", "start.cmd", "course/requirements.lock"} <= inside
    assert {"wheels/vglib-1.0.0-py3-none-any.whl", "wheels/made_for.txt"} <= inside
    assert "course/answers.txt" not in inside
    assert archive.name in capsys.readouterr().out


def test_an_archive_that_fails_half_way_leaves_the_old_one(course, monkeypatch, capsys):
    monkeypatch.setattr(bundle, "fetch", fetched)
    bundle.main(course)
    (archive,) = (course / "dist").glob("*.zip")
    before = archive.read_bytes()
    (course / "tools" / "start" / "start.cmd").unlink()
    assert bundle.main(course) == 1
    assert archive.read_bytes() == before
    assert sorted(path.suffix for path in (course / "dist").iterdir()) == [".whl", ".zip"]


def test_what_is_missing_is_one_sentence(course, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bundle, "fetch", fetched)
    with pytest.raises(bundle.CannotPack, match="make it in a clone"):
        bundle.tracked(tmp_path)
    (course / "dist" / "vglib-1.0.0-py3-none-any.whl").unlink()
    assert bundle.main(course) == 1
    assert "make wheel" in capsys.readouterr().err


def test_the_start_runs_in_a_folder_with_spaces(course, tmp_path):
    """Its Python makes no environment here; the launcher is one that tells what it is asked."""
    unpacked = tmp_path / "ein Ordner, 第一章"
    python = unpacked / "course" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (unpacked / "start.sh").write_bytes((course / "tools" / "start" / "start.sh").read_bytes())
    for path, shell in ((python, 'echo "$PWD" "$@"'), (unpacked / "python", "exit 0")):
        path.write_text(f"#!/bin/sh\n{shell}\n")
        path.chmod(0o755)
    environ = {"PATH": "/usr/bin:/bin", "PYTHON": str(unpacked / "python")}
    for arguments, asked in (([], "lab"), (["lecture", "--chapter", "02"],) * 2):
        start = ["sh", unpacked / "start.sh", *arguments]
        said = subprocess.check_output(start, text=True, env=environ, cwd="/")
        words = asked if isinstance(asked, str) else " ".join(asked)
        assert said == f"{unpacked / 'course'} -m tools.launch {words}\n"


def test_a_bundle_of_another_machine_is_refused_in_a_sentence(tmp_path, capsys):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / offline.MADE_FOR).write_text("Windows amd64 3.12.1\n")
    (tmp_path / "course").mkdir()
    assert offline.main(tmp_path / "course") == 1
    said = capsys.readouterr().err
    assert said.startswith("This bundle is for Windows amd64 with Python 3.12.1 or a later 3.12, ")
    assert said.count("\n") == 1
    assert not (tmp_path / "course" / ".venv").exists()


@pytest.mark.parametrize(
    ("made_for", "fits"),
    [
        ("Linux x86_64 3.11.5", True),
        ("Linux x86_64 3.11.0", True),
        ("Linux x86_64 3.11.7", False),
        ("Linux x86_64 3.12.0", False),
        ("Linux x86_64 3.10.9", False),
        ("Linux aarch64 3.11.5", False),
    ],
)
def test_wheels_are_for_one_system_and_python_from_their_patch_on(monkeypatch, made_for, fits):
    monkeypatch.setattr(offline, "machine", lambda: ("Linux x86_64", (3, 11, 5)))
    assert (offline.unlike(made_for) == "") is fits


def test_an_environment_that_is_ready_is_left_alone(tmp_path):
    (tmp_path / "course" / ".venv").mkdir(parents=True)
    (tmp_path / "course" / ".venv" / ".ready").touch()
    assert offline.main(tmp_path / "course") == 0
