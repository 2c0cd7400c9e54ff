import numpy as np
import torch

from vglib.other_remedies.capsules import capsule_gradient_error, capsule_training, route, squash


def test_capsules_are_trained_by_backprop():
    assert capsule_gradient_error(3) < 1e-6
    before, after = capsule_training(60)
    assert before < 0.4
    assert after > 0.7


def test_routing_agrees_and_squash_stays_below_one():
    v = torch.tensor([[3.0, 4.0], [0.03, 0.04]], dtype=torch.float64)
    lengths = squash(v).norm(dim=-1)
    np.testing.assert_allclose(lengths, [25 / 26, 0.0025 / 1.0025], rtol=1e-12)
    predictions = torch.ones(1, 5, 2, 3, dtype=torch.float64)
    predictions[:, :, 1] = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    first, last = route(predictions, 1), route(predictions, 3)
    assert last[0, 0].norm() > first[0, 0].norm()
