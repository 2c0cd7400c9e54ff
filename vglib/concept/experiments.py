"""Measurements of chapter 01: descent on a surface, learning speed at the start and over epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from vglib import theory
from vglib.activations import get_activation
from vglib.concept.sgd import descend
from vglib.data import Dataset, digits
from vglib.losses import nielsen_cross_entropy
from vglib.networks import MLP, mlp
from vglib.probe import Array, Trace, power_of_ten, trace
from vglib.training import History

SIGMOID = get_activation("sigmoid")
# Nielsen 2015, chapter 5, MNIST, before training: ||dC/db_l|| of hidden layers of 30 units.
NIELSEN: dict[int, tuple[float, ...]] = {
    2: (0.0657, 0.3092),
    3: (0.0118, 0.0600, 0.2831),
    4: (0.0030, 0.0171, 0.0695, 0.2851),
}
PROBE = 1000
DESCENT_STEPS = 60
# The descent's window: weights beyond it have left the picture.
WINDOW = 4.0


@lru_cache(maxsize=2)
def _digits(standardised: bool) -> Dataset:
    return digits(standardised=standardised)


# --- a loss surface over two weights ---------------------------------------------------------


def surface_data() -> tuple[Array, Array]:
    """Return the nine inputs x, (9,), and the targets g(x) = 1.5 tanh(x) of the two-weight net."""
    x = np.linspace(-2, 2, 9)
    return x, 1.5 * np.tanh(x)


def surface_loss(w1: ArrayLike, w2: ArrayLike) -> Array:
    """Return mean_x (w2 tanh(w1 x) - g(x))^2; w1 and w2 of one shape, and so the result."""
    x, target = surface_data()
    first, second = np.asarray(w1, float)[..., None], np.asarray(w2, float)[..., None]
    return ((second * np.tanh(first * x) - target) ** 2).mean(-1)


def surface_gradient(w1: float, w2: float) -> Array:
    """Return (dL/dw1, dL/dw2) of `surface_loss`, by the chain rule."""
    x, target = surface_data()
    h = np.tanh(w1 * x)
    error = 2 * (w2 * h - target) / len(x)
    return np.array([(error * w2 * (1 - h**2) * x).sum(), (error * h).sum()])


@dataclass(frozen=True, eq=False)
class Descent:
    """A path of gradient descent: `path` (n + 1, 2), `losses` and `slopes` = ||grad L|| (n + 1,).

    The path ends early where a weight passes 1000.
    """

    step: float
    path: Array
    losses: Array
    slopes: Array

    @property
    def turns(self) -> float:
        """Return the share of steps that turn back against the step before; 0 for a lone step."""
        moves = np.diff(self.path, axis=0)
        turned = (moves[1:] * moves[:-1]).sum(1) < 0
        return float(turned.mean()) if len(turned) else 0.0

    @property
    def verdict(self) -> str:
        """One sentence: diverges, zig-zags, converges, or creeps."""
        n, first, last = len(self.losses) - 1, self.losses[0], self.losses[-1]
        if last > first * (1 + 1e-9) or np.abs(self.path[-1]).max() > 10 * WINDOW:
            return (
                f"diverges: after {n} steps the loss has grown from {first:.3g} to {last:.3g}; no "
                f"step size above {largest_step():.3g} can settle at a minimum of this surface."
            )
        if self.turns > 0.4:
            return (
                f"zig-zags: {100 * self.turns:.0f}% of the steps turn back on the step before; "
                f"after {n} steps the loss is {last:.2g}."
            )
        if last < 1e-3:
            near = int(np.argmax(self.losses < 1e-3))
            return f"converges: the loss falls below 0.001 at step {near} of {n}."
        slope = self.slopes[-1]
        if slope < 0.03:
            return (
                f"creeps: after {n} steps the gradient is only {slope:.2g}, and yet the loss is "
                f"{last:.2g} where a minimum has 0: flat ground is not low ground."
            )
        return f"creeps: after {n} steps the loss is {last:.2g}, the gradient {slope:.2g}."


def largest_step() -> float:
    """Return the step size above which no minimum of the surface holds a descent: 2 / lambda.

    lambda: the largest eigenvalue of the Hessian at (1, 1.5), 2 mean_x J J^T with J the gradient of
    the output by (w1, w2), since the error is 0 there.
    """
    x, _ = surface_data()
    h = np.tanh(x)
    slopes = np.stack([1.5 * (1 - h**2) * x, h])
    return float(2 / np.linalg.eigvalsh(2 * slopes @ slopes.T / len(x)).max())


def descent(step: float = 0.9, w1: float = 2.5, w2: float = 2.5) -> Descent:
    """Walk 60 steps of w <- w - step grad L from (w1, w2) on the surface of the two-weight net."""
    path = [np.array([w1, w2])]
    for _ in range(DESCENT_STEPS):
        if np.abs(path[-1]).max() > 1000:
            break
        path.append(path[-1] - step * surface_gradient(*path[-1]))
    walked = np.array(path)
    slopes = np.array([np.linalg.norm(surface_gradient(*w)) for w in walked])
    return Descent(step, walked, surface_loss(walked[:, 0], walked[:, 1]), slopes)


# --- learning speed at the random start ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LearningSpeed:
    """A fresh sigmoid net, traced, with mean-field theory for its `depth` hidden layers.

    `theory_log_speed`: ln ||dL/db_l|| up to a constant, anchored at the last hidden layer;
    `theory_log_spread`: ln of the spread of h_l over the data, not anchored. Both (depth,).
    """

    trace: Trace
    depth: int
    theory_log_speed: Array
    theory_log_spread: Array

    @property
    def log_speed(self) -> Array:
        """ln ||dL/db_l|| of the hidden layers, (depth,)."""
        return self.trace.log_bias_grad[: self.depth]

    @property
    def spread(self) -> Array:
        """Spread of h_l over the data, hidden layers only, (depth,)."""
        return self.trace.spread[: self.depth]

    @property
    def ratio(self) -> float:
        """Return ||dL/db_depth|| / ||dL/db_1||: how many times faster the last layer learns."""
        return float(np.exp(self.log_speed[-1] - self.log_speed[0]))

    @property
    def predicted_ratio(self) -> float:
        """What theory says of `ratio`."""
        return float(np.exp(self.theory_log_speed[-1] - self.theory_log_speed[0]))

    @property
    def verdict(self) -> str:
        """One sentence: how many times faster the last hidden layer learns, and theory's number."""
        if self.depth == 1:
            return "one hidden layer: there is no other to compare its speed with."
        change, said = log(self.ratio), log(self.predicted_ratio)
        return (
            f"layer {self.depth} learns {_times(change)} than layer 1; theory says {_times(said)}."
        )

    @property
    def two_way_verdict(self) -> str:
        """One sentence on both directions: what is left of the images and of the gradient."""
        if self.depth == 1:
            return "one hidden layer: nothing lies between the first and the last."
        forward, backward = log(self.spread[-1] / self.spread[0]), -log(self.ratio)
        lost = np.flatnonzero(self.spread < 1e-15)
        end = f"; from layer {lost[0] + 1} on float64 rounds the images to one" if len(lost) else ""
        return (
            f"forward, layer {self.depth} keeps {_number(forward)} of layer 1's differences "
            f"between images; backward, layer 1 gets {_number(backward)} of layer {self.depth}'s "
            f"gradient{end}."
        )


def learning_speed(
    depth: int = 4,
    weight_scale: float = 1.0,
    width: int = 30,
    seed: int = 0,
    standardised: bool = False,
) -> LearningSpeed:
    """Trace Nielsen's net at its start: sigmoids, N(0, 1/fan_in) weights, N(0, 1) biases.

    Digits with pixels from 0 to 1 (or standardised), cross-entropy of sigmoid outputs, gradient
    averaged over the first 1000 training images. Source: Nielsen 2015, chapter 5.
    """
    data = _digits(standardised)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    seen = trace(sigmoid_net(depth, width, weight_scale, seed), x, y, nielsen_cross_entropy)
    q_first = weight_scale**2 * float((x**2).mean()) + 1
    v_first = weight_scale**2 * float(x.var(0, correction=0).mean())
    log_spread, log_factors = two_way_theory(q_first, v_first, weight_scale, depth)
    behind = np.append(np.cumsum(log_factors[:-1][::-1])[::-1], 0.0)
    return LearningSpeed(
        trace=seen,
        depth=depth,
        theory_log_speed=seen.log_bias_grad[depth - 1] + behind,
        theory_log_spread=log_spread,
    )


def sigmoid_net(depth: int, width: int, weight_scale: float = 1.0, seed: int = 0) -> MLP:
    """Build the chapter's net: sigmoids throughout, N(0, 1/fan_in) weights, N(0, 1) biases."""
    return mlp(
        depth,
        width,
        output="sigmoid",
        init="1/fan_in",
        weight_scale=weight_scale,
        bias_scale=1.0,
        seed=seed,
    )


def two_way_theory(
    q_first: float, v_first: float, sigma_w: float, depth: int
) -> tuple[Array, Array]:
    """Return mean-field theory for both directions of a sigmoid net with biases N(0, 1).

    q_l is a pre-activation's variance over units and data, v_l its variance over the data alone.
    Two images then give z, z' = m + d, m - d with m ~ N(0, q_l - v_l / 2), d ~ N(0, v_l / 2), and

        spread_l^2 = E (s(z) - s(z'))^2 / 2,   v_(l+1) = sigma_w^2 spread_l^2,
        ||dL/db_l||^2 = sigma_w^2 E s'(z) s'(z') ||dL/db_(l+1)||^2.

    Returns ln spread_l and ln of the factor of ||dL/db_l||, both (depth,). Where v is small both
    squares change by chi = sigma_w^2 E s'(z)^2 a layer. Source: the covariance maps of Poole et al.
    2016 and Schoenholz et al. 2017, written for the difference of two inputs.
    """
    q = theory.q_trajectory(q_first, SIGMOID.phi, sigma_w, 1.0, depth)
    log_spread, log_factors, v = np.empty(depth), np.empty(depth), v_first
    for layer in range(depth):
        spread = _over_pairs(_half_squared_difference, q[layer], v)
        product = _over_pairs(_product_of_slopes, q[layer], v)
        log_spread[layer], log_factors[layer] = 0.5 * log(spread), log(sigma_w) + 0.5 * log(product)
        v = sigma_w**2 * spread
    return log_spread, log_factors


def _over_pairs(f: Callable[[Array, Array], Array], q: float, v: float) -> float:
    """Return E f(m, d), m ~ N(0, q - v / 2), d ~ N(0, v / 2)."""

    def over_differences(m: Array) -> Array:
        return theory.gaussian_mean(lambda d: f(m[:, None], d), v / 2)

    return float(theory.gaussian_mean(over_differences, max(q - v / 2, 0.0)))


def _half_squared_difference(m: Array, d: Array) -> Array:
    # s(m + d) - s(m - d) without cancellation, so that a spread of 1e-30 comes out right.
    size = np.abs(d)
    return 0.5 * (expit(m + size) * expit(size - m) * -np.expm1(-2 * size)) ** 2


def _product_of_slopes(m: Array, d: Array) -> Array:
    return SIGMOID.dphi(m + d) * SIGMOID.dphi(m - d)


def median_speeds(hidden_layers: int, nets: int = 20, first_seed: int = 0) -> Array:
    """Return the median over `nets` seeds of ||dL/db_l|| in Nielsen's nets on digits; (layers,)."""
    seeds = range(first_seed, first_seed + nets)
    speeds = [np.exp(learning_speed(hidden_layers, seed=s).log_speed) for s in seeds]
    return np.median(speeds, axis=0)


def median_ratio(hidden_layers: int, nets: int = 10, first_seed: int = 0) -> float:
    """Return the median over `nets` seeds of the last hidden layer's speed over the first one's."""
    seeds = range(first_seed, first_seed + nets)
    return float(np.median([learning_speed(hidden_layers, seed=s).ratio for s in seeds]))


def share_ordered(hidden_layers: int, nets: int = 20, first_seed: int = 0) -> float:
    """Return the share of nets in which every hidden layer learns faster than the one before."""
    seeds = range(first_seed, first_seed + nets)
    return float(np.mean([_rises(learning_speed(hidden_layers, seed=s).log_speed) for s in seeds]))


def _rises(log_speed: Array) -> bool:
    return bool((np.diff(log_speed) > 0).all())


# --- learning speed over the epochs ----------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Training:
    """A training on standardised digits, batches of 10, plain SGD; `history` has every record."""

    depth: int
    width: int
    loss: str
    lr: float
    weight_scale: float
    history: History

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return int(self.history.epochs[-1])

    @property
    def accuracy(self) -> float:
        """Share of test digits named rightly at the end."""
        return float(self.history.test_accuracy[-1])

    @property
    def log_speed(self) -> Array:
        """ln ||dL/db_l|| of the hidden layers at each record, (records, depth)."""
        return self.history.log_bias_grad[:, : self.depth]

    @property
    def log_delta(self) -> Array:
        """ln ||dL/dz_l|| of the hidden layers at each record, (records, depth)."""
        return self.history.log_delta[:, : self.depth]

    @property
    def moved(self) -> Array:
        """||W_l - W_l at the start|| / ||W_l at the start||, hidden layers, (records, depth)."""
        return self.history.moved[:, : self.depth]

    @property
    def spread(self) -> Array:
        """Spread of h_l over the data, hidden layers, (records, depth)."""
        return np.stack([t.spread[: self.depth] for t in self.history.traces])

    @property
    def first_ratio(self) -> float:
        """The last hidden layer's speed over the first one's, before training."""
        return float(np.exp(self.log_speed[0, -1] - self.log_speed[0, 0]))

    @property
    def last_ratio(self) -> float:
        """The last hidden layer's speed over the first one's, at the end."""
        return float(np.exp(self.log_speed[-1, -1] - self.log_speed[-1, 0]))

    @property
    def word(self) -> str:
        """What became of the training: learns, is under way, or stuck."""
        if self.accuracy >= 0.8:
            return "learns"
        return "stuck" if self.accuracy < 0.2 else "under way"

    @property
    def verdict(self) -> str:
        """One sentence: accuracy, the ratio of speeds before and after, and how far layer 1 got."""
        return (
            f"{self.word}: {100 * self.accuracy:.0f}% of the test digits after {self.epochs} "
            f"epochs; layer {self.depth} learned {_number(log(self.first_ratio))} times as fast as "
            f"layer 1 at the start, {_number(log(self.last_ratio))} times at the end; layer 1 has "
            "moved by "
            f"{_percent(self.moved[-1, 0])} of its length."
        )


def train(
    depth: int = 4,
    width: int = 30,
    loss: str = "quadratic",
    lr: float = 0.5,
    weight_scale: float = 1.0,
    epochs: int = 20,
    seed: int = 0,
    probe_size: int = 300,
    record_every: int = 1,
) -> Training:
    """Train the chapter's net on standardised digits; about a second for 60 epochs of 4 x 30."""
    network, data = sigmoid_net(depth, width, weight_scale, seed), _digits(True)
    history = descend(
        network,
        data,
        loss=loss,
        lr=lr,
        epochs=epochs,
        record_every=record_every,
        probe_size=probe_size,
        seed=seed,
    )
    return Training(depth, width, loss, lr, weight_scale, history)


@dataclass(frozen=True, eq=False)
class OnePath(Training):
    """A training of a net with one neuron in each hidden layer."""

    @property
    def ordered_speed(self) -> int:
        """In how many records every layer's bias gradient exceeds the one of the layer before."""
        return sum(_rises(row) for row in self.log_speed)

    @property
    def ordered_delta(self) -> int:
        """In how many records every layer's delta exceeds the delta of the layer before."""
        return sum(_rises(row) for row in self.log_delta)

    @property
    def verdict(self) -> str:
        """One sentence: the ratio at the start, and how often the order 1 < 2 < 3 < 4 is seen."""
        n = len(self.log_speed)
        return (
            f"at the start layer 4 learns {_number(log(self.first_ratio))} times as fast as "
            f"layer 1; the order 1 < 2 < 3 < 4 holds at {self.ordered_speed} of {n} epochs in "
            f"‖∂L/∂b‖ and at {self.ordered_delta} in ‖∂L/∂z‖; test accuracy "
            f"{100 * self.accuracy:.0f}%."
        )


def one_path(
    weight_scale: float = 1.0, lr: float = 0.5, epochs: int = 60, seed: int = 0
) -> OnePath:
    """Train four hidden layers of one sigmoid neuron each, quadratic loss."""
    done = train(4, 1, "quadratic", lr, weight_scale, epochs, seed, PROBE)
    return OnePath(**vars(done))


def score(trainings: Sequence[Training]) -> str:
    """List what was registered: the setting, the ratio at the start, and what became of it."""
    lines = [
        f"{t.loss}, lr {t.lr:.3g}, scale {t.weight_scale:.3g}, {t.depth} layers: ratio at the "
        f"start {_number(log(t.first_ratio))}, accuracy {100 * t.accuracy:.0f}%"
        for t in trainings
    ]
    return f"{len(lines)} registered. " + "; ".join(lines) + "."


# --- what the claims need --------------------------------------------------------------------


def finite_difference_ratio(seed: int, size: float = 1e-4) -> float:
    """Return the layer-1 bias gradient found without backpropagation over the one found with it.

    (L(b + size) - L(b - size)) / (2 size) for each of 30 biases; the ratio of the two norms.
    """
    data = _digits(False)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    network = sigmoid_net(4, 30, seed=seed)
    exact = trace(network, x, y, nielsen_cross_entropy).bias_grad_norm[0]
    bias, slopes = network.biases[0].detach(), []
    for unit in range(len(bias)):
        losses = []
        for sign in (1, -1):
            bias[unit] += sign * size
            losses.append(float(nielsen_cross_entropy(network(x), y).detach()))
            bias[unit] -= sign * size
        slopes.append((losses[0] - losses[1]) / (2 * size))
    return float(np.linalg.norm(slopes) / exact)


def best_accuracy(depth: int, weight_scale: float, seed: int) -> float:
    """Return the best test accuracy over five step sizes from 0.5 to 100, 40 epochs each."""
    rates = (0.5, 5.0, 20.0, 50.0, 100.0)
    return max(
        train(depth, 30, "quadratic", r, weight_scale, 40, seed, record_every=40).accuracy
        for r in rates
    )


def gradient_from_step(lr: float, seed: int) -> Array:
    """Return (W - W after one full-batch step) / lr of layer 1, flattened: the gradient there."""
    data = _digits(True)
    network = sigmoid_net(4, 30, seed=seed)
    before = network.weights[0].detach().clone()
    descend(network, data, loss="quadratic", lr=lr, epochs=1, batch=len(data.x_train), seed=seed)
    return (before - network.weights[0].detach()).numpy().ravel() / lr


def factor_per_iteration(weight_scale: float, seed: int) -> float:
    """Return the geometric mean factor of ||dL/db_1|| from one iteration to the next, 2880 of them.

    Four hidden layers of 30, quadratic loss, lr 0.5, batch 10, 20 epochs.
    """
    done = train(4, 30, weight_scale=weight_scale, seed=seed, record_every=20)
    return float(np.exp((done.log_speed[-1, 0] - done.log_speed[0, 0]) / done.history.steps[-1]))


def factor_per_layer(weight_scale: float, seed: int) -> float:
    """Return the geometric mean factor of ||dL/db|| from one layer to the one before, at start."""
    speed = learning_speed(4, weight_scale, 30, seed, standardised=True).log_speed
    return float(np.exp((speed[0] - speed[-1]) / 3))


def spread_factor(seed: int, width: int = 100) -> float:
    """Return what four hidden layers keep of layer 1's differences between images, at start."""
    spread = learning_speed(4, 1.0, width, seed, standardised=True).spread
    return float(spread[-1] / spread[0])


def chi_nielsen() -> float:
    """Return the factor of ||delta||^2 per layer in Nielsen's net, at the fixed point: 0.04196."""
    return theory.chi_at_fixed_point(SIGMOID.phi, SIGMOID.dphi, 1.0, 1.0)


def factor_nielsen() -> float:
    """Return the factor of ||delta|| per layer in Nielsen's net: sqrt(chi) = 0.2048."""
    return sqrt(chi_nielsen())


def _number(ln: float) -> str:
    return f"{np.exp(ln):.3g}" if abs(ln) < log(1e4) else power_of_ten(ln)


def _times(ln: float) -> str:
    return f"{_number(abs(ln))} times {'faster' if ln >= 0 else 'slower'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.2g}%"
