"""Exercises of chapter 10."""

from math import cos, pi
from typing import Any

import numpy as np
from scipy.special import expit

from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise
from vglib.other_remedies import first_step
from vglib.other_remedies.bowl import bowl_hessian

Array = np.ndarray


def _guess(name: str, correct: str, **why: str) -> ChoiceExercise:
    return ChoiceExercise(name, correct=correct, why=why)


def _flaw(name: str, correct: int, *why: str) -> ChoiceExercise:
    task, by_line = "name the line with the first mistake.", dict(enumerate(why, 1))
    return ChoiceExercise(name, task, correct=correct, why=by_line)


def _whole(generator: np.random.Generator, *shapes: Any) -> tuple[Array, ...]:
    return tuple(generator.integers(-3, 4, shape).astype(float) for shape in shapes)


# Pretraining

guess_pretraining = _guess(
    "my_pretraining",
    "C",
    A="no label was used, and still every layer has changed: it now passes differences on.",
    B="it is more than half: once gradients arrive, descent does the rest.",
    C="the copying layers pass differences forward and gradients back, and descent works.",
)

guess_shuffle = _guess(
    "my_shuffle",
    "B",
    A="the features are gone, the size of the weights is not: look at the spread of h.",
    B="the size of the weights saves the training, the features save epochs.",
    C="look at the first ten epochs: what the layers had learned is worth much there.",
)


def _rebuild(W: Array, b: Array, c: Array, x: Array) -> Array:
    h = expit(W @ x + b)
    return expit(W.T @ h + c)


rebuild = FunctionExercise(
    "rebuild",
    "return y, what the layer makes of x when it is run up and then down.",
    reference=_rebuild,
    cases=[
        (np.array([[1.0]]), np.array([0.0]), np.array([0.0]), np.array([1.0])),
        (np.array([[2.0, -1.0]]), np.array([1.0]), np.array([0.0, 0.5]), np.array([1.0, 0.0])),
    ],
    random=lambda generator: _whole(generator, (2, 3), 2, 3, 3),
    domain=lambda W, b, c, x: W.shape == (len(b), len(x)) and len(c) == len(x),
    hint="h = s(W x + b) on the way up, y = s(Wᵀ h + c) on the way down.",
    praise="the same weights both ways; that is why each of them is used twice.",
)


def _free_energy(W: Array, visible_bias: Array, hidden_bias: Array, v: Array) -> float:
    return float(-visible_bias @ v - np.logaddexp(0, W @ v + hidden_bias).sum())


def _free_energy_case(generator: np.random.Generator) -> tuple[Array, ...]:
    return (*_whole(generator, (2, 3), 3, 2), generator.integers(0, 2, 3).astype(float))


free_energy = FunctionExercise(
    "free_energy",
    "return F(v) = -ln of the sum over h of exp(-E(v, h)).",
    reference=_free_energy,
    cases=[
        (np.array([[0.0]]), np.array([0.0]), np.array([0.0]), np.array([0.0])),
        (np.array([[2.0]]), np.array([1.0]), np.array([-1.0]), np.array([1.0])),
        (np.array([[900.0]]), np.array([0.0]), np.array([0.0]), np.array([1.0])),
    ],
    random=_free_energy_case,
    domain=lambda W, visible_bias, hidden_bias, v: (
        W.shape == (len(hidden_bias), len(v))
        and len(visible_bias) == len(v)
        and set(v) <= {0.0, 1.0}
    ),
    hint="The sum over h factorises: -a·v - Σ ln(1 + exp(b_j + W_j·v)). For large inputs take "
    "np.logaddexp(0, z).",
    praise="2 to the number of hidden units terms, in one line.",
)

terms = NumberExercise(
    "terms",
    "give the number of terms of the sum.",
    expected=2.0**20,
    rtol=1e-6,
    near={
        2.0**84: "Sum one layer in closed form, as in F(v).",
        2.0**64: "That is right for the visible layer; the hidden one is smaller.",
        84.0: "Each unit doubles the number of states.",
    },
    hint="Sum over the states of the smaller layer; the other layer's sum factorises.",
    praise="a million terms, where all pairs of states would be 2⁸⁴.",
)


# The step: optimisers, schedules, scaling

guess_adam = _guess(
    "my_adam",
    "C",
    A="that is SGD. Adam moves every layer from the first step on.",
    B="so it looks for thousands of steps, at two digits of ten; most starts go on from there.",
    C="at first hardly any of the step knows which image has which label; most starts, not all, "
    "come through it.",
)

adam_first_step = FunctionExercise(
    "adam_first_step",
    "return what Adam's first step subtracts from the weights.",
    reference=first_step.adam_first_step,
    cases=[
        (np.array([3.0, -0.5]), 0.1, 1e-8),
        (np.array([1.0, -1e-8]), 1.0, 1e-8),
        (np.array([1e-12, 2.0]), 0.01, 1e-8),
        (np.array([0.0, 1.0]), 0.1, 1e-8),
        (np.array([2.0, -1.0]), 3.0, 2.0),
    ],
    random=lambda rng: (rng.normal(size=3), float(10 ** rng.uniform(-3, 1)), 1e-8),
    domain=lambda g, lr, eps: lr > 0 and eps > 0,
    hint="After one step both averages, divided by 1 - β, are g and g²; so lr g / (√g² + ε).",
    praise="lr in the gradient's direction, entry by entry, unless the entry is near ε.",
)

guess_jump = _guess(
    "my_jump",
    "C",
    A="Adam divides by √s, and s still remembers the quiet: after one step it holds 1/1000 of g².",
    B="that is the first step, 0.1/√0.001; m goes on growing, and faster than √s.",
    C="m comes up in ten steps, √s in a thousand: in between their ratio reaches 6.57.",
)

after_jump = FunctionExercise(
    "after_jump",
    "return Adam's step over lr, k steps after the gradient came up from 0.",
    reference=lambda k, beta1, beta2: (1 - beta1**k) / (1 - beta2**k) ** 0.5,
    cases=[(1, 0.9, 0.999), (12, 0.9, 0.999), (1, 0.0, 0.99), (20, 0.9, 0.95), (3, 0.5, 0.5)],
    random=lambda rng: (int(rng.integers(1, 50)), *map(float, rng.uniform(0.1, 0.99, 2))),
    domain=lambda k, beta1, beta2: k >= 1 and 0 <= beta1 < 1 and 0 < beta2 < 1,
    hint="From 0, k times m <- β1 m + (1 - β1) g gives m = (1 - β1^k) g; s likewise, with g².",
    praise="g has gone out of it: what is left is how fast the two memories fill.",
)


def _muon_step(X: Array, a: float, b: float, c: float) -> Array:
    A = X @ X.T
    return a * X + b * A @ X + c * A @ A @ X


muon_step = FunctionExercise(
    "muon_step",
    "return a X + (b A + c A²) X with A = X Xᵀ.",
    reference=_muon_step,
    cases=[
        (np.array([[0.5]]), 3.4445, -4.775, 2.0315),
        (np.array([[0.5, 0.0], [0.0, 0.1]]), 1.5, -0.5, 0.0),
        (np.array([[1.0, 2.0, 0.0]]), 1.0, 1.0, 1.0),
    ],
    random=lambda generator: (*_whole(generator, (2, 3)), *map(float, generator.normal(size=3))),
    domain=lambda X, a, b, c: X.ndim == 2,
    hint="With X = U S Vᵀ it is A = U S² Uᵀ. The order is A @ X, and A @ A is no square by entry.",
    praise="only products of matrices, and every singular value s has become a s + b s³ + c s⁵.",
)


def _warm_cosine(step: int, peak: float, warm: int, total: int) -> float:
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (1 + cos(pi * (step - warm) / (total - warm))) / 2


def _warm_cosine_case(generator: np.random.Generator) -> tuple[int, float, int, int]:
    total = int(generator.integers(2, 60))
    step, warm = map(int, generator.integers(0, total, 2))
    return step, float(generator.uniform(0.01, 3)), warm, total


warm_cosine = FunctionExercise(
    "warm_cosine",
    "return the step size at a step, counted from 0.",
    reference=_warm_cosine,
    cases=[
        *((step, 1.0, 10, 100) for step in (0, 55, 99)),
        *((step, 0.2, 10, 100) for step in (4, 9, 10)),
        (0, 1.0, 0, 10),
        *((step, 3.0, 10, 100) for step in (4, 50)),
    ],
    random=_warm_cosine_case,
    domain=lambda step, peak, warm, total: 0 <= step < total and 0 <= warm < total and peak > 0,
    hint="For step < warm it is peak (step + 1)/warm; after it, the cosine over total - warm.",
    praise="it starts above 0, meets the peak at the end of the warm-up, and lands near 0.",
)

guess_edge = _guess(
    "my_edge",
    "B",
    A="in a bowl it would; here the step that overshoots leads to where the curvature is smaller.",
    B="the step holds the curvature down, and the loss falls all the same, not on every step.",
    C="it falls on, by a factor of ten and more, though it rises on many a step.",
)

growing = FunctionExercise(
    "growing",
    "return how many of the directions grow in a step of descent.",
    reference=lambda lr, curvatures: sum(abs(1 - lr * c) > 1 for c in curvatures),
    cases=[
        *[(0.5, [1.0]), (0.5, [5.0]), (0.5, [4.0]), (0.5, [-1.0]), (0.5, [0.0])],
        *[(2.0, [1.5]), (0.1, [1.0, 19.0, 21.0]), (0.25, [9.0, -0.5, 3.0, 0.0])],
    ],
    random=lambda rng: (
        2.0 ** int(rng.integers(-3, 1)),
        [float(c) for c in rng.integers(-4, 24, rng.integers(1, 5))],
    ),
    domain=lambda lr, curvatures: lr > 0 and len(curvatures) > 0,
    hint="Each w becomes (1 - lr λ) w. It grows where |1 - lr λ| > 1, and that has two sides.",
    praise="above 2/lr, and where the curvature is negative: there no step is small enough.",
)

largest_step = NumberExercise(
    "largest_step",
    "give the largest stable step size for x with mean 10 and standard deviation 1.",
    expected=lambda: 2 / float(np.linalg.eigvalsh(bowl_hessian(10.0, 1.0))[-1]),
    rtol=0.005,
    near={
        2 / 101.99: "The Hessian has a 2 in front: E(wx + b - y)² has 2 E xx^T.",
        1.0: "That is the limit for a standardised x.",
        2 / 202: "The larger eigenvalue, not the larger entry of the diagonal.",
    },
    hint="The larger eigenvalue of 2[[101, 10], [10, 1]], and 2 over it.",
    praise="a hundredth of what standardised inputs allow.",
)

flaw_adam = _flaw(
    "flaw_adam",
    4,
    "right: that is the denominator, up to ε.",
    "right, as long as the entries are far above ε, which is said.",
    "right, it repeats line 2 for two layers.",
    "to move is not to learn: with the labels shuffled the first steps would be the same, so they "
    "cannot tell the images apart.",
)


# The tournament

guess_tournament = _guess(
    "my_bet",
    "B",
    A="the right scale helps, and so does everything that changes what passes a layer.",
    B="batch norm, the right scale, or another design: each changes what passes the layers. "
    "Clipping, stopping, the step size, L2 and dropout do not.",
    C="most of the nine act on the step, on the loss or on when to stop.",
)


def _cured(accuracy: dict[str, float], broken: dict[str, float], bar: float) -> list[str]:
    return sorted(name for name in accuracy if accuracy[name] >= bar and broken[name] == 0)


def _cured_case(generator: np.random.Generator) -> tuple[Any, ...]:
    names = list("abcd")
    accuracy = {n: float(generator.integers(1, 10)) / 10 for n in generator.permutation(names)}
    broken = {n: float(generator.choice([0.0, 0.0, 0.2, 1.0])) for n in names}
    return accuracy, broken, float(generator.integers(2, 9)) / 10


cured = FunctionExercise(
    "cured",
    "return the names, in alphabetical order.",
    reference=_cured,
    cases=[
        ({"a": 0.9}, {"a": 0.0}, 0.8),
        ({"b": 0.9, "a": 0.8}, {"a": 0.0, "b": 0.0}, 0.8),
        ({"a": 0.9, "b": 0.9}, {"a": 0.2, "b": 0.0}, 0.8),
        ({"a": 0.1}, {"a": 0.0}, 0.8),
        ({"a": 0.6, "b": 0.4}, {"b": 0.0, "a": 0.0}, 0.5),
        ({"a": 0.9, "b": 0.9}, {"b": 1.0, "a": 0.0}, 0.9),
    ],
    random=_cured_case,
    domain=lambda accuracy, broken, bar: bar >= 0 and set(accuracy) == set(broken),
    hint="Reaching the bar counts; a single run that ends in NaN does not.",
    praise="a cure that works in four of five starts is no cure.",
)

flaw_l2 = _flaw(
    "flaw_l2",
    3,
    "right: the penalty (α/2) w² has the derivative α w.",
    "right: α w is not small, however small the rest is.",
    "what is added pulls w to 0 and knows nothing of images and labels: it is no part of the lost "
    "gradient.",
    "it follows from line 3; look for the first mistake.",
)
