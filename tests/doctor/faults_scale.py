"""Faults of scale: initialisation, activation, inputs and the learning rate."""

import math

import torch
from torch import Tensor, nn

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, conv_net, flat_digits, mlp, pictures, redrawn, teacher
from tests.doctor.training import twins


@twins
def sigmoid_deep(sick: bool) -> Patient:
    """Eight hidden layers of sigmoids as torch draws them; the twin's are tanh after LeCun."""
    x, y = flat_digits(96)
    model = mlp(64, *[32] * 8, 10, activation=nn.Sigmoid if sick else nn.Tanh)
    if not sick:
        redrawn(model, 1.0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def tanh_scale_8(sick: bool) -> Patient:
    """Ten hidden layers of tanh whose weights are eight times those that keep the scale."""
    x, y = clusters(128, 10, 6)
    model = redrawn(mlp(10, *[24] * 10, 6, activation=nn.Tanh), 8.0 if sick else 1.0)
    if sick:
        # The head is as the twin's: the fault is in the hidden units, not in the loss at the start.
        with torch.no_grad():
            model[-1].weight /= 8
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def relu_default_50(sick: bool) -> Patient:
    """Fifty layers of ReLUs as `nn.Linear` draws them, chi = 1/6; the twin's are He's."""
    x, y = flat_digits(64)
    model = mlp(64, *[64] * 49, 10)
    if not sick:
        redrawn(model, math.sqrt(2))
    optimizer = torch.optim.Adam(model.parameters(), 3e-4)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def relu_he_x20(sick: bool) -> Patient:
    """ReLUs whose weights are twenty times He's."""
    x, y = clusters(96, 16, 5)
    model = redrawn(mlp(16, 32, 32, 32, 32, 5), (20 if sick else 1) * math.sqrt(2))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def dead_bias_50(sick: bool) -> Patient:
    """The second hidden layer's biases start at -50: none of its ReLUs ever opens."""
    model = mlp(12, 32, 32, 1)
    if sick:
        nn.init.constant_(model[2].bias, -50.0)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.MSELoss(), teacher(96, 12), optimizer=optimizer)


@twins
def lr_100(sick: bool) -> Patient:
    """Gradient descent with rate 100; the twin's is 0.3."""
    x, y = clusters(96, 10, 4)
    model = mlp(10, 32, 32, 4, activation=nn.Tanh)
    optimizer = torch.optim.SGD(model.parameters(), 100.0 if sick else 0.3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def adam_lr_1(sick: bool) -> Patient:
    """Adam with rate 1; the twin's is 0.01."""
    model = conv_net(normed=False)
    optimizer = torch.optim.Adam(model.parameters(), 1.0 if sick else 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), pictures(64), optimizer=optimizer)


@twins
def lr_1e_9(sick: bool) -> Patient:
    """Gradient descent with rate 1e-9; the twin's is 0.1."""
    x, y = teacher(96, 10)
    model = mlp(10, 32, 32, 1, activation=nn.SiLU)
    optimizer = torch.optim.SGD(model.parameters(), 1e-9 if sick else 0.1, momentum=0.9)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)


@twins
def inputs_0_255(sick: bool) -> Patient:
    """Pixels from 0 to 255; the twin divides by 255."""
    x, y = flat_digits(96)
    model = mlp(64, 32, 32, 10)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (255 * x if sick else x, y), optimizer=optimizer)


class Recall(nn.Module):
    """A recurrent net that says at the end what it was told at the start."""

    def __init__(self, classes: int, identity: bool):
        super().__init__()
        self.rnn = nn.RNN(classes, 24, batch_first=True)
        self.head = nn.Linear(24, classes)
        if identity:
            nn.init.eye_(self.rnn.weight_hh_l0)
            nn.init.zeros_(self.rnn.bias_hh_l0)
            nn.init.zeros_(self.rnn.bias_ih_l0)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.rnn(x)
        return self.head(last[0])


@twins
def rnn_t200(sick: bool) -> Patient:
    """A plain RNN, drawn by torch, is to recall the first of 200 moments.

    The twin's recurrent weights start as the identity and its biases at 0, as Le, Jaitly and
    Hinton (2015) draw them, with tanh in ReLU's place: it cannot explode.
    """
    y = torch.arange(32)[torch.randperm(32)] % 4
    x = 0.05 * torch.randn(32, 200, 4)
    x[:, 0] = 2 * nn.functional.one_hot(y, 4)
    model = Recall(4, identity=not sick)
    optimizer = torch.optim.Adam(model.parameters(), 3e-4)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def adam_eps_1(sick: bool) -> Patient:
    """Adam with eps = 1, far above the root of its second moment; the twin's is 1e-8."""
    model = mlp(64, 48, 48, 10, activation=nn.GELU)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3, eps=1.0 if sick else 1e-8)
    return Patient(model, nn.CrossEntropyLoss(), flat_digits(96), optimizer=optimizer)
