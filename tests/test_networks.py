"""Networks against the laws they declare, torch, and compositions written out by hand."""

from itertools import pairwise
from math import inf, nan, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vglib.networks import (
    INITIALIZATIONS,
    MAX_DEPTH,
    Initialization,
    get_initialization,
    mlp,
    sigma_b,
    sigma_w,
    stream,
)

EVERY = pytest.mark.parametrize("init", INITIALIZATIONS.values(), ids=lambda i: i.name)


def parameters(network: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach() for p in network.parameters()]


@EVERY
@pytest.mark.parametrize(("depth", "widths"), [(1, [5]), (3, [5, 5, 5]), ([4, 7, 2], [4, 7, 2])])
def test_shapes(init: Initialization, depth: int | list[int], widths: list[int]) -> None:
    network = mlp(depth, 5, n_in=3, n_out=2, init=init)
    fans = [3, *widths, 2]
    assert network.depth == len(widths)
    assert [tuple(w.shape) for w in network.weights] == [(o, i) for i, o in pairwise(fans)]
    assert [tuple(b.shape) for b in network.biases] == [(n,) for n in fans[1:]]
    assert network(torch.zeros(6, 3, dtype=torch.float64)).shape == (6, 2)
    assert all(p.dtype == torch.float64 and p.requires_grad for p in network.parameters())


@EVERY
@pytest.mark.parametrize("bias_scale", [None, 0.3])
def test_a_deeper_net_begins_with_the_shallower_one(
    init: Initialization, bias_scale: float | None
) -> None:
    short, long = (mlp(d, 6, init=init, bias_scale=bias_scale, seed=3) for d in (20, 21))
    for layers in ("weights", "biases"):
        a, b = list(getattr(short, layers)), list(getattr(long, layers))
        assert all(torch.equal(x, y) for x, y in zip(a[:20], b[:20], strict=True))
        assert torch.equal(a[20], b[21])


@EVERY
def test_the_weight_scale_only_multiplies(init: Initialization) -> None:
    plain, scaled = (mlp(3, 6, init=init, weight_scale=s, bias_scale=0.2) for s in (1.0, 2.5))
    for a, b in zip(plain.weights, scaled.weights, strict=True):
        assert torch.equal(2.5 * a, b)
    for a, b in zip(plain.biases, scaled.biases, strict=True):
        assert torch.equal(a, b)


def test_the_bias_scale_leaves_the_weights_alone() -> None:
    a, b = mlp(3, 6, bias_scale=None), mlp(3, 6, bias_scale=0.7)
    assert all(torch.equal(x, y) for x, y in zip(a.weights, b.weights, strict=True))
    assert all(not x.any() for x in a.biases)
    assert all(x.all() for x in b.biases)


def test_a_seed_decides_everything_and_the_global_generator_nothing() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a = mlp(3, 6, seed=5, bias_scale=1.0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    b, c = mlp(3, 6, seed=5, bias_scale=1.0), mlp(3, 6, seed=6, bias_scale=1.0)
    assert all(torch.equal(x, y) for x, y in zip(parameters(a), parameters(b), strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(parameters(a), parameters(c), strict=True))


def test_layers_are_uncorrelated() -> None:
    layers = torch.stack([w.detach().flatten() for w in mlp(20, 64, init="normal").weights[:20]])
    off = torch.corrcoef(layers) - torch.eye(20)
    # 190 correlations of 4096 pairs each: standard error 1/64.
    assert float(off.abs().max()) < 5 / 64


def test_first_draws_of_neighbouring_layers_are_independent_normals() -> None:
    draws = np.array([torch.randn(1, generator=stream(0, i)).item() for i in range(4000)])
    assert abs(draws.mean()) < 5 / sqrt(4000)
    assert abs(draws.std() - 1) < 5 / sqrt(8000)
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 5 / sqrt(4000)


@EVERY
@pytest.mark.parametrize(("fan_in", "fan_out"), [(400, 400), (300, 600), (600, 300)])
def test_the_variance_is_the_declared_one(init: Initialization, fan_in: int, fan_out: int) -> None:
    weight = init.draw(fan_in, fan_out, stream(0, 1))
    assert weight.shape == (fan_out, fan_in)
    assert weight.dtype == torch.float64
    declared = init.variance(fan_in, fan_out)
    assert float(weight.var()) == pytest.approx(declared, rel=0.02)
    assert abs(float(weight.mean())) < 5 * sqrt(declared / weight.numel())


def test_the_variances_are_the_published_ones() -> None:
    published = {
        "normal": 1,
        "1/fan_in": 1 / 30,
        "lecun": 1 / 30,
        "glorot": 2 / 80,
        "he": 2 / 30,
        "orthogonal": 1 / 50,
        "torch": 1 / 90,
    }
    measured = {i.name: i.variance(30, 50) for i in INITIALIZATIONS.values()}
    assert measured == pytest.approx(published)


@EVERY
def test_the_distribution_is_the_declared_one(init: Initialization) -> None:
    weight = init.draw(200, 300, stream(1, 1))
    unit = weight / sqrt(init.variance(200, 300))
    fourth = float((unit**4).mean())
    if init.distribution == "uniform":
        assert 0.999 * sqrt(3) < float(unit.abs().max()) <= sqrt(3) * (1 + 1e-12)
        assert fourth == pytest.approx(9 / 5, rel=0.03)
    else:
        assert fourth == pytest.approx(3, rel=0.05)
        assert float(unit.abs().max()) > 3


@pytest.mark.parametrize(("fan_in", "fan_out"), [(7, 7), (5, 12), (12, 5), (1, 1), (1, 4)])
def test_orthogonal_means_orthonormal_rows_or_columns(fan_in: int, fan_out: int) -> None:
    weight = get_initialization("orthogonal").draw(fan_in, fan_out, stream(2, 1))
    gram = weight @ weight.T if fan_out <= fan_in else weight.T @ weight
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=gram.dtype), rtol=0, atol=1e-13)


def test_orthogonal_matrices_are_drawn_evenly() -> None:
    draw = get_initialization("orthogonal").draw
    corners = np.array(
        [[m[0, 0], m[1, 1]] for m in (draw(3, 3, stream(s, 1)) for s in range(2000))]
    )
    # Haar measure: each entry has mean 0 and variance 1/3; QR's bare convention fixes signs.
    assert np.abs(corners.mean(0)).max() < 5 * sqrt(1 / 3 / 2000)
    assert (corners**2).mean(0) == pytest.approx([1 / 3, 1 / 3], rel=0.1)


def test_torch_is_the_law_of_a_torch_linear_layer() -> None:
    layer = torch.nn.Linear(400, 300, dtype=torch.float64)
    network = mlp(1, 300, n_in=400, init="torch")
    bound = 1 / sqrt(400)
    pairs = zip([parameters(network)[i] for i in (0, 2)], parameters(layer), strict=True)
    for ours, theirs in pairs:
        for tensor in (ours, theirs):
            assert 0.97 * bound < float(tensor.abs().max()) <= bound
        assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.15)
    assert float(parameters(network)[0].std()) == pytest.approx(
        float(layer.weight.std().detach()), rel=0.02
    )


@EVERY
def test_a_float32_net_is_the_float64_one_rounded(init: Initialization) -> None:
    single, double = (
        mlp(4, 9, init=init, bias_scale=0.1, weight_scale=3.0, dtype=d)
        for d in (torch.float32, torch.float64)
    )
    for a, b in zip(parameters(single), parameters(double), strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b.float())


def test_the_output_activation_belongs_to_the_readout_only() -> None:
    x = torch.randn(5, 64, dtype=torch.float64, generator=stream(0, 9))
    plain, squashed = mlp(2, 6), mlp(2, 6, output="sigmoid")
    torch.testing.assert_close(torch.sigmoid(plain(x)), squashed(x), rtol=1e-14, atol=0)
    assert [squashed.layer_activation(i).name for i in range(3)] == ["sigmoid"] * 3
    assert plain.layer_activation(2).name == "identity"


def test_mlp_is_the_composition_written_out() -> None:
    network = mlp(2, 4, n_in=3, n_out=2, activation="tanh", bias_scale=0.5)
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    (w1, w2, w3), (b1, b2, b3) = (
        [p.detach().numpy() for p in group] for group in (network.weights, network.biases)
    )
    expected = np.tanh(np.tanh(x @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    np.testing.assert_allclose(network(torch.tensor(x)).detach(), expected, rtol=1e-13)


@EVERY
def test_sigma_w_is_measured(init: Initialization) -> None:
    network = mlp(2, 400, n_in=300, init=init, weight_scale=1.7)
    first, second = (sqrt(w.shape[1] * w.var().item()) for w in network.weights[:2])
    assert sigma_w(init, 400, 1.7) == pytest.approx(second, rel=0.01)
    assert sigma_w(init.name, 400, 1.7, fan_in=300) == pytest.approx(first, rel=0.01)


def test_sigma_b_is_measured() -> None:
    default = torch.cat([b.detach() for b in mlp(20, 300, init="torch").biases[1:20]])
    assert sigma_b("torch", 300) == pytest.approx(float(default.std()), rel=0.05)
    drawn = torch.cat([b.detach() for b in mlp(20, 300, init="torch", bias_scale=0.4).biases])
    assert sigma_b("torch", 300, 0.4) == pytest.approx(float(drawn.std()), rel=0.05)
    assert sigma_b("he", 300) == 0


not_a_count = st.one_of(st.integers(max_value=0), st.floats(), st.none(), st.just("3"))
not_positive = st.one_of(st.floats(max_value=0), st.sampled_from([nan, inf, -inf]))
negative = st.one_of(st.floats(max_value=0, exclude_max=True), st.sampled_from([nan, inf]))
BAD = st.one_of(
    st.tuples(st.just("depth"), not_a_count.filter(lambda v: v != "3")),
    st.tuples(st.just("depth"), st.sampled_from([[], MAX_DEPTH + 1, [3] * (MAX_DEPTH + 1)])),
    st.tuples(st.just("width"), not_a_count),
    st.tuples(st.just("n_in"), not_a_count),
    st.tuples(st.just("n_out"), not_a_count),
    st.tuples(st.just("weight_scale"), not_positive),
    st.tuples(st.just("bias_scale"), negative),
    st.tuples(st.just("seed"), st.one_of(st.integers(max_value=-1), st.floats(), st.just(10**30))),
    st.tuples(st.sampled_from(["activation", "output"]), st.just("swoosh")),
    st.tuples(st.just("init"), st.just("lucky")),
)


@given(BAD)
@settings(max_examples=150, deadline=None)
def test_a_bad_argument_is_named(bad: tuple[str, object]) -> None:
    name, value = bad
    called = {"output": "activation", "init": "initialisation"}.get(name, name)
    with pytest.raises(ValueError, match=called) as error:
        mlp(**{"depth": 2, "width": 3, **{name: value}})  # type: ignore[arg-type]
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@given(bad=not_a_count, where=st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_a_bad_width_in_a_list_is_named(bad: object, where: int) -> None:
    widths: list = [3, 3, 3]
    widths[where] = bad
    with pytest.raises(ValueError, match="width"):
        mlp(widths)


def test_numpys_whole_numbers_are_whole_numbers() -> None:
    a, b = mlp(np.int64(2), np.int64(3), seed=np.int64(4)), mlp(2, 3, seed=4)
    assert all(torch.equal(x, y) for x, y in zip(parameters(a), parameters(b), strict=True))


def test_an_unknown_initialisation_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="lucky") as error:
        get_initialization("lucky")
    assert all(name in str(error.value) for name in INITIALIZATIONS)
