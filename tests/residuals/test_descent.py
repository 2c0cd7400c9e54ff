import numpy as np
import pytest

from vglib.residuals.descent import (
    CURES,
    RACERS,
    cured,
    curing,
    degradation,
    racing,
    train_deep,
)


def test_the_decisive_training():
    assert cured("none").training.broke_at is not None
    assert cured("none").verdict.startswith("NaN")
    slow = cured("clip at 1")
    assert slow.training.clipped == len(slow.training.losses)
    assert slow.accuracy < 0.5
    assert cured("clip at 1", lr=0.1, steps=150).accuracy > 0.7
    for cure in ("batch norm", "α = 1/√L"):
        assert cured(cure).accuracy > 0.8, cure


def test_a_deep_narrow_net_trains_at_once():
    assert train_deep(200, steps=40).test_accuracy > 0.75
    assert train_deep(1000, "residual", steps=4).broke_at is not None


@pytest.mark.parametrize("cure", CURES)
def test_a_training_is_watched_to_its_end(cure):
    *shown, end = curing(cure, steps=20)
    losses, whole = end.training.losses, cured(cure, steps=20)
    for n, one in enumerate(shown, 1):
        np.testing.assert_array_equal(one.training.losses, losses[:n])
        assert one.verdict.startswith("in training: 20 blocks")
        assert f"after {n} step" in one.verdict
    np.testing.assert_array_equal(losses, whole.training.losses)
    assert end.verdict == whole.verdict
    assert end.accuracy == whole.accuracy


def test_a_training_leaves_the_shared_weights_alone():
    before = cured("α = 1/√L", steps=5)
    cured.cache_clear()
    np.testing.assert_array_equal(
        cured("α = 1/√L", steps=5).training.losses, before.training.losses
    )


def test_degradation():
    d = degradation(20)
    assert d.trained["plain"].train_loss > 3 * d.trained["residual"].train_loss
    assert d.verdict.startswith("plain lags")


def test_the_race_is_watched_to_its_end():
    *shown, end = racing(8, steps=12)
    whole = degradation(8, steps=12)
    assert len(shown) == 12
    for n, one in enumerate(shown, 1):
        for name in RACERS:
            seen, all_of_it = one.trained[name].losses, end.trained[name].losses
            np.testing.assert_array_equal(seen, all_of_it[:n])
        assert one.verdict.startswith("in training: 8 layers")
        assert f"at step {n - 1}, residual" in one.verdict
    assert end.verdict == whole.verdict


def test_who_breaks_waits_for_the_other():
    """Here the plain net of 50 layers breaks at once, and the residual one goes on."""
    results = list(racing(50, lr=0.1, weight_scale=1.5))
    lengths = {name: len(results[-1].trained[name].losses) for name in RACERS}
    assert lengths["plain"] < 5 < lengths["residual"] == 24
    assert any("no number at step" in one.verdict for one in results[:-1])
    assert results[-1].verdict.startswith("overflows: at this step size the")
