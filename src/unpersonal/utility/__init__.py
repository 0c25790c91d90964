"""Train on synthetic, test on real: what a recipient loses, and the generative metrics of the release.

`utility_folders` works on any data sets, `stage.run_stage` on a study. The room can be called itself:
`unpersonal.utility(train, test)` is the verb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.rooms import callable_room

if TYPE_CHECKING:
    from .config import UtilityConfig
    from .folders import utility_folders
    from .matrix_figures import MatrixFigures

__all__ = ["MatrixFigures", "UtilityConfig", "utility_folders"]
_HOMES = {"MatrixFigures": "matrix_figures", "UtilityConfig": "config", "utility_folders": "folders"}

callable_room(__name__)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
