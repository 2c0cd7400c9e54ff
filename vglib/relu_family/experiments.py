"""Measurements of chapter 04: the ReLU family, its gain, its dead units and its architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from math import exp, inf, log, sqrt
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.activations import Activation, get_activation
from vglib.data import Dataset, digits
from vglib.networks import MLP, mlp, sigma_b, sigma_w
from vglib.probe import Array, Trace, power_of_ten, trace
from vglib.training import History, MakeOptimizer, fit

FAMILY = (
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "prelu",
    "rrelu",
    "elu",
    "softplus",
    "selu",
    "gelu",
    "silu",
    "mish",
    "hardswish",
)
BATCH = 128
# Hard-swish has kinks at -3 and 3, where the library's rule has no panel edge.
NODES = 400


@lru_cache(maxsize=1)
def _digits() -> Dataset:
    return digits()


@dataclass(frozen=True)
class Face:
    """What an activation does to z ~ N(0, spread^2).

    `mean` and `variance` are those of phi(z). `he_sigma_w` is the activation's own He scale, the
    sigma_w that keeps the variance of z, and `chi` the factor on ||delta||^2 there.
    """

    mean: float
    variance: float
    he_sigma_w: float
    chi: float


def face(activation: str | Activation, spread: float = 1.0) -> Face:
    """Integrate an activation and its slope over z ~ N(0, spread^2), no biases.

    sigma_w^2 E phi(z)^2 = spread^2, chi = sigma_w^2 E phi'(z)^2
    """
    phi = get_activation(activation)
    q = spread**2
    mean = theory.gaussian_mean(phi.phi, q, NODES)
    square = theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q, NODES)
    slope = theory.gaussian_mean(lambda z: phi.dphi(z) ** 2, q, NODES)
    scale_square = q / float(square)
    return Face(
        float(mean),
        float(square - mean**2),
        sqrt(scale_square),
        scale_square * float(slope),
    )


@dataclass(frozen=True)
class Portrait:
    """An activation drawn on a grid z: (n,), with chi at its own He scale for m spreads."""

    activation: Activation
    spread: float
    z: Array
    phi: Array
    dphi: Array
    spreads: Array
    chis: Array
    face: Face

    @property
    def verdict(self) -> str:
        """Mean and variance of the output, the He scale, and what it does to the gradient."""
        f = self.face
        per_layer = 100 * (f.chi - 1)
        word = (
            "keeps the gradient"
            if abs(per_layer) < 0.05
            else f"lets its square {'grow' if per_layer > 0 else 'shrink'} by "
            f"{abs(per_layer):.3g}% a layer"
        )
        return (
            f"{self.activation.name} at z ~ N(0, {self.spread:.3g}²): output mean {f.mean:.3g}, "
            f"variance {f.variance:.3g}; the scale that keeps the signal is σ_w = "
            f"{f.he_sigma_w:.4g}, and it {word} (χ = {f.chi:.4g})."
        )


def portrait(activation: str = "relu", spread: float = 1.0) -> Portrait:
    """Draw one activation, its slope, and chi at its own He scale over the spread of z."""
    phi = get_activation(activation)
    z = np.linspace(-5, 5, 401)
    spreads = np.geomspace(0.05, 20, 41)
    return Portrait(
        phi, spread, z, phi.phi(z), phi.dphi(z), spreads, _chis(phi.name), face(phi, spread)
    )


@lru_cache(maxsize=32)
def _chis(activation: str) -> Array:
    chis = np.array([face(activation, s).chi for s in np.geomspace(0.05, 20, 41)])
    chis.setflags(write=False)
    return chis


def milliseconds(activation: str, rows: int = 128, units: int = 1024, repeats: int = 20) -> float:
    """Time one call on float32 numbers (rows, units): the fastest of `repeats`, in ms.

    "matmul" times the product with a (units, units) matrix that comes before it.
    """
    z = torch.randn(rows, units, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(units, units, generator=torch.Generator().manual_seed(1))
    work = get_activation(activation).function if activation != "matmul" else weight.matmul
    argument = z if activation != "matmul" else z.T
    best = inf
    for _ in range(repeats):
        start = perf_counter()
        work(argument)
        best = min(best, perf_counter() - start)
    return 1000 * best


@dataclass(frozen=True)
class Noise:
    """Random leaks: draws (z, phi) of one unit, and what the noise adds to a squared error.

    `widths`, `measured`, `predicted` are (n,): the width of the range of slopes, and the rise of
    E (y - w . phi(z))^2 over the error with the mean slope, by dice and by formula.
    """

    lower: float
    upper: float
    z: Array
    phi: Array
    widths: Array
    measured: Array
    predicted: Array

    @property
    def verdict(self) -> str:
        """The mean slope, and the size of the penalty at the present range."""
        mean = (self.lower + self.upper) / 2
        if self.upper == self.lower:
            return f"no range, no noise: a leaky ReLU of slope {mean:.3g}, and no penalty."
        return (
            f"slopes from {self.lower:.3g} to {self.upper:.3g}: in evaluation the slope is their "
            f"mean, {mean:.3g}; in training the noise adds {self.measured[-1]:.3g} to the squared "
            f"error, formula {self.predicted[-1]:.3g}."
        )


def noise_penalty(w: ArrayLike, z: ArrayLike, lower: float, upper: float) -> float:
    """Return what a random leak adds to the expected squared error of a linear readout w.

    (upper - lower)^2 / 12 * sum_i w_i^2 z_i^2 [z_i < 0], one independent slope for each unit
    """
    shut = np.minimum(np.asarray(z, dtype=float), 0.0)
    return float((upper - lower) ** 2 / 12 * (np.asarray(w, dtype=float) ** 2 * shut**2).sum())


def measured_penalty(
    w: Array, z: Array, lower: float, upper: float, draws: int = 20_000, seed: int = 0
) -> float:
    """Throw dice for `noise_penalty`: the variance of w . phi(z) over random slopes."""
    slopes = np.random.default_rng(seed).uniform(lower, upper, (draws, len(z)))
    output = np.where(z > 0, z, slopes * z) @ w
    return float(output.var())


def noise(middle: float = 11 / 48, width: float = 5 / 24, units: int = 20, seed: int = 0) -> Noise:
    """Draw random leaks, slopes uniform within width / 2 of the middle, and price their noise."""
    rng = np.random.default_rng(seed)
    w, readout_z = rng.normal(size=(2, units))
    z = np.linspace(-3, 1, 161)
    lower, upper = middle - width / 2, middle + width / 2
    phi = np.where(z > 0, z, rng.uniform(lower, upper, len(z)) * z)
    widths = np.linspace(0, width, 6)
    measured = [
        measured_penalty(w, readout_z, middle - s / 2, middle + s / 2, 4000, seed + 1)
        for s in widths
    ]
    predicted = [noise_penalty(w, readout_z, middle - s / 2, middle + s / 2) for s in widths]
    return Noise(lower, upper, z, phi, widths, np.array(measured), np.array(predicted))


@dataclass(frozen=True)
class Gauges:
    """Three gauges of one backward pass through a fresh net, hidden layers (depth,).

    ln ||delta_l|| and ln ||dL/dW_l|| are in `trace`; `log_inner` is ln |<W_l, dL/dW_l>|, the sum of
    the products entry by entry, with its `sign`. `theory_log_delta` is mean-field theory's
    ln ||delta_l||, anchored at the last hidden layer; nothing is fitted.
    """

    trace: Trace
    depth: int
    chi: float
    theory_log_delta: Array
    log_inner: Array
    sign: Array
    biases: bool
    note: str

    @property
    def log_delta(self) -> Array:
        """ln ||delta_l|| of the hidden layers."""
        return self.trace.log_delta[: self.depth]

    @property
    def log_factors(self) -> Array:
        """ln(||delta_l||^2 / ||delta_(l+1)||^2) of the hidden layers, (depth - 1,)."""
        with np.errstate(invalid="ignore"):
            return -2 * np.diff(self.log_delta)

    @property
    def log_factor(self) -> float:
        """The mean of `log_factors`, nan at depth 1."""
        return float(self.log_factors.mean()) if self.depth > 1 else float("nan")

    @property
    def log_delta_ratio(self) -> float:
        """ln(||delta_1|| / ||delta_depth||)."""
        return float(self.log_delta[0] - self.log_delta[-1])

    @property
    def log_weight_ratio(self) -> float:
        """ln(||dL/dW_1|| / ||dL/dW_depth||)."""
        grads = self.trace.log_weight_grad
        return float(grads[0] - grads[self.depth - 1])

    @property
    def inner_unequal(self) -> float:
        """How far <W_l, dL/dW_l> differs over the hidden layers: largest / smallest size, less 1.

        inf where the sign differs as well.
        """
        if len(set(self.sign)) > 1:
            return inf
        with np.errstate(over="ignore"):
            return float(np.expm1(self.log_inner.max() - self.log_inner.min()))

    @property
    def broken(self) -> str:
        """Why there is no gradient to compare; empty where there is one."""
        if self.trace.overflow_layer is not None:
            return f"overflows: the signal leaves float64 at layer {self.trace.overflow_layer}."
        if self.trace.zero_gradient_layers:
            last = max(self.trace.zero_gradient_layers)
            return f"dies: the gradient is exactly 0 in layers 1 to {last}; all paths are shut."
        if (self.trace.pre_std[: self.depth] < 1e-300).any():
            return "fades: no signal is left that float64 could hold."
        return ""

    @property
    def verdict(self) -> str:
        """What the two gauges ||delta|| and ||dL/dW|| say, and whether <W, dW> is equal."""
        if self.broken:
            return self.broken
        if self.depth == 1:
            return "one hidden layer: there is no second layer to compare it with."
        equal = self.inner_unequal < 1e-6
        same = "the same in every layer" if equal else "not the same in every layer"
        return (
            f"from layer {self.depth} to layer 1, ‖∂L/∂z‖ changes by a factor "
            f"{power_of_ten(self.log_delta_ratio)} but ‖∂L/∂W‖ by "
            f"{power_of_ten(self.log_weight_ratio)}; ⟨W, ∂L/∂W⟩ is {same}."
        )


@dataclass(frozen=True)
class Slope:
    """The same pass, read as one factor a layer."""

    gauges: Gauges
    activation: str

    @property
    def verdict(self) -> str:
        """The mean factor a layer puts on the squared gradient, theory's, and what follows."""
        g = self.gauges
        if g.broken or g.depth == 1:
            return g.verdict
        change = g.log_delta_ratio
        word = "vanishes" if change < -log(100) else "explodes" if change > log(100) else "holds"
        return (
            f"{word}: each layer multiplies ‖∂L/∂z‖² by {exp(g.log_factor):.3g}, theory says "
            f"{g.chi:.3g}; layer 1 gets {power_of_ten(change)} of layer {g.depth}'s gradient."
            f"{g.note}"
        )


def gauges(
    depth: int = 20,
    weight_scale: float = 1.0,
    init: str = "torch",
    biases: bool = False,
    activation: str = "relu",
    width: int = 100,
    seed: int = 0,
) -> Gauges:
    """Trace a fresh net on a batch of digits (cross-entropy), with <W_l, dL/dW_l> beside it.

    Without `biases` all biases are 0; with them they are torch's, U(+-1/sqrt(fan_in)). Above
    depth 200 the width is at most 50, and the note says so.
    """
    note = ""
    if depth > 200 and width > 50:
        note, width = f" (Width {width} would take long at this depth; this is 50.)", 50
    data = _digits()
    x, y = data.x_train[:BATCH], data.y_train[:BATCH]
    bias_scale = sqrt(1 / (3 * width)) if biases else 0.0
    network = mlp(
        depth,
        width,
        activation=activation,
        init=init,
        weight_scale=weight_scale,
        bias_scale=None if biases and init == "torch" else bias_scale,
        seed=seed,
    )
    measured = trace(network, x, y, cross_entropy)
    log_inner, sign = _inner_products(network, x, y)
    phi = network.activation
    first = sigma_w(init, width, weight_scale, fan_in=data.n_in)
    scale_b = sigma_b("torch", width) if biases else 0.0
    scale_w = sigma_w(init, width, weight_scale)
    q_first = first**2 * float((x**2).mean()) + scale_b**2
    predicted = theory.gradient_log_ratios(q_first, phi.phi, phi.dphi, scale_w, scale_b, depth)
    return Gauges(
        trace=measured,
        depth=depth,
        chi=exp(2 * (predicted[0] - predicted[-1]) / max(depth - 1, 1)),
        theory_log_delta=measured.log_delta[depth - 1] + predicted,
        log_inner=log_inner[:depth],
        sign=sign[:depth],
        biases=biases,
        note=note,
    )


def slope(
    depth: int = 20,
    weight_scale: float = 1.0,
    activation: str = "relu",
    width: int = 100,
    seed: int = 0,
) -> Slope:
    """Trace a net with N(0, 1/n) weights times the scale and no biases."""
    return Slope(
        gauges(depth, weight_scale, "1/fan_in", False, activation, width, seed), activation
    )


@torch.no_grad()
def _inner_products(network: MLP, x: Tensor, y: Tensor) -> tuple[Array, Array]:
    """Return ln |<W_l, dL/dW_l>| and its sign for every layer, readout included.

    <W_l, dL/dW_l> = sum over units and images of delta_l (z_l - b_l), delta_l as (unit, ln norm)
    """
    h, pres = x, []
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        pres.append(torch.addmm(bias, h, weight.T))
        h = network.layer_activation(i).function(pres[-1])
    with torch.enable_grad():
        output = h.detach().requires_grad_()
        (unit,) = torch.autograd.grad(cross_entropy(output, y), output)
    logs, signs, carried = np.full((2, len(pres)), np.nan)[0], np.zeros(len(pres)), 0.0
    for i in reversed(range(len(pres))):
        unit = unit * network.layer_activation(i).derivative(pres[i])
        size = float(unit.norm())
        if not 0 < size < inf:
            logs[: i + 1] = -inf if size == 0 else np.nan
            break
        unit, carried = unit / size, carried + log(size)
        inner = float((unit * (pres[i] - network.biases[i])).sum())
        logs[i] = carried + log(abs(inner)) if inner else -inf
        signs[i] = np.sign(inner)
        unit = unit @ network.weights[i]
    return logs, signs


def train_deep(
    init: str, biases: bool, epochs: int = 10, lr: float = 0.02, depth: int = 20, seed: int = 0
) -> History:
    """Train a ReLU net on digits (cross-entropy, SGD, batch 50); without biases they stay at 0."""
    network = mlp(
        depth,
        100,
        activation="relu",
        init=init,
        bias_scale=None if biases else 0.0,
        seed=seed,
    )
    if not biases:
        for bias in network.biases:
            bias.requires_grad_(False)
    return fit(
        network,
        _digits(),
        loss=cross_entropy,
        lr=lr,
        batch=50,
        epochs=epochs,
        probe_size=10,
        seed=seed,
        progress=False,
    )


@torch.no_grad()
def off_units(network: MLP, x: Tensor) -> list[NDArray[np.bool_]]:
    """Mark in each hidden layer the units whose pre-activation is <= 0 for every row of x."""
    h, off = x, []
    for weight, bias in list(zip(network.weights, network.biases, strict=True))[:-1]:
        z = torch.addmm(bias, h, weight.T)
        off.append((z <= 0).all(0).numpy())
        h = network.activation.function(z)
    return off


@torch.no_grad()
def accuracy(network: MLP, data: Dataset) -> float:
    """Return the share of test images that are named right."""
    return float((network(data.x_test).argmax(1) == data.y_test).double().mean())


@dataclass(frozen=True)
class Dying:
    """Units that are off in the course of a training; all arrays (n_records,) but `layers`.

    Of the layer with most of them at the end, `off_batch` is the share of units that are <= 0 for
    each of 10 images, `off_data` that for each of all training images; `layers` (depth,) is
    `off_data` at the end, layer by layer.
    """

    activation: str
    steps: Array
    off_batch: Array
    off_data: Array
    test_accuracy: Array
    layers: Array
    worst_layer: int
    n_images: int
    overflow: int | None

    @property
    def verdict(self) -> str:
        """The two shares in the worst layer, and the accuracy, at the end."""
        if self.overflow is not None:
            return f"overflows: after step {self.overflow} the loss is no longer a finite number."
        end = f"test accuracy {100 * self.test_accuracy[-1]:.0f}% after {self.steps[-1]:.0f} steps."
        batch = (
            f"in layer {self.worst_layer}, {100 * self.off_batch[-1]:.0f}% of the units "
            "are off for 10 images,"
        )
        if self.off_data[-1] == 0:
            return f"{batch} none for all {self.n_images}: none is dead; {end}"
        fate = "these are dead" if self.activation == "relu" else "yet their slope is not 0"
        share = f"{100 * self.off_data[-1]:.0f}% for all {self.n_images} training images"
        return f"{batch} {share}: {fate}; {end}"


# Fused, a step of torch's Adam takes a third of the time.
OPTIMIZERS: dict[str, Literal["sgd"] | MakeOptimizer] = {
    "SGD": "sgd",
    "Adam": partial(torch.optim.Adam, fused=True),
}


def _watched(
    network: MLP,
    measure: Callable[[], tuple[float, ...]],
    records: int,
    steps: int,
    lr: float,
    optimizer: str,
    seed: int,
) -> tuple[Array, History]:
    """Train on digits (cross-entropy, batch 32) and measure on the way: rows (step, *measured)."""
    wanted = {round(s) for s in np.linspace(0, steps, records)}
    rows: list[tuple[float, ...]] = []
    done = 0

    def look(_: object) -> None:
        nonlocal done
        if done in wanted:
            rows.append((done, *measure()))
        done += 1

    history = fit(
        network,
        _digits(),
        loss=cross_entropy,
        lr=lr,
        optimizer=OPTIMIZERS[optimizer],
        batch=32,
        steps=steps,
        record_at=steps,
        probe_size=10,
        seed=seed,
        before_step=look,
        progress=False,
    )
    rows.append((done, *measure()))
    return np.array(rows).T, history


def dying(
    lr: float = 0.1,
    optimizer: str = "SGD",
    activation: str = "relu",
    depth: int = 2,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Dying:
    """Train on digits (cross-entropy, batch 32, He, width 100) and count the units that are off.

    600 steps; beyond three hidden layers fewer, to stay quick.
    """
    data = _digits()
    network = mlp(
        depth, 100, activation=activation, init="he", weight_scale=weight_scale, seed=seed
    )

    def measure() -> tuple[float, ...]:
        shares = (
            float(off.mean())
            for x in (data.x_train[:10], data.x_train)
            for off in off_units(network, x)
        )
        return accuracy(network, data), *shares

    rows, history = _watched(network, measure, 25, _affordable(600, depth), lr, optimizer, seed)
    layers = rows[-depth:, -1]
    # The last of equals: where nothing is dead the layer next to the output is the one to watch.
    worst = depth - 1 - int(layers[::-1].argmax())
    return Dying(
        activation,
        steps=rows[0],
        off_batch=rows[2 + worst],
        off_data=rows[2 + depth + worst],
        test_accuracy=rows[1],
        layers=layers,
        worst_layer=worst + 1,
        n_images=len(data.x_train),
        overflow=int(rows[0, -1]) - 1 if history.stopped else None,
    )


def dead_share(
    lr: float, optimizer: str = "SGD", activation: str = "relu", seed: int = 0
) -> tuple[float, float]:
    """Return the share of layer 2 off for all training images, and the accuracy, after 600 steps.

    The training of `dying` with two hidden layers.
    """
    data = _digits()
    network = mlp(2, 100, activation=activation, init="he", seed=seed)

    def measure() -> tuple[float, ...]:
        return float(off_units(network, data.x_train)[1].mean()), accuracy(network, data)

    rows, _ = _watched(network, measure, 1, 600, lr, optimizer, seed)
    return float(rows[1, -1]), float(rows[2, -1])


def off_at_start(init: str, layer: int = 10, seed: int = 0) -> float:
    """Return the share of a hidden layer's ReLUs that a fresh net has off for all training images.

    Width 100; biases are the initialisation's own.
    """
    network = mlp(layer, 100, activation="relu", init=init, seed=seed)
    return float(off_units(network, _digits().x_train)[-1].mean())


@torch.no_grad()
def zero_share(init: str = "he", depth: int = 2, seed: int = 0) -> float:
    """Return the share of (unit, image) pairs of a fresh ReLU net that are in the negative half."""
    network = mlp(depth, 100, activation="relu", init=init, seed=seed)
    x, y = _digits().x_train, _digits().y_train
    return float(trace(network, x, y, cross_entropy).zero[:-1].mean())


def _affordable(steps: int, depth: int) -> int:
    return steps if depth <= 3 else steps * 4 // (depth + 1)


@dataclass(frozen=True)
class Knock:
    """The last hidden layer knocked out, then trained; all arrays (n_records,).

    `off` is the share of its units that are off for all training images.
    """

    activation: str
    steps: Array
    off: Array
    test_accuracy: Array
    overflow: int | None

    @property
    def verdict(self) -> str:
        """How many of its units came back, and what the net has learned."""
        if self.overflow is not None:
            return f"overflows: after step {self.overflow} the loss is no longer a finite number."
        back = round(100 * (self.off[0] - self.off[-1]))
        word = f"{back} of 100 units are back" if back else "no unit is back"
        return (
            f"{self.activation}: with its last hidden layer off for every image, after "
            f"{self.steps[-1]:.0f} steps {word}; test accuracy "
            f"{100 * self.test_accuracy[-1]:.0f}%."
        )


def knock(
    activation: str = "relu",
    margin: float = 1.0,
    depth: int = 2,
    weight_scale: float = 1.0,
    lr: float = 0.3,
    seed: int = 0,
) -> Knock:
    """Shift the last hidden layer's biases until every unit is off for every image, and train.

    A unit's largest pre-activation over the training images becomes -margin. Digits,
    cross-entropy, SGD, batch 32, He times the scale, width 100; 600 steps, fewer beyond three
    hidden layers.
    """
    data = _digits()
    network = mlp(
        depth, 100, activation=activation, init="he", weight_scale=weight_scale, seed=seed
    )
    with torch.no_grad():
        h = data.x_train
        for weight in network.weights[:-2]:
            h = network.activation.function(h @ weight.T)
        network.biases[-2].copy_(-margin - (h @ network.weights[-2].T).amax(0))

    def measure() -> tuple[float, ...]:
        return float(off_units(network, data.x_train)[-1].mean()), accuracy(network, data)

    rows, history = _watched(network, measure, 15, _affordable(600, depth), lr, "SGD", seed)
    overflow = int(rows[0, -1]) - 1 if history.stopped else None
    return Knock(activation, rows[0], rows[1], rows[2], overflow)


@dataclass(frozen=True)
class BornDead:
    """Share of fresh nets that are dead by hidden layer l = 1..depth, and the formula; (depth,)."""

    width: int
    one_input: Array
    all_inputs: Array
    formula: Array
    nets: int

    @property
    def verdict(self) -> str:
        """The shares at the last layer."""
        one, every = (f"{100 * a[-1]:.3g}%" for a in (self.one_input, self.all_inputs))
        return (
            f"width {self.width}, {len(self.formula)} hidden layers: {every} of {self.nets} nets "
            f"are born dead, {one} are silent for one given input; the formula says "
            f"{100 * self.formula[-1]:.3g}% for one input, and no more than that for all."
        )


def born_dead_formula(width: int, hidden_layers: ArrayLike) -> Array:
    """Return the chance that a given input finds a whole layer shut: 1 - (1 - 2^-width)^layers.

    Source: Lu, Shin, Su & Karniadakis 2019, who give it as a bound for all inputs.
    """
    return np.asarray(-np.expm1(np.asarray(hidden_layers) * np.log1p(-(2.0**-width))))


def born_dead(
    width: int = 3, depth: int = 9, weight_scale: float = 1.0, nets: int = 2000, seed: int = 0
) -> BornDead:
    """Draw fresh ReLU nets with one input, Gaussian weights (He) and no biases, and count the dead.

    Without biases h(c x) = c h(x) for c > 0, so x = 1 and x = -1 stand for all inputs.
    Above 2 million numbers a layer there are fewer nets, and the verdict counts them.
    """
    nets = max(min(nets, 2_000_000 // width**2), 50)
    rng = np.random.default_rng(seed)
    h = np.maximum(rng.normal(size=(nets, width, 1)) * np.array([1.0, -1.0]), 0) * weight_scale
    shut = [(h == 0).all(1)]
    for _ in range(depth - 1):
        weights = rng.normal(size=(nets, width, width)) * (weight_scale * sqrt(2 / width))
        h = np.maximum(weights @ h, 0)
        # Only which units are on matters, so a deep net may be kept from leaving float64.
        largest = h.max((1, 2), keepdims=True)
        h = np.divide(h, largest, out=h, where=largest > 0)
        shut.append((h == 0).all(1))
    dead = np.array(shut)
    return BornDead(
        width,
        dead[:, :, 0].mean(1),
        dead.all(2).mean(1),
        born_dead_formula(width, np.arange(1, depth + 1)),
        nets,
    )


@dataclass(frozen=True)
class Race:
    """Test accuracy of nets over epochs: for each activation (seeds, epochs + 1)."""

    widths: tuple[int, ...]
    curves: dict[str, Array]
    n_test: int
    note: str

    def final(self, activation: str) -> tuple[float, float]:
        """Return mean and standard deviation over the seeds of the last epoch's accuracy."""
        last = self.curves[activation][:, -1]
        return float(last.mean()), float(last.std(ddof=1)) if len(last) > 1 else float("nan")

    def epochs_to(self, level: float, activation: str) -> Array:
        """Return for each seed the first epoch whose accuracy reaches `level`, inf where none."""
        reached = self.curves[activation] >= level
        return np.where(reached.any(1), reached.argmax(1).astype(float), inf)

    @property
    def verdict(self) -> str:
        """Each activation's accuracy at the end and the epochs to 95%."""
        parts = []
        for name in self.curves:
            mean, _ = self.final(name)
            first = float(np.median(self.epochs_to(0.95, name)))
            when = f"95% first at epoch {first:.0f}" if first < inf else "never at 95%"
            parts.append(f"{name} ends at {100 * mean:.1f}% ({when})")
        return f"{'; '.join(parts)}.{self.note}"


def race(
    widths: Sequence[int],
    activations: Sequence[str] = ("relu", "sigmoid"),
    epochs: int = 15,
    seeds: Sequence[int] = (0, 1, 2),
    lr: float = 0.1,
    weight_scale: float = 1.0,
    data: Dataset | None = None,
    init: str | None = None,
    dtype: torch.dtype = torch.float64,
    note: str = "",
) -> Race:
    """Train one architecture with several activations and seeds: cross-entropy, SGD, batch 10.

    ReLU starts from He, the others from Glorot, unless `init` is given; biases start at 0.
    """
    data = _digits() if data is None else data
    curves = {}
    for name in activations:
        accuracies = []
        for seed in seeds:
            network = mlp(
                list(widths),
                n_in=data.n_in,
                activation=name,
                init=init or ("he" if name == "relu" else "glorot"),
                weight_scale=weight_scale,
                seed=seed,
                dtype=dtype,
            )
            history = fit(
                network,
                data,
                loss=cross_entropy,
                lr=lr,
                batch=10,
                epochs=epochs,
                probe_size=10,
                seed=seed,
                progress=False,
            )
            missing = epochs + 1 - len(history.test_accuracy)
            accuracies.append(np.pad(history.test_accuracy, (0, missing), mode="edge"))
        curves[name] = np.array(accuracies)
    return Race(tuple(widths), curves, len(data.x_test), note)


def race_of_depth(
    depth: int = 2,
    weight_scale: float = 1.0,
    lr: float = 0.1,
    epochs: int = 6,
    seed: int = 0,
) -> Race:
    """Race ReLU and sigmoid with `depth` hidden layers of 100; deeper nets run fewer epochs."""
    affordable = max(1, min(epochs, 24 // (depth + 2)))
    note = "" if affordable == epochs else f" ({affordable} epochs, to stay quick.)"
    return race(
        [100] * depth, epochs=affordable, seeds=(seed,), lr=lr, weight_scale=weight_scale, note=note
    )


def standard_error(accuracy: ArrayLike, n: ArrayLike) -> Array:
    """Return the standard deviation of the share of right answers among n: sqrt(p (1 - p) / n)."""
    p = np.asarray(accuracy, dtype=float)
    return np.sqrt(p * (1 - p) / np.asarray(n))


def parameters(widths: Sequence[int], n_in: int = 784, n_out: int = 10) -> int:
    """Count weights and biases of a fully connected net."""
    return sum((a + 1) * b for a, b in pairwise([n_in, *widths, n_out]))


@dataclass(frozen=True)
class Ranking:
    """How two nets of known true accuracy score on n test images.

    `scores: (m,)` with each net's density `worse`, `better` there: (m,). `wrong`: the chance that
    the worse one scores higher, half of the ties counted.
    """

    scores: Array
    worse: Array
    better: Array
    error: float
    wrong: float
    images: int
    gap: float

    @property
    def verdict(self) -> str:
        """Standard error of one score, and how often the worse net wins."""
        return (
            f"with {self.images} test images one score has a standard error of "
            f"{100 * self.error:.2g} points; a net that is truly {100 * self.gap:.2g} points "
            f"better loses {100 * self.wrong:.2g}% of such comparisons."
        )


def ranking(images: int = 360, gap: float = 0.5, level: float = 97.5) -> Ranking:
    """Compare two nets on independent test sets: true accuracies level -+ gap / 2, in per cent.

    P(wrong) = Phi(-gap / sqrt(SE_1^2 + SE_2^2)), the normal approximation
    """
    p = np.array([level - gap / 2, level + gap / 2]) / 100
    errors = standard_error(p, images)
    scores = np.linspace(p[0] - 4 * errors[0], min(p[1] + 4 * errors[1], 1.0), 161)
    worse, better = (norm.pdf(scores, m, s) for m, s in zip(p, errors, strict=True))
    wrong = float(norm.cdf(-(p[1] - p[0]) / np.hypot(*errors)))
    return Ranking(scores, worse, better, float(errors.mean()), wrong, images, gap / 100)
