"""The pass over the images and the store: conservation, content, kills, and what is used again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unpersonal.core.errors import InputError
from unpersonal.core.hashing import sha256_file
from unpersonal.images import ingest as ingest_module
from unpersonal.images.archives import FolderArchive
from unpersonal.images.decode import decode_raster
from unpersonal.images.ingest import Decoder, ingest
from unpersonal.images.picture import DecodeOptions, ImageError
from unpersonal.images.preprocess import PreprocessConfig, prepare, to_channels
from unpersonal.images.store import ImageStore
from unpersonal.phantom import phantom_cohort, write_phantom

CONFIG = PreprocessConfig(size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "cohort"
    write_phantom(path, 40, seed=3, size=40)
    return path


def names_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def read(folder: Path, store: ImageStore, names: list[str] | None = None, config=CONFIG, **more) -> pd.DataFrame:
    return ingest(names or names_of(folder), FolderArchive(folder), DecodeOptions(), config, store, **more)


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """How many images were decoded in this process (the pool is replaced by a loop)."""
    count = [0]

    class Loop:
        def __init__(self, work, *, prepare, arguments, **_):
            prepare(*arguments)
            self.work = work

        def map(self, tasks):
            return (self.work(task) for task in tasks)

    whole = Decoder._prepare

    def counted(self, content, picture):
        count[0] += 1
        return whole(self, content, picture)

    monkeypatch.setattr(ingest_module, "Pool", Loop)
    monkeypatch.setattr(Decoder, "_prepare", counted)
    return count


# one pass


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_follow_the_names_and_hold_what_one_image_alone_gives(folder, tmp_path, workers):
    store = ImageStore(tmp_path, CONFIG)
    names = names_of(folder)[::-1]
    facts = read(folder, store, names, workers=workers)
    assert facts["content"].tolist() == [sha256_file(folder / name) for name in names]
    assert (facts[["height", "width", "bits", "channels"]].to_numpy() == (40, 40, 8, 1)).all()
    store.assemble(facts["content"].tolist(), 1)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    for image, name in zip(images, names, strict=True):
        np.testing.assert_array_equal(image, prepare(decode_raster((folder / name).read_bytes()), CONFIG))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "index.parquet"]


def test_every_image_is_kept_or_refused_with_its_reason(tmp_path):
    source = tmp_path / "images"
    source.mkdir()
    good = phantom_cohort(4, 0, 40)[0]
    names = []
    for i, image in enumerate(good[:4]):
        names.append(f"{i}.png")
        Image.fromarray(image[0]).save(source / names[-1])
    (source / "empty.png").write_bytes(b"")
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    Image.new("L", (40, 40), 7).save(source / "flat.png")
    (source / "loop.png").symlink_to(source / "loop.png")
    (source / "out.png").symlink_to(tmp_path)
    every = sorted([*names, "empty.png", "broken.png", "flat.png", "loop.png", "out.png", "gone.png", "a\x00b.png"])
    facts = read(source, ImageStore(tmp_path / "store", CONFIG), every)
    found = dict(zip(every, facts["reason"], strict=True))
    assert {name: found.pop(name) for name in names} == dict.fromkeys(names, "")
    assert found == {
        "empty.png": "empty", "broken.png": "unreadable", "flat.png": "constant", "loop.png": "unreadable",
        "out.png": "outside", "gone.png": "missing", "a\x00b.png": "outside",
    }  # fmt: skip
    assert all(facts["detail"][facts["reason"] != ""])


def test_colour_and_grey_in_one_cohort(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "images"
    source.mkdir()
    arrays = {f"{i}.png": rng.integers(0, 256, (32, 32, 3) if i % 2 else (32, 32), dtype=np.uint8) for i in range(6)}
    for name, array in arrays.items():
        Image.fromarray(array).save(source / name)
    for channels in (1, 3, 1):
        store = ImageStore(tmp_path / "store", CONFIG)
        facts = read(source, store)
        assert facts["channels"].tolist() == [1, 3] * 3
        store.assemble(facts["content"].tolist(), channels)
        images = np.load(tmp_path / "store" / "images.npy")
        for image, array in zip(images, arrays.values(), strict=True):
            natural = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
            np.testing.assert_array_equal(image, to_channels(natural, channels))


# used again


def test_only_new_content_is_decoded(folder, tmp_path, decoded):
    names = names_of(folder)
    facts = read(folder, store := ImageStore(tmp_path, CONFIG), names[:20])
    store.assemble(facts["content"].tolist(), 1)
    assert decoded == [20]
    read(folder, ImageStore(tmp_path, CONFIG), names[:20])
    assert decoded == [20]
    store = ImageStore(tmp_path, CONFIG)
    facts = read(folder, store, names)
    assert decoded == [len(names)]
    store.assemble(facts["content"].tolist(), 1)
    read(folder, ImageStore(tmp_path, PreprocessConfig(size=48)), names, config=PreprocessConfig(size=48))
    assert decoded == [2 * len(names)]


@pytest.mark.parametrize("options", [{"window": (40.0, 80.0)}, {"slice_axis": "coronal"}])
def test_another_way_of_decoding_uses_nothing_again(folder, tmp_path, options):
    store = ImageStore(tmp_path, CONFIG)
    contents = read(folder, store)["content"].tolist()
    store.assemble(contents, 1)
    other = ImageStore(tmp_path, CONFIG, DecodeOptions(**options))
    assert other.known() == [] and not other.holds(contents, 1)


def test_what_was_refused_is_tried_again(tmp_path, monkeypatch):
    """A decoder may have been installed since."""
    source = tmp_path / "images"
    write_phantom(source, 3, seed=0, size=40)
    real = ingest_module.decode_pictures
    refuse = lambda data, fragments, *_: [ImageError("unreadable", "no decoder")] * len(fragments)  # noqa: E731
    monkeypatch.setattr(ingest_module, "decode_pictures", refuse)
    store = ImageStore(tmp_path / "store", CONFIG)
    assert (read(source, store)["reason"] == "unreadable").all() and store.known() == []
    monkeypatch.setattr(ingest_module, "decode_pictures", real)
    facts = read(source, ImageStore(tmp_path / "store", CONFIG))
    assert (facts["reason"] == "").all() and (facts["height"] == 40).all()


@pytest.mark.slow
def test_a_store_filled_in_steps_is_the_store_filled_at_once(folder, tmp_path):
    names = names_of(folder)
    for part in (names[10:30], names[:20], names):
        store = ImageStore(tmp_path / "steps", CONFIG)
        contents = read(folder, store, part)["content"].tolist()
        store.assemble(contents, 1)
    store = ImageStore(tmp_path / "once", CONFIG)
    store.assemble(read(folder, store, names)["content"].tolist(), 1)
    for name in ("images.npy", "index.parquet"):
        assert (tmp_path / "steps" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()


@pytest.mark.parametrize("where", ["images", "index"])
def test_what_was_altered_is_decoded_anew(folder, tmp_path, decoded, where):
    store = ImageStore(tmp_path, CONFIG)
    contents = read(folder, store)["content"].tolist()
    store.assemble(contents, 1)
    before = (tmp_path / "images.npy").read_bytes()
    if where == "images":
        with open(tmp_path / "images.npy", "r+b") as stream:
            stream.seek(-10, os.SEEK_END)
            stream.write(b"tampered!!")
    else:
        (tmp_path / "index.parquet").write_bytes(b"no table")
    store = ImageStore(tmp_path, CONFIG)
    assert not store.holds(contents, 1)
    decoded[0] = 0
    store.assemble(read(folder, store)["content"].tolist(), 1)
    assert decoded == [1 if where == "images" else len(contents)]
    assert (tmp_path / "images.npy").read_bytes() == before and ImageStore(tmp_path, CONFIG).holds(contents, 1)


def test_a_row_cannot_pass_for_another(folder, tmp_path, decoded):
    """Two images that change places, with the hashes that were stored for them, are noticed."""
    store = ImageStore(tmp_path, CONFIG)
    contents = read(folder, store)["content"].tolist()
    store.assemble(contents, 1)
    images = np.load(tmp_path / "images.npy", mmap_mode="r+")
    images[[0, 1]] = images[[1, 0]]
    images.flush()
    index = pq.ParquetFile(tmp_path / "index.parquet").read()
    pixels = index.column("pixels").to_pylist()
    pixels[0], pixels[1] = pixels[1], pixels[0]
    changed = index.set_column(index.schema.get_field_index("pixels"), "pixels", pa.array(pixels))
    pq.write_table(changed, tmp_path / "index.parquet")
    store = ImageStore(tmp_path, CONFIG)
    assert not store.holds(contents, 1)
    decoded[0] = 0
    read(folder, store)
    assert decoded == [2]


def test_few_decoded_pictures_wait_at_a_time(folder, monkeypatch):
    waited = []
    whole = Decoder._finish

    def watched(self, waiting, found):
        waited.append(sum(picture.pixels.nbytes for _, _, picture in waiting))
        whole(self, waiting, found)

    monkeypatch.setattr(Decoder, "_finish", watched)
    monkeypatch.setattr(ingest_module, "WAITING_BYTES", 5000)
    files = [(name, ("",)) for name in names_of(folder)]
    found = list(Decoder(FolderArchive(folder), DecodeOptions(), CONFIG).read(files))
    assert [len(file) for file in found] == [1] * len(files)
    one = 40 * 40
    assert max(waited) <= 5000 + one and sum(waited) == one * len(files)


def test_a_file_that_gives_too_few_results_is_a_bug_and_nothing_moves_up(folder, tmp_path, monkeypatch):
    whole = Decoder.read
    monkeypatch.setattr(Decoder, "read", lambda self, files: list(whole(self, files))[:-1])
    with pytest.raises(RuntimeError, match="results for"):
        read(folder, ImageStore(tmp_path, CONFIG), workers=1)


def test_a_block_that_was_altered_is_refused(folder, tmp_path):
    store = ImageStore(tmp_path, CONFIG)
    contents = read(folder, store)["content"].tolist()
    block = next(store.blocks.glob("*.npy"))
    data = bytearray(block.read_bytes())
    data[-1] ^= 1
    block.write_bytes(data)
    with pytest.raises(InputError, match="not what was written"):
        store.assemble(contents, 1)
    assert not (tmp_path / "images.npy").exists()


def test_images_of_another_order_or_number_are_not_held(folder, tmp_path):
    store = ImageStore(tmp_path, CONFIG)
    contents = read(folder, store)["content"].tolist()
    store.assemble(contents, 1)
    assert store.holds(contents, 1) and not store.holds(contents[::-1], 1)
    assert not store.holds(contents[:-1], 1) and not store.holds(contents, 3)
    assert not ImageStore(tmp_path, PreprocessConfig(size=32, fit="pad")).holds(contents, 1)


# kills

KILLED = """
import sys
from pathlib import Path
from unpersonal.images import store
from unpersonal.images.ingest import ingest
from unpersonal.images.picture import DecodeOptions, ImageError
from unpersonal.images.preprocess import PreprocessConfig
from unpersonal.images.archives import FolderArchive

store.BLOCK_IMAGES = 8
folder, target = map(Path, sys.argv[1:])
names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
config = PreprocessConfig(size=32)

class Slow(FolderArchive):
    def open_bytes(self, name):
        import time
        time.sleep(0.05)
        return super().open_bytes(name)

from unpersonal.images import ingest as module
module.IMAGES_PER_TASK = 2
module.FRAMES = 1
ingest(names, Slow(folder), DecodeOptions(), config, store.ImageStore(target, config), workers=1)
"""


def test_a_block_whose_writer_was_killed_before_its_name_counts_for_nothing(folder, tmp_path, decoded):
    store = ImageStore(tmp_path / "store", CONFIG)
    contents = read(folder, store)["content"].tolist()
    (block,) = store.blocks.glob("*.parquet")
    block.rename(block.with_name(f".{block.stem}.17.tmp.parquet"))
    decoded[0] = 0
    again = ImageStore(tmp_path / "store", CONFIG)
    assert again.known() == []
    assert read(folder, again)["content"].tolist() == contents
    again.assemble(contents, 1)
    assert decoded == [len(contents)] and ImageStore(tmp_path / "store", CONFIG).holds(contents, 1)


@pytest.mark.slow
def test_a_killed_pass_goes_on_to_the_same_bytes(folder, tmp_path, decoded):
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    target = tmp_path / "store"
    process = subprocess.Popen([sys.executable, str(script), str(folder), str(target)])
    deadline = time.monotonic() + 60
    while not list(target.rglob("[0-9]*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    names = names_of(folder)
    done = len(ImageStore(target, CONFIG).known())
    assert 8 <= done < len(names)
    store = ImageStore(target, CONFIG)
    store.assemble(read(folder, store)["content"].tolist(), 1)
    assert decoded == [len(names) - done]
    fresh = ImageStore(tmp_path / "fresh", CONFIG)
    fresh.assemble(read(folder, fresh)["content"].tolist(), 1)
    for name in ("images.npy", "index.parquet"):
        assert (target / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
