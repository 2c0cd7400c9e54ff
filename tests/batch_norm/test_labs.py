import numpy as np
import pytest

from vglib.batch_norm import labs


def test_gamma_and_beta_set_spread_and_mean():
    lab = labs.unit_lab().set(gamma=2.0, beta=3.0)
    assert lab.result.out.std() == pytest.approx(2, rel=1e-3)
    assert "3.00 and 2.00" in lab.verdict


def test_a_small_momentum_settles_late_and_scatters_less():
    lab = labs.running_lab()
    seen = [lab.set(momentum=m).result for m in (0.02, 0.1, 0.5)]
    assert [r.settled for r in seen] == sorted([r.settled for r in seen], reverse=True)
    assert [r.scatter for r in seen] == sorted(r.scatter for r in seen)
    assert lab.preset("slow: 0.01").verdict.startswith("not settled")


def test_a_smaller_batch_explodes_more():
    lab = labs.explosion_lab()
    seen = [lab.set(batch=b).result for b in (128, 32, 8, 4)]
    assert [r.measured for r in seen] == sorted(r.measured for r in seen)
    assert [r.predicted for r in seen] == sorted(r.predicted for r in seen)


@pytest.mark.parametrize(
    ("preset", "word"),
    [
        ("50 layers", "explodes"),
        ("batch of 8", "explodes"),
        ("weights 5 times too large", "explodes"),
        ("tanh", "explodes"),
        ("sigmoid, 20 layers", "even"),
        ("batch of 2", "a batch of 2"),
    ],
)
def test_the_presets_of_the_explosion(preset, word):
    assert labs.explosion_lab().preset(preset).verdict.startswith(word)


def test_the_theory_line_has_the_measured_slope():
    result = labs.explosion_lab().set(depth=60).result
    measured = np.polyfit(np.arange(50), result.normed.log_weight_grad[5:55], 1)[0]
    assert np.diff(result.theory).mean() == pytest.approx(measured, rel=0.08)


def test_a_larger_step_flattens_more():
    lab = labs.steps_lab()
    ends = [lab.set(lr=lr).result.unevenness[-1] for lr in (0.01, 0.1, 1.0)]
    assert ends == sorted(ends, reverse=True)
    assert lab.verdict.startswith("flattens")


def test_the_six_norms_name_their_factors():
    verdict = labs.norms_lab().preset("sigmoid").verdict
    assert "layer norm 0.15" in verdict
    assert "theory says 1.05" in verdict


def test_the_rescue():
    lab = labs.rescue_lab()
    assert lab.verdict.startswith("stuck")
    assert lab.preset("sigmoid, batch norm").verdict.startswith("learns")
    assert lab.preset("sigmoid, layer norm").verdict.startswith("stuck")


def test_large_steps_need_batch_norm():
    accuracy = labs.places_lab().preset("lr 3").result.accuracy
    assert all(accuracy[p][-1] > accuracy["none"][-1] + 0.3 for p in ("before", "after", "article"))


def test_small_batches_break():
    lab = labs.breaking_lab()
    ends = [lab.set(batch=b).result.running[-1] for b in (2, 4, 16)]
    assert ends == sorted(ends)
    assert lab.preset("batch of 2, layer norm").result.running[-1] > 0.6


def test_the_circles():
    lab = labs.circles_lab()
    assert lab.verdict.startswith("cannot tell")
    assert lab.preset("batch norm alone, 4 layers").verdict.startswith("cannot tell")
    assert lab.preset("both").verdict.startswith("tells")


@pytest.mark.parametrize("make", [labs.explosion_lab, labs.norms_lab])
def test_no_preset_leaves_behind_what_another_set(make):
    lab = make()
    for name, preset in lab.presets.items():
        lab.set(activation="tanh", depth=7, weight_scale=0.3, batch=4)
        assert lab.preset(name).values == lab.start | preset


@pytest.mark.parametrize("scale", [0.05, 1.0, 20.0])
def test_what_is_without_a_norm_does_not_make_the_subject_flat(scale):
    lab = labs.explosion_lab().set(weight_scale=scale)
    low, high = lab.figure.layout.yaxis.range
    grown = np.ptp(lab.result.normed.log_weight_grad) / np.log(10)
    assert grown > 3
    assert high - low < 5 * grown
