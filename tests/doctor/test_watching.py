"""A training that is watched: the numbers are those by hand, and nothing is left behind."""

import csv
import math

import pytest
import torch
from torch import nn

from tests.doctor.training import drawn
from vglib.doctor import watch


class Writer:
    """Takes what TensorBoard's writer would."""

    def __init__(self):
        self.scalars = []

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))


@pytest.fixture(autouse=True)
def _seeded():
    with drawn(0):
        yield


def net(*between: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 7), *(between or [nn.ReLU()]), nn.Linear(7, 2))


def root_mean_square(tensor: torch.Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt())


def train(model, optimizer, steps, seen=None, x=None):
    x = torch.randn(16, 5, dtype=model[0].weight.dtype) if x is None else x
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        if seen is not None:
            seen.loss(loss)
        optimizer.step()


def test_rows_are_the_numbers_by_hand():
    """For gradient descent the real step is lr g: the ratio is lr ||g|| / ||w||."""
    model, rate = net(nn.Tanh()).double(), 0.3
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    x, by_hand = torch.randn(16, 5, dtype=torch.float64), []
    with watch(model, optimizer, every=1) as seen:
        for _ in range(4):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            row = {"loss": loss.item()}
            for name in ("0.weight", "2.weight"):
                weight = model.get_parameter(name)
                row[f"grad {name}"] = root_mean_square(weight.grad)
                row[f"weight {name}"] = root_mean_square(weight)
                row[f"ratio {name}"] = rate * float(weight.grad.norm() / weight.detach().norm())
            by_hand.append(row)
            seen.loss(loss)
            optimizer.step()
    assert [row["step"] for row in seen.rows] == [0, 1, 2, 3]
    for row, expected in zip(seen.rows, by_hand, strict=True):
        assert row.keys() == {"step", *expected}
        for key, value in expected.items():
            assert row[key] == pytest.approx(value, rel=1e-9), key
    assert seen.lost is None


def test_the_ratio_is_that_of_the_real_step():
    """Adam's first step moves each weight by lr, whatever the gradient."""
    model = net(nn.Tanh())
    with watch(model, optimizer := torch.optim.Adam(model.parameters(), lr=1e-2)) as seen:
        train(model, optimizer, 1)
    row = seen.rows[0]
    assert row["ratio 0.weight"] * row["weight 0.weight"] == pytest.approx(1e-2, rel=1e-3)


def test_a_weight_of_zeros_has_no_ratio():
    model = net()
    nn.init.zeros_(model[2].weight)
    with watch(model, optimizer := torch.optim.SGD(model.parameters(), lr=0.1)) as seen:
        train(model, optimizer, 1)
    assert math.isnan(seen.rows[0]["ratio 2.weight"])
    assert seen.rows[0]["ratio 0.weight"] == 0


def test_every_so_many_steps():
    model = net()
    with watch(model, optimizer := torch.optim.SGD(model.parameters(), lr=0.1), every=3) as seen:
        train(model, optimizer, 8, seen)
    assert [row["step"] for row in seen.rows] == [0, 3, 6]
    assert seen.step == 8
    assert repr(seen) == "8 steps, 3 looked at."


def test_dead_units_are_those_that_are_zero_for_all_rows():
    model = net()
    with torch.no_grad():
        model[0].bias[:3] = -100.0
    with watch(model, optimizer := torch.optim.SGD(model.parameters(), lr=1e-6)) as seen:
        train(model, optimizer, 1, x=torch.randn(64, 5))
    assert seen.rows[0]["dead 1"] == pytest.approx(3 / 7)


def test_a_channel_is_dead_where_all_of_it_is():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    with torch.no_grad():
        model[0].bias[0] = -100.0
    with watch(model, optimizer := torch.optim.SGD(model.parameters(), lr=1e-6)) as seen:
        train(model, optimizer, 1, x=torch.randn(32, 1, 8, 8))
    assert seen.rows[0]["dead 1"] == pytest.approx(1 / 4)


def test_features_of_a_sequence_are_units_too():
    """In (batch, time, features) the units of a linear layer are the last dimension."""
    model = net()
    with torch.no_grad():
        model[0].bias[:3] = -100.0
    with watch(model, optimizer := torch.optim.SGD(model.parameters(), lr=1e-6)) as seen:
        train(model, optimizer, 1, x=torch.randn(32, 9, 5))
    assert seen.rows[0]["dead 1"] == pytest.approx(3 / 7)


def test_the_first_lost_number_is_named_and_nothing_is_stopped():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e30)
    with watch(model, optimizer, every=1) as seen:
        train(model, optimizer, 4)
    assert seen.lost is not None
    step, name = seen.lost
    assert name in ("0.weight", "2.weight")
    finite = [all(math.isfinite(row[f"grad {n}.weight"]) for n in (0, 2)) for row in seen.rows]
    assert finite.index(False) == step
    assert seen.step == 4
    assert f"at step {step} {name} lost its numbers" in repr(seen)


def test_without_an_optimizer():
    model = net()
    with watch(model, every=2) as seen:
        for _ in range(3):
            model.zero_grad()
            model(torch.randn(4, 5)).sum().backward()
            seen.look()
    assert [row["step"] for row in seen.rows] == [0, 2]
    assert seen.rows[0]["grad 0.weight"] > 0
    assert seen.rows[0]["ratio 0.weight"] == 0


def test_the_file_is_whole(tmp_path):
    file = tmp_path / "training.csv"
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=2, file=file) as seen:
        train(model, optimizer, 5, seen)
        assert not file.exists()
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [{k: float(v) for k, v in row.items()} for row in rows] == seen.rows
    assert [path.name for path in tmp_path.iterdir()] == ["training.csv"]


def test_the_file_is_written_after_an_error_too(tmp_path):
    file, model = tmp_path / "training.csv", net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def breaks_off():
        with watch(model, optimizer, file=file):
            train(model, optimizer, 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks_off()
    assert len(file.read_text(encoding="utf-8").splitlines()) == 2


def test_tensorboard_gets_each_number_with_its_step():
    writer, model = Writer(), net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=2, tensorboard=writer) as seen:
        train(model, optimizer, 3, seen)
    expected = [
        (key.replace(" ", "/", 1), value, row["step"])
        for row in seen.rows
        for key, value in row.items()
        if key != "step"
    ]
    assert writer.scalars == expected
    assert ("grad/0.weight", seen.rows[1]["grad 0.weight"], 2) in writer.scalars


def hooks(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[int]:
    held = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    steps = [len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks)]
    return [*held, *steps, *(len(p._backward_hooks or ()) for p in model.parameters())]


@pytest.mark.parametrize("breaks_off", [False, True])
def test_nothing_is_left_behind(breaks_off):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    before = hooks(model, optimizer)
    try:
        with watch(model, optimizer, every=1):
            assert hooks(model, optimizer) != before
            train(model, optimizer, 2)
            if breaks_off:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert hooks(model, optimizer) == before


def test_a_watched_training_is_the_same_training():
    def trained(watched: bool):
        with drawn(1):
            model = net(nn.ReLU(), nn.Dropout(0.3))
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            if watched:
                with watch(model, optimizer, every=1) as seen:
                    train(model, optimizer, 5, seen)
            else:
                train(model, optimizer, 5)
        return [p.detach() for p in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(trained(True), trained(False), strict=True))


def test_the_figure_shows_what_was_seen_and_says_where_nothing_was():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=1) as seen:
        with pytest.raises(ValueError, match=r"^No step was seen;.*\.$"):
            seen.figure()
        train(model, optimizer, 3, seen)
    named = {trace.name: trace for trace in seen.figure().data if trace.name == "loss"}
    assert list(named["loss"].y) == [row["loss"] for row in seen.rows]
    assert list(named["loss"].x) == [0, 1, 2]


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "2"])
def test_every_must_be_a_number_of_steps(every):
    with pytest.raises(ValueError, match=r"^every is .*; it must be a whole number.*\.$"):
        watch(net(), every=every)
