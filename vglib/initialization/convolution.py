"""Whether a deep convolutional net keeps lengths and angles at its start."""

from collections.abc import Callable, Iterator, Mapping
from math import cos, exp, nan, pi, sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from vglib import theory
from vglib.activations import ACTIVATIONS, Activation
from vglib.checks import one_of, require, whole
from vglib.initialization.isometry import jacobian_spread
from vglib.initialization.schemes import CRITICAL, normal_inputs
from vglib.networks import INITIALIZATIONS, stream
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.words import count, factor

CHANNELS, SIDE, KERNEL = 24, 6, 3
PADDINGS = ("circular", "zeros")


def delta_orthogonal(matrix: Tensor, kernel: int = KERNEL) -> Tensor:
    """Return the kernel whose middle tap is an orthogonal matrix and whose other taps are 0.

    matrix: (c_out, c_in), with orthonormal rows or columns. Result: (c_out, c_in, kernel, kernel).
    Raises ValueError for an even kernel, which has no middle.
    Source: Xiao et al. 2018, algorithm 2.
    """
    odd = whole(kernel, 1) and kernel % 2 == 1
    require("kernel", kernel, odd, "an odd number, so that it has a middle")
    weight = matrix.new_zeros(*matrix.shape, kernel, kernel)
    weight[:, :, kernel // 2, kernel // 2] = matrix
    return weight


def _over_all_taps(init: str) -> Callable[[torch.Generator], Tensor]:
    """Return what draws each output channel's weights, of all taps and inputs, as one row."""

    def draw(generator: torch.Generator) -> Tensor:
        rows = INITIALIZATIONS[init].draw(CHANNELS * KERNEL**2, CHANNELS, generator)
        return rows.reshape(CHANNELS, CHANNELS, KERNEL, KERNEL)

    return draw


def _in_the_middle(generator: torch.Generator) -> Tensor:
    return delta_orthogonal(INITIALIZATIONS["orthogonal"].draw(CHANNELS, CHANNELS, generator))


# The second is what torch.nn.init.orthogonal_ makes of a kernel. In each the variances of all taps
# together are 1 / CHANNELS, which keeps the mean square in a linear layer.
STARTS: Mapping[str, Callable[[torch.Generator], Tensor]] = {
    "Gaussian": _over_all_taps("1/fan_in"),
    "row-orthogonal": _over_all_taps("orthogonal"),
    "delta-orthogonal": _in_the_middle,
}


def convolve(h: Tensor, kernel: Tensor, padding: str) -> Tensor:
    """Return a convolution that keeps the size of the image.

    z(a) = sum_b K_b h(a + b), b the places of the taps

    h: (batch, c_in, side, side); kernel: (c_out, c_in, k, k), k odd. Outside the image h is 0
    ("zeros"), or the image comes again ("circular").
    Raises ValueError for another padding.
    """
    one_of("padding", padding, PADDINGS)
    mode = "circular" if padding == "circular" else "constant"
    return conv2d(pad(h, [kernel.shape[-1] // 2] * 4, mode=mode), kernel)


def convolve_back(delta: Tensor, kernel: Tensor, padding: str) -> Tensor:
    """Return dL/dh of a convolution from delta = dL/dz.

    dL/dh(a) = sum_b K_b^T delta(a - b)

    Shapes and errors as in `convolve`.
    """
    return convolve(delta, kernel.flip(2, 3).transpose(0, 1), padding)


def kept_by_the_border(side: int) -> float:
    """Return the factor of ||delta||^2 per layer, deep down, where zeros pad a square image.

        ((1 + 2 cos(pi / (side + 1))) / 3)^2

    For linear layers at chi = 1 with 3 x 3 taps of one variance, wide: the largest eigenvalue of
    the mean over a pixel's 3 x 3 neighbours, those outside the image being 0.
    Raises ValueError for side < 1.
    """
    require("side", side, whole(side, 1), "a whole number from 1 on")
    return ((1 + 2 * cos(pi / (side + 1))) / 3) ** 2


def border_log_ratios(
    phi: Activation, q: float, sigma_w: float, sigma_b: float, depth: int
) -> Array:
    """Return ln(||delta_l|| / ||delta_depth||) where zeros pad the image and all taps are alike.

        q_(l+1)(a) = mean_b sigma_w^2 E phi(sqrt(q_l(a + b)) u)^2 + sigma_b^2
        m_l(a) = chi(q_l(a)) mean_b m_(l+1)(a - b)

    q_l(a) is the variance at pixel a, q in all of layer 1; m_l(a) the mean of delta_l(a)^2, alike
    in all of the last layer. Wide layers of 3 x 3 taps. Result: (depth,), natural logs.
    Source: Xiao et al. 2018, who have circular padding; the border is the course's addition.
    """
    near = (np.eye(SIDE) + np.eye(SIDE, k=1) + np.eye(SIDE, k=-1)) / 3
    qs = [np.full((SIDE, SIDE), q)]
    for _ in range(depth - 1):
        qs.append(near @ theory.q_map(qs[-1], phi.phi, sigma_w, 0.0) @ near + sigma_b**2)
    means = [np.ones((SIDE, SIDE))]
    for now in reversed(qs[:-1]):
        means.append(theory.chi(now, phi.dphi, sigma_w) * (near @ means[-1] @ near))
    return np.array([0.5 * np.log(m.mean()) for m in reversed(means)])


@result
class ConvFlow:
    """What becomes of a few random errors on their way back, for each of `STARTS`, by layer.

    `log_delta`: (3, depth), ln of the root mean of their ||delta||^2, 0 in the last layer;
    `cosines`: (3, depth), the root mean square cosine between the gradients of two of them; nan for
    a start to come. The theory's are for taps of one variance and for delta-orthogonal ones; the
    cosine's is that of circular padding.
    """

    depth: int
    log_delta: Array
    cosines: Array
    theory_log_delta: Array
    theory_cosines: Array

    @property
    def factors(self) -> tuple[float, ...]:
        """The factor of ||delta||^2 per layer on its way back, over the lower half of the net."""
        middle = self.depth // 2
        return tuple(exp(2 * (one[0] - one[middle]) / max(middle, 1)) for one in self.log_delta)

    @property
    def alignment(self) -> tuple[float, ...]:
        """By what the mean squared cosine has grown on the way back.

        It is 1 + Var(s^2) / mean(s^2)^2, s the singular values of the Jacobian dz_depth/dz_1.
        """
        return tuple((one[0] / one[-1]) ** 2 for one in self.cosines)

    @property
    def verdict(self) -> str:
        """One sentence: what becomes of the length and of the angles, for each start."""
        if self.depth == 1:
            return "one layer: there is no convolution to go back through yet."
        ready = np.isfinite(self.log_delta[:, 0])
        named = zip(self.log_delta[ready, 0], STARTS, strict=False)
        lengths = ", ".join(f"{factor(ln)} ({name})" for ln, name in named)
        angles = ", ".join(f"{x:.2g}" for x in self.cosines[ready, 0])
        return (
            f"back through {count(self.depth - 1, 'convolution')} ‖δ‖ changes by a factor "
            f"{lengths}; the cosine between two gradients goes from "
            f"{self.cosines[0, -1]:.2g} to {angles}."
        )


@kept(12)
def going_back(
    activation: str = "tanh",
    padding: str = "circular",
    depth: int = 100,
    weight_scale: float = 1.0,
    seed: int = 0,
    *,
    errors: int = 6,
) -> Iterator[ConvFlow]:
    """Send random errors back through three deep convolutional nets, one start after another.

    24 channels of 6 x 6 pixels, kernels of 3 x 3 at the activation's critical point, times
    `weight_scale`; the input has the size at which signals settle there.
    """
    phi, (sigma_w, sigma_b) = ACTIVATIONS[activation], CRITICAL[activation]
    q = theory.q_fixed_point(phi.phi, sigma_w, sigma_b)
    scales = (weight_scale * sigma_w, sigma_b)
    alone = theory.gradient_log_ratios(q, phi.phi, phi.dphi, *scales, depth)
    at_border = padding == "zeros"
    together = border_log_ratios(phi, q, *scales, depth) if at_border else alone
    settled = theory.q_fixed_point(phi.phi, *scales, start=q)
    steps, entries = np.arange(depth)[::-1], CHANNELS * SIDE**2
    spreads = [jacobian_spread(1, phi.dphi, settled, orthogonal=o) for o in (False, True)]
    angles = [np.sqrt(np.minimum((1 + steps * s) / entries, 1.0)) for s in spreads]
    log_delta, cosines = np.full((2, len(STARTS), depth), nan)
    for row, name in enumerate(STARTS):
        back = _back(phi, STARTS[name], padding, depth, scales, q, seed, errors)
        for layer, delta in zip(reversed(range(depth)), back, strict=True):
            log_delta[row, layer], cosines[row, layer] = _lengths_and_angles(delta)
        log_delta[row] -= log_delta[row, -1]
        yield ConvFlow(
            depth, log_delta.copy(), cosines.copy(), np.array([together, alone]), np.array(angles)
        )


through_convolutions = at_its_end(going_back)


def _back(
    phi: Activation,
    draw: Callable[[torch.Generator], Tensor],
    padding: str,
    depth: int,
    scales: tuple[float, float],
    q: float,
    seed: int,
    errors: int,
) -> Iterator[Tensor]:
    """Yield delta_l for l = depth, ..., 1; each (errors, CHANNELS, SIDE, SIDE)."""
    sigma_w, sigma_b = scales
    zs = [sqrt(q) * normal_inputs(1, CHANNELS, SIDE, SIDE, seed=seed)]
    kernels = []
    for layer in range(1, depth):
        generator = stream(seed, layer)
        kernels.append(sigma_w * draw(generator))
        bias = torch.randn(CHANNELS, 1, 1, generator=generator, dtype=torch.float64)
        zs.append(convolve(phi.function(zs[-1]), kernels[-1], padding) + sigma_b * bias)
    delta = normal_inputs(errors, CHANNELS, SIDE, SIDE, seed=seed + 1)
    yield delta
    for kernel, z in zip(reversed(kernels), reversed(zs[:-1]), strict=True):
        delta = phi.derivative(z) * convolve_back(delta, kernel, padding)
        yield delta


def _lengths_and_angles(delta: Tensor) -> tuple[float, float]:
    """Return ln of the root mean squared length, and the root mean squared cosine of two."""
    rows = delta.flatten(1)
    lengths = rows.norm(dim=1)
    units = rows / lengths[:, None]
    pairs = len(rows) * (len(rows) - 1)
    squares = float(((units @ units.T) ** 2).sum()) - len(rows)
    return 0.5 * float((lengths**2).mean().log()), sqrt(max(squares, 0.0) / pairs)
