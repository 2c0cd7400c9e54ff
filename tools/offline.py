"""Make the course's environment out of a bundle's wheels, without network.

A bundle's `start.sh` and `start.cmd` run this with the Python of the machine, each time.
"""

import subprocess
import sys
import venv
from pathlib import Path

from tools.system import dotted, this_system

ROOT = Path(__file__).resolve().parents[1]
MADE_FOR = "made_for.txt"


def machine() -> "tuple[str, tuple[int, ...]]":
    """Return what wheels depend on: "Linux x86_64" and the version of Python."""
    system, processor = this_system()[:2]
    return f"{system} {processor}", sys.version_info[:3]


def unlike(made_for: str) -> str:
    """Say in one sentence why wheels made for another machine are not for this; else nothing.

    A later patch of the same Python will do: some packages refuse an earlier one.
    """
    place, _, python = made_for.rpartition(" ")
    here, version = machine()
    oldest = tuple(map(int, python.split(".")))
    if place == here and oldest[:2] == version[:2] and oldest <= version:
        return ""
    minor = dotted(oldest[:2])
    return (
        f"This bundle is for {place} with Python {python} or a later {minor}, and this is {here} "
        f"with Python {dotted(version)}: name the right one, as in PYTHON=python{minor} "
        "sh start.sh, or make a bundle on a machine like this."
    )


def main(root: Path = ROOT) -> int:
    """Make the environment in `.venv` where it is not ready; return the exit status."""
    home, wheels = root / ".venv", root.parent / "wheels"
    ready = home / ".ready"
    if ready.exists():
        return 0
    if said := unlike((wheels / MADE_FOR).read_text(encoding="utf-8").strip()):
        print(said, file=sys.stderr)
        return 1
    print("Setting the course up, once: this takes a few minutes.", flush=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    offline = ["--quiet", "--no-cache-dir", "--no-index", "--find-links", str(wheels)]
    try:
        # Some Linux systems have a Python that can bring no pip of its own: the bundle has one.
        venv.create(home, clear=True)
        (pip,) = wheels.glob("pip-*.whl")
        install = [str(python), f"{pip}/pip", "install", *offline, "pip", "vglib[lab]"]
        subprocess.run(install, check=True)
        ready.touch()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"The environment could not be made in {home}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
