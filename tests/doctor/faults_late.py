"""Faults of what came to the rules late: float16, clipping at every step, dropout."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, mlp
from tests.doctor.training import twins


@twins
def half_precision(sick: bool) -> Patient:
    """Weights in float16 and a loss divided by 300,000: most gradients are below 6e-8."""
    x, y = clusters(64, 12, 4)
    model = mlp(12, 32, 32, 4)
    if sick:
        model, x = model.half(), x.half()

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output.float(), y) / 3e5

    optimizer = torch.optim.SGD(model.parameters(), 6e4, momentum=0.9)
    return Patient(model, loss, (x, y), optimizer=optimizer)


@twins
def clipped_to_nothing(sick: bool) -> Patient:
    """Clipped at a norm of 1e-4 at every step; the twin at 1."""
    x, y = clusters(64, 12, 4)
    model = mlp(12, 32, 32, 4)
    bound = 1e-4 if sick else 1.0

    def step(model: nn.Module, optimizer: Optimizer, batch: tuple[Tensor, Tensor]) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), bound)
        optimizer.step()
        return loss

    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer, step=step)


@twins
def dropout_of_97(sick: bool) -> Patient:
    """Somebody took p for the share that stays."""
    x, y = clusters(96, 12, 4)
    p = 0.97 if sick else 0.03
    layers = [nn.Linear(12, 48), nn.ReLU(), nn.Dropout(p), nn.Linear(48, 48), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Dropout(p), nn.Linear(48, 4))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)
