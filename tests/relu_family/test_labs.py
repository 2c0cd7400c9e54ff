import numpy as np
import pytest

from vglib.relu_family import labs


@pytest.fixture(scope="module")
def slope_lab():
    return labs.slope_lab()


@pytest.mark.parametrize(
    ("preset", "word", "factor"),
    [
        ("Glorot: variance 1/n", "vanishes", 0.5),
        ("He: 2/n", "holds", 1.0),
        ("torch's default: 1/(3n)", "vanishes", 1 / 6),
    ],
)
def test_the_slope_labs_presets_say_what_theory_says(slope_lab, preset, word, factor):
    slope_lab.reset().preset(preset)
    assert slope_lab.verdict.startswith(word)
    theory, measured = (
        np.asarray([t for t in slope_lab.figure.data if t.meta == role][-1].y, float)
        for role in ("theory", "measured")
    )
    np.testing.assert_allclose(theory, factor, rtol=1e-9)
    assert np.median(measured) == pytest.approx(factor, rel=0.15)


def test_a_larger_scale_never_weakens_the_gradient(slope_lab):
    slope_lab.reset()
    ratios = [slope_lab.set(weight_scale=s).result.log_delta_ratio for s in (0.3, 1.0, 1.4, 3.0)]
    assert ratios == sorted(ratios)
    slope_lab.set(depth=50, weight_scale=2.0)
    assert slope_lab.verdict.startswith("explodes")


def test_depth_makes_it_worse(slope_lab):
    slope_lab.reset()
    ratios = [slope_lab.set(depth=d).result.log_delta_ratio for d in (2, 10, 50)]
    assert ratios == sorted(ratios, reverse=True)


def test_the_gauges():
    lab = labs.gauges_lab()
    assert "same in every layer" in lab.verdict
    assert "not the same" not in lab.verdict
    assert lab.result.log_delta_ratio < -15
    assert abs(lab.result.log_weight_ratio) < 1.1
    heights = [np.ptp(lab.figure.layout[f"yaxis{i}"].range) for i in ("", 2, 3)]
    assert heights[0] == heights[1] == heights[2]
    lab.preset("torch's default, with biases")
    assert "not the same in every layer" in lab.verdict
    assert lab.result.log_weight_ratio < -5
    lab.preset("He, no biases")
    assert abs(lab.result.log_delta_ratio) < 1
    lab.preset("tanh: the identity fails")
    assert "not the same in every layer" in lab.verdict


def test_the_portrait():
    lab = labs.portrait_lab()
    assert "keeps the gradient" in lab.verdict
    lab.set(activation="sigmoid")
    assert "shrink" in lab.verdict
    lab.set(activation="gelu")
    assert "grow" in lab.verdict
    flat = labs.portrait_lab().set(activation="leaky_relu").result.chis
    np.testing.assert_allclose(flat, 1.0, rtol=1e-9)


def test_the_noise_grows_with_the_square_of_the_range():
    lab = labs.noise_lab()
    one = lab.set(width=0.2).result.predicted[-1]
    two = lab.set(width=0.4).result.predicted[-1]
    assert two == pytest.approx(4 * one)
    np.testing.assert_allclose(lab.result.measured[1:], lab.result.predicted[1:], rtol=0.15)
    assert "no penalty" in lab.preset("no range").verdict


def test_dying():
    lab = labs.dying_lab()
    assert "these are dead" in lab.verdict
    assert "none is dead" in lab.preset("SGD 0.1").verdict
    dead = lab.preset("Adam 0.1").result.off_all[-1].max()
    leaky = lab.preset("Adam 0.1, leaky").result
    assert leaky.off_all[-1].max() < dead
    assert "slope is not 0" in lab.verdict
    assert lab.set(lr=3.0, optimizer="SGD").verdict.startswith("overflows")


def test_layers_stand_side_by_side_and_are_joined_by_no_line():
    bars = labs.dying_lab().figure.data[2]
    assert (bars.type, list(bars.x)) == ("bar", [1, 2])


def test_knocked_out():
    lab = labs.knock_lab()
    assert "no unit is back" in lab.verdict
    assert "units are back" in lab.preset("leaky ReLU").verdict
    near, far = (lab.preset(p).result.off_all[-1, -1] for p in ("ELU, near", "ELU, far"))
    assert far > near


def test_born_dead():
    lab = labs.born_dead_lab()
    narrow, wide = (lab.set(width=w).result.all_inputs[-1] for w in (2, 8))
    assert narrow > 0.5
    assert wide < 0.1


def test_the_race():
    lab = labs.race_lab()
    one = lab.set(depth=1).result
    three = lab.set(depth=3).result
    assert three.final("sigmoid")[0] < one.final("sigmoid")[0]
    assert three.final("relu")[0] > 0.9
    assert "to stay quick" in lab.set(depth=10).verdict


def test_ranking():
    lab = labs.ranking_lab()
    few, many = (lab.set(images=n).result.wrong for n in (360, 10_000))
    assert few > many
    assert lab.preset("MNIST, ReLU against sigmoid").result.wrong < 1e-6
    assert lab.preset("MNIST, one row of the table").result.wrong > 0.2


@pytest.mark.parametrize("make", [labs.gauges_lab, labs.noise_lab, labs.ranking_lab])
def test_no_preset_leaves_behind_what_another_set(make):
    lab = make()
    alone = {name: lab.reset().preset(name).values for name in lab.presets}
    for before in lab.presets:
        for name, values in alone.items():
            lab.preset(before)
            assert lab.preset(name).values == values


@pytest.mark.parametrize("make", [labs.dying_lab, labs.knock_lab, labs.race_lab])
def test_a_training_is_drawn_from_its_start_on_the_axes_of_its_end(make):
    lab = make()
    values = lab.values | {"lr": 0.05}
    drawn = [lab._draw(result) for result in lab._experiment(**values)]
    lab.set(lr=0.05)
    assert len(drawn) > 5
    for one in drawn:
        assert [t["name"] for t in one.data] == [t["name"] for t in drawn[-1].data]
        for axis in ("xaxis", "yaxis"):
            assert one.layout[axis]["range"] == drawn[-1].layout[axis]["range"]
    for shown, last in zip(lab.figure.data, drawn[-1].data, strict=True):
        np.testing.assert_array_equal(shown.y, last["y"])
