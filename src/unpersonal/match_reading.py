"""Pictures of a folder, zip or data set brought to one form, so that two sides can be compared.

Legend: n pictures, v views of them, C channels (1 grey, 3 colour), S size.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .core.tensors import open_array
from .images.ingest import ingest
from .images.picture import DecodeOptions
from .images.preprocess import PreprocessConfig
from .images.reasons import Reason
from .images.store import COLUMNS, ImageStore
from .layouts.config import CohortConfig
from .layouts.listing import Refusal
from .layouts.loose import LoosePictures, find_pictures

if TYPE_CHECKING:
    import pandas as pd

FITS = ("crop", "pad")


@dataclass(frozen=True)
class Pictures:
    """What was read in one place, and what was not: nothing that was found is left out.

    A picture that is not square has two views, its middle and all of it with black; `picture` [v] is the row in `names`
    of each of the `views` uint8 [v, C, S, S].
    """

    names: tuple[str, ...]
    subjects: np.ndarray
    views: np.ndarray
    picture: np.ndarray
    unread: tuple[Refusal, ...]
    ignored: int
    notes: tuple[str, ...]

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
        )

    def best(self, scores: np.ndarray) -> np.ndarray:
        """int64 [n]: the view of each picture with the largest of `scores` float32 [v]; NaN counts as the largest."""
        order = np.lexsort((np.where(np.isnan(scores), np.inf, scores), self.picture))
        last = np.flatnonzero(np.diff(self.picture[order], append=len(self.names)))
        found: np.ndarray = order[last]
        return found


def read_pictures(
    path: Path,
    config: PreprocessConfig,
    *,
    channels: int,
    subject: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Pictures:
    """Every picture at `path`, prepared as `config` says, and in the other fit as well where it is not square.

    `subject` and `settings` as in `layouts.loose.find_pictures`, which raises what is wrong with the input.
    """
    found = find_pictures(path, subject=subject, settings=settings)
    options = CohortConfig.model_validate({"images": str(path), **(settings or {})}).decoding()
    other = config.model_copy(update={"fit": FITS[config.fit == "crop"]})
    facts, first = _prepared(found, found.images, options, config, channels)
    read = np.flatnonzero((facts["reason"] == "").to_numpy())
    sizes = facts.iloc[read]
    oblong = read[(sizes["height"] != sizes["width"]).to_numpy()]
    again, second = _prepared(found, [found.images[row] for row in oblong], options, other, channels)
    oblong = oblong[(again["reason"] == "").to_numpy()]
    unread = (row for row in zip(found.images, facts["reason"], facts["detail"], strict=True) if row[1])
    return Pictures(
        tuple(found.images[row] for row in read),
        np.array(found.subjects, dtype=object)[read],
        np.concatenate([first, second]),
        np.concatenate([np.arange(len(read)), np.searchsorted(read, oblong)]),
        tuple(sorted([*found.refused, *((name, Reason(reason), detail) for name, reason, detail in unread)])),
        found.ignored,
        found.notes,
    )


def _prepared(
    found: LoosePictures, names: Sequence[str], options: DecodeOptions, config: PreprocessConfig, channels: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Facts of each of `names` (see `ingest`), and the prepared pictures uint8 [k, C, S, S] of those that can be used.

    They lie in a temporary folder until all of them are read.
    """
    import pandas as pd

    empty = np.empty((0, channels, config.size, config.size), np.uint8)
    if not names:
        return pd.DataFrame({name: [] for name in COLUMNS}), empty
    with tempfile.TemporaryDirectory(prefix="unpersonal-") as folder:
        store = ImageStore(Path(folder), config, options, text=False)
        facts = ingest(names, found.archive, options, config, store)
        contents = facts["content"][facts["reason"] == ""].tolist()
        if not contents:
            return facts, empty
        store.assemble(contents, channels)
        return facts, np.array(open_array(Path(folder) / "images.npy"))
