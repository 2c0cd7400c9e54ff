"""Labs of chapter 10."""

from vglib.lab import Lab, Still, controls
from vglib.other_remedies import drawings
from vglib.other_remedies.bowl import bowl
from vglib.other_remedies.descent import OPTIMISERS
from vglib.other_remedies.edge import NETS, at_the_edge
from vglib.other_remedies.first_step import updates
from vglib.other_remedies.memory import jump
from vglib.other_remedies.muon import evened
from vglib.other_remedies.net import BEND
from vglib.other_remedies.pretraining import METHODS
from vglib.other_remedies.rbm import KS, learning
from vglib.other_remedies.reach import reaching
from vglib.other_remedies.scaling import rescaling
from vglib.other_remedies.schedules import SCHEDULES, scheduling
from vglib.other_remedies.sick_nets import SICK_NETS
from vglib.other_remedies.stages import AFTERWARDS, INITS, pretraining
from vglib.other_remedies.tournament import MEASURES, NOTHING, Table
from vglib.other_remedies.trial import trying

# Pretraining


def pretraining_lab() -> Lab:
    """Pretrain layer by layer, look, and fine-tune: 60 sigmoids a layer on digits."""
    then = "What is done to the pretrained weights before fine-tuning."
    patient = {"layers": 4, "epochs": 40}
    return Lab(
        pretraining,
        drawings.draw_pretraining,
        layers=controls.ladder(
            "layers pretrained", 0, range(9), "So many, from the input on; at most all."
        ),
        epochs=controls.ladder("epochs on the labels", 20, range(41), "Of fine-tuning."),
        afterwards=controls.choice("then", "keep", AFTERWARDS, then),
        depth=controls.depth(4, 8),
        init=controls.choice("drawn from", "N(0, 1/n)", INITS, "The weights at the start."),
        weight_scale=controls.weight_scale(),
        method=controls.choice("method", "autoencoder", METHODS, "How a layer is trained."),
        pretraining_epochs=controls.ladder(
            "epochs of pretraining", 6, range(11), "For each layer, without labels."
        ),
        presets={
            "no pretraining": {},
            "one layer": {"layers": 1},
            "two layers": {"layers": 2},
            "three layers": {"layers": 3},
            "all four layers": {"layers": 4},
            "4x Glorot, no pretraining": {"init": "Glorot", "weight_scale": 4.0},
            "pretrained, 40 epochs": patient,
            "pretrained, then shuffled": {**patient, "afterwards": AFTERWARDS[1]},
            "pretrained, shuffled, centred": {**patient, "afterwards": AFTERWARDS[2]},
            "a stack of RBMs": {"layers": 4, "method": "RBM"},
            "eight layers": {"layers": 8, "depth": 8},
        },
    )


def rbm_lab() -> Lab:
    """Let a small RBM learn bars and stripes, with everything counted out and nothing drawn."""
    scale = "Weights start as N(0, scale²)."
    return Lab(
        learning,
        drawings.draw_learning,
        k=controls.ladder("k", 1, KS, "Steps of sampling before the negative phase."),
        hidden=controls.ladder("hidden units", 6, range(1, 7), "There are 9 visible ones."),
        weight_scale=controls.slider("weight scale", 0.1, 0.05, 20.0, tooltip=scale, log=True),
        presets={
            "CD-1": {},
            "CD-10": {"k": 10},
            "one hidden unit": {"hidden": 1},
            "large weights: sampling stands still": {"weight_scale": 10.0},
        },
    )


# The step: optimisers, schedules, scaling


def step_lab() -> Lab:
    """Compare the first step of four optimisers with the gradient it came from, layer by layer."""
    relu = {"optimiser": "Adam", "depth": 20, "activation": "relu"}
    return Lab(
        updates,
        drawings.draw_step,
        optimiser=controls.choice("optimiser", "SGD", OPTIMISERS, "Who makes the step."),
        depth=controls.depth(10, 100),
        weight_scale=controls.weight_scale(),
        activation=controls.choice("activation", "sigmoid", tuple(BEND), "Of the hidden layers."),
        lr=controls.slider("step size", 0.01, 1e-4, 1, tooltip="The learning rate.", log=True),
        presets={
            "SGD, ten sigmoid layers": {},
            "Adam, ten layers": {"optimiser": "Adam"},
            "RMSprop, ten layers": {"optimiser": "RMSprop"},
            "Adam, twenty layers: below ε": {"optimiser": "Adam", "depth": 20},
            "ReLU at torch's scale": relu,
            "ReLU at He's scale": {**relu, "weight_scale": 2.45},
        },
    )


def memory_lab() -> Lab:
    """Let Adam's gradient jump after a long quiet spell."""
    size, kept = "The gradient after the jump; before it was 1.", "How much of s a step forgets."
    return Lab(
        jump,
        drawings.draw_jump,
        jump=controls.slider("jump", 1000.0, 0.001, 1e4, tooltip=size, log=True),
        forgets=controls.slider("1 − β₂", 0.001, 1e-4, 0.3, tooltip=kept, log=True, step=0.05),
        beta1=controls.slider("β₁", 0.9, 0.0, 0.99, tooltip="How much of m stays.", step=0.01),
        loud=controls.ladder("lasts", 200, [*range(1, 20), *range(20, 201, 10)], "Steps."),
        presets={
            "β₂ = 0.999": {},
            "β₂ = 0.95": {"forgets": 0.05},
            "one large gradient": {"loud": 1},
            "one large gradient, β₂ = 0.95": {"loud": 1, "forgets": 0.05},
            "without momentum": {"beta1": 0.0},
        },
    )


def muon_lab() -> Lab:
    """Bring the singular values of a gradient near 1, as Muon does."""
    done = "Of Newton and Schulz; Muon takes five."
    return Lab(
        evened,
        drawings.draw_evened,
        steps=controls.ladder("steps", 5, range(11), done),
        depth=controls.depth(6, 50),
        weight_scale=controls.weight_scale(),
        activation=controls.choice("activation", "relu", tuple(BEND), "Of the hidden layers."),
        presets={
            "before": {"steps": 0},
            "five steps": {},
            "ten steps": {"steps": 10},
            "ten sigmoid layers": {"activation": "sigmoid", "depth": 10},
        },
    )


def reach_lab() -> Lab:
    """Train a deep sigmoid net with SGD and with Adam: how many layers does Adam carry?"""
    guard = "Adam's and RMSprop's guard against 0."
    return Lab(
        reaching,
        drawings.draw_reach,
        depth=controls.depth(10, 20),
        weight_scale=controls.weight_scale(),
        optimiser=controls.choice(
            "optimiser", "Adam", OPTIMISERS[1:], "What is compared with SGD."
        ),
        log_eps=controls.slider("log₁₀ ε", -8.0, -30.0, -2.0, tooltip=guard, step=1.0),
        presets={
            "four layers: Adam carries": {"depth": 4},
            "six layers": {"depth": 6},
            "ten layers: not in 300 steps": {},
            "fifteen layers, ε = 10⁻³⁰": {"depth": 15, "log_eps": -30.0},
            "ten layers, four times the scale": {"weight_scale": 4.0},
        },
    )


def schedule_lab() -> Lab:
    """Train a net that a constant step size breaks, by a schedule with the same peak."""
    warm_ups = [*range(0, 20, 2), *range(20, 201, 10)]
    return Lab(
        scheduling,
        drawings.draw_schedule,
        schedule=controls.choice(
            "schedule", "warm-up", SCHEDULES, "How the step size goes over the training."
        ),
        lr=controls.slider("peak", 0.25, 1e-3, 1, tooltip="The largest step size.", log=True),
        warm=controls.ladder("warm-up steps", 30, warm_ups, "Steps up to the peak."),
        depth=controls.depth(6, 20),
        weight_scale=controls.weight_scale(1.5),
        optimiser=controls.choice("optimiser", "SGD", OPTIMISERS, "Who makes the step."),
        presets={
            "warm-up saves it": {},
            "two steps of it": {"warm": 2},
            "cosine alone does not": {"schedule": "cosine"},
            "warm-up, then cosine": {"schedule": "warm-up, then cosine"},
            "He's scale needs none": {"weight_scale": 1.0},
            "a smaller constant step": {"schedule": "constant", "lr": 0.08},
            "Adam": {"lr": 0.01, "optimiser": "Adam"},
        },
    )


def edge_lab() -> Lab:
    """Descend at a constant step, and see the curvature climb to 2/lr, or a step beyond it."""
    size = "The learning rate, times the largest curvature at the start."
    of = "Activation of a net on 100 digits; or two linear layers and one number to fit."
    return Lab(
        at_the_edge,
        drawings.draw_edge,
        units=controls.slider("step size × λ₀", 0.6, 0.1, 5.0, tooltip=size, step=0.1),
        depth=controls.depth(2, 6),
        weight_scale=controls.weight_scale(),
        net=controls.choice("net", "tanh", NETS, of),
        presets={
            "0.6/λ₀": {},
            "1.5/λ₀: it climbs to the edge": {"units": 1.5},
            "3/λ₀: beyond it from the start": {"units": 3.0},
            "catapult": {"units": 3.0, "net": "linear pair"},
            "4.2/λ₀: too far": {"units": 4.2, "net": "linear pair"},
        },
    )


def bowl_lab() -> Lab:
    """Fit a line by descent: what the mean and the scale of the input do to the bowl."""
    std = "The input's standard deviation."
    return Lab(
        bowl,
        drawings.draw_bowl,
        mean=controls.slider("mean of x", 0.0, -10, 10, tooltip="Of the input.", step=0.5),
        std=controls.slider("std of x", 1.0, 0.1, 100, tooltip=std, log=True),
        lr=controls.slider("step size", 0.09, 1e-5, 2, tooltip="The learning rate.", log=True),
        standardise=controls.toggle("standardise", False, "Give (x - mean)/std to the fit."),
        presets={
            "mean 0, std 1": {},
            "mean 3": {"mean": 3.0},
            "a little too large a step": {"mean": 3.0, "lr": 0.093},
            "mean 10": {"mean": 10.0, "lr": 0.0097},
            "std 10": {"std": 10.0, "lr": 0.0097},
            "mean 10, standardised": {"mean": 10.0, "lr": 0.4, "standardise": True},
        },
    )


def scaling_lab() -> Lab:
    """Change the scale and the mean of the inputs, or the scale of the labels."""
    pixels, labels = {"input_scale": 75.0, "offset": 1.0}, {"label_scale": 1000.0}
    inputs, targets = "Multiplies the inputs.", "Multiplies the labels."
    mean = "Added to standardised inputs."
    return Lab(
        rescaling,
        drawings.draw_scaled,
        input_scale=controls.slider("input scale", 1.0, 0.001, 1000, tooltip=inputs, log=True),
        offset=controls.slider("input mean", 0.0, 0.0, 10.0, tooltip=mean, step=0.25),
        label_scale=controls.slider("label scale", 1.0, 0.001, 1000, tooltip=targets, log=True),
        activation=controls.choice("activation", "tanh", tuple(BEND), "Of the hidden layers."),
        depth=controls.depth(3, 30),
        weight_scale=controls.weight_scale(),
        lr=controls.slider("step size", 0.5, 1e-6, 3, tooltip="The learning rate.", log=True),
        presets={
            "standardised": {},
            "pixels of 0 … 255": pixels,
            "the same, ReLU": {**pixels, "activation": "relu"},
            "mean 5": {"offset": 5.0},
            "inputs a hundred times smaller": {"input_scale": 0.01},
            "labels of size 1000": labels,
            "the same, ReLU, step 0.0001": {**labels, "activation": "relu", "lr": 1e-4},
        },
    )


# The tournament


def measures_table(table: Table) -> Still:
    """Show a table of the tournament."""
    return Still(drawings.draw_table(table), table.verdict)


def tournament_lab() -> Lab:
    """Choose a sick net and up to two measures, and see every layer's gradient as it trains."""
    names = [NOTHING, *MEASURES]
    factor = "Multiplies the learning rate of the net; lr × 10 and lr ÷ 10 come on top."
    relu, recurrent = {"net": "deep ReLU", "depth": 20}, {"net": "recurrent", "depth": 16}
    return Lab(
        trying,
        drawings.draw_trial,
        net=controls.choice("sick net", "deep sigmoid", list(SICK_NETS), "Which net is to learn."),
        first=controls.choice("measure", NOTHING, names, "What is tried."),
        second=controls.choice("and", NOTHING, names, "What is tried along with it."),
        depth=controls.depth(10, 20),
        weight_scale=controls.weight_scale(),
        lr_factor=controls.slider("step size ×", 1.0, 0.1, 10.0, tooltip=factor, log=True),
        presets={
            "deep sigmoid, nothing": {},
            "deep sigmoid, L2 and dropout": {"first": "L2", "second": "dropout"},
            "deep sigmoid, batch norm": {"first": "batch norm"},
            "deep ReLU, nothing": relu,
            "deep ReLU, initialisation": {**relu, "first": "initialisation"},
            "recurrent, nothing": recurrent,
            "recurrent, lr ÷ 10": {**recurrent, "first": "lr ÷ 10"},
            "recurrent, clipping": {**recurrent, "first": "gradient clipping"},
            "recurrent, initialisation": {**recurrent, "first": "initialisation"},
        },
    )
