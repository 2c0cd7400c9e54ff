# %% [markdown] slideshow={"slide_type": "slide"}
# # 02 · Chain rule
#
# **Where does the factor come from that a gradient loses, or gains, in every layer?**
#
# **You will do** drag the factors of a chain, throw dice, and find the width at which a network turns from vanishing to exploding.
#
# **You will learn** the chain rule for one neuron a layer, its matrix form, and what each of its terms does.
#
# **You need** derivatives, and chapters 00 and 01.
#
# **Time** 70 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: `chain_lab` 4, *One neuron a layer* 4, *Predict: how many chains break the bound?* 3,
# `random_chains_lab` 6, *Three tools for wide layers* 1, *Variance of a sum* 3, `sum_lab` 2, *Expectation: throw
# dice, then integrate* 2, *Jacobian* 2, *From scalars to matrices* 4, *Predict: from which width on does it explode?*
# 4, `width_lab` 8, *Summary* 2.
#
# **90 minutes**: `chain_lab` 6, *One neuron a layer* 6, *Predict: how many chains break the bound?* 4,
# `random_chains_lab` 8, *When does one factor exceed 1?* 5, `window_lab` 4, *Three tools for wide layers* 1,
# *Variance of a sum* 3, `sum_lab` 4, *Expectation: throw dice, then integrate* 4, `dice_lab` 4, *Jacobian* 3,
# `jacobian_lab` 5, *From scalars to matrices* 7, *Predict: from which width on does it explode?* 5, `width_lab` 9,
# *Derivations that do not survive* 3, *How exact is backpropagation, and what does it save?* 3, `difference_lab` 4,
# *Summary* 2.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import torch

from vglib.chain_rule import check, claims, labs

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What makes the product small?** Each bar is one term of the chain rule.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.chain_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets in order. Before **all large**: *will the product grow?* Then: *why is it still small?* A large $w$ moves
# $z$ out to where $s'$ is small.

# %% [markdown] slideshow={"slide_type": "skip"}
# Four sigmoid **neurons**, another word for units, in a row. The last bar is the product: how much the output moves
# when the input moves a little. On the right, where each neuron sits on the slope $s'$ of the sigmoid. Drag a weight;
# watch its bar, then the product.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One neuron a layer
#
# In a chain we write $a$ for $h$, as Nielsen does. Neuron $l$ computes $z_l = w_l a_{l-1} + b_l$ and $a_l = s(z_l)$.
# A small step in $b_1$ moves $z_1$ by as much, then $a_1$ by $s'(z_1)$ times as much, then $z_2$ by $w_2$ times that,
# and so on to the loss $L$:
#
# $$\frac{\partial L}{\partial b_1} = s'(z_1)\; w_2\, s'(z_2)\; w_3\, s'(z_3)\; w_4\, s'(z_4)\; \frac{\partial L}{\partial a_4}.$$
#
# This chapter is about the repeated term, $w\, s'(z)$.

# %% slideshow={"slide_type": "skip"}
def bias_gradient(weights, biases, x, slope_of_loss):
    a, terms = x, []
    for w, b in zip(weights, biases):
        z = w * a + b
        a = torch.sigmoid(z)
        terms.append(w * a * (1 - a))
    terms[0] = terms[0] / weights[0]  # b_1 enters z_1 directly, without w_1
    return torch.stack(terms).prod() * slope_of_loss(a)

# %% [markdown] slideshow={"slide_type": "skip"}
# Autograd finds the same number, here for $L = (a_4 - 1)^2$.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
weights = torch.tensor([0.8, -1.5, 2.0, 0.5], dtype=torch.float64)
biases = torch.tensor([0.1, -0.2, 0.3, 0.0], dtype=torch.float64, requires_grad=True)
x = a = torch.tensor(0.7, dtype=torch.float64)
for w, b in zip(weights, biases):
    a = torch.sigmoid(w * a + b)
((a - 1) ** 2).backward()
with torch.no_grad():
    by_hand = bias_gradient(weights, biases, x, lambda a: 2 * (a - 1))
assert abs(by_hand - biases.grad[0]) < 1e-12
print(f"by hand {by_hand:.8f}, autograd {biases.grad[0]:.8f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: one factor
#
# Write $w\,s'(wa + b)$ for numbers $w$, $a$, $b$, with `math.exp` and $s' = s(1 - s)$.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
import math


def factor(w: float, a: float, b: float) -> float:
    # BEGIN SOLUTION
    s = 1 / (1 + math.exp(-(w * a + b)))
    return w * s * (1 - s)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.factor(factor)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: the whole product
#
# Return $\partial a_n / \partial a_0$ of a chain without biases, the product of all $w_l\, s'(z_l)$, from its weights
# and the input `a`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def chain_gradient(weights: list[float], a: float) -> float:
    # BEGIN SOLUTION
    product = 1.0
    for w in weights:
        s = 1 / (1 + math.exp(-w * a))
        product, a = product * w * s * (1 - s), s
    return product
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.chain_gradient(chain_gradient)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: how many chains break the bound?
#
# A popular argument: weights from $N(0,1)$ satisfy $|w| < 1$, and $s' < \tfrac14$. So every factor is below
# $\tfrac14$, and a product of four below $0.25^4$. Of many random chains of four, how many break that bound?
#
# - **A** none
# - **B** a few per cent
# - **C** about half

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB typical = ...  # "A", "B" or "C"
typical = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.typical(typical)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How many chains break the bound?** Left, one factor; right, the product.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.random_chains_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote first. Then the presets in order: from **the best scale** to **far too large** the typical product falls again.
# Ask why.

# %% [markdown] slideshow={"slide_type": "skip"}
# Thousands of chains. Left, how often a factor has which size; right, the product after ever more factors. Its middle
# falls in a straight line, whose slope is the average *logarithm* of a factor. The number with that logarithm is the
# **geometric mean**.
#
# Now the popular argument, step by step. Is every $|w|$ below 1?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["normal-weights-are-below-one"].trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# Is every factor below a quarter?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["every-factor-is-below-a-quarter"].trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# The slope is at most a quarter: a fact, only checked. But is a quarter what a typical layer costs?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["slope-only-reaches-a-quarter-at-zero"].trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["a-typical-factor-is-a-quarter"].trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# The conclusion survives, the argument does not: the product falls because logarithms are *on average* negative. And
# which layer has most factors?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["nearer-the-output-more-factors"].trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## When does one factor exceed 1?
#
# Since $s' \le \tfrac14$, the factor $|w\,s'(wa+b)|$ reaches 1 only if $|w| \ge 4$, and only for inputs $a$ near
# $-b/w$. $|w|\,s\,(1-s) = 1$ has two solutions $s$, so two inputs $a$. Their distance is
#
# $$\frac{2}{|w|} \ln\!\left(\frac{|w|\,(1 + \sqrt{1 - 4/|w|})}{2} - 1\right).$$
#
# A larger weight makes the bump higher and narrower. (A problem in Nielsen's chapter 5.)
#
# **Predict:** at which $|w|$ is the interval widest?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about 7"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **At which $|w|$ is the interval widest?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.window_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Guesses first. Then the presets in order; at **large, but badly placed** the window is there, and no sigmoid's
# output, between 0 and 1, reaches it.

# %% [markdown] slideshow={"slide_type": "skip"}
# Why? At the ends $|w|\,s(1 - s) = 1$, so $s = \tfrac12 (1 \pm \sqrt{1 - 4/|w|})$. The upper end has
# $z = \ln \frac{s}{1-s}$, and $1 - s = \frac{1}{|w|\,s}$ makes that $\ln(|w|\,s^2) = \ln(|w|\,s - 1)$. The lower end
# is $-z$, and $a$ moves $|w|$ times less than $z$.

# %% slideshow={"slide_type": "skip"}
def window(w):
    return 2 / w * math.log(w * (1 + math.sqrt(1 - 4 / w)) / 2 - 1)


a = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
s = torch.sigmoid(6.9 * a)
counted = (6.9 * s * (1 - s) >= 1).double().mean() * 4
assert abs(counted - window(6.9)) < 1e-4

# %% [markdown] slideshow={"slide_type": "skip"}
# Two sayings on large weights:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["weights-above-one-explode"].trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["large-weights-explode-everywhere"].trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# So a chain of single neurons hardly ever explodes. Wide layers change that. But first: a long product
# **underflows**, it becomes exactly 0.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
for kind in (torch.float16, torch.float32, torch.float64):
    product, n = torch.ones((), dtype=kind), 0
    while product > 0:
        product, n = product * 0.25, n + 1
    print(f"{kind}: 0.25^{n} is exactly 0")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three tools for wide layers
#
# 1. **Variance of a sum.** How large is a sum of many terms?
# 2. **Expectation.** An average over random numbers, an integral.
# 3. **Jacobian.** The derivative of many outputs by many inputs.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Variance of a sum
#
# The **variance** of a random number is the average square of its distance from its mean; the root of it, the
# *standard deviation*, is how far it typically lies from there. If terms are independent and of mean 0, their
# variances add: the mixed products $w_i a_i w_j a_j$ cancel on average. So for weights of variance $\mathrm{Var}\,w$
#
# $$\mathrm{Var}\Big(\sum_{i=1}^n w_i a_i\Big) = n\, \mathrm{Var}\,w\; \overline{a^2}$$
#
# with the mean of the $a_i^2$. The sum grows like $\sqrt n$, and its shape becomes a bell curve, whatever was thrown.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How does a sum grow with its terms, and what shape does it take?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.sum_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **one coin**, **five coins**, **a hundred coins**: the bell grows before their eyes.

# %% slideshow={"slide_type": "skip"}
generator = torch.Generator().manual_seed(0)
a = torch.rand(200, generator=generator, dtype=torch.float64)
w = torch.randn(20_000, 200, generator=generator, dtype=torch.float64)
measured = (w @ a).var()
assert abs(measured / (200 * (a**2).mean()) - 1) < 0.05

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Expectation: throw dice, then integrate
#
# The **expectation** $\mathrm{E}\, f(z)$ is where the average of $f(z)$ settles when $z$ is thrown again and again.
# For a bell curve of mean 0 and standard deviation $\sigma$ it is an integral, every $z$ weighed by how often it
# comes:
#
# $$\mathrm{E}\, f(z) = \int f(\sigma u)\, \frac{e^{-u^2/2}}{\sqrt{2\pi}}\, du.$$
#
#

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where does the running average settle?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.dice_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **ten throws**, and **Reseed** a few times; **many throws**. Before the last preset: *will a wider bell raise the
# mean squared slope, or lower it?*

# %% slideshow={"slide_type": "skip"}
u = torch.linspace(-8, 8, 4001, dtype=torch.float64)
bell = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
slope = torch.sigmoid(u) * torch.sigmoid(-u)
integral = torch.trapezoid(slope * bell, u)
thrown = torch.randn(100_000, generator=generator, dtype=torch.float64).sigmoid()
assert abs((thrown * (1 - thrown)).mean() - integral) < 1e-3

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Jacobian
#
# Move input $j$ of a layer a little: output $i$ moves $J_{ij}$ times as much. The table $J$ of these derivatives is
# chapter 01's **Jacobian**. Near one point a layer acts like it: a circle of steps becomes an ellipse.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **When does a layer act like its Jacobian?** A circle of steps, and where it goes.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.jacobian_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **one layer, large circle**, then **small**: the two agree. At **five layers** read the unit in the title: the
# ellipse is tiny and flat, nearly one direction.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From scalars to matrices
#
# Layer $l$: $z_l = W_l h_{l-1} + b_l$, $h_l = \phi(z_l)$. From $z_l$ to $z_{l+1}$ the Jacobian is $W_{l+1} D_l$, with
# the slopes $\phi'(z_l)$ on the diagonal of $D_l$. With $\delta_l = \partial L/\partial z_l$ the chain rule reads,
# for one image,
#
# $$\delta_l = D_l\, W_{l+1}^{\top}\, \delta_{l+1}, \qquad \frac{\partial L}{\partial W_l} = \delta_l\, h_{l-1}^{\top}, \qquad \frac{\partial L}{\partial b_l} = \delta_l .$$
#
# With one neuron a layer this is $w\,s'(z)$ again; the matrix sums over paths.

# %% [markdown] slideshow={"slide_type": "notes"}
# Let the class check the shapes: why must $W$ be transposed on the way back?

# %% slideshow={"slide_type": "skip"}
def backward(weights, pres, delta):
    deltas = [delta]
    for layer in reversed(range(len(pres) - 1)):  # from the last layer but one to the first
        s = torch.sigmoid(pres[layer])
        deltas.insert(0, s * (1 - s) * (weights[layer + 1].T @ deltas[0]))
    return deltas

# %% slideshow={"slide_type": "skip"}
weights = [torch.randn(6, 6, generator=generator, dtype=torch.float64) for _ in range(5)]
h, pres = torch.ones(6, dtype=torch.float64), []
for w in weights:
    pres.append((w @ h).requires_grad_())
    h = torch.sigmoid(pres[-1])
loss = (h**2).sum()
expected = torch.autograd.grad(loss, pres)
with torch.no_grad():
    last = 2 * h * h * (1 - h)
    found = backward(weights, pres, last)
assert all(torch.allclose(f, e, rtol=1e-12, atol=0) for f, e in zip(found, expected))

# %% [markdown] slideshow={"slide_type": "skip"}
# This recursion is **backpropagation**; the course's labs run it. They carry $\delta$ as a unit vector and the
# logarithm of its length, so that a thousand layers do not underflow.
#
# ### Exercise 3: one step back
#
# Write $\delta_l$ from `weight` $= W_{l+1}$, `delta` $= \delta_{l+1}$ and `slope` $= \phi'(z_l)$, all NumPy arrays.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
import numpy as np


def layer_delta(weight: np.ndarray, delta: np.ndarray, slope: np.ndarray) -> np.ndarray:
    # BEGIN SOLUTION
    return slope * (weight.T @ delta)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.layer_delta(layer_delta)

# %% [markdown] slideshow={"slide_type": "skip"}
# Some texts say that the derivative of one layer by the one before "is the activation's derivative". Ten *linear*
# layers settle it: their activation has slope 1.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["a-layers-derivative-is-the-activations"].trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: from which width on does it explode?
#
# All weights and biases are $N(0,1)$, not scaled by the width $n$. Two effects compete: $n$ paths add up, and large
# $z$ saturate the units. **Mean-field theory** puts averages over very wide layers in the place of single units:
#
# $$\lVert\delta_l\rVert^2 \approx \chi\, \lVert\delta_{l+1}\rVert^2, \qquad \chi = n\;\mathrm{E}\, s'(z)^2 .$$
#
# At which width does $\chi$ pass 1?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB width = ...
width = 105
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.width(width)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **From which width on does it explode?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.width_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The heart of the chapter. Collect guesses on the slide before: this one gives the answer away. Start at Nielsen's
# width 30, then 105, 300: the same weights, the opposite failure. Then the last preset.

# %% [markdown] slideshow={"slide_type": "skip"}
# Why believe $\chi$? Entry $j$ of $W^\top\delta$ is a sum of $n$ random terms: its variance is $n\,\mathrm{Var}\,w$
# times the mean square of $\delta$ (the first tool). The slope multiplies it by $s'(z_j)$, whose mean square is an
# expectation (the second), over a bell curve with chapter 01's $q$. Nothing in the curve is fitted.

# %% slideshow={"slide_type": "skip"}
from vglib import theory
from vglib.activations import get_activation
from vglib.chain_rule.experiments import unscaled_chi

sigmoid = get_activation("sigmoid")
q = theory.q_fixed_point(sigmoid.phi, math.sqrt(105), 1.0)
z = math.sqrt(q) * torch.randn(1_000_000, generator=generator, dtype=torch.float64)
thrown = 105 * (torch.sigmoid(z) * torch.sigmoid(-z)).square().mean()
assert abs(thrown / unscaled_chi(105, sigmoid.phi, sigmoid.dphi) - 1) < 0.01

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["unscaled-normal-weights-vanish"].trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["the-width-where-it-turns"].trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["far-larger-weights-explode"].trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: find the flaw
#
# 1. A sigmoid's slope is at most 1/4.
# 2. So each layer multiplies the squared gradient by at most $(w\,s')^2 \le w^2/16$.
# 3. With $w$ of size 1 that is 1/16 a layer.
# 4. So a sigmoid network with weights from $N(0,1)$ always vanishes.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3 or 4
flaw = 2
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Derivations that do not survive
#
# One article derives vanishing from a *linear* unit, with an exponential $e^{-2(wy+b)}$ that nothing in the problem
# contains. Its growth makes "the gradient tend to infinity", as the cause of *vanishing*.
#
# For $z = wx + b$ and the loss $(z-y)^2$ there is nothing to approximate:
#
# $$\frac{\partial (z-y)^2}{\partial z} = 2\,(z - y).$$

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask: *where could an exponential come from, in a linear unit?*

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BY_ID["a-large-weight-kills-a-squared-error"].trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How exact is backpropagation, and what does it save?
#
# Nudge one weight up and down by a small step $h$, and divide what the loss moves by $2h$: no backpropagation needed.
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w+h) - L(w-h)}{2h}.$$
#
# (*One-sided* is plainer, and worse: $(L(w+h) - L(w))/h$.) Too large an $h$ sees the curve, too small a one rounding.
#
# **Predict:** in between, to how many digits will both methods agree?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about nine"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **To how many digits do differences and backpropagation agree?**

# %% tags=["lab", "nbval-ignore-output"] jupyter={"source_hidden": true}
labs.difference_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets in order. End with **a vanished gradient**: the differences go blind long before backpropagation does.

# %% tags=["claims", "nbval-ignore-output"] slideshow={"slide_type": "skip"}
claims.BY_ID["backpropagation-approximates"].trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# Backpropagation computes the true derivative; that is what vanishes. What it saves is work. A backward pass costs
# about two forward passes in all; two-sided differences want two for *each* weight. Count, then time:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "skip"}
from vglib.chain_rule.experiments import forward_passes, timed_gradients

weights_count, by_backprop, by_differences = timed_gradients(width=30, depth=3)
one, other = forward_passes(weights_count)
print(f"{weights_count} weights: the work of {one} forward passes, or of {other}")
print(f"measured: differences take {by_differences / by_backprop:.0f} times as long")
assert by_differences > 20 * by_backprop
assert other / one > 1000

# %% [markdown] slideshow={"slide_type": "skip"}
# **A short history.** Control theory took derivatives backwards through time in the 1960s (Kelley 1960, Bryson 1961).
# Linnainmaa described reverse accumulation for computer programs in 1970, Werbos applied it to networks (1974, 1982),
# and Rumelhart, Hinton and Williams made it known in 1986. In 1991 Hochreiter's diploma thesis said why the result
# vanishes or explodes exponentially.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - A gradient's way back is a product, one term a layer: $w\,s'(z)$ in a chain, $D_l W_{l+1}^\top$ in a network.
# - In a chain large weights saturate; a factor reaches 1 only for $|w| \ge 4$, on a narrow interval.
# - In a wide layer $n$ paths add up: $\chi = n\,\mathrm{Var}\,w\;\mathrm{E}\,\phi'^2$ decides. With $N(0,1)$ weights sigmoids turn
#   from vanishing to exploding near width 105.
# - Backpropagation is exact; the product vanishes.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 5. Hochreiter, *Untersuchungen zu dynamischen neuronalen
# Netzen*, diploma thesis, 1991. Rumelhart, Hinton and Williams, *Learning representations by back-propagating errors*,
# 1986. Linnainmaa, master's thesis, 1970. Werbos, PhD thesis, 1974. Poole et al. 2016 and Schoenholz et al. 2017 (the
# factor $\chi$).
