import pytest

from vglib.chain_rule.throws import THROWN, weighted_sums


@pytest.mark.parametrize("throw", THROWN)
def test_a_sum_has_the_variance_that_the_rule_says(throw):
    sums = weighted_sums(100, 0.5, throw)
    assert sums.variances[-1] == pytest.approx(sums.predicted, rel=0.1)
