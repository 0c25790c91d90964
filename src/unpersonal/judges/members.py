"""The members that a re-identifier can be made of."""

from __future__ import annotations

from .config import JudgesConfig
from .embedding import build_embedding
from .member import Member
from .siamese import build_siamese

BUILDERS = {"embedding": build_embedding, "siamese": build_siamese}


def build_member(config: JudgesConfig, *, channels: int, size: int, seed: int) -> Member:
    """An untrained member of the configured kind; its weights depend on the arguments alone."""
    return BUILDERS[config.kind](config, channels=channels, size=size, seed=seed)
