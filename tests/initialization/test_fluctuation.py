import math

import numpy as np
import pytest

from tests import refused
from vglib.activations import ACTIVATIONS
from vglib.initialization.fluctuation import (
    fluctuations,
    log_norm_variance,
    log_norms_of_real_nets,
)
from vglib.results import last

relu, identity = ACTIVATIONS["relu"].phi, ACTIVATIONS["identity"].phi


def test_log_norm_variance():
    assert log_norm_variance(relu, 10, 25) == pytest.approx(2)
    assert log_norm_variance(identity, 10, 25) == pytest.approx(0.8)
    rng, depth, n = np.random.default_rng(6), 5, 100
    logs = np.zeros(4000)
    for _ in range(depth):
        h = relu(math.sqrt(2) * rng.standard_normal((4000, n)))
        logs += np.log((h**2).mean(axis=1))
    assert logs.var() == pytest.approx(log_norm_variance(relu, depth, n), rel=0.15)


@pytest.mark.parametrize(("activation", "constant"), [("relu", 5), ("identity", 2)])
def test_finite_width(activation, constant):
    depth, width = 10, 100
    predicted = constant * depth / width
    with_matrices = [
        np.var(log_norms_of_real_nets(activation, depth, width, seed, 200)) for seed in range(3)
    ]
    assert np.median(with_matrices) == pytest.approx(predicted, rel=0.25)
    one = last(fluctuations(activation, depth, width))
    assert one.predicted == pytest.approx(predicted, rel=1e-10)
    assert one.variance == pytest.approx(predicted, rel=0.2)
    assert np.median(one.log_norms) < 0


def test_nets_are_watched_going_deeper_and_their_layers_are_kept():
    seen = list(fluctuations(depth=8, width=20, seed=5))
    assert len(seen) == 8
    predicted = [one.predicted for one in seen]
    assert predicted == sorted(predicted)
    # One range for all of them, that of the last.
    assert all((one.histogram.edges == seen[-1].histogram.edges).all() for one in seen)
    (again,) = fluctuations(depth=8, width=20, seed=5)
    assert again.verdict == seen[-1].verdict
    np.testing.assert_array_equal(
        last(fluctuations(depth=3, width=20, seed=5)).log_norms, seen[2].log_norms
    )


BAD = [(log_norm_variance, (relu, 0, 10)), (log_norm_variance, (relu, 3, 0))]


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_wrong_arguments_are_one_plain_sentence(function, arguments):
    refused.in_one_plain_sentence(r"must be|must lie|is 0 or positive", function, *arguments)
