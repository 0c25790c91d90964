"""The `vae:` codec: a pretrained diffusers AutoencoderKL, from a folder or by its hub name.

Only safetensors are read, never a pickle; the weights are copied into the study, which afterwards needs the folder no
more. The scaling and shift factors in a folder's configuration are not used: the statistics of this study's own train
latents take their place.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.files import read_json
from ..core.hashing import hash_json, sha256_file

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model"
WANTED = tuple(f"{place}{name}" for place in ("", "vae/") for name in (CONFIG, f"{WEIGHTS}*.safetensors*"))
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
VARIANTS = (None, "fp16", "bf16", "fp32")
VAE = "vae:"
WHERE = "[codec] kind"
ASSUMED = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
}
"""The autoencoder of Stable Diffusion (arXiv 2112.10752, f = 8): what is planned with before one can be read."""


class VAENetwork:
    """A diffusers AutoencoderKL with the interface of `autoencoder.Autoencoder`."""

    def __init__(self, module: Any) -> None:
        self.module = module.float()
        self.channels = int(module.config.in_channels)
        self.factor = 2 ** (len(module.config.block_out_channels) - 1)

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [B,c,h,w] of pixels [B,channels,H,W] in [-1, 1]."""
        posterior = self.module.encode(pixels).latent_dist
        return posterior.mean, posterior.std

    def restore(self, latents: Tensor) -> Tensor:
        """Pixels [B,channels,H,W] of latents [B,c,h,w]."""
        return self.module.decode(latents).sample

    def facts(self) -> dict[str, Any]:
        """The constructor values as plain JSON, without the path that diffusers notes among them."""
        names = inspect.signature(type(self.module).__init__).parameters
        return {"config": {k: v for k, v in dict(self.module.config).items() if k in names}}


def autoencoder_class() -> Any:
    """diffusers' AutoencoderKL; `InputError` where diffusers is not installed."""
    try:
        from diffusers import AutoencoderKL
    except ImportError as error:
        raise InputError(
            f"A vae: codec needs diffusers, which cannot be imported ({error})",
            where=WHERE,
            how="pip install 'unpersonal[hf]', or use a codec of another kind",
        ) from None
    return AutoencoderKL


def check_fit(network: VAENetwork, *, size: int, channels: int) -> None:
    """`InputError` unless images [channels,size,size] go through the network and come back."""
    out = int(network.module.config.out_channels)
    check_size(size, network.factor)
    if network.channels != out or network.channels not in (channels, 3):
        raise InputError(
            f"The autoencoder takes {network.channels} channels and gives {out}; the images have {channels}",
            where=WHERE,
            how="use an autoencoder for as many channels as the images have, or for 3",
        )


def check_size(size: int, factor: int) -> None:
    """`InputError` unless images of `size` pixels can be divided by `factor`."""
    if size % factor:
        raise InputError(
            f"Images of {size} pixels do not fit an autoencoder that divides the edge by {factor}",
            where="[images] size",
            how=f"use a multiple of {factor}",
        )


def open_vae(name: str, base: Path) -> tuple[VAENetwork, dict[str, Any]]:
    """The network that `vae:…` names, and its facts with `source`, the hash of its files.

    A relative folder is one below `base`. What cannot be used is an `InputError`.
    """
    model = autoencoder_class()
    folder = find_folder(name, base)
    network = read_folder(model, folder)
    return network, {**network.facts(), "source": folder_hash(folder)}


def provenance(name: str, base: Path, sha256: str) -> dict[str, Any]:
    """What is known of a pretrained autoencoder: `source`, `sha256` (see `folder_hash`), and that its people are not.

    `source` is the hub name as it was given, or the last name of a folder: where a folder lies may name people.
    """
    local = (base / Path(name).expanduser()).is_dir() or not HUB_NAME.fullmatch(name)
    return {"source": Path(name).name if local else name, "sha256": sha256, "known_people": False}


def config_at_hand(name: str, base: Path) -> dict[str, Any] | None:
    """The configuration of what `vae:…` names, from its folder or the hub's cache; None where it is on neither.

    Nothing is fetched, no weights are read, and diffusers is not needed. A wrong configuration is an `InputError`.
    """
    local = base / Path(name).expanduser()
    if local.is_dir():
        return read_config(find_folder(name, base) / CONFIG)
    if not HUB_NAME.fullmatch(name):
        raise _no_folder(name)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    for file in (CONFIG, f"vae/{CONFIG}"):
        found = try_to_load_from_cache(name, file)
        if isinstance(found, str):
            return read_config(Path(found))
    return None


def latent_size(config: dict[str, Any], size: int) -> tuple[int, int, int]:
    """(c, h, w) that an AutoencoderKL of `config` makes of images of `size` pixels; `InputError` if it cannot."""
    # what a configuration leaves out has the constructor's default
    channels, widths = config.get("latent_channels", 4), config.get("block_out_channels", (64,))
    if not isinstance(channels, int) or channels < 1 or not isinstance(widths, (list, tuple)) or not widths:
        raise InputError("The configuration of the autoencoder says no size of latents", where=WHERE)
    factor = 2 ** (len(widths) - 1)
    check_size(size, factor)
    return channels, size // factor, size // factor


def find_folder(name: str, base: Path) -> Path:
    """The folder with config.json that `vae:…` names: on this disk first, else fetched by its hub name."""
    local = base / Path(name).expanduser()
    root = local if local.is_dir() else _fetch(name)
    for folder in (root, root / "vae"):
        if (folder / CONFIG).is_file():
            return folder
    raise InputError(
        f"The folder of the autoencoder has no {CONFIG}",
        where=str(root),
        how="name a folder that diffusers' `save_pretrained` wrote",
    )


def _no_folder(name: str) -> InputError:
    return InputError(
        "The folder of the autoencoder does not exist",
        where=f"{WHERE} = {VAE}{name}",
        how="correct the path; a relative one starts in the study's folder",
    )


def _fetch(name: str) -> Path:
    """The local copy of hub repository `name`: its configuration and safetensors weights only."""
    if not HUB_NAME.fullmatch(name):
        raise _no_folder(name)
    from huggingface_hub import snapshot_download

    for offline in (True, False):
        try:
            found = Path(snapshot_download(name, allow_patterns=list(WANTED), local_files_only=offline))
        except Exception as error:  # the client raises what its HTTP library does
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            continue
        if any(found.rglob("*.safetensors")) or not offline:
            return found
        reason = "the local copy has no safetensors"
    raise InputError(
        f"The autoencoder is neither a folder nor can it be fetched ({reason})",
        where=f"{WHERE} = {VAE}{name}",
        how="check the name and the network, or download it elsewhere and name its folder",
    )


def _variant(folder: Path) -> str | None:
    """Which weights diffusers shall read; no safetensors at all is an `InputError`."""
    for variant in VARIANTS:
        stem = WEIGHTS if variant is None else f"{WEIGHTS}.{variant}"
        index = f"{WEIGHTS}.safetensors.index{'' if variant is None else f'.{variant}'}.json"
        if (folder / f"{stem}.safetensors").is_file() or (folder / index).is_file():
            return variant
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    raise InputError(
        f"The autoencoder has its weights as pickles only ({', '.join(pickles)}), which can run code and are never read"
        if pickles
        else f"The autoencoder has no {WEIGHTS}.safetensors",
        where=str(folder),
        how="write it again where it is trusted: `save_pretrained(FOLDER, safe_serialization=True)`",
    )


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of an AutoencoderKL; `InputError` where it is of something else, or of a quantised one."""
    config = read_json(path)
    kind = config.get("_class_name") if isinstance(config, dict) else None
    if kind != "AutoencoderKL" or "quantization_config" in config:
        raise InputError(
            f"Not a plain AutoencoderKL (its configuration says {kind!r})",
            where=str(path),
            how="name an AutoencoderKL that is not quantised",
        )
    return dict(config)


def read_folder(model: Any, folder: Path) -> VAENetwork:
    """The AutoencoderKL in `folder`; damaged, incomplete, foreign or not finite weights are an `InputError`."""
    read_config(folder / CONFIG)
    variant = _variant(folder)
    damaged = {"where": str(folder), "how": "restore the folder or fetch it again"}
    try:
        # construction draws weights, which must not move the caller's random numbers
        with torch.random.fork_rng(devices=[]):
            module, found = model.from_pretrained(
                str(folder),
                use_safetensors=True,
                local_files_only=True,
                variant=variant,
                low_cpu_mem_usage=False,
                output_loading_info=True,
            )
    except Exception as error:  # diffusers and safetensors have no common base for what is wrong with a file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise InputError(f"The autoencoder cannot be read ({type(error).__name__}: {reason})", **damaged) from None
    wrong = {name: found.get(name) or [] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        counts = ", ".join(f"{len(keys)} {name.split('_')[0]}" for name, keys in wrong.items())
        raise InputError(f"The weights of the autoencoder do not fit its configuration ({counts})", **damaged)
    network = VAENetwork(module)
    if not all(bool(torch.isfinite(value).all()) for value in network.module.state_dict().values()):
        raise InputError("The autoencoder has weights that are not finite numbers", **damaged)
    network.module.eval().requires_grad_(False)
    return network


def shape_of(config: dict[str, Any]) -> VAENetwork:
    """The network of a configuration on torch's device `meta`: shapes without values; `InputError` if there is none."""
    names = inspect.signature(autoencoder_class().__init__).parameters
    with torch.device("meta"):
        return network_of({"config": {key: value for key, value in config.items() if key in names}}, WHERE)


def network_of(facts: dict[str, Any], where: str) -> VAENetwork:
    """The network, with weights to be loaded, of `VAENetwork.facts`; wrong facts are an `InputError`."""
    model = autoencoder_class()
    try:
        with torch.random.fork_rng(devices=[]):
            return VAENetwork(model(**facts["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The description of the codec is damaged ({error})", where=where, how="delete it and run again"
        ) from None


def source_hash(name: str, study: Path) -> str:
    """SHA-256 of the local folder that `vae:…` names, so that other weights under its name are noticed.

    What is not (or no more) on this disk keeps the hash that the study recorded when it copied the weights.
    """
    folder = study / Path(name).expanduser()
    recorded = study / "store" / "codec.json"
    if not folder.is_dir():
        return str(read_json(recorded).get("source", "")) if recorded.is_file() else ""
    return folder_hash(find_folder(name, study))


def folder_hash(folder: Path) -> str:
    """SHA-256 over the configuration and the safetensors of an autoencoder's folder."""
    files = sorted(path for path in folder.iterdir() if path.name == CONFIG or ".safetensors" in path.suffixes)
    return hash_json({path.name: sha256_file(path) for path in files})
