"""Layers that are kept, for an experiment that goes on where the last one ended."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Walk(Generic[T]):
    """What a walk shows step after step, kept, so that going on costs the new steps alone.

    `steps()` starts the walk, which is the same each time: through the layers of a net, say.
    """

    def __init__(self, steps: Callable[[], Iterator[T]]) -> None:
        self._steps, self._rest = steps, steps()
        self._seen: list[T] = []

    def first(self, count: int) -> list[T]:
        """Return what the first steps show, and go on as far as need be."""
        while len(self._seen) < count:
            try:
                self._seen.append(next(self._rest))
            except BaseException:
                # Whoever interrupts a generator ends it; the next walk begins again.
                self._rest = islice(self._steps(), len(self._seen), None)
                raise
        return self._seen[:count]

    def news(self, count: int) -> range:
        """Return the counts, up to this one, at which there is something new; else this one."""
        return range(min(max(len(self._seen), 1), count), count + 1)
