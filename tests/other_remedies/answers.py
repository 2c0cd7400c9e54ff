"""Stub, solution and wrong answers of the exercises of chapter 10."""

import numpy as np

from vglib.other_remedies import check  # noqa: F401

# Pretraining


def _s(z):
    return 1 / (1 + np.exp(-z))


PRETRAINING = {
    "guess_pretraining": (..., "c", ["A", "B"]),
    "guess_shuffle": (..., "B", ["A", "C"]),
    "rebuild": (
        lambda W, b, c, x: ...,
        lambda W, b, c, x: _s(W.T @ _s(W @ x + b) + c),
        [
            lambda W, b, c, x: W.T @ _s(W @ x + b) + c,
            lambda W, b, c, x: _s(W.T @ (W @ x + b) + c),
            lambda W, b, c, x: _s(W.T @ _s(W @ x + b)),
        ],
    ),
    "free_energy": (
        lambda W, visible_bias, hidden_bias, v: None,
        lambda W, visible_bias, hidden_bias, v: (
            -visible_bias @ v - np.logaddexp(0, W @ v + hidden_bias).sum()
        ),
        [
            lambda W, visible_bias, hidden_bias, v: (
                -visible_bias @ v - np.log(1 + np.exp((W @ v + hidden_bias).sum()))
            ),
            lambda W, visible_bias, hidden_bias, v: (
                visible_bias @ v + np.logaddexp(0, W @ v + hidden_bias).sum()
            ),
            lambda W, visible_bias, hidden_bias, v: (
                -visible_bias @ v - np.maximum(0, W @ v + hidden_bias).sum()
            ),
        ],
    ),
    "terms": (..., 2**20, [2**84, 2.0**64, 84, 1000]),
}


# The step: optimisers, schedules, scaling

THE_STEP = {
    "guess_adam": (..., "c", ["A", "B"]),
    "adam_first_step": (
        lambda g, lr, eps: ...,
        lambda g, lr, eps: lr * g / (np.abs(g) + eps),
        [
            lambda g, lr, eps: lr * np.sign(g),
            lambda g, lr, eps: lr * g / np.sqrt(g**2 + eps),
            lambda g, lr, eps: lr * 0.1 * g / (np.sqrt(0.001 * g**2) + eps),
        ],
    ),
    "guess_jump": (..., "C", ["A", "B"]),
    "after_jump": (
        lambda k, beta1, beta2: ...,
        lambda k, beta1, beta2: (1 - beta1**k) / np.sqrt(1 - beta2**k),
        [
            lambda k, beta1, beta2: (1 - beta1) / np.sqrt(1 - beta2),
            lambda k, beta1, beta2: (1 - beta1**k) / (1 - beta2**k),
            lambda k, beta1, beta2: 1.0,
        ],
    ),
    "muon_step": (
        lambda X, a, b, c: ...,
        lambda X, a, b, c: X @ (a * np.eye(len(X.T)) + b * X.T @ X + c * (X.T @ X) @ (X.T @ X)),
        [
            lambda X, a, b, c: a * X + b * X**3 + c * X**5,
            lambda X, a, b, c: a * X + (b * X @ X.T + c * (X @ X.T) ** 2) @ X,
            lambda X, a, b, c: a * X + b * X @ X.T @ X,
        ],
    ),
    "warm_cosine": (
        lambda step, peak, warm, total: None,
        lambda step, peak, warm, total: (
            peak * (step + 1) / warm
            if step < warm
            else peak / 2 * (1 + np.cos(np.pi * (step - warm) / (total - warm)))
        ),
        [
            lambda step, peak, warm, total: peak * min(1.0, (step + 1) / max(warm, 1)),
            lambda step, peak, warm, total: (
                peak * step / warm
                if step < warm
                else peak / 2 * (1 + np.cos(np.pi * (step - warm) / (total - warm)))
            ),
            lambda step, peak, warm, total: (
                peak * (step + 1) / warm
                if step < warm
                else peak / 2 * (1 + np.cos(np.pi * step / total))
            ),
        ],
    ),
    "guess_edge": (..., "B", ["A", "C"]),
    "growing": (
        lambda lr, curvatures: ...,
        lambda lr, curvatures: len([c for c in curvatures if c < 0 or lr * c > 2]),
        [
            lambda lr, curvatures: len([c for c in curvatures if lr * c > 2]),
            lambda lr, curvatures: len([c for c in curvatures if c < 0 or lr * c >= 2]),
            lambda lr, curvatures: len([c for c in curvatures if abs(lr * c) > 2]),
        ],
    ),
    "largest_step": (..., 0.009805, [0.0196, 1.0, 0.0099]),
    "flaw_adam": (..., 4, [1, 2, 3]),
}

# The tournament

TOURNAMENT = {
    "guess_tournament": (..., "B", ["A", "C"]),
    "cured": (
        lambda accuracy, broken, bar: ...,
        lambda accuracy, broken, bar: sorted(
            n for n, a in accuracy.items() if a >= bar and not broken[n]
        ),
        [
            lambda accuracy, broken, bar: sorted(n for n, a in accuracy.items() if a >= bar),
            lambda accuracy, broken, bar: sorted(
                n for n, a in accuracy.items() if a > bar and not broken[n]
            ),
            lambda accuracy, broken, bar: [
                n for n, a in accuracy.items() if a >= bar and not broken[n]
            ],
            # The bar typed in, and the two paired by their places.
            lambda accuracy, broken, bar: sorted(
                n for n, a in accuracy.items() if a >= 0.8 and not broken[n]
            ),
            lambda accuracy, broken, bar: sorted(
                n
                for (n, a), b in zip(accuracy.items(), broken.values(), strict=True)
                if a >= bar and not b
            ),
        ],
    ),
    "flaw_l2": (..., 3, [1, 2, 4]),
}

EXERCISES = {**PRETRAINING, **THE_STEP, **TOURNAMENT}
