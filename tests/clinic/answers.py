"""Stubs, solutions and planted wrong answers of chapter 11's exercises."""

import numpy as np


def detector(gradients: list[float], losses: list[float]) -> bool:
    fall = 1 - losses[-1] / losses[0]
    first, last = gradients[0], gradients[-1]
    vanished = first < 1e-3 * last and fall < 0.3
    grows = first > 2 * last > 0
    return not max(losses) < 2 * losses[0] or fall < 0.05 or vanished or grows


EXERCISES = {
    "guess_unit": (..., "C", ["A", "B"]),
    "guess_slip": (..., "d", ["A", "B", "C"]),
    "guess_nan": (..., "B", ["A", "C"]),
    "relative_error": (
        lambda a, b: ...,
        lambda a, b: abs(a - b) / max(abs(a), abs(b), 1e-300),
        [
            lambda a, b: abs(a - b),
            lambda a, b: abs(a - b) / abs(b) if b else 0.0,
            lambda a, b: abs(a - b) / (abs(a) + abs(b) + 1e-8),
            lambda a, b: (a - b) / max(abs(a), abs(b), 1e-300),
        ],
    ),
    "best_h": (..., 6.7e-6, [1e-8, 1e-4, 1e-2]),
    "first_ratio": (
        lambda lr, fan_in: ...,
        lambda lr, fan_in: lr / np.sqrt(2 / fan_in),
        [
            lambda lr, fan_in: lr,
            lambda lr, fan_in: lr * np.sqrt(fan_in),
            lambda lr, fan_in: lr * np.sqrt(2 / fan_in),
        ],
    ),
    "detector": (
        lambda gradients, losses: ...,
        detector,
        [
            lambda gradients, losses: min(gradients) < 1e-7,
            lambda gradients, losses: losses[-1] > losses[0],
            lambda gradients, losses: True,
            lambda gradients, losses: gradients[0] < 1e-3 * gradients[-1],
        ],
    ),
    "flaw": (..., 3, [1, 2, 4]),
}
