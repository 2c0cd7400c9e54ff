"""Fresh sigmoid nets: variance and saturation on the way forward, the gradient on the way back."""

import torch
from torch.nn.functional import cross_entropy

from vglib import theory
from vglib.networks import mlp, sigma_w
from vglib.probe import Array, Trace, trace
from vglib.results import result
from vglib.words import percent, power_of_ten

INITS = {"U(±1/√n)": "torch", "N(0, 1/n)": "1/fan_in", "N(0, 1)": "normal"}
# Multiply-adds of one forward and backward pass.
BUDGET = 1.5e9


@result
class Forward:
    """A sigmoid net at its start: variances forward, gradient backward; all (depth,).

    `pre_variance`, `act_variance`: of z and h over all units and samples. `theory_q` is mean-field
    theory's variance of z, `theory_log_delta` its ln ||delta_l||, anchored at the last layer.
    """

    depth: int
    trace: Trace
    pre_variance: Array
    act_variance: Array
    theory_q: Array
    theory_log_delta: Array
    note: str

    @property
    def growth(self) -> float:
        """The variance of z in the last layer over that in the first."""
        return float(self.pre_variance[-1] / self.pre_variance[0])

    @property
    def verdict(self) -> str:
        """One sentence: does the variance grow, how many units are saturated, what flows back."""
        depth, growth, variance = self.depth, self.growth, self.pre_variance
        share = float(self.trace.saturated[:depth].max())
        largest = f"Var h is at most {self.act_variance.max():.2g}"
        if depth == 1:
            return (
                f"one layer: Var z is {variance[0]:.3g}, {percent(share)} of the units are "
                f"saturated, {largest}.{self.note}"
            )
        units = f"at most {percent(share)} of a layer's units are" if share else "no unit is"
        word = "grows" if growth > 1.05 else "falls" if growth < 0.95 else "keeps its level"
        back = power_of_ten(float(self.trace.log_delta[0] - self.trace.log_delta[depth - 1]))
        return (
            f"Var z {word}: {variance[0]:.3g} in layer 1, {variance[-1]:.3g} in layer "
            f"{depth}; {largest}; {units} saturated; layer 1 gets {back} times the gradient of "
            f"layer {depth}.{self.note}"
        )


def forward(
    depth: int = 10,
    weight_scale: float = 1.0,
    init: str = "N(0, 1)",
    width: int = 500,
    seed: int = 0,
    budget: float = BUDGET,
) -> Forward:
    """Send 128 Gaussian inputs of as many numbers as the net is wide through a sigmoid net.

    Biases 0, cross-entropy on random labels. Where it would take long, the width is narrowed and
    the verdict says so.
    """
    note, asked, samples, name = "", width, 128, INITS[init]
    width = min(width, int((budget / (3 * samples * depth)) ** 0.5))
    if width < asked:
        note = f" (Width {asked} would take long at depth {depth}; this is width {width}.)"
    network = mlp(
        depth, width, n_in=width, init=name, weight_scale=weight_scale, bias_scale=0.0, seed=seed
    )
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, width, generator=generator, dtype=torch.float64)
    seen = trace(network, x, torch.randint(10, (samples,), generator=generator), cross_entropy)
    sigma, phi = sigma_w(name, width, weight_scale), network.activation
    q = theory.q_trajectory(sigma**2, phi.phi, sigma, 0.0, depth)
    ratios = theory.gradient_log_ratios(sigma**2, phi.phi, phi.dphi, sigma, 0.0, depth)
    variances = seen.pre_std[:depth] ** 2, seen.act_std[:depth] ** 2
    return Forward(depth, seen, *variances, q, seen.log_delta[depth - 1] + ratios, note)
