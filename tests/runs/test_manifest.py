"""config.json: read strictly, migrated from older formats, refused in one line where it cannot be one."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import sfumato
from sfumato.autoencoders import stacked
from sfumato.errors import SfumatoError
from sfumato.gans import wgan
from sfumato.recognition import unet
from sfumato.reports.document import Report
from sfumato.runs.catalog import configured
from sfumato.runs.manifest import FORMAT, Manifest, manifest_json, migrated, read_manifest
from sfumato.strict import convert
from sfumato.style import adain
from sfumato.terminal import tell, warn
from sfumato.visible import one_line

OLD = Path(__file__).parent / "old"  # runs that Sfumato 0.1.0 made and was stopped in, before config.json had a format
CONFIGS = {
    "autoencoders": stacked.Config(widths=(4,), resolution=7, batch_size=16, images=96),
    "gans": wgan.Config(
        hidden=(4, 4), resolution=8, latent=2, batch_size=8, discriminator_steps=2, images=96, measure_every=1000
    ),
    "recognition": unet.Config(
        backbone="plain", pretrained=False, learning_rate=3e-3, classes=5, width=1, resolution=32, crop=32,
        batch_size=4, images=16,
    ),
    "style": replace(adain.PRESETS["sfumato"], resolution=32, crop=16, batch_size=2, images=8),
}  # fmt: skip


def written(folder: Path, **change: Any) -> Path:
    """A folder with a manifest of today, changed."""
    values = manifest_json(read_manifest(OLD / "autoencoders"))
    (folder / "config.json").write_text(json.dumps({**values, **change}))
    return folder


@pytest.mark.parametrize("family", CONFIGS)
def test_an_old_run_is_read(family: str) -> None:
    manifest = read_manifest(OLD / family)
    assert manifest.format == FORMAT
    entry, config = configured(manifest, "here")
    assert entry.subject == family
    assert config == CONFIGS[family]
    assert manifest.seed == 0
    assert (manifest.device, manifest.precision, manifest.processes) == ("cpu", "fp32", 1)
    assert len(manifest.data.source) == (2 if family == "style" else 1)


@pytest.mark.parametrize("family", ["autoencoders", "gans", "recognition"])
def test_an_old_run_opens_and_ends_as_it_would_have(family: str, tmp_path: Path) -> None:
    """`expected.json` has the norms of the weights of the whole run, as the version that began it ended it."""
    run = shutil.copytree(OLD / family, tmp_path / "run")
    assert sum(value.numel() for value in sfumato.open(run, "cpu").system.state_dict().values()) > 0
    if read_manifest(run).torch.split("+")[0] != torch.__version__.split("+")[0]:
        pytest.skip("another torch may know other options of an optimiser")
    state = sfumato.resume(run, evaluate=False).system.state_dict()
    norms = {name: float(value.float().norm()) for name, value in state.items()}
    assert norms == pytest.approx(json.loads((OLD / family / "expected.json").read_text()), rel=1e-3, abs=1e-4)


def test_an_old_style_run_opens(tmp_path: Path) -> None:
    """Its weights are large: made here, in the shapes that its config asks for."""
    run = shutil.copytree(OLD / "style", tmp_path / "run")
    state = json.loads((run / "state.json").read_text())
    weights = run / "checkpoints" / state["weights"]
    weights.parent.mkdir()
    owed = adain.AdaIN(CONFIGS["style"]).state_dict()
    save_file({f"system.{name}": value.contiguous() for name, value in owed.items()}, weights)
    state["blake2b"] = hashlib.blake2b(weights.read_bytes()).hexdigest()
    (run / "state.json").write_text(json.dumps(state))
    for name, value in sfumato.open(run, "cpu").system.state_dict().items():
        assert torch.equal(value, owed[name]), name


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    manifest = read_manifest(written(tmp_path))
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["format"] == FORMAT
    assert manifest_json(manifest) == values
    assert isinstance(manifest.data.classes, tuple)


def test_a_run_from_before_threads_and_starts_were_kept_is_read(tmp_path: Path) -> None:
    path = written(tmp_path) / "config.json"
    values = json.loads(path.read_text())
    path.write_text(
        json.dumps({name: value for name, value in values.items() if name not in ("threads", "start_from")})
    )
    manifest = read_manifest(tmp_path)
    assert (manifest.threads, manifest.start_from) == (None, None)


def test_wgan_lost_fields_that_did_nothing() -> None:
    old = {"system": "wgan", "config": {"beta1": 0.5, "beta2": 0.999, "clip": 0.01}}
    assert migrated(old, "here") == {"format": FORMAT, "system": "wgan", "config": {"clip": 0.01}}
    for values in ({**old, "format": FORMAT}, {**old, "system": "gan"}):
        assert migrated(values, "here")["config"] == old["config"]


def test_what_did_as_much_before_is_filled_in() -> None:
    config = {"network": "squeezenet1_0", "patience": 3}
    (old, new) = (
        migrated({"format": number, "system": "finetune", "config": config}, "here") for number in (3, FORMAT)
    )
    assert (old["config"]["rectified"], old["config"]["patience"]) == (False, 3)
    assert new["config"] == config
    before = migrated({"format": 5, "system": "fcn", "config": {}}, "here")["config"]
    assert (before["follow"], before["crop_width"]) == (False, 0)


def test_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="not a run folder: it holds no config"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": FORMAT + 1}, f"format {FORMAT + 1}, but this Sfumato reads formats 1 to {FORMAT}"),
        ({"format": "two"}, "format 'two', but"),
        ({"format": True}, "format True, but"),
        ({"format": 10**30}, "format 10000"),
        ({"stranger": 1, "a\nb": 2}, "unknown entries: stranger, a?b"),
        ({"data": {"name": "x", "odd": 1}}, "missing entries: data.source, data.fingerprint, data.classes"),
        ({"data": None}, "data: expected object, got null"),
        ({"config": [1]}, "config: expected object, got array"),
        ({"seed": "zero"}, "seed: expected int, got str"),
        ({"seed": 2**70}, f"seed {2**70}: must lie between"),
        ({"processes": 0}, "processes 0: must be at least 1"),
        ({"processes": True}, "processes: expected int, got bool"),
        ({"threads": 0}, "threads 0: must be at least 1"),
        ({"threads": "two"}, "threads: expected int | null, got str"),
        ({"start_from": 3}, "start_from: expected str | null, got int"),
        ({"start_from": "a\nb"}, "start_from 'a\\nb': must be one line of text"),
        ({"device": "tpu"}, "device: invalid choice 'tpu'"),
        ({"precision": "fp8"}, "precision: invalid choice 'fp8'"),
        ({"preset": "a\nb"}, "preset 'a\\nb': must be one line of text"),
        ({"torch": "2" * 10_000}, "torch '222"),
    ],
)
def test_a_wrong_manifest_is_named_in_one_short_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SfumatoError) as caught:
        read_manifest(written(tmp_path, **change))
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'config.json'}: ")
    assert message in text
    assert text.isprintable()
    assert len(text) < len(str(tmp_path)) + 500


def test_a_data_record_is_judged_too() -> None:
    values = manifest_json(read_manifest(OLD / "gans"))
    values["data"]["test"] = -1
    with pytest.raises(SfumatoError, match="here: test -1: must not be negative"):
        convert(values, Manifest, "here")
    for palette, fault in ((["#ff0000"], "1 colours for"), (["#ff000"] * 10, "'#ff000': must be #rrggbb")):
        changed = {**values, "data": {**values["data"], "test": 1, "palette": palette}}
        with pytest.raises(SfumatoError, match=f"here: palette.* {fault}"):
            convert(changed, Manifest, "here")
    values["data"]["classes"] = ["0", 1]
    with pytest.raises(SfumatoError, match=r"here: data.classes\[1\]: expected str, got int"):
        convert(values, Manifest, "here")


def test_names_are_visible_once_read_and_all_texts_when_printed(capsys: pytest.CaptureFixture[str]) -> None:
    unseen = "a\x7f\x9b2J\u202eb\u2066"
    values = manifest_json(read_manifest(OLD / "autoencoders"))
    values["data"] |= {"name": unseen, "classes": [unseen], "reading": unseen, "source": [unseen]}
    data = convert(values, Manifest, "here").data
    assert {data.name, *data.classes} == {one_line(unseen)} == {"a%7F%C2%9B2J%E2%80%AEb%E2%81%A6"}
    assert (data.reading, *data.source) == (unseen, unseen)  # a source is a path, and found as it is
    tell(data.reading, *data.source)
    warn(data.reading)
    report = Report(data.reading)
    report.say(data.reading)
    said = capsys.readouterr()
    for text in (said.out, said.err, report.html()):
        assert one_line(unseen) in text
        assert not set(unseen[1:]) & set(text) - set("2Jb")
