"""Claims on trial in chapter 05: the critical line, and the singular values behind the mean."""

from math import exp, log, sqrt

import numpy as np

from vglib import theory
from vglib.activations import ACTIVATIONS
from vglib.claim import Claim, Tolerance, at_least, holds, holds_only_if, refuted
from vglib.initialization.convolution import SIDE, kept_by_the_border, through_convolutions
from vglib.initialization.isometry import (
    gaussian_product_edge,
    gaussian_product_log_quantile,
    jacobian_spread,
    log_singular_values,
    singular_values,
)
from vglib.initialization.mean_field import depth_scale
from vglib.initialization.phases import phase_point
from vglib.initialization.schemes import CRITICAL
from vglib.initialization.variance import through_depth

TANH = ACTIVATIONS["tanh"]
SCHOENHOLZ = "Schoenholz, Gilmer, Ganguli and Sohl-Dickstein 2017, arXiv:1611.01232"
PENNINGTON = "Pennington, Schoenholz and Ganguli 2017, arXiv:1711.04735"
XIAO = "Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington 2018, arXiv:1806.05393"
GLOROT = "Glorot and Bengio 2010"
NET = "tanh, {depth} layers of {width} units, {scales}; 8 random inputs of the size at which "
NET += "signals settle, before training; {what}"
PER_LAYER = "factor of the squared gradient per layer"
LINEAR = "product of {depth} square matrices of {width} units with weights {weights}; {what}"
CONVOLUTIONS = (
    "{phi}, 100 layers of 24 channels of 6 x 6 pixels, kernels of 3 x 3, {padding}, "
    "before training; {what}"
)
ANGLES = (
    "twelve random errors at the last layer: by what the mean squared cosine between two of "
    "their gradients has grown in layer 1"
)
SIGMA_B = sqrt(0.05)


def _chi(sigma_w: float, sigma_b: float) -> float:
    return theory.chi_at_fixed_point(TANH.phi, TANH.dphi, sigma_w, sigma_b)


def _critical(sigma_b: float) -> float:
    return theory.critical_sigma_w(TANH.phi, TANH.dphi, sigma_b)


def _factor(seed: int, sigma_w: float, sigma_b: float, depth: int = 30, width: int = 300) -> float:
    return exp(phase_point("tanh", sigma_w, sigma_b, depth, seed, width=width).slope)


def _lives_longer(seed: int) -> float:
    """Return xi at sigma_w^2 = 1.4 over xi at 1, each from a measured slope."""
    near, far = (
        phase_point("tanh", sqrt(v), SIGMA_B, 30, seed, width=300).slope for v in (1.4, 1.0)
    )
    return far / near


def _linear_factor(init: str, seed: int) -> float:
    return through_depth(20, 1.0, "identity", init, 200, biases=False, seed=seed).forward_factor


def _spread(seed: int) -> float:
    squares = singular_values("identity", "1/fan_in", 10, 200, seed) ** 2
    return float(squares.var() / squares.mean() ** 2)


def _alignment(start: int, seed: int) -> float:
    return through_convolutions("tanh", "circular", 100, 1.0, seed, errors=12).alignment[start]


def _alignment_by_theory(orthogonal: bool) -> float:
    q = theory.q_fixed_point(TANH.phi, *CRITICAL["tanh"])
    return 1 + jacobian_spread(99, TANH.dphi, q, orthogonal=orthogonal)


def _share_that_vanish(seed: int) -> float:
    kinds = [
        through_depth(20, 1.0, phi, init, 40, biases=False, seed=seed).changes[1] / 2
        for phi in ("sigmoid", "tanh", "relu", "selu", "gelu", "silu")
        for init in ("torch default", "Glorot normal", "He normal", "LeCun uniform")
    ]
    wrong = [change for change in kinds if abs(change) > log(10)]
    return sum(change < 0 for change in wrong) / len(wrong)


UNIFORM = Claim(
    id="the-usual-uniform-start-loses-two-thirds-a-layer",
    source=GLOROT,
    place="section 4.2",
    says="The standard start U(-1/sqrt n, 1/sqrt n) gives n Var w = 1/3, so that the variance of "
    "what goes through depends on the layer, and decreases.",
    setup="linear, 20 layers of 200 units, U(-1/sqrt n, 1/sqrt n), no biases, digits; factor of "
    "the mean of z² per layer",
    prediction=1 / 3,
    measure=lambda seed: _linear_factor("torch default", seed),
    tolerance=Tolerance.relative(0.03),
    rival=1.0,
    rival_says="1/n looks like the right scale",
    ruling=holds("each layer keeps {x:.3f}", below=0.5),
    correction="A uniform draw up to a has variance a²/3: the 1/sqrt n is its edge, not its "
    "standard deviation. torch's Linear still starts so.",
)

GLOROT_LINEAR = Claim(
    id="glorot-keeps-a-linear-net",
    source=GLOROT,
    place="section 4.2",
    says="With the normalised initialisation the variance stays about the same from layer to "
    "layer. (It supposes the linear regime.)",
    setup="linear, 20 layers of 200 units, Glorot's U(±sqrt(6/(n_in + n_out))), no biases, digits; "
    "factor of the mean of z² per layer",
    prediction=1.0,
    measure=lambda seed: _linear_factor("Glorot uniform", seed),
    tolerance=Tolerance.relative(0.03),
    rival=1 / 3,
    rival_says="the usual uniform start's",
    ruling=holds("each layer keeps {x:.3f}", above=0.9),
    correction="At equal widths both conditions are met, and a linear net keeps its variance.",
)

ON_THE_LINE = Claim(
    id="on-the-critical-line-the-gradient-stays",
    source=SCHOENHOLZ,
    place="section 3",
    says="Between vanishing and exploding gradients lies a line in the plane of σ_w and σ_b, χ = "
    "1, on which gradients do neither.",
    setup=NET.format(
        depth=30, width=300, scales="σ_b² = 0.05 and the critical σ_w² = 1.76", what=PER_LAYER
    ),
    prediction=1.0,
    measure=lambda seed: _factor(seed, _critical(SIGMA_B), SIGMA_B),
    tolerance=Tolerance.absolute(0.05),
    rival=0.759,
    rival_says="χ at σ_w = 1, the usual 1/n",
    ruling=holds("each layer multiplies the square by {x:.2f}", above=0.9),
    correction="It does, to a few per cent at width 300.",
)

BIASES_COUNT = Claim(
    id="one-over-n-is-critical-for-tanh",
    source="a common view",
    says="tanh has slope 1 at 0, so weights of variance 1/n keep its gradient, whatever the "
    "biases.",
    setup=NET.format(depth=20, width=300, scales="σ_w = 1, σ_b = 0.3", what=PER_LAYER),
    prediction=lambda: _chi(1.0, 0.3),
    measure=lambda seed: _factor(seed, 1.0, 0.3, 20),
    tolerance=Tolerance.relative(0.08),
    rival=1.0,
    rival_says="critical at any biases",
    ruling=holds_only_if(
        "the biases start at 0: with σ_b = 0.3 a layer keeps {percent} of the square", below=0.9
    ),
    correction="Biases push z away from 0, where the slope is smaller. The critical σ_w grows with "
    "them: 1.12, 1.30, 1.55 at σ_b = 0.05, 0.2, 0.5.",
)

DEPTH_SCALE = Claim(
    id="the-reach-of-a-gradient-diverges-at-the-critical-line",
    source=SCHOENHOLZ,
    place="section 4",
    says="Gradients survive over a depth ξ = 1/|ln χ|, which diverges at the critical line.",
    setup=NET.format(
        depth=30,
        width=300,
        scales="σ_b² = 0.05",
        what="ξ at σ_w² = 1.4 over ξ at σ_w² = 1 (critical is 1.76)",
    ),
    prediction=lambda: float(
        depth_scale(_chi(sqrt(1.4), SIGMA_B)) / depth_scale(_chi(1.0, SIGMA_B))
    ),
    measure=_lives_longer,
    tolerance=Tolerance.factor(1.3),
    rival=1.4,
    rival_says="it grows as the variance does",
    ruling=holds("with 1.4 times the variance it reaches {x:.1f} times as deep", above=2),
    correction="By theory from 3.6 layers to 11, to 16 at σ_w² = 1.5, and without bound where χ "
    "comes to 1.",
)

PENNINGTONS_POINT = Claim(
    id="penningtons-point-is-critical",
    source=PENNINGTON,
    place="section 3",
    says="(σ_w², σ_b²) = (1.05, 2.01e-5) lies on tanh's critical line.",
    setup=NET.format(depth=40, width=300, scales="σ_w² = 1.05, σ_b² = 2.01e-5", what=PER_LAYER),
    prediction=lambda: _chi(sqrt(1.05), sqrt(2.01e-5)),
    measure=lambda seed: _factor(seed, sqrt(1.05), sqrt(2.01e-5), 40),
    tolerance=Tolerance.absolute(0.02),
    rival=1.05,
    rival_says="σ_w², as if no unit were ever far from 0",
    ruling=holds("each layer multiplies the square by {x:.3f}", below=1.03),
    correction="By quadrature χ = 1.0000002 there: a trace of bias keeps the slopes just below 1.",
)

TANH_ISOMETRY = Claim(
    id="orthogonal-tanh-nets-are-nearly-isometric",
    source=PENNINGTON,
    place="abstract",
    says="Orthogonal weights let tanh-like nets reach dynamical isometry: all singular values of "
    "the Jacobian concentrate near 1.",
    setup="tanh, 50 layers of 150 units, orthogonal weights, σ_w² = 1.05, σ_b² = 2.01e-5; median "
    "singular value of the Jacobian",
    prediction=1.0,
    measure=lambda seed: float(np.median(singular_values("tanh", "orthogonal", 50, 150, seed))),
    tolerance=Tolerance.absolute(0.05),
    rival=0.0,
    rival_says="as with Gaussian weights of the same variance, 3e-8",
    ruling=holds("the median is {x:.2f}", above=0.8),
    correction="Near 0 tanh is nearly linear, and an orthogonal matrix keeps every length.",
)

KEEPS_ALL = Claim(
    id="orthogonal-linear-nets-keep-every-direction",
    source="Saxe, McClelland and Ganguli 2014, arXiv:1312.6120",
    says="Random orthogonal weights give a linear net of any depth the singular values 1.",
    setup=LINEAR.format(depth=100, width=60, weights="orthogonal", what="smallest singular value"),
    prediction=1.0,
    measure=lambda seed: float(singular_values("identity", "orthogonal", 100, 60, seed).min()),
    tolerance=Tolerance.absolute(1e-6),
    rival=2.0**-50,
    rival_says="the median of Gaussian weights",
    ruling=holds("the smallest is {x:.6f}", above=0.99),
    correction="A product of orthogonal matrices is orthogonal.",
)

EDGE = Claim(
    id="ten-random-matrices-stretch-a-thousandfold",
    source="a back-of-the-envelope estimate: each stretches by up to 2",
    says="The largest singular value of an N(0, 1/n) matrix is 2, so ten of them stretch up to "
    "2^10 = 1024-fold.",
    setup=LINEAR.format(depth=10, width=200, weights="N(0, 1/n)", what="largest singular value"),
    prediction=lambda: gaussian_product_edge(10),
    measure=lambda seed: float(singular_values("identity", "1/fan_in", 10, 200, seed)[0]),
    tolerance=Tolerance.relative(0.12),
    rival=1024.0,
    rival_says="the best direction of each is fed by the best of the one before",
    ruling=refuted("they stretch {x:.1f}-fold at most", below=100),
    correction="sqrt((L+1)^(L+1)/L^L), 5.3 at L = 10: what one matrix stretches most is nothing "
    "special to the next. (For depths near the width the formula fails.)",
)

SPREAD = Claim(
    id="deep-linear-nets-are-well-conditioned",
    source="a common view",
    says="N(0, 1/n) keeps the mean square, so a linear net of any depth treats its directions "
    "much alike.",
    setup=LINEAR.format(
        depth=10,
        width=200,
        weights="N(0, 1/n)",
        what="variance of the squared singular values over their squared mean",
    ),
    prediction=lambda: jacobian_spread(10, ACTIVATIONS["identity"].dphi, 1.0),
    measure=_spread,
    tolerance=Tolerance.relative(0.2),
    rival=1.0,
    rival_says="one matrix's, at any depth",
    ruling=refuted("the spread is {x:.1f} squared means after ten layers", above=2),
    correction="It is L: each layer adds 1, though the mean stays.",
)

LYAPUNOV = Claim(
    id="every-direction-shrinks-like-the-typical-one",
    source="a common reading of 'the median singular value halves every two layers'",
    says="In a deep net of N(0, 1/n) matrices a direction loses the median's factor 0.71 a layer, "
    "give or take a little.",
    setup=LINEAR.format(
        depth=100,
        width=60,
        weights="N(0, 1/n)",
        what="factor a layer below which a tenth of all directions stays",
    ),
    prediction=lambda: exp(float(gaussian_product_log_quantile(0.1, 100)) / 100),
    measure=lambda seed: exp(float(np.quantile(log_singular_values(100, 60, seed), 0.1)) / 100),
    tolerance=Tolerance.relative(0.08),
    rival=sqrt(0.5),
    rival_says="the median's",
    ruling=refuted("a tenth of them lose at least a factor {x:.2f} a layer", below=0.6),
    correction="The share p of the directions shrinks by sqrt(p) a layer or faster (Newman 1986): "
    "0.32 for the last tenth, 0.95 for the first.",
)

DELTA = Claim(
    id="delta-orthogonal-convolutions-keep-angles",
    source=XIAO,
    place="abstract, and algorithm 2",
    says="For the dynamical isometry of a convolutional net its convolutions must be orthogonal, "
    "that is, keep every norm; random kernels that do can be drawn.",
    setup=CONVOLUTIONS.format(
        phi="tanh at σ_w² = 1.05, σ_b² = 2.01e-5",
        padding="circular padding, the middle tap orthogonal and the others 0",
        what=ANGLES,
    ),
    prediction=lambda: _alignment_by_theory(orthogonal=True),
    measure=lambda seed: _alignment(2, seed),
    tolerance=Tolerance.factor(2),
    rival=100.0,
    rival_says="as with Gaussian kernels of the same variance, one more a layer",
    ruling=holds("it grows {x:.1f}-fold in a hundred layers", below=4),
    correction="It is 1 + Var s²/(mean s²)², 1 for an isometry. What is left is tanh's: a linear "
    "net has exactly 1.",
)

ROWS = Claim(
    id="torchs-orthogonal-makes-a-convolution-an-isometry",
    source="a common view",
    says="torch.nn.init.orthogonal_ takes the kernel of a convolution too, and so gives a "
    "convolutional net the isometry that it gives a dense one.",
    setup=CONVOLUTIONS.format(
        phi="tanh at σ_w² = 1.05, σ_b² = 2.01e-5",
        padding="circular padding, kernels of orthonormal rows as orthogonal_ draws them",
        what=ANGLES,
    ),
    prediction=lambda: _alignment_by_theory(orthogonal=False),
    measure=lambda seed: _alignment(1, seed),
    tolerance=Tolerance.factor(2.5),
    rival=1.0,
    rival_says="an isometry's",
    ruling=refuted("the gradients' mean squared cosine grows {x:.0f}-fold", above=10),
    correction="It flattens the kernel and makes the rows of a c x 9c matrix orthonormal. As a "
    "convolution that is no orthogonal matrix, and does no better than a Gaussian draw.",
)

BORDER = Claim(
    id="fan-in-keeps-the-gradient-of-a-convolution",
    source="a common view",
    says="With variance 1/fan_in, fan_in = k² times the channels, a convolution keeps the squared "
    "gradient as a dense layer does.",
    setup=CONVOLUTIONS.format(
        phi="linear",
        padding="zeros outside the image, Gaussian weights of variance 1/fan_in",
        what="factor of ‖δ‖² per layer over the lower fifty",
    ),
    prediction=lambda: kept_by_the_border(SIDE),
    measure=lambda seed: through_convolutions("identity", "zeros", 100, 1.0, seed).factors[0],
    tolerance=Tolerance.absolute(0.03),
    rival=1.0,
    rival_says="χ, which knows no border",
    ruling=holds_only_if(
        "no border takes its part: with zeros outside 6 x 6 pixels a layer keeps {percent}",
        below=0.95,
    ),
    correction="Part of what a border pixel sends on leaves the image. The factor is ((1 + 2 "
    "cos(π/(s+1)))/3)² at s x s pixels: 0.87 for 6, 0.9994 for 100. Circular padding has none.",
)

MORE_OFTEN = at_least(
    id="gradients-vanish-more-often-than-they-explode",
    source="a widely read Zhihu article",
    place="section 3.2, last paragraph",
    says="In fact, in deep neural networks it is mostly vanishing gradients that appear.",
    setup="fresh nets of 20 layers of 40 units on digits: sigmoid, tanh, ReLU, SELU, GELU and "
    "SiLU, each from torch's default, Glorot, He and LeCun, no biases; of the nets whose "
    "||dL/dz|| changes more than tenfold on its way back, the share in which it falls",
    prediction=0.7,
    measure=_share_that_vanish,
    rival=0.5,
    rival_says="one as often as the other",
    ruling=holds("in {percent} of the nets that go wrong", above=0.6),
    correction="Of these activations and starts, yes.",
)


CLAIMS = (
    *(UNIFORM, GLOROT_LINEAR, ON_THE_LINE, BIASES_COUNT, DEPTH_SCALE, PENNINGTONS_POINT),
    *(TANH_ISOMETRY, KEEPS_ALL, EDGE, SPREAD, LYAPUNOV, DELTA, ROWS, BORDER, MORE_OFTEN),
)
