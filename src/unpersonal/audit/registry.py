"""Where attacks are found.

An attack is one object `ATTACK` in one module of `attacks`, or an entry point of the group `unpersonal.attacks`.
"""

from __future__ import annotations

from ..core.registry import Registry
from .attack import Attack

ATTACKS: Registry[Attack] = Registry("attack", package="unpersonal.audit.attacks", attribute="ATTACK")
