"""Measurements of chapter 05: what the random start does to signal, gradient and learning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, isfinite, log, sqrt

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import ACTIVATIONS, Activation
from vglib.data import Dataset, digits
from vglib.networks import INITIALIZATIONS, Initialization, mlp, sigma_b, sigma_w
from vglib.probe import Array, Trace, power_of_ten, trace
from vglib.training import fit

BATCH = 128
# Multiply-adds of one forward and backward pass that two slow cores finish in about a second.
BUDGET = 4e9
# A net whose input starts at a variance outside these bounds would measure rounding.
SMALL_Q, LARGE_Q = 1e-6, 1e6

PHI: Mapping[str, Activation] = {
    name: ACTIVATIONS[name] for name in ("tanh", "relu", "sigmoid", "identity", "selu")
}


def _uniform(name: str) -> Initialization:
    """Return the uniform distribution with the variance of a normal scheme of the catalogue."""
    normal = INITIALIZATIONS[name]
    factor = {"glorot": r"6/(n_{in}+n_{out})", "he": r"6/n_{in}"}[name]
    latex = rf"W \sim U(\pm\sqrt{{{factor}}})"
    return Initialization(f"{name} uniform", "uniform", normal.variance, latex, normal.source)


SCHEMES: Mapping[str, Initialization] = {
    "torch default": INITIALIZATIONS["torch"],
    "LeCun uniform": INITIALIZATIONS["lecun"],
    "Glorot normal": INITIALIZATIONS["glorot"],
    "Glorot uniform": _uniform("glorot"),
    "He normal": INITIALIZATIONS["he"],
    "He uniform": _uniform("he"),
    "orthogonal": INITIALIZATIONS["orthogonal"],
    "N(0, 1)": INITIALIZATIONS["normal"],
}


@lru_cache(maxsize=2)
def _digits(dtype: torch.dtype = torch.float64) -> Dataset:
    return digits(dtype)


# ---- one neuron


@dataclass(frozen=True)
class Neuron:
    """One neuron's z = w_1 h_1 + ... + w_n h_n over many draws of its weights, `z: (draws,)`."""

    fan_in: int
    n_var: float
    mean_square: float
    z: Array

    @property
    def variance(self) -> float:
        """The variance of z over the draws."""
        return float(self.z.var())

    @property
    def predicted(self) -> float:
        """n Var w E h^2."""
        return self.n_var * self.mean_square

    @property
    def verdict(self) -> str:
        """One sentence: the variance measured and predicted."""
        inputs = "1 input" if self.fan_in == 1 else f"{self.fan_in} inputs"
        return (
            f"{inputs}: Var z is {self.variance:.3g} over {len(self.z)} draws of the weights; "
            f"n Var w E h² says {self.predicted:.3g}."
        )


def one_neuron(
    fan_in: int = 100, n_var: float = 1.0, distribution: str = "uniform", seed: int = 0
) -> Neuron:
    """Draw a neuron's weights 4000 times, of variance n_var / fan_in, for one fixed input h.

    "coin" is +-1, "uniform" U(+-sqrt(3)), "normal" N(0, 1), each times sqrt(n_var / fan_in).
    """
    h = np.abs(np.random.default_rng(seed + 10**6).standard_normal(fan_in))
    generator, shape = np.random.default_rng(seed), (4000, fan_in)
    unit = {
        "coin": lambda: 2.0 * generator.integers(0, 2, shape) - 1,
        "uniform": lambda: generator.uniform(-sqrt(3), sqrt(3), shape),
        "normal": lambda: generator.standard_normal(shape),
    }[distribution]()
    z = np.asarray(sqrt(n_var / fan_in) * unit @ h, dtype=np.float64)
    return Neuron(fan_in, n_var, float((h**2).mean()), z)


# ---- fifty layers


@dataclass(frozen=True)
class DepthFlow:
    """A trace of digits through a fresh net, beside theory, for the hidden layers (depth,).

    `log_signal`: ln of the mean of z^2; `theory_log_signal`, `theory_log_delta`: mean-field
    theory's, the second anchored at the last hidden layer.
    """

    trace: Trace
    depth: int
    log_signal: Array
    theory_log_signal: Array
    theory_log_delta: Array
    note: str = ""

    @property
    def log_delta(self) -> Array:
        """ln ||delta_l|| of the hidden layers."""
        return self.trace.log_delta[: self.depth]

    @property
    def forward_factor(self) -> float:
        """By what a layer multiplies the mean of z^2, as the geometric mean over the depth."""
        return float(np.exp((self.log_signal[-1] - self.log_signal[0]) / (self.depth - 1)))

    @property
    def backward_factor(self) -> float:
        """By what a layer multiplies ||delta||^2 on its way back, as the geometric mean."""
        return float(np.exp(2 * (self.log_delta[0] - self.log_delta[-1]) / (self.depth - 1)))

    @property
    def verdict(self) -> str:
        """One sentence: what becomes of the signal and of the gradient."""
        if self.trace.overflow_layer is not None:
            return f"overflows: the signal leaves float64 at layer {self.trace.overflow_layer}."
        if self.depth == 1:
            return f"one hidden layer: there is no depth yet to go through.{self.note}"
        if not np.isfinite(self.log_signal).all() or not np.isfinite(self.log_delta).all():
            return f"dies: signal or gradient is exactly 0 before the far end.{self.note}"
        signal = float(self.log_signal[-1] - self.log_signal[0])
        gradient = float(self.log_delta[0] - self.log_delta[-1])
        return (
            f"over {self.depth} layers the mean square of z changes by {power_of_ten(signal)} "
            f"({self.forward_factor:.3g} per layer) and ‖δ‖² on its way back by "
            f"{power_of_ten(2 * gradient)} ({self.backward_factor:.3g} per layer).{self.note}"
        )


def through_depth(
    depth: int = 50,
    weight_scale: float = 1.0,
    activation: str = "relu",
    init: str = "torch default",
    width: int = 200,
    biases: bool = True,
    seed: int = 0,
) -> DepthFlow:
    """Trace a fresh MLP on a batch of digits (cross-entropy); narrowed where it would take long.

    With `biases` they are the scheme's own: U(+-1/sqrt(fan_in)) for torch's default, else 0.
    """
    note, widest = "", int((BUDGET / (3 * BATCH * depth)) ** 0.5)
    if width > widest:
        note = f" (Width {width} would take long at depth {depth}; this is width {widest}.)"
        width = widest
    data, scheme, phi = _digits(), SCHEMES[init], PHI[activation]
    x, y = data.x_train[:BATCH], data.y_train[:BATCH]
    bias_scale = None if biases else 0.0
    network = mlp(
        depth,
        width,
        activation=phi,
        init=scheme,
        weight_scale=weight_scale,
        bias_scale=bias_scale,
        seed=seed,
    )
    seen = trace(network, x, y, cross_entropy)
    first_w = sigma_w(scheme, width, weight_scale, fan_in=x.shape[1])
    q_first = first_w**2 * float((x**2).mean()) + sigma_b(scheme, x.shape[1], bias_scale) ** 2
    w, b = sigma_w(scheme, width, weight_scale), sigma_b(scheme, width, bias_scale)
    hidden = slice(0, depth)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        log_signal = 2 * np.log(np.hypot(seen.pre_std[hidden], seen.pre_mean[hidden]))
        q = np.log(theory.q_trajectory(q_first, phi.phi, w, b, depth))
    ratios = theory.gradient_log_ratios(q_first, phi.phi, phi.dphi, w, b, depth)
    return DepthFlow(seen, depth, log_signal, q, seen.log_delta[depth - 1] + ratios, note)


def layer_factors(
    cases: Sequence[tuple[str, str]], width: int = 500, depth: int = 20, seed: int = 0
) -> list[tuple[float, float]]:
    """Return forward and backward factor per layer for each (activation, init), without biases."""
    flows = [
        through_depth(depth, activation=phi, init=init, width=width, biases=False, seed=seed)
        for phi, init in cases
    ]
    return [(flow.forward_factor, flow.backward_factor) for flow in flows]


def alternating_factors(
    narrow: int, wide: int, depth: int = 20, seed: int = 0
) -> tuple[float, float]:
    """Return the factors per pair of layers of a linear Glorot net of alternating widths.

    E z^2 going forward and ||delta||^2 / n, the mean square of an entry, going back.
    """
    widths = [narrow, wide] * (depth // 2) + [narrow]
    network = mlp(widths, n_in=wide, n_out=wide, activation="identity", init="glorot", seed=seed)
    x = _normal(64, wide, seed=seed)
    # A loss that is linear in the output, so that delta knows nothing of the forward pass.
    target = _normal(64, wide, seed=seed + 1)
    seen = trace(network, x, target, lambda out, y: (out * y).sum())
    pairs = depth // 2
    forward = 2 * (log(seen.pre_std[depth]) - log(seen.pre_std[0])) / pairs
    backward = 2 * (seen.log_delta[0] - seen.log_delta[depth]) / pairs
    return exp(forward), exp(float(backward))


# ---- how fast it learns


@dataclass(frozen=True)
class Speed:
    """Test accuracy after each epoch for each way to start; `accuracy: (n_inits, epochs + 1)`."""

    activation: str
    inits: tuple[str, ...]
    epochs: Array
    accuracy: Array
    target: float = 0.9

    @property
    def epochs_to_target(self) -> tuple[float, ...]:
        """The first epoch whose accuracy reaches the target, for each start; inf if none does."""
        found = [np.flatnonzero(curve >= self.target) for curve in self.accuracy]
        return tuple(float(self.epochs[i[0]]) if len(i) else inf for i in found)

    @property
    def verdict(self) -> str:
        """One sentence: after how many epochs each start reaches the target."""
        last = int(self.epochs[-1])
        parts = [
            f"{name} {f'{epoch:.0f}' if isfinite(epoch) else f'not within {last}'}"
            for name, epoch in zip(self.inits, self.epochs_to_target, strict=True)
        ]
        return (
            f"{self.activation}, epochs to {self.target:.0%} on the test set: {', '.join(parts)}."
        )


SPEED_INITS = ("N(0, 1)", "torch default", "Glorot uniform", "He normal")


def learning_speed(
    activation: str = "tanh",
    depth: int = 5,
    lr: float = 0.1,
    seed: int = 0,
    *,
    epochs: int = 10,
    inits: tuple[str, ...] = SPEED_INITS,
) -> Speed:
    """Train nets of width 50 on digits that differ in their start alone.

    Cross-entropy, SGD, batches of 64, `epochs` epochs; float64.
    """
    curves = []
    for init in inits:
        network = mlp(depth, 50, activation=PHI[activation], init=SCHEMES[init], seed=seed)
        history = fit(
            network,
            _digits(),
            loss=cross_entropy,
            lr=lr,
            batch=64,
            epochs=epochs,
            seed=seed,
            probe_size=50,
            progress=False,
        )
        curve = np.full(epochs + 1, np.nan)
        curve[: len(history.test_accuracy)] = history.test_accuracy[: epochs + 1]
        curves.append(curve)
    return Speed(activation, inits, np.arange(epochs + 1.0), np.array(curves))


@dataclass(frozen=True)
class Later:
    """The gradient over the layers of a net before and after some steps; (depth,) each.

    ln ||delta_l||. `accuracy`: on the test set, after the steps.
    """

    before: Array
    after: Array
    accuracy: float

    @property
    def change(self) -> float:
        """By how much ln(||delta_1|| / ||delta_depth||) has changed."""
        return float((self.after[0] - self.after[-1]) - (self.before[0] - self.before[-1]))


def after_training(lr: float, seed: int = 0, *, depth: int = 10, steps: int = 200) -> Later:
    """Train a tanh net with Glorot's start on digits and compare its gradient flow.

    Width 50, cross-entropy, SGD, batches of 32.
    """
    network = mlp(depth, 50, activation="tanh", init="glorot", seed=seed)
    history = fit(
        network,
        _digits(),
        loss=cross_entropy,
        lr=lr,
        batch=32,
        steps=steps,
        record_at=[steps],
        seed=seed,
        progress=False,
    )
    before, after = (history.traces[i].log_delta[:depth] for i in (0, -1))
    return Later(before, after, float(history.test_accuracy[-1]))


# ---- mean field: the q map and the c map


def wide_layers(
    z: Tensor, phi: Activation, sigma_w: float, sigma_b: float, depth: int, seed: int
) -> list[Tensor]:
    """Return the pre-activations of layers 1 to depth of a random net whose layer 1 is given.

    z_(l+1) = W phi(z_l) + b; z: (batch, width), W ~ N(0, sigma_w^2 / width), b ~ N(0, sigma_b^2).
    """
    generator, n, zs = torch.Generator().manual_seed(seed), z.shape[1], [z]
    for _ in range(depth - 1):
        w = torch.randn(n, n, generator=generator, dtype=z.dtype) * (sigma_w / sqrt(n))
        b = torch.randn(n, generator=generator, dtype=z.dtype) * sigma_b
        zs.append(phi.function(zs[-1]) @ w.T + b)
    return zs


def variance_after(
    activation: str, sigma_w: float, depth: int, seed: int = 0, *, width: int = 400
) -> float:
    """Return the mean of z^2 in layer `depth` of a real net whose layer 1 has variance 1."""
    z = _normal(8, width, seed=seed)
    return float((wide_layers(z, PHI[activation], sigma_w, 0.0, depth, seed)[-1] ** 2).mean())


def _normal(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed + 31_337)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class QMap:
    """The q map, its staircase, and a real net's mean of z^2, layer by layer.

    `grid`, `image`: the map; `steps`: (depth,) the map iterated; `measured`: (depth,).
    """

    activation: str
    grid: Array
    image: Array
    steps: Array
    measured: Array
    fixed_point: float
    chi: float

    @property
    def verdict(self) -> str:
        """One sentence: where the variance settles, and how near the real net comes."""
        depth, last = len(self.steps), self.measured[-1]
        if not isfinite(self.fixed_point):
            where = "runs away: the q map has no fixed point above the start"
        elif self.fixed_point == 0:
            where = "dies out: the only fixed point is q* = 0"
        else:
            where = f"settles at q* = {self.fixed_point:.4g}"
        return (
            f"the variance {where}; after {depth} layers the map says {self.steps[-1]:.3g} and the "
            f"real network has {last:.3g}; χ at q* is {self.chi:.4g}."
        )


def q_map_steps(
    activation: str = "tanh",
    sigma_w: float = 1.5,
    sigma_b: float = 0.3,
    q_start: float = 3.0,
    seed: int = 0,
    *,
    depth: int = 15,
    width: int = 400,
) -> QMap:
    """Iterate the q map from q_start, beside a real network whose layer 1 has that variance."""
    phi = PHI[activation]
    fixed = theory.q_fixed_point(phi.phi, sigma_w, sigma_b, start=q_start)
    top = 1.15 * max(q_start, fixed if fixed < 30 * q_start else 0.0)
    grid = np.linspace(0.0, top, 161)
    z = sqrt(q_start) * _normal(4, width, seed=seed)
    return QMap(
        activation,
        grid,
        theory.q_map(grid, phi.phi, sigma_w, sigma_b),
        theory.q_trajectory(q_start, phi.phi, sigma_w, sigma_b, depth),
        np.array(
            [float((z**2).mean()) for z in wide_layers(z, phi, sigma_w, sigma_b, depth, seed)]
        ),
        fixed,
        float(theory.chi(fixed, phi.dphi, sigma_w)),
    )


@dataclass(frozen=True)
class CMap:
    """The c map, its staircase, and the correlation of two inputs in a real net, by layer."""

    grid: Array
    image: Array
    steps: Array
    measured: Array
    slope: float
    fixed_point: float
    settled: bool

    @property
    def verdict(self) -> str:
        """One sentence: the fate of two inputs, and the slope at c = 1, which is chi."""
        if not self.settled:
            phase = "no q* above 0: this is the map of a variance far out, whose slope is not χ"
        elif abs(self.slope - 1) < 0.005:
            phase = "critical: the map touches the diagonal"
        elif self.slope < 1:
            phase = "ordered: different inputs become alike"
        else:
            phase = f"chaotic: near-equal inputs part until c = {self.fixed_point:.3g}"
        return (
            f"{phase}; the slope of the c map at c = 1 is {self.slope:.4g}; after "
            f"{len(self.steps)} layers the map says c = {self.steps[-1]:.3f} and the real network "
            f"has {self.measured[-1]:.3f}."
        )


def c_map_steps(
    activation: str = "tanh",
    sigma_w: float = 2.0,
    sigma_b: float = 0.3,
    c_start: float = 0.9,
    seed: int = 0,
    *,
    depth: int = 15,
    width: int = 500,
) -> CMap:
    """Iterate the c map from c_start, beside two inputs of a real network, both at q*."""
    phi = PHI[activation]
    fixed = theory.q_fixed_point(phi.phi, sigma_w, sigma_b)
    q = min(max(fixed, SMALL_Q), LARGE_Q)
    grid = np.linspace(0.0, 1.0, 41)
    image = theory.c_map(grid, q, phi.phi, sigma_w, sigma_b)
    steps = [c_start]
    for _ in range(depth - 1):
        steps.append(float(np.clip(theory.c_map(steps[-1], q, phi.phi, sigma_w, sigma_b), -1, 1)))
    one, other = _normal(2, width, seed=seed)
    # Exactly uncorrelated and of equal size, so that layer 1 has the correlation asked for.
    other = other - one * (one @ other) / (one @ one)
    other = other * one.norm() / other.norm()
    pair = torch.stack([one, c_start * one + sqrt(1 - c_start**2) * other])
    pair = pair * (sqrt(q * width) / float(one.norm()))
    zs = wide_layers(pair, phi, sigma_w, sigma_b, depth, seed)
    measured = [float(torch.nn.functional.cosine_similarity(z[0], z[1], dim=0)) for z in zs]
    slope = float(theory.chi(q, phi.dphi, sigma_w) * q / theory.q_map(q, phi.phi, sigma_w, sigma_b))
    return CMap(
        grid,
        image,
        np.array(steps),
        np.array(measured),
        slope,
        theory.c_fixed_point(phi.phi, phi.dphi, sigma_w, sigma_b),
        SMALL_Q < fixed < LARGE_Q,
    )


# ---- the phase diagram


@dataclass(frozen=True)
class Phases:
    """ln chi over the plane, (n_b, n_w), and the critical line; `sigma_ws` are logarithmic."""

    sigma_ws: Array
    sigma_bs: Array
    log_chi: Array
    line_w: Array
    line_b: Array


@lru_cache(maxsize=8)
def phases(activation: str) -> Phases:
    """Compute the phase diagram from two Gaussian means on a grid of q alone.

    A given q is the fixed point of sigma_b^2 = q - sigma_w^2 E phi^2, and chi = sigma_w^2 E phi'^2
    there; so the edge chi = 1 is the curve sigma_w = (E phi'^2)^(-1/2).
    """
    phi = PHI[activation]
    q = np.geomspace(1e-7, 1e4, 3000)
    square = theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q)
    slope_square = theory.gaussian_mean(lambda z: phi.dphi(z) ** 2, q)
    sigma_ws, sigma_bs = np.geomspace(0.5, 20.0, 81), np.linspace(0.0, 2.0, 41)
    log_chi = np.empty((len(sigma_bs), len(sigma_ws)))
    for column, w in enumerate(sigma_ws):
        b_square = q - w**2 * square
        # Beyond the last q that would need sigma_b^2 < 0 the fixed points are stable and in order.
        start = np.append(np.flatnonzero(b_square < 0), -1).max() + 1
        start = min(int(start), len(q) - 1)
        values = np.log(w**2 * slope_square[start:])
        log_chi[:, column] = np.interp(sigma_bs**2, np.maximum(b_square[start:], 0), values)
    line_w = slope_square**-0.5
    if np.ptp(line_w) < 1e-9:
        # ReLU and the identity: chi does not depend on q, and the edge is a vertical line.
        return Phases(sigma_ws, sigma_bs, log_chi, np.full(2, line_w[0]), np.array([0.0, 2.0]))
    b_square = q - line_w**2 * square
    keep = (b_square >= 0) & (b_square <= 4.0) & (line_w <= 20.0)
    return Phases(sigma_ws, sigma_bs, log_chi, line_w[keep], np.sqrt(b_square[keep]))


@dataclass(frozen=True)
class PhasePoint:
    """A real net at one point of the plane: ln ||delta_l||^2 by layer (depth,), and the theory's.

    The input has the size that makes layer 1 start at q*, where there is a q* to start at.
    """

    activation: str
    sigma_w: float
    sigma_b: float
    log_delta_square: Array
    theory: Array
    chi: float
    q: float

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.theory)

    @property
    def slope(self) -> float:
        """The slope of ln ||delta||^2 per layer on its way back, least squares over all layers."""
        back = -np.arange(self.depth, dtype=float)
        return float(np.polyfit(back, self.log_delta_square, 1)[0])

    @property
    def theory_slope(self) -> float:
        """The same of the theory's line, which is ln chi where q stays at q*."""
        return float(np.polyfit(-np.arange(self.depth, dtype=float), self.theory, 1)[0])

    @property
    def phase(self) -> str:
        """Ordered, critical (chi within 1% of 1) or chaotic."""
        return "critical" if abs(self.chi - 1) < 0.01 else "ordered" if self.chi < 1 else "chaotic"

    @property
    def verdict(self) -> str:
        """One sentence: the phase, the measured slope, and ln chi."""
        if self.depth < 3:
            return f"{self.phase} by theory: {self.depth} layers are too few for a slope."
        if not np.isfinite(self.log_delta_square).all():
            return f"{self.phase} by theory: the gradient is exactly 0 in some layer of this net."
        xi = float(theory.depth_scale(self.chi))
        change = f"a factor e in {xi:.3g} layers" if xi < 1e4 else "no change with depth"
        if abs(self.theory_slope - log(self.chi)) > 0.005 + 0.02 * abs(log(self.chi)):
            change += f"; here q still moves and the theory's own line has {self.theory_slope:+.3f}"
        return (
            f"{self.phase}: ln‖δ‖² changes by {self.slope:+.3f} per layer on its way back, and "
            f"ln χ is {log(self.chi):+.3f} ({change})."
        )


def phase_point(
    activation: str = "tanh",
    sigma_w: float = 1.0,
    sigma_b: float = 0.22,
    depth: int = 30,
    seed: int = 0,
    *,
    width: int = 400,
) -> PhasePoint:
    """Measure ln ||delta||^2 in a real net of weights N(0, sigma_w^2 / n), biases N(0, sigma_b^2).

    8 random inputs, cross-entropy at a readout of 10 outputs with weights N(0, sigma_w^2 / n).
    """
    phi = PHI[activation]
    q = theory.q_fixed_point(phi.phi, sigma_w, sigma_b)
    settled = SMALL_Q < q < LARGE_Q
    mean_square = float(theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q)) if settled else 1.0
    network = mlp(
        depth,
        width,
        n_in=width,
        activation=phi,
        init="1/fan_in",
        weight_scale=sigma_w,
        bias_scale=sigma_b,
        seed=seed,
    )
    x = _normal(8, width, seed=seed)
    x = x * (sqrt(mean_square * width) / x.norm(dim=1, keepdim=True))
    seen = trace(network, x, torch.arange(8), cross_entropy)
    measured = 2 * seen.log_delta[:depth]
    q_first = sigma_w**2 * mean_square + sigma_b**2
    ratios = theory.gradient_log_ratios(q_first, phi.phi, phi.dphi, sigma_w, sigma_b, depth)
    # Through the middle of the measurement: the line's slope is predicted, its height is not.
    line = 2 * ratios
    finite = np.isfinite(measured)
    offset = float((measured - line)[finite].mean()) if finite.any() else 0.0
    chi = float(theory.chi(q, phi.dphi, sigma_w))
    return PhasePoint(activation, sigma_w, sigma_b, measured, line + offset, chi, q)


# ---- depth scales and trainability


@dataclass(frozen=True)
class Trainability:
    """Test accuracy over depth and sigma_w after a few steps: `accuracy` (n_depths, n_w).

    `fine_w`, `xi_grad`, `xi_c`: theory's depth scales, xi_c up to the critical line and beyond.
    """

    depths: tuple[int, ...]
    sigma_ws: Array
    accuracy: Array
    fine_w: Array
    xi_grad: Array
    xi_c: Array
    critical: float
    steps: int

    @property
    def best(self) -> tuple[float, ...]:
        """The sigma_w with the best accuracy, for each depth."""
        return tuple(float(self.sigma_ws[i]) for i in self.accuracy.argmax(axis=1))

    @property
    def verdict(self) -> str:
        """One sentence: which sigma_w learns best in the deepest net, and theory's."""
        deep, row = self.depths[-1], self.accuracy[-1]
        low, high = row[0], row[-1]
        return (
            f"at depth {deep}, after {self.steps} steps, the best σ_w is {self.best[-1]:.2f} "
            f"({row.max():.0%}) against {low:.0%} and {high:.0%} at the two ends; theory's "
            f"critical σ_w is {self.critical:.3f}."
        )


def train_grid(
    depth: int,
    sigma_ws: Array,
    sigma_b: float,
    *,
    steps: int,
    width: int,
    lr: float = 0.01,
    batch: int = 32,
    seed: int = 0,
) -> Array:
    """Train one tanh net of the given depth for each sigma_w, side by side, on digits.

    Cross-entropy, SGD with momentum 0.9, the same unit normals and batches for every net; float32.
    Result: test accuracy, (n_w,).
    """
    data = _digits(torch.float32)
    generator = torch.Generator().manual_seed(seed)
    scales = torch.as_tensor(sigma_ws, dtype=torch.float32)[:, None, None]
    fans = [data.n_in, *[width] * depth]
    weights, biases = [], []
    for n in fans[:-1]:
        unit = torch.randn(n, width, generator=generator)
        weights.append((scales * unit / sqrt(n)).requires_grad_())
        bias = sigma_b * torch.randn(1, width, generator=generator)
        biases.append(bias.repeat(len(scales), 1, 1).requires_grad_())
    readout = torch.randn(width, 10, generator=generator) / sqrt(width)
    weights.append(readout.repeat(len(scales), 1, 1).requires_grad_())

    def output(x: Tensor) -> Tensor:
        h = x.expand(len(scales), *x.shape)
        for w, b in zip(weights[:-1], biases, strict=True):
            h = torch.tanh(torch.baddbmm(b, h, w))
        return h @ weights[-1]

    parameters = [*weights, *biases]
    speeds = [torch.zeros_like(p) for p in parameters]
    for _ in range(steps):
        rows = torch.randint(len(data.x_train), (batch,), generator=generator)
        # The sum over nets keeps each net's own mean gradient.
        loss = cross_entropy(
            output(data.x_train[rows]).flatten(0, 1),
            data.y_train[rows].repeat(len(scales)),
            reduction="sum",
        )
        gradients = torch.autograd.grad(loss / batch, parameters)
        with torch.no_grad():
            for p, speed, gradient in zip(parameters, speeds, gradients, strict=True):
                p.sub_(lr * speed.mul_(0.9).add_(gradient))
    with torch.no_grad():
        right = output(data.x_test).argmax(-1) == data.y_test
    return right.double().mean(1).numpy()


GRID_DEPTHS = (3, 6, 12, 24)
GRID_W = np.geomspace(0.7, 3.1, 9)


def trainability(sigma_b: float = 0.22, steps: int = 50, seed: int = 0) -> Trainability:
    """Train tanh nets of width 32 over a small grid of depth and sigma_w, beside xi."""
    rows = [
        train_grid(depth, GRID_W, sigma_b, steps=steps, width=32, seed=seed)
        for depth in GRID_DEPTHS
    ]
    return Trainability(GRID_DEPTHS, GRID_W, np.array(rows), *_scales(sigma_b), steps)


@lru_cache(maxsize=32)
def _scales(sigma_b: float) -> tuple[Array, Array, Array, float]:
    tanh = PHI["tanh"]
    fine = np.geomspace(GRID_W[0], GRID_W[-1], 41)
    chis = np.array([theory.chi_at_fixed_point(tanh.phi, tanh.dphi, w, sigma_b) for w in fine])
    scales = [theory.correlation_depth_scale(tanh.phi, tanh.dphi, w, sigma_b) for w in fine]
    critical = theory.critical_sigma_w(tanh.phi, tanh.dphi, sigma_b)
    return fine, theory.depth_scale(chis), np.array(scales), critical


# ---- isometry

# Each at its critical point; tanh's is that of Pennington, Schoenholz & Ganguli 2017.
CRITICAL = {
    "identity": (1.0, 0.0),
    "tanh": (sqrt(1.05), sqrt(2.01e-5)),
    "relu": (sqrt(2.0), 0.0),
}


@dataclass(frozen=True)
class Spectrum:
    """Singular values of the Jacobian dz_L/dz_0 of two nets, at each net's critical point.

    `gaussian`, `orthogonal`: (width,) at the full depth, largest first; `medians`, `mean_squares`:
    (2, depth) after each layer, Gaussian first. `spread`: Var(s^2) / mean(s^2)^2 that theory says
    of each.
    """

    activation: str
    gaussian: Array
    orthogonal: Array
    medians: Array
    mean_squares: Array
    spread: tuple[float, float]

    @property
    def depth(self) -> int:
        """The number of layers."""
        return self.medians.shape[1]

    @property
    def measured_spread(self) -> tuple[float, float]:
        """Var(s^2) / mean(s^2)^2, Gaussian and orthogonal."""
        both = (self.gaussian, self.orthogonal)
        first, second = (float((s**2).var() / (s**2).mean() ** 2) for s in both)
        return first, second

    @property
    def verdict(self) -> str:
        """One sentence: mean square and median of both."""
        layers = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        parts = [
            f"{name} weights have mean s² = {square[-1]:.2g} and median s = {median[-1]:.2g}"
            for name, square, median in zip(
                ("Gaussian", "orthogonal"), self.mean_squares, self.medians, strict=True
            )
        ]
        return f"{layers}: {' while '.join(parts)}."


def spectrum(
    activation: str = "tanh", depth: int = 50, seed: int = 0, *, width: int = 150
) -> Spectrum:
    """Compute the singular values of a Gaussian and of an orthogonal net's Jacobian.

    J = W_L D_(L-1) ... W_1 D_0, D_l = diag phi'(z_l), both nets at the activation's critical point.
    Values below 1e-16 of the largest are rounding and are set to that.
    """
    phi = PHI[activation]
    medians, squares, last = np.empty((2, depth)), np.empty((2, depth)), []
    for row, init in enumerate(("1/fan_in", "orthogonal")):
        for layer, jacobian in enumerate(_jacobians(activation, init, depth, width, seed)):
            squares[row, layer] = float((jacobian**2).sum()) / width
            singular = _singular_values(jacobian)
            medians[row, layer] = float(np.median(singular))
        last.append(singular)
    q = theory.q_fixed_point(phi.phi, *CRITICAL[activation])
    spread = [
        theory.jacobian_spread(depth, phi.dphi, q, orthogonal=orthogonal)
        for orthogonal in (False, True)
    ]
    return Spectrum(activation, last[0], last[1], medians, squares, (spread[0], spread[1]))


def singular_values(activation: str, init: str, depth: int, width: int, seed: int = 0) -> Array:
    """Return the singular values of dz_L/dz_0 at the activation's critical point; (width,)."""
    *_, jacobian = _jacobians(activation, init, depth, width, seed)
    return _singular_values(jacobian)


def _singular_values(jacobian: Tensor) -> Array:
    singular = torch.linalg.svdvals(jacobian)
    # Below a share 1e-16 of the largest the values are rounding; they stay on that floor.
    return singular.clamp(min=1e-16 * float(singular[0])).numpy()


def _jacobians(activation: str, init: str, depth: int, width: int, seed: int) -> Iterator[Tensor]:
    """Yield dz_l/dz_0 for l = 1 to depth, z_0 normal with variance q*; each (width, width)."""
    phi, (w_scale, b_scale) = PHI[activation], CRITICAL[activation]
    scheme, generator = INITIALIZATIONS[init], torch.Generator().manual_seed(seed)
    q = theory.q_fixed_point(phi.phi, w_scale, b_scale)
    z = sqrt(q) * _normal(width, seed=seed)
    jacobian = torch.eye(width, dtype=torch.float64)
    for _ in range(depth):
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


@dataclass(frozen=True)
class LinearLearning:
    """The loss of deep linear nets over the steps, each at its best learning rate.

    `losses: (2, steps + 1)`, Gaussian first; nan after the target is reached. `rates`: the best
    learning rates, times the depth.
    """

    depth: int
    losses: Array
    rates: tuple[float, float]
    target: float

    @property
    def steps_to_target(self) -> tuple[float, float]:
        """The first step at which the loss is below the target; inf if there is none."""
        found = [np.flatnonzero(curve < self.target) for curve in self.losses]
        first, second = (float(i[0]) if len(i) else inf for i in found)
        return first, second

    @property
    def verdict(self) -> str:
        """One sentence: the steps that each start takes."""
        last = self.losses.shape[1] - 1
        gaussian, orthogonal = (
            f"{s:.0f} steps" if isfinite(s) else f"more than {last} steps"
            for s in self.steps_to_target
        )
        return (
            f"{self.depth} linear layers reach the loss {self.target:g} in {orthogonal} from an "
            f"orthogonal start and in {gaussian} from a Gaussian one, each at the best of three "
            "learning rates."
        )


def linear_learning(
    depth: int = 20, seed: int = 0, *, steps: int = 80, target: float = 0.05
) -> LinearLearning:
    """Train a deep linear net on digits from a Gaussian and from an orthogonal start.

    Width 64, quadratic loss over all 1437 images at once, plain gradient descent, learning rate
    0.3, 1 or 3 over the depth. The images enter through a QR decomposition: 64 rows have the same
    loss, up to a constant, as all of them.
    """
    curves, rates = [], []
    for init in ("1/fan_in", "orthogonal"):
        tries = [_descend(depth, init, rate, seed, steps, target) for rate in RATES]
        # The fewest steps to the target, and where none gets there the lowest loss.
        best = min(range(len(RATES)), key=lambda i: _finish(tries[i], target))
        curves.append(tries[best])
        rates.append(RATES[best])
    return LinearLearning(depth, np.array(curves), (rates[0], rates[1]), target)


def _finish(curve: Array, target: float) -> tuple[float, float]:
    reached = np.flatnonzero(curve < target)
    lowest = float(np.nanmin(curve)) if np.isfinite(curve).all() else inf
    return (float(reached[0]), 0.0) if len(reached) else (inf, lowest)


@lru_cache(maxsize=1)
def _few_rows() -> tuple[Tensor, Tensor, float]:
    """Return R (64, 64), Q^T Y (64, 10), with X = QR, and what these lose of the loss."""
    data = _digits()
    targets = torch.nn.functional.one_hot(data.y_train, 10).double()
    q, r = torch.linalg.qr(data.x_train)
    few = q.T @ targets
    return r, few, float((targets**2).sum() - (few**2).sum()) / targets.numel()


def _descend(depth: int, init: str, rate: float, seed: int, steps: int, target: float) -> Array:
    x, y, lost = _few_rows()
    entries = len(_digits().y_train) * 10
    network = mlp(depth, 64, activation="identity", init=init, seed=seed)
    parameters = list(network.weights)
    losses = np.full(steps + 1, np.nan)
    for step in range(steps + 1):
        loss = ((network(x) - y) ** 2).sum() / entries
        losses[step] = float(loss.detach()) + lost
        if not losses[step] < 1e3 or losses[step] < target:
            break
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(rate / depth * gradient)
    return losses


# ---- finite width


@dataclass(frozen=True)
class Fluctuation:
    """ln(||h_L||^2 / ||h_0||^2) of many nets, and the normal density that theory says of it.

    `log_norms`: (nets,); `grid`, `density`: the theory's; `edges`, `counts`: the histogram's,
    as a density.
    """

    log_norms: Array
    predicted: float
    grid: Array
    density: Array
    edges: Array
    counts: Array

    @property
    def variance(self) -> float:
        """The variance over the nets."""
        return float(self.log_norms.var())

    @property
    def verdict(self) -> str:
        """One sentence: the variance measured and predicted, and what it does to a net."""
        low, high = (float(v) for v in np.quantile(self.log_norms, (0.1, 0.9)))
        return (
            f"Var ln‖h‖² is {self.variance:.3g} over {len(self.log_norms)} nets, theory says "
            f"{self.predicted:.3g}; eight nets in ten multiply ‖h‖² by something between "
            f"{power_of_ten(low)} and {power_of_ten(high)}."
        )


def fluctuation(
    activation: str = "relu", depth: int = 20, width: int = 50, seed: int = 0, *, nets: int = 2000
) -> Fluctuation:
    """Send one input through many nets at the critical scale and look at the size of the output.

    A Gaussian matrix times a vector h is exactly ||h|| / sqrt(n) times n fresh normal numbers, so
    the nets need no matrices: z_l = sigma_w ||h_(l-1)|| / sqrt(n) u_l. Where every unit of a net
    is shut it is left out.
    """
    phi, (w_scale, _) = PHI[activation], CRITICAL[activation]
    generator = np.random.default_rng(seed)
    logs = np.zeros(nets)
    for _ in range(depth):
        h = phi.phi(w_scale * generator.standard_normal((nets, width)))
        with np.errstate(divide="ignore"):
            logs += np.log((h**2).mean(axis=1))
    return _fluctuation(logs[np.isfinite(logs)], theory.log_norm_variance(phi.phi, depth, width))


def _fluctuation(logs: Array, predicted: float) -> Fluctuation:
    centre, std = -predicted / 2, sqrt(predicted)
    grid = np.linspace(centre - 4 * std, centre + 4 * std, 161)
    counts, edges = np.histogram(logs, bins=np.linspace(grid[0], grid[-1], 33), density=True)
    return Fluctuation(logs, predicted, grid, norm.pdf(grid, centre, std), edges, counts)


def log_norms_of_real_nets(
    activation: str, depth: int, width: int, seed: int = 0, nets: int = 200
) -> Array:
    """Return ln(||h_L||^2 / ||h_0||^2) of nets with real weight matrices; (nets,)."""
    phi, (w_scale, _) = PHI[activation], CRITICAL[activation]
    generator = torch.Generator().manual_seed(seed)
    h = torch.ones(nets, width, 1, dtype=torch.float64)
    for _ in range(depth):
        w = torch.randn(nets, width, width, generator=generator, dtype=torch.float64)
        h = phi.function(torch.bmm(w, h) * (w_scale / sqrt(width)))
    with np.errstate(divide="ignore"):
        return np.log((h**2).mean(dim=(1, 2)).numpy())


# ---- overflow

FORMATS: Mapping[str, torch.dtype] = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
MOST_LAYERS = 2000


@dataclass(frozen=True)
class Overflow:
    """The largest |z| in each layer of one ReLU net in four number formats, until each gives up.

    `log10_largest[name]`: (layers before overflow,); `inf_layer`, `nan_layer`: the first layer with
    an infinity and with a NaN, None if there is none; `predicted`: the layer at which theory says
    that the largest |z| passes the format's largest number.
    """

    weight_scale: float
    log10_largest: Mapping[str, Array]
    inf_layer: Mapping[str, int | None]
    nan_layer: Mapping[str, int | None]
    predicted: Mapping[str, int]
    theory: Array

    @property
    def verdict(self) -> str:
        """One sentence: where each format overflows, and where theory says."""
        parts = [
            f"{name} at layer {self.inf_layer[name]} ({self.predicted[name]})"
            if self.inf_layer[name]
            else f"{name} not within {MOST_LAYERS} layers ({self.predicted[name]})"
            for name in self.inf_layer
        ]
        return f"first overflow, with theory's layer in brackets: {', '.join(parts)}."


def overflow_layer(largest: float, scale: float, width: int) -> int:
    """Predict the first layer whose largest |z| passes `largest`, for He weights times `scale`.

    ln|z| of layer l: ln(sqrt(2) scale) + (l - 1)(ln scale - 5/(4n)) + ln sqrt(2 ln n): each layer
    multiplies the size by the scale, a finite width takes its toll, and the largest of n normal
    numbers is about sqrt(2 ln n). The input has mean square 1.
    """
    first = log(sqrt(2) * scale * sqrt(2 * log(width)))
    growth = log(scale) - 5 / (4 * width)
    return max(1, 1 + int(np.ceil((log(largest) - first) / growth)))


def overflow(
    weight_scale: float = 4.0,
    seed: int = 0,
    *,
    width: int = 128,
    formats: Iterable[str] = FORMATS,
) -> Overflow:
    """Send 8 inputs through one ReLU net, He weights times the scale, in each number format.

    The layers go on until the last of the formats holds a NaN, MOST_LAYERS at most.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, width, generator=generator, dtype=torch.float64)
    kinds = {name: FORMATS[name] for name in formats}
    state = {name: x.to(kind) for name, kind in kinds.items()}
    sizes: dict[str, list[float]] = {name: [] for name in kinds}
    first_inf: dict[str, int | None] = dict.fromkeys(kinds)
    first_nan: dict[str, int | None] = dict.fromkeys(kinds)
    for layer in range(1, MOST_LAYERS + 1):
        weight = torch.randn(width, width, generator=generator, dtype=torch.float64)
        weight *= weight_scale * sqrt(2 / width)
        for name in [n for n in kinds if first_nan[n] is None]:
            z = state[name] @ weight.to(kinds[name]).T
            if bool(z.isfinite().all()):
                sizes[name].append(float(torch.log10(z.double().abs().max())))
            elif first_inf[name] is None:
                first_inf[name] = layer
            if bool(z.isnan().any()):
                first_nan[name] = layer
            state[name] = torch.relu(z)
        if all(layer is not None for layer in first_nan.values()):
            break
    predicted = {
        name: overflow_layer(torch.finfo(kind).max, weight_scale, width)
        for name, kind in kinds.items()
    }
    layers = np.arange(max(len(seen) for seen in sizes.values()))
    line = log(sqrt(2) * weight_scale * sqrt(2 * log(width))) / log(10)
    growth = (log(weight_scale) - 5 / (4 * width)) / log(10)
    return Overflow(
        weight_scale,
        {name: np.array(s) for name, s in sizes.items()},
        first_inf,
        first_nan,
        predicted,
        np.asarray(line + growth * layers),
    )
