"""A process that has imported what kernels import, and forks one off for each client."""

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

# What takes long, all of it by others: of the course a kernel imports what it tries.
HEAVY = ("torch", "plotly.graph_objects", "anywidget", "ipykernel.kernelapp", "ipykernel.ipkernel")
# What Python or a library reads when it starts; a fork has its server's.
AT_THE_START = ("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "LD_")
LATER = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


def at_the_start(environment: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(AT_THE_START) and k not in LATER}


def fits(asked: dict) -> bool:
    """Whether a fork of this process is the kernel that is asked for."""
    environment = asked["environment"]
    return (
        asked["python"] == sys.executable
        and at_the_start(environment) == at_the_start(dict(os.environ))
        and not any((Path(path) / "sitecustomize.py").exists() for path in paths(environment))
    )


def paths(environment: dict[str, str]) -> list[str]:
    return [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]


def serve(address: str) -> None:
    """Fork for each client one that attends to it, until this process's input is closed."""
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            client, _ = door.accept()
            if os.fork() == 0:
                door.close()
                attend(client)
            client.close()


def attend(client: socket.socket) -> None:
    """Fork the client's kernel, hand on the client's signals, and say how the kernel ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(client, 4, 3)
    asked = json.loads(client.makefile("rb").read(int.from_bytes(size, "big")))
    if not fits(asked):
        client.sendall(b"n")
        os._exit(0)
    kernel = os.fork()
    if kernel == 0:
        client.close()
        become(asked, streams)
    client.sendall(b"y")
    ended = os.pidfd_open(kernel)
    given = b" "
    while given and ended not in select.select([client, ended], [], [])[0]:
        given = client.recv(1)
        # A client that was killed says nothing any more.
        os.kill(kernel, given[0] if given else signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(kernel, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(bytes([code % 256]))
    os._exit(0)


def become(asked: dict, streams: list[int]) -> None:
    """Be the kernel: with the client's streams, environment, folder and path."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    sys.path[:] = [*paths(asked["environment"]), *sys.path[1:]]
    kernelapp = importlib.import_module("ipykernel.kernelapp")
    # The parent that Jupyter named is the client, which attends to the end already.
    sys.argv = [kernelapp.__file__, *asked["arguments"], "--IPKernelApp.parent_handle=1"]
    importlib.import_module("numpy").random.seed()
    code = 0
    try:
        kernelapp.launch_new_instance()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    atexit._run_exitfuncs()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
