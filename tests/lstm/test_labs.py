import numpy as np
import pytest

from vglib.lstm import labs


def test_a_larger_rho_arrives_larger():
    lab = labs.recurrence_lab()
    ends = [lab.set(weight_scale=w).result.log_typical[0] for w in (0.5, 0.9, 1.0, 1.1, 2.0)]
    assert ends == sorted(ends)
    assert lab.verdict.startswith("explodes")


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("linear, ρ = 0.9", "vanishes"),
        ("linear, ρ = 1.1", "explodes"),
        ("orthogonal, ρ = 1", "holds"),
        ("tanh, ρ = 1.2, with input", "vanishes"),
        ("tanh, ρ = 3", "explodes"),
    ],
)
def test_the_presets_of_the_recurrence(preset, words):
    assert labs.recurrence_lab().preset(preset).verdict.startswith(words)


def test_the_jordan_block_bulges():
    lab = labs.recurrence_lab().preset("ρ = 0.9 and yet")
    assert "on the way the worst direction peaks at" in lab.verdict
    assert max(lab.result.log_worst) > np.log(1e5)


def test_a_dead_relu_net_is_named():
    lab = labs.recurrence_lab().set(activation="relu", matrix="Jordan block", noise=0, seed=0)
    for seed in range(20):
        if lab.set(seed=seed).result.log_typical[0] == -np.inf:
            assert "exactly 0" in lab.verdict
            return
    assert lab.verdict.endswith(".")


def test_an_open_gate_keeps_the_gradient():
    lab = labs.forget_lab()
    ends = [lab.set(forget_bias=b).result.log_c[0] for b in (-3, 0, 1, 2, 3)]
    assert ends == sorted(ends)
    assert lab.set(forget_bias=0.0).verdict.startswith("vanishes")
    assert lab.preset("an LSTM explodes").verdict.startswith("explodes")
    assert lab.preset("gates, no memory").verdict.startswith("vanishes")
    assert "exactly 1" in lab.preset("1997: f = 1").verdict


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (labs.recurrence_lab, {"activation": "tanh"}),
        (labs.forget_lab, {}),
        (labs.forget_lab, {"wiring": "f = 1 (1997)"}),
        (labs.cells_lab, {}),
    ],
)
def test_the_verdict_says_where_theory_ends(make, values):
    lab = make().set(**values)
    assert "theory no longer holds" not in lab.verdict
    assert "theory no longer holds" in lab.set(weight_scale=20.0).verdict


def test_the_axis_stands_still_while_the_bias_moves():
    lab = labs.forget_lab()
    ranges = {tuple(lab.set(forget_bias=b).figure.layout.yaxis.range) for b in (0.0, 1.0, 3.0)}
    assert len(ranges) == 1


def test_the_three_cells():
    lab = labs.cells_lab()
    ends = {n: v[0] for n, v in lab.preset("b = 5").result.measured.items()}
    assert ends["tanh RNN"] < -50 < -5 < min(ends["LSTM"], ends["GRU"])
    ends = {n: v[0] for n, v in lab.preset("as torch makes them").result.measured.items()}
    assert max(ends.values()) < -40


@pytest.mark.parametrize(
    ("preset", "words"),
    [("tanh, T = 5", "learns to add"), ("tanh, T = 20", "not learned"), ("GRU, T = 10", "learns")],
)
def test_the_presets_of_the_lag_lab(preset, words):
    assert words in labs.lag_lab().preset(preset).verdict


def test_the_truncation_lab():
    lab = labs.truncation_lab()
    assert lab.verdict.startswith("learns nothing")
    assert lab.preset("window 5, lag 4").verdict.startswith(("learns it", "is learning"))
    assert lab.preset("window 10, lag 5").verdict.startswith("learns it")
    assert lab.preset("window 5, lag 5, tanh, input × 8").verdict.startswith("learns it")


def test_clipping_in_the_character_lab():
    lab = labs.character_lab()
    free = lab.result.final
    assert "no clipping" in lab.verdict
    assert lab.preset("clipped at 0.25").result.final < free
    assert "clipped at 0.25 in" in lab.verdict


def test_what_a_step_loses_is_lost_a_thousand_times_and_adds_up():
    lab = labs.diagonal_lab()
    left = [np.exp(lab.set(lost=lost).result.log_linear[0]) for lost in (0.01, 0.001)]
    np.testing.assert_allclose(left, [4.32e-5, 0.368], rtol=2e-3)
    free = lab.preset("|λ| = 0.999").result.state[-1]
    assert 15 < free < 30
    held = lab.preset("|λ| = 0.999, with γ").result
    assert held.state[-1] == pytest.approx(free * np.sqrt(1 - 0.999**2))
    assert "with γ the state" in lab.verdict
