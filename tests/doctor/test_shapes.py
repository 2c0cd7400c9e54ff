"""The doctor on 63 shapes of model: it sees all, says what it did not see, leaves nothing behind.

The shapes themselves are tried first, without the doctor.
"""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.doctor.case import Patient
from tests.doctor.left_behind import changes, state
from tests.doctor.shapes import MATRICES, REFUSED, SHAPES, STEP_FAILS, UNSEEN

pytestmark = pytest.mark.filterwarnings("ignore")

# Long enough for every pass on the slowest of them; a test that breaks off needs less.
BUDGET, SHORT = 3.0, 0.5
TRAINABLE = [name for name in MATRICES if name not in STEP_FAILS]

# The few shapes that are tried in more ways, and the layer of each that breaks off in one of them.
LAYER = {
    "mlp": "2",
    "cnn_bn": "4",
    "resnet18": "5",
    "vit": "layers.1.mlp",
    "gpt2": "h.1.c_attn",
    "lstm_stack": "recurrent",
    "transformer_encoder_eval": "encoder.layers.1",
    "dropout_net": "dropout",
    "checkpoint_nonreentrant": "blocks.1",
    "checkpoint_reentrant": "blocks.1",
    "autocast_loss": "2",
    "dataparallel": "module.2",
    "weight_norm_param": "2",
    "spectral_norm_param": "2",
    "old_weight_norm": "2",
    "gan_critic_gp": "2",
    "user_hooks_inplace": "2",
    "no_grad_inside": "backbone.2",
    "moe_unused_expert": "experts.1",
}


def examined(patient: Patient, budget: float = BUDGET, **others: Any) -> Any:
    from vglib.doctor import examine

    return examine(**(patient.arguments() | others), budget=budget)


def objective(patient: Patient, model: nn.Module | None = None) -> Tensor:
    """The loss as the reader's own loop computes it."""
    model, batch = model or patient.model, patient.batch
    if patient.forward is None:
        loss = patient.loss_fn(model(batch[0]), batch[1])
    else:
        loss = patient.loss_fn(patient.forward(model, batch), batch)
    return loss["loss"] if isinstance(loss, dict) else loss


@contextlib.contextmanager
def chance_kept() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        yield


# --- the shapes, without the doctor ---


def test_every_shape_is_refused_or_counted():
    assert len(SHAPES) == 63
    assert [name for name in SHAPES if name not in REFUSED] == list(MATRICES)
    assert set(REFUSED) <= set(SHAPES)
    for name, (seen, of) in MATRICES.items():
        assert of - seen == len(UNSEEN.get(name, ()))


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_work_without_the_doctor(name):
    patient = SHAPES[name]()
    with chance_kept():
        if name in STEP_FAILS:
            with pytest.raises((RuntimeError, ValueError), match=STEP_FAILS[name]):
                objective(patient).backward()
            return
        loss = objective(patient)
        loss.backward()
    assert loss.numel() == 1
    assert loss.is_meta or torch.isfinite(loss).item() is (not name.startswith("nan_"))
    assert any(p.grad is not None for p in patient.model.parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_the_same_each_time_and_moves_no_random_state(name):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    python_state = random.getstate()
    first, second = SHAPES[name](), SHAPES[name]()
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert random.getstate() == python_state

    def values(patient: Patient) -> dict[str, Any]:
        return {
            path: value
            for path, value in state(patient).items()
            if path.startswith(("parameter", "buffer", "batch")) and "object" not in path
        }

    assert changes(values(first), values(second)) == []


class Touched(TorchDispatchMode):
    """Notes the storages of all tensors that operators are handed."""

    def __init__(self):
        super().__init__()
        self.storages: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        stack: list[Any] = [args, kwargs or {}]
        while stack:
            thing = stack.pop()
            if isinstance(thing, Tensor):
                self.storages.add(thing.untyped_storage().data_ptr())
            elif isinstance(thing, list | tuple):
                stack += thing
            elif isinstance(thing, dict):
                stack += thing.values()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_are_counted_as_torch_counts_them(name):
    patient = SHAPES[name]()
    # Under a mode torch runs what is compiled as it stands, or not at all.
    model = getattr(patient.model, "_orig_mod", patient.model)
    with chance_kept(), Touched() as touched, contextlib.suppress(ValueError):
        objective(patient, model)
    matrices = {n: p for n, p in model.named_parameters() if p.ndim > 1}
    used = {n for n, p in matrices.items() if p.untyped_storage().data_ptr() in touched.storages}
    assert (len(used), len(matrices)) == MATRICES[name]
    assert set(matrices) - used == set(UNSEEN.get(name, ()))


# --- the record ---


def trained(patient: Patient) -> Patient:
    """Two steps by hand, and the gradients of a third left where they are."""
    if patient.optimizer is None:
        patient.optimizer = torch.optim.SGD(patient.model.parameters(), lr=1e-3, momentum=0.9)
    with chance_kept():
        for step in range(3):
            patient.optimizer.zero_grad()
            objective(patient).backward()
            if step < 2:
                patient.optimizer.step()
    return patient


def gradient_replaced(patient: Patient) -> None:
    patient.model[0].weight.grad = patient.model[0].weight.grad.clone()


def buffer_moved(patient: Patient) -> None:
    patient.model[1].running_mean += 1e-3


def moment_moved(patient: Patient) -> None:
    patient.optimizer.state[patient.model[0].weight]["exp_avg"].mul_(2)


MISCHIEF: dict[str, Callable[[Patient], Any]] = {
    "parameter 0.weight": lambda patient: patient.model[0].weight.data.mul_(1.01),
    "parameter 0.weight: grad": lambda patient: patient.model[0].weight.grad.zero_(),
    "parameter 0.weight: grad's object": gradient_replaced,
    "parameter 0.weight: requires_grad": lambda patient: patient.model[0].requires_grad_(False),
    "parameter 0.weight: hooks": lambda patient: patient.model[0].weight.register_hook(print),
    "parameter 0.weight: hooks behind": lambda patient: patient.model[
        0
    ].weight.register_post_accumulate_grad_hook(print),
    "buffer 1.running_mean": buffer_moved,
    "module 1: training": lambda patient: patient.model[1].eval(),
    "module 2: hooks": lambda patient: patient.model[2].register_forward_hook(print),
    "module 3: hooks": lambda patient: patient.model[3].register_full_backward_hook(print),
    "module 4: hooks": lambda patient: patient.model[4].register_forward_pre_hook(print),
    "module 5: hooks": lambda patient: patient.model[5].register_state_dict_pre_hook(print),
    "module : attributes": lambda patient: setattr(patient.model, "doctor", 1),
    "optimizer['state'][0]['exp_avg']": moment_moved,
    "optimizer['param_groups'][0]['lr']": lambda patient: patient.optimizer.param_groups[0].update(
        lr=1.0
    ),
    "batch[0]": lambda patient: patient.batch[0].mul_(2),
    "batch[0]: requires_grad": lambda patient: patient.batch[0].requires_grad_(),
    "torch's random state": lambda patient: torch.rand(1),
    "numpy's random state['state']['pos']": lambda patient: np.random.rand(),
    "Python's random state": lambda patient: random.random(),
    "grad mode": lambda patient: torch.set_grad_enabled(False),
    "default type": lambda patient: torch.set_default_dtype(torch.float64),
    "deterministic": lambda patient: torch.use_deterministic_algorithms(True),
    "autocast": lambda patient: torch.set_autocast_enabled("cpu", True),
    "anomaly mode": lambda patient: torch.autograd.set_detect_anomaly(True),
    "warnings": lambda patient: warnings.simplefilter("always"),
}


@pytest.fixture
def process_kept() -> Iterator[None]:
    """Give back what mischief changes of the process."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        yield
    np.random.set_state(numpy_state)
    random.setstate(python_state)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)
    torch.set_autocast_enabled("cpu", False)
    torch.autograd.set_detect_anomaly(False)


@pytest.mark.usefixtures("process_kept")
@pytest.mark.parametrize("what", MISCHIEF)
def test_the_record_notices(what):
    patient = trained(SHAPES["cnn_bn"]())
    before = state(patient)
    assert changes(before, state(patient)) == []
    MISCHIEF[what](patient)
    assert what in changes(before, state(patient))


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_step_by_hand_leaves_no_more_than_torch_says(name):
    """What torch itself leaves behind would be held against the doctor."""
    patient = trained(SHAPES[name]())
    before = state(patient)
    trained(patient)
    allowed = ("parameter", "buffer", "optimizer", "torch's random state")
    assert [what for what in changes(before, state(patient)) if not what.startswith(allowed)] == []


# --- with the doctor ---


@cache
def visit(name: str) -> tuple[Any, list[str]]:
    """The report on a shape, or the error, and what was left behind."""
    patient = SHAPES[name]()
    before = state(patient)
    try:
        answer = examined(patient)
    except ValueError as error:
        answer = error
    return answer, changes(before, state(patient))


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and text == text.strip()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_examined_is_refused_in_one_sentence(name):
    error, _ = visit(name)
    assert isinstance(error, ValueError)
    assert is_one_sentence(str(error))
    assert REFUSED[name].lower() in str(error).lower()


@pytest.mark.parametrize("name", MATRICES)
def test_what_was_seen_is_counted_and_the_rest_is_named(name):
    report, _ = visit(name)
    if name == "batch1_bn" and isinstance(report, ValueError):
        # Torch raises inside the norm: to say so in one sentence is as good as a finding.
        assert is_one_sentence(str(report))
        assert "value per channel" in str(report)
        return
    assert not isinstance(report, ValueError), report
    assert (report.seen.matrices, report.seen.of) == MATRICES[name]
    text = str(report.seen)
    for unseen in UNSEEN.get(name, ()):
        assert unseen in text
        assert "because" in text


@pytest.mark.parametrize("name", SHAPES)
def test_nothing_is_left_behind(name):
    assert visit(name)[1] == []


@pytest.mark.parametrize(
    ("name", "own_step"),
    [*((name, False) for name in TRAINABLE), *((name, True) for name in LAYER)],
)
def test_a_training_goes_on_as_if_nobody_had_looked(name, own_step):
    patient = trained(SHAPES[name]())

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> None:
        optimizer.zero_grad()
        objective(patient, model).backward()
        optimizer.step()

    before = state(patient)
    examined(patient, step=step if own_step else None)
    assert changes(before, state(patient)) == []


class Fuse:
    """Raises at the n-th call; a deep copy is the same fuse, for the calls are counted as one."""

    def __init__(self, at: int):
        self.at, self.calls = at, 0

    def __deepcopy__(self, memo: dict) -> "Fuse":
        return self

    def burn(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise RuntimeError("boom")


def mined(name: str, place: str, at: int) -> Patient:
    """A patient that breaks off at the n-th call of a layer, of its loss or of its backward."""
    patient, fuse = SHAPES[name](), Fuse(at)
    loss_fn = patient.loss_fn

    def broken_loss(*arguments: Any) -> Any:
        fuse.burn()
        return loss_fn(*arguments)

    def broken_backward(*arguments: Any) -> Any:
        loss = loss_fn(*arguments)
        if loss.requires_grad:
            loss.register_hook(lambda gradient: fuse.burn())
        return loss

    if place == "layer":
        layer = patient.model.get_submodule(LAYER[name])
        layer.register_forward_hook(lambda *arguments: fuse.burn())
    else:
        patient.loss_fn = broken_loss if place == "loss" else broken_backward
    return patient


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that a traceback would show above it."""
    while error is not None:
        yield error
        hidden = error.__suppress_context__ or error.__cause__ is not None
        error = error.__cause__ if hidden else error.__context__


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, "loss") for name in MATRICES),
        *((name, place) for name in LAYER for place in ("layer", "backward")),
    ],
)
def test_nothing_is_left_behind_where_the_model_breaks_off(name, place):
    wrong: dict[int, Any] = {}
    for at in range(1, 6):
        patient = mined(name, place, at)
        before = state(patient)
        try:
            examined(patient, SHORT)
        except (ValueError, RuntimeError) as error:
            words = "boom", STEP_FAILS.get(name, "boom")
            if not all(any(word in str(e) for word in words) for e in chain(error)):
                wrong[at] = [*chain(error)]
        if left := changes(before, state(patient)):
            wrong[at] = left
    assert wrong == {}
