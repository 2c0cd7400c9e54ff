"""Claims of chapter 07 on trial."""

from math import exp, log

from scipy.stats import norm

from vglib.claim import Claim, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.residuals.descent import cured, train_deep
from vglib.residuals.flow import flow
from vglib.residuals.growth import BN_EXPONENT, power_law
from vglib.residuals.luck import luck
from vglib.residuals.mean_field import block_theory
from vglib.residuals.paths import open_skips, paths
from vglib.residuals.rates import SCALES, log_best_rate
from vglib.residuals.rezero import STARTS, best_loss
from vglib.residuals.shattering import gradient_correlation, shattered
from vglib.residuals.shortcuts import shortcuts
from vglib.residuals.stack import SIGMA_W

CHAPTER = 7

ZHIHU = "a widely read Zhihu article"
NOTE = "a lecture note"
VEIT = "Veit, Wilber and Belongie 2016"
BALDUZZI = "Balduzzi et al. 2017"
FOLKLORE = "common advice on residual nets"
# Of the Zhihu article's section on residual nets.
HOW_DEEP, THE_ONE = "section 3.5, paragraph 2", "section 3.5, paragraph 4"
NO_PROOF = " (The derivation is no strict proof, only a help to understanding.)"


def _tanh_growth(seed: int) -> float:
    deep, shallow = (flow(d, activation="tanh", seed=seed, width=100).ratio for d in (400, 100))
    return deep / shallow


def _theory(kind: str, depth: int, alpha: float = 1.0, activation: str = "tanh") -> float:
    """Return theory's ln(||dL/dh_0||^2 / ||dL/dh_L||^2) where h_0 has mean square 1."""
    sigma_w = SIGMA_W[activation]
    return float(block_theory(kind, depth, alpha, sigma_w, activation, 0.0, 0.0)[1].sum())


HUNDREDS = Claim(
    id="hundreds-of-layers-without-worry",
    source=ZHIHU,
    place=HOW_DEEP,
    says="With residual blocks one can easily build networks of hundreds, even more than a "
    "thousand layers, and need not worry that the gradient vanishes too fast.",
    setup="100 blocks h + W relu(h), width 100, He's weights, digits, cross-entropy, at the start; "
    "factor of ||dL/dh||^2 per block",
    prediction=2.0,
    measure=lambda seed: flow(100, seed=seed).per_block,
    tolerance=Tolerance.relative(0.05),
    rival=1.0,
    rival_says="the 1 of the skip alone",
    ruling=holds(
        "no block makes the squared gradient shorter, each multiplies it by {x:.2f}",
        above=0.99,
        otherwise="refuted: each block multiplies the squared gradient by {x:.2f}",
    ),
    same="a gradient that keeps its length does not vanish either",
    correction="On average a block multiplies it by 1 + alpha^2. The worry is the other one: at "
    "alpha = 1 it doubles, to 10^30 over a hundred blocks.",
)

LOSSLESS = at_most(
    id="the-shortcut-passes-the-gradient-without-loss",
    source=ZHIHU,
    place=THE_ONE,
    says="The 1 in the brackets shows that the shortcut can pass the gradient on without loss; the "
    f"other term goes through layers with weights.{NO_PROOF}",
    setup="20 blocks relu(h + W relu(h)), as first published in 2015, width 100, He's weights, "
    "digits; share of units and samples at which no ReLU after a sum blocks the chain of skips",
    prediction=0.05,
    measure=lambda seed: open_skips(20, seed),
    rival=1.0,
    rival_says="all of them",
    ruling=holds_only_if(
        "nothing stands behind the sum; with a ReLU there the chain of skips is open for "
        "{points:.1g}% of the units",
        below=0.99,
    ),
    correction="1 + ... is exact where the sum itself goes on to the next block, as in the "
    "pre-activation blocks of 2016. A ReLU behind the sum multiplies all of it by 0 or 1.",
)

UNLUCKY = Claim(
    id="never-all-minus-one",
    source=ZHIHU,
    place=THE_ONE,
    says=f"The residual gradient will not be so unlucky as to be all -1.{NO_PROOF}",
    setup="a block of one linear unit, h + w h, w ~ N(0, 1); share of 2000 draws so near to -1 "
    "that less than half of the gradient is left",
    prediction=float(norm.cdf(-0.5) - norm.cdf(-1.5)),
    measure=lambda seed: luck(1, seed=seed).measured_below_half,
    tolerance=Tolerance.absolute(0.025),
    rival=0.0,
    rival_says="never, as in 100 units",
    ruling=holds_only_if(
        "the layer is wide: one unit loses more than half in {points:.0f}% of the draws",
        above=0.01,
    ),
    correction="At random it is a matter of width: at 10 units one draw in thousands, at 100 none. "
    "But J = -I can be built, and may be learnt: the 1 guarantees nothing by itself.",
)

SMALL_BRANCH = at_least(
    id="even-if-small-the-one-saves-it",
    source=ZHIHU,
    place=THE_ONE,
    says="And even if the residual gradient is small, the 1 keeps the gradient from vanishing."
    + NO_PROOF,
    setup="a block of 100 linear units, alpha = 0.1, W ~ N(0, 1/n); smallest singular value of "
    "I + alpha W, what the worst direction keeps",
    prediction=0.8,
    measure=lambda seed: float(luck(100, 0.1, seed=seed).singular[-1]),
    rival=0.1,
    rival_says="what alpha = 1 leaves of the worst direction, or less",
    ruling=holds(
        "with a small branch even the worst direction keeps {x:.2f}",
        above=0.5,
        otherwise="refuted: the worst direction keeps {x:.2f}",
    ),
    correction="It holds because the branch is small: ||J|| < 1 leaves at least 1 - ||J|| of "
    "every direction. That it is small makes the argument sure, not that it is random.",
)

TWO_MEANINGS = at_most(
    id="a-short-connection-is-a-loss-on-shallow-layers",
    source=NOTE,
    place="section on remedies, third item",
    says="Use short connections: the gradient of a shallow layer has to be computed back from the "
    "deep layers bit by bit; if we apply the loss to the shallow layers directly, the problem can "
    "be avoided as well.",
    setup="20 sigmoid layers of 50, weights N(0, 1/n), digits, at the start, a cross-entropy of "
    "weight 1 at every layer; log10 of the output's own share of dL/dW_1",
    prediction=-6.0,
    measure=lambda seed: shortcuts(seed=seed).own_share / log(10),
    rival=0.0,
    rival_says="all of it, as with identity skips",
    ruling=holds_only_if(
        "a skip is meant, or a shallow layer may listen to a loss of its own: of what it then "
        "hears the output has a share of 10^{x:.0f}",
        below=-1,
    ),
    correction="A loss on shallow layers is deep supervision (Lee et al. 2015). A shortcut is an "
    "identity around a layer (He et al. 2015): it carries the output's own gradient.",
)

NO_NORM = at_most(
    id="a-deep-residual-net-trains",
    source=FOLKLORE,
    says="With skip connections a deep net trains; normalisation is optional.",
    setup="20 blocks h + relu(W h), width 50, He's weights, digits, cross-entropy, SGD with "
    "momentum 0.9, batch 32, 200 steps; test accuracy, 0 for NaN",
    prediction=0.75,
    measure=lambda seed, lr: cured("none", lr=lr, seed=seed, steps=200).accuracy,
    rival=0.95,
    rival_says="what 200 steps of 0.01 reach with alpha = 1/sqrt(L)",
    ruling=holds_only_if(
        "the branches are scaled down, or the steps are tiny and many: at full scale 200 of the "
        "best size lead to {percent}",
        below=0.8,
    ),
    correction="It needs no normalisation if alpha is about 1/sqrt(L). At alpha = 1 the signal "
    "explodes: steps of 0.001 end in NaN, and it takes thousands of much smaller ones.",
    over={"lr": (1e-6, 1e-5, 1e-4)},
)

CLIPPING = at_least(
    id="clipping-saves-the-exploding-residual-net",
    source=ZHIHU,
    place="section 3.2, paragraph 1",
    says="With gradient clipping a gradient that exceeds a threshold is forced back into the "
    "range; this can prevent gradient explosion.",
    setup="the same net and optimiser, 150 steps, clipped at norm 1; test accuracy, 0 for NaN",
    prediction=0.7,
    measure=lambda seed, lr: cured("clip at 1", lr=lr, seed=seed, steps=150).accuracy,
    rival=0.3,
    rival_says="alive and no more, as with steps of 0.01",
    ruling=holds(
        "no step is NaN, and with steps of the right size the net reads {percent} of the digits",
        above=0.6,
        otherwise="refuted: the net reads {percent} of the digits",
    ),
    correction="It prevents the explosion of the step. Signal, loss and ratio between the layers "
    "stay, so that the net needs larger steps, and several times as many, to end at the 96% of a "
    "net whose branches are small.",
    over={"lr": (0.01, 0.1, 1.0)},
)

ROOT = Claim(
    id="one-over-root-l-keeps-the-gradient",
    source=FOLKLORE,
    says="Scale each branch by 1/sqrt(L), and the gradient keeps its size at any depth.",
    setup="300 blocks h + W relu(h) / sqrt(300), He's weights, width 64, digits, at the start; "
    "||dL/dh_0||^2 / ||dL/dh_L||^2",
    prediction=(1 + 1 / 300) ** 300,
    measure=lambda seed: exp(2 * flow(300, root=True, seed=seed).ratio),
    tolerance=Tolerance.factor(1.35),
    rival=1.0,
    rival_says="not a bit of growth",
    ruling=holds(
        "over 300 blocks the squared gradient grows {x:.1f} times",
        below=10,
        otherwise="refuted: it explodes",
    ),
    same="no growth at all would be keeping its size as well",
    correction="(1 + 1/L)^L is at most e at any depth, if the branch's outputs have mean 0.",
)

ROOT_RELU = at_least(
    id="one-over-root-l-is-enough-for-any-branch",
    source=FOLKLORE,
    says="Scale each branch by 1/sqrt(L), whatever is in it.",
    setup="300 blocks h + relu(W h) / sqrt(300), the rest as before; ln of ||dL/dh_0|| / "
    "||dL/dh_L||",
    prediction=5.0,
    measure=lambda seed: flow(300, "residual", root=True, seed=seed).ratio,
    rival=0.5,
    rival_says="half of ln e, as for a branch of mean 0",
    ruling=holds_only_if(
        "the branch has mean 0: where it ends in a ReLU the gradient grows {x:.0f} times over 300 "
        "blocks",
        above=2,
        show=exp,
    ),
    correction="A ReLU's outputs are positive, so L of them add up like L, not like sqrt(L). End "
    "the branch in a weight matrix, or take 1/L.",
)

TANH_ROOT = Claim(
    id="without-normalisation-growth-is-exponential",
    source=FOLKLORE,
    says="Without normalisation the gradient of a residual net grows exponentially with its depth.",
    setup="blocks h + W tanh(h), N(0, 1/n), width 100, digits, at the start; "
    "ln(||dL/dh_0|| / ||dL/dh_L||) of 400 blocks over that of 100",
    prediction=lambda: _theory("pre-activation", 400) / _theory("pre-activation", 100),
    measure=_tanh_growth,
    tolerance=Tolerance.relative(0.12),
    rival=4.0,
    rival_says="exponential growth: four times the logarithm",
    ruling=holds_only_if(
        "the branch does not saturate: with tanh four times the depth has {x:.2f} times the "
        "logarithm",
        below=3,
    ),
    correction="The signal grows, tanh saturates, and block l adds about 1/sqrt(l) to the "
    "logarithm: exp(c sqrt L), c = 8 / (3 sqrt(2 pi)) for the square (Yang and Schoenholz 2017).",
)

BN_POWER = Claim(
    id="batch-norm-explodes-in-residual-nets-too",
    source="a conclusion drawn from batch norm's explosion in plain nets",
    says="Batch norm multiplies the squared gradient by pi/(pi - 1) in every layer, so a residual "
    "net with batch norm explodes exponentially.",
    setup="100 blocks h + W relu(BN(h)), He's weights, width 100, batch 100 of N(0, 1) inputs; "
    "||dL/dh_0||^2 / ||dL/dh_L||^2",
    prediction=lambda: exp(_theory("pre-activation with BN", 100, 1.0, "relu")),
    measure=lambda seed: exp(power_law(100, seed)[0]),
    tolerance=Tolerance.factor(1.35),
    rival=BN_EXPONENT**100,
    rival_says="pi/(pi - 1) in each of 100 blocks",
    ruling=refuted("over 100 blocks it grows {x:.0f} times, as a power of the depth", below=1e5),
    correction="Block l divides by the stream's variance, which grows like l, so its factor is "
    "1 + c/l with c = pi/(pi - 1): a power of L instead of an exponential.",
)

HIGHWAY = Claim(
    id="a-gate-that-mostly-carries-keeps-the-gradient",
    source=FOLKLORE,
    says="A highway net whose gates start nearly closed passes the gradient on through a hundred "
    "layers, as a residual net does.",
    setup="100 layers (1 - T) h + T tanh(W h), T = 0.12 (a gate bias of -2), weights N(0, 1/n), "
    "width 100, digits, at the start; log10 of ||dL/dh_0|| / ||dL/dh_L||",
    prediction=lambda: _theory("highway", 100, 0.12) / 2 / log(10),
    measure=lambda seed: flow(100, "highway", 0.12, activation="tanh", seed=seed).ratio / log(10),
    tolerance=Tolerance.absolute(0.2),
    rival=0.0,
    rival_says="all of it arrives",
    ruling=holds_only_if(
        "the gate closes as the depth grows: at T = 0.12 a hundred layers leave 10^{x:.1f}",
        below=-1,
    ),
    correction="What the carry keeps is (1 - T)^L. T has to shrink like 1/L.",
)

ENSEMBLE = Claim(
    id="an-ensemble-of-shallow-nets",
    source=VEIT,
    place="arXiv 1605.06431, abstract",
    says="Residual networks act like an ensemble of rather shallow ones: the gradient comes from "
    "paths much shorter than the depth.",
    setup="54 blocks h + W relu(BN(h)), batch norm as in the source's nets, width 40, He's "
    "weights, 16 digits, at the start; mean number of branches of a path, weighed by the squared "
    "gradient",
    prediction=lambda: paths(54, batch_norm=True).theory_length,
    measure=lambda seed: paths(54, seed=seed, batch_norm=True).mean_length,
    tolerance=Tolerance.factor(1.6),
    rival=27.0,
    rival_says="half of the blocks, as without batch norm at alpha = 1",
    ruling=holds(
        "with batch norm the mean is {x:.1f} of 54 branches",
        below=15,
        otherwise="refuted: the mean is {x:.0f} of 54 branches",
    ),
    correction="The mean length is the sum of (chi - 1)/chi over the blocks: like the logarithm of "
    "the depth with batch norm, about 1 at alpha = 1/sqrt(L), and half of the depth at alpha = 1 "
    "without either. And the paths share their weights: no path is a net of its own.",
)

SHATTERED = Claim(
    id="deep-gradients-resemble-white-noise",
    source=BALDUZZI,
    place="arXiv 1702.08591, abstract",
    says="In feed-forward nets of the usual kind the correlation between gradients falls "
    "exponentially with depth, until they look like white noise.",
    setup="50 layers of 200 ReLUs, He's weights, batch norm, 256 inputs on a line; autocorrelation "
    "of df/dx at lag 1, mean subtracted",
    prediction=0.0,
    measure=lambda seed: float(shattered(seed=seed).correlation[1]),
    tolerance=Tolerance.absolute(0.15),
    rival=0.5,
    rival_says="what skips keep of it",
    ruling=holds(
        "neighbours correlate with {x:.2f}",
        above=-0.2,
        below=0.2,
        otherwise="refuted: neighbours are alike",
    ),
    correction="It holds for signals that are centred at each layer. Skips slow the decay down.",
)

PLAIN_SHATTER = at_least(
    id="every-deep-relu-net-shatters",
    source="demonstrations of shattered gradients without batch norm",
    says="Take any deep feed-forward ReLU net, and its gradient is white noise over the inputs.",
    setup="the same without batch norm: lag 1, mean subtracted",
    prediction=0.6,
    measure=lambda seed: float(shattered("feed-forward", seed=seed).correlation[1]),
    rival=0.1,
    rival_says="white noise",
    ruling=holds_only_if(
        "the signals are centred: without batch norm neighbours correlate with {x:.2f}", above=0.3
    ),
    correction="Without centring all inputs become alike on their way through ReLU layers, and so "
    "do their gradients.",
)

HALVING = Claim(
    id="the-correlation-halves-in-each-layer",
    source=BALDUZZI,
    says="At initialisation the correlation of the gradients at two inputs is 2^(-L), if each of "
    "them has half of the units on and both together a quarter.",
    setup="6 ReLU layers of 300, He's weights, batch norm with its statistics held constant on the "
    "way back, 150 independent N(0, 1) inputs; mean cosine between their gradients",
    prediction=2.0**-6,
    measure=lambda seed: gradient_correlation(6, True, seed),
    tolerance=Tolerance.relative(0.5),
    rival=0.08,
    rival_says="the same net without batch norm",
    ruling=holds("{x:.4f} after 6 layers", below=0.03, otherwise="refuted: they stay more alike"),
    correction="It holds where every layer's signal is centred: two inputs then share a quarter of "
    "the units, each has half. Without centring the cosine is several times larger.",
)

DEGRADATION = at_least(
    id="a-deeper-net-trains-at-least-as-well",
    source="an argument that He, Zhang, Ren and Sun put to the test in 2015",
    says="A deeper net can copy the shallower one and let its other layers be the identity, so its "
    "training error should be no higher.",
    setup="plain ReLU net of 50 layers, width 50, He's weights, digits, cross-entropy, SGD with "
    "momentum 0.9, batch 32, 1000 steps; training loss",
    prediction=1.0,
    measure=lambda seed, lr: (
        train_deep(50, "plain", steps=1000, seed=seed, width=50, lr=lr).train_loss
    ),
    rival=0.02,
    rival_says="about what 8 layers reach",
    ruling=refuted(
        "the deeper net could, but does not find it: its training loss stays at {x:.2g}, where 8 "
        "layers come below 0.05",
        above=0.5,
    ),
    correction="The solution exists; descent does not find it in a plain net. A residual block "
    "whose branch is scaled by 1/sqrt(L) starts next to the identity.",
    over={"lr": (0.001, 0.01, 0.1)},
    best="smallest",
    slow=True,
)

THOUSAND = at_least(
    id="a-thousand-layers-cannot-be-trained",
    source=FOLKLORE,
    says="A thousand layers cannot be trained without normalisation.",
    setup="1000 blocks h + W relu(h) / sqrt(1000), width 32, He's weights, digits, cross-entropy, "
    "SGD 0.01 with momentum 0.9, batch 32, 60 steps; test accuracy",
    prediction=0.75,
    measure=lambda seed: train_deep(1000, seed=seed).test_accuracy,
    rival=0.1,
    rival_says="guessing",
    ruling=refuted("in sixty steps they reach {points:.0f}%", above=0.5),
    correction="Scale the branches, and neither normalisation nor luck is needed.",
    slow=True,
)

RATE = Claim(
    id="deeper-nets-need-smaller-steps",
    source="common teaching",
    says="The deeper a net, the smaller the step size has to be.",
    setup="h + W relu(h)/√L, width 32, He's weights, digits, cross-entropy, SGD with momentum 0.9, "
    "batch 32, 60 steps, nine step sizes from 1e-5 to 0.1; log10 of the best at L = 4 over the "
    "best at L = 32",
    prediction=0.0,
    measure=lambda seed: log_best_rate(4, SCALES[1], seed) - log_best_rate(32, SCALES[1], seed),
    tolerance=Tolerance.absolute(0.5),
    rival=3.0,
    rival_says="a thousandth or less, as with branches of scale 1",
    ruling=holds_only_if(
        "the branches are not scaled: by 1/√L eight times the depth changes the best step size by "
        "10^{x:.1f}",
        below=1,
    ),
    correction="A step of descent changes the output by L alpha^2 times what a block does. Scaled "
    "by 1/√L the best step size of a small net serves a deep one, where a block has one layer "
    "(Yang and others 2023, arXiv 2310.02244, abstract).",
    slow=True,
)

# The error among five guesses of the contest's winners, in per cent; 2015's is the residual net's.
WINNERS = {2015: 3.57, 2016: 2.99, 2017: 2.25}

CONTEST = Claim(
    id="residual-nets-ended-the-imagenet-contest",
    source=ZHIHU,
    place=HOW_DEEP,
    says="In fact it was the appearance of residual nets that put an end to the ImageNet contest.",
    setup="read, not measured: the errors of the winners in classification as they report them, "
    + ", ".join(f"{error}% ({year})" for year, error in WINNERS.items())
    + "; contests held after 2015, which a residual net won",
    prediction=2.0,
    measure=lambda seed: float(sum(year > 2015 for year in WINNERS)),
    tolerance=Tolerance.absolute(0),
    rival=0.0,
    rival_says="the one that it won was the last",
    ruling=refuted("{x:.0f} more were held, and the error fell by a third again", above=0.5),
    correction="The contest ran to 2017. Its later winners are built on residual blocks: that is "
    "how it shaped what came after.",
    exact=True,
)

ZERO = Claim(
    id="branches-have-to-start-at-zero",
    source="a common reading of Bachlechner and others 2020",
    place="arXiv 2003.04887, equation 1; the number is from an abstract as copied on the web",
    says="A single learnt parameter a layer, which starts as the identity map, enables 1,500% "
    "faster convergence for deep fully connected nets.",
    setup="50 blocks h + a W relu(h), width 32, He's weights, digits, cross-entropy, SGD with "
    "momentum 0.9, batch 32, 150 steps, the best of lr 1e-4, 1e-3, 0.01, 0.1; training loss with "
    "a = 1/sqrt(50) fixed, over that with a learnt from 0",
    prediction=1.0,
    measure=lambda seed: best_loss(STARTS[1], seed=seed) / best_loss(STARTS[0], seed=seed),
    tolerance=Tolerance.factor(2.0),
    rival=8.0,
    rival_says="many times as fast as any other net: the loss of the fixed ones is still far away",
    ruling=holds_only_if(
        "it is set beside branches of scale 1, which break at every rate: fixed at 1/sqrt(L) they "
        "come to {x:.2f} times the loss of the learnt",
        below=3,
    ),
    correction="What counts at the start is that the branches are small. Learnt factors pay later: "
    "after 600 steps their loss is 0.14 to 0.36 of the fixed ones' (five seeds).",
    slow=True,
)

CLAIMS: tuple[Claim, ...] = (
    *(HUNDREDS, LOSSLESS, UNLUCKY, SMALL_BRANCH, TWO_MEANINGS, NO_NORM, CLIPPING),
    *(ROOT, ROOT_RELU, TANH_ROOT, BN_POWER, HIGHWAY, ENSEMBLE, CONTEST),
    *(SHATTERED, PLAIN_SHATTER, HALVING, DEGRADATION, THOUSAND, RATE, ZERO),
)
