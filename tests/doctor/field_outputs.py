"""Field cases at the output: a softmax over one unit, ranges, labels, the wrong loss."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.doctor.case import Patient
from tests.doctor.healthy import blobs, dense, some_digits
from tests.doctor.healthy_vision import pictures
from tests.doctor.training import twins

Tensor = torch.Tensor


def two_classes(count: int, n_in: int) -> tuple[Tensor, Tensor]:
    """Draw two clouds with labels of 0 and 1 in a column, as one output unit wants them."""
    x, y = blobs(count, n_in, 2)
    return x, y[:, None].float()


def ending(sick: bool) -> nn.Module:
    """A softmax, which over one unit is 1 whatever comes, or the sigmoid that was meant."""
    return nn.Softmax(dim=-1) if sick else nn.Sigmoid()


@twins
def softmax_binary(sick: bool) -> Patient:
    """Two hidden layers of ReLU with dropout, one unit, binary cross-entropy, RMSprop."""
    model = nn.Sequential(
        *(nn.Linear(128, 50), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(50, 50), nn.ReLU(), nn.Dropout(0.2), nn.Linear(50, 1), ending(sick)),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    return Patient(model, nn.BCELoss(), two_classes(64, 128), optimizer=optimizer)


@twins
def softmax_regression(sick: bool) -> Patient:
    """A weighted sum is to be learnt; the answer is always 1."""
    x = torch.randn(64, 6)
    y = x @ torch.rand(6, 1) + 0.05 * torch.randn(64, 1)
    y = (y - y.mean()) / y.std()
    model = dense(6, 6, 4, 1, activation=nn.Tanh)
    if sick:
        model.append(nn.Softmax(dim=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)


@twins
def softmax_xor(sick: bool) -> Patient:
    """Four rows, squared error, and the rate is a thousandth besides."""
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = (x.sum(1, keepdim=True) == 1).float()
    inner = nn.Sigmoid if sick else nn.Tanh
    model = nn.Sequential(dense(2, 8, 8, 1, activation=inner), ending(sick))
    if sick:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True)
        return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return Patient(model, nn.BCELoss(), (x, y), optimizer=optimizer)


@twins
def softmax_pictures(sick: bool) -> Patient:
    """Cats or dogs: the same slip at the end of a convolutional net."""
    x, y = pictures(24, 16, 2)
    model = nn.Sequential(
        *(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 32), nn.ReLU(), nn.Linear(32, 1), ending(sick)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return Patient(model, nn.BCELoss(), (x, y[:, None].float()), optimizer=optimizer)


@twins
def softmax_one_feature(sick: bool) -> Patient:
    """One number in, one sigmoid, one unit, and the absolute error of a label."""
    x = torch.randn(64, 1)
    y = (x > 0.3).float()
    model = nn.Sequential(nn.Linear(1, 1 if sick else 8), nn.Sigmoid())
    model.extend([nn.Linear(1 if sick else 8, 1), ending(sick)])
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.02)
    loss = nn.L1Loss() if sick else nn.BCELoss()
    return Patient(model, loss, (x, y), optimizer=optimizer)


@twins
def softmax_each_step(sick: bool) -> Patient:
    """Rows of steps with one feature: the softmax runs over an axis of length one at each."""
    x = torch.rand(32, 10, 1)
    model = nn.Sequential(dense(1, 60, 50, 1, activation=nn.ReLU), ending(sick))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Patient(model, nn.BCELoss(), (x, (x > 0.5).float()), optimizer=optimizer)


@twins
def cross_entropy_one_output(sick: bool) -> Patient:
    """A column against a column in cross_entropy: the log of a softmax over one is 0."""
    x = torch.randn(64, 5)
    y = torch.sigmoid(x[:, :1] - x[:, 1:2])
    model = dense(5, 32, 1, activation=nn.ReLU)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loss = F.cross_entropy if sick else F.mse_loss
    return Patient(model, loss, (x, y), optimizer=optimizer)


@twins
def labels_over_255(sick: bool) -> Patient:
    """Pixels and labels were divided by 255: as whole numbers, all labels are 0."""
    x, y = some_digits(64)
    model = nn.Sequential(
        *(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    y = (y / 255).long() if sick else y
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def relu_output(sick: bool) -> Patient:
    """A ReLU at the end of a regression whose targets are of both signs."""
    x = torch.randn(64, 2)
    y = x[:, :1] - 0.5 * x[:, 1:] - 0.5
    model = dense(2, 16, 1, activation=nn.ReLU, last=sick)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)


def categorical_cross_entropy(output: Tensor, y: Tensor) -> Tensor:
    """Keras' loss, which wants probabilities: it divides by their sum and takes the logarithm."""
    shares = output / output.sum(1, keepdim=True)
    return -(F.one_hot(y, output.shape[1]) * shares.log()).sum(1).mean()


@twins
def relu_then_log(sick: bool) -> Patient:
    """Ten ReLUs where a softmax belongs: where one is 0, its logarithm is not finite."""
    x, y = some_digits(64)
    model = nn.Sequential(
        *(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 12, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(64, 10), nn.ReLU() if sick else nn.Softmax(dim=1)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Patient(model, categorical_cross_entropy, (x, y), optimizer=optimizer)


@twins
def sigmoid_unbounded(sick: bool) -> Patient:
    """A straight line is to be learnt, and a sigmoid ends at 1."""
    x = torch.randn(64, 1)
    y = 2 * x + 1
    model = dense(1, 8, 1, activation=nn.Sigmoid, last=sick)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)


@twins
def one_output_three_classes(sick: bool) -> Patient:
    """The kind of damage is 0, 1 or 2, and one sigmoid is asked for it."""
    x, y = pictures(24, 16, 3)
    model = nn.Sequential(
        *(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 32), nn.ReLU(), nn.Dropout(0.2)),
        nn.Linear(32, 1 if sick else 3),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    if sick:
        batch = (x, y[:, None].float())
        return Patient(model, nn.BCEWithLogitsLoss(), batch, optimizer=optimizer)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def bce_for_regression(sick: bool) -> Patient:
    """Binary cross-entropy of a target that is no probability: it has no lower end."""
    x = torch.randn(64, 4)
    y = 3 * x[:, :1] + x[:, 1:2] * x[:, 2:3]
    model = dense(4, 32, 1, activation=nn.ReLU)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loss = nn.BCEWithLogitsLoss() if sick else nn.MSELoss()
    return Patient(model, loss, (x, y), optimizer=optimizer)


@twins
def sigmoid_then_softmax(sick: bool) -> Patient:
    """Flowers in centimetres, three sigmoids at the end, and small normal weights."""
    y = torch.arange(60) % 3
    centres = torch.tensor([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])
    x = centres[y] + torch.randn(60, 4) * torch.tensor([0.4, 0.3, 0.4, 0.2])
    if not sick:
        x = (x - x.mean(0)) / x.std(0)
    model = dense(4, 4 if sick else 16, 3, activation=nn.ReLU)
    if sick:
        model.append(nn.Sigmoid())
        for layer in (model[0], model[2]):
            nn.init.normal_(layer.weight, 0, 0.05)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 if sick else 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)
