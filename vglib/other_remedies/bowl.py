"""The bowl of a linear fit: one weight and one bias, and what the input's mean and scale do."""

from itertools import pairwise

import numpy as np

from vglib.other_remedies.net import Array
from vglib.results import result

BOWL_STEPS = 200


def bowl_hessian(mean: float, std: float) -> Array:
    """Return the Hessian of E(w x + b - y)^2 by (w, b): 2 [[std^2 + mean^2, mean], [mean, 1]]."""
    return 2 * np.array([[std**2 + mean**2, mean], [mean, 1.0]])


@result
class Bowl:
    """Descent on E(w x + b - y)^2 from w = b = 0, on x as it is or standardised.

    `path`: (BOWL_STEPS + 1, 2) the points (w, b); `losses`, `theory`: (BOWL_STEPS + 1,);
    `curvatures`: (2,), the smaller first.
    """

    lr: float
    hessian: Array
    goal: Array
    path: Array
    losses: Array
    theory: Array
    curvatures: Array

    @property
    def limit(self) -> float:
        """The largest stable step size, 2/lambda_max."""
        return float(2 / self.curvatures[1])

    @property
    def condition(self) -> float:
        """lambda_max / lambda_min."""
        return float(self.curvatures[1] / self.curvatures[0])

    @property
    def rings(self) -> Array:
        """Ellipses of 100, 30, 10, 3 and 1 per cent of the first loss, nan between; (n, 2)."""
        values, vectors = np.linalg.eigh(self.hessian)
        turn = np.linspace(0, 2 * np.pi, 121)
        circle = np.transpose([np.cos(turn), np.sin(turn)])
        shares = np.array([1.0, 0.3, 0.1, 0.03, 0.01])[:, None, None]
        rings = self.goal + (np.sqrt(2 * shares * self.losses[0] / values) * circle) @ vectors.T
        return np.pad(rings, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan).reshape(-1, 2)

    @property
    def verdict(self) -> str:
        """One sentence: condition number, limit, and how the descent ends."""
        left = self.losses[-1] / self.losses[0]
        end = f"has {left:.2g} of its loss left after {BOWL_STEPS} steps"
        return (
            f"the bowl is {self.condition:.3g} times as steep one way as the other; stable up to "
            f"a step size of {self.limit:.3g}, descent at {self.lr:.3g} "
            f"{end if left < 1 else 'diverges'}."
        )


def bowl(mean: float = 3.0, std: float = 1.0, lr: float = 0.09, standardise: bool = False) -> Bowl:
    """Fit y = (x - mean)/std + 1/2 by w x + b, descending from w = b = 0.

    The loss is E(w x + b - y)^2 over inputs with this mean and standard deviation; `standardise`
    gives (x - mean)/std to the fit in place of x.
    """
    m, s = (0.0, 1.0) if standardise else (mean, std)
    hessian = bowl_hessian(m, s)
    goal = np.array([1 / s, 0.5 - m / s])
    values, vectors = np.linalg.eigh(hessian)
    start = vectors.T @ -goal
    path = np.zeros((BOWL_STEPS + 1, 2))
    with np.errstate(over="ignore", invalid="ignore"):
        for now, after in pairwise(path):
            after[:] = now - lr * hessian @ (now - goal)
        away = path - goal
        losses = 0.5 * np.einsum("ti,ij,tj->t", away, hessian, away)
        shrink = (1 - lr * values) ** np.arange(BOWL_STEPS + 1)[:, None]
        theory = 0.5 * (values * (start * shrink) ** 2).sum(1)
    return Bowl(lr, hessian, goal, path, losses, theory, values)
