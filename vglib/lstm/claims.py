"""Claims of chapter 08 on trial."""

from math import exp, inf, log, log10
from typing import Any

from numpy.linalg import matrix_power

from vglib.claim import Claim, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.lstm.adding import GUESS, adding
from vglib.lstm.characters import characters
from vglib.lstm.diagonal import diagonal, state_size
from vglib.lstm.paths import carry_over, lstm_path, three_cells
from vglib.lstm.plain import jordan_norm, recurrence, recurrent_matrix, weight_gradient
from vglib.lstm.prediction import kept_by_gates, lstm_factors, two_paths
from vglib.lstm.stream import truncation
from vglib.scaled import norm

CHAPTER = 8

ZHIHU = "a widely read Zhihu article"
NOTES = "many course notes"
LSTM_PLACE = "section 3.6, paragraph 1"
LN10 = log(10)


def _theory(forget_bias: float, inputs: float = 1.0) -> float:
    return float(two_paths(*lstm_factors(forget_bias, 1.0, 101, inputs)[:, 1:])[0]) / LN10


def _measured(seed: int, **options: Any) -> float:
    return float(lstm_path(seed=seed, **options).log_c[0]) / LN10


def _gain(seed: int) -> float:
    ends = three_cells(0.0, weight_scale=3.0, seed=seed).measured
    return float(ends["LSTM"][0] - ends["tanh RNN"][0]) / LN10


def _bias_gain(seed: int) -> float:
    # A net that never gets there counts as if it did at the very end.
    at = [min(adding(f"LSTM, b = {b}", 50, seed, 1500).learned_at, 1500) for b in (0, 1)]
    return at[0] / at[1]


SETUP = (
    "LSTM of 64 units, weights U(±1/√64) as torch draws them, 64 inputs N(0, 1), biases 0 but "
    "for the forget gate's; root-mean-square stretch of ∂c_T/∂c_0 over T = 100 steps"
)

SMALL_RHO = Claim(
    id="eigenvalues-below-one-vanish",
    source=NOTES,
    says="If all eigenvalues of the recurrent matrix are below 1, the gradient shrinks with every "
    "step back in time.",
    setup="linear net, W a Jordan block of 10 units with 0.9 on the diagonal and 0.5 above it; "
    "Frobenius norm of W^89",
    prediction=lambda: jordan_norm(89),
    measure=lambda seed: norm(matrix_power(recurrent_matrix("Jordan block", 0.9, 0), 89)),
    tolerance=Tolerance.relative(1e-9),
    rival=0.9**89,
    rival_says="ρ^89",
    ruling=holds_only_if(
        "T is long enough: after 89 steps the gradient has grown by {x:.2g}", above=1
    ),
    correction="Eigenvalues below 1 decide what happens in the end. A matrix whose eigenvectors "
    "are nearly parallel can grow for a long time first; below 1 in its largest *singular* value "
    "it cannot.",
    exact=True,
)

LARGE_RHO = at_most(
    id="eigenvalues-above-one-explode",
    source=NOTES,
    says="If the largest eigenvalue of the recurrent matrix is above 1, the gradient explodes.",
    setup="tanh net of 100 units, Gaussian W with ρ = 1.2, random input of size 0.5 at each step, "
    "T = 100; factor a step of the root-mean-square stretch of ∂h_T/∂h_0",
    prediction=0.97,
    measure=lambda seed: recurrence(1.2, 100, "Gaussian", "tanh", 0.5, seed).rate,
    rival=1.2,
    rival_says="ρ, which is the factor of a linear net",
    ruling=holds_only_if(
        "the slopes stay near 1, as in a linear net; with tanh and ρ = 1.2 a step multiplies by "
        "{x:.2f}",
        below=1,
    ),
    correction="For tanh ρ > 1 is necessary for an explosion at rest and not sufficient: the "
    "slopes of units that are at work are below 1 (Pascanu, Mikolov and Bengio 2013).",
)

WEIGHT_GRADIENT = Claim(
    id="vanishing-in-time-stops-the-weights",
    source=NOTES,
    says="In a recurrent net the gradient vanishes over the time steps, so the weights receive "
    "almost no gradient and stop learning.",
    setup="tanh net of 64 units, torch's weights, inputs N(0, 1), loss u·h_T; ||dL/dW_h|| for "
    "T = 100 over that for T = 10",
    prediction=1.0,
    measure=lambda seed: weight_gradient(100, seed).total / weight_gradient(10, seed).total,
    tolerance=Tolerance.factor(1.6),
    rival=1e-20,
    rival_says="as small as what arrives at step 1",
    ruling=refuted(
        "ten times as many steps change the weight gradient by a factor of {x:.2f}", above=0.01
    ),
    correction="The weights are shared, so their gradient is a sum over the steps, and the recent "
    "ones keep it alive. What vanishes is the share of the distant past: the net learns, but not "
    "from there.",
)

GATES = Claim(
    id="an-lstm-is-less-prone-to-vanishing",
    source=ZHIHU,
    place=LSTM_PLACE,
    says="The LSTM is not so prone to vanishing gradients.",
    setup="LSTM (b = 0) and tanh net of 64 units, weights of 3 times torch's size, 64 inputs "
    "N(0, 1), over T = 100 steps; root-mean-square stretch of ∂c_T/∂c_0 over that of ∂h_T/∂h_0, as "
    "a power of ten",
    prediction=-8.0,
    measure=_gain,
    tolerance=Tolerance.absolute(4),
    rival=11.6,
    rival_says="what theory says at torch's own weights",
    ruling=holds_only_if(
        "the forget gate is open, or the weights are as small as torch's: with 3 times those and "
        "b = 0 it keeps 10^{x:.0f} of what a tanh net keeps",
        below=-2,
    ),
    correction="A step multiplies by about f + κ instead of ρ. With f = 1/2 that is more at the "
    "weights of torch (10^-22 is left, where a tanh net has 10^-34) and less where ρ is near 1.",
)

MEMORY_WITHOUT_GATES = at_least(
    id="memory-without-gates",
    source=ZHIHU,
    place=LSTM_PLACE,
    says="The main reason why the LSTM is not so prone to vanishing gradients are the complicated "
    "'gates' inside it.",
    setup=f"{SETUP}, as a power of ten; i, f and o held at 1, so that c_t = c_(t-1) + g_t is left",
    prediction=0.0,
    measure=lambda seed: _measured(seed, wiring="memory, no gates"),
    rival=-22.0,
    rival_says="without gates no better than with them",
    ruling=refuted(
        "without any gate, by the addition alone, the gradient is 10^{x:.1f}",
        above=-2,
        otherwise="holds: without gates 10^{x:.0f} is left",
    ),
    correction="The cell state is carried on by addition, c_t = f c_(t-1) + i g: a path along "
    "which the factor is f and nothing else. A forget gate can only close it, i and o without it "
    "leave 10^-90. Gates are there to protect what is stored.",
)

PRODUCT_OF_GATES = Claim(
    id="cell-gradient-is-the-product-of-forget-gates",
    source=NOTES,
    says="The gradient of the cell state is the product of the forget gates, so with a forget "
    "bias b it falls like s(b)^T.",
    setup=f"{SETUP}, as a power of ten; forget bias 1",
    prediction=lambda: _theory(1.0),
    measure=lambda seed: _measured(seed, forget_bias=1.0),
    tolerance=Tolerance.absolute(1.2),
    rival=100 * log10(1 / (1 + exp(-1.0))),
    rival_says="s(1)^100",
    ruling=holds_only_if(
        "the gates are held still; in full the gradient is 10^{x:.1f}, and s(1)^100 is 10^-13.6",
        above=-12,
    ),
    correction="The product of the gates is the direct path. A second one runs c → h → gates → c "
    "at every step; together a step multiplies by about f + κ, not f.",
)

CAROUSEL = at_least(
    id="the-constant-error-carousel",
    source="popular summaries of Hochreiter and Schmidhuber 1997",
    says="With a fixed self-connection of 1 the error flow through the cell is constant.",
    setup=f"{SETUP}; f fixed at 1",
    prediction=4.0,
    measure=lambda seed: 10 ** _measured(seed, wiring="f = 1 (1997)"),
    rival=1.0,
    rival_says="constant: every step multiplies by exactly 1",
    ruling=holds_only_if(
        "the path through h is cut, as the training rule of 1997 did; in full the "
        "gradient grows by {x:.0f}",
        above=2,
    ),
    correction="The direct path is exactly 1 at any T. The full gradient has the path through h "
    "as well, and grows.",
)

EXPLODES = Claim(
    id="an-lstm-cannot-explode",
    source="many blog posts",
    says="LSTMs solve the problem of vanishing and exploding gradients.",
    setup=f"{SETUP}, as a power of ten; forget bias 5, inputs 0 (a padded sequence)",
    prediction=lambda: _theory(5.0, 0.0),
    measure=lambda seed: _measured(seed, forget_bias=5.0, inputs=0.0),
    tolerance=Tolerance.absolute(1.0),
    rival=0.0,
    rival_says="never more than 1",
    ruling=refuted("through an open forget gate the gradient grows to 10^{x:.1f}", above=2),
    correction="f + κ > 1 explodes. An LSTM is open to both failures, which is why it is trained "
    "with clipping (chapter 09).",
)

REMEMBERS = Claim(
    id="lstm-remembers-earlier-training",
    source=ZHIHU,
    place=LSTM_PLACE,
    says="Through its gates an LSTM can, at the next update, 'remember' the 'residual memory' of "
    "the last few trainings.",
    setup="LSTM of 64 units, b = 2, sequences of 10 steps, the state carried on from each to the "
    "next; of the change that another sequence makes to h, the share left after three more",
    prediction=lambda: exp(two_paths(*lstm_factors(2.0, 1.0, 40)[:, 10:])[0]),
    measure=lambda seed: carry_over(3, seed=seed),
    tolerance=Tolerance.factor(1.7),
    rival=0.0,
    rival_says="nothing: each sequence starts with the state 0",
    ruling=holds_only_if(
        "the state is carried on into the next update; then {percent} is left of what was read "
        "three sequences before",
        above=0.01,
        otherwise="refuted: of what was read three sequences before {percent} is left",
    ),
    correction="The state holds what was read, by a factor f + κ less at each step, and nothing "
    "where it is set back to 0. What remembers the training itself are the weights, in any net.",
)

TRUNCATION = at_most(
    id="truncated-backprop-reaches-past-its-window",
    source=NOTES,
    says="The state is carried from one window to the next, so an LSTM trained by truncated "
    "backpropagation can learn dependencies longer than the window.",
    setup="LSTM of 64 units, b = 1, torch's weights, those of the input times 16, stream of coin "
    "flips, target x_(t-5), window 5, state carried on, Adam, batch 16, 6000 steps of the stream; "
    "squared error, where 1 is guessing",
    prediction=0.1,
    measure=lambda seed, lr: (
        truncation(5, 5, "LSTM", seed, input_weights=16, units=64, lr=lr, steps=6000).loss
    ),
    rival=0.9,
    rival_says="what torch's own input weights leave",
    ruling=holds_only_if(
        "the state holds unasked what is to be remembered: with input weights 16 times torch's "
        "the error is {x:.2g}, with torch's own 0.9 or more",
        below=0.3,
        otherwise="refuted: the error is {x:.2f}",
    ),
    correction="The state is carried on, the gradient is not: none ever says that it would pay to "
    "write an input into the state. What is written there unasked can be carried and read.",
    over={"lr": (0.0003, 0.003, 0.03)},
    best="smallest",
    slow=True,
)

CLIPPING = at_least(
    id="an-lstm-needs-no-clipping",
    source="many blog posts",
    says="Thanks to its gates the LSTM trains stably, without tricks such as gradient clipping.",
    setup="character model on 3,350 letters of this course, LSTM of 32 units, b = 1, SGD with step "
    "10, window 25, batch 16, 2000 characters each; bits a character (of the text learned from) "
    "without clipping minus those with clipping at 0.25",
    prediction=0.15,
    measure=lambda seed: (
        characters(25, inf, 10.0, seed).final - characters(25, 0.25, 10.0, seed).final
    ),
    rival=0.0,
    rival_says="no difference",
    ruling=holds_only_if(
        "the steps are small; at a large one clipping is worth {x:.1f} bits a character", above=0.1
    ),
    correction="A few gradients are many times longer than the typical one; clipping lets the "
    "step size fit the typical one. Each at its best step, 5 without and 10 with it, the "
    "difference is 0.2 bits.",
)


STABLE = Claim(
    id="a-stable-recurrence-cannot-blow-up",
    source="blog posts on linear recurrent units",
    says="A linear recurrence is unrolled exactly and can be parametrised with |λ| < 1; so "
    "vanishing or exploding is no issue.",
    setup="64 units h_t = λ h_(t-1) + b_t, |λ| = 0.999, random angles, inputs N(0, 1), h_0 = 0; "
    "root mean square of h_t at t = 2000",
    prediction=lambda: float(state_size(0.999, 2000)),
    measure=lambda seed: float(diagonal(0.001, 2000, seed=seed).state[-1]),
    tolerance=Tolerance.factor(1.3),
    rival=1.0,
    rival_says="a stable state is as large as its input",
    ruling=holds_only_if(
        "the input is scaled too: the gradient cannot explode, the state grows to {x:.0f} times "
        "its input",
        above=3,
    ),
    correction="Long memory adds up much input: the state is 1/√(1 - |λ|²) times as large. Hence "
    "the LRU's γ, which starts at √(1 - |λ|²) and is learned (Orvieto and others 2023, arXiv "
    "2303.06349, section 3.4).",
)

NO_TIME = Claim(
    id="a-mingru-needs-no-backpropagation-through-time",
    source="Feng and others 2024",
    place="arXiv 2410.01201, versions 1 and 2, abstract",
    says="LSTMs and GRUs whose gates do not read the hidden state no longer need to "
    "backpropagate through time; they can be trained in parallel, efficiently.",
    setup="minGRU of 64 units, torch's weights, biases 0, 64 inputs N(0, 1); root mean square of "
    "∂h_T/∂h_0 over T = 100 steps, as a power of ten",
    prediction=lambda: 100 * kept_by_gates(0.0) / LN10,
    measure=lambda seed: float(diagonal(0.5, 100, seed=seed).log_gated[0]) / LN10,
    tolerance=Tolerance.absolute(3),
    rival=0.0,
    rival_says="without a way through time nothing vanishes on it",
    ruling=holds_only_if(
        "the order of computing is meant; the gradient is a product over the steps as before, "
        "here 10^{x:.0f}",
        below=-10,
    ),
    correction="All steps can be computed at once. What arrives is the product of the gates, and "
    "nothing else: with biases of 0 it vanishes faster than an LSTM's.",
)


def _long_lag(
    name: str, net: str, says: str, limit: float, learns: bool, correction: str, source: str = NOTES
) -> Claim:
    return Claim(
        id=name,
        source=source,
        says=says,
        setup=f"adding task, T = 50, {net} of 16 units, Adam, batch 20, clip 1, 1500 updates; mean "
        "squared error of the last 20",
        prediction=limit,
        measure=lambda seed, lr=None: float(adding(net, 50, seed, 1500, lr).smooth[-1]),
        tolerance=Tolerance.at_most() if learns else Tolerance.at_least(),
        rival=GUESS if learns else 0.01,
        rival_says="answering 1 each time" if learns else "learned",
        ruling=holds(
            "the error is {x:.3g}, where answering 1 leaves 0.167",
            above=-inf if learns else limit,
            below=limit if learns else inf,
            otherwise="refuted: the error is {x:.3g}",
        ),
        correction=correction,
        # What learns at one step size can learn; what fails is tried at three.
        over={} if learns else {"lr": (0.002, 0.02, 0.2)},
        best="smallest",
        slow=True,
    )


LONG_LAG_TANH = _long_lag(
    "a-tanh-net-fails-at-long-lags",
    "tanh RNN",
    "A plain tanh net cannot learn to connect events many steps apart.",
    0.1,
    False,
    "At torch's weights and T = 50 it learns no more than the mean in 1500 updates.",
)
LONG_LAG_LSTM = _long_lag(
    "an-lstm-bridges-long-lags",
    "LSTM, b = 1",
    "The LSTM learns to bridge long time lags where plain recurrent nets fail.",
    0.02,
    True,
    "It does, with a forget gate that is open enough at the start.",
    "Hochreiter and Schmidhuber 1997",
)
LONG_LAG_IRNN = _long_lag(
    "relu-with-the-identity-bridges-long-lags",
    "IRNN",
    "A plain net of ReLUs whose W_h starts as the identity learns long lags about as well as an "
    "LSTM.",
    0.08,
    True,
    "A factor of 1 a step is what counts; gates are one way to it.",
    "Le, Jaitly and Hinton 2015",
)
FORGET_BIAS = Claim(
    id="a-forget-bias-of-one-helps",
    source="Jozefowicz, Zaremba and Sutskever 2015",
    says="Adding a bias of 1 to the forget gate improves the LSTM.",
    setup="adding task, T = 50, LSTM of 16 units, Adam 0.02, batch 20, clip 1, 1500 updates; "
    "updates to an error of 0.05 with b = 0 over those with b = 1",
    prediction=1.0,
    measure=_bias_gain,
    tolerance=Tolerance.factor(1.5),
    rival=2.0,
    rival_says="twice as fast, for a gradient that starts millions of times larger",
    ruling=holds_only_if(
        "the task asks for more than this one: here it makes no difference to speak of, with b = 0 "
        "it takes {x:.2f} times as many updates",
        below=1.6,
        otherwise="holds: with b = 0 it takes {x:.1f} times as many updates",
    ),
    correction="The gradient's start need not decide: learning itself opens the gates, and Adam "
    "makes steps of one size out of gradients of any size. Single runs go either way.",
    seeds=9,
    slow=True,
)

RHO_POWER = Claim(
    id="a-linear-nets-gradient-goes-like-rho-to-the-t",
    source=NOTES,
    says="In a linear recurrent net the gradient over T steps goes like ρ^T, where ρ is the "
    "largest modulus of an eigenvalue of W_h.",
    setup="h_t = W_h h_(t-1), 100 units, Gaussian W_h with ρ = 0.9, T = 100; log10 of the "
    "root-mean-square stretch of dh_T/dh_0",
    prediction=100 * log10(0.9),
    measure=lambda seed: float(recurrence(0.9, seed=seed).log_typical[0]) / LN10,
    tolerance=Tolerance.absolute(0.7),
    rival=100 * log10(1.8),
    rival_says="the norm of W_h, twice ρ for a Gaussian matrix, in ρ's place",
    ruling=holds("10^{x:.1f}, and ρ^100 is 10^-4.6", below=-3, otherwise="refuted: 10^{x:.1f}"),
    correction="In the end it does, up to a factor that a transient leaves. The norm bounds each "
    "step, and says nothing of a hundred.",
)

CLAIMS = (
    *(RHO_POWER, SMALL_RHO, LARGE_RHO, WEIGHT_GRADIENT, GATES, MEMORY_WITHOUT_GATES),
    *(PRODUCT_OF_GATES, CAROUSEL, EXPLODES, REMEMBERS, TRUNCATION, CLIPPING, STABLE, NO_TIME),
    *(LONG_LAG_TANH, LONG_LAG_LSTM, LONG_LAG_IRNN, FORGET_BIAS),
)
