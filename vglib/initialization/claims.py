"""Claims on trial in chapter 05."""

from math import exp, inf, isfinite, log, log10, nan, sqrt

import numpy as np
import torch
from torch import nn

from vglib import theory
from vglib.activations import ACTIVATIONS
from vglib.claim import Claim, Tolerance, at_least, holds, holds_only_if, refuted
from vglib.initialization import spectrum_claims
from vglib.initialization.fluctuation import log_norm_variance, log_norms_of_real_nets
from vglib.initialization.isometry import jacobian_spread, linear_learning, singular_values
from vglib.initialization.learning import change_of_flow, learning_speed, train_grid
from vglib.initialization.mean_field import variance_after
from vglib.initialization.overflow import overflow, overflow_layer
from vglib.initialization.phases import phase_point
from vglib.initialization.variance import alternating_factors, through_depth

CHAPTER = 5

AT_THE_START = "8 random inputs of the size at which signals settle, before training"
SIGMA_B = sqrt(0.05)
TANH = ACTIVATIONS["tanh"]


def _chi(name: str, sigma_w: float, sigma_b: float = 0.0) -> float:
    phi = ACTIVATIONS[name]
    return theory.chi_at_fixed_point(phi.phi, phi.dphi, sigma_w, sigma_b)


def _default_n_var(seed: int) -> float:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return 1000 * float(nn.Linear(1000, 1000).weight.detach().double().var())


def _kept(name: str, seed: int) -> float:
    return phase_point(name, 1.0, 0.0, 20, seed).slope


def _relu_spread(seed: int) -> float:
    square = singular_values("relu", "orthogonal", 10, 300, seed) ** 2
    return float(square.var() / square.mean() ** 2)


def _speed_up(seed: int, lr: float) -> float:
    """Return how many times as long torch's default takes at lr as Glorot's start at 0.3."""
    (slow,) = learning_speed(lr=lr, seed=seed, epochs=15, inits=("torch default",)).epochs_to_target
    (fast,) = learning_speed(
        lr=0.3, seed=seed, epochs=5, inits=("Glorot uniform",)
    ).epochs_to_target
    return slow / fast if isfinite(fast) else nan


def _step_ratio(seed: int) -> float:
    deep, shallow = (linear_learning(n, seed).steps_to_target[1] for n in (30, 10))
    return deep / shallow


def _edge_advantage(seed: int, lr: float) -> float:
    scales = theory.critical_sigma_w(TANH.phi, TANH.dphi, 0.22) * np.array([0.5, 1.0, 2.0])
    low, edge, high = train_grid(30, scales, 0.22, steps=1000, width=48, seed=seed, lr=lr)
    return float(edge - max(low, high))


UNIT_NORMAL = Claim(
    id="unit-normal-weights-make-the-gradient-vanish",
    source="a tutorial of 2017; a lecture note says much the same",
    place="section 'Reproducing the vanishing gradient', paragraphs 5 and 6",
    says="With weights from N(0, 1) and sigmoids, |w| < 1 and the derivative is below 1/4; so the "
    "deeper the net, the smaller the gradient near its input. (Both draw one neuron a layer.)",
    setup="sigmoid, 15 layers of 300 units, weights and biases N(0, 1), not scaled by the fan-in; "
    f"{AT_THE_START}; factor of the squared gradient per layer",
    prediction=lambda: _chi("sigmoid", sqrt(300), 1.0),
    measure=lambda seed: exp(phase_point("sigmoid", sqrt(300), 1.0, 15, seed, width=300).slope),
    tolerance=Tolerance.relative(0.08),
    rival=1 / 16,
    rival_says="the square of 1/4",
    ruling=holds_only_if(
        "the layers are narrow, as the one neuron that both draw: at width 300 each layer "
        "multiplies the squared gradient by {x:.2f}",
        above=1,
    ),
    correction="What counts is fan_in times the variance of the weights. With N(0, 1) it is the "
    "fan_in, and a sigmoid net wider than about 105 explodes.",
)

COMPROMISE = Claim(
    id="glorot-is-a-compromise",
    source="a Medium article",
    place="section 'Glorot and He initialisation', paragraphs 2 and 3",
    says="Each layer's output variance should equal its input variance, and the same for the "
    "gradient going back. Unless fan-in equals fan-out both cannot be guaranteed; but Glorot's "
    "compromise has proven very effective in practice. (Its formula, an image, is lost in the "
    "copy read here: Var w = 2 / (n_in + n_out).)",
    setup="linear, 21 layers of 100 and 400 units in turn, Glorot's N(0, 2/(n_in + n_out)), no "
    "biases, 64 random inputs; factor of the variance per pair of layers",
    prediction=(2 / 5) * (8 / 5),
    measure=lambda seed: alternating_factors(100, 400, seed)[0],
    tolerance=Tolerance.relative(0.06),
    rival=1.0,
    rival_says="the variance is kept at any widths",
    ruling=holds(
        "where fan-in and fan-out differ, each pair of layers keeps {x:.2f} of the variance",
        below=0.95,
        otherwise="refuted: the variance is kept all the same",
    ),
    correction="Glorot's variance satisfies neither condition unless n_in = n_out; widths that "
    "change by a factor r cost 4r/(1+r)^2 a pair.",
)

RELU_GLOROT = Claim(
    id="glorot-and-he-are-interchangeable",
    source="a common view",
    says="Glorot or He: either keeps the signal, so it does not matter which one is taken.",
    setup="ReLU, 20 layers of 400 units, weights N(0, 1/n), Glorot's at equal widths, no biases; "
    f"{AT_THE_START}; factor of the squared gradient per layer",
    prediction=0.5,
    measure=lambda seed: exp(phase_point("relu", 1.0, 0.0, 20, seed).slope),
    tolerance=Tolerance.relative(0.08),
    rival=1.0,
    rival_says="nothing is lost",
    ruling=refuted("Glorot with ReLU keeps {x:.2f} of the squared gradient per layer", below=0.9),
    correction="ReLU halves the mean square, so it needs He's factor of two; after 20 layers the "
    "difference is a factor of a million.",
)

TORCH_DEFAULT = Claim(
    id="torch-default-is-kaiming-for-relu",
    source="many a forum answer; the source of nn.Linear calls kaiming_uniform_",
    says="PyTorch's linear layers are initialised with Kaiming (He), so they suit ReLU.",
    setup="torch.nn.Linear(1000, 1000) as it comes; fan_in times the variance of its weights",
    prediction=1 / 3,
    measure=_default_n_var,
    tolerance=Tolerance.relative(0.02),
    rival=2.0,
    rival_says="He's n Var w",
    ruling=refuted("n Var w is {x:.4f}, where He's is 2", below=1),
    correction="It calls kaiming_uniform_ with a = sqrt(5), which gives U(±1/sqrt(n)): variance "
    "1/(3n).",
)

QUARTER = Claim(
    id="xavier-tanh-settles-at-a-quarter",
    source="lecture slides that show histograms of ten layers",
    says="With Xavier (Glorot) weights the variance of tanh activations settles, at about 0.25.",
    setup="tanh, 60 layers of 200 units, Glorot normal, no biases, 128 digits; mean of z² in "
    "layer 60",
    prediction=lambda: float(theory.q_trajectory(1.0, TANH.phi, 1.0, 0.0, 60)[-1]),
    measure=lambda seed: exp(
        through_depth(60, 1.0, "tanh", "Glorot normal", 200, seed=seed).log_signal[-1]
    ),
    tolerance=Tolerance.relative(0.4),
    rival=0.25,
    rival_says="it settles at 0.25",
    ruling=refuted("in layer 60 the mean of z² is {x:.4f}, about 1/(2·60) = 0.0083", below=0.1),
    correction="At sigma_w = 1 the only fixed point is 0, reached slowly: q is about 1/(2L) after "
    "L layers.",
)

FIVE_THIRDS = Claim(
    id="five-thirds-is-critical-for-tanh",
    source="the recommended gains of torch.nn.init.calculate_gain",
    says="tanh needs the gain 5/3 to keep its signal through a deep net.",
    setup="tanh, 40 layers of 300 units, weights N(0, (5/3)²/n), no biases; "
    f"{AT_THE_START}; factor of the squared gradient per layer",
    prediction=lambda: _chi("tanh", 5 / 3),
    measure=lambda seed: exp(phase_point("tanh", 5 / 3, 0.0, 40, seed, width=300).slope),
    tolerance=Tolerance.relative(0.04),
    rival=1.0,
    rival_says="critical",
    ruling=holds_only_if(
        "the signal alone counts: each layer multiplies the squared gradient by {x:.2f}", above=1.1
    ),
    correction="At 5/3 the variance settles at a healthy size, but chi = 1.21: the gradient "
    "explodes. Without biases the critical gain is 1.",
)

SELU_GAIN = Claim(
    id="selu-wants-the-gain-three-quarters",
    source="torch.nn.init.calculate_gain",
    says="The recommended gain for SELU is 3/4. (Its notes add that a self-normalising net wants "
    "the gain 1, and that 3/4 gives this up for a more stable gradient.)",
    setup="SELU, 50 layers of 200 units, weights N(0, (3/4)²/n), no biases, 8 random inputs of "
    "variance 1; mean of z² in layer 50",
    prediction=lambda: theory.q_fixed_point(ACTIVATIONS["selu"].phi, 0.75, 0.0),
    measure=lambda seed: variance_after("selu", 0.75, 50, seed, width=200),
    tolerance=Tolerance.factor(1.7),
    rival=1.0,
    rival_says="SELU's own fixed point",
    ruling=holds_only_if(
        "self-normalising is given up: with 3/4 the mean of z² falls to {x:.3f}; with gain 1 it "
        "stays at 1",
        below=0.5,
    ),
    correction="SELU normalises itself with variance 1/n, gain 1. The 3/4 trades this away for "
    "gradients that do not grow.",
)

ORDERED = Claim(
    id="the-slope-is-ln-chi-in-the-ordered-phase",
    source="Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017",
    says="In the ordered phase ln‖∂L/∂z‖² falls by |ln χ| per layer on its way back.",
    setup="tanh, 30 layers of 400 units, σ_w² = 1, σ_b² = 0.05; " + AT_THE_START,
    prediction=lambda: log(_chi("tanh", 1.0, SIGMA_B)),
    measure=lambda seed: phase_point("tanh", 1.0, SIGMA_B, 30, seed).slope,
    tolerance=Tolerance.relative(0.08),
    rival=0.0,
    rival_says="σ_w = 1 keeps everything",
    ruling=holds(below=-0.2, otherwise="refuted: the gradient does not vanish"),
    correction="It does, to a few per cent at width 400.",
)

CHAOTIC = Claim(
    id="the-slope-is-ln-chi-in-the-chaotic-phase",
    source="Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017",
    says="In the chaotic phase ln‖∂L/∂z‖² grows by ln χ per layer on its way back.",
    setup="tanh, 30 layers of 400 units, σ_w² = 4, σ_b² = 0.05; " + AT_THE_START,
    prediction=lambda: log(_chi("tanh", 2.0, SIGMA_B)),
    measure=lambda seed: phase_point("tanh", 2.0, SIGMA_B, 30, seed).slope,
    tolerance=Tolerance.relative(0.08),
    rival=log(4.0),
    rival_says="ln σ_w², as if tanh had slope 1 everywhere",
    ruling=holds(above=0.2, below=0.5, otherwise="refuted: the slope is another"),
    correction="It does, to a few per cent at width 400.",
)

REMEDY = Claim(
    id="nonlinearity-is-the-remedy",
    source="an article of 2023",
    place="section 3.3, measure 3",
    says="Some activation functions, such as tanh and ReLU, are nonlinear and can effectively "
    "suppress the vanishing gradient.",
    setup="20 layers of 400 units, weights N(0, 1/n), no biases; "
    f"{AT_THE_START}; what a layer keeps of the squared gradient with ReLU, over what it keeps "
    "with no activation at all",
    prediction=0.5,
    measure=lambda seed: exp(_kept("relu", seed) - _kept("identity", seed)),
    tolerance=Tolerance.relative(0.1),
    rival=1.0,
    rival_says="what is nonlinear keeps no less than what is linear",
    ruling=holds_only_if(
        "they take the sigmoid's place: of what a linear layer keeps of the squared gradient ReLU "
        "keeps {x:.2f}",
        below=0.9,
    ),
    correction="The sigmoid is nonlinear too. What counts is the size of the slopes and of the "
    "weights, and how evenly the weights treat the directions.",
)

ENOUGH = Claim(
    id="controlling-the-variance-is-enough",
    source="a common view",
    says="If every layer keeps the mean squared gradient, the gradient reaches the first layer.",
    setup="tanh, 50 layers of 150 units, Gaussian weights, critical: σ_w² = 1.05, σ_b² = 2.01e-5; "
    "log10 of the median singular value of the Jacobian",
    prediction=-50 / 2 * log10(2),
    measure=lambda seed: log10(np.median(singular_values("tanh", "1/fan_in", 50, 150, seed))),
    tolerance=Tolerance.absolute(0.5),
    rival=0.0,
    rival_says="a typical direction keeps its size",
    ruling=holds_only_if("the mean is meant: the median singular value is 10^{x:.1f}", below=-3),
    correction="A mean of 1 may be made of a few large values and many tiny ones. Orthogonal "
    "weights keep nearly all directions.",
)

RELU_ISOMETRY = Claim(
    id="orthogonal-weights-make-relu-nets-isometric",
    source="a common view",
    says="Orthogonal initialisation keeps all singular values near 1, whatever the activation.",
    setup="ReLU, 10 layers of 300 units, √2 times orthogonal weights, no biases; variance of the "
    "squared singular values over their squared mean",
    prediction=lambda: jacobian_spread(10, ACTIVATIONS["relu"].dphi, 1.0, orthogonal=True),
    measure=_relu_spread,
    tolerance=Tolerance.relative(0.15),
    rival=0.0,
    rival_says="an isometry",
    ruling=holds_only_if(
        "the activation is nearly linear: with ReLU the spread is {x:.1f}", above=1
    ),
    correction="ReLU shuts half of the units and spreads the spectrum by L, twice that with "
    "Gaussian weights. tanh near 0 can be isometric.",
)

WIDTH = Claim(
    id="the-right-scale-fixes-the-size-of-the-output",
    source="a common view",
    says="With He's weights the signal of a ReLU net keeps its size.",
    setup="ReLU, 10 layers of 50 units, He normal, no biases, one input, 200 nets with matrices of "
    "their own; variance of ln‖h‖² over the nets",
    prediction=lambda: log_norm_variance(ACTIVATIONS["relu"].phi, 10, 50),
    measure=lambda seed: float(np.var(log_norms_of_real_nets("relu", 10, 50, seed, 200))),
    tolerance=Tolerance.relative(0.3),
    rival=0.4,
    rival_says="2L/n, the linear net's",
    ruling=holds_only_if(
        "the width is far above five times the depth: here ln‖h‖² has variance {x:.2f}", above=0.1
    ),
    same="a linear net's output wanders too, by less",
    correction="The mean is kept, but ln‖h‖² wanders with variance 5L/n in a ReLU net.",
)

LASTS = at_least(
    id="a-good-start-does-not-guarantee-a-good-middle",
    source="a Medium article",
    place="section 'Nonsaturating activation functions', under batch normalisation, paragraph 1",
    says="These methods reduce vanishing and exploding at the start of training, but do not "
    "guarantee that they will not come back during training.",
    setup="tanh, 10 layers of 50 units, Glorot normal, digits, cross-entropy, SGD lr 1, batch 32, "
    "200 steps; by how much ln(‖δ_1‖/‖δ_10‖) has moved, either way",
    prediction=2.0,
    measure=lambda seed: abs(change_of_flow(1.0, seed)),
    rival=0.0,
    rival_says="a critical start stays critical",
    ruling=holds(
        "two hundred large steps change the ratio of the first layer's gradient to the last's by a "
        "factor of {x:.0f}",
        above=1,
        otherwise="refuted: the flow is as it was",
        show=exp,
    ),
    correction="True and worth keeping: initialisation is a promise about step 0 alone.",
)

HALF_THE_BITS = Claim(
    id="half-the-bits-half-the-range",
    source="a common slip",
    says="A 16-bit format overflows long before float32 does.",
    setup="ReLU, width 128, 4 times He's weights, one net in bfloat16; the first layer with an "
    "infinity",
    prediction=lambda: overflow_layer(torch.finfo(torch.bfloat16).max, 4.0, 128),
    measure=lambda seed: overflow(4.0, seed, formats=["bfloat16"]).inf_layer["bfloat16"] or inf,
    tolerance=Tolerance.absolute(3),
    rival=7.0,
    rival_says="where float16 overflows",
    ruling=holds_only_if(
        "it is float16: bfloat16 lasts until layer {x:.0f}, as float32 does", above=30
    ),
    correction="bfloat16 has float32's exponent and fewer digits; float16 ends at 65504.",
)

SPEEDS_UP = at_least(
    id="glorot-speeds-training-up",
    source="a Medium article",
    place="section 'Glorot and He initialisation', paragraph 4",
    says="Using Glorot initialisation can speed training up considerably.",
    setup="digits, tanh, 5 layers of 50 units, cross-entropy, SGD, batch 64; epochs to 90% on the "
    "test set with torch's default at lr, over epochs with Glorot uniform at 0.3",
    prediction=2.0,
    measure=_speed_up,
    over={"lr": (0.01, 0.1, 1.0)},
    best="smallest",
    rival=1.0,
    rival_says="the start does not matter",
    ruling=holds(
        "torch's default needs {x:.1f} times as many epochs, each at its best rate",
        above=1.5,
        otherwise="refuted: no faster",
    ),
    correction="True for tanh. How much depends on depth, rate and what one compares with: at 0.1 "
    "for both it is about five times.",
)

SAXE = Claim(
    id="a-deeper-linear-net-needs-more-steps",
    source="a common view",
    says="Three times as many layers take three times as many steps.",
    setup="digits, linear nets of width 64, orthogonal weights, quadratic loss, full batch, the "
    "best of three learning rates over L; steps to loss 0.05 at 30 layers over those at 10",
    prediction=1.0,
    measure=_step_ratio,
    tolerance=Tolerance.factor(1.5),
    rival=3.0,
    rival_says="in proportion to the depth",
    ruling=refuted("30 layers take {x:.2f} times the steps of 10", below=2),
    correction="From an orthogonal start the number of steps does not depend on the depth, with a "
    "learning rate in proportion to 1/L (Saxe, McClelland and Ganguli 2014).",
    slow=True,
)

TRAINABLE = at_least(
    id="deep-nets-learn-best-at-the-edge-of-chaos",
    source="Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017",
    says="The deepest nets that train are those near criticality.",
    setup="digits, tanh, 30 layers of 48 units, σ_b = 0.22, cross-entropy, SGD with momentum 0.9, "
    "batch 32, 1000 steps, float32; test accuracy at the critical σ_w less the better of half and "
    "twice that σ_w",
    prediction=0.25,
    measure=_edge_advantage,
    over={"lr": (0.0003, 0.003, 0.03)},
    rival=0.0,
    rival_says="the scale does not matter",
    ruling=holds(
        "the edge of chaos is ahead by {points:.0f} points",
        above=0.1,
        otherwise="refuted: no advantage",
    ),
    correction="The ordering holds. How deep still trains depends on steps and learning rate; at "
    "0.03 none of the three nets learns.",
    slow=True,
)

CLAIMS = (
    *(UNIT_NORMAL, COMPROMISE, RELU_GLOROT, TORCH_DEFAULT, QUARTER, FIVE_THIRDS, SELU_GAIN),
    *(ORDERED, CHAOTIC, REMEDY, ENOUGH, RELU_ISOMETRY, WIDTH, LASTS, HALF_THE_BITS, SPEEDS_UP),
    *(SAXE, TRAINABLE, *spectrum_claims.CLAIMS),
)
