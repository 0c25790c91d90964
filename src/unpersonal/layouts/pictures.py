"""Pictures of a folder, zip or data set brought to one form, so that two sides can be compared.

Legend: n pictures, v views of them, C channels (1 grey, 3 colour), S size.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.memory import refuse_pictures
from ..core.tensors import open_array
from ..images.ingest import ingest
from ..images.picture import DecodeOptions
from ..images.preprocess import PreprocessConfig
from ..images.reasons import Reason
from ..images.store import COLUMNS, ImageStore
from .config import CohortConfig
from .listing import Refusal
from .loose import find_pictures

if TYPE_CHECKING:
    import pandas as pd

    from ..images.archives import ImageArchive

FITS = ("crop", "pad")
HELD = 3
"""Times that the prepared pictures are held at once, at least: while they are assembled, whole, and compared."""


@dataclass(frozen=True)
class Source:
    """Where pictures lie, and how they are decoded."""

    archive: ImageArchive
    options: DecodeOptions


@dataclass(frozen=True)
class Pictures:
    """What was read in one place, and what was not: nothing that was found is left out.

    A picture may have several views, such as its middle and all of it with black; `picture` [v] is the row in `names`
    of each of the `views` uint8 [v, C, S, S]. `sizes` int64 [n, 2] are height and width in the files, `coloured` bool
    [n] says whose content has colour, `deep` bool [n] which files have more than 8 bits a channel, `contents` [n] are
    hex SHA-256 of what the files hold, and `ignored_by` counts
    the ignored files by suffix. Of `assumed` pictures nobody said who is on them.
    """

    names: tuple[str, ...]
    subjects: np.ndarray
    views: np.ndarray
    picture: np.ndarray
    unread: tuple[Refusal, ...]
    ignored: int
    notes: tuple[str, ...]
    ignored_by: Mapping[str, int] = field(default_factory=dict)
    sizes: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))
    coloured: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    deep: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    assumed: int = 0
    contents: tuple[str, ...] = ()
    source: Source | None = field(default=None, repr=False, compare=False)

    @property
    def found(self) -> int:
        """Pictures that were read or refused, and other files."""
        return len(self.names) + len(self.unread) + self.ignored

    def take(self, rows: np.ndarray) -> Pictures:
        """Some of the pictures, int64 [k] ascending and distinct, with all their views."""
        kept = np.flatnonzero(np.isin(self.picture, rows))
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            subjects=self.subjects[rows],
            views=self.views[kept],
            picture=np.searchsorted(rows, self.picture[kept]),
            sizes=self.sizes[rows] if len(self.sizes) else self.sizes,
            coloured=self.coloured[rows] if len(self.coloured) else self.coloured,
            deep=self.deep[rows] if len(self.deep) else self.deep,
            contents=tuple(self.contents[row] for row in rows) if self.contents else (),
        )

    def best(self, scores: np.ndarray) -> np.ndarray:
        """int64 [n]: the view of each picture with the largest of `scores` float32 [v]; NaN counts as the largest."""
        order = np.lexsort((np.where(np.isnan(scores), np.inf, scores), self.picture))
        last = np.flatnonzero(np.diff(self.picture[order], append=len(self.names)))
        found: np.ndarray = order[last]
        return found

    def also(self, rows: np.ndarray, config: PreprocessConfig) -> Pictures:
        """With one more view of the pictures `rows`, int64 [k] ascending, prepared as `config` says."""
        if self.source is None:
            raise ValueError("these pictures were not read from files")
        facts, views = _prepared(self.source, [self.names[row] for row in rows], config, self.views.shape[1])
        read = rows[(facts["reason"] == "").to_numpy()]
        return replace(self, views=np.concatenate([self.views, views]), picture=np.concatenate([self.picture, read]))

    def again(self, config: PreprocessConfig) -> Pictures:
        """The same pictures in one other view each, prepared as `config` says."""
        bare = replace(self, views=self.views[:0], picture=self.picture[:0])
        return bare.also(np.arange(len(self.names)), config)


def read_once(
    path: Path,
    config: PreprocessConfig,
    *,
    channels: int | None = None,
    subject: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Pictures:
    """Every picture at `path` in one view, prepared as `config` says; `Pictures.also` adds further ones.

    Without `channels` there are 3 where the content of any picture has colour, else 1. `subject` and `settings` as in
    `layouts.loose.find_pictures`, which raises what is wrong with the input.
    """
    found = find_pictures(path, subject=subject, settings=settings)
    options = CohortConfig.model_validate({"images": str(path), **(settings or {})}).decoding()
    refuse_pictures(
        len(found.images), config.size, HELD * (channels or 1), what=f"{len(found.images):,} pictures", where=str(path)
    )
    source = Source(found.archive, options)
    facts, views = _prepared(source, found.images, config, channels)
    read = np.flatnonzero((facts["reason"] == "").to_numpy())
    unread = (row for row in zip(found.images, facts["reason"], facts["detail"], strict=True) if row[1])
    return Pictures(
        names=tuple(found.images[row] for row in read),
        subjects=np.array(found.subjects, dtype=object)[read],
        views=views,
        picture=np.arange(len(read)),
        unread=tuple(sorted([*found.refused, *((name, Reason(reason), detail) for name, reason, detail in unread)])),
        ignored=found.ignored,
        notes=found.notes,
        ignored_by=found.ignored_by,
        sizes=facts.iloc[read][["height", "width"]].to_numpy(np.int64).reshape(len(read), 2),
        assumed=found.assumed,
        coloured=(facts.iloc[read]["channels"] == 3).to_numpy(bool),
        deep=(facts.iloc[read]["bits"] > 8).to_numpy(bool),
        contents=tuple(facts.iloc[read]["content"]),
        source=source,
    )


def read_pictures(
    path: Path,
    config: PreprocessConfig,
    *,
    channels: int,
    subject: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Pictures:
    """As `read_once`, and in the other fit as well where a picture is not square."""
    first = read_once(path, config, channels=channels, subject=subject, settings=settings)
    other = config.model_copy(update={"fit": FITS[config.fit == "crop"]})
    return first.also(np.flatnonzero(first.sizes[:, 0] != first.sizes[:, 1]), other)


def _prepared(
    source: Source, names: Sequence[str], config: PreprocessConfig, channels: int | None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Facts of each of `names` (see `ingest`), and the prepared pictures uint8 [k, C, S, S] of those that can be used.

    They lie in a temporary folder until all of them are read.
    """
    import pandas as pd

    empty = np.empty((0, channels or 1, config.size, config.size), np.uint8)
    if not names:
        return pd.DataFrame({name: [] for name in COLUMNS}), empty
    with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
        store = ImageStore(Path(folder), config, source.options, text=False)
        facts = ingest(names, source.archive, source.options, config, store)
        used = facts[facts["reason"] == ""]
        if used.empty:
            return facts, empty
        store.assemble(used["content"].tolist(), channels or int(used["channels"].max()))
        return facts, np.array(open_array(Path(folder) / "images.npy"))
