"""Numbers in words, at the edges where a format would mislead."""

from math import inf, log, nan

import pytest

from vglib import words


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.43, "43%"),
        (0.1, "10%"),
        (0.025, "2.5%"),
        (0.0004, "0.04%"),
        (5e-7, "less than 0.0001%"),
        (0.9987, "99.87%"),
        (0.99999, "100%"),
        (1.25, "125%"),
        (-0.02, "-2%"),
        (nan, "no share"),
        (inf, "no share"),
    ],
)
def test_percent(share, text):
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.14159, "3.14"), (123.4, "123"), (99999.0, "99999"), (1e5, "1e+05"), (0.00012, "0.00012")],
)
def test_number(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("ln", "text"),
    [
        (log(0.25), "0.25"),
        (log(3.14e-9), "3.1e-09"),
        (-633 * log(10), "10^-633"),
        (700 * log(10), "10^700"),
        (-inf, "0"),
        (inf, "not a finite number"),
        (nan, "not a finite number"),
    ],
)
def test_power_of_ten(ln, text):
    assert words.power_of_ten(ln) == text


def test_factor_is_a_number_while_it_can_be_read():
    assert words.factor(log(1234.0)) == "1.23e+03"
    assert words.factor(log(12.5)) == "12.5"
    assert words.factor(log(1e-20)) == "1e-20"
    assert words.factor(-400 * log(10)) == "10^-400"


def test_count():
    assert [words.count(n, "layer") for n in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
