"""The two formats of `torch.save`, read by `torch.load(weights_only=True)` once what it does not look at is checked.

Whatever is wrong is some `Exception`; see `pickles.unpickle`, which also checks what is returned.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

TORCH_ROWS = b"\x80\x02\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."
"""The begin of torch's older format, pickles in a row and raw numbers behind them; `LITTLE` is found soon after it."""
LITTLE = re.compile(rb"little_endian(?:q.|r....)?\x88", re.DOTALL)


def read_rows(raw: bytes) -> Any:
    """What is in torch's older format."""
    if not raw.startswith(TORCH_ROWS) or not LITTLE.search(raw[:1000]):
        raise ValueError("torch did not write it, or on a machine of another byte order")
    stream = io.BytesIO(raw)
    found = torch.load(stream, map_location="cpu", weights_only=True)
    if stream.tell() != len(raw):
        raise ValueError("bytes follow its end")
    return found


def read_zip(path: Path) -> Any:
    """What is in torch's zip, whose checksums torch does not look at."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type or entry.flag_bits & 1 for entry in archive.infolist()):
            raise ValueError("the zip is compressed or encrypted, which torch does not write")
        if any(archive.read(name) != b"little" for name in archive.namelist() if name.endswith("/byteorder")):
            raise ValueError("torch wrote it on a machine of another byte order")
        if archive.testzip() is not None:
            raise ValueError("the zip is damaged: a checksum does not hold")
    return torch.load(path, map_location="cpu", weights_only=True)
