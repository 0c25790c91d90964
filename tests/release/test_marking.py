"""The mark of synthetic pictures: one text, word for word, in one place; whatever differs is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from unpersonal.release.marking import CHUNK, DIGITAL_SOURCE_TYPE, HEADER_END, MARK, XMP, chunk
from unpersonal.release.png import png_bytes, png_problems

from .test_verify import folder, rewrite_manifest

__all__ = ["folder"]
PICTURE = np.arange(192, dtype=np.uint8).reshape(3, 8, 8)
MARKED, PLAIN = png_bytes(PICTURE, marked=True), png_bytes(PICTURE)


def replaced(body: bytes, kind: bytes = CHUNK) -> bytes:
    return PLAIN[:HEADER_END] + chunk(kind, body) + PLAIN[HEADER_END:]


OTHERS: dict[str, bytes] = {
    "no mark": PLAIN,
    "twice": MARKED[:HEADER_END] + chunk(CHUNK, MARK) + MARKED[HEADER_END:],
    "a text beside it": MARKED[:-12] + chunk(b"tEXt", b"Comment\0person 12") + MARKED[-12:],
    "another text beside it": MARKED[:-12] + chunk(CHUNK, b"Comment\0\0\0\0\0person 12") + MARKED[-12:],
    "a word more": replaced(MARK + b" "),
    "another source type": replaced(MARK.replace(b"trainedAlgorithmicMedia", b"digitalCapture")),
    "another case": replaced(MARK.replace(b"<x:xmpmeta", b"<x:XMPMETA")),
    "with a language": replaced(MARK.replace(b"\0\0\0\0", b"\0\0en\0\0", 1)),
    "compressed": replaced(b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP.encode())),
    "as zTXt": replaced(b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP.encode()), b"zTXt"),
    "as tEXt": replaced(b"XML:com.adobe.xmp\0" + XMP.encode(), b"tEXt"),
    "before the end": PLAIN[:-12] + chunk(CHUNK, MARK) + PLAIN[-12:],
    "a resolution": replaced(MARK)[:-12] + chunk(b"pHYs", struct.pack(">IIB", 1, 1, 0)) + PLAIN[-12:],
    "a signature": MARKED[:HEADER_END] + chunk(b"caBX", b"jumb") + MARKED[HEADER_END:],
    "after the end": MARKED + chunk(CHUNK, MARK),
}


def test_a_marked_picture_has_the_same_pixels_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(MARKED)
    assert png_problems(path, marked=True) == [] and png_problems(path) == ["metadata chunks iTXt"]
    with Image.open(path) as picture:
        assert np.array_equal(np.moveaxis(np.asarray(picture), -1, 0), PICTURE)
        packet = picture.info["xmp"]
    tree = ElementTree.fromstring(packet.decode("utf-8").lstrip("\ufeff"))
    [told] = tree.iter("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert told.text == DIGITAL_SOURCE_TYPE and png_bytes(PICTURE, marked=True) == MARKED


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.png").write_bytes(OTHERS[name])
    assert png_problems(tmp_path / "x.png", marked=True)


def test_a_release_is_held_to_the_mark_of_its_version(folder: Path) -> None:
    from unpersonal.release.verify import verify_release

    path = folder / "images" / "img-000002.png"
    marked = path.read_bytes()
    path.write_bytes(marked[:HEADER_END] + marked[HEADER_END + 12 + len(MARK) :])
    rewrite_manifest(folder)
    assert verify_release(folder) == ["images/img-000002.png: no mark that says it is synthetic"]
    path.write_bytes(marked)
    rewrite_manifest(folder, lambda manifest: manifest.update(format_version="1"))
    problems = verify_release(folder)
    assert len([problem for problem in problems if "metadata chunks iTXt" in problem]) == 12
    for name in ("metadata.csv", "croissant.json"):
        assert f"{name}: not a name that a release gives" in problems


def test_a_release_of_version_1_is_read_by_its_rules(folder: Path) -> None:
    from unpersonal.release.verify import verify_release

    for path in (folder / "images").iterdir():
        marked = path.read_bytes()
        path.write_bytes(marked[:HEADER_END] + marked[HEADER_END + 12 + len(MARK) :])
    for name in ("metadata.csv", "croissant.json"):
        (folder / name).unlink()
    rewrite_manifest(folder, lambda manifest: manifest.update(format_version="1"))
    assert verify_release(folder) == []
    rewrite_manifest(folder, lambda manifest: manifest.update(format_version="2"))
    problems = verify_release(folder)
    assert "metadata.csv: the manifest does not list it" in problems
    assert "croissant.json: the manifest does not list it" in problems
    assert len([problem for problem in problems if "no mark" in problem]) == 12


@pytest.mark.parametrize("version", ["3", 2, "1.0", None, ["2"]])
def test_an_unknown_version_is_an_input_error(folder: Path, version: object) -> None:
    from unpersonal.core.errors import InputError
    from unpersonal.release.verify import verify_release

    rewrite_manifest(folder, lambda manifest: manifest.update(format_version=version))
    with pytest.raises(InputError, match="unknown format"):
        verify_release(folder)


Change = Callable[[str], str]
TABLES: dict[str, tuple[str, Change]] = {
    "another label": ("metadata.csv", lambda text: text.replace("virus", "normal", 1)),
    "another order": ("metadata.csv", lambda text: "\n".join(sorted(text.split("\n"), reverse=True))),
    "a column more": ("metadata.csv", lambda text: text.replace("\n", ",x\n")),
    "a line less": ("metadata.csv", lambda text: text[: text.rindex("\n", 0, -1) + 1]),
    "other names": ("metadata.csv", lambda text: text.replace("images/", "", 1)),
    "nothing": ("metadata.csv", lambda text: ""),
    "no JSON": ("croissant.json", lambda text: text[:-5]),
    "another version": ("croissant.json", lambda text: text.replace("croissant/1.1", "croissant/1.0")),
    "a list": ("croissant.json", lambda text: "[]"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_say_something_else_are_found(folder: Path, name: str) -> None:
    from unpersonal.release.verify import verify_release

    file, change = TABLES[name]
    (folder / file).write_text(change((folder / file).read_text(encoding="utf-8")), encoding="utf-8")
    rewrite_manifest(folder)
    found = verify_release(folder)
    assert found and any(file in problem for problem in found), found
    # croissant.json tells the hash of the table as well
    assert any("croissant.json" in problem for problem in found)
