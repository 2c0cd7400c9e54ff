# %% [markdown] slideshow={"slide_type": "slide"}
# # 07 · Residual nets
#
# **A skip puts a 1 into every bracket of the chain rule. Is that enough to go a thousand layers deep?**
#
# **You will do** watch a residual net of twenty layers break in four steps, try three cures, and train a thousand layers.
#
# **You will learn** what a skip keeps and what it lets grow, how many paths a gradient takes, and which number decides.
#
# **You need** the chain rule and the Jacobian (chapter 02), He's weights and χ (05), batch norm (06).
#
# **Time** 90 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *The patient: twenty plain layers* 1, `flow_lab` 7, *Predict* 2, *One block* 3, *Is the 1 always
# there?* 3, *What a block does to the length* 3, *"Not so unlucky as to be all −1"* 2, `luck_lab` 4, *It breaks:
# twenty blocks* 2, `cure_lab` 8, *Which cures, and why* 3, *A thousand layers, in seconds* 4, *Judgement* 1,
# *Summary* 2.
#
# **90 minutes**: *The patient: twenty plain layers* 1, `flow_lab` 8, *Predict* 2, *One block* 4, *Is the 1 always
# there?* 5, *What a block does to the length* 5, *All the paths* 4, `paths_lab` 5, *"Not so unlucky as to be all −1"*
# 3, `luck_lab` 5, *It breaks: twenty blocks* 3, `cure_lab` 8, *Which cures, and why* 4, *A thousand layers, in
# seconds* 4, *Which step size for which depth?* 2, `rates_lab` 3, *Three laws of growth* 2, `growth_lab` 3, *Two things called a "short connection"* 2, `shortcuts_lab` 4,
# *Degradation* 2, `degradation_lab` 4, `shattering_lab` 4, *Judgement* 2, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import itertools
from math import exp, log, pi, sqrt

import numpy as np
import torch

from vglib.residuals import check, claims, experiments, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The patient: twenty plain layers
#
# Twenty sigmoid layers, weights $N(0, 1/n)$, no skips. The gradient is on the left.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **By how much does the gradient shrink on its way back?** Drag the depth.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.flow_lab().preset("20 plain sigmoid layers")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# A **residual block** adds to its input instead of replacing it:
#
# $$h_l = h_{l-1} + W_l\,\phi(h_{l-1})$$
#
# Twenty such blocks, ReLU, He's weights, at their start. How long is the gradient in front of block 1, compared with behind block 20?
#
# - **A** about the same
# - **B** about a thousand times shorter
# - **C** about a thousand times longer

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_growth = ...  # "A", "B" or "C"
my_growth = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_growth(my_growth)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **With skips: how long is the gradient in front of block 1?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.flow_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote first; most choose A, "because of the 1". Drag the depth to 100: signal and gradient grow alike. Then **20 plain sigmoid layers**,
# **Hold**, **the same with skips**: twelve powers of ten mended.

# %% [markdown] slideshow={"slide_type": "skip"}
# Two gradients are drawn. The one between two blocks is this chapter's $\delta_l = \partial L/\partial h_l$; $h_0$ is the input after one
# linear layer, the *stem*. The one that a block learns from, $\partial L/\partial W_l$, is a product of gradient and signal, and flat here,
# since one falls as the other rises. Flat is not healthy: read its height. The dashed lines are theory, derived below; only their starts are
# measured.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One block
#
# A block is the identity plus a **branch** $F$. The skips carry a **stream** $h$, to which each branch adds:
#
# $$h_l = h_{l-1} + F_l(h_{l-1})$$
#
# Move $h_{l-1}$ a little: the sum moves by the step itself, plus the branch's Jacobian $J_l$ times the step. So backwards
#
# $$\boxed{\ \delta_{l-1} = (I + J_l)^\top \delta_l\ }$$
#
# For $F = \alpha W \phi(h)$ the branch has $J = \alpha W D$, with the slopes $\phi'(h)$ on the diagonal of $D$.

# %% slideshow={"slide_type": "skip"}
def block(h: torch.Tensor, W: torch.Tensor, alpha: float) -> torch.Tensor:
    return h + alpha * W @ torch.tanh(h)


def block_back(h: torch.Tensor, W: torch.Tensor, alpha: float, delta: torch.Tensor) -> torch.Tensor:
    D = torch.diag(1 - torch.tanh(h) ** 2)
    J = alpha * W @ D
    return (torch.eye(len(h), dtype=torch.float64) + J).T @ delta


# %% slideshow={"slide_type": "skip"}
generator = torch.Generator().manual_seed(0)
W, (h, delta) = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (6, 2))
(by_autograd,) = torch.autograd.grad(block(h.requires_grad_(), W, 0.5), h, delta)
assert torch.allclose(by_autograd, block_back(h.detach(), W, 0.5, delta), rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: one block back
#
# Write $\delta_{l-1}$ of the block $h + \alpha W \phi(h)$ from `weight` $= W$, `delta` $= \delta_l$, `slope` $= \phi'(h)$ and `alpha`, all
# NumPy arrays but the last.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def skip_back(weight: np.ndarray, delta: np.ndarray, slope: np.ndarray, alpha: float) -> np.ndarray:
    # BEGIN SOLUTION
    return delta + alpha * slope * (weight.T @ delta)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.skip_back(skip_back)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Is the 1 always there?
#
# A widely read Zhihu article, which calls it no strict proof: "The 1 in the brackets shows that the shortcut can pass the gradient on
# **without loss**, while the other term, the residual gradient, has to go through layers with weights."
#
# | block | its Jacobian |
# |---|---|
# | first published, 2015: $\mathrm{ReLU}(h + F(h))$ | $D'\,(I + J)$ |
# | **pre-activation**, 2016: $h + F(h)$ | $I + J$ |
#
# The first has a ReLU *behind* the sum. Its slopes $D'$, zeros and ones, multiply all of it, the 1 included.

# %% [markdown] slideshow={"slide_type": "notes"}
# Cover the table and ask: *where may a ReLU stand, so that the 1 survives?*

# %% slideshow={"slide_type": "skip"}
def block_2015(h: torch.Tensor) -> torch.Tensor:
    return torch.relu(h + W @ torch.relu(h))


h = torch.rand(6, generator=generator, dtype=torch.float64)
J = W @ torch.diag((h > 0).double())
behind = torch.diag((h + W @ torch.relu(h) > 0).double())
I = torch.eye(6, dtype=torch.float64)
jacobian = torch.autograd.functional.jacobian(block_2015, h)
assert torch.allclose(jacobian, behind @ (I + J), rtol=1e-12)
assert not torch.allclose(jacobian, I + J)

# %% [markdown] slideshow={"slide_type": "skip"}
# The article names the paper of 2015; the formula with the 1 is of 2016, when the authors moved the ReLU into the branch for this reason. In
# twenty older blocks, how much of the way through skips alone is open?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LOSSLESS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a block does to the length
#
# Square the boxed line, and average over the random $W$, with $h$ and $\delta$ held as if they did not depend on it:
#
# $$\mathrm{E}\,\lVert\delta + J^\top\delta\rVert^2
# = \lVert\delta\rVert^2 + \underbrace{2\,\mathrm{E}\,\delta^\top J^\top \delta}_{0} + \mathrm{E}\,\lVert J^\top\delta\rVert^2$$
#
# The mixed term averages to 0: $W$ is as often $-W$. The last is the $\chi$ of chapter 05, times $\alpha^2$:
#
# $$\boxed{\ \mathrm{E}\,\lVert\delta_{l-1}\rVert^2 = (1 + \alpha^2\chi)\,\lVert\delta_l\rVert^2\ }$$
#
# With ReLU and He's weights $\chi = 1$: **on average a block multiplies by** $1 + \alpha^2$, so by 2 for $\alpha = 1$.

# %% slideshow={"slide_type": "skip"}
def growth(alpha: float, blocks: int = 1) -> float:
    return (1 + alpha**2) ** blocks


n, alpha = 40, 0.7
h, delta = torch.randn(2, n, generator=generator, dtype=torch.float64)
Ws = torch.randn(20_000, n, n, generator=generator) * sqrt(2 / n)
back = delta + alpha * (h > 0) * (delta.float() @ Ws)
expected = 1 + alpha**2 * 2 * (h > 0).double().mean()
assert abs((back**2).sum(1).mean() / (delta**2).sum() / expected - 1) < 0.02

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
for alpha in (1, 0.5, 0.1, 1 / sqrt(50)):
    print(f"alpha = {alpha:.3g}: {growth(alpha):.3f} per block, {growth(alpha, 50):.3g} over 50 blocks")

# %% slideshow={"slide_type": "skip"}
for alpha in (1, 0.5, 0.1, 1 / sqrt(50)):
    seen = [experiments.flow(50, alpha=alpha, seed=s).per_block for s in range(5)]
    print(f"alpha = {alpha:.3g}: measured {np.median(seen):.3f} per block")
    assert abs(np.median(seen) / growth(alpha) - 1) < 0.03

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HUNDREDS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: choose the branch's scale
#
# Return the $\alpha$ with which `depth` blocks (ReLU, He) together multiply the squared gradient by `growth`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def branch_scale(depth: int, growth: float) -> float:
    # BEGIN SOLUTION
    return (growth ** (1 / depth) - 1) ** 0.5
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.branch_scale(branch_scale)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All the paths
#
# Multiplied out:
#
# $$(I + J_1)^\top (I + J_2)^\top \cdots (I + J_L)^\top
# = \sum_{S \subseteq \{1, \dots, L\}}\ \prod_{l \in S} J_l^\top$$
#
# Each block is either skipped or gone through: $2^L$ **paths**. One takes skips only; $\binom{L}{k}$ take $k$ branches.

# %% slideshow={"slide_type": "skip"}
def sum_over_paths(Js: list[torch.Tensor], delta: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(delta)
    for taken in itertools.product([False, True], repeat=len(Js)):
        g = delta
        for J, take in zip(Js[::-1], taken):
            g = J.T @ g if take else g
        total = total + g
    return total


# %% slideshow={"slide_type": "skip"}
Js = [torch.randn(6, 6, generator=generator, dtype=torch.float64) for _ in range(8)]
delta = torch.randn(6, generator=generator, dtype=torch.float64)
block_by_block = delta
for J in Js[::-1]:
    block_by_block = (I + J).T @ block_by_block
assert torch.allclose(sum_over_paths(Js, delta), block_by_block, rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Predict: how long are the paths that count?
#
# A path's length is the number of its branches.
#
# Weigh each path by the squared gradient that it brings. What is the mean length in 54 blocks: with $\alpha = 1$, with $\alpha = 0.3$, and
# with batch norm in the branch at $\alpha = 1$?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "27 branches; 4 to 5; 5 to 6"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How long are the paths that count?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.paths_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# At α = 1 count and weight agree: half of the depth. **54 blocks, α = 0.3**: the two curves part. **54 blocks with batch norm**: as far, at α
# = 1. **200 blocks, α = 1/√L**: about one branch a path. Ask: *is that net deep?*

# %% [markdown] slideshow={"slide_type": "skip"}
# A branch multiplies the expected square by $\alpha^2$, and mixed products of paths average to 0. So all paths with $k$ branches have
#
# $$\binom{L}{k}\,\alpha^{2k} \quad\text{of}\quad (1 + \alpha^2)^L,$$
#
# a binomial distribution: each block is a coin that says "branch" with probability $p = \alpha^2/(1 + \alpha^2)$. The mean length is $Lp$.
# Under batch norm the coins differ: block $l$ has $p_l = (\chi_l - 1)/\chi_l$, with $\chi_l = 1 + 1/v_l$, where the stream's variance $v_l$
# grows with $l$ (*Three laws of growth*); the mean length is $\sum p_l$.
#
# Residual nets "behave like ensembles of relatively shallow networks", wrote Veit, Wilber and Belongie in 2016. Theirs, of 54 blocks, had
# batch norm, and with it the gradient does come from short paths (here at the start), though most paths are long. Without it, at
# $\alpha = 1$, it does not. And no path is a net of its own: they share their weights.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ENSEMBLE.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: a mean length
#
# Fifty blocks, ReLU, He's weights, $\alpha = 0.5$. How many branches does a path take on average, weighed by the squared gradient?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB length = ...
length = 50 * 0.25 / 1.25
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.mean_length(length)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## "Not so unlucky as to be all −1"
#
# The same article: "The residual gradient will not be so unlucky as to be all $-1$, and even if it is small, the 1 keeps the gradient from
# vanishing."
#
# 1. Can a block be built that is all $-1$?
# 2. How unlucky would that be at random?
# 3. What would make the argument sure?
#
# The lab draws blocks whose branch is linear, $F(h) = \alpha W h$, at first of ten units.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
h = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
erased = h - torch.relu(h)
(gradient,) = torch.autograd.grad(erased.sum(), h)
print(f"h - relu(h) at h > 0: output {erased.tolist()}, gradient {gradient.tolist()}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How often does a random block lose half, and what of its worst direction?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.luck_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **One unit**: a quarter of the draws lose more than half. **A hundred units**: none, and the factor is nearly fixed, $\sqrt2$. But on the
# right the worst direction keeps next to nothing; **A hundred units, α = 0.1** lifts it to nearly nine tenths. The usual slip: reading
# "unlikely at random" as "cannot be learnt".

# %% [markdown] slideshow={"slide_type": "skip"}
# 1. **It can be built**: a branch that returns minus its input erases signal and gradient.
# 2. **At random it is a question of width.** With $J = \alpha W$ and $W \sim N(0, 1/n)$ the vector $g = W^\top\delta$ is Gaussian and
#    typically as long as $\delta$, so the distribution of what a block leaves, $\lVert\delta + \alpha g\rVert$, is known (dashed). At
#    $\alpha = 1$ less than half is left in a quarter of the draws for one unit, in one of 6000 for ten, in one of $10^{32}$ for a hundred.
# 3. **Small branches make it sure.** A direction in which $J$ comes near $-1$ is lost. But $J^\top\delta$ is at most $s_{\max}$ times as long
#    as $\delta$, with the largest singular value $s_{\max}$ of $J$ (chapter 05). So
#
# $$\lVert (I + J)^\top \delta \rVert \ge (1 - s_{\max})\, \lVert \delta \rVert$$
#
# in every direction, which says something once $s_{\max} < 1$: for a Gaussian $W$, about $\alpha < \tfrac12$.

# %% slideshow={"slide_type": "skip"}
def least_kept(J: torch.Tensor) -> float:
    return 1 - float(torch.linalg.matrix_norm(J, 2))


for alpha in (0.05, 0.2, 0.4):
    J = alpha * torch.randn(100, 100, generator=generator, dtype=torch.float64) / 10
    worst = float(torch.linalg.svdvals(torch.eye(100) + J)[-1])
    assert worst >= least_kept(J) - 1e-12
    assert abs(least_kept(J) - (1 - 2 * alpha)) < 0.05

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.UNLUCKY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SMALL_BRANCH.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: find the flaw
#
# 1. Through a block $h + F(h)$ the gradient goes as $\delta_{l-1} = (I + J_l)^\top \delta_l$.
# 2. So $\delta_0$ is a sum over all paths.
# 3. One of the terms is $\delta_L$ itself, through skips alone.
# 4. So $\delta_0$ is at least as long as $\delta_L$.
# 5. So the gradient of a residual net cannot vanish.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3, 4 or 5
flaw = 4
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## It breaks: twenty blocks
#
# $$h_l = h_{l-1} + \mathrm{ReLU}(W_l h_{l-1}), \qquad l = 1, \dots, 20$$
#
# He's weights, digits, step size 0.01, and each step keeps nine tenths of the one before (**momentum**, chapter 10; not chapter 06's). **It
# goes to NaN.**
#
# Three cures: **clip** the gradient (where it is longer than 1, shorten it to 1), **batch norm** of $Wh$ in each branch, or
# $\alpha = 1/\sqrt L$. (The lab's last one, a factor that is learnt, has its section below.)
#
# Predict: after sixty such steps one of the three reads hardly more digits than guessing does. Which?
#
# - **A** clipping
# - **B** batch norm
# - **C** $\alpha = 1/\sqrt L$

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_cure = ...  # "A", "B" or "C"
my_cure = "A"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_cure(my_cure)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the three reads hardly more digits than guessing does?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.cure_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The heart of the chapter. **none**: NaN at step 3; ask where it came from, and point at the right panel: the gradient was that long before
# the first step. Let the class try the step size. **clip at 1**: alive; read the loss. Then **batch norm** and **α = 1/√L**: ask why batch
# norm helps *here* when it makes plain nets explode. The next slide answers.

# %% slideshow={"slide_type": "skip"}
for cure, lr in [*((cure, 0.01) for cure in experiments.CURES), ("clip at 1", 0.1)]:
    tries = [experiments.cured(cure, lr=lr, seed=s, steps=150) for s in range(3)]
    broke = sum(t.training.broke_at is not None for t in tries)
    first = np.median([t.training.losses[0] for t in tries])
    accuracy = np.median([t.accuracy for t in tries])
    print(f"{cure:10} steps of {lr:<4}  first loss {first:8.3g}  NaN {broke} of 3  test {accuracy:.0%}")
    assert (broke == 3) == (cure == "none")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which cures, and why
#
# | cure | what it changes | what it leaves |
# |---|---|---|
# | tiny steps | the step | a loss in the ten thousands: it takes thousands of steps |
# | clipping | the step | the same: signal, loss, ratio of the layers; it takes hundreds |
# | **batch norm** | the branch, to a fixed size | a stream that grows like $l$: harmless |
# | $\boldsymbol{\alpha = 1/\sqrt L}$ | the branch | a signal that grows 7 times over 20 blocks ($\sqrt e$ times if the branch ends in $W$) |
# | $\alpha$ learnt, from 0 | the branch | nothing at the start: each block is the identity |
#
# The explosion is in the **signal**, before the first step. Smaller branches remove it; the other cures outlast it.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Clipping** keeps the direction of a step and shortens it; from a loss in the ten thousands a hundredth is a short step. With a tenth the
# net reads 85% of the digits after 150 steps and 96% after 1500, as the other two do by then (medians of five seeds). Without any cure 6000
# steps of 0.00003 come to 81% or more (three seeds).
#
# Under **batch norm** the stream grows and the branches do not: an $\alpha$ that falls with $l$ (De and Smith, 2020).
#
# **$\alpha = 1/\sqrt L$** lets the squared gradient grow by at most $e$, as printed here, if the branch ends in $W$. Ours ends in a ReLU: see
# *Why the order matters*.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
for blocks in (1, 10, 100, 1000):
    print(f"{blocks:4} blocks: {growth(1 / sqrt(blocks), blocks):.4f}")
print(f"e            {exp(1):.4f}")

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NO_NORM.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CLIPPING.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A thousand layers, in seconds
#
# $h + W\,\mathrm{ReLU}(h)/\sqrt{1000}$, a thousand times, 32 wide: no norm, no clipping, sixty steps.
#
# Beside it, for five steps: the plain net, and the ReLU at the *end* of the branch, $h + \mathrm{ReLU}(W h)/\sqrt{1000}$. Does the order
# matter?

# %% tags=["decisive"] slideshow={"slide_type": "subslide"}
deep = experiments.train_deep(1000)
plain = experiments.train_deep(1000, "plain", steps=5)
relu_last = experiments.train_deep(1000, "residual", steps=5)
print(f"W relu(h): loss {deep.losses[0]:.2f} to {deep.train_loss:.2f}, "
      f"test {deep.test_accuracy:.0%}")
print(f"plain:     loss {plain.losses[0]:.2f} to {plain.train_loss:.2f}, "
      f"first gradient {plain.gradient_norms[0]:.0e}")
print(f"relu(W h): first loss {relu_last.losses[0]:.0e}, "
      f"NaN at step {relu_last.broke_at}")
assert deep.test_accuracy > 0.7 and plain.gradient_norms[0] < 1e-6
assert relu_last.broke_at is not None

# %% [markdown] slideshow={"slide_type": "notes"}
# The surprise is in the last line. Then the lab's next preset, **1000 blocks, the branch ends in ReLU**: what differs?

# %% [markdown] slideshow={"slide_type": "subslide"}
# **A thousand blocks: what differs when the branch ends in a ReLU?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.flow_lab().preset("1000 blocks, α = 1/√L")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Why the order matters
#
# The mixed term of the square was 0 because $W$ stood last in the branch. A branch that *ends* in a ReLU adds numbers that are never
# negative: with He's weights their mean is $\sqrt{q/\pi}$ and their mean square $q$, the stream's own. Means add up like $L$, deviations like
# $\sqrt L$. So after $L$ blocks of scale $1/\sqrt L$ the stream's mean $m$ is of size $\sqrt L$, and the larger stream makes larger branches:
# $q$ grows like $e^{c \sqrt L}$, with some $c$, instead of settling at $e$ times:
#
# $$q' = q + 2\alpha m \sqrt{q/\pi} + \alpha^2 q, \qquad m' = m + \alpha \sqrt{q/\pi}$$

# %% slideshow={"slide_type": "skip"}
def stream(alpha: float, blocks: int) -> float:
    q, m = 1.0, 0.0
    for _ in range(blocks):
        mean = sqrt(q / pi)
        q, m = q + 2 * alpha * m * mean + alpha**2 * q, m + alpha * mean
    return log(q) / 2


for blocks in (20, 100, 300):
    seen = [experiments.flow(blocks, "residual", root=True, seed=s).log_signal[-1] for s in range(3)]
    print(f"{blocks} blocks: the signal grows {exp(np.median(seen)):.3g} times, "
          f"the two maps say {exp(stream(1 / sqrt(blocks), blocks)):.3g}")
    assert abs(np.median(seen) - stream(1 / sqrt(blocks), blocks)) < 0.4

# %% [markdown] slideshow={"slide_type": "skip"}
# For twenty blocks this matters little; for a thousand, end the branch in a weight matrix, or take $\alpha = 1/L$. (The gradient follows:
# ReLU passes a factor on, so $h \cdot \delta$ is the same in front of every block. The first lab's dashed line includes this.)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ROOT.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ROOT_RELU.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which step size for which depth?
#
# A step of size $\eta$ moves a block's weights by $\eta$ times their gradient, which has a factor $\alpha$; the move reaches the output $f$
# with another $\alpha$. Over $L$ blocks, for a step down $f$ itself,
#
# $$\Delta f = -\eta \sum_{l=1}^{L} \lVert \partial f / \partial W_l \rVert^2 \ \sim\ \eta\, L\, \alpha^2$$
#
# Predict: for four blocks of scale $\alpha = 1/\sqrt L$ you have found the best step size. The best for sixteen is
#
# - **A** much smaller
# - **B** about the same
# - **C** larger

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_rate = ...  # "A", "B" or "C"
my_rate = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_rate(my_rate)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does a deeper net need a smaller step?** Left, branches of scale 1; right, of $1/\sqrt L$.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.rates_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Four**, **eight**, **sixteen blocks**: on the left the blue curve, the deeper net, wants ever smaller steps and breaks beyond; on the
# right it stays near the grey one. The lab trains for at most a dozen steps; the claim below takes sixty.

# %% [markdown] slideshow={"slide_type": "skip"}
# So look for a step size in a shallow net and use it in a deep one. With Adam, whose step has one size whatever the gradient, only one
# $\alpha$ comes in: $\eta L \alpha$, and $\eta$ has to go like $1/\sqrt L$ too. This is **depth-μP** (Yang and others, 2023), for blocks of
# one layer, as here; for longer ones, as a transformer's, the same paper finds limits. Chapter 12 has μP, for the width.

# %% slideshow={"slide_type": "skip"}
def change_per_step(L: int, alpha: float) -> float:
    Ws = torch.randn(L, 64, 64, generator=generator, dtype=torch.float64) / 64**0.5
    h, Ws = torch.ones(64, dtype=torch.float64), Ws.requires_grad_()
    for W_l in Ws:
        h = h + alpha * W_l @ torch.tanh(h)
    (gradient,) = torch.autograd.grad(h.mean() * 8, Ws)
    return (gradient**2).sum().item()


assert 0.5 < change_per_step(64, 1 / 8) / change_per_step(4, 1 / 2) < 2
assert change_per_step(64, 1.0) > 10 * change_per_step(4, 1.0)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: the same change
#
# $\alpha = L^{-p}$, and `lr` was right for `old` blocks. Return the step size of plain descent at which `new` blocks change the output as much. `power` is $p$.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def same_change(lr: float, old: int, new: int, power: float) -> float:
    # BEGIN SOLUTION
    return lr * (new / old) ** (2 * power - 1)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.same_change(same_change)

# %% [markdown] slideshow={"slide_type": "skip"}
# A slow claim (`make test-long`):

# %% slideshow={"slide_type": "skip"}
print(f"{claims.RATE.source}: {claims.RATE.says}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three laws of growth
#
# At $\alpha = 1$, over many wide blocks, the squared gradient grows
#
# - **ReLU**: $2^L$, exponentially;
# - **tanh**: $e^{c\sqrt L}$, $c = \frac{8}{3\sqrt{2\pi}}$: the stream grows, so tanh saturates more and more;
# - **batch norm and ReLU**: like $L^{\pi/(\pi-1)}$, a power: the stream grows, and batch norm divides by it.
#
# Each is a straight line, on its own axes. Predict the three at $L = 400$, as powers of ten.

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about 10^120, 10^9 and 10^4"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Three laws of growth: how many powers of ten are they at $L = 400$?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.growth_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Read the three vertical axes: over a hundred powers of ten, ten, four. Then α down to 0.05: all three are tame.

# %% [markdown] slideshow={"slide_type": "skip"}
# The lab's orange line multiplies the factors of the blocks; the grey one is the law.
#
# **tanh.** The stream's mean square grows by $\mathrm{E}\tanh^2 \to 1$ per block, so $q \approx l$. A Gaussian so wide sees of $\tanh'^2$
# only its area, $\tfrac43$, times its own height in the middle, $1/\sqrt{2\pi l}$. The logarithms add up:
# $\sum_l \tfrac43 / \sqrt{2\pi l} \approx c \sqrt L$.
#
# **Batch norm.** Each branch adds the variance of $W\,\mathrm{ReLU}(u)$, which is $2\,\mathrm{Var}\,\mathrm{ReLU}(u) = 1 - 1/\pi$, so the
# variance over the batch is $v = 1 + l(1 - 1/\pi)$. Going back, batch norm divides by $v$: a factor $1 + 1/v$. The sum of $1/v$ is
# $\frac{\pi}{\pi - 1} \ln L$: a power of $L$. In a plain net with batch norm (chapter 06) each *layer* multiplies by $\pi/(\pi-1)$: the skips
# turn an exponential into a power.

# %% slideshow={"slide_type": "skip"}
from vglib.theory import gaussian_mean

relu_moments = [float(gaussian_mean(lambda u: np.maximum(u, 0) ** k, 1.0)) for k in (1, 2)]
assert abs(2 * (relu_moments[1] - relu_moments[0] ** 2) - (1 - 1 / pi)) < 1e-12
q = 1e4
assert abs(gaussian_mean(lambda z: np.cosh(z) ** -4.0, q) * sqrt(2 * pi * q) - 4 / 3) < 1e-3

# %% slideshow={"slide_type": "skip"}
def bn_growth(blocks: int) -> float:
    v = 1 + np.arange(blocks) * (1 - 1 / pi)
    return float(np.prod(1 + 1 / v))


for blocks in (10, 20, 50, 100):
    seen = [exp(experiments.power_law(blocks, s, batch=64)[0]) for s in range(3)]
    print(f"{blocks:3} blocks: theory {bn_growth(blocks):.1f}, measured {np.median(seen):.1f}")
    assert 0.7 < np.median(seen) / bn_growth(blocks) < 1.4

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TANH_ROOT.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BN_POWER.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two things called a "short connection"
#
# A lecture note: "Use short connections: ... if we **apply the loss to the shallow layers directly**, the problem can be avoided as well."
#
# 1. **Skip** (He et al. 2015): an identity around a layer or two. The output's gradient arrives.
# 2. **Deep supervision** (Lee et al. 2015; GoogLeNet's extra heads): a small output, a **head**, with a loss of its own, here at each layer.
#    A *nearby* gradient arrives.
#
# The lab has twenty sigmoid layers.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What does layer 1 hear, and from whom?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.shortcuts_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left panel: both cure the number. Right panel: who is speaking. **Heads almost off** (here α weighs the heads' losses): layer 1's gradient
# shrinks with them.

# %% slideshow={"slide_type": "skip"}
accuracies = np.median([experiments.head_accuracies(s, steps=150) for s in range(3)], axis=0)
for layer in (1, 3, 5, 10, 20):
    print(f"the head at layer {layer:2} reads {accuracies[layer - 1]:.0%} of the test digits")
assert accuracies[0] > 0.8 and accuracies[-1] < 0.3

# %% [markdown] slideshow={"slide_type": "skip"}
# In these 150 steps the shallow layers learn and the last nothing: a shallow net inside the deep one. Chapter 03's skips train all twenty in
# as many. With patience the deeper heads follow: after 1000 steps the last reads 41% to 58%, the first 65% to 80% (three seeds).

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TWO_MEANINGS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Relatives: a gate, a zero
#
# **Highway** (Srivastava et al. 2015): a gate $T$ between 0 and 1, computed from $h$, mixes the two,
#
# $$h_l = (1 - T)\, h_{l-1} + T\, \phi(W_l h_{l-1}).$$
#
# **ReZero** (Bachlechner et al. 2020): a learnt factor that *starts* at 0,
#
# $$h_l = h_{l-1} + a_l\, \phi(W_l h_{l-1}), \qquad a_l = 0.$$
#
# Whose skip is exactly 1?

# %% [markdown] slideshow={"slide_type": "skip"}
# Try the first lab's presets *highway, gates at 0.12* and *ReZero, 1000 blocks*. All gates start at $T = \alpha$, by their biases alone. Each
# layer multiplies the squared gradient by $(1-T)^2 + T^2\chi$, which is below 1 for $0 < T < 1$ and $\chi \le 1$: a skip of $1 - T$ forgets.
# (With ReLU, as in the lab, the line lies higher: the order again.)
#
# In a ReZero net the gradient passes as if there were no blocks; at first only the factors $a_l$ get one, not the weights. (**SkipInit**, De
# and Smith 2020, puts the same factor where batch norm stood.) With $G_l$ for what $\partial L/\partial W_l$ would be at $a_l = 1$,
#
# $$\frac{\partial L}{\partial W_l} = a_l\, G_l, \qquad \frac{\partial L}{\partial a_l} = \langle W_l, G_l \rangle$$

# %% slideshow={"slide_type": "skip"}
a = torch.zeros(5, dtype=torch.float64, requires_grad=True)
Ws = torch.randn(5, 6, 6, generator=generator, dtype=torch.float64, requires_grad=True)
h = torch.randn(6, generator=generator, dtype=torch.float64)
for W_l, a_l in zip(Ws, a):
    h = h + a_l * torch.relu(W_l @ h)
da, dW = torch.autograd.grad((h**2).sum(), [a, Ws])
assert (dW == 0).all() and (da != 0).any()

# %% slideshow={"slide_type": "skip"}
a = torch.tensor([0.5, -1.0, 0.3], dtype=torch.float64, requires_grad=True)
h = torch.randn(6, generator=generator, dtype=torch.float64)
for W_l, a_l in zip(Ws, a):
    h = h + a_l * torch.relu(W_l @ h)
da, dW = torch.autograd.grad((h**2).sum(), [a, Ws])
G = dW[:3] / a[:, None, None]
assert torch.allclose(da, (Ws[:3] * G).sum((1, 2)), rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "skip"}
# Does the start at 0 train? Choose *α learnt, from 0* in the lab of cures: it does, at the same step size as $1/\sqrt L$. Is it the learning, or
# the small branches? Three nets of 20 blocks $h + a\,W\,\mathrm{ReLU}(h)$, at four step sizes each:

# %% slideshow={"slide_type": "skip"}
lost = {}
for start in experiments.STARTS:
    lost[start] = [experiments.loss_after(start, lr, 20) for lr in experiments.RATES]
    row = "  ".join(f"{lr:g}: {loss:.3f}" for lr, loss in zip(experiments.RATES, lost[start]))
    print(f"a {start:15} loss after 150 steps of {row}")
learnt, fixed, full = (min(row) for row in lost.values())
assert full > 5 * learnt and 0.5 < fixed / learnt < 2

# %% [markdown] slideshow={"slide_type": "skip"}
# The small branches. A learnt factor pays later: 50 blocks and 600 steps on, the loss is 0.14 to 0.36 of that with $1/\sqrt L$ (five seeds), while at scale 1 all step
# sizes from 0.00001 to 0.1 end in NaN. The claim, with 50 blocks and five seeds, runs with `make test-long`:

# %% slideshow={"slide_type": "skip"}
print(f"{claims.ZERO.source}: {claims.ZERO.says}")

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HIGHWAY.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 6: what the carry keeps
#
# A highway net's gates have the bias $-2$, so $T = s(-2)$ with the sigmoid $s$. After 100 layers, what is left of the gradient on the path
# through skips alone?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB left = ...
left = (1 - 1 / (1 + exp(2))) ** 100
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.carried(left)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Degradation
#
# He and others began with a puzzle: make a plain net deeper, and its **training** error gets *worse*, though the deeper net could copy the
# shallower one. So it is neither overfitting nor a lack of power.
#
# Our plain nets have He's weights, so their gradient does not vanish. Beside them residual nets, $h + W\,\mathrm{ReLU}(h)/\sqrt L$.
#
# Predict the two training losses with 2, with 20 (where the lab opens) and with 50 layers; guessing is 2.3.

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "residual below 0.5; plain low with 2, above 1 with 20, near 2.3 with 50"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the two nets trains, as both get deeper?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.degradation_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets **2 layers** to **50 layers**. Ask: *does the plain gradient vanish?* In the first lab, block *plain*, it does not. At 50 layers the
# lab trains fewer steps.

# %% slideshow={"slide_type": "skip"}
print("layers     plain  residual   (training loss after 150 steps)")
for depth in (2, 8, 20, 50):
    trained = experiments.degradation(depth, steps=150).trained
    plain, skips = (trained[name].train_loss for name in experiments.RACERS)
    print(f"{depth:6}  {plain:8.3f}  {skips:8.3f}")
assert plain > 5 * skips

# %% [markdown] slideshow={"slide_type": "skip"}
# The plain net's gradient is long enough. But chapter 05's other number, the correlation $c$ of two inputs, goes to 1: ReLU layers make
# images more alike. Batch norm, which He's nets had, keeps them apart, and then the gradient's *direction* suffers: the next section.
#
# That was one seed and one step size; a slow claim has five and three.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Shattered gradients
#
# A gradient may have the right length and be useless: if it points elsewhere at a neighbouring input, the steps for two images may undo each
# other.
#
# Take a random net $f(x)$ of *one* input, with ReLU and batch norm, and its slope $\partial f/\partial x$ along a line. One number tells: the
# **autocorrelation**, how well the slope at one point foretells that at the next; 1 is smooth, 0 is noise.
#
# Predict it for 50 layers.

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about 0: noise"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How well does the gradient at one point foretell that at the next?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.shattering_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **one layer**, then drag the depth up: the curve turns into noise. **residual, 50 layers** keeps half, **residual, α = 0.1** most. Then
# **without batch norm**: no shattering! Ask why. (Nothing is centred; all inputs become alike, and so do their gradients.) Untick *subtract
# the mean* to see how a mean can pass for correlation.

# %% [markdown] slideshow={"slide_type": "skip"}
# Autocorrelation at lag $k$: take the values minus their mean, multiply each with the one $k$ places on, add up, and divide by the sum of
# squares. The dashed band holds 19 of 20 values of white noise.

# %% slideshow={"slide_type": "skip"}
def autocorrelation(y: np.ndarray, lag: int) -> float:
    y = y - y.mean()
    return float((y[lag:] * y[: len(y) - lag]).sum() / (y * y).sum())


seen = experiments.shattered("residual with BN", 50)
assert abs(autocorrelation(seen.gradient, 1) - seen.correlation[1]) < 1e-12
noise = np.random.default_rng(0).standard_normal(256)
assert abs(autocorrelation(noise, 1)) < 0.15

# %% [markdown] slideshow={"slide_type": "skip"}
# **Why.** A gradient is a sum over the units that are on. With centred signals a unit is on with probability ½ for one of two unrelated
# inputs, and with ¼ for both: in each layer half of a gradient's paths are shared. So the correlation halves per layer, $2^{-L}$ (Balduzzi
# and others, 2017). This needs the centring that batch norm does:

# %% slideshow={"slide_type": "skip"}
for layers in (2, 4, 6):
    cosines = [
        np.mean([experiments.gradient_correlation(layers, norm, s) for s in range(3)])
        for norm in (True, False)
    ]
    print(f"{layers} layers: 2^-L = {2.0**-layers:.4f}, centred {cosines[0]:.4f}, not {cosines[1]:.4f}")
    assert abs(cosines[0] / 2.0**-layers - 1) < 0.5

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SHATTERED.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.PLAIN_SHATTER.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HALVING.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Judgement
#
# | said | judged |
# |---|---|
# | "hundreds of layers", no worry about vanishing | yes. The worry is explosion: the square grows by $1 + \alpha^2$ per block |
# | "the shortcut passes the gradient without loss" | if nothing stands behind the sum |
# | "not so unlucky as to be all $-1$" | in wide layers, at random; small branches make it sure |
# | "a loss on shallow layers" | is another remedy: deep supervision |
# | "clipping prevents explosion" | of the step, so that the net learns, later; not of the signal |
# | they "brought the ImageNet contest to its end" | no: it went on for two years, with residual blocks in both winners |

# %% [markdown] slideshow={"slide_type": "skip"}
# So the same article. Such nets won the contest in 2015 with 3.57% of top-5 errors (the right class is not among five guesses); the next two
# winners had 2.99% and 2.25%. After 2017 it was not held again.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - A block's way back is $\delta_{l-1} = (I + J)^\top\delta_l$; on average its square grows by $1 + \alpha^2\chi$: it can explode.
# - The gradient is a sum over $2^L$ paths; those that count have $L\alpha^2/(1+\alpha^2)$ branches, under batch norm a few.
# - The skip alone is not the cure. Skip **and** small branches are: $\alpha = 1/\sqrt L$, or batch norm in the branch.
# - End the branch in a weight matrix. Put nothing behind the sum.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, 2015; *Identity mappings in deep residual networks*, 2016.
# - Srivastava, Greff and Schmidhuber, *Highway networks*, 2015. Lee, Xie, Gallagher, Zhang and Tu, *Deeply-supervised nets*, 2015. Szegedy and
#   others, *Going deeper with convolutions*, 2015.
# - Veit, Wilber and Belongie, *Residual networks behave like ensembles of relatively shallow networks*, 2016.
# - Yang and Schoenholz, *Mean field residual networks: on the edge of chaos*, 2017. Balduzzi and others, *The shattered gradients problem: if resnets are the answer,
#   then what is the question?*, 2017. Yang and others, *A mean field theory of batch normalization*, 2019.
# - De and Smith, *Batch normalization biases residual blocks towards the identity function in deep networks*, 2020. Bachlechner and others,
#   *ReZero is all you need*, 2020. Yang, Yu, Zhu and Hayou, *Feature learning in infinite-depth neural networks*, 2023 (depth-μP).
# - Quoted in translation: a widely read Zhihu article and a lecture note, both on vanishing gradients.
