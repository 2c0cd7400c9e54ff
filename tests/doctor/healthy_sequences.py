"""Healthy networks that read: transformers, recurrent nets, embeddings, adapters."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from tests.doctor.case import Patient
from tests.doctor.training import healthy

Tensor = torch.Tensor


def text(count: int, length: int, vocabulary: int) -> Tensor:
    """Draw sentences in which each word has three likely followers."""
    followers = torch.randint(vocabulary, (vocabulary, 3))
    words = [torch.randint(vocabulary, (count,))]
    for _ in range(length - 1):
        words.append(followers[words[-1], torch.randint(3, (count,))])
    return torch.stack(words, 1)


class CausalBlock(nn.Module):
    """GPT-2's block: norm in front, three matrices in one, a causal mask, GELU by tanh."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], self.heads, -1)
        q, k, v = (
            part.view(shape).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.c_proj(mixed.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh")))


class GPT2(nn.Module):
    """The matrix that reads words is the one that writes them."""

    _tied_weights_keys = ("lm_head.weight",)

    def __init__(self, vocabulary: int, length: int, width: int, depth: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(CausalBlock(width, 4) for _ in range(depth))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                ends_branch = name.endswith(("c_proj.weight", "c_out.weight"))
                nn.init.normal_(weight, 0, 0.02 / ((2 * depth) ** 0.5 if ends_branch else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
        self.lm_head.weight = self.wte.weight

    def forward(self, words: Tensor) -> Tensor:
        x = self.wte(words) + self.wpe(torch.arange(words.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def next_word(logits: Tensor, words: Tensor) -> Tensor:
    """Cross-entropy of all places at once."""
    return F.cross_entropy(logits.flatten(0, 1), words.flatten())


@healthy
def gpt2_tied() -> Patient:
    model = GPT2(vocabulary=48, length=24, width=48, depth=3)
    words = text(12, 25, 48)
    decayed = [weight for weight in model.parameters() if weight.dim() > 1]
    others = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))
    return Patient(model, next_word, (words[:, :-1], words[:, 1:]), optimizer=optimizer)


class Output(dict):
    """What a Hugging Face model returns: a dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class BertLayer(nn.Module):
    """Three matrices apart, what is padding hidden, the norms behind the sums."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.intermediate, self.dense = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + hidden
        mixed = (self.dropout(scores.softmax(-1)) @ v).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.dropout(self.output(mixed)))
        return self.norm2(x + self.dropout(self.dense(F.gelu(self.intermediate(x)))))


class Bert(nn.Module):
    """An encoder of sentences; of its two kinds of segment the batch has one."""

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, labels: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.places, self.segments = nn.Embedding(length, width), nn.Embedding(2, width)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(0.1)
        self.layers = nn.ModuleList(BertLayer(width, 4) for _ in range(depth))
        self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, labels)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, 0, 0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.words.weight[0] = 0

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> Output:
        places = torch.arange(input_ids.shape[1])
        segments = self.segments(torch.zeros_like(input_ids))
        x = self.dropout(self.norm(self.words(input_ids) + self.places(places) + segments))
        hidden = (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(x.dtype).min
        for layer in self.layers:
            x = layer(x, hidden)
        logits = self.classifier(self.dropout(torch.tanh(self.pooler(x[:, 0]))))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return Output(loss=loss, logits=logits)


def padded(count: int, length: int, vocabulary: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw sentences of several lengths, padded with 0, rich in words of their class."""
    y = torch.arange(count) % classes
    lengths = torch.randint(length // 2, length + 1, (count,))
    words = torch.randint(1, vocabulary, (count, length))
    of_class = (
        1 + torch.randint((vocabulary - 1) // classes, (count, length)) * classes + y[:, None]
    )
    words = torch.where(torch.rand(count, length) < 0.5, of_class, words)
    words[:, 0] = 1
    return words * (torch.arange(length) < lengths[:, None]), lengths, y


def with_own_loss(model: nn.Module, batch: dict[str, Tensor]) -> Output:
    """Hand all of a batch over by name, the labels too."""
    return model(**batch)


def own_loss(output: Output, _: Any) -> Tensor:
    """Return the loss that the model computed itself."""
    return output.loss


@healthy
def bert() -> Patient:
    words, _, y = padded(32, 16, 60, 2)
    batch = {"input_ids": words, "attention_mask": (words > 0).long(), "labels": y}
    model = Bert(vocabulary=60, length=16, width=48, depth=2, labels=2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    return Patient(model, own_loss, batch, with_own_loss, optimizer)


class Reader(nn.Module):
    """PyTorch's own encoder, its padding masked, over embedded words; the mean of what is said."""

    def __init__(self, vocabulary: int, length: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.places = nn.Parameter(0.1 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(width, 4)

    def forward(self, words: Tensor) -> Tensor:
        padding = words == 0
        x = self.embedding(words) * self.embedding.embedding_dim**0.5 + self.places
        x = self.encoder(x, src_key_padding_mask=padding)
        said = (~padding[:, : x.shape[1], None]).float()
        return self.head((x * said).sum(1) / said.sum(1))


@healthy
def transformer_emb() -> Patient:
    words, _, y = padded(32, 16, 60, 4)
    model = Reader(60, 16, 32)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    return Patient(model, nn.CrossEntropyLoss(), (words, y), optimizer=optimizer)


def waves(count: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw noisy waves of three frequencies, seen by four sensors."""
    y = torch.arange(count) % 3
    time = torch.linspace(0, 6.28, length)[:, None]
    phase = torch.rand(count, 1, 4)
    x = torch.sin((1.0 + y[:, None, None]) * time + phase)
    return x + 0.2 * torch.randn(count, length, 4), y


class Recurrent(nn.Module):
    """Two layers of LSTM, their matrices packed, and a head on the last hidden state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 32, num_layers=2, dropout=0.1, batch_first=True)
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.lstm(x)
        return self.head(output[:, -1])


def clipped(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> Tensor:
    """Clip what is far above the gradients of every day, as recurrent nets are trained."""
    x, y = batch
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return loss.detach()


@healthy
def lstm() -> Patient:
    model = Recurrent()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    return Patient(model, F.cross_entropy, waves(48, 20), optimizer=optimizer, step=clipped)


class Packed(nn.Module):
    """A GRU in both directions over sentences of several lengths, padding left out."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 16, padding_idx=0)
        self.gru = nn.GRU(16, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 2)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(
            self.embedding(words), lengths, batch_first=True, enforce_sorted=False
        )
        _, last = self.gru(packed)
        return self.head(last.transpose(0, 1).flatten(1))


def by_lengths(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
    """Call a model that wants the lengths too."""
    words, lengths, _ = batch
    return model(words, lengths)


def on_last(output: Tensor, batch: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy against the last part of the batch."""
    return F.cross_entropy(output, batch[-1])


@healthy
def gru() -> Patient:
    model = Packed()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
    return Patient(model, on_last, padded(32, 18, 40, 2), by_lengths, optimizer)


class BagOfWords(nn.Module):
    """The mean of a sentence's embedded words, of a vocabulary that the batch hardly touches."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 24)
        self.net = nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4))

    def forward(self, words: Tensor) -> Tensor:
        return self.net(self.embedding(words).mean(1))


@healthy
def emb_big_vocab() -> Patient:
    """Of 20,000 rows some hundred are read: the gradient is 0 in 98% of the entries."""
    words, _, y = padded(32, 12, 20_000, 4)
    model = BagOfWords(20_000)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    return Patient(model, nn.CrossEntropyLoss(), (words, y), optimizer=optimizer)


class LoRA(nn.Module):
    """A frozen matrix beside two small ones, of which the second starts at 0 (Hu 2021)."""

    def __init__(self, base: nn.Linear, rank: int = 4, scale: float = 2.0) -> None:
        super().__init__()
        self.base, self.scale = base.requires_grad_(False), scale
        self.lora_a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scale * F.linear(F.linear(x, self.lora_a), self.lora_b)


@healthy
def lora_b0() -> Patient:
    """Adapters at the queries and values of a frozen reader; no gradient reaches A at first."""
    words, _, y = padded(32, 16, 60, 2)
    model = Bert(vocabulary=60, length=16, width=48, depth=2, labels=2)
    model.requires_grad_(False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # What was trained elsewhere is no longer as small as at its start.
            if weight.dim() > 1 and name != "words.weight":
                weight.mul_(4.0)
            elif name == "words.weight":
                weight.mul_(20.0)
    for layer in model.layers:
        layer.query, layer.value = LoRA(layer.query), LoRA(layer.value)
    model.classifier.requires_grad_(True)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.0)
    batch = {"input_ids": words, "attention_mask": (words > 0).long(), "labels": y}
    return Patient(model, own_loss, batch, with_own_loss, optimizer)
