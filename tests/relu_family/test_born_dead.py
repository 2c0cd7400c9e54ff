import numpy as np
import pytest

from vglib.relu_family.born_dead import born_dead, born_dead_formula, counting


@pytest.mark.parametrize(("width", "bound"), [(2, 0.925), (3, 0.699), (5, 0.249)])
def test_born_dead_against_the_formula(width, bound):
    assert born_dead_formula(width, 9) == pytest.approx(bound, abs=5e-4)
    dice = born_dead(width, 9, nets=10_000)
    assert dice.one_input[-1] == pytest.approx(bound, abs=0.02)
    assert dice.all_inputs[-1] < bound - 0.02
    assert (np.diff(dice.all_inputs) >= 0).all()


def test_one_input_is_let_through_by_the_first_layer_on_one_side():
    assert born_dead(3, 1, nets=10_000).all_inputs[-1] == 0
    assert born_dead(3, 9, nets=10_000).all_inputs[-1] < born_dead_formula(3, 8) - 0.04


def test_the_weight_scale_does_not_matter_to_the_dead():
    small, large = (born_dead(3, 50, weight_scale=s) for s in (0.05, 20.0))
    np.testing.assert_array_equal(small.all_inputs, large.all_inputs)


def test_the_count_grows_layer_by_layer():
    results = list(counting(3, 20, seed=1))
    whole = born_dead(3, 20, seed=1)
    assert [len(r.all_inputs) for r in results] == list(range(1, 21))
    for result in results:
        n = len(result.all_inputs)
        np.testing.assert_array_equal(result.all_inputs, whole.all_inputs[:n])
        np.testing.assert_array_equal(result.formula, whole.formula)
        assert f" {n} hidden layers" in result.verdict
    assert results[-1].verdict == whole.verdict


def test_fewer_layers_are_the_first_of_more():
    few, many = born_dead(4, 5, seed=2), born_dead(4, 12, seed=2)
    np.testing.assert_array_equal(few.one_input, many.one_input[:5])
