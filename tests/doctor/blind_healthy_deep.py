"""Blind patients in whom nothing is wrong: sequences, very deep nets, and a checkpoint."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.doctor.blind_numbers import sentences
from tests.doctor.case import Patient
from tests.doctor.materials import flat_digits
from tests.doctor.training import healthy


class Translator(nn.Module):
    """PyTorch's encoder and decoder, with masks of padding and of the future."""

    def __init__(self, words: int = 16, width: int = 32) -> None:
        super().__init__()
        self.source = nn.Embedding(words, width, padding_idx=0)
        self.target = nn.Embedding(words, width, padding_idx=0)
        self.places = nn.Parameter(0.1 * torch.randn(10, width))
        shape = {"dim_feedforward": 64, "dropout": 0.1, "batch_first": True, "norm_first": True}
        self.encoder = nn.TransformerEncoderLayer(width, 4, **shape)
        self.decoder = nn.TransformerDecoderLayer(width, 4, **shape)
        self.norm = nn.LayerNorm(width)
        self.write = nn.Linear(width, words)

    def forward(self, read: Tensor, written: Tensor) -> Tensor:
        length = written.shape[1]
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        padding = read == 0
        memory = self.encoder(
            self.source(read) + self.places[: read.shape[1]], src_key_padding_mask=padding
        )
        h = self.decoder(
            self.target(written) + self.places[:length],
            memory,
            tgt_mask=future,
            memory_key_padding_mask=padding,
        )
        return self.write(self.norm(h))


@healthy
def translator() -> Patient:
    """Each word's partner, in the same order; sentences of 4 to 8 words, padding ignored."""
    read = torch.randint(2, 16, (32, 8))
    read = read.where(torch.arange(8) < torch.randint(4, 9, (32, 1)), 0)
    answer = ((read + 4) % 14 + 2).where(read > 0, 0)
    written = torch.cat([torch.ones(32, 1, dtype=torch.long), answer[:, :-1]], 1)
    model = Translator()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, betas=(0.9, 0.98))
    return Patient(
        model,
        lambda o, b: F.cross_entropy(o.transpose(1, 2), b[2], ignore_index=0),
        (read, written, answer),
        lambda m, b: m(b[0], b[1]),
        optimizer,
    )


class OneLayerFourTimes(nn.Module):
    """ALBERT: small vectors of words made wide, and one layer that is used four times."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(60, 8, padding_idx=0)
        self.widen = nn.Linear(8, width)
        self.layer = nn.TransformerEncoderLayer(
            width, 4, 64, dropout=0.1, activation="gelu", batch_first=True
        )
        self.pooler = nn.Linear(width, width)
        self.head = nn.Linear(width, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.widen(self.words(tokens))
        for _ in range(4):
            h = self.layer(h, src_key_padding_mask=tokens == 0)
        return self.head(torch.tanh(self.pooler(h[:, 0])))


def _warmed(model: nn.Module, optimizer: Optimizer, batch: Any) -> Tensor:
    """A rate that rises over ten calls and then falls slowly; gradients of above 5 are cut."""
    for group in optimizer.param_groups:
        group["calls"] += 1
        group["lr"] = group["top_lr"] * min(group["calls"] / 10, (10 / group["calls"]) ** 0.5)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[0]), batch[1], label_smoothing=0.1)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return loss.detach()


@healthy
def one_layer_four_times() -> Patient:
    """Shared weights, decay of 0.1 on matrices alone, smoothed labels, a warmed up rate."""
    x, y = sentences(32, 12, 60, 4)
    model = OneLayerFourTimes()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": 0.1, "top_lr": 5e-3, "calls": 0},
        {"params": others, "weight_decay": 0.0, "top_lr": 5e-3, "calls": 0},
    ]
    optimizer = torch.optim.AdamW(groups, 5e-3, betas=(0.9, 0.95))
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    return Patient(model, loss, (x, y), optimizer=optimizer, step=_warmed)


class Deep(nn.Module):
    """Forty residual blocks, a norm in front of each."""

    def __init__(self, width: int = 32, depth: int = 40) -> None:
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            h = h + F.relu(layer(norm(h)))
        return self.head(self.norm(h))


@healthy
def forty_blocks() -> Patient:
    x, y = flat_digits(64)
    model = Deep()
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9, nesterov=True)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)


class Checkpoint(nn.Module):
    """A wide net under a new head."""

    def __init__(self, width: int = 768) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Linear(64, width), nn.LayerNorm(width), nn.GELU()),
            *(nn.Linear(width, width), nn.LayerNorm(width), nn.GELU()),
        )
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.dropout(self.body(x), 0.1, self.training))


@healthy
def fine_tuning() -> Patient:
    """A net that tells ten digits is to tell odd from even, AdamW with rate 2e-5, as for BERT."""
    x, y = flat_digits(160)
    model = Checkpoint()
    before = nn.Linear(768, 10)
    optimizer = torch.optim.Adam([*model.body.parameters(), *before.parameters()], 5e-4)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(before(model.body(x[:128])), y[:128]).backward()
        optimizer.step()
    model.zero_grad()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-5, weight_decay=0.01)
    return Patient(model, nn.CrossEntropyLoss(), (x[128:], y[128:] % 2), optimizer=optimizer)


class Hearing(nn.Module):
    """An LSTM with time in front, as torch has it, and signs with a blank at each moment."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 24, bidirectional=True)
        self.signs = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(x)
        return self.signs(h).log_softmax(-1)


def _signs(output: Tensor, batch: dict[str, Tensor]) -> Tensor:
    return F.ctc_loss(output, batch["signs"], batch["moments"], batch["lengths"])


@healthy
def time_in_front() -> Patient:
    """Inputs (time, batch, features) and connectionist classification of 4 signs in 16 moments."""
    signs = torch.randint(1, 5, (20, 4))
    heard = torch.randn(5, 6)[signs].repeat_interleave(4, dim=1).transpose(0, 1)
    batch = {
        "heard": heard + 0.3 * torch.randn(16, 20, 6),
        "signs": signs,
        "moments": torch.full((20,), 16),
        "lengths": torch.full((20,), 4),
    }
    model = Hearing()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, _signs, batch, lambda m, b: m(b["heard"]), optimizer)
