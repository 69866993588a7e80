"""The image contract: whatever a camera, a scanner or a web page left, read right or refused in one line.

EXIF orientation is applied; colour profiles are brought to sRGB; grey, RGBA, CMYK, palette and 16-bit images become
8-bit RGB or grey; of an animation the first frame is taken; transparent pixels lie on white.
"""

import io
from contextlib import suppress
from functools import cache
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from ..errors import SfumatoError

ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
MAX_PIXELS = 178_000_000  # just below Pillow's own limit
_SRGB = ImageCms.createProfile("sRGB")


def read_picture(file: IO[bytes], channels: int, resolution: int | None = None) -> Image.Image:
    """The picture as 8-bit `RGB` (3 channels) or `L` (1 channel), upright, in sRGB.

    `resolution` cuts the central square and resizes it to that many pixels a side; a JPEG is then decoded at a
    reduced size at once. Raises SfumatoError with the fault (without the name: the caller knows it).
    """
    try:
        return _read(file, channels, resolution)
    except SfumatoError:
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


def _read(file: IO[bytes], channels: int, resolution: int | None) -> Image.Image:
    image = Image.open(file, formats=_formats())
    if image.width * image.height > MAX_PIXELS:
        raise SfumatoError(f"{image.width}×{image.height} pixels: more than {MAX_PIXELS // 1_000_000} megapixels")
    if resolution is not None:
        image.draft(None, (2 * resolution, 2 * resolution))
    image.load()
    profile = image.info.get("icc_profile")
    image = _opaque_eight_bit(ImageOps.exif_transpose(image))
    if profile and image.mode in ("RGB", "CMYK", "L"):
        image = _to_srgb(image, profile)
    image = image.convert("RGB" if channels == 3 else "L")
    if resolution is not None:
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        # The gap lets Pillow shrink by whole factors first: as sharp as Lanczos alone, and fast on large photographs.
        image = image.resize(
            (resolution, resolution), Image.Resampling.LANCZOS, (left, top, left + side, top + side), reducing_gap=3.0
        )
    return image


def _opaque_eight_bit(image: Image.Image) -> Image.Image:
    """Modes of more than 8 bits scaled to 8, transparency laid on white; the rest as it is."""
    if image.mode.startswith("I"):  # I;16 and its byte orders; I is what some 16-bit files decode to
        values = np.asarray(image)
        if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
            raise SfumatoError("integers beyond 16 bits: save it with 8 or 16 bits per channel")
        return Image.fromarray((values // 257).astype(np.uint8))
    if image.mode == "F":
        raise SfumatoError("floating-point pixels: save it with 8 or 16 bits per channel")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    return image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    with suppress(ImageCms.PyCMSError, OSError):  # a damaged profile, or one for another mode: the pixels stand
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "L" if image.mode == "L" else "RGB"
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
        if converted is not None:
            return converted.convert(mode)
    return image


def to_tensor(image: Image.Image) -> Tensor:
    """uint8 (c, h, w) in [0, 255] from an `RGB` or `L` picture."""
    values = torch.from_numpy(np.array(image))
    return values.permute(2, 0, 1).contiguous() if values.dim() == 3 else values[None]


def to_picture(image: Tensor) -> Image.Image:
    """The picture of (1|3, h, w) values in [0, 1]; values beyond are cut off."""
    levels = image.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
    if levels.shape[0] == 1:
        return Image.fromarray(levels[0].numpy())
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
