"""Claims of chapter 09 on trial."""

from functools import partial
from math import exp, log
from typing import Any

import numpy as np
import torch

from vglib.claim import Claim, Fact, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.clipping import cliff, critic, deep, penalties, recurrent, rules, smoothness

CHAPTER = 9

ZHIHU = "a widely read Zhihu article"
PASCANU = "Pascanu, Mikolov and Bengio 2013 (arXiv 1211.5063)"
ARTICLE = "an article of 2023"
MEDIUM = "a Medium article"

IRNN = (
    "adding task, 50 time steps, IRNN of 20 ReLU units (identity recurrent weights, input weights "
    "U(±0.001), biases 0), mean squared error, SGD, lr 0.01, batch 16, 200 steps"
)
SHORT = (
    "adding task, 10 time steps, IRNN of 20 units, mean squared error, SGD, lr 0.1, batch 16, 2000 "
    "steps"
)
PATIENT: dict[str, Any] = {"steps": 10, "lr": 0.1, "updates": 2000}
TEXTBOOK = np.array([0.9, 100.0])

_exact = partial(Claim, exact=True)


def _cliff_ratio(seed: int) -> float:
    found = cliff.cliff(b=-1.8 + float(np.random.default_rng(seed).uniform(0, 0.02)))
    return found.clipped.best / found.plain.best


def _l2_ratio(seed: int) -> float:
    w = torch.randn(1000, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    w.requires_grad_()
    (half,) = torch.autograd.grad((w**2).sum() / 2, w)
    (whole,) = torch.autograd.grad(torch.linalg.vector_norm(w) ** 2, w)
    return float(half.norm() / whole.norm())


def _clipped_by_torch(entries: list[float]) -> float:
    p = torch.nn.Parameter(torch.zeros(len(entries), dtype=torch.float64))
    p.grad = torch.tensor(entries, dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_([p], 1.0)
    return float(p.grad.norm())


def _l2_norm(size: float) -> float:
    return float(np.linalg.norm(penalties.penalty("L2", size=size).path[-1]))


WALL = _exact(
    id="an-exploding-gradient-is-a-wall",
    source=PASCANU,
    place="section 2.3",
    says="When the gradient explodes, so does the curvature along its direction, and there is a "
    "wall in the error surface. (A hypothesis, for a gradient that grows as fast as its bound.)",
    setup="one-unit recurrent net h_t = s(w h_(t-1) + b), h_0 = 1/2, (h_T - 0.7)^2, w = 5, "
    "b = -5/2; second derivative of the loss along its gradient, growth of its ln in a time step "
    "from T = 20 to 40",
    prediction=2 * log(5 / 4),
    measure=lambda seed: (cliff.wall_curvature(5.0, 40) - cliff.wall_curvature(5.0, 20)) / 20,
    tolerance=Tolerance.relative(0.02),
    rival=0.0,
    rival_says="a long steep slope: the gradient grows and the curvature does not",
    ruling=holds(
        "with each time step the curvature grows {x:.2f}-fold, the square of the gradient's 1.25",
        above=0.05,
        show=exp,
        otherwise="refuted: it is a slope and no wall",
    ),
    correction="With w > 4 each time step multiplies the gradient on the line b = -w/2 by w/4 and "
    "the curvature by its square: a wall as steep as (w/4)^T and as thin as (4/w)^T.",
)

CLIFF_SAVED = at_most(
    id="clipping-stays-at-the-cliff",
    source=PASCANU,
    place="section 2.3",
    says="When descent hits the wall, it may be thrown far away; with the gradient's norm clipped "
    "it stays near the wall and goes on. (If the smooth region beside the wall is wide.)",
    setup="the same net, 60 steps of size 0.5 from w = 5 and b = -1.8 plus a shift of up to 0.02, "
    "threshold 0.3; lowest loss of the last ten steps, clipped over plain",
    prediction=0.5,
    measure=_cliff_ratio,
    rival=1.0,
    rival_says="clipping changes nothing",
    ruling=holds(
        "here, at this step size, the clipped loss comes down to {percent} of the plain one's",
        below=0.9,
        otherwise="refuted: both end alike",
    ),
    correction="True of descent that meets the wall; whether it does depends on start and step.",
)

VALUE_TURNS = _exact(
    id="clip-by-value-only-shortens",
    source="a common reading of clipvalue",
    says="Clipping by value shortens a gradient that is too long.",
    setup="g = (0.9, 100), threshold 1; cosine of the angle between g and g clipped by value",
    prediction=(0.9 * 0.9 + 100) / (np.hypot(0.9, 1) * np.hypot(0.9, 100)),
    measure=lambda seed: rules.cosine(TEXTBOOK, rules.by_value(TEXTBOOK, 1.0)),
    tolerance=Tolerance.absolute(1e-6),
    rival=1.0,
    rival_says="the direction is kept, as clipping by norm does",
    ruling=holds_only_if(
        "its direction does not matter: the clipped gradient has the cosine {x:.3f} with it",
        below=0.99,
    ),
    correction="Clipping by value turns the gradient, here by 41 degrees; clipping by norm "
    "(clipnorm, clip_grad_norm_) shortens it and keeps its direction.",
)

SIGNS = Claim(
    id="clip-by-value-keeps-the-direction-of-a-long-vector",
    source="common belief",
    says="With thousands of weights, clipping by value hardly turns the gradient.",
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

VALUE_HOLDS = at_least(
    id="clip-by-value-mitigates-explosion",
    source=MEDIUM,
    place="section 'Gradient clipping', paragraphs 1 and 2",
    says="To mitigate exploding gradients, clip them during backpropagation so that they never "
    "exceed some threshold, as is usual in recurrent nets. SGD(clipvalue=1.0) limits every partial "
    "derivative of the loss to between -1.0 and 1.0.",
    setup=f"{IRNN}, each entry of the gradient put into [-1, 1]; step at which the loss passes "
    f"{recurrent.BROKEN:g} or every unit is off, 200 if it survives",
    prediction=200.0,
    measure=lambda seed: min(200.0, recurrent.lost_at(seed, clip=1.0, by_value=True)),
    rival=30.0,
    rival_says="it is lost in a handful of steps, as unclipped",
    ruling=holds("the net survives {x:g} steps, at this step size", above=199),
    correction="It does, entry by entry. Clipped by norm at 1, the same net ends with less loss "
    "(seeds 0 to 4: 0.18 to 0.22, not 0.22 to 0.98).",
)

PREVENTS = at_least(
    id="clipping-prevents-explosion",
    source=ZHIHU,
    place="section 3.2, paragraph 1",
    says="Set a threshold; where the gradient exceeds it as the weights are updated, it is forced "
    "into this range. This can prevent exploding gradients.",
    setup=f"{IRNN}, clipped by norm at 1; largest norm before clipping",
    prediction=10.0,
    measure=lambda seed: float(recurrent.train_irnn(1.0, seed=seed).norms.max()),
    rival=1.0,
    rival_says="the threshold",
    ruling=holds_only_if(
        "'gradient' means the one that is used: before clipping its norm still reaches {x:.0f} "
        "times the threshold, at this step size",
        above=2,
    ),
    correction="Clipping bounds the step, and so saves the net. The network still multiplies its "
    "gradient from layer to layer as before.",
)

TOO_SMALL = _exact(
    id="clipping-limits-too-small-gradients",
    source=ARTICLE,
    place="section 3.3, item 1",
    says="Gradient clipping mainly limits the size of the gradient's values, so that the gradient "
    "becomes neither too large nor too small.",
    setup="a gradient of norm 1e-8, clipped at 1 by torch's clip_grad_norm_; its norm afterwards",
    prediction=1e-8,
    measure=lambda seed: _clipped_by_torch([6e-9, 8e-9]),
    tolerance=Tolerance.relative(1e-9),
    rival=1.0,
    rival_says="it is brought up to the threshold",
    ruling=refuted(
        "min(1, c/||g||) is 1 for a small gradient, and {x:.2g} stays {x:.2g}", below=1e-7
    ),
    correction="The factor is never above 1. Clipping has no effect at all on what is small.",
)

DEEP_SIGMOID = at_most(
    id="clipping-rescues-a-vanishing-net",
    source=ARTICLE,
    place="section 3.3, item 1",
    says="To avoid vanishing and exploding gradients we can take these measures: 1. gradient "
    "clipping ...",
    setup="digits, 20 hidden sigmoid layers of 30, weights N(0, 1/n), cross-entropy, SGD, batch "
    "64, 150 steps, clipped by norm at 1; test accuracy",
    prediction=0.15,
    measure=lambda seed, lr: deep.deep_sigmoid_accuracy(1.0, seed, lr),
    over={"lr": (0.2, 2.0, 20.0)},
    rival=0.8,
    rival_says="what twenty residual sigmoid layers reach in as many steps (chapter 03)",
    ruling=refuted("{percent} of the test images, which is guessing", below=0.2),
    correction="Clipping is for explosion. A net that vanishes never meets the threshold.",
)

BY_DECAY = at_least(
    id="weight-decay-limits-explosion",
    source=ZHIHU,
    place="section 3.2, paragraph 6",
    says="If the gradient explodes, the norm of the weights becomes very large; through the "
    "regularisation term the explosion can be limited in part.",
    setup=f"{IRNN}, weight decay (not of biases), no clipping; step at which the loss passes "
    f"{recurrent.BROKEN:g} or every unit is off, 200 if it survives",
    prediction=200.0,
    measure=lambda seed, decay: min(200.0, recurrent.lost_at(seed, decay=decay)),
    over={"decay": (0.01, 0.1, 1.0, 10.0)},
    rival=30.0,
    rival_says="no decay holds it: it is lost in a handful of steps, as without",
    ruling=holds_only_if(
        "the decay is a thousand times the common one: it survives {x:g} steps with 10, which "
        "takes a tenth off each weight in each step, and is lost at once with 1",
        above=199,
        otherwise="refuted: the best of four decays is lost at step {x:g}",
    ),
    correction="Decay takes the share lr times lambda off a weight in each step, with 0.01 one in "
    "10,000; the explosion is over in a few steps.",
    seeds=7,
)

BIG_WEIGHTS = at_least(
    id="explosion-makes-huge-weights",
    source=ZHIHU,
    place="section 3.2, paragraph 6",
    says="If the gradient explodes, the norm of the weights becomes very large.",
    setup=f"{IRNN.replace('lr 0.01, ', '')}, unclipped; length of the step from the largest "
    "gradient, over the norm of the recurrent weights before it",
    prediction=100.0,
    measure=recurrent.longest_step,
    over={"lr": (0.001, 0.01, 0.1)},
    rival=1.0,
    rival_says="no longer than the weights themselves, which hardly grow then",
    ruling=holds(
        "at the largest step size one step is {x:.1g} times as long as the weights",
        above=10,
        otherwise="refuted: a step is {x:.2g} times as long as the weights",
    ),
    correction="True of what it leaves behind. It is not announced so: when the gradient peaks, "
    "the weights still have the norm of the start.",
    seeds=7,
)

STRONG_DECAY = at_least(
    id="a-stronger-decay-does-what-clipping-does",
    source="common belief",
    says="If weight decay does not hold the explosion, take more: it does what clipping does.",
    setup=f"{SHORT}, weight decay (not of biases), no clipping; mean loss of the last 400 (always "
    "answering 1: 0.167)",
    prediction=0.15,
    measure=lambda seed, decay: recurrent.train_irnn(decay=decay, seed=seed, **PATIENT).final,
    over={"decay": (0.03, 0.3, 3.0)},
    best="smallest",
    rival=0.06,
    rival_says="about what clipping at 1 reaches in as many steps",
    ruling=refuted(
        "the best of three decays leaves {x:.3f}, which is always answering 1; where decay holds "
        "the net, it holds it down",
        above=0.12,
    ),
    correction="The one of the three that stops the explosion takes 30% off each weight in each "
    "step, and the net answers 1; so it does with 1.5 and 2 (seeds 0 to 2). Clipping keeps the net "
    "alive and lets it learn.",
)

RESCUE = at_most(
    id="clipping-saves-a-diverging-irnn",
    source="common advice for recurrent nets",
    says="Clip the norm of the gradient, and a recurrent net that diverges will train.",
    setup=f"{SHORT}, clipped at 1; mean loss of the last 400 (unclipped most starts are lost "
    "within five steps)",
    prediction=0.12,
    measure=lambda seed: recurrent.train_irnn(1.0, seed=seed, **PATIENT).final,
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

PASCANUS_RULE = at_least(
    id="half-to-ten-times-the-average-norm",
    source=PASCANU,
    place="section 3.2",
    says="Take the average norm over many updates: thresholds from half of it to ten times as much "
    "can still lead to convergence, if not always as fast.",
    setup=f"{SHORT}; thresholds 0.5, 1, 2, 5, 10 times the mean norm of a run clipped at 1; share "
    "that ends below half the loss of always answering 1",
    prediction=0.6,
    measure=lambda seed: recurrent.thresholds_that_work(seed, **PATIENT),
    rival=0.2,
    rival_says="only one of the five works, so that the threshold needs a careful search",
    ruling=holds("{percent} of the thresholds work", above=0.5, otherwise="refuted: few work"),
    correction="The threshold is forgiving; those of five and ten times are where a start is lost.",
    slow=True,
)

L2_LOSS = Fact(
    id="l2-loss-is-half-the-squared-norm",
    source="the documentation of tf.nn.l2_loss",
    says="l2_loss(w) is sum(w^2)/2, so its gradient is half of that of ||w||^2.",
    setup="1000 weights N(0, 1); gradient of sum(w^2)/2 over that of ||w||^2, by autograd",
    prediction=0.5,
    measure=_l2_ratio,
    tolerance=Tolerance.absolute(1e-12),
)

L2_THRESHOLD = _exact(
    id="l2-keeps-the-norm-under-a-threshold",
    source=ARTICLE,
    place="section 3.3, item 7",
    says="L2 regularisation can keep the norm of the parameters below a certain threshold, and so "
    "prevent overfitting.",
    setup="loss sum a_i (w_i - goal_i)^2 / 2 with a = (1, 4), L2 of strength 1, goal (2, 0.3) and "
    "five times that; norm of the second solution over the first, by descent",
    prediction=5.0,
    measure=lambda seed: _l2_norm(5.0) / _l2_norm(1.0),
    tolerance=Tolerance.relative(1e-3),
    rival=1.0,
    rival_says="a threshold would stop it",
    ruling=holds_only_if(
        "its strength is chosen anew for each loss: at the same strength a goal five times as far "
        "gives weights {x:.2g} times as large",
        above=2,
    ),
    correction="L2 pulls in proportion; some strength keeps any one net below a threshold, none "
    "keeps all. What has the threshold itself is max-norm.",
)

WGAN = at_least(
    id="wgan-clips-gradients",
    source=ZHIHU,
    place="section 3.2, paragraph 2",
    says="WGAN has a gradient clipping too, but not the same: it limits the gradient updates in "
    "order to guarantee the Lipschitz condition.",
    setup="critic 1-16-16-16-1, leaky ReLU, between 64 points N(2, 0.25) and 64 N(-1, 0.25), Adam, "
    "lr 0.01, 120 steps, gradient clipped by norm at 1; steepest slope on a grid",
    prediction=100.0,
    measure=lambda seed: critic.train_critic("gradient clipping", seed=seed).steepest,
    rival=1.0,
    rival_says="the slope that the Lipschitz condition allows",
    ruling=refuted(
        "with its gradients clipped the critic's slope reaches {x:.0g} in 120 steps, and goes on; "
        "WGAN clips the weights",
        above=2,
    ),
    correction="WGAN clips weights, which bounds the slope; WGAN-GP penalises the gradient by the "
    "input. Clipping the gradient by the weights bounds a step and no slope.",
)

WEIGHT_CLIPPING = Claim(
    id="weight-clipping-gives-the-lipschitz-condition",
    source="Arjovsky, Chintala and Bottou 2017",
    says="The weights are clamped to a fixed box after each update, so that every critic is "
    "K-Lipschitz, for some K that depends on the box and not on the single weights.",
    setup="the same critic with every weight put back into ±0.3 after each step; ln of the "
    "steepest slope",
    prediction=log(0.3) + 3 * log(0.3 * 16),
    measure=lambda seed: log(critic.train_critic("weight clipping", 0.3, seed=seed).steepest),
    tolerance=Tolerance.absolute(0.7),
    rival=log(7000),
    rival_says="what it reaches with its gradients clipped instead: no bound",
    ruling=holds(
        "the steepest slope is {x:.2g}",
        below=log(100),
        show=exp,
        otherwise="refuted: the steepest slope is {x:.2g}",
    ),
    correction="With n units a layer and weights within ±c the K is c (cn)^depth: a product over "
    "the layers, which vanishes or explodes with the depth.",
)

PENALTY_SLOPE = Claim(
    id="gradient-penalty-makes-the-slope-one",
    source="a common reading of Gulrajani et al. 2017",
    says="The gradient penalty makes the critic's slope 1.",
    setup="the same critic with 10 (|f'(x)| - 1)^2 at points between real and fake; mean real "
    "minus fake over the true distance",
    prediction=1 + 3 / 20,
    measure=lambda seed: critic.train_critic("gradient penalty", seed=seed).share,
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

FIXED = at_least(
    id="a-tuned-step-needs-no-clipping",
    source="common belief",
    says="Clipping guards against outliers; with a step size that is well tuned it gains nothing.",
    setup="x⁴/4 from x = U(8, 9) to |x| < 0.1; steps of plain descent at lr, over those with "
    "lr 0.5 clipped at 1",
    prediction=20.0,
    measure=lambda seed, lr: smoothness.steps_over_clipped(
        8 + np.random.default_rng(seed).random(), lr
    ),
    over={"lr": (0.0001, 0.001, 0.01, 0.1)},
    best="smallest",
    rival=1.0,
    rival_says="as many steps",
    ruling=holds_only_if(
        "one step size suits the whole way: here the best of four takes {x:.0f} times as long",
        above=3,
    ),
    correction="A fixed step has to suit the steepest place and creeps in flat ones. Clipped, a "
    "larger one is safe in both (Zhang and others 2020, arXiv 1905.11881, section 4).",
)


GROWS = Claim(
    id="smoothness-grows-with-the-gradient",
    source="Zhang and others 2020",
    place="arXiv 1905.11881, abstract and section 5",
    says="Along the training of deep nets local smoothness varies much, is larger where the "
    "gradient is, and can grow with it. (Seen with clipping and large steps, in an LSTM on text "
    "and in a ResNet; much more weakly without.)",
    setup="adding task, 20 time steps, IRNN of 20 units, lr 0.01 clipped at 1, 150 steps; the "
    "power p of ||g(p + d) - g(p)||/||d|| ~ ||g||^p, d the step taken",
    prediction=0.05,
    measure=lambda seed: smoothness.power(*smoothness.net_smoothness(20, seed)),
    tolerance=Tolerance.absolute(0.2),
    rival=1.0,
    rival_says="in proportion, as in L0 + L1 ||g||",
    ruling=holds_only_if(
        "the net is one of theirs, an LSTM on text or a ResNet, clipped at a large step: in this "
        "one, clipped as well, the power is {x:.2f}",
        below=0.5,
    ),
    correction="In x⁴/4 it is 2/3, on the one-unit net's wall 2. The IRNN is curved all along its "
    "way, also where its gradient is short.",
)

ADAPTIVE = Claim(
    id="adaptive-clipping-needs-no-tuning",
    source="a common reading of Brock, De, Smith and Simonyan 2021",
    place="arXiv 2102.06171, section 4",
    says="The threshold of clipping by norm has to be tuned with depth, batch size and learning "
    "rate; adaptive clipping overcomes this.",
    setup="ReLU net, ten layers of 30, He, digits, mean squared error, SGD, batch 64, 1000 steps; "
    "each unit below the readout clipped at 0.01 of its weights; share of the rates 0.01, 0.1, 1, "
    "10 at which it halves the loss of guessing",
    prediction=0.5,
    measure=lambda seed: deep.rates_that_train(0.01, True, seed),
    tolerance=Tolerance.absolute(0.2),
    rival=1.0,
    rival_says="one threshold for all of them",
    ruling=holds_only_if("the rate is tuned: at 0.01 {percent} of the four train", below=0.9),
    correction="It bounds a unit's relative change in a step, by rate times threshold: at another "
    "rate another threshold is right. Clipped by norm at 1 the same rates train.",
    slow=True,
)

CLAIMS: tuple[Fact, ...] = (
    *(WALL, CLIFF_SAVED, VALUE_TURNS, SIGNS, VALUE_HOLDS, PREVENTS, TOO_SMALL, DEEP_SIGMOID),
    *(PASCANUS_RULE, RESCUE, BY_DECAY, BIG_WEIGHTS, STRONG_DECAY, L2_LOSS, L2_THRESHOLD),
    *(WGAN, WEIGHT_CLIPPING, PENALTY_SLOPE, NAN, FIXED, GROWS, ADAPTIVE),
)
