"""A plain recurrent net: its gradient through time beside its eigenvalues, and by its weights."""

from math import comb, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from vglib import theory
from vglib.activations import get_activation
from vglib.backprop import PHI
from vglib.lstm.cells import UNITS, Array, back_step, draw_cell, misses, run, sequence, word
from vglib.lstm.prediction import sums_after
from vglib.results import result
from vglib.scaled import Scaled, norm
from vglib.words import count, power_of_ten

PLAIN_UNITS = 100
MATRICES = ("Gaussian", "orthogonal", "Jordan block")
BLOCK, SUPERDIAGONAL = 10, 0.5
# More singular value decompositions than these would cost more than the products themselves.
WORST_AT = 40
# The variance of a state has settled by then.
_SETTLED = 40


def recurrent_matrix(kind: str, weight_scale: float, seed: int) -> Array:
    """Draw W_h with spectral radius rho = `weight_scale`: the largest modulus of an eigenvalue.

    A Gaussian or an orthogonal matrix of 100 units, or a Jordan block of 10: rho on the diagonal
    and 1/2 above it.
    """
    if kind == "Jordan block":
        return weight_scale * np.eye(BLOCK) + SUPERDIAGONAL * np.eye(BLOCK, k=1)
    w = np.random.default_rng([seed, 1]).standard_normal((PLAIN_UNITS, PLAIN_UNITS))
    if kind == "orthogonal":
        q, r = np.linalg.qr(w)
        w = q * np.sign(np.diagonal(r))
    return weight_scale * w / np.abs(np.linalg.eigvals(w)).max()


@result
class Recurrence:
    """The Jacobian dh_T/dh_t of a plain recurrent net, for t = 0..T.

    `log_typical: (T + 1,)` ln of its root-mean-square stretch ||J||_F / sqrt(n);
    `log_worst` ln of its largest singular value at the steps `worst_at`; `log_theory` the
    prediction: rho^(T - t) for the linear net, a product of sqrt(chi) for the others.
    `eigenvalues: (n,)` complex, of W_h.
    """

    activation: str
    log_typical: Array
    worst_at: Array
    log_worst: Array
    log_theory: Array
    eigenvalues: NDArray[np.complex128]

    @property
    def rho(self) -> float:
        """The spectral radius of W_h: the largest modulus of an eigenvalue."""
        return float(np.abs(self.eigenvalues).max())

    @property
    def rate(self) -> float:
        """The factor a step, exp(ln(stretch over all steps) / T)."""
        return float(np.exp(self.log_typical[0] / (len(self.log_typical) - 1)))

    @property
    def verdict(self) -> str:
        """One sentence: what is left after T steps, and what the theory says."""
        end, peak = self.log_typical[0], float(self.log_worst.max())
        by = "ρ^T" if self.activation == "linear" else "mean-field theory"
        length = len(self.log_typical) - 1
        steps = count(length, "step")
        if end == -inf:
            return f"dies: all units are off at some step; over {steps} the gradient is exactly 0."
        bulge = ""
        if peak > log(100) + max(end, 0):
            back = length - int(self.worst_at[int(self.log_worst.argmax())])
            bulge = f"; on the way the worst direction peaks at {power_of_ten(peak)}, {back} back"
        grown = f"the gradient is multiplied by {power_of_ten(end)}, {self.rate:.3f} a step"
        said = f"{by} says {power_of_ten(self.log_theory[0])}"
        # Of ρ^T nobody says more than that it is right in the end.
        linear = self.activation == "linear"
        off = "" if linear else misses(end, self.log_theory[0])
        off = off and f"; {off}"
        return f"{word(end)}: ρ = {self.rho:.2f}, over {steps} {grown}; {said}{off}{bulge}."


def recurrence(
    weight_scale: float = 0.9,
    depth: int = 100,
    matrix: str = "Gaussian",
    activation: str = "linear",
    noise: float = 0.5,
    seed: int = 0,
) -> Recurrence:
    """Run h_t = phi(W h_(t-1) + noise xi_t) for `depth` steps, and multiply its Jacobians.

    dh_T/dh_t = D_T W D_(T-1) W ... D_(t+1) W, carried as a matrix and the ln of its size.
    """
    w = recurrent_matrix(matrix, weight_scale, seed)
    n, generator = len(w), np.random.default_rng([seed, 2])
    name = "identity" if activation == "linear" else activation
    log_size, slopes = 0.0, np.empty((depth, n))
    h: Array = generator.standard_normal(n)
    for t in range(depth):
        z = w @ h + noise * np.exp(-log_size) * generator.standard_normal(n)
        h = PHI[name].value(z)
        slopes[t] = PHI[name].slope(h)
        largest = float(np.abs(h).max())
        # ReLU and the linear net are homogeneous, so a common factor changes no slope.
        if largest > 1e100:
            h, log_size = h / largest, log_size + log(largest)
    typical, worst = np.full((2, depth + 1), -inf)
    typical[depth] = worst[depth] = 0.0
    chosen = np.unique(np.linspace(0, depth, WORST_AT).round().astype(int))
    jacobian = Scaled(np.eye(n))
    for t in reversed(range(depth)):
        before = Scaled((jacobian.unit * slopes[t]) @ w, jacobian.log)
        jacobian, log_norm = before.measured()
        typical[t] = log_norm - 0.5 * log(n)
        if log_norm == -inf:
            break
        if t in chosen:
            worst[t] = jacobian.log + log(np.linalg.norm(jacobian.unit, 2))
    eigenvalues = np.linalg.eigvals(w).astype(np.complex128)
    by_rho = np.arange(depth, -1, -1) * log(np.abs(eigenvalues).max())
    predicted = by_rho if activation == "linear" else _mean_field(w, name, noise, depth)
    return Recurrence(activation, typical, chosen, worst[chosen], predicted, eigenvalues)


def _mean_field(w: Array, name: str, noise: float, depth: int) -> Array:
    """Return mean-field theory's ln of the typical stretch, (T + 1,)."""
    # The size of the entries is what it asks for, not the eigenvalues.
    sigma, phi, few = norm(w) / sqrt(len(w)), get_activation(name), min(depth, _SETTLED) + 1
    q = sigma**2 + noise**2
    logs = theory.gradient_log_ratios(q, phi.phi, phi.dphi, sigma, noise, few)
    return sums_after(np.pad(-np.diff(logs), (0, max(0, depth - _SETTLED)), mode="edge"))


def jordan_norm(t: int, eigenvalue: float = 0.9) -> float:
    """Return ||J^t||_F of the Jordan block: entry k above the diagonal is C(t, k) l^(t-k) / 2^k."""
    entries = (comb(t, k) * eigenvalue ** (t - k) * SUPERDIAGONAL**k for k in range(BLOCK))
    return sqrt(sum((BLOCK - k) * entry**2 for k, entry in enumerate(entries)))


@result
class Shares:
    """What each step adds to dL/dW_h = sum_t delta_t h_(t-1)^T, for a loss u . h_T.

    `norms: (T,)` of the terms t = 1..T; `total` the norm of their sum; `first`, `last` ||delta_1||
    and ||delta_T||.
    """

    norms: Array
    total: float
    first: float
    last: float


def weight_gradient(length: int = 50, seed: int = 0) -> Shares:
    """Split a tanh net's weight gradient by time step; torch's weights, inputs N(0, 1)."""
    seen = run(draw_cell("tanh", 0.0, 1.0, seed), sequence(length, 1.0, seed))
    generator = np.random.default_rng([seed, 10])
    dh: Array = generator.standard_normal((1, UNITS)) / sqrt(UNITS)
    terms, deltas = np.empty((length, UNITS, UNITS)), np.empty(length)
    for t, step in reversed([*enumerate(seen.steps)]):
        _, delta, dh, _ = back_step(seen.cell, step, dh, np.zeros_like(dh))
        terms[t], deltas[t] = delta.T @ step.h, norm(delta)
    norms = np.array([norm(term) for term in terms])
    return Shares(norms, norm(terms.sum(0)), deltas[0], deltas[-1])
