"""What a tool may leave behind: a record of all that a reader's call of it must find again."""

import random
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

# Torch imports it late, as for an optimiser, and it adds to the warnings' filters once.
import torch._dynamo
from torch import Tensor, nn

from tests.doctor.case import Patient


class Same:
    """Equal to a record of the very same object; it keeps it, so that no id is given anew."""

    def __init__(self, thing: object):
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    __hash__ = None

    def __repr__(self) -> str:
        return f"the {type(self.thing).__name__} at {id(self.thing):#x}"


def content(tensor: Tensor) -> tuple:
    """The tensor's type, shape and bytes: by bytes a NaN equals itself, and -0 is not 0."""
    kind = str(tensor.dtype), str(tensor.device)
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        return (*kind, "lazy")
    if tensor.is_meta:
        return (*kind, tuple(tensor.shape))
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return (*kind, tuple(tensor.shape), flat.view(torch.uint8).numpy().tobytes())


def leaves(thing: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What a nest of dicts and sequences holds, by path; of tensors their content."""
    if isinstance(thing, dict):
        yield f"{path}: keys", [repr(key) for key in thing]
        for key, value in thing.items():
            yield from leaves(value, f"{path}[{key!r}]")
    elif isinstance(thing, list | tuple):
        yield f"{path}: length", len(thing)
        for i, value in enumerate(thing):
            yield from leaves(value, f"{path}[{i}]")
    elif isinstance(thing, Tensor):
        yield path, content(thing)
        yield f"{path}: object", Same(thing)
        yield f"{path}: requires_grad", thing.requires_grad
        yield f"{path}: grad", None if thing.grad is None else content(thing.grad)
    elif isinstance(thing, np.ndarray):
        yield path, thing.tobytes()
    else:
        yield path, thing if isinstance(thing, str | int | float | None) else Same(thing)


def sizes(thing: object, part: str) -> dict[str, int]:
    """How many hooks of every kind an object has: torch keeps each kind in a dict of its own."""
    return {
        name: len(value)
        for name, value in vars(thing).items()
        if part in name and isinstance(value, dict)
    }


def of_parameter(name: str, parameter: nn.Parameter) -> Iterator[tuple[str, Any]]:
    yield f"{name}: object", Same(parameter)
    yield name, content(parameter)
    yield f"{name}: requires_grad", parameter.requires_grad
    yield f"{name}: grad", None if parameter.grad is None else content(parameter.grad)
    yield f"{name}: grad's object", Same(parameter.grad)
    yield f"{name}: hooks", len(parameter._backward_hooks or ())
    yield f"{name}: hooks behind", len(parameter._post_accumulate_grad_hooks or ())


def of_model(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        yield f"module {name}: object", Same(module)
        yield f"module {name}: class", type(module)
        yield f"module {name}: training", module.training
        yield f"module {name}: attributes", sorted(vars(module))
        yield f"module {name}: hooks", sizes(module, "hooks")
        yield f"module {name}: children", [child for child, _ in module.named_children()]
    for name, parameter in model.named_parameters(remove_duplicate=False):
        yield from of_parameter(f"parameter {name}", parameter)
    for name, buffer in model.named_buffers(remove_duplicate=False):
        # A buffer may be given back as another tensor of the same content.
        yield f"buffer {name}", content(buffer)
        yield f"buffer {name}: requires_grad", buffer.requires_grad


def of_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Any]]:
    for i, group in enumerate(optimizer.param_groups):
        yield f"group {i}", [Same(parameter) for parameter in group["params"]]
    yield "optimizer: hooks", sizes(optimizer, "hooks")
    yield from leaves(optimizer.state_dict(), "optimizer")


def of_everybody() -> Iterator[tuple[str, Any]]:
    """What belongs to the process."""
    yield "torch's random state", content(torch.get_rng_state())
    if torch.cuda.is_available():
        yield "CUDA's random states", [content(state) for state in torch.cuda.get_rng_state_all()]
    yield from leaves(np.random.get_state(legacy=False), "numpy's random state")
    yield "Python's random state", random.getstate()
    yield "grad mode", torch.is_grad_enabled()
    yield "inference mode", torch.is_inference_mode_enabled()
    yield "anomaly mode", torch.is_anomaly_enabled()
    yield "autocast", (torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda"))
    yield "autocast's type", torch.get_autocast_dtype("cpu")
    yield "default type", torch.get_default_dtype()
    yield "default device", torch.get_default_device()
    yield (
        "deterministic",
        (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
    )
    yield "threads", torch.get_num_threads()
    yield "modes of functions", torch._C._len_torch_function_stack()
    yield "modes of operators", torch._C._len_torch_dispatch_stack()
    yield "hooks of all modules", sizes(torch.nn.modules.module, "_global")
    yield "numpy's errors", np.geterr()
    yield "warnings", list(warnings.filters)
    yield "trace and profile", (Same(sys.gettrace()), Same(sys.getprofile()))


def state(patient: Patient) -> dict[str, Any]:
    """Record all that must be the same behind a call of `examine` as before it."""
    record = dict(of_everybody())
    record |= dict(of_model(patient.model))
    record |= dict(leaves(patient.batch, "batch"))
    if patient.optimizer is not None:
        record |= dict(of_optimizer(patient.optimizer))
    return record


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name what is not as it was."""
    names = [*before, *(name for name in after if name not in before)]
    missing = object()
    return [n for n in names if before.get(n, missing) != after.get(n, missing)]
