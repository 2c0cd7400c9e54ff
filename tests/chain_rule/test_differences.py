from vglib.chain_rule.differences import difference_errors, forward_passes, timed_gradients


def test_differences_have_their_best_step_in_between():
    errors = difference_errors()
    step, error = errors.best
    assert error < 1e-7
    assert errors.steps[0] < step < errors.steps[-1]
    assert errors.two_sided[0] > 100 * error
    assert errors.two_sided[-1] > 100 * error


def test_single_precision_is_worse():
    assert difference_errors(precision="float32").best[1] > 100 * difference_errors().best[1]


def test_a_gradient_costs_three_passes_or_two_for_each_weight():
    assert forward_passes(1000) == (3, 2000)
    count, backprop, differences = timed_gradients()
    assert count == 64 * 30 + 30 + 2 * (30 * 30 + 30) + 30 * 10 + 10
    assert differences > backprop
