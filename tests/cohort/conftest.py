"""Pictures of phantom people, as the tests of layouts have them."""

from __future__ import annotations

from ..layouts.conftest import flat, folder

__all__ = ["flat", "folder"]
