"""What the course's reading of the five documents and of the field has to try, row by row.

ERRATA: the places where one of the five documents says more than is so. LEDGER: the numbers that
theory predicts and the course measures. Each row: what it says, in a few words, and the claims
that stand for it.
"""

ERRATA: dict[int, tuple[str, tuple[str, ...]]] = {
    1: (
        "N(0, 1) weights are below 1, so each factor is below 1/4",
        ("normal-weights-are-below-one", "every-factor-is-below-a-quarter"),
    ),
    2: ("N(0, 1) weights make gradients vanish", ("unscaled-normal-weights-vanish",)),
    3: (
        "the gradient grows exponentially in each iteration",
        ("gradients-change-exponentially-over-iterations",),
    ),
    4: ("even at 0 the slope reaches 1/4", ("slope-only-reaches-a-quarter-at-zero",)),
    5: (
        "ReLU's derivative is 1, so the problem is gone",
        ("relu-slope-1-so-every-layer-learns-alike", "relu-cannot-explode"),
    ),
    6: ("batch norm standardises the weights", ("batch-norm-standardises-the-weights",)),
    7: (
        "a short connection applies the loss to shallow layers",
        ("a-short-connection-is-a-loss-on-shallow-layers",),
    ),
    8: ("sigmoid as a loss function", ("sigmoid-as-a-loss",)),
    9: ("df4/df3 is the activation's derivative", ("a-layers-derivative-is-the-activations",)),
    10: ("df2/dw2 is f1", ("the-derivative-by-a-weight-is-the-layers-input",)),
    11: ("the fourth hidden layer is the slow one", ("the-fourth-hidden-layer-is-the-slow-one",)),
    12: (
        "the root cause is backpropagation",
        ("backpropagation-is-the-root-cause", "backpropagation-approximates"),
    ),
    13: ("capsules abandon backprop", ("capsules-abandon-backprop",)),
    14: ("tanh' is below 1", ("tanh-slope-below-one",)),
    15: ("pretraining finds the global optimum", ("pretraining-finds-the-global-optimum",)),
    16: ("WGAN clips gradients", ("wgan-clips-gradients",)),
    17: ("tf.nn.l2_loss", ("l2-loss-is-half-the-squared-norm",)),
    18: (
        "explosion makes weights huge, so weight decay limits it",
        ("weight-decay-limits-explosion", "explosion-makes-huge-weights"),
    ),
    19: ("ReLU gives all layers one speed", ("relu-slope-1-so-every-layer-learns-alike",)),
    20: ("the leak is 0.1 or 0.2, or learned", ("the-leak-is-0-1-or-0-2",)),
    21: ("a small rate avoids dead units", ("a-small-learning-rate-avoids-dead-units",)),
    22: ("batch norm forces a standard normal", ("batch-norm-makes-a-standard-normal",)),
    23: (
        "batch norm makes the gradient larger, so it cannot vanish",
        ("batch-norm-makes-gradients-larger-so-they-cannot-vanish",),
    ),
    24: (
        "with the 1 hundreds of layers need no worry",
        ("hundreds-of-layers-without-worry", "the-shortcut-passes-the-gradient-without-loss"),
    ),
    25: ("ResNet ended the ImageNet contest", ("residual-nets-ended-the-imagenet-contest",)),
    26: (
        "an LSTM remembers earlier training, through its gates",
        ("lstm-remembers-earlier-training", "memory-without-gates"),
    ),
    27: (
        "a too large w makes a linear unit's gradient small",
        ("a-large-weight-kills-a-squared-error",),
    ),
    28: (
        "exp(-mu) grows, so the gradient is infinite",
        ("the-exponential-makes-the-gradient-infinite",),
    ),
    29: ("it decays at each step", ("the-gradient-decays-at-each-step-of-backpropagation",)),
    30: ("all caused by wrong initialisation", ("all-caused-by-wrong-initialisation",)),
    31: (
        "L2 or dropout prevent it",
        ("l2-or-dropout-prevent-vanishing", "l2-makes-vanishing-worse"),
    ),
    32: (
        "clipping limits what is too large or too small",
        ("clipping-limits-too-small-gradients", "clipping-rescues-a-vanishing-net"),
    ),
    33: ("early stopping", ("early-stopping-against-vanishing",)),
    34: ("tanh and ReLU work because they are nonlinear", ("nonlinearity-is-the-remedy",)),
    35: ("batch norm can replace the activation", ("batch-norm-can-replace-the-activation",)),
    36: (
        "the learning rate makes gradients vanish or explode",
        ("the-learning-rate-makes-gradients-vanish",),
    ),
    37: ("L2 keeps the norm under a threshold", ("l2-keeps-the-norm-under-a-threshold",)),
    38: ("too wide explodes", ("too-wide-explodes",)),
    39: ("gradient checking detects vanishing", ("a-gradient-check-detects-vanishing",)),
    40: ("variance grows layer by layer", ("variance-grows-with-each-layer",)),
    41: (
        "no sigmoid in hidden layers",
        ("no-sigmoid-in-hidden-layers-batch-norm", "no-sigmoid-in-hidden-layers-residual"),
    ),
    42: ("Glorot's formula", ("glorot-is-a-compromise",)),
    43: ("batch norm makes prediction slower", ("batch-norm-makes-prediction-slower",)),
    44: ("elsewhere batch norm is enough", ("batch-norm-is-usually-enough",)),
    45: (
        "clipping by value as the method",
        ("clip-by-value-only-shortens", "clip-by-value-mitigates-explosion"),
    ),
    46: ("RReLU is Xu's", ("rrelu-regularises",)),
    47: (
        "a good start is no guarantee; a high rate kills half of the units",
        ("a-good-start-does-not-guarantee-a-good-middle", "a-large-learning-rate-kills-units"),
    ),
    48: ("the nearer the output, the more factors", ("nearer-the-output-more-factors",)),
    49: ("s' is below 1/4, not at most", ("slope-only-reaches-a-quarter-at-zero",)),
    50: ("it explodes when the weights are far above 1", ("far-larger-weights-explode",)),
    51: ("|z| > 2 is saturated", ("saturated-beyond-two",)),
    52: (
        "all gradients of a neuron share a sign",
        ("all-gradients-one-sign", "relu-has-the-same-one-sign-flaw"),
    ),
    53: ("exp is costly", ("exp-is-costly",)),
    54: ("in the negative half learning stops", ("in-the-negative-half-learning-stops",)),
    55: ("the table of six architectures", ("the-table-ranks-the-architectures",)),
    56: ("depth multiplies the parameters", ("depth-multiplies-the-parameters",)),
}

# Errors of teaching that are in none of the five documents.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "torch's default is Kaiming for ReLU": ("torch-default-is-kaiming-for-relu",),
    "half of the ReLUs are dead": ("half-of-relus-are-dead-so-change-the-activation",),
    "Xavier-tanh settles at 0.25": ("xavier-tanh-settles-at-a-quarter",),
    "SELU's gain is 3/4": ("selu-wants-the-gain-three-quarters",),
    "shattering without centring": ("every-deep-relu-net-shatters",),
}

LEDGER: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("largest slope of the sigmoid", ("slope-only-reaches-a-quarter-at-zero",)),
    2: ("P(|w| < 1)", ("normal-weights-are-below-one",)),
    3: ("E|w s'(z)|", ("weight-and-slope-are-independent",)),
    4: (
        "explosion needs |w| of 4, in a window",
        ("weights-above-one-explode", "large-weights-explode-everywhere"),
    ),
    5: ("N(0, 1) weights by width", ("unscaled-normal-weights-vanish",)),
    6: ("the critical width", ("the-width-where-it-turns",)),
    7: ("Nielsen's norms", ("nielsens-learning-speeds",)),
    8: ("L1 < ... < L4 at the start", ("earlier-layers-always-start-slower",)),
    9: ("0.25^n underflows", ("a-product-never-reaches-zero",)),
    10: (
        "U(±1/sqrt n) keeps a third",
        ("the-usual-uniform-start-loses-two-thirds-a-layer", "torch-default-is-kaiming-for-relu"),
    ),
    11: ("Glorot, linear", ("glorot-keeps-a-linear-net",)),
    12: (
        "He and Glorot with ReLU",
        ("he-initialisation-keeps-the-gradient", "glorot-and-he-are-interchangeable"),
    ),
    13: (
        "the slope is ln chi",
        (
            "the-slope-is-ln-chi-in-the-ordered-phase",
            "on-the-critical-line-the-gradient-stays",
            "the-slope-is-ln-chi-in-the-chaotic-phase",
        ),
    ),
    14: ("tanh's critical scale by bias", ("one-over-n-is-critical-for-tanh",)),
    15: ("the depth scale", ("the-reach-of-a-gradient-diverges-at-the-critical-line",)),
    16: ("(1.05, 2.01e-5) is critical", ("penningtons-point-is-critical",)),
    17: ("5/3 is not critical", ("five-thirds-is-critical-for-tanh",)),
    18: ("SELU's chi", ("self-normalising-keeps-gradients-too",)),
    19: ("Var ln norm(h)^2 = 5L/n", ("the-right-scale-fixes-the-size-of-the-output",)),
    20: ("pi/(pi - 1)", ("pi-over-pi-minus-one-at-every-batch",)),
    21: ("(B - 2)/(B - 3)", ("without-activations-there-is-no-explosion",)),
    22: ("50 layers of batch norm", ("batch-norm-is-usually-enough",)),
    23: ("scale invariance", ("batch-norm-standardises-the-weights",)),
    24: ("the spread after one step", ("an-explosive-start-stays-explosive",)),
    25: (
        "1 + alpha^2 a block",
        ("hundreds-of-layers-without-worry", "one-over-root-l-keeps-the-gradient"),
    ),
    26: (
        "does a depth-20 residual net train?",
        ("a-deep-residual-net-trains", "clipping-saves-the-exploding-residual-net"),
    ),
    27: ("exp(c sqrt L) with tanh", ("without-normalisation-growth-is-exponential",)),
    28: ("a power law with batch norm", ("batch-norm-explodes-in-residual-nets-too",)),
    29: ("shattering", ("deep-gradients-resemble-white-noise",)),
    30: ("2^-L", ("the-correlation-halves-in-each-layer", "every-deep-relu-net-shatters")),
    31: (
        "born dead",
        ("born-dead-nets-obey-the-bound", "the-born-dead-bound-is-exact-for-one-input"),
    ),
    32: (
        "dead units by rate",
        ("a-large-learning-rate-kills-units", "adam-adapts-its-steps-so-units-survive"),
    ),
    33: ("the edge of a Gaussian product", ("ten-random-matrices-stretch-a-thousandfold",)),
    34: ("orthogonal: all 1", ("orthogonal-linear-nets-keep-every-direction",)),
    35: ("Var(s^2) = L", ("deep-linear-nets-are-well-conditioned",)),
    36: ("Newman's quantiles", ("every-direction-shrinks-like-the-typical-one",)),
    37: ("ReLU's spread is L", ("orthogonal-weights-make-relu-nets-isometric",)),
    38: (
        "orthogonal tanh nets",
        ("orthogonal-tanh-nets-are-nearly-isometric", "controlling-the-variance-is-enough"),
    ),
    39: ("Saxe: time does not depend on depth", ("a-deeper-linear-net-needs-more-steps",)),
    40: ("rho^T", ("a-linear-nets-gradient-goes-like-rho-to-the-t",)),
    41: ("a transient", ("eigenvalues-below-one-vanish",)),
    42: ("rho > 1 does not suffice", ("eigenvalues-above-one-explode",)),
    43: ("the LSTM cell's gradient", ("cell-gradient-is-the-product-of-forget-gates",)),
    44: (
        "the adding task",
        (
            "a-tanh-net-fails-at-long-lags",
            "an-lstm-bridges-long-lags",
            "relu-with-the-identity-bridges-long-lags",
        ),
    ),
    45: ("clipping rescues the IRNN", ("clipping-saves-a-diverging-irnn",)),
    46: ("pre-LN: the last gradient goes like L^-1/2", ("pre-ln-last-gradient-falls-with-depth",)),
    47: ("post-LN: the last one stays", ("post-ln-gradients-near-the-output-are-large",)),
    48: ("the ends of float16", ("float16-ends-at-2-to-the-minus-24",)),
    49: ("loss scaling rescues a delta", ("scaling-the-loss-saves-every-gradient",)),
}
