from vglib.chain_rule import labs


def test_the_width_verdict_names_what_is_seen():
    lab = labs.width_lab()
    assert lab.set(width=20).verdict.startswith("vanishes")
    assert lab.set(width=300).verdict.startswith("explodes")
    assert lab.set(depth=1).verdict.startswith("too shallow")
