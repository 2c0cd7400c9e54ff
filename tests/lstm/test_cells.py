import numpy as np
import pytest
import torch

from tests.lstm.twins import twin
from vglib.lstm.cells import NAMES, back_step, backward, make_cell, run


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
    cell = make_cell("lstm", 2, 4, weight_scale=2.0, fixed=fixed, generator=generator)
    x, c0 = generator.standard_normal((6, 1, 2)), generator.standard_normal((1, 4))
    seen = run(cell, x, None, c0)
    found = backward(seen, np.concatenate([np.zeros((5, 1, 4)), np.ones((1, 1, 4))])).dc[0]
    eps = 1e-6
    for unit in range(4):
        step = eps * np.eye(4)[unit]
        up, down = (run(cell, x, None, c0 + sign * step).h[-1].sum() for sign in (1, -1))
        assert found[0, unit] == pytest.approx((up - down) / (2 * eps), rel=1e-6, abs=1e-9)


def test_back_step_of_a_linear_net_is_its_matrix():
    cell = make_cell("linear", 2, 3, generator=np.random.default_rng(0))
    seen = run(cell, np.ones((1, 1, 2)))
    _, _, dh, _ = back_step(cell, seen.steps[0], np.eye(3), np.zeros((3, 3)))
    np.testing.assert_allclose(dh, cell.w_h)
