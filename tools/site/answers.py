"""Exercises that a page can judge: choices and numbers, in the words of their own checks."""

import ast
import json
from html import escape
from types import ModuleType
from typing import Any

from vglib.exercise import ChoiceExercise, Exercise, NumberExercise


def asked(source: str, check: ModuleType | None) -> list[ChoiceExercise | NumberExercise]:
    """Return the exercises that a cell checks, if a page can judge all of them; else none."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = [
        call.func.attr
        for call in calls
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "check"
    ]
    checks = [getattr(check, name, None) for name in names]
    found = [e for e in checks if isinstance(e, ChoiceExercise | NumberExercise)]
    return found if len(found) == len(checks) else []


def form(exercise: Exercise, name: str) -> str:
    """Return a form that asks for an answer and says what the check says; `name` is its own."""
    if isinstance(exercise, ChoiceExercise):
        asks = "".join(
            f'<label><input type="radio" name="{name}" value="{escape(str(option))}"> '
            f"{escape(str(option))}</label>"
            for option in exercise.why
        )
        judge: Any = {str(option): repr(exercise(option)) for option in exercise.why}
    elif isinstance(exercise, NumberExercise):
        asks = f'<label>{escape(exercise.name)} <input type="text" inputmode="decimal"></label>'
        judge = _number(exercise)
    else:
        raise TypeError(f"No page can judge {exercise!r}.")
    return (
        f"<form class=\"answer\" data-judge='{escape(json.dumps(judge), quote=True)}'>"
        f"<fieldset><legend>{escape(exercise.task)}</legend>{asks}"
        '<button type="submit">Check</button></fieldset><p role="status"></p></form>'
    )


def _number(exercise: NumberExercise) -> dict[str, Any]:
    wanted = exercise.expected() if callable(exercise.expected) else exercise.expected
    # A hint for what only a function can tell stays with the chapter.
    near = [[float(v), hint] for v, hint in exercise.near.items() if not callable(v)]
    return {
        "expected": float(wanted),
        "rtol": exercise.rtol,
        "atol": exercise.atol,
        "right": repr(exercise(wanted)),
        "near": near,
        "hint": exercise.hint,
    }
