"""MNIST, from a folder or fetched once: the images that the Medium article's model is for."""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pooch
import torch

from vglib.data import Dataset, dataset, split

MNIST_URLS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# By the beginning of a file's name; all end in "-ubyte.gz".
MNIST_SHA256 = {
    "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class DataError(RuntimeError):
    """Data could not be read or fetched; the message says why and what to do."""


def mnist(
    folder: str | Path | None = None,
    *,
    test_only: bool = False,
    standardised: bool = True,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    base_urls: Sequence[str] = MNIST_URLS,
    cache: str | Path | None = None,
) -> Dataset:
    """Load MNIST, 28x28, from a folder with its IDX files (plain or .gz), or fetch it once.

    `test_only` needs the t10k pair alone and splits these 10,000 images 80/20 by class (`seed`).
    `standardised` is as for `vglib.data.digits`. All 70,000 images in float64 take 440 MB.
    Fetched files are checked by SHA-256 and kept in `cache` (pooch's folder for vglib).
    Raises DataError where a file is missing, damaged, or cannot be fetched.
    """
    files = []
    for part in [*MNIST_SHA256][2 if test_only else 0 :]:
        name = f"{part}-ubyte.gz"
        if folder is None:
            files.append(download(name, MNIST_SHA256[part], base_urls, cache))
        else:
            files.append(_in_folder(Path(folder), name))
    pairs = [_pair(images, labels) for images, labels in zip(files[::2], files[1::2], strict=True)]
    if test_only:
        return split(*pairs[0], "MNIST's test images", dtype, standardised, seed)
    inputs, labels = zip(*pairs, strict=True)
    return dataset(inputs, labels, "MNIST", dtype, standardised)


def download(name: str, sha256: str, base_urls: Sequence[str], cache: str | Path | None) -> Path:
    """Fetch a file from the first of `base_urls` that has it whole, and keep it in `cache`.

    A file already there with the right checksum is not fetched again; nothing partial is kept.
    Raises DataError when no address gave the file.
    """
    folder = Path(cache) if cache is not None else Path(pooch.os_cache("vglib"))
    failures = []
    for base in base_urls:
        url = base.rstrip("/") + "/" + name
        try:
            downloader = pooch.HTTPDownloader(timeout=20)
            return Path(pooch.retrieve(url, f"sha256:{sha256}", name, folder, None, downloader))
        except ValueError as error:
            wrong = "hash" in str(error)
            failures.append(f"{base} {'sent a file with a wrong checksum' if wrong else error}")
        except OSError as error:
            failures.append(f"{base} failed ({type(error).__name__})")
    raise DataError(
        f"{name} could not be fetched: {'; '.join(failures) or 'no address was given'}; check the "
        "network, or put the file in a folder and pass that folder."
    )


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file, plain or gzipped, as the array that its header describes.

    Header: two zero bytes, a type code, the number of dimensions, then each as a big-endian uint32.
    Raises DataError where the file is missing, is not IDX, or is not as long as its header says.
    """
    path = Path(path)
    raw = _read(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _IDX_TYPES:
        raise DataError(
            f"{path.name} is not an IDX file: it starts with {raw[:4].hex() or 'nothing'}, "
            "not with 0000 and a type code; get the file again."
        )
    start = 4 + 4 * raw[3]
    if len(raw) < start:
        raise DataError(f"{path.name} ends inside its header: it is cut short; get it again.")
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", raw[3], 4))
    dtype = np.dtype(_IDX_TYPES[raw[2]])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        raise DataError(
            f"{path.name} has {len(raw)} bytes where its header announces {expected}: it is "
            f"{'cut short' if len(raw) < expected else 'damaged'}; get it again."
        )
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the path.") from None
    try:
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (EOFError, OSError, zlib.error):
        raise DataError(
            f"{path.name} cannot be unpacked: the gzip file is cut short or damaged; get it again."
        ) from None


def _in_folder(folder: Path, name: str) -> Path:
    plain = name.removesuffix(".gz")
    for candidate in (folder / plain, folder / name):
        if candidate.is_file():
            return candidate
    raise DataError(f"{folder} holds neither {plain} nor {name}; put one of them there.")


def _pair(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    for path, array, ndim in ((images_path, images, 3), (labels_path, labels, 1)):
        if array.ndim != ndim or array.dtype != np.uint8 or not array.size:
            raise DataError(
                f"{path.name} holds a {array.dtype} array of shape {array.shape}, not "
                f"{'images' if ndim == 3 else 'labels'}; check that no files are exchanged."
            )
    if len(images) != len(labels):
        raise DataError(
            f"{images_path.name} holds {len(images)} images, {labels_path.name} {len(labels)} "
            "labels; take both files from the same source."
        )
    return images.reshape(len(images), -1) / np.float32(255), labels
