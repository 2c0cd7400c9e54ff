"""A WGAN's critic on a line, held by weight clipping, by gradient penalty, by gradient clipping."""

from functools import lru_cache, partial
from itertools import pairwise
from math import inf, log, nan

import numpy as np
import torch

from vglib import learn
from vglib.probe import Array
from vglib.results import result
from vglib.words import percent

UNITS, SAMPLES, UPDATES, LR, LEAK = 16, 64, 120, 0.01, 0.2
METHODS = ("weight clipping", "gradient penalty", "gradient clipping", "nothing")


@result
class Critic:
    """A critic after training: `f` and its `slope` on `grid`, and what it was held by.

    `gap` is the mean of f over the real points minus that over the fake ones, `distance` the true
    Wasserstein-1 distance of the two samples, `theta` all weights and biases, `log_predicted` ln of
    the slope that theory gives: c (c n)^depth, the steepest that weights of size c can make, or
    1 + distance/(2 penalty); nan where nothing holds the slope.
    """

    method: str
    limit: float
    grid: Array
    f: Array
    slope: Array
    real: Array
    fake: Array
    gap: float
    distance: float
    theta: Array
    log_predicted: float

    @property
    def share(self) -> float:
        """The gap as a share of the true distance."""
        return self.gap / self.distance

    @property
    def steepest(self) -> float:
        """The largest |f'(x)| on the grid."""
        return float(np.abs(self.slope).max())

    @property
    def verdict(self) -> str:
        """One sentence: the slope against the 1 that is wanted, and what was limited."""
        slope = self.steepest
        steep = f"the steepest slope is {slope:.2g} where 1 is wanted"
        if self.method == "weight clipping":
            word = "too flat" if slope < 0.5 else "too steep" if slope > 2 else "fits"
            at_limit = percent((np.abs(self.theta) > 0.999 * self.limit).mean())
            return (
                f"{word}: weights within ±{self.limit:.2g}, {at_limit} of them at the limit; "
                f"{steep}, and at most c(cn)^depth = {np.exp(self.log_predicted):.2g}."
            )
        if self.method == "gradient penalty":
            return (
                f"held: {steep}, {np.exp(self.log_predicted):.2f} by theory; real minus fake is "
                f"{self.gap:.2f}, the true distance {self.distance:.2f}; the largest weight is "
                f"{np.abs(self.theta).max():.2g}."
            )
        held = "the gradient by the weights was clipped at 1" if "grad" in self.method else "free"
        return f"runs away: {held}, and {steep}, after {UPDATES} steps and still growing."


class Net:
    """A critic f on the line: 1-n-...-n-1 with leaky ReLU; all its parameters in one vector theta.

    `layers` holds W (fan_out, fan_in) and b (fan_out,) of each layer, which look at theta.
    """

    def __init__(self, depth: int, generator: torch.Generator) -> None:
        parts = []
        for fan_in, fan_out in pairwise([1, *[UNITS] * depth, 1]):
            w = torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
            b = 2 * torch.rand(fan_out, generator=generator, dtype=torch.float64) - 1
            # Only the first layer's biases spread the kinks over the line; the others start at 0.
            parts += [w * (2 / fan_in) ** 0.5, b if fan_in == 1 else 0 * b]
        self.theta = torch.cat([part.flatten() for part in parts]).numpy()
        cuts = np.split(self.theta, np.cumsum([part.numel() for part in parts])[:-1])
        views = [cut.reshape(part.shape) for cut, part in zip(cuts, parts, strict=True)]
        self.layers = list(zip(views[::2], views[1::2], strict=True))

    def __call__(self, x: Array) -> tuple[Array, Array, list[tuple[Array, Array, Array]]]:
        """Return f and f' at x, both (n,), and what each layer is given.

        That is the signal h, its derivative t by x, and the slope D of the leaky ReLU it came from:
        h_l = D_l (W_l h_(l-1) + b_l), t_l = D_l W_l t_(l-1), t_0 = 1.
        """
        given, h, t = [], x[:, None], np.ones((len(x), 1))
        slope = t
        for w, b in self.layers:
            given.append((h, t, slope))
            z, dz = h @ w.T + b, t @ w.T
            slope = np.where(z > 0, 1.0, LEAK)
            h, t = slope * z, slope * dz
        return z[:, 0], dz[:, 0], given

    def gradient(
        self, real: Array, fake: Array, between: Array, penalty: float
    ) -> tuple[float, Array]:
        """Return the loss and its gradient by theta; with no points `between` there is no penalty.

            L = mean f(fake) - mean f(real) + penalty mean over `between` of (|f'(x)| - 1)^2

        f is linear piece by piece, and f' = W_(d+1) D_d W_d ... D_1 W_1. So the penalty's gradient
        is delta_l^T t_(l-1) as that of f is delta_l^T h_(l-1), and the biases have no part in it.
        """
        m, n = len(real), len(real) + len(fake)
        f, steep, given = self(np.concatenate([real, fake, between]))
        excess, share = np.abs(steep[n:]) - 1, penalty / max(1, len(between))
        by_f = np.repeat([-1 / m, 1 / len(fake)], [m, len(fake)])
        delta = np.append(by_f, 2 * share * excess * np.sign(steep[n:]))[:, None]
        gradients: list[Array] = []
        for (w, _), (h, t, slope) in zip(self.layers[::-1], given[::-1], strict=True):
            by_w = delta[:n].T @ h[:n] + delta[n:].T @ t[n:]
            # One sum for the real and one for the fake: where they cancel, what is left is 0, and
            # no rounding error, of which Adam would make a step.
            gradients += [delta[:m].sum(0) + delta[m:n].sum(0), by_w.ravel()]
            delta = (delta @ w) * slope
        return float(by_f @ f[:n] + share * (excess @ excess)), np.concatenate(gradients[::-1])


def log_slope_bound(limit: float, depth: int) -> float:
    """Return ln of c (c n)^depth, the steepest slope of a critic with weights within +-c.

    Each of n units feeds n: the first layer has slopes up to c, each later one and the readout add
    a factor c n.
    """
    return log(limit) + depth * log(limit * UNITS)


@lru_cache(maxsize=32)
def train_critic(
    method: str = "weight clipping",
    limit: float = 0.1,
    depth: int = 3,
    penalty: float = 10.0,
    seed: int = 0,
    updates: int = UPDATES,
) -> Critic:
    """Train a critic to tell points around 2 from points around -1: raise mean f(real) - f(fake).

    1-n-...-n-1 with leaky ReLU, Adam with step 0.01 in each case. "weight clipping" puts every
    weight back into [-limit, limit] after each step (Arjovsky et al. 2017); "gradient penalty" adds
    penalty * mean (|f'(x)| - 1)^2 at points between real and fake (Gulrajani et al. 2017);
    "gradient clipping" limits the norm of the gradient by the weights to 1.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = 0.5 * torch.randn(2, SAMPLES, generator=generator, dtype=torch.float64).numpy()
    real, fake, net = 2 + noise[0], -1 + noise[1], Net(depth, generator)
    count = SAMPLES if method == "gradient penalty" else 0

    def gradient() -> tuple[float, list[Array]]:
        t = torch.rand(count, generator=generator, dtype=torch.float64).numpy()
        between = t * real[:count] + (1 - t) * fake[:count]
        loss, by_theta = net.gradient(real, fake, between, penalty)
        return loss, [by_theta]

    clip = 1.0 if method == "gradient clipping" else inf
    rule = partial(learn.adam, 0.5, 0.9)
    for _ in learn.steps([net.theta], gradient, [()] * updates, lr=LR, rule=rule, clip=clip):
        if method == "weight clipping":
            np.clip(net.theta, -limit, limit, out=net.theta)
    # Weights at their limit put kinks on this grid, so that its rounding shows: it is torch's.
    grid = torch.linspace(-2.5, 3.5, 121, dtype=torch.float64).numpy()
    f, slope, _ = net(grid)
    distance = float(np.abs(np.sort(real) - np.sort(fake)).mean())
    gap = float(net(real)[0].mean() - net(fake)[0].mean())
    held = (log_slope_bound(limit, depth), log(1 + distance / (2 * penalty)), nan, nan)
    log_slope = held[METHODS.index(method)]
    return Critic(method, limit, grid, f, slope, real, fake, gap, distance, net.theta, log_slope)
