import numpy as np
import pytest

from vglib.initialization import labs


def test_presets_speak():
    lab = labs.depth_lab()
    for preset, word in {
        "torch's default with ReLU": "(0.16",
        "Glorot with ReLU": "(0.5",
        "He with ReLU": "(1",
    }.items():
        assert word in lab.preset(preset).verdict.partition("way back")[2], preset


@pytest.mark.parametrize(
    ("preset", "word"),
    [
        ("tanh, ordered", "ordered"),
        ("tanh, critical", "critical"),
        ("tanh, chaotic", "chaotic"),
        ("tanh at torch's gain 5/3", "chaotic"),
        ("ReLU with He", "critical"),
        ("ReLU with Glorot", "ordered"),
        ("ReLU, 3/n", "runaway"),
        ("sigmoid with Glorot", "ordered"),
        ("sigmoid, critical", "critical"),
    ],
)
def test_the_phase_lab_names_the_phase(preset, word):
    lab = labs.phase_lab().preset(preset)
    assert lab.verdict.startswith(word)
    assert lab.result.slope == pytest.approx(lab.result.theory_slope, abs=0.08)


def test_the_marker_moves_and_the_slope_rises_with_sigma_w():
    lab, slopes = labs.phase_lab(), []
    for sigma_w in (0.7, 1.0, 1.5, 2.5, 5.0):
        lab.set(sigma_w=sigma_w)
        marker = next(t for t in lab.figure.data if t.name == "you are here")
        assert list(marker.x) == [sigma_w]
        slopes.append(lab.result.slope)
    assert slopes == sorted(slopes)


def test_few_layers_have_no_slope():
    assert "too few" in labs.phase_lab().set(depth=2).verdict


def test_the_staircase_ends_at_the_fixed_point():
    lab = labs.q_map_lab().set(sigma_w=1.5, sigma_b=0.3)
    path = next(t for t in lab.figure.data if t.name == "the map, step by step")
    assert path.y[-1] == pytest.approx(lab.result.fixed_point, rel=1e-3)
    assert "dies out" in lab.preset("tanh dies out").verdict
    assert "runs away" in lab.preset("ReLU runs away").verdict
    assert "q* = 1;" in lab.preset("SELU heads for 1").verdict


@pytest.mark.parametrize("preset", ["ordered", "critical", "chaotic"])
def test_the_c_map_names_the_fate_of_two_inputs(preset):
    assert labs.c_map_lab().preset(preset).verdict.startswith(preset)


def test_without_a_fixed_point_the_slope_is_not_called_chi():
    lab = labs.c_map_lab().set(activation="relu", sigma_w=2.0)
    assert "no q*" in lab.verdict


def test_two_inputs_of_a_relu_net_that_explodes_become_alike_in_both_labs():
    assert "two inputs do not part" in labs.phase_lab().preset("ReLU, 3/n").verdict
    result = labs.c_map_lab().preset("ReLU, 3/n: alike").result
    assert result.fixed_point == 1
    assert result.steps[-1] == pytest.approx(0.93, abs=0.005)
    assert result.measured[-1] > 0.85


def test_depth_costs_gaussian_weights_alone():
    lab, medians = labs.spectrum_lab(), []
    for depth in (1, 10, 50):
        lab.set(activation="identity", depth=depth)
        medians.append(lab.result.medians[0, -1])
        assert lab.result.medians[1, -1] == pytest.approx(1, abs=1e-9)
    assert medians == sorted(medians, reverse=True)
    assert medians[-1] < 1e-6


def test_a_convolution_keeps_angles_only_where_its_kernel_is_orthogonal():
    lab = labs.convolution_lab()
    for preset in ("circular padding", "zeros outside the image", "linear"):
        found = lab.preset(preset).result
        assert min(found.alignment[:2]) > 10 * found.alignment[2]
        assert found.log_delta[2, 0] == pytest.approx(0, abs=0.2)
    assert (lab.preset("zeros outside the image").result.log_delta[:2, 0] < -4).all()
    # Nothing else is a cure for a wrong scale, nor for ReLU.
    assert (lab.preset("a little too small").result.log_delta[:, 0] < -2).all()
    assert lab.preset("ReLU").result.alignment[2] > 20


def test_wider_nets_differ_less():
    lab = labs.fluctuation_lab()
    variances = [lab.set(width=width).result.variance for width in (20, 50, 200)]
    assert variances == sorted(variances, reverse=True)


def test_a_larger_scale_overflows_earlier():
    lab = labs.overflow_lab()
    layers = [lab.set(weight_scale=s).result.inf_layer["float32"] for s in (2.0, 5.0, 20.0)]
    assert layers == sorted(layers, reverse=True)


def test_the_training_labs_say_what_they_found():
    assert "critical σ_w" in labs.trainability_lab().verdict
    assert "epochs to 90%" in labs.speed_lab().set(depth=1).verdict
    assert "steps" in labs.linear_lab().set(depth=3).verdict


def test_theory_can_be_switched_off_everywhere():
    for make in (labs.depth_lab, labs.q_map_lab, labs.c_map_lab, labs.phase_lab):
        figure = make().figure
        assert any(t.meta == "theory" for t in figure.data)
        assert any(t.meta == "measured" for t in figure.data)
        assert all(np.isfinite(np.array(figure.layout.yaxis.range, float)))


@pytest.mark.parametrize(
    "make",
    [
        labs.speed_lab,
        labs.trainability_lab,
        labs.spectrum_lab,
        labs.linear_lab,
        labs.fluctuation_lab,
        labs.overflow_lab,
    ],
)
def test_a_training_is_watched_on_one_figure(make):
    lab = make()
    x_axes = [key for key in lab._drawn.layout if key.startswith("xaxis")]
    seen = list(lab._experiment(**lab.values | {"seed": 17}))
    assert len(seen) > 3
    for one in seen[:4]:
        drawing = lab._draw(one)
        assert [t["type"] for t in drawing.data] == [t["type"] for t in lab._drawn.data]
        assert one.verdict.endswith(".")
        # The x axes are those of the last result from the first on.
        for key in x_axes:
            assert drawing.layout[key]["range"] == lab._draw(seen[-1]).layout[key]["range"]
