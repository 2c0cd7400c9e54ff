"""Claims of chapter 12 on trial: mixing matrices, widths and rates, number formats."""

from dataclasses import replace
from math import exp, log2

import torch

from vglib.attention.low_training import trained
from vglib.attention.mixing import mixing
from vglib.attention.mup import changes, exponents, shift
from vglib.attention.precision import held, lost_share, underflow, updates
from vglib.claim import Claim, Fact, Tolerance, at_least, at_most, holds, holds_only_if, refuted

MHC = "Xie et al. 2025 (arXiv 2512.24880)"
MUP = "Yang et al. 2022 (arXiv 2203.03466)"
MIXED = "Micikevicius et al. 2018 (arXiv 1710.03740)"
_NETS = (
    "digits, two hidden layers of ReLUs, He's weights, readout 1/n, no biases, Adam, 20 batches of "
    "32, nine rates 2^-11 to 2^-3, loss on 256 other digits"
)
_OCTAVES = "log2 of the best rate with 256 units over that with 16"

NEAR_IDENTITY = at_least(
    id="mixing-near-the-identity-is-harmless",
    source="common belief",
    says="If each mixing matrix is close to the identity, the streams go through nearly unchanged.",
    setup="60 matrices I + 0.3 N, 4 streams, N_ij ~ N(0, 1); largest sum of absolute entries over "
    "a row or column of their product",
    prediction=100.0,
    measure=lambda seed: exp(mixing(60, seed=seed).log_gain),
    rival=2.0,
    rival_says="about as near the identity as each matrix",
    ruling=refuted("60 of them stretch some signal or gradient {x:.2g} times", above=20),
    correction="Each matrix multiplies the mean square by 1 + 4 x 0.3^2, and factors multiply. In "
    "a model of 27 billion weights such a product was reported to reach about 3000.",
    seeds=20,
)

RESTORED = at_most(
    id="doubly-stochastic-mixing-restores-the-identity",
    source=MHC,
    place="abstract",
    says="Projecting the mixing matrices of hyper-connections onto a manifold, the doubly "
    "stochastic ones, restores the identity mapping property.",
    setup="60 matrices, 4 streams, exp(I + 0.3 N) through 20 rounds of Sinkhorn; largest factor by "
    "which their product stretches a difference between streams",
    prediction=1e-20,
    measure=lambda seed: exp(mixing(60, 1.0, seed=seed).log_differences[-1]),
    rival=1.0,
    rival_says="all of it, as the identity would leave",
    ruling=holds_only_if(
        "the mean over the streams is meant, which passes whole: of a difference between them 60 "
        "such layers leave {x:.1g}",
        below=0.01,
    ),
    correction="No signal and no gradient can grow, and the mean passes whole. But every matrix "
    "mixes (the paper says so as well), and differences die out with depth unless each matrix is "
    "very near the identity.",
    seeds=20,
)

TWENTY_ROUNDS = at_least(
    id="twenty-rounds-of-sinkhorn-are-enough",
    source=MHC,
    place="section 4.2",
    says="Sinkhorn's rounds converge to a doubly stochastic matrix; twenty are taken as a "
    "practical value.",
    setup="60 matrices, 4 streams, exp(I + 10 N) through 20 rounds of Sinkhorn; largest sum of "
    "absolute entries over a row or column of their product",
    prediction=1.02,
    measure=lambda seed: exp(mixing(60, 1.0, spread=10.0, seed=seed).log_gain),
    rival=1.001,
    rival_says="as good as 1, as with a spread of 0.3",
    ruling=holds_only_if(
        "the numbers under exp lie near each other, or a little more than 1 does no harm: with a "
        "spread of 10 the product's sums come to {x:.2f}",
        above=1.01,
    ),
    correction="Where exp makes entries of very different size, the rounds converge slowly, and "
    "what is left over multiplies. In the model of 27 billion weights the sums were reported to "
    "reach 1.6, against 3000 without Sinkhorn.",
    seeds=20,
)

BEST_RATE_STAYS = Claim(
    id="the-best-rate-of-a-narrow-net-serves-a-wide-one",
    source="common practice",
    says="Tune the learning rate on a small net, then take it for the large one.",
    setup=f"{_NETS}; {_OCTAVES}",
    prediction=-4.0,
    measure=lambda seed: shift("standard", 16, 256, seed),
    tolerance=Tolerance.absolute(1.5),
    rival=0.0,
    rival_says="the same rate",
    ruling=refuted("it moves by {x:+.0f} octaves while the width grows 16 times", below=-1.5),
    correction="Adam moves each of a unit's n weights by the rate, in step with what they "
    "multiply, so the best rate goes like 1/n. muP divides it by n in every layer that has n "
    "inputs.",
)

TRANSFERS = Claim(
    id="in-mup-the-best-rate-stays",
    source=MUP,
    place="abstract",
    says="In the maximal update parametrization many of the best hyperparameters stay the best "
    "as the model's size changes.",
    setup=f"{_NETS}, muP with base width 16; {_OCTAVES}",
    prediction=0.0,
    measure=lambda seed: shift("muP", 16, 256, seed),
    tolerance=Tolerance.absolute(1.0),
    rival=-4.0,
    rival_says="1/n, as without muP",
    ruling=holds(
        "the best rate moves by {x:+.0f} octaves while the width grows 16 times",
        above=-1.5,
        below=1.5,
        otherwise="refuted: it moves by {x:+.0f} octaves",
    ),
    correction="With the rates of layer 2 and readout divided by the width, and the readout drawn "
    "smaller, one rate serves all widths. That says nothing of depth, or of how long one trains.",
)

TRANSFERS_FAR = replace(
    TRANSFERS,
    id="in-mup-the-best-rate-stays-up-to-1024-units",
    setup="as in the claim on muP, base width 64, 40 batches of 64; log2 of the best rate with "
    "1024 units over that with 64",
    measure=lambda seed: shift("muP", 64, 1024, seed, steps=40, rows=64),
    slow=True,
)

COORDINATES = Claim(
    id="an-adam-step-moves-outputs-alike-at-every-width",
    source="common teaching",
    says="Adam's steps have a fixed size, so a wide net's outputs move as much as a narrow one's.",
    setup="digits, two hidden layers of 64, 128, 256 or 512 ReLUs, He's weights, readout 1/n, one "
    "step of Adam at a rate of 2^-9, one batch of 32; power of the width by which the readout's "
    "pre-activations change",
    prediction=1.0,
    measure=lambda seed: float(
        exponents((64, 128, 256, 512), changes("standard", 2.0**-9, seed, (64, 128, 256, 512), 1))[
            2
        ]
    ),
    tolerance=Tolerance.absolute(0.3),
    rival=0.0,
    rival_says="the same at every width",
    ruling=refuted("the change grows like n^{x:.2f}", above=0.5),
    correction="Each weight moves by the rate, and a unit adds up n of them, in step with what "
    "they multiply: the change grows like n. This is what the coordinate check looks for.",
)

RANGE_IS_ALL = Claim(
    id="bfloat16-can-take-the-place-of-float32",
    source="common advice",
    says="bfloat16 has float32's range, so weights can be kept in it.",
    setup="4000 weights N(0, 0.1^2) in bfloat16, one update of 0.0001 each, up or down by chance; "
    "share of updates that change nothing",
    prediction=lost_share(1e-4, 0.1, "bfloat16"),
    measure=lambda seed: updates("bfloat16", 1e-4, seed=seed, steps=1).lost_here,
    tolerance=Tolerance.relative(0.05),
    rival=0.0,
    rival_says="none: the range is float32's",
    ruling=holds_only_if(
        "the steps are large or a float32 copy adds them up: of steps of a thousandth of the "
        "weights' size {percent} are lost",
        above=0.2,
    ),
    correction="Range is one thing, digits another: bfloat16 has 8 of them, binary ones, so next "
    "to a weight of 0.1 the neighbours are 0.0005 away, and a smaller step than half of that is "
    "rounded off. At a rate of 0.0001 Adam's steps are so small.",
)

CANCELS = Claim(
    id="rounding-errors-cancel-over-many-steps",
    source="common belief",
    says="Rounding goes up as often as down, so over many steps its errors cancel.",
    setup="4000 weights N(0, 0.1^2) in bfloat16, 100 updates of 0.00001, each weight always in one "
    "direction; share of the way that is gone",
    prediction=1 - lost_share(1e-5, 0.1, "bfloat16"),
    measure=lambda seed: float(updates("bfloat16", 1e-5, seed=seed).moved["nearest"][-1]) / 100,
    tolerance=Tolerance.factor(2.0),
    rival=1.0,
    rival_says="all of it, as with rounding by chance",
    ruling=refuted("100 steps get {percent} of their way", below=0.5),
    correction="Rounding to the nearest takes the same small step away each time. Rounding up or "
    "down by chance, with the right odds, is right on average and gets there; so does a float32 "
    "master copy.",
)

MASTER = at_least(
    id="sixteen-bit-weights-need-a-master-copy",
    source=f"a common reading of {MIXED}",
    place="section 3.1",
    says="Weights kept in 16 bits cannot be trained without a float32 master copy.",
    setup="digits, two hidden layers of 32 ReLUs, He's weights, zero biases, cross-entropy, Adam "
    "in float32, 80 batches of 64, weights rounded to bfloat16 after each step; test accuracy",
    prediction=0.9,
    measure=lambda seed, lr: trained("bfloat16", lr, seed, homes=("nearest",)).accuracy["nearest"],
    over={"lr": (0.0001, 0.001, 0.01)},
    rival=0.2,
    rival_says="guessing: no step gets through",
    ruling=refuted("at the best of three rates such a net reads {percent}", above=0.6),
    correction="The paper says that the need is not universal. Large steps get through; once they "
    "are a thousandth of a weight or less, most are lost, and it takes the copy or rounding by "
    "chance.",
)

ONE_SCALE = at_least(
    id="scaling-the-loss-saves-every-gradient",
    source=f"a common reading of {MIXED}",
    place="section 3.2",
    says="Multiply the loss by a large number, and float16 holds the gradients of all layers.",
    setup="digits, 30 sigmoid layers of 100, weights N(0, 1/n), no biases, cross-entropy over a "
    "batch of 32, untrained; share of the gradient's entries that float16 takes for 0 or infinity "
    "in the worst layer",
    prediction=0.9,
    measure=lambda seed, scale: float(underflow(30, "float16", log2(scale), seed=seed).lost.max()),
    over={"scale": (2.0**10, 2.0**15, 2.0**20, 2.0**25, 2.0**30, 2.0**40)},
    best="smallest",
    rival=0.2,
    rival_says="little, as in half as many layers",
    ruling=holds_only_if(
        "all layers' gradients fit into float16's window of 2^40 at once: with 30 sigmoid layers "
        "the worst loses {percent} at the best of six scales",
        above=0.5,
    ),
    correction="One number moves all layers together. Where a gradient shrinks four times a "
    "layer, the last layers overflow before the first have arrived. Scaling the loss mends a "
    "format, not a vanishing gradient.",
)


def _last_held(form: str) -> float:
    """Return log2 of the smallest power of two that a format holds."""
    powers = torch.arange(0.0, 200.0, dtype=torch.float64)
    return -float(powers[held(2.0**-powers, form) > 0].max())


HALF = Fact(
    id="float16-ends-at-2-to-the-minus-24",
    source="IEEE 754, binary16",
    says="The smallest positive number is 2^-24; half of it is rounded to 0.",
    setup="powers of two cast by torch; log2 of the smallest that is not 0",
    prediction=-24.0,
    measure=lambda seed: _last_held("float16"),
    tolerance=Tolerance.absolute(0),
    exact=True,
)
E4M3 = replace(
    HALF,
    id="e4m3-ends-at-2-to-the-minus-9",
    source="Micikevicius et al. 2022 (arXiv 2209.05433)",
    place="table 1",
    says="E4M3 reaches from 2^-9 to 448.",
    prediction=-9.0,
    measure=lambda seed: _last_held("E4M3"),
)
E5M2 = replace(
    E4M3,
    id="e5m2-ends-at-2-to-the-minus-16",
    says="E5M2 reaches from 2^-16 to 57344.",
    prediction=-16.0,
    measure=lambda seed: _last_held("E5M2"),
)
