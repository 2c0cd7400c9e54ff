import numpy as np
import pytest

from vglib import figures
from vglib.concept import labs
from vglib.concept.epochs import train


@pytest.fixture(scope="module")
def speed():
    return labs.learning_speed_lab()


@pytest.fixture(scope="module")
def training():
    return labs.training_lab()


def test_descent_presets_do_what_they_are_called():
    lab = labs.descent_lab()
    for name in ("converges", "creeps", "zig-zags", "diverges"):
        assert lab.preset(name).verdict.startswith(name)
    assert "flat ground is not low ground" in lab.preset("flat, but not low").verdict


def test_a_larger_step_first_helps_and_then_harms():
    lab = labs.descent_lab()
    creeping, good, wild = (lab.set(step=s).result.losses[-1] for s in (0.1, 0.9, 1.5))
    assert good < creeping < wild


def test_the_path_lies_on_the_surface():
    lab = labs.descent_lab().preset("zig-zags")
    surface, path, minima = (t for t in lab.figure.data if t.type != "scatter")
    assert surface.type == "surface"
    inside = np.isfinite(np.asarray(path.x, float))
    height = labs.surface_loss(np.asarray(path.x)[inside], np.asarray(path.y)[inside])
    above = np.asarray(path.z)[inside] - np.minimum(height, labs.CEILING)
    np.testing.assert_allclose(above, 0.06)
    np.testing.assert_allclose(labs.surface_loss(minima.x, minima.y), 0, atol=1e-30)


def test_a_path_that_leaves_the_picture_is_not_drawn_outside():
    lab = labs.descent_lab().preset("diverges")
    path = next(t for t in lab.figure.data if t.name == "path of the weights")
    drawn = np.asarray(path.x, float)
    assert np.nanmax(np.abs(drawn)) <= labs.WINDOW
    assert np.isnan(drawn).any()


def test_each_layer_more_costs_the_same_factor(speed):
    ratios = [speed.set(depth=k).result.predicted_ratio for k in (5, 6, 7)]
    np.testing.assert_allclose(np.diff(np.log(ratios)), np.log(4.88), rtol=0.01)
    assert speed.set(depth=20).result.ratio > 1e10
    assert "one hidden layer" in speed.set(depth=1).verdict
    speed.reset()


def test_larger_weights_bring_the_layers_together(speed):
    ratios = [speed.set(weight_scale=s).result.ratio for s in (0.2, 1.0, 4.0)]
    assert ratios == sorted(ratios, reverse=True)
    speed.reset()


def test_nielsens_numbers_stand_beside_the_measurement(speed):
    for k in (2, 3, 4):
        speed.preset(f"Nielsen, {k} hidden layers")
        quoted = next(t for t in speed.figure.data if t.meta == figures.ASIDE)
        assert len(quoted.x) == k
        assert quoted.showlegend
    speed.preset("30 hidden layers")
    assert not next(t for t in speed.figure.data if t.meta == figures.ASIDE).showlegend
    speed.reset()


def test_both_directions_fall_alike():
    lab = labs.two_way_lab()
    for depth in (4, 12):
        run = lab.set(depth=depth).result
        forward = np.log(run.spread[-1] / run.spread[0])
        assert forward == pytest.approx(-np.log(run.ratio), rel=0.15)
    assert "float64 rounds" in lab.set(depth=40).verdict
    assert "float64 rounds" not in lab.preset("20 layers, 10 times the weights").verdict
    assert len([t for t in lab.figure.data if t.meta == figures.THEORY]) == 2


@pytest.mark.parametrize(
    ("preset", "word"),
    [
        ("as it was", "stuck"),
        ("cross-entropy", "learns"),
        ("40 times the step", "learns"),
        ("4 times the weights", "learns"),
        ("cross-entropy, tiny steps", "stuck"),
        ("6 layers, 40 times the step", "stuck"),
        ("6 layers, and 4 times the weights", "learns"),
        ("6 layers, Adam", "learns"),
    ],
)
def test_training_presets(training, preset, word):
    assert training.preset(preset).verdict.startswith(word)


def test_the_legend_names_the_layers_that_are_there(training):
    training.set(depth=2, epochs=5)
    shown = {t.name for t in training.figure.data if t.showlegend and t.meta == "measured"}
    assert shown == {"layer 1", "layer 2"}


def test_registered_trainings_are_listed(training):
    training.reset()
    training.register().preset("cross-entropy").register()
    assert "2 registered" in training._score_line.value


def test_one_path_shows_two_panels_of_four_layers():
    lab = labs.one_path_lab().set(epochs=10)
    names = [t.name for t in lab.figure.data if t.meta == "measured" and t.visible is not False]
    assert names == [f"layer {i}" for i in (1, 2, 3, 4)] * 2
    assert "of 11 epochs" in lab.verdict
    assert "at 11 in ‖∂L/∂z‖" in lab.verdict


def test_two_and_four_have_the_same_axes():
    two, four = (train(depth, 10, epochs=3) for depth in (2, 4))
    still = labs.two_and_four(two, four)
    assert "2 hidden layers name" in repr(still)
    assert "4 hidden layers name" in repr(still)
    layout = still.figure.layout
    assert layout.yaxis.range == layout.yaxis3.range
    assert layout.yaxis2.range == layout.yaxis4.range
