"""Nothing left behind: whatever an examination does, the network is as it was found."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@contextmanager
def as_found(model: nn.Module, *others: Any) -> Iterator[None]:
    """Put back parameters, buffers, gradients, modes, hooks, attributes and random states.

    Buffers that the forward pass replaces or writes on come back as the same objects with the same
    numbers. `others` are further modules, such as a loss with buffers of its own, and optimisers,
    whose groups and state are put back; what is neither is left alone.
    """
    modules = list(model.modules())
    for other in others:
        if isinstance(other, nn.Module):
            modules += [module for module in other.modules() if module not in modules]
    kept: list[Any] = [_Module(module) for module in modules]
    kept += [_Settings(other) for other in others if isinstance(other, Optimizer)]
    stateful = (other for other in others if hasattr(other, "load_state_dict"))
    kept += [_Stated(o) for o in stateful if not isinstance(o, Optimizer | nn.Module)]
    parameters = {id(p): p for m in modules for p in m.parameters(recurse=False)}
    values = [(p, p.detach().clone(), p.grad, p.requires_grad) for p in parameters.values()]
    states = _random_states()
    grads = [(g, g.detach().clone()) for _, _, g, _ in values if g is not None]
    for parameter, *_ in values:
        parameter.grad = None
    try:
        yield
    finally:
        for module in kept:
            module.put_back()
        with torch.no_grad():
            for parameter, value, grad, needs in values:
                # Writing on what has not changed would count as a change to autograd.
                if not _same(parameter, value):
                    parameter.data.copy_(value)
                parameter.grad = grad
                if parameter.requires_grad != needs:
                    parameter.requires_grad_(needs)
            for grad, value in grads:
                if not _same(grad, value):
                    grad.copy_(value)
        _set_random_states(states)


class _Module:
    """One module as it was found."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        # Dictionaries, hooks among them, are kept with what is in them; the rest by reference.
        self.attributes = {name: (value, _content(value)) for name, value in vars(module).items()}
        self.buffers = {
            name: (buffer, buffer.detach().clone())
            for name, buffer in module.named_buffers(recurse=False)
        }

    def put_back(self) -> None:
        found = vars(self.module)
        for name in set(found) - set(self.attributes):
            del found[name]
        for name, (value, content) in self.attributes.items():
            _refill(value, content)
            found[name] = value
        with torch.no_grad():
            for buffer, value in self.buffers.values():
                if not _same(buffer, value):
                    buffer.data.copy_(value)


def _content(value: Any) -> Any:
    """Return a copy of what a container, a tensor or a generator holds; None for all else."""
    if isinstance(value, dict | list | set):
        return value.copy()
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value.bit_generator.state)
    return value.getstate() if isinstance(value, random.Random) else None


def _refill(value: Any, content: Any) -> None:
    if isinstance(value, dict | set):
        value.clear()
        value.update(content)
    elif isinstance(value, list):
        value[:] = content
    elif isinstance(value, torch.Generator):
        value.set_state(content)
    elif isinstance(value, Tensor) and not _same(value, content):
        value.data.copy_(content)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = content
    elif isinstance(value, random.Random):
        value.setstate(content)


class _Stated:
    """A schedule, a scaler or an average as it was found."""

    def __init__(self, thing: Any) -> None:
        self.thing, self.state = thing, copy.deepcopy(thing.state_dict())

    def put_back(self) -> None:
        self.thing.load_state_dict(self.state)


class _Settings:
    """The rates and the memory of an optimiser as they were found."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.groups = [(group, dict(group)) for group in optimizer.param_groups]
        self.state = {
            parameter: {
                name: (value, value.detach().clone() if isinstance(value, Tensor) else value)
                for name, value in state.items()
            }
            for parameter, state in optimizer.state.items()
        }

    def put_back(self) -> None:
        for group, settings in self.groups:
            group.clear()
            group.update(settings)
        for parameter in set(self.optimizer.state) - set(self.state):
            del self.optimizer.state[parameter]
        for parameter, entries in self.state.items():
            state = self.optimizer.state[parameter]
            for name, (value, content) in entries.items():
                if isinstance(value, Tensor) and not _same(value, content):
                    value.data.copy_(content)
                state[name] = value


def _same(tensor: Tensor, value: Tensor) -> bool:
    if tensor.shape != value.shape or tensor.dtype != value.dtype:
        return False
    if tensor.is_sparse:
        return True
    if tensor.device.type != "cpu":
        return False
    return bool(torch.equal(tensor, value))


def _random_states() -> dict[str, Any]:
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "cpu": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])
    if "mps" in states:
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def same_dice(seed: int = 0) -> Iterator[None]:
    """Let torch, NumPy and Python draw the same numbers inside, and put their states back."""
    states = _random_states()
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        _set_random_states(states)
