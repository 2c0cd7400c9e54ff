"""Claims of chapter 10 on trial: the step, its optimisers and schedules, the scale of the data."""

from dataclasses import replace
from operator import neg

import numpy as np
import torch

from vglib.claim import Claim, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.other_remedies import reach, schedules
from vglib.other_remedies.bowl import bowl
from vglib.other_remedies.capsules import capsule_gradient_error
from vglib.other_remedies.edge import PAIR, edge
from vglib.other_remedies.first_step import shuffled
from vglib.other_remedies.memory import jump_step
from vglib.other_remedies.muon import evened
from vglib.other_remedies.scaling import best_scaled_loss
from vglib.results import last

_SIGMOIDS = "digits, sigmoid net, weights N(0, 1/n), zero biases, cross-entropy, batches of 64"
_HOT = (
    "digits, six ReLU layers of 30, He times 1.5, zero biases, cross-entropy, SGD, batches of 64, "
    "300 steps"
)
_LEFT = "after 100 steps, each at its best step size, {x:.2g} times as much loss is left as with "


CAPSULES = at_most(
    id="capsules-abandon-backprop",
    source="a widely read Zhihu article",
    place="section 2.1, last paragraph",
    says="The reason why Hinton proposed capsules is to abandon for good the present deep learning "
    "algorithms, which are based on backpropagation.",
    setup="one capsule layer, 6 capsules of 4 numbers to 3 of 5, three rounds of routing by "
    "agreement, margin loss, 8 examples, all N(0, 1); gradient by backprop against central "
    "differences, relative error",
    prediction=1e-6,
    measure=capsule_gradient_error,
    rival=1.0,
    rival_says="backprop has no gradient to give here",
    ruling=refuted(
        "backprop goes through the routing, exact to {x:.1g}; the published CapsNet was "
        "trained by it",
        below=1e-3,
    ),
    correction="CapsNet (Sabour, Frosst and Hinton 2017) replaces pooling by routing and is "
    "trained by backprop, with Adam. That Hinton looks for something other than backprop is true, "
    "and another matter.",
)

ADAM_SIZE = Claim(
    id="adams-step-does-not-depend-on-the-gradients-size",
    source="common teaching",
    says="Adam divides by the gradient's size, so its step is lr, however small the gradient.",
    setup="first step of torch.optim.Adam, lr 1, eps 1e-8, on one weight with the gradient 1e-9",
    prediction=1e-9 / (1e-9 + 1e-8),
    measure=lambda seed: _torch_adam_step(1e-9),
    tolerance=Tolerance.relative(1e-6),
    rival=1.0,
    rival_says="lr, as with every larger gradient",
    ruling=holds_only_if(
        "the gradient is far above eps: of 1e-9 it makes {x:.3g} of lr", below=0.9
    ),
    correction="The first step is lr g/(|g| + eps): lr for |g| far above 1e-8, and lr g/eps, as "
    "small as the gradient, far below.",
    exact=True,
)


def _torch_adam_step(gradient: float) -> float:
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    w.grad = torch.full_like(w, gradient)
    torch.optim.Adam([w], lr=1.0).step()
    return abs(w.item())


ADAM_BOUND = Claim(
    id="adams-step-is-bounded-by-3-lr",
    source="Kingma and Ba 2015",
    place="arXiv 1412.6980, section 2.1",
    says="With eps = 0 the effective step size has an upper bound, lr (1 - β1)/√(1 - β2) where "
    "1 - β1 > √(1 - β2), lr otherwise. (The first case is met only in the most severe sparsity, a "
    "gradient that was 0 at all steps but this one.)",
    setup="torch.optim.Adam, lr 1, β1 0.9, β2 0.999, one weight, gradient 1e-4 for 8000 steps and "
    "1 for 50 more; largest step",
    prediction=lambda: float(jump_step(np.arange(1, 51), 0.9, 0.999).max()),
    measure=lambda seed: _largest_torch_step(),
    tolerance=Tolerance.relative(0.01),
    rival=0.1 / 0.001**0.5,
    rival_says="3.16, the bound",
    ruling=refuted("twelve steps after the gradient has come up the step is {x:.3g} lr", above=3.5),
    correction="3.16 lr is the first step after a long silence. m then grows faster than √s, to "
    "6.57 lr at step 12. With β2 = 0.95 it is 0.45 and at most 1.1 lr.",
    exact=True,
)


def _largest_torch_step() -> float:
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser, largest = torch.optim.Adam([w], lr=1.0), 0.0
    for gradient in [1e-4] * 8000 + [1.0] * 50:
        before, w.grad = w.item(), torch.full_like(w, gradient)
        optimiser.step()
        largest = max(largest, abs(w.item() - before))
    return largest


MUON = Claim(
    id="muon-makes-all-singular-values-one",
    source="popular summaries of Muon",
    says="Muon orthogonalises the update of a hidden layer's weights: five steps of Newton and "
    "Schulz bring all its singular values close to 1.",
    setup="gradient of layer 4 of 6, untrained ReLU net of 50 units, He, digits, one batch of 64, "
    "float64; share of the 50 singular values that end from 0.68 to 1.21",
    prediction=0.75,
    measure=lambda seed: evened(seed=seed).near,
    tolerance=Tolerance.absolute(0.12),
    rival=1.0,
    rival_says="all of them",
    ruling=holds_only_if(
        "they are not too small before: of this gradient's {percent} come near 1", below=0.9
    ),
    correction="Five steps take a singular value of 1/100 of the norm or more to between 0.68 "
    "and 1.13, and multiply a tiny one by 3.44^5 = 485. What is lost stays lost. (Its authors aim "
    "at 0.7 to 1.3, and say that this does no harm.)",
)

ADAM_CURES = at_most(
    id="adam-cures-vanishing-gradients",
    source="common advice",
    says="If the gradient vanishes, use Adam: it gives every layer a step of the same size.",
    setup=f"{_SIGMOIDS}, ten layers of 30, Adam, 300 steps; test accuracy",
    prediction=0.35,
    measure=lambda seed, lr: last(reach.run("Adam", 10, lr=lr, seed=seed)).accuracy,
    over={"lr": (0.001, 0.01, 0.1)},
    rival=0.85,
    rival_says="what the same Adam reaches at lr 0.01 from four times these weights",
    ruling=refuted(
        "in 300 steps it names {percent} of the test images, two digits of ten", below=0.5
    ),
    correction="Adam gives every layer a step. At first hardly any of it depends on which image "
    "has which label; by step 300 the layers pass on one difference between the images.",
)

ADAM_PATIENCE = at_least(
    id="adam-needs-only-patience",
    source="common advice",
    says="If it does not train, train longer, or tune Adam's step size.",
    setup=f"{_SIGMOIDS}, ten layers of 30, Adam, 12,000 steps; test accuracy",
    prediction=0.5,
    measure=lambda seed, lr: reach.patience(lr, seed=seed)[-1],
    over={"lr": (0.0003, 0.003, 0.03)},
    rival=0.2,
    rival_says="two digits of ten, as after 300 steps: the optimiser cannot do it",
    ruling=holds_only_if(
        "you have both: at the right one of three step sizes, a factor of ten apart, 12,000 steps "
        "reach {percent}",
        above=0.4,
        otherwise="refuted: the best of three step sizes reaches {percent}",
    ),
    correction="Patience does it, for most starts. Four times the weights, or any remedy that "
    "keeps the signal, does as much in 300 steps.",
    slow=True,
)

ADAM_CARRIES = at_least(
    id="an-optimiser-cannot-help-a-vanishing-net",
    source="common belief",
    says="Vanishing is a matter of the network, so the choice of the optimiser changes nothing.",
    setup=f"{_SIGMOIDS}, five layers of 30, 400 steps; test accuracy with Adam (lr 0.01) less "
    "that with SGD of step size lr",
    prediction=0.5,
    measure=lambda seed, lr: (
        last(reach.run("Adam", 5, seed=seed)).accuracy
        - last(reach.run("SGD", 5, lr=lr, seed=seed)).accuracy
    ),
    over={"lr": (0.5, 5.0, 50.0)},
    best="smallest",
    rival=0.0,
    rival_says="no difference, once SGD's step size is tuned",
    ruling=refuted(
        "with five layers and 400 steps Adam is {points:.0f} points ahead of SGD, at the best of "
        "three step sizes for SGD",
        above=0.2,
    ),
    correction="Where a part in a hundred of the gradient still knows whose label is whose, Adam "
    "makes more of it in as many steps, whatever SGD's step size.",
)

BLIND = at_most(
    id="a-vanished-gradient-is-only-too-short",
    source="common belief",
    says="A vanished gradient points the right way and is only too short, so rescaling repairs it.",
    setup=f"{_SIGMOIDS}, ten layers of 50, untrained, one batch; log10 of ||g - g'||/||g|| in "
    "layer 10, g' the gradient with the labels dealt out to the images anew",
    prediction=-4.0,
    measure=lambda seed: float(shuffled(10, seed=seed).log_part[9] / np.log(10)),
    rival=-0.5,
    rival_says="a third or more, as in a ReLU net at He's scale",
    ruling=holds_only_if(
        "the net has learnt the counts: before, one part in 10^{x:.1f} of a batch's gradient "
        "depends on which image has which label",
        below=-2,
        show=neg,
    ),
    correction="At first the part that knows whose label is whose is as small as the relative "
    "spread of what the layer reads. Once the readout's biases have learnt how many of each digit "
    "there are, the rest of the gradient cancels over the images, and rescaling helps.",
)

SAME_STEP = at_least(
    id="adam-makes-early-and-late-layers-learn-alike",
    source="common teaching",
    says="With Adam all layers move by the same amount, so all learn at the same speed.",
    setup=f"{_SIGMOIDS}, twenty layers of 50, untrained, one batch, Adam; share of layer 10's "
    "weights that the first step moves the same way when the labels are shuffled",
    prediction=0.95,
    measure=lambda seed: float(shuffled(20, seed=seed).same[9]),
    rival=0.5,
    rival_says="half, which is chance: the step depends on the labels altogether",
    ruling=holds_only_if(
        "moving is learning: {percent} of the weights would move the same way with "
        "the labels shuffled",
        above=0.8,
    ),
    correction="To move is not to learn. The first step is the same whichever image has which "
    "label; what a hundred steps later remains of the gradient is not.",
)

WARM_UP = at_most(
    id="warm-up-is-for-adam-and-transformers",
    source="common belief",
    says="Warm-up is a matter of Adam and of transformers; plain SGD does not need it.",
    setup=f"{_HOT}; test accuracy with 30 steps of linear warm-up to a peak of 0.25 less that with "
    "a constant step size lr",
    prediction=0.12,
    measure=lambda seed, lr: (
        last(schedules.run("warm-up", "SGD", 0.25, 30, 6, 1.5, seed)).accuracy
        - last(schedules.run("constant", "SGD", lr, 0, 6, 1.5, seed)).accuracy
    ),
    over={"lr": (0.0025, 0.08, 0.25)},
    best="smallest",
    rival=0.5,
    rival_says="more than half of the images, as at the constant step size 0.25",
    ruling=holds_only_if(
        "its step size is smaller from start to end: at the best of three constant ones it is "
        "{points:.0f} points behind",
        below=0.2,
        otherwise="refuted: without warm-up it is {points:.0f} points behind",
    ),
    correction="Any descent whose first steps meet more curvature than its step size allows gains "
    "from warm-up; it lets the later steps be three times as large here, for a few points.",
)

NO_WARM_UP = at_least(
    id="without-warm-up-such-a-net-cannot-train",
    source="a common reading of warm-up",
    says="Without warm-up such a net cannot be trained.",
    setup=f"{_HOT}, constant step size lr; test accuracy",
    prediction=0.7,
    measure=lambda seed, lr: last(schedules.run("constant", "SGD", lr, 0, 6, 1.5, seed)).accuracy,
    over={"lr": (0.0025, 0.08, 0.25)},
    rival=0.15,
    rival_says="guessing, as with the constant step size 0.25",
    ruling=refuted("a constant step size of a third of the peak reaches {percent}", above=0.4),
    correction="Warm-up buys a larger step size later on. A smaller constant one trains too.",
)

_BATCH = (
    "100 digits, two tanh layers of 32, torch's start, squared error summed over the outputs, "
    "plain descent on the whole batch, 400 steps at the constant lr "
)

EDGE = Claim(
    id="the-curvature-climbs-to-2-over-lr",
    source="Cohen and others 2021",
    place="arXiv 2103.00065, abstract",
    says="On neural networks full-batch descent typically runs where the largest curvature stays "
    "just above 2/lr, and the loss, though not at every step, goes down in the long run.",
    setup=f"{_BATCH}1.5/λ₀; lr λ, the median over the last 200 steps",
    prediction=2.1,
    measure=lambda seed: edge(1.5, seed=seed).late,
    tolerance=Tolerance.absolute(0.15),
    rival=1.5,
    rival_says="the curvature stays what it is",
    ruling=holds("lr λ goes from 1.5 to {x:.2f}", above=1.9, below=2.4),
    correction="The curvature grows until the step is too large for it, and is held there.",
)

BEYOND = at_most(
    id="a-step-beyond-2-over-lambda-diverges",
    source="common teaching",
    says="Descent converges only if lr is below 2/λ, λ the largest curvature.",
    setup=f"{_BATCH}3/λ₀; last loss over the first",
    prediction=0.05,
    measure=lambda seed: float(np.divide(*edge(3.0, seed=seed).taken[[-1, 0]])),
    rival=1.0,
    rival_says="the loss does not fall",
    ruling=holds_only_if(
        "the landscape is a bowl; at one and a half times that step {percent} of the loss is left",
        below=0.5,
    ),
    correction="In a bowl it would fly apart. Here the long steps lead to where λ is smaller.",
)

CATAPULT = Claim(
    id="a-rising-loss-is-a-lost-training",
    source="common advice",
    says="If the loss rises over the first steps, the step is too large and the training is lost.",
    setup="f = u·v/√1000, u, v ~ N(0, 1), L = f²/2, plain descent with lr = 3/λ₀, 400 steps; log10 "
    "of the last loss over the first",
    prediction=-20.0,
    measure=lambda seed: float(np.log10(np.divide(*edge(3.0, net=PAIR, seed=seed).taken[[-1, 0]]))),
    tolerance=Tolerance.at_most(),
    rival=3.0,
    rival_says="the loss goes on rising",
    ruling=refuted(
        "it rises, the curvature falls, and it ends at 10^{x:.0f} of the first", below=-2
    ),
    correction="λ changes by lr f²/n (lr λ - 4): where 2 < lr λ < 4 a rising loss lowers it until "
    "the step is small enough. Above 4 it is lost (Lewkowycz and others 2020, arXiv 2003.02218, "
    "section 2; wide nets of ReLUs came through up to some 12).",
)

CONDITION = Claim(
    id="descent-learns-the-inputs-mean-by-itself",
    source="common belief",
    says="Inputs need not be centred: the bias learns the mean.",
    setup="w x + b fitted with squared error to 10,000 inputs of mean 10 and standard deviation 1; "
    "steepest over flattest curvature of the loss",
    prediction=lambda: bowl(10.0, 1.0).condition,
    measure=lambda seed: _sampled_condition(seed),
    tolerance=Tolerance.relative(0.1),
    rival=100.0,
    rival_says="the square of mean over standard deviation",
    ruling=holds_only_if(
        "time does not matter: one direction is {x:.0f} times as flat as the other, "
        "and takes as many more steps",
        above=50,
    ),
    same="a hundred times as many steps would be a price as well",
    correction="The Hessian 2[[std^2 + mean^2, mean], [mean, 1]] has a condition number of about "
    "(mean/std)^4 for a large mean and std 1. Standardising makes it 1.",
)


def _sampled_condition(seed: int) -> float:
    x = 10 + np.random.default_rng(seed).standard_normal(10_000)
    return float(np.linalg.cond([[np.mean(x * x), x.mean()], [x.mean(), 1.0]]))


INPUTS = at_least(
    id="inputs-need-not-be-scaled",
    source="common belief",
    says="Inputs need not be standardised: the first layer learns their scale and mean.",
    setup="100 digits standardised plus 5, three tanh layers of 30, Glorot, zero biases, squared "
    "error, full batch, 100 steps of descent, the best of nine step sizes 1e-6 to 1; loss over "
    "that of the same with standardised digits",
    prediction=3.0,
    measure=lambda seed: _loss_ratio(5.0, 1.0, seed),
    rival=1.0,
    rival_says="no difference, once the step size is tuned",
    ruling=refuted(_LEFT + "standardised inputs", above=2),
    correction="A mean of five standard deviations saturates the first layer and makes one "
    "direction of the landscape far steeper than the rest. Standardise.",
)

LABELS = replace(
    INPUTS,
    id="labels-need-not-be-scaled",
    says="The labels may have any unit; descent does not mind.",
    setup="100 standardised digits, labels 1000 times one-hot, else as in the claim on inputs; "
    "loss in units of that of always answering the mean label, over that with labels of size 1",
    prediction=2.5,
    measure=lambda seed: _loss_ratio(0.0, 1000.0, seed),
    ruling=refuted(_LEFT + "labels of size 1", above=2),
    correction="The gradient grows with the labels, and behind a bounded activation the readout "
    "has to grow a thousand times. Divide the labels by their standard deviation.",
)


def _loss_ratio(offset: float, label_scale: float, seed: int) -> float:
    standard = best_scaled_loss(1.0, 0.0, 1.0, seed=seed)
    return best_scaled_loss(1.0, offset, label_scale, seed=seed) / standard
