"""Claims of chapter 04 on trial: what the curve's shape does to a layer's outputs."""

import numpy as np

from vglib.activations import get_activation
from vglib.claim import Claim, Tolerance, holds, holds_only_if
from vglib.relu_family import gauges
from vglib.relu_family.portrait import face

UNITS = "20,000 units of a fresh layer, z ~ N(0, 1)"


def _outputs(activation: str, seed: int) -> np.ndarray:
    return get_activation(activation).phi(np.random.default_rng(seed).standard_normal(20_000))


def _centre(seed: int) -> float:
    h = _outputs("relu", seed)
    return float(h.mean() / h.std())


NOT_CENTRED = Claim(
    id="relu-outputs-are-not-centred-either",
    source="a tutorial of 2017; a widely read Zhihu article lists it as ReLU's second fault",
    place="section 'The magic ReLU', paragraph 6 (Zhihu: section 3.3)",
    says="ReLU is not perfect: first of all its outputs are not centred at 0 either.",
    setup=f"{UNITS}; mean output over its standard deviation",
    prediction=lambda: face("relu").mean / face("relu").variance ** 0.5,
    measure=_centre,
    tolerance=Tolerance.absolute(0.02),
    rival=0.0,
    rival_says="centred, as tanh",
    ruling=holds("the mean is {x:.2f} standard deviations", above=0.3),
    correction="It is 1/sqrt(pi - 1) = 0.68 of them; the sigmoid's, at 2.4, is worse.",
)

ALL_ADVANTAGES = Claim(
    id="leaky-relu-has-all-of-relus-advantages",
    source="a widely read Zhihu article",
    place="section 3.3, under leaky ReLU, last paragraph",
    says="Leaky ReLU mends what the interval of zeros does, and has all of ReLU's advantages.",
    setup=f"{UNITS}, leak 0.01; share of outputs that are exactly 0",
    prediction=0.0,
    measure=lambda seed: float((_outputs("leaky_relu", seed) == 0).mean()),
    tolerance=Tolerance.absolute(0.01),
    rival=0.5,
    rival_says="as sparse as ReLU",
    ruling=holds_only_if(
        "sparsity is not counted among them: {percent} of the outputs are 0, of ReLU's one half",
        below=0.25,
    ),
    correction="At its own He scale it keeps the gradient as ReLU does (chi = 1). That half of the "
    "outputs are real zeros, which ReLU's inventors name first, it gives up.",
)

SOFTPLUS = Claim(
    id="softplus-is-a-smooth-relu",
    source="a tutorial of 2017",
    place="section 'The magic ReLU', paragraph 2",
    says="ReLU can be seen as the softplus curve without its smoothness: softplus is the smooth "
    "ReLU.",
    setup="fresh softplus net on 128 standardised digits, cross-entropy, 20 hidden layers of 200, "
    "N(0, 1.042²/n), which is softplus' own He scale, no biases; squared gradient per layer",
    prediction=lambda: face("softplus").chi,
    measure=lambda seed: gauges.slope(
        20, face("softplus").he_sigma_w, "softplus", 200, seed
    ).factor_from(1),
    tolerance=Tolerance.relative(0.1),
    rival=1.0,
    rival_says="ReLU's factor at its own He scale",
    ruling=holds_only_if(
        "the curve far from 0 is meant: in a net each layer keeps {percent} of the squared "
        "gradient, where ReLU keeps all",
        below=0.8,
    ),
    correction="Near 0, where the units are, its slope is 1/2 and its output ln 2: scaled to keep "
    "the signal, a softplus net loses two thirds of the squared gradient a layer.",
)

CLAIMS = (NOT_CENTRED, ALL_ADVANTAGES, SOFTPLUS)
