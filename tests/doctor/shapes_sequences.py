"""Shapes for sequences: recurrent nets, attention, transformers as Hugging Face writes them."""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.shapes_making import CLASSES, classifier, labels, seeded

WORDS, LENGTH, WIDTH = 40, 10, 16


@dataclass
class Output:
    """What a Hugging Face model returns: an object, with a loss where labels were given."""

    logits: Tensor
    loss: Tensor | None = None


class Conv1D(nn.Module):
    """GPT-2's linear layer, of which the weight is (inputs, outputs)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.02)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        size = (*x.shape[:-1], self.weight.shape[1])
        return torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight).view(size)


class GPT2Block(nn.Module):
    """Causal attention and a perceptron, each behind its norm."""

    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.c_proj = Conv1D(WIDTH, 3 * WIDTH), Conv1D(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            Conv1D(WIDTH, 4 * WIDTH), nn.GELU("tanh"), Conv1D(4 * WIDTH, WIDTH), nn.Dropout(0.1)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = self.c_attn(self.ln_1(x)).split(WIDTH, -1)
        q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in parts)
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(h.transpose(1, 2).reshape(x.shape))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    """Two blocks between word and place embeddings and a head that is the word embedding."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)
        self.h = nn.ModuleList([GPT2Block(), GPT2Block()])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Output:
        h = self.wte(input_ids) + self.wpe(torch.arange(input_ids.shape[1]))
        for block in self.h:
            h = block(h)
        logits = self.lm_head(self.ln_f(h))
        return Output(logits, None if labels is None else next_word(logits, labels))


def next_word(logits: Tensor, ids: Tensor) -> Tensor:
    """Cross-entropy of each word given those before it; -100 marks what does not count."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def words(rows: int = 4) -> Tensor:
    return torch.randint(WORDS, (rows, LENGTH))


@seeded
def gpt2() -> Patient:
    ids = words()
    return Patient(GPT2(), lambda output, y: next_word(output.logits, y), (ids, ids))


@seeded
def gpt2_own_loss_dict_batch() -> Patient:
    model, ids = GPT2(), words()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim < 2]
    return Patient(
        model,
        lambda output, batch: output.loss,
        {"input_ids": ids, "labels": ids.masked_fill(ids == 0, -100)},
        forward=lambda model, batch: model(**batch),
        optimizer=torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0}],
            lr=3e-4,
        ),
    )


class BertLayer(nn.Module):
    """Attention with three separate maps and a perceptron, each with its norm behind it."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.dense = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.intermediate, self.output = nn.Linear(WIDTH, 32), nn.Linear(32, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, blocked: Tensor) -> Tensor:
        maps = (self.query, self.key, self.value)
        q, k, v = (to(x).unflatten(-1, (2, -1)).transpose(1, 2) for to in maps)
        logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + blocked
        h = (self.dropout(logits.softmax(-1)) @ v).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.dropout(self.dense(h)))
        return self.norm2(x + self.dropout(self.output(F.gelu(self.intermediate(x)))))


class Bert(nn.Module):
    """Three embeddings, two layers, a pooler and a classifier."""

    def __init__(self):
        super().__init__()
        self.word = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.place, self.kind = nn.Embedding(LENGTH, WIDTH), nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList([BertLayer(), BertLayer()])
        self.pooler, self.classifier = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.register_buffer("positions", torch.arange(LENGTH)[None], persistent=False)

    def forward(self, input_ids, attention_mask, token_type_ids, labels) -> Output:
        places = self.place(self.positions[:, : input_ids.shape[1]])
        h = self.norm(self.word(input_ids) + places + self.kind(token_type_ids))
        blocked = (1.0 - attention_mask[:, None, None].float()) * torch.finfo(torch.float32).min
        for layer in self.layers:
            h = layer(h, blocked)
        logits = self.classifier(self.pooler(h[:, 0]).tanh())
        return Output(logits, F.cross_entropy(logits, labels))


@seeded
def bert_cls() -> Patient:
    ids = words(6)
    ids[::2, 7:] = 0
    batch = {
        "input_ids": ids,
        "attention_mask": (torch.arange(LENGTH) < 7) | (torch.arange(6)[:, None] % 2 == 1),
        "token_type_ids": (torch.arange(LENGTH) > 4).long().expand(6, -1),
        "labels": labels(6),
    }
    return Patient(
        Bert(),
        lambda output, batch: output.loss,
        batch,
        forward=lambda model, batch: model(**batch),
    )


class LastState(nn.Module):
    """A recurrent net, and a head on its last layer's last state."""

    def __init__(self, recurrent: nn.RNNBase):
        super().__init__()
        self.recurrent, self.head = recurrent, nn.Linear(recurrent.hidden_size, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.recurrent(x)
        return self.head((state[0] if isinstance(state, tuple) else state)[-1])


@seeded
def lstm_stack() -> Patient:
    # (time, batch, features): as many steps as rows would hide who takes one for the other.
    model = LastState(nn.LSTM(5, 8, num_layers=2, dropout=0.2))
    return Patient(model, F.cross_entropy, (torch.randn(12, 7, 5), labels(7)))


@seeded
def gru_stack() -> Patient:
    return classifier(LastState(nn.GRU(5, 8, num_layers=2, batch_first=True)), 7, 12, 5)


@seeded
def rnn_stack() -> Patient:
    model = LastState(nn.RNN(5, 8, num_layers=2, nonlinearity="relu"))
    return Patient(model, F.cross_entropy, (torch.randn(12, 7, 5), labels(7)))


@seeded
def lstm_only_tuple() -> Patient:
    x = torch.randn(6, 9, 5)
    model = nn.LSTM(5, 8, batch_first=True)
    return Patient(model, lambda output, y: F.mse_loss(output[0][..., 0], y), (x, x.sum(-1)))


class Attentive(nn.Module):
    """Packed self-attention, then attention to a memory of another width: weights not packed."""

    def __init__(self):
        super().__init__()
        self.own = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(WIDTH, 2, kdim=6, vdim=4, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = x + self.own(x, x, x)[0]
        h = h + self.cross(h, x[..., :6], x[..., 6:10])[0]
        return self.head(h.mean(1))


@seeded
def mha() -> Patient:
    return classifier(Attentive(), 5, LENGTH, WIDTH)


class Encoder(nn.Module):
    """An embedding, sines for places, torch's own encoder, and a head on the mean."""

    def __init__(self, layers: int = 3):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        rates = torch.exp(torch.arange(0, WIDTH, 2) * (-log(1e4) / WIDTH))
        angles = torch.arange(LENGTH)[:, None] * rates
        self.register_buffer("places", torch.cat([angles.sin(), angles.cos()], 1))
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        h = self.embedding(ids) * WIDTH**0.5 + self.places
        h = self.encoder(h, src_key_padding_mask=ids == 0)
        return self.head(h.mean(1))


@seeded
def transformer_encoder_emb() -> Patient:
    return Patient(Encoder(), F.cross_entropy, (words(6), labels(6)))


@seeded
def transformer_encoder_eval() -> Patient:
    # In evaluation, without a graph, torch calls one fused operator and none of the sub-modules.
    patient = transformer_encoder_emb()
    patient.model.eval()
    return patient


class Bag(nn.Module):
    """The mean of a bag's word vectors, and a head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(WORDS, WIDTH, mode="mean")
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Tensor, offsets: Tensor) -> Tensor:
        return self.head(self.embedding(tokens, offsets))


@seeded
def embedding_bag_mean() -> Patient:
    # 30 words in 6 bags: the batch's tensors have no common number of rows.
    batch = (torch.randint(WORDS, (30,)), torch.tensor([0, 3, 9, 14, 20, 27]), labels(6))
    return Patient(
        Bag(),
        lambda output, batch: F.cross_entropy(output, batch[2]),
        batch,
        forward=lambda model, batch: model(batch[0], batch[1]),
    )


class Tied(nn.Module):
    """A language model of which the decoder is the embedding."""

    def __init__(self):
        super().__init__()
        self.embedding, self.hidden = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.decoder = nn.Linear(WIDTH, WORDS)
        self.decoder.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.decoder(self.hidden(self.embedding(ids)).tanh())


@seeded
def weight_tying() -> Patient:
    ids = words()
    return Patient(Tied(), next_word, (ids, ids))
