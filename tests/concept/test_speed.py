import numpy as np
import pytest

from vglib.concept import speed


def test_chi_of_nielsens_net():
    assert speed.chi_nielsen() == pytest.approx(0.041960, abs=1e-6)
    ratios = [speed.factor_nielsen() ** -(k - 1) for k in (2, 3, 4)]
    np.testing.assert_allclose(ratios, [4.88, 23.83, 116.3], rtol=1e-3)


def test_measured_ratios_meet_theory_and_not_its_rival():
    for k in (2, 3, 4):
        measured = speed.median_ratio(k, nets=30)
        assert measured == pytest.approx(speed.factor_nielsen() ** -(k - 1), rel=0.2)
        if k > 2:
            assert measured > 1.3 * 4 ** (k - 1)


def test_nielsens_own_numbers_lie_near():
    for k, quoted in speed.NIELSEN.items():
        assert len(quoted) == k
        assert quoted[-1] / quoted[0] == pytest.approx(speed.factor_nielsen() ** -(k - 1), rel=0.25)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_theory_meets_measurement_in_both_directions(scale):
    runs = [speed.learning_speed(6, scale, 100, seed, standardised=True) for seed in range(5)]
    ratio = np.median([r.ratio for r in runs])
    assert np.log(ratio) == pytest.approx(np.log(runs[0].predicted_ratio), abs=0.4)
    forward = np.median([np.log(r.spread) for r in runs], axis=0)
    # The trace averages standard deviations over units, theory variances: a tenth or two lower.
    np.testing.assert_allclose(forward, runs[0].theory_log_spread, atol=0.5)


def test_theory_stays_finite_in_the_deepest_lab():
    run = speed.learning_speed(50, 0.05, 20)
    assert np.isfinite(run.theory_log_spread).all()
    assert np.isfinite(run.log_speed).all()


def test_without_backpropagation_the_gradient_is_the_same():
    assert speed.finite_difference_ratio(0) == pytest.approx(1.0, abs=1e-7)
