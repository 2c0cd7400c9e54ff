"""What a learner may have set before a lab is opened: each setting alone, and all at once."""

import gc
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np
import torch

CACHED = (FunctionType, type(lru_cache(len)))


@contextmanager
def _dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def _device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def _seeds() -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


SETTINGS: Mapping[str, Callable[[], AbstractContextManager]] = {
    "seeds": _seeds,
    "default dtype float64": _dtype,
    "default device meta": _device,
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "NumPy raises": lambda: np.errstate(all="raise"),
    "warnings are errors": _warnings,
    "deterministic": _deterministic,
    "two threads": _threads,
}


@contextmanager
def storm(*names: str) -> Iterator[None]:
    """Set what is named, all of it without a name, and set it back afterwards."""
    with ExitStack() as stack:
        for name in names or SETTINGS:
            stack.enter_context(SETTINGS[name]())
        yield


def forget() -> None:
    """Empty the caches of the course, so that what is computed next is not remembered."""
    for cache in _caches(sum(name.startswith("vglib.") for name in sys.modules)):
        cache.cache_clear()


@lru_cache(maxsize=1)
def _caches(modules: int) -> list[Any]:
    """Look for the caches anew when more modules of the course are loaded: looking takes long."""
    found = []
    for thing in [thing for thing in gc.get_objects() if type(thing) in CACHED]:
        module = str(thing.__module__)
        ours = module.startswith("vglib.") and module != "vglib.lab.live"
        if ours and hasattr(thing, "cache_clear"):
            found.append(thing)
    return found
