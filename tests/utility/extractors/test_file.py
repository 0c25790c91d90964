"""Weights of known networks, and of a study's encoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.networks.nets.densenet import DenseNet121
from monai.networks.nets.resnet import resnet50
from safetensors.torch import save_file

from unpersonal.core.errors import InputError
from unpersonal.features.registry import ENCODERS
from unpersonal.features.ssl import SSLEncoder, build_encoder
from unpersonal.utility.extractor import Fitting, Space
from unpersonal.utility.extractors.file import EXTRACTOR

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 1, 32, 32)).astype(np.uint8)


def opened(path: Path) -> Space:
    return EXTRACTOR.open(str(path), Fitting(IMAGES, 0, torch.device("cpu")))


def seeded(build: type | object, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(spatial_dims=2, **options).eval()  # type: ignore[operator]


@pytest.fixture(scope="module")
def dense() -> torch.nn.Module:
    return seeded(DenseNet121, in_channels=1, out_channels=3)


@pytest.mark.slow
def test_a_densenet_in_either_spelling(dense: torch.nn.Module, tmp_path: Path) -> None:
    weights = dict(dense.state_dict())
    save_file(weights, tmp_path / "monai.safetensors", metadata={"size": "32"})
    theirs = {
        f"module.{name.replace('.layers.', '.').replace('class_layers.out', 'classifier')}": value
        for name, value in weights.items()
        if "num_batches" not in name
    }
    assert any(".denselayer1.norm1." in name for name in theirs)
    save_file(theirs, tmp_path / "torchvision.safetensors", metadata={"size": "32"})
    first, second = opened(tmp_path / "monai.safetensors"), opened(tmp_path / "torchvision.safetensors")
    pixels = (torch.from_numpy(IMAGES).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        wanted = torch.relu(dense.features(pixels)).mean((2, 3)).numpy()
    np.testing.assert_allclose(first.rows(IMAGES), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(first.rows(IMAGES), second.rows(IMAGES))
    assert "DenseNet-121" in first.what and first.label == "monai.safetensors" and wanted.shape == (2, 1024)


@pytest.mark.slow
def test_a_resnet_with_the_statistics_of_its_file(tmp_path: Path) -> None:
    network = seeded(resnet50, n_input_channels=3, num_classes=2, bias_downsample=False)
    told = {"size": "32", "image_mean": "[0.1, 0.2, 0.3]", "image_std": "[0.3, 0.3, 0.3]"}
    save_file(dict(network.state_dict()), tmp_path / "r.safetensors", metadata=told)
    found = opened(tmp_path / "r.safetensors")
    pixels = (torch.from_numpy(IMAGES).float() / 255 - torch.tensor([0.1, 0.2, 0.3])[None, :, None, None]) / 0.3
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        np.testing.assert_allclose(found.rows(IMAGES), network(pixels).numpy(), rtol=1e-4, atol=1e-5)
    assert EXTRACTOR.size(str(tmp_path / "r.safetensors")) == 32 and "mean 0.1, 0.2, 0.3" in found.what


def test_an_encoder_of_a_study(tmp_path: Path) -> None:
    encoder = SSLEncoder(build_encoder(1, 8, 12, 0).eval(), torch.device("cpu"))
    path = tmp_path / "encoder.safetensors"
    save_file(ENCODERS.get("ssl").save(encoder), path, metadata={"kind": "ssl"})
    np.testing.assert_array_equal(opened(path).rows(IMAGES), encoder.unit(IMAGES))
    assert EXTRACTOR.size(str(path)) == 64
    with pytest.raises(InputError, match="encoder cannot be built"):
        EXTRACTOR.open(str(path), Fitting(np.repeat(IMAGES, 3, axis=1), 0, torch.device("cpu")))


def test_what_is_no_such_file_is_refused(dense: torch.nn.Module, tmp_path: Path) -> None:
    for name in ("net.pt", "net.pth", "net.onnx", "net"):
        (tmp_path / name).write_bytes(b"anything")
        with pytest.raises(InputError, match=r"read from \.safetensors alone"):
            opened(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        opened(tmp_path / "lost.safetensors")
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"not tensors")
    with pytest.raises(InputError, match="Not a safetensors file"):
        opened(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="no network that is known"):
        opened(path)
    weights = dict(dense.state_dict())
    for metadata in ({"size": "4"}, {"size": "x"}, {"image_std": "[0]"}, {"image_mean": "[0.5, 0.5, 0.5]"}):
        save_file(weights, path, metadata=metadata)
        with pytest.raises(InputError):
            opened(path)
    save_file({name: value for name, value in weights.items() if "denselayer2" not in name}, path)
    with pytest.raises(InputError, match="are not those of a DenseNet-121"):
        opened(path)


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    """Those of a quantised network have the names and shapes of its weights, and mean nothing without their scales."""
    weights = resnet50(spatial_dims=2, n_input_channels=1, num_classes=1, feed_forward=False).state_dict()
    weights["conv1.weight"] = (weights["conv1.weight"] * 127).round().to(torch.int8)
    save_file(weights, tmp_path / "int8.safetensors", metadata={"size": "32"})
    with pytest.raises(InputError, match=r"1 weights are no floating-point numbers \(conv1\.weight"):
        opened(tmp_path / "int8.safetensors")
