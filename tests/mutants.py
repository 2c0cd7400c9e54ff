"""Mutants of the exercises' references: each a slip that a learner could make.

`python -m tests.mutants` prints for each exercise how many of them its cases catch, and which they
let pass. A mutant that gives what the reference gives wherever the exercise may ask is none.
"""

import ast
import copy
import inspect
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tools import discover
from vglib import exercise as core
from vglib.exercise import FunctionExercise

# Round numbers, on which comparisons turn.
ROUND = (0, 1, 2, 3, 4, 5, 8, 10, 16, 100, -1, -2, 0.5, 0.25, 0.1, 0.01, 1.0, 2.0, 4.0, 10.0, 100.0)
SAMPLES = 300
TWINS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
NAMES = {"min": "max", "max": "min", "all": "any", "any": "all", "ceil": "floor", "sin": "cos"}


def changes(node: ast.AST, own: set[str]) -> Iterator[ast.AST]:
    """Yield what a node may be mistaken for; `own` are the function's own names."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number = node.value
        around = (number + 1, number - 1) if isinstance(number, int) else (1.1 * number + 0.1,)
        yield from (ast.Constant(value) for value in around)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for twin in TWINS.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [twin()], node.comparators)
    if isinstance(node, ast.BinOp):
        for twin in TWINS.get(type(node.op), ()):
            yield ast.BinOp(node.left, twin(), node.right)
        yield ast.BinOp(node.right, node.op, node.left)
        yield from (node.left, node.right)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in own:
        for call in ("abs({})", "max({}, 0)", "min({}, 1)", "{} ** 2", "{} + 1", "{} - 1"):
            yield ast.parse(call.format(node.id), mode="eval").body
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(TWINS[type(node.op)][0](), node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name == "range":
            for step in (1, -1):
                last = ast.BinOp(node.args[-1], ast.Add(), ast.Constant(step))
                yield ast.Call(node.func, [*node.args[:-1], last], node.keywords)
        elif len(node.args) >= 2:
            first, second, *rest = node.args
            yield ast.Call(node.func, [second, first, *rest], node.keywords)
        if name in NAMES:
            func = copy.deepcopy(node.func)
            setattr(func, "id" if isinstance(func, ast.Name) else "attr", NAMES[name])
            yield ast.Call(func, node.args, node.keywords)
        if name == "ceil":
            yield ast.parse(f"int({say(node.args[0])}) + 1", mode="eval").body
        if name in ("sqrt", "abs", "log", "exp", "tanh"):
            yield from node.args[:1]
    if isinstance(node, ast.arguments) and len(node.args) >= 2:
        first, second, *others = node.args
        yield ast.arguments(**{**vars(node), "args": [second, first, *others]})


def source_of(function: Callable[..., Any]) -> tuple[ast.AST, str]:
    """Return the syntax tree of a function, a lambda included, and the file that it stands in."""
    code = inspect.unwrap(function).__code__
    kind = ast.Lambda if code.co_name == "<lambda>" else ast.FunctionDef
    for node in ast.walk(ast.parse(Path(code.co_filename).read_text(encoding="utf-8"))):
        first = min([d.lineno for d in getattr(node, "decorator_list", [])], default=None)
        if isinstance(node, kind) and (first or node.lineno) == code.co_firstlineno:
            return node, code.co_filename
    raise LookupError(f"{function} has no source.")


def mutants(function: Callable[..., Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each mutant of a function, with a word on what was changed."""
    whole, file = source_of(function)
    whole = copy.deepcopy(whole)
    whole.decorator_list = []
    own = {a.arg for a in ast.walk(whole) if isinstance(a, ast.arg)}
    names = [n for n in ast.walk(whole) if isinstance(n, ast.Name)]
    own |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    parents = [(p, f, v) for p in ast.walk(whole) for f, v in ast.iter_fields(p)]
    for parent, field, value in parents:
        if field in ("annotation", "returns", "decorator_list", "defaults", "kw_defaults"):
            continue
        for place, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or (isinstance(node, ast.Expr) and is_text(node)):
                continue
            for changed in changes(node, own):
                before = value[place] if isinstance(value, list) else value
                put(parent, field, place, changed)
                text = f"line {getattr(node, 'lineno', 0)}: {say(node)} -> {say(changed)}"
                made = copy.deepcopy(whole)
                put(parent, field, place, before)
                yield text, compiled(made, file, inspect.unwrap(function).__globals__)


def is_text(node: ast.Expr) -> bool:
    """Say whether a statement is a docstring."""
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def put(parent: ast.AST, field: str, place: int, node: ast.AST) -> None:
    """Put a node into its parent's field, or into that list's place."""
    value = getattr(parent, field)
    if isinstance(value, list):
        value[place] = node
    else:
        setattr(parent, field, node)


def say(node: ast.AST) -> str:
    """Write a node as source."""
    return ast.unparse(node)


def compiled(node: ast.AST, file: str, names: dict[str, Any]) -> Callable[..., Any]:
    """Make a function of a tree, with the names that the original sees."""
    made: ast.stmt
    if isinstance(node, ast.FunctionDef):
        node.name = "mutant"
        made = node
    else:
        made = ast.Assign([ast.Name("mutant", ast.Store())], node)  # type: ignore[arg-type]
    module = ast.fix_missing_locations(ast.Module([made], []))
    seen = dict(names)
    exec(compile(module, file, "exec"), seen)
    return seen["mutant"]


def sample(exercise: FunctionExercise) -> list[tuple[Any, ...]]:
    """Draw cases from all over an exercise's domain: its own, more of its kind, and round ones."""
    rng = np.random.default_rng(7)
    cases = exercise.all_cases()
    if exercise.random:
        drawn = [exercise.random(rng) for _ in range(SAMPLES)]
        cases += [case if isinstance(case, tuple) else (case,) for case in drawn]
    made = []
    for _ in range(4 * SAMPLES):
        case = cases[rng.integers(len(cases))]
        made.append(tuple(rounded(value, rng) if rng.random() < 0.7 else value for value in case))
    return [*cases, *(case for case in made if exercise._allowed(case))]


def rounded(value: Any, rng: np.random.Generator) -> Any:
    """Put a round number, or an array of them, in a value's place; text and flags stay."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        chosen = [x for x in ROUND if isinstance(x, int) or isinstance(value, float)]
        return type(value)(chosen[rng.integers(len(chosen))])
    numbers = core._numbers(value)
    if numbers is None or numbers.dtype.kind not in "fi":
        return value
    drawn = rng.choice((-2.0, -1.0, 0.0, 0.5, 1.0, 2.0), size=numbers.shape)
    return core._like(value, drawn.astype(numbers.dtype))


def complaints(
    exercise: FunctionExercise, mutant: Callable[..., Any], cases: list[Any]
) -> Iterator[str]:
    """Yield the kind of complaint that a mutant gets in each case, or nothing."""
    with np.errstate(all="ignore"), core._watching(exercise.seconds) as watch:
        for case in cases:
            found = exercise._complaint(mutant, watch, case)
            yield found.kind if found else ""


def differs(exercise: FunctionExercise, mutant: Callable[..., Any], cases: list[Any]) -> bool:
    """Say whether a mutant gives something else than the reference somewhere."""
    # Not by its time: on a busy machine any call may be slow.
    return any(kind in ("none", "wrong") for kind in complaints(exercise, mutant, cases))


def survey(exercise: FunctionExercise) -> tuple[int, list[str]]:
    """Return how many mutants differ somewhere in the domain, and those that are not caught."""
    own, cases, differing, survivors = exercise.all_cases(), sample(exercise), 0, []
    quick = FunctionExercise(**{**vars(exercise), "seconds": 0.5})
    for text, mutant in mutants(exercise.reference):
        kinds = list(takewhile(lambda kind: kind in ("", "raised"), complaints(quick, mutant, own)))
        # One that cannot run at all is no answer that a learner would hand in.
        if kinds == ["raised"] * len(own):
            continue
        if len(kinds) < len(own) or "raised" in kinds:
            differing += 1
        elif differs(quick, mutant, cases):
            differing += 1
            survivors.append(text)
    return differing, survivors


def exercises() -> dict[str, FunctionExercise]:
    """Return every function exercise of the course, by "chapter.name"."""
    return {
        f"{chapter}.{name}": value
        for chapter in discover.chapters()
        if (module := discover.part(chapter, "check")) is not None
        for name, value in vars(module).items()
        if isinstance(value, FunctionExercise)
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    for place, one in exercises().items():
        differing, survivors = survey(one)
        caught = differing - len(survivors)
        share = caught / differing if differing else 1
        print(f"| {place} | {differing} | {caught} | {share:.0%} |", flush=True)
        for text in survivors:
            print("    ", text)
