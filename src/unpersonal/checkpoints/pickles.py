"""Pickled checkpoints, read without running anything that they name.

A pickle (protocols 2 to 5: PEP 307, 3154, 574) is a program. Its instructions are checked against `INSTRUCTIONS` before
one is run, and a name in it stands for an entry of `NAMES` only: a container, text, or an inert `Record`. What torch
wrote goes to `torch.load(weights_only=True)` (`torch_files`). What comes out is checked as a whole by `load.unpickle`.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import Any, cast

import torch
from torch import Tensor

from ..core.errors import InputError
from .torch_files import read_rows

CONVERT = "convert it to .safetensors where it comes from (names and tensors only) and start from that file"
MAX_STEPS = 500_000
"""Instructions in one file; the largest public EDM2 network needs about 100,000."""
MAX_BITS = 512
"""Bits of an integer."""
DTYPES = ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
STORAGE, PARAMETER = "torch.storage._load_from_bytes", "torch._utils._rebuild_parameter"
TENSOR = "torch._utils._rebuild_tensor"
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


class _Mapping(dict[Any, Any]):
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


def build(record: Record) -> Tensor:
    """Give a record of a storage, tensor or parameter its tensor; that of a storage is one-dimensional."""
    if record.name.startswith(STORAGE) and record.state is None:
        (raw,) = record.args
        storage = read_rows(bytes(raw))
        if not isinstance(storage, torch.storage.TypedStorage):
            raise ValueError("a storage is none")
        record.state = torch.empty(0, dtype=storage.dtype).set_(storage)
    elif record.name.startswith(TENSOR) and record.state is None:
        storage, offset, size, stride, *_ = record.args
        flat: Any = build(storage) if storage.name == STORAGE else None
        record.state = flat.as_strided(size, stride, offset)
    elif record.name == PARAMETER and record.state is None:
        data, _, _ = record.args
        record.state = build(data) if data.name.startswith(TENSOR) else None
    return record.state
