"""A reader's copies of the chapters are theirs, wherever they and the package lie."""

import json
import os
import shlex

import pytest

from vglib.course import copies


@pytest.fixture
def notebooks(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in ("00_start_here", "01_concept", "02_chain_rule"):
        (folder / f"{name}.ipynb").write_text(f"published {name}")
    return folder


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "my_notebooks"


def test_each_chapter_is_copied_once(notebooks, mine):
    assert len(copies.copy_chapters(notebooks, mine)) == 3
    (mine / "01_concept.ipynb").write_text("my answer")
    (notebooks / "01_concept.ipynb").write_text("a new version")
    assert copies.copy_chapters(notebooks, mine) == []
    assert (mine / "01_concept.ipynb").read_text() == "my answer"


def test_a_copy_that_fails_half_way_leaves_nothing(notebooks, mine, monkeypatch):
    def break_off(target, text):
        with target.open("wb") as part:
            part.write(text[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(copies.Path, "write_bytes", break_off)
    with pytest.raises(KeyboardInterrupt):
        copies.copy_chapters(notebooks, mine)
    assert list(mine.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}', '{"cells": [1]}'])
def test_a_file_that_is_no_notebook_is_copied_as_it_is(text):
    assert copies.until_predicted(text.encode()) == text.encode()


def test_a_checkout_has_its_chapters_beside_the_package():
    names = [path.name for path in copies.published().glob("*.ipynb")]
    assert "00_start_here.ipynb" in names


def test_a_package_that_brings_chapters_uses_its_own(tmp_path):
    (tmp_path / "vglib" / "course" / "notebooks").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    here = tmp_path / "vglib" / "course"
    assert copies.published(here) == here / "notebooks"


def test_the_command_copies_and_says_how_to_open(tmp_path, capsys):
    folder = tmp_path / "Kurs für alle"
    assert copies.main([str(folder)]) == 0
    said = capsys.readouterr().out
    (command,) = (line for line in said.splitlines() if "jupyterlab" in line)
    *_, notebook = shlex.split(command)
    assert notebook == str(folder / "00_start_here.ipynb")
    cells = json.loads((folder / "02_chain_rule.ipynb").read_text(encoding="utf-8"))["cells"]
    predicted = [n for n, c in enumerate(cells) if "predict" in c["metadata"].get("tags", [])]
    assert not any(cell.get("outputs") for cell in cells[predicted[0] + 1 :])

    (folder / "01_concept.ipynb").write_text("mine")
    (folder / "00_start_here.ipynb").unlink()
    assert copies.main([str(folder)]) == 0
    assert "1 chapter copied" in capsys.readouterr().out
    assert (folder / "01_concept.ipynb").read_text() == "mine"


def test_without_jupyterlab_another_jupyter_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "find_spec", lambda name: None)
    assert copies.how_to_open(tmp_path / "00.ipynb") == "Open it with your Jupyter, 00.ipynb first."


def test_the_folder_of_the_command_is_ones_own_choice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert copies.main([]) == 0
    assert (tmp_path / "my_notebooks" / "00_start_here.ipynb").is_file()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert copies.main(["~/course"]) == 0
    assert (tmp_path / "course" / "00_start_here.ipynb").is_file()


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("a file, no folder")
    assert copies.main([str(tmp_path / "file" / "course")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be written to" in said
    assert (tmp_path / "file").read_text() == "a file, no folder"


def test_a_full_disk_is_one_sentence(mine, monkeypatch, capsys):
    def full(target, text):
        raise OSError(28, os.strerror(28), str(target))

    monkeypatch.setattr(copies.Path, "write_bytes", full)
    assert copies.main([str(mine)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(mine.iterdir()) == []


def test_a_package_without_chapters_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(copies, "published", lambda: tmp_path)
    assert copies.main([str(tmp_path / "mine")]) == 2
    assert "No chapters" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
