"""What the folders above an image are called where they are not its label: sites, visits, views, copies."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

SITE = re.compile(r"sites?|hosp|cent(er|re)|clini[ck]|instit", re.IGNORECASE)
SERIAL = re.compile(
    r"(ses|sessions?|visits?|v|baseline|bl|follow[-_ ]?up|fu|tp|time[-_ ]?points?|waves?|(19|20)\d\d([-_.]?\d\d){0,2}"
    r"|(pre|post)([-_ ]?(op(erative)?|contrast|treatment|therapy|surgery))?|days?|weeks?|months?|mo|m(?=[-_ ]?\d)"
    r"|years?|batch(es)?|parts?|chunks?|shards?|folds?|images?|imgs?|pictures?|data|files|derivatives|sourcedata"
    r"|raw([-_ ]?data)?|frontal|lateral|ap|pa|left|right|l|r|([lr][-_ ]?)?(cc|mlo)|ct|mri?|mg|pet|us|cxr|dx|x-?rays?"
    r"|axial|coronal|sagittal|anat|func|dwi|fmap|perf|t[12]w?|flair)([-_ ]?\d+)?",
    re.IGNORECASE,
)
"""Folders of visits, views, modalities and portions, which one person may well be in."""
PORTION = re.compile(r"(data|parts?|batch(es)?)[-_ ]?\d+", re.IGNORECASE)
"""Those among them that may be hospitals as well: most people in several of them are worth a note."""


def without_copies(folders: Sequence[str], copies: Collection[str]) -> tuple[str, ...]:
    """The folders above the first one that is called like one of `copies`, and below it those named like sites."""
    at = next((i for i, folder in enumerate(folders) if folder in copies), len(folders))
    return (*folders[:at], *filter(SITE.search, folders[at:]))
