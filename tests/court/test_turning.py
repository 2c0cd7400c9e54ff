import numpy as np
import pytest
import torch
from torch import nn

from vglib.court import turning
from vglib.data import digits


def test_all_at_once_is_each_by_itself():
    """The same draws and steps through torch's own layers and optimiser, one net."""
    seed, rate = 3, 0.3
    together = turning.accuracies("relu", seed, 2)[turning.RATES.index(rate), 0]
    generator, data = torch.Generator().manual_seed(seed), digits(torch.float32)
    layers = [nn.Linear(n, m) for n, m in zip(turning.SIZES, turning.SIZES[1:], strict=False)]
    with torch.no_grad():
        for layer in layers:
            n, m = layer.in_features, layer.out_features
            layer.weight.copy_((2 / n) ** 0.5 * torch.randn(n, m, generator=generator).T)
            layer.bias.zero_()
    net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    rows = torch.randint(len(data.x_train), (turning.STEPS, turning.BATCH), generator=generator)
    optimizer = torch.optim.SGD(net.parameters(), rate)
    for batch in rows:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(data.x_train[batch]), data.y_train[batch]).backward()
        optimizer.step()
    alone = (net(data.x_test).argmax(1) == data.y_test).double().mean().item()
    assert together == pytest.approx(alone, abs=0.01)


def test_the_ruling_turns_with_the_rate_and_the_grid_ends_it():
    at_relus, at_sigmoids = (turning.turned(rate, 9) for rate in ("0.1", "3"))
    assert at_relus.lead > 0.5
    assert at_relus.ruling == "holds"
    assert at_sigmoids.lead < -0.5
    assert "the other way round" in at_sigmoids.verdict
    grid = turning.turned("3", 9, grid=True)
    assert abs(grid.lead) < 0.1
    assert grid.verdict.startswith("each at its best of 6 rates, 9 seeds: ReLU is ")


def test_the_seeds_that_count_are_the_first_ones():
    one, nine = turning.turned("1", 1), turning.turned("1", 9)
    np.testing.assert_array_equal(one.medians, one.accuracy[..., 0])
    np.testing.assert_array_equal(nine.medians, np.median(nine.accuracy, axis=-1))
    assert not np.array_equal(one.medians, nine.medians)


def test_the_sigmoids_come_first():
    first, second = turning.turning("0.1")
    assert np.isfinite(first.accuracy[0]).all()
    assert np.isnan(first.accuracy[1]).all()
    assert first.verdict == "The nets are being trained."
    assert np.isfinite(second.accuracy).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [({"rate": "0.2"}, "one of 0.03, 0.1, 0.3, 1, 3, 10"), ({"seeds": 10}, "from 1 to 9")],
)
def test_what_cannot_be_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        turning.turned(**values)
