"""Foreign checkpoints: the network is found in every form, and what is none is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoints import edm2_files as files
from unpersonal.checkpoints.load import unpickle
from unpersonal.checkpoints.read import locate, module_tensors, read_checkpoint
from unpersonal.core.errors import InputError
from unpersonal.core.tensors import save_tensors
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.network import Denoiser, build_denoiser

CONFIG = NetworkConfig(resolution=4, channels=2, label_dim=3, model_channels=4, channels_per_head=4)
CONSTRUCTOR = {"img_resolution": 4, "use_fp16": True, "channels_per_head": 4, "block": {"attn_balance": 0.4}}


def trained() -> Denoiser:
    return build_denoiser(CONFIG, 3)


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_checkpoint(path)
    assert caught.value.where and caught.value.how


def same(path: Path, network: Denoiser) -> bool:
    found, wanted = read_checkpoint(path).tensors, network.state_dict()
    assert all(value.is_contiguous() for value in found.values())
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_every_form_gives_the_same_tensors(tmp_path):
    network = trained()
    files.write_snapshot(tmp_path / "a.bin", network, CONSTRUCTOR)
    torch.save(network.state_dict(), tmp_path / "b.bin")
    torch.save({"step": 3, "ema": network.state_dict()}, tmp_path / "c.bin", _use_new_zipfile_serialization=False)
    save_tensors(tmp_path / "d.bin", network.state_dict())
    (tmp_path / "e.bin").write_bytes(pickle.dumps({"net": dict(network.state_dict()), "ema": {"a": 1}}))
    assert all(same(path, network) for path in sorted(tmp_path.glob("*.bin")))


def test_tensors_that_share_memory_are_read(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    torch.save({"a": base, "b": base, "c": base[1:], "d": base.T}, tmp_path / "a.pt")
    found = read_checkpoint(tmp_path / "a.pt").tensors
    assert torch.equal(found["b"], base) and torch.equal(found["c"], base[1:]) and torch.equal(found["d"], base.T)


def test_settings_are_plain_values(tmp_path):
    constructor = CONSTRUCTOR | {"odd": np.float32(1.5), "deep": {"deeper": {"a": 1}}, "none": None, "kind": "x"}
    found = read_checkpoint(files.write_snapshot(tmp_path / "a.pkl", trained(), constructor)).settings
    assert found == CONSTRUCTOR | {"deep": {}, "none": None, "kind": "x"}
    save_tensors(tmp_path / "b.safetensors", trained().state_dict())
    assert read_checkpoint(tmp_path / "b.safetensors").settings == {}
    (tmp_path / "b.json").write_text(json.dumps({"constructor": {"sigma_data": 1.0, "list": [1]}}))
    assert read_checkpoint(tmp_path / "b.safetensors").settings == {"sigma_data": 1.0}


def test_a_study_and_its_models_are_located(tmp_path):
    models = tmp_path / "models" / "diffusion"
    save_tensors(models / "denoiser.safetensors", trained().state_dict())
    assert {locate(tmp_path), locate(models), locate(models / "denoiser.safetensors")} == {
        models / "denoiser.safetensors"
    }
    with pytest.raises(InputError, match="holds no denoiser"):
        locate(tmp_path / "models")
    with pytest.raises(InputError, match="no checkpoint to start from"):
        locate(tmp_path / "none")


@pytest.mark.slow
def test_a_checkpoint_that_hangs_costs_its_time_only(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}N" + b"2\x86" * 60 + b"Ns.")
    with pytest.raises(InputError, match=r"took longer than 1 s|died") as caught:
        read_checkpoint(tmp_path / "a.pkl", seconds=1.0)
    assert "a.pkl" in caught.value.where and "safetensors" in caught.value.how


def test_a_checkpoint_that_asks_for_memory_gets_none(tmp_path):
    torch.save({"w": torch.zeros(3, dtype=torch.uint8)}, tmp_path / "a.pkl", _use_new_zipfile_serialization=False)
    content = (tmp_path / "a.pkl").read_bytes()
    assert content.count(b"K\x03N") == 1
    (tmp_path / "a.pkl").write_bytes(content.replace(b"K\x03N", pickle.dumps(2**33, 2)[2:-1] + b"N"))
    with pytest.raises(InputError, match=r"allocate|memory|Memory"):
        read_checkpoint(tmp_path / "a.pkl", memory=2**28)


def test_a_pickled_network_of_another_form_is_refused(tmp_path):
    good = {"_parameters": {"w": torch.ones(2)}, "_buffers": {}, "_modules": {}}
    looped = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    looped["_modules"] = {"again": files.Persistent("Net", looped)}
    cases = {
        "no parameters and modules": {"a": 1},
        "neither a tensor nor a module": good | {"_parameters": {"w": 3}},
        "is none of a parameter": good | {"_parameters": {"../w": torch.ones(1)}},
        "none of a parameter": good | {"_parameters": {3: torch.ones(1)}},
        "levels": looped,
    }
    for match, state in cases.items():
        network = files.Persistent("Net", state)
        if state is looped:
            looped["_modules"]["again"] = network
        with files.authors_modules():
            (tmp_path / "a.pkl").write_bytes(pickle.dumps(files.EasyDict(ema=network)))
        refused(tmp_path / "a.pkl", match)
    many = {"_parameters": {}, "_buffers": {}, "_modules": {}}
    for _ in range(30):
        child = files.Persistent("Net", many)
        many = {"_parameters": {}, "_buffers": {}, "_modules": {"a": child, "b": child}}
    with files.authors_modules():
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(files.EasyDict(ema=files.Persistent("Net", many))))
    refused(tmp_path / "a.pkl", "modules")


def test_a_malicious_checkpoint_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return eval, (f"open({str(tmp_path / 'canary')!r}, 'w')",)

    state = {"_parameters": {"w": torch.ones(2), "x": Evil()}, "_buffers": {}, "_modules": {}}
    with files.authors_modules():
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(files.EasyDict(ema=files.Persistent("Net", state))))
    refused(tmp_path / "a.pkl", "asks for builtins.eval")
    torch.save(Evil(), tmp_path / "a.pt")
    refused(tmp_path / "a.pt", "eval")
    assert not (tmp_path / "canary").exists()


def test_the_public_form_names_modules_as_state_dict_does(tmp_path):
    content = unpickle(files.write_snapshot(tmp_path / "a.pkl", trained(), CONSTRUCTOR, 5))
    assert set(module_tensors(content["ema"], "here")) == set(trained().state_dict())
