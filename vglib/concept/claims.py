"""Claims on trial in chapter 01."""

from vglib.claim import Claim, Tolerance, holds, holds_only_if, refuted
from vglib.concept import speed
from vglib.concept.epochs import best_accuracy, factor_per_iteration, gradient_from_step, train
from vglib.concept.speed import NIELSEN, factor_nielsen, median_ratio
from vglib.scaled import norm

CHAPTER = 1

AT_THE_START = (
    "digits, pixels 0 to 1, 1000 images; 4 hidden layers of 30 sigmoids, 10 sigmoid outputs, "
    "cross-entropy; weights N(0, 1/fan_in), biases N(0, 1); before training"
)
TRAINED = (
    "digits, standardised; 4 hidden layers of 30 sigmoids, 10 sigmoid outputs, quadratic loss "
    "averaged over them; weights N(0, 1/fan_in), biases N(0, 1); SGD, batch 10, lr 0.5"
)
NIELSENS_RUN = NIELSEN[4][-1] / NIELSEN[4][0]


OVER_ITERATIONS = Claim(
    id="gradients-change-exponentially-over-iterations",
    source="a Chinese tutorial on vanishing gradients",
    says="Vanishing: in every training iteration the gradient almost disappears. Exploding: in "
    "every training iteration it grows exponentially.",
    setup=f"{TRAINED}, 20 epochs; the factor of layer 1's bias gradient per iteration",
    prediction=1.0,
    measure=factor_per_iteration,
    tolerance=Tolerance.absolute(0.01),
    rival=factor_nielsen(),
    rival_says="per iteration what theory says of a layer",
    ruling=refuted(
        "from one iteration to the next the gradient changes by a factor {x:.4f}; "
        f"from one layer to the one before, by {factor_nielsen():.2f}",
        above=0.9,
    ),
    correction="The exponential is over the layers, at one iteration; not over the iterations.",
)

EACH_STEP = Claim(
    id="the-gradient-decays-at-each-step-of-backpropagation",
    source="an article of 2023",
    says="In backpropagation the gradient decays at every step to a very small size.",
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
    source="a widely read Zhihu article",
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
    says="Early layers learn slower than later ones, and it is no accident of one initialisation.",
    setup=f"{AT_THE_START}; share of 20 nets in which layer 1 < 2 < 3 < 4",
    prediction=1.0,
    measure=lambda seed: speed.share_ordered(4, 20, 20 * seed),
    tolerance=Tolerance.absolute(0.05),
    rival=1 / 24,
    rival_says="any order of four is as likely as another",
    ruling=holds(
        "in {percent} of the nets", above=0.9, otherwise="refuted: in {percent} of the nets"
    ),
    correction="At the start of this net, always; not for every activation and weight scale.",
)

ROOT_CAUSE = Claim(
    id="backpropagation-is-the-root-cause",
    source="a widely read Zhihu article",
    says="The root cause of vanishing and exploding gradients lies in the training rule of "
    "backpropagation; in essence it is a fault of the method.",
    setup=f"{AT_THE_START}; layer 1's bias gradient by differences of the loss alone, over the "
    "one by backpropagation",
    prediction=1.0,
    measure=speed.finite_difference_ratio,
    tolerance=Tolerance.relative(1e-6),
    rival=factor_nielsen() ** -3,
    rival_says="without backpropagation layer 1 would see what layer 4 sees",
    ruling=refuted(
        "without backpropagation the gradient is the same (ratio {x:.6f})", above=0.99, below=1.01
    ),
    correction="Backpropagation is exact. The slope itself is small: a product of Jacobians.",
)

RATE_CHANGES_GRADIENT = Claim(
    id="the-learning-rate-makes-gradients-vanish",
    source="an article of 2023",
    says="Choose a suitable learning rate: one too large or too small may cause vanishing or "
    "exploding gradients.",
    setup=f"{TRAINED.replace('batch 10, lr 0.5', 'one step on all images')}; the gradient of W_1 "
    "found from the step, at lr 20 over lr 0.5",
    prediction=1.0,
    measure=lambda seed: norm(gradient_from_step(20.0, seed)) / norm(gradient_from_step(0.5, seed)),
    tolerance=Tolerance.relative(1e-6),
    rival=40.0,
    rival_says="the gradient grows as the learning rate does",
    ruling=refuted(
        "at a given point the gradient is the same at both rates; the rate decides only how far "
        "the step goes, and so where the next gradient is taken",
        above=0.99,
        below=1.01,
    ),
    correction="The gradient at a point does not contain the learning rate.",
)

STAY_NEAR_START = Claim(
    id="early-layers-stay-near-their-random-start",
    source="a widely read Zhihu article",
    says="Sometimes, after long training, the weights of the first layers are still about what "
    "they were after random initialisation.",
    setup=f"{TRAINED}, 60 epochs; distance of W_1 from its start over its length",
    prediction=0.1,
    measure=lambda seed: float(train(epochs=60, record_every=60, seed=seed).moved[-1, 0]),
    tolerance=Tolerance.at_most(),
    rival=1.0,
    rival_says="as far as its own length, as in a net that learns",
    ruling=holds_only_if(
        "the step is small for this loss: moved by {percent} here",
        below=0.1,
        otherwise="refuted: moved by {percent}",
    ),
    correction="True of this training; with 40 times the step the same net moves and learns.",
)

CANNOT_LEARN = Claim(
    id="layers-with-vanishing-gradients-cannot-learn",
    source="a tutorial of 2017",
    says="The front hidden layers are then useless layers that do not like to learn.",
    setup=f"{TRAINED.replace('lr 0.5', 'lr 20')}, 20 epochs; test accuracy",
    prediction=0.8,
    measure=lambda seed: train(lr=20.0, seed=seed, record_every=20).accuracy,
    tolerance=Tolerance.at_least(),
    rival=0.2,
    rival_says="it stays near guessing, as at lr 0.5",
    ruling=holds_only_if(
        "the step is too small: the same net, loss and start with 40 times the step reach {x:.0%}",
        above=0.5,
    ),
    correction="A small gradient is a slow layer. Whether the net learns is a matter of gradient, "
    "step size and time.",
)

A_LARGER_STEP = Claim(
    id="a-larger-step-makes-up-for-vanishing-gradients",
    source="a tempting conclusion from four layers",
    says="If early layers get small gradients, a larger learning rate makes up for it.",
    setup=f"{TRAINED.replace('4 hidden', '6 hidden').replace('lr 0.5', 'lr 0.5 to 100')}, "
    "40 epochs; the best test accuracy of five learning rates",
    prediction=0.3,
    measure=lambda seed: best_accuracy(6, seed),
    tolerance=Tolerance.at_most(),
    rival=0.9,
    rival_says="some step size suits six layers, as one suits four",
    ruling=holds_only_if(
        "the net is shallow: with six layers the best of five rates reaches {x:.0%}", below=0.5
    ),
    correction="True of four layers, not of six. What helps there is another ratio between the "
    "layers: the same six layers with 4 times the weights reach 95%.",
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

CLAIMS = (
    *(FOURTH_IS_SLOW, NIELSENS_SPEEDS, ALWAYS_IN_ORDER, OVER_ITERATIONS, EACH_STEP, ROOT_CAUSE),
    *(RATE_CHANGES_GRADIENT, STAY_NEAR_START, CANNOT_LEARN, A_LARGER_STEP, BACKWARD_ONLY),
)
