"""The spaces `file:PATH.safetensors`: weights of a DenseNet-121 or ResNet-50, or of an encoder of a study.

A file of safetensors holds tensors and nothing that could run. Pickles and TorchScript are programs, and refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import InputError
from ..extractor import OPTION, Extractor, Fitting, Space
from ..network_rows import Preparation, network_rows, weights_hash

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SUFFIX = ".safetensors"
SIZE = 224
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
ONE = ((0.5,), (0.25,))
"""Of networks with one channel."""
LAYER_OF_TORCHVISION = re.compile(r"(denselayer\d+)\.((?:norm|conv|relu)\.?[12])\b")
WRAPPERS = ("module.", "model.", "backbone.", "encoder.", "net.", "network.")
"""What training programs put before the names of a network's weights."""
HEADS = re.compile(r"(class_layers|classifier|fc|head|op_threshs)\b.*")
"""Weights behind the features, which say what a network was trained for."""


class WeightFile(Extractor):
    """Weights of a known architecture, which their names tell."""

    takes = f"PATH{SUFFIX}"

    def size(self, argument: str) -> int:
        """What the file's metadata says; 224 of a DenseNet or ResNet, 64 of a study's encoder."""
        tensors, told = _read(argument)
        return 64 if _encoder_of(told) else _preparation(argument, tensors, told).size

    def open(self, argument: str, fitting: Fitting) -> Space:
        """The network of the weights, up to its mean over all positions."""
        tensors, told = _read(argument)
        name, digest = Path(argument).name, weights_hash(list(tensors.items()))
        if kind := _encoder_of(told):
            return _encoder(argument, kind, tensors, digest, fitting)
        prepare = _preparation(argument, tensors, told)
        architecture, network = _network(argument, tensors, prepare.channels)
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (prepare.mean, prepare.std))
        return Space(
            network_rows(network, lambda pixels: _pooled(network, pixels), prepare, fitting.device),
            f"last features of {architecture}, mean over positions (mean {mean}, standard deviation {std})",
            prepare.size,
            label=name,
            sha256=digest,
        )


def _wrong(path: str, what: str, how: str = "") -> InputError:
    how = how or "give a DenseNet-121 or ResNet-50, named as by torchvision or MONAI, or a study's encoder.safetensors"
    return InputError(what, where=f"{OPTION} file:{path}", how=how)


def _read(path: str) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    from ...core.tensors import load_tensors

    file = Path(path).expanduser()
    if file.suffix.lower() != SUFFIX:
        raise _wrong(
            path,
            f"Weights are read from {SUFFIX} alone: a pickle, and TorchScript, may be any program",
            "save its state dict by safetensors.torch.save_file",
        )
    if not file.is_file():
        raise _wrong(path, "There is no such file", "correct its path")
    tensors, told = load_tensors(file)
    return {_plain(name, tensors): value for name, value in tensors.items()}, told


def _plain(name: str, names: Mapping[str, Any]) -> str:
    """The name of a weight without what all names begin with, in MONAI's spelling."""
    for wrapper in WRAPPERS:
        if all(each.startswith(wrapper) for each in names):
            name = name.removeprefix(wrapper)
    return LAYER_OF_TORCHVISION.sub(lambda found: f"{found[1]}.layers.{found[2].replace('.', '')}", name)


def _preparation(path: str, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> Preparation:
    """What the metadata say under `size`, `image_mean` and `image_std` (JSON), else the custom of such networks."""
    first = next((tensors[name] for name in ("features.conv0.weight", "conv1.weight") if name in tensors), None)
    if first is None or first.ndim != 4:
        raise _wrong(path, "The names of these weights are those of no network that is known here")
    custom = dict(zip(("image_mean", "image_std"), IMAGENET if first.shape[1] == 3 else ONE, strict=True))
    try:
        size = json.loads(told.get("size", str(SIZE)))
        mean, std = (json.loads(told[key]) if key in told else own for key, own in custom.items())
        prepare = Preparation(int(size), tuple(map(float, mean)), tuple(map(float, std)))
    except (TypeError, ValueError) as error:
        raise _wrong(path, f"The metadata of the file cannot be used ({error})", "correct them") from None
    if prepare.channels != first.shape[1]:
        raise _wrong(path, f"The network takes {first.shape[1]} channels, and its metadata tell of {prepare.channels}")
    return prepare


def _network(path: str, tensors: Mapping[str, Tensor], channels: int) -> tuple[str, nn.Module]:
    """The architecture and its network with these weights; one that does not fit wholly is an `InputError`."""
    import torch
    from monai.networks.nets.densenet import DenseNet121
    from monai.networks.nets.resnet import resnet50

    with torch.random.fork_rng(devices=[]):
        if "features.conv0.weight" in tensors:
            name, network = "DenseNet-121", DenseNet121(spatial_dims=2, in_channels=channels, out_channels=1)
        else:
            name = "ResNet-50"
            bias = "layer1.0.downsample.0.bias" in tensors
            network = resnet50(
                spatial_dims=2, n_input_channels=channels, num_classes=1, bias_downsample=bias, feed_forward=False
            )
    wanted = {key: value for key, value in network.state_dict().items() if not HEADS.match(key)}
    given = {key: value for key, value in tensors.items() if not HEADS.match(key)}
    if whole := sorted(key for key, value in given.items() if key in wanted and _is_no_weight(value, wanted[key])):
        raise _wrong(path, f"{len(whole)} weights are no floating-point numbers ({whole[0]}, …)", "give them as such")
    counters = [key for key in wanted if key.endswith("num_batches_tracked")]
    wrong = sorted((wanted.keys() ^ given.keys()) - set(counters))
    wrong += [key for key in wanted.keys() & given.keys() if wanted[key].shape != given[key].shape]
    if wrong:
        raise _wrong(path, f"{len(wrong)} weights are not those of a {name} ({wrong[0]}, …)")
    network.load_state_dict({**wanted, **given}, strict=False)
    return name, network


def _is_no_weight(given: Tensor, wanted: Tensor) -> bool:
    """Whether a tensor holds whole numbers for a weight: those of a quantised network need scales to mean anything."""
    return wanted.is_floating_point() and not given.is_floating_point()


def _pooled(network: Any, pixels: Tensor) -> Tensor:
    """float [n,d]: the last feature maps [n,d,h,w], rectified, and their mean over all positions."""
    import torch

    if hasattr(network, "features"):
        maps = torch.relu(network.features(pixels))
    else:
        maps = network.maxpool(network.act(network.bn1(network.conv1(pixels))))
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            maps = layer(maps)
    return maps.mean((2, 3))


def _encoder_of(told: Mapping[str, str]) -> str:
    """The kind of a study's encoder, which its file tells; empty for other weights."""
    from ...features.registry import ENCODERS

    return told["kind"] if told.get("kind") in ENCODERS.names() else ""


def _encoder(path: str, kind: str, tensors: dict[str, torch.Tensor], digest: str, fitting: Fitting) -> Space:
    from ...features.registry import ENCODERS

    try:
        encoder = ENCODERS.get(kind).load(tensors)
        encoder.unit(fitting.real[:1])
    except (KeyError, RuntimeError, ValueError) as error:
        raise _wrong(path, f"The encoder cannot be built ({str(error).splitlines()[0][:200]})") from None
    what = f"the encoder {kind} of a study; rows of unit length"
    return Space(encoder.unit, what, fitting.real.shape[-1], label=Path(path).name, sha256=digest)


EXTRACTOR = WeightFile()
