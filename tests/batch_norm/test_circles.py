import numpy as np
import pytest

from vglib.batch_norm.circles import CIRCLE_KINDS, STEPS, separating, two_circles


@pytest.mark.parametrize("kind", CIRCLE_KINDS)
def test_only_an_activation_bends(kind):
    seen = two_circles(kind)
    bends = "ReLU" in kind
    assert (seen.bend > 1) == bends
    assert (seen.accuracy > 0.9) == bends


def test_a_training_is_seen_from_its_start():
    seen = list(separating("ReLU", 1, seed=3))
    assert seen[0].steps == 0
    assert "does not yet tell" in seen[0].verdict
    assert seen[-1].steps == STEPS
    assert two_circles("ReLU", 1, seed=3) is seen[-1]
    assert not np.array_equal(seen[-1].output, seen[-2].output)
