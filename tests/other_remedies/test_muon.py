import numpy as np
import pytest

from vglib.other_remedies.muon import NEAR, evened, newton_schulz, on_singular_values


@pytest.mark.parametrize("shape", [(4, 7), (7, 4)])
def test_the_products_move_the_singular_values_alone(shape):
    g = np.random.default_rng(0).standard_normal(shape)
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    wanted = u * on_singular_values(s / np.linalg.norm(g)) @ vt
    np.testing.assert_allclose(newton_schulz(g), wanted, rtol=1e-9, atol=1e-12)


def test_where_five_steps_lead():
    ends = on_singular_values(np.geomspace(0.01, 1, 5001))
    np.testing.assert_allclose([ends.min(), ends.max()], [0.6818, 1.1344], atol=1e-4)
    top = on_singular_values(np.geomspace(1e-5, 1, 5001)).max()
    assert NEAR[0] < ends.min() < 1.2 < top < NEAR[1]
    tiny = on_singular_values(np.array([1e-8]))[0]
    assert tiny == pytest.approx(3.4445**5 * 1e-8, rel=1e-6)


def test_a_gradient_of_one_direction_keeps_it():
    deep = evened(depth=10, activation="sigmoid")
    assert deep.near == pytest.approx(0.02)
    assert evened().near > 0.6
    np.testing.assert_allclose(deep.after, on_singular_values(deep.before), atol=1e-9)


def test_where_there_is_no_gradient_it_says_so():
    with pytest.raises(ValueError, match="gradient is 0"):
        evened(depth=50, weight_scale=1e-9)
