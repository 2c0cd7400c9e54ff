from vglib.other_remedies.watched import side_by_side


def test_trainings_side_by_side():
    assert list(side_by_side(iter("ab"), iter("x"))) == [("a", "x"), ("b", "x")]
    assert list(side_by_side(iter("a"), iter("xyz"))) == [("a", "x"), ("a", "y"), ("a", "z")]
