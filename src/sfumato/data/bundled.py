"""Files that come inside the libraries that we depend on. They are found and read without importing those: scikit-learn
and scikit-image take seconds to load."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import SfumatoError

PACKAGES = {"sklearn": "scikit-learn", "skimage": "scikit-image"}


def bundled(module: str, file: str) -> Path:
    """The path of `file` inside `module`. Raises SfumatoError where it is missing."""
    found = find_spec(module)
    for place in (found and found.submodule_search_locations) or ():
        if (path := Path(place, file)).is_file():
            return path
    package = PACKAGES[module]
    raise SfumatoError(f"{package}: its file {file} is missing: pip install --force-reinstall --no-deps {package}")


def photograph(module: str, file: str) -> Tensor:
    """A picture of a library as uint8 (3, h, w), the numbers as they are stored: the libraries pass over the colour
    profile that one of them has."""
    with Image.open(bundled(module, file)) as picture:
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
