"""Seeds, files, hashing and the resumable training loop."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch

from unpersonal.core import progress, training
from unpersonal.core.config import build_config
from unpersonal.core.errors import DiskFullError, InputError
from unpersonal.core.files import atomic_folder, atomic_path, read_json, safe_join, write_json
from unpersonal.core.places import study_lock
from unpersonal.core.seeds import derive_seed, torch_generator
from unpersonal.core.tensors import create_array, load_tensors, open_array, save_tensors
from unpersonal.core.training import Hooks, is_finite, load_checkpoint, save_checkpoint, train_loop
from unpersonal.study import StudyConfig


def test_seeds_differ_by_every_part_and_by_its_type():
    seeds = {derive_seed(a, b) for a in (0, 1, "0", "1") for b in (0, 1, "0", "01")}
    assert len(seeds) == 16
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
    assert min(seeds) >= 0 and max(seeds) < 2**63
    assert torch.equal(
        torch.randn(3, generator=torch_generator(1, "x")), torch.randn(3, generator=torch_generator(1, "x"))
    )


def test_a_file_is_whole_or_absent(tmp_path):
    target = tmp_path / "a" / "b.json"
    write_json(target, {"x": 1})
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(target) == {"x": 1}
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "x").write_text("half")
        raise RuntimeError
    with pytest.raises(RuntimeError), create_array(tmp_path / "x.npy", (4,), "float32"):
        raise RuntimeError
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b.json"]
    with pytest.raises(ValueError):
        write_json(target, {"x": float("nan")})


@pytest.mark.parametrize("write", [atomic_path, atomic_folder])
def test_a_full_disk_leaves_what_was_there(tmp_path, write):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").write_text("old")
    with pytest.raises(DiskFullError, match="room"), write(tmp_path / "target"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [p.name for p in tmp_path.rglob("*")] == ["target", "old"]


def refuse(number):
    def allocate(*given):
        raise OSError(number, os.strerror(number))

    return allocate


WITHOUT = {"missing": None, "not supported": refuse(errno.EOPNOTSUPP), "invalid": refuse(errno.EINVAL)}


@pytest.mark.parametrize("allocate", ["as it is", *WITHOUT])
def test_an_array_has_its_room_before_it_is_mapped(tmp_path, monkeypatch, allocate):
    if allocate != "as it is":
        monkeypatch.setattr(os, "posix_fallocate", WITHOUT[allocate], raising=False)
    with create_array(tmp_path / "x.npy", (3, 1 << 20), "int16") as array:
        [file] = tmp_path.iterdir()
        # a sparse file has fewer blocks (of 512 bytes) than bytes; its page faults would meet the full disk
        assert file.stat().st_blocks * 512 >= file.stat().st_size > array.nbytes == 6 << 20
        assert not array.any()
        array[1] = 7
    back = open_array(tmp_path / "x.npy")
    assert back.dtype == np.int16 and back.shape == (3, 1 << 20)
    assert [int(row.sum(dtype=np.int64)) for row in back] == [0, 7 << 20, 0]
    with create_array(tmp_path / "none.npy", (0, 4), "float32"):
        pass
    assert open_array(tmp_path / "none.npy").shape == (0, 4)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_an_array_without_room_leaves_what_was_there(tmp_path, monkeypatch, number):
    (tmp_path / "x.npy").write_bytes(b"old")
    monkeypatch.setattr(os, "posix_fallocate", refuse(number), raising=False)
    with pytest.raises(DiskFullError, match="room"), create_array(tmp_path / "x.npy", (4,), "float32"):
        pytest.fail("the block was entered")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.npy", b"old")]


@pytest.mark.parametrize("allocate", ["as it is", *WITHOUT])
def test_an_array_over_the_limit_of_files_leaves_what_was_there(tmp_path, monkeypatch, allocate):
    if allocate != "as it is":
        monkeypatch.setattr(os, "posix_fallocate", WITHOUT[allocate], raising=False)
    (tmp_path / "x.npy").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, hard))
    try:
        with pytest.raises(DiskFullError, match="room"), create_array(tmp_path / "x.npy", (3, 1 << 20), "int16"):
            pytest.fail("the block was entered")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x.npy", b"old")]


def test_a_lock_needs_room(tmp_path, monkeypatch):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(DiskFullError, match=r"\.lock"), study_lock(tmp_path):
        pass


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "a\x00b"])
def test_paths_stay_inside(tmp_path, name):
    with pytest.raises(InputError):
        safe_join(tmp_path, name)


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    os.symlink("/", tmp_path / "in" / "out")
    with pytest.raises(InputError):
        safe_join(tmp_path / "in", "out/etc")


@pytest.mark.parametrize("data", [b"no array", b"", b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((  \n"])
def test_broken_stores_are_input_errors(tmp_path, data):
    (tmp_path / "x.npy").write_bytes(data)
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    for call in (lambda: open_array(tmp_path / "x.npy"), lambda: open_array(tmp_path / "y.npy")):
        with pytest.raises(InputError):
            call()
    for name in ("x.safetensors", "y.safetensors"):
        with pytest.raises(InputError):
            load_tensors(tmp_path / name)


def test_tensors_survive_a_round_trip(tmp_path):
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3)}
    save_tensors(tmp_path / "x.safetensors", tensors, {"kind": "test"})
    back, metadata = load_tensors(tmp_path / "x.safetensors")
    assert metadata == {"kind": "test"} and all(torch.equal(back[name], tensors[name]) for name in tensors)


class Interrupted(Exception):
    """Stands for a kill between two steps."""


def fit(folder, steps=60, stop_at=None, spoilt_at=None, look=None):
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)

    def body(step, generator):
        if step == stop_at:
            raise Interrupted
        x = torch.randn(16, 4, generator=generator)
        loss = ((net(x) - x.sum(1, keepdim=True)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        if step == spoilt_at:
            net.weight.grad[0, 2] = float("nan")
        optimizer.step()
        return {"loss": loss.item()}

    states = {"net": net, "optimizer": optimizer}
    path = folder / "checkpoint.safetensors"
    hooks = Hooks(due=lambda step: step % 11 == 0, look=lambda step: look(net, step)) if look else None
    history = train_loop(
        "t", states=states, steps=steps, body=body, checkpoint=path, seed=3, save_every=20, log_every=10, hooks=hooks
    )
    return net.state_dict(), history


def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path):
    whole, history = fit(tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", stop_at=47)
    resumed, resumed_history = fit(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert history == resumed_history and [row["step"] for row in history] == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("place", ["tensor", "history"])
def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path, place):
    layer = torch.nn.Linear(3, 2)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"layer": layer}, 5, [{"step": 5.0, "loss": 0.25}])
    assert load_checkpoint(path, {"layer": layer}) == (5, [{"step": 5.0, "loss": 0.25}])
    data = bytearray(path.read_bytes())
    where = len(data) - 2 if place == "tensor" else data.index(b"0.25")
    data[where] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="not what was written"):
        load_checkpoint(path, {"layer": layer})


def test_a_checkpoint_is_written_when_time_has_passed(tmp_path, monkeypatch):
    clock = iter(range(0, 10**6, 7))
    monkeypatch.setattr(training.time, "monotonic", lambda: float(next(clock)))
    saved = []
    monkeypatch.setattr(training, "save_checkpoint", lambda path, states, step, history: saved.append(step))
    layer = torch.nn.Linear(1, 1)

    def body(step, generator):
        return {"loss": 1.0}

    arguments = {"states": {"layer": layer}, "body": body, "checkpoint": tmp_path / "c.safetensors", "seed": 0}
    train_loop("x", steps=200, log_every=5, save_every=100, **arguments)
    assert 100 in saved and len(saved) > 3, "sooner than every hundred steps, for the clock runs fast"
    assert all(step % 5 == 0 for step in saved) and saved.count(200) == 1, "on rows of the history, and at the end"
    saved.clear()
    monkeypatch.setattr(training.time, "monotonic", lambda: 0.0)
    train_loop("x", steps=200, log_every=5, save_every=100, **arguments)
    assert saved == [100, 200]


def test_without_a_terminal_a_line_a_minute_tells_how_far_it_is(monkeypatch):
    clock = iter(range(0, 10**6, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    said = io.StringIO()
    monkeypatch.setattr(progress, "console", progress.Console(file=said, width=80))
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    with progress.progress_bar("denoiser", 100, start=3) as bar:
        bar.note("loss 1.5")
        for _ in range(20):
            bar.advance()
    lines = said.getvalue().split("\n")
    assert any(line.startswith("denoiser ") and line.endswith("/100, loss 1.5") for line in lines), lines
    assert 2 < len(lines) < 15


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"synthesis": {"guidence": 1}}, "did you mean guidance?"),
        ({"difusion": {}}, "did you mean diffusion?"),
        ({"diffusion": {"channel_mult": [1, -2]}}, "channel_mult"),
        ({"diffusion": {"channel_mult": [0, 1]}}, "channel_mult"),
        ({"diffusion": {"attn_resolutions": [-1]}}, "attn_resolutions"),
        ({"diffusion": {"condition_noise": 1e9}}, "condition_noise"),
        ({"images": {"size": 36}}, "codec: size 36 is not a multiple of patch 8; use 32 or 40"),
        ({"images": {"size": 36}, "codec": {"kind": "kl", "levels": 3}}, "codec: size 36 cannot be halved 3 times"),
        ({"images": {"size": 36}, "codec": {"size": 32}}, "codec.size: unknown key"),
    ],
)
def test_wrong_keys_and_values_are_named(values, said):
    with pytest.raises(InputError, match=re.escape(said)):
        build_config(StudyConfig, {"cohort": {"images": "x"}, **values}, where="study.toml")


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(tmp_path):
    net = torch.nn.Linear(1, 1)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InputError, match="step 25"):
        train_loop(
            "t",
            states={"net": net},
            steps=50,
            body=lambda step, _: {"loss": 1.0 if step < 25 else float("nan")},
            checkpoint=path,
            seed=0,
            save_every=20,
            log_every=10,
        )
    assert load_tensors(path)[1]["step"] == "20"


def test_a_gradient_that_is_not_finite_is_not_saved_behind_a_finite_loss(tmp_path):
    """The update of step 39 spoils the weights; its own loss, and all before, are finite; then comes a save."""
    whole, history = fit(tmp_path / "whole")
    for _ in range(2):  # a rerun goes on from the good state, and meets the cause again
        with pytest.raises(InputError, match=r"(?s)left the finite numbers \(weights.*Where: step 39\..*is kept"):
            fit(tmp_path / "cut", spoilt_at=39)
        saved, metadata = load_tensors(tmp_path / "cut" / "checkpoint.safetensors")
        assert metadata["step"] == "20" and all(torch.isfinite(value).all() for value in saved.values())
    resumed, resumed_history = fit(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole) and resumed_history == history


def test_weights_that_the_last_update_spoilt_are_not_returned(tmp_path):
    with pytest.raises(InputError, match=r"weights.*step 59\."):
        fit(tmp_path, spoilt_at=59)
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["step"] == "40"


@pytest.mark.parametrize(("spoilt_at", "found"), [(32, r"weights.*step 32\."), (30, r"nan.*step 31\.")])
def test_only_finite_weights_are_looked_at(tmp_path, spoilt_at, found):
    looked = []

    def look(net, step):
        assert torch.isfinite(net.weight).all()
        looked.append(step)

    with pytest.raises(InputError, match=found):
        fit(tmp_path, spoilt_at=spoilt_at, look=look)
    assert looked == [11, 22]


def test_a_state_is_finite_where_all_its_tensors_are():
    good, bad = torch.ones(3), torch.tensor([0.0, float("inf")])
    assert is_finite({"a": [good, (torch.arange(3), 1.5)], "b": float("nan"), "c": {}}) and is_finite({})
    for state in (bad, {"a": {"b": [good, (bad,)]}}, [torch.tensor(float("nan"), dtype=torch.bfloat16)]):
        assert not is_finite(state)


def test_import_is_light():
    code = (
        "import sys, json, unpersonal, unpersonal.cli, unpersonal.study; "
        "print(json.dumps([m for m in ('torch','monai','sklearn','matplotlib','pandas','scipy') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
