"""Pretrained autoencoders: a tiny one that the test saves with diffusers, against diffusers; refusals."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from unpersonal.codec.config import CodecConfig
from unpersonal.codec.stage import run_stage
from unpersonal.codec.store import load_codec, load_images, load_latent_rows, load_latents
from unpersonal.codec.vae import find_folder, open_vae, provenance, source_hash
from unpersonal.cohort.table import load_cohort
from unpersonal.core.errors import InputError
from unpersonal.core.pixels import to_float

WEIGHTS = "diffusion_pytorch_model.safetensors"


def build(channels=3, **values):
    torch.manual_seed(0)
    network = AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
        **values,
    )
    return network.eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained") / "tiny"
    build().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "tiny")


def encode_stage(study, folder, **values):
    return run_stage(study, CodecConfig(kind=f"vae:{folder}", **values), seed=1).to_json()


@pytest.mark.slow
@pytest.mark.parametrize("colour", [False, True])
def test_encode_posterior_and_decode_are_those_of_diffusers(make_study, saved, colour):
    study = make_study(colour=colour)
    figures = encode_stage(study, saved)
    model, codec = AutoencoderKL.from_pretrained(saved).eval(), load_codec(study)
    images = to_float(load_images(study)[:6])
    with torch.no_grad():
        posterior = model.encode(images.expand(-1, 3, -1, -1) * 2 - 1).latent_dist
        pictures = ((model.decode(posterior.mean).sample + 1) / 2).clamp(0, 1)
    mean, deviation = codec.posterior(images)
    raw = mean * (codec.scale / 0.5) + codec.mean
    assert torch.allclose(raw, posterior.mean, atol=1e-5) and torch.equal(codec.encode(images), mean)
    assert torch.allclose(deviation * (codec.scale / 0.5), posterior.std, atol=1e-5)
    luma = 0.299 * pictures[:, :1] + 0.587 * pictures[:, 1:2] + 0.114 * pictures[:, 2:]
    assert torch.allclose(codec.decode(mean), pictures if colour else luma, atol=1e-5)
    assert np.allclose(load_latents(study)[:6], mean.numpy(), atol=1e-5)
    assert figures["codec"] == "vae" and figures["latent"] == "4x16x16" and str(saved) not in json.dumps(figures)


def test_drawn_latents_of_train_have_mean_zero_and_standard_deviation_one_half(make_study, saved):
    study = make_study()
    encode_stage(study, saved)
    rows, train, generator = load_latent_rows(study), load_cohort(study).rows("train"), torch.Generator().manual_seed(0)
    drawn = np.concatenate([rows.sample(train, generator) for _ in range(10)])
    assert np.abs(drawn.mean((0, 2, 3))).max() < 0.01 and np.abs(drawn.std((0, 2, 3)) - 0.5).max() < 0.01


def test_the_study_does_not_need_the_folder_afterwards(make_study, folder):
    study = make_study()
    encode_stage(study, folder)
    images = to_float(load_images(study)[:4])
    before, noted = load_codec(study).encode(images), source_hash(str(folder), study)
    assert len(noted) == 64
    shutil.rmtree(folder)
    assert torch.equal(load_codec(study).encode(images), before) and source_hash(str(folder), study) == noted
    assert str(folder) not in (study / "store" / "codec.json").read_text()
    assert b"pretrained" not in (study / "store" / "codec.safetensors").read_bytes()[:20_000]


def test_what_was_loaded_is_recorded_without_where_it_lay(make_study, folder):
    study = make_study()
    figures = encode_stage(study, folder)
    assert figures["pretrained"] == {
        "source": "tiny",
        "sha256": source_hash(str(folder), study),
        "known_people": False,
    }
    assert str(folder.parent) not in json.dumps(figures)
    assert provenance("owner/name", study, "1") == {"source": "owner/name", "sha256": "1", "known_people": False}
    # a folder of the study is none of the hub
    (study / "owner" / "name").mkdir(parents=True)
    assert provenance("owner/name", study, "1")["source"] == "name"


def test_a_codec_that_is_trained_here_is_not_called_pretrained(make_study):
    config = CodecConfig(kind="kl", images=16, width=4, evaluations=1)
    assert "pretrained" not in run_stage(make_study(), config, seed=1).to_json()


def test_other_weights_under_the_same_name_change_the_hash(make_study, folder):
    study, kind = make_study(), str(folder)
    before = source_hash(kind, study)
    tensors = load_file(folder / WEIGHTS)
    tensors["encoder.conv_in.bias"] += 1
    save_file(tensors, folder / WEIGHTS)
    assert before != source_hash(kind, study)


@pytest.mark.slow
def test_a_killed_pass_ends_in_the_same_bytes(make_study, saved, monkeypatch):
    from unpersonal.codec import latents

    monkeypatch.setattr(latents, "SHARD", 32)
    whole, killed = make_study("whole"), make_study("killed")
    expected = encode_stage(whole, saved)
    part, calls = latents.Moments._shard, []

    def die(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return part(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(latents.Moments, "_shard", die)
        encode_stage(killed, saved)
    assert len(list((killed / "store").glob("moments-*/*.safetensors"))) == 2
    assert encode_stage(killed, saved) == expected
    names = sorted(path.name for path in (whole / "store").iterdir())
    assert names == sorted(path.name for path in (killed / "store").iterdir())
    assert all((whole / "store" / n).read_bytes() == (killed / "store" / n).read_bytes() for n in names)


def test_a_relative_folder_lies_in_the_study_and_a_pipeline_has_it_in_vae(make_study, saved):
    study = make_study()
    shutil.copytree(saved, study / "pipeline" / "vae")
    assert find_folder("pipeline", study) == study / "pipeline" / "vae"
    assert open_vae("pipeline", study)[0].factor == 2


def test_opening_does_not_move_the_random_numbers(saved, tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    open_vae(str(saved), tmp_path)
    assert torch.equal(torch.rand(1), expected)


def test_half_precision_weights_alone_are_read_as_single(folder, tmp_path):
    tensors = {name: value.half() for name, value in load_file(folder / WEIGHTS).items()}
    (folder / WEIGHTS).unlink()
    save_file(tensors, folder / "diffusion_pytorch_model.fp16.safetensors", metadata={"format": "pt"})
    network, _ = open_vae(str(folder), tmp_path)
    for name, value in network.module.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, tensors[name].float())


def only_pickles(folder):
    torch.save(load_file(folder / WEIGHTS), folder / "diffusion_pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def truncated(folder):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:5000])


def no_weights(folder):
    (folder / WEIGHTS).unlink()


def change_tensors(change):
    def damage(folder):
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return damage


def change_config(**values):
    def damage(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return damage


DAMAGES = {
    "pickles": (only_pickles, "pickles only"),
    "truncated": (truncated, "cannot be read"),
    "no weights": (no_weights, "has no diffusion_pytorch_model.safetensors"),
    "missing": (change_tensors(lambda t: t.pop("encoder.conv_in.weight")), "1 missing"),
    "unexpected": (change_tensors(lambda t: t.update(more=torch.zeros(1))), "1 unexpected"),
    "nan": (change_tensors(lambda t: t["encoder.conv_in.bias"].fill_(float("nan"))), "not finite"),
    "shape": (change_tensors(lambda t: t.update({"encoder.conv_in.bias": torch.zeros(3)})), "cannot be read|mismatch"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
    "list config": (lambda folder: (folder / "config.json").write_text("[]"), "Not a plain AutoencoderKL"),
    "class": (change_config(_class_name="VQModel"), "VQModel"),
    "quantised": (change_config(quantization_config={"quant_method": "x"}), "Not a plain AutoencoderKL"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_cannot_be_trusted_is_refused(folder, tmp_path, name):
    damage, message = DAMAGES[name]
    damage(folder)
    with pytest.raises(InputError, match=message) as refusal:
        open_vae(str(folder), tmp_path)
    assert refusal.value.where and refusal.value.how


def test_images_that_do_not_fit_are_refused(make_study, saved, tmp_path):
    build(1).save_pretrained(tmp_path / "grey")
    with pytest.raises(InputError, match="takes 1 channels and gives 1; the images have 3"):
        encode_stage(make_study("colour", colour=True), tmp_path / "grey")
    encode_stage(make_study("grey study"), tmp_path / "grey")
    with pytest.raises(InputError, match="33 pixels do not fit an autoencoder that divides the edge by 2"):
        run_stage(make_study("odd", size=33), CodecConfig(kind=f"vae:{saved}"))


def test_a_missing_folder_and_a_missing_library_say_how_to_mend_it(tmp_path, saved, monkeypatch):
    with pytest.raises(InputError, match="does not exist"):
        open_vae("not/a/hub/name", tmp_path)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(InputError, match=r"unpersonal\[hf\]"):
        open_vae(str(saved), tmp_path)


def test_a_hub_name_asks_for_the_local_copy_first_and_for_safetensors_alone(tmp_path, saved, monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, *, allow_patterns, local_files_only):
        asked.append((name, local_files_only))
        assert not any(pattern.endswith((".bin", "*")) and "safetensors" not in pattern for pattern in allow_patterns)
        if local_files_only:
            raise FileNotFoundError("not there yet")
        return str(saved)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert find_folder("owner/name", tmp_path) == saved
    assert asked == [("owner/name", True), ("owner/name", False)]

    def refuse(name, **_):
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(InputError, match="ConnectionError: no network"):
        find_folder("owner/name", tmp_path)
