"""The clinic's patients: six with a history, and a bank of small nets, sick ones and healthy ones.

All are written small in float64: a step of theirs costs a millisecond.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.clinic.watched import Watched, watch_training
from vglib.doctor.patient import Patient
from vglib.networks import get_initialization
from vglib.results import result
from vglib.weather import fair_weather

FEATURES, CLASSES, WIDTH, ROWS, STEPS = 8, 3, 16, 32, 20
MODULES: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "gelu": nn.GELU, "selu": nn.SELU}
)


def generator(seed: int) -> torch.Generator:
    """Return a source of randomness of its own."""
    return torch.Generator(device="cpu").manual_seed(seed)


def examples(rows: int = ROWS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw inputs N(0, 1), (rows, 8), and labels 0, 1, 2: how many of the first two are above 0."""
    x = torch.randn(rows, FEATURES, generator=generator(seed + 1000), dtype=torch.float64)
    return x, (x[:, :2] > 0).sum(1)


def dense(
    fan_in: int, fan_out: int, init: str, random: torch.Generator, scale: float = 1.0
) -> nn.Linear:
    """Make a layer whose weights are drawn as `init` says, times `scale`; torch's has biases."""
    layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out, device="cpu", dtype=torch.float64)
    drawn = get_initialization(init).draw(fan_in, fan_out, random)
    bias = torch.zeros(fan_out, dtype=torch.float64)
    if init == "torch":
        bias = torch.rand(fan_out, generator=random, dtype=torch.float64) * 2 - 1
        bias = bias / fan_in**0.5
    with torch.no_grad():
        layer.weight.copy_(scale * drawn)
        layer.bias.copy_(scale * bias)
    return layer


def tower(
    depth: int,
    activation: str = "relu",
    init: str = "he",
    scale: float = 1.0,
    seed: int = 0,
    *,
    width: int = WIDTH,
    norm: Callable[[int], nn.Module] | None = None,
) -> nn.Sequential:
    """Stack hidden layers, each with its activation (a norm in front of it), and a readout."""
    random, parts, before = generator(seed), list[nn.Module](), FEATURES
    for _ in range(depth):
        parts.append(dense(before, width, init, random, scale))
        parts += [] if norm is None else [norm(width)]
        parts.append(MODULES[activation]())
        before = width
    # The readout keeps its scale, so that a loss of ln 3 at the start says nothing of the rest.
    return nn.Sequential(*parts, dense(before, CLASSES, "lecun", random))


def _linear(model: nn.Sequential, index: int) -> nn.Linear:
    layer = model[index]
    assert isinstance(layer, nn.Linear)
    return layer


class Block(nn.Module):
    """A residual block, h + V relu(W h), whose V may start at 0."""

    def __init__(self, random: torch.Generator, zero: bool) -> None:
        super().__init__()
        self.first = dense(WIDTH, WIDTH, "he", random)
        self.second = dense(WIDTH, WIDTH, "lecun", random, 0.0 if zero else 0.5)

    def forward(self, h: Tensor) -> Tensor:
        """Map (rows, width) to the same shape."""
        return h + self.second(F.relu(self.first(h)))


class Cut(nn.Module):
    """An encoder whose features are detached before the head."""

    def __init__(self, depth: int, seed: int) -> None:
        super().__init__()
        whole = tower(depth, seed=seed)
        self.encoder, self.head = whole[:-1], whole[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs to logits."""
        return self.head(self.encoder(x).detach())


class Recurrent(nn.Module):
    """A plain recurrent net, h_t = tanh(W [x_t, h_(t-1)] + b), that answers after the last step."""

    def __init__(self, scale: float, seed: int) -> None:
        super().__init__()
        random = generator(seed)
        self.cell = dense(FEATURES + WIDTH, WIDTH, "lecun", random, scale)
        self.head = dense(WIDTH, CLASSES, "lecun", random)

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences (rows, steps, features) to logits."""
        h = x.new_zeros(len(x), WIDTH)
        for moment in x.unbind(1):
            h = torch.tanh(self.cell(torch.cat([moment, h], dim=1)))
        return self.head(h)


def sequences(steps: int, seed: int, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    """Draw sequences (rows, steps, 8) of one moment and silence, which nothing but it decides."""
    first, y = examples(rows, seed)
    x = torch.zeros(rows, steps, FEATURES, dtype=torch.float64)
    x[:, 0] = first
    return x, y


def admitted(
    model: nn.Module,
    lr: float = 0.1,
    *,
    adam: bool = False,
    loss: Callable[..., Any] | None = None,
    batch: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
) -> Patient:
    """Make a patient of a net: its loss, its batch and its optimiser."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer = torch.optim.SGD(trained, lr=lr)
    if adam:
        optimizer = torch.optim.Adam(trained, lr=lr)
    return Patient(
        model,
        loss or nn.CrossEntropyLoss(),
        batch or examples(seed=seed),
        optimizer=optimizer,
    )


def per_token(output: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy over a million, as who divides by an epoch's tokens does."""
    return F.cross_entropy(output, y) / 1e6


def watched(patient: Patient) -> Watched:
    """Return what the published rules see of 20 steps of a copy."""
    loss_fn, optimizer = patient.loss_fn, patient.optimizer
    assert loss_fn is not None
    assert optimizer is not None
    return watch_training(patient.model, loss_fn, patient.batch, optimizer, steps=STEPS)


# Six with a history


@dataclass(frozen=True)
class Story:
    """A patient with a history: what its owner says, and the name of the right finding.

    `finding` is a name of the doctor's, "healthy" where there is nothing to find. `make(seed)`
    returns the patient.
    """

    name: str
    history: str
    finding: str
    make: Callable[[int], Patient]


def _probabilities(seed: int) -> Patient:
    return admitted(nn.Sequential(*tower(2, seed=seed), nn.Softmax(dim=1)), 0.5, seed=seed)


def _asleep(seed: int) -> Patient:
    model = tower(3, seed=seed)
    nn.init.constant_(_linear(model, 2).bias, -30.0)
    return admitted(model, seed=seed)


def _tall(seed: int) -> Patient:
    return admitted(tower(8, "sigmoid", "glorot", seed=seed), 0.5, seed=seed)


def _hasty(seed: int) -> Patient:
    return admitted(tower(3, seed=seed), 30.0, seed=seed)


def _cut(seed: int) -> Patient:
    return admitted(Cut(3, seed), seed=seed)


def _faint(seed: int) -> Patient:
    return admitted(tower(4, seed=seed), 3e5, loss=per_token, seed=seed)


_STORIES = (
    Story(
        "the careful one",
        "“My net ends in a softmax, so that its outputs are probabilities, and I train it with"
        " nn.CrossEntropyLoss. The loss falls, but slowly, and then stops far above 0.”",
        "softmax-twice",
        _probabilities,
    ),
    Story(
        "the sleeper",
        "“It is a plain ReLU net with three hidden layers, and yesterday a batch of bad data went"
        " through it. Since then the loss stays near ln 3 whatever I feed it.”",
        "dead-units",
        _asleep,
    ),
    Story(
        "the tower",
        "“With two hidden layers it learnt, so I gave it eight, all sigmoids with Glorot's weights."
        " Now it does not learn at all, at no rate that I have tried.”",
        "vanishing",
        _tall,
    ),
    Story(
        "the hasty one",
        "“I have no patience, so I took a larger rate than in the tutorial. The loss jumps up at"
        " the first step, and I suspect that my gradients explode.”",
        "rate-too-high",
        _hasty,
    ),
    Story(
        "the economical one",
        "“To save memory I cut the graph between the encoder and the head, as a blog proposed. It"
        " learns a little, and the encoder's features never get any better.”",
        "no-gradient",
        _cut,
    ),
    Story(
        "the worried one",
        "“I divide my loss by the million tokens of an epoch and chose the rate to fit. It seems to"
        " learn, but I printed the gradients and they are below 1e-7: are they vanishing?”",
        "healthy",
        _faint,
    ),
)
PATIENTS: Mapping[str, Story] = MappingProxyType({story.name: story for story in _STORIES})


# The bank: twelve healthy nets, which may be built at any depth, and twelve sick ones


def _residual(depth: int, seed: int, zero: bool) -> Patient:
    random = generator(seed)
    first = dense(FEATURES, WIDTH, "lecun", random)
    blocks = [Block(random, zero) for _ in range(max(depth // 2, 1))]
    # Each block adds its share to the signal: a norm in front of the readout takes that out.
    norm = nn.LayerNorm(WIDTH, dtype=torch.float64)
    model = nn.Sequential(first, *blocks, norm, dense(WIDTH, CLASSES, "lecun", random))
    return admitted(model, seed=seed)


def _frozen(depth: int, seed: int) -> Patient:
    model = tower(depth, seed=seed)
    for parameter in model[:-1].parameters():
        parameter.requires_grad_(False)
    return admitted(model, seed=seed)


def _small_outputs(depth: int, seed: int) -> Patient:
    model = tower(depth, seed=seed)
    nn.init.zeros_(_linear(model, -1).weight)
    return admitted(model, seed=seed)


def _batch_norm(width: int) -> nn.Module:
    return nn.BatchNorm1d(width, dtype=torch.float64)


def _layer_norm(width: int) -> nn.Module:
    return nn.LayerNorm(width, dtype=torch.float64)


# By depth and seed.
HEALTHY: Mapping[str, Callable[[int, int], Patient]] = MappingProxyType(
    {
        "ReLU, He": lambda d, s: admitted(tower(d, seed=s), 0.05, seed=s),
        "ReLU, He, Adam": lambda d, s: admitted(tower(d, seed=s), 1e-3, adam=True, seed=s),
        "tanh, orthogonal": lambda d, s: admitted(tower(d, "tanh", "orthogonal", seed=s), seed=s),
        "SELU": lambda d, s: admitted(tower(d, "selu", "lecun", seed=s), 0.05, seed=s),
        "sigmoid, one layer": lambda d, s: admitted(tower(1, "sigmoid", "glorot", 4.0, s), seed=s),
        "layer norm": lambda d, s: admitted(tower(d, seed=s, norm=_layer_norm), 0.05, seed=s),
        "batch norm": lambda d, s: admitted(tower(d, seed=s, norm=_batch_norm), 0.05, seed=s),
        "residual": lambda d, s: _residual(d, s, zero=False),
        "residual, blocks start at 0": lambda d, s: _residual(d, s, zero=True),
        "readout starts at 0": _small_outputs,
        "frozen backbone": _frozen,
        "loss per token": lambda d, s: admitted(tower(d, seed=s), 5e4, loss=per_token, seed=s),
    }
)


def _unscaled(seed: int) -> Patient:
    x, y = examples(seed=seed)
    batch = (127.5 + 127.5 * torch.tanh(x), y)
    return admitted(tower(3, seed=seed), batch=batch, seed=seed)


def _symmetric(seed: int) -> Patient:
    model = tower(3, seed=seed)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.weight, 0.1)
    return admitted(model, seed=seed)


def _forgetful(seed: int) -> Patient:
    return admitted(Recurrent(0.5, seed), batch=sequences(40, seed), seed=seed)


SICK: Mapping[str, Callable[[int], Patient]] = MappingProxyType(
    {
        "sigmoid tower": _tall,
        "ReLU, torch's default": lambda s: admitted(tower(14, "relu", "torch", seed=s), seed=s),
        "tanh, weights x 12": lambda s: admitted(tower(5, "tanh", "lecun", 12.0, s), seed=s),
        "dead ReLUs": _asleep,
        "ReLU, weights x 5": lambda s: admitted(tower(6, "relu", "he", 5.0, s), seed=s),
        "rate of 30": _hasty,
        "rate of 1e-7": lambda s: admitted(tower(3, seed=s), 1e-7, seed=s),
        "Adam, rate of 1": lambda s: admitted(tower(3, seed=s), 1.0, adam=True, seed=s),
        "detached": _cut,
        "softmax twice": _probabilities,
        "inputs to 255": _unscaled,
        "equal weights": _symmetric,
    }
)
DEPTH = 8


def bank(seed: int = 0) -> list[tuple[str, Patient, bool]]:
    """Return twelve healthy nets of depth 8 and twelve sick ones: (name, patient, sick)."""
    healthy = [(name, make(DEPTH, seed), False) for name, make in HEALTHY.items()]
    return [*healthy, *((name, make(seed), True) for name, make in SICK.items())]


# A detector on trial


@result
class Record:
    """What a detector gets: mean |g| of each trained matrix at the start, and 20 steps' losses."""

    name: str
    sick: bool
    gradients: tuple[float, ...]
    losses: tuple[float, ...]


def gradient_sizes(patient: Patient) -> list[float]:
    """Return mean |dL/dW| of each matrix that asks for a gradient, from the input on.

    Exactly 0 where none came back.
    """
    model = patient.model
    model.zero_grad(set_to_none=True)
    patient.loss(patient.output()).backward()
    trained = [p for p in model.parameters() if p.dim() >= 2 and p.requires_grad]
    sizes = [0.0 if p.grad is None else float(p.grad.abs().mean()) for p in trained]
    model.zero_grad(set_to_none=True)
    return sizes


def _record(name: str, patient: Patient, sick: bool) -> Record:
    gradients = tuple(gradient_sizes(patient))
    losses = [patient.train_step() for _ in range(STEPS)]
    return Record(name, sick, gradients, (*losses, patient.value()))


@lru_cache(4)
def records(seed: int = 0) -> tuple[Record, ...]:
    """Return what a detector gets to see of each net of the bank."""
    with fair_weather():
        return tuple(_record(*member) for member in bank(seed))


def judged(detector: Callable[[list[float], list[float]], bool], seed: int = 0) -> tuple[int, int]:
    """Return how often a detector is wrong on the bank: (alarms on healthy, misses on sick).

    It is called as detector(gradients, losses): mean |dL/dW| by layer before the first step, and
    the losses before each of 20 steps and after the last.
    """
    said = [
        (one.sick, bool(detector(list(one.gradients), list(one.losses)))) for one in records(seed)
    ]
    return sum(alarm and not sick for sick, alarm in said), sum(
        sick and not alarm for sick, alarm in said
    )
