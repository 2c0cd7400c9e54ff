"""Kernels for the tests that do not import torch anew: each is forked off a process that has it.

A run with workers has one such process (`server`). In a kernel's place Jupyter starts a `client`,
which asks the server for a kernel and stands for it: signals go in, and the end comes out. Of the
course nothing is imported beforehand. Where the two do not fit (another Python, other threads, no
server) the client becomes the usual kernel.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.kernels.client import ADDRESS

HERE = Path(__file__).resolve().parent


def start(folder: Path) -> subprocess.Popen:
    """Start a server; `asking` says how to ask it for what Jupyter calls `python3`."""
    spec = {
        "argv": ["python", "-S", "-E", str(HERE / "client.py"), "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (folder / "kernels" / "python3").mkdir(parents=True)
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    address = str(folder / "server")
    os.environ[ADDRESS] = address
    command = [sys.executable, str(HERE / "server.py"), address]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def asking() -> dict[str, str]:
    """Return the variables with which Jupyter asks the server, if there is one.

    For programs that run notebooks. A page's server knows a kernel by the process that it started,
    which here is the client.
    """
    address = os.environ.get(ADDRESS)
    return {"JUPYTER_PATH": str(Path(address).parent)} if address else {}
