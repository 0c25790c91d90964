"""Transfer: what fits is taken to the bit, what does not is new, seeded and listed; unusable sources are refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

from tests.checkpoints import edm2_files as files
from unpersonal.core.errors import InputError
from unpersonal.core.hashing import sha256_file
from unpersonal.core.tensors import save_tensors
from unpersonal.diffusion.config import NetworkConfig
from unpersonal.diffusion.network import Denoiser, build_denoiser
from unpersonal.diffusion.transfer import load_start, start_weights

CONFIG = NetworkConfig(
    resolution=8,
    channels=2,
    label_dim=3,
    model_channels=8,
    channels_per_head=4,
    channel_mult=(1, 2),
    attn_resolutions=(4,),
    logvar_channels=16,
)
CONSTRUCTOR = {"img_resolution": 8, "img_channels": 2, "label_dim": 3, "use_fp16": True, "channels_per_head": 4}


def trained(config: NetworkConfig = CONFIG, dtype: torch.dtype = torch.float32) -> Denoiser:
    """A network whose gains are not zero, as after training."""
    network = build_denoiser(config, 17)
    with torch.no_grad():
        for number, (name, value) in enumerate(network.named_parameters()):
            if name.endswith("gain"):
                value.fill_(0.25 + number / 256)
    return network.to(dtype)


def saved(path: Path, network: Denoiser) -> Path:
    save_tensors(path, network.state_dict())
    return path


def other(**changes: object) -> NetworkConfig:
    return NetworkConfig.model_validate(CONFIG.model_dump() | changes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pkl", "zip", "zip ema", "safetensors", "study", "models"])
def test_the_same_network_is_taken_whole(tmp_path, kind):
    network = trained(dtype=torch.float16 if kind == "pkl" else torch.float32)
    path = tmp_path / "start.bin"
    if kind == "pkl":
        files.write_snapshot(path, network, CONSTRUCTOR)
    elif kind == "zip":
        torch.save(network.state_dict(), path)
    elif kind == "zip ema":
        torch.save({"step": 3, "ema": network.state_dict(), "net": trained(other(channels=1)).state_dict()}, path)
    elif kind == "safetensors":
        saved(path, network)
    else:
        saved(tmp_path / "models" / "diffusion" / "denoiser.safetensors", network)
        path = tmp_path if kind == "study" else tmp_path / "models" / "diffusion"
    transfer = load_start(path, CONFIG)
    report = json.loads(json.dumps(transfer.report, allow_nan=False))
    assert report["share"] == 1.0 and report["reinitialised"] == report["unused"] == report["differs"] == []
    assert report["loaded"] == list(network.state_dict()) and "remembers" in report["note"]
    assert report["sha256"] == sha256_file(next(item for item in sorted(tmp_path.rglob("*")) if item.is_file()))
    assert "/" not in report["source"]
    weights = start_weights(transfer, CONFIG, seed=5)
    started = build_denoiser(CONFIG, 0)
    started.load_state_dict(weights, strict=True)
    assert all(value.dtype == torch.float32 and value.is_contiguous() for value in weights.values())
    for name, value in network.state_dict().items():
        assert torch.equal(weights[name], value.float()), name
    # magnitude-preserving layers need no rescaling: the same images come out
    x, sigma, labels = torch.randn(2, 2, 8, 8), torch.tensor([0.3, 4.0]), torch.eye(3)[:2]
    assert torch.equal(started.eval()(x, sigma, labels), network.float().eval()(x, sigma, labels))


def listed(report: dict, why: str = "another shape") -> set[str]:
    return {item["name"] for item in report["reinitialised"] if item["why"] == why}


def test_layers_of_another_shape_are_new_seeded_and_listed(tmp_path):
    network = trained()
    path = saved(tmp_path / "a.safetensors", network)
    config = other(channels=5, label_dim=7)
    transfer = load_start(path, config)
    report = transfer.report
    assert listed(report) == {"unet.enc.8x8_conv.weight", "unet.out_conv.weight", "unet.emb_label.weight"}
    # the gain of the new output layer starts at zero again
    assert listed(report, "belongs to unet.out_conv.weight") == {"unet.out_gain"}
    shapes = {item["name"]: (item["source"], item["here"]) for item in report["reinitialised"]}
    assert shapes["unet.enc.8x8_conv.weight"] == ([8, 3, 3, 3], [8, 6, 3, 3])
    assert shapes["unet.emb_label.weight"] == ([16, 3], [16, 7]) and shapes["unet.out_gain"] == ([], [])
    weights, fresh, old = (
        start_weights(transfer, config, 5),
        build_denoiser(config, 5).state_dict(),
        network.state_dict(),
    )
    for name, value in weights.items():
        assert torch.equal(value, fresh[name] if name in shapes else old[name]), name
    assert weights["unet.out_gain"] == 0 != old["unet.out_gain"]
    sizes = {name: value.numel() for name, value in build_denoiser(config, 0).named_parameters()}
    kept = sum(size for name, size in sizes.items() if name not in shapes)
    assert report["share"] == pytest.approx(kept / sum(sizes.values()), abs=1e-12) and 0.5 < report["share"] < 1


def test_attention_and_labels_on_one_side_only(tmp_path):
    path = saved(tmp_path / "a.safetensors", trained(other(label_dim=0, attn_resolutions=())))
    report = load_start(path, CONFIG).report
    missing = listed(report, "the source has no such layer")
    assert "unet.emb_label.weight" in missing and "unet.enc.4x4_block0.attn_qkv.weight" in missing
    assert all(item["source"] is None for item in report["reinitialised"]) and report["unused"] == []
    report = load_start(saved(tmp_path / "b.safetensors", trained()), other(label_dim=0, attn_resolutions=())).report
    assert {item["name"] for item in report["unused"]} == missing and report["reinitialised"] == []
    assert {"name": "unet.emb_label.weight", "shape": [16, 3]} in report["unused"]


def test_fourier_features_and_the_layer_behind_them_stay_together(tmp_path):
    tensors = trained().state_dict()
    del tensors["unet.emb_fourier.phases"]
    tensors["logvar_linear.weight"] = torch.ones(2, 16)
    save_tensors(tmp_path / "a.safetensors", tensors)
    report = load_start(tmp_path / "a.safetensors", CONFIG).report
    assert {item["name"] for item in report["reinitialised"]} == {
        "unet.emb_fourier.phases",
        "unet.emb_fourier.freqs",
        "unet.emb_noise.weight",
        "logvar_linear.weight",
        "logvar_fourier.freqs",
        "logvar_fourier.phases",
    }


def test_the_gain_of_a_new_embedding_layer_is_new(tmp_path):
    tensors = trained().state_dict()
    del tensors["unet.enc.8x8_block0.emb_linear.weight"]
    save_tensors(tmp_path / "a.safetensors", tensors)
    transfer = load_start(tmp_path / "a.safetensors", CONFIG)
    assert start_weights(transfer, CONFIG, 0)["unet.enc.8x8_block0.emb_gain"] == 0
    assert start_weights(transfer, CONFIG, 0)["unet.dec.8x8_block0.emb_gain"] != 0


@pytest.mark.parametrize("resolution", [4, 16, 32])
def test_other_latent_sizes_are_matched_level_by_level(tmp_path, resolution):
    here = other(attn_resolutions=(resolution // 2,), resolution=resolution)
    network = trained()
    transfer = load_start(saved(tmp_path / "a.safetensors", network), here)
    assert transfer.report["share"] == 1.0 and transfer.report["unused"] == []
    assert transfer.report["resolution"] == {"source": 8, "here": resolution}
    name = "unet.enc.8x8_block0.conv_res0.weight"
    moved = name.replace("8x8", f"{resolution}x{resolution}")
    assert torch.equal(transfer.weights[moved], network.state_dict()[name])


def test_levels_that_this_network_cannot_have_are_unused(tmp_path):
    path = saved(tmp_path / "a.safetensors", trained(other(resolution=16, channel_mult=(1, 2, 2))))
    report = load_start(path, other(resolution=2, channel_mult=(1, 2), attn_resolutions=(1,))).report
    assert any(item["name"].endswith("(no such level)") for item in report["unused"])


def test_settings_that_differ_are_told(tmp_path):
    network = trained()
    path = saved(tmp_path / "a.safetensors", network)
    (tmp_path / "a.json").write_text(json.dumps(other(sigma_data=1.0, clip_act=None).model_dump(mode="json")))
    assert load_start(path, CONFIG).report["differs"] == [
        {"name": "sigma_data", "source": 1.0, "here": 0.5},
        {"name": "clip_act", "source": None, "here": 256.0},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"constructor": {"block": {"attn_balance": 0.4}, "sigma_data": 0.5}}))
    assert [item["name"] for item in load_start(path, CONFIG).report["differs"]] == ["attn_balance"]
    public = files.write_snapshot(tmp_path / "b.pkl", network, CONSTRUCTOR | {"channels_per_head": 8})
    assert load_start(public, CONFIG).report["differs"] == [{"name": "channels_per_head", "source": 8, "here": 4}]
    for broken in ("{", "[]"):
        (tmp_path / "a.json").write_text(broken)
        with pytest.raises(InputError):
            load_start(path, CONFIG)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sigma_data", "clip_act"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400])
def test_settings_that_are_not_finite_are_refused(tmp_path, name, value):
    """Training would end, and then its report could not be written."""
    path = saved(tmp_path / "a.safetensors", trained())
    for text in (f'{{"{name}": {value}}}', f'{{"constructor": {{"block": {{"{name}": {value}}}}}}}'):
        (tmp_path / "a.json").write_text(text)
        refused(path, f"setting {name} is not a finite number")
    number = int(value) if value.isdigit() else float(value)
    public = files.write_snapshot(tmp_path / "b.pkl", trained(), CONSTRUCTOR | {name: number})
    # an integer of that size gets into no pickle that is read
    refused(public, "integer of" if value.isdigit() else f"setting {name} is not a finite number")
    (tmp_path / "a.json").write_text(json.dumps({name: 2.5}))
    json.dumps(load_start(path, CONFIG).report, allow_nan=False)


@pytest.mark.parametrize("text", ['{"sigma_data": ' + "1" * 5000 + "}", "[" * 100_000])
def test_settings_that_no_reader_takes_are_refused(tmp_path, text):
    path = saved(tmp_path / "a.safetensors", trained())
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError):
        load_start(path, CONFIG)


def test_loading_does_not_depend_on_the_seed_and_moves_no_random_state(tmp_path):
    path = saved(tmp_path / "a.safetensors", trained())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    transfer = load_start(path, other(label_dim=9))
    one, two = (start_weights(transfer, other(label_dim=9), seed) for seed in (1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert {name for name in one if not torch.equal(one[name], two[name])} == {"unet.emb_label.weight"}
    one["unet.out_gain"].zero_()
    assert transfer.weights["unet.out_gain"] != 0


def refused(path: Path, match: str, config: NetworkConfig = CONFIG) -> None:
    with pytest.raises(InputError, match=match) as caught:
        load_start(path, config)
    assert caught.value.where and caught.value.how


def test_a_source_that_fits_nothing_is_refused(tmp_path):
    path = saved(tmp_path / "a.safetensors", trained(other(model_channels=16)))
    refused(path, r"Only \d+% of the network's parameters .*there \[.*here \[")
    save_tensors(tmp_path / "b.safetensors", {"encoder.weight": torch.ones(3)})
    refused(tmp_path / "b.safetensors", "Only 0% .*there none")


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_values_that_are_not_finite_are_refused(tmp_path, value, dtype):
    tensors = trained(dtype=dtype).state_dict()
    assert load_start(_torch(tmp_path, tensors), CONFIG).weights["unet.out_gain"].dtype == torch.float32
    tensors["unet.enc.4x4_block0.attn_proj.weight"].view(-1)[5] = value
    refused(_torch(tmp_path, tensors), r"attn_proj.weight holds numbers that are not finite")


def _torch(tmp_path: Path, tensors: dict) -> Path:
    torch.save(tensors, tmp_path / "a.pt")
    return tmp_path / "a.pt"


def test_a_number_too_large_for_float32_is_refused(tmp_path):
    tensors = trained(dtype=torch.float64).state_dict()
    tensors["unet.out_gain"].fill_(1e300)
    refused(_torch(tmp_path, tensors), "not finite")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_weights_that_are_no_floats_are_refused(tmp_path, dtype):
    tensors = trained().state_dict()
    tensors["unet.out_conv.weight"] = tensors["unet.out_conv.weight"].to(dtype)
    refused(_torch(tmp_path, tensors), "not floating-point")


@pytest.mark.slow
def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    good = saved(tmp_path / "good.safetensors", trained()).read_bytes()
    public = files.write_snapshot(tmp_path / "good.pkl", trained(), CONSTRUCTOR).read_bytes()
    cases = {
        "empty": b"",
        "a few bytes": b"\x80\x04",
        "text": b"hello, this is no checkpoint",
        "half a safetensors": good[: len(good) // 2],
        "half a header": good[:40],
        "half a pickle": public[: len(public) // 2],
        "another pickle": pickle.dumps([1, 2, 3]),
        "an ema that is none": pickle.dumps({"ema": {"a": 1}}),
        "an empty dictionary": pickle.dumps({}),
    }
    for name, content in cases.items():
        path = tmp_path / "bad.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            load_start(path, CONFIG)
        assert str(path) in caught.value.where and caught.value.how, name
    save_tensors(tmp_path / "none.safetensors", {})
    refused(tmp_path / "none.safetensors", "no tensors")
    refused(tmp_path / "missing", "no checkpoint to start from")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "holds no denoiser")
