"""What the tests share."""

import os
import sys
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

# Beside a stored text the kernel of a test sends these too, and a progress bar writes to stderr;
# none of them is stored, so there is nothing to compare them with.
NOT_COMPARED = ("text/html", "application/vnd.plotly.v1+json", "stderr")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Leave what is not stored out of nbval's comparison."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED
