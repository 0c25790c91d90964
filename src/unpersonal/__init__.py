"""Turn a personal image dataset into one that may be shared, and prove how far it may be trusted.

The verbs of the command line in Python: `init_study`, `Study`, `demo`, `audit`, `metrics`, `verify_release`, `Cohort`.
Heavy libraries are imported when a verb is used, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_VERBS = {
    "Cohort": ("cohort.table", "Cohort"),
    "Study": ("study", "Study"),
    "init_study": ("init", "init_study"),
    "demo": ("demo", "demo"),
    "verify_release": ("release.verify", "verify_release"),
    "InputError": ("core.errors", "InputError"),
    "PolicyRefused": ("core.errors", "PolicyRefused"),
}
_ROOMS = ("audit", "metrics")

__all__ = ["__version__", *_VERBS, *_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        module, attribute = _VERBS[name]
        return getattr(import_module(f"unpersonal.{module}"), attribute)
    if name in _ROOMS:
        return import_module(f"unpersonal.{name}")
    raise AttributeError(f"module 'unpersonal' has no attribute {name!r}")
