"""Finite differences beside backpropagation: how near they come, and what each costs."""

from collections.abc import Callable
from timeit import repeat

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import mlp
from vglib.probe import Array
from vglib.results import result


@result
class DifferenceErrors:
    """How far finite differences are from backpropagation, for one weight of layer 1.

    `gradient` is backpropagation's; `one_sided` and `two_sided` are relative errors at the steps
    (steps,), with `truncation` and `rounding` what theory expects of the one-sided one; `step` is
    the chosen one and `estimate`, `error` the two-sided difference there.
    """

    step: float
    gradient: float
    estimate: float
    error: float
    steps: Array
    one_sided: Array
    two_sided: Array
    truncation: Array
    rounding: Array

    @property
    def best(self) -> tuple[float, float]:
        """The step with the smallest two-sided error, and that error."""
        index = int(np.argmin(self.two_sided))
        return float(self.steps[index]), float(self.two_sided[index])

    @property
    def verdict(self) -> str:
        """One sentence: both derivatives, their distance, and the best that any step can do."""
        step, error = self.best
        if error > 0.5:
            return (
                f"blind: backpropagation finds {self.gradient:.4g}, and no step of a finite "
                f"difference comes near; at h = {self.step:.1g} it says {self.estimate:.4g}."
            )
        return (
            f"at h = {self.step:.1g} the two-sided difference says {self.estimate:.7g} and "
            f"backpropagation {self.gradient:.7g}: {self.error:.1g} apart, relatively; the best is "
            f"{error:.1g} at h = {step:.1g}."
        )


def difference_errors(
    step: float = 1e-5,
    depth: int = 4,
    weight_scale: float = 1.0,
    precision: str = "float64",
    seed: int = 0,
) -> DifferenceErrors:
    """Difference the loss of a sigmoid net of width 10 by one weight of layer 1, at many steps.

    Weights are Glorot's times the scale; the loss is cross-entropy over 16 random inputs. The
    weight is the one with the largest gradient. Backpropagation runs in float64, the difference in
    the precision given. Theory of the one-sided error: h |L''| / 2 + 2 eps |L| / h.
    """
    loss, gradient, curvature, value = _loss_along_weight(depth, weight_scale, seed)
    dtype = getattr(torch, precision)
    steps, size = np.append(np.geomspace(1e-16, 1.0, 65), step), abs(gradient)
    h = torch.as_tensor(steps)
    zero = torch.zeros(1, dtype=h.dtype)
    up, down, here = (loss(t, dtype).detach().double().numpy() for t in (h, -h, zero))
    estimates = (up - down) / (2 * steps)
    one = np.abs((up - here) / steps - gradient) / size
    two = np.abs(estimates - gradient) / size
    truncation = steps * abs(curvature) / 2 / size
    rounding = 2 * torch.finfo(dtype).eps * value / steps / size
    curves = (values[:-1] for values in (steps, one, two, truncation, rounding))
    return DifferenceErrors(step, gradient, float(estimates[-1]), float(two[-1]), *curves)


def _loss_along_weight(
    depth: int, weight_scale: float, seed: int
) -> tuple[Callable[[Tensor, torch.dtype], Tensor], float, float, float]:
    """Return the loss as a function of one weight's change, and its value and derivatives at 0."""
    network = mlp(depth, 10, n_in=10, weight_scale=weight_scale, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(16, 10, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 10, (16,), generator=generator)
    (by_first,) = torch.autograd.grad(cross_entropy(network(x), y), [network.weights[0]])
    place = divmod(int(by_first.abs().argmax()), 10)
    unit = torch.zeros(10, 10, dtype=torch.float64)
    unit[place] = 1.0

    def loss(change: Tensor, dtype: torch.dtype) -> Tensor:
        first, *later = (w.to(dtype) for w in network.weights)
        moved, h = first + change.to(dtype)[:, None, None] * unit.to(dtype), x.to(dtype)
        for w in [moved, *later]:
            z = h @ w.mT
            h = torch.sigmoid(z)
        return cross_entropy(z.transpose(1, 2), y.expand(len(z), -1), reduction="none").mean(1)

    t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    value = loss(t, torch.float64)
    (slope,) = torch.autograd.grad(value.sum(), t, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), t)
    return loss, float(slope.detach()), float(curvature), float(value.detach())


def forward_passes(n_weights: int) -> tuple[int, int]:
    """Count what a gradient costs, in forward passes: by backpropagation, and by differences.

    A layer's backward pass is two matrix products of the forward one's size: one gives the gradient
    by W, one hands delta down. Two-sided differences want L twice for each weight.
    """
    return 3, 2 * n_weights


def timed_gradients(width: int = 30, depth: int = 3, seed: int = 0) -> tuple[int, float, float]:
    """Time a gradient on 32 digits: the number of weights, seconds by backprop, by differences.

    Each time is the best of a few; that of the differences is one forward pass, times their number.
    """
    data, network = digits(), mlp(depth, width, seed=seed)
    x, y = data.x_train[:32], data.y_train[:32]
    count = sum(w.numel() for w in network.parameters())

    def backward() -> None:
        torch.autograd.grad(cross_entropy(network(x), y), list(network.parameters()))

    @torch.no_grad()
    def forward() -> None:
        cross_entropy(network(x), y)

    backward()
    by_backprop = min(repeat(backward, number=20, repeat=5)) / 20
    one_loss = min(repeat(forward, number=50, repeat=5)) / 50
    return count, by_backprop, one_loss * forward_passes(count)[1]
