"""What a measurement returns cannot be spoiled."""

import itertools
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from vglib.results import at_its_end, frozen, kept, last, result


@result
class Measured:
    values: np.ndarray
    parts: tuple
    by_name: dict
    note: str = ""

    @property
    def verdict(self) -> str:
        return f"{len(self.values)} values."


@pytest.fixture
def measured():
    return Measured(np.arange(3.0), [np.ones(2), "text"], {"a": np.zeros(2)})


def test_no_array_can_be_written_on(measured):
    for array in (measured.values, measured.parts[0], measured.by_name["a"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7.0
    assert measured.verdict == "3 values."


def test_nothing_can_be_put_in_another_place(measured):
    with pytest.raises(FrozenInstanceError):
        measured.values = None
    with pytest.raises(TypeError):
        measured.by_name["a"] = None
    assert isinstance(measured.parts, tuple)


def test_what_a_view_looks_at_may_go_on_changing():
    buffer = np.zeros(4)
    seen = Measured(buffer[:2], (), {})
    buffer[:] = 5.0
    np.testing.assert_array_equal(seen.values, [0, 0])
    weights = torch.zeros(3)
    kept = Measured(weights.numpy(), (), {})
    weights += 1
    np.testing.assert_array_equal(kept.values, [0, 0, 0])


def test_it_can_be_replaced_and_is_compared_by_identity(measured):
    other = replace(measured, note="again")
    assert other.note == "again"
    assert other.values is measured.values
    assert measured != Measured(measured.values, (), {})


def test_what_is_frozen_stays_the_same_object():
    array = frozen(np.arange(3))
    pair = (array, 1)
    assert frozen(array) is array
    assert frozen(pair) is pair


def test_last():
    assert last(iter([1, 2, 3])) == 3
    with pytest.raises(ValueError, match="not enough"):
        last([])


def test_a_generator_gives_the_function_that_goes_to_its_end():
    def growing(count: int, step: int = 1):
        """Count."""
        yield from range(0, count, step)

    whole = at_its_end(growing)
    assert whole(5) == 4
    assert whole(count=5, step=3) == 3
    assert whole.__doc__ == "Count."


@pytest.fixture
def counted():
    """Return a training that counts to n, and the list of those that were begun."""
    begun = []

    @kept(2)
    def count(n, step=1):
        begun.append(n)
        if n < 0:
            raise ValueError("There is nothing to count.")
        yield from range(0, n, step)

    return count, begun


def test_what_came_to_its_end_is_not_computed_again(counted):
    count, begun = counted
    assert list(count(3)) == [0, 1, 2]
    assert list(count(3)) == [2]
    assert list(count(3, step=2)) == [0, 2]
    assert list(count(3, step=2)) == [2]
    assert begun == [3, 3]


def test_the_oldest_is_forgotten_first(counted):
    count, begun = counted
    for n in (1, 2, 1, 3):
        list(count(n))
    assert begun == [1, 2, 3]
    list(count(1))
    list(count(2))
    assert begun == [1, 2, 3, 2]


def test_what_was_broken_off_is_begun_anew(counted):
    count, begun = counted
    assert list(itertools.islice(count(5), 2)) == [0, 1]
    assert list(count(5)) == [0, 1, 2, 3, 4]
    for _ in range(2):
        with pytest.raises(ValueError, match="nothing to count"):
            list(count(-1))
    assert begun == [5, 5, -1, -1]
