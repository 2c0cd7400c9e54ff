"""Field cases of scale: inputs, targets, rates; and those in which nothing is wrong."""

import torch
from torch import nn

from tests.doctor.case import Patient
from tests.doctor.healthy import dense
from tests.doctor.healthy_vision import pictures
from tests.doctor.training import healthy, twins
from vglib.data import digits

Tensor = torch.Tensor


def scaled(values: Tensor) -> Tensor:
    """Subtract each column's mean and divide by its standard deviation."""
    return (values - values.mean(0)) / values.std(0)


def raw(sick: bool, values: Tensor) -> Tensor:
    """Leave the values as they are where that is the fault."""
    return values if sick else scaled(values)


@twins
def pixels(sick: bool) -> Patient:
    """Pixels from 0 to 255, plain gradient descent; the repair divides by 255."""
    data = digits(torch.float32, standardised=False)
    picked = torch.randperm(len(data.x_train))[:64]
    x = data.x_train[picked] * (255 if sick else 1)
    model = nn.Sequential(
        *(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, data.y_train[picked]), optimizer=optimizer)


def binary(x: Tensor, units: int, sick: bool, rate: float) -> Patient:
    """Ask a small net with one logit about a threshold on the features' sum."""
    y = (scaled(x) @ torch.randn(x.shape[1], 1) > 0).float()
    model = dense(x.shape[1], units, units, 1, activation=nn.ReLU)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    return Patient(model, nn.BCEWithLogitsLoss(), (raw(sick, x), y), optimizer=optimizer)


@twins
def raw_features(sick: bool) -> Patient:
    """Three features: a price, a count, a number of visits."""
    x = torch.rand(64, 3) * torch.tensor([20_000.0, 300.0, 5_000.0])
    return binary(x, 12, sick, 1e-2)


@twins
def raw_packets(sick: bool) -> Patient:
    """Packets of a network: ports, lengths, sequence numbers."""
    x = torch.rand(64, 11) * torch.logspace(0, 6, 11)
    return binary(x, 24, sick, 5e-3)


@twins
def raw_census(sick: bool) -> Patient:
    """Fourteen columns of a census as whole numbers, one of them in the hundreds of thousands."""
    x = torch.floor(
        torch.rand(64, 14) * torch.tensor([*[16.0] * 8, 99.0, 41.0, 90.0, 4e3, 9e4, 4e5])
    )
    y = (scaled(x) @ torch.randn(14, 1) > 0).long().squeeze(1)
    model = dense(14, 21, 2, activation=nn.ReLU)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    return Patient(model, nn.CrossEntropyLoss(), (raw(sick, x), y), optimizer=optimizer)


def regression(x: Tensor, y: Tensor, rate: float) -> Patient:
    """Fit a small net to a curve by plain gradient descent."""
    model = dense(x.shape[1], 32, 32, 1, activation=nn.ReLU)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)


@twins
def raw_both(sick: bool) -> Patient:
    """Numbers from 0 to 1000 and their squares: the first steps leave float32."""
    x = 1000 * torch.rand(64, 1)
    return regression(raw(sick, x), raw(sick, x**2), 0.05)


@twins
def raw_prices(sick: bool) -> Patient:
    """Prices of houses in dollars: Adam would need a hundred thousand steps to get there."""
    x = torch.randn(64, 8)
    y = 200_000 + 60_000 * (x @ torch.randn(8, 1)) / 8**0.5
    model = dense(8, 32, 32, 1, activation=nn.ReLU)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    return Patient(model, nn.MSELoss(), (x, raw(sick, y)), optimizer=optimizer)


class Forecast(nn.Module):
    """An LSTM over a series and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


@twins
def raw_series(sick: bool) -> Patient:
    """A course in the thousands, before an LSTM whose gates saturate and against its head."""
    start = torch.randn(64, 1)
    series = start + torch.cumsum(0.3 * torch.randn(64, 12), 1)
    series = 5000 + 1000 * series if sick else series
    model = Forecast()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    batch = (series[:, :-1, None], series[:, -1:])
    return Patient(model, nn.MSELoss(), batch, optimizer=optimizer)


@twins
def raw_parabola(sick: bool) -> Patient:
    """x from -100 to 100 into sigmoids, its square as target."""
    x = torch.linspace(-100, 100, 64)[:, None]
    model = nn.Sequential(
        *(nn.Linear(1, 50), nn.Sigmoid() if sick else nn.ReLU()),
        *(nn.Linear(50, 50), nn.ELU(), nn.Linear(50, 1)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Patient(model, nn.MSELoss(), (raw(sick, x), raw(sick, x**2)), optimizer=optimizer)


@twins
def huge_numbers(sick: bool) -> Patient:
    """Numbers of up to sixteen digits into sigmoids: all answers are the same."""
    number = 1e16 * torch.rand(64, 1)
    y = (number / 1e16 > torch.linspace(0.1, 0.9, 8)).float()
    model = dense(1, 69, 69, 8, activation=nn.Sigmoid if sick else nn.Tanh)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    return Patient(model, nn.BCEWithLogitsLoss(), (raw(sick, number), y), optimizer=optimizer)


@twins
def rate_parabola(sick: bool) -> Patient:
    """A rate of 0.1 for a parabola that reaches 125; the repair scales both and lowers the rate."""
    x = torch.arange(0.0, 5.0, 0.1)[:, None]
    y = 5 * x**2 + torch.randn(50, 1) ** 3
    return regression(raw(sick, x), raw(sick, y), 0.1 if sick else 0.05)


@twins
def rate_pictures(sick: bool) -> Patient:
    """A convolutional net at a rate of 2 with momentum."""
    x, y = pictures(32, 16, 5)
    model = nn.Sequential(
        *(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(400, 32), nn.ReLU(), nn.Linear(32, 5)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=2.0 if sick else 0.02, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def rate_tiny(sick: bool) -> Patient:
    """A rate so low that nothing is seen to happen."""
    x = 2 * torch.rand(64, 1) - 1
    y = scaled(x**3 - x**2)
    return regression(x, y, 1e-6 if sick else 0.1)


@twins
def rate_line(sick: bool) -> Patient:
    """One weight and one bias, x up to 50: twice the curvature's inverse is far below the rate."""
    x = torch.linspace(1, 50, 50)[:, None]
    y = 2 * x + 3 + torch.randn(50, 1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01 if sick else 0.1)
    return Patient(model, nn.MSELoss(), (raw(sick, x), raw(sick, y)), optimizer=optimizer)


@twins
def no_activation(sick: bool) -> Patient:
    """Nielsen's net of 30 units without its sigmoids, with weights of scale 1 and a rate of 3."""
    data = digits(torch.float32, standardised=False)
    picked = torch.randperm(len(data.x_train))[:64]
    x, y = data.x_train[picked], data.y_train[picked]
    if not sick:
        model = dense(64, 30, 10, activation=nn.Sigmoid)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.5)
        return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)
    model = nn.Sequential(nn.Linear(64, 30), nn.Linear(30, 10))
    for weight in model.parameters():
        nn.init.normal_(weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=3.0)
    target = nn.functional.one_hot(y, 10).float()
    return Patient(model, nn.MSELoss(), (x, target), optimizer=optimizer)


@healthy
def few_epochs_pictures() -> Patient:
    """Two convolutions, He's initialisation, Adam: it only had to be trained for longer."""
    x, y = pictures(32, 16, 10)
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10)),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@healthy
def few_epochs_autoencoder() -> Patient:
    """Adadelta starts slowly, and pixels of which half are 0 leave the loss far above 0."""
    data = digits(torch.float32, standardised=False)
    x = data.x_train[torch.randperm(len(data.x_train))[:64]].view(-1, 1, 8, 8)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid()),
    )
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    return Patient(model, nn.BCELoss(), (x, x), optimizer=optimizer)


@healthy
def waves_apart() -> Patient:
    """Which side of a sine's curve a point lies on: a small ReLU net learns it in its time."""
    x = 2 * torch.rand(64, 2) - 1
    y = (x[:, 1:] > torch.sin(3 * x[:, :1])).float()
    model = nn.Sequential(dense(2, 16, 16, 1, activation=nn.ReLU), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    return Patient(model, nn.BCELoss(), (x, y), optimizer=optimizer)
