"""Faults of the loss, its targets and the net's output."""

import torch
from torch import Tensor, nn

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, conv_net, flat_digits, mlp, pictures, teacher, texts
from tests.doctor.training import twins


@twins
def loss_vector(sick: bool) -> Patient:
    """reduction="none" leaves one loss an example, of which there is no gradient."""
    model = mlp(64, 32, 32, 10)
    loss_fn = nn.CrossEntropyLoss(reduction="none" if sick else "mean")
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Patient(model, loss_fn, flat_digits(96), optimizer=optimizer)


@twins
def mse_broadcast(sick: bool) -> Patient:
    """Outputs (batch, 1) against targets (batch,): every output is compared with every target."""
    x, y = teacher(96, 10)
    model = mlp(10, 32, 32, 1, activation=nn.Tanh)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.MSELoss(), (x, y[:, 0] if sick else y), optimizer=optimizer)


@twins
def labels_from_one(sick: bool) -> Patient:
    """Labels count from 1, as in R and MATLAB; cross-entropy counts from 0."""
    x, y = clusters(96, 8, 6)
    model = mlp(8, 32, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y + 1 if sick else y), optimizer=optimizer)


@twins
def labels_div_255(sick: bool) -> Patient:
    """The masks of a segmentation went through ToTensor: divided by 255, all are 0 as integers."""
    row, column = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    middle = torch.randint(3, 9, (32, 2, 1, 1))
    near = (row - middle[:, 0]).abs() + (column - middle[:, 1]).abs()
    # A core in a ring on the ground: three classes, told apart by grey level and neighbourhood.
    masks = (near < 5).long() + (near < 2).long()
    images = 0.4 * masks[:, None] + 0.2 * torch.randn(32, 1, 12, 12)
    if sick:
        masks = (masks / 255).long()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(16, 3, 1),
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (images, masks), optimizer=optimizer)


@twins
def softmax_twice(sick: bool) -> Patient:
    """A softmax at the end of the net, and another within cross_entropy."""
    model = conv_net()
    if sick:
        model.append(nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), pictures(64), optimizer=optimizer)


class BagOfWords(nn.Module):
    """The mean of the words' vectors, and two layers on it."""

    def __init__(self, words: int, classes: int, last: nn.Module):
        super().__init__()
        self.embedding = nn.EmbeddingBag(words, 32, mode="mean")
        self.body = mlp(32, 32, classes)
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(self.embedding(x)))


@twins
def nll_on_logits(sick: bool) -> Patient:
    """NLLLoss wants log-probabilities and is given the last layer's output."""
    # Four languages, to be told apart.
    spoken = [texts(24, 16, 40)[0] for _ in range(4)]
    order = torch.randperm(96)
    x, y = torch.cat(spoken)[order], torch.arange(4).repeat_interleave(24)[order]
    model = BagOfWords(40, 4, nn.Identity() if sick else nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.NLLLoss(), (x, y), optimizer=optimizer)


@twins
def sigmoid_bce_logits(sick: bool) -> Patient:
    """Several labels an example; a sigmoid at the end of the net, another in the loss."""
    x = torch.randn(96, 16)
    y = (x @ torch.randn(16, 5) > 0).float()
    model = mlp(16, 32, 5, activation=nn.GELU)
    if sick:
        model.append(nn.Sigmoid())
    optimizer = torch.optim.AdamW(model.parameters(), 3e-2)
    return Patient(model, nn.BCEWithLogitsLoss(), (x, y), optimizer=optimizer)


@twins
def softmax_one_unit(sick: bool) -> Patient:
    """Two classes, one output unit, and a softmax over it, which is always 1."""
    x, y = clusters(96, 6, 2)
    last = nn.Softmax(dim=1) if sick else nn.Sigmoid()
    model = nn.Sequential(*mlp(6, 24, 24, 1), last)
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    return Patient(model, nn.BCELoss(), (x, y[:, None].float()), optimizer=optimizer)


@twins
def relu_output(sick: bool) -> Patient:
    """A ReLU after the last layer of a regression half of whose targets are negative."""
    model = mlp(10, 32, 32, 1)
    if sick:
        model.append(nn.ReLU())
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.MSELoss(), teacher(96, 10), optimizer=optimizer)


@twins
def sigmoid_unbounded_target(sick: bool) -> Patient:
    """A sigmoid after the last layer of a regression whose targets reach from about -2 to 2."""
    model = mlp(8, 32, 32, 1, activation=nn.Tanh)
    if sick:
        model.append(nn.Sigmoid())
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    return Patient(model, nn.MSELoss(), teacher(96, 8), optimizer=optimizer)


@twins
def one_output_three_classes(sick: bool) -> Patient:
    """One logit and binary cross-entropy for labels 0, 1, 2; torch says nothing and trains."""
    x, y = clusters(96, 6, 3)
    model = mlp(6, 32, 32, 1 if sick else 3)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    if sick:
        return Patient(model, nn.BCEWithLogitsLoss(), (x, y[:, None].float()), optimizer=optimizer)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)
