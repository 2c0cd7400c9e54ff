"""Shapes that torch makes strange: compiled, checkpointed, parametrised, in another number type."""

import warnings

import torch
from torch import Tensor, nn
from torch.ao.quantization import quantize_dynamic
from torch.nn import functional as F
from torch.nn.utils import parametrizations, weight_norm
from torch.utils.checkpoint import checkpoint

from tests.doctor.case import Patient
from tests.doctor.shapes_making import CLASSES, classifier, labels, layers, seeded


class Checkpointed(nn.Module):
    """Two blocks with dropout of which the activations are computed again."""

    def __init__(self, reentrant: bool):
        super().__init__()
        self.stem, self.head = nn.Linear(6, 16), nn.Linear(16, CLASSES)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 16), nn.ReLU(inplace=True), nn.Dropout(0.2))
            for _ in range(2)
        )
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        for block in self.blocks:
            h = checkpoint(block, h, use_reentrant=self.reentrant)
        return self.head(h)


@seeded
def checkpoint_nonreentrant() -> Patient:
    return classifier(Checkpointed(reentrant=False), 8, 6)


@seeded
def checkpoint_reentrant() -> Patient:
    return classifier(Checkpointed(reentrant=True), 8, 6)


class Complex(nn.Module):
    """Complex layers, of which the parts are rectified, and the size of what comes out."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 16, dtype=torch.complex64)
        self.second = nn.Linear(16, CLASSES, dtype=torch.complex64)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.second(torch.complex(h.real.relu(), h.imag.relu())).abs()


@seeded
def complex_net() -> Patient:
    x = torch.randn(8, 6, dtype=torch.complex64)
    return Patient(Complex(), F.cross_entropy, (x, labels(8)))


def narrow(dtype: torch.dtype) -> Patient:
    """All weights and inputs in a narrow type, the loss in float32 as people write it."""
    patient = classifier(layers().to(dtype), 8, 6)
    patient.batch = (patient.batch[0].to(dtype), patient.batch[1])
    patient.loss_fn = lambda output, y: F.cross_entropy(output.float(), y)
    return patient


@seeded
def half_net() -> Patient:
    return narrow(torch.float16)


@seeded
def bf16_net() -> Patient:
    return narrow(torch.bfloat16)


@seeded
def autocast_loss() -> Patient:
    patient = classifier(layers(), 8, 6)

    def forward(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model(batch[0])

    def loss_fn(output: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return F.cross_entropy(output, batch[1])

    patient.forward, patient.loss_fn = forward, loss_fn
    return patient


@seeded
def dataparallel() -> Patient:
    # Where there is a GPU the wrapper would move the net there and ask for the batch to follow.
    model = nn.DataParallel(layers()).cpu()
    model.device_ids = []
    return classifier(model, 8, 6)


@seeded
def compiled() -> Patient:
    # What was compiled before would be found again, and this patient not be cold.
    torch.compiler.reset()
    return classifier(torch.compile(layers(), backend="eager"), 8, 6)


@seeded
def compiled_warm() -> Patient:
    patient = compiled()
    patient.loss_fn(patient.model(patient.batch[0]), patient.batch[1])
    return patient


@seeded
def compiled_aot() -> Patient:
    torch.compiler.reset()
    return classifier(torch.compile(layers(), backend="aot_eager"), 8, 6)


@seeded
def meta() -> Patient:
    with torch.device("meta"):
        return classifier(layers(), 8, 6)


@seeded
def weight_norm_param() -> Patient:
    model = layers(nn.Tanh)
    for i in (0, 2):
        parametrizations.weight_norm(model[i])
    return classifier(model, 8, 6)


@seeded
def spectral_norm_param() -> Patient:
    model = layers(nn.Tanh)
    for i in (0, 2):
        parametrizations.spectral_norm(model[i])
    return classifier(model, 8, 6)


@seeded
def old_weight_norm() -> Patient:
    model = layers(nn.Tanh)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for i in (0, 2):
            weight_norm(model[i])
    return classifier(model, 8, 6)


@seeded
def quantised() -> Patient:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = quantize_dynamic(layers(), {nn.Linear}, dtype=torch.qint8)
    return classifier(model, 8, 6)


@seeded
def lazy() -> Patient:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = nn.Sequential(nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(CLASSES))
    return classifier(model, 8, 6)


@seeded
def jit_script() -> Patient:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.script(layers())
    return classifier(model, 8, 6)


@seeded
def user_hooks_inplace() -> Patient:
    patient = classifier(layers(nn.Tanh), 8, 6)
    model = patient.model

    def halve(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        output.mul_(0.5)

    def shift(module: nn.Module, inputs: tuple[Tensor]) -> None:
        inputs[0].add_(0.1)

    model[0].register_forward_hook(halve)
    model[3].register_forward_pre_hook(shift)
    model[4].weight.register_hook(lambda gradient: gradient.clamp(-1, 1))
    return patient


class Views(nn.Module):
    """Rectifies one half of a layer's output in place, through a view of it."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        halves = h.view(len(x), 2, 8)
        halves[:, 1].mul_(0.5).add_(1.0)
        halves[:, 0].relu_()
        return self.second(h)


@seeded
def inplace_after_view() -> Patient:
    return classifier(Views(), 8, 6)
