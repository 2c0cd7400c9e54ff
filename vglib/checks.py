"""What an argument must be, said in one sentence where it is not."""

from numbers import Integral


def require(name: str, value: object, ok: object, allowed: str) -> None:
    """Raise ValueError, "depth is -1; it must be at least 1.", unless `ok`."""
    if not ok:
        raise ValueError(f"{name} is {value!r}; it must be {allowed}.")


def whole(value: object, least: int) -> bool:
    """Tell whether a value is a whole number, `least` or more; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
