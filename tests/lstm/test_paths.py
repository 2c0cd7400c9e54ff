import math

import numpy as np
import pytest

from vglib.lstm.cells import draw_cell, run, sequence
from vglib.lstm.paths import carry_over, direct_path, lstm_path, three_cells


@pytest.mark.parametrize(
    ("bias", "low", "high"),
    [(0.0, 1e-23, 1e-21), (1.0, 1e-10, 1e-8), (2.0, 1e-3, 5e-2), (5.0, 4, 40)],
)
def test_the_forget_bias_moves_the_gradient_by_more_than_twenty_powers_of_ten(bias, low, high):
    paths = [lstm_path(bias, seed=seed) for seed in range(5)]
    size = math.exp(np.median([p.log_c[0] for p in paths]))
    assert low < size < high
    gates = 1 / (1 + math.exp(-bias))
    assert paths[0].log_gates[0] == pytest.approx(100 * math.log(gates))
    assert all(p.log_c[0] > p.log_direct[0] for p in paths)
    assert abs(math.log(size) - paths[0].log_theory[0]) < math.log(20)


def test_the_direct_path_is_the_product_of_the_forget_gates():
    cell = draw_cell("lstm", 1.0, 1.0, 0)
    seen = run(cell, sequence(7, 1.0, 0))
    gates = np.array([s.gates["f"][0] for s in seen.steps])
    for t in (0, 3, 7):
        expected = np.sqrt((gates[t:].prod(0) ** 2).mean())
        assert math.exp(direct_path(seen)[t]) == pytest.approx(expected, rel=1e-12)


def test_the_carousel_and_the_other_controls():
    carousel = lstm_path(wiring="f = 1 (1997)")
    np.testing.assert_allclose(carousel.log_direct, 0, atol=1e-12)
    np.testing.assert_array_equal(carousel.log_c, carousel.log_control)
    assert carousel.log_c[0] > math.log(3)
    plain, no_memory = lstm_path(), lstm_path(wiring="gates, no memory (f = 0)")
    assert no_memory.log_c[0] < 3 * plain.log_c[0] < 0
    assert lstm_path(wiring="memory, no gates").log_c[0] > carousel.log_c[0]


@pytest.mark.parametrize(("bias", "factor"), [(0.0, 10), (2.0, 6), (5.0, 1.5)])
def test_the_same_theory_holds_for_a_gru(bias, factor):
    result = [three_cells(bias, seed=seed) for seed in range(3)]
    measured = np.median([r.measured["GRU"][0] for r in result])
    assert abs(measured - result[0].predicted["GRU"][0]) < math.log(factor)


def test_what_is_carried_from_sequence_to_sequence_fades():
    assert carry_over(0) == 1
    assert carry_over(1, carried=False) == 0
    left = [carry_over(n) for n in range(4)]
    assert left == sorted(left, reverse=True)
    assert 0.03 < left[-1] < 0.3
