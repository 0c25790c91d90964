"""Arrays and tensors on disk: memory-mapped .npy and safetensors; nothing that can run code is ever loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .files import atomic_path

if TYPE_CHECKING:
    import torch


@contextmanager
def create_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[np.memmap]:
    """A writable memory-mapped .npy of `shape` and `dtype`; it appears at `path` only when the block succeeds."""
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        yield array
        array.flush()
        del array


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
        return np.load(path, mmap_mode="r", allow_pickle=False)
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
