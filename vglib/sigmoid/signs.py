"""The signs of a unit's weight gradients: how many units have one sign only, over a batch."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vglib.backprop import Flat
from vglib.data import digits
from vglib.networks import MLP, mlp
from vglib.probe import Array
from vglib.results import at_its_end, frozen, result
from vglib.sigmoid.net import descend
from vglib.words import percent

NETS = ("sigmoid", "relu", "tanh")
WIDTH, DEPTH = 100, 3
BATCHES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1437)
# Steps of a training between two counts of its signs, and between two nets that are kept.
_LOOK, _KEPT = 200, 50


def one_sign_share(gradient: Tensor) -> Tensor:
    """Return the share of units whose weight gradients never differ in sign.

    gradient: (..., units, weights); shares: (...). A weight with gradient 0 joins either side; a
    unit whose gradients are all 0 is left out. nan where that leaves no unit.
    """
    up, down = gradient.amax(-1) > 0, gradient.amin(-1) < 0
    return (up ^ down).sum(-1).double() / (up | down).sum(-1)


def parts(network: MLP, layer: int) -> tuple[Array, Array]:
    """Return each training image's delta_l (images, units) and h_(l-1) (images, weights)."""
    data = digits()
    h, pres, inputs = data.x_train, [], []
    for index, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        inputs.append(h)
        pres.append(F.linear(h, weight, bias))
        h = network.layer_activation(index).function(pres[-1])
    loss = F.cross_entropy(h, data.y_train, reduction="sum")
    (delta,) = torch.autograd.grad(loss, pres[layer - 1])
    return delta.numpy(), inputs[layer - 1].detach().numpy()


# A slider that changes the batch alone need not send the images through the nets again.
@lru_cache(maxsize=16)
def _parts(network: MLP, layer: int, taken: int) -> tuple[Array, Array]:
    return frozen(parts(network, layer))


@lru_cache(maxsize=4)
def _known(seed: int) -> dict[int, tuple[MLP, ...]]:
    """Return the three nets by the steps they had taken; it fills up as they are trained."""
    return {0: tuple(mlp(DEPTH, WIDTH, activation=a, init="1/fan_in", seed=seed) for a in NETS)}


def _training(steps: int, seed: int) -> Iterator[tuple[int, tuple[MLP, ...]]]:
    """Train the three nets side by side; yield the steps taken, and the nets as they were then.

    Goes on from the last nets that are known, so that the next stop of the slider comes quickly.
    """
    known = _known(seed)
    start = max(taken for taken in known if taken <= steps)
    nets = deepcopy(known[start])
    for taken, *_ in zip(*(_run(network, start, steps, seed) for network in nets), strict=True):
        now = known.get(taken) or deepcopy(nets)
        if taken % _KEPT == 0:
            known[taken] = now
        yield taken, now


def _run(network: MLP, start: int, steps: int, seed: int) -> Iterator[int]:
    flat = Flat(network, F.cross_entropy)
    course = {"batch": 10, "start": start, "steps": steps, "every": _LOOK, "seed": seed}
    return descend([flat.theta], lambda *batch: (flat(*batch), [flat.gradient]), lr=0.1, **course)


@result
class OneSign:
    """How many units have weight gradients of one sign, for sigmoid, ReLU and tanh.

    `batches`: (n,); `shares[name]`: (n,) mean over random batches. For the chosen batch `chosen`
    is that share and `positive[name]` the share of positive gradients of each unit, sorted.
    `steps` are those that the nets have been trained for.
    """

    batch: int
    layer: int
    steps: int
    batches: Array
    shares: Mapping[str, Array]
    chosen: Mapping[str, float]
    positive: Mapping[str, Array]

    @property
    def verdict(self) -> str:
        """One sentence: the three shares at the chosen batch size."""
        shares = ", ".join(f"{name} {percent(self.chosen[name])}" for name in NETS)
        of = "one sample" if self.batch == 1 else f"a batch of {self.batch}"
        when = "at the start" if not self.steps else f"after {self.steps} steps"
        return f"units with gradients of one sign, for {of}, layer {self.layer}, {when}: {shares}."


def counting(batch: int = 1, layer: int = 3, steps: int = 0, seed: int = 0) -> Iterator[OneSign]:
    """Count the units of a layer whose weight gradients, over a batch, share one sign.

    Nets 64-100-100-100-10 on digits, weights N(0, 1/n), biases 0, cross-entropy; trained for
    `steps` steps of SGD (lr 0.1, batch 10). dL/dW_l = sum over the batch of delta_l h_(l-1)^T.
    Yields the count where the training begins, on its way and at its end.
    """
    sizes, generator = sorted({*BATCHES, batch}), torch.Generator().manual_seed(seed)
    draws, at = [_draw(size, generator) for size in sizes], sizes.index(batch)
    for taken, nets in _training(steps, seed):
        shares, chosen, positive = {}, {}, {}
        for name, network in zip(NETS, nets, strict=True):
            delta, h = _parts(network, layer, taken)
            gradients = [np.matmul(delta[rows].swapaxes(1, 2), h[rows]) for rows in draws]
            means = [one_sign_share(torch.from_numpy(g)).mean() for g in gradients]
            shares[name], chosen[name] = np.array(means), float(means[at])
            gradient = gradients[at][-1]
            # A unit that is off for the whole batch has no share.
            with np.errstate(invalid="ignore"):
                positive[name] = np.sort((gradient > 0).sum(1) / (gradient != 0).sum(1))
        yield OneSign(batch, layer, taken, np.array(sizes, float), shares, chosen, positive)


one_sign = at_its_end(counting)


def _draw(size: int, generator: torch.Generator) -> NDArray[np.int64]:
    count = 1 if size >= BATCHES[-1] else max(2, min(20, 400 // size))
    orders = [torch.randperm(BATCHES[-1], generator=generator)[:size] for _ in range(count)]
    return torch.stack(orders).numpy()
