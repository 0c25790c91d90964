"""WebDataset: tar files of the released PNGs, each with its labels as JSON and, where it has one, a class."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ..exports import Content, Image, Written

SHARD_IMAGES, SHARD_BYTES = 10_000, 2**28
"""Most images and bytes of one shard; readers share shards among processes."""


class WebDatasetForm:
    """shards/release-000000.tar, …: for each image KEY.png, KEY.json and, where each has one label, KEY.cls."""

    def write(self, content: Content, out: Path) -> Written:
        """See `Form`."""
        (out / "shards").mkdir()
        for number, images in enumerate(_shards(content)):
            # GNU tar's headers would hold names and times of this machine
            with tarfile.open(out / "shards" / f"release-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as shard:
                for image in images:
                    for suffix, data in _sample(content, image):
                        entry = tarfile.TarInfo(f"{image.stem}.{suffix}")
                        entry.size, entry.mode = len(data), 0o644
                        shard.addfile(entry, io.BytesIO(data))
        if content.one_label_each:
            (out / "classes.txt").write_bytes("".join(f"{name}\n" for name in content.classes).encode())
        return Written(("shards/*.tar",), _how(content))


def _how(content: Content) -> str:
    text = "`shards/*.tar` hold `KEY.png` (as released) and `KEY.json` (`label`, `labels`"
    text += ", `probabilities`)" if content.images[0].probabilities is not None else ")"
    if content.one_label_each:
        text += "; `KEY.cls` is the number of the class, which `classes.txt` names line by line, from 0"
    return f'{text}: `WebDataset(urls).decode("pil")` of the package of that name.'


def _shards(content: Content) -> Iterator[list[Image]]:
    images: list[Image] = []
    size = 0
    for image in content.images:
        more = image.path.stat().st_size
        if images and (len(images) == SHARD_IMAGES or size + more > SHARD_BYTES):
            yield images
            images, size = [], 0
        images.append(image)
        size += more
    if images:
        yield images


def _sample(content: Content, image: Image) -> Iterator[tuple[str, bytes]]:
    yield "png", image.path.read_bytes()
    told: dict[str, object] = {"label": image.label, "labels": list(image.labels)}
    if image.probabilities is not None:
        told["probabilities"] = dict(image.probabilities)
    yield "json", json.dumps(told, sort_keys=True, ensure_ascii=False).encode("utf-8")
    if content.one_label_each:
        yield "cls", str(content.classes.index(image.labels[0])).encode()


FORM = WebDatasetForm()
