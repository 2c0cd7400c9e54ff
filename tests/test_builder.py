"""The builder, on tiny chapters in a folder of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tools import browser, build_notebooks
from tools.build_notebooks import STARTS, BuildError, build, check, main
from tools.launch import until_predicted
from tools.lint_notebooks import MAX_BYTES, PLOTLY, WIDGET_VIEW, lint, lint_file
from tools.source import (
    EDITIONS,
    ChapterInfo,
    SourceError,
    chapter_info,
    edition_notebook,
    edition_source,
    read_chapter,
)

HEADER = """\
# %% [markdown] slideshow={"slide_type": "slide"}
# # 02 · The chain rule
#
# *What multiplies a gradient, layer after layer?*
#
# **Time** 40 minutes
# **You will do** little. **You will learn** less. **You need** nothing.

"""
BODY = """\
# %% tags=["setup"]
import sys

# %% tags=["exercise"] jupyter={"source_hidden": true}
def twice(x: float) -> float:
    # BEGIN SOLUTION
    # STUB return x
    return 2 * x
    # END SOLUTION

# %% tags=["check", "nbval-check-output"]
# the same in both editions
print(twice(0))

# %%
from IPython.display import HTML, Latex, Markdown, display

display(Markdown("**m**"), Latex("$l$"), HTML("<table><tr><td>1</td></tr></table>"))
display({"text/plain": "Lab: vanishes", "text/html": "<b>Lab</b>", "image/png": "aGk="}, raw=True)
view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
display({**view, "text/plain": "Slider()"}, raw=True)
display({**view, "text/plain": "  0%|          | 0/3 [00:00<?, ?it/s]"}, raw=True)

# %%
from tqdm import tqdm
print("before")
for _ in tqdm(range(3)):
    pass
print("after")

# %% tags=["raises-exception"]
1 / 0
"""
CHAPTER = HEADER + BODY


def write(root: Path, text: str = CHAPTER, name: str = "02_chain_rule.py") -> Path:
    path = root / "chapters" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def published(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "notebooks").rglob("*"))
        if path.is_file()
    }


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose one chapter is built; tests that change it copy it first."""
    root = tmp_path_factory.mktemp("built")
    build(root, [write(root)])
    return root


@pytest.fixture
def course(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "course")


def test_chapter_info(tmp_path: Path) -> None:
    question = "What multiplies a gradient, layer after layer?"
    assert chapter_info(write(tmp_path)) == ChapterInfo(2, "The chain rule", 40, question)


CODE = '\n# %% tags=["exercise"]\n'
SOLUTION = "# BEGIN SOLUTION\n1\n# END SOLUTION\n"


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        (HEADER + CODE + "# BEGIN SOLUTION\n1\n", "# BEGIN", "never closed"),
        (HEADER + CODE + "# BEGIN SOLUTION\n" + SOLUTION, "# BEGIN SOLUTION\n1", "already open"),
        (HEADER + CODE + SOLUTION + "# END SOLUTION\n", "", "stands outside a solution"),
        (HEADER + CODE + "# STUB 2\n" + SOLUTION, "# STUB", "stands outside a solution"),
        (HEADER + CODE + "# Begin solution\n1\n", "# Begin", "is it misspelt?"),
        (HEADER + CODE + "1\n", CODE[1:], "marks no solution"),
        (HEADER + "# %%\n" + SOLUTION, "# BEGIN", "belongs in a code cell with the tag"),
        (HEADER + '# %% tags=["exercize"]\n1\n', "# %% tags", "tag 'exercize' is not known"),
        (
            HEADER + '# %% tags="check"\n1\n',
            "# %% tags",
            "option is malformed: 'check' is not of type",
        ),
        (HEADER + "# %% tags=[check]\n1\n", "# %% tags", "is not valid JSON"),
        (HEADER + '# %% slide="slide"\n1\n', "# %% slide", "no option 'slide'"),
        (CHAPTER.replace('"slide"}', '"slides"}'), "# %%", "one slide_type of: fragment"),
        (CHAPTER.replace('_hidden": true', '_hidden": 1.5'), '# %% tags=["exer', "source_hidden"),
        (HEADER + "# %% [md]\n# text\n", "# %% [md]", "write [markdown] instead of [md]"),
        (HEADER + "# %% [raw]\n# text\n", "# %% [raw]", "neither code nor markdown"),
        (HEADER + "#%%\n1\n", "#%%", "starts with `# %%`"),
        (HEADER + "# %%\n\n# %%\n1\n", "# %%\n\n", "the cell is empty"),
        (HEADER + "# %%\n" + "1\n" * 16, "# %%\n1", "16 lines in the learner edition"),
        (HEADER + CODE + "1\n" * 15 + SOLUTION, CODE[1:], "16 lines in the learner edition"),
        (HEADER + '# %%\ns = """\n# %%\n"""\n', "# %%", "looks like the start of a cell"),
        ("import os\n" + CHAPTER, "import", "must open with its first cell"),
        ("", "", "must open with its first cell"),
        (BODY, "# %%", "opens with `# 02 · Title`"),
        (CHAPTER.replace("# 02 ·", "# 03 ·"), "# %%", "opens with `# 02 · Title`"),
        (CHAPTER.replace("**Time** 40 minutes", ""), "# %%", "no line with **Time**"),
        (CHAPTER.replace("40 minutes", "an hour"), "# %%", "needs a number of minutes"),
        (CHAPTER.replace("**You need**", "You need"), "# %%", "no line with **You need**"),
    ],
)
def test_a_malformed_source_is_one_sentence_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, part: str, message: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SourceError) as caught:
        read_chapter(path)
    line = line_of(text, part) if part else max(text.count("\n"), 1)
    assert str(caught.value).startswith(f"chapters/02_chain_rule.py:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    for arguments in ([], ["--check"]):
        assert main(arguments, root=tmp_path) == 2
        assert capsys.readouterr().err == f"{caught.value}\n"


def test_a_badly_named_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"chapters/chain\.py:1: .*named like 02_chain_rule\.py"):
        read_chapter(write(tmp_path, name="chain.py"))


def test_editions_of_a_cell() -> None:
    source = (
        "def f(x):\n"
        "    # BEGIN SOLUTION\n"
        "    y = x\n"
        "    # END SOLUTION\n"
        "    # BEGIN SOLUTION\n"
        "    # STUB if x:\n"
        "    # STUB     return 0\n"
        "    return y\n"
        "    # END SOLUTION\n"
        "f(1)"
    )
    learner = "def f(x):\n    ...\n    if x:\n        return 0\nf(1)"
    assert edition_source(source, "learner") == learner
    assert edition_source(source, "solutions") == "def f(x):\n    y = x\n    return y\nf(1)"


def test_a_learners_notebook_holds_no_solution(built: Path) -> None:
    texts = {name: data.decode() for name, data in published(built).items()}
    assert set(texts) == {
        "notebooks/02_chain_rule.ipynb",
        "notebooks/solutions/02_chain_rule.ipynb",
    }
    for name, text in texts.items():
        assert ("2 * x" in text) == ("solutions/" in name)
        assert "SOLUTION" not in text
        assert "STUB" not in text


def test_an_inserted_cell_leaves_the_other_ids_alone(tmp_path: Path) -> None:
    twins = CHAPTER + "\n# %%\n1\n\n# %%\n1\n"
    before = edition_notebook(read_chapter(write(tmp_path, twins)), "learner")
    inserted = twins.replace('# %% tags=["exercise"]', '# %%\nnew = 1\n\n# %% tags=["exercise"]')
    after = edition_notebook(read_chapter(write(tmp_path, inserted)), "learner")
    ids = [cell.id for cell in before.cells]
    assert len(set(ids)) == len(ids)
    kept = [cell.id for cell in after.cells if cell.source != "new = 1"]
    assert kept == ids
    assert len(after.cells) == len(ids) + 1


def test_what_is_stored(built: Path) -> None:
    notebook = nbformat.read(built / "notebooks/02_chain_rule.ipynb", as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    assert [c.execution_count for c in notebook.cells[1:]] == [1, 2, 3, 4, 5, 6]
    exercise, display, bars, raising = (notebook.cells[i] for i in (2, 4, 5, 6))
    assert exercise.metadata == {"tags": ["exercise"], "jupyter": {"source_hidden": True}}
    assert [sorted(output.data) for output in display.outputs] == [
        ["text/markdown", "text/plain"],
        ["text/latex", "text/plain"],
        ["text/html", "text/plain"],
        ["image/png", "text/plain"],
        ["text/plain"],
    ]
    assert [(o.name, o.text) for o in bars.outputs] == [("stdout", "before\nafter\n")]
    assert raising.outputs[0].ename == "ZeroDivisionError"


def test_cells_that_check_are_locked_in_a_learners_copy_too(built: Path) -> None:
    published = (built / "notebooks/02_chain_rule.ipynb").read_bytes()
    for text in (published, until_predicted(published)):
        cells = nbformat.reads(text.decode(), as_version=4).cells
        locked = [(c.metadata.get("editable"), c.metadata.get("deletable")) for c in cells]
        assert locked == [(False, False) if "twice(0)" in c.source else (None, None) for c in cells]


def test_built_twice_is_identical(course: Path) -> None:
    before = published(course)
    assert main(["2"], root=course) == 0
    assert published(course) == before
    assert not list((course / "build").rglob("*.ipynb"))


def test_a_fresh_course_passes_the_check_in_a_moment(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    assert main(["--check"], root=built) == 0
    assert time.perf_counter() - start < 5
    assert capsys.readouterr().out == "The notebooks are fresh and clean.\n"


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        ("import sys", "import os", ["cell 2: the source is"] * 2),
        ("return 2 * x", "return x + x", ["solutions/02_chain_rule.ipynb: cell 3: the source is"]),
        ('tags=["setup"]', 'tags=["lab"]', ["cell 2: the metadata is"] * 2),
        ('\n# %% tags=["raises-exception"]\n1 / 0\n', "", ["has 7 cells and its chapter 6"] * 2),
    ],
)
def test_check_finds_a_changed_source(course: Path, old: str, new: str, faults: list[str]) -> None:
    write(course, CHAPTER.replace(old, new))
    found = check(course)
    assert len(found) == len(faults)
    assert all(part in line for part, line in zip(faults, found, strict=True))
    assert main(["--check"], root=course) == 1


def test_check_finds_a_changed_missing_or_orphaned_notebook(course: Path) -> None:
    path = course / "notebooks/02_chain_rule.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["id"] = "other"
    path.write_text(json.dumps(notebook))
    (course / "notebooks/solutions/02_chain_rule.ipynb").unlink()
    shutil.copy(path, course / "notebooks/03_gone.ipynb")
    assert check(course) == [
        "notebooks/02_chain_rule.ipynb: cell 2: the id is not the chapter's; run `make build`.",
        "notebooks/solutions/02_chain_rule.ipynb: is missing; run `make build`.",
        "notebooks/03_gone.ipynb: belongs to no chapter; delete it.",
    ]
    path.write_text("{")
    assert "notebooks/02_chain_rule.ipynb: is not a notebook that can be read" in check(course)[0]


def stream(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data=data)


def test_clean_outputs_have_no_fault() -> None:
    text = "1/2/3 and/or https://example.org/a/b d/dx vglib/theory.py ~ 3"
    outputs = [stream(text), shown(**{"text/html": "<i>a</i> <b>/</b>", "image/png": "/tmp/aaaa"})]
    cell = nbformat.v4.new_code_cell("1", outputs=outputs, execution_count=1)
    assert lint(nbformat.v4.new_notebook(cells=[cell]), "n") == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"execution_count": 2}, "the execution count is 2, not 1"),
        ({"execution_count": None}, "the execution count is None, not 1"),
        ({"metadata": {"tags": ["excercise"]}}, "the tag 'excercise' is not known"),
        ({"metadata": {"tags": ["check"]}}, "a cell is locked"),
        ({"metadata": {"tags": ["check"], "editable": False}}, "a cell is locked"),
        ({"metadata": {"deletable": False}}, "a cell is locked"),
        ({"source": "1\n" * 15 + "1"}, "the code has 16 lines, and 15 is the most"),
        ({"outputs": [stream("careful", "stderr")]}, "writes to stderr: careful"),
        ({"outputs": [shown(**{WIDGET_VIEW: "", "text/plain": ""})]}, "view of a widget"),
        ({"outputs": [shown(**{PLOTLY: ""})]}, "a plotly figure instead of a picture"),
        ({"outputs": [shown()]}, "neither text nor a picture"),
        ({"outputs": [stream("<f at 0x7f1234567890>")]}, "a memory address (at 0x7f1234567890)"),
        *(
            ({"outputs": [stream(f"in {path}!")]}, "names a path of one machine")
            for path in (
                "/home/ada",
                "/root/course/x.py",
                "/tmp/",
                "/opt/course/x.py",
                "~/course/x.py",
                "C:\\Users",
                "lib/site-packages",
            )
        ),
    ],
)
def test_lint_finds_a_planted_fault(change: dict[str, object], fault: str) -> None:
    cell = nbformat.v4.new_code_cell(**{"source": "1", "execution_count": 1} | change)
    text = nbformat.v4.new_markdown_cell("text")
    (found,) = lint(nbformat.v4.new_notebook(cells=[text, cell]), "notebooks/x.ipynb")
    assert found.startswith("notebooks/x.ipynb: cell 2: ")
    assert fault in found


def test_lint_finds_an_error_only_where_none_is_expected() -> None:
    trace = ["File \x1b[32m/opt/course/x.py\x1b[0m"]
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=trace)
    cell = nbformat.v4.new_code_cell("f()", execution_count=1, outputs=[error])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert "an error (ValueError: no)" in lint(notebook, "n")[0]
    cell.metadata.tags = ["raises-exception"]
    assert lint(notebook, "n") == [
        "n: cell 1: the output names a path of one machine (/opt/course/x.py)."
    ]


def test_lint_finds_a_fault_of_the_whole_notebook(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"widgets": {}})
    assert lint(notebook, "n") == ["n: the metadata hold the state of widgets."]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("a")])
    notebook.cells[0].id = "a b"
    assert "n: is not a valid notebook" in lint(notebook, "n")[0]
    path = tmp_path / "big.ipynb"
    cells = [nbformat.v4.new_markdown_cell("a" * MAX_BYTES)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert lint_file(path, "n") == ["n: the file has 1.0 MB, and 1 is the most."]


def test_a_failing_cell_stops_the_build_and_leaves_the_notebooks(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = published(course)
    text = CHAPTER.replace("import sys", "x = 1\nassert x == 2, 'not two'")
    write(course, text)
    assert main([], root=course) == 1
    error = capsys.readouterr().err
    line = line_of(text, '# %% tags=["setup"]')
    assert f"chapters/02_chain_rule.py:{line}: cell 2 of the " in error
    assert "edition failed: x = 1\n" in error
    assert "AssertionError: not two" in error
    assert "\x1b[3" not in error
    assert published(course) == before


def test_a_fault_of_the_outputs_in_one_edition_stops_both(course: Path) -> None:
    before = published(course)
    loud = "import warnings\n    warnings.warn('careful')\n    return 2 * x"
    path = write(course, CHAPTER.replace("return 2 * x", loud))
    with pytest.raises(BuildError, match=r"solutions edition\): cell 4: .* writes to stderr"):
        build(course, [path])
    assert published(course) == before


ENDS_AT_ONCE = """\
import os, pathlib, sys
left = pathlib.Path(__file__).with_name("left")
if "ipykernel_launcher" in sys.orig_argv and (starts := int(left.read_text())):
    left.write_text(str(starts - 1))
    os._exit(1)
"""


@pytest.mark.parametrize("starts", [STARTS - 1, 2 * STARTS])
def test_a_kernel_that_ends_before_it_answers_is_started_again(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ENDS_AT_ONCE)
    (tmp_path / "left").write_text(str(starts))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = published(course)
    source = course / "chapters" / "02_chain_rule.py"
    if starts < STARTS:
        build(course, [source], jobs=1)
    else:
        with pytest.raises(BuildError, match="ended 3 times before it answered: run"):
            build(course, [source], jobs=1)
    assert published(course) == before


def test_a_build_killed_half_way_leaves_the_notebooks(course: Path, tmp_path: Path) -> None:
    before = published(course)
    mark = tmp_path / "started"
    slow = f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(60)"
    path = write(course, CHAPTER.replace("import sys", slow))
    draft = course / "build/notebooks/02_chain_rule.learner.ipynb"
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text("half a notebook")
    code = (
        "import sys; from pathlib import Path; from tools.build_notebooks import build;"
        "build(Path(sys.argv[1]), [Path(sys.argv[2])])"
    )
    command = [sys.executable, "-c", code, str(course), str(path)]
    process = subprocess.Popen(command, cwd=build_notebooks.ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert mark.exists()
    os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    assert published(course) == before
    assert not draft.exists()  # what an earlier killed build left is gone


def test_a_build_without_a_browser_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    assert main([], root=tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "notebooks").exists()


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_no_chapter_or_an_unknown_one_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments, root=tmp_path) == 2
    assert capsys.readouterr().err == "There is no chapter in chapters/ to build.\n"
    write(tmp_path)
    assert main([*arguments, "07"], root=tmp_path) == 2
    assert "There is no chapter '07'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["2", "02", "02_chain_rule", "chapters/02_chain_rule.py"])
def test_a_chapter_goes_by_number_name_or_path(tmp_path: Path, name: str) -> None:
    path = write(tmp_path)
    write(tmp_path, name="12_beyond.py")
    assert build_notebooks.chapter_paths(tmp_path, [name]) == [path]
    assert len(build_notebooks.chapter_paths(tmp_path)) == 2


def test_each_edition_is_known() -> None:
    assert EDITIONS == ("learner", "solutions")


def test_a_lecturers_remark_is_set_apart(tmp_path: Path) -> None:
    notes = '\n# %% [markdown] slideshow={"slide_type": "notes"}\n# Two minutes.\n#\n# Ask first.\n'
    chapter = read_chapter(write(tmp_path, HEADER + notes))
    cell = edition_notebook(chapter, "learner").cells[-1]
    assert cell.source == "> **For the lecturer.** Two minutes.\n> \n> Ask first."
