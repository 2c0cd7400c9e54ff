"""Opening a chapter: the learner's copies are theirs, and the settings stay as they were."""

import errno
import json
import os

import pytest

from tools import launch
from vglib.course import copies


@pytest.fixture
def course(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start_here", "01_concept", "02_chain_rule"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(f"published {name}")
    return tmp_path


def test_a_fresh_copy_stands_beside_the_old_ones(course):
    copies.copy_chapters(course / "notebooks", course / "my_notebooks")
    names = [launch.copy_fresh(course, "02").name for _ in range(3)]
    assert names == [f"02_chain_rule-{n}.ipynb" for n in (2, 3, 4)]
    assert (course / "my_notebooks" / "02_chain_rule.ipynb").exists()


def a_notebook(*cells):
    made = [
        {"cell_type": kind, "metadata": {"tags": tags}, "source": "x", "outputs": [tags]}
        for kind, *tags in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_learners_copy_hides_what_follows_a_prediction(course):
    chapter = course / "notebooks" / "02_chain_rule.ipynb"
    cells = [("code", "lab"), ("code", "exercise", "predict"), ("code", "check"), ("markdown",)]
    chapter.write_text(a_notebook(*cells))
    copies.copy_chapters(course / "notebooks", course / "my_notebooks")
    for copy in (course / "my_notebooks" / chapter.name, launch.copy_fresh(course, "02")):
        outputs = [cell["outputs"] for cell in json.loads(copy.read_text())["cells"]]
        assert outputs == [[["lab"]], [["exercise", "predict"]], [], [[]]]
    assert chapter.read_text() == a_notebook(*cells)


def test_a_lecturers_copy_keeps_its_pictures(course, monkeypatch):
    chapter = course / "notebooks" / "02_chain_rule.ipynb"
    chapter.write_text(a_notebook(("code", "predict"), ("code", "lab")))
    monkeypatch.setattr(launch, "start", lambda command, env: 0)
    assert launch.main(["lecture", "--chapter", "02"], course) == 0
    assert (course / "my_notebooks" / chapter.name).read_text() == chapter.read_text()


@pytest.mark.parametrize("chapter", ["2", "02", "02_chain_rule", "02_chain_rule.ipynb"])
def test_a_chapter_is_found_by_number_or_name(course, chapter):
    assert launch.find_chapter(course, chapter).name == "02_chain_rule.ipynb"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lab", "--chapter", "77"], "There is no chapter '77': there are 00, 01, 02."),
        (["fresh"], "Say which chapter"),
    ],
)
def test_a_mistake_is_one_sentence(course, capsys, arguments, said):
    assert launch.main(arguments, course) == 2
    assert said in capsys.readouterr().err


def test_a_mistake_makes_no_folder(course):
    launch.main(["lab", "--chapter", "77"], course)
    assert sorted(path.name for path in course.iterdir()) == ["notebooks"]


@pytest.fixture
def read_only(course, monkeypatch):
    """A folder in which nothing can be made, whoever asks: root is refused nothing by its mode."""

    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(launch.Path, "mkdir", refuse)
    return course


@pytest.mark.parametrize("action", [["lab"], ["lecture"], ["fresh", "--chapter", "02"]])
def test_a_course_that_cannot_be_written_to_is_one_sentence(read_only, capsys, action):
    assert launch.main(action, read_only) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "-m vglib FOLDER" in said


def test_who_has_no_home_is_given_one(course, monkeypatch):
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    (course / "file").write_text("no folder")
    monkeypatch.setenv("HOME", str(course / "file" / "home"))
    given = {"A": "b", "HOME": str(course / ".jupyter" / "home")}
    assert launch.with_a_home({"A": "b"}, course) == given
    monkeypatch.setenv("HOME", str(course / "home"))
    assert launch.with_a_home({"A": "b"}, course) == {"A": "b"}

    def nameless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(launch, "jupyter_runtime_dir", nameless)
    assert launch.with_a_home({"A": "b"}, course) == given


def test_nothing_built_is_said(tmp_path, capsys):
    assert launch.main(["lab"], tmp_path) == 2
    assert "make build" in capsys.readouterr().err


def test_the_lab_leaves_the_users_settings_in_place(course):
    environ = {"JUPYTER_CONFIG_PATH": "/theirs", "JUPYTERLAB_SETTINGS_DIR": "/their/settings"}
    command, env = launch.compose("lab", course, "00_start_here.ipynb", 9999, False, environ)
    assert env["JUPYTERLAB_SETTINGS_DIR"] == "/their/settings"
    assert env["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(course / "jupyter"), "/theirs"]
    assert f"--ServerApp.root_dir={course / 'my_notebooks'}" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert "--no-browser" in command


def test_kernels_compute_on_one_thread_unless_the_user_says_otherwise(course):
    _, env = launch.compose("lab", course, "x.ipynb", None, False, {})
    assert env["OMP_NUM_THREADS"] == "1"
    _, env = launch.compose("lab", course, "x.ipynb", None, False, {"OMP_NUM_THREADS": "8"})
    assert env["OMP_NUM_THREADS"] == "8"


def test_a_lecture_keeps_its_settings_to_itself(course):
    command, env = launch.compose("lecture", course, "02_chain_rule.ipynb", None, True, {})
    extensions = course / "jupyter" / "lecture" / "labextensions"
    assert f"--LabApp.extra_labextensions_path={extensions}" in command
    assert env["JUPYTERLAB_SETTINGS_DIR"].startswith(str(course / ".jupyter"))
    assert env["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0] == str(course / "jupyter" / "lecture")


def test_a_lecture_starts_in_the_deck_with_large_type_and_keeps_the_lecturers_choice(course):
    own = course / ".jupyter" / "lecture" / "settings"
    (own / launch.DECK_SETTINGS).parent.mkdir(parents=True)
    (own / launch.DECK_SETTINGS).write_text('{"active": false}')
    launch.prepare_lecture(course)
    assert not (own / launch.DECK_SETTINGS).exists()
    theme = own / launch.THEME_SETTINGS
    assert json.loads(theme.read_text())["overrides"]["content-font-size1"]
    theme.write_text('{"theme": "JupyterLab Dark"}')
    launch.prepare_lecture(course)
    assert json.loads(theme.read_text()) == {"theme": "JupyterLab Dark"}


def test_jupyterlabs_defaults_ask_nothing_of_the_network():
    path = launch.ROOT / "jupyter" / "labconfig" / "default_setting_overrides.json"
    notification = json.loads(path.read_text())["@jupyterlab/apputils-extension:notification"]
    assert notification == {"fetchNews": "false", "checkForUpdates": False}
