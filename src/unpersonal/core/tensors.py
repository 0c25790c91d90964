"""Arrays and tensors on disk: memory-mapped .npy and safetensors; nothing that can run code is ever loaded."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .files import atomic_path

if TYPE_CHECKING:
    import torch

CANNOT_ALLOCATE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


@contextmanager
def create_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[np.memmap]:
    """A writable memory-mapped .npy of `shape` and `dtype`, zeros; it appears at `path` only when the block succeeds.

    Its room on the disk is taken before the block; where there is not enough, that is a `DiskFullError`.
    """
    kind = np.dtype(dtype)
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as stream:
            write_header(stream, shape, kind)
            _allocate(stream, math.prod(shape) * kind.itemsize)
        array = np.lib.format.open_memmap(temporary, mode="r+")
        yield array
        array.flush()
        del array


def _allocate(stream: IO[bytes], size: int) -> None:
    """Lengthen the file by `size` zero bytes that have their place on the disk."""
    # a hole would be filled at a page fault, and that ends the process (SIGBUS) where the disk is full
    stream.flush()
    allocate = getattr(os, "posix_fallocate", None)  # macOS has none
    if allocate is not None:
        try:
            allocate(stream.fileno(), 0, stream.tell() + size)
            return
        except OSError as error:
            if error.errno not in CANNOT_ALLOCATE:
                raise
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        stream.write(zeros[: size - start])


def write_header(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Write the header of a .npy file; its values follow, in C order."""
    facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(stream, facts)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write `array` as .npy, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array, allow_pickle=False)


def open_array(path: Path) -> np.ndarray:
    """Open a .npy read-only and memory-mapped; a missing or broken file is an `InputError`."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array
    except FileNotFoundError:
        raise InputError("An array is missing", where=str(path), how="run the stage that writes it again") from None
    except Exception as error:  # of a damaged header NumPy also lets EOFError and tokenize.TokenError through
        raise InputError(f"An array cannot be read ({error})", where=str(path), how="delete it and run again") from None


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors (copied to the CPU, contiguous) and string metadata as safetensors, atomically."""
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        save_file(plain, temporary, metadata=metadata)


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; a missing or broken file is an `InputError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError("A model file is missing", where=str(path), how="run the stage that writes it") from None
    except SafetensorError as error:
        raise InputError(f"Not a safetensors file ({error})", where=str(path), how="delete it and run again") from None
