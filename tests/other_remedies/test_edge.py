import numpy as np
import pytest
import torch

from vglib.other_remedies.descent import images
from vglib.other_remedies.edge import PAIR, at_the_edge, catapult, edge
from vglib.other_remedies.net import build


def test_the_pair_descends_as_autograd_says():
    u, v = np.random.default_rng([3, 12]).standard_normal((2, 1000))
    u, v = (torch.tensor(part, requires_grad=True) for part in (u, v))
    found = catapult(2.8, seed=3)
    for loss in found.losses[:25]:
        now = (u @ v) ** 2 / 2000
        assert now.item() == pytest.approx(loss, rel=1e-8)
        for part, by_part in zip((u, v), torch.autograd.grad(now, (u, v)), strict=True):
            part.data -= found.lr * by_part


def test_the_curvature_is_that_of_autograd():
    net = build(1, 32, "tanh", "torch", 1.0, 0, "squared error")
    x, y = (torch.tensor(part[:100]) for part in images())
    targets = torch.nn.functional.one_hot(y, 10)
    pairs = zip(net.weights, net.biases, strict=True)
    parts = [torch.tensor(part) for pair in pairs for part in pair]

    def loss(w, b):
        h = torch.tanh(x @ parts[0].T + parts[1])
        return ((h @ w.T + b - targets) ** 2).sum(1).mean()

    h = torch.tanh(x @ parts[0].T + parts[1])
    read = torch.cat([h, torch.ones(100, 1)], 1)
    # The readout's block of the Hessian alone: the whole has at least its largest eigenvalue.
    block = torch.linalg.eigvalsh(2 * read.T @ read / 100)[-1].item()
    found = edge(0.5, depth=1)
    assert found.sharpness[0] >= 0.98 * block
    assert found.losses[0] == pytest.approx(loss(*parts[2:]).item(), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_it_climbs_to_the_edge_and_no_further(seed):
    small, large = edge(0.6, seed=seed), edge(1.5, seed=seed)
    assert small.rises == 0
    assert large.late == pytest.approx(2.1, abs=0.15)
    assert large.rises > 50
    assert large.taken[-1] < small.taken[-1] < small.taken[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_catapult(seed):
    found = edge(3.0, net=PAIR, seed=seed)
    assert found.taken.max() > 10
    assert found.sharpness[-1] < found.limit < found.sharpness[0]
    assert "diverges" in edge(4.5, net=PAIR, seed=seed).verdict


def test_what_is_watched_and_what_cannot_be():
    seen = list(at_the_edge(0.7, seed=5))
    assert len(seen[0].taken) < len(seen[-1].taken) == 400
    np.testing.assert_array_equal(seen[0].taken, seen[-1].taken[: len(seen[0].taken)])
    with pytest.raises(ValueError, match="no net called"):
        edge(1.0, net="cubic")
    with pytest.raises(ValueError, match="units is 0"):
        edge(0)
