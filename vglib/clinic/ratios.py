"""The update ratio ||dw|| / ||w||: at which of its values does a training work?"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vglib.clinic.patients import CLASSES, FEATURES, WIDTH, examples, generator
from vglib.networks import get_initialization
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.weather import one_thread
from vglib.words import count, number

METHODS = ("SGD", "momentum", "Adam")
RATES = {
    "SGD": np.geomspace(1e-4, 10, 11),
    "momentum": np.geomspace(1e-5, 1, 11),
    "Adam": np.geomspace(1e-6, 0.1, 11),
}
STEPS, ROWS, LOOKS = 40, 64, (1, 10, 20, 30)
GUESS = float(np.log(CLASSES))
# A training works where it takes a quarter of a guess's loss away.
WORKS = 0.75
LAW, NEAR = 1e-3, 2.0


@result
class Ratios:
    """Trainings at many rates, and one at the reader's: update ratios and losses.

    `rates`, `ratios`, `losses`: (3, 11), by method and rate: the rate, the median over layers and
    steps of ||dw|| / ||w||, the loss at the end. `by_layer`: that of the reader's net in the first
    step and, as a median, in all steps so far, (2, layers), the readout last. `loss`: the reader's,
    (41,), nan beyond `taken`.
    """

    method: str
    lr: float
    taken: int
    rates: Array
    ratios: Array
    losses: Array
    by_layer: Array
    loss: Array

    @property
    def ratio(self) -> float:
        """The median ratio of the reader's net."""
        return float(np.median(self.by_layer[1]))

    @property
    def works(self) -> np.ndarray:
        """Which of the trainings on the grid work, (3, 11)."""
        return self.losses < WORKS * GUESS

    @property
    def verdict(self) -> str:
        """One sentence: this net's ratio and loss, and the ratios at which trainings work."""
        end = self.loss[self.taken]
        word = "works" if end < WORKS * GUESS else "so far" if self.taken < STEPS else "fails"
        ends = f"to {number(float(end))}" if np.isfinite(end) else "to no number"
        ratio = f"a step moves the weights by {number(self.ratio)} of themselves"
        if not np.isfinite(self.ratio):
            ratio = "the weights are lost"
        said = f"{word}: {self.method} at a rate of {self.lr:.2g}: {ratio}"
        said = f"{said}, the loss goes from {number(float(self.loss[0]))} {ends}"
        if self.taken < STEPS:
            return f"{said} in {self.taken} steps."
        good = self.works
        if not good.any():
            return f"{said}; none of {good.size} trainings works, so no ratio is right."
        low, high = self.ratios[good].min(), self.ratios[good].max()
        near = (self.ratios > LAW / NEAR) & (self.ratios < LAW * NEAR)
        return (
            f"{said}; of {good.size} trainings {int(good.sum())} work, at ratios from "
            f"{number(float(low))} to {number(float(high))}; of "
            f"{count(int(near.sum()), 'training')} within a factor {NEAR:g} of 1e-3 "
            f"{int((near & good).sum())} work."
        )


class _Nets:
    """Equal nets side by side, one for each method and rate, and their optimisers."""

    def __init__(self, method: str, lr: float, depth: int, scale: float, seed: int) -> None:
        random, sizes = generator(seed), [FEATURES, *[WIDTH] * depth, CLASSES]
        self.lr = torch.tensor([*np.concatenate([RATES[m] for m in METHODS]), lr])[:, None, None]
        owners = [m for m in METHODS for _ in RATES[m]] + [method]
        self.adam = torch.tensor([m == "Adam" for m in owners])[:, None, None]
        keep = [0.9 if m == "momentum" else 0.0 for m in owners]
        self.keep = torch.tensor(keep, dtype=torch.float64)[:, None, None]
        self.weights: list[Tensor] = []
        for layer in range(depth + 1):
            init = "he" if layer < depth else "lecun"
            drawn = get_initialization(init).draw(sizes[layer], sizes[layer + 1], random)
            drawn = drawn * (scale if layer < depth else 1.0)
            self.weights.append(drawn.T.repeat(len(owners), 1, 1).requires_grad_())
        self.first = [torch.zeros_like(w) for w in self.weights]
        self.second = [torch.zeros_like(w) for w in self.weights]
        self.steps = 0

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Return each net's loss, (nets,)."""
        h = x.expand(len(self.lr), *x.shape)
        for weight in self.weights[:-1]:
            h = F.relu(torch.bmm(h, weight))
        out = torch.bmm(h, self.weights[-1]).transpose(1, 2)
        return F.cross_entropy(out, y.expand(len(out), -1), reduction="none").mean(1)

    def step(self, losses: Tensor) -> Array:
        """Take a step, and return ||dw|| / ||w|| of each net and layer."""
        self.steps += 1
        ratios = []
        for index, gradient in enumerate(torch.autograd.grad(losses.sum(), self.weights)):
            weight, first, second = self.weights[index], self.first[index], self.second[index]
            with torch.no_grad():
                mean = torch.where(self.adam, 0.9 * first + 0.1 * gradient, 0.0)
                first.copy_(torch.where(self.adam, mean, self.keep * first + gradient))
                second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                root = (second / (1 - 0.999**self.steps)).sqrt() + 1e-8
                scaled = first / (1 - 0.9**self.steps) / root
                moved = self.lr * torch.where(self.adam, scaled, first)
                size = weight.norm(dim=(1, 2))
                ratios.append(moved.norm(dim=(1, 2)) / size)
                weight.sub_(moved)
        return torch.stack(ratios, dim=1).numpy()


@kept(32)
def comparing(
    method: str = "SGD",
    lr: float = 0.1,
    depth: int = 4,
    weight_scale: float = 1.0,
    seed: int = 0,
) -> Iterator[Ratios]:
    """Train ReLU nets without biases 40 steps on 64 examples, at 33 rates and at one's own.

    Weights by He times `weight_scale`; momentum of 0.9; Adam's 0.9, 0.999, 1e-8. Yields what there
    is so far.
    """
    nets = _Nets(method, lr, depth, weight_scale, seed)
    x, y = examples(ROWS, seed)
    rates = np.array([RATES[m] for m in METHODS])
    losses = np.full(STEPS + 1, np.nan)
    ratios: list[Array] = []
    for step in range(STEPS + 1):
        with one_thread(), np.errstate(all="ignore"):
            now = nets.losses(x, y)
            losses[step] = float(now[-1].detach())
            if step in LOOKS or step == STEPS:
                seen = np.array(ratios)
                middle = np.median(seen, axis=0)
                yield Ratios(
                    method,
                    lr,
                    step,
                    rates,
                    np.median(middle[:-1], axis=1).reshape(rates.shape),
                    now[:-1].detach().numpy().reshape(rates.shape),
                    np.array([seen[0, -1], middle[-1]]),
                    losses.copy(),
                )
            if step < STEPS:
                ratios.append(nets.step(now))


compare = at_its_end(comparing)
