import numpy as np

from vglib.backprop import Flat
from vglib.concept import feedback
from vglib.concept.feedback import feedback_accuracy
from vglib.concept.speed import sigmoid_net
from vglib.data import digits
from vglib.learn import epochs
from vglib.losses import quadratic


def test_six_layers_learn_without_the_gradient():
    assert feedback_accuracy(6, 20.0, 10, 0) > 0.8
    assert feedback_accuracy(2, 20.0, 3, 1) > 0.8


def test_too_small_a_step_is_too_small_here_as_well():
    assert feedback_accuracy(6, 0.5, 3, 0) < 0.3


def test_one_hidden_layer_may_be_handed_its_own_weights(monkeypatch):
    """With the readout's weights for the random table it is backpropagation."""
    net = sigmoid_net(1, 30, seed=0)
    flat, data = Flat(net, quadratic), digits()
    readout = flat.matrices(flat.theta)[1][:, :-1].T.copy()

    class Generator:
        def standard_normal(self, shape):
            assert shape == (1, 30, 10)
            return readout[None] * np.sqrt(10)

        def permutation(self, n):
            return np.arange(n)

    monkeypatch.setattr(feedback, "BATCH", 1437)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Generator())
    made = []
    monkeypatch.setattr(feedback, "Flat", lambda *of: made.append(Flat(*of)) or made[-1])
    feedback_accuracy(1, 0.5, 1, 0)
    (rows,) = epochs(1437, 1437, 1, Generator())
    flat(flat.rows(data.x_train.numpy())[rows], data.y_train.numpy()[rows])
    np.testing.assert_allclose(made[0].theta, flat.theta - 0.5 * flat.gradient, rtol=1e-9)
