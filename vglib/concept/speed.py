"""Learning speed of each hidden layer at the random start: Nielsen's nets, and theory."""

from collections.abc import Iterator
from math import exp, inf, log, sqrt

import numpy as np

from vglib import theory
from vglib.concept.pairs import SIGMOID, two_way_theory
from vglib.data import digits
from vglib.losses import nielsen_cross_entropy
from vglib.networks import MLP, mlp
from vglib.probe import Array, Trace, trace
from vglib.results import result
from vglib.words import factor

# Nielsen 2015, chapter 5, MNIST, before training: ||dC/db_l|| of hidden layers of 30 units.
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
        measured, said = _times(self.ratio), _times(self.predicted_ratio)
        return f"layer {self.depth} learns {measured} than layer 1; theory says {said}."


def _times(ratio: float) -> str:
    ln = log(ratio)
    return f"{factor(abs(ln))} times {'faster' if ln >= 0 else 'slower'}"


@result
class TwoWays(LearningSpeed):
    """A learning speed whose verdict is about both directions."""

    @property
    def verdict(self) -> str:
        """One sentence on both directions: what is left of the images and of the gradient."""
        if self.depth == 1:
            return "one hidden layer: nothing lies between the first and the last."
        share, backward = self.spread[-1] / self.spread[0], -log(self.ratio)
        forward = log(share) if share else -inf
        lost = np.flatnonzero(self.spread < ROUNDED)
        end = f"; from layer {lost[0] + 1} on float64 rounds the images to one" if len(lost) else ""
        return (
            f"forward, layer {self.depth} keeps {factor(forward)} of layer 1's differences "
            f"between images; backward, layer 1 gets {factor(backward)} of layer {self.depth}'s "
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
    data = digits(standardised=standardised)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    seen = trace(sigmoid_net(depth, width, weight_scale, seed), x, y, nielsen_cross_entropy)
    q_first = weight_scale**2 * float((x**2).mean()) + 1
    v_first = weight_scale**2 * float(x.var(0, correction=0).mean())
    log_spread, log_factors = two_way_theory(q_first, v_first, weight_scale, depth)
    behind = np.append(np.cumsum(log_factors[:-1][::-1])[::-1], 0.0)
    return LearningSpeed(seen, depth, seen.log_bias_grad[depth - 1] + behind, log_spread)


def two_ways(depth: int, weight_scale: float, width: int, seed: int) -> TwoWays:
    """Trace the chapter's net on standardised digits, the pixels of the trainings."""
    return TwoWays(**vars(learning_speed(depth, weight_scale, width, seed, standardised=True)))


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


def _several(hidden_layers: int, nets: int, first_seed: int) -> Iterator[LearningSpeed]:
    return (learning_speed(hidden_layers, seed=first_seed + number) for number in range(nets))


def median_ratio(hidden_layers: int, nets: int = 10, first_seed: int = 0) -> float:
    """Return the median over `nets` seeds of the last hidden layer's speed over the first one's."""
    return float(np.median([run.ratio for run in _several(hidden_layers, nets, first_seed)]))


def share_ordered(hidden_layers: int, nets: int = 20, first_seed: int = 0) -> float:
    """Return the share of nets in which every hidden layer learns faster than the one before."""
    runs = _several(hidden_layers, nets, first_seed)
    return float(np.mean([(np.diff(run.log_speed) > 0).all() for run in runs]))


def factor_per_layer(weight_scale: float, seed: int) -> float:
    """Return the geometric mean factor of ||dL/db|| from one layer to the one before, at start."""
    return learning_speed(4, weight_scale, 30, seed, standardised=True).ratio ** (-1 / 3)


def spread_factor(seed: int, width: int = 100) -> float:
    """Return what four hidden layers keep of layer 1's differences between images, at start."""
    spread = learning_speed(4, 1.0, width, seed, standardised=True).spread
    return float(spread[-1] / spread[0])


def finite_difference_ratio(seed: int, size: float = 1e-4) -> float:
    """Return the layer-1 bias gradient found without backpropagation over the one found with it.

    (L(b + size) - L(b - size)) / (2 size) for each of 30 biases; the ratio of the two norms.
    """
    data = digits(standardised=False)
    x, y = data.x_train[:PROBE], data.y_train[:PROBE]
    network = sigmoid_net(4, 30, seed=seed)
    exact = np.exp(trace(network, x, y, nielsen_cross_entropy).log_bias_grad[0])
    bias, slopes = network.biases[0].detach(), []
    for unit in range(len(bias)):
        losses = []
        for sign in (1, -1):
            bias[unit] += sign * size
            losses.append(float(nielsen_cross_entropy(network(x), y).detach()))
            bias[unit] -= sign * size
        slopes.append((losses[0] - losses[1]) / (2 * size))
    return float(np.linalg.norm(slopes) / exact)


def chi_nielsen() -> float:
    """Return the factor of ||delta||^2 per layer in Nielsen's net, at the fixed point: 0.04196."""
    return theory.chi_at_fixed_point(SIGMOID.phi, SIGMOID.dphi, 1.0, 1.0)


def factor_nielsen() -> float:
    """Return the factor of ||delta|| per layer in Nielsen's net: sqrt(chi) = 0.2048."""
    return sqrt(chi_nielsen())
