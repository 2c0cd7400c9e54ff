# %% [markdown] slideshow={"slide_type": "slide"}
# # 05 · Initialisation
#
# **How large should the random weights be at the start, and can we know it before training?**
#
# **You will do** send a signal through fifty layers, find the border between order and chaos, and lay a line that theory
# drew in 2017 over your own measurement.
#
# **You will learn** Glorot's and He's rules in a line each, the two maps of mean-field theory, and three things that no
# rule about a variance can promise.
#
# **You need** the chain rule and the Jacobian (chapter 02), sigmoid, tanh and ReLU (chapters 03 and 04).
#
# **Time** 100 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *One neuron* 3, `neuron_lab` 2, *Predict: fifty layers as torch makes them* 3, `depth_lab` 6, *Two
# conditions* 3, *Glorot's compromise and He's factor* 3, *From one rule to a theory* 3, `q_map_lab` 5, *The c map:
# two inputs* 3, *The same χ going back* 2, `phase_lab` 10, *Summary* 2.
#
# **90 minutes**: *One neuron* 4, `neuron_lab` 2, *Predict: fifty layers as torch makes them* 4, `depth_lab` 6, *Two
# conditions* 4, *Glorot's compromise and He's factor* 4, `speed_lab` 4, *From one rule to a theory* 4, `q_map_lab` 5,
# *The c map: two inputs* 5, `c_map_lab` 5, *The same χ going back* 3, `phase_lab` 9, *How deep can it be?* 2,
# `trainability_lab` 5, *1 · Isometry* 3, `spectrum_lab` 6, *Isometry of a convolution* 3, `convolution_lab` 4,
# `fluctuation_lab` 3, *3 · Overflow, and then NaN* 2, `overflow_lab` 2, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import itertools
from math import log, sqrt

import torch

from vglib.initialization import check, experiments, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One neuron
#
# $$z = w_1 h_1 + w_2 h_2 + \dots + w_n h_n$$
#
# The weights are drawn independently, with mean 0 and variance $\mathrm{Var}\,w$. Then
#
# $$\boxed{\ \mathrm{Var}\,z = n\,\mathrm{Var}\,w\;\mathrm{E}\,h^2\ }$$
#
# $n$ is the **fan_in**, $\mathrm{E}\,h^2$ the mean of the squared inputs.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Why.** This is chapter 02's first tool, and needs no particular distribution. Let each weight be a coin, $+s$ or
# $-s$, and go through *all* the ways in which ten coins can fall:

# %% slideshow={"slide_type": "skip"}
def variance_of_z(n: int, var_w: float, mean_h2: float) -> float:
    return n * var_w * mean_h2


h = torch.linspace(-1, 2, 10, dtype=torch.float64)
s = 0.3
coins = torch.tensor(list(itertools.product([-s, s], repeat=10)), dtype=torch.float64)
z = coins @ h  # all 1024 values that z can have
assert abs(z.var(correction=0) - variance_of_z(10, s**2, float((h**2).mean()))) < 1e-12

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does it matter whether the weights are uniform or normal?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.neuron_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# One input: the uniform distribution shows its box. Three already hide it. In wide layers only the variance survives.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: fifty layers as torch makes them
#
# Fifty ReLU layers of `torch.nn.Linear`, just created. What share of the squared gradient $\lVert\delta\rVert^2$ of
# layer 50 reaches layer 1? (Dashed in the lab: mean-field theory, derived below.)
#
# - **A** about a half
# - **B** about one part in ten thousand
# - **C** about $10^{-38}$

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_guess = ...  # "A", "B" or "C"
my_guess = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess(my_guess)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How much of the gradient is left after fifty layers?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.depth_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote first. **torch's default with ReLU**: the left panel settles; is the signal healthy? **The same without
# biases** tells: what settled were the biases, the same for every image. Then **Glorot with ReLU**, **He with ReLU**,
# **Glorot with tanh**. The usual slip: "the forward signal is fine, so the gradient is".

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two conditions
#
# **Forward**: keep the size of the signal. For a linear layer $\mathrm{E}\,h^2 = \mathrm{Var}\,z$ of the layer before, so
# each layer multiplies by $n_{in} \mathrm{Var}\,w$, with $n_{in}$ inputs a unit.
#
# **Backward**: keep the size of the gradient. $W^\top \delta$ sums over the *outputs*, $n_{out}$ of them, the
# **fan_out**: each entry's mean square is multiplied by $n_{out} \mathrm{Var}\,w$.
#
# $$n_{in}\,\mathrm{Var}\,w = 1 \qquad\text{and}\qquad n_{out}\,\mathrm{Var}\,w = 1$$
#
# Both hold only if $n_{in} = n_{out}$.

# %% [markdown] slideshow={"slide_type": "skip"}
# Coins check that too, with three inputs and two outputs: autograd sends $\delta$ back through each of the $2^6$ sign
# matrices.

# %% slideshow={"slide_type": "skip"}
def backward_factor(n_out: int, var_w: float) -> float:
    return n_out * var_w


delta, x = torch.tensor([0.7, -1.1], dtype=torch.float64), torch.ones(3, dtype=torch.float64)
squares = []
for signs in itertools.product([-s, s], repeat=6):
    W = torch.tensor(signs, dtype=torch.float64).reshape(2, 3)
    (back,) = torch.autograd.grad(W @ x.requires_grad_(), x, delta)
    squares.append((back**2).mean())
factor = torch.stack(squares).mean() / (delta**2).mean()
assert abs(factor - backward_factor(2, s**2)) < 1e-12

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Glorot's compromise and He's factor
#
# **Glorot and Bengio (2010)** take the mean of the two fans:
#
# $$\mathrm{Var}\,w = \frac{2}{n_{in} + n_{out}}$$
#
# **He et al. (2015)** put ReLU in. Half of the next layer's inputs are zero, so
# $\mathrm{E}\,h^2 = \tfrac12 \mathrm{Var}\,z$, and the weights make up for it:
#
# $$\mathrm{Var}\,w = \frac{2}{n_{in}}$$

# %% [markdown] slideshow={"slide_type": "skip"}
# ### The whole family
#
# | name | $\mathrm{Var}\,w$ | made for |
# |---|---|---|
# | LeCun 1998 | $1/n_{in}$ | the forward condition |
# | Glorot (Xavier) | $2/(n_{in}+n_{out})$ | both, half way; linear or tanh. Keras's default, uniform |
# | He (Kaiming) | $2/n_{in}$ | ReLU. In Keras `he_normal`, `he_uniform` |
# | orthogonal | $1/n$, and $W^\top W = I$ | a rotation or mirror: it changes no length (below) |
# | torch's `nn.Linear` | $1/(3 n_{in})$ | history |
#
# Each comes normal and uniform. The variance of $U(-a, a)$ is the mean of $t^2$ over the interval:
#
# $$\frac{1}{2a} \int_{-a}^{a} t^2\,dt = \frac{a^2}{3}
# \qquad\text{so}\qquad a = \sqrt{3\,\mathrm{Var}\,w}$$
#
# Forget the $\sqrt3$, take $a = 1/\sqrt{n}$, and the variance is $1/(3n)$: torch's default. (Its code calls
# `kaiming_uniform_` with another $a$, a leak of $\sqrt5$, which gives just this.)

# %% slideshow={"slide_type": "skip"}
def uniform_bound(var_w: float) -> float:
    return sqrt(3 * var_w)


linear = torch.nn.Linear(300, 1000)
assert linear.weight.abs().max() <= uniform_bound(1 / (3 * 300)) + 1e-7
glorot = torch.nn.init.xavier_uniform_(torch.empty(1000, 300))
assert 0.99 < glorot.abs().max() / uniform_bound(2 / 1300) <= 1 + 1e-6

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Measured
#
# Twenty layers of 500 units, no biases. "Forward" is the factor on the mean of $z^2$ a layer, "back" that on
# $\lVert\delta\rVert^2$.

# %% slideshow={"slide_type": "skip"}
cases = {
    ("identity", "torch default"): 1 / 3,
    ("identity", "Glorot uniform"): 1,
    ("relu", "He uniform"): 1,
    ("relu", "He normal"): 1,
    ("relu", "Glorot normal"): 1 / 2,
    ("relu", "torch default"): 1 / 6,
}
measured = experiments.layer_factors(list(cases))
for ((phi, init), predicted), (forward, back) in zip(cases.items(), measured):
    print(f"{phi:9} {init:15} predicted {predicted:.3f}  forward {forward:.3f}  back {back:.3f}")
    assert abs(forward / predicted - 1) < 0.1 and abs(back / predicted - 1) < 0.1

# %% [markdown] slideshow={"slide_type": "skip"}
# A **convolution** is the same sum: one output number reads a window of $k \times k$ pixels, the **kernel**, in each input channel. So
# its fan_in is $k^2$ times the channels, and torch agrees:

# %% slideshow={"slide_type": "skip"}
def conv_fan_in(channels: int, kernel: int) -> int:
    return channels * kernel**2


conv = torch.nn.Conv2d(16, 32, kernel_size=5)
assert torch.nn.init._calculate_fan_in_and_fan_out(conv.weight)[0] == conv_fan_in(16, 5)
noise = torch.randn(8, 16, 12, 12)
n_var_w = conv_fan_in(16, 5) * conv.weight.detach().var()
seen = (conv(noise) - conv.bias[:, None, None]).detach().var() / (noise**2).mean()
assert abs(seen / n_var_w - 1) < 0.1

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: He, uniform
#
# Write the bound $a$ such that $U(-a, a)$ has He's variance.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def he_bound(fan_in: int) -> float:
    # BEGIN SOLUTION
    return (6 / fan_in) ** 0.5
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.he_bound(he_bound)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: He with dropout
#
# **Dropout** sets each entry of $h$ to 0, except with probability `keep`; what is kept is divided by `keep`, so that the mean stays.
# Behind ReLU, which $\sigma_w = \sqrt{n\,\mathrm{Var}\,w}$ keeps the mean square? For `keep = 1` it must be He's.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def dropout_gain(keep: float) -> float:
    # BEGIN SOLUTION
    return (2 * keep) ** 0.5
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.dropout_gain(dropout_gain)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Does it speed training up?
#
# A Medium article says that Glorot's initialisation "can speed training up considerably". The same net, images and
# order, four starts.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the four starts learns first?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.speed_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **tanh**: Glorot takes 2 or 3 epochs, torch about ten. **ReLU**: He leads. **sigmoid**: none helps; all four are far
# from its critical scale (the phase diagram). **One layer forgives** any scale.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From one rule to a theory
#
# "Keep the variance" was derived for linear layers and ReLU. What of tanh, and of biases?
#
# In **mean-field theory** each unit feels only the *average* over the layer before, as in an infinitely wide network.
# Two numbers are enough:
#
# - $q$, the variance of the pre-activations $z$ in a layer;
# - $c$, the **correlation** of the pre-activations of two inputs: the mean of their product over $q$. It is 1 if they
#   are equal, 0 if they have nothing in common.
#
# Weights are $N(0, \sigma_w^2/n)$, biases $N(0, \sigma_b^2)$. A sum of many independent terms is **Gaussian**
# (normal, chapter 02's bell curve). So $z \sim N(0, q)$, and $q$ says everything.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## The q map
#
# Put $z$ through the activation, and the boxed formula gives the next layer's variance:
#
# $$q_{l+1} = \sigma_w^2\; \mathrm{E}\,\phi(\sqrt{q_l}\,u)^2 + \sigma_b^2, \qquad u \sim N(0, 1)$$
#
# So throw:

# %% slideshow={"slide_type": "skip"}
def q_next(q: float, sigma_w: float, sigma_b: float, throws: int = 200_000) -> float:
    u = torch.randn(throws, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return sigma_w**2 * float((torch.tanh(sqrt(q) * u) ** 2).mean()) + sigma_b**2


q = 3.0
for layer in range(1, 9):
    print(f"layer {layer}: q = {q:.2f}")
    q = q_next(q, sigma_w=1.5, sigma_b=0.3)

# %% [markdown] slideshow={"slide_type": "skip"}
# It settles at a **fixed point** $q^*$, which maps to itself. `theory` has the same average as an integral, to
# fourteen digits; with ReLU it is $q/2$.

# %% slideshow={"slide_type": "skip"}
from vglib import theory
from vglib.activations import ACTIVATIONS

tanh, relu = ACTIVATIONS["tanh"], ACTIVATIONS["relu"]
assert abs(theory.q_map(3.0, relu.phi, 1.5, 0.3) - (1.5**2 * 3.0 / 2 + 0.3**2)) < 1e-12
assert abs(theory.q_map(3.0, tanh.phi, 1.5, 0.3) - q_next(3.0, 1.5, 0.3)) < 0.01
q_star = theory.q_fixed_point(tanh.phi, 1.5, 0.3)
assert abs(theory.q_map(q_star, tanh.phi, 1.5, 0.3) - q_star) < 1e-12

# %% [markdown] slideshow={"slide_type": "skip"}
# In the left panel each layer is a step of the staircase: up or down to the curve, the next $q$, then across to the
# diagonal. Where curve and diagonal meet, it ends.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where does the staircase end?** The variance $q$, layer by layer.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.q_map_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Explain the staircase. Drag **q of layer 1**: the end does not move. Then **tanh dies out**, **ReLU with He keeps
# what it got** (curve and diagonal coincide: nothing pulls back), **ReLU runs away**.

# %% [markdown] slideshow={"slide_type": "skip"}
# **What follows for tanh with Glorot.** $\sigma_w = 1$ and no biases: near 0, $\tanh z \approx z - z^3/3$, so
# $\mathrm{E} \tanh^2 \approx q - 2 q^2$. The map lies just below the diagonal, its only fixed point is 0, and $1/q$
# grows by about 2 a layer: $q \approx 1/(2L)$ after $L$ layers. It does not "settle at 0.25", as some slides say.

# %% slideshow={"slide_type": "skip"}
path = theory.q_trajectory(1.0, tanh.phi, sigma_w=1.0, sigma_b=0.0, depth=1000)
print("  ".join(f"layer {n}: {path[n - 1]:.4f} (1/2L = {1 / (2 * n):.4f})" for n in (10, 100, 1000)))
assert abs(path[-1] * 2 * 1000 - 1) < 0.02

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The c map: two inputs
#
# Two inputs enter with correlation $c$. A layer later:
#
# $$c_{l+1} = \frac{\sigma_w^2\, \mathrm{E}\,\phi(z_1)\phi(z_2) + \sigma_b^2}{q^*},
# \qquad z_1, z_2 \sim N(0, q^*) \text{ with correlation } c_l$$
#
# $c = 1$ is always a fixed point: equal inputs stay equal. **Is it stable?** Its slope at $c = 1$ decides:
#
# $$\boxed{\ \chi = \sigma_w^2\; \mathrm{E}\,\phi'(\sqrt{q^*}\,u)^2\ }$$

# %% slideshow={"slide_type": "skip"}
def c_next(c: float, q: float, sigma_w: float, sigma_b: float) -> float:
    return (sigma_w**2 * float(experiments.pair_mean(tanh.phi, c, q)) + sigma_b**2) / q


for c in (0.0, 0.5, 1.0):
    assert abs(c_next(c, q_star, 1.5, 0.3) - experiments.c_map(c, q_star, tanh.phi, 1.5, 0.3)) < 1e-9
assert abs(c_next(1.0, q_star, 1.5, 0.3) - 1) < 1e-9

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Do two inputs become alike, or do they part?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.c_map_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Ordered**: two images end as one. **Chaotic**: two almost equal ones part (*chaos tells 0.999 from 1*).
# **Critical**: neither, for as long as possible. Ask before the next slide: *a small difference of inputs grows by χ
# per layer; what does that say about the gradient?*

# %% [markdown] slideshow={"slide_type": "skip"}
# **Why the slope is χ.** A layer multiplies a small difference of two inputs by $W \cdot \phi'(z)$: the weights
# contribute $\sigma_w^2$ to its square, the activation $\mathrm{E}\,\phi'^2$.
#
# The map divides by the next layer's $q$. Where $q$ itself grows by χ a layer, as in a ReLU net without biases, the slope
# of the map is 1 at every $\sigma_w$: from $c = 0.5$ in layer 1 it leads to 0.93, 0.988 and 0.997 in layers 15, 50, 100.

# %% slideshow={"slide_type": "skip"}
def chi(q: float, dphi, sigma_w: float) -> float:
    return sigma_w**2 * float(theory.gaussian_mean(lambda z: dphi(z) ** 2, q))


assert abs(chi(5.0, relu.dphi, sqrt(2)) - 1) < 1e-12

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The same χ going back
#
# $$\delta_l = \phi'(z_l) \odot W_{l+1}^\top \delta_{l+1}
# \qquad\Rightarrow\qquad \mathrm{E}\lVert\delta_l\rVert^2 = \chi\; \mathrm{E}\lVert\delta_{l+1}\rVert^2$$
#
# So $\ln\lVert\delta\rVert^2$ is a straight line over the layers, of slope $\ln \chi$ on its way back.
#
# | | $\chi$ | two inputs | gradient |
# |---|---|---|---|
# | **ordered** | below 1 | become alike | vanishes |
# | **critical** | 1 | keep their distance longest | keeps its size |
# | **chaotic** | above 1, $q^*$ finite | part | explodes |
# | **runaway** | above 1, no finite $q^*$ | do not part | explodes |
#
# tanh and the sigmoid always have a finite $q^*$, ReLU none above $\sigma_w = \sqrt2$: its inputs become alike all
# the same.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where does a gradient vanish, where does it explode?** On the edge $\chi = 1$.

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.phase_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The heart of the chapter. Left: the sliders move the marker; blue vanishes, orange explodes, the dashed edge is
# critical. Right: a real network of width 400 and the line of Schoenholz and others; only its height is taken from
# the points. Presets: **ordered**, **critical**, **chaotic**; then **tanh at torch's gain 5/3** (chaotic!), **ReLU,
# 3/n** (it explodes without chaos), **sigmoid with Glorot**. Let the class hit the edge. Reseed: the points wander,
# the slope stays.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Decisive: three points of the plane
#
# $\sigma_b^2 = 0.05$, tanh, three values of $\sigma_w^2$: the points of the 2017 paper. Five networks each, of width
# 400 and depth 30, nothing fitted.

# %% tags=["decisive"] slideshow={"slide_type": "skip"}
for square, phase in ((1.0, "ordered"), (1.761, "critical"), (4.0, "chaotic")):
    points = [experiments.phase_point("tanh", sqrt(square), sqrt(0.05), seed=s) for s in range(5)]
    slope = sum(p.slope for p in points) / 5
    predicted = log(points[0].chi)
    print(f"{phase:9} ln chi = {predicted:+.3f}   measured slope = {slope:+.3f}")
    assert abs(slope - predicted) < 0.025

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Where the edge comes from
#
# For a given $q$, $\chi = 1$ fixes $\sigma_w$; that $q$ be a fixed point then fixes $\sigma_b$. So the **edge of
# chaos** is a curve with the parameter $q$, two averages a point:
#
# $$\sigma_w = \frac{1}{\sqrt{\mathrm{E}\,\phi'^2}}, \qquad \sigma_b^2 = q - \sigma_w^2\,\mathrm{E}\,\phi^2$$

# %% slideshow={"slide_type": "skip"}
def edge_of_chaos(q: float, phi, dphi) -> tuple[float, float]:
    sigma_w = float(theory.gaussian_mean(lambda z: dphi(z) ** 2, q)) ** -0.5
    return sigma_w, sqrt(q - sigma_w**2 * float(theory.gaussian_mean(lambda z: phi(z) ** 2, q)))


for q in (0.01, 0.1, 0.5, 1.0):
    sigma_w, sigma_b = edge_of_chaos(q, tanh.phi, tanh.dphi)
    print(f"q* = {q:<4}: sigma_w = {sigma_w:.4f}, sigma_b = {sigma_b:.4f}")
    assert abs(theory.q_map(q, tanh.phi, sigma_w, sigma_b) - q) < 1e-12
    assert abs(chi(q, tanh.dphi, sigma_w) - 1) < 1e-12

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How deep can it be?
#
# In $\xi = 1/|\ln \chi|$ layers, the **depth scale**, $\lVert\delta\rVert^2$ changes by a factor $e$. At the edge it
# is infinite.
#
# A second one, $\xi_c$, says how soon two inputs forget their distance.
#
# **Predict**: small tanh nets, $\sigma_b = 0.22$, of four depths and nine values of $\sigma_w$, take fifty steps
# each. Which learn?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "near the edge, and the deeper the nearer"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Where are the nets that learn?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.trainability_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Each move trains 36 nets. The bright wedge narrows with depth and points at the edge. The dashed line at 6 ξ is the
# paper's guide; the 6 moves with steps and learning rate. Theory predicts the order: the deepest nets that learn have
# the largest ξ.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: a depth scale
#
# tanh at $\sigma_w^2 = 1$, $\sigma_b^2 = 0.05$, the first point above: in how many layers does the squared gradient
# fall by a factor $e$?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB xi = ...
xi = 3.63
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.xi(xi)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three things a variance cannot promise
#
# 1. That **every direction** of the gradient survives: isometry.
# 2. That **your** network is like the average one: finite width.
# 3. That the numbers **fit** their format: overflow.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · Isometry
#
# The Jacobian of the whole net is a product, $J = W_L D_{L-1} W_{L-1} \cdots D_1 W_1$, where $D_l$ has the slopes $\phi'(z_l)$ on its
# diagonal. Its **singular values** $s$ are the factors by which it stretches its directions.
#
# $\chi = 1$ says that the *mean* of $s^2$ is 1. What about a typical $s$?

# %% [markdown] slideshow={"slide_type": "subslide"}
# **$\chi = 1$ is the mean of $s^2$: where is a typical $s$?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.spectrum_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **One layer** first: a Gaussian matrix has all s between 0 and 2, an orthogonal one exactly 1. Drag the
# depth up: the blue histogram walks off to the left while its mean square stays near 1. (The heap at the left end:
# float64 cannot resolve it.) **ReLU, 10**: orthogonal weights do not save it.

# %% [markdown] slideshow={"slide_type": "skip"}
# Is the product really the Jacobian? Autograd agrees:

# %% slideshow={"slide_type": "skip"}
def jacobian(weights: list, z0: torch.Tensor) -> torch.Tensor:
    J, z = torch.eye(len(z0), dtype=torch.float64), z0
    for W in weights:
        J = W @ (tanh.derivative(z)[:, None] * J)
        z = W @ torch.tanh(z)
    return J


def net(z0: torch.Tensor) -> torch.Tensor:
    return weights[2] @ torch.tanh(weights[1] @ torch.tanh(weights[0] @ torch.tanh(z0)))


weights, z0 = [torch.randn(6, 6).double() for _ in range(3)], torch.randn(6).double()
assert torch.allclose(jacobian(weights, z0), torch.autograd.functional.jacobian(net, z0), rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# **What theory says of the spectrum.** For linear Gaussian layers of equal width:
#
# - The mean of $s^2$ is 1, its variance $L$: ever fewer, ever larger values keep the mean.
# - The largest $s$ is about $\sqrt{(L+1)^{L+1}/L^L}$, which is near $\sqrt{e L}$, as long as the width is far above $L$.
# - A share $p$ of all $s$ lies below $p^{L/2}$. So the median is $2^{-L/2}$: at 50 layers $3 \cdot 10^{-8}$.
#
# With ReLU the variance of $s^2$ over its squared mean is $2L$, and still $L$ with orthogonal weights. Only nearly linear
# units, such as tanh near 0, allow an isometry.
#
# The lab takes tanh at $\sigma_w^2 = 1.05$, $\sigma_b^2 = 2.01 \cdot 10^{-5}$, a critical point that Pennington and others used in 2017.

# %% slideshow={"slide_type": "skip"}
import numpy as np

for depth in (1, 2, 5, 10):
    largest = [experiments.singular_values("identity", "1/fan_in", depth, 200, s)[0] for s in range(3)]
    edge = experiments.gaussian_product_edge(depth)
    print(f"{depth:2} layers: largest s {np.median(largest):.2f}, theory for infinite width {edge:.2f}")
    assert abs(np.median(largest) / edge - 1) < 0.15
for share in (0.25, 0.5, 0.75):
    per_layer = np.exp(np.quantile(experiments.log_singular_values(100, 100), share) / 100)
    print(f"{share:.0%} of all s^(1/L) lie below {per_layer:.3f}, theory {sqrt(share):.3f}")
    assert abs(per_layer - sqrt(share)) < 0.03
point = theory.chi_at_fixed_point(tanh.phi, tanh.dphi, sqrt(1.05), sqrt(2.01e-5))
assert abs(point - 1) < 1e-6

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Does isometry matter for learning?
#
# In a deep linear net nothing is nonlinear, so the directions are all there is. Saxe, McClelland and Ganguli found in
# 2014 that from an orthogonal start the number of steps does not grow with the depth, if the learning rate is in proportion
# to $1/L$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Gaussian or orthogonal: which start stays quick in deeper linear nets?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.linear_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **3**, **10**, **20** layers: the green curve hardly moves, the blue one falls behind. Both run at
# the best of three learning rates.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: find the flaw
#
# 1. With $\sigma_w^2\,\mathrm{E}\,\phi'^2 = 1$ each layer keeps the mean squared gradient.
# 2. So the mean of the squared singular values of the whole Jacobian is 1.
# 3. So a typical singular value is about 1.
# 4. So an error in a typical direction reaches the first layer at its full size.
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
# ## Isometry of a convolution
#
# A convolution has a matrix $K_b$ for each **tap** $b$ of its kernel, from the channels of pixel $a + b$ to those of pixel $a$:
#
# $$z(a) = \sum_b K_b\,h(a + b) \qquad\text{and back}\qquad \frac{\partial L}{\partial h}(a) = \sum_b K_b^\top \delta(a - b)$$
#
# Three ways to draw $3 \times 3$ taps. In a linear net all have $\chi = 1$:
#
# - **Gaussian**: each weight has variance 1/fan_in.
# - **row-orthogonal**: `torch.nn.init.orthogonal_` flattens the kernel and makes its rows orthonormal.
# - **delta-orthogonal** (Xiao and others, 2018): an orthogonal matrix in the middle tap, zeros in the other eight.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Predict**: an isometry keeps lengths *and* angles. Send a few errors back through a hundred tanh layers. Which starts
# keep the length of their gradients, and which the angle between two of them?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "all keep the length, delta-orthogonal alone the angle"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which start keeps lengths and angles through a hundred convolutions?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.convolution_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Circular padding**: all keep the length, one keeps the angle. **Zeros outside the image**, as `nn.Conv2d` pads
# unless told otherwise: two lines fall, though χ = 1. Ask why before you say *border*. **A little too small**: 5% off,
# and no orthogonal matrix helps. **ReLU**: no start keeps the angles.

# %% [markdown] slideshow={"slide_type": "skip"}
# Both sums in code, and autograd's word on the second. Beyond its border the image comes again: **circular padding**.

# %% slideshow={"slide_type": "skip"}
def taps(K: torch.Tensor) -> list:
    return [(i - 1, j - 1, K[:, :, i, j]) for i in range(3) for j in range(3)]


def convolve(h: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    parts = [torch.einsum("oi,iyx->oyx", tap, h.roll((-i, -j), (1, 2))) for i, j, tap in taps(K)]
    return torch.stack(parts).sum(0)


def convolve_back(delta: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    parts = [torch.einsum("oi,oyx->iyx", tap, delta.roll((i, j), (1, 2))) for i, j, tap in taps(K)]
    return torch.stack(parts).sum(0)


# %% slideshow={"slide_type": "skip"}
K, image = torch.randn(4, 5, 3, 3).double(), torch.randn(5, 6, 6).double().requires_grad_()
error = torch.randn(4, 6, 6).double()
(expected,) = torch.autograd.grad(convolve(image, K), image, error)
assert torch.allclose(convolve_back(error, K), expected, rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "skip"}
# **Angles.** A few large singular values take all: the gradients of different errors turn into their directions and become
# alike. Their mean squared cosine grows by the factor $1 + \mathrm{Var}\,s^2 / (\mathrm{E}\,s^2)^2$, which is $L$ in a wide linear
# net of $L$ layers with Gaussian kernels. `orthogonal_` does no better: orthonormal rows of a $c \times 9c$ matrix make no orthogonal convolution.
#
# **The border.** With zeros outside the image, part of what a pixel at the border passes on is lost. Deep down in a linear
# net whose taps are all alike, a layer keeps this share of $\lVert\delta\rVert^2$ at $s \times s$ pixels:
#
# $$\left(\frac{1 + 2\cos(\pi/(s+1))}{3}\right)^2$$
#
# It is an eigenvalue: that of the mean over three neighbours in a row, once for the rows and once for the columns.

# %% slideshow={"slide_type": "skip"}
def kept_by_the_border(side: int) -> float:
    return ((1 + 2 * np.cos(np.pi / (side + 1))) / 3) ** 2


neighbours = (np.eye(6) + np.eye(6, k=1) + np.eye(6, k=-1)) / 3
assert abs(np.linalg.eigvalsh(neighbours)[-1] ** 2 - kept_by_the_border(6)) < 1e-12
kept = experiments.through_convolutions("identity", "zeros").factors
print(f"a layer keeps {kept[0]:.3f} (Gaussian), {kept[2]:.3f} (delta-orthogonal); "
      f"with the border's loss {kept_by_the_border(6):.3f}")
assert abs(kept[0] - kept_by_the_border(6)) < 0.03 and abs(kept[2] - 1) < 1e-9

# %% [markdown] slideshow={"slide_type": "skip"}
# **What it costs.** At the start a delta-orthogonal net sends each pixel through alone; training has to move the other taps
# away from 0. And it keeps angles only where the units are nearly linear: tanh near 0, not ReLU.
#
# **What came after.** *Deep kernel shaping* (DKS, 2021) starts from such kernels and bends the activation until the maps of $q$
# and $c$ stay gentle at any depth. *Tailored activations* (TAT, 2022) do so for leaky ReLU.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: a delta-orthogonal kernel
#
# `Q` is an array of shape $(c_{out}, c_{in})$ with orthonormal rows, `k` an odd number. Write the delta-orthogonal kernel
# of $k \times k$ taps, an array of shape $(c_{out}, c_{in}, k, k)$.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def delta_kernel(Q: np.ndarray, k: int) -> np.ndarray:
    # BEGIN SOLUTION
    K = np.zeros((*Q.shape, k, k))
    K[:, :, k // 2, k // 2] = Q
    return K
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.delta_kernel(delta_kernel)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Your network is not the average
#
# $\lVert h \rVert^2$ is a sum of $n$ random terms $\phi(z_i)^2$, so each layer misses its mean by a relative variance of
#
# $$\frac1n \left( \frac{\mathrm{E}\,\phi^4}{(\mathrm{E}\,\phi^2)^2} - 1 \right) = \frac{5}{n} \text{ for ReLU},
# \qquad \frac{2}{n} \text{ for a linear net}$$
#
# In $\ln\lVert h\rVert^2$ the misses add: variance $5L/n$ and $2L/n$ after $L$ layers.

# %% slideshow={"slide_type": "skip"}
def relative_variance(phi) -> float:
    second, fourth = (float(theory.gaussian_mean(lambda z: phi(z) ** k, 1.0)) for k in (2, 4))
    return fourth / second**2 - 1


assert abs(relative_variance(relu.phi) - 5) < 1e-12
assert abs(relative_variance(lambda z: z) - 2) < 1e-12

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How far apart are the luckiest net and the unluckiest?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.fluctuation_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# All have He's scale. At width 50 and depth 20 the luckiest tenth differs from the unluckiest by a factor near fifty.
# **Depth as large as width**: a scale is not enough. The shift to the left: a few lucky nets keep the mean.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Overflow, and then NaN
#
# "In some cases the parameters become so large that they overflow and turn into NaN", says the Medium article. You
# can predict the layer: the size grows by $g$ per layer, and passes the format's largest number $M$ at
#
# $$l = 1 + \frac{\ln(M / \text{first})}{\ln g}$$
#
# Then comes an infinity; in the next layer $\infty - \infty$ is **NaN**, not a number.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **In which layer does each number format overflow?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.overflow_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Guess first where bfloat16 gives up: most say "with float16". It has float32's exponent and lasts as long. In
# brackets: theory's layer, finite width included.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 6: when does it overflow?
#
# Layer 1 has the size `first`, each layer multiplies by `growth` > 1. Return the first layer whose size exceeds
# `largest`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def layers_until(largest: float, first: float, growth: float) -> int:
    # BEGIN SOLUTION
    layer, size = 1, first
    while size <= largest:
        layer, size = layer + 1, size * growth
    return layer
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.layers_until(layers_until)

# %% [markdown] slideshow={"slide_type": "skip"}
# ## SELU: a fixed point by design
#
# Klambauer and others (2017) bent an exponential unit until the q map had a *stable* fixed point at exactly 1: layers
# bring any input back to it. It works, with $\sigma_w = 1$. But its χ is not 1.

# %% slideshow={"slide_type": "skip"}
selu = ACTIVATIONS["selu"]
assert abs(theory.gaussian_mean(selu.phi, 1.0)) < 1e-6
assert abs(theory.q_map(1.0, selu.phi, 1.0, 0.0) - 1) < 1e-6
for start in (0.1, 1.0, 10.0):
    path = theory.q_trajectory(start, selu.phi, 1.0, 0.0, 60)
    print(f"from q = {start:<4}: after 60 layers q = {path[-1]:.3f}")
print(f"chi = {chi(1.0, selu.dphi, 1.0):.4f} per layer; at torch's gain 3/4 q* is "
      f"{theory.q_fixed_point(selu.phi, 0.75, 0.0):.3f}, not 1")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## On trial
#
# Statements that you will meet elsewhere, five seeds each.

# %% tags=["claims"] slideshow={"slide_type": "subslide"}
from vglib.initialization import claims

claims.TORCH_DEFAULT.trial()

# %% tags=["claims"] slideshow={"slide_type": "subslide"}
claims.FIVE_THIRDS.trial()

# %% tags=["claims"] slideshow={"slide_type": "subslide"}
claims.ENOUGH.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# The others in short, with the rulings of `python -m tools.try_claims`, which tries every claim of the course. Any of
# them is tried anew by its name, as `claims.QUARTER.trial()`.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
from vglib.docket.measured import stored

shown = (claims.TORCH_DEFAULT, claims.FIVE_THIRDS, claims.ENOUGH)
for claim in claims.CLAIMS:
    if claim not in shown and claim.id in stored():
        print(f"{claim.says}\n    {claim.where}\n    {stored()[claim.id].verdict}\n")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - $\mathrm{Var}\,z = n\,\mathrm{Var}\,w\,\mathrm{E}\,h^2$. Forward wants $1/n_{in}$, backward $1/n_{out}$, Glorot stands in the
#   middle, He doubles it for ReLU. torch's default lies six times below He.
# - The slope $\chi$ of the c map tells order from chaos, and $\ln\lVert\delta\rVert^2$ has the slope $\ln\chi$: no
#   fitted number.
# - $\chi = 1$ is a mean. Directions (orthogonal weights; in a convolution delta-orthogonal ones), finite width ($5L/n$) and number
#   formats need care of their own.
# - All of it is a promise about step 0. The next chapters keep it during training.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - LeCun, Bottou, Orr and Müller, *Efficient BackProp*, 1998. Glorot and Bengio, *Understanding the difficulty of training deep
#   feedforward neural networks*, 2010. He, Zhang, Ren and Sun, *Delving deep into rectifiers*, 2015.
# - Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli, *Exponential expressivity in deep neural networks through transient chaos*, 2016.
#   Schoenholz, Gilmer, Ganguli and Sohl-Dickstein, *Deep information propagation*, 2017.
# - Saxe, McClelland and Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*, 2014.
#   Pennington, Schoenholz and Ganguli, *Resurrecting the sigmoid in deep learning through dynamical isometry*, 2017.
# - Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington, *Dynamical isometry and a mean field theory of CNNs*, 2018. Martens and
#   others, *Rapid training of deep neural networks without skip connections or normalization layers using deep kernel shaping*, 2021.
#   Zhang, Botev and Martens, *Deep learning without shortcuts: shaping the kernel with tailored rectifiers*, 2022.
# - Hanin and Nica, *Products of many large random matrices and gradients in deep neural networks*, 2020. Newman, *The distribution of
#   Lyapunov exponents*, 1986. Klambauer, Unterthiner, Mayr and Hochreiter, *Self-normalizing neural networks*, 2017.
# - Statements on trial: a Medium article on vanishing and exploding gradients, a tutorial of 2017, a lecture note, an article of 2023.
