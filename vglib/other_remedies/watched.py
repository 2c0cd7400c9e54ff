"""Trainings that are followed in pairs."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import TypeVar

T = TypeVar("T")


def side_by_side(*trainings: Iterator[T]) -> Iterator[tuple[T, ...]]:
    """Follow trainings in turn; what the first to end has come to stays beside the others."""
    now: tuple[T, ...] = ()
    for results in zip_longest(*trainings):
        pairs = zip(results, now or results, strict=True)
        now = tuple(old if new is None else new for new, old in pairs)
        yield now
