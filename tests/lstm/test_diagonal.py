import numpy as np
import pytest
import torch
from scipy.special import logit

from vglib.lstm.cells import UNITS, draw_cell, sequence
from vglib.lstm.diagonal import diagonal, state_size


@pytest.mark.parametrize("lost", [0.01, 0.3])
def test_a_min_gru_beside_autograd(lost):
    x = torch.from_numpy(sequence(12, 1.0, 3)[:, 0])
    v, w = torch.from_numpy(draw_cell("gru", 0.0, 1.0, 3).w_in[: 2 * UNITS]).split(UNITS)
    start = h = torch.zeros(UNITS, dtype=torch.float64, requires_grad=True)
    for x_t in x:
        z = torch.sigmoid(v @ x_t + logit(lost))
        h = (1 - z) * h + z * (w @ x_t)
    (slopes,) = torch.autograd.grad(h.sum(), start)
    found = diagonal(lost, 12, seed=3)
    rms = float((slopes**2).mean().sqrt())
    assert found.log_gated[0] == pytest.approx(np.log(rms), abs=1e-12)
    assert found.state_gated[-1] == pytest.approx(float((h.detach() ** 2).mean().sqrt()), rel=1e-12)


def test_the_size_of_the_state_is_a_sum_of_squares():
    powers = 0.9 ** np.arange(30)
    assert state_size(0.9, np.array(30)) == pytest.approx(np.sqrt((powers**2).sum()), rel=1e-12)
    assert state_size(1.0, np.array(49)) == 7
    assert state_size(0.999, np.array(10**6)) == pytest.approx(22.37, abs=0.01)


def test_theory_and_measurement_meet():
    ends = [diagonal(0.05, 400, seed=seed) for seed in range(5)]
    assert np.mean([e.state[-1] / e.theory_state[-1] for e in ends]) == pytest.approx(1, abs=0.1)
    for e in ends:
        np.testing.assert_allclose(e.log_linear, e.theory_linear, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(e.log_gated[::50], e.theory_gated[::50], rtol=0.06, atol=0.3)


@pytest.mark.parametrize(("lost", "depth"), [(0.0, 10), (1.0, 10), (0.1, 0), (0.1, 2.5)])
def test_what_cannot_be_is_said(lost, depth):
    with pytest.raises(ValueError, match="it must be"):
        diagonal(lost, depth)
