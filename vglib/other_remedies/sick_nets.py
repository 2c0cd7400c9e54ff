"""Three nets that do not train, and what they become under each design: plan and module.

Numbers are float32, as nets usually are, so that what overflows becomes inf and then NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.activations import get_activation
from vglib.networks import get_initialization, stream

PIXELS, CLASSES, CHANNELS = 64, 10, 8
# What "good" stands for: the initialisation and its scale, for layers that are not recurrent.
GOOD: Mapping[str, tuple[str, float]] = MappingProxyType(
    {"sigmoid": ("glorot", 8.0), "tanh": ("glorot", 1.0), "relu": ("he", 1.0)}
)


@dataclass(frozen=True)
class Plan:
    """A net and its training, down to each choice that a measure may change.

    `init`: the name of an initialisation, or "good", the one that suits the activation;
    `weight_scale` multiplies the weights. `shape`: "dense", "small stack" or "deep stack" (both of
    convolutions and pooling), "recurrent" or "lstm", which read the image in `depth` pieces.
    `clip`: threshold of clipping by norm; `decay`: of L2, times the learning rate;
    `patience`: looks at the validation loss without progress that end the training, 0 for never.
    """

    activation: str
    init: str
    weight_scale: float
    depth: int
    width: int
    lr: float
    shape: str = "dense"
    batch_norm: bool = False
    residual: bool = False
    dropout: float = 0.0
    decay: float = 0.0
    clip: float = inf
    patience: int = 0


SICK_NETS: Mapping[str, Plan] = MappingProxyType(
    {
        "deep sigmoid": Plan("sigmoid", "1/fan_in", 1.0, 10, 100, 0.2),
        "deep ReLU": Plan("relu", "torch", 1.0, 20, 100, 0.05),
        "recurrent": Plan("relu", "he", 1.5, 16, 50, 0.03, shape="recurrent"),
    }
)


def build(plan: Plan, seed: int) -> nn.Module:
    """Make the net of a plan: (batch, 64) pixels to (batch, 10) logits, float32."""
    return (Recurrent if plan.shape in ("recurrent", "lstm") else Layered)(plan, seed)


class Layered(nn.Module):
    """Layers h_l = drop(phi(norm(W_l h_(l-1) + b_l))), from the second on perhaps plus h_(l-1).

    Dense ones, or convolutions of 3 x 3 with pooling by 2 in two places; 2 of these, or `depth`
    when deep.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        super().__init__()
        self.plan, self.dense = plan, plan.shape == "dense"
        if self.dense:
            depth, width, outputs = plan.depth, plan.width, plan.width
            sizes = [PIXELS] + [width] * depth
            self.hidden = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(sizes))
        else:
            depth = max(2, plan.depth) if plan.shape == "deep stack" else 2
            width, outputs = CHANNELS, 4 * CHANNELS
            sizes = [1] + [width] * depth
            self.hidden = nn.ModuleList(nn.Conv2d(n, m, 3, padding=1) for n, m in pairwise(sizes))
        self.pooled = () if self.dense else (depth // 2 - 1, depth - 1)
        self.norms = _norms(plan, nn.BatchNorm1d if self.dense else nn.BatchNorm2d, width, depth)
        self.phi, self.drop = get_activation(plan.activation).function, _drop(plan)
        self.out = nn.Linear(outputs, CLASSES)
        _draw_all(self, plan, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        h = x if self.dense else x.view(-1, 1, 8, 8)
        for index, (layer, norm) in enumerate(zip(self.hidden, self.norms, strict=True)):
            new = self.drop(self.phi(norm(layer(h))))
            h = h + new if self.plan.residual and index else new
            if index in self.pooled:
                h = F.max_pool2d(h, 2)
        return self.out(h.flatten(1))


class Recurrent(nn.Module):
    """A recurrent net, or an LSTM, that reads the image in `depth` pieces; the last h is read out.

    Its "good" weights are the identity for ReLU and orthogonal otherwise, and a forget bias of 1.
    With `residual` the new state is added to the old one; batch norm has statistics for each step.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        super().__init__()
        self.plan, self.gates = plan, 4 if plan.shape == "lstm" else 1
        self.piece = -(-PIXELS // plan.depth)
        self.cell = nn.Linear(self.piece + plan.width, self.gates * plan.width)
        self.norms = _norms(plan, nn.BatchNorm1d, self.gates * plan.width, plan.depth)
        self.phi, self.drop = get_activation(plan.activation).function, _drop(plan)
        self.out = nn.Linear(plan.width, CLASSES)
        self._start(seed)

    @torch.no_grad()
    def _start(self, seed: int) -> None:
        plan, n = self.plan, self.plan.width
        good, into = plan.init == "good", get_initialization("1/fan_in")
        recurrent = get_initialization("orthogonal" if good else plan.init)
        identity = good and plan.activation == "relu" and self.gates == 1
        for gate, rows in enumerate(self.cell.weight.chunk(self.gates)):
            generator = stream(seed, 1 + gate)
            rows[:, : self.piece] = into.draw(self.piece, n, generator)
            drawn = torch.eye(n) if identity else recurrent.draw(n, n, generator)
            rows[:, self.piece :] = plan.weight_scale * drawn
        self.cell.bias.zero_()
        if good and self.gates == 4:
            self.cell.bias[n : 2 * n] = 1.0
        self.out.weight.copy_(into.draw(n, CLASSES, stream(seed, 0)))
        self.out.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        depth = self.plan.depth
        pieces = F.pad(x, (self.piece * depth - PIXELS, 0)).view(len(x), depth, self.piece)
        h = c = x.new_zeros(len(x), self.plan.width)
        for t, norm in enumerate(self.norms):
            z = norm(self.cell(torch.cat([pieces[:, t], h], 1)))
            if self.gates == 4:
                i, f, o, g = z.chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                new = torch.sigmoid(o) * torch.tanh(c)
            else:
                new = self.phi(z)
            new = self.drop(new)
            h = h + new if self.plan.residual else new
        return self.out(h)


def _norms(plan: Plan, kind: type[nn.Module], size: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(kind(size) if plan.batch_norm else nn.Identity() for _ in range(count))


def _drop(plan: Plan) -> nn.Module:
    # A dropout of 0 would still draw a number for every unit.
    return nn.Dropout(plan.dropout) if plan.dropout else nn.Identity()


@torch.no_grad()
def _draw_all(net: Layered, plan: Plan, seed: int) -> None:
    name, scale = GOOD[plan.activation] if plan.init == "good" else (plan.init, 1.0)
    rule = get_initialization(name)
    for place, layer in enumerate([*net.hidden, net.out]):
        fan_out, fan_in = layer.weight.flatten(1).shape
        generator = stream(seed, place)
        drawn = rule.draw(fan_in, fan_out, generator)
        layer.weight.copy_(plan.weight_scale * scale * drawn.view_as(layer.weight))
        layer.bias.zero_()
        if name == "torch":
            layer.bias.uniform_(-(fan_in**-0.5), fan_in**-0.5, generator=generator)
