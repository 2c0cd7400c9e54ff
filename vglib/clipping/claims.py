"""Claims of chapter 09 on trial."""

from functools import partial
from math import exp, log

import numpy as np
import torch

from vglib.claim import Claim, Tolerance, holds, holds_only_if, refuted
from vglib.clipping import cliff, critic, deep, penalties, recurrent, rules

CHAPTER = 9

ZHIHU = "a widely read Zhihu article"
ARTICLE = "an article of 2023"
MEDIUM = "a Medium article"

IRNN = (
    "adding task, 50 time steps, IRNN of 20 ReLU units (identity recurrent weights, input weights "
    "U(±0.001), biases 0), mean squared error, SGD, lr 0.01, batch 16, 200 steps"
)
TEXTBOOK = np.array([0.9, 100.0])

_exact = partial(Claim, exact=True, seeds=1)


def _cliff_ratio(seed: int) -> float:
    found = cliff.cliff(b=-1.8 + float(np.random.default_rng(seed).uniform(0, 0.02)))
    return found.clipped.best / found.plain.best


def _l2_ratio(seed: int) -> float:
    w = torch.randn(1000, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    w.requires_grad_()
    (half,) = torch.autograd.grad((w**2).sum() / 2, w)
    (whole,) = torch.autograd.grad(torch.linalg.vector_norm(w) ** 2, w)
    return float(half.norm() / whole.norm())


def _l2_norm(size: float) -> float:
    return float(np.linalg.norm(penalties.penalty("L2", size=size).path[-1]))


def _gap_ratio(seed: int) -> float:
    found = critic.train_critic("gradient penalty", seed=seed)
    return found.gap / found.distance


WALL = _exact(
    id="an-exploding-gradient-is-a-wall",
    source="Pascanu, Mikolov and Bengio 2013",
    says="When the gradient explodes, so does the curvature along its direction, which leads to a "
    "wall in the error surface.",
    setup="one-unit recurrent net h_t = s(w h_(t-1) + b), h_0 = 1/2, (h_30 - 0.7)^2, w = 5, on the "
    "line b = -w/2; norm of the gradient by (w, b)",
    prediction=lambda: exp(cliff.wall_gradient(5.0, 30)),
    measure=lambda seed: exp(cliff.measured_wall(5.0, 30)),
    tolerance=Tolerance.relative(1e-6),
    rival=exp(cliff.measured_wall(3.0, 30)),
    rival_says="the same with w = 3, where each step multiplies by 3/4",
    ruling=holds(
        "on the wall the gradient is {x:.0f}, and grows with T like (5/4)^T",
        above=100,
        otherwise="refuted: there is no wall",
    ),
    correction="With w > 4 each time step multiplies the gradient on the line b = -w/2 by w/4, and "
    "the wall is as steep as (w/4)^T.",
)

CLIFF_SAVED = Claim(
    id="clipping-stays-at-the-cliff",
    source="Pascanu, Mikolov and Bengio 2013",
    says="When descent hits the wall it may be thrown far away; with the gradient's norm clipped "
    "it stays near the wall and goes on.",
    setup="the same net, 60 steps of size 0.5 from w = 5 and b = -1.8 plus a shift of up to 0.02, "
    "threshold 0.3; lowest loss of the last ten steps, clipped over plain",
    prediction=0.5,
    measure=_cliff_ratio,
    tolerance=Tolerance.at_most(),
    rival=1.0,
    rival_says="clipping changes nothing",
    ruling=holds(
        "clipped, the loss comes down to {percent} of the plain descent's",
        below=0.9,
        otherwise="refuted: both end alike",
    ),
    correction="True of descent that meets the wall; whether it does depends on start and step.",
)

VALUE_TURNS = _exact(
    id="clip-by-value-is-the-method",
    source=MEDIUM,
    says="Gradient clipping: SGD(clipvalue=1.0), so that all partial derivatives of the loss are "
    "limited to between -1 and 1.",
    setup="g = (0.9, 100), threshold 1; cosine of the angle between g and g clipped by value",
    prediction=(0.9 * 0.9 + 100) / (np.hypot(0.9, 1) * np.hypot(0.9, 100)),
    measure=lambda seed: rules.cosine(TEXTBOOK, rules.by_value(TEXTBOOK, 1.0)),
    tolerance=Tolerance.absolute(1e-6),
    rival=1.0,
    rival_says="the direction is kept, as clipping by norm does",
    ruling=holds_only_if(
        "the direction does not matter: the clipped gradient has the cosine {x:.3f} "
        "with the true one",
        below=0.99,
    ),
    correction="Clipping by value turns the gradient, here by 42 degrees; clipping by norm "
    "(clipnorm, clip_grad_norm_) shortens it and keeps its direction.",
)

SIGNS = Claim(
    id="clip-by-value-keeps-the-direction-of-a-long-vector",
    source="common belief",
    says="With thousands of weights, clipping a few entries hardly turns the gradient.",
    setup="10,000 entries N(0, 1) and a threshold far below them all; cosine of the gradient and "
    "its clipped version",
    prediction=float(np.sqrt(2 / np.pi)),
    measure=lambda seed: rules.sign_cosine(10_000, seed),
    tolerance=Tolerance.absolute(0.01),
    rival=1.0,
    rival_says="no turn at all",
    ruling=holds_only_if(
        "few entries are clipped; a small threshold leaves only signs, with the cosine {x:.2f}",
        below=0.95,
    ),
    correction="A small threshold makes all entries equally large. What is left is the sign of "
    "each, and its cosine with g is E|g| / sqrt(E g^2): 0.80 for a bell curve, less with heavy "
    "tails.",
)

PREVENTS = Claim(
    id="clipping-prevents-explosion",
    source=ZHIHU,
    says="If the gradient exceeds the threshold, it is forced into this range. This prevents "
    "exploding gradients.",
    setup=f"{IRNN}, clipped by norm at 1; largest norm before clipping",
    prediction=10.0,
    measure=lambda seed: float(recurrent.train_irnn(1.0, seed=seed).norms.max()),
    tolerance=Tolerance.at_least(),
    rival=1.0,
    rival_says="the threshold",
    ruling=holds_only_if(
        "'gradient' means the step: before clipping the norm still reaches {x:.0f} "
        "times the threshold",
        above=2,
    ),
    correction="Clipping bounds the step. The network still multiplies its gradient as before.",
)

TOO_SMALL = _exact(
    id="clipping-limits-too-small-gradients",
    source=ARTICLE,
    says="Gradient clipping limits the size of the gradient so that it does not become too large "
    "or too small.",
    setup="a gradient of norm 1e-8, clipped by norm at 1; its norm afterwards",
    prediction=1e-8,
    measure=lambda seed: float(np.linalg.norm(rules.by_norm(np.array([6e-9, 8e-9]), 1.0))),
    tolerance=Tolerance.relative(1e-9),
    rival=1.0,
    rival_says="it is brought up to the threshold",
    ruling=refuted(
        "min(1, c/||g||) is 1 for a small gradient, and {x:.2g} stays {x:.2g}", below=1e-7
    ),
    correction="The factor is never above 1. Clipping has no effect at all on what is small.",
)

DEEP_SIGMOID = Claim(
    id="clipping-rescues-a-vanishing-net",
    source=ARTICLE,
    says="Measures against vanishing and exploding gradients: 1. gradient clipping ...",
    setup="digits, 20 hidden sigmoid layers of 30, weights N(0, 1/n), cross-entropy, SGD, batch "
    "64, lr 0.2, 150 steps, clipped by norm at 1; test accuracy",
    prediction=0.15,
    measure=lambda seed: deep.deep_sigmoid_accuracy(1.0, seed),
    tolerance=Tolerance.at_most(),
    rival=0.8,
    rival_says="what twenty residual sigmoid layers reach in as many steps (chapter 03)",
    ruling=refuted("{percent} of the test images, which is guessing", below=0.2),
    correction="Clipping is for explosion. A net that vanishes never meets the threshold.",
)

BY_DECAY = Claim(
    id="weight-decay-limits-explosion",
    source=ZHIHU,
    says="If the gradient explodes, the norm of the weights becomes very large; the "
    "regularisation term can limit the explosion in part.",
    setup=f"{IRNN}, weight decay 0.01, no clipping; step at which the loss passes "
    f"{recurrent.BROKEN:g} or every unit is off",
    prediction=30.0,
    measure=lambda seed: recurrent.lost_at(seed, decay=0.01),
    tolerance=Tolerance.at_most(),
    rival=200.0,
    rival_says="it survives all 200 steps, as it does when clipped",
    ruling=refuted("with decay 0.01 the net is lost at step {x:g}", below=199),
    correction="Decay takes the share lr times lambda off a weight in each step, here 1 in 10,000; "
    "the explosion is over in a few steps.",
    seeds=7,
)

BIG_WEIGHTS = Claim(
    id="explosion-comes-with-huge-weights",
    source=ZHIHU,
    says="If the gradient explodes, the norm of the weights becomes very large.",
    setup=f"{IRNN}, unclipped; norm of the recurrent weights when the gradient is largest, over "
    "the norm at the start",
    prediction=1.0,
    measure=recurrent.weights_at_the_peak,
    tolerance=Tolerance.relative(0.05),
    rival=10.0,
    rival_says="ten times as large",
    ruling=refuted(
        "when the gradient peaks the weights' norm is {x:.3f} of its start; it becomes "
        "large in the step after",
        below=2,
    ),
    correction="Huge weights are what the explosion leaves behind, not what announces it.",
    seeds=7,
)

STRONG_DECAY = Claim(
    id="a-stronger-decay-does-what-clipping-does",
    source="common belief",
    says="If weight decay does not hold the explosion, take more of it.",
    setup=f"{IRNN}, weight decay 30; mean loss of the last 40 steps (always answering 1: 0.167)",
    prediction=0.5,
    measure=lambda seed: recurrent.train_irnn(decay=30.0, seed=seed).final,
    tolerance=Tolerance.at_least(),
    rival=1 / 6,
    rival_says="what always answering 1 gives, and about what clipping reaches here",
    ruling=refuted("a decay that holds the net holds it at 0, with a loss of {x:.2f}", above=0.3),
    correction="A decay strong enough to stop the explosion takes nearly a third of every "
    "weight in each step, and nothing can be learned against it.",
)

RESCUE = Claim(
    id="clipping-saves-a-diverging-irnn",
    source="common advice for recurrent nets",
    says="Clip the norm of the gradient, and a recurrent net that diverges will train.",
    setup="adding task, 10 time steps, IRNN of 20 units, mean squared error, SGD, lr 0.1, batch "
    "16, 2000 steps, clipped at 1; mean loss of the last 400 (unclipped it is lost early)",
    prediction=0.12,
    measure=lambda seed: recurrent.train_irnn(1.0, steps=10, lr=0.1, updates=2000, seed=seed).final,
    tolerance=Tolerance.at_most(),
    rival=1 / 6,
    rival_says="always answering 1",
    ruling=holds(
        "it learns, with a loss of {x:.3f} where always answering 1 has 0.167",
        below=0.13,
        otherwise="holds only if surviving is enough: it learns nothing",
    ),
    correction="It keeps the net alive. How fast it learns is another matter: with 50 time steps "
    "it stays alive as well, and after 200 steps does no better than always answering 1.",
)

PASCANUS_RULE = Claim(
    id="half-to-ten-times-the-average-norm",
    source="Pascanu, Mikolov and Bengio 2013",
    says="Look at the average norm over many updates: values from half to ten times this average "
    "still give convergence.",
    setup=f"{IRNN}, but 80; thresholds 0.5, 1, 2, 5, 10 times the mean norm of a run clipped at 1; "
    "share that survives and halves the loss",
    prediction=0.8,
    measure=recurrent.thresholds_that_work,
    tolerance=Tolerance.at_least(),
    rival=0.2,
    rival_says="only one of the five works, so that the threshold needs a careful search",
    ruling=holds("{percent} of the thresholds work", above=0.5, otherwise="refuted: few work"),
    correction="The threshold is forgiving. Look at the norms of a run, then choose.",
)

L2_LOSS = Claim(
    id="l2-loss-is-the-squared-norm",
    source=ZHIHU,
    says="The L2 regularisation loss alpha ||W||^2 can be computed with tf.nn.l2_loss.",
    setup="l2_loss(w) = sum(w^2)/2 as its documentation defines it, on 1000 weights N(0, 1); "
    "gradient of it over that of ||w||^2, by autograd",
    prediction=0.5,
    measure=_l2_ratio,
    tolerance=Tolerance.absolute(1e-12),
    rival=1.0,
    rival_says="the same",
    ruling=holds_only_if(
        "you mind the factor: its gradient is {x:g} of the formula's, and alpha is left to you",
        below=0.9,
    ),
    correction="tf.nn.l2_loss is sum(w^2)/2: half of the squared norm, without alpha. Its gradient "
    "is w, not 2w.",
)

L2_THRESHOLD = _exact(
    id="l2-keeps-the-norm-under-a-threshold",
    source=ARTICLE,
    says="L2 regularisation keeps the norm of the parameters below a certain threshold.",
    setup="loss sum a_i (w_i - goal_i)^2 / 2 with a = (1, 4), L2 of strength 1, goal (2, 0.3) and "
    "five times that; norm of the second solution over the first, by descent",
    prediction=5.0,
    measure=lambda seed: _l2_norm(5.0) / _l2_norm(1.0),
    tolerance=Tolerance.relative(1e-3),
    rival=1.0,
    rival_says="a threshold would stop it",
    ruling=refuted("a goal five times as far gives weights {x:.2g} times as large", above=2),
    correction="L2 pulls in proportion, it has no threshold. The limit on a norm is max-norm.",
)

WGAN = Claim(
    id="wgan-clips-gradients",
    source=ZHIHU,
    says="WGAN has a gradient clipping too, but another: it limits the gradient updates in order "
    "to satisfy the Lipschitz condition.",
    setup="critic 1-16-16-16-1, leaky ReLU, between 64 points N(2, 0.25) and 64 N(-1, 0.25), Adam, "
    "lr 0.01, 120 steps, gradient clipped by norm at 1; steepest slope on a grid",
    prediction=10.0,
    measure=lambda seed: critic.train_critic("gradient clipping", seed=seed).steepest,
    tolerance=Tolerance.at_least(),
    rival=1.0,
    rival_says="the slope that the Lipschitz condition allows",
    ruling=refuted(
        "with its gradients clipped the critic's slope reaches {x:.2g}; WGAN clips the weights",
        above=2,
    ),
    correction="WGAN clips weights, which bounds the slope; WGAN-GP penalises the gradient by the "
    "input. Clipping the gradient by the weights bounds a step and no slope.",
)

WEIGHT_CLIPPING = Claim(
    id="weight-clipping-gives-the-lipschitz-condition",
    source=ZHIHU,
    says="... in order to satisfy the Lipschitz condition.",
    setup="the same critic with every weight put back into ±0.3 after each step; ln of the "
    "steepest slope",
    prediction=log(0.3) + 3 * log(0.3 * 16),
    measure=lambda seed: log(critic.train_critic("weight clipping", 0.3, seed=seed).steepest),
    tolerance=Tolerance.absolute(0.7),
    rival=0.0,
    rival_says="slope 1, as the condition wants it",
    ruling=holds_only_if(
        "any constant will do: the slope is bounded, by {x:.2g} in place of 1", above=1, show=exp
    ),
    correction="With n units a layer and weights within ±c the steepest slope is c (cn)^depth: a "
    "product over the layers, which vanishes or explodes with the depth.",
)

PENALTY_SLOPE = Claim(
    id="gradient-penalty-makes-the-slope-one",
    source="a common reading of Gulrajani et al. 2017",
    says="The gradient penalty makes the critic's slope 1.",
    setup="the same critic with 10 (|f'(x)| - 1)^2 at points between real and fake; mean real "
    "minus fake over the true distance",
    prediction=1 + 3 / 20,
    measure=_gap_ratio,
    tolerance=Tolerance.relative(0.12),
    rival=1.5,
    rival_says="hardly held",
    ruling=holds_only_if(
        "a little more than 1 is allowed: real minus fake is {x:.2f} of the true distance",
        above=1.01,
        below=1.4,
        otherwise="refuted: real minus fake is {x:.2f} of the true distance",
    ),
    correction="A penalty is no limit. At the optimum the slope is 1 + distance/(2 lambda).",
)

NAN = Claim(
    id="clipping-repairs-an-overflow",
    source="common belief",
    says="With clipping, a network cannot go to NaN.",
    setup="ReLU net, 30 layers of 30, He initialisation times 20, float32, digits, mean squared "
    "error, clipped by norm at 1; step at which the loss is not finite, at most 30",
    prediction=0.0,
    measure=lambda seed: len(deep.overflow(1.0, 1.0, 30, 20.0, "float32", seed).clipped.losses) - 1,
    tolerance=Tolerance.absolute(0.5),
    rival=30.0,
    rival_says="it never happens",
    ruling=refuted("the forward pass overflows before clipping has a say, at step {x:g}", below=29),
    correction="Clipping comes after the forward and the backward pass. It keeps finite numbers "
    "from growing, and repairs none that has already overflowed.",
)

CLAIMS: tuple[Claim, ...] = (
    *(WALL, CLIFF_SAVED, VALUE_TURNS, SIGNS, PREVENTS, TOO_SMALL, DEEP_SIGMOID, PASCANUS_RULE),
    *(RESCUE, BY_DECAY, BIG_WEIGHTS, STRONG_DECAY, L2_LOSS, L2_THRESHOLD),
    *(WGAN, WEIGHT_CLIPPING, PENALTY_SLOPE, NAN),
)
