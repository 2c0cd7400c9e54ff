"""Stub, solution and planted wrong answers of each exercise of chapter 08."""

from math import exp, log

EXERCISES = {
    "guess_rho": (..., "b", ["A", "C"]),
    "bptt": (
        lambda w, xs: ...,
        lambda w, xs: sum(
            w ** (len(xs) - t) * sum(w ** (t - 1 - s) * xs[s - 1] for s in range(1, t))
            for t in range(1, len(xs) + 1)
        ),
        [
            lambda w, xs: sum(w ** (len(xs) - t) * xs[t - 1] for t in range(1, len(xs) + 1)),
            lambda w, xs: sum(w ** (len(xs) - 1 - s) * xs[s - 1] for s in range(1, len(xs))),
            lambda w, xs: len(xs) * w ** (len(xs) - 1) if xs else 0.0,
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
    "guess_cell": (..., "C", ["A", "B"]),
    "direct_path": (
        lambda gates: None,
        lambda gates: [_product(gates[t:]) for t in range(len(gates) + 1)],
        [
            lambda gates: [_product(gates[:t]) for t in range(len(gates) + 1)],
            lambda gates: [_product(gates[t:]) for t in range(len(gates))],
            lambda gates: [gates[0] ** (len(gates) - t) for t in range(len(gates) + 1)],
        ],
    ),
    "bias_for": (
        lambda share, steps: ...,
        lambda share, steps: log(share ** (1 / steps) / (1 - share ** (1 / steps))),
        [
            lambda share, steps: log(share / (1 - share)),
            lambda share, steps: share ** (1 / steps),
            lambda share, steps: 1 / (1 + exp(-(share ** (1 / steps)))),
        ],
    ),
    "guess_state": (..., "B", ["A", "C"]),
    "combine": (
        lambda a1, b1, a2, b2: ...,
        lambda a1, b1, a2, b2: (a2 * a1, b2 + a2 * b1),
        [
            lambda a1, b1, a2, b2: (a1 * a2, b1 + b2),
            lambda a1, b1, a2, b2: (a1 * a2, a1 * b2 + b1),
            lambda a1, b1, a2, b2: (a1 + a2, a2 * b1 + b2),
        ],
    ),
}


def _product(numbers):
    product = 1.0
    for number in numbers:
        product *= number
    return product
