"""Measurements of chapter 07: what skips do to signal, gradient and training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, inf, isfinite, log, pi, sqrt

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom, ncx2

from vglib import theory
from vglib.activations import get_activation
from vglib.data import digits
from vglib.probe import Array, power_of_ten
from vglib.residuals.sgd import Net, Training, train
from vglib.residuals.stack import (
    SIGMA_W,
    Kept,
    Labels,
    Normalised,
    Scaled,
    Stack,
    draw_matrix,
    draw_weights,
    nan_safe_log,
    run,
    run_back,
    softmax_gradient,
)

BATCH = 32
N_IN, N_OUT = 64, 10

KINDS = (
    "plain",
    "residual",
    "pre-activation",
    "pre-activation with BN",
    "ReLU after the sum",
    "highway",
    "ReZero",
    "deep supervision",
)
FORMULA: Mapping[str, str] = {
    "plain": "h' = φ(W h)",
    "residual": "h' = h + α φ(W h)",
    "pre-activation": "h' = h + α W φ(h)",
    "pre-activation with BN": "h' = h + α W φ(BN(h))",
    "ReLU after the sum": "h' = φ(h + α W φ(h))",
    "highway": "h' = (1 − T) h + T φ(W h), T = α",
    "ReZero": "h' = h + a φ(W h), a = 0 at the start",
    "deep supervision": "h' = φ(W h), and a loss, weighed α, at every layer",
}


@lru_cache(maxsize=1)
def digit_arrays() -> tuple[Array, Labels, Array, Labels]:
    """Return the digits as numpy arrays: x_train, y_train, x_test, y_test."""
    data = digits()
    return data.x_train.numpy(), data.y_train.numpy(), data.x_test.numpy(), data.y_test.numpy()


def probe_batch() -> tuple[Array, Labels]:
    """Return 32 digits, each scaled to mean square 1, so that theory has one q for all of them."""
    x, y, *_ = digit_arrays()
    x = x[:BATCH]
    return x / np.sqrt((x * x).mean(1, keepdims=True)), y[:BATCH]


def _mixture(kind: str, alpha: float) -> tuple[float, float]:
    """Return the shares (a, b) of skip and branch."""
    return {
        "plain": (0.0, 1.0),
        "deep supervision": (0.0, 1.0),
        "highway": (1 - alpha, alpha),
        "ReZero": (1.0, 0.0),
    }.get(kind, (1.0, alpha))


def build(
    kind: str, depth: int, width: int, alpha: float, weight_scale: float, activation: str, seed: int
) -> Stack:
    """Build the blocks of a net of one kind; weights N(0, 1/n), N(0, 2/n) for ReLU, times scale."""
    a, b = _mixture(kind, alpha)
    form = {
        "pre-activation": "pre-activation",
        "pre-activation with BN": "pre-activation",
        "ReLU after the sum": "after the sum",
    }.get(kind, "layer")
    weights = draw_weights(depth, width, SIGMA_W[activation] * weight_scale, seed)
    return Stack(weights, activation, form, a, b, kind == "pre-activation with BN")


# ---- mean-field theory of a block


@dataclass(frozen=True)
class Moments:
    """E phi, E phi^2 and E phi'^2 at z ~ N(0, q), as functions of ln q, over sqrt(q), q and 1."""

    mean: Callable[[float], float]
    second: Callable[[float], float]
    slope: Callable[[float], float]


@lru_cache(maxsize=8)
def moments(activation: str) -> Moments:
    """Return the moments, tabulated for tanh and sigmoid, where a thousand layers ask for them."""
    if activation == "relu":
        return Moments(lambda t: 1 / sqrt(2 * pi), lambda t: 0.5, lambda t: 0.5)
    if activation == "identity":
        return Moments(lambda t: 0.0, lambda t: 1.0, lambda t: 1.0)
    phi = get_activation(activation)
    grid = np.linspace(-30, 30, 1201)
    q = np.exp(grid)
    second = np.log(theory.gaussian_mean(lambda z: phi.phi(z) ** 2, q)) - grid
    slope = np.log(theory.gaussian_mean(lambda z: phi.dphi(z) ** 2, q))
    # Below the table phi' is phi'(0); above it phi is 1 and E phi'^2 falls like 1/sqrt(q).
    low = 0.0 if activation == "tanh" else -1.0

    def look(table: Array, below: float, above: float) -> Callable[[float], float]:
        def value(t: float) -> float:
            inside = min(max(t, -30.0), 30.0)
            end = below if t < 0 else above
            index = min(int((inside + 30) * 20), 1199)
            share = (inside + 30) * 20 - index
            between = (1 - share) * table[index] + share * table[index + 1]
            return exp(min(between + end * (t - inside), 700.0))

        return value

    mean = (lambda t: 0.0) if activation == "tanh" else (lambda t: 0.5 * exp(min(-t / 2, 300.0)))
    return Moments(mean, look(second, low, -1.0), look(slope, 0.0, -0.5))


def block_theory(
    kind: str,
    depth: int,
    alpha: float,
    sigma_w: float,
    activation: str,
    ln_q: float,
    ln_v: float | None = None,
) -> tuple[Array, Array]:
    """Return ln E h_l^2 for l = 0..depth and ln chi_l for l = 1..depth, of one block each.

    "layer": q' = a^2 q + 2 a b m E phi + b^2 E phi^2, m' = a m + b E phi, chi = a^2 + b^2 sigma_w^2
    E phi'^2, with phi at z ~ N(0, sigma_w^2 q); "pre-activation": q' = q + alpha^2 sigma_w^2
    E phi(h)^2, chi = 1 + alpha^2 sigma_w^2 E phi'(h)^2. With BN, v the variance over the batch,
    exp(ln_v) at first: v' = v + alpha^2 sigma_w^2 Var phi(u),
    chi = 1 + alpha^2 sigma_w^2 E phi'(u)^2 / v.
    All nan for "ReLU after the sum", which has no closed form.
    """
    if kind == "ReLU after the sum":
        return np.full(depth + 1, np.nan), np.full(depth, np.nan)
    of, (a, b) = moments(activation), _mixture(kind, alpha)
    ln_w, gain = 2 * log(sigma_w), (alpha * sigma_w) ** 2
    qs, chis, r = np.empty(depth + 1), np.empty(depth), 0.0
    if kind == "pre-activation with BN":
        added, passed = gain * (of.second(0.0) - of.mean(0.0) ** 2), gain * of.slope(0.0)
        v = exp(ln_q if ln_v is None else ln_v) + added * np.arange(depth + 1)
        q = exp(ln_q) + gain * of.second(0.0) * np.arange(depth + 1)
        return np.log(q), np.log1p(passed / v[:-1])
    qs[0] = ln_q
    for index in range(depth):
        if kind == "pre-activation":
            growth = 1 + gain * of.second(ln_q)
            chi = 1 + gain * of.slope(ln_q)
        else:
            # What phi gives is in units of sqrt(q) of its own input, which is sigma_w^2 q.
            t = ln_q + ln_w
            mean, second = sigma_w * of.mean(t), sigma_w**2 * of.second(t)
            growth = a * a + 2 * a * b * r * mean + b * b * second
            chi = a * a + b * b * sigma_w**2 * of.slope(t)
            r = (a * r + b * mean) / sqrt(growth) if growth > 0 else 0.0
        ln_q += nan_safe_log(growth)
        qs[index + 1], chis[index] = ln_q, nan_safe_log(chi)
    return qs, chis


# ---- the main lab: a thousand blocks


@dataclass(frozen=True)
class Flow:
    """Signal and gradient of a stack at its start; natural logs.

    `log_signal`: of the root mean square of h_l, l = 0..depth; `log_grad`: of ||dL/dh_l||, the
    same; `log_weight_grad`: of ||dL/dW_l||, l = 1..depth. `theory_*` likewise, nan where there is
    none; that of the gradient starts from the measured value at the last block.
    """

    kind: str
    depth: int
    alpha: float
    activation: str
    log_signal: Array
    log_grad: Array
    log_weight_grad: Array
    theory_log_signal: Array
    theory_log_grad: Array
    chi: Array
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
        head = f"{FORMULA[self.kind]}, {_count(self.depth, 'block')}"
        if "α" in FORMULA[self.kind]:
            head += f", α = {self.alpha:.3g}"
        if not isfinite(self.ratio):
            return f"dies: {head}: the gradient is exactly 0 before the first block.{self.note}"
        size = self.ratio / log(10)
        word = "keeps its size" if abs(size) < 1 else "explodes" if size > 0 else "vanishes"
        says = (
            f" (theory, at infinite width: {power_of_ten(self.theory_ratio)})"
            if isfinite(self.theory_ratio)
            else " (no closed form)"
        )
        signal = power_of_ten(float(self.log_signal[-1] - self.log_signal[0]))
        extra = ""
        if self.kind == "ReZero":
            extra = "; ∂L/∂W is exactly 0 until the factors a have moved"
        return (
            f"the gradient {word}: {head}; ‖∂L/∂h‖ changes by {power_of_ten(self.ratio)}{says}, "
            f"its square by {self.per_block:.3g} per block; the signal by {signal}{extra}."
            f"{self.note}"
        )


def flow_size(depth: int) -> int:
    """Return the width at which a net of this depth takes a fraction of a second."""
    return 100 if depth <= 100 else 64 if depth <= 300 else 48


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

    Stem and readout are N(0, 1/fan_in), no biases; `root` takes alpha = 1/sqrt(depth).
    """
    note, n = "", width or flow_size(depth)
    if width is None and n < 100:
        note = f" (Width 100 would take long at this depth; this is width {n}.)"
    alpha = 1 / sqrt(depth) if root else alpha
    stack = build(kind, depth, n, alpha, weight_scale, activation, seed)
    return replace(measure(stack, kind, alpha, weight_scale, seed), note=note)


def measure(
    stack: Stack,
    kind: str,
    alpha: float,
    weight_scale: float,
    seed: int,
    batch: tuple[Array, Labels] | None = None,
) -> Flow:
    """Measure a stack that was built as `kind`, between stem and readout, on digits or `batch`."""
    depth, n, activation = stack.depth, stack.weights.shape[1], stack.activation
    x, y = batch or probe_batch()
    h0 = x @ draw_matrix(N_IN, n, seed, 0).T
    with np.errstate(under="ignore"):
        signals, kept, rules = run(stack, h0)
        readout = draw_matrix(n, N_OUT, seed, -1)
        heads = alpha if kind == "deep supervision" else 0.0
        log_grad, log_dw, top = _gradients(signals, kept, rules, readout, y, heads, seed)
    size = 0.5 * log(h0.size)
    log_signal = np.array([s.log_norm for s in signals]) - size
    sigma_w = SIGMA_W[activation] * weight_scale
    spread = float(log(h0.var(0).mean()))
    ln_q, ln_chi = block_theory(kind, depth, alpha, sigma_w, activation, 2 * log_signal[0], spread)
    predicted = log_grad[-1] + 0.5 * np.append(np.cumsum(ln_chi[::-1])[::-1], 0.0)
    if heads:
        predicted = _with_heads(ln_chi, log_grad[-1], heads)
    if kind in ("residual", "highway") and activation == "relu" and stack.a and stack.b:
        predicted = _with_a_mean(stack, sigma_w, ln_q, ln_chi, top)
    theory_signal = 0.5 * ln_q
    if stack.norm and stack.form == "layer":
        theory_signal, predicted = np.full_like(ln_q, np.nan), np.full_like(ln_q, np.nan)
    return Flow(
        kind,
        depth,
        alpha,
        activation,
        log_signal,
        log_grad,
        log_dw,
        theory_signal,
        predicted,
        np.exp(np.minimum(ln_chi, 700.0)),
    )


def _gradients(
    signals: list[Scaled],
    kept: list[Kept],
    rules: list[Stack],
    readout: Array,
    y: Labels,
    heads: float,
    seed: int,
) -> tuple[Array, Array, tuple[Scaled, Scaled]]:
    """Return ln ||dL/dh_l||, ln ||dL/dW_l||, and (dL/dh, h) of the last block."""
    depth = len(kept)
    log_grad, log_dw = np.empty(depth + 1), np.empty(depth)

    def head(index: int, weight: Array) -> Scaled:
        h = signals[index]
        p, _ = softmax_gradient(Scaled(h.unit @ weight.T, h.log), y)
        return Scaled(p @ weight)

    g = head(depth, readout)
    log_grad[depth] = g.log_norm
    top = g
    back = run_back(rules, kept, signals, g)
    for layer, below, dw in back:
        if heads and layer > 1:
            own = head(layer - 1, draw_matrix(readout.shape[1], N_OUT, seed, -layer - 1))
            below = back.send(Scaled(own.unit, own.log + log(heads)))[1]
        log_grad[layer - 1], log_dw[layer - 1] = below.log_norm, dw
    return log_grad, log_dw, (top, signals[-1])


def _with_a_mean(
    stack: Stack,
    sigma_w: float,
    ln_q: Array,
    ln_chi: Array,
    top: tuple[Scaled, Scaled],
) -> Array:
    """Return ln ||g_l|| of branches that end in ReLU, whose Jacobian has a mean.

    E W^T D = h (E phi) 1^T / |h|^2. With S = sum_i g_i and P = h . g, which is the same at every
    block: T = phi . g is regressed on (S, P), S' = a S + b T (sum h)/|h|^2 + noise, and
    |g'|^2 = chi |g|^2 + (2 a b T (h . g) + b^2 T^2) / |h|^2. All over q_l, in expectation.
    """
    a, b = stack.a, stack.b
    n, depth = top[0].unit.shape[1], len(ln_chi)
    mean_phi, var_phi = sigma_w / sqrt(2 * pi), sigma_w**2 * (0.5 - 0.5 / pi)
    # h is measured in units of sqrt(q_l) at its own block, so that P shrinks as the signal grows.
    m = np.zeros(depth + 1)
    step = np.exp(0.5 * np.diff(ln_q))
    for index in range(depth):
        m[index + 1] = (a * m[index] + b * mean_phi) / step[index]
    g = top[0].unit
    h = top[1].unit * exp(min(max(top[1].log - 0.5 * ln_q[-1], -600.0), 600.0))
    pair = np.stack([g.sum(1), (g * h).sum(1)])
    moment, size, ln_scale = pair @ pair.T, float((g * g).sum()), 2 * top[0].log
    out = np.empty(depth + 1)
    out[depth] = ln_scale + nan_safe_log(size)
    for index in reversed(range(depth)):
        up = step[index]
        # T and P in units of sqrt(q_(l-1)): there phi has these moments, and h_l is `up` longer.
        beta = b * var_phi / max(up * up * (1 - m[index + 1] ** 2), 1e-12)
        to_p = np.array([0.0, up])
        to_t = np.array([mean_phi - beta * up * m[index + 1], beta * up])
        to_s = np.array([a, 0.0]) + b * m[index] * to_t
        cross = 2 * b * (to_p - b * to_t) + b * b * to_t
        extra = float(to_t @ moment @ cross) / n
        noise = b * b * sigma_w**2 * 0.5 * (1 - m[index] ** 2) * size
        back = np.stack([to_s, to_p])
        moment = back @ moment @ back.T
        moment[0, 0] += noise
        size = size * exp(ln_chi[index]) + extra
        scale = max(size, 1e-300)
        moment, ln_scale, size = moment / scale, ln_scale + log(scale), size / scale
        out[index] = ln_scale + nan_safe_log(size)
    return 0.5 * out


def _with_heads(ln_chi: Array, local: float, alpha: float) -> Array:
    """Return ln ||g_l|| with a head of weight alpha at each layer below the last, all alike."""
    squares = [2 * local]
    for index in reversed(range(len(ln_chi))):
        through = squares[0] + ln_chi[index]
        own = 2 * (local + log(alpha)) if index else -inf
        squares.insert(0, float(np.logaddexp(through, own)))
    return 0.5 * np.array(squares)


# ---- three laws of growth


@dataclass(frozen=True)
class Growth:
    """How the squared gradient grows over L blocks: exponential, exp(c sqrt L), a power of L.

    `blocks: (depth,)` is L = 1..depth; `measured[name]`, `predicted[name]`, `law[name]`: (depth,),
    ln(||dL/dh_0||^2 / ||dL/dh_L||^2) in one net, from the exact product, and from its leading term.
    """

    depth: int
    alpha: float
    blocks: Array
    measured: dict[str, Array]
    predicted: dict[str, Array]
    law: dict[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the three at full depth."""
        parts = [
            f"{name} {power_of_ten(float(self.measured[name][-1]))} (theory "
            f"{power_of_ten(float(self.predicted[name][-1]))})"
            for name in GROWTHS
        ]
        return (
            f"over {_count(self.depth, 'block')} with α = {self.alpha:.3g} the squared gradient "
            f"grows by: {', '.join(parts)}."
        )


GROWTHS: Mapping[str, tuple[str, str]] = {
    "ReLU": ("pre-activation", "relu"),
    "tanh": ("pre-activation", "tanh"),
    "BN and ReLU": ("pre-activation with BN", "relu"),
}
TANH_C = 8 / (3 * sqrt(2 * pi))
BN_POWER = pi / (pi - 1)


def growth(
    depth: int = 200,
    alpha: float = 1.0,
    weight_scale: float = 1.0,
    seed: int = 0,
    width: int | None = None,
) -> Growth:
    """Measure pre-activation blocks with ReLU, with tanh, and with BN and ReLU."""
    blocks = np.arange(1.0, depth + 1)
    measured, predicted, law = {}, {}, {}
    for name, (kind, activation) in GROWTHS.items():
        seen = flow(depth, kind, alpha, False, weight_scale, activation, seed, width)
        measured[name] = 2 * (seen.log_grad[0] - seen.log_grad[1:])
        predicted[name] = np.cumsum(np.log(seen.chi))
    scale = alpha * weight_scale
    law["ReLU"] = blocks * log(1 + scale**2)
    law["tanh"] = TANH_C * scale * np.sqrt(blocks)
    # The power's constant is fixed where the law should hold, at the last block.
    last = float(predicted["BN and ReLU"][-1])
    power = last + BN_POWER * np.log(blocks / depth)
    # Far below 1 it is no law yet, and would stretch the axis.
    law["BN and ReLU"] = np.where(power > -1, power, np.nan)
    return Growth(depth, alpha, blocks, measured, predicted, law)


def power_law(depth: int, seed: int, *, width: int = 100, batch: int = 100) -> tuple[float, float]:
    """Return ln(||dL/dh_0||^2 / ||dL/dh_L||^2) of BN blocks on N(0, 1): measured and theory's."""
    generator = np.random.default_rng(seed)
    x, y = generator.standard_normal((batch, N_IN)), generator.integers(0, N_OUT, batch)
    kind = "pre-activation with BN"
    stack = build(kind, depth, width, 1.0, 1.0, "relu", seed)
    seen = measure(stack, kind, 1.0, 1.0, seed, (x, y))
    return 2 * seen.ratio, 2 * seen.theory_ratio


# ---- all the paths


@dataclass(frozen=True)
class Paths:
    """The gradient through L blocks, sorted by how many branches its paths take, k = 0..L.

    `log_sum`: ln of the length of the sum of all paths with k branches, over that of the gradient
    sent in; `log_one`: ln of a typical single path's; `counted`: C(L, k) / 2^L; `weighed`: the
    share of the squared length; `binomial`: theory's share. All (L + 1,).
    """

    depth: int
    alpha: float
    p: float
    log_sum: Array
    log_one: Array
    log_sum_theory: Array
    counted: Array
    weighed: Array
    binomial: Array
    gap: float

    @property
    def mean_length(self) -> float:
        """The mean number of branches of a path, weighed by the squared gradient."""
        return float((np.arange(self.depth + 1) * self.weighed).sum())

    @property
    def verdict(self) -> str:
        """One sentence: how many paths, how long on average, and the skips' own share."""
        paths = power_of_ten(self.depth * log(2)) if self.depth > 20 else f"{2**self.depth}"
        return (
            f"{paths} paths, with {self.depth / 2:g} branches on average; weighed by the squared "
            f"gradient they have {self.mean_length:.2f} (theory {self.depth * self.p:.2f}), and "
            f"the path through skips alone carries {_percent(float(self.weighed[0]))} of it."
        )


def paths(
    depth: int = 20,
    alpha: float = 1.0,
    root: bool = False,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Paths:
    """Expand the product of (I + J_l)^T into its 2^L paths, summed by length.

    Pre-activation blocks with ReLU, width 40, 8 digits; J_l = alpha W_l D_l. The sums obey
    s_k <- s_k + J_l^T s_(k-1), so that no path need be followed on its own.
    """
    alpha, width, samples = 1 / sqrt(depth) if root else alpha, 40, 8
    stack = build("pre-activation", depth, width, alpha, weight_scale, "relu", seed)
    x = digit_arrays()[0][:samples] @ draw_matrix(N_IN, width, seed, 0).T
    _, kept, _ = run(stack, x)
    start = np.random.default_rng(seed).standard_normal((samples, width))
    sums, size, whole = np.zeros((depth + 1, samples, width)), 0.0, start
    sums[0] = start
    for done, index in enumerate(reversed(range(depth))):
        slope = kept[index].slope
        live = sums[: done + 1]
        sums[1 : done + 2] += alpha * (live @ stack.weights[index]) * slope
        whole, *_ = stack.back(index, kept[index], whole)
        scale = float(np.abs(sums).max())
        sums /= scale
        whole = whole / scale
        size += log(scale)
    gap = float(np.abs(sums.sum(0) - whole).max() / np.abs(whole).max())
    squares = (sums**2).sum((1, 2))
    ks = np.arange(depth + 1)
    gain = (alpha * weight_scale) ** 2
    p = gain / (1 + gain)
    with np.errstate(divide="ignore"):
        log_sum = 0.5 * np.log(squares) + size - log(float(np.linalg.norm(start)))
        # A path that no branch passes is 0 at alpha = 0, except the one through skips alone.
        log_one = np.where(ks > 0, 0.5 * ks * nan_safe_log(gain) if gain else -inf, 0.0)
    choose = gammaln(depth + 1) - gammaln(ks + 1) - gammaln(depth - ks + 1)
    return Paths(
        depth,
        alpha,
        p,
        log_sum,
        log_one,
        0.5 * choose + log_one,
        np.exp(choose - depth * log(2)),
        squares / squares.sum(),
        binom.pmf(ks, depth, p),
        gap,
    )


# ---- "not so unlucky"


@dataclass(frozen=True)
class Luck:
    """What one block leaves of a gradient: ||(I + J)^T delta|| / ||delta||, over random draws.

    J = (1 - towards) alpha W - towards I, W ~ N(0, 1/width) times the weight scale.
    `factors: (draws,)` sorted; `grid`, `share`: theory's P(factor < grid); `singular: (width,)`
    singular values of one I + J, falling; `bound`: (1 - towards)(1 -+ 2 alpha scale), at least 0.
    """

    width: int
    alpha: float
    towards: float
    factors: Array
    grid: Array
    share: Array
    singular: Array
    bound: tuple[float, float]
    below_half: float

    @property
    def measured_below_half(self) -> float:
        """The share of draws in which more than half of the gradient's length is lost."""
        return float((self.factors < 0.5).mean())

    @property
    def verdict(self) -> str:
        """One sentence: how often more than half is lost, and what the worst direction keeps."""
        if self.towards == 1:
            return (
                "all −1: the branch is minus its input, J = −I, and of the gradient exactly 0 is "
                "left."
            )
        units = _count(self.width, "unit")
        return (
            f"{units}: a block leaves {np.median(self.factors):.3g} of the gradient's length as a "
            f"median, less than half of it in {_percent(self.measured_below_half)} of the draws "
            f"(theory {_percent(self.below_half)}); in one draw the worst direction keeps "
            f"{self.singular[-1]:.2g}."
        )


def luck(
    width: int = 10,
    alpha: float = 1.0,
    towards: float = 0.0,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Luck:
    """Draw blocks with a linear branch and see what they leave of a random gradient."""
    generator = np.random.default_rng(seed)
    scale, rest = alpha * weight_scale, 1 - towards
    draws = max(100, min(2000, 1_000_000 // width**2))
    w = generator.standard_normal((draws, width, width)) / sqrt(width)
    delta = generator.standard_normal((draws, width))
    # With J = (1 - t) alpha W - t I the sum I + J is (1 - t)(I + alpha W).
    back = rest * (delta + scale * np.einsum("bij,bi->bj", w, delta))
    factors = np.sort(np.linalg.norm(back, axis=1) / np.linalg.norm(delta, axis=1))
    singular = np.linalg.svd(rest * (np.eye(width) + scale * w[0]), compute_uv=False)
    top = max(float(factors[-1]), 1.0)
    grid = np.linspace(0, 1.1 * top, 200)
    return Luck(
        width,
        alpha,
        towards,
        factors,
        grid,
        factor_below(grid, width, scale, rest),
        singular,
        (rest * max(1 - 2 * scale, 0.0), rest * (1 + 2 * scale)),
        float(factor_below(np.array([0.5]), width, scale, rest)[0]),
    )


def factor_below(x: Array, width: int, scale: float, rest: float = 1.0) -> Array:
    """Return P(rest ||delta + scale g|| / ||delta|| < x), g ~ N(0, I/width): noncentral chi^2."""
    if rest == 0:
        return np.ones_like(x) * (x > 0)
    if scale == 0:
        return (x > rest).astype(float)
    ratio = width / scale**2
    return np.asarray(ncx2.cdf((x / rest) ** 2 * ratio, width, ratio))


# ---- two meanings of a short connection


@dataclass(frozen=True)
class Shortcuts:
    """Three nets of one depth; natural logs of gradient lengths.

    `log_weight_grad[name]: (depth,)` of ||dL/dW_l||; `heard[name]: (depth,)` of ||dL_k/dW_1||, L_k
    the loss of a head at layer k alone.
    """

    depth: int
    activation: str
    log_weight_grad: dict[str, Array]
    heard: dict[str, Array]

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
            f"‖∂L/∂W₁‖ in {_count(self.depth, self.activation + ' layer')}: {parts}; under deep "
            f"supervision the output's own loss is {power_of_ten(min(self.own_share, 0.0))} of "
            "what layer 1 hears."
        )


SHORTCUTS = ("plain", "deep supervision", "residual")


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
    seen = {}
    for kind in SHORTCUTS:
        share = alpha if kind == "deep supervision" else 1.0
        stack = build(kind, depth, 50, share, weight_scale, activation, seed)
        seen[kind] = measure(stack, kind, share, weight_scale, seed).log_weight_grad
    heard = {}
    for name, kind in (("layers without skips", "plain"), ("layers with skips", "residual")):
        heard[name] = _heard(build(kind, depth, 50, 1.0, weight_scale, activation, seed), seed)
    return Shortcuts(depth, activation, seen, heard)


def _heard(stack: Stack, seed: int) -> Array:
    x, y = probe_batch()
    n = stack.weights.shape[1]
    out = np.empty(stack.depth)
    with np.errstate(under="ignore"):
        signals, kept, rules = run(stack, x @ draw_matrix(N_IN, n, seed, 0).T)
        for k in range(1, stack.depth + 1):
            number = -1 if k == stack.depth else -k - 1
            weight = draw_matrix(n, N_OUT, seed, number)
            p, _ = softmax_gradient(Scaled(signals[k].unit @ weight.T, signals[k].log), y)
            *_, (_, _, out[k - 1]) = run_back(
                rules[:k], kept[:k], signals[: k + 1], Scaled(p @ weight)
            )
    return out


def head_accuracies(seed: int = 0, *, depth: int = 20, steps: int = 200) -> Array:
    """Train a deeply supervised sigmoid net and return each head's test accuracy, (depth,).

    Digits, width 50, weights N(0, 1/n), all losses with weight 1, SGD 0.05 momentum 0.9, batch 32.
    """
    net = Net.start(build("plain", depth, 50, 1.0, 1.0, "sigmoid", seed), seed, heads=True)
    train(net, digit_arrays(), lr=0.05, steps=steps, seed=seed)
    x, y = digit_arrays()[2:]
    hidden, _ = net.hidden(x)
    heads = [*net.heads, net.readout]
    return np.array(
        [((h @ w.T).argmax(1) == y).mean() for h, w in zip(hidden[1:], heads, strict=True)]
    )


# ---- the decisive training

CURES = ("none", "clip at 1", "batch norm", "α = 1/√L")
WIDTH = 50


@dataclass(frozen=True)
class Cured:
    """A He residual net h' = h + alpha relu(W h) in training, and its gradient before it."""

    cure: str
    depth: int
    lr: float
    start: Flow
    training: Training
    note: str = ""

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end; 0 where the numbers broke."""
        return self.training.test_accuracy if self.training.broke_at is None else 0.0

    @property
    def verdict(self) -> str:
        """One sentence: does it train, and how long was the gradient at the start."""
        t = self.training
        norm = f"{t.gradient_norms[0]:.2g}"
        first = f"first loss {t.losses[0]:.3g}, first gradient of length {norm}"
        where = f"{_count(self.depth, 'block')}, cure: {self.cure}"
        if t.broke_at is not None:
            return f"NaN: {where}; {first}; the loss was no number at step {t.broke_at}.{self.note}"
        if not isfinite(t.train_loss):
            return f"NaN: {where}; {first}; the last step broke it.{self.note}"
        word = "trains" if self.accuracy > 0.8 else "alive, but lame" if t.clipped else "lame"
        clipped = f", {t.clipped} of them clipped" if t.clipped else ""
        return (
            f"{word}: {where}; {first}; after {len(t.losses)} steps{clipped} the test accuracy is "
            f"{_percent(self.accuracy)}.{self.note}"
        )


def cured_net(cure: str, depth: int, weight_scale: float, seed: int) -> Stack:
    """Build the net h' = h + alpha relu(N(W h)) of width 50 with one of the cures."""
    alpha = 1 / sqrt(depth) if cure == CURES[3] else 1.0
    stack = build("residual", depth, WIDTH, alpha, weight_scale, "relu", seed)
    return replace(stack, norm=cure == "batch norm")


@lru_cache(maxsize=64)
def cured(
    cure: str = "none",
    depth: int = 20,
    lr: float = 0.01,
    weight_scale: float = 1.0,
    seed: int = 0,
    steps: int | None = None,
) -> Cured:
    """Train with a cure on digits: cross-entropy, SGD with momentum 0.9, batch 32, 60 steps."""
    note, taken = "", steps or max(10, min(60, 1200 // depth))
    if steps is None and taken < 60:
        note = " (Fewer steps than 60, to stay quick.)"
    stack = cured_net(cure, depth, weight_scale, seed)
    start = measure(stack, "residual", stack.b, weight_scale, seed)
    done = train(
        Net.start(stack, seed),
        digit_arrays(),
        lr=lr,
        steps=taken,
        clip=1.0 if cure == "clip at 1" else None,
        seed=seed,
    )
    return Cured(cure, depth, lr, start, done, note)


def train_deep(
    depth: int,
    kind: str = "pre-activation",
    alpha: float | None = None,
    *,
    width: int = 32,
    lr: float = 0.01,
    steps: int = 60,
    seed: int = 0,
) -> Training:
    """Train a ReLU net of a kind on digits; alpha is 1/sqrt(depth) unless given.

    He's weights, cross-entropy, SGD with momentum 0.9, batch 32.
    """
    share = 1 / sqrt(depth) if alpha is None else alpha
    net = Net.start(build(kind, depth, width, share, 1.0, "relu", seed), seed)
    return train(net, digit_arrays(), lr=lr, steps=steps, seed=seed)


# ---- degradation


@dataclass(frozen=True)
class Degradation:
    """A plain and a residual net of one depth in training on digits."""

    depth: int
    trained: dict[str, Training]
    note: str = ""

    @property
    def verdict(self) -> str:
        """One sentence: the training losses of the two."""
        plain, skip = (self.trained[name].train_loss for name in RACERS)
        if not (isfinite(plain) and isfinite(skip)):
            broke = " and ".join(n for n in RACERS if not isfinite(self.trained[n].train_loss))
            return f"overflows: at this step size the {broke} net's loss is no number.{self.note}"
        word = (
            "plain lags" if plain > 1.5 * skip else "plain leads" if skip > 1.5 * plain else "equal"
        )
        steps = len(self.trained["plain"].losses)
        return (
            f"{word}: {_count(self.depth, 'layer')}, training loss after {steps} steps: plain "
            f"{plain:.3g}, residual {skip:.3g} (guessing is {log(10):.3g}).{self.note}"
        )


RACERS = ("plain", "residual")


@lru_cache(maxsize=64)
def degradation(
    depth: int = 20,
    lr: float = 0.01,
    weight_scale: float = 1.0,
    seed: int = 0,
    steps: int | None = None,
) -> Degradation:
    """Train h' = relu(W h) and h' = h + W relu(h) / sqrt(depth), width 50, He's weights."""
    note, taken = "", steps or max(10, min(60, 1200 // depth))
    if steps is None and taken < 60:
        note = " (Fewer steps than 60, to stay quick.)"
    trained = {}
    for name, kind in zip(RACERS, ("plain", "pre-activation"), strict=True):
        stack = build(kind, depth, WIDTH, 1 / sqrt(depth), weight_scale, "relu", seed)
        net = Net.start(stack, seed)
        trained[name] = train(net, digit_arrays(), lr=lr, steps=taken, seed=seed)
    return Degradation(depth, trained, note)


# ---- shattered gradients

NETS_1D = ("feed-forward", "feed-forward with BN", "residual", "residual with BN")
POINTS, LAGS = 256, 30


@dataclass(frozen=True)
class Shattered:
    """df/dx of a random function of one number x, at 256 points, and its autocorrelation.

    `gradient: (256,)` over its standard deviation; `correlation: (31,)` at lags 0..30.
    """

    kind: str
    depth: int
    centred: bool
    x: Array
    gradient: Array
    correlation: Array
    raw: Array

    @property
    def verdict(self) -> str:
        """One sentence: the autocorrelation at lag 1."""
        lag1 = float(self.correlation[1])
        word = "white noise" if abs(lag1) < 0.15 else "smooth" if lag1 > 0.8 else "rough"
        how = "mean subtracted" if self.centred else "mean left in"
        return (
            f"{word}: {self.kind}, {_count(self.depth, 'layer')}: neighbouring gradients correlate "
            f"with {lag1:.2f} ({how}; lag 10: {self.correlation[10]:.2f})."
        )


def autocorrelation(y: Array, centred: bool = True) -> Array:
    """Return sum_i y_i y_(i+lag) / sum_i y_i^2 for lags 0..30, of y minus its mean if centred."""
    y = y - y.mean() if centred else y
    total = max(float(y @ y), 1e-300)
    return np.array([float(y[lag:] @ y[: len(y) - lag]) / total for lag in range(LAGS + 1)])


def shattered(
    kind: str = "feed-forward with BN",
    depth: int = 50,
    alpha: float = 1.0,
    centred: bool = True,
    seed: int = 0,
) -> Shattered:
    """Take the gradient of a random ReLU net by its one input, at 256 points from -2 to 2.

    Width 200 (100 from 60 layers on), He's weights; h_0 = w x + b, w and b ~ N(0, 1); feed-forward
    h' = W relu(N(h)), residual h' = h + alpha W relu(N(h)), N batch norm over the grid or nothing.
    """
    width = 200 if depth <= 60 else 100
    skip = kind.startswith("residual")
    weights = draw_weights(depth, width, sqrt(2), seed)
    stack = Stack(weights, "relu", "pre-activation", 1.0, alpha, "BN" in kind)
    generator = np.random.default_rng(seed)
    x = np.linspace(-2, 2, POINTS)
    w, b, v = generator.standard_normal((3, width))
    h, kept = np.outer(x, w) + b, []
    for index in range(depth):
        total, one = stack.block(index, h)
        h = total if skip else (total - h) / alpha if alpha else total - h
        kept.append(one)
    g = np.tile(v / sqrt(width), (POINTS, 1))
    for index in reversed(range(depth)):
        below, *_ = stack.back(index, kept[index], g)
        g = below if skip else (below - g) / alpha if alpha else below - g
        g = g / max(float(np.abs(g).max()), 1e-300)
    gradient = g @ w
    std = max(float(gradient.std()), 1e-300)
    return Shattered(
        kind,
        depth,
        centred,
        x,
        gradient / std,
        autocorrelation(gradient, centred),
        autocorrelation(gradient, False),
    )


def gradient_correlation(depth: int, norm: bool, seed: int, *, width: int = 300) -> float:
    """Return the mean cosine of df/dh_0 between pairs of 150 independent random inputs.

    Feed-forward ReLU net h' = W relu(N(h)); BN's statistics count as constants on the way back.
    """
    generator = np.random.default_rng(seed)
    weights = draw_weights(depth, width, sqrt(2), seed)
    h, kept = generator.standard_normal((150, width)), []
    for weight in weights:
        seen = Normalised.of(h) if norm else Normalised(h, np.ones(width))
        on = seen.x > 0
        kept.append(on * seen.inverse_std)
        h = (seen.x * on) @ weight.T
    g = np.tile(generator.standard_normal(width), (150, 1))
    for weight, slope in zip(weights[::-1], kept[::-1], strict=True):
        g = (g @ weight) * slope
    unit = g / np.linalg.norm(g, axis=1, keepdims=True)
    cosines = unit @ unit.T
    return float((cosines.sum() - len(g)) / (len(g) * (len(g) - 1)))


def open_skips(depth: int, seed: int = 0, *, alpha: float = 1.0) -> float:
    """Return the share of (unit, sample) at which no ReLU after a sum blocks the chain of skips.

    h' = relu(h + alpha W relu(h)), He's weights, width 100, 32 digits.
    """
    stack = build("ReLU after the sum", depth, 100, alpha, 1.0, "relu", seed)
    h = digit_arrays()[0][:BATCH] @ draw_matrix(N_IN, 100, seed, 0).T
    _, kept, _ = run(stack, h)
    product = np.ones_like(h)
    for one in kept:
        product = product * one.last_slope
    return float(product.mean())


def _percent(share: float) -> str:
    if share == 0 or not isfinite(share):
        return "0%"
    if share < 1e-6:
        return "less than 0.0001%"
    if share > 0.995:
        return f"{100 * share:.4g}%"
    return f"{100 * share:.0f}%" if share >= 0.1 else f"{100 * share:.2g}%"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
