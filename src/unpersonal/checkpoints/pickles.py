"""Checkpoints that were pickled, read without unpickling: nothing in the file can run, import or look up anything.

A pickle is a program for a stack machine. `Machine` is such a machine for the few instructions that a checkpoint
needs. It never imports a module and never calls anything the file names: a name in the file is looked up in `NAMES`, a
fixed table of exact (module, name) pairs, and stands for one of the functions below or for an inert `Record`. Every
other name and instruction is an `InputError` that says what was met and at which byte. Tensors are built from bytes of
the file only; the streams that torch writes inside a pickle go through the same machine, with fewer names.

Memory and time are bounded by the size of the file (`Budget`): instructions are counted, containers are copied at a
charge, tensors may not hold more bytes than the file gives, nothing is expanded (strides of zero, compression), keys
are strings or small numbers (a nested tuple as a key would be hashed exponentially often, and large integers can be
chosen so that all have one hash), and nothing here recurses.

Formats: Python's pickle protocols 2 to 5 (PEP 307, 3154, 574); torch's zip and its older format of pickles in a row.
"""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError

CONVERT = "convert it to .safetensors where it comes from (names and tensors only) and start from that file"

MAX_STEPS = 500_000
"""Instructions and copied items in one file; the largest public EDM2 network needs about 100,000."""

MAX_KEY = 1000
"""Characters of a dictionary key."""

MAX_KEY_NUMBER = 1 << 31
"""Largest magnitude of a number that is a key: integers this small have hashes of their own (but for -1 and -2)."""

MAX_LONG = 64
"""Bytes of an integer."""

MAX_STREAM = 1 << 26
"""Bytes of the instructions in a torch zip."""

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_PROTOCOL = 1001


@dataclass(eq=False)
class Record:
    """What a file says about an object that is not built: its name, its constructor's arguments, its state."""

    name: str
    args: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True, eq=False)
class Name:
    """An entry of `NAMES`. `call` serves REDUCE, `new` serves NEWOBJ; both get the machine and the arguments."""

    name: str
    call: Callable[[Machine, tuple[Any, ...]], Any] | None = None
    new: Callable[[Machine, tuple[Any, ...]], Any] | None = None
    dtype: torch.dtype | None = None
    """Of the storage that the name stands for; such names are also allowed in the streams inside a storage."""
    constant: str | None = None


@dataclass(eq=False)
class Storage:
    """A flat run of numbers that tensors are views of; `values` is one-dimensional."""

    values: Tensor


@dataclass
class Budget:
    """What one file may still cost; shared by all streams in it."""

    bytes: int
    steps: int = MAX_STEPS


class Machine:
    """One stream of instructions, from `start` to STOP; `value` and `end` afterwards."""

    def __init__(
        self,
        data: memoryview,
        budget: Budget,
        where: str,
        *,
        start: int = 0,
        storages: Callable[[Machine, Any], Storage] | None = None,
        nested: bool = False,
    ) -> None:
        """`storages` answers persistent names; without it these are refused."""
        self.data, self.budget, self.where = data, budget, where
        self.position = self.at = start
        self.storages, self.nested = storages, nested
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.value: Any = None
        self.end = start
        self._run()

    def refuse(self, what: str, how: str = CONVERT) -> NoReturn:
        """Raise the `InputError` for the instruction being read."""
        raise InputError(what, where=f"{self.where}, byte {self.at}", how=how)

    def spend(self, steps: int = 1, size: int = 0) -> None:
        """Charge for `steps` instructions or copied items and `size` bytes of new memory."""
        self.budget.steps -= steps
        self.budget.bytes -= size
        if self.budget.steps < 0:
            self.refuse(f"The checkpoint has more than {MAX_STEPS} instructions")
        if self.budget.bytes < 0:
            self.refuse("The checkpoint asks for more memory than its own size explains")

    def _run(self) -> None:
        while True:
            self.at = self.position
            self.spend()
            code = self.take(1)[0]
            if code == 0x2E:  # STOP
                self.value, self.end = self.pop(), self.position
                return
            handler = INSTRUCTIONS.get(code)
            if handler is None:
                self.refuse(f"The checkpoint uses the pickle instruction {_name_of(code)}, which weights do not need")
            handler(self)

    # --- reading ---

    def take(self, count: int) -> memoryview:
        """The next `count` bytes of the stream, not copied."""
        if count > len(self.data) - self.position:
            self.refuse("The checkpoint ends too early", how="fetch it again")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, form: str) -> Any:
        """The next number in `struct` form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, count: int) -> str:
        """The next `count` bytes as UTF-8."""
        try:
            return str(self.take(count), "utf-8")
        except UnicodeDecodeError:
            self.refuse("The checkpoint holds text that is not UTF-8")

    def line(self) -> str:
        """The bytes up to the next line end, as text."""
        rest = bytes(self.data[self.position : self.position + MAX_KEY])
        length = rest.find(b"\n")
        if length < 0:
            self.refuse("The checkpoint holds a name without end")
        text = self.text(length)
        self.take(1)
        return text

    # --- the stack ---

    def push(self, value: Any) -> None:
        """Put `value` on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the top of the stack, which may not reach below the last mark."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            self.refuse("The checkpoint is damaged: nothing on its stack")
        return self.stack.pop()

    def top(self) -> Any:
        """The top of the stack, left there."""
        value = self.pop()
        self.push(value)
        return value

    def pop_mark(self) -> list[Any]:
        """Take everything above the last mark."""
        if not self.marks:
            self.refuse("The checkpoint is damaged: no mark on its stack")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop_tuple(self, count: int) -> tuple[Any, ...]:
        """Take the `count` topmost values, in the order they were pushed."""
        return tuple([self.pop() for _ in range(count)][::-1])

    def remember(self, index: int) -> None:
        """Note the top of the stack under `index`."""
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Push what was noted under `index`."""
        if index not in self.memo:
            self.refuse("The checkpoint is damaged: it refers to something it does not hold")
        self.push(self.memo[index])

    # --- what instructions build ---

    def look_up(self, module: Any, name: Any) -> None:
        """Push the entry of `NAMES`, or the constant it stands for."""
        entry = NAMES.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
        if entry is None or (self.nested and entry.dtype is None):
            self.refuse(f"The checkpoint asks for {_shown(module)}.{_shown(name)}, which weights do not need")
        self.push(entry if entry.constant is None else entry.constant)

    def key(self, value: Any) -> Any:
        """`value` if it may be a key of a dictionary or an item of a set."""
        if not (value is None or type(value) in (bool, int, float, str)) or (
            type(value) is str and len(value) > MAX_KEY
        ):
            self.refuse(f"The checkpoint uses {_kind(value)} as a key")
        # so asked, NaN is refused too
        if type(value) in (int, float) and not abs(value) <= MAX_KEY_NUMBER:
            self.refuse("The checkpoint uses a number of more than 32 bits as a key")
        return value

    def reduce(self) -> None:
        """REDUCE: a name of the table and its arguments."""
        args, function = self.pop(), self.pop()
        if not isinstance(function, Name) or function.call is None or not isinstance(args, tuple):
            self.refuse(f"The checkpoint calls {_kind(function)}")
        self.push(function.call(self, args))

    def new(self) -> None:
        """NEWOBJ: a class of the table and its arguments."""
        args, cls = self.pop(), self.pop()
        if not isinstance(cls, Name) or cls.new is None or not isinstance(args, tuple):
            self.refuse(f"The checkpoint builds {_kind(cls)}")
        self.push(cls.new(self, args))

    def build(self) -> None:
        """BUILD: the state of a record, set once and only noted; of a `state_dict` its versions, dropped."""
        state, target = self.pop(), self.top()
        if isinstance(target, dict) and isinstance(state, dict) and list(state) == ["_metadata"]:
            return
        if not isinstance(target, Record) or target.state is not None:
            self.refuse(f"The checkpoint sets the state of {_kind(target)}")
        target.state = _array_state(self, state) if target.name == "numpy.ndarray" else state

    def append(self, items: list[Any]) -> None:
        """APPEND and APPENDS."""
        target = self.top()
        if not isinstance(target, list):
            self.refuse(f"The checkpoint appends to {_kind(target)}")
        target.extend(items)

    def put_items(self, items: list[Any]) -> None:
        """SETITEM and SETITEMS: keys and values in turn."""
        target = self.top()
        if not isinstance(target, dict) or len(items) % 2:
            self.refuse(f"The checkpoint sets items of {_kind(target)}")
        for key, value in zip(items[::2], items[1::2]):
            target[self.key(key)] = value

    def add_items(self) -> None:
        """ADDITEMS: into a set."""
        items, target = self.pop_mark(), self.top()
        if not isinstance(target, set):
            self.refuse(f"The checkpoint adds to {_kind(target)}")
        target.update(self.key(item) for item in items)

    def protocol(self) -> None:
        """PROTO: 2 to 5."""
        version = self.take(1)[0]
        if not 2 <= version <= 5:
            self.refuse(f"The checkpoint is a pickle of protocol {version}, not 2 to 5")

    def frame(self) -> None:
        """FRAME: a length that must be there; the frame itself means nothing here."""
        if self.number("<Q") > len(self.data) - self.position:
            self.refuse("The checkpoint ends too early", how="fetch it again")

    def integer(self, size: int) -> None:
        """LONG1 and LONG4."""
        if not 0 <= size <= MAX_LONG:
            self.refuse(f"The checkpoint holds an integer of {size} bytes")
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def persistent(self) -> None:
        """BINPERSID: a storage, in torch's own streams only."""
        name = self.pop()
        if self.storages is None:
            self.refuse("The checkpoint refers to something outside it (a persistent name)")
        self.push(self.storages(self, name))

    def drop(self) -> None:
        """POP: the top of the stack, or the last mark if nothing is above it."""
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.pop()

    def pair(self) -> tuple[Any, Any]:
        """Take the two topmost values, for STACK_GLOBAL."""
        name, module = self.pop(), self.pop()
        return module, name


INSTRUCTIONS: dict[int, Callable[[Machine], Any]] = {
    0x80: Machine.protocol,
    0x95: Machine.frame,
    ord("("): lambda m: m.marks.append(len(m.stack)),
    ord("0"): Machine.drop,
    ord("1"): Machine.pop_mark,
    ord("2"): lambda m: m.push(m.top()),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("J"): lambda m: m.push(m.number("<i")),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    0x8A: lambda m: m.integer(m.number("<B")),
    0x8B: lambda m: m.integer(m.number("<i")),
    ord("G"): lambda m: m.push(m.number(">d")),
    ord("X"): lambda m: m.push(m.text(m.number("<I"))),
    0x8C: lambda m: m.push(m.text(m.number("<B"))),
    0x8D: lambda m: m.push(m.text(m.number("<Q"))),
    ord("B"): lambda m: m.push(m.take(m.number("<I"))),
    ord("C"): lambda m: m.push(m.take(m.number("<B"))),
    0x8E: lambda m: m.push(m.take(m.number("<Q"))),
    0x96: lambda m: m.push(m.take(m.number("<Q"))),
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.push(m.pop_tuple(1)),
    0x86: lambda m: m.push(m.pop_tuple(2)),
    0x87: lambda m: m.push(m.pop_tuple(3)),
    ord("t"): lambda m: m.push(tuple(m.pop_mark())),
    ord("]"): lambda m: m.push([]),
    ord("a"): lambda m: m.append([m.pop()]),
    ord("e"): lambda m: m.append(m.pop_mark()),
    ord("}"): lambda m: m.push({}),
    ord("s"): lambda m: m.put_items(list(m.pop_tuple(2))),
    ord("u"): lambda m: m.put_items(m.pop_mark()),
    0x8F: lambda m: m.push(set()),
    0x90: Machine.add_items,
    0x91: lambda m: m.push(frozenset(m.key(item) for item in m.pop_mark())),
    ord("q"): lambda m: m.remember(m.number("<B")),
    ord("r"): lambda m: m.remember(m.number("<I")),
    0x94: lambda m: m.remember(len(m.memo)),
    ord("h"): lambda m: m.recall(m.number("<B")),
    ord("j"): lambda m: m.recall(m.number("<I")),
    ord("c"): lambda m: m.look_up(m.line(), m.line()),
    0x93: lambda m: m.look_up(*m.pair()),
    ord("R"): Machine.reduce,
    0x81: Machine.new,
    ord("b"): Machine.build,
    ord("Q"): Machine.persistent,
}

REFUSED = {
    ord("i"): "INST",
    ord("o"): "OBJ",
    ord("P"): "PERSID",
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x92: "NEWOBJ_EX",
    0x97: "NEXT_BUFFER",
    0x98: "READONLY_BUFFER",
}


def _name_of(code: int) -> str:
    return REFUSED.get(code, f"0x{code:02x}")


def _shown(text: Any) -> str:
    """A name of the file as it may stand in a message: short, ASCII, no control characters."""
    return ascii(text)[1:-1][:80] if isinstance(text, str) else _kind(text)


def _kind(value: Any) -> str:
    """What `value` is, never what it holds (that may be endless)."""
    if isinstance(value, (Name, Record)):
        return value.name
    return "a value of type " + ("bytes" if isinstance(value, memoryview) else type(value).__name__)


# --- what the names of the table stand for ---

DTYPES: dict[str, torch.dtype] = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Byte": torch.uint8,
    "Char": torch.int8,
    "Short": torch.int16,
    "Int": torch.int32,
    "Long": torch.int64,
    "Bool": torch.bool,
}

NUMPY_DTYPES: dict[str, torch.dtype] = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "u1": torch.uint8,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "b1": torch.bool,
}


def _flat(machine: Machine, count: int, dtype: torch.dtype) -> Tensor:
    """`count` zeros, charged."""
    if not 0 <= count <= machine.budget.bytes:
        machine.refuse("The checkpoint asks for more memory than its own size explains")
    machine.spend(size=count * dtype.itemsize)
    return torch.zeros(count, dtype=dtype)


def _fill(values: Tensor, raw: memoryview | bytes) -> None:
    """Write the little-endian bytes `raw` into the flat tensor `values` of as many bytes."""
    if len(raw):
        source = np.frombuffer(raw, dtype=np.uint8)
        # any other byte than 0 and 1 in a bool is undefined behaviour
        values.view(torch.uint8).numpy()[:] = source != 0 if values.dtype == torch.bool else source


def _counts(machine: Machine, values: Any) -> tuple[int, ...]:
    """`values` if they can be a shape or strides."""
    good = isinstance(values, (tuple, list)) and len(values) <= 8
    if not good or not all(type(n) is int and 0 <= n < 1 << 40 for n in values):
        machine.refuse("The checkpoint holds a tensor whose shape is none")
    return tuple(values)


def _tensor(machine: Machine, args: tuple[Any, ...]) -> Tensor:
    """`torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)` and its elder."""
    plain = len(args) < 7 or args[6] is None or (isinstance(args[6], dict) and not args[6])
    if not 4 <= len(args) <= 7 or not isinstance(args[0], Storage) or not plain:
        machine.refuse("The checkpoint builds a tensor from other things than a storage, an offset and a shape")
    (offset,) = _counts(machine, (args[1],))
    size, stride = _counts(machine, args[2]), _counts(machine, args[3])
    values = args[0].values
    if len(size) != len(stride):
        machine.refuse("The checkpoint holds a tensor whose shape is none")
    if math.prod(n for n in size if n) > (1 << 40 if 0 in size else values.numel()):
        machine.refuse("The checkpoint holds a tensor larger than its storage")
    if 0 in size:
        return values.new_empty(size)
    if offset + sum((n - 1) * step for n, step in zip(size, stride)) >= values.numel():
        machine.refuse("The checkpoint holds a tensor that reaches out of its storage")
    return values.as_strided(size, stride, offset)


def _parameter(machine: Machine, args: tuple[Any, ...]) -> Tensor:
    """`torch._utils._rebuild_parameter(data, requires_grad, hooks)`: the data."""
    if len(args) != 3 or not isinstance(args[0], Tensor):
        machine.refuse("The checkpoint builds a parameter from other things than a tensor")
    return args[0]


def _storage_of(machine: Machine, args: tuple[Any, ...]) -> Storage:
    """`torch.storage._load_from_bytes(bytes)`: one storage in torch's older format."""
    if len(args) != 1 or not isinstance(args[0], memoryview):
        machine.refuse("The checkpoint builds a storage from other things than bytes")
    where = f"{machine.where}, in the storage before byte {machine.at}"
    value = _torch_rows(args[0], machine.budget, where, nested=True)
    if not isinstance(value, Storage):
        machine.refuse(f"The checkpoint holds {_kind(value)} in place of a storage")
    return value


def _empty(make: Callable[[], Any]) -> Callable[[Machine, tuple[Any, ...]], Any]:
    """A constructor that takes nothing."""

    def build(machine: Machine, args: tuple[Any, ...]) -> Any:
        if args:
            machine.refuse("The checkpoint builds a container out of a call")
        return make()

    return build


def _set(make: Callable[[Any], Any]) -> Callable[[Machine, tuple[Any, ...]], Any]:
    """`set` and `frozenset` of a list, as protocols 2 and 3 write them."""

    def build(machine: Machine, args: tuple[Any, ...]) -> Any:
        if len(args) != 1 or not isinstance(args[0], list):
            machine.refuse("The checkpoint builds a set from other things than a list")
        machine.spend(steps=len(args[0]))
        return make(machine.key(item) for item in args[0])

    return build


def _encoded(machine: Machine, args: tuple[Any, ...]) -> memoryview:
    """`_codecs.encode(text, 'latin1')`: bytes, as protocol 2 writes them."""
    if len(args) != 2 or not isinstance(args[0], str) or args[1] != "latin1":
        machine.refuse("The checkpoint encodes text in another way than bytes are written")
    machine.spend(size=len(args[0]))
    try:
        return memoryview(args[0].encode("latin1"))
    except UnicodeEncodeError:
        machine.refuse("The checkpoint encodes text in another way than bytes are written")


def _size(machine: Machine, args: tuple[Any, ...]) -> tuple[int, ...]:
    """`torch.Size(tuple)`: the tuple."""
    return _counts(machine, args[0] if len(args) == 1 else None)


def _device(machine: Machine, args: tuple[Any, ...]) -> str:
    """`torch.device(kind, index)`: its name, as a string; tensors are always on the CPU."""
    if not args or not isinstance(args[0], str):
        machine.refuse("The checkpoint names a device that is none")
    return args[0]


def _record(name: str) -> Callable[[Machine, tuple[Any, ...]], Record]:
    """An object that is noted, not built."""
    return lambda machine, args: Record(name, args)


def _array(machine: Machine, args: tuple[Any, ...]) -> Record:
    """`numpy.core.multiarray._reconstruct(ndarray, (0,), b'b')`: an array whose values come with its state."""
    if len(args) != 3 or not isinstance(args[0], Name) or args[0].name != "numpy.ndarray":
        machine.refuse("The checkpoint builds an array of a class that is none of numbers")
    return Record("numpy.ndarray")


def _array_values(machine: Machine, dtype: Any, raw: Any, shape: Any, fortran: bool) -> Tensor:
    """The tensor of a NumPy array."""
    code = dtype.args[0] if isinstance(dtype, Record) and dtype.name == "numpy.dtype" and dtype.args else None
    order = dtype.state[1] if code and isinstance(dtype.state, tuple) and len(dtype.state) > 1 else None
    kind = NUMPY_DTYPES.get(code) if isinstance(code, str) else None
    if kind is None or not isinstance(order, str) or order not in ("<", "|"):
        machine.refuse(f"The checkpoint holds an array of {_shown(code)}, which is no plain number")
    size = _counts(machine, shape)
    if not isinstance(raw, memoryview) or len(raw) != math.prod(size) * kind.itemsize:
        machine.refuse("The checkpoint holds an array whose values do not fill its shape")
    values = _flat(machine, math.prod(size), kind)
    _fill(values, raw)
    return values.reshape(size[::-1]).permute(*range(len(size))[::-1]) if fortran else values.reshape(size)


def _array_state(machine: Machine, state: Any) -> Tensor:
    """The state of an array: (version, shape, dtype, in Fortran order, bytes)."""
    if not isinstance(state, tuple) or len(state) != 5:
        machine.refuse("The checkpoint holds an array without values")
    return _array_values(machine, state[2], state[4], state[1], state[3] is True)


def _array_of_buffer(machine: Machine, args: tuple[Any, ...]) -> Record:
    """`numpy.core.numeric._frombuffer(bytes, dtype, shape, order)`, as protocol 5 writes arrays."""
    if len(args) != 4:
        machine.refuse("The checkpoint holds an array without values")
    values = _array_values(machine, args[1], args[0], args[2], args[3] == "F")
    return Record("numpy.ndarray", state=values)


def _scalar(machine: Machine, args: tuple[Any, ...]) -> Any:
    """`numpy.core.multiarray.scalar(dtype, bytes)`: a Python number."""
    if len(args) != 2:
        machine.refuse("The checkpoint holds a number without a value")
    return _array_values(machine, args[0], args[1], (), False).item()


def _table() -> dict[tuple[str, str], Name]:
    """Every (module, name) that a checkpoint may ask for."""
    table: dict[tuple[str, str], Name] = {}

    def add(modules: str, name: str, **kind: Any) -> None:
        for module in modules.split():
            table[module, name] = Name(f"{modules.split()[-1]}.{name}", **kind)

    for name, dtype in DTYPES.items():
        add("torch.cuda torch", f"{name}Storage", dtype=dtype)
        add("torch", str(dtype).removeprefix("torch."), constant=str(dtype).removeprefix("torch."))
    add("torch torch.storage", "UntypedStorage", dtype=torch.uint8)
    add("torch.storage", "_load_from_bytes", call=_storage_of)
    add("torch._utils", "_rebuild_tensor", call=_tensor)
    add("torch._utils", "_rebuild_tensor_v2", call=_tensor)
    add("torch._utils", "_rebuild_parameter", call=_parameter)
    add("torch", "Size", call=_size)
    add("torch", "device", call=_device)
    add("collections", "OrderedDict", call=_empty(dict), new=_empty(dict))
    add("dnnlib dnnlib.util", "EasyDict", call=_empty(dict), new=_empty(dict))
    add("__builtin__ builtins", "set", call=_set(set))
    add("__builtin__ builtins", "frozenset", call=_set(frozenset))
    add("__builtin__ builtins", "bytes", call=_empty(lambda: memoryview(b"")))
    add("_codecs", "encode", call=_encoded)
    for name in ("ModuleDict", "ModuleList", "Sequential"):
        add("torch.nn.modules.container", name, new=_record(f"torch.nn.{name}"))
    add("torch_utils.persistence", "_reconstruct_persistent_obj", call=_record("persistent object"))
    add("numpy", "ndarray")
    add("numpy", "dtype", call=_record("numpy.dtype"))
    add("numpy.core.multiarray numpy._core.multiarray", "_reconstruct", call=_array)
    add("numpy.core.multiarray numpy._core.multiarray", "scalar", call=_scalar)
    add("numpy.core.numeric numpy._core.numeric", "_frombuffer", call=_array_of_buffer)
    return table


NAMES = _table()


# --- torch's own formats ---


@dataclass
class _Storages:
    """The storages that a torch stream refers to by key, made when first met."""

    made: dict[str, Storage] = field(default_factory=dict)
    load: Callable[[Machine, str, Tensor], None] | None = None

    def __call__(self, machine: Machine, name: Any) -> Storage:
        """`name`: ('storage', type, key, device, count) and, in the older format, a view, which must be None."""
        if not isinstance(name, tuple) or len(name) not in (5, 6) or (len(name) == 6 and name[5] is not None):
            machine.refuse("The checkpoint refers to something that is no storage")
        word, kind, key, _, count = name[:5]
        if not isinstance(word, str) or word != "storage" or not isinstance(key, str) or len(key) > MAX_KEY:
            machine.refuse("The checkpoint refers to something that is no storage")
        dtype = kind.dtype if isinstance(kind, Name) else None
        if dtype is None or type(count) is not int:
            machine.refuse("The checkpoint refers to a storage of unknown numbers")
        known = self.made.get(key)
        if known is None:
            known = self.made[key] = Storage(_flat(machine, count, dtype))
            if self.load is not None:
                self.load(machine, key, known.values)
        if known.values.dtype != dtype or known.values.numel() != count:
            machine.refuse(f"The checkpoint describes the storage {_shown(key)} in two ways")
        return known


def _torch_rows(data: memoryview, budget: Budget, where: str, *, nested: bool) -> Any:
    """What `torch.save` wrote before it used zips: magic number, version, machine, object, keys, then raw numbers."""
    storages = _Storages()
    machine = Machine(data, budget, where, nested=True)
    if type(machine.value) is not int or machine.value != TORCH_MAGIC:
        machine.refuse("The checkpoint holds a storage that torch did not write")
    machine = Machine(data, budget, where, start=machine.end, nested=True)
    if type(machine.value) is not int or machine.value != TORCH_PROTOCOL:
        machine.refuse("The checkpoint was written by a torch of another format")
    machine = Machine(data, budget, where, start=machine.end, nested=True)
    if not isinstance(machine.value, dict) or machine.value.get("little_endian") is not True:
        machine.refuse("The checkpoint was written on a machine of another byte order")
    machine = Machine(data, budget, where, start=machine.end, nested=nested, storages=storages)
    value = machine.value
    machine = Machine(data, budget, where, start=machine.end, nested=True)
    keys = machine.value
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        machine.refuse("The checkpoint is damaged: its list of storages is none")
    if sorted(keys) != sorted(storages.made):
        machine.refuse("The checkpoint is damaged: it holds other storages than it uses")
    machine.position = machine.end
    for key in keys:
        machine.at = machine.position
        values = storages.made[key].values
        if machine.number("<q") != values.numel():
            machine.refuse("The checkpoint is damaged: a storage has another length than it says")
        _fill(values, machine.take(values.numel() * values.dtype.itemsize))
    if machine.position != len(data):
        machine.refuse("The checkpoint is damaged: bytes follow its end")
    return value


def _torch_zip(path: Path, budget: Budget) -> Any:
    """What `torch.save` writes: a zip, not compressed, of `data.pkl` and one entry per storage."""
    where = str(path)

    def fail(what: str) -> NoReturn:
        raise InputError(what, where=where, how=CONVERT)

    def read(archive: zipfile.ZipFile, name: str, size: int | None, limit: int) -> bytes:
        entry = archive.NameToInfo.get(name)
        if entry is None:
            fail(f"The checkpoint lacks its entry {_shown(name)}")
        stored = entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
        if not stored or entry.flag_bits & 1 or entry.file_size > limit:
            fail("The checkpoint is a zip that is compressed, encrypted or too long, which torch does not write")
        if size is not None and entry.file_size != size:
            fail(f"The checkpoint is damaged: its entry {_shown(name)} has another length than it says")
        return archive.read(entry)

    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.NameToInfo if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(pickles) != 1:
                fail("The checkpoint is a zip, but none that torch wrote")
            root = pickles[0].removesuffix("data.pkl")
            if f"{root}byteorder" in archive.NameToInfo and read(archive, f"{root}byteorder", None, 16) != b"little":
                fail("The checkpoint was written on a machine of another byte order")

            def load(machine: Machine, key: str, values: Tensor) -> None:
                size = values.numel() * values.dtype.itemsize
                _fill(values, read(archive, f"{root}data/{key}", size, size))

            stream = memoryview(read(archive, pickles[0], None, MAX_STREAM))
            return Machine(stream, budget, f"{path}, entry data.pkl", storages=_Storages(load=load)).value
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        struct.error,
    ) as error:
        fail(f"The checkpoint is a damaged zip ({type(error).__name__})")


def read_pickle(path: Path) -> Any:
    """What the checkpoint `path` holds: a plain pickle, or what `torch.save` wrote (zip or older).

    Returns numbers, strings, None, bytes (as memoryviews), lists, tuples, dicts, sets, tensors (on the CPU, some views
    of one storage) and `Record`s for objects, an array being a record whose state is a tensor. Anything else in the
    file, damage, and more instructions or memory than a checkpoint of that size can need are an `InputError`.
    """
    if not path.is_file():
        raise InputError("A checkpoint is missing", where=str(path), how="give the path of a file")
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, 2)
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except (OSError, ValueError) as error:
        raise InputError(f"A checkpoint cannot be read ({error})", where=str(path), how="give another path") from None
    data = memoryview(mapped)
    # protocol 2 holds bytes as text, so that each byte is held twice: as bytes and as a tensor
    budget = Budget(bytes=2 * size)
    if size == 0:
        raise InputError("A checkpoint is empty", where=str(path), how="fetch it again")
    if bytes(data[:4]) == b"PK\x03\x04":
        return _torch_zip(path, budget)
    if bytes(data[:1]) != b"\x80":
        raise InputError(
            "Not a checkpoint: neither a pickle of protocol 2 to 5 nor a torch file", where=str(path), how=CONVERT
        )
    machine = Machine(data, budget, str(path))
    if type(machine.value) is int and machine.value == TORCH_MAGIC:
        return _torch_rows(data, Budget(bytes=2 * size), str(path), nested=False)
    if machine.end != len(data):
        raise InputError(
            "The checkpoint goes on after its end", where=f"{path}, byte {machine.end}", how="fetch it again"
        )
    return machine.value
