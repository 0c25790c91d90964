"""Pickled checkpoints: the weights to the bit, and nothing else: no code, no name, no memory beyond the file's."""

from __future__ import annotations

import builtins
import copyreg
import faulthandler
import functools
import importlib
import io
import json
import operator
import os
import pickle
import pickletools
import random
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.checkpoints import edm2_files as files
from unpersonal.checkpoints.load import unpickle
from unpersonal.checkpoints.pickles import Record
from unpersonal.checkpoints.read import module_tensors
from unpersonal.core.errors import InputError
from unpersonal.core.workers import Lost, alone
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.network import Denoiser, build_denoiser

TINY = NetworkConfig(resolution=4, channels=2, label_dim=3, model_channels=4, channels_per_head=4, channel_mult=(1, 2))
CONSTRUCTOR = {"img_resolution": 4, "img_channels": 2, "use_fp16": True, "channels_per_head": 4}


def network(dtype: torch.dtype = torch.float32) -> Denoiser:
    return build_denoiser(TINY, 3).to(dtype)


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    return path


def attempt(path: Path) -> bytes:
    """What a child process does with a file: nothing that it read comes back."""
    faulthandler.disable()
    torch.set_num_threads(1)
    unpickle(path)
    return b"read"


def refused(tmp_path: Path, content: bytes, match: str, *, seconds: float = 30.0) -> InputError:
    """The error of `content`, read as a study reads it: in a process with limits, which must not die of it."""
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=match) as caught:
        alone(attempt, path, seconds=seconds, memory=2**29 + 8 * len(content))
    assert "file.pkl" in caught.value.where and caught.value.how
    return caught.value


def plain(value: Any) -> Any:
    """The tensor that a record stands for, and anything else as it is."""
    return value.state if isinstance(value, Record) else value


# --- what loads ---


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_public_snapshot_loads_to_the_bit(tmp_path, protocol, dtype):
    original = network(dtype)
    content = unpickle(files.write_snapshot(tmp_path / "file.pkl", original, CONSTRUCTOR, protocol))
    tensors, expected = module_tensors(content["ema"], "here"), original.state_dict()
    assert set(tensors) == set(expected)
    for name, value in expected.items():
        assert tensors[name].dtype == dtype and tensors[name].shape == value.shape
        assert tensors[name].contiguous().numpy().tobytes() == value.numpy().tobytes(), name
    assert content["ema"].args[0]["state"]["_init_kwargs"] == CONSTRUCTOR
    assert content["dataset_kwargs"]["names"] == {"a", "b"} and content["blob"] == b"\x00\xff"
    assert content["dtype"] == "float16"
    encoder, loss = (content[name].args[0]["state"] for name in ("encoder", "loss_fn"))
    assert all(isinstance(encoder[name], Record) for name in ("scale", "bias", "raw_std"))
    assert loss == {"P_mean": -0.4, "P_std": 1.0, "device": "cpu", "big": 2**70}


def test_the_reader_agrees_with_pickle_itself(tmp_path):
    value: dict[str, Any] = {
        "numbers": [0, -1, 255, 256, 65536, -(2**31), 2**63, -(2**100), 1.5, float("inf"), True, None],
        "text": ["", "ä", "x" * 300],
        "nested": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {"a": {1: {"b"}}}),
        "many": list(range(3000)),
        "wide": {f"k{i}": i for i in range(2500)},
    }
    value["again"] = value["nested"]
    for protocol in (2, 3, 4, 5):
        read = unpickle(written(tmp_path, pickle.dumps(value, protocol=protocol)))
        assert read == value and read["again"] is read["nested"]
        optimized = unpickle(written(tmp_path, pickletools.optimize(pickle.dumps(value, protocol=protocol))))
        assert optimized == value


def test_a_list_that_holds_itself_is_read(tmp_path):
    loop: list[Any] = []
    loop.append((loop, {"x": loop}))
    read = unpickle(written(tmp_path, pickle.dumps(loop)))
    assert read[0][0] is read and read[0][1]["x"] is read


TENSORS = {
    **{
        str(dtype): torch.arange(-3, 9).to(dtype).reshape(3, 4)
        for dtype in (
            torch.float16,
            torch.bfloat16,
            torch.float32,
            torch.float64,
            torch.uint8,
            torch.int8,
            torch.int16,
            torch.int32,
            torch.int64,
            torch.bool,
        )
    },
    "view": torch.arange(20.0)[3:15].reshape(3, 4)[:, 1:3],
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "scalar": torch.tensor(2.5),
    "empty": torch.empty(0, 3),
    "parameter": nn.Parameter(torch.ones(2)),
}


@pytest.mark.parametrize("name", TENSORS)
def test_every_kind_of_tensor_in_every_format(tmp_path, name):
    value = TENSORS[name]
    path = tmp_path / "file.pt"
    for protocol in (2, 4, 5):
        path.write_bytes(pickle.dumps([value, value], protocol=protocol))
        read = unpickle(path)
        assert all(plain(item).dtype == value.dtype and torch.equal(plain(item), value.detach()) for item in read)
    for zipped in (True, False):
        torch.save({"a": value, "b": value}, path, _use_new_zipfile_serialization=zipped)
        read = unpickle(path)
        assert all(item.dtype == value.dtype and torch.equal(item, value.detach()) for item in read.values())
        assert torch.equal(read["a"], torch.load(path, weights_only=True)["a"].detach())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8", "?"])
def test_arrays_are_noted_and_not_built(tmp_path, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3).astype(dtype), order=order)
    for protocol in (2, 3, 4, 5):
        read = unpickle(written(tmp_path, pickle.dumps([array, array], protocol=protocol)))
        assert isinstance(read[0], Record) and read[0] is read[1] and read[0].name.startswith("numpy.")
        assert array.tobytes("A") in (read[0].args[0], *(read[0].state or ()))
        number = unpickle(written(tmp_path, pickle.dumps(array[0, 1], protocol=protocol)))
        assert isinstance(number, Record) and number.args[1] == array[0, 1].tobytes()


def test_any_byte_but_zero_is_true(tmp_path):
    content = pickle.dumps(torch.tensor([True, False]))
    assert content.count(b"\x01\x00.") == 0 and content.count(b"\x01\x00\x94") >= 1
    at = content.index(b"\x02" + 7 * b"\x00" + b"\x01\x00") + 8
    read = unpickle(written(tmp_path, content[:at] + b"\xff" + content[at + 1 :]))
    assert plain(read).view(torch.uint8).tolist() == [1, 0]


# --- what is refused, without having run ---


class Reduced:
    """An object that asks for a call when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.reduced = function, args

    def __reduce__(self) -> Any:
        return self.reduced

    def __call__(self) -> None:
        """Only what can be called may stand in a `__reduce__`."""


def loaded_state(canary: Path) -> dict[str, bytes]:
    """Streams that make the file `canary` (or would run something else) when Python unpickles them."""
    make = f"open({str(canary)!r}, 'w')"
    text = make.encode()
    shell = f"touch {canary}".encode()
    push = b"X" + struct.pack("<I", len(text)) + text
    push_shell = b"X" + struct.pack("<I", len(shell)) + shell
    evil = Reduced(eval, make)
    with files.authors_modules():
        persistent = pickle.dumps(files.EasyDict(ema=files.Persistent("Net", {"_parameters": {"w": evil}})))
    plain = {
        "os.system": Reduced(os.system, f"touch {canary}"),
        "eval": evil,
        "exec": Reduced(exec, make),
        "open": Reduced(open, str(canary), "w"),
        "subprocess": Reduced(subprocess.check_call, ["touch", str(canary)]),
        "getattr": Reduced(getattr, (), "__class__"),
        "nested in state": {"state": [{"x": ({"deep": evil},)}]},
        "import": Reduced(builtins.__import__, "os"),
        "torch.load": Reduced(torch.load, str(canary)),
        "copyreg": Reduced(copyreg._reconstructor, dict, dict, ()),  # type: ignore[attr-defined]
        "bytearray": Reduced(bytearray, 10**12),
        "partial": Reduced(functools.partial, os.system),
        "partial of partial": Reduced(functools.partial, Reduced(functools.partial, os.system), "true"),
        "attrgetter": Reduced(operator.attrgetter, "system"),
        "methodcaller": Reduced(operator.methodcaller, "system", "true"),
        "itemgetter": Reduced(operator.itemgetter, 0),
        "compile": Reduced(compile, make, "x", "exec"),
        "globals": Reduced(globals),
        "setattr": Reduced(setattr, "x", "y", "z"),
        "type": Reduced(type, "X", (), {}),
        "object": Reduced(object.__new__, dict),
        "copyreg.constructor": Reduced(copyreg.constructor, os.system),
        "copyreg.add_extension": Reduced(copyreg.add_extension, "os", "system", 77),
        "import_module": Reduced(importlib.import_module, "os"),
        "pickle.loads": Reduced(pickle.loads, b"N."),
        "a chain": Reduced(getattr, Reduced(importlib.import_module, "os"), "system"),
        "an object's own call": Reduced(Reduced(operator.attrgetter, "system"), Reduced(importlib.import_module, "os")),
        "exit": Reduced(os._exit, 0),
        "torch hub": Reduced(torch.hub.load, "x", "y"),
        "torch jit": Reduced(torch.jit.load, str(canary)),
        "numpy.load": Reduced(np.load, str(canary)),
        "numpy.fromfile": Reduced(np.fromfile, "/etc/passwd"),
        "memoryview": Reduced(memoryview, b"x"),
        "range": Reduced(range, 10**12),
    }
    streams = {
        f"{name}, protocol {protocol}": pickle.dumps(v, protocol) for name, v in plain.items() for protocol in (2, 4)
    }
    return streams | {
        "in the persistent state": persistent,
        "INST": b"\x80\x02(" + push_shell + b"ios\nsystem\n.",
        "OBJ": b"\x80\x02(cos\nsystem\n" + push_shell + b"o.",
        "EXT1": b"\x80\x02\x82\x01.",
        "EXT2": b"\x80\x02\x83\x01\x00.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
        "PERSID": b"\x80\x02Pname\n.",
        "BINPERSID": b"\x80\x02X\x01\x00\x00\x00aQ.",
        "protocol 0": b"cos\nsystem\n(S'x'\ntR.",
        "protocol 0 behind a header": b"\x80\x02cos\nsystem\n(S'x'\ntR.",
        "protocol 6": b"\x80\x06N.",
        "a buffer from outside": b"\x80\x05\x97.",
        "a dotted name": b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93" + push_shell + b"\x85R.",
        "a dotted name from torch": b"\x80\x04\x8c\x05torch\x8c\x17serialization.os.system\x93N\x85R.",
        "a dotted name from a class": b"\x80\x04\x8c\x0bcollections\x8c\x1cOrderedDict.__init__.__class__\x93.",
        "a module that is no text": b"\x80\x04K\x01\x8c\x01x\x93.",
        "NEWOBJ_EX": b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
        "a call of a text": b"\x80\x02" + push + push + b"\x85R.",
        "a call of an array": b"\x80\x02cnumpy\nndarray\n)R.",
        "a new object of a function": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)\x81.",
        "a call with a list": b"\x80\x02ccollections\nOrderedDict\n]R.",
        "a set of a dictionary": b"\x80\x02c__builtin__\nset\n}\x85R.",
        "the state of a dictionary": b"\x80\x02ccollections\nOrderedDict\n)R}X\x0c\x00\x00\x00__setstate__Nsb.",
        "the state of a function": b"\x80\x02ctorch._utils\n_rebuild_parameter\n}b.",
        "the state twice": b"\x80\x02ctorch.nn.modules.container\nModuleList\n)\x81}b}b.",
        "items of a function": b"\x80\x02ctorch._utils\n_rebuild_parameter\nK\x01K\x02s.",
        "appended to a record": b"\x80\x02ctorch.nn.modules.container\nModuleList\n)\x81K\x02a.",
        "encoded otherwise": b"\x80\x02c_codecs\nencode\n" + push + b"X\x05\x00\x00\x00utf-8\x86R.",
        "bytes made by a call": b"\x80\x04cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.",
        "a new object of bytes": b"\x80\x04cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85\x81.",
        "a new object of a dictionary from pairs": b"\x80\x04ccollections\nOrderedDict\n]\x85\x81.",
        "attributes of a class": b"\x80\x02ccollections\nOrderedDict\nN}X\x0a\x00\x00\x00__reduce__Ns\x86b.",
        "attributes of a record": b"\x80\x02ctorch.nn.modules.container\nModuleList\n)\x81N}"
        b"X\x09\x00\x00\x00__class__ccollections\nOrderedDict\ns\x86b}b.",
        "attributes of a list": b"\x80\x02]N}X\x01\x00\x00\x00aNs\x86b.",
        "attributes of a dictionary": b"\x80\x02}N}X\x01\x00\x00\x00aNs\x86b.",
        "attributes of bytes": b"\x80\x05C\x01aN}X\x01\x00\x00\x00aNs\x86b.",
        "a class called twice": b"\x80\x02ccollections\nOrderedDict\n)R)R.",
        "a record called": b"\x80\x02ctorch.nn.modules.container\nModuleList\n)\x81)R.",
        "a name in two parts": b"\x80\x04\x8c\x05torch\x8c\x17_utils._rebuild_tensor_v2\x93)R.",
        "a module's private name": b"\x80\x04\x8c\x06pickle\x8c\x09Unpickler\x93)R.",
        "a name that is not ASCII": b"\x80\x02c\xc3\xb6s\nsystem\n.",
        "sparse": b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.",
        "quantized": b"\x80\x02ctorch._utils\n_rebuild_qtensor\n)R.",
        "a subclass of a tensor": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n)R.",
        "a wrapper of a tensor": b"\x80\x02ctorch._utils\n_rebuild_wrapper_subclass\n)R.",
        "a tensor without a storage": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        "a tensor of a text": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + push + b"K\x00))\x89NtR.",
        "a tensor of itself": b"\x80\x04ctorch._utils\n_rebuild_tensor_v2\n(]q\x01K\x00))\x89NtRq\x02.",
        "a parameter of a parameter": b"\x80\x02ctorch._utils\n_rebuild_parameter\nq\x01(h\x01(N\x88NtR\x88NtR.",
        "a storage whose state is given": b"\x80\x02ctorch._utils\n_rebuild_tensor\n("
        b"ctorch.storage\n_load_from_bytes\nC\x01a\x85R}bK\x00))tR.",
        "a storage of bytes that torch did not write": b"\x80\x03ctorch.storage\n_load_from_bytes\nC\x01a\x85R.",
        "a readonly buffer": b"\x80\x05C\x01a\x98.",
        "a storage of text": b"\x80\x02ctorch.storage\n_load_from_bytes\n" + push + b"\x85R.",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", loaded_state(Path("canary")))
def test_what_could_run_is_refused_and_does_not_run(tmp_path, name, monkeypatch):
    canary, called = tmp_path / "canary", tmp_path / "called"
    content = loaded_state(canary)[name]
    write = Path.write_text

    def never(*args: Any, **kwargs: Any) -> Any:
        write(called, "something was called")
        raise AssertionError("something was called")

    for module, function in ((os, "system"), (subprocess, "check_call"), (builtins, "eval"), (torch, "load")):
        monkeypatch.setattr(module, function, never)
    monkeypatch.setitem(copyreg._inverted_registry, 1, ("os", "system"))  # type: ignore[attr-defined]
    refused(tmp_path, content, "The checkpoint")
    assert not canary.exists() and not called.exists()


def test_the_canary_would_be_made_by_a_plain_unpickler(tmp_path):
    for name in ("eval, protocol 2", "nested in state, protocol 4", "INST", "OBJ"):
        canary = tmp_path / f"canary {name.split(',')[0]}".replace(" ", "-")
        pickle.loads(loaded_state(canary)[name])  # noqa: S301
        assert canary.exists(), name


@pytest.mark.parametrize(
    "name", ["os.system, protocol 4", "eval, protocol 2", "a dotted name", "INST", "PERSID", "EXT1"]
)
def test_a_refusal_says_what_and_where(tmp_path, name):
    content = loaded_state(tmp_path / "canary")[name]
    error = refused(tmp_path, content, "instruction|asks for")
    number = int(error.where.rsplit(" ", 1)[1])
    met = {"o": "posix.system", "e": "__builtin__.eval", "a": "torch.serialization.os.system"}.get(name[0], name)
    assert met in error.what and "safetensors" in error.how
    opcode = {"os.system, protocol 4": b"\x93", "eval, protocol 2": b"c", "a dotted name": b"\x93"}
    expected = opcode.get(name) or {"INST": b"i", "PERSID": b"P", "EXT1": b"\x82"}[name]
    assert content[number : number + 1] == expected


def test_a_name_in_a_message_is_short_and_printable(tmp_path):
    name = "\x1b[31m\n" + "é" * 300
    content = b"\x80\x04\x8c\x02os\x8d" + struct.pack("<Q", len(name.encode())) + name.encode() + b"\x93."
    error = refused(tmp_path, content, "asks for")
    assert error.what.isascii() and error.what.isprintable() and len(error.what) < 200


def legacy(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def storage_call(raw: bytes) -> bytes:
    """A pickle that builds a storage from `raw`."""
    return b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(raw)) + raw + b"\x85R."


MAGIC = 0x1950A86A20F9469CFC6C


def test_the_stream_inside_a_storage_is_held_to_the_same_rules(tmp_path):
    canary = tmp_path / "canary"
    good = legacy(torch.tensor([1.0, 2.0])._typed_storage())
    assert unpickle(written(tmp_path, storage_call(good))).state.tolist() == [1.0, 2.0]
    cases = {
        "torch did not write it": [
            pickle.dumps(Reduced(eval, f"open({str(canary)!r}, 'w')"), 2),
            pickle.dumps(17, 2),
            pickle.dumps(MAGIC, 2) + pickle.dumps(7, 2),
            pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2),
            good.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"),
            storage_call(good),
        ],
        "a storage is none": [legacy(["x"]), legacy(torch.ones(2))],
        "unexpected EOF": [good[:-1]],
        "bytes follow its end": [good + b"x"],
        "protocol version": [good.replace(b"M\xe9\x03.", b"M\xea\x03.", 1)],
    }
    for match, raws in cases.items():
        for raw in raws:
            assert raw != good
            refused(tmp_path, storage_call(raw), match)
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC, 1001, {"little_endian": True}))
    evil = head + pickle.dumps(Reduced(eval, f"open({str(canary)!r}, 'w')"), 2) + pickle.dumps([], 2)
    refused(tmp_path, storage_call(evil), "eval")
    refused(tmp_path, evil, "eval")
    untyped = pickle.dumps(torch.arange(5, dtype=torch.uint8).untyped_storage())
    refused(tmp_path, untyped, "cannot be read")
    assert not canary.exists()


# --- bombs ---


def tensor_call(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    storage = storage_call(legacy(torch.tensor([1.0, 2.0, 3.0, 4.0])._typed_storage()))[2:-1]
    pushed = b"".join(pickle.dumps(item, 2)[2:-1] for item in (offset, size, stride, False, None))
    return b"\x80\x03ctorch._utils\n_rebuild_tensor_v2\n(" + storage + pushed + b"tR."


@pytest.mark.slow
@pytest.mark.parametrize(
    "size, stride, offset",
    [
        ((10**9, 10**9), (0, 0), 0),
        ((5,), (0,), 0),
        ((2,), (4,), 0),
        ((4,), (1,), 1),
        ((1,), (1,), 4),
        ((-1,), (1,), 0),
        ((2, 2), (1,), 0),
        ((2**41,), (1,), 0),
        ((2,), (-1,), 1),
        ((1,) * 9, (1,) * 9, 0),
        ((0, 2**39, 2**39), (1, 1, 1), 0),
        ((1,), (1,), -1),
        ((2**32, 2**32), (0, 0), 0),
        ((2**31, 2**31, 2**3), (0, 0, 0), 0),
        ((2, 2), (2**62, 2**62), 0),
        ((1,), (1,), 2**62),
        ((1,), (1,), 2**80),
    ],
)
def test_shapes_that_the_storage_does_not_hold(tmp_path, size, stride, offset):
    assert unpickle(written(tmp_path, tensor_call((2, 2), (2, 1)))).state.tolist() == [[1, 2], [3, 4]]
    refused(tmp_path, tensor_call(size, stride, offset), "tensor|storage|stride|negative|mismatch")


def lengths() -> dict[str, bytes]:
    huge = struct.pack("<Q", 2**62)
    return {
        "LONG4": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
        "LONG4 negative": b"\x80\x02\x8b" + struct.pack("<i", -5) + b"1.",
        "LONG1": b"\x80\x02\x8a\xff" + b"1" * 255 + b".",
        "BINBYTES8": b"\x80\x04\x8e" + huge + b".",
        "BINUNICODE8": b"\x80\x04\x8d" + huge + b".",
        "BYTEARRAY8": b"\x80\x05\x96" + huge + b".",
        "BINBYTES": b"\x80\x03B\xff\xff\xff\xff.",
        "FRAME": b"\x80\x04\x95" + huge + b"N.",
        "no text": b"\x80\x02X\x01\x00\x00\x00\xff.",
        "a name without end": b"\x80\x02c" + b"a" * 5000,
        "no stop": b"\x80\x02N",
        "only a header": b"\x80\x02",
        "half a header": b"\x80",
        "empty stack": b"\x80\x02.",
        "below a mark": b"\x80\x02N(\x85.",
        "no mark": b"\x80\x02NNt.",
        "unknown memo": b"\x80\x02h\x07.",
        "odd items": b"\x80\x02}(K\x01u.",
        "a list as a key": b"\x80\x02}]K\x01s.",
        "a tuple in a set": b"\x80\x04\x8f(N\x85\x90.",
        "a large integer as a key": b"\x80\x02}" + pickle.dumps(2**31 + 1, 2)[2:-1] + b"Ns.",
        "a large negative integer as a key": b"\x80\x02}" + pickle.dumps(-(2**61) + 1, 2)[2:-1] + b"Ns.",
        "a large float as a key": b"\x80\x02}G" + struct.pack(">d", 2.0**61) + b"Ns.",
        "a key that is not a number": b"\x80\x02}G" + struct.pack(">d", float("nan")) + b"Ns.",
        "a long key": b"\x80\x02}X" + struct.pack("<I", 2000) + b"a" * 2000 + b"Ns.",
        "after the end": b"\x80\x02N.N.",
        "unknown instruction": b"\x80\x02\xfe.",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", lengths())
def test_lengths_and_damage(tmp_path, name):
    refused(tmp_path, lengths()[name], "The checkpoint")


@pytest.mark.slow
@pytest.mark.parametrize("end", [b"}2\x01Ns.", b"\x8f(2\x01\x90.", b"(2\x01\x91."], ids=["key", "set", "frozen set"])
def test_hashing_that_never_ends_is_killed(tmp_path, end):
    bomb = b"N" + b"2\x86" * 60
    content = b"\x80\x04" + end.replace(b"2\x01", bomb)
    with pytest.raises(Lost, match=r"longer than 2 s|died"):
        alone(attempt, written(tmp_path, content), seconds=2.0, memory=2**29)


@pytest.mark.slow
def test_hashing_that_goes_too_deep_costs_a_process(tmp_path):
    content = b"\x80\x02}N" + b"\x85" * 400_000 + b"Ns."
    with pytest.raises((Lost, InputError)):
        alone(attempt, written(tmp_path, content), seconds=20.0, memory=2**29)


@pytest.mark.slow
def test_many_instructions_are_bounded(tmp_path):
    refused(tmp_path, b"\x80\x02" + b"}\x85" * 300_000 + b".", "more than 500000 instructions")


def test_laughs_are_not_multiplied(tmp_path):
    layer = b"]q\x00" + b"".join(
        b"](" + b"h" + bytes([i]) * 1 + (b"h" + bytes([i])) * 99 + b"eq" + bytes([i + 1]) for i in range(60)
    )
    read = unpickle(written(tmp_path, b"\x80\x02" + layer + b"."))
    assert len(read) == 100 and read[0] is read[99]


@pytest.mark.slow
def test_deep_nesting_needs_no_stack(tmp_path):
    for open_, close in ((b"]" * 200_000, b"a" * 199_999), (b")" + b"\x85" * 400_000, b"")):
        assert (
            alone(attempt, written(tmp_path, b"\x80\x02" + open_ + close + b"."), seconds=30, memory=2**29) == b"read"
        )


def memory_runs_out(tmp_path: Path, content: bytes) -> None:
    """More than the process may map is asked for: it says so, or dies."""
    with pytest.raises((InputError, Lost)) as caught:
        alone(attempt, written(tmp_path, content), seconds=60, memory=2**28)
    text = str(caught.value)
    assert any(word in text for word in ("MemoryError", "died", "allocate memory", "bad alloc")), text


@pytest.mark.slow
def test_a_set_copied_again_and_again_runs_out_of_memory(tmp_path):
    items = b"](" + b"".join(b"M" + struct.pack("<H", i) for i in range(60_000)) + b"eq\x00"
    copies = b"c__builtin__\nset\nq\x010" + b"h\x01h\x00\x85R" * 1000
    memory_runs_out(tmp_path, b"\x80\x02" + items + copies + b".")


@pytest.mark.slow
def test_one_storage_cannot_be_copied_beyond_the_limit(tmp_path):
    raw = legacy(torch.zeros(100_000, dtype=torch.uint8)._typed_storage())
    call = b"h\x01h\x00\x85R" * 10_000
    head = b"\x80\x03(B" + struct.pack("<I", len(raw)) + raw + b"q\x000ctorch.storage\n_load_from_bytes\nq\x010"
    memory_runs_out(tmp_path, head + call + b"t.")
    text = "a" * 100_000
    head = (
        b"\x80\x02(X"
        + struct.pack("<I", len(text))
        + text.encode()
        + b"q\x000c_codecs\nencode\nq\x010X\6\0\0\0latin1q\x020"
    )
    memory_runs_out(tmp_path, head + b"h\x01h\x00h\x02\x86R" * 10_000 + b"t.")


@pytest.mark.parametrize("index", [2**31 - 1, 2**32 - 1])
def test_a_memo_of_any_size_is_refused(tmp_path, index):
    refused(tmp_path, b"\x80\x02Nr" + struct.pack("<I", index) + b".", "instructions")


@pytest.mark.parametrize("count", [2**33, 2**40, 2**62, 2**70, -1])
def test_a_storage_larger_than_the_file(tmp_path, count):
    raw = legacy(torch.zeros(3, dtype=torch.uint8)._typed_storage())
    assert raw.count(b"K\x03N") == 1
    number = pickle.dumps(count, 2)[2:-1]
    refused(tmp_path, storage_call(raw.replace(b"K\x03N", number + b"N")), "cannot be read")


# --- torch's zip ---


def rezipped(tmp_path: Path, change: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The zip of {'w': ones(4)} with entries replaced, added or (None) removed."""
    torch.save({"w": torch.ones(4)}, tmp_path / "good.pt")
    stream = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(stream, "w", compression) as bad:
        entries: dict[str, bytes | None] = {name: good.read(name) for name in good.namelist()}
        for name, content in (entries | change).items():
            if content is not None:
                bad.writestr(name, content)
    return stream.getvalue()


def test_torch_zips_that_are_not(tmp_path):
    assert unpickle(written(tmp_path, rezipped(tmp_path, {})))["w"].tolist() == [1, 1, 1, 1]
    canary = tmp_path / "canary"
    evil = pickle.dumps(Reduced(eval, f"open({str(canary)!r}, 'w')"), 2)
    refused(tmp_path, rezipped(tmp_path, {"good/data.pkl": evil}), "eval")
    refused(tmp_path, rezipped(tmp_path, {"good/data.pkl": None}), "failed locating file data.pkl")
    refused(tmp_path, rezipped(tmp_path, {"more/data.pkl": evil}), "not in a subdirectory")
    refused(tmp_path, rezipped(tmp_path, {"good/data/0": None}), "failed locating file data/0")
    refused(tmp_path, rezipped(tmp_path, {"good/data/0": b"1234"}), "does not match expected size")
    refused(tmp_path, rezipped(tmp_path, {"good/byteorder": b"big"}), "byte order")
    refused(tmp_path, rezipped(tmp_path, {}, zipfile.ZIP_DEFLATED), "compressed")
    good = rezipped(tmp_path, {})
    refused(tmp_path, good[: len(good) // 2], "BadZipFile")
    refused(tmp_path, b"PK\x03\x04", "BadZipFile")
    at = good.index(np.ones(4, np.float32).tobytes())
    refused(tmp_path, good[:at] + b"\xff" + good[at + 1 :], "zip is damaged")
    assert not canary.exists()


def test_nothing_to_read(tmp_path):
    refused(tmp_path, b"", "empty")
    refused(tmp_path, b"hello", "neither a pickle of protocol 2 to 5 nor a torch file")
    with pytest.raises(InputError, match="No such file"):
        unpickle(tmp_path / "none.pkl")
    with pytest.raises(InputError, match="Is a directory"):
        unpickle(tmp_path)


# --- damage of every kind ---


def mutants(content: bytes, count: int, seed: int) -> list[bytes]:
    rng, made = random.Random(seed), []
    for _ in range(count):
        bad = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            at, kind = rng.randrange(len(bad)), rng.randrange(5)
            if kind == 0:
                bad[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                bad[at] = rng.randrange(256)
            elif kind == 2:
                del bad[at : at + rng.randrange(1, 9)]
            elif kind == 3:
                bad[at:at] = bad[at - 5 : at + rng.randrange(20)]
            else:
                bad[at : at + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\xff" * 4, b"\x00" * 4])
        made.append(bytes(bad[: rng.randrange(len(bad))] if rng.random() < 0.1 else bad))
    return made


def small(protocol: int) -> Any:
    layer = nn.Linear(2, 3, bias=False).half()
    layer.register_buffer("freqs", torch.ones(2))
    with files.authors_modules():
        value = files.EasyDict(ema=files.persistent(layer, CONSTRUCTOR), scale=np.float32([1, 2]), names={"a"})
        return pickle.dumps(value, protocol)


def outcomes(path: Path, contents: list[bytes]) -> bytes:
    """How many of `contents` are read, and how many refused; anything else ends the process."""
    torch.set_num_threads(1)
    found = {"read": 0, "refused": 0}
    for content in contents:
        path.write_bytes(content)
        try:
            value = unpickle(path)
            if isinstance(value, dict) and isinstance(value.get("ema"), Record):
                module_tensors(value["ema"], "here")
            found["read"] += 1
        except InputError:
            found["refused"] += 1
    return json.dumps(found).encode()


@pytest.mark.slow
def test_mutated_files_are_read_or_refused(tmp_path):
    zipped, older = io.BytesIO(), legacy({"w": torch.ones(3, 2), "v": torch.zeros(2).half()})
    torch.save({"w": torch.ones(3, 2)}, zipped)
    total = {"read": 0, "refused": 0}
    for seed, content in enumerate([small(2), small(4), small(5), older, zipped.getvalue()]):
        unpickle(written(tmp_path, content))
        answer = alone(outcomes, tmp_path / "bad.pkl", mutants(content, 150, seed), seconds=60, memory=2**28)
        for kind, count in json.loads(answer).items():
            total[kind] += count
    assert sum(total.values()) == 750 and total["refused"] > 250 and total["read"] > 25
