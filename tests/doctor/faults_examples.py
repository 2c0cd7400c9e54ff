"""Faults of axes and symmetry: what mixes examples, moments of time, or units."""

import torch
from torch import Tensor, nn

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, drifts, flat_digits, mlp, texts
from tests.doctor.training import twins


@twins
def bn_batch_one(sick: bool) -> Patient:
    """The last batch of an epoch holds one example, of which batch norm has no deviation."""
    x, y = clusters(64, 10, 4)
    model = nn.Sequential(
        nn.Linear(10, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 4),
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batch = (x[:1], y[:1]) if sick else (x, y)
    return Patient(model, nn.CrossEntropyLoss(), batch, optimizer=optimizer)


class TimeFirst(nn.Module):
    """A GRU that wants (time, batch, features) and is given it by a transpose, or by a view."""

    def __init__(self, features: int, classes: int, views: bool):
        super().__init__()
        self.views = views
        self.gru = nn.GRU(features, 32)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        size, time, features = x.shape
        x = x.reshape(time, size, features) if self.views else x.transpose(0, 1)
        output, _ = self.gru(x)
        return self.head(output[-1])


@twins
def batch_mixing_view(sick: bool) -> Patient:
    """`view(time, batch, ...)` where `transpose` was meant: rows hold pieces of other examples."""
    model = TimeFirst(6, 4, views=sick)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), drifts(64, 12, 6, 4), optimizer=optimizer)


class LastState(nn.Module):
    """An LSTM on (batch, time, features) and a head on the last moment's output."""

    def __init__(self, features: int, classes: int, batch_first: bool):
        super().__init__()
        self.lstm = nn.LSTM(features, 32, batch_first=batch_first)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.lstm(x)
        return self.head(output[:, -1])


@twins
def transposed_batch_time(sick: bool) -> Patient:
    """`batch_first=True` was forgotten: the LSTM runs along the batch, and the shapes still fit."""
    model = LastState(6, 4, batch_first=not sick)
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    return Patient(model, nn.CrossEntropyLoss(), drifts(64, 10, 6, 4), optimizer=optimizer)


class LanguageModel(nn.Module):
    """A small transformer that predicts the next word, with a causal mask or without."""

    def __init__(self, words: int, length: int, masked: bool):
        super().__init__()
        self.masked = masked
        self.embedding = nn.Embedding(words, 32)
        self.place = nn.Parameter(0.1 * torch.randn(length, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, words)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if self.masked else None
        return self.head(self.body(self.embedding(x) + self.place, mask=mask))


def _next_word(output: Tensor, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())


@twins
def causal_leak(sick: bool) -> Patient:
    """A language model without its causal mask: each word that it should guess is in its input."""
    model = LanguageModel(20, 16, masked=not sick)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    return Patient(model, _next_word, texts(32, 16, 20), optimizer=optimizer)


@twins
def zero_init_all(sick: bool) -> Patient:
    """All weights and biases start at 0."""
    model = mlp(64, 32, 32, 10)
    if sick:
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), flat_digits(96), optimizer=optimizer)


@twins
def constant_init(sick: bool) -> Patient:
    """All weights start at 0.1, so that all units of a layer are one."""
    x, y = clusters(96, 8, 4)
    model = mlp(8, 32, 32, 4, activation=nn.Tanh)
    if sick:
        for layer in model[::2]:
            nn.init.constant_(layer.weight, 0.1)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), 0.3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)
