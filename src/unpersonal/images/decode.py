"""Raster files to pixels. Legend: C channels (1 grey, 3 colour), H rows, W columns.

PNG and JPEG of the plain kinds go through faster decoders than Pillow's (kornia-rs, simplejpeg; benchmarks/ingest.py);
whatever these decline, and every other format, goes through Pillow, whose verdict counts.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.extras import refuse_missing
from .picture import ImageError, Picture, check_size
from .reasons import Reason
from .squares import density_aspect, is_square, squared

GREY_TOLERANCE = 4
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
JPEG_MARK = b"\xff\xd8\xff"
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
X_RESOLUTION, Y_RESOLUTION = 282, 283
TOP = 65535
MULTI_FRAME = ("TIFF", "WEBP", "PNG")


def decode(data: bytes) -> np.ndarray:
    """Pixels uint8 or uint16 [C, H, W] of a raster file at full size; `ImageError` where there is no usable picture."""
    return decode_raster(data).pixels


def decode_raster(data: bytes, enough: int | None = None, window: tuple[float, float] | None = None) -> Picture:
    """Picture of a PNG, JPEG, TIFF, BMP or WebP file, turned as its orientation tag says.

    Grey stays one channel (8 or 16 bit), palettes, CMYK and alpha (over black) become RGB or grey; colour deeper than
    8 bits is read as 8 bits. 32-bit and floating-point grey is stretched to 16 bit from its own minimum to its maximum
    unless it already is 16-bit data. `window` (centre, width in stored units) maps grey deeper than 8 bits to the whole
    16-bit range; it leaves colour alone. A TIFF in which 0 is white is inverted, after the window. A JPEG may come at a
    reduced size, both sides at least `enough`. Where its resolution clearly differs across and down, pixels are made
    square. `ImageError` with reason unreadable, too-large, too-small, frames, pixel-aspect or not-finite where there is
    no usable picture.
    """
    if (plain := _plain_jpeg(data, enough)) is not None:
        return plain
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            # Pillow warns about sizes and tags that are judged here
            warnings.simplefilter("ignore")
            return _picture(image, data, window)
    except ImageError:
        raise
    except UnidentifiedImageError:
        from .other_formats import named

        what = named(data) or "the content is none of PNG, JPEG, TIFF, BMP and WebP"
        raise ImageError(Reason.UNREADABLE, what) from None
    except Image.DecompressionBombError as error:
        raise ImageError(Reason.TOO_LARGE, str(error)) from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError …
        refuse_missing(error)
        detail = " ".join(str(error).split())
        raise ImageError(Reason.UNREADABLE, _without_address(f"{type(error).__name__}: {detail}")) from None


def bits_of(data: bytes) -> int:
    """Bits per channel of a raster file, by its header alone; `ImageError` (unreadable) where there is none."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            warnings.simplefilter("ignore")
            return _bits(image)
    except Exception as error:  # as in `decode_raster`
        refuse_missing(error)
        raise ImageError(Reason.UNREADABLE, type(error).__name__) from None


def check_content(pixels: np.ndarray) -> None:
    """`ImageError` with reason constant where every pixel of [C, H, W] has the same value."""
    if (pixels[:, 0] == pixels[:, 0, :1]).all() and (pixels == pixels[:, :1, :1]).all():
        raise ImageError(Reason.CONSTANT, f"every pixel is {pixels[:, 0, 0].tolist()}")


def is_grey(pixels: np.ndarray) -> bool:
    """Whether [C, H, W] holds grey content: one channel, or channels that differ by at most 4/255 anywhere."""
    if pixels.shape[0] == 1:
        return True
    first, second, third = pixels[:3]
    if np.array_equal(first, second) and np.array_equal(second, third):
        return True
    tolerance = GREY_TOLERANCE * (257 if pixels.dtype == np.uint16 else 1)
    return int((pixels.max(axis=0) - pixels.min(axis=0)).max()) <= tolerance


def _picture(image: Image.Image, data: bytes, window: tuple[float, float] | None) -> Picture:
    width, height = image.size
    check_size(height, width)
    if image.format in MULTI_FRAME and getattr(image, "n_frames", 1) > 1:
        raise ImageError(Reason.FRAMES, f"{image.n_frames} frames in one file")  # type: ignore[attr-defined]
    bits = _bits(image)
    pixels = _plain_png(image, data)
    if pixels is None:
        pixels = _to_array(ImageOps.exif_transpose(image), window)
    deep = pixels.dtype == np.uint16
    if deep and _white_is_zero(image):  # Pillow inverts up to 8 bits only
        pixels = TOP - pixels
    shown = np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
    aspect = _aspect(image)
    if _orientation(image, data) in SIDEWAYS:
        width, height, aspect = height, width, 1 / aspect
    return squared(Picture(shown, height, width, bits, windowed=window is not None and deep), aspect)


def _raw_mode(image: Image.Image) -> str:
    """How Pillow names the form of the pixels in the file."""
    tile = getattr(image, "tile", None)
    return str(tile[0][3]) if tile else ""


def _bits(image: Image.Image) -> int:
    """Bits per channel as stored."""
    raw = _raw_mode(image)
    if image.mode == "1":
        return 1
    if image.mode.startswith("I;16") or ";16" in raw:
        return 16
    return 32 if image.mode in ("I", "F") else 8


def _white_is_zero(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _orientation(image: Image.Image, data: bytes) -> int:
    """EXIF orientation, 1 where there is none."""
    # Pillow decodes a whole PNG to look for EXIF behind the pixels
    if image.format == "PNG" and b"eXIf" not in data:
        return 1
    return int(image.getexif().get(ORIENTATION, 1))


def _aspect(image: Image.Image) -> float:
    """Height over width of a pixel as stored, by the resolution that the file gives."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        found = (tags.get(X_RESOLUTION), tags.get(Y_RESOLUTION))
    else:
        told = (image.info.get(name) for name in ("jfif_density", "aspect", "dpi"))  # aspect: PNG without a unit
        found = next((pair for pair in told if pair), (None, None))
    try:
        across, down = (float(value) for value in found)
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0
    return density_aspect(across, down)


def _jfif_aspect(data: bytes) -> float:
    """Height over width of a pixel by the density in the JFIF header (ITU-T T.871, 10.1)."""
    if data[6:11] != b"JFIF\x00":
        return 1.0
    return density_aspect(int.from_bytes(data[14:16], "big"), int.from_bytes(data[16:18], "big"))


def _plain_jpeg(data: bytes, enough: int | None) -> Picture | None:
    """Picture of an upright grey or YCbCr JPEG of 8 bits; None where Pillow has to look at it."""
    if not data.startswith(JPEG_MARK) or b"Exif\x00" in data:
        return None
    import simplejpeg

    try:
        height, width, kind, _ = simplejpeg.decode_jpeg_header(data)
        if kind not in ("Gray", "YCbCr"):
            return None
        check_size(height, width)
        if not is_square(_jfif_aspect(data)):
            return None
        size = {} if enough is None else {"min_height": enough, "min_width": enough}
        if kind == "Gray":
            grey = simplejpeg.decode_jpeg(data, "GRAY", **size)
            return Picture(grey.reshape(1, *grey.shape[:2]), height, width, 8)
        pixels = simplejpeg.decode_jpeg(data, "RGBX", **size)
    except (ValueError, RuntimeError):
        return None
    # comparing and picking channels over strides costs more than decoding them: neighbouring bytes, one word a pixel
    row = pixels.reshape(-1)
    differs = np.empty_like(row)
    np.bitwise_xor(row[1:], row[:-1], out=differs[:-1])
    differs[-1] = 0
    if not int(np.bitwise_or.reduce(differs.view("<u4"))) & 0xFFFF:
        return Picture(pixels.view("<u4")[..., 0].astype(np.uint8)[None], height, width, 8)
    return Picture(np.ascontiguousarray(pixels[..., :3].transpose(2, 0, 1)), height, width, 8)


def _plain_png(image: Image.Image, data: bytes) -> np.ndarray | None:
    """[H, W] or [H, W, 3] uint8 of an 8-bit grey or RGB PNG; None where Pillow has to look at it."""
    raw = _raw_mode(image)
    if image.format != "PNG" or raw not in ("L", "RGB") or image.info.get("transparency") is not None:
        return None
    if image.info.get("interlace") or _orientation(image, data) != 1:
        return None
    import kornia_rs.io

    width, height = image.size
    try:
        pixels = kornia_rs.io.decode_image_png_u8(data, (height, width), "mono" if raw == "L" else "rgb")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of the Rust decoder is no Exception
        return None
    return pixels[..., 0] if raw == "L" else pixels


def _to_array(image: Image.Image, window: tuple[float, float] | None) -> np.ndarray:
    """Pixels [H, W] or [H, W, 3] as uint8 or uint16."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _to_16_bit(np.asarray(image), window)
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


def _to_16_bit(values: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """uint16 [H, W] of 16-bit, 32-bit or floating-point grey."""
    if not np.isfinite(values).all():
        raise ImageError(Reason.NOT_FINITE, "NaN or infinite pixel values")
    if window is not None:
        return apply_window(values, window)
    if values.dtype == np.uint16:
        return values
    low, high = float(values.min()), float(values.max())
    if np.issubdtype(values.dtype, np.integer) and low >= 0 and high <= 65535:
        return values.astype(np.uint16)
    scale = 65535.0 / (high - low) if high > low else 0.0
    return np.rint((values.astype(np.float64) - low) * scale).astype(np.uint16)


def apply_window(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """uint16, same shape: centre - width/2 becomes 0, centre + width/2 becomes 65535, linear in between."""
    centre, width = window
    share = (values.astype(np.float64) - (centre - width / 2)) / width
    return np.rint(np.clip(share, 0.0, 1.0) * 65535.0).astype(np.uint16)


def _without_address(text: str) -> str:
    """Drop object addresses that Pillow puts into messages, so that quarantine.csv is the same in every run."""
    return text.split(" <")[0] if " <_io" in text else text
