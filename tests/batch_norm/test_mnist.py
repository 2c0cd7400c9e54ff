import contextlib
import gzip
import hashlib
import os
import re
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vglib.batch_norm import mnist


def idx(array: np.ndarray) -> bytes:
    codes = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    head = bytes([0, 0, codes[array.dtype.str[1:]], array.ndim])
    body = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return head + struct.pack(f">{array.ndim}I", *array.shape) + body


def write_mnist(folder: Path, parts: tuple[str, ...] = ("train", "t10k"), zipped: bool = True):
    rng = np.random.default_rng(0)
    pack, ending = (gzip.compress, ".gz") if zipped else (bytes, "")
    for part in parts:
        images = rng.integers(0, 256, (50, 4, 4)).astype("u1")
        images[:, 0, 0] = 7
        labels = np.repeat(np.arange(10), 5).astype("u1")
        (folder / f"{part}-images-idx3-ubyte{ending}").write_bytes(pack(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte{ending}").write_bytes(pack(idx(labels)))


def one_sentence(error: pytest.ExceptionInfo) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 500


@settings(deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]),
        hnp.array_shapes(max_dims=4, max_side=4),
    ),
    zipped=st.booleans(),
)
def test_read_idx_gives_back_what_was_written(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    got = mnist.read_idx(path)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)


@settings(deadline=None)
@given(raw=st.binary(max_size=40))
def test_read_idx_of_any_bytes_gives_an_array_or_a_sentence(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(raw)
    with contextlib.suppress(mnist.DataError):
        assert isinstance(mnist.read_idx(path), np.ndarray)


GOOD = idx(np.arange(24, dtype="u1").reshape(2, 3, 4))
# The time in a gzip header would give two workers different names for one test.
ZIPPED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not an IDX file: it starts with nothing"),
        (b"<html>404</html>", "not an IDX file: it starts with 3c68746d"),
        (b"\0\0\x07\x01" + GOOD[4:], "not an IDX file"),
        (GOOD[:10], "ends inside its header"),
        (GOOD[:-1], "39 bytes where its header announces 40: it is cut short"),
        (GOOD + b"x", "41 bytes where its header announces 40: it is damaged"),
        (ZIPPED[:-12], "gzip file is cut short or damaged"),
        (ZIPPED[:-8] + b"\0" * 8, "gzip file is cut short or damaged"),
        (b"\x1f\x8b" + b"\xff" * 30, "gzip file is cut short or damaged"),
        (gzip.compress(GOOD[:-1], mtime=0), "39 bytes where its header announces 40"),
    ],
)
def test_damaged_idx_files(tmp_path, raw, says):
    (tmp_path / "a.gz").write_bytes(raw)
    with pytest.raises(mnist.DataError, match=re.escape(says)) as error:
        mnist.read_idx(tmp_path / "a.gz")
    one_sentence(error)


def test_a_missing_idx_file(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(mnist.DataError, match="cannot be read") as error:
            mnist.read_idx(path)
        one_sentence(error)


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_from_a_folder(tmp_path, zipped):
    write_mnist(tmp_path, zipped=zipped)
    d = mnist.mnist(tmp_path)
    assert (d.n_in, int(d.y_train.max()) + 1, len(d.x_train), len(d.x_test)) == (16, 10, 50, 50)
    torch.testing.assert_close(d.x_train.mean(0), torch.zeros(16, dtype=torch.float64))
    assert (d.x_test[:, 0] == 0).all()
    raw = mnist.mnist(str(tmp_path), standardised=False, dtype=torch.float32)
    torch.testing.assert_close(raw.x_train[:, 0], torch.full((50,), 7 / 255))


def test_mnist_from_the_test_pair_alone(tmp_path):
    write_mnist(tmp_path, ("t10k",))
    d = mnist.mnist(tmp_path, test_only=True)
    assert (len(d.x_train), len(d.x_test), d.name) == (40, 10, "MNIST's test images")
    assert sorted(d.y_test.tolist()) == list(range(10))
    with pytest.raises(mnist.DataError, match="neither train-images-idx3-ubyte nor") as error:
        mnist.mnist(tmp_path)
    one_sentence(error)


def test_mnist_with_a_count_that_does_not_match(tmp_path):
    write_mnist(tmp_path)
    labels = idx(np.zeros(49, "u1"))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    with pytest.raises(mnist.DataError, match=r"holds 50 images, .* 49 labels") as error:
        mnist.mnist(tmp_path)
    one_sentence(error)


def test_mnist_with_images_and_labels_exchanged(tmp_path):
    write_mnist(tmp_path)
    images, labels = (tmp_path / f"t10k-{s}-ubyte.gz" for s in ("images-idx3", "labels-idx1"))
    labels.write_bytes(images.read_bytes())
    with pytest.raises(mnist.DataError, match="not labels; check") as error:
        mnist.mnist(tmp_path)
    one_sentence(error)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class CutShort(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 400)

    def log_message(self, *args):
        pass


def serve(handler) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def served(tmp_path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()
    for url in serve(partial(Quiet, directory=folder)):
        yield url, folder


@pytest.fixture
def cut_short() -> Iterator[str]:
    yield from serve(CutShort)


@pytest.fixture
def nobody() -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}/"


def left(cache: Path) -> list[Path]:
    return list(cache.rglob("*")) if cache.exists() else []


def test_download_takes_the_next_mirror_and_keeps_the_file(tmp_path, served, nobody):
    url, folder = served
    (folder / "a.gz").write_bytes(b"content")
    sha = hashlib.sha256(b"content").hexdigest()
    cache = tmp_path / "cache"
    path = mnist.download("a.gz", sha, (nobody, url), cache)
    assert path.read_bytes() == b"content"
    assert mnist.download("a.gz", sha, (nobody,), cache) == path
    path.write_bytes(b"spoiled")
    assert mnist.download("a.gz", sha, (url,), cache).read_bytes() == b"content"


def test_mnist_of_a_wrong_checksum(tmp_path, served):
    url, folder = served
    write_mnist(folder)
    cache = tmp_path / "cache"
    with pytest.raises(mnist.DataError, match="wrong checksum") as error:
        mnist.mnist(base_urls=(url,), cache=cache)
    one_sentence(error)
    assert left(cache) == []


def test_mnist_cut_short_on_the_way(tmp_path, cut_short):
    cache = tmp_path / "cache"
    with pytest.raises(mnist.DataError, match="could not be fetched") as error:
        mnist.mnist(base_urls=(cut_short,), cache=cache)
    one_sentence(error)
    assert left(cache) == []


def test_mnist_without_a_network(tmp_path, served, nobody):
    cache = tmp_path / "cache"
    with pytest.raises(mnist.DataError, match=r"check the network") as error:
        mnist.mnist(base_urls=(nobody, served[0]), cache=cache)
    one_sentence(error)
    assert "ConnectionError" in str(error.value)
    assert "HTTPError" in str(error.value)
    assert left(cache) == []
    with pytest.raises(mnist.DataError, match="no address was given"):
        mnist.mnist(base_urls=(), cache=cache)


def test_a_cache_that_is_not_a_folder(tmp_path, served):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(mnist.DataError, match="could not be fetched") as error:
        mnist.mnist(base_urls=(served[0],), cache=tmp_path / "cache")
    one_sentence(error)


@pytest.mark.skipif("VGLIB_MNIST_DIR" not in os.environ, reason="VGLIB_MNIST_DIR is not set")
def test_the_real_test_images():
    d = mnist.mnist(os.environ["VGLIB_MNIST_DIR"], test_only=True, standardised=False)
    assert (d.n_in, int(d.y_train.max()) + 1, len(d.x_train), len(d.x_test)) == (
        784,
        10,
        8000,
        2000,
    )
    labels = torch.cat([d.y_train, d.y_test])
    assert labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(float(torch.cat([d.x_train, d.x_test]).mean()) - 0.1325) < 1e-4
