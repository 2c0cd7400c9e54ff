"""Blind patients in whom nothing is wrong: pictures, tables, graphs, rewards, equations."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tests.doctor.case import Patient
from tests.doctor.materials import clusters, flat_digits, mlp, pictures, teacher
from tests.doctor.training import healthy


class Graph(nn.Module):
    """Two graph convolutions: an example is a node, and its neighbours do count."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 16)
        self.second = nn.Linear(16, 3)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        h = F.dropout(F.relu(near @ self.first(x)), 0.5, self.training)
        return near @ self.second(h)


@healthy
def graph_of_papers() -> Patient:
    """A graph of 60 nodes of which a third have a label (Kipf 2017)."""
    x, y = clusters(60, 12, 3)
    alike = y[:, None] == y
    linked = torch.rand(60, 60) < torch.where(alike, 0.2, 0.02)
    linked = (linked | linked.T | torch.eye(60, dtype=torch.bool)).float()
    root = linked.sum(1).rsqrt()
    batch = {
        "x": x,
        "near": root[:, None] * linked * root,
        "y": y.where(torch.arange(60) % 3 == 0, -100),
    }
    model = Graph()
    optimizer = torch.optim.Adam(model.parameters(), 2e-2, weight_decay=5e-4)
    return Patient(
        model,
        lambda output, b: F.cross_entropy(output, b["y"]),
        batch,
        lambda m, b: m(b["x"], b["near"]),
        optimizer,
    )


class Variational(nn.Module):
    """A mean and a logarithm of a variance, a draw from them, and pixels again."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.Softplus(), nn.Linear(64, 16))
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.Softplus(), nn.Linear(64, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(z), mean, log_variance


def _bound(output: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    logits, mean, log_variance = output
    seen = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    apart = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2
    return (seen + apart).mean()


@healthy
def variational_digits() -> Patient:
    """The loss is summed over pixels and the mean of examples, some 44 at the start."""
    x, _ = flat_digits(96)
    x = (x > 0.4).float()
    model = Variational()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, _bound, (x, x.clone()), optimizer=optimizer)


class Denoiser(nn.Module):
    """Residual convolutions with group norm that are told the time; the last one starts at 0."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.enter = nn.Conv2d(1, width, 3, padding=1)
        self.time = nn.Sequential(nn.Linear(8, width), nn.SiLU(), nn.Linear(width, width))
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.leave = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        waves = t[:, None] * torch.tensor([1.0, 2.0, 4.0, 8.0])
        time = self.time(torch.cat([waves.sin(), waves.cos()], 1))[..., None, None]
        h = self.enter(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = h + conv(F.silu(norm(h + time)))
        return self.leave(F.silu(h))


def _noised(model: nn.Module, batch: tuple[Tensor]) -> tuple[Tensor, Tensor]:
    (x,) = batch
    t, noise = torch.rand(len(x)), torch.randn_like(x)
    clean, dirty = ((t * math.pi / 2).cos(), (t * math.pi / 2).sin())
    mixed = clean[:, None, None, None] * x + dirty[:, None, None, None] * noise
    return model(mixed, t), noise


@healthy
def denoiser() -> Patient:
    """Diffusion: the forward pass draws a time and the noise that is the target."""
    x, _ = pictures(48)
    model = Denoiser()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    return Patient(model, lambda output, _: F.mse_loss(*output), (2 * x - 1,), _noised, optimizer)


class TwoViews(nn.Module):
    """An encoder of pictures, one of words about them, and a temperature that is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.InstanceNorm2d(8, affine=True)),
            *(nn.GELU(), nn.Flatten(), nn.Linear(128, 16)),
        )
        self.read = nn.EmbeddingBag(30, 16)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.2)))

    def forward(self, seen: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        a, b = F.normalize(self.see(seen), dim=1), F.normalize(self.read(read), dim=1)
        return a * self.log_scale.exp(), b


def _matched(output: tuple[Tensor, Tensor], _: Any) -> Tensor:
    logits = output[0] @ output[1].T
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


@healthy
def pictures_and_words() -> Patient:
    """Contrastive pairs: the loss compares examples, the net does not (Radford 2021)."""
    x, y = pictures(32)
    words = torch.stack([y, 10 + torch.randint(20, (32,)), 10 + torch.randint(20, (32,))], 1)
    model = TwoViews()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=0.1)
    return Patient(model, _matched, (x, words), lambda m, b: m(*b), optimizer)


class ThreeHeads(nn.Module):
    """One trunk; a measure with its variance, a count, and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(10, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
        self.measure = nn.Linear(48, 2)
        self.count = nn.Linear(48, 1)
        self.tags = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.trunk(x)
        mean, width = self.measure(h).unbind(1)
        variance = F.softplus(width) + 1e-3
        count = self.count(h).squeeze(1)
        return {"mean": mean, "variance": variance, "log_rate": count, "tags": self.tags(h)}


def _three(said: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
    rare = torch.full((5,), 4.0)
    return (
        F.gaussian_nll_loss(said["mean"], batch["measure"], said["variance"])
        + F.poisson_nll_loss(said["log_rate"], batch["count"], full=True)
        + F.binary_cross_entropy_with_logits(said["tags"], batch["tags"], pos_weight=rare)
    )


@healthy
def three_heads() -> Patient:
    """Gaussian, Poisson and Bernoulli likelihoods of one trunk, tags being rare."""
    x, measure = teacher(96, 10)
    count = torch.poisson((x @ torch.randn(10) / 4 + 1).exp())
    tags = (x @ torch.randn(10, 5) / 3 > 0.9).float()
    batch = {"x": x, "measure": measure[:, 0], "count": count, "tags": tags}
    model = ThreeHeads()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, _three, batch, lambda m, b: m(b["x"]), optimizer)


class Values(nn.Module):
    """The value of four actions, and an older copy of it that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.online = mlp(6, 48, 48, 4)
        self.older = copy.deepcopy(self.online).requires_grad_(False)


def _values(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    q = model.online(batch["state"]).gather(1, batch["action"][:, None]).squeeze(1)
    with torch.no_grad():
        best = model.older(batch["next"]).amax(1)
        aim = batch["reward"] + 0.95 * (1 - batch["done"]) * best
    return q, aim


@healthy
def q_learning() -> Patient:
    """A target under no_grad, and of four actions only the one that was taken."""
    state, action = torch.randn(96, 6), torch.randint(4, (96,))
    batch = {
        "state": state,
        "action": action,
        "reward": (state @ torch.randn(6, 4)).gather(1, action[:, None]).squeeze(1).sign(),
        "next": state + 0.3 * torch.randn(96, 6),
        "done": (torch.rand(96) < 0.1).float(),
    }
    model = Values()
    optimizer = torch.optim.RMSprop(model.online.parameters(), 2e-3)
    return Patient(model, lambda o, _: F.smooth_l1_loss(*o), batch, _values, optimizer)


class OwnLatent(nn.Module):
    """An encoder and a predictor, and the encoder's moving average behind a stopped gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 24)
        )
        self.predictor = nn.Sequential(
            nn.Linear(24, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 24)
        )
        self.average = copy.deepcopy(self.encoder).requires_grad_(False)

    def forward(self, one: Tensor, two: Tensor) -> Tensor:
        said = self.predictor(self.encoder(one)), self.predictor(self.encoder(two))
        meant = self.average(two).detach(), self.average(one).detach()
        pairs = zip(said, meant, strict=True)
        return sum(2 - 2 * F.cosine_similarity(p, z, dim=1) for p, z in pairs)


def _and_average(model: nn.Module, optimizer: Optimizer, batch: Any) -> Tensor:
    optimizer.zero_grad()
    loss = model(*batch).mean()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        pairs = zip(model.average.parameters(), model.encoder.parameters(), strict=True)
        for mean, now in pairs:
            mean.lerp_(now, 0.02)
    return loss.detach()


@healthy
def own_latent() -> Patient:
    """Two views, no negatives, a moving average as the target (Grill 2020)."""
    x, _ = flat_digits(64)
    one, two = (x + 0.15 * torch.randn(64, 64) for _ in range(2))
    model = OwnLatent()
    held = [*model.encoder.parameters(), *model.predictor.parameters()]
    optimizer = torch.optim.SGD(held, 0.1, momentum=0.9, weight_decay=1e-4)
    return Patient(
        model, lambda o, _: o.mean(), (one, two), lambda m, b: m(*b), optimizer, _and_average
    )


def _residual(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = batch[0].detach().clone().requires_grad_()
        u = model(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        ends = model(batch[0].new_tensor([[-1.0], [1.0]]))
    return bend + u - batch[1], ends


@healthy
def equation() -> Patient:
    """u'' + u = f with u = 0 at both ends: the loss holds the net's derivatives by its input."""
    x = 2 * torch.rand(64, 1) - 1
    f = (1 - math.pi**2) * (math.pi * x).sin() / 3
    model = mlp(1, 32, 32, 1, activation=nn.Tanh)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    return Patient(
        model, lambda o, _: o[0].square().mean() + o[1].square().sum(), (x, f), _residual, optimizer
    )


class Prices(nn.Module):
    """Three quantiles in dollars; the scale of the dollars is a layer without gradients."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *(nn.Linear(9, 48), nn.LayerNorm(48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU()),
            nn.Linear(48, 3),
        )
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Tensor) -> Tensor:
        return self.mean + self.std * self.net(x)


def _pinball(output: Tensor, y: Tensor) -> Tensor:
    share = torch.tensor([0.1, 0.5, 0.9])
    over = y[:, None] - output
    return torch.maximum(share * over, (share - 1) * over).mean()


@healthy
def quantiles_of_prices() -> Patient:
    """Targets of some 300,000 against outputs in the same unit, and the quantiles' loss by hand."""
    x, y = teacher(96, 9)
    price = 3e5 + 8e4 * y[:, 0]
    model = Prices(price.mean(), price.std())
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    return Patient(model, _pinball, (x, price), optimizer=optimizer)
