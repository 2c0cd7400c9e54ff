"""What a kernel knows of who asks it, and of itself."""

import os
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython


def request() -> dict[str, Any]:
    """Return the message that is being answered; empty where there is no kernel."""
    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
    return parent


def page_asks() -> bool:
    """Return whether a page waits for what is run now; a program that runs a notebook is none.

    JupyterLab and Notebook name the cell. Python's own client, which nbclient, papermill and nbval
    use, begins a message's name with its session's; so does Voila, which then makes a page of what
    it has run. Who is not known counts as a page.
    """
    header, cell = request().get("header", {}), request().get("metadata", {}).get("cellId")
    by_program = header.get("msg_id", "").startswith(f"{header.get('session')}_")
    # The second name alone is there where Voila starts kernels before anybody asks for one.
    by_voila = "voila" in os.environ.get("SERVER_SOFTWARE", "") or "VOILA_PREHEAT" in os.environ
    return bool(cell or not by_program or by_voila)


def this() -> dict[str, Any]:
    """Return which kernel this is, by its name and its process, for the server that started it."""
    config = getattr(get_ipython(), "config", {}).get("IPKernelApp", {})
    name = Path(config.get("connection_file", "")).stem.removeprefix("kernel-")
    # Where a launcher stands between, the server knows the launcher's process.
    return {"kernel": name, "processes": [os.getpid(), os.getppid()]}
