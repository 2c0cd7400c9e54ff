# %% [markdown] slideshow={"slide_type": "slide"}
# # 12 · Attention, and nets of today
#
# **Attention takes means. What do means leave of the gradient, forty blocks deep?**
#
# **You will do** watch tokens become one, write attention and its way back out, move a norm, and saturate a softmax.
#
# **You will learn** where the gradients of a transformer vanish and explode today, and what the place of a norm, the scale of a skip and
# QK-norm do about it.
#
# **You need** the chain rule and the Jacobian (chapter 02), batch norm (06), residual blocks (07).
#
# **Time** 70 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *One head of attention* 3, *Predict: twenty-four layers of it* 2, `collapse_lab` 9, *A mean of everything* 3, *The way back, 1:
# the softmax* 3, *The way back, 2: scores and matrices* 4, *Equal tokens* 3, *Three places for a norm* 2, *Predict: three blocks, then
# forty-eight* 1, `placing_lab` 5, *Large scores* 2, `saturation_lab` 6, *Summary* 2.
#
# **90 minutes**: *One head of attention* 5, *Predict: twenty-four layers of it* 3, `collapse_lab` 13, *A mean of everything* 6, *The way back, 1:
# the softmax* 5, *The way back, 2: scores and matrices* 8, *Equal tokens* 5, *The norm, and its way back* 4, *Three places for a norm* 4,
# *Predict: three blocks, then forty-eight* 2, `placing_lab` 9, *Why the place matters* 5, *The curse of depth* 4, *Large scores* 3,
# `saturation_lab` 8, *A row with two candidates* 2, *QK-norm* 2, *Summary* 2.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
from math import cosh, sqrt

import numpy as np
import torch
from torch import nn

from vglib.attention import check, claims, experiments, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One head of attention
#
# A transformer works on **tokens**: $T$ vectors of $n$ numbers, the rows of $X$. Each makes a **query** (what do I look for?), a **key**
# (what have I got?) and a **value** (what do I say?):
#
# $$Q = X W_q^\top, \qquad K = X W_k^\top, \qquad V = X W_v^\top$$
#
# Queries meet keys in **scores**; the softmax makes each row of scores into weights that add up to 1; each token gets a weighted mean
# of all values:
#
# $$S = \frac{Q K^\top}{\sqrt n}, \qquad A = \mathrm{softmax}(S), \qquad Y = A V W_o^\top$$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: twenty-four layers of it
#
# Thirty-two random tokens; two of them have on average a cosine of 0. Twenty-four layers $X \leftarrow Y$, weights $N(0, 1/n)$, nothing
# else.
#
# What is the mean cosine at the end? And how long is $\partial L/\partial W_q$ of the last layer, when a random gradient comes in there?

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
# The heart of the chapter. Begin with **3 layers**, orange alone: "two layers, and the tokens are one". Then drag the depth to 24 and read off the five
# curves from above. Ask of each: *what does it add to the one before?* Only the last has both panels flat. **twice the weights**: the
# scores saturate, and the picture changes; that comes below. The usual slip: to say "the skip prevents it". It does not, look at pink.

# %% [markdown] slideshow={"slide_type": "skip"}
# This is **rank collapse**: the matrix of the tokens comes to have rank 1. Five nets, the same weights:
#
# | net | layer | what happens |
# |---|---|---|
# | attention alone | $F(x)$ | the tokens are one after two layers; no query or key hears of the loss any more |
# | skip | $x + F(x)$ | alike after a dozen; and the stream grows, its square up to twice per layer: the scores explode, and the gradients with them |
# | post-LN | $N(x + F(x))$ | as alike; the gradient vanishes towards the *output* |
# | pre-LN | $x + F(N(x))$ | slower: each branch adds to a stream that has grown |
# | skip, branch over $\sqrt L$ | $x + F(x)/\sqrt L$ | hardly at all, at any depth |
#
# $N$ is layer norm, below. A vanishing gradient, then, that comes from the *forward* pass: what tells tokens apart has gone. In the net
# with a plain skip a second thing takes the gradient of the last layers: scores in the thousands, a saturated softmax. It has its own
# section.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A mean of everything
#
# Why? Take the plainest attention, $W_q = 0$: all scores are 0, all weights $1/T$. With a skip, and $W = W_o W_v$ of entries $N(0, 1/n)$,
#
# $$x_i' = x_i + b\, W \bar x \qquad \text{with the mean } \bar x \text{ of all tokens}$$
#
# - What sets tokens apart, $x_i - \bar x$, stays as it is.
# - What they share, $\bar x$, grows: $\lVert\bar x\rVert^2$ by $g = 1 + b^2$ per layer (chapter 07).
#
# $$\boxed{\ \text{mean cosine after } L \text{ layers} \approx \frac{g^L - 1}{g^L + T - 1}\ }$$
#
# $b = 1$: it is near 1 once $2^L \gg T$. With $b = 1/\sqrt L$, $g^L$ stays below $e$. And with no skip at all, one layer does it.

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
# (The start: $T$ independent tokens of square $n$ have a mean of square $n/T$. In random scores of size 1, as in the lab, some weights are
# larger; that slows it down a little.)
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
# One row: scores $s$, weights $a_j = e^{s_j} / \sum_k e^{s_k}$. Raise one score, and its weight rises while all others fall:
#
# $$\frac{\partial a_j}{\partial s_k} = a_j\,([j = k] - a_k), \qquad\text{the Jacobian}\quad \mathrm{diag}(a) - a\,a^\top$$
#
# Its rows add up to 0: the same number added to all scores changes nothing.

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
# Write $\partial L/\partial s$ of one row from `weights` $= a$ and `by_weights` $= \partial L/\partial a$, both NumPy arrays, without making the
# whole Jacobian.

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
# From $G = \partial L/\partial Y$, one product at a time, each transposed as in chapter 02; $\partial M$ is short for $\partial L/\partial M$:
#
# $$\partial C = G\, W_o, \qquad \partial V = A^\top \partial C, \qquad \partial A = \partial C\, V^\top \qquad (C = A V)$$
#
# $$\partial S_{ij} = A_{ij}\Big(\partial A_{ij} - \sum_k A_{ik}\,\partial A_{ik}\Big)$$
#
# $$\boxed{\ \partial Q = \frac{\partial S\, K}{\sqrt n}, \quad \partial K = \frac{\partial S^\top Q}{\sqrt n}, \quad \partial W_q = \partial Q^\top X\ } \qquad \text{and so on}$$
#
# and $\partial X = \partial Q\, W_q + \partial K\, W_k + \partial V\, W_v$: three ways lead back.

# %% [markdown] slideshow={"slide_type": "notes"}
# Have the class check shapes: $A$ is $T \times T$, all others have $T$ rows. Ask: which of the three ways needs tokens that differ? The next slide but one.

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
# 1. $\partial A_{ij} = \partial C_i \cdot v_j$ is nearly the same for all $j$, since the values are: the softmax's Jacobian takes what they share.
# 2. Each row of $\partial S$ adds up to 0, so of the keys, too, only their differences count:
#
# $$\partial Q = \frac{\partial S\, K}{\sqrt n} = \frac{\partial S\,(K - \bar k)}{\sqrt n}$$
#
# Each is of the order $r$: $\ \boxed{\ \lVert\partial W_q\rVert \propto r^2\ }$, while $\partial W_v$ does not fall at all.

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
# And `apart`, what sets the *outputs* apart, goes as $r^3$. The score of $i$ and $j$ has four terms: those with $r_i$ alone drop out of the
# softmax, those with $r_j$ alone are the same for every row. So two rows of $A$ differ by $r_i \cdot r_j$, two factors, and what they weigh
# differs by a third. Cubes of cubes of cubes: **doubly exponential**. A residual of 0.03 becomes $10^{-7}$, and then less than float64 can tell.

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
# **Heads** share the width out: each has $n/H$ of the columns of $Q$, $K$ and $V$, its own scores, divided by $\sqrt{n/H}$, and its own means. They
# are put side by side again before $W_o$. A block also has an **MLP**, $\mathrm{ReLU}(x W_1^\top) W_2^\top$, for each token by itself, four times as
# wide inside. Nothing new on the way back: chapter 02 has all of it.

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
# Batch norm (chapter 06) does that to each unit over the batch, layer norm to each token over its units. So the way back is the same, with means
# over the units:
#
# $$\boxed{\ \partial x = \frac{1}{\sigma}\Big(g - \overline{g} - \hat x\; \overline{g\,\hat x}\Big)\ }$$
#
# It takes two directions out of the gradient and **divides by $\sigma$**: a token twice as long hears half as much.

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
# In post-LN a norm stands on every way, in pre-LN the skip is free. That is chapter 07's question again: what stands behind the sum?

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
# All labs of this chapter run on a transformer written out in this way, in NumPy, forward and back. Is it the one that torch has? One block, output
# and the gradient by the input (the tests compare all gradients):

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
# Blocks of attention and MLP, one batch, one step of plain descent of 0.001. How far does that step move the output? In one of three nets it moves
# 48 blocks no farther than 3. In which?
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
# **3 blocks**, **Hold**, **48 blocks**: in the right panel the orange line stays where it was; green and blue rise. In the middle panel read the last block: green large, blue falls.
# Left: blue grows like the depth. Ask which of these a user would notice first (green: its first steps go too far, hence warm-up). The usual slip:
# to read "pre-LN has small gradients" as an advantage in itself.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why the place matters
#
# - **post-LN**: skip and branch count alike in every sum. The last blocks hear all of the loss, at any depth; and what a step changes in one
#   block is changed again by every block behind it.
# - **pre-LN**: the stream's mean square grows by up to 1 per branch, so like $L$. The last norm divides by its root: the last gradients fall
#   like $1/\sqrt L$.
# - **DeepNorm**: a branch enters with $\beta^2$, $\beta = (8L)^{-1/4}$ (in $W_v$ and $W_o$, or $W_1$ and $W_2$), against a skip of $a$:
#
# $$\frac{\beta^2}{a} = (8L)^{-1/2}\,(2L)^{-1/4}$$
#
# 1.6% at 48 blocks: every block starts next to the identity, and one step of all of them is bounded.

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
# All that was before the first step. Does it matter in training? Twelve blocks of width 24 read the digits, row by row, with Adam, 300 steps at the best of three rates: pre-LN 94%, post-LN
# 63%, and 74% where its steps grow over the first 150, a **warm-up** (medians of five seeds). After 1000 steps post-LN has come to 83%, and to 88% with a warm-up of 300 (one seed). The claim on pre-LN,
# `claims.NO_WARM_UP`, runs with `make test-long`.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The curse of depth
#
# In today's language models nearly half of the layers are less effective than expected, say Sun and others (2025). Their suspect is pre-LN. If the
# stream's mean square is $1 + c\,l$ behind block $l$, that block's share of its length is
#
# $$\boxed{\ \sqrt{\frac{c}{1 + c\,l}} \approx \frac{1}{\sqrt l}\ }$$
#
# The deeper the block, the nearer is it to the identity. Their cure, **LayerNorm scaling**: divide the norm in block $l$ by $\sqrt l$. The stream
# then grows like $\ln l$ only. **Predict**: does that make the share of block 48 larger or smaller, at the start?

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
# In training, $W_q$ and $W_k$ may grow. Scores grow with both, the rows of $A$ become nearly one-hot, their **entropy** $-\sum_j a_j \ln a_j$ falls from
# $\ln T$ to 0: **entropy collapse**, and often the start of a divergence.
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
# **scale 1**, **scale 4**: the entropy is gone, the middle panel has grown. **scale 16**: in the right panel most rows are off the floor, and the last few stand up. **scale 64**: now the last
# ones fall too. Ask: *is "no gradient" right?* Of a typical row, from 8 on; of the sum, here, beyond 32. Green is QK-norm: a level line everywhere.

# %% [markdown] slideshow={"slide_type": "skip"}
# $\lVert\partial W_q\rVert\,\lVert W_q\rVert$ says how much the loss moves if all of $W_q$ changes by a given *share*; that makes it fair to compare scales. The
# dashed curve is $\ln T - s^4/2$, the entropy over very many Gaussian scores of standard deviation $s^2$. In the right panel the rows of
# layer 1, from the smallest gradient to the largest; what is below the panel lies on its floor.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A row with two candidates
#
# Let two scores lead, $\Delta$ apart, and let the loss want their weights to change by $g_1$ and $g_2$. Then $a = (p, 1 - p)$ and
#
# $$\lVert\partial s\rVert = \sqrt2\; p\,(1-p)\; |g_1 - g_2| = \frac{\sqrt2\,|g_1 - g_2|}{4 \cosh^2(\Delta/2)}$$
#
# - one row: it vanishes like $e^{-\Delta}$, and $\Delta$ grows with the square of the scale;
# - many rows: some have $\Delta < 1$ by chance, about one in $s^2$ of them. Through those the gradient goes on, and $Q$ and $K$ have grown.
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
# The transformer's first paper divides scores by $\sqrt{d_k}$ with the words: "We suspect that for large values of $d_k$, the dot products grow large in magnitude, pushing the
# softmax function into regions where it has extremely small gradients." Without the root, at $d_k = 512$:

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
# Divide each query and each key by its root mean square. Then no score is beyond $\sqrt{d}$, with $d$ numbers in a head, whatever the weights do. As behind
# batch norm, the output no longer sees the scale of $W_q$, so
#
# $$\frac{\partial L}{\partial W}\bigg|_{cW} = \frac1c\, \frac{\partial L}{\partial W}\bigg|_{W}, \qquad \sum_{ij} W_{ij}\, \frac{\partial L}{\partial W_{ij}} = 0$$
#
# The gradient falls as the weights grow, and stands at a right angle to them. (Nets in use multiply the normed queries and keys by a learnt gain again.)

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
# ## Summary
#
# - Attention takes means, and means of means are all one: **rank collapse**, doubly exponential without a skip. $\partial W_q$ goes with its square.
# - A skip alone slows it down. Small branches, $1/\sqrt L$, keep tokens apart and gradients level.
# - **Post-LN** hears all of the loss at its end; **pre-LN** grows like $L$, and its blocks count for $1/\sqrt l$; **DeepNorm** bounds what one step moves.
# - A **saturated softmax** has no gradient in most rows and a larger one in a few. **QK-norm** bounds the scores, and takes the scale out of them.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - Vaswani and others, *Attention is all you need*, 2017 (arXiv 1706.03762). Xiong and others, *On layer normalization in the transformer architecture*, 2020 (2002.04745).
# - Dong, Cordonnier and Loukas, *Attention is not all you need: pure attention loses rank doubly exponentially with depth*, 2021 (2103.03404). Noci and others, *Signal
#   propagation in transformers*, 2022 (2206.03126).
# - Wang and others, *DeepNet: scaling transformers to 1,000 layers*, 2022 (2203.00555). Sun and others, *The curse of depth in large language models*, 2025 (2502.05795).
# - Zhai and others, *Stabilizing transformer training by preventing attention entropy collapse*, 2023 (2303.06296).
# - Giorlandino and Goldt, *Two failure modes of deep transformers and how to avoid them*, 2025 (2505.24333): rank collapse, entropy collapse, and the random energy model behind the dashed
#   curve of the last lab.
# - Henry and others, *Query-key normalization for transformers*, 2020 (2010.04245). Wortsman and others, *Small-scale proxies for large-scale transformer training instabilities*, 2023
#   (2309.14322).
