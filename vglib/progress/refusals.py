"""What a cell that is checked may not do: write or delete outside its folder, start, call out."""

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {  # the event, which of its arguments are paths, what it does with them
    "sqlite3.connect": (1, "write"),
    "os.mkdir": (1, "make the folder"),
    "os.remove": (1, "delete"),
    "os.rmdir": (1, "delete"),
    "os.truncate": (1, "write"),
    "os.chmod": (1, "change"),
    "os.chown": (1, "change"),
    "os.utime": (1, "change"),
    "os.setxattr": (1, "change"),
    "os.removexattr": (1, "change"),
    "os.rename": (2, "move"),
    "os.link": (2, "link"),
    "os.symlink": (2, "link"),
}
_PROCESSES = (
    *("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.kill"),
    *("os.startfile", "pty.spawn", "webbrowser."),
)
_NETWORK = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddr")


class Refused(PermissionError):
    """What a cell gets that tries what it may not."""


def refuse(folder: Path, tell: Callable[[str], object]) -> None:
    """From now on let this process write in the folder alone, and start and call nobody.

    What is tried raises Refused and is told, as in "write /home/me/points.csv". This keeps out
    slips and pranks and is **no prison**: Python tells of what Python does, and code that means
    harm finds its way round (through ctypes, or a library that opens files in C). Run the
    notebooks of strangers in a container.
    """
    inside, real, null = os.path.realpath(folder), os.path.realpath, os.path.realpath(os.devnull)

    def outside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):  # a file that is open already
            return False
        where = real(os.fsdecode(path))
        return where not in (inside, null) and not where.startswith(inside + os.sep)

    def no(what: str) -> None:
        tell(what)
        raise Refused(f"a cell that is checked may not {what}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if arguments[2] & _WRITING and outside(arguments[0]):
                no(f"write {os.fsdecode(arguments[0])}")
        elif event in _PATHS:
            count, what = _PATHS[event]
            for path in arguments[:count]:
                if path != ":memory:" and outside(path):
                    no(f"{what} {os.fsdecode(path)}")
        elif event.startswith(_PROCESSES):
            no("start or end a process")
        elif event.startswith(_NETWORK):
            no("use the network")

    sys.addaudithook(hook)
    _tell_of("_posixsubprocess", "fork_exec", lambda *_, **__: ("os.fork",))
    _tell_of("torch", "save", lambda obj, f, *_, **__: ("open", f, "wb", os.O_WRONLY))


def _tell_of(module: str, name: str, event: Callable[..., tuple[Any, ...]]) -> None:
    """Let a function that does its work in C, untold, tell of it before."""
    home: types.ModuleType | None = sys.modules.get(module)
    function = getattr(home, name, None)
    if function is None:
        return

    def telling(*arguments: Any, **named: Any) -> Any:
        sys.audit(*event(*arguments, **named))
        return function(*arguments, **named)

    setattr(home, name, telling)
