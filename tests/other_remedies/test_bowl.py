import numpy as np
import pytest

from vglib.other_remedies.bowl import bowl, bowl_hessian


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (3.0, 1.0), (-5.0, 0.5), (0.0, 10.0)])
def test_the_bowl_descends_as_its_theory(mean, std):
    x = mean + std * np.random.default_rng(0).standard_normal(100_000)
    sample = 2 * np.array([[np.mean(x * x), x.mean()], [x.mean(), 1]])
    np.testing.assert_allclose(bowl_hessian(mean, std), sample, rtol=0.03, atol=0.1)
    limit = bowl(mean, std).limit
    found = bowl(mean, std, lr=0.9 * limit)
    assert found.losses[0] == pytest.approx(1.25)
    np.testing.assert_allclose(found.losses, found.theory, rtol=1e-6, atol=1e-18)
    assert found.losses[-1] < found.losses[0]
    assert "diverges" in bowl(mean, std, lr=1.05 * limit).verdict


def test_standardising_makes_the_bowl_round():
    assert bowl(10.0, 3.0, standardise=True).condition == pytest.approx(1)
    assert bowl(10.0, 1.0).condition == pytest.approx(102**2 - 2, rel=1e-4)


def test_the_rings_have_equal_loss():
    found = bowl(3.0, 2.0)
    away = found.rings - found.goal
    losses = 0.5 * np.einsum("ti,ij,tj->t", away, found.hessian, away).reshape(5, -1)
    shares = losses[:, :-1] / found.losses[0]
    np.testing.assert_allclose(shares, np.array([[1.0, 0.3, 0.1, 0.03, 0.01]]).T * np.ones(121))
    assert np.isnan(losses[:, -1]).all()
