"""Claims of chapter 06 on trial."""

from functools import partial

from vglib.batch_norm import article, circles, first_steps, fresh_nets, in_training, one_unit
from vglib.batch_norm.fresh_nets import batch_factor, factors, first_to_last, wide_factor
from vglib.claim import Claim, Tolerance, at_least, at_most, holds, holds_only_if, refuted

CHAPTER = 6

ZHIHU = "a widely read Zhihu article"
MEDIUM = "a Medium article"
NONSATURATING = "section 'Nonsaturating activation functions', under"
TWENTY = "digits, weights N(0, 1/n), cross-entropy, SGD, batch 64, 60 steps; test accuracy"
GAIN = "; factor of ||delta||^2 per layer before training, without the first 5 layers"

FIFTY = (
    "digits, ReLU with {norm}, 50 layers of 50, He's weights, cross-entropy, SGD, batch 64, 1000 "
    "steps; test accuracy"
)

fifty = partial(in_training.rescue, activation="relu", depth=50, steps=1000, width=50, records=1)


NORMALISES_WEIGHTS = Claim(
    id="batch-norm-standardises-the-weights",
    source="a lecture note",
    place="section 'Remedies', item 2",
    says="BatchNormalization hopes to standardise the weights, that is, to modify the weights W of "
    "each layer.",
    setup="one layer of 50 ReLUs on 64 digits, torch's batch norm in training mode; the weights W "
    "against 10 W; ||dL/d(10W)|| / ||dL/dW||",
    prediction=0.1,
    measure=lambda seed: fresh_nets.scaled_gradient(10.0, seed),
    tolerance=Tolerance.relative(1e-3),
    rival=1.0,
    rival_says="standardised weights: W and 10 W are one",
    ruling=refuted(
        "W stays as it is; for 10 W the output is the same and the gradient {x:.4f} of what it was",
        below=0.5,
    ),
    correction="It standardises each pre-activation over the batch. The output no longer depends "
    "on the scale c of W, and the gradient by W goes with 1/c. Standardising W is weight "
    "normalisation (Salimans & Kingma 2016).",
)

STANDARD_NORMAL = Claim(
    id="batch-norm-makes-a-standard-normal",
    source=ZHIHU,
    place="section 3.4, paragraph 2",
    says="It forcibly pulls the distribution of any neuron's input back to close to a standard "
    "normal distribution, mean 0 and variance 1; what deviates badly becomes more standard.",
    setup="one unit whose pre-activation is in two heaps, batch of 2000; E u^4 of batch norm's "
    "output u",
    # E u^4 of (+-1 + s N(0, 1)) / sqrt(1 + s^2) with s^2 = 1/16.
    prediction=(1 + 6 / 16 + 3 / 16**2) / (1 + 1 / 16) ** 2,
    measure=lambda seed: one_unit.one_unit("two heaps", seed=seed).fourth,
    tolerance=Tolerance.relative(0.05),
    rival=3.0,
    rival_says="a normal distribution",
    ruling=holds_only_if(
        "the shape was close to a normal one before: of two heaps mean 0 and variance 1 are made, "
        "but E u⁴ is {x:.2f}, and a normal distribution has 3",
        below=2.5,
    ),
    correction="Only the mean and the variance are set, and gamma and beta may set them again. A "
    "shift and a scale leave the shape as it is.",
)

CANNOT_VANISH = Claim(
    id="batch-norm-makes-gradients-larger-so-they-cannot-vanish",
    source=ZHIHU,
    place="section 3.4, paragraph 2",
    says="Batch norm lets the activation's input fall where the function is sensitive: it makes "
    "the gradient larger and avoids the vanishing gradient problem.",
    setup="ReLU with batch norm, 33 layers of 200, He's weights, 128 inputs N(0, 1)" + GAIN,
    prediction=partial(batch_factor, "relu", 128),
    measure=partial(factors, "relu", 128, 200, 33),
    tolerance=Tolerance.relative(0.025),
    rival=1.0,
    rival_says="neither vanishing nor exploding",
    ruling=holds(
        "beyond need, for each layer multiplies the squared gradient by {x:.2f}: it explodes",
        above=1.1,
        otherwise="refuted: the gradient is no larger, {x:.2f} times",
    ),
    correction="At the start batch norm multiplies ||delta||^2 by E phi'^2 / Var phi, at least 1 "
    "for every activation without jumps, and pi/(pi-1) = 1.467 for ReLU: it explodes with depth.",
)

SMALL_BATCH = Claim(
    id="pi-over-pi-minus-one-at-every-batch",
    source="often quoted without the batch, after Yang, Pennington, Rao, Sohl-Dickstein and "
    "Schoenholz 2019, who name it",
    says="In a batch-normalised ReLU net the squared gradient grows by pi/(pi-1) per layer.",
    setup=f"ReLU with batch norm, 33 layers of 256, He's weights, batch of 8 inputs N(0, 1){GAIN}",
    prediction=partial(batch_factor, "relu", 8),
    measure=partial(factors, "relu", 8, 256, 33),
    tolerance=Tolerance.relative(0.06),
    rival=wide_factor("relu"),
    rival_says="pi/(pi-1), the value for a large batch",
    ruling=holds_only_if("the batch is large; at 8 it is {x:.2f}", above=1.6),
    correction="A small batch adds the chance of its own variance: at B = 8 the closed form gives "
    "1.79, at 32 it gives 1.52.",
)

LINEAR = Claim(
    id="without-activations-there-is-no-explosion",
    source="often heard",
    says="It is the activations' slopes that make gradients vanish or explode.",
    setup="no activation, batch norm, 33 layers of 256, weights N(0, 1/n), batch of 8 inputs "
    "N(0, 1)" + GAIN,
    prediction=partial(batch_factor, "identity", 8),
    measure=partial(factors, "identity", 8, 256, 33),
    tolerance=Tolerance.relative(0.04),
    rival=1.0,
    rival_says="slope 1, factor 1",
    ruling=refuted(
        "without any activation each layer multiplies the squared gradient by {x:.2f}", above=1.1
    ),
    correction="Batch norm alone gives (B-2)/(B-3) for a batch of B (Yang et al. 2019).",
)

USUALLY_ENOUGH = Claim(
    id="batch-norm-is-usually-enough",
    source=MEDIUM,
    place=f"{NONSATURATING} gradient clipping",
    says="To mitigate exploding gradients, clipping is typically used in recurrent networks; for "
    "other types of networks BN is usually sufficient.",
    setup="ReLU with batch norm, 50 layers of 200, He's weights, 128 inputs N(0, 1), before "
    "training; ||dL/dW|| of layer 1 over layer 50",
    prediction=lambda: batch_factor("relu", 128) ** 24.5,
    measure=partial(first_to_last, "batch", 50, 200, 128),
    tolerance=Tolerance.factor(1.6),
    rival=1.0,
    rival_says="no explosion",
    ruling=holds_only_if(
        "the net is shallow: at 50 layers layer 1 gets {x:,.0f} times the gradient "
        "of layer 50, and without batch norm it gets less than once",
        above=100,
    ),
    correction="In a deep plain net batch norm is what explodes. It is enough in shallow nets, and "
    "together with skip connections (chapter 07).",
)

DEEP_TRAINS = at_most(
    id="fifty-layers-train-with-batch-norm",
    source=MEDIUM,
    place=f"{NONSATURATING} gradient clipping",
    says="For other types of networks than recurrent ones BN is usually sufficient.",
    setup=FIFTY.format(norm="batch norm"),
    prediction=0.5,
    measure=lambda seed, lr: fifty("batch", lr=lr, seed=seed).accuracy,
    over={"lr": (0.005, 0.05, 0.5)},
    rival=0.9,
    rival_says="it trains",
    ruling=holds_only_if(
        "the net is shallow: 50 layers are at {x:.0%} after 1000 steps", below=0.5
    ),
    correction="Vanilla nets with batch norm are not trainable at large depth (Yang et al. 2019); "
    "skip connections make them so.",
    slow=True,
)

LEVEL_IS_ENOUGH = at_least(
    id="a-level-gradient-is-enough",
    source="often concluded from the theory",
    says="If the gradient has the same size in every layer, a deep net trains.",
    setup=FIFTY.format(norm="layer norm (a factor of 1 per layer)"),
    prediction=0.2,
    measure=lambda seed, lr: fifty("layer", lr=lr, seed=seed).accuracy,
    over={"lr": (0.0005, 0.005, 0.05)},
    rival=0.15,
    rival_says="about guessing, for at the start all images have become alike",
    ruling=holds(
        "slowly, by small steps, and as the dice fall: 50 layers are at {x:.0%} after 1000 of them",
        above=0.2,
        otherwise="refuted: 50 layers are at {x:.0%} after 1000 steps",
    ),
    correction="The signal must also keep apart what is different: with layer norm and ReLU all "
    "images become alike, and it takes many small steps to undo this; larger ones fail. How far "
    "they come differs much from seed to seed.",
    slow=True,
)

ONE_STEP = at_most(
    id="an-explosive-start-stays-explosive",
    source="often concluded from the theory",
    says="A deep batch-norm net has exploding gradients, and steps of descent leave it so, large "
    "ones all the more.",
    setup="digits, ReLU with batch norm, 40 layers of 100, He's weights, batch 128, cross-entropy; "
    "largest over smallest ||dL/dW|| of the hidden layers after one step of descent",
    prediction=60.0,
    measure=lambda seed, lr: float(first_steps.first_steps(lr, seed=seed).unevenness[-1]),
    over={"lr": (0.01, 0.1, 1.0)},
    best="smallest",
    rival=1000.0,
    rival_says="about what it was before the step",
    ruling=refuted(
        "one step takes largest over smallest from over a thousand to {x:.0f}", below=200
    ),
    correction="The layer with the largest gradient takes the largest step, at a right angle to "
    "its weights: they grow, and the next gradient goes with one over their size.",
)

SLOWER = at_most(
    id="batch-norm-makes-prediction-slower",
    source=MEDIUM,
    place=f"{NONSATURATING} batch normalisation, paragraph 4",
    says="BN adds complexity to the model; moreover, the neural network makes slower predictions.",
    setup="64-300-100-10 with batch norm before each ReLU, float32, 30 steps on digits; largest "
    "difference of an output between the net and the same net folded into plain linear layers",
    prediction=1e-5,
    measure=article.folding_error,
    rival=1e-3,
    rival_says="folding changes the outputs",
    ruling=holds_only_if(
        "it is left in place: folded into the layer before it, nothing is left to compute, and no "
        "output changes by more than {x:.1g}",
        below=1e-5,
    ),
    correction="In evaluation batch norm is a fixed scale and shift, which the linear layer before "
    "it can take over, or the one after it.",
)

BEFORE_OR_AFTER = at_least(
    id="batch-norm-before-or-after-the-activation",
    source=MEDIUM,
    place=f"{NONSATURATING} batch normalisation, paragraph 2",
    says="It consists of adding an operation to the model before or after the activation function "
    "of each hidden layer.",
    setup="64-300-100-10 ReLU net on digits (pixels 0 to 1), He's weights, cross-entropy, SGD, "
    "batch 64, 60 steps; test accuracy at the worse of the two places, less that without batch "
    "norm, at the rate where this is least",
    prediction=0.01,
    measure=article.least_gain,
    over={"lr": (0.01, 0.1, 1.0)},
    best="smallest",
    rival=0.0,
    rival_says="one of the two is the wrong place, and brings nothing",
    ruling=holds(
        "at the worse of the two places it gains {points:.1f} points at least",
        above=0.005,
        otherwise="refuted: one of them brings nothing",
    ),
    correction="Both work. In 60 steps after comes out some eight points ahead at lr 0.01 and one "
    "at 0.1; at lr 1, where both do best, they are level.",
)

REPLACES = at_most(
    id="batch-norm-can-replace-the-activation",
    source="an article of 2023",
    place="section 3.3, measure 3",
    says="In some cases batch normalisation can be used in place of the activation function.",
    setup="two circles of 500 points, 2-16-16-2 with batch norm and no activation, descent on all "
    "training points, lr 0.3, 120 steps; test accuracy in evaluation",
    prediction=0.65,
    measure=lambda seed: circles.two_circles("batch norm", 2, seed).accuracy,
    rival=0.95,
    rival_says="what ReLU reaches",
    ruling=holds_only_if(
        "a straight border will do: of two circles such a net tells {x:.0%} of the points, which "
        "is guessing",
        below=0.65,
    ),
    correction="In evaluation batch norm is affine, and affine layers in a row are one affine "
    "layer, whatever their number.",
)

LAYER_NORM = at_most(
    id="layer-norm-does-what-batch-norm-does",
    source="often heard",
    says="Layer norm is batch norm along the other axis: it does the same without a batch.",
    setup=f"20 sigmoid layers of 40 with layer norm before each, {TWENTY}",
    prediction=0.2,
    measure=lambda seed, lr: in_training.rescue("layer", lr=lr, seed=seed, records=1).accuracy,
    over={"lr": (0.02, 0.2, 2.0)},
    rival=0.8,
    rival_says="what batch norm reaches",
    ruling=refuted(
        "with sigmoids layer norm is at {x:.0%} after 60 steps at any rate, and batch norm learns",
        below=0.3,
    ),
    correction="Only a mean over the batch removes what all samples share. With ReLU that costs "
    "batch norm an explosion; with sigmoids it is what rescues.",
)

SIGMOIDS = at_least(
    id="batch-norm-rescues-twenty-sigmoid-layers",
    source=ZHIHU,
    place="section 3.4, paragraph 1",
    says="Batch norm speeds convergence up and makes training more stable; in essence it solves "
    "the gradient problem of backpropagation.",
    setup=f"20 sigmoid layers of 40 with batch norm before each, {TWENTY}",
    prediction=0.6,
    measure=lambda seed, lr: in_training.rescue("batch", lr=lr, seed=seed, records=1).accuracy,
    over={"lr": (0.02, 0.2, 2.0)},
    rival=0.1,
    rival_says="guessing, what the net without it does at each of these rates",
    ruling=holds(
        "20 sigmoid layers reach {x:.0%} in 60 steps",
        above=0.6,
        otherwise="refuted: they do not learn",
    ),
    correction="It holds here. The factor per layer is near 1 for sigmoids, and 1.47 for ReLU.",
)

ANY_BATCH = at_most(
    id="batch-norm-works-at-any-batch-size",
    source="often assumed",
    says="The batch size is a matter of memory and speed.",
    setup="64-50-50-10 ReLU net with batch norm on digits, He's weights, cross-entropy, SGD, batch "
    "of 2, 80 steps; test accuracy in evaluation",
    prediction=0.55,
    measure=lambda seed, lr: float(in_training.broken(2, lr, seed=seed).running[-1]),
    over={"lr": (0.01, 0.1, 1.0)},
    rival=0.75,
    rival_says="what layer norm reaches at batch 2, lr 0.1",
    ruling=refuted(
        "after 80 batches of 2 batch norm is at {x:.0%}, where layer norm is well past 70%",
        below=0.55,
    ),
    correction="Of two samples batch norm tells only which is larger. Use a larger batch, or a "
    "norm over the units.",
)

CLAIMS: tuple[Claim, ...] = (
    *(NORMALISES_WEIGHTS, STANDARD_NORMAL, CANNOT_VANISH, SMALL_BATCH, LINEAR, USUALLY_ENOUGH),
    *(DEEP_TRAINS, LEVEL_IS_ENOUGH, ONE_STEP, SIGMOIDS, LAYER_NORM),
    *(BEFORE_OR_AFTER, SLOWER, ANY_BATCH, REPLACES),
)
