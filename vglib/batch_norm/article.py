"""The Medium article's model: where batch norm stands in it, and what it costs a prediction."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from timeit import timeit

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from vglib.batch_norm.layers import generator, linear, training
from vglib.data import Dataset, digits
from vglib.probe import Array
from vglib.results import kept, last, result
from vglib.training import Training

PLACE_NAMES = {
    "none": "without",
    "before": "before the activation",
    "after": "after the activation",
    "article": "after, and on the input",
}


def article_model(place: str, n_in: int = 64, seed: int = 0) -> nn.Sequential:
    """Build n_in-300-100-10 with ReLU, float32, batch norm at the place given; He's weights.

    "article": BN, Dense(300, relu), BN, Dense(100, relu), BN, Dense(10), as in the Keras listing.
    """
    parts: list[nn.Module] = [nn.BatchNorm1d(n_in)] if place == "article" else []
    for layer, (fan_in, width) in enumerate(((n_in, 300), (300, 100)), start=1):
        parts.append(linear(fan_in, width, seed, layer, "he", torch.float32))
        relu, norm = nn.ReLU(), nn.BatchNorm1d(width)
        parts += [relu] if place == "none" else [norm, relu] if place == "before" else [relu, norm]
    return nn.Sequential(*parts, linear(100, 10, seed, 0, "glorot", torch.float32))


def training_at(
    place: str, lr: float, seed: int, steps: int, data: Dataset | None = None
) -> Iterator[Training]:
    """Train the article's model as `training` does, on `data` or digits with pixels from 0 to 1."""
    data = data or digits(standardised=False)
    net, every = article_model(place, data.n_in, seed), max(1, steps // 4)
    return training(net, data, lr=lr, steps=steps, record_at=every, seed=seed)


def place_accuracy(
    place: str, lr: float, seed: int, steps: int = 40, data: Dataset | None = None
) -> tuple[Array, Array]:
    """Train the article's model as `training_at` does; return (steps, test accuracy)."""
    history = last(training_at(place, lr, seed, steps, data)).history()
    return history.steps.astype(float), history.test_accuracy


def least_gain(seed: int, lr: float) -> float:
    """Return what batch norm gains in 60 steps at the worse of its two places, before and after."""
    none, before, after = (
        place_accuracy(place, lr, seed, 60)[1][-1] for place in ("none", "before", "after")
    )
    return float(min(before, after) - none)


@result
class Places:
    """Test accuracy for each place of batch norm, as far as the training has come.

    `steps` and each accuracy (records,), five at the end; `total` is the last of these steps.
    """

    lr: float
    total: int
    steps: Array
    accuracy: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the accuracies at the end."""
        parts = [f"{PLACE_NAMES[p]} {values[-1]:.0%}" for p, values in self.accuracy.items()]
        after = f"test accuracy after {int(self.steps[-1])} steps"
        return f"learning rate {self.lr:g}, {after}: {'; '.join(parts)}."


@kept(64)
def placing(lr: float = 0.1, steps: int = 40, seed: int = 0) -> Iterator[Places]:
    """Train the article's model four times: without batch norm and with it at three places.

    All run side by side, and what they show so far is yielded at the start and after each quarter;
    a net whose loss left the finite numbers stays where it was.
    """
    trainings = {place: training_at(place, lr, seed, steps) for place in PLACE_NAMES}
    seen: dict[str, list[float]] = {place: [] for place in PLACE_NAMES}
    quarter = steps // 4
    for taken in range(0, 4 * quarter + 1, quarter):
        for place, under_way in trainings.items():
            now = next(under_way, None)
            seen[place].append(now.records[-1].test_accuracy if now else seen[place][-1])
        accuracy = {place: np.array(values) for place, values in seen.items()}
        yield Places(lr, 4 * quarter, np.arange(0.0, taken + 1, quarter), accuracy)


def folded(model: nn.Module) -> nn.Sequential:
    """Return a chain of layers in evaluation, each batch norm folded into the layer before it.

    s = gamma / sqrt(running_var + eps); W' = s W, row by row; b' = s (b - running_mean) + beta.
    """
    parts: list[nn.Module] = []
    for part in deepcopy(model).eval().children():
        if isinstance(part, nn.BatchNorm1d) and parts and isinstance(parts[-1], nn.Linear):
            parts[-1] = fuse_linear_bn_eval(parts[-1], part)
        else:
            parts.append(part)
    return nn.Sequential(*parts)


def folding_error(seed: int = 0) -> float:
    """Return the largest difference of a logit, trained net with batch norm against folded."""
    model = last(training_at("before", 0.1, seed, 30)).network.eval()
    x = digits(torch.float32, standardised=False).x_test
    with torch.no_grad():
        return float((model(x) - folded(model)(x)).abs().max())


@torch.no_grad()
def prediction_times(batch: int = 128, rounds: int = 15) -> dict[str, Array]:
    """Time a prediction without batch norm, with it, and folded, in rounds that alternate."""
    x = torch.rand(batch, 64, generator=generator(0))
    normed = article_model("before").eval()
    nets = {"without": article_model("none"), "with": normed, "folded": folded(normed)}
    taken: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(rounds):
        for name, net in nets.items():
            taken[name].append(timeit("net(x)", globals={"net": net, "x": x}, number=5) / 5)
    return {name: np.array(times) for name, times in taken.items()}
