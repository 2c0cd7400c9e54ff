"""Shapes for images: the well-known convolutional nets, a transformer of patches and a U-Net."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.shapes_making import CLASSES, classifier, seeded


def conv_bn(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size, and its norm."""
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


@seeded
def cnn_bn() -> Patient:
    model = nn.Sequential(
        *conv_bn(3, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *conv_bn(8, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, CLASSES),
    )
    patient = classifier(model, 8, 3, 12, 12)
    patient.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return patient


class Residual(nn.Module):
    """ResNet's basic block; one ReLU module serves both places, in place, as in torchvision."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(inputs, outputs, 3, stride)
        self.conv2, self.bn2 = conv_bn(outputs, outputs, 3)
        self.relu = nn.ReLU(inplace=True)
        changes = stride > 1 or inputs != outputs
        self.downsample = nn.Sequential(*conv_bn(inputs, outputs, 1, stride)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        h = self.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        h += shortcut
        return self.relu(h)


@seeded
def resnet18() -> Patient:
    widths = [4, 4, 8, 16, 32]
    stages = [
        nn.Sequential(Residual(inputs, outputs, 1 + (i > 0)), Residual(outputs, outputs, 1))
        for i, (inputs, outputs) in enumerate(pairwise(widths))
    ]
    model = nn.Sequential(
        *conv_bn(3, 4, 7, 2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        *stages,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )
    patient = classifier(model, 4, 3, 64, 64)
    patient.optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    return patient


@seeded
def vgg16_no_bn() -> Patient:
    features: list[nn.Module] = []
    inputs = 3
    for convolutions, width in ((2, 4), (2, 8), (3, 12), (3, 16), (3, 16)):
        for _ in range(convolutions):
            features += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = width
        features.append(nn.MaxPool2d(2))
    model = nn.Sequential(
        nn.Sequential(*features),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Sequential(
            nn.Linear(16, 32),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(32, 32),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(32, CLASSES),
        ),
    )
    return classifier(model, 4, 3, 32, 32)


class EncoderBlock(nn.Module):
    """Pre-norm attention and a perceptron, as in torchvision's ViT."""

    def __init__(self, width: int):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, 2, dropout=0.1, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.ln_1(x)
        x = x + self.self_attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    """Patches, a class token and places as bare parameters, three blocks, and a head."""

    def __init__(self, width: int = 16, blocks: int = 3):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, 4, 4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.randn(1, 17, width) * 0.02)
        self.layers = nn.ModuleList(EncoderBlock(width) for _ in range(blocks))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1) + self.pos_embedding
        for layer in self.layers:
            h = layer(h)
        return self.head(self.ln(h)[:, 0])


@seeded
def vit() -> Patient:
    return classifier(VisionTransformer(), 4, 3, 16, 16)


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1, BN, ReLU, 3x3; its output is joined to its input."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x), inplace=True))
        h = self.conv2(F.relu(self.norm2(h), inplace=True))
        return torch.cat([x, h], 1)


@seeded
def densenet121() -> Patient:
    growth, channels = 2, 4
    parts = [*conv_bn(3, channels, 3), nn.ReLU(inplace=True)]
    for block, depth in enumerate((6, 12, 24, 16)):
        for _ in range(depth):
            parts.append(DenseLayer(channels, growth))
            channels += growth
        parts += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        if block < 3:
            parts += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return classifier(nn.Sequential(*parts), 4, 3, 16, 16)


class Mixed(nn.Module):
    """Inception's block: three branches of which the channels are joined."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.branch1 = nn.Sequential(*conv_bn(inputs, width, 1), nn.ReLU(inplace=True))
        self.branch3 = nn.Sequential(
            *conv_bn(inputs, width, 1),
            nn.ReLU(inplace=True),
            *conv_bn(width, width, 3),
            nn.ReLU(inplace=True),
        )
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1), *conv_bn(inputs, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch3(x), self.pooled(x)], 1)


class InceptionOutputs(NamedTuple):
    """What torchvision's Inception returns in training mode."""

    logits: Tensor
    aux_logits: Tensor | None


class Inception(nn.Module):
    """Two blocks, with an auxiliary head between them that evaluation leaves out."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 6, 3, 2), nn.ReLU(inplace=True))
        self.mixed1, self.mixed2 = Mixed(6, 4), Mixed(12, 4)
        self.aux = nn.Sequential(
            *conv_bn(12, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)
        )
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> InceptionOutputs | Tensor:
        middle = self.mixed1(self.stem(x))
        aux = self.aux(middle) if self.training else None
        logits = self.fc(self.mixed2(middle).mean((2, 3)))
        return InceptionOutputs(logits, aux) if self.training else logits


@seeded
def inception_aux_tuple() -> Patient:
    patient = classifier(Inception(), 6, 3, 16, 16)

    def both(output: InceptionOutputs, y: Tensor) -> Tensor:
        return F.cross_entropy(output[0], y) + 0.4 * F.cross_entropy(output[1], y)

    patient.loss_fn = both
    return patient


def double(inputs: int, outputs: int) -> nn.Sequential:
    """U-Net's two convolutions."""
    return nn.Sequential(
        *conv_bn(inputs, outputs, 3),
        nn.ReLU(inplace=True),
        *conv_bn(outputs, outputs, 3),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Two steps down, two up by transposed convolutions, and the skips that are joined."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.middle = double(1, 4), double(4, 8), double(8, 16)
        self.up2, self.join2 = nn.ConvTranspose2d(16, 8, 2, 2), double(16, 8)
        self.up1, self.join1 = nn.ConvTranspose2d(8, 4, 2, 2), double(8, 4)
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        h = self.middle(F.max_pool2d(second, 2))
        h = self.join2(torch.cat([self.up2(h), second], 1))
        h = self.join1(torch.cat([self.up1(h), first], 1))
        return self.out(h)


@seeded
def unet() -> Patient:
    x = torch.randn(2, 1, 16, 16)
    return Patient(UNet(), F.binary_cross_entropy_with_logits, (x, (x > 0).float()))
