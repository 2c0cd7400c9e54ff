"""Blind patients whose parts are put together wrongly: graphs, optimisers, modes, axes, steps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.doctor.case import Patient
from tests.doctor.materials import drifts, flat_digits, pictures, teacher, texts
from tests.doctor.training import twins


class Reverser(nn.Module):
    """A GRU reads, another writes and looks back at what was read (Luong's attention)."""

    def __init__(self, sick: bool, words: int = 14, width: int = 32) -> None:
        super().__init__()
        self.sick = sick
        self.source = nn.Embedding(words, width)
        self.encoder = nn.GRU(width, width, batch_first=True)
        self.target = nn.Embedding(words, width)
        self.decoder = nn.GRU(width, width, batch_first=True)
        self.write = nn.Linear(2 * width, words)

    def forward(self, read: Tensor, written: Tensor) -> Tensor:
        memory, state = self.encoder(self.source(read))
        if self.sick:
            memory, state = memory.detach(), state.detach()
        h, _ = self.decoder(self.target(written), state)
        attention = (h @ memory.transpose(1, 2) / h.shape[-1] ** 0.5).softmax(-1)
        return self.write(torch.cat([h, attention @ memory], -1))


def _written(output: Tensor, batch: tuple[Tensor, ...]) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), batch[2].flatten())


@twins
def context_detached(sick: bool) -> Patient:
    """Between encoder and decoder the graph is cut: what is read is never learnt."""
    read = torch.randint(2, 14, (48, 7))
    answer = (read.flip(1) + 3) % 12 + 2
    begin = torch.ones(48, 1, dtype=torch.long)
    batch = (read, torch.cat([begin, answer[:, :-1]], 1), answer)
    model = Reverser(sick)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, _written, batch, lambda m, b: m(b[0], b[1]), optimizer)


class Mixture(nn.Module):
    """Three experts, and a gate that says how much each of them counts."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.sick = sick
        self.gate = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 3))
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 1)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        share = self.gate(x).softmax(-1)
        if self.sick:
            share = share.data
        said = torch.cat([expert(x) for expert in self.experts], 1)
        return (share * said).sum(1, keepdim=True)


@twins
def gate_by_data(sick: bool) -> Patient:
    """A gate's shares are taken by `.data`, so that it stays as it was drawn."""
    x, y = teacher(128, 6)
    model = Mixture(sick)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.SmoothL1Loss(), (x, y), optimizer=optimizer)


@twins
def head_added_later(sick: bool) -> Patient:
    """The optimiser was made before `add_module` brought the last layer."""
    x, y = pictures(64)
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(1, 8, 3, stride=2, padding=1))
    model.add_module("norm", nn.InstanceNorm2d(8, affine=True))
    model.add_module("bend", nn.LeakyReLU())
    model.add_module("rows", nn.Flatten())
    optimizer = torch.optim.RMSprop(model.parameters(), 3e-3)
    model.add_module("head", nn.Linear(128, 10))
    if not sick:
        optimizer = torch.optim.RMSprop(model.parameters(), 3e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


class Codes(nn.Module):
    """An autoencoder whose encoder is set to evaluation where its codes are computed."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.sick = sick
        self.encoder = nn.Sequential(
            *(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.2)),
            *(nn.Linear(48, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.2)),
        )
        self.decoder = nn.Sequential(nn.Linear(24, 48), nn.ReLU(), nn.Linear(48, 64))

    def codes(self, x: Tensor) -> Tensor:
        if self.sick:
            self.encoder.eval()
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.codes(x))


@twins
def encoder_in_evaluation(sick: bool) -> Patient:
    """`self.encoder.eval()` within a helper, left from showing codes: norms and dropout sleep."""
    x, _ = flat_digits(96)
    model = Codes(sick)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.MSELoss(), (x, x.clone()), optimizer=optimizer)


class AttentivePooling(nn.Module):
    """Every moment of a series gets a weight; the weights sum to 1 over time, or over the batch."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.dim = 0 if sick else 1
        self.see = nn.Conv1d(5, 24, 3, padding=1)
        self.score = nn.Linear(24, 1)
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = F.gelu(self.see(x.transpose(1, 2))).transpose(1, 2)
        weight = F.softmax(self.score(h).squeeze(-1), dim=self.dim)
        return self.head((weight[:, :, None] * h).sum(1))


@twins
def softmax_over_batch(sick: bool) -> Patient:
    """Attention's softmax runs along dim 0: the examples of a batch share one sum."""
    x, y = drifts(48, 20, 5, 4)
    model = AttentivePooling(sick)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


class ChannelsFirst(nn.Module):
    """Convolutions, and rows for the head: of an example's channels, or of a channel's examples."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.sick = sick
        self.conv = nn.Conv2d(1, 12, 3, padding=1)
        self.norm = nn.GroupNorm(3, 12)
        self.head = nn.Linear(12 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        if self.sick:
            h = h.transpose(0, 1).contiguous()
        return self.head(h.view(len(x), -1))


@twins
def rows_of_channels(sick: bool) -> Patient:
    """A transpose to (channel, example, ...) before `view(batch, -1)`: the shapes fit all the same.

    The batch is a multiple of nothing in particular; every row holds pieces of several pictures.
    """
    x, y = pictures(50)
    model = ChannelsFirst(sick)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


class DilatedWords(nn.Module):
    """A WaveNet of words: residual dilated convolutions that see the past, or both sides."""

    def __init__(self, sick: bool, words: int = 24, width: int = 32) -> None:
        super().__init__()
        self.sick = sick
        self.read = nn.Embedding(words, width)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in (1, 2, 4))
        self.write = nn.Linear(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.read(tokens).transpose(1, 2)
        for layer in self.layers:
            around = 2 * layer.dilation[0]
            sides = (around // 2, around // 2) if self.sick else (around, 0)
            h = h + F.silu(layer(F.pad(h, sides)))
        return self.write(h.transpose(1, 2))


def _next(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.transpose(1, 2), target)


@twins
def padding_on_both_sides(sick: bool) -> Patient:
    """Convolutions of a language model are padded as pictures are: each place sees the next."""
    x, y = texts(32, 20, 24)
    model = DilatedWords(sick)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, _next, (x, y), optimizer=optimizer)


def _soft(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of mixed labels, by hand."""
    return -(target * output.log_softmax(1)).sum(1).mean()


def _parts(model: nn.Module, batch: Any, count: int) -> list[Tensor]:
    """Add the gradients of so many parts of the batch up, and return their losses."""
    losses = []
    for x, y in zip(*(values.chunk(count) for values in batch), strict=True):
        loss = _soft(model(x), y) / count
        loss.backward()
        losses.append(loss.detach())
    return losses


def _four_parts_kept(model: nn.Module, optimizer: Optimizer, batch: Any) -> Tensor:
    losses = _parts(model, batch, 4)
    optimizer.step()
    return sum(losses)


def _four_parts(model: nn.Module, optimizer: Optimizer, batch: Any) -> Tensor:
    losses = _parts(model, batch, 4)
    optimizer.step()
    optimizer.zero_grad()
    return sum(losses)


@twins
def accumulation_without_end(sick: bool) -> Patient:
    """Four parts make a step, and after the step nobody clears what they added up (mixup)."""
    x, y = pictures(64)
    target = F.one_hot(y, 10).float()
    share, other = 0.5 + 0.5 * torch.rand(64, 1), torch.randperm(64)
    target = share * target + (1 - share) * target[other]
    x = share[..., None, None] * x + (1 - share[..., None, None]) * x[other]
    model = nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.GroupNorm(2, 12), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 10)),
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    step = _four_parts_kept if sick else _four_parts
    return Patient(model, _soft, (x, target), optimizer=optimizer, step=step)


def _scheduled(total: int) -> Callable[..., Tensor]:
    """Return a step whose rate falls in a line to 0 after so many calls."""

    def step(model: nn.Module, optimizer: Optimizer, batch: Any) -> Tensor:
        for group in optimizer.param_groups:
            group["calls"] += 1
            group["lr"] = group["first_lr"] * max(0.0, 1 - group["calls"] / total)
        optimizer.zero_grad()
        loss = F.l1_loss(model(batch[0]), batch[1])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss.detach()

    return step


@twins
def schedule_at_its_end(sick: bool) -> Patient:
    """The schedule's length is one, in epochs, and it is called every step: the rate is 0."""
    x, y = teacher(96, 8)
    model = nn.Sequential(nn.Linear(8, 48), nn.LayerNorm(48), nn.GELU(), nn.Linear(48, 1))
    held = {"params": list(model.parameters()), "first_lr": 1e-2, "calls": 0}
    optimizer = torch.optim.AdamW([held], 1e-2)
    step = _scheduled(1 if sick else 500)
    return Patient(model, nn.L1Loss(), (x, y), optimizer=optimizer, step=step)
