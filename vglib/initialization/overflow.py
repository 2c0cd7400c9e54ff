"""An exploding ReLU net in four number formats: where each of them gives up."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import exp, isfinite, isnan, log, sqrt
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vglib.initialization.watching import Walk
from vglib.probe import Array
from vglib.results import at_its_end, result

FORMATS: Mapping[str, torch.dtype] = {
    name: getattr(torch, name) for name in ("float16", "bfloat16", "float32", "float64")
}
# The ln of the largest number of each format.
LIMITS = {name: log(torch.finfo(kind).max) for name, kind in FORMATS.items()}
MOST_LAYERS = 2000
WIDTH = 128


@result
class Overflow:
    """The largest |z| in each layer of one ReLU net in four number formats, until each gives up.

    `log_largest[name]`: its ln, (layers before overflow,); `inf_layer`: the first layer with an
    infinity, None if there is none in the `layers` so far; `predicted`: the layer at which theory
    says that the largest |z| passes the format's largest number.
    """

    log_largest: Mapping[str, Array]
    inf_layer: Mapping[str, int | None]
    predicted: Mapping[str, int]
    theory: Array
    layers: int

    @property
    def verdict(self) -> str:
        """One sentence: where each format overflows, and where theory says."""
        late = f"not within {self.layers} layers"
        parts = [
            f"{name} {f'at layer {layer}' if layer else late} ({self.predicted[name]})"
            for name, layer in self.inf_layer.items()
        ]
        return f"first overflow, with theory's layer in brackets: {', '.join(parts)}."


def overflow_layer(largest: float, scale: float, width: int) -> int:
    """Predict the first layer whose largest |z| passes `largest`, for He weights times `scale`.

    ln|z| of layer l: ln(sqrt(2) scale) + (l - 1)(ln scale - 5/(4n)) + ln sqrt(2 ln n): each layer
    multiplies the size by the scale, a finite width takes its toll, and the largest of n normal
    numbers is about sqrt(2 ln n). The input has mean square 1.
    """
    first, growth = _line(scale, width)
    return max(1, 1 + int(np.ceil((log(largest) - first) / growth)))


def _line(scale: float, width: int) -> tuple[float, float]:
    """Return theory's ln of the largest |z| in layer 1, and how much each layer adds to it."""
    return log(sqrt(2) * scale * sqrt(2 * log(width))), log(scale) - 5 / (4 * width)


def overflowing(
    weight_scale: float = 4.0, seed: int = 0, *, formats: Iterable[str] = FORMATS
) -> Iterator[Overflow]:
    """Send 8 inputs through one ReLU net, He weights times the scale, in each number format.

    The layers, of 128 units, go on until the last of the formats holds a NaN, MOST_LAYERS at most.
    ReLU lets factors through, so far below its end float64 holds, but for rounding, scale^l times
    what the net of He's own scale holds in layer l. A result every 20 layers.
    """
    kinds = {name: FORMATS[name] for name in formats}
    walk, growth, generator = _walk(seed), log(weight_scale), torch.Generator()
    inputs = walk.first(1)[0].h
    signal = {name: inputs.to(kind) for name, kind in kinds.items() if name != "float64"}
    sizes: dict[str, list[float]] = {name: [] for name in kinds}
    first_inf: dict[str, int | None] = dict.fromkeys(kinds)
    broken: set[str] = set()
    predicted = {
        name: overflow_layer(torch.finfo(kind).max, weight_scale, WIDTH)
        for name, kind in kinds.items()
    }
    first, slope = _line(weight_scale, WIDTH)

    def so_far(layers: int) -> Overflow:
        line = first + slope * np.arange(float(max(map(len, sizes.values()))))
        seen = {name: np.array(size) for name, size in sizes.items()}
        return Overflow(seen, dict(first_inf), predicted, line, layers)

    for number in range(1, MOST_LAYERS + 1):
        going = [name for name in kinds if name not in broken]
        layer = walk.first(number)[-1]
        scaled = layer.log_largest + number * growth
        if "float64" in going and "float64" not in signal:
            if scaled < LIMITS["float64"] - 20:
                sizes["float64"].append(scaled)
                going.remove("float64")
            else:
                # In two steps: where h is tiny the whole factor can be more than float64 holds.
                half = exp((number - 1) * growth / 2)
                signal["float64"] = layer.h * half * half
        if going:
            generator.set_state(layer.generator)
            weight = _unit_weights(generator) * (weight_scale * sqrt(2 / WIDTH))
        for name in going:
            z = signal[name] @ weight.to(kinds[name]).T
            largest = float(z.double().abs().max())
            if isfinite(largest):
                sizes[name].append(log(largest))
            elif first_inf[name] is None:
                first_inf[name] = number
            if isnan(largest):
                broken.add(name)
            signal[name] = torch.relu(z)
        over = len(broken) == len(kinds)
        if over or number % 20 == 0:
            yield so_far(number)
        if over:
            return


overflow = at_its_end(overflowing)


class _Layer(NamedTuple):
    """A layer of the net of He's own scale.

    `generator`: its state before the weights are drawn; `h`: (8, WIDTH), what enters the layer.
    """

    generator: Tensor
    h: Tensor
    log_largest: float


# Where the slider asks for another scale, the many weights of the float64 net are not drawn again.
@lru_cache(maxsize=1)
def _walk(seed: int) -> Walk[_Layer]:
    def layers() -> Iterator[_Layer]:
        generator = torch.Generator().manual_seed(seed)
        h = torch.randn(8, WIDTH, generator=generator, dtype=torch.float64)
        while True:
            state = generator.get_state()
            z = h @ _unit_weights(generator).T * sqrt(2 / WIDTH)
            yield _Layer(state, h, log(float(z.abs().max())))
            h = torch.relu(z)

    return Walk(layers)


def _unit_weights(generator: torch.Generator) -> Tensor:
    return torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
