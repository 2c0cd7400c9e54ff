"""Whether all directions fare alike: a deep Jacobian's singular values, and deep linear nets."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, zip_longest
from math import inf, isfinite, nan, sqrt

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from vglib import learn, theory
from vglib.activations import ACTIVATIONS
from vglib.checks import require
from vglib.data import digits
from vglib.initialization.mean_field import square_ratio
from vglib.initialization.schemes import CRITICAL, normal_inputs
from vglib.initialization.watching import Walk
from vglib.networks import INITIALIZATIONS, mlp
from vglib.probe import Array
from vglib.results import at_its_end, last, result
from vglib.theory import Function
from vglib.words import count


def jacobian_spread(depth: int, dphi: Function, q: float, orthogonal: bool = False) -> float:
    """Return Var(s^2) / mean(s^2)^2 of the singular values s of a deep net's Jacobian.

    L (mu_2 / mu_1^2 - 1 - s_1), mu_k = E phi'(sqrt(q) u)^(2k), s_1 = -1 for Gaussian weights and 0
    for orthogonal ones

    Wide layers of one width, all at variance q. Linear: L Gaussian, 0 orthogonal; ReLU: 2L and L.
    Raises ValueError for depth < 1 or a q that is negative or nan.
    Source: Pennington, Schoenholz & Ganguli 2017, eq. 21.
    """
    require("depth", depth, depth >= 1, "at least 1")
    # At q = 0 itself every sample would sit on the jump of ReLU's derivative.
    return depth * (square_ratio(dphi, q or 1e-300) - 1 + (0 if orthogonal else 1))


def gaussian_product_edge(depth: int) -> float:
    """Return the largest singular value of a product of wide square N(0, 1/n) matrices.

    sqrt((L + 1)^(L + 1) / L^L): 2 for one matrix, about sqrt(e L) for many. Needs n >> L.

    Raises ValueError for depth < 1.
    Source: Pennington, Schoenholz & Ganguli 2017, section 2.
    """
    require("depth", depth, depth >= 1, "at least 1")
    return float(np.exp(0.5 * ((depth + 1) * np.log(depth + 1) - depth * np.log(depth))))


def gaussian_product_log_quantile(share: ArrayLike, depth: ArrayLike) -> NDArray:
    """Return ln s below which a share of the singular values of a deep Gaussian product lies.

    (L / 2) ln p, for a product of L square N(0, 1/n) matrices, L large: the median is 2^(-L/2)

    share, depth: any shapes that fit together, and so the result.
    Raises ValueError for a share outside (0, 1] or depth < 1.
    Source: Newman 1986.
    """
    p, layers = np.asarray(share, dtype=np.float64), np.asarray(depth)
    require("depth", depth, np.all(layers >= 1), "at least 1")
    require("share", share, np.all((p > 0) & (p <= 1)), "above 0, and 1 at most")
    return 0.5 * layers * np.log(p)


@result
class Spectrum:
    """Singular values of the Jacobians dz_l/dz_0 of two nets, at each net's critical point.

    `singular`: (2, layers so far, width), Gaussian weights first, the largest value first; `depth`
    is how many layers there will be.
    """

    activation: str
    depth: int
    singular: Array

    @property
    def medians(self) -> Array:
        """The median of s after each layer; (2, layers so far)."""
        return np.median(self.singular, axis=2)

    @property
    def mean_squares(self) -> Array:
        """The mean of s^2 after each layer; (2, layers so far)."""
        return (self.singular**2).mean(axis=2)

    @property
    def verdict(self) -> str:
        """One sentence: mean square and median of both."""
        squares, medians = self.mean_squares[:, -1], self.medians[:, -1]
        return (
            f"{count(self.singular.shape[1], 'layer')}: Gaussian weights have mean s² = "
            f"{squares[0]:.2g} and median s = {medians[0]:.2g} while orthogonal weights have mean "
            f"s² = {squares[1]:.2g} and median s = {medians[1]:.2g}."
        )


def spectra(activation: str, depth: int, seed: int = 0, *, width: int = 150) -> Iterator[Spectrum]:
    """Compute the singular values of a Gaussian and of an orthogonal net's Jacobian, going deeper.

    J = W_L D_(L-1) ... W_1 D_0, D_l = diag phi'(z_l), both nets at the activation's critical point.
    Values below 1e-16 of the largest are rounding and are set to that.
    """
    walks = [_walk(activation, init, width, seed) for init in ("1/fan_in", "orthogonal")]
    for layers in walks[0].news(depth):
        yield Spectrum(activation, depth, np.array([walk.first(layers) for walk in walks]))


@lru_cache(maxsize=4)
def _walk(activation: str, init: str, width: int, seed: int) -> Walk[Array]:
    return Walk(lambda: map(_singular_values, _jacobians(activation, init, width, seed)))


def singular_values(activation: str, init: str, depth: int, width: int, seed: int = 0) -> Array:
    """Return the singular values of dz_L/dz_0 at the activation's critical point; (width,)."""
    return _singular_values(last(islice(_jacobians(activation, init, width, seed), depth)))


def _singular_values(jacobian: Tensor) -> Array:
    singular = torch.linalg.svdvals(jacobian)
    # Below a share 1e-16 of the largest the values are rounding; they stay on that floor.
    return singular.clamp(min=1e-16 * float(singular[0])).numpy()


def _jacobians(activation: str, init: str, width: int, seed: int) -> Iterator[Tensor]:
    """Yield dz_l/dz_0 for l = 1, 2, ..., z_0 normal with variance q*; each (width, width)."""
    phi, (w_scale, b_scale) = ACTIVATIONS[activation], CRITICAL[activation]
    scheme, generator = INITIALIZATIONS[init], torch.Generator().manual_seed(seed)
    q = theory.q_fixed_point(phi.phi, w_scale, b_scale)
    z = sqrt(q) * normal_inputs(width, seed=seed)
    jacobian = torch.eye(width, dtype=torch.float64)
    while True:
        weight = w_scale * scheme.draw(width, width, generator)
        jacobian = weight @ (phi.derivative(z)[:, None] * jacobian)
        bias = b_scale * torch.randn(width, generator=generator, dtype=torch.float64)
        z = weight @ phi.function(z) + bias
        yield jacobian


def log_singular_values(depth: int, width: int, seed: int = 0) -> Array:
    """Return about the ln of all singular values of a product of N(0, 1/n) matrices, sorted.

    The diagonals of R in a QR decomposition carried through the layers (Lyapunov exponents); no
    value is lost to rounding, however deep. Result: (width,).
    """
    generator = torch.Generator().manual_seed(seed)
    frame, total = torch.eye(width, dtype=torch.float64), np.zeros(width)
    for _ in range(depth):
        weight = torch.randn(width, width, generator=generator, dtype=torch.float64) / sqrt(width)
        frame, r = torch.linalg.qr(weight @ frame)
        total += np.log(np.abs(np.diagonal(r.numpy())))
    return np.sort(total)


RATES = (0.3, 1.0, 3.0)
TARGET = 0.05


@result
class LinearLearning:
    """The loss of deep linear nets over the steps, each at its best learning rate so far.

    `losses: (2, steps + 1)`, Gaussian first; nan after TARGET is reached, and from step `taken` on.
    `rates`: the best learning rates, times the depth.
    """

    depth: int
    losses: Array
    rates: tuple[float, ...]
    taken: int

    @property
    def steps_to_target(self) -> tuple[float, ...]:
        """The first step at which the loss is below the target; inf if there is none."""
        return tuple(float(low.argmax()) if low.any() else inf for low in self.losses < TARGET)

    @property
    def verdict(self) -> str:
        """One sentence: the steps that each start takes."""
        gaussian, orthogonal = (
            f"{s:.0f} steps" if isfinite(s) else f"more than {self.taken} steps"
            for s in self.steps_to_target
        )
        return (
            f"{self.depth} linear layers reach the loss {TARGET:g} in {orthogonal} from an "
            f"orthogonal start and in {gaussian} from a Gaussian one, each at the best of three "
            "learning rates."
        )


def racing_linear(depth: int, seed: int = 0, *, steps: int = 80) -> Iterator[LinearLearning]:
    """Train a deep linear net on digits from a Gaussian and from an orthogonal start.

    Width 64, quadratic loss over all 1437 images at once, plain gradient descent, learning rate
    0.3, 1 or 3 over the depth. The images enter through a QR decomposition: 64 rows have the same
    loss, up to a constant, as all of them. A result each step.
    """
    races = [_tries(depth, init, seed, steps) for init in ("1/fan_in", "orthogonal")]
    best: list[tuple[Array, float]] = []
    for taken, found in enumerate(zip_longest(*races)):
        best = [new or best[start] for start, new in enumerate(found)]
        curves, rates = zip(*best, strict=True)
        yield LinearLearning(depth, np.array(curves), rates, taken)


linear_learning = at_its_end(racing_linear)


def _tries(depth: int, init: str, seed: int, steps: int) -> Iterator[tuple[Array, float]]:
    """Yield after each step the loss of the best of three rates (steps + 1,), and that rate.

    The best is the first at the target, and until one is there the lowest.
    """
    network = mlp(depth, 64, activation="identity", init=init, seed=seed)
    weights = [np.repeat(w.detach().numpy()[None], len(RATES), axis=0) for w in network.weights]
    losses, runs = np.full((len(RATES), steps + 1), nan), np.ones(len(RATES), dtype=bool)

    def gradient(step: int) -> tuple[float, list[Array]]:
        now, gradients = _gradients(weights, np.array(RATES))
        losses[runs, step] = now[runs]
        runs[:] = runs & (now < 1e3) & ~(now[runs] < TARGET).any()
        return 0.0, gradients

    def rank(one: int) -> tuple[float, float]:
        reached = np.flatnonzero(losses[one] < TARGET)
        lowest = float(np.nanmin(losses[one])) if runs[one] else inf
        return (float(reached[0]), 0.0) if len(reached) else (inf, lowest)

    for _ in learn.steps(weights, gradient, ((step,) for step in range(steps + 1)), lr=1 / depth):
        best = min(range(len(RATES)), key=rank)
        yield losses[best].copy(), RATES[best]
        if not runs.any():
            return


def _gradients(weights: list[Array], rates: Array) -> tuple[Array, list[Array]]:
    """Return the loss of each net (nets,), and its rate times its gradients, shaped as `weights`.

        dL/dW_l = (W_(L+1) ... W_(l+1))^T G (W_(l-1) ... W_1)^T,   G = dL/d(W_(L+1) ... W_1)

    G has ten rows, and so has all that is carried from layer to layer: no layer needs a product
    of two large matrices.
    """
    x, y, lost, entries = _few_rows()
    above = [weights[-1]]
    for weight in reversed(weights[:-1]):
        above.append(above[-1] @ weight)
    error = x @ above.pop().swapaxes(1, 2) - y
    g = (2 / entries * rates[:, None, None]) * (error.swapaxes(1, 2) @ x)
    gradients = []
    for weight, upper in zip(weights[:-1], reversed(above), strict=True):
        gradients.append(upper.swapaxes(1, 2) @ g)
        g = g @ weight.swapaxes(1, 2)
    return (error**2).sum((1, 2)) / entries + lost, [*gradients, g]


@lru_cache(maxsize=1)
def _few_rows() -> tuple[Array, Array, float, int]:
    """Return R (64, 64), Q^T Y (64, 10), X = QR, what they lose of the loss, and its entries."""
    data = digits()
    targets = np.eye(10)[data.y_train]
    q, r = (part.numpy() for part in torch.linalg.qr(data.x_train))
    few = q.T @ targets
    return r, few, float((targets**2).sum() - (few**2).sum()) / targets.size, targets.size
