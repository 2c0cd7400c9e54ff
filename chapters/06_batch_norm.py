# %% [markdown] slideshow={"slide_type": "slide"}
# # 06 · Batch norm
#
# **Batch norm is said to cure vanishing and exploding gradients. What does it cure, and what does it cause?**
#
# **You will do** take its backward pass apart, try it on twenty sigmoid layers and on fifty ReLU layers, and take one
# bold step.
#
# **You will learn** what batch norm standardises, why the size of a weight stops mattering, and where the number
# $\pi/(\pi-1)$ comes from.
#
# **You need** the recursion for δ (chapter 02), sigmoid and ReLU (03 and 04), the variance of a sum and χ (05).
#
# **Time** 90 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *What is said* 2, `unit_lab` 4, *Forward* 2, *Backward, in three steps* 4, *It does not see the size
# of W* 3, *Who rescues twenty sigmoid layers?* 2, `rescue_lab` 6, *Predict: fifty ReLU layers* 3, `explosion_lab` 9,
# *Predict: one bold step* 2, `steps_lab` 5, *When it breaks* 1, *Judgement* 1, *Summary* 1.
#
# **90 minutes**: *What is said* 3, `unit_lab` 6, *Forward* 4, *Backward, in three steps* 6, *It does not see the size
# of W* 4, *Training and evaluation* 3, `running_lab` 4, `places_lab` 6, *Does it make predictions slower?* 3, *Who
# rescues twenty sigmoid layers?* 3, `rescue_lab` 7, *Predict: fifty ReLU layers* 3, `explosion_lab` 10, *Where
# $\pi/(\pi-1)$ comes from* 6, *Predict: one bold step* 3, `steps_lab` 6, *When it breaks* 2, `breaking_lab` 5,
# `norms_lab` 4, *Judgement* 1, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
from math import exp, log, pi, sqrt

import numpy as np
import torch
from torch.nn import functional as F

from vglib.batch_norm import check, experiments, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What is said
#
# - "BatchNormalization hopes to **standardise the weights**." (a lecture note)
# - It "forcibly pulls the distribution back to **close to a standard normal**" and "makes the gradient larger, **avoiding
#   vanishing gradients**." (a widely read Zhihu article)
# - "For other types of networks, BN is usually **enough**" against explosion, but "predictions become **slower**."
#   (a Medium article)
# - "In some cases" it can be used "**in place of the activation** function." (an article of 2023)
#
# Each will stand trial. First, one unit, its mean and its spread over the batch.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What will two heaps look like afterwards?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.unit_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Guesses first: many expect a bell. Then **one outlier**: a single sample squeezes all others. **γ and β undo it**:
# they can put everything back. **A batch of 8**: the measured mean is not the true one; Reseed.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Forward
#
# One unit has the pre-activations $z_1, \dots, z_B$, one for each of the batch's samples.
#
# $$m = \frac1B \sum_i z_i, \qquad v = \frac1B \sum_i (z_i - m)^2, \qquad u_i = \frac{z_i - m}{\sqrt{v + \epsilon}}$$
#
# $$\mathrm{BN}(z_i) = \gamma\, u_i + \beta$$
#
# Each unit has its own $m$ and $v$, from the batch, and its own $\gamma$ and $\beta$, which learn. ($\epsilon = 10^{-5}$
# avoids 0/0.)


# %% slideshow={"slide_type": "skip"}
def batch_norm(z: torch.Tensor, gamma: float = 1.0, beta: float = 0.0) -> torch.Tensor:
    m, v = z.mean(0), z.var(0, correction=0)
    return gamma * (z - m) / torch.sqrt(v + 1e-5) + beta


generator = torch.Generator().manual_seed(0)
z = 3 + 2 * torch.randn(32, 5, generator=generator, dtype=torch.float64)
expected = F.batch_norm(z, None, None, training=True)
assert torch.allclose(batch_norm(z), expected, rtol=1e-12)
assert torch.allclose(batch_norm(z, 0.5, -1.0), 0.5 * expected - 1, rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# So it sets mean and variance. A shift and a scale change no shape: a bell stays a bell, two heaps stay two heaps.
# The mean of $u^4$ tells: a normal distribution has 3, a coin of $\pm 1$ has 1.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
from vglib.batch_norm import claims

claims.STANDARD_NORMAL.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Backward, in three steps
#
# $z_j$ reaches *every* $u_i$ of the batch: directly, through $m$ and through $s = \sqrt{v+\epsilon}$.
#
# $$\frac{\partial m}{\partial z_j} = \frac1B, \qquad
# \frac{\partial s}{\partial z_j} = \frac{z_j - m}{B\,s} = \frac{u_j}{B}$$
#
# $$\frac{\partial u_i}{\partial z_j} = \frac1s \left( [i = j] - \frac1B - \frac{u_i u_j}{B} \right)$$
#
# ($[i = j]$ is 1 if $i = j$, else 0.) With $g_i = \partial L/\partial u_i$ and the mean over the batch written as a bar:
#
# $$\boxed{\ \frac{\partial L}{\partial z_j} = \frac1s \left( g_j - \overline{g} - u_j\, \overline{u g} \right)\ }$$

# %% [markdown] slideshow={"slide_type": "skip"}
# **Step 1.** $m$ is an average, so each $z_j$ counts for $1/B$.
#
# **Step 2.** $s^2 = \frac1B \sum_i (z_i - m)^2 + \epsilon$. Differentiate:
# $2 s\, \partial s/\partial z_j = \frac2B (z_j - m)$; the terms with $\partial m/\partial z_j$ cancel, for the
# deviations add up to 0.
#
# **Step 3.** The quotient rule for $u_i = (z_i - m)/s$: the numerator gives $([i=j] - 1/B)/s$, the denominator
# $-(z_i - m)/s^2 \cdot u_j/B = -u_i u_j/(Bs)$.
#
# Then the chain rule sums over $i$: $\sum_i g_i\, \partial u_i/\partial z_j$. In words: take out the gradient's
# **mean** and its part **along u**, then divide by the spread. The two parts would shift a unit on all samples, and
# stretch it: batch norm makes both impossible.


# %% slideshow={"slide_type": "skip"}
def jacobian(z: torch.Tensor) -> torch.Tensor:
    u, B = batch_norm(z), len(z)
    s = torch.sqrt(z.var(correction=0) + 1e-5)
    return (torch.eye(B, dtype=z.dtype) - 1 / B - torch.outer(u, u) / B) / s


def batch_norm_backward(g: torch.Tensor, u: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return (g - g.mean(0) - u * (u * g).mean(0)) / s


found = torch.autograd.functional.jacobian(batch_norm, z[:, 0])
assert torch.allclose(jacobian(z[:, 0]), found, rtol=1e-10, atol=1e-12)

# %% slideshow={"slide_type": "skip"}
leaf = z.clone().requires_grad_()
g = torch.randn(32, 5, generator=generator, dtype=torch.float64)
(by_autograd,) = torch.autograd.grad(batch_norm(leaf), leaf, g)
s = torch.sqrt(z.var(0, correction=0) + 1e-5)
by_hand = batch_norm_backward(g, batch_norm(z), s)
assert torch.allclose(by_hand, by_autograd, rtol=1e-10, atol=1e-12)
assert by_hand.sum(0).abs().max() < 1e-12  # its mean is gone

# %% [markdown] slideshow={"slide_type": "skip"}
# $\gamma$ and $\beta$ come after $u$. With $g'_i$ the gradient by $\gamma u_i + \beta$: $g_i = \gamma g'_i$, the gradient
# of $\gamma$ is $\sum_i u_i\, g'_i$, and that of $\beta$ is $\sum_i g'_i$.
#
# ### Exercise 1: RMS norm
#
# RMS norm (root mean square) leaves the mean alone: $u = z / r$ with $r = \sqrt{\overline{z^2}}$, for one vector `z`.
# Return $\partial L/\partial z$ from `grad` $= \partial L/\partial u$. (No ε.)


# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def rms_backward(grad: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    # BEGIN SOLUTION
    r = z.square().mean().sqrt()
    u = z / r
    return (grad - u * (u * grad).mean()) / r
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.rms_backward(rms_backward)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## It does not see the size of W
#
# $u$ does not change when $z$ is multiplied by $c$. So for $z = Wx$, up to ε:
#
# $$\mathrm{BN}(cWx) = \mathrm{BN}(Wx), \qquad \frac{\partial L}{\partial (cW)} = \frac1c\, \frac{\partial L}{\partial W}$$
#
# Moving along $W$ changes nothing: the gradient is at a **right angle** to each unit's weights $w$.
#
# $$\langle w, \tfrac{\partial L}{\partial w} \rangle = 0 \quad\Longrightarrow\quad
# \lVert w - \eta\, \tfrac{\partial L}{\partial w} \rVert^2 = \lVert w \rVert^2 + \eta^2 \lVert \tfrac{\partial L}{\partial w} \rVert^2$$
#
# Under plain descent with the step size $\eta$ the weights can only **grow**, and their gradients then shrink.


# %% slideshow={"slide_type": "skip"}
def layer_gradient(c: float) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = experiments.images(64, seed=0)
    layer = experiments.build(depth=1, width=50, weight_scale=c)
    W = layer.weights[0].clone().requires_grad_()
    logits = torch.relu(batch_norm(x @ W.T)) @ layer.weights[1].T
    return W.detach(), torch.autograd.grad(F.cross_entropy(logits, y), W)[0]


(W, G), (W10, G10) = layer_gradient(1.0), layer_gradient(10.0)
print(f"gradient for 10 W over gradient for W: {G10.norm() / G.norm():.4f}")
angle = (W * G).sum(1) / (W.norm(dim=1) * G.norm(dim=1))
stepped = (W - 0.5 * G).norm() ** 2
assert angle.abs().max() < 1e-3 and abs(stepped / (W.norm() ** 2 + 0.25 * G.norm() ** 2) - 1) < 1e-5

# %% [markdown] slideshow={"slide_type": "skip"}
# So batch norm does not standardise the weights: then $W$ and $10W$ would have the same gradient.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NORMALISES_WEIGHTS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Training and evaluation
#
# In training a sample's output depends on its batch mates. To predict one image there is no batch, so the layer keeps
# **running averages**, with the **momentum** $a$ (torch: 0.1):
#
# $$\hat m \leftarrow (1 - a)\, \hat m + a\, m, \qquad \hat v \leftarrow (1 - a)\, \hat v + a\, \tfrac{B}{B-1}\, v$$
#
# After $t$ steps the start counts for $(1-a)^t$. Once settled, $\hat m$ scatters by $\sigma \sqrt{\frac{a}{(2 - a) B}}$, where
# $\sigma$ is the true spread of $z$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What does a small momentum cost, and what a large one?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.running_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Slow**: 150 steps and not there yet. **No memory**: the last batch alone. **The layer before learns**: the average
# lags. The usual slip: Keras counts the other way round, its 0.99 is torch's 0.01.

# %% [markdown] slideshow={"slide_type": "skip"}
# ($B/(B-1)$ makes up for measuring the spread around the batch's own mean.) Why that scatter?
# $\hat m = a\, m_t + a(1-a)\, m_{t-1} + a(1-a)^2 m_{t-2} + \dots$, and variances of independent terms add:
# $\frac{\sigma^2}{B}\, a^2 \left(1 + (1-a)^2 + (1-a)^4 + \dots\right) = \frac{\sigma^2}{B}\, \frac{a^2}{1 - (1-a)^2} = \frac{\sigma^2}{B}\,\frac{a}{2-a}$.


# %% slideshow={"slide_type": "skip"}
def scatter(sigma: float, momentum: float, batch: int) -> float:
    return sigma * sqrt(momentum / ((2 - momentum) * batch))


layer = torch.nn.BatchNorm1d(4000, dtype=torch.float64)  # 4000 units: as many trials
first = torch.randn(16, 4000, generator=generator, dtype=torch.float64)
layer(first)
assert torch.allclose(layer.running_mean, 0.1 * first.mean(0), rtol=1e-12)
assert torch.allclose(layer.running_var, 0.9 + 0.1 * first.var(0), rtol=1e-12)
for _ in range(60):
    layer(torch.randn(16, 4000, generator=generator, dtype=torch.float64))
assert abs(layer.running_mean.std() / scatter(1.0, 0.1, 16) - 1) < 0.05

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: when has it settled?
#
# At momentum 0.05, after how many steps does the start count for less than a hundredth?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB steps = ...
steps = 90
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.settle(steps)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Before or after the activation?
#
# The Medium article's model for 28 x 28 images, in Keras (`Dense` is a layer):
#
# ```python
# Flatten(), BatchNormalization(), Dense(300, relu), BatchNormalization(),
# Dense(100, relu), BatchNormalization(), Dense(10, softmax)
# ```
#
# "An operation *before or after* the activation of each hidden layer", says its text. The listing has it **after**, and
# on the input; the inventors (Ioffe and Szegedy 2015) put it **before**.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the four curves is on top, and which at ten times the learning rate?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.places_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# At **lr 0.1** the three places lie together, above the net without. At **lr 0.01** *after* is several points ahead
# of *before*; at **lr 1**, where both are best, they are level. The net without falls far behind there, and at **lr
# 3** it is lost. The place is the smaller question. Reseed before anybody reads a point.

# %% [markdown] slideshow={"slide_type": "skip"}
# The listing in torch, with as many numbers as Keras counts. The running averages among them do not learn.

# %% slideshow={"slide_type": "skip"}
model = torch.nn.Sequential(
    *(torch.nn.Flatten(), torch.nn.BatchNorm1d(784)),
    *(torch.nn.Linear(784, 300), torch.nn.ReLU(), torch.nn.BatchNorm1d(300)),
    *(torch.nn.Linear(300, 100), torch.nn.ReLU(), torch.nn.BatchNorm1d(100)),
    torch.nn.Linear(100, 10),  # the softmax is in the loss
)
learned = sum(p.numel() for p in model.parameters())
kept = sum(b.numel() for b in model.buffers() if b.dim())
assert (learned + kept, kept) == (271_346, 2_368)
assert model(torch.rand(5, 1, 28, 28)).shape == (5, 10)

# %% [markdown] slideshow={"slide_type": "skip"}
# 50 steps from five starts, on MNIST if its four files lie in a folder `mnist` beside this notebook, else on digits.

# %% slideshow={"slide_type": "skip"}
from vglib.batch_norm.mnist import DataError, mnist
from vglib.data import digits

try:
    data = mnist("mnist", standardised=False, dtype=torch.float32)
except DataError:
    data = digits(torch.float32, standardised=False)

# %% slideshow={"slide_type": "skip"}
print(f"{data.name}, test accuracy after 50 steps, median of 5 seeds (lowest to highest)")
middle = {}
for lr in (0.1, 1.0):
    for place, name in experiments.PLACE_NAMES.items():
        found = [experiments.place_accuracy(place, lr, s, 50, data)[1][-1] for s in range(5)]
        middle[place, lr] = np.median(found)
        print(
            f"lr {lr:3}  {name:24} {middle[place, lr]:.3f} ({min(found):.3f} to {max(found):.3f})"
        )
assert middle["before", 1.0] > middle["none", 1.0]

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BEFORE_OR_AFTER.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# Right before batch norm a layer's bias is useless: the mean takes it out again. β does its work.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Does it make predictions slower?
#
# In evaluation $\hat m$ and $\hat v$ are constants. Then batch norm is a scale and a shift, and the layer before it
# can take them over:
#
# $$\gamma\, \frac{W x + b - \hat m}{\sqrt{\hat v + \epsilon}} + \beta = W' x + b'$$
#
# Nothing is left to compute: **folding**. Behind an activation, fold into the *next* layer.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: fold
#
# Return $W'$ and $b'$. `W` has a row for each unit; the other five are vectors. Take $\epsilon = 10^{-5}$.


# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def fold(W, b, mean, var, gamma, beta) -> tuple[torch.Tensor, torch.Tensor]:
    # BEGIN SOLUTION
    scale = gamma / torch.sqrt(var + 1e-5)
    return scale[:, None] * W, scale * (b - mean) + beta
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.fold(fold)

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "skip"}
assert experiments.folding_error(seed=0) < 1e-5  # largest change of an output, in float32
times = experiments.prediction_times(batch=128)
for name, seconds in times.items():
    print(f"{name:8} {1e6 * np.quantile(seconds, 0.25):.0f} microseconds for 128 predictions")
ratio = np.quantile(times["with"], 0.25) / np.quantile(times["folded"], 0.25)
print(f"left in place it takes {ratio:.2f} times as long as folded, on this machine")

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SLOWER.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Who rescues twenty sigmoid layers?
#
# In chapter 03 such a net, with no norm, did not move.
#
# **Batch norm** takes mean and variance over the samples, **layer norm** over one sample's units.
#
# **Predict**: which of the two makes the net learn?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "batch norm alone"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the two norms makes the net learn?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.rescue_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# It opens stuck, without a norm. Then **batch norm**: the right panel shows why it learns. **Layer norm** does not
# help; *Five norms* tells why. The two ReLU presets look ahead: the *larger* step is the better one.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SIGMOIDS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: fifty ReLU layers
#
# He's weights, batch norm in front of every ReLU, before any training. How large is
# $\lVert \partial L/\partial W \rVert$ in layer 1, compared with layer 50?
#
# - **A** about the same
# - **B** ten thousand times smaller
# - **C** ten thousand times larger

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_guess = ...  # "A", "B" or "C"
my_guess = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_explosion(my_guess)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How long is layer 1's gradient, compared with layer 50's?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.explosion_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The heart of the chapter. Vote first. Grey: the same weights without batch norm, nearly level. Blue: with it. Drag
# the **batch size** down: the blue line gets steeper, the point climbs the dashed curve. **Weights 5 times too
# large**: grey leaps up by many powers of ten, blue sinks to a fifth and keeps its slope. **Sigmoid, 20 layers**:
# nearly flat, that was the rescue. Of the dashed line only the height is taken from the points. **Batch of 2** for
# the laugh.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where $\pi/(\pi-1)$ comes from
#
# Wide layers, a large batch: each $u$ is like a draw from $N(0,1)$. Follow one layer.
#
# **Forward.** $h = \phi(u)$, $z = Wh$. Batch norm takes out the mean over the batch, so it divides by the root of
# $s^2 = n\,\mathrm{Var}\,w \cdot \mathrm{Var}\,\phi(u)$.
#
# **Backward**, for the square. Weights: times $n\,\mathrm{Var}\,w$. Slope: times $\mathrm{E}\,\phi'(u)^2$. Batch
# norm: divided by $s^2$.
#
# $$\frac{\lVert\delta_l\rVert^2}{\lVert\delta_{l+1}\rVert^2} = \frac{\mathrm{E}\,\phi'(u)^2}{\mathrm{Var}\,\phi(u)}
# \qquad\text{ReLU: } \frac{1/2}{1/2 - 1/(2\pi)} = \frac{\pi}{\pi - 1} = 1.467$$
#
# The size of the weights has dropped out. $\ln \lVert\delta\rVert$ has the slope
# $\tfrac12 \ln \frac{\pi}{\pi-1} = 0.19$ per layer. (The lab's batch of 128 is not yet large: 1.480.)

# %% [markdown] slideshow={"slide_type": "skip"}
# In chapter 05 the mean of $h^2$ stood where now the *variance* of $h$ stands. ReLU's outputs have a mean,
# $1/\sqrt{2\pi}$, which all samples share. Batch norm takes it out and blows up what is left, and with it the gradient.
# ($\bar g$ and $u\,\overline{ug}$ cost nothing in a large batch: two directions of many.) Dice first, then the formula:


# %% slideshow={"slide_type": "skip"}
def growth(phi, u: torch.Tensor) -> float:
    u = u.clone().requires_grad_()
    h = phi(u)
    (slope,) = torch.autograd.grad(h.sum(), u)
    return float((slope**2).mean() / h.detach().var())


u = torch.randn(400_000, generator=generator, dtype=torch.float64)
assert abs(growth(torch.relu, u) / (pi / (pi - 1)) - 1) < 0.01
assert abs(experiments.wide_factor("relu") - pi / (pi - 1)) < 1e-12
for name in ("identity", "sigmoid", "elu", "tanh", "gelu", "relu"):
    print(f"{name:8}  factor per layer {experiments.wide_factor(name):.4f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# None is below 1, and that is a theorem. The Gaussian Poincaré inequality says
# $\mathrm{Var}\,\phi(u) \le \mathrm{E}\,\phi'(u)^2$ for every $\phi$ without jumps, equal only if $\phi$ is a
# straight line. So in a wide net, at the start, **batch norm never lets the gradient vanish, and with any bent
# activation lets it explode**, slowly for sigmoid and fast for ReLU.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Small batches
#
# (Skip the formula at first; the table below has its numbers.) The variance of $B$ numbers is itself random, and
# dividing by it costs: the mean of $1/v$ of a normal batch is $B/(B-3)$ times that of a large one. Backwards, two of
# the batch's $B$ directions are taken out. So without activations the factor is
# $\frac{B}{B-3} \cdot \frac{B-2}{B} = \frac{B-2}{B-3}$. ReLU brings in pairs of samples that are on together:
#
# $$\frac{\tfrac{B-2}{2} + p + \kappa}{(B-3)\left(\tfrac12 - \kappa\right)}, \qquad
# p = \tfrac14 + \tfrac{\arcsin\rho}{2\pi}, \quad
# \kappa = \tfrac{\sqrt{1-\rho^2} + (\pi - \arccos\rho)\,\rho}{2\pi}, \quad \rho = \tfrac{-1}{B-1}$$
#
# $p$ is the chance that two samples are both positive, $\kappa$ the mean product of their ReLUs, and $\rho$ their
# correlation, since the $u$ of a batch add up to 0 (Yang and others, 2019).


# %% slideshow={"slide_type": "skip"}
def relu_factor(B: int) -> float:
    rho = -1 / (B - 1)
    p = 1 / 4 + np.arcsin(rho) / (2 * pi)
    kappa = (sqrt(1 - rho**2) + (pi - np.arccos(rho)) * rho) / (2 * pi)
    return ((B - 2) / 2 + p + kappa) / ((B - 3) * (1 / 2 - kappa))


assert abs(relu_factor(10**7) - pi / (pi - 1)) < 1e-6
v = torch.randn(200_000, 8, generator=generator, dtype=torch.float64).var(1, correction=0)
assert abs((1 / v).mean() / (8 / (8 - 3)) - 1) < 0.03

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Decisive: theory and measurement
#
# ReLU with batch norm, 33 layers of 200, five starts each, without the first five layers, which still carry the
# data's correlations.

# %% tags=["decisive"] slideshow={"slide_type": "skip"}
print("batch   theory   measured, median of 5 nets")
for batch in (8, 16, 32, 64):
    measured = np.median([experiments.factors("relu", batch, 200, 33, s) for s in range(5)])
    print(f"{batch:5}   {relu_factor(batch):.3f}    {measured:.3f}")
    assert abs(measured / relu_factor(batch) - 1) < 0.04

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SMALL_BATCH.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# Depth 200 is measured by chapter 02's recursion with one more step a layer, $\delta$ kept as a unit array and the
# logarithm of its norm:
#
# $$\delta_l = \mathrm{BN}^{\leftarrow}\!\left( \gamma\, \phi'(\gamma u_l + \beta) \cdot W_{l+1}^\top \delta_{l+1} \right)$$
#
# where $\mathrm{BN}^{\leftarrow}$ is the boxed formula. Autograd agrees:

# %% slideshow={"slide_type": "skip"}
from vglib.batch_norm.normed_net import NormedNet, flow

x, y = experiments.images(32, seed=1)
net = experiments.build(depth=12, width=30, gamma=0.7, beta=0.1, seed=1)
weights = [w.clone().requires_grad_() for w in net.weights]
loss = F.cross_entropy(NormedNet(tuple(weights), "batch", net.activation, 0.7, 0.1)(x), y)
by_autograd = torch.autograd.grad(loss, weights)
for found, expected in zip(flow(net, x, y).gradients, by_autograd):
    assert (exp(found.log) * found.unit - expected).norm() < 1e-10 * expected.norm()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CANNOT_VANISH.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.USUALLY_ENOUGH.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LINEAR.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: how deep?
#
# ReLU, batch norm, a large batch: over how many layers does the gradient's *norm* grow by a factor of 1000?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB layers = ...
layers = 2 * log(1000) / log(pi / (pi - 1))
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.layers_to_thousand(layers)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: one bold step
#
# Forty layers; layer 1 has over a thousand times layer 40's gradient. Now one step of descent on all weights, with
# learning rate **1**. What becomes of this **unevenness**, the largest $\lVert \partial L/\partial W\rVert$ over the
# smallest?
#
# - **A** NaN: it diverges
# - **B** it stays over a thousand
# - **C** it falls below thirty

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_step = ...  # "A", "B" or "C"
my_step = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_step(my_step)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **One bold step: what becomes of the largest gradient over the smallest?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.steps_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote; A wins. Then **lr 0.01**, **lr 0.1**, **lr 1**: the larger the step, the flatter. Right panel: layer 1's
# weights are tens of times longer, as the right angle says. Ask: *why does that not blow up the output?* (Batch norm
# does not see it.) **lr 10**: flat too, but the loss has jumped; the last layer has no norm.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why it flattens
#
# $$\lVert w' \rVert^2 = \lVert w \rVert^2 + \eta^2 \lVert g \rVert^2 \qquad\text{and then}\qquad
# \lVert g' \rVert \propto \frac{1}{\lVert w' \rVert}$$
#
# Here $g = \partial L/\partial w$. A layer with a huge gradient takes a huge step, sideways. Its weights
# become long, the output does not notice, and the next gradient is small: **a learning rate of its own for each layer**,
# after the first step.

# %% [markdown] slideshow={"slide_type": "skip"}
# How much of it is the length? Divide each layer's old gradient by the growth of its weights:

# %% tags=["decisive"] slideshow={"slide_type": "skip"}
for lr in (0.01, 0.1, 1.0):
    runs = [experiments.first_steps(lr, 1, 40, seed=s) for s in range(5)]
    before, after = np.median([r.unevenness for r in runs], axis=0)
    divided = [np.exp(r.before.log_weight_grad) / r.growth for r in runs]
    length = np.median([g.max() / g.min() for g in divided])
    print(f"lr {lr:<4}: uneven {before:.0f}, after one step {after:5.1f}; by length alone {length:6.1f}")
    for run in runs:
        assert np.allclose(run.growth, run.first_growth, rtol=1e-3)
assert before > 800 and after < 40

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_STEP.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# At lr 1 the length does most of it. A factor of two or three remains at every rate: the weights have also turned.
#
# **Flat is not yet learned.** The explosion has a twin in the forward pass. Take the cosine between the $z$ of two
# images: 1 if they are alike, 0 if they have nothing in common. In layer 1 two of one **class**, one digit, are more
# alike than two of different ones. And forty layers on?

# %% slideshow={"slide_type": "skip"}
print("mean cosine of two images    layer 1: same class, other   layer 40: same class, other")
for kind in ("batch", "layer"):
    same, different = np.mean([experiments.likeness(kind, 40, s) for s in range(5)], axis=0)
    ends = [f"{same[i]:12.2f} {different[i]:11.2f}" for i in (0, -1)]
    print(f"{kind} norm, ReLU{'':13}{ends[0]}     {ends[1]}")
    assert same[0] - different[0] > 0.3 and abs(same[-1] - different[-1]) < 0.04

# %% [markdown] slideshow={"slide_type": "skip"}
# With batch norm all images have become equally *unlike*, two threes as well. With layer norm, whose gradient is
# level (below), all have become *alike*. Either way the last layer cannot tell the classes apart. Fifty layers with
# layer norm get out of this by many small steps: an accuracy of a fifth to a half after 1000, depending on the seed.
# With batch norm they stay near guessing at each of three rates (`make test-long` measures both); 20 layers still
# reach about nine in ten. So Yang and others: deep nets with batch norm and *no skips* (chapter 07) do not train.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## When it breaks
#
# - **A batch of 1**: $z - m = 0$. Nothing gets through.
# - **A batch of 2**: $u = \pm 1$. All that is left is which of the two was larger.
# - **Small batches**: mean and variance are noise.
# - **Training and evaluation differ**: what arrives at the test is not what was averaged.

# %% slideshow={"slide_type": "skip"}
u = batch_norm(torch.randn(2, 6, generator=generator, dtype=torch.float64))
print(np.round(u.numpy(), 1))
try:
    torch.nn.BatchNorm1d(6)(torch.randn(1, 6))
except ValueError as error:
    print(error)

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Predict**: a 64-50-50-10 net with batch norm, 80 steps at the rate 0.1. Its test accuracy with batches of 16, 4,
# 2?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about 90% at 16, less at 4, at 2 not far from guessing"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What is the accuracy with batches of 16, of 4, and of 2?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.breaking_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Batch of 16**, **4**, **2**, then **2 with layer norm**. Orange takes the test batch's own mean and variance;
# blue, the running averages, is what you ship. Right panel: shift all test images. Blue falls, orange does not move
# by a single image: ask why. (A shift moves each unit by a constant, and its mean is taken out.)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ANY_BATCH.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Five norms, one measurement
#
# | | mean and variance over | batch needed? |
# |---|---|---|
# | batch norm (2015) | the samples, for each unit | yes |
# | layer norm (2016) | the units, for each sample | no |
# | RMS norm (2019) | the units, without a mean | no |
# | group norm (2018) | groups of units, for each sample | no |
# | weight norm (2016) | nothing: $w = g\,v/\lVert v\rVert$, started on one batch | at the start |
#
# **Predict**: thirty layers, before training. With ReLU, which explode? With the sigmoid, which vanish?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "ReLU: batch and weight norm explode; sigmoid: the three over the units vanish"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which norms explode with ReLU, and which vanish with the sigmoid?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.norms_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **ReLU**: batch norm and weight norm explode together, the norms over the units stay level. **Sigmoid**: the
# reverse. Ask for one sentence for both: *who takes out what all samples share?* **tanh** has no mean to take out,
# and all lie together.

# %% [markdown] slideshow={"slide_type": "skip"}
# A norm over the units knows no other samples: it divides by $n\,\mathrm{Var}\,w\,\mathrm{E}\,\phi^2$ and keeps what
# all share. So
#
# $$\text{over the batch: } \frac{\mathrm{E}\,\phi'^2}{\mathrm{Var}\,\phi}, \qquad
# \text{over the units: } \frac{\mathrm{E}\,\phi'^2}{\mathrm{E}\,\phi^2}$$
#
# For ReLU the second is exactly 1. For the sigmoid, whose outputs are nearly all mean, it is 0.15: twenty layers lose
# eight powers of ten. What makes batch norm explode with ReLU is just what rescues sigmoids.

# %% slideshow={"slide_type": "skip"}
for name in ("relu", "sigmoid", "tanh"):
    over_batch, over_units = experiments.wide_factor(name), experiments.layer_factor(name)
    print(f"{name:8} over the batch {over_batch:.3f}, over the units {over_units:.3f}")
assert abs(experiments.layer_factor("relu") - 1) < 1e-12
for kind in ("layer", "rms", "group"):
    net = experiments.build(depth=8, width=30, kind=kind, seed=2)
    weights = [w.clone().requires_grad_() for w in net.weights]
    loss = F.cross_entropy(NormedNet(tuple(weights), kind, net.activation)(x), y)
    for found, g in zip(flow(net, x, y).gradients, torch.autograd.grad(loss, weights)):
        assert (exp(found.log) * found.unit - g).norm() < 1e-10 * g.norm()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LAYER_NORM.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Can it replace the activation?
#
# Two circles, one inside the other. No straight line tells them apart. Batch norm divides by a standard deviation, which
# is not linear.
#
# **Predict**: does a net with batch norm and *no* activation bend its border?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "no: it stays straight"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does a net without an activation bend its border?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.circles_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Batch norm alone**, **4 layers**: the border stays straight. **ReLU**: it closes. Ask where the division went.

# %% [markdown] slideshow={"slide_type": "skip"}
# In evaluation each batch norm is $x \mapsto a x + b$ with constants, and so the whole net is **affine**, a linear
# map plus a constant. The lab checks it: an affine function has the same mean at $x$ and $-x$ wherever you look. In
# training the whole batch has one divisor, so the border between its classes is straight as well.

# %% slideshow={"slide_type": "skip"}
deep = torch.nn.Sequential()
for _ in range(3):
    deep += torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)).double()
for _ in range(20):
    deep(torch.randn(50, 4, generator=generator, dtype=torch.float64))
deep.eval()
a, b = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
assert torch.allclose(deep(0.3 * a + 0.7 * b), 0.3 * deep(a) + 0.7 * deep(b), rtol=1e-10)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.REPLACES.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: find the flaw
#
# 1. Batch norm gives every pre-activation mean 0 and variance 1 over the batch.
# 2. So with γ = 1 and β = 0 the signal has one size in every layer.
# 3. So each layer multiplies the squared gradient by 1 on average.
# 4. So a deep net with batch norm can neither vanish nor explode at the start.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3 or 4
flaw = 3
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Judgement
#
# | what is said of batch norm | what is measured |
# |---|---|
# | standardises the weights | no: the pre-activations; the size of W stops mattering |
# | makes a distribution close to a standard normal | mean 0 and variance 1; the shape stays |
# | avoids vanishing | yes: the factor per layer is at least 1 |
# | is usually enough against explosion | in shallow nets; in deep ones it *is* the explosion, $\chi = 1.467$ with ReLU |
# | slows predictions down | not once it is folded |
# | in some cases replaces the activation | only where a straight border will do: affine |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Backward: $\frac1s (g - \bar g - u\,\overline{ug})$. The size of $W$ does not count: the gradient is at a right
#   angle, weights only grow.
# - At the start each layer multiplies $\lVert\delta\rVert^2$ by $\mathrm{E}\,\phi'^2/\mathrm{Var}\,\phi \ge 1$: it rescues
#   sigmoids and explodes with ReLU.
# - One large step flattens the explosion, mostly because weights with the largest gradients grow most.
# - It needs a batch worth averaging. Norms over the units do not, and keep what all samples share.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - Ioffe and Szegedy, *Batch normalization: accelerating deep network training by reducing internal covariate shift*, 2015.
#   Salimans and Kingma, *Weight normalization*, 2016. Ba, Kiros and Hinton, *Layer normalization*, 2016. Wu and He, *Group
#   normalization*, 2018. Zhang and Sennrich, *Root mean square layer normalization*, 2019.
# - Yang, Pennington, Rao, Sohl-Dickstein and Schoenholz, *A mean field theory of batch normalization*, 2019: the explosion, and
#   the finite batch.
# - Géron, *Hands-on machine learning*, 2nd edition, chapter 11: the model with batch norm on 28 x 28 images.
# - Quoted in translation: a lecture note, a widely read Zhihu article, a Medium article, an article of 2023, all on
#   vanishing and exploding gradients.
