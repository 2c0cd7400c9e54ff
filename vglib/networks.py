"""The multilayer perceptron, built from explicit arguments, and how its weights are drawn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf, sqrt
from types import MappingProxyType

import torch
from torch import Tensor, nn

from vglib.activations import Activation, get_activation
from vglib.checks import one_of, require, whole

Tensors = Sequence[Tensor]
MAX_DEPTH = 1000
MAX_SEED = 10**12


@dataclass(frozen=True)
class Initialization:
    """How the entries of a weight matrix W of shape (fan_out, fan_in) are drawn.

    `variance(fan_in, fan_out)` is Var W. An orthogonal matrix has rows (or columns) of length 1, so
    its entries have variance 1 / max(fan_in, fan_out).
    """

    name: str
    distribution: str
    variance: Callable[[int, int], float]
    source: str

    def draw(self, fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        """Draw W in float64; shape (fan_out, fan_in)."""
        std = sqrt(self.variance(fan_in, fan_out))
        if self.distribution == "uniform":
            unit = torch.rand(fan_out, fan_in, generator=generator, dtype=torch.float64)
            return unit.sub_(0.5).mul_(sqrt(12.0) * std)
        normal = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
        if self.distribution == "normal":
            return normal.mul_(std)
        tall = normal if fan_out >= fan_in else normal.T
        q, r = torch.linalg.qr(tall)
        # Without these signs the QR convention, not chance, would pick the orthogonal matrix.
        q = q * torch.sign(torch.diagonal(r))
        return q if fan_out >= fan_in else q.T.contiguous()


# Name, distribution, variance by fan_in and fan_out, source.
_DRAWN: tuple[tuple[str, str, Callable[[int, int], float], str], ...] = (
    ("normal", "normal", lambda i, o: 1.0, "the unscaled normal of many tutorials"),
    ("1/fan_in", "normal", lambda i, o: 1 / i, "Nielsen 2015, ch. 3"),
    ("lecun", "uniform", lambda i, o: 1 / i, "LeCun, Bottou, Orr & Müller 1998, eq. 16"),
    ("glorot", "normal", lambda i, o: 2 / (i + o), "Glorot & Bengio 2010, eq. 12"),
    ("he", "normal", lambda i, o: 2 / i, "He et al. 2015, eq. 10"),
    ("orthogonal", "orthogonal", lambda i, o: 1 / max(i, o), "Saxe et al. 2014"),
    ("torch", "uniform", lambda i, o: 1 / (3 * i), "torch.nn.Linear.reset_parameters"),
)
INITIALIZATIONS: Mapping[str, Initialization] = MappingProxyType(
    {row[0]: Initialization(*row) for row in _DRAWN}
)


def get_initialization(name: str | Initialization) -> Initialization:
    """Look an initialisation up by name; a record is returned as it is.

    Raises ValueError with the allowed names if there is none of this name.
    """
    if isinstance(name, Initialization):
        return name
    one_of("initialisation", name, INITIALIZATIONS)
    return INITIALIZATIONS[name]


class MLP(nn.Module):
    """A multilayer perceptron: h_0 = x, z_l = W_l h_(l-1) + b_l, h_l = phi(z_l), l = 1..depth+1.

    Layers 1..depth are hidden; layer depth+1 is the readout, whose activation is `output`. Inputs
    have shape (batch, n_in), W_l has shape (fan_out, fan_in), b_l (fan_out,).
    """

    def __init__(
        self, weights: Tensors, biases: Tensors, activation: Activation, output: Activation
    ) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(biases)
        self.activation, self.output = activation, output

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return len(self.weights) - 1

    def layer_activation(self, index: int) -> Activation:
        """Return the activation of the layer at `index`, counted from 0."""
        return self.output if index == self.depth else self.activation

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (batch, n_in) to outputs (batch, n_out)."""
        h = x
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = self.layer_activation(index).function(nn.functional.linear(h, weight, bias))
        return h


def stream(seed: int, layer: int) -> torch.Generator:
    """Return the generator of one layer, so that a layer's draws do not depend on the depth."""
    return torch.Generator().manual_seed(int(seed) * 1_000_003 + layer)


def mlp(
    depth: int | Sequence[int],
    width: int = 100,
    *,
    n_in: int = 64,
    n_out: int = 10,
    activation: str | Activation = "sigmoid",
    output: str | Activation = "identity",
    init: str | Initialization = "glorot",
    weight_scale: float = 1.0,
    bias_scale: float | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> MLP:
    """Build an MLP whose layer l is drawn from a stream of its own.

    `depth` is the number of hidden layers, each of `width` units, or the list of their widths. The
    weights are those of `init`, multiplied by `weight_scale`. Biases are N(0, bias_scale^2); with
    None they are the initialisation's own: U(+-1/sqrt(fan_in)) for "torch", else 0. With one seed
    the first 20 layers at depth 21 are those of depth 20, the readout is the same at any depth,
    and another weight scale only multiplies.

    Raises ValueError where an argument is out of range.
    """
    count = len(depth) if isinstance(depth, Sequence) else depth
    known = whole(count, 1) and count <= MAX_DEPTH
    require("depth", depth, known, f"a whole number, or as many widths, from 1 to {MAX_DEPTH}")
    widths = list(depth) if isinstance(depth, Sequence) else [width] * depth
    sizes = [*(("width", n) for n in widths), ("n_in", n_in), ("n_out", n_out)]
    for name, n in sizes:
        require(name, n, whole(n, 1), "a whole number from 1 on")
    require("weight_scale", weight_scale, 0 < weight_scale < inf, "a positive finite number")
    biased = bias_scale is None or 0 <= bias_scale < inf
    require("bias_scale", bias_scale, biased, "None, 0 or a positive finite number")
    known = whole(seed, 0) and seed <= MAX_SEED
    require("seed", seed, known, f"a whole number from 0 to {MAX_SEED}")
    scheme = get_initialization(init)
    phi = get_activation(activation)
    fans = [n_in, *widths, n_out]
    weights, biases = [], []
    for layer, (fan_in, fan_out) in enumerate(pairwise(fans), start=1):
        place = layer if layer <= len(widths) else 0
        draw = _draw_small if fan_in * fan_out <= _SMALL else _draw_large
        weight, bias = draw(scheme, bias_scale, (fan_in, fan_out), seed, place)
        weights.append((weight * weight_scale).to(dtype))
        biases.append(bias.to(dtype, copy=True))
    return MLP(weights, biases, phi, get_activation(output))


def sigma_w(
    init: str | Initialization, width: int, weight_scale: float = 1.0, fan_in: int | None = None
) -> float:
    """Return mean-field theory's sigma_w of a layer: sqrt(fan_in Var W) times the weight scale.

    `fan_in` is the width itself unless given (the first layer reads the data).
    """
    n = width if fan_in is None else fan_in
    return weight_scale * sqrt(n * get_initialization(init).variance(n, width))


def sigma_b(init: str | Initialization, width: int, bias_scale: float | None = None) -> float:
    """Return mean-field theory's sigma_b, the standard deviation of a bias."""
    if bias_scale is not None:
        return bias_scale
    return sqrt(1 / (3 * width)) if get_initialization(init).name == "torch" else 0.0


def _draw_layer(
    scheme: Initialization, bias_scale: float | None, fans: tuple[int, int], seed: int, place: int
) -> tuple[Tensor, Tensor]:
    """Draw W and b of one layer; both are shared, so the caller copies them."""
    generator, (fan_in, fan_out) = stream(seed, place), fans
    weight = scheme.draw(fan_in, fan_out, generator)
    if bias_scale is None and scheme.name == "torch":
        unit = torch.rand(fan_out, generator=generator, dtype=torch.float64)
        return weight, unit.sub_(0.5).mul_(2 / sqrt(fan_in))
    if not bias_scale:
        return weight, torch.zeros(fan_out, dtype=torch.float64)
    normal = torch.randn(fan_out, generator=generator, dtype=torch.float64)
    return weight, normal.mul_(bias_scale)


# A slider that only scales the weights need not wait for the same random numbers again. The deepest
# net is kept whole if its layers are small (88 MB at most), of large layers the last 128.
_SMALL = 100 * 100
_draw_small = lru_cache(maxsize=MAX_DEPTH + 100)(_draw_layer)
_draw_large = lru_cache(maxsize=128)(_draw_layer)
