"""Claims of chapter 02 on trial."""

from collections.abc import Callable
from functools import partial
from math import exp, inf, log10, pi, sqrt

import numpy as np
import torch
from scipy.integrate import quad
from scipy.special import erf

from vglib import theory
from vglib.chain_rule import chain, differences, width, window
from vglib.chain_rule.chain import SIGMOID
from vglib.claim import Claim, Fact, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.losses import quadratic
from vglib.networks import mlp
from vglib.probe import trace

CHAPTER = 2
ONE_CHAIN = "one sigmoid neuron, w and b ~ N(0, 1), incoming a = 0.5"
NOTE, TUTORIAL = "a lecture note", "a tutorial of 2017"
ZHIHU = "a widely read Zhihu article"
NOTES_CAUSE = "section 'How it arises', paragraph"
TUTORIALS_CAUSE = "section 'Reproducing vanishing gradients', paragraph"

_exact = partial(Claim, exact=True)


def _mean(of: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[int], float]:
    # Over 200,000 draws of two numbers N(0, 1).
    return lambda seed: of(*np.random.default_rng(seed).standard_normal((2, 200_000))).mean()


def _smallest_exploding_weight(seed: int) -> float:
    weights = np.arange(1.0, 8.0, 0.05)
    return float(next(w for w in weights if window.explosion_window(float(w), 0.0).measured > 0))


def _factors_between(seed: int) -> float:
    """Count in factors how much smaller layer 1's gradient is than layer 4's."""
    network = mlp(4, 1, n_in=1, n_out=1, output="sigmoid")
    for weight in network.weights:
        torch.nn.init.ones_(weight)
    x, y = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    seen = trace(network, x, y, quadratic)
    z = seen.pre_mean[:3]
    return float((seen.log_delta[0] - seen.log_delta[3]) / np.log(SIGMOID.dphi(z)).mean())


def _slope_at(w: float, seed: int) -> float:
    """Return the median |d(z - y)^2/dz| of z = w x + b for x, b, y ~ N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    x, b, y = torch.randn(3, 20_000, generator=generator, dtype=torch.float64)
    z = (w * x + b).requires_grad_()
    (by_z,) = torch.autograd.grad(((z - y) ** 2).sum(), z)
    return float(by_z.abs().median())


def _slope_growth(seed: int) -> float:
    return _slope_at(100.0, seed) / _slope_at(1.0, seed)


def _power_of_w(seed: int) -> float:
    return log10(_slope_at(1000.0, seed) / _slope_at(100.0, seed))


def _mean_joint_factor() -> float:
    """Return E |w s'(w a + b)| for w, b ~ N(0, 1) and a = 1/2: z given w is N(w/2, 1)."""

    def at(w: float) -> float:
        slope = theory.gaussian_mean(lambda u: SIGMOID.dphi(u + w / 2), 1.0)
        return w * float(slope) * exp(-(w**2) / 2) * sqrt(2 / pi)

    # Even in w, so twice the half with w > 0, where the density is exp(-w^2/2) / sqrt(2 pi).
    return float(quad(at, 0, 12)[0])


def _share_of_f1(seed: int) -> float:
    """Return the median of (df_2/dw_2) / f_1 over 20,000 sigmoid neurons, by autograd."""
    generator = torch.Generator().manual_seed(seed)
    w, b = torch.randn(2, 20_000, generator=generator, dtype=torch.float64)
    f1, w = torch.full_like(w, 0.5), w.requires_grad_()
    (by_w,) = torch.autograd.grad(torch.sigmoid(w * f1 + b).sum(), w)
    return float((by_w / f1).median())


def _times_as_long(seed: int) -> float:
    _, backward, differences_ = differences.timed_gradients(seed=seed)
    return differences_ / backward


CLAIMS = (
    Claim(
        id="normal-weights-are-below-one",
        source=f"{NOTE} and {TUTORIAL}",
        place=f"{NOTES_CAUSE} 6, and {TUTORIALS_CAUSE} 5",
        says="If the weights are Gaussian with mean 0 and standard deviation 1, every |w| is below "
        "1.",
        setup="200,000 draws of w ~ N(0, 1)",
        prediction=float(erf(1 / sqrt(2))),
        measure=_mean(lambda w, z: np.abs(w) < 1),
        tolerance=Tolerance.absolute(0.005),
        rival=1.0,
        rival_says="always",
        ruling=refuted("true of {percent} of weights", below=0.99),
        correction="P(|w| < 1) = erf(1/sqrt 2); about one weight in three is larger.",
    ),
    Claim(
        id="every-factor-is-below-a-quarter",
        source=NOTE,
        place=f"{NOTES_CAUSE} 7 and 9",
        says="So the repeated factor w s'(z) is necessarily below 1/4, and the product necessarily "
        "falls exponentially. (Not a strict proof, it adds, but an informal argument.)",
        setup=f"{ONE_CHAIN}; 200,000 draws",
        prediction=chain.probability_above_quarter,
        measure=lambda seed: chain.random_chains(1, 1.0, seed, chains=200_000).share_above_quarter,
        tolerance=Tolerance.absolute(0.005),
        rival=0.0,
        rival_says="no factor exceeds 1/4",
        ruling=refuted("{percent} exceed 1/4", above=0.001),
        correction="One factor in five exceeds 1/4; the product falls typically, not surely.",
    ),
    Fact(
        id="slope-only-reaches-a-quarter-at-zero",
        source=NOTE,
        place=f"{NOTES_CAUSE} 6",
        says="Even at input 0 the sigmoid's derivative reaches 0.25 at most.",
        setup="the largest s'(z) on a grid of z from -20 to 20",
        prediction=0.25,
        measure=lambda seed: float(SIGMOID.dphi(np.linspace(-20, 20, 4001)).max()),
        tolerance=Tolerance.absolute(1e-12),
        exact=True,
    ),
    Claim(
        id="a-typical-factor-is-a-quarter",
        source="a common rule of thumb",
        says="Each sigmoid layer costs a factor 1/4.",
        setup=f"{ONE_CHAIN}; geometric mean of |w s'(z)|, 200,000 draws",
        prediction=chain.typical_factor,
        measure=lambda seed: float(
            np.exp(chain.random_chains(1, 1.0, seed, chains=200_000).log_typical)
        ),
        tolerance=Tolerance.relative(0.02),
        rival=0.25,
        rival_says="the largest slope times a weight of 1",
        ruling=refuted("typically it is {x:.3f}", below=0.24),
        correction="A product is ruled by the mean logarithm of its factors: E ln|w| + E ln s'(z).",
    ),
    _exact(
        id="weights-above-one-explode",
        source="a common reading of 'if the term exceeds 1'",
        says="Weights larger than 1 make the chain explode.",
        setup="the largest |w s'(wa + b)| over all inputs a, for |w| from 1 to 8",
        prediction=4.0,
        measure=_smallest_exploding_weight,
        tolerance=Tolerance.absolute(0.1),
        rival=1.0,
        rival_says="any |w| above 1",
        ruling=refuted("|w| must reach {x:.3g}", above=1.1),
        correction="|w s'| >= 1 needs |w| >= 4, and then only on an interval of inputs.",
    ),
    _exact(
        id="large-weights-explode-everywhere",
        source="a common picture of large weights",
        says="If only a weight is large enough, its factor |w s'| exceeds 1 whatever comes in.",
        setup="widest interval of inputs a with |w s'(wa + b)| >= 1, over all w",
        prediction=lambda: window.widest_nielsen_window()[1],
        measure=lambda seed: window.widest_window(),
        tolerance=Tolerance.absolute(0.005),
        rival=1.0,
        rival_says="all of a sigmoid's output range",
        ruling=refuted("at best on an interval {x:.3f} wide", below=0.95),
        correction="The interval is at most 0.4477 wide (at |w| = 6.9) and narrows for larger w.",
    ),
    at_least(
        id="far-larger-weights-explode",
        source=TUTORIAL,
        place="section 'Exploding gradients', paragraph 2",
        says="Once, in training, the standard deviation of the weights is far above 1, the front "
        "hidden layers get very large gradients.",
        setup="weights N(0, 16^2), biases N(0, 1), 12 sigmoid layers on digits, or, at width 1, "
        "4000 chains of 12; factor of ‖∂L/∂z‖² per layer, geometric mean",
        over={"width": (1, 10, 100)},
        prediction=2.0,
        measure=width.ratio_of_large_weights,
        rival=6e-5,
        rival_says="a chain's, 0.008 squared, since large weights saturate",
        ruling=holds_only_if(
            "layers are wide: ‖∂L/∂z‖² grows {x:.0f}-fold a layer at width 100, and falls in a "
            "chain of single neurons",
            above=1,
            otherwise="refuted: at no width more than {x:.2g}",
        ),
        correction="In a chain a large weight saturates its neuron. In a wide layer a few units "
        "stay unsaturated, behind large weights, and the paths through them add up.",
    ),
    _exact(
        id="nearer-the-output-more-factors",
        source=TUTORIAL,
        place=f"{TUTORIALS_CAUSE} 4",
        says="Each later layer multiplies into a neuron's gradient; the nearer the output, the "
        "more factors. This makes the gradient of the front layers unstable.",
        setup="five sigmoid neurons in a row, w = 1, b = 0: ln(delta_1 / delta_4) / ln(factor)",
        prediction=3.0,
        measure=_factors_between,
        tolerance=Tolerance.absolute(0.01),
        rival=-3.0,
        rival_says="three factors fewer in layer 1",
        ruling=holds_only_if(
            "'nearer the input' is meant: layer 1 has {x:.3g} factors more than layer 4", above=0
        ),
        correction="The nearer to the input, the more factors.",
    ),
    Claim(
        id="unscaled-normal-weights-vanish",
        source=f"{NOTE} and {TUTORIAL}",
        place=f"{NOTES_CAUSE} 7, and {TUTORIALS_CAUSE} 6",
        says="With sigmoids and weights from N(0, 1) the gradient gets smaller, the nearer a layer "
        "is to the input. (Both derive it with one neuron in each layer.)",
        setup="12 layers of 300 sigmoids, w, b ~ N(0, 1), digits, cross-entropy; 4 nets a seed",
        prediction=lambda: width.unscaled_chi(300, SIGMOID.phi, SIGMOID.dphi),
        measure=lambda seed: width.unscaled_ratio(300, seed=seed, nets=4),
        tolerance=Tolerance.relative(0.05),
        rival=1 / 16,
        rival_says="a quarter a layer, squared",
        ruling=holds_only_if(
            "layers are narrow: at width 300 it grows {x:.2f}-fold a layer in ‖∂L/∂z‖²", above=1
        ),
        correction="Layers below about 105 units vanish, wider ones explode.",
    ),
    Claim(
        id="the-width-where-it-turns",
        source="a back-of-the-envelope estimate: sqrt(n) / 4 = 1",
        says="N(0, 1) weights turn from vanishing to exploding at width 16.",
        setup="12 layers, widths 60 to 170, w, b ~ N(0, 1), digits; 4 nets a width and seed",
        prediction=lambda: width.critical_width(SIGMOID.phi, SIGMOID.dphi),
        measure=width.measured_critical_width,
        tolerance=Tolerance.relative(0.1),
        rival=16.0,
        rival_says="every slope is 1/4",
        ruling=refuted("it turns at width {x:.0f}", above=20),
        correction="chi = n E s'(z)^2 passes 1 near n = 105, since most units are saturated.",
    ),
    Claim(
        id="a-layers-derivative-is-the-activations",
        source=ZHIHU,
        place="section 2.1, paragraph 4",
        says="The derivative of one layer by the one before is that of the activation; if it "
        "exceeds 1 the gradient explodes with depth, if it is below 1 it vanishes.",
        setup="10 linear layers of 200 (slope 1), weights N(0, 4/n), digits",
        prediction=4.0,
        measure=lambda seed: width.linear_ratio(2.0, seed),
        tolerance=Tolerance.relative(0.08),
        rival=1.0,
        rival_says="the identity's slope, squared",
        ruling=refuted("‖∂L/∂z‖² grows {x:.2f}-fold a layer with slope 1", above=1.2),
        correction="It is diag(phi'(z)) W, as the article's own section 3.4 has it; without W "
        "initialisation would not matter.",
    ),
    Claim(
        id="a-large-weight-kills-a-squared-error",
        source="an article of 2023",
        place="section 3.1, formula and paragraph after it",
        says="For a linear unit, when w is too large or b too small, the loss's derivative by z "
        "becomes very small and the gradient vanishes.",
        setup="z = w x + b; 20,000 draws of x, b, y ~ N(0, 1); median |d(z - y)^2/dz| by autograd, "
        "at w = 100 over w = 1",
        prediction=sqrt((100**2 + 2) / (1 + 2)),
        measure=_slope_growth,
        tolerance=Tolerance.relative(0.05),
        rival=0.01,
        rival_says="it shrinks as w grows",
        ruling=refuted("it grows {x:.0f}-fold", above=1),
        correction="d(z - y)^2/dz = 2(z - y): it grows with w.",
    ),
    at_most(
        id="backpropagation-approximates",
        source=f"a reading of 'the root cause is backpropagation' ({ZHIHU})",
        place="section 2.1, paragraph 8",
        says="Passed back from layer to layer, the slope gets lost or distorted.",
        setup="4 sigmoid layers of 10; relative distance to a two-sided difference, best step",
        prediction=1e-6,
        measure=lambda seed: differences.difference_errors(seed=seed).best[1],
        rival=1e-2,
        rival_says="a per cent or more",
        ruling=refuted("both agree to {x:.0g}", below=1e-3),
        correction="Backpropagation is exact; the small number is the true derivative.",
    ),
    _exact(
        id="a-product-never-reaches-zero",
        source="a natural belief",
        says="0.25^n becomes tiny but never 0.",
        setup="multiply 0.25 up in float32 until the product is exactly 0",
        # Half of the smallest float32 above 0, 2^-150, is rounded to 0.
        prediction=150 / 2,
        measure=lambda seed: float(chain.underflow_depth(0.25, np.float32)),
        tolerance=Tolerance.absolute(0),
        rival=inf,
        rival_says="never",
        ruling=holds_only_if("numbers are exact: in float32 it is 0 at n = {x:.0f}", below=1e6),
        correction="0 from n = 13 in float16, 75 in float32 and 538 in float64.",
    ),
    Claim(
        id="weight-and-slope-are-independent",
        source="a common short cut",
        says="A factor w s'(z) has the mean size E|w| E s'(z).",
        setup=f"200,000 draws of {ONE_CHAIN}; mean of |w s'(w a + b)|",
        prediction=_mean_joint_factor,
        measure=_mean(lambda w, b: np.abs(w) * SIGMOID.dphi(0.5 * w + b)),
        tolerance=Tolerance.absolute(0.002),
        rival=sqrt(2 / pi) * float(theory.gaussian_mean(SIGMOID.dphi, 1.0)),
        rival_says="0.798 times 0.207, as if w and z were drawn apart",
        ruling=holds_only_if("z is drawn without w: it is {x:.4f}, since w is in z", below=0.16),
        correction="A large weight also moves z away from 0, where the slope is smaller.",
    ),
    Claim(
        id="the-derivative-by-a-weight-is-the-layers-input",
        source=ZHIHU,
        place="section 2.1, paragraph 3",
        says="The chain rule gives Δw = ∂Loss/∂w2 = ∂Loss/∂f4 ∂f4/∂f3 ∂f3/∂f2 ∂f2/∂w2, and "
        "∂f2/∂w2 = f1 is the input of the second hidden layer. (f is a layer's output after its "
        "activation.)",
        setup="20,000 draws of one sigmoid neuron, w and b ~ N(0, 1), f1 = 0.5; median of "
        "(∂f2/∂w2) / f1 by autograd",
        # z ~ N(0, 5/4), and s' falls on either side of 0, so its median is at the median |z|.
        prediction=lambda: float(SIGMOID.dphi(np.array(0.67449 * sqrt(1.25)))),
        measure=_share_of_f1,
        tolerance=Tolerance.absolute(0.003),
        rival=1.0,
        rival_says="nothing between f2 and w2 but f1",
        ruling=holds_only_if("the activation is left out: it is {x:.2f} f1 here", below=0.25),
        correction="∂f2/∂w2 = f'(z2) f1; f1 alone is ∂z2/∂w2. And the step is -α ∂Loss/∂w2, as its "
        "own line before says.",
    ),
    Claim(
        id="the-exponential-makes-the-gradient-infinite",
        source="an article of 2023",
        place="section 3.1, last paragraph",
        says="Why does the gradient vanish? exp(-μ) grows exponentially when -μ is large, so that "
        "the results become very large and the gradient tends to infinity. If the parameters are "
        "too large, this happens easily.",
        setup="20,000 draws of the section's linear unit z = w x + b with x, b, y ~ N(0, 1) and "
        "loss (z - y)²; log10 of the median |∂L/∂z| at w = 1000 over that at w = 100",
        prediction=1.0,
        measure=_power_of_w,
        tolerance=Tolerance.absolute(0.01),
        rival=100.0,
        rival_says="an exponential in w",
        ruling=refuted("it grows as w to the power {x:.2f}: there is no exponential", below=2),
        correction="∂L/∂z = 2(z - y) is linear in w. And a gradient that tends to infinity would "
        "explode, not vanish.",
    ),
    at_least(
        id="backpropagation-is-efficient",
        source="a Medium article",
        place="section 'A peek into backpropagation', paragraph 2",
        says="Backpropagation computes the gradient by the weights efficiently, unlike computing "
        "it for each weight by itself.",
        setup="digits, 3 hidden layers of 30 sigmoids, 32 images: seconds of two-sided differences "
        "for each of 4120 parameters, one by one, over those of one backward pass",
        prediction=100.0,
        measure=_times_as_long,
        rival=3.0,
        rival_says="forward and backward, each the cost of one",
        ruling=holds("differences take {x:.0f} times as long", above=10),
        correction="A backward pass costs about two forward ones, however many weights there are.",
    ),
)

BY_ID = {claim.id: claim for claim in CLAIMS}
