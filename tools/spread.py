"""Spread independent runs over the cores of this machine, or over a Dask cluster.

The one setting is VGLIB_DASK, the address of a Dask scheduler (`tcp://host:8786`); the extra
`vglib[cluster]` brings what it needs. A worker that is lost has its runs done again by another.
A cluster that has one core in all gets no run: joblib then makes them in this process, in turn.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

SETTING = "VGLIB_DASK"
Result = TypeVar("Result")


def spread(
    function: Callable[..., Result], runs: Sequence[tuple[Any, ...]], jobs: int = -1
) -> Iterator[Result]:
    """Yield `function(*run)` for each run as it finishes, in any order, with a progress bar.

    `jobs` processes of this machine (-1: one a core), or all workers of the cluster that the
    setting names. What a run raises is raised here. Raises ValueError, one sentence, where the
    setting is made and Dask is missing or the scheduler does not answer.
    """
    scheduler = os.environ.get(SETTING, "")
    run_one: Callable[..., Result] = _on_one_thread
    if scheduler:
        run_one, function = _WithItsCode(run_one), _WithItsCode(function)
    with _place(scheduler):
        # One run a batch: a result is handed on at once, and a lost worker costs one run.
        pool = Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
        work = pool(delayed(run_one)(function, run) for run in runs)
        yield from tqdm(work, total=len(runs), unit="run")


def _place(scheduler: str) -> AbstractContextManager[Any]:
    if not scheduler:
        return nullcontext()
    try:
        return parallel_config("dask", scheduler_host=scheduler)
    except ValueError as error:
        raise ValueError(
            f"{SETTING} asks for a Dask cluster and Dask is not installed: "
            "pip install 'vglib[cluster]', or unset it."
        ) from error
    except OSError as error:
        raise ValueError(
            f"{SETTING} is {scheduler!r}, where no Dask scheduler answers: start it "
            "(`dask scheduler`), correct the address, or unset it."
        ) from error


class _WithItsCode:
    """A function that travels with its code, unless it is the installed package's.

    `dask scheduler` and `dask worker` have vglib and not this folder: where they cannot import a
    function they say so in their own log, and joblib waits for ever.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        # What Dask itself is built on; it comes with the extra.
        import cloudpickle

        module = self.function.__module__
        if module.partition(".")[0] != "vglib":
            cloudpickle.register_pickle_by_value(sys.modules[module])
        return cloudpickle.loads, (cloudpickle.dumps(self.function),)


def _on_one_thread(function: Callable[..., Result], run: tuple[Any, ...]) -> Result:
    """Run with one thread of torch: runs side by side would only wait for one another."""
    import torch

    torch.set_num_threads(1)
    return function(*run)
