"""One thread per test process: a second busy process makes two-thread bf16 many times slower."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sfumato.data.dataset import ImageData, InMemory, Split, fingerprint
from sfumato.engine.runtime import Runtime

torch.set_num_threads(1)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept between calls is kept for the tests of one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFUMATO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(torch.device("cpu"), "fp32")


def toy_data() -> ImageData:
    """Sixteen training and eight test images of 28×28 with two classes: bright at the left, bright at the right."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 60, (24, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.arange(24) % 2
    images[labels == 0, :, :, :14] += 190
    images[labels == 1, :, :, 14:] += 190
    halves = (slice(0, 16), slice(16, 24))
    train, test = (Split(InMemory(images[part]), labels[part]) for part in halves)
    return ImageData("toy", train, test, ("left", "right"), fingerprint(images))


@pytest.fixture
def toy() -> ImageData:
    return toy_data()


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def sfumato(tmp_path: Path) -> Command:
    """Runs `sfumato ARGUMENTS` in a process of its own, in an empty folder."""

    def run(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "sfumato", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "SFUMATO_CACHE": str(tmp_path / "cache"), **environment},
            timeout=300,
            check=False,
        )

    return run


def one_line(result: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """Bad input: exit code 2 and one line on standard error that holds `words`."""
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("sfumato: ")
    for word in words:
        assert word in result.stderr, result.stderr
