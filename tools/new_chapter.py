"""Make a new chapter: `python -m tools.new_chapter 14 name [--title "A title"] [--no-build]`.

It is the small example of `chapter_template/`, which works, for its author to rewrite: a lab, a
claim, an exercise, their tests, a row in two tables, the notebooks. All of it is made, or nothing.
"""

import argparse
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from keyword import iskeyword
from pathlib import Path

from tools.build_notebooks import notebook_path
from tools.source import EDITIONS, SourceError, chapter_info

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("chapter_template")
TABLES = ("README.md", "chapters/00_start_here.py")
NAME = re.compile(r"(?!.{31})[a-z][a-z0-9]*(_[a-z0-9]+)*")  # a longer one would break lines


class Refusal(Exception):
    """What cannot be made, told in one sentence."""


def check_request(root: Path, number: str, name: str, title: str) -> None:
    """Raise Refusal where the number, the name or the title is none, or is taken."""
    if not re.fullmatch(r"[0-9]{1,2}", number):
        raise Refusal(f"The number is {number!r}; it must be a whole number from 0 to 99.")
    if not NAME.fullmatch(name) or iskeyword(name):
        raise Refusal(
            f"The name {name!r} cannot be a chapter's: take up to 30 small letters, digits and "
            "single _, like batch_norm, and no word of Python's own."
        )
    if not title or not title.isprintable() or "|" in title:
        raise Refusal(f"The title {title!r} does not fit a table; write one line without |.")
    for path in root.glob(f"chapters/{int(number):02}_*.py"):
        raise Refusal(f"The number {number} is taken by chapters/{path.name}; choose another.")
    homes = [f"{folder}/{name}{end}" for folder in ("vglib", "tests") for end in ("", ".py")]
    for path in (p for h in (f"chapters/[0-9][0-9]_{name}.py", *homes) for p in root.glob(h)):
        raise Refusal(f"The name {name!r} is taken by {path.relative_to(root)}; choose another.")


def files(number: int, name: str, title: str) -> dict[str, str]:
    """Return the text of each file of the example, by its path below the root."""
    values = {"number": f"{number:02}", "plain_number": str(number), "title": title}
    values |= {"name": name, "kebab_name": name.replace("_", "-")}
    made = {}
    for template in sorted(TEMPLATE.rglob("*.txt")):
        path = template.relative_to(TEMPLATE).with_suffix("").as_posix()
        path = path.replace("NN_name", f"{number:02}_{name}").replace("/name/", f"/{name}/")
        text = template.read_text(encoding="utf-8")
        text = re.sub(r"\{\{(\w+)\}\}", lambda mark: values[mark[1]], text)
        # Where the chapter's own module stands among the imports depends on the chapter's name.
        imports = r"(?m)(^from vglib.*\n)+"
        made[path] = re.sub(imports, lambda m: "".join(sorted(m[0].splitlines(True))), text)
    return made


def add_row(page: Path, row: str) -> None:
    """Put a row at its place in a page's table of chapters; Refusal where it has no table."""
    lines = page.read_text(encoding="utf-8").split("\n")
    rows = [at for at, line in enumerate(lines) if re.match(r"(# )?\| \d\d \| ", line)]
    if not rows:
        raise Refusal(f"{page.name} has no table of chapters to put a row into.")
    line = "# " + row if lines[rows[0]].startswith("#") else row
    later = [at for at in rows if lines[at] > line]
    lines.insert(later[0] if later else rows[-1] + 1, line)
    _write(page, "\n".join(lines))


def _drop_row(page: Path, row: str) -> None:
    # Not the page as it was before: somebody may have written on it since then.
    text = page.read_text(encoding="utf-8")
    _write(page, re.sub(rf"(?m)^(# )?{re.escape(row)}\n", "", text))


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)  # no page is ever half written
    finally:
        part.unlink(missing_ok=True)


def make(root: Path, number: str, name: str, title: str, build: bool) -> list[str]:
    """Make the whole chapter or, where a step fails, nothing; return its files. Raises Refusal."""
    check_request(root, number, name, title)
    made = files(int(number), name, title)
    chapter = root / f"chapters/{int(number):02}_{name}.py"
    with ExitStack() as undo:
        for folder in ("vglib", "tests"):
            undo.callback(shutil.rmtree, root / folder / name, ignore_errors=True)
        undo.callback(chapter.unlink, missing_ok=True)
        for path, text in made.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            _write(root / path, text)
        info = chapter_info(chapter)
        question = info.question[0].lower() + info.question[1:]
        row = f"| {info.number:02} | {info.title} | {question} | {info.minutes} |"
        for page in (root / table for table in TABLES):
            undo.callback(_drop_row, page, row)
            add_row(page, row)
        if build:
            _build(root, (root / TABLES[-1], chapter), undo)
        undo.pop_all()
    return list(made)


def _build(root: Path, chapters: tuple[Path, ...], undo: ExitStack) -> None:
    for path in (notebook_path(root, c, edition) for c in chapters for edition in EDITIONS):
        if path.exists():
            undo.callback(path.write_bytes, path.read_bytes())
        else:
            undo.callback(path.unlink, missing_ok=True)
    # A process of its own, as a builder that is stopped ends its process.
    command = [sys.executable, "-m", "tools.build_notebooks", *(path.stem for path in chapters)]
    if subprocess.run(command, cwd=root).returncode:
        raise Refusal("No notebooks could be built, so nothing was made; --no-build goes without.")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Do what the command line asks; return 0, or 2 where nothing was made."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_chapter", description=__doc__)
    parser.add_argument("number", help="from 0 to 99, like 14")
    parser.add_argument("name", help="of its folders, like batch_norm")
    parser.add_argument("--title", help="default: the name in words")
    parser.add_argument("--no-build", action="store_true", help="leave the notebooks to make build")
    options = parser.parse_args(arguments)
    title = options.name.replace("_", " ").capitalize() if options.title is None else options.title
    try:
        made = make(root, options.number, options.name, title.strip(), not options.no_build)
    except (Refusal, SourceError, OSError, KeyboardInterrupt) as error:
        print(str(error) or "Stopped, so nothing was made.", file=sys.stderr)
        return 2
    print("Made, for you to rewrite:", *made, f"a row in {' and in '.join(TABLES)}", sep="\n  ")
    goal = "build CHAPTER='00 {}'" if options.no_build else "lab CHAPTER={}"
    print("Next: make", goal.format(options.number))
    return 0


if __name__ == "__main__":
    sys.exit(main())
