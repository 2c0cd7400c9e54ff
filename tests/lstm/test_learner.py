import math

import numpy as np
import pytest
import torch

from tests.lstm.twins import twin
from vglib import learn
from vglib.lstm.learner import LOOKS, Learner, windows


def test_a_learner_descends_along_the_gradient_of_autograd():
    generator = np.random.default_rng(0)
    cell, net = twin("gru")
    learner = Learner(cell, 2, generator=generator)
    x, d_out = generator.standard_normal((6, 3, 3)), generator.standard_normal((6, 3, 2))
    w_out = torch.from_numpy(learner.w_out.copy()).requires_grad_()
    (net(torch.from_numpy(x))[0] @ w_out.T * torch.from_numpy(d_out)).sum().backward()
    gradient = learner.gradient(learner.forward(x), d_out)
    gradients = learner.arrays(gradient)
    np.testing.assert_allclose(gradients[4], w_out.grad.numpy(), rtol=1e-10, atol=1e-12)
    expected = net.weight_hh_l0.grad.numpy()
    np.testing.assert_allclose(gradients[1], expected, rtol=1e-10, atol=1e-11)
    before = learner.cell.w_h.copy()
    options = {"lr": 0.1, "rule": learn.plain, "clip": 1.0}
    ((_, (norm,)),) = learner.training(lambda outputs, y: (0.0, d_out), [(x, d_out)], 1, **options)
    assert norm == pytest.approx(math.sqrt(sum((g**2).sum() for g in gradients)))
    np.testing.assert_allclose(before - learner.cell.w_h, 0.1 * expected / norm, rtol=1e-10)
    ((losses, _),) = learner.training(
        lambda outputs, y: (math.nan, d_out * np.nan), [(x, d_out)] * 2, 2, **options
    )
    assert np.isnan(losses).tolist() == [True]
    assert np.isfinite(learner.cell.w_h).all()


def test_the_state_is_carried_on_if_asked_for():
    cell, _ = twin("lstm")
    x = np.random.default_rng(1).standard_normal((12, 2, 3))
    learner = Learner(cell, 1, generator=np.random.default_rng(2))
    whole = learner.read(learner.forward(x).h[1:])
    for carry in (True, False):
        read = []

        def loss(outputs, y, read=read):
            read.append(outputs)
            return 0.0, np.zeros_like(outputs)

        list(learner.training(loss, windows(4, x, x), 3, lr=0.1, carry=carry))
        assert np.allclose(np.concatenate(read), whole, rtol=1e-12, atol=0) == carry


def test_windows_cut_a_stream_and_leave_its_rest():
    x = np.arange(11)
    cut = [(one.tolist(), other.tolist()) for one, other in windows(4, x, -x)]
    assert cut == [([0, 1, 2, 3], [0, -1, -2, -3]), ([4, 5, 6, 7], [-4, -5, -6, -7])]


def test_a_training_is_looked_at_now_and_then_and_at_its_end():
    cell, _ = twin("tanh")
    learner = Learner(cell, 1, generator=np.random.default_rng(2))
    x = np.ones((2, 1, 3))
    seen = learner.training(
        lambda outputs, y: (1.0, np.zeros_like(outputs)), [(x, x)] * 25, 25, lr=0.1
    )
    lengths = [len(losses) for losses, _ in seen]
    assert lengths[0] == 25 // LOOKS
    assert lengths[-1] == 25


def test_what_stands_still_learns_no_more():
    cell, _ = twin("lstm")
    learner = Learner(cell, 1, generator=np.random.default_rng(2))
    still = learner.still()
    before = still.read(still.forward(np.ones((3, 1, 3))).h)
    learner.theta += 1
    np.testing.assert_array_equal(still.read(still.forward(np.ones((3, 1, 3))).h), before)
    with pytest.raises(ValueError, match="read-only"):
        still.cell.w_h[:] = 0
