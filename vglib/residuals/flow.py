"""Signal and gradient on their way through up to a thousand blocks, at the start of a training."""

from dataclasses import replace
from math import isfinite, log, sqrt

import numpy as np

from vglib.backprop import softmax_gradient
from vglib.residuals.blocks import FORMULA, N_IN, N_OUT, build, probe_batch
from vglib.residuals.mean_field import block_theory, with_a_mean, with_heads
from vglib.residuals.stack import Array, Labels, Passed, Stack, draw_matrix, run, run_back
from vglib.results import result
from vglib.scaled import Scaled
from vglib.words import count, power_of_ten


@result
class Flow:
    """Signal and gradient of a stack at its start; natural logs.

    `log_signal`: of the root mean square of h_l, l = 0..depth; `log_grad`: of ||dL/dh_l||, the
    same; `log_weight_grad`: of ||dL/dW_l||, l = 1..depth. `theory_*` likewise, nan where there is
    none; that of the gradient starts from the measured value at the last block. `log_chi`:
    theory's, of the factor of ||dL/dh||^2 in each block.
    """

    kind: str
    depth: int
    alpha: float
    log_signal: Array
    log_grad: Array
    log_weight_grad: Array
    theory_log_signal: Array
    theory_log_grad: Array
    log_chi: Array
    note: str = ""

    @property
    def ratio(self) -> float:
        """ln(||dL/dh_0|| / ||dL/dh_depth||): what the way back does to the gradient."""
        return float(self.log_grad[0] - self.log_grad[-1])

    @property
    def theory_ratio(self) -> float:
        """What theory says of `ratio`."""
        return float(self.theory_log_grad[0] - self.theory_log_grad[-1])

    @property
    def per_block(self) -> float:
        """The factor of ||dL/dh||^2 per block, as the geometric mean over the depth."""
        return float(np.exp(min(2 * self.ratio / self.depth, 700.0)))

    @property
    def verdict(self) -> str:
        """One sentence: what becomes of the gradient and the signal."""
        head = f"{FORMULA[self.kind]}, {count(self.depth, 'block')}"
        if "α" in FORMULA[self.kind]:
            head += f", α = {self.alpha:.3g}"
        if not isfinite(self.ratio):
            return f"dies: {head}: the gradient is exactly 0 before the first block.{self.note}"
        size = self.ratio / log(10)
        word = "keeps its size" if abs(size) < 1 else "explodes" if size > 0 else "vanishes"
        theory = f"theory, at infinite width: {power_of_ten(self.theory_ratio)}"
        says = theory if isfinite(self.theory_ratio) else "no closed form"
        signal = power_of_ten(float(self.log_signal[-1] - self.log_signal[0]))
        unmoved = "; ∂L/∂W is exactly 0 until the factors a have moved"
        extra = unmoved if self.kind == "ReZero" else ""
        return (
            f"the gradient {word}: {head}; ‖∂L/∂h‖ changes by {power_of_ten(self.ratio)} ({says}), "
            f"its square by {self.per_block:.3g} per block; the signal by {signal}{extra}."
            f"{self.note}"
        )


def flow(
    depth: int = 20,
    kind: str = "pre-activation",
    alpha: float = 1.0,
    root: bool = False,
    weight_scale: float = 1.0,
    activation: str = "relu",
    seed: int = 0,
    width: int | None = None,
) -> Flow:
    """Send 32 digits through `depth` blocks and the gradient of the cross-entropy back.

    Stem and readout are N(0, 1/fan_in), no biases; `root` takes alpha = 1/sqrt(depth). Unless
    given, the width is 100, or so much less that a deep net takes a fraction of a second.
    """
    note, n = "", width or (100 if depth <= 100 else 64 if depth <= 300 else 48)
    if width is None and n < 100:
        note = f" (Width 100 would take long at this depth; this is width {n}.)"
    alpha = 1 / sqrt(depth) if root else alpha
    stack = build(kind, depth, n, alpha, weight_scale, activation, seed)
    return replace(measure(stack, kind, alpha, seed), note=note)


def measure(
    stack: Stack, kind: str, alpha: float, seed: int, batch: tuple[Array, Labels] | None = None
) -> Flow:
    """Measure a stack that was built as `kind`, between stem and readout, on digits or `batch`."""
    x, y = batch or probe_batch()
    h0 = x @ draw_matrix(N_IN, stack.width, seed, 0).T
    heads = alpha if kind == "deep supervision" else 0.0

    def heard(layer: int) -> Scaled:
        weight = draw_matrix(stack.width, N_OUT, seed, -layer - 2)
        return by_head(passed, layer, weight, y, heads)

    with np.errstate(under="ignore"):
        passed = run(stack, h0)
        top = by_head(passed, stack.depth, draw_matrix(stack.width, N_OUT, seed, -1), y)
        back = [lns for _, _, *lns in run_back(passed, top, heard=heard if heads else None)]
    below, log_dw = np.array(back[::-1]).T
    log_grad = np.append(below, top.log_norm)
    log_signal = np.array(passed.log_norms) - 0.5 * log(h0.size)
    sigma_w = stack.gain * sqrt(stack.width)
    start = 2 * log_signal[0], float(log(h0.var(0).mean()))
    ln_q, ln_chi = block_theory(kind, stack.depth, alpha, sigma_w, stack.activation, *start)
    predicted = log_grad[-1] + 0.5 * np.append(np.cumsum(ln_chi[::-1])[::-1], 0.0)
    if heads:
        predicted = with_heads(ln_chi, log_grad[-1], heads)
    if kind in ("residual", "highway") and stack.activation == "relu" and stack.a and stack.b:
        predicted = with_a_mean(stack, sigma_w, ln_q, ln_chi, top, passed.last)
    if stack.norm and stack.form == "layer":
        ln_q, predicted = np.full((2, stack.depth + 1), np.nan)
    measured = log_signal, log_grad, log_dw
    return Flow(kind, stack.depth, alpha, *measured, 0.5 * ln_q, predicted, ln_chi)


def by_head(passed: Passed, layer: int, weight: Array, y: Labels, share: float = 1.0) -> Scaled:
    """Return dL/dh of the cross-entropy of a readout of h_layer alone, weighed `share`."""
    h = passed.inputs(layer)
    with np.errstate(over="ignore", under="ignore"):
        _, delta = softmax_gradient(h.unit @ weight.T, y, h.log)
    return Scaled(delta @ weight, log(share))
