"""Stub, solution and planted wrong answers of each exercise of chapter 12."""

from tests.attention.answers_today import EXERCISES_TODAY

EXERCISES = {
    "softmax_back": (
        lambda weights, by_weights: ...,
        lambda weights, by_weights: weights * by_weights - weights * (weights @ by_weights),
        [
            lambda weights, by_weights: weights * (1 - weights) * by_weights,
            lambda weights, by_weights: weights * (by_weights - by_weights.mean()),
            lambda weights, by_weights: by_weights - weights @ by_weights,
        ],
    ),
    "branch_scale": (
        lambda layers, tokens, cosine: None,
        lambda layers, tokens, cosine: (
            (((1 + (tokens - 1) * cosine) / (1 - cosine)) ** (1 / layers) - 1) ** 0.5
        ),
        [
            lambda layers, tokens, cosine: layers**-0.5,
            lambda layers, tokens, cosine: (
                ((1 + (tokens - 1) * cosine) / (1 - cosine)) ** (1 / layers) - 1
            ),
            lambda layers, tokens, cosine: (
                (((1 + tokens * cosine) / (1 - cosine)) ** (1 / layers) - 1) ** 0.5
            ),
        ],
    ),
    "guess_step": (..., "c", ["A", "B"]),
    "guess_rows": (..., "B", ["A", "C"]),
    "flaw": (..., 3, [1, 2, 4, 5]),
} | EXERCISES_TODAY
