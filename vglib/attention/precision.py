"""Number formats of 8 to 32 bits: what they hold, what an update loses in them, what underflows."""

from collections.abc import Mapping
from math import ceil, floor, inf, log, log2, sqrt
from types import MappingProxyType

import numpy as np
import torch
from scipy.special import erfc
from torch import Tensor

from vglib.activations import get_activation
from vglib.backprop import softmax_gradient
from vglib.checks import one_of, require, whole
from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import Array
from vglib.results import result
from vglib.scaled import log_norm
from vglib.words import percent

FORMATS: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "E5M2": torch.float8_e5m2,
        "E4M3": torch.float8_e4m3fn,
    }
)
WEIGHTS = 4000
SIZES = (1e-7, 1.0)
WAYS = ("nearest", "stochastic", "master copy")
_ROWS, _WIDTH = 32, 100


@result
class Limits:
    """What a format holds: `largest` number, `smallest` one above 0, `gap` from 1 to the next.

    `normal` is the smallest number with all of its digits; `places` counts those behind the binary
    point, so that gap = 2^-places.
    """

    bits: int
    places: int
    largest: float
    normal: float
    smallest: float
    gap: float

    @property
    def end(self) -> float:
        """The least number that is rounded to infinity: half a spacing beyond the largest."""
        return self.largest + self.gap * 2.0 ** floor(log2(self.largest)) / 2


def limits(form: str) -> Limits:
    """Return what a format holds, as torch says; ValueError for a name that is none."""
    one_of("format", form, FORMATS)
    info = torch.finfo(FORMATS[form])
    smallest = info.smallest_normal * info.eps
    places = round(-log2(info.eps))
    return Limits(info.bits, places, info.max, info.smallest_normal, smallest, info.eps)


def held(x: Tensor, form: str) -> Tensor:
    """Return the nearest numbers that a format holds, in float64; from its end on, infinity.

    To E4M3, which has none, torch casts some numbers that are too large as the largest or as nan.
    """
    big = x.abs() >= limits(form).end
    near = x.double().to(FORMATS[form]).double()
    return torch.where(big, torch.sign(x.double()) * inf, near)


def spacing(x: Tensor, form: str) -> Tensor:
    """Return the distance between neighbouring numbers of a format round x, gap 2^floor(log2 |x|).

    Below the smallest normal number it stays what it is there.
    """
    bounds = limits(form)
    _, exponent = torch.frexp(x.double().abs().clamp(min=bounds.normal))
    return torch.ldexp(torch.full_like(x, bounds.gap, dtype=torch.float64), exponent - 1)


def stochastic(x: Tensor, form: str, generator: torch.Generator) -> Tensor:
    """Round each number up or down to one that a format holds, by chance, right on average.

    It goes up with the probability (x - below) / spacing, so that its expectation is x.
    """
    unit = spacing(x, form)
    chance = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    return held(torch.floor(x.double() / unit + chance) * unit, form)


def lost_share(step: float, weight_scale: float, form: str) -> float:
    """Predict which share of updates of one size leaves weights N(0, weight_scale^2) as they were.

    A step is lost where it is no more than half of the spacing: for weights from
    T = 2^ceil(log2(2 step / gap)) on. A weight at T itself, below which the numbers lie twice as
    dense, keeps half of its updates, those that go towards 0.
    """
    bounds = limits(form)
    if step <= bounds.smallest / 2:
        return 1.0
    least = 2.0 ** ceil(log2(2 * step / bounds.gap))
    if least > bounds.largest:
        return 0.0
    edges = least * np.array([1 - bounds.gap / 4, 1 + bounds.gap / 2])
    return float(erfc(edges / (weight_scale * sqrt(2))).mean())


@result
class Updates:
    """What becomes of small steps: how far weights get in three ways, and which share is lost.

    `moved[way]: (steps + 1,)`, the mean distance gone after 0..steps steps, in steps; `sizes`,
    `lost`, `predicted`: (n,), step sizes, the share of single steps that change nothing, and what
    theory says; `lost_here`, `predicted_here` at `step`.
    """

    form: str
    step: float
    weight_scale: float
    moved: Mapping[str, Array]
    sizes: Array
    lost: Array
    predicted: Array
    lost_here: float
    predicted_here: float

    @property
    def verdict(self) -> str:
        """One sentence: the share that is lost, and how far each way gets."""
        steps = len(self.moved["nearest"]) - 1
        ways = ", ".join(f"{way} {percent(float(self.moved[way][-1]) / steps)}" for way in WAYS)
        return (
            f"{self.form}, steps of {self.step:.2g} on weights of {self.weight_scale:.2g}: "
            f"{percent(self.lost_here)} of them change nothing (theory "
            f"{percent(self.predicted_here)}); of the way of {steps} steps: {ways}."
        )


def updates(
    form: str = "bfloat16",
    step: float = 1e-4,
    weight_scale: float = 0.1,
    seed: int = 0,
    *,
    steps: int = 100,
) -> Updates:
    """Take steps of one size, up or down by chance but always the same way, on 4000 weights.

    The weights are N(0, weight_scale^2), kept in the format. `nearest` rounds each sum to the
    nearest number, `stochastic` by chance; `master copy` adds up in float64 and rounds a copy.
    Raises ValueError for a format that is none, or a step or scale that is not positive and finite.
    """
    one_of("format", form, FORMATS)
    for name, value in (("step", step), ("weight_scale", weight_scale)):
        require(name, value, 0 < value < inf, "a positive finite number")
    require("steps", steps, whole(steps, 1), "a whole number from 1 on")
    generator = torch.Generator().manual_seed(seed)
    drawn = weight_scale * torch.randn(WEIGHTS, generator=generator, dtype=torch.float64)
    start = held(drawn, form)
    way = torch.sign(torch.rand(WEIGHTS, generator=generator, dtype=torch.float64) - 0.5)
    now = {"nearest": start, "stochastic": start}
    gone = {name: np.zeros(steps + 1) for name in WAYS}
    for taken in range(1, steps + 1):
        now["nearest"] = held(now["nearest"] + step * way, form)
        now["stochastic"] = stochastic(now["stochastic"] + step * way, form, generator)
        now["master copy"] = held(start + taken * step * way, form)
        for name, weights in now.items():
            gone[name][taken] = float((way * (weights - start)).mean()) / step
    sizes = np.geomspace(*SIZES, 36)
    found = [_lost(start, way, size, form) for size in (*sizes, step)]
    said = [lost_share(size, weight_scale, form) for size in (*sizes, step)]
    return Updates(
        form,
        step,
        weight_scale,
        gone,
        sizes,
        np.array(found[:-1]),
        np.array(said[:-1]),
        found[-1],
        said[-1],
    )


def _lost(weights: Tensor, way: Tensor, step: float, form: str) -> float:
    return float((held(weights + step * way, form) == weights).double().mean())


@result
class Underflow:
    """The gradients of a deep net whose loss is multiplied by 2^log2_scale, kept in one format.

    By layer 1..depth and the readout, (depth + 1,): `log_size`, the ln of the root mean square of
    the scaled delta in float64; `zero`, the share of its entries that the format takes for 0
    although they are none; `broken`, the share that is infinite or not a number.
    """

    form: str
    log2_scale: float
    log_size: Array
    zero: Array
    broken: Array

    @property
    def lost(self) -> Array:
        """The share of entries that are of no use, by layer."""
        return np.asarray(self.zero + self.broken)

    @property
    def verdict(self) -> str:
        """One sentence: what each end of the net has lost."""
        first, readout = (
            (percent(float(self.zero[end])), percent(float(self.broken[end]))) for end in (0, -1)
        )
        return (
            f"{self.form}, loss times 2^{self.log2_scale:g}: layer 1 loses {first[0]} of its "
            f"gradient to 0 and {first[1]} to infinity, the readout {readout[0]} and {readout[1]}."
        )


def underflow(
    depth: int = 16,
    form: str = "float16",
    log2_scale: float = 0.0,
    weight_scale: float = 1.0,
    activation: str = "sigmoid",
    seed: int = 0,
) -> Underflow:
    """Send the gradient of 32 digits back through a net, each layer's delta kept in a format.

    Layers of 100 units, weights N(0, weight_scale^2 / n), no biases, cross-entropy; forward and
    each product in float64, as hardware adds up in more digits than it keeps:
    delta_l = held(phi'(z_l) W_(l+1)^T delta_(l+1)), the readout's times 2^log2_scale.
    Raises ValueError for what is out of range. Source: Micikevicius et al. 2018 (arXiv 1710.03740),
    section 3.2.
    """
    one_of("format", form, FORMATS)
    require("log2_scale", log2_scale, -200 <= log2_scale <= 200, "a number from -200 to 200")
    net = mlp(
        *(depth, _WIDTH),
        activation=activation,
        init="1/fan_in",
        weight_scale=weight_scale,
        seed=seed,
    )
    data, phi = digits(seed=seed), get_activation(activation)
    h, slopes = data.x_train[:_ROWS], []
    with torch.no_grad():
        for weight in net.weights[:-1]:
            z = h @ weight.T
            slopes.append(phi.derivative(z))
            h = phi.function(z)
        logits = h @ net.weights[-1].T
        _, gradient = softmax_gradient(logits.numpy(), data.y_train[:_ROWS].numpy())
        exact = 2.0**log2_scale * torch.from_numpy(gradient)
        kept = held(exact, form)
        seen = [_entries(exact, kept)]
        for weight, slope in zip(net.weights[:0:-1], slopes[::-1], strict=True):
            exact, kept = (slope * (delta @ weight) for delta in (exact, kept))
            kept = held(kept, form)
            seen.append(_entries(exact, kept))
    return Underflow(form, log2_scale, *np.array(seen[::-1]).T)


def _entries(exact: Tensor, kept: Tensor) -> tuple[float, float, float]:
    zero = (kept == 0) & (exact != 0)
    broken = ~torch.isfinite(kept)
    shares = float(zero.double().mean()), float(broken.double().mean())
    return (log_norm(exact) - log(exact.numel()) / 2, *shares)
