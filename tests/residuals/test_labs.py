import numpy as np
import pytest

from vglib.residuals import labs


@pytest.mark.parametrize(
    ("preset", "word"),
    [
        ("20 plain sigmoid layers", "vanishes"),
        ("the same with skips", "keeps its size"),
        ("100 ReLU blocks", "explodes"),
        ("1000 blocks, α = 1/√L", "keeps its size"),
        ("1000 blocks, the branch ends in ReLU", "explodes"),
        ("highway, gates at 0.12", "vanishes"),
        ("ReZero, 1000 blocks", "keeps its size"),
    ],
)
def test_the_presets_of_the_first_lab(preset, word):
    assert f"the gradient {word}:" in labs.flow_lab().preset(preset).verdict


def test_a_larger_alpha_a_longer_gradient():
    lab = labs.flow_lab()
    ratios = [lab.set(alpha=a).result.ratio for a in (0.0, 0.3, 0.6, 1.0)]
    assert ratios == sorted(ratios)
    assert ratios[0] == pytest.approx(0)


def test_the_laws_are_ordered():
    result = labs.growth_lab().result
    last = [result.measured[name][-1] for name in ("ReLU", "tanh", "BN and ReLU")]
    assert last == sorted(last, reverse=True)


def test_smaller_branches_shorter_paths():
    lab = labs.paths_lab()
    lengths = [lab.set(alpha=a).result.mean_length for a in (1.0, 0.5, 0.2, 0.0)]
    assert lengths == sorted(lengths, reverse=True)
    assert lab.preset("54 blocks with batch norm").result.mean_length < 7


def test_wider_is_luckier():
    lab = labs.luck_lab()
    shares = [lab.set(width=w).result.measured_below_half for w in (1, 3, 100)]
    assert shares == sorted(shares, reverse=True)
    assert lab.preset("built to be −1").verdict.startswith("all −1")


def test_the_cures():
    lab = labs.cure_lab()
    words = {name: lab.preset(name).verdict.partition(":")[0] for name in lab.presets}
    assert words == {
        "none": "NaN",
        "clip at 1": "alive, but slow",
        "batch norm": "trains",
        "α = 1/√L": "trains",
        "α learnt, from 0": "trains",
        "no cure, tiny steps": "slow",
        "clip at 1, ten times the step": "alive, but slow",
    }


def test_the_plain_net_falls_behind_with_depth():
    lab = labs.degradation_lab()
    assert lab.preset("2 layers").verdict.startswith("equal")
    assert lab.preset("20 layers").verdict.startswith("plain lags")


def test_heads_carry_the_gradient_in_proportion():
    lab = labs.shortcuts_lab()
    full = lab.result.first["deep supervision"]
    assert lab.set(alpha=0.5).result.first["deep supervision"] == pytest.approx(
        full - 0.693, abs=0.01
    )


@pytest.mark.parametrize(
    ("preset", "word"),
    [
        ("one layer", "smooth"),
        ("feed-forward, 50 layers", "white noise"),
        ("residual, 50 layers", "rough"),
        ("without batch norm", "smooth"),
    ],
)
def test_the_presets_of_shattering(preset, word):
    assert labs.shattering_lab().preset(preset).verdict.startswith(word)


def test_the_best_step_size_and_the_depth():
    lab = labs.rates_lab()
    deep = lab.set(depth=20).result.deep
    assert np.isinf(deep["α = 1"][2:]).all()
    assert np.isfinite(deep["α = 1/√L"]).all()
