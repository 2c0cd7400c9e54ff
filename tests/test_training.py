"""`fit` against torch's own optimisers, and what it does when a training goes wrong."""

from dataclasses import dataclass, replace
from functools import partial
from math import inf, log, nan
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.networks import MLP, mlp
from vglib.probe import trace
from vglib.training import History, fit

pytestmark = pytest.mark.filterwarnings("error")
F64 = torch.float64


@dataclass(frozen=True)
class Toy:
    """Three blobs in eight dimensions."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def toy(n: int = 67, n_test: int = 30) -> Toy:
    generator = torch.Generator().manual_seed(11)
    centres = 2 * torch.randn(3, 8, dtype=F64, generator=generator)
    y = torch.arange(n + n_test) % 3
    x = centres[y] + torch.randn(len(y), 8, dtype=F64, generator=generator)
    return Toy(x[:n], y[:n], x[n:], y[n:])


DATA = toy()


def net(depth: int = 2, **arguments: object) -> MLP:
    defaults: dict = {"n_in": 8, "n_out": 3, "activation": "tanh", "bias_scale": 0.1}
    return mlp(depth, 12, **{**defaults, **arguments})


def run(network: nn.Module | None = None, data: Toy = DATA, **arguments: object) -> History:
    defaults: dict = {"loss": F.cross_entropy, "lr": 0.1}
    if not {"epochs", "steps"} & set(arguments):
        defaults["epochs"] = 3
    return fit(net() if network is None else network, data, **{**defaults, **arguments})


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# --- losses ----------------------------------------------------------------------------------


def test_quadratic_is_the_mean_over_outputs_and_batch() -> None:
    output, y = torch.rand(4, 3, dtype=F64), torch.tensor([2, 0, 1, 2])
    expected = sum(
        (float(output[i, j]) - float(j == y[i])) ** 2 for i in range(4) for j in range(3)
    ) / (4 * 3)
    assert float(quadratic(output, y)) == pytest.approx(float(expected), rel=1e-14)


def test_nielsen_cross_entropy_is_the_sum_over_outputs() -> None:
    output, y = 0.01 + 0.98 * torch.rand(4, 3, dtype=F64), torch.tensor([2, 0, 1, 2])
    expected = -sum(
        log(output[i, j]) if j == y[i] else log(1 - output[i, j])
        for i in range(4)
        for j in range(3)
    )
    assert float(nielsen_cross_entropy(output, y)) == pytest.approx(expected / 4, rel=1e-13)


@pytest.mark.parametrize("loss", [quadratic, nielsen_cross_entropy])
def test_losses_have_the_right_gradient(loss: object) -> None:
    z = torch.randn(3, 4, dtype=F64, requires_grad=True)
    y = torch.tensor([3, 0, 1])
    assert torch.autograd.gradcheck(lambda z: loss(torch.sigmoid(z), y), (z,))  # type: ignore[operator]


def test_nielsen_cross_entropy_cancels_the_slope_of_the_sigmoid() -> None:
    """Its gradient by z is a - t, also where a sigmoid is far into saturation."""
    z = torch.tensor([[-600.0, 30.0, -30.0]], dtype=F64, requires_grad=True)
    a = torch.sigmoid(z)
    (gradient,) = torch.autograd.grad(nielsen_cross_entropy(a, torch.tensor([0])), z)
    expected = a.detach() - torch.tensor([[1.0, 0, 0]])
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_nielsen_cross_entropy_is_finite_at_0_and_1(dtype: torch.dtype) -> None:
    output = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]], dtype=dtype, requires_grad=True)
    value = nielsen_cross_entropy(output, torch.tensor([0, 0]))
    value.backward()
    assert value.isfinite()
    assert value > 10
    assert output.grad is not None
    assert output.grad.isfinite().all()


# --- training --------------------------------------------------------------------------------


def test_it_learns_and_records() -> None:
    history = run(epochs=20)
    assert history.losses[-1] < 0.1 * history.losses[0]
    assert history.train_accuracy[-1] > 0.95
    assert history.test_accuracy[-1] > 0.9
    assert history.stopped is None
    assert history.steps.tolist() == [7 * e for e in range(21)]
    assert len(history.traces) == 21
    assert history.traces[0].names == ("1", "2", "out")
    assert history.log_delta.shape == (21, 3)
    assert np.isfinite(history.log_delta).all()


def test_the_records_are_traces_of_the_first_rows() -> None:
    network = net()
    before = trace(network, DATA.x_train[:20], DATA.y_train[:20], F.cross_entropy)
    history = run(network, probe_size=20)
    after = trace(network, DATA.x_train[:20], DATA.y_train[:20], F.cross_entropy)
    for i, expected in ((0, before), (-1, after)):
        np.testing.assert_array_equal(history.log_delta[i], expected.log_delta)
        np.testing.assert_array_equal(history.traces[i].log_weight_grad, expected.log_weight_grad)
        np.testing.assert_array_equal(history.traces[i].log_bias_grad, expected.log_bias_grad)
        assert history.losses[i] == expected.loss
    right = network(DATA.x_train[:20]).argmax(1) == DATA.y_train[:20]
    assert history.train_accuracy[-1] == pytest.approx(float(right.double().mean()))
    right = network(DATA.x_test).argmax(1) == DATA.y_test
    assert history.test_accuracy[-1] == pytest.approx(float(right.double().mean()))


def test_a_seed_decides_the_run() -> None:
    nets = [net() for _ in range(3)]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = run(nets[0], seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    second, third = run(nets[1], seed=4), run(nets[2], seed=5)
    np.testing.assert_array_equal(first.losses, second.losses)
    assert same(weights(nets[0]), weights(nets[1]))
    assert not same(weights(nets[0]), weights(nets[2]))
    assert (first.losses[1:] != third.losses[1:]).all()


def by_hand(network: nn.Module, optimizer: torch.optim.Optimizer, batch: int, epochs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(len(DATA.x_train), generator=generator).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(network(DATA.x_train[rows]), DATA.y_train[rows]).backward()
            optimizer.step()


OPTIMIZERS = [
    ("sgd", partial(torch.optim.SGD, lr=0.1)),
    (torch.optim.Adam, partial(torch.optim.Adam, lr=0.1)),
]


@pytest.mark.parametrize(("given", "torchs"), OPTIMIZERS, ids=["sgd", "adam"])
def test_a_training_is_torchs_to_the_bit(given: Any, torchs: Any) -> None:
    ours, theirs = (net(activation="gelu") for _ in range(2))
    run(ours, lr=0.1, optimizer=given, batch=16, epochs=4)
    by_hand(theirs, torchs(theirs.parameters()), 16, 4)
    assert same(weights(ours), weights(theirs))


@pytest.mark.parametrize(("given", "torchs"), OPTIMIZERS, ids=["sgd", "adam"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_with_gradients_written_out_it_is_torchs_to_rounding(
    given: Any, torchs: Any, activation: str
) -> None:
    ours, theirs = (net(activation=activation) for _ in range(2))
    run(ours, lr=0.1, optimizer=given, batch=16, epochs=4)
    by_hand(theirs, torchs(theirs.parameters()), 16, 4)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-9, atol=1e-11)


def test_every_row_is_seen_once_an_epoch() -> None:
    seen: list[int] = []

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 2).double()

        def forward(self, x: Tensor) -> Tensor:
            if torch.is_grad_enabled() and len(x) <= 4:
                seen.extend(int(v) for v in x[:, 0])
            return self.layer(x)

    x, y = torch.arange(10, dtype=F64)[:, None], torch.zeros(10, dtype=torch.int64)
    run(Watching(), Toy(x, y, x, y), batch=4, epochs=3, lr=1e-3)
    epochs = [seen[i : i + 10] for i in (0, 10, 20)]
    assert len(seen) == 30
    assert all(sorted(e) == list(range(10)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 3


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ({"epochs": 2}, [0, 7, 14]),
        ({"steps": 10}, [0, 7, 10]),
        ({"steps": 3}, [0, 3]),
        ({"steps": 10, "record_at": 4}, [0, 4, 8, 10]),
        ({"epochs": 2, "record_at": 7}, [0, 7, 14]),
        ({"steps": 10, "record_at": [0, 1, 5]}, [0, 1, 5, 10]),
        ({"steps": 10, "record_at": np.array([5, 1, 10])}, [0, 1, 5, 10]),
        ({"steps": 10, "record_at": range(11)}, list(range(11))),
        ({"steps": 10, "record_at": ()}, [0, 10]),
        ({"steps": 8, "batch": 1000}, list(range(9))),
    ],
)
def test_when_records_are_made(arguments: dict, steps: list[int]) -> None:
    history = run(**arguments)
    assert history.steps.tolist() == steps


def test_records_do_not_change_the_training() -> None:
    def noisy() -> nn.Sequential:
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Linear(8, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 3)
        ).double()

    states = []
    for record_at in (1, 1000):
        network = noisy()
        network[3].eval()
        torch.manual_seed(9)
        history = run(network, record_at=record_at)
        states.append(network.state_dict())
        assert [m.training for m in network] == [True, True, True, False, True]
        assert history.traces[0].names == ("0", "4")
    assert same(list(states[0].values()), list(states[1].values()))
    assert states[0]["1.num_batches_tracked"] == history.steps[-1]


def test_an_accuracy_is_that_of_the_running_averages_as_they_are() -> None:
    torch.manual_seed(3)
    # A momentum of 1 keeps nothing but the last batch, which must not be that of the record.
    norm = nn.BatchNorm1d(12, momentum=1.0)
    network = nn.Sequential(nn.Linear(8, 12), norm, nn.Tanh(), nn.Linear(12, 3)).double()
    history = run(network, lr=1.0)
    x, y = DATA.x_test, DATA.y_test
    with torch.no_grad():
        right = (network.eval()(x).argmax(1) == y).double().mean()
    assert history.test_accuracy[-1] == right


def test_a_shared_layer_has_a_name_for_each_call() -> None:
    torch.manual_seed(0)
    shared = nn.Linear(8, 8)
    network = nn.Sequential(shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(8, 3)).double()
    history = run(network)
    assert history.traces[0].names == ("0", "0 (call 2)", "4")
    assert history.log_delta.shape == (4, 3)


def test_frozen_layers_do_not_move() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    network[0].requires_grad_(False)
    start = weights(network)
    run(network)
    kept = [torch.equal(*pair) for pair in zip(weights(network), start, strict=True)]
    assert kept == [True, True, False, False]


def test_before_step_sees_the_gradients_and_may_change_them() -> None:
    network, norms = net(), []

    def clip(module: nn.Module) -> None:
        assert module is network
        norms.append(float(nn.utils.clip_grad_norm_(module.parameters(), 1e-3)))

    start = weights(network)
    run(network, steps=5, lr=1.0, before_step=clip)
    assert len(norms) == 5
    assert min(norms) > 1e-3
    moved = torch.cat(
        [(a - b).flatten() for a, b in zip(weights(network), start, strict=True)]
    ).norm()
    assert float(moved) <= 5e-3
    assert all(p.grad is None for p in network.parameters())


def test_old_gradients_play_no_part() -> None:
    a, b = net(), net()
    for p in a.parameters():
        p.grad = torch.full_like(p, 1e6)
    run(a)
    run(b)
    assert same(weights(a), weights(b))


def test_inputs_are_cast_to_the_networks_number_type() -> None:
    history = run(net(dtype=torch.float32))
    assert np.isfinite(history.losses).all()
    np.testing.assert_allclose(history.losses, run(net()).losses, rtol=1e-4)


def test_without_a_test_set_its_accuracy_is_nan() -> None:
    empty = replace(DATA, x_test=DATA.x_test[:0], y_test=DATA.y_test[:0])
    history = run(data=empty)
    assert np.isnan(history.test_accuracy).all()
    assert np.isfinite(history.train_accuracy).all()


def test_targets_may_be_numbers() -> None:
    target = DATA.x_train.sum(1, keepdim=True)
    data = Toy(DATA.x_train, target, DATA.x_test, DATA.x_test.sum(1, keepdim=True))
    history = run(net(n_out=1, dtype=torch.float32), data, loss=F.mse_loss, lr=0.01, epochs=10)
    assert history.losses[-1] < 0.5 * history.losses[0]
    assert np.isnan(history.train_accuracy).all()
    assert np.isnan(history.test_accuracy).all()


def test_recurrent_nets_train_too() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.readout = nn.LSTM(1, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(self.cell(x[:, :, None])[0][:, -1])

    torch.manual_seed(0)
    history = run(Reader().double(), epochs=5)
    assert history.losses[-1] < history.losses[0]
    assert history.traces[0].names == ("readout",)


# --- when it goes wrong ----------------------------------------------------------------------


def test_an_explosion_names_step_and_layer() -> None:
    network = net(3, activation="relu", init="he")
    history = run(network, loss=quadratic, lr=1e6, epochs=50)
    assert history.stopped is not None
    assert "\n" not in history.stopped
    step = int(history.steps[-1])
    assert 0 < step < 350
    assert f"after step {step}" in history.stopped
    assert "layer" in history.stopped
    assert not np.isfinite(history.losses[-1])
    assert history.log_delta.shape == (len(history.steps), 4)


@pytest.mark.parametrize(
    "build", [lambda n: n, lambda n: nn.Sequential(n, nn.Linear(3, 3).double())]
)
def test_the_first_layer_that_is_not_finite_is_named(build: object) -> None:
    network = net()

    def spoil(module: nn.Module) -> None:
        with torch.no_grad():
            network.weights[1][0, 0] = nan

    history = run(network, steps=9, before_step=spoil, record_at=1)
    assert history.steps.tolist() == [0, 1]
    assert history.stopped == (
        "The loss was nan after step 1: layer 2 is the first whose pre-activation is not finite."
    )
    assert history.traces[-1].overflow_layer == 2


def test_a_loss_that_breaks_by_itself_is_told_apart() -> None:
    def breaking(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output, y) * inf

    history = run(loss=breaking)
    assert history.steps.tolist() == [0]
    assert history.stopped == (
        "The loss was inf after step 0: the signal and the weights of every layer are still finite."
    )


def test_the_layer_is_named_for_any_module() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 3)).double()

    def spoil(module: nn.Module) -> None:
        with torch.no_grad():
            network[2].bias.fill_(inf)

    history = run(network, before_step=spoil)
    assert history.stopped is not None
    assert "layer 2 is the first" in history.stopped


def test_an_interrupted_training_gives_what_it_has() -> None:
    calls = []

    def interrupt(module: nn.Module) -> None:
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt

    history = run(epochs=5, before_step=interrupt)
    assert history.steps.tolist() == [0, 7]
    assert history.losses.shape == (2,)
    assert history.stopped == "The training was interrupted after step 11."


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"lr": 0.0}, "lr"),
        ({"lr": -1.0}, "lr"),
        ({"lr": nan}, "lr"),
        ({"lr": inf}, "lr"),
        ({"batch": 0}, "batch"),
        ({"batch": 2.5}, "batch"),
        ({"probe_size": 0}, "probe_size"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1.5}, "epochs"),
        ({"steps": 0}, "steps"),
        ({"steps": -3}, "steps"),
        ({"epochs": 1, "steps": 1}, "epochs or steps"),
        ({"epochs": None}, "epochs or steps"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"record_at": "steps"}, "record_at"),
        ({"record_at": 0}, "record_at"),
        ({"record_at": 2.5}, "record_at"),
        ({"record_at": [1, 22]}, "record_at"),
        ({"record_at": [-1]}, "record_at"),
        ({"record_at": [0.5]}, "record_at"),
        ({"data": replace(DATA, y_train=DATA.y_train[:5])}, "67 training inputs and 5 targets"),
        ({"data": toy(0)}, "0 training inputs"),
        ({"network": nn.Sequential(nn.Flatten())}, "parameter"),
        ({"network": nn.BatchNorm1d(8).double()}, "no layer"),
    ],
)
def test_a_bad_argument_is_named_in_one_sentence(arguments: dict, named: str) -> None:
    network = arguments.get("network", net())
    start = weights(network)
    with pytest.raises(ValueError, match=named) as error:
        run(**{"network": network, **arguments})
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)
    assert same(weights(network), start)


def test_a_history_is_read_only() -> None:
    history = run()
    for array in (history.steps, history.losses, history.test_accuracy):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
