"""Say in one sentence that a machine cannot run the course, before anything is downloaded.

`make setup` runs this file with whatever Python it finds: it asks for the standard library alone,
and its grammar is that of Python 3.6.
"""

import platform
import sys
import sysconfig

# What this version of torch, that of requirements.lock, has wheels for.
TORCH = "2.13.0"
PYTHONS = ((3, 11), (3, 14))
MACHINES = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",), "Windows": ("amd64",)}
OLDEST = {"Linux": (2, 28), "Darwin": (14,)}
CALLED = {
    ("Darwin", "x86_64"): "Intel Macs, nor for an Intel Python on Apple silicon",
    ("Windows", "arm64"): "Windows on ARM",
    ("Windows", "win32"): "32-bit Python on Windows",
}
INSTEAD = "README.md says under 'Installing by hand' where else it runs."


def unfit(system: str, machine: str, version: "tuple[int, ...]", python: "tuple[int, int]") -> str:
    """Return in one sentence why PyTorch cannot be had here; nothing where it can.

    `version` is that of macOS, on Linux that of glibc, and empty with another C library.
    """
    if not PYTHONS[0] <= python <= PYTHONS[1]:
        oldest, newest, this = (dotted(one) for one in (*PYTHONS, python))
        return (
            f"The course needs Python {oldest} to {newest}, and this is {this}: "
            "name another one, as in: make setup PYTHON=python3.12"
        )
    if machine not in MACHINES.get(system, ()):
        called = CALLED.get((system, machine), f"{system} on {machine}")
        return f"PyTorch, which the course needs, is not built for {called}: {INSTEAD}"
    if system == "Linux" and not version:
        return f"PyTorch, which the course needs, is built for Linux with glibc alone: {INSTEAD}"
    if version and version < OLDEST.get(system, ()):
        name = "macOS" if system == "Darwin" else "glibc"
        return (
            f"PyTorch, which the course needs, is built for {name} {dotted(OLDEST[system])} and "
            f"newer, and this is {dotted(version)}: {INSTEAD}"
        )
    return ""


def dotted(version: "tuple[int, ...]") -> str:
    """Write a version: 3.11."""
    return ".".join(map(str, version))


def this_system() -> "tuple[str, str, tuple[int, ...], tuple[int, int]]":
    """Return what `unfit` asks for, of the machine and the Python that run this."""
    system = platform.system()
    built_for = sysconfig.get_platform().split("-")[-1]  # of this Python, be it emulated
    machine = platform.machine() if system == "Darwin" else built_for
    library, version = platform.libc_ver()
    if system == "Darwin":
        version = platform.mac_ver()[0]
    elif library != "glibc":
        version = ""
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    return system, machine, numbers, sys.version_info[:2]


if __name__ == "__main__":
    sys.exit(unfit(*this_system()) or 0)
