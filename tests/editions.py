"""What of a chapter's solutions has to run, where the learner's edition has run whole.

The two editions share most cells. One that they share does the same in both unless it reads a name
that an answer gives a value. So of the solutions these run: the cells that only they have, those
that read what these bind, and those before them that bind what they read. Not seen: what a
method changes (`rows.append(2)`), and an answer that a function defined before it calls.
"""

import ast
import symtable

from nbformat import NotebookNode


def only_what_differs(learner: NotebookNode, solutions: NotebookNode) -> NotebookNode:
    """Return the solutions without the code cells that do here what they do for the learner."""
    shared = {cell.source for cell in learner.cells if cell.cell_type == "code"}
    code = [cell for cell in solutions.cells if cell.cell_type == "code"]
    known = [names(cell.source) for cell in code]
    changed: set[str] = set()
    differs = []
    for cell, (bound, read) in zip(code, known, strict=True):
        differs.append(cell.source not in shared or bool(read & changed))
        changed = changed | bound if differs[-1] else changed - bound
    wanted: set[str] = set()
    kept = []
    for cell, (bound, read), own in zip(code[::-1], known[::-1], differs[::-1], strict=True):
        if own or bound & wanted:
            kept.insert(0, cell)
            wanted = (wanted - bound) | read
    return NotebookNode(solutions | {"cells": kept})


def names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell binds or fills for later cells, and those that it reads."""
    top = symtable.symtable(source, "cell", "exec").get_symbols()
    nodes = list(ast.walk(ast.parse(source)))
    assert not any(isinstance(n, ast.alias) and n.name == "*" for n in nodes), source
    parts = [n for n in nodes if isinstance(n, ast.Attribute | ast.Subscript)]
    filled = {_whole(n) for n in parts if not isinstance(n.ctx, ast.Load)}
    filled |= {name for n in nodes if isinstance(n, ast.Global) for name in n.names}
    filled |= {n.target.id for n in nodes if isinstance(n, ast.NamedExpr)}
    bound = {s.get_name() for s in top if s.is_assigned() or s.is_imported()}
    increased = {ast.unparse(n.target) for n in nodes if isinstance(n, ast.AugAssign)}
    used = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    return bound | filled, increased | {name.id for name in used}


def _whole(part: ast.expr) -> str:
    """Return the name of what `net[0].bias` is a part of."""
    while isinstance(part, ast.Attribute | ast.Subscript):
        part = part.value
    return ast.unparse(part)
