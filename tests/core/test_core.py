"""Seeds, files, hashing and the resumable training loop."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys

import pytest
import torch

from unpersonal.core.errors import InputError, NoRoomError
from unpersonal.core.files import atomic_folder, atomic_path, read_json, safe_join, write_json
from unpersonal.core.seeds import derive_seed, torch_generator
from unpersonal.core.tensors import create_array, load_tensors, open_array, save_tensors
from unpersonal.core.training import train_loop
from unpersonal.study import study_lock


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
    with pytest.raises(NoRoomError, match="room"), write(tmp_path / "target"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [p.name for p in tmp_path.rglob("*")] == ["target", "old"]


def test_a_lock_needs_room(tmp_path, monkeypatch):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(NoRoomError, match=r"\.lock"), study_lock(tmp_path):
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


def fit(folder, steps=60, stop_at=None):
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
        optimizer.step()
        return {"loss": loss.item()}

    parts = {"net": net, "optimizer": optimizer}
    path = folder / "checkpoint.safetensors"
    history = train_loop("t", parts=parts, steps=steps, body=body, checkpoint=path, seed=3, save_every=20, log_every=10)
    return net.state_dict(), history


def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path):
    whole, history = fit(tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(tmp_path / "cut", stop_at=47)
    resumed, resumed_history = fit(tmp_path / "cut")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert history == resumed_history and [row["step"] for row in history] == [10, 20, 30, 40, 50, 60]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(tmp_path):
    net = torch.nn.Linear(1, 1)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InputError, match="step 25"):
        train_loop(
            "t",
            parts={"net": net},
            steps=50,
            body=lambda step, _: {"loss": 1.0 if step < 25 else float("nan")},
            checkpoint=path,
            seed=0,
            save_every=20,
            log_every=10,
        )
    assert load_tensors(path)[1]["step"] == "20"


def test_import_is_light():
    code = (
        "import sys, json, unpersonal, unpersonal.cli, unpersonal.study; "
        "print(json.dumps([m for m in ('torch','monai','sklearn','matplotlib','pandas','scipy') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
