"""Claims on trial in chapter 01."""

import numpy as np

from vglib.claim import Claim, Fact, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.concept import epochs, speed
from vglib.concept.epochs import train
from vglib.concept.feedback import feedback_accuracy
from vglib.concept.speed import NIELSEN, factor_nielsen, median_ratio

CHAPTER = 1

ZHIHU, ARTICLE_2023 = "a widely read Zhihu article", "an article of 2023"
AT_THE_START = (
    "digits, pixels 0 to 1, 1000 images; 4 hidden layers of 30 sigmoids, 10 sigmoid outputs, "
    "cross-entropy; weights N(0, 1/fan_in), biases N(0, 1); before training"
)
TRAINED = (
    "digits, standardised; 4 hidden layers of 30 sigmoids, 10 sigmoid outputs, quadratic loss "
    "averaged over them; weights N(0, 1/fan_in), biases N(0, 1); SGD, batch 10, lr 0.5"
)
NIELSENS_RUN = NIELSEN[4][-1] / NIELSEN[4][0]


def _in_order(seed: int) -> float:
    return float((np.diff(epochs.one_path(seed=seed).log_speed) > 0).mean())


OVER_ITERATIONS = Claim(
    id="gradients-change-exponentially-over-iterations",
    source="a lecture note",
    place="section 'Concept', paragraphs 1 and 2",
    says="Vanishing: in every training iteration the gradient almost vanishes. Exploding: in every "
    "training iteration it grows exponentially. Either way the weights are not updated "
    "effectively, and the network may even be unable to go on training.",
    setup=f"{TRAINED}, 20 epochs of 144 iterations; layer 1's bias gradient at iteration 2880 over "
    "that at 288",
    prediction=1.0,
    measure=epochs.later_factor,
    tolerance=Tolerance.factor(1.6),
    rival=4e-15,
    rival_says="the fall of the first two epochs, once more in each two that follow",
    ruling=holds_only_if(
        "'in every iteration' means within it, from layer to layer: in the 2592 iterations after "
        "the first two epochs the gradient changes by a factor {x:.2f} in all",
        above=0.5,
        below=2,
    ),
    correction="The exponential is over the layers, at one iteration; over the iterations there "
    "is no constant factor.",
)

EACH_STEP = Claim(
    id="the-gradient-decays-at-each-step-of-backpropagation",
    source=ARTICLE_2023,
    place="section 2.2, paragraph 2",
    says="In backpropagation the gradient decays at every step to a very small size, even close to "
    "zero, so that the weights are updated slowly and the model gets no better.",
    setup=AT_THE_START.replace("pixels 0 to 1", "standardised") + "; the factor per layer",
    prediction=factor_nielsen,
    measure=speed.factor_per_layer,
    tolerance=Tolerance.relative(0.12),
    rival=0.01,
    rival_says="very small at every step",
    ruling=holds_only_if("a step is a layer and many follow: each keeps {x:.2f}", above=0.1),
    correction="Each layer keeps a share, here a fifth; it is their product that becomes small.",
)

FOURTH_IS_SLOW = Claim(
    id="the-fourth-hidden-layer-is-the-slow-one",
    source=ZHIHU,
    place="section 2.1, paragraphs 5 and 7",
    says="The fourth hidden layer learns two orders of magnitude more slowly than the first. "
    "(Its note: the numbers in its curves run against those in its drawing.)",
    setup=f"{AT_THE_START}; speed of layer 4 over speed of layer 1, median of 10 nets",
    prediction=lambda: factor_nielsen() ** -3,
    measure=lambda seed: median_ratio(4, 10, 10 * seed),
    tolerance=Tolerance.factor(1.7),
    rival=0.01,
    rival_says="layer 4 is a hundred times slower",
    ruling=holds_only_if(
        "layers are counted from the output: from the input, layer 4 is {x:.0f} times faster",
        above=10,
    ),
    correction="Counted from the input, layer 1 is the slow one, by two orders of magnitude.",
)

NIELSENS_SPEEDS = Claim(
    id="nielsens-learning-speeds",
    source="Nielsen 2015, chapter 5",
    says="Four hidden layers of 30 start with learning speeds 0.003, 0.017, 0.070 and 0.285.",
    setup=f"{AT_THE_START}; speed of layer 4 over speed of layer 1, median of 10 nets",
    prediction=lambda: factor_nielsen() ** -3,
    measure=lambda seed: median_ratio(4, 10, 10 * seed),
    tolerance=Tolerance.factor(1.3),
    rival=64.0,
    rival_says="4^3, the sigmoid's largest slope once a layer",
    ruling=holds(
        f"his one run has the ratio {NIELSENS_RUN:.0f}, a typical one {{x:.0f}}",
        above=NIELSENS_RUN / 1.4,
        below=NIELSENS_RUN * 1.7,
        otherwise="refuted: {x:.0f}",
    ),
    correction="The ratio follows from chi = 0.042 without a fitted number: chi^(-3/2) = 116.",
)

ALWAYS_IN_ORDER = Claim(
    id="earlier-layers-always-start-slower",
    source="Nielsen 2015, chapter 5",
    says="In at least some deep networks the gradient tends to get smaller towards the input: "
    "seen in a single network, but for fundamental reasons, in many.",
    setup=f"{AT_THE_START}; share of 20 nets in which layer 1 < 2 < 3 < 4",
    prediction=1.0,
    measure=lambda seed: speed.share_ordered(4, 20, 20 * seed),
    tolerance=Tolerance.absolute(0.05),
    rival=0.5,
    rival_says="an accident of the draw, that another draw may undo",
    ruling=holds(
        "in {percent} of the nets", above=0.9, otherwise="refuted: in {percent} of the nets"
    ),
    correction="At the start of this net, always; not for every activation and weight scale.",
)

EXACT = Fact(
    id="backpropagation-reports-the-slope",
    source="every textbook",
    says="Backpropagation finds the loss's derivative, and does not approximate it.",
    setup=f"{AT_THE_START}; layer 1's bias gradient by differences of the loss alone, over the "
    "one by backpropagation",
    prediction=1.0,
    measure=speed.finite_difference_ratio,
    tolerance=Tolerance.relative(1e-6),
)

ROOT_CAUSE = at_least(
    id="backpropagation-is-the-root-cause",
    source=ZHIHU,
    place="section 2.1, paragraph 8",
    says="The root cause of vanishing and exploding gradients lies in the training rule of "
    "backpropagation; in essence it is a matter of the method.",
    setup=f"{TRAINED.replace('4 hidden', '6 hidden').replace(', lr 0.5', ', lr 20')}, 10 epochs, "
    "but by direct feedback alignment; test accuracy",
    prediction=0.8,
    measure=lambda seed: feedback_accuracy(6, 20.0, 10, seed),
    rival=0.1,
    rival_says="the same net with backpropagation, at the same step",
    ruling=holds_only_if(
        "the rule is meant, not the computing: handed the outputs' error at first hand, six "
        "layers reach {percent} in 10 epochs",
        above=0.5,
        otherwise="refuted: without backpropagation the net is stuck as well",
    ),
    correction="Backpropagation is exact; what vanishes is the gradient, a product of Jacobians. A "
    "rule that does not follow the gradient need not vanish with it.",
)

RATE_CHANGES_GRADIENT = at_most(
    id="the-learning-rate-makes-gradients-vanish",
    source=ARTICLE_2023,
    place="section 3.3, item 5",
    says="Choose a suitable learning rate: one too large or too small may cause vanishing or "
    "exploding gradients.",
    setup=f"{TRAINED.replace('4 hidden', '2 hidden').replace(', lr 0.5', '')}, 5 epochs; "
    "‖∂L/∂z‖ of layer 1 at the end over that at the start",
    over={"lr": (0.005, 0.5, 5.0, 500.0)},
    best="smallest",
    prediction=1e-3,
    measure=epochs.factor_of_training,
    rival=1.0,
    rival_says="the gradient does not contain the rate",
    ruling=holds_only_if(
        "it is too large: at 500 five epochs leave {x:.0e} of the gradient; at 0.005 it stays",
        below=0.01,
        otherwise="refuted: no rate leaves less than {x:.2g}",
    ),
    correction="The gradient at a point does not contain the rate. But far too large a step ends "
    "where the outputs are saturated, and there it vanishes, in all layers at once.",
)

STAY_NEAR_START = at_most(
    id="early-layers-stay-near-their-random-start",
    source=ZHIHU,
    place="section 2.1, paragraph 8",
    says="Sometimes, even after long training, the weights of the first layers are about what "
    "they were after random initialisation.",
    setup=f"{TRAINED}, 60 epochs; distance of W_1 from its start over its length",
    prediction=0.1,
    measure=lambda seed: float(train(epochs=60, record_every=60, seed=seed).moved[-1, 0]),
    rival=1.0,
    rival_says="as far as its own length, as in a net that learns",
    ruling=holds("here moved by {percent}", below=0.1, otherwise="refuted: moved by {percent}"),
    correction="True of this training; with 40 times the step W_1 moves by about four times its "
    "length, and the same net learns.",
)

CANNOT_LEARN = at_least(
    id="layers-with-vanishing-gradients-cannot-learn",
    source="a tutorial of 2017",
    place="section 'Reproducing vanishing gradients', paragraph 6",
    says="The neurons near the input learn slowly or even stop. Then the front hidden layers are "
    "useless layers that do not like to learn.",
    setup=f"{TRAINED.replace(', lr 0.5', '')}, 20 epochs; test accuracy",
    over={"lr": (0.2, 2.0, 20.0)},
    prediction=0.8,
    measure=lambda seed, lr: train(lr=lr, seed=seed, record_every=20).accuracy,
    rival=0.2,
    rival_says="it stays near guessing, as at lr 0.2 and 2",
    ruling=holds_only_if(
        "the step is too small: the same net, loss and start reach {percent} at step 20",
        above=0.5,
        otherwise="holds: no step gives more than {percent}",
    ),
    correction="A small gradient is a slow layer. Whether the net learns is a matter of gradient, "
    "step size and time.",
)

A_LARGER_STEP = at_least(
    id="a-larger-step-makes-up-for-vanishing-gradients",
    source="a tempting conclusion from four layers",
    says="If early layers get small gradients, a larger learning rate makes up for it.",
    setup=f"{TRAINED.replace('4 hidden', '6 hidden').replace(', lr 0.5', '')}, 300 epochs; test "
    "accuracy",
    over={"lr": (2.0, 20.0, 200.0)},
    prediction=0.5,
    measure=lambda seed, lr: train(6, lr=lr, epochs=300, seed=seed, record_every=300).accuracy,
    rival=0.1,
    rival_says="as after 40 epochs, at each of these steps",
    ruling=holds_only_if(
        "there is time: six layers reach {percent} in 300 epochs, where four need 20",
        above=0.5,
        otherwise="refuted: in 300 epochs it reaches {percent}",
    ),
    correction="One step size for all layers makes each layer more cost time. Adam, which gives "
    "each weight a step of its own, takes the same six layers to 88% in 40 epochs, the median "
    "of five starts.",
    slow=True,
)

BACKWARD_ONLY = Claim(
    id="vanishing-is-a-matter-of-the-backward-pass",
    source="a common belief, which the name suggests",
    says="Forward the network is fine; only the gradient, on its way back, gets lost.",
    setup="digits, standardised; 4 hidden layers of 100 sigmoids, weights N(0, 1/fan_in), biases "
    "N(0, 1), before training; spread of h_4 over the images over the spread of h_1",
    prediction=lambda: factor_nielsen() ** 3,
    measure=speed.spread_factor,
    tolerance=Tolerance.factor(1.4),
    rival=1.0,
    rival_says="forward nothing is lost",
    ruling=refuted(
        "forward, layer 4 keeps {x:.4f} of layer 1's differences between images", below=0.5
    ),
    correction="One Jacobian rules both ways: differences forward and gradients backward shrink "
    "by the same sqrt(chi) a layer.",
)

ONE_PATH = at_least(
    id="the-earlier-the-layer-the-smaller-its-curve",
    source="a tutorial of 2017",
    place="section 'Reproducing vanishing gradients', paragraph 7",
    says="Trained for 60 iterations, the net of one neuron a layer confirms the analysis: the "
    "earlier the layer, the smaller the norm of its bias gradient. (Its figure shows 60 epochs.)",
    setup="digits, standardised; 4 hidden layers of one sigmoid neuron, 10 sigmoid outputs, "
    "quadratic loss averaged over them, weights N(0, 1/fan_in), biases N(0, 1), SGD, batch 10, lr "
    "0.5; share of the neighbours that stand in order, over three pairs and 60 epochs",
    prediction=0.75,
    measure=_in_order,
    rival=0.5,
    rival_says="an order of the start alone, which training mixes",
    ruling=holds("of the neighbours, at all times together, in {percent}", above=0.65),
    correction="So it is in most nets. In some, two neighbours change places for many epochs.",
)

CLAIMS = (
    *(FOURTH_IS_SLOW, NIELSENS_SPEEDS, ALWAYS_IN_ORDER, OVER_ITERATIONS, EACH_STEP, EXACT),
    *(ROOT_CAUSE, RATE_CHANGES_GRADIENT, STAY_NEAR_START, CANNOT_LEARN, A_LARGER_STEP),
    *(BACKWARD_ONLY, ONE_PATH),
)
