import pytest

from vglib.initialization.watching import Walk


def squares():
    number = 0
    while True:
        number += 1
        yield number**2


def test_a_walk_goes_each_step_once():
    walked = []

    def steps():
        for square in squares():
            walked.append(square)
            yield square

    walk = Walk(steps)
    assert walk.news(3) == range(1, 4)
    assert walk.first(3) == [1, 4, 9]
    assert walk.first(2) == [1, 4]
    assert walked == [1, 4, 9]
    assert walk.news(5) == range(3, 6)
    assert walk.news(2) == range(2, 3)


def test_a_walk_that_was_interrupted_goes_on():
    stops = [3]

    def steps():
        for square in squares():
            if len(stops) and square == stops[0] ** 2:
                stops.clear()
                raise KeyboardInterrupt
            yield square

    walk = Walk(steps)
    with pytest.raises(KeyboardInterrupt):
        walk.first(4)
    assert walk.first(4) == [1, 4, 9, 16]
