"""Networks on the way to an image that were trained elsewhere, on people whom nothing here compares with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..codec.figures import PretrainedFigures
from .figures import StudyFigures

VAE, LANGUAGE_MODEL = "vae", "hf"
CODEC = "The codec was trained elsewhere, on people who are not known here; neither gate nor audit compares with them."
TEXT_ENCODER = (
    "The text encoder was trained elsewhere, on texts of people who are not known here; neither gate nor audit "
    "compares with them."
)


@dataclass(frozen=True)
class Pretrained:
    """A network that was trained elsewhere: the stage that uses it, what it is there, and what is said of it."""

    stage: Literal["encode", "features"]
    role: str
    kind: str
    note: str
    provenance: PretrainedFigures | None

    def to_json(self) -> dict[str, object]:
        """What evidence.json tells: not what the network was called, for a folder may be named after anything."""
        sha256 = self.provenance.sha256 if self.provenance else None
        return {self.role: self.kind, "pretrained": {"sha256": sha256, "known_people": False, "note": self.note}}


def pretrained(figures: StudyFigures) -> tuple[Pretrained, ...]:
    """Every network that was trained elsewhere; none where all was trained here."""
    encode, features = figures.encode, figures.features
    found = []
    if encode and (encode.codec == VAE or encode.pretrained):
        found.append(Pretrained("encode", "codec", encode.codec, CODEC, encode.pretrained))
    if features and (features.text_encoder == LANGUAGE_MODEL or features.pretrained):
        found.append(Pretrained("features", "text_encoder", LANGUAGE_MODEL, TEXT_ENCODER, features.pretrained))
    return tuple(found)
