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
    """Start a server; what this process and its children start as `python3` asks it."""
    spec = {
        "argv": ["python", "-S", "-E", str(HERE / "client.py"), "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (folder / "kernels" / "python3").mkdir(parents=True)
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    address = str(folder / "server")
    os.environ[ADDRESS] = address
    before = [p] if (p := os.environ.get("JUPYTER_PATH")) else []
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(folder), *before])
    command = [sys.executable, str(HERE / "server.py"), address]
    return subprocess.Popen(command, stdin=subprocess.PIPE)
