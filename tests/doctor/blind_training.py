"""Blind patients whose scales are wrong: weights, inputs, targets, rates, decay."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.blind_numbers import sentences
from tests.doctor.case import Patient
from tests.doctor.materials import clusters, digits, flat_digits, mlp, pictures, teacher
from tests.doctor.training import twins


class Plain(nn.Module):
    """Three convolutions with functional ReLUs and a head on the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 16, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(16, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.conv1(x))
        h = F.relu(self.conv2(h))
        h = F.relu(self.conv3(h))
        return self.fc(h.flatten(1))


@twins
def convolution_never_opens(sick: bool) -> Patient:
    """The middle convolution's biases start at -20, so that none of its ReLUs ever opens."""
    x, y = pictures(64)
    model = Plain()
    if sick:
        nn.init.constant_(model.conv2.bias, -20.0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def convolution_all_alike(sick: bool) -> Patient:
    """Every weight starts at 0.01 and every bias at 0: the channels of a layer are one."""
    x, y = pictures(64)
    model = Plain()
    if sick:
        for p in model.parameters():
            nn.init.constant_(p, 0.01 if p.ndim > 1 else 0.0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


class Listener(nn.Module):
    """A recurrent net over a series; the head reads its last state, or its largest over time."""

    def __init__(self, rnn: nn.Module, classes: int, over_time: bool = False) -> None:
        super().__init__()
        self.rnn = rnn
        self.over_time = over_time
        self.head = nn.Linear(rnn.hidden_size, classes)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.rnn(x)
        return self.head(h.amax(1) if self.over_time else h[:, -1])


@twins
def millivolts(sick: bool) -> Patient:
    """An LSTM on a series a thousand times too large: its gates stand at 0 or at 1.

    The class is how large a wave is, of which a gate that stands at 0 or 1 says nothing.
    """
    y = torch.arange(96)[torch.randperm(96)] % 4
    phase = 2 * math.pi * torch.rand(96, 1, 3) + 0.7 * torch.arange(16)[:, None]
    x = (0.3 + 0.5 * y[:, None, None]) * phase.sin() + 0.1 * torch.randn(96, 16, 3)
    model = Listener(nn.LSTM(3, 24, batch_first=True), 4)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (1000 * x if sick else x, y), optimizer=optimizer)


@twins
def first_moment_of_150(sick: bool) -> Patient:
    """A GRU's last state is to know the first of 150 moments; the twin looks at all of them.

    What follows the first moment is the same noise in all of the series.
    """
    y = torch.arange(24)[torch.randperm(24)] % 4
    x = 0.3 * torch.randn(1, 150, 4).repeat(24, 1, 1)
    x[:, 0] = 3 * F.one_hot(y, 4).float()
    model = Listener(nn.GRU(4, 16, batch_first=True), 4, over_time=not sick)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def tanh_from_std_3(sick: bool) -> Patient:
    """An autoencoder of tanh whose weights are normal of deviation 3, whatever the width."""
    x, _ = flat_digits(96)
    x = (x - x.mean(0)) / x.std(0).mean()
    model = mlp(64, 40, 40, 40, 12, 64, activation=nn.Tanh)
    for layer in model[:-1:2]:
        nn.init.normal_(layer.weight, std=3.0 if sick else 1 / math.sqrt(layer.in_features))
    optimizer = torch.optim.SGD(model.parameters(), 0.5, momentum=0.9)
    return Patient(model, nn.MSELoss(), (x, x.clone()), optimizer=optimizer)


class Tower(nn.Module):
    """Twenty tanh layers on a Parameter each, with F.linear."""

    def __init__(self, gain: float, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Linear(12, width)
        self.weights = nn.ParameterList(
            torch.randn(width, width) * gain / math.sqrt(width) for _ in range(20)
        )
        self.leave = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.enter(x))
        for weight in self.weights:
            h = torch.tanh(F.linear(h, weight))
        return self.leave(h)


@twins
def tower_too_quiet(sick: bool) -> Patient:
    """Twenty tanh layers of a third of the weights that keep the scale."""
    x, y = clusters(80, 12, 5)
    model = Tower(0.33 if sick else 1.1)
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def normal_of_one(sick: bool) -> Patient:
    """`nn.init.normal_` as it comes, deviation 1, in eight layers of ReLUs; the twin is He's."""
    x, y = flat_digits(64)
    model = mlp(64, *[48] * 8, 10)
    for layer in model[::2]:
        std = math.sqrt(2 / layer.in_features)
        nn.init.normal_(layer.weight, std=1.0 if sick else std)
        nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), 0.005, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


class SelfAttention(nn.Module):
    """One head of attention by hand, its products divided by the root of the width or not."""

    def __init__(self, sick: bool, width: int) -> None:
        super().__init__()
        self.scale = 1.0 if sick else width**-0.5
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        for layer in (self.q, self.k):
            nn.init.normal_(layer.weight, std=1.4 / math.sqrt(width))

    def forward(self, h: Tensor) -> Tensor:
        logits = self.q(h) @ self.k(h).transpose(1, 2) * self.scale
        return logits.softmax(-1) @ self.v(h)


class OneBlock(nn.Module):
    """Words and places, one block of attention, and a head on the last place."""

    def __init__(self, sick: bool, width: int = 192) -> None:
        super().__init__()
        self.words = nn.Embedding(24, width)
        self.places = nn.Parameter(torch.randn(16, width))
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(sick, width)
        self.head = nn.Linear(width, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.norm(self.words(tokens) + self.places)
        return self.head(self.attention(h)[:, -1])


@twins
def products_not_divided(sick: bool) -> Patient:
    """Attention without 1/sqrt(192): each place looks at one other, and no gradient moves it."""
    tokens = torch.randint(24, (32, 16))
    # The class is that of most of the words, of which all have to be looked at.
    y = F.one_hot(tokens % 3, 3).sum(1).argmax(1)
    model = OneBlock(sick)
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (tokens, y), optimizer=optimizer)


class Encoder(nn.Module):
    """PyTorch's transformer layer over words, padding masked, and a head on the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 24, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(24, 4, 48, 0.1, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        padding = tokens == 0
        h = self.layer(self.words(tokens), src_key_padding_mask=padding)
        kept = (~padding)[..., None].float()
        return self.head((h * kept).sum(1) / kept.sum(1))


@twins
def adam_at_three(sick: bool) -> Patient:
    """A transformer under Adam with rate 3; somebody meant 3e-3."""
    x, y = sentences(48, 12, 50, 3)
    model = Encoder()
    optimizer = torch.optim.Adam(model.parameters(), 3.0 if sick else 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


def _of_pixels(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, ignore_index=255)


@twins
def segments_at_full_speed(sick: bool) -> Patient:
    """Classes of pixels, gradient descent of rate 3 with momentum 0.95; the twin's is 0.1, 0.9."""
    images, _ = digits(32)
    target = (images > 0.2).long() + (images > 0.7).long()
    target[:, 0, 0] = 255
    x = images[:, None] + 0.1 * torch.randn(32, 1, 8, 8)
    model = nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU()),
        nn.Conv2d(12, 3, 1),
    )
    rate, momentum = (3.0, 0.95) if sick else (0.1, 0.9)
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=momentum)
    return Patient(model, _of_pixels, (x, target), optimizer=optimizer)


@twins
def adamw_asleep(sick: bool) -> Patient:
    """AdamW with rate 1e-8 for a net that starts from nothing, not from a checkpoint."""
    x, y = clusters(96, 16, 6)
    model = nn.Sequential(nn.Linear(16, 48), nn.LayerNorm(48), nn.GELU(), nn.Linear(48, 6))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-8 if sick else 5e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def decay_of_ten(sick: bool) -> Patient:
    """Adam with weight_decay=10: the gradient is the decay's, and all weights go to 0."""
    x, y = clusters(96, 16, 6)
    model = mlp(16, 48, 48, 6, activation=nn.Hardswish)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3, weight_decay=10.0 if sick else 1e-4)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


@twins
def sum_over_512(sick: bool) -> Patient:
    """The loss of 512 examples is summed, and the rate is one for a mean."""
    x, y = flat_digits(512)
    model = mlp(64, 48, 48, 10, activation=nn.LeakyReLU)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    loss = nn.CrossEntropyLoss(reduction="sum" if sick else "mean")
    return Patient(model, loss, (x, y), optimizer=optimizer)


@twins
def one_column_in_millions(sick: bool) -> Patient:
    """Seven standardised columns, and an eighth in the millions that nobody looked at."""
    x, y = teacher(96, 8)
    if sick:
        x[:, 4] = 3e6 + 1e6 * x[:, 4]
    model = mlp(8, 32, 32, 1)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)


@twins
def three_units_of_measure(sick: bool) -> Patient:
    """Three targets at once: metres, then millimetres, then pascals; the twin's are standardised.

    The mean of squares is the last one's alone.
    """
    x = torch.randn(96, 8)
    y = torch.tanh(x @ torch.randn(8, 3) / 2)
    y = (y - y.mean(0)) / y.std(0)
    if sick:
        y = y * torch.tensor([1.0, 800.0, 3e4]) + torch.tensor([2.0, 2000.0, 1e5])
    model = nn.Sequential(nn.Linear(8, 48), nn.LayerNorm(48), nn.Tanh(), nn.Linear(48, 3))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.MSELoss(), (x, y), optimizer=optimizer)
