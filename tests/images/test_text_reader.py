"""What the reader tells apart: text, markers, what cannot be read, nothing, and its own failures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import unpersonal.images.text_reader as module
from benchmarks.burned_text import Writing, write
from unpersonal.core.errors import InputError
from unpersonal.images.archives import open_archive
from unpersonal.images.picture import DecodeOptions
from unpersonal.images.text_reader import FAILED, Reader, TextReading, TextReadings, evenly, judge, read_texts
from unpersonal.phantom import phantom_cohort


@pytest.fixture(scope="module")
def phantoms():
    return phantom_cohort(8, 5, 256)[0][:, 0]


@pytest.fixture(scope="module")
def reader():
    return Reader()


def kind(reader, image):
    return judge(reader.lines(image[None])).kind


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], TextReading("none")),
        ([("R", 0.99)], TextReading("marker")),
        ([("A-P", 0.9), ("L", 0.8)], TextReading("marker")),
        ([("DOE JANE", 0.9), ("R", 0.99)], TextReading("read", 7)),
        ([("1970-01-31", 0.9), ("ID 48", 0.7)], TextReading("read", 12)),
        ([("DOE JANE", 0.4)], TextReading("unreadable")),
        ([("R", 0.99), ("", 0.0)], TextReading("unreadable")),
        ([("R", 0.99), ("~", 0.9)], TextReading("unreadable")),
        ([("71", 0.99)], TextReading("unreadable")),  # a number is no marker
    ],
)
def test_lines_say_what_an_image_holds(lines, expected):
    assert judge(lines) == expected


def test_only_markers_and_nothing_are_harmless_and_only_if_all_were_looked_at():
    def found(*kinds, left=0):
        return TextReadings.of([TextReading(kind) for kind in kinds], left)

    assert found("marker", "none").harmless
    assert not any(found("marker", kind).harmless for kind in ("read", "unreadable", "failed"))
    assert not found("marker", left=1).harmless
    assert TextReadings.of([TextReading("read", 4), TextReading("read", 9)]).characters == 9


@pytest.mark.parametrize("how", [Writing(10), Writing(14, angle=90), Writing(14, angle=180), Writing(14, angle=10)])
def test_a_name_is_read_and_a_marker_told_from_it(reader, phantoms, how):
    shown = [write(image, "DOE JOHN", how, corner) for corner, image in enumerate(phantoms[:3])]
    assert [kind(reader, image) for image in shown].count("read") >= 2
    assert kind(reader, write(phantoms[3], "R", Writing(24))) == "marker"
    assert kind(reader, phantoms[4]) == "none"


def test_depth_colour_and_large_images_are_read(reader, phantoms):
    image = write(phantoms[0], "1970-01-31", Writing(20))
    colour = np.repeat(image[None], 3, axis=0)
    large = np.asarray(Image.fromarray(image).resize((1400, 1400)))[None]
    deep = module.to_eight_bits(image[None].astype(np.uint16) * 16)
    assert all(judge(reader.lines(pixels)).kind == "read" for pixels in (colour, large, deep))


def test_images_are_read_in_processes_and_what_fails_is_told(phantoms, tmp_path, monkeypatch):
    for i, text in enumerate(("DOE JOHN", "L")):
        Image.fromarray(write(phantoms[i], text, Writing(24))).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_bytes(b"no picture")
    names = [f"{i}.png" for i in range(3)]
    found = read_texts(names, open_archive(tmp_path), DecodeOptions(), workers=1)
    assert found == [TextReading("read", 7), TextReading("marker"), FAILED]

    def broken(_):
        raise RuntimeError("cannot be loaded")

    monkeypatch.setattr(module.Reader, "__init__", broken)
    assert read_texts(names[:1], open_archive(tmp_path), DecodeOptions(), workers=1) == [FAILED]


def test_of_very_many_images_evenly_spread_ones_are_read(monkeypatch):
    monkeypatch.setattr(module, "MOST_READ", 5)
    assert evenly(0) == [] and evenly(4) == [0, 1, 2, 3] and evenly(12) == [0, 2, 4, 7, 9]


def test_the_reader_is_asked_for_by_name_where_it_is_not_installed(monkeypatch):
    assert module.reader_at_hand("auto") and not module.reader_at_hand("never")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert not module.reader_at_hand("auto")
    with pytest.raises(InputError, match=r"unpersonal\[ocr\]"):
        module.reader_at_hand("always")
