"""Answers that learners may give, over all chapters: right in a form of their own, or wrong.

Each chapter's own right and wrong answers stand in its tests/<chapter>/answers.py.
"""

import math
from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from tests.mutants import exercises, survey
from tools import discover
from vglib.exercise import Exercise, FunctionExercise


def exercise(place: str) -> Exercise:
    chapter, name = place.split(".")
    return getattr(discover.part(chapter, "check"), name)


class Word(StrEnum):
    SHRINKS, GROWS, STAYS = "vanishes", "explodes", "holds"


def word(first: float, last: float) -> str:
    ratio = first / last
    return "vanishes" if ratio < 0.01 else "explodes" if ratio > 100 else "holds"


def recursive(r: float, depth: int) -> float:
    return 1 if depth == 1 else r * recursive(r, depth - 1)


def soft(goal: float, a: float, strength: float) -> float:
    return math.copysign(max(abs(goal) - strength / a, 0), goal)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def tanh_pair(z: float) -> tuple[float, float]:
    a = sigmoid(2 * z)
    return 2 * a - 1, 4 * a * (1 - a)


def count(largest: float, first: float, growth: float) -> int:
    layer = 1
    while first <= largest:
        layer, first = layer + 1, first * growth
    return layer


def cured(accuracy: dict, broken: dict, bar: float) -> list[str]:
    return sorted(name for name, a in accuracy.items() if a >= bar and not broken[name])


def warm(step: int, peak: float, warm: int, total: int) -> float:
    if step < warm:
        return peak * (step + 1) / warm
    return 0.5 * peak * (1 + math.cos(math.pi * (step - warm) / (total - warm)))


def clip(g: np.ndarray, c: float) -> np.ndarray:
    return g * min(1, c / max(np.linalg.norm(g), 1e-300))


# Right, in a form of its own.
RIGHT: list[tuple[str, Any]] = [
    ("start_here.guess", "c "),
    ("start_here.share", recursive),
    ("start_here.share", lambda r, depth: math.prod([r] * (depth - 1))),
    ("start_here.share", lambda r, depth: np.float64(r) ** (depth - 1)),
    ("start_here.share", lambda r, depth: torch.tensor(r, dtype=torch.float64) ** (depth - 1)),
    ("start_here.share", lambda r, depth: Fraction(r) ** (depth - 1)),
    ("start_here.share", lambda r, depth: math.exp((depth - 1) * math.log(r))),
    ("start_here.verdict", lambda a, b: np.str_(word(a, b))),
    ("start_here.verdict", lambda a, b: Word(word(a, b))),
    ("start_here.verdict", lambda a, b: np.array(word(a, b))),
    ("start_here.verdict", lambda a, b: f" {word(a, b).upper()} "),
    ("concept.largest_step", lambda a: np.float32(1 / a)),
    ("concept.largest_step", lambda a: torch.tensor(1 / a).item()),
    ("concept.largest_step", lambda a: Fraction(1) / Fraction(a)),
    ("concept.largest_step", lambda a: np.array([1 / a])),
    ("concept.per_layer", lambda s: np.exp(np.log(s[0] / s[-1]) / (len(s) - 1))),
    ("concept.moved", lambda a, b: torch.norm(torch.tensor(b - a)) / torch.norm(torch.tensor(a))),
    ("chain_rule.factor", lambda w, a, b: w * sigmoid(w * a + b) * sigmoid(-w * a - b)),
    ("chain_rule.width", 120),
    ("chain_rule.width", np.int64(105)),
    ("chain_rule.width", Fraction(105)),
    ("chain_rule.layer_delta", lambda w, d, s: (d @ w * s).tolist()),
    ("chain_rule.layer_delta", lambda w, d, s: torch.tensor(w.T @ d * s)),
    ("sigmoid.tanh_pair", lambda z: np.array(tanh_pair(z))),
    ("sigmoid.tanh_pair", lambda z: torch.stack([torch.tensor(x) for x in tanh_pair(z)])),
    ("sigmoid.tanh_pair", lambda z: list(tanh_pair(z))),
    ("sigmoid.largest_step", lambda m, v, n: np.float32(2) / np.float32(v + n * m**2)),
    ("relu_family.leaky_gain", lambda a: torch.nn.init.calculate_gain("leaky_relu", a)),
    ("relu_family.inner", lambda w, d, h: torch.einsum("oi,bo,bi->", w, d, h)),
    ("relu_family.dead", lambda z: (z.max(0).values <= 0).sum()),
    ("relu_family.dead", lambda z: sum(all(x <= 0 for x in column) for column in z.T.tolist())),
    ("relu_family.born_dead", lambda n, layers: 1 - (1 - Fraction(1, 2**n)) ** layers),
    ("initialization.he_bound", lambda n: math.sqrt(3) * math.sqrt(2 / n)),
    (
        "initialization.delta_kernel",
        lambda q, k: (q[..., None, None] * np.pad([[1]], k // 2)).tolist(),
    ),
    ("initialization.dropout_gain", lambda p: np.float32(math.sqrt(2 * p)).item()),
    ("initialization.layers_until", count),
    ("initialization.layers_until", lambda *case: float(count(*case))),
    ("initialization.layers_until", lambda *case: torch.tensor(count(*case))),
    ("residuals.branch_scale", lambda n, growth: math.sqrt(math.expm1(math.log(growth) / n))),
    ("residuals.carried", 3e-6),
    ("residuals.same_change", lambda lr, a, b, p: lr * math.exp((2 * p - 1) * math.log(b / a))),
    ("lstm.direct_path", lambda g: [*np.cumprod(g[::-1])[::-1].tolist(), 1]),
    ("lstm.direct_path", lambda g: np.append(np.cumprod(g[::-1])[::-1], 1)),
    ("lstm.direct_path", lambda g: tuple(math.prod(g[t:]) for t in range(len(g) + 1))),
    ("lstm.bias_for", lambda share, n: math.log(share ** (1 / n) / (1 - share ** (1 / n)))),
    ("lstm.combine", lambda a1, b1, a2, b2: np.array([a1 * a2, a2 * b1 + b2])),
    ("clipping.clip", lambda g, c: clip(g, c).tolist()),
    ("clipping.clip", lambda g, c: torch.tensor(clip(g, c))),
    ("clipping.clip_whole", lambda n, c: np.array(n) * min(1, c / math.dist(n, [0] * len(n)))),
    ("clipping.clip_whole", lambda n, c: tuple(x * min(1, c / math.hypot(*n)) for x in n)),
    ("clipping.soft", soft),
    ("other_remedies.terms", 2**20),
    ("other_remedies.terms", Fraction(2**20)),
    ("other_remedies.growing", lambda lr, cs: Fraction(sum(abs(1 - lr * c) > 1 for c in cs))),
    ("other_remedies.growing", lambda lr, cs: (np.abs(1 - lr * np.array(cs)) > 1).sum()),
    ("other_remedies.warm_cosine", lambda *case: np.float32(warm(*case))),
    ("other_remedies.cured", cured),
    ("other_remedies.cured", lambda *case: tuple(cured(*case))),
    ("other_remedies.cured", lambda *case: np.array(cured(*case))),
    ("other_remedies.cured", lambda *case: [np.str_(name) for name in cured(*case)]),
    ("other_remedies.after_jump", lambda k, b, c: np.float32((1 - b**k) / (1 - c**k) ** 0.5)),
]
# Wrong, at an edge or by a slip.
WRONG: list[tuple[str, Any]] = [
    ("start_here.share", lambda r, depth: r**depth),
    *[
        ("start_here.share", lambda r, depth, n=n: r ** (depth - 1) if depth != n else 0.0)
        for n in (1, 3, 7, 12, 20)
    ],
    ("start_here.verdict", lambda a, b: "vanishes" if a / b <= 1 / 100 else word(a, b)),
    ("start_here.verdict", lambda a, b: "vanishes" if a / b < 1 / 11 else word(a, b)),
    ("start_here.verdict", lambda a, b: "explodes" if a / b >= 100 else word(a, b)),
    ("start_here.verdict", lambda a, b: "vanishes" if a < 1e-10 else word(a, b)),
    ("start_here.verdict", lambda a, b: word(b, a)),
    ("start_here.verdict", lambda a, b: "it vanishes"),
    ("concept.largest_step", lambda a: 1 / (2 * a)),
    ("concept.largest_step", lambda a: 2 / a),
    ("concept.per_layer", lambda s: (s[0] / s[-1]) ** (1 / len(s))),
    ("concept.per_layer", lambda s: s[0] / s[1]),
    ("concept.moved", lambda a, b: np.linalg.norm(b - a) / np.linalg.norm(b)),
    ("chain_rule.factor", lambda w, a, b: sigmoid(w * a + b) * sigmoid(-w * a - b)),
    ("chain_rule.factor", lambda w, a, b: abs(w) * sigmoid(w * a + b) * sigmoid(-w * a - b)),
    ("chain_rule.width", 16),
    ("chain_rule.width", 130),
    ("chain_rule.layer_delta", lambda w, d, s: w.T @ d),
    ("chain_rule.layer_delta", lambda w, d, s: np.maximum(s, 0) * (w.T @ d)),
    ("sigmoid.tanh_pair", lambda z: tanh_pair(z)[::-1]),
    ("sigmoid.tanh_pair", lambda z: tanh_pair(abs(z))),
    ("sigmoid.tanh_pair", lambda z: (*tanh_pair(z), 0)),
    ("sigmoid.largest_step", lambda m, v, n: 2 / (v + n * max(m, 0) ** 2)),
    ("sigmoid.largest_step", lambda m, v, n: 0 if m < 0 else 2 / (v + n * m**2)),
    ("sigmoid.largest_step", lambda m, v, n: 2 / (v + m**2)),
    ("relu_family.leaky_gain", lambda a: math.sqrt(2 / (1 + abs(a)))),
    ("relu_family.dead", lambda z: int((z < 0).all(0).sum())),
    ("relu_family.dead", lambda z: int((z <= 0).all(1).sum())),
    ("relu_family.born_dead", lambda n, layers: 1 - (1 - 0.5**n) ** (layers - 1)),
    ("initialization.he_bound", lambda n: math.sqrt(2 / n)),
    ("initialization.delta_kernel", lambda q, k: q[..., None, None] * np.ones((k, k))),
    ("initialization.layers_until", lambda big, x, k: 1 + math.ceil(math.log(big / x, k))),
    ("initialization.layers_until", lambda *case: count(*case) - 1),
    ("residuals.branch_scale", lambda n, growth: math.sqrt((growth - 1) / n)),
    ("residuals.skip_back", lambda w, d, s, alpha: d + s * (w.T @ d)),
    ("residuals.carried", 3e-5),
    ("residuals.same_change", lambda lr, a, b, p: lr * (b / a) ** (p - 1)),
    ("lstm.direct_path", lambda g: [math.prod(g[t + 1 :]) for t in range(len(g))]),
    ("lstm.bias_for", lambda share, n: math.log(share ** (1 / n))),
    ("lstm.combine", lambda a1, b1, a2, b2: (a2 * b1 + b2, a1 * a2)),
    ("clipping.clip", lambda g, c: np.clip(g, -c, c)),
    ("clipping.clip", lambda g, c: g * c / np.linalg.norm(g)),
    ("clipping.clip_whole", lambda n, c: [min(x, c) for x in n]),
    *[
        ("clipping.soft", lambda goal, a, s, of=of: math.copysign(max(abs(goal) - of(s), 0), goal))
        for of in (lambda s: s, lambda s: s**2, lambda s: min(s, 1))
    ],
    ("clipping.soft", lambda goal, a, s: goal - s / a),
    ("other_remedies.terms", 2**84),
    ("other_remedies.growing", lambda lr, cs: sum(1 - lr * c < -1 for c in cs)),
    ("other_remedies.warm_cosine", lambda step, peak, warm_, total: warm(step, 1.0, warm_, total)),
    ("other_remedies.cured", lambda accuracy, broken, bar: cured(accuracy, broken, 0.8)),
    (
        "other_remedies.cured",
        lambda accuracy, broken, bar: sorted(
            name
            for (name, a), b in zip(accuracy.items(), broken.values(), strict=True)
            if a >= bar and b == 0
        ),
    ),
    ("other_remedies.cured", lambda accuracy, broken, bar: sorted(accuracy)),
    ("other_remedies.after_jump", lambda k, b, c: (1 - b**k) / max(1 - c**k, 1e-3) ** 0.5 / b),
]


@pytest.mark.parametrize(("place", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_right(place, answer):
    result = exercise(place)(answer)
    assert result.status == "right", result


@pytest.mark.parametrize(("place", "answer"), WRONG)
def test_an_answer_that_is_wrong_somewhere_is_wrong(place, answer):
    result = exercise(place)(answer)
    assert result.status == "wrong", result


def test_2_to_the_84_gets_its_own_hint():
    assert "closed form" in exercise("other_remedies.terms")(2**84).message


FORMS: dict[str, Callable[[Any], Any]] = {
    "float32": lambda x: np.asarray(x, np.float32) if np.ndim(x) else np.float32(x),
    "tensor": lambda x: torch.as_tensor(np.asarray(x, dtype=float)),
    "list": lambda x: np.asarray(x, dtype=float).tolist(),
    "array of objects": lambda x: np.asarray(x, dtype=object),
}


def gives_numbers(one: FunctionExercise) -> bool:
    """Say whether a reference gives numbers of one shape, not words and not several results."""
    result = one.reference(*one.case(0))
    return not isinstance(result, tuple) and np.asarray(result).dtype.kind in "iuf"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", [p for p, one in exercises().items() if gives_numbers(one)])
def test_a_reference_is_right_in_any_form(place, form):
    one = exercise(place)
    result = one(lambda *case: FORMS[form](one.reference(*case)))
    assert result.status == "right", result


# Mutants that a chapter's cases let pass, and why they may.
LET_PASS: dict[str, str] = {}


@pytest.mark.parametrize("place", exercises())
def test_an_exercise_catches_the_mutants_of_its_reference(place):
    differing, survivors = survey(exercises()[place])
    assert differing >= 3
    assert {text for text in survivors if f"{place}: {text}" not in LET_PASS} == set()
    assert len(survivors) <= 0.05 * differing
