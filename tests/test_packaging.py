"""pyproject.toml, requirements.lock and environment.yml agree; the Makefile has its targets."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "kaleido": "python-kaleido",
    "playwright": "playwright-python",
    "matplotlib": "matplotlib-base",
}
TARGETS = ["setup", "lab", "lecture", "fresh", "build", "check", "test", "test-long", "bench"]
TARGETS += ["tournament", "floors"]
SHIPPED = {"vglib", "pyproject.toml", "README.md", "LICENSE"}


def wanted(*without: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    groups = [project["dependencies"], *(group for name, group in extras if name not in without)]
    found = [Requirement(line) for group in groups for line in group]
    return [r for r in found if r.name != project["name"]]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    versions = {}
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "==", f"{pin} is not an exact version"
        versions.setdefault(canonical(pin.name), specifier.version)
    return versions


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_lock_holds_a_version_in_range(requirement):
    version = locked()[canonical(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("requirement", wanted("page"), ids=str)
def test_conda_has_the_same_range(requirement):
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    name = CONDA_NAMES.get(requirement.name, requirement.name)
    assert f"  - {name}{requirement.specifier}\n" in text


def test_conda_names_nothing_else():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"^  - ([a-z0-9-]+)[<>]", text, re.MULTILINE))
    assert named == {CONDA_NAMES.get(r.name, r.name) for r in wanted("page")}


def test_torch_is_pinned_without_a_build_label():
    assert locked()["torch"] == "2.13.0"


def test_both_licences_are_there():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Redistribution and use in source and binary forms" in text
    assert "creativecommons.org/licenses/by/4.0" in text


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_its_targets(target):
    done = subprocess.run(
        ["make", "-n", target, "CHAPTER=02"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_make_help_lists_every_target():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in TARGETS:
        assert f"make {target} " in done.stdout


def test_the_wheel_brings_the_pages_files(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path), "."]
    source = shutil.copytree(
        ROOT,
        tmp_path / "source",
        ignore=lambda _, names: {n for n in names if n not in SHIPPED} if _ == str(ROOT) else set(),
    )
    subprocess.run([*build, "--no-build-isolation"], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"vglib/lab/{name}" for name in ("figure.js", "page.js", "page.css")} <= names
