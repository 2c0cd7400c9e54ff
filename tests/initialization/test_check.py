from math import sqrt

from vglib.initialization import check


def test_the_counterexample_is_small():
    said = check.he_bound(lambda fan_in: sqrt(2 / fan_in)).message
    assert "he_bound(fan_in=1)" in said
