"""A file that nobody reads as a picture: which contents may hold one, and which certainly do not."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from unpersonal.images.contents import holds_more, may_hold, not_looked_at
from unpersonal.images.picture import ImageError
from unpersonal.images.reasons import Reason

PICTURE = Image.fromarray(np.random.default_rng(0).integers(32, 256, (24, 24), dtype=np.uint8))


def saved(form: str) -> bytes:
    stream = io.BytesIO()
    PICTURE.save(stream, form)
    return stream.getvalue()


def array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(PICTURE))
    return stream.getvalue()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("person.png"))
    return stream.getvalue()


PNG = saved("PNG")
MAY = {
    "PNG": PNG,
    "JPEG": saved("JPEG"),
    "GIF": saved("GIF"),
    "TIFF": saved("TIFF"),
    "BMP": saved("BMP"),
    "WebP": saved("WEBP"),
    "JPEG 2000": saved("JPEG2000"),
    "PDF": saved("PDF"),
    "PNM": saved("PPM"),
    "DICOM": bytes(128) + b"DICM\x02\x00",
    "NIfTI": bytes(344) + b"n+1\x00",
    "gzip": gzip.compress(PNG),
    "a NumPy array": array(),
    "a zip archive": b"PK\x03\x04\x14\x00",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00",
    "a tar archive": tar(),
    "no text, and of no known kind": PICTURE.tobytes(),
    "text with a picture in it": b'{"image": "' + base64.b64encode(PNG) + b'"}',
    "text with rows of numbers that may be pixels": (
        b"label," + b",".join(b"p%d" % n for n in range(256)) + b"\n3," + b",".join(b"%d" % n for n in range(256))
    ),
    "a picture or document written as text": b'<?xml version="1.0"?>\n<svg></svg>',
}
CANNOT = {
    "empty": b"",
    "csv": b"file,label\na.png,normal\n",
    "many findings": b"file" + b",finding" * 255 + b"\na.png" + b",0.5" * 255 + b"\n",
    "many rows of few numbers": b"1,0,-1,2.5e3\n" * 500,
    "BM as text": b"BMI,age\n21,60\n",
    "umlauts": "Größe,Möbel\n".encode() * 3,
    "old umlauts": "Befund: ein Kind mit großem Herzen\n".encode("latin-1"),
    "sixteen": "file,label\nÄ,1\n".encode("utf-16"),
    "folder view": b"\x00\x00\x00\x01Bud1\x00\x00",
    "DICOMDIR": bytes(128) + b"DICM\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10\x02\x00\x03\x00",
    "AppleDouble": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
}


@pytest.mark.parametrize("name", MAY)
def test_what_may_hold_a_picture_is_named(name):
    assert may_hold(MAY[name]) == name
    why = not_looked_at(MAY[name], hidden=False)
    assert why is not None and why.reason == Reason.UNREADABLE and name in why.detail


def test_plain_pgm_is_a_picture_although_it_is_text():
    assert may_hold(b"P2\n2 2\n255\n0 1\n2 3\n") == "PNM"


@pytest.mark.parametrize("name", CANNOT)
def test_text_and_litter_hold_none(name):
    assert may_hold(CANNOT[name]) is None and not_looked_at(CANNOT[name], hidden=False) is None


def test_what_passes_for_litter_is_none_with_a_picture_in_it_or_if_large():
    assert may_hold(CANNOT["DICOMDIR"] + b"\xe0\x7f\x10\x00OW") == "DICOM"
    assert may_hold(CANNOT["AppleDouble"] + PNG) and may_hold(CANNOT["AppleDouble"] + bytes(5000))


@pytest.mark.parametrize(
    "head",
    [
        "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 32 32\nencoding: ascii\n\n",
        "ObjectType = Image\nNDims = 2\nDimSize = 32 32\nBinaryData = False\nElementDataFile = LOCAL\n",
        "# vtk DataFile Version 3.0\nvolume\nASCII\nDATASET STRUCTURED_POINTS\n",
        "#define p01_width 32\n#define p01_height 32\nstatic char p01_bits[] = {\n",
        "ncols 32\nnrows 32\n",
    ],
    ids=["NRRD", "MetaImage", "VTK", "XBM", "grid"],
)
def test_a_volume_written_as_text_with_a_number_a_line(head):
    values = "\n".join(str(i % 256) for i in range(1024))
    assert may_hold((head + values).encode()) == "a picture or document written as text"
    # the numbers alone, or words like those of a head, are no picture
    assert may_hold(f"label\n{values}".encode()) is None
    assert may_hold(b"notes: ObjectType = Image, ncols 32") is None


def test_hidden_images_and_what_cannot_be_opened_are_not_looked_at():
    assert "hidden" in str(not_looked_at(PNG, hidden=True))
    assert "hidden" in str(not_looked_at(b"no picture", hidden=True))
    assert not_looked_at(CANNOT["AppleDouble"], hidden=True) is None
    for reason in Reason:
        error = ImageError(reason, "why")
        assert not_looked_at(error, hidden=True) is (None if reason == Reason.EMPTY else error)


def jpeg_with_thumbnail() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "a note"
    stream = io.BytesIO()
    PICTURE.save(stream, "JPEG", exif=exif)
    data = stream.getvalue()
    at = data.index(b"a note")
    return data[:at] + saved("JPEG")[:6] + data[at + 6 :]


def test_a_picture_beside_the_picture_is_noticed():
    for form in ("PNG", "JPEG", "BMP", "TIFF"):
        assert holds_more(saved(form)) is None
    assert holds_more(jpeg_with_thumbnail()) == holds_more(saved("JPEG") + saved("JPEG"))
    assert "thumbnail" in holds_more(jpeg_with_thumbnail())
    assert "behind its end" in holds_more(PNG + b"PK\x03\x04") and holds_more(PNG + bytes(4)) is None
    thumbnail = saved("JPEG")
    chunk = len(thumbnail).to_bytes(4, "big") + b"eXIf" + thumbnail + bytes(4)
    assert "thumbnail" in holds_more(PNG[:33] + chunk + PNG[33:])
    for cut in range(len(PNG)):
        assert holds_more(PNG[:cut]) is None
