"""Features or images in, numbers out: generative metrics, copy detection, intervals and tests.

Import the module of the figure you need (`from unpersonal.metrics.generative.irs import irs`); nothing heavy is loaded
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.rooms import callable_room

if TYPE_CHECKING:
    from .hypothesis import holm, permutation_p, permuted_within
    from .intervals import (
        clopper_pearson,
        clopper_pearson_lower,
        clopper_pearson_upper,
        percentile_interval,
        subject_bootstrap,
        wilson,
    )
    from .roc import auroc, macro_auroc, roc_curve

_HOME = {
    "auroc": "roc",
    "macro_auroc": "roc",
    "roc_curve": "roc",
    "clopper_pearson": "intervals",
    "clopper_pearson_lower": "intervals",
    "clopper_pearson_upper": "intervals",
    "percentile_interval": "intervals",
    "subject_bootstrap": "intervals",
    "wilson": "intervals",
    "holm": "hypothesis",
    "permutation_p": "hypothesis",
    "permuted_within": "hypothesis",
}

__all__ = [
    "auroc",
    "clopper_pearson",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "holm",
    "macro_auroc",
    "percentile_interval",
    "permutation_p",
    "permuted_within",
    "roc_curve",
    "subject_bootstrap",
    "wilson",
]

callable_room(__name__)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)
