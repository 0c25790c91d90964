"""Labels that programs which read tables take for something else: a missing value, a truth value, a number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

MISSING = "a missing value"
AS_TEXT = 'pandas.read_csv("labels.csv", dtype=str, keep_default_na=False)'
"""How a table is read in which every label stays what it is."""


def read_otherwise(cells: Iterable[str]) -> dict[str, str]:
    """What pandas, and so most loaders, make of those cells of a column that it does not read as the text they are.

    `cells` are all that the column holds: that some are numbers or truth values counts only where all are.
    """
    import pandas as pd

    texts = sorted(set(cells))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    # a second column, for a line that is blank would be left out
    writer.writerows([("row", "label"), *enumerate(texts)])
    found = pd.read_csv(io.StringIO(stream.getvalue()))["label"].tolist()
    other = ((text, value) for text, value in zip(texts, found, strict=True) if text and not isinstance(value, str))
    return {text: MISSING if pd.isna(value) else str(value) for text, value in other}
