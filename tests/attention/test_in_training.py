import numpy as np
import pytest

from vglib.attention.in_training import CLASSES, Reader, trained
from vglib.attention.placing import PLACINGS


@pytest.mark.parametrize("name", PLACINGS)
def test_the_gradients_by_differences(name):
    reader = Reader(name, 2, seed=1)
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((3, 8, 8)), generator.integers(0, CLASSES, 3)
    _, gradients = reader.gradients(x, y)
    assert [g.shape for g in gradients] == [p.shape for p in reader.parameters]
    step = 1e-6
    for parameter, gradient in zip(reader.parameters, gradients, strict=True):
        along = generator.standard_normal(parameter.shape)
        losses = []
        for sign in (1, -2):
            parameter += sign * step * along
            losses.append(reader.gradients(x, y)[0])
        parameter += step * along
        expected = (losses[0] - losses[1]) / (2 * step)
        assert (gradient * along).sum() == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_a_small_transformer_learns_to_read():
    assert trained("pre-LN", depth=1, steps=400) > 0.75
    assert trained("pre-LN", depth=1, steps=1, lr=1e-9) < 0.4


def test_a_warm_up_begins_with_small_steps():
    assert trained("post-LN", depth=1, steps=20, warm_up=10**9, lr=1.0) == trained(
        "post-LN", depth=1, steps=1, lr=1e-9
    )
