import numpy as np
import pytest

from vglib.other_remedies import labs

# The step: optimisers, schedules, scaling


def test_adam_evens_the_steps_out_and_sgd_does_not():
    lab = labs.step_lab()
    spans = [
        float(np.ptp(lab.preset(name).result.log_update[:-1]))
        for name in ("SGD, ten sigmoid layers", "Adam, ten layers")
    ]
    assert spans[0] > 10
    assert spans[1] < 1
    assert "eps holds the step back" in lab.preset("Adam, twenty layers: below ε").verdict
    assert "eps" not in lab.preset("ReLU at He's scale").verdict


def test_the_shorter_memory_takes_the_smaller_step():
    lab = labs.memory_lab()
    largest = [lab.set(forgets=f).result.steps.max() for f in (0.001, 0.01, 0.05)]
    assert largest == sorted(largest, reverse=True)
    assert "6.57 times after 12 steps" in lab.reset().verdict


def test_muon_evens_out_what_is_there():
    lab = labs.muon_lab()
    shares = [lab.set(steps=k).result.near for k in (0, 3, 5)]
    assert shares == sorted(shares)
    assert "2% of them" in lab.preset("ten sigmoid layers").verdict


def test_deeper_layers_know_less_of_the_labels():
    lab = labs.step_lab()
    parts = [lab.set(depth=d).result.shuffled.log_part[-2] for d in (3, 6, 12)]
    assert parts == sorted(parts, reverse=True)
    healthy = lab.preset("ReLU at He's scale").result.shuffled.log_part
    assert healthy.min() > np.log(0.1)


def test_how_deep_adam_reaches():
    lab = labs.reach_lab()
    deep = lab.preset("ten layers: not in 300 steps").result.runs["Adam"].accuracy
    shallow = lab.preset("four layers: Adam carries").result
    assert shallow.runs["Adam"].accuracy > 0.8 > shallow.runs["SGD"].accuracy
    assert deep < 0.35
    scaled = lab.preset("ten layers, four times the scale").result
    assert scaled.runs["Adam"].accuracy > 0.7


def test_the_presets_of_the_schedule():
    lab = labs.schedule_lab()
    saved = lab.preset("warm-up saves it").result
    assert saved.scheduled.accuracy > 0.6 > saved.constant.accuracy
    assert lab.preset("cosine alone does not").result.scheduled.accuracy < 0.3
    assert lab.preset("He's scale needs none").result.constant.accuracy > 0.8
    assert lab.preset("a smaller constant step").result.constant.accuracy > 0.7


def test_a_larger_scale_lowers_the_first_limit():
    lab = labs.schedule_lab()
    limits = [lab.set(weight_scale=s, warm=20).result.scheduled.probed[0] for s in (1.0, 1.5, 2.0)]
    assert limits == sorted(limits, reverse=True)


def test_a_larger_step_ends_at_a_lower_curvature():
    lab = labs.edge_lab()
    ends = [lab.set(units=u).result.sharpness[-1] for u in (1.5, 3.0)]
    assert ends == sorted(ends, reverse=True)
    assert "diverges" in lab.preset("4.2/λ₀: too far").verdict


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("mean 3", "119 times as steep"),
        ("a little too large a step", "diverges"),
        ("mean 10, standardised", "1 times as steep"),
    ],
)
def test_the_presets_of_the_bowl(preset, words):
    assert words in labs.bowl_lab().preset(preset).verdict


def test_the_bowl_gets_steeper_with_the_mean():
    lab = labs.bowl_lab()
    conditions = [lab.set(mean=m).result.condition for m in (0.0, 3.0, 10.0)]
    assert conditions == sorted(conditions)
    assert lab.set(standardise=True).result.condition == pytest.approx(1)


def test_the_scale_of_inputs_and_labels():
    lab = labs.scaling_lab()
    assert lab.preset("pixels of 0 … 255").result.saturated[0, 0] > 0.9
    assert lab.preset("mean 5").result.losses[0, -1] > lab.result.losses[1, -1]
    sizes = [lab.set(label_scale=s).result.log_delta[0, 0] for s in (1.0, 10.0, 1000.0)]
    assert sizes == sorted(sizes)
