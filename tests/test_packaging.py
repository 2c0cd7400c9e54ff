"""pyproject.toml, requirements.lock and environment.yml agree; the Makefile has its targets."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tools.system import TORCH

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "kaleido": "python-kaleido",
    "playwright": "playwright-python",
    "matplotlib": "matplotlib-base",
}
TARGETS = ["setup", "lab", "lecture", "fresh", "build", "check", "test", "test-long", "bench"]
TARGETS += ["tournament", "floors", "site", "wheel", "bundle", "progress"]
SHIPPED = {"vglib", "notebooks", "jupyter", "benchmarks", "setup.py"}
SHIPPED |= {"pyproject.toml", "README.md", "LICENSE"}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def wanted(*without: str) -> list[Requirement]:
    course = project()
    extras = course["optional-dependencies"].items()
    groups = [course["dependencies"], *(group for name, group in extras if name not in without)]
    found = [Requirement(line) for group in groups for line in group]
    return [r for r in found if r.name != course["name"]]


def named(pattern: str, page: str) -> str:
    """What the first match of a pattern in a file of the repository holds."""
    match = re.search(pattern, (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert match, f"{page} has no line like {pattern}"
    return match[1]


def test_the_version_is_the_same_everywhere():
    version = project()["version"]
    assert named(r"^## (\d[^ ]*) - ", "CHANGELOG.md") == version
    assert named("^version: (.+)$", "CITATION.cff") == version
    assert named("vglib-([^-]+)-py3-none-any.whl", "README.md") == version


def test_the_newest_version_has_one_day():
    day = named(r"^## \d[^ ]* - (\d{4}-\d\d-\d\d)$", "CHANGELOG.md")
    assert named("^date-released: (.+)$", "CITATION.cff") == day


def test_the_citation_names_both_licences_and_the_readmes_title():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    code, *rest = project()["license"].split(" AND ")
    assert named("^license: (.+)$", "CITATION.cff") == code
    assert all(licence in text for licence in rest)
    assert named("^title: (.+)$", "CITATION.cff") == named("^# (.+)$", "README.md")


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


def pip_list() -> list[str]:
    """What environment.yml leaves to pip, line by line, as it stands there."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    return re.findall(r"^      - (.+)$", text.split("  - pip:\n")[1], re.MULTILINE)


def install(requirements: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let pip read a list as conda gives it one, and say what it would install."""
    file = folder / "requirements.txt"
    file.write_text(requirements)
    asked = ["--dry-run", "--upgrade", "--no-index", "--no-build-isolation", "-r", str(file)]
    command = [sys.executable, "-m", "pip", "install", *asked]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_pip_takes_condas_list_as_a_requirements_file(tmp_path):
    done = install("\n".join(pip_list()), tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search("^Would install vglib-[^ ]*$", done.stdout, re.MULTILINE), done.stdout
    assert install("--no-deps --editable .", tmp_path).returncode != 0


def is_local(line: str) -> bool:
    """Whether Binder's builder takes a line of pip's list for one that needs the repository.

    It strips a long option up to its "=", else a short one up to the space, and looks for a dot.
    """
    if line.startswith("--") and "=" in line:
        line = line.split("=", 1)[1]
    if line.startswith("-"):
        line = line.partition(" ")[2].strip()
    return line.startswith(".")


def test_binder_sees_that_the_course_itself_is_wanted():
    assert [line for line in pip_list() if is_local(line)] == ["-e ."]
    assert not is_local("--no-deps --editable .")
    assert not is_local("numpy>=1.26")


def test_torch_is_pinned_without_a_build_label():
    """With a new version look anew what it has wheels for, and say so in `tools/system.py`."""
    assert locked()["torch"] == TORCH


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


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what the course's wheel is made of."""

    def without(here: str, names: list[str]) -> set[str]:
        kept = SHIPPED if here == str(ROOT) else {n for n in names if n != "__pycache__"}
        return set(names) - kept

    return shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "x", ignore=without)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, source):
    """The course's wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    (source / "build" / "lib" / "vglib").mkdir(parents=True)
    (source / "build" / "lib" / "vglib" / "gone.py").write_text("# of an older build")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(folder), "."]
    subprocess.run([*build, "--no-build-isolation"], cwd=source, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_brings_the_pages_files_and_the_chapters(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"vglib/lab/{name}" for name in ("figure.js", "page.js", "page.css")} <= names
    assert "vglib/jupyter/templates/vglib/index.html.j2" in names
    assert names >= EXTENSION
    chapters = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {f"vglib/course/notebooks/{name}" for name in chapters} <= names
    assert "vglib/gone.py" not in names
    assert {f"vglib/docket/measured/{speed}_CLAIMS.md" for speed in ("FAST", "SLOW")} <= names
    assert "vglib/court/court.js" in names


# pip puts it where every Jupyter server of the environment looks.
DATA = f"vglib-{project()['version']}.data/data"
EXTENSION = {f"{DATA}/etc/jupyter/jupyter_server_config.d/vglib.json"}


def test_an_editable_install_has_the_servers_extension_too(source, tmp_path):
    build = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    assert set(zipfile.ZipFile(built).namelist()) >= EXTENSION


ALONE = """
import sys, vglib, torch
assert vglib.__file__.startswith(sys.prefix), vglib.__file__
from vglib.concept import labs
from vglib.doctor import examine
lab = labs.learning_speed_lab()
print(lab._repr_mimebundle_()[0]["text/html"].count("<img"), "picture")
layers = [part for _ in range(20) for part in (torch.nn.Linear(8, 8), torch.nn.Sigmoid())]
net = torch.nn.Sequential(*layers, torch.nn.Linear(8, 2))
print(examine(net, torch.nn.functional.cross_entropy, (torch.randn(16, 8), torch.arange(16) % 2)))
"""


def test_the_wheel_works_alone_in_any_folder(wheel, tmp_path):
    """Nothing of the repository is there: another environment, and a folder of odd letters."""
    home, mine = tmp_path / "environment", tmp_path / "Übung für alle, 第一章"
    venv.create(home, symlinks=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True, capture_output=True)
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own, shared = (
        Path(subprocess.check_output([p, "-c", asked], text=True).strip())
        for p in (python, sys.executable)
    )
    # The course's dependencies, without what an editable install adds to the path.
    (own / "shared.pth").write_text(f"{shared}\n", encoding="utf-8")
    mine.mkdir()
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=mine, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = run("-c", ALONE)
    assert said.startswith("1 picture\n")
    assert "vanish" in said
    assert "-m jupyterlab" in run("-m", "vglib", "Kapitel")
    assert "fact: it is so" in run("-m", "vglib.claim", "slope-only-reaches-a-quarter-at-zero")
    published = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert sorted(path.name for path in (mine / "Kapitel").iterdir()) == published
