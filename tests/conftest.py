"""What the tests share."""

import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# Tests run side by side, one a core: more threads in each would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault of the code under test, so no example has a time limit.
settings.register_profile("course", deadline=None)
settings.load_profile("course")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long or waits first: at the end, it would keep one worker when all is done."""
    first = [ROOT / "tests" / name for name in ("test_notebooks.py", "test_spread.py")]
    items.sort(key=lambda item: item.path not in first)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Fork the kernels of a run with workers, which is the whole suite or much of it."""
    if not config.getoption("numprocesses", None) or not hasattr(os, "pidfd_open"):
        return (yield)
    from tests import kernels

    with tempfile.TemporaryDirectory() as folder:
        server = kernels.start(Path(folder))
        try:
            return (yield)
        finally:
            server.stdin.close()
            server.wait()
