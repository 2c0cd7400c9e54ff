"""Learning speed of each hidden layer at the random start: Nielsen's nets, and theory."""

from math import exp, inf, log, sqrt
from typing import Any

import numpy as np

from vglib import theory
from vglib.concept.pairs import SIGMOID, two_way_theory
from vglib.data import digits
from vglib.losses import nielsen_cross_entropy
from vglib.networks import MLP, mlp
from vglib.probe import Array, trace
from vglib.results import result
from vglib.words import factor

# Nielsen 2015, MNIST, before training: ||dC/db_l|| of hidden layers of 30 units. The first rows of
# his code's fig/norms_during_training_{2,3,4}_layers.json; his chapter 5 prints fewer digits.
NIELSEN: dict[int, tuple[float, ...]] = {
    2: (0.0657, 0.3092),
    3: (0.0118, 0.0600, 0.2831),
    4: (0.0030, 0.0171, 0.0695, 0.2851),
}
PROBE = 1000
# The spread over 1000 images below which rounding is all that is left of their differences.
ROUNDED = 1e-15


@result
class LearningSpeed:
    """A fresh sigmoid net with mean-field theory for its `depth` hidden layers, each (depth,).

    `log_speed`: ln ||dL/db_l||; `spread`: that of h_l over the data. `theory_log_speed`: the same
    up to a constant, anchored at the last hidden layer; `theory_log_spread`: ln, not anchored.
    """

    depth: int
    log_speed: Array
    spread: Array
    theory_log_speed: Array
    theory_log_spread: Array

    @property
    def ratio(self) -> float:
        """Return ||dL/db_depth|| / ||dL/db_1||: how many times faster the last layer learns."""
        return exp(self.log_speed[-1] - self.log_speed[0])

    @property
    def predicted_ratio(self) -> float:
        """What theory says of `ratio`."""
        return exp(self.theory_log_speed[-1] - self.theory_log_speed[0])

    @property
    def verdict(self) -> str:
        """One sentence: how many times faster the last hidden layer learns, and theory's number."""
        if self.depth == 1:
            return "one hidden layer: there is no other to compare its speed with."
        logs = (log(self.ratio), log(self.predicted_ratio))
        seen, said = (f"{factor(abs(x))} times {'faster' if x >= 0 else 'slower'}" for x in logs)
        return f"layer {self.depth} learns {seen} than layer 1; theory says {said}."


@result
class TwoWays(LearningSpeed):
    """A learning speed whose verdict is about both directions."""

    @property
    def verdict(self) -> str:
        """One sentence on both directions: what is left of the images and of the gradient."""
        if self.depth == 1:
            return "one hidden layer: nothing lies between the first and the last."
        share, last = self.spread[-1] / self.spread[0], f"layer {self.depth}"
        kept, back = factor(log(share) if share else -inf), factor(-log(self.ratio))
        lost = np.flatnonzero(self.spread < ROUNDED)
        end = f"; from layer {lost[0] + 1} on float64 rounds the images to one" if len(lost) else ""
        forward = f"forward, {last} keeps {kept} of layer 1's differences between images"
        return f"{forward}; backward, layer 1 gets {back} of {last}'s gradient{end}."


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
    data = digits(standardised=standardised)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    seen = trace(sigmoid_net(depth, width, weight_scale, seed), x, y, nielsen_cross_entropy)
    q_first = weight_scale**2 * float((x**2).mean()) + 1
    v_first = weight_scale**2 * float(x.var(0, correction=0).mean())
    log_spread, log_factors = two_way_theory(q_first, v_first, weight_scale, depth)
    behind = np.append(np.cumsum(log_factors[:-1][::-1])[::-1], 0.0)
    log_speed, spread = seen.log_bias_grad[:depth], seen.spread[:depth]
    return LearningSpeed(depth, log_speed, spread, log_speed[-1] + behind, log_spread)


def two_ways(depth: int, weight_scale: float, width: int, seed: int) -> TwoWays:
    """Trace the chapter's net on standardised digits, the pixels of the trainings."""
    return TwoWays(**vars(learning_speed(depth, weight_scale, width, seed, standardised=True)))


def sigmoid_net(depth: int, width: int, weight_scale: float = 1.0, seed: int = 0) -> MLP:
    """Build the chapter's net: sigmoids throughout, N(0, 1/fan_in) weights, N(0, 1) biases."""
    drawn: dict[str, Any] = {"init": "1/fan_in", "weight_scale": weight_scale, "bias_scale": 1.0}
    return mlp(depth, width, output="sigmoid", seed=seed, **drawn)


def median_ratio(hidden_layers: int, nets: int = 10, first_seed: int = 0) -> float:
    """Return the median over `nets` seeds of the last hidden layer's speed over the first one's."""
    seeds = range(first_seed, first_seed + nets)
    return float(np.median([learning_speed(hidden_layers, seed=seed).ratio for seed in seeds]))


def share_ordered(hidden_layers: int, nets: int, first_seed: int) -> float:
    """Return the share of nets in which every hidden layer learns faster than the one before."""
    seeds = range(first_seed, first_seed + nets)
    speeds = [learning_speed(hidden_layers, seed=seed).log_speed for seed in seeds]
    return float((np.diff(speeds) > 0).all(1).mean())


def factor_per_layer(seed: int) -> float:
    """Return the geometric mean factor of ||dL/db|| from one layer to the one before, at start."""
    return learning_speed(seed=seed, standardised=True).ratio ** (-1 / 3)


def spread_factor(seed: int) -> float:
    """Return what four hidden layers keep of layer 1's differences between images, at start."""
    spread = learning_speed(width=100, seed=seed, standardised=True).spread
    return float(spread[-1] / spread[0])


def finite_difference_ratio(seed: int, size: float = 1e-4) -> float:
    """Return the layer-1 bias gradient found without backpropagation over the one found with it.

    (L(b + size) - L(b - size)) / (2 size) for each of 30 biases; the ratio of the two norms.
    """
    data = digits(standardised=False)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    network = sigmoid_net(4, 30, seed=seed)
    exact = np.exp(trace(network, x, y, nielsen_cross_entropy).log_bias_grad[0])
    bias, losses = network.biases[0].detach(), np.empty((30, 2))
    for unit in range(len(bias)):
        for side, step in enumerate((size, -size)):
            bias[unit] += step
            losses[unit, side] = nielsen_cross_entropy(network(x), y).detach()
            bias[unit] -= step
    return float(np.linalg.norm(losses[:, 0] - losses[:, 1]) / (2 * size) / exact)


def chi_nielsen() -> float:
    """Return the factor of ||delta||^2 per layer in Nielsen's net, at the fixed point: 0.04196."""
    return theory.chi_at_fixed_point(SIGMOID.phi, SIGMOID.dphi, 1.0, 1.0)


def factor_nielsen() -> float:
    """Return the factor of ||delta|| per layer in Nielsen's net: sqrt(chi) = 0.2048."""
    return sqrt(chi_nielsen())
