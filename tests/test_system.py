"""A machine that cannot run the course is told so in one sentence, before anything is fetched."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import cpu_torch, system

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tools" / "system.py"


@pytest.mark.parametrize(
    "one",
    [
        ("Linux", "x86_64", (2, 28), (3, 11)),
        ("Linux", "aarch64", (2, 39), (3, 14)),
        ("Darwin", "arm64", (14, 0), (3, 12)),
        ("Darwin", "arm64", (26, 1), (3, 13)),
        ("Windows", "amd64", (), (3, 12)),
    ],
)
def test_what_can_run_the_course_is_let_through(one):
    assert system.unfit(*one) == ""


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (("Linux", "x86_64", (2, 39), (3, 10)), "Python 3.11 to 3.14, and this is 3.10"),
        (("Linux", "x86_64", (2, 39), (3, 15)), "this is 3.15"),
        (("Linux", "x86_64", (2, 39), (3, 8)), "make setup PYTHON=python3.12"),
        (("Darwin", "x86_64", (15, 1), (3, 12)), "Intel Macs"),
        (("Darwin", "arm64", (13, 7, 1), (3, 12)), "macOS 14 and newer, and this is 13.7.1"),
        (("Windows", "arm64", (), (3, 12)), "Windows on ARM"),
        (("Windows", "win32", (), (3, 12)), "32-bit"),
        (("Linux", "x86_64", (2, 17), (3, 12)), "glibc 2.28 and newer, and this is 2.17"),
        (("Linux", "x86_64", (), (3, 12)), "glibc alone"),
        (("Linux", "armv7l", (2, 36), (3, 12)), "Linux on armv7l"),
        (("FreeBSD", "amd64", (), (3, 12)), "FreeBSD on amd64"),
    ],
)
def test_what_cannot_is_one_sentence_that_says_what_to_do(one, said):
    sentence = system.unfit(*one)
    assert said in sentence
    assert "\n" not in sentence
    assert "README.md" in sentence or "make setup" in sentence


def test_this_machine_runs_the_course():
    assert system.unfit(*system.this_system()) == ""


def test_an_old_python_can_read_the_file_and_needs_nothing_installed():
    tree = ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imported for alias in node.names}
    assert names == {"platform", "sys", "sysconfig"}
    subprocess.run([sys.executable, "-I", "-S", str(FILE)], check=True)


def test_make_asks_before_it_downloads():
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup", "PYTHON=python3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    steps = ["tools/system.py", " -m venv ", " -m tools.cpu_torch", " -r requirements.lock"]
    places = [planned.index(step) for step in steps]
    assert places == sorted(places)


def test_make_stops_with_the_sentence(tmp_path):
    """An old Python in make's place for it: nothing is made, and nothing else is said."""
    old = tmp_path / "python3"
    asked = f"import sys; sys.version_info = (3, 9, 2); exec(open({str(FILE)!r}).read())"
    old.write_text(f'#!/bin/sh\n[ "$1" = tools/system.py ] && exec {sys.executable} -c "{asked}"\n')
    old.chmod(0o755)
    venv = tmp_path / "venv"
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old}", f"VENV={venv}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "The course needs Python" in done.stderr
    assert not venv.exists()


def test_the_range_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    inside = Requirement(f"vglib {project['requires-python']}").specifier
    for minor in range(8, 20):
        asked = ("Linux", "x86_64", (2, 39), (3, minor))
        assert (system.unfit(*asked) == "") <= inside.contains(f"3.{minor}")
    assert inside.contains(system.dotted(system.PYTHONS[0]))


@pytest.mark.parametrize(
    ("platform", "torch", "gpu", "wanted"),
    [
        ("linux", "", None, True),
        ("linux", "2.4.0+cpu", None, True),
        ("linux", "2.13.0", None, False),
        ("linux", "", "/usr/bin/nvidia-smi", False),
        ("darwin", "", None, False),
        ("win32", "", None, False),
    ],
)
def test_the_small_torch_is_for_linux_without_a_gpu(monkeypatch, platform, torch, gpu, wanted):
    monkeypatch.setattr(cpu_torch.sys, "platform", platform)
    monkeypatch.setattr(cpu_torch, "installed", lambda: torch)
    monkeypatch.setattr(cpu_torch.shutil, "which", lambda name: gpu)
    assert cpu_torch.is_wanted() is wanted


def test_an_index_out_of_reach_is_left_to_pip(monkeypatch, tmp_path, capsys):
    lock = tmp_path / "lock"
    lock.write_text("tornado==1\ntorch==0.0.1\n")
    # Port 9 of this machine: nobody answers.
    assert not cpu_torch.from_index(["download", "-d", str(tmp_path)], "http://127.0.0.1:9/", lock)
    monkeypatch.setattr(cpu_torch, "is_wanted", lambda: True)
    monkeypatch.setattr(cpu_torch, "from_index", lambda action: False)
    assert cpu_torch.main() == 0
    assert "usual build" in capsys.readouterr().out
