"""MNIST and Fashion-MNIST: the four IDX files from a folder, or fetched with their known checksums."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch

from ..cache import cache_folder, check_online
from ..errors import SfumatoError
from ..terminal import warn
from .dataset import ImageData, InMemory, Split, fingerprint
from .idx import read_idx

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}
MD5 = {
    "mnist": (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "fashion-mnist": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
}
SIZES = {
    "mnist": (9_912_422, 28_881, 1_648_877, 4_542), "fashion-mnist": (26_421_880, 29_515, 4_422_102, 5_148),
}  # fmt: skip
MNIST_FINGERPRINT = "1aacd4202d115f2d"  # of the four arrays, for files that are not compressed as published
CLASSES = {
    "fashion-mnist": (
        "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
}  # fmt: skip


def is_idx_folder(folder: Path) -> bool:
    return any(folder.glob("*-images-idx3-ubyte*"))


def is_fetched(name: str) -> bool:
    return all((cache_folder(name) / f"{file}.gz").exists() for file in FILES)


def fetch_mnist(name: str) -> Path:
    """Downloads the four files of `name` that are not there yet, checks their md5 and returns their folder.

    Raises SfumatoError if no mirror gives a file with the right sum.
    """
    import pooch
    import requests

    folder = cache_folder(name)
    pooch.get_logger().setLevel("WARNING")  # it would say less than we do
    for file, md5, size in zip(FILES, MD5[name], SIZES[name], strict=True):
        faults = []
        for mirror in MIRRORS[name]:
            if not (folder / f"{file}.gz").exists():
                check_online(f"{name}: {file}.gz")
                warn(f"fetching {file}.gz from {urlsplit(mirror).hostname}: {size:,} bytes")
            try:
                pooch.retrieve(f"{mirror}{file}.gz", f"md5:{md5}", f"{file}.gz", folder, progressbar=False)
                break
            except requests.exceptions.ConnectionError:
                faults.append(f"{mirror}: no connection")
            except (requests.exceptions.RequestException, OSError, ValueError) as error:
                faults.append(f"{mirror}: {str(error).splitlines()[0]}")
        else:
            raise SfumatoError(
                f"{name}: {file}.gz could not be fetched ({'; '.join(faults)}): "
                f"fetch the four files by hand and give their folder with --data DIR"
            )
    return folder


def read_mnist(folder: Path) -> ImageData:
    """The data set in `folder`: four IDX files, each plain or `.gz`.

    It is called `mnist` or `fashion-mnist` only if all four contents are the published ones.
    Raises SfumatoError naming the file and the fault.
    """
    paths = [_find(folder, file) for file in FILES]
    arrays = [read_idx(path, rank) for path, rank in zip(paths, (3, 1, 3, 1), strict=True)]
    for path, array in zip(paths, arrays, strict=True):
        if array.dtype != np.uint8:
            raise SfumatoError(f"{path}: holds {array.dtype.name}, must hold unsigned bytes")
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    splits = []
    for half in (0, 2):
        images, labels = tensors[half], tensors[half + 1]
        if len(images) != len(labels):
            raise SfumatoError(f"{paths[half + 1]}: {len(labels)} labels for the {len(images)} images beside it")
        if not images.numel():
            raise SfumatoError(f"{paths[half]}: holds no images")
        if images.shape[1:] != tensors[0].shape[1:]:
            raise SfumatoError(f"{paths[half]}: its images are of another size than those in {paths[0].name}")
        splits.append(Split(InMemory(images[:, None]), labels.long()))
    content = fingerprint(*tensors)
    name = _published_name(paths, content)
    count = int(max(tensors[1].max(), tensors[3].max())) + 1
    classes = CLASSES.get(name, tuple(map(str, range(count))))
    return ImageData(name, splits[0], splits[1], classes, content)


def _find(folder: Path, file: str) -> Path:
    for path in (folder / f"{file}.gz", folder / file):
        if path.is_file():
            return path
    raise SfumatoError(f"{folder}: {file} or {file}.gz is missing: a folder must hold {', '.join(FILES)}")


def _published_name(paths: list[Path], content: str) -> str:
    """`mnist` or `fashion-mnist` if the content is the published one, else `idx`."""
    if content == MNIST_FINGERPRINT:
        return "mnist"
    sums = tuple(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in paths)
    return next((name for name, published in MD5.items() if sums == published), "idx")
