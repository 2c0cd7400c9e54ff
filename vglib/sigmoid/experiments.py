"""Measurements of chapter 03: how large each of the sigmoid's three famous flaws is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import atanh, inf, isfinite, nan, sqrt
from timeit import timeit

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib import theory
from vglib.activations import get_activation
from vglib.data import Dataset, digits
from vglib.networks import MLP, get_initialization, mlp, sigma_w, stream
from vglib.probe import Array, Trace, power_of_ten, trace
from vglib.training import History, fit

SIGMOID, TANH = get_activation("sigmoid"), get_activation("tanh")
# The same slopes as the sigmoid's, and outputs that are centred at 0.
CENTRED = replace(SIGMOID, name="sigmoid - 1/2", function=lambda z: torch.sigmoid(z) - 0.5)
MARKS = (0.5, 0.1, 0.01)


@lru_cache(maxsize=1)
def _digits() -> Dataset:
    return digits()


# The curves


def where_slope_is(share: float, activation: str = "sigmoid") -> float:
    """Return the |z| at which the slope has fallen to a share of its maximum.

    sigmoid: 2 artanh(sqrt(1 - share)); tanh: half of that, since tanh'(z) = 4 s'(2z).
    """
    z = atanh(sqrt(1 - share))
    return 2 * z if activation == "sigmoid" else z


@dataclass(frozen=True)
class Curves:
    """An activation at one point z: value and slope, with the whole curve on `grid`."""

    name: str
    z: float
    value: float
    slope: float
    grid: Array
    values: Array
    slopes: Array

    @property
    def max_slope(self) -> float:
        """The steepest slope, at z = 0."""
        return get_activation(self.name).max_slope

    @property
    def share(self) -> float:
        """The slope at z as a share of the steepest."""
        return self.slope / self.max_slope

    @property
    def verdict(self) -> str:
        """One sentence: the slope here, and where it is a tenth."""
        word = (
            "saturated" if self.share < 0.1 else "bending" if self.share < 0.9 else "nearly linear"
        )
        return (
            f"{word}: at z = {self.z:.2f} the slope of {self.name} is {self.slope:.3g}, "
            f"{_percent(self.share)} of its maximum {self.max_slope:g}; it is down to 10% at |z| = "
            f"{where_slope_is(0.1, self.name):.2f}."
        )


def curves(activation: str = "sigmoid", z: float = 2.0) -> Curves:
    """Evaluate sigmoid or tanh and its derivative at z and on a grid."""
    phi = get_activation(activation)
    grid = np.linspace(-8, 8, 321)
    return Curves(
        activation, z, float(phi.phi(z)), float(phi.dphi(z)), grid, phi.phi(grid), phi.dphi(grid)
    )


# Flaw 1: outputs that are not centred at 0


def one_sign_share(gradient: Tensor) -> float:
    """Return the share of units whose weight gradients never differ in sign.

    gradient: (units, weights). A weight with gradient 0 joins either side; a unit whose gradients
    are all 0 is left out. nan where that leaves no unit.
    """
    up, down = (gradient > 0).any(1), (gradient < 0).any(1)
    live = up | down
    return float((live & ~(up & down)).sum() / live.sum()) if live.any() else nan


SIGN_NETS = ("sigmoid", "relu", "tanh")
SIGN_WIDTH, SIGN_DEPTH = 100, 3
BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1437)


@lru_cache(maxsize=64)
def _sign_parts(activation: str, layer: int, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return each sample's delta_l (samples, units) and h_(l-1) (samples, weights)."""
    data = _digits()
    network = mlp(SIGN_DEPTH, SIGN_WIDTH, activation=activation, init="1/fan_in", seed=seed)
    if steps:
        fit(
            network,
            data,
            loss=F.cross_entropy,
            lr=0.1,
            batch=10,
            steps=steps,
            record_at=[steps],
            probe_size=10,
            seed=seed,
            progress=False,
        )
    h, pres, inputs = data.x_train, [], []
    for index, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        inputs.append(h)
        pres.append(F.linear(h, weight, bias))
        h = network.layer_activation(index).function(pres[-1])
    loss = F.cross_entropy(h, data.y_train, reduction="sum")
    (delta,) = torch.autograd.grad(loss, pres[layer - 1])
    return delta, inputs[layer - 1].detach()


@dataclass(frozen=True)
class OneSign:
    """How many units have weight gradients of one sign, for sigmoid, ReLU and tanh.

    `batches`: (n,); `shares[name]`: (n,) mean over random batches. For the chosen batch `chosen`
    is that share and `positive[name]` the share of positive gradients of each unit, sorted.
    """

    batch: int
    layer: int
    steps: int
    batches: Array
    shares: dict[str, Array]
    chosen: dict[str, float]
    positive: dict[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the three shares at the chosen batch size."""
        parts = ", ".join(f"{name} {_percent(self.chosen[name])}" for name in SIGN_NETS)
        of = "one sample" if self.batch == 1 else f"a batch of {self.batch}"
        when = "at the start" if not self.steps else f"after {self.steps} steps"
        return f"units with gradients of one sign, for {of}, layer {self.layer}, {when}: {parts}."


def one_sign(batch: int = 1, layer: int = 3, steps: int = 0, seed: int = 0) -> OneSign:
    """Count the units of a layer whose weight gradients, over a batch, share one sign.

    Nets 64-100-100-100-10 on digits, weights N(0, 1/n), biases 0, cross-entropy; trained for
    `steps` steps of SGD (lr 0.1, batch 10). dL/dW_l = sum over the batch of delta_l h_(l-1)^T.
    """
    sizes = sorted({*BATCHES, batch})
    shares, chosen, positive = {}, {}, {}
    for name in SIGN_NETS:
        delta, h = _sign_parts(name, layer, steps, seed)
        generator = torch.Generator().manual_seed(seed)
        row = []
        for size in sizes:
            draws = 1 if size >= len(h) else max(2, min(20, 400 // size))
            found = []
            for _ in range(draws):
                rows = torch.randperm(len(h), generator=generator)[:size]
                gradient = delta[rows].T @ h[rows]
                found.append(one_sign_share(gradient))
            row.append(float(np.mean(found)))
            if size == batch:
                live = (gradient != 0).any(1)
                up = (gradient > 0).double().sum(1) / (gradient != 0).double().sum(1).clamp(min=1)
                chosen[name] = row[-1]
                positive[name] = np.sort(torch.where(live, up, torch.nan).numpy())
        shares[name] = np.array(row)
    return OneSign(batch, layer, steps, np.array(sizes, float), shares, chosen, positive)


INPUTS = ("sigmoid", "sigmoid - 1/2", "tanh", "relu")
# Where the two weights start and where the loss is smallest.
GOALS = {
    "one up, one down": ((-0.2, 2.0), (1.2, -1.0)),
    "both up": ((-1.2, -1.0), (1.2, 1.4)),
}
SAMPLES, WALK = 500, 60


def moments(inputs: str) -> tuple[float, float]:
    """Return mean and variance of an activation of z ~ N(0, 1), by quadrature."""
    phi = CENTRED if inputs == CENTRED.name else get_activation(inputs)
    mean = float(theory.gaussian_mean(phi.phi, 1.0))
    return mean, float(theory.gaussian_mean(lambda z: phi.phi(z) ** 2, 1.0)) - mean**2


def curvatures(mean: float, variance: float, n: int) -> tuple[float, float]:
    """Return the steepest and the flattest curvature of (1/2) E (sum_i e_i a_i)^2 over e.

    n independent inputs a_i: variance + n mean^2 along (1, ..., 1), variance across it.
    """
    return variance + n * mean**2, variance


@dataclass(frozen=True)
class Walk:
    """The path of two weights, (steps + 1, 2), and the excess loss E (1/2) ((w - w*) . a)^2.

    `predicted` is that loss for descent on infinitely much data.
    """

    inputs: str
    batch: int
    lr: float
    path: Array
    goal: Array
    losses: Array
    predicted: Array

    @property
    def steps(self) -> Array:
        """The steps, (n, 2), as far as a hundredth of the starting distance from the goal."""
        distance = np.linalg.norm(self.path - self.goal, axis=1)
        near = np.flatnonzero(distance < 0.01 * distance[0])
        return np.diff(self.path[: near[0] + 1] if len(near) else self.path, axis=0)

    @property
    def turns(self) -> float:
        """The share of steps that turn back by more than 90 degrees from the step before."""
        dots = (self.steps[1:] * self.steps[:-1]).sum(1)
        return float((dots < 0).mean()) if len(dots) else 0.0

    @property
    def together(self) -> float:
        """The share of steps that move both weights up, or both down."""
        return float((self.steps.prod(1) > 0).mean())

    @property
    def left(self) -> float:
        """What is left of the distance to the goal, as a share of the distance at the start."""
        start, end = (np.linalg.norm(self.path[i] - self.goal) for i in (0, -1))
        return float(end / start)

    @property
    def verdict(self) -> str:
        """One sentence: how it walks, and how far it still has to go."""
        steepest, _ = curvatures(*moments(self.inputs), 2)
        limit = f"on all data a step may be {2 / steepest:.3g} at most"
        if not isfinite(self.left) or self.left > 1.5:
            return f"overshoots: step {self.lr:.3g} is too large for these inputs; {limit}."
        way = "zig-zags" if self.turns > 0.4 else "wavers" if self.turns > 0.1 else "goes straight"
        end = "arrives" if self.left < 0.01 else "is under way"
        left = "less than 0.1%" if self.left < 1e-3 else _percent(self.left)
        return (
            f"{way} and {end}: {_percent(self.together)} of the steps move both weights the same "
            f"way, {_percent(self.turns)} turn back; {left} of the way is left after {WALK} steps; "
            f"{limit}."
        )


def walk(
    inputs: str = "sigmoid",
    batch: int = 1,
    lr: float = 0.5,
    goal: str = "one up, one down",
    seed: int = 0,
) -> Walk:
    """Fit y = w* . a by gradient descent over two weights, where a_i = phi(z_i), z_i ~ N(0, 1).

    The loss is (1/2)(w . a - y)^2 averaged over the batch; 500 samples in random order.
    """
    phi = CENTRED if inputs == CENTRED.name else get_activation(inputs)
    generator = np.random.default_rng(seed)
    a = phi.phi(generator.standard_normal((SAMPLES, 2)))
    start, target = (np.array(point) for point in GOALS[goal])
    w, path = start, [start]
    for _ in range(WALK):
        rows = generator.permutation(SAMPLES)[:batch]
        error = a[rows] @ (w - target)
        w = w - lr * (error[:, None] * a[rows]).mean(0)
        path.append(w)
        if not np.abs(w).max() < 1e6:
            break
    mean, variance = moments(inputs)
    steep, flat = curvatures(mean, variance, 2)
    diagonal = np.array([[1, 1], [1, -1]]) / sqrt(2)
    # ReLU, sigmoid and tanh alike: E a a^T = v 1 + m^2 (1, 1)(1, 1)^T, with these eigenvectors.
    curvature = np.array([steep, flat])
    along = (np.array(path) - target) @ diagonal.T
    t = np.arange(len(path))[:, None]
    expected = (1 - lr * curvature) ** t * ((start - target) @ diagonal.T)
    return Walk(
        inputs,
        batch,
        lr,
        np.array(path),
        target,
        0.5 * (along**2) @ curvature,
        0.5 * (expected**2) @ curvature,
    )


CENTRING_STEPS, CENTRING_WIDTH = 300, 50


def twins(depth: int, seed: int, width: int = CENTRING_WIDTH) -> tuple[MLP, MLP]:
    """Build a sigmoid net and its twin with sigmoid - 1/2: the same weights, the same function.

    z = W h + b = W (h - 1/2) + (b + W 1/2): what the shift takes away, the twin's biases give back.
    """
    plain = mlp(depth, width, init="1/fan_in", seed=seed)
    weights = [w.detach().clone() for w in plain.weights]
    first, *later = [b.detach().clone() for b in plain.biases]
    lifted = [b + 0.5 * w.sum(1) for b, w in zip(later, weights[1:], strict=True)]
    return plain, MLP(weights, [first, *lifted], CENTRED, get_activation("identity"))


@dataclass(frozen=True)
class Centring:
    """The training of a sigmoid net and of its centred twin."""

    depth: int
    lr: float
    plain: History
    centred: History

    @property
    def steps_needed(self) -> tuple[float, float]:
        """Steps to 80% on the probe batch, for the sigmoid and its twin; inf where never."""
        return _steps_to(self.plain), _steps_to(self.centred)

    @property
    def verdict(self) -> str:
        """One sentence: where the two arrive, and how fast."""
        plain, centred = (float(h.test_accuracy[-1]) for h in (self.plain, self.centred))
        slow, fast = self.steps_needed
        word = (
            "the mean decides"
            if centred - plain > 0.3
            else "the mean costs time"
            if slow > 1.5 * fast
            else "no gain"
        )
        reached = " and ".join("never" if s == inf else f"{s:.0f}" for s in (slow, fast))
        return (
            f"{word}: after {CENTRING_STEPS} steps the sigmoid reaches {_percent(plain)} of the "
            f"test images, its centred twin {_percent(centred)}; steps to 80%: {reached}."
        )


def _steps_to(history: History, accuracy: float = 0.8) -> float:
    reached = np.flatnonzero(history.train_accuracy >= accuracy)
    return float(history.steps[reached[0]]) if len(reached) else inf


@lru_cache(maxsize=64)
def centring(depth: int = 4, lr: float = 3.0, seed: int = 0) -> Centring:
    """Train a sigmoid net and its centred twin on digits, alike in all else.

    Width 50, weights N(0, 1/n), cross-entropy, SGD, batch 32, 300 steps.
    """
    done = [
        fit(
            network,
            _digits(),
            loss=F.cross_entropy,
            lr=lr,
            batch=32,
            steps=CENTRING_STEPS,
            record_at=10,
            probe_size=300,
            seed=seed,
            progress=False,
        )
        for network in twins(depth, seed)
    ]
    return Centring(depth, lr, *done)


# Flaw 2: saturation

FORWARD_INITS = {"U(±1/√n)": "torch", "N(0, 1/n)": "1/fan_in", "N(0, 1)": "normal"}
BUDGET = 1.5e9


@dataclass(frozen=True)
class Forward:
    """A sigmoid net at its start: variances forward, gradient backward; all (depth,).

    `theory_q` is mean-field theory's variance of z, `theory_log_delta` its ln ||delta_l||, anchored
    at the last layer.
    """

    init: str
    depth: int
    trace: Trace
    theory_q: Array
    theory_log_delta: Array
    note: str

    @property
    def pre_variance(self) -> Array:
        """The variance of z over all units and samples."""
        return self.trace.pre_std[: self.depth] ** 2

    @property
    def act_variance(self) -> Array:
        """The variance of h over all units and samples."""
        return self.trace.act_std[: self.depth] ** 2

    @property
    def growth(self) -> float:
        """The variance of z in the last layer over that in the first."""
        return float(self.pre_variance[-1] / self.pre_variance[0])

    @property
    def verdict(self) -> str:
        """One sentence: does the variance grow, how many units are saturated, what flows back."""
        saturated = float(self.trace.saturated[: self.depth].max())
        largest = f"Var h is at most {self.act_variance.max():.2g}"
        if self.depth == 1:
            return (
                f"one layer: Var z is {self.pre_variance[0]:.3g}, {_percent(saturated)} of the "
                f"units are saturated, {largest}.{self.note}"
            )
        units = (
            f"at most {_percent(saturated)} of a layer's units are saturated"
            if saturated
            else "no unit is saturated"
        )
        word = (
            "grows" if self.growth > 1.05 else "falls" if self.growth < 0.95 else "keeps its level"
        )
        back = power_of_ten(float(self.trace.log_delta[0] - self.trace.log_delta[self.depth - 1]))
        return (
            f"{word}: Var z goes from {self.pre_variance[0]:.3g} in layer 1 to "
            f"{self.pre_variance[-1]:.3g} in layer {self.depth}; {largest}; {units}; layer 1 gets "
            f"{back} times the gradient of layer {self.depth}.{self.note}"
        )


def forward(
    depth: int = 10,
    weight_scale: float = 1.0,
    init: str = "N(0, 1)",
    width: int = 500,
    seed: int = 0,
    budget: float = BUDGET,
) -> Forward:
    """Send 128 Gaussian inputs of as many numbers as the net is wide through a sigmoid net.

    Biases 0, cross-entropy on random labels. Where it would take long, the width is narrowed and
    the verdict says so.
    """
    note, asked, samples = "", width, 128
    widest = int((budget / (3 * samples * depth)) ** 0.5)
    if width > widest:
        width = widest
        note = f" (Width {asked} would take long at depth {depth}; this is width {width}.)"
    name = FORWARD_INITS[init]
    network = mlp(
        depth,
        width,
        n_in=width,
        init=name,
        weight_scale=weight_scale,
        bias_scale=0.0,
        seed=seed,
    )
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, width, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (samples,), generator=generator)
    seen = trace(network, x, y, F.cross_entropy)
    scale = sigma_w(name, width, weight_scale)
    arguments = (scale**2, SIGMOID.phi, scale, 0.0, depth)
    ratios = theory.gradient_log_ratios(scale**2, SIGMOID.phi, SIGMOID.dphi, scale, 0.0, depth)
    return Forward(
        init,
        depth,
        seen,
        theory.q_trajectory(*arguments),
        seen.log_delta[depth - 1] + ratios,
        note,
    )


def quadratic_delta(z: float, target: float) -> float:
    """Return dL/dz of L = (a - y)^2 / 2 at one sigmoid output: (a - y) a (1 - a)."""
    a = float(SIGMOID.phi(z))
    return (a - target) * float(SIGMOID.dphi(z))


def cross_entropy_delta(z: float, target: float) -> float:
    """Return dL/dz of L = -y ln a - (1 - y) ln(1 - a) at one sigmoid output: a - y."""
    return float(SIGMOID.phi(z)) - target


@dataclass(frozen=True)
class OutputNeuron:
    """One sigmoid output with target 0 that starts at z: both losses, their gradients, learning.

    `outputs[loss]`: (steps + 1,) the output while it learns from one input x = 1.
    """

    z: float
    lr: float
    grid: Array
    gradients: dict[str, Array]
    here: dict[str, float]
    outputs: dict[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the two gradients at the start and the two outputs at the end."""
        squared, entropy = self.here["squared error"], self.here["cross-entropy"]
        ends = [float(self.outputs[k][-1]) for k in ("squared error", "cross-entropy")]
        steps = len(self.outputs["squared error"]) - 1
        return (
            f"at output {SIGMOID.phi(self.z):.3f} (target 0) the gradient is {squared:.2g} with "
            f"squared error and {entropy:.2g} with cross-entropy, {entropy / squared:.3g} times "
            f"as large; after {steps} steps the output is {ends[0]:.2g} and {ends[1]:.2g}."
        )


def output_neuron(z: float = 6.0, lr: float = 0.5, steps: int = 300) -> OutputNeuron:
    """Let one neuron a = s(w x + b), x = 1, unlearn a wrong output; w = b = z/2 at the start.

    Source: the experiment of Nielsen 2015, chapter 3 (w = b = 2, lr 0.15).
    """
    deltas = {"squared error": quadratic_delta, "cross-entropy": cross_entropy_delta}
    grid = np.linspace(-8, 8, 161)
    gradients = {k: np.array([abs(f(float(v), 0.0)) for v in grid]) for k, f in deltas.items()}
    outputs = {}
    for name, delta in deltas.items():
        now, path = z, [z]
        for _ in range(steps):
            # w and b have the same gradient, so z = w + b moves by twice the step.
            now -= 2 * lr * delta(now, 0.0)
            path.append(now)
        outputs[name] = SIGMOID.phi(path)
    here = {k: abs(f(z, 0.0)) for k, f in deltas.items()}
    return OutputNeuron(z, lr, grid, gradients, here, outputs)


# Flaw 3: the cost of exp

WIDTHS = (32, 64, 128, 256, 512, 1024)
TIMED = ("matrix product", "sigmoid", "tanh", "relu")


@dataclass(frozen=True)
class LayerTime:
    """Seconds of a layer's parts, (rounds,) each, in float32 on this machine."""

    width: int
    batch: int
    seconds: dict[str, Array]

    def median(self, part: str) -> float:
        """Return the median time of a part in seconds."""
        return float(np.median(self.seconds[part]))

    def shares(self, activation: str) -> Array:
        """Return, round by round, the activation's share of matrix product plus activation."""
        own = self.seconds[activation]
        return own / (own + self.seconds["matrix product"])

    def share(self, activation: str) -> float:
        """Return the median of `shares`."""
        return float(np.median(self.shares(activation)))


def _rounds(multiply_adds: float, seconds: float) -> int:
    """Return how many rounds fit, if a core does about 2e10 multiply-adds a second."""
    return max(5, min(31, int(seconds * 2e10 / multiply_adds)))


def time_layer(width: int, batch: int) -> LayerTime:
    """Time x W^T + b and the activations, (batch, width) each, in rounds that alternate."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, width, generator=generator)
    weight = torch.randn(width, width, generator=generator) / sqrt(width)
    bias = torch.zeros(width)
    z = F.linear(x, weight, bias)
    parts = {
        "matrix product": lambda: F.linear(x, weight, bias),
        "sigmoid": lambda: torch.sigmoid(z),
        "tanh": lambda: torch.tanh(z),
        "relu": lambda: torch.relu(z),
    }
    # Very short calls are repeated, so that the clock's own cost does not count.
    calls = max(1, int(2e5 / (batch * width)))
    rounds = _rounds(calls * batch * width * (width + 300), 0.06)
    taken: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, part in parts.items():
            taken[name].append(timeit(part, number=calls) / calls)
    return LayerTime(width, batch, {name: np.array(t) for name, t in taken.items()})


def step_ratios(width: int, batch: int) -> Array:
    """Return, round by round, the time of a sigmoid net's training step over a ReLU net's.

    Forward and backward through 2 layers in float32: whatever else a step costs is in both.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, width, generator=generator)
    weights = [torch.randn(width, width, generator=generator) / sqrt(width) for _ in range(2)]
    for weight in weights:
        weight.requires_grad_()

    def step(function: object) -> None:
        h = x
        for weight in weights:
            h = function(F.linear(h, weight))  # type: ignore[operator]
        torch.autograd.grad(h.sum(), weights)

    step(torch.sigmoid)
    ratios = []
    for _ in range(_rounds(12 * batch * width * (width + 300), 0.3)):
        slow = timeit(lambda: step(torch.sigmoid), number=1)
        ratios.append(slow / timeit(lambda: step(torch.relu), number=1))
    return np.array(ratios)


@dataclass(frozen=True)
class Cost:
    """The times of a layer over the widths, and at the chosen width the whole step's ratio."""

    sweep: tuple[LayerTime, ...]
    chosen: LayerTime
    ratios: Array

    @property
    def verdict(self) -> str:
        """One sentence that follows the measurement: share of a layer, ratio of a step."""
        share, relu = self.chosen.share("sigmoid"), self.chosen.share("relu")
        low, high = np.quantile(self.chosen.shares("sigmoid"), [0.25, 0.75])
        fast, slow = np.quantile(self.ratios, [0.25, 0.75])
        word = "small" if share < 0.05 else "noticeable" if share < 0.25 else "large"
        return (
            f"{word}: at width {self.chosen.width}, batch {self.chosen.batch}, the sigmoid takes "
            f"{_percent(share)} of its layer's forward time (middle half of the rounds: "
            f"{_percent(low)} to {_percent(high)}), ReLU {_percent(relu)}; a training step takes "
            f"{np.median(self.ratios):.2f} times as long as with ReLU ({fast:.2f} to {slow:.2f})."
        )


@lru_cache(maxsize=64)
def cost(width: int = 100, batch: int = 128, seed: int = 0) -> Cost:
    """Time the layers here and now; `seed` numbers the measurement, so that another one differs."""
    sweep = tuple(time_layer(w, batch) for w in WIDTHS)
    return Cost(sweep, time_layer(width, batch), step_ratios(width, batch))


# The judgement: sigmoids in hidden layers

KINDS = ("plain", "batch norm", "residual")
HIDDEN_WIDTH, HIDDEN_STEPS = 50, 150


class HiddenSigmoids(nn.Module):
    """A deep net of sigmoid layers, plain, with batch norm before them, or with skips.

    plain: h_l = s(z_l); batch norm: h_l = s(BN(z_l)); residual: h_l = h_(l-1) + s(z_l) from layer 2
    on; z_l = W_l h_(l-1) + b_l, weights N(0, 1/n), biases 0.
    """

    def __init__(self, kind: str, depth: int, width: int, seed: int) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"There is no net called {kind!r}; choose from {', '.join(KINDS)}.")
        self.kind = kind
        fans = [64, *[width] * depth]
        self.layers = nn.ModuleList(_linear(fans[i], width, seed, i + 1) for i in range(depth))
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width, dtype=torch.float64) if kind == "batch norm" else nn.Identity()
            for _ in range(depth)
        )
        self.readout = _linear(width, 10, seed, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, 64) to logits (batch, 10)."""
        h = x
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            out = torch.sigmoid(norm(layer(h)))
            h = h + out if self.kind == "residual" and index else out
        return self.readout(h)


def _linear(fan_in: int, fan_out: int, seed: int, layer: int) -> nn.Linear:
    linear = nn.Linear(fan_in, fan_out, dtype=torch.float64)
    drawn = get_initialization("1/fan_in").draw(fan_in, fan_out, stream(seed, layer))
    with torch.no_grad():
        linear.weight.copy_(drawn)
        linear.bias.zero_()
    return linear


@dataclass(frozen=True)
class Hidden:
    """The training of a deep sigmoid net; the first record is its start."""

    kind: str
    depth: int
    history: History

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end."""
        return float(self.history.test_accuracy[-1])

    @property
    def log_delta_start(self) -> Array:
        """ln ||dL/dz_l|| of the hidden layers before training; (depth,)."""
        return self.history.traces[0].log_delta[: self.depth]

    @property
    def verdict(self) -> str:
        """One sentence: does it learn, and what reached layer 1 at the start."""
        word = "learns" if self.accuracy > 0.6 else "does not learn"
        log_delta = self.log_delta_start
        share = power_of_ten(float(log_delta[0] - log_delta[-1]))
        steps = int(self.history.steps[-1])
        layers = "1 sigmoid layer" if self.depth == 1 else f"{self.depth} sigmoid layers"
        return (
            f"{word}: {layers}, {self.kind}, {_percent(self.accuracy)} of the test images after "
            f"{steps} steps; at the start layer 1 got {share} times the last layer's gradient."
        )


@lru_cache(maxsize=64)
def hidden_sigmoids(
    kind: str = "plain", depth: int = 20, lr: float = 0.2, seed: int = 0, *, records: int = 10
) -> Hidden:
    """Train a deep sigmoid net on digits: cross-entropy, SGD, batch 64, 150 steps, width 50."""
    history = fit(
        HiddenSigmoids(kind, depth, HIDDEN_WIDTH, seed),
        _digits(),
        loss=F.cross_entropy,
        lr=lr,
        batch=64,
        steps=HIDDEN_STEPS,
        record_at=HIDDEN_STEPS // records,
        probe_size=200,
        seed=seed,
        progress=False,
    )
    return Hidden(kind, depth, history)


def _percent(share: float) -> str:
    if not isfinite(share):
        return "no share"
    return f"{100 * share:.0f}%" if share >= 0.1 or share == 0 else f"{100 * share:.2g}%"
