import numpy as np
import pytest
import torch

from vglib.other_remedies.memory import BEFORE, jump, jump_step


def test_the_numbers_of_the_closed_form():
    k = np.arange(1, 201)
    usual, short = jump_step(k, 0.9, 0.999), jump_step(k, 0.9, 0.95)
    np.testing.assert_allclose([usual[0], usual.max()], [3.162, 6.5685], atol=1e-3)
    assert usual.argmax() == 11
    np.testing.assert_allclose([short[0], short.max()], [0.447, 1.10], atol=5e-3)


@pytest.mark.parametrize("loud", [1, 30])
def test_adam_of_torch_steps_as_the_closed_form_says(loud):
    found = jump(50.0, 0.01, 0.8, loud)
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser, steps = torch.optim.Adam([w], lr=1.0, betas=(0.8, 0.99)), []
    for gradient in [1.0] * 3000 + [50.0] * loud + [1.0] * (60 - loud):
        before, w.grad = w.item(), torch.full_like(w, gradient)
        optimiser.step()
        steps.append(before - w.item())
    np.testing.assert_allclose(found.theory[BEFORE:][:60], steps[3000:], rtol=1e-6)
    np.testing.assert_allclose(found.steps, found.theory, rtol=1e-6)


def test_a_large_gradient_is_remembered_as_long_as_s_remembers():
    one = jump(1000.0, 0.001, 0.9, 1)
    assert one.steps[-1] < 0.04
    assert "at the least" in one.verdict
    assert jump(1000.0, 0.05, 0.9, 1).steps[-1] > 0.1


@pytest.mark.parametrize("options", [{"jump": 0}, {"forgets": 1.0}, {"beta1": 1.0}, {"loud": 0}])
def test_what_cannot_be_is_said(options):
    with pytest.raises(ValueError, match="it must be"):
        jump(**options)
