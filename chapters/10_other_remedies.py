# %% [markdown] slideshow={"slide_type": "slide"}
# # 10 · The other remedies
#
# **Of all the remedies that one reads about, which bring a lost gradient back, and what do the others do?**
#
# **You will do** train a deep net one layer at a time as in 2006, see what an optimiser makes of a gradient that is gone, and send nine remedies against three sick
# nets.
#
# **You will learn** what pretraining gave and what replaced it, why moving is not learning, how large a step may be, and which
# measures act on the gradient at all.
#
# **You need** the chain rule (chapter 02), χ and the sigmoid's critical point (05), clipping (09); for the tournament also 06 to 08.
#
# **Time** 120 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *2006: one layer at a time* 2, *Predict: with a start of another kind* 2, `pretraining_lab` 8, *The
# control* 2, *So what did pretraining give?* 2, *What replaced it, and why* 2, *The step* 3, *Predict* 2, `step_lab`
# 6, `reach_lab` 5, *What each of these changes* 1, *Nine measures, three sick nets* 3, `tournament_lab` 4, *What acts
# on what* 2, *Summary* 1.
#
# **90 minutes**: *2006: one layer at a time* 2, *Predict: with a start of another kind* 3, `pretraining_lab` 10, *A
# layer that copies* 2, *The control* 3, *So what did pretraining give?* 2, *What replaced it, and why* 2, *The step*
# 3, *Predict* 2, `step_lab` 6, *Adam's first step* 3, *Adam's memory* 3, `memory_lab` 3, *Muon: a whole matrix at
# once* 3, `muon_lab` 3, `reach_lab` 6, *What a vanished signal does to the gradient, at
# first* 3, *How large may a step be?* 3, *Schedules* 2, `schedule_lab` 4, *At the edge* 3, `edge_lab` 3, *What each of these changes* 2, *Nine
# measures, three sick nets* 4, `tournament_lab` 5, *What acts on what* 3, *Summary* 2.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import numpy as np
import torch

from vglib.other_remedies import check, claims, labs

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2006: one layer at a time
#
# Four hidden layers of 60 sigmoids on digits, weights $N(0, 1/n)$, quadratic loss, step 0.5: chapter 01's patient, wider.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **As drawn, after 20 epochs: does it learn?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.pretraining_lab()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict: with a start of another kind
#
# **Greedy layer-wise pretraining**:
#
# 1. train layer 1 to *copy the images*, through its own weights and back; no labels;
# 2. keep it; train layer 2 to copy the output of layer 1; and so on up;
# 3. only then train the whole net on the labels: **fine-tuning**.
#
# What will the same 20 epochs reach in 3?
#
# - **A** about 10%
# - **B** about half
# - **C** over 90%

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_pretraining = ...  # "A", "B" or "C"
my_pretraining = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_pretraining(my_pretraining)

# %% [markdown] slideshow={"slide_type": "skip"}
# Step through the presets, from **one layer** to **all four layers**.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **After pretraining: what do the same 20 epochs reach?** One layer first.

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.pretraining_lab().preset("one layer")

# %% [markdown] slideshow={"slide_type": "notes"}
# Step through **one layer** ... **all four layers**, and stay at each: the light blue line, the spread of h, comes up one layer at a time, the pictures on the right with
# it, and the accuracy goes from 10 to 10, 43, 83, 95. **One layer** disappoints: the gradient has three more to cross. Then **eight layers**. The usual slip: "it
# learns the digits without labels". It learns to copy; at epoch 0 it guesses.

# %% [markdown] slideshow={"slide_type": "skip"}
# As drawn (dotted), each layer keeps about a quarter of the differences between the images (their spread, pink) and of the gradient on its way back (grey): one
# product, seen from both ends. A layer that can rebuild its input *must* pass differences on. Here the gradient comes back with them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A layer that copies
#
# An **autoencoder** runs a layer up and down again, with the same weights:
#
# $$h = s(W x + b), \qquad y = s(W^\top h + c), \qquad L = \lVert y - x\rVert^2$$
#
# $W$ is used twice, so its gradient has two parts:
#
# $$\frac{\partial L}{\partial W} = \delta_h\, x^\top + h\, \delta_y^\top$$
#
# $\delta_y = 2 (y - x)\, y (1 - y)$, $\quad \delta_h = (W \delta_y)\, h (1 - h)$.
#
# Two layers of gradient: no long product that could vanish.

# %% slideshow={"slide_type": "skip"}
def copying_gradient(W: torch.Tensor, b: torch.Tensor, c: torch.Tensor, x: torch.Tensor):
    h = torch.sigmoid(W @ x + b)
    y = torch.sigmoid(W.T @ h + c)
    delta_y = 2 * (y - x) * y * (1 - y)
    delta_h = (W @ delta_y) * h * (1 - h)
    return torch.outer(delta_h, x) + torch.outer(h, delta_y)


generator = torch.Generator().manual_seed(0)
W = torch.randn(5, 8, generator=generator, dtype=torch.float64, requires_grad=True)
x, b, c = (torch.rand(n, generator=generator, dtype=torch.float64) for n in (8, 5, 8))
L = ((torch.sigmoid(W.T @ torch.sigmoid(W @ x + b) + c) - x) ** 2).sum()
(gradient,) = torch.autograd.grad(L, W)
assert torch.allclose(gradient, copying_gradient(W, b, c, x), rtol=1e-10)

# %% [markdown] slideshow={"slide_type": "skip"}
# In the first layer, whose inputs are standardised pixels, the last sigmoid is left out: $y = W^\top h + c$.
#
# ### Exercise 1: rebuild
#
# Return $y$ for given $W$ (outputs × inputs), $b$, $c$ and one input $x$, with both sigmoids.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def rebuild(W: np.ndarray, b: np.ndarray, c: np.ndarray, x: np.ndarray) -> np.ndarray:
    # BEGIN SOLUTION
    h = 1 / (1 + np.exp(-(W @ x + b)))
    return 1 / (1 + np.exp(-(W.T @ h + c)))
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.rebuild(rebuild)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Layer by layer
#
# First without, in a wider net, 4 × 100, for forty epochs:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "fragment"}
from copy import deepcopy

from tqdm.auto import tqdm

from vglib.networks import mlp
from vglib.other_remedies import pretraining

data = pretraining.lab_data()
net = mlp(4, 100, init="1/fan_in", output="sigmoid")
drawn = pretraining.measure(net, data)
ratio = pretraining.last_over_first(drawn)
stuck = pretraining.descend(deepcopy(net), data, epochs=40, progress=True)
print(f"layer 4 / layer 1: {ratio:.0f}, accuracy {stuck[-1]:.0%}")
assert ratio > 50 and stuck[-1] < 0.3

# %% [markdown] slideshow={"slide_type": "subslide"}
# Now each layer copies what the layer below gives it:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "fragment"}
h = data.x_train.numpy()
for index in tqdm(range(4), unit="layer", leave=False):
    layer = pretraining.layer_of(net, index, h, linear=index == 0)
    errors = pretraining.learn_to_copy(layer, h, epochs=10)
    h = layer.encode(h)
    end = f"{errors[-1]:.0%}, not {errors[0]:.0%}"
    print(f"layer {index + 1} copies with an error of {end}")
assert errors[-1] < 0.1

# %% [markdown] slideshow={"slide_type": "skip"}
# (The error is the missed share of the variance: 100% for the mean image.) Now the labels, with the loss, step and batches from before:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "fragment"}
copied = pretraining.measure(net, data)
ratio = pretraining.last_over_first(copied)
spreads = drawn.spread[3], copied.spread[3]
tuned = pretraining.descend(net, data, epochs=40, progress=True)
print(f"layer 4 / layer 1: {ratio:.1f}, accuracy {tuned[-1]:.0%}")
print("spread of h4: {:.4f} as drawn, {:.4f} pretrained".format(*spreads))
assert ratio < 4 and spreads[1] > 50 * spreads[0]
assert tuned[-1] > 0.9

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.EVENS_OUT.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The control
#
# The same net, loss, step and batches. **No pretraining**, but Glorot's weights **times 4**.
#
# Pretraining moved $\sigma_w = \sqrt{n \operatorname{Var} w}$ from 1 to 1.9 in layer 1 and 3.2 to 3.7 above (seeds 0 and 1), towards the sigmoid's critical 10.15
# (chapter 05). One can just *draw* them there.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "fragment"}
control = mlp(4, 100, init="glorot", weight_scale=4.0, output="sigmoid")
ratio = pretraining.last_over_first(pretraining.measure(control, data))
plain = pretraining.descend(control, data, epochs=40, progress=True)
end = f"accuracy {plain[-1]:.0%}, pretrained {tuned[-1]:.0%}"
print(f"layer 4 / layer 1: {ratio:.1f}, {end}")
assert ratio < 10 and plain[-1] > 0.7

# %% [markdown] slideshow={"slide_type": "slide"}
# ## So what did pretraining give?
#
# The **size** of the weights, or their **directions** (what each unit looks at)?
#
# Take the pretrained net and put the entries of each hidden layer's matrix in random order: the size stays, the directions are gone. **Centre** it,
# $b_l = -W_l\,\overline{h_{l-1}}$, so that every unit's mean $z$ is 0 (about what the old biases did for the old weights). Fine-tune it for 40 epochs. Compared with
# the pretrained net,
#
# - **A** it stays at 10%
# - **B** it gets nearly as far, later
# - **C** it makes no difference

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_shuffle = ...  # "A", "B" or "C"
my_shuffle = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_shuffle(my_shuffle)

# %% [markdown] slideshow={"slide_type": "skip"}
# The lab opens on the pretrained net. Press *Hold*; then choose **pretrained, shuffled, centred**.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Size or directions: what did pretraining give?** Hold, then shuffle.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.pretraining_lab().preset("pretrained, 40 epochs")

# %% [markdown] slideshow={"slide_type": "notes"}
# *Hold*, then **pretrained, shuffled, centred**: the ghost has its directions. At epoch 5 it is far ahead, over 40 they meet. **Pretrained, then shuffled** leaves the
# biases as they were, and the units saturate: slower still. The pictures are gone, and the net learns anyway. Then **4x Glorot, no pretraining**. Scale decides
# *whether*, directions *how soon*.

# %% [markdown] slideshow={"slide_type": "skip"}
# Train nothing but the readout (the output layer), and no fine-tuning repairs the layers below:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONLY_SCALE.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# A widely read Zhihu article explains: "the idea amounts to first looking for local optima and then putting them together to look for the global optimum; it has its
# merits, and is not used much any more." Each layer does look for an optimum, of *copying*: another loss. A slow claim (`make test-long`) tries it: after 60 epochs on
# the labels, 4 times Glorot with centred biases, never pretrained, has the *lower* training loss (median of five seeds). So the pretrained start had not found the
# global optimum.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The original: a Boltzmann machine
#
# *History: you may go on at "What replaced it, and why".* Hinton, Osindero and Teh (2006) did not copy, they *modelled*. A **restricted Boltzmann machine** (RBM)
# gives each pair of a visible $v$ and a hidden $h$, of zeros and ones, an energy:
#
# $$E(v, h) = -a \cdot v - b \cdot h - h \cdot W v, \qquad P(v, h) = \frac{e^{-E(v, h)}}{Z}$$
#
# *Restricted*: no bonds within a layer. So given $v$ the hidden units are independent, each a sigmoid:
#
# $$P(h_j = 1 \mid v) = s(b_j + W_j \cdot v)$$
#
# Downwards the same with $W^\top$ and $a$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The free energy
#
# How likely is an image $v$? $\;P(v) = e^{-F(v)} / Z$ with
#
# $$F(v) = -\ln \sum_h e^{-E(v, h)} = -a \cdot v - \sum_j \ln\left(1 + e^{\,b_j + W_j \cdot v}\right)$$
#
# $2^m$ terms in one line: each hidden unit has its own factor, $1$ for $h_j = 0$ plus $e^{\,b_j + W_j \cdot v}$ for $h_j = 1$.
#
# $Z = \sum_v e^{-F(v)}$ stays a sum over all images.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: the free energy
#
# Return $F(v)$, also where $b_j + W_j \cdot v$ is 900.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def free_energy(
    W: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray, v: np.ndarray
) -> float:
    # BEGIN SOLUTION
    return -visible_bias @ v - np.logaddexp(0, W @ v + hidden_bias).sum()
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.free_energy(free_energy)

# %% [markdown] slideshow={"slide_type": "skip"}
# Counted out, with 4 visible and 3 hidden units:

# %% slideshow={"slide_type": "skip"}
from itertools import product

generator = torch.Generator().manual_seed(0)
W, a, b = (
    torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
    for shape in ((3, 4), (4,), (3,))
)
vs, hs = (torch.tensor(list(product((0.0, 1.0), repeat=n)), dtype=torch.float64) for n in (4, 3))


def energy(v: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    return -a @ v - b @ h - h @ W @ v


# %% slideshow={"slide_type": "skip"}
def F(v: torch.Tensor) -> torch.Tensor:
    return -(v @ a) - torch.nn.functional.softplus(v @ W.T + b).sum(-1)


for v in vs:
    weights = torch.stack([torch.exp(-energy(v, h)) for h in hs])
    assert abs(F(v) + torch.log(weights.sum())) < 1e-12
    assert torch.allclose(weights @ hs / weights.sum(), torch.sigmoid(W @ v + b), rtol=1e-12)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Its gradient: what is, minus what is dreamt
#
# $$\frac{\partial \ln P(v)}{\partial W} = \underbrace{\mathrm{E}\!\left[h\,v^\top \mid \text{data}\right]}_{\text{positive phase}} - \underbrace{\mathrm{E}\!\left[h\,v^\top \mid \text{model}\right]}_{\text{negative phase}}$$
#
# - Positive: run the data up.
# - Negative: a mean over *all* images that the model can dream.
#
# **Contrastive divergence**, CD-$k$ (Hinton 2002): start from the data, sample $h$, then $v$, then $h$ ... $k$ times, and take that for the model.
#
# No chain of layers, no long product.

# %% slideshow={"slide_type": "skip"}
def rbm_gradient(data: torch.Tensor) -> torch.Tensor:
    p = torch.softmax(-F(vs), 0)
    positive = torch.sigmoid(data @ W.T + b).T @ data / len(data)
    negative = torch.sigmoid(vs @ W.T + b).T @ (p[:, None] * vs)
    return positive - negative


images = vs[[3, 5, 6, 15]]
likelihood = -F(images).mean() - torch.logsumexp(-F(vs), 0)
(gradient,) = torch.autograd.grad(likelihood, W)
assert torch.allclose(gradient, rbm_gradient(images), atol=1e-10)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: how many terms?
#
# An RBM has 64 visible units (black or white pixels) and 20 hidden ones. Like $F$, the sum over *one* of the layers has a closed form. How many terms must you still
# add up, at the least, for an exact $Z$?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB terms = ...
terms = 2**20
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.terms(terms)

# %% [markdown] slideshow={"slide_type": "skip"}
# The lab's RBM, 9 visible and 6 hidden units, learns 14 pictures of bars and stripes. All $2^9$ images are counted out, so the *mean* of CD-$k$ stands beside the true
# gradient.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How near to the truth is one step of sampling?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.rbm_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: CD-1 climbs with the truth and falls behind. Middle: one step of sampling is nearly the truth at the start, not at the end. Ask why (large weights: sampling
# hardly leaves the image it came from), then **large weights**. **CD-10** closes the gap. The usual slip: "biased, so useless".

# %% [markdown] slideshow={"slide_type": "skip"}
# One step of sampling, $v \to h \to v'$, is a matrix on distributions. The model is its eigenvector with eigenvalue 1; of the other parts the slowest shrinks by
# $|\lambda_2|$ a step. So CD-$k$'s error ends up falling as $|\lambda_2|^k$.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CD_GRADIENT.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Stacked: the deep belief net
#
# Layer 1 models the images, layer 2 the probabilities $P(h = 1)$ of layer 1, and so on; then fine-tuning. Pixels from 0 to 1 count as probabilities.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "fragment"}
pixels = pretraining.lab_data("RBM")
dbn = mlp(4, 100, init="1/fan_in", output="sigmoid")
h = pixels.x_train.numpy()
for index in tqdm(range(4), unit="layer", leave=False):
    layer = pretraining.layer_of(dbn, index, h)
    pretraining.learn_by_contrast(layer, h, epochs=10)
    h = layer.encode(h)
guess = pretraining.accuracy(dbn, pixels)
revived = pretraining.descend(dbn, pixels, epochs=20, progress=True)
print(f"before the labels {guess:.0%}, 20 epochs later {revived[-1]:.0%}")
assert guess < 0.3 and revived[-1] > 0.8

# %% [markdown] slideshow={"slide_type": "skip"}
# A tutorial of 2017: "In 2006 Hinton's deep belief network, which completes its learning by training each layer of neurons individually, became one of the first
# non-convolutional models to train deep architectures with success; it opened the revival of deep learning ..." The success and the revival hold. The learning is not
# complete after the layers:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LAYER_BY_LAYER.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# In 2006's paper, too, the topmost machine saw the labels, and then the whole was fine-tuned. In the first lab **a stack of RBMs** evens out the gradient less than
# autoencoders do: before the labels layer 4 has 5 times the gradient of layer 1, not 2.2 times (seeds 0 to 2).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What replaced it, and why
#
# | what pretraining gave | what gives it now |
# |---|---|
# | weights of a size that carries the signal | initialisation (Glorot and Bengio 2010; He 2015), BN, residuals |
# | units off their flat parts | ReLU: "without requiring any unsupervised pre-training on purely supervised tasks with large labeled datasets" (Glorot, Bordes and Bengio 2011) |
# | good directions from unlabelled images | more labelled images, distorted ones too, and GPUs (Cireşan et al. 2010) |
# | a regulariser (Erhan et al. 2010) | dropout (chapter 05), **augmentation**: distorted copies of the images |
#
# The *order* lives on: unlabelled data first, then fine-tuning. So do most language models, but all layers at once and with one loss.

# %% [markdown] slideshow={"slide_type": "skip"}
# In 2006 pretraining showed that a deep net *can* be trained, when many had given up. That this was in good part the scale of the weights came out with Glorot's
# initialisation in 2010, and when others trained deep autoencoders from random weights with a better optimiser (Martens 2010) or with careful scale and momentum
# (Sutskever et al. 2013). With few labels and harder data the features may count for more.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The step
#
# Rules for a step:
#
# | | remembers | subtracts |
# |---|---|---|
# | **SGD** | nothing | $\eta\, g$ |
# | **momentum** | $v \leftarrow 0.9\,v + g$ | $\eta\, v$ |
# | **RMSprop** | $s \leftarrow 0.99\,s + 0.01\,g^2$ | $\eta\, g / (\sqrt s + \varepsilon)$ |
# | **Adam** | $m \leftarrow 0.9\,m + 0.1\,g$, $\;s \leftarrow 0.999\,s + 0.001\,g^2$ | $\eta\, \hat m / (\sqrt{\hat s} + \varepsilon)$ |
#
# All entry by entry. The hats correct the start from 0: $\hat m = m / (1 - 0.9^t)$, $\hat s = s / (1 - 0.999^t)$. $\varepsilon = 10^{-8}$.

# %% [markdown] slideshow={"slide_type": "skip"}
# The last two divide by the size of the gradient itself, which sounds like a cure. Against torch, over five steps with gradients from $10^{-12}$ to $1$:

# %% slideshow={"slide_type": "skip"}
def adam(gs: np.ndarray, lr: float, eps: float = 1e-8) -> np.ndarray:
    m = s = w = np.zeros(gs.shape[1])
    for t, g in enumerate(gs, start=1):
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        w = w - lr * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + eps)
    return w


def rmsprop(gs: np.ndarray, lr: float, eps: float = 1e-8) -> np.ndarray:
    s = w = np.zeros(gs.shape[1])
    for g in gs:
        s = 0.99 * s + 0.01 * g**2
        w = w - lr * g / (np.sqrt(s) + eps)
    return w


# %% slideshow={"slide_type": "skip"}
gs = np.random.default_rng(0).standard_normal((5, 7)) * 10.0 ** np.arange(-12, 1, 2)
for rule, of_torch in ((adam, torch.optim.Adam), (rmsprop, torch.optim.RMSprop)):
    w = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    optimiser = of_torch([w], lr=0.01)
    for g in gs:
        w.grad = torch.tensor(g)
        optimiser.step()
    assert np.allclose(rule(gs, 0.01), w.detach(), rtol=1e-9, atol=0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# Ten sigmoid layers of 30, weights $N(0, 1/n)$. The gradient of layer 1 is some millionths of layer 10's, and SGD stays at 10%. Now **Adam**, step size 0.003, seed 0.
# What share of the digits does it get right after 300 steps, and after 12,000?
#
# - **A** 10%, guessing, and 10%
# - **B** about 20%, and 20%
# - **C** about 20%, and over 75%

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_adam = ...  # "A", "B" or "C"
my_adam = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_adam(my_adam)

# %% [markdown] slideshow={"slide_type": "skip"}
# First one step, in layers of 50. Left, the gradient of each layer (grey) and what the optimiser makes of it (blue). Go from SGD to Adam. The right panel is for
# later.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What does the optimiser make of a gradient that is gone?** Left panel first.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.step_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left panel first. **SGD**: two parallel lines. **Adam, ten layers**: the blue one is flat, and the class will say "cured". **Twenty layers**: where does it leave the
# dashed one? (Where an entry of the gradient is about $10^{-8}$.) Then the right panel: what should shuffling the labels do to a gradient? **ReLU at torch's scale**
# is as blind as the sigmoid net, **He's scale** is not. The usual slip: "Adam fixes the gradient". That is grey, and stays where it was.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Adam's first step
#
# After one step $\hat m = g$ and $\hat s = g^2$:
#
# $$\Delta w = \eta\,\frac{g}{|g| + \varepsilon} \approx \begin{cases} \eta\,\mathrm{sign}\, g & |g| \gg \varepsilon \\ \eta\, g/\varepsilon & |g| \ll \varepsilon \end{cases}$$
#
# - far above $\varepsilon = 10^{-8}$ every weight moves by $\eta$: the layers move alike;
# - far below $\varepsilon$ the step vanishes with the gradient.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: Adam's first step
#
# Return what Adam's first step subtracts, for an array `g`. An entry that is 0 does not move.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def adam_first_step(g: np.ndarray, lr: float, eps: float) -> np.ndarray:
    # BEGIN SOLUTION
    return lr * g / (np.abs(g) + eps)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.adam_first_step(adam_first_step)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ADAM_SIZE.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Adam's memory
#
# $m$ forgets in some 10 steps, $s$ in some 1000. A gradient is near 0 for thousands of steps, then it is $g$ and stays. After $k$ steps
#
# $$m = (1 - \beta_1^k)\, g, \qquad s = (1 - \beta_2^k)\, g^2, \qquad \frac{\Delta w}{\eta} = \frac{1 - \beta_1^k}{\sqrt{1 - \beta_2^k}}$$
#
# Predict for libraries' $\beta_1 = 0.9$, $\beta_2 = 0.999$: the largest step is
#
# - **A** $\eta$
# - **B** about $3\,\eta$
# - **C** about $7\,\eta$

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_jump = ...  # "A", "B" or "C"
my_jump = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_jump(my_jump)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **The gradient jumps after a long quiet spell: how large is the step?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.memory_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: the step leaves the grey line, peaks at step 12 and comes back over a thousand. **β₂ = 0.95**, as for language models: hardly a bump. **One large gradient** is
# the other half: for hundreds of steps the weight hardly moves. The usual slip: "Adam's step is lr".

# %% [markdown] slideshow={"slide_type": "skip"}
# So a weight whose gradient had vanished gets too large steps just as it comes back, one reason why losses of large models spike. One outlier does the reverse: $s$
# remembers it long after $m$ has forgotten. A shorter memory, clipping (chapter 09) and warm-up (below) each help.
#
# ### Exercise 5: after the jump
#
# Return the step over $\eta$ after $k$ steps, as above.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def after_jump(k: int, beta1: float, beta2: float) -> float:
    # BEGIN SOLUTION
    return (1 - beta1**k) / np.sqrt(1 - beta2**k)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.after_jump(after_jump)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ADAM_BOUND.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Muon: a whole matrix at once
#
# Adam evens out entries. **Muon** (Jordan and others, 2024) evens out *directions*: of the momentum of each hidden layer's matrix; all else it leaves to Adam. Any matrix is
# $G = U S V^\top$: $V^\top$ turns, $S$ stretches by the singular values (chapter 05), $U$ turns. Muon steps along $U V^\top$, where each is 1, and needs no decomposition for it, only five times
#
# $$X \leftarrow a X + (b A + c A^2)\, X, \qquad A = X X^\top, \qquad X_0 = G / \lVert G\rVert$$
#
# which makes $a s + b s^3 + c s^5$ of every $s$ and leaves $U$ and $V$. $a, b, c = 3.4445, -4.775, 2.0315$.
#
# Predict: in the middle of ten sigmoid layers one singular value is nearly the gradient's whole norm, and forty of fifty are below a millionth of it. Does Muon make
# them all 1?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "no: five steps multiply a tiny one by 3.4445 to the fifth, some 500"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What do five steps make of a gradient's singular values?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.muon_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Before**, then step up to five: the grey line is lifted. Most end between 0.7 and 1.2: the curve on the right is steep at 0 and ripples on top. **Ten sigmoid
# layers**: one direction is left, and Muon gives back that one.

# %% slideshow={"slide_type": "skip"}
from vglib.other_remedies.muon import COEFFICIENTS, newton_schulz, on_singular_values

G = np.random.default_rng(0).standard_normal((5, 8))
U, s, Vt = np.linalg.svd(G, full_matrices=False)
assert np.allclose(newton_schulz(G), U * on_singular_values(s / np.linalg.norm(G)) @ Vt)
X = torch.tensor(G, requires_grad=True)
(direction,) = torch.autograd.grad(torch.linalg.matrix_norm(X, "nuc"), X)
assert np.allclose(direction, U @ Vt)  # U V^T is the gradient of the sum of singular values

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 6: one step of it
#
# Return $X$ after one of the five steps.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def muon_step(X: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    # BEGIN SOLUTION
    A = X @ X.T
    return a * X + (b * A + c * A @ A) @ X
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.muon_step(muon_step)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.MUON.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Moving is not learning
#
# The net of the prediction, 300 steps with SGD (step size 0.5) and with Adam (0.01).

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Every layer moves: does the net learn?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.reach_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Presets in order: **four layers**, where SGD is lost (ten times its step size would give it some 60%) and Adam is not. **Six**: slowly. **Ten**: every layer moves,
# and it names two digits of ten. **ε = 10⁻³⁰**: 20% again, so ε is not to blame. **Four times the scale**: the same Adam, other weights. Right panel: Adam widens the
# spread, but in one direction. The usual slip: "Adam cannot do it". Start the next cell, and talk over its seconds.

# %% [markdown] slideshow={"slide_type": "subslide"}
# With patience: the accuracy after each tenth of 12,000 steps of size 0.003:

# %% slideshow={"slide_type": "fragment"}
from vglib.other_remedies.experiments import patience, widened

shares = patience(lr=0.003, steps=12_000, seed=0)
print(*(f"{share:.0%}" for share in shares))
assert shares[0] < 0.4

# %% [markdown] slideshow={"slide_type": "skip"}
# Seeds 0 to 4 end at 79, 83, 19, 86 and 92%. 75% is reached after some 8400 steps (median, read every 1200). From four times the weights, with a step size of 0.01, it
# takes 180. Ten times the step size ends at 10%, a tenth of it at 20 (medians of seeds 0 to 4; the slow claim `adam-needs-only-patience`).

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ADAM_CURES.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ADAM_CARRIES.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a vanished signal does to the gradient, at first
#
# $$\frac{\partial L}{\partial W} = \sum_i \delta_i\, h_i^\top \qquad \text{(sum over the images } i\text{)}$$
#
# Deep in such a net $h_i$ is nearly the same vector $\bar h$ for every image:
#
# $$\frac{\partial L}{\partial W} \approx \Big(\sum_i \delta_i\Big)\, \bar h^\top$$
#
# **Deal the labels out to the images anew, and the gradient stays nearly the same.** It knows how many of each digit there are, and next to nothing of which is which.

# %% [markdown] slideshow={"slide_type": "skip"}
# The part that does know comes from $h_i - \bar h$. It is about as large as the **relative spread** of $h$, $\lVert h - \bar h\rVert / \lVert h\rVert$. The difference
# to the gradient $g'$ with shuffled labels holds two such parts, hence the $\sqrt 2$ of the dashed line in the one-step lab's right panel:
#
# $$\frac{\lVert g - g' \rVert}{\lVert g \rVert} \approx \sqrt 2\; \frac{\lVert h - \bar h\rVert}{\lVert h\rVert}$$
#
# In layer 10 that is five parts in a million, and Adam's first step enlarges the rest with them.

# %% slideshow={"slide_type": "skip"}
from vglib.data import digits

data = digits()
x, y = data.x_train[:64], data.y_train[:64]
deep = mlp(10, 50, activation="sigmoid", init="1/fan_in", seed=0)
tenth = deep.weights[9]


def gradient_of_layer_10(labels: torch.Tensor) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(deep(x), labels)
    return torch.autograd.grad(loss, tenth)[0]


# %% slideshow={"slide_type": "skip"}
g = gradient_of_layer_10(y)
shuffled = gradient_of_layer_10(y[torch.randperm(64, generator=torch.Generator().manual_seed(0))])
h = x
for W, b in zip(deep.weights[:9], deep.biases[:9]):
    h = torch.sigmoid(h @ W.T + b)
part, spread = (g - shuffled).norm() / g.norm(), (h - h.mean(0)).norm() / h.norm()
assert 0.3 < part / (2**0.5 * spread) < 3
assert (g.sign() == shuffled.sign()).double().mean() > 0.99

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BLIND.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SAME_STEP.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# So the first steps are blind. But the part that counts digits has an end: once the readout's biases say how many of each there are, $\sum_i \delta_i$ over all images
# is nearly 0. What is left does know (move these biases alone, and its part grows from millionths to about 1, seeds 0 to 4), and Adam makes it as long as any other
# gradient. The last hidden layer, over all training images:

# %% slideshow={"slide_type": "skip"}
for steps in (0, 100, 300):
    seen = widened(steps)
    print(
        f"{steps:3} steps: part that knows {seen.part:.0e}, spread {seen.spread:.0e}, "
        f"{seen.first:.2%} of it in one direction; digits named: {seen.named}"
    )
assert widened(0).part < 1e-4 and widened(300).part > 0.5
assert widened(0).spread < 1e-5 and widened(300).spread > 0.3 and widened(300).first > 0.99

# %% [markdown] slideshow={"slide_type": "skip"}
# (A part above 1: with other labels the gradient would be longer.) After 300 steps the relative spread has grown from a millionth to 0.6 or 0.7: the signal is back,
# in *one* direction. It parts the images into two groups: two digits, 20% (so at seeds 0 to 4, step size 0.01). The next has to be found in batches whose counts vary
# by chance. Without that chance, in batches of six of each digit, 4000 steps of 0.003 reach 86, 91 and 74% (`patience(steps=4000, balanced=True)`, seeds 0 to 2), not
# 20, 32 and 19.
#
# Initialisation, normalisation and skips keep the signal. An optimiser can win it back, and pays in steps.
#
# ### Exercise 7: find the flaw
#
# 1. In its first step Adam divides each entry of the gradient by its size (plus $\varepsilon$).
# 2. So each weight moves by about $\eta$, wherever its gradient is far above $\varepsilon$.
# 3. So there the early layers move as much as the late ones.
# 4. So the early layers learn as fast as the late ones.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw_adam = ...  # 1, 2, 3 or 4
flaw_adam = 4
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw_adam(flaw_adam)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How large may a step be?
#
# In a bowl of curvature $\lambda$, $L = \frac\lambda2 w^2$, a step of size $\eta$ gives
#
# $$w \leftarrow w - \eta\lambda w = (1 - \eta\lambda)\, w$$
#
# which shrinks only while $|1 - \eta\lambda| < 1$:
#
# $$\eta < \frac{2}{\lambda}$$
#
# With many weights the steepest direction decides: $\lambda$ is the largest eigenvalue of the Hessian (chapter 03).

# %% [markdown] slideshow={"slide_type": "skip"}
# Near a minimum a smooth landscape is, along the Hessian's eigenvectors, a set of independent bowls. Each follows the line above with its own $\lambda$, and the
# steepest is the first to fly apart.
#
# In the next lab's net the weights, and so $\lambda$, are too large at the start, and $\lambda$ falls in training: it pays to begin with small steps.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Schedules
#
# Step $t = 0, 1, \dots, T - 1$, share of the peak:
#
# | | |
# |---|---|
# | **warm-up** over $k$ steps | $\min\left(1, \frac{t + 1}{k}\right)$ |
# | **step decay** | $1$, from half time $\tfrac1{10}$, from three quarters $\tfrac1{100}$ |
# | **cosine** | $\frac12 \left(1 + \cos\frac{\pi t}{T}\right)$ |
#
# The lab: six ReLU layers, He's weights times 1.5, **plain SGD**, peak 0.25.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Is warm-up of any use without Adam?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.schedule_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Middle panel first: orange starts eighty times above the pink limit, blue near it. By the end of the warm-up the limit has come up more than twentyfold. **Two steps
# of it**: at half of the seeds too few. **Cosine alone** falls too late. **He's scale**: no warm-up needed. **A smaller constant step**, a third of the peak, reaches
# 87 to 91%, warm-up 91 to 95 (seeds 0 to 4): that is what it buys. The usual slip: reading the limit as a law.

# %% slideshow={"slide_type": "skip"}
def warm_up(t: int, k: int) -> float:
    return min(1.0, (t + 1) / k)


def cosine(t: int, T: int) -> float:
    return (1 + np.cos(np.pi * t / T)) / 2


optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
of_torch = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=50)
for t in range(50):
    assert abs(cosine(t, 50) - of_torch.get_last_lr()[0]) < 1e-12
    optimiser.step()
    of_torch.step()
assert [warm_up(t, 4) for t in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 8: warm up, then cool down
#
# Return the step size at `step` (from 0): the line up to `peak` over `warm` steps, then the cosine over the other `total - warm`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def warm_cosine(step: int, peak: float, warm: int, total: int) -> float:
    # BEGIN SOLUTION
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (1 + np.cos(np.pi * (step - warm) / (total - warm))) / 2
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.warm_cosine(warm_cosine)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.WARM_UP.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NO_WARM_UP.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# A schedule changes the path, not the gradient at a point. It brings no vanished signal back, and saves from explosions that come from the *step*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## At the edge
#
# Training changes $\lambda$. Two tanh layers of 32, torch's start, 100 digits, squared error, **all of them** at each step, $\eta = 1.5/\lambda_0$ throughout. At
# first $\lambda$ climbs. Predict: when it meets $2/\eta$,
#
# - **A** the training diverges
# - **B** $\lambda$ stops there, and the loss goes on falling
# - **C** the loss stops falling

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_edge = ...  # "A", "B" or "C"
my_edge = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_edge(my_edge)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What happens where the curvature meets $2/\eta$?** The second preset.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.edge_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# It opens at a small step: the curvature never gets there. **1.5/λ₀**: it gets there and stays; the loss rises on some hundred of 400 steps, and still ends lower.
# **3/λ₀** starts beyond the edge and is driven back. **Catapult**: the loss rises, the curvature falls, then it converges. **4.2/λ₀** does not. The usual slip: "2/λ
# is a law".

# %% [markdown] slideshow={"slide_type": "skip"}
# This is the **edge of stability** (Cohen and others, 2021): overshooting along the steep direction carries the weights to where it is less steep. The smallest net
# that does it is $f = u \cdot v/\sqrt n$ with $L = f^2/2$, and the curvature $\lambda = (|u|^2 + |v|^2)/n$ along $f$:
#
# $$f \leftarrow f \left(1 - \eta\lambda + \eta^2 f^2/n\right), \qquad \lambda \leftarrow \lambda + \frac{\eta f^2}{n}\,(\eta\lambda - 4)$$
#
# For $2 < \eta\lambda < 4$ the loss rises and, by the last bracket, $\lambda$ falls: a **catapult** (Lewkowycz and others, 2020). Beyond 4 both rise; wide
# nets of ReLUs, they found, come through up to about 12.

# %% slideshow={"slide_type": "skip"}
def pair_step(f: float, lam: float, eta: float, n: int) -> tuple[float, float]:
    return f * (1 - eta * lam + eta**2 * f**2 / n), lam + eta * f**2 / n * (eta * lam - 4)


u, v = torch.randn(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
u, v = u.requires_grad_(), v.requires_grad_()
f = u @ v / 50**0.5
du, dv = torch.autograd.grad(f**2 / 2, (u, v))
new_u, new_v = u - 1.4 * du, v - 1.4 * dv
found = pair_step(f.item(), ((u @ u + v @ v) / 50).item(), 1.4, 50)
assert np.allclose(found, [(new_u @ new_v / 50**0.5).item(), ((new_u @ new_u + new_v @ new_v) / 50).item()])

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 9: who grows?
#
# `curvatures` are the Hessian's eigenvalues, of either sign. Return how many directions grow in a step of size `lr`.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def growing(lr: float, curvatures: list[float]) -> int:
    # BEGIN SOLUTION
    return sum(abs(1 - lr * c) > 1 for c in curvatures)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.growing(growing)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.EDGE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BEYOND.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CATAPULT.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The scale of the inputs
#
# The simplest net: $w x + b$, squared error. Inputs with mean $\mu$ and standard deviation $\sigma$:
#
# $$H = 2 \begin{pmatrix} \sigma^2 + \mu^2 & \mu \\ \mu & 1 \end{pmatrix}$$
#
# - a large $\sigma$ or $\mu$ makes one direction steep, and the step must be small;
# - then the flat direction takes some $\lambda_{\max} / \lambda_{\min}$ times as many steps as the steep one: the **condition number**;
# - $\mu = 10$, $\sigma = 1$: 10,402. Standardised, $(x - \mu)/\sigma$: 1.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How large may a step be, and what has the inputs' mean to do with it?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.bowl_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Mean 3**: the path zig-zags across the tilted ellipse and hardly goes along it. **A little too large a step**: 0.093 against the limit 0.0917. **Mean 10**: two
# thirds of the loss are left. Then tick **standardise** at a step of 0.4. The mean harms by about its fourth power, more than the scale. The usual slip: "the bias
# takes care of the mean".

# %% slideshow={"slide_type": "skip"}
def hessian(mean: float, std: float) -> np.ndarray:
    return 2 * np.array([[std**2 + mean**2, mean], [mean, 1]])


sample = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
inputs = 10 + (sample - sample.mean()) / sample.std(correction=0)


def squared_error(p: torch.Tensor) -> torch.Tensor:
    return ((p[0] * inputs + p[1] - sample) ** 2).mean()


# %% slideshow={"slide_type": "skip"}
start = torch.zeros(2, dtype=torch.float64)
by_autograd = torch.autograd.functional.hessian(squared_error, start)
assert np.allclose(by_autograd, hessian(10, 1), rtol=1e-9)
assert round(np.linalg.cond(hessian(10, 1))) == 10402

# %% [markdown] slideshow={"slide_type": "skip"}
# With $n$ inputs of one mean it counts $n$ times: chapter 03's flaw, at the input.
#
# ### Exercise 10: the largest step
#
# Mean 10, standard deviation 1, one input. What is the largest step size at which descent is stable?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB largest_step = ...
largest_step = 2 / np.linalg.eigvalsh(2 * np.array([[101, 10], [10, 1]]))[-1]
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.largest_step(largest_step)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CONDITION.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## In a deep net
#
# $$\frac{\partial L}{\partial W_1} = \sum_i \delta_i\, x_i^\top, \qquad \delta_{\text{out}} = \frac{2}{N}(z - y)$$
#
# - inputs $c$ times as large: so are $\partial L/\partial W_1$ and $z_1$; a sigmoid or tanh **saturates**, and $\delta_1$ vanishes;
# - labels $c$ times as large: in the end every $\delta$ too, and the first step **explodes**.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Inputs or labels of another size: what vanishes, and what explodes?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.scaling_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Pixels of 0 … 255**: layer 1 is 99% saturated and its gradient a fourteenth. The net trains, if worse: layer 1 serves as fixed features. **The same, ReLU**: it
# explodes. **Mean 5** is the worst: layer 1 says the same for every image. **A hundred times smaller**: nothing is learnt in 100 steps. **Labels of size 1000**; then
# ReLU with a step of 0.0001: tuned, it trains. The usual slip: reading the size of the loss, which is in units of the labels squared.

# %% slideshow={"slide_type": "skip"}
net = mlp(3, 30, activation="tanh", seed=0)
zs = []
h = x
for i, (W, b) in enumerate(zip(net.weights, net.biases)):
    zs.append(h @ W.T + b)
    h = torch.tanh(zs[-1]) if i < 3 else zs[-1]
targets = torch.nn.functional.one_hot(y, 10).double()
error = ((h - targets) ** 2).mean()
first, last, by_W = torch.autograd.grad(error, [zs[0], zs[-1], net.weights[0]])
assert torch.allclose(by_W, first.T @ x, rtol=1e-9)
assert torch.allclose(last, 2 * (h - targets) / h.numel(), rtol=1e-9)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.INPUTS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LABELS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Without backprop?
#
# "The reason why Hinton proposed capsules is to abandon for good the present deep learning algorithms, which are based on backpropagation", says the Zhihu article,
# after it blames backpropagation for the vanishing.
#
# A **capsule** is a group of units whose output is a vector. Capsules of one layer *vote* for those of the next, and votes that agree gain weight, over three rounds.
# Can one differentiate through that?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CAPSULES.trial()

# %% slideshow={"slide_type": "skip"}
from vglib.other_remedies.experiments import capsule_training

before, after = capsule_training(60)
assert before < 0.4 and after > 0.7

# %% [markdown] slideshow={"slide_type": "skip"}
# One layer of capsules, ten clouds of points, 60 steps of plain descent *by backprop*: it learns. The voting is sums, products and a softmax, and the chain rule goes
# through them. The published network was trained so, with Adam (Sabour, Frosst and Hinton 2017). Nor is backpropagation to blame for the vanishing (chapter 02).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What each of these changes
#
# | | changes | does not change |
# |---|---|---|
# | Adam, RMSprop | the size of each entry's step | what the gradient at a point knows |
# | Muon | the size of each direction's step | which directions there are |
# | momentum | the average over steps | the ratio between layers |
# | warm-up | the first steps | the gradient at a point |
# | decay, cosine | the last steps | the start |
# | input scaling | $z_1$, the curvature | the layers above, if they vanish on their own |
# | label scaling | $\delta$ in every layer alike | the ratio between layers |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Nine measures, three sick nets
#
# An article of 2023 lists nine measures "to avoid vanishing and exploding gradients": clipping, early stopping, activations, batch norm, the
# learning rate, initialisation, L2, dropout, design. Here each meets
#
# - a **deep sigmoid** net: 10 layers, $N(0, 1/n)$;
# - a **deep ReLU** net: 20 layers at torch's own scale;
# - a **recurrent** net that explodes: 16 pieces of the image, one after the other, He's weights times 1.5.
#
# Without a measure none learns. How many of the nine bring the deep ReLU net above 20% of the test images, in 150 steps?
#
# - **A** initialisation only
# - **B** three or four
# - **C** most of them

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_bet = ...  # "A", "B" or "C"
my_bet = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_tournament(my_bet)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### What each of them is
#
# Each measure changes one thing in the plan of a net:

# %% slideshow={"slide_type": "skip"}
from IPython.display import Markdown

from vglib.other_remedies.tournament import MEASURES, quick_rows, starters, table

rows = ["| no. | measure | changes |", "|:--|:--|:--|"]
for m in MEASURES.values():
    rows.append(f"| {m.number} | {m.name} | {', '.join(f'{k}: {v}' for k, v in m.changes.items())} |")
Markdown("\n".join(rows))

# %% [markdown] slideshow={"slide_type": "skip"}
# "good" is the start that suits the activation: He for ReLU, Glorot for tanh, 8 times Glorot for the sigmoid, the
# identity or an orthogonal matrix from step to step. Of *design* there are four: a skip round every layer, two stacks
# of convolutions (chapter 05) and pooling, which merges neighbouring pixels into one (two layers, or as many as the
# net had), and an LSTM. *Early stopping* ends the training when unseen images get no better. Each run: digits,
# cross-entropy, SGD, batches of 32, 150 steps, one start (seed 0), and the step size that the net has without any measure
# (0.2, 0.05 and 0.03): **no row is tuned**.

# %% tags=["nbval-ignore-output", "decisive"] slideshow={"slide_type": "subslide"}
runs = len(starters(pairs=False, seeds=1))
bar = tqdm(quick_rows(steps=150), total=runs, unit="run", leave=False)
rows = list(bar)
labs.measures_table(table(rows))

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask for a measure that helps all three (batch norm; the right start does too, but in the full table one of its five starts ends in NaN, with the ReLU net and with the recurrent one). Then the middle panel: *which rows
# have the numbers of "nothing"?* Clipping, stopping, both step sizes, L2: before training they cannot differ. The recurrent net explodes, and there clipping is worth something: it lives, at about 20%
# here and 52% (median of five starts) in the full table, four times as long. The usual slip: ranking two light cells; it is one
# start, and the test set has 360 images.

# %% [markdown] slideshow={"slide_type": "skip"}
# One start can be luck, and one step size unfair. *Residual* with the deep ReLU net shows both: with the table's step size four of five starts end in NaN (600 steps, seeds 0 to 4), with a tenth of it all five
# train, to 94 to 96%. So before you judge a row, look at its "tuned" cell in `benchmarks/TOURNAMENT.md`: the best of three step sizes, a factor of ten apart, over five starts.

# %% slideshow={"slide_type": "skip"}
of = {(row.net, row.entry): row for row in rows}
for net in ("deep sigmoid", "deep ReLU"):
    nothing = of[net, "nothing"]
    for name in ("gradient clipping", "early stopping", "lr × 10", "lr ÷ 10", "L2"):
        assert of[net, name].ratio_start == nothing.ratio_start
        assert of[net, name].accuracy < 0.2
    assert of[net, "batch norm"].accuracy > 0.5

# %% [markdown] slideshow={"slide_type": "slide"}
# **Choose a cell: which measures cure which net?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.tournament_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# One cell of the table, with two measures, any depth and any step. **deep ReLU, initialisation**: flat from the start, and slow; add batch norm. **recurrent, clipping** stays
# alive and learns little; drag **step size ×** to 10 and it gets 59% right, not 21; without clipping this start breaks at every step size of the slider. Then **recurrent, initialisation**. Drag the depth down for any of the sick nets: at three layers
# the recurrent one is well, the ReLU net learns, the sigmoid net hardly. The usual slip: "two remedies are better than one". Residual with initialisation: each block doubles (chapter 07).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What acts on what
#
# | changes | measures |
# |---|---|
# | **what passes a layer**, and so the gradient | activation, batch norm, initialisation, design |
# | the step | clipping, learning rate |
# | the loss | L2 |
# | noise | dropout |
# | when to stop | early stopping |
#
# A vanished gradient needs the first row (or Adam and patience). An explosion is survived with the second: clipped, with ten times the step, the recurrent net is level with batch norm at its own step, both at 79%. With ten times the step batch norm
# reaches 95 (medians of seeds 0 to 4, 600 steps).

# %% [markdown] slideshow={"slide_type": "skip"}
# The gradient at a point contains no learning rate and no threshold: these come in when it is *used*. L2 adds $\alpha w$, which has nothing to do with the data. Four
# of the article's statements were judged before: the learning rate in chapter 01, "tanh and ReLU work because they are nonlinear" in 05, batch norm in place of the
# activation in 06, clipping in 09. The rest:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.PREVENT.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.EARLY.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.WRONG_START.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.TOO_WIDE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.OVERFITTING.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# And L2 can do harm: it shrinks the very weights that carry the gradient back. A slow claim says how much (`l2-makes-vanishing-worse`).
#
# ### Exercise 11: find the flaw
#
# 1. L2 adds the term $\alpha w$ to the gradient of each weight.
# 2. So the gradient by a weight that is not 0 is not tiny any more.
# 3. So L2 makes up for what the gradient has lost on its way back.
# 4. So with L2 the early layers learn.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw_l2 = ...  # 1, 2, 3 or 4
flaw_l2 = 3
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw_l2(flaw_l2)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 12: who is cured?
#
# `accuracy` and `broken` map each choice of measures to its median accuracy and its share of runs that ended in NaN. Return the names that reach the `bar` and of which no run broke, in alphabetical order.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def cured(accuracy: dict[str, float], broken: dict[str, float], bar: float) -> list[str]:
    # BEGIN SOLUTION
    return sorted(name for name in accuracy if accuracy[name] >= bar and broken[name] == 0)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.cured(cured)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### The whole tournament
#
# With sixteen pairs, five starts, three step sizes and 600 steps it is `make tournament`, about an hour; its table, with the gradient at the end too, is in `benchmarks/TOURNAMENT.md`. Stop
# it whenever you like: it goes on from where it was. With a Dask cluster, `VGLIB_DASK=tcp://host:8786 make tournament` sends the same runs there.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Pretraining moved the weights to where signal and gradient get through. Drawing them there does it too; the learned directions
#   make it quicker.
# - Adam's first step has one size in every layer, down to ε. Where the signal has collapsed, the first steps do not know which image is which. Adam can win the signal
#   back, one direction at a time: ten layers took some 45 times the steps of a better start, and one seed of five did not get there.
# - In a bowl the largest step is $2/\lambda$; in a net $\lambda$ climbs to $2/\eta$, and stays. Warm-up is for a steep start; standardising one input makes its bowl
#   round.
# - Of the nine measures some change what flows through the net, some only the step, the loss or the time to stop. In the table only the first kind
#   cures a gradient that vanishes.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# - Hinton, *Training products of experts by minimizing contrastive divergence*, 2002. Hinton, Osindero and Teh, *A fast learning
#   algorithm for deep belief nets*, 2006. Bengio, Lamblin, Popovici and Larochelle, *Greedy layer-wise training of deep networks*,
#   2007. Erhan et al., *Why does unsupervised pre-training help deep learning?*, 2010.
# - Glorot and Bengio 2010 and He et al. 2015 (initialisation). Cireşan, Meier, Gambardella and Schmidhuber, *Deep, big, simple neural
#   nets for handwritten digit recognition*, 2010. Martens, *Deep learning via Hessian-free optimization*, 2010. Glorot, Bordes and
#   Bengio, *Deep sparse rectifier neural networks*, 2011. Sutskever, Martens, Dahl and Hinton, *On the importance of initialization
#   and momentum in deep learning*, 2013.
# - Tieleman and Hinton, lecture 6.5, 2012 (RMSprop). Kingma and Ba, *Adam*, 2015. Goyal et al., *Accurate, large minibatch SGD*, 2017
#   (warm-up). Lewkowycz et al., *The large learning rate phase*, 2020. Cohen et al., *Gradient descent on neural networks typically occurs at
#   the edge of stability*, 2021. Jordan et al., *Muon: an optimizer for hidden layers in neural networks*, 2024. Loshchilov and Hutter, *SGDR*, 2017 (cosine). Pearlmutter, *Fast exact multiplication by the Hessian*, 1994. LeCun, Bottou,
#   Orr and Müller, *Efficient BackProp*, 1998 (centring).
# - Sabour, Frosst and Hinton, *Dynamic routing between capsules*, 2017.
# - Quoted in translation: a widely read Zhihu article, a tutorial of 2017, an article of 2023.
