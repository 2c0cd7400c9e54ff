import numpy as np
import pytest
import torch

from tests.other_remedies.test_net import torch_loss
from vglib.data import digits
from vglib.other_remedies.descent import BATCH, OPTIMISERS, descending, rule
from vglib.other_remedies.net import build
from vglib.results import last


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("SGD", lambda p: torch.optim.SGD(p, 0.01)),
        ("momentum", lambda p: torch.optim.SGD(p, 0.01, momentum=0.9)),
        ("RMSprop", lambda p: torch.optim.RMSprop(p, 0.01)),
        ("Adam", lambda p: torch.optim.Adam(p, 0.01)),
    ],
)
def test_the_rules_are_torchs(name, make):
    generator = np.random.default_rng(0)
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimiser, update, theta = make([w]), rule(name)(), np.zeros(6)
    for _ in range(5):
        g = generator.standard_normal(6) * 10.0 ** np.arange(-12, 0, 2)
        w.grad = torch.tensor(g)
        optimiser.step()
        theta -= update(g, 0.01)
    np.testing.assert_allclose(theta, w.detach(), rtol=1e-9)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no optimiser"):
        rule("Adagrad")


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_rule_that_has_an_eps_takes_it(name):
    steps = [rule(name, eps)()(np.array([1e-3]), 1.0)[0] for eps in (1e-8, 1.0)]
    assert (steps[0] != steps[1]) == (name in ("RMSprop", "Adam"))


def test_a_training_grows_to_its_end():
    courses = list(descending(build(3, 10, "tanh"), "SGD", 0.1, 100, probe=lambda net: 1.0))
    assert [course.taken for course in courses] == list(range(10, 101, 10))
    assert [course.done for course in courses] == [False] * 9 + [True]
    first, final = courses[0], courses[-1]
    np.testing.assert_array_equal(first.losses[:10], final.losses[:10])
    assert np.isnan(first.losses[10:]).all()
    assert len(first.probed) == 1
    assert len(final.probed) == len(final.looks)


def test_a_training_by_autograd_is_the_same():
    net, generator = build(2, 10, "tanh"), np.random.default_rng(3)
    other = build(2, 10, "tanh")
    last(descending(net, "momentum", 0.05, 20, seed=3))
    theta, v = torch.tensor(other.theta), 0
    data = digits()
    for _ in range(20):
        rows = torch.tensor(generator.integers(0, len(data.x_train), BATCH))
        theta.requires_grad_()
        loss = torch_loss(other, data.x_train[rows].numpy(), data.y_train[rows].numpy())(theta)
        v = 0.9 * v + torch.autograd.grad(loss, theta)[0]
        theta = (theta - 0.05 * v).detach()
    np.testing.assert_allclose(net.theta, theta, rtol=1e-9, atol=1e-12)
