import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from vglib.data import digits
from vglib.probe import trace
from vglib.sigmoid.twins import STEPS, centring, steps_to_80, training_twins, twins
from vglib.training import fit


def test_twins_differ_in_nothing_but_the_mean():
    data = digits()
    x, y = data.x_train[:100], data.y_train[:100]
    for depth in (1, 4):
        plain, twin = twins(depth, 2)
        torch.testing.assert_close(plain(x), twin(x), rtol=1e-10, atol=1e-12)
        one, other = (trace(n, x, y, cross_entropy) for n in (plain, twin))
        np.testing.assert_allclose(one.log_delta, other.log_delta, atol=1e-9)
        layers = [(n.activation.function, n.weights[0], n.biases[0]) for n in (plain, twin)]
        means = [phi(linear(x, *layer)).mean().item() for phi, *layer in layers]
        assert means[1] == pytest.approx(means[0] - 0.5, abs=1e-9)


def test_the_mean_decides_at_depth_four_and_not_at_a_small_step():
    found = [centring(4, 3.0, seed) for seed in (0, 1)]
    assert all(c.centred.test_accuracy[-1] > c.plain.test_accuracy[-1] + 0.3 for c in found)
    small = centring(2, 0.3)
    assert small.centred.test_accuracy[-1] == pytest.approx(small.plain.test_accuracy[-1], abs=0.05)
    assert small.verdict.startswith("no gain")


def test_the_steps_needed_are_those_of_the_whole_training():
    found = centring(3, 3.0, 0)
    assert steps_to_80("plain", 3, 3.0, 0) == found.plain.needed
    assert steps_to_80("centred", 3, 3.0, 0) == found.centred.needed
    assert steps_to_80("plain", 4, 3.0, 0) == math.inf


def test_they_learn_as_with_fit():
    found = centring(2, 1.0, 5)
    for net, ours in zip(twins(2, 5), (found.plain, found.centred), strict=True):
        options = {"batch": 32, "steps": STEPS, "record_at": 10, "probe_size": 300, "seed": 5}
        history = fit(net, digits(), loss=cross_entropy, lr=1.0, **options)
        assert ours.steps.tolist() == history.steps.tolist()
        np.testing.assert_allclose(ours.losses, history.losses, rtol=1e-9)
        np.testing.assert_array_equal(ours.train_accuracy, history.train_accuracy)
        np.testing.assert_array_equal(ours.test_accuracy, history.test_accuracy)


def test_the_twins_are_watched_from_their_start():
    results = list(training_twins(1, 2.5, 3))
    end = results[-1]
    assert [len(r.plain.steps) for r in results] == list(range(1, 32))
    for earlier in results:
        seen = len(earlier.centred.steps)
        np.testing.assert_array_equal(earlier.centred.losses, end.centred.losses[:seen])
    assert results[0].verdict.startswith("in training: after 0 steps the sigmoid reaches")
    assert results[0].verdict.endswith("steps to 80%: not yet and not yet.")
    assert "after 300 steps" in end.verdict
    assert "in training" not in end.verdict
    assert list(training_twins(1, 2.5, 3)) == [end]
