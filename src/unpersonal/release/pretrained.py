"""Parts of the way to an image that were trained elsewhere, on people whom nothing here compares with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .policy import started_elsewhere

PARTS = (
    (
        "encode",
        "codec",
        "vae",
        "The codec was trained elsewhere, on people who are not known here; neither gate nor audit compares with them.",
    ),
    (
        "features",
        "text_encoder",
        "hf",
        "The text encoder was trained elsewhere, on texts of people who are not known here; neither gate nor audit "
        "compares with them.",
    ),
)
"""Room, its figure that names the kind, the kind that is pretrained, and what is said of it."""


def pretrained_evidence(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What evidence.json tells of pretrained parts, by room; empty where all was trained here.

    `figures` has the form of summary.json or of evidence.json. What a part was called is not told: a folder may be
    named after anything. Studies made before provenance was recorded tell the kind alone.
    """
    told: dict[str, Any] = {}
    for room, name, kind, sentence in PARTS:
        part = figures.get(room)
        if not isinstance(part, Mapping) or (part.get(name) != kind and part.get("pretrained") is None):
            continue
        facts = part.get("pretrained")
        sha256 = facts.get("sha256") if isinstance(facts, Mapping) else None
        told[room] = {name: kind, "pretrained": {"sha256": sha256, "known_people": False, "note": sentence}}
    return told


def pretrained_statements(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence for each pretrained part; `figures` as in `pretrained_evidence`."""
    return tuple(part["pretrained"]["note"] for part in pretrained_evidence(figures).values())


def trained_elsewhere(figures: Mapping[str, Any]) -> bool:
    """Whether anything that takes part in drawing has learnt from other people than those of this study."""
    return started_elsewhere(figures) or bool(pretrained_evidence(figures))
