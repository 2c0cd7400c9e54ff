"""What Jupyter starts in a kernel's place; it imports little, as it starts for every kernel."""

import contextlib
import json
import os
import signal
import socket
import sys

ADDRESS = "VGLIB_TEST_KERNELS"


def main(arguments: list[str]) -> None:
    """Ask for a kernel with these arguments and end when it ends; without one, become one."""
    asked = {
        "python": sys.executable,
        "arguments": arguments,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }
    said = json.dumps(asked).encode()
    # No server, or one that is gone.
    with contextlib.suppress(KeyError, OSError), socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ[ADDRESS])
        socket.send_fds(server, [len(said).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(said)
        if server.recv(1) == b"y":
            stand_for_it(server)
    os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])


def stand_for_it(server: socket.socket) -> None:
    """Hand on signals, and end as the kernel does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda given, _: server.send(bytes([given])))
    end = server.recv(1)
    os._exit(end[0] if end else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
