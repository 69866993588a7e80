"""What is written comes back; what is wrong is named in one line; nothing that is read can run."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sfumato import files
from sfumato.autoencoders.stacked import Config, StackedAutoencoder
from sfumato.engine.checkpoint import (
    load_best,
    load_checkpoint,
    load_snapshot,
    save_best,
    save_checkpoint,
    save_snapshot,
)
from sfumato.engine.clock import Clock
from sfumato.engine.descend import reset
from sfumato.engine.state import BEFORE, Damaged, read_state, sealed
from sfumato.errors import SfumatoError
from sfumato.files import write_atomically

SMALL = Config(widths=(4,), images=100)


def trained() -> StackedAutoencoder:
    system = StackedAutoencoder(SMALL)
    for parameter in system.parameters():
        parameter.grad = torch.randn_like(parameter)
    system.optimizers["network"].step()
    return system


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, trained(), Clock(64, stage=0), {"seconds": 1.5})
    return tmp_path


def weights(folder: Path) -> Path:
    (path,) = (folder / "checkpoints").iterdir()
    return path


def rewrite(folder: Path, change: Any) -> None:
    """Changes the tensors and makes state.json's digest fit, as a careful forger would."""
    import hashlib

    path = weights(folder)
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    state = json.loads((folder / "state.json").read_text())
    state["blake2b"] = hashlib.blake2b(path.read_bytes()).hexdigest()
    reseal(folder, state)


def reseal(folder: Path, state: dict[str, Any]) -> None:
    """Writes a state with a digest that fits, as a careful forger would."""
    (folder / "state.json").write_text(json.dumps(sealed({k: v for k, v in state.items() if k != "digest"})))


def refusal(folder: Path) -> str:
    with pytest.raises(SfumatoError) as caught:
        load_checkpoint(folder, StackedAutoencoder(SMALL))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_comes_back(tmp_path: Path) -> None:
    system = trained()
    save_checkpoint(tmp_path, system, Clock(64, stage=0), {"seconds": 1.5})
    other = StackedAutoencoder(SMALL)
    clock, log = load_checkpoint(tmp_path, other)
    assert clock.images == 64
    assert log == {"seconds": 1.5}
    for key, value in system.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])
    mine, theirs = (item.optimizers["network"].state_dict() for item in (system, other))
    assert mine["param_groups"] == theirs["param_groups"]
    for index, entries in mine["state"].items():
        for name, value in entries.items():
            assert torch.equal(value, theirs["state"][index][name])


def kept(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / "checkpoints").iterdir())


def test_the_last_two_saves_are_kept(folder: Path) -> None:
    for images in (128, 192):
        save_checkpoint(folder, trained(), Clock(images, stage=0), {})
    assert kept(folder) == [128, 192]
    save_checkpoint(folder, trained(), Clock(192, stage=0), {})  # again, at the same instant
    assert kept(folder) == [128, 192]


def test_nothing_is_thrown_away_while_the_save_before_cannot_be_read(folder: Path) -> None:
    save_checkpoint(folder, trained(), Clock(128, stage=0), {})
    (folder / BEFORE).write_bytes(b"?")
    save_checkpoint(folder, trained(), Clock(128, stage=0), {})
    assert kept(folder) == [64, 128]


@pytest.mark.parametrize("file", ["state.json", "checkpoints/000000000128.safetensors"])
@pytest.mark.parametrize("gone", [True, False])
def test_the_save_before_is_taken_where_the_last_is_damaged(
    folder: Path, file: str, gone: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(folder, trained(), Clock(128, stage=0), {})
    if gone:
        (folder / file).unlink()
    else:
        content = bytearray((folder / file).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / file).write_bytes(content)
    clock, log = load_checkpoint(folder, StackedAutoencoder(SMALL))
    assert (clock.images, log) == (64, {"seconds": 1.5})
    (said,) = capsys.readouterr().err.splitlines()
    assert file in said
    assert said.endswith("the save before is taken, of 64 images")
    save_checkpoint(folder, trained(), Clock(128, stage=0), {})  # over what is damaged
    assert kept(folder) == [64, 128]
    assert load_checkpoint(folder, StackedAutoencoder(SMALL))[0].images == 128


def test_no_digit_of_a_state_can_be_changed_unseen(folder: Path) -> None:
    text = (folder / "state.json").read_text()
    for place, sign in enumerate(text):
        if sign.isdigit():
            (folder / "state.json").write_text(text[:place] + str(9 - int(sign)) + text[place + 1 :])
            with pytest.raises(Damaged):
                read_state(folder / "state.json")


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_no_bit_of_kept_weights_can_be_changed_unseen(folder: Path, place: int) -> None:
    system = StackedAutoencoder(SMALL)
    save_best(folder, system, 64)
    save_snapshot(folder, system, 50)
    for path in (folder / "checkpoints" / "best.safetensors", folder / "snapshots" / "050.safetensors"):
        content = bytearray(path.read_bytes())
        content[len(content) * place // 100] ^= 4
        path.write_bytes(content)
    with pytest.raises(SfumatoError, match=r"best.safetensors: damaged"):
        load_best(folder, system)
    with pytest.raises(SfumatoError, match=r"050.safetensors: damaged"):
        load_snapshot(folder, system, 50)


def test_missing_unknown_and_misshapen_weights_are_all_named(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["system.encoder.1.bias"]
        tensors["system.stranger"] = torch.zeros(1)
        tensors["system.decoder.0.weight"] = torch.zeros(9, 9)

    rewrite(folder, change)
    message = refusal(folder)
    assert "missing system.encoder.1.bias" in message
    assert "unknown system.stranger" in message
    assert "system.decoder.0.weight has shape (9, 9), must be (4, 2)" in message


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("optimizer.network.0.exp_avg", torch.zeros(3, 3), "has shape (3, 3)"),
        ("optimizer.network.0.exp_avg", torch.zeros(()), "has shape ()"),
        ("optimizer.network.0.foo", torch.zeros(1), "unknown optimizer.network.0.foo"),
        ("optimizer.network.99.exp_avg", torch.zeros(1), "unknown optimizer.network.99.exp_avg"),
        ("optimizer.other.0.exp_avg", torch.zeros(1), "unknown optimizer.other.0.exp_avg"),
        ("intruder", torch.zeros(1), "unknown intruder"),
    ],
)
def test_wrong_optimizer_entries_are_named(folder: Path, name: str, value: torch.Tensor, word: str) -> None:
    rewrite(folder, lambda tensors: tensors.update({name: value}))
    assert word in refusal(folder)


def test_a_missing_optimizer_entry_is_named(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("optimizer.network.1.exp_avg_sq"))
    assert "missing optimizer.network.1.exp_avg_sq" in refusal(folder)


def test_damaged_weights_are_noticed(folder: Path) -> None:
    path = weights(folder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "damaged" in refusal(folder)


def test_a_pickle_is_refused_and_not_run(folder: Path) -> None:
    marker = folder / "ran"

    class Bomb:
        def __reduce__(self) -> Any:
            return marker.touch, ()

    torch.save({"weights": Bomb()}, weights(folder))
    state = json.loads((folder / "state.json").read_text())
    import hashlib

    state["blake2b"] = hashlib.blake2b(weights(folder).read_bytes()).hexdigest()
    reseal(folder, state)
    assert "not a safetensors file" in refusal(folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"weights": "../../elsewhere.safetensors"}, "must be 000000000064.safetensors"),
        ({"weights": "gone.safetensors"}, "must be 000000000064.safetensors"),
        ({"weights": "a" * 5000 + ".safetensors"}, "must be 000000000064.safetensors"),
        ({"weights": "\x00.safetensors"}, "must be 000000000064.safetensors"),
        ({"format": 99}, "format 99, but this Sfumato reads formats up to 3"),
        ({"format": "2"}, "format: must be a whole number"),
        ({"format": True}, "format: must be a whole number"),
        ({"images": "many"}, "images: expected int, got str"),
        ({"images": -1}, "images: expected int >= 0"),
        ({"images": 10**30}, "images: expected int <= "),
        ({"stage": 1}, "stage 1: cannot be after 64 images"),
        ({"stage": None}, "stage None: cannot be after 64 images"),
        ({"extra": 1}, "extra"),
        ({"log": [1]}, "log: expected object"),
        ({"schedules": {}}, "schedules: missing or unknown: network"),
        ({"schedules": {"network": {"best": 1}}}, "num_bad_epochs"),
        ({"schedules": {"network": 1}}, "expected object, got int"),
        ({"optimizers": {}}, "optimizers: missing or unknown: network"),
        ({"optimizers": {"network": [{"lr": 1}]}}, "optimizers.network: missing or unknown: amsgrad"),
        ({"optimizers": {"network": [1]}}, "expected object, got int"),
        ({"optimizers": {"network": []}}, "must be a list of 1 parameter groups"),
        ({"optimizers": {"\n" * 9999: []}}, "missing or unknown: \\n\\n"),
    ],
)
def test_a_wrong_state_is_named(folder: Path, change: dict[str, Any], word: str) -> None:
    state = json.loads((folder / "state.json").read_text())
    reseal(folder, state | change)
    message = refusal(folder)
    assert word in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", -1), ("lr", "1e-3"), ("lr", None), ("lr", [1.0]), ("lr", 10**400), ("lr", True), ("betas", [0.5]),
        ("betas", [0.5, 1]), ("betas", 0.9), ("eps", -1e-8), ("fused", False), ("fused", 1), ("foreach", True),
    ],
)  # fmt: skip
def test_what_an_optimizer_cannot_take_is_named(folder: Path, key: str, value: Any) -> None:
    state = json.loads((folder / "state.json").read_text())
    state["optimizers"]["network"][0][key] = value
    reseal(folder, state)
    assert f"optimizers.network: {key} " in refusal(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("best", "x"), ("best", [[1]]), ("num_bad_epochs", -1), ("count", 0.5), ("last_epoch", None), ("total", "0")],
)
def test_a_hostile_schedule_is_named(folder: Path, key: str, value: Any) -> None:
    state = json.loads((folder / "state.json").read_text())
    state["schedules"]["network"][key] = value
    reseal(folder, state)
    assert f"{key}: expected" in refusal(folder)


def test_numbers_that_are_none_and_nests_are_refused(folder: Path) -> None:
    text = (folder / "state.json").read_text()
    for hostile in ("NaN", "1e400", "[" * 100_000):
        (folder / "state.json").write_text(text.replace('"total": 0.0', f'"total": {hostile}'))
        assert "not readable as JSON" in refusal(folder)


def test_a_state_of_the_first_format_goes_on(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text())
    del state["stage"], state["digest"]
    (folder / "state.json").write_text(json.dumps(state | {"format": 1}))
    clock, log = load_checkpoint(folder, StackedAutoencoder(SMALL))
    assert clock == Clock(64, 64, stage=0)
    assert log == {"seconds": 1.5}


def test_only_parameters_that_have_a_state_have_entries(tmp_path: Path) -> None:
    system, other = StackedAutoencoder(SMALL), StackedAutoencoder(SMALL)
    first = next(system.parameters())
    first.grad = torch.ones_like(first)
    system.optimizers["network"].step()
    save_checkpoint(tmp_path, system, Clock(64, stage=0), {})
    load_checkpoint(tmp_path, other)
    states = [one.optimizers["network"].state_dict()["state"] for one in (system, other)]
    assert states[0].keys() == states[1].keys() == {0}
    reset(other.optimizers["network"])
    save_checkpoint(tmp_path, other, Clock(128, stage=0), {})
    load_checkpoint(tmp_path, system)
    assert not system.optimizers["network"].state
    assert len(system.optimizers["network"].state_dict()["state"]) == 0


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_a_state_that_is_no_state_is_named(folder: Path, text: str) -> None:
    (folder / "state.json").write_text(text)
    assert "state.json" in refusal(folder)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(beside: Path) -> None:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, full)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_between_the_two_files_leaves_the_previous_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write_atomically

    def die_at_state(path: Path, action: Any) -> None:
        if path.name == "state.json":
            raise KeyboardInterrupt
        write(path, action)

    monkeypatch.setattr(files, "write_atomically", die_at_state)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(folder, trained(), Clock(128, stage=0), {})
    clock, _ = load_checkpoint(folder, StackedAutoencoder(SMALL))
    assert clock.images == 64
