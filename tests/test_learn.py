"""One loop for nets in NumPy, against torch's optimisers."""

from math import inf, nan

import numpy as np
import pytest
import torch

from vglib import learn
from vglib.learn import RULES, steps

OPTIMIZERS = {
    "SGD": lambda p, lr: torch.optim.SGD(p, lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
    "RMSprop": lambda p, lr: torch.optim.RMSprop(p, lr),
    "Adam": lambda p, lr: torch.optim.Adam(p, lr),
}


def start():
    rng = np.random.default_rng(1)
    return [rng.standard_normal((3, 2)), rng.standard_normal(3)]


def batches(count):
    rng = np.random.default_rng(2)
    return [(rng.standard_normal((4, 2)), rng.standard_normal((4, 3))) for _ in range(count)]


def fit_a_line(parameters):
    weight, bias = parameters

    def gradient(x, y):
        error = x @ weight.T + bias - y
        by_output = 2 * error / error.size
        return float((error**2).mean()), [by_output.T @ x, by_output.sum(0)]

    return gradient


def by_torch(rule, lr, count, clip=inf, decay=0.0):
    parameters = [torch.tensor(p, requires_grad=True) for p in start()]
    optimizer, losses = OPTIMIZERS[rule](parameters, lr), []
    for x, y in batches(count):
        optimizer.zero_grad()
        output = torch.tensor(x) @ parameters[0].T + parameters[1]
        loss = torch.nn.functional.mse_loss(output, torch.tensor(y))
        loss.backward()
        if clip < inf:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        for p in parameters:
            p.grad += decay * p.detach()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().numpy() for p in parameters]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("clip", "decay"), [(inf, 0.0), (0.5, 0.0), (inf, 0.1), (0.5, 0.1)])
def test_the_steps_are_torchs(rule, clip, decay):
    parameters = start()
    options = {"lr": 0.05, "rule": RULES[rule], "clip": clip, "decay": decay}
    taken = list(steps(parameters, fit_a_line(parameters), batches(25), **options))
    losses, expected = by_torch(rule, 0.05, 25, clip, decay)
    np.testing.assert_allclose([s.loss for s in taken], losses, rtol=1e-5)
    for one, other in zip(parameters, expected, strict=True):
        # torch clips by c / (norm + 1e-6).
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert [s.taken for s in taken] == list(range(1, 26))
    assert any(s.clipped for s in taken) == (clip < inf)


def test_the_rate_may_follow_a_schedule():
    parameters, seen = [np.array([1.0])], []
    for step in steps(
        parameters, lambda: (0.0, [np.array([1.0])]), [()] * 3, lr=lambda t: 0.1 * (t + 1)
    ):
        seen.append((step.lr, float(parameters[0][0])))
    np.testing.assert_allclose(seen, [(0.1, 0.9), (0.2, 0.7), (0.3, 0.4)])


def test_it_ends_where_the_loss_is_not_finite_and_takes_no_step_there():
    parameters, losses = [np.array([1.0])], iter([1.0, nan, 2.0])
    taken = list(steps(parameters, lambda: (next(losses), [np.ones(1)]), [()] * 3, lr=0.5))
    assert [s.why for s in taken] == ["", "not finite"]
    assert [s.taken for s in taken] == [1, 1]
    assert parameters[0][0] == 0.5


def test_it_ends_where_it_is_told_to():
    parameters = [np.array([8.0])]

    def stop(loss, gradients):
        return "small" if loss < 2 else ""

    taken = list(
        steps(
            parameters,
            lambda: (float(parameters[0][0]), [np.ones(1)]),
            [()] * 99,
            lr=1.0,
            stop=stop,
        )
    )
    assert taken[-1].why == "small"
    assert len(taken) == 8


@pytest.mark.filterwarnings("error")
def test_who_takes_the_steps_keeps_their_own_error_modes():
    parameters = [np.array([1e200])]
    with np.errstate(all="raise"):
        before = np.geterr()
        norms = []
        for step in steps(parameters, lambda: (1.0, [parameters[0] ** 2]), [()] * 3, lr=1.0):
            assert np.geterr() == before
            norms.append(step.norm)
    assert norms[0] == inf


def test_the_norm_is_that_of_all_parameters_together():
    assert learn.whole_norm([np.array([3.0]), np.array([[4.0]])]) == pytest.approx(5.0)


def test_an_epoch_goes_through_all_rows_once():
    rows = list(learn.epochs(10, 4, 2, np.random.default_rng(0)))
    assert [len(r) for r in rows] == [4, 4, 2] * 2
    for epoch in (rows[:3], rows[3:]):
        assert sorted(np.concatenate(epoch)) == list(range(10))
    assert not np.array_equal(rows[0], rows[3])
