# %% [markdown] slideshow={"slide_type": "slide"}
# # 04 · The ReLU family
#
# **Why did a function with slope 1 help so much, and what did it cost?**
#
# **You will do** meet thirteen activations, turn a learning rate up until the units die, and race six networks.
#
# **You will learn** why the slope is 1 and the gain is not, which gauge lies, and when a zero means death.
#
# **You need** chapter 02 (delta and the chain rule); chapter 03 (the sigmoid's flaws) helps.
#
# **Time** 80 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *Three pictures of an activation* 3, `portrait_lab` 5, *The family* 2, *Predict* 3, `slope_lab` 6,
# *Why the slope is 1 and the factor is 1/2* 4, *So the weights decide* 2, *What does the usual gauge show?* 2,
# `gauges_lab` 7, *Dying ReLU* 2, `dying_lab` 6, *Why layer 2 dies and layer 1 does not* 2, *Summary* 1.
#
# **90 minutes**: *Three pictures of an activation* 4, `portrait_lab` 6, *The family* 4, *What each does to a bell of
# spread 1* 3, *Noise as a regulariser: RReLU* 2, `noise_lab` 4, *Predict* 3, `slope_lab` 7, *Why the slope is 1 and
# the factor is 1/2* 5, *So the weights decide* 3, *What does the usual gauge show?* 2, `gauges_lab` 8, *Why it lies*
# 4, *Decisive: train them* 4, *Dying ReLU* 3, `dying_lab` 7, *Why layer 2 dies and layer 1 does not* 2, *Can they
# come back?* 1, `knock_lab` 4, *"Half of the ReLUs are dead, change the activation"* 3, *Born dead* 1,
# `born_dead_lab` 3, *The race* 2, `race_lab` 4, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
from vglib.relu_family import check, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three pictures of an activation
#
# A unit passes on $\phi(z)$. In a wide network $z$ is spread like a bell.
#
# - **Left**: the function $\phi$. **Middle**: its slope $\phi'$, the factor that the chain rule puts on the gradient.
# - **Right**: $\chi$, the factor by which a whole layer multiplies $\lVert\partial L/\partial z\rVert^2$, when its
#   weights are just large enough to keep the *signal*, the mean of $z^2$: the activation's **own He scale** (He and
#   others 2015).
#
# $\chi = 1$ keeps the gradient.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Whose $\chi$ is 1, however wide the bell?** Left $\phi$, middle $\phi'$, right $\chi$.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.portrait_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Start at ReLU and drag **spread of z**: the right panel stays flat at 1. Then **sigmoid, the rival**, **tanh, large
# z**, **GELU**. Ask: *whose curve is flat, and why?* (Kinked lines look the same at every magnification.) Grey: where
# $z$ lies, scaled to height 1.

# %% [markdown] slideshow={"slide_type": "skip"}
# At the sigmoid's $\chi = 0.15$ seven layers leave two millionths of the square.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The family
#
# | | merit | fault |
# |---|---|---|
# | sigmoid, tanh | smooth, bounded | both ends saturate |
# | **ReLU** | slope 1, cheap, many exact zeros | slope 0 below 0; outputs never negative |
# | leaky ReLU | never quite shut | the leak is one more number to choose |
# | PReLU | learns its leak | one more thing to learn |
# | RReLU | random leak: noise regularises | two modes to keep apart |
# | ELU, SELU | negative outputs, mean nearer 0 | an exponential; shuts far below 0 |
# | softplus | smooth ReLU | never 0, mean far from 0 |
# | GELU, SiLU, Mish | smooth, dip below 0 | slope not monotone, dearer (hard-swish: cheaper, with kinks) |

# %% [markdown] slideshow={"slide_type": "skip"}
# Their formulas. The last column, the **gain**, is the weight scale that libraries recommend, or else the own He
# scale at spread 1.

# %% slideshow={"slide_type": "skip"}
from IPython.display import Markdown

from vglib.activations import ACTIVATIONS
from vglib.relu_family.experiments import FAMILY

rows = ["| name | function | slope | gain |", "|:--|:--|:--|:--|"]
for phi in map(ACTIVATIONS.get, FAMILY):
    rows.append(f"| {phi.name} | ${phi.latex}$ | ${phi.latex_derivative}$ | {phi.gain:.3f} |")
Markdown("\n".join(rows))

# %% [markdown] slideshow={"slide_type": "skip"}
# A widely read Zhihu article says the leak is *generally 0.1 or 0.2, or learned*. The paper of 2013 and torch use
# 0.01, TensorFlow 0.2. PReLU starts at $a = 1/4$ and follows the gradient
# $\partial L/\partial a = \sum \partial L/\partial \phi \cdot \min(z, 0)$.
#
# Autograd has the same slopes, at the kinks as well:

# %% slideshow={"slide_type": "skip"}
import torch

for name in FAMILY:
    z = torch.cat([torch.linspace(-8, 8, 1601), torch.tensor([-3, 0, 3])]).double().requires_grad_()
    (slope,) = torch.autograd.grad(ACTIVATIONS[name].function(z).sum(), z)
    assert torch.allclose(ACTIVATIONS[name].derivative(z), slope, rtol=0, atol=1e-12), name

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What each does to a bell of spread 1
#
# Mean and variance of its output, its own He scale $\sigma_w$ (weights of variance $\sigma_w^2/n$), and $\chi$ there.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
from vglib.relu_family.experiments import face

print("            mean  var  sigma_w  chi")
for name in FAMILY:
    f = face(name)
    moments = f"{abs(f.mean):5.2f} {f.variance:5.2f}"
    print(f"{name:<10} {moments} {f.he_sigma_w:6.2f} {f.chi:6.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# Three groups. The sigmoid and softplus lose the gradient where they keep the signal: most of that is their mean,
# which carries no news. The kinked lines have $\chi = 1$ exactly. All others gain, tanh most. In fifty layers SELU's
# 7% makes 30 times the square, though its *signal* is kept perfectly.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
from vglib.relu_family import claims

claims.SELU.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# The price in time, for 128 x 1024 numbers on this machine, beside the matrix product before it (`matmul`). ReLU is
# *cheap*; does it matter?

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "skip"}
from vglib.relu_family.experiments import milliseconds

for name in ("relu", "leaky_relu", "elu", "sigmoid", "gelu", "mish", "matmul"):
    print(f"{name:<10} {milliseconds(name):7.3f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Noise as a regulariser: RReLU
#
# A **regulariser** keeps a net from learning its training images by heart. In training each unit
# draws its leak at random; in evaluation, at the test, the leak is the mean. So on average the noise changes no output.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What does the noise do to the squared error?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.noise_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **No range**, **Xu 2015**, **wide**: twice the range costs four times as much. Ask: *where does the noise not act?*
# (At positive $z$.)

# %% [markdown] slideshow={"slide_type": "skip"}
# Take an output $y = \sum_i w_i \phi(z_i)$. The squared error also feels its *variance*, and variances of independent
# terms add up. A leak uniform in $[l, u]$ has variance $(u-l)^2/12$, so
#
# $$E(\text{error}^2) = \text{error of the mean}^2 + \frac{(u-l)^2}{12} \sum_{z_i < 0} w_i^2 z_i^2 .$$
#
# The last term is a price on large weights, paid where $z$ is negative.

# %% slideshow={"slide_type": "skip"}
import numpy as np


def penalty(w, z, lower, upper):
    return (upper - lower) ** 2 / 12 * (w**2 * np.minimum(z, 0) ** 2).sum()


rng = np.random.default_rng(0)
w, z = rng.normal(size=(2, 30))
leaks = rng.uniform(1 / 8, 1 / 3, (100_000, 30))
assert abs(((np.where(z > 0, 1, leaks) * z) @ w).var() / penalty(w, z, 1 / 8, 1 / 3) - 1) < 0.02

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# 20 ReLU layers. Every open path has slope exactly 1. The weights have variance $1/n$, Glorot's rule for layers of equal
# width (chapter 05).
#
# What share of layer 20's $\lVert\partial L/\partial z\rVert$ arrives at layer 1?
#
# - **A** all of it: a product of ones is one
# - **B** about a thousandth
# - **C** about a millionth

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_guess = ...  # "A", "B" or "C"
my_guess = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess(my_guess)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What share of layer 20's gradient arrives at layer 1?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.slope_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote first; most say A. Presets, by the right panel: $1/n$ halves, $2/n$ holds, $3/n$ explodes, torch's default,
# $1/(3n)$, divides by six. Then `gelu` or `leaky_relu`: the scale matters, not the kink.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why the slope is 1 and the factor is 1/2
#
# Backwards through one layer: $\ \delta_l = \phi'(z_l) \odot (W_{l+1}^\top \delta_{l+1})$. ($\odot$, entry by entry,
# is chapter 02's $D_l$.)
#
# 1. An entry of $W^\top\delta$ is a sum of $n$ independent terms, each of variance $\frac{\sigma_w^2}{n}\delta_i^2$. Variances
#    add: $\frac{\sigma_w^2}{n}\lVert\delta\rVert^2$ an entry, so $\sigma_w^2\lVert\delta\rVert^2$ for all $n$.
# 2. $\phi'$ is 1 or 0, each with chance 1/2: **half of the square is lost**.
#
# $$\chi = \tfrac12\,\sigma_w^2$$

# %% [markdown] slideshow={"slide_type": "skip"}
# The slope of an *open* path is 1, the *average squared* slope 1/2. By dice, then by the integral:

# %% slideshow={"slide_type": "skip"}
from vglib import theory


def chi_relu(sigma_w_squared):
    return sigma_w_squared / 2


n, relu = 2000, ACTIVATIONS["relu"]
delta, W, z = rng.normal(size=n), rng.normal(size=(n, n)) / n**0.5, rng.normal(size=n)
back = relu.dphi(z) * (W.T @ delta)
assert abs((back**2).sum() / (delta**2).sum() - chi_relu(1)) < 0.08
assert abs(theory.chi(1.0, relu.dphi, 3**0.5) - chi_relu(3)) < 1e-12

# %% [markdown] slideshow={"slide_type": "slide"}
# ## So the weights decide
#
# | weights | variance | $\chi$ | 20 layers leave of $\lVert\delta\rVert$ |
# |---|---|---|---|
# | torch's default | $1/(3n)$ | 1/6 | $4 \cdot 10^{-8}$ |
# | Glorot | $1/n$ | 1/2 | $0.0014$ |
# | **He** | $2/n$ | **1** | **1** |
# | too large | $3/n$ | 3/2 | $47$ |
#
# ReLU made $\chi = 1$ *possible*, at one weight scale.

# %% [markdown] slideshow={"slide_type": "skip"}
# A lecture note and the Zhihu article: *if the derivative of the activation is 1, there is no vanishing or exploding,
# and every layer gets the same update speed.* On trial:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SLOPE_ONE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.EXPLODES.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HE.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: the gain of a leak
#
# A leaky ReLU has slope 1 above 0 and slope $a$ below. At which $\sigma_w$ is $\chi = 1$? (Try $a = 0$ and $a = 1$.)

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def leaky_gain(a: float) -> float:
    # BEGIN SOLUTION
    return (2 / (1 + a**2)) ** 0.5
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.leaky_gain(leaky_gain)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What does the usual gauge show?
#
# Many monitors plot $\lVert\partial L/\partial W\rVert$ by layer.
#
# **Predict**: 20 ReLU layers at torch's weight scale, no biases. Will that gauge show the trouble?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "no: it is nearly the same in all layers"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the three gauges shows the trouble?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.gauges_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The heart of the chapter. Which of the panels would they have plotted? The middle one is flat: healthy? The left one
# falls by seven decades. **He, no biases**: the left one is flat, the middle one slopes a little more than before.
# **torch's default, with biases**: the right panel breaks, and the middle one tells the truth. Usual objection: "but
# dW is tiny everywhere". Yes, but the *ratio* does not show it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why it lies
#
# ReLU is a straight line on either side of 0, so $\phi'(z)\,z = \phi(z)$. Take the inner product
# $\langle W, \partial L/\partial W\rangle$, products entry by entry, added up. Without biases, for one image,
#
# $$\begin{aligned}
# \langle W_l, \tfrac{\partial L}{\partial W_l}\rangle &= \delta_l \cdot z_l
# = (\phi'(z_l) \odot W_{l+1}^\top\delta_{l+1}) \cdot z_l \\
# &= (W_{l+1}^\top\delta_{l+1}) \cdot h_l
# = \langle W_{l+1}, \tfrac{\partial L}{\partial W_{l+1}}\rangle .
# \end{aligned}$$
#
# **The same number in every layer**, however sick the network is.

# %% [markdown] slideshow={"slide_type": "skip"}
# Step by step: $\partial L/\partial W_l = \delta_l h_{l-1}^\top$, so its product with $W_l$ is $\delta_l \cdot W_l h_{l-1} = \delta_l \cdot z_l$. Then the chain
# rule, then $\phi'(z) z = \phi(z) = h$, then the first step backwards. Images add up, so it holds for a batch. By autograd:

# %% slideshow={"slide_type": "skip"}
from torch.nn.functional import cross_entropy

from vglib.data import digits
from vglib.networks import mlp

data = digits()
x, y = data.x_train[:128], data.y_train[:128]


def inner_products(net):
    gradients = torch.autograd.grad(cross_entropy(net(x), y), list(net.weights))
    return torch.stack([(W * dW).sum() for W, dW in zip(net.weights, gradients)]).detach()


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
options = {"activation": "relu", "init": "torch"}
bare = inner_products(mlp(20, **options, bias_scale=0.0))
biased = inner_products(mlp(20, **options))
print("without biases: equal to 12 digits:", bool((bare / bare[0] - 1).abs().max() < 1e-12))
print("with biases: changes more than a thousandfold:", bool(abs(biased[-1] / biased[0]) > 1000))

# %% [markdown] slideshow={"slide_type": "skip"}
# An inner product is at most the product of the lengths. So $\lVert\partial L/\partial W_l\rVert \ge |\langle W_l,
# \partial L/\partial W_l\rangle| / \lVert W_l\rVert$: one floor for all layers of equal size. In a sick net $h$ fades on its way up as $\delta$ does on its way down, and their product hides both.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Decisive: train them
#
# Three networks of 20 layers, ten epochs: torch's weights without biases, whose weight gradients are *even*; torch's
# with biases; He's, of six times the variance, without.
#
# **Predict**: which of them learn?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "only He's"
# END SOLUTION

# %% tags=["decisive"] slideshow={"slide_type": "fragment"}
from vglib.relu_family.experiments import train_deep

reached = {}
for init, biases in (("torch", False), ("torch", True), ("he", False)):
    share = train_deep(init, biases).test_accuracy[-1]
    reached[init, biases] = share
    print(f"{init:<5} biases {'yes' if biases else 'no':<3}  {share:.0%}")
assert reached["torch", False] < 0.2 < 0.5 < reached["he", False]

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.HEALTHY.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# The first stays at chance at the rates 0.2 and 2 too, five starts each (`make test-long`).

# %% tags=["claims", "nbval-ignore-output"] slideshow={"slide_type": "skip"}
claims.BALANCE.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: the inner product
#
# Write $\langle W, \partial L/\partial W\rangle$ for a batch: `W` is (out, in), `delta` (images, out), `h` (images,
# in), and $\partial L/\partial W = \delta^\top h$. Can you do without building $\partial L/\partial W$?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def inner(W: torch.Tensor, delta: torch.Tensor, h: torch.Tensor) -> float:
    # BEGIN SOLUTION
    return float((delta * (h @ W.T)).sum())
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.inner(inner)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: find the flaw
#
# A colleague reports on a ReLU net of depth 20 without biases:
#
# 1. $\lVert\partial L/\partial W_1\rVert / \lVert\partial L/\partial W_{20}\rVert = 0.55$.
# 2. That ratio is close to 1.
# 3. So the gradient reaches layer 1 undiminished.
# 4. So vanishing gradients are not why it does not train.
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
# ## Dying ReLU
#
# *Once in the negative half, learning stops completely*, says a tutorial of 2017, and calls *dying* what no example
# turns on. Two things:
#
# - **off for this image** (or this batch): output 0, no gradient *from it*. At the start half of all pairs of a unit
#   and an image.
# - **off for all of the data**: no gradient at all. The unit is **dead**.
#
# **Predict**: a 64-100-100-10 net takes 600 steps at the learning rate 1, another at 0.1. Do they lose units, and in
# which layer first?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "most of layer 2 at 1, none at 0.1"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does the net lose units, and in which layer first?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.dying_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **SGD 0.1**: nobody dies. **SGD 1**, and Reseed: anything from a fifth of layer 2 to all of it. **Adam 0.03** is the
# surprise: about half are dead, the accuracy still over 90%. **Adam 0.1** ruins it, **leaky** with the same steps
# does not. Ask why it is always layer 2.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why layer 2 dies and layer 1 does not
#
# - Layer 2 reads ReLU outputs, **never negative**. One large step that makes most of a unit's weights negative shuts
#   it for every image.
# - Layer 1 reads standardised pixels, of both signs: some image always turns it on.
#
# Here the two faults in every list meet: it dies, and its output is not centred on 0.

# %% [markdown] slideshow={"slide_type": "skip"}
# Layer 2's dead after 600 steps, and the test accuracy. **SGD** is chapter 01's descent, batch by batch. **Adam**
# (chapter 10) moves each weight by about the learning rate, so 0.1 is huge: the weights are of size 0.14.

# %% slideshow={"slide_type": "skip"}
from vglib.relu_family.experiments import dead_share

for rule, lrs in {"SGD": (0.1, 0.3, 1.0), "Adam": (0.001, 0.01, 0.1)}.items():
    for lr in lrs:
        dead, accuracy = dead_share(lr, rule)
        print(f"{rule:<4} {lr:<6} dead {dead:4.0%}   test accuracy {accuracy:4.0%}")

# %% [markdown] slideshow={"slide_type": "skip"}
# A fresh net's first layer: half of the outputs are zero, nobody is dead.

# %% slideshow={"slide_type": "skip"}
z = mlp(1, activation="relu", init="he").weights[0] @ data.x_train.T
assert abs((z <= 0).double().mean() - 0.5) < 0.05
assert (z <= 0).all(1).sum() == 0

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NEGATIVE_HALF.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LARGE_STEPS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: count the dead
#
# `z` holds a layer's pre-activations, (images, units). Return how many units are dead; exactly 0 counts as off.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def dead(z: torch.Tensor) -> int:
    # BEGIN SOLUTION
    return int((z <= 0).all(0).sum())
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.dead(dead)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Can they come back?
#
# The last hidden layer is knocked out: its biases are lowered until every $z$ is at most -1, for every image. Then we
# train.
#
# **Predict** for ReLU, leaky ReLU and ELU: how many units come back?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "ReLU: none; leaky ReLU: some; ELU: most"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How many of the units come back?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.knock_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **ReLU**: nobody, at any rate; the layers below get no gradient either. **Leaky**: a hundredth of the gradient is
# enough, though about half of the units stay negative and work at slope 0.01. **ELU, far**: smoothness does not save;
# at -10 its slope is 0.00005.

# %% [markdown] slideshow={"slide_type": "skip"}
# A Medium article: leaky units *may go into a long coma, but they always have a chance to wake up*. And with Adam?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ADAM.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LEAKY_SURVIVES.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## "Half of the ReLUs are dead, change the activation"
#
# Some courses find half of the units of a fresh net dead at depth 10, and change the function. Count again, at two
# weight scales:

# %% slideshow={"slide_type": "fragment"}
from vglib.relu_family.experiments import off_at_start

for init in ("torch", "he"):
    shares = [off_at_start(init, 10, seed) for seed in range(5)]
    dead = f"{np.mean(shares):4.0%} ± {np.std(shares):.0%}"
    print(f"layer 10, fresh, {init:<5}  dead {dead}")

# %% [markdown] slideshow={"slide_type": "skip"}
# At torch's scale the signal has faded by layer 10: what is left of $z$ is the bias, the same for all images and
# negative for half of the units. With He it is about a tenth: an artefact of the initialisation.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ARTEFACT.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Born dead
#
# In a *narrow* net a whole layer may be silent from the start. Then the output does not depend on the input, and nothing
# can be learned, at any rate. How many nets with nine layers of three units are so?

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How many nets are born dead?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.born_dead_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets, to **width 10, depth 100**: depth kills, width protects. Ask: *why is the green line, silent for every
# input, lower?* (One silent input is not yet a dead net.) Drag **weight scale**: nothing moves. The usual slip:
# taking this for dying; here nobody has taken a step.

# %% [markdown] slideshow={"slide_type": "skip"}
# Fix one input. A unit is off with chance 1/2, all $N$ of a layer with chance $2^{-N}$; the net lives if none of its
# $k$ layers is silent:
#
# $$P(\text{silent}) = 1 - (1 - 2^{-N})^{k}$$
#
# For *one* input that is exact. A dead net is silent for *every* input, which is rarer: there it is a bound (Lu and
# others, 2019, with $k = L - 1$). Without biases the weight scale changes no sign, and so nothing. Formula and dice:

# %% slideshow={"slide_type": "skip"}
from vglib.relu_family.experiments import born_dead as throw

for N in (2, 3, 5):
    formula, dice = 1 - (1 - 0.5**N) ** 9, throw(N, 9, nets=5000)
    one, every = dice.one_input[-1], dice.all_inputs[-1]
    print(f"N = {N}: formula {formula:.3f}, one input {one:.3f}, every input {every:.3f}")
    assert abs(one - formula) < 0.03 and every < formula

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: depth against width
#
# Write the formula. How wide must 100 layers be so that fewer than 1% of the nets fall silent?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def born_dead(width: int, layers: int) -> float:
    # BEGIN SOLUTION
    return 1 - (1 - 0.5**width) ** layers
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.born_dead(born_dead)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BORN_DEAD.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The race
#
# The tutorial replaced its sigmoids by ReLUs: two points better on MNIST, *a few epochs to 95%*. And then: *ReLU is
# no saviour either*. More layers brought nothing.
#
# **Predict**, on digits, for ReLU from He's weights and the sigmoid from Glorot's, one, two and four layers: which
# epoch first sees 95%?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "ReLU: about 2 at each depth; sigmoid: 4 and later, with four layers not at all"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which epoch first sees 95%?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.race_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **One layer**: the sigmoid is two epochs behind. **Two**, **four layers**: ReLU hardly notices, the sigmoid does not
# start. Ask: *is that the activation or its weight scale?* Then **four layers, larger weights**: the sigmoid starts.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### With error bars
#
# Three seeds each, ten epochs, batch 10: ReLU from He, the sigmoid from Glorot, and one from three times Glorot's
# weights with steps three times as long.

# %% slideshow={"slide_type": "fragment"}
from vglib.relu_family.experiments import race

racers = (("relu", 1, 0.1), ("sigmoid", 1, 0.1), ("sigmoid", 3, 0.3))
options = {"epochs": 10, "data": data}
for widths in ([100], [100] * 2, [100] * 4):
    for name, scale, lr in racers:
        run = race(widths, [name], lr=lr, scales={name: scale}, **options)
        mean, spread = run.final(name)
        first = np.median(run.epochs_to(0.95, name))
        end = f"{mean:6.1%} ± {spread:.1%}, 95% at epoch {first:g}"
        print(f"{len(widths)} x 100, {scale} x {name:<7} {end}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ReLU is there after two epochs, at each depth. From Glorot the sigmoid needs longer with each layer, and with four
# does not start (`inf`: not within ten). From larger weights, by larger steps, it takes three or four: most of the
# lead was not the activation. The tutorial's code, too, gives ReLU He's weights and the sigmoid half of their
# variance.
#
# In the end its tables have 95.25, 95.87, 96.30, 96.08% for the sigmoid and 97.57, 97.92, 97.90, 97.81% for ReLU,
# with one to four layers of 100, on 10,000 images. That gap is beyond doubt. Is the order of the rows?
#
# With MNIST's files in a folder, put `data = mnist(folder, standardised=False)` (from `vglib.batch_norm.mnist`)
# before the cell, and the race runs on MNIST in a quarter of an hour. (Standardised, its rare pixels are too large
# for steps of 0.1.)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.FASTER.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What can a test set rank?
#
# Each image is named right with chance $p$. From one test set of $n$ to the next the share of right answers scatters,
# with the standard deviation $\sqrt{p(1-p)/n}$: its **standard error**. How large is it for our 360 images at 97.5%?

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How far apart must two nets be for a test set to rank them?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.ranking_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Guesses first; most are far too small. **Digits, half a point**: the better net loses one comparison in three.
# **MNIST, one row of the table**: still nearly one in three. **ReLU against sigmoid**: never. Ask: *which sentence of
# the tutorial survives?*

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
def standard_error(p, n):
    return (p * (1 - p) / n) ** 0.5


coins = rng.binomial(360, 0.975, 100_000) / 360
assert abs(coins.std() - standard_error(0.975, 360)) < 1e-4
print(f"   360 images at 97.5%: {standard_error(0.975, 360):.2%}")
print(f"10,000 images at 97.9%: {standard_error(0.979, 10_000):.2%}")

# %% [markdown] slideshow={"slide_type": "skip"}
# That is for two different test sets; on the *same* images a paired comparison sees a little more. But the code
# behind the table keeps the *best* epoch of one seed, which favours long runs, and the rows differ in depth, width
# and epochs at once. How often would four *equally good* nets lie as far apart?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TABLE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.PARAMETERS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 6: how many images?
#
# Two nets, both near $p = 0.975$, differ by 0.1 points. How many test images make that two standard errors of the
# difference? (Independent test sets: variances add.)

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB images = ...  # a number
images = 2 * 0.975 * 0.025 * (2 / 0.001) ** 2
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.images(images)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## No saviour, and why that proves little
#
# - On digits, and on MNIST, depth 4 reaches what depth 1 reaches.
# - Both are easy for one layer: depth has nothing to gain, and 360 images could not show it.
# - A fully connected net has no use for what depth is good at: parts of parts, as in images and sentences.
#
# **ReLU removed an obstacle. It did not supply a reason to go deep.**

# %% [markdown] slideshow={"slide_type": "skip"}
# The tutorial's six architectures, five seeds each, up to 60 epochs and 2048 units, run in `make test-long`. Their
# medians lie between 96.5% and 98%, in no order that 360 images could confirm.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - The slope of an open path is 1, half are shut: $\chi = \sigma_w^2/2$. He's $\sigma_w^2 = 2$ makes it 1; Glorot's
#   and torch's defaults vanish, $3/n$ explodes.
# - Without biases $\langle W, \partial L/\partial W\rangle$ is the same in every layer. Watch $\lVert\partial L/\partial z\rVert$, not only $\lVert\partial L/\partial W\rVert$.
# - A zero is not death. Dead is off *for all data*; too large steps kill, in layers that read non-negative inputs. A
#   leak keeps the way back open.
# - From He ReLU learns in a few epochs at each depth. From larger weights the sigmoid takes up to twice as long; from
#   Glorot's, four layers deep, it does not start. ReLU does not by itself make depth pay.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# Nair and Hinton 2010; Glorot, Bordes and Bengio, *Deep Sparse Rectifier Neural Networks*, 2011 (ReLU). Maas, Hannun
# and Ng 2013 (leaky). He, Zhang, Ren and Sun, *Delving Deep into Rectifiers*, 2015 (PReLU and the $2/n$). Xu, Wang,
# Chen and Li, *Empirical Evaluation of Rectified Activations*, 2015 (RReLU). Clevert and others 2016 (ELU).
# Klambauer and others 2017 (SELU). Hendrycks and Gimpel 2016 (GELU). Du, Hu and Lee, *Algorithmic Regularization in
# Learning Deep Homogeneous Models*, 2018. Lu, Shin, Su and Karniadakis, *Dying ReLU and Initialization*, 2019.
