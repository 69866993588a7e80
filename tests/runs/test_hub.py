"""Models at the hub: what is sent is what is opened; of a stranger's repository no more is taken than a model."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

pytest.importorskip("huggingface_hub")
from huggingface_hub import constants

import sfumato as library
from sfumato.errors import SfumatoError
from sfumato.runs.hub import FILES, here
from sfumato.runs.model import write_model
from sfumato.runs.open import Run
from sfumato.runs.push import push

from ..conftest import Command, one_line
from .fake_hub import TOKEN, FakeHub, serving

NAME = "somebody/digits"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # of the client, by its own client


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with serving() as hub:
        pattern = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a protocol of its own, which this hub lacks
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
        yield hub


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("a folder of this machine") / "run"
    fields = {"widths": (8,), "images": 64, "batch_size": 16}
    library.train("stacked", data="digits", run=folder, device="cpu", precision="fp32", **fields)
    return library.open(folder, "cpu")


def model(run: Run, folder: Path, **more: bytes) -> dict[str, bytes]:
    write_model(run.manifest, run.system, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()} | more


def test_what_is_sent_is_what_is_opened(
    run: Run, hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = model(run, tmp_path / "model")
    assert push(run, NAME, license="mit") == f"{hub.url}/{NAME}"
    assert "sfumato: sending config.json, model.safetensors, evaluation.json, README.md (0." in capsys.readouterr().err
    sent = hub.files(NAME)
    assert {name: sent[name] for name in files} == files
    assert sent.keys() == {*FILES, ".gitattributes"}
    assert not any(str(run.path.parent).encode() in content for content in sent.values())
    opened = library.open(f"hf://{NAME}", "cpu")
    said = capsys.readouterr().err
    assert "sfumato: fetching " in said
    assert f"MB) from {hub.url}/{NAME}" in said
    own = library.open(tmp_path / "model", "cpu")
    codes = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(opened.draw(codes), own.draw(codes))
    assert opened.evaluation == run.evaluation
    assert opened.path.parent.parent == tmp_path / "cache" / "hub"
    assert sorted(path.name for path in opened.path.iterdir()) == sorted(FILES)
    assert TOKEN not in said + repr(opened)


def test_the_card_says_what_was_measured(run: Run, hub: FakeHub) -> None:
    push(run, NAME, license="mit")
    card = hub.files(NAME)["README.md"].decode()
    _, head, text = card.split("---\n", 2)
    values = yaml.safe_load(head)
    assert values["license"] == "mit"
    assert values["library_name"] == "sfumato"
    assert "psnr" in values["metrics"]
    for word in (run.entry.paper, run.manifest.data.fingerprint, "Departs from the paper", "1,437", "mean image",
                 f"{run.evaluation.images:,} test images", f'sfumato.open("hf://{NAME}")', "64 images"):  # fmt: skip
        assert word in text, word


def test_a_second_model_takes_the_place_of_the_first(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    first = hub.commit(NAME, {"evaluation.json": b"of another", "notes.txt": b"kept"})
    write_model(run.manifest, run.system, tmp_path / "model")
    opened = library.open(tmp_path / "model", "cpu")
    push(opened, NAME)
    assert hub.files(NAME).keys() == {"config.json", "model.safetensors", "README.md", "notes.txt"}
    assert hub.files(NAME)["model.safetensors"] == (tmp_path / "model" / "model.safetensors").read_bytes()
    with pytest.raises(SfumatoError, match="no model of Sfumato: it holds no config"):
        here(f"hf://{NAME}@{first}")


def test_private_ones_and_branches(run: Run, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    push(run, NAME, private=True, revision="draft/1")
    assert hub.repositories[NAME].private
    assert hub.files(NAME).keys() == {".gitattributes"}
    assert here(f"hf://{NAME}@draft/1").name == hub.repositories[NAME].branches["draft/1"]
    with pytest.raises(SfumatoError, match="no such revision"):
        here(f"hf://{NAME}@other")
    hub.commit("somebody/open", {})
    with pytest.raises(SfumatoError, match="for all to see"):
        push(run, "somebody/open", private=True)
    assert not hub.files("somebody/open")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SfumatoError, match=r"no such repository .* `hf auth login`, or HF_TOKEN"):
        here(f"hf://{NAME}")
    asked = len(hub.asked)
    with pytest.raises(SfumatoError, match="must know who you are"):
        push(run, NAME)
    assert len(hub.asked) == asked


def test_what_is_here_is_not_fetched_again_nor_asked_for_offline(
    run: Run, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = hub.commit(NAME, model(run, tmp_path / "model"))
    folder = here(f"hf://{NAME}")
    asked = len(hub.asked)
    assert here(Path(f"hf://{NAME}")) == folder  # of which paths make hf:/
    assert len(hub.asked) == asked + 1
    for module, name, value in ((constants, "HF_HUB_OFFLINE", True), (os.environ, "SFUMATO_OFFLINE", "1")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value) if module is constants else patch.setenv(name, str(value))
            assert here(f"hf://{NAME}") == here(f"hf://{NAME}@{sha}") == folder
            with pytest.raises(SfumatoError, match="forbids to send"):
                push(run, NAME)
            for other in (f"{NAME}@other", f"{NAME}@{'0' * 40}", "somebody/other"):
                with pytest.raises(SfumatoError, match=r": not here, and .*OFFLINE forbids"):
                    here(f"hf://{other}")
    assert len(hub.asked) == asked + 1


def test_a_hostile_repository_gives_its_model_and_no_more(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    odd = {"../../evil.safetensors": b"x", "pytorch_model.bin": b"\x80", "x/config.json": b"{}", "run.py": b"x"}
    hub.commit(NAME, {**model(run, tmp_path / "model"), **odd})
    folder = here(f"hf://{NAME}")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert not [asked for asked in hub.asked if any(name in asked for name in odd)]
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("size", [None, -1, FILES["model.safetensors"] + 1])
def test_sizes_are_judged_before_anything_is_fetched(run: Run, hub: FakeHub, tmp_path: Path, size: int | None) -> None:
    hub.commit(NAME, model(run, tmp_path / "model"))
    hub.sizes["model.safetensors"] = size
    with pytest.raises(SfumatoError, match=r"model\.safetensors has .* are the most"):
        here(f"hf://{NAME}")
    assert not any("resolve" in asked for asked in hub.asked)
    assert not list((tmp_path / "cache").rglob("*"))


@pytest.mark.parametrize("sha", ["../../x", "x", "0" * 39])
def test_a_commit_is_no_path(run: Run, hub: FakeHub, tmp_path: Path, sha: str) -> None:
    hub.commit(NAME, model(run, tmp_path / "model"))
    hub.sha = sha
    with pytest.raises(SfumatoError, match="names no commit"):
        here(f"hf://{NAME}")


@pytest.mark.parametrize("name", ["", "one", "a/b/c", "../x/y", "a/b c", "a/", "é/b", "../..", "-a/b", "a--b/c"])
def test_what_is_no_name_is_refused(run: Run, hub: FakeHub, name: str) -> None:
    with pytest.raises(SfumatoError):
        here(f"hf://{name}")
    with pytest.raises(SfumatoError):
        push(run, name)
    assert not hub.repositories


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_hub_that_refuses_is_one_line(run: Run, hub: FakeHub, status: int) -> None:
    hub.status = status
    with pytest.raises(SfumatoError, match=f"answers {status}: as the test wishes"):
        here(f"hf://{NAME}")


def test_a_fetch_that_breaks_off_leaves_nothing(
    run: Run, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi

    hub.commit(NAME, model(run, tmp_path / "model"))

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(HfApi, "hf_hub_download", broken)
        with pytest.raises(KeyboardInterrupt):
            here(f"hf://{NAME}")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    assert (here(f"hf://{NAME}") / "config.json").is_file()


def test_the_commands(run: Run, hub: FakeHub, sfumato: Command, tmp_path: Path) -> None:
    known = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}
    sent = sfumato("push", run.path, NAME, **known)
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout == f"{hub.url}/{NAME}\n"
    drawn = sfumato("export", f"hf://{NAME}", "-o", "copy", **known)
    assert drawn.returncode == 0, drawn.stderr
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["system"] == "stacked"
    assert not (tmp_path / "hf:").exists()
    nowhere = {**known, "HF_ENDPOINT": "http://127.0.0.1:9"}
    one_line(sfumato("codes", f"hf://{NAME}", **nowhere), "cannot be reached", "HF_HUB_OFFLINE=1")
