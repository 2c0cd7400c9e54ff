import numpy as np
import pytest

from vglib.sigmoid import labs


def test_the_curve_saturates_outwards():
    lab = labs.curves_lab()
    words = [lab.set(z=z).verdict.split(":")[0] for z in (0.0, 2.0, 4.0, -4.0)]
    assert words == ["nearly linear", "bending", "saturated", "saturated"]
    assert lab.preset("tanh at 2").verdict.startswith("saturated")


def test_a_larger_batch_mixes_the_signs_of_relu():
    lab = labs.one_sign_lab()
    shares = [lab.set(batch=b).result.chosen["relu"] for b in (1, 10, 100, 1437)]
    assert shares == sorted(shares, reverse=True)
    assert "tanh 0%" in lab.verdict
    assert len(lab.result.batches) == 10
    assert len(lab.set(batch=7).result.batches) == 11


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("sigmoid, sample by sample", "zig-zags"),
        ("sigmoid, all data", "goes straight and is under way"),
        ("sigmoid, all data, step near the limit", "zig-zags and arrives"),
        ("sigmoid - 1/2, all data, that step", "goes straight and arrives"),
        ("tanh, all data", "goes straight and arrives"),
        ("a lucky goal", "goes straight and arrives"),
    ],
)
def test_the_presets_of_the_walk(preset, words):
    assert labs.zigzag_lab().preset(preset).verdict.startswith(words)


def test_the_centring_lab():
    lab = labs.centring_lab()
    assert lab.verdict.startswith("the mean decides")
    assert lab.preset("six layers: not enough").verdict.startswith("no gain")


def test_a_larger_scale_saturates_more():
    lab = labs.forward_lab()
    shares = [lab.set(weight_scale=w).result.trace.saturated[0] for w in (0.05, 0.3, 1.0, 5.0)]
    assert shares == sorted(shares)
    assert "1/√n" in lab.preset("U(±1/√n), 10 layers").values["init"]
    assert lab.verdict.startswith("Var z falls")


def test_the_more_wrong_the_output_the_larger_the_gap():
    lab = labs.output_lab()
    ratios = []
    for z in (-4.0, 0.0, 4.0, 8.0):
        here = lab.set(z=z).result.here
        ratios.append(here["cross-entropy"] / here["squared error"])
    assert ratios[1] == min(ratios)
    assert ratios[3] > ratios[2] > 10


def test_the_cost_lab_measures_again_on_reseed():
    lab = labs.cost_lab()
    before = lab.result
    assert lab.reseed().result is not before
    assert np.isfinite([lab.result.chosen.share(n) for n in ("sigmoid", "relu", "tanh")]).all()


def test_the_hidden_lab():
    lab = labs.hidden_lab()
    assert lab.verdict.startswith("does not learn")
    for name in ("plain, 2 layers", "batch norm, 20 layers", "residual, 20 layers"):
        assert lab.preset(name).verdict.startswith("learns"), name
