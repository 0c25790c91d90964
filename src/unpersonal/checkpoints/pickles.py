"""Pickled checkpoints, read without running anything that they name.

A pickle (protocols 2 to 5: PEP 307, 3154, 574) is a program. Its instructions are checked against `INSTRUCTIONS` before
one is run, and a name in it stands for an entry of `NAMES` only: a container, text, or an inert `Record`. What torch
wrote goes to `torch.load(weights_only=True)`. The result is then checked as a whole: types, keys, shapes of tensors.

A small file can still ask for endless time (a nested tuple as a key is hashed exponentially often) or crash code in C,
so `read.read_checkpoint` calls `unpickle` in a process with limits.
"""

from __future__ import annotations

import math
import mmap
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..core.errors import InputError
from .torch_files import TORCH_ROWS, read_rows, read_zip

CONVERT = "convert it to .safetensors where it comes from (names and tensors only) and start from that file"
MAX_STEPS = 500_000
"""Instructions in one file; the largest public EDM2 network needs about 100,000."""
MAX_KEY, MAX_KEY_NUMBER, MAX_BITS, MAX_LENGTH = 1000, 1 << 31, 512, 1 << 32
"""Characters and magnitude of a key; bits of an integer; elements along an axis of a tensor."""
DTYPES = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
STORAGE, PARAMETER = "torch.storage._load_from_bytes", "torch._utils._rebuild_parameter"
TENSOR = "torch._utils._rebuild_tensor"
PLAIN = (type(None), bool, int, float, str, bytes, bytearray, torch.device, torch.dtype)
_INSTRUCTIONS = """
PROTO FRAME MARK STOP POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT
BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3
TUPLE EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET BINPUT LONG_BINPUT MEMOIZE
BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD"""
_RECORDS = """
torch.nn.modules.container.ModuleDict torch.nn.modules.container.ModuleList torch.nn.modules.container.Sequential
torch_utils.persistence._reconstruct_persistent_obj torch.storage._load_from_bytes
torch._utils._rebuild_tensor torch._utils._rebuild_tensor_v2 torch._utils._rebuild_parameter numpy.dtype
numpy.core.multiarray._reconstruct numpy.core.multiarray.scalar numpy.core.numeric._frombuffer
numpy._core.multiarray._reconstruct numpy._core.multiarray.scalar numpy._core.numeric._frombuffer"""
INSTRUCTIONS = frozenset(_INSTRUCTIONS.split())


def refused(what: str, where: str) -> InputError:
    """The error of a checkpoint that does `what`."""
    return InputError(f"The checkpoint {what}", where=where, how=CONVERT)


class Record:
    """An object that is noted, not built: its name, its constructor's arguments, its state.

    The state of a tensor, and of a storage (one-dimensional), is a tensor on the CPU.
    """

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...] = (), state: Any = None) -> None:
        self.name, self.args, self.state = name, args, state

    def __setstate__(self, state: Any) -> None:
        if self.state is not None:
            raise ValueError("a state is set twice")
        self.state = state


class _Mapping(dict):
    """`OrderedDict` and `EasyDict`, whose one state, the versions beside a `state_dict`, is dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict) or list(state) != ["_metadata"]:
            raise ValueError("a dictionary has no state")


def _only(kind: type, value: Any, *rest: Any) -> Any:
    """`value`, which must be of `kind` and alone, or text in latin1."""
    if type(value) is not kind or rest not in ((), ("latin1",)):
        raise ValueError(f"a {kind.__name__} is called for")
    return value


NAMES: dict[str, Any] = {
    **{name: lambda *args, name=name: Record(name, args) for name in _RECORDS.split()},
    **dict.fromkeys(("collections.OrderedDict", "dnnlib.EasyDict", "dnnlib.util.EasyDict"), lambda: _Mapping()),
    **dict.fromkeys(("__builtin__.set", "builtins.set"), lambda *args: set(_only(list, *args))),
    **dict.fromkeys(("__builtin__.frozenset", "builtins.frozenset"), lambda *args: frozenset(_only(list, *args))),
    **dict.fromkeys(("__builtin__.bytes", "builtins.bytes"), lambda: b""),
    **{f"torch.{name}": name for name in DTYPES},
    "_codecs.encode": lambda *args: _only(str, *args).encode("latin1"),
    "torch.Size": lambda *args: _only(tuple, *args),
    "torch.device": lambda kind, *index: _only(str, kind),
    "numpy.ndarray": None,
}
"""What each name that a file may ask for stands for: text, a function of its arguments, or what can never be called."""


class CheckpointUnpickler(pickle.Unpickler):
    """Python's own machine with `NAMES` in place of imports."""

    def __init__(self, data: Any, where: str, size: int) -> None:
        """`data`: a file of `size` bytes that holds one pickle."""
        super().__init__(data)
        self._where = where
        self._lookups = iter(self._scan(data))
        if data.tell() != size:
            raise refused("goes on after its end", f"{where}, byte {data.tell()}")
        data.seek(0)

    def _scan(self, data: Any) -> list[str]:
        """Check every instruction; returns where names are looked up."""
        lookups = []
        for steps, (code, found, at) in enumerate(pickletools.genops(data)):
            where, kind, argument = f"{self._where}, byte {at}", code.name, cast(Any, found)
            if kind not in INSTRUCTIONS:
                raise refused(f"uses the pickle instruction {kind}, which weights do not need", where)
            if steps >= MAX_STEPS or (kind.endswith("BINPUT") and argument > MAX_STEPS):
                raise refused(f"has more than {MAX_STEPS} instructions", where)
            if kind == "PROTO" and not 2 <= argument <= 5:
                raise refused(f"is a pickle of protocol {argument}, not 2 to 5", where)
            if kind.startswith("LONG") and kind[4:].isdigit() and argument.bit_length() >= MAX_BITS:
                raise refused(f"holds an integer of more than {MAX_BITS} bits", where)
            lookups += [where] if kind.endswith("GLOBAL") else []
        return lookups

    def find_class(self, module: str, name: str) -> Any:
        """The text that a name stands for, or a class whose construction calls the name's function."""
        where, full = next(self._lookups), f"{module}.{name}"
        if full not in NAMES or "." in name:
            raise refused(f"asks for {ascii(full)[1:-1][:80]}, which weights do not need", where)
        # REDUCE calls it, NEWOBJ asks for its `__new__`, BUILD finds no state of it to set; it goes with this file
        made = {"__slots__": (), "__new__": lambda cls, *args: NAMES[full](*args)}
        return NAMES[full] if isinstance(NAMES[full], str) else type(name, (Record,), made)


def _check(root: Any) -> Any:
    """`root`, once all that is in it is known to be harmless; gives records of numbers their tensors."""
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if type(value) in PLAIN or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Record):
            _build(value)
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


def _build(record: Record) -> Tensor:
    """Give a record of a storage, tensor or parameter its tensor; that of a storage is one-dimensional."""
    if record.name.startswith(STORAGE) and record.state is None:
        (raw,) = record.args
        storage = read_rows(bytes(raw))
        if not isinstance(storage, torch.storage.TypedStorage):
            raise ValueError("a storage is none")
        record.state = torch.empty(0, dtype=storage.dtype).set_(storage)
    elif record.name.startswith(TENSOR) and record.state is None:
        storage, offset, size, stride, *_ = record.args
        flat: Any = _build(storage) if storage.name == STORAGE else None
        record.state = flat.as_strided(size, stride, offset)
    elif record.name == PARAMETER and record.state is None:
        data, _, _ = record.args
        record.state = _build(data) if data.name.startswith(TENSOR) else None
    return record.state


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
