"""Stub, solution and planted wrong answers of the exercises on what scales."""

from math import ceil, floor, log, log2

import numpy as np


def slope(widths, changes):
    return float(np.polyfit(np.log(widths), np.log(changes), 1)[0])


def one_round(matrix):
    matrix = matrix / matrix.sum(axis=0)
    return matrix / matrix.sum(axis=1, keepdims=True)


EXERCISES_TODAY = {
    "guess_mixers": (..., "c", ["A", "B"]),
    "guess_wider": (..., "C", ["A", "B"]),
    "guess_lost": (..., "C", ["A", "B"]),
    "coordinate_check": (
        lambda widths, changes: ...,
        slope,
        [
            lambda widths, changes: float(np.polyfit(widths, changes, 1)[0]),
            lambda widths, changes: float(np.polyfit(np.log(changes), np.log(widths), 1)[0]),
            lambda widths, changes: log(changes[-1] / changes[0]) / log(widths[-1] / widths[0]),
        ],
    ),
    "sinkhorn_round": (
        lambda matrix: None,
        one_round,
        [
            lambda matrix: one_round(matrix.T).T,
            lambda matrix: matrix / matrix.sum(axis=0) / matrix.sum(axis=1, keepdims=True),
            lambda matrix: matrix / matrix.sum(axis=0),
        ],
    ),
    "loss_scale": (
        lambda largest, limit: ...,
        lambda largest, limit: 2.0 ** floor(log2(limit / largest)),
        [
            lambda largest, limit: limit / largest,
            lambda largest, limit: 2.0 ** ceil(log2(limit / largest)),
            lambda largest, limit: 2.0 ** floor(log2(limit)),
        ],
    ),
}
