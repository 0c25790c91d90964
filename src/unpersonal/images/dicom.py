"""DICOM files to headers and pictures, by pydicom. Legend: C channels (1 grey, 3 colour), H rows, W columns.

Which decoder reads which transfer syntax is fixed: the one that survives damaged data, so that a file is read alike
everywhere. Sizes are checked before anything is unpacked.
"""

from __future__ import annotations

import io
import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..core.extras import refuse_missing
from .codestream import FrameShape, check_frame, without_comments
from .dicom_spacing import frame_aspect
from .dicom_values import frame_values, to_grey
from .folders import MAX_FILE_BYTES
from .picture import MAX_VOLUME, DecodeOptions, ImageError, Picture, check_size
from .reasons import Reason
from .sop_classes import no_picture, sort_of
from .squares import squared

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset
    from pydicom.pixels.decoders.base import Decoder

T = TypeVar("T")

PIXEL_TAGS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_EXTENDED, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57"
# compressed syntax: decoding plugins of pydicom, the first that is installed; GDCM only where nothing else reads it
PLUGINS = {
    "1.2.840.10008.1.2.5": ("pydicom",),
    "1.2.840.10008.1.2.4.50": ("pillow",),
    JPEG_EXTENDED: ("pillow",),  # of 8 bits; 12 bits go to GDCM
    JPEG_LOSSLESS: ("gdcm",),
    "1.2.840.10008.1.2.4.70": ("gdcm",),
    "1.2.840.10008.1.2.4.80": ("pyjpegls",),
    "1.2.840.10008.1.2.4.81": ("pyjpegls",),
    "1.2.840.10008.1.2.4.90": ("pylibjpeg", "pillow"),
    "1.2.840.10008.1.2.4.91": ("pylibjpeg", "pillow"),
    "1.2.840.10008.1.2.4.201": ("pylibjpeg",),
    "1.2.840.10008.1.2.4.202": ("pylibjpeg",),
    "1.2.840.10008.1.2.4.203": ("pylibjpeg",),
}
UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM_BYTES = 8  # of the header before each compressed frame
IDENTITY = ("PatientName", "PatientBirthDate", "PatientAddress", "AccessionNumber")
HEAD = re.compile(r"HEAD|BRAIN|SKULL|FACE|FACIAL|CRANI|ORBIT")
READ = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "PatientID", "IssuerOfPatientID", "Modality",
    "BodyPartExamined", "BurnedInAnnotation", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "ImageType", "SeriesDescription", *IDENTITY,
)  # fmt: skip
OVERLAYS = range(0x6000, 0x6020, 2)
"""Groups of overlay planes (PS3.3 C.9.2)."""
IGNORED = ("ignore", None, Warning, re.compile(r"pydicom\."), 0)


@dataclass(frozen=True)
class DicomHeader:
    """What the header of one image file says; texts are stripped and empty where it says nothing.

    `bits` are those stored (32 or 64 for floating point); `values` holds the keywords asked for, each a tuple; `notes`
    are words of `picture.NOTES`.
    """

    patient_id: str
    issuer: str
    instance: str
    modality: str
    body_part: str
    photometric: str
    syntax: str
    pixels: str  # keyword of the element that holds them
    frames: int
    rows: int
    columns: int
    samples: int
    bits: int
    values: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    image_type: tuple[str, ...] = ()
    sort: str = ""
    """As `sop_classes.sort_of`."""


def read_header(data: bytes, keywords: Sequence[str] = ()) -> DicomHeader:
    """The header of a DICOM file, and the values of further `keywords` of its top level; the pixels are not touched.

    Raises nothing but `ImageError`: no-pixels (a report, a plan, a contour), unreadable, too-large, too-small.
    """
    return _guarded(lambda: _read_header(_inflated(data), keywords))


def decode_dicom(data: bytes, fragments: Sequence[str], options: DecodeOptions) -> list[Picture | ImageError]:
    """Pictures of the `fragments` (`frame=K` from 0; `""` where there is one frame): grey uint16, RGB uint8 or uint16.

    `dicom_values.to_grey` says what grey values become; colour of more than 8 bits fills uint16. Raises nothing but
    `ImageError`, for what is wrong with the whole file.
    """

    def whole() -> tuple[DicomHeader, _Frames]:
        from pydicom import dcmread

        content = _inflated(data)
        header = _read_header(content, ())
        return header, _Frames(dcmread(io.BytesIO(content), force=True), header)

    header, frames = _guarded(whole)
    found: list[Picture | ImageError] = []
    for fragment in fragments:
        try:
            found.append(_guarded(lambda fragment=fragment: _picture(frames, header, fragment, options)))  # type: ignore[misc]
        except ImageError as error:
            found.append(error)
    return found


def _guarded(read: Callable[[], T]) -> T:
    """`read()`, with whatever pydicom and the decoders raise turned into `ImageError`, and their warnings dropped."""
    if IGNORED not in warnings.filters:  # not `catch_warnings`, which threads would undo for each other
        warnings.filterwarnings("ignore", module=r"pydicom\.")
    try:
        with np.errstate(all="ignore"):
            return read()
    except ImageError:
        raise
    except (EOFError, UnboundLocalError):  # the latter is pydicom's answer to a data set that ends early
        raise ImageError(Reason.UNREADABLE, "the file ends too early") from None
    except Exception as error:  # whatever a damaged header or frame makes of pydicom: ValueError, KeyError, TypeError …
        refuse_missing(error)
        text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "the frame", " ".join(str(error).split()))[:200]
        raise ImageError(Reason.UNREADABLE, f"{type(error).__name__}: {text}") from None


def _inflated(data: bytes) -> bytes:
    """The file, as explicit VR little endian if it was deflated; none unpacks to more than a file may have."""
    from pydicom.filereader import read_dataset

    if data[128:132] != b"DICM" or DEFLATED.encode() not in data[132:2048]:
        return data
    stream = io.BytesIO(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    start = stream.tell()
    if size := meta.get("FileMetaInformationGroupLength"):
        start = 132 + 12 + int(size)
    if meta.get("TransferSyntaxUID") != DEFLATED:
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(data[start:], MAX_FILE_BYTES + 1)
    if len(body) > MAX_FILE_BYTES:
        raise ImageError(Reason.TOO_LARGE, f"it unpacks to more than {MAX_FILE_BYTES} bytes")
    if not inflater.eof:
        raise EOFError
    return data[:start].replace(DEFLATED.encode(), EXPLICIT.encode().ljust(len(DEFLATED), b"\0"), 1) + body


def _read_header(data: bytes, keywords: Sequence[str]) -> DicomHeader:
    from pydicom.datadict import tag_for_keyword
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    stream = io.BytesIO(data)
    pixels: list[tuple[str, int, int]] = []  # keyword, length as said, bytes that are left

    def at_pixels(tag: int, _: str | None, length: int) -> bool:
        if tag in PIXEL_TAGS:
            pixels.append((PIXEL_TAGS[tag], length, len(data) - stream.tell()))
        return tag in PIXEL_TAGS

    wanted = [Tag(tag) for tag in map(tag_for_keyword, (*READ, *keywords)) if tag is not None]
    header = read_partial(stream, at_pixels, force=True, specific_tags=list(wanted))
    if not pixels:
        _refuse_without_pixels(header)
    _refuse_no_picture(header)
    keyword, length, left = pixels[-1]
    shape = _shape(header, keyword)
    syntax = _syntax(header)
    _check_length(header, shape, keyword, left if length == UNDEFINED_LENGTH else min(length, left), syntax)
    frames, rows, columns, samples = shape
    return DicomHeader(
        patient_id=_text(header.get("PatientID")),
        issuer=_text(header.get("IssuerOfPatientID")),
        instance=_text(header.get("SOPInstanceUID")),
        modality=_text(header.get("Modality")),
        body_part=_text(header.get("BodyPartExamined")),
        photometric=_text(header.get("PhotometricInterpretation")).upper(),
        syntax=syntax,
        pixels=keyword,
        frames=frames,
        rows=rows,
        columns=columns,
        samples=samples,
        bits=FLOAT_BITS.get(keyword) or int(header.BitsStored),
        values={name: _texts(header.get(name)) for name in keywords},
        notes=_notes(header),
        image_type=_texts(header.get("ImageType")),
        sort=sort_of(
            _text(header.get("SOPClassUID")),
            _text(header.get("Modality")),
            _texts(header.get("ImageType")),
            _text(header.get("SeriesDescription")),
        ),
    )


def _refuse_no_picture(header: FileDataset) -> None:
    """`ImageError` no-pixels for an object that is no picture of a person, whatever pixels it holds."""
    uids = [header.get("SOPClassUID"), header.file_meta.get("MediaStorageSOPClassUID")]
    kind = no_picture([_text(uid) for uid in uids if uid], _text(header.get("Modality")))
    if kind is not None:
        named = next((uid.name for uid in uids if uid and uid.name != uid and "Image Storage" not in uid.name), "")
        raise ImageError(Reason.NO_PIXELS, f"no image: {named or kind}")


def _refuse_without_pixels(header: FileDataset) -> None:
    uid = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
    kind = getattr(uid, "name", "")
    if kind == uid:  # unknown: of a damaged file, it may be the rest of the header with the person's name
        kind = "an unknown kind of object" if uid else ""
    if not kind:
        raise ImageError(Reason.UNREADABLE, "no DICOM data set")
    if "Image Storage" in kind:
        raise ImageError(Reason.UNREADABLE, "the file ends before its pixels")
    raise ImageError(Reason.NO_PIXELS, f"no image: {kind}")


def _shape(header: FileDataset, keyword: str) -> tuple[int, int, int, int]:
    """Frames, rows, columns, samples per pixel; `ImageError` where they are not what is read."""
    if lacking := [name for name in ("Rows", "Columns") if header.get(name) is None]:
        raise ImageError(Reason.UNREADABLE, f"the header lacks {' and '.join(lacking)}")
    rows, columns = int(header.Rows), int(header.Columns)
    samples = int(header.get("SamplesPerPixel") or 1)
    frames = int(header.get("NumberOfFrames") or 1)
    check_size(rows, columns)
    if frames < 1 or samples not in (1, 3):
        raise ImageError(Reason.UNREADABLE, f"{frames} frames of {samples} samples per pixel")
    if frames * rows * columns * samples > MAX_VOLUME:
        raise ImageError(Reason.TOO_LARGE, f"{frames} frames of {columns} × {rows} pixels")
    if keyword == "PixelData":
        allocated, stored = int(header.BitsAllocated), int(header.BitsStored)
        if allocated == 1:
            raise ImageError(Reason.UNREADABLE, "one bit per pixel: a mask, no image")
        if allocated not in (8, 16, 32) or not 1 < stored <= allocated:
            raise ImageError(Reason.UNREADABLE, f"{stored} bits stored in {allocated}")
        if int(header.get("HighBit", stored - 1)) != stored - 1:
            raise ImageError(Reason.UNREADABLE, "the bits stored are not the low ones")
    return frames, rows, columns, samples


def _syntax(header: FileDataset) -> str:
    """The transfer syntax, or the one that pydicom guessed where the file names none."""
    if named := header.file_meta.get("TransferSyntaxUID"):
        return str(named)
    implicit, little = header.original_encoding
    return IMPLICIT if implicit else EXPLICIT if little else BIG_ENDIAN


def _check_length(
    header: FileDataset, shape: tuple[int, int, int, int], keyword: str, length: int, syntax: str
) -> None:
    """`ImageError` where fewer bytes are left than the frames need: no frame is promised that cannot be there."""
    frames, rows, columns, samples = shape
    needed = frames * ITEM_BYTES
    if syntax in NATIVE:
        needed = frames * rows * columns * samples * (FLOAT_BITS.get(keyword) or int(header.BitsAllocated)) // 8
        if header.get("PhotometricInterpretation") == "YBR_FULL_422":
            needed = needed * 2 // 3
    if length < needed:
        raise ImageError(Reason.UNREADABLE, f"{length} bytes of pixels where the header promises {needed}")


def _texts(value: Any) -> tuple[str, ...]:
    from pydicom.multival import MultiValue

    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(text for text in map(_text, values) if text)


def _text(value: Any) -> str:
    from pydicom.multival import MultiValue

    if isinstance(value, MultiValue | list | tuple):
        return "\\".join(_text(part) for part in value)
    return "" if value is None else str(value).strip(" \0\t\r\n")


def _notes(header: FileDataset) -> tuple[str, ...]:
    said = _text(header.get("BurnedInAnnotation")).upper()
    burned = {"YES": ("burned-in",), "NO": ()}.get(said, ("burned-in-unsaid",))
    named = any(_text(header.get(name)).strip("^") for name in IDENTITY)
    head = HEAD.search(_text(header.get("BodyPartExamined")).upper())
    return (*burned, *(("header-identity",) if named else ()), *(("head",) if head else ()))


class _Frames:
    """Access to the frames of one file that has passed `_read_header`."""

    def __init__(self, dataset: FileDataset, header: DicomHeader) -> None:
        self.dataset, self.header = dataset, header
        self.overlay = any(tag.group in OVERLAYS for tag in dataset.keys())  # noqa: SIM118  (values would be parsed)
        if "TransferSyntaxUID" not in dataset.file_meta:
            from pydicom.uid import UID

            dataset.file_meta.TransferSyntaxUID = UID(header.syntax)
        self.decoder, self.plugin = _decoder(header)
        self._compressed: list[bytes] | None = None

    def stored(self, index: int) -> tuple[np.ndarray, str]:
        """Values [H,W] or [H,W,3] as stored (YBR as RGB), and their photometric interpretation."""
        if self.header.syntax in NATIVE:
            array, about = self.decoder.as_array(self.dataset, index=index, allow_excess_frames=False)  # type: ignore[arg-type]
        else:
            array, about = self._decompressed(index)
        return array, str(about["photometric_interpretation"])

    def _decompressed(self, index: int) -> tuple[np.ndarray, dict[str, str | int]]:
        from pydicom.encaps import encapsulate

        header, dataset = self.header, self.dataset
        frame = self._frame(index)
        allocated = int(dataset.BitsAllocated)
        shape = FrameShape(header.rows, header.columns, header.samples, allocated // 8)
        check_frame(frame, header.syntax, shape)
        if self.plugin == "gdcm":
            frame = without_comments(frame)
        options: dict[str, Any] = {
            "rows": header.rows, "columns": header.columns, "samples_per_pixel": header.samples, "number_of_frames": 1,
            "bits_allocated": allocated, "bits_stored": header.bits, "photometric_interpretation": header.photometric,
            "pixel_representation": int(dataset.get("PixelRepresentation") or 0), "pixel_keyword": "PixelData",
        }  # fmt: skip
        if header.samples > 1:
            options["planar_configuration"] = int(dataset.get("PlanarConfiguration") or 0)
        return self.decoder.as_array(
            encapsulate([frame], has_bot=False), decoding_plugin=self.plugin, index=0, **options
        )

    def _frame(self, index: int) -> bytes:
        """One compressed frame; all are found in one walk, for a file without offsets has to be walked anyway."""
        if self._compressed is None:
            from pydicom.encaps import generate_frames

            frames = generate_frames(self.dataset.PixelData, number_of_frames=self.header.frames)
            self._compressed = list(frames)
        if index >= len(self._compressed):
            raise ImageError(Reason.UNREADABLE, f"{len(self._compressed)} of {self.header.frames} frames are there")
        return self._compressed[index]


def _decoder(header: DicomHeader) -> tuple[Decoder, str]:
    """pydicom's decoder of the transfer syntax and the plugin to use (none for uncompressed data)."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    syntax = header.syntax
    if syntax in NATIVE:
        return get_decoder(UID(syntax)), ""
    plugins = PLUGINS.get(syntax, ())
    if syntax == JPEG_EXTENDED and header.bits > 8:
        # pydicom keeps 12 bits from GDCM, which reads them, finding the process in the frame, under any JPEG syntax
        syntax, plugins = JPEG_LOSSLESS, PLUGINS[JPEG_LOSSLESS]
    available = get_decoder(UID(syntax)).available_plugins if plugins else ()
    for plugin in plugins:
        if plugin in available:
            _quieten(plugin)
            return get_decoder(UID(syntax)), plugin
    raise ImageError(Reason.UNREADABLE, f"no decoder for transfer syntax {UID(header.syntax).name} ({header.syntax})")


def _quieten(plugin: str) -> None:
    if plugin == "gdcm":
        import gdcm

        for switch in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
            switch()


def _picture(frames: _Frames, header: DicomHeader, fragment: str, options: DecodeOptions) -> Picture:
    index = _index(header, fragment)
    stored, photometric = frames.stored(index)
    if stored.shape[:2] != (header.rows, header.columns):
        raise ImageError(Reason.UNREADABLE, "the frame is not of the size that the header says")
    if photometric in ("MONOCHROME1", "MONOCHROME2") and stored.ndim == 2:
        values = frame_values(frames.dataset, index)
        big_endian = header.syntax == BIG_ENDIAN
        grey, windowed, padding = to_grey(stored, values, options.window, photometric == "MONOCHROME1", big_endian)
        pixels = grey[None]
    else:
        pixels, windowed, padding = _colour(stored, photometric, frames, header), False, None
    contiguous = np.ascontiguousarray(pixels)
    notes = (*header.notes, *(("overlay",) if frames.overlay else ()))
    picture = Picture(contiguous, header.rows, header.columns, header.bits, notes, windowed, padding)
    return squared(picture, frame_aspect(frames.dataset, index))


def _index(header: DicomHeader, fragment: str) -> int:
    if not fragment:
        if header.frames > 1:
            raise ImageError(Reason.FRAMES, f"{header.frames} frames in one file")
        return 0
    kind, _, number = fragment.partition("=")
    if kind != "frame" or not number.isdecimal() or int(number) >= header.frames:
        raise ImageError(Reason.MISSING, f"the file has {header.frames} frames and no {fragment}")
    return int(number)


def _colour(stored: np.ndarray, photometric: str, frames: _Frames, header: DicomHeader) -> np.ndarray:
    """RGB uint8 or uint16 [3,H,W], scaled so that the brightest value that may be stored is the brightest there is."""
    bits = header.bits
    if photometric == "PALETTE COLOR" and stored.ndim == 2:
        from pydicom.pixels import apply_color_lut

        stored = apply_color_lut(stored, frames.dataset)[..., :3]
        bits = int(frames.dataset.RedPaletteColorLookupTableDescriptor[2])  # entries of 8 bits may come in 16
    elif photometric != "RGB" or stored.ndim != 3 or stored.dtype.kind != "u":
        raise ImageError(Reason.UNREADABLE, f"photometric interpretation {photometric or 'not named'}")
    deep = bits > 8
    if bits not in (8, 16):
        stored = np.rint(np.minimum(stored / (2**bits - 1), 1.0) * (65535 if deep else 255))
    return stored.astype(np.uint16 if deep else np.uint8).transpose(2, 0, 1)
