"""The PSO audit: does the release isolate training subjects more often than people it has never seen?

`audit_images` works on arrays, `audit_folders` on folders and zips, `stage.run_stage` on a study. To add an attack,
write one module in `attacks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.rooms import callable_room

if TYPE_CHECKING:
    from .config import AuditConfig
    from .evaluate import audit_images
    from .folders import audit_folders
    from .images import SubjectImages
    from .result import AuditResult

__all__ = ["AuditConfig", "AuditResult", "SubjectImages", "audit_folders", "audit_images"]
_HOMES = {
    "AuditConfig": "config",
    "AuditResult": "result",
    "SubjectImages": "images",
    "audit_folders": "folders",
    "audit_images": "evaluate",
}

callable_room(__name__)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
