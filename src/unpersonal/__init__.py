"""Turn a personal image dataset into one that may be shared, and say how far it may be trusted.

The verbs of the command line in Python: `init_study`, `Study`, `demo`, `audit`, `metrics`, `utility`,
`match_pictures`, `verify_release`, `Cohort`.
Heavy libraries are imported when a verb is used, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import audit, metrics, utility
    from .cohort.table import Cohort
    from .core.errors import InputError, PolicyRefused
    from .demo import demo
    from .init import init_study
    from .match import match_pictures
    from .release.verify import verify_release
    from .study import Study

__version__ = "0.1.0"

__all__ = [
    "Cohort",
    "InputError",
    "PolicyRefused",
    "Study",
    "__version__",
    "audit",
    "demo",
    "init_study",
    "match_pictures",
    "metrics",
    "utility",
    "verify_release",
]

_VERBS = {
    "Cohort": "cohort.table",
    "Study": "study",
    "init_study": "init",
    "demo": "demo",
    "match_pictures": "match",
    "verify_release": "release.verify",
    "InputError": "core.errors",
    "PolicyRefused": "core.errors",
}
_ROOMS = ("audit", "metrics", "utility")


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        # kept: importing the module `demo` would put itself in the place of the verb
        globals()[name] = getattr(import_module(f"unpersonal.{_VERBS[name]}"), name)
        return globals()[name]
    if name in _ROOMS:
        return import_module(f"unpersonal.{name}")
    raise AttributeError(f"module 'unpersonal' has no attribute {name!r}")
