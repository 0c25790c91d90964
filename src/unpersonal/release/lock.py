"""The second lock: every image about to be released is looked up again in the gate's ledger."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from .policy import is_number

if TYPE_CHECKING:
    import pandas as pd

LEDGER_COLUMNS = ("draw", "attempt", "candidate", "score", "flagged", "by", "selected", "sha256")


def pixel_hash(image: np.ndarray) -> str:
    """Hex SHA-256 of the pixel bytes of one uint8 image [C,H,W], row-major."""
    return hashlib.sha256(np.ascontiguousarray(image, dtype=np.uint8).tobytes()).hexdigest()


def read_ledger(study: Path) -> pd.DataFrame:
    """The ledger of every candidate; missing, broken or without a needed column is an `InputError`."""
    import pyarrow as pa

    from ..synthesis.ledger import load_ledger

    where, how = str(study / "candidates" / "ledger.parquet"), "delete the folder candidates and run again"
    try:
        frame = load_ledger(study)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"The ledger cannot be read ({type(error).__name__})", where=where, how=how) from None
    absent = [name for name in LEDGER_COLUMNS if name not in frame.columns]
    if absent:
        raise InputError(f"The ledger lacks the columns {', '.join(absent)}", where=where, how=how)
    return frame


def lock_problems(
    images: np.ndarray, ledger: pd.DataFrame, threshold: object, dropped: Collection[int] = ()
) -> list[str]:
    """Reasons why `images` uint8 [m,C,H,W] may not be released according to the `ledger`.

    Clean means: the ledger says selected and not flagged, names no matcher that flagged it, its score is strictly below
    `threshold`, at most one image comes from each draw, and the images are exactly the selected candidates by
    content, without the rows of these that the audit `dropped`, whose pixels are nowhere in the release. A score or
    threshold that is not a number is no proof of cleanness and counts against the image.
    """
    if not is_number(threshold):
        return [f"gate.threshold is missing or not a number ({threshold!r}); no image can be shown to be clean"]
    selected = ledger["selected"].eq(True)
    flagged = ~ledger["flagged"].eq(False)
    unnamed = ledger["by"].eq("")
    below = ledger["score"].astype(float) < threshold
    chosen = ledger[selected]
    problems = []
    if count := int((selected & flagged).sum()):
        problems.append(f"{count} selected candidates are flagged by the gate; 0 are allowed")
    if count := int((selected & ~unnamed).sum()):
        problems.append(f"{count} selected candidates name a matcher that flagged them; 0 are allowed")
    if count := int((selected & ~below).sum()):
        problems.append(f"{count} selected candidates do not score strictly below the threshold {threshold:.6g}")
    if count := int(chosen["draw"].duplicated().sum()):
        problems.append(f"{count} draws have more than one selected candidate")
    hashes = Counter(pixel_hash(image) for image in images)
    every = [str(value) for value in chosen["sha256"]]
    expected = Counter(value for row, value in enumerate(every) if row not in dropped)
    if hashes != expected:
        strange, absent = (hashes - expected).total(), (expected - hashes).total()
        problems.append(f"the images are not those of the ledger: {strange} not selected there, {absent} absent")
    # an image that was flagged anywhere stays out, even if the same pixels passed elsewhere
    vetoed = set(ledger.loc[flagged | ~unnamed | ~below, "sha256"].astype(str))
    if count := sum(1 for row, name in enumerate(every) if row in dropped and name in hashes):
        problems.append(f"{count} images that the audit dropped are among the images")
    if count := sum(1 for name in hashes if name in vetoed):
        problems.append(f"{count} images have the pixels of a candidate that the gate flagged")
    return problems
