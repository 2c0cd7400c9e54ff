"""Training without backpropagation: each layer gets the output's error at first hand."""

import numpy as np

from vglib.backprop import Flat
from vglib.concept.speed import sigmoid_net
from vglib.data import digits
from vglib.learn import epochs
from vglib.losses import quadratic

WIDTH, BATCH = 30, 10


def feedback_accuracy(depth: int, lr: float, length: int, seed: int) -> float:
    """Train the chapter's net by direct feedback alignment; return the test accuracy.

        delta_l = (B_l delta_out) s'(z_l),   B_l ~ N(0, 1/10), drawn once; W_l -= lr delta_l h^T

    delta_out is dL/dz of the outputs, quadratic loss; `length` epochs in batches of 10. No delta is
    made of the next layer's, so nothing is multiplied up over the layers. Source: Nøkland 2016.
    """
    data, net = digits(), Flat(sigmoid_net(depth, WIDTH, seed=seed), quadratic)
    x, target = net.rows(data.x_train.numpy()), np.eye(10)[data.y_train.numpy()].T
    rng, matrices = np.random.default_rng(seed), net.matrices(net.theta)
    feedback = rng.standard_normal((depth, WIDTH, 10)) / np.sqrt(10)
    for rows in epochs(len(x), BATCH, length, rng):
        *hidden, out = net.forward(x[rows]).units
        error = 2 / out.size * (out - target[:, rows]) * out * (1 - out)
        deltas = [(b @ error) * h * (1 - h) for b, h in zip(feedback, hidden, strict=True)]
        inputs = [x[rows, :-1].T, *hidden]
        steps = [
            (delta @ h.T, delta.sum(1)) for delta, h in zip([*deltas, error], inputs, strict=True)
        ]
        for matrix, (by_weight, by_bias) in zip(matrices, steps, strict=True):
            matrix[:, :-1] -= lr * by_weight
            matrix[:, -1] -= lr * by_bias
    outputs = net.forward(net.rows(data.x_test.numpy())).units[-1]
    return float((outputs.argmax(0) == data.y_test.numpy()).mean())
