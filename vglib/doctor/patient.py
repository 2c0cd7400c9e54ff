"""What is examined: a network with its loss, its batch and its training, run as its owner does."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Forward = Callable[[nn.Module, Any], Any]
Loss = Callable[..., Any]
Step = Callable[[nn.Module, Optimizer, Any], Any]


@dataclass(frozen=True, eq=False)
class Patient:
    """A network and what its owner does with it.

    Without `forward`, a batch is (x, y) or (x1, x2, ..., y): the output is model(x1, ...) and the
    loss loss_fn(output, y); a batch that is a mapping gives model(**batch). With it the output is
    forward(model, batch), and then, as for a mapping, the loss is loss_fn(output, batch). Where
    `loss_fn` is None the output's own `loss` is taken.
    """

    model: nn.Module
    loss_fn: Loss | None
    batch: Any
    forward: Forward | None = None
    optimizer: Optimizer | None = None
    step: Step | None = None

    @property
    def inputs(self) -> list[Tensor]:
        """The batch's tensors that go into the network, where that can be told; else all."""
        if self.forward is None and not isinstance(self.batch, Mapping):
            return list(tensors(self.batch[:-1]))
        return list(tensors(self.batch))

    def output(self) -> Any:
        """Run forward."""
        if self.forward is not None:
            return self.forward(self.model, self.batch)
        if isinstance(self.batch, Mapping):
            return self.model(**self.batch)
        return self.model(*self.batch[:-1])

    def raw_loss(self, output: Any) -> Any:
        """Return what the owner's loss gives, of whatever shape."""
        if self.loss_fn is None:
            value = output["loss"] if isinstance(output, Mapping) else getattr(output, "loss", None)
        elif self.forward is None and not isinstance(self.batch, Mapping):
            value = self.loss_fn(output, self.batch[-1])
        else:
            value = self.loss_fn(output, self.batch)
        return value["loss"] if isinstance(value, Mapping) and "loss" in value else value

    def loss(self, output: Any) -> Tensor:
        """Return the loss as one number; several are averaged."""
        value = self.raw_loss(output)
        if not isinstance(value, Tensor):
            said = f"loss_fn gave {type(value).__name__}"
            raise ValueError(f"{said}; it must return a tensor that backward() can start from.")
        return value.mean() if value.dim() else value

    def copied(self, rows: int | None = None) -> "Patient":
        """Return a copy that can be trained, with at most so many rows of the batch."""
        memo: dict[int, Any] = {}
        with torch.inference_mode(False):
            model, loss_fn = copy.deepcopy((self.model, self.loss_fn), memo)
            optimizer = None if self.optimizer is None else _copied(self.optimizer, memo)
        for parameter in model.parameters():
            parameter.grad = None
        batch = detached(self.batch if rows is None else some_rows(self.batch, rows))
        return replace(self, model=model, optimizer=optimizer, loss_fn=loss_fn, batch=batch)

    def train_step(self) -> float:
        """Take one step of the training, the owner's own where there is one; return its loss.

        The loss is the one before the step; nan where the owner's step is not asked for it.
        """
        if self.step is not None:
            value = self.step(self.model, self._optimizer(), self.batch)
            value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
            return float(value) if isinstance(value, int | float) else float("nan")
        optimizer = self._optimizer()
        optimizer.zero_grad()
        loss = self.loss(self.output())
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def value(self) -> float:
        """Return the loss as it stands, without a gradient."""
        with torch.no_grad():
            return float(self.loss(self.output()))

    def _optimizer(self) -> Optimizer:
        if self.optimizer is None:
            raise ValueError("There is no optimizer to take a step with; pass optimizer=.")
        return self.optimizer


def companions(patient: Patient) -> list[Any]:
    """Return what the owner's functions hold beside the model: networks, schedules, averages."""
    held: list[Any] = []
    functions: list[Any] = [patient.loss_fn, patient.forward, patient.step]
    for function in functions:
        code = getattr(function, "__code__", None)
        if code is None:
            continue
        cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
        world = [function.__globals__.get(name) for name in code.co_names]
        held += [
            thing for thing in (*cells, *world) if callable(getattr(thing, "state_dict", None))
        ]
    known = {id(patient.model), id(patient.optimizer), id(patient.loss_fn)}
    return [thing for thing in held if id(thing) not in known and not isinstance(thing, type)]


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def accepted(
    model: Any, loss_fn: Any, batch: Any, forward: Any, optimizer: Any, step: Any
) -> Patient:
    """Return the patient, its model unwrapped; ValueError where none can be seen."""
    module = isinstance(model, nn.Module) or callable(getattr(model, "forward", None))
    if isinstance(model, type) or not module:
        said = f"model is of type {type(model).__name__}"
        raise ValueError(f"{said}; examine looks into a torch.nn.Module.")
    model = unwrapped(model)
    if refusal := _refusal(model):
        raise ValueError(refusal)
    if isinstance(loss_fn, type):
        said = f"loss_fn is the class {loss_fn.__name__}"
        raise ValueError(f"{said}; make one of it, as in {loss_fn.__name__}().")
    for name, value in (("loss_fn", loss_fn), ("forward", forward), ("step", step)):
        if value is not None and not callable(value):
            said = f"{name} is of type {type(value).__name__}"
            raise ValueError(f"{said}; it must be a function.")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        optimizer = getattr(optimizer, "optimizer", optimizer)
        if not isinstance(optimizer, Optimizer):
            said = f"optimizer is of type {type(optimizer).__name__}"
            raise ValueError(f"{said}; it must be a torch.optim.Optimizer.")
    plain = forward is None and not isinstance(batch, Mapping)
    if plain and not (isinstance(batch, tuple | list) and len(batch) >= 2):
        said = f"batch is of type {type(batch).__name__}"
        how = "it must be (x, y), as next(iter(loader)) gives, a mapping, or come with forward="
        raise ValueError(f"{said}; {how}.")
    if loss_fn is None and plain:
        raise ValueError("loss_fn is None; only a mapping whose output has a loss goes without.")
    if not any(True for _ in tensors(batch)):
        raise ValueError("The batch holds no tensor; turn its arrays into tensors first.")
    if any(tensor.numel() == 0 for tensor in tensors(batch)):
        raise ValueError("The batch is empty; give it at least one example.")
    return Patient(model, loss_fn, batch, forward, optimizer, step)


def unwrapped(model: Any) -> nn.Module:
    """Return the module inside torch.compile's and the parallel wrappers."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in _WRAPPERS:
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


_WRAPPERS = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel")


def _refusal(model: nn.Module) -> str:
    if isinstance(model, torch.jit.ScriptModule) or hasattr(model, "_c"):
        return "TorchScript hides its operations; pass the nn.Module that the script was made of."
    for name, module in model.named_modules():
        kind = type(module)
        if ".quantized" in kind.__module__:
            place = name or kind.__name__
            return (
                f"{place} is quantised and has no gradients; examine the model before quantising."
            )
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if nn.parameter.is_lazy(tensor):
            return f"{name} is lazy and has no shape yet; run the model once on a batch first."
        if tensor.device.type == "meta":
            return f"{name} is on the meta device and has no numbers; load or initialise it first."
    return ""


def _copied(optimizer: Optimizer, memo: dict[int, Any]) -> Optimizer:
    """Return a copy with all that a subclass keeps, which torch's own copy leaves out."""
    left = ("step", "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    kept = {k: v for k, v in vars(optimizer).items() if k not in left and "hook" not in k}
    made = type(optimizer).__new__(type(optimizer))
    made.__setstate__(copy.deepcopy(kept, memo))
    return made


def tensors(nest: Any) -> Iterator[Tensor]:
    """Yield the tensors of a nest of tuples, lists, mappings and records."""
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, Mapping):
        for part in nest.values():
            yield from tensors(part)
    elif isinstance(nest, tuple | list | set):
        for part in nest:
            yield from tensors(part)
    elif hasattr(nest, "__dict__") and not isinstance(nest, nn.Module | type):
        for part in vars(nest).values():
            if isinstance(part, Tensor | tuple | list | dict):
                yield from tensors(part)


def mapped(nest: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the nest with each of its tensors changed."""
    if isinstance(nest, Tensor):
        return change(nest)
    if isinstance(nest, dict):
        return type(nest)({k: mapped(part, change) for k, part in nest.items()})  # type: ignore[call-arg]
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(mapped(part, change) for part in nest))
    if isinstance(nest, tuple | list):
        return type(nest)(mapped(part, change) for part in nest)
    if isinstance(nest, Mapping):
        made = copy.copy(nest)
        for key in nest:
            made[key] = mapped(nest[key], change)  # type: ignore[index]
        return made
    return nest


def detached(nest: Any) -> Any:
    """Return the nest with copies of its tensors, which no graph holds."""
    return mapped(nest, lambda t: t.detach().clone().requires_grad_(t.requires_grad))


def rows_of(nest: Any) -> int:
    """Return the number of examples: the first dimension of all tensors of the batch, or 0."""
    sizes = {len(t) if t.dim() else 0 for t in tensors(nest)}
    return sizes.pop() if len(sizes) == 1 else 0


def some_rows(batch: Any, rows: int) -> Any:
    """Return the first rows of every tensor where all have the same number; else the whole."""
    if rows_of(batch) <= rows:
        return batch
    return mapped(batch, lambda t: t[:rows])
