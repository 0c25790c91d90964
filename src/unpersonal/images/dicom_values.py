"""Stored DICOM values to grey: padding, modality transform, window or look-up table, polarity. PS3.3 C.7.6.3, C.11.

Legend: H rows, W columns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .picture import ImageError
from .reasons import Reason

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TOP = 65535
BLOCK = 2**20  # pixels
# functional groups of enhanced objects that hold what other objects have at the top level (PS3.3 C.7.6.16)
FRAME_GROUPS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")
VALUES = (
    "BitsAllocated", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "FloatPixelPaddingValue",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction",
)  # fmt: skip


def frame_values(header: Dataset, index: int) -> dict[str, Any]:
    """What bears on the grey values of one frame: top level, then shared, then per-frame functional groups."""
    found = {name: header.get(name) for name in VALUES}
    shared = header.get("SharedFunctionalGroupsSequence") or []
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*shared[:1], *each[index : index + 1]):
        for sequence in FRAME_GROUPS:
            for item in (group.get(sequence) or [])[:1]:
                found |= {name: item.get(name) for name in VALUES if name in item}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def to_grey(
    stored: np.ndarray, values: dict[str, Any], window: tuple[float, float] | None, inverted: bool, big_endian: bool
) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """Grey uint16 [H,W] of stored values (integers or floating point), whether a window was applied, and the padding.

    Windowed, 0..65535 is the window: `window` (centre and width after rescale, its edges being black and white), else
    the file's first VOI LUT, else its first window. Otherwise the values start at 0, stretched only where they span
    more than 65535 or are no integers. Padding (bool [H,W], None where there is none) counts for nothing and becomes
    black, whatever `inverted` (MONOCHROME1) makes of the rest.
    `ImageError` not-finite for NaN and infinities outside the padding, unreadable for values that cannot be had.
    """
    padding = _padding(stored, values)
    if padding is not None and not padding.any():
        padding = None
    valid = stored if padding is None else stored[~padding]
    if not valid.size:
        return np.zeros(stored.shape, np.uint16), False, padding
    if stored.dtype.kind == "f" and not np.isfinite(valid).all():
        raise ImageError(Reason.NOT_FINITE, "NaN or infinite pixel values")
    low, high = valid.min(), valid.max()
    if stored.dtype.kind != "f" and int(high) - int(low) <= TOP:
        # every step is pointwise: the few values that occur stand for the many pixels
        table, windowed = _shown(np.arange(int(low), int(high) + 1), values, window, inverted, big_endian)
        grey = np.empty(stored.shape, np.uint16)
        step = max(1, BLOCK // stored.shape[1])  # an index takes four times the memory of the pixels
        for top in range(0, len(stored), step):
            index = stored[top : top + step].astype(np.int64) - int(low)
            np.take(table, index, out=grey[top : top + step], mode="clip")
    else:
        filled = stored if padding is None else np.where(padding, low, stored)
        grey, windowed = _shown(filled.astype(np.float64), values, window, inverted, big_endian)
    if padding is not None:
        grey[padding] = 0
    return grey, windowed, padding


def _padding(stored: np.ndarray, values: dict[str, Any]) -> np.ndarray | None:
    """Where the pixels are padding (PS3.3 C.7.5.1.1.2), if the header declares any."""
    if stored.dtype.kind == "f":
        value = values.get("FloatPixelPaddingValue")
        return None if value is None else stored == np.float64(value)
    if (value := values.get("PixelPaddingValue")) is None:
        return None
    # some writers give a signed value as the unsigned number with the same bits
    turn = 2 ** int(values["BitsAllocated"]) if values.get("PixelRepresentation") == 1 else 0
    edges = [int(edge) - (turn if turn and int(edge) >= turn // 2 else 0) for edge in (value, _limit(values))]
    return (stored >= min(edges)) & (stored <= max(edges))


def _limit(values: dict[str, Any]) -> Any:
    return values.get("PixelPaddingRangeLimit", values["PixelPaddingValue"])


def _shown(
    stored: np.ndarray, values: dict[str, Any], window: tuple[float, float] | None, inverted: bool, big_endian: bool
) -> tuple[np.ndarray, bool]:
    """uint16 of the shape of `stored`, and whether a window was applied."""
    lut = _first(values.get("VOILUTSequence"))
    view = _window(values, window)
    rescaled, rising = _modality(stored, values, big_endian)
    if lut is not None and window is None:
        shown, bits = _look_up(rescaled, lut, big_endian)
        grey = np.rint(np.minimum(shown / (2**bits - 1), 1.0) * TOP)
    elif view is not None:
        from pydicom.pixels import apply_windowing

        grey = np.rint(apply_windowing(rescaled, view))
    else:
        return _from_zero(rescaled if values.get("ModalityLUTSequence") else stored, rising != inverted), False
    return (TOP - grey if inverted else grey).astype(np.uint16), True


def _modality(stored: np.ndarray, values: dict[str, Any], big_endian: bool) -> tuple[np.ndarray, bool]:
    """Values after the modality LUT or rescale, and whether they rise with the stored ones."""
    if (lut := _first(values.get("ModalityLUTSequence"))) is not None:
        return _look_up(stored, lut, big_endian)[0], True
    slope = float(values.get("RescaleSlope", 1))
    intercept = float(values.get("RescaleIntercept", 0))
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ImageError(Reason.UNREADABLE, "the rescale slope or intercept is no number")
    if slope == 0:
        raise ImageError(Reason.UNREADABLE, "the rescale slope is 0")
    return stored * slope + intercept, slope > 0


def _window(values: dict[str, Any], window: tuple[float, float] | None) -> Dataset | None:
    """What pydicom's `apply_windowing` needs for an output of 0..65535; None without a usable window."""
    from pydicom.dataset import Dataset

    if window is not None:
        centre, width, function = *window, "LINEAR_EXACT"
    elif "WindowCenter" in values and "WindowWidth" in values:
        centre, width = (float(_first_number(values[name])) for name in ("WindowCenter", "WindowWidth"))
        function = str(values.get("VOILUTFunction", "LINEAR")).upper()
    else:
        return None
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise ImageError(Reason.UNREADABLE, "the VOI LUT function is none that the standard knows")
    # a width that the standard forbids (writers put 0 for none) says nothing
    if not (math.isfinite(centre) and math.isfinite(width)) or width < 1e-9 or (function == "LINEAR" and width < 1):
        return None
    view = Dataset()
    view.PhotometricInterpretation, view.PixelRepresentation, view.BitsStored = "MONOCHROME2", 0, 16
    view.VOILUTFunction = function
    # as decimal strings they could have 16 characters only
    view.add_new("WindowCenter", "FD", centre)
    view.add_new("WindowWidth", "FD", width)
    return view


def _first_number(value: Any) -> Any:
    return value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value


def _first(sequence: Any) -> Dataset | None:
    return sequence[0] if sequence else None


def _look_up(stored: np.ndarray, item: Dataset, big_endian: bool) -> tuple[np.ndarray, int]:
    """Entries of a LUT for values, those outside taking its ends, and the bits of an entry (PS3.3 C.11.1.1.1).

    pydicom's own keeps the index in the type of the entries, and so wraps where 8-bit entries are more than 256.
    """
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    entries = entries or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        wide = ">u2" if big_endian else "<u2"
        data = np.frombuffer(data, np.uint8 if bits == 8 and len(data) < 2 * entries else wide)
    table = np.atleast_1d(np.asarray(data)).astype(np.int64)[:entries]
    if not 1 <= bits <= 16 or len(table) != entries:
        raise ImageError(Reason.UNREADABLE, "a look-up table is not as long as it says")
    return table[np.clip(np.rint(stored).astype(np.int64) - first, 0, entries - 1)], bits


def _from_zero(values: np.ndarray, rising: bool) -> np.ndarray:
    """uint16 that starts at 0 and rises, or falls, with the values."""
    low, high = values.min(), values.max()
    shifted = values - low if rising else high - values
    if values.dtype.kind == "f" or high - low > TOP:
        span = float(high - low)
        shifted = np.rint(shifted * (TOP / span)) if span > 0 else shifted
    return shifted.astype(np.uint16)
