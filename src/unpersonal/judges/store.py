"""The judges of a study on disk: models/judges, weights as safetensors, figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..core.config import build_config
from ..core.errors import InputError
from ..core.files import read_json
from ..core.tensors import load_tensors, save_tensors
from ..matching.base import Matcher
from .build import build_network
from .classifier import Classifier
from .config import JudgesConfig
from .figures import GateFigures
from .matchers import load_matchers, save_matchers
from .member import Member
from .members import build_member
from .reidentifier import Reference, Reidentifier, load_references

FOLDER = ("models", "judges")
GATE = "gate.json"


@dataclass(frozen=True)
class Judges:
    """The study's judges; `gate` holds thresholds and rates, `matchers` are those beside the re-identifier, by name.

    `config` is what they were trained under.
    """

    reidentifier: Reidentifier
    classifier: Classifier
    gate: GateFigures
    matchers: Mapping[str, Matcher[Any]]
    config: JudgesConfig


@dataclass(frozen=True)
class Described:
    """What is needed beside the weights to build a judge again; `shape` is that of an image (C, H, W)."""

    config: JudgesConfig
    shape: tuple[int, int, int]
    classes: tuple[str, ...] = ()
    exclusive: bool = False

    def to_metadata(self, *, classifier: bool) -> dict[str, str]:
        """As metadata of a safetensors file."""
        facts: dict[str, Any] = {"config": self.config.model_dump(mode="json"), "shape": list(self.shape)}
        if classifier:
            facts |= {"classes": list(self.classes), "exclusive": self.exclusive}
        return {"facts": json.dumps(facts)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> Described:
        """Inverse of `to_metadata`, of the classifier at `path`; an `InputError` where it is not that."""
        try:
            facts = json.loads(metadata["facts"])
            config = build_config(JudgesConfig, facts["config"], where=str(path))
            channels, height, width = (int(number) for number in facts["shape"])
            classes = tuple(str(name) for name in facts["classes"])
            return cls(config, (channels, height, width), classes, bool(facts["exclusive"]))
        except (KeyError, TypeError, ValueError):
            raise InputError("Not a judge of this program", where=str(path), how="run the judges stage again") from None


def assemble(
    members: list[Member], references: list[Reference], config: JudgesConfig, device: torch.device
) -> Reidentifier:
    """The ensemble as `config` describes it."""
    return Reidentifier(members, references, device=device, views=config.gallery_views)


def save_judges(
    folder: Path,
    reidentifier: Reidentifier,
    classifier: Classifier,
    matchers: Mapping[str, Matcher[Any]],
    described: Described,
) -> None:
    """Weights as safetensors, each with what is needed to build it again."""
    reidentifier.save(folder, described.to_metadata(classifier=False))
    metadata = described.to_metadata(classifier=True)
    save_tensors(folder / "classifier.safetensors", classifier.network.state_dict(), metadata)
    save_matchers(folder, matchers)


def load_weights(model: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load `tensors` into `model` in eval mode; weights that do not fit are an `InputError`."""
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError:
        raise InputError(
            "The weights do not fit the network", where=str(path), how="run the judges stage again"
        ) from None
    model.eval()


def load_judges(study: Path, device: torch.device) -> Judges:
    """The judges that the stage wrote, in eval mode; missing, broken or unfitting files are an `InputError`."""
    folder = study.joinpath(*FOLDER)
    gate = GateFigures.from_json(read_json(folder / GATE), where=str(folder / GATE))
    path = folder / "classifier.safetensors"
    tensors, metadata = load_tensors(path)
    described = Described.from_metadata(metadata, path)
    config, channels, size = described.config, described.shape[0], described.shape[-1]
    network = build_network(
        config.classifier, config, channels=channels, outputs=len(described.classes), size=size, seed=0
    )
    load_weights(network, tensors, path)
    members = []
    for index in range(config.seeds):
        path = folder / f"reidentifier-{index}.safetensors"
        model = build_member(config, channels=channels, size=size, seed=0)
        load_weights(model, load_tensors(path)[0], path)
        members.append(model)
    reidentifier = assemble(members, load_references(folder, config.seeds), config, device)
    classifier = Classifier(network, exclusive=described.exclusive, device=device)
    return Judges(reidentifier, classifier, gate, load_matchers(folder, config, device), config)
