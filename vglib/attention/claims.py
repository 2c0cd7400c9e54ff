"""Claims of chapter 12 on trial: attention and the place of the norm."""

from math import log

from vglib.attention.claims_today import (
    BEST_RATE_STAYS,
    CANCELS,
    COORDINATES,
    E4M3,
    E5M2,
    HALF,
    MASTER,
    NEAR_IDENTITY,
    ONE_SCALE,
    RANGE_IS_ALL,
    RESTORED,
    TRANSFERS,
    TRANSFERS_FAR,
    TWENTY_ROUNDS,
)
from vglib.attention.collapse import collapse, powers
from vglib.attention.in_training import trained
from vglib.attention.placing import (
    DEEP,
    POST,
    PRE,
    SCALED,
    first_step,
    last_by_w2,
    mean_squares,
    shares,
)
from vglib.attention.saturation import grown, unscaled
from vglib.claim import Claim, Fact, Tolerance, at_least, at_most, holds, holds_only_if, refuted

CHAPTER = 12

DONG = "Dong, Cordonnier and Loukas 2021 (arXiv 2103.03404)"
NOCI = "Noci et al. 2022 (arXiv 2206.03126)"
XIONG = "Xiong et al. 2020 (arXiv 2002.04745)"
DEEPNET = "Wang et al. 2022 (arXiv 2203.00555)"
CURSE = "Sun et al. 2025 (arXiv 2502.05795)"
VASWANI = "Vaswani et al. 2017 (arXiv 1706.03762)"
FOLKLORE = "common advice on transformers"
BLOCKS = (
    "blocks of attention (one head) and a ReLU MLP four times as wide, no biases, 16 tokens "
    "N(0, 1), ten random classes, cross-entropy, at the start"
)


def _growth(seed: int) -> float:
    """Return k of l^k, the pre-LN stream's mean square from block 12 to block 48."""
    square = mean_squares(PRE, 48, seed)
    return log(square[48] / square[12]) / log(4)


DOUBLY = Claim(
    id="pure-attention-collapses-doubly-exponentially",
    source=DONG,
    place="abstract",
    says="Self-attention alone, without skip connections or multi-layer perceptrons, brings its "
    "output to a matrix of rank 1, doubly exponentially.",
    setup="one layer of one head, width 64, weights N(0, 1/n); 32 tokens that differ from their "
    "mean by 0.001 and by 0.01 of it; k where the output's tokens differ by c x^k",
    prediction=3.0,
    measure=lambda seed: powers(seed)["apart"],
    tolerance=Tolerance.absolute(0.05),
    rival=1.0,
    rival_says="each layer takes a fixed share of it: exponentially, but no faster",
    ruling=holds(
        "a layer leaves the power {x:.2f} of what sets tokens apart",
        above=1.5,
        otherwise="refuted: a layer leaves the power {x:.2f}",
    ),
    correction="Once tokens are nearly alike, each layer takes the third power of what sets them "
    "apart: 0.03, then 10^-7, then less than float64 can tell.",
)

SKIPS = at_least(
    id="skips-and-mlps-stop-the-collapse",
    source=DONG,
    place="abstract",
    says="Skip connections and MLPs, however, keep the output from degenerating so.",
    setup="24 layers x + attention(x), then x + MLP(x), width 32, weights N(0, 1/n), He's in the "
    "MLP, 32 tokens N(0, 1), no norm; mean cosine between two tokens at the end",
    prediction=0.98,
    measure=lambda seed: float(collapse(24, mlp=True, seed=seed).cosine["skip"][-1]),
    rival=0.3,
    rival_says="about what the same net has with branches of 1/sqrt(L)",
    ruling=holds_only_if(
        "the branches are small against the skip: at equal shares the tokens of 24 random layers "
        "end at a mean cosine of {x:.4f}",
        above=0.9,
    ),
    correction="They slow it down. Attention adds to every token nearly the same vector, and in "
    "24 layers of full size that outgrows what sets tokens apart. Branches over sqrt(L) keep it.",
)

QUERIES = Claim(
    id="rank-collapse-takes-the-gradient-of-the-queries",
    source=NOCI,
    place="abstract",
    says="Where the tokens have collapsed to rank 1 the gradients of queries and keys vanish, at "
    "initialization, and that hinders training.",
    setup="the layer and the tokens of the claim on pure attention, a random gradient sent in; k "
    "where ||dL/dW_q|| is c x^k",
    prediction=2.0,
    measure=lambda seed: powers(seed)["w_q"],
    tolerance=Tolerance.absolute(0.05),
    rival=0.0,
    rival_says="as that of W_v, which does not depend on it",
    ruling=holds(
        "it falls as the power {x:.2f} of what sets tokens apart",
        above=0.5,
        otherwise="refuted: it does not fall",
    ),
    correction="Twice: equal values give the weights no gradient that the softmax would pass on, "
    "and of equal keys the rows of dL/ds, which add up to 0, leave nothing.",
)

PRE_LAST = Claim(
    id="pre-ln-last-gradient-falls-with-depth",
    source=XIONG,
    place="section 3.3, theorem 1",
    says="In the pre-LN transformer the gradient of the last layer's W_2 is at most of the order "
    "1/sqrt(L), at initialization. (With a last norm, and one head that attends to all alike.)",
    setup=f"{BLOCKS}, width 64, a last norm; ||dL/dW_2|| of the last block, of 48 blocks over "
    "that of 6",
    prediction=8**-0.5,
    measure=lambda seed: last_by_w2(PRE, 48, seed) / last_by_w2(PRE, 6, seed),
    tolerance=Tolerance.factor(2),
    rival=1.0,
    rival_says="as in post-LN, where the depth does not enter",
    ruling=holds("eight times the depth leaves {percent}", below=0.8),
    correction="The last norm divides by a stream that has grown like sqrt(L).",
)

POST_LARGE = at_least(
    id="post-ln-gradients-near-the-output-are-large",
    source=XIONG,
    place="abstract",
    says="In the transformer as it was first designed, with post-LN, the gradients near the output "
    "layer are large at initialization, in expectation.",
    setup=f"{BLOCKS}, 48 of them of width 64; ||dL/dW_2|| of the last block in post-LN, over that "
    "in pre-LN",
    prediction=3.0,
    measure=lambda seed: last_by_w2(POST, 48, seed) / last_by_w2(PRE, 48, seed),
    rival=1.0,
    rival_says="as large as in pre-LN",
    ruling=holds(
        "{x:.1f} times those of pre-LN at 48 blocks",
        above=1.5,
        otherwise="refuted: {x:.1f} times those of pre-LN",
    ),
    correction="Large against pre-LN, and there because pre-LN's fall with depth: post-LN's own "
    "hardly depend on it.",
)

NO_WARM_UP = at_least(
    id="pre-ln-trains-without-warm-up",
    source=XIONG,
    place="abstract",
    says="Pre-LN transformers without the warm-up stage can reach comparable results with "
    "baselines, on a wide range of applications, with less training time and tuning.",
    setup="12 pre-LN blocks of width 24 on digits, whose eight rows are the tokens, cross-entropy "
    "of a readout of the mean token, Adam without warm-up, batch 16, 300 steps; test accuracy",
    prediction=0.88,
    measure=lambda seed, lr: trained(PRE, lr=lr, seed=seed),
    rival=0.75,
    rival_says="what post-LN reaches in as many steps with a warm-up of 150",
    ruling=holds("at the best of three rates they read {percent} of the digits", above=0.8),
    correction="Of post-LN the same steps make 63%, and 74% with a warm-up of 150 steps, each at "
    "its best rate; with more steps it comes nearer.",
    over={"lr": (1e-4, 1e-3, 1e-2)},
    slow=True,
)

BOUNDED = Claim(
    id="deepnorm-bounds-the-update",
    source=DEEPNET,
    place="abstract",
    says="With DeepNorm, and the initialization derived for it, the updates of the model have a "
    "stable bound.",
    setup=f"{BLOCKS}, width 32; relative change of the output in one step of plain descent of "
    "0.001, of 48 blocks over that of 3",
    prediction=1.0,
    measure=lambda seed: first_step(DEEP, 48, 1e-3, seed) / first_step(DEEP, 3, 1e-3, seed),
    tolerance=Tolerance.relative(0.2),
    rival=10.0,
    rival_says="less than post-LN's, which grows some twenty times",
    ruling=holds(
        "of 48 blocks it is {x:.2f} times that of 3",
        below=2,
        otherwise="refuted: it grows {x:.1f} times",
    ),
    correction="The skip (2L)^(1/4) and branches times (8L)^(-1/4) make block and step smaller in "
    "step with the depth. The price: at the start every block adds little.",
)

VARIANCE = Claim(
    id="pre-ln-variance-grows-exponentially",
    source=CURSE,
    place="abstract; section 3.1, lemma 3.2",
    says="Pre-LN makes the training of transformers stable, but the variance of its output grows "
    "exponentially with the depth. (The lemma: at least linearly, at most exponentially.)",
    setup=f"{BLOCKS}, width 32; k where the stream's mean square grows as l^k, from block 12 to "
    "block 48",
    prediction=1.0,
    measure=_growth,
    tolerance=Tolerance.absolute(0.35),
    rival=8.0,
    rival_says="less than an exponential through the first block's factor of 2 would have",
    ruling=holds_only_if(
        "more is meant than the start: there it grows as the power {x:.2f} of the depth", below=2
    ),
    correction="At the start each branch adds about as much as the last: linear. What training "
    "makes of it is not tried here.",
)

IDENTITY = at_most(
    id="deep-pre-ln-blocks-are-nearly-the-identity",
    source=CURSE,
    place="abstract; section 3.1, theorem 3.3",
    says="That growth makes the derivative of deep blocks the identity, so that they contribute "
    "hardly anything to the training. (The theorem: where it is exponential.)",
    setup=f"{BLOCKS}, width 32, pre-LN; what block 48 adds, over the stream behind it",
    prediction=0.3,
    measure=lambda seed: float(shares(PRE, 48, seed)[-1]),
    rival=0.7,
    rival_says="the share of block 1",
    ruling=holds(
        "block 48 adds {percent} of the stream's length",
        below=0.5,
        otherwise="refuted: block 48 adds {percent}",
    ),
    correction="It needs no exponential: a stream whose mean square grows like l has norms that "
    "make block l count as 1/sqrt(l).",
)

SCALING = Claim(
    id="layernorm-scaling-improves-deep-blocks",
    source=CURSE,
    place="abstract and section 4",
    says="LayerNorm scaling, which divides the norm's output in layer l by sqrt(l), tames the "
    "variance of the output of deep layers, and so they contribute more.",
    setup=f"{BLOCKS}, width 32; what block 48 adds, over the stream behind it, with the scaling "
    "over without",
    prediction=0.45,
    measure=lambda seed: float(shares(SCALED, 48, seed)[-1] / shares(PRE, 48, seed)[-1]),
    tolerance=Tolerance.absolute(0.2),
    rival=1.5,
    rival_says="deep blocks count for more",
    ruling=holds_only_if(
        "what training makes of them is meant: at the start block 48 counts for {x:.2f} times as "
        "much as without",
        below=1,
    ),
    correction="The stream's root shrinks 3 to 4 times, the branch of block 48 by sqrt(48) = 7. "
    "That such nets train better is not tried here.",
)

UNSCALED = at_most(
    id="large-dot-products-have-small-gradients",
    source=VASWANI,
    place="section 3.2.1",
    says="For large d_k, it is suspected, dot products become so large that they push the softmax "
    "to where its gradients are extremely small.",
    setup="one layer, one head of d_k = 512, weights N(0, 1/n), 4 sequences of 64 tokens N(0, 1), "
    "a random gradient; ||dL/ds|| of the middle row without 1/sqrt(d_k), over that with it",
    prediction=0.05,
    measure=lambda seed: unscaled(512, seed)[1],
    rival=0.5,
    rival_says="no less than half",
    ruling=holds_only_if(
        "a typical row is meant: the middle one is left {percent}, and all rows together about as "
        "much as before",
        below=0.2,
    ),
    correction="Most rows saturate, and lose their gradient; in the few whose two largest scores "
    "are nearly equal it grows. Over 256 rows the two cancel at d_k = 512.",
)

SATURATED = at_least(
    id="a-saturated-softmax-has-no-gradient",
    source=FOLKLORE,
    says="Once the softmax of attention has saturated its gradient is 0, so queries and keys do "
    "not learn any more.",
    setup="one layer, one head, width 64, 8 sequences of 64 tokens N(0, 1), a random gradient; "
    "W_q and W_k times 16, mean entropy about 0.02; ||dL/dW_q|| ||W_q|| over that at scale 1",
    prediction=15.0,
    measure=lambda seed: grown(16.0, seed),
    rival=0.01,
    rival_says="next to nothing is left",
    ruling=refuted(
        "||dL/dW_q|| ||W_q|| is {x:.0f} times as large as at scale 1",
        above=1,
        otherwise="holds: {x:.2g} is left",
    ),
    correction="Row by row it vanishes, exponentially in the gap between the two largest scores. "
    "The rows with a tie carry more than all did, until no row is left with one: among 64 rows "
    "beyond a scale of some 32, among these 512 beyond some 128.",
)

QK_NORM = Claim(
    id="qk-norm-takes-the-scale-out",
    source=FOLKLORE,
    says="With QK-norm the scale of W_q and W_k no longer matters.",
    setup="the same layer with each query and key divided by its root mean square; ||dL/dW_q|| at "
    "scale 16 over that at scale 1",
    prediction=1 / 16,
    measure=lambda seed: grown(16.0, seed, qk_norm=True) / 16,
    tolerance=Tolerance.relative(0.02),
    rival=1.0,
    rival_says="the gradient does not see the scale either",
    ruling=holds_only_if(
        "the output is meant: the gradient is {percent} of that at scale 1, so the step size "
        "should follow the scale",
        below=0.5,
    ),
    correction="The output is the same at every scale, so the gradient falls like 1/scale, as "
    "behind batch norm. Weights that grow learn ever more slowly, but no score can run away.",
)

CLAIMS: tuple[Claim | Fact, ...] = (
    *(DOUBLY, SKIPS, QUERIES),
    *(PRE_LAST, POST_LARGE, NO_WARM_UP, BOUNDED, VARIANCE, IDENTITY, SCALING),
    *(UNSCALED, SATURATED, QK_NORM),
    *(NEAR_IDENTITY, RESTORED, TWENTY_ROUNDS),
    *(BEST_RATE_STAYS, TRANSFERS, TRANSFERS_FAR, COORDINATES),
    *(RANGE_IS_ALL, CANCELS, MASTER, ONE_SCALE, HALF, E4M3, E5M2),
)
