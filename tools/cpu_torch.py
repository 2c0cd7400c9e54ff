"""On Linux, install PyTorch's build for the processor, where its own index can be reached.

It is the version of requirements.lock, a third as large as the build for GPUs that pip takes by
itself. What cannot be had here is left to pip, so this never fails.
"""

import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
INDEX = "https://download.pytorch.org/whl/cpu"
# An index that is slow to answer is as good as none: pip's usual one is next.
ONCE = ["--retries", "0", "--timeout", "5", "--disable-pip-version-check"]


def installed() -> str:
    """Return the version of torch that is there already; empty without one."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def is_wanted() -> bool:
    """Whether the small build is the right one: on Linux without a GPU and without the large."""
    large = installed() and not installed().endswith("+cpu")
    return sys.platform == "linux" and not shutil.which("nvidia-smi") and not large


def from_index(action: list[str], index: str = INDEX, lock: Path = LOCK) -> bool:
    """Let pip install or download the small build, without what it needs; return whether it did."""
    pin = re.search(r"^torch==\S+", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if pin is None:
        return False
    pip = [sys.executable, "-m", "pip", *action, *ONCE, "--no-deps", "--index-url", index]
    return subprocess.run([*pip, pin.group()], capture_output=True).returncode == 0


def main() -> int:
    """Install the small build where it is wanted and can be had; return the exit status."""
    if is_wanted():
        print("Looking for PyTorch's build for the processor ...", flush=True)
        if not from_index(["install"]):
            print("PyTorch's own index is out of reach: pip takes its usual build, which is large.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
