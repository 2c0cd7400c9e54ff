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


def machine() -> str:
    """Return what wheels depend on: "Linux x86_64, Python 3.11"."""
    system, processor, _, python = this_system()
    return f"{system} {processor}, Python {dotted(python)}"


def main(root: Path = ROOT) -> int:
    """Make the environment in `.venv` where it is not ready; return the exit status."""
    home, wheels = root / ".venv", root.parent / "wheels"
    ready = home / ".ready"
    if ready.exists():
        return 0
    wanted = (wheels / MADE_FOR).read_text(encoding="utf-8").strip()
    if wanted != machine():
        print(
            f"This bundle is for {wanted}, and this is {machine()}: name the right Python, as in "
            "PYTHON=python3.12 sh start.sh, or make a bundle on such a machine.",
            file=sys.stderr,
        )
        return 1
    print("Setting the course up, once: this takes a few minutes.", flush=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    offline = ["--quiet", "--no-index", "--find-links", str(wheels)]
    try:
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", *offline, "vglib[lab]"], check=True)
        ready.touch()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The environment could not be made in {home}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
