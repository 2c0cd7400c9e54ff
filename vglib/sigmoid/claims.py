"""Claims of chapter 03 on trial."""

import numpy as np

from vglib import theory
from vglib.activations import get_activation
from vglib.claim import Claim, Tolerance, holds, holds_only_if, refuted
from vglib.sigmoid import cost, hidden, signs, twins, unit, variance, walk

CHAPTER = 3

ZHIHU, MEDIUM = "a widely read Zhihu article", "a Medium article"
TUTORIAL = "a tutorial of 2017"
TANH = get_activation("tanh")


def _growth() -> float:
    q = theory.q_trajectory(500.0, unit.SIGMOID.phi, 500**0.5, 0.0, 20)
    return float(q[-1] / q[0])


def _speed_up(seed: int) -> float:
    found = twins.centring(3, 3.0, seed)
    # A net that never gets there counts as if it did at the very end, in favour of the rival.
    return min(found.plain.needed, twins.STEPS) / found.centred.needed


SATURATED_BEYOND_TWO = Claim(
    id="saturated-beyond-two",
    source=TUTORIAL,
    says="When |z| > 2 the sigmoid's curve flattens out and s'(z) goes to 0: the neuron "
    "saturates, and learning almost stops.",
    setup="closed form: s'(2) / s'(0)",
    prediction=0.41997,
    measure=lambda seed: unit.curves("sigmoid", 2.0).share,
    tolerance=Tolerance.absolute(0.0005),
    rival=0.1,
    rival_says="a tenth of the slope, a common mark for saturation",
    ruling=refuted("at |z| = 2 there is {x:.0%} of the slope left", above=0.11),
    correction="The slope is at 50%, 10% and 1% of its maximum at |z| = 1.76, 3.64 and 5.99.",
    exact=True,
    seeds=1,
)

TANH_SLOPE = Claim(
    id="tanh-slope-below-one",
    source=ZHIHU,
    says="tanh is somewhat better than the sigmoid, but its derivative is still less than 1.",
    setup="100,000 draws of z ~ N(0, 1), the mean of tanh'(z)",
    prediction=lambda: float(theory.gaussian_mean(TANH.dphi, 1.0)),
    measure=lambda seed: TANH.dphi(np.random.default_rng(seed).standard_normal(100_000)).mean(),
    tolerance=Tolerance.absolute(0.005),
    rival=0.42,
    rival_says="tanh'(1), the slope at a typical |z|",
    ruling=holds_only_if(
        "z is not 0, where the slope is exactly 1; over z ~ N(0, 1) it averages {x:.2f}", above=0.5
    ),
    correction="tanh' is at most 1, and 1 at z = 0; its mean over N(0, q) is 0.916, 0.606 and "
    "0.365 for q = 0.1, 1 and 4.",
)

SIGMOID_AS_A_LOSS = Claim(
    id="sigmoid-as-a-loss",
    source=ZHIHU,
    says="If the sigmoid is used as the loss function, its gradient cannot exceed 0.25.",
    setup="one sigmoid output with target 0 and the loss -ln(1 - a); z from -40 to 40",
    prediction=1.0,
    measure=lambda seed: max(unit.cross_entropy_delta(z, 0.0) for z in np.linspace(-40, 40, 801)),
    tolerance=Tolerance.absolute(1e-6),
    rival=0.25,
    rival_says="the largest slope of the sigmoid",
    ruling=refuted(
        "the sigmoid is an activation function, and behind a loss made for it the "
        "gradient reaches {x:.3g}",
        above=0.26,
    ),
    correction="The sigmoid is an activation function. What arrives at z is the loss's slope "
    "times s'(z), and cross-entropy makes that a - y, anything up to 1.",
    exact=True,
    seeds=1,
)

ONE_SIGN = Claim(
    id="all-gradients-one-sign",
    source=TUTORIAL,
    says="The sigmoid's outputs are positive, so the gradients of all the weights of a neuron "
    "(outside the first hidden layer) have the same sign.",
    setup="digits, 64-100-100-100-10 sigmoid net at its start, weights N(0, 1/n), biases 0, "
    "cross-entropy; share of the units of layer 3, mean over 20 batches of 10",
    prediction=0.95,
    measure=lambda seed: signs.one_sign(10, 3, 0, seed).chosen["sigmoid"],
    tolerance=Tolerance.at_most(),
    rival=1.0,
    rival_says="all of them",
    ruling=holds_only_if(
        "the gradient is of one sample; for a batch of 10 it is {points:.0f}% of the units",
        below=0.999,
    ),
    correction="Exact for one sample, and for ReLU as well. For a batch the share depends on the "
    "layer and changes during training; for tanh it is 0.",
)

ZIG_ZAG = Claim(
    id="positive-inputs-zig-zag",
    source=TUTORIAL,
    says="This makes for zig-zagging dynamics: where the goal asks for updates of both signs, the "
    "weights get there only on a zig-zag path.",
    setup="two weights fed by sigmoid(z), z ~ N(0, 1), 500 samples, squared error, descent on all "
    "data, step 0.5, 60 steps from (-0.2, 2) towards (1.2, -1)",
    prediction=0.05,
    measure=lambda seed: walk.walk("sigmoid", 500, 0.5, seed=seed).turns,
    tolerance=Tolerance.at_most(),
    rival=0.5,
    rival_says="every other step turns back",
    ruling=holds_only_if(
        "the batch is tiny or the step is near its limit; on all data {points:.0f}% of the steps "
        "turn back",
        below=0.3,
    ),
    correction="One sample at a time the path turns back at every other step. On all data it "
    "creeps without turning, unless the step is near the limit that the inputs' mean sets.",
)

CENTRING = Claim(
    id="positive-outputs-slow-training",
    source=TUTORIAL,
    says="Outputs that are not centred at 0 are a main flaw of the sigmoid.",
    setup="digits, 3 hidden layers of 50, weights N(0, 1/n), cross-entropy, SGD, batch 32, lr 3, "
    "300 steps; steps to 80% of the sigmoid net over those of a twin with sigmoid - 1/2 and the "
    "same function at the start",
    prediction=1.5,
    measure=_speed_up,
    tolerance=Tolerance.at_least(),
    rival=1.0,
    rival_says="no difference",
    ruling=holds(
        "the same net, centred, needs {x:.1f} times fewer steps",
        above=1.2,
        otherwise="refuted: centring changes nothing",
    ),
    correction="It is real: with n inputs of mean m and variance v the curvature along the mean "
    "is v + n m^2, which limits the step for all directions.",
)

VARIANCE_GROWS = Claim(
    id="variance-grows-with-each-layer",
    source=MEDIUM,
    says="The variance of each layer's output is much greater than that of its input; going "
    "forward it keeps growing until the activation saturates in the top layers.",
    setup="sigmoid, 20 layers of 500, weights N(0, 1), no biases, 128 inputs N(0, 1); Var z in "
    "layer 20 over Var z in layer 1",
    prediction=_growth,
    measure=lambda seed: variance.forward(20, 1.0, "N(0, 1)", 500, seed, budget=1e12).growth,
    tolerance=Tolerance.relative(0.15),
    rival=1.0,
    rival_says="no change; growth would be more",
    ruling=refuted(
        "Var z falls to {x:.2f} of its first value, and Var h cannot exceed 0.25", below=0.99
    ),
    correction="Numbers between 0 and 1 have variance 1/4 at most, so Var z jumps once, in layer "
    "1, and settles in the next. N(0, 1) weights saturate the first layer as much as the last.",
)

OUTPUT_STOPS = Claim(
    id="a-saturated-output-stops-learning",
    source=TUTORIAL,
    says="Take a neuron of the output layer: when s'(z) goes to 0, the gradient of the weights "
    "goes to 0 as well.",
    setup="one sigmoid output with target 0 at z = 5.99, where s' is 1% of its maximum; "
    "cross-entropy; |dL/dz|",
    prediction=0.9975,
    measure=lambda seed: unit.cross_entropy_delta(unit.where_slope_is(0.01), 0.0),
    tolerance=Tolerance.absolute(0.001),
    rival=0.0025,
    rival_says="s'(z), what squared error leaves",
    ruling=holds_only_if(
        "the loss is squared error; with cross-entropy the gradient is {x:.3f}", above=0.5
    ),
    correction="Cross-entropy divides by exactly the s'(z) that the output multiplies with: the "
    "gradient is a - y. Hidden layers have no such luck.",
    exact=True,
    seeds=1,
)

EXP_IS_COSTLY = Claim(
    id="exp-is-costly",
    source=TUTORIAL,
    says="The sigmoid contains the exponential function, which adds to the cost of computing.",
    setup="this machine, float32, batch 128, 1024 units; the sigmoid's share of its layer's "
    "forward time, median over rounds",
    prediction=0.15,
    measure=lambda seed: cost.time_layer(1024, 128).share("sigmoid"),
    tolerance=Tolerance.at_most(),
    rival=0.5,
    rival_says="half of the time",
    ruling=holds_only_if("the layer is small; at 1024 units it is {x:.1%} of the time", below=0.25),
    correction="exp costs the same for each unit, the matrix product 2n operations: the share "
    "falls with the width n.",
)


def _hidden_claim(kind: str, says: str, correction: str) -> Claim:
    around = "skip connections" if kind == "residual" else kind
    return Claim(
        id=f"no-sigmoid-in-hidden-layers-{kind.replace(' ', '-')}",
        source=MEDIUM,
        says=says,
        setup=f"digits, 20 hidden sigmoid layers of 50 with {around}, weights N(0, 1/n), "
        "cross-entropy, SGD, batch 64, lr 0.2, 150 steps; test accuracy",
        prediction=0.8,
        measure=lambda seed: hidden.hidden_sigmoids(kind, 20, 0.2, seed, records=1).accuracy,
        tolerance=Tolerance.at_least(),
        rival=0.1,
        rival_says="guessing, which is what the plain net does",
        ruling=refuted(f"20 sigmoid layers with {around} reach {{x:.0%}}", above=0.5),
        correction=correction,
    )


HIDDEN_BATCH_NORM = _hidden_claim(
    "batch norm",
    "For large inputs saturation is the main cause of vanishing gradients, so the sigmoid cannot "
    "be used in the hidden layers of a network.",
    "It cannot be used deep, plain and with small weights. Batch norm in front of it is enough.",
)

HIDDEN_RESIDUAL = _hidden_claim(
    "residual",
    "The sigmoid cannot be used in the hidden layers of a network.",
    "A skip around each sigmoid layer is enough; and the gates of an LSTM are sigmoids.",
)

CLAIMS: tuple[Claim, ...] = (
    *(SATURATED_BEYOND_TWO, TANH_SLOPE, SIGMOID_AS_A_LOSS, ONE_SIGN, ZIG_ZAG, CENTRING),
    *(VARIANCE_GROWS, OUTPUT_STOPS, EXP_IS_COSTLY, HIDDEN_BATCH_NORM, HIDDEN_RESIDUAL),
)
