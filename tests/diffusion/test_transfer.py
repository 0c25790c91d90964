"""Transfer: what fits is taken to the bit, what does not is new, seeded and listed; unusable sources are refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.checkpoints import edm2_files as files
from unpersonal.codec.codecs.pixel import PixelCodec
from unpersonal.codec.store import save_codec
from unpersonal.cohort.table import Cohort
from unpersonal.core.errors import InputError
from unpersonal.core.files import write_json
from unpersonal.core.hashing import sha256_file
from unpersonal.core.pixels import to_float
from unpersonal.core.tensors import save_array, save_tensors
from unpersonal.diffusion import stage as room
from unpersonal.diffusion.config import DiffusionConfig, NetworkConfig
from unpersonal.diffusion.network import Denoiser, build_denoiser
from unpersonal.diffusion.source_people import check_source_people, why_unknown
from unpersonal.diffusion.transfer import load_start, start_weights
from unpersonal.features.store import save_conditions
from unpersonal.study import stage_list

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


PARTS = ("train", "val", "aux", "test")
RECORDS = ("cohort.stage.json", "models/diffusion/stage.json")


def write_cohort(path: Path, people: dict[str, str]) -> Path:
    """A study with one image of each of `people` (id to part), whose content belongs to this study alone."""
    path.mkdir(parents=True)
    table = pd.DataFrame(
        {
            "image": [f"{person}.png" for person in people],
            "subject": list(people),
            "labels": [["a"] for _ in people],
            "split": list(people.values()),
            "sha256": [f"{person} re-encoded for {path.name}" for person in people],
        }
    )
    Cohort(table, ("a",)).save(path)
    return path


def write_source(path: Path, people: dict[str, str], **settings: object) -> Path:
    """A study that trained a model, with the records that its stages leave."""
    assert set(RECORDS) == {stage.record for stage in stage_list() if stage.name in ("cohort", "diffusion")}
    models = write_cohort(path, people) / "models" / "diffusion"
    models.mkdir(parents=True)
    outputs = {}
    for name in ("denoiser", "guide"):
        (models / f"{name}.safetensors").write_bytes(name.encode())
        outputs[f"models/diffusion/{name}.safetensors"] = sha256_file(models / f"{name}.safetensors")
    cohort = {"outputs": {"cohort.parquet": sha256_file(path / "cohort.parquet")}, "output_hash": "1"}
    config = {"seed": 1, "diffusion": {"start_from": "", **settings}}
    write_json(path / RECORDS[0], cohort)
    write_json(path / RECORDS[1], {"outputs": outputs, "inputs": {"cohort": "1"}, "config": config})
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_cohort(tmp_path / "study", dict(zip("abcd", PARTS, strict=True)) | {"e": "train"})


@pytest.mark.parametrize("part", PARTS)
def test_people_are_found_by_their_ids_where_their_images_are_other_files(tmp_path, study, part):
    held = "abcd"[PARTS.index(part)]
    source = write_source(tmp_path / "source", {"e": "train", held: "train"})
    if part == "train":
        assert check_source_people(study, source) is True and why_unknown(study, source) is None
        return
    with pytest.raises(InputError) as caught:
        check_source_people(study, source)
    assert f"with the same ids as subjects that this study holds out ({part} 1)" in caught.value.what
    assert "a prefix per source" in caught.value.how and caught.value.where
    # records that are gone do not let it pass
    (source / RECORDS[1]).unlink()
    with pytest.raises(InputError):
        check_source_people(study, source)


@pytest.mark.parametrize(
    ("trained", "why"),
    [
        ("a", None),
        ("ae", None),
        ("xy", "none of its subjects' ids is found here"),
        ("aex", "some of its train subjects are no train subjects"),
        ("", "none of its subjects' ids is found here"),
    ],
)
def test_people_are_known_only_where_all_have_ids_of_train_subjects(tmp_path, study, capsys, trained, why):
    people = {"b": "test", "z": "val"} | dict.fromkeys(trained, "train")
    source = write_source(tmp_path / "source", people)
    assert check_source_people(study, source) is (why is None)
    printed = " ".join(capsys.readouterr().err.split())
    assert (why is None) == (printed == "")
    assert why is None or (f"are not known: {why}" in printed and why in why_unknown(study, source))


def without(record: Path, *names: str) -> None:
    """Remove the entry of a record that `names` lead to."""
    values = inner = json.loads(record.read_text())
    for name in names[:-1]:
        inner = inner[name]
    del inner[names[-1]]
    write_json(record, values)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"outputs": 3}'])
def test_records_that_are_missing_or_broken_leave_the_people_unknown(tmp_path, study, name, content):
    source = write_source(tmp_path / "source", {"a": "train"})
    assert check_source_people(study, source) is True
    (source / name).unlink()
    if content is not None:
        (source / name).write_bytes(content)
    assert check_source_people(study, source) is False


@pytest.mark.parametrize(
    "names",
    [
        [(0, "outputs", "cohort.parquet")],
        [(1, "outputs", "models/diffusion/denoiser.safetensors")],
        [(0, "output_hash")],
        [(1, "inputs", "cohort")],
        # two values that are absent are not equal
        [(0, "output_hash"), (1, "inputs", "cohort")],
    ],
)
def test_records_that_do_not_say_enough_leave_the_people_unknown(tmp_path, study, names):
    source = write_source(tmp_path / "source", {"a": "train"})
    for number, *entry in names:
        without(source / RECORDS[number], *entry)
    assert check_source_people(study, source) is False


def test_a_file_that_the_stage_did_not_write_is_no_model_of_the_study(tmp_path, study):
    source = write_source(tmp_path / "source", {"a": "train"})
    models = source / "models" / "diffusion"
    assert check_source_people(study, models / "guide.safetensors") is True
    (models / "edm2.safetensors").write_bytes(b"from elsewhere")
    assert check_source_people(study, models / "edm2.safetensors") is False
    (models / "guide.safetensors").unlink()
    (models / "guide.safetensors").symlink_to(models / "edm2.safetensors")
    assert check_source_people(study, models / "guide.safetensors") is False


def test_a_source_whose_record_says_that_it_started_elsewhere_is_unknown_without_its_report_too(tmp_path, study):
    source = write_source(tmp_path / "source", {"a": "train"}, start_from="edm2.pkl")
    assert check_source_people(study, source) is False
    source = write_source(tmp_path / "again", {"a": "train"})
    record = json.loads((source / RECORDS[1]).read_text())
    record["outputs"]["models/diffusion/denoiser.start.json"] = "0" * 64
    write_json(source / RECORDS[1], record)
    assert check_source_people(study, source) is False


@pytest.mark.parametrize("flip", [False, True])
def test_the_stage_tells_whether_it_saw_mirrored_images(tmp_path, monkeypatch, flip):
    people = {f"p{number}": "train" if number < 6 else "val" for number in range(12)}
    study = write_cohort(tmp_path / "study", people)
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 4, 4), dtype=np.uint8)
    codec = PixelCodec.fit(images)
    save_array(study / "store" / "images.npy", images)
    save_array(study / "store" / "latents.npy", codec.encode(to_float(images)).numpy())
    save_codec(study / "store" / "codec.safetensors", codec, "pixel")
    save_conditions(study, None, ())
    history = [{"step": 1.0, "loss": 1.0, "kept": 1.0, "memorised": 0.0}]
    monkeypatch.setattr(room, "_train_and_write", lambda *_, **__: SimpleNamespace(history=history, stopped=""))
    config = DiffusionConfig(horizontal_flip=flip, monitor_samples=0, model_channels=8, guide_channels=8)
    figures = room.run_stage(study, config, seed=0, device=torch.device("cpu"))
    assert figures["horizontal_flip"] is flip
