"""A multilayer perceptron as one vector, with its gradient and the curvature of its loss."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite, nan, prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from vglib import learn
from vglib.backprop import PHI, Array, softmax_gradient
from vglib.networks import mlp
from vglib.scaled import norm

Layers = list[Array]
Shapes = tuple[tuple[int, ...], ...]
# Labels, or numbers.
Targets = NDArray[Any]

# phi'' from h = phi(z) and phi'(z).
BEND: Mapping[str, Callable[[Array, Array], Array | float]] = MappingProxyType(
    {
        "sigmoid": lambda h, slope: slope * (1 - 2 * h),
        "tanh": lambda h, slope: -2 * h * slope,
        "relu": lambda h, slope: 0.0,
    }
)


class Net:
    """A multilayer perceptron whose weights and biases are views of one vector `theta`.

    h_l = phi(W_l h_(l-1) + b_l), the readout without phi. `weights[l]`: (fan_out, fan_in).
    `loss` is "cross-entropy", averaged over the batch, or "squared error", averaged over batch and
    outputs; targets are (batch,) labels or (batch, n_out) numbers.
    """

    def __init__(self, theta: Array, shapes: Shapes, activation: str, loss: str) -> None:
        self.theta, self.shapes, self.activation, self.loss = theta, shapes, activation, loss
        self.phi = PHI[activation]
        ends = np.cumsum([prod(shape) for shape in shapes])
        self._places = [(slice(e - prod(s), e), s) for e, s in zip(ends, shapes, strict=True)]
        self.weights, self.biases = self.split(theta)

    def split(self, vector: Array) -> tuple[Layers, Layers]:
        """Cut a vector like `theta` into weight matrices and bias vectors; views, no copies."""
        parts = [vector[place].reshape(shape) for place, shape in self._places]
        return parts[::2], parts[1::2]

    def forward(self, x: Array) -> Layers:
        """Return h_0..h_L, where h_L is the output."""
        hs = [x]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            z = hs[-1] @ weight.T
            z += bias
            hs.append(z if len(hs) == len(self.weights) else self.phi.value(z, out=z))
        return hs

    def slopes(self, hs: Layers) -> Layers:
        """Return phi' at each hidden layer of what `forward` returned."""
        return [self.phi.slope(h) for h in hs[1:-1]]

    def backward(self, hs: Layers, y: Targets) -> tuple[float, Layers]:
        """Return the loss and dL/dz_1 .. dL/dz_L: delta_(l-1) = (delta_l W_l) * phi'(z_(l-1))."""
        if self.loss == "cross-entropy":
            loss, delta = softmax_gradient(hs[-1], y)
        else:
            error = hs[-1] - y
            loss, delta = float(np.mean(error**2)), 2 * error / error.size
        deltas = [delta]
        for weight, h in zip(self.weights[:0:-1], hs[-2:0:-1], strict=True):
            deltas.append((deltas[-1] @ weight) * self.phi.slope(h))
        return loss, deltas[::-1]

    def gradient(self, x: Array, y: Targets) -> tuple[float, Array]:
        """Return the loss and dL/dtheta: dL/dW_l = delta_l^T h_(l-1), dL/db_l = sum delta_l."""
        hs = self.forward(x)
        loss, deltas = self.backward(hs, y)
        gradient = np.empty_like(self.theta)
        for delta, h, *slots in zip(deltas, hs[:-1], *self.split(gradient), strict=True):
            np.matmul(delta.T, h, out=slots[0])
            delta.sum(0, out=slots[1])
        return loss, gradient

    def descend(
        self, batches: Iterable[tuple[Array, Targets]], **options: Any
    ) -> Iterator[learn.Step]:
        """Take a step on each batch (x, y); `options` are those of `learn.steps`."""

        def gradient(x: Array, y: Targets) -> tuple[float, Layers]:
            loss, found = self.gradient(x, y)
            return loss, [found]

        return learn.steps([self.theta], gradient, batches, **options)

    def deltas(self, x: Array, y: Targets) -> Layers:
        """Return dL/dz_1 .. dL/dz_L, each (batch, width)."""
        return self.backward(self.forward(x), y)[1]

    def curvature_along(self, x: Array, y: Targets) -> Callable[[Array], Array]:
        """Return v -> H v, H the Hessian of the loss, exactly; by Pearlmutter's R operator.

        With R f = d f(theta + t v)/dt at t = 0: R z_l = V_l h_(l-1) + W_l R h_(l-1) + R b_l, and
        the same derivative of every line of the backward recursion. Source: Pearlmutter 1994.
        """
        hs = self.forward(x)
        slopes, weights = self.slopes(hs), self.weights
        deltas = self.backward(hs, y)[1]
        # What phi'' multiplies: the gradient as it arrives at each hidden layer, phi' not yet in.
        bend = BEND[self.activation]
        parts = zip(deltas[1:], weights[1:], hs[1:-1], slopes, strict=True)
        bends = [(delta @ weight) * bend(h, slope) for delta, weight, h, slope in parts]
        p = softmax(hs[-1], axis=1)

        def along(v: Array) -> Array:
            moves, shifts = self.split(v)
            r_hs, r_zs = [np.zeros_like(x)], []
            for i, (move, shift) in enumerate(zip(moves, shifts, strict=True)):
                r_zs.append(hs[i] @ move.T + r_hs[i] @ weights[i].T + shift)
                r_hs.append(r_zs[i] * slopes[i] if i < len(slopes) else r_zs[i])
            if self.loss == "squared error":
                r_delta = 2 * r_zs[-1] / r_zs[-1].size
            else:
                r_p = p * r_zs[-1]
                r_delta = (r_p - p * r_p.sum(1, keepdims=True)) / len(x)
            out = np.empty_like(v)
            by_weights, by_biases = self.split(out)
            for i in reversed(range(len(weights))):
                np.matmul(r_delta.T, hs[i], out=by_weights[i])
                by_weights[i] += deltas[i].T @ r_hs[i]
                r_delta.sum(0, out=by_biases[i])
                if i:
                    r_delta = (r_delta @ weights[i] + deltas[i] @ moves[i]) * slopes[i - 1]
                    r_delta += bends[i - 1] * r_zs[i - 1]
            return out

        return along


def build(
    depth: int,
    width: int = 50,
    activation: str = "sigmoid",
    init: str = "1/fan_in",
    weight_scale: float = 1.0,
    seed: int = 0,
    loss: str = "cross-entropy",
) -> Net:
    """Build the net 64-width-...-width-10 of `vglib.networks.mlp` as one vector."""
    made = mlp(depth, width, activation=activation, init=init, weight_scale=weight_scale, seed=seed)
    pairs = zip(made.weights, made.biases, strict=True)
    parts = [parameter.detach().numpy() for pair in pairs for parameter in pair]
    theta = np.concatenate([part.ravel() for part in parts])
    return Net(theta, tuple(part.shape for part in parts), activation, loss)


def largest_curvature(net: Net, x: Array, y: Targets, steps: int = 15) -> float:
    """Return the largest eigenvalue of the Hessian of the loss, by Lanczos steps from one start.

    A lower bound, close after a dozen steps when one eigenvalue stands out; nan where the forward
    or backward pass overflows.
    """
    with np.errstate(all="ignore"):
        along = net.curvature_along(x, y)
        v = np.random.default_rng(0).standard_normal(len(net.theta))
        basis: Layers = [v / norm(v)]
        diagonal, beside = [], []
        for _ in range(min(steps, len(net.theta))):
            w = along(basis[-1])
            diagonal.append(float(w @ basis[-1]))
            if not isfinite(diagonal[-1]):
                return nan
            for b in basis:
                w -= (w @ b) * b
            length = norm(w)
            if not length > 1e-12 * max(map(abs, diagonal)):
                break
            beside.append(length)
            basis.append(w / length)
        beside = beside[: len(diagonal) - 1]
        matrix = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        return float(np.linalg.eigvalsh(matrix)[-1])
