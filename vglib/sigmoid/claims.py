"""Claims of chapter 03 on trial."""

from math import sqrt

import numpy as np
import torch
from torch.nn import functional as F

from vglib import theory
from vglib.activations import get_activation
from vglib.claim import Claim, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.sigmoid import cost, hidden, signs, twins, unit, variance, walk

CHAPTER = 3

ZHIHU, MEDIUM = "a widely read Zhihu article", "a Medium article"
TUTORIAL = "a tutorial of 2017"
FLAWS = "section 'Three sins of the sigmoid'"
TANH = get_activation("tanh")
RATES = (1.0, 3.0, 10.0)


def _growth() -> float:
    q = theory.q_trajectory(500.0, unit.SIGMOID.phi, 500**0.5, 0.0, 20)
    return float(q[-1] / q[0])


def _speed_up(seed: int) -> float:
    """Return the steps to 80% at the plain net's best rate over those at its centred twin's."""
    plain, centred = (
        min(twins.steps_to_80(kind, 3, lr, seed) for lr in RATES) for kind in ("plain", "centred")
    )
    # A net that never gets there counts as if it did at the very end, in favour of the rival.
    return min(plain, twins.STEPS) / centred


def _cross_entropy_slope(z: float) -> float:
    """Return dL/dz of L = -ln(1 - s(z)) by autograd."""
    leaf = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(leaf, torch.zeros_like(leaf))
    (slope,) = torch.autograd.grad(loss, leaf)
    return float(slope)


SATURATED_BEYOND_TWO = Claim(
    id="saturated-beyond-two",
    source=TUTORIAL,
    place=f"{FLAWS}, 2, paragraph 1",
    says="When |z| > 2 the sigmoid's curve tends to flatten out and s'(z) goes to 0: the neuron "
    "tends to saturate, its updates are very small, and learning almost stops. (Its example is an "
    "output neuron.)",
    setup="one sigmoid output, target 0, squared error, lr 0.05: steps until the output is 0.2, "
    "from z = 2 over those from z = 0",
    prediction=lambda: unit.time_to_unlearn(2.0) / unit.time_to_unlearn(0.0),
    measure=lambda seed: unit.steps_to_unlearn(2.0) / unit.steps_to_unlearn(0.0),
    tolerance=Tolerance.relative(0.03),
    rival=10.0,
    rival_says="almost stopped: ten times as many steps",
    ruling=refuted("from z = 2 a wrong output needs {x:.1f} times the steps", below=3),
    correction="The slope is at 42% of its maximum at |z| = 2, and at 10% and 1% at 3.64 and 5.99. "
    "From z = 6 it takes 21 times the steps.",
    exact=True,
)

TANH_SLOPE = Claim(
    id="tanh-slope-below-one",
    source=ZHIHU,
    place="section 2.2, paragraph 2",
    says="tanh is somewhat better than the sigmoid, but its derivative is still less than 1.",
    setup="100,000 draws of z ~ N(0, 1), the mean of tanh'(z)",
    prediction=lambda: float(theory.gaussian_mean(TANH.dphi, 1.0)),
    measure=lambda seed: TANH.dphi(np.random.default_rng(seed).standard_normal(100_000)).mean(),
    tolerance=Tolerance.absolute(0.005),
    rival=1.0,
    rival_says="as at 0, so that nothing is lost",
    ruling=holds(
        "but for z = 0, where it is 1: over z ~ N(0, 1) it averages {x:.2f}, the sigmoid's 0.21",
        above=0.21,
        below=0.99,
    ),
    correction="tanh' is at most 1, and 1 at z = 0; its mean over N(0, q) is 0.916, 0.606 and "
    "0.365 for q = 0.1, 1 and 4.",
)

SIGMOID_AS_A_LOSS = Claim(
    id="sigmoid-as-a-loss",
    source=ZHIHU,
    place="section 2.2, paragraph 1",
    says="If the sigmoid is used as the loss function, its gradient cannot exceed 0.25; so after "
    "the chain rule the gradient vanishes easily.",
    setup="one sigmoid output with target 0 and the loss -ln(1 - a); largest |dL/dz| by autograd, "
    "z from -40 to 40",
    prediction=1.0,
    measure=lambda seed: max(map(_cross_entropy_slope, np.linspace(-40, 40, 81))),
    tolerance=Tolerance.absolute(1e-6),
    rival=0.25,
    rival_says="the largest slope of the sigmoid",
    ruling=holds_only_if(
        "'activation function' is meant; with a loss behind it, cross-entropy, what arrives at z "
        "reaches {x:.3g}",
        above=0.26,
    ),
    correction="The sigmoid is an activation function, and its slope is at most 1/4. What arrives "
    "at z is the loss's slope times s'(z), and cross-entropy makes that a - y, anything up to 1.",
    exact=True,
)

ONE_SIGN = at_most(
    id="all-gradients-one-sign",
    source=TUTORIAL,
    place=f"{FLAWS}, 1, paragraph 1",
    says="The sigmoid's outputs are always positive, so the gradients of all the weights of a "
    "neuron (outside the first hidden layer) have the same sign, all positive or all negative.",
    setup="digits, 64-100-100-100-10 sigmoid net at its start, weights N(0, 1/n), biases 0, "
    "cross-entropy; share of the units of layer 3, mean over 20 batches of 10",
    prediction=0.95,
    measure=lambda seed: signs.one_sign(10, 3, 0, seed).chosen["sigmoid"],
    rival=1.0,
    rival_says="all of them",
    ruling=holds_only_if(
        "the gradient is of one sample; for a batch of 10 it is {points:.0f}% of the units",
        below=0.999,
    ),
    correction="Exact for one sample, and for ReLU as well. For a batch the share depends on the "
    "layer and changes during training; for tanh it is 0.",
)

ZIG_ZAG = at_most(
    id="positive-inputs-zig-zag",
    source=TUTORIAL,
    place=f"{FLAWS}, 1, paragraphs 1 and 2",
    says="This makes for zig-zagging dynamics: the direction of an update is limited, and goals in "
    "some directions, with gradients of both signs, are reached only by zig-zagging many times.",
    setup="two weights fed by sigmoid(z), z ~ N(0, 1), 500 samples, squared error, descent on all "
    "data, 60 steps from (-0.2, 2) towards (1.2, -1)",
    over={"lr": (0.03, 0.3, 3.0)},
    prediction=0.25,
    measure=lambda seed, lr: walk.walk("sigmoid", 500, lr, seed=seed).turns,
    rival=0.5,
    rival_says="every other step turns back",
    ruling=holds_only_if(
        "the batch is tiny or the step is near its limit of 3.7; on all data {points:.0f}% of the "
        "steps turn back, at most",
        below=0.3,
    ),
    correction="One sample at a time the path turns back at every other step. On all data it "
    "creeps without turning, unless the step is near the limit that the inputs' mean sets.",
)

CENTRING = at_least(
    id="positive-outputs-slow-training",
    source=TUTORIAL,
    place=f"{FLAWS}, 1",
    says="Outputs that are not centred at 0 are one of the sigmoid's three main flaws.",
    setup="digits, 3 hidden layers of 50, weights N(0, 1/n), cross-entropy, SGD, batch 32, 300 "
    "steps, each net at the best of the rates 1, 3 and 10; steps to 80% of the sigmoid net "
    "over those of a twin with sigmoid - 1/2 and the same function at the start",
    prediction=1.5,
    measure=_speed_up,
    rival=1.0,
    rival_says="no difference",
    ruling=holds(
        "the same net, centred, needs {x:.1f} times fewer steps, each at its best rate",
        above=1.2,
        otherwise="refuted: centring changes nothing",
    ),
    correction="It is real: with n inputs of mean m and variance v the curvature along the mean "
    "is v + n m^2, which limits the step for all directions.",
)

VARIANCE_GROWS = Claim(
    id="variance-grows-with-each-layer",
    source=MEDIUM,
    place="section 'The exploding problem', paragraph 3",
    says="With some activation functions, such as the sigmoid, the variance of each layer's output "
    "is much greater than that of its input; going forward it keeps growing after each layer, "
    "until the activation saturates in the top layers.",
    setup="sigmoid, 20 layers of 500, weights N(0, 1), no biases, 128 inputs N(0, 1); Var z in "
    "layer 20 over Var z in layer 1",
    prediction=_growth,
    measure=lambda seed: variance.forward(20, 1.0, "N(0, 1)", 500, seed, budget=1e12).growth,
    tolerance=Tolerance.relative(0.15),
    rival=20.0,
    rival_says="grows in each layer, if only by its first size",
    ruling=refuted(
        "it does not keep growing: Var z falls to {x:.2f} of its first value", below=0.99
    ),
    correction="'Much greater' is right of z: with 500 units its variance is 500 to 1000 times "
    "that of what comes in, in each layer. The sigmoid brings it back to 1/4 at most, so it does "
    "not grow, and N(0, 1) weights saturate the first layer as much as the last.",
)

OUTPUT_STOPS = Claim(
    id="a-saturated-output-stops-learning",
    source=TUTORIAL,
    place=f"{FLAWS}, 2, paragraph 1",
    says="Take a neuron of the output layer: when s'(z) goes to 0, the gradient of the weights "
    "goes to 0 as well.",
    setup="one sigmoid output with target 0 at z = 5.99, where s' is 1% of its maximum; "
    "cross-entropy; |dL/dz| by autograd",
    # a - y, where 4 a (1 - a) = 0.01.
    prediction=(1 + sqrt(0.99)) / 2,
    measure=lambda seed: _cross_entropy_slope(unit.where_slope_is(0.01)),
    tolerance=Tolerance.absolute(0.001),
    rival=0.0025,
    rival_says="s'(z), what squared error leaves",
    ruling=holds_only_if(
        "the loss is squared error; with cross-entropy the gradient is {x:.3f}", above=0.5
    ),
    correction="Cross-entropy divides by exactly the s'(z) that the output multiplies with: the "
    "gradient is a - y. Hidden layers have no such luck.",
    exact=True,
)

EXP_IS_COSTLY = at_most(
    id="exp-is-costly",
    source=TUTORIAL,
    place=f"{FLAWS}, 3",
    says="Computing it takes time: the sigmoid contains the exponential function, which makes it "
    "more complex to compute.",
    setup="this machine, float32, batch 128; the sigmoid's share of its layer's forward time, "
    "median over rounds",
    over={"width": (10, 100, 1000)},
    best="smallest",
    prediction=0.15,
    measure=lambda seed, width: cost.time_layer(width, 128).share("sigmoid"),
    rival=0.5,
    rival_says="half of the time",
    ruling=holds_only_if("the layer is small; at 1000 units it is {x:.1%} of the time", below=0.25),
    correction="exp costs the same for each unit, the matrix product 2n operations: the share "
    "falls with the width n.",
)


def _hidden_claim(kind: str, correction: str) -> Claim:
    around = "skip connections" if kind == "residual" else kind
    return at_least(
        id=f"no-sigmoid-in-hidden-layers-{kind.replace(' ', '-')}",
        source=MEDIUM,
        place="section 'Activation functions that do not saturate', paragraph 1",
        says="For large inputs saturation is the main cause of vanishing gradients, so by its "
        "nature the sigmoid cannot be used in the hidden layers of a network.",
        setup=f"digits, 20 hidden sigmoid layers of 50 with {around}, weights N(0, 1/n), "
        "cross-entropy, SGD, batch 64, lr 0.2, 150 steps; test accuracy",
        prediction=0.8,
        measure=lambda seed: hidden.hidden_sigmoids(kind, 20, 0.2, seed, records=1).accuracy,
        rival=0.1,
        rival_says="guessing, which is what the plain net does",
        ruling=refuted(f"20 sigmoid layers with {around} reach {{x:.0%}}", above=0.5),
        correction=correction,
    )


HIDDEN_BATCH_NORM = _hidden_claim(
    "batch norm",
    "Plain and with small weights, 20 layers stay at guessing in 150 steps, at rates from 0.02 to "
    "20. Batch norm in front of each sigmoid is enough.",
)

HIDDEN_RESIDUAL = _hidden_claim(
    "residual",
    "A skip around each sigmoid layer is enough; and the gates of an LSTM are sigmoids.",
)

RELU_ONE_SIGN = Claim(
    id="relu-has-the-same-one-sign-flaw",
    source="a conclusion from 'its outputs are not centred at 0 either' (a tutorial of 2017)",
    says="ReLU's outputs are never negative, so the gradients of a neuron's weights have one sign, "
    "as the sigmoid's have.",
    setup="digits, 64-100-100-100-10 ReLU net at its start, weights N(0, 1/n), biases 0, "
    "cross-entropy; share of the units of layer 3, mean over 20 batches of 10",
    prediction=0.2,
    measure=lambda seed: signs.one_sign(10, 3, 0, seed).chosen["relu"],
    tolerance=Tolerance.absolute(0.1),
    rival=0.81,
    rival_says="the sigmoid's share",
    ruling=holds_only_if(
        "the gradient is of one sample; for a batch of 10 it is {percent} of the units", below=0.5
    ),
    correction="For one sample it is exact for both. In a batch each image switches other units "
    "on, so that the signs mix much sooner than with sigmoids, which are always on.",
)

CLAIMS: tuple[Claim, ...] = (
    *(SATURATED_BEYOND_TWO, TANH_SLOPE, SIGMOID_AS_A_LOSS, ONE_SIGN, ZIG_ZAG, CENTRING),
    *(VARIANCE_GROWS, OUTPUT_STOPS, EXP_IS_COSTLY, HIDDEN_BATCH_NORM, HIDDEN_RESIDUAL),
    RELU_ONE_SIGN,
)
