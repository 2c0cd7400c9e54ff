# %% [markdown] slideshow={"slide_type": "slide"}
# # 01 · Concept
#
# **When a deep network fails to learn, what exactly is it that fails?**
#
# **You will do** walk down a loss surface, measure how fast each layer learns, and make a network that is stuck learn.
#
# **You will learn** what "vanishing" says and what it does not: a ratio between layers, in both directions of the network.
#
# **You need** derivatives, a little Python, and chapter 00.
#
# **Time** 60 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *A loss is a landscape* 2, `descent_lab` 4, *A network is a composite function* 2, *Predict: which
# layer learns fastest?* 3, `learning_speed_lab` 6, *Where does the factor come from?* 3, *A published measurement,
# and no fitted number* 3, *Predict: and forward?* 2, `two_way_lab` 7, *Predict: which of these learns?* 2,
# `training_lab` 8, *Definitions that survive the trial* 2, *Summary* 1.
#
# **90 minutes**: *A loss is a landscape* 3, `descent_lab` 7, *A network is a composite function* 4, *Two things the
# landscape teaches* 4, *Predict: which layer learns fastest?* 4, `learning_speed_lab` 8, *Where does the factor come
# from?* 6, *A published measurement, and no fitted number* 5, *Sixty epochs: two hidden layers against four* 8,
# `one_path_lab` 5, *Predict: and forward?* 3, `two_way_lab` 9, *Predict: which of these learns?* 3, `training_lab`
# 10, *What exactly is it that fails?* 3, *Definitions that survive the trial* 3, *On trial: is backpropagation to
# blame?* 3, *Summary* 2.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import numpy as np
import torch

from vglib.concept import check, experiments, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A loss is a landscape
#
# A network with two weights. Above each pair of weights stands the **loss**: how wrong that network is. Descent walks
# downhill, step by step. (The tops are flat where the picture ends; the loss rises on. White diamonds: the minima.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What happens if the steps are larger, and larger still?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.descent_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask first: *what if the step is larger, what if smaller?* Then the presets in order. Stop at **zig-zags**: across
# the valley each step overshoots, along it each gains a ninth, and there is only one step size. The usual slip:
# taking the path for the network's output. Each point is a whole network.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A network is a composite function
#
# $$F(x) = f_2(f_1(x)), \qquad f_1(x) = \tanh(w_1 x), \qquad f_2(h) = w_2 h$$
#
# The loss of the lab is the mean over nine inputs of $(F(x) - g(x))^2$, with $g$ what we want: a **quadratic** loss.
#
# A real network, of thousands of weights, descends alike.

# %% slideshow={"slide_type": "skip"}
x, g = experiments.surface_data()


def F(w1: float, w2: float) -> np.ndarray:
    return w2 * np.tanh(w1 * x)


def loss(w1: float, w2: float) -> float:
    return np.mean((F(w1, w2) - g) ** 2)


print(f"loss at (2.5, 2.5): {loss(2.5, 2.5):.2f}, at (1, 1.5): {loss(1.0, 1.5):.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# A deeper network: $F(x) = f_n(\ldots f_2(f_1(x)))$. Each $f_l$ is a layer: it multiplies by weights, adds
# **biases**, and bends the sum with an activation such as $\tanh$ or the sigmoid $s(z) = 1/(1 + e^{-z})$.
#
# ## Down the slope
#
# The **gradient** is the list of all slopes, here two. It points uphill, so we step against it:
#
# $$w \leftarrow w - \text{step} \cdot \frac{\partial L}{\partial w}$$
#
# The step size is also called the **learning rate**. By the chain rule, with $h = \tanh(w_1 x)$ and the error
# $e = w_2 h - g$:
#
# $$\frac{\partial L}{\partial w_2} = \text{mean}\,(2 e\, h), \qquad
# \frac{\partial L}{\partial w_1} = \text{mean}\,(2 e\, w_2\, (1 - h^2)\, x)$$
#
# On its way to $w_1$ the error passes through $w_2$ and the slope $1 - h^2$ of the tanh. If either is small, $w_1$
# hears little.


# %% slideshow={"slide_type": "skip"}
def gradient(w1: float, w2: float) -> np.ndarray:
    h = np.tanh(w1 * x)
    e = w2 * h - g
    return np.array([np.mean(2 * e * w2 * (1 - h**2) * x), np.mean(2 * e * h)])


w = torch.tensor([2.5, 2.5], dtype=torch.float64, requires_grad=True)
t_loss = torch.mean((w[1] * torch.tanh(w[0] * torch.tensor(x)) - torch.tensor(g)) ** 2)
(by_autograd,) = torch.autograd.grad(t_loss, w)
assert np.allclose(gradient(2.5, 2.5), by_autograd, rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "skip"}
# **Autograd**, torch's automatic differentiation, agrees. The whole descent:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
weights = np.array([2.5, 2.5])
for _ in range(60):
    weights = weights - 0.9 * gradient(*weights)
print("after 60 steps of size 0.9:", weights.round(2), f"loss {loss(*weights):.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two things the landscape teaches
#
# - **One step size for all directions.** Across the valley a step above 1.37 cannot settle; along it, near the
#   minimum, even that one goes only an eighth of the way left.
# - **Flat is not low.** Start at $w_1 = 3.5$, $w_2 = -1$: for every input but 0 the tanh is nearly **saturated** (its
#   slope is close to 0), so the gradient by $w_1$ is small, far from any minimum.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: the largest step
#
# In the plainest valley, $L = a w^2$ with $a > 0$, a step takes $w$ to $w - \text{step} \cdot 2 a w$. Return the step
# size at the border: a smaller one (above 0) converges, a larger one diverges.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def largest_step(a: float) -> float:
    # BEGIN SOLUTION
    return 1 / a
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.largest_step(largest_step)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: which layer learns fastest?
#
# Four hidden layers of 30 sigmoids each, ten sigmoid outputs, one for each digit. All weights are drawn from
# $N(0, 1/n)$, all biases from $N(0, 1)$. Nothing is trained. The **learning speed** of a layer is the length of its
# gradient by the biases, $\lVert \partial L / \partial b_l \rVert$.
#
# - **A** layer 1, which sees the image
# - **B** layer 4, next to the output
# - **C** all four are about equal

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB fastest = ...  # "A", "B" or "C"
fastest = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.fastest(fastest)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Learning speed, layer by layer
#
# Read off the ratio for two layers, say it for four, then step there.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **By how much is the last hidden layer the fastest?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.learning_speed_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets 2, 3, 4: the class reads off about 5, 24, 120. Ask for the next one before you set depth 5. Then **Reseed**
# five times: the order holds (the claim `ALWAYS_IN_ORDER`), the ratio changes by a third or so. *Is the bias
# special?* No, only plainest: no input is multiplied in.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What is plotted
#
# Let $\delta_l = \partial L / \partial z_l$, one row for each image, with $L$ averaged over them. All images share
# the bias $b_l$, a term of $z_l$, so its gradient is the sum of the rows:
#
# $$\frac{\partial L}{\partial b_l} = \sum_i \delta_l^{(i)}$$
#
# The loss is Michael Nielsen's (2015), the **cross-entropy**: $-\ln a$ for the output $a$ that should be 1, and
# $-\ln(1 - a)$ for each that should be 0. Once, without the lab:

# %% slideshow={"slide_type": "skip"}
from vglib.data import digits
from vglib.losses import nielsen_cross_entropy

data = digits(standardised=False)
images, labels = data.x_train[:1000], data.y_train[:1000]
net = experiments.sigmoid_net(depth=4, width=30, seed=0)
zs, h = [], images
for W, b in zip(net.weights, net.biases, strict=True):
    zs.append(h @ W.T + b)
    h = torch.sigmoid(zs[-1])
L = nielsen_cross_entropy(h, labels)
deltas = torch.autograd.grad(L, zs, retain_graph=True)
db = torch.autograd.grad(L, list(net.biases))

# %% slideshow={"slide_type": "skip"}
for delta, d in zip(deltas, db, strict=True):
    assert torch.allclose(delta.sum(0), d, rtol=1e-12, atol=1e-15)
speeds = [d.norm().item() for d in db[:4]]
assert np.allclose(speeds, np.exp(experiments.learning_speed().log_speed), rtol=1e-12)
print("learning speeds:", *(f"{s:.2g}" for s in speeds), f"ratio {speeds[3] / speeds[0]:.0f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: the factor per layer
#
# Given the speeds of layers 1 to $k$, return the one factor that, applied at each step back, leads from the last
# speed to the first.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def per_layer(speeds: list[float]) -> float:
    # BEGIN SOLUTION
    return (speeds[0] / speeds[-1]) ** (1 / (len(speeds) - 1))
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.per_layer(per_layer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where does the factor come from?
#
# From layer $l$ to layer $l+1$, a small change $dz_l$ becomes
#
# $$dz_{l+1} = J\, dz_l, \qquad J = W_{l+1}\, \mathrm{diag}(s'(z_l))$$
#
# $J$, the **Jacobian**, is the table of all slopes: how much each $z$ of the next layer moves with each $z$ of this
# one. (diag: each column of $W$ gets its own slope $s'$.)
#
# - **Forward**, a small difference between two images is multiplied by $J$.
# - **Backward**, the gradient is multiplied by the same table, read the other way: $\delta_l = J^\top \delta_{l+1}$.

# %% slideshow={"slide_type": "skip"}
def jacobian(W: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    s = torch.sigmoid(z)
    return W * (s * (1 - s))


z, W, b = zs[1][0].detach(), net.weights[2].detach(), net.biases[2].detach()
by_autograd = torch.autograd.functional.jacobian(lambda z: W @ torch.sigmoid(z) + b, z)
assert torch.allclose(jacobian(W, z), by_autograd, rtol=1e-12)
assert torch.allclose(jacobian(W, z).T @ deltas[2][0], deltas[1][0], rtol=1e-12, atol=1e-18)

# %% [markdown] slideshow={"slide_type": "skip"}
# How long is $J\, dz$? Each entry is a sum of $n$ terms, random weight times slope times change. Three facts about
# chance are enough (chapter 02 takes its time over them).
#
# 1. The **variance** of a number that is 0 on average is the average of its square; the root of that is the
#    **standard deviation**. A weight $N(0, \sigma_w^2/n)$ has variance $\sigma_w^2/n$.
# 2. **Variances add**: a sum of $n$ independent terms, each 0 on average, has $n$ times the variance of one. In its square
#    the mixed products cancel on average.
# 3. So an entry of $J\,dz$ has variance $n \cdot \frac{\sigma_w^2}{n} \cdot \text{mean}\,(s'(z)^2\, dz^2)$. In wide
#    layers of one width slope and change are as good as independent. So each layer multiplies the squared length,
#    that of $J^\top \delta$ too, by
#
# $$\chi = \sigma_w^2 \; \mathrm{E}\, s'(z)^2$$
#
# $\mathrm{E}$, the **expectation**, is the average over very many throws: here over the $z$ of a layer's units, which
# are sums too: a bell curve, of variance $q = \sigma_w^2\, \mathrm{E}\, s(z)^2 + \sigma_b^2$, with the $z$ of the
# layer before on the right. After a few layers $q$ settles. The images' slopes are nearly alike: their sum has the
# same factor. With $\sigma_w = \sigma_b = 1$, throw dice:

# %% slideshow={"slide_type": "skip"}
u = np.random.default_rng(0).normal(size=1_000_000)
q = 1.0
for _ in range(20):
    q = np.mean(1 / (1 + np.exp(-np.sqrt(q) * u)) ** 2) + 1
s = 1 / (1 + np.exp(-np.sqrt(q) * u))
chi = np.mean((s * (1 - s)) ** 2)
assert abs(chi - experiments.chi_nielsen()) < 2e-4
print(f"chi = {chi:.3f}, so a layer costs the gradient a factor {chi**-0.5:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A published measurement, and no fitted number
#
# Nielsen printed the starting speeds of three such networks, on MNIST, a larger set of digits. Theory's ratio, last
# over first, is $\chi^{-(k-1)/2}$ for $k$ hidden layers, with $\chi = 0.042$.

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print("layers   theory   digits, 50 nets   Nielsen's one run (MNIST)")
for k in (2, 3, 4):
    theory = experiments.factor_nielsen() ** -(k - 1)
    digits_ratio = experiments.median_ratio(k, nets=50)
    nielsen = experiments.NIELSEN[k][-1] / experiments.NIELSEN[k][0]
    print(f"{k:6d} {theory:8.3g} {digits_ratio:17.3g} {nielsen:27.3g}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask: *which of these numbers was fitted to which?* None: theory knows neither images nor labels, only the sigmoid
# and how the weights were drawn, N(0, 1/n) in Nielsen's code (his text says N(0, 1)). The last column is from its
# data files.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: six hidden layers
#
# In such a net of six hidden layers, how many times faster than layer 1 will layer 6 start, by theory?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB six_layers = ...
six_layers = 0.04196 ** (-5 / 2)
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.six_layers(six_layers)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Sixty epochs: two hidden layers against four
#
# Now train: hidden layers of 100, drawn as before, quadratic loss, and a step of size 0.5 after every ten images. An
# **epoch** is one pass through all training images. The net's **accuracy** is the share of **test digits**, images it
# was not trained on, that it names rightly. (Each pixel is now **standardised**: mean 0, standard deviation 1.)
#
# **Predict:** in each net, how far will layer 1's weights have moved from their start, in per cent of their length?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "75% with two hidden layers, 2% with four"
# END SOLUTION

# %% tags=["decisive"] slideshow={"slide_type": "subslide"}
two = experiments.train(depth=2, width=100, epochs=60)
four = experiments.train(depth=4, width=100, epochs=60)
labs.two_and_four(two, four)

# %% slideshow={"slide_type": "subslide"}
print("layers   accuracy   last / first: start, end   layer 1 moved")
for run in (two, four):
    ratios = f"{run.first_ratio:19,.1f} {run.last_ratio:7,.1f}"
    moved = run.moved[-1, 0]
    print(f"{run.depth:6d} {run.accuracy:10.0%} {ratios} {moved:15.1%}")
assert two.accuracy > 0.85 and four.accuracy < 0.4
assert all((np.diff(four.log_speed) > 0).all(axis=1))

# %% [markdown] slideshow={"slide_type": "skip"}
# One draw, seed 0. With two hidden layers the curves come together and the net learns. With four they stay apart and
# in order at each of the 61 records. Layer 1 ends within about two per cent of where chance put it, and the net is
# little better than guessing.
#
# The first fall of all curves is not vanishing: the output layer soon learns that each digit comes one time in ten,
# and with the average error goes most of the gradient. *Vanishing* is the distance between the curves.

# %% [markdown] slideshow={"slide_type": "notes"}
# Guesses before the figure. Point at the *gap* between the curves, not at the fall.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: how far has a layer moved?
#
# Return $\lVert W - W_0 \rVert / \lVert W_0 \rVert$, the distance from the start in units of the start's length. (A
# matrix's norm: over all its entries.)

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def moved(start: np.ndarray, now: np.ndarray) -> float:
    # BEGIN SOLUTION
    return np.linalg.norm(now - start) / np.linalg.norm(start)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.moved(moved)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One path: a single neuron in each layer
#
# A tutorial of 2017 strips the network to one path: one neuron in each of four layers, sixty epochs. Here on our
# digits.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **In which order do the four bias gradients lie?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.one_path_lab()

# %% [markdown] slideshow={"slide_type": "skip"}
# The tutorial shows them in order, layer 1 lowest. So does ours with seed 0, but for an epoch. Now press **Reseed**.
# On the left the curves may cross. On the right, in $\lVert \partial L/\partial z \rVert$, they keep their order as
# long as every $|w| < 4$, for then each $|w\, s'(z)| < 1$. A bias gradient is a *sum* over the images; after a few
# epochs its terms have both signs and nearly cancel (a sharp dip: the sum passes 0). So read vanishing off
# $\partial L/\partial z$, or off the start.

# %% slideshow={"slide_type": "skip"}
runs = [experiments.one_path(epochs=20, seed=seed) for seed in range(3)]
for run in runs:
    print(f"in order: {run.ordered_speed} of 21 by bias, {run.ordered_delta} of 21 by delta")
assert all(run.ordered_delta == 21 for run in runs)

# %% [markdown] slideshow={"slide_type": "notes"}
# Start with **as in the tutorial**, then **another draw**: the left panel crosses, the right one does not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: and forward?
#
# The name says that a *gradient* vanishes. Send images forward through the fresh net of four layers of 100. How
# different are they still in layer 4, compared with layer 1?
#
# - **A** as different as in layer 1
# - **B** about a tenth
# - **C** about a hundredth

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB forward = ...  # "A", "B" or "C"
forward = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.forward(forward)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How different are the images still in layer 4?** And the gradient, on its way back?

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.two_way_lab()

# %% [markdown] slideshow={"slide_type": "skip"}
# The **spread** is how much a unit's activation varies from image to image, as a standard deviation. It falls by
# about the gradient's factor a layer, for it is the same Jacobian: $J$ forward, $J^\top$ backward.
#
# So layer 4 could learn quickly, but sees little difference to learn *from*. Layer 1 sees it, but hardly hears the
# error. Vanishing goes in both directions.

# %% slideshow={"slide_type": "skip"}
start, end = four.spread[0], four.spread[-1]
print("spread of h1..h4 at the start:", *(f"{v:.4f}" for v in start))
print("after 60 epochs:              ", *(f"{v:.4f}" for v in end))
assert start[3] < 0.003 and end[3] < 0.005
assert np.allclose(start[3] / start[0], experiments.factor_nielsen() ** 3, rtol=0.3)

# %% [markdown] slideshow={"slide_type": "notes"}
# The chapter's demonstration. Vote first. Show 4 layers, then **20 hidden layers**, then depth 50: from about layer
# 23 on float64 rounds all images to the same numbers. Then **10 times the weights**: both directions recover
# together. Ask: *could a cleverer way of computing the gradient help?* No: the computation is right.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: which of these learns?
#
# The net that was stuck, now with layers of 30: four hidden ones, quadratic loss, step 0.5. After 20 epochs, and
# after 40, its accuracy is 10%. Change *one* thing: **cross-entropy** for the loss, **40 times the step**, or **4
# times the weights** at the start (with 40 epochs). Which lets it learn?
#
# - **A** none of them
# - **B** only the weights
# - **C** only the cross-entropy
# - **D** each of the three

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB learns = ...  # "A", "B", "C" or "D"
learns = "D"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.learns(learns)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which change lets it learn?** Register each try.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.training_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Vote first. Step through the presets and **Register** each. What does *not* go together? A ratio of 145, and 95%.
# Keep six layers for the next slide. Each move trains a net: click on a slider's track rather than drag.

# %% [markdown] slideshow={"slide_type": "skip"}
# At the start the gradient of the cross-entropy is about 25 times that of the quadratic loss: it is neither averaged
# over the ten outputs nor multiplied by their slope. Five nets from seed 0; at seeds 0 to 4 the same two stay at 10%,
# and the others reach 87 to 95%:

# %% slideshow={"slide_type": "skip"}
base = experiments.train()
remedies = {
    "as it was": base,
    "cross-entropy": experiments.train(loss="cross-entropy"),
    "40 x step": experiments.train(lr=20.0),
    "4 x weights": experiments.train(weight_scale=4.0, epochs=40),
    "cross-entropy, step 0.01": experiments.train(loss="cross-entropy", lr=0.01),
}
for name, run in remedies.items():
    print(f"{name:25s} ratio at the start {run.first_ratio:5.3g}   accuracy {run.accuracy:.0%}")

# %% slideshow={"slide_type": "skip"}
assert base.accuracy < 0.3 and remedies["cross-entropy, step 0.01"].accuracy < 0.3
assert remedies["cross-entropy"].accuracy > 0.6 and remedies["40 x step"].accuracy > 0.6
assert remedies["4 x weights"].first_ratio < 20 < base.first_ratio

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What exactly is it that fails?
#
# - The **ratio** between the layers (145 in this net) starts nearly the same with either loss, and the same with any
#   step. Only the weights bring it down.
# - Four layers learned where **layer 1's steps** were large enough: gradient times step size, summed over the epochs.
# - So the ratio is a tax, not the verdict: one step size serves all layers, layer 1 last.
#
# **Predict:** six layers, 40 epochs. Which learn: 40 times the step; 4 times the weights as well; or the old weights
# with **Adam** (step 0.01), which divides each weight's step by the size of its gradients?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "the second and the third"
# END SOLUTION

# %% slideshow={"slide_type": "fragment"}
tries = {
    "40 x step": dict(lr=20.0),
    "and 4 x weights": dict(lr=20.0, weight_scale=4.0),
    "Adam, step 0.01": dict(lr=0.01, optimiser="Adam"),
}
learned = []
for name, change in tries.items():
    run = experiments.train(depth=6, epochs=40, **change)
    learned.append(run.accuracy > 0.6)
    ratio = f"ratio at the start {run.first_ratio:5,.0f}"
    print(f"six layers, {name:15s} {ratio}   accuracy {run.accuracy:.0%}")
assert learned == [False, True, True]

# %% [markdown] slideshow={"slide_type": "notes"}
# One seed; at five they reach 10%, 95 to 97%, and 63 to 92%. With one step size for all the tax is paid in
# time: at 40 times the step most starts of six layers learn within 300 epochs, where four need 20 (the claim
# `A_LARGER_STEP`).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Definitions that survive the trial
#
# At one moment, in one network, with $\delta_l = \partial L/\partial z_l$:
#
# - **Vanishing**: $\lVert\delta_l\rVert$ shrinks exponentially with the number of layers it has come back through.
# - **Exploding**: it grows exponentially with that number.
#
# Both say *over the layers*, and not *over the iterations*, *near a minimum*, or *will not learn*.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Claims on trial
#
# What others write, in our words and with their conditions, over five seeds. The **rival** is a number that somebody
# might believe; the measurement must reject it. First, a matter of counting:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
from vglib.concept import claims

claims.FOURTH_IS_SLOW.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# A definition says "in every iteration". Within it, or from one to the next?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.OVER_ITERATIONS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# And one that says "at every step":

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.EACH_STEP.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## On trial: is backpropagation to blame?
#
# **Backpropagation** hands the error back layer by layer, by the chain rule. Do without, in two ways:
#
# - **another computing**: nudge each bias of layer 1 up and down, and look at the loss alone;
# - **another rule**: hand each of six layers the outputs' error at first hand, through a random table (*direct feedback
#   alignment*), at the step 20 that left them stuck.
#
# **Predict:** what slopes does the first find, and does the second learn?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "the same small slopes; it learns"
# END SOLUTION

# %% tags=["claims"] slideshow={"slide_type": "subslide"}
claims.EXACT.trial()

# %% tags=["claims"] slideshow={"slide_type": "subslide"}
claims.ROOT_CAUSE.trial()

# %% [markdown] slideshow={"slide_type": "notes"}
# A vote on each. The first finds the same small gradient: backpropagation only reports it. The second does not follow
# that gradient, and six layers learn in ten epochs. So the sentence is wrong of the computing, and has a point about
# the rule; but larger weights or Adam helped within it.

# %% [markdown] slideshow={"slide_type": "skip"}
# Does the learning rate make gradients vanish?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.RATE_CHANGES_GRADIENT.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# Are slow layers useless layers?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CANNOT_LEARN.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# And the one that the name suggests:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BACKWARD_ONLY.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# More in `claims.CLAIMS`: try `claims.NIELSENS_SPEEDS.trial()`.
#
# ### Exercise 5: find the flaw
#
# 1. In the net of four hidden layers layer 1 starts about 120 times slower than layer 4.
# 2. This comes from the sigmoid and the way the weights were drawn, hardly from the loss.
# 3. So layer 1 cannot be trained, whatever loss and step.
# 4. So the net will stay near 10% on the digits, whatever loss and step.
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
# ## Summary
#
# - Each layer of the composite function hands the error back through its Jacobian, and small differences forward
#   through the same one.
# - In Nielsen's sigmoid net both shrink by a factor of about 4.9 a layer: $\chi^{-1/2}$, with nothing fitted.
# - Vanishing is a ratio between layers at one moment. Whether training fails depends also on loss, optimiser, step
#   and patience.
# - Look at both $\partial L/\partial z$ and the spread of $h$.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 5: the learning speeds.
# - Nøkland, *Direct feedback alignment provides learning in deep neural networks*, 2016.
# - Hochreiter, *Untersuchungen zu dynamischen neuronalen Netzen*, diploma thesis, 1991: the first analysis.
# - Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010.
# - Poole et al., *Exponential expressivity in deep neural networks through transient chaos*, 2016, and Schoenholz et al.,
#   *Deep information propagation*, 2017: $q$ and $\chi$.
