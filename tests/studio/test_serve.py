"""The server's process: it listens on what it was told, says so in one line, and never loads what computes."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sfumato.errors import SfumatoError
from sfumato.studio.serve import _listen, serve

HEAVY = ("torch", "torchvision", "sklearn", "scipy", "matplotlib", "skimage", "tensorboard")


def test_the_server_loads_nothing_that_computes() -> None:
    script = f"import json, sys, sfumato.studio.serve; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == []
    assert done.stderr == ""


def test_the_usual_port_is_taken_if_it_is_free_and_one_that_is_asked_for_is_owed() -> None:
    with _listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass  # who comes before the server answers waits
        with pytest.raises(SfumatoError, match=f"port {port}: cannot be listened on at 127.0.0.1"):
            _listen("127.0.0.1", port)
    with _listen("127.0.0.1", None) as usual, _listen("127.0.0.1", None) as other:
        assert usual.getsockname() != other.getsockname()


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_no_such_port(port: int) -> None:
    with pytest.raises(SfumatoError, match=f"port {port}: must lie between 0 and 65535"):
        _listen("127.0.0.1", port)


def test_no_such_host() -> None:
    with pytest.raises(SfumatoError, match="cannot be listened on at 203"):
        _listen("203.0.113.1", 0)


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="not a folder"):
        serve(tmp_path, data=tmp_path / "missing", show=False)
    (tmp_path / "file").touch()
    with pytest.raises((SfumatoError, OSError)):
        serve(tmp_path / "file", show=False)


def test_nothing_is_fetched_where_that_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sfumato.data.mnist import fetch_mnist
    from sfumato.weights.known import fetch_weights

    monkeypatch.setenv("SFUMATO_OFFLINE", "1")
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    for fetch in (lambda: fetch_mnist("mnist"), lambda: fetch_weights("vgg19")):
        with pytest.raises(SfumatoError, match="SFUMATO_OFFLINE forbids"):
            fetch()
    assert not list(tmp_path.iterdir())
