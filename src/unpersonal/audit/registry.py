"""Where attacks are found.

An attack is one object `ATTACK` in one module of `attacks`, or an entry point of the group `unpersonal.attacks`.
"""

from __future__ import annotations

from ..core.registry import Registry
from .attack import Attack

ATTACKS: Registry[Attack] = Registry("attack", package="unpersonal.audit.attacks", attribute="ATTACK")


def own_attacks(*, model: bool = False) -> tuple[str, ...]:
    """Names of our own attacks: those that an attacker with the release alone can play, or also with the `model`."""
    return tuple(name for name in ATTACKS.own_names() if model or not ATTACKS.get(name).needs.model)
