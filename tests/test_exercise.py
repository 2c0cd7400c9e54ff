import math
import re
import threading
from asyncio import CancelledError
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, Result


def factor(w: float, z: float) -> float:
    s = 1 / (1 + math.exp(-z))
    return w * s * (1 - s)


FACTOR = FunctionExercise(
    "factor",
    "return w s'(z).",
    reference=factor,
    cases=[(2.0, 0.5), (1.0, 0.0), (-3.0, 4.0)],
    random=lambda rng: tuple(rng.normal(size=2)),
    hint="Is w there?",
    praise="one factor of the chain.",
)
SOFTMAX = FunctionExercise(
    "softmax",
    "return the softmax of z.",
    reference=lambda z: torch.softmax(torch.as_tensor(z), 0),
    cases=[torch.tensor([0.0, 0.0]).double(), torch.tensor([1.5, -0.25, 3.125]).double()],
    random=lambda rng: (torch.as_tensor(rng.normal(size=7)),),
)
PEAK = NumberExercise(
    "peak",
    "give the maximum of s'.",
    expected=lambda: 0.25,
    near={0.5: "That is s(0), not s'(0).", lambda a: a < 0: "s' is positive."},
    hint="Where is s' largest?",
)
FLAW = ChoiceExercise(
    "flaw",
    "name the line with the flaw.",
    correct=2,
    why={1: "true for every x.", 2: "|w| < 1 is not certain.", "C": "follows from line 2."},
)
ALL = (FACTOR, SOFTMAX, PEAK, FLAW)


def raising(error: BaseException):
    def f(*args):
        raise error

    return f


class Evil:
    def __repr__(self):
        raise ValueError("no repr")

    def __eq__(self, other):
        raise ValueError("no eq")

    __hash__ = None

    def __float__(self):
        raise ValueError("no float")

    def __array__(self, *args, **kwargs):
        raise ValueError("no array")

    def __bool__(self):
        raise ValueError("no bool")


class Own(BaseException):
    pass


class EvilError(Exception):
    def __str__(self):
        raise ValueError("no str")


def endless() -> list:
    a: list = []
    a += [a, a]
    return a


GARBAGE = [
    "text",
    "",
    b"bytes",
    True,
    math.nan,
    math.inf,
    10**400,
    1j,
    [],
    [1, [2, 3]],
    endless(),
    {},
    {1: 2},
    {1, 2},
    int,
    print,
    len,
    Evil(),
    Evil,
    object(),
    torch.nn.Linear(2, 2),
    torch.ones(2, 3, requires_grad=True),
    torch.ones(0),
    torch.ones(3).to_sparse(),
    torch.ones(3, device="meta"),
    torch.ones(2, dtype=torch.complex64),
    np.array(["a"]),
    np.array([None, 1], dtype=object),
    np.ones((2, 2, 2)),
    np.float32("nan"),
    Ellipsis,
    None,
]
CALLABLES = [
    *(lambda *args, g=g: g for g in GARBAGE),
    lambda: 1,
    lambda w: w,
    lambda a, b, c: a,
    lambda *, k: k,
    lambda *args: args[0] / 0,
    lambda *args: endless_recursion(),
    lambda *args: (yield 1),
    raising(SystemExit(1)),
    raising(EvilError()),
    raising(ValueError("two\nlines")),
    raising(AssertionError()),
]


def endless_recursion():
    return endless_recursion()


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
@pytest.mark.parametrize("answer", [*GARBAGE, *CALLABLES], ids=lambda a: type(a).__name__)
def test_garbage_never_raises_and_is_never_right(exercise, answer):
    result = exercise(answer)
    assert result.status in ("not attempted", "wrong")
    assert repr(result)[0] in "○✗"
    assert "\n" not in repr(result)
    assert "0x" not in repr(result)
    assert "could not be checked" not in repr(result) or isinstance(answer, Evil)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(answer=anything)
def test_random_garbage_never_raises(answer):
    for exercise in ALL:
        assert exercise(answer).status in ("not attempted", "wrong", "right")
        for function in (lambda *args: answer, lambda x: answer):
            result = exercise(function)
            assert result.status in ("not attempted", "wrong")


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
@pytest.mark.parametrize("stub", [None, ...])
def test_a_stub_is_not_attempted(exercise, stub):
    assert repr(exercise(stub)) == f"○ not attempted: {exercise.task}"
    assert exercise() == exercise(None) == Result("not attempted", exercise.task)


@pytest.mark.parametrize("exercise", [FACTOR, SOFTMAX], ids=lambda e: e.name)
def test_a_stub_function_is_not_attempted(exercise):
    for stub in (lambda *a: None, lambda *a: ..., raising(NotImplementedError("todo"))):
        assert exercise(stub).status == "not attempted"


def test_a_function_that_does_some_cases_is_attempted():
    result = FACTOR(lambda w, z: factor(w, z) if z == 0 else None)
    assert result.status == "wrong"
    assert "gave no value" in result.message


@pytest.mark.parametrize("exercise", [FACTOR, SOFTMAX], ids=lambda e: e.name)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: y,
        torch.as_tensor,
        np.asarray,
        lambda y: torch.as_tensor(y).float(),
        lambda y: np.asarray(y).tolist(),
        lambda y: torch.as_tensor(y).clone().requires_grad_(),
    ],
)
def test_the_reference_is_right_in_any_clothes(exercise, wrap):
    result = exercise(lambda *args: wrap(exercise.reference(*args)))
    assert repr(result) == f"✓ {exercise.praise}"


@settings(deadline=None)
@given(
    scale=st.floats(-3, 3).filter(lambda x: abs(x - 1) > 1e-3),
    shift=st.sampled_from([0.0, 1e-3, -2.0]),
)
def test_a_perturbed_reference_is_wrong_by_a_true_counterexample(scale, shift):
    def answer(w, z):
        return scale * factor(w, z) + shift

    message = FACTOR(answer).message
    number = r"([-+.\de]+)"
    found = re.match(
        rf"factor\(w={number}, z={number}\) gave {number}, expected {number}\.", message
    )
    assert found, message
    w, z, gave, expected = map(float, found.groups())
    assert gave == pytest.approx(answer(w, z), rel=1e-3)
    assert expected == pytest.approx(factor(w, z), rel=1e-3)
    assert gave != expected
    assert message.endswith("Is w there?")


def test_the_counterexample_is_the_simplest():
    assert "factor(w=2.0, z=0.5) gave 0.235, expected 0.47." in repr(
        FACTOR(lambda w, z: factor(1, z))
    )
    assert "factor(w=1.0, z=0.0) gave 0.5" in repr(FACTOR(lambda w, z: w / (1 + math.exp(-z))))


def test_a_random_counterexample_is_rounded_while_it_fails():
    exercise = FunctionExercise(
        "f", "t", reference=lambda x: x, random=lambda rng: rng.uniform(0.6, 0.9)
    )
    assert repr(exercise(lambda x: x + 1)).startswith("✗ f(x=1.0) gave 2, expected 1.")
    exact = repr(exercise(lambda x: x if len(repr(x)) < 6 else 0.0))
    x = float(re.search(r"x=([\d.]+)", exact)[1])
    assert len(repr(x)) > 10


def test_shrinking_stays_in_the_domain():
    kind = {"reference": lambda p: math.log(p / (1 - p)), "random": lambda rng: rng.uniform(0.6, 1)}
    free = FunctionExercise("f", "t", **kind)
    assert "f(p=0." in repr(free(lambda p: 7.0))
    bound = FunctionExercise("f", "t", domain=lambda p: 0.55 < p < 0.95, **kind)
    p = float(re.search(r"p=([\d.]+)", repr(bound(lambda p: 7.0)))[1])
    assert 0.55 < p < 0.95


def test_arrays_shrink_by_rows_and_digits():
    exercise = FunctionExercise(
        "mean_square",
        "t",
        reference=lambda x, y: ((x - y) ** 2).mean(),
        random=lambda rng: (rng.normal(size=(50,)), rng.normal(size=(50,))),
    )
    text = repr(exercise(lambda x, y: ((x - y) ** 2).sum()))
    pair = r"np\.array\(\[[^,]+, [^,]+\]\)"
    assert re.match(rf"✗ mean_square\(x={pair}, y={pair}\) gave", text), text


def test_large_arrays_are_described_and_the_first_difference_is_placed():
    exercise = FunctionExercise(
        "f", "t", reference=lambda x: x * 2, cases=[np.ones((3, 4))], domain=lambda x: len(x) == 3
    )

    def answer(x):
        y = x * 2
        y[2, 1] = 5
        return y

    ones = "[1.0, 1.0, 1.0, 1.0]"
    assert repr(exercise(answer)) == (
        f"✗ f(x=np.array([{ones}, {ones}, {ones}])) gave 5 at [2, 1], expected 2."
    )
    assert "gave shape (4, 3), expected shape (3, 4)" in repr(exercise(lambda x: 2 * x.T))


def test_what_is_said_of_functions_that_cannot_be_right():
    assert repr(FACTOR("w")) == "✗ factor must be a function, not the text 'w'."
    assert "(1.0, 0.0) cannot be called: the function must take (w, z)." in repr(
        FACTOR(lambda w: w)
    )
    assert "gave the text 'a', expected a number" in repr(FACTOR(lambda w, z: "a"))
    assert "gave nan, expected 0.25" in repr(FACTOR(lambda w, z: math.nan))
    assert "gave inf, expected 0.25" in repr(FACTOR(lambda w, z: math.inf))


def test_a_crash_shows_its_line_and_not_the_hint():
    def answer(w, z):
        return w / (z - z)

    assert repr(FACTOR(answer)) == (
        "✗ factor(w=1.0, z=0.0) raised ZeroDivisionError: float division by zero "
        "in `return w / (z - z)`."
    )


def test_a_forgotten_return_is_named():
    def answer(w, z):
        factor(w, z)

    assert repr(FACTOR(answer)) == (
        "✗ factor(w=1.0, z=0.0) gave no value: is there a `return` on every way through it?"
    )

    def stub(w: float, z: float) -> float:
        """Return w s'(z)."""
        ...

    assert FACTOR(stub).status == "not attempted"


@pytest.mark.parametrize("catch", [(), (Exception,), (BaseException,)])
def test_an_answer_that_does_not_end_is_stopped_and_named(catch):
    exercise = FunctionExercise(
        "layers", "t", reference=lambda n: 2 * n, cases=[1, 8], seconds=0.1, hint="Count."
    )

    def answer(n):
        size = 2
        while size > n:
            with suppress(*catch):
                size *= 2 if size < 100 else 1
        return 2 * n

    assert repr(exercise(answer)) == ("✗ layers(n=1) was stopped after 0.1 seconds: does it end?")
    assert exercise(lambda n: 2 * n).status == "right"
    assert threading.active_count() < 10


class Leaving:
    def __repr__(self):
        raise SystemExit


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), CancelledError(), Own("no")]
)
def test_whatever_an_answer_raises_the_notebook_goes_on(error):
    assert f"raised {type(error).__name__}" in repr(FACTOR(raising(error)))
    for exercise in ALL:
        assert exercise(Leaving()).status == "wrong"
        assert exercise(lambda *a: Leaving()).status == "wrong"


def rebuilt(text: str, function):
    """Paste a counterexample: what the function gives for it."""
    call = re.match(r"✗ (f\(.*\)) gave", text)[1]
    return eval(call, {"f": function, "np": np, "torch": torch})


@pytest.mark.parametrize(
    "argument",
    [
        0.1 + 0.2,
        [1.5, -2.0],
        "sigmoid",
        True,
        np.array([[0.5, 1.0], [2.0, math.inf]]),
        torch.tensor([0.5, 1.0], dtype=torch.float64),
        torch.tensor([1, 2]),
    ],
)
def test_a_counterexample_can_be_pasted_and_run(argument):
    seen = []

    def answer(x):
        seen.append(x)
        return -1.0

    exercise = FunctionExercise("f", "t", reference=lambda x: 1.0, cases=[(argument,)])
    text = repr(exercise(answer))
    given = seen[-1]
    assert rebuilt(text, answer) == -1
    assert type(seen[-1]) is type(given)
    assert np.array_equal(np.asarray(seen[-1]), np.asarray(given))


def test_a_counterexample_too_large_to_write_is_named_by_its_number():
    def twice(x: np.ndarray) -> np.ndarray:
        return 2 * x

    exercise = FunctionExercise(
        "f", "t", reference=twice, cases=[np.ones((9, 9))], domain=lambda x: x.shape == (9, 9)
    )
    text = repr(exercise(lambda x: x))
    assert text == "✗ f(*check.f.case(0)) gave 1 at [0, 0], expected 2."
    assert np.array_equal(exercise.case(0)[0], np.ones((9, 9)))


def test_an_answer_with_names_of_its_own_is_called_without_names():
    assert "factor(2.0, 0.5) gave 0.235" in repr(FACTOR(lambda weight, s: factor(1, s)))


class Word(StrEnum):
    SHRINKS = "Vanishes"


@pytest.mark.parametrize(
    "text", ["Vanishes", " vanishes ", np.str_("vanishes"), np.array("vanishes"), Word.SHRINKS]
)
def test_text_of_any_type_is_read(text):
    word = FunctionExercise("f", "t", reference=lambda x: "vanishes", cases=[1.0])
    assert word(lambda x: text).status == "right"
    choice = ChoiceExercise("c", "t", correct="vanishes", why={"vanishes": ""})
    assert choice(text).status == "right"


@pytest.mark.parametrize(
    "clothe",
    [int, Fraction, Decimal, float, np.float64, torch.tensor, lambda x: np.array(x, object)],
)
def test_numbers_of_any_kind_are_read(clothe):
    power = FunctionExercise("f", "t", reference=lambda n: 2.0**n, cases=[84, 3])
    assert power(
        lambda n: clothe(2**n) if n < 60 or clothe is not torch.tensor else 2.0**n
    ).status == ("right")
    assert power(lambda n: clothe(2**n + n)).status == "wrong"
    assert NumberExercise("n", "t", expected=2.0**84)(clothe(2.0**84)).status == "right"


@pytest.mark.parametrize("give", [tuple, list, np.array, torch.tensor])
def test_several_results_may_come_in_any_row(give):
    two = FunctionExercise("f", "t", reference=lambda x: (x, 2 * x), cases=[1.5, -2.0])
    assert two(lambda x: give([x, 2 * x])).status == "right"
    assert two(lambda x: give([2 * x, x])).status == "wrong"
    assert "expected 2 results" in repr(two(lambda x: give([x, x, x])))


def test_a_float32_result_stays_one_in_any_clothes():
    third = FunctionExercise("f", "t", reference=lambda x: x / 3, cases=[1.0, 2.0])
    for clothe in (np.float32, float, lambda x: torch.tensor(x).item(), lambda x: np.array([x])[0]):
        assert third(lambda x, c=clothe: c(np.float32(x) / np.float32(3))).status == "right"
    assert third(lambda x: x / 3 * (1 + 1e-5)).status == "wrong"


def test_an_answer_cannot_change_the_cases():
    def answer(z):
        y = torch.softmax(z, 0)
        z.zero_()
        return y

    assert SOFTMAX(answer).status == "right"


def test_tiny_results_are_told_apart():
    exercise = FunctionExercise("f", "t", reference=lambda n: 0.25**n, cases=[30, 2])
    assert exercise(lambda n: 0.25**n).status == "right"
    assert repr(exercise(lambda n: 0.25**n if n < 10 else 0.0)).startswith("✗ f(n=10) gave 0,")
    close = repr(exercise(lambda n: 0.25**n * (1 + 2e-5)))
    assert close == "✗ f(n=1) gave 0.250005, expected 0.25."


def test_where_the_reference_is_zero_roundoff_is_allowed():
    exercise = FunctionExercise("f", "t", reference=lambda x: 0.0, cases=[0.5])
    assert exercise(lambda x: 1e-16).status == "right"
    assert exercise(lambda x: 1e-9).status == "wrong"


def test_infinities_must_be_equal():
    exercise = FunctionExercise("f", "t", reference=lambda x: math.inf, cases=[0.5])
    assert exercise(lambda x: math.inf).status == "right"
    assert exercise(lambda x: 1.0).status == "wrong"
    assert exercise(lambda x: -math.inf).status == "wrong"


def test_several_results_and_words():
    two = FunctionExercise("f", "t", reference=lambda x: (x, np.array([x, x])), cases=[1.0])
    assert two(lambda x: [x, [x, x]]).status == "right"
    assert "gave 2 at [1], expected 1 (result 2 of 2)" in repr(two(lambda x: (x, [x, 2.0])))
    assert "expected 2 results" in repr(two(lambda x: x))
    word = FunctionExercise("f", "t", reference=lambda x: "vanishes", cases=[1.0])
    assert word(lambda x: "vanishes").status == "right"
    assert "gave the text 'ok', expected the text 'vanishes'" in repr(word(lambda x: "ok"))


def test_random_cases_are_the_same_each_time():
    assert FACTOR.all_cases() == FACTOR.all_cases()
    assert len(FACTOR.all_cases()) == 23
    assert FACTOR.all_cases()[0] == (1.0, 0.0)


def test_an_authors_mistake_is_said_and_not_raised():
    broken = FunctionExercise("f", "t", reference=lambda x: 1 / 0, cases=[1.0])
    assert repr(broken(lambda x: x)) == (
        "✗ f could not be checked: ZeroDivisionError: division by zero."
    )
    with pytest.raises(ValueError, match="has no cases"):
        FunctionExercise("f", "t", reference=lambda x: x)


@pytest.mark.parametrize(
    "answer",
    [0.25, 1 / 4, 0.2501, np.float32(0.25), np.array([0.25]), torch.tensor(0.25), [0.25]],
)
def test_a_right_number(answer):
    assert repr(PEAK(answer)) == "✓ right."


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.3, "0.3 is not right. Where is s' largest?"),
        (0.5, "0.5 is not right. That is s(0), not s'(0)."),
        (-1, "-1 is not right. s' is positive."),
        (123456, "123456 is not right. Where"),
        (math.nan, "nan is not right."),
        ("0.25", "peak must be one number, not the text '0.25'."),
        (True, "peak must be one number, not True."),
        ([1.0, 2.0], "peak must be one number, not [1, 2]."),
        (lambda: 0.25, "peak must be one number, not a function."),
    ],
)
def test_a_wrong_number_gets_its_hint(answer, says):
    text = repr(PEAK(answer))
    assert text.startswith("✗ " + says)
    assert "expected" not in text


def test_a_predicate_that_fails_does_not_match():
    exercise = NumberExercise("n", "t", expected=1.0, near={lambda a: 1 / 0: "x", 2: "two."})
    assert repr(exercise(2)) == "✗ 2 is not right. two."
    assert repr(exercise(3)) == "✗ 3 is not right."


def test_an_expected_zero_needs_an_absolute_tolerance():
    with pytest.raises(ValueError, match="give atol"):
        NumberExercise("n", "t", expected=0)
    assert NumberExercise("n", "t", expected=0, atol=1e-9)(0).status == "right"


@settings(deadline=None)
@given(answer=st.floats())
def test_a_number_is_right_exactly_within_its_tolerance(answer):
    right = abs(answer - 0.25) <= 0.01 * 0.25
    assert (PEAK(answer).status == "right") == right


@pytest.mark.parametrize("answer", [2, "2", " 2 ", 2.0, np.int64(2), torch.tensor(2)])
def test_a_right_choice(answer):
    assert repr(FLAW(answer)) == "✓ 2: |w| < 1 is not certain."


def test_a_wrong_choice_gets_its_explanation():
    assert repr(FLAW(1)) == "✗ 1: true for every x."
    assert repr(FLAW("c")) == "✗ C: follows from line 2."
    assert repr(FLAW("D")) == "✗ the text 'D' is no option: choose one of 1, 2, C."
    assert repr(FLAW(True)) == "✗ True is no option: choose one of 1, 2, C."


@pytest.mark.parametrize(("correct", "why"), [("C", {"A": "", "B": ""}), ("A", {"A": "", "a": ""})])
def test_a_choice_is_validated(correct, why):
    with pytest.raises(ValueError, match=r"x (needs|has)"):
        ChoiceExercise("x", "t", correct=correct, why=why)


def test_an_exercise_shows_its_task():
    assert repr(PEAK) == "peak: give the maximum of s'."
