"""What the observer follows: operations, not modules, and nothing of what it sees is changed."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.doctor.training import drawn
from vglib.doctor.operators import Observer, as_number, rms


def followed(model: nn.Module, *inputs: torch.Tensor, **options) -> Observer:
    observer = Observer(model, inputs, **options)
    with observer.placed(), observer:
        model(*inputs)
    return observer


@pytest.fixture(autouse=True)
def _seeded():
    with drawn(0):
        yield


class Own(nn.Module):
    """A module with whatever parameters and whatever forward pass."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def bare(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape))


# --- which parameters are seen ---

X = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0))
IDS = torch.arange(30).reshape(5, 6) % 11

SHAPES = {
    "packed attention": (
        nn.MultiheadAttention(8, 2, batch_first=True),
        (X, X, X),
        ["in_proj_weight", "out_proj.weight"],
    ),
    "LSTM": (
        nn.LSTM(8, 4, num_layers=2, batch_first=True),
        (X,),
        ["weight_ih_l0", "weight_hh_l0", "weight_ih_l1", "weight_hh_l1"],
    ),
    "GRU cell": (nn.GRUCell(8, 4), (X[0],), ["weight_ih", "weight_hh"]),
    "embedding": (nn.Embedding(11, 4), (IDS,), ["weight"]),
    "embedding bag": (nn.EmbeddingBag(11, 4), (IDS,), ["weight"]),
    "bilinear": (nn.Bilinear(8, 8, 3), (X, X), ["weight"]),
    "transposed convolution": (nn.ConvTranspose1d(6, 3, 2), (X,), ["weight"]),
    "bare parameter": (Own(lambda m, x: x @ m.w, w=bare(8, 3)), (X,), ["w"]),
    "a view": (Own(lambda m, x: x @ m.w.view(8, 3), w=bare(24, 1)), (X,), ["w"]),
    "a transpose": (Own(lambda m, x: x @ m.w.t(), w=bare(3, 8)), (X,), ["w"]),
    "a property": (Own(lambda m, x: x @ m.w.T, w=bare(3, 8)), (X,), ["w"]),
    "einsum": (Own(lambda m, x: torch.einsum("btf,fo->bto", x, m.w), w=bare(8, 3)), (X,), ["w"]),
    "a weight on the left": (Own(lambda m, x: m.w @ x, w=bare(3, 6)), (X,), ["w"]),
    "a weight normed": (nn.utils.parametrizations.weight_norm(nn.Linear(8, 3)), (X,), [
        "parametrizations.weight.original0", "parametrizations.weight.original1"]),
    "two made one": (
        Own(lambda m, x: F.linear(x, torch.cat([m.a, m.b])), a=bare(2, 8), b=bare(3, 8)),
        (X,),
        ["a", "b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_matrix_is_seen(name):
    model, inputs, matrices = SHAPES[name]
    observer = followed(model, *inputs)
    assert {n for n, p in model.named_parameters() if p.dim() >= 2} == set(matrices)
    in_calls = {parameter for call in observer.calls for parameter in call.parameters}
    assert set(matrices) <= observer.used
    assert set(matrices) <= in_calls
    assert all(call.signal > 0 for call in observer.calls)


def test_what_is_not_used_is_not_seen():
    model = Own(lambda m, x: x @ m.w, w=bare(8, 3), idle=bare(8, 3))
    observer = followed(model, X)
    assert observer.used == {"w"}
    assert [call.parameters for call in observer.calls] == [("w",)]


def test_a_tied_weight_is_one_parameter_in_two_calls():
    tied = nn.Embedding(11, 8)
    head = nn.Linear(8, 11, bias=False)
    head.weight = tied.weight
    observer = followed(nn.Sequential(tied, head), IDS)
    assert [call.operation for call in observer.calls] == ["embedding", "linear"]
    assert {call.parameters for call in observer.calls} == {("0.weight",)}


def test_a_norm_is_no_call():
    observer = followed(nn.Sequential(nn.Linear(8, 4), nn.LayerNorm(4), nn.Linear(4, 2)), X)
    assert [call.place for call in observer.calls] == ["0", "2"]
    assert {"1.weight", "1.bias"} <= observer.used


# --- where, what before, what after ---


def test_places_order_and_activations():
    model = nn.Sequential(
        nn.Linear(8, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), nn.Tanh()
    )
    calls = followed(model, X).calls
    assert [call.place for call in calls] == ["0", "2.0", "2.1"]
    assert [call.before for call in calls] == [-1, 0, 1]
    assert [call.activation for call in calls] == ["relu", "", "tanh"]
    assert [call.direct for call in calls] == [False, False, True]


def test_a_place_is_the_layers_whatever_its_weight_is_made_of():
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))
    run = lambda m, x: F.linear(m.normed(x), m.bare) @ m.inside.weight  # noqa: E731
    parts = {"normed": normed, "bare": bare(3, 4), "inside": nn.Linear(2, 3)}
    calls = followed(Own(run, **parts), X).calls
    assert [call.place for call in calls] == ["normed", "bare", "inside"]


def test_moves_leave_the_way_direct_and_arithmetic_does_not():
    def way(between):
        run = lambda m, x: m.two(between(m.one(x)))  # noqa: E731
        return followed(Own(run, one=nn.Linear(8, 8), two=nn.Linear(8, 8)), X).calls[1]

    assert way(lambda h: h.transpose(0, 1).contiguous()).direct
    assert way(lambda h: F.dropout(h, 0.5)).direct
    assert not way(lambda h: 2 * h).direct
    assert not way(lambda h: h.softmax(-1)).direct
    assert way(lambda h: 2 * h).before == 0


def test_at_a_branch_the_activation_is_its_own():
    run = lambda m, x: m.head_1(F.relu(m.body(x))) + m.head_2(m.body(x))  # noqa: E731
    model = Own(run, body=nn.Linear(8, 8), head_1=nn.Linear(8, 2), head_2=nn.Linear(8, 2))
    calls = followed(model, X).calls
    assert [(c.place, c.activation) for c in calls] == [
        *(("body", "relu"), ("head_1", ""), ("body", ""), ("head_2", "")),
    ]
    assert [c.before for c in calls] == [-1, 0, -1, 2]


def test_in_place_is_followed():
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    first = followed(model, X).calls[0]
    out = F.linear(X, model[0].weight, model[0].bias)
    assert first.activation == "relu"
    assert first.signal == pytest.approx(float(out.detach().double().square().mean().sqrt()))


def test_a_cut_is_noted_and_goes_on():
    run = lambda m, x: m.two(m.one(x).detach())  # noqa: E731
    observer = Observer(model := Own(run, one=nn.Linear(8, 4), two=nn.Linear(4, 2)), [X])
    with observer.placed(), observer:
        out = model(X)
    assert observer.cuts == {0: ""}
    assert observer.origin(out).cut
    assert observer.origin(out).inputs
    assert observer.origin(out).kind == "linear"
    assert not observer.origin(torch.ones(2)).inputs


def test_what_leaves_torch_and_what_is_no_parameter_is_noted():
    hidden = torch.randn(8, 4, requires_grad=True)
    run = lambda m, x: m.one(x @ hidden) * m.one(x @ hidden).sum().item()  # noqa: E731
    observer = followed(Own(run, one=nn.Linear(4, 2)), X)
    assert [tensor for _, tensor in observer.strangers.values()] == [hidden]
    assert [name for name, _ in observer.left_torch] == ["item"]


def test_grad_mode_is_noted():
    def run(m, x):
        with torch.no_grad():
            h = m.one(x)
        return m.two(h)

    calls = followed(Own(run, one=nn.Linear(8, 4), two=nn.Linear(4, 2)), X).calls
    assert [call.grad_enabled for call in calls] == [False, True]


# --- the numbers ---


def test_signal_and_gradient_are_those_of_autograd():
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    x, outputs = X.double(), []
    for layer in (model[0], model[2]):
        layer.register_forward_hook(lambda m, a, out: (out.retain_grad(), outputs.append(out))[0])
    observer = Observer(model, [x])
    with observer.placed(), observer:
        loss = model(x).square().mean()
    loss.backward()
    for call, out in zip(observer.calls, outputs, strict=True):
        assert as_number(call.signal) == pytest.approx(float(out.detach().square().mean().sqrt()))
        assert as_number(call.delta) == pytest.approx(float(out.grad.square().mean().sqrt()))


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (torch.tensor([3.0, 4.0]), 12.5**0.5),
        (torch.tensor([3e-30, 4e-30]), 12.5**0.5 * 1e-30),
        (torch.tensor([3e30, 4e30]), 12.5**0.5 * 1e30),
        (torch.tensor([3e4, 4e4], dtype=torch.float16), 12.5**0.5 * 1e4),
        (torch.tensor([3 + 4j]), 5.0),
        (torch.tensor([3, 4]), 12.5**0.5),
        (torch.eye(2).to_sparse(), 0.5**0.5),
        (torch.tensor([1.0, float("inf")]), float("inf")),
    ],
)
def test_root_mean_square(tensor, expected):
    assert as_number(rms(tensor)) == pytest.approx(expected, rel=1e-3)


def test_root_mean_square_of_nothing_is_no_number():
    assert rms(torch.empty(0)) != rms(torch.empty(0))
    assert as_number(None) != as_number(None)


# --- what is opened is what it was ---


def composites():
    x, image = torch.randn(4, 6, 8), torch.randn(4, 3, 9, 9)
    logits, labels, soft = torch.randn(4, 5), torch.tensor([0, 4, 2, 1]), torch.rand(4, 5)
    pair = torch.randn(4, 5), torch.randn(4, 5)
    return {
        "relu": (F.relu, (x,), {}),
        "gelu": (F.gelu, (x,), {"approximate": "tanh"}),
        "dropout": (F.dropout, (x, 0.4), {}),
        "gumbel_softmax": (F.gumbel_softmax, (x,), {"tau": 0.7}),
        "cross_entropy": (F.cross_entropy, (logits, labels), {"label_smoothing": 0.1}),
        "nll_loss": (F.nll_loss, (logits, labels), {}),
        "mse_loss": (F.mse_loss, pair, {"reduction": "sum"}),
        "bce": (F.binary_cross_entropy, (soft, soft.round()), {}),
        "bce_with_logits": (F.binary_cross_entropy_with_logits, (logits, soft), {}),
        "batch_norm": (F.batch_norm, (image, None, None), {"training": True}),
        "layer_norm": (F.layer_norm, (x, (8,)), {}),
        "group_norm": (F.group_norm, (image, 3), {}),
        "interpolate": (F.interpolate, (image,), {"scale_factor": 2, "mode": "bilinear"}),
        "normalize": (F.normalize, (x,), {"dim": 1}),
        "max_pool2d": (F.max_pool2d, (image, 3), {}),
        "max_pool2d with places": (F.max_pool2d, (image, 3), {"return_indices": True}),
        "embedding": (F.embedding, (IDS, torch.randn(11, 4)), {"padding_idx": 0}),
        "pad": (F.pad, (image, (1, 2, 0, 1)), {"mode": "reflect"}),
        "softmax": (F.softmax, (x,), {"dim": 1}),
        "unfold": (F.unfold, (image, 3), {}),
        "triplet": (F.triplet_margin_loss, (*pair, logits), {}),
        "cosine": (F.cosine_embedding_loss, (*pair, torch.tensor([1, -1, 1, -1])), {}),
        "attention": (F.scaled_dot_product_attention, (x, x, x), {"is_causal": True}),
    }


@pytest.mark.parametrize("name", composites())
def test_a_composite_gives_exactly_the_plain_result(name):
    function, arguments, options = composites()[name]

    def result():
        with drawn(3):
            made = function(*arguments, **options)
        return made if isinstance(made, tuple) else (made,)

    plain = result()
    with Observer(nn.Linear(1, 1)):
        seen = result()
    assert all(torch.equal(a, b) for a, b in zip(plain, seen, strict=True))


def test_what_a_composite_is_made_of_is_seen():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    calls = followed(attention, X, X, X).calls
    assert [call.operation for call in calls] == ["linear", "linear"]
    assert [call.parameters[-1] for call in calls] == ["in_proj_weight", "out_proj.weight"]


def test_hooks_are_gone_afterwards_even_after_an_error():
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    followed(model, X)
    with pytest.raises(RuntimeError):
        followed(model, torch.ones(2, 3))
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
