"""Exercises of chapter 13."""

from math import comb

import numpy as np

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake

guess_grid = ChoiceExercise(
    "my_grid",
    correct="C",
    why={
        "A": "that is the lead at a rate that suits ReLU, and not the sigmoid.",
        "B": "so it would be if the sigmoid's best rate were nearly the one that was tried.",
        "C": "the sigmoid needs a rate ten times as large; there it reads nine digits of ten too.",
    },
)


def _decide(values: list[float], predicted: float, rival: float, slack: float) -> str:
    median = float(np.median(values))
    if abs(median - predicted) > slack:
        return "disagrees"
    return "agrees" if abs(median - rival) > slack else "decides nothing"


def _random_trial(rng: np.random.Generator) -> tuple[list[float], float, float, float]:
    predicted, rival = (float(x) for x in rng.integers(-4, 5, 2))
    values = [float(x) for x in rng.integers(-4, 5, 5)]
    return values, predicted, rival, float(rng.integers(0, 3)) + 0.5


decide = FunctionExercise(
    "decide",
    'return "agrees", "disagrees" or "decides nothing".',
    reference=_decide,
    cases=[
        ([1.0, 1.0, 1.0, 1.0, 9.0], 1.0, 5.0, 0.5),
        ([1.0, 2.0, 3.0, 4.0, 5.0], 1.0, 5.0, 0.5),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 1.0, 3.0, 1.0),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 1.0, 3.0, 0.5),
        ([1.5, 1.5, 1.5, 1.5, 1.5], 1.0, 5.0, 0.5),
        ([4.0, 4.0, 4.0, 4.0, 4.0], 1.0, 4.0, 0.5),
        ([0.0, 0.0, 0.0, 0.0, 100.0], 0.0, 20.0, 1.0),
        ([-2.0, -2.0, -2.0, -2.0, -2.0], -2.0, -4.0, 1.5),
        ([-1.0, -1.0, -1.0, -1.0, -1.0], -1.0, 1.0, 0.5),
        ([-1.0, -1.0, -1.0, -1.0, -1.0], -1.0, 0.0, 0.5),
        ([1.0, 1.0, 1.0, 1.0, 1.0], 1.0, -1.0, 0.5),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 0.0, -2.0, 0.5),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 0.5, 9.0, 2.0),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 0.5, 3.5, 2.0),
    ],
    random=_random_trial,
    domain=lambda values, predicted, rival, slack: len(values) > 0 and slack >= 0,
    hint="First the median against the prediction; only what agrees is held against the rival.",
    praise="a trial that would have pleased the rival as well has decided nothing.",
)

by_luck = NumberExercise(
    "by_luck",
    "give the chance that the median of five runs is a success.",
    expected=lambda: sum(comb(5, k) * 0.3**k * 0.7 ** (5 - k) for k in (3, 4, 5)),
    rtol=0.02,
    near={
        0.3: "That is the chance of one run.",
        0.3**5: "That is the chance that all five succeed; three are enough for the median.",
        0.3**3: "These are three given runs; any three of the five will do, or more.",
        10 * 0.3**3 * 0.7**2: "That is exactly three; four and five count too.",
    },
    hint="The median succeeds where at least three of five runs do: a binomial sum.",
    praise="five seeds halve the chance to be fooled; a spread shown beside it does the rest.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "right: so it was measured, a median of 20% over five seeds at the best of the three.",
        2: "right: four times the weights reach 85% in 300 steps.",
        3: "three rates within one factor of ten, and one budget: what follows is 'not at these "
        "rates, in these steps'.",
        4: "it would follow from line 3; but line 3 does not follow from the first two.",
    },
)
