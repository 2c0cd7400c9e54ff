# %% [markdown] slideshow={"slide_type": "slide"}
# # 00 · Start here
#
# **Why does a deep network fail to learn, and can you see it before training even starts?**
#
# **You will do** move the depth and the weights of a real network and watch its gradient vanish and explode.
#
# **You will learn** what the two failures look like, how to compare two settings, and how this course works.
#
# **You need** derivatives and a little Python, nothing about networks. Run each cell with Shift+Enter.
#
# **Time** 20 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **20 minutes**: `gradient_flow_lab` 6, *Predict* 3, *Two words* 1, *A game: a hundred layers* 2, `scale_game` 5,
# *How to use the course* 1, *Summary* 2.
#
# **45 minutes**: `gradient_flow_lab` 10, *Predict* 5, *Two words* 3, *A game: a hundred layers* 4, `scale_game` 13,
# *Why the sigmoid keeps wandering* 3, `wander_lab` 4, *Summary* 3.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
from vglib.start_here import check, labs

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which layer learns fastest here?** And what do more layers, or larger weights, change?

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.gradient_flow_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask: *which layer learns fastest here?* Then hold the right arrow key on **depth**, and step through the presets;
# before **explodes** ask which way the line will lean. The usual slip: taking the horizontal axis, the layer, for
# time.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## What you are looking at
#
# A network is a stack of **layers** of units; layer 1 is nearest the input. A unit multiplies the numbers from the
# layer before by its **weights** $W$, adds them up, and adds its **bias** $b$, here 0 at first: $z$. Its answer is $h = \phi(z)$, with the **activation**
# function $\phi$: the *sigmoid* squeezes $z$ between 0 and 1, *tanh* between -1 and 1, *ReLU* keeps a positive $z$
# and makes 0 of a negative one. The **loss** $L$ says how wrong the last layer's answer is, and a **gradient** is the
# list of its derivatives.
#
# The lab draws the weights at random, sends 64 images of handwritten **digits** forward and the derivatives backward.
# Nothing is trained.
#
# - **Left, ‖∂L/∂z‖**: how strongly the error reaches each layer. Dashed is theory.
# - **Middle, ‖∂L/∂W‖**: how large a step each layer's weights would take.
# - **Right, the spread of $h$**: how differently a layer responds to different images. Without spread it has
#   forgotten which one it saw.
#
# ‖·‖ is a length: the root of the sum of squares. All three axes count in powers of ten, so a straight line is
# exponential growth or decay. The sentence above the figure says it in numbers.
#
# ## First moves
#
# 1. Drag **depth** from 1 to 100. What happens to layer 1?
# 2. At depth 20 drag **weight scale** to 4. What becomes of the line?
# 3. **Reset**, then **Hold**; set **activation** to `relu` and **init**, how the weights are drawn (chapter 05), to
#    `he`, and compare with the grey ghost.
# 4. Preset **explodes**: which layer gets most now?
# 5. **Reseed** a few times. What changes, what does not?
#
# Depth and weight scale draw no weight anew: depth 21 has the twenty layers of depth 20 and one more, and the weight
# scale multiplies the same weights. Another **width** draws others, and so does **Reseed**: those of the next **seed**.
# By keyboard: Tab reaches a control, arrow keys move it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# The sigmoid network keeps about a quarter of the gradient at each step from a layer to the one before. A better one
# keeps half. What share of layer 20's gradient reaches layer 1?
#
# - **A** about a twentieth
# - **B** about a thousandth
# - **C** about two millionths

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_guess = ...  # "A", "B" or "C"
my_guess = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess(my_guess)

# %% [markdown] slideshow={"slide_type": "notes"}
# A show of hands, then: ten halvings are a thousand, and there are nineteen.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: the share that arrives
#
# Write the share of the last layer's gradient that reaches layer 1 of `depth` layers, if each step back keeps the
# share `r`. At depth 1 there is no step, and the answer is 1.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def share(r: float, depth: int) -> float:
    # BEGIN SOLUTION
    return r ** (depth - 1)
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.share(share)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two words
#
# A gradient **vanishes** when it shrinks exponentially from the last layer to the first, and **explodes** when it
# grows exponentially. Both happen *over the layers*, at one moment, in one network.
#
# The lab says *vanishes* or *explodes* where it changes more than a hundredfold over the whole depth, else *holds*.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: say it in words
#
# Write the lab's rule. `first` and `last` are the sizes of the gradient in the first and the last hidden layer. (A
# layer is *hidden* if it is not the output.) Return `"vanishes"`, `"explodes"` or `"holds"`, also at exactly a
# hundredfold.

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def verdict(first: float, last: float) -> str:
    # BEGIN SOLUTION
    ratio = first / last
    return "vanishes" if ratio < 1 / 100 else "explodes" if ratio > 100 else "holds"
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.verdict(verdict)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A game: a hundred layers
#
# At which weight scale does the gradient neither vanish nor explode over a hundred layers: for ReLU, tanh, the
# sigmoid?
#
# Each weight is the scale times a draw from $N(0, 1/n)$: a bell curve of mean 0 and variance $1/n$, where $n$ units feed
# each unit.
#
# **Predict the three numbers first.** Then try, press **Register**, and read the score. (A wrong prediction gets a
# hint, not the number.)

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB relu_scale, tanh_scale, sigmoid_scale = ..., ..., ...
relu_scale, tanh_scale, sigmoid_scale = 2**0.5, 1.0, 10.15
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
print(check.relu_scale(relu_scale), check.tanh_scale(tanh_scale), sep="\n")
print(check.sigmoid_scale(sigmoid_scale))

# %% [markdown] slideshow={"slide_type": "subslide"}
# **At which weight scale does each line stay level over a hundred layers?**

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.scale_game()

# %% [markdown] slideshow={"slide_type": "notes"}
# Write the three guesses on the board before this slide; hardly anybody says 10 for the sigmoid. Then the presets in
# order. Near 10 the sigmoid's curve still wanders: that is the next slide.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why the sigmoid keeps wandering
#
# Theory speaks of infinitely wide layers. A layer of 64 units misses its factor a little, at random.
#
# The misses do not cancel: theory gives the *average* of the squared gradient. A few lucky networks carry it; a
# typical one lies below. Over a hundred layers, at theory's scale 10.15, that costs a factor of ten or more.

# %% [markdown] slideshow={"slide_type": "skip"}
# Ten networks, alike but for the seed.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does a wider net wander more, or less?**

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.wander_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# Collect answers first. Then **140 wide**, and **tanh**.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 3: find the flaw
#
# A friend argues:
#
# 1. In a sigmoid network of depth 20 the first layer's gradient is about $10^{-12}$ of the last layer's.
# 2. The loss is nearly flat in the first layer's weights, so these weights are near a minimum.
# 3. So the first layer has finished learning; only the last layers need more training.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2 or 3
flaw = 2
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to use the course
#
# - **On your own.** `make lab` opens your copy. Say what you expect before you look; the exercises check themselves:
#   `○` not tried, `✗` with a counterexample or a hint, `✓`.
# - **In class.** `make lecture CHAPTER=02` makes live slides of a chapter. Presets are the steps of the lecture; what
#   stands under *For the lecturer* is not on the slides.
# - **By machine.** `make test` runs and checks every notebook and lab.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## The chapters
#
# | | chapter | its question | minutes |
# |---|---|---|---|
# | 00 | Start here | what does it look like? | 20 |
# | 01 | Concept | what exactly is it that fails? | 60 |
# | 02 | Chain rule | where does the factor come from? | 70 |
# | 03 | Sigmoid's three flaws | which of its flaws are real, and how large? | 70 |
# | 04 | The ReLU family | why did ReLU help, and what did it cost? | 80 |
# | 05 | Initialisation | which weights to start from, and why? | 100 |
# | 06 | Batch norm | what does it cure, and what does it cause? | 90 |
# | 07 | Residual nets | is the 1 in every bracket enough for a thousand layers? | 90 |
# | 08 | Recurrent nets and the LSTM | why does a net forget how the text began? | 100 |
# | 09 | Clipping and regularisation | what does clipping limit, and what does it leave? | 90 |
# | 10 | The other remedies | which bring a lost gradient back, and what do the others do? | 120 |
# | 11 | The clinic | my own net does not learn: why? | 110 |
# | 12 | Attention, and nets of today | what do means leave of the gradient, forty blocks deep? | 120 |
# | 13 | The court | of all that is said about gradients, what holds, and how would I find out? | 50 |
#
# ## Notation
#
# | symbol | meaning |
# |---|---|
# | $x = h_0$ | the input; $n_0$ numbers |
# | $z_l = W_l h_{l-1} + b_l$ | **pre-activation** of layer $l$, with weights $W_l$ and biases $b_l$ |
# | $h_l = \phi(z_l)$ | **activation**, through the activation function $\phi$ |
# | $L$ | the loss, averaged over the **batch**, the images computed together; where layers or blocks are counted, in $1/\sqrt L$, their number |
# | $\delta_l = \partial L / \partial z_l$ | **delta**, the gradient by pre-activation (in 07 by $h_l$) |
# | $n_{l-1}$, $n_l$ | **fan_in** and **fan_out** of $W_l$ |
# | $\sigma_w^2 = n\,\mathrm{Var}\,w$, $\sigma_b^2$ | variance of the weights times fan_in; variance of the biases |
# | $s$, $\mathrm E$, $q$ | the sigmoid (in 05 a singular value, in 10 also Adam's average of squares); the average over chance; the variance of $z$ |
# | $\chi$ | the factor by which a layer multiplies $\lVert\delta\rVert^2$ on its way back |
#
# $Wh$ gives each unit its sum: a row of $W$ times $h$, entry by entry, added up. $W^\top$ is $W$ with rows and
# columns exchanged, $\odot$ multiplies entry by entry.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Before any training a deep network's gradient may already be gone from the early layers, or beyond all bounds.
# - The change is exponential in the depth: a straight line on a logarithmic axis.
# - It depends on activation and weight scale, and a theory with nothing fitted predicts it.
#
# ## References
#
# Nielsen, *Neural Networks and Deep Learning*, 2015, chapter 5. Schoenholz, Gilmer, Ganguli and Sohl-Dickstein,
# *Deep Information Propagation*, 2017 (the dashed line).
