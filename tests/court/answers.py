"""Stub, solution and planted wrong answers of chapter 13's exercises."""

import statistics


def decide(values, predicted, rival, slack):
    median = statistics.median(values)
    if abs(median - predicted) > slack:
        return "disagrees"
    return "decides nothing" if abs(median - rival) <= slack else "agrees"


def by_mean(values, predicted, rival, slack):
    mean = sum(values) / len(values)
    if abs(mean - predicted) > slack:
        return "disagrees"
    return "decides nothing" if abs(mean - rival) <= slack else "agrees"


EXERCISES = {
    "guess_grid": (..., "C", ["A", "B"]),
    "decide": (
        lambda values, predicted, rival, slack: ...,
        decide,
        [
            by_mean,
            lambda values, predicted, rival, slack: (
                "agrees" if abs(statistics.median(values) - predicted) <= slack else "disagrees"
            ),
        ],
    ),
    "by_luck": (..., 0.163, [0.3, 0.00243, 0.132]),
    "flaw": (..., 3, [1, 2, 4]),
}
