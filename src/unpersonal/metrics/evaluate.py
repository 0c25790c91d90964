"""All generative figures of a synthetic set at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.seeds import numpy_rng
from .authpct import authpct
from .ct import ct
from .frechet import frechet_distance
from .irs import compare_irs, irs_adjusted
from .kid import kid
from .neighbours import as_features, same_width
from .prdc import prdc
from .support import subject_support, support_fraction
from .vendi import vendi

Figures = dict[str, Any]

IRS_KEYS = ("irs", "irs_lower", "irs_upper", "irs_exact", "irs_synthetic", "irs_test")


def _irs(train: np.ndarray, test: np.ndarray, synthetic: np.ndarray, seed: int) -> Figures:
    """Adjusted score; its bounds set the synthetic interval against the point estimate of the test set."""
    both = compare_irs(train, test, synthetic, rng=numpy_rng(seed, "metrics", "irs"))
    return {
        "irs": both.adjusted,
        "irs_lower": both.synthetic.n_lower / both.test.n_learned,
        "irs_upper": both.synthetic.n_upper / both.test.n_learned,
        "irs_exact": irs_adjusted(both.synthetic, both.test, as_reported=False),
        "irs_synthetic": {
            "alpha": both.synthetic.irs_alpha,
            "inf": both.synthetic.irs_inf,
            "lower": both.synthetic.irs_inf_lower,
            "upper": both.synthetic.irs_inf_upper,
        },
        "irs_test": {
            "alpha": both.test.irs_alpha,
            "inf": both.test.irs_inf,
            "lower": both.test.irs_inf_lower,
            "upper": both.test.irs_inf_upper,
        },
    }


def _gaps(train: np.ndarray, test: np.ndarray, synthetic: np.ndarray, notes: dict[str, str]) -> Figures:
    smallest = min(train.shape[0], test.shape[0], synthetic.shape[0])
    if smallest <= train.shape[1]:
        notes["fid"] = (
            f"{smallest} rows do not span {train.shape[1]} dimensions: FID is inflated; compare equal sizes only"
        )
    return {
        "fid": frechet_distance(test, synthetic).fid,
        "fid_train": frechet_distance(train, synthetic).fid,
        "fid_test": frechet_distance(test, synthetic).fid,
        "fid_real": frechet_distance(train, test).fid,
    }


def evaluate(
    train: np.ndarray,
    test: np.ndarray,
    synthetic: np.ndarray,
    *,
    seed: int,
    subjects_train: np.ndarray | None = None,
    subjects_test: np.ndarray | None = None,
) -> Figures:
    """Every figure of this room for feature matrices [n, d], as JSON-able finite numbers.

    Keys: `irs` (adjusted, as published) with `irs_lower`, `irs_upper`; `irs_exact`, `irs_synthetic`, `irs_test`; `fid`
    (= `fid_test`), `fid_train`, `fid_test`, `fid_real` (train against test: the floor); `kid_train`, `kid_test`;
    `precision`, `recall`, `density`, `coverage` against train; `authpct` (percent); `ct`; `vendi_train`, `vendi_test`,
    `vendi_synthetic`, `vendi_synthetic_order2`, `vendi_synthetic_order_inf`; `support_train`, `support_test` and, with
    subjects, `support_subjects_train`, `support_subjects_test`; `n_*`. A figure that the sets are too small or too
    degenerate for is None, and `notes` says why; `notes` also warns of biased ones. Random choices derive from `seed`.
    """
    train, test, synthetic = as_features(train, "train"), as_features(test, "test"), as_features(synthetic, "synthetic")
    same_width(train, test, synthetic)
    notes: dict[str, str] = {}
    out: Figures = {"n_train": train.shape[0], "n_test": test.shape[0], "n_synthetic": synthetic.shape[0]}

    def add(keys: tuple[str, ...], compute: Callable[[], Figures]) -> None:
        try:
            figures = compute()
        except (ValueError, np.linalg.LinAlgError) as error:
            out.update(dict.fromkeys(keys))
            notes.update({key: str(error) for key in keys})
            return
        for key, value in figures.items():
            finite = isinstance(value, dict) or np.isfinite(value)
            out[key] = value if finite else None
            if not finite:
                notes[key] = "the figure is not finite on these features"

    add(IRS_KEYS, lambda: _irs(train, test, synthetic, seed))
    add(("fid", "fid_train", "fid_test", "fid_real"), lambda: _gaps(train, test, synthetic, notes))
    for side, reference in (("train", train), ("test", test)):
        rng = numpy_rng(seed, "metrics", "kid", side)
        add((f"kid_{side}",), lambda: {f"kid_{side}": kid(reference, synthetic, rng=rng).kid})  # noqa: B023
    rng = numpy_rng(seed, "metrics", "prdc")
    add(("precision", "recall", "density", "coverage"), lambda: dict(vars(prdc(train, synthetic, rng=rng))))
    add(("authpct",), lambda: {"authpct": authpct(train, synthetic)})
    add(("ct",), lambda: {"ct": ct(train, test, synthetic, rng=numpy_rng(seed, "metrics", "ct")).value})
    for name, rows in (("train", train), ("test", test), ("synthetic", synthetic)):
        add((f"vendi_{name}",), lambda: {f"vendi_{name}": vendi(rows)})  # noqa: B023
    for name, order in (("2", 2.0), ("_inf", np.inf)):
        key = f"vendi_synthetic_order{name}"
        add((key,), lambda: {key: vendi(synthetic, order)})  # noqa: B023
    for side, reference, subjects in (("train", train, subjects_train), ("test", test, subjects_test)):
        out[f"support_{side}"] = support_fraction(reference, synthetic)
        if subjects is not None:
            out[f"support_subjects_{side}"] = subject_support(reference, subjects, synthetic)
            out[f"n_subjects_{side}"] = int(np.unique(np.asarray(subjects).astype(str)).size)
    out["notes"] = notes
    return out
