import numpy as np
import pytest
import torch

from vglib.attention import low_training as kept
from vglib.attention.low_training import HOMES, STEPS, low_training, trained
from vglib.attention.precision import (
    FORMATS,
    held,
    limits,
    lost_share,
    spacing,
    stochastic,
    underflow,
    updates,
)
from vglib.data import digits
from vglib.networks import mlp

BYTES = [form for form in FORMATS if limits(form).bits == 8]


def every_number(form):
    """All positive finite numbers of a format of 16 or 8 bits, in order."""
    bits = limits(form).bits
    whole = torch.int16 if bits == 16 else torch.uint8
    codes = torch.arange(2 ** (bits - 1), dtype=torch.int32).to(whole)
    found = codes.view(FORMATS[form]).double()
    return found[torch.isfinite(found)]


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "float32"])
def test_the_limits_are_those_of_all_numbers_of_a_format(form):
    numbers, has = every_number(form), limits(form)
    assert has.largest == numbers.max()
    assert has.smallest == numbers[numbers > 0].min()
    assert has.gap == numbers[numbers > 1].min() - 1 == 2.0**-has.places


@pytest.mark.parametrize(
    ("form", "largest", "smallest"),
    [("float16", 65504, -24), ("E4M3", 448, -9), ("E5M2", 57344, -16)],
)
def test_the_published_limits(form, largest, smallest):
    assert limits(form).largest == largest
    assert limits(form).smallest == 2.0**smallest


def test_the_ledger_of_float16():
    x = torch.tensor([2.0**-24, 2.0**-25, 65504.0, 65519.0, 65520.0, -70000.0])
    wanted = [2.0**-24, 0.0, 65504.0, 65504.0, np.inf, -np.inf]
    assert held(x, "float16").tolist() == x.half().tolist() == wanted
    x = torch.tensor([463.0, 465.0, -1e9])
    assert held(x, "E4M3").tolist() == [448.0, np.inf, -np.inf]
    assert held(torch.tensor([1 - 2.0**-9]), "bfloat16").item() == 1


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "float32"])
def test_the_spacing_is_the_distance_to_the_next_number(form):
    numbers = every_number(form)
    np.testing.assert_array_equal(spacing(numbers[:-1], form), numbers.diff())


@pytest.mark.parametrize("form", FORMATS)
def test_stochastic_rounding_is_right_on_average_and_takes_a_neighbour(form):
    generator = torch.Generator().manual_seed(0)
    x = torch.full((200_000,), 0.3 * limits(form).gap + 1, dtype=torch.float64)
    found = stochastic(x, form, generator)
    assert set(found.tolist()) == {1.0, 1 + limits(form).gap}
    error = limits(form).gap * (0.21 / len(x)) ** 0.5
    assert abs(found.mean() - x[0]) < 4 * error
    assert torch.equal(stochastic(found, form, generator), found)


@pytest.mark.parametrize("form", ["bfloat16", "float16", "E5M2", "E4M3"])
@pytest.mark.parametrize("scale", [0.02, 0.1, 3.0])
def test_theory_says_which_updates_are_lost(form, scale):
    seen = updates(form, 1e-4, scale, steps=1)
    # Four standard deviations of a share of 4000.
    np.testing.assert_allclose(seen.lost, seen.predicted, atol=4 * 0.5 / 4000**0.5)
    assert seen.lost.max() > 0.9
    assert seen.lost.min() < 0.1


def test_the_expected_shares_of_bfloat16():
    for step, share in ((1e-3, 0.0), (1e-4, 0.755), (1e-5, 0.969)):
        assert lost_share(step, 0.1, "bfloat16") == pytest.approx(share, abs=0.005)
        seen = [updates("bfloat16", step, seed=seed, steps=1).lost_here for seed in range(5)]
        assert np.median(seen) == pytest.approx(share, abs=0.02)


def test_chance_and_a_master_copy_get_there_and_the_nearest_does_not():
    seen = updates("bfloat16", 1e-5, steps=50)
    assert seen.moved["nearest"][-1] < 0.1 * 50
    assert seen.moved["stochastic"][-1] == pytest.approx(50, rel=0.1)
    # A master copy is right; what is rounded of it jumps by whole spacings, all alike here.
    assert seen.moved["master copy"][-1] == pytest.approx(50, rel=0.3)
    assert seen.verdict.startswith("bfloat16, steps of 1e-05 on weights of 0.1: 9")


def test_the_kept_gradient_is_autograds_where_the_format_holds_it():
    """In float32 nothing is lost, and the sizes are those of autograd's gradient by z."""
    depth, data = 5, digits(seed=3)
    net = mlp(depth, 100, init="1/fan_in", seed=3)
    h, pres = data.x_train[:32], []
    for index, weight in enumerate(net.weights):
        pres.append(h @ weight.T)
        h = net.layer_activation(index).function(pres[-1])
    loss = torch.nn.functional.cross_entropy(pres[-1], data.y_train[:32])
    deltas = torch.autograd.grad(2.0**10 * loss, pres)
    seen = underflow(depth, "float32", 10.0, seed=3)
    wanted = [float(delta.square().mean().sqrt().log()) for delta in deltas]
    np.testing.assert_allclose(seen.log_size, wanted, rtol=1e-10)
    assert seen.lost.max() == 0


def test_scaling_moves_what_underflows_and_breaks_what_overflows():
    plain, scaled, too_much = (underflow(log2_scale=k) for k in (0.0, 20.0, 32.0))
    assert plain.zero[0] == 1
    assert plain.zero[-2] == 0
    assert scaled.lost.max() < 0.3
    assert too_much.broken.min() == 1
    np.testing.assert_allclose(scaled.log_size - plain.log_size, 20 * np.log(2))
    assert underflow(form="bfloat16").lost.max() == 0
    assert "layer 1 loses 100% of its gradient to 0 and 0% to infinity" in plain.verdict


def test_no_scale_serves_thirty_layers():
    assert min(underflow(30, log2_scale=float(k)).lost.max() for k in range(0, 44, 4)) > 0.9


def test_eight_bits_hold_the_gradients_of_a_healthy_net():
    for form, scale in (("E4M3", 12.0), ("E5M2", 15.0)):
        healthy = underflow(30, form, scale, 2**0.5, "relu")
        assert healthy.lost.max() < 0.05


def test_a_training_is_watched_and_ends_as_its_function_says():
    found = list(low_training("E4M3", 1e-3, 5))
    assert [one.taken for one in found] == list(range(0, STEPS + 1, 10))
    assert np.isnan(found[0].losses["nearest"][1:]).all()
    assert found[3].verdict.startswith("so far, E4M3")
    final = found[-1]
    assert final.losses["nearest"][-1] > 2
    for home in HOMES:
        if home != "nearest":
            assert final.losses[home][-1] < 1.5, home
    assert trained("E4M3", 1e-3, 5) is final


def test_weights_live_in_the_format():
    data = digits(torch.float32)
    for home in HOMES:
        net = kept._Net("E4M3", home, 1e-3, 0)
        for _ in range(3):
            net.step(data.x_train[:64], data.y_train[:64])
        in_format = bool((held(net.used, "E4M3") == net.used).all())
        assert in_format == (home != "float32")
        assert bool((held(net.stored, "E4M3") == net.stored).all()) == (
            home in ("nearest", "stochastic")
        )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: limits("float7"), "no format called 'float7'"),
        (lambda: updates("float7"), "no format called 'float7'"),
        (lambda: updates(step=0.0), "step is 0.0"),
        (lambda: updates(weight_scale=-1.0), "weight_scale is -1.0"),
        (lambda: underflow(log2_scale=1e9), "from -200 to 200"),
        (lambda: underflow(0), "depth is 0"),
        (lambda: trained(lr=0.0), "lr is 0.0"),
        (lambda: trained("float7"), "no format called"),
    ],
)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
