import numpy as np
import pytest

from vglib.clipping import cliff, labs
from vglib.clipping.rules import cosine


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("off the cliff", "throws the plain descent"),
        ("threshold too large", "clipping had nothing to do"),
        ("a hundred time steps", "throws the plain descent"),
        ("w below 4: no cliff", "no cliff is met"),
    ],
)
def test_the_presets_of_the_cliff(preset, words):
    assert words in labs.cliff_lab().preset(preset).verdict


def test_the_wall_gets_steeper_with_time():
    lab = labs.cliff_lab()
    peaks = [lab.set(steps=t, b=-2.0).result.plain.norms.max() for t in (2, 10, 30)]
    assert peaks == sorted(peaks)


def test_a_path_that_leaves_the_map_ends_at_its_border():
    shown = labs.on_the_map(np.array([[5.0, -2.0], [5.0, 3.0], [5.0, 8.0], [9.0, -2.0]]))
    np.testing.assert_allclose(shown[1], [5.0, cliff.REGION[1][1]])
    assert np.isnan(shown[2:]).all()


def test_a_smaller_threshold_turns_more_by_value_only():
    lab = labs.angle_lab()
    found = [lab.set(threshold=c).result for c in (100.0, 10.0, 1.0)]
    cosines = [cosine(f.g, f.value) for f in found]
    assert cosines == sorted(cosines, reverse=True)
    assert all(cosine(f.g, f.norm) == pytest.approx(1) for f in found)


def test_the_presets_of_the_scopes():
    lab = labs.scopes_lab()
    for preset in ("each layer", "two groups: hidden, readout", "each entry"):
        assert "is turned" in lab.preset(preset).verdict
    assert "keeps its direction" in lab.preset("whole norm").verdict
    assert lab.preset("sigmoid, vanishing").verdict.startswith("untouched")


def test_deeper_nets_explode_more_and_are_cut_to_the_same_length():
    lab = labs.scopes_lab()
    lengths = [lab.set(depth=d).result.log_length for d in (5, 20, 60)]
    assert [before for before, _ in lengths] == sorted(before for before, _ in lengths)
    np.testing.assert_allclose([after for _, after in lengths], 0, atol=1e-9)


def test_a_larger_threshold_clips_fewer_steps_until_it_is_too_late():
    lab = labs.norms_lab()
    shares = [lab.preset(p).result.share for p in ("clip nearly all", "clip at 1")]
    shares.append(lab.preset("clip the tail only").result.share)
    assert shares == sorted(shares, reverse=True)
    assert lab.result.run.lost is None
    assert lab.preset("too late").result.run.lost is not None


def test_the_presets_of_the_rescue():
    lab = labs.rescue_lab()
    for preset, survivors in (
        ("a common decay", {"clipped"}),
        ("decay that holds", {"decay", "clipped"}),
        ("a hundred time steps", {"clipped"}),
        ("ten steps: nothing to save", {"plain", "decay", "clipped"}),
        ("ten steps, large step size", {"clipped"}),
    ):
        runs = lab.preset(preset).result.runs
        assert {name for name, run in runs.items() if run.lost is None} == survivors, preset


def test_only_max_norm_keeps_under_the_radius():
    lab = labs.penalty_lab()
    assert "above the radius" in lab.preset("L2, goal twice as far").verdict
    assert "within the radius" in lab.preset("max-norm, goal twice as far").verdict
    assert "exactly 0" in lab.preset("L1 makes a zero").verdict


def test_the_words_for_the_critic():
    lab = labs.critic_lab()
    words = [lab.preset(name).verdict.split(":")[0] for name in lab.presets]
    assert words == ["too flat", "too flat", "too steep", "held", "runs away"]


def test_the_overflow_lab_names_the_layer():
    lab = labs.overflow_lab()
    assert "is the first to overflow float32" in lab.verdict
    assert "overflow float64" in lab.preset("the same in float64").verdict
    assert "before the first step" in lab.preset("too large before any step").verdict
    assert lab.preset("small step: no overflow").result.plain.broken is None


def test_what_a_fixed_step_cannot_do_a_clipped_one_does():
    lab = labs.smoothness_lab()
    assert "fixed step it flies off, clipped it arrives" in lab.verdict
    slow = lab.preset("the largest fixed step").result
    assert len(slow.fixed) > 1500
