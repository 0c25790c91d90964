"""The texts of a cohort (reports): personal data, in a file of their own that only the features stage reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import InputError
from ..core.files import atomic_path
from .table import Cohort

FILE = "texts.parquet"


def save_texts(study: Path, images: Sequence[str], texts: Sequence[str] | None) -> None:
    """Write `study/texts.parquet` with the columns image and text, atomically; None removes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if texts is None:
        (study / FILE).unlink(missing_ok=True)
        return
    if len(images) != len(texts):
        raise ValueError(f"{len(texts)} texts for {len(images)} images")
    columns = [pa.array([str(x) for x in values], pa.string()) for values in (images, texts)]
    with atomic_path(study / FILE) as temporary:
        pq.write_table(pa.table(columns, names=["image", "text"]), temporary)


def load_texts(study: Path, cohort: Cohort) -> list[str] | None:
    """Text of every row of the cohort (empty where it has none); None where the cohort has no texts at all.

    A file that is broken, or of other images, is an `InputError`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = study / FILE
    if not path.exists():
        return None
    how = "delete it and run the cohort stage again"
    try:
        table = pq.ParquetFile(path).read()
        images, texts = table.column("image").to_pylist(), table.column("text").to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        # the error's text could quote the file
        raise InputError(f"The texts cannot be read ({type(error).__name__})", where=str(path), how=how) from None
    if images != cohort.table["image"].tolist() or not all(isinstance(text, str) for text in texts):
        raise InputError("The texts are not those of the cohort's images", where=str(path), how=how)
    return texts
