"""The `audit` stage: train against test subjects, spaces and weights from the auditor's own subjects.

Train subjects whom nobody labelled are a game of their own: control has none of them, and a stratum by a label that a
classifier predicted would compare people who are not alike.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..codec.store import load_images
from ..cohort.table import Cohort, load_cohort
from ..core.files import write_json
from ..core.tensors import save_array
from ..synthesis.selected import Selected, load_selected
from .config import AuditConfig
from .evaluate import audit_images
from .result import SMALLEST_CELL, AuditResult, masked
from .verdict import claim, rounded_up
from .weights import FEWEST

if TYPE_CHECKING:
    import torch

PARTS = ("train", "test", "aux-network", "aux-weights")
FEWEST_UNLABELLED = max(FEWEST, SMALLEST_CELL)
"""Below it no game is played: its figures would be those of a cell that is never told."""
UNLABELLED = "people whom nobody labelled"
VERDICTS = ("pass", "inconclusive", "fail")
"""From the best to the worst."""
WORST = 24
"""Rows of each kind that private.json names."""


def run_stage(
    study: Path, config: AuditConfig, *, seed: int, device: torch.device, advantage_upper: float
) -> dict[str, Any]:
    """Audit what synthesis selected; returns the aggregates that are also written to audit/audit.json.

    Also writes audit/train_distances.npy and control_distances.npy (float32, sorted: relative distance of every subject
    to the nearest released image) and audit/private.json (rows of the cohort and of the selected images, for
    private.html only). `advantage_upper` is the policy. Closed form throughout, so `device` is not used.

    Strata are of given labels only. Train subjects without any are played apart, see `_together`.
    """
    cohort, selected = load_cohort(study), load_selected(study)
    rows = {part: cohort.rows(part) for part in PARTS}
    # a person of whom some images are labelled is compared with those who have these labels
    known = np.isin(cohort.subjects, np.unique(cohort.subjects[cohort.labelled].astype(str)))
    bare = rows["train"][~known[rows["train"]]]
    rows["train"] = rows["train"][known[rows["train"]]]
    missing = _too_small(cohort, rows, selected)
    folder = study / "audit"
    if missing:
        return _not_played(folder, missing, advantage_upper)
    images = load_images(study)
    part = {name: np.array(images[numbers]) for name, numbers in rows.items()}
    labels = _given_labels(cohort)

    def play(train: np.ndarray, config: AuditConfig, by_label: bool) -> AuditResult:
        return audit_images(
            np.array(images[train]),
            cohort.subjects[train],
            part["test"],
            cohort.subjects[rows["test"]],
            selected.images,
            part["aux-weights"],
            cohort.subjects[rows["aux-weights"]],
            config=config,
            seed=seed,
            advantage_policy=advantage_upper,
            train_labels=[labels[row] for row in train] if by_label else None,
            control_labels=[labels[row] for row in rows["test"]] if by_label else None,
            network_images=part["aux-network"],
            network_subjects=cohort.subjects[rows["aux-network"]],
        )

    if not len(bare):
        result = play(rows["train"], config, True)
        figures = result.to_dict()
        games = [(result, rows["train"])]
    else:
        # two bounds that are added: each has half of the error that the sum may have
        careful = config.model_copy(update={"confidence": (1.0 + config.confidence) / 2})
        result = play(rows["train"], careful, True)
        people = len(np.unique(cohort.subjects[bare].astype(str)))
        other = play(bare, careful, False) if people >= FEWEST_UNLABELLED else None
        figures = _together(result, other, people, config, advantage_upper)
        games = [(result, rows["train"])] + ([(other, bare)] if other else [])
    write_json(folder / "audit.json", figures)
    _write_private(folder, games)
    return figures


def _given_labels(cohort: Cohort) -> list[list[str]]:
    """Labels of every row; a row that nobody labelled has the most frequent given set of its subject, if any."""
    sets: dict[str, Counter[tuple[str, ...]]] = {}
    labels = cohort.labels
    for subject, row, labelled in zip(cohort.subjects, labels, cohort.labelled, strict=True):
        if labelled:
            sets.setdefault(str(subject), Counter())[tuple(sorted(set(row)))] += 1
    usual = {subject: min(counts, key=lambda s: (-counts[s], s)) for subject, counts in sets.items()}
    return [
        row if labelled else list(usual.get(str(subject), ()))
        for subject, row, labelled in zip(cohort.subjects, labels, cohort.labelled, strict=True)
    ]


def _together(
    labelled: AuditResult, unlabelled: AuditResult | None, people: int, config: AuditConfig, policy: float
) -> dict[str, Any]:
    """Figures of the game of labelled train subjects, with what holds of all train subjects in place of its own.

    Isolations are counted per released image, so those of the two groups add up, and so do their bounds. The verdict
    is the worse of the two; `unlabelled`, if None, could not be played (`people` are too few), which is inconclusive.
    """
    first = labelled.to_dict()
    own = {name: first[name] for name in ("verdict", "advantage", "advantage_upper", "weight", "train_subjects")}
    reasons = list(first["reasons"])
    if unlabelled is None:
        reasons.append(
            f"{UNLABELLED}: they are fewer than the {FEWEST_UNLABELLED} that a game needs, so nothing is known of them;"
            " leave their images out"
        )
        # the difference of two totals would tell how few they are
        del own["train_subjects"]
        return {
            **first,
            "verdict": _worst(labelled.verdict, "inconclusive"),
            "reasons": reasons,
            "advantage": None,
            "advantage_upper": 1.0,
            "claim": claim(1.0, labelled.weight, config.confidence),
            "confidence": config.confidence,
            "train_subjects": labelled.train_subjects + people,
            "labelled": own,
            "unlabelled": {"train_subjects": masked(people), "verdict": "inconclusive"},
        }
    second = unlabelled.to_dict()
    reasons += [f"{UNLABELLED}: {reason}" for reason in second["reasons"]]
    upper = min(labelled.advantage_upper + unlabelled.advantage_upper, 1.0)
    verdict = _worst(labelled.verdict, unlabelled.verdict)
    if upper > policy >= max(labelled.advantage_upper, unlabelled.advantage_upper):
        reasons.append(
            f"the upper bound of the advantage over all train subjects, {rounded_up(upper)}, the sum of those over"
            f" labelled and unlabelled ones, is above the policy's {policy:g}"
        )
        verdict = _worst(verdict, "inconclusive")
    weight = max(labelled.weight, unlabelled.weight)
    notes = [f"{UNLABELLED}: {note}" for note in second["notes"]]
    sums = ("advantage", "isolation_train", "isolation_control", "train_subjects")
    details = ("placebo", "planted", "weights", "control_subjects", "tests")
    return {
        **first,
        "verdict": verdict,
        "reasons": reasons,
        "notes": [
            *first["notes"],
            f"{UNLABELLED} were compared with control subjects of any label: where they are of another kind, a"
            " difference is no proof that they leaked",
            *notes,
        ],
        **{name: first[name] + second[name] for name in sums},
        "advantage_upper": upper,
        "weight": weight,
        "confidence": config.confidence,
        "claim": claim(upper, weight, config.confidence),
        "labelled": own,
        "unlabelled": {name: second[name] for name in (*own, *details)},
    }


def _worst(*verdicts: str) -> str:
    return max(verdicts, key=VERDICTS.index)


def _too_small(cohort: Cohort, rows: dict[str, np.ndarray], selected: Selected) -> list[str]:
    counts = {part: len(set(cohort.subjects[numbers])) for part, numbers in rows.items()}
    reasons = [
        f"the part {part} has only {count} {'labelled ' if part == 'train' and cohort.unlabelled else ''}subjects, the"
        f" audit needs {FEWEST} to be run at all"
        for part, count in counts.items()
        if count < FEWEST
    ]
    return reasons + ([] if len(selected) else ["synthesis selected no image, so there is nothing to audit"])


def _not_played(folder: Path, reasons: list[str], policy: float) -> dict[str, Any]:
    """An inconclusive outcome without a game: no estimate, and the bound that always holds."""
    figures = {
        "verdict": "inconclusive",
        "reasons": reasons,
        "notes": [],
        "advantage": None,
        "advantage_upper": 1.0,
        "policy_upper": policy,
        "tests": [],
    }
    write_json(folder / "audit.json", figures)
    write_json(folder / "private.json", {"worst": [], "pairs": []})
    for name in ("train", "control"):
        save_array(folder / f"{name}_distances.npy", np.empty(0, dtype=np.float32))
    return figures


def _write_private(folder: Path, games: list[tuple[AuditResult, np.ndarray]]) -> None:
    """Distances and the worst rows of all games: (result, rows of the cohort that were its train images)."""
    # sorted, so that the position in the file says nothing about who it was
    save_array(folder / "train_distances.npy", np.sort(np.concatenate([result.train_distances for result, _ in games])))
    save_array(folder / "control_distances.npy", np.sort(games[0][0].control_distances))
    worst = [{**item, "train": int(rows[item["train"]])} for result, rows in games for item in result.private.worst]
    pairs = [
        {**item, "train": int(rows[int(item["train"])])} for result, rows in games for item in result.private.pairs
    ]
    write_json(
        folder / "private.json",
        {
            "worst": sorted(worst, key=lambda item: -item["predicates"])[:WORST],
            "pairs": sorted(pairs, key=lambda item: item["distance"])[:WORST],
        },
    )
