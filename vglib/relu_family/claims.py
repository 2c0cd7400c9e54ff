"""Claims of chapter 04 on trial."""

from dataclasses import replace
from functools import partial
from math import exp, log, log10

import torch

from vglib.claim import Claim, Tolerance, holds, holds_only_if, refuted
from vglib.relu_family import born_dead, gauges, portrait, race
from vglib.relu_family.dead_units import dead_share, off_at_start, zero_share

CHAPTER = 4

FRESH = (
    "fresh ReLU net on 128 standardised digits, cross-entropy, {depth} hidden layers of {width}, "
    "{weights}, no biases, nothing trained"
)
DYING = (
    "digits, 64-100-100-10, cross-entropy, He, biases start at 0, {rule}, batch 32, 600 steps; "
    "units of hidden layer 2 that are <= 0 for all 1437 training images"
)
# For predictions that are bounds, and for a layer's mean factor on the squared gradient.
bounded_above = partial(Claim, tolerance=Tolerance.at_most())
bounded_below = partial(Claim, tolerance=Tolerance.at_least())
of_factor = partial(Claim, tolerance=Tolerance.relative(0.04))


def _factor(weight_scale: float, seed: int) -> float:
    return exp(gauges.slope(20, weight_scale, width=200, seed=seed).log_factor)


SLOPE_ONE = of_factor(
    id="relu-slope-1-so-every-layer-learns-alike",
    source="a widely read Zhihu article; a lecture note says the same",
    says="If the derivative of the activation is 1, there is no vanishing or exploding, and every "
    "layer gets the same update speed; so ReLU was born.",
    setup=FRESH.format(depth=20, width=200, weights="Glorot N(0, 1/n)"),
    prediction=0.5,
    measure=partial(_factor, 1.0),
    rival=1.0,
    rival_says="slope 1, so factor 1",
    ruling=refuted("each layer multiplies the squared gradient by {x:.3g}", below=0.95),
    correction="Half of the paths are shut: the factor is chi = sigma_w^2 / 2, here 1/2.",
)

EXPLODES = of_factor(
    id="relu-cannot-explode",
    source="a widely read Zhihu article",
    says="Using ReLU in deep networks does not lead to vanishing or exploding gradients.",
    setup=FRESH.format(depth=20, width=200, weights="N(0, 3/n)"),
    prediction=1.5,
    measure=partial(_factor, 3**0.5),
    rival=1.0,
    rival_says="no explosion at any scale",
    ruling=refuted("at variance 3/n each layer multiplies the square by {x:.3g}", above=1.05),
    correction="At variance 3/n the factor is 3/2. ReLU does not bound the gradient.",
)

HE = of_factor(
    id="he-initialisation-keeps-the-gradient",
    source="He, Zhang, Ren & Sun 2015",
    says="With weights of variance 2/n the gradient of a ReLU net neither shrinks nor grows.",
    setup=FRESH.format(depth=20, width=200, weights="He N(0, 2/n)"),
    prediction=1.0,
    measure=partial(_factor, 2**0.5),
    rival=0.5,
    rival_says="Glorot's factor",
    ruling=holds(above=0.95, below=1.05, otherwise="refuted: the factor is {x:.3g}"),
    correction="chi = 2/2 = 1 on average; a finite width wanders around it.",
)

HEALTHY = Claim(
    id="an-even-weight-gradient-means-health",
    source="often heard",
    says="If the norm of dL/dW is about the same in the first and the last layer, the gradient "
    "does not vanish.",
    setup=FRESH.format(depth=20, width=100, weights="torch's scale U(+-1/sqrt n)")
    + "; decades by which ||dL/dz|| falls from layer 20 to layer 1",
    prediction=19 / 2 * log10(6),
    measure=lambda seed: -gauges.gauges(20, seed=seed).log_delta_ratio / log(10),
    tolerance=Tolerance.absolute(0.5),
    rival=0.0,
    rival_says="as even as ||dL/dW||, which changes by less than a factor of 3",
    ruling=refuted("||dL/dW|| is even while ||dL/dz|| falls by {x:.2g} decades", above=2),
    correction="In a net of ReLUs without biases <W, dL/dW> is the same in every layer, sick or "
    "sound, and keeps ||dL/dW|| even. Look at ||dL/dz||.",
)

BALANCE = bounded_above(
    id="weight-times-gradient-is-equal-in-all-layers",
    source="Du, Hu & Lee 2018",
    says="With homogeneous activations gradient flow changes the squared norm of every layer's "
    "weights alike; that is, <W, dL/dW> is the same in every layer.",
    setup=FRESH.format(depth=20, width=100, weights="torch's scale U(+-1/sqrt n)")
    + "; largest over smallest <W, dL/dW>, less 1",
    prediction=1e-8,
    measure=lambda seed: gauges.gauges(20, seed=seed).inner_unequal,
    rival=0.1,
    rival_says="equal by chance, within 10%",
    ruling=holds_only_if(
        "there are no biases (and then to {x:.0e})",
        below=1.1e-8,
        otherwise="refuted: it differs by {x:.2g}",
    ),
    correction="It follows from phi'(z) z = phi(z), which ReLU and its leaky kin satisfy. With "
    "biases <W, dL/dW> + <b, dL/db> takes the place of one side.",
)

STUCK = bounded_above(
    id="relu-trains-at-any-depth",
    source="a tutorial of 2017",
    says="ReLU propagates gradients efficiently, balances the update speed of the layers and to a "
    "large extent removes the vanishing gradient.",
    setup="digits, 20 hidden layers of 100, torch's scale U(+-1/sqrt n), no biases, "
    "cross-entropy, SGD 0.02, batch 50, 4 epochs; test accuracy",
    prediction=0.2,
    measure=lambda seed: float(gauges.train_deep("torch", False, 4, seed=seed).test_accuracy[-1]),
    rival=0.35,
    rival_says="the least that the same net reaches from He",
    ruling=holds_only_if(
        "the weights have He's scale: at torch's it stays at {percent}", below=0.25
    ),
    correction="From He's scale the same net learns at once; from torch's it stays at chance.",
)

LEAKY = Claim(
    id="the-leak-is-0-1-or-0-2",
    source="a widely read Zhihu article",
    says="k is the leak coefficient, generally 0.1 or 0.2, or learned.",
    setup="the default of torch.nn.LeakyReLU",
    prediction=0.01,
    measure=lambda _: float(torch.nn.LeakyReLU().negative_slope),
    tolerance=Tolerance.relative(1e-6),
    rival=0.1,
    rival_says="the article's smaller value",
    ruling=refuted("the original and torch use {x:g}", below=0.05),
    correction="Maas, Hannun & Ng 2013 and torch take 0.01; larger leaks are in use elsewhere; "
    "the learned one has a name of its own, PReLU.",
    exact=True,
)

SELU = Claim(
    id="self-normalising-keeps-gradients-too",
    source="often heard",
    says="SELU keeps mean 0 and variance 1, so its gradients neither vanish nor explode.",
    setup="z ~ N(0, 1), sigma_w = 1, infinite width, by quadrature",
    prediction=1.0716,
    measure=lambda _: portrait.face("selu").chi,
    tolerance=Tolerance.absolute(0.001),
    rival=1.0,
    rival_says="what keeps the signal keeps the gradient",
    ruling=holds_only_if(
        "the net is not deep: the square grows by {percent} a layer",
        above=1.01,
        show=lambda c: c - 1,
    ),
    correction="The signal is kept exactly, the squared gradient grows by 7% a layer: 30 times "
    "over 50 layers, against none for He with ReLU.",
    exact=True,
)

RRELU = Claim(
    id="rrelu-regularises",
    source="a Medium article, after Xu, Wang, Chen & Li 2015, whom it does not name",
    says="In RReLU the leak is random in training and fixed at its mean in testing; it also acts "
    "as a regulariser.",
    setup="50 units, z and readout w ~ N(0, 1), slopes uniform in [1/8, 1/3], 20,000 draws; added "
    "squared error over the formula's penalty",
    prediction=1.0,
    measure=portrait.penalty_ratio,
    tolerance=Tolerance.relative(0.03),
    rival=0.0,
    rival_says="the mean slope is the same, so nothing is added",
    ruling=holds(above=0.5, otherwise="refuted: the noise costs nothing"),
    correction="The noise adds (range^2 / 12) sum w^2 z^2 over the negative units: a price on "
    "weights that lean on them.",
)

NEGATIVE_HALF = bounded_above(
    id="in-the-negative-half-learning-stops",
    source="a tutorial of 2017",
    says="On its negative half the gradient is 0; once in that region, learning stops completely.",
    setup=FRESH.format(depth=2, width=100, weights="He")
    + "; share of units that are off for all 1437 training images",
    prediction=0.02,
    measure=lambda seed: off_at_start("he", 2, seed),
    rival=0.5,
    rival_says="the share of zeros, which is one half",
    ruling=holds_only_if(
        "the unit is off for all of the data: half of all outputs are zero, and {percent} of the "
        "units are dead",
        below=0.1,
    ),
    correction="A unit that is off for one image learns from the others. Only a unit that is off "
    "for all of them gets no gradient.",
)

HALF_ZERO = Claim(
    id="half-of-the-outputs-are-zero",
    source="Glorot, Bordes & Bengio 2011",
    says="After a uniform initialisation around 50% of the hidden outputs are real zeros.",
    setup=FRESH.format(depth=2, width=100, weights="He")
    + "; all training images; share of (unit, image) pairs with output 0",
    prediction=0.5,
    measure=lambda seed: zero_share("he", 2, seed),
    tolerance=Tolerance.absolute(0.04),
    rival=0.0,
    rival_says="a healthy net has no zeros",
    ruling=holds(above=0.45, below=0.55, otherwise="refuted: {percent}"),
    correction="z is symmetric around 0, so half of the pairs are off. That is sparsity.",
)

ARTEFACT = Claim(
    id="half-of-relus-are-dead-so-change-the-activation",
    source="course notebooks that count dead units at depth 10",
    says="At depth 10 half of the ReLUs are dead; take another activation.",
    setup="digits, fresh ReLU nets, width 100: share of layer 10 off for all 1437 training "
    "images, torch's default minus He",
    prediction=0.4,
    measure=lambda seed: off_at_start("torch", 10, seed) - off_at_start("he", 10, seed),
    tolerance=Tolerance.absolute(0.1),
    rival=0.0,
    rival_says="it is the activation's fault, whatever the initialisation",
    ruling=holds_only_if("torch's default is kept: He has {points:.0f} points less", above=0.2),
    correction="At torch's scale the signal fades until the biases alone decide, and half of "
    "those are negative. With He about a tenth is dead. Same activation.",
    seeds=9,
)

LARGE_STEPS = bounded_below(
    id="a-large-learning-rate-kills-units",
    source="a Medium article",
    says="With a large learning rate you may find half of the network's neurons dead.",
    setup=DYING.format(rule="SGD 1.0"),
    prediction=0.3,
    measure=lambda seed: dead_share(1.0, seed=seed)[0],
    rival=0.1,
    rival_says="hardly any",
    ruling=holds(above=0.25, otherwise="refuted: {percent} are dead"),
    correction="At a step of 1.0 a tenth to all of layer 2 dies, by seed; layer 1, which reads "
    "inputs of both signs, loses nobody.",
    seeds=9,
)

SMALL_STEPS = bounded_above(
    id="a-small-learning-rate-avoids-dead-units",
    source="a widely read Zhihu article",
    says="Some units can never be activated; a small learning rate partly solves this.",
    setup=DYING.format(rule="SGD 0.1"),
    prediction=0.05,
    measure=lambda seed: dead_share(0.1, seed=seed)[0],
    rival=0.3,
    rival_says="as at a step of 1.0",
    ruling=holds(below=0.1, otherwise="refuted: {percent} are dead all the same"),
    correction="At 0.1 next to none dies in this net. What is small depends on the optimiser.",
)

ADAM = bounded_below(
    id="adam-adapts-its-steps-so-units-survive",
    source="often heard",
    says="A step of 0.1 is safe for the units, the more so with Adam, which adapts its steps.",
    setup=DYING.format(rule="Adam 0.1"),
    prediction=0.85,
    measure=lambda seed: dead_share(0.1, "Adam", seed=seed)[0],
    rival=0.05,
    rival_says="as with SGD 0.1",
    ruling=refuted("{percent} are dead", above=0.5),
    correction="Adam moves every weight by about the learning rate, however small its gradient: "
    "0.1 is a huge step for a weight of size 0.1.",
)

LEAKY_SURVIVES = bounded_below(
    id="leaky-units-always-wake-up",
    source="a Medium article",
    says="The leak makes sure that they never die; they may go into a long coma, but they always "
    "have a chance to wake up.",
    setup=DYING.format(rule="Adam 0.1").replace("64-100", "leaky ReLU 0.01, 64-100", 1)
    + "; test accuracy",
    prediction=0.8,
    measure=lambda seed: dead_share(0.1, "Adam", "leaky_relu", seed)[1],
    rival=0.25,
    rival_says="what ReLU has left",
    ruling=holds(
        "and the net that kills its ReLUs reaches {percent} with leaky ones",
        above=0.75,
        otherwise="refuted: it reaches {percent}",
    ),
    correction="A leak of 0.01 keeps a hundredth of the gradient. Some units stay off, but none "
    "is cut off.",
)

BORN_DEAD = Claim(
    id="the-born-dead-bound-is-exact-for-one-input",
    source="Lu, Shin, Su & Karniadakis 2019",
    says="A ReLU net of width N with L layers is born dead with a probability of at most "
    "1 - (1 - 2^-N)^(L-1).",
    setup="one input, 9 hidden layers (L = 10) of width 3, Gaussian weights, no biases, 5000 "
    "nets; share with a layer that is silent for the input 1",
    prediction=lambda: float(born_dead.born_dead_formula(3, 9)),
    measure=lambda seed: float(born_dead.born_dead(3, 9, nets=5000, seed=seed).one_input[-1]),
    tolerance=Tolerance.absolute(0.02),
    rival=2.0**-27,
    rival_says="all 27 units must be off at once",
    ruling=holds("and for one given input with equality", above=0.5, otherwise="refuted: no"),
    correction="One silent layer is enough, and each is silent with probability 2^-N. For all "
    "inputs at once it is rarer: 58% of these nets instead of 70%.",
)

BORN_DEAD_ALL = replace(
    BORN_DEAD,
    id="born-dead-nets-obey-the-bound",
    setup="one input, 9 hidden layers (L = 10) of width 3, Gaussian weights, no biases, 5000 "
    "nets; share with a layer that is silent for every input",
    measure=lambda seed: float(born_dead.born_dead(3, 9, nets=5000, seed=seed).all_inputs[-1]),
    tolerance=Tolerance.at_most(),
    rival=0.75,
    rival_says="more than the bound",
    ruling=holds(below=0.7, otherwise="refuted: the bound is broken"),
    correction="58% against a bound of 70%: the first layer is never silent on both sides of 0.",
)

TABLE = bounded_above(
    id="the-table-ranks-the-architectures",
    source="a reader of the table in a tutorial of 2017",
    says="Two layers (97.92%) beat three (97.90%) and four (97.81%); the tapered net beats them "
    "all (97.98%). MNIST, best validation accuracy over the epochs, one seed each.",
    setup="rows 2 to 5, by arithmetic: largest less smallest, in binomial standard errors of one "
    "row (10,000 images)",
    prediction=2.1,
    measure=lambda _: race.table_spread(),
    rival=4.0,
    rival_says="a difference that a reader could rely on",
    ruling=refuted("rows 2 to 5 lie within {x:.2g} standard errors", below=2.2),
    correction="Four equal nets would spread by 2.1 standard errors on average. The table can tell "
    "a sigmoid from a ReLU, not row 2 from row 5.",
    exact=True,
)

PARAMETERS = Claim(
    id="depth-multiplies-the-parameters",
    source="a tutorial of 2017",
    says="In a fully connected net, adding depth multiplies the number of parameters.",
    setup="784-(100 x L)-10, weights and biases counted: L = 4 over L = 1",
    prediction=1.381,
    measure=lambda _: race.parameters([100] * 4) / race.parameters([100]),
    tolerance=Tolerance.relative(0.01),
    rival=8.0,
    rival_says="doubled by each layer",
    ruling=refuted("three more layers add {percent}", below=2, show=lambda g: g - 1),
    correction="Each layer of 100 adds 10,100: linear. Width multiplies: 2048-1024-512-256 has "
    "4.4 million.",
    exact=True,
)

FASTER = bounded_below(
    id="relu-converges-much-faster-than-sigmoid",
    source="a tutorial of 2017",
    says="Training indeed converges fast: a few epochs bring the accuracy to 95%.",
    setup="digits, 64-100-100-100-10, cross-entropy, SGD 0.1, batch 10, 3 epochs, biases start at "
    "0; ReLU from He, sigmoid from Glorot; lead of ReLU in test accuracy",
    prediction=0.2,
    measure=race.lead,
    rival=0.02,
    rival_says="the lead at the end of a long training of one layer",
    ruling=holds(above=0.15, otherwise="refuted: the lead is {percent}"),
    correction="With three layers the lead after 3 epochs is tens of points; with one layer, "
    "little. Both depend on the loss and the initialisation.",
)

NO_SAVIOUR = bounded_above(
    id="relu-is-no-saviour",
    source="a tutorial of 2017",
    says="ReLU is no saviour either: further hidden layers bring no clear gain in accuracy.",
    setup="digits, 4x100 (60 epochs) less 1x100 (30 epochs), ReLU from He, biases start at 0, "
    "cross-entropy, SGD 0.1, batch 10; points of test accuracy on 360 images",
    prediction=1.0,
    measure=race.gain_of_depth,
    rival=2.5,
    rival_says="a gain like that of ReLU over the sigmoid",
    ruling=holds(
        "here: three more layers change the accuracy by {x:.2g} points",
        below=1.5,
        otherwise="refuted: depth pays here",
    ),
    correction="Small fully connected nets on small images have nothing to gain from depth; that "
    "says little about depth where there is structure to use.",
    slow=True,
)

SIX = tuple(
    Claim(
        id=f"relu-reaches-the-top-{'-'.join(map(str, widths))}",
        source="a tutorial of 2017",
        says=f"{'-'.join(map(str, widths))} hidden ReLUs reach {published}% (MNIST, best of "
        f"{published_epochs} epochs).",
        setup=f"digits, 64-{'-'.join(map(str, widths))}-10, ReLU from He, biases start at 0, "
        f"cross-entropy, SGD {lr}, batch 10, {epochs} epochs; final test accuracy on 360 images",
        prediction=0.972,
        measure=partial(race.relu_alone, widths, epochs, lr),
        tolerance=Tolerance.absolute(0.012),
        rival=0.95,
        rival_says="the sigmoid's best level in the published table, 95 to 96%",
        ruling=holds(
            "and so does every other of the six within 360 images' error",
            above=0.955,
            otherwise="refuted: it reaches {x:.1%}",
        ),
        correction="All six medians lie between 96.5% and 98% here; 360 images cannot rank them.",
        slow=True,
    )
    for widths, epochs, lr, published, published_epochs in (
        ((100,), 30, 0.1, 97.57, 30),
        ((100, 100), 30, 0.1, 97.92, 30),
        ((100, 100, 100), 30, 0.1, 97.9, 30),
        ((100, 100, 100, 100), 60, 0.1, 97.81, 60),
        ((500, 300, 150, 50), 60, 0.1, 97.98, 60),
        ((2048, 1024, 512, 256), 15, 0.1, 98.07, 60),
    )
)

CLAIMS = (
    *(SLOPE_ONE, EXPLODES, HE, SELU, HEALTHY, BALANCE, STUCK),
    *(LEAKY, RRELU),
    *(NEGATIVE_HALF, HALF_ZERO, ARTEFACT, LARGE_STEPS, SMALL_STEPS, ADAM, LEAKY_SURVIVES),
    *(BORN_DEAD, BORN_DEAD_ALL),
    *(FASTER, TABLE, PARAMETERS, NO_SAVIOUR, *SIX),
)
