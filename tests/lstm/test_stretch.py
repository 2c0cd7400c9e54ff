import math

import numpy as np
import pytest
import torch

from tests.lstm.twins import twin
from vglib.lstm.cells import backward, make_cell, run
from vglib.lstm.stretch import log_stretch, sequence


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh"])
def test_the_stretch_is_that_of_the_jacobian_of_autograd(kind):
    cell, net = twin(kind, 3, 6)
    x = np.random.default_rng(3).standard_normal((9, 1, 3))
    probes = np.eye(6)
    log_h, log_c = log_stretch(run(cell, x), probes, "h")
    t = 4
    with torch.no_grad():
        first = net(torch.from_numpy(x[:t]))[1]
    state = [s.clone().requires_grad_() for s in (first if kind == "lstm" else (first,))]
    end = net(torch.from_numpy(x[t:]), tuple(state) if kind == "lstm" else state[0])[0][-1, 0]
    rows = torch.stack([torch.autograd.grad(e, state[0], retain_graph=True)[0][0, 0] for e in end])
    assert math.exp(log_h[t]) == pytest.approx(float(rows.norm()) / math.sqrt(6), rel=1e-10)
    assert log_h[-1] == 0
    assert np.isfinite(log_c).any() == (kind == "lstm")


def test_the_stretch_of_the_cell_state_includes_the_way_through_its_own_h():
    cell, _ = twin("lstm", 3, 6)
    seen = run(cell, np.random.default_rng(3).standard_normal((9, 1, 3)))
    whole = np.zeros((9, 1, 6))
    rows = []
    for unit in range(6):
        out = whole.copy()
        out[-1, 0, unit] = 1
        rows.append(backward(seen, out).dc[4, 0])
    expected = np.linalg.norm(rows) / math.sqrt(6)
    assert math.exp(log_stretch(seen, np.eye(6), "h")[1][4]) == pytest.approx(expected, rel=1e-10)


def test_the_stretch_neither_underflows_nor_overflows():
    generator = np.random.default_rng(0)
    small = make_cell("lstm", 4, 8, keep_bias=-8.0, weight_scale=0.1, generator=generator)
    large = make_cell("relu", 4, 8, weight_scale=20.0, generator=generator)
    x = generator.standard_normal((200, 1, 4))
    low = log_stretch(run(small, x), np.eye(8), "c")[1][0]
    high = log_stretch(run(large, x[:150]), np.eye(8), "h")[0][0]
    # float64 ends at ln 5e-324 = -744.
    assert -2000 < low < -745
    assert 100 < high < np.inf


def test_a_longersequence_begins_like_a_shorter_one():
    np.testing.assert_array_equal(sequence(9, 1.0, 0)[:5], sequence(5, 1.0, 0))
