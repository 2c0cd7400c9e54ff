"""What a measurement returns: a frozen record whose arrays nobody can write on."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, dataclass_transform

import numpy as np

T = TypeVar("T")
P = ParamSpec("P")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=())
def result(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass, compared by identity, whose arrays are read-only.

    Arrays in its fields, alone or in tuples, lists and mappings, are made read-only, a view after
    being copied; lists become tuples, and mappings cannot be written on. So a result that is
    cached stays what was measured.
    """
    made = dataclass(frozen=True, eq=False)(cls)
    fill = made.__init__

    @wraps(fill)
    def init(self: Any, *arguments: Any, **options: Any) -> None:
        fill(self, *arguments, **options)
        for field in fields(self):
            value = getattr(self, field.name)
            if (kept := frozen(value)) is not value:
                object.__setattr__(self, field.name, kept)

    made.__init__ = init  # type: ignore[method-assign]
    return made


def frozen(value: Any) -> Any:
    """Return a value that nobody can write on: the same object where it is one already."""
    if isinstance(value, np.ndarray):
        # Whoever holds what a view looks at could still write there.
        kept = value if value.base is None else value.copy()
        kept.setflags(write=False)
        return kept
    if isinstance(value, list) or type(value) is tuple:
        parts = tuple(frozen(part) for part in value)
        same = type(value) is tuple and all(map(lambda a, b: a is b, parts, value))
        return value if same else parts
    if isinstance(value, Mapping) and not isinstance(value, MappingProxyType):
        return MappingProxyType({key: frozen(part) for key, part in value.items()})
    return value


def last(results: Iterable[T]) -> T:
    """Return the last of the results that a generator gives, such as a training's."""
    (final,) = deque(results, maxlen=1)
    return final


def at_its_end(watched: Callable[P, Iterator[T]]) -> Callable[P, T]:
    """Make of a generator of ever fuller results the function that returns the last of them."""

    @wraps(watched)
    def whole(*arguments: P.args, **options: P.kwargs) -> T:
        return last(watched(*arguments, **options))

    return whole


def kept(most: int) -> Callable[[Callable[P, Iterator[T]]], Callable[P, Iterator[T]]]:
    """Let a generator of ever fuller results keep its last ones, of the `most` latest arguments.

    Asked for the same again, as by the same words, it gives the last result at once and alone;
    `cache_clear()` forgets them, as that of `functools.lru_cache` does.
    """

    def decorate(watched: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
        ended: OrderedDict[Any, T] = OrderedDict()

        @wraps(watched)
        def watch(*arguments: P.args, **options: P.kwargs) -> Iterator[T]:
            asked = (arguments, tuple(sorted(options.items())))
            if asked in ended:
                ended.move_to_end(asked)
                yield ended[asked]
                return
            for result in watched(*arguments, **options):
                yield result
            ended[asked] = result
            while len(ended) > most:
                ended.popitem(last=False)

        watch.cache_clear = ended.clear  # type: ignore[attr-defined]
        return watch

    return decorate
