"""Nets that are dead before they learn anything: a whole layer silent, by dice and by formula."""

from collections.abc import Iterator
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from vglib.probe import Array
from vglib.results import at_its_end, result


@result
class BornDead:
    """Share of fresh nets that are dead by hidden layer l = 1, 2, ..., as far as was counted.

    `formula` (depth,) is the chance that one given input finds a layer shut.
    """

    width: int
    one_input: Array
    all_inputs: Array
    formula: Array
    nets: int

    @property
    def verdict(self) -> str:
        """The shares at the last layer counted."""
        depth = len(self.one_input)
        shares = self.one_input[-1], self.all_inputs[-1], self.formula[depth - 1]
        one, every, formula = (f"{100 * share:.3g}%" for share in shares)
        return (
            f"width {self.width}, {depth} hidden layers: {every} of {self.nets} nets are born "
            f"dead, {one} are silent for one given input; the formula says {formula} for one "
            "input, and no more than that for all."
        )


def born_dead_formula(width: int, hidden_layers: ArrayLike) -> Array:
    """Return the chance that a given input finds a whole layer shut: 1 - (1 - 2^-width)^layers.

    Source: Lu, Shin, Su & Karniadakis 2019, who give it as a bound for all inputs.
    """
    return np.asarray(-np.expm1(np.asarray(hidden_layers) * np.log1p(-(2.0**-width))))


def counting(
    width: int = 3, depth: int = 9, weight_scale: float = 1.0, nets: int = 2000, seed: int = 0
) -> Iterator[BornDead]:
    """Draw fresh ReLU nets with one input, Gaussian weights (He) and no biases, and count the dead.

    Without biases h(c x) = c h(x) for c > 0, so x = 1 and x = -1 stand for all inputs.
    Above 2 million numbers a layer there are fewer nets, and the verdict counts them. Yields the
    count after each layer.
    """
    nets, rng = max(min(nets, 2_000_000 // width**2), 50), np.random.default_rng(seed)
    formula = born_dead_formula(width, np.arange(1, depth + 1))
    h, shares = np.array([[[1.0, -1.0]]]), []
    for _ in range(depth):
        fan_in = h.shape[1]
        weights = rng.normal(size=(nets, width, fan_in)) * (weight_scale * sqrt(2 / fan_in))
        h = np.maximum(weights @ h, 0)
        # Only which units are on matters, so a deep net may be kept from leaving float64.
        largest = h.max((1, 2), keepdims=True)
        h = np.divide(h, largest, out=h, where=largest > 0)
        shut = (h == 0).all(1)
        shares.append((shut[:, 0].mean(), shut.all(1).mean()))
        one_input, all_inputs = np.array(shares).T
        yield BornDead(width, one_input, all_inputs, formula, nets)


born_dead = at_its_end(counting)
