"""An examination's arguments, its time, and that it says the same thing twice."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.doctor.case import Patient
from tests.doctor.faults import FAULTS
from tests.doctor.healthy import HEALTHY
from tests.doctor.left_behind import changes, state
from tests.doctor.training import drawn
from vglib.doctor import examine

LONG = 30.0
CASES = {case.name: case for case in (*FAULTS, *HEALTHY)}


def net(n_in: int = 4) -> nn.Sequential:
    with drawn(0):
        return nn.Sequential(nn.Linear(n_in, 8), nn.ReLU(), nn.Linear(8, 3))


def data(count: int = 32):
    with drawn(1):
        y = torch.arange(count) % 3
        return torch.randn(3, 4)[y] + 0.3 * torch.randn(count, 4), y


X, Y = data()


def names(report) -> list[str]:
    return [found.name for found in report.findings]


# --- arguments ---

NET = net()
SGD = torch.optim.SGD(NET.parameters(), lr=0.1)
WRONG = {
    "model, a class": ({"model": nn.Linear}, "model"),
    "model, a function": ({"model": lambda x: x}, "model"),
    "model, none": ({"model": None}, "model"),
    "model, a state": ({"model": NET.state_dict()}, "model"),
    "loss, a word": ({"loss_fn": "cross_entropy"}, "loss_fn"),
    "loss, a number": ({"loss_fn": torch.tensor(1.0)}, "loss_fn"),
    "batch, inputs alone": ({"batch": X}, "batch"),
    "batch, one of one": ({"batch": (X,)}, "batch"),
    "batch, none": ({"batch": None}, "batch"),
    "batch, a loader": ({"batch": torch.utils.data.DataLoader([(X, Y)])}, "batch"),
    "batch, arrays": ({"batch": (X.numpy(), Y.numpy())}, "batch"),
    "batch, empty mapping": ({"batch": {}}, "batch"),
    "forward, a word": ({"forward": "model"}, "forward"),
    "optimizer, a class": ({"optimizer": torch.optim.SGD}, "optimizer"),
    "optimizer, a schedule": ({"optimizer": "sgd"}, "optimizer"),
    "step, a number": ({"step": 3}, "step"),
    "budget, 0": ({"budget": 0}, "budget"),
    "budget, below": ({"budget": -1.0}, "budget"),
    "budget, nan": ({"budget": float("nan")}, "budget"),
    "budget, a word": ({"budget": "10"}, "budget"),
    "budget, none": ({"budget": None}, "budget"),
}


@pytest.mark.parametrize(
    "what",
    WRONG,
)
def test_an_argument_of_a_wrong_kind_is_one_sentence(what):
    wrong, named = WRONG[what]
    with pytest.raises(ValueError, match=named) as caught:
        examine(**{"model": NET, "loss_fn": F.cross_entropy, "batch": (X, Y), **wrong})
    said = str(caught.value)
    assert said.endswith(".")
    assert said[:-1].count(". ") == 0
    assert "\n" not in said
    assert ";" in said


def test_an_error_of_the_models_own_code_comes_out_as_it_is():
    def forward(model, batch):
        raise KeyError("my own key")

    with pytest.raises(KeyError, match="my own key"):
        examine(NET, F.cross_entropy, (X, Y), forward=forward)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        examine(NET, F.cross_entropy, (X[:, :3], Y))


# --- time ---


def deep(layers: int = 60) -> nn.Sequential:
    with drawn(0):
        inside = [part for _ in range(layers) for part in (nn.ReLU(), nn.Linear(64, 64))]
        return nn.Sequential(nn.Linear(4, 64), *inside, nn.Linear(64, 3))


def test_a_tiny_budget_returns_and_says_what_was_left_out():
    model = deep()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = time.process_time()
    examine(model, F.cross_entropy, (X, Y), optimizer=optimizer, budget=LONG)
    long = time.process_time() - start
    start = time.process_time()
    report = examine(model, F.cross_entropy, (X, Y), optimizer=optimizer, budget=1e-6)
    short = time.process_time() - start
    assert report.seen.matrices == report.seen.of == 62
    assert any("budget" in text or "time was up" in text for text in report.not_checked)
    assert all(text.endswith(".") for text in report.not_checked)
    # One look at all, a closer one, and three steps are done whatever the time. By the
    # processor's clock, which another program's work does not move.
    assert short < 0.7 * long


def test_a_budget_is_kept_within_a_factor():
    model = deep()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = time.perf_counter()
    look = examine(model, F.cross_entropy, (X, Y), optimizer=optimizer, budget=1e-6)
    least = time.perf_counter() - start
    budget = 2 * least
    start = time.perf_counter()
    report = examine(model, F.cross_entropy, (X, Y), optimizer=optimizer, budget=budget)
    spent = time.perf_counter() - start
    assert spent < 3 * budget
    assert report.seconds == pytest.approx(spent, rel=0.1)
    assert look.seconds == pytest.approx(least, rel=0.1)


def test_no_verdict_about_a_training_that_was_cut_short():
    """A net that needs theory is not called healthy without a word on what was left out."""
    case = CASES["sigmoid_deep"]
    report = examine(**case.make(0, True).arguments(), budget=1e-6)
    assert names(report) == []
    assert any("budget" in text for text in report.not_checked)
    assert "vanishing" in names(examine(**case.make(0, True).arguments(), budget=LONG))


# --- the ways in which a net can be handed over ---


class Output(dict):
    """What a model of the Hugging Face kind returns: a mapping with attributes."""

    __getattr__ = dict.__getitem__


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 8), nn.Linear(8, 3)
        self.config = SimpleNamespace(tie_word_embeddings=False)

    def forward(self, input_ids, attention_mask=None, labels=None):
        logits = self.head(self.embedding(input_ids).mean(1))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return Output(loss=loss, logits=logits)


def words(labels):
    ids = torch.arange(32 * 6).reshape(32, 6) % 11
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


WAYS = {
    "its own loss": {"loss_fn": None},
    "a loss on output and batch": {
        "loss_fn": lambda output, batch: F.cross_entropy(output.logits, batch["labels"])
    },
    "forward and its own loss": {
        "loss_fn": lambda output, batch: output.loss,
        "forward": lambda model, batch: model(**batch),
    },
    "a loss in a mapping": {
        "loss_fn": lambda output, batch: {"loss": output.loss, "more": output.loss.detach()}
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_a_mapping_is_handed_on_as_keywords(way):
    with drawn(0):
        model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    report = examine(
        model=model,
        batch=words(torch.arange(32) % 3),
        optimizer=optimizer,
        budget=LONG,
        **WAYS[way],
    )
    assert report.healthy, report
    assert (report.seen.matrices, report.seen.of) == (2, 2)
    sick = examine(model=model, batch=words(torch.arange(32) % 4), budget=LONG, **WAYS[way])
    assert names(sick) == ["label-out-of-range"]


class Wrapped:
    """An optimizer in a box, as schedulers and launchers make it."""

    def __init__(self, optimizer):
        self.optimizer = optimizer


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, Wrapped])
def test_an_optimizer_in_a_box_is_taken_out(wrap):
    model = net()
    held = torch.optim.SGD(model[0].parameters(), lr=0.1)
    report = examine(model, F.cross_entropy, (X, Y), optimizer=wrap(held), budget=LONG)
    assert names(report) == ["not-in-optimizer"]
    assert report.findings[0].layer == "2"


@pytest.mark.parametrize(
    "loss",
    [
        F.cross_entropy,
        nn.CrossEntropyLoss(),
        lambda output, y: F.cross_entropy(output, y),
        lambda output, y: -output.log_softmax(1).gather(1, y[:, None]).mean(),
    ],
)
def test_a_loss_may_be_any_callable(loss):
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    report = examine(model, loss, (X, Y), optimizer=optimizer, budget=LONG)
    assert report.healthy, report
    assert report.loss == pytest.approx(F.cross_entropy(model(X), Y).item())


def test_several_inputs_stand_before_the_target():
    with drawn(0):
        model = nn.Bilinear(4, 4, 3)
    report = examine(model, F.cross_entropy, (X, X.flip(0), Y), budget=LONG)
    assert report.seen.matrices == 1
    assert report.loss == pytest.approx(F.cross_entropy(model(X, X.flip(0)), Y).item())


def test_wrappers_are_taken_off():
    model = net()
    wrapped = nn.DataParallel(model)
    assert wrapped.module is model
    for one in (model, wrapped, torch.compile(model)):
        report = examine(one, F.cross_entropy, (X, Y), budget=LONG)
        assert [layer.name for layer in report.layers] == ["0", "2"]


def test_layers_are_numbered_by_what_torch_gives():
    model = net().double()
    x = X.double()
    report = examine(model, F.cross_entropy, (x, Y), budget=LONG)
    F.cross_entropy(model(x), Y).backward()
    for layer, linear in zip(report.layers, (model[0], model[2]), strict=True):
        gradient = linear.weight.grad.square().mean().sqrt().item()
        weight = linear.weight.detach().square().mean().sqrt().item()
        assert layer.gradient == pytest.approx(gradient, rel=1e-9)
        assert layer.weight == pytest.approx(weight, rel=1e-9)
    assert report.best_constant == pytest.approx(np.log(3), rel=1e-3)


# --- the same again, and nothing behind ---


def said(name: str) -> dict:
    case = CASES[name]
    report = examine(**case.make(0, not case.healthy).arguments(), budget=LONG)
    return {"print": repr(report), **report.to_dict(), "seconds": 0}


TWICE = ("mlp_gelu", "cnn_bn", "lstm", "dead_bias_-50", "eval_forgotten", "relu_he_x20")


@pytest.mark.parametrize("name", TWICE)
def test_the_same_report_twice(name):
    assert said(name) == said(name)


@pytest.mark.parametrize("name", TWICE)
def test_the_same_verdict_whatever_was_drawn_before(name):
    """The first look draws its dropout as the owner would; what is concluded does not."""
    found = []
    for seed in range(3):
        with drawn(seed):
            one = said(name)
        found.append((one["findings"], one["not_checked"], one["losses"]))
    assert found[0] == found[1] == found[2]


def test_a_patient_may_be_examined_twice():
    patient = CASES["cnn_bn"].make(0, False)
    before = state(patient)
    first, second = (repr(examine(**patient.arguments(), budget=LONG)) for _ in range(2))
    assert first == second
    assert changes(before, state(patient)) == []


def test_the_default_is_a_training_with_adam():
    patient = Patient(net(), F.cross_entropy, (X, Y))
    report = examine(**patient.arguments())
    assert report.healthy
    assert report.losses[-1][1] < report.losses[0][1]
    assert [text for text in report.not_checked if "optimizer=" in text]
    assert [text for text in report.not_checked if "step=" in text]
