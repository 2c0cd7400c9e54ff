"""Faults of the wiring: what learns is not what the user thinks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, conv_net, drifts, flat_digits, mlp, pictures
from tests.doctor.training import twins


class Features(nn.Module):
    """Convolutions and a head on what they find, or on a copy that no gradient leaves."""

    def __init__(self, detached: bool):
        super().__init__()
        self.detached = detached
        self.features = conv_net()[:-1]
        self.head = mlp(64, 32, 10)

    def forward(self, x: Tensor) -> Tensor:
        found = self.features(x)
        return self.head(found.detach() if self.detached else found)


@twins
def detached_middle(sick: bool) -> Patient:
    """A `.detach()` between the convolutions and the head, left from looking at the features."""
    model = Features(detached=sick)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), pictures(64), optimizer=optimizer)


class SequenceClassifier(nn.Module):
    """An LSTM's last state and a linear head; the LSTM perhaps without a graph."""

    def __init__(self, features: int, classes: int, without_graph: bool):
        super().__init__()
        self.without_graph = without_graph
        self.encoder = nn.LSTM(features, 32, batch_first=True)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.without_graph):
            _, (last, _) = self.encoder(x)
        return self.head(last[0])


@twins
def no_grad_block(sick: bool) -> Patient:
    """The encoder runs under no_grad, as when it was still meant to stay as it was."""
    model = SequenceClassifier(6, 5, without_graph=sick)
    optimizer = torch.optim.Adam(model.parameters(), 3e-2)
    return Patient(model, nn.CrossEntropyLoss(), drifts(64, 10, 6, 5), optimizer=optimizer)


def _with_the_number(model: nn.Module, optimizer: torch.optim.Optimizer, batch: tuple) -> float:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[0]), batch[1]).item()
    torch.tensor(loss, requires_grad=True).backward()
    optimizer.step()
    return loss


def _with_the_tensor(model: nn.Module, optimizer: torch.optim.Optimizer, batch: tuple) -> float:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    return loss.item()


@twins
def item_in_loss(sick: bool) -> Patient:
    """`.item()` before backward, and the error silenced by a new tensor with requires_grad=True."""
    x, y = clusters(96, 8, 4)
    model = mlp(8, 32, 32, 4)
    return Patient(
        model,
        nn.CrossEntropyLoss(),
        (x, y),
        optimizer=torch.optim.SGD(model.parameters(), 0.3),
        step=_with_the_number if sick else _with_the_tensor,
    )


class Skipping(nn.Module):
    """Three layers, of which the forward pass may forget the second."""

    def __init__(self, forgets: bool):
        super().__init__()
        self.forgets = forgets
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, 32)
        self.fc3 = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.fc1(x))
        if not self.forgets:
            h = torch.relu(self.fc2(h))
        return self.fc3(h)


@twins
def unused_layer(sick: bool) -> Patient:
    """A layer is made in `__init__` and never called."""
    model = Skipping(forgets=sick)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    return Patient(model, nn.CrossEntropyLoss(), flat_digits(96), optimizer=optimizer)


class Stack(nn.Module):
    """Hidden layers in a list, torch's own or Python's."""

    def __init__(self, container: type):
        super().__init__()
        self.inlet = nn.Linear(8, 32)
        self.hidden = container([nn.Linear(32, 32), nn.Linear(32, 32)])
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.inlet(x))
        for layer in self.hidden:
            h = torch.relu(layer(h))
        return self.head(h)


@twins
def module_in_python_list(sick: bool) -> Patient:
    """The hidden layers stand in a plain list, where `parameters()` does not find them."""
    x, y = clusters(96, 8, 4)
    model = Stack(list if sick else nn.ModuleList)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def optimizer_misses_head(sick: bool) -> Patient:
    """The optimiser was given the features' parameters, not the head's."""
    model = Features(detached=False)
    learns = (model.features if sick else model).parameters()
    optimizer = torch.optim.SGD(learns, 0.05, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), pictures(64), optimizer=optimizer)


class Backbone(nn.Module):
    """A residual net for 20 classes, of which a user wants the features."""

    def __init__(self):
        super().__init__()
        self.inlet = nn.Linear(64, 48)
        self.block = mlp(48, 48, 48)
        self.fc = nn.Linear(48, 20)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.inlet(x))
        return self.fc(torch.relu(h + self.block(h)))


@twins
def optimizer_stale_after_replace(sick: bool) -> Patient:
    """Transfer learning: `model.fc` is replaced after the optimiser was made."""
    model = Backbone()
    before = torch.optim.Adam(model.parameters(), 3e-3)
    model.fc = nn.Linear(48, 10)
    optimizer = before if sick else torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), flat_digits(64), optimizer=optimizer)


@twins
def all_frozen(sick: bool) -> Patient:
    """The new head was frozen with the rest; the twin freezes first, then replaces the head."""
    model = Backbone()
    head = nn.Linear(48, 10)
    if sick:
        model.fc = head
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.fc = head
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    return Patient(model, nn.CrossEntropyLoss(), flat_digits(64), optimizer=optimizer)
