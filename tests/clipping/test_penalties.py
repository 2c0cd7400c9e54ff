import numpy as np
import pytest

from vglib.clipping.penalties import PENALTIES, max_norm_weights, penalty


@pytest.mark.parametrize("kind", PENALTIES)
@pytest.mark.parametrize(("strength", "radius", "size"), [(1.0, 1.0, 1.0), (3.0, 0.4, 4.0)])
def test_descent_ends_at_the_closed_form(kind, strength, radius, size):
    found = penalty(kind, strength, radius, size)
    np.testing.assert_allclose(found.path[-1], found.solution, atol=1e-6)


def test_l1_makes_zeros_and_max_norm_keeps_its_radius():
    assert penalty("L1", 1.5).path[-1][1] == 0
    assert "1 of 2 exactly 0" in penalty("L1", 1.5).verdict
    for size in (1.0, 5.0):
        assert np.linalg.norm(penalty("max-norm", size=size).path[-1]) <= 1 + 1e-9
    norms = penalty().size_norms
    assert norms["L2"][-1] > 4.9 * norms["L2"][10]
    np.testing.assert_allclose(max_norm_weights(np.array([0.3, 0.1]), 1.0), [0.3, 0.1])
