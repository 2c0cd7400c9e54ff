"""What an argument must be, said in one sentence where it is not."""

from collections.abc import Iterable
from numbers import Integral


def require(name: str, value: object, ok: object, allowed: str) -> None:
    """Raise ValueError, "depth is -1; it must be at least 1.", unless `ok`."""
    if not ok:
        # NumPy's own way to show a number names its type, and an array fills the page.
        plain = hasattr(value, "tolist") and not isinstance(value, type)
        shown = repr(value.tolist() if plain else value)  # type: ignore[attr-defined]
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise ValueError(f"{name} is {shown}; it must be {allowed}.")


def one_of(noun: str, name: object, known: Iterable[object]) -> None:
    """Raise ValueError, "There is no net called 'x'; choose from a, b.", unless it is known."""
    if name not in (known := list(known)):
        choices = ", ".join(map(str, known))
        raise ValueError(f"There is no {noun} called {name!r}; choose from {choices}.")


def whole(value: object, least: int) -> bool:
    """Tell whether a value is a whole number, `least` or more; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
