"""How fast and how deep a net learns, by its start: nets that differ in nothing else."""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil, inf, nan, sqrt

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from vglib import backprop, learn, theory
from vglib.activations import ACTIVATIONS
from vglib.backprop import Labels
from vglib.data import digits
from vglib.initialization.mean_field import correlation_depth_scale, depth_scale
from vglib.initialization.schemes import SCHEMES
from vglib.initialization.watching import Walk
from vglib.learn import Array
from vglib.networks import mlp
from vglib.results import at_its_end, last, result
from vglib.training import batches, fit


class SideBySide:
    """Nets of one shape that differ in their weights alone, with the same batch for all of them.

        delta_l = (delta_(l+1) W_(l+1)) * phi'(Z_l),   dL/dW_l = delta_l^T H_(l-1)

    `matrices[l]`: (nets, fan_out, fan_in + 1), the bias last; (nets, fan_out, fan_in) where there
    is none. The loss is the cross-entropy, averaged over the batch, of each net on its own. A net
    whose output leaves the number type stands still from then on, and is marked in `broken`.
    """

    def __init__(self, matrices: list[Array], activation: str) -> None:
        self.matrices, self._phi = matrices, backprop.PHI[activation]
        self.broken = np.zeros(len(matrices[0]), dtype=bool)

    def _signals(self, x: Array) -> list[Array]:
        """Return x and each layer of it: (nets, batch, fan_out + 1), the last entry 1."""
        signals = [np.column_stack([x, np.ones(len(x), x.dtype)])]
        for matrix in self.matrices:
            nets, fan_out, fan_in = matrix.shape
            signals.append(np.ones((nets, len(x), fan_out + 1), x.dtype))
            z = signals[-1][..., :-1]
            np.matmul(signals[-2][..., :fan_in], matrix.swapaxes(1, 2), out=z)
            if matrix is not self.matrices[-1]:
                self._phi.value(z, out=z)
        return signals

    def gradient(self, x: Array, y: Labels) -> tuple[float, list[Array]]:
        """Return the mean of the losses, and each net's own dL/dp in the order of `matrices`."""
        *signals, output = self._signals(x)
        logits = output[..., :-1]
        # Beyond this the difference of two logits may leave the number type.
        self.broken |= ~(np.abs(logits).max((1, 2)) < np.finfo(x.dtype).max / 4)
        logits[self.broken] = 0
        nets, _, classes = logits.shape
        loss, delta = backprop.softmax_gradient(logits.reshape(-1, classes), np.tile(y, nets))
        delta = nets * delta.reshape(logits.shape)
        gradients: list[Array] = []
        for matrix, signal in zip(self.matrices[::-1], signals[::-1], strict=True):
            fan_in, fan_below = matrix.shape[2], signal.shape[-1] - 1
            gradients.insert(0, delta.swapaxes(1, 2) @ signal[..., :fan_in])
            if len(gradients) < len(signals):
                delta = delta @ matrix[..., :fan_below]
                delta *= self._phi.slope(signal[..., :-1])
        for g in gradients:
            g[self.broken] = 0
        return loss, gradients

    def accuracy(self, x: Array, y: Labels) -> Array:
        """Return the share of inputs whose largest output is the right one; (nets,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return (self._signals(x)[-1][..., :-1].argmax(-1) == y).mean(-1)


@result
class Speed:
    """Test accuracy after each epoch so far for each way to start.

    `epochs: (n,)`, counted from 0, of `total` in the end; `accuracy: (n_inits, n)`, nan once the
    loss has left float64.
    """

    activation: str
    inits: tuple[str, ...]
    epochs: Array
    accuracy: Array
    total: int

    @property
    def epochs_to_target(self) -> tuple[float, ...]:
        """The first epoch whose accuracy reaches 90%, for each start; inf if none does."""
        there = self.accuracy >= 0.9
        return tuple(float(good.argmax()) if good.any() else inf for good in there)

    @property
    def verdict(self) -> str:
        """One sentence: after how many epochs each start reaches the target."""
        late = f"not within {self.epochs[-1]:.0f}"
        parts = [
            f"{name} {late if epoch == inf else f'{epoch:.0f}'}"
            for name, epoch in zip(self.inits, self.epochs_to_target, strict=True)
        ]
        return f"{self.activation}, epochs to 90% on the test set: {', '.join(parts)}."


SPEED_INITS = ("N(0, 1)", "torch default", "Glorot uniform", "He normal")


def racing(
    activation: str = "tanh",
    depth: int = 5,
    lr: float = 0.1,
    seed: int = 0,
    *,
    epochs: int = 10,
    inits: tuple[str, ...] = SPEED_INITS,
) -> Iterator[Speed]:
    """Train nets of width 50 on digits that differ in their start alone; a result each epoch.

    Cross-entropy, SGD, batches of 64, `epochs` epochs; float64. A net whose loss is not finite has
    one more accuracy, that of its last finite weights.
    """
    data = digits()
    test = data.x_test.numpy(), data.y_test.numpy()
    nets = [mlp(depth, 50, activation=activation, init=SCHEMES[init], seed=seed) for init in inits]
    layers = zip(*(zip(net.weights, net.biases, strict=True) for net in nets), strict=True)
    matrices = [
        np.stack([np.column_stack([w.detach(), b.detach()]) for w, b in layer]) for layer in layers
    ]
    stack = SideBySide(matrices, activation)
    per_epoch, accuracy = ceil(len(data.y_train) / 64), [stack.accuracy(*test)]
    x, y = data.x_train.numpy(), data.y_train.numpy()
    orders = (rows.numpy() for rows in batches(len(y), 64, epochs * per_epoch, seed))

    def so_far() -> Speed:
        curves = np.array(accuracy).T
        return Speed(activation, inits, np.arange(float(len(accuracy))), curves, epochs)

    yield so_far()
    gone = stack.broken.copy()
    taken = ((x[rows], y[rows]) for rows in orders)
    for step in learn.steps(stack.matrices, stack.gradient, taken, lr=lr):
        if step.taken % per_epoch == 0:
            accuracy.append(np.where(gone, nan, stack.accuracy(*test)))
            gone = stack.broken.copy()
            yield so_far()


learning_speed = at_its_end(racing)


def change_of_flow(lr: float, seed: int = 0) -> float:
    """Return by how much 200 steps move ln(||delta_1|| / ||delta_10||) of a tanh net on digits.

    10 layers of 50 units, Glorot's start, cross-entropy, SGD, batches of 32.
    """
    net = mlp(10, 50, activation="tanh", init="glorot", seed=seed)
    history = fit(net, digits(), loss=cross_entropy, lr=lr, batch=32, steps=200, seed=seed)
    ratios = history.log_delta[:, 0] - history.log_delta[:, 9]
    return float(ratios[-1] - ratios[0])


# NumPy's own is three times as fast as torch's.
TANH = (np.tanh, ACTIVATIONS["tanh"].dphi)
GRID_DEPTHS = (3, 6, 12, 24)
GRID_W = np.geomspace(0.7, 3.1, 9)
FINE_W = np.geomspace(0.7, 3.1, 41)


@result
class Trainability:
    """Test accuracy after a few steps, by depth and sigma_w: (GRID_DEPTHS, GRID_W).

    The rows of depths that are not trained yet are nan. `xi_grad`, `xi_c`: theory's depth scales
    over FINE_W, xi_c up to the critical line and beyond.
    """

    accuracy: Array
    xi_grad: Array
    xi_c: Array
    critical: float
    steps: int

    @property
    def verdict(self) -> str:
        """One sentence: which sigma_w learns best in the deepest net so far, and theory's."""
        deepest = np.isfinite(self.accuracy[:, 0]).sum() - 1
        row = self.accuracy[deepest]
        return (
            f"at depth {GRID_DEPTHS[deepest]}, after {self.steps} steps, the best σ_w is "
            f"{GRID_W[row.argmax()]:.2f} ({row.max():.0%}) against {row[0]:.0%} and {row[-1]:.0%} "
            f"at the two ends; theory's critical σ_w is {self.critical:.3f}."
        )


def train_grid(
    depth: int,
    sigma_ws: Array,
    sigma_b: float,
    *,
    steps: int,
    width: int,
    seed: int = 0,
    lr: float = 0.01,
) -> Array:
    """Train one tanh net of the given depth for each sigma_w, side by side, on digits.

    Cross-entropy, SGD with momentum 0.9, batches of 32; the same unit normals and batches for every
    net; float32. Result: test accuracy, (n_w,).
    """
    data = digits(torch.float32)
    x, y = data.x_train.numpy(), data.y_train.numpy()
    generator = torch.Generator().manual_seed(seed)
    scales = np.asarray(sigma_ws, dtype=np.float32)[:, None, None]
    matrices = []
    for fan_in in (data.n_in, *[width] * (depth - 1)):
        unit = torch.randn(fan_in, width, generator=generator).numpy().T / np.float32(sqrt(fan_in))
        bias = sigma_b * torch.randn(width, generator=generator).numpy()
        biases = np.broadcast_to(bias[:, None], (len(scales), width, 1))
        matrices.append(np.concatenate([scales * unit, biases], axis=2, dtype=np.float32))
    readout = torch.randn(width, 10, generator=generator).numpy().T / np.float32(sqrt(width))
    matrices.append(np.repeat(readout[None], len(scales), axis=0))
    nets = SideBySide(matrices, "tanh")
    draws = (torch.randint(len(x), (32,), generator=generator).numpy() for _ in range(steps))
    batches = ((x[rows], y[rows]) for rows in draws)
    last(learn.steps(nets.matrices, nets.gradient, batches, lr=lr, rule=learn.heavy_ball))
    return nets.accuracy(data.x_test.numpy(), data.y_test.numpy())


def filling_grid(sigma_b: float = 0.22, steps: int = 50, seed: int = 0) -> Iterator[Trainability]:
    """Train tanh nets of width 32 over a small grid of depth and sigma_w, beside xi.

    The shallow nets come first, the depth scales where they are new, then the deeper nets.
    """
    walk, critical = _depth_scales(sigma_b), theory.critical_sigma_w(*TANH, sigma_b)
    accuracy = np.full((len(GRID_DEPTHS), len(GRID_W)), nan)
    xi_grad, xi_c = np.full((2, len(FINE_W)), nan)
    for row, depth in enumerate(GRID_DEPTHS):
        accuracy[row] = train_grid(depth, GRID_W, sigma_b, steps=steps, width=32, seed=seed)
        for known in walk.news(len(FINE_W)):
            xi_grad[:known], xi_c[:known] = zip(*walk.first(known), strict=True)
            yield Trainability(accuracy.copy(), xi_grad, xi_c, critical, steps)


@lru_cache(maxsize=32)
def _depth_scales(sigma_b: float) -> Walk[tuple[float, float]]:
    """Return the walk along `FINE_W`: at each sigma_w the gradient's xi, and the correlation's."""

    def scales() -> Iterator[tuple[float, float]]:
        for w in FINE_W:
            chi = theory.chi_at_fixed_point(*TANH, w, sigma_b)
            yield float(depth_scale(chi)), correlation_depth_scale(*TANH, w, sigma_b)

    return Walk(scales)
