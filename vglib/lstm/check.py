"""Exercises of chapter 08."""

from math import log, prod

from vglib.exercise import ChoiceExercise, FunctionExercise, first_mistake

guess_rho = ChoiceExercise(
    "my_share",
    correct="B",
    why={
        "A": "that is one step: 0.9 is paid at each of the hundred.",
        "B": "0.9^100 is 3e-5, a factor a step, a hundred times; the lab measures that size.",
        "C": "that would take about a third a step; 0.9 is paid a hundred times: 0.9^100 = 3e-5.",
    },
)


def _bptt(w: float, xs: list[float]) -> float:
    h, slope = 0.0, 0.0
    for x in xs:
        h, slope = w * h + x, w * slope + h
    return slope


bptt = FunctionExercise(
    "bptt",
    "return dL/dw as the sum over the time steps.",
    reference=_bptt,
    cases=[
        *[(0.5, [1.0]), (0.5, [1.0, 0.0]), (0.5, [1.0, 0.0, 0.0])],
        *[(2.0, [1.0, -1.0, 3.0]), (-0.5, [2.0, 1.0, 0.0, 1.0]), (0.0, [1.0, 2.0, 3.0])],
    ],
    random=lambda rng: (float(rng.uniform(-1.5, 1.5)), list(rng.normal(size=rng.integers(1, 6)))),
    domain=lambda w, xs: len(xs) > 0,
    hint="Step t adds w^(T-t) h_(t-1), where h_0 = 0 and h_t = w h_(t-1) + x_t.",
    praise="one term for each use of w: this is all that is new in backpropagation through time.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "with a factor below 1 a step this is so.",
        2: "the same W_h is used at every step, so each use adds a term.",
        3: "the terms of the last few steps have not shrunk, and they carry the sum: for one term "
        "of 1 and ninety-nine tiny ones the sum is about 1.",
        4: "true enough if line 3 were; look for the first mistake.",
    },
)

guess_cell = ChoiceExercise(
    "my_gradient",
    correct="C",
    why={
        "A": "it would be, if f were 1; with bias 0 the forget gate stands at about 1/2.",
        "B": "1e-3 takes f = 0.93; with bias 0 the forget gate stands at about 1/2.",
        "C": "a half a step along the direct path is 8e-31; the path through h adds to it, and "
        "10^-22 is left.",
    },
)


direct_path = FunctionExercise(
    "direct_path",
    "return the products of the forget gates for t = 0..T.",
    reference=lambda gates: [prod(gates[t:], start=1.0) for t in range(len(gates) + 1)],
    cases=[[0.5], [0.5, 0.25], [1.0, 1.0, 1.0], [0.9, 0.0, 0.8], [0.2, 0.4, 0.6, 0.8]],
    random=lambda rng: list(rng.uniform(size=rng.integers(1, 6))),
    domain=lambda gates: len(gates) > 0,
    hint="The last entry is 1; entry t is f_(t+1) times entry t + 1.",
    praise="the dashed and the green line of the lab.",
)

bias_for = FunctionExercise(
    "bias_for",
    "return the forget bias with which the direct path keeps the given share.",
    reference=lambda share, steps: -log(share ** (-1 / steps) - 1),
    cases=[(0.5, 1), (0.25, 2), (0.5, 10), (0.1, 100), (0.5, 1000), (0.9, 50)],
    random=lambda rng: (float(rng.uniform(0.05, 0.95)), int(rng.integers(1, 200))),
    domain=lambda share, steps: 0 < share < 1 and steps >= 1,
    hint="First the gate: f^steps = share. Then solve s(b) = f for b, with s(b) = 1 / (1 + e^-b).",
    praise="about ln T, so a thousand steps need a bias of 7, not of 1000.",
)

guess_state = ChoiceExercise(
    "my_state",
    correct="B",
    why={
        "A": "that is one input; a state that forgets slowly holds many of them.",
        "B": "squares add up: 1 + r^2 + r^4 + ... = 1/(1 - r^2) = 500, whose root is 22.",
        "C": "so it would be if all inputs had one sign, 1 + r + r^2 + ...; random ones cancel.",
    },
)


combine = FunctionExercise(
    "combine",
    "return (a, b) of the one step that does both.",
    reference=lambda a1, b1, a2, b2: (a1 * a2, a2 * b1 + b2),
    cases=[(1.0, 2.0, 1.0, 3.0), (0.5, 0.0, 0.25, 0.0), (2.0, 1.0, 3.0, 4.0), (0.0, 1.0, 0.5, 2.0)],
    random=lambda rng: tuple(float(number) for number in rng.normal(size=4)),
    hint="Put h_1 = a1 h_0 + b1 into h_2 = a2 h_1 + b2 and read off what stands before h_0.",
    praise="in pairs, then pairs of pairs: ten rounds do 1000 steps, forward and backward.",
)
