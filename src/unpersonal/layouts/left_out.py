"""Files that are not read although they are images: what `--leave-out` finds, and masks beside their images."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from ..images.archives import ImageArchive
from ..images.reasons import Reason
from .config import CohortConfig
from .listing import Listing, Refusal
from .masks import masks_in, refused_masks


def sort_out(config: CohortConfig, archive: ImageArchive, names: Sequence[str]) -> tuple[list[str], list[Refusal]]:
    """The image files that are read, and the rows of quarantine.csv of the others."""
    refused = [left_out(name) for name in names if is_left_out(config, name)]
    gone = {name for name, _, _ in refused}
    rest = [name for name in names if name not in gone]
    masks = masks_in(archive, rest) if config.masks == "leave-out" else []
    beside = set(masks)
    return [name for name in rest if name not in beside], [*refused, *refused_masks(masks)]


def left_out(name: str) -> Refusal:
    """The row of quarantine.csv of an image that the pattern finds."""
    return name, Reason.LEFT_OUT, "found by --leave-out"


def is_left_out(config: CohortConfig, *texts: str) -> bool:
    """Whether the pattern of `--leave-out` finds something in one of the texts."""
    if config.leave_out is None:
        return False
    pattern = unicodedata.normalize("NFC", config.leave_out)
    return any(re.search(pattern, unicodedata.normalize("NFC", text)) for text in texts)


def leave_out_records(config: CohortConfig, listing: Listing) -> Listing:
    """The listing without the records that `--leave-out` finds, which become rows of quarantine.csv."""
    left = [record.image for record in listing.records if is_left_out(config, record.image)]
    if not left:
        return listing
    gone = set(left)
    refused = [*listing.refused, *map(left_out, left)]
    records = tuple(record for record in listing.records if record.image not in gone)
    return replace(listing, records=records, refused=tuple(sorted(refused)))
