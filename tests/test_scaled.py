"""Numbers beyond float64, against arithmetic with logarithms."""

from math import inf, isnan, log

import numpy as np
import pytest
import torch

from vglib.scaled import Scaled, log_norm, norm

KINDS = {
    "numpy": np.array,
    "float32": lambda v: np.array(v, dtype=np.float32),
    "torch": lambda v: torch.tensor(v, dtype=torch.float64),
    "torch float32": lambda v: torch.tensor(v, dtype=torch.float32),
}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def test_the_norm_is_the_root_of_the_squares(make):
    assert norm(make([[3.0, 0.0], [0.0, -4.0]])) == pytest.approx(5.0)
    assert norm(make([[1.0, 2.0], [3.0, 4.0]]).T) == pytest.approx(30**0.5)


def test_the_norm_of_many_and_of_single_numbers_is_summed_in_float64():
    long = np.random.default_rng(0).standard_normal(25_001)
    assert norm(long) == pytest.approx(np.sqrt((long**2).sum()))
    assert norm(np.full(4, 1e30, dtype=np.float32)) == pytest.approx(2e30, rel=1e-6)
    assert norm(np.arange(3)) == pytest.approx(5**0.5)
    assert norm(np.array([])) == 0.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("power", [-320, -170, -38, 0, 30, 170, 300])
def test_log_norm_where_squares_leave_the_number_type(power):
    for array in (np.array([3.0, 4.0]), torch.tensor([3.0, 4.0], dtype=torch.float64)):
        wanted = log(5.0) + power * log(10)
        tolerance = 1e-12 if power > -308 else 1e-2
        assert log_norm(array * 10.0**power) == pytest.approx(wanted, rel=tolerance)


@pytest.mark.filterwarnings("error")
def test_log_norm_of_what_has_none(make):
    assert log_norm(make([0.0, 0.0])) == -inf
    assert isnan(log_norm(make([1.0, np.nan])))
    assert isnan(log_norm(make([1.0, np.inf])))
    assert isnan(log_norm(None))
    assert log_norm(np.array([])) == -inf


def test_a_product_of_a_thousand_factors_keeps_its_size(make):
    vector, factor = Scaled(make([1.0, 2.0])), make([[0.01, 0.0], [0.0, 0.01]])
    for _ in range(1000):
        vector = Scaled(vector.unit @ factor, vector.log).measured()[0]
    assert vector.log_norm == pytest.approx(log(5**0.5) - 1000 * log(100), rel=1e-5)
    tame, ln = vector.measured()
    assert ln == pytest.approx(vector.log_norm)
    assert tame.log_norm == pytest.approx(ln)


def test_tame_leaves_alone_what_is_of_ordinary_size():
    one = Scaled(np.array([1e-50, 2.0]))
    assert one.measured()[0] is one
    far = Scaled(np.array([3e-200, 4e-200]), 7.0).measured()[0]
    np.testing.assert_allclose(far.unit, [0.6, 0.8])
    assert far.log == pytest.approx(7 + log(5e-200))
    for lost in ([0.0, 0.0], [np.nan, 1.0]):
        array = Scaled(np.array(lost))
        assert array.measured()[0] is array


def test_a_sum_is_taken_in_the_scale_of_the_larger():
    one, other = Scaled(np.array([1.0, 0.0]), -2000.0), Scaled(np.array([0.0, 2.0]), -1999.0)
    for total in (one.plus(other), other.plus(one)):
        assert total.log == -1999.0
        np.testing.assert_allclose(total.unit, [np.exp(-1.0), 2.0])
