"""Anchors over one's own picture: pixels against the text's numbers and torchvision's, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.ops import box_convert, box_iou

from sfumato.errors import SfumatoError
from sfumato.recognition.laid import lay_anchors

from ..conftest import Command, one_line

USUAL: dict[str, Any] = {
    "sizes": (0.75, 0.5, 0.25),
    "ratios": (1.0, 2.0, 0.5),
    "at": None,
    "boxes": (),
    "threshold": 0.5,
}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (728, 561), "white").save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_the_anchors_of_a_pixel_are_the_printed_ones(picture: Path) -> None:
    """ "Dive into Deep Learning", section 14.4: the first anchor of pixel (250, 250)."""
    box = (60.0, 45.0, 378.0, 516.0)
    drawn, rows = lay_anchors(picture, **{**USUAL, "at": (250, 250), "boxes": [box, (690.0, 500.0, 720.0, 550.0)]})
    assert drawn.startswith(b"\x89PNG")
    corners = torch.tensor([[float(cell) for cell in row[2:6]] for row in rows[1:]])
    centres = torch.tensor([[float(cell) for cell in row[6:10]] for row in rows[1:]])
    assert torch.allclose(
        corners[0] / torch.tensor([728, 561] * 2), torch.tensor([0.0551, 0.0715, 0.6331, 0.8215]), atol=2e-4
    )
    assert torch.allclose(box_convert(corners, "xyxy", "cxcywh"), centres, atol=0.11)
    overlaps = box_iou(corners, torch.tensor([box]))[:, 0]
    assert [float(row[10]) for row in rows[1:]] == pytest.approx(overlaps.tolist(), abs=2e-3)
    owners = [row[-1] for row in rows[1:]]
    assert owners[int(overlaps.argmax())] == "1"
    assert owners.count("2") == 1  # its own, though none overlaps it
    assert all(owner != "1" or overlap >= 0.5 for owner, overlap in zip(owners, overlaps.tolist(), strict=True))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sizes": (0.5, 0.0)}, "--sizes 0.5 0: must be 100 at most, between 0.001 and 1000"),
        ({"ratios": (float("nan"),)}, "--ratios nan"),
        ({"at": (728, 0)}, "--at 728 0: outside .*728×561"),
        ({"boxes": [(5, 5, 5, 9)]}, "--box 5 5 5 9: must be left, top, right, bottom"),
        ({"boxes": [(0, 0, 1e308, 1e308)]}, r"--box 0 0 1e\+308"),
        ({"threshold": 1.0}, "--threshold 1: must lie between"),
    ],
)
def test_numbers_that_make_no_anchors_are_named(picture: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        lay_anchors(picture, **{**USUAL, **given})


def test_the_command_knows_a_picture_from_a_run(picture: Path, sfumato: Command) -> None:
    boxes = ("--box", "10", "10", "200", "300", "300", "20", "600", "500")
    found = sfumato("anchors", picture, "--sizes", "0.5", "0.25", "--ratios", "1", *boxes, "-o", "out.png")
    assert found.returncode == 0, found.stderr
    head, *rows, last = found.stdout.splitlines()
    assert head.split()[-5:] == ["with", "1", "with", "2", "assigned"]
    assert len(rows) == 2
    assert last == "out.png"
    one_line(sfumato("anchors", picture), "-o x.png")
    one_line(sfumato("anchors", picture.parent, "--sizes", "0.5"), "is no picture")
    one_line(sfumato("anchors", picture.parent / "none.png", "-o", "out.png"), "none.png")
