import math

import numpy as np
import pytest

from vglib.other_remedies.descent import images, rule
from vglib.other_remedies.first_step import adam_first_step, shuffled, updates
from vglib.other_remedies.net import build

X, Y = (part[:20] for part in images())


def test_adams_first_step_is_lr_until_the_gradient_meets_eps():
    g = np.array([1e3, -1e-3, 1e-8, 1e-12, 0.0])
    found = adam_first_step(g, 0.1)
    np.testing.assert_allclose(found, rule("Adam")()(g, 0.1), rtol=1e-12)
    np.testing.assert_allclose(found[:3], [0.1, -0.1, 0.05], rtol=2e-5)
    assert found[3] == pytest.approx(0.1 * 1e-12 / 1e-8, rel=1e-3)


def test_every_layer_moves_alike_with_adam_and_not_with_sgd():
    adam, sgd = updates("Adam", depth=6), updates("SGD", depth=6)
    assert abs(adam.log_update[1] - adam.log_update[-2]) < 0.01
    np.testing.assert_allclose(sgd.log_update, sgd.log_gradient + math.log(0.01), rtol=1e-9)
    assert sgd.log_update[-2] - sgd.log_update[0] > math.log(100)
    rms = updates("RMSprop", depth=4).log_update - updates("Adam", depth=4).log_update
    assert rms[-1] == pytest.approx(math.log(10), abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_the_part_that_knows_the_labels_follows_the_spread(seed):
    found = updates(depth=10, seed=seed)
    np.testing.assert_allclose(
        found.shuffled.log_part[3:], found.shuffled.log_spread[3:] + math.log(2) / 2, atol=1.2
    )
    assert found.shuffled.log_part[9] < math.log(1e-4)
    he = updates(depth=20, weight_scale=6**0.5, activation="relu", seed=seed)
    assert he.shuffled.log_part[9] > math.log(0.3)


def test_a_collapsed_layer_takes_the_same_step_with_shuffled_labels():
    # Where h is one vector for all inputs, dW = (sum of delta) h^T, and the sum knows no order.
    net = build(1, 8, "tanh", "torch", 1.0, 0)
    same = np.tile(X[:1], (20, 1))
    one = net.gradient(same, Y)[1]
    other = net.gradient(same, np.random.default_rng(0).permutation(Y))[1]
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)
    assert shuffled(20).same[9] > 0.99


def test_what_float64_cannot_square_is_no_error():
    found = updates("SGD", depth=100, weight_scale=0.05)
    assert np.isfinite(found.log_gradient).all()
    assert found.log_gradient[0] < math.log(1e-160)
    np.testing.assert_allclose(found.log_update, found.log_gradient + math.log(0.01), rtol=1e-6)
