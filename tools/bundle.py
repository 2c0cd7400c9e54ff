"""Pack the course for machines like this one that have no network: files, wheels and a start.

`make bundle` writes one archive into dist/. Unpacked, it needs Python alone: `sh start.sh`, or
`start.cmd` on Windows.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tools import cpu_torch
from tools.offline import MADE_FOR, machine
from tools.system import dotted

ROOT = Path(__file__).resolve().parents[1]
NAME = "vanishing-gradients"
STARTS = ("start.sh", "start.cmd")


class CannotPack(Exception):
    """Something that belongs into the archive cannot be had."""


def tracked(root: Path = ROOT) -> list[Path]:
    """Return the files that git tracks, as they are on the disk; raises CannotPack without git."""
    asked = ["git", "-C", str(root), "ls-files", "-z"]
    try:
        listed = subprocess.run(asked, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotPack("A bundle holds the files that git tracks: make it in a clone.") from error
    return [path for name in listed.split("\0") if name and (path := root / name).is_file()]


def newest_wheel(root: Path = ROOT) -> Path:
    """Return the course's own wheel; raises CannotPack where there is none."""
    wheels = sorted((root / "dist").glob("vglib-*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        raise CannotPack("There is no wheel of the course yet: run 'make wheel' first.")
    return wheels[-1]


def fetch(wheel: Path, folder: Path, lock: Path) -> None:
    """Put the wheels of the lock that the labs and JupyterLab need into a folder, and pip's own.

    Raises CannotPack where pip cannot get one.
    """
    if sys.platform == "linux":
        cpu_torch.from_index(["download", "--dest", str(folder)])
    asked = ["--only-binary", ":all:", "--constraint", str(lock), "--find-links", str(folder)]
    download = [sys.executable, "-m", "pip", "download", "--quiet", *asked, "--dest", str(folder)]
    if subprocess.run([*download, "pip", f"{wheel}[lab]"]).returncode != 0:
        raise CannotPack("pip could not get all wheels; its words stand above.")
    place, python = machine()
    (folder / MADE_FOR).write_text(f"{place} {dotted(python)}\n", encoding="utf-8")


def pack(archive: Path, wheels: Iterable[Path], files: Iterable[Path], root: Path = ROOT) -> None:
    """Write the archive, whole or not at all."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_name(f".{archive.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in STARTS:
                packed.write(root / "tools" / "start" / name, f"{NAME}/{name}")
            for path in files:
                packed.write(path, f"{NAME}/course/{path.relative_to(root).as_posix()}")
            for path in wheels:  # wheels are packed already
                packed.write(path, f"{NAME}/wheels/{path.name}", zipfile.ZIP_STORED)
        os.replace(part, archive)
    finally:
        part.unlink(missing_ok=True)


def main(root: Path = ROOT) -> int:
    """Make the archive and say how large it is; return the exit status."""
    place, python = machine()
    system = place.lower().replace(" ", "-")
    archive = root / "dist" / f"{NAME}-{system}-python{dotted(python[:2])}.zip"
    try:
        with tempfile.TemporaryDirectory() as folder:
            fetch(newest_wheel(root), Path(folder), root / "requirements.lock")
            pack(archive, sorted(Path(folder).iterdir()), tracked(root), root)
    except (CannotPack, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    size = archive.stat().st_size / 1e6
    said = f"{place} with Python {dotted(python)} or a later {dotted(python[:2])}"
    print(f"{archive.relative_to(root)}: {size:.0f} MB, for {said}, without network.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
