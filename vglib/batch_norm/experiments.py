"""Measurements of chapter 06: what batch norm does to signal, gradient, training and prediction."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from math import acos, asin, exp, isfinite, log, nan, pi, sqrt
from timeit import timeit

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib import theory
from vglib.activations import get_activation
from vglib.batch_norm.normed_net import (
    GROUPS,
    KINDS,
    Flow,
    build,
    flow,
    standardise,
    stepped,
)
from vglib.data import Dataset, circles, digits
from vglib.networks import get_initialization, stream
from vglib.probe import Array, power_of_ten
from vglib.training import History, fit

# The first layers still carry the data's own correlations; the theory speaks of what comes after.
SKIPPED = 5
# Multiply-adds of a forward and backward pass that one slow core finishes in about 0.2 s.
BUDGET = 1.2e9


@lru_cache(maxsize=4)
def _digits(standardised: bool = True) -> Dataset:
    return digits(standardised=standardised)


def images(batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a random batch of training digits and their labels."""
    data = _digits()
    rows = torch.randperm(len(data.x_train), generator=_generator(seed))[:batch]
    return data.x_train[rows], data.y_train[rows]


def noise(batch: int, n_in: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a batch of inputs N(0, 1) with random labels: data without correlations."""
    generator = _generator(seed)
    x = torch.randn(batch, n_in, generator=generator, dtype=torch.float64)
    return x, torch.randint(10, (batch,), generator=generator)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed + 77_003)


# One unit over a batch

SHAPES = ("a bell", "two heaps", "a tail to the right", "one outlier")
WHERE, SPREAD = 3.0, 2.0


@dataclass(frozen=True)
class OneUnit:
    """A unit's pre-activations z over a batch, and gamma u + beta; (batch,) each."""

    shape: str
    z: Array
    out: Array
    gamma: float
    beta: float

    @property
    def fourth(self) -> float:
        """E u^4 of the standardised numbers; 3 for a normal distribution."""
        u = (self.z - self.z.mean()) / self.z.std()
        return float((u**4).mean())

    @property
    def verdict(self) -> str:
        """One sentence: mean and spread before and after, and what is left of the shape."""
        mean = round(float(self.out.mean()), 2) + 0.0
        return (
            f"mean {self.z.mean():.2f} and spread {self.z.std():.2f} become {mean:.2f} "
            f"and {self.out.std():.2f}; the shape stays {self.shape}: E u⁴ is {self.fourth:.2f} "
            "before and after, and a normal distribution has 3."
        )


def one_unit(
    shape: str = "two heaps",
    gamma: float = 1.0,
    beta: float = 0.0,
    batch: int = 2000,
    seed: int = 0,
) -> OneUnit:
    """Draw one unit's z over a batch, mean about 3 and spread about 2, and batch-normalise it."""
    random = np.random.default_rng(seed)
    u = {
        "a bell": lambda: random.standard_normal(batch),
        "two heaps": lambda: (
            (random.choice([-1.0, 1.0], batch) + 0.25 * random.standard_normal(batch))
            / sqrt(1 + 0.25**2)
        ),
        "a tail to the right": lambda: random.exponential(1.0, batch) - 1,
        "one outlier": lambda: np.append(random.standard_normal(batch - 1), 2.5 * sqrt(batch)),
    }[shape]()
    z = WHERE + SPREAD * u
    out = gamma * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + beta
    return OneUnit(shape, z, out, gamma, beta)


# Running statistics

RUNNING_STEPS, TRUE_MEAN, TRUE_STD = 150, 2.0, 3.0


@dataclass(frozen=True)
class Running:
    """Batch statistics and their running averages, (steps,) each, with the expected averages.

    `expected_mean`, `expected_var`: what the running averages are on average; `scatter`: the
    standard deviation of the settled running mean, sigma sqrt(m / ((2 - m) batch)).
    """

    momentum: float
    batch: int
    batch_mean: Array
    batch_var: Array
    mean: Array
    var: Array
    expected_mean: Array
    expected_var: Array
    scatter: float

    @property
    def settled(self) -> int:
        """Steps until the start counts for a hundredth: ln 0.01 / ln(1 - momentum), rounded up."""
        return 1 if self.momentum == 1 else int(np.ceil(log(0.01) / log(1 - self.momentum)))

    @property
    def verdict(self) -> str:
        """One sentence: how long the start is remembered, and how much the average still moves."""
        when = (
            f"the start counts for at most 1% after step {self.settled}"
            if self.settled <= RUNNING_STEPS
            else f"not settled: after {RUNNING_STEPS} steps the start still counts for "
            f"{(1 - self.momentum) ** RUNNING_STEPS:.0%}"
        )
        return (
            f"{when}; once settled the running mean scatters by ±{self.scatter:.2g}, a batch of "
            f"{self.batch} by ±{TRUE_STD / sqrt(self.batch):.2g}."
        )


def running(momentum: float = 0.1, batch: int = 32, jump: bool = False, seed: int = 0) -> Running:
    """Feed batches of z ~ N(2, 3^2) to running statistics that start at mean 0 and variance 1.

    With `jump` the unit's z turns to mean -1 and spread 1.5 half way, as when the layer before has
    learned. running <- (1 - momentum) running + momentum batch; the variance is the unbiased one.
    """
    late = np.arange(RUNNING_STEPS) >= RUNNING_STEPS // 2
    true_mean = np.where(late & jump, -1.0, TRUE_MEAN)
    true_std = np.where(late & jump, 1.5, TRUE_STD)
    draws = np.random.default_rng(seed).standard_normal((RUNNING_STEPS, batch))
    z = true_mean[:, None] + true_std[:, None] * draws
    means, variances = z.mean(1), z.var(1, ddof=1)

    def averaged(start: float, values: Array) -> Array:
        kept, out = start, []
        for value in values:
            kept = (1 - momentum) * kept + momentum * value
            out.append(kept)
        return np.array(out)

    return Running(
        momentum,
        batch,
        means,
        variances,
        averaged(0.0, means),
        averaged(1.0, variances),
        averaged(0.0, true_mean),
        averaged(1.0, true_std**2),
        TRUE_STD * sqrt(momentum / ((2 - momentum) * batch)),
    )


# Theory: the factor of the squared gradient per layer


def wide_factor(activation: str, gamma: float = 1.0) -> float:
    """Return E f'(u)^2 / Var f(u), f(u) = phi(gamma u), u ~ N(0, 1): wide layers, large batch.

    At least 1 for every phi, and 1 for a linear one alone (Gaussian Poincaré inequality).
    Source: Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019.
    """
    phi = get_activation(activation)

    def mean(f: Callable[[Array], Array]) -> float:
        return float(theory.gaussian_mean(f, 1.0))

    slope = mean(lambda u: (gamma * phi.dphi(gamma * u)) ** 2)
    return slope / (
        mean(lambda u: phi.phi(gamma * u) ** 2) - mean(lambda u: phi.phi(gamma * u)) ** 2
    )


def layer_factor(activation: str) -> float:
    """Return E phi'(u)^2 / E phi(u)^2: the same for a norm over the units, wide layers."""
    phi = get_activation(activation)
    slope = theory.gaussian_mean(lambda u: phi.dphi(u) ** 2, 1.0)
    return float(slope / theory.gaussian_mean(lambda u: phi.phi(u) ** 2, 1.0))


@lru_cache(maxsize=256)
def batch_factor(activation: str, batch: int) -> float:
    """Return the factor of ||delta||^2 per layer at a finite batch, wide layers, at the start.

    With u even on the sphere of radius sqrt(B) among the vectors of mean 0, G = 1 - 11^T/B,
    P = G - u u^T/B and D = diag phi'(u):

        B / (B - 3)  E tr(P D G D P) / E sum_i (phi(u_i) - mean)^2

    The first factor is E 1/var of a Gaussian batch. identity: (B - 2)/(B - 3). ReLU: closed form,
    pi / (pi - 1) at B = infinity. Others: dice. nan below B = 4, where that mean does not exist.
    """
    if batch <= 3:
        return nan
    if activation == "identity":
        return (batch - 2) / (batch - 3)
    if activation == "relu":
        rho = -1 / (batch - 1)
        both = 1 / 4 + asin(rho) / (2 * pi)
        product = (sqrt(1 - rho**2) + (pi - acos(rho)) * rho) / (2 * pi)
        return ((batch - 2) / 2 + both + product) / ((batch - 3) * (1 / 2 - product))
    return _thrown_factor(activation, batch)


def _thrown_factor(activation: str, batch: int) -> float:
    phi = get_activation(activation)
    shape = (100_000 // batch, batch)
    z = torch.randn(*shape, generator=_generator(0), dtype=torch.float64)
    z -= z.mean(1, keepdim=True)
    u = z / z.square().mean(1, keepdim=True).sqrt()
    h, d = phi.function(u), phi.derivative(u)
    alone = (1 - 1 / batch) * (d**2 * (1 - 1 / batch - u**2 / batch)).sum(1)
    pairs = [v.sum(1) ** 2 - (v**2).sum(1) for v in (d, d * u)]
    kept = alone + (pairs[0] + pairs[1]) / batch**2
    spread = (h - h.mean(1, keepdim=True)).square().sum(1)
    return float(batch / (batch - 3) * kept.mean() / spread.mean())


# It explodes

BATCHES = (4, 5, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 181, 256)


def factor_per_layer(log_delta: Array) -> float:
    """Return by what a layer multiplies ||delta||^2 going back, from layer 6 on (geometric mean).

    nan where a gradient is 0 or there are too few layers.
    """
    first = SKIPPED if len(log_delta) > SKIPPED + 2 else 0
    if len(log_delta) < 2 or not np.isfinite(log_delta[[first, -1]]).all():
        return nan
    return exp(2 * (log_delta[first] - log_delta[-1]) / (len(log_delta) - 1 - first))


@dataclass(frozen=True)
class Explosion:
    """The weight gradients of a net with batch norm, of its twin without, and the theory.

    `normed`, `plain`: the two passes; `theory`: (depth,) ln ||dL/dW|| with slope (1/2) ln(factor)
    through the last layer; `factors`: theory's factor for each of `BATCHES`.
    """

    batch: int
    activation: str
    normed: Flow
    plain: Flow
    theory: Array
    factors: Array
    note: str = ""

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.normed.log_delta)

    @property
    def measured(self) -> float:
        """The factor of ||delta||^2 per layer."""
        return factor_per_layer(self.normed.log_delta)

    @property
    def predicted(self) -> float:
        """Theory's factor."""
        return batch_factor(self.activation, self.batch)

    @property
    def ratio(self) -> float:
        """ln of ||dL/dW|| of the first layer over that of the last."""
        return _first_to_last(self.normed)

    @property
    def verdict(self) -> str:
        """One sentence: what the first layer gets with batch norm and without, and the factor."""
        without = f"without it {power_of_ten(_first_to_last(self.plain))} times.{self.note}"
        if self.depth == 1:
            return f"one hidden layer: there is no depth yet to go through.{self.note}"
        if self.batch == 2:
            return (
                "a batch of 2: batch norm puts out only +1 and -1, with slope 0 except where the "
                f"two samples nearly tie, where it is steep; layer 1 gets "
                f"{power_of_ten(self.ratio)} times the last layer's gradient; {without}"
            )
        word = "explodes" if self.ratio > log(3) else "vanishes" if self.ratio < -log(3) else "even"
        said = f"{self.predicted:.3f}" if isfinite(self.predicted) else "has no number below 4"
        return (
            f"{word}: with batch norm ‖∂L/∂W‖ of layer 1 is {power_of_ten(self.ratio)} times that "
            f"of layer {self.depth}, ‖δ‖² grows by {self.measured:.3f} per layer (theory {said}); "
            f"{without}"
        )


def _first_to_last(one: Flow) -> float:
    return float(one.log_weight_grad[0] - one.log_weight_grad[-1])


def explosion(
    batch: int = 128,
    depth: int = 40,
    weight_scale: float = 1.0,
    activation: str = "relu",
    width: int = 100,
    seed: int = 0,
) -> Explosion:
    """Send a batch of digits through a fresh deep net with batch norm, and without."""
    width, note = _affordable(depth, width, batch)
    x, y = images(batch, seed)
    seen = {
        kind: flow(
            build(depth, width, kind, activation, weight_scale=weight_scale, seed=seed), x, y
        )
        for kind in ("batch", "none")
    }
    normed = seen["batch"]
    factor = batch_factor(activation, batch)
    slope = 0.5 * log(factor)
    line = normed.log_weight_grad[-1] + slope * np.arange(depth - 1, -1, -1.0)
    factors = np.array([batch_factor(activation, b) for b in BATCHES])
    return Explosion(batch, activation, normed, seen["none"], line, factors, note)


def _affordable(depth: int, width: int, batch: int) -> tuple[int, str]:
    widest = max(10, 5 * int(sqrt(BUDGET / (6 * depth * batch)) / 5))
    if width <= widest:
        return width, ""
    return widest, f" (Width {width} would take long at depth {depth}; this is width {widest}.)"


def factors(activation: str, batch: int, width: int, depth: int, seed: int) -> float:
    """Return the factor of ||delta||^2 per layer for inputs N(0, 1)."""
    x, y = noise(batch, 64, seed)
    return factor_per_layer(
        flow(build(depth, width, "batch", activation, seed=seed), x, y).log_delta
    )


def first_to_last(kind: str, depth: int, width: int, batch: int, seed: int) -> float:
    """Return ||dL/dW|| of layer 1 over that of the last hidden layer; ReLU, inputs N(0, 1)."""
    x, y = noise(batch, width, seed)
    return exp(_first_to_last(flow(build(depth, width, kind, n_in=width, seed=seed), x, y)))


# One step


@dataclass(frozen=True)
class Steps:
    """A deep batch-norm net before and after some steps of descent on one batch.

    `before`, `after`: the two passes; `losses`: (steps + 1,); `spreads`: (steps + 1,) the largest
    ||dL/dW_l|| over the smallest; `growth`: (depth,) ||W_l|| after over before.
    """

    lr: float
    before: Flow
    after: Flow
    losses: Array
    spreads: Array

    @property
    def growth(self) -> Array:
        """||W_l|| after the steps over before."""
        return self.after.weight_norm / self.before.weight_norm

    @property
    def first_growth(self) -> Array:
        """What the first step alone does to ||W_l||: sqrt(1 + (lr ||dL/dW|| / ||W||)^2)."""
        ratio = self.lr * np.exp(self.before.log_weight_grad) / self.before.weight_norm
        return np.sqrt(1 + ratio**2)

    @property
    def verdict(self) -> str:
        """One sentence: the spread before and after, and how much the weights have grown."""
        count = len(self.losses) - 1
        steps = "one step takes" if count == 1 else f"{count} steps take"
        word = "flattens" if self.spreads[-1] < 0.1 * self.spreads[0] else "shrinks"
        if self.spreads[-1] >= self.spreads[0]:
            word = "does not shrink"
        return (
            f"{word}: at learning rate {self.lr:g}, {steps} the spread, largest ‖∂L/∂W‖ over "
            f"smallest, from {_number(self.spreads[0])} to {_number(self.spreads[-1])}; ‖W‖ of "
            f"layer 1 grows by a factor {_number(self.growth[0])}, of layer {len(self.growth)} by "
            f"{self.growth[-1]:.3g}; the loss goes from {self.losses[0]:.2f} to "
            f"{self.losses[-1]:.2f}."
        )


def _number(value: float) -> str:
    return f"{value:.0f}" if 100 <= value < 1e5 else f"{value:.3g}"


def spread(one: Flow) -> float:
    """Return the largest ||dL/dW_l|| of the hidden layers over the smallest."""
    return exp(float(one.log_weight_grad.max() - one.log_weight_grad.min()))


def first_steps(
    lr: float = 1.0, steps: int = 1, depth: int = 40, weight_scale: float = 1.0, seed: int = 0
) -> Steps:
    """Take steps of plain descent on one batch of 128 digits: ReLU, batch norm, width 100.

    Width 50 from depth 60 on. Only the weight matrices learn.
    """
    x, y = images(128, seed)
    width = 100 if depth < 60 else 50
    net = build(depth, width, weight_scale=weight_scale, seed=seed)
    seen = [flow(net, x, y)]
    for _ in range(steps):
        net = stepped(net, seen[-1].gradients, lr)
        seen.append(flow(net, x, y))
    losses = np.array([one.loss for one in seen])
    return Steps(lr, seen[0], seen[-1], losses, np.array([spread(one) for one in seen]))


def likeness(kind: str, depth: int, seed: int = 0) -> tuple[Array, Array]:
    """Return the mean cosine of two images' z_l, of one class and of two; (depth,) each.

    A fresh ReLU net of width 100 and 128 digits.
    """
    x, y = images(128, seed)
    net, h = build(depth, 100, kind, seed=seed), x
    alike = (y[:, None] == y) & ~torch.eye(len(y), dtype=torch.bool)
    means = []
    for weight in net.weights[:-1]:
        u = standardise(h @ weight.T, kind)[0]
        unit = F.normalize(u, dim=1)
        cosine = unit @ unit.T
        means.append((float(cosine[alike].mean()), float(cosine[y[:, None] != y].mean())))
        h = torch.relu(u)
    same, different = np.array(means).T
    return same, different


# Five norms, one measurement

NAMES = {
    "none": "no norm",
    "batch": "batch norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "group": f"group norm ({GROUPS})",
    "weight": "weight norm",
}


@dataclass(frozen=True)
class Norms:
    """ln ||delta_l|| at the start for each kind of norm, (depth,) each, and theory's two lines."""

    activation: str
    batch: int
    log_delta: dict[str, Array]
    over_batch: float
    over_units: float

    @property
    def verdict(self) -> str:
        """One sentence: the factor of ||delta||^2 per layer of each norm."""
        depth = len(self.log_delta["none"])
        if depth == 1:
            return "one hidden layer: there is no depth yet to go through."
        parts = []
        for kind, values in self.log_delta.items():
            factor = factor_per_layer(values)
            parts.append(f"{NAMES[kind]} {factor:.2f}" if isfinite(factor) else f"{NAMES[kind]} 0")
        over = f"{self.over_batch:.2f}" if isfinite(self.over_batch) else "no number"
        return (
            f"{self.activation}, ‖δ‖² per layer: {', '.join(parts)}; theory says {over} for "
            f"batch norm and {self.over_units:.2f} for a norm over the units."
        )


def norms(
    activation: str = "relu",
    depth: int = 30,
    weight_scale: float = 1.0,
    batch: int = 64,
    seed: int = 0,
) -> Norms:
    """Send one batch of digits through nets with the same weights and different norms."""
    width, _ = _affordable(3 * depth, 100, batch)
    x, y = images(batch, seed)
    found = {
        kind: flow(
            build(depth, width, kind, activation, weight_scale=weight_scale, seed=seed), x, y
        ).log_delta
        for kind in KINDS
    }
    over_batch = batch_factor(activation, batch)
    return Norms(activation, batch, found, over_batch, layer_factor(activation))


# Training deep nets


class DeepNet(nn.Module):
    """h_l = phi(norm(W_l h_(l-1) + b_l)) built from torch's own norms, then a readout."""

    def __init__(self, kind: str, activation: str, depth: int, width: int, seed: int) -> None:
        super().__init__()
        phi = get_activation(activation)
        init = "he" if activation == "relu" else "1/fan_in"
        fans = [64, *[width] * depth]
        layers = [_linear(fans[i], width, seed, i + 1, init) for i in range(depth)]
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(_norm(kind, width) for _ in range(depth))
        self.readout = _linear(width, 10, seed, 0, "1/fan_in")
        self.function = phi.function
        if kind == "weight":
            _start_on_data(self, _digits().x_train[:256])

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, 64) to logits (batch, 10)."""
        h = x
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = self.function(norm(layer(h)))
        return self.readout(h)


def _norm(kind: str, width: int) -> nn.Module:
    made: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: nn.BatchNorm1d(width),
        "layer": lambda: nn.LayerNorm(width),
        "rms": lambda: nn.RMSNorm(width, eps=1e-5),
        "group": lambda: nn.GroupNorm(GROUPS, width),
    }
    return made.get(kind, nn.Identity)().double()


@torch.no_grad()
def _start_on_data(net: DeepNet, x: Tensor) -> None:
    """Set every layer to mean 0 and variance 1 on x, then write its weights as g v / ||v||."""
    h = x
    for layer in net.layers:
        assert isinstance(layer, nn.Linear)
        z = layer(h)
        std = z.std(0, correction=0)
        layer.weight.div_(std[:, None])
        layer.bias.copy_(-z.mean(0) / std)
        nn.utils.parametrizations.weight_norm(layer)
        h = net.function(layer(h))


def _linear(
    fan_in: int, fan_out: int, seed: int, layer: int, init: str, dtype: torch.dtype = torch.float64
) -> nn.Linear:
    linear = nn.Linear(fan_in, fan_out, dtype=dtype)
    with torch.no_grad():
        linear.weight.copy_(get_initialization(init).draw(fan_in, fan_out, stream(seed, layer)))
        linear.bias.zero_()
    return linear


@dataclass(frozen=True, eq=False)
class Rescue:
    """A deep net in training with one kind of norm; `history` has its start as first record."""

    kind: str
    activation: str
    depth: int
    history: History

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end."""
        return float(self.history.test_accuracy[-1])

    @property
    def log_delta(self) -> Array:
        """ln ||dL/dz_l|| of the hidden layers at the start, z_l = W_l h_(l-1); (depth,)."""
        return self.history.log_delta[0, : self.depth]

    @property
    def verdict(self) -> str:
        """One sentence: does it learn, and what layer 1 got at the start."""
        word = "learns" if self.accuracy > 0.6 else "begins" if self.accuracy > 0.3 else "stuck"
        layers = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        share = power_of_ten(float(self.log_delta[0] - self.log_delta[-1]))
        return (
            f"{word}: {layers} of {self.activation}, {NAMES[self.kind]}, {self.accuracy:.0%} of "
            f"the test images after {int(self.history.steps[-1])} steps; at the start layer 1 got "
            f"{share} times the last layer's gradient."
        )


@lru_cache(maxsize=64)
def rescue(
    kind: str = "none",
    activation: str = "sigmoid",
    depth: int = 20,
    lr: float = 0.2,
    seed: int = 0,
    *,
    steps: int = 60,
    width: int = 40,
    records: int = 4,
) -> Rescue:
    """Train a deep net on digits: cross-entropy, SGD, batch 64."""
    history = fit(
        DeepNet(kind, activation, depth, width, seed),
        _digits(),
        loss=F.cross_entropy,
        lr=lr,
        batch=64,
        steps=steps,
        record_at=steps // records,
        probe_size=64,
        seed=seed,
        progress=False,
    )
    return Rescue(kind, activation, depth, history)


# The article's model

PLACES = ("none", "before", "after", "article")
PLACE_NAMES = {
    "none": "without",
    "before": "before the activation",
    "after": "after the activation",
    "article": "after, and on the input",
}


def article_model(place: str, n_in: int = 64, seed: int = 0) -> nn.Sequential:
    """Build n_in-300-100-10 with ReLU, float32, batch norm at the place given; He's weights.

    "article": BN, Dense(300, relu), BN, Dense(100, relu), BN, Dense(10), as in the Keras listing.
    """
    parts: list[nn.Module] = [nn.BatchNorm1d(n_in)] if place == "article" else []
    for layer, (fan_in, width) in enumerate(((n_in, 300), (300, 100)), start=1):
        parts.append(_linear(fan_in, width, seed, layer, "he", torch.float32))
        relu, norm = nn.ReLU(), nn.BatchNorm1d(width)
        parts += [relu] if place == "none" else [norm, relu] if place == "before" else [relu, norm]
    return nn.Sequential(*parts, _linear(100, 10, seed, 0, "glorot", torch.float32))


@lru_cache(maxsize=128)
def place_accuracy(
    place: str, lr: float, seed: int, steps: int = 40, data: Dataset | None = None
) -> tuple[Array, Array]:
    """Train the article's model: cross-entropy, SGD, batch 64; (steps, test accuracy).

    Digits with pixels from 0 to 1 unless `data` is given.
    """
    data = _digits(standardised=False) if data is None else data
    history = fit(
        article_model(place, data.n_in, seed),
        data,
        loss=F.cross_entropy,
        lr=lr,
        batch=64,
        steps=steps,
        record_at=max(1, steps // 4),
        probe_size=64,
        seed=seed,
        progress=False,
    )
    return history.steps.astype(float), history.test_accuracy


@dataclass(frozen=True)
class Places:
    """Test accuracy over the steps for each place of batch norm; (5,) each."""

    lr: float
    steps: Array
    accuracy: dict[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the accuracies at the end."""
        parts = [f"{PLACE_NAMES[p]} {values[-1]:.0%}" for p, values in self.accuracy.items()]
        return (
            f"learning rate {self.lr:g}, test accuracy after {int(self.steps[-1])} steps: "
            f"{'; '.join(parts)}."
        )


def places(lr: float = 0.1, steps: int = 40, seed: int = 0) -> Places:
    """Train the article's model four times: without batch norm and with it at three places."""
    accuracy = {}
    for place in PLACES:
        values = place_accuracy(place, lr, seed, steps)[1]
        accuracy[place] = np.append(values, [values[-1]] * (5 - len(values)))[:5]
    return Places(lr, np.linspace(0, steps // 4 * 4, 5), accuracy)


# Folding


@torch.no_grad()
def fold(linear: nn.Linear, norm: nn.BatchNorm1d) -> nn.Linear:
    """Return one linear layer equal to norm(linear(x)) in evaluation.

    s = gamma / sqrt(running_var + eps); W' = s W, row by row; b' = s (b - running_mean) + beta.
    """
    folded = deepcopy(linear)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    folded.weight.copy_(scale[:, None] * linear.weight)
    folded.bias.copy_(scale * (linear.bias - norm.running_mean) + norm.bias)
    return folded


def fold_all(model: nn.Sequential) -> nn.Sequential:
    """Return a copy in evaluation with every batch norm right behind a linear layer folded away."""
    parts: list[nn.Module] = []
    for part in deepcopy(model).eval():
        if isinstance(part, nn.BatchNorm1d) and parts and isinstance(parts[-1], nn.Linear):
            parts[-1] = fold(parts[-1], part)
        else:
            parts.append(part)
    return nn.Sequential(*parts)


@lru_cache(maxsize=8)
def _trained_article(place: str, seed: int) -> nn.Sequential:
    data = _digits(standardised=False)
    model = article_model(place, 64, seed)
    fit(model, data, loss=F.cross_entropy, lr=0.1, batch=64, steps=30, seed=seed, progress=False)
    return model.eval()


def folding_error(seed: int = 0) -> float:
    """Return the largest difference of a logit, trained net with batch norm against folded."""
    model = _trained_article("before", seed)
    x = _digits(standardised=False).x_test.float()
    with torch.no_grad():
        return float((model(x) - fold_all(model)(x)).abs().max())


@torch.no_grad()
def prediction_times(batch: int = 128, rounds: int = 15) -> dict[str, Array]:
    """Time a prediction without batch norm, with it, and folded, in rounds that alternate."""
    x = torch.rand(batch, 64, generator=_generator(0))
    normed = article_model("before").eval()
    nets = {"without": article_model("none"), "with": normed, "folded": fold_all(normed)}
    taken: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(rounds):
        for name, net in nets.items():
            taken[name].append(timeit("net(x)", globals={"net": net, "x": x}, number=5) / 5)
    return {name: np.array(times) for name, times in taken.items()}


# When it breaks

SEEN = 4
SHIFTS = np.linspace(0.0, 2.0, 9)


@dataclass(frozen=True)
class Breaking:
    """Test accuracy by running statistics and by the batch's own, over the steps and over a shift.

    `running`, `own`: (n_records,); `shifted_running`, `shifted_own`: (9,), the test images with a
    number added to every standardised pixel.
    """

    batch: int
    steps: Array
    running: Array
    own: Array
    shifted_running: Array
    shifted_own: Array

    @property
    def verdict(self) -> str:
        """One sentence: the two modes at the end, and under the largest shift."""
        early = self.running[1]
        return (
            f"trained on batches of {self.batch}: {self.running[-1]:.0%} with running statistics "
            f"and {self.own[-1]:.0%} with those of test batches of {self.batch}; after "
            f"{int(self.steps[1])} steps the two were {early:.0%} and {self.own[1]:.0%}; with "
            f"{SHIFTS[SEEN]:g} added to every pixel they are {self.shifted_running[SEEN]:.0%} and "
            f"{self.shifted_own[SEEN]:.0%}."
        )


BREAK_RECORDS = (0, 5, 10, 20, 40, 80)


def small_net(kind: str, seed: int) -> nn.Sequential:
    """Build 64-50-50-10 with ReLU and the given norm before it; float64."""
    parts: list[nn.Module] = []
    for layer, fan_in in enumerate((64, 50), start=1):
        parts += [_linear(fan_in, 50, seed, layer, "he"), _norm(kind, 50), nn.ReLU()]
    return nn.Sequential(*parts, _linear(50, 10, seed, 0, "1/fan_in"))


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor, batch: int | None = None) -> float:
    """Return the test accuracy in evaluation, or with the statistics of test batches of a size."""
    if batch is None:
        return float((net.eval()(x).argmax(1) == y).double().mean())
    kept = deepcopy(net).train()
    rows = range(0, len(x) - batch + 1, batch)
    right = [kept(x[r : r + batch]).argmax(1) == y[r : r + batch] for r in rows]
    return float(torch.cat(right).double().mean())


def _descend(net: nn.Module, x: Tensor, y: Tensor, lr: float) -> None:
    # torch.optim takes seconds to import what it does not need here.
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(F.cross_entropy(net(x), y), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(gradient, alpha=lr)


def small_batch_accuracy(kind: str, batch: int, seed: int, lr: float = 0.1) -> float:
    """Return the test accuracy, in evaluation, of the net that `breaking` trains."""
    data, net = _digits(), small_net(kind, seed)
    for rows in _small_batches(batch, seed):
        _descend(net.train(), data.x_train[rows], data.y_train[rows], lr)
    return accuracy(net, data.x_test, data.y_test)


def _small_batches(batch: int, seed: int) -> list[Tensor]:
    generator, n = _generator(seed), len(_digits().x_train)
    return [torch.randint(n, (batch,), generator=generator) for _ in range(BREAK_RECORDS[-1])]


@lru_cache(maxsize=64)
def breaking(batch: int = 16, lr: float = 0.1, kind: str = "batch", seed: int = 0) -> Breaking:
    """Train a small net on digits for 80 steps of SGD, and test it in both modes."""
    data = _digits()
    net = small_net(kind, seed)
    x, y = data.x_test, data.y_test
    # Small batches make many passes: a part of the test set will do.
    part = batch * max(1, min(360 // batch, 60))
    running_, own = [], []
    for step, rows in enumerate([*_small_batches(batch, seed), None]):
        if step in BREAK_RECORDS:
            running_.append(accuracy(net, x, y))
            own.append(accuracy(net, x[:part], y[:part], batch))
        if rows is not None:
            _descend(net.train(), data.x_train[rows], data.y_train[rows], lr)
    shifted = [
        (accuracy(net, x + s, y), accuracy(net, x[:part] + s, y[:part], batch)) for s in SHIFTS
    ]
    by_running, by_own = np.array(shifted).T
    return Breaking(
        batch, np.array(BREAK_RECORDS, float), np.array(running_), np.array(own), by_running, by_own
    )


# Circles

CIRCLE_STEPS, CIRCLE_LR = 120, 0.3
CIRCLE_KINDS = ("linear", "batch norm", "ReLU", "batch norm and ReLU")


@dataclass(frozen=True)
class Circles:
    """A net trained on two circles: the points, its output over a grid, and its accuracy.

    `grid`: (n,); `output`: (n, n) the probability of the inner class in evaluation; `bend`: how far
    the trained net in evaluation is from an affine function, in units of its own spread.
    """

    kind: str
    depth: int
    x: Array
    y: Array
    grid: Array
    output: Array
    accuracy: float
    bend: float

    @property
    def verdict(self) -> str:
        """One sentence: the accuracy, and whether the net is affine."""
        word = "affine" if self.bend < 1e-6 else "not affine"
        end = "tells" if self.accuracy > 0.9 else "cannot tell"
        layers = "1 hidden layer" if self.depth == 1 else f"{self.depth} hidden layers"
        return (
            f"{end} the circles apart: {layers}, {self.kind}, {self.accuracy:.0%} of the test "
            f"points; in evaluation the net is {word}."
        )


@lru_cache(maxsize=64)
def two_circles(kind: str = "batch norm", depth: int = 2, seed: int = 0) -> Circles:
    """Train a net of width 16 on two circles: descent on all 400 points, lr 0.3, 120 steps."""
    data = circles(500, seed=seed)
    parts: list[nn.Module] = []
    init = "he" if "ReLU" in kind else "1/fan_in"
    for layer in range(depth):
        parts.append(_linear(16 if layer else 2, 16, seed, layer + 1, init))
        parts += [nn.BatchNorm1d(16, dtype=torch.float64)] if "batch norm" in kind else []
        parts += [nn.ReLU()] if "ReLU" in kind else []
    net = nn.Sequential(*parts, _linear(16, 2, seed, 0, "1/fan_in"))
    for _ in range(CIRCLE_STEPS):
        _descend(net, data.x_train, data.y_train, CIRCLE_LR)
    net.eval()
    grid = np.linspace(-1.4, 1.4, 41)
    plane = torch.tensor(np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2))
    with torch.no_grad():
        logits = net(plane)
        score = logits[:, 1] - logits[:, 0]
        # Affine means f(-x) + f(x) = 2 f(0); the plane's points come in such pairs.
        middle = score[len(score) // 2]
        bend = float((score + score.flip(0) - 2 * middle).abs().max() / score.std())
        reached = accuracy(net, data.x_test, data.y_test)
    output = torch.sigmoid(score).reshape(41, 41).numpy()
    return Circles(
        kind, depth, data.x_test.numpy(), data.y_test.numpy(), grid, output, reached, bend
    )


# Scale invariance


def scaled_gradient(c: float, seed: int = 0) -> tuple[float, float]:
    """Return the largest change of BN(c W x) from BN(W x), and ||dL/d(cW)|| / ||dL/dW||.

    One layer of 50 with ReLU and a readout on 64 digits; torch's autograd, eps 1e-5.
    """
    x, y = images(64, seed)
    net = build(1, 50, "none", seed=seed)
    outputs, gradients = [], []
    for factor in (1.0, c):
        weight = (factor * net.weights[0]).requires_grad_()
        u = F.batch_norm(x @ weight.T, None, None, training=True)
        loss = F.cross_entropy(torch.relu(u) @ net.weights[1].T, y)
        (gradient,) = torch.autograd.grad(loss, weight)
        outputs.append(u.detach())
        gradients.append(float(gradient.norm()))
    return float((outputs[1] - outputs[0]).abs().max()), gradients[1] / gradients[0]
