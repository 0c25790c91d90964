"""Fingerprint of a fitted attack: it must not have learnt anything more once train and control were shown to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import numpy as np


def fingerprint(fitted: object) -> str:
    """SHA-256 of all numbers, texts and arrays that an object holds, but for what it keeps to save time (`_name`)."""
    digest = hashlib.sha256()
    for piece in _pieces(fitted, set()):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: object, seen: set[int]) -> Iterator[bytes]:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes() if value.dtype != object else repr(value.tolist()).encode()
        return
    if value is None or isinstance(value, bool | int | float | str | bytes):
        yield repr(value).encode()
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    yield type(value).__qualname__.encode()
    for name, item in _inside(value):
        yield name.encode()
        yield from _pieces(item, seen)


def _inside(value: object) -> Iterator[tuple[str, object]]:
    """What a value is made of, by name."""
    if hasattr(value, "state_dict"):
        yield from ((name, tensor.detach().cpu().numpy()) for name, tensor in value.state_dict().items())
    elif isinstance(value, Mapping):
        yield from ((repr(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(number), item) for number, item in enumerate(value))
    elif is_dataclass(value):
        yield from ((item.name, getattr(value, item.name)) for item in fields(value) if not item.name.startswith("_"))
    elif hasattr(value, "__dict__"):
        yield from ((name, item) for name, item in vars(value).items() if not name.startswith("_"))
