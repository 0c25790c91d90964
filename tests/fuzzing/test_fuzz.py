"""A share of `benchmarks/fuzz.py` with a fixed seed, the harness's own alarms, and the bugs that it found."""

from __future__ import annotations

import faulthandler
import io
import json
import mmap
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import fuzz
from tests.fuzzing import cases, contracts, foreign, harness, rasters, trees, volumes
from unpersonal.cohort import read as cohort_reader
from unpersonal.cohort.refusals import write_quarantine
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.images import decode, formats
from unpersonal.images.picture import DecodeOptions, ImageError, Picture
from unpersonal.images.preprocess import PreprocessConfig, prepare
from unpersonal.images.reasons import Reason
from unpersonal.images.store import ImageStore
from unpersonal.layouts import columns
from unpersonal.layouts.config import CohortConfig
from unpersonal.layouts.read import read_listing

SEED, SMALL, WHOLE = 3, 600, 40
READERS = (*trees.TREES, *cases.STUDY_FILES)
COMMANDS, SIDES = (*cases.LOOSE, "releases", "foreign"), 40


@pytest.mark.slow
def test_a_share_of_the_run_has_no_failure():
    """Every kind; used and refused inputs both occur, so neither the damage nor the reader is without effect."""
    light = [kind for kind in cases.SHARES if kind not in (*READERS, *COMMANDS, "foreign")]
    planned = [*cases.plan(SMALL, SEED, light), *cases.plan(WHOLE, SEED, READERS), *cases.plan(SIDES, SEED, COMMANDS)]
    report = harness.run_cases(planned)
    print("\n".join(report.lines()))
    assert not report.failures, "\n".join(report.lines())
    assert len(report.outcomes) == len(planned) == SMALL + WHOLE + SIDES
    counts = report.counts()
    assert set(counts) == set(cases.SHARES)
    for kind in light:
        used = sum(counts[kind][name] for name in ("picture", "table", "listing"))
        assert 0.1 < used / sum(counts[kind].values()) < 0.9, kind
    whole = sum((counts[kind] for kind in READERS), start=counts["folder"] - counts["folder"])
    assert whole["cohort"] > WHOLE / 5 and whole["InputError"] > WHOLE / 5


@pytest.mark.slow
def test_the_starting_files_and_trees_are_valid():
    assert cases.unmutated() == []
    names = [name for name, _ in cases.all_files()]
    assert len(names) == len(set(names)) and len(names) > 100


def test_foreign_formats_are_named():
    """By content, whatever the file is called; what the product reads itself is no foreign format."""
    for name, data in foreign.foreigns().items():
        (found,) = formats.decode_pictures(data, [""], DecodeOptions())
        assert isinstance(found, ImageError) and found.reason == Reason.UNREADABLE
        if said := foreign.NAMES.get(name):
            assert said in found.detail and any(word in found.detail for word in ("save", "write", "unpack"))
    assert set(foreign.NAMES) < set(foreign.foreigns())


def test_a_case_is_the_same_whenever_it_is_made():
    planned = cases.plan(200, 1, cases.DECODED)
    assert [case.name for case in planned] == [case.name for case in cases.plan(200, 1, cases.DECODED)]
    digests = [cases.digest(case) for case in planned]
    assert digests == [cases.digest(case) for case in planned]
    assert len(set(digests)) > 190
    assert digests != [cases.digest(replace(case, seed=2)) for case in planned]


@pytest.mark.slow
def test_command_line(capsys, tmp_path):
    assert fuzz.main(["--cases", "40", "--kinds", "png", "cells", "--seed", "4"]) == 0
    assert "40 cases, seed 4" in capsys.readouterr().out
    assert fuzz.main(["--only", "png:3", "--keep", str(tmp_path / "kept")]) == 0
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.suffix == ".png" and "1 cases" in capsys.readouterr().out
    assert fuzz.main(["--only", "folder:0", "--keep", str(tmp_path / "tree")]) == 0
    assert any((tmp_path / "tree" / "input").rglob("*.png"))
    assert fuzz.main(["--cases", "40", "--kinds", "png", "--minutes", "0"]) == 0
    assert "0 of 40 cases" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        fuzz.main(["--only", "png"])


# the harness notices


def results(monkeypatch, reader, kinds=("png",), count: int = 4, limit: float = 20.0) -> list[str]:
    """What is reported of cases that a broken reader reads; the command ends with 1 if one failed."""
    monkeypatch.setattr(formats, "decode_pictures", lambda data, fragments, *_: reader(data) * len(fragments))
    report = harness.run_cases(cases.plan(count, 0, kinds), limit=limit)
    assert len(report.outcomes) == count
    assert any("FAILED" in line and "--only" in report.lines()[i + 1] for i, line in enumerate(report.lines()[:-1]))
    return [f"{outcome.result} {outcome.detail}" for outcome in report.outcomes]


def picture(pixels: np.ndarray, **facts) -> Picture:
    shape = {"height": pixels.shape[1], "width": pixels.shape[2], "bits": 8}
    return Picture(pixels, **(shape | facts))


def undocumented() -> ImageError:
    """A refusal for a reason that there is not, which only a mistake in the type could make."""
    error = ImageError(Reason.EMPTY, "a sentence")
    error.reason = "broken"  # type: ignore[assignment]
    return error


NOISE = np.random.default_rng(0).integers(0, 256, (1, 16, 16)).astype(np.uint8)
HUGE = np.lib.stride_tricks.as_strided(NOISE, (1, 9000, 9000), (0, 0, 0))


def test_a_traceback_is_a_failure(monkeypatch):
    def reader(_):
        raise KeyError("a tag")

    assert all(result.startswith("traceback KeyError") for result in results(monkeypatch, reader))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([], "0 results of 1"),
        ([picture(NOISE.astype(np.int32))], "another type"),
        ([picture(NOISE[0][None, None])], "shape"),
        ([picture(NOISE.repeat(2, axis=0))], "shape"),
        ([picture(HUGE)], "let through"),
        ([picture(NOISE[:, :4])], "let through"),
        ([picture(NOISE, height=17)], "pixels of a"),
        ([picture(NOISE, notes=("a note",))], "vocabulary"),
        ([picture(NOISE, bits=0)], "out of range"),
        ([undocumented()], "none that is documented"),
        ([ImageError(Reason.UNREADABLE, "")], "no sentence"),
        (["a picture"], "instead of a picture"),
    ],
)
def test_a_result_that_breaks_the_contract_is_a_failure(monkeypatch, found, why):
    (result,) = results(monkeypatch, lambda _: found, count=1)
    assert result.startswith("contract") and why in result


def test_another_result_the_second_time_is_a_failure(monkeypatch):
    drawn = iter(range(1000))
    found = results(monkeypatch, lambda _: [picture(NOISE ^ np.uint8(next(drawn)))], count=30)
    assert any("a second look" in result for result in found)


def test_a_crash_is_found_and_the_run_goes_on(monkeypatch):
    def reader(data):
        if len(data) % 2:
            os.abort()
        return [picture(NOISE)]

    found = results(monkeypatch, reader, count=12)
    assert set(found) == {"crash SIGABRT", "picture "}


def test_a_crash_that_an_earlier_case_caused_is_traced(monkeypatch):
    seen = []

    def reader(data):
        seen.append(data)
        if len(seen) == 3:
            os.abort()
        return [picture(NOISE)]

    monkeypatch.setattr(cases, "AGAIN", 0.0)
    found = results(monkeypatch, reader, count=3)
    assert found == ["picture ", "picture ", "crash SIGABRT; not alone, but after png:0"]


def test_a_hang_is_found_and_ended(monkeypatch, tmp_path):
    def reader(_):
        (Path(tempfile.mkdtemp()) / "left").touch()
        time.sleep(3600)

    monkeypatch.setattr(harness, "MEMORY_DISK", str(tmp_path))
    assert results(monkeypatch, reader, count=2, limit=0.3) == ["hang no end after 0.3 s"] * 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("waits", "result"), [(True, "hang"), (False, "picture")])
def test_who_waits_for_a_pipe_hangs_and_who_wants_a_processor_does_not(monkeypatch, waits, result):
    """Both take longer than the limit, and neither is said to have had a processor."""

    def reader(_):
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if waits:
                time.sleep(2)
        return [picture(NOISE)]

    monkeypatch.setattr(harness, "_processor_seconds", lambda child: 0.0)
    monkeypatch.setattr(formats, "decode_pictures", lambda data, fragments, *_: reader(data) * len(fragments))
    report = harness.run_cases(cases.plan(1, 0, ("png",)), limit=0.5)
    assert [outcome.result for outcome in report.outcomes] == [result]


@pytest.mark.slow
def test_memory_is_watched(monkeypatch):
    monkeypatch.setattr(harness, "MOST_BYTES", 100 * 2**20)

    def large(_):
        # pages of its own: an allocator that keeps what was freed would hand out memory that this process has already
        with mmap.mmap(-1, 2**28) as pages:
            for _ in range(2**8):
                pages.write(b"1" * 2**20)
        return [picture(NOISE)]

    assert all(result.startswith("memory") for result in results(monkeypatch, large))

    def reader(_):
        try:
            np.empty(2**29)
        except MemoryError:
            return [ImageError("unreadable", "MemoryError: so much")]
        return [picture(NOISE)]

    assert all(result == "memory out of memory" for result in results(monkeypatch, reader))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["kept", "refused", "store", "assertion"])
def test_a_lost_image_is_a_failure(monkeypatch, loss):
    read = cohort_reader.read

    def reader(*args, store, **options):
        found = read(*args, store=store, **options)
        if loss == "kept":
            fewer = replace(found.cohort, table=found.cohort.table[1:].reset_index(drop=True))
            found = replace(found, cohort=fewer)
        if loss == "refused":
            found = replace(found, quarantine=found.quarantine[1:])
        if loss == "store":
            images = np.load(store / "images.npy", mmap_mode="r+")
            images[0, 0, 0, 0] ^= 1
            images.flush()
        if loss == "assertion":
            raise AssertionError("3 images read, 2 kept and 0 quarantined")
        return found

    monkeypatch.setattr(cohort_reader, "read", reader)
    report = harness.run_cases(cases.plan(6, 2, ["folder"]))
    expected = {"kept": "kept or quarantined", "refused": "kept or quarantined", "store": "not in the store"}
    whys = [outcome.detail for outcome in report.failures]
    assert whys and all(expected.get(loss, "3 images read") in why for why in whys)


def test_written_names_stay_inside(tmp_path):
    """The harness itself writes nothing beside its own folder, whatever the names."""
    files = {
        name: b"x" for name in ("a/b.png", "../out.png", "/out.png", "a/../../out.png", "c/\udcff.png", "", "d" * 300)
    }
    assert trees.write_tree(trees.Tree(files, {}), tmp_path / "in", None, None) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert sorted(os.listdir(tmp_path / "in")) == ["a", "c"]


# what it found


def only(data: bytes, name: str, **options) -> Picture:
    (found,) = formats.decode_pictures(data, [""], DecodeOptions(**options))
    assert isinstance(found, Picture)
    return found


def test_16_bit_colour_of_grey_content_is_prepared():
    """A grey palette of 16-bit entries: Pillow has no such mode (png: TypeError)."""
    ramp = np.linspace(0, 65535, 256).astype("<u2")
    ds = volumes.dataset(np.tile(np.arange(256, dtype=np.uint8), (64, 1)), 1, "PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        ds.add_new(f"{name}PaletteColorLookupTableData", "OW", ramp.tobytes())
    found = only(volumes.saved(ds), "a.dcm")
    assert found.pixels.dtype == np.uint16 and found.pixels.shape == (3, 64, 256)
    image = prepare(found, PreprocessConfig(size=64, normalisation="percentile", percentiles=(0, 100)))
    assert image.shape == (1, 64, 64)
    # the middle 64 of 256 columns of a ramp from 0 to 255
    np.testing.assert_allclose(image[0, 32], np.arange(96, 160), atol=1)


@pytest.mark.slow
def test_a_raster_has_no_frames(tmp_path):
    """A table that lists a.png#frame=0 and a.png#frame=1 ended in a ValueError of `zip`."""
    found = formats.decode_pictures(rasters.pngs()["grey8"], ["frame=0", "", "slice=1"], DecodeOptions())
    assert [getattr(one, "reason", "picture") for one in found] == ["missing", "picture", "missing"]
    tree = trees.table_csv()
    sheet = tree.sheets["list.csv"].copy()
    extra = [[f"{sheet.rows[0][0]}#frame={i}", *sheet.rows[0][1:]] for i in range(2)]
    sheet.rows += extra
    trees.write_tree(replace(tree, sheets={"list.csv": sheet}).finished(), tmp_path / "in", None, None)
    config = CohortConfig(images="in/list.csv", **tree.options)
    found = cohort_reader.read(config, 0, tmp_path, images=PreprocessConfig(size=32), workers=1)
    assert len(found.cohort) == 24 and [(path, reason) for path, reason, _ in found.quarantine] == [
        (row[0], "missing") for row in extra
    ]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 8, 60000), (1, 60000, 8), (3, 8, 60000)])
def test_a_strip_is_padded_without_the_square_of_its_length(shape):
    """Padding 65535 × 8 pixels to a square took 4 GB, and Pillow refuses it (DecompressionBombError)."""
    pixels = np.full(shape, 200, np.uint8)
    if shape[0] == 3:
        pixels[0] = 90
    image = prepare(picture(pixels), PreprocessConfig(size=64, fit="pad"))
    assert image.shape == (shape[0], 64, 64)
    profile = image[-1].max(axis=1 if shape[1] == 8 else 0)
    assert profile[31:33].max() > 0 and not profile[:28].any() and not profile[36:].any()
    assert (np.ptp(image[-1].max(axis=0 if shape[1] == 8 else 1)[1:-1].astype(int))) <= 1


def test_a_square_that_fits_is_padded_as_before():
    pixels = np.random.default_rng(1).integers(0, 256, (1, 40, 64)).astype(np.uint8)
    image = prepare(picture(pixels), PreprocessConfig(size=64, fit="pad"))
    np.testing.assert_array_equal(image[:, 12:52], pixels)
    assert not image[:, :12].any() and not image[:, 52:].any()


def test_an_unknown_sop_class_does_not_quote_the_file():
    """A wrong length made the whole header, with the person's name, the name of the class."""
    data = bytearray(volumes.dicoms()["byte"])
    place = data.index(b"\x08\x00\x16\x00UI") + 6
    data[place : place + 2] = (300).to_bytes(2, "little")
    (found,) = formats.decode_pictures(bytes(data), [""], DecodeOptions())
    assert isinstance(found, ImageError) and "Doe" not in found.detail and "P5" not in found.detail


def test_details_are_printable_and_short():
    error = ImageError("unreadable", "a\0b\nc \udcff\x1b[31m" + "x" * 5000)
    assert error.detail.startswith("a\ufffdb c \ufffd\ufffd[31mx") and len(error.detail) == 300
    assert error.detail.isprintable() and error.detail.encode()


def test_a_packed_table_takes_memory_for_itself_alone(monkeypatch):
    """One read of what it might unpack to reserved 2 GiB (MemoryError)."""
    monkeypatch.setattr(cases, "TABLES", ("csv.gz",))
    monkeypatch.setattr(harness, "ADDRESS_BYTES", 2**30)
    assert harness.run_cases(cases.plan(10, 0, ["cells"])).failures == []


@pytest.fixture
def no_fault_handler():
    """pytest's would print the stack of the process that dies on purpose."""
    enabled = faulthandler.is_enabled()
    faulthandler.disable()
    yield
    if enabled:
        faulthandler.enable(sys.__stderr__)


@pytest.mark.parametrize(
    ("whole", "altered"),
    [
        (b"\x15\x0c\x25\x02\x18\x07subject", b"\x15\x00\x25\x02\x18\x07subject"),
        (b"\x16\x18\x19", b"\x16\x08\x19"),
    ],
    ids=["text-as-boolean", "rows"],
)
def test_a_parquet_table_at_odds_with_its_metadata_is_refused(tmp_path, no_fault_handler, whole, altered):
    """Arrow ended the process (SIGABRT) over statistics of the wrong type; another number of rows went unnoticed."""
    rows = pa.table({name: [f"{name} {i}" for i in range(12)] for name in ("image", "subject", "label")})
    pq.write_table(rows, tmp_path / "t.parquet", store_schema=False)
    data = (tmp_path / "t.parquet").read_bytes()
    assert len(columns.parse_columns("t.parquet", data, where="t")) == 12 and data.count(whole) == 1
    (tmp_path / "t.parquet").write_bytes(data.replace(whole, altered))
    for read in (
        lambda: columns.read_columns(tmp_path / "t.parquet"),
        lambda: columns.parse_columns("t.parquet", data.replace(whole, altered), where="t"),
    ):
        with pytest.raises(InputError):
            read()


@pytest.mark.parametrize("metadata", [True, False])
def test_an_empty_split_table_of_mimic_is_refused(tmp_path, metadata):
    """A table without rows is false, so that the other one was taken for it (KeyError where there was none)."""
    tree = trees.mimic()
    sheets = dict(tree.sheets)
    split = "mimic-cxr-2.0.0-split.csv.gz"
    sheets[split] = replace(sheets[split], rows=[])
    if not metadata:
        del sheets["mimic-cxr-2.0.0-metadata.csv"]
    trees.write_tree(replace(tree, sheets=sheets).finished(), tmp_path / "in", None, None)
    with pytest.raises(InputError, match="no rows"):
        read_listing(CohortConfig(images="in", **tree.options), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("special", [trees.FIFO, trees.LOOP, trees.FOLDER])
@pytest.mark.parametrize("name", ["dataset_dict.json", "train/state.json", "train/dataset_info.json", "train"])
def test_a_saved_data_set_with_a_pipe_or_a_circle_is_refused(tmp_path, name, special):
    """A pipe was waited for without end; a circle of links was a RuntimeError."""
    tree = trees.saved_dataset()
    files = {file: data for file, data in tree.files.items() if not f"{file}/".startswith(f"{name}/")}
    trees.write_tree(replace(tree, files=files, specials={name: special}), tmp_path / "in", None, None)
    config = CohortConfig(images="in", layout="huggingface")
    with pytest.raises(InputError):
        read_listing(config, tmp_path)


@pytest.fixture
def study(tmp_path) -> Path:
    """A study with its images beside it, and the store before it was assembled in `blocks`."""
    for name, data in cases.study_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path / "study"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "value"),
    [("labels", ["other"]), ("labels", None), ("labels", [None]), ("split", "nope"), ("split", None), ("subject", None),
     ("image", None), ("sha256", None)],
)  # fmt: skip
def test_a_cohort_with_odd_values_is_refused(study, column, value):
    """They came out as KeyError and TypeError where the labels were used, or as an image in no split."""
    table = pq.ParquetFile(study / "cohort.parquet").read()
    place = table.column_names.index(column)
    values = table.column(place).to_pylist()
    # of a train image no labels at all would say that nobody labelled it
    values[table.column("split").to_pylist().index("val")] = value
    altered = table.set_column(place, column, pa.array(values, table.schema.field(place).type))
    pq.write_table(altered, study / "cohort.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        load_cohort(study)


@pytest.mark.parametrize("classes", [["a", None], "ab", [], {"a": 1, "b": 2}])
def test_a_cohort_with_odd_classes_is_refused(study, classes):
    table = pq.ParquetFile(study / "cohort.parquet").read()
    facts = json.loads(table.schema.metadata[b"unpersonal"]) | {"classes": classes}
    pq.write_table(table.replace_schema_metadata({b"unpersonal": json.dumps(facts)}), study / "cohort.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        load_cohort(study)


def read_again(study: Path) -> None:
    """Read the images with what is left of the store: the cohort and its images are as they were."""
    config = CohortConfig(images="in", **trees.folder().options)
    codec = PreprocessConfig(size=32)
    found = cohort_reader.read(config, 0, study.parent, images=codec, store=study / "store", workers=1)
    assert len(found.cohort) == 24 and not found.quarantine
    assert ImageStore(study / "store", codec, DecodeOptions()).holds(found.cohort.table["sha256"].tolist(), 1)
    contracts.require_images(study, cases.clean_rows())


def test_an_index_of_no_text_is_read_anew(study):
    """A byte that is no UTF-8 (UnicodeDecodeError)."""
    index = study / "store" / "index.parquet"
    table = pq.ParquetFile(index).read()
    column = table.column_names.index("content")
    spoiled = [b"\xff" * 64, *(text.encode() for text in table.column(column).to_pylist()[1:])]
    as_text = pa.Array.from_buffers(pa.string(), len(spoiled), pa.array(spoiled, pa.binary()).buffers())
    pq.write_table(table.set_column(column, "content", as_text), index)
    assert b"\xff" * 64 in index.read_bytes()
    read_again(study)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (900000000, 1, 32, 32), }",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (24, 1, 32, 32), ",
        b"",
    ],
    ids=["huge", "unclosed", "none"],
)
def test_a_block_with_a_wrong_header_is_no_traceback(study, header):
    """It announces more than there is memory (MemoryError), or ends in the midst (tokenize.TokenError)."""
    (block,) = study.parent.glob("blocks/*/*-1.npy")
    stream = io.BytesIO()
    np.save(stream, np.zeros((1, 1, 32, 32), np.uint8))
    version = stream.getvalue()[:8]
    padded = header.ljust(118 - len(header) % 1) if header else b""
    block.write_bytes(version + len(padded).to_bytes(2, "little") + padded + bytes(24 * 1024) if header else b"")
    store = study.parent / "blocks"
    config, codec = CohortConfig(images="in", **trees.folder().options), PreprocessConfig(size=32)
    with pytest.raises(InputError, match="not what was written"):
        cohort_reader.read(config, 0, study.parent, images=codec, store=store, workers=1)


def test_quarantine_takes_whatever_a_detail_quotes(tmp_path):
    error = ImageError("unreadable", '\udcff\0\r\n,"')
    write_quarantine(tmp_path / "q.csv", [("a.png", error.reason, error.detail)])
    assert (tmp_path / "q.csv").read_text(encoding="utf-8").count("\n") == 2


def test_small_rasters_are_what_they_say():
    """The PNG and TIFF writers of the harness against Pillow's reading of their files."""
    grey = rasters.grey()
    for name in ("interlaced", "grey8", "interlaced16"):
        pixels = decode.decode(rasters.pngs()[name])
        np.testing.assert_array_equal(pixels[0], grey.astype(np.int64) * (251 if "16" in name else 1))
    np.testing.assert_array_equal(decode.decode(rasters.tiffs()["big"])[0], grey)
