# %% [markdown] slideshow={"slide_type": "slide"}
# # 09 · Clipping and regularisation
#
# **What does clipping do to an exploding gradient, what can it not do, and is a penalty on the weights the same thing?**
#
# **You will do** walk off a cliff, turn a gradient by clipping it, save a recurrent net, and watch numbers overflow layer by layer.
#
# **You will learn** why explosion is a wall in the landscape, how the kinds of clipping differ, how to choose a threshold, and what penalties and limits on weights or
# slopes do instead.
#
# **You need** descent on a loss surface (chapter 01), the chain rule (02), initialisation (05), recurrent nets (08).
#
# **Time** 90 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *One unit that feeds itself* 2, *Predict: down to the cliff* 2, `cliff_lab` 9, *Why there is a wall*
# 3, *Clipping by norm* 2, *By value: another direction* 1, `angle_lab` 4, *What shares one norm?* 2, *What clipping
# cannot do* 2, *A net that diverges* 2, *Predict* 2, `rescue_lab` 6, *How to choose the threshold* 2, `norms_lab` 4,
# *Summary* 2.
#
# **90 minutes**: *One unit that feeds itself* 3, *Predict: down to the cliff* 3, `cliff_lab` 9, *Why there is a
# wall* 5, *Clipping by norm* 3, *By value: another direction* 2, `angle_lab` 5, *What shares one norm?* 3,
# `scopes_lab` 5, *What clipping cannot do* 3, *A net that diverges* 3, *Predict* 2, `rescue_lab` 7, *How to choose
# the threshold* 3, `norms_lab` 4, *Where it goes in a program* 2, *More than a guard* 3, `smoothness_lab` 4, `overflow_lab` 5, *Penalties and limits on the
# weights* 3, `penalty_lab` 4, *WGAN: limits of a third kind* 3, `critic_lab` 5, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import numpy as np
import torch

from vglib.clipping import check, claims, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One unit that feeds itself
#
# $$h_t = s(w\,h_{t-1} + b), \qquad h_0 = \tfrac12, \qquad L = (h_T - 0.7)^2$$
#
# A recurrent net ($s$ is the sigmoid): the output goes back in, $T$ times, with the *same* $w$ and $b$. Two parameters, so its loss is a landscape, and where $w > 4$
# it has a cliff. First, below that:

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Below $w = 4$: where does descent go?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.cliff_lab().preset("w below 4: no cliff")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: down to the cliff
#
# $T = 30$. Descent with step size 0.5, from $w = 5$, $b = -1.8$, comes down to the cliff. What happens there?
#
# - **A** it slides along the edge
# - **B** it finds the bottom
# - **C** it is thrown far away

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_cliff = ...  # "A", "B" or "C"
my_cliff = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_cliff(my_cliff)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What happens at the cliff?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.cliff_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# At **off the cliff** the orange path walks down the plain, touches the wall and is gone; the blue one takes the same steps until the threshold cuts in. The pink line
# is theory's wall, of the next slide. Drag **start b**: sometimes plain descent hops across unharmed. **Threshold too large** is none; **too small** is safe and
# creeps. The usual slip: "clipping finds the minimum".

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why there is a wall
#
# At every time step the chain rule multiplies by $w\,s'(z_t)$, where $z_t = w\,h_{t-1} + b$:
#
# $$\frac{\partial h_t}{\partial b} = s'(z_t)\left(1 + w\,\frac{\partial h_{t-1}}{\partial b}\right)$$
#
# On the line $b = -w/2$ the unit stays at $h_t = \tfrac12$, so every factor is $w\,s'(0) = w/4$:
#
# $$\frac{\partial h_T}{\partial b} = \frac14\,\frac{k^T - 1}{k - 1}, \qquad k = \frac w4 \ne 1$$
#
# $w > 4$: a wall as steep as $k^T$. To one side of it $h$ runs up, to the other down.

# %% [markdown] slideshow={"slide_type": "skip"}
# $z = w \cdot \tfrac12 - \tfrac w2 = 0$ and $s(0) = \tfrac12$: the unit reproduces itself. With $w > 4$ a small deviation grows by $k > 1$ a step (chapter 02's
# condition) and ends at a high or a low resting point; between the two regions the loss jumps.
#
# The formula is the geometric sum $\tfrac14 (1 + k + \dots + k^{T-1})$. The derivative by $w$ is half of it, since each step multiplies $w$ by
# $h = \tfrac12$. Autograd agrees:

# %% slideshow={"slide_type": "skip"}
def wall_gradient(w: float, T: int) -> float:
    k = w / 4
    by_b = 0.25 * (k**T - 1) / (k - 1)
    return 2 * (0.7 - 0.5) * np.hypot(by_b, by_b / 2)


for w, T in ((3.0, 30), (5.0, 10), (5.0, 30)):
    point = torch.tensor([w, -w / 2], dtype=torch.float64, requires_grad=True)
    h = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(T):
        h = torch.sigmoid(point[0] * h + point[1])
    (gradient,) = torch.autograd.grad((h - 0.7) ** 2, point)
    assert abs(gradient.norm() / wall_gradient(w, T) - 1) < 1e-9

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
for T in (10, 20, 30):
    print(f"T = {T}: on the wall {wall_gradient(5.0, T):6.1f} with w = 5, {wall_gradient(3.0, T):.2f} with w = 3")

# %% [markdown] slideshow={"slide_type": "skip"}
# On the wall the gradient shows the way down, but its length says nothing of how far the valley reaches. And the wall is thin, of a width like $k^{-T}$: a longer net
# has a steeper wall that is hit more seldom. So a run can look healthy for long before it explodes.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.WALL.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CLIFF_SAVED.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Clipping by norm
#
# $$g \;\leftarrow\; g \cdot \min\left(1, \frac{c}{\lVert g\rVert}\right)$$
#
# - a gradient longer than the threshold $c$ is shortened to $c$; its direction stays;
# - a shorter one stays as it is;
# - no step of plain descent is longer than step size times $c$.
#
# (Pascanu, Mikolov and Bengio, 2013.)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: clip
#
# Return the array `g` clipped by norm at `c`. Zeros stay.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def clip(g: np.ndarray, c: float) -> np.ndarray:
    # BEGIN SOLUTION
    length = np.linalg.norm(g)
    return g * min(1.0, c / length) if length > 0 else g
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.clip(clip)

# %% [markdown] slideshow={"slide_type": "skip"}
# torch's `clip_grad_norm_` does the same, but adds a millionth to the norm. `clip_grad_value_` puts each entry into $[-c, c]$ by itself.

# %% slideshow={"slide_type": "skip"}
def by_norm(g: torch.Tensor, c: float) -> torch.Tensor:
    return g * (c / (g.norm() + 1e-6)).clamp(max=1)


def by_value(g: torch.Tensor, c: float) -> torch.Tensor:
    return g.clamp(-c, c)


p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
for rule, of_torch in ((by_norm, "clip_grad_norm_"), (by_value, "clip_grad_value_")):
    g = p.grad = torch.tensor([0.9, 100.0], dtype=torch.float64)
    expected = rule(g, 1.0)
    getattr(torch.nn.utils, of_torch)([p], 1.0)
    assert torch.allclose(p.grad, expected, rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## By value: another direction
#
# The gradient is $(0.9,\ 100)$, the threshold 1.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What is left of the gradient's direction?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.angle_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Drag the threshold and follow the pink point. **On the diagonal** both rules agree. The usual slip: by value at 1 allows the length $\sqrt n$, not 1.

# %% [markdown] slideshow={"slide_type": "skip"}
# The **cosine** of the angle between two vectors; 1 means the same direction:
#
# $$\cos(g, g') = \frac{g \cdot g'}{\lVert g\rVert\,\lVert g'\rVert}$$
#
# For $g = (0.9, 100)$ and $g' = (0.9, 1)$ it is $100.81 / (100.004 \cdot 1.345) = 0.749$: 41 degrees.
#
# With a threshold below the size of *every* entry only their signs are left, and the cosine becomes
#
# $$\frac{\sum_i |g_i|}{\sqrt n\,\lVert g\rVert} = \frac{\text{mean}\,|g|}{\sqrt{\text{mean}\,g^2}}$$
#
# For many entries from a bell curve that is $\sqrt{2/\pi} = 0.80$; at worst, when one entry holds nearly all, nearly $1/\sqrt n$. But no entry changes its sign, so
# $g \cdot g' \ge 0$: it still points downhill, not the steepest way.

# %% slideshow={"slide_type": "skip"}
def cosine(g: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return g @ other / (g.norm() * other.norm())


g = torch.tensor([0.9, 100.0], dtype=torch.float64)
assert abs(cosine(g, by_value(g, 1.0)) - 0.749) < 5e-4
assert abs(cosine(g, by_norm(g, 1.0)) - 1) < 1e-12
many = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) ** 3
signs = cosine(many, by_value(many, 1e-12))
assert abs(signs - many.abs().mean() / many.square().mean().sqrt()) < 1e-9
assert many @ by_value(many, 0.1) > 0

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.VALUE_TURNS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SIGNS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What shares one norm?
#
# - **whole**: one factor for all the layers;
# - **each layer**: a factor for each;
# - **groups**: the optimiser's parameter groups, here the hidden layers and the output layer;
# - **each entry**: by value;
# - **each unit, by its weights**: at the share $c$ of the norm of its weights (adaptive clipping; more below).
#
# A tanh net of 20 layers, at twice Glorot's scale, has a gradient of norm 34, clipped at 1. Predict: which of the first four keep the whole gradient's direction? Which keep
# the ratio between the layers?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "both: only the whole norm; groups keep them within a group"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Who keeps the direction, and who the ratio between the layers?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.scopes_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets in order. **Each layer** flattens the curve and gives up the direction. **Each unit, c = 0.01**: the orange line is what the weights allow.
# **Sigmoid, vanishing**: nothing is above the threshold. With **tiny c** the ratio
# improves, by slowing the layers that learn. The usual slip: calling per-layer clipping "the same, only finer".

# %% [markdown] slideshow={"slide_type": "skip"}
# Within a layer the three norm rules keep the direction; the right panel drops for *each entry* only. Between the layers, where something is clipped:
#
# | rule | whole direction | ratio between layers | length at most |
# |---|---|---|---|
# | whole norm | kept | kept | $c$ |
# | each layer | turned | evened out above $c$ | $c\sqrt{\text{layers}}$ |
# | groups | kept within each group | kept within each group | $c\sqrt{\text{groups}}$ |
# | each entry | turned | evened out in part | $c\sqrt{\text{entries}}$ |
# | each unit, by its weights | turned | evened out, towards that of the weights | $c$ times the norm of all weights |
#
# In torch it is what you pass together:

# %% slideshow={"slide_type": "skip"}
from torch.nn.utils import clip_grad_norm_

net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
(1000 * net(torch.ones(1, 4))).sum().backward()
for layer in (net[0], net[2]):
    clip_grad_norm_(layer.parameters(), 1.0)  # each layer
both = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
assert 1.0 < both <= 2**0.5 + 1e-5
clip_grad_norm_(net.parameters(), 1.0)  # the whole
assert torch.cat([p.grad.flatten() for p in net.parameters()]).norm() <= 1 + 1e-5

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: clip the whole
#
# Given the norms of the layers' gradients, return those after the *whole* gradient was clipped at `c`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def clip_whole(norms: list[float], c: float) -> list[float]:
    # BEGIN SOLUTION
    factor = min(1.0, c / np.sqrt(sum(n**2 for n in norms)))
    return [factor * n for n in norms]
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.clip_whole(clip_whole)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What clipping cannot do
#
# $$\min\left(1, \frac{c}{\lVert g\rVert}\right) \le 1$$
#
# Nothing gets larger. Clipped at 1, a gradient of norm $10^{-8}$ stays as it is.
#
# An article of 2023 puts clipping first of nine measures: it "mainly limits the size of the gradient's values, so that the gradient becomes
# neither too large nor too small".

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask for a rule that *would* lengthen a short gradient (dividing by the norm), and what it does to the ratio between the layers (nothing: one factor for all).

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TOO_SMALL.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.DEEP_SIGMOID.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A net that diverges
#
# Chapter 08's adding task and its IRNN, ReLUs whose $W$ starts as the identity: $h_t = \mathrm{relu}(W h_{t-1} + U x_t + b)$ ($W$ and $U$ for $W_h$ and $W_{in}$).
#
# $$\delta_{t-1} = W^\top \delta_t \quad\text{(where the units are on)}$$
#
# With $W = I$ the gradient reaches the first time step undiminished. One step of descent later $W$ is no longer the identity.

# %% [markdown] slideshow={"slide_type": "skip"}
# As in chapter 08 the gradient of $W$ is a *sum* over time:
#
# $$\frac{\partial L}{\partial W} = \sum_t \delta_t\, h_{t-1}^\top$$
#
# Its $T$ terms point much the same way, so a step of ordinary size moves $W$ a good deal, and the signal goes through $W$ $T$ times. Hence the quick explosion.

# %% slideshow={"slide_type": "skip"}
generator = torch.Generator().manual_seed(0)
W = torch.eye(6, dtype=torch.float64, requires_grad=True)
U = torch.rand(6, 2, dtype=torch.float64, generator=generator)
x = torch.rand(20, 2, dtype=torch.float64, generator=generator)
h, zs, hs = torch.zeros(6, dtype=torch.float64), [], []
for x_t in x:
    hs.append(h)
    zs.append(W @ h + U @ x_t)
    h = torch.relu(zs[-1])
L = (h.sum() - 1) ** 2
*deltas, by_W = torch.autograd.grad(L, [*zs, W])
assert all(torch.allclose(d, deltas[-1], rtol=1e-12) for d in deltas)
assert torch.allclose(by_W, sum(torch.outer(d, h) for d, h in zip(deltas, hs)), rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# A widely read Zhihu article says of L1 and L2 (penalties on the size of the weights, below): "if the gradient explodes, the norm of the weights becomes very large;
# through the regularisation term the explosion can be limited in part." So: **weight decay**, in plain descent the same step as L2. Each step takes the share
# $\eta\lambda$ off each weight ($\eta$ is the step size; biases are left alone):
#
# $$w \leftarrow w - \eta\, g - \eta\lambda\, w$$
#
# The IRNN, 50 time steps, $\eta = 0.01$. With which decay does it survive?
#
# - **A** $\lambda = 0.01$
# - **B** $\lambda = 1$
# - **C** neither

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_decay = ...  # "A", "B" or "C"
my_decay = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_decay(my_decay)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **With which decay does it survive?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.rescue_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The orange and the pink run lie on each other. Drag the decay up until they part; at 10 it holds. Ask who of the two that live has learnt (neither: both answer 1).
# Then **ten steps: nothing to save**, where clipping costs nothing, and **ten steps, large step size**. "Dies": one huge step switched every ReLU off for good; the
# loss looks harmless, the recurrent weights' gradient is exactly 0. The usual slip: looking for NaN only.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_DECAY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BIG_WEIGHTS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# The order matters: where the gradient peaks, at 310 to 12,000, the weights still have the norm of their start (to a thousandth; 50 time steps, $\eta = 0.01$, seeds 0
# to 6). A penalty on them hears of the explosion one step late.

# %% [markdown] slideshow={"slide_type": "skip"}
# And more decay? Over 50 time steps $\lambda = 10$ holds the net through the claims' 200 steps, with a loss of 0.15 to 0.18; clipped, it has 0.18 to 0.22 (seeds 0 to
# 4). Always answering 1 has 0.167: alive is not yet trained. Ten time steps, $\eta = 0.1$ (most plain nets are lost within five steps) and 2000 steps tell the two
# apart:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.STRONG_DECAY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.RESCUE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.VALUE_HOLDS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.PREVENTS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to choose the threshold
#
# **Log the norm before clipping**, look at its histogram, then choose.
#
# The IRNN again, clipped at 1. Predict: what share of its steps is clipped?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "nine in ten: the median norm is far above 1"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What share of the steps is clipped?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.norms_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Clip nearly all**: descent with a fixed step length. **Clip the tail only**: the usual advice. **Too late**: the threshold lies above a healthy run's norms, and
# the first outlier kills. The usual slip: reading the norm *after* clipping, which is $c$.

# %% [markdown] slideshow={"slide_type": "skip"}
# The run depends on the threshold too: compare the medians of the first and the third preset. So choose, run, look again.
#
# - `clip_grad_norm_` *returns* the norm before clipping. Log it.
# - If nearly all steps are clipped, they have the length $\eta c$; if hardly any is, the threshold guards against rare outliers.
#
# A threshold depends on the size of the net, on the loss and on whether it sums or averages over the batch. Pascanu, Mikolov and Bengio found that from half to ten
# times the average norm training "can still" converge, perhaps at another speed. A slow claim tries it (`half-to-ten-times-the-average-norm`, in `make test-long`):
# with ten time steps, $\eta = 0.1$ and 2000 steps, four of five such thresholds end below half the loss of always answering 1 (median of seeds 0 to 4); the one that
# fails is five or ten times the average.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where it goes in a program
#
# 1. `loss.backward()`, for all parts of the batch if you accumulate;
# 2. where gradients were multiplied up for float16 (chapter 12): divide again;
# 3. `clip_grad_norm_(net.parameters(), c)`;
# 4. `optimizer.step()`.
#
# The optimiser's weight decay comes in 4, so it is not clipped. Momentum and Adam see clipped gradients, and their steps have a length of their own.

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask what happens when 2 and 3 change places. (The norm is thousands of times too large: every step is clipped.)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: find the flaw
#
# 1. Clipping by norm multiplies a batch's gradient with a positive factor.
# 2. So every step goes in the direction of its own batch's gradient.
# 3. The gradient of all data is the average of the gradients of its (equally large) batches.
# 4. So, on average over the batches, the clipped step goes in the direction of the gradient of all data.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3 or 4
flaw = 4
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## More than a guard
#
# Descent may step as far as the curvature allows: less than $2/L''$. On $L = x^4/4$ both go with the place,
#
# $$g = x^3, \qquad L'' = 3 x^2 = 3\,|g|^{2/3}$$
#
# steep and curved outside, flat in the middle. From $x = 10$ to $|x| < 0.1$, plain descent, the best **fixed** step. Clipped at 1 with step 0.5 it takes some 110 steps. Predict,
# without clipping:
#
# - **A** about as many
# - **B** a few hundred
# - **C** thousands

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_step = ...  # "A", "B" or "C"
my_step = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_step(my_step)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Can one step size suit the steep place and the flat one?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.smoothness_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left first: at 0.5 the orange run flies off at once. **The largest fixed step** goes out of the start quickly and creeps ever after. Then the right panel: pink rises, grey (this chapter's wall)
# rises steeper, and green, a real net, is a cloud: curved wherever it is. The usual slip: taking x⁴/4 for every net.

# %% [markdown] slideshow={"slide_type": "skip"}
# Far out a clipped step has the length $\eta c$, near the middle it is a plain one: one setting for both. Zhang and others (2020) prove for landscapes with
# $L'' \le L_0 + L_1 \lVert g\rVert$ that no bound holds to how much longer a fixed step may take. They see curvature go with the gradient in an LSTM on text, and in a ResNet (a residual net) once it is
# clipped and takes large steps; trained as usual, the ResNet shows none of it. On the right is our IRNN, along a clipped training.

# %% slideshow={"slide_type": "skip"}
x = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
(g,) = torch.autograd.grad(x**4 / 4, x, create_graph=True)
(curvature,) = torch.autograd.grad(g, x)
assert torch.allclose(curvature, 3 * g.abs() ** (2 / 3), rtol=1e-12)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.FIXED.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.GROWS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: a threshold that goes with the weights
#
# **Adaptive clipping** (Brock and others, 2021) shortens the gradient of each unit, a row $g_i$ of the matrix, to $c$ times the norm of its weights $w_i$, in every layer but the last; $c$ is 0.01 for
# large batches and may be larger for small ones:
#
# $$g_i \leftarrow g_i \cdot \min\left(1,\ c\,\frac{\max(\lVert w_i\rVert,\ 0.001)}{\lVert g_i\rVert}\right)$$
#
# Return the clipped matrix. Rows of zeros stay.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def adaptive_clip(w: np.ndarray, g: np.ndarray, c: float) -> np.ndarray:
    # BEGIN SOLUTION
    allowed = c * np.maximum(np.linalg.norm(w, axis=1), 0.001)
    length = np.maximum(np.linalg.norm(g, axis=1), 1e-300)
    return g * np.minimum(1, allowed / length)[:, None]
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.adaptive_clip(adaptive_clip)

# %% [markdown] slideshow={"slide_type": "skip"}
# So no step of plain descent changes the weights of a unit by more than the share $\eta c$, whatever the loss: a tenth of a percent at $\eta = 0.1$. (Not so where
# weights are shorter than 0.001; and the authors leave the last layer unclipped.)

# %% slideshow={"slide_type": "skip"}
w, g = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
g = 1e6 * g
for i in range(5):
    g[i] *= min(1.0, 0.01 * max(w[i].norm(), 0.001) / g[i].norm())
change = (0.1 * g).norm(dim=1) / w.norm(dim=1)
assert torch.allclose(change, torch.full((5,), 0.001, dtype=torch.float64), rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# The share $\eta c$ also says why the threshold does not choose itself: at another step size another one is right. The claim trains at four step sizes, with `make test-long`:

# %% slideshow={"slide_type": "skip"}
print(f"{claims.ADAPTIVE.source}: {claims.ADAPTIVE.says}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Overflow, as it happens
#
# Ten ReLU layers, He's initialisation, float32, a step size of 1, no clipping. In chapter 05 the start overflowed; here training makes it: `inf`, then NaN.
#
# Predict: after how many steps comes the first `inf`, and in which layer?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "after a handful of steps, in a layer in the middle"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **After how many steps comes the first `inf`, and in which layer?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.overflow_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Read the left panel upwards: three steps before, two, one, gone. The exponent itself grows exponentially: ten grown matrices make a gradient that makes them grow
# again. **He, twenty layers**, then **the same in float64**: eight times the exponent buys one step more. The usual slip: blaming the loss, which is only the first to
# be printed.

# %% [markdown] slideshow={"slide_type": "skip"}
# Clipping must come *before* the overflow. With an infinite entry the norm is infinite, the factor 0, and $0 \cdot \infty$ is NaN:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
p = torch.nn.Parameter(torch.zeros(3))
for entries in ([3.0, float("inf"), -4.0], [1e20, 1e20, 0.0]):
    p.grad = torch.tensor(entries)
    norm = clip_grad_norm_([p], 1.0)
    print(f"{entries} has norm {norm.item()} and becomes {[abs(g) for g in p.grad.tolist()]}")

# %% [markdown] slideshow={"slide_type": "skip"}
# In the second line the entries are finite, but in float32 their squares are not, and the step is silently lost. `error_if_nonfinite=True` makes both an error.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NAN.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Penalties and limits on the weights
#
# | | added to the loss | its gradient | what it does |
# |---|---|---|---|
# | **L2** | $\frac\alpha2 \sum w_i^2$ | $\alpha\, w_i$ | shrinks in proportion |
# | **L1** | $\alpha \sum \lvert w_i\rvert$ | $\alpha\,\mathrm{sign}\, w_i$ | the same force on all; its minimum has exact zeros |
# | **max-norm** | nothing | none | after each step: $w \leftarrow w \min(1, r/\lVert w\rVert)$ |
#
# Max-norm is clipping by norm, of weights: usually of those that enter one unit.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which penalty makes a weight exactly 0?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.penalty_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Drag **size of the goal**: only one line goes flat. Then **L1 makes a zero**; ask why L2 never does (its force dies with the weight).

# %% [markdown] slideshow={"slide_type": "skip"}
# The loss here is $\sum_i \frac{a_i}{2} (w_i - g_i)^2$: unpenalised, each weight goes to its goal $g_i$. With L2 the slope is 0 where $a (w - g) + \alpha w = 0$, so
#
# $$w = \frac{a}{a + \alpha}\, g$$
#
# a fixed share of the goal, however far it is: no threshold.

# %% slideshow={"slide_type": "skip"}
def l2(w: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    return alpha / 2 * (w**2).sum(), alpha * w


def l1(w: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    return alpha * w.abs().sum(), alpha * w.sign()


w = torch.tensor([1.5, -0.2, 3.0], dtype=torch.float64, requires_grad=True)
for penalty in (l2, l1):
    value, formula = penalty(w, 0.1)
    (gradient,) = torch.autograd.grad(value, w)
    assert torch.allclose(gradient, formula, rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: L1 by hand
#
# Return the $w$ that minimises $\frac a2 (w - g)^2 + \alpha |w|$, for $a > 0$ and $\alpha \ge 0$ (`goal` is $g$, `strength` is $\alpha$).

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def soft(goal: float, a: float, strength: float) -> float:
    # BEGIN SOLUTION
    return np.sign(goal) * max(abs(goal) - strength / a, 0.0)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.soft(soft)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### What `tf.nn.l2_loss` leaves out
#
# The Zhihu article writes the penalty as $\alpha\lVert W\rVert^2$ and, where the net was built without one, computes it as
#
# `tf.add_n([tf.nn.l2_loss(var) for var in tf.trainable_variables() if 'weights' in var.name])`
#
# By its documentation `l2_loss(t)` is `sum(t ** 2) / 2`: half of the squared norm, without $\alpha$. And a layer that calls its matrix "kernel" goes unpenalised
# without a word.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.L2_LOSS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.L2_THRESHOLD.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# With Adam L2 in the loss and weight decay are no longer the same step: L2's gradient is divided by Adam's scale (chapter 10), decay is not (Loshchilov and Hutter,
# 2019, "AdamW").

# %% [markdown] slideshow={"slide_type": "slide"}
# ## WGAN: limits of a third kind
#
# In a **WGAN** one net makes fake points and another, the critic $f$, tells them from real ones: it raises
# $\text{mean}\, f(\text{real}) - \text{mean}\, f(\text{fake})$, without end unless its slope is limited.
#
# Wanted: $|f'(x)| \le 1$ everywhere, the **Lipschitz condition** with constant 1. Then the best difference is a distance: how far, on average, the fake points must be
# carried to the real ones.
#
# Predict which hold the slope: clip the *weights*, penalise the *slope*, clip the *gradient* by the weights.

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "the first bounds it, the second holds it near 1, the third does not"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the three holds the slope?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.critic_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Set ±0.1 and move the depth: a product of layers again. **Gradient penalty**: near 1, whatever the weights do. **Gradient clipping**: the slope runs away; clipping
# limits the speed and not where it goes. The usual slip: taking the penalty's gradient for one by the weights.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### What weight clipping allows
#
# A layer of $n$ units with weights within $\pm c$, fed by $n$ units of slope $p$ each, has slopes up to $c\,n\,p$. The first layer has $c$, so a critic with $d$ hidden layers reaches at most
#
# $$c\,(c\,n)^d$$
#
# and in the lab training drives nearly all weights to $\pm c$. Below $c = 1/n$ the bound vanishes with the depth, above it explodes.
#
# ### What the penalty allows
#
# With slope $k$ between real and fake points a distance $D$ apart, the critic gains $k D$ and pays $\lambda (k - 1)^2$. Slope 0 at $D = 2\lambda(k-1)$:
#
# $$k = 1 + \frac{D}{2\lambda}$$
#
# Both are dashed in the lab.

# %% slideshow={"slide_type": "skip"}
def steepest(c: float, n: int, depth: int) -> float:
    return c * (c * n) ** depth


def penalised_slope(distance: float, lam: float) -> float:
    return 1 + distance / (2 * lam)


c, n, depth = 0.1, 16, 3
x = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
h = x
for fan_in, fan_out in ((1, n), (n, n), (n, n), (n, 1)):
    h = torch.full((fan_out, fan_in), c, dtype=torch.float64) @ h
    h = torch.nn.functional.leaky_relu(h, 0.2) if fan_out > 1 else h

# %% slideshow={"slide_type": "skip"}
(slope,) = torch.autograd.grad(h, x)
assert abs(slope.item() / steepest(c, n, depth) - 1) < 1e-12
k = torch.tensor(penalised_slope(3.0, 10.0), dtype=torch.float64, requires_grad=True)
(flat,) = torch.autograd.grad(3.0 * k - 10.0 * (k - 1) ** 2, k)
assert abs(flat) < 1e-12

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.WGAN.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.WEIGHT_CLIPPING.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.PENALTY_SLOPE.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Who limits what
#
# | | limits | leaves free |
# |---|---|---|
# | gradient clipping by norm | the length of a plain step | the gradient, the weights, small gradients |
# | by value | each entry of a step | the direction |
# | L2, weight decay, L1 | pulls weights to 0, slowly | any single step |
# | max-norm | the norm of the weights | the gradient |
# | weight clipping (WGAN) | each weight; the slope by $c\,(cn)^d$ | the slope's true size |
# | gradient penalty (WGAN-GP) | the slope by the *input*, near 1 | the weights, the step |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Where a net explodes, its loss has a wall: in the one-unit net thin, and as steep as a factor to the power of $T$.
# - Clipping by norm bounds the gradient and keeps its direction. By value it turns it.
# - What vanishes it does not touch; what has overflowed it cannot repair.
# - Weight decay works at the rate $\eta\lambda$ a step. In the IRNN a common one comes too late for the explosion; those tried that are quick enough stop the learning
#   too.
# - Log the norm before clipping, then choose the threshold.
# - Where curvature grows with the gradient, a clipped step also beats the best fixed one.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, 2013 (wall, clipping by norm, threshold). Mikolov, PhD thesis, 2012 (clipping by value). Le, Jaitly and Hinton, *A simple way to initialize recurrent networks of rectified
# linear units*, 2015 (the IRNN). Hochreiter and Schmidhuber, *Long short-term memory*, 1997 (the adding task). Srebro and Shraibman 2005, Srivastava et al. 2014 (max-norm). Arjovsky, Chintala and Bottou, *Wasserstein GAN*, 2017. Gulrajani et al., *Improved training of Wasserstein GANs*, 2017.
# Zhang, He, Sra and Jadbabaie, *Why gradient clipping accelerates training*, 2020. Brock, De, Smith and Simonyan, *High-performance large-scale image recognition without normalization*, 2021 (adaptive clipping).
# Loshchilov and Hutter, *Decoupled weight decay regularization*, 2019. Quoted: a widely read Zhihu article, an article of 2023, a Medium article, in translation.
