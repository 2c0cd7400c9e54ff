import math

import numpy as np
import pytest
import torch

from vglib.lstm import claims, prose
from vglib.lstm import experiments as ex
from vglib.lstm.cells import NAMES, back_step, backward, log_stretch, make_cell, run
from vglib.lstm.learner import Learner

TORCH = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def twin(kind, n_in=3, hidden=5, seed=0):
    """Make a cell with biases and the module of torch with the same parameters."""
    generator = np.random.default_rng(seed)
    cell = make_cell(kind, n_in, hidden, keep_bias=0.7, weight_scale=2.0, generator=generator)
    cell.b_in[:] += generator.standard_normal(cell.b_in.shape)
    cell.b_h[:] += generator.standard_normal(cell.b_h.shape)
    kwargs = {"nonlinearity": "relu"} if kind == "relu" else {}
    net = TORCH.get(kind, torch.nn.RNN)(n_in, hidden, dtype=torch.float64, **kwargs)
    with torch.no_grad():
        for name, values in cell.parameters().items():
            names = {"w_in": "weight_ih", "w_h": "weight_hh", "b_in": "bias_ih", "b_h": "bias_hh"}
            getattr(net, f"{names[name]}_l0").copy_(torch.from_numpy(values))
    return cell, net


@pytest.mark.parametrize("kind", ["tanh", "relu", "lstm", "gru"])
def test_a_cell_is_torchs_in_output_and_gradient(kind):
    cell, net = twin(kind)
    generator = np.random.default_rng(1)
    x, w = generator.standard_normal((20, 4, 3)), generator.standard_normal((20, 4, 5))
    start = generator.standard_normal((2, 4, 5))
    h0, c0 = (torch.from_numpy(s[None].copy()).requires_grad_() for s in start)
    out, _ = net(torch.from_numpy(x), (h0, c0) if kind == "lstm" else h0)
    seen = run(cell, x, *start)
    np.testing.assert_allclose(seen.h[1:], out.detach().numpy(), rtol=1e-10, atol=1e-12)
    (out * torch.from_numpy(w)).sum().backward()
    found = backward(seen, w)
    torch_names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    for name, other in zip(NAMES, torch_names, strict=True):
        expected = getattr(net, other).grad.numpy()
        np.testing.assert_allclose(found.parameters[name], expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(found.dh[0], h0.grad[0].numpy(), rtol=1e-10, atol=1e-12)
    if kind == "lstm":
        np.testing.assert_allclose(found.dc[0], c0.grad[0].numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("fixed", [{"f": 1.0}, {"f": 0.0}, {"f": 1.0, "i": 1.0, "o": 1.0}])
def test_fixed_gates_pass_no_gradient(fixed):
    generator = np.random.default_rng(0)
    cell = make_cell("lstm", 2, 4, weight_scale=2.0, fixed=fixed, generator=generator)
    x, c0 = generator.standard_normal((6, 1, 2)), generator.standard_normal((1, 4))
    seen = run(cell, x, None, c0)
    found = backward(seen, np.concatenate([np.zeros((5, 1, 4)), np.ones((1, 1, 4))])).dc[0]
    eps = 1e-6
    for unit in range(4):
        step = eps * np.eye(4)[unit]
        up, down = (run(cell, x, None, c0 + sign * step).h[-1].sum() for sign in (1, -1))
        assert found[0, unit] == pytest.approx((up - down) / (2 * eps), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh"])
def test_the_stretch_is_that_of_the_jacobian_of_autograd(kind):
    cell, net = twin(kind, 3, 6)
    x = np.random.default_rng(3).standard_normal((9, 1, 3))
    probes = np.eye(6)
    log_h, log_c = log_stretch(run(cell, x), probes, "h")
    t = 4
    with torch.no_grad():
        first = net(torch.from_numpy(x[:t]))[1]
    state = [s.clone().requires_grad_() for s in (first if kind == "lstm" else (first,))]
    end = net(torch.from_numpy(x[t:]), tuple(state) if kind == "lstm" else state[0])[0][-1, 0]
    rows = torch.stack([torch.autograd.grad(e, state[0], retain_graph=True)[0][0, 0] for e in end])
    assert math.exp(log_h[t]) == pytest.approx(float(rows.norm()) / math.sqrt(6), rel=1e-10)
    assert log_h[-1] == 0
    assert np.isfinite(log_c).any() == (kind == "lstm")


def test_the_stretch_of_the_cell_state_includes_the_way_through_its_own_h():
    cell, _ = twin("lstm", 3, 6)
    seen = run(cell, np.random.default_rng(3).standard_normal((9, 1, 3)))
    whole = np.zeros((9, 1, 6))
    rows = []
    for unit in range(6):
        out = whole.copy()
        out[-1, 0, unit] = 1
        rows.append(backward(seen, out).dc[4, 0])
    expected = np.linalg.norm(rows) / math.sqrt(6)
    assert math.exp(log_stretch(seen, np.eye(6), "h")[1][4]) == pytest.approx(expected, rel=1e-10)


def test_the_stretch_neither_underflows_nor_overflows():
    generator = np.random.default_rng(0)
    small = make_cell("lstm", 4, 8, keep_bias=-8.0, weight_scale=0.1, generator=generator)
    large = make_cell("relu", 4, 8, weight_scale=20.0, generator=generator)
    x = generator.standard_normal((200, 1, 4))
    low = log_stretch(run(small, x), np.eye(8), "c")[1][0]
    high = log_stretch(run(large, x[:150]), np.eye(8), "h")[0][0]
    # float64 ends at ln 5e-324 = -744.
    assert -2000 < low < -745
    assert 100 < high < np.inf


def test_back_step_of_a_linear_net_is_its_matrix():
    cell = make_cell("linear", 2, 3, generator=np.random.default_rng(0))
    seen = run(cell, np.ones((1, 1, 2)))
    _, _, dh, _ = back_step(cell, seen.steps[0], np.eye(3), np.zeros((3, 3)))
    np.testing.assert_allclose(dh, cell.w_h)


@pytest.mark.parametrize("kind", ["Gaussian", "orthogonal", "Jordan block"])
@pytest.mark.parametrize("rho", [0.3, 1.0, 4.0])
def test_the_weight_scale_is_the_spectral_radius(kind, rho):
    w = ex.recurrent_matrix(kind, rho, 1)
    assert np.abs(np.linalg.eigvals(w)).max() == pytest.approx(rho, rel=1e-6)


def test_linear_nets_follow_their_eigenvalues():
    """||W^100|| is within a small factor of rho^100, above for the worst direction."""
    for rho in (0.9, 1.1):
        results = [ex.recurrence(rho, seed=seed) for seed in range(5)]
        worst = np.median([r.log_worst[0] for r in results])
        assert math.log(1) < worst - 100 * math.log(rho) < math.log(8)
        assert np.median([r.rate for r in results]) == pytest.approx(rho, rel=0.03)
    orthogonal = ex.recurrence(1.0, 500, "orthogonal")
    np.testing.assert_allclose(orthogonal.log_typical, 0, atol=1e-9)


def test_the_product_is_a_power():
    result = ex.recurrence(0.9, 30, "Gaussian", "linear", seed=2)
    w = ex.recurrent_matrix("Gaussian", 0.9, 2)
    power = np.linalg.matrix_power(w, 30)
    expected = np.linalg.norm(power) / math.sqrt(len(w))
    assert math.exp(result.log_typical[0]) == pytest.approx(expected, rel=1e-10)
    assert math.exp(result.log_worst[0]) == pytest.approx(np.linalg.norm(power, 2), rel=1e-10)


def test_the_jordan_block_peaks_far_above_one_before_it_decays():
    block = ex.recurrent_matrix("Jordan block", 0.9, 0)
    norms = [np.linalg.norm(np.linalg.matrix_power(block, t), 2) for t in range(0, 500)]
    peak = int(np.argmax(norms))
    assert (peak, norms[peak]) == (89, pytest.approx(2.8e5, rel=0.02))
    assert norms[-1] < 1e-3
    for t in (0, 1, 5, 50):
        expected = np.linalg.norm(np.linalg.matrix_power(block, t))
        assert ex.jordan_norm(t) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [1.1, 1.4])
def test_a_tanh_net_above_one_still_vanishes(rho):
    rates = [ex.recurrence(rho, 100, "Gaussian", "tanh", 0.5, seed).rate for seed in range(5)]
    assert 0.75 < np.median(rates) < 0.95


@pytest.mark.parametrize(("activation", "noise"), [("tanh", 0.5), ("tanh", 2.0), ("relu", 0.5)])
def test_mean_field_theory_gives_the_factor_a_step(activation, noise):
    results = [ex.recurrence(1.2, 100, "Gaussian", activation, noise, s) for s in range(5)]
    predicted = np.median([math.exp(r.log_theory[0] / 100) for r in results])
    assert np.median([r.rate for r in results]) == pytest.approx(predicted, rel=0.05)


def test_overflow_in_time_is_carried():
    result = ex.recurrence(20.0, 500, "Gaussian", "relu", 2.0)
    assert np.isfinite(result.log_typical).all()
    assert result.log_typical[0] > 1000
    assert result.verdict.startswith("explodes")


def test_the_weight_gradient_is_the_sum_of_its_terms_and_lives_on_the_recent_ones():
    parts = ex.weight_gradient(50)
    assert parts.first < 1e-15 * parts.last
    assert np.linalg.norm(parts.norms[-10:]) > 0.999 * np.linalg.norm(parts.norms)
    assert len(parts.norms) == 50


@pytest.mark.parametrize(
    ("bias", "low", "high"),
    [(0.0, 1e-23, 1e-21), (1.0, 1e-10, 1e-8), (2.0, 1e-3, 5e-2), (5.0, 4, 40)],
)
def test_the_forget_bias_moves_the_gradient_by_more_than_twenty_powers_of_ten(bias, low, high):
    paths = [ex.lstm_path(bias, seed=seed) for seed in range(5)]
    size = math.exp(np.median([p.log_c[0] for p in paths]))
    assert low < size < high
    gates = 1 / (1 + math.exp(-bias))
    assert paths[0].log_gates[0] == pytest.approx(100 * math.log(gates))
    assert all(p.log_c[0] > p.log_direct[0] for p in paths)
    assert abs(math.log(size) - paths[0].log_theory[0]) < math.log(20)


def test_the_theory_is_exact_for_small_weights_and_for_silence():
    for bias in (0.0, 2.0, 5.0):
        small = ex.lstm_path(bias, weight_scale=0.1)
        assert small.log_c[0] == pytest.approx(small.log_theory[0], abs=0.3)
    _, kappa = ex.lstm_factors(3.0, 1.0, 5, inputs=0.0)
    # All gates at 1/2, no slope below 1, sigma_w = 1/sqrt 3; the first step starts from 0.
    np.testing.assert_allclose(kappa, [0, *[0.25 / math.sqrt(3)] * 4])


def test_two_paths_is_the_binomial_sum():
    f, kappa, steps = 0.7, 0.2, 15
    log_rms = ex.two_paths(np.full(steps, f), np.full(steps, kappa))
    total = sum((math.comb(steps, k) * f ** (steps - k) * kappa**k) ** 2 for k in range(steps + 1))
    assert log_rms[0] == pytest.approx(0.5 * math.log(total), rel=1e-10)
    assert log_rms[-1] == 0
    np.testing.assert_allclose(ex.two_paths(np.full(9, 0.5), np.zeros(9))[0], 9 * math.log(0.5))
    dead = ex.two_paths(np.zeros(3), np.zeros(3))
    assert dead[0] == -np.inf
    assert dead[-1] == 0


def test_the_direct_path_is_the_product_of_the_forget_gates():
    cell = ex._gated("lstm", 1.0, 1.0, 0)
    seen = run(cell, ex._sequence(7, 1.0, 0))
    gates = np.array([s.gates["f"][0] for s in seen.steps])
    for t in (0, 3, 7):
        expected = np.sqrt((gates[t:].prod(0) ** 2).mean())
        assert math.exp(ex.direct_path(seen)[t]) == pytest.approx(expected, rel=1e-12)


def test_the_carousel_and_the_other_controls():
    carousel = ex.lstm_path(wiring="f = 1 (1997)")
    np.testing.assert_allclose(carousel.log_direct, 0, atol=1e-12)
    np.testing.assert_array_equal(carousel.log_c, carousel.log_control)
    assert carousel.log_c[0] > math.log(3)
    plain, no_memory = ex.lstm_path(), ex.lstm_path(wiring="gates, no memory (f = 0)")
    assert no_memory.log_c[0] < 3 * plain.log_c[0] < 0
    assert ex.lstm_path(wiring="memory, no gates").log_c[0] > carousel.log_c[0]


def test_a_longer_sequence_begins_like_a_shorter_one():
    np.testing.assert_array_equal(ex._sequence(9, 1.0, 0)[:5], ex._sequence(5, 1.0, 0))


@pytest.mark.parametrize(("bias", "factor"), [(0.0, 10), (2.0, 6), (5.0, 1.5)])
def test_the_same_theory_holds_for_a_gru(bias, factor):
    result = [ex.three_cells(bias, seed=seed) for seed in range(3)]
    measured = np.median([r.measured["GRU"][0] for r in result])
    assert abs(measured - result[0].predicted["GRU"][0]) < math.log(factor)


def test_nothing_is_carried_from_sequence_to_sequence():
    by_sequence, by_step = ex.carry_over(0)
    assert by_sequence == 0
    assert by_step > 1e-4


def test_the_adding_task():
    x, y = ex.adding_batch(20, 500, np.random.default_rng(0))
    numbers, marks = x[..., 0], x[..., 1]
    assert (marks[:10].sum(0) == 1).all()
    assert (marks[10:].sum(0) == 1).all()
    np.testing.assert_allclose((numbers * marks).sum(0), y)
    assert ((y - 1) ** 2).mean() == pytest.approx(ex.GUESS, rel=0.15)


def test_a_gru_learns_what_a_tanh_net_does_not():
    gru, tanh = (ex.adding(net, 15, 1, 200) for net in ("GRU", "tanh RNN"))
    assert gru.learned_at < 180
    assert tanh.learned_at == math.inf
    assert tanh.before[1] < 0.05 * tanh.before[-1]


def test_a_learner_descends_along_the_gradient_of_autograd():
    generator = np.random.default_rng(0)
    cell, net = twin("gru")
    learner = Learner(cell, 2, "SGD", generator=generator)
    x, d_out = generator.standard_normal((6, 3, 3)), generator.standard_normal((6, 3, 2))
    w_out = torch.from_numpy(learner.w_out.copy()).requires_grad_()
    (net(torch.from_numpy(x))[0] @ w_out.T * torch.from_numpy(d_out)).sum().backward()
    gradients = learner.gradient(learner.forward(x), d_out)
    np.testing.assert_allclose(gradients[4], w_out.grad.numpy(), rtol=1e-10, atol=1e-12)
    expected = net.weight_hh_l0.grad.numpy()
    np.testing.assert_allclose(gradients[1], expected, rtol=1e-10, atol=1e-11)
    before = cell.w_h.copy()
    norm = learner.update(gradients, 0.1, clip=1.0)
    assert norm == pytest.approx(math.sqrt(sum((g**2).sum() for g in gradients)))
    np.testing.assert_allclose(before - cell.w_h, 0.1 * expected / norm, rtol=1e-10)
    assert math.isnan(learner.update([g * np.nan for g in gradients], 0.1))
    assert np.isfinite(cell.w_h).all()


def test_a_window_must_be_longer_than_the_lag():
    losses = [ex.truncation(window, 4).loss for window in (4, 5, 8)]
    assert losses[0] > 0.8
    assert losses[1] < 0.3
    assert losses[2] < 0.1
    assert [ex.truncation(w, 4).share for w in (4, 5, 8)] == pytest.approx([0, 0.2, 0.5])


def test_the_prose_is_in_its_alphabet_and_counted():
    text = prose.text()
    assert set(text) <= set(prose.ALPHABET)
    assert 3000 < len(text) < 6000
    letters, pairs = ex.entropies()
    counts = np.array([text.count(letter) for letter in sorted(set(text))]) / len(text)
    assert letters == pytest.approx(-(counts * np.log2(counts)).sum(), abs=0.01)
    assert pairs < letters < math.log2(len(prose.ALPHABET))


def test_the_character_model_learns_and_writes():
    model = ex.characters(5)
    assert model.final < ex.entropies()[0] - 0.5
    written = model.write("the ", 30)
    assert len(written) == 34
    assert set(written) <= set(prose.ALPHABET)
    assert written == model.write("the ", 30)


def test_clipping_keeps_the_character_model():
    free, clipped = (ex.characters(25, clip, 10.0) for clip in (math.inf, 0.25))
    assert clipped.final < free.final - 0.3
    assert free.clipped == 0 < clipped.clipped


# The claim on clipping trains ten nets, and has been seen to hold with these seeds as well.
QUICK = [c for c in claims.CLAIMS if not c.slow and c is not claims.CLIPPING]


@pytest.mark.parametrize("claim", QUICK, ids=lambda c: c.id)
def test_claims_hold_with_other_seeds(claim):
    ruling = claim.trial() if claim.exact else claim.trial(range(100, 100 + claim.seeds))
    assert ruling.agrees
    assert ruling.rival_rejected
