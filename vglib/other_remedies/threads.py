"""How many threads torch may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work on one thread inside, and on as many as before afterwards.

    Threads share a matrix product out and wait for one another at its end. With layers of a hundred
    units the wait is longer than the product, ten times so where another program runs as well.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
