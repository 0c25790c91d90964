"""NIfTI volumes to headers and slices, by nibabel. Legend: C channels (1 grey, 3 colour), H rows, W columns.

Slices are cut from the volume as its affine says it lies in the body, turned to the nearest of the 48 orientations
along its axes; where the sides of a voxel differ within a slice, its pixels are made square. Pictures are in
radiological convention: axial with the front above, coronal with the head above, both with the patient's right on the
left; sagittal with the head above and the face to the left.
"""

from __future__ import annotations

import gzip
import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..core.extras import refuse_missing
from .picture import MAX_VOLUME, DecodeOptions, ImageError, Picture, check_size
from .reasons import Reason
from .squares import pixel_aspect, squared

if TYPE_CHECKING:
    from nibabel import Nifti1Header

T = TypeVar("T")

GZIP = b"\x1f\x8b"
HEADER_BYTES = {1: 348, 2: 540}
LONGEST_HEADER = 540
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}  # of a volume in RAS+: to the right, to the front, up
PERCENTILES = (0.5, 99.5)
MAX_SAMPLE = 2**22
MAX_OFFSET = 2**24  # of the voxels; extensions of the header stand before them
LABEL_INTENT = 1002  # NIFTI_INTENT_LABEL
FEW_LABELS = 64
TOP = 65535


@dataclass(frozen=True)
class NiftiHeader:
    """What the header says: voxels along right, front and up [3], bytes of a voxel, and whether it is colour.

    `flat` is the axis of a file that holds one picture (two dimensions, or one voxel along one axis), else None.
    """

    shape: tuple[int, int, int]
    flat: int | None
    bits: int
    colour: bool
    labels: bool = False
    """Whether the header says that the values are labels (intent code)."""

    def slices(self, axis: str) -> int:
        """Slices along `axis` (sagittal, coronal, axial); of a flat file there is one."""
        return 1 if self.flat is not None else self.shape[AXES[axis]]


def read_nifti_header(data: bytes) -> NiftiHeader:
    """The header of a NIfTI file (plain or gzip) from its content or a beginning of a kilobyte or more.

    Raises nothing but `ImageError`: unreadable, dimensions (more than three, or none), too-large.
    """
    return _guarded(lambda: _Layout.of(_unpacked(data, LONGEST_HEADER)).header)


def decode_nifti(data: bytes, fragments: Sequence[str], options: DecodeOptions) -> list[Picture | ImageError]:
    """Pictures of the slices `slice=K` along `options.slice_axis` of the volume in RAS+, from left, back or below.

    The only picture of a flat file is `""` or `slice=0`. Grey is uint16 [1,H,W] in the window (`options.window`, centre
    and width after scaling, else the 0.5 and 99.5 percentiles of the whole volume); colour is uint8 [3,H,W] as it is. A
    slice with NaN or infinite voxels is not-finite. Raises nothing but `ImageError`, for what is wrong with the file.
    """
    volume = _guarded(lambda: _Volume(data, options))
    found: list[Picture | ImageError] = []
    for fragment in fragments:
        try:
            found.append(_guarded(lambda fragment=fragment: volume.picture(fragment)))  # type: ignore[misc]
        except ImageError as error:
            found.append(error)
    return found


def is_label_volume(data: bytes) -> bool:
    """Whether a volume holds labels: its header says so, or its values are whole and up to `FEW_LABELS` different ones.

    Large volumes are judged by a regular sample. `ImageError` for what cannot be read.
    """
    volume = _guarded(lambda: _Volume(data, DecodeOptions()))
    layout = volume.layout
    if layout.header.labels or layout.header.colour:
        return layout.header.labels
    step = -(-volume.voxels.size // MAX_SAMPLE)
    values = _scaled(np.unique(np.asarray(volume.voxels).reshape(-1)[::step]), layout)
    return bool(len(values) <= FEW_LABELS and np.isfinite(values).all() and (values == np.rint(values)).all())


def _guarded(read: Callable[[], T]) -> T:
    """`read()`, with whatever nibabel raises turned into `ImageError`."""
    try:
        with np.errstate(all="ignore"):
            return read()
    except ImageError:
        raise
    except Exception as error:  # nibabel answers damaged headers with errors of many kinds
        refuse_missing(error)
        text = " ".join(re.sub(r"<[^<>]*>", "", str(error)).split())[:200]
        raise ImageError(Reason.UNREADABLE, f"{type(error).__name__}: {text}") from None


def _unpacked(data: bytes, size: int) -> bytes:
    """At most the first `size` bytes of the content, whatever a gzip file would unpack to."""
    if not data.startswith(GZIP):
        return data[:size]
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(size)


@dataclass(frozen=True)
class _Layout:
    """Where the voxels stand in the file, and how the array turns into RAS+."""

    header: NiftiHeader
    stored: tuple[int, int, int]  # shape in the file
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    orientation: np.ndarray
    zooms: tuple[float, float, float]  # sides of a voxel along right, front and up

    @classmethod
    def of(cls, beginning: bytes) -> _Layout:
        """The layout that a header announces; `ImageError` where it is none that is read."""
        from nibabel.orientations import io_orientation

        raw = _raw_header(beginning)
        stored = _shape(raw)
        dtype = raw.get_data_dtype()
        colour = dtype.names is not None
        if not colour and (dtype.kind not in "iuf" or dtype.itemsize > 8):
            raise ImageError(Reason.UNREADABLE, f"voxels of type {dtype.name}")
        if math.prod(stored) * dtype.itemsize > MAX_VOLUME:
            raise ImageError(Reason.TOO_LARGE, "{} × {} × {} voxels of {} bytes".format(*stored, dtype.itemsize))
        slope, intercept = raw.get_slope_inter()
        affine = np.asarray(raw.get_best_affine(), np.float64)
        orientation = io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
        if not np.isfinite(orientation).all():
            raise ImageError(Reason.UNREADABLE, "the affine gives the volume no orientation")
        shape, zooms, sides = [0, 0, 0], [1.0, 1.0, 1.0], _voxel(raw, affine)
        for axis, (target, _) in enumerate(orientation.astype(int)):
            shape[target], zooms[target] = stored[axis], sides[axis]
        single = [axis for axis in range(3) if shape[axis] == 1]
        header = NiftiHeader(
            (shape[0], shape[1], shape[2]),
            single[0] if single else None,
            8 if colour else 8 * dtype.itemsize,
            colour,
            int(raw["intent_code"]) == LABEL_INTENT,
        )
        offset = int(raw.get_data_offset())
        if not 348 <= offset <= MAX_OFFSET:
            raise ImageError(Reason.UNREADABLE, f"its voxels start at byte {offset}")
        return cls(
            header,
            stored,
            dtype,
            offset,
            1.0 if slope is None else slope,
            0.0 if intercept is None else intercept,
            orientation,
            (zooms[0], zooms[1], zooms[2]),
        )


def _voxel(raw: Nifti1Header, affine: np.ndarray) -> list[float]:
    """Sides of a voxel along the axes of the array: `pixdim`, or those of the affine where all of the former are 1.

    They differ in files of which a writer filled in one of the two, and where the affine leads into an atlas.
    """
    told = np.ones(3)
    told[: min(3, raw["dim"][0])] = np.abs(raw["pixdim"][1:4][: min(3, raw["dim"][0])])
    placed = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    sides: list[float] = (placed if np.allclose(told, 1) or not (told > 0).all() else told).astype(float).tolist()
    return sides


def _raw_header(beginning: bytes) -> Nifti1Header:
    """nibabel's header; the size field tells the version and the byte order."""
    from nibabel import Nifti1Header, Nifti2Header

    sizes = {size.to_bytes(4, order): kind for order in ("little", "big") for size, kind in ((348, 1), (540, 2))}
    version = sizes.get(beginning[:4])
    if version is None:
        raise ImageError(Reason.UNREADABLE, "no NIfTI header")
    length = HEADER_BYTES[version]
    if len(beginning) < length:
        raise ImageError(Reason.UNREADABLE, "the file ends within its header")
    magic = beginning[344:348] if version == 1 else beginning[4:8]
    if magic[:3] in (b"ni1", b"ni2"):
        raise ImageError(Reason.UNREADABLE, "the header of a pair (.hdr and .img); convert it to one .nii file")
    if magic[:3] not in (b"n+1", b"n+2"):
        raise ImageError(Reason.UNREADABLE, "no NIfTI header (an Analyze file?)")
    kind = Nifti1Header if version == 1 else Nifti2Header
    return kind(beginning[:length], check=False)  # without the extensions that may follow


def _shape(raw: Nifti1Header) -> tuple[int, int, int]:
    sides = [int(side) for side in raw.get_data_shape()]
    if any(side < 1 for side in sides) or len(sides) < 2:
        raise ImageError(Reason.DIMENSIONS, f"an array of {' × '.join(map(str, sides)) or 'no'} voxels")
    if any(side > 1 for side in sides[3:]):
        raise ImageError(
            Reason.DIMENSIONS, f"{len(sides)} dimensions; a series of volumes has to be split into its volumes"
        )
    width, height, depth = (*sides[:3], 1)[:3]
    return width, height, depth


class _Volume:
    """The voxels of one file, turned to RAS+, with the window that all of its slices share."""

    def __init__(self, data: bytes, options: DecodeOptions) -> None:
        from nibabel.orientations import apply_orientation

        self.layout = layout = _Layout.of(_unpacked(data, LONGEST_HEADER))
        header = layout.header
        self.axis = AXES[options.slice_axis] if header.flat is None else header.flat
        height, width = self._size()
        check_size(height, width)
        end = layout.offset + math.prod(layout.stored) * layout.dtype.itemsize
        content = _unpacked(data, end)
        if len(content) < end:
            raise ImageError(Reason.UNREADABLE, "the file ends before its last voxel")
        flat = np.frombuffer(content, layout.dtype, math.prod(layout.stored), layout.offset)
        self.voxels = apply_orientation(flat.reshape(layout.stored, order="F"), layout.orientation)
        self.window = None if header.colour else _edges(flat, layout, options.window)

    def _size(self) -> tuple[int, int]:
        across, up = (side for axis, side in enumerate(self.layout.header.shape) if axis != self.axis)
        return up, across

    def picture(self, fragment: str) -> Picture:
        """The slice that `fragment` names."""
        header = self.layout.header
        number = self._number(fragment)
        # columns run to the left or to the front, rows down: both against RAS+
        plane = np.take(self.voxels, number, axis=self.axis)[::-1, ::-1].T
        if self.window is None:
            pixels = np.stack([plane[name] for name in (self.layout.dtype.names or ())[:3]])
        else:
            values = _scaled(plane, self.layout)
            if not np.isfinite(values).all():
                raise ImageError(Reason.NOT_FINITE, "NaN or infinite voxels")
            low, high = self.window
            shown = (np.clip(values, low, high) - low) * (TOP / (high - low)) if high > low else np.zeros(values.shape)
            pixels = np.rint(shown).astype(np.uint16)[None]
        height, width = self._size()
        picture = Picture(np.ascontiguousarray(pixels), height, width, header.bits, (), not header.colour)
        across, up = (side for axis, side in enumerate(self.layout.zooms) if axis != self.axis)
        return squared(picture, pixel_aspect(up, across) or 1.0)

    def _number(self, fragment: str) -> int:
        count = self.layout.header.shape[self.axis]
        if not fragment:
            if count > 1:
                raise ImageError(Reason.DIMENSIONS, f"a volume of {count} slices, not one picture")
            return 0
        kind, _, number = fragment.partition("=")
        if kind != "slice" or not number.isdecimal() or int(number) >= count:
            raise ImageError(Reason.MISSING, f"the volume has {count} slices and no {fragment}")
        return int(number)


def _scaled(values: np.ndarray, layout: _Layout) -> np.ndarray:
    return values.astype(np.float64) * layout.slope + layout.intercept


def _edges(flat: np.ndarray, layout: _Layout, window: tuple[float, float] | None) -> tuple[float, float]:
    """Values that become black and white. Percentiles of large volumes are those of a regular sample.

    A volume that is nearly all background, so that both percentiles are equal, gets its minimum and maximum.
    """
    if window is not None:
        return window[0] - window[1] / 2, window[0] + window[1] / 2
    step = -(-flat.size // MAX_SAMPLE)
    while any(math.gcd(step, side) > 1 for side in layout.stored):  # else it would sample one column again and again
        step += 1
    values = _scaled(flat[::step], layout)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 0.0  # each slice with such voxels is refused on its own
    low, high = (float(edge) for edge in np.percentile(values, PERCENTILES))
    return (low, high) if high > low else (float(values.min()), float(values.max()))
