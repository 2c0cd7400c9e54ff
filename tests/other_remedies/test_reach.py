import numpy as np

from vglib.other_remedies.reach import reaching, run
from vglib.results import last


def test_both_trainings_are_watched():
    found = list(reaching(depth=3, seed=6))
    first, final = found[0], found[-1]
    assert first.verdict.startswith("so far, SGD ")
    assert "by then" in first.verdict
    assert final.verdict.startswith(f"after {final.steps} steps, SGD ")
    for name in ("SGD", "Adam"):
        plain = last(run(name, 3, seed=6))
        np.testing.assert_array_equal(final.runs[name].losses, plain.losses)
        assert first.runs[name].taken == final.steps // 10


def test_a_run_that_is_known_stays_beside_one_that_is_not():
    last(run("SGD", 2, 1.0, seed=7))
    last(reaching("Adam", depth=2, seed=7))
    found = list(reaching("RMSprop", depth=2, seed=7))
    assert found[0].runs["SGD"].done
    assert not found[0].runs["RMSprop"].done
    assert "SGD" in found[0].verdict
    assert len(found) > 1
