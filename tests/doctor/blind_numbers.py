"""Blind patients whose numbers leave their range, and losses that ask for something else."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.materials import teacher
from tests.doctor.training import twins


def sentences(size: int, length: int, words: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return sentences of several lengths, padded with 0, half of whose words are their class's."""
    labels = torch.arange(size)[torch.randperm(size)] % classes
    own = 1 + labels[:, None] + classes * torch.randint((words - 1) // classes, (size, length))
    x = torch.where(torch.rand(size, length) < 0.5, own, torch.randint(1, words, (size, length)))
    ends = torch.randint(length // 2, length + 1, (size, 1))
    return x.where(torch.arange(length) < ends, 0), labels


class Places(nn.Module):
    """Nodes have places in space; two are linked the likelier the larger their product is."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.place = nn.Embedding(nodes, 32)
        nn.init.normal_(self.place.weight, std=0.8)

    def forward(self, pairs: Tensor) -> Tensor:
        a, b = self.place(pairs).unbind(1)
        return (a * b).sum(1)


def _by_hand(score: Tensor, linked: Tensor) -> Tensor:
    p = torch.sigmoid(score)
    return -(linked * torch.log(p) + (1 - linked) * torch.log(1 - p)).mean()


def _by_logsigmoid(score: Tensor, linked: Tensor) -> Tensor:
    return -(linked * F.logsigmoid(score) + (1 - linked) * F.logsigmoid(-score)).mean()


@twins
def log_of_sigmoid(sick: bool) -> Patient:
    """Links of a graph with itself: the sigmoid is 1 in float32, and the log of 1 - 1 is not."""
    pairs = torch.randint(40, (192, 2))
    pairs[::4, 1] = pairs[::4, 0]
    linked = (pairs[:, 0] % 4 == pairs[:, 1] % 4).float()
    model = Places(40)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    loss = _by_hand if sick else _by_logsigmoid
    return Patient(model, loss, (pairs, linked), optimizer=optimizer)


class Pool(nn.Module):
    """The mean of the words, weighted by what they say and without what is padding."""

    def __init__(self, sick: bool, width: int) -> None:
        super().__init__()
        self.sick = sick
        self.score = nn.Linear(width, 1)

    def forward(self, h: Tensor, padding: Tensor) -> Tensor:
        score = self.score(h).squeeze(-1)
        if self.sick:
            score = score + padding.float() * float("-inf")
        else:
            score = score.masked_fill(padding, float("-inf"))
        return (score.softmax(1)[..., None] * h).sum(1)


class Reader(nn.Module):
    """Embedded words, a layer, a pool over them and a head."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 24, padding_idx=0)
        self.layer = nn.Linear(24, 24)
        self.pool = Pool(sick, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.pool(F.silu(self.layer(self.words(tokens))), tokens == 0))


@twins
def mask_times_infinity(sick: bool) -> Patient:
    """A mask of 0 and 1 times minus infinity: where nothing is masked, 0 * inf is nan."""
    x, y = sentences(48, 12, 50, 3)
    model = Reader(sick)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(model, nn.CrossEntropyLoss(label_smoothing=0.1), (x, y), optimizer=optimizer)


class UnitLength(nn.Module):
    """Rows of length one."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.sick = sick

    def forward(self, x: Tensor) -> Tensor:
        return x / x.norm(dim=-1, keepdim=True) if self.sick else F.normalize(x, dim=-1)


class Counted(nn.Module):
    """Counts of words, of length one, and two layers on them."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.unit = UnitLength(sick)
        self.hidden = nn.Linear(40, 32)
        self.head = nn.Linear(32, 4)

    def forward(self, counts: Tensor) -> Tensor:
        return self.head(F.elu(self.hidden(self.unit(counts))))


@twins
def empty_documents(sick: bool) -> Patient:
    """Counts are divided by their length; some documents hold no word of the dictionary."""
    words, y = sentences(64, 16, 40, 4)
    counts = F.one_hot(words, 40).sum(1).float()
    counts[:, 0] = 0
    counts[[5, 23, 60]] = 0
    model = Counted(sick)
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    return Patient(model, nn.CrossEntropyLoss(), (counts, y), optimizer=optimizer)


class Chain(nn.Module):
    """A conditional random field: what each place says of its tag, and which tags follow which."""

    def __init__(self, sick: bool, words: int, tags: int) -> None:
        super().__init__()
        self.sick = sick
        self.words = nn.Embedding(words, 16)
        self.say = nn.Linear(16, tags)
        self.follow = nn.Parameter(0.1 * torch.randn(tags, tags))

    def all_ways(self, said: Tensor) -> Tensor:
        """Return the logarithm of the sum over all ways through the tags."""
        way = said[:, 0]
        for now in said.unbind(1)[1:]:
            more = way[:, :, None] + self.follow
            if self.sick:
                way = torch.log(torch.exp(more).sum(1)) + now
            else:
                way = torch.logsumexp(more, 1) + now
        return torch.logsumexp(way, 1)

    def forward(self, tokens: Tensor, tags: Tensor) -> Tensor:
        said = self.say(self.words(tokens))
        own = said.gather(2, tags[..., None]).sum((1, 2))
        own = own + self.follow[tags[:, :-1], tags[:, 1:]].sum(1)
        return (self.all_ways(said) - own) / tokens.shape[1]


@twins
def chain_without_maximum(sick: bool) -> Patient:
    """The forward algorithm by hand: after some fifty places exp leaves float32."""
    tokens = torch.randint(30, (16, 64))
    noise = torch.rand(16, 64) < 0.05
    tags = torch.where(noise, torch.randint(6, (16, 64)), tokens % 6)
    model = Chain(sick, 30, 6)
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    return Patient(
        model, lambda output, _: output.mean(), (tokens, tags), lambda m, b: m(*b), optimizer
    )


class Residual(nn.Module):
    """Two residual layers with norms, and an output of shape (batch, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(10, 32)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(2))
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(2))
        self.leave = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            h = h + F.elu(layer(norm(h)))
        return self.leave(h)


def _log_cosh_all(output: Tensor, y: Tensor) -> Tensor:
    return torch.log(torch.cosh(output - y)).mean()


def _log_cosh(output: Tensor, y: Tensor) -> Tensor:
    return torch.log(torch.cosh(output.squeeze(1) - y)).mean()


@twins
def column_less_row(sick: bool) -> Patient:
    """A loss by hand of (N, 1) less (N,): every answer is compared with every target."""
    x, y = teacher(80, 10)
    model = Residual()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    loss = _log_cosh_all if sick else _log_cosh
    return Patient(model, loss, (x, y[:, 0]), optimizer=optimizer)


class Towers(nn.Module):
    """A person's vector and the sum of a film's labels' vectors; their product is the score."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.sick = sick
        self.person = nn.Embedding(60, 16)
        self.labels = nn.EmbeddingBag(25, 16, mode="sum")
        self.bias = nn.Parameter(torch.zeros(()))
        nn.init.normal_(self.person.weight, std=0.3)
        nn.init.normal_(self.labels.weight, std=0.3)

    def forward(self, person: Tensor, labels: Tensor) -> Tensor:
        score = (self.person(person) * self.labels(labels)).sum(-1) + self.bias
        return torch.sigmoid(score) if self.sick else score


def _liked(output: Tensor, batch: dict[str, Tensor]) -> Tensor:
    weight = torch.tensor(2.0)
    return F.binary_cross_entropy_with_logits(output, batch["liked"], pos_weight=weight)


@twins
def taste_in_two_sigmoids(sick: bool) -> Patient:
    """Two towers end in torch.sigmoid, and the loss takes logits."""
    person, labels = torch.randint(60, (160,)), torch.randint(25, (160, 4))
    taste, kind = torch.randn(60, 4), torch.randn(25, 4)
    liked = (taste[person] * kind[labels].sum(1)).sum(1) > 1
    batch = {"person": person, "labels": labels, "liked": liked.float()}
    model = Towers(sick)
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    return Patient(model, _liked, batch, lambda m, b: m(b["person"], b["labels"]), optimizer)
