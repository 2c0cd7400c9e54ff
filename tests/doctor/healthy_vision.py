"""Healthy networks that see: narrow, with the features of the architectures that they stand for."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tests.doctor.case import Patient
from tests.doctor.training import healthy

Tensor = torch.Tensor


def pictures(count: int, size: int, classes: int) -> tuple[Tensor, Tensor]:
    """Draw noisy colour pictures, each class around one smooth pattern of its own."""
    y = torch.arange(count) % classes
    smooth = F.interpolate(torch.randn(classes, 3, 4, 4), size=size, mode="bilinear")
    return smooth[y] + 0.5 * torch.randn(count, 3, size, size), y


def conv_bn(n_in: int, n_out: int, size: int = 3, stride: int = 1, groups: int = 1) -> list[Any]:
    """A convolution without a bias, for the batch norm after it brings one."""
    conv = nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(n_out)]


@healthy
def cnn_bn() -> Patient:
    """Convolutions, batch norm, ReLU in place and pooling."""
    model = nn.Sequential(
        *(*conv_bn(3, 16), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(*conv_bn(16, 32), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.25), nn.Linear(128, 10)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Patient(model, nn.CrossEntropyLoss(), pictures(32, 16, 10), optimizer=optimizer)


class BasicBlock(nn.Module):
    """Two convolutions beside an identity, or beside a 1x1 convolution where the size changes."""

    def __init__(self, n_in: int, n_out: int, stride: int, zero_gamma: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(n_in, n_out, stride=stride)
        self.conv2, self.bn2 = conv_bn(n_out, n_out)
        self.relu = nn.ReLU(inplace=True)
        same = stride == 1 and n_in == n_out
        self.downsample = None if same else nn.Sequential(*conv_bn(n_in, n_out, 1, stride))
        if zero_gamma:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + shortcut)


class ResNet18(nn.Module):
    def __init__(self, stem: list[Any], width: int, zero_gamma: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(*stem)
        blocks, n_in = [], width
        for stage in range(4):
            n_out = width * 2**stage
            blocks += [BasicBlock(n_in, n_out, 1 if stage == 0 else 2, zero_gamma)]
            blocks += [BasicBlock(n_out, n_out, 1, zero_gamma)]
            n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(n_in, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


@healthy
def resnet18() -> Patient:
    """The stem of ImageNet: 7x7 with stride 2, then pooling."""
    stem = [*conv_bn(3, 16, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    model = ResNet18(stem, 16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    return Patient(model, nn.CrossEntropyLoss(), pictures(16, 32, 10), optimizer=optimizer)


@healthy
def resnet_zero_gamma() -> Patient:
    """Each block starts as the identity: no gradient reaches its convolutions at the first step."""
    model = ResNet18([*conv_bn(3, 8), nn.ReLU(inplace=True)], 8, zero_gamma=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    return Patient(model, nn.CrossEntropyLoss(), pictures(16, 16, 10), optimizer=optimizer)


class DenseLayer(nn.Module):
    """Norm, ReLU and convolution, twice; what comes out is put beside what came in."""

    def __init__(self, n_in: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(n_in), nn.Conv2d(n_in, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(inner)))], 1)


@healthy
def densenet() -> Patient:
    growth, width = 4, 8
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False)]
    for stage in range(3):
        if stage:
            layers += [
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width // 2, 1, bias=False),
            ]
            layers += [nn.AvgPool2d(2)]
            width //= 2
        for _ in range(3):
            layers += [DenseLayer(width, growth)]
            width += growth
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(width, 6))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), pictures(12, 16, 6), optimizer=optimizer)


class InvertedResidual(nn.Module):
    """Wide inside, one channel a filter there, and no activation at the narrow end."""

    def __init__(self, n_in: int, n_out: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = n_in * expand
        self.conv = nn.Sequential(
            *(*conv_bn(n_in, inner, 1), nn.ReLU6(inplace=True)),
            *(*conv_bn(inner, inner, 3, stride, groups=inner), nn.ReLU6(inplace=True)),
            *conv_bn(inner, n_out, 1),
        )
        self.use_shortcut = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_shortcut else self.conv(x)


@healthy
def mobilenet() -> Patient:
    stages = [(8, 12, 1, 3), (12, 12, 1, 3), (12, 24, 2, 3), (24, 24, 1, 3)]
    model = nn.Sequential(
        *(*conv_bn(3, 8, 3, 2), nn.ReLU6(inplace=True)),
        *(InvertedResidual(*stage) for stage in stages),
        *(*conv_bn(24, 64, 1), nn.ReLU6(inplace=True)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 10)),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    nn.init.normal_(model[-1].weight, 0, 0.01)
    nn.init.zeros_(model[-1].bias)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=4e-5)
    return Patient(model, nn.CrossEntropyLoss(), pictures(16, 32, 10), optimizer=optimizer)


class Fire(nn.Module):
    """Few channels, then many of two sizes side by side."""

    def __init__(self, n_in: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(n_in, squeeze, 1)
        self.one, self.three = (
            nn.Conv2d(squeeze, expand, size, padding=size // 2) for size in (1, 3)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.squeeze(x))
        return torch.cat([self.relu(self.one(x)), self.relu(self.three(x))], 1)


@healthy
def squeezenet() -> Patient:
    """No norm, and a ReLU behind the last convolution, as published: the logits are never < 0."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 24, 3, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(24, 12, 24), Fire(48, 12, 24), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(48, 16, 32), nn.Dropout(0.5), nn.Conv2d(64, 5, 1), nn.ReLU(inplace=True)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Patient(model, nn.CrossEntropyLoss(), pictures(20, 32, 5), optimizer=optimizer)


class Block(nn.Module):
    """A transformer's block with its norms in front, attention's three matrices packed into one."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=0.1, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm1(x)
        x = x + self.attention(inner, inner, inner, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches, a token for the class, and a head of zeros: nothing below it moves at first."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.blocks = nn.Sequential(*(Block(width, 4) for _ in range(3)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], 1) + self.position
        return self.head(self.norm(self.blocks(tokens))[:, 0])


@healthy
def vit_zero_head() -> Patient:
    model = ViT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    return Patient(model, nn.CrossEntropyLoss(), pictures(32, 16, 10), optimizer=optimizer)


def double(n_in: int, n_out: int) -> nn.Sequential:
    """Two convolutions with norm and ReLU, as at each height of a U-Net."""
    return nn.Sequential(*conv_bn(n_in, n_out), nn.ReLU(), *conv_bn(n_out, n_out), nn.ReLU())


class UNet(nn.Module):
    """Down and up again, with what was seen on the way down put beside on the way up."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down1, self.down2 = double(3, width), double(width, 2 * width)
        self.bottom = double(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.join2, self.join1 = double(4 * width, 2 * width), double(2 * width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        low = self.bottom(F.max_pool2d(second, 2))
        low = self.join2(torch.cat([second, self.up2(low)], 1))
        return self.out(self.join1(torch.cat([first, self.up1(low)], 1)))


def two_halves(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> Tensor:
    """Add the gradients of two halves up on purpose, and start from none."""
    optimizer.zero_grad()
    total = torch.zeros(())
    for x, y in zip(*(part.chunk(2) for part in batch), strict=True):
        loss = F.binary_cross_entropy_with_logits(model(x), y) / 2
        loss.backward()
        total = total + loss.detach()
    optimizer.step()
    return total


@healthy
def unet() -> Patient:
    """Segmentation, most of the picture being background; two halves make one step."""
    x, _ = pictures(8, 24, 8)
    model = UNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    batch = (x, (x[:, :1] > 0.8).float())
    loss = nn.BCEWithLogitsLoss()
    return Patient(model, loss, batch, optimizer=optimizer, step=two_halves)


class FrozenBackbone(nn.Module):
    """A backbone that stays as it is, its batch norms in evaluation mode, under a new head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            *(*conv_bn(3, 16, 3, 2), nn.ReLU()),
            *(BasicBlock(16, 32, 2), nn.AdaptiveAvgPool2d(2), nn.Flatten()),
        )
        self.head = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 5))
        self.backbone.requires_grad_(False)

    def train(self, mode: bool = True) -> "FrozenBackbone":
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))


@healthy
def frozen_backbone() -> Patient:
    x, y = pictures(32, 16, 5)
    model = FrozenBackbone()
    # Its statistics were learnt elsewhere, on pictures of the same kind.
    model.backbone.train()
    with torch.no_grad():
        for _ in range(30):
            model.backbone(x + 0.3 * torch.randn_like(x))
    model.train()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.05, momentum=0.9)
    return Patient(model, nn.CrossEntropyLoss(), (x, y), optimizer=optimizer)
