"""One pass over the images of a cohort: each file is read, hashed, decoded, checked and prepared once.

What a pass found is kept by content in the folder of the store (`store.py`), so that a pass that was killed, or one
over images of which most are known, decodes only what it has not seen. Legend: C channels (1 grey, 3 colour), S size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from ..core.hashing import sha256_bytes
from ..core.progress import progress_bar
from ..core.workers import Pool
from .burned_text import text_score
from .decode import check_content
from .formats import decode_pictures
from .picture import DecodeOptions, ImageError, Picture, split_name
from .preprocess import PreprocessConfig, prepare
from .sources import Source
from .store import COLUMNS, Facts, ImageStore, Row

if TYPE_CHECKING:
    import pandas as pd

IMAGES_PER_TASK, TASK_BYTES = 64, 2 * 2**20
"""A task is many images, for the messages between processes cost, but few bytes of prepared images."""
FRAMES = 16
"""Frames or slices of one file that are decoded at once, at full size, and at least handed on together."""
TEXT_SIDE = 256
"""Burned-in text is looked for in images at least this large; a smaller reduction would blur the letters."""

File = tuple[str, tuple[str, ...]]
Found = tuple[str, Facts | None, Row | None]
"""Content hash, facts (None where the store already has them), and the prepared image, if any."""


@dataclass(frozen=True)
class Decoder:
    """Everything that a process needs to turn a file's name into prepared images."""

    source: Source
    options: DecodeOptions
    config: PreprocessConfig
    text: bool = True
    known: frozenset[str] = field(default_factory=frozenset)

    @property
    def enough(self) -> int | None:
        """As `PreprocessConfig.enough`, and enough for the search for text."""
        least = self.config.enough
        return max(least, TEXT_SIDE) if least is not None and self.text else least

    def read(self, file: File) -> list[Found]:
        """What each fragment of one file shows. Nothing but a bug raises."""
        name, fragments = file
        try:
            data = self.source.open_bytes(name)
        except ImageError as error:
            return [("", refused(error), None)] * len(fragments)
        digest = sha256_bytes(data)
        contents = [content_of(digest, fragment) for fragment in fragments]
        wanted = [i for i, content in enumerate(contents) if content not in self.known]
        found: list[Found] = [(content, None, None) for content in contents]
        for start in range(0, len(wanted), FRAMES):
            some = wanted[start : start + FRAMES]
            pictures = decode_pictures(data, [fragments[i] for i in some], self.options, self.enough)
            for i, picture in zip(some, pictures, strict=True):
                found[i] = (contents[i], *self._prepare(contents[i], picture))
        return found

    def _prepare(self, content: str, picture: Picture | ImageError) -> tuple[Facts, Row | None]:
        if isinstance(picture, ImageError):
            return refused(picture), None
        try:
            check_content(picture.pixels)
        except ImageError as error:
            return refused(error), None
        image = prepare(picture, self.config)
        text = text_score(picture.pixels) if self.text else 0.0
        facts = Facts(picture.height, picture.width, picture.bits, len(image), text, "|".join(picture.notes))
        return facts, Row.of(content, image)


def content_of(digest: str, fragment: str) -> str:
    """Hex SHA-256 that names one image: of its file, or of the file's hash and the fragment where it holds several."""
    return sha256_bytes(f"{digest}#{fragment}".encode()) if fragment else digest


def refused(error: ImageError) -> Facts:
    """The facts of an image that cannot be used."""
    return Facts(reason=error.reason, detail=error.detail)


def ingest(
    images: Sequence[str],
    source: Source,
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

    contents: list[str] = []
    unread: dict[int, Facts] = {}
    decoder = Decoder(source, options, config, store.text, frozenset(store.known()))
    pool: Pool[File, list[Found]] = Pool(_read, lost=_lost, prepare=_set_decoder, arguments=(decoder,), workers=workers)
    with progress_bar("reading images", len(images)) as bar, store.writer() as writer:
        for results in pool.map(_tasks(images, config.size)):
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


def _read(file: File) -> list[Found]:
    assert _decoder is not None
    return _decoder.read(file)


def _lost(file: File, why: str) -> list[Found]:
    return [("", Facts(reason="unreadable", detail=why), None)] * len(file[1])


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
