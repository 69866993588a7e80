"""Every command of the README and of the book is run: on small data of the names that it takes, for sixteen images.

Studies and `sfumato studio` have tests of their own, which run them whole.
"""

import csv
import gzip
import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

pytest.importorskip("latex2mathml")
pytest.importorskip("zensical")

from sfumato import cli
from sfumato.data.photographs import photographs
from sfumato.weights.known import _cached

from .style.test_clips import filmed
from .test_book import DOCS, PAGES, ROOT, commands
from .weights.adapters.test_pytorch_dcgan import checkpoint

ENGLISH = [page for page in PAGES if "zh" not in page.parts and page.name != "README.zh-CN.md" and commands(page)]
ELSEWHERE = ("sfumato study ", "sfumato studio", "sfumato push ")
FEW = 16  # images that a training draws
BEFORE = {  # what a page takes to be there
    "dogs": ["sfumato train convolutional:better --data holiday/ --run study/runs/better"],
    "going-on": ["sfumato train finetune --data pets/ --run runs/first"],
    "vae": ["sfumato train vae --data mnist --run runs/vae"],
}
SHORTER = {  # of commands whose time is the reader's to choose, or that no laptop ends
    "--preset fine": "--preset fine --seconds 1 --content-size 64",
    "--method gatys": "--method gatys --content-size 64",
    "--preset paper": "--preset paper --steps 2",
    "sfumato project": "sfumato project --steps 4",
    "stylegan2:paper_256": "stylegan2:paper_256 --resolution 32",
}
SMALLER = {  # networks and pictures, where a command does not say
    **{key: {"--resolution": "64", "--crop": "64"} for key in ("adain", "brush", "encoder")},
    **{key: {"--width": "8", "--resolution": "32"} for key in ("cyclegan", "discogan", "dualgan")},
    **{key: {"--widest": "16", "--growth": "1"} for key in ("progan", "stylegan")},
    "stylegan2": {"--widest": "16"},
    **{key: {"--resolution": "64", "--crop": "64"} for key in ("fcn", "unet", "deeplab")},
    "dcgan": {"--width": "8"},
}


def small(command: str) -> list[str]:
    """The words behind `sfumato`, of a command that takes seconds."""
    command = re.split(r"\s+#", command)[0].replace(" --seconds 60", "").replace(" --steps 300", "")
    for before, after in SHORTER.items():
        command = command.replace(before, after)
    words = ["mnist.small" if word == "mnist" else word for word in shlex.split(command)[1:]]
    if words[0] == "train":
        shutil.rmtree(words[words.index("--run") + 1], ignore_errors=True)  # a page may train one name twice
        fields = SMALLER.get(words[1].partition(":")[0], {})
        for name, value in {"--images": str(FEW), **fields}.items():
            if name in words and name in ("--images", "--growth"):
                del words[words.index(name) : words.index(name) + 2]
            if name not in words:
                words += [name, value]
    if words[0] == "resume" and "--images" in words:
        words[words.index("--images") + 1] = str(2 * FEW)
    return words


def crops(folder: Path, count: int, names: str = "{}.png", side: int = 64) -> None:
    """Cuts of the embedded photographs."""
    pictures = list(photographs().values())
    for number in range(count):
        path = folder / names.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = pictures[number % len(pictures)]
        top = 7 * number % (picture.shape[1] - side)
        Image.fromarray(picture[:, top : top + side, :side].permute(1, 2, 0).numpy()).save(path)


def annotated(folder: Path, parts: Sequence[str] = ("train", "valid", "test")) -> None:
    """COCO: twelve pictures a part, each with two shapes, as boxes and as outlines."""
    for part in parts:
        crops(folder / part, 12, part + "_{}.png")
        boxes = [(8, 8, 24, 24), (36, 30, 20, 28)]
        shapes = [
            {"id": 2 * number + place, "image_id": number, "category_id": place + 1, "bbox": box,
             "area": box[2] * box[3],
             "iscrowd": 0, "segmentation": [[box[0], box[1], box[0] + box[2], box[1], box[0], box[1] + box[3]]]}
            for number in range(12) for place, box in enumerate(boxes)
        ]  # fmt: skip
        images = [{"id": at, "file_name": f"{part}_{at}.png", "width": 64, "height": 64} for at in range(12)]
        kinds = [{"id": 1, "name": "round"}, {"id": 2, "name": "long"}]
        said = {"images": images, "categories": kinds, "annotations": shapes}
        (folder / part / "_annotations.coco.json").write_text(json.dumps(said))


def named(folder: Path, names: Sequence[str], each: int) -> None:
    """A folder for each name."""
    for name in names:
        crops(folder / name, each, name + "_{}.png")


def sided(folder: Path) -> None:
    for half in ("train", "test"):
        for side in "AB":
            crops(folder / f"{half}{side}", 6)


def packed(folder: Path) -> None:
    with zipfile.ZipFile(f"{folder}.zip", "w") as file:
        for path in sorted(folder.rglob("*.*")):
            file.write(path, path.relative_to(folder))


def digits(folder: Path) -> None:
    """MNIST's files, with few digits."""
    folder.mkdir()
    for half, count in (("train", 300), ("t10k", 60)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
            (folder / f"{half}-{name}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))


def stripped(name: str, part: str = "") -> dict[str, torch.Tensor]:
    """Random weights by torchvision's names."""
    from torchvision import models

    with torch.device("meta"):  # what they would begin with takes seconds
        network: nn.Module = models.get_model(name)
    wanted = {key: value for key, value in network.state_dict().items() if key.startswith(part)}
    return {key: random_like(value) for key, value in wanted.items()}


def random_like(value: torch.Tensor) -> torch.Tensor:
    if value.dim() < 2:  # of norms and biases
        return torch.rand(value.shape).to(value.dtype)
    return (torch.rand(value.shape) - 0.5) * (24 / value[0].numel()) ** 0.5


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whatever a page calls by a name."""
    place = tmp_path_factory.mktemp("world")
    for name in ("photos", "holiday", "paintings", "faces", "photographs", "coco", "wikiart", "slides", "folder"):
        crops(place / name, 30)
    for name in ("summer", "winter", "shoes", "handbags", "day", "night"):
        crops(place / name, 8)
    for name in ("photo", "painting", "one", "two", "another"):
        crops(place, 1, f"{name}.jpg", 128)
    for name in ("sky", "ground"):
        Image.new("L", (128, 128), 128).save(place / f"{name}.png")
    parts = ("old", "mid", "new")  # folders that --split names, and classes where nothing does
    for part in parts:
        named(place / "pets" / part, ("cat", "dog"), each=6)
    named(place / "elsewhere", parts, each=6)
    for name in ("ants-and-bees", "more"):
        named(place / name, ("cat", "dog"), each=12)
    named(place / "letters", [chr(97 + number) for number in range(26)], each=3)
    with (place / "parts.csv").open("w") as file:
        rows = [path.relative_to(place / "pets") for path in sorted((place / "pets").rglob("*.png"))]
        halves = ["test" if row.parts[0] == "new" else "train" for row in rows]
        csv.writer(file).writerows([("file", "split"), *zip(rows, halves, strict=True)])
    for name in ("cells", "streets", "cards", "camvid", "VOC2012"):
        annotated(place / name)
    for name in ("summer2winter", "facades", "seasons", "papers"):
        sided(place / name)
    for name in ("streets", "cards", "camvid", "summer2winter", "facades", "seasons"):
        packed(place / name)
    digits(place / "mnist.small")
    filmed(place / "clip.mp4")
    for name in ("squeezenet1_0", "resnet18", "resnet50", "vgg19"):
        torch.save(stripped(name, "features" if name == "vgg19" else ""), place / f"{name}.pth")
    (place / "squeezenet.pth").symlink_to("squeezenet1_0.pth")
    save_file(stripped("squeezenet1_0"), place / "squeezenet.safetensors")
    torch.save(checkpoint(), place / "netG_epoch_24.pth")
    return place


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.stem)
def test_both_languages_have_the_same_commands(page: Path) -> None:
    def plain(page: Path) -> list[str]:
        return [re.split(r"\s+#", line)[0].removesuffix(" --language zh") for line in commands(page)]

    chinese = ROOT / "README.zh-CN.md" if page.parent == ROOT else DOCS / "zh" / page.relative_to(DOCS)
    if chinese.is_file():
        assert plain(chinese) == plain(page)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.parent == ROOT else pytest.mark.long) for page in ENGLISH],
    ids=lambda page: page.stem,
)
def test_commands_of_a_page_do_what_they_say(
    page: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SFUMATO_OFFLINE", "1")
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    for name in ("squeezenet1_0", "resnet18", "vgg19"):  # as if they had been fetched
        cached = _cached(name)[1]
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.symlink_to(world / f"{name}.pth")
    for path in world.iterdir():
        (tmp_path / path.name).symlink_to(path)
    run: Callable[[list[str]], None] = cli.main
    for command in [*BEFORE.get(page.stem, ()), *commands(page)]:
        if command.startswith(ELSEWHERE):
            continue
        words = [str(world / "pets") if word == "/new/place" else word for word in small(command)]
        code: object = 0
        try:
            run(words)
        except SystemExit as end:
            code = end.code
        assert not code, f"{command}\nas {' '.join(words)}"
