"""Pickled checkpoints of every form, checked as a whole: types, keys, shapes of tensors and the memory behind them.

A small file can still ask for endless time (a nested tuple as a key is hashed exponentially often) or crash code in C,
so `read.read_checkpoint` calls `unpickle` in a process with limits.
"""

from __future__ import annotations

import math
import mmap
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from .pickles import DTYPES, CheckpointUnpickler, Record, build, refused
from .torch_files import TORCH_ROWS, read_rows, read_zip

MAX_KEY, MAX_KEY_NUMBER, MAX_LENGTH = 1000, 1 << 31, 1 << 32
"""Characters and magnitude of a key; elements along an axis of a tensor."""
PLAIN = (type(None), bool, int, float, str, bytes, bytearray, torch.device, torch.dtype)


def _check(root: Any) -> Any:
    """`root`, once all that is in it is known to be harmless; gives records of numbers their tensors."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if type(value) in PLAIN or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Record):
            build(value)
            waiting += [*value.args, value.state]
        elif isinstance(value, Tensor):
            _check_tensor(value)
        elif isinstance(value, (dict, set, frozenset)):
            for key in value:
                _check_key(key)
            waiting += value.values() if isinstance(value, dict) else ()
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif not (isinstance(value, type) and issubclass(value, Record)):
            raise ValueError(f"it holds a {type(value).__name__}")
    return root


def _check_key(key: Any) -> None:
    kind = type(key)
    if kind in (int, float) and not abs(key) <= MAX_KEY_NUMBER:  # so asked, NaN is refused too
        raise ValueError("a number of more than 32 bits is a key")
    if kind not in (type(None), bool, int, float, str) or (kind is str and len(key) > MAX_KEY):
        raise ValueError(f"a {kind.__name__} is a key")


def _check_tensor(value: Tensor) -> None:
    plain = type(value) in (Tensor, torch.nn.Parameter) and value.layout is torch.strided
    if not plain or value.device.type != "cpu" or str(value.dtype)[6:] not in DTYPES:
        raise ValueError("a tensor is no plain array of numbers")
    if value.ndim > 8 or max(value.shape, default=0) > MAX_LENGTH:
        raise ValueError("a tensor has no such shape")
    # in Python's integers, which do not overflow
    last = value.storage_offset() + sum((n - 1) * step for n, step in zip(value.shape, value.stride()))
    if (
        max(math.prod(value.shape), last + 1 if value.numel() else 0) * value.itemsize
        > value.untyped_storage().nbytes()
    ):
        raise ValueError("a tensor is larger than its storage")
    if value.dtype == torch.bool:
        value.view(torch.uint8).clamp_(max=1)  # any other byte would be undefined behaviour


def unpickle(path: Path) -> Any:
    """What the checkpoint `path` holds: a plain pickle, or what `torch.save` wrote (zip or older).

    Returns numbers, strings, None, bytes, lists, tuples, dicts, sets, tensors on the CPU and `Record`s; anything else
    in the file, and damage, are an `InputError`. Call it in a process that may die, see above.
    """
    try:
        with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] == b"PK\3\4":
                return _check(read_zip(path))
            if data[: len(TORCH_ROWS)] == TORCH_ROWS:
                return _check(read_rows(data[:]))
            if data[:1] != b"\x80":
                raise ValueError("it is neither a pickle of protocol 2 to 5 nor a torch file")
            return _check(CheckpointUnpickler(data, str(path), len(data)).load())
    except InputError:
        raise
    except Exception as error:  # whatever a damaged or hostile file makes Python, torch or the zip reader raise
        found = re.search(r"(?:Unsupported|WeightsUnpickler error:)[^\n]{0,150}", str(error))
        what = found[0] if found else str(error).split("\n")[0]
        raise refused(f"cannot be read ({type(error).__name__}: {ascii(what)[1:-1][:150]})", str(path)) from None
