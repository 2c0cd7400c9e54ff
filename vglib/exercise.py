"""What a self-checking exercise is: `check.name(answer)` says ○, ✗ with a counterexample, or ✓.

An exercise never raises, whatever the answer is. A chapter's `check.py` holds its exercises as
module attributes; each is one of the three kinds below.
"""

import copy
import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

Status = Literal["not attempted", "wrong", "right"]


@dataclass(frozen=True, repr=False)
class Result:
    """What an exercise says of an answer; its repr is what the learner reads."""

    status: Status
    message: str

    def __repr__(self) -> str:
        mark = {"not attempted": "○ not attempted:", "wrong": "✗", "right": "✓"}[self.status]
        return f"{mark} {self.message}"


@dataclass(frozen=True, eq=False, repr=False)
class Exercise:
    """What the kinds share: `name` as the stub calls it, `task` one sentence of what to do."""

    name: str
    task: str

    def __call__(self, answer: Any = None) -> Result:
        """Judge an answer; `None` and `...` are not attempted; nothing raises."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._not_attempted() if _is_stub(answer) else self._judge(answer)
        except Exception as error:
            return Result("wrong", f"{self.name} could not be checked: {_failure(error)}.")

    def __repr__(self) -> str:
        return f"{self.name}: {self.task}"

    def _judge(self, answer: Any) -> Result:
        raise NotImplementedError

    def _not_attempted(self) -> Result:
        return Result("not attempted", self.task)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FunctionExercise(Exercise):
    """The learner writes a function, which must agree with `reference` on every case.

    A case is a tuple of positional arguments (a single one may stand alone); messages name them as
    `reference` does. `random`, if given, draws `n_random` more cases from a seeded generator.
    Of the failing cases the simplest to write down is reported, made simpler still while the
    function keeps failing; a case so made must satisfy `domain(*case)`, and `reference` must give
    finite numbers there.

    Right is |got - expected| <= atol + rtol |expected|, number by number; where `reference` is
    exactly 0, 1e-12 is allowed; a float32 result needs rtol 1e-4 only. Numbers may be floats,
    lists, numpy arrays or tensors. A reference that returns a tuple wants its parts one by one, one
    that returns anything else (a string) wants an equal result.
    Raises ValueError without cases.
    """

    reference: Callable[..., Any]
    cases: Sequence[Any] = ()
    hint: str = ""
    praise: str = "right."
    random: Callable[[np.random.Generator], Any] | None = None
    n_random: int = 20
    seed: int = 0
    domain: Callable[..., bool] | None = None
    rtol: float = 1e-6
    atol: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.cases) and self.random is None:
            raise ValueError(f"{self.name} has no cases; give cases or random.")

    def all_cases(self) -> list[tuple[Any, ...]]:
        """List the explicit and the random cases, the simplest first."""
        cases = list(self.cases)
        if self.random is not None:
            generator = np.random.default_rng(self.seed)
            cases += [self.random(generator) for _ in range(self.n_random)]
        return sorted((c if isinstance(c, tuple) else (c,) for c in cases), key=_complexity)

    def _judge(self, answer: Any) -> Result:
        if not callable(answer):
            return Result("wrong", f"{self.name} must be a function, not {_show(answer)}.")
        attempted, failing = False, None
        for case in self.all_cases():
            complaint = self._complaint(answer, case)
            attempted = attempted or complaint != _NOTHING
            if complaint and failing is None:
                failing = (case, complaint)
            if attempted and failing:
                break
        if not attempted:
            return self._not_attempted()
        if failing is None:
            return Result("right", self.praise)
        case, complaint = self._simplest(answer, *failing)
        arguments = [f"{n}={_exact(v)}" for n, v in zip(self._names(case), case, strict=True)]
        return Result("wrong", _join(f"{self.name}({', '.join(arguments)}) {complaint}", self.hint))

    def _complaint(self, answer: Callable[..., Any], case: tuple[Any, ...]) -> str | None:
        expected = self.reference(*map(_copy, case))
        if not _takes(answer, case):
            return f"cannot be called: the function must take ({', '.join(self._names(case))})"
        try:
            got = answer(*map(_copy, case))
        except NotImplementedError:
            return _NOTHING
        except (Exception, SystemExit) as error:
            return f"raised {_failure(error)}"
        return _NOTHING if _is_stub(got) else _difference(expected, got, self.rtol, self.atol)

    def _simplest(
        self, answer: Callable[..., Any], case: tuple[Any, ...], complaint: str
    ) -> tuple[tuple[Any, ...], str]:
        tries = 60
        candidates = _simpler(case)
        while tries and (candidate := next(candidates, None)) is not None:
            if _complexity(candidate) >= _complexity(case) or not self._allowed(candidate):
                continue
            tries -= 1
            again = self._complaint(answer, candidate)
            if again and again.split()[0] == complaint.split()[0]:
                case, complaint, candidates = candidate, again, _simpler(candidate)
        return case, complaint

    def _allowed(self, case: tuple[Any, ...]) -> bool:
        try:
            if self.domain is not None and not self.domain(*map(_copy, case)):
                return False
            expected = self.reference(*map(_copy, case))
        except Exception:
            return False
        parts = [_numbers(p) for p in (expected if isinstance(expected, tuple) else (expected,))]
        return all(p is None or bool(np.isfinite(p).all()) for p in parts)

    def _names(self, case: tuple[Any, ...]) -> list[str]:
        try:
            names = list(inspect.signature(self.reference).parameters)
        except (TypeError, ValueError):
            names = []
        return [*names, *(f"x{i + 1}" for i in range(len(names), len(case)))][: len(case)]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class NumberExercise(Exercise):
    """The learner gives a number, right where |answer - expected| <= atol + rtol |expected|.

    `expected` may be a function without arguments, called when an answer is judged; it is never
    printed. `near` maps a wrong value, or a predicate of the answer, to the hint that it deserves;
    the first that matches, with the same tolerances, is shown in place of `hint`.
    Raises ValueError for an expected 0 without `atol`.
    """

    expected: float | Callable[[], float]
    rtol: float = 0.01
    atol: float = 0.0
    hint: str = ""
    near: Mapping[float | Callable[[float], bool], str] = field(default_factory=dict)
    praise: str = "right."

    def __post_init__(self) -> None:
        if self.expected == 0 and not self.atol:
            raise ValueError(f"{self.name} expects 0, where rtol allows nothing; give atol.")

    def _judge(self, answer: Any) -> Result:
        numbers = None if isinstance(answer, bool) else _numbers(answer)
        if numbers is None or numbers.size != 1:
            return Result("wrong", f"{self.name} must be one number, not {_show(answer)}.")
        number = numbers.item()
        expected = self.expected() if callable(self.expected) else self.expected
        if self._close(number, float(expected)):
            return Result("right", self.praise)
        hints = (hint for wrong, hint in self.near.items() if self._matches(number, wrong))
        return Result("wrong", _join(f"{_digits(number)} is not right", next(hints, self.hint)))

    def _close(self, number: float, target: float) -> bool:
        return _close(np.asarray(number), np.asarray(target), self.rtol, self.atol).item()

    def _matches(self, number: float, wrong: float | Callable[[float], bool]) -> bool:
        try:
            return bool(wrong(number)) if callable(wrong) else self._close(number, wrong)
        except Exception:
            return False


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ChoiceExercise(Exercise):
    """The learner names one of `options`: letters or line numbers, capitals or not.

    `why[option]` explains each option: for a wrong one its counterexample, for `correct` the point.
    Raises ValueError where `correct` is no option or an option is not explained.
    """

    options: Sequence[str | int]
    correct: str | int
    why: Mapping[str | int, str]

    def __post_init__(self) -> None:
        if len({_option(o) for o in self.options}) < len(self.options):
            raise ValueError(f"{self.name} has two options of one name; rename one.")
        if self.correct not in self.options or set(self.why) != set(self.options):
            raise ValueError(f"{self.name} needs correct among options, and why for each of them.")

    def _judge(self, answer: Any) -> Result:
        chosen = [o for o in self.options if _option(o) == _option(answer)]
        if not chosen:
            choices = ", ".join(str(o) for o in self.options)
            return Result("wrong", f"{_show(answer)} is no option: choose one of {choices}.")
        status: Status = "right" if chosen[0] == self.correct else "wrong"
        return Result(status, f"{chosen[0]}: {self.why[chosen[0]]}")


_NOTHING = "gave no value"


def _is_stub(value: Any) -> bool:
    return value is None or value is ...


def _join(fact: str, hint: str) -> str:
    return f"{fact}. {hint}".strip()


def _takes(function: Callable[..., Any], case: tuple[Any, ...]) -> bool:
    try:
        signature = inspect.signature(function)
    except Exception:
        return True
    try:
        signature.bind(*case)
    except TypeError:
        return False
    return True


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return copy.deepcopy(value)


def _option(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip().casefold()
    numbers = None if isinstance(value, bool) else _numbers(value)
    return f"{numbers.item():g}" if numbers is not None and numbers.size == 1 else None


def _numbers(value: Any) -> np.ndarray | None:
    """Give a number, a nested list of numbers, an array or a tensor as an array, or None."""
    try:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            half = value.dtype in (torch.float16, torch.bfloat16)
            array = (value.float() if half else value).numpy()
        elif isinstance(value, list | tuple):
            parts = []
            for part in value:
                if (numbers := _numbers(part)) is None:
                    return None
                parts.append(numbers)
            array = np.array(parts)
        else:
            array = np.asarray(value)
    except Exception:
        return None
    return array if array.dtype.kind in "biuf" else None


def _close(got: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(all="ignore"):
        near = np.abs(got - expected) <= atol + rtol * np.abs(expected)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return same | (near & np.isfinite(expected))


def _difference(expected: Any, got: Any, rtol: float, atol: float) -> str | None:
    if isinstance(expected, tuple):
        n = len(expected)
        if not isinstance(got, tuple | list) or len(got) != n:
            return f"gave {_show(got)}, expected {n} results"
        parts = [_difference(e, g, rtol, atol) for e, g in zip(expected, got, strict=True)]
        found = (f"{part} (result {i + 1} of {n})" for i, part in enumerate(parts) if part)
        return next(found, None)
    want, have = _numbers(expected), _numbers(got)
    if want is None:
        same = type(got) is type(expected) and bool(got == expected)
        return None if same else f"gave {_show(got)}, expected {_show(expected)}"
    if have is None:
        kind = "an array of numbers" if want.ndim else "a number"
        return f"gave {_show(got)}, expected {kind}"
    if have.shape != want.shape and not have.size == want.size == 1:
        return f"gave shape {have.shape}, expected shape {want.shape}"
    have = have.reshape(want.shape)
    single = have.dtype.kind == "f" and have.dtype.itemsize < 8
    zero = (want == 0) * (1e-6 if single else 1e-12)
    wrong = ~_close(have, want, max(rtol, 1e-4 if single else 0), np.maximum(atol, zero))
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    place = f" at {list(first)}" if want.size > 1 else ""
    a, b = _tell_apart(float(have[first]) + 0.0, float(want[first]) + 0.0)
    return f"gave {a}{place}, expected {b}"


def _tell_apart(a: float, b: float) -> tuple[str, str]:
    pairs = [(f"{a:.{n}g}", f"{b:.{n}g}") for n in range(4, 18)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])


def _digits(number: Any) -> str:
    return str(number) if isinstance(number, int | np.integer) else f"{float(number):.4g}"


def _nested(array: np.ndarray, text: Callable[[Any], str]) -> str:
    if array.ndim == 0:
        return text(array[()])
    return f"[{', '.join(_nested(part, text) for part in array)}]"


def _show(value: Any, text: Callable[[Any], str] = _digits) -> str:
    """Describe a value in few characters that are the same on every machine."""
    numbers = None if isinstance(value, bool) else _numbers(value)
    if numbers is not None:
        return _nested(numbers, text) if numbers.size <= 9 else f"an array of shape {numbers.shape}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    try:
        return "a function" if callable(value) else _plain(repr(value), 40)
    except Exception:
        return f"a {type(value).__name__}"


def _exact(value: Any) -> str:
    return repr(value) if isinstance(value, str | bool) else _show(value, str)


def _plain(text: str, length: int) -> str:
    line = re.sub(r" at 0x[0-9a-fA-F]+", "", next(iter(text.splitlines()), ""))
    return line if len(line) <= length else line[:length] + "..."


def _failure(error: BaseException) -> str:
    try:
        text = _plain(str(error), 100).strip().rstrip(".")
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _complexity(case: tuple[Any, ...]) -> tuple[int, int, float]:
    """Measure how hard a case is to read: how many numbers, how many characters, how large."""
    arrays = [a for a in map(_numbers, case) if a is not None]
    count = sum(a.size for a in arrays)
    characters = sum(len(str(x)) for a in arrays for x in a.ravel()[:1000])
    magnitude = sum(float(np.nan_to_num(np.abs(a.astype(np.float64))).sum()) for a in arrays)
    return count, characters, magnitude


def _simpler(case: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Propose simpler cases: fewer rows in every array at once, then each argument rounded."""
    lengths = [_rows(value) for value in case]
    rows = max(lengths, default=0)
    if set(lengths) <= {0, rows}:
        for n in sorted({1, 2, rows // 2}):
            if 0 < n < rows:
                yield tuple(v[:n] if m else v for v, m in zip(case, lengths, strict=True))
    for i, value in enumerate(case):
        for simple in _rounded(value):
            yield (*case[:i], simple, *case[i + 1 :])


def _rows(value: Any) -> int:
    numbers = _numbers(value)
    return 0 if numbers is None or numbers.ndim == 0 else len(numbers)


def _rounded(value: Any) -> Iterator[Any]:
    """Propose the same value with ones, or one to three digits; signs and zeros stay."""
    if isinstance(value, int) and not isinstance(value, bool) and value:
        sign = 1 if value > 0 else -1
        yield from (sign, 2 * sign, sign * (abs(value) // 2 or 1), value - sign or sign)
    numbers = _numbers(value)
    if numbers is None or numbers.dtype.kind != "f" or not numbers.size:
        return
    if not np.isfinite(numbers).all():
        return
    yield _like(value, np.sign(numbers))
    for digits in (1, 2, 3):
        yield _like(value, np.vectorize(lambda x, d=digits: float(f"{x:.{d}g}"))(numbers))


def _like(value: Any, numbers: np.ndarray) -> Any:
    if isinstance(value, torch.Tensor):
        simple = torch.as_tensor(numbers, dtype=value.dtype, device=value.device)
        return simple.requires_grad_(value.requires_grad)
    if isinstance(value, np.ndarray):
        return numbers.astype(value.dtype).reshape(value.shape)
    return numbers.tolist()
