"""Shapes made of plain layers: what goes in, what comes out, what is trained, who is called."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.shapes_making import CLASSES, classifier, labels, layers, seeded


@seeded
def mlp() -> Patient:
    return classifier(layers(), 8, 6)


@seeded
def mlp_inplace_relu() -> Patient:
    return classifier(layers(lambda: nn.ReLU(inplace=True)), 8, 6)


class Heads(nn.Module):
    """One body and two heads, of which the outputs come as a tuple or by name."""

    def __init__(self, names: tuple[str, str] | None = None):
        super().__init__()
        self.body, self.names = nn.Linear(6, 16), names
        self.classes, self.value = nn.Linear(16, CLASSES), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | dict[str, Tensor]:
        h = self.body(x).relu()
        outputs = self.classes(h), self.value(h)
        return outputs if self.names is None else dict(zip(self.names, outputs, strict=True))


@seeded
def tuple_out() -> Patient:
    patient = classifier(Heads(), 8, 6)
    patient.loss_fn = lambda output, y: F.cross_entropy(output[0], y) + output[1].square().mean()
    return patient


@seeded
def dict_out() -> Patient:
    patient = classifier(Heads(("logits", "value")), 8, 6)
    patient.loss_fn = lambda output, y: (
        F.cross_entropy(output["logits"], y) + output["value"].square().mean()
    )
    return patient


@seeded
def loss_dict() -> Patient:
    patient = classifier(layers(), 8, 6)

    def named(output: Tensor, y: Tensor) -> dict[str, Tensor]:
        right = (output.argmax(1) == y).float().mean()
        return {"loss": F.cross_entropy(output, y), "accuracy": right}

    patient.loss_fn = named
    return patient


@seeded
def loss_shape1() -> Patient:
    patient = classifier(layers(), 8, 6)
    patient.loss_fn = lambda output, y: F.cross_entropy(output, y).reshape(1)
    return patient


class Dropping(nn.Module):
    """Dropout as a module and as a function."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 32), nn.Linear(32, 32)
        self.dropout, self.head = nn.Dropout(0.5), nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout(self.first(x).relu())
        h = F.dropout(self.second(h).relu(), 0.5, self.training)
        return self.head(h)


@seeded
def dropout_net() -> Patient:
    return classifier(Dropping(), 8, 6)


@seeded
def frozen_first() -> Patient:
    patient = mlp()
    patient.model[0].requires_grad_(False)
    return patient


@seeded
def frozen_all() -> Patient:
    patient = mlp()
    patient.model.requires_grad_(False)
    return patient


class Severed(nn.Module):
    """The graph ends between the first layer and the second."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).relu().detach()
        return self.head(self.second(h).relu())


@seeded
def detached_middle() -> Patient:
    return classifier(Severed(), 8, 6)


@seeded
def nan_input() -> Patient:
    patient = mlp()
    patient.batch[0][3, 2] = torch.nan
    return patient


@seeded
def nan_layer2() -> Patient:
    patient = mlp()
    with torch.no_grad():
        patient.model[2].weight[0, 0] = torch.nan
    return patient


class Shared(nn.Module):
    """One hidden layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.first, self.again = nn.Linear(6, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).tanh()
        return self.head(self.again(self.again(h).tanh()).tanh())


@seeded
def reused_twice() -> Patient:
    return classifier(Shared(), 8, 6)


@seeded
def gan_critic_gp() -> Patient:
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def forward(critic: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        real, fake = batch["real"], batch["fake"]
        # Chance of the reader's own, from the global state as in the usual recipe.
        share = torch.rand(len(real), 1)
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return critic(real), critic(fake), (slope.norm(dim=1) - 1).square().mean()

    def loss_fn(output: tuple[Tensor, ...], batch: dict[str, Tensor]) -> Tensor:
        on_real, on_fake, penalty = output
        return on_fake.mean() - on_real.mean() + 10 * penalty

    batch = {"real": torch.randn(8, 2) + 2, "fake": torch.randn(8, 2)}
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.0, 0.9))
    return Patient(critic, loss_fn, batch, forward=forward, optimizer=optimizer)


class Pixels(nn.Module):
    """Takes bytes and scales them itself."""

    def __init__(self):
        super().__init__()
        self.layers = layers()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.float() / 255)


@seeded
def integer_input_linear() -> Patient:
    x = torch.randint(256, (8, 6), dtype=torch.uint8)
    return Patient(Pixels(), F.cross_entropy, (x, labels(8)))


class Raw(nn.Module):
    """Bare parameters: one by name, two in a list, one with three dimensions."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(6, 16) / 6**0.5)
        self.hidden = nn.ParameterList(nn.Parameter(torch.randn(16, 16) / 4) for _ in range(2))
        self.heads = nn.Parameter(torch.randn(2, 16, CLASSES) / 4)
        self.shift = nn.Parameter(torch.zeros(16))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(x @ self.first + self.shift)
        for weight in self.hidden:
            h = torch.relu(h @ weight)
        return torch.einsum("bi,hio->bo", h, self.heads)


@seeded
def raw_parameter_net() -> Patient:
    return classifier(Raw(), 8, 6)


class Pair(nn.Module):
    """Two inputs, by name alone."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(6, 16), nn.Linear(4, 16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, *, left: Tensor, right: Tensor) -> Tensor:
        return self.head(torch.relu(self.left(left) + self.right(right)))


@seeded
def kwargs_two_inputs() -> Patient:
    batch = {"left": torch.randn(8, 6), "right": torch.randn(8, 4), "y": labels(8)}
    return Patient(
        Pair(),
        lambda output, batch: F.cross_entropy(output, batch["y"]),
        batch,
        forward=lambda model, batch: model(left=batch["left"], right=batch["right"]),
    )


class Product(nn.Module):
    """A bilinear form of two inputs, and a head."""

    def __init__(self):
        super().__init__()
        self.form, self.head = nn.Bilinear(6, 4, 8), nn.Linear(8, CLASSES)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.head(torch.tanh(self.form(left, right)))


@seeded
def bilinear_two_inputs() -> Patient:
    return Patient(
        Product(),
        lambda output, batch: F.cross_entropy(output, batch[1]),
        ((torch.randn(8, 6), torch.randn(8, 4)), labels(8)),
        forward=lambda model, batch: model(*batch[0]),
    )


class Energy(nn.Module):
    """One number for the whole set of rows."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.silu(self.first(x))).sum()


@seeded
def scalar_output() -> Patient:
    return Patient(Energy(), F.mse_loss, (torch.randn(8, 6), torch.tensor(1.5)))


@seeded
def mse_broadcast() -> Patient:
    x = torch.randn(8, 6)
    # (8, 1) against (8,) becomes (8, 8); torch warns, and goes on.
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    return Patient(model, F.mse_loss, (x, x.sum(1)))


@seeded
def batch1_bn() -> Patient:
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, CLASSES))
    return classifier(model, 1, 6)


@seeded
def norm_weights_only() -> Patient:
    x = torch.randn(8, 6)
    return Patient(nn.Sequential(nn.LayerNorm(6), nn.BatchNorm1d(6)), F.mse_loss, (x, x**2))


@seeded
def conv1d_nobatch_dim() -> Patient:
    x = torch.randn(4, 20)
    model = nn.Sequential(nn.Conv1d(4, 8, 3), nn.ReLU(), nn.Conv1d(8, 2, 3))
    return Patient(model, F.mse_loss, (x, x[:2, 2:-2]))


class Teacher(nn.Module):
    """A backbone without a graph, and a mean of its features as a buffer that is replaced."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16))
        self.head = nn.Linear(16, CLASSES)
        self.register_buffer("ema", torch.zeros(16))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.backbone(x)
            if self.training:
                self.ema = 0.9 * self.ema + 0.1 * features.mean(0)
        return self.head(features - self.ema)


@seeded
def no_grad_inside() -> Patient:
    return classifier(Teacher(), 8, 6)


class Experts(nn.Module):
    """Each row goes to the expert that the router likes best; nobody likes the last."""

    def __init__(self, experts: int = 4):
        super().__init__()
        self.router, self.head = nn.Linear(6, experts), nn.Linear(6, CLASSES)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 6)) for _ in range(experts)
        )
        # Each of the others is the best on rows of its own feature, so that each is called.
        with torch.no_grad():
            self.router.weight.copy_(torch.eye(experts, 6))
            self.router.bias.zero_()[-1] = -100.0

    def forward(self, x: Tensor) -> Tensor:
        share, chosen = self.router(x).softmax(1).max(1)
        h = x.clone()
        for i, expert in enumerate(self.experts):
            rows = chosen == i
            if rows.any():
                h[rows] = x[rows] + share[rows, None] * expert(x[rows])
        return self.head(h)


@seeded
def moe_unused_expert() -> Patient:
    return classifier(Experts(), 12, 6)
