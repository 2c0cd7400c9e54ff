"""Stub, solution and planted wrong answers of each exercise."""

from itertools import pairwise

import numpy as np

NORM = np.linalg.norm
EXERCISES = {
    "largest_step": (
        lambda a: ...,
        lambda a: 1 / a,
        [lambda a: 2 / a, lambda a: 1 / (2 * a), lambda a: 1.0],
    ),
    "fastest": (..., "b", ["A", "C"]),
    "six_layers": (..., 2773, [4.88**6, 5 * 4.88, 4.88**4, 116]),
    "per_layer": (
        lambda speeds: None,
        lambda speeds: (speeds[0] / speeds[-1]) ** (1 / (len(speeds) - 1)),
        [
            lambda speeds: (speeds[0] / speeds[-1]) ** (1 / len(speeds)),
            lambda speeds: (speeds[-1] / speeds[0]) ** (1 / (len(speeds) - 1)),
            lambda speeds: float(np.mean([a / b for a, b in pairwise(speeds)])),
        ],
    ),
    "moved": (
        lambda start, now: ...,
        lambda start, now: NORM(now - start) / NORM(start),
        [
            lambda start, now: abs(NORM(now) - NORM(start)) / NORM(start),
            lambda start, now: NORM(now - start),
            lambda start, now: NORM(now - start) / NORM(now),
        ],
    ),
    "forward": (..., "C", ["A", "B"]),
    "learns": (..., "D", ["A", "B", "C"]),
    "flaw": (..., 3, [1, 2, 4]),
}  # fmt: skip
