"""Weather of one's own: inside, torch and NumPy behave as on the first day, whatever was set."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def fair_weather() -> Iterator[None]:
    """Compute with the defaults of torch and NumPy inside, and put the user's back afterwards.

    Default dtype float32, default device the processor, one thread, gradients on, NumPy's usual
    errors, each warning once but for deprecations. Random states are left alone.
    """
    dtype = torch.get_default_dtype()
    forced = torch.are_deterministic_algorithms_enabled()
    only_warn = torch.is_deterministic_algorithms_warn_only_enabled()
    with one_thread(), ExitStack() as stack:
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        stack.enter_context(warnings.catch_warnings(action="default"))
        warnings.simplefilter("ignore", DeprecationWarning)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # Inside `torch.device` every call of torch passes through Python, so only where it must.
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        torch.set_default_dtype(torch.float32)
        if forced:
            torch.use_deterministic_algorithms(False)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            if forced:
                torch.use_deterministic_algorithms(True, warn_only=only_warn)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread inside: in small layers several wait longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
