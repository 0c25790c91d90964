"""The spaces `hf:MODEL`: a vision model of transformers, from a folder or the hub.

Weights are read from safetensors alone, and no code that comes with a model is run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import InputError
from ...core.hub import quiet_transformers
from ..extractor import OPTION, Extractor, Fitting, Space
from ..network_rows import Preparation, network_rows, weights_hash

if TYPE_CHECKING:
    from torch import Tensor

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PREPARATION = "preprocessor_config.json"
HALF = (0.5, 0.5, 0.5)
POOLER = "pooler."


class HuggingFace(Extractor):
    """A vision model: its pooled output, or the mean of its last hidden state where nobody trained the pooler."""

    takes = "MODEL"

    def size(self, argument: str) -> int:
        """The size that the model was made for."""
        return _preparation(argument, _config(argument)).size

    def open(self, argument: str, fitting: Fitting) -> Space:
        """The model `argument`, a folder or a name of the hub."""
        prepare = _preparation(argument, _config(argument))
        network, missing = _open(argument)
        pooled = _has_pooler(network) and not missing
        clip = hasattr(network, "get_image_features")

        def read(pixels: Tensor) -> Tensor:
            if clip:
                found = network.get_image_features(pixel_values=pixels)
                return found if hasattr(found, "flatten") else found.pooler_output
            states = network(pixel_values=pixels)
            if pooled:
                return states.pooler_output
            hidden = states.last_hidden_state
            # [n,tokens,d] of a transformer, [n,d,h,w] of a convolutional network
            return hidden.mean(1) if hidden.ndim == 3 else hidden.flatten(2).mean(2)

        what = "image embedding" if clip else "pooled output" if pooled else "mean of the last hidden state"
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (prepare.mean, prepare.std))
        return Space(
            network_rows(network, read, prepare, fitting.device),
            f"{what} of {type(network).__name__} (mean {mean}, standard deviation {std})",
            prepare.size,
            label=_label(argument),
            # a pooler that was not in the file was drawn by chance, and is not used
            sha256=weights_hash([item for item in network.state_dict().items() if item[0] not in missing]),
        )


def _label(model: str) -> str:
    """The hub name as it was given, or the last name of a folder: where it lies may name people."""
    return model if HUB_NAME.fullmatch(model) and not Path(model).is_dir() else Path(model).name


def _wrong(model: str, error: Exception) -> InputError:
    first = (str(error).strip().splitlines() or [""])[0]
    return InputError(
        f"The model cannot be read ({type(error).__name__}: {first[:200]})",
        where=f"{OPTION} hf:{model}",
        how="name a folder, or a model of the hub, with config.json and weights as safetensors",
    )


def _config(model: str) -> Any:
    from transformers import AutoConfig

    try:
        with quiet_transformers():
            return AutoConfig.from_pretrained(model, trust_remote_code=False)
    except Exception as error:  # transformers and the hub raise whatever their parts raise
        raise _wrong(model, error) from None


def _open(model: str) -> tuple[Any, frozenset[str]]:
    """The network, and weights of its pooler that are not in the file; another that is missing is an `InputError`."""
    from transformers import AutoModel

    try:
        with quiet_transformers():
            network, told = AutoModel.from_pretrained(
                model, trust_remote_code=False, use_safetensors=True, output_loading_info=True
            )
    except Exception as error:  # as above
        raise _wrong(model, error) from None
    missing = sorted(told["missing_keys"])
    if lost := [name for name in missing if POOLER not in name]:
        raise InputError(
            f"{len(lost)} weights of the model are not in its file ({lost[0]}, …)",
            where=f"{OPTION} hf:{model}",
            how="name a model whose weights are whole",
        )
    if not (hasattr(network, "get_image_features") or network.main_input_name == "pixel_values"):
        raise InputError(
            f"{type(network).__name__} is no model of images", where=f"{OPTION} hf:{model}", how="name a vision model"
        )
    return network, frozenset(missing)


def _has_pooler(network: Any) -> bool:
    # convolutional networks pool by a mean, which has no weights and no switch
    return getattr(network, "pooler", "absent") is not None


def _preparation(model: str, config: Any) -> Preparation:
    """Size, mean and standard deviation: those of preprocessor_config.json, else of the configuration, else ½."""
    told = _told(model)
    vision = getattr(config, "vision_config", config)
    size = told.get("crop_size") or told.get("size") or getattr(vision, "image_size", None) or 224
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge") or 224
    if isinstance(size, list | tuple):
        size = size[0]
    channels = int(getattr(vision, "num_channels", 3))
    mean, std = (told.get(key) or HALF[:channels] for key in ("image_mean", "image_std"))
    try:
        return Preparation(int(size), tuple(map(float, mean)), tuple(map(float, std)))
    except (TypeError, ValueError) as error:
        raise _wrong(model, error) from None


def _told(model: str) -> dict[str, Any]:
    """What preprocessor_config.json says; nothing where there is none."""
    from transformers.utils import cached_file

    try:
        path = cached_file(model, PREPARATION, _raise_exceptions_for_missing_entries=False)
        found = {} if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
    except Exception as error:  # as above
        raise _wrong(model, error) from None
    return found if isinstance(found, dict) else {}


EXTRACTOR = HuggingFace()
