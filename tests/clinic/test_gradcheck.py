import numpy as np
import pytest
import torch

from vglib.clinic import gradcheck
from vglib.data import digits


def by_autograd(weights, x, y):
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    h = torch.tensor(x)
    for leaf in leaves:
        h = torch.sigmoid(h @ leaf.T)
    gradients = torch.autograd.grad(((h - torch.tensor(y)) ** 2).mean(), leaves)
    return [g.numpy() for g in gradients]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_backward_pass_is_autograds(depth):
    weights, x, y = gradcheck.case(depth, 20, seed=1)
    assert x.shape == (16, 64)
    assert y.sum(1).tolist() == [1.0] * 16
    expected = by_autograd(weights, x, y)
    for ours, theirs in zip(gradcheck.backward(weights, x, y), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-18)


def test_each_slip_is_what_it_says():
    weights, x, y = gradcheck.case(2, 20, seed=0)
    right = gradcheck.backward(weights, x, y)
    whole = gradcheck.backward(weights, x, y, "sum for mean")
    for a, b in zip(whole, right, strict=True):
        np.testing.assert_allclose(a, 16 * b)
    one = gradcheck.backward(weights, x, y, "one weight")
    assert [int((a != b).sum()) for a, b in zip(one, right, strict=True)] == [1, 0, 0]
    for slip in ("slope forgotten", "not transposed"):
        other = gradcheck.backward(weights, x, y, slip)
        assert not np.allclose(other[0], right[0], rtol=0.1)
        for a, b in zip(other[1:], right[1:], strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="There is no slip called 'none at all'"):
        gradcheck.backward(weights, x, y, "none at all")


def test_a_difference_and_a_complex_step_give_the_derivative():
    weights, x, y = gradcheck.case(2, 10, seed=0)
    d = np.random.default_rng(0).standard_normal(weights[1].shape)
    exact = (by_autograd(weights, x, y)[1] * d).sum()
    by_step = gradcheck.complex_step(weights, x, y, 1, d)
    assert by_step == pytest.approx(exact, rel=1e-12)
    both = gradcheck.directional(lambda w: float(gradcheck.loss(w, x, y)), weights, 1, d, 1e-5)
    assert both == pytest.approx(exact, rel=1e-7)


def test_the_error_has_no_unit():
    assert gradcheck.error(0.0, 0.0) == 0
    assert gradcheck.error(3e-13, 4e-13) == pytest.approx(0.25)
    assert gradcheck.error(1.0, -1.0) == 2


def test_a_slip_shows_and_none_does_not():
    assert gradcheck.error_of_slip("none", 3) < 1e-6
    assert gradcheck.error_of_slip("sum for mean", 3) == pytest.approx(15 / 16, rel=1e-5)
    # In another layer than the one that is wrong nothing shows.
    assert gradcheck.error_of_slip("slope forgotten", 3, layer=1) < 1e-6


def test_a_shallow_net_has_not_vanished():
    assert np.isnan(gradcheck.error_when_vanished(4, 0))
    assert gradcheck.error_when_vanished(20, 0) < 1e-10


def test_no_step_learns_nothing():
    start = gradcheck.accuracy_with_slip("none", 0, 1.0, steps=0)
    weights = gradcheck.case(1, 50, 0)[0]
    data = digits()
    output = gradcheck.signals(weights, data.x_test.numpy())[-1]
    assert start == (output.argmax(1) == data.y_test.numpy()).mean()
    assert gradcheck.accuracy_with_slip("none", 0, 10.0) > 0.9 > start
