"""A restricted Boltzmann machine: energy, contrastive divergence, and all of it by enumeration."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import log, nan
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from vglib import learn
from vglib.other_remedies.watched import side_by_side
from vglib.results import frozen, kept, last, result

Array = NDArray[np.float64]
Gradient = tuple[Array, Array, Array]

# Steps of learning bars and stripes, of which every tenth is recorded.
STEPS, EVERY = 400, 10
KS = (1, 2, 3, 5, 7, 10, 15, 20)


@dataclass(frozen=True, eq=False)
class RBM:
    """Visible units v and hidden units h, all 0 or 1, joined by W and by nothing else.

    E(v, h) = -a.v - b.h - h.W v,   P(v, h) = exp(-E(v, h)) / Z

    `weight` W: (n_hidden, n_visible), `visible_bias` a: (n_visible,), `hidden_bias` b: (n_hidden,).
    A step changes the arrays in place.
    Source: Hinton 2002, Training products of experts by minimizing contrastive divergence.
    """

    weight: Array
    visible_bias: Array
    hidden_bias: Array

    @property
    def parameters(self) -> tuple[Array, Array, Array]:
        """W, a and b, in the order of a gradient."""
        return self.weight, self.visible_bias, self.hidden_bias

    @classmethod
    def draw(cls, n_visible: int, n_hidden: int, weight_scale: float, seed: int) -> Self:
        """Draw W from N(0, weight_scale^2), with biases 0."""
        drawn = np.random.default_rng(seed).normal(size=(n_hidden, n_visible))
        return cls(weight_scale * drawn, np.zeros(n_visible), np.zeros(n_hidden))

    def free_energy(self, v: Array) -> Array:
        """Return F(v) = -ln sum_h exp(-E(v, h)) = -a.v - sum_j ln(1 + exp(b_j + W_j.v)); (n,)."""
        inputs = v @ self.weight.T + self.hidden_bias
        return -v @ self.visible_bias - np.logaddexp(0.0, inputs).sum(-1)

    def hidden(self, v: Array) -> Array:
        """Return P(h_j = 1 | v) = s(b_j + W_j.v): a layer of sigmoids; (n, n_hidden)."""
        return expit(v @ self.weight.T + self.hidden_bias)

    def visible(self, h: Array) -> Array:
        """Return P(v_i = 1 | h) = s(a_i + sum_j h_j W_ji): the same weights backwards."""
        return expit(h @ self.weight + self.visible_bias)


def contrastive_divergence(
    rbm: RBM, v: Array, k: int, generator: np.random.Generator, *, sample_visible: bool = True
) -> Gradient:
    """Return CD-k: mean h v^T - mean h' v'^T by W, mean v - mean v' by a, mean h - mean h' by b.

    The negative phase v', h' is taken after k steps of sampling h, then v, from the data.
    Without `sample_visible`, v' is the probability in place of a draw, as is usual for grey pixels.
    Raises ValueError for k below 1. Source: Hinton 2002, eq. 8; Hinton 2010, section 3.
    """
    if k < 1:
        raise ValueError(f"k is {k}; contrastive divergence takes at least 1 step.")
    h = model_h = rbm.hidden(v)
    n, model_v = len(v), v
    for _ in range(k):
        model_v = rbm.visible((generator.random(h.shape) < model_h).astype(float))
        if sample_visible:
            model_v = (generator.random(v.shape) < model_v).astype(float)
        model_h = rbm.hidden(model_v)
    by_weight = h.T @ v / n - model_h.T @ model_v / n
    return by_weight, v.mean(0) - model_v.mean(0), h.mean(0) - model_h.mean(0)


def downhill(gradient: Gradient) -> tuple[float, Gradient]:
    """Return a gradient of the likelihood as `vglib.learn.steps` takes that of a loss.

    The height itself, which is left out, would be a sum over all states.
    """
    by_weight, by_visible, by_hidden = gradient
    return 0.0, (-by_weight, -by_visible, -by_hidden)


# By enumeration


@lru_cache(maxsize=16)
def states(n: int) -> Array:
    """Return all states of n units, (2^n, n); ValueError for more than 16 units."""
    if n > 16:
        raise ValueError(f"{n} units have 2^{n} states; at most 16 are enumerated.")
    return frozen(((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float))


def log_likelihood(rbm: RBM, v: Array) -> float:
    """Return the mean over the rows of v of ln P(v) = -F(v) - ln Z, Z = sum_v exp(-F(v)); nats."""
    log_partition = float(logsumexp(-rbm.free_energy(states(len(rbm.visible_bias)))))
    return float(-rbm.free_energy(v).mean()) - log_partition


def probabilities(rbm: RBM) -> Array:
    """Return P(v) of every visible state, in the order of `states`; (2^n_visible,)."""
    log_p = -rbm.free_energy(states(len(rbm.visible_bias)))
    return np.exp(log_p - logsumexp(log_p))


def exact_gradient(rbm: RBM, v: Array) -> Gradient:
    """Return the gradient of the mean log likelihood, the negative phase summed over all states.

    d ln P(v)/dW = <h v^T>_data - <h v^T>_model, and likewise for the biases.
    """
    return _against(rbm, v, probabilities(rbm))


def expected_contrast(rbm: RBM, v: Array, k: int) -> Gradient:
    """Return the mean of CD-k over all its draws: the data's distribution after k steps of T.

    T(v, v') = sum_h P(h | v) P(v' | h) is applied without being built.
    """
    return _against(rbm, v, after_steps(rbm, shares(v), k))


def shares(v: Array) -> Array:
    """Return the share of the rows of v in each visible state; (2^n_visible,)."""
    index = (v @ (1 << np.arange(v.shape[1]))).astype(int)
    return np.bincount(index, minlength=2 ** v.shape[1]) / len(v)


def after_steps(rbm: RBM, p: Array, k: int) -> Array:
    """Return the distribution over the visible states after k steps of sampling h, then v."""
    up, down = _conditionals(rbm)
    for _ in range(k):
        p = (p @ up) @ down
    return p


def second_eigenvalue(rbm: RBM) -> float:
    """Return |lambda_2| of T: what is left, per step, of the distance to the model."""
    up, down = _conditionals(rbm)
    # The same step seen from the hidden units has the same nonzero eigenvalues.
    matrix = down @ up if up.shape[0] > up.shape[1] else up @ down
    return float(np.sort(np.abs(np.linalg.eigvals(matrix)))[-2])


def _conditionals(rbm: RBM) -> tuple[Array, Array]:
    """Return P(h | v) over all pairs of states, (2^n_visible, 2^n_hidden), and P(v | h)."""
    v, h = states(len(rbm.visible_bias)), states(len(rbm.hidden_bias))
    return _of_all_states(rbm.hidden(v)), _of_all_states(rbm.visible(h))


def _of_all_states(p: Array) -> Array:
    """Return the probability of each state of independent units; (n, units) to (n, 2^units)."""
    found = np.ones((2 ** p.shape[1], len(p)))
    for unit, one in enumerate(p.T):
        off, on = found[: 2**unit], found[2**unit : 2 ** (unit + 1)]
        np.multiply(off, one, out=on)
        off *= 1 - one
    return found.T


def _against(rbm: RBM, v: Array, p: Array) -> Gradient:
    every = states(len(rbm.visible_bias))
    h, model_h = rbm.hidden(v), rbm.hidden(every)
    weighted = p[:, None] * every
    by_weight = h.T @ v / len(v) - model_h.T @ weighted
    return by_weight, v.mean(0) - weighted.sum(0), h.mean(0) - p @ model_h


def contrast_errors(rbm: RBM, v: Array, ks: tuple[int, ...]) -> Array:
    """Return ||mean of CD-k - exact gradient||, over all parameters, for each of the rising ks."""
    exact = exact_gradient(rbm, v)
    p, before, errors = shares(v), 0, []
    for k in ks:
        p, before = after_steps(rbm, p, k - before), k
        found = _against(rbm, v, p)
        errors.append(learn.whole_norm([a - b for a, b in zip(found, exact, strict=True)]))
    return np.array(errors)


# Bars and stripes, with everything counted out


@lru_cache(maxsize=1)
def bars_and_stripes() -> Array:
    """Return the 14 pictures of 3x3 that consist of whole rows or of whole columns; (14, 9)."""
    lines = states(3)
    rows, columns = np.repeat(lines, 3, axis=1), np.tile(lines, (1, 3))
    return np.unique(np.concatenate([rows, columns]), axis=0)


@result
class Learning:
    """A small RBM that learned bars and stripes, once by CD-k and once by the exact gradient.

    `steps`, `by_contrast`, `by_exact`: (n_records,) the mean log likelihood in nats of both, nan
    where they have not come to; `start_errors`, `end_errors`: (len(KS),) the length of the mean of
    CD-k minus the exact gradient, for each of KS, before CD-k's run and after it; `eigenvalue`:
    |lambda_2| at the end; `likeliest`: (16, 9) the most probable pictures of the CD-k machine;
    `mass`: the probability that it gives the 14 pictures of the data.
    """

    k: int
    steps: NDArray[np.int64]
    by_contrast: Array
    by_exact: Array
    start_errors: Array
    end_errors: Array
    eigenvalue: float
    likeliest: Array
    mass: float

    @property
    def known(self) -> int:
        """The last record that both have come to."""
        return int(np.isfinite(self.by_contrast + self.by_exact).sum()) - 1

    @property
    def done(self) -> bool:
        """Whether both have come to their end."""
        return self.known == len(self.steps) - 1

    @property
    def ceiling(self) -> float:
        """The mean log likelihood of a model that gives each of the 14 pictures 1/14."""
        return -log(len(bars_and_stripes()))

    @property
    def theory(self) -> Array:
        """The errors at the end as |lambda_2|^k has them, through the last one; (len(KS),)."""
        return self.end_errors[-1] * self.eigenvalue ** (np.array(KS) - KS[-1])

    @property
    def verdict(self) -> str:
        """One sentence: how wrong CD-k is, first and last, and what that cost."""
        place, known = KS.index(self.k), self.known
        by_now = f"after {self.steps[known]} steps", "is at"
        when, comes = ("at the end", "ends at") if self.done else by_now
        return (
            f"The mean of CD-{self.k} misses the true gradient by {self.start_errors[place]:.2g} "
            f"at the start and by {self.end_errors[place]:.2g} {when}, where each further step "
            f"of sampling leaves {self.eigenvalue:.0%} of the error; the log likelihood {comes} "
            f"{self.by_contrast[known]:.2f}, with the true gradient at "
            f"{self.by_exact[known]:.2f} (no model has more than {self.ceiling:.2f})."
        )


def learning(
    k: int = 1, hidden: int = 6, weight_scale: float = 0.1, seed: int = 0
) -> Iterator[Learning]:
    """Let an RBM of 9 visible units learn bars and stripes for 400 steps, twice from one start.

    Each step is W <- W + 0.6 g with g the mean of CD-k over all its draws, or the exact gradient.
    Raises ValueError for a k that is not one of KS.
    """
    if k not in KS:
        raise ValueError(f"k is {k}; choose one of {', '.join(map(str, KS))}.")
    v, kind = bars_and_stripes(), (hidden, weight_scale, seed)
    start_errors = contrast_errors(RBM.draw(v.shape[1], *kind), v, KS)
    steps = np.arange(0, STEPS + 1, EVERY)
    for (learned, by_contrast), (_, by_exact) in side_by_side(climb(k, *kind), climb(0, *kind)):
        p = probabilities(learned)
        likeliest = states(v.shape[1])[np.argsort(-p, kind="stable")[:16]]
        eigenvalue, mass = second_eigenvalue(learned), float(p[shares(v) > 0].sum())
        curves = steps, by_contrast, by_exact, start_errors, contrast_errors(learned, v, KS)
        yield Learning(k, *curves, eigenvalue, likeliest, mass)


@kept(64)
def climb(k: int, hidden: int, weight_scale: float, seed: int) -> Iterator[tuple[RBM, Array]]:
    """Yield a machine as it learns by CD-k, k = 0 for the exact gradient, and its record so far.

    The machine is one and the same, and kept: nobody may change it.
    """
    v = bars_and_stripes()
    rbm = RBM.draw(v.shape[1], hidden, weight_scale, seed)
    record = np.full(STEPS // EVERY + 1, nan)
    record[0] = log_likelihood(rbm, v)

    def gradient() -> tuple[float, Gradient]:
        return downhill(expected_contrast(rbm, v, k) if k else exact_gradient(rbm, v))

    for step in learn.steps(rbm.parameters, gradient, [()] * STEPS, lr=0.6):
        if step.taken % EVERY == 0:
            record[step.taken // EVERY] = log_likelihood(rbm, v)
        if step.taken % (STEPS // 8) == 0:
            yield rbm, record.copy()


def error_growth(seed: int) -> float:
    """Return how many times as much CD-1 misses of the gradient after its own run as before."""
    v, kind = bars_and_stripes(), (6, 0.1, seed)
    machines = last(climb(1, *kind))[0], RBM.draw(v.shape[1], *kind)
    after, before = (float(contrast_errors(machine, v, (1,))[0]) for machine in machines)
    return after / before
