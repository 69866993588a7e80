"""MNIST folders and their download, from a server on this machine."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from sfumato.data import mnist
from sfumato.data.sources import View, fetch, open_data
from sfumato.errors import SfumatoError

from .test_idx import idx

ARRAYS = (
    np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8),
    np.arange(20, dtype=np.uint8) % 10,
    np.random.default_rng(1).integers(0, 256, (10, 28, 28), dtype=np.uint8),
    np.arange(10, dtype=np.uint8),
)


def write(folder: Path, arrays: tuple[np.ndarray, ...] = ARRAYS, packed: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    for file, array in zip(mnist.FILES, arrays, strict=True):
        content = idx(array)
        (folder / (f"{file}.gz" if packed else file)).write_bytes(
            gzip.compress(content, mtime=0) if packed else content
        )
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_four_files_is_read(tmp_path: Path, packed: bool) -> None:
    data = open_data(str(write(tmp_path / "mine", packed=packed)))
    assert data.name == "idx"  # not the published content, so not called MNIST
    assert data.shape == (1, 28, 28)
    assert len(data.train) == 20
    assert data.train.labels is not None
    assert data.train.labels.tolist() == ARRAYS[1].tolist()
    assert np.allclose(data.test.images().numpy()[:, 0] * 255, ARRAYS[2], atol=1e-4)


def test_other_channels_and_resolutions_are_made(tmp_path: Path) -> None:
    assert open_data(str(write(tmp_path / "mine")), View(channels=3, resolution=32)).shape == (3, 32, 32)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    (folder / f"{mnist.FILES[3]}.gz").unlink()
    with pytest.raises(SfumatoError, match=r"t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz is missing"):
        open_data(str(folder))


@pytest.mark.parametrize(
    ("index", "array", "word"),
    [
        (1, ARRAYS[1][:-1], "19 labels for the 20 images"),
        (2, np.zeros((10, 14, 14), np.uint8), "another size"),
        (0, np.zeros((0, 28, 28), np.uint8), "labels for the 0 images"),
    ],
)
def test_files_that_contradict_each_other_are_named(tmp_path: Path, index: int, array: np.ndarray, word: str) -> None:
    arrays = list(ARRAYS)
    arrays[index] = array
    with pytest.raises(SfumatoError, match=word):
        open_data(str(write(tmp_path / "mine", tuple(arrays))))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    folder = write(tmp_path / "served")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def sums(folder: Path) -> tuple[str, ...]:
    return tuple(hashlib.md5((folder / f"{file}.gz").read_bytes()).hexdigest() for file in mnist.FILES)


def test_fetch_falls_back_to_the_next_mirror_and_checks_sums(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(mnist.MIRRORS, "mnist", ("http://127.0.0.1:9/", mirror))
    monkeypatch.setitem(mnist.MD5, "mnist", sums(tmp_path / "served"))
    folder = fetch("mnist")
    assert folder == tmp_path / "cache" / "mnist"
    assert len(open_data("mnist").train) == 20
    monkeypatch.setitem(mnist.MIRRORS, "mnist", ())  # a second call needs no network
    assert mnist.is_fetched("mnist")


def test_a_wrong_sum_is_refused_and_nothing_is_kept(
    tmp_path: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(mnist.MIRRORS, "mnist", (mirror,))
    with pytest.raises(SfumatoError, match="could not be fetched") as caught:
        fetch("mnist")
    assert "--data DIR" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(mnist.MIRRORS, "mnist", ("http://127.0.0.1:9/",))
    with pytest.raises(SfumatoError, match="no connection"):
        fetch("mnist")


def test_what_cannot_be_fetched_is_named() -> None:
    with pytest.raises(SfumatoError, match="'celeba': cannot be fetched"):
        fetch("celeba")
