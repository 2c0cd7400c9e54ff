"""Faults of the user's own training step; each gets model, optimiser and batch."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, flat_digits, mlp, pictures, teacher
from tests.doctor.training import twins

Optimizer = torch.optim.Optimizer


def _without_zero_grad(model: nn.Module, optimizer: Optimizer, batch: tuple) -> float:
    x, y = batch
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def _with_zero_grad(model: nn.Module, optimizer: Optimizer, batch: tuple) -> float:
    optimizer.zero_grad()
    return _without_zero_grad(model, optimizer, batch)


@twins
def zero_grad_missing(sick: bool) -> Patient:
    """Gradients add up from step to step."""
    x, y = clusters(96, 10, 4)
    model = mlp(10, 32, 32, 4)
    return Patient(
        model,
        nn.CrossEntropyLoss(),
        (x, y),
        optimizer=torch.optim.SGD(model.parameters(), 0.3),
        step=_without_zero_grad if sick else _with_zero_grad,
    )


def _backward(model: nn.Module, optimizer: Optimizer, batch: tuple) -> None:
    x, y = batch
    optimizer.zero_grad()
    F.mse_loss(model(x), y).backward()


def _backward_and_step(model: nn.Module, optimizer: Optimizer, batch: tuple) -> None:
    _backward(model, optimizer, batch)
    optimizer.step()


@twins
def step_missing(sick: bool) -> Patient:
    """An autoencoder's gradients are computed and nothing is done with them."""
    x, _ = flat_digits(96)
    model = mlp(64, 32, 8, 32, 64, activation=nn.ELU)
    return Patient(
        model,
        nn.MSELoss(),
        (x, x),
        optimizer=torch.optim.Adam(model.parameters(), 1e-2),
        step=_backward if sick else _backward_and_step,
    )


def _step_before_backward(model: nn.Module, optimizer: Optimizer, batch: tuple) -> float:
    x, y = batch
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    optimizer.step()
    loss.backward()
    return loss.item()


def _step_after_backward(model: nn.Module, optimizer: Optimizer, batch: tuple) -> float:
    x, y = batch
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


@twins
def step_before_backward(sick: bool) -> Patient:
    """zero_grad, step, backward: the step finds no gradient, and the next zero_grad drops it."""
    x, y = teacher(96, 10)
    model = mlp(10, 32, 32, 1, activation=nn.GELU)
    return Patient(
        model,
        nn.MSELoss(),
        (x, y),
        optimizer=torch.optim.AdamW(model.parameters(), 5e-3),
        step=_step_before_backward if sick else _step_after_backward,
    )


def _step_and_validation(
    model: nn.Module, optimizer: Optimizer, batch: tuple
) -> tuple[float, float]:
    x, y = batch
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(x).argmax(1) == y).float().mean()
    return loss.item(), accuracy.item()


def _step_in_training_mode(
    model: nn.Module, optimizer: Optimizer, batch: tuple
) -> tuple[float, float]:
    model.train()
    return _step_and_validation(model, optimizer, batch)


@twins
def eval_forgotten(sick: bool) -> Patient:
    """After a validation in evaluation mode nobody calls `model.train()` again.

    Both twins are handed over as such a step leaves them, in evaluation mode.
    """
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(128, 10),
    )
    return Patient(
        model.eval(),
        nn.CrossEntropyLoss(),
        pictures(64),
        optimizer=torch.optim.SGD(model.parameters(), 0.05, momentum=0.9),
        step=_step_and_validation if sick else _step_in_training_mode,
    )
