"""File content to pixels. Legend: C channels (1 grey, 3 colour), H rows, W columns."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from .sources import ImageError

MAX_PIXELS = 64 * 2**20  # 8192 × 8192
MIN_SIDE = 8
GREY_TOLERANCE = 4
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")


def decode(data: bytes) -> np.ndarray:
    """Pixels uint8 or uint16 [C, H, W] of a PNG, JPEG, TIFF, BMP or WebP file, turned as its orientation tag says.

    Grey stays one channel (8 or 16 bit), palettes and alpha (over black) become RGB or grey. 32-bit and floating-point
    grey is stretched to 16 bit from its own minimum to its maximum unless it already is 16-bit data. `ImageError`
    with reason unreadable, too-large, too-small or not-finite where there is no usable picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_header(image)
            pixels = _to_array(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too-large", str(error)) from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError …
        detail = " ".join(str(error).split())
        raise ImageError("unreadable", _without_address(f"{type(error).__name__}: {detail}")) from None
    return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def check_content(pixels: np.ndarray) -> None:
    """`ImageError` with reason constant where every pixel of [C, H, W] has the same value."""
    if (pixels == pixels[:, :1, :1]).all():
        raise ImageError("constant", f"every pixel is {pixels[:, 0, 0].tolist()}")


def is_grey(pixels: np.ndarray) -> bool:
    """Whether [C, H, W] holds grey content: one channel, or channels that differ by at most 4/255 anywhere."""
    if pixels.shape[0] == 1:
        return True
    tolerance = GREY_TOLERANCE * (257 if pixels.dtype == np.uint16 else 1)
    return int((pixels.max(axis=0) - pixels.min(axis=0)).max()) <= tolerance


def _check_header(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError("too-large", f"{width} × {height} pixels")
    if min(width, height) < MIN_SIDE:
        raise ImageError("too-small", f"{width} × {height} pixels")
    if getattr(image, "n_frames", 1) > 1:
        raise ImageError("frames", f"{image.n_frames} frames in one file")  # type: ignore[attr-defined]


def _to_array(image: Image.Image) -> np.ndarray:
    """Pixels [H, W] or [H, W, 3] as uint8 or uint16."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _to_16_bit(np.asarray(image))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode == "LA":
        return _over_black(np.asarray(image))[..., 0]
    if image.mode in ("RGBA", "PA") or "transparency" in image.info:
        return _over_black(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _over_black(pixels: np.ndarray) -> np.ndarray:
    """Composite [H, W, n + alpha] uint8 over black."""
    weighted = pixels[..., :-1].astype(np.uint16) * pixels[..., -1:]
    return ((weighted + 127) // 255).astype(np.uint8)


def _to_16_bit(values: np.ndarray) -> np.ndarray:
    """uint16 [H, W] of 16-bit, 32-bit or floating-point grey."""
    if values.dtype == np.uint16:
        return values
    if not np.isfinite(values).all():
        raise ImageError("not-finite", "NaN or infinite pixel values")
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(values.dtype, np.integer) and low >= 0 and high <= 65535:
        return values.astype(np.uint16)
    scale = 65535.0 / (high - low) if high > low else 0.0
    return np.rint((values.astype(np.float64) - low) * scale).astype(np.uint16)


def _without_address(text: str) -> str:
    """Drop object addresses that Pillow puts into messages, so that quarantine.csv is the same in every run."""
    return text.split(" <")[0] if " <_io" in text else text
