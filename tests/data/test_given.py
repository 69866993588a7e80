"""Pictures handed over in Python: every kind that is taken gives the same pixels, and all else is one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sfumato.data.given import like, picture_of, pictures_of
from sfumato.errors import SfumatoError

LEVELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
TENSOR = torch.from_numpy(LEVELS).permute(2, 0, 1).double() / 255
KINDS: dict[str, Any] = {
    "PIL": Image.fromarray(LEVELS),
    "bytes": LEVELS,
    "bytes, backwards in memory": LEVELS[::-1, ::-1].copy()[::-1, ::-1],
    "bytes that may not be written to": np.frombuffer(LEVELS.tobytes(), np.uint8).reshape(LEVELS.shape),
    **{f"floats, {kind}": (LEVELS / 255).astype(kind) for kind in (np.float16, np.float32, np.float64, ">f4")},
    **{f"tensor, {kind}": TENSOR.to(kind) for kind in (torch.float16, torch.float32, torch.float64)},
    "tensor under gradients": TENSOR.float().requires_grad_(),
    "tensor that is a view": TENSOR.flip(2).contiguous().flip(2).expand(3, 5, 7),
    "a hair beyond": TENSOR.float() * 1.0005 - 0.0002,
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_the_same_pixels(name: str) -> None:
    picture, alpha = picture_of(KINDS[name])
    assert picture.mode == "RGB"
    assert alpha is None
    assert np.abs(np.asarray(picture, int) - LEVELS).max() <= (1 if "16" in name else 0)
    again = like(picture, KINDS[name])
    assert type(again) is type(KINDS[name])
    assert picture_of(again)[0].tobytes() == picture.tobytes()
    if not isinstance(again, Image.Image):
        assert (again.shape, again.dtype) == (KINDS[name].shape, KINDS[name].dtype)


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_are_read(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    clear = Image.fromarray(LEVELS)
    clear.putalpha(77)
    clear.save(path)
    picture, alpha = picture_of(kind(path))
    assert np.array_equal(np.asarray(picture), LEVELS)
    assert alpha is not None
    assert alpha.getextrema() == (77, 77)
    assert isinstance(like(picture, kind(path)), Image.Image)
    with pytest.raises(SfumatoError, match=r"nowhere\.png"):
        picture_of(kind(tmp_path / "nowhere.png"))


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_grey_arrays_have_three_alike_channels(kind: Any) -> None:
    grey = LEVELS[..., 0]
    picture, _ = picture_of(grey if kind is np.uint8 else (grey / 255).astype(kind))
    assert np.array_equal(np.asarray(picture), np.stack([grey] * 3, 2))


def with_one(values: Any, one: float) -> Any:
    values = values.clone() if isinstance(values, torch.Tensor) else values.copy()
    values[1, 1, 1] = one
    return values


FLOATS = (LEVELS / 255).astype(np.float32)
WRONG = {
    "tensor of 0..255": (TENSOR * 255, "values from 0 to 248: must lie in"),
    "tensor of -1..1": (TENSOR * 2 - 1, "values from -1.*must lie in"),
    "array of 0..255": (FLOATS * 255, r"array \(5, 7, 3\) of float32 with values from 0 to 248: must lie in"),
    **{f"tensor with {one}": (with_one(TENSOR, one), "must lie in") for one in (np.nan, np.inf, -np.inf, 1.01, -0.01)},
    **{f"array with {one}": (with_one(FLOATS, one), "must lie in") for one in (np.nan, np.inf, -np.inf, 1.01, -0.01)},
    "batch": (TENSOR[None], r"tensor \(1, 3, 5, 7\).*must be \(3, h, w\), floats"),
    "tensor of bytes": ((TENSOR * 255).to(torch.uint8), r"torch\.uint8: must be"),
    "tensor of rows": (TENSOR.permute(1, 2, 0), r"must be \(3, h, w\)"),
    "grey tensor": (TENSOR[:1], r"must be \(3, h, w\)"),
    "complex tensor": (TENSOR.to(torch.complex64), "must be"),
    "array of channels": (LEVELS.transpose(2, 0, 1), r"array \(3, 5, 7\) of uint8: must be \(h, w, 3\)"),
    "array of four channels": (np.dstack([LEVELS, LEVELS[..., 0]]), r"must be \(h, w, 3\)"),
    "batch of arrays": (LEVELS[None], "must be"),
    "row": (LEVELS[0, 0], "must be"),
    "a number as array": (np.array(0.5), "must be"),
    **{f"array of {kind}": (LEVELS.astype(kind), f"of {kind}: must be") for kind in ("int64", "uint16", "bool")},
    "array of objects": (LEVELS.astype(object), "of object: must be"),
    "words as array": (np.array([["a"]]), "must be"),
    "empty tensor": (torch.zeros(3, 0, 4), "0 pixels"),
    "empty array": (np.zeros((0, 4, 3), np.uint8), "0 pixels"),
    "empty floats": (np.zeros((4, 0)), "0.* pixels"),
    "empty PIL": (Image.new("RGB", (0, 4)), "0×4 pixels"),
    "float PIL": (Image.new("F", (4, 4)), "floating-point"),
    "nothing": (None, "NoneType: no picture"),
    "number": (3, "int: no picture"),
    "bytes": (b"photo.jpg", "bytes: no picture"),
    "list": ([[0.5]], "list: no picture"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Casting complex")
@pytest.mark.parametrize("name", WRONG)
def test_all_else_is_refused_in_one_line(name: str) -> None:
    given, words = WRONG[name]
    with pytest.raises(SfumatoError, match=words) as caught:
        picture_of(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_one_picture_is_one_and_several_are_several(name: str) -> None:
    given = KINDS[name]
    assert [item is given for item in pictures_of(given)] == [True]
    for several in ([given, "b.png"], (given, "b.png"), iter([given, "b.png"])):
        assert [item is given for item in pictures_of(several)] == [True, False]
    assert pictures_of("a.png") == ["a.png"]
    assert pictures_of(3) == [3]
    assert pictures_of(()) == []
