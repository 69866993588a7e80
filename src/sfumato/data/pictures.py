"""The image contract: whatever a camera, a scanner or a web page left, read right or refused in one line. Torch is not
imported until pixels become a tensor.

EXIF orientation is applied; colour profiles are brought to sRGB; grey, RGBA, CMYK, palette and 16-bit images become
8-bit RGB or grey; of an animation the first frame is taken; transparent pixels lie on white.
"""

import io
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from ..errors import SfumatoError
from ..files import write_bytes
from ..memory import refuse_bomb, taking
from .png import without_ballast

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
MAX_LEVEL = 255  # of a mask
Colour = tuple[int, int, int]
T = TypeVar("T")
Fit = Literal["square", "short", "squash"]
GAP = 3.0  # how much larger than asked for a picture may stay that is shrunk by whole factors first
MAX_RATIO = 16  # of the sides of a picture that is kept whole
MAX_PIXELS = 178_000_000  # just below Pillow's own limit
LARGE = 2**24  # pixels: above, a picture is brought to sRGB and made smaller band by band,
BAND = 2**20  # of about so many pixels
SHALLOW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}  # bytes of a pixel in memory; others take 4
CODED = {"WEBP": 12, "AVIF": 12, "TIFF": 4}  # bytes of a pixel that a decoder takes besides
COEFFICIENTS = 6  # the same of a progressive JPEG, at whatever size it is decoded
ORIENTATION = 0x0112  # the EXIF entry;
TURNED = (5, 6, 7, 8)  # where it is one of these, width and height change places
_SRGB = ImageCms.createProfile("sRGB")


def read_picture(file: IO[bytes], channels: int, resolution: int | None = None, fit: Fit = "square") -> Image.Image:
    """The picture as 8-bit `RGB` (3 channels) or `L` (1 channel), upright, in sRGB.

    `resolution`: pixels on the shorter side after resizing, None or 0 as it is. Resizing keeps the central square
    (`fit="square"`), the whole picture (`"short"`), or squashes it into a square (`"squash"`); a JPEG is then decoded
    at a reduced size at once.
    Raises SfumatoError with the fault (without the name: the caller knows it).
    """
    return _guarded(lambda: _read(file, channels, resolution, fit))


def read_image(image: Image.Image, channels: int, resolution: int | None = None, fit: Fit = "square") -> Image.Image:
    """`read_picture` of one that somebody has opened already."""
    profile = image.info.get("icc_profile")
    return _guarded(lambda: _fitted(ImageOps.exif_transpose(image), profile, channels, resolution, fit))


@dataclass(frozen=True)
class Header:
    """What is known of a picture without its pixels: width and height of the upright one, and how it is stored."""

    size: tuple[int, int]
    orientation: int = 1

    def turned(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float] | None:
        """A box, left, top, right and bottom, in the picture as it is stored, in the upright one; None unless the two
        lie across each other."""
        left, top, right, bottom = box
        width, height = self.size  # of the upright one: the stored one is as wide as this is high
        if self.orientation not in TURNED:
            return None
        across = (width - bottom, width - top) if self.orientation in (6, 7) else (top, bottom)
        down = (height - right, height - left) if self.orientation in (7, 8) else (left, right)
        return across[0], down[0], across[1], down[1]


def picture_header(file: IO[bytes]) -> Header:
    """Raises SfumatoError as `read_picture` does."""

    def read() -> Header:
        with _opened(file) as image:
            orientation = image.getexif().get(ORIENTATION, 1)
            # Pillow has turned the size of a TIFF already when it opens it.
            turned = image.format != "TIFF" and orientation in TURNED
            return Header((image.height, image.width) if turned else image.size, orientation)

    return _guarded(read)


def picture_size(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of the upright picture, from its header alone. Raises SfumatoError as `read_picture` does."""
    return picture_header(file).size


def read_indices(file: IO[bytes], colours: Mapping[Colour, int] | None = None) -> tuple[NDArray[np.uint8], bool]:
    """A picture of classes as the numbers that it stores, (h, w), and whether it is a palette picture. `colours`: the
    number that each colour stands for. Raises SfumatoError as `read_picture` does."""

    def read() -> tuple[NDArray[np.uint8], bool]:
        with _loaded(file, working=8) as (image, _):
            if image.format == "JPEG":  # whose noise would be classes
                raise SfumatoError("a mask in JPEG, whose levels are blurred: save it as a palette or 8-bit grey PNG")
            if image.mode in ("P", "PA") and colours is None:
                return np.array(image.convert("P") if image.mode == "PA" else image), True
            if image.mode in ("L", "1"):
                return np.array(image.convert("L")), False
            if image.mode.startswith("I"):
                deep = np.array(image)
                if deep.min() < 0 or deep.max() > MAX_LEVEL:
                    raise SfumatoError(f"a mask with levels up to {deep.max()}: {MAX_LEVEL} at most")
                return deep.astype(np.uint8), False
            rows = max(1, BAND // image.width)
            bands = (image.crop((0, top, image.width, min(image.height, top + rows)))
                     for top in range(0, image.height, rows))  # fmt: skip
            return np.concatenate([_numbered(np.array(band.convert("RGB")), colours) for band in bands]), False

    return _guarded(read)


def _numbered(pixels: NDArray[np.uint8], colours: Mapping[Colour, int] | None) -> NDArray[np.uint8]:
    """The number of each pixel's colour (h, w): its level, if all are grey and no colours are known."""
    if colours is None:
        if (pixels == pixels[..., :1]).all():
            return np.ascontiguousarray(pixels[..., 0])
        raise SfumatoError(
            "a mask in colours, and nothing says what they mean: add a labelmap.txt (name:r,g,b), or save it as a "
            "palette or 8-bit grey PNG"
        )
    red, green, blue = (pixels[..., place].astype(np.int32) for place in range(3))
    found, places = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    meant = [(int(colour) >> 16, int(colour) >> 8 & 255, int(colour) & 255) for colour in found]
    if unknown := next((colour for colour in meant if colour not in colours), None):
        raise SfumatoError(f"a mask with the colour {','.join(map(str, unknown))}, which no class has")
    return np.array([colours[colour] for colour in meant], np.uint8)[places].reshape(pixels.shape[:2])


def _guarded(read: Callable[[], T]) -> T:
    try:
        return read()
    except (SfumatoError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise SfumatoError(f"more than {MAX_PIXELS // 1_000_000} megapixels") from None
    except Image.UnidentifiedImageError:
        raise SfumatoError("not an image in a format that can be read") from None
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise SfumatoError(f"damaged image ({str(error) or type(error).__name__})") from None


@cache
def _formats() -> list[str]:
    """Those of FORMATS that this Pillow reads. By content it would open far more, some with outside programs."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _opened(file: IO[bytes]) -> Image.Image:
    """The picture with its header read."""
    return Image.open(without_ballast(file), formats=_formats())


@contextmanager
def _loaded(
    file: IO[bytes], resolution: int | None = None, working: int = 0
) -> Iterator[tuple[Image.Image, bytes | None]]:
    """The picture as it is stored, upright, and its colour profile. `working`: bytes of a pixel that are taken
    besides while it is held."""
    packed = file.seek(0, os.SEEK_END)
    image = _opened(file)
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise SfumatoError(f"{image.width}×{image.height} pixels: more than {MAX_PIXELS // 1_000_000} megapixels")
    refuse_bomb(packed, SHALLOW.get(image.mode, 4) * pixels)
    aside = pixels * (COEFFICIENTS if "progressive" in image.info else CODED.get(image.format or "", 0))
    if resolution:
        image.draft(None, (2 * resolution, 2 * resolution))
        pixels = image.width * image.height
    stored = SHALLOW.get(image.mode, 4) * pixels
    with taking(2 * stored + aside + working * pixels):
        image.load()
        profile = image.info.get("icc_profile")
        ImageOps.exif_transpose(image, in_place=True)
        yield image, profile


def _finished(image: Image.Image, profile: bytes | None, mode: str) -> Image.Image:
    """An opaque 8-bit picture in sRGB and in `mode`."""
    if profile and image.mode in ("RGB", "CMYK", "L"):
        image = _to_srgb(image, profile)
    return image if image.mode == mode else image.convert(mode)


def _read(file: IO[bytes], channels: int, resolution: int | None, fit: Fit) -> Image.Image:
    with _loaded(file, resolution, working=0 if resolution else 4) as (image, profile):
        return _fitted(image, profile, channels, resolution, fit)


def _fitted(image: Image.Image, profile: bytes | None, channels: int, resolution: int | None, fit: Fit) -> Image.Image:
    whole, mode = (0, 0, *image.size), "RGB" if channels == 3 else "L"
    large = image.width * image.height > LARGE
    if not resolution:
        return _in_bands(image, profile, mode, whole, (1, 1)) if large else _opaque(image, profile, mode)
    side = min(image.size)
    width, height = image.size if fit != "square" else (side, side)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    size = (resolution, resolution) if fit == "squash" else _scaled(width, height, resolution)
    box = (left, top, left + width, top + height)
    if large:
        factors = max(1, int(width / size[0] / GAP)), max(1, int(height / size[1] / GAP))
        across, down = 2.5 * width / size[0], 2.5 * height / size[1]  # how far the filter reaches, as Pillow reckons it
        inner = (
            max(0, int(box[0] - across)),
            max(0, int(box[1] - down)),
            min(image.width, math.ceil(box[2] + across)),
            min(image.height, math.ceil(box[3] + down)),
        )
        image = _in_bands(image, profile, mode, inner, factors)
        left, right = ((edge - inner[0]) / factors[0] for edge in box[::2])
        top, bottom = ((edge - inner[1]) / factors[1] for edge in box[1::2])
        return image.resize(size, Image.Resampling.LANCZOS, (left, top, right, bottom))
    # The gap lets Pillow shrink by whole factors first: as sharp as Lanczos alone, and fast on large photographs.
    return _opaque(image, profile, mode).resize(size, Image.Resampling.LANCZOS, box, reducing_gap=GAP)


def _opaque(image: Image.Image, profile: bytes | None, mode: str) -> Image.Image:
    """The whole of it, on white, in sRGB, in `mode`."""
    if _has_alpha(image):
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return _finished(_eight_bit(image), profile, mode)


def _in_bands(
    image: Image.Image, profile: bytes | None, mode: str, box: tuple[int, int, int, int], factors: tuple[int, int]
) -> Image.Image:
    """`_opaque` of a part, shrunk by whole factors across and down, without a second picture of its size."""
    left, top, right, bottom = box
    made = Image.new(mode, (math.ceil((right - left) / factors[0]), math.ceil((bottom - top) / factors[1])))
    rows = math.ceil(BAND / (right - left) / factors[1]) * factors[1]
    for begin in range(top, bottom, rows):
        band = image.crop((left, begin, right, min(bottom, begin + rows)))
        made.paste(_opaque(band, profile, mode).reduce(factors), (0, (begin - top) // factors[1]))
    return made


def _scaled(width: int, height: int, shorter: int) -> tuple[int, int]:
    if max(width, height) > MAX_RATIO * min(width, height):
        raise SfumatoError(f"{width}×{height} pixels: more than {MAX_RATIO} times as long as wide")
    scale = shorter / min(width, height)
    return max(shorter, round(width * scale)), max(shorter, round(height * scale))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _eight_bit(image: Image.Image) -> Image.Image:
    """Modes of more than 8 bits scaled to 8; the rest as it is."""
    if image.mode.startswith("I"):  # I;16 and its byte orders; I is what some 16-bit files decode to
        values = np.asarray(image)
        if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
            raise SfumatoError("integers beyond 16 bits: save it with 8 or 16 bits per channel")
        return Image.fromarray((values // 257).astype(np.uint8))
    if image.mode == "F":
        raise SfumatoError("floating-point pixels: save it with 8 or 16 bits per channel")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    with suppress(ImageCms.PyCMSError, OSError):  # a damaged profile, or one for another mode: the pixels stand
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "L" if image.mode == "L" else "RGB"
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
        if converted is not None:
            return converted.convert(mode)
    return image


def read_layers(file: IO[bytes]) -> tuple[Image.Image, Image.Image | None]:
    """A whole picture as 8-bit `RGB`, upright, in sRGB, and its transparency as `L` if it has any.

    Colours are not laid on anything: those of see-through pixels are what the file has, or the mean of the others where
    nothing shows. Raises SfumatoError as `read_picture` does.
    """

    def read() -> tuple[Image.Image, Image.Image | None]:
        with _loaded(file, working=17) as (image, profile):
            return _layers(image, profile)

    return _guarded(read)


def layers_of(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """`read_layers` of a picture that somebody has opened already."""
    return _guarded(lambda: _layers(ImageOps.exif_transpose(image), image.info.get("icc_profile")))


def _layers(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, Image.Image | None]:
    if not _has_alpha(image):
        return _finished(_eight_bit(image), profile, "RGB"), None
    layer = image.convert("RGBA")
    alpha = layer.getchannel("A")
    colours = _finished(layer.convert("RGB"), profile, "RGB")
    if alpha.getextrema() == (255, 255):
        return colours, None
    pixels, shown = np.array(colours), np.asarray(alpha) > 0
    pixels[~shown] = pixels[shown].mean(0).round() if shown.any() else 255
    return Image.fromarray(pixels), alpha


def to_tensor(image: Image.Image) -> "Tensor":
    """uint8 (c, h, w) in [0, 255] from an `RGB` or `L` picture."""
    import torch

    values = torch.from_numpy(np.array(image))
    return values.permute(2, 0, 1).contiguous() if values.dim() == 3 else values[None]


def to_bytes(images: "Tensor") -> "Tensor":
    """uint8 on the CPU from values in [0, 1], of any shape; values beyond are cut off."""
    return images.detach().float().clamp(0, 1).mul(255).round().byte().cpu()


def to_picture(image: "Tensor") -> Image.Image:
    """The picture of (1|3, h, w) values in [0, 1]; values beyond are cut off."""
    levels = to_bytes(image)
    if levels.shape[0] == 1:
        return Image.fromarray(levels[0].numpy())
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


WRITERS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
    ".bmp": "BMP",
}  # fmt: skip
QUALITY = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}, "AVIF": {"quality": 90},
           "TIFF": {"compression": "tiff_adobe_deflate"}}  # fmt: skip
OPAQUE = ("JPEG", "BMP")
LONGEST = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 32_768}  # pixels on a side, that the usual libraries write and read


def writer(path: Path, size: tuple[int, int] = (1, 1)) -> str:
    """The format that `path` asks for by its ending. Raises SfumatoError if it cannot be written here, not in that
    size, or not under that name: worth asking before the work begins."""
    Image.init()
    name = WRITERS.get(path.suffix.lower(), "")
    if name not in Image.SAVE:
        raise SfumatoError(f"{path}: pictures are written as {', '.join(WRITERS)}, not as {path.suffix or 'nothing'!r}")
    if name in LONGEST and max(size) > LONGEST[name]:
        raise SfumatoError(f"{path}: {name} pictures have at most {LONGEST[name]:,} pixels a side, not {max(size):,}")
    folder = next(folder for folder in path.parents if folder.exists())  # the last ones may have to be made
    try:
        (folder / path.name).lstat()
    except FileNotFoundError:
        pass
    except OSError as error:  # mostly a name that is too long
        raise SfumatoError(f"{path}: cannot be written ({error.strerror})") from None
    return name


def write_picture(image: Image.Image, path: Path, alpha: Image.Image | None = None, note: str = "") -> None:
    """Writes an `RGB` picture, whole or not at all, in the format of the ending of `path`.

    `alpha`: its transparency, laid on white where the format has none. `note`: kept in a PNG's text, under `sfumato`.
    """
    name = writer(path, image.size)
    if alpha is not None:
        image = image.copy()
        image.putalpha(alpha)
        if name in OPAQUE:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    options: dict[str, Any] = dict(QUALITY.get(name, {}))
    if name == "PNG" and note:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("sfumato", note)
    buffer = io.BytesIO()  # Pillow's encoders, given a file, do not say why it cannot be written
    try:
        image.save(buffer, name, **options)
    except (ValueError, OSError, RuntimeError) as error:
        raise SfumatoError(f"{path}: cannot be written as {name} ({error})") from None
    write_bytes(path, buffer.getvalue())
