# %% [markdown] slideshow={"slide_type": "slide"}
# # 11 · The clinic
#
# **My own network does not learn. Which number tells why, and how do I know that it does not lie?**
#
# **You will do** have your own net examined, write a doctor of some fifty lines, diagnose six patients, check a backward pass, and break a training while it is watched.
#
# **You will learn** why no size of a gradient is a diagnosis, what a second look and an experiment add, what a gradient check can find, and what a monitor should
# show.
#
# **You need** χ (chapter 05), dead units (04), clipping (09). What a finding rests on is in the chapter that it names.
#
# **Time** 110 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *The first patient* 2, `ward_lab` 7, *Your own net in five minutes* 6, *How to read a report* 2,
# *How it thinks, 1: a list of norms* 2, *Where is the limit?* 2, *One threshold for all* 2, `thresholds_lab` 6,
# *Rounds* 1, `rounds_lab` 10, *What the doctor cannot see* 3, *Summary* 2.
#
# **90 minutes**: *The first patient* 3, `ward_lab` 8, *Your own net in five minutes* 8, *How to read a report* 3,
# *How it thinks, 1: a list of norms* 4, *Where is the limit?* 3, *One threshold for all* 3, `thresholds_lab` 7, *What
# the field reaches* 2, *How it thinks, 2: a hook, and a ratio* 3, *How it thinks, 3: look again* 3, *How it thinks,
# 5: try the cure* 3, *Rounds* 2, `rounds_lab` 11, *Is the gradient right at all?* 4, *What a check cannot find* 3,
# *The loss is NaN* 4, *Watch a training* 2, `monitor_lab` 7, *The update ratio* 2, `ratio_lab` 3, *What the doctor
# cannot see* 1, *Summary* 1.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import copy

import torch
from torch import nn

from vglib.clinic import check, claims, gradcheck, labs, patients, rounds
from vglib.data import digits
from vglib.doctor import check_gradients, examine, watch

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The first patient
#
# A tower: fifteen layers of sigmoids with Glorot's weights. With two layers it learnt, its owner says; with fifteen the loss stands still.
#
# Predict: what share of the last layer's gradient reaches layer 1? Do weights five times as large heal it?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "about 10^-10: sqrt(chi) is 1/4 a layer; no, better, and still ill"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What ails the patient?** Say it before you read the sentence.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.ward_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Begin with **guess first**, the pictures without the sentence; let the class name the illness. **sigmoid tower**, **two sigmoids**: nothing to find. **sigmoids,
# weights x 5** is better and still ill. **ReLU at torch's default** against **torch's default x 2**: one factor a layer, and it is well. **healthy**: a suspicion may
# come up, and the short training takes it back; drag **depth**, and it stays silent. The usual slip: reading one layer. The slope over the layers tells.

# %% [markdown] slideshow={"slide_type": "skip"}
# The lab goes the chapter's way: **look once** (one forward and one backward pass), **look again** after twenty steps on a copy, **try the cure**. Only what is there
# twice, and gives way to the cure, is called by a name.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Your own net in five minutes
#
# A **model**, a **loss**, one **batch**: put yours in place of these and run the cell.
#
# This one's owner says: "It learns, but three more hidden layers made it no better." Predict, from the code: what will the doctor find?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "the hidden layers stand in a plain list, so nobody trains them"
# END SOLUTION


# %% slideshow={"slide_type": "subslide"}
class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 50), nn.Linear(50, 10)
        self.hidden = [nn.Linear(50, 50) for _ in range(3)]

    def forward(self, x):
        h = self.first(x).relu()
        for layer in self.hidden:
            h = layer(h).relu()
        return self.last(h)


# %% slideshow={"slide_type": "fragment"}
data = digits(torch.float32)
batch = data.x_train[:64], data.y_train[:64]
report = examine(Stack(), nn.CrossEntropyLoss(), batch)
assert report.findings[0].name == "not-in-model"
print(report.findings[0])

# %% [markdown] slideshow={"slide_type": "skip"}
# The whole report, with its pictures:

# %% slideshow={"slide_type": "skip"}
report

# %% [markdown] slideshow={"slide_type": "notes"}
# Let somebody paste a net of their own. Read the report in the order of the next slide. The usual slip: stopping at the first line.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to read a report
#
# 1. **The finding**: a name, the place, the number and its bound. *Broken* needs no threshold: it is wrong whatever its size. *Likely* is theory's word, after a
#    second look and an experiment. A *note* is no alarm.
# 2. **Why**, the chapter, and two lines to try.
# 3. **Seen**: how many of the matrices took part. What was not seen was not examined.
# 4. **Not checked**: what it could not know, and how to tell it.

# %% [markdown] slideshow={"slide_type": "skip"}
# A doctor that says "healthy" of what it has not seen lies. Here a sound net, whose owner's training step forgets `zero_grad`, so that the gradients of all steps add
# up. Without the step the doctor finds nothing, and says what it did not check:


# %% slideshow={"slide_type": "skip"}
def my_step(model, optimizer, batch):
    x, y = batch
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


net = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
sgd = torch.optim.SGD(net.parameters(), lr=0.1)
silent = examine(net, nn.CrossEntropyLoss(), batch, optimizer=sgd)
told = examine(net, nn.CrossEntropyLoss(), batch, optimizer=sgd, step=my_step)
assert silent.healthy and told.findings[0].name == "gradients-add-up"

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("Seen:", silent.seen)
print("Not checked:", *silent.not_checked)
print("With step=:", told.findings[0].name)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How it thinks, 1: a list of norms
#
# What everybody writes first, after `loss.backward()`:


# %% slideshow={"slide_type": "fragment"}
def sizes(net: nn.Module) -> list[float]:
    learned = [p for p in net.parameters() if p.grad is not None]
    return [p.grad.abs().mean().item() for p in learned if p.dim() > 1]


x, y = patients.examples()
for kind in (("sigmoid", "glorot"), ("relu", "he")):
    net = patients.tower(8, *kind)
    nn.functional.cross_entropy(net(x), y).backward()
    print(f"{kind[0]:8}", *(f"{size:.0e}" for size in sizes(net)))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where is the limit?
#
# A published tool says: a mean $|g|$ below $10^{-7}$ is a vanishing gradient (DeepDiagnosis, 2022).
#
# Predict. A friend divides the loss by a million (another unit) and multiplies the rate of plain descent by a million. What changes in the training?
#
# - **A** it becomes slower
# - **B** the first layers vanish, the last do not
# - **C** nothing

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_unit = ...  # "A", "B" or "C"
my_unit = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_unit(my_unit)

# %% [markdown] slideshow={"slide_type": "skip"}
# With a power of two for the million not even rounding differs:


# %% slideshow={"slide_type": "skip"}
def trained(unit: float) -> torch.Tensor:
    net = patients.tower(4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1 / unit)
    for _ in range(50):
        optimizer.zero_grad()
        (unit * nn.functional.cross_entropy(net(x), y)).backward()
        optimizer.step()
    return torch.cat([p.flatten() for p in net.parameters()])


assert torch.equal(trained(1.0), trained(2.0**-20))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One threshold for all
#
# Twelve healthy nets and twelve sick ones. If a layer's mean $|g|$ lies below the threshold, the net counts as sick.
#
# Predict: with $10^{-7}$, how many of the healthy are accused, how many of the sick missed? Is there a better threshold?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "three accused, nine missed; no threshold is much better"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Is there a better threshold?** Healthy nets accused, sick nets missed.

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.thresholds_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# From **1e-7** to **1e-4** and **1e-2**: each sick net that is won costs a healthy one. Point at a healthy net at the very bottom: its readout starts at 0, so its
# gradient is exactly 0, for one step. **healthy nets of 20 layers**: depth moves the healthy ones too. On the right the published rules, with their own thresholds.
# The usual slip: tuning the threshold on one's own nets.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.BELOW.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ABOVE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ZEROS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.INPUTS.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the field reaches
#
# | tool | published | on healthy nets |
# |---|---|---|
# | AutoTrainer 2021 | 262 of 262 sick models, by its own labels | no false alarm, by its own labels |
# | DeepLocalize 2021 | 34 of 40 | alarms on 133 of 186 (72%), counted in DeepDiagnosis' result files |
# | DeepDiagnosis 2022 | 46 of 53 real programs | 68 of 188 (36%), counted there too |
# | UMLAUT 2021 | its users mended more bugs | its rule on inputs: all of 19 healthy nets |
# | independent study (Humbatova et al. 2025) | best tool: finds 55% of the faults (recall) | 37% of its alarms are right (precision) |
#
# False alarms are the open flank: an alarm that is wrong every third time is soon ignored.

# %% [markdown] slideshow={"slide_type": "skip"}
# *Published* is as the papers state it. DeepLocalize's and DeepDiagnosis' alarms were counted in the published result files; UMLAUT's rule and the rules in the lab
# were run anew, rewritten for PyTorch, where one step on the batch stands for an epoch. The tools were made for Keras models of their time, so this compares rules,
# not tools. The course's doctor was built on a bank of faulty nets with repaired twins, and knows that bank best.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How it thinks, 2: a hook, and a ratio
#
# A size has the unit of the loss. A **ratio between layers** has none, and chapter 05 knows it:
#
# $$\frac{\lVert\delta_l\rVert^2}{\lVert\delta_{l+1}\rVert^2} \approx \chi_l = n_{l+1}\,\mathrm{Var}(W_{l+1})\; \overline{\phi'(z_l)^2}$$
#
# For that we need the $z$: a **hook** is a function that torch calls whenever a layer has run.


# %% slideshow={"slide_type": "fragment"}
def look(net: nn.Module, loss_fn, batch) -> list[torch.Tensor]:
    seen = []

    def hook(layer, inputs, z):
        z.retain_grad()
        seen.append(z)

    linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
    handles = [layer.register_forward_hook(hook) for layer in linear]
    loss_fn(net(batch[0]), batch[1]).backward()
    for handle in handles:
        handle.remove()
    net.zero_grad()
    return seen


# %% [markdown] slideshow={"slide_type": "skip"}
# Against autograd, on a tanh net of width 300:


# %% slideshow={"slide_type": "skip"}
def chi(weight: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return len(weight) * weight.var() * slope.square().mean()


wide = patients.tower(5, "tanh", "lecun", width=300)
zs = look(wide, nn.CrossEntropyLoss(), patients.examples(64))
weights = [layer.weight for layer in wide if isinstance(layer, nn.Linear)]
for low, high, weight in zip(zs[:4], zs[1:5], weights[1:5]):
    measured = (low.grad.norm() / high.grad.norm()) ** 2
    assert abs(measured / chi(weight, 1 - low.tanh() ** 2) - 1) < 0.2

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How it thinks, 3: look again
#
# A residual net whose blocks start at 0 (ReZero, chapter 07), a readout that starts at 0, LoRA (a product $BA$ added to a matrix, with $B = 0$ at first): in the first
# step most of the gradient is **exactly 0**, one step later it is there. So a verdict never rests on step 0 alone.


# %% slideshow={"slide_type": "fragment"}
def train(net: nn.Module, loss_fn, batch, lr: float, steps: int = 20):
    net, losses = copy.deepcopy(net), []
    optimizer = torch.optim.SGD(net.parameters(), lr)
    for _ in range(steps):
        loss = loss_fn(net(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return net, 1 - losses[-1] / losses[0]


# %% slideshow={"slide_type": "skip"}
net, loss_fn = patients.tower(4), nn.CrossEntropyLoss()
nn.init.zeros_(net[-1].weight)
first = look(net, loss_fn, (x, y))[0].grad.norm()
later, fall = train(net, loss_fn, (x, y), 0.1)
assert first == 0 and look(later, loss_fn, (x, y))[0].grad.norm() > 1e-3 and fall > 0.1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How it thinks, 4: signs
#
# Looked for twice: the ratio of the first δ to the last, and the largest share of dead ReLUs in a layer, 0 for *all* examples (chapter 04). Where no gradient came
# back at all, the graph is cut, and no threshold is needed.


# %% slideshow={"slide_type": "fragment"}
def signs(net: nn.Module, loss_fn, batch) -> tuple[float, float]:
    zs = look(net, loss_fn, batch)[:-1]
    if any(z.grad is None for z in zs):
        return float("nan"), float("nan")
    dead = max((z <= 0).all(0).double().mean().item() for z in zs)
    has_relu = any(isinstance(m, nn.ReLU) for m in net.modules())
    norms = [z.grad.norm().item() for z in zs]
    return norms[0] / max(norms[-1], 1e-300), dead if has_relu else 0.0


# %% [markdown] slideshow={"slide_type": "slide"}
# ## How it thinks, 5: try the cure
#
# The same net with ReLUs and He's weights, at the owner's rate and a tenth of it. If that is no better, the suspicion was wrong.


# %% slideshow={"slide_type": "fragment"}
def gain_of_cure(net: nn.Module, loss_fn, batch, lr: float) -> float:
    cured = copy.deepcopy(net)
    for at, layer in enumerate(cured):
        if isinstance(layer, nn.Sigmoid):
            cured[at] = nn.ReLU()
    for layer in cured:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    rates = (lr, lr / 10)
    return max(train(cured, loss_fn, batch, rate)[1] for rate in rates)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## How it thinks, 6: the report
#
# Exact findings first, then what a smaller rate mends, dead units, the flow; else nothing.


# %% slideshow={"slide_type": "fragment"}
def diagnose(net: nn.Module, loss_fn, batch, lr: float) -> str:
    before, dead = signs(net, loss_fn, batch)
    if before != before:
        return "no-gradient"
    after_training, fall = train(net, loss_fn, batch, lr)
    if not fall > 0 and train(net, loss_fn, batch, lr / 100)[1] > 0:
        return "rate-too-high"
    after, still_dead = signs(after_training, loss_fn, batch)
    if min(dead, still_dead) > 0.5:
        return "dead-units"
    gain = gain_of_cure(net, loss_fn, batch, lr)
    if max(before, after) < 1e-2 and gain > 2 * fall:
        return "vanishing"
    return "healthy"


# %% [markdown] slideshow={"slide_type": "notes"}
# Type `look` and `diagnose` live if you can. Ask at each step: which healthy net would be accused without it?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Rounds
#
# Six people come with a net and a story. Read, look at the pictures, choose **your diagnosis**, press **Register**; then show the doctor's.
#
# Predict: of the six, how many will you have right, and how many the short doctor above?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "the short doctor five: it never looks at what the loss is fed"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What is your diagnosis?** Register it, and only then show the doctor's.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.rounds_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The presets are the six patients. One student a patient; vote, register, then show. **the worried one** is the best: most say *vanishing*, and so does a published
# rule. The usual slip: believing the owner's own diagnosis (**the hasty one** speaks of exploding gradients).

# %% [markdown] slideshow={"slide_type": "skip"}
# Our own report on the six:

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
torch.manual_seed(0)
right = 0
for name, story in patients.PATIENTS.items():
    patient = story.make(0)
    lr = patient.optimizer.param_groups[0]["lr"]
    said = diagnose(patient.model, patient.loss_fn, patient.batch, lr)
    right += said == story.finding
    print(f"{name:20} {said:14} {'✓' if said == story.finding else '✗ ' + story.finding}")
assert right == 5

# %% [markdown] slideshow={"slide_type": "skip"}
# It misses one for a reason: a softmax in front of a loss that has its own is no matter of sizes. The package's doctor follows each operation and knows what each loss
# expects. Beside the published rules:

# %% slideshow={"slide_type": "skip"}
from IPython.display import Markdown

Markdown(rounds.table())

# %% [markdown] slideshow={"slide_type": "skip"}
# Six chosen patients are no statistics. `python -m benchmarks doctor` runs the whole bank: faults, repaired twins, healthy nets.
#
# ### Exercise 1: find the flaw
#
# 1. A detector raises an alarm on 2 of 100 healthy nets.
# 2. It raises one on 95 of 100 sick nets.
# 3. So when it raises an alarm in our company, where 1 net in 100 is sick, the net is sick in 19 cases of 20.
# 4. So we should mend every net that it accuses.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3 or 4
flaw = 3
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: a detector
#
# Write a detector for the twelve healthy nets and the twelve sick ones. It gets the mean $|g|$ of each layer before the first step, from the input on, and the losses
# before each of twenty steps and after the last (see `patients.records()`). It returns `True` for an alarm. Right is **no alarm on the healthy** and **at most one
# sick net missed**.


# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def detector(gradients: list[float], losses: list[float]) -> bool:
    # BEGIN SOLUTION
    fall = 1 - losses[-1] / losses[0]
    first, last = gradients[0], gradients[-1]
    still = fall < 0.05
    rises = not max(losses) < 2 * losses[0]
    vanishes = first < 1e-3 * last and fall < 0.3
    grows_backwards = first > 2 * last > 0
    return still or rises or vanishes or grows_backwards
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.detector(detector)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Is the gradient right at all?
#
# Autograd's is. One that you wrote yourself may not be. The **gradient check**: move all weights a little along a random direction $d$ and compare the loss's
# difference with what the gradient says:
#
# $$\langle \nabla L, d \rangle \;\approx\; \frac{L(w + h d) - L(w - h d)}{2h}$$

# %% [markdown] slideshow={"slide_type": "skip"}
# Taylor's series at both ends: $L(w \pm hd) = L \pm h L' + \frac{h^2}{2} L'' \pm \frac{h^3}{6} L''' + \dots$, with the derivatives along $d$. Subtract, divide by
# $2h$: the even terms cancel, and $L' + \frac{h^2}{6} L''' + \dots$ is left. Hence both sides.


# %% slideshow={"slide_type": "skip"}
def difference(loss, w: torch.Tensor, d: torch.Tensor, h: float) -> torch.Tensor:
    return (loss(w + h * d) - loss(w - h * d)) / (2 * h)


def loss(w: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(torch.tanh(x @ w), y)


w = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
d = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
leaf = w.clone().requires_grad_()
(gradient,) = torch.autograd.grad(loss(leaf), leaf)
exact = (gradient * d).sum()
assert abs(difference(loss, w, d, 1e-5) / exact - 1) < 1e-8

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# A sigmoid net with a backward pass by hand, three layers of weights, sixteen images. Each of four mistakes is compared with a difference along *one* random
# direction. Which does that **not** find?
#
# - **A** $s'(z)$ of the first layer forgotten
# - **B** $W$ in place of $W^\top$
# - **C** the sum over the batch in place of the mean
# - **D** the labels shuffled before training

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_slip = ...  # "A", "B", "C" or "D"
my_slip = "D"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_slip(my_slip)

# %% slideshow={"slide_type": "fragment"}
errors = {}
for slip in gradcheck.SLIPS:
    errors[slip] = gradcheck.error_of_slip(slip, seed=0)
    print(f"{slip:16} error {errors[slip]:.0e}")
assert errors["none"] < 1e-6 < errors["one weight"]

# %% [markdown] slideshow={"slide_type": "notes"}
# The last line: one wrong derivative of 6400, and one direction shows it. Ask how to find out *which* (a direction for each parameter, then for half of it, and so
# on).

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SLOPE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.LEARNS.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_DIRECTION.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: the error
#
# The two numbers are compared by their **relative error**, $|a - b| / \max(|a|, |b|)$, and 0 where both are 0. Above $10^{-2}$ the gradient is "probably wrong", below
# $10^{-7}$ "you should be happy" (CS231n, a Stanford course).


# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def relative_error(a: float, b: float) -> float:
    # BEGIN SOLUTION
    larger = max(abs(a), abs(b))
    return abs(a - b) / larger if larger > 0 else 0.0
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.relative_error(relative_error)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 4: how far to move?
#
# Float64 keeps 16 digits, so each loss carries an error of about $10^{-16} L$, which is divided by $h$. The curve adds $\frac{h^2}{6} L'''$. Take $L = L''' = 1$: at
# which $h$ is $\frac{10^{-16}}{h} + \frac{h^2}{6}$ least?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB best_h = ...
best_h = (3 * 1e-16) ** (1 / 3)
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.best_h(best_h)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a check cannot find
#
# Twenty sigmoid layers: layer 1 has less than $10^{-7}$ of layer 20's gradient. Is it *wrong*?
#
# A difference of two losses drowns in rounding there. An **imaginary** step subtracts nothing (Squire and Trapp, 1998):
#
# $$\langle \nabla L, d \rangle = \frac{\mathrm{Im}\, L(w + i h d)}{h} \quad\text{up to } h^2, \qquad h = 10^{-30}$$

# %% [markdown] slideshow={"slide_type": "skip"}
# $L(w + ihd) = L + ih L' - \frac{h^2}{2} L'' - \dots$: the imaginary part is $h L'$, nothing is subtracted, and with $h = 10^{-30}$ the next term is gone too.


# %% slideshow={"slide_type": "skip"}
def imaginary(weights: list, layer: int, d, x, y, h: float = 1e-30) -> float:
    moved = [w + 1j * h * d if i == layer else w for i, w in enumerate(weights)]
    return gradcheck.loss(moved, x, y).imag / h


weights, images, targets = gradcheck.case(depth=20, width=30, seed=0)
d = torch.ones(30, 64, dtype=torch.float64).numpy()
leaves = [torch.tensor(weight, requires_grad=True) for weight in weights]
h = torch.tensor(images)
for leaf in leaves:
    h = torch.sigmoid(h @ leaf.T)

# %% slideshow={"slide_type": "skip"}
gradient = torch.autograd.grad(((h - torch.tensor(targets)) ** 2).mean(), leaves)
by_autograd = gradient[0].sum().item()
by_step = imaginary(weights, 0, d, images, targets)
print(f"layer 1: autograd {by_autograd:.12e}, imaginary step {by_step:.12e}")
assert abs(by_autograd / by_step - 1) < 1e-9
assert gradient[0].norm() < 1e-7 * gradient[19].norm()

# %% [markdown] slideshow={"slide_type": "skip"}
# They agree to twelve digits: the gradient has vanished, and it is exact. The article of 2023 promises code that detects vanishing by a gradient check; a check looks
# for another illness.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CHECK_FINDS.trial()

# %% [markdown] slideshow={"slide_type": "skip"}
# `check_gradients` does this for any model, parameter by parameter, with the same dice for dropout:

# %% slideshow={"slide_type": "skip"}
checked = check_gradients(patients.tower(8, "sigmoid", "glorot"), loss_fn, (x, y))
assert checked.agrees
print(checked)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The article's code, written out at last
#
# "The code builds the model with **regularisation** and **dropout**. Then **gradient checking** and **gradient clipping** are carried out, to avoid vanishing and
# exploding gradients." So ends the article of 2023, without code. Here it is.
#
# Ten layers, twice: sigmoids with $N(0, 1/n)$, which vanish, and ReLUs at three times He's scale, which explode.
#
# Predict: which of L2, dropout and clipping gets which of the two to learn?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "none the sigmoids; clipping keeps the ReLUs finite, which is not yet learning"
# END SOLUTION


# %% slideshow={"slide_type": "skip"}
def build(kind: str, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    phi, scale = {"sigmoids": (nn.Sigmoid, 1.0), "ReLUs x 3": (nn.ReLU, 3 * 2**0.5)}.get(
        kind, (nn.ReLU, 2**0.5)
    )
    layers = []
    for fan_in in [64] + 9 * [50]:
        layers += [nn.Linear(fan_in, 50), phi(), nn.Dropout(dropout)]
        nn.init.normal_(layers[-3].weight, std=scale / fan_in**0.5)
        nn.init.zeros_(layers[-3].bias)
    return nn.Sequential(*layers, nn.Linear(50, 10))


# %% slideshow={"slide_type": "skip"}
def detect(net: nn.Module) -> float:
    """||delta|| of layer 1 over that of layer 10, dropout off."""
    zs = look(net.eval(), nn.CrossEntropyLoss(), batch)
    net.train()
    return (zs[0].grad.norm() / zs[-2].grad.norm()).item()


# %% slideshow={"slide_type": "skip"}
def run(net: nn.Module, decay: float, clip: float, steps: int = 100) -> tuple[float, float]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=decay)
    rows, clipped = torch.Generator().manual_seed(0), 0
    for _ in range(steps):
        chosen = torch.randint(len(data.x_train), (64,), generator=rows)
        loss = nn.functional.cross_entropy(net(data.x_train[chosen]), data.y_train[chosen])
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), clip)
        clipped += bool(norm > clip)
        optimizer.step()
    right = (net.eval()(data.x_test).argmax(1) == data.y_test).double().mean().item()
    return clipped / steps, right


# %% [markdown] slideshow={"slide_type": "skip"}
# torch's `weight_decay` is L2: SGD adds $\lambda w$ to the gradient. Clipping at infinity is none.

# %% slideshow={"slide_type": "skip"}
never = float("inf")
measures = {
    "nothing": (0.0, 0.0, never),
    "L2 0.001": (0.0, 1e-3, never),
    "dropout 0.2": (0.2, 0.0, never),
    "clipping at 1": (0.0, 0.0, 1.0),
    "all three": (0.2, 1e-3, 1.0),
}
results = {}

# %% slideshow={"slide_type": "skip"}
from vglib.weather import one_thread

print("                          before    after  clipped  test accuracy")
for kind in ("sigmoids", "ReLUs x 3", "ReLUs, He"):
    for name, (dropout, decay, clip) in measures.items():
        net = build(kind, dropout)
        with one_thread():  # in small products two would wait for each other
            before, (clipped, right) = detect(net), run(net, decay, clip)
        results[kind, name] = right
        numbers = f"{before:8.1e} {detect(net):8.1e} {clipped:8.0%} {right:10.0%}"
        print(f"{kind:10} {name:14} {numbers}")

# %% slideshow={"slide_type": "skip"}
assert max(right for (kind, _), right in results.items() if kind == "sigmoids") < 0.25
assert results["ReLUs x 3", "nothing"] < 0.25 and results["ReLUs, He", "nothing"] > 0.5
for kind in ("sigmoids", "ReLUs x 3"):
    assert check_gradients(build(kind), nn.CrossEntropyLoss(), batch).agrees

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What each of them did
#
# | | on the sigmoids | on the ReLUs x 3 |
# |---|---|---|
# | gradient check | agrees: nothing is wrong | agrees |
# | L2 | nothing | too slow: the numbers are lost |
# | dropout | nothing | nothing |
# | clipping | never acts: the gradient is short | acts at every step; finite, and a poor learner |
# | **He's weights** | learn, with ReLU | learn |
#
# And dropout in each of ten layers costs the healthy net most of what it learns in a hundred steps.

# %% [markdown] slideshow={"slide_type": "notes"}
# One seed, one rate: the claims judge (chapters 09 and 10, over grids). Ask what a *detection* would have saved: the first column is known before the first step.

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.CLIPPING.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The loss is NaN
#
# A net $f$ learns distances: $\sqrt{\lVert f(a) - f(b) \rVert^2}$, compared with 1. The forward pass is finite; after one step every weight is NaN. In the batch one
# pair is twice the same image.
#
# Predict: what helps?
#
# - **A** a smaller rate
# - **B** another way to write the root
# - **C** clipping

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_nan = ...  # "A", "B" or "C"
my_nan = "B"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_nan(my_nan)


# %% slideshow={"slide_type": "subslide"}
class Distance(nn.Module):
    def __init__(self, eps: float):
        super().__init__()
        self.f, self.eps = nn.Linear(64, 8), eps

    def forward(self, pair):
        apart = self.f(pair[0]) - self.f(pair[1])
        return (apart.square().sum(1) + self.eps).sqrt()


pairs = batch[0].clone(), batch[0].flip(0).clone()
pairs[1][0] = pairs[0][0]

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for eps in (0.0, 1e-6):
    pair = (pairs, torch.ones(64))
    report = examine(Distance(eps), nn.MSELoss(), pair, budget=60)
    broken = [one for one in report.findings if one.certainty == "broken"]
    print(eps, [(one.name, one.layer) for one in broken])

# %% [markdown] slideshow={"slide_type": "skip"}
# $$\frac{\partial \sqrt u}{\partial u} = \frac{1}{2\sqrt u}, \qquad u = \lVert v \rVert^2, \quad \frac{\partial u}{\partial v} = 2v$$
#
# At $v = 0$ that is $\infty \cdot 0$, which is NaN. The doctor names the first operation into which finite numbers go and others come out, forward or backward.


# %% slideshow={"slide_type": "skip"}
def root_slope(u: torch.Tensor) -> torch.Tensor:
    return 1 / (2 * u.sqrt())


v = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64, requires_grad=True)
u = v.square().sum(1)
(by_u,) = torch.autograd.grad(u.sqrt().sum(), u, retain_graph=True)
(by_v,) = torch.autograd.grad(u.sqrt().sum(), v)
assert torch.equal(by_u, root_slope(u)) and torch.isinf(by_u[1])
assert torch.allclose(by_v[0], root_slope(u[0]) * 2 * v[0]) and by_v[1].isnan().all()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.NOT_A_NUMBER.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Watch a training
#
# A good start does not guarantee a good middle, says the Medium article. Four numbers a step: the **loss**, each layer's **gradient**, the **update ratio**
# $\lVert\Delta w\rVert / \lVert w\rVert$ and the share of **dead** units.
#
# At step 30 something breaks: the rate is multiplied by 100, or a batch has a NaN, or layer 1 freezes, or the labels are shuffled from there on.
#
# Predict for each: which number shows it first? Is there a break that the loss never shows?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "rate: the ratio; NaN: all at once; frozen: never the loss; labels: only the loss"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which of the four numbers shows the break first?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.monitor_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **nothing** first: a sound run. **rate x 100**: the ratio jumps at once, the loss a step later. **layer 1 frozen**: the loss shows nothing, ever; only the layer's
# own numbers do. **labels shuffled**: the loss jumps and the flow is sound, for what is wrong is outside the net. **12 layers, weights x 3**: it breaks by itself. The
# usual slip: watching the loss alone.

# %% [markdown] slideshow={"slide_type": "skip"}
# For your own loop: `with watch(model, optimizer) as seen:`. Nothing is changed; `seen.figure()` draws, `seen.rows` and `file="run.csv"` keep the numbers.

# %% slideshow={"slide_type": "skip"}
net = patients.tower(3)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
with watch(net, optimizer, every=1) as seen:
    for step in range(20):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        if step == 12:
            net[2].weight.grad[0, 0] = float("nan")
        optimizer.step()
print(seen)
assert seen.lost == (12, "2.weight")

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.WRONG_START.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The update ratio
#
# $$r = \frac{\lVert \Delta W \rVert}{\lVert W \rVert}, \qquad \text{plain descent: } r = \frac{\eta\,\lVert g \rVert}{\lVert W \rVert}, \qquad \text{Adam's first step: } r = \frac{\eta}{\mathrm{rms}(W)}$$
#
# It has no unit either. (rms is the root mean square.) "Somewhere around $10^{-3}$", say the notes of CS231n, as a rough heuristic.
#
# Predict: at which ratios does a small net train, with three optimisers?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: a number or a few words
prediction = "from 1e-3 to 2e-2, in this small net and with so few steps"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **At which update ratios does the training work?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.ratio_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **SGD**, **momentum**, **Adam** in order: over the ratio the three curves lie nearer to one another than over the rate. **Adam at 1e-3**: the famous rate is too low
# for so few steps. **weights x 0.2** and **weights x 3** move the good range: the denominator matters. The usual slip: taking $10^{-3}$ for a law.

# %% [markdown] slideshow={"slide_type": "skip"}
# Adam's first step divides each entry by its own size, so every entry moves by η (chapter 10):


# %% slideshow={"slide_type": "skip"}
def update_ratio(after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    return (after - before).norm() / before.norm()


for make in (torch.optim.SGD, torch.optim.Adam):
    net = patients.tower(3, "tanh", "lecun")
    before = net[2].weight.detach().clone()
    nn.functional.cross_entropy(net(x), y).backward()
    g = net[2].weight.grad.clone()
    make(net.parameters(), lr=0.01).step()
    sgd = make is torch.optim.SGD
    theory = 0.01 * g.norm() / before.norm() if sgd else 0.01 / before.square().mean().sqrt()
    assert abs(update_ratio(net[2].weight.detach(), before) / theory - 1) < (1e-9 if sgd else 1e-3)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 5: Adam's first step
#
# He's weights have the variance $2/n_{in}$. Return the update ratio of Adam's first step at the rate `lr`. (No ε.)


# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def first_ratio(lr: float, fan_in: int) -> float:
    # BEGIN SOLUTION
    return lr * (fan_in / 2) ** 0.5
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.first_ratio(first_ratio)

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.RATIO.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the doctor cannot see
#
# - **What the data mean.** Shuffled labels, a label that leaks into the input, a bad split: the net does what it was told.
# - **What it is not given.** No `step`: no forgotten `zero_grad`. No `optimizer`: no rate (`report.not_checked`).
# - **What did not take part** (`report.seen`), or runs outside torch's operations.
# - **What comes later.** Twenty steps on one batch say nothing of epoch 40: use `watch`.
# - **Whether the answer is good.** Overfitting is no matter of gradients.

# %% slideshow={"slide_type": "skip"}
shuffled = data.x_train[:64], data.y_train[:64].roll(7)
net = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
report = examine(net, nn.CrossEntropyLoss(), shuffled, budget=60)
assert report.healthy

# %% [markdown] slideshow={"slide_type": "skip"}
# "Overfit one batch" is an old test and a good one. Whoever fails it is ill. Whoever passes?

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_BATCH.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - A gradient's size has a unit: $10^{-7}$ is no diagnosis, nor are 70% zeros or an input of 1.5. Ratios between layers, shares of *dead* units and update ratios have
#   no unit.
# - One look raises a suspicion. A second look and a cure that helps make a finding.
# - A gradient check asks whether the gradient is the loss's. A vanished gradient is exact.
# - Regularisation, dropout and clipping do not bring a lost gradient back; a cure comes from the cause.
# - The loss is often the last to know, and sometimes the only one: watch it with each layer's gradient and update ratio.
# - Read what was *not* checked.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## References
#
# Zhang et al., *AutoTrainer*, ICSE 2021. Wardat, Le and Rajan, *DeepLocalize*, ICSE 2021. Wardat, Cruz, Le and Rajan, *DeepDiagnosis*, ICSE 2022. Schoop, Huang and Hartmann, *UMLAUT*, CHI 2021. Humbatova et al., in *Empirical Software Engineering*, 2025 (the independent
# study). Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 11.5 (differences). Squire and Trapp, *Using complex variables to estimate derivatives of real functions*, 1998. Karpathy, *A recipe for training neural networks*, 2019. The notes of CS231n,
# *Neural networks 3*. Schoenholz et al., *Deep information propagation*, 2017. Quoted: an article of 2023, a Medium article, in translation.
