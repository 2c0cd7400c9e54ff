"""Exercises of chapter 02."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from vglib.chain_rule.chain import SIGMOID
from vglib.chain_rule.width import critical_width
from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake

typical = ChoiceExercise(
    "typical",
    correct="B",
    why={
        "A": "|w| < 1 has probability 0.68 only: some factors do exceed 1/4.",
        "B": "most products stay far below it: large factors are rare, small ones are not.",
        "C": "half would need factors that exceed 1/4 as often as not.",
    },
)


def _factor(w: float, a: float, b: float) -> float:
    z = w * a + b
    return float(w * expit(z) * expit(-z))


factor = FunctionExercise(
    "factor",
    "return w s'(wa + b).",
    reference=_factor,
    cases=[(1.0, 0.0, 0.0), (2.0, 0.5, 0.0), (-3.0, 1.0, 0.5), (4.0, 0.5, -2.0)],
    random=lambda rng: tuple(rng.normal(size=3)),
    hint="Is w there, is it s' and not s, and is b inside z?",
    praise="one term of the chain rule.",
)


def _chain_gradient(weights: Sequence[float], a: float) -> float:
    product = 1.0
    for w in weights:
        product, a = product * _factor(w, a, 0.0), float(expit(w * a))
    return product


chain_gradient = FunctionExercise(
    "chain_gradient",
    "return the product of all factors.",
    reference=_chain_gradient,
    cases=[([1.0], 0.0), ([2.0], 1.0), ([1.0, 1.0], 0.0), ([2.0, -1.0, 3.0], 0.5)],
    random=lambda rng: (list(rng.normal(size=rng.integers(1, 5))), float(rng.normal())),
    domain=lambda weights, a: len(weights) > 0,
    hint="The next neuron's input is s(z), not z.",
    praise="forward for the z, multiply on the way.",
)

width = NumberExercise(
    "width",
    "give a whole number.",
    expected=lambda: critical_width(SIGMOID.phi, SIGMOID.dphi),
    rtol=0.15,
    near={
        16: "That holds if every slope were 1/4; most units are saturated.",
        lambda n: n < 60: "More: the mean of s'^2 is well below 1/16.",
        lambda n: n > 200: "Fewer: look where the measured ratio passes 1.",
    },
    hint="Move the width until the lab says 'holds'.",
    praise="so 'N(0, 1) vanishes' is a statement about narrow layers.",
)


def _random_layer(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, m = rng.integers(1, 4, size=2)
    return rng.normal(size=(m, n)), rng.normal(size=m), rng.uniform(-0.1, 1, size=n)


layer_delta = FunctionExercise(
    "layer_delta",
    "return delta of the layer before.",
    reference=lambda weight, delta, slope: slope * (weight.T @ delta),
    cases=[
        (np.array([[2.0]]), np.array([1.0]), np.array([0.25])),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0]), np.array([1.0, 0.5])),
    ],
    random=_random_layer,
    domain=lambda weight, delta, slope: np.shape(weight) == (len(delta), len(slope)),
    hint="W transposed takes delta back; the slopes multiply entry by entry.",
    praise="diag(phi'(z)) W^T delta, without building the diagonal matrix.",
)

flaw = first_mistake(
    correct=2,
    why={
        1: "this is so: s' has its maximum 1/4 at z = 0.",
        2: "in a layer of n units n paths add up: ‖∂L/∂z‖² is multiplied by n Var(w) E s'(z)², not "
        "by one (w s')².",
        3: "true of one path; the first mistake comes before.",
        4: "it follows from the lines before; look for the first mistake.",
    },
)
