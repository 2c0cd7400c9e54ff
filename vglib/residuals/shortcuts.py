"""Two things called a short connection: a skip, and a loss at each layer (deep supervision)."""

from collections.abc import Mapping

import numpy as np

from vglib.residuals.blocks import N_IN, N_OUT, build, digit_arrays, probe_batch
from vglib.residuals.flow import by_head, measure
from vglib.residuals.net import Net, training
from vglib.residuals.stack import Array, Stack, draw_matrix, run, run_back
from vglib.results import last, result
from vglib.words import count, power_of_ten


@result
class Shortcuts:
    """Three nets of one depth; natural logs of gradient lengths.

    `log_weight_grad[name]: (depth,)` of ||dL/dW_l||; `heard[name]: (depth,)` of ||dL_k/dW_1||, L_k
    the loss of a head at layer k alone.
    """

    depth: int
    activation: str
    log_weight_grad: Mapping[str, Array]
    heard: Mapping[str, Array]

    @property
    def first(self) -> dict[str, float]:
        """ln ||dL/dW_1|| in each net."""
        return {name: float(line[0]) for name, line in self.log_weight_grad.items()}

    @property
    def own_share(self) -> float:
        """ln of ||dL_depth/dW_1|| / ||dL/dW_1|| in the deeply supervised net."""
        return float(self.heard["layers without skips"][-1] - self.first["deep supervision"])

    @property
    def verdict(self) -> str:
        """One sentence: the three gradients of layer 1, and what the output adds to one of them."""
        parts = ", ".join(f"{name} {power_of_ten(v)}" for name, v in self.first.items())
        return (
            f"‖∂L/∂W₁‖ in {count(self.depth, self.activation + ' layer')}: {parts}; under deep "
            f"supervision the output's own loss is {power_of_ten(min(self.own_share, 0.0))} of "
            "what layer 1 hears."
        )


def shortcuts(
    depth: int = 20,
    activation: str = "sigmoid",
    alpha: float = 1.0,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Shortcuts:
    """Compare a plain net, one with a loss (weighed alpha) at each layer, and one with skips.

    The residual net is h' = h + phi(W h). Width 50, weights N(0, 1/n), He's for ReLU.
    """
    stacks, seen = {}, {}
    for kind, share in (("plain", 1.0), ("deep supervision", alpha), ("residual", 1.0)):
        stacks[kind] = build(kind, depth, 50, share, weight_scale, activation, seed)
        seen[kind] = measure(stacks[kind], kind, share, seed).log_weight_grad
    heads = {"layers without skips": "plain", "layers with skips": "residual"}
    heard = {name: _heard(stacks[kind], seed) for name, kind in heads.items()}
    return Shortcuts(depth, activation, seen, heard)


def _heard(stack: Stack, seed: int) -> Array:
    x, y = probe_batch()
    out = np.empty(stack.depth)
    with np.errstate(under="ignore"):
        passed = run(stack, x @ draw_matrix(N_IN, stack.width, seed, 0).T)
        for k in range(1, stack.depth + 1):
            weight = draw_matrix(stack.width, N_OUT, seed, -1 if k == stack.depth else -k - 1)
            *_, out[k - 1] = last(run_back(passed, by_head(passed, k, weight, y), k))
    return out


def head_accuracies(seed: int = 0, *, depth: int = 20, steps: int = 200) -> Array:
    """Train a deeply supervised sigmoid net and return each head's test accuracy, (depth,).

    Digits, width 50, weights N(0, 1/n), all losses with weight 1, SGD 0.05 momentum 0.9, batch 32.
    """
    net = Net.start(build("plain", depth, 50, 1.0, 1.0, "sigmoid", seed), seed, heads=True)
    last(training(net, digit_arrays(), lr=0.05, steps=steps, seed=seed))
    x, y = digit_arrays()[2:]
    heads = zip(net.hidden(x)[0][1:], [*net.heads, net.readout], strict=True)
    return np.array([((h @ w.T).argmax(1) == y).mean() for h, w in heads])
