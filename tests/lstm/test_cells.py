import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.lstm.twins import twin
from vglib.lstm.cells import NAMES, back_step, backward, log_stretch, make_cell, run, sequence


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_a_cell_is_torchs_in_output_and_gradient(kind):
    cell, net = twin(kind)
    generator = np.random.default_rng(1)
    x, w = generator.standard_normal((20, 4, 3)), generator.standard_normal((20, 4, 5))
    start = generator.standard_normal((2, 4, 5))
    h0, c0 = (torch.from_numpy(s[None].copy()).requires_grad_() for s in start)
    out, _ = net(torch.from_numpy(x), (h0, c0) if kind == "lstm" else h0)
    seen = run(cell, x, *start)
    np.testing.assert_allclose(seen.h[1:], out.detach().numpy(), rtol=1e-10, atol=1e-12)
    (out * torch.from_numpy(w)).sum().backward()
    found = backward(seen, w)
    torch_names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    for name, other in zip(NAMES, torch_names, strict=True):
        expected = getattr(net, other).grad.numpy()
        np.testing.assert_allclose(found.parameters[name], expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(found.dh[0], h0.grad[0].numpy(), rtol=1e-10, atol=1e-12)
    if kind == "lstm":
        np.testing.assert_allclose(found.dc[0], c0.grad[0].numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("fixed", [{"f": 1.0}, {"f": 0.0}, {"f": 1.0, "i": 1.0, "o": 1.0}])
def test_fixed_gates_pass_no_gradient(fixed):
    generator = np.random.default_rng(0)
    made = make_cell("lstm", 2, 4, weight_scale=2.0, generator=generator)
    cell = replace(made, fixed=fixed)
    x, c0 = generator.standard_normal((6, 1, 2)), generator.standard_normal((1, 4))
    seen = run(cell, x, c=c0)
    found = backward(seen, np.concatenate([np.zeros((5, 1, 4)), np.ones((1, 1, 4))])).dc[0]
    eps = 1e-6
    for unit in range(4):
        step = eps * np.eye(4)[unit]
        up, down = (run(cell, x, c=c0 + sign * step).h[-1].sum() for sign in (1, -1))
        assert found[0, unit] == pytest.approx((up - down) / (2 * eps), rel=1e-6, abs=1e-9)


def test_back_step_of_a_linear_net_is_its_matrix():
    cell = make_cell("linear", 2, 3, generator=np.random.default_rng(0))
    seen = run(cell, np.ones((1, 1, 2)))
    _, _, dh, _ = back_step(cell, seen.steps[0], np.eye(3), np.zeros((3, 3)))
    np.testing.assert_allclose(dh, cell.w_h)


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh"])
def test_the_stretch_is_that_of_the_jacobian_of_autograd(kind):
    cell, net = twin(kind, 3, 6)
    x = np.random.default_rng(3).standard_normal((9, 1, 3))
    stretch = log_stretch(run(cell, x), "h")
    t = 4
    with torch.no_grad():
        first = net(torch.from_numpy(x[:t]))[1]
    state = [s.clone().requires_grad_() for s in (first if kind == "lstm" else (first,))]
    end = net(torch.from_numpy(x[t:]), tuple(state) if kind == "lstm" else state[0])[0][-1, 0]
    rows = torch.stack([torch.autograd.grad(e, state[0], retain_graph=True)[0][0, 0] for e in end])
    assert math.exp(stretch["h"][t]) == pytest.approx(float(rows.norm()) / math.sqrt(6), rel=1e-10)
    assert stretch["h"][-1] == 0
    assert np.isfinite(stretch["c"]).any() == (kind == "lstm")


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
    assert math.exp(log_stretch(seen, "h")["c"][4]) == pytest.approx(expected, rel=1e-10)


def test_the_stretch_neither_underflows_nor_overflows():
    generator = np.random.default_rng(0)
    small = make_cell("lstm", 4, 8, keep_bias=-8.0, weight_scale=0.1, generator=generator)
    large = make_cell("relu", 4, 8, weight_scale=20.0, generator=generator)
    x = generator.standard_normal((200, 1, 4))
    low = log_stretch(run(small, x), "c")["c"][0]
    high = log_stretch(run(large, x[:150]), "h")["h"][0]
    # float64 ends at ln 5e-324 = -744.
    assert -2000 < low < -745
    assert 100 < high < np.inf


def test_a_longersequence_begins_like_a_shorter_one():
    np.testing.assert_array_equal(sequence(9, 1.0, 0)[:5], sequence(5, 1.0, 0))
