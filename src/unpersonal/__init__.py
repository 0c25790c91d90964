"""Turn a personal image dataset into one that may be shared, and say how far it may be trusted.

The verbs of the command line in Python: `init_study`, `Study`, `demo`, `audit`, `metrics`, `utility`, `match`,
`verify`, `export`, `phantom` (see `unpersonal.verbs`). They print nothing and tell `Progress` to a callback.
Heavy libraries are imported when a verb is used, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cohort.table import Cohort
    from .core.errors import InputError, PolicyRefused
    from .core.telling import Progress
    from .match import match_pictures
    from .release.verify import verify_release
    from .report.summary import Summary
    from .study import Study
    from .verbs import audit, demo, export, init_study, match, metrics, phantom, utility, verify

__version__ = "0.1.0"

__all__ = [
    "Cohort",
    "InputError",
    "PolicyRefused",
    "Progress",
    "Study",
    "Summary",
    "__version__",
    "audit",
    "demo",
    "export",
    "init_study",
    "match",
    "match_pictures",
    "metrics",
    "phantom",
    "utility",
    "verify",
    "verify_release",
]

_HOMES = {
    "Cohort": "cohort.table",
    "InputError": "core.errors",
    "PolicyRefused": "core.errors",
    "Progress": "core.telling",
    "Study": "study",
    "Summary": "report.summary",
    "export": "verbs",
    "init_study": "verbs",
    "match_pictures": "match",
    "verify": "verbs",
    "verify_release": "release.verify",
}
_CALLABLE = ("audit", "demo", "match", "metrics", "phantom", "utility")
"""Verbs whose name is that of a module or room, which can be called (`core.rooms`)."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"unpersonal.{_HOMES[name]}"), name)
    if name in _CALLABLE:
        return import_module(f"unpersonal.{name}")
    raise AttributeError(f"module 'unpersonal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
