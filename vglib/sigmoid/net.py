"""Deep nets of sigmoids on digits, written out: plain, centred, with batch norm, with skips."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from vglib import learn
from vglib.backprop import PHI, Array, Flat, Labels, softmax_gradient
from vglib.checks import one_of
from vglib.data import digits
from vglib.networks import mlp
from vglib.training import batches

KINDS = ("plain", "batch norm", "residual", "centred")
WIDTH = 50
# As in torch: what is added to a variance, and a batch's share in the running averages.
_EPS, _SHARE = 1e-5, 0.1


class SigmoidNet:
    """A deep net of sigmoid layers of one of four kinds, and its backward pass.

    plain: h_l = s(z_l); batch norm: h_l = s(BN(z_l)); residual: h_l = h_(l-1) + s(z_l) from layer 2
    on; centred: h_l = s(z_l) - 1/2. z_l = W_l h_(l-1) + b_l, weights N(0, 1/n), biases 0, but for
    the centred net, whose biases give back what it subtracts. Images come as `Flat.rows` makes
    them, (batch, 65); signals are in columns, (units, batch). Raises ValueError for another kind.
    """

    def __init__(self, kind: str, depth: int, seed: int, width: int = WIDTH) -> None:
        one_of("net", kind, KINDS)
        self.kind = kind
        flat = Flat(mlp(depth, width, init="1/fan_in", seed=seed), cross_entropy)
        self._matrices, self._by_matrix = map(flat.matrices, (flat.theta, flat.gradient))
        for matrix in self._matrices[1:] if kind == "centred" else ():
            matrix[:, -1] += matrix[:, :-1].sum(1) / 2
        # Batch norm's scale and shift of each layer; a batch's mean and variance, and the averages.
        self._norms, self._by_norm = np.ones((depth, 2, width, 1)), np.zeros((depth, 2, width, 1))
        self._norms[:, 1] = 0
        self._batch, self._average = self._by_norm.copy(), self._norms[:, ::-1].copy()
        trained = 2 if kind == "batch norm" else 1
        self.parameters = [flat.theta, self._norms][:trained]
        self._gradients = [flat.gradient, self._by_norm][:trained]

    def _up(self, images: Array, average: Array | None = None) -> list[tuple[Array, ...]]:
        """Return of each layer what it reads, s(z), and batch norm's u and 1 / std; logits last."""
        below, seen = images.T, []
        for i, matrix in enumerate(self._matrices[:-1]):
            z = u = inverse = matrix @ below
            if self.kind == "batch norm":
                mean = _mean(z) if average is None else average[i, 0]
                z -= mean
                variance = _mean(z * z) if average is None else average[i, 1]
                if average is None:
                    self._batch[i, 0], self._batch[i, 1] = mean, variance
                inverse = 1 / np.sqrt(variance + _EPS)
                u = z * inverse
                z = self._norms[i, 0] * u + self._norms[i, 1]
            # NumPy and SciPy take two to four times as long for it.
            s = torch.sigmoid(torch.from_numpy(z)).numpy()
            seen.append((below, s, u, inverse))
            past = below[:-1] if self.kind == "residual" and i else -0.5 * (self.kind == "centred")
            below = np.ones((len(s) + 1, len(images)))
            np.add(s, past, out=below[:-1])
        return [*seen, (below, self._matrices[-1] @ below)]

    def logits(self, images: Array) -> Array:
        """Return the outputs (batch, 10) of the net in use, when batch norm has its averages."""
        return self._up(images, self._average)[-1][1].T

    def backward(self, images: Array, labels: Labels) -> tuple[float, list[Array]]:
        """Return the loss and dL/dz_l of the hidden layers, and leave dL/dtheta in its place."""
        *hidden, (below, logits) = self._up(images)
        loss, by_logits = softmax_gradient(logits.T, labels)
        np.matmul(by_logits.T, below.T, out=self._by_matrix[-1])
        by_h = self._matrices[-1][:, :-1].T @ by_logits.T
        deltas: list[Array] = []
        for i, (below, s, u, inverse) in reversed([*enumerate(hidden)]):
            delta = by_h * PHI["sigmoid"].slope(s)
            if self.kind == "batch norm":
                along, shift = _mean(delta * u), _mean(delta)
                np.multiply(len(images), along, out=self._by_norm[i, 0])
                np.multiply(len(images), shift, out=self._by_norm[i, 1])
                delta -= shift + along * u
                delta *= self._norms[i, 0] * inverse
            deltas.insert(0, delta)
            np.matmul(delta, below.T, out=self._by_matrix[i])
            if i:
                back = self._matrices[i][:, :-1].T @ delta
                by_h = by_h + back if self.kind == "residual" else back
        return loss, deltas

    def gradient(self, images: Array, labels: Labels) -> tuple[float, list[Array]]:
        """Return loss and dL/dtheta of a batch, and let the running averages follow it."""
        loss, _ = self.backward(images, labels)
        if self.kind == "batch norm":
            # torch averages the unbiased variance.
            unbiased = self._batch * [[[1.0]], [[len(images) / (len(images) - 1)]]]
            self._average += _SHARE * (unbiased - self._average)
        return loss, self._gradients


def _mean(signal: Array) -> Array:
    """Return the mean over the images, (units, 1); `mean` takes twice as long as a product."""
    return (signal @ np.full(signal.shape[1], 1 / signal.shape[1]))[:, None]


def descend(
    parameters: Sequence[Array],
    gradient: Callable[[Array, Labels], tuple[float, Sequence[Array]]],
    *,
    lr: float,
    batch: int,
    steps: int,
    every: int,
    seed: int,
    start: int = 0,
) -> Iterator[int]:
    """Train a net in place by SGD on digits, as `Flat.rows`, in the batches of `training.fit`.

    `gradient(images, labels)` returns the loss and dL/dp of each of the parameters, which may have
    taken `start` steps before. Yields the number of steps taken: at first, every so many, at last.
    """
    data = digits()
    x, y = Flat.rows(data.x_train.numpy()), data.y_train.numpy()
    orders = (rows.numpy() for rows in islice(batches(len(x), batch, steps, seed), start, None))
    yield start
    for step in learn.steps(parameters, gradient, ((x[r], y[r]) for r in orders), lr=lr):
        taken = start + step.taken
        if taken % every == 0 or taken == steps:
            yield taken
