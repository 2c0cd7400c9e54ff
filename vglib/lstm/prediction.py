"""The theory of gated cells at the start of training: a step's two paths, and their product."""

from math import log, sqrt

import numpy as np
from scipy.special import expit, logsumexp

from vglib.lstm.cells import INPUTS, UNITS, Array

# Nodes of the averages over a Gaussian and over the circle of eigenvalues.
_U = np.linspace(-8, 8, 161)
_P = np.exp(-(_U**2) / 2) / np.exp(-(_U**2) / 2).sum()
_COS = np.cos((np.arange(400) + 0.5) * np.pi / 400)


def lstm_factors(
    forget_bias: float, weight_scale: float, length: int, inputs: float = 1.0, **fixed: float
) -> Array:
    """Predict the mean forget gate and the strength kappa of the h-path at each step, (2, T).

    The Jacobian of a step is about f 1 + kappa M, where M has entries N(0, 1/n):
    kappa_t = sigma_w E(i) E(1 - g^2) E(o) E(1 - tanh^2 c), all means over Gaussian sums of the
    variance that the forward pass has by then; sigma_w^2 = scale^2 / 3 for torch's U(+-1/sqrt n).
    """
    held = {name: np.full_like(_U, value) for name, value in fixed.items()}
    var_w = weight_scale**2 / 3
    var_in = var_w * inputs**2 * INPUTS / UNITS
    var_c, mean_sq_h, read = 0.0, 0.0, 0.0
    f, kappa = factors = np.empty((2, length))
    for t in range(length):
        z = sqrt(var_in + var_w * mean_sq_h) * _U
        gates = {"f": expit(z + forget_bias), **dict.fromkeys("io", expit(z)), **held}
        forget, i, o = (gates[name] for name in "fio")
        mean_sq_g = _P @ np.tanh(z) ** 2
        f[t] = _P @ forget
        kappa[t] = sqrt(var_w) * read * (_P @ i) * (1 - mean_sq_g)
        var_c = (_P @ forget**2) * var_c + (_P @ i**2) * mean_sq_g
        mean_sq_tanh = _P @ np.tanh(sqrt(var_c) * _U) ** 2
        read = (_P @ o) * (1 - mean_sq_tanh)
        mean_sq_h = (_P @ o**2) * mean_sq_tanh
    return factors


def gru_factors(update_bias: float, weight_scale: float, length: int) -> Array:
    """Predict mean z and kappa of a GRU as `lstm_factors` does: J is about z 1 + kappa M.

    kappa = sigma_w E(1 - z) E(1 - n^2) E(r).
    """
    var_w = weight_scale**2 / 3
    var_in, mean_sq_h = var_w * INPUTS / UNITS, 0.0
    keep, kappa = factors = np.empty((2, length))
    for t in range(length):
        root = sqrt(var_in + var_w * mean_sq_h)
        z, r = expit(root * _U + update_bias), expit(root * _U)
        inner = sqrt(var_in + (_P @ r**2) * var_w * mean_sq_h)
        mean_sq_n = _P @ np.tanh(inner * _U) ** 2
        keep[t] = _P @ z
        kappa[t] = sqrt(var_w) * (1 - keep[t]) * (1 - mean_sq_n) * (_P @ r)
        mean_sq_h = (_P @ z**2) * mean_sq_h + (_P @ (1 - z) ** 2) * mean_sq_n
    return factors


def sums_after(steps: Array) -> Array:
    """Return sum_(s > t) of the steps (T, ...), along their first axis, for t = 0..T."""
    return np.concatenate([np.cumsum(steps[::-1], axis=0)[::-1], np.zeros_like(steps[:1])])


def log_products(logs: Array) -> Array:
    """Return ln of the rms over units of prod_(s > t) k_s, t = 0..T, of ln k_s: (T, units)."""
    return 0.5 * (logsumexp(2 * sums_after(logs), axis=1) - log(logs.shape[1]))


def kept_by_gates(bias: float) -> float:
    """Predict ln of the factor a step of a state that gates alone carry: ln E(k^2) / 2.

    k = sigmoid(bias + u), u ~ N(0, 1/3), as torch's weights make it of inputs N(0, 1).
    """
    return 0.5 * log(_P @ expit(bias + _U / sqrt(3)) ** 2)


def two_paths(keep: Array, kappa: Array) -> Array:
    """Return ln of the rms stretch of prod_(s > t) (keep_s 1 + kappa_s M) for t = 0..T.

    M is Gaussian and the same at each step, so ||J||^2 / n is the average over the circle of
    prod |keep + kappa e^(i theta)|^2 = prod (keep^2 + kappa^2 + 2 keep kappa cos theta).
    """
    with np.errstate(divide="ignore"):
        steps = np.log((keep**2 + kappa**2)[:, None] + 2 * (keep * kappa)[:, None] * _COS)
    return 0.5 * (logsumexp(sums_after(steps), axis=1) - log(len(_COS)))
