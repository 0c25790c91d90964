"""How tall and how wide a pixel of a DICOM frame is.

PS3.3 10.7 (spacing), C.7.6.3.1.7 (aspect ratio), C.8.5.5 (regions of ultrasound).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .squares import is_square, pixel_aspect

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
"""Distance between rows, then between columns, in mm; the aspect ratio counts only where none of them is there."""
FLAT, CENTIMETRES = 1, 3
"""`RegionSpatialFormat` of a picture of tissue, and the physical unit of its pixels."""


def frame_aspect(header: Dataset, index: int) -> float:
    """Height over width of a pixel of one frame; 1 where the header says nothing.

    The frame's own PixelSpacing counts before the shared one, this before that of the top level, then the spacing at
    the detector, that of a scanned film, PixelAspectRatio, and the regions of an ultrasound picture where they agree.
    """
    for value in (*_measures(header, index), *(_raw(header, name) for name in (*SPACINGS, "PixelAspectRatio"))):
        sides = _numbers(value)
        if len(sides) == 2 and (aspect := pixel_aspect(*sides)) is not None:
            return aspect
    return _of_regions(header)


def _measures(header: Dataset, index: int) -> Iterator[Any]:
    """PixelSpacing of the functional groups of one frame, its own first (PS3.3 C.7.6.16.2.1)."""
    each = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for group in (*each[index : index + 1], *shared[:1]):
        for item in (group.get("PixelMeasuresSequence") or [])[:1]:
            yield _raw(item, "PixelSpacing")


def _raw(header: Dataset, keyword: str) -> Any:
    """A value as it stands in the file: pydicom refuses decimal commas."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    return header.get_item(tag).value if tag is not None and tag in header else None


def _numbers(value: Any) -> list[float]:
    """The numbers of a value, none where one of them is none."""
    text = value.decode("ascii", "replace").split("\\") if isinstance(value, bytes) else value
    parts = [] if text is None else [text] if isinstance(text, str | int | float) else list(text)
    try:
        return [float(str(part).strip(" \0").replace(",", ".")) for part in parts]
    except ValueError:
        return []


def _of_regions(header: Dataset) -> float:
    """Height over width of a pixel by the regions of an ultrasound picture, where all show tissue and agree."""
    found: set[float] = set()
    for region in header.get("SequenceOfUltrasoundRegions") or []:
        units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
        if region.get("RegionSpatialFormat") != FLAT or units != (CENTIMETRES, CENTIMETRES):
            return 1.0
        down, across = (abs(float(region.get(f"PhysicalDelta{axis}") or 0)) for axis in "YX")
        found.add(pixel_aspect(down, across) or 1.0)
    aspects = sorted(found)
    return aspects[0] if aspects and is_square(aspects[-1] / aspects[0]) else 1.0
