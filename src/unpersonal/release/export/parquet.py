"""Parquet as the Hub keeps image datasets: a struct of the PNG's bytes and name, labels, and the features' types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exports import Content, Image, Written

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, GROUP = 10_000, 100
"""Rows of a file, and of a group in it: whoever wants one image reads a group."""
HOW = (
    "`data/*.parquet` has the columns `image` (bytes of the PNG as released, and its name), `label`, `labels` and,"
    " where there are any, `probabilities`; `datasets.load_dataset` of this folder reads them."
)


class ParquetForm:
    """data/train-00000-of-00001.parquet, …"""

    def write(self, content: Content, out: Path) -> Written:
        """See `Form`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        (out / "data").mkdir()
        schema = _schema(content)
        parts = [content.images[start : start + ROWS] for start in range(0, len(content.images), ROWS)]
        for number, images in enumerate(parts):
            name = f"train-{number:05d}-of-{len(parts):05d}.parquet"
            # PNGs are compressed, and bytes of one version of a codec are not those of the next
            with pq.ParquetWriter(out / "data" / name, schema, compression="none") as writer:
                for start in range(0, len(images), GROUP):
                    rows = [_row(image, schema) for image in images[start : start + GROUP]]
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        return Written(("data/*.parquet",), HOW)


def _schema(content: Content) -> pa.Schema:
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields: list[tuple[str, Any]] = [("image", image), ("label", pa.string()), ("labels", pa.list_(pa.string()))]
    text = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": text,
        "labels": {"feature": text, "_type": "List"},
    }
    if (told := content.images[0].probabilities) is not None:
        fields.append(("probabilities", pa.struct([(name, pa.float32()) for name in told])))
        features["probabilities"] = {name: {"dtype": "float32", "_type": "Value"} for name in told}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}}, sort_keys=True)})


def _row(image: Image, schema: pa.Schema) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image": {"bytes": image.path.read_bytes(), "path": f"{image.stem}.png"},
        "label": image.label,
        "labels": list(image.labels),
    }
    if "probabilities" in schema.names:
        row["probabilities"] = dict(image.probabilities or {})
    return row


FORM = ParquetForm()
