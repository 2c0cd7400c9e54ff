from math import sqrt

import numpy as np
import pytest
import torch

from vglib.initialization.overflow import overflow, overflow_layer, overflowing


@pytest.mark.parametrize("scale", [2.0, 4.0, 20.0])
def test_overflow_comes_where_theory_says(scale):
    seen = overflow(scale)
    for name, predicted in seen.predicted.items():
        assert seen.inf_layer[name] == pytest.approx(predicted, abs=2 + 0.02 * predicted)
    assert 0 <= seen.layers - max(seen.inf_layer.values()) <= 4
    assert abs(seen.inf_layer["bfloat16"] - seen.inf_layer["float32"]) <= 3
    assert seen.inf_layer["float16"] < seen.inf_layer["float32"] / 3


def test_one_format_alone_sees_the_same_net():
    every, one = overflow(4.0, seed=3), overflow(4.0, seed=3, formats=["bfloat16"])
    assert list(one.inf_layer) == ["bfloat16"]
    np.testing.assert_array_equal(one.log_largest["bfloat16"], every.log_largest["bfloat16"])
    assert 0 <= one.layers - one.inf_layer["bfloat16"] <= 4
    assert "bfloat16 at layer" in one.verdict
    assert "float64" not in one.verdict


def test_the_predicted_layer_grows_with_the_format():
    assert overflow_layer(65504.0, 4.0, 128) == 7
    assert overflow_layer(1e308, 4.0, 128) > overflow_layer(3e38, 4.0, 128) > 7


def test_float64_is_followed_as_by_multiplying():
    seen, generator = overflow(3.0, seed=2), torch.Generator().manual_seed(2)
    h = torch.randn(8, 128, generator=generator, dtype=torch.float64)
    sizes = []
    while not h.isnan().any():
        weight = torch.randn(128, 128, generator=generator, dtype=torch.float64)
        z = h @ (weight * (3 * sqrt(2 / 128))).T
        sizes.append(float(z.abs().max().log()))
        h = torch.relu(z)
    finite = np.array(sizes)[np.isfinite(sizes)]
    assert seen.log_largest["float64"] == pytest.approx(finite, rel=1e-9)
    assert seen.inf_layer["float64"] == len(finite) + 1
    assert seen.layers == len(sizes)


def test_an_overflow_is_watched():
    seen = list(overflowing(3.0, seed=2))
    assert [one.layers for one in seen[:3]] == [20, 40, 60]
    assert "float64 not within 20 layers" in seen[0].verdict
    assert seen[-1].verdict == overflow(3.0, seed=2).verdict
    for one in seen:
        size = one.log_largest["float64"]
        np.testing.assert_array_equal(size, seen[-1].log_largest["float64"][: len(size)])


@pytest.mark.parametrize(("scale", "seed"), [(1.5, 2), (1.6, 39)])
def test_a_net_that_shrank_at_first_overflows_too(scale, seed):
    # There scale^l is more than float64 holds before the net's numbers are.
    seen = overflow(scale, seed, formats=("float64",))
    last = seen.inf_layer["float64"]
    assert last is not None
    assert last * np.log(scale) > np.log(torch.finfo(torch.float64).max)
    assert np.isfinite(seen.log_largest["float64"]).all()
