from vglib.chain_rule.local_map import local_map


def test_the_local_map_is_its_jacobian_for_a_small_circle():
    small, large = local_map(3, radius=1e-3), local_map(3, radius=3.0)
    assert small.error < 1e-2 < large.error
    assert local_map(5, radius=3.0, activation="identity").error < 1e-9
