"""Vision models of transformers: tiny ones with random weights, saved by the test; no hub is reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from unpersonal.core.errors import InputError
from unpersonal.utility.extractor import Fitting, Space
from unpersonal.utility.extractors.hf import EXTRACTOR

transformers = pytest.importorskip("transformers")
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32)).astype(np.uint8)


def saved(folder: Path, kind: str = "ViTModel", **options: Any) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(**SMALL, image_size=32, patch_size=8, **options)
    getattr(transformers, kind)(config).save_pretrained(folder)
    return folder


def opened(folder: Path) -> Space:
    return EXTRACTOR.open(str(folder), Fitting(IMAGES, 0, torch.device("cpu")))


def by_hand(folder: Path, pixels: torch.Tensor) -> Any:
    network = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return network(pixel_values=pixels)


@pytest.mark.slow
def test_a_trained_pooler_is_used_and_else_the_mean_of_the_states(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, bare = saved(tmp_path / "whole"), saved(tmp_path / "bare", "ViTForImageClassification")
    capfd.readouterr()
    first, second = opened(whole), opened(bare)
    rows, means = first.rows(IMAGES), second.rows(IMAGES)
    assert capfd.readouterr() == ("", "")
    pixels = torch.from_numpy(IMAGES).float().expand(-1, 3, -1, -1) / 255 * 2 - 1
    np.testing.assert_allclose(rows, by_hand(whole, pixels).pooler_output.numpy(), atol=1e-5)
    np.testing.assert_allclose(means, by_hand(bare, pixels).last_hidden_state.mean(1).numpy(), atol=1e-5)
    assert "pooled output of ViTModel" in first.what and "mean of the last hidden state" in second.what
    # weights that transformers draws by chance decide nothing
    assert opened(bare).sha256 == second.sha256 and (opened(bare).rows(IMAGES) == means).all()
    assert (first.label, first.size) == ("whole", 32)


@pytest.mark.slow
def test_the_file_beside_the_model_says_how_images_are_prepared(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    told = {"size": {"height": 24, "width": 24}, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.4, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps({**told, "crop_size": {"height": 32, "width": 32}}))
    found = opened(folder)
    pixels = torch.from_numpy(IMAGES).float().expand(-1, 3, -1, -1) / 255
    mean, std = (torch.tensor(told[key])[None, :, None, None] for key in ("image_mean", "image_std"))
    np.testing.assert_allclose(
        found.rows(IMAGES), by_hand(folder, (pixels - mean) / std).pooler_output.numpy(), atol=1e-5
    )
    assert EXTRACTOR.size(str(folder)) == 32 and "0.1, 0.2, 0.3" in found.what
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1], "image_std": [0.0]}))
    with pytest.raises(InputError, match="cannot be read"):
        opened(folder)


@pytest.mark.slow
def test_networks_of_other_kinds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_channels=1)
    transformers.ResNetModel(config).save_pretrained(tmp_path / "resnet")
    assert opened(tmp_path / "resnet").rows(IMAGES).shape == (3, 16)
    text, vision = {**SMALL, "vocab_size": 50}, {**SMALL, "image_size": 32, "patch_size": 8}
    clip = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    transformers.CLIPModel(clip).save_pretrained(tmp_path / "clip")
    found = opened(tmp_path / "clip")
    assert found.rows(IMAGES).shape == (3, 12) and "image embedding" in found.what
    words = transformers.BertConfig(**SMALL, vocab_size=50)
    transformers.BertModel(words).save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match="no model of images"):
        opened(tmp_path / "bert")


@pytest.mark.slow
def test_what_is_wrong_with_a_model_is_told(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(InputError, match="cannot be read"):
        opened(tmp_path / "nowhere")
    folder = saved(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    lost = {name: value for name, value in weights.items() if "layernorm" not in name.lower()}
    save_file(lost, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="weights of the model are not in its file"):
        opened(folder)
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        opened(folder)
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "code.Model"}, "model_type": "mine"}))
    (folder / "code.py").write_text("raise SystemExit('code of a model was run')\n")
    with pytest.raises(InputError):
        opened(folder)
