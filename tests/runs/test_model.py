"""A model, what is handed on of a run: it makes the same pictures, holds no more, and is opened whatever others wrote
into it, or refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import sfumato
from sfumato.engine.fields import to_json
from sfumato.errors import SfumatoError
from sfumato.runs.catalog import CATALOG
from sfumato.runs.manifest import read_manifest
from sfumato.runs.model import NAME, is_model, write_model
from sfumato.runs.open import Run
from sfumato.runs.open import open as open_run
from sfumato.weights.load import read_weights

OLD = Path(__file__).parent / "old" / "gans"
SMALL = {
    "cyclegan": {"resolution": 32, "width": 4, "blocks": 1, "patch": 16, "pool": 4, "half_life": 8},
    "stylegan2": {"resolution": 16, "base": 64, "widest": 8, "latent": 8, "mapping_layers": 1},
}
FIELDS = {"widths": (8,), "images": 64, "batch_size": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("a folder of this machine") / "run"
    sfumato.train("stacked", data="digits", run=folder, evaluate=False, device="cpu", precision="fp32", **FIELDS)
    return open_run(folder, "cpu")


@pytest.fixture
def model(run: Run, tmp_path: Path) -> Path:
    write_model(run.manifest, run.system, tmp_path / "model")
    return tmp_path / "model"


def changed(model: Path, **values: Any) -> None:
    path = model / "config.json"
    content = json.loads(path.read_text())
    for name, value in values.items():
        if isinstance(value, dict):
            content[name] |= value
        else:
            content[name] = value
    path.write_text(json.dumps(content))


def test_a_model_makes_the_same_pictures_of_half_the_bits(run: Run, model: Path) -> None:
    assert is_model(model)
    assert not is_model(run.path)
    assert sorted(path.name for path in model.iterdir()) == ["config.json", NAME]
    with safe_open(model / NAME, "pt") as file:
        kept = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    state = run.system.state_dict()
    for name, value in kept.items():
        assert value.dtype == (torch.float16 if state[name].is_floating_point() else state[name].dtype)
        assert torch.equal(value, state[name].to(value.dtype))
    opened: Any = open_run(model, "cpu").system
    codes = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    original: Any = run.system
    with torch.inference_mode():
        assert (opened.make(codes) - original.make(codes)).abs().max() < 0.01
    assert opened.make(codes).dtype == torch.float32


def test_what_only_training_needs_is_left_out(tmp_path: Path) -> None:
    fields = {"images": 32, "batch_size": 16, "hidden": (8,)}
    sfumato.train("cgan", data="digits", run=tmp_path / "run", evaluate=False, device="cpu", precision="fp32", **fields)
    run = open_run(tmp_path / "run", "cpu")
    write_model(run.manifest, run.system, tmp_path / "model")
    with safe_open(tmp_path / "model" / NAME, "pt") as file:
        names = set(file.keys())
    assert any(name.startswith("discriminator") for name in run.system.state_dict())
    assert not any(name.startswith("discriminator") for name in names)
    sheets = [sfumato.open(tmp_path / name, "cpu").sample(4, 0) for name in ("run", "model")]
    assert (sheets[0] - sheets[1]).abs().max() < 0.02


def test_no_path_of_this_machine_is_handed_on(run: Run, tmp_path: Path) -> None:
    from dataclasses import replace

    source = ("digits", "/home/somebody/cats", "C:\\x")
    manifest = replace(run.manifest, start_from="/home/somebody/run", data=replace(run.manifest.data, source=source))
    write_model(manifest, run.system, tmp_path / "model")
    content = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    for word in (b"somebody", b"/home", str(tmp_path).encode(), b"a folder of this machine"):
        assert word not in content


def test_numbers_beyond_16_bits_are_refused(run: Run, tmp_path: Path) -> None:
    system = open_run(run.path, "cpu").system
    name, value = next((name, value) for name, value in system.named_parameters())
    for odd in (1e6, float("nan"), float("inf")):
        with torch.no_grad():
            value.view(-1)[0] = odd
        with pytest.raises(SfumatoError, match=f"{name}: does not fit into 16 bits"):
            write_model(run.manifest, system, tmp_path / "model")
        assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "config",
    [{"widths": [8192, 8192, 8192, 8192]}, {"bottleneck": 8192}, {"resolution": 100_000}, {"channels": 3},
     {"widths": [9]},
     {"widths": []}, {"widths": [8] * 64}, {"bottleneck": -1}, {"x": 1}, {"widths": "8"}, {"resolution": 10**18}],
)  # fmt: skip
def test_a_config_that_is_not_its_own_is_refused_before_anything_is_built(model: Path, config: dict[str, Any]) -> None:
    changed(model, config=config)
    with pytest.raises(SfumatoError) as said:
        open_run(model, "cpu")
    assert str(model) in str(said.value)


@pytest.mark.parametrize(
    "values", [{"system": "x"}, {"system": "cgan"}, {"system": "../x"}, {"preset": 3}, {"format": 99}]
)
def test_another_systems_config_is_refused(model: Path, values: dict[str, Any]) -> None:
    changed(model, **values)
    with pytest.raises(SfumatoError):
        open_run(model, "cpu")


@pytest.mark.parametrize("fault", ["more", "fewer", "shape", "none", "cut", "text", "pickle", "folder", "type", "nan"])
def test_weights_that_are_not_its_own_are_refused(model: Path, fault: str) -> None:
    path = model / NAME
    with safe_open(path, "pt") as file:
        kept = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    first = sorted(kept)[0]
    match fault:
        case "more":
            kept["more"] = torch.zeros(1)
        case "fewer":
            del kept[first]
        case "shape":
            kept[first] = torch.zeros(3)
        case "none":
            kept = {}
        case "type":
            kept[first] = torch.zeros(kept[first].shape, dtype=torch.complex64)
        case "nan":
            kept[first] = torch.full_like(kept[first], float("nan"))
    content = path.read_bytes()
    if fault == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "text":
        path.write_text("hello")
    elif fault == "pickle":
        torch.save(kept, path)
    elif fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        save_file(kept, path)
    with pytest.raises(SfumatoError):
        open_run(model, "cpu")


def test_a_model_is_not_trained_on(model: Path) -> None:
    with pytest.raises(SfumatoError):
        sfumato.resume(model, images=128)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("halved", [True, False])
def test_what_only_training_needs_stays_behind(tmp_path: Path, name: str, halved: bool) -> None:
    torch.manual_seed(0)
    entry = CATALOG[name]
    config = entry.config_class(**SMALL[name])
    system = entry.build(config).eval()
    manifest = replace(read_manifest(OLD), system=name, config=to_json(config))
    write_model(manifest, system, tmp_path / "model", halved)
    kept = read_weights(tmp_path / "model" / "model.safetensors")
    assert {name.split(".")[0] for name in kept} <= {"average", "average_a", "average_b"}
    found = sfumato.open(tmp_path / "model", "cpu").system.state_dict()
    for name, value in kept.items():
        assert value.dtype == (torch.float16 if halved else torch.float32) or not value.is_floating_point()
        torch.testing.assert_close(
            found[name], system.state_dict()[name], rtol=1e-3 if halved else 0, atol=1e-4 * halved
        )
