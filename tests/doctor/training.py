"""How the tests train a patient, and how every patient draws its random numbers."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch

from tests.doctor.case import Case, Patient


@contextmanager
def drawn(seed: int) -> Iterator[None]:
    """Draw from the seed inside, and leave the global random state as it was."""
    with torch.random.fork_rng(devices=[]):
        # `torch.manual_seed` would seed accelerators too, which the fork does not give back.
        torch.default_generator.manual_seed(seed)
        yield


def healthy(build: Callable[[], Patient]) -> Callable[[int, bool], Patient]:
    """Make of a function that draws freely one of the seed; a healthy net has no sick form."""

    @wraps(build)
    def make(seed: int, sick: bool = False) -> Patient:
        with drawn(seed):
            return build()

    return make


def twins(build: Callable[[bool], Patient]) -> Callable[[int, bool], Patient]:
    """Make of a function of `sick` one of the seed too, from which both twins draw."""

    @wraps(build)
    def make(seed: int, sick: bool) -> Patient:
        with drawn(seed):
            return build(sick)

    return make


def case(make: Callable[[int, bool], Patient], *accepted: str, source: str = "") -> Case:
    """Make a case that is named as its function is."""
    return Case(make.__name__, make, frozenset(accepted), source=source)


def loss_of(patient: Patient) -> torch.Tensor:
    """Return the patient's loss on its batch, as `examine` would compute it."""
    if patient.forward is not None:
        output = patient.forward(patient.model, patient.batch)
        return patient.loss_fn(output, patient.batch)
    x, y = patient.batch
    return patient.loss_fn(patient.model(x), y)


def train(patient: Patient, steps: int, seed: int = 0) -> list[float]:
    """Train the patient itself; return its loss before each step."""
    losses = []
    with drawn(seed):
        for _ in range(steps):
            losses.append(one_step(patient))
    return losses


def one_step(patient: Patient) -> float:
    """Do one step of the patient's own; return the loss before it."""
    optimizer: Any = patient.optimizer
    if patient.step is None:
        optimizer.zero_grad()
        loss = loss_of(patient)
        loss.backward()
        optimizer.step()
        return float(loss.detach())
    # What the loss is must not move the statistics that the patient's own step would find.
    with torch.random.fork_rng(devices=[]):
        loss = float(loss_of(copy.deepcopy(patient)).detach())
    patient.step(patient.model, optimizer, patient.batch)
    return loss


def fall(losses: list[float]) -> float:
    """Return by what share of its start the loss fell, the end being the mean of five steps."""
    return (losses[0] - sum(losses[-5:]) / 5) / (abs(losses[0]) or 1.0)
