"""Exercises of chapter 00."""

from math import sqrt

from vglib.activations import get_activation
from vglib.exercise import ChoiceExercise, FunctionExercise, NumberExercise, first_mistake
from vglib.theory import critical_sigma_w

guess = ChoiceExercise(
    "my_guess",
    correct="C",
    why={
        "A": f"a twentieth is about what five layers leave: 0.5^4 = {0.5**4:.2g}.",
        "B": f"a thousandth is what eleven layers leave: 0.5^10 = {0.5**10:.2g}.",
        "C": f"0.5^19 = {0.5**19:.2g}. Nothing that shrinks by a factor each layer shrinks slowly.",
    },
)


def _critical(activation: str) -> float:
    phi = get_activation(activation)
    return critical_sigma_w(phi.phi, phi.dphi, 0.0)


share = FunctionExercise(
    "share",
    "return what arrives at layer 1.",
    reference=lambda r, depth: r ** (depth - 1),
    # Each small depth, and none that is too deep for a function that calls itself.
    cases=[*((0.5, depth) for depth in range(1, 13)), (0.25, 20), (2.0, 10), (1.0, 100)],
    random=lambda rng: (float(rng.uniform(0.2, 2)), int(rng.integers(1, 40))),
    domain=lambda r, depth: r > 0 and depth >= 1,
    hint="How many steps lie between layer `depth` and layer 1?",
    praise="one factor for each step: the exponential is in the depth.",
)


def _verdict(first: float, last: float) -> str:
    ratio = first / last
    return "vanishes" if ratio < 1 / 100 else "explodes" if ratio > 100 else "holds"


verdict = FunctionExercise(
    "verdict",
    'return "vanishes", "explodes" or "holds".',
    reference=_verdict,
    cases=[
        *((1.0, 1.0), (1.0, 1000.0), (1000.0, 1.0), (100.0, 1.0), (1e-12, 1.0)),
        *((1e-30, 1e-29), (5.0, 0.04), (0.04, 5.0)),
        # On both sides of the two limits, and on them: a hundredth is not less than a hundredth.
        *(
            (1.0, 100.0),
            (0.02, 1.0),
            (0.5, 1.0),
            (1.0, 99.5),
            (1.0, 100.5),
            (99.5, 1.0),
            (100.5, 1.0),
        ),
    ],
    random=lambda rng: (float(10 ** rng.uniform(-4, 4)), float(10 ** rng.uniform(-4, 4))),
    domain=lambda first, last: first > 0 and last > 0,
    hint="Only the ratio of the two counts, not how small they are.",
    praise="a ratio over the layers, at one moment.",
)

relu_scale = NumberExercise(
    "relu_scale",
    "give a number for ReLU.",
    expected=lambda: _critical("relu"),
    rtol=0.03,
    near={
        1.0: "At 1 each layer halves the squared gradient.",
        2.0: "That is the variance that undoes the halving; the scale is a standard deviation.",
    },
    hint="ReLU shuts half of the paths: what undoes a halved square?",
    praise=f"half of the paths are shut, and sqrt(2) = {sqrt(2):.4g} makes up for it.",
)

tanh_scale = NumberExercise(
    "tanh_scale",
    "give a number for tanh.",
    expected=lambda: _critical("tanh"),
    rtol=0.03,
    near={5 / 3: "That is the gain many libraries recommend; try it in the lab at depth 100."},
    hint="Near 0 tanh is the identity: which scale suits the identity?",
    praise="near 0 tanh is the identity, and that is where the signal settles.",
)

sigmoid_scale = NumberExercise(
    "sigmoid_scale",
    "give a number for the sigmoid.",
    expected=lambda: _critical("sigmoid"),
    rtol=0.03,
    near={
        4.0: "4 makes up for the slope 1/4 at its best point, but most units are not there.",
        1.0: "At 1 each layer keeps about a quarter of the gradient.",
    },
    hint="The slope is 1/4 at most, and less where a unit is saturated.",
    praise="far beyond 4, since few units sit where the slope is largest.",
)

flaw = first_mistake(
    correct=2,
    why={
        1: "this is what the lab measures at depth 20.",
        2: "a gradient that is small because the path is shut says nothing of a minimum: these "
        "weights are still at their random start.",
        3: "true enough if line 2 were; look for the first mistake.",
    },
)
