"""Pictures that somebody hands over in Python: files, PIL images, arrays and tensors, right or refused in one line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import SfumatoError
from .jobs import read_file
from .pictures import layers_of, to_picture, to_tensor

Given = str | Path | Image.Image | NDArray[Any] | Tensor
GivenT = TypeVar("GivenT", Image.Image, NDArray[Any], Tensor)
ARRAY = "(h, w, 3) or (h, w), uint8 or floats in [0, 1]"
TENSOR = "(3, h, w), floats in [0, 1]"
HALF = 0.5 / 255  # of a level: so far beyond [0, 1] values are still rounded to 0 and 255


def picture_of(given: object) -> tuple[Image.Image, Image.Image | None]:
    """`given` as an `RGB` picture, and its transparency as `L` if it has any. Raises SfumatoError, which says what was
    met and what is taken, if it is no picture."""
    match given:
        case str() | Path():
            return read_file(Path(given))
        case Image.Image():
            picture, alpha = layers_of(given)
        case np.ndarray():
            picture, alpha = _of_array(given), None
        case Tensor():
            if given.dim() != 3 or given.shape[0] != 3 or not given.is_floating_point():
                raise SfumatoError(f"{_described(given)}: must be {TENSOR}")
            picture, alpha = _of_floats(given, _described(given)), None
        case _:
            kinds = f"a path, a PIL image, an array {ARRAY}, or a tensor {TENSOR}"
            raise SfumatoError(f"{type(given).__name__}: no picture: must be {kinds}")
    if not all(picture.size):
        raise SfumatoError(f"picture of {picture.width}×{picture.height} pixels: must have some")
    return picture, alpha


def pictures_of(given: object) -> list[object]:
    """Of one picture or several the list, each as it was given."""
    if isinstance(given, str | Path | Image.Image | np.ndarray | Tensor) or not isinstance(given, Iterable):
        return [given]
    return list(given)


def like(picture: Image.Image, given: Any) -> Any:
    """`picture` as a thing of the kind of `given`: arrays are (h, w, 3), tensors (3, h, w), of its type and in its
    range; of a path a PIL image."""
    if isinstance(given, Tensor):
        return (to_tensor(picture).float() / 255).to(given)
    if isinstance(given, np.ndarray):
        levels = np.array(picture)
        return levels if given.dtype == np.uint8 else (levels / 255).astype(given.dtype)
    return picture


def _of_array(given: NDArray[Any]) -> Image.Image:
    of_floats = np.issubdtype(given.dtype, np.floating)
    if not (of_floats or given.dtype == np.uint8) or not (given.ndim == 2 or (given.ndim == 3 and given.shape[2] == 3)):
        raise SfumatoError(f"{_described(given)}: must be {ARRAY}")
    if not of_floats:
        return Image.fromarray(np.ascontiguousarray(given)).convert("RGB")
    values = torch.from_numpy(np.ascontiguousarray(given, np.float32))
    return _of_floats(values.movedim(-1, 0) if given.ndim == 3 else values[None], _described(given)).convert("RGB")


def _of_floats(values: Tensor, described: str) -> Image.Image:
    """Of (1|3, h, w)."""
    if values.numel():
        low, high = (float(value) for value in values.detach().float().aminmax())
        if not (low >= -HALF and high <= 1 + HALF):  # so that NaN is refused too
            raise SfumatoError(f"{described} with values from {low:g} to {high:g}: must lie in [0, 1]")
    return to_picture(values)


def _described(given: Tensor | NDArray[Any]) -> str:
    return f"{'tensor' if isinstance(given, Tensor) else 'array'} {tuple(given.shape)} of {given.dtype}"
