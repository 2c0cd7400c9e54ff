"""Claims of chapter 02 on trial."""

from collections.abc import Callable
from functools import partial
from math import log, pi, sqrt

import numpy as np
import torch
from scipy.special import erf

from vglib import theory
from vglib.chain_rule import chain, differences, width, window
from vglib.chain_rule.chain import SIGMOID
from vglib.claim import Claim, Tolerance, holds_only_if, refuted
from vglib.losses import quadratic
from vglib.networks import mlp
from vglib.probe import trace

CHAPTER = 2
ONE_CHAIN = "one sigmoid neuron, w and b ~ N(0, 1), incoming a = 0.5"

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


def _slope_of_squared_error(seed: int) -> float:
    z = torch.tensor(100.0 * 1 + 1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((z - 0) ** 2, z)
    return float(slope)


CLAIMS = (
    Claim(
        id="normal-weights-are-below-one",
        source="a lecture note and a tutorial of 2017",
        says="With weights from N(0, 1) every |w| is below 1.",
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
        source="a lecture note and a tutorial of 2017",
        says="So each factor |w s'(z)| is below 1/4 and the product must fall.",
        setup=f"{ONE_CHAIN}; 200,000 draws",
        prediction=chain.probability_above_quarter,
        measure=lambda seed: chain.random_chains(1, 1.0, seed, chains=200_000).share_above_quarter,
        tolerance=Tolerance.absolute(0.005),
        rival=0.0,
        rival_says="no factor exceeds 1/4",
        ruling=refuted("{percent} exceed 1/4", above=0.001),
        correction="One factor in five exceeds 1/4; the product falls typically, not surely.",
    ),
    _exact(
        id="slope-only-reaches-a-quarter-at-zero",
        source="a lecture note ('even at input 0 the derivative reaches 0.25')",
        says="s' stays below 1/4.",
        setup="s'(z) on a grid of z from -20 to 20",
        prediction=0.25,
        measure=lambda seed: float(SIGMOID.dphi(np.linspace(-20, 20, 4001)).max()),
        tolerance=Tolerance.absolute(1e-12),
        rival=0.5,
        rival_says="mistakes s(0) for s'(0)",
        ruling=holds_only_if(
            "'at most' is meant: at z = 0 it is 1/4",
            above=0.2499,
            below=0.2501,
            otherwise="refuted: it reaches {x:.3g}",
        ),
        correction="s'(z) <= 1/4, with equality at z = 0 alone.",
    ),
    Claim(
        id="a-typical-factor-is-a-quarter",
        source="a common rule of thumb",
        says="Each sigmoid layer costs a factor 1/4.",
        setup="|w s'(z)|, w and z independent N(0, 1); 200,000 draws",
        prediction=lambda: sqrt(2 / pi) * float(theory.gaussian_mean(SIGMOID.dphi, 1.0)),
        measure=_mean(lambda w, z: np.abs(w * SIGMOID.dphi(z))),
        tolerance=Tolerance.relative(0.02),
        rival=0.25,
        rival_says="the largest slope times a weight of 1",
        ruling=refuted("the mean is {x:.3f}", below=0.24),
        correction="E|w| E s'(z) = 0.798 x 0.207 = 0.165 for independent normals.",
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
        source="a tutorial of 2017 ('std of w far above 1')",
        says="With large weights the factors exceed 1.",
        setup="widest interval of inputs a with |w s'(wa + b)| >= 1, over all w",
        prediction=lambda: window.widest_nielsen_window()[1],
        measure=lambda seed: window.widest_window(),
        tolerance=Tolerance.absolute(0.005),
        rival=1.0,
        rival_says="all of a sigmoid's output range",
        ruling=refuted("at best on an interval {x:.3f} wide", below=0.95),
        correction="The interval is at most 0.4477 wide (at |w| = 6.9) and narrows for larger w.",
    ),
    Claim(
        id="far-larger-weights-explode-a-chain",
        source="a tutorial of 2017",
        says="Once the std of w is far above 1, the early layers' gradients become very large.",
        setup="chains of 50 sigmoid neurons, w ~ N(0, 16^2), b ~ N(0, 1); geometric mean factor",
        prediction=0.25,
        measure=lambda seed: float(np.exp(chain.random_chains(50, 16.0, seed).log_typical)),
        tolerance=Tolerance.at_most(),
        rival=4.0,
        rival_says="16 times the slope 1/4",
        ruling=refuted("a typical factor is {x:.1g}", below=1),
        correction="In a chain large weights saturate the neuron: the typical factor falls again.",
    ),
    _exact(
        id="nearer-the-output-more-factors",
        source="a tutorial of 2017",
        says="The nearer a layer is to the output, the more factors its gradient has.",
        setup="five sigmoid neurons in a row, w = 1, b = 0: ln(delta_1 / delta_4) / ln(factor)",
        prediction=3.0,
        measure=_factors_between,
        tolerance=Tolerance.absolute(0.01),
        rival=-3.0,
        rival_says="three factors fewer in layer 1",
        ruling=refuted("layer 1 has {x:.3g} factors more than layer 4", above=0),
        correction="The nearer to the input, the more factors.",
    ),
    Claim(
        id="unscaled-normal-weights-vanish",
        source="a lecture note and a tutorial of 2017",
        says="Weights from N(0, 1) make a sigmoid network's gradient vanish.",
        setup="12 layers of 300 sigmoids, w, b ~ N(0, 1), digits, cross-entropy; 4 nets a seed",
        prediction=lambda: width.unscaled_chi(300, SIGMOID.phi, SIGMOID.dphi),
        measure=lambda seed: width.unscaled_ratio(300, seed=seed, nets=4),
        tolerance=Tolerance.relative(0.05),
        rival=0.25,
        rival_says="a quarter or less a layer",
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
        source="a widely read Zhihu article",
        says="One layer by the layer before: the derivative is the activation's derivative.",
        setup="10 linear layers of 200 (slope 1), weights N(0, 4/n), digits",
        prediction=4.0,
        measure=lambda seed: width.linear_ratio(2.0, seed),
        tolerance=Tolerance.relative(0.08),
        rival=1.0,
        rival_says="the identity's slope, squared",
        ruling=refuted("‖∂L/∂z‖² grows {x:.2f}-fold a layer with slope 1", above=1.2),
        correction="It is diag(phi'(z)) W; without W initialisation would not matter.",
    ),
    _exact(
        id="a-large-weight-kills-a-squared-error",
        source="an article of 2023, with an exponential that comes from nowhere",
        says="For a linear unit the loss's derivative by z becomes tiny when w is too large.",
        setup="z = w x + b with w = 100, x = b = 1, y = 0; d(z - y)^2/dz by autograd",
        prediction=202.0,
        measure=_slope_of_squared_error,
        tolerance=Tolerance.absolute(1e-9),
        rival=0.0,
        rival_says="a very small epsilon",
        ruling=refuted("it is {x:.0f}", above=1),
        correction="d(z - y)^2/dz = 2(z - y): it grows with w.",
    ),
    Claim(
        id="backpropagation-approximates",
        source="a widely read Zhihu article ('the root cause is backpropagation')",
        says="The vanishing is a fault of backpropagation.",
        setup="4 sigmoid layers of 10; relative distance to a two-sided difference, best step",
        prediction=1e-6,
        measure=lambda seed: differences.difference_errors(seed=seed).best[1],
        tolerance=Tolerance.at_most(),
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
        prediction=75.0,
        measure=lambda seed: float(chain.underflow_depth(0.25, np.float32)),
        tolerance=Tolerance.absolute(0.5),
        rival=float(round(-log(5e-324) / log(4))),
        rival_says="float64's depth",
        ruling=refuted("in float32 it is 0 at n = {x:.0f}", below=100),
        correction="0 from n = 13 in float16, 75 in float32 and 538 in float64.",
    ),
)

BY_ID = {claim.id: claim for claim in CLAIMS}
