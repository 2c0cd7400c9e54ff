"""Where one factor |w s'(w a + b)| reaches 1: an interval of inputs a, by grid and by formula."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from vglib.chain_rule.chain import SIGMOID
from vglib.probe import Array
from vglib.results import result


@result
class Window:
    """The factor |w s'(w a + b)| over the input a, and where it reaches 1.

    `measured` is the width of that interval, counted on a grid; `reachable` the part of it in
    0 <= a <= 1, where a sigmoid's outputs lie.
    """

    weight: float
    inputs: Array
    factors: Array
    measured: float
    reachable: float

    @property
    def verdict(self) -> str:
        """One sentence: where the factor reaches 1."""
        size = abs(self.weight)
        if self.measured == 0:
            return (
                f"no window: with |w| = {size:.3g} the factor is at most |w|/4 = {size / 4:.3g}, "
                "below 1 for every input."
            )
        return (
            f"a window: the factor is 1 or more on an interval of inputs {self.measured:.4f} wide "
            f"(formula {nielsen_window(self.weight):.4f}), of which {self.reachable:.4f} lies in "
            "the sigmoid's own range from 0 to 1."
        )


def explosion_window(weight: float = 6.894, bias: float = -3.447) -> Window:
    """Find on a fine grid the inputs on which the factor is at least 1; it is centred at -b/w."""

    def factors(inputs: Array) -> Array:
        return abs(weight) * SIGMOID.dphi(weight * inputs + bias)

    reach, centre = 12 / max(abs(weight), 1.0), -bias / weight if weight else 0.5
    fine = centre + np.linspace(-reach, reach, 200_001)
    step, found = float(fine[1] - fine[0]), fine[factors(fine) >= 1]
    reachable = np.count_nonzero((found >= 0) & (found <= 1))
    inputs = np.linspace(-0.5, 1.5, 401)
    return Window(weight, inputs, factors(inputs), step * len(found), step * reachable)


def widest_window() -> float:
    """Return the width of the widest measured window, over a grid of weights."""
    return max(explosion_window(float(w), 0.0).measured for w in np.arange(6.5, 7.3, 0.02))


def nielsen_window(w: ArrayLike) -> Array:
    """Return the width of the interval of inputs a on which |w sigmoid'(w a + b)| >= 1.

    (2 / |w|) ln(|w| (1 + sqrt(1 - 4/|w|)) / 2 - 1); 0 for |w| <= 4; the bias only shifts it

    w: any shape, and so the result.
    Raises ValueError for a w that is not finite.
    Source: Nielsen 2015, chapter 5, problem on the unstable gradient.
    """
    size = np.abs(np.asarray(w, dtype=np.float64))
    if not np.all(np.isfinite(size)):
        raise ValueError("w contains inf or nan, but must be finite.")
    # max(|w|, 4) turns the formula into 2/4 ln(1) = 0 where there is no interval.
    size = np.maximum(size, 4.0)
    return 2 / size * np.log(size * (1 + np.sqrt(1 - 4 / size)) / 2 - 1)


def widest_nielsen_window() -> tuple[float, float]:
    """Return the |w| with the widest window of `nielsen_window`, and that width: 6.894, 0.4477."""
    how = {"bounds": (4, 40), "method": "bounded", "options": {"xatol": 1e-9}}
    best = minimize_scalar(lambda w: -float(nielsen_window(w)), **how)
    return float(best.x), -float(best.fun)
