"""One pass over the images of a cohort: each file is read, hashed, decoded, checked and prepared once.

What a pass found is kept by content in the folder of the store (`store.py`), so that a pass that was killed, or one
over images of which most are known, decodes only what it has not seen. Legend: C channels (1 grey, 3 colour), S size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from ..core.hashing import sha256_bytes
from ..core.progress import progress_bar
from ..core.workers import Pool
from .archives import ImageArchive
from .burned_text import text_scores
from .decode import check_content
from .formats import decode_pictures
from .label_maps import may_be_mask
from .picture import DecodeOptions, ImageError, Picture, split_name
from .preprocess import PreprocessConfig, prepare
from .reasons import Reason
from .store import COLUMNS, ImageFacts, ImageStore, Row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

IMAGES_PER_TASK, TASK_BYTES = 64, 2 * 2**20
"""A task is many images, for the messages between processes cost, but few bytes of prepared images."""
FRAMES = 16
"""Frames or slices of one file that are decoded at once, at full size, and at least handed on together."""
TOGETHER, WAITING_BYTES = 32, 2**21
"""Files that are read in a row, at most; bytes from which content waits no longer for more, nor do decoded pixels."""
TEXT_SIDE = 256
"""Burned-in text is looked for in images at least this large; a smaller reduction would blur the letters."""

File = tuple[str, tuple[str, ...]]
Found = tuple[str, ImageFacts | None, Row | None]
"""Content hash, facts (None where the store already has them), and the prepared image, if any."""


@dataclass(frozen=True)
class Decoder:
    """Everything that a process needs to turn a file's name into prepared images."""

    archive: ImageArchive
    options: DecodeOptions
    config: PreprocessConfig
    text: bool = True
    known: frozenset[str] = field(default_factory=frozenset)

    @property
    def enough(self) -> int | None:
        """As `PreprocessConfig.enough`, and enough for the search for text."""
        least = self.config.enough
        return max(least, TEXT_SIDE) if least is not None and self.text else least

    def read(self, files: Sequence[File]) -> Iterator[list[Found]]:
        """What each fragment of each file shows, file by file. Nothing but a bug raises.

        Each kind of work is done for several small files in a row: in turns, each finds the processor's caches full of
        the others' code, and all take a third longer.
        """
        read: list[tuple[tuple[str, ...], str, bytes | ImageError]] = []
        held = 0
        for name, fragments in files:
            digest, data = self._bytes(name)
            read.append((fragments, digest, data))
            held += 0 if isinstance(data, ImageError) else len(data)
            if len(read) >= TOGETHER or held > WAITING_BYTES:
                yield from self._decoded(read)
                read, held = [], 0
        yield from self._decoded(read)

    def _bytes(self, name: str) -> tuple[str, bytes | ImageError]:
        """The hash and the content of a file."""
        try:
            data = self.archive.open_bytes(name)
        except ImageError as error:
            return "", error
        return sha256_bytes(data), data

    def _decoded(self, files: Sequence[tuple[tuple[str, ...], str, bytes | ImageError]]) -> Iterator[list[Found]]:
        """As `read`, of fragments, hash and content of files."""
        found: list[list[Found]] = []
        waiting: list[tuple[int, int, Picture | ImageError]] = []
        for fragments, digest, data in files:
            if isinstance(data, ImageError):
                found.append([("", refused(data), None)] * len(fragments))
                continue
            found.append([(content_of(digest, fragment), None, None) for fragment in fragments])
            wanted = [i for i, (content, _, _) in enumerate(found[-1]) if content not in self.known]
            for start in range(0, len(wanted), FRAMES):
                some = wanted[start : start + FRAMES]
                pictures = decode_pictures(data, [fragments[i] for i in some], self.options, self.enough)
                waiting += [(len(found) - 1, i, picture) for i, picture in zip(some, pictures, strict=True)]
                if sum(p.pixels.nbytes for _, _, p in waiting if isinstance(p, Picture)) > WAITING_BYTES:
                    self._finish(waiting, found)
        self._finish(waiting, found)
        yield from found

    def _finish(self, waiting: list[tuple[int, int, Picture | ImageError]], found: list[list[Found]]) -> None:
        """Prepare the pictures that wait, search them together, put them in their places and forget them."""
        usable: list[tuple[int, int, np.ndarray]] = []
        for file, i, picture in waiting:
            content = found[file][i][0]
            facts, row = self._prepare(content, picture)
            found[file][i] = (content, facts, row)
            if self.text and row is not None and isinstance(picture, Picture):
                usable.append((file, i, picture.pixels))
        for (file, i, _), score in zip(usable, text_scores([pixels for _, _, pixels in usable]), strict=True):
            content, known, row = found[file][i]
            if score and known is not None:
                found[file][i] = (content, known._replace(text=score), row)
        waiting.clear()

    def _prepare(self, content: str, picture: Picture | ImageError) -> tuple[ImageFacts, Row | None]:
        """Facts, still without the search for text, and the prepared image of one picture."""
        if isinstance(picture, ImageError):
            return refused(picture), None
        try:
            check_content(picture.pixels)
        except ImageError as error:
            return refused(error), None
        image = prepare(picture, self.config)
        notes = "|".join((*picture.notes, *(["few-levels"] if may_be_mask(picture.pixels) else [])))
        facts = ImageFacts(picture.height, picture.width, picture.bits, len(image), 0.0, notes)
        return facts, Row.of(content, image)


def content_of(digest: str, fragment: str) -> str:
    """Hex SHA-256 that names one image: of its file, or of the file's hash and the fragment where it holds several."""
    return sha256_bytes(f"{digest}#{fragment}".encode()) if fragment else digest


def refused(error: ImageError) -> ImageFacts:
    """The facts of an image that cannot be used."""
    return ImageFacts(reason=error.reason.value, detail=error.detail)


def ingest(
    images: Sequence[str],
    archive: ImageArchive,
    options: DecodeOptions,
    config: PreprocessConfig,
    store: ImageStore,
    *,
    workers: int = 0,
) -> pd.DataFrame:
    """Read every image and keep what is new in `store`; returns one row per image, in the order given.

    Columns: `content` (hex SHA-256, empty where the file could not be read), `height`, `width`, `bits`, `channels`,
    `text`, `notes`, and `reason`, `detail`, which are empty where the image can be used. Progress is kept: the same
    call after a kill goes on. `workers` processes decode (0: one per core).
    """
    import pandas as pd

    if store.text:
        import scipy.ndimage  # noqa: F401  (before processes are forked: each would take its own time to import it)

    contents: list[str] = []
    expected: deque[list[int]] = deque()
    unread: dict[int, ImageFacts] = {}
    decoder = Decoder(archive, options, config, store.text, frozenset(store.known()))
    pool: Pool[File, list[Found]] = Pool(_read, lost=_lost, prepare=_set_decoder, arguments=(decoder,), workers=workers)
    with progress_bar("reading images", len(images)) as bar, store.writer() as writer:
        for results in pool.map(_counted(_tasks(images, config.size), expected)):
            if [len(file) for file in results] != expected.popleft():
                raise RuntimeError("a file gave more or fewer results than it has images")
            before = len(contents)
            for content, facts, row in (found for file in results for found in file):
                if not content and facts is not None:
                    unread[len(contents)] = facts
                elif facts is not None:
                    writer.add(content, facts, row)
                contents.append(content)
            bar.advance(len(contents) - before)
    # files without content get a name of their own for the look-up, then none
    names = [content or f"unread {i}" for i, content in enumerate(contents)]
    absent = pd.DataFrame([{"content": names[i], **facts._asdict()} for i, facts in unread.items()])
    table = store.facts()
    if unread:
        table = pd.concat([table, absent.set_index("content")])
    rows = table.loc[names].reset_index()
    rows.loc[list(unread), "content"] = ""
    return rows[list(COLUMNS[:-1])]


_decoder: Decoder | None = None


def _set_decoder(decoder: Decoder) -> None:
    global _decoder  # noqa: PLW0603  (once per process)
    _decoder = decoder


def _read(files: Sequence[File]) -> list[list[Found]]:
    assert _decoder is not None
    return list(_decoder.read(files))


def _lost(file: File, why: str) -> list[Found]:
    return [("", ImageFacts(reason=Reason.UNREADABLE.value, detail=why), None)] * len(file[1])


def _counted(tasks: Iterator[list[File]], expected: deque[list[int]]) -> Iterator[list[File]]:
    """`tasks` as they are; how many images each of their files has is appended to `expected`."""
    for task in tasks:
        expected.append([len(fragments) for _, fragments in task])
        yield task


def _tasks(images: Sequence[str], size: int) -> Iterator[list[File]]:
    """Tasks of a few images each; the images of one file stay together, in their order, unless they are many."""
    most = min(IMAGES_PER_TASK, max(FRAMES, TASK_BYTES // size**2))
    task: list[File] = []
    held = 0
    for name, group in groupby((split_name(image) for image in images), key=lambda item: item[0]):
        fragments = tuple(fragment for _, fragment in group)
        for start in range(0, len(fragments), most):
            some = fragments[start : start + most]
            task.append((name, some))
            held += len(some)
            if held >= most:
                yield task
                task, held = [], 0
    if task:
        yield task
