"""Which cells of a notebook its checks need: those that define what the answers use."""

import ast
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# What IPython reads before Python does: a line of its own, or the first one of a cell.
_MAGIC_LINE = re.compile(r"(?m)^([ \t]*)(?:[%!?].*|[\w.]+\?{1,2}[ \t]*)$")
_OTHER_LANGUAGE = re.compile(r"\s*%%(?!time\b|timeit\b|capture\b)")
# In a cell that is no Python: what it was to define.
_MEANT = re.compile(r"(?m)^(?:async def|def|class)?[ \t]*(\w+)[ \t]*[=(:]")
_AT_ONCE = frozenset({"listcomp", "setcomp", "dictcomp", "genexpr"})
_END = 10**9


@dataclass(frozen=True)
class Cell:
    """A code cell: its number among all cells, from 1, its code, and the names in it.

    It `binds` or `changes` names, `uses` names when it runs, and in its functions `later`, when
    they are called. `imports` gives what it imports by its whole name, and the name that it gets;
    `calls` are its calls `name.attribute()`.
    """

    number: int
    source: str
    binds: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    imports: tuple[tuple[str, str], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()

    @property
    def first_line(self) -> str:
        """The first line that says something, as messages quote it."""
        lines = (line.strip() for line in self.source.split("\n"))
        found = next((line for line in lines if line not in ("", "pass") and line[0] != "#"), "")
        return found if len(found) <= 60 else f"{found[:57]}..."


def cell(number: int, source: str) -> Cell:
    """Read a code cell; one that is no Python is kept, with the names that it meant to define."""
    source = _without_magic(source)
    try:
        tree = ast.parse(source)
        table = symtable.symtable(source, "cell", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Cell(number, source, binds=frozenset(_MEANT.findall(source)))
    symbols = table.get_symbols()
    imports = tuple(_imports(tree))
    at_once, later = {s.get_name() for s in symbols if s.is_referenced()}, set[str]()
    at_once |= set(_augmented(tree))  # which `symtable` has among the assigned alone
    for child in table.get_children():
        runs_now = child.get_type() == "class" or child.get_name() in _AT_ONCE
        (at_once if runs_now else later).update(_globals(child))
    return Cell(
        number,
        source,
        frozenset(s.get_name() for s in symbols if s.is_assigned()) | {to for _, to in imports},
        frozenset(_changed(tree)),
        frozenset(at_once),
        frozenset(later),
        imports,
        tuple(_calls(tree)),
    )


def needed(cells: Sequence[Cell], checks: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Return what is to run, checks and what they need, and those checks that had to be moved.

    A name comes from the last cell before that binds it, and from what changes it after that. A
    check that stands above the cell of its answer is moved to the end.
    """
    imported = {to for c in cells for _, to in c.imports}
    moved = [c for c in checks if _stands_above_its_answer(cells, c)]
    wanted = {c.number: c for c in cells if c in checks or "*" in c.binds}
    todo = [(name, _END if c in moved else c.number) for c in checks for name in c.uses | c.later]
    seen = set()
    while todo:
        name, before = todo.pop()
        givers = _givers(cells, name, before)
        if (name, before) in seen or not givers:
            continue
        seen.add((name, before))
        last = givers[-1]
        changing = [c for c in cells if last.number < c.number < before and name in c.changes]
        for giver in [last, *(changing if name not in imported else [])]:
            wanted[giver.number] = giver
            todo += [(n, giver.number) for n in giver.uses | giver.later]
            todo += [(n, before) for n in giver.later]
    stay = [wanted[number] for number in sorted(wanted) if wanted[number] not in moved]
    return stay + moved, moved


def _stands_above_its_answer(cells: Sequence[Cell], check: Cell) -> bool:
    names = check.uses - check.binds
    return any(
        _givers(cells, name, _END) and not _givers(cells, name, check.number) for name in names
    )


def _givers(cells: Sequence[Cell], name: str, before: int) -> list[Cell]:
    return [c for c in cells if c.number < before and name in c.binds]


def _without_magic(source: str) -> str:
    try:
        ast.parse(source)
    except SyntaxError:
        return "" if _OTHER_LANGUAGE.match(source) else _MAGIC_LINE.sub(r"\1pass", source)
    except (ValueError, RecursionError, MemoryError):
        pass
    return source


def _globals(table: symtable.SymbolTable) -> set[str]:
    """Return the names of the notebook that a function or class reads, itself or further in."""
    own = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return own.union(*map(_globals, table.get_children()))


def _changed(tree: ast.AST) -> Iterator[str]:
    """Name what `x[0] = 1`, `x.y = 1` and a lone `x.append(1)` change."""
    for node in ast.walk(tree):
        stored = isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(
            node.ctx, ast.Load
        )
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            node = node.value.func
            stored = isinstance(node, ast.Attribute)
        while stored and isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        if stored and isinstance(node, ast.Name):
            yield node.id


def _augmented(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{a.name}", a.asname or a.name) for a in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, a.asname or a.name.split(".")[0]) for a in node.names)


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name):
                yield owner.id, node.func.attr
