"""Measurements of chapter 02: factors of the chain rule, their products, and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import acosh, log, nan, sqrt
from timeit import repeat

import numpy as np
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import get_activation
from vglib.data import Dataset, digits
from vglib.networks import MLP, mlp
from vglib.probe import Array, Trace, power_of_ten, trace

SIGMOID = get_activation("sigmoid")
CHAINS = 4000
THROWS = 20_000
SUMS = 3000
WIDTHS = (10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500)
# The first layers still feel the data; from this one on the network has forgotten them.
SETTLED = 3


@dataclass(frozen=True)
class Chain:
    """One sigmoid neuron a layer: z_l = w_l a_(l-1) + b_l, a_l = s(z_l), all (n,).

    `factors` are the chain rule's terms w_l s'(z_l), whose product is da_n/da_0.
    """

    weights: Array
    pre_activations: Array
    slopes: Array

    @property
    def factors(self) -> Array:
        """The terms w_l s'(z_l) of the chain rule."""
        return self.weights * self.slopes

    @property
    def product(self) -> float:
        """The derivative of the output by the input."""
        return float(np.prod(self.factors))

    @property
    def verdict(self) -> str:
        """One sentence: the product, and its largest factor."""
        terms = " x ".join(f"{f:.3g}" for f in self.factors)
        largest, n = float(np.abs(self.factors).max()), len(self.factors)
        size = abs(self.product)
        if size == 0:
            return f"cut: {terms} = 0; a weight of 0 lets nothing through."
        word = (
            "explodes"
            if size > 1
            else f"shrinks, but less than {n} factors of 1/4 would"
            if size > 0.25**n
            else "shrinks"
        )
        return f"{word}: {terms} = {self.product:.3g}; the largest factor is {largest:.3g}."


def one_neuron_chain(
    w1: float = 1.0,
    w2: float = 1.0,
    w3: float = 1.0,
    w4: float = 1.0,
    x: float = 1.0,
    centred: bool = False,
) -> Chain:
    """Run the input through four neurons in a row and keep what the chain rule needs.

    Biases are 0 or, if `centred`, b_l = -w_l / 2, so that an incoming 0.5 meets the steepest point.
    """
    weights, pres, a = np.array([w1, w2, w3, w4]), [], float(x)
    for w in weights:
        pres.append(w * (a - 0.5) if centred else w * a)
        a = float(SIGMOID.phi(pres[-1]))
    return Chain(weights, np.array(pres), SIGMOID.dphi(pres))


@dataclass(frozen=True)
class RandomChains:
    """Many random chains; `log_factors` is ln |w_l s'(z_l)|, shape (depth, chains)."""

    weight_scale: float
    log_factors: Array

    @property
    def depth(self) -> int:
        """The number of factors."""
        return len(self.log_factors)

    @property
    def log_products(self) -> Array:
        """ln |product of the first l factors|, l = 1..depth; (depth, chains)."""
        return np.cumsum(self.log_factors, axis=0)

    @property
    def log_typical(self) -> float:
        """The mean of ln |factor|: its exponential is the geometric mean."""
        return float(self.log_factors.mean())

    @property
    def share_above_quarter(self) -> float:
        """The share of factors larger than 1/4."""
        return float((self.log_factors > log(0.25)).mean())

    @property
    def share_above_bound(self) -> float:
        """The share of chains whose product beats 0.25^depth."""
        return float((self.log_products[-1] > self.depth * log(0.25)).mean())

    @property
    def share_exploding(self) -> float:
        """The share of chains whose product is larger than 1."""
        return float((self.log_products[-1] > 0).mean())

    @property
    def verdict(self) -> str:
        """One sentence: the typical factor, and how often the popular bound fails."""
        word = "vanishes" if self.share_exploding < 0.5 else "explodes"
        layers = "one factor" if self.depth == 1 else f"{self.depth} factors"
        return (
            f"typically {word}: a factor's geometric mean is {power_of_ten(self.log_typical)}; "
            f"{_percent(self.share_above_quarter)} of the factors exceed 1/4; of the products of "
            f"{layers}, {_percent(self.share_above_bound)} exceed 0.25^{self.depth} and "
            f"{_percent(self.share_exploding)} exceed 1."
        )


def random_chains(
    depth: int = 4, weight_scale: float = 1.0, seed: int = 0, *, chains: int = CHAINS
) -> RandomChains:
    """Draw chains with w ~ N(0, weight_scale^2), b ~ N(0, 1) and the first incoming a = 0.5.

    With one seed the first layers of a deeper draw are those of a shallower one.
    """
    generator = np.random.default_rng(seed)
    a, logs = np.full(chains, 0.5), np.empty((depth, chains))
    for row in logs:
        w = weight_scale * generator.standard_normal(chains)
        z = w * a + generator.standard_normal(chains)
        row[:] = np.log(np.abs(w)) + log_slope(z)
        a = SIGMOID.phi(z)
    return RandomChains(weight_scale, logs)


def log_slope(z: Array) -> Array:
    """Return ln s'(z) = -|z| - 2 ln(1 + e^-|z|), finite where s'(z) itself underflows."""
    size = np.abs(z)
    return -size - 2 * np.log1p(np.exp(-size))


def probability_above_quarter(incoming: float = 0.5) -> float:
    """Return P(|w s'(w a + b)| > 1/4) for w, b ~ N(0, 1) and the given a, by quadrature.

    s'(z) > 1/(4|w|) means |z| < 2 arcosh(sqrt|w|), and z given w is N(w a, 1).
    """

    def density(w: float) -> float:
        reach = 2 * acosh(sqrt(w))
        inside = norm.cdf(reach - w * incoming) - norm.cdf(-reach - w * incoming)
        return 2 * float(norm.pdf(w) * inside)

    return float(quad(density, 1, 12, epsabs=1e-12, limit=200)[0])


@dataclass(frozen=True)
class Window:
    """The factor |w s'(w a + b)| over the input a, and where it reaches 1.

    `measured` is the width of that interval, counted on a grid; `reachable` the part of it in
    0 <= a <= 1, where a sigmoid's outputs lie.
    """

    weight: float
    bias: float
    inputs: Array
    factors: Array
    measured: float
    reachable: float

    @property
    def predicted(self) -> float:
        """The width that the formula gives."""
        return float(theory.nielsen_window(self.weight))

    @property
    def verdict(self) -> str:
        """One sentence: where the factor reaches 1."""
        if self.measured == 0:
            return (
                f"no window: with |w| = {abs(self.weight):.3g} the factor is at most |w|/4 = "
                f"{abs(self.weight) / 4:.3g}, below 1 for every input."
            )
        return (
            f"a window: the factor is 1 or more on an interval of inputs {self.measured:.4f} wide "
            f"(formula {self.predicted:.4f}), of which {self.reachable:.4f} lies in the sigmoid's "
            "own range from 0 to 1."
        )


def explosion_window(weight: float = 6.894, bias: float = -3.447) -> Window:
    """Find on a fine grid the inputs on which the factor is at least 1; it is centred at -b/w."""
    size = max(abs(weight), 1.0)
    centre = -bias / weight if weight else 0.5
    fine = centre + np.linspace(-12 / size, 12 / size, 200_001)
    inside = abs(weight) * SIGMOID.dphi(weight * fine + bias) >= 1
    step = float(fine[1] - fine[0])
    inputs = np.linspace(-0.5, 1.5, 401)
    return Window(
        weight,
        bias,
        inputs,
        abs(weight) * SIGMOID.dphi(weight * inputs + bias),
        step * np.count_nonzero(inside),
        step * np.count_nonzero(inside & (fine >= 0) & (fine <= 1)),
    )


def widest_window() -> tuple[float, float]:
    """Return the |w| with the widest measured window, and its width, from a grid of weights."""
    weights = np.arange(6.5, 7.3, 0.02)
    widths = [explosion_window(float(w), 0.0).measured for w in weights]
    best = int(np.argmax(widths))
    return float(weights[best]), float(widths[best])


QUANTITIES: dict[str, Callable[[Array], Array]] = {
    "s'(z)": SIGMOID.dphi,
    "s'(z)²": lambda z: SIGMOID.dphi(z) ** 2,
    "|z|": np.abs,
    "z²": np.square,
}


@dataclass(frozen=True)
class Dice:
    """The average of f(z) over more and more throws of z ~ N(0, weight_scale^2).

    `counts` and `averages`: after so many throws; `expected` is the integral, `std` that of one
    f(z). `grid`, `values`, `density`: f and the bell curve over z.
    """

    quantity: str
    counts: Array
    averages: Array
    expected: float
    std: float
    grid: Array
    values: Array
    density: Array

    @property
    def verdict(self) -> str:
        """One sentence: the average of all throws beside the integral."""
        error = self.std / sqrt(self.counts[-1])
        return (
            f"the average of {int(self.counts[-1])} throws of {self.quantity} is "
            f"{self.averages[-1]:.4g}, give or take {error:.1g}; the integral says "
            f"{self.expected:.4g}."
        )


def throw_dice(
    quantity: str = "s'(z)", throws: int = 1000, weight_scale: float = 1.0, seed: int = 0
) -> Dice:
    """Throw z ~ N(0, weight_scale^2), average f(z), and compare with the integral E f(z)."""
    f = QUANTITIES[quantity]
    z = weight_scale * np.random.default_rng(seed).standard_normal(throws)
    values = f(z)
    counts = np.unique(np.geomspace(1, throws, 200).astype(int))
    expected = float(theory.gaussian_mean(f, weight_scale**2))
    square = float(theory.gaussian_mean(lambda v: f(v) ** 2, weight_scale**2))
    reach = 4 * max(weight_scale, 1.0)
    grid = np.linspace(-reach, reach, 401)
    return Dice(
        quantity,
        counts.astype(float),
        np.cumsum(values)[counts - 1] / counts,
        expected,
        sqrt(max(square - expected**2, 0.0)),
        grid,
        f(grid),
        norm.pdf(grid, scale=weight_scale),
    )


THROWN = ("coin", "uniform", "normal")


@dataclass(frozen=True)
class Sums:
    """Sums z = w_1 a_1 + ... + w_n a_n, thrown many times with the same a.

    `sums`: (throws,) at the full width; `variances`: of the partial sums of 1..n terms, with
    `rule`, what the variances of their terms add up to.
    """

    width: int
    weight_scale: float
    sums: Array
    variances: Array
    rule: Array

    @property
    def predicted(self) -> float:
        """The variance of the whole sum: n times that of one weight times the mean of a^2."""
        return float(self.rule[-1])

    @property
    def verdict(self) -> str:
        """One sentence: the variance of the sum, measured and predicted."""
        terms = "one term" if self.width == 1 else f"{self.width} terms"
        return (
            f"the sum of {terms} has variance {self.variances[-1]:.3g} over {len(self.sums)} "
            f"throws; the rule says {self.predicted:.3g}, so its size is about "
            f"{sqrt(self.predicted):.3g}."
        )


def weighted_sums(
    width: int = 100, weight_scale: float = 1.0, throw: str = "coin", seed: int = 0
) -> Sums:
    """Throw weights of mean 0 and standard deviation weight_scale onto fixed 0 < a < 1, and sum.

    A coin gives +-1, a uniform draw +-sqrt(3) at most, each times weight_scale.
    """
    generator = np.random.default_rng(seed)
    a = np.random.default_rng(seed + 10**6).uniform(size=width)
    shape = (width, SUMS)
    unit = {
        "coin": lambda: 2.0 * generator.integers(0, 2, shape) - 1,
        "uniform": lambda: generator.uniform(-sqrt(3), sqrt(3), shape),
        "normal": lambda: generator.standard_normal(shape),
    }[throw]()
    partial = np.cumsum(weight_scale * unit * a[:, None], axis=0)
    return Sums(
        width,
        weight_scale,
        partial[-1].copy(),
        (partial**2).mean(axis=1),
        weight_scale**2 * np.cumsum(a**2),
    )


@dataclass(frozen=True)
class LocalMap:
    """What layers of two units do to a small circle of inputs.

    `circle`: (points, 2) the displacements u of length 1; `image`: (F(x + r u) - F(x)) / r, with r
    the `radius`;
    `linear`: J u. `singular_values`: (2,) the longest and the shortest radius of the ellipse J u.
    """

    depth: int
    circle: Array
    image: Array
    linear: Array
    singular_values: Array
    radius: float

    @property
    def error(self) -> float:
        """The largest distance between image and ellipse, in longest radii of the ellipse."""
        return float(np.linalg.norm(self.image - self.linear, axis=1).max()) / float(
            self.singular_values[0]
        )

    @property
    def verdict(self) -> str:
        """One sentence: how much the Jacobian stretches, and how well it describes the map."""
        longest, shortest = self.singular_values
        layers = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        # The outputs are of size 1, so float64 cannot tell two that are nearer than this.
        lost = np.finfo(float).eps / self.radius > 0.05 * longest
        why = ", since float64 rounds the outputs to a few numbers" if lost else ""
        return (
            f"{layers}: a small step is multiplied by {longest:.3g} in the direction that fares "
            f"best and by {shortest:.3g} in the worst; at this radius the true image is "
            f"{_percent(self.error)} off the Jacobian's ellipse{why}."
        )


def local_map(
    depth: int = 1,
    weight_scale: float = 2.0,
    radius: float = 0.5,
    activation: str = "sigmoid",
    seed: int = 0,
) -> LocalMap:
    """Send a circle around x = (0.5, -0.5) through layers of two units, and compare.

    J = D_depth W_depth ... D_1 W_1, weights N(0, weight_scale^2), no biases.
    """
    network = mlp(
        depth,
        2,
        n_in=2,
        n_out=2,
        activation=activation,
        init="normal",
        weight_scale=weight_scale,
        seed=seed,
    )
    phi = get_activation(activation)
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre, jacobian = np.array([0.5, -0.5]), np.eye(2)
    points = np.vstack([centre, centre + radius * circle])
    for weight in network.weights[:depth]:
        w = weight.detach().numpy()
        z = points @ w.T
        jacobian = phi.dphi(z[0])[:, None] * w @ jacobian
        points = phi.phi(z)
    return LocalMap(
        depth,
        circle,
        (points[1:] - points[0]) / radius,
        circle @ jacobian.T,
        np.maximum(np.linalg.svd(jacobian, compute_uv=False), 1e-300),
        radius,
    )


@lru_cache(maxsize=1)
def _digits() -> Dataset:
    return digits()


def unscaled_network(width: int, depth: int = 12, weight_scale: float = 1.0, seed: int = 0) -> MLP:
    """Build a sigmoid MLP on digits whose weights are N(0, weight_scale^2), biases N(0, 1)."""
    return mlp(depth, width, init="normal", weight_scale=weight_scale, bias_scale=1.0, seed=seed)


@dataclass(frozen=True)
class WidthFlow:
    """A sigmoid net with unscaled weights: its gradient by layer, and the ratio at each width.

    `theory_log_delta`: (depth,) anchored at the last hidden layer. `widths`, `ratios`: the sweep;
    `curve_widths`, `curve`: chi at the fixed point.
    """

    width: int
    depth: int
    weight_scale: float
    trace: Trace
    theory_log_delta: Array
    ratio: float
    widths: Array
    ratios: Array
    curve_widths: Array
    curve: Array

    @property
    def predicted_ratio(self) -> float:
        """Return chi of this width."""
        return _chi(self.width, self.weight_scale)

    @property
    def critical_width(self) -> float:
        """The width at which chi is 1."""
        return theory.critical_width(SIGMOID.phi, SIGMOID.dphi) / self.weight_scale**2

    @property
    def verdict(self) -> str:
        """One sentence: vanishes or explodes, the ratio with theory, and the critical width."""
        where = f"theory's critical width is {self.critical_width:.4g}"
        if np.isnan(self.ratio):
            return f"too shallow: a ratio needs at least two hidden layers; {where}."
        # A hundred layers would turn 3% a layer into a factor of 20: nearer is neither.
        word = "vanishes" if self.ratio < 0.97 else "explodes" if self.ratio > 1.03 else "holds"
        return (
            f"{word}: at width {self.width} each layer on the way back multiplies ‖∂L/∂z‖² by "
            f"{self.ratio:.3g} (chi = {self.predicted_ratio:.3g}); {where}."
        )


def width_flow(
    width: int = 100, depth: int = 12, weight_scale: float = 1.0, seed: int = 0
) -> WidthFlow:
    """Trace a net with N(0, 1) weights and biases beside theory, among nets of other widths."""
    measured = _unscaled_trace(width, depth, weight_scale, seed)
    mean_square = float((_digits().x_train[:32] ** 2).mean())
    steps = theory.gradient_log_ratios(
        64 * weight_scale**2 * mean_square + 1,
        SIGMOID.phi,
        SIGMOID.dphi,
        weight_scale * sqrt(width),
        1.0,
        depth,
    )
    curve_widths = np.geomspace(10, 500, 40)
    return WidthFlow(
        width,
        depth,
        weight_scale,
        measured,
        measured.log_delta[depth - 1] + steps,
        ratio_per_layer(measured, depth),
        np.array(WIDTHS, dtype=float),
        _sweep(depth, weight_scale, seed),
        curve_widths,
        np.array([_chi(float(n), weight_scale) for n in curve_widths]),
    )


def ratio_per_layer(measured: Trace, depth: int) -> float:
    """Return the mean factor of ||delta||^2 per layer on the way back, after the first layers.

    (||delta_l||^2 / ||delta_depth||^2)^(1 / (depth - l)), l = 3, or less in a shallow net; nan in a
    net of one hidden layer.
    """
    first = min(SETTLED, depth - 1)
    if first < 1:
        return nan
    drop = measured.log_delta[first - 1] - measured.log_delta[depth - 1]
    return float(np.exp(2 * drop / (depth - first)))


def unscaled_ratio(
    width: int, depth: int = 12, weight_scale: float = 1.0, seed: int = 0, nets: int = 1
) -> float:
    """Return `ratio_per_layer` of nets with unscaled weights, their geometric mean."""
    seeds = range(seed * nets, (seed + 1) * nets)
    ratios = [ratio_per_layer(_unscaled_trace(width, depth, weight_scale, s), depth) for s in seeds]
    return float(np.exp(np.log(ratios).mean()))


def measured_critical_width(seed: int = 0, nets: int = 4) -> float:
    """Return the width at which the measured ratio passes 1, by a line through ln ratio, ln n."""
    widths = np.array([60, 80, 100, 130, 170])
    logs = np.log([unscaled_ratio(int(n), seed=seed, nets=nets) for n in widths])
    slope, offset = np.polyfit(np.log(widths), logs, 1)
    return float(np.exp(-offset / slope))


def _unscaled_trace(width: int, depth: int, weight_scale: float, seed: int) -> Trace:
    data = _digits()
    network = unscaled_network(width, depth, weight_scale, seed)
    return trace(network, data.x_train[:32], data.y_train[:32], cross_entropy)


@lru_cache(maxsize=64)
def _sweep(depth: int, weight_scale: float, seed: int) -> Array:
    ratios = np.array([unscaled_ratio(n, depth, weight_scale, seed) for n in WIDTHS])
    ratios.flags.writeable = False
    return ratios


@lru_cache(maxsize=4096)
def _chi(width: float, weight_scale: float) -> float:
    return theory.unscaled_chi(width * weight_scale**2, SIGMOID.phi, SIGMOID.dphi)


def linear_ratio(weight_scale: float, seed: int = 0, width: int = 200, depth: int = 10) -> float:
    """Return the mean factor of ||delta||^2 per layer of a linear net, N(0, scale^2 / n) weights.

    Its activation has slope 1 everywhere, so all of the factor is the weights'.
    """
    data = _digits()
    network = mlp(
        depth, width, activation="identity", init="1/fan_in", weight_scale=weight_scale, seed=seed
    )
    measured = trace(network, data.x_train[:32], data.y_train[:32], cross_entropy)
    return ratio_per_layer(measured, depth)


STEPS = np.geomspace(1e-16, 1.0, 65)


@dataclass(frozen=True)
class DifferenceErrors:
    """How far finite differences are from backpropagation, for one weight of layer 1.

    `gradient` is backpropagation's; `one_sided` and `two_sided` are relative errors at the steps
    (steps,), with `truncation` and `rounding` what theory expects of the one-sided one; `step` is
    the chosen one and `estimate`, `error` the two-sided difference there.
    """

    step: float
    precision: str
    gradient: float
    steps: Array
    one_sided: Array
    two_sided: Array
    truncation: Array
    rounding: Array
    estimate: float
    error: float

    @property
    def best(self) -> tuple[float, float]:
        """The step with the smallest two-sided error, and that error."""
        index = int(np.argmin(self.two_sided))
        return float(self.steps[index]), float(self.two_sided[index])

    @property
    def verdict(self) -> str:
        """One sentence: both derivatives, their distance, and the best that any step can do."""
        step, error = self.best
        if error > 0.5:
            return (
                f"blind: backpropagation finds {self.gradient:.4g}, and no step of a finite "
                f"difference comes near; at h = {self.step:.1g} it says {self.estimate:.4g}."
            )
        return (
            f"at h = {self.step:.1g} the two-sided difference says {self.estimate:.7g} and "
            f"backpropagation {self.gradient:.7g}: {self.error:.1g} apart, relatively; the best is "
            f"{error:.1g} at h = {step:.1g}."
        )


def difference_errors(
    step: float = 1e-5,
    depth: int = 4,
    weight_scale: float = 1.0,
    precision: str = "float64",
    seed: int = 0,
) -> DifferenceErrors:
    """Difference the loss of a sigmoid net of width 10 by one weight of layer 1, at many steps.

    Weights are Glorot's times the scale; the loss is cross-entropy over 16 random inputs. The
    weight is the one with the largest gradient. Backpropagation runs in float64, the difference in
    the precision given. Theory of the one-sided error: h |L''| / 2 + 2 eps |L| / h.
    """
    loss, gradient, curvature, value = _loss_along_weight(depth, weight_scale, seed)
    dtype = torch.float64 if precision == "float64" else torch.float32
    steps = np.append(STEPS, step)
    h = torch.as_tensor(steps)
    up, down, here = (loss(t, dtype) for t in (h, -h, torch.zeros(1, dtype=h.dtype)))
    one = ((up - here) / steps - gradient) / abs(gradient)
    two_sided = (up - down) / (2 * steps)
    two = np.abs(two_sided - gradient) / abs(gradient)
    return DifferenceErrors(
        step,
        precision,
        gradient,
        STEPS,
        np.abs(one[:-1]),
        two[:-1],
        STEPS * abs(curvature) / 2 / abs(gradient),
        2 * torch.finfo(dtype).eps * value / STEPS / abs(gradient),
        float(two_sided[-1]),
        float(two[-1]),
    )


def _loss_along_weight(
    depth: int, weight_scale: float, seed: int
) -> tuple[Callable[[Tensor, torch.dtype], Array], float, float, float]:
    """Return the loss as a function of one weight's change, and its value and derivatives at 0."""
    network = mlp(depth, 10, n_in=10, weight_scale=weight_scale, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(16, 10, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 10, (16,), generator=generator)
    (by_first,) = torch.autograd.grad(cross_entropy(network(x), y), [network.weights[0]])
    place = divmod(int(by_first.abs().argmax()), 10)
    unit = torch.zeros(10, 10, dtype=torch.float64)
    unit[place] = 1.0

    def losses(change: Tensor, dtype: torch.dtype) -> Tensor:
        first, *later = (w.to(dtype) for w in network.weights)
        h = x.to(dtype)
        weight = (first + change.to(dtype)[:, None, None] * unit.to(dtype)).mT
        for w in [weight, *(w.T for w in later)]:
            z = h @ w
            h = torch.sigmoid(z)
        return cross_entropy(z.transpose(1, 2), y.expand(len(z), -1), reduction="none").mean(1)

    t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    value = losses(t, torch.float64)
    (slope,) = torch.autograd.grad(value.sum(), t, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), t)

    @torch.no_grad()
    def loss(change: Tensor, dtype: torch.dtype) -> Array:
        return losses(change, dtype).to(torch.float64).numpy()

    return loss, float(slope.detach()), float(curvature), float(value.detach())


def forward_passes(n_weights: int) -> tuple[int, int]:
    """Count what a gradient costs, in forward passes: by backpropagation, and by differences.

    A layer's backward pass is two matrix products of the forward one's size: one gives the gradient
    by W, one hands delta down. One-sided differences want L at w, and once more for each weight.
    """
    return 3, n_weights + 1


def timed_gradients(width: int = 30, depth: int = 3, seed: int = 0) -> tuple[int, float, float]:
    """Time a gradient on 32 digits: the number of weights, seconds by backprop, by differences.

    Each time is the best of a few; that of the differences is one forward pass, times their number.
    """
    data = _digits()
    x, y = data.x_train[:32], data.y_train[:32]
    network = mlp(depth, width, seed=seed)
    count = sum(w.numel() for w in network.parameters())

    def backward() -> None:
        torch.autograd.grad(cross_entropy(network(x), y), list(network.parameters()))

    @torch.no_grad()
    def forward() -> None:
        cross_entropy(network(x), y)

    backward()
    by_backprop = min(repeat(backward, number=20, repeat=5)) / 20
    one_loss = min(repeat(forward, number=50, repeat=5)) / 50
    return count, by_backprop, one_loss * (count + 1)


def _percent(share: float) -> str:
    if share < 1e-9:
        return "0%"
    return f"{100 * share:.2g}%" if share < 0.1 else f"{100 * share:.0f}%"
