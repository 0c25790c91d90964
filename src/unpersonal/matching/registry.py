"""The door for matchers: where they are found. To add one, add a module to `matchers/` (see `base.MatcherPart`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.registry import Registry

if TYPE_CHECKING:
    from .base import MatcherPart

MATCHERS: Registry[MatcherPart] = Registry("matcher", package="unpersonal.matching.matchers", attribute="MATCHER")
