"""What is shown is what the system makes: nothing is computed anew beside it."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import sfumato
from sfumato.data.pictures import to_bytes
from sfumato.errors import SfumatoError
from sfumato.runs.open import open as open_run
from sfumato.seeds import derive
from sfumato.strict import convert
from sfumato.studio import moves
from sfumato.studio.app import SHIPPED
from sfumato.studio.child import asked_of
from sfumato.studio.moves import (
    HANDLERS,
    KEPT,
    RAW,
    about,
    catalog,
    check,
    decode,
    draw,
    encode,
    findings,
    plane,
    shown,
)
from sfumato.studio.ship import ship

from .made import made

PLANE, DIGITS = str(SHIPPED / "plane"), str(SHIPPED / "digits")


def nobody(*_: object) -> None:
    """Waits for no progress."""


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run whose codes have more than two numbers, with data that are at hand."""
    folder = tmp_path_factory.mktemp("runs") / "longer"
    fields = {"widths": (8,), "bottleneck": 4, "images": 512, "batch_size": 32}
    sfumato.train("stacked", data="digits", run=folder, evaluate=False, device="cpu", precision="fp32", **fields)
    return str(folder)


def pixels(picture: dict[str, Any]) -> Tensor:
    """(h, w, c) of one that travels as it is."""
    assert picture["format"] in ("grey", "rgb")
    values = torch.frombuffer(bytearray(picture["bytes"]), dtype=torch.uint8)
    return values.view(picture["height"], picture["width"], -1)


def as_sent(image: Tensor) -> Tensor:
    return to_bytes(image.detach().float()).permute(1, 2, 0)


def png(image: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.squeeze().numpy()).save(file, "PNG")
    return file.getvalue()


def test_a_picture_travels_raw_when_small_and_as_jpeg_beyond() -> None:
    for channels, form in ((1, "grey"), (3, "rgb")):
        image = torch.rand(channels, RAW, 7)
        sent = shown(image, x=1)
        assert (sent["format"], sent["height"], sent["width"], sent["x"]) == (form, RAW, 7, 1)
        assert torch.equal(pixels(sent), as_sent(image))
    sent = shown(torch.zeros(3, RAW + 1, 7))
    assert sent["format"] == "jpeg"
    with Image.open(io.BytesIO(sent["bytes"])) as picture:
        assert (picture.format, picture.size) == ("JPEG", (7, RAW + 1))


def test_the_plane_is_decoded_by_the_system() -> None:
    system: Any = open_run(PLANE, "cpu").system
    with torch.inference_mode():
        for x, y in ((0.0, 0.0), (-3.5, 7.25), (1e6, -1e6)):
            image = system.make(torch.tensor([[x, y]]))[0]
            found = decode(nobody, PLANE, x, y)
            assert (found["x"], found["y"]) == (x, y)
            assert torch.equal(pixels(found), as_sent(image))


def test_what_is_encoded_lies_on_the_plane_and_comes_back() -> None:
    there = plane(nobody, PLANE)
    for index in (0, 10, 100):
        x, y = there["points"][index]
        picture = pixels(decode(nobody, PLANE, x, y))
        found = encode(nobody, PLANE, f"p{index}", png(picture))
        made_again = pixels(found)
        assert torch.equal(made_again[:, 28:], picture)
        assert torch.equal(made_again[:, :28], pixels(decode(nobody, PLANE, found["x"], found["y"])))
        assert found["code"] == pytest.approx([found["x"], found["y"]])
        error = (made_again[:, :28].float() - picture.float()).square().mean() / 255**2
        assert found["psnr"] == pytest.approx(float(-10 * error.clamp_min(1e-10).log10()), abs=0.5)
        assert found["psnr"] > 15
        assert 0 <= found["label"] < 10


def test_codes_of_pictures_are_mixed() -> None:
    for name, level in (("dark", 0), ("light", 255)):
        encode(nobody, PLANE, name, png(torch.full((28, 28), level, dtype=torch.uint8)))
    codes = moves.opened(PLANE).codes
    first, second = codes["dark"], codes["light"]
    for share in (0.0, 0.25, 1.0):
        found = decode(nobody, PLANE, 0, 0, mix=[("dark", 1 - share), ("light", share)])
        point = torch.lerp(first, second, share)
        assert [found["x"], found["y"]] == pytest.approx(point.tolist(), rel=1e-4)
    with pytest.raises(SfumatoError, match="not here any more"):
        decode(nobody, PLANE, 0, 0, mix=[("dark", 0.5), ("unknown", 0.5)])


def test_noise_on_a_code_is_that_of_its_seed() -> None:
    once, again, other = (decode(nobody, PLANE, 1, 2, sigma=0.5, seed=seed)["bytes"] for seed in (3, 3, 4))
    assert once == again != other
    assert decode(nobody, PLANE, 1, 2, sigma=0.0, seed=3)["bytes"] == decode(nobody, PLANE, 1, 2)["bytes"]


def test_a_plane_of_longer_codes_is_that_of_their_principal_directions(longer: str) -> None:
    there = moves.opened(longer)
    known = there.system.codes.known().flatten(1).float()
    mean, axes = there.plane.mean, there.plane.axes
    assert torch.allclose(mean, known.mean(0))
    spread, directions = torch.linalg.eigh(torch.cov(known.T))
    for axis, value, direction in zip(axes, spread.flip(0), directions.T.flip(0), strict=False):
        assert float(axis.norm() ** 2) == pytest.approx(float(value), rel=1e-2)
        assert abs(float(axis @ direction)) == pytest.approx(float(axis.norm()), rel=1e-3)
    found = plane(nobody, longer)
    assert (found["exact"], found["length"]) == (False, 4)
    assert len(found["points"]) == len(found["labels"]) > 100  # test images, with their labels
    assert set(found["labels"]) == set(range(10))
    assert found["classes"] == [str(digit) for digit in range(10)]
    points = torch.tensor(found["points"])
    inside = (points >= torch.tensor(found["low"])) & (points <= torch.tensor(found["high"]))
    assert inside.all(1).float().mean() > 0.9
    with torch.inference_mode():
        image = there.system.make((mean + 0.5 * axes[0] - 2 * axes[1])[None])[0]
    assert torch.equal(pixels(decode(nobody, longer, 0.5, -2)), as_sent(image))


def test_a_plane_fetches_nothing(longer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the data would have to be fetched first, it is of the codes that the run remembers."""
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "empty"))

    def fetched(*_: object) -> None:
        raise AssertionError("it was fetched")

    monkeypatch.setattr("sfumato.data.mnist.fetch_mnist", fetched)
    run = tmp_path / "run"
    shutil.copytree(longer, run)
    values = json.loads((run / "config.json").read_text())
    values["data"] |= {"source": ["mnist"], "name": "mnist"}
    (run / "config.json").write_text(json.dumps(values))
    assert len(plane(nobody, str(run))["points"]) == len(moves.opened(str(run)).known[-moves.SHOWN :])


def test_data_elsewhere_are_not_opened_because_a_run_names_them(
    longer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: object) -> None:
        raise SfumatoError("it was read")

    run, own = tmp_path / "run", tmp_path / "own"
    shutil.copytree(longer, run)
    values = json.loads((run / "config.json").read_text())
    values["data"] |= {"source": [str(own / ".." / "own")], "name": "own", "classes": ["a", "b"]}
    (run / "config.json").write_text(json.dumps(values))
    opened = list[object]()
    monkeypatch.setattr("sfumato.runs.open.Run.data", property(lambda run: (opened.append(run), read(run))))
    for root in ("", str(tmp_path / "ow"), str(run)):
        plane(nobody, str(run), root)
    assert not opened
    plane(nobody, str(run), str(own))
    assert len(opened) == 1


def test_what_has_no_codes_has_no_plane() -> None:
    for ask in (
        lambda: plane(nobody, DIGITS),
        lambda: decode(nobody, DIGITS, 0, 0),
        lambda: encode(nobody, DIGITS, "x", b""),
    ):
        with pytest.raises(SfumatoError, match="cgan: has no codes"):
            ask()


@pytest.mark.parametrize("label", [0, 3, 9])
def test_a_seed_and_a_class_are_one_picture(label: int) -> None:
    found = draw(nobody, DIGITS, seed=5, label=label)
    assert found == draw(nobody, DIGITS, seed=5, label=label)
    assert found["bytes"] != draw(nobody, DIGITS, seed=6, label=label)["bytes"]
    assert found["bytes"] != draw(nobody, DIGITS, seed=5, label=(label + 1) % 10)["bytes"]
    system: Any = open_run(DIGITS, "cpu").system
    latents = system.latents(1, torch.Generator().manual_seed(derive(5, "sample")))
    low, high = system.image_range
    with torch.inference_mode():
        image = (system.make(latents, torch.tensor([label]))[0] - low) / (high - low)
    assert torch.equal(pixels(found), as_sent(image))
    run = sfumato.open(DIGITS, "cpu")
    assert torch.allclose(run.sample(1, 5, label)[0], image, atol=1e-5)


def test_a_walk_leads_from_one_seed_to_the_other(longer: str) -> None:
    for path, label in ((DIGITS, 4), (longer, None), (PLANE, None)):
        ends = [draw(nobody, path, seed=seed, label=label) for seed in (1, 2)]
        there = [draw(nobody, path, seed=1, label=label, toward=2, share=share) for share in (0.0, 1.0)]
        for end, found in zip(ends, there, strict=True):
            assert (pixels(end).int() - pixels(found).int()).abs().max() <= 1
        middle = pixels(draw(nobody, path, seed=1, label=label, toward=2, share=0.5))
        assert not torch.equal(middle, pixels(ends[0]))
        same = draw(nobody, path, seed=1, label=label, toward=1, share=0.3)
        assert (pixels(ends[0]).int() - pixels(same).int()).abs().max() <= 1


@pytest.mark.parametrize("around", [1, 2, 4])
def test_the_first_neighbour_is_the_picture_itself(around: int, longer: str) -> None:
    for path, label in ((DIGITS, 7), (longer, None)):
        one = pixels(draw(nobody, path, seed=3, label=label))
        side, _, channels = one.shape
        sheet = pixels(draw(nobody, path, seed=3, label=label, around=around))
        assert sheet.shape == (around * side, around * side, channels)
        assert (sheet[:side, :side].int() - one.int()).abs().max() <= 1
        assert around == 1 or not torch.equal(sheet[:side, side : 2 * side], one)


def test_moves_go_along_directions(longer: str) -> None:
    for path in (DIGITS, longer):
        still = draw(nobody, path, seed=1)
        assert draw(nobody, path, seed=1, moves=[0.0] * 6) == still
        moved = [draw(nobody, path, seed=1, moves=[3.0 * (n == axis) for n in range(6)]) for axis in range(2)]
        assert len({row["bytes"] for row in (still, *moved)}) == 3
        assert draw(nobody, path, seed=1, moves=[1.0] * 50)["width"] == still["width"]  # more than there are


def test_labels_are_those_that_there_are() -> None:
    for label in (-1, 10, 10**9):
        with pytest.raises(SfumatoError, match=f"label {label}: there are 10 classes"):
            draw(nobody, DIGITS, label=label)


def test_what_a_page_must_know() -> None:
    found = about(nobody, PLANE)
    assert (found["system"], found["resolution"], found["channels"], found["conditional"]) == ("stacked", 28, 1, False)
    assert found["latent"] == 2
    found = about(nobody, DIGITS)
    assert (found["system"], found["conditional"], found["latent"], len(found["classes"])) == ("cgan", True, 100, 10)
    assert found["numbers"] == 581_008  # of the generator: there is no discriminator in a model
    assert (found["layers"], found["sides"]) == (0, 0)


def test_styles_are_mixed_and_truncated(tmp_path: Path) -> None:
    path = str(made("stylegan2-digits", tmp_path / "run"))
    found = about(nobody, path)
    assert found["layers"] > 1
    still = draw(nobody, path, seed=1)
    assert draw(nobody, path, seed=1) == still
    assert draw(nobody, path, seed=1, mix=1, level=0) == still
    assert draw(nobody, path, seed=1, mix=2, level=99) == still
    whole = pixels(draw(nobody, path, seed=1, mix=2, level=0))
    assert (whole.int() - pixels(draw(nobody, path, seed=2)).int()).abs().max() <= 1
    means = [draw(nobody, path, seed=seed, psi=0.0)["bytes"] for seed in (1, 2)]
    assert means[0] == means[1]


def test_the_catalog_is_what_forms_are_made_of() -> None:
    found = catalog(nobody)
    assert "stacked" in found["systems"]
    json.dumps(found)
    for row in found["systems"].values():
        for preset in row["presets"]:
            names = [field["name"] for field in row["fields"][preset]]
            assert not [name for name in names if name.endswith("_file") or name in ("start", "run")]
    names = {row["name"]: row["fetched"] for row in found["sources"]}
    assert names["digits"] is False


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"bottleneck": -1}, "bottleneck"), ({"x": 1}, "x"), ({"images": "many"}, "images"), ({"images": None}, "images"),
     ({"widths": {"a": 1}}, "widths"), ({"start": "/etc/passwd"}, "names a file"), ({"images": 2**60}, "images"),
     ({"weights_file": "/etc/passwd"}, "names a file"), ({"activation": "a\x00b"}, "activation")],
)  # fmt: skip
def test_fields_are_judged_before_a_training_is_begun(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        check(nobody, "stacked", "digits", fields)
    assert check(nobody, "stacked", "digits", {"images": 99})["images"] == 99
    for system in ("x", "--help", "../x", ""):
        with pytest.raises(SfumatoError):
            check(nobody, system, "digits", {})


BAD: dict[str, list[dict[str, Any]]] = {
    "decode": [{"x": "1", "y": 0}, {"x": 0}, {"x": 0, "y": 0, "mix": [["a"]]}, {"x": 0, "y": 0, "mix": "ab"},
               {"x": 0, "y": 0, "mix": [[["a"], 1]]}, {"x": 0, "y": 0, "seed": -1}, {"x": [], "y": 0}, {"x": 0,
               "y": 0, "z": 1}],
    "draw": [{"around": 10}, {"around": -1}, {"seed": 1.5}, {"seed": 2**63}, {"label": "a"}, {"moves": ["a"]},
             {"level": -1},
             {"toward": []}, {"noise": 1}, {"moves": {"a": 1}}, {"count": 10**9}],
    "encode": [{}, {"name": "a"}, {"name": 3, "content": b""}],
}  # fmt: skip


def test_what_a_page_asks_has_those_types() -> None:
    for do, values in (
        ("decode", {"x": 1, "y": -2.5, "mix": [["a", 0.5], ["b", 1]], "sigma": 0, "seed": 2**63 - 1}),
        (
            "draw",
            {"seed": 4294967295, "label": None, "toward": 1, "share": 1, "moves": [1, 0.5], "around": 4, "mix": 0},
        ),
        ("encode", {"name": "a", "content": b"x"}),
        *((do, {}) for do in ("plane", "about", "findings")),
    ):
        asked = vars(convert({"path": PLANE, **values}, asked_of(HANDLERS[do]), do))
        assert {name: asked[name] for name in values} == {
            name: [tuple(item) if isinstance(item, list) else item for item in value]
            if isinstance(value, list)
            else value
            for name, value in values.items()
        }


@pytest.mark.parametrize(("do", "values"), [(do, values) for do, rows in BAD.items() for values in rows])
def test_what_is_asked_has_types_and_bounds(do: str, values: dict[str, Any]) -> None:
    with pytest.raises(SfumatoError, match=f"^{do}: "):
        convert({"path": PLANE, **values}, asked_of(HANDLERS[do]), do)


def test_a_run_is_opened_anew_once_it_has_changed_and_few_are_kept(longer: str, tmp_path: Path) -> None:
    moves._runs.clear()
    moves._stamps.clear()
    runs = []
    for number in range(KEPT + 1):
        runs.append(str(tmp_path / str(number)))
        shutil.copytree(longer, runs[-1])
        first = moves.opened(runs[-1])
        assert moves.opened(runs[-1]) is first
    assert list(moves._runs) == runs[1:]
    assert moves._stamps.keys() == moves._runs.keys()
    (tmp_path / str(KEPT) / "evaluation.json").write_text("{}")
    assert moves.opened(runs[-1]) is not first


def test_the_doctor_speaks(longer: str) -> None:
    for row in findings(nobody, longer)["found"]:
        assert row.keys() >= {"en", "zh"}


def test_a_run_is_made_ready_to_ship(longer: str, tmp_path: Path) -> None:
    paths = ship(Path(longer), tmp_path / "shipped")
    assert sorted(path.name for path in paths) == ["config.json", "model.safetensors", "plane.json"]
    before, after = plane(nobody, longer), plane(nobody, str(tmp_path / "shipped"))
    for old, new in zip(before["points"], after["points"], strict=True):
        assert new == pytest.approx(old, abs=1e-3)
    x, y = before["points"][0]
    both = [pixels(decode(nobody, path, x, y)).int() for path in (longer, str(tmp_path / "shipped"))]
    assert (both[0] - both[1]).abs().max() <= 2  # weights of 16 bits
