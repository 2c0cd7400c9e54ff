"""Claims of chapter 10 on trial."""

from dataclasses import replace

from vglib.claim import Claim, Tolerance, at_least, at_most, holds, holds_only_if, refuted
from vglib.other_remedies import article, pretraining
from vglib.other_remedies.pretraining import finished, readout_accuracy, started
from vglib.other_remedies.rbm import error_growth
from vglib.other_remedies.step_claims import (
    ADAM_BOUND,
    ADAM_CARRIES,
    ADAM_CURES,
    ADAM_PATIENCE,
    ADAM_SIZE,
    BEYOND,
    BLIND,
    CAPSULES,
    CATAPULT,
    CONDITION,
    EDGE,
    INPUTS,
    LABELS,
    MUON,
    NO_WARM_UP,
    SAME_STEP,
    WARM_UP,
)
from vglib.other_remedies.tournament import compete

CHAPTER = 10

# Pretraining

ZHIHU = "a widely read Zhihu article"
TUTORIAL = "a tutorial of 2017"
FOUR = (
    "digits, 4 hidden layers of 100 sigmoids, 10 sigmoid outputs, weights N(0, 1/n), biases 0, "
    "quadratic loss averaged over the outputs, SGD, lr 0.5, batch 10"
)
COPIED = "each layer first an autoencoder with tied weights, 10 epochs of SGD, batch 20, no labels"

EVENS_OUT = at_most(
    id="pretraining-solves-the-gradient-problem",
    source=ZHIHU,
    place="section 3.1, paragraph 1",
    says="To solve the gradient problem Hinton proposed unsupervised training layer by layer, and "
    "fine-tuning of the whole network after it.",
    setup=f"{FOUR}; each layer first an autoencoder, 6 epochs; before any label is used: "
    "||dL/dz|| of layer 4 over that of layer 1, 1000 training images",
    prediction=4.0,
    measure=lambda seed: pretraining.last_over_first(
        pretraining.measure(*started("pretrained", seed, epochs=6))
    ),
    rival=80.0,
    rival_says="what the net has as drawn",
    ruling=holds(
        "before the first label the gradient of layer 4 is only {x:.2g} times that of layer 1",
        below=10,
        otherwise="refuted: the layers differ as before",
    ),
    correction="It does solve it, by way of the forward pass: a layer that can be run backwards to "
    "its input must pass differences on. (The paper of 2006 itself is about inference in belief "
    "nets.)",
)

TRAINS = at_least(
    id="pretraining-trains-a-deep-sigmoid-net",
    source="Bengio, Lamblin, Popovici and Larochelle 2007",
    place="abstract",
    says="Greedy training without labels, layer by layer, helps mostly the optimisation: it starts "
    "the weights near a good local minimum, whose features also generalise better.",
    setup=f"{FOUR}; {COPIED}; test accuracy after 60 epochs on the labels",
    prediction=0.93,
    measure=lambda seed: finished("pretrained", seed)[0],
    rival=0.15,
    rival_says="about what the same net reaches without",
    ruling=holds(
        "{percent} of the test images, where guessing gives 10%",
        above=0.8,
        otherwise="refuted: it does not train",
    ),
    correction="It trains. So does the same net from larger weights; see the next claims.",
    slow=True,
)

NEEDED = at_least(
    id="a-deep-sigmoid-net-needs-pretraining",
    source="common belief between 2006 and 2010",
    says="Without unsupervised pretraining, gradient descent gets stuck in a deep net.",
    setup=f"{FOUR.replace('N(0, 1/n)', 'of 4 times Glorot')}, no pretraining; test accuracy after "
    "60 epochs",
    prediction=0.85,
    measure=lambda seed: finished("4x Glorot", seed)[0],
    rival=0.15,
    rival_says="about what N(0, 1/n) reaches",
    ruling=refuted("from weights of another scale, {percent} without pretraining", above=0.8),
    correction="It needs weights that carry differences forward and gradients back. Pretraining "
    "finds such weights; a formula gives some for nothing.",
    slow=True,
)

GLOBAL = at_least(
    id="pretraining-finds-the-global-optimum",
    source=ZHIHU,
    place="section 3.1, paragraph 1",
    says="The idea amounts to first looking for local optima and then putting them together to "
    "look for the global optimum; it has its merits, and is not much used any more.",
    setup=f"{FOUR}; {COPIED}; training loss after 60 epochs, over the loss from 4 times Glorot's "
    "scale, biases such that every unit's mean z is 0, not pretrained",
    prediction=1.05,
    measure=lambda seed: finished("pretrained", seed)[1] / finished("4x Glorot, centred", seed)[1],
    rival=1.0,
    rival_says="nothing lies lower than a global optimum",
    ruling=holds_only_if(
        "looking for it is meant, not finding: a start without pretraining ends lower; the "
        "pretrained loss is {x:.2g} times as large",
        above=1.001,
    ),
    correction="Each layer's own optimum is one of another loss, that of copying. Nothing is "
    "promised about the optimum of the whole.",
    slow=True,
)

ONLY_SCALE = at_least(
    id="pretraining-is-only-a-better-scale",
    source="a common summary since Glorot and Bengio 2010",
    says="Pretraining was only a good initialisation of the weights' scale.",
    setup=f"{FOUR}; each layer first an autoencoder, 6 epochs; only the readout is trained, 5 "
    "epochs; test accuracy minus that with the pretrained entries shuffled and the biases centred",
    prediction=0.2,
    measure=lambda seed: readout_accuracy("pretrained", seed) - readout_accuracy("shuffled", seed),
    rival=0.0,
    rival_says="the same entries in another order are as good",
    ruling=holds_only_if(
        "you train long enough: at first the learned directions are worth {percent} of the images",
        above=0.1,
    ),
    correction="Scale decides whether the net trains. The directions decide how soon.",
)

ONLY_FEATURES = at_least(
    id="pretraining-helps-by-its-features",
    source="common belief",
    says="Pretraining helps because the lower layers have already learned good features.",
    setup=f"{FOUR}; {COPIED}; then the entries of each matrix in random order and biases such that "
    "every unit's mean z is 0; test accuracy after 60 epochs",
    prediction=0.93,
    measure=lambda seed: finished("shuffled", seed)[0],
    rival=0.15,
    rival_says="with the features gone, the net is stuck as before",
    ruling=holds_only_if(
        "speed is meant: with every feature destroyed the net still reaches {percent}", above=0.8
    ),
    correction="On these small images the features save epochs, and the size of the weights "
    "saves the training.",
    slow=True,
)

LAYER_BY_LAYER = at_most(
    id="a-dbn-learns-by-training-each-layer-alone",
    source=TUTORIAL,
    place="section 'The revival of depth', paragraph 1",
    says="Hinton's deep belief network completes its learning by training each layer of neurons "
    "individually.",
    setup="digits from 0 to 1, 4 hidden layers of 60 sigmoids, each an RBM first, CD-1, lr 0.3, "
    "batch 20, 6 epochs; test accuracy before any label is used",
    prediction=0.25,
    measure=lambda seed: pretraining.accuracy(*started("RBM", seed, width=60, epochs=6)),
    rival=0.8,
    rival_says="about what the readout alone reaches once it is trained on the labels",
    ruling=holds_only_if(
        "the labels are left out: the stack knows the images, and names {percent} of them",
        below=0.3,
    ),
    correction="Layer by layer it learns a model of the images. Naming them takes labels and, in "
    "backpropagation through the whole net.",
)

DBN = replace(
    TRAINS,
    id="a-stack-of-rbms-trains-a-deep-net",
    source=TUTORIAL,
    place="section 'The revival of depth', paragraph 1",
    says="It became one of the first non-convolutional models to train deep architectures with "
    "success.",
    setup=f"{FOUR}, pixels from 0 to 1; each layer first an RBM, CD-1, lr 0.3, batch 20, 10 "
    "epochs; test accuracy after 40 epochs on the labels",
    prediction=0.9,
    measure=lambda seed: finished("RBM", seed, 40)[0],
    correction="True. An autoencoder does as well, and a formula for the scale does too.",
)

CD_GRADIENT = at_least(
    id="contrastive-divergence-follows-the-likelihood",
    source="a common short account of RBMs",
    says="Contrastive divergence does gradient ascent on the log likelihood.",
    setup="RBM, 9 visible and 6 hidden units, weights N(0, 0.1^2), biases 0, 14 pictures of bars "
    "and stripes, full batch, lr 0.6, 400 steps of the mean of CD-1; then the length of that mean "
    "minus the exact gradient, over the same at the start",
    prediction=20.0,
    measure=error_growth,
    rival=1.0,
    rival_says="as good at the end as at the start",
    ruling=holds_only_if(
        "the weights are small: the error of CD-1 grows {x:.0f} times while they learn", above=5
    ),
    correction="Its negative phase stops after k steps of sampling. While weights are small one "
    "step is nearly enough; large weights hold the sampling near the data.",
)

# The tournament

ARTICLE = "an article of 2023"
SICK = (
    "digits, 10 hidden layers of 100 sigmoids, weights N(0, 1/n), biases 0, cross-entropy, SGD, "
    "lr 0.2, batch 32, 200 steps"
)

PREVENT = at_most(
    id="l2-or-dropout-prevent-vanishing",
    source=ARTICLE,
    place="section 2.2, paragraph 4",
    says="In deep neural networks a suitable regularisation (such as L2 or dropout) can prevent "
    "these problems, vanishing and exploding gradients.",
    setup=f"{SICK}; L2 of 0.001 or dropout of 0.2; the better of the two accuracies",
    prediction=0.2,
    measure=lambda seed: max(
        compete("deep sigmoid", (name,), seed).accuracy for name in ("L2", "dropout")
    ),
    rival=0.9,
    rival_says="what batch norm reaches in as many steps",
    ruling=refuted(
        "of vanishing, at this step size, in 200 steps: {percent} of the test images, which is "
        "guessing",
        below=0.2,
    ),
    correction="L2 adds a pull towards 0 and dropout adds noise. Neither brings a gradient back.",
)

WORSE = at_least(
    id="l2-makes-vanishing-worse",
    source="common belief",
    says="L2 at least does no harm to a net whose gradient vanishes.",
    setup="digits, 4 hidden layers of 100 sigmoids, sigmoid outputs, weights N(0, 1/n), biases "
    "N(0, 1), quadratic loss, SGD, lr 0.5, batch 10, 3000 steps with L2 of strength decay; "
    "||delta|| of layer 4 over layer 1 at the end, over the same without L2",
    prediction=1.2,
    measure=lambda seed, decay: article.l2_spread(decay, seed) / article.l2_spread(0.0, seed),
    over={"decay": (0.0001, 0.001, 0.01)},
    best="smallest",
    rival=1.0,
    rival_says="no harm",
    ruling=refuted(
        "even at the weakest of three strengths the ratio between the layers ends {x:.1f} times as "
        "large",
        above=1.1,
    ),
    correction="It shrinks the weights, and the weights are what carries the gradient back; the "
    "stronger it is, the more.",
    slow=True,
)

EARLY = Claim(
    id="early-stopping-against-vanishing",
    source=ARTICLE,
    place="section 3.3, item 2",
    says="To avoid vanishing and exploding gradients we can take these measures: ... 2. early "
    "stopping, which watches the loss on a validation set and judges when to stop.",
    setup=f"{SICK}; stopped after three looks without progress on 200 held-out images; its "
    "accuracy less that without stopping",
    prediction=0.0,
    measure=lambda seed: article.early_stopping_gain("deep sigmoid", seed),
    tolerance=Tolerance.absolute(0.05),
    rival=0.8,
    rival_says="it learns",
    ruling=refuted(
        "of vanishing: in 200 steps it changes the accuracy by {points:+.0f} points", below=0.2
    ),
    correction="It is against overfitting. A net that does not learn is not helped by stopping.",
)

WRONG_START = at_least(
    id="all-caused-by-wrong-initialisation",
    source=ARTICLE,
    place="section 2.2, paragraph 4",
    says="In general vanishing and exploding gradients are caused by an incorrect initialisation "
    "of the model's parameters.",
    setup="digits, 20 hidden layers of 100 ReLUs with batch norm, weights N(0, 2/n) times "
    "weight_scale; ||delta|| of layer 1 over layer 20 before training",
    prediction=10.0,
    measure=lambda seed, weight_scale: article.batch_norm_explosion(weight_scale, seed),
    over={"weight_scale": (0.1, 1.0, 10.0)},
    best="smallest",
    rival=1.0,
    rival_says="with the right scale it is 1",
    ruling=holds_only_if(
        "the design allows a right scale: with batch norm layer 1 gets {x:.0f} times "
        "the gradient of layer 20 at every scale",
        above=5,
    ),
    correction="Initialisation is one cause. Depth, activation and design are others, and a step "
    "can break what a good start made.",
)

TOO_WIDE = Claim(
    id="too-wide-explodes",
    source=ARTICLE,
    place="section 3.2, paragraph 2",
    says="When certain weights have unsuitable initial values, or the model is too deep or too "
    "wide, gradients may explode.",
    setup="10 hidden layers of tanh, weights N(0, 1/n), no biases, 64 digits, cross-entropy; "
    "||delta|| of layer 1 over layer 10, for 800 units over 50 units",
    prediction=1.0,
    measure=lambda seed: article.first_over_last(800, seed) / article.first_over_last(50, seed),
    tolerance=Tolerance.factor(1.7),
    rival=4.0**9,
    rival_says="each of nine layers sums 16 times as many terms",
    ruling=holds_only_if(
        "the weights are not scaled by the width: with N(0, 1/n) sixteen times the "
        "width changes the ratio by a factor {x:.2f}",
        below=10,
    ),
    correction="Variance 1/n makes the sum of n terms as large as one. Unscaled N(0, 1) weights do "
    "explode with the width (chapter 02).",
)

OVERFITTING = at_most(
    id="overfitting-raises-the-training-error",
    source=ARTICLE,
    place="introduction, paragraph 1",
    says="A training error that keeps rising, caused by overfitting, underfitting, instability "
    "and so on, has become a rather common problem.",
    setup="60 digits, 2 hidden layers of 100 ReLUs, He's weights, cross-entropy, SGD, lr 0.1, "
    "batch 20, 300 steps; training loss at the end over the start",
    prediction=0.1,
    measure=article.overfit,
    rival=1.0,
    rival_says="it does not fall",
    ruling=holds_only_if(
        "overfitting is left out: with it the training loss falls to {percent} of its start",
        below=0.5,
    ),
    correction="Overfitting is a low training error beside a high test error. A rising training "
    "error points to the optimisation: step, start, depth.",
)

CLAIMS = (
    *(EVENS_OUT, TRAINS, NEEDED, GLOBAL, ONLY_SCALE, ONLY_FEATURES, LAYER_BY_LAYER, DBN),
    *(CD_GRADIENT, ADAM_SIZE, ADAM_BOUND, MUON, BLIND, SAME_STEP, ADAM_CURES, ADAM_CARRIES),
    *(ADAM_PATIENCE, WARM_UP, NO_WARM_UP, EDGE, BEYOND, CATAPULT, CONDITION, INPUTS, LABELS),
    *(CAPSULES, PREVENT, WORSE, EARLY, WRONG_START, TOO_WIDE, OVERFITTING),
)
