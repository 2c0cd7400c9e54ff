"""Small transformers in training on digits, whose eight rows of pixels are their tokens."""

from math import sqrt

import numpy as np

from vglib import learn
from vglib.attention.parts import Array
from vglib.attention.placing import Top, build
from vglib.attention.transformer import backward, forward
from vglib.backprop import Labels, softmax_gradient
from vglib.data import digits

WIDTH, CLASSES = 24, 10


class Reader:
    """A transformer between a fixed embedding and a readout of the mean token, which learns.

    `parameters` are the matrices of the branches and the readout, in the order of `gradients`;
    the norms have none.
    """

    def __init__(self, name: str, depth: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.embedding = generator.standard_normal((8, WIDTH)) / sqrt(8)
        self.position = generator.standard_normal((8, WIDTH))
        self.readout = generator.standard_normal((CLASSES, WIDTH)) / sqrt(WIDTH)
        self.net = build(name, depth, WIDTH, generator)
        self.top = Top.of(name, WIDTH)
        self.names = [[n for n in vars(of.branch) if n.startswith("w_")] for of in self.net]
        matrices = zip(self.net, self.names, strict=True)
        self.parameters = [getattr(of.branch, n) for of, names in matrices for n in names]
        self.parameters.append(self.readout)

    def gradients(self, x: Array, y: Labels) -> tuple[float, list[Array]]:
        """Return the cross-entropy of a batch (n, 8, 8), and dL/dp of all parameters."""
        passed = forward(self.net, x @ self.embedding + self.position)
        output, kept = self.top.forward(passed.streams[-1])
        mean = output.mean(1)
        loss, by_logits = softmax_gradient(mean @ self.readout.T, y)
        g = self.top.back(kept, np.repeat((by_logits @ self.readout)[:, None] / 8, 8, axis=1))
        every = zip(backward(self.net, passed, g).gradients, self.names, strict=True)
        return loss, [*(by[n] for by, names in every for n in names), by_logits.T @ mean]

    def accuracy(self, x: Array, y: Labels) -> float:
        """Return the share of images that are read rightly."""
        output = forward(self.net, x @ self.embedding + self.position).streams[-1]
        output, _ = self.top.forward(output)
        return float(((output.mean(1) @ self.readout.T).argmax(1) == y).mean())


def trained(
    name: str, depth: int = 12, lr: float = 1e-3, warm_up: int = 0, seed: int = 0, steps: int = 300
) -> float:
    """Return the test accuracy after Adam, batch 16; 0 where the numbers broke.

    With `warm_up` the first so many steps grow evenly from lr / warm_up to lr.
    """
    data = digits()
    mean, spread = float(data.x_train.mean()), float(data.x_train.std())
    x, x_test = (
        (of.numpy().reshape(-1, 8, 8) - mean) / spread for of in (data.x_train, data.x_test)
    )
    y, y_test = data.y_train.numpy(), data.y_test.numpy()
    reader, generator = Reader(name, depth, seed), np.random.default_rng(seed)
    rows = generator.integers(0, len(x), (steps, 16))

    def rate(taken: int) -> float:
        return lr * min(1.0, (taken + 1) / warm_up) if warm_up else lr

    batches = ((x[some], y[some]) for some in rows)
    taken = learn.steps(reader.parameters, reader.gradients, batches, lr=rate, rule=learn.adam)
    return 0.0 if any(step.why for step in taken) else reader.accuracy(x_test, y_test)
