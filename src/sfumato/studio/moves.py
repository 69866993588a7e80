"""What the child `moves` computes: codes and latents to pictures, at once. Requests are small, answers too; a run is
opened at its first use and a few are kept."""

import io
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor
from torch.nn import functional as F

from ..data.batches import Batches  # noqa: F401 - loaded while nobody waits
from ..data.pictures import read_picture, to_bytes, to_picture, to_tensor
from ..data.sources import SOURCES, path_of, state_of
from ..engine.fields import Field, build
from ..errors import SfumatoError
from ..gans.drawing import great_circle
from ..metrics.digit_reader import DIGITS, READ, shipped_reader
from ..nets.styles import PER_SIDE
from ..ops.codes import Plane, plane_of
from ..runs.catalog import CATALOG, describe, find, systems
from ..runs.open import Run
from ..runs.open import open as open_run
from ..seeds import derive
from ..strict import content_of
from ..strict import decode as decoded

KEPT = 3  # runs
CODES = 64  # of pictures
CODE = 8  # numbers of one that are told
RAW = 128  # pixels a side up to which a picture is sent as it is: beyond, a JPEG is sooner there
QUALITY = 90
DIRECTIONS = 6
DRAWN = 256  # images that directions are found with,
PIXELS = 2_000_000  # or as many as have so many pixels together
MARGIN = 0.08  # of the plane around the codes
SHOWN = 1_000  # codes
MANY = 100_000  # training images, above which data are not opened for their labels
PLANE = "plane.json"  # of a model that is handed on
FEW = ("images", "batch_size", "learning_rate", "loss", "bottleneck", "widths", "objective", "resolution", "classes",
       "latent", "hidden", "width", "backbone", "frozen", "style_weight", "content_weight")  # fmt: skip
AROUND = 9  # neighbours a side
Picture = dict[str, Any]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]


@dataclass
class Opened:
    """A run at hand. `codes`: of pictures that were given, by the server's names for them."""

    run: Run
    codes: "OrderedDict[str, Tensor]" = field(default_factory=OrderedDict)

    @property
    def system(self) -> Any:
        """Whose traits say what can be asked of it."""
        return self.run.system

    @cached_property
    def plane(self) -> Plane:
        """In the space of codes."""
        return plane_of(self.known)

    @cached_property
    def known(self) -> Tensor:
        return self.system.codes.known().flatten(1).float().cpu()

    @cached_property
    def centre(self) -> Tensor:
        return self.known.mean(0)

    @cached_property
    def directions(self) -> Tensor:
        """(n, k): along which what is drawn changes most: of the covariance of latents and pixels, the left singular
        vectors, each as long as latents deviate along it; where there are styles, of w."""
        run, system = self.run, self.system
        config = run.config
        count = max(32, min(DRAWN, PIXELS // (config.channels * config.resolution**2)))
        generator = torch.Generator().manual_seed(0)
        with torch.inference_mode(), run.runtime.autocast():
            latents = system.latents(count, generator)
            labels = torch.zeros(count, dtype=torch.int64) if system.conditional else None
            images = torch.cat([
                system.make(part, None if labels is None else labels[: len(part)]).float().cpu()
                for part in latents.split(32)
            ])  # fmt: skip
            if system.styled:
                latents = system.styles_of(latents, labels).cpu()
        latents = latents.flatten(1).float()
        spread = latents - latents.mean(0)
        pixels = F.avg_pool2d(images, max(1, config.resolution // 32)).flatten(1)
        left, _, _ = torch.linalg.svd(spread.T @ (pixels - pixels.mean(0)), full_matrices=False)
        found = left.T[:DIRECTIONS]
        return found * (spread @ found.T).std(0)[:, None]


_runs: "OrderedDict[str, Opened]" = OrderedDict()
_stamps: dict[str, float] = {}


def opened(path: str) -> Opened:
    """The run in `path`, opened anew once its files have changed."""
    stamp = max((file.stat().st_mtime for file in Path(path).glob("*.json")), default=0.0)
    if path not in _runs or _stamps.get(path) != stamp:
        _runs[path] = Opened(open_run(path, "cpu"))
        _stamps[path] = stamp
        while len(_runs) > KEPT:
            _stamps.pop(_runs.popitem(last=False)[0])
    _runs.move_to_end(path)
    return _runs[path]


def coded(path: str) -> Opened:
    """The same of a system that has codes. Raises SfumatoError for others."""
    there = opened(path)
    if not there.system.encodes:
        raise SfumatoError(f"{there.run.system_name}: has no codes")
    return there


def shown(image: Tensor, **more: Any) -> Picture:
    """A picture (c, h, w) in [0, 1] as it travels: raw up to RAW pixels a side, a JPEG beyond."""
    channels, height, width = image.shape
    if max(height, width) <= RAW:
        content, form = (
            to_bytes(image).permute(1, 2, 0).contiguous().numpy().tobytes(),
            "grey" if channels == 1 else "rgb",
        )
    else:
        file = io.BytesIO()
        to_picture(image).save(file, "JPEG", quality=QUALITY)
        content, form = file.getvalue(), "jpeg"
    return {"width": width, "height": height, "format": form, "bytes": content, **more}


def catalog(advance: Any) -> dict[str, Any]:
    """Every system with its fields, preset by preset: what a form is made of."""
    found = {}
    for row in systems():
        entry = CATALOG[row["name"]]
        forms = {preset: [_shown_field(item) for item in describe(entry, preset)] for preset in entry.presets}
        fields = {preset: [item for item in form if not _is_path(item["name"])] for preset, form in forms.items()}
        found[row["name"]] = {**row, "data": list(entry.data), "fields": fields}
    sources = [
        {
            "name": name,
            "about": source.about,
            "offers": list(source.offers),
            "fetched": _is_away(name),
        }
        for name, source in SOURCES.items()
    ]
    return {"systems": found, "sources": sources}


def _is_away(name: str) -> bool:
    """Whether the data of that name would be fetched."""
    return state_of(name).startswith("not here")


def _shown_field(item: Field) -> dict[str, Any]:
    bounds = item.bounds
    return {
        "name": item.name,
        "kind": item.kind,
        "choices": list(item.choices),
        "default": list(item.default) if isinstance(item.default, tuple) else item.default,
        "text": item.text,
        "optional": item.optional,
        "few": item.name in FEW,
        "hint": bounds.hint if bounds else "",
        "low": bounds.low if bounds else None,
        "high": bounds.high if bounds else None,
    }


def check(advance: Any, system: str, preset: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Judges the fields of a run that is to be. Raises SfumatoError, which names the field at fault."""
    if odd := [name for name in fields if _is_path(name)]:
        raise SfumatoError(f"{odd[0]}: names a file: give it on the command line")
    entry, preset = find(f"{system}:{preset}")
    config = build(entry.config_class, fields, entry.name, base=entry.presets[preset])
    entry.system_class.refuse(config)
    return {"images": getattr(config, "images", 0), "batch_size": getattr(config, "batch_size", 1)}


def _is_path(name: str) -> bool:
    return name.endswith("_file") or name in ("start", "run")


def about(advance: Any, path: str) -> dict[str, Any]:
    """What a page must know of a run before it plays with it."""
    there = opened(path)
    run, system = there.run, there.system
    config = run.config
    networks = [network for part in system.portable() for network in part.networks] or [system]
    return {
        "system": run.system_name,
        "data": run.manifest.data.name,
        "classes": list(run.classes),
        "conditional": bool(system.conditional),
        "channels": getattr(config, "channels", 3),
        "resolution": getattr(config, "resolution", 0),
        "numbers": sum(value.numel() for value in {value for network in networks for value in network.parameters()}),
        "latent": system.latents(2).shape[1:].numel() if system.draws else 0,
        "layers": system.layers if system.styled else 0,
        "sides": PER_SIDE if system.styled else 0,
    }


def plane(advance: Any, path: str, data_root: str = "") -> dict[str, Any]:
    """Codes as points of the run's plane, with their labels, and where they lie: of test images, where its data are at
    hand and small, and embedded or in `data_root`, else those that the run remembers, with what a reader takes their
    pictures for (-1: none reads such)."""
    kept = Path(path) / PLANE
    if kept.is_file():
        return decoded(content_of(kept), dict[str, Any], str(kept))
    there = coded(path)
    codes, labels, classes = _tested(there, data_root) or (there.known[-SHOWN:], None, list(DIGITS))
    points = there.plane.flat(codes)
    if labels is None:
        labels, classes = (_read(there, codes), classes) if _is_read(there) else ([-1] * len(codes), [])
    low, high = points.quantile(torch.tensor([0.01, 0.99]), 0)
    room = MARGIN * (high - low).clamp_min(1e-3)
    return {
        "points": points.tolist(),
        "labels": labels,
        "classes": classes,
        "low": (low - room).tolist(),
        "high": (high + room).tolist(),
        "exact": there.known.shape[1] == 2,
        "length": there.known.shape[1],
    }


def _tested(there: Opened, root: str) -> tuple[Tensor, list[int], list[str]] | None:
    """Codes (n, k) of test images, their labels, and the names of those. Fetches nothing, and reads nothing that only
    the run's own words lead to."""
    run, sources = there.run, there.run.manifest.data.source
    if run.manifest.data.train > MANY or run.config.resolution > RAW or not run.classes:
        return None
    if any(_is_away(name) if name in SOURCES else not _is_within(name, root) for name in sources):
        return None
    try:
        test = run.data.test
    except SfumatoError:
        return None
    if test.labels is None:
        return None
    rows = test.spread(min(SHOWN, len(test)))
    with torch.inference_mode(), run.runtime.autocast():
        codes = there.system.encode(test.images(rows))
    return codes.flatten(1).float(), test.labels[rows].tolist(), list(run.classes)


def _is_within(source: str, root: str) -> bool:
    return bool(root) and path_of(source).resolve().is_relative_to(root)


def _is_read(there: Opened) -> bool:
    return there.run.manifest.data.name in ("mnist", "digits") and there.run.config.channels == READ[0]


def _read(there: Opened, codes: Tensor) -> list[int]:
    """What a reader takes the pictures of codes for."""
    with torch.inference_mode(), there.run.runtime.autocast():
        pictures = there.run.system.make(codes).float().cpu()
    return shipped_reader().probabilities(pictures).argmax(1).tolist()


def decode(
    advance: Any, path: str, x: float, y: float, mix: Sequence[tuple[str, float]] = (), sigma: float = 0.0,
    seed: Seed = 0,
) -> Picture:  # fmt: skip
    """The picture at a point of the plane. `mix`: instead of it, codes of given pictures, each with a weight.
    `sigma`: of noise on the code, times the deviation of codes."""
    there = coded(path)
    code = there.plane.raised(torch.tensor([x, y], dtype=torch.float32))
    if any(name not in there.codes for name, _ in mix):
        raise SfumatoError("picture: its code is not here any more; give it again")
    if mix:
        code = torch.stack([weight * there.codes[name] for name, weight in mix]).sum(0)
        x, y = there.plane.flat(code[None])[0].tolist()
    if sigma:
        noise = torch.randn(len(code), generator=torch.Generator().manual_seed(seed))
        code = code + sigma * there.known.std(0) * noise
    system = there.system
    with torch.inference_mode(), there.run.runtime.autocast():
        image = system.make(code.view(1, *system.code_shape))[0].float()
    return shown(image, x=x, y=y)


def encode(advance: Any, path: str, name: str, content: bytes) -> Picture:
    """The code of a picture, kept by `name`; what comes back of it, with the picture as it was seen at its right."""
    there = coded(path)
    config, system = there.run.config, there.system
    picture = read_picture(io.BytesIO(content), config.channels, config.resolution, config.fit)
    image = to_tensor(picture)[None].float() / 255
    with torch.inference_mode(), there.run.runtime.autocast():
        code = system.encode(image).float()
        made = system.make(code).float()
    there.codes[name] = code.flatten().clone()
    while len(there.codes) > CODES:
        there.codes.popitem(last=False)
    error = float((made - image).square().mean().clamp_min(1e-10))
    x, y = there.plane.flat(code.flatten(1))[0].tolist()
    label = int(shipped_reader().probabilities(image).argmax(1)) if _is_read(there) else -1
    return shown(
        torch.cat([made[0], image[0]], 2), x=x, y=y, label=label, code=code.flatten()[:CODE].tolist(),
        psnr=-10 * math.log10(error),
    )  # fmt: skip


def draw(
    advance: Any, path: str, seed: Seed = 0, label: int | None = None, toward: Seed | None = None, share: float = 0.0,
    moves: Sequence[float] = (), around: Annotated[int, Meta(ge=0, le=AROUND)] = 0, spread: float = 0.3,
    psi: float = 1.0, mix: Seed | None = None, level: Annotated[int, Meta(ge=0)] = 0, noise: bool = True,
) -> Picture:  # fmt: skip
    """The picture of a seed; `share` of the way `toward` that of another; moved by so many deviations along the first
    directions. `around`: a square of so many neighbours a side, `spread` away, instead. Of systems with styles: `psi`,
    the truncation; `mix`, a seed that gives the styles from `level` on; `noise` of the pixels."""
    there = opened(path)
    system = there.system
    if system.conditional and not 0 <= (label or 0) < there.run.config.classes:
        raise SfumatoError(f"label {label}: there are {there.run.config.classes} classes")
    latent = _latent(there, seed)
    if toward is not None:
        latent = _between(there, latent, _latent(there, toward), share)
    if around:
        generator = torch.Generator().manual_seed(derive(seed, "neighbours"))
        others = system.latents(around**2, generator).flatten(1)
        others = latent + spread * (others - there.centre if system.encodes else others)
        if not system.encodes:
            others = others * (latent.norm() / others.norm(dim=1, keepdim=True).clamp_min(1e-6))
        others[0] = latent[0]
        latent = others
    labels = torch.full((len(latent),), label or 0) if system.conditional else None
    there_are = there.directions[: len(moves)] if any(moves) else torch.zeros(0)
    shift = torch.tensor(moves[: len(there_are)]) @ there_are if len(there_are) else 0.0
    with torch.inference_mode(), there.run.runtime.autocast():
        if system.styled:
            images = _styled(there, latent, labels, shift, psi, mix, level, noise)
        else:
            moved = (latent + shift).view(len(latent), *system.latents(1).shape[1:])
            images = system.make(moved, labels)
    low, high = system.image_range
    images = (images.float() - low) / (high - low)
    if around:
        channels, height, width = images.shape[1:]
        tiles = images.view(around, around, channels, height, width).permute(2, 0, 3, 1, 4)
        return shown(tiles.reshape(channels, around * height, around * width))
    return shown(images[0])


def _latent(there: Opened, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive(seed, "sample"))
    return there.run.system.latents(1, generator).flatten(1).float()


def _between(there: Opened, first: Tensor, second: Tensor, share: float) -> Tensor:
    """Straight between codes; between vectors of noise along their great circle, which keeps their length."""
    if there.run.system.encodes:
        return torch.lerp(first, second, share)
    return great_circle(first, second, torch.tensor([share]))


def _styled(
    there: Opened, latent: Tensor, labels: Tensor | None, shift: Tensor | float, psi: float, mix: int | None,
    level: int, noise: bool,
) -> Tensor:  # fmt: skip
    system = there.system
    styles = system.everywhere(system.styles_of(latent, labels)).clone()
    if mix is not None:
        other = system.everywhere(system.styles_of(_latent(there, mix), None if labels is None else labels[:1]))
        styles[:, PER_SIDE * level :] = other[:, PER_SIDE * level :]
    styles = system.truncate(styles + shift, [psi])
    fixed = system.fixed_noise
    return system.paint(styles, fixed if noise else [torch.zeros_like(values) for values in fixed])


def findings(advance: Any, path: str) -> dict[str, Any]:
    """What the run's doctor says of it so far."""
    run = opened(path).run
    return {"found": [asdict(words) for words in run.entry.family.findings(run.system, run.history)]}


HANDLERS = {handler.__name__: handler for handler in (catalog, check, about, plane, decode, encode, draw, findings)}
