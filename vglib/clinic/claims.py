"""Claims of chapter 11 on trial."""

from math import log

from vglib import theory
from vglib.activations import get_activation
from vglib.claim import Claim, Fact, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.clinic import detection, gradcheck

CHAPTER = 11

ARTICLE = "an article of 2023"
DEEPDIAGNOSIS = "Wardat, Cruz, Le and Rajan 2022 (DeepDiagnosis)"
CS231N = "the course notes CS231n, 'Neural networks 3'"


def _sigmoid_ratio(depth: int) -> float:
    """Return chi^((depth - 1)/2) of a sigmoid net with weights N(0, 1/n) and biases 0."""
    phi = get_activation("sigmoid")
    return theory.chi_at_fixed_point(phi.phi, phi.dphi, 1.0, 0.0) ** ((depth - 1) / 2)


WRONG_START = at_least(
    id="whatever-explodes-was-initialised-wrongly",
    source=ARTICLE,
    place="section 2.2, paragraph 4",
    says="In general vanishing and exploding gradients are caused by an incorrect initialisation "
    "of the model's parameters.",
    setup="digits, 5 hidden layers of 50 ReLUs, weights N(0, 2/n) and biases 0, so chi = 1, "
    "cross-entropy, SGD, batch 64, 30 steps; ln of the largest finite norm of the gradient over "
    "the first",
    prediction=14.0,
    measure=detection.log_growth,
    over={"lr": (0.01, 0.1, 1.0, 10.0)},
    rival=2.0,
    rival_says="a right start keeps the gradient within an order of magnitude at every rate",
    ruling=holds_only_if(
        "the diagnosis is made at step 0: from the same right weights the worst of four rates "
        "takes the gradient up by a factor of 10^{x:.0f}",
        above=7,
        show=lambda x: x / log(10),
    ),
    correction="The start is one cause. A rate, a unit that dies or a bad batch can do it later; "
    "so look at step 0, look again, and try the cure.",
)

CHECK_FINDS = at_most(
    id="a-gradient-check-detects-vanishing",
    source=ARTICLE,
    place="section 3.4, paragraph 1",
    says="With Python code we detect vanishing and exploding gradients. ... Then gradient checking "
    "and gradient clipping are carried out, to avoid the problem.",
    setup="digits, 20 hidden layers of 30 sigmoids, weights N(0, 1/n), no biases, mean squared "
    "error, 16 images; error of backpropagation in layer 1 against the complex step along a "
    "random direction, where layer 1 has less than 1e-7 of layer 20's gradient",
    prediction=1e-9,
    measure=lambda seed: gradcheck.error_when_vanished(20, seed),
    rival=1e-2,
    rival_says="the check sounds an alarm: above 1e-2 a gradient is 'probably wrong' (CS231n)",
    ruling=refuted(
        "layer 1 gets less than 1e-7 of the gradient, and the check agrees to {x:.0e}", below=1e-7
    ),
    correction="A check asks whether the gradient is the slope of the loss. The slope itself has "
    "vanished, and backpropagation reports it truly.",
)

BELOW = at_least(
    id="gradients-below-1e-7-vanish",
    source=DEEPDIAGNOSIS,
    says="A mean absolute gradient below 1e-7 in a layer is a vanishing gradient.",
    setup="digits, 64-50-50-10 ReLU, He, cross-entropy times 2^-20 (about a millionth: another "
    "unit), SGD, lr 0.1 times 2^20, batch 64, 200 steps; test accuracy, where the mean |g| of "
    "every layer is below 1e-7 at every step",
    prediction=0.9,
    measure=detection.below,
    rival=0.2,
    rival_says="it has vanished, so nothing is learnt",
    ruling=refuted(
        "with every mean |g| below 1e-7 at every step the net gets {percent} of the test images",
        above=0.8,
    ),
    correction="A gradient has the unit of the loss over that of a weight, so no size of it is a "
    "diagnosis. A ratio between layers has no unit.",
)

ABOVE = Claim(
    id="gradients-above-1e-7-have-not-vanished",
    source="a common reading of DeepDiagnosis's rule",
    says="As long as no layer's mean absolute gradient is below 1e-7, nothing has vanished.",
    setup="64 digits, 6 hidden layers of 50 sigmoids, weights N(0, 1/n), biases 0, "
    "cross-entropy, before training; ||delta_1|| / ||delta_6||, where every layer's mean |g| is "
    "above 1e-7",
    prediction=lambda: _sigmoid_ratio(6),
    measure=detection.above,
    tolerance=Tolerance.factor(2),
    rival=0.5,
    rival_says="layer 1 is about as well off as layer 6",
    ruling=refuted("layer 1 gets {x:.1g} of layer 6's gradient, above the threshold", below=0.01),
    correction="Per layer the gradient falls by sqrt(chi) = 0.24, wherever the last one starts.",
)

ZEROS = at_most(
    id="seventy-percent-zeros-is-dying",
    source=DEEPDIAGNOSIS,
    says="A ReLU layer with a share of outputs <= 0 of 0.7 or more is a dead node.",
    setup="digits, 64-64-10 ReLU, He, biases of the hidden layer -1 at the start, cross-entropy, "
    "SGD, lr 0.2, batch 64, 200 steps; share of units that are 0 for all training images, where "
    "more than 70% of the layer's outputs are 0",
    prediction=0.05,
    measure=detection.dead_among_zeros,
    rival=0.7,
    rival_says="the zeros are units that never answer",
    ruling=refuted("with more than 70% zeros {percent} of the units are dead", below=0.2),
    correction="A zero is a unit that has nothing to say of this image; each has something to say "
    "of some. Dead is a unit that is 0 for all (chapter 04).",
)

INPUTS = at_least(
    id="inputs-beyond-one-are-a-fault",
    source="Schoop, Huang and Hartmann 2021 (UMLAUT)",
    says="Inputs below -1 or above 1 exceed the typical limits.",
    setup="digits, each pixel standardised, which reach beyond [-1, 1]; 64-50-10 ReLU, He, "
    "cross-entropy, SGD, lr 0.1, batch 64, 200 steps; test accuracy",
    prediction=0.9,
    measure=detection.beyond_one,
    rival=0.2,
    rival_says="the net cannot use such inputs",
    ruling=refuted(
        "standardised inputs go beyond, and {percent} of the tests are right", above=0.8
    ),
    correction="What was standardised is N(0, 1) at best, so a third lies beyond 1. The rule "
    "accuses all who did as they were told.",
)

CLIPPING = Claim(
    id="clipping-avoids-vanishing",
    source=ARTICLE,
    place="section 3.4, paragraph 1",
    says="Then gradient checking and gradient clipping are carried out, to avoid the problem of "
    "vanishing and exploding gradients.",
    setup="64 digits, 10 hidden layers of 50 sigmoids, weights N(0, 1/n), biases 0, cross-entropy, "
    "the whole gradient clipped at c; norm of layer 1's gradient by the biases over layer 10's",
    prediction=lambda: _sigmoid_ratio(10),
    measure=detection.clipped_ratio,
    over={"c": (1e-6, 1e-3, 1.0)},
    tolerance=Tolerance.factor(3),
    rival=0.5,
    rival_says="clipping has evened the layers out",
    ruling=refuted(
        "of vanishing: at the best of three thresholds layer 1 has {x:.1g} of layer 10's gradient, "
        "as without",
        below=0.01,
    ),
    correction="One factor, at most 1, for all layers: the ratio between them stays.",
)

NOT_A_NUMBER = Claim(
    id="nan-means-the-rate-is-too-high",
    source="common advice",
    says="The loss is NaN: the learning rate is too high, take a smaller one.",
    setup="digits in batches of 64, each pixel (x - mean) / std of its batch, 64-30-10 ReLU, He, "
    "cross-entropy, SGD, 30 steps; the step whose loss is NaN, 30 if none is",
    prediction=0.0,
    measure=detection.first_nan,
    over={"lr": (1e-6, 1e-3, 1.0)},
    tolerance=Tolerance.absolute(0.5),
    rival=30.0,
    rival_says="at some rate it lasts",
    ruling=refuted(
        "some pixels are 0 in every digit, so their std is 0, and at the best of three rates the "
        "loss is NaN at step {x:g}",
        below=29,
    ),
    correction="A rate makes numbers grow, step by step, until they overflow (chapter 09). 0/0, "
    "log 0 and the slope of a root at 0 need no step: look for the first operation whose input "
    "was finite.",
)

RATIO = at_most(
    id="a-healthy-net-has-ratio-1e-3",
    source=CS231N,
    place="section 'Ratio of weights:updates'",
    says="A rough heuristic: the ratio of the updates' size to the weights' should be somewhere "
    "around 1e-3. If it is lower, the learning rate might be too low, if higher, it is likely too "
    "high.",
    setup="digits, 64-50-50-10 ReLU, He, cross-entropy, momentum 0.9, batch 64, 300 steps; share "
    "of ||dW||/||W|| over all steps and matrices within a factor of 3 of 1e-3, at the rate where "
    "it is least, among those that end above 90% test accuracy",
    prediction=0.45,
    measure=detection.near_a_thousandth,
    over={"lr": (0.001, 0.01, 0.1)},
    best="smallest",
    rival=0.9,
    rival_says="in a healthy training nearly all of them lie there",
    ruling=holds_only_if(
        "'around' is wide: in a healthy training only {percent} lie within a factor of 3",
        below=0.6,
    ),
    correction="At another rate, as healthy, most lie there. In one training the ratio falls a "
    "hundredfold and more; 1e-1 at the first steps and 1e-4 at the end are no illness.",
)

ONE_BATCH = at_least(
    id="overfitting-one-batch-proves-the-code",
    source="a common reading of Karpathy 2019",
    says="Overfit one batch: if the loss goes to 0 the code is right.",
    setup="64 digits, 64-50-50-10 ReLU, He, cross-entropy, Adam, lr 0.01, 150 steps on them; "
    "lowest accuracy on this batch of three nets with a bug: the optimiser gets the last layer "
    "alone (modules in a Python list), labels dealt out at random, the label among the pixels",
    prediction=0.95,
    measure=detection.worst_of_one_batch,
    rival=0.5,
    rival_says="a net with a bug does not get there",
    ruling=refuted("with any of three bugs {percent} of the batch are learnt", above=0.9),
    correction="Karpathy says the other half: if they do not, there is a bug. Whoever cannot "
    "overfit a batch is ill; whoever can may be.",
)

LEARNS = at_least(
    id="what-learns-has-a-right-gradient",
    source="common belief",
    says="The loss falls and the accuracy is good, so the backward pass is right.",
    setup="digits, 64-50-10 sigmoids, N(0, 1/n), no biases, mean squared error, descent, batch 64, "
    "200 steps, with s'(z) of the hidden layer forgotten in the backward pass; test accuracy",
    prediction=0.9,
    measure=lambda seed, lr: gradcheck.accuracy_with_slip("slope forgotten", seed, lr),
    over={"lr": (0.1, 1.0, 10.0)},
    rival=0.5,
    rival_says="it is found out by its accuracy",
    ruling=refuted(
        "with s'(z) forgotten {percent} of the tests are right, as many as without the slip",
        above=0.85,
    ),
    correction="s' is positive, so what is left still points downhill. A difference finds it at "
    "once.",
)

ONE_DIRECTION = at_least(
    id="one-direction-is-too-few",
    source="common belief",
    says="A difference along one random direction cannot find a single wrong weight among "
    "thousands.",
    setup="digits, 64-100-100-10 sigmoids, one of the first layer's 6400 derivatives set to 0; "
    "error against a difference along one random direction, h = 1e-4",
    prediction=1e-5,
    measure=lambda seed: gradcheck.error_of_slip("one weight", seed),
    rival=1e-7,
    rival_says="no more than a right backward pass shows",
    ruling=refuted(
        "one wrong of 6400 is an error of {x:.0e}, a right pass shows some 1e-8", above=1e-6
    ),
    correction="A random direction weighs all derivatives at once. For which one it is, ask with "
    "one direction a parameter.",
    seeds=9,
)

SLOPE = at_least(
    id="a-difference-finds-a-wrong-backward-pass",
    source="Goodfellow, Bengio and Courville 2016",
    place="section 11.5, 'Compare back-propagated derivatives to numerical derivatives'",
    says="Compare the derivatives of your own back-propagation with finite differences, to see "
    "whether it is right.",
    setup="digits, 64-100-100-10 sigmoids, s'(z) of the first layer forgotten; error against a "
    "difference along one random direction, h = 1e-4",
    prediction=0.1,
    measure=lambda seed: gradcheck.error_of_slip("slope forgotten", seed),
    rival=1e-6,
    rival_says="what rounding and curvature leave of a right one",
    ruling=holds("the slip shows as an error of {x:.2f}", above=1e-3),
    correction="It finds a gradient that is not the loss's. A loss that is not what was meant has "
    "a right gradient.",
)

CLAIMS: tuple[Fact, ...] = (
    *(WRONG_START, CHECK_FINDS, BELOW, ABOVE, ZEROS, INPUTS, CLIPPING, NOT_A_NUMBER, RATIO),
    *(ONE_BATCH, LEARNS, ONE_DIRECTION, SLOPE),
)
