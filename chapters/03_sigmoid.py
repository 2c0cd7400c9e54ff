# %% [markdown] slideshow={"slide_type": "slide"}
# # 03 · Sigmoid's three flaws
#
# **Which of the sigmoid's three famous flaws are real, and how large is each of them?**
#
# **You will do** measure each flaw on its own: drag along the curve, slide a batch size, train twins, and hold a clock to `exp`.
#
# **You will learn** why positive outputs cost more than zig-zags, where a unit is saturated and where it is not, and what an exponential costs.
#
# **You need** chapters 00 to 02: the chain rule, delta, and the expectation E.
#
# **Time** 70 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *The accused* 2, *Predict* 2, `curves_lab` 5, *The curve and its slope* 2, *Flaw 1: outputs that are
# not centred at 0* 3, `one_sign_lab` 6, *Does it zig-zag?* 2, `zigzag_lab` 6, *Twins: the mean and nothing else* 2,
# `centring_lab` 5, *Flaw 2: saturation* 2, `forward_lab` 5, *Judgement* 2, *Summary* 1.
#
# **90 minutes**: *The accused* 3, *Predict* 3, `curves_lab` 8, *The curve and its slope* 4, *Flaw 1: outputs that are
# not centred at 0* 5, `one_sign_lab` 8, *Does it zig-zag?* 3, `zigzag_lab` 8, *The true size of flaw 1* 5, *Twins:
# the mean and nothing else* 3, `centring_lab` 8, *Flaw 2: saturation* 3, `forward_lab` 7, *Where saturation does
# hurt: an output that is wrong* 3, `output_lab` 5, *Flaw 3: the cost of exp* 2, `cost_lab` 3, *The sentence: "cannot
# be used in hidden layers"* 2, `hidden_lab` 4, *Judgement* 2, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import numpy as np
import torch

from vglib.sigmoid import check, experiments, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The accused
#
# A tutorial of 2017 charges it with three crimes:
#
# 1. its outputs are **not centred at 0**: gradients share one sign, learning zig-zags;
# 2. it **saturates**: "when |z| > 2 ... it tends to saturate ... learning almost stops";
# 3. it is **costly**: it contains an exponential.
#
# All three are often repeated, seldom with a number.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# At $z = 2$, how much is left of the sigmoid's steepest slope, in per cent?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about 40%"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How much is left of the steepest slope?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.curves_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# On the slide before, a number from everybody, then hands up for below 5%, below 20%, more: this one opens at 2.
# **steepest**: drag z outwards until the class calls "dead". Then **the famous 2**, **10% of the slope**, **tanh at
# 2**: at the same z, tanh is the saturated one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The curve and its slope
#
# $$s(z) = \frac{1}{1 + e^{-z}}, \qquad s'(z) = s(z)\,(1 - s(z)) \le \tfrac14$$
#
# A unit is **saturated** where its slope is small. How small is convention: solve for a share $p$ of the maximum.
#
# $$s'(z) = \tfrac{p}{4} \quad\Longleftrightarrow\quad |z| = 2\,\mathrm{artanh}\sqrt{1-p}$$

# %% [markdown] slideshow={"slide_type": "skip"}
# First, $s = (1 + e^{-z})^{-1}$ has the derivative $e^{-z}/(1+e^{-z})^2$, which is $s$ times
# $e^{-z}/(1+e^{-z}) = 1 - s$. It is largest at $z = 0$, where $s = 1/2$: there it is 1/4.
#
# Second, $\tanh x = (e^x - e^{-x})/(e^x + e^{-x})$. Put $t = 2s - 1$, so that $4 s (1-s) = 1 - t^2 = p$ and
# $t = \sqrt{1-p}$. Now $2 s(z) - 1 = (1 - e^{-z})/(1 + e^{-z}) = \tanh(z/2)$, so $z = 2\,\mathrm{artanh}\, t$, where
# artanh is the inverse of tanh.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
def s(z: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + torch.exp(-z))


def where_slope_is(share: float) -> float:
    return 2 * np.arctanh(np.sqrt(1 - share))


for share in (0.5, 0.1, 0.01):
    z = torch.tensor(where_slope_is(share), requires_grad=True)
    s(z).backward()
    assert abs(z.grad - s(z) * (1 - s(z))) < 1e-12 and abs(z.grad - share / 4) < 1e-12
    print(f"{share:.0%} of the steepest slope at |z| = {z.item():.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: tanh is a sigmoid
#
# Return the pair $(\tanh z, \tanh' z)$, with `sigmoid` as the only function.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
from scipy.special import expit as sigmoid


def tanh_pair(z: float) -> tuple[float, float]:
    # BEGIN SOLUTION
    a = sigmoid(2 * z)
    return 2 * a - 1, 4 * a * (1 - a)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.tanh_pair(tanh_pair)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: where tanh is saturated
#
# At which $|z|$ is the slope of tanh 10% of its maximum?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB tanh_point = ...
tanh_point = np.arctanh(np.sqrt(0.9))
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.tanh_point(tanh_point)

# %% [markdown] slideshow={"slide_type": "skip"}
# "tanh is somewhat better, but its derivative is still less than 1", says a widely read Zhihu article. (It calls both
# *loss functions*; more below.)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
from vglib.sigmoid import claims

claims.TANH_SLOPE.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Flaw 1: outputs that are not centred at 0
#
# One unit reads the outputs $a_j$ of the layer before. For one **sample** (an image) $z = \sum_j w_j a_j$, so
#
# $$\frac{\partial L}{\partial w_j} = \delta\, a_j$$
#
# One number $\delta$ for all $j$. If all $a_j > 0$, **all gradients share one sign**.
#
# For a batch of $B$ samples the gradient is the average $\frac1B \sum_i \delta_i\, a_{ij}$, with $\delta_i$ of sample
# $i$'s own loss, and the $\delta_i$ differ in sign.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# A fresh sigmoid net for digits, three hidden layers of 100. For a batch of **ten** samples, in how many units of
# layer 3 do all 100 weight gradients still share one sign?
#
# - **A** all
# - **B** most, not all
# - **C** hardly any

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_signs = ...  # "A", "B" or "C"
my_signs = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_signs(my_signs)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **In how many units do all weight gradients share one sign?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.one_sign_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote on the slide before: the left panel shows all batch sizes. **One sample**: sigmoid and ReLU both 100%. Ask:
# *who has ever heard this said of ReLU?* Then **ten samples**, **all data**, **all data, layer 2** and **all data,
# after training**. The usual slip: taking 100% for one sample for a statement about batches.

# %% [markdown] slideshow={"slide_type": "skip"}
# On the right: how many of a unit's gradients are positive, unit by unit; 0% and 100% are one sign. (A ReLU that is
# off has no point.)
#
# - **One sample**: 100% for the sigmoid, exactly. ReLU, never negative either, has the same flaw; tanh has not.
# - **A batch**: ReLU loses it quickly, since each sample silences other inputs. The sigmoid keeps most of it.
# - The share depends on the layer (try 2, 3, 4) and the moment (try 600 **training steps**).
#
# Why does the sigmoid keep it even for all the data? Write $a_{ij} = m_j + (a_{ij} - m_j)$, a mean and a deviation:
#
# $$\frac1B \sum_i \delta_i a_{ij} = m_j \cdot \frac1B \sum_i \delta_i + \frac1B \sum_i \delta_i\,(a_{ij} - m_j)$$
#
# The first part has one sign for all $j$; its factor is the gradient of the unit's bias. Deep in a sigmoid net
# deviations are tiny and the mean wins. Once the bias has learned, its gradient is near 0, and the signs come apart.

# %% slideshow={"slide_type": "skip"}
delta, a = torch.randn(1437, 100, dtype=torch.float64), torch.rand(1437, 100, dtype=torch.float64)
m = a.mean(0)
split = torch.outer(delta.mean(0), m) + delta.T @ (a - m) / len(a)
assert torch.allclose(delta.T @ a / len(a), split, atol=1e-12)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_SIGN.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: count the units
#
# `gradient` has a row for each unit. Return the share of rows without two numbers of opposite sign. A 0 goes with
# either sign; no row is all 0.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def one_sign(gradient: torch.Tensor) -> float:
    # BEGIN SOLUTION
    same = (gradient >= 0).all(1) | (gradient <= 0).all(1)
    return same.double().mean().item()
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.one_sign(one_sign)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Does it zig-zag?
#
# Two weights, fed by two sigmoid units. $w_1$ should rise and $w_2$ fall; one sample moves both the same way.
#
# **Predict:** what path, with one sample a step, and with all?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "one: turning back and forth; all: without a turn, and slow"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which path, with one sample in each step, and with all of them?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.zigzag_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets in order. **Sample by sample**: the textbook zig-zag; **sigmoid - 1/2** gets no further. **All data**: it
# creeps, without a turn. **Step near the limit**: now it does zig-zag, across the valley. **sigmoid - 1/2, that
# step**: straight and fast. Then ask: *what was the crime, the turns or the valley?*

# %% [markdown] slideshow={"slide_type": "skip"}
# One sample at a time, every step moves both weights the same way and about every other step turns back. But with
# `sigmoid - 1/2`, at the same step 0.5, about as much of the way is left after 60 steps: at a small step turns cost
# next to nothing. On all data the path drops into the valley and creeps along its floor, without a turn.
#
# With `tanh` the rings of equal loss are circles: no valley, and on all data a straight path. A *lucky goal*, both
# weights up, lies across the valley and is reached quickly.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ZIG_ZAG.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The true size of flaw 1
#
# Start at distance $t$ from the goal, in a direction $d$ of length 1. The loss there is $\frac12 c\, t^2$, with the
# **curvature** $c = \mathrm{E}\,(d \cdot a)^2$. A step makes of it $(1 - \mathrm{step}\cdot c)\, t$, which is nearer
# up to a step of $2/c$.
#
# For $n$ independent inputs of mean $m$ and variance $v$:
#
# $$c = v + n\,m^2 \ \text{ along } (1, \dots, 1), \qquad c = v \ \text{ across it}$$
#
# The steep direction limits the step; the flat ones need $1 + n m^2 / v$ times as many steps.

# %% [markdown] slideshow={"slide_type": "skip"}
# Along $d = (1, \dots, 1)/\sqrt n$ the number $d \cdot a$ has the mean $\sqrt n\, m$ and, variances adding, the
# variance $n \cdot v/n = v$. The expectation of its square is variance plus mean squared: $v + n m^2$. Where the
# entries of $d$ add up to 0 the means cancel and $v$ is left.
#
# The table of second derivatives is the **Hessian**. There are directions that it only stretches, its
# **eigenvectors**, by factors, its **eigenvalues**: here these curvatures. Autograd builds it from thrown dice.

# %% slideshow={"slide_type": "skip"}
def curvatures(mean: float, variance: float, n: int) -> tuple[float, float]:
    return variance + n * mean**2, variance


u = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
a = torch.sigmoid(u)
zero = torch.zeros(5, dtype=torch.float64)
hessian = torch.autograd.functional.hessian(lambda w: 0.5 * ((a @ w) ** 2).mean(), zero)
assert torch.allclose(hessian, a.T @ a / len(a), rtol=1e-12)
steep, flat = curvatures(*experiments.moments("sigmoid"), n=5)
eigenvalues = torch.linalg.eigvalsh(hessian).numpy()
assert np.allclose(eigenvalues, [flat] * 4 + [steep], rtol=0.15)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("inputs φ(z), z ~ N(0, 1)    mean  variance   steep/flat: n = 2    n = 100")
for name in ("sigmoid", "relu", "tanh", "sigmoid - 1/2"):
    mean, variance = experiments.moments(name)
    ratios = [np.divide(*curvatures(mean, variance, n)) for n in (2, 100)]
    print(f"{name:24}  {abs(mean):6.3f}  {variance:8.4f}  {ratios[0]:18.1f}  {ratios[1]:9.1f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# With a hundred independent sigmoid inputs one direction is 577 times steeper than all others; in a net they are not
# independent, and the price is lower. ReLU has some of it, what is centred none: so LeCun, Bottou, Orr and Müller
# advised centred inputs in 1998.
#
# ### Exercise 4: the largest stable step
#
# Return the largest stable step of descent on all the data, for `n` independent inputs.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def largest_step(mean: float, variance: float, n: int) -> float:
    # BEGIN SOLUTION
    return 2 / (variance + n * mean**2)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.largest_step(largest_step)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Twins: the mean and nothing else
#
# $$z = W a + b = W \left(a - \tfrac12\right) + \left(b + W \tfrac12\right)$$
#
# So a sigmoid net has a **twin** with the activation $s(z) - \frac12$: the same weights, slopes and output, the
# same $\delta$ in every layer. Only the inputs of its layers are centred.

# %% slideshow={"slide_type": "skip"}
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.probe import trace

images, labels = digits().x_train[:200], digits().y_train[:200]
net, twin = experiments.twins(depth=4, seed=0)
assert torch.allclose(net(images), twin(images), atol=1e-12)
seen, also = (trace(n, images, labels, cross_entropy) for n in (net, twin))
assert np.allclose(seen.log_delta, also.log_delta, atol=1e-9)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Do the twins learn alike?** Only the inputs of one's layers are centred.

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.centring_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# At step 0 nothing differs, not even the deltas: vanishing cannot explain what follows. Show **four layers**, then
# **two layers, small step** (no gain: the limit does not bind), then **six layers: not enough**.

# %% [markdown] slideshow={"slide_type": "skip"}
# This is flaw 1 on its own. With one hidden layer it hardly matters. With four it decides whether 300 steps are
# enough: the sigmoid needs 500 and more. At a small step there is little gain, for the mean limits the *step*. With
# six layers 300 steps are too few for the twin as well: the slope is in the way.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CENTRING.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: find the flaw
#
# 1. A sigmoid layer's outputs are positive.
# 2. So, for one sample, all weight gradients of a unit in the next layer share one sign.
# 3. A batch's gradient is the average over its samples, so its entries share one sign as well.
# 4. So, even on all the data, the weights can only rise or fall together.
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
# ## Flaw 2: saturation
#
# A Medium article, of activations such as the sigmoid: "Each layer's output variance is much greater than its input's ...
# it keeps growing until the activation saturates in the top layers."
#
# **Predict:** weights $N(0, 1)$, ten layers of 500. In which layers are most units saturated, below a tenth of the
# steepest slope? Does the gradient shrink or grow towards the input?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "in all ten; it grows"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where are the units saturated, and does the gradient shrink or grow?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.forward_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# As it opens: four units in five saturated in *every* layer, and yet the gradient **grows** towards the input. Ask
# why. (The few open units sit behind weights of size 1, and 500 units feed each.) Then **U(±1/√n)**: nobody is
# saturated, and the gradient vanishes.

# %% [markdown] slideshow={"slide_type": "skip"}
# Three kinds of weights, as tutorials draw them, no biases; $U(\pm a)$ is even between $-a$ and $a$. The dashed lines
# are chapter 01's $q$, the variance of $z$ over the random weights, and $\chi$, now layer by layer, with $u$ from
# $N(0, 1)$:
#
# $$q_{l+1} = \sigma_w^2\, \mathrm{E}\, s(\sqrt{q_l}\, u)^2, \qquad \chi_l = \sigma_w^2\, \mathrm{E}\, s'(\sqrt{q_l}\, u)^2$$
#
# - **Much greater, but not growing.** With $N(0, 1)$ weights every layer's $\mathrm{Var}\, z$ is 500 times and more
#   that of what comes in; the sigmoid brings it back to 1/4 at most. (Glorot and Bengio saw a top layer saturate *in
#   training*.)
# - **Small weights: no unit is saturated, and the gradient vanishes.** A slope of at most 1/4 is enough for that.
# - **Large weights: most units are saturated, and the gradient explodes**, if the layer is wide.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.VARIANCE_GROWS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SATURATED_BEYOND_TWO.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where saturation does hurt: an output that is wrong
#
# One sigmoid output $a = s(z)$ with target $y$, and two losses:
#
# $$\tfrac12 (a - y)^2: \quad \frac{\partial L}{\partial z} = (a - y)\, s'(z)$$
#
# $$-y \ln a - (1 - y) \ln (1 - a): \quad \frac{\partial L}{\partial z} = \frac{a - y}{a (1 - a)}\, s'(z) = a - y$$
#
# Cross-entropy divides by just what the slope multiplies with. With ten outputs the **softmax**
# $a_i = e^{z_i}/\sum_j e^{z_j}$ takes the sigmoid's place, and $-\ln a$ of the right one is the loss: again
# $\partial L/\partial z = a - y$. torch's `cross_entropy` does both.

# %% slideshow={"slide_type": "skip"}
def deltas(z: torch.Tensor, y: float) -> tuple[torch.Tensor, torch.Tensor]:
    a = s(z)
    return (a - y) * a * (1 - a), a - y


z = torch.linspace(-6, 6, 25, dtype=torch.float64, requires_grad=True)
a, y = s(z), 0.0
losses = 0.5 * (a - y) ** 2, -y * torch.log(a) - (1 - y) * torch.log(1 - a)
for loss, formula in zip(losses, deltas(z, y), strict=True):
    (gradient,) = torch.autograd.grad(loss.sum(), z, retain_graph=True)
    assert torch.allclose(gradient, formula, rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **The output is 0.998 and should be 0: which loss moves it?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.output_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask for the answer first. Drag **start z** down until the two learn alike. **Nielsen 2015** is the start of his
# chapter 3. Ask: *why can no loss do this for a hidden layer?* (It divides by the last slope alone.)

# %% [markdown] slideshow={"slide_type": "skip"}
# So a saturated output is a fault of the *loss*, cured decades ago. Between a hidden layer and the loss stand other
# slopes, and no loss divides by those.
#
# The Zhihu article's "if you use the sigmoid as the loss function, its gradient cannot exceed 0.25" is right of the
# activation that it means; with the right loss behind, the gradient at the sigmoid's input reaches 1.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.OUTPUT_STOPS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SIGMOID_AS_A_LOSS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Flaw 3: the cost of exp
#
# A layer of $n$ units does, for each unit and sample, $n$ multiplications and additions, and **one** exponential: the
# wider the layer, the smaller its share.
#
# **Predict:** the sigmoid's share of its layer's forward time, for 32 and for 1024 units.

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "some 30% and 2%, on one machine"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What share of its layer's time does the sigmoid take?**

# %% tags=["lab", "nbval-ignore-output"] jupyter={"source_hidden": true}
labs.cost_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The numbers are this machine's; **Reseed** takes them again: show how they scatter before anybody quotes a digit.
# Point at tanh. The usual slip: timing a function alone and calling a factor of three "three times slower training".

# %% [markdown] slideshow={"slide_type": "skip"}
# The sentence is computed, since the numbers are this machine's:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "skip"}
for width in (32, 1024):
    layer = experiments.time_layer(width, batch=128)
    low, share, high = np.quantile(layer.shares("sigmoid"), [0.25, 0.5, 0.75])
    word = "a large part" if share > 0.25 else "some" if share > 0.05 else "next to nothing"
    print(f"{width:4} units: the sigmoid is {word} of its layer's time: {share:.1%} ({low:.1%} to {high:.1%})")

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "skip"}
ratios = experiments.step_ratios(width=256, batch=128)
low, ratio, high = np.quantile(ratios, [0.25, 0.5, 0.75])
print(f"a training step with sigmoid takes {ratio:.2f} times that with ReLU ({low:.2f} to {high:.2f})")

# %% [markdown] slideshow={"slide_type": "skip"}
# The backward pass adds two more matrix products for each one forward, and no exponential: $s'(z) = a(1-a)$.

# %% tags=["claims", "nbval-ignore-output"] slideshow={"slide_type": "skip"}
claims.EXP_IS_COSTLY.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The sentence: "cannot be used in hidden layers"
#
# Twenty sigmoid layers: plain; with **batch norm**, which centres and scales each $z$ over the batch (chapter 06); or
# **residual**, $h_l = h_{l-1} + s(z_l)$, where a **skip** carries the signal past each layer (chapter 07).
#
# **Predict:** which of the three learn?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "batch norm and residual, not the plain net"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the three learn: plain, with batch norm, with skips?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.hidden_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote first. **Plain, 20 layers**, then **batch norm** and **residual**. Right panel: the gradient at the start is
# level instead of falling by twelve powers of ten. Then ask for the sentence that *is* true.

# %% [markdown] slideshow={"slide_type": "skip"}
# The plain net stays at one in ten. With batch norm or skips the same sigmoids, from the same weights, learn within
# 150 steps. And an LSTM's gates (chapter 08) are sigmoids on purpose: a gate lies between 0 and 1.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HIDDEN_BATCH_NORM.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HIDDEN_RESIDUAL.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Judgement
#
# | flaw | real? | how large |
# |---|---|---|
# | one sign, zig-zag | for one sample | most units of a batch at the start; on all data no zig-zag below the step's limit |
# | **positive mean** | **yes** | $1 + n m^2/v$ times the steps, 577 for 100 independent inputs; 3 to 4 times in nets of 3 and 4 layers |
# | saturated at 2 | no | 42% of the slope; 10% at 3.64, 1% at 5.99 |
# | saturated output | with squared error | none with cross-entropy |
# | **slope at most 1/4** | **yes** | with small weights it vanishes and nobody is saturated |
# | exp | read the lab | one for each unit, against $n$ multiplications: its share falls as layers get wider |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Two flaws are real: a positive mean limits the step, a slope of at most 1/4 takes the gradient.
# - Both can be mended around it: centre, scale, normalise, or skip.
# - "Saturated", "vanishing" and "zig-zag" are three things. Measure which one you have.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# LeCun, Bottou, Orr and Müller, *Efficient BackProp*, 1998 (the mean and the curvature). Glorot and Bengio,
# *Understanding the difficulty of training deep feedforward neural networks*, 2010 (saturation in sigmoid nets).
# Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 3 (cross-entropy). Quoted, in translation: a tutorial of
# 2017, a Medium article, and a Zhihu article, all on vanishing gradients.
