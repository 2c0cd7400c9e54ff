"""One axis of a still: from values to pixels, and where its ticks are."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vglib.figures import nice_step


class Axis:
    """An axis of plotly's, from pixel `low` to `high`; `values` are all that stand on it."""

    def __init__(
        self, spec: Mapping[str, Any], low: float, high: float, values: Sequence[ArrayLike]
    ) -> None:
        self.spec, self.low, self.high = spec, low, high
        named = (np.ravel(v) for v in values if np.asarray(v).dtype.kind in "OU")
        self.names = list(dict.fromkeys(str(name) for part in named for name in part))
        data = np.concatenate([[], *(np.ravel(self.numbers(v)) for v in values)])
        data = data[np.isfinite(data)]
        ends = (data.min(), data.max()) if len(data) else (-1.0, 1.0)
        if self.names:
            ends = (-0.5, len(self.names) - 0.5)
        self.start, self.end = map(float, spec.get("range", ends))
        self.end += self.start == self.end

    def numbers(self, values: ArrayLike) -> np.ndarray:
        """Return values as the axis counts: a name by its place, on a log axis exponents."""
        array = np.asarray(values)
        if array.dtype.kind in "OU":
            return np.array([self.names.index(str(name)) for name in np.ravel(array)], dtype=float)
        array = array.astype(float)
        if self.spec.get("type") != "log":
            return array
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log10(array)

    def pixels(self, values: ArrayLike) -> np.ndarray:
        """Return where values are; nan stays nan."""
        share = (self.numbers(values) - self.start) / (self.end - self.start)
        return self.low + share * (self.high - self.low)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the pixel and the text, perhaps with <sup>, of each tick."""
        marks, texts = self._marks()
        low, high = sorted((self.low, self.high))
        for place, text in zip(self.pixels(marks), texts, strict=False):
            if low - 0.5 <= place <= high + 0.5:
                yield float(place), text

    def _marks(self) -> tuple[list[Any], list[str]]:
        spec = self.spec
        if "tickvals" in spec:
            marks = [float(v) for v in spec["tickvals"]]
            return marks, [str(t) for t in spec.get("ticktext", [f"{v:g}" for v in marks])]
        if self.names:
            return self.names, self.names
        first, last = sorted((self.start, self.end))
        if spec.get("type") == "log":
            powers = range(ceil(first - 1e-9), floor(last + 1e-9) + 1)
            return [10.0**p for p in powers], [_power(p) for p in powers]
        step = float(spec.get("dtick") or nice_step((last - first) / 5))
        zero = float(spec.get("tick0") or 0.0)
        numbers = range(ceil((first - zero) / step - 1e-9), floor((last - zero) / step + 1e-9) + 1)
        before, after = spec.get("tickprefix", ""), spec.get("ticksuffix", "")
        marks = [zero + n * step for n in numbers]
        # Adding 0.0 makes 0 of -0.
        return marks, [f"{before}{round(v, 9) + 0.0:g}{after}" for v in marks]


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if abs(exponent) <= 3 else f"10<sup>{exponent}</sup>"
