import numpy as np
import pytest
import torch
from torch import nn

from vglib.batch_norm.one_unit import RUNNING_STEPS, TRUE_MEAN, TRUE_STD, one_unit, running


def test_running_statistics_are_torchs():
    layer = nn.BatchNorm1d(1, momentum=0.2, dtype=torch.float64)
    seen = running(0.2, 16, seed=4)
    draws = np.random.default_rng(4).standard_normal((RUNNING_STEPS, 16))
    for row in draws:
        layer(torch.from_numpy(TRUE_MEAN + TRUE_STD * row)[:, None])
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert seen.averages[0, -1] == pytest.approx(layer.running_mean.item(), rel=1e-10)
    assert seen.averages[1, -1] == pytest.approx(layer.running_var.item(), rel=1e-10)
    assert seen.settled == 21
    assert 0.8**21 < 0.01 < 0.8**20


def test_the_scatter_of_the_running_mean():
    ends = [running(0.3, 8, seed=seed).averages[0, -1] for seed in range(400)]
    assert np.std(ends) == pytest.approx(running(0.3, 8).scatter, rel=0.12)


def test_shapes_survive():
    for shape, fourth in (("a bell", 3.0), ("two heaps", 1.23), ("a tail to the right", 9.0)):
        one = one_unit(shape, 1.0, 0.0, 2000)
        assert one.out.mean() == pytest.approx(0, abs=1e-9)
        assert one.out.std() == pytest.approx(1, abs=1e-4)
        assert one.fourth == pytest.approx(
            fourth, rel=0.3 if shape == "a tail to the right" else 0.1
        )
