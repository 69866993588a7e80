"""Answers in files: tables and JSON, COCO and YOLO that read back, masks, folders and zips, clips."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import sfumato
from sfumato.data.annotations import Annotations
from sfumato.data.archives import FolderFiles
from sfumato.errors import SfumatoError
from sfumato.recognition.files import predict_files
from sfumato.recognition.predict import Prediction
from sfumato.reports.overlays import colours
from tests.conftest import Command, one_line

SHORT: dict[str, Any] = {"images": 8, "batch_size": 8, "resolution": 64, "precision": "fp32", "evaluate": False}
NAMES = ["a.png", "einé/bête.png", "猫/狗 1.png", "猫/狗 2.jpg", "猫/狗 10.webp"]
Train = Callable[[str], sfumato.Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A run of a system, trained once."""
    made: dict[str, sfumato.Run] = {}
    more = {"ssd": {"augmented": False}, "fcn": {"crop": 32}}

    def train(system: str) -> sfumato.Run:
        if system not in made:
            place = tmp_path_factory.mktemp(system) / "run"
            made[system] = sfumato.train(system, run=place, **SHORT, **more.get(system, {}))
        return made[system]

    return train


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Pictures in folders, called in many letters, of odd sizes; one lies on its side."""
    folder = tmp_path / "data" / "images"
    for number, name in enumerate(NAMES):
        image = Image.linear_gradient("L").convert("RGB").resize((97 + 10 * number, 61))
        ImageDraw.Draw(image).ellipse((20, 10, 60, 50), fill="orange")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = 6 if name.endswith(".jpg") else 1
        image.save(folder / name, exif=exif)
    return folder


def answered(run: sfumato.Run, source: Path, *out: Path, **options: Any) -> list[Prediction]:
    found: list[Prediction] = []
    predict_files(run, source, out, say=found.append, **options)
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def boxes_in(folder: Path) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """What our own reader finds, in shares of the sides where the form has those."""
    notes = Annotations(FolderFiles(folder))
    assert not notes.left_out
    assert not any(found.faults for found in notes.found.values())
    return {name: [(item.label, item.box) for item in found.objects] for name, found in notes.found.items()}


def test_names_have_a_row_for_each_picture_with_probabilities_that_sum_to_1(
    trained: Train, photos: Path, tmp_path: Path
) -> None:
    run = trained("finetune")
    found = answered(run, photos, tmp_path / "out.csv", tmp_path / "deep" / "out.json")
    rows = rows_of(tmp_path / "out.csv")
    assert [row["file"] for row in rows] == NAMES
    assert list(rows[0]) == ["file", "class", "probability", *(f"p({name})" for name in run.classes)]
    for row in rows:
        chances = {name: float(row[f"p({name})"]) for name in run.classes}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
        assert float(row["probability"]) == max(chances.values()) == chances[row["class"]]
    assert json.loads((tmp_path / "deep" / "out.json").read_text("utf-8")) == [one.values for one in found]


def test_shares_of_the_pixels_sum_to_1(trained: Train, photos: Path, tmp_path: Path) -> None:
    run = trained("fcn")
    answered(run, photos, tmp_path / "out.csv")
    for row in rows_of(tmp_path / "out.csv"):
        assert sum(float(row[f"share({name})"]) for name in run.classes) == pytest.approx(1, abs=1e-4)


def test_boxes_read_back_as_the_same_from_every_form(trained: Train, photos: Path, tmp_path: Path) -> None:
    run = trained("ssd")
    out, data = tmp_path / "out", photos.parent
    found = answered(run, photos, out / "o.csv", out / "o.json", score=0.05, yolo=data / "labels")
    true = {one.values["file"]: [(item["name"], tuple(item["box"])) for item in one.values["objects"]] for one in found}
    assert list(true) == NAMES
    assert sum(map(len, true.values())) > 5
    sizes = {one.values["file"]: one.size for one in found}
    assert sizes["猫/狗 2.jpg"] == (61, 127)

    def shares(boxes: dict[str, list[tuple[str, tuple[float, ...]]]]) -> dict[str, list[Any]]:
        return {
            name: [
                (label, pytest.approx([edge / side for edge, side in zip(box, sizes[name] * 2, strict=True)], abs=1e-6))
                for label, box in own
            ]
            for name, own in boxes.items()
        }

    read = boxes_in(data)  # YOLO's, which lie beside the pictures
    assert {name: [(label, list(box)) for label, box in read[f"images/{name}"]] for name in NAMES} == shares(true)
    for form in ("o.csv", "o.json"):
        place = photos / form
        place.write_bytes((out / form).read_bytes())
        read = boxes_in(photos)
        place.unlink()
        assert {name: own for name, own in read.items() if own} == {
            name: [(label, pytest.approx(box)) for label, box in own] for name, own in true.items() if own
        }
    scores = [item["score"] for one in found for item in one.values["objects"]]
    values = json.loads((out / "o.json").read_text("utf-8"))
    assert [image["file_name"] for image in values["images"]] == NAMES
    assert [item["score"] for item in values["annotations"]] == pytest.approx(scores, abs=1e-6)
    assert [float(row["score"]) for row in rows_of(out / "o.csv")] == pytest.approx(scores, abs=1e-6)


def test_labels_are_never_written_over_others_nor_shared(trained: Train, photos: Path, tmp_path: Path) -> None:
    run = trained("ssd")
    with pytest.raises(SfumatoError, match="is there already"):
        answered(run, photos, yolo=photos)
    Image.new("RGB", (40, 30)).save(photos / "A.jpg")
    with pytest.raises(SfumatoError, match=r"a\.png: its labels would be a\.txt, as those of A\.jpg"):
        answered(run, photos, yolo=tmp_path / "labels")
    assert not (tmp_path / "labels").exists()
    with pytest.raises(SfumatoError, match="is for detectors"):
        answered(trained("finetune"), photos, yolo=tmp_path / "labels")


def test_masks_are_palettes_that_reload_to_class_numbers(trained: Train, photos: Path, tmp_path: Path) -> None:
    run = trained("fcn")
    Image.new("RGB", (40, 30), "teal").save(photos / "a.jpg")  # of the same stem as another
    found = answered(run, photos, tmp_path / "masks", masks=True)
    written = {path.relative_to(tmp_path / "masks").as_posix() for path in (tmp_path / "masks").rglob("*.png")}
    assert written == {"a.png", "a.jpg.png", "einé/bête.png", "猫/狗 1.png", "猫/狗 2.png", "猫/狗 10.png"}
    for one in found:
        name = one.values["file"]
        place = "a.jpg.png" if name == "a.jpg" else Path(name).with_suffix(".png")
        with Image.open(tmp_path / "masks" / place) as mask:
            assert mask.mode == "P"
            assert mask.size == one.size
            assert np.array_equal(np.asarray(mask), one.mask)
            assert mask.getpalette()[: 3 * len(run.classes)] == [part for row in colours(run.classes) for part in row]


def test_masks_have_the_colours_that_were_trained_on(photos: Path, tmp_path: Path) -> None:
    palette = [(200, 0, 0), (0, 0, 250)]
    for name in NAMES:
        with Image.open(photos / name) as photo:
            mask = Image.new("P", photo.size if not name.endswith(".jpg") else photo.size[::-1])
        mask.paste(1, (10, 10, 30, 30))
        mask.putpalette([part for colour in palette for part in colour])
        target = photos.parent / "masks" / Path(name).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        mask.save(target)
    run = sfumato.train("fcn", data=str(photos.parent), run=tmp_path / "run", crop=32, **SHORT)
    assert list(sfumato.open(run.path).palette) == palette
    answered(run, photos / "a.png", tmp_path / "mask.png", masks=True)
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.getpalette()[:6] == [part for colour in palette for part in colour]
        named = np.asarray(mask)
    with Image.open(photos / "a.png") as photo:
        plain = np.asarray(photo.convert("RGB"))[: len(named)]
    drawn = np.asarray(sfumato.open(run.path).predict(photos / "a.png").drawn)[: len(named)]
    expected = 0.4 * plain + 0.6 * np.array(palette)[named]  # under the colours of its class
    assert np.abs(drawn - expected).max() <= 1


def test_a_zip_is_read_as_the_folder_in_it(trained: Train, photos: Path, tmp_path: Path) -> None:
    run = trained("finetune")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in NAMES:
            archive.write(photos / name, f"top/{name}")
    there = [one.values for one in answered(run, photos)]
    assert [one.values for one in answered(run, tmp_path / "photos.zip" / "top", tmp_path / "drawn")] == there
    with Image.open(tmp_path / "drawn" / "猫" / "狗 2.jpg") as drawn:
        assert drawn.width == 61


def test_what_is_read_at_once_is_answered_as_alone(trained: Train, photos: Path) -> None:
    paths = [photos / name for name in NAMES] * 3
    for system in ("finetune", "ssd", "fcn"):
        run = trained(system)
        for path, found in zip(paths, run.predict(paths, score=0.05), strict=True):
            alone = run.predict(path, score=0.05)
            assert (found.file, found.size) == (path, alone.size)
            if system == "fcn":
                assert (found.mask == alone.mask).mean() > 0.999
                continue
            key = {"finetune": "classes", "ssd": "objects"}[system]
            numbers = [[np.hstack([*item.values()][1:]) for item in one.values[key]] for one in (found, alone)]
            assert len(numbers[0]) == len(numbers[1])
            assert np.allclose(*numbers, atol=0.02)
    assert run.predict([]) == []


def test_damaged_files_are_named_and_counted(
    trained: Train, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained("finetune")
    (photos / "猫" / "bad.jpg").write_bytes((photos / NAMES[3]).read_bytes()[:600])
    (photos / "empty.png").touch()
    answered(run, photos, tmp_path / "out.csv")
    assert [row["file"] for row in rows_of(tmp_path / "out.csv")] == NAMES
    *named, summary = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[2] for line in named] == ["empty.png", "猫/bad.jpg"]
    assert summary.startswith("sfumato: 5 of 7 pictures read: ")
    assert summary.endswith("; 2 left out")


def test_the_command_ends_well_if_something_was_read(trained: Train, tmp_path: Path, sfumato: Command) -> None:
    run = trained("finetune").path
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    nothing = sfumato("predict", run, "in", "-o", "out.csv")
    assert nothing.returncode == 2
    assert "none of its pictures could be read" in nothing.stderr
    assert not (tmp_path / "out.csv").exists()
    Image.new("RGB", (40, 30)).save(tmp_path / "in" / "good.png")
    done = sfumato("predict", run, "in", "-o", "out.csv", "-o", "out.json", "-o", "drawn")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("\n") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn", "in", "out.csv", "out.json"]
    one_line(sfumato("predict", run, "in", "-o", "in/drawn"), "lies in the folder in")
    one_line(sfumato("predict", run, "in", "-o", "x", "-o", "y"), "drawings go to x already")
    one_line(sfumato("predict", run, "none"), "no such file")


def test_what_was_read_before_an_interrupt_is_kept(
    trained: Train, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(found: Prediction) -> None:
        if found.values["file"] == NAMES[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(trained("finetune"), photos, [tmp_path / "out.csv"], say=stop)
    assert [row["file"] for row in rows_of(tmp_path / "out.csv")] == NAMES[:2]
    assert "stopped: 2 of 5 pictures read" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.csv"]


def clip(path: Path, times: list[int]) -> Path:
    """A clip of 64×48 whose frames are shown at `times`, in tenths of a second."""
    av = pytest.importorskip("av")
    from fractions import Fraction

    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for time in times:
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (20 * time, 90, 30)))
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("system", ["finetune", "ssd", "fcn"])
def test_a_clip_is_drawn_frame_by_frame_and_told_with_its_times(trained: Train, tmp_path: Path, system: str) -> None:
    times = [0, 1, 2, 5, 6]
    source = clip(tmp_path / "in.mp4", times)
    out = [tmp_path / name for name in ("drawn.mp4", "out.csv", "out.json")]
    found = answered(trained(system), source, *out, score=0.05)
    seconds = [time / 10 for time in times]
    assert [(one.values["frame"], one.values["time"]) for one in found] == list(enumerate(seconds))
    assert json.loads(out[2].read_text("utf-8")) == [one.values for one in found]
    rows = rows_of(out[1])
    assert list(rows[0])[:2] == ["frame", "time"]
    assert {float(row["time"]) for row in rows} <= set(seconds)
    assert system == "ssd" or [float(row["time"]) for row in rows] == seconds
    import av

    with av.open(str(out[0])) as container:
        pictures = [frame.to_image() for frame in container.decode(video=0)]
    assert len(pictures) == len(times)
    assert pictures[0].width == 64
    assert (pictures[0].height == 48) == (system != "fcn")  # pixels have a legend below
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.mp4", "in.mp4", "out.csv", "out.json"]


def test_a_stopped_clip_goes_on(trained: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, source = trained("finetune"), clip(tmp_path / "in.mp4", [0, 1, 2, 3])

    def stop(found: Prediction) -> None:
        if found.values["frame"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(run, source, [tmp_path / "drawn.mp4"], say=stop)
    assert "the same command goes on" in capsys.readouterr().err
    assert [one.values["frame"] for one in answered(run, source, tmp_path / "drawn.mp4")] == [2, 3]
    assert (tmp_path / "drawn.mp4").is_file()


def test_what_a_clip_cannot_be_is_said_in_a_line(trained: Train, tmp_path: Path) -> None:
    pytest.importorskip("av")
    run, source = trained("ssd"), clip(tmp_path / "in.mp4", [0, 1])
    with pytest.raises(SfumatoError, match="are for pictures, not for a clip"):
        answered(run, source, yolo=tmp_path / "labels")
    with pytest.raises(SfumatoError, match="clips are written as"):
        answered(run, source, tmp_path / "drawn.png")
    with pytest.raises(SfumatoError, match="is the content itself"):
        answered(run, source, source)
    source.write_bytes(b"no clip")
    with pytest.raises(SfumatoError, match="not a clip that can be read"):
        answered(run, source)
