import numpy as np
import pytest

from vglib.residuals.shattering import autocorrelation, gradient_correlation, shattered


def test_autocorrelation():
    noise = np.random.default_rng(0).standard_normal(5000)
    assert autocorrelation(noise)[0] == pytest.approx(1)
    assert np.abs(autocorrelation(noise)[1:]).max() < 0.06
    assert autocorrelation(noise + 10, centred=False)[1] > 0.95
    assert abs(autocorrelation(noise + 10)[1]) < 0.06


def test_shattering_is_ordered():
    lag1 = {
        name: np.median([shattered(*name, seed=s).correlation[1] for s in range(3)])
        for name in (
            ("feed-forward with BN", 50),
            ("residual with BN", 50),
            ("residual with BN", 50, 0.1),
        )
    }
    values = list(lag1.values())
    assert abs(values[0]) < 0.15
    assert values[0] < values[1] < values[2]


def test_the_one_dimensional_gradient_is_a_derivative():
    """Without batch norm the curve is a sum of slopes: compare with finite differences."""
    s = shattered("residual", 3, 0.5)
    assert s.gradient.std() == pytest.approx(1)
    rough = np.abs(np.diff(s.gradient)).mean()
    assert rough < 0.3


def test_the_correlation_halves_only_where_it_is_centred():
    centred = np.mean([gradient_correlation(4, True, s) for s in range(3)])
    assert centred == pytest.approx(2**-4, rel=0.25)
    assert np.mean([gradient_correlation(4, False, s) for s in range(3)]) > 0.1
