"""What the child `work` computes: pictures in the style of others, translated, read, projected. One after the other,
with progress, and cancelled at any step of it."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from msgspec import Meta
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..data.clips import ClipWork, frames, open_clip, write_clip
from ..data.paintings import MANNERS, painting
from ..data.photographs import photographs
from ..data.pictures import read_layers, to_picture
from ..engine.runtime import choose
from ..errors import SfumatoError
from ..files import json_of
from ..runs.open import open as open_run
from ..runs.stylize import network_of
from ..style.clips import restyle_frames
from ..style.options import options_for
from ..style.restyle import Styles, mask_of, sized
from ..version import __version__

KEPT = 3  # styles that are ready
LARGEST = 4096  # pixels on the shorter side that a page may ask for
SIZES = ("content_size", "style_size")
STEPS = 100  # of a projection's two parts
QUALITY = 88
Advance = Callable[[int, int], None]
Side = Annotated[int, Meta(ge=8, le=LARGEST)]  # pixels


def examples(advance: Advance) -> list[dict[str, str]]:
    """What there is to begin with: photographs and drawn paintings, by name."""
    return [
        *({"name": name, "kind": "photo"} for name in photographs()),
        *({"name": f"{manner}-{seed}", "kind": "painting"} for seed in (1, 2) for manner in MANNERS),
    ]


def example(advance: Advance, name: str) -> dict[str, Any]:
    """One of them as a file."""
    if name in (known := photographs()):
        return {"bytes": _png(to_picture(known[name].float() / 255))}
    manner, _, seed = name.rpartition("-")
    if manner not in MANNERS or not seed.isdecimal():
        raise SfumatoError(f"example {name!r}: there is none of that name")
    return {"bytes": _png(painting(manner, int(seed)))}


def stylize(
    advance: Advance, content: bytes, styles: Sequence[bytes], masks: Sequence[bytes] = (),
    options: Mapping[str, Any] | None = None, side: Side | None = None, run: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A picture in the style of others, as `sfumato.stylize` has it. `side`: made small first, so many pixels on its
    longer side, and answered as a JPEG."""
    picture, alpha = _read(content)
    if side is not None and max(picture.size) > side:
        scale = side / max(picture.size)
        small = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
        picture, alpha = picture.resize(small, Image.Resampling.LANCZOS, reducing_gap=3.0), None
    result = _styles(styles, masks, options or {}, run).lay(picture, advance)
    if side is not None:
        return {"bytes": _jpeg(result), "format": "jpeg", "width": result.width, "height": result.height}
    if alpha is not None:
        result.putalpha(sized(alpha, (options or {}).get("content_size"), bool((options or {}).get("crop"))))
    return _made(result, {"method": "stylize", "options": dict(options or {})})


def restyle_clip(
    advance: Advance, content: bytes, styles: Sequence[bytes], masks: Sequence[bytes] = (),
    options: Mapping[str, Any] | None = None, run: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A clip in the style of others, as an MP4; `advance` is told frames."""
    ready = _styles(styles, masks, options or {}, run)

    def lay(picture: Image.Image, before: Image.Image | None) -> Image.Image:
        return ready.lay(picture, before=before)

    with TemporaryDirectory() as place:
        path, out = Path(place, "clip.mp4"), Path(place, "made.mp4")
        path.write_bytes(content)
        clip = open_clip(path, out)
        done = ClipWork(out, {"digest": ready.digest()})
        for count in restyle_frames(frames(clip), lay, done, ready.options.coherence):
            advance(count, clip.frames or count)
        if not done.done:
            raise SfumatoError("clip: holds no frame that can be read")
        write_clip(clip, done, out)
        return {"clip": out.read_bytes(), "frames": done.done}


def translate(
    advance: Advance, path: str, content: bytes, to: Literal["a", "b"] = "b", side: Side | None = None
) -> dict[str, Any]:
    """A picture as one of the other side, and that back again."""
    picture, alpha = _read(content)
    if side is not None and max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        alpha = None
    run = open_run(path, "cpu")
    made = run.entry.family.translator(run, to).lay(picture, advance)
    back = run.entry.family.translator(run, "a" if to == "b" else "b").lay(made, advance)
    if alpha is not None:
        made.putalpha(alpha)
    return {**_made(made, {"method": "translate", "to": to}), "back": _png(back)}


def predict(
    advance: Advance, path: str, content: bytes, score: Annotated[float, Meta(ge=0, le=1)] = 0.5
) -> dict[str, Any]:
    """What is in a picture: words, values, and of masks the class of each pixel as a palette picture."""
    picture, _ = _read(content)
    run = open_run(path, "cpu")
    seen = run.entry.family.reader(run, score).read(picture)
    found = {"words": seen.words, "values": seen.values, "size": list(seen.size), "classes": list(run.classes)}
    if seen.mask is not None:
        found["mask"] = _png(_coloured(seen.mask, run))
    return found


def project(
    advance: Advance, path: str, content: bytes, steps: Annotated[int, Meta(ge=1, le=1000)] = STEPS
) -> dict[str, Any]:
    """What a styled system makes of a picture: by one style, and by one for each layer."""
    from ..data.pictures import read_picture, to_tensor
    from ..gans import projection

    run = open_run(path, "cpu")
    system = projection.styled_of(run)
    picture = read_picture(io.BytesIO(content), system.config.channels, system.config.resolution)
    for step in projection.project(system, to_tensor(picture).float() / 255, run.runtime, steps):
        advance(step.done, step.steps)
        if (found := step.found) is not None:
            return {
                **_made(to_picture(found.by_each), {"method": "project"}), "one": _png(to_picture(found.by_one)),
                "distances": list(found.distances),
            }  # fmt: skip
    raise SfumatoError("projection: ended without a picture")


def _read(content: bytes) -> tuple[Image.Image, Image.Image | None]:
    return read_layers(io.BytesIO(content))


_ready: "OrderedDict[str, Styles]" = OrderedDict()


def _styles(styles: Sequence[bytes], masks: Sequence[bytes], options: Mapping[str, Any], run: str) -> Styles:
    """Styles, made ready once: statistics are kept from one picture to the next."""
    chosen = options_for(run=run, **options)
    for size in SIZES:
        if (getattr(chosen, size) or 0) > LARGEST:
            raise SfumatoError(f"{size} {getattr(chosen, size)}: {LARGEST} pixels at most, in the studio")
    key = hashlib.blake2b(
        repr((chosen, [hashlib.blake2b(item).hexdigest() for item in (*styles, *masks)], run)).encode()
    )
    name = key.hexdigest()
    if name not in _ready:
        pictures = [_read(style)[0] for style in styles]
        greys = [mask_of(*_read(mask)) for mask in masks]
        _ready[name] = Styles(pictures, chosen, choose("cpu", "auto"), greys, network_of(run, "cpu"))
        while len(_ready) > KEPT:
            _ready.popitem(last=False)
    _ready.move_to_end(name)
    return _ready[name]


def _coloured(mask: Any, run: Any) -> Image.Image:
    from ..reports.overlays import colours

    image = Image.fromarray(mask)
    image.putpalette([level for colour in run.palette or colours(run.classes) for level in colour])
    return image


def _made(picture: Image.Image, note: Mapping[str, Any]) -> dict[str, Any]:
    return {"bytes": _png(picture, {"sfumato": __version__, **note}), "width": picture.width, "height": picture.height}


def _png(picture: Image.Image, note: Mapping[str, Any] | None = None) -> bytes:
    about = PngInfo()
    if note:
        about.add_text("sfumato", json_of(note))
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1, pnginfo=about)
    return file.getvalue()


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


HANDLERS = {
    handler.__name__: handler for handler in (examples, example, stylize, restyle_clip, translate, predict, project)
}
