"""Frames made once, side by side, and kept for as long as the code that makes them is the same."""

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from tools import discover
from tools.site.frames import frames

ROOT = Path(__file__).resolve().parents[2]
# Whose numbers are drawn.
LIBRARIES = ("numpy", "scipy", "torch", "scikit-learn")


def all_frames(wanted: Mapping[str, bool], folder: Path, jobs: int = -1) -> dict[str, bytes]:
    """Return the frames of each lab, by its name "chapter.lab"; the value says whether with plane.

    What `folder` has is taken from there, everything else is made, `jobs` labs at a time, and put
    there. Raises ValueError with the name of a lab whose frames cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.{key(name, plane)}" for name, plane in wanted.items()}
    missing = [name for name, path in paths.items() if not path.exists()]
    tasks = (delayed(_make)(name, wanted[name], paths[name]) for name in missing)
    made = Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
    for _ in tqdm(made, total=len(missing), unit="lab", desc="Frames", disable=not missing):
        pass
    return {name: path.read_bytes() for name, path in paths.items()}


def _make(name: str, plane: bool, path: Path) -> None:
    try:
        made = frames(discover.labs()[name](), plane=plane)
    except (ValueError, ArithmeticError) as error:
        raise ValueError(f"{name} has no frames: {error}") from None
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(made)
    for old in path.parent.glob(f"{name}.*"):
        if old != draft:
            old.unlink()
    os.replace(draft, path)


def key(name: str, plane: bool) -> str:
    """Return a name for what a lab's frames depend on: its code, this code and the libraries."""
    chapter = name.partition(".")[0]
    parts = [name, str(plane), *(f"{library} {version(library)}" for library in LIBRARIES)]
    digest = hashlib.sha256("\n".join(parts).encode())
    for path in sorted(_code(chapter)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def thinned(made: bytes) -> str:
    """Say how many frames a lab has, and which sliders have fewer stops on its page than live."""
    raw = gzip.decompress(made)
    found = json.loads(raw[4 : 4 + int.from_bytes(raw[:4], "little")])
    fewer = [
        f"{one['label']} {len(one['values'])} of {one['of']}"
        for one in found["inputs"]
        if len(one["values"]) < one["of"]
    ]
    return f"{len(found['frames'])} frames" + (f"; stops: {', '.join(fewer)}" if fewer else "")


def _code(chapter: str) -> Iterable[Path]:
    package = ROOT / "vglib"
    for pattern in ("*.py", "lab/*.py", "doctor/**/*.py", f"{chapter}/**/*.py"):
        yield from package.glob(pattern)
    yield from (Path(__file__).parent / name for name in ("frames.py", "inputs.py"))
