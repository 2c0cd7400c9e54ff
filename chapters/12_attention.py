# %% [markdown] slideshow={"slide_type": "slide"}
# # 12 · Attention, and nets of today
#
# **Attention takes means. What do means leave of the gradient, forty blocks deep?**
#
# **You will do** watch tokens become one, write out attention and its way back, move a norm, saturate a softmax, train with 8 bits.
#
# **You will learn** where a transformer's gradients vanish and explode, and what the place of a norm, the scale of a skip, QK-norm, muP and a number
# format do about it.
#
# **You need** the chain rule and the Jacobian (chapter 02), batch norm (06), residual blocks (07), Adam's step (10).
#
# **Time** 120 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *One head of attention* 2, *Predict: twenty-four layers of it* 1, `collapse_lab` 6, *A mean of everything* 2,
# *The way back, 2: scores and matrices* 3, *Equal tokens* 2, *Three places for a norm* 1, *Predict: three blocks, then forty-eight* 1,
# `placing_lab` 4, *Large scores* 1, `saturation_lab` 4, *Mixing the streams: a product once more* 1, *Predict: sixty mixers near the
# identity* 1, `mixing_lab` 3, *One rate for every width* 1, `mup_lab` 3, *Predict: what is left of a small update?* 1, `update_lab` 3,
# *What underflows, and what scaling the loss mends* 1, `scaling_lab` 2, *Summary* 2.
#
# **90 minutes**: *One head of attention* 3, *Predict: twenty-four layers of it* 2, `collapse_lab` 8, *A mean of everything* 4,
# *The way back, 1: the softmax* 3, *The way back, 2: scores and matrices* 5, *Equal tokens* 3, *The norm, and its way back* 3,
# *Three places for a norm* 2, *Predict: three blocks, then forty-eight* 1, `placing_lab` 6, *Why the place matters* 3,
# *The curse of depth* 3, *Large scores* 1, `saturation_lab` 5, *A row with two candidates* 1, *QK-norm* 1,
# *Mixing the streams: a product once more* 2, *Predict: sixty mixers near the identity* 1, `mixing_lab` 5, *One rate for every width* 1,
# `mup_lab` 5, *Why: a step's size, and what a unit adds up* 3, *Few digits* 3, *Predict: what is left of a small update?* 1,
# `update_lab` 4, `low_training_lab` 3, *What underflows, and what scaling the loss mends* 2, `scaling_lab` 4, *Summary* 2.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import math
from math import cosh, sqrt

import numpy as np
import torch
from torch import nn

from vglib.attention import check, claims, experiments, labs, mup, precision

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One head of attention
#
# A transformer works on **tokens**: $T$ vectors of $n$ numbers, the rows of $X$. Each makes a **query** (what do I look for?), a **key**
# (what have I got?) and a **value** (what do I say?):
#
# $$Q = X W_q^\top, \qquad K = X W_k^\top, \qquad V = X W_v^\top$$
#
# Queries meet keys in **scores**; the softmax makes each row of them into weights that add up to 1; each token gets a weighted mean of all values:
#
# $$S = \frac{Q K^\top}{\sqrt n}, \qquad A = \mathrm{softmax}(S), \qquad Y = A V W_o^\top$$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: twenty-four layers of it
#
# Thirty-two random tokens, of mean cosine 0. Twenty-four layers $X \leftarrow Y$, weights $N(0, 1/n)$, nothing else.
#
# What is the mean cosine at the end? How long is $\partial L/\partial W_q$ of the last layer, if a random gradient comes in there?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "1; exactly 0"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How alike do the tokens become, and what is left of $\partial L/\partial W_q$?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.collapse_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The heart of the chapter. Begin with **3 layers**, orange alone: "two layers, and the tokens are one". Drag the depth to 24 and read off the five
# curves from above. Ask of each: *what does it add to the one before?* Only the last is flat in both panels. **twice the weights**: the scores saturate
# (below). The usual slip: "the skip prevents it". Look at pink.

# %% [markdown] slideshow={"slide_type": "skip"}
# This is **rank collapse**: the matrix of the tokens comes to have rank 1, one direction for all. Five nets, the same weights:
#
# | net | layer | what happens |
# |---|---|---|
# | attention alone | $F(x)$ | the tokens are one after two layers; no query or key hears of the loss |
# | skip | $x + F(x)$ | alike after a dozen; the stream's square grows up to twice per layer: the scores explode, and the gradients with them |
# | post-LN | $N(x + F(x))$ | as alike; the gradient vanishes towards the *output* |
# | pre-LN | $x + F(N(x))$ | slower: each branch adds to a stream that has grown |
# | skip, branch over $\sqrt L$ | $x + F(x)/\sqrt L$ | hardly at all, at any depth |
#
# $N$ is layer norm (chapter 06, and below). So this vanishing comes from the *forward* pass: what tells tokens apart has gone. With a plain skip a
# second thing takes the gradient of the last layers, a saturated softmax (*Large scores*).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A mean of everything
#
# The plainest attention has $W_q = 0$: all scores are 0, all weights $1/T$. With a skip, and $W = W_o W_v$ of entries $N(0, 1/n)$,
#
# $$x_i' = x_i + b\, W \bar x \qquad \text{with the mean } \bar x \text{ of all tokens}$$
#
# - What sets tokens apart, $x_i - \bar x$, stays.
# - What they share grows: $\lVert\bar x\rVert^2$ by $g = 1 + b^2$ per layer (chapter 07).
#
# $$\boxed{\ \text{mean cosine after } L \text{ layers} \approx \frac{g^L - 1}{g^L + T - 1}\ }$$
#
# $b = 1$: it is near 1 once $2^L \gg T$. $b = 1/\sqrt L$: $g^L$ stays below $e$. With no skip, one layer does it.

# %% slideshow={"slide_type": "skip"}
def uniform_cosine(layers: int, b: float, tokens: int) -> float:
    g = 1 + b**2
    return (g**layers - 1) / (g**layers + tokens - 1)


def mean_cosine(X: torch.Tensor) -> float:
    unit = X / X.norm(dim=1, keepdim=True)
    total = (unit @ unit.T).sum() - len(X)
    return float(total / (len(X) * (len(X) - 1)))


# %% slideshow={"slide_type": "skip"}
generator = torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


for layers, b in ((6, 1.0), (12, 0.5), (24, 1 / sqrt(24))):
    X = normal(32, 400)
    for _ in range(layers):
        X = X + b * X.mean(0) @ normal(400, 400) / 20
    print(f"{layers} layers, b = {b:.2f}: {mean_cosine(X):.3f}, theory {uniform_cosine(layers, b, 32):.3f}")
    assert abs(mean_cosine(X) - uniform_cosine(layers, b, 32)) < 0.12

# %% [markdown] slideshow={"slide_type": "skip"}
# (At the start $T$ independent tokens of square $n$ have a mean of square $n/T$. Random scores of size 1, as in the lab, slow the collapse a little.)
#
# ### Exercise 1: how small a branch
#
# Return the $b$ with which `layers` layers of uniform attention bring `tokens` tokens to the mean cosine `cosine`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def branch_scale(layers: int, tokens: int, cosine: float) -> float:
    # BEGIN SOLUTION
    g_to_the_layers = (1 + (tokens - 1) * cosine) / (1 - cosine)
    return (g_to_the_layers ** (1 / layers) - 1) ** 0.5
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.branch_scale(branch_scale)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SKIPS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The way back, 1: the softmax
#
# One row: scores $s$, weights $a_j = e^{s_j} / \sum_k e^{s_k}$. Raise one score: its weight rises, all others fall:
#
# $$\frac{\partial a_j}{\partial s_k} = a_j\,([j = k] - a_k), \qquad\text{the Jacobian}\quad \mathrm{diag}(a) - a\,a^\top$$
#
# Its rows add up to 0: what is added to all scores changes nothing.

# %% slideshow={"slide_type": "skip"}
def softmax_jacobian(a: torch.Tensor) -> torch.Tensor:
    return torch.diag(a) - torch.outer(a, a)


s = normal(5)
by_autograd = torch.autograd.functional.jacobian(lambda s: s.softmax(0), s)
assert torch.allclose(by_autograd, softmax_jacobian(s.softmax(0)), rtol=1e-12)
assert softmax_jacobian(s.softmax(0)).sum(1).abs().max() < 1e-15

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: through the softmax
#
# Write $\partial L/\partial s$ of one row from `weights` $= a$ and `by_weights` $= \partial L/\partial a$, both NumPy arrays, without the whole
# Jacobian.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def softmax_back(weights: np.ndarray, by_weights: np.ndarray) -> np.ndarray:
    # BEGIN SOLUTION
    return weights * (by_weights - weights @ by_weights)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.softmax_back(softmax_back)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The way back, 2: scores and matrices
#
# From $G = \partial L/\partial Y$, each product transposed as in chapter 02; $\partial M$ is short for $\partial L/\partial M$:
#
# $$\partial C = G\, W_o, \qquad \partial V = A^\top \partial C, \qquad \partial A = \partial C\, V^\top \qquad (C = A V)$$
#
# $$\partial S_{ij} = A_{ij}\Big(\partial A_{ij} - \sum_k A_{ik}\,\partial A_{ik}\Big)$$
#
# $$\boxed{\ \partial Q = \frac{\partial S\, K}{\sqrt n}, \quad \partial K = \frac{\partial S^\top Q}{\sqrt n}, \quad \partial W_q = \partial Q^\top X\ } \qquad \text{and so on}$$
#
# and $\partial X = \partial Q\, W_q + \partial K\, W_k + \partial V\, W_v$: three ways lead back.

# %% [markdown] slideshow={"slide_type": "notes"}
# Have the class check shapes: $A$ is $T \times T$; $Q$, $K$, $V$ and $X$ have $T$ rows. Ask: which of the three ways needs tokens that differ? The next
# slide tells.

# %% slideshow={"slide_type": "skip"}
def attention(X, W_q, W_k, W_v, W_o):
    S = X @ W_q.T @ (X @ W_k.T).T / sqrt(X.shape[1])
    return S.softmax(1) @ X @ W_v.T @ W_o.T


def attention_back(X, W_q, W_k, W_v, W_o, G):
    Q, K, V = X @ W_q.T, X @ W_k.T, X @ W_v.T
    A = (Q @ K.T / sqrt(X.shape[1])).softmax(1)
    dC = G @ W_o
    dA, dV = dC @ V.T, A.T @ dC
    dS = A * (dA - (A * dA).sum(1, keepdim=True))
    dQ, dK = dS @ K / sqrt(X.shape[1]), dS.T @ Q / sqrt(X.shape[1])
    dX = dQ @ W_q + dK @ W_k + dV @ W_v
    return dX, dQ.T @ X, dK.T @ X, dV.T @ X, G.T @ (A @ V)


# %% slideshow={"slide_type": "skip"}
X, G = normal(7, 6), normal(7, 6)
leaves = [t.requires_grad_() for t in (X, *(normal(6, 6) for _ in "qkvo"))]
expected = torch.autograd.grad(attention(*leaves), leaves, G)
with torch.no_grad():
    found = attention_back(*leaves, G)
assert all(torch.allclose(f, e, rtol=1e-10) for f, e in zip(found, expected))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Equal tokens
#
# Let the tokens differ by little: $x_i = \bar x + r_i$, with $r$ small. Two things vanish on the way to $W_q$:
#
# 1. $\partial A_{ij} = \partial C_i \cdot v_j$ is nearly the same for all $j$, and what they share the softmax's Jacobian takes out.
# 2. Each row of $\partial S$ adds up to 0, so of the keys, too, only the differences count:
#
# $$\partial Q = \frac{\partial S\, K}{\sqrt n} = \frac{\partial S\,(K - \bar k)}{\sqrt n}$$
#
# Each is of the order $r$: $\ \boxed{\ \lVert\partial W_q\rVert \propto r^2\ }$, while $\partial W_v$ does not fall.

# %% slideshow={"slide_type": "skip"}
with torch.no_grad():
    X, W_q, W_k, W_v, W_o = leaves
    Q, K, V = X @ W_q.T, X @ W_k.T, X @ W_v.T
    A = (Q @ K.T / sqrt(6)).softmax(1)
    dA = G @ W_o @ V.T
    dS = A * (dA - (A * dA).sum(1, keepdim=True))
assert dS.sum(1).abs().max() < 1e-13
assert torch.allclose(dS @ K, dS @ (K - K.mean(0)), rtol=1e-9)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
for name, power in experiments.powers().items():
    print(f"{name:5} grows as r^{abs(power):.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# And `apart`, what sets the *outputs* apart, goes as $r^3$. The score of $i$ and $j$ has four terms: those with $r_i$ alone drop out of the softmax,
# those with $r_j$ alone are the same for every row. So two rows of $A$ differ by $r_i \cdot r_j$, two factors, and the values that they weigh by a
# third. Cubes of cubes: **doubly exponential**. 0.03 becomes $10^{-7}$, and then less than float64 can tell.

# %% slideshow={"slide_type": "skip"}
for seed in range(3):
    seen = experiments.collapse(5, seed=seed).log_apart["attention alone"]
    print("‖X − mean‖ / ‖X‖ by layer:", *(f"{np.exp(one):.1g}" for one in seen))
    assert np.exp(seen[4]) < 1e-14

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.DOUBLY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.QUERIES.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Several heads, and an MLP
#
# $H$ **heads** share the width: each has $n/H$ of the columns of $Q$, $K$ and $V$, its own scores, divided by $\sqrt{n/H}$, and its own means, put side
# by side again before $W_o$. A block also has an **MLP** (multi-layer perceptron), $\mathrm{ReLU}(x W_1^\top) W_2^\top$, for each token by itself, four
# times as wide inside. On the way back chapter 02 has all of it.

# %% slideshow={"slide_type": "skip"}
def many_heads(X, W_q, W_k, W_v, W_o, heads):
    split = lambda M: (X @ M.T).unflatten(1, (heads, -1)).transpose(0, 1)
    Q, K, V = split(W_q), split(W_k), split(W_v)
    A = (Q @ K.transpose(1, 2) / sqrt(Q.shape[2])).softmax(2)
    return (A @ V).transpose(0, 1).flatten(1) @ W_o.T


module = nn.MultiheadAttention(6, 3, bias=False, dtype=torch.float64)
with torch.no_grad():
    module.in_proj_weight.copy_(torch.cat([W_q, W_k, W_v]))
    module.out_proj.weight.copy_(W_o)
    assert torch.allclose(many_heads(*leaves, 3), module(X, X, X)[0], rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The norm, and its way back
#
# **Layer norm** treats each token by itself: subtract its mean $\mu$, divide by its standard deviation $\sigma$,
#
# $$N(x) = \hat x = \frac{x - \mu}{\sigma}$$
#
# Batch norm (chapter 06) does that to each unit over the batch. So the way back is the same, with means over the units:
#
# $$\boxed{\ \partial x = \frac{1}{\sigma}\Big(g - \overline{g} - \hat x\; \overline{g\,\hat x}\Big)\ }$$
#
# It takes out two directions and **divides by $\sigma$**: a token twice as long hears half as much.

# %% slideshow={"slide_type": "skip"}
def norm(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean()) / x.std(unbiased=False)


def norm_back(x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    return (g - g.mean() - norm(x) * (g * norm(x)).mean()) / x.std(unbiased=False)


x, g = normal(8).requires_grad_(), normal(8)
(expected,) = torch.autograd.grad(norm(x), x, g)
assert torch.allclose(expected, norm_back(x.detach(), g), rtol=1e-10)
assert torch.allclose(norm_back(2 * x.detach(), g), expected / 2, rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three places for a norm
#
# A branch $F$ (attention or MLP) with the Jacobian $J$, a norm $N$ with $N'$, and shares $a$ of the skip, $b$ of the branch:
#
# | place | forward | Jacobian |
# |---|---|---|
# | none | $a x + b F(x)$ | $a I + b J$ |
# | **post-LN**, 2017 | $N(a x + b F(x))$ | $N' (a I + b J)$ |
# | **pre-LN**, 2019 | $a x + b F(N(x))$ | $a I + b J N'$ |
#
# In post-LN a norm stands on every way, in pre-LN the skip is free: chapter 07's question, what stands behind the sum?

# %% slideshow={"slide_type": "skip"}
def joined(x, F, place, a=1.0, b=1.0):
    if place == "post":
        return norm(a * x + b * F(x))
    return a * x + b * F(norm(x) if place == "pre" else x)


# %% slideshow={"slide_type": "skip"}
jacobian, I = torch.autograd.functional.jacobian, torch.eye(8, dtype=torch.float64)
W, x = normal(8, 8), normal(8)
F, a, b = lambda x: W @ torch.tanh(x), 0.8, 0.5
J, N = jacobian(F, x), jacobian(norm, x)
through = {
    "none": a * I + b * J,
    "post": jacobian(norm, a * x + b * F(x)) @ (a * I + b * J),
    "pre": a * I + b * jacobian(F, norm(x)) @ N,
}
for place, expected in through.items():
    found = jacobian(lambda x: joined(x, F, place, a, b), x)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# The labs' transformer is written out in this way, in NumPy, forward and back. Is it torch's? One block, output and gradient by the input (the tests
# compare all gradients):

# %% slideshow={"slide_type": "skip"}
def as_torch(one, two, place):
    module = nn.TransformerEncoderLayer(
        *(8, 2, 32, 0.0), batch_first=True, bias=False, norm_first=place == "pre", dtype=torch.float64
    )
    values = [np.vstack([one.w_q, one.w_k, one.w_v]), one.w_o, two.w_1, two.w_2]
    for parameter, value in zip(module.parameters(), values):
        parameter.data = torch.tensor(value)
    return module


# %% slideshow={"slide_type": "skip"}
rng = np.random.default_rng(0)
x, g = rng.standard_normal((2, 3, 5, 8))
for place in ("pre", "post"):
    both = experiments.draw_attention(rng, 8, heads=2), experiments.draw_mlp(rng, 8, 32)
    ours = [experiments.Sublayer(one, experiments.LayerNorm.start(8), place) for one in both]
    passed = experiments.forward(ours, x)
    by_x = experiments.backward(ours, passed, g).deltas[0]
    leaf = torch.tensor(x, requires_grad=True)
    theirs = as_torch(*both, place)(leaf)
    theirs.backward(torch.tensor(g))
    assert np.abs(passed.streams[-1] - theirs.detach().numpy()).max() < 1e-10
    assert np.abs(by_x - leaf.grad.numpy()).max() < 1e-10

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: three blocks, then forty-eight
#
# Blocks of attention and MLP, one step of plain descent of 0.001. How far does it move the output? In one of three nets 48 blocks move no farther than
# 3. In which?
#
# - **A** post-LN
# - **B** pre-LN
# - **C** DeepNorm: post-LN with a strong skip, $a = (2L)^{1/4}$, and weights times $(8L)^{-1/4}$

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_net = ...  # "A", "B" or "C"
my_net = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_step(my_net)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where does a first step move forty-eight blocks no farther than three?** Drag the depth.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.placing_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **3 blocks**, **Hold**, **48 blocks**: on the right orange stays where it was; green and blue rise. In the middle read the last block: green is large,
# blue falls. Left: blue grows like the depth. Ask which a user would notice first (green: its first steps go too far, hence warm-up). The usual slip:
# taking pre-LN's small gradients for an advantage.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why the place matters
#
# - **post-LN**: skip and branch count alike in every sum. The last blocks hear all of the loss, at any depth; and every block behind changes again what
#   a step changes in one.
# - **pre-LN**: the stream's mean square grows by up to 1 per branch, like $L$. The last norm divides by its root: the last gradients fall like
#   $1/\sqrt L$.
# - **DeepNorm**: a branch enters with $\beta^2$, $\beta = (8L)^{-1/4}$ (in $W_v$ and $W_o$, or $W_1$ and $W_2$), against a skip of $a$:
#
# $$\frac{\beta^2}{a} = (8L)^{-1/2}\,(2L)^{-1/4}$$
#
# 1.6% at 48 blocks: every block starts next to the identity, and a step of all of them is bounded.

# %% slideshow={"slide_type": "skip"}
def deepnorm_share(depth: int) -> float:
    return (8 * depth) ** -0.5 * (2 * depth) ** -0.25


for depth in (6, 12, 48):
    # From the second block on: the first one also normalises the tokens.
    seen = [experiments.shares(experiments.DEEP, depth, seed)[1:].mean() for seed in range(5)]
    print(f"{depth:2} blocks: {deepnorm_share(depth):.4f}, measured {np.median(seen):.4f}")
    assert 0.8 < np.median(seen) / deepnorm_share(depth) < 1.5

# %% slideshow={"slide_type": "skip"}
print("change of the output in a first step of 0.001, median of five seeds")
for depth in (3, 12, 48):
    steps = {
        name: [experiments.first_step(name, depth, 1e-3, seed) for seed in range(5)]
        for name in experiments.PLACINGS
    }
    moved = {name: np.median(of) for name, of in steps.items()}
    print(f"{depth:2} blocks:", ", ".join(f"{name} {m:.2%}" for name, m in moved.items()))
assert moved[experiments.POST] > 20 * moved[experiments.DEEP]

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.PRE_LAST.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.POST_LARGE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BOUNDED.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# Does it matter in training? Twelve blocks of width 24 read the digits, row by row, with Adam, 300 steps at the best of three rates: pre-LN 94%,
# post-LN 63%, and 74% with a warm-up (chapter 10) of 150 (medians of five seeds). After 1000 steps post-LN has come to 83%, to 88% with a warm-up of
# 300 (one seed). The claim on pre-LN, `claims.NO_WARM_UP`, is a slow one (`make test-long`).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The curse of depth
#
# In today's language models nearly half of the layers are less effective than expected, say Sun and others (2025), and suspect pre-LN. If the stream's
# mean square is $1 + c\,l$ behind block $l$, that block's share of its length is
#
# $$\boxed{\ \sqrt{\frac{c}{1 + c\,l}} \approx \frac{1}{\sqrt l}\ }$$
#
# The deeper the block, the nearer to the identity. Their cure, **LayerNorm scaling**: divide the norm in block $l$ by $\sqrt l$. The stream then grows
# like $\ln l$. **Predict**: does that make the share of block 48 larger or smaller, at the start?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "smaller: the branch shrinks by 7, the stream only by 3 to 4"
# END SOLUTION


# %% slideshow={"slide_type": "skip"}
def share(block: int, c: float) -> float:
    return sqrt(c / (1 + c * block))


# %% slideshow={"slide_type": "skip"}
seeds = range(5)
squares = [experiments.mean_squares(experiments.PRE, 48, seed)[-1] for seed in seeds]
c = (np.median(squares) - 1) / 48
seen = {
    name: np.median([experiments.shares(name, 48, seed) for seed in seeds], axis=0)
    for name in (experiments.PRE, experiments.SCALED)
}
for block in (1, 4, 16, 48):
    pre, scaled = (shares[block - 1] for shares in seen.values())
    print(f"block {block:2}: theory {share(block, c):.2f}, measured {pre:.2f}, over √l {scaled:.2f}")
    assert 0.75 < pre / share(block, c) < 1.33
assert scaled < 0.6 * pre

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.VARIANCE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.IDENTITY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SCALING.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Large scores
#
# In training $W_q$ and $W_k$ may grow, and scores with both. The rows of $A$ become nearly one-hot (one weight 1, the others 0), their **entropy**
# $-\sum_j a_j \ln a_j$ falls from $\ln T$ to 0: **entropy collapse**, often the start of a divergence.
#
# $W_q$ and $W_k$ times 16: the largest score is about 1000. **Predict**: what is left of the gradient by the scores?
#
# - **A** next to nothing: the softmax has saturated
# - **B** nothing in most rows, in a few as much as ever, so that $\lVert\partial W_q\rVert\,\lVert W_q\rVert$ has grown
# - **C** about as much as before, in most rows

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_rows = ...  # "A", "B" or "C"
my_rows = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_rows(my_rows)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where does a saturated softmax keep a gradient?** Drag the scale of $W_q$ and $W_k$.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.saturation_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **scale 1**, **scale 4**: the entropy is gone, the middle panel has grown. **scale 16**: on the right most rows lie on the floor, and the last few
# stand up. **scale 64**: now the last ones fall too. Ask: *is "no gradient" right?* Of a typical row, from 8 on; of the sum, here, beyond 32. Green is
# QK-norm: level everywhere.

# %% [markdown] slideshow={"slide_type": "skip"}
# $\lVert\partial W_q\rVert\,\lVert W_q\rVert$ says how much the loss moves if all of $W_q$ changes by a given *share*: a fair comparison of scales. The
# dashed curve is $\ln T - s^4/2$, the entropy over very many Gaussian scores of standard deviation $s^2$. On the right the rows of layer 1, from the
# smallest gradient to the largest; what is below the panel lies on its floor.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A row with two candidates
#
# Two scores lead, $\Delta$ apart; the loss's slopes by their weights are $g_1$ and $g_2$. Then $a = (p, 1 - p)$ and
#
# $$\lVert\partial s\rVert = \sqrt2\; p\,(1-p)\; |g_1 - g_2| = \frac{\sqrt2\,|g_1 - g_2|}{4 \cosh^2(\Delta/2)}$$
#
# - one row: it vanishes like $e^{-\Delta}$, and $\Delta$ grows with the square of the scale $s$;
# - many rows: some, about one in $s^2$, have $\Delta < 1$ by chance. Through those the gradient goes on, and $Q$ and $K$ have grown.
#
# So the whole vanishes when no row has a tie any more: later, the more rows there are.

# %% slideshow={"slide_type": "skip"}
def row_gradient(gap: float, g_1: float, g_2: float) -> float:
    return sqrt(2) * abs(g_1 - g_2) / (4 * cosh(gap / 2) ** 2)


for gap in (0.0, 1.0, 5.0, 30.0):
    s = torch.tensor([gap, 0.0], dtype=torch.float64, requires_grad=True)
    (by_s,) = torch.autograd.grad(s.softmax(0) @ torch.tensor([1.5, -0.5]).double(), s)
    assert abs(by_s.norm() - row_gradient(gap, 1.5, -0.5)) < 1e-12

# %% slideshow={"slide_type": "skip"}
print("512 rows of 64: ‖∂W_q‖ ‖W_q‖ over that at scale 1, five seeds")
for scale in (4.0, 16.0, 64.0, 256.0, 1024.0):
    grown = [experiments.grown(scale, seed) for seed in range(5)]
    print(f"scale {scale:4.0f}:", *(f"{one:.2g}" for one in grown))
assert np.median(grown) < 1e-9

# %% [markdown] slideshow={"slide_type": "skip"}
# The transformer's first paper divides scores by $\sqrt{d_k}$, with $d_k$ numbers in a key: "We suspect that for large values of $d_k$, the dot
# products grow large in magnitude, pushing the softmax function into regions where it has extremely small gradients." Without the root, at $d_k = 512$:

# %% slideshow={"slide_type": "skip"}
whole, middle = np.median([experiments.unscaled(512, seed) for seed in range(3)], axis=0)
print(f"all rows together {whole:.2f} of what they had with it, the middle row {middle:.3f}")
assert 0.7 < whole < 1.3 and middle < 0.05

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.UNSCALED.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SATURATED.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## QK-norm
#
# Divide each query and key by its root mean square. Then no score is beyond $\sqrt{d_k}$. As behind batch norm (chapter 06), the output no longer sees
# the scale of $W_q$, so
#
# $$\frac{\partial L}{\partial W}\bigg|_{cW} = \frac1c\, \frac{\partial L}{\partial W}\bigg|_{W}, \qquad \sum_{ij} W_{ij}\, \frac{\partial L}{\partial W_{ij}} = 0$$
#
# The gradient falls as the weights grow, at a right angle to them. (Nets in use multiply the normed queries and keys by a learnt gain.)

# %% slideshow={"slide_type": "skip"}
def normed_attention(X, W_q, W_k, V):
    unit = lambda M: M / (M**2).mean(1, keepdim=True).sqrt()
    S = unit(X @ W_q.T) @ unit(X @ W_k.T).T / sqrt(len(W_q))
    return S.softmax(1) @ V


def by_queries(W_q):
    W = W_q.detach().clone().requires_grad_()
    return torch.autograd.grad(normed_attention(X, W, W_k, V), W, G)[0]


X, V, G, W_q, W_k = normal(7, 6), normal(7, 6), normal(7, 6), normal(6, 6), normal(6, 6)
assert torch.allclose(by_queries(16 * W_q), by_queries(W_q) / 16, rtol=1e-9)
assert abs((W_q * by_queries(W_q)).sum()) < 1e-12

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.QK_NORM.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: find the flaw
#
# 1. The softmax's Jacobian has the entries $a_j([j=k] - a_k)$.
# 2. In a row with one weight near 1 all of them are near 0.
# 3. With scores in the hundreds every row of $A$ is like that.
# 4. So $\partial S$ is 0 up to rounding.
# 5. So $W_q$ and $W_k$ learn nothing any more.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3, 4 or 5
flaw = 3
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Mixing the streams: a product once more
#
# A skip carries one stream. **Hyper-connections** carry four, and mix them before each block:
#
# $$X_l = M_l\, X_{l-1} + (\text{what block } l \text{ adds}), \qquad M_l \text{ is } 4 \times 4$$
#
# Without the blocks, signal and gradient go through one product:
#
# $$X_L = P_L\, X_0, \qquad \frac{\partial L}{\partial X_0} = P_L^\top\, \frac{\partial L}{\partial X_L}, \qquad P_L = M_L \cdots M_2\, M_1$$
#
# The largest sum of $|P_L|$ over a *row* says how much the signal can grow, over a *column* how much the gradient can.

# %% slideshow={"slide_type": "skip"}
def product(Ms: torch.Tensor) -> torch.Tensor:
    P = torch.eye(4, dtype=torch.float64)
    for M in Ms:
        P = M @ P
    return P

# %% slideshow={"slide_type": "skip"}
generator = torch.Generator().manual_seed(0)
Ms = torch.eye(4) + 0.3 * torch.randn(60, 4, 4, generator=generator, dtype=torch.float64)
X_0 = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
by_output = torch.randn(4, 3, generator=generator, dtype=torch.float64)
X = X_0
for M in Ms:
    X = M @ X
(by_autograd,) = torch.autograd.grad(X, X_0, by_output)
assert torch.allclose(by_autograd, product(Ms).T @ by_output, rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Predict: sixty mixers near the identity
#
# Sixty matrices $M = I + 0.3\, N$ with $N_{ij} \sim N(0, 1)$. How large is the largest row or column sum of their product, typically?
#
# - **A** about 1: what is drawn has mean 0
# - **B** about 1.4
# - **C** thousands

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_gain = ...  # "A", "B" or "C"
my_gain = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_mixers(my_gain)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How much do sixty mixing matrices stretch, and what calms them?** Turn the dial.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.mixing_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Let the class turn the dial: **60 free matrices**, **dial at 0.2**, **doubly stochastic**. Then the right panel, which nobody has looked at: all
# differences are gone. Ask: *what are four streams for, if they carry the same?* **Near the identity** keeps most. **One round, spread 3**: Sinkhorn
# stopped too early, the sums are not 1.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Free.** One matrix multiplies the expected square of a vector by $1 + 4 \cdot 0.3^2 = 1.36$ (chapter 07: the mixed term averages to 0), sixty by
# $1.36^{60} = 10^8$, so $10^4$ in length: the dashed line. A typical draw stays below (chapter 02). In a model of 27 billion weights the product of the
# learnt matrices was reported to reach about 3000, and its loss jumped.
#
# **The dial** goes from the free matrix to a **doubly stochastic** one: no entry below 0, all rows and columns add up to 1. *Sinkhorn's* algorithm
# makes one of any positive matrix, here of $\exp(d\,I + 0.3\,N)$, entry by entry (*diagonal* is $d$): divide each column by its sum, then each row by
# its, twenty rounds. Products of such matrices are doubly stochastic too. So all sums of $P_L$ are 1, at any depth: nothing grows, either way.

# %% slideshow={"slide_type": "skip"}
def sinkhorn(M: torch.Tensor, rounds: int = 20) -> torch.Tensor:
    for _ in range(rounds):
        M = M / M.sum(dim=-2, keepdim=True)
        M = M / M.sum(dim=-1, keepdim=True)
    return M

# %% slideshow={"slide_type": "skip"}
drawn = 0.3 * torch.randn(60, 4, 4, generator=generator, dtype=torch.float64)
calm = product(sinkhorn((torch.eye(4) + drawn).exp()))
assert (calm > 0).all()
assert torch.allclose(calm.sum(0), torch.ones(4, dtype=torch.float64), atol=1e-9)
assert torch.allclose(calm.sum(1), torch.ones(4, dtype=torch.float64), atol=1e-9)

# %% [markdown] slideshow={"slide_type": "skip"}
# That product:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print(calm.round(decimals=6))
assert torch.allclose(calm, torch.full((4, 4), 0.25, dtype=torch.float64), atol=1e-9)

# %% [markdown] slideshow={"slide_type": "skip"}
# Every stream has become the mean of the four: growth is cured, and what *differs* vanishes. With nothing drawn the matrix is $e^d$ on the diagonal and
# 1 beside it, over their sum, and a difference shrinks by $(e^d - 1)/(e^d + 3)$ a layer:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
def difference_kept(d: float) -> float:
    return (math.exp(d) - 1) / (math.exp(d) + 3)


for d in (1, 4, 8):
    M = sinkhorn((d * torch.eye(4, dtype=torch.float64)).exp())
    assert abs((M[0, 0] - M[0, 1]) - difference_kept(d)) < 1e-12
    print(f"d = {d}: a difference keeps {difference_kept(d):.4f} a layer, "
          f"{difference_kept(d)**60:.1e} over 60")

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NEAR_IDENTITY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.RESTORED.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# And Sinkhorn only comes near, round by round; a product multiplies what is left over:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TWENTY_ROUNDS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: one round of Sinkhorn
#
# Return a positive matrix after one round: each column divided by its sum, then each row by its.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def sinkhorn_round(matrix: np.ndarray) -> np.ndarray:
    # BEGIN SOLUTION
    matrix = matrix / matrix.sum(axis=0)
    return matrix / matrix.sum(axis=1, keepdims=True)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.sinkhorn_round(sinkhorn_round)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One rate for every width
#
# For a large net there is money for one training. So one tunes a small net, and takes its rate.
#
# Two hidden layers of ReLUs, He's weights, Adam. At 16 units the best rate is $2^{-4}$ or $2^{-5}$. Predict: at 256 units it is
#
# - **A** about the same: Adam's step has one size
# - **B** larger
# - **C** about eight to sixteen times smaller

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_rate = ...  # "A", "B" or "C"
my_rate = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_wider(my_rate)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where does the best rate lie, as the net gets wider?** Then the other convention.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.mup_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Move the width first: the star walks to the left. **Hold**, then **muP, 256 wide**: the stars stand above each other, and the wide net is the better
# one. Then the right panel, which says why. Ask for muP's two rules before you show them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why: a step's size, and what a unit adds up
#
# Adam moves every weight by about the rate $\eta$ (chapter 10), against its gradient's sign. A *unit* of layer 2 adds up $n$ inputs:
#
# $$\Delta z = \sum_{i=1}^{n} \Delta w_i\, h_i = -\eta \sum_{i=1}^{n} \operatorname{sign}(\delta\, h_i)\, h_i = \mp\, \eta \sum_{i=1}^{n} |h_i|
# \qquad\Rightarrow\qquad \boxed{\ |\Delta z| \propto \eta\, n\ }$$
#
# The terms do not cancel: each weight moves *with* what it multiplies. At the start they do: $n$ random signs add up to $\sqrt n$.
#
# **muP** (maximal update parametrisation): in every layer with $n$ inputs, $\eta \to \eta / n$. And the readout is drawn with variance $1/n^2$, not $1/n$.

# %% slideshow={"slide_type": "skip"}
def change_of_a_unit(h: torch.Tensor, delta: float, eta: float) -> float:
    return -math.copysign(1, delta) * eta * float(h.abs().sum())

# %% slideshow={"slide_type": "skip"}
for n in (16, 256, 4096):
    h = torch.relu(torch.randn(n, generator=generator, dtype=torch.float64))
    w = (torch.randn(n, generator=generator, dtype=torch.float64) / n**0.5).requires_grad_()
    before = w @ h
    (-0.7 * before).backward()
    torch.optim.Adam([w], lr=0.01).step()
    change = float((w @ h - before).detach())
    assert abs(change / change_of_a_unit(h, -0.7, 0.01) - 1) < 1e-4
    print(f"n = {n:4}: one step changes the unit by {change:7.3f}, {change / n:.4f} for each input")

# %% [markdown] slideshow={"slide_type": "skip"}
# The lab's right panel is the **coordinate check**, which finds out whether a net is in muP at all: by how much do three steps change a pre-activation,
# at each width? Layer 1 always has the digits' 64 inputs and moves alike. The readout's change grows with $n$, layer 2's slowly at first. In narrow
# nets most of it comes through layer 1, which does not grow with $n$; layer 2's own step does, and takes over at about 64 units:

# %% slideshow={"slide_type": "skip"}
from vglib.data import digits

x, y = digits(torch.float32).x_train[:32], digits().y_train[:32]
for n in (16, 64, 256):
    nets = mup.Nets("standard", n, [2.0**-9], seed=0)
    W1, W2, _ = (w.detach()[0].clone() for w in nets.weights)
    nets.step(x, y)
    new_W1, new_W2 = (w.detach()[0] for w in nets.weights[:2])
    h, new_h = torch.relu(x @ W1), torch.relu(x @ new_W1)
    by_first, by_own = ((new_h - h) @ W2).std(), (h @ (new_W2 - W2)).std()
    print(f"n = {n:3}: layer 2 changes by {by_first:.3f} through layer 1, by {by_own:.3f} by itself")
assert by_own > 3 * by_first

# %% [markdown] slideshow={"slide_type": "skip"}
# The check, one step, with narrow nets and wide ones:

# %% slideshow={"slide_type": "skip"}
for kind in ("standard", "muP"):
    for widths in ((16, 32, 64), (128, 256, 512)):
        seen = [mup.changes(kind, 2.0**-9, s, widths, 1) for s in range(5)]
        powers = np.median([mup.exponents(widths, lines) for lines in seen], axis=0)
        print(f"{kind:8} widths {widths[0]:3} to {widths[-1]:3}: layer 1 n^{powers[0]:5.2f}, "
              f"layer 2 n^{powers[1]:5.2f}, readout n^{powers[2]:5.2f}")
        assert abs(powers[0]) < 0.1 and (kind == "standard" or powers[2] < 0.2)

# %% [markdown] slideshow={"slide_type": "skip"}
# The readout of a standard net grows even a little faster than $n$: layer 2 moves too, in step with the readout's weights of size $1/\sqrt n$, and $n$
# such products add up to $\sqrt n$. Hence muP's second rule: weights of size $1/n$. Against a base width at which both conventions are one:

# %% slideshow={"slide_type": "skip"}
def mup_rules(width: int, base: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    starts = (1.0, 1.0, math.sqrt(base / width))
    rates = (1.0, base / width, base / width)
    return starts, rates


for width in (64, 256):
    assert mup_rules(width, 16) == mup.rules("muP", width, 16)
    weights = mup.Nets("muP", width, [0.01], seed=0).weights
    assert abs(weights[2].std().item() * width / 4 - 1) < 0.1

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BEST_RATE_STAYS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TRANSFERS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.COORDINATES.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# From 64 to 1024 units it is a slow claim.
#
# ### Exercise 5: the coordinate check
#
# Return the power $p$ in changes $\propto$ widths$^p$, as the slope of a straight line through $(\ln \text{width}, \ln \text{change})$ by least
# squares.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def coordinate_check(widths: list[float], changes: list[float]) -> float:
    # BEGIN SOLUTION
    return float(np.polyfit(np.log(widths), np.log(changes), 1)[0])
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.coordinate_check(coordinate_check)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Few digits
#
# A number in a computer is $\pm\, 1.b_1 b_2 \ldots b_p \cdot 2^e$: so many binary digits, so many exponents. Large nets are trained in formats with few
# of both. (E4M3: 4 bits for the exponent, 3 digits.)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide"}
print("format    bits  digits  largest   smallest  gap above 1")
for form in precision.FORMATS:
    has = precision.limits(form)
    print(f"{form:9} {has.bits:4}  {has.places:6}  {has.largest:7.2g}  "
          f"{has.smallest:9.2g}  {has.gap:.2g}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Read two columns against each other: float16 has the digits, bfloat16 the exponents. Of the two with 8 bits E4M3 is meant for weights and signals,
# E5M2 for gradients. Ask: *which column will a gradient miss, which one an update?*

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HALF.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.E4M3.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.E5M2.trial()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Predict: what is left of a small update?
#
# Weights $N(0, 0.1^2)$ in bfloat16 are to move by 0.0001, a thousandth of their size. Which share of these updates changes *nothing*?
#
# - **A** none: the range is float32's
# - **B** none, but each is only half as long
# - **C** three quarters

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_share = ...  # "A", "B" or "C"
my_share = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_lost(my_share)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which steps are lost, and which ways of adding get there?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.update_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **steps of 0.001**: all arrive. **0.0001**: the blue line leaves the dashed one at once and keeps a quarter. **0.00001**: it hardly moves, while the
# other two arrive. Ask why green is right *on average*, and what it costs (single weights jump).

# %% [markdown] slideshow={"slide_type": "skip"}
# A format's numbers lie $\text{gap} \cdot 2^e$ apart where $2^e \le |w| < 2^{e+1}$. A step of at most half of that is lost, so from
# $|w| = T = 2^{\lceil \log_2 (2\,\text{step}/\text{gap}) \rceil}$ on. How many weights are that large, the bell curve's tails say:
#
# $$\text{lost} \approx P(|w| \ge T) = \operatorname{erfc}\!\left(\frac{T}{\sigma \sqrt 2}\right)$$
#
# The same step is lost every time; nothing cancels. Two ways out:
#
# - **master copy**: add up in float32, and give the net a rounded copy;
# - **stochastic rounding**: round *up* with the probability (what is left over)/(distance), which is right on average.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
one = torch.tensor(1.0, dtype=torch.bfloat16)
print("1 - 2^-9 == 1 in bfloat16:", bool(one - 2**-9 == one))
print("1 - 2^-8 == 1 in bfloat16:", bool(one - 2**-8 == one))


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
def lost(step: float, sigma: float, gap: float) -> float:
    T = 2 ** math.ceil(math.log2(2 * step / gap))
    return math.erfc(T / (sigma * math.sqrt(2)))


for step in (1e-3, 1e-4, 1e-5):
    assert abs(lost(step, 0.1, 2**-7) - precision.lost_share(step, 0.1, "bfloat16")) < 0.01
    print(f"steps of {step:g}: theory says that {lost(step, 0.1, 2**-7):.0%} are lost")

# %% slideshow={"slide_type": "skip"}
weights = 0.1 * torch.randn(100_000, generator=generator)
for step in (1e-3, 1e-4, 1e-5):
    held = weights.bfloat16()
    share = ((held.float() - step).bfloat16() == held).float().mean()
    print(f"steps of {step:g}: {share:.1%} of 100,000 change nothing")
    assert abs(share - lost(step, 0.1, 2**-7)) < 0.01

# %% slideshow={"slide_type": "skip"}
def round_by_chance(x: torch.Tensor, distance: float) -> torch.Tensor:
    below = torch.floor(x / distance) * distance
    up = torch.rand(x.shape, generator=generator) < (x - below) / distance
    return below + distance * up


x = torch.full((100_000,), 0.1234)
distance = 2**-4 * 2**-7  # in bfloat16, between 1/16 and 1/8
rounded = round_by_chance(x, distance)
assert torch.equal(rounded.bfloat16().float(), rounded)
assert abs(rounded.mean() - 0.1234) < 1e-5
assert abs(x.bfloat16().float().mean() - 0.1234) > 5e-5

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.RANGE_IS_ALL.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CANCELS.trial()

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does a net learn whose weights have few digits?** Move the step size.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.low_training_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Eight bits, and two ways of three learn as float32 does. **E4M3, 0.01**: the blue line learns too, worse. **bfloat16, 0.001** lags, **bfloat16, 0.01**
# is as good as float32. Format *and* step size decide.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.MASTER.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What underflows, and what scaling the loss mends
#
# Below its smallest number a format has 0. float16 ends at $2^{-24} = 6 \cdot 10^{-8}$: a *small* gradient becomes *no* gradient.
#
# **Loss scaling**: multiply the loss by $S$, and so every gradient, since the backward pass is linear; divide by $S$ in float32, just before the step.
#
# $$\delta_l(S L) = S\, \delta_l(L)$$
#
# A sigmoid net loses a factor of four a layer. Does one $S$ serve all of its layers?

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Is there an $S$ at which no layer's gradient is lost?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.scaling_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Push $S$ up: the blue line rises as a whole, between the two dashed ones. **S = 2^20** nearly fits sixteen layers. With thirty, no $S$ does:
# ask what would (bfloat16; or a net whose gradient does not vanish, the last preset, which fits into 8 bits).

# %% slideshow={"slide_type": "skip"}
for depth in (16, 30):
    worst = {
        k: np.median([precision.underflow(depth, "float16", k, seed=s).lost.max() for s in range(5)])
        for k in (0, 8, 16, 20, 24)
    }
    print(f"{depth} layers, worst layer loses:",
          ", ".join(f"{share:.0%} at S = 2^{k}" for k, share in worst.items()))
assert min(worst.values()) > 0.9

# %% [markdown] slideshow={"slide_type": "skip"}
# float16 goes from $2^{-24}$ to $2^{16}$: forty factors of 2. A gradient that shrinks four times a layer uses them up within twenty layers, wherever
# $S$ puts it. Scaling the loss mends the format, not the net.

# %% slideshow={"slide_type": "skip"}
W = torch.randn(3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
x = torch.randn(3, generator=generator, dtype=torch.float64)
plain, scaled = (
    torch.autograd.grad(S * torch.tanh(W @ x).square().sum(), W)[0] for S in (1, 2**20)
)
assert torch.equal(scaled / 2**20, plain)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_SCALE.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 6: choose the scale
#
# Return the largest power of two by which the loss may be multiplied if the `largest` entry of its gradients is not to pass the format's `limit`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def loss_scale(largest: float, limit: float) -> float:
    # BEGIN SOLUTION
    return 2.0 ** math.floor(math.log2(limit / largest))
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.loss_scale(loss_scale)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Attention takes means, and means of means are all one: **rank collapse**, doubly exponential without a skip. $\partial W_q$ falls with the square of
#   what sets tokens apart.
# - A skip alone slows it down. Small branches, $1/\sqrt L$, keep tokens apart and gradients level.
# - **Post-LN** hears all of the loss at its end; **pre-LN** grows like $L$, and its blocks count for $1/\sqrt l$; **DeepNorm** bounds what one step moves.
# - A **saturated softmax** has no gradient in most rows and a larger one in a few. **QK-norm** bounds the scores.
# - Mixing matrices multiply: free ones explode; doubly stochastic ones keep the mean and lose the differences.
# - Adam moves a unit by rate times width. **muP** divides by the width, so one best rate serves all widths.
# - Few exponents lose small gradients (scale the loss); few digits lose small steps (a master copy, or rounding by chance).

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - Vaswani and others, *Attention is all you need*, 2017 (arXiv 1706.03762). Xiong and others, *On layer normalization in the transformer architecture*, 2020 (2002.04745).
# - Dong, Cordonnier and Loukas, *Attention is not all you need: pure attention loses rank doubly exponentially with depth*, 2021 (2103.03404). Noci and others, *Signal
#   propagation in transformers*, 2022 (2206.03126).
# - Wang and others, *DeepNet: scaling transformers to 1,000 layers*, 2022 (2203.00555). Sun and others, *The curse of depth in large language models*, 2025 (2502.05795).
# - Zhai and others, *Stabilizing transformer training by preventing attention entropy collapse*, 2023 (2303.06296).
# - Giorlandino and Goldt, *Two failure modes of deep transformers and how to avoid them*, 2025 (2505.24333): rank collapse, entropy collapse, and the
#   random energy model behind the dashed curve of *Large scores*.
# - Henry and others, *Query-key normalization for transformers*, 2020 (2010.04245). Wortsman and others, *Small-scale proxies for large-scale transformer training instabilities*, 2023
#   (2309.14322).
# - Zhu and others, *Hyper-connections*, 2024 (2409.19606). Xie and others, *mHC: manifold-constrained hyper-connections*, 2025 (2512.24880). Sinkhorn, *A relationship between arbitrary
#   positive matrices and doubly stochastic matrices*, 1964.
# - Yang and others, *Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer*, 2022 (2203.03466).
# - Micikevicius and others, *Mixed precision training*, 2018 (1710.03740); *FP8 formats for deep learning*, 2022 (2209.05433).
