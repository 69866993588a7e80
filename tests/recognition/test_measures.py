"""What cannot be measured is null, and said."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from sfumato.data.dataset import VOID, ImageData, InMemory, Split
from sfumato.engine.runtime import Runtime
from sfumato.files import write_json
from sfumato.metrics.table import tables
from sfumato.recognition import fcn, ssd
from sfumato.recognition.measures import measure
from sfumato.recognition.recognizer import Recognizer
from sfumato.reports.language import Speaker
from sfumato.runs.results import read_evaluation

SIDE = 64


def pictures(count: int, channels: int = 3) -> InMemory:
    generator = torch.Generator().manual_seed(count)
    return InMemory(torch.randint(0, 256, (count, channels, SIDE, SIDE), dtype=torch.uint8, generator=generator))


def boxed(objects: int) -> ImageData:
    """Training pictures with an object each, and two test pictures of which the first has `objects`."""
    one = torch.tensor([0, 0.1, 0.2, 0.6, 0.7])
    test = torch.full((2, 2, 5), -1.0)
    test[0, :objects] = one
    return ImageData(
        "boxes", Split(pictures(4), boxes=one.expand(4, 1, 5).clone()), Split(pictures(2), boxes=test), ("a", "b"), "f"
    )


def masked(level: int) -> ImageData:
    """Test masks whose every pixel is `level`."""
    train, test = pictures(4, 4), pictures(2, 4)
    train.images[:, 3] %= 2
    test.images[:, 3] = level
    return ImageData("masks", Split(train, masked=True), Split(test, masked=True), ("a", "b"), "f")


def detector() -> Recognizer:
    return ssd.SSD(ssd.Config(classes=2, resolution=SIDE, augmented=False))


def segmenter() -> Recognizer:
    return fcn.FCN(fcn.Config(classes=2, resolution=SIDE, crop=SIDE, pretrained=False))


@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize(
    ("build", "data", "words"),
    [
        (detector, boxed(0), "No test picture has an object: there is no map."),
        (segmenter, masked(VOID), "No pixel of the test masks has a class: there is nothing to measure."),
        (detector, boxed(1), ""),
        (segmenter, masked(1), ""),
    ],
    ids=["no objects", "void", "objects", "classes"],
)
def test_what_cannot_be_had_is_null_and_said(
    build: object, data: ImageData, words: str, confident: bool, tmp_path: Path, runtime: Runtime
) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    torch.manual_seed(0)
    system = build()  # pyright: ignore[reportCallIssue]
    if isinstance(system, ssd.SSD) and not confident:  # it finds nothing at all
        for head in system.naming:
            head.bias.data.view(-1, 3)[:, 0] = 100.0
    found = measure(system, data, runtime)
    write_json(tmp_path / "evaluation.json", asdict(found))
    rows = json.loads((tmp_path / "evaluation.json").read_text("utf-8"), parse_constant=refuse)["rows"]
    unknown = {row["key"] for row in rows if row["of"] == "ours" and row["value"] is None}
    least = {"map", "map_50"} if isinstance(system, ssd.SSD) else {"miou", "pixel_accuracy", "class_accuracy"}
    assert unknown == (least if words else set())
    assert found.note.en.endswith(words or ("background." if isinstance(system, ssd.SSD) else "pixels."))
    again = read_evaluation(tmp_path)
    assert json.dumps(asdict(again)) == json.dumps(asdict(found))
    assert ("–" in tables(again, Speaker("zh"))[0][1][0]) == bool(words)
