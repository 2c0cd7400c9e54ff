"""What nbval leaves out of its comparison; a plugin of its own, for a quick start of each notebook.

Beside a stored text the kernel of a test sends these too, and a progress bar writes to stderr; none
of them is stored, so there is nothing to compare them with.
"""

import pytest

NOT_COMPARED = ("text/html", "application/vnd.plotly.v1+json", "stderr")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Add to nbval's own list, where the collector is nbval's."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += NOT_COMPARED
